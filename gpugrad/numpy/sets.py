"""NumPy's set operations on tensors. Values are differentiable; their number depends on the data."""

from __future__ import annotations

from typing import Any

from gpugrad import errors
from gpugrad.ops import sets
from gpugrad.ops.elementwise import logical_not
from gpugrad.ops.gathering import nonzero, take
from gpugrad.ops.joining import concat
from gpugrad.ops.linear import reshape
from gpugrad.ops.rearranging import ravel
from gpugrad.trace import Array

__all__ = ["intersect1d", "isin", "setdiff1d", "setxor1d", "union1d", "unique"]


def unique(
    ar: Array, return_index: bool = False, return_inverse: bool = False, return_counts: bool = False,
    axis: int | None = None, *, equal_nan: bool = True, sorted: bool = True,
) -> Any:  # fmt: skip
    """The different elements in rising order; where each stands first, which each element is, how often each occurs."""
    if axis is not None and len(ar.shape) != 1:
        raise errors.UnsupportedError(
            "np.unique: axis= is not supported on tensors; sort the rows, np.lexsort, and compare neighbours"
        )
    found = sets.distinct(ravel(ar), equal_nan)
    inverse = reshape(found.inverse_indices, to=ar.shape, rank=1)
    asked = ((found.indices, return_index), (inverse, return_inverse), (found.counts, return_counts))
    more = [v for v, wanted in asked if wanted]
    return (found.values, *more) if more else found.values


def isin(
    element: Array, test_elements: Array, assume_unique: bool = False, invert: bool = False, *, kind: Any = None
) -> Array:
    """Whether each element is among ``test_elements``; with ``invert`` whether it is not."""
    return sets.isin(element, test_elements, invert)


def union1d(ar1: Array, ar2: Array) -> Array:
    """The different elements of both, in rising order."""
    return unique(concat([ravel(ar1), ravel(ar2)]))


def _those(x: Any, held: Any) -> Any:
    return take(x, nonzero(held)[0])


def intersect1d(ar1: Array, ar2: Array, assume_unique: bool = False, return_indices: bool = False) -> Any:
    """The different elements that are in both, in rising order; and where they stand first in each."""
    a, b = sets.distinct(ravel(ar1), True), sets.distinct(ravel(ar2), True)
    in_b, in_a = sets.isin(a.values, b.values), sets.isin(b.values, a.values)
    found = _those(a.values, in_b)
    return (found, _those(a.indices, in_b), _those(b.indices, in_a)) if return_indices else found


def setdiff1d(ar1: Array, ar2: Array, assume_unique: bool = False) -> Array:
    """The different elements of the first that are not in the second, in rising order."""
    a = ravel(ar1) if assume_unique else unique(ar1)
    return _those(a, logical_not(sets.isin(a, ar2)))


def setxor1d(ar1: Array, ar2: Array, assume_unique: bool = False) -> Array:
    """The different elements that are in one of the two only, in rising order."""
    return unique(concat([setdiff1d(ar1, ar2), setdiff1d(ar2, ar1)]))
