#include "packs.cuh"
#include "reductions.cuh"
#include "scalars.cuh"

using Index = int;

// A team of threads has a row, and goes over it pass by pass.
extern "C" __global__ void __launch_bounds__(512) kernel(
    const bool* __restrict__ not_equal_at_1,
    const float* __restrict__ negative_at_1,
    float* __restrict__ out_reduce_sum_1,
    Index n0)
{
    float reduce_sum_1 = 0.0f;
    for (Index i0 = threadIdx.x * 4; i0 < n0; i0 += blockDim.x * 4) {
        const Pack<bool, 4> not_equal_at_1_pack = load<4>(not_equal_at_1 + i0);
        const Pack<float, 4> negative_at_1_pack = load<4>(negative_at_1 + i0);
        #pragma unroll
        for (int k = 0; k < 4; ++k) {
            const bool not_equal_1 = not_equal_at_1_pack[k];
            const float negative_1 = negative_at_1_pack[k];
            const float where_1 = not_equal_1 ? negative_1 : 0.0f;
            reduce_sum_1 += where_1;
        }
    }
    reduce_sum_1 = team_sum(reduce_sum_1);
    if (threadIdx.x == 0) {
        out_reduce_sum_1[0] = reduce_sum_1;
    }
}
