"""The axes of an array: other shapes, other orders, repetition, diagonals. Compositions with NumPy's names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpugrad import errors
from gpugrad.ops import linear as lin
from gpugrad.ops.elementwise import where
from gpugrad.ops.gathering import fits, gather, nonzero_positions, placed
from gpugrad.primitive import Shape, broadcast_shapes
from gpugrad.shapes import axes_of, axis_of, integer_of, integers_of
from gpugrad.trace import Array

__all__ = [
    "atleast_1d", "atleast_2d", "atleast_3d", "broadcast_arrays", "broadcast_to", "diag", "diagonal", "expand_dims",
    "flatten", "flip", "fliplr", "flipud", "matrix_transpose", "meshgrid", "moveaxis", "permute_dims", "ravel",
    "repeat", "reshape", "roll", "rot90", "squeeze", "swapaxes", "tile", "transpose", "tril", "trim_zeros", "triu",
]  # fmt: skip

Axes = int | Sequence[int] | None


def arrays(xs: Sequence[Any]) -> list[Any]:
    """Python numbers among arrays made arrays of shape (), where the others are."""
    like = next((x for x in xs if hasattr(x, "shape")), None)
    if like is None:
        return [where(True, x, x) for x in xs]
    return [x if hasattr(x, "shape") else lin.zeros(like, ()) + x for x in xs]


def reshaped(x: Any, shape: Shape) -> Any:
    """``x`` in another shape of the same size."""
    return x if x.shape == shape else lin.reshape(x, to=shape, rank=len(x.shape))


# ---- shape ----------------------------------------------------------------------------------------------------------


def reshape(x: Array, shape: int | Sequence[int], copy: bool | None = None) -> Array:
    """The elements of ``x``, in the same order, in another shape; one size may be -1, to be worked out.

    A tensor is a value, so ``copy``, which the array API standard has, makes no difference that could be seen.
    Raises ShapeError if the numbers of elements differ.

    >>> import gpugrad as gg
    >>> gg.reshape(gg.tensor([1.0, 2.0, 3.0, 4.0]), (2, -1))
    tensor([[1., 2.],
            [3., 4.]])
    """
    sizes = integers_of(shape, "reshape", "shape")
    have = math.prod(x.shape)
    unknown = [k for k, n in enumerate(sizes) if n < 0]
    if unknown and sizes[unknown[0]] == -1 and len(unknown) == 1:
        rest = math.prod(n for n in sizes if n >= 0)
        if rest and have % rest == 0:
            return reshaped(x, tuple(have // rest if n < 0 else n for n in sizes))
    elif not unknown and math.prod(sizes) == have:
        return reshaped(x, sizes)
    raise errors.ShapeError(
        f"reshape: {have} elements of shape {x.shape} do not fit shape {sizes}; "
        "expected sizes with the same product, of which one may be -1"
    )


def ravel(x: Array) -> Array:
    """All elements of ``x`` along one axis.

    >>> import gpugrad as gg
    >>> gg.ravel(gg.tensor([[1.0], [2.0]]))
    tensor([1., 2.])
    """
    return reshaped(x, (math.prod(x.shape),))


def flatten(x: Array) -> Array:
    """All elements of ``x`` along one axis, as :func:`ravel` does.

    >>> import gpugrad as gg
    >>> gg.flatten(gg.tensor([[1.0], [2.0]]))
    tensor([1., 2.])
    """
    return ravel(x)


def expand_dims(x: Array, axis: int | Sequence[int] = 0) -> Array:
    """``x`` with a new axis of size 1 at each place in ``axis``, as counted in the result.

    >>> import gpugrad as gg
    >>> gg.expand_dims(gg.tensor([1.0, 2.0]), axis=1).shape
    (2, 1)
    """
    new = (axis,) if type(axis) is int else integers_of(axis, "expand_dims", "axis")
    rank = len(x.shape) + len(new)
    places = axes_of(new, (1,) * rank, "expand_dims")
    rest = iter(x.shape)
    return reshaped(x, tuple(1 if k - rank in places else next(rest) for k in range(rank)))


def squeeze(x: Array, axis: Axes = None) -> Array:
    """``x`` without the axes given, which must have size 1; without all axes of size 1 for ``axis=None``.

    Raises ShapeError for an axis of another size.

    >>> import gpugrad as gg
    >>> gg.squeeze(gg.tensor([[1.0, 2.0]]), axis=0)
    tensor([1., 2.])
    """
    shape = x.shape
    if axis is None:
        return reshaped(x, tuple(n for n in shape if n != 1))
    axes = axes_of(axis, shape, "squeeze")
    long = [a for a in axes if shape[a] != 1]
    if long:
        raise errors.ShapeError(
            f"squeeze: axis {long[0]} of shape {shape} has size {shape[long[0]]}; expected 1. Reduce it, or take an element"
        )
    return reshaped(x, tuple(n for k, n in enumerate(shape) if k - len(shape) not in axes))


def broadcast_to(x: Array, shape: int | Sequence[int]) -> Array:
    """``x`` repeated along new leading axes and along axes of size 1, to ``shape``; no memory is used.

    Raises ShapeError if an axis has another size that is not 1.

    >>> import gpugrad as gg
    >>> gg.broadcast_to(gg.tensor([1.0, 2.0]), (2, 2))
    tensor([[1., 2.],
            [1., 2.]])
    """
    sizes = integers_of(shape, "broadcast_to", "shape")
    fits(x.shape, sizes, "broadcast_to")
    if any(n < 0 for n in sizes):
        raise errors.ShapeError(f"broadcast_to: shape {sizes}; expected sizes of at least 0")
    return lin.broadcast_to(x, sizes)


def broadcast_arrays(*xs: Array) -> list[Array]:
    """All arrays in the one shape that they broadcast to. Raises ShapeError if there is none.

    >>> import gpugrad as gg
    >>> gg.broadcast_arrays(gg.tensor([1.0, 2.0]), gg.tensor([[3.0]]))
    [tensor([[1., 2.]]), tensor([[3., 3.]])]
    """
    given = arrays(xs)
    shape = broadcast_shapes("broadcast_arrays", [x.shape for x in given])
    return [lin.broadcast_to(x, shape) for x in given]


def at_least(x: Any, rank: int) -> Any:
    """``x`` with axes of size 1 added where NumPy adds them, up to ``rank`` axes."""
    missing = rank - len(x.shape)
    after = 1 if rank == 3 and missing in (1, 2) else 0  # of three axes one is added at the end
    return reshaped(x, ((1,) * (missing - after) + x.shape + (1,) * after)) if missing > 0 else x


def _each_at_least(xs: Sequence[Any], rank: int) -> Any:
    out = [at_least(x, rank) for x in arrays(xs)]
    return out[0] if len(out) == 1 else tuple(out)


def atleast_1d(*xs: Array) -> Array | tuple[Array, ...]:
    """Each array, a number as an array of one element. Several arrays give a tuple.

    >>> import gpugrad as gg
    >>> gg.atleast_1d(gg.tensor(1.0))
    tensor([1.])
    """
    return _each_at_least(xs, 1)


def atleast_2d(*xs: Array) -> Array | tuple[Array, ...]:
    """Each array with leading axes of size 1 added, up to two axes. Several arrays give a tuple.

    >>> import gpugrad as gg
    >>> gg.atleast_2d(gg.tensor([1.0, 2.0])).shape
    (1, 2)
    """
    return _each_at_least(xs, 2)


def atleast_3d(*xs: Array) -> Array | tuple[Array, ...]:
    """Each array with axes of size 1 added, up to three axes: (N,) becomes (1, N, 1), (M, N) becomes (M, N, 1).

    Several arrays give a tuple.

    >>> import gpugrad as gg
    >>> gg.atleast_3d(gg.tensor([1.0, 2.0])).shape
    (1, 2, 1)
    """
    return _each_at_least(xs, 3)


# ---- order ----------------------------------------------------------------------------------------------------------


def permute_dims(x: Array, axes: Sequence[int]) -> Array:
    """The axes of ``x`` in the order ``axes``. Raises AxisError unless each axis is there exactly once.

    >>> import gpugrad as gg
    >>> gg.permute_dims(gg.zeros((2, 3, 4)), (2, 0, 1)).shape
    (4, 2, 3)
    """
    perm = axes_of(axes, x.shape, "permute_dims", permutation=True)
    return lin.permute(x, perm=perm) if len(perm) > 1 else x


def transpose(x: Array, axes: Sequence[int] | None = None) -> Array:
    """The axes of ``x`` in the order ``axes``; reversed for None.

    >>> import gpugrad as gg
    >>> gg.transpose(gg.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([[1., 3.],
            [2., 4.]])
    """
    return permute_dims(x, tuple(range(len(x.shape)))[::-1] if axes is None else axes)


def matrix_transpose(x: Array) -> Array:
    """The last two axes exchanged: each matrix transposed. Raises ShapeError if there are fewer than two.

    >>> import gpugrad as gg
    >>> gg.matrix_transpose(gg.tensor([[1.0, 2.0]]))
    tensor([[1.],
            [2.]])
    """
    if len(x.shape) < 2:
        raise errors.ShapeError(f"matrix_transpose: shape {x.shape}; expected at least two axes")
    return lin.permute(x, perm=(-1, -2))


def swapaxes(x: Array, axis1: int, axis2: int) -> Array:
    """``x`` with two axes exchanged.

    >>> import gpugrad as gg
    >>> gg.swapaxes(gg.zeros((2, 3, 4)), 0, 2).shape
    (4, 3, 2)
    """
    a, b = axis_of(axis1, x.shape, "swapaxes"), axis_of(axis2, x.shape, "swapaxes")
    order = list(range(-len(x.shape), 0))
    order[a], order[b] = b, a
    return x if a == b else lin.permute(x, perm=tuple(order))


def moveaxis(x: Array, source: int | Sequence[int], destination: int | Sequence[int]) -> Array:
    """``x`` with the axes ``source`` moved to ``destination``; the others keep their order.

    >>> import gpugrad as gg
    >>> gg.moveaxis(gg.zeros((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """
    rank = len(x.shape)
    if isinstance(source, int) and isinstance(destination, int):
        return lin.moved(x, axis_of(source, x.shape, "moveaxis"), axis_of(destination, x.shape, "moveaxis"))
    sources, places = axes_of(source, x.shape, "moveaxis"), axes_of(destination, x.shape, "moveaxis")
    if len(sources) != len(places):
        raise errors.AxisError(f"moveaxis: {len(sources)} axes to move to {len(places)} places; expected as many")
    order = [a for a in range(-rank, 0) if a not in sources]
    for place, a in sorted(zip(places, sources, strict=True)):
        order.insert(place + rank, a)
    return lin.permute(x, perm=tuple(order)) if rank > 1 else x


def flip(x: Array, axis: Axes = None) -> Array:
    """``x`` with the order of its elements reversed along ``axis``; along every axis for None.

    >>> import gpugrad as gg
    >>> gg.flip(gg.tensor([1.0, 2.0, 3.0]))
    tensor([3., 2., 1.])
    """
    axes = axes_of(axis, x.shape, "flip")
    return lin.flip(x, axis=axes) if axes else x


def flipud(x: Array) -> Array:
    """``x`` reversed along the first axis.

    >>> import gpugrad as gg
    >>> gg.flipud(gg.tensor([[1.0], [2.0]]))
    tensor([[2.],
            [1.]])
    """
    return flip(x, 0)


def fliplr(x: Array) -> Array:
    """``x`` reversed along the second axis.

    >>> import gpugrad as gg
    >>> gg.fliplr(gg.tensor([[1.0, 2.0]]))
    tensor([[2., 1.]])
    """
    return flip(x, 1)


def rot90(x: Array, k: int = 1, axes: Sequence[int] = (0, 1)) -> Array:
    """``x`` turned by ``k`` quarters, from the first towards the second of two axes.

    >>> import gpugrad as gg
    >>> gg.rot90(gg.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([[2., 4.],
            [1., 3.]])
    """
    pair = axes_of(axes, x.shape, "rot90")
    if len(pair) != 2:
        raise errors.AxisError(f"rot90: axes={axes!r}; expected two")
    a, b = pair
    match integer_of(k, "rot90", "k") % 4:
        case 1:
            return swapaxes(lin.flip(x, axis=(b,)), a, b)
        case 2:
            return lin.flip(x, axis=pair)
        case 3:
            return lin.flip(swapaxes(x, a, b), axis=(b,))
    return x


def roll(x: Array, shift: int | Sequence[int], axis: Axes = None) -> Array:
    """The elements moved on by ``shift`` places along ``axis``, those that fall off the end coming in at the start.

    With ``axis=None`` the array is flattened for it, and gets its shape back. Several axes take one shift each.

    >>> import gpugrad as gg
    >>> gg.roll(gg.tensor([1.0, 2.0, 3.0]), 1)
    tensor([3., 1., 2.])
    """
    shifts = integers_of(shift, "roll", "shift")
    if axis is None:
        return reshaped(roll(ravel(x), sum(shifts), 0), x.shape)
    axes = integers_of(axis, "roll", "axis")
    if len(shifts) == 1:
        shifts *= len(axes)
    elif len(axes) == 1:
        axes *= len(shifts)
    if len(shifts) != len(axes):
        raise errors.ShapeError(f"roll: {len(shifts)} shifts for {len(axes)} axes; expected as many, or one of either")
    for by, which in zip(shifts, axes, strict=True):
        a = axis_of(which, x.shape, "roll")
        n = x.shape[a]
        if n and by % n:
            cut = n - by % n
            x = lin.concat(lin.part(x, a, cut, n), lin.part(x, a, 0, cut), axis=a, bounds=(0, n - cut, n))
    return x


# ---- repetition -----------------------------------------------------------------------------------------------------


def tile(x: Array, reps: int | Sequence[int]) -> Array:
    """``x`` laid out ``reps`` times along each axis; missing axes and counts are 1.

    >>> import gpugrad as gg
    >>> gg.tile(gg.tensor([1.0, 2.0]), (2, 2))
    tensor([[1., 2., 1., 2.],
            [1., 2., 1., 2.]])
    """
    counts = integers_of(reps, "tile", "reps")
    if any(r < 0 for r in counts):
        raise errors.ShapeError(f"tile: reps={counts}; expected counts of at least 0")
    rank = max(len(counts), len(x.shape))
    x = reshaped(x, (1,) * (rank - len(x.shape)) + x.shape)
    counts = (1,) * (rank - len(counts)) + counts
    repeated = [k for k, r in enumerate(counts) if r != 1]
    if not repeated:
        return x
    # A new axis before each axis that repeats, merged into it.
    places = [k + j - (rank + len(repeated)) for j, k in enumerate(repeated)]
    out = lin.expand(x, axis=tuple(places), sizes=tuple(counts[k] for k in repeated))
    return reshaped(out, tuple(n * r for n, r in zip(x.shape, counts, strict=True)))


def repeat(x: Array, repeats: int | Sequence[int], axis: int | None = None) -> Array:
    """Each element of ``x`` repeated along ``axis``: all ``repeats`` times, or each as often as its count says.

    With ``axis=None`` the array is flattened first. The counts are numbers, not traced values, since the shape depends
    on them. Raises ShapeError for a negative count or another number of counts than elements.

    >>> import gpugrad as gg
    >>> gg.repeat(gg.tensor([1.0, 2.0]), [2, 1])
    tensor([1., 1., 2.])
    """
    if axis is None:
        x, axis = ravel(x), 0
    a = axis_of(axis, x.shape, "repeat")
    n = x.shape[a]
    try:
        counts = np.asarray(repeats)
    except ValueError:  # rows of different lengths
        counts = np.asarray(None)
    if not counts.size:
        counts = counts.astype(np.int64)
    if counts.dtype.kind not in "biu" or counts.ndim > 1 or (counts < 0).any() or counts.size not in (1, n):
        raise errors.ShapeError(
            f"repeat: repeats={repeats!r} for {n} elements; expected a count of at least 0, or one for each"
        )
    if counts.size == 1:
        r = int(counts.reshape(-1)[0])
        out = lin.expand(x, axis=(a,), sizes=(r,))  # a new axis after the one that repeats, merged into it
        return reshaped(out, (*lin.head(x.shape, -a), n * r, *lin.tail(x.shape, -a - 1)))
    return gather(x, placed(np.repeat(np.arange(n), counts), x, "repeat"), axis=a)


def meshgrid(*xs: Array, indexing: str = "xy", sparse: bool = False) -> list[Array]:
    """Arrays of one axis as coordinates of a grid: each repeated along the axes of the others.

    ``indexing="xy"`` exchanges the first two axes, as for pictures; ``"ij"`` does not. ``sparse`` leaves size 1 along
    the axes of the others, for broadcasting to do the rest.

    >>> import gpugrad as gg
    >>> gg.meshgrid(gg.tensor([1.0, 2.0]), gg.tensor([3.0]), indexing="ij")
    [tensor([[1.],
            [2.]]), tensor([[3.],
            [3.]])]
    """
    if indexing not in ("xy", "ij"):
        raise errors.ArgumentError(f"meshgrid: indexing={indexing!r}; expected 'xy' or 'ij'")
    given = [x if len(x.shape) else ravel(x) for x in arrays(xs)]
    if any(len(x.shape) > 1 for x in given):
        raise errors.ShapeError(
            f"meshgrid: shapes {', '.join(str(x.shape) for x in given)}; expected one axis each. Use gg.ravel"
        )
    rank = len(given)
    order = list(range(rank))
    if indexing == "xy" and rank > 1:
        order[0], order[1] = 1, 0
    sizes = [0] * rank
    for x, k in zip(given, order, strict=True):
        sizes[k] = x.shape[0]
    lines = [reshaped(x, (*(1,) * k, x.shape[0], *(1,) * (rank - k - 1))) for x, k in zip(given, order, strict=True)]
    return lines if sparse else [lin.broadcast_to(x, tuple(sizes)) for x in lines]


# ---- diagonals and triangles ----------------------------------------------------------------------------------------


def diagonal(x: Array, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    """The diagonals of the matrices in two axes, as the last axis; ``offset`` counts from the main one, up and right.

    >>> import gpugrad as gg
    >>> gg.diagonal(gg.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([1., 4.])
    """
    a, b = axis_of(axis1, x.shape, "diagonal"), axis_of(axis2, x.shape, "diagonal")
    if a == b:
        raise errors.AxisError(f"diagonal: axis1 and axis2 are both {axis1}; expected two axes")
    return lin.diagonal(moveaxis(x, (a, b), (-2, -1)), integer_of(offset, "diagonal", "offset"))


def diag(x: Array, k: int = 0) -> Array:
    """The ``k``-th diagonal of a matrix; or, of an array of one axis, the matrix with that diagonal, zero elsewhere.

    >>> import gpugrad as gg
    >>> gg.diag(gg.tensor([1.0, 2.0]))
    tensor([[1., 0.],
            [0., 2.]])
    """
    k = integer_of(k, "diag", "k")
    if len(x.shape) == 2:
        return lin.diagonal(x, k)
    if len(x.shape) != 1:
        raise errors.ShapeError(f"diag: shape {x.shape}; expected one or two axes. Use gg.diagonal for more")
    n = x.shape[0] + abs(k)
    return lin.diag_embed(x, n, n, k)


def _matrices(x: Any, name: str) -> Any:
    if not x.shape:
        raise errors.ShapeError(f"{name}: shape (); expected at least one axis")
    return x if len(x.shape) > 1 else lin.broadcast_to(x, x.shape * 2)


def tril(x: Array, k: int = 0) -> Array:
    """The lower triangles of the matrices in the last two axes, zero above the ``k``-th diagonal.

    An array of one axis stands for a matrix with equal rows, as in NumPy.

    >>> import gpugrad as gg
    >>> gg.tril(gg.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([[1., 0.],
            [3., 4.]])
    """
    return lin.tril(_matrices(x, "tril"), k=k)


def triu(x: Array, k: int = 0) -> Array:
    """The upper triangles of the matrices in the last two axes, zero below the ``k``-th diagonal.

    >>> import gpugrad as gg
    >>> gg.triu(gg.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([[1., 2.],
            [0., 4.]])
    """
    return lin.triu(_matrices(x, "triu"), k=k)


def trim_zeros(x: Array, trim: str = "fb") -> Array:
    """``x``, of one axis, without the zeros in front (``"f"`` in ``trim``) and at the back (``"b"``).

    How many there are depends on the data, so it raises TraceError inside ``vmap``.

    >>> import gpugrad as gg
    >>> gg.trim_zeros(gg.tensor([0.0, 1.0, 0.0, 2.0, 0.0]))
    tensor([1., 0., 2.])
    """
    if len(x.shape) != 1:
        raise errors.ShapeError(f"trim_zeros: shape {x.shape}; expected one axis")
    if set(trim.lower()) - set("fb"):
        raise errors.ArgumentError(f"trim_zeros: trim={trim!r}; expected 'f', 'b' or 'fb'")
    at = nonzero_positions(x)
    count, n = at.shape[0], x.shape[0]
    if not count:
        return lin.part(x, -1, 0, 0)
    first = int(lin.reshape(lin.part(at, -1, 0, 1), to=(), rank=1)) if "f" in trim.lower() else 0
    last = int(lin.reshape(lin.part(at, -1, count - 1, count), to=(), rank=1)) + 1 if "b" in trim.lower() else n
    return lin.part(x, -1, first, last)
