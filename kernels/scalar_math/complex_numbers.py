"""Arithmetic of complex numbers, as NumPy has it: what becomes of zeros, infinities and NaN included.

A sum needs nothing of its own. Numba's quotient raises for a zero, which NumPy's does not; its product is right, but in a
loop that may reassociate, a b + b a becomes (a + a) b, which overflows where the former does not.
"""

from __future__ import annotations

from typing import Any

from gpugrad.kernels.scalar_math.base import F32, F64, fabs, polynomial, rounded_product, scalar, select
from gpugrad.kernels.scalar_math.exponentials import exp_f32, exp_f64
from gpugrad.kernels.scalar_math.trigonometric import cos_f32, cos_f64, sin_f32, sin_f64

LARGEST_EXPONENT = {F32: F32.one * 88, F64: F64.one * 709}
"""Where eˣ is about to overflow, and eˣ times a sine may not yet."""


@scalar
def complex_multiply(x: Any, y: Any) -> Any:
    """x · y, with each of the four products rounded: z times its conjugate is real, and ∞ - ∞ is no number."""
    real = rounded_product(x.real, y.real) - rounded_product(x.imag, y.imag)
    return complex(real, rounded_product(x.real, y.imag) + rounded_product(x.imag, y.real))


@scalar
def complex_divide(x: Any, y: Any) -> Any:
    """x / y by Smith's way: the larger part of y is divided out first, so that nothing overflows that need not."""
    wide = fabs(y.real) >= fabs(y.imag)
    large, small = select(wide, y.real, y.imag), select(wide, y.imag, y.real)
    ratio = small / large
    scale = polynomial(large, (1.0,)) / (large + small * ratio)
    real = select(wide, x.real + x.imag * ratio, x.real * ratio + x.imag) * scale
    imag = select(wide, x.imag - x.real * ratio, x.imag * ratio - x.real) * scale
    zero = (large == 0) & (small == 0)
    nothing = fabs(large)
    return complex(select(zero, x.real / nothing, real), select(zero, x.imag / nothing, imag))


def _exponential(exp: Any, sin: Any, cos: Any, c: Any) -> Any:
    largest = LARGEST_EXPONENT[c]

    @scalar
    def complex_exponential(z: Any) -> Any:
        halved = z.real > largest  # e^(x/2) twice: the sine or cosine between the two may keep it finite
        once = exp(select(halved, c.half * z.real, z.real))
        again = select(halved, once, c.one)
        real, imag = once * cos(z.imag) * again, once * sin(z.imag) * again
        straight = z.imag == 0
        real, imag = select(straight, once * again, real), select(straight, z.imag, imag)
        turning = fabs(z.imag) < c.inf  # else the angle is none, which a length of 0, or ∞, outlives
        real = select((z.real == -c.inf) & (not turning), c.zero, real)
        imag = select((z.real == -c.inf) & (not turning), c.zero, imag)
        return complex(select((z.real == c.inf) & (not turning), c.inf, real), imag)

    return complex_exponential


exp_c64 = _exponential(exp_f32, sin_f32, cos_f32, F32)
"""eᶻ of a complex64."""
exp_c128 = _exponential(exp_f64, sin_f64, cos_f64, F64)
"""eᶻ of a complex128."""
