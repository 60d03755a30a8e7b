"""Moving data on NumPy: slices are views, positions go through NumPy's own take, and sums at positions through sorting.

All of it is deterministic.
"""

from __future__ import annotations

import itertools as it
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from gpugrad.ops.gathering import out_of_bounds
from gpugrad.ops.linear import Spec, along, key_of
from gpugrad.ops.neural import not_a_class
from gpugrad.ops.sequences import convolved
from gpugrad.ops.windows import Pairs, folded, padded_size

Shape = tuple[int, ...]


def _slice(x: Any, *, spec: Spec) -> Any:
    return x[key_of(spec)]


def _like(x: Any, out: Any) -> Any:
    """``out`` as an array of the type of ``x``, which half precision has its own for."""
    return out if type(x) is np.ndarray or not isinstance(x, np.ndarray) else out.view(type(x))


def _unslice(x: Any, *, spec: Spec, sizes: Shape) -> Any:
    out = _like(x, np.zeros(x.shape[: x.ndim - len(spec)] + sizes, x.dtype))
    out[key_of(spec)] = x
    return out


def _slice_update(x: Any, v: Any, *, spec: Spec) -> Any:
    out = np.array(x, subok=True)
    out[key_of(spec)] = v
    return out


def _concat(*xs: Any, axis: int, bounds: tuple[int, ...]) -> Any:
    return _like(xs[0], np.concatenate(xs, axis))


def _split(x: Any, *, axis: int, bounds: tuple[int, ...]) -> Any:
    return tuple(x[key_of(along(axis, a, b, x.shape))] for a, b in it.pairwise(bounds))


def _cumsum(x: Any, *, axis: int) -> Any:
    return np.add.accumulate(x, axis, x.dtype)


def _flip(x: Any, *, axis: tuple[int, ...]) -> Any:
    return x[tuple(slice(None, None, -1 if k - x.ndim in axis else None) for k in range(x.ndim))]


def _position(index: Any, *, size: int, axis: int, name: str) -> Any:
    out = np.array(index, np.int64)
    # Seen as unsigned a negative number is larger than any size, so that one comparison finds all that need a look.
    if out.size and np.maximum.reduce(out.view(np.uint64), None) >= size:
        low, high = int(index.min()), int(index.max())
        if low < -size or high >= size:
            raise out_of_bounds(low, high, size, axis, name)
        out[out < 0] += size
    return out


def _class_index(index: Any, *, size: int, name: str, way_out: str) -> Any:
    out = np.array(index, np.int64)
    if out.size and np.maximum.reduce(out.view(np.uint64), None) >= size:  # as in _position
        raise not_a_class(int(index.min()), int(index.max()), size, name, way_out)
    return out


def _gather(x: Any, index: Any, *, axis: int) -> Any:
    out = x.take(index, axis)
    return out if isinstance(out, np.ndarray) else _like(x, np.asarray(out))


def _at(before: int, index: Any) -> tuple[Any, ...]:
    return (*(slice(None),) * before, index)


def _scatter(u: Any, index: Any, *, axis: int, size: int) -> Any:
    before, after = u.ndim - index.ndim + axis + 1, -axis - 1
    lead, rest, count = u.shape[:before], u.shape[u.ndim - after :], index.size
    index = index.reshape(-1)
    out = np.zeros((*lead, size, *rest), u.dtype)
    n, r = math.prod(lead), math.prod(rest)
    if (
        r > 1 and 0 < count <= size and np.maximum.reduce(np.bincount(index)) == 1
    ):  # nothing to add up: whole rows at once
        out[_at(before, index)] = u.reshape((*lead, count, *rest))
        return out
    if r != 1:
        index = np.add.outer(index * r, np.arange(r)).reshape(-1)
    if n != 1:
        index = np.add.outer(np.arange(n) * (size * r), index).reshape(-1)
    # NumPy is quick at this along one axis only; it adds in the order of the index.
    np.add.at(out.reshape(-1), index, u.reshape(-1))
    return out


def _put(x: Any, v: Any, index: Any, *, axis: int) -> Any:
    out = np.array(x, subok=True)
    out[_at(x.ndim + axis, index)] = v
    return out


def _lasting(index: Any, *, size: int) -> Any:
    flat = index.reshape(-1)
    places = np.arange(flat.size)
    last = np.empty(size, places.dtype)
    last[flat] = places
    return (last[flat] == places).reshape(index.shape)


def _nonzero_positions(x: Any) -> Any:
    return np.flatnonzero(x)


def _fold(x: Any, *, size: Shape, padding: Pairs, **params: Any) -> Any:
    """In the order in memory that the windows have."""
    n = len(size)
    one = x[(..., 0, *(slice(None),) * n)]
    out = np.zeros_like(one, shape=one.shape[: one.ndim - n] + padded_size(size, padding))
    return folded(out, x, size=size, padding=padding, **params)


def _convolve(x: Any, y: Any) -> Any:
    if x.ndim == y.ndim == 1:
        return np.convolve(x, y)
    return convolved(np, x, y)


OVERRIDES: dict[str, Callable[..., Any]] = {
    "class_index": _class_index,
    "concat": _concat,
    "convolve": _convolve,
    "cumsum": _cumsum,
    "flip": _flip,
    "fold": _fold,
    "gather": _gather,
    "lasting": _lasting,
    "nonzero_positions": _nonzero_positions,
    "position": _position,
    "put": _put,
    "scatter": _scatter,
    "slice_": _slice,
    "slice_update": _slice_update,
    "split": _split,
    "unslice": _unslice,
}

MOVES = frozenset({"concat", "flip", "gather", "put", "slice_", "slice_update", "split", "unslice"})
"""Those that compute nothing: half precision needs no widening for them."""
