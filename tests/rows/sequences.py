"""Rows of running sums, differences, slopes, integrals, interpolation and convolution along an axis."""

from __future__ import annotations

from typing import Any

import numpy as np
from case import Case

from gpugrad.ops import sequences as s
from rows.elementwise import apart, complexes, integers

X = apart((3, 4))
FEW = {"float16": "neighbours cancel", "bfloat16": "neighbours cancel"}
POINTS = np.array([0.0, 1.0, 2.5, 3.0])


def _increasing(rng: np.random.Generator, n: int) -> Any:
    return np.cumsum(rng.choice([0.5, 1.0, 1.5], n))


def _between_points(rng: np.random.Generator) -> tuple[Any, ...]:
    """``x`` inside, outside and away from the points; the points; the values there."""
    return (
        np.array([[0.3, 1.2, -2.0], [2.7, 9.0, 0.8]]),
        POINTS + 0.01 * rng.integers(0, 9, 4),
        rng.integers(-9, 9, 4) / 4,
    )


def _interp(**options: Any) -> Case:
    name = ", ".join(f"{k}={v}" for k, v in options.items())
    return Case(
        f"interp {name}".strip(),
        lambda x, xp, fp: s.interp(x, xp, fp, **options),
        _between_points,
        lambda x, xp, fp: np.interp(x, xp, fp, **options),
        without={"bfloat16": "the points are rounded too far"},
    )


CASES = [
    Case("cumsum", s.cumsum, X, np.cumsum),
    Case("cumsum axis", lambda x: s.cumsum(x, axis=-1), X, lambda x: np.cumsum(x, -1)),
    Case("cumsum of booleans", lambda x: s.cumsum(x > 0.0), X, lambda x: np.cumsum(x > 0)),
    Case("cumulative_sum", s.cumulative_sum, apart((4,)), np.cumsum),
    Case("cumulative_sum from 0", lambda x: s.cumulative_sum(x, axis=0, include_initial=True), X, lambda x: np.cumulative_sum(x, axis=0, include_initial=True)),
    Case("cumulative_sum of nothing", lambda x: s.cumulative_sum(x, axis=1, include_initial=True), apart((2, 0)), lambda x: np.zeros((2, 1)), order=0),
    Case("diff", s.diff, X, np.diff),
    Case("diff twice", lambda x: s.diff(x, n=2, axis=0), X, lambda x: np.diff(x, 2, 0)),
    Case("diff to nothing", lambda x: s.diff(x, n=9), X, lambda x: np.diff(x, 9), order=0),
    Case("diff joined", lambda x, a, b: s.diff(x, prepend=a, append=b), apart((2, 3), (), (2, 1)), lambda x, a, b: np.diff(x, prepend=a, append=b)),
    Case("diff of booleans", lambda x: s.diff(x > 0.0), X, lambda x: np.diff(x > 0)),
    Case("ediff1d", s.ediff1d, X, np.ediff1d),
    Case("ediff1d between", lambda x, a, b: s.ediff1d(x, to_end=a, to_begin=b), apart((3,), (), (2,)), lambda x, a, b: np.ediff1d(x, a, b)),
    Case("trapezoid", s.trapezoid, X, np.trapezoid),
    Case("trapezoid dx", lambda x: s.trapezoid(x, dx=0.5, axis=0), X, lambda x: np.trapezoid(x, dx=0.5, axis=0)),
    Case("trapezoid at points", lambda y, x: s.trapezoid(y, x, axis=0), apart((3, 4), (3,)), lambda y, x: np.trapezoid(y, x, axis=0)),
    Case("trapezoid at points of its own", s.trapezoid, apart((3, 4), (3, 4)), np.trapezoid),
    Case("trapezoid of integers", s.trapezoid, integers((4,)), np.trapezoid),
    Case("gradient", s.gradient, X, lambda x: tuple(np.gradient(x))),
    Case("gradient axis", lambda x: s.gradient(x, 0.5, axis=1), X, lambda x: np.gradient(x, 0.5, axis=1)),
    Case("gradient spacings", lambda x: s.gradient(x, 0.5, 2.0, edge_order=2), X, lambda x: tuple(np.gradient(x, 0.5, 2.0, edge_order=2))),
    Case("gradient of two points", lambda x: s.gradient(x, axis=0), apart((2, 3)), lambda x: np.gradient(x, axis=0)),
    *(
        Case(f"gradient at points, edge_order={k}", lambda x, p, k=k: s.gradient(x, p, axis=0, edge_order=k), lambda rng: (*X(rng), _increasing(rng, 3)), lambda x, p, k=k: np.gradient(x, p, axis=0, edge_order=k), without=FEW)  # type: ignore[misc]
        for k in (1, 2)
    ),
    _interp(),
    _interp(left=-1.0, right=7.0),
    _interp(period=3.5),
    _interp(period=-4.0),
    Case("interp of one point", s.interp, lambda rng: (np.array([0.5, 2.0]), np.array([1.0]), np.array([3.0])), np.interp),
    Case("interp traced ends", lambda x, a: s.interp(x, POINTS, POINTS, left=a), lambda rng: (np.array([-1.0, 0.2]), np.array(5.0)), lambda x, a: np.interp(x, POINTS, POINTS, left=a), without={"float32": "the points are float64", "float16": "the points are float64", "bfloat16": "the points are float64", "backend": "the points are on the host"}),
    *(
        Case(f"{f.__name__} {m} {n}-{k}", lambda x, y, f=f, m=m: f(x, y, m), apart((n,), (k,)), lambda x, y, f=f, m=m: getattr(np, f.__name__)(x, y, m))  # type: ignore[misc]
        for f in (s.convolve, s.correlate)
        for m in ("full", "same", "valid")
        for n, k in ((5, 3), (2, 5), (4, 4))
    ),
    Case("convolve complex", s.convolve, complexes((4,), (2,)), np.convolve),
    Case("correlate complex", s.correlate, complexes((4,), (2,)), np.correlate),
]  # fmt: skip
