"""Powers, the cube root, and the hypotenuse."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gpugrad.kernels.scalar_math.base import (
    F32,
    F64,
    copysign,
    exponent,
    fabs,
    floor,
    mantissa,
    polynomial,
    pow2,
    product_error,
    rint,
    rounded_product,
    scalar,
    select,
    sqrt,
    sum_error,
    upper,
)
from gpugrad.kernels.scalar_math.exponentials import E64, exp_halved, exp_of_sum
from gpugrad.kernels.scalar_math.logarithms import L64, as_normal, log_of


class Root(NamedTuple):
    """Constants of the cube root in one precision."""

    third: Any
    root_of_two: Any
    root_of_half: Any
    first: Any
    """∛m for √½ ≤ m ≤ √2, to 7e-5 (1.2e-6), by Remez' exchange."""


R32 = Root(
    third=np.float32(1.0 / 3.0),
    root_of_two=np.float32(2.0 ** (1.0 / 3.0)),
    root_of_half=np.float32(2.0 ** (-1.0 / 3.0)),
    first=(0.0582184009, -0.290373981, 0.739715517, 0.492509395),
)
R64 = Root(
    third=np.float64(1.0 / 3.0),
    root_of_two=np.float64(2.0 ** (1.0 / 3.0)),
    root_of_half=np.float64(2.0 ** (-1.0 / 3.0)),
    first=(
        0.026952850723562162, -0.17954809965369506, 0.5109521929228404, -0.836060458685423, 1.0560127759713045,
        0.42168975053358676,
    ),
)  # fmt: skip

_SERIES = (
    0.1319774413753808, 0.13256669495035897, 0.15386763502778142, 0.18181784237698814, 0.2222222252134563,
    0.2857142857009195, 0.4000000000000227,
)  # fmt: skip
"""(2 artanh(s) / s - 2 - 2 s² / 3) / s⁴ in powers of s² for |s| ≤ (√2 - 1) / (√2 + 1): 2 artanh(s) / s to 1e-20."""
_TWO_THIRDS = np.float64(0.6666666666666666)
_TWO_THIRDS_LOW = np.float64(3.700743415417188e-17)
_BEYOND = np.float64(800.0)
"""Above it e^|x| is ∞ or 0, and what rounding has lost of x does not matter."""
_LARGE, _SMALL = np.float64(2.0**500), np.float64(2.0**-400)
_SHRINK, _STRETCH = np.float64(2.0**-600), np.float64(2.0**700)


@scalar
def _cbrt(x: Any, c: Any, t: Any) -> Any:
    a = fabs(x)
    normal, taken = as_normal(a, c)
    m, n = mantissa(normal), exponent(normal) - taken
    third = rint(n * t.third)
    rest = n - c.three * third  # -1, 0 or 1
    root = polynomial(m, t.first)
    root = root * select(rest > c.zero, t.root_of_two, select(rest < c.zero, t.root_of_half, c.one))
    m = m * select(rest > c.zero, c.two, select(rest < c.zero, c.half, c.one))
    root = upper(root)
    square = root * root  # exact
    cube = rounded_product(square, root)
    excess = (cube - m) + product_error(square, root, cube)
    root = root - root * (excess / (c.two * cube + m))  # Halley: the error is cubed
    return select((a > c.zero) & (a < c.inf), copysign(root * pow2(third), x), x + x)


@scalar
def log_in_two(a: Any) -> Any:
    """log a of a positive, finite a as a sum of two, to 2⁻⁶⁵ relatively: s in two parts, and two terms of the series."""
    c = F64
    normal, taken = as_normal(a, c)
    n = exponent(normal) - taken
    f = mantissa(normal) - c.one
    below = c.two + f
    inverse = c.one / below
    s = f * inverse
    p = rounded_product(s, below)
    s_low = (((f - p) - product_error(s, below, p)) - s * (f - (below - c.two))) * inverse
    z = rounded_product(s, s)
    z_low = product_error(s, s, z) + c.two * s * s_low
    u = rounded_product(_TWO_THIRDS, z)
    u_low = product_error(_TWO_THIRDS, z, u) + (_TWO_THIRDS * z_low + _TWO_THIRDS_LOW * z)
    w = z * z * polynomial(z, _SERIES)
    v = u + w
    v_low = ((u - v) + w) + u_low
    p = rounded_product(s, v)
    p_low = product_error(s, v, p) + (s * v_low + s_low * v)
    twice = c.two * s
    q = twice + p
    q_low = ((twice - q) + p) + (p_low + c.two * s_low)
    large = n * L64.log2_high
    high = large + q
    return high, sum_error(large, q, high) + (q_low + n * L64.log2_low)


@scalar
def _signed(x: Any, y: Any, magnitude: Any, c: Any) -> Any:
    """xʸ from |x|ʸ: the sign, and what is not real."""
    half = c.half * y
    whole = floor(y) == y
    odd = whole & (floor(half) != half)
    out = select(odd & (copysign(c.one, x) < c.zero), -magnitude, magnitude)
    out = select((x < c.zero) & (x > -c.inf) & (not whole), c.nan, out)
    out = select(x != x, x, out)
    unity = (y == c.zero) | (x == c.one) | ((x == -c.one) & (fabs(y) == c.inf))
    return select(unity, c.one, out)


@scalar
def pow_f32(x: Any, y: Any) -> Any:
    """xʸ, to 1 ULP: in double precision, as C has it for zeros, infinities and NaN."""
    magnitude = exp_halved(np.float64(y) * log_of(np.float64(fabs(x)), F64, L64), F64.zero, F64, E64)
    return _signed(x, y, np.float32(magnitude), F32)


@scalar
def pow_f64(x: Any, y: Any) -> Any:
    """xʸ, to 2 ULP: from log |x| in two parts, as C has it for zeros, infinities and NaN."""
    a = fabs(x)
    high, low = log_in_two(a)
    high = select(a == F64.zero, -F64.inf, select(a == F64.inf, F64.inf, high))
    power = rounded_product(y, high)
    rest = select(fabs(power) < _BEYOND, product_error(y, high, power) + y * low, F64.zero)
    return _signed(x, y, exp_of_sum(power, rest, F64.one, F64, E64), F64)


@scalar
def cbrt_f32(x: Any) -> Any:
    """The real cube root, to 1 ULP: a polynomial, and one step of Halley's with an exact cube."""
    return _cbrt(x, F32, R32)


@scalar
def cbrt_f64(x: Any) -> Any:
    """The real cube root, to 1 ULP: a polynomial, and one step of Halley's with an exact cube."""
    return _cbrt(x, F64, R64)


@scalar
def hypot_f32(x: Any, y: Any) -> Any:
    """√(x² + y²), to 1 ULP, in double precision, which has the exponents; ∞ where one is, also beside NaN."""
    a, b = np.float64(x), np.float64(y)
    out = np.float32(sqrt(a * a + b * b))
    return select((fabs(x) == F32.inf) | (fabs(y) == F32.inf), F32.inf, out)


@scalar
def hypot_f64(x: Any, y: Any) -> Any:
    """√(x² + y²), to 2 ULP, scaled where a square overflows or vanishes; ∞ where one is, also beside NaN."""
    a, b = fabs(x), fabs(y)
    large = select(a > b, a, b)
    scale = select(large > _LARGE, _SHRINK, select(large < _SMALL, _STRETCH, F64.one))
    a, b = a * scale, b * scale
    out = sqrt(a * a + b * b) / scale
    return select((fabs(x) == F64.inf) | (fabs(y) == F64.inf), F64.inf, out)
