#include "packs.cuh"
#include "reductions.cuh"
#include "scalars.cuh"

using Index = int;

// A team of threads has a row, and goes over it pass by pass.
extern "C" __global__ void __launch_bounds__(512) kernel(
    const float* __restrict__ negative_at_1,
    const long long* __restrict__ y_at_1,
    float* __restrict__ out_reduce_sum_1,
    Index n0)
{
    float reduce_sum_1 = 0.0f;
    for (Index i0 = threadIdx.x * 2; i0 < n0; i0 += blockDim.x * 2) {
        const Pack<float, 2> negative_at_1_pack = load<2>(negative_at_1 + i0);
        const Pack<long long, 2> y_at_1_pack = load<2>(y_at_1 + i0);
        #pragma unroll
        for (int k = 0; k < 2; ++k) {
            const float negative_1 = negative_at_1_pack[k];
            const long long y_1 = y_at_1_pack[k];
            const bool not_equal_1 = y_1 != (-100ll);
            const float where_1 = not_equal_1 ? negative_1 : 0.0f;
            reduce_sum_1 += where_1;
        }
    }
    reduce_sum_1 = team_sum(reduce_sum_1);
    if (threadIdx.x == 0) {
        out_reduce_sum_1[0] = reduce_sum_1;
    }
}
