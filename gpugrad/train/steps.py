"""The two halves of a training step, compiled or not: the gradients, and what the optimizer makes of them.

Between them the run looks whether the loss and the gradients are finite, while nothing has moved yet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gpugrad.autocast import autocast
from gpugrad.ops.elementwise import isfinite, logical_and
from gpugrad.ops.losses import cross_entropy
from gpugrad.ops.reductions import argmax
from gpugrad.ops.reductions import sum as sum_of
from gpugrad.optim import LossScaler
from gpugrad.transforms.jit import Jitted, jit

DTYPES = ("float32", "bfloat16", "float16")
"""What products may be computed in; parameters, gradients and sums are float32 in any case."""


def precision(dtype: str) -> autocast:
    """The context of the forward pass and the loss."""
    return autocast(None if dtype == "float32" else dtype)


class Steps:
    """``gradients(x, y)`` and ``update()`` for a model and its optimizer.

    In float16 the gradients are scaled, and an update leaves everything as it is if one of them has overflowed.
    """

    def __init__(
        self, model: Any, optimizer: Any, parameters: Sequence[Any], compiled: bool, dtype: str, device: str
    ) -> None:
        scaler = self.scaler = LossScaler(enabled=dtype == "float16", device=device)

        def gradients(x: Any, y: Any) -> tuple[Any, Any, Any]:
            with precision(dtype):
                logits = model(x)
                loss = cross_entropy(logits, y)
            scaler.scale(loss).backward()
            fine = isfinite(loss)
            for p in parameters:
                if p.grad is not None:
                    fine = logical_and(fine, isfinite(sum_of(p.grad)))
            return loss, fine, sum_of(argmax(logits, -1) == y)

        def update() -> None:
            scaler.step(optimizer)

        self.gradients: Callable[[Any, Any], tuple[Any, Any, Any]] = jit(gradients) if compiled else gradients
        """The loss, whether it and the sum of each gradient are finite, and how many items were recognised."""
        self.update: Callable[[], Any] = jit(update) if compiled else update

    @property
    def may_overflow(self) -> bool:
        """Whether gradients that are not finite may be so because of the scale, which then falls."""
        return self.scaler.enabled and self.scaler.get_scale() > 1.0

    @property
    def seconds(self) -> float:
        """What compiling took so far."""
        return sum(f.seconds for f in (self.gradients, self.update) if isinstance(f, Jitted))
