"""Pooling: the maximum or the average of windows over the last axes, in PyTorch's conventions."""

from __future__ import annotations

import math
from typing import Any

from gpugrad import dtypes, errors
from gpugrad.ops.bilinear import shape_of
from gpugrad.ops.windows import (
    Pairs,
    Sizes,
    check_fits,
    count,
    inner,
    padded,
    padded_size,
    sizes_of,
    taps,
)
from gpugrad.primitive import Primitive, Shape, linear, linearized
from gpugrad.trace import Array

# ---- maximum --------------------------------------------------------------------------------------------------------


def _least(xp: Any, x: Any) -> Any:
    if dtypes.is_inexact(x.dtype):
        return -math.inf
    return False if _is_bool(x) else xp.iinfo(x.dtype).min


def _is_bool(x: Any) -> bool:
    return dtypes.of(x).kind == "b"


def _max_pool(xp: Any, x: Any, *, kernel: Shape, stride: Shape, padding: Pairs, dilation: Shape) -> Any:
    windows = count(x.shape[-len(kernel) :], kernel, stride, padding, dilation)
    x = padded(xp, x, padding, _least(xp, x))
    larger = xp.logical_or if _is_bool(x) else xp.maximum
    first, *rest = taps(windows, kernel, stride, dilation)
    out = x[first]
    for tap in rest:
        out = larger(out, x[tap])
    return out


def _hits(xp: Any, x: Any, out: Any, **window: Any) -> tuple[list[Any], Any]:
    """For every tap whether it is the maximum of its window, and how many are."""
    windows = out.shape[out.ndim - len(window["kernel"]) :]
    x = padded(xp, x, window["padding"], _least(xp, x))
    hits = [x[tap] == out for tap in taps(windows, window["kernel"], window["stride"], window["dilation"])]
    ties = xp.astype(hits[0], out.dtype)
    for hit in hits[1:]:
        ties = ties + xp.astype(hit, out.dtype)
    return hits, xp.where(ties == 0, xp.ones_like(ties), ties)  # no tap equals a maximum that is NaN


def _max_picked(xp: Any, t: Any, x: Any, out: Any, **window: Any) -> Any:
    hits, ties = _hits(xp, x, out, **window)
    t = padded(xp, t, window["padding"])
    windows = out.shape[out.ndim - len(window["kernel"]) :]
    nothing = xp.zeros((), dtype=t.dtype)
    total = xp.zeros_like(out)
    for hit, tap in zip(hits, taps(windows, window["kernel"], window["stride"], window["dilation"]), strict=True):
        total = total + xp.where(hit, t[tap], nothing)
    return total / ties


def _max_spread(xp: Any, g: Any, x: Any, out: Any, **window: Any) -> Any:
    hits, ties = _hits(xp, x, out, **window)
    n = len(window["kernel"])
    size = x.shape[x.ndim - n :]
    g = g / ties
    nothing = xp.zeros((), dtype=g.dtype)
    total = xp.zeros(x.shape[: x.ndim - n] + padded_size(size, window["padding"]), dtype=g.dtype)
    for hit, tap in zip(
        hits, taps(out.shape[out.ndim - n :], window["kernel"], window["stride"], window["dilation"]), strict=True
    ):
        total[tap] += xp.where(hit, g, nothing)
    return total[inner(size, window["padding"])]


def _max_pool_shape(s: Shape, *, kernel: Shape, stride: Shape, padding: Pairs, dilation: Shape) -> Shape:
    n = len(kernel)
    return (*s[:-n], *count(s[-n:], kernel, stride, padding, dilation))


max_picked: Primitive = linear(
    "max_picked",
    lambda g, x, top, kernel, stride, padding, dilation: max_spread(
        g, x, top, kernel=kernel, stride=stride, padding=padding, dilation=dilation
    ),
    operands="t x top",
    forward=_max_picked,
    shape=lambda t, x, top, **_: top,
    doc="The element of ``t`` where each window of ``x`` has its maximum ``top``; the mean of them where there are ties.",
)
max_spread: Primitive = linear(
    "max_spread",
    lambda g, x, top, kernel, stride, padding, dilation: max_picked(
        g, x, top, kernel=kernel, stride=stride, padding=padding, dilation=dilation
    ),
    operands="g x top",
    forward=_max_spread,
    shape=lambda g, x, top, **_: x,
    doc="Every element of ``g`` put where its window of ``x`` has its maximum ``top``, in equal parts where there are ties.",
)
max_pool: Primitive = linearized(
    "max_pool",
    lambda t, x, out, kernel, stride, padding, dilation: max_picked(
        t, x, out, kernel=kernel, stride=stride, padding=padding, dilation=dilation
    ),
    forward=_max_pool,
    shape=_max_pool_shape,
    doc="The largest element of every window over the last axes; ties share the gradient equally.",
)

# ---- average: a linear map and its transpose ------------------------------------------------------------------------


def _counts(xp: Any, size: Shape, kernel: Shape, stride: Shape, padding: Pairs, whole: bool, dtype: Any) -> Any:
    """How many elements each window averages: all, or only those that are not padding."""
    out = xp.ones((), dtype=dtype)
    for n, k, s, (lo, hi) in zip(size, kernel, stride, padding, strict=True):
        starts = range(-lo, n + hi - k + 1, s)
        along = [k if whole else min(a + k, n) - max(a, 0) for a in starts]
        out = out[..., None] * xp.asarray(along, dtype=dtype)
    return out


def _avg_pool(xp: Any, x: Any, *, kernel: Shape, stride: Shape, padding: Pairs, whole: bool) -> Any:
    size, ones = x.shape[-len(kernel) :], (1,) * len(kernel)
    windows = count(size, kernel, stride, padding, ones)
    counts = _counts(xp, size, kernel, stride, padding, whole, x.dtype)
    x = padded(xp, x, padding)
    first, *rest = taps(windows, kernel, stride, ones)
    out = x[first]
    for tap in rest:
        out = out + x[tap]
    return out / counts


def _avg_unpool(xp: Any, g: Any, *, size: Shape, kernel: Shape, stride: Shape, padding: Pairs, whole: bool) -> Any:
    n = len(kernel)
    g = g / _counts(xp, size, kernel, stride, padding, whole, g.dtype)
    out = xp.zeros(g.shape[: g.ndim - n] + padded_size(size, padding), dtype=g.dtype)
    for tap in taps(g.shape[g.ndim - n :], kernel, stride, (1,) * n):
        out[tap] += g
    return out[inner(size, padding)]


avg_pool: Primitive = linear(
    "avg_pool",
    lambda g, shape, kernel, stride, padding, whole: avg_unpool(
        g, size=shape[-len(kernel) :], kernel=kernel, stride=stride, padding=padding, whole=whole
    ),
    forward=_avg_pool,
    shape=lambda s, *, kernel, stride, padding, whole: _max_pool_shape(
        s, kernel=kernel, stride=stride, padding=padding, dilation=(1,) * len(kernel)
    ),
    doc="The average of every window over the last axes; with ``whole`` the padding counts.",
)
avg_unpool: Primitive = linear(
    "avg_unpool",
    lambda g, kernel, stride, padding, whole: avg_pool(g, kernel=kernel, stride=stride, padding=padding, whole=whole),
    forward=_avg_unpool,
    shape=lambda s, *, size, **_: (*s[: -len(size)], *size),
    doc="Every element shared out to the window that it is the average of.",
)

# ---- what users call ------------------------------------------------------------------------------------------------


def _window(
    n: int, name: str, x: Array, kernel: Sizes, stride: Sizes | None, padding: Sizes, dilation: Sizes
) -> dict[str, Any]:
    """The parameters of a pool, checked: as many spatial axes as ``n``, padding of at most half a window."""
    shape = shape_of(x)
    if len(shape) < n:
        raise errors.ShapeError(f"{name}: input {shape}; expected at least {n} axes, usually (N, C, *space)")
    kernels = sizes_of(kernel, n, name, "kernel")
    strides = kernels if stride is None else sizes_of(stride, n, name, "stride")
    pads, dilations = sizes_of(padding, n, name, "padding", 0), sizes_of(dilation, n, name, "dilation")
    if any(2 * p > k for p, k in zip(pads, kernels, strict=True)):
        raise errors.ShapeError(
            f"{name}: padding {pads} for a kernel of {kernels}; expected at most half of it, or windows would lie in the padding"
        )
    pairs = tuple((p, p) for p in pads)
    check_fits(name, shape[-n:], kernels, strides, pairs, dilations)
    return {"kernel": kernels, "stride": strides, "padding": pairs, "dilation": dilations}


def _maximum(n: int, x: Array, kernel: Sizes, stride: Sizes | None, padding: Sizes, dilation: Sizes) -> Array:
    name = f"max_pool{n}d"
    params = _window(n, name, x, kernel, stride, padding, dilation)
    if dtypes.is_complex(x.dtype):
        raise errors.DtypeError(f"{name}: complex numbers have no order; take gg.abs(x) or gg.real(x) first")
    return max_pool(x, **params)


def max_pool1d(x: Array, kernel: Sizes, stride: Sizes | None = None, padding: Sizes = 0, dilation: Sizes = 1) -> Array:
    """The maximum of windows along the last axis; see :func:`max_pool2d`.

    >>> import gpugrad as gg
    >>> gg.max_pool1d(gg.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
    tensor([[3., 2.]])
    """
    return _maximum(1, x, kernel, stride, padding, dilation)


def max_pool2d(x: Array, kernel: Sizes, stride: Sizes | None = None, padding: Sizes = 0, dilation: Sizes = 1) -> Array:
    """The maximum of windows over the last two axes.

    ``stride`` is the kernel's size unless given; ``padding``, at most half the kernel, never wins. As in PyTorch the
    last elements are left out if no whole window fits. Elements that tie share the gradient equally. Raises ShapeError
    if no window fits, DtypeError for complex numbers.

    >>> import gpugrad as gg
    >>> gg.max_pool2d(gg.reshape(gg.arange(16.0), (1, 1, 4, 4)), 2)[0, 0]
    tensor([[ 5.,  7.],
            [13., 15.]])
    """
    return _maximum(2, x, kernel, stride, padding, dilation)


def max_pool3d(x: Array, kernel: Sizes, stride: Sizes | None = None, padding: Sizes = 0, dilation: Sizes = 1) -> Array:
    """The maximum of windows over the last three axes; see :func:`max_pool2d`.

    >>> import gpugrad as gg
    >>> gg.max_pool3d(gg.ones((1, 1, 4, 4, 4)), 2).shape
    (1, 1, 2, 2, 2)
    """
    return _maximum(3, x, kernel, stride, padding, dilation)


def _average(n: int, x: Array, kernel: Sizes, stride: Sizes | None, padding: Sizes, count_include_pad: bool) -> Array:
    name = f"avg_pool{n}d"
    params = _window(n, name, x, kernel, stride, padding, 1)
    if not dtypes.is_inexact(x.dtype):
        raise errors.DtypeError(
            f"{name}: input of dtype {dtypes.of(x).name}; an average needs a floating-point input. Cast it: x.astype('float32')"
        )
    return avg_pool(
        x, kernel=params["kernel"], stride=params["stride"], padding=params["padding"], whole=count_include_pad
    )


def avg_pool1d(
    x: Array, kernel: Sizes, stride: Sizes | None = None, padding: Sizes = 0, count_include_pad: bool = True
) -> Array:
    """The average of windows along the last axis; see :func:`avg_pool2d`.

    >>> import gpugrad as gg
    >>> gg.avg_pool1d(gg.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
    tensor([[2., 1.]])
    """
    return _average(1, x, kernel, stride, padding, count_include_pad)


def avg_pool2d(
    x: Array, kernel: Sizes, stride: Sizes | None = None, padding: Sizes = 0, count_include_pad: bool = True
) -> Array:
    """The average of windows over the last two axes.

    ``stride`` is the kernel's size unless given. Zeros of the ``padding`` (at most half the kernel) count as elements
    unless ``count_include_pad=False``. Raises ShapeError if no window fits, DtypeError for integers.

    >>> import gpugrad as gg
    >>> gg.avg_pool2d(gg.ones((1, 1, 2, 2)), 2, stride=1, padding=1)[0, 0]
    tensor([[0.25, 0.5 , 0.25],
            [0.5 , 1.  , 0.5 ],
            [0.25, 0.5 , 0.25]])
    """
    return _average(2, x, kernel, stride, padding, count_include_pad)


def avg_pool3d(
    x: Array, kernel: Sizes, stride: Sizes | None = None, padding: Sizes = 0, count_include_pad: bool = True
) -> Array:
    """The average of windows over the last three axes; see :func:`avg_pool2d`.

    >>> import gpugrad as gg
    >>> gg.avg_pool3d(gg.ones((1, 1, 4, 4, 4)), 2).shape
    (1, 1, 2, 2, 2)
    """
    return _average(3, x, kernel, stride, padding, count_include_pad)


def _adaptive(n: int, x: Array, output_size: Sizes) -> Array:
    name = f"adaptive_avg_pool{n}d"
    shape = shape_of(x)
    wanted = sizes_of(output_size, n, name, "output_size")
    if len(shape) < n or any(s % w or not s for s, w in zip(shape[-n:], wanted, strict=True)):
        raise errors.ShapeError(
            f"{name}: input {shape} to output_size {wanted}; expected at least {n} axes, whose sizes the output's divide. Use avg_pool{n}d with a stride otherwise"
        )
    return _average(n, x, tuple(s // w for s, w in zip(shape[-n:], wanted, strict=True)), None, 0, True)


def adaptive_avg_pool1d(x: Array, output_size: Sizes) -> Array:
    """Averages over equal parts of the last axis; see :func:`adaptive_avg_pool2d`.

    >>> import gpugrad as gg
    >>> gg.adaptive_avg_pool1d(gg.tensor([1.0, 3.0, 2.0, 0.0]), 2)
    tensor([2., 1.])
    """
    return _adaptive(1, x, output_size)


def adaptive_avg_pool2d(x: Array, output_size: Sizes) -> Array:
    """Averages over equal parts of the last two axes, ``output_size`` of them; 1 is the global average.

    Raises ShapeError if the sizes do not divide.

    >>> import gpugrad as gg
    >>> gg.adaptive_avg_pool2d(gg.ones((1, 3, 8, 8)), 1).shape
    (1, 3, 1, 1)
    """
    return _adaptive(2, x, output_size)


def adaptive_avg_pool3d(x: Array, output_size: Sizes) -> Array:
    """Averages over equal parts of the last three axes; see :func:`adaptive_avg_pool2d`.

    >>> import gpugrad as gg
    >>> gg.adaptive_avg_pool3d(gg.ones((1, 3, 4, 4, 4)), 2).shape
    (1, 3, 2, 2, 2)
    """
    return _adaptive(3, x, output_size)


__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d",
    "max_pool1d", "max_pool2d", "max_pool3d",
]  # fmt: skip
