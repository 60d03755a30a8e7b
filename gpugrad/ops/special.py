"""Special functions: primitives whose forward is a kernel of ours, and whose derivative is a formula of their relatives.

The formulas of derivatives are those of the NIST Digital Library of Mathematical Functions (dlmf.nist.gov): chapters 5
(gamma), 7 (error functions), 8 (incomplete gamma), 10 (Bessel) and 25 (zeta).
"""

from __future__ import annotations

import math
from typing import Any

from gpugrad import errors
from gpugrad.kernels import bessel, error_functions
from gpugrad.kernels import gamma as gammas
from gpugrad.ops.elementwise import exp, log, masked_multiply, not_equal, sign, where
from gpugrad.ops.joining import alike
from gpugrad.ops.random import normal_quantile
from gpugrad.ops.reductions import floating
from gpugrad.primitive import Primitive, elementwise, singular
from gpugrad.trace import Array

__all__ = [
    "digamma", "erfcinv", "erfcx", "erfinv", "gamma", "gammainc", "gammaincc", "gammaln", "i0", "i0e", "i1", "i1e",
    "j0", "j1", "log_ndtr", "ndtri", "polygamma", "y0", "y1", "zeta",
]  # fmt: skip

ROOT_PI = math.sqrt(math.pi)


def _over(u: Any, x: Any, limit: float) -> Any:
    """u / x, and its ``limit`` where x is 0."""
    there = not_equal(x, 0.0)
    return where(there, u / where(there, x, 1.0), limit)


def pair(x: Any, y: Any) -> tuple[Any, Any]:
    """Two operands in floating point, of one dtype; Python numbers take that of the other."""
    a, b = alike([x, y], "special")
    return floating(a), floating(b)


# ---- error functions ------------------------------------------------------------------------------------------------

_erfcx = elementwise(
    "erfcx",
    singular(lambda x, out: 2.0 * x * out - 2.0 / ROOT_PI),
    forward=error_functions.erfcx,
    doc="e^(x²) erfc(x).",
)
_erfinv = elementwise(
    "erfinv", lambda out: 0.5 * ROOT_PI * exp(out * out), forward=error_functions.erfinv, doc="The inverse of erf."
)
_erfcinv = elementwise(
    "erfcinv", lambda out: -0.5 * ROOT_PI * exp(out * out), forward=error_functions.erfcinv, doc="The inverse of erfc."
)


def erfcx(x: Array) -> Array:
    """e^(x²) · erfc(x), which neither overflows nor vanishes for large x.

    >>> import gpugrad as gg
    >>> gg.special.erfcx(0.0)
    tensor(1.)
    """
    return _erfcx(floating(x))


def erfinv(x: Array) -> Array:
    """The number whose error function is ``x``, from -1 to 1.

    >>> import gpugrad as gg
    >>> gg.special.erfinv(gg.erf(0.25))
    tensor(0.25)
    """
    return _erfinv(floating(x))


def erfcinv(x: Array) -> Array:
    """The number whose complementary error function is ``x``, from 0 to 2: precise for tiny ``x``.

    >>> import gpugrad as gg
    >>> gg.special.erfcinv(gg.erfc(2.0))
    tensor(2.)
    """
    return _erfcinv(floating(x))


def ndtri(x: Array) -> Array:
    """The number that a standard normal variate stays below with probability ``x``: the inverse of ``ndtr``.

    >>> import gpugrad as gg
    >>> gg.special.ndtri(0.5)
    tensor(0.)
    """
    return normal_quantile(floating(x))


_log_ndtr = elementwise(
    "log_ndtr",
    singular(lambda x: math.sqrt(2.0 / math.pi) / _erfcx(-math.sqrt(0.5) * x)),
    forward=error_functions.log_ndtr,
    doc="The logarithm of the normal distribution function.",
)


def log_ndtr(x: Array) -> Array:
    """log Φ(x), the logarithm of the probability that a standard normal variate is below ``x``; precise in both tails.

    >>> import gpugrad as gg
    >>> gg.special.log_ndtr(gg.tensor([0.0, -100.0]))
    tensor([-6.93147181e-01, -5.00552421e+03])
    """
    return _log_ndtr(floating(x))


# ---- gamma functions ------------------------------------------------------------------------------------------------

_gammaln = elementwise("gammaln", lambda x: _polygamma(x, n=0), forward=gammas.log_gamma, doc="log |Γ(x)|.")
_gamma = elementwise("gamma", lambda x, out: out * _polygamma(x, n=0), forward=gammas.gamma, doc="Γ(x).")
_polygamma: Primitive = elementwise(
    "polygamma",
    lambda x, n: _polygamma(x, n=n + 1),
    forward=gammas.polygamma,
    doc="The n-th derivative of the digamma function.",
)


def gammaln(x: Array) -> Array:
    """log |Γ(x)|, the logarithm of the gamma function; ∞ at 0, -1, -2 …

    >>> import gpugrad as gg
    >>> gg.special.gammaln(gg.tensor([1.0, 11.0]))
    tensor([ 0.        , 15.10441257])
    """
    return _gammaln(floating(x))


def gamma(x: Array) -> Array:
    """Γ(x), which is (x - 1)! for integers; ∞ at 0, NaN at -1, -2 …

    >>> import gpugrad as gg
    >>> gg.special.gamma(gg.tensor([0.5, 5.0]))
    tensor([ 1.77245385, 24.        ])
    """
    return _gamma(floating(x))


def digamma(x: Array) -> Array:
    """ψ(x) = Γ'(x) / Γ(x); -∞ at 0, NaN at -1, -2 …

    >>> import gpugrad as gg
    >>> gg.special.digamma(1.0)
    tensor(-0.57721566)
    """
    return _polygamma(floating(x), n=0)


def polygamma(n: int, x: Array) -> Array:
    """The ``n``-th derivative of :func:`digamma`; ``n`` is a Python integer, 0 or more.

    >>> import gpugrad as gg
    >>> gg.special.polygamma(1, 1.0)
    tensor(1.64493407)
    """
    if not hasattr(n, "__index__") or n < 0:
        raise errors.ShapeError(f"polygamma: n={n!r}; expected an integer of 0 or more")
    return _polygamma(floating(x), n=n.__index__())


def _no_derivative(name: str, parameter: str) -> Any:
    def partial() -> Any:
        raise errors.UnsupportedError(
            f"{name}: the derivative in {parameter} is not implemented; hold it constant: gg.stop_gradient({parameter})"
        )

    return partial


_zeta: Primitive = elementwise(
    "zeta",
    _no_derivative("zeta", "x"),
    singular(lambda x, q: -x * _zeta(x + 1.0, q)),
    operands="x q",
    forward=gammas.zeta,
    doc="The Hurwitz zeta function.",
)


def zeta(x: Array, q: Array = 1.0) -> Array:
    """Hurwitz's zeta function Σ (q + k)⁻ˣ over k = 0, 1 …, for x > 1 and q > 0; Riemann's for q = 1.

    Differentiable in ``q``: UnsupportedError for a derivative in ``x``.

    >>> import gpugrad as gg
    >>> gg.special.zeta(2.0)
    tensor(1.64493407)
    """
    return _zeta(*pair(x, q))


def _density(a: Any, x: Any) -> Any:
    """xᵃ⁻¹ e⁻ˣ / Γ(a)."""
    return exp(masked_multiply(a - 1.0, log(x)) - x - _gammaln(a))


_gammainc = elementwise(
    "gammainc",
    _no_derivative("gammainc", "a"),
    singular(_density),
    operands="a x",
    forward=gammas.gammainc,
    doc="The regularised lower incomplete gamma function.",
)
_gammaincc = elementwise(
    "gammaincc",
    _no_derivative("gammaincc", "a"),
    singular(lambda a, x: -_density(a, x)),
    operands="a x",
    forward=gammas.gammaincc,
    doc="The regularised upper incomplete gamma function.",
)


def gammainc(a: Array, x: Array) -> Array:
    """∫ tᵃ⁻¹ e⁻ᵗ dt / Γ(a) from 0 to ``x``, for a ≥ 0 and x ≥ 0, which rises from 0 to 1. Time grows like √a.

    Differentiable in ``x``: UnsupportedError for a derivative in ``a``.

    >>> import gpugrad as gg
    >>> gg.special.gammainc(1.0, 2.0)
    tensor(0.86466472)
    """
    return _gammainc(*pair(a, x))


def gammaincc(a: Array, x: Array) -> Array:
    """1 - :func:`gammainc`, precise where that is close to 1.

    >>> import gpugrad as gg
    >>> gg.special.gammaincc(1.0, 2.0)
    tensor(0.13533528)
    """
    return _gammaincc(*pair(a, x))


# ---- Bessel functions of the orders 0 and 1 -------------------------------------------------------------------------

_i0 = elementwise("bessel_i0", lambda x: _i1(x), forward=bessel.i0, doc="The modified Bessel function I₀.")
_i1: Primitive = elementwise(
    "bessel_i1", lambda x, out: _i0(x) - _over(out, x, 0.5), forward=bessel.i1, doc="The modified Bessel function I₁."
)
_i0e = elementwise("bessel_i0e", lambda x, out: _i1e(x) - sign(x) * out, forward=bessel.i0e, doc="e^(-|x|) I₀(x).")
_i1e: Primitive = elementwise(
    "bessel_i1e",
    lambda x, out: _i0e(x) - _over(out, x, 0.5) - sign(x) * out,
    forward=bessel.i1e,
    doc="e^(-|x|) I₁(x).",
)
_j0 = elementwise("bessel_j0", lambda x: -_j1(x), forward=bessel.j0, doc="The Bessel function J₀.")
_j1: Primitive = elementwise(
    "bessel_j1", lambda x, out: _j0(x) - _over(out, x, 0.5), forward=bessel.j1, doc="The Bessel function J₁."
)
_y0 = elementwise("bessel_y0", singular(lambda x: -_y1(x)), forward=bessel.y0, doc="The Bessel function Y₀.")
_y1: Primitive = elementwise(
    "bessel_y1", singular(lambda x, out: _y0(x) - out / x), forward=bessel.y1, doc="The Bessel function Y₁."
)


def i0(x: Array) -> Array:
    """The modified Bessel function of the first kind I₀.

    >>> import gpugrad as gg
    >>> gg.special.i0(gg.tensor([0.0, 1.0]))
    tensor([1.        , 1.26606588])
    """
    return _i0(floating(x))


def i0e(x: Array) -> Array:
    """e^(-|x|) I₀(x), without overflow; the derivative at 0 is 0."""
    return _i0e(floating(x))


def i1(x: Array) -> Array:
    """The modified Bessel function of the first kind I₁, the derivative of I₀."""
    return _i1(floating(x))


def i1e(x: Array) -> Array:
    """e^(-|x|) I₁(x), without overflow."""
    return _i1e(floating(x))


def j0(x: Array) -> Array:
    """The Bessel function of the first kind J₀.

    >>> import gpugrad as gg
    >>> gg.special.j0(0.5)
    tensor(0.93846981)
    """
    return _j0(floating(x))


def j1(x: Array) -> Array:
    """The Bessel function of the first kind J₁, minus the derivative of J₀."""
    return _j1(floating(x))


def y0(x: Array) -> Array:
    """The Bessel function of the second kind Y₀: -∞ at 0, NaN below."""
    return _y0(floating(x))


def y1(x: Array) -> Array:
    """The Bessel function of the second kind Y₁, minus the derivative of Y₀: -∞ at 0, NaN below."""
    return _y1(floating(x))
