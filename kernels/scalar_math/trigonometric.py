"""The sine, the cosine, the tangent, and sin(πx) / (πx).

With n the nearest integer to 2x / π and r = x - n π/2, each is ± sin r or ± cos r, polynomials in r² fitted by Remez'
exchange in 50 digits. There are two ways to n and r (:mod:`.quadrants`), and so two functions each: ``sin_f64`` is right
for every x and ``sin_near_f64`` for |x| ≤ :data:`~.quadrants.NEAR` only, at a fraction of the time. Neither has a
branch. A loop that looks at its arguments first, block by block, takes the second for nearly all blocks: measured with
AVX-512, the wide sine takes 1.4 ns for a float32 and 4.3 ns for a float64, the near one 0.6 ns and 1.2 ns, where libm's
takes 11 ns and 18 ns. For a processor without AVX-512, LLVM may find the gathers of the wide functions of float64 too
dear and leave their loop scalar.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gpugrad.kernels.scalar_math.base import F32, F64, fabs, has_two, is_odd, polynomial, rint, scalar, select
from gpugrad.kernels.scalar_math.quadrants import near_f32, near_f64, wide_f32, wide_f64


class Wave(NamedTuple):
    """Constants of the circular functions in one precision."""

    sine: Any
    """(sin r / r - 1) / r² in powers of r² for |r| ≤ π/4: sin r / r to 4e-9 (4e-18)."""
    cosine: Any
    """(cos r - 1 + r²/2) / r⁴ likewise: cos r to 2e-10 (7e-20)."""
    pi: Any
    pi_low: Any
    even: Any
    """A number above which all are even integers."""


W32 = Wave(
    sine=(-0.000195169778, 0.00833217613, -0.166666552),
    cosine=(2.44381026e-05, -0.00138873642, 0.0416666456),
    pi=np.float32(3.141592653589793),
    pi_low=np.float32(-8.742277657347586e-08),
    even=np.float32(2.0**26),
)
W64 = Wave(
    sine=(
        1.5896664840268667e-10, -2.505075593560288e-08, 2.7557313678533595e-06, -0.00019841269829770964,
        0.00833333333332237, -0.16666666666666632,
    ),
    cosine=(
        -1.1359561907030689e-11, 2.0875721655790253e-09, -2.755731434070701e-07, 2.480158728944282e-05,
        -0.0013888888888874062, 0.0416666666666666,
    ),
    pi=np.float64(3.141592653589793),
    pi_low=np.float64(1.2246467991473532e-16),
    even=np.float64(2.0**55),
)  # fmt: skip


@scalar
def sine(r: Any, low: Any, c: Any, w: Any) -> Any:
    """sin(r + low) for |r| ≤ π/4."""
    z = r * r
    return r + (r * (z * polynomial(z, w.sine)) + low * (c.one - c.half * z))


@scalar
def cosine(r: Any, low: Any, c: Any, w: Any) -> Any:
    """cos(r + low) for |r| ≤ π/4."""
    z = r * r
    half = c.half * z
    out = c.one - half
    return out + (((c.one - out) - half) + (z * z * polynomial(z, w.cosine) - r * low))


@scalar
def _sin(x: Any, n: Any, r: Any, low: Any, c: Any, w: Any) -> Any:
    out = select(is_odd(n), cosine(r, low, c, w), sine(r, low, c, w))
    return select(fabs(x) < c.tiny, x, select(has_two(n), -out, out))


@scalar
def _cos(n: Any, r: Any, low: Any, c: Any, w: Any) -> Any:
    out = select(is_odd(n), sine(r, low, c, w), cosine(r, low, c, w))
    return select(has_two(n + c.one), -out, out)


@scalar
def _tan(x: Any, n: Any, r: Any, low: Any, c: Any, w: Any) -> Any:
    odd = is_odd(n)
    above, below = sine(r, low, c, w), cosine(r, low, c, w)
    out = select(odd, -below, above) / select(odd, above, below)
    return select(fabs(x) < c.tiny, x, out)


@scalar
def _sinc(x: Any, c: Any, w: Any) -> Any:
    a = fabs(x)
    a = select(a > w.even, w.even, a) + (x - x)  # NaN for ∞, as NumPy has it
    n = rint(a + a)
    r = a - n * c.half
    n = n - c.four * rint(n * c.quarter)
    y = w.pi * r
    out = select(is_odd(n), cosine(y, w.pi_low * r, c, w), sine(y, w.pi_low * r, c, w))
    return select(a < c.tiny, c.one, (select(has_two(n), -out, out) + c.zero) / (w.pi * select(a < c.tiny, c.one, a)))


@scalar
def sin_f32(x: Any) -> Any:
    """The sine of an angle in radians, to 2 ULP."""
    n, r = wide_f32(x)
    return _sin(x, n, r, F32.zero, F32, W32)


@scalar
def sin_f64(x: Any) -> Any:
    """The sine of an angle in radians, to 2 ULP."""
    n, r, low = wide_f64(x)
    return _sin(x, n, r, low, F64, W64)


@scalar
def sin_near_f32(x: Any) -> Any:
    """The sine of an angle in radians, to 2 ULP, for |x| ≤ 2²⁰."""
    n, r = near_f32(x)
    return _sin(x, n, r, F32.zero, F32, W32)


@scalar
def sin_near_f64(x: Any) -> Any:
    """The sine of an angle in radians, to 2 ULP, for |x| ≤ 2²⁰."""
    n, r, low = near_f64(x)
    return _sin(x, n, r, low, F64, W64)


@scalar
def cos_f32(x: Any) -> Any:
    """The cosine of an angle in radians, to 2 ULP."""
    n, r = wide_f32(x)
    return _cos(n, r, F32.zero, F32, W32)


@scalar
def cos_f64(x: Any) -> Any:
    """The cosine of an angle in radians, to 2 ULP."""
    n, r, low = wide_f64(x)
    return _cos(n, r, low, F64, W64)


@scalar
def cos_near_f32(x: Any) -> Any:
    """The cosine of an angle in radians, to 2 ULP, for |x| ≤ 2²⁰."""
    n, r = near_f32(x)
    return _cos(n, r, F32.zero, F32, W32)


@scalar
def cos_near_f64(x: Any) -> Any:
    """The cosine of an angle in radians, to 2 ULP, for |x| ≤ 2²⁰."""
    n, r, low = near_f64(x)
    return _cos(n, r, low, F64, W64)


@scalar
def tan_f32(x: Any) -> Any:
    """The tangent of an angle in radians, to 4 ULP."""
    n, r = wide_f32(x)
    return _tan(x, n, r, F32.zero, F32, W32)


@scalar
def tan_f64(x: Any) -> Any:
    """The tangent of an angle in radians, to 4 ULP."""
    n, r, low = wide_f64(x)
    return _tan(x, n, r, low, F64, W64)


@scalar
def tan_near_f32(x: Any) -> Any:
    """The tangent of an angle in radians, to 4 ULP, for |x| ≤ 2²⁰."""
    n, r = near_f32(x)
    return _tan(x, n, r, F32.zero, F32, W32)


@scalar
def tan_near_f64(x: Any) -> Any:
    """The tangent of an angle in radians, to 4 ULP, for |x| ≤ 2²⁰."""
    n, r, low = near_f64(x)
    return _tan(x, n, r, low, F64, W64)


@scalar
def sinc_f32(x: Any) -> Any:
    """sin(πx) / (πx), 1 at 0, to 4 ULP: the angle is reduced before it is multiplied by π."""
    return _sinc(x, F32, W32)


@scalar
def sinc_f64(x: Any) -> Any:
    """sin(πx) / (πx), 1 at 0, to 4 ULP: the angle is reduced before it is multiplied by π."""
    return _sinc(x, F64, W64)
