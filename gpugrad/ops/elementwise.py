"""Primitives whose output element depends on one element of each operand: forward and partial derivatives.

Names are the array API standard's; without a ``forward`` of its own a primitive is the namespace's function of that
name. A partial derivative is a formula of the operands it names (``x``, ``y``, ``out`` …), a number, or None where
the output is constant almost everywhere (comparisons, rounding) or not a real number at all.

Policy for points without a derivative: a subgradient where there is one, 0 at extrema, ties shared equally, and 0
times an infinite partial is 0 (:func:`~gpugrad.primitive.singular`), so that a branch that was not taken is silent.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable
from typing import Any

from gpugrad import dtypes, errors
from gpugrad.kernels import reference
from gpugrad.ops.linear import cast
from gpugrad.primitive import Primitive, Select, elementwise, singular

__all__ = [
    "abs", "acos", "acosh", "add", "asin", "asinh", "atan", "atan2", "atanh", "bitwise_and", "bitwise_invert",
    "bitwise_left_shift", "bitwise_or", "bitwise_right_shift", "bitwise_xor", "cbrt", "ceil", "clip",
    "copysign", "cos", "cosh", "divide", "equal", "erf", "erfc", "exp", "exp2", "expm1", "floor", "floor_divide",
    "fmod", "greater", "greater_equal", "hypot", "isfinite", "isinf", "isnan", "less", "less_equal", "log", "log1p",
    "log2", "log10", "logaddexp", "logical_and", "logical_not", "logical_or", "logical_xor", "maximum", "minimum",
    "multiply", "negative", "nextafter", "not_equal", "positive", "pow", "reciprocal", "relu", "remainder", "round",
    "sigmoid", "sign", "signbit", "sin", "sinc", "sinh", "softplus", "sqrt", "square", "subtract", "tan", "tanh",
    "trunc", "where",
]  # fmt: skip

LN2 = math.log(2.0)
LN10 = math.log(10.0)
BOOL = dtypes.dtype("bool")
SCALARS = frozenset({bool, int, float, complex})


def _bool(*_dtypes: Any, **_params: Any) -> str:
    return "bool"


def of_reals(
    name: str, forward: Callable[..., Any], on_complex: Callable[..., Any] | None = None
) -> Callable[..., Any]:
    """A forward for real floating point as one for any numbers: integers and booleans are taken as float64.

    Complex numbers go to ``on_complex``, without which they are a DtypeError: comparisons and |x| in ``forward`` would
    make something else of them.
    """

    def computed(xp: Any, x: Any) -> Any:
        kind = dtypes.of(x).kind
        if kind == "c":
            if on_complex is None:
                raise errors.DtypeError(
                    f"{name}: an array of dtype {x.dtype}; expected real numbers. Take gg.real(x) or gg.abs(x) first"
                )
            return on_complex(xp, x)
        return forward(xp, xp.astype(x, xp.float64) if kind in "biu" else x)

    return computed


# ---- comparison, logic, bits: no derivative -------------------------------------------------------------------------

equal = elementwise("equal", None, None, dtype=_bool, doc="x == y, elementwise.")
not_equal = elementwise("not_equal", None, None, dtype=_bool, doc="x != y, elementwise.")
less = elementwise("less", None, None, dtype=_bool, doc="x < y, elementwise.")
less_equal = elementwise("less_equal", None, None, dtype=_bool, doc="x <= y, elementwise.")
greater = elementwise("greater", None, None, dtype=_bool, doc="x > y, elementwise.")
greater_equal = elementwise("greater_equal", None, None, dtype=_bool, doc="x >= y, elementwise.")
logical_and = elementwise("logical_and", None, None, dtype=_bool, doc="Both true, elementwise.")
logical_or = elementwise("logical_or", None, None, dtype=_bool, doc="Either true, elementwise.")
logical_xor = elementwise("logical_xor", None, None, dtype=_bool, doc="Exactly one true, elementwise.")
logical_not = elementwise("logical_not", None, dtype=_bool, doc="Not true, elementwise.")
isnan = elementwise("isnan", None, dtype=_bool, doc="Whether each element is NaN.")
isinf = elementwise("isinf", None, dtype=_bool, doc="Whether each element is infinite.")
isfinite = elementwise("isfinite", None, dtype=_bool, doc="Whether each element is neither NaN nor infinite.")
signbit = elementwise("signbit", None, dtype=_bool, doc="Whether the sign bit of each element is set.")
bitwise_and = elementwise("bitwise_and", None, None, doc="Bits set in both integers.")
bitwise_or = elementwise("bitwise_or", None, None, doc="Bits set in either integer.")
bitwise_xor = elementwise("bitwise_xor", None, None, doc="Bits set in exactly one integer.")
bitwise_invert = elementwise("bitwise_invert", None, doc="All bits flipped.")
bitwise_left_shift = elementwise("bitwise_left_shift", None, None, doc="Bits of x moved up by y.")
bitwise_right_shift = elementwise("bitwise_right_shift", None, None, doc="Bits of x moved down by y.")

# ---- rounding: constant almost everywhere ---------------------------------------------------------------------------

floor = elementwise("floor", None, doc="The largest integer not above x.")
ceil = elementwise("ceil", None, doc="The smallest integer not below x.")
trunc = elementwise("trunc", None, doc="The integer part of x.")
round = elementwise("round", None, doc="The nearest integer, halves to even.")
sign = elementwise("sign", None, doc="-1, 0 or 1, as x is negative, zero or positive.")
floor_divide = elementwise("floor_divide", None, None, doc="x / y, rounded down.")

# ---- identity without a derivative ----------------------------------------------------------------------------------

stop = elementwise("stop", None, forward=lambda xp, x: x, doc="x, as a constant: no derivative flows through it.")

# ---- selection ------------------------------------------------------------------------------------------------------

where = elementwise(
    "where",
    None,
    Select(lambda c: c),
    Select(lambda c: logical_not(c)),
    operands="c x y",
    same=(1, 2),
    leads=1,
    dtype=lambda c, x, y: x,
    doc="x where the condition holds, y elsewhere. The gradient reaches only the side that was taken.",
)


def _share(over: Any, under: Any, x: Any, y: Any) -> Any:
    """1 where ``over``, 0 where ``under``, ½ where neither (a tie), in the dtype of the operand that is an array."""
    like = dtypes.of(y if type(x) in SCALARS else x)
    return 0.5 + 0.5 * (cast(over, dtype=like, source=BOOL) - cast(under, dtype=like, source=BOOL))


maximum = elementwise(
    "maximum",
    singular(lambda x, y: _share(greater(x, y), less(x, y), x, y)),
    singular(lambda x, y: _share(less(x, y), greater(x, y), x, y)),
    doc="The larger of two numbers; a tie shares the gradient equally.",
)
minimum = elementwise(
    "minimum",
    singular(lambda x, y: _share(less(x, y), greater(x, y), x, y)),
    singular(lambda x, y: _share(greater(x, y), less(x, y), x, y)),
    doc="The smaller of two numbers; a tie shares the gradient equally.",
)
clip = elementwise(
    "clip",
    Select(lambda x, lo, hi: logical_and(less_equal(lo, x), less_equal(x, hi))),
    Select(lambda x, lo, hi: logical_and(less(x, lo), less_equal(lo, hi))),
    Select(lambda x, lo, hi: logical_or(less(hi, x), less(hi, lo))),
    operands="x lo hi",
    same=(0, 1, 2),
    doc="x limited to [lo, hi]. The gradient passes inside and on the bounds.",
)


def _relu(xp: Any, x: Any) -> Any:
    kind = dtypes.of(x).kind
    if kind == "c":
        raise errors.DtypeError(f"relu: an array of dtype {x.dtype}; expected real numbers. Take gg.real(x) first")
    return xp.maximum(x, 0.0 if kind not in "iu" else 0)


relu = elementwise(
    "relu",
    Select(lambda out: greater(out, 0.0)),  # what comes next keeps the result anyway, the operand nobody
    forward=_relu,
    body=lambda x: maximum(x, 0.0),
    doc="max(x, 0); the derivative at 0 is 0.",
)

# ---- arithmetic -----------------------------------------------------------------------------------------------------

add = elementwise("add", 1, 1, doc="x + y.")
subtract = elementwise("subtract", 1, -1, doc="x - y.")
multiply = elementwise("multiply", "y", "x", doc="x * y.")
divide = elementwise("divide", singular(lambda y: 1.0 / y), singular(lambda y, out: -out / y), doc="x / y.")
negative = elementwise("negative", -1, doc="-x.")
positive = elementwise("positive", 1, doc="+x.")
square = elementwise("square", lambda x: 2.0 * x, doc="x².")
reciprocal = elementwise("reciprocal", singular(lambda out: -out * out), forward=lambda xp, x: 1 / x, doc="1 / x.")
masked_multiply = elementwise(
    "masked_multiply",
    singular("y"),
    singular("x"),
    forward=lambda xp, x, y: xp.where((x == 0) | (y == 0), 0.0, x * y),
    doc="x * y, with 0 times anything, NaN and infinity included, being 0: how rules multiply a partial derivative.",
)
abs = elementwise("abs", lambda x: sign(x), doc="|x|; the derivative at 0 is 0.")
remainder = elementwise(
    "remainder", 1, singular(lambda x, y: -floor_divide(x, y)), doc="x - y * floor(x / y): the sign is that of y."
)


def _fmod(xp: Any, x: Any, y: Any) -> Any:
    r = xp.remainder(xp.abs(x), xp.abs(y))
    return xp.where(x < 0, -r, r)


fmod = elementwise(
    "fmod",
    1,
    singular(lambda x, y, out: -round((x - out) / y)),
    forward=_fmod,
    doc="x - y * trunc(x / y): the sign is that of x.",
)
copysign: Primitive = elementwise(
    "copysign", lambda x, y: copysign(sign(x), x * y), None, doc="The magnitude of x with the sign of y."
)
nextafter = elementwise("nextafter", 1, None, doc="The next floating-point number after x towards y.")

# ---- powers and roots -----------------------------------------------------------------------------------------------

sqrt = elementwise("sqrt", singular(lambda out: 0.5 / out), doc="√x.")
cbrt = elementwise(
    "cbrt", singular(lambda out: 1.0 / out / out / 3.0), forward=reference.cbrt, doc="The real cube root."
)


def _pow_x(x: Any, y: Any) -> Any:
    if type(y) in SCALARS:
        return y * pow(x, y - 1.0) if y else 0.0
    return masked_multiply(y, pow(x, y - 1.0))


def _log_of(x: float | complex, complex_too: bool) -> float | complex:
    """log x of a Python number; 0 for 0, NaN where it is not real."""
    if x == 0:
        return 0.0
    if complex_too:
        return cmath.log(x)
    return math.log(x.real) if x.real > 0.0 else math.nan


def _pow_y(x: Any, out: Any) -> Any:
    if type(x) in SCALARS:
        return masked_multiply(out, _log_of(x, dtypes.is_complex(out.dtype)))
    return masked_multiply(out, log(where(not_equal(x, 0.0), x, 1.0)))


pow = elementwise("pow", singular(_pow_x), singular(_pow_y), doc="x to the power y.")
hypot = elementwise(
    "hypot",
    lambda x, out: x / where(not_equal(out, 0.0), out, 1.0),
    lambda y, out: y / where(not_equal(out, 0.0), out, 1.0),
    doc="√(x² + y²) without overflow; the derivative at the origin is 0.",
)

# ---- exponentials and logarithms ------------------------------------------------------------------------------------

exp = elementwise("exp", "out", doc="eˣ.")
exp2 = elementwise("exp2", lambda out: LN2 * out, forward=lambda xp, x: 2.0**x, doc="2ˣ.")
expm1 = elementwise("expm1", lambda out: out + 1.0, doc="eˣ - 1, exact near 0.")
log = elementwise("log", singular(lambda x: 1.0 / x), doc="The natural logarithm.")
log2 = elementwise("log2", singular(lambda x: 1.0 / (LN2 * x)), doc="The logarithm to base 2.")
log10 = elementwise("log10", singular(lambda x: 1.0 / (LN10 * x)), doc="The logarithm to base 10.")
log1p = elementwise("log1p", singular(lambda x: 1.0 / (1.0 + x)), doc="log(1 + x), exact near 0.")


def _difference(x: Any, y: Any) -> Any:
    """x - y, and 0 between infinities of one sign."""
    apart = logical_not(logical_and(equal(x, y), isinf(x)))
    return where(apart, x, 0.0) - where(apart, y, 0.0)


logaddexp = elementwise(
    "logaddexp",
    lambda x, y: sigmoid(_difference(x, y)),
    lambda x, y: sigmoid(_difference(y, x)),
    doc="log(eˣ + eʸ) without overflow.",
)

# ---- trigonometric and hyperbolic -----------------------------------------------------------------------------------

sin = elementwise("sin", lambda x: cos(x), doc="The sine of an angle in radians.")
cos: Primitive = elementwise("cos", lambda x: -sin(x), doc="The cosine of an angle in radians.")
tan = elementwise("tan", lambda out: 1.0 + out * out, doc="The tangent of an angle in radians.")


def _gap(x: Any) -> Any:
    """1 - x², precise near ±1, where its derivative is not 0 · ∞ either."""
    return masked_multiply(1.0 - x, 1.0 + x)


asin = elementwise("asin", singular(lambda x: 1.0 / sqrt(_gap(x))), doc="The angle in [-π/2, π/2].")
acos = elementwise("acos", singular(lambda x: -1.0 / sqrt(_gap(x))), doc="The angle in [0, π].")
atan = elementwise("atan", lambda x: 1.0 / (1.0 + x * x), doc="The angle in (-π/2, π/2).")


def _radius(x: Any, y: Any) -> Any:
    r = hypot(x, y)
    return where(not_equal(r, 0.0), r, 1.0)


def _atan2_x(x: Any, y: Any) -> Any:
    r = _radius(x, y)
    return y / r / r


def _atan2_y(x: Any, y: Any) -> Any:
    r = _radius(x, y)
    return -(x / r / r)


atan2 = elementwise(
    "atan2", _atan2_x, _atan2_y, doc="The angle of the point (y, x); the derivative at the origin is 0."
)
sinh = elementwise("sinh", lambda x: cosh(x), doc="The hyperbolic sine.")
cosh: Primitive = elementwise("cosh", lambda x: sinh(x), doc="The hyperbolic cosine.")


def _asinh_x(x: Any) -> Any:
    return 1.0 / (sqrt(x * x + 1.0) if dtypes.is_complex(x.dtype) else hypot(x, 1.0))


tanh = elementwise("tanh", lambda out: 1.0 - out * out, doc="The hyperbolic tangent.")
asinh = elementwise("asinh", _asinh_x, doc="The inverse hyperbolic sine.")
acosh = elementwise(
    "acosh",
    singular(lambda x: 1.0 / masked_multiply(sqrt(x - 1.0), sqrt(x + 1.0))),
    doc="The inverse hyperbolic cosine, for x ≥ 1.",
)
atanh = elementwise("atanh", singular(lambda x: 1.0 / _gap(x)), doc="The inverse hyperbolic tangent, for |x| ≤ 1.")

# ---- smooth steps ---------------------------------------------------------------------------------------------------


def _sigmoid(xp: Any, x: Any) -> Any:
    e = xp.exp(-xp.abs(x))  # never overflows, and keeps the relative precision of small results
    return xp.where(x >= 0, 1.0, e) / (1.0 + e)


sigmoid: Primitive = elementwise(
    "sigmoid",
    lambda out: out * (1.0 - out),
    forward=of_reals("sigmoid", _sigmoid, on_complex=lambda xp, x: 1.0 / (1.0 + xp.exp(-x))),
    doc="1 / (1 + e⁻ˣ).",
)
softplus = elementwise(
    "softplus",
    lambda x: sigmoid(x),
    forward=of_reals("softplus", lambda xp, x: xp.maximum(x, 0.0) + xp.log1p(xp.exp(-xp.abs(x)))),
    doc="log(1 + eˣ).",
)
erf = elementwise(
    "erf",
    lambda x: (2.0 / math.sqrt(math.pi)) * exp(-x * x),
    forward=of_reals("erf", reference.erf),
    doc="The error function.",
)
erfc = elementwise(
    "erfc",
    lambda x: (-2.0 / math.sqrt(math.pi)) * exp(-x * x),
    forward=of_reals("erfc", reference.erfc),
    doc="1 - erf(x), precise where it is tiny.",
)


def _sinc(xp: Any, x: Any) -> Any:
    u = math.pi * x
    return xp.where(u == 0, 1.0, xp.sin(u) / xp.where(u == 0, 1.0, u))


def _sinc_x(x: Any, out: Any) -> Any:
    u = math.pi * x
    far = greater_equal(abs(u), 1.0)
    v = where(far, 0.0, u)
    v = v * v
    series = 0.0  # of (cos u - sin u / u) / u = Σ (-1)ᵏ 2k uᵏ²⁻¹ / (2k + 1)!, where the closed form cancels
    for k in range(8, 0, -1):
        series = (-1.0) ** k * 2.0 * k / math.factorial(2 * k + 1) + v * series
    return math.pi * where(far, (cos(u) - out) / where(far, u, 1.0), where(far, 0.0, u) * series)


sinc = elementwise("sinc", _sinc_x, forward=_sinc, doc="sin(πx) / (πx), 1 at 0.")
