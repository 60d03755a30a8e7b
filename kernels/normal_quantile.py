"""The inverse of the normal distribution function, to full precision.

M. J. Wichura: Algorithm AS 241: the percentage points of the normal distribution. Applied Statistics 37 (1988), 477.
Its two routines: PPND7, about 7 digits, for float32 and below; PPND16, about 16 digits, for float64. Each is a
rational function of p around ½, and others of √(-log p) in the tails; only a logarithm and a root are not arithmetic,
so that all backends agree up to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np


class Ratio(NamedTuple):
    """A rational function: coefficients of its two polynomials, the highest power first."""

    above: Sequence[float]
    below: Sequence[float]

    def __call__(self, x: Any) -> Any:
        return _polynomial(self.above, x) / _polynomial(self.below, x)


def _polynomial(coefficients: Sequence[float], x: Any) -> Any:
    out: Any = coefficients[0]
    for c in coefficients[1:]:
        out = out * x + c
    return out


class Routine(NamedTuple):
    """One of the two: ``centre`` for |p - ½| ≤ 0.425, ``near`` and ``far`` for the tails, which part at ``border``."""

    centre: Ratio
    near: Ratio
    far: Ratio
    shift: float
    border: float


PPND7 = Routine(
    Ratio((59.109374720, 159.29113202, 50.434271938, 3.3871327179), (67.187563600, 78.757757664, 17.895169469, 1.0)),
    Ratio((0.17023821103, 1.3067284816, 2.7568153900, 1.4234372777), (0.12021132975, 0.73700164250, 1.0)),
    Ratio((0.017337203997, 0.42868294337, 3.0812263860, 6.6579051150), (0.012258202635, 0.24197894225, 1.0)),
    0.180625,
    5.0,
)
PPND16 = Routine(
    Ratio(
        (
            2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4, 4.5921953931549871457e4,
            1.3731693765509461125e4, 1.9715909503065514427e3, 1.3314166789178437745e2, 3.3871328727963666080e0,
        ),
        (
            5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4, 2.1213794301586595867e4,
            5.3941960214247511077e3, 6.8718700749205790830e2, 4.2313330701600911252e1, 1.0,
        ),
    ),
    Ratio(
        (
            7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1, 1.27045825245236838258e0,
            3.64784832476320460504e0, 5.76949722146069140550e0, 4.63033784615654529590e0, 1.42343711074968357734e0,
        ),
        (
            1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2, 1.48103976427480074590e-1,
            6.89767334985100004550e-1, 1.67638483018380384940e0, 2.05319162663775882187e0, 1.0,
        ),
    ),
    Ratio(
        (
            2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3, 2.65321895265761230930e-2,
            2.96560571828504891230e-1, 1.78482653991729133580e0, 5.46378491116411436990e0, 6.65790464350110377720e0,
        ),
        (
            2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5, 7.86869131145613259100e-4,
            1.48753612908506148525e-2, 1.36929880922735805310e-1, 5.99832206555887937690e-1, 1.0,
        ),
    ),
    0.180625,
    5.0,
)  # fmt: skip


def routine(dtype: Any) -> Routine:
    """The routine for a dtype."""
    return PPND16 if "64" in str(dtype) else PPND7


def normal_quantile(xp: Any, x: Any) -> Any:
    """The number below which a normal variate lies with probability ``x``: -∞ at 0, ∞ at 1, NaN outside [0, 1]."""
    q = x - 0.5
    return quantile(xp, q, xp.where(q < 0.0, x, 1.0 - x))


def quantile(xp: Any, q: Any, tail: Any) -> Any:
    """The same for the probability ½ + q, of which the smaller side is ``tail``: where one of them says more."""
    centre, near, far, shift, border = routine(q.dtype)
    inside = (tail > 0.0) & (tail < 0.5)
    r = xp.sqrt(-xp.log(xp.where(inside, tail, 0.25)))
    is_near = r <= border
    outer = xp.where(is_near, near(xp.where(is_near, r - 1.6, 0.0)), far(xp.where(is_near, 0.0, r - border)))
    is_centre = xp.abs(q) <= 0.425
    s = xp.where(is_centre, q, 0.0)
    out = xp.where(is_centre, s * centre(shift - s * s), xp.where(q < 0.0, -outer, outer))
    limit = xp.where(tail == 0.0, xp.where(q < 0.0, xp.full_like(q, -xp.inf), xp.inf), xp.nan)
    return xp.where(inside | is_centre, out, limit)


_CHUNK = 1 << 14
"""Elements whose intermediate results stay in the cache."""


def normal_quantile_numpy(x: Any) -> Any:
    """The same for NumPy: piece by piece, and the functions of the tails only where there are tails."""
    x = np.ascontiguousarray(x).reshape(np.shape(x))
    out = np.empty_like(x)
    centre, shift = routine(x.dtype).centre, routine(x.dtype).shift
    flat, filled = x.reshape(-1), out.reshape(-1)
    for start in range(0, flat.size, _CHUNK):
        piece, result = flat[start : start + _CHUNK], filled[start : start + _CHUNK]
        q = piece - 0.5
        inner = np.abs(q) <= 0.425
        s = np.where(inner, q, 0.0)
        np.multiply(s, centre(shift - s * s), out=result)
        rest = np.flatnonzero(~inner)
        result[rest] = normal_quantile(np, piece[rest])
    return out
