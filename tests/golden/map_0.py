import math

import numpy as np
from numba import cuda


# A thread takes an element at a time, in strides of the grid.
@cuda.jit
def kernel(x_at_1: "float32[::1]", out_add_1: "float32[::1]", n0: "int32"):
    for i0 in range(cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x, n0, cuda.gridDim.x * cuda.blockDim.x):
        x_1 = x_at_1[i0]
        sin_1 = math.sin(x_1)
        multiply_1 = sin_1 * x_1
        add_1 = multiply_1 + np.float32(0.5)
        out_add_1[i0] = add_1
