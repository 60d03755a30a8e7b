"""Several arrays made one, and one made several: joining, splitting, inserting and deleting along an axis."""

from __future__ import annotations

import functools as ft
import itertools as it
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpugrad import dtypes, errors, trace
from gpugrad.ops import linear as lin
from gpugrad.ops.gathering import fits, gather, placed, written_as
from gpugrad.ops.rearranging import arrays, at_least, ravel, reshaped
from gpugrad.shapes import axis_of, integers_of
from gpugrad.trace import Array

__all__ = [
    "append", "array_split", "column_stack", "concat", "delete", "dstack", "hstack", "insert", "split", "stack",
    "unstack", "vstack",
]  # fmt: skip


def alike(xs: Sequence[Any], name: str) -> list[Any]:
    """The arrays in their common dtype, numbers as arrays. ShapeError if there are none."""
    given = arrays(xs)
    if not given:
        raise errors.ShapeError(f"{name}: no arrays; expected at least one")
    first = given[0].dtype
    if all(x.dtype == first for x in given):
        return given
    have = [dtypes.of(x) for x in given]
    common = ft.reduce(dtypes.promote, have)
    return [x if d == common else lin.cast(x, dtype=common, source=d) for x, d in zip(given, have, strict=True)]


def joined(xs: Sequence[Any], axis: int) -> Any:
    """Arrays of one dtype and of shapes that fit, one after another along an axis counted from the end."""
    if len(xs) == 1:
        return xs[0]
    bounds = (0, *it.accumulate(x.shape[axis] for x in xs))
    return lin.concat(*xs, axis=axis, bounds=bounds)


# ---- joining --------------------------------------------------------------------------------------------------------


def concat(xs: Sequence[Array], axis: int | None = 0) -> Array:
    """Arrays one after another along an axis, in their common dtype; all of them flattened for ``axis=None``.

    Raises ShapeError unless all sizes but that along the axis agree.

    >>> import gpugrad as gg
    >>> gg.concat([gg.tensor([1.0, 2.0]), gg.tensor([3.0])])
    tensor([1., 2., 3.])
    """
    given = alike(xs, "concat")
    if axis is None:
        given, axis = [ravel(x) for x in given], 0
    shape = given[0].shape
    if not shape:
        raise errors.ShapeError("concat: arrays of shape () have no axis to join along; use gg.stack")
    a = axis_of(axis, shape, "concat")
    k = a + len(shape)
    if any(len(x.shape) != len(shape) or x.shape[:k] != shape[:k] or x.shape[k + 1 :] != shape[k + 1 :] for x in given):
        shapes = ", ".join(str(x.shape) for x in given)
        raise errors.ShapeError(
            f"concat: shapes {shapes} along axis {axis}; expected as many axes and the same sizes but along it"
        )
    return joined(given, a)


def stack(xs: Sequence[Array], axis: int = 0) -> Array:
    """Arrays of one shape side by side along a new axis. Raises ShapeError if the shapes differ.

    >>> import gpugrad as gg
    >>> gg.stack([gg.tensor(1.0), gg.tensor(2.0)])
    tensor([1., 2.])
    """
    given = alike(xs, "stack")
    shape = given[0].shape
    if any(x.shape != shape for x in given):
        shapes = ", ".join(str(x.shape) for x in given)
        raise errors.ShapeError(
            f"stack: shapes {shapes}; expected one shape. Use gg.concat, or gg.broadcast_arrays first"
        )
    a = axis_of(axis, (*shape, 1), "stack")
    one = (*lin.head(shape, -a - 1), 1, *lin.tail(shape, -a - 1))
    return joined([reshaped(x, one) for x in given], a)


def hstack(xs: Sequence[Array]) -> Array:
    """Arrays side by side: along the second axis, along the first if they have one.

    >>> import gpugrad as gg
    >>> gg.hstack([gg.tensor([1.0]), gg.tensor([2.0])])
    tensor([1., 2.])
    """
    given = [at_least(x, 1) for x in arrays(xs)]
    return concat(given, axis=0 if given and len(given[0].shape) == 1 else 1)


def vstack(xs: Sequence[Array]) -> Array:
    """Arrays below each other, along the first axis; arrays of one axis are rows.

    >>> import gpugrad as gg
    >>> gg.vstack([gg.tensor([1.0, 2.0]), gg.tensor([3.0, 4.0])])
    tensor([[1., 2.],
            [3., 4.]])
    """
    return concat([at_least(x, 2) for x in arrays(xs)], axis=0)


def dstack(xs: Sequence[Array]) -> Array:
    """Arrays behind each other, along the third axis, which is added where it is missing.

    >>> import gpugrad as gg
    >>> gg.dstack([gg.tensor([1.0]), gg.tensor([2.0])])
    tensor([[[1., 2.]]])
    """
    return concat([at_least(x, 3) for x in arrays(xs)], axis=2)


def column_stack(xs: Sequence[Array]) -> Array:
    """Arrays side by side along the second axis; arrays of one axis are columns.

    >>> import gpugrad as gg
    >>> gg.column_stack([gg.tensor([1.0, 2.0]), gg.tensor([3.0, 4.0])])
    tensor([[1., 3.],
            [2., 4.]])
    """
    columns = [at_least(x, 1) for x in arrays(xs)]
    return concat([reshaped(x, (*x.shape, 1)) if len(x.shape) == 1 else x for x in columns], axis=1)


def append(x: Array, values: Array, axis: int | None = None) -> Array:
    """``values`` after ``x`` along ``axis``; both flattened for None.

    >>> import gpugrad as gg
    >>> gg.append(gg.tensor([1.0, 2.0]), 3.0)
    tensor([1., 2., 3.])
    """
    return concat((x, values), axis=axis)


# ---- splitting ------------------------------------------------------------------------------------------------------


def _parts(x: Any, bounds: Sequence[int], axis: int) -> tuple[Any, ...]:
    parts: tuple[Any, ...] = lin.split(x, axis=axis, bounds=tuple(bounds))
    return parts


def _sections(given: Any) -> int | None:
    """A number of parts; None for a sequence of places to cut at."""
    try:
        return operator.index(given)
    except TypeError:
        return None


def array_split(x: Array, indices_or_sections: int | Sequence[int], axis: int = 0) -> tuple[Array, ...]:
    """``x`` cut along an axis: into so many parts, the first ones longer by one if need be; or before each index given.

    >>> import gpugrad as gg
    >>> gg.array_split(gg.tensor([1.0, 2.0, 3.0]), 2)
    (tensor([1., 2.]), tensor([3.]))
    """
    a = axis_of(axis, x.shape, "array_split")
    n = x.shape[a]
    count = _sections(indices_or_sections)
    if count is not None:
        if count < 1:
            raise errors.ShapeError(f"array_split: {count} parts; expected at least 1")
        size, longer = divmod(n, count)
        return _parts(x, [k * size + min(k, longer) for k in range(count + 1)], a)
    cuts = integers_of(indices_or_sections, "array_split", "indices_or_sections")
    ends = [0, *(min(max(k + n if k < 0 else k, 0), n) for k in cuts), n]
    if sorted(ends) == ends:
        return _parts(x, ends, a)
    return tuple(lin.part(x, a, start, max(start, stop)) for start, stop in it.pairwise(ends))  # they overlap


def split(x: Array, indices_or_sections: int | Sequence[int], axis: int = 0) -> tuple[Array, ...]:
    """``x`` cut along an axis into so many equal parts, or before each index given.

    Raises ShapeError if the parts cannot be equal; :func:`array_split` makes do.

    >>> import gpugrad as gg
    >>> gg.split(gg.tensor([1.0, 2.0, 3.0]), [1])
    (tensor([1.]), tensor([2., 3.]))
    """
    n = x.shape[axis_of(axis, x.shape, "split")]
    count = _sections(indices_or_sections)
    if count is not None and (count < 1 or n % count):
        raise errors.ShapeError(
            f"split: {n} elements along axis {axis} of shape {x.shape} do not make {count} equal parts. "
            "Use gg.array_split"
        )
    return array_split(x, indices_or_sections, axis)


def unstack(x: Array, axis: int = 0) -> tuple[Array, ...]:
    """The slices of ``x`` along an axis, without that axis: the inverse of :func:`stack`.

    >>> import gpugrad as gg
    >>> gg.unstack(gg.tensor([[1.0, 2.0], [3.0, 4.0]]))
    (tensor([1., 2.]), tensor([3., 4.]))
    """
    a = axis_of(axis, x.shape, "unstack")
    n = x.shape[a]
    rest = (*lin.head(x.shape, -a), *lin.tail(x.shape, -a - 1))
    return tuple(reshaped(part, rest) for part in _parts(x, range(n + 1), a)) if n else ()


# ---- inserting and deleting -----------------------------------------------------------------------------------------


def _indices(name: str, make: Any, n: int, obj: Any, *more: Any) -> Any:
    """What NumPy's own function makes of the numbers of the elements, its errors in our words."""
    try:
        return make(np.arange(n), obj, *more)
    except IndexError as error:
        raise errors.AxisError(f"{name}: {error}") from None
    except (ValueError, TypeError) as error:
        raise errors.ShapeError(f"{name}: {error}") from None


def delete(x: Array, obj: int | slice | Sequence[int], axis: int | None = None) -> Array:
    """``x`` without the elements at ``obj`` along ``axis``; of the flattened array for None.

    ``obj`` is an index, a slice, or a sequence of indices or booleans. Raises AxisError for an index out of bounds.

    >>> import gpugrad as gg
    >>> gg.delete(gg.tensor([1.0, 2.0, 3.0]), 1)
    tensor([1., 3.])
    """
    if axis is None:
        x, axis = ravel(x), 0
    a = axis_of(axis, x.shape, "delete")
    at = np.asarray(obj) if type(obj) is trace.Tensor else obj
    left = _indices("delete", np.delete, x.shape[a], at)
    return gather(x, placed(left, x, "delete"), axis=a)


def insert(x: Array, obj: int | slice | Sequence[int], values: Array, axis: int | None = None) -> Array:
    """``x`` with ``values`` inserted along ``axis`` before each index in ``obj``; both flattened for ``axis=None``.

    Indices count the elements of ``x``; the values take its dtype, and broadcast to what is inserted. Raises AxisError
    for an index out of bounds, ShapeError for values that do not fit.

    >>> import gpugrad as gg
    >>> gg.insert(gg.tensor([1.0, 2.0]), 1, 9.0)
    tensor([1., 9., 2.])
    """
    if axis is None:
        x, axis = ravel(x), 0
    a = axis_of(axis, x.shape, "insert")
    n = x.shape[a]
    v = written_as(values, x, "insert")
    where = np.arange(n)[obj] if isinstance(obj, slice) else np.asarray(obj)
    if where.dtype == bool:
        where = np.flatnonzero(where)
    elif not where.size:
        where = where.astype(np.int64)  # of an empty list
    if where.dtype.kind not in "iu":
        raise errors.DtypeError(f"insert: obj={obj!r}; expected a slice, or integers or booleans")
    rank = len(x.shape)
    v = reshaped(v, (1,) * (rank - len(v.shape)) + v.shape)
    if where.ndim == 0 or where.size == 1:
        if where.ndim == 0:
            v = lin.moved(v, -rank, a)  # for one index the values may have several slices, along their first axis
        count = v.shape[a]
        where = where.reshape(())
    else:
        count = where.size
    target = (*lin.head(x.shape, -a), count, *lin.tail(x.shape, -a - 1))
    fits(v.shape, target, "insert")
    order = _indices("insert", np.insert, n, where if where.ndim else int(where), np.arange(n, n + count))
    both = joined((x, lin.broadcast_to(v, target)), a)
    return gather(both, placed(order, x, "insert"), axis=a)
