"""The methods of universal functions that no operation of the table does: written with the function itself.

Differentiable, and right for any function of two arrays, in as many calls of it as there are elements along the axis
(``reduce``, ``accumulate``), segments (``reduceat``) or occurrences of one index (``at``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gpugrad import errors
from gpugrad.ops.indexing import getitem, setitem
from gpugrad.ops.joining import stack, unstack
from gpugrad.ops.rearranging import expand_dims, moveaxis, reshape
from gpugrad.shapes import axis_of
from gpugrad.tensor import Tensor

Function = Callable[..., Any]


def reduced(function: Function, x: Any, axis: Any, keepdims: bool, start: Any, what: str, reorderable: bool) -> Any:
    """``function`` between all elements along ``axis``, from ``start`` if that is given."""
    axes = range(len(x.shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    places = sorted(axis_of(a, x.shape, what) + len(x.shape) for a in axes)
    if len(places) > 1 and not reorderable:
        raise errors.ShapeError(f"{what}: axis={axis} for shape {x.shape}; the order matters, so expected one axis")
    rest = tuple(n for k, n in enumerate(x.shape) if k not in places)
    parts = reshape(moveaxis(x, tuple(places), tuple(range(len(places)))), (-1, *rest)) if x.size else x[:0]
    out = start
    for part in unstack(parts) if x.size else ():
        out = part if out is None else function(out, part)
    if out is None:
        raise errors.ShapeError(f"{what}: no elements along axis {axis} of shape {x.shape}; pass initial=")
    return expand_dims(out, tuple(places)) if keepdims and places else out


def accumulated(function: Function, x: Any, axis: int, what: str) -> Any:
    """What :func:`reduced` gives of the elements up to each one along ``axis``."""
    k = axis_of(axis, x.shape, what) + len(x.shape)
    if not x.shape[k]:
        return x
    out: list[Any] = []
    for part in unstack(x, axis=k):
        out.append(function(out[-1], part) if out else part)
    return stack(out, axis=k)


def by_segments(reduce: Function, x: Any, indices: Any, axis: int, what: str) -> Any:
    """``reduce`` of the elements from each index up to the next; the one element where the next is not larger."""
    k = axis_of(axis, x.shape, what) + len(x.shape)
    at = host(indices).reshape(-1)
    n = x.shape[k]
    if at.size and (at.min() < 0 or at.max() >= n):
        raise errors.AxisError(f"{what}: indices from {at.min()} to {at.max()} along axis {axis} of shape {x.shape}")
    if not at.size:
        return x[(slice(None),) * k + (slice(0, 0),)]
    ends = [*at[1:], n]
    parts = [
        x[(slice(None),) * k + (slice(a, max(b, a + 1)),)] for a, b in zip(at.tolist(), map(int, ends), strict=True)
    ]
    return stack([reduce(part, axis=k) for part in parts], axis=k)


def written_at(function: Function, a: Any, indices: Any, values: Sequence[Any]) -> Any:
    """``a`` with ``function`` applied at the indices, once for every occurrence: in rounds without a repetition."""
    places = np.arange(math.prod(a.shape)).reshape(a.shape)[_plain_index(indices)]
    flat, shape = places.reshape(-1), places.shape
    operands = [np.broadcast_to(v, shape).reshape(-1) if type(v) is not Tensor else _spread(v, shape) for v in values]
    out = reshape(a, (-1,))
    for chosen in _rounds(flat):
        at = flat[chosen]
        new = function(getitem(out, at), *(getitem(v, chosen) if type(v) is Tensor else v[chosen] for v in operands))
        out = setitem(out, at, new)
    return reshape(out, a.shape)


def _rounds(places: Any) -> list[Any]:
    """Positions in ``places``, in as few groups as there are, each without a repeated place: first occurrences first."""
    order = np.argsort(places, kind="stable")
    ordered = places[order]
    first = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])) if places.size else np.zeros(0, int)
    turn = np.empty(places.size, int)
    turn[order] = np.arange(places.size) - np.repeat(first, np.diff([*first, places.size]))
    return [np.flatnonzero(turn == k) for k in range(int(turn.max(initial=-1)) + 1)]


def _spread(v: Any, shape: tuple[int, ...]) -> Any:
    return reshape(v.broadcast_to(shape), (-1,))


def _plain_index(indices: Any) -> Any:
    if isinstance(indices, tuple):
        return tuple(map(_plain_index, indices))
    return host(indices) if type(indices) is Tensor else indices


def host(x: Any) -> Any:
    """Indices as a NumPy array."""
    return x.detach().numpy() if type(x) is Tensor else np.asarray(x)
