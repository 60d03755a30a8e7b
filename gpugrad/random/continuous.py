"""Continuous distributions: standard variates, shifted and scaled, so that samples follow tensor parameters."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpugrad import dtypes, errors
from gpugrad.creation import full
from gpugrad.ops.elementwise import clip, erfc, exp, greater, isinf, less, log, sqrt, where
from gpugrad.ops.promotion import WEAK
from gpugrad.ops.random import (
    normal_quantile,
    open_unit,
    random_bits,
    standard_cauchy,
    standard_exponential,
    standard_gumbel,
    standard_laplace,
    standard_logistic,
    standard_normal,
    unit,
)
from gpugrad.random.arguments import Key, Size, lengths, scaled, settled, source, spread


def bits(shape: Size = (), *, width: int = 32, key: Key = None, device: str | None = None) -> Any:
    """Random words: all values of uint32, or of uint64 for ``width=64``, are equally likely.

    >>> import gpugrad as gg
    >>> [hex(w) for w in gg.random.bits(4, key=gg.random.key(0)).tolist()]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    if width not in (32, 64):
        raise errors.ArgumentError(f"bits: width={width!r}; expected 32 or 64")
    return random_bits(source("bits", key, device), shape=lengths("bits", () if shape is None else shape), width=width)


def uniform(
    shape: Size = None,
    low: Any = 0.0,
    high: Any = 1.0,
    *,
    dtype: Any = None,
    key: Key = None,
    device: str | None = None,
) -> Any:
    """Numbers from [low, high), all equally likely.

    In [0, 1) they are the multiples of 2⁻⁵³ (float64), 2⁻²⁴ (float32), 2⁻¹¹ (float16) or 2⁻⁸ (bfloat16), exactly;
    between other ends the sum ``low + (high - low) * u`` is rounded, and may come out as ``high``.

    >>> import gpugrad as gg
    >>> gg.random.uniform((2,), -1.0, 1.0, key=gg.random.key(0)).shape
    (2,)
    """
    d = settled("uniform", shape, (low, high), dtype, key, device)
    low, high = d.parameters
    return scaled(unit(d.key, d.shape, d.dtype), low, high - low)


def normal(
    shape: Size = None,
    loc: Any = 0.0,
    scale: Any = 1.0,
    *,
    dtype: Any = None,
    key: Key = None,
    device: str | None = None,
) -> Any:
    """Normal numbers of mean ``loc`` and standard deviation ``scale``.

    The quantile function of uniform words (Wichura, Algorithm AS 241, 1988): up to 6.3 standard deviations from the
    mean in float32 and below, 9.2 in float64. Raises ArgumentError for a negative number ``scale``, as the other
    distributions do; a tensor is taken as it is.

    >>> import gpugrad as gg
    >>> gg.grad(lambda s: gg.random.normal((), 0.0, s, key=gg.random.key(1)))(2.0) == gg.random.normal(key=gg.random.key(1))
    tensor(True)
    """
    d = settled("normal", shape, (loc, spread("normal", scale)), dtype, key, device)
    return scaled(standard_normal(d.key, d.shape, d.dtype), *d.parameters)


def _below(x: Any) -> Any:
    """The probability of a standard normal variate below ``x``, precise where it is tiny."""
    return 0.5 * erfc(-math.sqrt(0.5) * x)


_EVERYTHING = 1e8
"""Standard deviations that stand for infinitely many: finite, so that a derivative is 0 there, and not 0 times infinity."""


def _standardised(bound: Any, infinite: float, loc: Any, scale: Any) -> Any:
    """A bound in standard deviations from the mean; ``infinite`` for an infinite one, which neither moves."""
    endless = isinf(bound)
    return where(endless, infinite, (where(endless, 0.0, bound) - loc) / scale)


def _in_tail(near: Any, far: Any, u: Any) -> Any:
    """The same as by the quantile function, between bounds so low that the probability below them is not a number of the
    dtype: Φ(x) is φ(x) / -x there, to a factor that varies by 1 / far⁴ over the samples.
    """
    q = exp(0.5 * (far - near) * (far + near))
    r = far * far - 2.0 * log(q + (1.0 - q) * u)
    return -sqrt(r - log(r / (far * far)))


def truncated_normal(
    shape: Size = None, lower: Any = -2.0, upper: Any = 2.0, loc: Any = 0.0, scale: Any = 1.0,
    *, dtype: Any = None, key: Key = None, device: str | None = None,
) -> Any:  # fmt: skip
    """Normal numbers given that they lie in [lower, upper], which are bounds of the result, not of standard deviations.

    By the quantile function, in the tail that is nearer, so that far intervals keep their precision; beyond 37 standard
    deviations (12 in float32) by the asymptotic form of the tail. Differentiable in the bounds too, 0 in infinite ones.
    Raises ArgumentError for numbers ``lower`` and ``upper`` in the wrong order, or a ``scale`` not above 0.

    >>> import gpugrad as gg
    >>> x = gg.random.truncated_normal((100,), 0.0, 1.0)
    >>> bool(((x >= 0.0) & (x <= 1.0)).all())
    True
    """
    if all(isinstance(b, int | float | np.integer | np.floating) for b in (lower, upper)) and not lower < upper:
        raise errors.ArgumentError(f"truncated_normal: lower={lower}, upper={upper}; expected lower < upper")
    scale = spread("truncated_normal", scale, zero=False)
    d = settled("truncated_normal", shape, (lower, upper, loc, scale), dtype, key, device)
    wide = np.dtype(np.float32) if dtypes.is_half(d.dtype) else d.dtype
    u = open_unit(d.key, d.shape, wide)
    lower, upper, loc, scale = (
        full((), p, dtype=wide, device=u.device) if type(p) in WEAK else p.astype(wide) for p in d.parameters
    )
    a, b = _standardised(lower, -_EVERYTHING, loc, scale), _standardised(upper, _EVERYTHING, loc, scale)
    mirrored = greater(a, -b)
    near, far = where(mirrored, -b, a), where(mirrored, -a, b)
    limit = -12.0 if wide.itemsize == 4 else -37.0
    deep = less(far, limit)  # each way gets harmless numbers where the other is taken
    p = _below(where(deep, -1.0, near))
    z = normal_quantile(p + (_below(where(deep, 1.0, far)) - p) * u)
    z = where(deep, _in_tail(where(deep, near, limit - 1.0), where(deep, far, limit), u), z)
    return clip(loc + scale * where(mirrored, -z, z), lower, upper).astype(d.dtype)


def exponential(
    shape: Size = None, scale: Any = 1.0, *, dtype: Any = None, key: Key = None, device: str | None = None
) -> Any:
    """Exponential numbers of mean ``scale``: density exp(-x / scale) / scale for x ≥ 0.

    >>> import gpugrad as gg
    >>> bool((gg.random.exponential((10,)) >= 0.0).all())
    True
    """
    d = settled("exponential", shape, (spread("exponential", scale),), dtype, key, device)
    return scaled(standard_exponential(d.key, d.shape, d.dtype), 0.0, *d.parameters)


def laplace(
    shape: Size = None,
    loc: Any = 0.0,
    scale: Any = 1.0,
    *,
    dtype: Any = None,
    key: Key = None,
    device: str | None = None,
) -> Any:
    """Laplace numbers: density exp(-|x - loc| / scale) / (2 scale).

    >>> import gpugrad as gg
    >>> gg.random.laplace(3).shape
    (3,)
    """
    d = settled("laplace", shape, (loc, spread("laplace", scale)), dtype, key, device)
    return scaled(standard_laplace(d.key, d.shape, d.dtype), *d.parameters)


def logistic(
    shape: Size = None,
    loc: Any = 0.0,
    scale: Any = 1.0,
    *,
    dtype: Any = None,
    key: Key = None,
    device: str | None = None,
) -> Any:
    """Logistic numbers: distribution function sigmoid((x - loc) / scale).

    >>> import gpugrad as gg
    >>> gg.random.logistic(3).shape
    (3,)
    """
    d = settled("logistic", shape, (loc, spread("logistic", scale)), dtype, key, device)
    return scaled(standard_logistic(d.key, d.shape, d.dtype), *d.parameters)


def gumbel(
    shape: Size = None,
    loc: Any = 0.0,
    scale: Any = 1.0,
    *,
    dtype: Any = None,
    key: Key = None,
    device: str | None = None,
) -> Any:
    """Gumbel numbers: distribution function exp(-exp(-(x - loc) / scale)).

    >>> import gpugrad as gg
    >>> gg.random.gumbel(3).shape
    (3,)
    """
    d = settled("gumbel", shape, (loc, spread("gumbel", scale)), dtype, key, device)
    return scaled(standard_gumbel(d.key, d.shape, d.dtype), *d.parameters)


def cauchy(
    shape: Size = None,
    loc: Any = 0.0,
    scale: Any = 1.0,
    *,
    dtype: Any = None,
    key: Key = None,
    device: str | None = None,
) -> Any:
    """Cauchy numbers: density 1 / (π scale (1 + ((x - loc) / scale)²)).

    >>> import gpugrad as gg
    >>> gg.random.cauchy(3).shape
    (3,)
    """
    d = settled("cauchy", shape, (loc, spread("cauchy", scale)), dtype, key, device)
    return scaled(standard_cauchy(d.key, d.shape, d.dtype), *d.parameters)
