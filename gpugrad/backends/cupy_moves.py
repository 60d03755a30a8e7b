"""Moving data on CuPy, in the same order on every run: nothing is added or written by atomic operations.

Positions are checked only if ``gg.config.check_indices`` says so, since that waits for the device; those that are out of
range are otherwise taken modulo the size of the axis.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from gpugrad.config import config
from gpugrad.ops.gathering import position
from gpugrad.ops.linear import Spec, key_of
from gpugrad.ops.neural import class_index

Shape = tuple[int, ...]


def overrides(cupy: Any, xp: Any) -> dict[str, Callable[..., Any]]:
    """Primitive name -> what does it on CuPy."""

    def _position(index: Any, *, size: int, axis: int, name: str) -> Any:
        if config.check_indices or not size:
            return position.forward(xp, index, size=size, axis=axis, name=name)  # type: ignore[misc]
        return cupy.remainder(cupy.astype(index, cupy.int64), size)

    def _class_index(index: Any, **params: Any) -> Any:
        if config.check_indices:
            return class_index.forward(xp, index, **params)  # type: ignore[misc]
        return cupy.astype(index, cupy.int64)

    def _slice(x: Any, *, spec: Spec) -> Any:
        return x[key_of(spec)]

    def _unslice(x: Any, *, spec: Spec, sizes: Shape) -> Any:
        out = cupy.zeros(x.shape[: x.ndim - len(spec)] + sizes, dtype=x.dtype)
        out[key_of(spec)] = x
        return out

    def _slice_update(x: Any, v: Any, *, spec: Spec) -> Any:
        out = x.copy()
        out[key_of(spec)] = v
        return out

    def _beside(x: Any, y: Any) -> Any:
        return cupy.asarray(y)  # numbers that the user wrote out, or has in NumPy as positions

    def _gather(x: Any, index: Any, *, axis: int) -> Any:
        return cupy.take(x, index, axis=x.ndim + axis)

    def _runs(index: Any) -> tuple[Any, Any, Any]:
        """The order that sorts positions (equal ones stay in order), they in it, and where each begins a run."""
        order = cupy.argsort(index)
        ordered = index[order]
        first = cupy.ones(index.shape, dtype=cupy.bool_)
        first[1:] = ordered[1:] != ordered[:-1]
        return order, ordered, first

    def _scatter(u: Any, index: Any, *, axis: int, size: int) -> Any:
        """Sums of equal positions, as trees over the sorted ones: no atomics, so the same bits each time.

        In the round of distance d each place adds what is d after it, if that has the same position; then the first of
        a run holds the sum of all.
        """
        before, after = u.ndim - index.ndim + axis + 1, -axis - 1
        lead, rest, count = u.shape[:before], u.shape[u.ndim - after :], index.size
        n, r = math.prod(lead), math.prod(rest)
        out = cupy.zeros((n, size + 1, r), dtype=u.dtype)  # one more, for what is no first of a run
        if count and n and r and size:
            order, ordered, first = _runs(index.reshape(-1))
            sums = cupy.take(u.reshape((n, count, r)), order, axis=1)
            d = 1
            while d < count:
                same = (ordered[d:] == ordered[:-d])[None, :, None]
                more = cupy.where(same, sums[:, d:], cupy.zeros((), dtype=u.dtype))
                sums = cupy.concatenate((sums[:, :-d] + more, sums[:, -d:]), axis=1)
                d *= 2
            out[:, cupy.where(first, ordered, size)] = sums
        return out[:, :size].reshape((*lead, size, *rest))

    def _lasting(index: Any, *, size: int) -> Any:
        flat = index.reshape(-1)
        if not flat.size:
            return cupy.zeros(index.shape, dtype=cupy.bool_)
        order, _, first = _runs(flat)
        last = cupy.ones(flat.shape, dtype=cupy.bool_)
        last[:-1] = first[1:]
        out = cupy.empty(flat.shape, dtype=cupy.bool_)
        out[order] = last
        return out.reshape(index.shape)

    def _put(x: Any, v: Any, index: Any, *, axis: int) -> Any:
        """What is written last at a position stays, which CuPy leaves open: the others go to a place that is cut off."""
        if not index.size:
            return x.copy()
        before, after = x.ndim + axis, -axis - 1
        size, lead, rest = x.shape[axis], x.shape[:before], x.shape[x.ndim - after :]
        flat = index.reshape(-1)
        target = cupy.where(_lasting(flat, size=size), flat, size)
        out = cupy.concatenate((x, cupy.zeros((*lead, 1, *rest), dtype=x.dtype)), axis=before)
        whole = cupy.broadcast_to(v, (*lead, *index.shape, *rest)).reshape((*lead, index.size, *rest))
        out[(*(slice(None),) * before, target)] = whole
        return cupy.ascontiguousarray(out[(*(slice(None),) * before, slice(None, -1))])

    return {
        "beside": _beside,
        "class_index": _class_index,
        "gather": _gather,
        "lasting": _lasting,
        "position": _position,
        "put": _put,
        "scatter": _scatter,
        "slice_": _slice,
        "slice_update": _slice_update,
        "unslice": _unslice,
    }


MOVES = frozenset(
    {"beside", "concat", "expand", "flip", "gather", "permute", "put", "reshape", "slice_", "slice_update", "split"}
    | {"stop", "unslice"}
)
"""Those that compute nothing: half precision needs no widening for them."""
