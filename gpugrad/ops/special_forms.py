"""Special functions that are formulas of others, right where a factor vanishes and without overflow."""

from __future__ import annotations

import math
from typing import Any

from gpugrad import dtypes
from gpugrad.ops import elementwise, neural, reductions
from gpugrad.ops.elementwise import (
    equal,
    erfc,
    exp,
    floor,
    greater,
    greater_equal,
    less,
    less_equal,
    log,
    log1p,
    logical_and,
    logical_or,
    masked_multiply,
    not_equal,
    remainder,
    stop,
    where,
)  # fmt: skip
from gpugrad.ops.joining import alike
from gpugrad.ops.reductions import floating
from gpugrad.ops.special import gammaln, pair, reals
from gpugrad.trace import Array

__all__ = [
    "beta", "betaln", "binom", "entr", "gammasgn", "huber", "kl_div", "log_softmax", "logsumexp", "ndtr", "pseudo_huber",
    "rel_entr", "softmax", "xlog1py", "xlogy",
]  # fmt: skip


def softmax(x: Array, axis: int | tuple[int, ...] | None = None) -> Array:
    """eˣ divided by its sum over ``axis``: over all elements unless given, as SciPy has it.

    >>> import gpugrad.special as special
    >>> special.softmax([[0.0, 0.0]])
    tensor([[0.5, 0.5]])
    """
    return neural.softmax(x, axis)


def log_softmax(x: Array, axis: int | tuple[int, ...] | None = None) -> Array:
    """The logarithm of :func:`softmax`, without overflow."""
    return neural.log_softmax(x, axis)


def logsumexp(
    a: Array, axis: Any = None, b: Array | None = None, keepdims: bool = False, return_sign: bool = False
) -> Any:
    """log Σ b eᵃ over ``axis`` without overflow; with ``return_sign`` that of the modulus, and the sign of the sum.

    NaN where the sum is negative and its sign is not asked for.

    >>> import gpugrad.special as special
    >>> special.logsumexp([1000.0, 1000.0])
    tensor(1000.69314718)
    """
    if b is None:
        out = reductions.logsumexp(a, axis, keepdims)
        return (out, out * 0.0 + 1.0) if return_sign else out
    a = reductions.floating(a)
    least = float(dtypes.finfo(a.dtype).min)
    shift = stop(reductions.max(where(not_equal(b, 0.0), a, least), axis, keepdims=True))
    shift = where(elementwise.isfinite(shift), shift, 0.0)
    terms = elementwise.exp(where(not_equal(b, 0.0), a - shift, 0.0))
    total = reductions.sum(b * terms, axis, keepdims=keepdims)
    shift = shift if keepdims else reductions.sum(shift, axis)
    if return_sign:
        return log(elementwise.abs(total)) + shift, elementwise.sign(total)
    return log(total) + shift


def xlogy(x: Array, y: Array) -> Array:
    """x · log(y), 0 where x is 0.

    >>> import gpugrad.special as special
    >>> special.xlogy([0.0, 2.0], [0.0, 1.0])
    tensor([0., 0.])
    """
    x, y = map(floating, alike((x, y), "xlogy"))
    return masked_multiply(x, log(where(logical_and(equal(x, 0.0), equal(y, 0.0)), 1.0, y)))


def xlog1py(x: Array, y: Array) -> Array:
    """x · log(1 + y), 0 where x is 0."""
    x, y = map(floating, alike((x, y), "xlog1py"))
    return masked_multiply(x, log1p(where(logical_and(equal(x, 0.0), equal(y, -1.0)), 0.0, y)))


def entr(x: Array) -> Array:
    """-x · log(x), 0 at 0, -∞ below.

    >>> import gpugrad.special as special
    >>> special.entr([0.0, 0.5])
    tensor([0.        , 0.34657359])
    """
    x = reals(x, "entr")
    inside = greater(x, 0.0)
    value = where(inside, -xlogy(x, where(inside, x, 1.0)), 0.0)
    return where(less(x, 0.0), -float("inf"), value)


def rel_entr(x: Array, y: Array) -> Array:
    """x · log(x / y) for positive x and y, 0 for x = 0 and y ≥ 0, ∞ otherwise."""
    x, y = pair(x, y, "rel_entr")
    inside = logical_and(greater(x, 0.0), greater(y, 0.0))
    value = where(inside, x * log(where(inside, x, 1.0) / where(inside, y, 1.0)), 0.0)
    edge = logical_and(equal(x, 0.0), greater_equal(y, 0.0))
    return where(logical_or(inside, edge), value, float("inf"))


def kl_div(x: Array, y: Array) -> Array:
    """x · log(x / y) - x + y for positive x and y, y for x = 0 and y ≥ 0, ∞ otherwise."""
    x, y = pair(x, y, "kl_div")
    return rel_entr(x, y) - x + y


def huber(delta: Array, r: Array) -> Array:
    """r² / 2 up to |r| = ``delta``, and linear beyond."""
    delta, r = pair(delta, r, "huber")
    size = elementwise.abs(r)
    return where(less_equal(size, delta), 0.5 * r * r, delta * (size - 0.5 * delta))


def pseudo_huber(delta: Array, r: Array) -> Array:
    """δ² (√(1 + (r/δ)²) - 1), a smooth :func:`huber`."""
    delta, r = pair(delta, r, "pseudo_huber")
    u = r / delta
    return delta * delta * (elementwise.sqrt(1.0 + u * u) - 1.0)


# ---- distributions and factorials ---------------------------------------------------------------------------------------


def ndtr(x: Array) -> Array:
    """Φ(x), the probability that a standard normal variate is below ``x``.

    >>> import gpugrad.special as special
    >>> special.ndtr(0.0)
    tensor(0.5)
    """
    return 0.5 * erfc(-math.sqrt(0.5) * reals(x, "ndtr"))


def gammasgn(x: Array) -> Array:
    """The sign of the gamma function: 1 or -1, and 0 at 0, -1, -2 … No derivative."""
    x = stop(reals(x, "gammasgn"))
    below = floor(x)
    sign = 1.0 - 2.0 * where(less(x, 0.0), remainder(below, 2.0), 0.0)
    return where(logical_and(less_equal(x, 0.0), equal(below, x)), 0.0, sign)


def betaln(a: Array, b: Array) -> Array:
    """log |B(a, b)|, the logarithm of the beta function."""
    a, b = pair(a, b, "betaln")
    return gammaln(a) + gammaln(b) - gammaln(a + b)


def beta(a: Array, b: Array) -> Array:
    """B(a, b) = Γ(a) Γ(b) / Γ(a + b).

    >>> import gpugrad.special as special
    >>> special.beta(2.0, 3.0)
    tensor(0.08333333)
    """
    a, b = pair(a, b, "beta")
    return gammasgn(a) * gammasgn(b) * gammasgn(a + b) * exp(betaln(a, b))


def binom(n: Array, k: Array) -> Array:
    """The binomial coefficient Γ(n + 1) / (Γ(k + 1) Γ(n - k + 1)), for real ``n`` and ``k``, differentiable in both.

    >>> import gpugrad.special as special
    >>> special.binom(5.0, 2.0)
    tensor(10.)
    """
    n, k = pair(n, k, "binom")
    top, left, right = n + 1.0, k + 1.0, n - k + 1.0
    sign = gammasgn(top) * gammasgn(left) * gammasgn(right)
    return sign * exp(gammaln(top) - gammaln(left) - gammaln(right))
