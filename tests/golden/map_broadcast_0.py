from numba import cuda

from gpugrad.kernels.numba_cuda.scalars import select


# A thread takes an element at a time, in strides of the grid.
@cuda.jit
def kernel(
    x_at_1: "float32[::1]",
    y_at_1: "float32[::1]",
    z_at_1: "float32[::1]",
    out_where_1: "float32[::1]",
    n0: "int32",
    n1: "int32",
    n2: "int32",
):
    elements = n0 * n1 * n2
    for i in range(cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x, elements, cuda.gridDim.x * cuda.blockDim.x):
        i0 = i // (n1 * n2)
        i1 = i // n2 % n1
        i2 = i % n2
        x_1 = x_at_1[i]
        y_1 = y_at_1[i0 * n2 + i2]
        z_1 = z_at_1[i1]
        greater_1 = x_1 > y_1
        multiply_1 = x_1 * z_1
        where_1 = select(greater_1, multiply_1, y_1)
        out_where_1[i] = where_1
