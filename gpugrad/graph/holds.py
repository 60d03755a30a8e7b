"""What a kernel can hold: the elementwise lines and the reductions that it computes, and for which dtypes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpugrad import dtypes
from gpugrad.codegen.loops import Step
from gpugrad.codegen.numba_scalars import INTEGERS, SCALARS
from gpugrad.graph.ir import Line

HALVES = frozenset({"float16", "bfloat16"})
FLOATS = frozenset({"float32", "float64"}) | HALVES
COMPLEX = frozenset({"complex64", "complex128"})
DTYPES = frozenset({"bool"}) | INTEGERS | FLOATS | COMPLEX
REDUCED = {
    "reduce_sum": INTEGERS | FLOATS | COMPLEX,
    "reduce_max": DTYPES - COMPLEX,
    "reduce_min": DTYPES - COMPLEX,
    "reduce_any": DTYPES,
    "reduce_all": DTYPES,
}
"""Reductions, and the dtypes of what they reduce."""
OF_TRUTHS = {"reduce_any": "reduce_max", "reduce_all": "reduce_min"}
"""What those of booleans are in a kernel."""
INTEGRAL = INTEGERS | {"bool"}
PARTS = frozenset({"conj", "real", "imag", "to_complex"})
"""Linear primitives that work on each element by itself."""
WIDE = np.dtype(np.float32)
"""Where half precision is computed."""


def computed_in(dtype: Any) -> Any:
    """The dtype in which a kernel computes what has this one in memory."""
    return WIDE if dtypes.is_half(dtype) else np.dtype(dtype)


def is_map(line: Line) -> bool:
    """Whether a line computes each element from one element of each operand, in a way and in dtypes that a kernel has."""
    name, out = line.prim.name, line.results[0]
    if dtypes.name(out.dtype) not in DTYPES or 0 in out.shape:
        return False
    if name == "cast":
        x = line.operands[0]
        if dtypes.name(x.dtype) == "float64" and dtypes.name(out.dtype) in HALVES:
            return False  # by way of float32 it would be rounded twice
        if dtypes.name(x.dtype) in COMPLEX and dtypes.name(out.dtype) not in COMPLEX | {"bool"}:
            return False  # NumPy warns about what is lost
        return dtypes.name(x.dtype) in DTYPES
    if name == "to_complex":
        return dtypes.name(line.operands[0].dtype) in DTYPES
    return name in SCALARS and (line.prim.kind == "elementwise" or name in PARTS) and not line.params


def one_key(line: Line) -> bool:
    """Whether a line is random words of one key, any of which a kernel can draw by itself."""
    return line.prim.name == "random_bits" and line.operands[0].shape == (2,)


def takes(line: Line, operands: Sequence[Any]) -> bool:
    """Whether an expression has these operands: one dtype that it takes, and numbers that fit it."""
    name = line.prim.name
    if name in ("cast", "to_complex"):
        return type(operands[0]) is Step
    taken, _ = SCALARS[name]
    given = list(operands)
    found = set()
    if name == "where":
        found.add(dtypes.name(computed_in(line.results[0].dtype)))
        if type(given.pop(0)) is not Step:
            return False
    found |= {dtypes.name(o.dtype) for o in given if type(o) is Step}
    if len(found) != 1:
        return False
    (dtype,) = found
    out = dtypes.name(computed_in(line.results[0].dtype))
    if in_floats(line, operands):
        return all(type(o) is Step or _fits(o, out) for o in given)
    if dtype not in taken or (dtype in INTEGRAL and out not in (dtype, "bool")):
        return False
    if name == "pow" and dtype in INTEGERS and not _natural(operands[1]):
        return False
    numbers = [o for o in given if type(o) is not Step]
    return all(_fits(o, dtype) for o in numbers)


def _fits(number: Any, dtype: str) -> bool:
    """Whether a Python number is one of the dtype."""
    if type(number) is complex:
        return dtype in COMPLEX
    if type(number) is float or dtype not in INTEGRAL:
        return dtype not in INTEGRAL and type(number) in (bool, int, float)
    if type(number) is bool or dtype == "bool":
        return type(number) is bool
    limits = np.iinfo(dtype)
    return type(number) is int and limits.min <= number <= limits.max


def _natural(exponent: Any) -> bool:
    """Whether an integer power is sure to be one: NumPy raises for exponents below 0."""
    return bool(exponent.dtype.kind == "u" if type(exponent) is Step else exponent >= 0)


def in_floats(line: Line, operands: Sequence[Any]) -> bool:
    """Whether integers or booleans are taken as floats: by a function of floats alone that gives one."""
    taken, _ = SCALARS[line.prim.name]
    out = dtypes.name(computed_in(line.results[0].dtype))
    given = {dtypes.name(o.dtype) for o in operands if type(o) is Step}
    return bool(given) and out in taken & FLOATS and given <= INTEGRAL and line.prim.name != "where"
