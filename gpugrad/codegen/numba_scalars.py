"""Scalar expressions in the dialect that Numba compiles: one line per primitive.

An entry takes the texts of its operands, which are names or literals, and their common dtype's name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gpugrad.kernels import scalar_math

Text = Callable[..., str]

_SINGLE = frozenset({"float32"})
_FLOATS = frozenset({"float32", "float64"})
_REAL = _FLOATS | {"int32", "int64", "uint32", "uint64", "int8", "int16", "uint8", "uint16"}
_ANY = _REAL | {"bool"}


def _op(template: str, dtypes: frozenset[str] = _REAL) -> tuple[frozenset[str], Text]:
    return dtypes, lambda *xs, t: template.format(*xs, t=t)


def _math(name: str) -> tuple[frozenset[str], Text]:
    return _FLOATS, lambda x, t: f"math.{name}({x})"


def _function(name: str) -> tuple[frozenset[str], Text]:
    return _FLOATS, lambda *xs, t: f"{name}_f{t[-2:]}({', '.join(xs)})"


SCALARS: dict[str, tuple[frozenset[str], Text]] = {
    "add": _op("{} + {}"),
    "subtract": _op("{} - {}"),
    "multiply": _op("{} * {}"),
    "divide": _op("{} / {}", _FLOATS),
    "negative": _op("-{}"),
    "positive": _op("{}", _ANY),
    "stop": _op("{}", _ANY),
    "square": _op("{0} * {0}"),
    "reciprocal": _op("{t}(1) / {}", _FLOATS),
    "masked_multiply": _op("select(({0} == 0) | ({1} == 0), {t}(0), {0} * {1})", _FLOATS),
    "abs": _op("abs({})", _FLOATS),
    "sign": _op("select({0} > 0, {t}(1), select({0} < 0, {t}(-1), {0}))", _FLOATS),
    "sqrt": _math("sqrt"),
    "floor": _op("floor({})", _FLOATS),  # math's gives an integer, which has no NaN and an end
    "ceil": _op("ceil({})", _FLOATS),
    "trunc": _op("trunc({})", _FLOATS),
    "round": _op("rint({})", _FLOATS),
    "round_float16": _op("from_float16(to_float16({}))", _SINGLE),
    "round_bfloat16": _op("from_bfloat16(to_bfloat16({}))", _SINGLE),
    "equal": _op("{} == {}", _ANY),
    "not_equal": _op("{} != {}", _ANY),
    "less": _op("{} < {}", _ANY),
    "less_equal": _op("{} <= {}", _ANY),
    "greater": _op("{} > {}", _ANY),
    "greater_equal": _op("{} >= {}", _ANY),
    "logical_and": _op("{} & {}", frozenset({"bool"})),
    "logical_or": _op("{} | {}", frozenset({"bool"})),
    "logical_xor": _op("{} ^ {}", frozenset({"bool"})),
    "logical_not": _op("not {}", frozenset({"bool"})),
    "isnan": _op("{0} != {0}", _FLOATS),
    "isfinite": _op("abs({}) < np.inf", _FLOATS),
    "isinf": _op("abs({}) == np.inf", _FLOATS),
    "where": _op("select({0}, {1}, {2})", _ANY),
    "maximum": _op("maximum({}, {})"),
    "minimum": _op("minimum({}, {})"),
    "clip": _op("minimum(maximum({}, {}), {})"),
    "relu": _op("maximum({}, {t}(0))", _FLOATS),
    **{name: _function(name) for name in sorted(scalar_math.NAMES)},
}
"""Primitive -> the dtypes of operands that it takes, and its text."""


def literal(x: Any, dtype: str) -> str:
    """A Python number as a constant of a dtype."""
    if dtype == "bool":
        return repr(bool(x))
    text = repr(float(x)) if dtype in _FLOATS else repr(int(x))
    if dtype in _FLOATS and not np.isfinite(x):
        text = {"inf": "np.inf", "-inf": "-np.inf", "nan": "np.nan"}[text]
    return f"np.{dtype}({text})"
