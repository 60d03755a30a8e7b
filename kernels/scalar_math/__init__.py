"""Scalar functions that Numba inlines into loops and LLVM vectorises. :mod:`.table` says which there are."""
