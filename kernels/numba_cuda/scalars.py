"""Scalar functions that Python's ``math`` lacks, or gives another meaning at NaN."""

from __future__ import annotations

import math
from typing import Any

from numba import cuda


@cuda.jit(device=True)
def select(condition: Any, x: Any, y: Any) -> Any:
    """x where the condition holds, else y."""
    return x if condition else y


@cuda.jit(device=True)
def maximum(x: Any, y: Any) -> Any:
    """The larger of two numbers; NaN if either is."""
    return x if x >= y or x != x else y


@cuda.jit(device=True)
def minimum(x: Any, y: Any) -> Any:
    """The smaller of two numbers; NaN if either is."""
    return x if x <= y or x != x else y


@cuda.jit(device=True)
def sign(x: Any) -> Any:
    """-1, 0 or 1; NaN and zeros as they are."""
    return x - x + 1 if x > 0 and x - x == 0 else 1.0 if x > 0 else -1.0 if x < 0 else x


@cuda.jit(device=True)
def masked_multiply(x: Any, y: Any) -> Any:
    """x y, and 0 wherever either is, though the other be infinite or NaN."""
    return x * 0 if x == 0 else y * 0 if y == 0 else x * y


@cuda.jit(device=True)
def exp2(x: Any) -> Any:
    """2ˣ."""
    return math.pow(2.0, x)


@cuda.jit(device=True)
def cbrt(x: Any) -> Any:
    """The cube root: a power, and one step of Newton's method."""
    y = math.copysign(math.pow(math.fabs(x), 1.0 / 3.0), x)
    return y - (y - x / (y * y)) / 3.0 if 0.0 < math.fabs(x) < math.inf else x


@cuda.jit(device=True)
def sigmoid(x: Any) -> Any:
    """1 / (1 + e⁻ˣ), from e^-|x|, which never overflows."""
    e = math.exp(-math.fabs(x))
    return (1.0 if x >= 0 else e) / (1.0 + e)


@cuda.jit(device=True)
def softplus(x: Any) -> Any:
    """log(1 + eˣ)."""
    return (x if x > 0 or x != x else x * 0.0 if math.fabs(x) < math.inf else 0.0) + math.log1p(math.exp(-math.fabs(x)))


@cuda.jit(device=True)
def logaddexp(x: Any, y: Any) -> Any:
    """log(eˣ + eʸ)."""
    if x == y:
        return x + 0.6931471805599453
    return (x if x >= y or x != x else y) + math.log1p(math.exp(-math.fabs(x - y)))


@cuda.jit(device=True)
def sinc(x: Any) -> Any:
    """sin(πx) / (πx), 1 at 0: the angle is reduced before it is multiplied by π."""
    if x == 0:
        return 1.0
    if not math.fabs(x) < math.inf:
        return x - x
    n = math.floor(x + 0.5)
    s = math.sin(math.pi * (x - n))
    return (s if math.fmod(n, 2.0) == 0 else -s) / (math.pi * x)


@cuda.jit(device=True)
def erfinv(x: Any) -> Any:
    """The inverse error function: Winitzki's formula, and steps of Halley's method on erfc, which is precise near 1."""
    if not math.fabs(x) < 1.0:
        return math.copysign(math.inf, x) if math.fabs(x) == 1.0 else math.nan
    if x == 0:
        return x
    a = math.fabs(float(x))
    log = math.log1p(-a * a)
    t = 4.330746750799873 + 0.5 * log
    y = math.sqrt(math.sqrt(t * t - log / 0.147) - t)
    for _ in range(3):
        error = (1.0 - a) - math.erfc(y) if a > 0.5 else math.erf(y) - a
        error = error / (1.1283791670955126 * math.exp(-y * y))
        y -= error / (1.0 + y * error)
    return math.copysign(y, x)


@cuda.jit(device=True)
def digamma(x: Any) -> Any:
    """The derivative of log Γ: -∞ at 0, NaN at -1, -2 … Shifted to 8 and beyond, where its series is precise."""
    if x == 0:
        return -math.inf
    if x != x or x == -math.inf:
        return math.nan
    y = float(x) if x > 0 else 1.0 - float(x)
    if y == math.inf:
        return y
    out = 0.0
    while y < 12.0:
        out -= 1.0 / y
        y += 1.0
    i = 1.0 / y
    s = i * i
    p = s * (1 / 12 - s * (1 / 120 - s * (1 / 252 - s * (1 / 240 - s * (1 / 132 - s * (691 / 32760 - s / 12))))))
    out += math.log(y) - 0.5 * i - p
    if x > 0:
        return out
    offset = float(x) - math.floor(float(x) + 0.5)
    return math.nan if offset == 0 else out - math.pi / math.tan(math.pi * offset)


# ---- integers, as NumPy has them: no division by zero and no shift too far is an error --------------------------------


@cuda.jit(device=True)
def integer_floor_divide(x: Any, y: Any) -> Any:
    """x / y rounded down; 0 for a division by zero."""
    return x // y if y != 0 else x * 0


@cuda.jit(device=True)
def integer_remainder(x: Any, y: Any) -> Any:
    """What remains of x by y, with the sign of y; 0 for a division by zero."""
    return x % y if y != 0 else x * 0


@cuda.jit(device=True)
def integer_fmod(x: Any, y: Any) -> Any:
    """What remains of x by y, with the sign of x; 0 for a division by zero."""
    if y == 0:
        return x * 0
    rest = x % y
    return rest - y if rest != 0 and (rest < 0) != (x < 0) else rest


@cuda.jit(device=True)
def integer_power(x: Any, n: Any) -> Any:
    """x to the power n ≥ 0, by repeated squares."""
    out = x * 0 + 1
    while n > 0:
        if n & 1:
            out = out * x
        x = x * x
        n = n >> 1
    return out


@cuda.jit(device=True)
def left_shift(x: Any, y: Any, width: int) -> Any:
    """The bits of x moved up by y; 0 where that is the width or more, or negative."""
    return x << y if 0 <= y < width else x * 0


@cuda.jit(device=True)
def right_shift(x: Any, y: Any, width: int) -> Any:
    """The bits of x moved down by y, its sign kept; what is left at last where y is the width or more, or negative."""
    return x >> y if 0 <= y < width else x >> (width - 1) >> 1 if x >= 0 else x * 0 - 1


@cuda.jit(device=True)
def rint(x: Any) -> Any:
    """The nearest integer, halves to even."""
    n = math.floor(x + 0.5)
    if not math.fabs(x) < 4503599627370496.0:
        return x
    return n - 1.0 if n - x == 0.5 and math.fmod(n, 2.0) != 0 else n
