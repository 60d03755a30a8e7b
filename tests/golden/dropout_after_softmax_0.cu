#include "packs.cuh"
#include "philox.cuh"
#include "reductions.cuh"
#include "scalars.cuh"

using Index = int;

// A team of threads has a row, which stays in registers, and goes over it pass by pass.
extern "C" __global__ void __launch_bounds__(512, 1) kernel(
    const unsigned* __restrict__ random_bits_at_1,
    const float* __restrict__ x_at_1,
    float* __restrict__ out_where_1,
    Index n0,
    Index n1)
{
    const Key random_bits_at_1_key = key_at(random_bits_at_1);
    for (Index i0 = Index(blockIdx.x) * blockDim.y + threadIdx.y; i0 < n0; i0 += gridDim.x * blockDim.y) {
        Pack<float, 4> x_at_1_pack[1];
        Pack<float, 4> out_where_1_pack[1];
        Pack<float, 4> row_exp_1_pack[1];
        #pragma unroll
        for (int turn = 0; turn < 1; ++turn) {
            const Index i1 = (turn * 16 + threadIdx.x) * 4;
            if (i1 < n1) {
                x_at_1_pack[turn] = load<4>(x_at_1 + i0 * n1 + i1);
            }
        }
        float reduce_max_1 = lowest<float>();
        #pragma unroll
        for (int turn = 0; turn < 1; ++turn) {
            const Index i1 = (turn * 16 + threadIdx.x) * 4;
            if (i1 < n1) {
                #pragma unroll
                for (int k = 0; k < 4; ++k) {
                    const float x_1 = element(x_at_1_pack[turn], k);
                    reduce_max_1 = maximum(x_1, reduce_max_1);
                }
            }
        }
        over_team<16, 0>(max_of(reduce_max_1));
        const bool isfinite_1 = fabsf(reduce_max_1) < highest<float>();
        const float where_1 = isfinite_1 ? reduce_max_1 : 0.0f;
        float reduce_sum_1 = 0.0f;
        #pragma unroll
        for (int turn = 0; turn < 1; ++turn) {
            const Index i1 = (turn * 16 + threadIdx.x) * 4;
            if (i1 < n1) {
                #pragma unroll
                for (int k = 0; k < 4; ++k) {
                    const float x_1 = element(x_at_1_pack[turn], k);
                    const float subtract_1 = x_1 - where_1;
                    const float exp_1 = expf(subtract_1);
                    row_exp_1_pack[turn][k] = exp_1;
                    reduce_sum_1 += exp_1;
                }
            }
        }
        over_team<16, 1>(sum_of(reduce_sum_1));
        const float divide_1 = 1.0f / reduce_sum_1;
        #pragma unroll
        for (int turn = 0; turn < 1; ++turn) {
            const Index i1 = (turn * 16 + threadIdx.x) * 4;
            if (i1 < n1) {
                const Pack<unsigned, 4> random_bits_at_1_pack = words_at<unsigned, 4>(random_bits_at_1_key, i0 * n1 + i1);
                #pragma unroll
                for (int k = 0; k < 4; ++k) {
                    const unsigned random_bits_1 = element(random_bits_at_1_pack, k);
                    const bool less_equal_1 = random_bits_1 <= 3006477106u;
                    const float exp_1 = element(row_exp_1_pack[turn], k);
                    const float multiply_1 = exp_1 * divide_1;
                    const float multiply_2 = multiply_1 * 1.4285714285714286f;
                    const float where_2 = less_equal_1 ? multiply_2 : 0.0f;
                    out_where_1_pack[turn][k] = where_2;
                }
                store(out_where_1 + i0 * n1 + i1, out_where_1_pack[turn]);
            }
        }
    }
}
