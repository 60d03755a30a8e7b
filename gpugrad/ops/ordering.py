"""Sorting, and what is read off a sorted array. A sorted value is the element that stands there: so flows its gradient.

NaN counts as larger than every number, so it comes last, and first when ``descending``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from gpugrad import dtypes, errors
from gpugrad.ops import linearized as lz
from gpugrad.ops.elementwise import (
    SCALARS,
    ceil,
    clip,
    equal,
    floor,
    greater_equal,
    isinf,
    isnan,
    logical_and,
    logical_not,
    masked_multiply,
    round,
    where,
)
from gpugrad.ops.gathering import checked, take_along_axis
from gpugrad.ops.linear import broadcast_to, cast, moved, reduce_sum, reshape, slice_
from gpugrad.ops.reductions import array_of, floating, restored
from gpugrad.shapes import Shape, axes_of, axis_of
from gpugrad.trace import Array

__all__ = [
    "argsort", "median", "nanmedian", "nanpercentile", "nanquantile", "partition", "percentile", "quantile", "sort",
    "top_k",
]  # fmt: skip

Axis = int | Sequence[int] | None


def _one_axis(x: Any, axis: int | None, name: str) -> tuple[Any, int]:
    """The array and the axis to sort along: for None, the flattened array and its axis."""
    if axis is None:
        return reshape(x, to=(math.prod(x.shape),), rank=len(x.shape)), -1
    return x, axis_of(axis, x.shape, name)


def argsort(x: Array, axis: int | None = -1, descending: bool = False, stable: bool = True) -> Array:
    """The indices that sort x along ``axis`` (the flattened x for None). Equal elements keep their order, always.

    O(n log n). No derivative flows through indices.

    >>> import gpugrad as gg
    >>> gg.argsort(gg.tensor([3.0, 1.0, 2.0]), descending=True)
    tensor([0, 2, 1])
    """
    x, a = _one_axis(array_of(x), axis, "argsort")
    return lz.argsort(x, axis=a, descending=descending)


def sort(x: Array, axis: int | None = -1, descending: bool = False, stable: bool = True) -> Array:
    """x with its elements in order along ``axis`` (the flattened x for None). Equal elements keep their order, always.

    O(n log n). The gradient of each element goes back to where it came from.

    >>> import gpugrad as gg
    >>> gg.sort(gg.tensor([3.0, 1.0, 2.0]))
    tensor([1., 2., 3.])
    """
    x, a = _one_axis(array_of(x), axis, "sort")
    return take_along_axis(x, lz.argsort(x, axis=a, descending=descending), a)


def partition(x: Array, kth: int | Sequence[int], axis: int | None = -1) -> Array:
    """x rearranged along ``axis`` with element ``kth`` where sorting puts it, smaller ones before and others after.

    It is sorted altogether, which satisfies this. Raises AxisError for ``kth`` out of range.

    >>> import gpugrad as gg
    >>> gg.partition(gg.tensor([3.0, 1.0, 2.0]), 1)
    tensor([1., 2., 3.])
    """
    x, a = _one_axis(array_of(x), axis, "partition")
    n = x.shape[a]
    for k in (kth,) if isinstance(kth, int) else kth:
        if not -n <= k < n:
            raise errors.AxisError(f"partition: kth={k} is out of range for shape {x.shape} along axis {axis}")
    return sort(x, a)


def top_k(x: Array, k: int, axis: int = -1, largest: bool = True) -> tuple[Array, Array]:
    """The ``k`` largest elements along ``axis``, in falling order, and their indices; the smallest, rising, if not ``largest``.

    Of equal elements the first come first. Raises ShapeError if there are fewer than ``k``, and unless it is an integer.

    >>> import gpugrad as gg
    >>> gg.top_k(gg.tensor([1.0, 3.0, 2.0]), 2)
    (tensor([3., 2.]), tensor([1, 2]))
    """
    shape = x.shape
    a = axis_of(axis, shape, "top_k")
    if not hasattr(k, "__index__") or not 0 <= k <= shape[a]:
        raise errors.ShapeError(
            f"top_k: k={k!r} for shape {shape} along axis {axis}; expected an integer from 0 to {shape[a]}"
        )
    order = slice_(lz.argsort(x, axis=a, descending=largest), spec=lz.range_of(shape, a, 0, k.__index__()))
    return take_along_axis(x, order, a), order


# ---- quantiles ------------------------------------------------------------------------------------------------------

_METHODS = ("linear", "lower", "higher", "midpoint", "nearest")


def quantile(x: Array, q: Array, axis: Axis = None, method: str = "linear", keepdims: bool = False) -> Array:
    """The value below which a fraction ``q`` of the elements over ``axis`` lies; NaN if there is a NaN.

    Between two elements, ``method`` says what to take: "linear" interpolation, the "lower", the "higher", their
    "midpoint" or the "nearest". The axes of ``q`` lead in the result. The gradient reaches x, and q under "linear".
    O(n log n). Raises ArgumentError for a number q outside 0 to 1 (AxisError if it is in an array), ShapeError where
    there are no elements, DtypeError for complex numbers.

    >>> import gpugrad as gg
    >>> gg.quantile(gg.tensor([1.0, 2.0, 4.0]), [0.5, 0.75])
    tensor([2., 3.])
    """
    return _quantile(x, q, axis, method, keepdims, "quantile", skip=False)


def nanquantile(x: Array, q: Array, axis: Axis = None, method: str = "linear", keepdims: bool = False) -> Array:
    """:func:`quantile` of what is not NaN; NaN where there is nothing else.

    >>> import gpugrad as gg
    >>> gg.nanquantile(gg.tensor([1.0, float("nan"), 2.0, 4.0]), 0.5)
    tensor(2.)
    """
    return _quantile(x, q, axis, method, keepdims, "nanquantile", skip=True)


def percentile(x: Array, q: Array, axis: Axis = None, method: str = "linear", keepdims: bool = False) -> Array:
    """:func:`quantile` with ``q`` in percent.

    >>> import gpugrad as gg
    >>> gg.percentile(gg.tensor([1.0, 2.0, 4.0]), 75)
    tensor(3.)
    """
    return _quantile(x, q, axis, method, keepdims, "percentile", skip=False, whole=100.0)


def nanpercentile(x: Array, q: Array, axis: Axis = None, method: str = "linear", keepdims: bool = False) -> Array:
    """:func:`nanquantile` with ``q`` in percent.

    >>> import gpugrad as gg
    >>> gg.nanpercentile(gg.tensor([1.0, float("nan"), 3.0]), 50)
    tensor(2.)
    """
    return _quantile(x, q, axis, method, keepdims, "nanpercentile", skip=True, whole=100.0)


def median(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """The middle element over ``axis``, or the mean of the middle two; NaN if there is a NaN.

    >>> import gpugrad as gg
    >>> gg.median(gg.tensor([5.0, 1.0, 2.0]))
    tensor(2.)
    """
    return _quantile(x, 0.5, axis, "linear", keepdims, "median", skip=False)


def nanmedian(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """The :func:`median` of what is not NaN; NaN where there is nothing else.

    >>> import gpugrad as gg
    >>> gg.nanmedian(gg.tensor([5.0, 1.0, float("nan")]))
    tensor(3.)
    """
    return _quantile(x, 0.5, axis, "linear", keepdims, "nanmedian", skip=True)


def _quantile(
    x: Any, q: Any, axis: Axis, method: str, keepdims: bool, name: str, skip: bool, whole: float = 1.0
) -> Any:
    """The quantiles of ``x`` at ``q`` parts of the ``whole``; with ``skip``, of what is not NaN."""
    if method not in _METHODS:
        raise errors.ArgumentError(f"{name}: method={method!r}; expected one of {', '.join(map(repr, _METHODS))}")
    x = floating(x)
    if dtypes.is_complex(x.dtype) or (type(q) not in SCALARS and dtypes.is_complex(q.dtype)) or type(q) is complex:
        raise errors.DtypeError(f"{name}: complex numbers have no order; take gg.abs(x) or gg.real(x) first")
    shape = x.shape
    axes = axes_of(axis, shape, name)
    rows = lz.joined(x, axes)
    n = rows.shape[-1]
    if n == 0:
        raise errors.ShapeError(f"{name}: shape {shape} has no elements along axis {axis}; expected at least one")
    rows = sort(rows)
    rest = rows.shape[:-1]
    wanted: Shape = () if type(q) in SCALARS else q.shape
    if type(q) in SCALARS and not 0.0 <= q <= whole:
        raise errors.ArgumentError(f"{name}: q={q}; expected 0 to {whole:g}")
    q = q if whole == 1.0 else q / whole
    if type(q) in SCALARS and not skip:
        out = _between(*_neighbours(rows, float(q) * (n - 1), method))
    else:
        out = _at(rows, q, wanted, method, f"{name}: q outside 0 to {whole:g}", skip)
    if not skip:
        last = slice_(rows, spec=((n - 1, n, 1),))
        out = where(logical_not(broadcast_to(isnan(last), out.shape)), out, math.nan)
    out = reshape(moved(out, -1, -len(out.shape)), to=(*wanted, *rest), rank=len(out.shape))
    return restored(out, (*wanted, *shape), axes, keepdims)


def _neighbours(rows: Any, position: float, method: str) -> tuple[Any, Any, float]:
    """The elements on both sides of a position that is known, and how far it is from the first to the second."""
    below, above, weight = _sides(
        position, math.floor(position), math.ceil(position), float(_nearest(position)), method
    )
    a = slice_(rows, spec=((int(below), int(below) + 1, 1),))
    return a, slice_(rows, spec=((int(above), int(above) + 1, 1),)) if weight else a, weight


def _nearest(position: float) -> int:
    whole, part = divmod(position, 1.0)
    return int(whole) + (part > 0.5 or (part == 0.5 and whole % 2 == 1))


def _sides(position: Any, below: Any, above: Any, nearest: Any, method: str) -> tuple[Any, Any, Any]:
    match method:
        case "lower":
            return below, below, 0.0
        case "higher":
            return above, above, 0.0
        case "nearest":
            return nearest, nearest, 0.0
        case "midpoint":
            return below, above, 0.5
    return below, above, position - below


def _at(rows: Any, q: Any, wanted: Shape, method: str, outside: str, skip: bool) -> Any:
    """The quantiles of each row at every q, along a last axis; ``outside`` is what an error says."""
    d = dtypes.dtype("float64")
    if type(q) in SCALARS:
        q = float(q)
    else:
        q = reshape(
            q if dtypes.of(q) == d else cast(q, dtype=d, source=dtypes.of(q)), to=(math.prod(wanted),), rank=len(wanted)
        )
    if skip:  # the numbers of a row come first; of none, NaN is the first
        there = cast(logical_not(isnan(rows)), dtype=d, source=dtypes.dtype("bool"))
        count = reduce_sum(there, axis=(-1,))
        position = clip(reshape(count, to=(*count.shape, 1), rank=len(count.shape)) - 1.0, 0.0, math.inf) * q
    else:
        position = broadcast_to(q * float(rows.shape[-1] - 1), (*rows.shape[:-1], math.prod(wanted)))
    below, above, weight = _sides(position, floor(position), ceil(position), round(position), method)
    a = _read(rows, below, outside)
    if type(weight) is float and weight == 0.0:
        return a
    if type(weight) is not float and dtypes.of(rows) != d:
        weight = cast(weight, dtype=dtypes.of(rows), source=d)
    return _between(a, _read(rows, above, outside), weight)


def _read(rows: Any, position: Any, outside: str) -> Any:
    n = rows.shape[-1]
    position = where(greater_equal(position, 0.0), position, float(n))  # a negative index would count from the end
    index = cast(position, dtype=dtypes.dtype("int64"), source=dtypes.of(position))
    return take_along_axis(rows, checked(index, rows, n, -1, outside), -1)


def _between(a: Any, b: Any, weight: Any) -> Any:
    """a + weight · (b - a), right for infinities too."""
    if type(weight) is float and weight == 0.0:
        return a
    apart = logical_not(logical_and(equal(a, b), isinf(a)))
    return a + masked_multiply(where(apart, b, 0.0) - where(apart, a, 0.0), weight)
