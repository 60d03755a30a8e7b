#include "packs.cuh"
#include "reductions.cuh"
#include "scalars.cuh"

using Index = int;

// A team of threads has a row, which stays in registers, and goes over it pass by pass.
extern "C" __global__ void __launch_bounds__(512, 1) kernel(
    const float* __restrict__ x_at_1,
    const long long* __restrict__ class_index_at_1,
    float* __restrict__ inout_negative_1,
    float* __restrict__ out_add_1,
    Index n0,
    Index n1)
{
    for (Index i0 = Index(blockIdx.x) * blockDim.y + threadIdx.y; i0 < n0; i0 += gridDim.x * blockDim.y) {
        Pack<float, 2> x_at_1_pack[1];
        Pack<float, 2> out_add_1_pack[1];
        Pack<float, 2> row_exp_1_pack[1];
        #pragma unroll
        for (int turn = 0; turn < 1; ++turn) {
            const Index i1 = (turn * 8 + threadIdx.x) * 2;
            if (i1 < n1) {
                x_at_1_pack[turn] = load<2>(x_at_1 + i0 * n1 + i1);
            }
        }
        const long long class_index_1 = class_index_at_1[i0];
        const float negative_1 = inout_negative_1[i0];
        const Index there1 = class_index_1;
        const bool mine1 = (class_index_1 >= 0) & (class_index_1 < n1) & (there1 / 2 % 8 == threadIdx.x);
        float x_1_there1 = 0.0f;
        if (mine1) {
            x_1_there1 = x_at_1[i0 * n1 + there1];
        }
        float reduce_max_1 = lowest<float>();
        float reduce_sum_2 = 0.0f;
        if (mine1) {
            const long long position_2 = there1;
            const bool there_2 = position_2 == class_index_1;
            const float place_1 = there_2 ? negative_1 : 0.0f;
            const float negative_3 = -place_1;
            reduce_sum_2 += negative_3;
        }
        #pragma unroll
        for (int turn = 0; turn < 1; ++turn) {
            const Index i1 = (turn * 8 + threadIdx.x) * 2;
            if (i1 < n1) {
                #pragma unroll
                for (int k = 0; k < 2; ++k) {
                    const float x_1 = element(x_at_1_pack[turn], k);
                    reduce_max_1 = maximum(x_1, reduce_max_1);
                }
            }
        }
        over_team<8, 0>(max_of(reduce_max_1), sum_of(reduce_sum_2));
        const bool isfinite_1 = fabsf(reduce_max_1) < highest<float>();
        const float where_1 = isfinite_1 ? reduce_max_1 : 0.0f;
        float reduce_sum_1 = 0.0f;
        #pragma unroll
        for (int turn = 0; turn < 1; ++turn) {
            const Index i1 = (turn * 8 + threadIdx.x) * 2;
            if (i1 < n1) {
                #pragma unroll
                for (int k = 0; k < 2; ++k) {
                    const float x_1 = element(x_at_1_pack[turn], k);
                    const float subtract_1 = x_1 - where_1;
                    const float exp_1 = expf(subtract_1);
                    row_exp_1_pack[turn][k] = exp_1;
                    reduce_sum_1 += exp_1;
                }
            }
        }
        over_team<8, 1>(sum_of(reduce_sum_1));
        const float log_1 = logf(reduce_sum_1);
        const float divide_1 = 1.0f / reduce_sum_1;
        const float masked_multiply_1 = masked_multiply(reduce_sum_2, divide_1);
        float pick_1 = 0.0f;
        float add_1_there1 = 0.0f;
        if (mine1) {
            const float x_1 = x_1_there1;
            const float subtract_1 = x_1 - where_1;
            const float exp_1 = expf(subtract_1);
            const float subtract_2 = subtract_1 - log_1;
            const long long position_1 = there1;
            const bool there_1 = position_1 == class_index_1;
            const float chosen_1 = there_1 ? subtract_2 : 0.0f;
            const long long position_2 = there1;
            const bool there_2 = position_2 == class_index_1;
            const float place_1 = there_2 ? negative_1 : 0.0f;
            const float multiply_1 = masked_multiply_1 * exp_1;
            const float add_1 = place_1 + multiply_1;
            pick_1 += chosen_1;
            add_1_there1 = add_1;
        }
        #pragma unroll
        for (int turn = 0; turn < 1; ++turn) {
            const Index i1 = (turn * 8 + threadIdx.x) * 2;
            if (i1 < n1) {
                #pragma unroll
                for (int k = 0; k < 2; ++k) {
                    const float exp_1 = element(row_exp_1_pack[turn], k);
                    const float place_1 = 0.0f;
                    const float multiply_1 = masked_multiply_1 * exp_1;
                    const float add_1 = place_1 + multiply_1;
                    out_add_1_pack[turn][k] = add_1;
                }
                store(out_add_1 + i0 * n1 + i1, out_add_1_pack[turn]);
            }
        }
        if (mine1) {
            out_add_1[i0 * n1 + there1] = add_1_there1;
        }
        over_team<8, 2>(sum_of(pick_1));
        const float negative_2 = -pick_1;
        if (threadIdx.x == 0) {
            inout_negative_1[i0] = negative_2;
        }
    }
}
