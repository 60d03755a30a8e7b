import math

import numpy as np
from numba import cuda

from gpugrad.kernels.numba_cuda import reductions
from gpugrad.kernels.numba_cuda.scalars import masked_multiply, maximum, select

team_max_float32 = reductions.team_max(np.float32)
team_sum_float32 = reductions.team_sum(np.float32)


# A team of threads has a row, and goes over it pass by pass.
@cuda.jit
def kernel(
    x_at_1: "float32[::1]",
    class_index_at_1: "int64[::1]",
    inout_negative_1: "float32[::1]",
    out_add_1: "float32[::1]",
    n0: "int32",
    n1: "int32",
):
    for i0 in range(cuda.blockIdx.x, n0, cuda.gridDim.x):
        class_index_1 = class_index_at_1[i0]
        negative_1 = inout_negative_1[i0]
        there1 = class_index_1
        mine1 = (class_index_1 >= 0) & (class_index_1 < n1) & (there1 % cuda.blockDim.x == cuda.threadIdx.x)
        x_1_there1 = np.float32(0.0)
        if mine1:
            x_1_there1 = x_at_1[i0 * n1 + there1]
        reduce_max_1 = np.float32(-math.inf)
        reduce_sum_2 = np.float32(0.0)
        if mine1:
            position_2 = np.int64(there1)
            there_2 = position_2 == class_index_1
            place_1 = select(there_2, negative_1, np.float32(0.0))
            negative_3 = -place_1
            reduce_sum_2 += negative_3
        for i1 in range(cuda.threadIdx.x, n1, cuda.blockDim.x):
            x_1 = x_at_1[i0 * n1 + i1]
            reduce_max_1 = maximum(x_1, reduce_max_1)
        reduce_max_1 = team_max_float32(reduce_max_1)
        reduce_sum_2 = team_sum_float32(reduce_sum_2)
        isfinite_1 = math.fabs(reduce_max_1) < math.inf
        where_1 = select(isfinite_1, reduce_max_1, np.float32(0.0))
        reduce_sum_1 = np.float32(0.0)
        for i1 in range(cuda.threadIdx.x, n1, cuda.blockDim.x):
            x_1 = x_at_1[i0 * n1 + i1]
            subtract_1 = x_1 - where_1
            exp_1 = math.exp(subtract_1)
            reduce_sum_1 += exp_1
        reduce_sum_1 = team_sum_float32(reduce_sum_1)
        log_1 = math.log(reduce_sum_1)
        divide_1 = np.float32(1.0) / reduce_sum_1
        masked_multiply_1 = np.float32(masked_multiply(reduce_sum_2, divide_1))
        pick_1 = np.float32(0.0)
        add_1_there1 = np.float32(0.0)
        if mine1:
            x_1 = x_1_there1
            subtract_1 = x_1 - where_1
            exp_1 = math.exp(subtract_1)
            subtract_2 = subtract_1 - log_1
            position_1 = np.int64(there1)
            there_1 = position_1 == class_index_1
            chosen_1 = select(there_1, subtract_2, np.float32(0.0))
            position_2 = np.int64(there1)
            there_2 = position_2 == class_index_1
            place_1 = select(there_2, negative_1, np.float32(0.0))
            multiply_1 = masked_multiply_1 * exp_1
            add_1 = place_1 + multiply_1
            pick_1 += chosen_1
            add_1_there1 = add_1
        for i1 in range(cuda.threadIdx.x, n1, cuda.blockDim.x):
            x_1 = x_at_1[i0 * n1 + i1]
            subtract_1 = x_1 - where_1
            exp_1 = math.exp(subtract_1)
            place_1 = np.float32(0.0)
            multiply_1 = masked_multiply_1 * exp_1
            add_1 = place_1 + multiply_1
            out_add_1[i0 * n1 + i1] = add_1
        if mine1:
            out_add_1[i0 * n1 + there1] = add_1_there1
        pick_1 = team_sum_float32(pick_1)
        negative_2 = -pick_1
        if cuda.threadIdx.x == 0:
            inout_negative_1[i0] = negative_2
