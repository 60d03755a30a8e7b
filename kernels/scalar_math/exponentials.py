"""Exponentials and what is made of them.

eˣ = 2ⁿ eʳ with n the nearest integer to x / log 2 and r = x - n log 2, |r| ≤ log 2 / 2, where log 2 is taken in two parts
of which n times the first is exact. The polynomials are minimax fits by Remez' exchange in 50 digits; each says its
interval and its error relative to the function it belongs to.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gpugrad.kernels.scalar_math.base import F32, F64, copysign, fabs, polynomial, pow2, rint, scalar, scaled, select


class Exp(NamedTuple):
    """Constants of eˣ in one precision."""

    per_log2: Any
    log2_high: Any
    log2_low: Any
    lowest: Any
    """Below it eˣ is 0."""
    highest: Any
    """Above it eˣ/2 is ∞."""
    overflowing: Any
    """Above it eˣ is ∞; its n is the largest exponent, and one."""
    vanishing: Any
    """Below it eˣ - 1 is -1."""
    unity: Any
    """Above it the hyperbolic tangent is 1."""
    rest: Any
    """(eʳ - 1 - r) / r² for |r| ≤ log 2 / 2: eʳ to 3e-9 (4e-18)."""
    power: Any
    """(2ʳ - 1) / r for |r| ≤ ½: 2ʳ to 2e-9 (4e-18)."""
    lowest_power: Any
    highest_power: Any
    odd: Any
    """(sinh x / x - 1) / x² in powers of x² for |x| ≤ 1: sinh x / x to 3e-8 (1e-19)."""


E32 = Exp(
    per_log2=np.float32(1.4426950408889634),
    log2_high=np.float32(0.693145751953125),
    log2_low=np.float32(1.4286068203094173e-06),
    lowest=np.float32(-105.0),
    highest=np.float32(90.0),
    overflowing=np.float32(89.0),
    vanishing=np.float32(-20.0),
    unity=np.float32(10.0),
    rest=(0.00139507023, 0.00836895406, 0.0416662022, 0.166665182, 0.5),
    power=(0.00015476525, 0.00134004035, 0.00961800292, 0.0555032752, 0.240226507, 0.693147182),
    lowest_power=np.float32(-152.0),
    highest_power=np.float32(129.0),
    odd=(0.00020377402, 0.00833021104, 0.166667178),
)
E64 = Exp(
    per_log2=np.float64(1.4426950408889634),
    log2_high=np.float64(0.6931471805592082),
    log2_low=np.float64(7.371002565167799e-13),
    lowest=np.float64(-746.0),
    highest=np.float64(711.0),
    overflowing=np.float64(710.0),
    vanishing=np.float64(-40.0),
    unity=np.float64(20.0),
    rest=(
        2.511809539020522e-08, 2.763141086256179e-07, 2.755721559177843e-06, 2.4801489599879256e-05,
        0.00019841269918134888, 0.0013888888947321694, 0.008333333333306875, 0.041666666666514356, 0.166666666666667,
        0.5000000000000013,
    ),
    power=(
        4.457410257817676e-10, 7.073897928693727e-09, 1.0178046300640798e-07, 1.3215434609940864e-06,
        1.5252733867955914e-05, 0.00015403530458465842, 0.001333355814637856, 0.009618129107593052,
        0.05550410866482174, 0.24022650695910133, 0.6931471805599453,
    ),
    lowest_power=np.float64(-1077.0),
    highest_power=np.float64(1025.0),
    odd=(
        7.759313669355109e-13, 1.6057240292666128e-10, 2.5052123399172768e-08, 2.7557319155333173e-06,
        0.00019841269841437692, 0.008333333333333139, 0.16666666666666669,
    ),
)  # fmt: skip

SPLIT = np.float32(0.625)
NEAR = (-0.005704985, 0.020639084, -0.05373972, 0.13331442, -0.3333328)
"""(tanh x / x - 1) / x² in powers of x² for |x| ≤ 5/8: tanh x / x to 5e-9."""


@scalar
def clipped(x: Any, lowest: Any, highest: Any) -> Any:
    """x within two bounds; NaN stays."""
    x = select(x < lowest, lowest, x)
    return select(x > highest, highest, x)


@scalar
def exp_halved(x: Any, halvings: Any, c: Any, e: Any) -> Any:
    """eˣ / 2ᵏ, which may be finite where eˣ is not."""
    x = clipped(x, e.lowest, e.highest)
    n = rint(x * e.per_log2)
    first = x - n * e.log2_high
    low = n * e.log2_low
    r = first - low
    return scaled(c.one + (first + (r * r * polynomial(r, e.rest) - low)), n - halvings, c)


@scalar
def exp_of_sum(high: Any, low: Any, factor: Any, c: Any, e: Any) -> Any:
    """e^(high + low) times a factor near 1, for a small correction ``low``: denormal results are rounded once."""
    x = clipped(high, e.lowest, e.highest)
    n = rint(x * e.per_log2)
    first = x - n * e.log2_high
    low = n * e.log2_low - low
    r = first - low
    return scaled(factor * (c.one + (first + (r * r * polynomial(r, e.rest) - low))), n, c)


@scalar
def _exp2(x: Any, c: Any, e: Any) -> Any:
    x = clipped(x, e.lowest_power, e.highest_power)
    n = rint(x)
    r = x - n
    return scaled(c.one + r * polynomial(r, e.power), n, c)


@scalar
def _half_expm1(x: Any, c: Any, e: Any) -> Any:
    """(eˣ - 1) / 2, which is finite where eˣ is not, and what its rounding has lost."""
    x = clipped(x, e.vanishing, e.overflowing)
    n = rint(x * e.per_log2)
    first = x - n * e.log2_high
    low = n * e.log2_low
    r = first - low
    tail = r * r * polynomial(r, e.rest) - low
    m = first + tail
    half = pow2(n - c.one)
    large, small = half - c.half, half * m
    out = large + small
    added = out - large
    return out, ((large - (out - added)) + (small - added)) + half * (tail - (m - first))


@scalar
def _expm1(x: Any, c: Any, e: Any) -> Any:
    half, _ = _half_expm1(x, c, e)
    return select(fabs(x) < c.tiny, x, c.two * half)


@scalar
def _sigmoid(x: Any, c: Any, e: Any) -> Any:
    small = exp_halved(-fabs(x), c.zero, c, e)
    below = c.one + small
    lost = small - (below - c.one)
    out = select(x >= c.zero, c.one, small) / below
    return out - (out * lost) * select(x >= c.zero, out, c.one - out)  # the last factor is 1 / below


@scalar
def _tanh(x: Any, c: Any, e: Any) -> Any:
    a = fabs(x)
    half, low = _half_expm1(c.two * select(a > e.unity, e.unity, a), c, e)
    below = c.one + half
    added = below - half
    lost = (half - (below - added)) + (c.one - added)
    out = half / below
    rest = c.one - out  # 1 / below
    out = out + (low * rest - out * lost) * rest
    return select(a < c.tiny, x, copysign(select(out > c.one, c.one, out), x))


@scalar
def _tanh_single(x: Any, c: Any, e: Any) -> Any:
    a = fabs(x)
    square = x * x
    near = a + a * (square * polynomial(square, NEAR))
    y = c.two * select(a > e.unity, e.unity, a)
    n = rint(y * e.per_log2)
    r = (y - n * e.log2_high) - n * e.log2_low
    far = c.one - c.two / (c.one + pow2(n) * (c.one + (r + r * r * polynomial(r, e.rest))))
    return copysign(select(a < SPLIT, near, far), x)


@scalar
def _sinh(x: Any, c: Any, e: Any) -> Any:
    a = fabs(x)
    square = x * x
    near = x + x * (square * polynomial(square, e.odd))
    half = exp_halved(a, c.one, c, e)
    far = copysign(half - c.quarter / half, x)
    return select(a < c.tiny, x, select(a < c.one, near, far))


@scalar
def _cosh(x: Any, c: Any, e: Any) -> Any:
    half = exp_halved(fabs(x), c.one, c, e)
    return half + c.quarter / half


@scalar
def exp_f32(x: Any) -> Any:
    """eˣ, to 1 ULP."""
    return exp_halved(x, F32.zero, F32, E32)


@scalar
def exp_f64(x: Any) -> Any:
    """eˣ, to 1 ULP."""
    return exp_halved(x, F64.zero, F64, E64)


@scalar
def exp2_f32(x: Any) -> Any:
    """2ˣ, to 1 ULP."""
    return _exp2(x, F32, E32)


@scalar
def exp2_f64(x: Any) -> Any:
    """2ˣ, to 1 ULP."""
    return _exp2(x, F64, E64)


@scalar
def expm1_f32(x: Any) -> Any:
    """eˣ - 1, to 2 ULP: 2ⁿ (eʳ - 1) + (2ⁿ - 1)."""
    return _expm1(x, F32, E32)


@scalar
def expm1_f64(x: Any) -> Any:
    """eˣ - 1, to 2 ULP: 2ⁿ (eʳ - 1) + (2ⁿ - 1)."""
    return _expm1(x, F64, E64)


@scalar
def sigmoid_f32(x: Any) -> Any:
    """1 / (1 + e⁻ˣ), to 2 ULP: from e^-|x|, which never overflows."""
    return _sigmoid(x, F32, E32)


@scalar
def sigmoid_f64(x: Any) -> Any:
    """1 / (1 + e⁻ˣ), to 2 ULP: from e^-|x|, which never overflows."""
    return _sigmoid(x, F64, E64)


@scalar
def tanh_f32(x: Any) -> Any:
    """The hyperbolic tangent, to 2 ULP: a polynomial below 5/8, and 1 - 2 / (e^(2|x|) + 1) above."""
    return _tanh_single(x, F32, E32)


@scalar
def tanh_f64(x: Any) -> Any:
    """The hyperbolic tangent, to 2 ULP: m / (1 + m) with m = (e^(2|x|) - 1) / 2."""
    return _tanh(x, F64, E64)


@scalar
def sinh_f32(x: Any) -> Any:
    """The hyperbolic sine, to 2 ULP: a polynomial below 1, and h - 1 / 4h with h = eˣ / 2 above."""
    return _sinh(x, F32, E32)


@scalar
def sinh_f64(x: Any) -> Any:
    """The hyperbolic sine, to 2 ULP: a polynomial below 1, and h - 1 / 4h with h = eˣ / 2 above."""
    return _sinh(x, F64, E64)


@scalar
def cosh_f32(x: Any) -> Any:
    """The hyperbolic cosine, to 2 ULP: h + 1 / 4h with h = eˣ / 2."""
    return _cosh(x, F32, E32)


@scalar
def cosh_f64(x: Any) -> Any:
    """The hyperbolic cosine, to 2 ULP: h + 1 / 4h with h = eˣ / 2."""
    return _cosh(x, F64, E64)
