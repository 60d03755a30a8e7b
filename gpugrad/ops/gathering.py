"""Reading and writing at positions that arrays of integers give: primitives, and NumPy's functions along one axis.

``gather`` and ``scatter`` are adjoint. They, and ``put``, know one axis and positions that are checked already, in any
arrangement; every other way to index comes down to these by merging axes (see ``indexing``). Positions that differ
from item to item under vmap do so too: the batch axis is merged into the axis that is indexed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpugrad import dtypes, errors, trace
from gpugrad.ops.elementwise import (
    clip,
    floor_divide,
    greater,
    greater_equal,
    logical_not,
    not_equal,
    remainder,
    where,
)
from gpugrad.ops.linear import (
    broadcast_to,
    cast,
    concat,
    expand,
    head,
    iota,
    moved,
    reduce_sum,
    reshape,
    tail,
    unbatched,
    zeros,
)
from gpugrad.primitive import Core, Linear, Primitive, Shape, broadcast_shapes, elementwise, linear, linearized
from gpugrad.shapes import axes_of, axis_of
from gpugrad.trace import Array

__all__ = ["argwhere", "count_nonzero", "nonzero", "put_along_axis", "searchsorted", "take", "take_along_axis"]


def _int64(*_dtypes: Any, **_params: Any) -> str:
    return "int64"


# ---- positions ------------------------------------------------------------------------------------------------------


def out_of_bounds(low: int, high: int, size: int, axis: int, name: str) -> errors.AxisError:
    """The error for indices from ``low`` to ``high``, which are not all in an axis of ``size``."""
    expected = f"{-size} to {size - 1}" if size else "none, since the axis is empty"
    return errors.AxisError(
        f"{name}: index {high if high >= size else low} is out of bounds for axis {axis} with size {size}; expected {expected}"
    )


def _position(xp: Any, index: Any, *, size: int, axis: int, name: str) -> Any:
    if math.prod(index.shape):
        low, high = int(xp.min(index)), int(xp.max(index))
        if low < -size or high >= size:
            raise out_of_bounds(low, high, size, axis, name)
    out = xp.astype(index, xp.int64)
    return xp.where(out < 0, out + size, out)


position: Primitive = elementwise(
    "position",
    None,
    forward=_position,
    operands="index",
    dtype=_int64,
    doc="Indices into an axis of ``size``: checked, and negative ones counted from the end. AxisError if out of bounds.",
)
beside: Primitive = linearized(
    "beside",
    None,
    None,
    operands="x y",
    forward=lambda xp, x, y: xp.asarray(y),
    shape=lambda s, t: t,
    dtype=lambda d, e: e,
    doc="The NumPy array ``y`` as an array of the kind and on the device of ``x``.",
)


def placed(data: Any, x: Any, name: str) -> Any:
    """An array where ``x`` is, of numbers that the user wrote out or has in NumPy; an array of another kind as it is."""
    if type(data) is trace.Tensor or (hasattr(data, "dtype") and not isinstance(data, np.ndarray | np.generic)):
        return data
    try:
        out = np.asarray(data)
    except ValueError:  # rows of different lengths
        out = np.asarray(None)
    if out.dtype.kind not in "biufcV":
        raise errors.DtypeError(
            f"{name}: cannot make an array of {data!r}; expected numbers, in rows of one length "
            "(a sequence that holds tensors: gg.stack them)"
        )
    like = unbatched(x)
    while type(like) is trace.Tensor:
        like = like._data
    anywhere = hasattr(like, "__dlpack__") or hasattr(like, "variable")  # an array, or what stands for one in a program
    return beside(like, out) if anywhere and not _of_numpy(like) else out


def _of_numpy(x: Any) -> bool:
    """Whether it is NumPy's, and not an array of a class of its own that is elsewhere."""
    return isinstance(x, np.generic) or (isinstance(x, np.ndarray) and x.__dlpack_device__()[0] == _CPU)


_CPU = 1
"""DLPack's number for it."""


def checked(index: Any, x: Any, size: int, axis: int, name: str) -> Any:
    """Positions in an axis of ``x`` from indices that the user gave. DtypeError unless they are integers."""
    index = placed(index, x, name)
    d = dtypes.of(index)
    if d.kind not in "iu":
        way = "To choose by a condition, write x[mask]" if d.kind == "b" else "Cast them: indices.astype('int64')"
        raise errors.DtypeError(f"{name}: indices of dtype {d.name}; expected integers. {way}")
    return position(index, size=size, axis=axis, name=name)


# ---- gather and scatter: adjoint ------------------------------------------------------------------------------------


def _span(before: Shape, index: Shape, axis: int) -> Shape:
    """The shape after the axis of ``before`` gave way to the axes of the index."""
    return (*head(before, -axis), *index, *tail(before, -axis - 1))


def _gather(xp: Any, x: Any, index: Any, *, axis: int) -> Any:
    flat = xp.reshape(index, (-1,))
    return xp.reshape(xp.take(x, flat, axis=x.ndim + axis), _span(x.shape, index.shape, axis))


def _by_row(xp: Any, index: Any, axis: int) -> list[tuple[Any, tuple[Any, ...]]]:
    """For each entry of an index, in order: where it points, and the part of the values at its place, merged to one axis."""
    rest = (slice(None),) * (-axis - 1)
    return [((..., int(k), *rest), (..., j, *rest)) for j, k in enumerate(xp.reshape(index, (-1,)))]


def _merged(xp: Any, u: Any, index: Any, axis: int) -> Any:
    """``u`` with the axes of the index made one."""
    before, after = len(u.shape) - index.ndim + axis + 1, -axis - 1
    return xp.reshape(u, (*u.shape[:before], math.prod(index.shape), *tail(u.shape, after)))


def _scatter(xp: Any, u: Any, index: Any, *, axis: int, size: int) -> Any:
    # The standard has no scatter: one row after another.
    u = _merged(xp, u, index, axis)
    out = xp.zeros((*head(u.shape, -axis), size, *tail(u.shape, -axis - 1)), dtype=u.dtype)
    for there, here in _by_row(xp, index, axis):
        out[there] += u[here]
    return out


def _scattered_shape(s: Shape, index: Shape, *, axis: int, size: int) -> Shape:
    after = -axis - 1
    return (*head(s, len(index) + after), size, *tail(s, after))


def _put(xp: Any, x: Any, v: Any, index: Any, *, axis: int) -> Any:
    out = xp.asarray(x, copy=True)
    v = _merged(xp, v, index, axis)
    for there, here in _by_row(xp, index, axis):
        out[there] = v[here]
    return out


def _lasting(xp: Any, index: Any, *, size: int) -> Any:
    flat = [int(k) for k in xp.reshape(index, (-1,))]
    last = {k: j for j, k in enumerate(flat)}
    return xp.reshape(xp.asarray([last[k] == j for j, k in enumerate(flat)], dtype=xp.bool), index.shape)


def _folded(x: Any, axis: int) -> Any:
    """``x``, whose first axis is a batch, with that merged into ``axis`` (counted from the end)."""
    b, n = x.shape[0], x.shape[axis]
    x = moved(x, -len(x.shape), axis - 1)
    return reshape(x, to=(b * n, *tail(x.shape, -axis - 1)), rank=1 - axis)


def _unfolded(x: Any, axis: int, b: int) -> Any:
    """The inverse."""
    x = reshape(x, to=(b, x.shape[axis] // b, *tail(x.shape, -axis - 1)), rank=-axis)
    return moved(x, axis - 1, -len(x.shape))


def _apart(index: Any, b: int, size: int) -> Any:
    """Batched positions in an axis of ``size`` as positions in the axis that has the batch merged into it."""
    shift = reshape(iota(unbatched(index), size=b) * size, to=(b,) + (1,) * (len(index.shape) - 1), rank=1)
    return index + shift


def _each(x: Any, batched: bool, b: int) -> Any:
    return x if batched else expand(x, axis=(-len(x.shape) - 1,), sizes=(b,))


def _gather_batch(prim: Primitive, b: int, data: Sequence[Any], flags: Sequence[bool], params: dict[str, Any]) -> Any:
    x, index = data
    axis = params["axis"]
    if not flags[1]:
        return prim(x, index, axis=axis)
    if flags[0]:
        index = _apart(index, b, x.shape[axis])
        x = _folded(x, axis)
    out = prim(x, index, axis=axis)  # the axes of the index lead with the batch
    return moved(out, axis + 1 - len(index.shape), -len(out.shape))


def _values(u: Any, batched: bool, b: int, index: Any, axis: int) -> Any:
    """Values for a batched index, laid out for the merged one."""
    u = _each(u, batched, b)
    return moved(u, -len(u.shape), axis + 1 - len(index.shape))


def _scatter_batch(prim: Primitive, b: int, data: Sequence[Any], flags: Sequence[bool], params: dict[str, Any]) -> Any:
    u, index = data
    axis, size = params["axis"], params["size"]
    if not flags[1]:
        return prim(u, index, **params)
    out = prim(_values(u, flags[0], b, index, axis), _apart(index, b, size), axis=axis, size=b * size)
    return _unfolded(out, axis, b)


def _put_batch(prim: Primitive, b: int, data: Sequence[Any], flags: Sequence[bool], params: dict[str, Any]) -> Any:
    x, v, index = data
    axis = params["axis"]
    x = _each(x, flags[0], b)
    if not flags[2]:
        return prim(x, _each(v, flags[1], b), index, axis=axis)
    v = _values(v, flags[1], b, index, axis)
    return _unfolded(prim(_folded(x, axis), v, _apart(index, b, x.shape[axis]), axis=axis), axis, b)


def _lasting_batch(prim: Primitive, b: int, data: Sequence[Any], _flags: Sequence[bool], params: dict[str, Any]) -> Any:
    size = params["size"]
    return prim(_apart(data[0], b, size), size=b * size)


gather: Primitive = linear(
    "gather",
    lambda g, index, shape, axis: scatter(g, index, axis=axis, size=shape[axis]),
    operands="x index",
    forward=_gather,
    shape=lambda s, index, *, axis: _span(s, index, axis),
    batch=_gather_batch,
    doc="What is at positions along an axis, which gives way to the axes of the index.",
)
scatter: Primitive = linear(
    "scatter",
    lambda g, index, axis: gather(g, index, axis=axis),
    operands="x index",
    forward=_scatter,
    shape=_scattered_shape,
    batch=_scatter_batch,
    doc="Values added up at their positions along an axis of ``size``, which takes the place of the axes of the index.",
)


def _pick(xp: Any, x: Any, index: Any) -> Any:
    lead = broadcast_shapes("pick", (x.shape[:-1], index.shape))
    x, index = xp.broadcast_to(x, (*lead, x.shape[-1])), xp.broadcast_to(index, lead)
    return xp.take_along_axis(x, index[..., None], axis=-1)[..., 0]


def _place(xp: Any, x: Any, index: Any, *, size: int) -> Any:
    there = xp.arange(size, dtype=index.dtype) == index[..., None]
    return xp.where(there, x[..., None], xp.zeros((), dtype=x.dtype))


pick: Primitive = linear(
    "pick",
    lambda g, index, shape: place(g, index, size=shape[-1]),
    operands="x index",
    forward=_pick,
    shape=lambda s, index: broadcast_shapes("pick", (s[:-1], index)),
    batch=Core((1, 0)),
    doc="Of each row the element that the index names, in range and not negative. Compiled, it is part of a loop over the row.",
)
place: Primitive = linear(
    "place",
    lambda g, index: pick(g, index),
    operands="x index",
    forward=_place,
    shape=lambda s, index, *, size: (*broadcast_shapes("place", (s, index)), size),
    batch=Core((0, 0)),
    doc="A row of ``size`` zeros with one element at the place that the index names.",
)
lasting: Primitive = linearized(
    "lasting",
    None,
    operands="index",
    forward=_lasting,
    shape=lambda s, *, size: s,
    dtype=lambda d, *, size: "bool",
    batch=_lasting_batch,
    doc="Whether a position below ``size`` does not come again later in the index: who writes last, stays.",
)


def _lasting_part(g: Any, index: Any, axis: int) -> Any:
    stays = lasting(index, size=g.shape[axis])
    stays = reshape(stays, to=(*stays.shape, *(1,) * (-axis - 1)), rank=len(stays.shape))
    return where(stays, gather(g, index, axis=axis), 0.0)


put: Primitive = Primitive(
    "linear",
    "put",
    [
        Linear(lambda g, index, axis: put(g, zeros(g, _span(g.shape, index.shape, axis)), index, axis=axis)),
        Linear(_lasting_part),
        None,
    ],
    operands=("x", "v", "index"),
    forward=_put,
    shape=lambda s, v, index, *, axis: s,
    batch=_put_batch,
    doc="``x`` with ``v`` written at positions along an axis; of several values for one position the last stays.",
    joint=True,
)


# ---- along one axis -------------------------------------------------------------------------------------------------


def _ravelled(x: Any) -> Any:
    return x if len(x.shape) == 1 else reshape(x, to=(math.prod(x.shape),), rank=len(x.shape))


def take(x: Array, indices: Any, axis: int | None = None, mode: str = "raise") -> Array:
    """The elements of ``x`` at integer ``indices`` along ``axis``; of the flattened ``x`` for ``axis=None``.

    The shape is that of ``x`` with the axis replaced by the shape of ``indices``. ``mode`` says what an index out of
    bounds means: an error (negative ones count from the end), ``"wrap"`` around, or ``"clip"`` to the ends. Raises
    AxisError for an index or axis out of range, DtypeError for indices that are not integers.

    >>> import gpugrad as gg
    >>> gg.take(gg.tensor([1.0, 2.0, 3.0]), [2, 0, -1])
    tensor([3., 1., 3.])
    """
    if axis is None:
        x, axis = _ravelled(x), 0
    a = axis_of(axis, x.shape, "take")
    size = x.shape[a]
    if mode not in ("raise", "wrap", "clip"):
        raise errors.ArgumentError(f"take: mode={mode!r}; expected 'raise', 'wrap' or 'clip'")
    indices = placed(indices, x, "take")
    d = dtypes.of(indices)
    if (d.kind in "iu" and d.itemsize < 8) or not math.prod(indices.shape):  # int8 may not hold the size; [] is float64
        indices = cast(indices, dtype=dtypes.dtype("int64"), source=d)
    if mode != "raise" and size:
        indices = remainder(indices, size) if mode == "wrap" else clip(indices, 0, size - 1)
    return gather(x, checked(indices, x, size, a + len(x.shape), "take"), axis=a)


def _aligned(x: Any, indices: Any, axis: int | None, name: str) -> tuple[Any, Any, int, Shape]:
    """``x`` as one row, positions in it, the axis, and the shape of the whole when the axis comes last."""
    if axis is None:
        x, axis = _ravelled(x), 0
    indices = placed(indices, x, name)
    if len(indices.shape) != len(x.shape):
        raise errors.ShapeError(
            f"{name}: indices of shape {indices.shape} for shape {x.shape}; expected as many axes. Reshape the indices"
        )
    a = axis_of(axis, x.shape, name)
    size = x.shape[a]
    at = checked(indices, x, size, a + len(x.shape), name)
    x, at = moved(x, a, -1), moved(at, a, -1)
    whole = broadcast_shapes(name, (x.shape[:-1], at.shape[:-1]))
    x, at = broadcast_to(x, (*whole, size)), broadcast_to(at, (*whole, at.shape[-1]))
    n = math.prod(whole)
    if whole:
        at = at + reshape(iota(unbatched(at), size=n) * size, to=(*whole, 1), rank=1)
    return _ravelled(x), at, a, (*whole, size)


def take_along_axis(x: Array, indices: Any, axis: int | None = -1) -> Array:
    """For each index the element of ``x`` there along ``axis``, at the index's own place along the other axes.

    ``indices`` has as many axes as ``x`` and broadcasts against it but for ``axis``; with ``axis=None``, ``x`` is
    flattened first. It reads what ``argsort``, ``argmax`` (with the axis kept) and their like point to. Raises AxisError
    for an index or axis out of range, ShapeError for shapes that do not fit, DtypeError for other than integers.

    >>> import gpugrad as gg
    >>> x = gg.tensor([[3.0, 1.0], [5.0, 6.0]])
    >>> gg.take_along_axis(x, [[1, 0], [0, 1]], axis=1)
    tensor([[1., 3.],
            [5., 6.]])
    """
    row, at, a, _ = _aligned(x, indices, axis, "take_along_axis")
    return moved(gather(row, at, axis=-1), -1, a)


def put_along_axis(x: Array, indices: Any, values: Array, axis: int | None = -1) -> Array:
    """A copy of ``x`` with ``values`` written where :func:`take_along_axis` would read.

    NumPy writes into ``x`` itself. ``values`` broadcast to the indices; of several for one place the last stays. The
    gradient reaches what was written and what was left. Raises as :func:`take_along_axis`, and DtypeError for values
    that the dtype of ``x`` cannot hold.

    >>> import gpugrad as gg
    >>> gg.put_along_axis(gg.tensor([[1.0, 2.0], [3.0, 4.0]]), [[1], [0]], 0.0, axis=1)
    tensor([[1., 0.],
            [0., 4.]])
    """
    row, at, a, whole = _aligned(x, indices, axis, "put_along_axis")
    if math.prod(row.shape) != math.prod(x.shape):
        raise errors.ShapeError(
            f"put_along_axis: indices of shape {indices.shape} for shape {x.shape}; "
            "expected the same sizes, or 1, but along the axis"
        )
    v = written_as(values, x, "put_along_axis")
    target = _replaced(at.shape, a)
    fits(v.shape, target, "put_along_axis")
    row = put(row, moved(broadcast_to(v, target), a, -1), at, axis=-1)
    return reshape(moved(reshape(row, to=whole, rank=1), -1, a), to=x.shape, rank=len(whole))


def _replaced(s: Shape, axis: int) -> Shape:
    """A shape with its last size put back at ``axis``."""
    rest = list(s[:-1])
    rest.insert(len(s) + axis, s[-1])
    return tuple(rest)


def _fitting(v: Any, want: Any, name: str) -> Any:
    """Python numbers for an array of integers, or 0 and 1 for one of booleans; DtypeError for what its dtype cannot hold."""
    try:
        numbers = np.asarray(v)
        if want.kind == "b":
            return numbers != 0 if numbers.dtype.kind in "iu" and np.isin(numbers, (0, 1)).all() else v
        return np.asarray(v, want) if numbers.dtype.kind in "iuO" else v
    except OverflowError as error:
        raise errors.DtypeError(
            f"{name}: {error}; expected a number that fits. Cast the array to a wider dtype"
        ) from None
    except (TypeError, ValueError):
        return v


def written_as(v: Any, x: Any, name: str) -> Any:
    """``v`` as an array of the dtype of ``x``. DtypeError where that would lose what ``v`` is: a float in an integer."""
    want = dtypes.of(x)
    if want.kind in "biu" and not hasattr(v, "dtype"):
        v = _fitting(v, want, name)
    v = placed(v, x, name)
    have = dtypes.of(v)
    if have == want:
        return v
    order = {"b": 0, "u": 1, "i": 1, "f": 2, "V": 2, "c": 3}
    if order[have.kind] > order[want.kind] and math.prod(v.shape):
        raise errors.DtypeError(
            f"{name}: a value of dtype {have.name} does not fit in an array of dtype {want.name}; "
            f"expected the same or a lesser kind. Cast one: x.astype({have.name!r})"
        )
    return cast(v, dtype=want, source=have)


def fits(shape: Shape, target: Shape, name: str) -> None:
    """ShapeError unless ``shape`` broadcasts to ``target``."""
    short = shape[max(0, len(shape) - len(target)) :]
    if len(short) != len(shape) or any(
        n not in (1, m) for n, m in zip(short, target[len(target) - len(short) :], strict=True)
    ):
        raise errors.ShapeError(
            f"{name}: shape {shape} does not broadcast to shape {target}; expected each size equal, or 1"
        )


# ---- where something holds: the number of results depends on the data -------------------------------------------------


def _unknown(*_: Any, **__: Any) -> Any:
    raise errors.TraceError(
        "the number of non-zero elements (of True in x[mask]) must be known, but here the values are traced. "
        "Use gg.where(mask, x, other), which keeps the shape; or compute the mask outside the traced function"
    )


nonzero_positions: Primitive = linearized(
    "nonzero_positions",
    None,
    operands="x",
    forward=lambda xp, x: xp.astype(xp.nonzero(xp.reshape(x, (-1,)))[0], xp.int64),
    shape=_unknown,
    dtype=_int64,
    batch=_unknown,
    doc="The positions in the flattened array of what is not zero.",
)


def nonzero(x: Array) -> tuple[Array, ...]:
    """The indices of the elements that are not zero: one array per axis.

    How many there are depends on the data, so it raises TraceError inside vmap; no derivative flows through.

    >>> import gpugrad as gg
    >>> gg.nonzero(gg.tensor([0.0, 2.0, 3.0]))
    (tensor([1, 2]),)
    """
    if not x.shape:
        raise errors.ShapeError("nonzero: shape () has no axes to index along; use x != 0")
    at = nonzero_positions(x)
    if len(x.shape) == 1:
        return (at,)
    strides = [math.prod(x.shape[k + 1 :]) for k in range(len(x.shape))]
    return tuple(remainder(floor_divide(at, max(s, 1)), max(n, 1)) for s, n in zip(strides, x.shape, strict=True))


def argwhere(x: Array) -> Array:
    """The indices of the elements that are not zero, one row each: shape (count, number of axes).

    Raises TraceError inside vmap, since the count depends on the data.

    >>> import gpugrad as gg
    >>> gg.argwhere(gg.tensor([[0.0, 2.0], [3.0, 0.0]]))
    tensor([[0, 1],
            [1, 0]])
    """
    if not x.shape:
        at = nonzero_positions(x)
        return reshape(at, to=(at.shape[0], 0), rank=1) if not at.shape[0] else zeros(at, (at.shape[0], 0))
    columns = [reshape(c, to=(c.shape[0], 1), rank=1) for c in nonzero(x)]
    return concat(*columns, axis=-1, bounds=tuple(range(len(columns) + 1)))


def count_nonzero(x: Array, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Array:
    """The number of elements along ``axis`` (all for None) that are not zero.

    >>> import gpugrad as gg
    >>> gg.count_nonzero(gg.tensor([[0.0, 2.0], [3.0, 4.0]]), axis=1)
    tensor([1, 2])
    """
    axes = axes_of(axis, x.shape, "count_nonzero")
    held = x if dtypes.of(x).kind == "b" else not_equal(x, 0)
    out = reduce_sum(cast(held, dtype=dtypes.dtype("int64"), source=dtypes.dtype("bool")), axis=axes)
    kept = tuple(1 if k - len(x.shape) in axes else n for k, n in enumerate(x.shape))
    return reshape(out, to=kept, rank=len(out.shape)) if keepdims else out


# ---- places in sorted arrays ----------------------------------------------------------------------------------------


def _searchsorted_batch(
    prim: Primitive, b: int, data: Sequence[Any], flags: Sequence[bool], params: dict[str, Any]
) -> Any:
    x, v = data
    if not flags[0]:
        return prim(x, v, **params)
    # Rows that differ: count for each value the elements that come before it.
    v = _each(v, flags[1], b)
    rank = len(v.shape) - 1
    x = reshape(x, to=(*(1,) * rank, x.shape[-1]), rank=1)
    v = expand(v, axis=(-1,), sizes=(1,))
    before = logical_not(greater_equal(x, v) if params["side"] == "left" else greater(x, v))
    return reduce_sum(cast(before, dtype=dtypes.dtype("int64"), source=dtypes.dtype("bool")), axis=(-1,))


search: Primitive = linearized(
    "searchsorted",
    None,
    None,
    operands="x v",
    forward=lambda xp, x, v, *, side: xp.astype(xp.searchsorted(x, v, side=side), xp.int64),
    shape=lambda s, v, *, side: v,
    dtype=_int64,
    same=(0, 1),
    batch=_searchsorted_batch,
    doc="Where values would stand in a sorted array of one axis.",
)


def searchsorted(x: Array, values: Array, side: str = "left", sorter: Array | None = None) -> Array:
    """For each value the index at which it would be inserted into ``x``, sorted and of one axis, to keep it sorted.

    Equal elements come after it for ``side="left"``, before it for ``"right"``; ``sorter`` holds the indices that sort
    an unsorted ``x``. O(log n) per value. The result is constant almost everywhere: no derivative flows through.
    Raises ShapeError unless ``x`` has one axis.

    >>> import gpugrad as gg
    >>> gg.searchsorted(gg.tensor([1.0, 2.0, 3.0]), [0.5, 2.0, 9.0])
    tensor([0, 1, 3])
    """
    if len(x.shape) != 1:
        raise errors.ShapeError(f"searchsorted: x of shape {x.shape}; expected one axis. Use gg.vmap for one row each")
    if side not in ("left", "right"):
        raise errors.ArgumentError(f"searchsorted: side={side!r}; expected 'left' or 'right'")
    if sorter is not None:
        x = take(x, sorter)
    return search(x, values, side=side)
