"""Rows of the linearized primitives in their own terms; those of the operations made of them are in reductions.py."""

from __future__ import annotations

from typing import Any

import numpy as np
from case import Case

from gpugrad.ops import linearized as lz
from rows.elementwise import apart, between


def _recurrence(x: Any, y: Any) -> Any:
    out = np.zeros_like(y)
    for k in range(y.shape[-1]):
        out[..., k] = y[..., k] + (x[..., k] * out[..., k - 1] if k else 0.0)
    return out


def _shift(x: Any, by: int) -> Any:
    out = np.zeros_like(x)
    n = len(x)
    k = min(abs(by), n)
    out[k if by > 0 else 0 : n if by > 0 else n - k] = x[0 if by > 0 else k : n - k if by > 0 else n]
    return out


def _exclusive(x: Any) -> Any:
    return np.cumprod(np.concatenate([np.ones_like(x[:, :1]), x[:, :-1]], axis=1), axis=1)


CASES = [
    Case("recurrence", lambda x, y: lz.recurrence(x, y, axis=-1), between(-1.5, 1.5, (2, 5), (2, 5)), _recurrence),
    Case(
        "recurrence first axis",
        lambda x, y: lz.recurrence(x, y, axis=-2),
        between(-1.5, 1.5, (4, 2), (4, 2)),
        lambda x, y: _recurrence(x.T, y.T).T,
    ),
    Case("recurrence of one", lambda x, y: lz.recurrence(x, y, axis=-1), between(-1, 1, (1,), (1,)), lambda x, y: y),
    Case(
        "recurrence of nothing",
        lambda x, y: lz.recurrence(x, y, axis=-1),
        between(-1, 1, (2, 0), (2, 0)),
        lambda x, y: y,
        order=0,
    ),
    *(
        Case(
            f"shift {k}", lambda x, k=k: lz.shift(x, axis=-2, by=k), between(-1, 1, (3, 2)), lambda x, k=k: _shift(x, k)
        )
        for k in (1, -1, 2, 5, -5)
    ),  # type: ignore[misc]
    Case("cumprod exclusive", lambda x: lz.cumprod(x, axis=-1, exclusive=True), between(-1.5, 1.5, (2, 4)), _exclusive),
    Case(
        "reduce_logsumexp",
        lambda x: lz.reduce_logsumexp(x, axis=(-2,)),
        between(-2, 2, (3, 2)),
        lambda x: np.log(np.exp(x).sum(0)),
    ),
    Case(
        "argsort primitive",
        lambda x: lz.argsort(x, axis=-2, descending=True),
        apart((5, 2)),
        lambda x: np.argsort(-x, axis=-2, kind="stable"),
        argnums=(),
    ),
]
