"""Loss functions, with PyTorch's meaning of their arguments.

``reduction`` is "mean" (over all elements, or weights), "sum" or "none".
"""

from __future__ import annotations

import functools as ft
from typing import Any

import numpy as np

from gpugrad import dtypes, errors
from gpugrad.ops import linearized as lz
from gpugrad.ops.casting import ranged
from gpugrad.ops.composition import composition
from gpugrad.ops.elementwise import (
    abs,
    clip,
    exp,
    greater,
    less,
    log,
    log1p,
    masked_multiply,
    maximum,
    not_equal,
    softplus,
    where,
)
from gpugrad.ops.gathering import pick, placed
from gpugrad.ops.linear import broadcast_to, cast, moved, reshape
from gpugrad.ops.neural import class_index, half_widened, log_softmax, narrowed, real_floating
from gpugrad.ops.reductions import floating, mean
from gpugrad.ops.reductions import sum as sum_of
from gpugrad.shapes import axis_of
from gpugrad.trace import Array

__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "huber_loss", "kl_div", "l1_loss",
    "mse_loss", "nll_loss", "smooth_l1_loss",
]  # fmt: skip


REDUCTIONS = ("mean", "sum", "none")


def _check(reduction: str, name: str, known: tuple[str, ...] = REDUCTIONS) -> None:
    if reduction not in known:
        raise errors.ArgumentError(f"{name}: reduction={reduction!r}; expected {', '.join(map(repr, known))}")


def _reduced(loss: Any, reduction: str) -> Any:
    return mean(loss) if reduction == "mean" else sum_of(loss) if reduction == "sum" else loss


def _beside(y: Any, x: Any) -> Any:
    """``y``, integers and booleans (labels) in the dtype of ``x``, which they would widen."""
    d = dtypes.of(y) if hasattr(y, "dtype") else None
    return y if d is None or dtypes.is_inexact(d) else cast(y, dtype=dtypes.of(x), source=d)


def _matched(x: Any, target: Any, name: str, real: bool = True) -> tuple[Any, Any]:
    """Prediction and target, floating. ShapeError unless the target has the shape of x or is one number: broadcasting
    here is almost always a slip. DtypeError for complex numbers, whose square is no distance, if they have to be ``real``.
    """
    x = floating(x)
    have, wanted = getattr(target, "shape", ()), x.shape
    if have not in (wanted, ()):
        raise errors.ShapeError(
            f"{name}: prediction of shape {wanted} and target of shape {have}; expected equal shapes. Reshape one, or "
            f"broadcast it on purpose: gg.broadcast_to"
        )
    target = _beside(target, x)
    for what, v in (("prediction", x), ("target", target)):
        if real and (isinstance(v, complex) or (hasattr(v, "dtype") and dtypes.is_complex(v.dtype))):
            raise errors.DtypeError(
                f"{name}: a complex {what}; expected real numbers. Take gg.abs of the difference, or the loss of gg.real and gg.imag"
            )
    return x, target


# ---- classes --------------------------------------------------------------------------------------------------------


def _class_axis(x: Any, axis: int | None, name: str) -> int:
    if not x.shape:
        raise errors.ShapeError(f"{name}: one number (shape ()); expected an axis of classes")
    return axis_of(axis if axis is not None else min(1, len(x.shape) - 1), x.shape, name)


def _weights(weight: Any, shape: tuple[int, ...], axis: int, name: str) -> Any:
    """Class weights, shaped to broadcast along the class axis."""
    if weight.shape != (shape[axis],):
        raise errors.ShapeError(f"{name}: weight of shape {weight.shape}; expected {(shape[axis],)}, one per class")
    return reshape(weight, to=(shape[axis],) + (1,) * (-axis - 1), rank=1)


def _picked(x: Any, target: Any, axis: int) -> Any:
    """The element of x along ``axis`` that each target names."""
    return pick(moved(x, axis, -1), target)


def _result(*operands: Any) -> Any:
    """The dtype that floating operands promote to, None for those that are not given."""
    return ft.reduce(dtypes.promote, [dtypes.of(v) for v in operands if v is not None])


def _as(out: Any, d: Any) -> Any:
    have = dtypes.of(out)
    return out if have == d else cast(out, dtype=d, source=have)


def _class_loss(
    x: Any, target: Any, weight: Any, ignore_index: int, reduction: str, smoothing: float, axis: int, logs: Any, name: str
) -> Any:  # fmt: skip
    """-log p of the target class, blended with the mean over all classes; a mean is taken over the weights.

    ``logs`` makes log p of ``x``. Half precision is computed in float32: a sum over many places is beyond it.
    """
    shape = x.shape
    wanted = tuple(n for i, n in enumerate(shape) if i - len(shape) != axis)
    if target.shape != wanted:
        raise errors.ShapeError(
            f"{name}: targets of shape {target.shape} for input of shape {shape}; expected {wanted}, an integer class "
            f"for each place (or, for cross_entropy, floating-point probabilities of shape {shape})"
        )
    if not isinstance(ignore_index, int | np.integer):
        raise errors.DtypeError(
            f"{name}: ignore_index={ignore_index!r}; expected an integer. Leave it out to count all"
        )
    seen = not_equal(target, ignore_index)
    way_out = f"Places that do not count have the class ignore_index, here {ignore_index}"
    target = class_index(where(seen, target, 0), size=shape[axis], name=name, way_out=way_out)
    logp = logs(half_widened(x)[0])
    loss = -_picked(logp, target, axis)
    each: Any = None
    if weight is not None:
        w = _weights(weight, shape, axis, name)
        each = _picked(broadcast_to(w, shape), target, axis)
        loss = loss * each
        each = where(seen, each, 0.0)
    if smoothing:
        spread = sum_of(logp if weight is None else logp * w, axis)
        loss = loss * (1.0 - smoothing) - spread * (smoothing / max(shape[axis], 1))
    loss = where(seen, loss, 0.0)
    if reduction == "mean":
        loss = sum_of(loss) / sum_of(lz.indicator(seen, logp) if each is None else half_widened(each)[0])
    return _as(_reduced(loss, "sum" if reduction == "sum" else "none"), _result(x, weight))


@ranged
@composition
def cross_entropy(
    logits: Array, target: Array, weight: Array = None, ignore_index: int = -100, reduction: str = "mean",
    label_smoothing: float = 0.0, axis: int | None = None,
) -> Array:  # fmt: skip
    """-log softmax(``logits``) at the target class, or Σ -target · log softmax for probabilities.

    Classes lie along ``axis``: axis 1 unless given, axis 0 for a single example. ``target`` holds integer classes, in
    the shape of the logits without that axis, or probabilities in their shape. ``weight`` has a number per class, by
    whose sum a mean over integer classes is divided. Places with class ``ignore_index`` do not count.
    ``label_smoothing``, from 0 to 1, blends the target with the uniform distribution. Half precision is computed in
    float32.

    Raises ShapeError for targets or weights of another shape, AxisError for a class out of range or below 0.

    >>> import gpugrad as gg
    >>> gg.cross_entropy(gg.tensor([[0.0, 0.0]]), gg.tensor([1]))
    tensor(0.69314718)
    """
    _check(reduction, "cross_entropy")
    if not 0.0 <= label_smoothing <= 1.0:
        raise errors.ArgumentError(f"cross_entropy: label_smoothing={label_smoothing}; expected a number from 0 to 1")
    x = real_floating(logits, "cross_entropy")
    a = _class_axis(x, axis, "cross_entropy")
    target, weight = placed(target, x, "cross_entropy"), None if weight is None else _beside(weight, x)
    if dtypes.of(target).kind in "iu":
        logs = lambda x: log_softmax(x, a)
        return _class_loss(x, target, weight, ignore_index, reduction, label_smoothing, a, logs, "cross_entropy")
    if target.shape != x.shape:
        raise errors.ShapeError(
            f"cross_entropy: probabilities of shape {target.shape} for logits of shape {x.shape}; expected the same "
            f"shape, or integer classes"
        )
    target = _beside(target, x)
    d = _result(x, target, weight)
    logp = log_softmax(half_widened(x)[0], a)
    if label_smoothing:
        target = target * (1.0 - label_smoothing) + label_smoothing / max(x.shape[a], 1)
    terms = masked_multiply(target, logp)  # a class of probability 0 may have logit -∞
    if weight is not None:
        terms = terms * _weights(weight, x.shape, a, "cross_entropy")
    return _as(_reduced(-sum_of(terms, a), reduction), d)


@ranged
@composition
def nll_loss(
    logp: Array, target: Array, weight: Array = None, ignore_index: int = -100, reduction: str = "mean",
    axis: int | None = None,
) -> Array:  # fmt: skip
    """-``logp`` at the target class: :func:`cross_entropy` of what are already log-probabilities.

    >>> import gpugrad as gg
    >>> gg.nll_loss(gg.tensor([[-0.5, -1.0]]), gg.tensor([1]))
    tensor(1.)
    """
    _check(reduction, "nll_loss")
    x = real_floating(logp, "nll_loss")
    a = _class_axis(x, axis, "nll_loss")
    target = placed(target, x, "nll_loss")
    if dtypes.of(target).kind not in "iu":
        raise errors.DtypeError(f"nll_loss: targets of dtype {dtypes.of(target).name}; expected integer classes")
    weight = None if weight is None else _beside(weight, x)
    return _class_loss(x, target, weight, ignore_index, reduction, 0.0, a, lambda x: x, "nll_loss")


# ---- distances ------------------------------------------------------------------------------------------------------


@ranged
@composition
def mse_loss(x: Array, target: Array, reduction: str = "mean") -> Array:
    """(x - target)². Raises ShapeError unless the shapes are equal or the target is one number.

    >>> import gpugrad as gg
    >>> gg.mse_loss(gg.tensor([1.0, 2.0]), gg.tensor([1.0, 4.0]))
    tensor(2.)
    """
    _check(reduction, "mse_loss")
    x, target = _matched(x, target, "mse_loss")
    d, half = half_widened(x - target)
    return narrowed(_reduced(d * d, reduction), half)


@ranged
@composition
def l1_loss(x: Array, target: Array, reduction: str = "mean") -> Array:
    """|x - target|; the derivative where they are equal is 0.

    >>> import gpugrad as gg
    >>> gg.l1_loss(gg.tensor([1.0, 2.0]), gg.tensor([1.0, 4.0]))
    tensor(1.)
    """
    _check(reduction, "l1_loss")
    x, target = _matched(x, target, "l1_loss", real=False)
    return _reduced(abs(x - target), reduction)


def _huber(d: Any, delta: float) -> Any:
    near = clip(d, -delta, delta)
    return near * (d - 0.5 * near)


@ranged
@composition
def huber_loss(x: Array, target: Array, reduction: str = "mean", delta: float = 1.0) -> Array:
    """d² / 2 for a distance d up to ``delta``, ``delta`` (d - ``delta`` / 2) beyond (Huber, 1964).

    >>> import gpugrad as gg
    >>> gg.huber_loss(gg.tensor([1.0, 5.0]), gg.tensor([0.0, 0.0]), reduction="none")
    tensor([0.5, 4.5])
    """
    _check(reduction, "huber_loss")
    x, target = _matched(x, target, "huber_loss")
    if not delta > 0.0:
        raise errors.ArgumentError(f"huber_loss: delta={delta}; expected a positive number")
    return _reduced(_huber(x - target, delta), reduction)


@ranged
@composition
def smooth_l1_loss(x: Array, target: Array, reduction: str = "mean", beta: float = 1.0) -> Array:
    """d² / (2 ``beta``) for a distance d up to ``beta``, d - ``beta`` / 2 beyond; |d| for ``beta`` 0.

    >>> import gpugrad as gg
    >>> gg.smooth_l1_loss(gg.tensor([1.0, 5.0]), gg.tensor([0.0, 0.0]), reduction="none")
    tensor([0.5, 4.5])
    """
    _check(reduction, "smooth_l1_loss")
    x, target = _matched(x, target, "smooth_l1_loss")
    if not beta >= 0.0:
        raise errors.ArgumentError(f"smooth_l1_loss: beta={beta}; expected 0 or more")
    d = x - target
    return _reduced(_huber(d, beta) * (1.0 / beta) if beta else abs(d), reduction)


# ---- probabilities --------------------------------------------------------------------------------------------------


@ranged
@composition
def binary_cross_entropy_with_logits(
    x: Array, target: Array, weight: Array = None, pos_weight: Array = None, reduction: str = "mean"
) -> Array:
    """-``pos_weight`` · target · log p - (1 - target) · log(1 - p) with p = sigmoid(x), precise for any x.

    ``weight`` multiplies the result and ``pos_weight`` the positive part; both broadcast.

    >>> import gpugrad as gg
    >>> gg.binary_cross_entropy_with_logits(gg.tensor([0.0, 1000.0]), gg.tensor([1.0, 1.0]), reduction="none")
    tensor([0.69314718, 0.        ])
    """
    _check(reduction, "binary_cross_entropy_with_logits")
    x, target = _matched(x, target, "binary_cross_entropy_with_logits")
    yes = masked_multiply(target, softplus(-x))
    loss = (yes if pos_weight is None else yes * _beside(pos_weight, x)) + masked_multiply(1.0 - target, softplus(x))
    return _reduced(loss if weight is None else loss * _beside(weight, x), reduction)


def _limited(log_of: Any, x: Any, inside: Any, instead: float) -> Any:
    """A logarithm, -100 where it is less or not ``inside`` its domain, so that a loss stays finite."""
    return where(inside, maximum(log_of(where(inside, x, instead)), -100.0), -100.0)


@ranged
@composition
def binary_cross_entropy(p: Array, target: Array, weight: Array = None, reduction: str = "mean") -> Array:
    """-target · log p - (1 - target) · log(1 - p), logarithms limited to -100 from below.

    >>> import gpugrad as gg
    >>> gg.binary_cross_entropy(gg.tensor([0.5, 0.0]), gg.tensor([1.0, 1.0]), reduction="none")
    tensor([  0.69314718, 100.        ])
    """
    _check(reduction, "binary_cross_entropy")
    p, target = _matched(p, target, "binary_cross_entropy")
    log_p = _limited(log, p, greater(p, 0.0), 1.0)
    log_not_p = _limited(log1p, -p, less(p, 1.0), 0.0)
    loss = -(target * log_p + (1.0 - target) * log_not_p)
    return _reduced(loss if weight is None else loss * _beside(weight, p), reduction)


@ranged
@composition
def kl_div(logq: Array, target: Array, reduction: str = "mean", log_target: bool = False) -> Array:
    """target · (log target - ``logq``): the divergence of q from the target, whose zeros count as 0.

    ``reduction`` may also be "batchmean": the sum over the size of the first axis, which is the mathematical mean.
    With ``log_target`` the target too is given as its logarithm.

    >>> import gpugrad as gg
    >>> gg.kl_div(gg.log(gg.tensor([0.5, 0.5])), gg.tensor([1.0, 0.0]), reduction="sum")
    tensor(0.69314718)
    """
    _check(reduction, "kl_div", (*REDUCTIONS, "batchmean"))
    logq, target = _matched(logq, target, "kl_div")
    if log_target:
        loss = masked_multiply(exp(target), target - logq)
    else:
        loss = masked_multiply(target, log(where(greater(target, 0.0), target, 1.0)) - logq)
    if reduction == "batchmean":
        return sum_of(loss) / float(logq.shape[0] if logq.shape else 1)
    return _reduced(loss, reduction)
