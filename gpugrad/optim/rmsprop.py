"""RMSprop."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from gpugrad.optim.optimizer import Group, Optimizer, State, check_common, expect


class RMSprop(Optimizer):
    """Steps divided by a running root mean square of the gradient. Means what PyTorch's RMSprop means.

    With the gradient g, to which ``weight_decay`` adds that much of the parameter p: s ← alpha s + (1 - alpha) g², then
    p ← p - lr · g / (√s + eps). ``centered`` takes the square of a running mean of g from s; with ``momentum`` the
    quotient goes into a velocity, b ← momentum · b + g / (√s + eps), and p ← p - lr · b.

    T. Tieleman, G. Hinton: Lecture 6.5 of Neural networks for machine learning, 2012; A. Graves: Generating sequences
    with recurrent neural networks, 2013 (centered).

    >>> import gpugrad as gg
    >>> w = gg.tensor(1.0, requires_grad=True)
    >>> opt = gg.optim.RMSprop([w], lr=0.01)
    >>> (w * w).backward(); opt.step()
    >>> round(w.item(), 6)
    0.9
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        options = {"lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay, "momentum": momentum}
        super().__init__(params, {**options, "centered": centered, "maximize": maximize})

    def check(self, group: Group) -> None:
        check_common(self, group)
        for name in ("eps", "momentum"):
            expect(group[name] >= 0.0, self, f"{name}={group[name]}; expected 0 or more")
        expect(0.0 <= group["alpha"] < 1.0, self, f"alpha={group['alpha']}; expected a number from 0 to below 1")

    def buffers(self, group: Group) -> set[str]:
        optional = {"momentum_buffer": group["momentum"], "grad_avg": group["centered"]}
        return {"square_avg"} | {name for name, wanted in optional.items() if wanted}

    zeros = buffers

    def factors(self, step: Any, group: Group) -> tuple[Any, ...]:
        return (-group["lr"],)

    def update(self, xp: Any, p: Any, g: Any, state: State, factors: Sequence[Any], group: Group) -> Any:
        alpha, momentum = group["alpha"], group["momentum"]
        if group["maximize"]:
            g = -g
        if group["weight_decay"]:
            g = g + group["weight_decay"] * p
        for name in self.buffers(group):
            if name not in state:
                state[name] = xp.zeros_like(g)
        s = state["square_avg"]
        d = g * g
        d *= 1.0 - alpha
        s *= alpha
        s += d
        state["square_avg"] = s
        if group["centered"]:
            mean = state["grad_avg"]
            d = g - mean
            d *= 1.0 - alpha
            mean += d
            state["grad_avg"] = mean
            d = xp.sqrt(xp.maximum(s - mean * mean, 0.0))  # rounding may leave less than nothing
        else:
            d = xp.sqrt(s)
        d += group["eps"]
        new = g / d
        if momentum:
            b = state["momentum_buffer"]
            b *= momentum
            b += new
            state["momentum_buffer"] = b
            new = b * factors[0]
        else:
            new *= factors[0]
        new += p
        return new
