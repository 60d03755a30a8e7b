"""The inverses of the circular and the hyperbolic functions.

An angle is k π/4 ± arctan t with |t| ≤ tan(π/8), where π/4 is taken in two parts of which k times the first is exact.
The polynomials are minimax fits by Remez' exchange in 50 digits.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gpugrad.kernels.scalar_math.base import F32, F64, copysign, fabs, polynomial, scalar, select, sqrt
from gpugrad.kernels.scalar_math.logarithms import L32, L64, log1p_of


class Arc(NamedTuple):
    """Constants of the inverse functions in one precision."""

    eighth_turn: Any
    eighth_turn_low: Any
    border: Any
    """tan(π/8)."""
    tangent: Any
    """(arctan t / t - 1) / t² in powers of t² for |t| ≤ tan(π/8): arctan t / t to 7e-10 (1.3e-18)."""
    sine: Any
    """(arcsin t / t - 1) / t² in powers of t² for |t| ≤ ½: arcsin t / t to 5e-9 (1.5e-17)."""
    large: Any
    """Above it √(x² ± 1) = x."""
    too_large: Any
    """Above it a sum of two overflows."""


A32 = Arc(
    eighth_turn=np.float32(0.7853975296020508),
    eighth_turn_low=np.float32(6.337953975283657e-07),
    border=np.float32(0.41421356),
    tangent=(-0.0608116649, 0.105951443, -0.142437398, 0.199984834, -0.333333164),
    sine=(0.0422178805, 0.0241480041, 0.0454770215, 0.0749524236, 0.166667536),
    large=np.float32(2.0**26),
    too_large=np.float32(2.0**126),
)
A64 = Arc(
    eighth_turn=np.float64(0.7853981633974483),
    eighth_turn_low=np.float64(3.061616997868383e-17),
    border=np.float64(0.41421356237309503),
    tangent=(
        -0.017907339485039225, 0.03806494970389946, -0.05039330557508313, 0.058478973123184744, -0.06663105441042826,
        0.0769206036005106, -0.09090897766945569, 0.11111110783807954, -0.14285714280203834, 0.1999999999995366,
        -0.333333333333332,
    ),
    sine=(
        0.03195872068071918, -0.016293725507675372, 0.01957368918234512, 0.006510931413209803, 0.01217326136846571,
        0.013884601217325545, 0.01735977082316389, 0.022371753543033397, 0.030381959330348856, 0.04464285682350823,
        0.07500000000343005, 0.16666666666665383,
    ),
    large=np.float64(2.0**55),
    too_large=np.float64(2.0**1022),
)  # fmt: skip


@scalar
def _angle(k: Any, sign: Any, t: Any, a: Any) -> Any:
    """k π/4 + sign · arctan t."""
    z = t * t
    return k * a.eighth_turn + (sign * t + (sign * t * (z * polynomial(z, a.tangent)) + k * a.eighth_turn_low))


@scalar
def _atan(x: Any, c: Any, a: Any) -> Any:
    size = fabs(x)
    steep = size > c.one / a.border
    middle = size > a.border
    above = select(steep, -c.one, select(middle, size - c.one, size))
    below = select(steep, size, select(middle, size + c.one, c.one))
    k = select(steep, c.two, select(middle, c.one, c.zero))
    out = copysign(_angle(k, c.one, above / below, a), x)
    return select(size < c.tiny, x, out)


@scalar
def _atan2(y: Any, x: Any, c: Any, a: Any) -> Any:
    high, wide = fabs(y), fabs(x)
    swapped = high > wide
    small, large = select(swapped, wide, high), select(swapped, high, wide)
    scale = select(large > a.too_large, c.quarter, c.one)
    small, large = small * scale, large * scale
    middle = (small > large * a.border) | (small == c.inf)
    above = select(small == large, c.zero, select(middle, small - large, small))  # also for ∞, ∞ and 0, 0
    below = select(middle, small + large, large)
    t = above / select((below == c.zero) | (small == large), c.one, below)
    k = select(middle, c.one, c.zero)
    k = select(swapped, c.two - k, k)
    sign = select(swapped, -c.one, c.one)
    left = copysign(c.one, x) < c.zero
    out = _angle(select(left, c.four - k, k), select(left, -sign, sign), t, a)
    return copysign(out, y)


@scalar
def _asin(x: Any, c: Any, a: Any) -> Any:
    size = fabs(x)
    outer = size > c.half
    square = select(outer, c.half - c.half * size, x * x)
    t = select(outer, sqrt(square), size)
    rest = t * (square * polynomial(square, a.sine))
    quarter, low = c.two * a.eighth_turn, c.two * a.eighth_turn_low
    out = select(outer, (quarter - c.two * t) - (c.two * rest - low), t + rest)
    return select(size < c.tiny, x, copysign(out, x))


@scalar
def _acos(x: Any, c: Any, a: Any) -> Any:
    size = fabs(x)
    outer = size > c.half
    square = select(outer, c.half - c.half * size, x * x)
    t = select(outer, sqrt(square), x)
    rest = t * (square * polynomial(square, a.sine))
    quarter, low = c.two * a.eighth_turn, c.two * a.eighth_turn_low
    inner = quarter - (t - (low - rest))
    near = c.two * (t + rest)
    far = c.two * quarter - (near - c.two * low)
    return select(outer, select(x < c.zero, far, near), inner)


@scalar
def _asinh(x: Any, c: Any, a: Any, l: Any) -> Any:
    size = fabs(x)
    large = size > a.large
    part = select(large, c.one, size)
    square = part * part
    near = part + square / (c.one + sqrt(c.one + square))
    out = log1p_of(select(large, size, near), c, l) + select(large, l.log2, c.zero)
    return select(size < c.tiny, x, copysign(out, x))


@scalar
def _acosh(x: Any, c: Any, a: Any, l: Any) -> Any:
    large = x > a.large
    above = select(large, c.one, x) - c.one
    near = above + sqrt(above * (c.two + above))
    out = log1p_of(select(large, x, near), c, l) + select(large, l.log2, c.zero)
    return select(x < c.one, c.nan, out)


@scalar
def _atanh(x: Any, c: Any, l: Any) -> Any:
    size = fabs(x)
    twice = size + size
    small = size < c.half
    ratio = twice * select(small, size, c.one) / (c.one - size)
    out = c.half * log1p_of(ratio + select(small, twice, c.zero), c, l)
    return select(size < c.tiny, x, copysign(out, x))


@scalar
def atan_f32(x: Any) -> Any:
    """The angle in [-π/2, π/2] with this tangent, to 2 ULP."""
    return _atan(x, F32, A32)


@scalar
def atan_f64(x: Any) -> Any:
    """The angle in [-π/2, π/2] with this tangent, to 2 ULP."""
    return _atan(x, F64, A64)


@scalar
def atan2_f32(y: Any, x: Any) -> Any:
    """The angle of the point (x, y), to 2 ULP; zeros and infinities as C has it."""
    return _atan2(y, x, F32, A32)


@scalar
def atan2_f64(y: Any, x: Any) -> Any:
    """The angle of the point (x, y), to 2 ULP; zeros and infinities as C has it."""
    return _atan2(y, x, F64, A64)


@scalar
def asin_f32(x: Any) -> Any:
    """The angle in [-π/2, π/2] with this sine, to 3 ULP: π/2 - 2 arcsin √((1 - |x|) / 2) beyond ½."""
    return _asin(x, F32, A32)


@scalar
def asin_f64(x: Any) -> Any:
    """The angle in [-π/2, π/2] with this sine, to 3 ULP: π/2 - 2 arcsin √((1 - |x|) / 2) beyond ½."""
    return _asin(x, F64, A64)


@scalar
def acos_f32(x: Any) -> Any:
    """The angle in [0, π] with this cosine, to 2 ULP: 2 arcsin √((1 - x) / 2) beyond ½."""
    return _acos(x, F32, A32)


@scalar
def acos_f64(x: Any) -> Any:
    """The angle in [0, π] with this cosine, to 2 ULP: 2 arcsin √((1 - x) / 2) beyond ½."""
    return _acos(x, F64, A64)


@scalar
def asinh_f32(x: Any) -> Any:
    """log(x + √(x² + 1)), to 3 ULP: log1p(|x| + x² / (1 + √(x² + 1)))."""
    return _asinh(x, F32, A32, L32)


@scalar
def asinh_f64(x: Any) -> Any:
    """log(x + √(x² + 1)), to 3 ULP: log1p(|x| + x² / (1 + √(x² + 1)))."""
    return _asinh(x, F64, A64, L64)


@scalar
def acosh_f32(x: Any) -> Any:
    """log(x + √(x² - 1)), to 3 ULP: log1p(t + √(t (t + 2))) with t = x - 1."""
    return _acosh(x, F32, A32, L32)


@scalar
def acosh_f64(x: Any) -> Any:
    """log(x + √(x² - 1)), to 3 ULP: log1p(t + √(t (t + 2))) with t = x - 1."""
    return _acosh(x, F64, A64, L64)


@scalar
def atanh_f32(x: Any) -> Any:
    """½ log((1 + x) / (1 - x)), to 3 ULP: ½ log1p(2x / (1 - x))."""
    return _atanh(x, F32, L32)


@scalar
def atanh_f64(x: Any) -> Any:
    """½ log((1 + x) / (1 - x)), to 3 ULP: ½ log1p(2x / (1 - x))."""
    return _atanh(x, F64, L64)
