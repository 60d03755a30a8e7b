"""Elementwise operations that begin with a decision: about a Python exponent, a missing bound, an integer or complex dtype.

All are composed of elementwise primitives, and made one kernel by fusion.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpugrad import dtypes, errors
from gpugrad.ops import elementwise as ew
from gpugrad.ops import linear as lin
from gpugrad.ops.casting import ranged
from gpugrad.ops.elementwise import (
    SCALARS,
    equal,
    greater,
    isfinite,
    isnan,
    less,
    logical_and,
    logical_or,
    maximum,
    positive,
    sqrt,
    stop,
    where,
)
from gpugrad.ops.linear import cast, to_complex
from gpugrad.ops.reductions import all as all_of
from gpugrad.ops.reductions import floating
from gpugrad.trace import Array

__all__ = [
    "abs", "allclose", "angle", "array_equal", "clip", "conj", "deg2rad", "divide", "divmod", "float_power", "fmax",
    "fmin", "heaviside", "imag", "isclose", "isneginf", "isposinf", "lerp", "logit", "nan_to_num", "power",
    "rad2deg", "real", "round", "sign",
]  # fmt: skip


def _inexact(x: Any) -> bool:
    """Whether it is floating point; False for None."""
    if x is None or type(x) in SCALARS:
        return type(x) in (float, complex)
    return dtypes.is_inexact(x.dtype)


def _complex(x: Any) -> bool:
    return type(x) is complex if type(x) in SCALARS else dtypes.is_complex(x.dtype)


def _real_only(name: str, *operands: Any) -> None:
    """DtypeError if one is complex, where NumPy's order of complex numbers would give some answer."""
    for x in operands:
        if _complex(x):
            raise errors.DtypeError(f"{name}: a complex operand; expected real numbers. Take gg.real(x) or gg.abs(x)")


def _float64(x: Any) -> Any:
    """Integers and booleans as float64."""
    if type(x) in SCALARS:
        return float(x)
    return cast(x, dtype=dtypes.dtype("float64"), source=dtypes.of(x))


# ---- powers and quotients -------------------------------------------------------------------------------------------


@ranged
def power(x: Array, y: Array) -> Array:
    """x to the power y, ``x ** y``. The Python exponents 2, 3, 1, 0.5 and -1 take cheaper ways than the general one.

    A negative number may have an integer exponent, in an array too. Integers stay integers under integer exponents,
    which must not be negative: DtypeError for a negative Python integer.

    >>> import gpugrad as gg
    >>> gg.power(gg.tensor([2.0, -3.0]), 2)
    tensor([4., 9.])
    """
    if type(y) not in SCALARS or type(x) in SCALARS:
        return ew.pow(x, y)
    if _inexact(x):
        if y == 2:
            return ew.square(x)
        if y == 1:
            return positive(x)
        if y == 0.5:
            return sqrt(x)
        if y == -1:
            return ew.reciprocal(x)
        if y == 3:
            return ew.square(x) * x
    elif type(y) is float:
        return power(_float64(x), y)
    elif type(y) is int and y < 0:
        raise errors.DtypeError(
            f"power: an array of dtype {dtypes.of(x).name} to the power {y}; expected an exponent of 0 or more, since "
            f"the result would not be an integer. Write x ** {float(y)} or cast x"
        )
    return ew.pow(x, y)


def float_power(x: Array, y: Array) -> Array:
    """x to the power y, in float64 (complex128) whatever the operands are.

    >>> import gpugrad as gg
    >>> gg.float_power(gg.tensor([2, 4]), -1)
    tensor([0.5 , 0.25])
    """
    wanted = dtypes.dtype("complex128" if _complex(x) or _complex(y) else "float64")

    def wide(v: Any) -> Any:
        return v if type(v) in SCALARS or dtypes.of(v) == wanted else cast(v, dtype=wanted, source=dtypes.of(v))

    return power(wide(x), float(y) if type(y) is int else wide(y))


def divide(x: Array, y: Array) -> Array:
    """x / y. Integers are divided as float64.

    >>> import gpugrad as gg
    >>> gg.divide(gg.tensor([1, 3]), 2)
    tensor([0.5, 1.5])
    """
    return ew.divide(x if _inexact(x) or _inexact(y) else _float64(x), y)


def divmod(x: Array, y: Array) -> tuple[Array, Array]:
    """The pair (floor(x / y), x - y · floor(x / y)).

    >>> import gpugrad as gg
    >>> gg.divmod(gg.tensor(-7.0), 2.0)
    (tensor(-4.), tensor(1.))
    """
    return ew.floor_divide(x, y), ew.remainder(x, y)


# ---- size and sign --------------------------------------------------------------------------------------------------


def abs(x: Array) -> Array:
    """|x|, a real number for a complex one; the derivative at 0 is 0.

    >>> import gpugrad as gg
    >>> gg.abs(gg.tensor([-2.0, 3.0])), gg.abs(gg.tensor(3.0 + 4.0j))
    (tensor([2., 3.]), tensor(5.))
    """
    return ew.hypot(real(x), imag(x)) if _complex(x) else ew.abs(x)


def sign(x: Array) -> Array:
    """-1, 0 or 1, as x is negative, zero or positive; x / |x| (0 at 0) for a complex number.

    >>> import gpugrad as gg
    >>> gg.sign(gg.tensor([-2.0, 0.0, 5.0]))
    tensor([-1.,  0.,  1.])
    """
    if not _complex(x):
        return ew.sign(x)
    size = abs(x)
    moved = greater(size, 0.0)
    return where(moved, x / to_complex(where(moved, size, 1.0)), 0.0)


def angle(x: Array, deg: bool = False) -> Array:
    """The angle of a complex number in (-π, π], in degrees with ``deg``; 0 or π for a real one. 0 at 0.

    >>> import gpugrad as gg
    >>> gg.angle(gg.tensor([1.0j, -1.0]), deg=True)
    tensor([ 90., 180.])
    """
    if _complex(x):
        out = ew.atan2(imag(x), real(x))
    else:
        x = x if _inexact(x) else _float64(x)
        out = where(isnan(x), stop(x), math.pi * cast(less(x, 0.0), dtype=dtypes.of(x), source=dtypes.dtype("bool")))
    return rad2deg(out) if deg else out


def heaviside(x: Array, at_zero: Array) -> Array:
    """0 where x is negative, 1 where it is positive, ``at_zero`` where it is 0.

    >>> import gpugrad as gg
    >>> gg.heaviside(gg.tensor([-1.0, 0.0, 2.0]), 0.5)
    tensor([0. , 0.5, 1. ])
    """
    _real_only("heaviside", x, at_zero)
    like = dtypes.of(at_zero if type(x) in SCALARS else x)
    step = cast(greater(x, 0.0), dtype=like, source=dtypes.dtype("bool"))
    return where(equal(x, x), where(ew.not_equal(x, 0.0), step, at_zero), stop(x))


# ---- limits ---------------------------------------------------------------------------------------------------------


def clip(x: Array, min: Array = None, max: Array = None) -> Array:
    """x limited to [``min``, ``max``], either of which may be None. The gradient passes inside and on the bounds.

    >>> import gpugrad as gg
    >>> gg.clip(gg.tensor([-1.0, 0.5, 2.0]), 0.0, 1.0)
    tensor([0. , 0.5, 1. ])
    """
    if min is None and max is None:
        return x
    if _inexact(x) or _inexact(min) or _inexact(max):
        x = x if _inexact(x) else _float64(x)
        return ew.clip(x, -math.inf if min is None else min, math.inf if max is None else max)
    if min is None:
        return ew.minimum(x, max)
    return maximum(x, min) if max is None else ew.clip(x, min, max)


def fmax(x: Array, y: Array) -> Array:
    """The larger of two numbers, or the one that is not NaN; a tie shares the gradient equally.

    >>> import gpugrad as gg
    >>> gg.fmax(gg.tensor([1.0, float("nan")]), 0.0)
    tensor([1., 0.])
    """
    return where(equal(x, x), where(equal(y, y), maximum(x, y), x), y)


def fmin(x: Array, y: Array) -> Array:
    """The smaller of two numbers, or the one that is not NaN; a tie shares the gradient equally.

    >>> import gpugrad as gg
    >>> gg.fmin(gg.tensor([1.0, float("nan")]), 0.0)
    tensor([0., 0.])
    """
    return where(equal(x, x), where(equal(y, y), ew.minimum(x, y), x), y)


def round(x: Array, decimals: int = 0) -> Array:
    """x rounded to ``decimals`` places after the point, halves to even. The derivative is 0.

    A negative ``decimals`` rounds to tens, hundreds …, integers exactly. A number too large to have so many places
    stays what it is. Raises DtypeError for ``decimals`` that is not an integer.

    >>> import gpugrad as gg
    >>> gg.round(gg.tensor([0.5, 1.5, 2.34]), 1)
    tensor([0.5, 1.5, 2.3])
    """
    if not hasattr(decimals, "__index__"):
        raise errors.DtypeError(f"round: decimals={decimals!r}; expected an integer")
    places = decimals.__index__()
    if places == 0:
        return ew.round(x)
    if not _inexact(x):
        return ew.round(x) if places > 0 else _to_multiple(x, 10**-places)
    if _complex(x):
        parts = [to_complex(round(part, places)) for part in (real(x), imag(x))]
        return parts[0] + 1j * parts[1]
    size = max(places, -places)
    d = dtypes.of(x)
    if size > (308 if d.itemsize == 8 else 38):  # beyond what a power of ten may be, and the digits of any number
        return stop(x) if places > 0 else where(isfinite(x), 0.0, stop(x))
    factor = 10.0**size
    if places < 0:
        return ew.round(x / factor) * factor
    small = less(abs(x), 2.0 / float(dtypes.finfo(d).eps) / factor)  # larger numbers end before those places
    return where(small, ew.round(where(small, x, 0.0) * factor) / factor, stop(x))


def _to_multiple(x: Any, n: int) -> Any:
    """Integers (or booleans) rounded to the nearest multiple of ``n``, halves to an even one."""
    if dtypes.of(x).kind == "b" or n > np.iinfo(x.dtype).max:
        return lin.zeros(x, x.shape)
    quotient = ew.floor_divide(x, n)
    rest = x - quotient * n
    odd = equal(ew.remainder(quotient, 2), 1)
    over = logical_or(greater(rest, n - rest), logical_and(equal(rest, n - rest), odd))
    return (quotient + cast(over, dtype=dtypes.of(x), source=dtypes.dtype("bool"))) * n


def nan_to_num(x: Array, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Array:
    """x with numbers in place of NaN and of infinities, by default 0 and the largest of the dtype. No gradient there.

    >>> import gpugrad as gg
    >>> gg.nan_to_num(gg.tensor([1.0, float("nan"), float("inf")]), posinf=9.0)
    tensor([1., 0., 9.])
    """
    if not _inexact(x):
        return x
    if _complex(x):
        parts = [to_complex(nan_to_num(part, nan, posinf, neginf)) for part in (real(x), imag(x))]
        return parts[0] + 1j * parts[1]
    most = float(dtypes.finfo(x.dtype).max)
    top = most if posinf is None else posinf
    bottom = -most if neginf is None else neginf
    out = where(less(x, math.inf), x, top)
    out = where(greater(x, -math.inf), out, bottom)
    return where(equal(x, x), out, nan)


# ---- comparison -----------------------------------------------------------------------------------------------------


def isposinf(x: Array) -> Array:
    """Whether each element is +∞.

    >>> import gpugrad as gg
    >>> gg.isposinf(gg.tensor([1.0, float("inf")]))
    tensor([False,  True])
    """
    _real_only("isposinf", x)
    return equal(x, math.inf)


def isneginf(x: Array) -> Array:
    """Whether each element is -∞.

    >>> import gpugrad as gg
    >>> gg.isneginf(gg.tensor([1.0, float("-inf")]))
    tensor([False,  True])
    """
    _real_only("isneginf", x)
    return equal(x, -math.inf)


def isclose(x: Array, y: Array, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Array:
    """Whether |x - y| ≤ ``atol`` + ``rtol`` · |y|; infinities of one sign are equal, and NaNs with ``equal_nan``.

    >>> import gpugrad as gg
    >>> gg.isclose(gg.tensor([1.0, 2.0]), gg.tensor([1.0 + 1e-9, 2.1]))
    tensor([ True, False])
    """
    x = x if _inexact(x) else _float64(x)
    y = y if _inexact(y) else _float64(y)
    finite = logical_and(isfinite(x), isfinite(y))
    distance = abs(where(finite, x, 0.0) - where(finite, y, 0.0))
    near = logical_and(finite, ew.less_equal(distance, atol + rtol * abs(y)))
    out = logical_or(equal(x, y), near)
    return logical_or(out, logical_and(isnan(x), isnan(y))) if equal_nan else out


def allclose(x: Array, y: Array, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Array:
    """Whether :func:`isclose` holds throughout: one boolean.

    >>> import gpugrad as gg
    >>> bool(gg.allclose(gg.tensor([1.0]), [1.0 + 1e-9]))
    True
    """
    return all_of(isclose(x, y, rtol, atol, equal_nan))


def array_equal(x: Array, y: Array, equal_nan: bool = False) -> Array | bool:
    """Whether two arrays have the same shape and equal elements (NaN equals NaN with ``equal_nan``): one boolean.

    >>> import gpugrad as gg
    >>> bool(gg.array_equal([1, 2], gg.tensor([1, 2])))
    True
    """
    if getattr(x, "shape", ()) != getattr(y, "shape", ()):
        return False
    same = equal(x, y)
    if equal_nan and _inexact(x) and _inexact(y):
        same = logical_or(same, logical_and(isnan(x), isnan(y)))
    return all_of(same)


# ---- formulas -------------------------------------------------------------------------------------------------------


def deg2rad(x: Array) -> Array:
    """Degrees as radians.

    >>> import gpugrad as gg
    >>> gg.deg2rad(gg.tensor(180.0))
    tensor(3.14159265)
    """
    return x * (math.pi / 180.0)


def rad2deg(x: Array) -> Array:
    """Radians as degrees.

    >>> import gpugrad as gg
    >>> gg.rad2deg(gg.tensor(3.141592653589793))
    tensor(180.)
    """
    return x * (180.0 / math.pi)


def lerp(x: Array, y: Array, weight: Array) -> Array:
    """x + ``weight`` · (y - x), exact at both ends.

    >>> import gpugrad as gg
    >>> gg.lerp(gg.tensor([0.0, 1.0]), gg.tensor([2.0, 3.0]), 0.5)
    tensor([1., 2.])
    """
    d = y - x
    if type(weight) in SCALARS:
        return x + weight * d if weight < 0.5 else y - (1.0 - weight) * d
    return where(less(weight, 0.5), x + weight * d, y - (1.0 - weight) * d)


def logit(x: Array) -> Array:
    """log(x / (1 - x)), the inverse of sigmoid.

    >>> import gpugrad as gg
    >>> gg.logit(gg.tensor([0.5, 0.75]))
    tensor([0.        , 1.09861229])
    """
    x = floating(x)
    return ew.log(x) - ew.log1p(-x)


def real(x: Array) -> Array:
    """The real part; a real array as it is.

    >>> import gpugrad as gg
    >>> gg.real(gg.tensor([1.0 + 2.0j]))
    tensor([1.])
    """
    return lin.real(x) if _complex(x) else x


def imag(x: Array) -> Array:
    """The imaginary part; zeros for a real array.

    >>> import gpugrad as gg
    >>> gg.imag(gg.tensor([1.0 + 2.0j]))
    tensor([2.])
    """
    return lin.imag(x) if _complex(x) else lin.zeros(x, x.shape)


def conj(x: Array) -> Array:
    """The complex conjugate; a real array as it is.

    >>> import gpugrad as gg
    >>> gg.conj(gg.tensor([1.0 + 2.0j]))
    tensor([1.-2.j])
    """
    return lin.conj(x) if _complex(x) else x
