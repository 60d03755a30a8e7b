"""Special functions: primitives whose forward is a kernel of ours, and whose derivative is a formula of their relatives.

The formulas of derivatives are those of the NIST Digital Library of Mathematical Functions (dlmf.nist.gov): chapters 5
(gamma), 7 (error functions), 8 (incomplete gamma), 10 (Bessel) and 25 (zeta).
"""

from __future__ import annotations

import functools as ft
import math
from collections.abc import Callable
from typing import Any

from gpugrad import dtypes, errors
from gpugrad.kernels import bessel, error_functions
from gpugrad.kernels import gamma as gammas
from gpugrad.ops.elementwise import exp, greater, log, masked_multiply, not_equal, sign, where
from gpugrad.ops.joining import alike
from gpugrad.ops.random import normal_quantile
from gpugrad.ops.reductions import floating
from gpugrad.primitive import Primitive, Scale, elementwise, singular
from gpugrad.trace import Array

__all__ = [
    "digamma", "erfcinv", "erfcx", "erfinv", "gamma", "gammainc", "gammaincc", "gammaln", "i0", "i0e", "i1", "i1e",
    "j0", "j1", "log_ndtr", "ndtri", "polygamma", "y0", "y1", "zeta",
]  # fmt: skip

ROOT_PI = math.sqrt(math.pi)


# ---- what they share ------------------------------------------------------------------------------------------------


def reals(x: Any, name: str) -> Any:
    """``x`` in floating point; DtypeError for complex numbers, which the kernels would take for real ones."""
    x = floating(x)
    if dtypes.is_complex(x.dtype):
        raise errors.DtypeError(f"{name}: an array of dtype {x.dtype}; expected real numbers. Take gg.real(x) first")
    return x


def pair(x: Any, y: Any, name: str) -> tuple[Any, Any]:
    """Two real operands in floating point, of one dtype; Python numbers take that of the other."""
    a, b = alike([x, y], name)
    return reals(a, name), reals(b, name)


def _by_kernel(
    partial: Scale | Callable[..., Any], forward: Callable[..., Any]
) -> Callable[[Callable[[Array], Array]], Callable[[Array], Array]]:
    """A function of one real number, declared by its name and docstring: computed by ``forward``, differentiated by
    ``partial``, which is a formula of ``x`` and ``out``.
    """

    def declared(function: Callable[[Array], Array]) -> Callable[[Array], Array]:
        name = function.__name__
        prim = elementwise(name, partial, forward=forward, doc=(function.__doc__ or "").split("\n", 1)[0])

        @ft.wraps(function)
        def call(x: Array) -> Array:
            return prim(reals(x, name))

        return call

    return declared


def _over(u: Any, x: Any, limit: float) -> Any:
    """u / x, and its ``limit`` where x is 0."""
    there = not_equal(x, 0.0)
    return where(there, u / where(there, x, 1.0), limit)


# ---- error functions ------------------------------------------------------------------------------------------------


@_by_kernel(singular(lambda x, out: 2.0 * x * out - 2.0 / ROOT_PI), error_functions.erfcx)
def erfcx(x: Array) -> Array:
    """e^(x²) · erfc(x), which neither overflows nor vanishes for large x.

    >>> import gpugrad as gg
    >>> gg.special.erfcx(0.0)
    tensor(1.)
    """


@_by_kernel(lambda out: 0.5 * ROOT_PI * exp(out * out), error_functions.erfinv)
def erfinv(x: Array) -> Array:
    """The number whose error function is ``x``, from -1 to 1.

    >>> import gpugrad as gg
    >>> gg.special.erfinv(gg.erf(0.25))
    tensor(0.25)
    """


@_by_kernel(lambda out: -0.5 * ROOT_PI * exp(out * out), error_functions.erfcinv)
def erfcinv(x: Array) -> Array:
    """The number whose complementary error function is ``x``, from 0 to 2: precise for tiny ``x``.

    >>> import gpugrad as gg
    >>> gg.special.erfcinv(gg.erfc(2.0))
    tensor(2.)
    """


def ndtri(x: Array) -> Array:
    """The number that a standard normal variate stays below with probability ``x``: the inverse of ``ndtr``.

    >>> import gpugrad as gg
    >>> gg.special.ndtri(0.5)
    tensor(0.)
    """
    return normal_quantile(reals(x, "ndtri"))


@_by_kernel(singular(lambda x: math.sqrt(2.0 / math.pi) / erfcx(-math.sqrt(0.5) * x)), error_functions.log_ndtr)
def log_ndtr(x: Array) -> Array:
    """log Φ(x), the logarithm of the probability that a standard normal variate is below ``x``; precise in both tails.

    >>> import gpugrad as gg
    >>> gg.special.log_ndtr(gg.tensor([0.0, -100.0]))
    tensor([-6.93147181e-01, -5.00552421e+03])
    """


# ---- gamma functions ------------------------------------------------------------------------------------------------

_polygamma: Primitive = elementwise(
    "polygamma",
    lambda x, n: _polygamma(x, n=n + 1),
    forward=gammas.polygamma,
    doc="The n-th derivative of the digamma function.",
)


@_by_kernel(lambda x: _polygamma(x, n=0), gammas.log_gamma)
def gammaln(x: Array) -> Array:
    """log |Γ(x)|, the logarithm of the gamma function; ∞ at 0, -1, -2 …

    >>> import gpugrad as gg
    >>> gg.special.gammaln(gg.tensor([1.0, 11.0]))
    tensor([ 0.        , 15.10441257])
    """


@_by_kernel(lambda x, out: out * _polygamma(x, n=0), gammas.gamma)
def gamma(x: Array) -> Array:
    """Γ(x), which is (x - 1)! for integers; ∞ at 0, NaN at -1, -2 …

    >>> import gpugrad as gg
    >>> gg.special.gamma(gg.tensor([0.5, 5.0]))
    tensor([ 1.77245385, 24.        ])
    """


def digamma(x: Array) -> Array:
    """ψ(x) = Γ'(x) / Γ(x); -∞ at 0, NaN at -1, -2 …

    >>> import gpugrad as gg
    >>> gg.special.digamma(1.0)
    tensor(-0.57721566)
    """
    return _polygamma(reals(x, "digamma"), n=0)


def polygamma(n: int, x: Array) -> Array:
    """The ``n``-th derivative of :func:`digamma`; ``n`` is a Python integer, 0 or more: ArgumentError otherwise.

    >>> import gpugrad as gg
    >>> gg.special.polygamma(1, 1.0)
    tensor(1.64493407)
    """
    if not hasattr(n, "__index__") or n < 0:
        raise errors.ArgumentError(f"polygamma: n={n!r}; expected an integer of 0 or more")
    return _polygamma(reals(x, "polygamma"), n=n.__index__())


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
    return _zeta(*pair(x, q, "zeta"))


def _density_slope(a: Any, x: Any, out: Any) -> Any:
    """xᵃ⁻¹ e⁻ˣ / Γ(a) is its own slope, negative, and that with a - 1, which for a ≤ 1 is written without Γ(a - 1)."""
    above = greater(a, 1.0)
    before = gamma_density(where(above, a - 1.0, 1.0), x)
    there = greater(x, 0.0)
    below = masked_multiply(a - 1.0, where(there, out / where(there, x, 1.0), math.inf))
    return where(above, before, where(above, 0.0, below)) - out


gamma_density: Primitive = elementwise(
    "gamma_density",
    singular(lambda a, x, out: masked_multiply(out, log(x) - _polygamma(a, n=0))),
    singular(_density_slope),
    operands="a x",
    forward=gammas.gamma_density,
    doc="xᵃ⁻¹ e⁻ˣ / Γ(a), the slope of the incomplete gamma function.",
)
_gammainc = elementwise(
    "gammainc",
    _no_derivative("gammainc", "a"),
    singular(lambda a, x: gamma_density(a, x)),
    operands="a x",
    forward=gammas.gammainc,
    doc="The regularised lower incomplete gamma function.",
)
_gammaincc = elementwise(
    "gammaincc",
    _no_derivative("gammaincc", "a"),
    singular(lambda a, x: -gamma_density(a, x)),
    operands="a x",
    forward=gammas.gammaincc,
    doc="The regularised upper incomplete gamma function.",
)


def gammainc(a: Array, x: Array) -> Array:
    """∫ tᵃ⁻¹ e⁻ᵗ dt / Γ(a) from 0 to ``x``, for a ≥ 0 and x ≥ 0, which rises from 0 to 1; NaN elsewhere.

    Precise for all ``a`` and ``x``, also where they are large and near each other, in a bounded time. Differentiable in
    ``x``: UnsupportedError for a derivative in ``a``.

    >>> import gpugrad as gg
    >>> gg.special.gammainc(1.0, 2.0)
    tensor(0.86466472)
    """
    return _gammainc(*pair(a, x, "gammainc"))


def gammaincc(a: Array, x: Array) -> Array:
    """1 - :func:`gammainc`, precise where that is close to 1.

    >>> import gpugrad as gg
    >>> gg.special.gammaincc(1.0, 2.0)
    tensor(0.13533528)
    """
    return _gammaincc(*pair(a, x, "gammaincc"))


# ---- Bessel functions of the orders 0 and 1 -------------------------------------------------------------------------


@_by_kernel(lambda x: i1(x), bessel.i0)
def i0(x: Array) -> Array:
    """The modified Bessel function of the first kind I₀.

    >>> import gpugrad as gg
    >>> gg.special.i0(gg.tensor([0.0, 1.0]))
    tensor([1.        , 1.26606588])
    """


@_by_kernel(lambda x, out: i1e(x) - sign(x) * out, bessel.i0e)
def i0e(x: Array) -> Array:
    """e^(-|x|) I₀(x), without overflow; the derivative at 0 is 0.

    >>> import gpugrad as gg
    >>> gg.special.i0e(gg.tensor([0.0, 1000.0]))
    tensor([1.        , 0.01261724])
    """


@_by_kernel(lambda x, out: i0(x) - _over(out, x, 0.5), bessel.i1)
def i1(x: Array) -> Array:
    """The modified Bessel function of the first kind I₁, the derivative of I₀.

    >>> import gpugrad as gg
    >>> gg.special.i1(1.0)
    tensor(0.5651591)
    """


@_by_kernel(lambda x, out: i0e(x) - _over(out, x, 0.5) - sign(x) * out, bessel.i1e)
def i1e(x: Array) -> Array:
    """e^(-|x|) I₁(x), without overflow.

    >>> import gpugrad as gg
    >>> gg.special.i1e(-1000.0)
    tensor(-0.01261093)
    """


@_by_kernel(lambda x: -j1(x), bessel.j0)
def j0(x: Array) -> Array:
    """The Bessel function of the first kind J₀.

    >>> import gpugrad as gg
    >>> gg.special.j0(0.5)
    tensor(0.93846981)
    """


@_by_kernel(lambda x, out: j0(x) - _over(out, x, 0.5), bessel.j1)
def j1(x: Array) -> Array:
    """The Bessel function of the first kind J₁, minus the derivative of J₀.

    >>> import gpugrad as gg
    >>> gg.special.j1(0.5)
    tensor(0.24226846)
    """


@_by_kernel(singular(lambda x: -y1(x)), bessel.y0)
def y0(x: Array) -> Array:
    """The Bessel function of the second kind Y₀: -∞ at 0, NaN below.

    >>> import gpugrad as gg
    >>> gg.special.y0(0.5)
    tensor(-0.44451873)
    """


@_by_kernel(singular(lambda x, out: y0(x) - out / x), bessel.y1)
def y1(x: Array) -> Array:
    """The Bessel function of the second kind Y₁, minus the derivative of Y₀: -∞ at 0, NaN below.

    >>> import gpugrad as gg
    >>> gg.special.y1(0.5)
    tensor(-1.47147239)
    """
