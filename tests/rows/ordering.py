"""Rows of sorting and of what is read off a sorted array."""

from __future__ import annotations

from typing import Any

import numpy as np
from case import Case

from gpugrad.ops import ordering as o
from rows.elementwise import apart, integers

X = apart((3, 4))
METHODS = ("linear", "lower", "higher", "midpoint", "nearest")


def _top(x: Any, k: int, axis: int) -> Any:
    order = np.argsort(-x, axis=axis, kind="stable").take(range(k), axis=axis)
    return np.take_along_axis(x, order, axis), order


CASES = [
    *(
        Case(f"sort axis={k}", lambda x, k=k: o.sort(x, axis=k), X, lambda x, k=k: np.sort(x, axis=k))
        for k in (0, -1, None)
    ),  # type: ignore[misc]
    *(
        Case(
            f"argsort axis={k}",
            lambda x, k=k: o.argsort(x, axis=k),
            X,
            lambda x, k=k: np.argsort(x, axis=k),
            argnums=(),
        )
        for k in (0, -1, None)
    ),  # type: ignore[misc]
    Case("sort descending", lambda x: o.sort(x, axis=0, descending=True), X, lambda x: -np.sort(-x, axis=0)),
    Case("sort integers", o.sort, integers((2, 5)), np.sort),
    Case(
        "argsort of equals",
        lambda x: o.argsort(x, descending=True),
        integers((12,)),
        lambda x: np.argsort(-x, kind="stable"),
    ),
    Case("sort of nothing", o.sort, apart((2, 0)), np.sort, order=0),
    Case("partition", lambda x: o.partition(x, 1), X, np.sort),
    Case("top_k", lambda x: o.top_k(x, 2), X, lambda x: _top(x, 2, -1)),
    Case("top_k axis=0", lambda x: o.top_k(x, 2, axis=0), X, lambda x: _top(x, 2, 0)),
    Case("top_k smallest", lambda x: o.top_k(x, 3, largest=False)[0], X, lambda x: np.sort(x)[:, :3]),
    Case("median", o.median, X, np.median),
    Case("median axis", lambda x: o.median(x, axis=0, keepdims=True), X, lambda x: np.median(x, axis=0, keepdims=True)),
    Case(
        "median of two axes",
        lambda x: o.median(x, axis=(0, -1)),
        apart((2, 3, 2)),
        lambda x: np.median(x, axis=(0, -1)),
    ),
    Case("median integers", lambda x: o.median(x, axis=1), integers((2, 4)), lambda x: np.median(x, axis=1)),
    Case("nanmedian", lambda x: o.nanmedian(x, axis=1), X, lambda x: np.nanmedian(x, axis=1)),
    *(
        Case(
            f"quantile {m}",
            lambda x, m=m: o.quantile(x, 0.3, axis=1, method=m),
            X,
            lambda x, m=m: np.quantile(x, 0.3, axis=1, method=m),
        )
        for m in METHODS
    ),  # type: ignore[misc]
    *(
        Case(
            f"quantile {m} of several",
            lambda x, q, m=m: o.quantile(x, q, axis=0, method=m, keepdims=True),  # type: ignore[misc]
            lambda rng: (rng.permutation(np.arange(12.0)).reshape(3, 4) / 4, np.array([[0.2, 0.4], [0.6, 0.9]])),
            lambda x, q, m=m: np.quantile(x, q, axis=0, method=m, keepdims=True),  # type: ignore[misc]
            without={"bfloat16": "q is rounded too far", "float16": "q is rounded too far"},
        )
        for m in METHODS
    ),
    Case(
        "nanquantile of several",
        lambda x, q: o.nanquantile(x, q, axis=1),
        lambda rng: (rng.permutation(np.arange(12.0)).reshape(3, 4) / 4, np.array([0.2, 0.7])),
        lambda x, q: np.nanquantile(x, q, axis=1),
        without={"bfloat16": "q is rounded too far"},
    ),
    Case("percentile", lambda x: o.percentile(x, 30), X, lambda x: np.percentile(x, 30)),
    Case("nanpercentile", lambda x: o.nanpercentile(x, 30, axis=0), X, lambda x: np.nanpercentile(x, 30, axis=0)),
]
