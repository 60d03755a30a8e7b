"""Rows of the reductions."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from case import Case
from scipy import special

from gpugrad.ops import reductions as r
from rows.elementwise import apart, between, booleans, complexes, integers

AXES: list[dict[str, Any]] = [
    {},
    {"axis": 0},
    {"axis": -1, "keepdims": True},
    {"axis": (2, 0)},
    {"axis": (2, 1, 0)},
    {"axis": (-1, 1), "keepdims": True},
]


def _named(name: str, params: dict[str, Any]) -> str:
    return " ".join([name, *(f"{k}={v}" for k, v in params.items())])


def _over(name: str, draw: Any, reference: Callable[..., Any] | None = None, **more: Any) -> list[Case]:
    """A row for each way to give axes."""
    f, g = getattr(r, name), reference or getattr(np, name)
    return [Case(_named(name, p), lambda x, p=p: f(x, **p), draw, lambda x, p=p: g(x, **p), **more) for p in AXES]  # type: ignore[misc]


def _one(
    name: str,
    draw: Any,
    reference: Callable[..., Any] | None = None,
    extra: dict[str, Any] | None = None,
    label: str = "",
    **more: Any,
) -> Case:
    f, g, p = getattr(r, name), reference or getattr(np, name), extra or {}
    return Case(label or _named(name, p), lambda x: f(x, **p), draw, lambda x: g(x, **p), **more)


def with_nan(*shape: int) -> Callable[[np.random.Generator], tuple[Any, ...]]:
    """Numbers of which no two are near each other, two of them missing."""

    def draw(rng: np.random.Generator) -> tuple[Any, ...]:
        x = rng.permutation(np.linspace(-2, 2, int(np.prod(shape)))).reshape(shape)
        x.flat[[1, -1]] = np.nan
        return (x,)

    return draw


def _quiet(f: Callable[..., Any]) -> Callable[..., Any]:
    def call(x: Any, **params: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return f(x, **params)

    return call


def _logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return special.logsumexp(x, axis=axis, keepdims=keepdims)


CUBE = between(-2, 2, (2, 3, 2))
NAN = {"grads": "differences of NaN", "eager": "of NaN"}

CASES = [
    *_over("sum", CUBE),
    *_over("mean", CUBE),
    *_over("prod", CUBE),
    *_over("var", CUBE),
    *_over("std", CUBE),
    *_over("max", apart((2, 3, 2))),
    *_over("min", apart((2, 3, 2))),
    *_over("ptp", apart((2, 3, 2))),
    *_over("logsumexp", CUBE, _logsumexp),
    *_over("any", booleans((2, 3, 2))),
    *_over("all", booleans((2, 3, 2))),
    *(
        _one(n, draw, label=f"{n} of a number")
        for n in ("sum", "prod", "mean", "max", "std")
        for draw in [between(1, 2, ())]
    ),
    *(
        _one(n, integers((2, 3)), label=f"{n} integers")
        for n in ["sum", "prod", "mean", "var", "max", "min", "ptp", "any", "argmax"]
    ),
    *(
        _one(n, lambda rng: (rng.integers(0, 9, (2, 3)).astype(np.int32),), label=f"{n} int32")
        for n in ["sum", "prod", "mean", "max", "cumprod"]
    ),
    *(_one(n, lambda rng: (rng.integers(0, 9, (2, 3)).astype(np.uint8),), label=f"{n} uint8") for n in ["sum", "prod"]),
    *(_one(n, booleans((2, 3)), label=f"{n} booleans") for n in ["sum", "prod", "mean", "argmax", "argmin"]),
    *(_one(n, complexes((2, 3)), label=f"{n} complex") for n in ["sum", "prod", "mean", "var", "std", "cumprod"]),
    _one("sum", CUBE, extra={"dtype": "float32"}, argnums=()),
    _one("mean", integers((2, 3)), extra={"dtype": "float32"}),
    _one("sum", CUBE, extra={"axis": ()}),
    _one("mean", between(1, 2, (0, 2)), extra={"axis": 1}, label="mean of nothing at all", order=0),
    _one("sum", between(1, 2, (0, 2)), extra={"axis": 0}, label="sum of nothing", order=0),
    _one("prod", between(1, 2, (0, 2)), extra={"axis": 0}, label="prod of nothing", order=0),
    _one("max", between(1, 2, (0, 2)), extra={"axis": 1}, label="max of no rows", order=0),
    _one("var", CUBE, np.var, extra={"ddof": 1}),
    Case("var correction=1", lambda x: r.var(x, 1, correction=1), CUBE, lambda x: np.var(x, 1, ddof=1)),
    Case(
        "std correction=0.5",
        lambda x: r.std(x, -1, correction=0.5, keepdims=True),
        CUBE,
        lambda x: np.std(x, -1, ddof=0.5, keepdims=True),
    ),
    *(
        _one(n, apart((2, 3)), extra=p, argnums=())
        for n in ("argmax", "argmin")
        for p in ({}, {"axis": 0}, {"axis": -1, "keepdims": True})
    ),
    *(_one("cumprod", between(-1.5, 1.5, (3, 2)), extra=p) for p in ({}, {"axis": 0}, {"axis": -1})),
    Case("cumulative_prod", r.cumulative_prod, between(-1.5, 1.5, (4,)), np.cumprod),
    Case(
        "cumulative_prod axis",
        lambda x: r.cumulative_prod(x, axis=0),
        between(-1.5, 1.5, (4, 2)),
        lambda x: np.cumprod(x, 0),
    ),
    Case(
        "cumulative_prod include_initial",
        lambda x: r.cumulative_prod(x, axis=0, include_initial=True),
        between(-1.5, 1.5, (4, 2)),
        lambda x: np.cumprod(np.concatenate([np.ones((1, 2)), x]), 0),
    ),
    Case("cummax", lambda x: r.cummax(x, axis=-1), apart((2, 4)), lambda x: np.maximum.accumulate(x, -1)),
    Case("cummax flattened", r.cummax, apart((2, 3)), lambda x: np.maximum.accumulate(x.ravel())),
    Case("cummin", lambda x: r.cummin(x, axis=0), apart((4, 2)), lambda x: np.minimum.accumulate(x, 0)),
    Case("average", r.average, between(1, 2, (2, 3)), np.average),
    Case(
        "average weights",
        lambda x, w: r.average(x, weights=w),
        between(1, 2, (2, 3), (2, 3)),
        lambda x, w: np.average(x, weights=w),
    ),
    Case(
        "average weights of an axis",
        lambda x, w: r.average(x, axis=0, weights=w, keepdims=True),
        between(1, 2, (2, 3), (2,)),
        lambda x, w: np.average(x, axis=0, weights=w, keepdims=True),
    ),
    Case(
        "average weights of all",
        lambda x, w: r.average(x, axis=-1, weights=w),
        between(1, 2, (2, 3), (2, 3)),
        lambda x, w: np.average(x, axis=-1, weights=w),
    ),
    *(
        _one(n, with_nan(2, 4), extra=p, without=NAN)
        for n in ["nansum", "nanprod", "nanmean", "nanvar", "nanstd", "nanmax", "nanmin"]
        for p in ({}, {"axis": 0}, {"axis": -1, "keepdims": True})
    ),
    *(
        _one(n, apart((2, 3)), extra={"axis": 0}, label=f"{n} without NaN")
        for n in ["nansum", "nanprod", "nanmean", "nanvar", "nanstd", "nanmax", "nanmin"]
    ),
    *(_one(n, integers((2, 3)), label=f"{n} integers") for n in ["nansum", "nanmean", "nanmax"]),
    Case(
        "nanvar ddof=1",
        lambda x: r.nanvar(x, -1, ddof=1),
        with_nan(2, 4),
        lambda x: np.nanvar(x, -1, ddof=1),
        without=NAN,
    ),
    Case("nanmean complex", r.nanmean, complexes((3,)), np.nanmean, order=1),
    Case("nanvar complex", r.nanvar, complexes((3,)), np.nanvar, order=1),
]
