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
    "complex64": "Complex<float>",
    "complex128": "Complex<double>",
}
"""dtype -> the type of a value that is computed with."""

STORED_APART = frozenset({"float16", "bfloat16"})
"""dtypes whose elements have a type of their own in arrays."""

STORED = TYPES | {"float16": "__half", "bfloat16": "__nv_bfloat16"}
"""dtype -> the type of an element of an array."""

_SUFFIX = {"float": "f", "unsigned": "u", "long long": "ll", "unsigned long long": "ull"}
_WRAPS = frozenset({"signed char", "short", "int", "long long", "unsigned char", "unsigned short"})


INTEGERS = frozenset(TYPES[f"{sign}int{width}"] for sign in ("", "u") for width in (8, 16, 32, 64))


def _zero(t: str) -> str:
    return literal(0, next(dtype for dtype, name in TYPES.items() if name == t and dtype not in STORED_APART))


def _one(t: str) -> str:
    return literal(1, next(dtype for dtype, name in TYPES.items() if name == t and dtype not in STORED_APART))


def _by_type(floats: Text, integers: str = "", complexes: str = "", bools: str = "") -> Text:
    """An entry that has other texts for integers, complex numbers and booleans."""

    def of(*xs: str, t: str) -> str:
        other = integers if t in INTEGERS else complexes if t.startswith("Complex") else bools if t == "bool" else ""
        return other.format(*xs, t=t, one=_one(t), zero=_zero(t)) if other else floats(*xs, t=t)

    return of


def _op(template: str) -> Text:
    return lambda *xs, t: template.format(*xs, t=t)


def _arithmetic(sign: str, name: str) -> Text:
    return lambda x, y, t: f"wrapped_{name}({x}, {y})" if t in _WRAPS else f"{x} {sign} {y}"


def _library(name: str) -> Text:
    """A function of the library, whose float version has an f at its end."""
    return lambda *xs, t: f"{name}{'f' if t == 'float' else ''}({', '.join(xs)})"


def _ours(name: str) -> Text:
    return lambda *xs, t: f"{name}({', '.join(xs)})"


_absolute = _by_type(
    _library("fabs"), "{0} < {zero} ? wrapped_subtract({zero}, {0}) : {0}", "hypot({0}.real, {0}.imag)"
)

_LIBRARY = (
    "sqrt exp2 expm1 log log2 log10 log1p sin cos tan asin acos atan atan2 sinh cosh tanh asinh acosh "
    "atanh erf erfc erfinv cbrt hypot copysign nextafter"
)
_OURS = "masked_multiply maximum minimum sigmoid softplus logaddexp sinc digamma"

SCALARS: dict[str, Text] = {
    **{name: _library(name) for name in _LIBRARY.split()},
    **{name: _ours(name) for name in _OURS.split()},
    "add": _by_type(_arithmetic("+", "add"), bools="{} || {}"),
    "subtract": _arithmetic("-", "subtract"),
    "multiply": _by_type(_arithmetic("*", "multiply"), bools="{} && {}"),
    "divide": _op("{} / {}"),
    "negative": lambda x, t: f"wrapped_subtract({_zero(t)}, {x})" if t in _WRAPS else f"-{x}",
    "positive": _op("{}"),
    "stop": _op("{}"),
    "square": lambda x, t: f"wrapped_multiply({x}, {x})" if t in _WRAPS else f"{x} * {x}",
    "reciprocal": lambda x, t: f"{_one(t)} / {x}",
    "abs": lambda x, t: x if t.startswith("unsigned") else _absolute(x, t=t),
    "conj": _by_type(_op("{}"), complexes="{t}({0}.real, -{0}.imag)"),
    "real": _by_type(_op("{}"), complexes="{0}.real"),
    "imag": _op("{}.imag"),
    "sign": _by_type(_ours("sign"), "({t})(int({0} > {zero}) - int({0} < {zero}))"),
    "floor": _by_type(_library("floor"), "{}"),
    "ceil": _by_type(_library("ceil"), "{}"),
    "trunc": _by_type(_library("trunc"), "{}"),
    "round": _by_type(_library("rint"), "{}"),
    "round_float16": _ours("round_float16"),
    "round_bfloat16": _ours("round_bfloat16"),
    "exp": _by_type(_library("exp"), complexes="exponential({})"),
    "pow": _by_type(_library("pow"), "integer_power({}, {})"),
    "fmod": _by_type(_library("fmod"), "integer_fmod({}, {})"),
    "floor_divide": _ours("integer_floor_divide"),
    "remainder": _ours("integer_remainder"),
    "bitwise_left_shift": _ours("left_shift"),
    "bitwise_right_shift": _ours("right_shift"),
    "gammaln": _library("lgamma"),
    "equal": _op("{} == {}"),
    "not_equal": _op("{} != {}"),
    "less": _op("{} < {}"),
    "less_equal": _op("{} <= {}"),
    "greater": _op("{} > {}"),
    "greater_equal": _op("{} >= {}"),
    "logical_and": lambda x, y, t: f"{_truth(x, t)} && {_truth(y, t)}",
    "logical_or": lambda x, y, t: f"{_truth(x, t)} || {_truth(y, t)}",
    "logical_xor": lambda x, y, t: f"{_truth(x, t)} != {_truth(y, t)}",
    "logical_not": lambda x, t: f"!{_truth(x, t)}",
    "isnan": _op("{0} != {0}"),
    "isfinite": _by_type(lambda x, t: f"{_library('fabs')(x, t=t)} < highest<{t}>()", complexes="is_finite({})"),
    "isinf": _by_type(lambda x, t: f"{_library('fabs')(x, t=t)} == highest<{t}>()", complexes="is_infinite({})"),
    "where": _op("{} ? {} : {}"),
    "clip": _op("minimum(maximum({}, {}), {})"),
    "relu": lambda x, t: f"maximum({x}, {_zero(t)})",
    "bitwise_and": _op("{} & {}"),
    "bitwise_or": _op("{} | {}"),
    "bitwise_xor": _op("{} ^ {}"),
    "bitwise_invert": _by_type(_op("~{}"), bools="!{}"),
}
"""Primitive -> its text."""


def _truth(x: str, t: str) -> str:
    return x if t == "bool" else f"({x} != {_zero(t)})"


def literal(x: Any, dtype: str) -> str:
    """A Python number as a constant of a dtype."""
    t = TYPES[dtype]
    if t.startswith("Complex"):
        part = "float32" if dtype == "complex64" else "float64"
        return f"{t}({literal(x.real, part)}, {literal(x.imag, part)})"
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
