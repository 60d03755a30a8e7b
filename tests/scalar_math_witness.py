"""What the scalar functions are measured against: mpmath, regions of arguments, and errors in ULP."""

from __future__ import annotations

from functools import cache

import mpmath
import numpy as np
from mpmath import mp, mpf

from gpugrad.kernels.scalar_math import table

mp.prec = 120


def _log_of_sum(x, y):
    return max(x, y) + mp.log1p(mp.exp(-abs(x - y)))


def _softplus(x):
    return max(x, mpf(0)) + mp.log1p(mp.exp(-abs(x)))


def _tail(x):
    """erfc, whose series mpmath takes where it cancels."""
    return mp.erfc(x) if x < 30 else mp.exp(-x * x) / (x * mp.sqrt(mp.pi)) * (1 - 1 / (2 * x * x))


WITNESS = {
    "exp": mp.exp,
    "exp2": lambda x: mpf(2) ** x,
    "expm1": mp.expm1,
    "sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
    "softplus": _softplus,
    "tanh": mp.tanh,
    "sinh": mp.sinh,
    "cosh": mp.cosh,
    "log": mp.log,
    "log2": lambda x: mp.log(x) / mp.log(2),
    "log10": mp.log10,
    "log1p": mp.log1p,
    "logaddexp": _log_of_sum,
    "erf": mp.erf,
    "erfc": _tail,
    "sin": mp.sin,
    "cos": mp.cos,
    "tan": mp.tan,
    "sinc": mp.sincpi,
    "pow": mp.power,
    "cbrt": lambda x: mp.cbrt(x) if x >= 0 else -mp.cbrt(-x),
    "hypot": mp.hypot,
    "atan": mp.atan,
    "atan2": mp.atan2,
    "asin": mp.asin,
    "acos": mp.acos,
    "asinh": mp.asinh,
    "acosh": mp.acosh,
    "atanh": mp.atanh,
    "erfinv": mp.erfinv,
    "gammaln": lambda x: mp.log(abs(mp.gamma(x))) if x < 1e5 else mp.loggamma(x),
    "digamma": mp.digamma,
}
"""The functions, on numbers of 120 bits."""

BINARY = frozenset({"logaddexp", "pow", "hypot", "atan2"})
"""Those of two arguments."""

DOMAIN = {
    "log": (0.0, np.inf),
    "log2": (0.0, np.inf),
    "log10": (0.0, np.inf),
    "log1p": (-1.0, np.inf),
    "asin": (-1.0, 1.0),
    "acos": (-1.0, 1.0),
    "acosh": (1.0, np.inf),
    "atanh": (-1.0, 1.0),
    "erfinv": (-1.0, 1.0),
}
"""Where they are real: open or closed, the ends are special values."""


NEAR = "near "
"""Before the name of a primitive: its quicker function, for arguments near 0."""
NAMES = [*sorted(table.NAMES), *(NEAR + name for name in sorted(table.NEAR))]
DTYPES = (np.float32, np.float64)
GAMMAS = ("gammaln", "digamma")


def regions(dtype, count, rng):
    """Samples of finite arguments, by the name of the region they are from."""
    info = np.finfo(dtype)
    integer = np.dtype(f"i{info.dtype.itemsize}")
    limits = np.iinfo(integer)
    sign = rng.choice(np.array([-1.0, 1.0], dtype), count)
    bits = rng.integers(limits.min, limits.max, count, dtype=integer, endpoint=True).view(dtype)
    near_power = np.exp2(rng.integers(-20, 11, count)) * (1.0 + rng.integers(-8, 9, count) * float(info.eps))
    multiples = (rng.integers(1, 1 << 20, count) * (np.pi / 2)).astype(dtype)
    return {
        "all bits": np.where(np.isfinite(bits), bits, dtype(1.0)),
        "-2 to 2": rng.uniform(-2.0, 2.0, count).astype(dtype),
        "2⁻⁴⁰ to 2¹⁰": np.exp2(rng.uniform(-40.0, 10.0, count)).astype(dtype) * sign,
        "-750 to 750": rng.uniform(-750.0, 750.0, count).astype(dtype),
        "near powers of 2": near_power.astype(dtype) * sign,
        "near multiples of π/2": np.nextafter(multiples, dtype(np.inf) * sign),
        "denormal": (rng.integers(1, 1 << (info.nmant), count).astype(integer)).view(dtype) * sign,
    }


def inside(name, x):
    """Those of the samples that lie within the domain."""
    low, high = DOMAIN.get(name, (-np.inf, np.inf))
    return x[(x > low) & (x < high)]


def exact(name, *arguments):
    """The function of numbers, in two doubles: rounded, and what rounding has lost; float32 is exact in the first."""
    witness = WITNESS[name]
    high, low = np.empty(arguments[0].shape), np.zeros(arguments[0].shape)
    for i, xs in enumerate(zip(*arguments)):
        try:
            value = witness(*(mpf(float(x)) for x in xs))
        except (ZeroDivisionError, ValueError, OverflowError):
            value = mpmath.nan
        value = value.real if isinstance(value, mpmath.mpf) else mpmath.nan
        high[i] = float(value)
        if np.isfinite(high[i]):
            low[i] = float(value - high[i])
    return high, low


def ulps(got, high, low=0.0, scale=None):
    """|got - (high + low)| in units in the last place of the exact value (or of ``scale``); ∞ where the kind differs."""
    dtype = got.dtype.type
    with np.errstate(all="ignore"):
        rounded = high.astype(dtype)
        unit = np.spacing(np.abs(rounded if scale is None else scale.astype(dtype))).astype(np.float64)
        error = np.abs((got.astype(np.float64) - high) - low) / unit
        same = (got == rounded) | (np.isnan(got) & np.isnan(rounded))
        largest = np.finfo(dtype).max
        border = (
            np.abs(np.where(np.isinf(got), rounded, got)) == largest
        )  # one rounds to ∞ and one to the number before
        error = np.where(np.isfinite(got) & np.isfinite(rounded), error, np.where(border, 1.0, np.inf))
    return np.where(same & ~np.isfinite(rounded), 0.0, error)


@cache
def loops(name, dtype):
    """The compiled loop, as the compiler prints it."""
    import numba

    look_up = table.near_functions if name.startswith(NEAR) else table.functions
    f = look_up(name.removeprefix(NEAR))[DTYPES.index(dtype)]
    array = numba.from_dtype(np.dtype(dtype))[::1]
    if name in BINARY:

        def loop(out, x, y):
            for i in range(out.size):
                out[i] = f(x[i], y[i])

    else:

        def loop(out, x):
            for i in range(out.size):
                out[i] = f(x[i])

    arguments = (array,) * (3 if name in BINARY else 2)
    return numba.njit(arguments, fastmath={"reassoc", "contract", "nsz"}, error_model="numpy")(loop)


def call(name, *arguments):
    out = np.empty_like(arguments[0])
    loops(name, out.dtype.type)(out, *arguments)
    return out


def arguments_of(name, dtype, count):
    """Samples of the domain by region; of two arguments, pairs of one region, and of numbers near one another."""
    rng = np.random.default_rng(7)
    out = {}
    for (region, x), other in zip(regions(dtype, count, rng).items(), regions(dtype, count, rng).values()):
        if name in BINARY:
            with np.errstate(over="ignore"):
                near = (x * rng.uniform(0.5, 2.0, count)).astype(dtype)
            x, y = np.concatenate([x, x]), np.concatenate([other, near])
            x, y = (np.abs(x) if name == "pow" else x)[np.isfinite(y)], y[np.isfinite(y)]
            out[region] = (x, y)
            continue
        x = inside(name, x)
        if name.startswith(NEAR):
            x = x[np.abs(x) <= table.NEAR[name.removeprefix(NEAR)]]
        if name in GAMMAS:
            x = x[(x > 0.0) | (x != np.floor(x))]  # the poles are special values
        if x.size:
            out[region] = (x,)
    return out


def scale_of(name, arguments, high):
    """A sum that cancels is measured by what it is a sum of."""
    if name in GAMMAS:
        (x,) = arguments
        reflected = call(name, np.where(x < 0.0, 1.0 - x, x))
        with np.errstate(invalid="ignore"):
            terms = np.maximum(np.abs(reflected), np.maximum(np.abs(high - reflected), 1.0))
        return np.maximum(np.abs(high), np.where(x < 0.0, terms, 0.0))
    return np.maximum(np.abs(np.maximum(*arguments)), np.abs(high)) if name == "logaddexp" else None


def errors_in_double(name, arguments):
    """The errors in ULP of the float64 function, by mpmath."""
    high, low = exact(name.removeprefix(NEAR), *arguments)
    return ulps(call(name, *arguments), high, low, scale_of(name, arguments, high))


def errors_in_single(name, arguments):
    """The errors in ULP of the float32 function, by the float64 function."""
    doubles = [x.astype(np.float64) for x in arguments]
    high = call(name.removeprefix(NEAR), *doubles)
    return ulps(call(name, *arguments), high, 0.0, scale_of(name, doubles, high))
