import numpy as np
from numba import cuda

from gpugrad.kernels.numba_cuda import reductions

team_sum_float32 = reductions.team_sum(np.float32)


# A team of threads has a row, and goes over it pass by pass.
@cuda.jit
def kernel(x_at_1: "float32[::1]", out_reduce_sum_1: "float32[::1]", n0: "int32", n1: "int32"):
    for i0 in range(cuda.blockIdx.x, n0, cuda.gridDim.x):
        reduce_sum_1 = np.float32(0.0)
        for i1 in range(cuda.threadIdx.x, n1, cuda.blockDim.x):
            x_1 = x_at_1[i0 * n1 + i1]
            multiply_1 = x_1 * x_1
            reduce_sum_1 += multiply_1
        reduce_sum_1 = team_sum_float32(reduce_sum_1)
        if cuda.threadIdx.x == 0:
            out_reduce_sum_1[i0] = reduce_sum_1
