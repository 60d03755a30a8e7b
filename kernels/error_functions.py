"""Relatives of the error function: scaled, and inverted."""

from __future__ import annotations

import math
from typing import Any

from gpugrad.kernels.normal_quantile import quantile
from gpugrad.kernels.reference import erfc, scaled_tail

_ROOT_PI = math.sqrt(math.pi)
_DISTANT = (1.0, -1.0 / 2.0, 3.0 / 4.0, -15.0 / 8.0, 105.0 / 16.0, -945.0 / 32.0, 10395.0 / 64.0)
"""√π x erfcx(x) in powers of 1/x², for x above 28."""


def erfcx(xp: Any, x: Any) -> Any:
    """e^(x²) · erfc(x), which neither overflows nor vanishes for large x."""
    a = xp.abs(x)
    distant = a > 28.0
    middle = scaled_tail(xp.where((a < 1.0) | distant, xp.ones_like(a), a))
    huge = a > 1e15
    far = xp.where(distant & ~huge, a, 28.0 * xp.ones_like(a))
    u = xp.where(huge, xp.zeros_like(a), 1.0 / (far * far))
    series: Any = 0.0 * u
    for c in reversed(_DISTANT):
        series = series * u + c
    out = xp.where(distant, series / _ROOT_PI / xp.where(distant, a, far), middle)
    near = xp.where(a < 1.0, x, xp.zeros_like(x))
    out = xp.where(a < 1.0, xp.exp(near * near) * erfc(xp, near), out)
    low = x <= -1.0  # erfcx(-a) = 2 e^(a²) - erfcx(a), the square taken in two parts of which the first is exact
    below = xp.where(low, x, xp.zeros_like(x))
    finite = xp.where(xp.isfinite(below), below, xp.zeros_like(x))
    head = xp.round(finite * 16.0) / 16.0
    mirrored = 2.0 * xp.exp(head * head) * xp.exp((finite - head) * (finite + head)) - out
    return xp.where(low, xp.where(xp.isfinite(x), mirrored, xp.full_like(x, xp.inf)), out)


def erfinv(xp: Any, x: Any) -> Any:
    """The number whose error function is ``x``; ±∞ at ±1, NaN beyond."""
    return quantile(xp, 0.5 * x, 0.5 * (1.0 - xp.abs(x))) * math.sqrt(0.5)


def erfcinv(xp: Any, x: Any) -> Any:
    """The number whose complementary error function is ``x``, precise for tiny ``x``; ±∞ at 0 and 2, NaN beyond."""
    return quantile(xp, 0.5 * (1.0 - x), xp.where(x < 1.0, 0.5 * x, 1.0 - 0.5 * x)) * math.sqrt(0.5)


def log_ndtr(xp: Any, x: Any) -> Any:
    """The logarithm of the normal distribution function, precise in both tails."""
    u = math.sqrt(0.5) * x
    low = u < 0.0
    below = xp.where(low, u, xp.zeros_like(u))
    finite = xp.where(xp.isfinite(below), below, xp.zeros_like(u))
    tail = xp.log(0.5 * erfcx(xp, -finite)) - finite * finite
    tail = xp.where(xp.isfinite(below), tail, below)
    return xp.where(low, tail, xp.log1p(-0.5 * erfc(xp, xp.where(low, xp.zeros_like(u), u))))
