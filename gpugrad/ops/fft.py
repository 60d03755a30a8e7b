"""Discrete Fourier transforms, with the names of ``numpy.fft`` and of the array API's extension.

The matrix of the transform is symmetric, so it is its own transpose, and the inverse is its own too. The transforms of
real numbers leave out the half of the spectrum that is the conjugate of the other; each is, but for weights, the
transpose of the other. Source of the conventions: NumPy's documentation of ``numpy.fft``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from gpugrad import dtypes, errors
from gpugrad.ops.bilinear import shape_of
from gpugrad.ops.elementwise import equal, logical_or
from gpugrad.ops.linear import (
    conj,
    iota,
    part,
    reshape,
    resized,
    tail,
    to_complex,
    unslice,
)
from gpugrad.ops.linearized import indicator, range_of
from gpugrad.ops.rearranging import roll
from gpugrad.ops.reductions import floating
from gpugrad.primitive import Primitive, linear
from gpugrad.shapes import axes_of
from gpugrad.trace import Array

__all__ = [
    "fft", "fft2", "fftn", "fftshift", "hfft", "ifft", "ifft2", "ifftn", "ifftshift", "ihfft", "irfft", "irfft2",
    "irfftn", "rfft", "rfft2", "rfftn",
]  # fmt: skip

Axes = int | Sequence[int] | None

# ---- primitives -------------------------------------------------------------------------------------------------------


dft: Primitive = linear(
    "dft",
    lambda g, axes, inverse: dft(g, axes=axes, inverse=inverse),
    forward=lambda xp, x, *, axes, inverse: (xp.fft.ifftn if inverse else xp.fft.fftn)(x, axes=axes),
    shape=lambda s, **_: s,
    doc="Σ_j x_j exp(-2πi jk/n) along axes of a complex array, or its inverse, which divides by the size.",
)
rdft: Primitive = linear(
    "rdft",
    lambda g, shape, axis: irdft(_weighted(conj(g), shape[axis], axis, 0.5), axis=axis, n=shape[axis]) * shape[axis],
    forward=lambda xp, x, *, axis: xp.fft.rfft(x, axis=axis),
    shape=lambda s, *, axis: resized(s, axis, s[axis] // 2 + 1),
    dtype=lambda d, **_: dtypes.complex_of(d),
    doc="The first n // 2 + 1 elements of the transform of n real numbers along an axis; the rest mirrors them.",
)
irdft: Primitive = linear(
    "irdft",
    lambda g, axis, n: _weighted(conj(rdft(g, axis=axis)), n, axis, 2.0) * (1.0 / n),
    forward=lambda xp, x, *, axis, n: xp.fft.irfft(x, n=n, axis=axis),
    shape=lambda s, *, axis, n: resized(s, axis, n),
    dtype=lambda d, **_: dtypes.real_of(d),
    doc="The n real numbers whose ``rdft`` is given; what is imaginary where a real transform is real does not count.",
)


def _weighted(x: Any, n: int, axis: int, weight: float) -> Any:
    """Half a spectrum of n numbers with weights on the elements that stand for two, themselves and their mirror image."""
    m = n // 2 + 1
    k = iota(x, size=m)
    single = equal(k, 0)
    if n % 2 == 0:
        single = logical_or(single, equal(k, n // 2))
    weights = indicator(single, x) * (1.0 - weight) + weight
    return x * reshape(weights, to=(m, *(1,) * (-axis - 1)), rank=1)


_OF_COMPLEX = {"rfft": "fft", "rfft2": "fft2", "rfftn": "fftn", "ihfft": "ifft"}
"""For each transform of real numbers the one that takes complex ones."""

# ---- what they share --------------------------------------------------------------------------------------------------


def _numbers(x: Any, name: str, real: bool = False) -> Any:
    """``x`` in floating point, complex unless it is to be ``real``."""
    x = floating(x)
    d = dtypes.of(x)
    if dtypes.is_half(d):
        raise errors.DtypeError(f"{name} of {d.name}: there is no complex dtype to match; cast it: x.astype('float32')")
    if real and dtypes.is_complex(d):
        raise errors.DtypeError(f"{name} of {d.name}; expected real numbers. Use gg.fft.{_OF_COMPLEX[name]}")
    return x if real or dtypes.is_complex(d) else to_complex(x)


def _fitted(x: Any, n: int, axis: int, name: str) -> Any:
    """``x`` cut or filled up with zeros to ``n`` elements along an axis counted from the end."""
    have = x.shape[axis]
    if n < 1:
        raise errors.ShapeError(f"{name}: {n} points along axis {axis} of shape {x.shape}; expected at least one")
    if n <= have:
        return x if n == have else part(x, axis, 0, n)
    return unslice(x, spec=range_of(x.shape, axis, 0, have), sizes=(n, *tail(x.shape, -axis - 1)))


def _scaled(x: Any, n: int, norm: str | None, inverse: bool, name: str) -> Any:
    """A transform over ``n`` points, which divides by n if it is the inverse, in the normalisation asked for."""
    if norm not in (None, "backward", "ortho", "forward"):
        raise errors.ShapeError(f"{name}: norm={norm!r}; expected 'backward', 'ortho' or 'forward'")
    power = {"backward": 0.0, "ortho": 0.5, "forward": 1.0}[norm or "backward"]
    return x if not power else x * float(n) ** (power if inverse else -power)


def _shape_and_axes(x: Any, s: Sequence[int] | None, axes: Axes, name: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The number of points along each axis to transform, and those axes, counted from the end."""
    shape = shape_of(x)
    if axes is None and s is not None:
        axes = tuple(range(-len(s), 0))
    which = axes_of(axes, shape, name)
    sizes = (
        [shape[a] for a in which] if s is None else [shape[a] if n in (None, -1) else int(n) for n, a in zip(s, which)]
    )
    if s is not None and len(s) != len(which):
        raise errors.ShapeError(f"{name}: s={tuple(s)} for axes {which}; expected one number of points per axis")
    return tuple(sizes), which


def _many(x: Any, s: Sequence[int] | None, axes: Axes, norm: str | None, inverse: bool, name: str) -> Any:
    sizes, which = _shape_and_axes(x, s, axes, name)
    x = _numbers(x, name)
    for n, a in zip(sizes, which, strict=True):
        x = _fitted(x, n, a, name)
    return _scaled(dft(x, axes=which, inverse=inverse) if which else x, math.prod(sizes), norm, inverse, name)


# ---- along one axis ---------------------------------------------------------------------------------------------------


def fft(x: Array, n: int | None = None, axis: int = -1, norm: str | None = "backward") -> Array:
    """The transform X_k = Σ_j x_j exp(-2πi jk/n) along ``axis``; complex.

    ``x`` is cut or filled up with zeros to ``n`` elements. ``norm`` says which of the transform and its inverse divides
    by n: the inverse (``"backward"``), the transform (``"forward"``), or both by √n (``"ortho"``). O(n log n).
    Raises AxisError for an axis out of range, ShapeError for another norm or no points, DtypeError for half precision.

    >>> import gpugrad as gg
    >>> gg.fft.fft([1.0, 0.0, 0.0, 0.0])
    tensor([1.+0.j, 1.+0.j, 1.+0.j, 1.+0.j])
    """
    return _many(x, None if n is None else (n,), (axis,), norm, False, "fft")


def ifft(x: Array, n: int | None = None, axis: int = -1, norm: str | None = "backward") -> Array:
    """The inverse of :func:`fft`, with the same parameters.

    >>> import gpugrad as gg
    >>> gg.fft.ifft([4.0, 0.0, 0.0, 0.0])
    tensor([1.+0.j, 1.+0.j, 1.+0.j, 1.+0.j])
    """
    return _many(x, None if n is None else (n,), (axis,), norm, True, "ifft")


def rfft(x: Array, n: int | None = None, axis: int = -1, norm: str | None = "backward") -> Array:
    """:func:`fft` of real numbers: the first n // 2 + 1 elements, of which the others are conjugates.

    >>> import gpugrad as gg
    >>> gg.fft.rfft([1.0, 0.0, 0.0, 0.0])
    tensor([1.+0.j, 1.+0.j, 1.+0.j])
    """
    return _many_real(x, None if n is None else (n,), (axis,), norm, "rfft")


def irfft(x: Array, n: int | None = None, axis: int = -1, norm: str | None = "backward") -> Array:
    """The inverse of :func:`rfft`: n real numbers, 2 (m - 1) from m elements unless given.

    >>> import gpugrad as gg
    >>> gg.fft.irfft([4.0, 0.0, 0.0])
    tensor([1., 1., 1., 1.])
    """
    return _real_of_many(x, None if n is None else (n,), (axis,), norm, "irfft")


def _swapped(norm: str | None) -> str | None:
    """The normalisation of the inverse; what is none stays as it is, to be refused."""
    return {None: "forward", "backward": "forward", "forward": "backward"}.get(norm, norm)


def hfft(x: Array, n: int | None = None, axis: int = -1, norm: str | None = "backward") -> Array:
    """:func:`fft` of n numbers that mirror their conjugates, of which the first n // 2 + 1 are given; real.

    >>> import gpugrad as gg
    >>> gg.fft.hfft([1.0, 0.0, 0.0])
    tensor([1., 1., 1., 1.])
    """
    s = None if n is None else (n,)
    return _real_of_many(conj(_numbers(x, "hfft")), s, (axis,), _swapped(norm), "hfft")


def ihfft(x: Array, n: int | None = None, axis: int = -1, norm: str | None = "backward") -> Array:
    """The inverse of :func:`hfft`: the first n // 2 + 1 elements, from n real numbers.

    >>> import gpugrad as gg
    >>> gg.fft.ihfft([4.0, 0.0, 0.0, 0.0])
    tensor([1.-0.j, 1.-0.j, 1.-0.j])
    """
    return conj(_many_real(x, None if n is None else (n,), (axis,), _swapped(norm), "ihfft"))


# ---- along several axes -------------------------------------------------------------------------------------------------


def fftn(x: Array, s: Sequence[int] | None = None, axes: Axes = None, norm: str | None = "backward") -> Array:
    """:func:`fft` along several axes, all of them unless given; ``s`` has the numbers of points along them.

    >>> import gpugrad as gg
    >>> gg.fft.fftn(gg.ones((2, 2)))
    tensor([[4.+0.j, 0.+0.j],
            [0.+0.j, 0.+0.j]])
    """
    return _many(x, s, axes, norm, False, "fftn")


def ifftn(x: Array, s: Sequence[int] | None = None, axes: Axes = None, norm: str | None = "backward") -> Array:
    """The inverse of :func:`fftn`, with the same parameters.

    >>> import gpugrad as gg
    >>> gg.fft.ifftn(gg.ones((1, 2)))
    tensor([[1.+0.j, 0.+0.j]])
    """
    return _many(x, s, axes, norm, True, "ifftn")


def rfftn(x: Array, s: Sequence[int] | None = None, axes: Axes = None, norm: str | None = "backward") -> Array:
    """:func:`fftn` of real numbers, of which the last of the axes has its first n // 2 + 1 elements.

    >>> import gpugrad as gg
    >>> gg.fft.rfftn(gg.ones((2, 2)))
    tensor([[4.+0.j, 0.+0.j],
            [0.+0.j, 0.+0.j]])
    """
    return _many_real(x, s, axes, norm, "rfftn")


def _many_real(x: Any, s: Sequence[int] | None, axes: Axes, norm: str | None, name: str) -> Any:
    sizes, which = _shape_and_axes(x, s, axes, name)
    x = _numbers(x, name, real=True)
    if not which:
        raise errors.ShapeError(f"{name}: no axes of shape {x.shape}; expected at least one")
    for n, a in zip(sizes, which, strict=True):
        x = _fitted(x, n, a, name)
    out = rdft(x, axis=which[-1])
    out = dft(out, axes=which[:-1], inverse=False) if which[:-1] else out
    return _scaled(out, math.prod(sizes), norm, False, name)


def irfftn(x: Array, s: Sequence[int] | None = None, axes: Axes = None, norm: str | None = "backward") -> Array:
    """The inverse of :func:`rfftn`: real, with 2 (m - 1) elements along the last of the axes from m unless given.

    >>> import gpugrad as gg
    >>> gg.fft.irfftn(gg.ones((1, 2)))
    tensor([[1., 0.]])
    """
    return _real_of_many(x, s, axes, norm, "irfftn")


def _real_of_many(x: Any, s: Sequence[int] | None, axes: Axes, norm: str | None, name: str) -> Any:
    sizes, which = _shape_and_axes(x, s, axes, name)
    x = _numbers(x, name)
    if not which:
        raise errors.ShapeError(f"{name}: no axes of shape {x.shape}; expected at least one")
    last = which[-1]
    n = sizes[-1] if s is not None and s[-1] not in (None, -1) else 2 * (x.shape[last] - 1)
    for size, a in zip((*sizes[:-1], n // 2 + 1 if n > 0 else n), which, strict=True):
        x = _fitted(x, size, a, name)
    x = dft(x, axes=which[:-1], inverse=True) if which[:-1] else x
    return _scaled(irdft(x, axis=last, n=n), math.prod(sizes[:-1]) * n, norm, True, name)


def fft2(x: Array, s: Sequence[int] | None = None, axes: Axes = (-2, -1), norm: str | None = "backward") -> Array:
    """:func:`fftn` along two axes, the last ones unless given.

    >>> import gpugrad as gg
    >>> gg.fft.fft2(gg.ones((1, 2)))
    tensor([[2.+0.j, 0.+0.j]])
    """
    return _many(x, s, axes, norm, False, "fft2")


def ifft2(x: Array, s: Sequence[int] | None = None, axes: Axes = (-2, -1), norm: str | None = "backward") -> Array:
    """:func:`ifftn` along two axes, the last ones unless given.

    >>> import gpugrad as gg
    >>> gg.fft.ifft2(gg.ones((1, 2)))
    tensor([[1.+0.j, 0.+0.j]])
    """
    return _many(x, s, axes, norm, True, "ifft2")


def rfft2(x: Array, s: Sequence[int] | None = None, axes: Axes = (-2, -1), norm: str | None = "backward") -> Array:
    """:func:`rfftn` along two axes, the last ones unless given.

    >>> import gpugrad as gg
    >>> gg.fft.rfft2(gg.ones((1, 2)))
    tensor([[2.+0.j, 0.+0.j]])
    """
    return _many_real(x, s, axes, norm, "rfft2")


def irfft2(x: Array, s: Sequence[int] | None = None, axes: Axes = (-2, -1), norm: str | None = "backward") -> Array:
    """:func:`irfftn` along two axes, the last ones unless given.

    >>> import gpugrad as gg
    >>> gg.fft.irfft2(gg.ones((1, 2)))
    tensor([[1., 0.]])
    """
    return _real_of_many(x, s, axes, norm, "irfft2")


# ---- the order of frequencies -------------------------------------------------------------------------------------------


def _rolled(x: Any, axes: Axes, sign: int, name: str) -> Any:
    shape = shape_of(x)
    which = axes_of(axes, shape, name)
    shifts = [sign * (shape[a] // 2) for a in which]
    return roll(x, shifts, which) if which else x


def fftshift(x: Array, axes: Axes = None) -> Array:
    """The frequency 0 moved to the middle of each of the axes.

    >>> import gpugrad as gg
    >>> gg.fft.fftshift([0.0, 1.0, -2.0, -1.0])
    tensor([-2., -1.,  0.,  1.])
    """
    return _rolled(x, axes, 1, "fftshift")


def ifftshift(x: Array, axes: Axes = None) -> Array:
    """The inverse of :func:`fftshift`.

    >>> import gpugrad as gg
    >>> gg.fft.ifftshift([-2.0, -1.0, 0.0, 1.0])
    tensor([ 0.,  1., -2., -1.])
    """
    return _rolled(x, axes, -1, "ifftshift")
