"""Primitives that are kernels of our own on a CUDA device, beside the loops that fusion prints."""
