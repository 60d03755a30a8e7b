#include "packs.cuh"
#include "scalars.cuh"

using Index = int;

// A thread takes 4 neighbouring elements at a time, in strides of the grid.
extern "C" __global__ void __launch_bounds__(512) kernel(
    const float* __restrict__ x_at_1,
    const float* __restrict__ y_at_1,
    const float* __restrict__ z_at_1,
    float* __restrict__ out_where_1,
    Index n0,
    Index n1,
    Index n2)
{
    const Index elements = n0 * n1 * n2;
    for (Index i = (Index(blockIdx.x) * blockDim.x + threadIdx.x) * 4; i < elements; i += gridDim.x * blockDim.x * 4) {
        const Index i0 = i / (n1 * n2);
        const Index i1 = i / n2 % n1;
        const Index i2 = i % n2;
        const Pack<float, 4> x_at_1_pack = load<4>(x_at_1 + i);
        const Pack<float, 4> y_at_1_pack = load<4>(y_at_1 + i0 * n2 + i2);
        const float z_1 = z_at_1[i1];
        Pack<float, 4> out_where_1_pack;
        #pragma unroll
        for (int k = 0; k < 4; ++k) {
            const float x_1 = element(x_at_1_pack, k);
            const float y_1 = element(y_at_1_pack, k);
            const bool greater_1 = x_1 > y_1;
            const float multiply_1 = x_1 * z_1;
            const float where_1 = greater_1 ? multiply_1 : y_1;
            out_where_1_pack[k] = where_1;
        }
        store(out_where_1 + i, out_where_1_pack);
    }
}
