"""Scalar expressions in CUDA C++: one line per primitive.

An entry takes the texts of its operands, which are names or literals, and the type that they share. Functions without
a counterpart in CUDA's library are in ``kernels/cuda/scalars.cuh``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

Text = Callable[..., str]

TYPES = {
    "bool": "bool",
    "int8": "signed char",
    "uint8": "unsigned char",
    "int16": "short",
    "uint16": "unsigned short",
    "int32": "int",
    "uint32": "unsigned",
    "int64": "long long",
    "uint64": "unsigned long long",
    "float16": "float",
    "bfloat16": "float",
    "float32": "float",
    "float64": "double",
}
"""dtype -> the type of a value that is computed with."""

STORED = TYPES | {"float16": "__half", "bfloat16": "__nv_bfloat16"}
"""dtype -> the type of an element of an array."""

_SUFFIX = {"float": "f", "unsigned": "u", "long long": "ll", "unsigned long long": "ull"}
_WRAPS = frozenset({"signed char", "short", "int", "long long", "unsigned char", "unsigned short"})


def _op(template: str) -> Text:
    return lambda *xs, t: template.format(*xs, t=t)


def _arithmetic(sign: str, name: str) -> Text:
    return lambda x, y, t: f"wrapped_{name}({x}, {y})" if t in _WRAPS else f"{x} {sign} {y}"


def _library(name: str) -> Text:
    """A function of the library, whose float version has an f at its end."""
    return lambda *xs, t: f"{name}{'f' if t == 'float' else ''}({', '.join(xs)})"


def _ours(name: str) -> Text:
    return lambda *xs, t: f"{name}({', '.join(xs)})"


_LIBRARY = (
    "sqrt floor ceil trunc exp exp2 expm1 log log2 log10 log1p sin cos tan asin acos atan atan2 sinh cosh tanh asinh acosh "
    "atanh erf erfc erfinv pow cbrt hypot fmod copysign nextafter"
)
_OURS = "sign masked_multiply maximum minimum sigmoid softplus logaddexp sinc digamma"

SCALARS: dict[str, Text] = {
    **{name: _library(name) for name in _LIBRARY.split()},
    **{name: _ours(name) for name in _OURS.split()},
    "add": _arithmetic("+", "add"),
    "subtract": _arithmetic("-", "subtract"),
    "multiply": _arithmetic("*", "multiply"),
    "divide": _op("{} / {}"),
    "negative": lambda x, t: f"wrapped_subtract({t}(0), {x})" if t in _WRAPS else f"-{x}",
    "positive": _op("{}"),
    "stop": _op("{}"),
    "square": lambda x, t: f"wrapped_multiply({x}, {x})" if t in _WRAPS else f"{x} * {x}",
    "reciprocal": lambda x, t: f"{literal(1, 'float32' if t == 'float' else 'float64')} / {x}",
    "abs": lambda x, t: _library("fabs")(x, t=t) if t in ("float", "double") else f"({x} < 0 ? {t}(-{x}) : {x})",
    "round": _library("rint"),
    "gammaln": _library("lgamma"),
    "equal": _op("{} == {}"),
    "not_equal": _op("{} != {}"),
    "less": _op("{} < {}"),
    "less_equal": _op("{} <= {}"),
    "greater": _op("{} > {}"),
    "greater_equal": _op("{} >= {}"),
    "logical_and": _op("{} && {}"),
    "logical_or": _op("{} || {}"),
    "logical_xor": _op("{} != {}"),
    "logical_not": _op("!{}"),
    "isnan": _op("{0} != {0}"),
    "isfinite": lambda x, t: f"{_library('fabs')(x, t=t)} < highest<{t}>()",
    "isinf": lambda x, t: f"{_library('fabs')(x, t=t)} == highest<{t}>()",
    "where": _op("{} ? {} : {}"),
    "clip": _op("minimum(maximum({}, {}), {})"),
    "relu": lambda x, t: f"maximum({x}, {literal(0, 'float32' if t == 'float' else 'float64')})",
    "bitwise_and": _op("{} & {}"),
    "bitwise_or": _op("{} | {}"),
    "bitwise_xor": _op("{} ^ {}"),
    "bitwise_invert": _op("~{}"),
}
"""Primitive -> its text."""


def literal(x: Any, dtype: str) -> str:
    """A Python number as a constant of a dtype."""
    t = TYPES[dtype]
    if t == "bool":
        return "true" if x else "false"
    if t in ("float", "double"):
        x = float(x)
        if math.isnan(x):
            return f"undefined<{t}>()"
        if math.isinf(x):
            return f"{'highest' if x > 0 else 'lowest'}<{t}>()"
        text = f"{x!r}{_SUFFIX.get(t, '')}"
        return f"({text})" if math.copysign(1.0, x) < 0 else text
    x = int(x)
    if t not in _SUFFIX and t != "int":
        return f"{t}({x})" if " " not in t else f"({t}){x}" if x >= 0 else f"({t})({x})"
    if x in (-(2**63), -(2**31)) and t in ("int", "long long"):
        return f"lowest<{t}>()"
    text = f"{x}{_SUFFIX.get(t, '')}"
    return f"({text})" if x < 0 else text
