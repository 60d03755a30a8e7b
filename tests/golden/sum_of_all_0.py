import numpy as np
from numba import cuda

from gpugrad.kernels.numba_cuda import reductions

parts_sum_float32 = reductions.parts_sum(np.float32)
team_sum_float32 = reductions.team_sum(np.float32)


# Pass 1 of 2: several blocks have a row.
@cuda.jit
def kernel_0(
    x_at_1: "float32[::1]",
    out_reduce_sum_1: "float32[::1]",
    parts_reduce_sum_1: "float32[::1]",
    n0: "int32",
    parts: "int32",
):
    reduce_sum_1 = np.float32(0.0)
    for i0 in range(cuda.blockIdx.y * cuda.blockDim.x + cuda.threadIdx.x, n0, cuda.gridDim.y * cuda.blockDim.x):
        x_1 = x_at_1[i0]
        multiply_1 = x_1 * x_1
        reduce_sum_1 += multiply_1
    reduce_sum_1 = team_sum_float32(reduce_sum_1)
    if cuda.threadIdx.x == 0:
        parts_reduce_sum_1[cuda.blockIdx.y] = reduce_sum_1


# Pass 2 of 2: several blocks have a row.
@cuda.jit
def kernel_1(
    x_at_1: "float32[::1]",
    out_reduce_sum_1: "float32[::1]",
    parts_reduce_sum_1: "float32[::1]",
    n0: "int32",
    parts: "int32",
):
    reduce_sum_1 = team_sum_float32(parts_sum_float32(parts_reduce_sum_1, 0, parts))
    if cuda.blockIdx.y == 0 and cuda.threadIdx.x == 0:
        out_reduce_sum_1[0] = reduce_sum_1
