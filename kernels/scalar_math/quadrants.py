"""An angle as a multiple of π/2 and a rest: for angles near 0, and for all.

*Near* reduction (Cody and Waite) subtracts the multiple of π/2 in parts of which all but the last are exact. It holds
for |x| up to :data:`NEAR`, and costs little.

*Wide* reduction (Payne and Hanek) multiplies by 2/π, of which only those bits count that are neither multiples of 4
for this x nor too small: a window that moves with the exponent. For float64 it is read from a table, one row of four
doubles for each exponent from 2⁵³ on, so that the loop has gathers but no branch; a float32 is widened, and one of
five windows selected.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from gpugrad.kernels.scalar_math.base import (
    F64,
    fabs,
    product_error,
    rint,
    rounded_product,
    scalar,
    select,
    sum_error,
)

NEAR = 2.0**20
"""The largest |x| of the near reduction, in both precisions."""


def _per_half_pi(bits: int) -> int:
    """2/π · 2^bits, rounded down: π by Machin's formula, 16 arctan(1/5) - 4 arctan(1/239)."""
    one = 1 << (bits + 64)

    def arctan(inverse: int) -> int:
        term, total, k = one // inverse, 0, 1
        while term:
            total += term // k if k % 4 == 1 else -(term // k)
            term //= inverse * inverse
            k += 2
        return total

    pi = 16 * arctan(5) - 4 * arctan(239)
    return (2 << bits) * one // pi


_BITS = 1280
_TWO_PER_PI = _per_half_pi(_BITS)
_HALF_PI = (1 << 2 * _BITS) // _TWO_PER_PI
"""π/2 · 2^1280."""


def _parts(number: int, scale: int, digits: tuple[int, ...]) -> list[float]:
    """number / 2^scale as a sum of floats, each with the next so many digits, and what remains in the last."""
    parts = []
    for count in digits:
        unit = max(number.bit_length() - count, 0)
        head = number >> unit << unit
        parts.append(math.ldexp(head >> unit, unit - scale))
        number -= head
    return parts


_HALF_PI_1, _HALF_PI_2, _HALF_PI_3, _HALF_PI_4 = map(np.float64, _parts(_HALF_PI, _BITS, (33, 33, 33, 53)))
"""π/2 in parts, of which n times the first three are exact for |n| < 2²⁰."""
_HALF_PI_HIGH, _HALF_PI_LOW = map(np.float64, _parts(_HALF_PI, _BITS, (53, 53)))
_PER_HALF_PI = np.float64(2.0 / math.pi)
_FOUR = np.float64(4.0)


def _window(shift: int) -> int:
    """2/π · 2^shift mod 4, times 2^(1280 - shift)."""
    return _TWO_PER_PI % (1 << (_BITS - shift + 2))


_FIRST_EXPONENT = 1023 + 52
_ROWS = [_parts(_window(i), _BITS - i, (53, 53, 53, 53)) for i in range(2048 - _FIRST_EXPONENT)]
"""For 2^(52 + i) ≤ |x| < 2^(53 + i): what x / 2ⁱ is multiplied by. The first row is for all that is smaller."""


def _column(k: int) -> Any:
    """One of the four numbers of the row for x."""

    def typed(typing_context: Any, x: Any) -> Any:
        def of(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            i64 = ir.IntType(64)
            data = ir.Constant(ir.ArrayType(ir.DoubleType(), len(_ROWS)), [row[k] for row in _ROWS])
            table = context.insert_unique_const(builder.module, f"two_per_pi_{k}", data)
            index = _index(builder, arguments[0])
            return builder.load(builder.gep(table, [ir.Constant(i64, 0), index], inbounds=True))

        return types.float64(types.float64), of

    return typed


def _index(builder: Any, x: Any) -> Any:
    """The row for x."""
    i64 = ir.IntType(64)
    bits = builder.lshr(builder.bitcast(x, i64), ir.Constant(i64, 52))
    above = builder.sub(builder.and_(bits, ir.Constant(i64, 2047)), ir.Constant(i64, _FIRST_EXPONENT))
    return builder.select(builder.icmp_signed(">", above, ir.Constant(i64, 0)), above, ir.Constant(i64, 0))


@intrinsic
def _shrunk(typing_context: Any, x: Any) -> Any:
    """x / 2ⁱ where i is the row for x: below 2⁵³."""

    def of(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        i64 = ir.IntType(64)
        exponent = builder.sub(ir.Constant(i64, 1023), _index(builder, arguments[0]))
        scale = builder.bitcast(builder.shl(exponent, ir.Constant(i64, 52)), ir.DoubleType())
        return builder.fmul(arguments[0], scale)

    return types.float64(types.float64), of


_first, _second, _third, _fourth = (intrinsic(_column(k)) for k in range(4))


@scalar
def near_f64(x: Any) -> Any:
    """n, and x - n π/2 in two parts, for |x| ≤ 2²⁰."""
    n = rint(x * _PER_HALF_PI)
    a = x - n * _HALF_PI_1
    b = n * _HALF_PI_2
    high = a - b
    lost = (a - high) - b
    b = n * _HALF_PI_3
    higher = high - b
    lost = (lost + ((high - higher) - b)) - n * _HALF_PI_4
    r = higher + lost
    return n, r, (higher - r) + lost


@scalar
def wide_f64(x: Any) -> Any:
    """n mod 4, and x - n π/2 in two parts, for every x."""
    m = _shrunk(x)
    c = _first(x)
    p = rounded_product(m, c)
    e = product_error(m, c, p)
    p = p - _FOUR * rint(p * F64.quarter)
    c = _second(x)
    p2 = rounded_product(m, c)
    e2 = product_error(m, c, p2)
    c = _third(x)
    p3 = rounded_product(m, c)
    e3 = product_error(m, c, p3) + m * _fourth(x)
    s = p + e
    lost = sum_error(p, e, s)
    t = s + p2
    lost2 = sum_error(s, p2, t)
    n = rint(t)
    # t - n is exact, and what is lost may be as large: it is summed with care
    u = (t - n) + lost
    v = sum_error(t - n, lost, u)
    w = u + lost2
    v = v + sum_error(u, lost2, w)
    y = w + e2
    v = v + sum_error(w, e2, y)
    z = y + p3
    v = (v + sum_error(y, p3, z)) + e3
    high = z + v
    low = v - (high - z)
    r = rounded_product(high, _HALF_PI_HIGH)
    return n, r, product_error(high, _HALF_PI_HIGH, r) + (high * _HALF_PI_LOW + low * _HALF_PI_HIGH)


# ---- float32, in float64 --------------------------------------------------------------------------------------------

_NEAR_1, _NEAR_2 = map(np.float64, _parts(_HALF_PI, _BITS, (29, 53)))

_WINDOW = 28
"""Exponents of one window: the third part then brings 2⁻⁵⁶, where a float32 is no nearer to a multiple than 2⁻³⁰."""
_SHIFTS = tuple(_WINDOW * k - 23 if k else 0 for k in range(5))
"""What x is divided by, as an exponent, in the window for 2^(28 k) ≤ |x| < 2^(28 (k + 1)): x becomes an integer."""
_BORDERS = tuple(np.float64(2.0 ** (_WINDOW * k)) for k in range(5))
_SHRINK = tuple(np.float64(2.0**-shift) for shift in _SHIFTS)
_A, _B, _C = (
    tuple(np.float64(_parts(_window(shift), _BITS - shift, (29, 29, 53))[k]) for shift in _SHIFTS) for k in range(3)
)


@scalar
def near_f32(x: Any) -> Any:
    """n mod 4 and x - n π/2, for |x| ≤ 2²⁰."""
    x = np.float64(x)
    n = rint(x * _PER_HALF_PI)
    r = (x - n * _NEAR_1) - n * _NEAR_2
    return np.float32(n), np.float32(r)


@scalar
def _chosen(a: Any, numbers: Any) -> Any:
    """That of five numbers whose window a is in."""
    low = select(a < _BORDERS[1], numbers[0], numbers[1])
    high = select(a < _BORDERS[3], numbers[2], select(a < _BORDERS[4], numbers[3], numbers[4]))
    return select(a < _BORDERS[2], low, high)


@scalar
def wide_f32(x: Any) -> Any:
    """n mod 4 and x - n π/2, for every x."""
    x = np.float64(x)
    a = fabs(x)
    m = x * _chosen(a, _SHRINK)
    p = m * _chosen(a, _A)
    p = p - _FOUR * rint(p * F64.quarter)
    q = m * _chosen(a, _B)
    q = q - _FOUR * rint(q * F64.quarter)
    s = p + q
    n = rint(s)
    y = ((p - n) + q) + m * _chosen(a, _C)
    return np.float32(n), np.float32(y * _HALF_PI_HIGH)
