"""Functions of neural networks: activations, normalisations, losses, attention. All are composed of primitives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from gpugrad import dtypes, errors
from gpugrad.ops import linearized as lz
from gpugrad.ops.bilinear import matmul, mT
from gpugrad.ops.elementwise import (
    abs, clip, equal, erf, exp, expm1, greater, isfinite, less, log, maximum, minimum, multiply, not_equal, relu,
    sigmoid, softplus, sqrt, stop, tanh, where,
)  # fmt: skip
from gpugrad.ops.linear import cast, reduce_sum, reshape
from gpugrad.ops.reductions import floating, mean, restored, size_of
from gpugrad.ops.reductions import sum as sum_of
from gpugrad.shapes import Shape, axes_of, axis_of
from gpugrad.trace import Array

Axis = int | Sequence[int] | None

# ---- activations ----------------------------------------------------------------------------------------------------


def relu6(x: Array) -> Array:
    """min(max(x, 0), 6); the derivative is 0 at 0 and at 6.

    >>> import gpugrad as gg
    >>> gg.relu6(gg.tensor([-1.0, 3.0, 8.0]))
    tensor([0., 3., 6.])
    """
    return 6.0 - relu(6.0 - relu(x))


def leaky_relu(x: Array, negative_slope: float = 0.01) -> Array:
    """x where it is positive, ``negative_slope`` · x elsewhere.

    >>> import gpugrad as gg
    >>> gg.leaky_relu(gg.tensor([-1.0, 2.0]), 0.1)
    tensor([-0.1,  2. ])
    """
    return where(greater(x, 0.0), x, negative_slope * x)


def elu(x: Array, alpha: float = 1.0) -> Array:
    """x where it is positive, ``alpha`` (eˣ - 1) elsewhere (Clevert et al., 2016).

    >>> import gpugrad as gg
    >>> gg.elu(gg.tensor([0.0, 2.0]))
    tensor([0., 2.])
    """
    return where(greater(x, 0.0), x, alpha * expm1(minimum(x, 0.0)))


def celu(x: Array, alpha: float = 1.0) -> Array:
    """max(x, 0) + min(0, ``alpha`` (e^(x / alpha) - 1)) (Barron, 2017).

    >>> import gpugrad as gg
    >>> gg.celu(gg.tensor([0.0, 2.0]))
    tensor([0., 2.])
    """
    return where(greater(x, 0.0), x, alpha * expm1(minimum(x, 0.0) / alpha))


_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946


def selu(x: Array) -> Array:
    """1.0507 · elu(x, 1.6733): keeps mean 0 and variance 1 (Klambauer et al., 2017).

    >>> import gpugrad as gg
    >>> gg.selu(gg.tensor([0.0, 1.0]))
    tensor([0.        , 1.05070099])
    """
    return _SELU_SCALE * elu(x, _SELU_ALPHA)


def silu(x: Array) -> Array:
    """x · sigmoid(x), also called swish.

    >>> import gpugrad as gg
    >>> gg.silu(gg.tensor([0.0, 1.0]))
    tensor([0.        , 0.73105858])
    """
    return x * sigmoid(x)


def mish(x: Array) -> Array:
    """x · tanh(softplus(x)) (Misra, 2019).

    >>> import gpugrad as gg
    >>> gg.mish(gg.tensor([0.0, 1.0]))
    tensor([0.        , 0.86509839])
    """
    return x * tanh(softplus(x))


def gelu(x: Array, approximate: str = "none") -> Array:
    """x · Φ(x), Φ the normal distribution function; or with "tanh" its approximation (Hendrycks and Gimpel, 2016).

    >>> import gpugrad as gg
    >>> gg.gelu(gg.tensor([0.0, 1.0]))
    tensor([0.        , 0.84134475])
    """
    if approximate == "none":
        return (0.5 * x) * (1.0 + erf(x * math.sqrt(0.5)))
    if approximate == "tanh":
        return (0.5 * x) * (1.0 + tanh(x * (math.sqrt(2.0 / math.pi) + (math.sqrt(2.0 / math.pi) * 0.044715) * (x * x))))
    raise ValueError(f"gelu: approximate={approximate!r}; expected 'none' or 'tanh'")


def hardtanh(x: Array, min_val: float = -1.0, max_val: float = 1.0) -> Array:
    """x limited to [``min_val``, ``max_val``]; the gradient passes inside and on the bounds.

    >>> import gpugrad as gg
    >>> gg.hardtanh(gg.tensor([-2.0, 0.5]))
    tensor([-1. ,  0.5])
    """
    return clip(x, min_val, max_val)


def softsign(x: Array) -> Array:
    """x / (1 + |x|).

    >>> import gpugrad as gg
    >>> gg.softsign(gg.tensor([-1.0, 3.0]))
    tensor([-0.5 ,  0.75])
    """
    return x / (1.0 + abs(x))


def log_sigmoid(x: Array) -> Array:
    """log(1 / (1 + e⁻ˣ)) = -softplus(-x), without overflow.

    >>> import gpugrad as gg
    >>> gg.log_sigmoid(gg.tensor([0.0, -1000.0]))
    tensor([-6.93147181e-01, -1.00000000e+03])
    """
    return -softplus(-x)


logsigmoid = log_sigmoid

# ---- softmax --------------------------------------------------------------------------------------------------------


def _shifted(x: Any, axes: tuple[int, ...]) -> Any:
    """``x`` less its maximum over the axes, which changes neither softmax nor its derivative."""
    if x.shape and size_of(x.shape, axes) == 0:
        return x
    top = stop(lz.reduce_max(stop(x), axis=axes))
    return x - restored(where(isfinite(top), top, 0.0), x.shape, axes, True)


def softmax(x: Array, axis: Axis = -1) -> Array:
    """eˣ / Σ eˣ over ``axis``, without overflow: positive numbers that add up to 1.

    >>> import gpugrad as gg
    >>> gg.softmax(gg.tensor([1000.0, 1000.0]))
    tensor([0.5, 0.5])
    """
    x = floating(x)
    axes = axes_of(axis, x.shape, "softmax")
    e = exp(_shifted(x, axes))
    return e * (1.0 / restored(reduce_sum(e, axis=axes), x.shape, axes, True))


def log_softmax(x: Array, axis: Axis = -1) -> Array:
    """log softmax(x) over ``axis``, precise where softmax is tiny.

    >>> import gpugrad as gg
    >>> gg.log_softmax(gg.tensor([0.0, -1000.0]))
    tensor([    0., -1000.])
    """
    x = floating(x)
    axes = axes_of(axis, x.shape, "log_softmax")
    x = _shifted(x, axes)
    return x - restored(log(reduce_sum(exp(x), axis=axes)), x.shape, axes, True)
