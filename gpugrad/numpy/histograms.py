"""NumPy's histograms: counts are constants, sums of weights are differentiable, edges are those of the data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpugrad import creation, errors
from gpugrad.numpy.creating import linspace
from gpugrad.ops.elementwise import equal, greater_equal, less, logical_and, logical_or, where
from gpugrad.ops.gathering import searchsorted
from gpugrad.ops.indexing import scatter_add
from gpugrad.ops.linear import reshape
from gpugrad.ops.rearranging import ravel
from gpugrad.ops.reductions import floating
from gpugrad.ops.reductions import max as max_of
from gpugrad.ops.reductions import min as min_of
from gpugrad.ops.reductions import sum as sum_of
from gpugrad.ops.sequences import diff
from gpugrad.tensor import Tensor
from gpugrad.trace import Array
from gpugrad.transforms.lift import as_value

__all__ = ["histogram", "histogram2d", "histogram_bin_edges", "histogramdd"]


def histogram_bin_edges(a: Array, bins: Any = 10, range: Any = None, weights: Array | None = None) -> Array:
    """The edges of the bins of :func:`histogram`."""
    return _edges(ravel(a), bins, range, weights, "np.histogram_bin_edges")


def _edges(x: Any, bins: Any, range: Any, weights: Any, what: str) -> Any:
    """Edges that are given, or ``bins`` of one width between the ends of ``range`` or of the data."""
    if isinstance(bins, str):
        if weights is not None:
            raise errors.UnsupportedError(
                f"{what}: bins={bins!r} with weights; expected a number of bins, or their edges"
            )
        bins = len(np.histogram_bin_edges(x.detach().numpy(), bins, range)) - 1
    if not isinstance(bins, int | np.integer):
        return as_value(bins)
    if bins < 1:
        raise errors.ShapeError(f"{what}: bins={bins}; expected 1 or more")
    if range is not None:
        low, high = range
    elif not x.shape[0]:
        low, high = 0.0, 1.0
    else:
        low, high = floating(min_of(x)), floating(max_of(x))
    if range is not None and not low <= high:
        raise errors.ShapeError(f"{what}: range={range!r}; expected the smaller end first")
    low, high = as_value(low), as_value(high)
    flat = equal(low, high)
    return linspace(where(flat, low - 0.5, low) * 1.0, where(flat, high + 0.5, high) * 1.0, int(bins) + 1)


def _places(x: Any, edges: Any) -> tuple[Any, Any]:
    """The bin of each element, the last bin with both of its ends, and whether there is one."""
    n = edges.shape[0] - 1
    inside = logical_and(greater_equal(x, edges[0]), logical_or(less(x, edges[n]), equal(x, edges[n])))
    found = searchsorted(edges, x, side="right") - 1
    return where(equal(x, edges[n]), n - 1, found), inside


def _gathered(places: Any, inside: Any, sizes: Sequence[int], weights: Any) -> Any:
    """How many elements are at each place, or the sum of their weights; those outside go nowhere."""
    n = math.prod(sizes)
    values = as_value(np.ones(places.shape, np.int64)) if weights is None else weights
    values = values.astype("int64") if values.dtype.kind == "b" else values
    out = creation.zeros((n + 1,), dtype=values.dtype, device=places.device)
    return reshape(scatter_add(out, where(inside, places, n), values)[:n], to=tuple(sizes), rank=1)


def histogram(
    a: Array, bins: Any = 10, range: Any = None, density: bool | None = None, weights: Array | None = None
) -> tuple[Array, Array]:
    """(counts, edges): how many elements each bin holds, or the sum of their ``weights``, in which it is differentiable.

    ``bins`` is their number, their edges, or the name of a rule of NumPy's that chooses a number. With ``density`` the
    integral over the bins is 1. The last bin contains both of its ends.

    >>> import gpugrad as gg, numpy as np
    >>> np.histogram(gg.tensor([0.1, 0.2, 0.9]), bins=2, range=(0.0, 1.0))[0]
    tensor([2, 1])
    """
    x = ravel(a)
    edges = _edges(x, bins, range, weights, "np.histogram")
    if weights is not None and weights.shape != a.shape:
        raise errors.ShapeError(f"np.histogram: weights of shape {weights.shape} for {a.shape}; expected the same")
    counts = _gathered(*_places(x, edges), (edges.shape[0] - 1,), None if weights is None else ravel(weights))
    if not density:
        return counts, edges
    return floating(counts) / floating(diff(edges)) / sum_of(counts), edges


def histogramdd(
    sample: Any, bins: Any = 10, range: Any = None, density: bool | None = None, weights: Array | None = None
) -> tuple[Array, tuple[Array, ...]]:
    """(counts, edges along each axis) of points in several dimensions: the rows of ``sample``, or a list of coordinates."""
    whole = type(sample) is Tensor or hasattr(sample, "shape")
    columns = _columns(as_value(sample)) if whole else [as_value(c) for c in sample]
    d = len(columns)
    each = list(bins) if not isinstance(bins, int | np.integer) else [bins] * d
    if len(each) != d or (range is not None and len(range) != d):
        raise errors.ShapeError(f"np.histogramdd: {len(each)} bins for {d} dimensions; expected as many")
    ranges = [None] * d if range is None else list(range)
    edges = [_edges(c, b, r, None, "np.histogramdd") for c, b, r in zip(columns, each, ranges, strict=True)]
    sizes = [e.shape[0] - 1 for e in edges]
    place: Any = None
    inside: Any = None
    for c, e, n in zip(columns, edges, sizes, strict=True):
        k, held = _places(c, e)
        place = k if place is None else place * n + k
        inside = held if inside is None else logical_and(inside, held)
    counts = floating(_gathered(place, inside, sizes, weights))
    total = sum_of(counts)
    if density:
        for axis, e in enumerate(edges):
            counts = counts / reshape(diff(e), to=(sizes[axis], *(1,) * (d - 1 - axis)), rank=1)
        counts = counts / total
    return counts, tuple(edges)


def _columns(x: Any) -> list[Any]:
    if len(x.shape) == 1:
        return [x]
    return [x[:, k] for k in np.arange(x.shape[1])]


def histogram2d(
    x: Array, y: Array, bins: Any = 10, range: Any = None, density: bool | None = None, weights: Array | None = None
) -> tuple[Array, Array, Array]:
    """(counts, edges of x, edges of y) of points in the plane."""
    single = isinstance(bins, int | np.integer) or len(bins) not in (1, 2)
    each = bins if isinstance(bins, int | np.integer) else [bins, bins] if single else list(bins) * (3 - len(bins))
    counts, edges = histogramdd([x, y], each, range, density, weights)
    return counts, edges[0], edges[1]
