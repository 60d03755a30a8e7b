import numpy as np
from numba import cuda

from gpugrad.kernels.numba_cuda import reductions
from gpugrad.kernels.numba_cuda.scalars import select

team_sum_float32 = reductions.team_sum(np.float32)


# A team of threads has a row, and goes over it pass by pass.
@cuda.jit
def kernel(negative_at_1: "float32[::1]", y_at_1: "int64[::1]", out_reduce_sum_1: "float32[::1]", n0: "int32"):
    reduce_sum_1 = np.float32(0.0)
    for i0 in range(cuda.threadIdx.x, n0, cuda.blockDim.x):
        negative_1 = negative_at_1[i0]
        y_1 = y_at_1[i0]
        not_equal_1 = y_1 != np.int64(-100)
        where_1 = select(not_equal_1, negative_1, np.float32(0.0))
        reduce_sum_1 += where_1
    reduce_sum_1 = team_sum_float32(reduce_sum_1)
    if cuda.threadIdx.x == 0:
        out_reduce_sum_1[0] = reduce_sum_1
