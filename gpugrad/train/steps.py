"""The two halves of a training step, compiled or not: the gradients, and what the optimizer makes of them.

Between them the run looks whether the loss and the gradients are finite, while nothing has moved yet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gpugrad.ops.elementwise import isfinite, logical_and
from gpugrad.ops.losses import cross_entropy
from gpugrad.ops.reductions import argmax
from gpugrad.ops.reductions import sum as sum_of
from gpugrad.transforms.jit import Jitted, jit


class Steps:
    """``gradients(x, y)`` and ``update()`` for a model and its optimizer."""

    def __init__(self, model: Any, optimizer: Any, parameters: Sequence[Any], compiled: bool) -> None:
        def gradients(x: Any, y: Any) -> tuple[Any, Any, Any]:
            logits = model(x)
            loss = cross_entropy(logits, y)
            loss.backward()
            fine = isfinite(loss)
            for p in parameters:
                if p.grad is not None:
                    fine = logical_and(fine, isfinite(sum_of(p.grad)))
            return loss, fine, sum_of(argmax(logits, -1) == y)

        self.gradients: Callable[[Any, Any], tuple[Any, Any, Any]] = jit(gradients) if compiled else gradients
        """The loss, whether it and the sum of each gradient are finite, and how many items were recognised."""
        self.update: Callable[[], Any] = jit(lambda: optimizer.step()) if compiled else optimizer.step

    @property
    def seconds(self) -> float:
        """What compiling took so far."""
        return sum(f.seconds for f in (self.gradients, self.update) if isinstance(f, Jitted))
