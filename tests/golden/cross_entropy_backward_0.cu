#include "packs.cuh"
#include "reductions.cuh"
#include "scalars.cuh"

using Index = int;

// A team of threads has a row, which stays in registers, and goes over it pass by pass.
extern "C" __global__ void __launch_bounds__(512, 1) kernel(
    const long long* __restrict__ y_at_1,
    long long* __restrict__ out_where_1,
    float* __restrict__ out_reduce_sum_1,
    float* __restrict__ out_negative_1,
    Index n0)
{
    Pack<long long, 4> y_at_1_pack[1];
    Pack<long long, 4> out_where_1_pack[1];
    Pack<float, 4> out_negative_1_pack[1];
    #pragma unroll
    for (int turn = 0; turn < 1; ++turn) {
        const Index i0 = (turn * 8 + threadIdx.x) * 4;
        if (i0 < n0) {
            y_at_1_pack[turn] = load<4>(y_at_1 + i0);
        }
    }
    float reduce_sum_1 = 0.0f;
    #pragma unroll
    for (int turn = 0; turn < 1; ++turn) {
        const Index i0 = (turn * 8 + threadIdx.x) * 4;
        if (i0 < n0) {
            #pragma unroll
            for (int k = 0; k < 4; ++k) {
                const long long y_1 = element(y_at_1_pack[turn], k);
                const bool not_equal_1 = y_1 != (-100ll);
                const long long where_1 = not_equal_1 ? y_1 : 0ll;
                out_where_1_pack[turn][k] = where_1;
                const float cast_1 = (float)not_equal_1;
                reduce_sum_1 += cast_1;
            }
            store(out_where_1 + i0, out_where_1_pack[turn]);
        }
    }
    over_team<8, 0>(sum_of(reduce_sum_1));
    const float divide_1 = 1.0f / reduce_sum_1;
    #pragma unroll
    for (int turn = 0; turn < 1; ++turn) {
        const Index i0 = (turn * 8 + threadIdx.x) * 4;
        if (i0 < n0) {
            #pragma unroll
            for (int k = 0; k < 4; ++k) {
                const long long y_1 = element(y_at_1_pack[turn], k);
                const bool not_equal_1 = y_1 != (-100ll);
                const float where_2 = not_equal_1 ? divide_1 : 0.0f;
                const float negative_1 = -where_2;
                out_negative_1_pack[turn][k] = negative_1;
            }
            store(out_negative_1 + i0, out_negative_1_pack[turn]);
        }
    }
    if (threadIdx.x == 0) {
        out_reduce_sum_1[0] = reduce_sum_1;
    }
}
