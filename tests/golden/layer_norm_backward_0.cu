#include "packs.cuh"
#include "reductions.cuh"
#include "scalars.cuh"

using Index = int;

// A team of threads has a row, which stays in registers, and goes over it pass by pass.
extern "C" __global__ void __launch_bounds__(512, 1) kernel(
    const float* __restrict__ x_at_1,
    const float* __restrict__ scale_at_1,
    const float* __restrict__ shift_at_1,
    float* __restrict__ out_reduce_sum_1,
    float* __restrict__ out_reduce_sum_2,
    float* __restrict__ out_add_1,
    float* __restrict__ parts_out_reduce_sum_1,
    float* __restrict__ parts_out_reduce_sum_2,
    Index n0,
    Index n1,
    Index parts)
{
    Pack<float, 4> sum_out_reduce_sum_1[1];
    Pack<float, 4> sum_out_reduce_sum_2[1];
    #pragma unroll
    for (int turn = 0; turn < 1; ++turn) {
        #pragma unroll
        for (int k = 0; k < 4; ++k) {
            sum_out_reduce_sum_1[turn][k] = 0.0f;
            sum_out_reduce_sum_2[turn][k] = 0.0f;
        }
    }
    for (Index i0 = Index(blockIdx.x) * blockDim.y + threadIdx.y; i0 < n0; i0 += gridDim.x * blockDim.y) {
        Pack<float, 4> x_at_1_pack[1];
        Pack<float, 4> out_add_1_pack[1];
        #pragma unroll
        for (int turn = 0; turn < 1; ++turn) {
            const Index i1 = (turn * 8 + threadIdx.x) * 4;
            if (i1 < n1) {
                x_at_1_pack[turn] = load<4>(x_at_1 + i0 * n1 + i1);
            }
        }
        float reduce_sum_1 = 0.0f;
        #pragma unroll
        for (int turn = 0; turn < 1; ++turn) {
            const Index i1 = (turn * 8 + threadIdx.x) * 4;
            if (i1 < n1) {
                #pragma unroll
                for (int k = 0; k < 4; ++k) {
                    const float x_1 = element(x_at_1_pack[turn], k);
                    reduce_sum_1 += x_1;
                }
            }
        }
        over_team<8, 0>(sum_of(reduce_sum_1));
        const float divide_1 = reduce_sum_1 / 32.0f;
        float reduce_sum_2 = 0.0f;
        #pragma unroll
        for (int turn = 0; turn < 1; ++turn) {
            const Index i1 = (turn * 8 + threadIdx.x) * 4;
            if (i1 < n1) {
                #pragma unroll
                for (int k = 0; k < 4; ++k) {
                    const float x_1 = element(x_at_1_pack[turn], k);
                    const float subtract_1 = x_1 - divide_1;
                    const float multiply_1 = subtract_1 * subtract_1;
                    reduce_sum_2 += multiply_1;
                }
            }
        }
        over_team<8, 1>(sum_of(reduce_sum_2));
        const float divide_2 = reduce_sum_2 / 32.0f;
        const float add_1 = divide_2 + 1e-05f;
        const float sqrt_1 = sqrtf(add_1);
        const float divide_3 = 1.0f / sqrt_1;
        const float negative_1 = -divide_3;
        const float divide_4 = negative_1 / sqrt_1;
        const float divide_5 = 0.5f / sqrt_1;
        float reduce_sum_3 = 0.0f;
        #pragma unroll
        for (int turn = 0; turn < 1; ++turn) {
            const Index i1 = (turn * 8 + threadIdx.x) * 4;
            if (i1 < n1) {
                const Pack<float, 4> scale_at_1_pack = load<4>(scale_at_1 + i1);
                const Pack<float, 4> shift_at_1_pack = load<4>(shift_at_1 + i1);
                #pragma unroll
                for (int k = 0; k < 4; ++k) {
                    const float x_1 = element(x_at_1_pack[turn], k);
                    const float scale_1 = element(scale_at_1_pack, k);
                    const float shift_1 = element(shift_at_1_pack, k);
                    const float subtract_1 = x_1 - divide_1;
                    const float multiply_2 = subtract_1 * divide_3;
                    const float multiply_3 = multiply_2 * scale_1;
                    const float add_2 = multiply_3 + shift_1;
                    const float multiply_4 = 2.0f * add_2;
                    sum_out_reduce_sum_1[turn][k] += multiply_4;
                    const float multiply_5 = multiply_4 * scale_1;
                    const float multiply_6 = multiply_4 * multiply_2;
                    sum_out_reduce_sum_2[turn][k] += multiply_6;
                    const float multiply_8 = multiply_5 * subtract_1;
                    reduce_sum_3 += multiply_8;
                }
            }
        }
        over_team<8, 2>(sum_of(reduce_sum_3));
        const float masked_multiply_1 = masked_multiply(reduce_sum_3, divide_4);
        const float masked_multiply_2 = masked_multiply(masked_multiply_1, divide_5);
        const float masked_multiply_3 = masked_multiply_2 * 0.03125f;
        float reduce_sum_4 = 0.0f;
        #pragma unroll
        for (int turn = 0; turn < 1; ++turn) {
            const Index i1 = (turn * 8 + threadIdx.x) * 4;
            if (i1 < n1) {
                const Pack<float, 4> scale_at_1_pack = load<4>(scale_at_1 + i1);
                const Pack<float, 4> shift_at_1_pack = load<4>(shift_at_1 + i1);
                #pragma unroll
                for (int k = 0; k < 4; ++k) {
                    const float x_1 = element(x_at_1_pack[turn], k);
                    const float scale_1 = element(scale_at_1_pack, k);
                    const float shift_1 = element(shift_at_1_pack, k);
                    const float subtract_1 = x_1 - divide_1;
                    const float multiply_2 = subtract_1 * divide_3;
                    const float multiply_3 = multiply_2 * scale_1;
                    const float add_2 = multiply_3 + shift_1;
                    const float multiply_4 = 2.0f * add_2;
                    const float multiply_5 = multiply_4 * scale_1;
                    const float multiply_7 = multiply_5 * divide_3;
                    const float multiply_9 = masked_multiply_3 * subtract_1;
                    const float add_3 = multiply_7 + multiply_9;
                    const float add_4 = add_3 + multiply_9;
                    const float negative_2 = -add_4;
                    reduce_sum_4 += negative_2;
                }
            }
        }
        over_team<8, 3>(sum_of(reduce_sum_4));
        const float masked_multiply_4 = reduce_sum_4 * 0.03125f;
        #pragma unroll
        for (int turn = 0; turn < 1; ++turn) {
            const Index i1 = (turn * 8 + threadIdx.x) * 4;
            if (i1 < n1) {
                const Pack<float, 4> scale_at_1_pack = load<4>(scale_at_1 + i1);
                const Pack<float, 4> shift_at_1_pack = load<4>(shift_at_1 + i1);
                #pragma unroll
                for (int k = 0; k < 4; ++k) {
                    const float x_1 = element(x_at_1_pack[turn], k);
                    const float scale_1 = element(scale_at_1_pack, k);
                    const float shift_1 = element(shift_at_1_pack, k);
                    const float subtract_1 = x_1 - divide_1;
                    const float multiply_2 = subtract_1 * divide_3;
                    const float multiply_3 = multiply_2 * scale_1;
                    const float add_2 = multiply_3 + shift_1;
                    const float multiply_4 = 2.0f * add_2;
                    const float multiply_5 = multiply_4 * scale_1;
                    const float multiply_7 = multiply_5 * divide_3;
                    const float multiply_9 = masked_multiply_3 * subtract_1;
                    const float add_3 = multiply_7 + multiply_9;
                    const float add_4 = add_3 + multiply_9;
                    const float add_5 = add_4 + masked_multiply_4;
                    out_add_1_pack[turn][k] = add_5;
                }
                store(out_add_1 + i0 * n1 + i1, out_add_1_pack[turn]);
            }
        }
    }
    #pragma unroll
    for (int turn = 0; turn < 1; ++turn) {
        const Index i1 = (turn * 8 + threadIdx.x) * 4;
        #pragma unroll
        for (int k = 0; k < 4; ++k) {
            sum_out_reduce_sum_1[turn][k] = column_sum(sum_out_reduce_sum_1[turn][k]);
        }
        #pragma unroll
        for (int k = 0; k < 4; ++k) {
            sum_out_reduce_sum_2[turn][k] = column_sum(sum_out_reduce_sum_2[turn][k]);
        }
        if (threadIdx.y == 0 && i1 < n1) {
            store(parts_out_reduce_sum_1 + blockIdx.x * n1 + i1, sum_out_reduce_sum_1[turn]);
            store(parts_out_reduce_sum_2 + blockIdx.x * n1 + i1, sum_out_reduce_sum_2[turn]);
        }
    }
}

// Adds up the parts of sums over rows.
extern "C" __global__ void __launch_bounds__(512, 1) kernel_sums(
    const float* __restrict__ x_at_1,
    const float* __restrict__ scale_at_1,
    const float* __restrict__ shift_at_1,
    float* __restrict__ out_reduce_sum_1,
    float* __restrict__ out_reduce_sum_2,
    float* __restrict__ out_add_1,
    float* __restrict__ parts_out_reduce_sum_1,
    float* __restrict__ parts_out_reduce_sum_2,
    Index n0,
    Index n1,
    Index parts)
{
    sum_parts(parts_out_reduce_sum_1, parts, n1, out_reduce_sum_1);
    sum_parts(parts_out_reduce_sum_2, parts, n1, out_reduce_sum_2);
}
