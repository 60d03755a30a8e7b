"""The gamma function and its relatives: logarithm, derivatives, the zeta function, incomplete integrals.

Large arguments by the asymptotic series, smaller ones by recurrence or a Chebyshev sum (fitted in 50 digits), negative
ones by reflection. Everything is arithmetic, logarithms, exponentials and sines, so that all backends agree.
"""

from __future__ import annotations

import math
from typing import Any

from gpugrad.kernels.chebyshev import chebyshev

_LOG_GAMMA = (
    0.44148902545501423, -0.11119580321752523, 0.01951044826068884, -0.003922461463025264, 0.0008478989895953857,
    -0.00019153855341365593, 4.454470184975607e-05, -1.05728743735943e-05, 2.5474336873408417e-06,
    -6.208535880776316e-07, 1.5268677399071546e-07, -3.782637660291326e-08, 9.428100823624284e-09,
    -2.361999702184645e-09, 5.943541905817546e-10, -1.501312977072867e-10, 3.8050196458110534e-11,
    -9.672485299656325e-12, 2.465348198355661e-12, -6.298868140791711e-13, 1.6128460030283787e-13,
    -4.137949206814042e-14, 1.0635701227757898e-14, -2.7382420786652826e-15, 7.060670507214892e-16,
    -1.8232177141662118e-16, 4.714169006756272e-17, -1.2204107319639856e-17, 3.1630451661790255e-18,
    -8.206746544166728e-19,
)  # fmt: skip
"""log Γ(x) / ((x - 1)(x - 2)) for 1 ≤ x ≤ 3, in Chebyshev polynomials of x - 2."""
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330)
"""B₂, B₄ …"""
_STIRLING = tuple(b / (2 * k * (2 * k - 1)) for k, b in enumerate(_BERNOULLI[:9], 1))
_PSI = tuple(b / (2 * k) for k, b in enumerate(_BERNOULLI[:9], 1))
_LOG_ROOT = 0.5 * math.log(2.0 * math.pi)


def _powers(coefficients: tuple[float, ...], u: Any) -> Any:
    out: Any = coefficients[-1] + 0.0 * u
    for c in reversed(coefficients[:-1]):
        out = out * u + c
    return out


def stirling(x: Any) -> Any:
    """What Stirling's formula leaves of log Γ(x), for x of 8 or more."""
    return _powers(_STIRLING, 1.0 / (x * x)) / x


def _parts(xp: Any, y: Any) -> tuple[Any, Any]:
    """Γ(y) as e^p · factor, for positive y."""
    one = xp.ones_like(y)
    big = (y >= 8.0) & xp.isfinite(y)
    u = xp.where(big, y, 8.0 * one)
    large = u * (xp.log(u) - 1.0) - 0.5 * xp.log(u) + _LOG_ROOT + stirling(u)
    z = xp.where((y > 0.0) & (y < 8.0), y, one)
    small = z < 1.0
    factor = xp.where(small, 1.0 / z, one)
    d = xp.where(small, z, z - 1.0)  # one less than the argument in [1, 3) that is left
    for _ in range(5):
        above = d >= 2.0
        factor = xp.where(above, factor * d, factor)
        d = xp.where(above, d - 1.0, d)
    p = d * (d - 1.0) * chebyshev(_LOG_GAMMA, d - 1.0)
    return xp.where(big, large, p), xp.where(big, one, factor)


def _sine(xp: Any, x: Any) -> Any:
    """|sin πx|, exactly 0 at integers."""
    return xp.abs(xp.sin(math.pi * (x - xp.round(x))))


def log_gamma(xp: Any, x: Any) -> Any:
    """log |Γ(x)|; ∞ at 0, -1, -2 …"""
    finite = xp.isfinite(x)
    inside = xp.where(finite, x, xp.ones_like(x))
    p, factor = _parts(xp, xp.where(inside < 0.0, 1.0 - inside, inside))
    out = p + xp.log(factor)
    s = _sine(xp, inside)
    low = (inside < 0.0) & (s > 0.0)
    out = xp.where(low, math.log(math.pi) - xp.log(xp.where(low, s, xp.ones_like(s))) - out, out)
    pole = (inside <= 0.0) & (s == 0.0)
    return xp.where(pole, xp.full_like(x, xp.inf), xp.where(finite, out, xp.abs(x)))


def gamma(xp: Any, x: Any) -> Any:
    """Γ(x); ∞ at 0, NaN at -1, -2 …"""
    finite = xp.isfinite(x)
    inside = xp.where(finite, x, xp.ones_like(x))
    p, factor = _parts(xp, xp.where(inside < 0.0, 1.0 - inside, inside))
    s = _sine(xp, inside)
    low = (inside < 0.0) & (s > 0.0)
    sign = 1.0 - 2.0 * xp.abs(xp.remainder(xp.floor(inside), 2.0 * xp.ones_like(x)))
    out = xp.where(
        low,
        sign * math.pi / xp.where(low, s, xp.ones_like(s)) * xp.exp(xp.where(low, -p, 0.0 * p)) / factor,
        xp.exp(xp.where(low, 0.0 * p, p)) * factor,
    )
    pole = (inside <= 0.0) & (s == 0.0)
    out = xp.where(pole, xp.where(x == 0.0, xp.full_like(x, xp.inf), xp.nan), out)
    return xp.where(finite, out, xp.where(x > 0.0, x, xp.nan))


def digamma(xp: Any, x: Any) -> Any:
    """The logarithmic derivative of Γ; -∞ at 0, NaN at -1, -2 …"""
    finite = xp.isfinite(x)
    inside = xp.where(finite, x, xp.ones_like(x))
    whole = xp.round(inside) == inside
    pole = (inside <= 0.0) & whole
    low = (inside < 0.0) & ~whole
    z = xp.where(pole, xp.ones_like(x), xp.where(low, 1.0 - inside, inside))
    out = xp.zeros_like(x)
    for _ in range(10):
        under = z < 10.0
        out = xp.where(under, out - 1.0 / z, out)
        z = xp.where(under, z + 1.0, z)
    u = 1.0 / (z * z)
    out = out + xp.log(z) - 0.5 / z - u * _powers(_PSI, u)
    r = math.pi * xp.where(low, inside - xp.round(inside), 0.25 * xp.ones_like(x))
    out = xp.where(low, out - math.pi * xp.cos(r) / xp.sin(r), out)
    out = xp.where(pole, xp.where(x == 0.0, xp.full_like(x, -xp.inf), xp.nan), out)
    return xp.where(finite, out, xp.where(x > 0.0, x, xp.nan))


def zeta(xp: Any, x: Any, q: Any) -> Any:
    """Σ (q + k)⁻ˣ over k = 0, 1 …, for x > 1 and q > 0, by Euler and Maclaurin's formula; ∞ at x = 1, NaN below."""
    fits = (x > 1.0) & (q > 0.0)
    s = xp.where(fits, x, 2.0 * xp.ones_like(x))
    w = xp.where(fits, q, xp.ones_like(q))
    out = 0.0 * (s + w)
    for _ in range(10):
        out = out + w**-s
        w = w + 1.0
    last = w**-s
    out = out + last * w / (s - 1.0) + 0.5 * last
    factor = last * s / w
    for k, b in enumerate(_BERNOULLI, 1):
        out = out + factor * (b / math.factorial(2 * k))
        factor = factor * (s + (2 * k - 1)) * (s + 2 * k) / (w * w)
    return xp.where(fits, out, xp.where((x == 1.0) | ((x > 1.0) & (q == 0.0)), xp.full_like(out, xp.inf), xp.nan))


def polygamma(xp: Any, x: Any, *, n: int) -> Any:
    """The n-th derivative of :func:`digamma`, by the zeta function, and by reflection below 0; NaN at -1, -2 …"""
    if n == 0:
        return digamma(xp, x)
    whole = xp.round(x) == x
    low = (x < 0.0) & xp.isfinite(x) & ~whole
    y = xp.where(low, 1.0 - x, x)
    size = float(math.factorial(n)) * zeta(xp, (n + 1.0) * xp.ones_like(x), xp.where(y < 0.0, xp.zeros_like(y), y))
    sign = 1.0 if n % 2 else -1.0
    r = math.pi * xp.where(low, x - xp.round(x), 0.25 * xp.ones_like(x))
    turn = _powers(_cotangent(n), xp.cos(r) / xp.sin(r)) * math.pi ** (n + 1)
    out = xp.where(low, -size - turn, sign * size)
    return xp.where(x < 0.0, xp.where(low, out, xp.full_like(x, xp.nan)), out)


def _cotangent(n: int) -> tuple[float, ...]:
    """The n-th derivative of the cotangent as a polynomial in it, the lowest power first: c' = -(1 + c²)."""
    p = [0.0, 1.0]
    for _ in range(n):
        slope = [k * c for k, c in enumerate(p)][1:]
        p = [0.0] * (len(slope) + 2)
        for k, c in enumerate(slope):
            p[k] -= c
            p[k + 2] -= c
    return tuple(p)


# ---- incomplete gamma functions -----------------------------------------------------------------------------------------

_STEPS = 100_000
"""More than either sum needs: both settle in some multiple of √a steps."""


def _weight(xp: Any, a: Any, x: Any) -> Any:
    """xᵃ e⁻ˣ / Γ(a + 1); for large ``a`` about its maximum, so that nothing large cancels."""
    large = a >= 8.0
    c = xp.where(large, a, 8.0 * xp.ones_like(a))
    m = (xp.where(large, x, c) - c) / c
    by_stirling = xp.exp(c * (xp.log1p(m) - m) - stirling(c)) / xp.sqrt(2.0 * math.pi * c)
    b = xp.where(large, xp.ones_like(a), a)
    p, factor = _parts(xp, b + 1.0)
    return xp.where(large, by_stirling, xp.exp(b * xp.log(x) - x - p) / factor)


def _by_series(xp: Any, a: Any, x: Any, eps: float) -> Any:
    """P(a, x) over its weight, for x up to a + 1."""
    term = xp.ones_like(a)
    total = term
    for n in range(1, _STEPS):
        term = term * x / (a + n)
        total = total + term
        if not xp.any(term > eps * total):
            break
    return total


def _by_fraction(xp: Any, a: Any, x: Any, eps: float) -> Any:
    """Q(a, x) over a times its weight, for x from a + 1, by Lentz's continued fraction."""
    b = x + 1.0 - a
    d = 1.0 / b
    c = b + 1.0 / eps
    h = d
    for n in range(1, _STEPS):
        above = -n * (n - a)
        b = b + 2.0
        d = 1.0 / (above * d + b)
        c = b + above / c
        h = h * (c * d)
        if not xp.any(xp.abs(c * d - 1.0) > eps):
            break
    return h


def _incomplete(xp: Any, a: Any, x: Any) -> tuple[Any, Any, Any]:
    """Whether the series applies, P from it, and Q from the fraction."""
    eps = float(xp.finfo(x.dtype).eps)
    inside = (a > 0.0) & (x > 0.0) & xp.isfinite(a) & xp.isfinite(x)
    one = xp.ones_like(a + x)
    a, x = xp.where(inside, a, one), xp.where(inside, x, one)
    low = x < a + 1.0
    w = _weight(xp, a, x)
    lower = w * _by_series(xp, xp.where(low, a, one), xp.where(low, x, one), eps)
    upper = a * w * _by_fraction(xp, xp.where(low, one, a), xp.where(low, 3.0 * one, x), eps)
    return low, lower, upper


def _edges(xp: Any, a: Any, x: Any, out: Any, at_zero: float) -> Any:
    """The value at the ends of the ranges, NaN outside them."""
    at_end = xp.full_like(out, 1.0 - at_zero)
    out = xp.where((x == xp.inf) | ((a == 0.0) & (x > 0.0)), at_end, out)
    out = xp.where(((x == 0.0) & (a > 0.0)) | (a == xp.inf), xp.full_like(out, at_zero), out)
    bad = (
        (a < 0.0) | (x < 0.0) | ((a == 0.0) & (x == 0.0)) | ((a == xp.inf) & (x == xp.inf)) | xp.isnan(a) | xp.isnan(x)
    )
    return xp.where(bad, xp.full_like(out, xp.nan), out)


def gammainc(xp: Any, a: Any, x: Any) -> Any:
    """The lower incomplete gamma function over Γ(a)."""
    low, lower, upper = _incomplete(xp, a, x)
    return _edges(xp, a, x, xp.where(low, lower, 1.0 - upper), 0.0)


def gammaincc(xp: Any, a: Any, x: Any) -> Any:
    """The upper incomplete gamma function over Γ(a)."""
    low, lower, upper = _incomplete(xp, a, x)
    return _edges(xp, a, x, xp.where(low, 1.0 - lower, upper), 1.0)
