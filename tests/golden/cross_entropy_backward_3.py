from numba import cuda


# A thread takes an element at a time, in strides of the grid.
@cuda.jit
def kernel(reduce_sum_at_1: "float32[::1]", reduce_sum_at_2: "float32[::1]", out_divide_1: "float32[::1]"):
    reduce_sum_1 = reduce_sum_at_1[0]
    reduce_sum_2 = reduce_sum_at_2[0]
    divide_1 = reduce_sum_1 / reduce_sum_2
    out_divide_1[0] = divide_1
