"""Sets: what is different in an array, and what of it is in another. By sorting, in O(n log n).

How many elements there are depends on the data, so none of this works inside ``vmap``, except :func:`isin`.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from gpugrad import dtypes
from gpugrad.ops.elementwise import equal, isnan, less, logical_and, logical_not, minimum, not_equal
from gpugrad.ops.gathering import nonzero, put_along_axis, searchsorted, take
from gpugrad.ops.joining import concat
from gpugrad.ops.linear import cast, constant, reshape, slice_
from gpugrad.ops.ordering import argsort, sort
from gpugrad.ops.rearranging import arrays
from gpugrad.ops.sequences import cumsum
from gpugrad.trace import Array

__all__ = ["isin", "unique_all", "unique_counts", "unique_inverse", "unique_values"]


class UniqueAllResult(NamedTuple):
    """Values, where each stands first, which value each element has, and how often each value occurs."""

    values: Array
    indices: Array
    inverse_indices: Array
    counts: Array


class UniqueCountsResult(NamedTuple):
    """Values, and how often each occurs."""

    values: Array
    counts: Array


class UniqueInverseResult(NamedTuple):
    """Values, and which of them each element has."""

    values: Array
    inverse_indices: Array


def _flat(x: Any) -> Any:
    return reshape(x, to=(math.prod(x.shape),), rank=len(x.shape))


def _part(x: Any, start: int, stop: int) -> Any:
    return slice_(x, spec=((start, stop, 1),))


def distinct(x: Any, equal_nan: bool = False) -> UniqueAllResult:
    """All four of a vector; NaNs are different, as the standard has it, unless ``equal_nan``."""
    n = x.shape[0]
    int64 = np.dtype(np.int64)
    if n == 0:
        none = argsort(x)
        return UniqueAllResult(x, none, none, none)
    order = argsort(x)
    zero = constant(order, to=(1,), fill=0)
    s = take(x, order)
    before, after = _part(s, 0, n - 1), _part(s, 1, n)
    new = not_equal(before, after)
    if equal_nan and dtypes.is_inexact(s.dtype):
        new = logical_and(new, logical_not(logical_and(isnan(before), isnan(after))))
    at = nonzero(concat([constant(new, to=(1,), fill=True), new]))[0]
    ends = concat([_part(at, 1, at.shape[0]), zero + n])
    ranks = concat([zero, cumsum(cast(new, dtype=int64, source=np.dtype(bool)))])
    inverse = put_along_axis(order, order, ranks, 0)
    return UniqueAllResult(take(s, at), take(order, at), inverse, ends - at)


def unique_all(x: Array) -> UniqueAllResult:
    """The different elements in rising order, where each stands first in the flattened array, which of them each
    element is (in the shape of ``x``), and how often each occurs. Differentiable in the values.

    >>> import gpugrad as gg
    >>> gg.unique_all(gg.tensor([3.0, 1.0, 3.0])).inverse_indices
    tensor([1, 0, 1])
    """
    found = distinct(_flat(x))
    return found._replace(inverse_indices=reshape(found.inverse_indices, to=x.shape, rank=1))


def unique_values(x: Array) -> Array:
    """The different elements in rising order.

    >>> import gpugrad as gg
    >>> gg.unique_values(gg.tensor([3.0, 1.0, 3.0]))
    tensor([1., 3.])
    """
    return distinct(_flat(x)).values


def unique_counts(x: Array) -> UniqueCountsResult:
    """The different elements in rising order, and how often each occurs.

    >>> import gpugrad as gg
    >>> gg.unique_counts(gg.tensor([3.0, 1.0, 3.0])).counts
    tensor([1, 2])
    """
    found = distinct(_flat(x))
    return UniqueCountsResult(found.values, found.counts)


def unique_inverse(x: Array) -> UniqueInverseResult:
    """The different elements in rising order, and which of them each element is, in the shape of ``x``.

    >>> import gpugrad as gg
    >>> gg.unique_inverse(gg.tensor([[3.0, 1.0]])).inverse_indices
    tensor([[1, 0]])
    """
    found = unique_all(x)
    return UniqueInverseResult(found.values, found.inverse_indices)


def isin(x: Array, y: Array, invert: bool = False) -> Array:
    """Whether each element of ``x`` is in ``y``; with ``invert`` whether it is not. NaN is in nothing.

    >>> import gpugrad as gg
    >>> gg.isin(gg.tensor([1, 2, 3]), [3, 1])
    tensor([ True, False,  True])
    """
    x, y = arrays([x, y])
    among = sort(_flat(y))
    n = among.shape[0]
    if n == 0:
        held = not_equal(x, x) if not dtypes.is_inexact(x.dtype) else less(x, -math.inf)
    else:
        at = minimum(searchsorted(among, x), n - 1)
        held = equal(take(among, at), x)
    return logical_not(held) if invert else held
