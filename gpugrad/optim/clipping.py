"""Clipping gradients: all of them by their common norm, or each element by its value."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from gpugrad import errors, trace
from gpugrad.backends import select
from gpugrad.optim.precision import closed, opened
from gpugrad.transforms.lift import raised


def _graded(params: Any, name: str) -> list[Any]:
    """The parameters that have a gradient."""
    given = [params] if type(params) is trace.Tensor else list(params)
    for k, p in enumerate(given):
        if type(p) is not trace.Tensor:
            raise errors.UnsupportedError(f"{name}: parameter {k} is a {type(p).__name__}; expected a tensor")
    graded = [p for p in given if p.grad is not None]
    devices = sorted({p.device for p in graded})
    if len(devices) > 1:
        raise errors.DeviceError(
            f"{name}: gradients on {' and '.join(devices)}; expected one device. Clip the parameters of each by themselves"
        )
    return graded


def _norm(xp: Any, x: Any, order: float) -> Any:
    """The norm of all elements, or of a few numbers; scaled by the largest, so that squares neither overflow nor vanish."""
    top = xp.max(xp.abs(x)) if math.prod(x.shape) else xp.zeros((), dtype=x.dtype)
    if order == math.inf:
        return top
    safe = xp.where((top > 0.0) & xp.isfinite(top), top, xp.ones_like(top))
    x = x / safe
    return safe * (xp.sqrt(xp.sum(x * x)) if order == 2.0 else xp.sum(xp.abs(x) ** order) ** (1.0 / order))


def clip_grad_norm_(
    params: Iterable[Any], max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> Any:
    """Scale all gradients by one number so that their common norm is at most ``max_norm``; the norm before, a tensor.

    The norm is that of all gradients as one vector, of order ``norm_type`` (2, any positive number, or infinity);
    parameters without a gradient are left out. The number is max_norm / (norm + 1e-6), or 1 where that is more, as in
    PyTorch. A norm that is not finite makes gradients of zeros and NaN, or, with ``error_if_nonfinite``, raises
    TrainingError before any of them is changed.

    >>> import gpugrad as gg
    >>> w = gg.tensor([3.0, 4.0], requires_grad=True)
    >>> (w * w / 2.0).sum().backward()
    >>> gg.optim.clip_grad_norm_([w], 1.0)
    tensor(5.)
    >>> bool(gg.allclose(w.grad, gg.tensor([0.6, 0.8])))
    True
    """
    order = float(norm_type)
    if not max_norm >= 0.0 or not order > 0.0:
        raise errors.ArgumentError(
            f"clip_grad_norm_: max_norm={max_norm}, norm_type={norm_type}; expected a norm of 0 or more, and a positive order"
        )
    graded = _graded(params, "clip_grad_norm_")
    if not graded:
        return raised(select.on("cpu").full((), 0, "float64"))
    xp = select.of(graded[0].grad._data).xp
    grads = [opened(xp, p.grad) for p in graded]
    norms = [_norm(xp, g, order) for g in grads]
    widest = max((n.dtype for n in norms), key=lambda d: xp.finfo(d).bits)
    total = _norm(xp, xp.stack([xp.astype(xp.asarray(n), widest) for n in norms]), order)
    if error_if_nonfinite and not bool(xp.isfinite(total)):
        raise errors.TrainingError(
            f"clip_grad_norm_: the norm of the gradients is {float(total)}. Look for the gradient that is not finite, or pass error_if_nonfinite=False"
        )
    factor = max_norm / (total + 1e-6)
    factor = xp.where(factor >= 1.0, xp.ones_like(factor), factor)  # NaN stays
    for p, g in zip(graded, grads, strict=True):
        p.grad = raised(closed(xp, g * xp.astype(factor, g.dtype), p.dtype))
    return raised(total)


def clip_grad_value_(params: Iterable[Any], clip_value: float) -> None:
    """Limit every element of every gradient to [-clip_value, clip_value]; of complex ones, each part.

    >>> import gpugrad as gg
    >>> w = gg.tensor([3.0, -0.1], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> gg.optim.clip_grad_value_([w], 1.0); w.grad
    tensor([ 1. , -0.2])
    """
    if not clip_value >= 0.0:
        raise errors.ArgumentError(f"clip_grad_value_: clip_value={clip_value}; expected 0 or more")
    for p in _graded(params, "clip_grad_value_"):
        xp = select.of(p.grad._data).xp
        p.grad = raised(closed(xp, xp.clip(opened(xp, p.grad), -clip_value, clip_value), p.dtype))
