"""NumPy's functions whose signature is not that of our operation: the same operation, arguments put in order.

Each has NumPy's signature. ``out=`` takes a tensor, which is rebound to the result.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpugrad import dtypes, errors
from gpugrad.numpy.results import averaged_in, cast_as, delivered
from gpugrad.ops import arithmetic, contraction, elementwise, joining, linalg, padding, rearranging, reductions
from gpugrad.ops.elementwise import not_equal
from gpugrad.ops.elementwise import where as where_of
from gpugrad.ops.gathering import nonzero
from gpugrad.ops.linear import broadcast_to, cast, conj
from gpugrad.ops.rearranging import moveaxis
from gpugrad.shapes import axes_of, axis_of
from gpugrad.trace import Array
from gpugrad.transforms.lift import as_value

__all__ = [
    "average", "broadcast_arrays", "clip", "concatenate", "cross", "diagflat", "dot", "dsplit", "einsum", "hsplit", "hstack", "inner", "mean", "meshgrid", "nanstd",
    "nanvar", "pad", "ravel", "reshape", "rollaxis", "stack", "std", "trace", "var", "vdot", "vsplit", "vstack",
    "where",
]  # fmt: skip

ABSENT: Any = getattr(np, "_NoValue", None)
"""NumPy's own mark for a parameter that was not given."""


# ---- shapes: order="F" reads and writes the elements column by column ----------------------------------------------------


def reshape(a: Array, shape: int | Sequence[int], order: str = "C", *, copy: bool | None = None) -> Array:
    """The elements in another shape, which may have one -1; ``order="F"`` runs through the first axis fastest.

    Raises ShapeError if the number of elements differs.
    """
    if order not in ("C", "A", "F"):
        raise errors.UnsupportedError(f"np.reshape: order={order!r}; expected 'C' or 'F'")
    if order == "F":
        to = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
        return rearranging.transpose(rearranging.reshape(rearranging.transpose(a), to[::-1]))
    return rearranging.reshape(a, shape)


def ravel(a: Array, order: str = "C") -> Array:
    """The elements as a vector; with ``order="F"`` column by column."""
    return reshape(a, -1, "F" if order == "F" else "C")


def rollaxis(a: Array, axis: int, start: int = 0) -> Array:
    """An axis moved back until it stands before the axis ``start``."""
    n = len(a.shape)
    k = axis_of(axis, a.shape, "np.rollaxis") + n
    to = start + n if start < 0 else start
    if not 0 <= to <= n:
        raise errors.AxisError(f"np.rollaxis: start={start} for shape {a.shape}; expected {-n} to {n}")
    return moveaxis(a, k, to - 1 if k < to else to)


def diagflat(v: Array, k: int = 0) -> Array:
    """A matrix with the flattened elements on its ``k``-th diagonal."""
    return rearranging.diag(rearranging.ravel(v), k)


def clip(
    a: Array,
    a_min: Array | None = ABSENT,
    a_max: Array | None = ABSENT,
    out: Any = None,
    *,
    min: Array | None = ABSENT,
    max: Array | None = ABSENT,
) -> Array:
    """``a`` limited to [``a_min``, ``a_max``] (or ``min``, ``max``), either of which may be None."""
    low = a_min if a_min is not ABSENT else min
    high = a_max if a_max is not ABSENT else max
    found = arithmetic.clip(a, None if low is ABSENT else low, None if high is ABSENT else high)
    return delivered(found, out, "np.clip")


def where(condition: Array, x: Array | None = None, y: Array | None = None) -> Any:
    """``x`` where the condition holds, ``y`` elsewhere; of the condition alone, the indices where it holds."""
    condition = as_value(condition)
    if x is None and y is None:
        return nonzero(condition)
    if x is None or y is None:
        raise errors.UnsupportedError("np.where: give both x and y, or neither")
    return where_of(condition if condition.dtype.kind == "b" else not_equal(condition, 0), x, y)


def concatenate(
    arrays: Sequence[Array], axis: int | None = 0, out: Any = None, *, dtype: Any = None, casting: str = "same_kind"
) -> Array:
    """Arrays one after another along ``axis``; flattened first for None."""
    return delivered(cast_as(joining.concat(arrays, axis), dtype, casting, "np.concatenate"), out, "np.concatenate")


def stack(
    arrays: Sequence[Array], axis: int = 0, out: Any = None, *, dtype: Any = None, casting: str = "same_kind"
) -> Array:
    """Arrays of one shape along a new axis."""
    return delivered(cast_as(joining.stack(arrays, axis), dtype, casting, "np.stack"), out, "np.stack")


def vstack(tup: Sequence[Array], *, dtype: Any = None, casting: str = "same_kind") -> Array:
    """Arrays one above another; vectors are rows."""
    return cast_as(joining.vstack(tup), dtype, casting, "np.vstack")


def hstack(tup: Sequence[Array], *, dtype: Any = None, casting: str = "same_kind") -> Array:
    """Arrays side by side."""
    return cast_as(joining.hstack(tup), dtype, casting, "np.hstack")


def hsplit(ary: Array, indices_or_sections: int | Sequence[int]) -> Any:
    """Parts along the second axis; along the only one of a vector."""
    return joining.split(ary, indices_or_sections, 1 if len(ary.shape) > 1 else 0)


def vsplit(ary: Array, indices_or_sections: int | Sequence[int]) -> Any:
    """Parts along the first axis of at least two."""
    if len(ary.shape) < 2:
        raise errors.ShapeError(f"np.vsplit: shape {ary.shape}; expected at least two axes. Use np.split")
    return joining.split(ary, indices_or_sections, 0)


def dsplit(ary: Array, indices_or_sections: int | Sequence[int]) -> Any:
    """Parts along the third axis."""
    return joining.split(ary, indices_or_sections, 2)


def _in(x: Any, dtype: Any) -> Any:
    return x if dtype is None else x.astype(dtype)


# ---- reductions ---------------------------------------------------------------------------------------------------------


def mean(
    a: Array,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    *,
    where: Array | bool = True,
) -> Array:
    """The arithmetic mean over ``axis``, of the elements where ``where`` holds."""
    dtype = averaged_in(dtype, a, "np.mean")
    found = reductions.mean(a, axis, dtype, keepdims) if where is True else _mean_where(a, axis, dtype, keepdims, where)
    return delivered(found, out, "np.mean")


def _counts(where: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    """How many elements of ``x`` along ``axis`` are meant, in its real dtype."""
    held = broadcast_to(as_value(where), x.shape)
    return reductions.sum(cast(held, dtype=dtypes.real_of(x.dtype), source=np.dtype(bool)), axis, keepdims=keepdims)


def _mean_where(a: Any, axis: Any, dtype: Any, keepdims: bool, where: Any) -> Any:
    x = _in(reductions.floating(a), dtype)
    return reductions.sum(where_of(where, x, 0.0), axis, keepdims=keepdims) / _counts(where, x, axis, keepdims)


def var(
    a: Array, axis: Any = None, dtype: Any = None, out: Any = None, ddof: float = 0, keepdims: bool = False,
    *, where: Array | bool = True, mean: Array | None = ABSENT, correction: float = ABSENT,
) -> Array:  # fmt: skip
    """The variance over ``axis``, with n - ``ddof`` for n; about ``mean`` if that is given (with its axes kept)."""
    return delivered(_var(a, axis, dtype, _freedom(ddof, correction), keepdims, where, mean), out, "np.var")


def std(
    a: Array, axis: Any = None, dtype: Any = None, out: Any = None, ddof: float = 0, keepdims: bool = False,
    *, where: Array | bool = True, mean: Array | None = ABSENT, correction: float = ABSENT,
) -> Array:  # fmt: skip
    """The standard deviation over ``axis``: the root of the variance."""
    return delivered(
        reductions.root(_var(a, axis, dtype, _freedom(ddof, correction), keepdims, where, mean)), out, "np.std"
    )


def _freedom(ddof: float, correction: Any) -> float:
    if correction is ABSENT:
        return ddof
    if ddof != 0:
        raise errors.ArgumentError("ddof and correction are two names of one parameter; give one of them")
    return float(correction)


def _of_variance(dtype: Any, a: Any, what: str) -> Any:
    wanted = averaged_in(dtype, a, what)
    if wanted is not None and dtypes.is_complex(wanted):
        raise errors.DtypeError(
            f"{what}: dtype={wanted.name}; a variance is real. Cast the array: t.astype({wanted.name!r})"
        )
    return wanted


def _var(a: Any, axis: Any, dtype: Any, ddof: float, keepdims: bool, where: Any, mean: Any) -> Any:
    dtype = _of_variance(dtype, a, "np.var")
    if where is True and mean is ABSENT:
        return reductions.var(a, axis, dtype, ddof, keepdims)
    x = _in(reductions.floating(a), dtype)
    centre = mean if mean is not ABSENT else _mean_where(x, axis, None, True, where)
    d = where_of(as_value(where), x - centre, 0.0)
    squares = d * conj(d) if dtypes.is_complex(x.dtype) else d * d
    left = elementwise.maximum(_counts(where, x, axis, keepdims) - ddof, 0.0)
    return reductions.sum(reductions.real_like(squares), axis, keepdims=keepdims) / left


def nanvar(
    a: Array, axis: Any = None, dtype: Any = None, out: Any = None, ddof: float = 0, keepdims: bool = False,
    *, where: Array | bool = True, mean: Array | None = ABSENT, correction: float = ABSENT,
) -> Array:  # fmt: skip
    """The variance over ``axis`` of what is not NaN, with n - ``ddof`` for their number n."""
    return delivered(_nanvar(a, axis, dtype, _freedom(ddof, correction), keepdims, where, mean), out, "np.nanvar")


def nanstd(
    a: Array, axis: Any = None, dtype: Any = None, out: Any = None, ddof: float = 0, keepdims: bool = False,
    *, where: Array | bool = True, mean: Array | None = ABSENT, correction: float = ABSENT,
) -> Array:  # fmt: skip
    """The standard deviation over ``axis`` of what is not NaN."""
    found = _nanvar(a, axis, dtype, _freedom(ddof, correction), keepdims, where, mean)
    return delivered(reductions.root(found), out, "np.nanstd")


def _nanvar(a: Any, axis: Any, dtype: Any, ddof: float, keepdims: bool, where: Any, mean: Any) -> Any:
    x = _in(reductions.floating(a), _of_variance(dtype, a, "np.nanvar"))
    if where is True and mean is ABSENT:
        return reductions.nanvar(x, axis, ddof, keepdims)
    held = elementwise.logical_and(as_value(where), elementwise.equal(x, x))
    return _var(x, axis, None, ddof, keepdims, held, mean)


def average(
    a: Array, axis: Any = None, weights: Array | None = None, returned: bool = False, *, keepdims: bool = False
) -> Any:
    """The mean over ``axis`` with ``weights``; with ``returned`` also their sum."""
    found = reductions.average(a, axis, weights, keepdims)
    if not returned:
        return found
    if weights is None:
        axes = axes_of(axis, a.shape, "np.average")
        return found, found * 0.0 + float(math.prod(a.shape[k] for k in axes))
    if weights.shape != a.shape:
        (k,) = axes_of(axis, a.shape, "np.average")
        weights = (
            moveaxis(found[..., None] * 0.0 + weights, -1, k)
            if not keepdims
            else moveaxis(moveaxis(found, k, -1) * 0.0 + weights, -1, k)
        )
        return found, reductions.sum(weights, k, keepdims=keepdims)
    return found, reductions.sum(weights, axis, keepdims=keepdims)


# ---- products -----------------------------------------------------------------------------------------------------------


def dot(a: Array, b: Array, out: Any = None) -> Array:
    """The last axis of ``a`` against the last but one of ``b``, or against its only one; a number multiplies."""
    return delivered(contraction.dot(a, b), out, "np.dot")


def vdot(a: Array, b: Array) -> Array:
    """The sum of conj(a) · b over all elements, flattened."""
    a, b = ravel(a), ravel(b)
    if a.shape != b.shape:
        raise errors.ShapeError(f"np.vdot: {a.shape[0]} and {b.shape[0]} elements; expected as many")
    return contraction.vecdot(a, b)


def inner(a: Array, b: Array) -> Array:
    """The sum of products over the last axes of both."""
    return contraction.inner(a, b)


def einsum(
    *operands: Any, out: Any = None, optimize: Any = False, dtype: Any = None, order: str = "K", casting: str = "safe"
) -> Array:
    """Einstein's summation, by subscripts in a string or by lists of labels after each operand."""
    if isinstance(operands[0], str):
        subscripts, arrays = operands[0], list(operands[1:])
    else:
        subscripts, arrays = _lettered(operands)
    found = contraction.einsum(subscripts, *(_in(as_value(x), dtype) for x in arrays))
    return delivered(found, out, "np.einsum")


def _lettered(operands: Sequence[Any]) -> tuple[str, list[Any]]:
    """Operands each followed by the list of its labels, and a list for the result, as a string of subscripts."""
    arrays = list(operands[: len(operands) - len(operands) % 2 : 2])
    lists = [operands[k] for k in range(1, len(operands) - len(operands) % 2, 2)]
    letter = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    known = sorted({k for labels in lists for k in labels if k is not Ellipsis})
    names = {k: letter[n] for n, k in enumerate(known)}

    def text(labels: Sequence[Any]) -> str:
        return "".join("..." if k is Ellipsis else names[k] for k in labels)

    return ",".join(map(text, lists)) + (f"->{text(operands[-1])}" if len(operands) % 2 else ""), arrays


def cross(a: Array, b: Array, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Array:
    """The vector product in three dimensions, of vectors along ``axisa`` and ``axisb``, laid along ``axisc``."""
    if axis is not None:
        axisa = axisb = axisc = axis
    found = linalg.cross(moveaxis(a, axisa, -1), moveaxis(b, axisb, -1))
    return moveaxis(found, -1, axisc)


def trace(a: Array, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None) -> Array:
    """The sum along the diagonals of the matrices in two axes."""
    return delivered(contraction.trace(a, offset, axis1, axis2, dtype), out, "np.trace")


# ---- the rest -----------------------------------------------------------------------------------------------------------


def pad(array: Array, pad_width: Any, mode: str = "constant", **kwargs: Any) -> Array:
    """More elements before and after, along each axis: constants, or by ``mode`` what the array has."""
    return padding.pad(array, pad_width, mode, **kwargs)


def meshgrid(*xi: Array, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> tuple[Array, ...]:
    """The coordinates of a grid, one array for each axis."""
    return tuple(rearranging.meshgrid(*xi, indexing=indexing, sparse=sparse))


def broadcast_arrays(*args: Array, subok: bool = False) -> tuple[Array, ...]:
    """All arrays in the one shape that they broadcast to."""
    return tuple(rearranging.broadcast_arrays(*args))
