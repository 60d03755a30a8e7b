"""``x[key]`` and ``x[key] = v`` with NumPy's complete semantics, and ``x.at[key].add(v)`` as a function.

A key is read once into a :class:`Plan`, four linear steps of which most keys need one or two: a slice, an order of the
axes, a shape, a gather. Reading takes them forwards; writing and adding undo them backwards.
"""

from __future__ import annotations

import functools as ft
import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpugrad import dtypes, errors
from gpugrad.ops.elementwise import where
from gpugrad.ops.gathering import checked, fits, gather, nonzero_positions, placed, put, scatter, written_as
from gpugrad.ops.linear import (
    Spec,
    broadcast_to,
    inverse,
    permute,
    reshape,
    sizes_of,
    slice_,
    slice_update,
    unslice,
)
from gpugrad.primitive import Shape, broadcast_shapes
from gpugrad.trace import Array, bind

__all__ = ["getitem", "scatter_add", "setitem"]


class Plan:
    """How a key reads an array. A step that would change nothing is None."""

    __slots__ = ("axis", "index", "ordered", "perm", "shape", "sliced", "spec", "to")

    def __init__(
        self, shape: Shape, spec: Spec | None, perm: tuple[int, ...] | None, to: Shape, axis: int = 0, index: Any = None
    ) -> None:
        self.shape = shape
        self.spec = spec
        """The slice of all axes."""
        self.sliced = shape if spec is None else sizes_of(spec)
        """The shape after it."""
        self.perm = perm
        """The order of axes that brings those that arrays index together."""
        self.ordered = self.sliced if perm is None else tuple(self.sliced[p] for p in perm)
        """The shape after it."""
        self.to = to
        """The shape then: axes that arrays index are merged, integers' axes gone, new axes there."""
        self.axis = axis
        """The merged axis, counted from the end."""
        self.index = index
        """Positions along it; None if no array indexes."""

    @property
    def result(self) -> Shape:
        """The shape of what is read."""
        if self.index is None:
            return self.to
        n = len(self.to) + self.axis
        return (*self.to[:n], *self.index.shape, *self.to[n + 1 :])

    def region(self, x: Any) -> Any:
        """The first three steps: the part of ``x`` that positions point into."""
        if self.spec is not None:
            x = bind(slice_, (x,), {"spec": self.spec})
        if self.perm is not None:
            x = permute(x, perm=self.perm)
        return x if self.ordered == self.to else bind(reshape, (x,), {"to": self.to, "rank": len(self.ordered)})

    def unregion(self, y: Any) -> Any:
        """Steps three and two undone: what the first step read."""
        if self.ordered != self.to:
            y = reshape(y, to=self.ordered, rank=len(self.to))
        return y if self.perm is None else permute(y, perm=inverse(self.perm))


# ---- reading a key --------------------------------------------------------------------------------------------------

NAME = "x[key]"
"""What error messages call it."""


@dataclass
class _Part:
    """One item of a key, the ``place``-th: what it does to ``rank`` axes that start at ``axis``."""

    place: int
    axis: int
    rank: int
    slice: slice | None = None
    integer: int | None = None
    array: Any = None
    new: bool = False


def _plan(x: Any, key: Any) -> Plan:
    """What ``key`` means for ``x``. AxisError if it is out of range, DtypeError if it is not an index."""
    shape = x.shape
    items = key if type(key) is tuple else (key,)
    tokens = []
    for item in items:
        kind = type(item)
        if kind is int or item is Ellipsis:
            tokens.append(item)
        elif kind is slice and type(item.start) in _ENDS and type(item.stop) in _ENDS and type(item.step) in _ENDS:
            tokens.append((item.start, item.stop, item.step))
        elif item is None:
            tokens.append(())
        else:
            ready = [_item(item, x) for item in items]
            if len(ready) == 1 and shape and hasattr(ready[0], "dtype") and dtypes.of(ready[0]).kind != "b":
                at = checked(ready[0], x, shape[0], 0, NAME)
                return Plan(shape, None, None, shape, -len(shape), at)  # x[i], which is frequent, without the rest
            return _read(shape, ready, x)
    return _basic(shape, tuple(tokens))


_ENDS = frozenset({int, type(None)})


@ft.lru_cache(maxsize=4096)
def _basic(shape: Shape, tokens: tuple[Any, ...]) -> Plan:
    """The plan of a key without arrays. Slices come as tuples, which have a hash, and new axes as empty ones."""
    return _read(shape, [t if type(t) is not tuple else slice(*t) if t else None for t in tokens], None)


def _read(shape: Shape, items: list[Any], x: Any) -> Plan:
    parts, arrays = _parsed(shape, items, x)
    spec: list[tuple[int, int, int]] = [(0, n, 1) for n in shape]
    for p in parts:
        if p.slice is not None:
            spec[p.axis] = _range(p.slice, shape[p.axis])
        elif p.integer is not None:
            spec[p.axis] = (p.integer, p.integer + 1, 1)
    wanted = None if all(s == (0, n, 1) for s, n in zip(spec, shape, strict=True)) else tuple(spec)
    sliced = shape if wanted is None else sizes_of(wanted)
    if not arrays:
        return Plan(shape, wanted, None, tuple(1 if p.new else sliced[p.axis] for p in parts if p.integer is None))
    return _advanced(shape, wanted, sliced, parts)


def _advanced(shape: Shape, spec: Spec | None, sliced: Shape, parts: Sequence[_Part]) -> Plan:
    """The plan of a key with arrays, next to which integers count as arrays too."""
    at = [k for k, p in enumerate(parts) if p.array is not None or p.integer is not None]
    together = parts[at[-1]].place - parts[at[0]].place == len(at) - 1
    first = at[0] if together else 0  # where the axes of the result go: in place, or in front
    plain = [p for k, p in enumerate(parts) if k not in at]
    before, after = (plain[:first], plain[first:]) if together else ([], plain)
    merged = [a for k in at for a in range(parts[k].axis, parts[k].axis + parts[k].rank)]
    order = [*(p.axis for p in before if not p.new), *merged, *(p.axis for p in after if not p.new)]
    rank = len(shape)
    perm = None if order == list(range(rank)) else tuple(a - rank for a in order)
    sizes = [math.prod(sliced[parts[k].axis : parts[k].axis + parts[k].rank]) for k in at]
    to = (
        *(1 if p.new else sliced[p.axis] for p in before),
        math.prod(sizes),
        *(1 if p.new else sliced[p.axis] for p in after),
    )
    index = _combined([(parts[k].array, n) for k, n in zip(at, sizes, strict=True) if parts[k].array is not None])
    return Plan(shape, spec, perm, to, -len(after) - 1, index)


def _combined(indices: Sequence[tuple[Any, int]]) -> Any:
    """Positions along several axes as positions along the axis that they are merged into."""
    try:
        shape = broadcast_shapes("", [i.shape for i, _ in indices])
    except errors.ShapeError:
        raise errors.AxisError(
            f"{NAME}: index arrays of shapes {', '.join(str(i.shape) for i, _ in indices)} do not broadcast; "
            "expected sizes equal, or 1"
        ) from None
    out: Any = None
    for index, size in indices:
        out = index if out is None else out * size + index
    return broadcast_to(out, shape)


def _range(s: slice, n: int) -> tuple[int, int, int]:
    try:
        start, stop, step = s.indices(n)
    except errors.TraceError:
        raise
    except TypeError:
        raise errors.DtypeError(f"x[{s}]: the ends and the step of a slice must be integers or None") from None
    except ValueError:
        raise errors.ShapeError(f"x[{s}]: a slice with step 0; expected any other integer") from None
    count = len(range(start, stop, step))
    if count <= 1:
        return (start, start + 1, 1) if count else (0, 0, 1)
    # The end is next to the last element: slices that read the same are the same.
    return (start, start + (count - 1) * step + (1 if step > 0 else -1), step)


def _parsed(shape: Shape, ready: list[Any], x: Any) -> tuple[list[_Part], bool]:
    """The items of a key with the axes they refer to, slices for the axes it leaves out; whether there are arrays."""
    used = sum(_rank(item) for item in ready)
    if used > len(shape):
        raise errors.AxisError(f"{NAME}: {used} indices for shape {shape}; expected at most {len(shape)}")
    dots = [k for k, item in enumerate(ready) if item is Ellipsis]
    if len(dots) > 1:
        raise errors.AxisError(f"{NAME}: an index can only have a single ellipsis ('...')")
    k = dots[0] if dots else len(ready)
    free: list[Any] = [slice(None)] * (len(shape) - used)
    # An ellipsis that stands for no axes still keeps the arrays beside it apart, as in NumPy.
    ready[k : k + 1] = free or [Ellipsis]
    parts: list[_Part] = []
    axis = 0
    arrays = False
    for place, item in enumerate(ready):
        if item is Ellipsis:
            continue
        rank = _rank(item)
        part = _Part(place, axis, rank)
        if item is None:
            part.new = True
        elif type(item) is slice:
            part.slice = item
        elif type(item) is int:
            n = shape[axis]
            if not -n <= item < n:
                raise errors.AxisError(
                    f"{NAME}: index {item} is out of bounds for axis {axis} with size {n}; expected {-n} to {n - 1}"
                )
            part.integer = item % n
        elif dtypes.of(item).kind == "b":
            part.array = _mask(item, shape[axis : axis + rank], axis)
            arrays = True
        else:
            part.array = checked(item, x, shape[axis], axis, NAME)
            arrays = True
        parts.append(part)
        axis += rank
    return parts, arrays


def _item(item: Any, x: Any) -> Any:
    """One item of a key as a slice, an int, None, Ellipsis, or an array of integers or booleans."""
    if item is None or item is Ellipsis or type(item) is slice or type(item) is int:
        return item
    if isinstance(item, str | bytes):
        raise errors.DtypeError(f"{NAME}: {item!r} is not an index; expected integers, slices, None, '...' or arrays")
    if not hasattr(item, "dtype"):
        if hasattr(item, "__index__") and not isinstance(item, bool):
            return operator.index(item)
        written = placed(item, x, NAME)
        item = written if math.prod(written.shape) else np.zeros(written.shape, np.int64)
    item = placed(item, x, NAME)
    kind = dtypes.of(item).kind
    if kind not in "iub":
        raise errors.DtypeError(
            f"{NAME}: an index of dtype {dtypes.of(item).name}; expected integers or booleans. Cast it: i.astype('int64')"
        )
    return int(item) if kind in "iu" and item.shape == () and isinstance(item, np.ndarray | np.generic) else item


def _rank(item: Any) -> int:
    """How many axes an item of a key refers to."""
    if item is None or item is Ellipsis:
        return 0
    if type(item) is slice or type(item) is int:
        return 1
    return len(item.shape) if dtypes.of(item).kind == "b" else 1


def _fits(mask: Shape, sizes: Shape) -> bool:
    """Whether a boolean index that selects nothing may have this shape, as NumPy has it."""
    return all(m in (0, n) for m, n in zip(mask, sizes, strict=True))


def _mask(mask: Any, sizes: Shape, axis: int) -> Any:
    if mask.shape != sizes and not (len(mask.shape) == len(sizes) and 0 in mask.shape and _fits(mask.shape, sizes)):
        raise errors.AxisError(
            f"{NAME}: a boolean index of shape {mask.shape} for axes {axis} to {axis + len(mask.shape) - 1}, "
            f"which have sizes {sizes}; expected the same shape"
        )
    return nonzero_positions(mask)


# ---- reading and writing --------------------------------------------------------------------------------------------


def getitem(x: Array, key: Any) -> Array:
    """``x[key]``: what NumPy gives for any key, differentiable in ``x``.

    Keys are integers, slices, ``...``, ``None``, arrays (or lists) of integers or booleans, and tuples of these. An
    array of booleans selects what is true, so it must be known: under ``vmap`` it raises TraceError; ``gg.where`` keeps
    the shape and may be used there. Raises AxisError for an index out of range, DtypeError for what is not an index.

    >>> import gpugrad as gg
    >>> x = gg.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    >>> gg.getitem(x, (slice(None), [0, -1]))
    tensor([[1., 3.],
            [4., 6.]])
    """
    plan = _plan(x, key)
    y = plan.region(x)
    return y if plan.index is None else gather(y, plan.index, axis=plan.axis)


def setitem(x: Array, key: Any, v: Any) -> Array:
    """A copy of ``x`` in which ``x[key]`` is ``v``, which broadcasts to that shape; differentiable in both.

    Of several values for one place the last one stays, and gets the gradient. ``v`` takes the dtype of ``x``. Raises
    as :func:`getitem`, ShapeError if ``v`` does not broadcast, DtypeError if its kind does not fit (a float written
    into integers). Under ``vmap`` a mask works where ``v`` does not vary along what is selected.

    >>> import gpugrad as gg
    >>> gg.setitem(gg.tensor([1.0, 2.0, 3.0]), slice(1, None), 0.0)
    tensor([1., 0., 0.])
    """
    name = "x[key] = v"
    v = written_as(v, x, name)
    masked = _where_mask(x, key, v)
    if masked is not None:
        return masked
    plan = _plan(x, key)
    v = _broadcast(v, plan.result, name)
    y = v if plan.index is None else put(plan.region(x), v, plan.index, axis=plan.axis)
    y = plan.unregion(y)
    return y if plan.spec is None else slice_update(x, y, spec=plan.spec)


def scatter_add(x: Array, key: Any, v: Array) -> Array:
    """A copy of ``x`` with ``v`` added at ``x[key]``, where repeated indices add up: ``np.add.at``, out of place.

    Keys are those of :func:`getitem`, whose adjoint in ``v`` this is; ``v`` broadcasts to ``x[key]``. Raises as
    :func:`setitem`.

    >>> import gpugrad as gg
    >>> gg.scatter_add(gg.tensor([0.0, 0.0, 0.0]), [0, 0, 2], [1.0, 2.0, 5.0])
    tensor([3., 0., 5.])
    """
    name = "scatter_add"
    v = written_as(v, x, name)
    plan = _plan(x, key)
    v = _broadcast(v, plan.result, name)
    if plan.index is not None:
        v = scatter(v, plan.index, axis=plan.axis, size=plan.to[plan.axis])
    v = plan.unregion(v)
    return x + (v if plan.spec is None else unslice(v, spec=plan.spec, sizes=plan.shape))


def _broadcast(v: Any, shape: Shape, name: str) -> Any:
    extra = len(v.shape) - len(shape)
    if extra > 0 and all(n == 1 for n in v.shape[:extra]):
        v = reshape(v, to=v.shape[extra:], rank=len(v.shape))
    fits(v.shape, shape, name)
    return broadcast_to(v, shape)


def _where_mask(x: Any, key: Any, v: Any) -> Any:
    """``x[mask] = v`` as ``where``, for a value that does not vary along what is selected; None for another key."""
    if type(key) is tuple or not hasattr(key, "dtype") or dtypes.of(key).kind != "b":
        return None
    rank = len(key.shape)
    rest = len(x.shape) - rank
    if (
        rest < 0
        or key.shape != x.shape[:rank]
        or len(v.shape) > rest + 1
        or (len(v.shape) == rest + 1 and v.shape[0] != 1)
    ):
        return None
    if len(v.shape) == rest + 1:
        v = reshape(v, to=v.shape[1:], rank=len(v.shape))
    fits(v.shape, x.shape[rank:], "x[mask] = v")
    # A copy of the user's own array, since the tape keeps the mask.
    mask = placed(np.array(key), x, "x[mask] = v") if isinstance(key, np.ndarray | np.generic) else key
    return where(reshape(mask, to=(*key.shape, *(1,) * rest), rank=rank), v, x)
