"""Scalar expressions in the dialect that Numba compiles for CUDA: one line per primitive.

An entry takes the texts of its operands, which are names or literals, and their common dtype. Functions without a
counterpart in Python's ``math`` are in ``kernels/numba_cuda/scalars.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

Text = Callable[..., str]


def _op(template: str) -> Text:
    return lambda *xs, t: template.format(*xs, t=t)


def _library(name: str) -> Text:
    return lambda *xs, t: f"math.{name}({', '.join(xs)})"


def _ours(name: str) -> Text:
    return lambda *xs, t: f"{name}({', '.join(xs)})"


_LIBRARY = {
    **{
        name: name
        for name in [
            "sqrt",
            "floor",
            "ceil",
            "trunc",
            "exp",
            "expm1",
            "log",
            "log2",
            "log10",
            "log1p",
            "sin",
            "cos",
            "tan",
            "asin",
            "acos",
            "atan",
            "atan2",
            "sinh",
            "cosh",
            "tanh",
        ]
    },
    **{name: name for name in ["asinh", "acosh", "atanh", "erf", "erfc", "pow", "hypot", "fmod", "copysign"]},
    "gammaln": "lgamma",
    "abs": "fabs",
}

_OURS = [
    "exp2",
    "cbrt",
    "erfinv",
    "select",
    "maximum",
    "minimum",
    "sign",
    "masked_multiply",
    "sigmoid",
    "softplus",
    "logaddexp",
    "sinc",
    "digamma",
]

_INTEGERS = frozenset(f"np.{sign}int{width}" for sign in ("", "u") for width in (8, 16, 32, 64))


def _by_type(floats: Text, integers: str, bools: str = "") -> Text:
    """An entry that has other texts for integers and booleans."""

    def of(*xs: str, t: str) -> str:
        other = integers if t in _INTEGERS else bools if t == "np.bool" else ""
        return other.format(*xs, t=t, width="".join(filter(str.isdigit, t))) if other else floats(*xs, t=t)

    return of


OURS: dict[str, tuple[str, ...]] = {
    **{name: (name,) for name in _OURS if name != "select"},
    "where": ("select",),
    "round": ("rint",),
    "floor_divide": ("integer_floor_divide",),
    "remainder": ("integer_remainder",),
    "bitwise_left_shift": ("left_shift",),
    "bitwise_right_shift": ("right_shift",),
    "clip": ("maximum", "minimum"),
    "relu": ("maximum",),
}
"""Primitive -> the functions of ``kernels/numba_cuda/scalars.py`` that its text calls."""

_KEEPS = frozenset({"where", "clip", "relu", "maximum", "minimum"})


def widens(op: str, dtype: str) -> bool:
    """Whether a primitive's text is of a wider dtype, as a function that has constants in it is."""
    return dtype == "float32" and op in OURS and op not in _KEEPS


SCALARS: dict[str, Text] = {
    **{name: _library(python) for name, python in _LIBRARY.items()},
    **{name: _ours(name) for name in _OURS if name != "select"},
    "add": _op("{} + {}"),
    "subtract": _op("{} - {}"),
    "multiply": _op("{} * {}"),
    "divide": _op("{} / {}"),
    "negative": _op("-{}"),
    "positive": _op("{}"),
    "stop": _op("{}"),
    "square": _op("{0} * {0}"),
    "reciprocal": _op("{t}(1) / {}"),
    "equal": _op("{} == {}"),
    "not_equal": _op("{} != {}"),
    "less": _op("{} < {}"),
    "less_equal": _op("{} <= {}"),
    "greater": _op("{} > {}"),
    "greater_equal": _op("{} >= {}"),
    "logical_and": _by_type(_op("({} != 0) & ({} != 0)"), "({} != 0) & ({} != 0)", "{} & {}"),
    "logical_or": _by_type(_op("({} != 0) | ({} != 0)"), "({} != 0) | ({} != 0)", "{} | {}"),
    "logical_xor": _by_type(_op("({} != 0) ^ ({} != 0)"), "({} != 0) ^ ({} != 0)", "{} ^ {}"),
    "logical_not": _by_type(_op("{} == 0"), "{} == 0", "not {}"),
    "sign": _by_type(_ours("sign"), "int({0} > 0) - int({0} < 0)"),
    "abs": _by_type(_library("fabs"), "abs({})"),
    "floor": _by_type(_library("floor"), "{}"),
    "ceil": _by_type(_library("ceil"), "{}"),
    "trunc": _by_type(_library("trunc"), "{}"),
    "round": _by_type(_ours("rint"), "{}"),
    "conj": _op("{}"),
    "real": _op("{}"),
    "imag": _op("{0} - {0}"),
    "round_float16": _op("np.float32(np.float16({}))"),
    "floor_divide": _ours("integer_floor_divide"),
    "remainder": _ours("integer_remainder"),
    "fmod": _by_type(_library("fmod"), "integer_fmod({}, {})"),
    "pow": _by_type(_library("pow"), "integer_power({}, {})"),
    "bitwise_left_shift": _by_type(_ours("left_shift"), "left_shift({}, {}, {width})"),
    "bitwise_right_shift": _by_type(_ours("right_shift"), "right_shift({}, {}, {width})"),
    "isnan": _op("{0} != {0}"),
    "isfinite": _op("math.fabs({}) < math.inf"),
    "isinf": _op("math.fabs({}) == math.inf"),
    "where": _op("select({}, {}, {})"),
    "clip": _op("minimum(maximum({}, {}), {})"),
    "relu": _op("maximum({}, {t}(0))"),
    "bitwise_and": _op("{} & {}"),
    "bitwise_or": _op("{} | {}"),
    "bitwise_xor": _op("{} ^ {}"),
    "bitwise_invert": _by_type(_op("~{}"), "~{}", "not {}"),
}
"""Primitive -> its text."""

_FLOATS = frozenset({"float16", "bfloat16", "float32", "float64"})


def literal(x: Any, dtype: str) -> str:
    """A Python number as a constant of a dtype."""
    if dtype == "bool":
        return repr(bool(x))
    if dtype not in _FLOATS:
        return f"np.{dtype}({int(x)})"
    x = float(x)
    if math.isfinite(x):
        return f"np.{dtype}({x!r})"
    return f"np.{dtype}({'math.nan' if math.isnan(x) else 'math.inf' if x > 0 else '-math.inf'})"
