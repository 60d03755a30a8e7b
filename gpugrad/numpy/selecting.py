"""NumPy's functions that pick, join and choose elements: compositions of indexing, with NumPy's signatures."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gpugrad import creation, dtypes, errors
from gpugrad.numpy.results import delivered
from gpugrad.ops.elementwise import isnan, logical_and, where
from gpugrad.ops.gathering import nonzero, searchsorted, take, take_along_axis
from gpugrad.ops.indexing import scatter_add
from gpugrad.ops.joining import concat, stack
from gpugrad.ops.linear import imag, real, reshape
from gpugrad.ops.ordering import argsort
from gpugrad.ops.rearranging import broadcast_arrays, moveaxis
from gpugrad.ops.reductions import all as all_of
from gpugrad.ops.reductions import argmax, argmin, floating
from gpugrad.shapes import axis_of
from gpugrad.tensor import Tensor
from gpugrad.trace import Array
from gpugrad.transforms.batch import batches_of
from gpugrad.transforms.lift import as_value

__all__ = [
    "apply_along_axis", "apply_over_axes", "argpartition", "bincount", "block", "choose", "compress",
    "diag_indices_from", "digitize", "extract", "flatnonzero", "ix_", "lexsort", "nanargmax",
    "nanargmin", "piecewise", "ravel_multi_index", "resize", "select", "sort_complex", "tril_indices_from",
    "triu_indices_from", "unravel_index",
]  # fmt: skip


def _flat(x: Any) -> Any:
    return reshape(x, to=(math.prod(x.shape),), rank=len(x.shape))


def _host(x: Any) -> Any:
    """Indices as a NumPy array: where the shape of the result depends on them."""
    return x.detach().numpy() if type(x) is Tensor else np.asarray(x)


# ---- other elements --------------------------------------------------------------------------------------


def resize(a: Array, new_shape: int | Sequence[int]) -> Array:
    """The elements over again, as many as the new shape holds."""
    to = (new_shape,) if isinstance(new_shape, int) else tuple(new_shape)
    x = _flat(a)
    if not x.shape[0]:
        return creation.zeros(to, dtype=x.dtype, device=x.device)
    return reshape(take(x, np.arange(math.prod(to)) % x.shape[0]), to=to, rank=1)


def extract(condition: Array, arr: Array) -> Array:
    """The elements of the flattened array where the condition holds. Their number depends on the data."""
    return take(_flat(arr), flatnonzero(condition))


def compress(condition: Any, a: Array, axis: int | None = None, out: Any = None) -> Array:
    """The slices along ``axis`` for which the condition holds (of the flattened array for None)."""
    return delivered(take(a, np.flatnonzero(_host(condition)), axis=axis), out, "np.compress")


def flatnonzero(a: Array) -> Array:
    """The indices of what is not zero in the flattened array."""
    return nonzero(_flat(a))[0]


def block(arrays: Any) -> Any:
    """Nested lists of arrays put together: the innermost lists along the last axis, the next along the last but one …

    >>> import gpugrad.numpy as gnp
    >>> gnp.block([[gnp.eye(1), gnp.zeros((1, 2))]])
    tensor([[1., 0., 0.]])
    """

    def depth(x: Any) -> int:
        return 1 + max(map(depth, x)) if isinstance(x, list) and x else 0

    def rank(x: Any) -> int:
        return max(map(rank, x)) if isinstance(x, list) else len(as_value(x).shape)

    levels = depth(arrays)
    n = max(levels, rank(arrays))

    def joined(x: Any, level: int) -> Any:
        if isinstance(x, list):
            return concat([joined(e, level + 1) for e in x], axis=level - levels)
        v = as_value(x)
        return reshape(v, to=(1,) * (n - len(v.shape)) + v.shape, rank=len(v.shape))

    return joined(arrays, 0)


def sliding_window_view(
    x: Array,
    window_shape: int | Sequence[int],
    axis: int | Sequence[int] | None = None,
    *,
    subok: bool = False,
    writeable: bool = False,
) -> Array:
    """All windows of that shape along ``axis``, in new axes at the end. Unlike NumPy's, it is a copy.

    >>> import numpy as np, gpugrad as gg
    >>> np.lib.stride_tricks.sliding_window_view(gg.tensor([1.0, 2.0, 3.0]), 2)
    tensor([[1., 2.],
            [2., 3.]])
    """
    sizes = (window_shape,) if isinstance(window_shape, int) else tuple(window_shape)
    axes = range(len(x.shape)) if axis is None else (axis,) if isinstance(axis, int) else axis
    if len(sizes) != len(tuple(axes)):
        raise errors.ShapeError(
            f"sliding_window_view: window {sizes} along axes {tuple(axes)}; expected a size for each axis"
        )
    rank = len(x.shape)
    for size, a in zip(sizes, axes, strict=True):
        k = axis_of(a, x.shape[:rank], "sliding_window_view") + rank
        n = x.shape[k] - size + 1
        if size < 0 or n <= 0:
            raise errors.ShapeError(
                f"sliding_window_view: a window of {size} along axis {k} of shape {x.shape}; expected at most {x.shape[k]}"
            )
        x = moveaxis(take(x, np.arange(n)[:, None] + np.arange(size), axis=k), k + 1, -1)
    return x


# ---- a choice for every element -----------------------------------------------------------------------------------------


def select(condlist: Sequence[Array], choicelist: Sequence[Array], default: Array = 0) -> Array:
    """For each element the choice of the first condition that holds; no gradient reaches the others."""
    if len(condlist) != len(choicelist) or not condlist:
        raise errors.ShapeError(
            f"np.select: {len(condlist)} conditions and {len(choicelist)} choices; expected as many, and at least one"
        )
    out = default
    for held, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        out = where(held, choice, out)
    return out


def choose(a: Array, choices: Sequence[Array], out: Any = None, mode: str = "raise") -> Array:
    """For each element of ``a``, an index, the element of that choice."""
    if mode not in ("raise", "wrap", "clip"):
        raise errors.ShapeError(f"np.choose: mode={mode!r}; expected 'raise', 'wrap' or 'clip'")
    parts = broadcast_arrays(a, *choices)
    n = len(parts) - 1
    index = parts[0] % n if mode == "wrap" else parts[0]
    if mode == "clip":
        index = where(index < 0, 0, where(index >= n, n - 1, index))
    return delivered(take_along_axis(stack(parts[1:]), index[None], 0)[0], out, "np.choose")


def piecewise(x: Array, condlist: Any, funclist: Sequence[Any], *args: Any, **kw: Any) -> Array:
    """A function given by pieces: each is called with the elements for which its condition holds."""
    lists = isinstance(condlist, list | tuple)
    several = len(_shape(condlist[0])) == len(x.shape) if lists else len(_shape(condlist)) > len(x.shape)
    conditions = list(condlist) if several else [condlist]
    n = len(conditions)
    if len(funclist) not in (n, n + 1):
        raise errors.ShapeError(
            f"np.piecewise: {n} conditions and {len(funclist)} functions; expected as many, or one more"
        )
    if any(map(batches_of, (x, *conditions))):
        return _everywhere(x, conditions, funclist, args, kw)
    held = [_host(c) for c in conditions]
    if len(funclist) == n + 1:
        held.append(~np.any(held, axis=0))
    out = creation.zeros_like(x)
    for mask, f in zip(held, funclist, strict=True):
        if mask.any():
            out[mask] = f(x[mask], *args, **kw) if callable(f) else f
    return out


def _everywhere(x: Any, conditions: Sequence[Any], funclist: Sequence[Any], args: Any, kw: Any) -> Any:
    """Under vmap, where the elements for which a condition holds cannot be picked: each function of all, and a choice."""
    values = [f(x, *args, **kw) if callable(f) else f for f in funclist]
    out = creation.zeros_like(x) + (values.pop() if len(values) > len(conditions) else 0.0)
    for held, v in zip(conditions, values, strict=True):
        out = where(as_value(held), v, out)  # the last condition that holds counts, as it writes last
    return out


def _shape(x: Any) -> tuple[int, ...]:
    return tuple(x.shape) if hasattr(x, "shape") else np.shape(x)


# ---- functions along axes -----------------------------------------------------------------------------------------------


def apply_along_axis(func1d: Callable[..., Any], axis: int, arr: Array, *args: Any, **kwargs: Any) -> Array:
    """``func1d`` of every vector along ``axis``, one call each; what it returns takes the place of the axis."""
    axis = axis_of(axis, arr.shape, "apply_along_axis") + len(arr.shape)
    x = moveaxis(arr, axis, -1)
    batch = x.shape[:-1]
    rows = reshape(x, to=(math.prod(batch), x.shape[-1]), rank=len(x.shape))
    found = stack([as_value(func1d(rows[k], *args, **kwargs)) for k in range(rows.shape[0])])
    inner = found.shape[1:]
    found = reshape(found, to=(*batch, *inner), rank=len(found.shape))
    n = len(inner)
    return moveaxis(found, tuple(range(-n, 0)), tuple(range(axis, axis + n))) if n else found


def apply_over_axes(func: Callable[..., Any], a: Array, axes: int | Sequence[int]) -> Array:
    """``func(a, axis)`` over one axis after another, each kept with size 1."""
    for axis in (axes,) if isinstance(axes, int) else axes:
        found = func(a, axis)
        if len(found.shape) < len(a.shape):
            k = axis_of(axis, a.shape, "apply_over_axes") + len(a.shape)
            found = reshape(found, to=(*found.shape[:k], 1, *found.shape[k:]), rank=len(found.shape))
        a = found
    return a


# ---- order and counts ---------------------------------------------------------------------------------------------------


def argpartition(a: Array, kth: Any, axis: int | None = -1, kind: str = "introselect", order: Any = None) -> Array:
    """The indices of ``partition``: those of a full sort."""
    if order is not None:
        raise errors.UnsupportedError(f"np.argpartition: order={order!r} is not supported; a tensor has no fields")
    return argsort(_flat(a) if axis is None else a, axis=-1 if axis is None else axis)


def lexsort(keys: Sequence[Array], axis: int = -1) -> Array:
    """The indices that sort by several keys, the last of which counts most."""
    index = argsort(keys[0], axis=axis)
    for key in keys[1:]:
        index = take_along_axis(index, argsort(take_along_axis(key, index, axis), axis=axis), axis)
    return index


def sort_complex(a: Array) -> Array:
    """The elements along the last axis as complex numbers, in the order of their real parts, then of the imaginary ones."""
    x = (
        a
        if dtypes.is_complex(a.dtype)
        else a.astype("complex64" if a.dtype.itemsize <= 2 else dtypes.complex_of(floating(a).dtype))
    )
    return take_along_axis(x, lexsort([imag(x), real(x)]), -1)


def bincount(x: Array, weights: Array | None = None, minlength: int = 0) -> Array:
    """How often each integer from 0 occurs, or the sum of its ``weights``, in which it is differentiable."""
    index = _host(x)
    if len(x.shape) != 1 or index.dtype.kind not in "iub":
        raise errors.DtypeError(
            f"np.bincount: x of shape {x.shape} and dtype {x.dtype.name}; expected a vector of integers"
        )
    n = max(int(index.max(initial=-1)) + 1, minlength)
    values = np.ones(index.shape, np.int64) if weights is None else weights
    out = creation.zeros((n,), dtype="int64" if weights is None else values.dtype, device=x.device)
    return scatter_add(out, index, as_value(values))


def digitize(x: Array, bins: Array, right: bool = False) -> Array:
    """For each element the index of its bin; the edges rise or fall."""
    edges = _host(bins)
    if edges.size > 1 and edges[0] > edges[-1]:
        return edges.size - searchsorted(bins[::-1], x, side="left" if not right else "right")
    return searchsorted(bins, x, side="left" if right else "right")


def _without_nan(a: Any, fill: float) -> Any:
    if not dtypes.is_inexact(a.dtype):
        return a
    return where(isnan(a), fill, a)


def nanargmax(a: Array, axis: int | None = None, out: Any = None, *, keepdims: bool = False) -> Array:
    """The index of the first largest element along ``axis`` that is not NaN. Raises ShapeError where all are."""
    _some(a, axis, "np.nanargmax")
    return delivered(argmax(_without_nan(a, -math.inf), axis, keepdims), out, "np.nanargmax")


def nanargmin(a: Array, axis: int | None = None, out: Any = None, *, keepdims: bool = False) -> Array:
    """The index of the first smallest element along ``axis`` that is not NaN. Raises ShapeError where all are."""
    _some(a, axis, "np.nanargmin")
    return delivered(argmin(_without_nan(a, math.inf), axis, keepdims), out, "np.nanargmin")


def _some(a: Any, axis: int | None, what: str) -> None:
    if dtypes.is_inexact(a.dtype) and np.any(_host(all_of(isnan(a), axis))):
        raise errors.ShapeError(f"{what}: nothing but NaN along axis {axis}; expected a number")


# ---- indices ------------------------------------------------------------------------------------------------------------


def ix_(*args: Array) -> tuple[Array, ...]:
    """Vectors shaped to index a grid: ``x[np.ix_(rows, columns)]``."""
    found = [flatnonzero(v) if v.dtype.kind == "b" else v for v in args]
    n = len(found)
    return tuple(reshape(v, to=(1,) * k + v.shape + (1,) * (n - 1 - k), rank=1) for k, v in enumerate(found))


def diag_indices_from(arr: Array) -> tuple[Array, ...]:
    """The indices of the main diagonal of an array whose axes have one size."""
    return np.diag_indices_from(np.empty(arr.shape, bool))


def tril_indices_from(arr: Array, k: int = 0) -> tuple[Array, ...]:
    """The indices of the lower triangle of a matrix."""
    return np.tril_indices(arr.shape[-2], k, arr.shape[-1])


def triu_indices_from(arr: Array, k: int = 0) -> tuple[Array, ...]:
    """The indices of the upper triangle of a matrix."""
    return np.triu_indices(arr.shape[-2], k, arr.shape[-1])


def _known_order(order: str, what: str) -> None:
    if order not in ("C", "F"):
        raise errors.ShapeError(f"{what}: order={order!r}; expected 'C' or 'F'")


def unravel_index(indices: Array, shape: Sequence[int], order: str = "C") -> tuple[Array, ...]:
    """Indices into the flattened array as indices along each axis."""
    _known_order(order, "np.unravel_index")
    sizes = tuple(shape) if order == "C" else tuple(reversed(shape))
    out = []
    for n in reversed(sizes):
        out.append(indices % n)
        indices = indices // n
    return tuple(out if order == "F" else reversed(out))


def ravel_multi_index(
    multi_index: Sequence[Array], dims: Sequence[int], mode: str = "raise", order: str = "C"
) -> Array:
    """Indices along each axis as indices into the flattened array."""
    if mode != "raise":
        raise errors.UnsupportedError(
            "np.ravel_multi_index: mode= is not supported on tensors; take the indices modulo the sizes first"
        )
    _known_order(order, "np.ravel_multi_index")
    for i, n in zip(multi_index, dims, strict=True):
        held = _host(all_of(logical_and(i >= 0, i < n)))
        if not held:
            raise errors.AxisError(f"np.ravel_multi_index: an index is out of bounds for sizes {tuple(dims)}")
    out: Any = None
    for i, n in (
        zip(multi_index, dims, strict=True) if order == "C" else zip(reversed(multi_index), reversed(dims), strict=True)
    ):
        out = i if out is None else out * n + i
    return out
