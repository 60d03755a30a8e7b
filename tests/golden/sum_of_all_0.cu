#include "packs.cuh"
#include "reductions.cuh"
#include "scalars.cuh"

using Index = int;

// Pass 1 of 2: several blocks have a row.
extern "C" __global__ void __launch_bounds__(512) kernel_0(
    const float* __restrict__ x_at_1,
    float* __restrict__ out_reduce_sum_1,
    float* __restrict__ parts_reduce_sum_1,
    Index n0,
    Index parts)
{
    float reduce_sum_1 = 0.0f;
    #pragma unroll 4
    for (Index i0 = (blockIdx.y * 16 + threadIdx.x) * 4; i0 < n0; i0 += gridDim.y * 16 * 4) {
        const Pack<float, 4> x_at_1_pack = load<4>(x_at_1 + i0);
        #pragma unroll
        for (int k = 0; k < 4; ++k) {
            const float x_1 = element(x_at_1_pack, k);
            const float multiply_1 = x_1 * x_1;
            reduce_sum_1 += multiply_1;
        }
    }
    over_team<16, 0>(sum_of(reduce_sum_1));
    if (threadIdx.x == 0) {
        parts_reduce_sum_1[blockIdx.y] = reduce_sum_1;
    }
}

// Pass 2 of 2: several blocks have a row.
extern "C" __global__ void __launch_bounds__(512) kernel_1(
    const float* __restrict__ x_at_1,
    float* __restrict__ out_reduce_sum_1,
    float* __restrict__ parts_reduce_sum_1,
    Index n0,
    Index parts)
{
    const float reduce_sum_1 = parts_sum<16>(parts_reduce_sum_1, parts);
    if (blockIdx.y == 0 && threadIdx.x == 0) {
        out_reduce_sum_1[0] = reduce_sum_1;
    }
}
