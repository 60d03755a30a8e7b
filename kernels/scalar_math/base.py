"""What the scalar functions are made of: one decorator, and operations that become instructions.

Everything here is free of branches, so that a loop in which such a function is inlined can still be vectorised: a
choice is :func:`select` between two values already computed, and integers appear only inside an intrinsic, where their
width is that of the float (Numba would widen 32-bit integers to 64 bits, and with them the whole loop).

``contract`` (a product and a sum may become one fused multiply-add) is the only liberty given to the compiler.
Reassociation would break compensated arithmetic; the flags are attached to instructions, so that they stay as they are
when the function is inlined into a loop with other flags. The functions are right with and without fused instructions.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

scalar = numba.njit(fastmath={"contract"}, error_model="numpy", forceinline=True, nogil=True)
"""Decorates a scalar function that LLVM inlines into its caller."""

_CONTRACT = ("contract",)


class _Layout(NamedTuple):
    """How a floating-point type lies in memory."""

    integer: ir.IntType
    mantissa: int
    bias: int
    low_half: int


_LAYOUT = {types.float32: _Layout(ir.IntType(32), 23, 127, 12), types.float64: _Layout(ir.IntType(64), 52, 1023, 27)}


def _call(name: str, count: int = 1) -> Any:
    """The LLVM intrinsic ``name`` of ``count`` floats of one type."""

    def of(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        real = arguments[0].type
        function = builder.module.declare_intrinsic(name, [real], ir.FunctionType(real, [real] * count))
        return builder.call(function, arguments)

    return of


@intrinsic
def rint(typing_context: Any, x: Any) -> Any:
    """The nearest integer, halves to even."""
    return x(x), _call("llvm.rint")


@intrinsic
def floor(typing_context: Any, x: Any) -> Any:
    """The largest integer not above x."""
    return x(x), _call("llvm.floor")


@intrinsic
def ceil(typing_context: Any, x: Any) -> Any:
    """The smallest integer not below x."""
    return x(x), _call("llvm.ceil")


@intrinsic
def trunc(typing_context: Any, x: Any) -> Any:
    """The integer part of x."""
    return x(x), _call("llvm.trunc")


@intrinsic
def fabs(typing_context: Any, x: Any) -> Any:
    """|x|."""
    return x(x), _call("llvm.fabs")


@intrinsic
def sqrt(typing_context: Any, x: Any) -> Any:
    """√x."""
    return x(x), _call("llvm.sqrt")


@intrinsic
def copysign(typing_context: Any, x: Any, y: Any) -> Any:
    """The magnitude of x with the sign of y."""
    return x(x, x), _call("llvm.copysign", 2)


@intrinsic
def select(typing_context: Any, condition: Any, x: Any, y: Any) -> Any:
    """x where the condition holds, else y, without a branch."""

    def of(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.select(*arguments)

    return x(types.boolean, x, x), of


@intrinsic
def polynomial(typing_context: Any, x: Any, coefficients: Any) -> Any:
    """Horner's scheme, the highest power first; the coefficients, doubles, are rounded to the precision of x."""

    def of(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        at, table = arguments
        numbers = [builder.extract_value(table, i) for i in range(len(coefficients))]
        if x == types.float32:
            numbers = [builder.fptrunc(c, at.type) for c in numbers]
        out = numbers[0]
        for c in numbers[1:]:
            out = builder.fadd(builder.fmul(out, at, flags=_CONTRACT), c, flags=_CONTRACT)
        return out

    return x(x, coefficients), of


@intrinsic
def rounded_product(typing_context: Any, x: Any, y: Any) -> Any:
    """x · y, rounded: never fused with a sum, since what follows measures the rounding."""

    def of(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fmul(*arguments, flags=("arcp",))  # means nothing here, but Numba adds its flags where none are

    return x(x, x), of


@intrinsic
def upper(typing_context: Any, x: Any) -> Any:
    """x rounded to the upper half of its bits: products of two such numbers are exact, and of two of what is left."""
    layout = _LAYOUT[x]

    def of(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        mask = ir.Constant(layout.integer, -1 << layout.low_half)
        half = ir.Constant(layout.integer, 1 << (layout.low_half - 1))
        bits = builder.add(builder.bitcast(arguments[0], layout.integer), half)
        return builder.bitcast(builder.and_(bits, mask), arguments[0].type)

    return x(x), of


@intrinsic
def pow2(typing_context: Any, n: Any) -> Any:
    """2ⁿ for an integer n, given as a float, whose power is a normal number."""
    layout = _LAYOUT[n]

    def of(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        real = arguments[0].type
        # the sum has n + bias in its lowest bits; there is no vector conversion of 64-bit integers in AVX2
        magic = ir.Constant(real, float(3 << (layout.mantissa - 1)) + layout.bias)
        bits = builder.bitcast(builder.fadd(arguments[0], magic), layout.integer)
        return builder.bitcast(builder.shl(bits, ir.Constant(layout.integer, layout.mantissa)), real)

    return n(n), of


def _bit(position: int) -> Any:
    """A test of one of the lowest bits of an integer given as a float."""

    def typed(typing_context: Any, n: Any) -> Any:
        layout = _LAYOUT[n]

        def of(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            magic = ir.Constant(arguments[0].type, float(3 << (layout.mantissa - 1)))
            bits = builder.bitcast(builder.fadd(arguments[0], magic), layout.integer)
            masked = builder.and_(bits, ir.Constant(layout.integer, 1 << position))
            return builder.icmp_unsigned("!=", masked, ir.Constant(layout.integer, 0))

        return types.boolean(n), of

    return typed


is_odd = intrinsic(_bit(0))
"""Whether an integer n, given as a float, |n| ≤ 2²¹ (2⁵⁰), is odd."""
has_two = intrinsic(_bit(1))
"""Whether n mod 4 is 2 or 3, for the same."""


def _root_bits(layout: _Layout) -> int:
    """The bits of √½, above which a mantissa is taken as one below 1."""
    half = np.float32(math.sqrt(0.5)) if layout.mantissa == 23 else np.float64(math.sqrt(0.5))
    return int(half.view(np.int32 if layout.mantissa == 23 else np.int64))


def _shifted_bits(builder: Any, x: Any, layout: _Layout) -> Any:
    """The bits of x, moved so that the exponent steps at √½ · 2ᵏ."""
    shift = (layout.bias << layout.mantissa) - _root_bits(layout)
    return builder.add(builder.bitcast(x, layout.integer), ir.Constant(layout.integer, shift))


@intrinsic
def mantissa(typing_context: Any, x: Any) -> Any:
    """m in [√½, √2) of a positive normal number x = m · 2ⁿ."""
    layout = _LAYOUT[x]

    def of(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bits = _shifted_bits(builder, arguments[0], layout)
        kept = builder.and_(bits, ir.Constant(layout.integer, (1 << layout.mantissa) - 1))
        moved = builder.add(kept, ir.Constant(layout.integer, _root_bits(layout)))
        return builder.bitcast(moved, arguments[0].type)

    return x(x), of


@intrinsic
def exponent(typing_context: Any, x: Any) -> Any:
    """n, as a float, of a positive normal number x = m · 2ⁿ with m in [√½, √2)."""
    layout = _LAYOUT[x]

    def of(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        real = arguments[0].type
        bits = _shifted_bits(builder, arguments[0], layout)
        biased = builder.lshr(bits, ir.Constant(layout.integer, layout.mantissa))
        one = layout.bias + layout.mantissa << layout.mantissa  # the bits of 2^mantissa, whose lowest bit counts ones
        number = builder.bitcast(builder.or_(biased, ir.Constant(layout.integer, one)), real)
        return builder.fsub(number, ir.Constant(real, float((1 << layout.mantissa) + layout.bias)))

    return x(x), of


class Format(NamedTuple):
    """Numbers in one precision: a literal in a Numba function would be a double, and widen what it meets."""

    zero: Any
    quarter: Any
    half: Any
    one: Any
    two: Any
    three: Any
    four: Any
    inf: Any
    nan: Any
    smallest: Any
    """The smallest normal number."""
    tiny: Any
    """Below it, 1 + x = 1 by far: what is x to first order is x."""
    up: Any
    """A power of two that makes denormal numbers normal."""
    up_exponent: Any


def _format(real: Any, smallest: float, tiny: float, up: int) -> Format:
    numbers = (0.0, 0.25, 0.5, 1.0, 2.0, 3.0, 4.0, math.inf, math.nan, smallest, tiny, 2.0**up, float(up))
    return Format(*(real(number) for number in numbers))


F32 = _format(np.float32, 2.0**-126, 2.0**-40, 25)
F64 = _format(np.float64, 2.0**-1022, 2.0**-80, 54)


@scalar
def scaled(x: Any, n: Any, c: Any) -> Any:
    """x · 2ⁿ for an integer n, rounded once, also where it is denormal or overflows: in two steps, the first exact."""
    first = rint(n * c.half)
    return (x * pow2(first)) * pow2(n - first)


@scalar
def product_error(x: Any, y: Any, rounded: Any) -> Any:
    """x · y - rounded, exactly, where ``rounded`` is the rounded product (Dekker)."""
    x_high, y_high = upper(x), upper(y)
    x_low, y_low = x - x_high, y - y_high
    return (((x_high * y_high - rounded) + x_high * y_low) + x_low * y_high) + x_low * y_low


@scalar
def sum_error(x: Any, y: Any, rounded: Any) -> Any:
    """x + y - rounded, exactly, where ``rounded`` is the rounded sum (Knuth)."""
    added = rounded - x
    return (x - (rounded - added)) + (y - added)


def _extremum(name: str, order: str) -> Any:
    """The larger or smaller of two numbers of one type; NaN if either is.

    For floats the intrinsic is one that LLVM knows how to reduce with, in several lanes at once, which it does not know of
    comparisons that keep NaN.
    """

    def typed(typing_context: Any, x: Any, y: Any) -> Any:
        def of(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            if isinstance(x, types.Float):
                return _call(name, 2)(context, builder, signature, arguments)
            compare = builder.icmp_signed if getattr(x, "signed", False) else builder.icmp_unsigned
            return builder.select(compare(order, *arguments), *arguments)

        return x(x, x), of

    return intrinsic(typed)


maximum = _extremum("llvm.maximum", ">")
"""The larger of two numbers; NaN if either is."""
minimum = _extremum("llvm.minimum", "<")
"""The smaller of two numbers; NaN if either is."""
