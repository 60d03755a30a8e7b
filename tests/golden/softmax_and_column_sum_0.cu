#include "packs.cuh"
#include "reductions.cuh"
#include "scalars.cuh"
#include "team_rows.cuh"

using Index = int;

// A team of threads has a row, and goes over it pass by pass.
extern "C" __global__ void __launch_bounds__(512) kernel(
    const float* __restrict__ x_at_1,
    float* __restrict__ out_multiply_1,
    float* __restrict__ out_reduce_sum_1,
    float* __restrict__ parts_out_reduce_sum_1,
    Index n0,
    Index n1,
    Index parts)
{
    const Index mine = (Index(blockIdx.x) * blockDim.y + threadIdx.y) * n1;
    clear_row<4>(parts_out_reduce_sum_1 + mine, n1);
    for (Index i0 = Index(blockIdx.x) * blockDim.y + threadIdx.y; i0 < n0; i0 += gridDim.x * blockDim.y) {
        float reduce_max_1 = lowest<float>();
        #pragma unroll 4
        for (Index i1 = threadIdx.x * 4; i1 < n1; i1 += 32 * 4) {
            const Pack<float, 4> x_at_1_pack = load<4>(x_at_1 + i0 * n1 + i1);
            #pragma unroll
            for (int k = 0; k < 4; ++k) {
                const float x_1 = element(x_at_1_pack, k);
                reduce_max_1 = maximum(x_1, reduce_max_1);
            }
        }
        over_team<32, 0>(max_of(reduce_max_1));
        const bool isfinite_1 = fabsf(reduce_max_1) < highest<float>();
        const float where_1 = isfinite_1 ? reduce_max_1 : 0.0f;
        float reduce_sum_1 = 0.0f;
        #pragma unroll 4
        for (Index i1 = threadIdx.x * 4; i1 < n1; i1 += 32 * 4) {
            const Pack<float, 4> x_at_1_pack = load<4>(x_at_1 + i0 * n1 + i1);
            #pragma unroll
            for (int k = 0; k < 4; ++k) {
                const float x_1 = element(x_at_1_pack, k);
                const float subtract_1 = x_1 - where_1;
                const float exp_1 = expf(subtract_1);
                reduce_sum_1 += exp_1;
            }
        }
        over_team<32, 1>(sum_of(reduce_sum_1));
        const float divide_1 = 1.0f / reduce_sum_1;
        #pragma unroll 4
        for (Index i1 = threadIdx.x * 4; i1 < n1; i1 += 32 * 4) {
            const Pack<float, 4> x_at_1_pack = load<4>(x_at_1 + i0 * n1 + i1);
            Pack<float, 4> out_multiply_1_pack;
            Pack<float, 4> out_reduce_sum_1_pack = load<4>(parts_out_reduce_sum_1 + mine + i1);
            #pragma unroll
            for (int k = 0; k < 4; ++k) {
                const float x_1 = element(x_at_1_pack, k);
                const float subtract_1 = x_1 - where_1;
                const float exp_1 = expf(subtract_1);
                const float multiply_1 = exp_1 * divide_1;
                out_multiply_1_pack[k] = multiply_1;
                out_reduce_sum_1_pack[k] += multiply_1;
            }
            store(out_multiply_1 + i0 * n1 + i1, out_multiply_1_pack);
            store(parts_out_reduce_sum_1 + mine + i1, out_reduce_sum_1_pack);
        }
    }
}

// Adds up the parts of sums over rows.
extern "C" __global__ void __launch_bounds__(512) kernel_sums(
    const float* __restrict__ x_at_1,
    float* __restrict__ out_multiply_1,
    float* __restrict__ out_reduce_sum_1,
    float* __restrict__ parts_out_reduce_sum_1,
    Index n0,
    Index n1,
    Index parts)
{
    sum_parts(parts_out_reduce_sum_1, parts, n1, out_reduce_sum_1);
}
