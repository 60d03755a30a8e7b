"""float16 and bfloat16, whose bits lie in an array of uint16, from and to float32: Numba has neither on the CPU.

Both ways are a few operations on 32-bit integers and one in floating point, without a branch, so that they vectorise.
Rounding is to the nearest, ties to even; denormal numbers and infinities are kept, and a NaN stays one, with its sign.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

_I16, _I32, _F32 = ir.IntType(16), ir.IntType(32), ir.FloatType()
_SIGN = 0x80000000
_INFINITE = 0x7F800000
_QUIET = {"float16": 0x7E00, "bfloat16": 0x7FC0}
"""The bits of a NaN."""


def _i32(n: int) -> Any:
    return ir.Constant(_I32, n)


def _f32(x: float) -> Any:
    return ir.Constant(_F32, x)


@intrinsic
def from_float16(typing_context: Any, bits: Any) -> Any:
    """The float32 of a float16."""

    def of(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide = builder.zext(arguments[0], _I32)
        sign = builder.shl(builder.and_(wide, _i32(0x8000)), _i32(16))
        moved = builder.shl(builder.and_(wide, _i32(0x7FFF)), _i32(13))
        # the exponent is too small by 112; a product mends that for denormal numbers as well
        scaled = builder.bitcast(builder.fmul(builder.bitcast(moved, _F32), _f32(2.0**112)), _I32)
        special = builder.icmp_unsigned(">=", moved, _i32(31 << 23))
        magnitude = builder.select(special, builder.or_(moved, _i32(_INFINITE)), scaled)
        return builder.bitcast(builder.or_(magnitude, sign), _F32)

    return types.float32(types.uint16), of


@intrinsic
def to_float16(typing_context: Any, x: Any) -> Any:
    """The float16 nearest to a float32."""

    def of(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide = builder.bitcast(arguments[0], _I32)
        magnitude = builder.and_(wide, _i32(_SIGN - 1))
        sign = builder.lshr(builder.and_(wide, _i32(_SIGN)), _i32(16))
        # 13 bits go: adding almost half of their unit, and the lowest bit that stays, carries where rounding is upwards
        lowest = builder.and_(builder.lshr(magnitude, _i32(13)), _i32(1))
        carried = builder.add(builder.add(magnitude, _i32(0xFFF - (112 << 23))), lowest)
        normal = builder.lshr(carried, _i32(13))
        # the unit of ½ is that of denormal numbers, so the sum rounds there, and its lowest bits are the result
        sum_ = builder.fadd(builder.bitcast(magnitude, _F32), _f32(0.5))
        denormal = builder.sub(builder.bitcast(sum_, _I32), _i32(0x3F000000))
        small = builder.icmp_unsigned("<", magnitude, _i32(113 << 23))
        out = builder.select(small, denormal, normal)
        out = builder.select(builder.icmp_unsigned(">=", magnitude, _i32(143 << 23)), _i32(0x7C00), out)
        nan = builder.icmp_unsigned(">", magnitude, _i32(_INFINITE))
        out = builder.select(nan, _i32(_QUIET["float16"]), out)
        return builder.trunc(builder.or_(out, sign), _I16)

    return types.uint16(types.float32), of


@intrinsic
def from_bfloat16(typing_context: Any, bits: Any) -> Any:
    """The float32 of a bfloat16, which is its upper half."""

    def of(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(builder.shl(builder.zext(arguments[0], _I32), _i32(16)), _F32)

    return types.float32(types.uint16), of


@intrinsic
def to_bfloat16(typing_context: Any, x: Any) -> Any:
    """The bfloat16 nearest to a float32."""

    def of(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide = builder.bitcast(arguments[0], _I32)
        lowest = builder.and_(builder.lshr(wide, _i32(16)), _i32(1))
        rounded = builder.lshr(builder.add(builder.add(wide, _i32(0x7FFF)), lowest), _i32(16))
        nan = builder.icmp_unsigned(">", builder.and_(wide, _i32(_SIGN - 1)), _i32(_INFINITE))
        quiet = builder.or_(builder.lshr(builder.and_(wide, _i32(_SIGN)), _i32(16)), _i32(_QUIET["bfloat16"]))
        return builder.trunc(builder.select(nan, quiet, rounded), _I16)

    return types.uint16(types.float32), of
