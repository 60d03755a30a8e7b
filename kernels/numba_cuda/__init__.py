"""Device functions for Numba's compiler for CUDA, under the names of those in ``kernels/cuda``."""
