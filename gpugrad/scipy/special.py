"""``scipy.special`` on tensors: the functions that the table has, with SciPy's names, parameters and defaults."""

from __future__ import annotations

from typing import Any

from gpugrad import dtypes
from gpugrad.ops import elementwise, neural, reductions
from gpugrad.ops.arithmetic import logit
from gpugrad.ops.elementwise import (
    cbrt,
    equal,
    erf,
    erfc,
    exp2,
    expm1,
    greater,
    greater_equal,
    less,
    less_equal,
    log,
    log1p,
    logical_and,
    masked_multiply,
    not_equal,
    sinc,
    stop,
    where,
)  # fmt: skip
from gpugrad.ops.elementwise import sigmoid as expit
from gpugrad.ops.neural import log_sigmoid as log_expit
from gpugrad.public import all_public
from gpugrad.trace import Array


def softmax(x: Array, axis: int | tuple[int, ...] | None = None) -> Array:
    """eˣ divided by its sum over ``axis``: over all elements unless given, as SciPy has it.

    >>> import gpugrad.scipy.special as special
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

    >>> import gpugrad.scipy.special as special
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

    >>> import gpugrad.scipy.special as special
    >>> special.xlogy([0.0, 2.0], [0.0, 1.0])
    tensor([0., 0.])
    """
    return masked_multiply(x, log(where(logical_and(equal(x, 0.0), equal(y, 0.0)), 1.0, y)))


def xlog1py(x: Array, y: Array) -> Array:
    """x · log(1 + y), 0 where x is 0."""
    return masked_multiply(x, log1p(where(logical_and(equal(x, 0.0), equal(y, -1.0)), 0.0, y)))


def entr(x: Array) -> Array:
    """-x · log(x), 0 at 0, -∞ below.

    >>> import gpugrad.scipy.special as special
    >>> special.entr([0.0, 0.5])
    tensor([0.        , 0.34657359])
    """
    inside = greater(x, 0.0)
    return where(inside, -xlogy(x, where(inside, x, 1.0)), where(less(x, 0.0), -float("inf"), 0.0))


def rel_entr(x: Array, y: Array) -> Array:
    """x · log(x / y) for positive x and y, 0 for x = 0 and y ≥ 0, ∞ otherwise."""
    inside = logical_and(greater(x, 0.0), greater(y, 0.0))
    value = x * log(where(inside, x, 1.0) / where(inside, y, 1.0))
    edge = logical_and(equal(x, 0.0), greater_equal(y, 0.0))
    return where(inside, value, where(edge, 0.0, float("inf")))


def kl_div(x: Array, y: Array) -> Array:
    """x · log(x / y) - x + y for positive x and y, y for x = 0 and y ≥ 0, ∞ otherwise."""
    return rel_entr(x, y) - x + y


def huber(delta: Array, r: Array) -> Array:
    """r² / 2 up to |r| = ``delta``, and linear beyond."""
    size = elementwise.abs(r)
    return where(less_equal(size, delta), 0.5 * r * r, delta * (size - 0.5 * delta))


def pseudo_huber(delta: Array, r: Array) -> Array:
    """δ² (√(1 + (r/δ)²) - 1), a smooth :func:`huber`."""
    u = r / delta
    return delta * delta * (elementwise.sqrt(1.0 + u * u) - 1.0)


__all__ = [
    "cbrt", "entr", "erf", "erfc", "exp2", "expit", "expm1", "huber", "kl_div", "log1p", "log_expit", "log_softmax",
    "logit", "logsumexp", "pseudo_huber", "rel_entr", "sinc", "softmax", "xlog1py", "xlogy",
]  # fmt: skip

globals().update(all_public(__all__, globals(), "gpugrad.scipy.special"))
