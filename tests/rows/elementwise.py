"""Rows of the elementwise primitives and of the arithmetic composed of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from case import Case
from scipy import special

from gpugrad.ops import arithmetic as a
from gpugrad.ops import elementwise as e

Draw = Callable[[np.random.Generator], tuple[Any, ...]]


def between(low: float, high: float, *shapes: tuple[int, ...]) -> Draw:
    """Uniform numbers in each of the shapes."""
    return lambda rng: tuple(rng.uniform(low, high, s) for s in shapes)


def off_integers(*shapes: tuple[int, ...], scale: float = 1.0) -> Draw:
    """Numbers of both signs, none near a multiple of ``scale`` / 2."""
    return lambda rng: tuple(scale * (rng.integers(-6, 6, s) + rng.choice([0.2, 0.3, 0.7, 0.8], s)) / 2 for s in shapes)


def apart(*shapes: tuple[int, ...]) -> Draw:
    """Numbers of which no two, in whichever operand, are near each other."""
    return lambda rng: tuple(
        rng.permutation(np.prod(s, dtype=int)).reshape(s) - 2.5 + 0.15 * k for k, s in enumerate(shapes)
    )


def integers(*shapes: tuple[int, ...], low: int = -4, high: int = 5) -> Draw:
    """Integers, none of them 0."""
    return lambda rng: tuple(np.where((v := rng.integers(low, high, s)) == 0, 1, v) for s in shapes)


def booleans(*shapes: tuple[int, ...]) -> Draw:
    return lambda rng: tuple(rng.integers(0, 2, s) > 0 for s in shapes)


def complexes(*shapes: tuple[int, ...]) -> Draw:
    """Complex numbers away from 0 and from the branch cuts, which lie on the axes."""
    return lambda rng: tuple(
        rng.choice([-1, 1], s) * rng.uniform(0.3, 0.8, s) + 1j * rng.choice([-1, 1], s) * rng.uniform(0.3, 0.8, s)
        for s in shapes
    )


V = (2, 3)
EVERYWHERE = between(-2, 2, V)
POSITIVE = between(0.3, 3, V)


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _unary(name: str, draw: Draw, reference: Callable[..., Any] | None = None, **more: Any) -> Case:
    return Case(name, getattr(e, name), draw, reference or getattr(np, name), **more)


UNARY = [
    *(
        _unary(n, EVERYWHERE)
        for n in [
            "negative",
            "positive",
            "square",
            "exp",
            "exp2",
            "expm1",
            "sin",
            "cos",
            "sinh",
            "cosh",
            "tanh",
            "atan",
            "asinh",
            "sinc",
        ]
    ),
    *(_unary(n, POSITIVE) for n in ["sqrt", "cbrt", "log", "log2", "log10", "log1p", "reciprocal"]),
    *(_unary(n, between(-0.8, 0.8, V)) for n in ["asin", "acos", "atanh", "tan"]),
    *(_unary(n, off_integers(V)) for n in ["abs", "floor", "ceil", "trunc", "round", "sign"]),
    *(_unary(n, off_integers(V), argnums=()) for n in ["signbit", "isnan", "isinf", "isfinite"]),
    _unary("relu", off_integers(V), lambda x: np.maximum(x, 0)),
    _unary("acosh", between(1.3, 3, V)),
    _unary("sigmoid", EVERYWHERE, _sigmoid),
    _unary("softplus", EVERYWHERE, lambda x: np.log1p(np.exp(x))),
    _unary("erf", EVERYWHERE, special.erf),
    _unary("erfc", EVERYWHERE, special.erfc),
    Case("exp of a number", e.exp, between(-1, 1, ()), np.exp),
    Case("exp of nothing", e.exp, between(-1, 1, (0, 2)), np.exp, order=0),
    Case("stop", e.stop, EVERYWHERE, np.copy, argnums=()),
]

COMPLEX = [
    Case(f"{n} complex", getattr(e, n), complexes((3,)), getattr(np, n), order=1)
    for n in [
        "negative",
        "square",
        "reciprocal",
        "sqrt",
        "exp",
        "expm1",
        "exp2",
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
        "sinh",
        "cosh",
        "tanh",
        "asinh",
        "acosh",
        "atanh",
        "sinc",
    ]
] + [
    Case("sigmoid complex", e.sigmoid, complexes((3,)), _sigmoid, order=1),
    Case("add complex", e.add, complexes((3,), (2, 1)), np.add, order=1),
    Case("multiply complex", e.multiply, complexes((3,), (2, 1)), np.multiply),
    Case("divide complex", e.divide, complexes((3,), (2, 1)), np.divide),
    Case("pow complex", e.pow, complexes((3,), (2, 1)), np.power, order=1),
    Case("abs complex", a.abs, complexes((3,)), np.abs),
    Case("sign complex", a.sign, complexes((3,)), np.sign, order=1),
    Case("angle complex", a.angle, complexes((3,)), np.angle),
    Case(
        "multiply real and complex",
        e.multiply,
        lambda rng: (*between(-1, 1, (3,))(rng), *complexes((3,))(rng)),
        np.multiply,
    ),
]

BINARY = [
    *(
        Case(f"{n} broadcast", getattr(e, n), between(0.3, 2, (2, 1), (3,)), getattr(np, n))
        for n in ["add", "subtract", "multiply", "divide", "hypot", "logaddexp", "pow", "atan2"]
    ),
    *(
        Case(f"{n} with a number", getattr(e, n), between(0.3, 2, (3,), ()), getattr(np, n))
        for n in ["subtract", "divide", "pow"]
    ),
    *(Case(n, getattr(e, n), apart((3,), (2, 3)), getattr(np, n)) for n in ["maximum", "minimum"]),
    *(
        Case(n, getattr(e, n), apart((3,), (2, 3)), getattr(np, n), argnums=())
        for n in ["equal", "not_equal", "less", "less_equal", "greater", "greater_equal"]
    ),
    *(
        Case(n, getattr(e, n), booleans((2, 3), (3,)), getattr(np, n))
        for n in ["logical_and", "logical_or", "logical_xor"]
    ),
    *(
        Case(n, getattr(e, n), integers((2, 3), (3,)), getattr(np, n))
        for n in ["bitwise_and", "bitwise_or", "bitwise_xor"]
    ),
    *(
        Case(n, getattr(e, n), integers((2, 3), (3,), low=1), getattr(np, n))
        for n in ["bitwise_left_shift", "bitwise_right_shift"]
    ),
    *(
        Case(f"{n} integers", getattr(e, n), integers((2, 3), (3,)), getattr(np, n))
        for n in ["floor_divide", "remainder", "fmod", "multiply", "maximum"]
    ),
    *(
        Case(
            n,
            getattr(e, n),
            lambda rng: (rng.uniform(4.2, 5.8, V) * rng.choice([-1, 1], V), rng.choice([-2.0, 2.0], (3,))),
            getattr(np, n),
            order=1,
        )
        for n in ["floor_divide", "remainder", "fmod"]
    ),
    Case("logical_not", e.logical_not, booleans(V), np.logical_not),
    Case("bitwise_invert", e.bitwise_invert, integers(V), np.bitwise_invert),
    Case("copysign", e.copysign, off_integers(V, (3,)), np.copysign),
    Case(
        "nextafter",
        e.nextafter,
        between(1, 2, V, (3,)),
        np.nextafter,
        order=1,
        without={"float16": "NumPy has none", "bfloat16": "the spacing is that of float32"},
    ),
    Case("masked_multiply", e.masked_multiply, between(0.3, 2, (2, 1), (3,)), np.multiply),
    Case(
        "pow integer array",
        e.pow,
        lambda rng: (*off_integers((2, 3))(rng), np.array([2, 3, -1])),
        lambda x, y: x ** y.astype(float),
        without={
            "float32": "float32 and int64 make float64, as in NumPy",
            "float16": "a half and an integer make a half: ours, not NumPy's",
            "bfloat16": "the same",
        },
    ),
    Case("where", e.where, lambda rng: (*booleans((2, 3))(rng), *between(-1, 1, (3,), (2, 1))(rng)), np.where),
    Case(
        "clip array bounds",
        e.clip,
        lambda rng: (
            rng.permutation(np.linspace(-2, 2, 6)).reshape(V),
            np.array([-1.5, 0.1, -0.3]),
            np.array([1.0, 0.7, 1.7]),
        ),
        np.clip,
        order=1,
    ),
]

EXPONENTS = [
    Case(f"power {y}", lambda x, y=y: a.power(x, y), POSITIVE, lambda x, y=y: x**y)  # type: ignore[misc]
    for y in (2, 3, 1, 0.5, -1, 0, 4, -2, 1.7)
]

ARITHMETIC = [
    *EXPONENTS,
    Case("power of a number", lambda x: a.power(2.0, x), EVERYWHERE, lambda x: 2.0**x),
    Case("power integers", lambda x: a.power(x, 3), integers(V), lambda x: x**3),
    Case("power integers to a fraction", lambda x: a.power(x, 0.5), integers(V, low=1), np.sqrt),
    Case("power", a.power, between(0.5, 2, V, (3,)), np.power),
    Case("float_power", a.float_power, integers(V, (3,), low=1), np.float_power),
    Case("divide integers", a.divide, integers(V, (3,)), np.divide),
    Case("divmod", a.divmod, lambda rng: (rng.uniform(4.2, 5.8, V), np.array([2.0, -2.0, 2.0])), np.divmod, order=1),
    Case("abs integers", a.abs, integers(V), np.abs),
    Case("sign real", a.sign, off_integers(V), np.sign),
    Case("angle real", a.angle, off_integers(V), np.angle),
    Case("angle degrees", lambda x: a.angle(x, deg=True), complexes((3,)), lambda x: np.angle(x, deg=True), order=1),
    Case("heaviside", a.heaviside, off_integers(V, (3,)), np.heaviside),
    Case("clip", lambda x: a.clip(x, -1.25, 1.25), off_integers(V), lambda x: np.clip(x, -1.25, 1.25)),
    Case("clip below", lambda x: a.clip(x, min=-1.25), off_integers(V), lambda x: np.maximum(x, -1.25)),
    Case("clip above", lambda x: a.clip(x, max=1.25), off_integers(V), lambda x: np.minimum(x, 1.25)),
    Case("clip not", lambda x: a.clip(x), off_integers(V), np.copy),
    Case("clip integers", lambda x: a.clip(x, -1, 2), integers(V), lambda x: np.clip(x, -1, 2)),
    Case("clip integers below", lambda x: a.clip(x, min=-1), integers(V), lambda x: np.maximum(x, -1)),
    Case("clip integers to a fraction", lambda x: a.clip(x, -1.5, 2), integers(V), lambda x: np.clip(x, -1.5, 2)),
    Case("fmax", a.fmax, apart((3,), (2, 3)), np.fmax),
    Case("fmin", a.fmin, apart((3,), (2, 3)), np.fmin),
    Case(
        "round 1",
        lambda x: a.round(x, 1),
        off_integers(V, scale=0.1),
        lambda x: np.round(x, 1),
        without={"float16": "the sample rounds differently in half precision", "bfloat16": "the same"},
    ),
    Case("round -1", lambda x: a.round(x, -1), off_integers(V, scale=10.0), lambda x: np.round(x, -1)),
    Case("round integers", lambda x: a.round(x, -1), integers(V, low=11, high=99), lambda x: np.round(x, -1)),
    Case("nan_to_num", a.nan_to_num, EVERYWHERE, np.nan_to_num),
    Case("nan_to_num complex", a.nan_to_num, complexes((3,)), np.nan_to_num),
    Case("isposinf", a.isposinf, EVERYWHERE, np.isposinf, argnums=()),
    Case("isneginf", a.isneginf, EVERYWHERE, np.isneginf, argnums=()),
    Case("isclose", a.isclose, apart((3,), (3,)), np.isclose, argnums=()),
    Case(
        "isclose integers",
        lambda x, y: a.isclose(x, y, atol=1.5),
        integers(V, V),
        lambda x, y: np.isclose(x, y, atol=1.5),
    ),
    Case("allclose", a.allclose, apart((3,), (3,)), np.allclose, argnums=()),
    Case("array_equal", a.array_equal, integers(V, V), np.array_equal),
    Case("deg2rad", a.deg2rad, EVERYWHERE, np.deg2rad),
    Case("rad2deg", a.rad2deg, EVERYWHERE, np.rad2deg),
    Case("lerp", lambda x, y: a.lerp(x, y, 0.3), between(-1, 1, V, (3,)), lambda x, y: x + 0.3 * (y - x)),
    Case(
        "lerp array",
        a.lerp,
        lambda rng: (*between(-1, 1, V, (3,))(rng), np.array([0.2, 0.7, 1.0])),
        lambda x, y, w: x + w * (y - x),
    ),
    Case("logit", a.logit, between(0.1, 0.9, V), special.logit),
]

CASES = UNARY + COMPLEX + BINARY + ARITHMETIC
