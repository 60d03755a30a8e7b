"""Losses as layers, called with (prediction, target); what they compute is said by the function of the same name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from gpugrad import creation, dtypes
from gpugrad.nn.module import Module
from gpugrad.ops import losses
from gpugrad.transforms.lift import as_value


class _Loss(Module):
    """A loss whose settings are keyword arguments of its function."""

    function: ClassVar[Callable[..., Any]]
    settings: dict[str, Any]

    def forward(self, x: Any, target: Any) -> Any:
        return type(self).function(as_value(x), as_value(target), **self.settings)

    def extra_repr(self) -> str:
        return ", ".join(f"{k}={v!r}" for k, v in self.settings.items())


class _ClassLoss(_Loss):
    """A loss over classes, with a weight per class that is a buffer: it moves with the module and is not trained."""

    weight: Any

    def __init__(self, weight: Any, **settings: Any) -> None:
        self.settings = settings
        self.register_buffer("weight", None if weight is None else creation.tensor(weight).detach(), persistent=False)

    def forward(self, x: Any, target: Any) -> Any:
        x, weight = as_value(x), self.weight
        if weight is not None and dtypes.is_inexact(x.dtype):
            weight = weight.astype(x.dtype)  # weights written as Python numbers would widen the loss
        return type(self).function(x, as_value(target), weight=weight, **self.settings)


class CrossEntropyLoss(_ClassLoss):
    """-log softmax(logits) at the target class; see :func:`gpugrad.cross_entropy`.

    >>> import gpugrad as gg
    >>> gg.nn.CrossEntropyLoss()(gg.tensor([[0.0, 0.0]]), gg.tensor([1]))
    tensor(0.69314718)
    """

    function = staticmethod(losses.cross_entropy)

    def __init__(
        self, weight: Any = None, ignore_index: int = -100, reduction: str = "mean", label_smoothing: float = 0.0
    ) -> None:
        super().__init__(weight, ignore_index=ignore_index, reduction=reduction, label_smoothing=label_smoothing)


class NLLLoss(_ClassLoss):
    """-log p at the target class, of log-probabilities; see :func:`gpugrad.nll_loss`."""

    function = staticmethod(losses.nll_loss)

    def __init__(self, weight: Any = None, ignore_index: int = -100, reduction: str = "mean") -> None:
        super().__init__(weight, ignore_index=ignore_index, reduction=reduction)


class MSELoss(_Loss):
    """(x - target)²; see :func:`gpugrad.mse_loss`.

    >>> import gpugrad as gg
    >>> gg.nn.MSELoss()(gg.tensor([1.0, 2.0]), gg.tensor([1.0, 4.0]))
    tensor(2.)
    """

    function = staticmethod(losses.mse_loss)

    def __init__(self, reduction: str = "mean") -> None:
        self.settings = {"reduction": reduction}


class L1Loss(_Loss):
    """|x - target|; see :func:`gpugrad.l1_loss`."""

    function = staticmethod(losses.l1_loss)

    def __init__(self, reduction: str = "mean") -> None:
        self.settings = {"reduction": reduction}


class HuberLoss(_Loss):
    """Quadratic up to ``delta``, linear beyond; see :func:`gpugrad.huber_loss`."""

    function = staticmethod(losses.huber_loss)

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        self.settings = {"reduction": reduction, "delta": delta}


class SmoothL1Loss(_Loss):
    """Quadratic up to ``beta``, of slope 1 beyond; see :func:`gpugrad.smooth_l1_loss`."""

    function = staticmethod(losses.smooth_l1_loss)

    def __init__(self, reduction: str = "mean", beta: float = 1.0) -> None:
        self.settings = {"reduction": reduction, "beta": beta}


class BCELoss(_Loss):
    """Binary cross entropy of probabilities; see :func:`gpugrad.binary_cross_entropy`."""

    function = staticmethod(losses.binary_cross_entropy)

    def __init__(self, reduction: str = "mean") -> None:
        self.settings = {"reduction": reduction}


class BCEWithLogitsLoss(_Loss):
    """Binary cross entropy of logits, precise for any logit; see :func:`gpugrad.binary_cross_entropy_with_logits`."""

    function = staticmethod(losses.binary_cross_entropy_with_logits)

    def __init__(self, reduction: str = "mean") -> None:
        self.settings = {"reduction": reduction}


class KLDivLoss(_Loss):
    """The divergence of exp(prediction) from the target; see :func:`gpugrad.kl_div`."""

    function = staticmethod(losses.kl_div)

    def __init__(self, reduction: str = "mean", log_target: bool = False) -> None:
        self.settings = {"reduction": reduction, "log_target": log_target}


__all__ = [
    "BCELoss", "BCEWithLogitsLoss", "CrossEntropyLoss", "HuberLoss", "KLDivLoss", "L1Loss", "MSELoss", "NLLLoss",
    "SmoothL1Loss",
]  # fmt: skip
