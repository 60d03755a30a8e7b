"""Reductions with NumPy's and the array API standard's signatures, composed of a few primitives.

``axis`` is an int, a tuple of ints, or None for all axes; with ``keepdims`` the reduced axes stay, with size 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpugrad import dtypes, errors
from gpugrad.ops import linearized as lz
from gpugrad.ops.casting import ranged
from gpugrad.ops.elementwise import greater, isnan, logical_not, not_equal, sqrt, where
from gpugrad.ops.linear import cast, conj, expand, real, reduce_sum, reshape
from gpugrad.primitive import Primitive
from gpugrad.shapes import Shape, axes_of, axis_of
from gpugrad.trace import Array, bind

__all__ = [
    "all", "amax", "amin", "any", "argmax", "argmin", "average", "cummax", "cummin", "cumprod", "cumulative_prod",
    "logsumexp", "max", "mean", "min", "nanmax", "nanmean", "nanmin", "nanprod", "nanstd", "nansum", "nanvar", "prod",
    "ptp", "std", "sum", "var",
]  # fmt: skip

Axis = int | Sequence[int] | None

_SUMMED = frozenset(map(np.dtype, ("float64", "float32", "int64", "uint64", "complex128", "complex64")))
"""Dtypes that a sum keeps."""
_SCALARS = frozenset({bool, int, float, complex})


# ---- what they share ------------------------------------------------------------------------------------------------


def array_of(x: Any) -> Any:
    """``x``, a Python number made an array of shape ()."""
    return where(True, x, x) if type(x) in _SCALARS else x


def kept(shape: Shape, axes: Sequence[int]) -> Shape:
    """``shape`` with size 1 along the axes."""
    return tuple(1 if i - len(shape) in axes else n for i, n in enumerate(shape))


def size_of(shape: Shape, axes: Sequence[int]) -> int:
    """The number of elements along the axes."""
    return math.prod(shape[a] for a in axes)


def restored(out: Any, shape: Shape, axes: Sequence[int], keepdims: bool) -> Any:
    """A reduced array with its axes put back as ones, if they are to be kept."""
    return reshape(out, to=kept(shape, axes), rank=len(out.shape)) if keepdims and axes else out


def floating(x: Any) -> Any:
    """``x`` in a floating-point dtype: integers and booleans become float64."""
    x = array_of(x)
    d = dtypes.of(x)
    return x if dtypes.is_inexact(d) else cast(x, dtype=dtypes.dtype("float64"), source=d)


def accumulated(x: Any, dtype: Any, name: str) -> Any:
    """``x`` in the dtype in which it is summed or multiplied: ``dtype``, or 64 bits for smaller integers.

    DtypeError for complex numbers in a ``dtype`` that would cut off their imaginary parts.
    """
    d = dtypes.of(x)
    if dtype is not None:
        wanted = dtypes.dtype(dtype)
        if dtypes.is_complex(d) and not dtypes.is_complex(wanted):
            raise errors.DtypeError(
                f"{name}: dtype={wanted.name} for an array of dtype {d.name}; expected a complex dtype. Take gg.real(x)"
            )
    elif d.kind in "bi":
        wanted = dtypes.dtype("int64")
    elif d.kind == "u":
        wanted = dtypes.dtype("uint64")
    else:
        return x
    return x if wanted == d else cast(x, dtype=wanted, source=d)


def _reduced(prim: Primitive, x: Any, axis: Axis, keepdims: bool, name: str) -> Any:
    shape = x.shape
    axes = axes_of(axis, shape, name)
    return restored(prim(x, axis=axes), shape, axes, keepdims)


# ---- sums and products ----------------------------------------------------------------------------------------------


@ranged
def sum(x: Array, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Array:
    """The sum over ``axis``. Integers are summed in 64 bits, or all in ``dtype``. The sum of nothing is 0.

    Raises AxisError for an axis that is out of range or named twice.

    >>> import gpugrad as gg
    >>> gg.sum(gg.tensor([[1.0, 2.0], [3.0, 4.0]]), axis=0)
    tensor([4., 6.])
    """
    if type(x) in _SCALARS:
        x = array_of(x)
    if dtype is not None or x.dtype not in _SUMMED:
        x = accumulated(x, dtype, "sum")
    shape = x.shape
    axes = axes_of(axis, shape, "sum")
    out = bind(reduce_sum, (x,), {"axis": axes})
    return restored(out, shape, axes, True) if keepdims else out


@ranged
def prod(x: Array, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Array:
    """The product over ``axis``. Integers are multiplied in 64 bits, or all in ``dtype``. The empty product is 1.

    The gradient is right with any number of zeros, to every order; it costs O(n log n).

    >>> import gpugrad as gg
    >>> gg.grad(gg.prod)(gg.tensor([0.0, 1.0, 2.0]))
    tensor([2., 0., 0.])
    """
    return _reduced(lz.reduce_prod, accumulated(array_of(x), dtype, "prod"), axis, keepdims, "prod")


def _cumulated(prim: Primitive, x: Any, axis: int | None, name: str, **params: Any) -> Any:
    if axis is None:
        x = reshape(x, to=(math.prod(x.shape),), rank=len(x.shape))
        axis = -1
    return prim(x, axis=axis_of(axis, x.shape, name), **params)


@ranged
def cumprod(x: Array, axis: int | None = None, dtype: Any = None) -> Array:
    """The product of all elements up to each one along ``axis``; of the flattened array for None.

    The gradient is right with any number of zeros, to every order; it costs O(n log n).

    >>> import gpugrad as gg
    >>> gg.cumprod(gg.tensor([1.0, 2.0, 3.0]))
    tensor([1., 2., 6.])
    """
    return _cumulated(lz.cumprod, accumulated(array_of(x), dtype, "cumprod"), axis, "cumprod", exclusive=False)


@ranged
def cumulative_prod(x: Array, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Array:
    """The array API's :func:`cumprod`: ``axis`` may be left out for one axis only; ``include_initial`` puts a 1 first.

    >>> import gpugrad as gg
    >>> gg.cumulative_prod(gg.tensor([2.0, 3.0]), include_initial=True)
    tensor([1., 2., 6.])
    """
    x = accumulated(array_of(x), dtype, "cumulative_prod")
    shape = x.shape
    if axis is None and len(shape) != 1:
        raise errors.ShapeError(
            f"cumulative_prod: shape {shape} has {len(shape)} axes; expected one axis, or axis=. Or use gg.cumprod"
        )
    a = axis_of(-1 if axis is None else axis, shape, "cumulative_prod")
    if include_initial:  # the exclusive product of one element more
        x = lz.lengthened(x, a)
    return lz.cumprod(x, axis=a, exclusive=include_initial)


def cummax(x: Array, axis: int | None = None) -> Array:
    """The largest element up to each one along ``axis``; of the flattened array for None. NaN propagates.

    Elements that tie share the gradient equally.

    >>> import gpugrad as gg
    >>> gg.cummax(gg.tensor([1.0, 3.0, 2.0]))
    tensor([1., 3., 3.])
    """
    return _cumulated(lz.cummax, array_of(x), axis, "cummax")


def cummin(x: Array, axis: int | None = None) -> Array:
    """The smallest element up to each one along ``axis``; of the flattened array for None. NaN propagates.

    Elements that tie share the gradient equally.

    >>> import gpugrad as gg
    >>> gg.cummin(gg.tensor([3.0, 1.0, 2.0]))
    tensor([3., 1., 1.])
    """
    return _cumulated(lz.cummin, array_of(x), axis, "cummin")


# ---- extrema --------------------------------------------------------------------------------------------------------


def _nonempty(x: Any, axis: Axis, name: str) -> tuple[int, ...]:
    shape = x.shape
    axes = axes_of(axis, shape, name)
    if 0 in shape and size_of(shape, axes) == 0:
        raise errors.ShapeError(f"{name}: shape {shape} has no elements along axis {axes}; expected at least one")
    return axes


def _extremum(prim: Primitive, x: Any, axis: Axis, keepdims: bool, name: str) -> Any:
    x = array_of(x)
    axes = _nonempty(x, axis, name)
    if dtypes.is_complex(x.dtype):
        raise errors.DtypeError(f"{name}: complex numbers have no order; take gg.abs(x) or gg.real(x) first")
    return restored(prim(x, axis=axes), x.shape, axes, keepdims)


def max(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """The largest element over ``axis``; NaN if there is one. Elements that tie share the gradient equally.

    Raises ShapeError where there is nothing to choose from, DtypeError for complex numbers.

    >>> import gpugrad as gg
    >>> gg.max(gg.tensor([[1.0, 5.0], [3.0, 4.0]]), axis=1)
    tensor([5., 4.])
    """
    return _extremum(lz.reduce_max, x, axis, keepdims, "max")


def min(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """The smallest element over ``axis``; NaN if there is one. Elements that tie share the gradient equally.

    Raises ShapeError where there is nothing to choose from, DtypeError for complex numbers.

    >>> import gpugrad as gg
    >>> gg.min(gg.tensor([[1.0, 5.0], [3.0, 4.0]]), axis=1)
    tensor([1., 3.])
    """
    return _extremum(lz.reduce_min, x, axis, keepdims, "min")


amax = max
amin = min


def ptp(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """The range of values over ``axis``: the largest less the smallest.

    >>> import gpugrad as gg
    >>> gg.ptp(gg.tensor([1.0, 5.0, 3.0]))
    tensor(4.)
    """
    return _extremum(lz.reduce_max, x, axis, keepdims, "ptp") - _extremum(lz.reduce_min, x, axis, keepdims, "ptp")


def _arg(prim: Primitive, x: Any, axis: int | None, keepdims: bool, name: str) -> Any:
    x = array_of(x)
    shape = x.shape
    axes = _nonempty(x, axis if axis is None else axis_of(axis, shape, name), name)
    if dtypes.of(x).kind == "b":
        x = cast(x, dtype=dtypes.dtype("uint8"), source=dtypes.dtype("bool"))
    if axis is None:
        x = reshape(x, to=(math.prod(shape),), rank=len(shape))
    return restored(prim(x, axis=-1 if axis is None else axes[0]), shape, axes, keepdims)


def argmax(x: Array, axis: int | None = None, keepdims: bool = False) -> Array:
    """The index of the first largest element along ``axis`` (of the flattened array for None). No derivative.

    Raises ShapeError where there is nothing to choose from.

    >>> import gpugrad as gg
    >>> gg.argmax(gg.tensor([[1.0, 5.0], [4.0, 4.0]]), axis=1)
    tensor([1, 0])
    """
    return _arg(lz.argmax, x, axis, keepdims, "argmax")


def argmin(x: Array, axis: int | None = None, keepdims: bool = False) -> Array:
    """The index of the first smallest element along ``axis`` (of the flattened array for None). No derivative.

    Raises ShapeError where there is nothing to choose from.

    >>> import gpugrad as gg
    >>> gg.argmin(gg.tensor([[1.0, 5.0], [4.0, 4.0]]), axis=1)
    tensor([0, 0])
    """
    return _arg(lz.argmin, x, axis, keepdims, "argmin")


def any(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Whether any element over ``axis`` is true (not zero); False of nothing.

    >>> import gpugrad as gg
    >>> gg.any(gg.tensor([[False, True], [False, False]]), axis=1)
    tensor([ True, False])
    """
    return _reduced(lz.reduce_any, array_of(x), axis, keepdims, "any")


def all(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Whether all elements over ``axis`` are true (not zero); True of nothing.

    >>> import gpugrad as gg
    >>> gg.all(gg.tensor([[True, True], [False, True]]), axis=1)
    tensor([ True, False])
    """
    return _reduced(lz.reduce_all, array_of(x), axis, keepdims, "all")


@ranged
def logsumexp(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """log Σ eˣ over ``axis`` without overflow; -∞ of nothing. The gradient is softmax(x).

    Exact for infinite elements: several of +∞, or nothing but -∞, share the gradient equally.

    >>> import gpugrad as gg
    >>> gg.logsumexp(gg.tensor([1000.0, 1000.0]))
    tensor(1000.69314718)
    """
    x = floating(x)
    shape = x.shape
    axes = axes_of(axis, shape, "logsumexp")
    if 0 in shape and size_of(shape, axes) == 0:
        return sum(x, axis, keepdims=keepdims) - math.inf
    return restored(lz.reduce_logsumexp(x, axis=axes), shape, axes, keepdims)


# ---- averages -------------------------------------------------------------------------------------------------------


def _averaged(x: Any, dtype: Any, name: str) -> Any:
    """``x`` in the floating-point dtype in which it is averaged; DtypeError for a ``dtype`` that has no fractions."""
    if dtype is None:
        return floating(x)
    if not dtypes.is_inexact(dtypes.dtype(dtype)):
        raise errors.DtypeError(
            f"{name}: dtype={dtypes.dtype(dtype).name}; expected a floating-point one. Cast the result instead"
        )
    return accumulated(array_of(x), dtype, name)


@ranged
def mean(x: Array, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Array:
    """The arithmetic mean over ``axis``; NaN of nothing. Integers give float64; half precision is summed in float32.

    >>> import gpugrad as gg
    >>> gg.mean(gg.tensor([[1.0, 2.0], [3.0, 6.0]]), axis=1)
    tensor([1.5, 4.5])
    """
    x = _averaged(x, dtype, "mean")
    shape = x.shape
    axes = axes_of(axis, shape, "mean")
    n = size_of(shape, axes)
    half = dtypes.of(x) if dtypes.is_half(x.dtype) else None
    if half is not None:  # the sum may be beyond what the half dtype holds, the mean is not
        x = cast(x, dtype=dtypes.dtype("float32"), source=half)
    total = reduce_sum(x, axis=axes)
    out = restored(total / float(n) if n else total + math.nan, shape, axes, keepdims)
    return out if half is None else cast(out, dtype=half, source=dtypes.dtype("float32"))


@ranged
def average(x: Array, axis: Axis = None, weights: Array = None, keepdims: bool = False) -> Array:
    """The mean over ``axis`` with ``weights`` of the shape of ``x``, or one for each index of a single axis.

    Raises ShapeError for weights of another shape.

    >>> import gpugrad as gg
    >>> gg.average(gg.tensor([1.0, 2.0]), weights=gg.tensor([3.0, 1.0]))
    tensor(1.25)
    """
    if weights is None:
        return mean(x, axis, keepdims=keepdims)
    x = floating(x)
    shape = x.shape
    axes = axes_of(axis, shape, "average")
    if weights.shape != shape:
        if len(axes) != 1 or weights.shape != (shape[axes[0]],):
            raise errors.ShapeError(
                f"average: weights of shape {weights.shape} for x of shape {shape}, axis {axis}; expected the shape "
                f"of x, or one axis and a weight for each of its indices"
            )
        weights = reshape(weights, to=tuple(n if i - len(shape) in axes else 1 for i, n in enumerate(shape)), rank=1)
    total = sum(weights, axis if weights.shape == shape else None)
    out = sum(x * weights, axes) / total
    return restored(out, shape, axes, keepdims)


def _deviations(x: Any, axes: tuple[int, ...]) -> Any:
    """x less its mean, squared (in absolute value)."""
    d = x - mean(x, axes, keepdims=True)
    return real(d * conj(d)) if dtypes.is_complex(x.dtype) else d * d


@ranged
def var(
    x: Array, axis: Axis = None, dtype: Any = None, correction: float = 0, keepdims: bool = False,
    *, ddof: float | None = None,
) -> Array:  # fmt: skip
    """The variance over ``axis``: the mean square of the distances from the mean, with n - ``correction`` for n.

    ``ddof`` is NumPy's name for ``correction``. NaN, as the standard has it, where n - correction is 0 or less.

    >>> import gpugrad as gg
    >>> gg.var(gg.tensor([1.0, 3.0]), correction=1)
    tensor(2.)
    """
    x = _averaged(x, dtype, "var")
    shape = x.shape
    axes = axes_of(axis, shape, "var")
    half = dtypes.of(x) if dtypes.is_half(x.dtype) else None
    if half is not None:  # squares overflow early
        x = cast(x, dtype=dtypes.dtype("float32"), source=half)
    less = correction if ddof is None else ddof
    if not isinstance(less, int | float | np.number):
        raise errors.DtypeError(f"var: correction={less!r} of type {type(less).__name__}; expected a number")
    n = size_of(shape, axes) - less
    total = reduce_sum(_deviations(x, axes), axis=axes)
    out = restored(total / float(n) if n > 0 else total * math.nan, shape, axes, keepdims)
    return out if half is None else cast(out, dtype=half, source=dtypes.dtype("float32"))


def root(v: Any) -> Any:
    """√v with derivative 0 where v is 0: the root of a sum of squares at its minimum."""
    moved = not_equal(v, 0.0)
    return where(moved, sqrt(where(moved, v, 1.0)), 0.0)


@ranged
def std(
    x: Array, axis: Axis = None, dtype: Any = None, correction: float = 0, keepdims: bool = False,
    *, ddof: float | None = None,
) -> Array:  # fmt: skip
    """The standard deviation over ``axis``: the root of :func:`var`. Of equal numbers it is 0 and so is its gradient.

    >>> import gpugrad as gg
    >>> gg.std(gg.tensor([1.0, 3.0]))
    tensor(1.)
    """
    x = array_of(x)
    return root(var(x, axes_of(axis, x.shape, "std"), dtype, correction, keepdims, ddof=ddof))


# ---- without NaN ----------------------------------------------------------------------------------------------------


def _present(x: Any, fill: float) -> tuple[Any, Any]:
    """``x`` with ``fill`` for NaN, and where it is a number."""
    there = logical_not(isnan(x))
    return where(there, x, fill), there


def _numbers(x: Any) -> bool:
    """Whether NaN cannot occur."""
    return not dtypes.is_inexact(x.dtype)


@ranged
def nansum(x: Array, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Array:
    """The sum over ``axis`` with NaN counted as 0; no gradient reaches NaN.

    >>> import gpugrad as gg
    >>> gg.nansum(gg.tensor([1.0, float("nan"), 2.0]))
    tensor(3.)
    """
    x = array_of(x)
    axes = axes_of(axis, x.shape, "nansum")
    return sum(x if _numbers(x) else _present(x, 0.0)[0], axes, dtype, keepdims)


@ranged
def nanprod(x: Array, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Array:
    """The product over ``axis`` with NaN counted as 1; no gradient reaches NaN.

    >>> import gpugrad as gg
    >>> gg.nanprod(gg.tensor([3.0, float("nan"), 2.0]))
    tensor(6.)
    """
    x = array_of(x)
    axes = axes_of(axis, x.shape, "nanprod")
    return prod(x if _numbers(x) else _present(x, 1.0)[0], axes, dtype, keepdims)


def _counted(there: Any, like: Any, axes: tuple[int, ...]) -> Any:
    return reduce_sum(lz.indicator(there, like), axis=axes)


def _per(total: Any, count: Any) -> Any:
    """total / count, NaN (silently) where the count is 0 or less."""
    some = greater(count, 0.0)
    return where(some, total / where(some, count, 1.0), math.nan)


@ranged
def nanmean(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """The mean over ``axis`` of what is not NaN; NaN where there is nothing else.

    >>> import gpugrad as gg
    >>> gg.nanmean(gg.tensor([1.0, float("nan"), 2.0]))
    tensor(1.5)
    """
    x = floating(x)
    shape = x.shape
    axes = axes_of(axis, shape, "nanmean")
    x, there = _present(x, 0.0)
    return restored(_per(reduce_sum(x, axis=axes), _counted(there, real_like(x), axes)), shape, axes, keepdims)


def real_like(x: Any) -> Any:
    """``x``, or its real part: an array with the dtype of the absolute values."""
    return real(x) if dtypes.is_complex(x.dtype) else x


@ranged
def nanvar(
    x: Array, axis: Axis = None, correction: float = 0, keepdims: bool = False, *, ddof: float | None = None
) -> Array:
    """The variance over ``axis`` of what is not NaN, with n - ``correction`` for their number n; NaN for too few.

    >>> import gpugrad as gg
    >>> gg.nanvar(gg.tensor([1.0, float("nan"), 3.0]))
    tensor(1.)
    """
    x = floating(x)
    shape = x.shape
    axes = axes_of(axis, shape, "nanvar")
    x, there = _present(x, 0.0)
    count = _counted(there, real_like(x), axes)
    centre = reduce_sum(x, axis=axes) / where(greater(count, 0.0), count, 1.0)
    d = where(there, x - expand(centre, axis=axes, sizes=tuple(shape[a] for a in axes)), 0.0)
    squares = real(d * conj(d)) if dtypes.is_complex(x.dtype) else d * d
    out = _per(reduce_sum(squares, axis=axes), count - float(correction if ddof is None else ddof))
    return restored(out, shape, axes, keepdims)


@ranged
def nanstd(
    x: Array, axis: Axis = None, correction: float = 0, keepdims: bool = False, *, ddof: float | None = None
) -> Array:
    """The standard deviation over ``axis`` of what is not NaN: the root of :func:`nanvar`.

    >>> import gpugrad as gg
    >>> gg.nanstd(gg.tensor([1.0, float("nan"), 3.0]))
    tensor(1.)
    """
    x = array_of(x)
    return root(nanvar(x, axes_of(axis, x.shape, "nanstd"), correction, keepdims, ddof=ddof))


def _nanextremum(prim: Primitive, x: Any, axis: Axis, keepdims: bool, name: str, worst: float) -> Any:
    x = array_of(x)
    if _numbers(x):
        return _extremum(prim, x, axis, keepdims, name)
    filled, there = _present(x, worst)
    found = _extremum(prim, filled, axis, keepdims, name)
    return where(any(there, axis, keepdims), found, math.nan)


def nanmax(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """The largest element over ``axis`` that is not NaN; NaN where there is nothing else.

    >>> import gpugrad as gg
    >>> gg.nanmax(gg.tensor([1.0, float("nan"), 2.0]))
    tensor(2.)
    """
    return _nanextremum(lz.reduce_max, x, axis, keepdims, "nanmax", -math.inf)


def nanmin(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """The smallest element over ``axis`` that is not NaN; NaN where there is nothing else.

    >>> import gpugrad as gg
    >>> gg.nanmin(gg.tensor([1.0, float("nan"), 2.0]))
    tensor(1.)
    """
    return _nanextremum(lz.reduce_min, x, axis, keepdims, "nanmin", math.inf)
