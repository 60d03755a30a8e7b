import math

import numpy as np
from numba import cuda

from gpugrad.kernels.numba_cuda import reductions
from gpugrad.kernels.numba_cuda.scalars import masked_multiply

sum_parts_float32 = reductions.sum_parts(np.float32)
team_sum_float32 = reductions.team_sum(np.float32)


# A team of threads has a row, and goes over it pass by pass.
@cuda.jit
def kernel(
    x_at_1: "float32[::1]",
    scale_at_1: "float32[::1]",
    shift_at_1: "float32[::1]",
    out_reduce_sum_1: "float32[::1]",
    out_reduce_sum_2: "float32[::1]",
    out_add_1: "float32[::1]",
    parts_out_reduce_sum_1: "float32[::1]",
    parts_out_reduce_sum_2: "float32[::1]",
    n0: "int32",
    n1: "int32",
    parts: "int32",
):
    mine = cuda.blockIdx.x * n1
    for i in range(cuda.threadIdx.x, n1, cuda.blockDim.x):
        parts_out_reduce_sum_1[mine + i] = 0
    for i in range(cuda.threadIdx.x, n1, cuda.blockDim.x):
        parts_out_reduce_sum_2[mine + i] = 0
    for i0 in range(cuda.blockIdx.x, n0, cuda.gridDim.x):
        reduce_sum_1 = np.float32(0.0)
        for i1 in range(cuda.threadIdx.x, n1, cuda.blockDim.x):
            x_1 = x_at_1[i0 * n1 + i1]
            reduce_sum_1 += x_1
        reduce_sum_1 = team_sum_float32(reduce_sum_1)
        divide_1 = reduce_sum_1 / np.float32(32.0)
        reduce_sum_2 = np.float32(0.0)
        for i1 in range(cuda.threadIdx.x, n1, cuda.blockDim.x):
            x_1 = x_at_1[i0 * n1 + i1]
            subtract_1 = x_1 - divide_1
            multiply_1 = subtract_1 * subtract_1
            reduce_sum_2 += multiply_1
        reduce_sum_2 = team_sum_float32(reduce_sum_2)
        divide_2 = reduce_sum_2 / np.float32(32.0)
        add_1 = divide_2 + np.float32(1e-05)
        sqrt_1 = math.sqrt(add_1)
        divide_3 = np.float32(1.0) / sqrt_1
        negative_1 = -divide_3
        divide_4 = negative_1 / sqrt_1
        divide_5 = np.float32(0.5) / sqrt_1
        reduce_sum_3 = np.float32(0.0)
        for i1 in range(cuda.threadIdx.x, n1, cuda.blockDim.x):
            x_1 = x_at_1[i0 * n1 + i1]
            scale_1 = scale_at_1[i1]
            shift_1 = shift_at_1[i1]
            subtract_1 = x_1 - divide_1
            multiply_2 = subtract_1 * divide_3
            multiply_3 = multiply_2 * scale_1
            add_2 = multiply_3 + shift_1
            multiply_4 = np.float32(2.0) * add_2
            parts_out_reduce_sum_1[mine + i1] += multiply_4
            multiply_5 = multiply_4 * scale_1
            multiply_6 = multiply_4 * multiply_2
            parts_out_reduce_sum_2[mine + i1] += multiply_6
            multiply_8 = multiply_5 * subtract_1
            reduce_sum_3 += multiply_8
        reduce_sum_3 = team_sum_float32(reduce_sum_3)
        masked_multiply_1 = np.float32(masked_multiply(reduce_sum_3, divide_4))
        masked_multiply_2 = np.float32(masked_multiply(masked_multiply_1, divide_5))
        masked_multiply_3 = masked_multiply_2 * np.float32(0.03125)
        reduce_sum_4 = np.float32(0.0)
        for i1 in range(cuda.threadIdx.x, n1, cuda.blockDim.x):
            x_1 = x_at_1[i0 * n1 + i1]
            scale_1 = scale_at_1[i1]
            shift_1 = shift_at_1[i1]
            subtract_1 = x_1 - divide_1
            multiply_2 = subtract_1 * divide_3
            multiply_3 = multiply_2 * scale_1
            add_2 = multiply_3 + shift_1
            multiply_4 = np.float32(2.0) * add_2
            multiply_5 = multiply_4 * scale_1
            multiply_7 = multiply_5 * divide_3
            multiply_9 = masked_multiply_3 * subtract_1
            add_3 = multiply_7 + multiply_9
            add_4 = add_3 + multiply_9
            negative_2 = -add_4
            reduce_sum_4 += negative_2
        reduce_sum_4 = team_sum_float32(reduce_sum_4)
        masked_multiply_4 = reduce_sum_4 * np.float32(0.03125)
        for i1 in range(cuda.threadIdx.x, n1, cuda.blockDim.x):
            x_1 = x_at_1[i0 * n1 + i1]
            scale_1 = scale_at_1[i1]
            shift_1 = shift_at_1[i1]
            subtract_1 = x_1 - divide_1
            multiply_2 = subtract_1 * divide_3
            multiply_3 = multiply_2 * scale_1
            add_2 = multiply_3 + shift_1
            multiply_4 = np.float32(2.0) * add_2
            multiply_5 = multiply_4 * scale_1
            multiply_7 = multiply_5 * divide_3
            multiply_9 = masked_multiply_3 * subtract_1
            add_3 = multiply_7 + multiply_9
            add_4 = add_3 + multiply_9
            add_5 = add_4 + masked_multiply_4
            out_add_1[i0 * n1 + i1] = add_5


# Adds up the parts of sums over rows.
@cuda.jit
def kernel_sums(
    x_at_1: "float32[::1]",
    scale_at_1: "float32[::1]",
    shift_at_1: "float32[::1]",
    out_reduce_sum_1: "float32[::1]",
    out_reduce_sum_2: "float32[::1]",
    out_add_1: "float32[::1]",
    parts_out_reduce_sum_1: "float32[::1]",
    parts_out_reduce_sum_2: "float32[::1]",
    n0: "int32",
    n1: "int32",
    parts: "int32",
):
    sum_parts_float32(parts_out_reduce_sum_1, parts, n1, out_reduce_sum_1)
    sum_parts_float32(parts_out_reduce_sum_2, parts, n1, out_reduce_sum_2)
