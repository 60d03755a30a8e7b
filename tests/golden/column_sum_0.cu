#include "packs.cuh"
#include "reductions.cuh"
#include "scalars.cuh"

using Index = int;

// A block has a tile of columns, and takes turns with the others of its column at the rows.
extern "C" __global__ void __launch_bounds__(512) kernel(
    const float* __restrict__ x_at_1,
    float* __restrict__ out_relu_1,
    float* __restrict__ out_reduce_sum_1,
    float* __restrict__ parts_out_reduce_sum_1,
    Index n0,
    Index n1,
    Index parts)
{
    const Index i1 = (Index(blockIdx.x) * blockDim.x + threadIdx.x) * 4;
    Pack<float, 4> sum_out_reduce_sum_1;
    #pragma unroll
    for (int k = 0; k < 4; ++k) {
        sum_out_reduce_sum_1[k] = 0.0f;
    }
    if (i1 < n1) {
        #pragma unroll 4
        for (Index i0 = Index(blockIdx.y) * blockDim.y + threadIdx.y; i0 < n0; i0 += gridDim.y * blockDim.y) {
            const Pack<float, 4> x_at_1_pack = load<4>(x_at_1 + i0 * n1 + i1);
            Pack<float, 4> out_relu_1_pack;
            #pragma unroll
            for (int k = 0; k < 4; ++k) {
                const float x_1 = element(x_at_1_pack, k);
                const float relu_1 = maximum(x_1, 0.0f);
                out_relu_1_pack[k] = relu_1;
                sum_out_reduce_sum_1[k] += relu_1;
            }
            store(out_relu_1 + i0 * n1 + i1, out_relu_1_pack);
        }
    }
    #pragma unroll
    for (int k = 0; k < 4; ++k) {
        sum_out_reduce_sum_1[k] = column_sum(sum_out_reduce_sum_1[k]);
    }
    if (threadIdx.y == 0 && i1 < n1) {
        store(parts_out_reduce_sum_1 + blockIdx.y * n1 + i1, sum_out_reduce_sum_1);
    }
}

// Adds up the parts of sums over rows.
extern "C" __global__ void __launch_bounds__(512) kernel_sums(
    const float* __restrict__ x_at_1,
    float* __restrict__ out_relu_1,
    float* __restrict__ out_reduce_sum_1,
    float* __restrict__ parts_out_reduce_sum_1,
    Index n0,
    Index n1,
    Index parts)
{
    sum_parts(parts_out_reduce_sum_1, parts, n1, out_reduce_sum_1);
}
