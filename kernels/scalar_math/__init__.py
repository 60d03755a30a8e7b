"""Scalar functions that Numba inlines into loops and LLVM vectorises, without a library of vector mathematics.

``table.functions("exp")`` is the float32 and the float64 function of a primitive, ``table.near_functions("sin")`` a
quicker pair for arguments up to ``table.NEAR["sin"]`` in absolute value. They keep their dtype, have no branches and
call nothing; a loop that uses them should be compiled with ``error_model="numpy"``, as a division that may raise is a
branch. Their errors are in ``ERRORS.md``. Importing :mod:`.table` does not import Numba, and this package neither.
"""
