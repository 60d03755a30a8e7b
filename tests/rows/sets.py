"""Rows of set operations. Equal elements share a value, whose derivative goes to the first of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from case import Case

from gpugrad.ops import sets
from rows.elementwise import apart, integers

X = apart((2, 4))
COUNTED = {"vmap": "the number of results depends on the data", "jit": "the same"}


def _all(x: Any) -> Any:
    return tuple(np.unique_all(x))


CASES = [
    Case("unique_values", sets.unique_values, X, np.unique, without=COUNTED),
    Case("unique_values integers", sets.unique_values, integers((3, 4)), np.unique, argnums=(), without=COUNTED),
    Case("unique_values empty", sets.unique_values, lambda rng: (np.zeros(0),), np.unique, order=0, without=COUNTED),
    Case("unique_all", lambda x: tuple(sets.unique_all(x)), X, _all, without=COUNTED),
    Case("unique_all integers", lambda x: tuple(sets.unique_all(x)), integers((3, 4)), _all, argnums=(), without=COUNTED),
    Case("unique_counts", lambda x: tuple(sets.unique_counts(x)), integers((9,)), lambda x: np.unique(x, return_counts=True), argnums=(), without=COUNTED),
    Case("unique_inverse", lambda x: tuple(sets.unique_inverse(x)), integers((3, 3)), lambda x: tuple(np.unique_inverse(x)), argnums=(), without=COUNTED),
    Case("isin", sets.isin, lambda rng: (rng.integers(0, 9, (3, 4)), rng.integers(0, 9, 5)), np.isin, argnums=()),
    Case("isin invert", lambda x, y: sets.isin(x, y, invert=True), lambda rng: (rng.integers(0, 9, 7), rng.integers(0, 9, (2, 2))), lambda x, y: np.isin(x, y, invert=True), argnums=()),
    Case("isin of one number", lambda x: sets.isin(x, 3), lambda rng: (rng.integers(0, 5, (3, 4)),), lambda x: np.isin(x, 3), argnums=()),
    Case("isin for one number", lambda y: sets.isin(3, y), lambda rng: (rng.integers(0, 5, 5),), lambda y: np.isin(3, y), argnums=()),
    Case("isin nothing", sets.isin, lambda rng: (rng.normal(size=3), np.zeros(0)), np.isin, argnums=()),
]  # fmt: skip
