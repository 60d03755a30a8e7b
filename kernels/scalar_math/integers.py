"""Integers of every width, as NumPy has them: no division by zero, no shift too far, no overflow, is an error.

Numba computes smaller integers in 64 bits; what is here works in the width of its operands, which are of one type, so
that as many as fit are computed at once.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from gpugrad.kernels.scalar_math.base import scalar


def _binary(formula: Any) -> Any:
    """An operation on two integers of one type: ``formula(builder, x, y, constant, signed)``."""

    def typed(typing_context: Any, x: Any, y: Any) -> Any:
        def of(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            integer = arguments[0].type
            return formula(builder, *arguments, lambda n: ir.Constant(integer, n), x.signed)

        return x(x, x), of

    return intrinsic(typed)


def _quotient(builder: Any, x: Any, y: Any, constant: Any, signed: bool) -> tuple[Any, Any, Any]:
    """x / y towards zero, what remains, and whether y is 0; the smallest number by -1 is itself, as if wrapped around."""
    zero = builder.icmp_unsigned("==", y, constant(0))
    unsafe = zero
    if signed:
        smallest = builder.icmp_unsigned("==", x, constant(-1 << (x.type.width - 1)))
        unsafe = builder.or_(zero, builder.and_(smallest, builder.icmp_unsigned("==", y, constant(-1))))
    by = builder.select(unsafe, constant(1), y)
    quotient = builder.sdiv(x, by) if signed else builder.udiv(x, by)
    return quotient, builder.sub(x, builder.mul(quotient, by)), zero


def _downwards(builder: Any, y: Any, rest: Any, constant: Any) -> Any:
    """Whether rounding down makes the quotient one less: the remainder has not the sign of y."""
    apart = builder.icmp_signed("<", builder.xor(rest, y), constant(0))
    return builder.and_(builder.icmp_unsigned("!=", rest, constant(0)), apart)


def _floor_divide(builder: Any, x: Any, y: Any, constant: Any, signed: bool) -> Any:
    quotient, rest, zero = _quotient(builder, x, y, constant, signed)
    if signed:
        less = builder.sub(quotient, constant(1))
        quotient = builder.select(_downwards(builder, y, rest, constant), less, quotient)
    return builder.select(zero, constant(0), quotient)


def _remainder(builder: Any, x: Any, y: Any, constant: Any, signed: bool) -> Any:
    _, rest, zero = _quotient(builder, x, y, constant, signed)
    if signed:
        rest = builder.select(_downwards(builder, y, rest, constant), builder.add(rest, y), rest)
    return builder.select(zero, constant(0), rest)


def _fmod(builder: Any, x: Any, y: Any, constant: Any, signed: bool) -> Any:
    _, rest, zero = _quotient(builder, x, y, constant, signed)
    return builder.select(zero, constant(0), rest)


def _left(builder: Any, x: Any, y: Any, constant: Any, signed: bool) -> Any:
    within = builder.icmp_unsigned("<", y, constant(x.type.width))
    return builder.select(within, builder.shl(x, builder.select(within, y, constant(0))), constant(0))


def _right(builder: Any, x: Any, y: Any, constant: Any, signed: bool) -> Any:
    width = x.type.width
    within = builder.icmp_unsigned("<", y, constant(width))
    if signed:
        return builder.ashr(x, builder.select(within, y, constant(width - 1)))
    return builder.select(within, builder.lshr(x, builder.select(within, y, constant(0))), constant(0))


integer_floor_divide = _binary(_floor_divide)
"""x / y rounded down; 0 for a division by zero."""
integer_remainder = _binary(_remainder)
"""What remains of x by y, with the sign of y; 0 for a division by zero."""
integer_fmod = _binary(_fmod)
"""What remains of x by y, with the sign of x; 0 for a division by zero."""
left_shift = _binary(_left)
"""The bits of x moved up by y; 0 where that is its width or more, or negative."""
right_shift = _binary(_right)
"""The bits of x moved down by y, its sign kept; what is left at last where y is its width or more, or negative."""


@scalar
def integer_power(x: Any, n: Any) -> Any:
    """x to the power n ≥ 0, by repeated squares."""
    out = x * 0 + 1
    while n > 0:
        if n & 1:
            out = out * x
        x = x * x
        n = n >> 1
    return out


# ---- from floating point ------------------------------------------------------------------------------------------------


def _converted(builder: Any, x: Any, width: int) -> Any:
    """x without its fraction as a signed integer; the smallest one where it is too large, or NaN."""
    edge = 2.0 ** (width - 1)
    below = builder.fcmp_ordered("<", x, ir.Constant(x.type, edge))
    if width == 32 and x.type == ir.DoubleType():  # -2³¹ with a fraction is within, where there are such numbers
        above = builder.fcmp_ordered(">", x, ir.Constant(x.type, -edge - 1.0))
    else:
        above = builder.fcmp_ordered(">=", x, ir.Constant(x.type, -edge))
    within = builder.and_(below, above)
    integer = ir.IntType(width)
    safe = builder.select(within, x, ir.Constant(x.type, 0.0))
    return builder.select(within, builder.fptosi(safe, integer), ir.Constant(integer, -1 << (width - 1)))


def _to(target: Any) -> Any:
    """The conversion of a float to an integer type.

    What C leaves open, beyond the range, is what an x86 processor does, as in NumPy there: a 32-bit result (64 bits for
    larger types) of which the lowest bits are kept.
    """
    wide = 32 if target.bitwidth < 32 or target == types.int32 else 64

    def typed(typing_context: Any, x: Any) -> Any:
        def of(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            (number,) = arguments
            if target != types.uint64:
                out = _converted(builder, number, wide)
                return builder.trunc(out, ir.IntType(target.bitwidth)) if target.bitwidth < wide else out
            half = ir.Constant(number.type, 2.0**63)
            upper = builder.fcmp_ordered(">=", number, half)
            out = _converted(builder, builder.select(upper, builder.fsub(number, half), number), wide)
            return builder.select(upper, builder.xor(out, ir.Constant(out.type, -1 << 63)), out)

        return target(x), of

    return intrinsic(typed)


to_int8, to_int16, to_int32, to_int64 = map(_to, (types.int8, types.int16, types.int32, types.int64))
to_uint8, to_uint16, to_uint32, to_uint64 = map(_to, (types.uint8, types.uint16, types.uint32, types.uint64))
