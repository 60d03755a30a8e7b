import numpy as np
from numba import cuda

from gpugrad.kernels.numba_cuda import reductions
from gpugrad.kernels.numba_cuda.scalars import maximum

column_sum_float32 = reductions.column_sum(np.float32)
sum_parts_float32 = reductions.sum_parts(np.float32)


# A block has a tile of columns, and takes turns with the others of its column at the rows.
@cuda.jit
def kernel(
    x_at_1: "float32[::1]",
    out_relu_1: "float32[::1]",
    out_reduce_sum_1: "float32[::1]",
    parts_out_reduce_sum_1: "float32[::1]",
    n0: "int32",
    n1: "int32",
    parts: "int32",
):
    i1 = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
    sum_out_reduce_sum_1 = np.float32(0.0)
    if i1 < n1:
        for i0 in range(cuda.blockIdx.y * cuda.blockDim.y + cuda.threadIdx.y, n0, cuda.gridDim.y * cuda.blockDim.y):
            x_1 = x_at_1[i0 * n1 + i1]
            relu_1 = maximum(x_1, np.float32(0))
            out_relu_1[i0 * n1 + i1] = relu_1
            sum_out_reduce_sum_1 += relu_1
    sum_out_reduce_sum_1 = column_sum_float32(sum_out_reduce_sum_1)
    if cuda.threadIdx.y == 0 and i1 < n1:
        parts_out_reduce_sum_1[cuda.blockIdx.y * n1 + i1] = sum_out_reduce_sum_1


# Adds up the parts of sums over rows.
@cuda.jit
def kernel_sums(
    x_at_1: "float32[::1]",
    out_relu_1: "float32[::1]",
    out_reduce_sum_1: "float32[::1]",
    parts_out_reduce_sum_1: "float32[::1]",
    n0: "int32",
    n1: "int32",
    parts: "int32",
):
    sum_parts_float32(parts_out_reduce_sum_1, parts, n1, out_reduce_sum_1)
