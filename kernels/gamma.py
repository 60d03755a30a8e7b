"""The gamma function and its relatives: logarithm, derivatives, the zeta function, incomplete integrals.

Large arguments by the asymptotic series, smaller ones by recurrence or a Chebyshev sum (fitted in 50 digits), negative
ones by reflection. Everything is arithmetic, logarithms, exponentials and sines, so that all backends agree.
"""

from __future__ import annotations

import math
from typing import Any

from gpugrad.kernels.chebyshev import chebyshev
from gpugrad.kernels.reference import erfc

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

_LARGE = 200.0
"""From here on the uniform expansion serves where ``x`` is near ``a``; what is left settles in few steps."""
_NEAR = 0.4
"""How near: |x / a - 1|."""
_STEPS = 400
"""The sums below settle in at most 130 steps in double precision, for all ``a`` and ``x`` that are left to them."""
_TEMME = (
    (
        -0.3333333333333333, 0.08333333333333333, -0.014814814814814815, 0.0011574074074074073, 0.0003527336860670194,
        -0.0001787551440329218, 3.919263178522438e-05, -2.185448510679992e-06, -1.85406221071516e-06,
        8.296711340953087e-07, -1.7665952736826078e-07, 6.707853543401498e-09, 1.0261809784240309e-08,
        -4.382036018453353e-09, 9.14769958223679e-10, -2.5514193994946248e-11, -5.830772132550426e-11,
        2.4361948020667415e-11,
    ),
    (
        -0.001851851851851852, -0.003472222222222222, 0.0026455026455026454, -0.0009902263374485596,
        0.00020576131687242798, -4.018775720164609e-07, -1.8098550334489977e-05, 7.64916091608111e-06,
        -1.6120900894563446e-06, 4.647127802807434e-09, 1.378633446915721e-07, -5.752545603517705e-08,
        1.1951628599778148e-08, -1.7543241719747647e-11, -1.0091543710600413e-09, 4.162792991842583e-10,
    ),
    (
        0.004133597883597883, -0.0026813271604938273, 0.0007716049382716049, 2.0093878600823047e-06,
        -0.0001073665322636516, 5.2923448829120125e-05, -1.2760635188618728e-05, 3.423578734096138e-08,
        1.3721957309062934e-06, -6.298992138380055e-07, 1.4280614206064242e-07, -2.0477098421990866e-10,
        -1.409252991086752e-08,
    ),
    (
        0.0006494341563786008, 0.00022947209362139917, -0.0004691894943952557, 0.00026772063206283885,
        -7.561801671883977e-05, -2.396505113867297e-07, 1.1082654115347302e-05, -5.6749528269915965e-06,
        1.4230900732435883e-06,
    ),
    (
        -0.0008618882909167117, 0.0007840392217200666, -0.0002990724803031902, -1.4638452578843418e-06,
        6.641498215465122e-05, -3.968365047179435e-05, 1.1375726970678419e-05,
    ),
    (-0.00033679855336635813, -6.972813758365857e-05, 0.0002772753244959392, -0.00019932570516188847),
)  # fmt: skip
"""c₀, c₁ … of Temme's expansion in powers of η, from the recurrence in rational numbers: c₀ = 1/μ - 1/η with
μ = x/a - 1 and η²/2 = μ - log(1 + μ), then c_k = (c'_{k-1} - c'_{k-1}(0) η/μ) / η; exact to 2e-17 for |η| < 0.48."""


def _lag(xp: Any, m: Any) -> Any:
    """m - log(1 + m) for m > -1, to the last digits near 0."""
    near = xp.abs(m) <= _NEAR
    s = xp.where(near, m / (2.0 + m), 0.0 * m)
    v = s * s
    series = 0.0 * m
    for k in range(13, 0, -1):
        series = series * v + 2.0 / (2 * k + 1)  # of 2 artanh(s) = log(1 + m), without its first term m - m s
    far = xp.where(near, xp.ones_like(m), m)
    return xp.where(near, m * s - s * v * series, far - xp.log1p(far))


def _weight(xp: Any, a: Any, x: Any) -> Any:
    """xᵃ e⁻ˣ / Γ(a + 1); for large ``a`` about its maximum, so that nothing large cancels."""
    large = a >= 8.0
    c = xp.where(large, a, 8.0 * xp.ones_like(a))
    m = (xp.where(large, x, c) - c) / c
    by_stirling = xp.exp(-c * _lag(xp, m) - stirling(c)) / xp.sqrt(2.0 * math.pi * c)
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
        if not xp.any(xp.abs(c * d - 1.0) > 2.0 * eps):
            break
    return h


def _by_expansion(xp: Any, a: Any, x: Any) -> Any:
    """The smaller of P (for x below a) and Q, by Temme's uniform expansion (SIAM J. Math. Anal. 10, 1979)."""
    m = (x - a) / a
    lag = _lag(xp, m)
    side = xp.where(m < 0.0, -xp.ones_like(m), xp.ones_like(m))
    eta = side * xp.sqrt(2.0 * lag)
    total = 0.0 * eta
    for coefficients in reversed(_TEMME):
        total = total / a + _powers(coefficients, eta)
    rest = xp.exp(-a * lag) / xp.sqrt(2.0 * math.pi * a) * total
    return 0.5 * erfc(xp, xp.sqrt(a * lag)) + side * rest


def _near_one(xp: Any, a: Any, x: Any) -> Any:
    """Q(a, x) for ``a`` and ``x`` below 1, where it may be tiny although P is all but 1."""
    u = a * xp.log(x) - a * (a - 1.0) * chebyshev(_LOG_GAMMA, a - 1.0)
    term, total = xp.ones_like(a), xp.zeros_like(a)
    for n in range(1, 20):
        term = term * (-x / n)
        total = total - term * (a / (a + n))
    return xp.exp(u) * total - xp.expm1(u)


def _incomplete(xp: Any, a: Any, x: Any) -> tuple[Any, Any]:
    """P and Q inside the domain, the smaller of them to full relative precision."""
    eps = float(xp.finfo(x.dtype).eps)
    inside = (a > 0.0) & (x > 0.0) & xp.isfinite(a) & xp.isfinite(x)
    one = xp.ones_like(a + x)
    a, x = xp.where(inside, a, one), xp.where(inside, x, one)
    uniform = (a >= _LARGE) & (xp.abs(x - a) <= _NEAR * a)
    small = (a < 1.0) & (x < 1.0)
    low = x < xp.where(uniform, a, a + 1.0)
    w = _weight(xp, a, x)
    some = ~uniform & (w > 0.0)
    series, fraction = some & low, some & ~low
    p = w * _by_series(xp, xp.where(series, a, one), xp.where(series, x, one), eps)
    q = a * w * _by_fraction(xp, xp.where(fraction, a, one), xp.where(fraction, x, 3.0 * one), eps)
    t = _by_expansion(xp, xp.where(uniform, a, _LARGE * one), xp.where(uniform, x, _LARGE * one))
    near = _near_one(xp, xp.where(small, a, 0.5 * one), xp.where(small, x, 0.5 * one))
    part = xp.minimum(xp.where(uniform, t, xp.where(low, p, q)), one)  # 1 + eps by rounding
    return xp.where(low, part, 1.0 - part), xp.where(small, near, xp.where(low, 1.0 - part, part))


def gamma_density(xp: Any, a: Any, x: Any) -> Any:
    """xᵃ⁻¹ e⁻ˣ / Γ(a), the slope of the lower function, for a > 0 and x ≥ 0."""
    inside = (a > 0.0) & (x > 0.0) & xp.isfinite(a) & xp.isfinite(x)
    one = xp.ones_like(a + x)
    b, y = xp.where(inside, a, one), xp.where(inside, x, one)
    out = xp.where(inside, _weight(xp, b, y) * b / y, xp.zeros_like(one))
    out = xp.where((x == 0.0) & (a < 1.0), xp.full_like(one, xp.inf), xp.where((x == 0.0) & (a == 1.0), one, out))
    bad = (a < 0.0) | (x < 0.0) | xp.isnan(a) | xp.isnan(x)
    return xp.where(bad, xp.full_like(one, xp.nan), out)


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
    return _edges(xp, a, x, _incomplete(xp, a, x)[0], 0.0)


def gammaincc(xp: Any, a: Any, x: Any) -> Any:
    """The upper incomplete gamma function over Γ(a)."""
    return _edges(xp, a, x, _incomplete(xp, a, x)[1], 1.0)
