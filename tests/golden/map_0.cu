#include "packs.cuh"
#include "scalars.cuh"

using Index = int;

// A thread takes 4 neighbouring elements at a time, in strides of the grid.
extern "C" __global__ void __launch_bounds__(512) kernel(
    const float* __restrict__ x_at_1,
    float* __restrict__ out_add_1,
    Index n0)
{
    for (Index i0 = (Index(blockIdx.x) * blockDim.x + threadIdx.x) * 4; i0 < n0; i0 += gridDim.x * blockDim.x * 4) {
        const Pack<float, 4> x_at_1_pack = load<4>(x_at_1 + i0);
        Pack<float, 4> out_add_1_pack;
        #pragma unroll
        for (int k = 0; k < 4; ++k) {
            const float x_1 = element(x_at_1_pack, k);
            const float sin_1 = sinf(x_1);
            const float multiply_1 = sin_1 * x_1;
            const float add_1 = multiply_1 + 0.5f;
            out_add_1_pack[k] = add_1;
        }
        store(out_add_1 + i0, out_add_1_pack);
    }
}
