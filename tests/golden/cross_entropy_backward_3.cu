#include "scalars.cuh"

using Index = int;

// A thread takes an element at a time, in strides of the grid.
extern "C" __global__ void __launch_bounds__(512) kernel(
    const float* __restrict__ reduce_sum_at_1,
    const float* __restrict__ reduce_sum_at_2,
    float* __restrict__ out_divide_1)
{
    const float reduce_sum_1 = reduce_sum_at_1[0];
    const float reduce_sum_2 = reduce_sum_at_2[0];
    const float divide_1 = reduce_sum_1 / reduce_sum_2;
    out_divide_1[0] = divide_1;
}
