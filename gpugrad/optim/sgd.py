"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from gpugrad.optim.optimizer import Group, Optimizer, State, check_common, expect


class SGD(Optimizer):
    """Gradient descent, with momentum if ``momentum`` is not 0. Means what PyTorch's SGD means.

    With the gradient g, to which ``weight_decay`` adds that much of the parameter p, and the velocity v, which is g at
    the first step: v ← momentum · v + (1 - dampening) · g, then p ← p - lr · v, or for ``nesterov``
    p ← p - lr · (g + momentum · v).

    I. Sutskever, J. Martens, G. Dahl, G. Hinton: On the importance of initialization and momentum in deep learning,
    ICML 2013 (Nesterov's momentum).

    >>> import gpugrad as gg
    >>> w = gg.tensor(1.0, requires_grad=True)
    >>> opt = gg.optim.SGD([w], lr=0.25)
    >>> (w * w).backward(); opt.step()
    >>> w
    tensor(0.5, requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        options = {"lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay}
        super().__init__(params, {**options, "nesterov": nesterov, "maximize": maximize})

    def check(self, group: Group) -> None:
        check_common(self, group)
        momentum, dampening = group["momentum"], group["dampening"]
        expect(momentum >= 0.0, self, f"momentum={momentum}; expected 0 or more")
        fine = not group["nesterov"] or (momentum > 0.0 and dampening == 0.0)
        expect(
            fine,
            self,
            f"nesterov with momentum={momentum}, dampening={dampening}; expected a momentum and no dampening",
        )

    def buffers(self, group: Group) -> set[str]:
        return {"momentum_buffer"} if group["momentum"] else set()

    zeros = buffers

    def counts(self, group: Group) -> bool:
        return bool(group["momentum"] and group["dampening"])

    def factors(self, step: Any, group: Group) -> tuple[Any, ...]:
        if not self.counts(group):
            return (-group["lr"],)
        later = 1.0 - 0.0 ** (step - 1)  # 0 in the first step, which is not dampened, and 1 from then on
        return -group["lr"], 1.0 - group["dampening"] * later

    def update(self, xp: Any, p: Any, g: Any, state: State, factors: Sequence[Any], group: Group) -> Any:
        momentum = group["momentum"]
        if group["maximize"]:
            g = -g
        if group["weight_decay"]:
            g = g + group["weight_decay"] * p
        if momentum:
            v = state.get("momentum_buffer")
            if v is None:
                v = 1.0 * g  # a copy
            else:
                v *= momentum
                v += factors[1] * g if group["dampening"] else g
            state["momentum_buffer"] = v
            g = g + momentum * v if group["nesterov"] else v
        new = g * factors[0]
        new += p
        return new
