"""The logarithm of the gamma function, and its derivative.

Arguments of 8 or more by Stirling's formula, smaller ones shifted to an interval of a polynomial, negative ones by
reflection. Near the zeros of positive arguments the polynomial is what the zeros leave, so that they are precise; near
those of negative arguments the error is that of the two terms which cancel. Float32 is computed in float64: these functions are rare. The
polynomials are minimax fits by Remez' exchange in 45 digits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gpugrad.kernels.scalar_math.base import F64, fabs, polynomial, product_error, rint, rounded_product, scalar, select
from gpugrad.kernels.scalar_math.logarithms import L64, log_of
from gpugrad.kernels.scalar_math.powers import log_in_two
from gpugrad.kernels.scalar_math.trigonometric import W64, cosine, sinc_f64, sine

_LOG_GAMMA = (
    -8.211690835502238e-10, 1.5823889911986672e-09, 2.4840086691476934e-09, -4.362624804014625e-09,
    -8.995670594082827e-09, 1.633815310280049e-08, -7.096044350428431e-10, 5.670463384531335e-09,
    -5.212565606421672e-08, 1.044626815650804e-07, -1.8606422111513203e-07, 3.9570627206748774e-07,
    -8.555178910012932e-07, 1.8114842656845239e-06, -3.846500737520116e-06, 8.221202578808364e-06,
    -1.7661858919401192e-05, 3.816908386293328e-05, -8.309509936592038e-05, 0.00018255261433250004,
    -0.00040570739999974713, 0.0009153769241314641, -0.0021081308338255387, 0.0049986411646229375,
    -0.012384192193374452, 0.03296500062115698, -0.1003173016743539, 0.42278433509846713,
)  # fmt: skip
"""log Γ(2 + t) / (t (t + 1)) for |t| ≤ 1, to 7e-18."""
_STIRLING = (
    0.11017917543515733, -0.027753030288407837, 0.006383585321464964, -0.0019172905707763482, 0.0008417495969036879,
    -0.0005952380915322801, 0.0007936507936452502, -0.0027777777777777744, 0.08333333333333333,
)  # fmt: skip
"""What Stirling's formula leaves of log Γ(x), times x, in powers of 1/x² for x ≥ 8, to 3e-22."""
_LOG_ROOT_TWO_PI = np.float64(0.9189385332046728)

_ROOT, _ROOT_LOW = np.float64(1.4616321449683622), np.float64(9.549995429965697e-17)
"""Where the digamma function is 0."""
_MIDDLE = np.float64(1.5)
_DIGAMMA = (
    0.00012115890119161716, -0.00017832939366990542, 9.33140233261811e-05, -0.0001446614345441027,
    0.00032587010794455615, -0.0004860319096576787, 0.0006902854873659036, -0.0010364328312288968,
    0.0015635027565002054, -0.002345499688873686, 0.0035180887820536666, -0.005279936652444225,
    0.007927023321807109, -0.011908220152039437, 0.017907248235806878, -0.026975796657669304, 0.040760833943386886,
    -0.06192213327554188, 0.09498872445284977, -0.14840492305388028, 0.24054248424078722, -0.4236274212814606,
    0.9510558760318328,
)  # fmt: skip
"""ψ(x) / (x - root) in powers of x - 3/2 for 1 ≤ x ≤ 2, to 2e-18."""
_PSI = (
    1.7755326945830667, -0.410592372986985, 0.0828517512766487, -0.02108854494806882, 0.007575735243166175,
    -0.004166666600313583, 0.003968253968154871, -0.008333333333333276, 0.08333333333333333,
)  # fmt: skip
"""x² (log x - 1 / 2x - ψ(x)) in powers of 1/x² for x ≥ 8, to 5e-21."""
_EIGHT = np.float64(8.0)


@scalar
def gammaln_f64(x: Any) -> Any:
    """log |Γ(x)|, to 4 ULP (for x < 0, of the largest term, or 1); ∞ at 0, -1, -2 …"""
    c = F64
    positive = select(x > c.zero, x, c.one - x)
    big = positive >= _EIGHT
    z = select(big, c.one, positive)
    small = z < c.one
    factor = select(small, z, c.one)
    d = select(small, z, z - c.one)  # one less than what is left of the argument, in [1, 3)
    for _ in range(5):
        above = d >= c.two
        factor = select(above, factor * d, factor)
        d = select(above, d - c.one, d)
    t = d - c.one
    part = d * t * polynomial(t, _LOG_GAMMA)
    high, low = log_in_two(select(big, positive, factor))
    below = part + select(small, -(high + low), high + low)
    before = positive - c.half
    main = rounded_product(before, high)
    inverse = c.one / positive
    rest = inverse * polynomial(inverse * inverse, _STIRLING) + (product_error(before, high, main) + before * low)
    beyond = (main - positive) + (_LOG_ROOT_TWO_PI + rest)
    out = select(big, select(main == c.inf, c.inf, beyond), below)
    mirrored = -log_of(fabs(x * sinc_f64(x)), c, L64) - out
    return select(fabs(x) == c.inf, c.inf, select(x > c.zero, out, mirrored))


@scalar
def _cotangent(x: Any) -> Any:
    """cot πx for |x| ≤ ½."""
    n = rint(x + x)
    r = x - n * F64.half
    y = W64.pi * r
    low = W64.pi_low * r
    s, c = sine(y, low, F64, W64), cosine(y, low, F64, W64)
    turned = n != F64.zero
    return select(turned, -s, c) / select(turned, c, s)


@scalar
def digamma_f64(x: Any) -> Any:
    """The derivative of log Γ, to 4 ULP (for x < 0, of the largest term, or 1); -∞ at 0, NaN at -1, -2 …"""
    c = F64
    positive = select(x > c.zero, x, c.one - x)
    big = positive >= _EIGHT
    z = select(big, c.one, positive)
    small = z < c.one
    above, below = select(small, -c.one, c.zero), select(small, z, c.one)  # of the sum of what the shifts bring
    y = select(small, z + c.one, z)
    for _ in range(6):
        high = y >= c.two
        y = select(high, y - c.one, y)
        above = select(high, above * y + below, above)
        below = select(high, below * y, below)
    near = ((y - _ROOT) - _ROOT_LOW) * polynomial(y - _MIDDLE, _DIGAMMA) + above / below
    inverse = c.one / positive
    square = inverse * inverse
    far = log_of(positive, c, L64) - (c.half * inverse + square * polynomial(square, _PSI))
    out = select(big, far, near)
    offset = x - rint(x)
    mirrored = select(x == c.zero, -c.inf, select(offset == c.zero, c.nan, out - W64.pi * _cotangent(offset)))
    return select(x > c.zero, out, mirrored)


@scalar
def gammaln_f32(x: Any) -> Any:
    """log |Γ(x)|, to 1 ULP where the double is precise; ∞ at 0, -1, -2 …"""
    return np.float32(gammaln_f64(np.float64(x)))


@scalar
def digamma_f32(x: Any) -> Any:
    """The derivative of log Γ, to 1 ULP where the double is precise; -∞ at 0, NaN at -1, -2 …"""
    return np.float32(digamma_f64(np.float64(x)))
