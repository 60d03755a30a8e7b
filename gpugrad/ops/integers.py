"""Arithmetic of integers, and the parts of a floating-point number: constants, but for the mantissa."""

from __future__ import annotations

from typing import Any

from gpugrad import dtypes, errors
from gpugrad.ops.elementwise import abs as abs_of
from gpugrad.ops.elementwise import equal, floor_divide, logical_or, where
from gpugrad.ops.joining import alike
from gpugrad.ops.linear import cast
from gpugrad.ops.reductions import floating
from gpugrad.primitive import elementwise
from gpugrad.trace import Array

__all__ = ["bitwise_count", "frexp", "gcd", "lcm"]

_MASKS = (
    0x5555555555555555,
    0x3333333333333333,
    0x0F0F0F0F0F0F0F0F,
    0x00FF00FF00FF00FF,
    0x0000FFFF0000FFFF,
    0xFFFFFFFF,
)


def _bits(xp: Any, x: Any) -> Any:
    """Sums of neighbouring bits, then of pairs of bits, of fours …"""
    n = xp.astype(xp.abs(x) if "u" not in str(x.dtype) else x, xp.uint64)
    for k, mask in enumerate(_MASKS):
        low = xp.full_like(n, mask)
        n = (n & low) + (xp.bitwise_right_shift(n, xp.full_like(n, 1 << k)) & low)
    return xp.astype(n, xp.uint8)


def _gcd(xp: Any, x: Any, y: Any) -> Any:
    """Euclid's algorithm, on all pairs until the last is done."""
    x, y = xp.broadcast_arrays(xp.abs(x), xp.abs(y))
    while xp.any(y != 0):
        left = y != 0
        divisor = xp.where(left, y, xp.ones_like(y))
        x, y = xp.where(left, y, x), xp.where(left, xp.remainder(x, divisor), y)
    return x


def _exponent(xp: Any, x: Any) -> Any:
    """The e with |x| / 2ᵉ in [½, 1): the logarithm rounded, then corrected; 0 for 0 and what is not finite."""
    regular = xp.isfinite(x) & (x != 0)
    tiny = regular & (xp.abs(x) < 2.0**-100)
    a = xp.where(regular, xp.abs(x), xp.ones_like(x))
    a = a * xp.where(tiny, 2.0**64 * xp.ones_like(x), xp.ones_like(x))
    e = xp.floor(xp.log2(a)) + 1.0
    part = a * 2.0 ** (-0.5 * e) * 2.0 ** (-0.5 * e)
    e = (
        e
        + xp.where(part >= 1.0, xp.ones_like(e), xp.zeros_like(e))
        - xp.where(part < 0.5, xp.ones_like(e), xp.zeros_like(e))
    )
    e = xp.where(regular, xp.where(tiny, e - 64.0, e), xp.zeros_like(e))
    return xp.astype(e, xp.int32)


def _int32(*_dtypes: Any) -> str:
    return "int32"


_bitwise_count = elementwise(
    "bitwise_count", None, forward=_bits, dtype=lambda d: "uint8", doc="The number of bits set in |x|."
)
_common_divisor = elementwise("gcd", None, None, forward=_gcd, doc="The greatest common divisor.")
_binary_exponent = elementwise(
    "binary_exponent", None, forward=_exponent, dtype=_int32, doc="The e with |x| / 2ᵉ in [½, 1)."
)


def _integers(name: str, *operands: Any) -> list[Any]:
    """The operands in one dtype, that of the arrays among them; DtypeError unless it is an integer one."""
    out = alike(operands, name)
    d = dtypes.of(out[0])
    if d.kind not in "iu":
        raise errors.DtypeError(f"{name}: operands of dtype {d.name}; expected integers. Cast them: x.astype('int64')")
    return out


def bitwise_count(x: Array) -> Array:
    """The number of bits set in the magnitude of an integer, as uint8. DtypeError for other numbers.

    >>> import gpugrad.numpy as gnp
    >>> gnp.bitwise_count([7, -8])
    tensor([3, 1], dtype=uint8)
    """
    return _bitwise_count(*_integers("bitwise_count", x))


def gcd(x: Array, y: Array) -> Array:
    """The greatest common divisor of two integers; 0 for two zeros. DtypeError for other numbers.

    >>> import gpugrad.numpy as gnp
    >>> gnp.gcd([12, 0], 18)
    tensor([ 6, 18])
    """
    return _common_divisor(*_integers("gcd", x, y))


def lcm(x: Array, y: Array) -> Array:
    """The least common multiple of two integers; 0 where one is 0. DtypeError for other numbers.

    >>> import gpugrad.numpy as gnp
    >>> gnp.lcm([4, 0], 6)
    tensor([12,  0])
    """
    x, y = _integers("lcm", x, y)
    none = logical_or(equal(x, 0), equal(y, 0))
    divisor = where(none, 1, _common_divisor(x, y))
    return where(none, 0, abs_of(floor_divide(x, divisor) * y))


def frexp(x: Array) -> tuple[Array, Array]:
    """(mantissa, exponent) with x = mantissa · 2^exponent and a mantissa in [½, 1); the exponent is a constant, int32.

    >>> import gpugrad.numpy as gnp
    >>> gnp.frexp(12.0)
    (tensor(0.75), tensor(4, dtype=int32))
    """
    x = floating(x)
    e = _binary_exponent(x)
    half = floor_divide(e, 2)  # in two steps: one power may overflow where the quotient does not
    d = dtypes.of(x)
    first, second = (cast(v, dtype=d, source=dtypes.dtype("int32")) for v in (half, e - half))
    return x * 2.0**-first * 2.0**-second, e
