import math

import numpy as np
from numba import cuda


# A thread takes an element at a time, in strides of the grid.
@cuda.jit
def kernel(x_at_1: "float32[::1]", out_multiply_1: "float32[::1]"):
    x_1 = x_at_1[0]
    exp_1 = math.exp(x_1)
    multiply_1 = exp_1 * np.float32(2.0)
    out_multiply_1[0] = multiply_1
