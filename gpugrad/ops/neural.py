"""Functions of neural networks: activations, normalisations, losses, attention. All are composed of primitives."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

from gpugrad import dtypes, errors
from gpugrad.ops import linearized as lz
from gpugrad.ops.attention import attention, causal_mask
from gpugrad.ops.bilinear import matmul, mT
from gpugrad.ops.casting import lowered, narrows, ranged, widened
from gpugrad.ops.composition import composition
from gpugrad.ops.elementwise import (
    abs,
    clip,
    equal,
    erf,
    exp,
    expm1,
    greater,
    greater_equal,
    isfinite,
    less_equal,
    log,
    logical_not,
    logical_or,
    maximum,
    relu,
    sigmoid,
    softplus,
    sqrt,
    stop,
    tanh,
    where,
)
from gpugrad.ops.gathering import checked, gather
from gpugrad.ops.linear import cast, expand, iota, moved, reduce_sum, reshape, unbatched
from gpugrad.ops.reductions import array_of, floating, mean, restored, root, size_of
from gpugrad.ops.reductions import max as max_of
from gpugrad.ops.reductions import sum as sum_of
from gpugrad.primitive import Resolver, elementwise
from gpugrad.shapes import Shape, axes_of, axis_of
from gpugrad.trace import Array

__all__ = [
    "batch_norm", "celu", "cosine_similarity", "elu", "embedding", "gelu", "hardtanh", "layer_norm", "leaky_relu",
    "linear", "log_sigmoid", "log_softmax", "logsigmoid", "mish", "normalize", "one_hot", "relu", "relu6",
    "scaled_dot_product_attention", "selu", "sigmoid", "silu", "softmax", "softplus", "softsign",
]  # fmt: skip

Axis = int | Sequence[int] | None

# ---- activations ----------------------------------------------------------------------------------------------------


def hardtanh(x: Array, min_val: float = -1.0, max_val: float = 1.0) -> Array:
    """x limited to [``min_val``, ``max_val``]; the derivative on the bounds is 0 (that of gg.clip is 1).

    >>> import gpugrad as gg
    >>> gg.hardtanh(gg.tensor([-2.0, 0.5]))
    tensor([-1. ,  0.5])
    """
    outside = logical_or(less_equal(x, min_val), greater_equal(x, max_val))
    return where(outside, clip(stop(x), min_val, max_val), x)


def relu6(x: Array) -> Array:
    """min(max(x, 0), 6); the derivative is 0 at 0 and at 6.

    >>> import gpugrad as gg
    >>> gg.relu6(gg.tensor([-1.0, 3.0, 8.0]))
    tensor([0., 3., 6.])
    """
    return hardtanh(x, 0.0, 6.0)


def leaky_relu(x: Array, negative_slope: float = 0.01) -> Array:
    """x where it is positive, ``negative_slope`` · x elsewhere.

    >>> import gpugrad as gg
    >>> gg.leaky_relu(gg.tensor([-1.0, 2.0]), 0.1)
    tensor([-0.1,  2. ])
    """
    return where(greater(x, 0.0), x, negative_slope * x)


def _elu(x: Any, alpha: float, rate: float) -> Any:
    positive = greater(x, 0.0)
    rest = where(logical_not(positive), x, 0.0)  # so that the side that is not taken cannot overflow
    return where(positive, x, alpha * expm1(rest if rate == 1.0 else rest * rate))


@composition
def elu(x: Array, alpha: float = 1.0) -> Array:
    """x where it is positive, ``alpha`` (eˣ - 1) elsewhere (Clevert et al., 2016); the derivative at 0 is ``alpha``.

    >>> import gpugrad as gg
    >>> gg.elu(gg.tensor([0.0, 2.0]))
    tensor([0., 2.])
    """
    return _elu(x, alpha, 1.0)


@composition
def celu(x: Array, alpha: float = 1.0) -> Array:
    """x where it is positive, ``alpha`` (e^(x / alpha) - 1) elsewhere (Barron, 2017); it is smooth at 0.

    >>> import gpugrad as gg
    >>> gg.celu(gg.tensor([0.0, 2.0]), 2.0)
    tensor([0., 2.])
    """
    if not alpha:
        raise errors.ArgumentError(f"celu: alpha={alpha}; expected a number that is not 0")
    return _elu(x, alpha, 1.0 / alpha)


_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946


@composition
def selu(x: Array) -> Array:
    """1.0507 · elu(x, 1.6733): keeps mean 0 and variance 1 (Klambauer et al., 2017).

    >>> import gpugrad as gg
    >>> gg.selu(gg.tensor([0.0, 1.0]))
    tensor([0.        , 1.05070099])
    """
    return _SELU_SCALE * elu(x, _SELU_ALPHA)


@composition
def silu(x: Array) -> Array:
    """x · sigmoid(x), also called swish.

    >>> import gpugrad as gg
    >>> gg.silu(gg.tensor([0.0, 1.0]))
    tensor([0.        , 0.73105858])
    """
    return x * sigmoid(x)


@composition
def mish(x: Array) -> Array:
    """x · tanh(softplus(x)) (Misra, 2019).

    >>> import gpugrad as gg
    >>> gg.mish(gg.tensor([0.0, 1.0]))
    tensor([0.        , 0.86509839])
    """
    return x * tanh(softplus(x))


_SATURATED = 8.0
"""From here on the tanh in GELU is 1 in every precision, and the cube of an argument could only overflow."""


@composition
def gelu(x: Array, approximate: str = "none") -> Array:
    """x · Φ(x), Φ the normal distribution function; or with "tanh" its approximation (Hendrycks and Gimpel, 2016).

    >>> import gpugrad as gg
    >>> gg.gelu(gg.tensor([0.0, 1.0]))
    tensor([0.        , 0.84134475])
    """
    if approximate == "none":
        return (0.5 * x) * (1.0 + erf(x * math.sqrt(0.5)))
    if approximate == "tanh":
        near = clip(x, -_SATURATED, _SATURATED)
        cubic = near * (math.sqrt(2.0 / math.pi) + (math.sqrt(2.0 / math.pi) * 0.044715) * (near * near))
        return (0.5 * x) * (1.0 + tanh(cubic))
    raise errors.ArgumentError(f"gelu: approximate={approximate!r}; expected 'none' or 'tanh'")


@composition
def softsign(x: Array) -> Array:
    """x / (1 + |x|).

    >>> import gpugrad as gg
    >>> gg.softsign(gg.tensor([-1.0, 3.0]))
    tensor([-0.5 ,  0.75])
    """
    return x / (1.0 + abs(x))


@composition
def log_sigmoid(x: Array) -> Array:
    """log(1 / (1 + e⁻ˣ)) = -softplus(-x), without overflow.

    >>> import gpugrad as gg
    >>> gg.log_sigmoid(gg.tensor([0.0, -1000.0]))
    tensor([-6.93147181e-01, -1.00000000e+03])
    """
    return -softplus(-floating(x))


logsigmoid = log_sigmoid

# ---- operands -------------------------------------------------------------------------------------------------------


def real_floating(x: Any, name: str) -> Any:
    """``x`` in a floating-point dtype. DtypeError if it is complex: its square is no variance, its order no maximum."""
    x = floating(x)
    if dtypes.is_complex(x.dtype):
        raise errors.DtypeError(f"{name}: input of dtype {x.dtype.name}; expected real numbers. Take gg.abs or gg.real")
    return x


def half_widened(x: Any) -> tuple[Any, Any]:
    """``x`` with half precision widened to float32, and the half dtype (None if it was none)."""
    d = dtypes.of(x)
    return (cast(x, dtype=dtypes.dtype("float32"), source=d), d) if dtypes.is_half(d) else (x, None)


def narrowed(x: Any, half: Any) -> Any:
    """The opposite, for what was computed of it."""
    return x if half is None else cast(x, dtype=half, source=dtypes.dtype("float32"))


# ---- softmax --------------------------------------------------------------------------------------------------------


def _shifted(x: Any, axes: tuple[int, ...]) -> Any:
    """``x`` less its maximum over the axes, which changes neither softmax nor its derivative."""
    top = stop(lz.reduce_max(stop(x), axis=axes))
    return x - restored(where(isfinite(top), top, 0.0), x.shape, axes, True)


@ranged
@composition
def softmax(x: Array, axis: Axis = -1) -> Array:
    """eˣ / Σ eˣ over ``axis``, without overflow: positive numbers that add up to 1. Half precision is computed in float32.

    >>> import gpugrad as gg
    >>> gg.softmax(gg.tensor([1000.0, 1000.0]))
    tensor([0.5, 0.5])
    """
    x, half = half_widened(floating(x))
    axes = axes_of(axis, x.shape, "softmax")
    if not size_of(x.shape, axes):
        return narrowed(x, half)
    e = exp(_shifted(x, axes))
    return narrowed(e * (1.0 / restored(reduce_sum(e, axis=axes), x.shape, axes, True)), half)


@ranged
@composition
def log_softmax(x: Array, axis: Axis = -1) -> Array:
    """log softmax(x) over ``axis``, precise where softmax is tiny. Half precision is computed in float32.

    >>> import gpugrad as gg
    >>> gg.log_softmax(gg.tensor([0.0, -1000.0]))
    tensor([    0., -1000.])
    """
    x, half = half_widened(floating(x))
    axes = axes_of(axis, x.shape, "log_softmax")
    if not size_of(x.shape, axes):
        return narrowed(x, half)
    x = _shifted(x, axes)
    return narrowed(x - restored(log(reduce_sum(exp(x), axis=axes)), x.shape, axes, True), half)


# ---- normalisation --------------------------------------------------------------------------------------------------


@ranged
@composition
def layer_norm(x: Array, weight: Array = None, bias: Array = None, axis: Axis = -1, eps: float = 1e-5) -> Array:
    """x with mean 0 and variance 1 over ``axis``, times ``weight``, plus ``bias`` (Ba et al., 2016).

    ``weight`` and ``bias`` have the shape of the normalised axes, in their order in x. ``eps`` is added to the
    variance. Half precision is computed in float32.

    >>> import gpugrad as gg
    >>> gg.layer_norm(gg.tensor([1.0, 3.0]), eps=0.0)
    tensor([-1.,  1.])
    """
    x, half = half_widened(real_floating(x, "layer_norm"))
    shape = x.shape
    axes = axes_of(axis, shape, "layer_norm")
    wanted = tuple(shape[a] for a in sorted(axes))
    for name, parameter in (("weight", weight), ("bias", bias)):
        if parameter is not None and parameter.shape != wanted:
            raise errors.ShapeError(
                f"layer_norm: {name} of shape {parameter.shape} for x of shape {shape}, axis {axis}; expected {wanted}"
            )
    d = x - mean(x, axes, keepdims=True)
    out = narrowed(d * (1.0 / sqrt(mean(d * d, axes, keepdims=True) + eps)), half)
    if weight is not None:
        out = out * _along(weight, shape, axes)
    return out if bias is None else out + _along(bias, shape, axes)


def _along(parameter: Any, shape: Shape, axes: Sequence[int]) -> Any:
    """A parameter of the shape of some axes, with ones for the others, so that it broadcasts against ``shape``."""
    rank = len(shape)
    first = min(axes, default=0)
    to = tuple(shape[a] if a in axes else 1 for a in range(first, 0))
    have = parameter.shape
    return parameter if have == to or not rank else reshape(parameter, to=to, rank=len(have))


def batch_norm(
    x: Array, mean: Array = None, var: Array = None, weight: Array = None, bias: Array = None, training: bool = False,
    axis: int = 1, eps: float = 1e-5,
) -> Any:  # fmt: skip
    """x normalised for each index of the channel ``axis``, times ``weight``, plus ``bias`` (Ioffe and Szegedy, 2015).

    Without ``training`` it is normalised by ``mean`` and ``var``, of shape (channels,) like ``weight`` and ``bias``.
    With ``training`` the statistics are those of the batch, over all other axes, and the result is the tuple
    (normalised, mean, variance): what running averages are made of. That variance is the mean square, with n for n.

    Half precision is computed in float32, as are its statistics; the result has x's dtype unless ``weight`` or ``bias``
    is float32, and under ``gg.autocast`` in any case.

    >>> import gpugrad as gg
    >>> y, mean, var = gg.batch_norm(gg.tensor([[1.0], [3.0]]), training=True, eps=0.0)
    >>> y
    tensor([[-1.],
            [ 1.]])
    """
    x, half = half_widened(real_floating(x, "batch_norm"))
    shape = x.shape
    channel = axis_of(axis, shape, "batch_norm")
    axes = tuple(a for a in range(-len(shape), 0) if a != channel)
    for name, given in (("mean", mean), ("var", var), ("weight", weight), ("bias", bias)):
        if given is not None and given.shape != (shape[channel],):
            raise errors.ShapeError(
                f"batch_norm: {name} of shape {given.shape} for x of shape {shape}; expected {(shape[channel],)}, "
                f"the size of axis {axis}"
            )
    if training:
        if size_of(shape, axes) == 0:
            raise errors.ShapeError(f"batch_norm: no values per channel to average in x of shape {shape}")
        n = float(size_of(shape, axes))
        mean = reduce_sum(x, axis=axes) / n
        d = x - _along(mean, shape, (channel,))
        var = reduce_sum(d * d, axis=axes) / n
    elif mean is None or var is None:
        raise errors.UnsupportedError("batch_norm: mean and var are needed unless training=True")
    else:
        d = x - _along(mean, shape, (channel,))
    scale = 1.0 / sqrt(var + eps)
    if training or weight is None:
        out = d * _along(scale, shape, (channel,))
        if weight is not None:
            out = out * _along(weight, shape, (channel,))
    else:
        out = d * _along(scale * weight, shape, (channel,))
    if bias is not None:
        out = out + _along(bias, shape, (channel,))
    single = dtypes.of(out) == dtypes.dtype("float32")  # or a wider number has taken part
    if single and (narrows() or all(p is None or dtypes.of(p) == half for p in (weight, bias))):
        out = narrowed(out, half)
    return (out, mean, var) if training else out


def _norm(x: Any, p: float, axes: tuple[int, ...]) -> Any:
    """The p-norm over the axes, which stay; its derivative at 0 is 0."""
    shape = x.shape
    if p == 2:
        return restored(root(reduce_sum(x * x, axis=axes)), shape, axes, True)
    if p == 1:
        return sum_of(abs(x), axes, keepdims=True)
    if p == math.inf:
        return max_of(abs(x), axes, keepdims=True)
    total = sum_of(abs(x) ** p, axes, keepdims=True)
    moved = greater(total, 0.0)
    return where(moved, where(moved, total, 1.0) ** (1.0 / p), 0.0)


@ranged
@composition
def normalize(x: Array, p: float = 2.0, axis: Axis = -1, eps: float = 1e-12) -> Array:
    """x divided by its ``p``-norm over ``axis``, or by ``eps`` where the norm is smaller.

    >>> import gpugrad as gg
    >>> gg.normalize(gg.tensor([3.0, 4.0]))
    tensor([0.6, 0.8])
    """
    x = floating(x)
    return x / maximum(_norm(x, p, axes_of(axis, x.shape, "normalize")), eps)


@ranged
def cosine_similarity(x: Array, y: Array, axis: int = -1, eps: float = 1e-8) -> Array:
    """The cosine of the angle between x and y, vectors along ``axis``; norms below ``eps`` count as ``eps``.

    >>> import gpugrad as gg
    >>> gg.cosine_similarity(gg.tensor([1.0, 0.0]), gg.tensor([1.0, 1.0]))
    tensor(0.70710678)
    """
    return sum_of(normalize(x, 2.0, axis, eps) * normalize(y, 2.0, axis, eps), axis)


# ---- layers without state -------------------------------------------------------------------------------------------


def linear(x: Array, weight: Array, bias: Array = None) -> Array:
    """x · weightᵀ + bias: x of shape (..., in), ``weight`` of shape (out, in), ``bias`` of shape (out,).

    Raises ShapeError if the sizes do not match.

    >>> import gpugrad as gg
    >>> gg.linear(gg.tensor([1.0, 2.0]), gg.tensor([[1.0, 1.0]]), gg.tensor([0.5]))
    tensor([3.5])
    """
    x = array_of(x)
    if len(weight.shape) != 2 or not x.shape or x.shape[-1] != weight.shape[1]:
        raise errors.ShapeError(
            f"linear: x of shape {x.shape} and weight of shape {weight.shape}; expected (..., in) and (out, in)"
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise errors.ShapeError(f"linear: bias of shape {bias.shape}; expected {weight.shape[:1]}, weight's rows")
    x, weight, bias = lowered(x, weight, bias)
    out = matmul(x, mT(weight))
    return out if bias is None else out + bias


def not_a_class(low: int, high: int, size: int, name: str, way_out: str) -> errors.AxisError:
    """The error for classes from ``low`` to ``high``, not all of which are among ``size``."""
    expected = f"0 to {size - 1}" if size else "none"
    return errors.AxisError(
        f"{name}: class {low if low < 0 else high} of {size} classes; expected {expected}. {way_out}"
    )


def _class_index(xp: Any, index: Any, *, size: int, name: str, way_out: str) -> Any:
    if math.prod(index.shape):
        low, high = int(xp.min(index)), int(xp.max(index))
        if low < 0 or high >= size:
            raise not_a_class(low, high, size, name, way_out)
    return xp.astype(index, xp.int64)


class_index = elementwise(
    "class_index",
    None,
    forward=_class_index,
    operands="index",
    dtype=lambda d, **params: "int64",
    doc="Integers that stand for one of ``size`` classes: checked. AxisError for one out of range or below 0.",
)


def one_hot(indices: Array, num_classes: int, axis: int = -1, dtype: Any = None) -> Array:
    """1 at each index along a new ``axis`` of size ``num_classes``, 0 elsewhere.

    The dtype is the default one unless given. Raises DtypeError for indices that are not integers, AxisError for one
    below 0 or not below ``num_classes``.

    >>> import gpugrad as gg
    >>> gg.one_hot(gg.tensor([0, 2]), 3)
    tensor([[1., 0., 0.],
            [0., 0., 1.]])
    """
    if dtypes.of(indices).kind not in "iu":
        raise errors.DtypeError(f"one_hot: indices of dtype {dtypes.of(indices).name}; expected integers")
    try:
        n = operator.index(num_classes)
    except TypeError:
        raise errors.DtypeError(f"one_hot: num_classes={num_classes!r}; expected an integer") from None
    if n < 0:
        raise errors.ShapeError(f"one_hot: num_classes={n}; expected 0 or more")
    wanted = dtypes.default() if dtype is None else dtypes.dtype(dtype)
    way_out = "For rows of zeros there: gg.one_hot(gg.where(valid, i, 0), n) * valid[..., None]"
    at = class_index(indices, size=n, name="one_hot", way_out=way_out)
    out = equal(expand(at, axis=(-1,), sizes=(n,)), iota(unbatched(at), size=n))
    if wanted.kind != "b":
        out = cast(out, dtype=wanted, source=dtypes.dtype("bool"))
    return moved(out, -1, axis_of(axis, out.shape, "one_hot"))


def embedding(indices: Array, weight: Array, padding_idx: int | None = None) -> Array:
    """The rows of ``weight`` at integer ``indices``: shape (*indices, columns).

    Negative indices count from the end, as in ``weight[indices]``. No gradient reaches the row ``padding_idx``. Raises
    AxisError for an index out of range, DtypeError for indices that are not integers, ShapeError for another weight.

    >>> import gpugrad as gg
    >>> gg.embedding(gg.tensor([2, 0]), gg.tensor([[1.0], [2.0], [3.0]]))
    tensor([[3.],
            [1.]])
    """
    if len(weight.shape) != 2:
        raise errors.ShapeError(f"embedding: weight of shape {weight.shape}; expected (rows, columns)")
    n = weight.shape[0]
    at = checked(indices, weight, n, 0, "embedding")
    rows = gather(weight, at, axis=-2)
    if padding_idx is None:
        return rows
    if not -n <= padding_idx < n:
        raise errors.AxisError(f"embedding: padding_idx={padding_idx} for {n} rows; expected {-n} to {n - 1}")
    padding = equal(at, padding_idx % n)
    return where(expand(padding, axis=(-1,), sizes=rows.shape[-1:]), stop(rows), rows)


def scaled_dot_product_attention(
    q: Array, k: Array, v: Array, mask: Array = None, is_causal: bool = False, scale: float | None = None
) -> Array:
    """softmax(q · kᵀ · ``scale`` + mask) · v (Vaswani et al., 2017).

    q has shape (..., n, d), k (..., m, d), v (..., m, e); the result (..., n, e). A boolean ``mask`` says who may
    attend to whom, another is added; it broadcasts to (..., n, m). With ``is_causal`` query i sees keys up to i.
    ``scale`` is 1/√d unless given. A query that may see no key gets 0. Time and memory grow with n · m; on a GPU with cuDNN
    (``gg.config.cudnn``) memory does not, in half precision without a mask, if ``gg.config.deterministic`` is off.

    >>> import gpugrad as gg
    >>> x = gg.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> gg.scaled_dot_product_attention(x, x, x, is_causal=True)
    tensor([[1.        , 0.        ],
            [0.33023845, 0.66976155]])
    """
    if len(q.shape) < 2 or len(k.shape) < 2 or q.shape[-1] != k.shape[-1]:
        raise errors.ShapeError(
            f"scaled_dot_product_attention: q of shape {q.shape} and k of shape {k.shape}; expected (..., n, d) and "
            f"(..., m, d)"
        )
    scale = 1.0 / math.sqrt(q.shape[-1]) if scale is None else scale
    params = {"causal": bool(is_causal), "scale": scale}
    if mask is None and type(scale) is float:
        operands = lowered(q, k, v)
        if Resolver.prefers(attention, operands, params):
            return attention(*operands, **params)[0]
    scores = matmul(q * scale, mT(k))
    scores = widened(scores)
    if is_causal:
        scores = where(causal_mask(scores), scores, -math.inf)
    if mask is not None:
        scores = where(mask, scores, -math.inf) if dtypes.of(mask).kind == "b" else scores + mask
    e = exp(_shifted(scores, (-1,)))
    total = restored(reduce_sum(e, axis=(-1,)), e.shape, (-1,), True)
    if mask is not None:  # a row without a key has total 0
        total = where(greater(total, 0.0), total, 1.0)
    return matmul(e * (1.0 / total), v)
