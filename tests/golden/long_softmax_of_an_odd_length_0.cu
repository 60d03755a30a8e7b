#include "packs.cuh"
#include "reductions.cuh"
#include "scalars.cuh"
#include "staging.cuh"

using Index = int;

// A team of threads has a row, which stays in shared memory, and goes over it pass by pass.
extern "C" __global__ void __launch_bounds__(512, 2) kernel(
    const float* __restrict__ x_at_1,
    float* __restrict__ out_multiply_1,
    Index n0,
    Index n1)
{
    extern __shared__ __align__(16) unsigned char of_block[];
    float* const x_at_1_row = (float*)of_block;
    for (Index i0 = Index(blockIdx.x) * blockDim.y + threadIdx.y; i0 < n0; i0 += gridDim.x * blockDim.y) {
        const Index first = (4 - i0 * n1 % 4) % 4;
        const Index last = first + (n1 - first) / 4 * 4;
        bring_row<4>(x_at_1_row, x_at_1 + i0 * n1, n1, first);
        brought();
        float reduce_max_1 = lowest<float>();
        #pragma unroll 4
        for (Index i1 = first + threadIdx.x * 4; i1 < last; i1 += 128 * 4) {
            const Pack<float, 4> x_at_1_pack = load<4>(x_at_1_row + 8 + i1 - first);
            #pragma unroll
            for (int k = 0; k < 4; ++k) {
                const float x_1 = element(x_at_1_pack, k);
                const float multiply_1 = 2.0f * x_1;
                reduce_max_1 = maximum(multiply_1, reduce_max_1);
            }
        }
        for (Index end = threadIdx.x; end < n1 - last + first; end += 128) {
            const float x_1 = x_at_1_row[end];
            const float multiply_1 = 2.0f * x_1;
            reduce_max_1 = maximum(multiply_1, reduce_max_1);
        }
        over_team<128, 0>(max_of(reduce_max_1));
        const bool isfinite_1 = fabsf(reduce_max_1) < highest<float>();
        const float where_1 = isfinite_1 ? reduce_max_1 : 0.0f;
        float reduce_sum_1 = 0.0f;
        #pragma unroll 4
        for (Index i1 = first + threadIdx.x * 4; i1 < last; i1 += 128 * 4) {
            const Pack<float, 4> x_at_1_pack = load<4>(x_at_1_row + 8 + i1 - first);
            #pragma unroll
            for (int k = 0; k < 4; ++k) {
                const float x_1 = element(x_at_1_pack, k);
                const float multiply_1 = 2.0f * x_1;
                const float subtract_1 = multiply_1 - where_1;
                const float exp_1 = expf(subtract_1);
                reduce_sum_1 += exp_1;
            }
        }
        for (Index end = threadIdx.x; end < n1 - last + first; end += 128) {
            const float x_1 = x_at_1_row[end];
            const float multiply_1 = 2.0f * x_1;
            const float subtract_1 = multiply_1 - where_1;
            const float exp_1 = expf(subtract_1);
            reduce_sum_1 += exp_1;
        }
        over_team<128, 1>(sum_of(reduce_sum_1));
        const float divide_1 = 1.0f / reduce_sum_1;
        #pragma unroll 4
        for (Index i1 = first + threadIdx.x * 4; i1 < last; i1 += 128 * 4) {
            const Pack<float, 4> x_at_1_pack = load<4>(x_at_1_row + 8 + i1 - first);
            Pack<float, 4> out_multiply_1_pack;
            #pragma unroll
            for (int k = 0; k < 4; ++k) {
                const float x_1 = element(x_at_1_pack, k);
                const float multiply_1 = 2.0f * x_1;
                const float subtract_1 = multiply_1 - where_1;
                const float exp_1 = expf(subtract_1);
                const float multiply_2 = exp_1 * divide_1;
                out_multiply_1_pack[k] = multiply_2;
            }
            store(out_multiply_1 + i0 * n1 + i1, out_multiply_1_pack);
        }
        for (Index end = threadIdx.x; end < n1 - last + first; end += 128) {
            const Index i1 = end < first ? end : last - first + end;
            const float x_1 = x_at_1_row[end];
            const float multiply_1 = 2.0f * x_1;
            const float subtract_1 = multiply_1 - where_1;
            const float exp_1 = expf(subtract_1);
            const float multiply_2 = exp_1 * divide_1;
            out_multiply_1[i0 * n1 + i1] = multiply_2;
        }
    }
}
