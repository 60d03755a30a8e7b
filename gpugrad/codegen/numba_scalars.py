"""Scalar expressions in the dialect that Numba compiles: one line per primitive.

An entry takes the texts of its operands, which are names or literals, and their common dtype's name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpugrad.kernels import scalar_math

Text = Callable[..., str]

_SINGLE = frozenset({"float32"})
_FLOATS = frozenset({"float32", "float64"})
INTEGERS = frozenset(f"{sign}int{width}" for sign in ("", "u") for width in (8, 16, 32, 64))
_BITS = INTEGERS | {"bool"}
_REAL = _FLOATS | INTEGERS
_COMPLEX = frozenset({"complex64", "complex128"})
_NUMBER = _REAL | _COMPLEX
_ANY = _NUMBER | {"bool"}
_ORDERED = _REAL | {"bool"}


def _op(template: str, dtypes: frozenset[str] = _REAL) -> tuple[frozenset[str], Text]:
    return dtypes, lambda *xs, t: template.format(*xs, t=t)


def _math(name: str) -> tuple[frozenset[str], Text]:
    return _FLOATS, lambda x, t: f"math.{name}({x})"


def _function(name: str) -> tuple[frozenset[str], Text]:
    return _FLOATS, lambda *xs, t: f"{name}_f{t[-2:]}({', '.join(xs)})"


def _with_complex(real: tuple[frozenset[str], Text], template: str) -> tuple[frozenset[str], Text]:
    """An entry that has another text for complex numbers; ``{f}`` and ``{c}`` in it are the names' endings."""
    dtypes, text = real

    def of(*xs: str, t: str) -> str:
        if not t.startswith("np.complex"):
            return text(*xs, t=t)
        f, c = ("f32", "c64") if t.endswith("64") else ("f64", "c128")
        return template.format(*xs, t=t, f=f, c=c)

    return dtypes | _COMPLEX, of


def _with_bool(others: tuple[frozenset[str], Text], template: str) -> tuple[frozenset[str], Text]:
    """An entry that has another text for booleans."""
    dtypes, text = others
    return dtypes | {"bool"}, lambda *xs, t: template.format(*xs) if t == "np.bool" else text(*xs, t=t)


def _with_integers(floats: tuple[frozenset[str], Text], template: str) -> tuple[frozenset[str], Text]:
    """An entry that has another text for integers."""
    dtypes, text = floats
    return dtypes | INTEGERS, lambda *xs, t: template.format(*xs, t=t) if t[3:] in INTEGERS else text(*xs, t=t)


SCALARS: dict[str, tuple[frozenset[str], Text]] = {
    "add": _with_bool(_op("{} + {}", _NUMBER), "{} | {}"),
    "subtract": _op("{} - {}", _NUMBER),
    "multiply": _with_bool(_with_complex(_op("{} * {}"), "complex_multiply({}, {})"), "{} & {}"),
    "divide": _with_complex(_op("{} / {}", _FLOATS), "complex_divide({}, {})"),
    "negative": _op("-{}", _NUMBER),
    "positive": _op("{}", _ANY),
    "stop": _op("{}", _ANY),
    "square": _with_complex(_op("{0} * {0}"), "complex_multiply({0}, {0})"),
    "reciprocal": _with_complex(_op("{t}(1) / {}", _FLOATS), "complex_divide({t}(1), {})"),
    "masked_multiply": _with_complex(
        _op("select(({0} == 0) | ({1} == 0), {t}(0), {0} * {1})", _FLOATS),
        "select(({0} == 0) | ({1} == 0), {t}(0), complex_multiply({0}, {1}))",
    ),
    "abs": _with_complex(_op("abs({})"), "hypot_{f}({0}.real, {0}.imag)"),
    "conj": _with_complex(_op("{}"), "{}.conjugate()"),
    "real": _with_complex(_op("{}"), "{}.real"),
    "imag": _op("{}.imag", _COMPLEX),
    "sign": _with_integers(
        _op("select({0} > 0, {t}(1), select({0} < 0, {t}(-1), {0}))", _FLOATS), "int({0} > 0) - int({0} < 0)"
    ),
    "floor_divide": _op("integer_floor_divide({}, {})", INTEGERS),
    "remainder": _op("integer_remainder({}, {})", INTEGERS),
    "fmod": _op("integer_fmod({}, {})", INTEGERS),
    "bitwise_and": _op("{} & {}", _BITS),
    "bitwise_or": _op("{} | {}", _BITS),
    "bitwise_xor": _op("{} ^ {}", _BITS),
    "bitwise_invert": _with_bool(_op("~{}", INTEGERS), "not {}"),
    "bitwise_left_shift": _op("left_shift({}, {})", INTEGERS),
    "bitwise_right_shift": _op("right_shift({}, {})", INTEGERS),
    "sqrt": _math("sqrt"),
    # math's give an integer, which has no NaN and an end
    "floor": _with_integers(_op("floor({})", _FLOATS), "{}"),
    "ceil": _with_integers(_op("ceil({})", _FLOATS), "{}"),
    "trunc": _with_integers(_op("trunc({})", _FLOATS), "{}"),
    "round": _with_integers(_op("rint({})", _FLOATS), "{}"),
    "round_float16": _op("from_float16(to_float16({}))", _SINGLE),
    "round_bfloat16": _op("from_bfloat16(to_bfloat16({}))", _SINGLE),
    "equal": _op("{} == {}", _ANY),
    "not_equal": _op("{} != {}", _ANY),
    "less": _op("{} < {}", _ORDERED),
    "less_equal": _op("{} <= {}", _ORDERED),
    "greater": _op("{} > {}", _ORDERED),
    "greater_equal": _op("{} >= {}", _ORDERED),
    "logical_and": _with_bool(_op("({} != 0) & ({} != 0)", _NUMBER), "{} & {}"),
    "logical_or": _with_bool(_op("({} != 0) | ({} != 0)", _NUMBER), "{} | {}"),
    "logical_xor": _with_bool(_op("({} != 0) ^ ({} != 0)", _NUMBER), "{} ^ {}"),
    "logical_not": _with_bool(_op("{} == 0", _NUMBER), "not {}"),
    "isnan": _op("{0} != {0}", _FLOATS | _COMPLEX),
    "isfinite": _with_complex(_op("abs({}) < np.inf", _FLOATS), "(abs({0}.real) < np.inf) & (abs({0}.imag) < np.inf)"),
    "isinf": _with_complex(_op("abs({}) == np.inf", _FLOATS), "(abs({0}.real) == np.inf) | (abs({0}.imag) == np.inf)"),
    "where": _op("select({0}, {1}, {2})", _ANY),
    "maximum": _with_bool(_op("maximum({}, {})"), "{} | {}"),
    "minimum": _with_bool(_op("minimum({}, {})"), "{} & {}"),
    "clip": _op("minimum(maximum({}, {}), {})"),
    "relu": _op("maximum({}, {t}(0))"),
    **{name: _function(name) for name in sorted(scalar_math.NAMES)},
    "exp": _with_complex(_function("exp"), "exp_{c}({})"),
    "pow": _with_integers(_function("pow"), "integer_power({}, {})"),
}
"""Primitive -> the dtypes of operands that it takes, and its text."""


def literal(x: Any, dtype: str) -> str:
    """A Python number as a constant of a dtype."""
    if dtype == "bool":
        return repr(bool(x))
    if type(x) is complex:
        return f"np.{dtype}(complex({_float(x.real)}, {_float(x.imag)}))"
    if dtype in _COMPLEX:
        return f"np.{dtype}({_float(float(x))})"
    return f"np.{dtype}({_float(float(x)) if dtype in _FLOATS else int(x)})"


def _float(x: float) -> str:
    return {"inf": "np.inf", "-inf": "-np.inf", "nan": "np.nan"}.get(repr(x), repr(x))
