#include "scalars.cuh"

using Index = int;

// A thread takes an element at a time, in strides of the grid.
extern "C" __global__ void __launch_bounds__(512) kernel(
    const float* __restrict__ x_at_1,
    float* __restrict__ out_multiply_1)
{
    const float x_1 = x_at_1[0];
    const float exp_1 = expf(x_1);
    const float multiply_1 = exp_1 * 2.0f;
    out_multiply_1[0] = multiply_1;
}
