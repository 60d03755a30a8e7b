"""The table of universal functions: NumPy's name -> our operation, and the methods that have a counterpart."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpugrad.numpy.operations import OPERATIONS
from gpugrad.numpy.ufunc import Ufunc

_SAME = """
    add cbrt ceil copysign cos cosh divide equal exp exp2 expm1 floor floor_divide fmax fmin fmod float_power greater
    greater_equal heaviside hypot isfinite isinf isnan ldexp less less_equal log log10 log1p log2 logaddexp logaddexp2
    logical_and logical_not logical_or logical_xor matmul maximum minimum multiply negative nextafter not_equal positive
    reciprocal remainder sign signbit sin sinh sqrt square subtract tan tanh trunc vecdot bitwise_and bitwise_or
    bitwise_count bitwise_xor deg2rad rad2deg divmod frexp gcd lcm modf matvec vecmat spacing
"""
_RENAMED = {
    "absolute": "abs", "fabs": "abs", "arccos": "acos", "arccosh": "acosh", "arcsin": "asin", "arcsinh": "asinh",
    "arctan": "atan", "arctan2": "atan2", "arctanh": "atanh", "conjugate": "conj", "degrees": "rad2deg",
    "invert": "bitwise_invert", "left_shift": "bitwise_left_shift", "power": "power", "radians": "deg2rad",
    "right_shift": "bitwise_right_shift", "rint": "round",
}  # fmt: skip
_METHODS = {
    "add": {"reduce": "sum", "accumulate": "cumsum", "at": "scatter_add"},
    "multiply": {"reduce": "prod", "accumulate": "cumprod"},
    "maximum": {"reduce": "max", "accumulate": "cummax"},
    "minimum": {"reduce": "min", "accumulate": "cummin"},
    "logical_and": {"reduce": "all"},
    "logical_or": {"reduce": "any"},
    "logaddexp": {"reduce": "logsumexp"},
}
_CONTRACTIONS = frozenset({"matmul", "matvec", "vecdot", "vecmat"})
"""Not elementwise: no ``where=``."""


def _ufunc(name: str, ours: str) -> Ufunc:
    theirs: Any = getattr(np, name, None)
    nin, nout = (theirs.nin, theirs.nout) if theirs is not None else (2, 1)  # matvec, vecmat: newer than NumPy 2.1
    methods = {method: OPERATIONS[op] for method, op in _METHODS.get(name, {}).items()}
    return Ufunc(
        name,
        OPERATIONS[ours],
        nin=nin,
        nout=nout,
        methods=methods,
        select=None if name in _CONTRACTIONS else OPERATIONS["where"],
        identity=getattr(theirs, "identity", None),
    )


_CLIP = "_core.umath.clip"  # what the method of an array calls: array.clip(t, None)

UFUNCS: dict[str, Ufunc] = {
    name: _ufunc(name, ours) for name, ours in ({n: n for n in _SAME.split()} | _RENAMED).items()
}
UFUNCS[_CLIP] = Ufunc("clip", OPERATIONS["clip"], nin=3, select=OPERATIONS["where"])
"""NumPy's name -> what runs."""
