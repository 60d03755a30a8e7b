import math

import numpy as np
from numba import cuda

from gpugrad.kernels.numba_cuda import reductions
from gpugrad.kernels.numba_cuda.scalars import maximum, select

team_max_float32 = reductions.team_max(np.float32)
team_sum_float32 = reductions.team_sum(np.float32)


# A team of threads has a row, and goes over it pass by pass.
@cuda.jit
def kernel(x_at_1: "float32[::1]", out_multiply_1: "float32[::1]", n0: "int32", n1: "int32"):
    for i0 in range(cuda.blockIdx.x, n0, cuda.gridDim.x):
        reduce_max_1 = np.float32(-math.inf)
        for i1 in range(cuda.threadIdx.x, n1, cuda.blockDim.x):
            x_1 = x_at_1[i0 * n1 + i1]
            multiply_1 = np.float32(2.0) * x_1
            reduce_max_1 = maximum(multiply_1, reduce_max_1)
        reduce_max_1 = team_max_float32(reduce_max_1)
        isfinite_1 = math.fabs(reduce_max_1) < math.inf
        where_1 = select(isfinite_1, reduce_max_1, np.float32(0.0))
        reduce_sum_1 = np.float32(0.0)
        for i1 in range(cuda.threadIdx.x, n1, cuda.blockDim.x):
            x_1 = x_at_1[i0 * n1 + i1]
            multiply_1 = np.float32(2.0) * x_1
            subtract_1 = multiply_1 - where_1
            exp_1 = math.exp(subtract_1)
            reduce_sum_1 += exp_1
        reduce_sum_1 = team_sum_float32(reduce_sum_1)
        divide_1 = np.float32(1.0) / reduce_sum_1
        for i1 in range(cuda.threadIdx.x, n1, cuda.blockDim.x):
            x_1 = x_at_1[i0 * n1 + i1]
            multiply_1 = np.float32(2.0) * x_1
            subtract_1 = multiply_1 - where_1
            exp_1 = math.exp(subtract_1)
            multiply_2 = exp_1 * divide_1
            out_multiply_1[i0 * n1 + i1] = multiply_2
