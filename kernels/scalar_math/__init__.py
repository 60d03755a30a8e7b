"""Scalar functions that Numba inlines into loops and LLVM vectorises, without a library of vector mathematics.

``functions("exp")`` is the float32 and the float64 function of a primitive, ``near_functions("sin")`` a quicker pair for
arguments up to ``NEAR["sin"]`` in absolute value, ``helpers(names)`` what chooses and converts without a branch. They keep
their dtype, have no branches and call nothing; a loop that uses them should be compiled with ``error_model="numpy"``, as a
division that may raise is a branch. Their errors are in ``ERRORS.md``. Importing this package does not import Numba.
"""

from gpugrad.kernels.scalar_math.table import NAMES, NEAR, functions, helpers, near_functions

__all__ = ["NAMES", "NEAR", "functions", "helpers", "near_functions"]
