"""What the scalar functions are measured against: mpmath, regions of arguments, and errors in ULP."""

from __future__ import annotations

import mpmath
import numpy as np
from mpmath import mp, mpf

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
