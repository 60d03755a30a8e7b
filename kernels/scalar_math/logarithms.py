"""Logarithms and what is made of them.

log x = n log 2 + log m with x = m · 2ⁿ, √½ ≤ m < √2. With f = m - 1 and s = f / (2 + f), log m = 2 artanh s, and so
log(1 + f) = f - (f²/2 - s (f²/2 + R(s²))), where f is exact and the rest is small. R is a minimax fit by Remez' exchange
in 50 digits. Logarithms to other bases, whose factor is not exact, take f - f²/2 in two parts.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gpugrad.kernels.scalar_math.base import F32, F64, exponent, fabs, mantissa, polynomial, scalar, select, upper
from gpugrad.kernels.scalar_math.exponentials import E32, E64, exp_halved, exp_of_sum


class Log(NamedTuple):
    """Constants of the logarithm in one precision; those in two parts have zeros at the end of the first."""

    log2_high: Any
    log2_low: Any
    log2: Any
    series: Any
    """(2 artanh(s) / s - 2) / s² in powers of s² for |s| ≤ (√2 - 1) / (√2 + 1): 2 artanh(s) / s to 1e-9 (1e-18)."""
    per_log2_high: Any
    per_log2_low: Any
    per_log10_high: Any
    per_log10_low: Any
    log10_2_high: Any
    log10_2_low: Any


L32 = Log(
    log2_high=np.float32(0.693145751953125),
    log2_low=np.float32(1.4286068203094173e-06),
    log2=np.float32(0.6931471805599453),
    series=(0.235835463, 0.285372406, 0.400003374, 0.666666627),
    per_log2_high=np.float32(1.4423828),
    per_log2_low=np.float32(0.0003122284),
    per_log10_high=np.float32(0.4342041),
    per_log10_low=np.float32(9.038034e-05),
    log10_2_high=np.float32(0.3010254),
    log10_2_low=np.float32(4.605039e-06),
)
L64 = Log(
    log2_high=np.float64(0.6931471805592082),
    log2_low=np.float64(7.371002565167799e-13),
    log2=np.float64(0.6931471805599453),
    series=(
        0.14797530537203044, 0.15313901012287706, 0.18183569824242704, 0.22222198474461471, 0.28571428743275484,
        0.39999999999411057, 0.6666666666666735,
    ),
    per_log2_high=np.float64(1.4426950216293335),
    per_log2_low=np.float64(1.9259629911266175e-08),
    per_log10_high=np.float64(0.4342944771051407),
    per_log10_low=np.float64(4.798111141615973e-09),
    log10_2_high=np.float64(0.30102999566361177),
    log10_2_low=np.float64(3.694239077158931e-13),
)  # fmt: skip


@scalar
def _limits(x: Any, out: Any, c: Any) -> Any:
    """The logarithm of x, which is ``out`` for positive, finite x."""
    out = select(x == c.inf, x, out)
    return select(x > c.zero, out, select(x == c.zero, -c.inf, c.nan))


@scalar
def as_normal(x: Any, c: Any) -> Any:
    """x, made a normal number, and the exponent it has taken."""
    denormal = x < c.smallest
    return select(denormal, x * c.up, x), select(denormal, c.up_exponent, c.zero)


@scalar
def log_of(x: Any, c: Any, l: Any) -> Any:
    """log x."""
    normal, taken = as_normal(x, c)
    n = exponent(normal) - taken
    f = mantissa(normal) - c.one
    s = f / (c.two + f)
    square = s * s
    half = c.half * f * f
    rest = s * (half + square * polynomial(square, l.series)) + n * l.log2_low
    return _limits(x, n * l.log2_high + (f - (half - rest)), c)


@scalar
def _log_parts(x: Any, c: Any, l: Any) -> Any:
    """n, and log m in two parts, of which the first has half of the digits."""
    normal, taken = as_normal(x, c)
    n = exponent(normal) - taken
    f = mantissa(normal) - c.one
    s = f / (c.two + f)
    square = s * s
    half = c.half * f * f
    high = upper(f - half)
    return n, high, ((f - high) - half) + s * (half + square * polynomial(square, l.series))


@scalar
def _log2(x: Any, c: Any, l: Any) -> Any:
    n, high, low = _log_parts(x, c, l)
    small = low * l.per_log2_high + (low + high) * l.per_log2_low
    large = high * l.per_log2_high
    out = n + large
    return _limits(x, out + (((n - out) + large) + small), c)


@scalar
def _log10(x: Any, c: Any, l: Any) -> Any:
    n, high, low = _log_parts(x, c, l)
    small = n * l.log10_2_low + (low * l.per_log10_high + (low + high) * l.per_log10_low)
    large = high * l.per_log10_high
    from_exponent = n * l.log10_2_high
    out = from_exponent + large
    return _limits(x, out + (((from_exponent - out) + large) + small), c)


@scalar
def log1p_of(x: Any, c: Any, l: Any) -> Any:
    """log(1 + x)."""
    u = c.one + x
    lost = select(x > c.one, c.one - (u - x), x - (u - c.one)) / u
    n = exponent(u)
    f = mantissa(u) - c.one
    s = f / (c.two + f)
    square = s * s
    half = c.half * f * f
    rest = s * (half + square * polynomial(square, l.series)) + (n * l.log2_low + lost)
    out = _limits(u, n * l.log2_high + (f - (half - rest)), c)
    return select(fabs(x) < c.tiny, x, out)


@scalar
def _softplus(x: Any, c: Any, e: Any, l: Any) -> Any:
    rest = log1p_of(exp_halved(-fabs(x), c.zero, c, e), c, l)
    return select(x > c.zero, x, c.zero) + rest


@scalar
def _logaddexp(x: Any, y: Any, c: Any, e: Any, l: Any) -> Any:
    large, small = select(x > y, x, y), select(x > y, y, x)
    apart = small - large
    added = apart + large  # the exponential magnifies what the difference has lost
    lost = (small - added) - (large - (added - apart))
    rest = log1p_of(exp_of_sum(apart, select(apart > e.lowest, lost, c.zero), c.one, c, e), c, l)
    return select(x == y, x + l.log2, large + rest)


@scalar
def log_f32(x: Any) -> Any:
    """The natural logarithm, to 1 ULP."""
    return log_of(x, F32, L32)


@scalar
def log_f64(x: Any) -> Any:
    """The natural logarithm, to 1 ULP."""
    return log_of(x, F64, L64)


@scalar
def log2_f32(x: Any) -> Any:
    """The logarithm to base 2, to 1 ULP."""
    return _log2(x, F32, L32)


@scalar
def log2_f64(x: Any) -> Any:
    """The logarithm to base 2, to 1 ULP."""
    return _log2(x, F64, L64)


@scalar
def log10_f32(x: Any) -> Any:
    """The logarithm to base 10, to 1 ULP."""
    return _log10(x, F32, L32)


@scalar
def log10_f64(x: Any) -> Any:
    """The logarithm to base 10, to 1 ULP."""
    return _log10(x, F64, L64)


@scalar
def log1p_f32(x: Any) -> Any:
    """log(1 + x), to 1 ULP: what 1 + x has lost in rounding is added, divided by 1 + x."""
    return log1p_of(x, F32, L32)


@scalar
def log1p_f64(x: Any) -> Any:
    """log(1 + x), to 1 ULP: what 1 + x has lost in rounding is added, divided by 1 + x."""
    return log1p_of(x, F64, L64)


@scalar
def softplus_f32(x: Any) -> Any:
    """log(1 + eˣ) = max(x, 0) + log(1 + e^-|x|), to 2 ULP."""
    return _softplus(x, F32, E32, L32)


@scalar
def softplus_f64(x: Any) -> Any:
    """log(1 + eˣ) = max(x, 0) + log(1 + e^-|x|), to 2 ULP."""
    return _softplus(x, F64, E64, L64)


@scalar
def logaddexp_f32(x: Any, y: Any) -> Any:
    """log(eˣ + eʸ) = max(x, y) + log(1 + e^-|x - y|), to 2 ULP of the larger of |x|, |y|, and the result."""
    return _logaddexp(x, y, F32, E32, L32)


@scalar
def logaddexp_f64(x: Any, y: Any) -> Any:
    """log(eˣ + eʸ) = max(x, y) + log(1 + e^-|x - y|), to 2 ULP of the larger of |x|, |y|, and the result."""
    return _logaddexp(x, y, F64, E64, L64)
