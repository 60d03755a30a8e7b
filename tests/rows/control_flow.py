"""Rows of control flow, and of the two primitives that carry a batch across the border of a vmap."""

from __future__ import annotations

from typing import Any

import numpy as np
from case import Case

import gpugrad as gg
from rows.elementwise import off_integers


def _parted(x: Any) -> Any:
    """Positive items squared, the others' sine."""
    return gg.vmap(lambda x: gg.cond(x > 0.0, lambda x: x * x, gg.sin, x))(x)


def _doubled(x: Any) -> Any:
    """Doubled until above 3: a different number of times for each item."""
    return gg.vmap(lambda x: gg.while_loop(lambda x: gg.abs(x) < 3.0, lambda x: x * 2.0, x))(x)


def _np_doubled(x: Any) -> Any:
    return x * 2.0 ** np.maximum(np.ceil(np.log2(3.0 / np.abs(x))), 0)


CASES = [
    Case("cond under vmap", _parted, off_integers((6,)), lambda x: np.where(x > 0, x * x, np.sin(x))),
    Case(
        "while_loop under vmap",
        _doubled,
        off_integers((5,)),
        _np_doubled,
        without={"jit": "how often it runs depends on the data"},
    ),
    Case("scan", lambda x: gg.scan(lambda c, x: (c * 0.5 + x, gg.sin(c)), x[0], x)[1], off_integers((4, 2))),
    Case(
        "fori_loop",
        lambda x: gg.fori_loop(0, 3, lambda i, c: c * x + 1.0, x),
        off_integers((3,)),
        lambda x: x**4 + x**2 + x + 1.0,
    ),
]
