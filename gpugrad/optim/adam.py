"""Adam, and AdamW, which keeps weight decay out of the moments."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from gpugrad.optim.optimizer import Group, Optimizer, State, check_common, expect

Betas = tuple[float, float]


class Adam(Optimizer):
    """Steps scaled by running moments of the gradient. Means what PyTorch's Adam means.

    With the gradient g, to which ``weight_decay`` adds that much of the parameter p, at step t from 1:
    m ← β₁ m + (1 - β₁) g, v ← β₂ v + (1 - β₂) g², then p ← p - lr · m̂ / (√v̂ + eps), where m̂ = m / (1 - β₁ᵗ) and
    v̂ = v / (1 - β₂ᵗ). With ``amsgrad`` the largest v so far takes the place of v.

    D. P. Kingma, J. Ba: Adam: a method for stochastic optimization, ICLR 2015. S. J. Reddi, S. Kale, S. Kumar: On the
    convergence of Adam and beyond, ICLR 2018 (amsgrad).

    >>> import gpugrad as gg
    >>> w = gg.tensor(1.0, requires_grad=True)
    >>> opt = gg.optim.Adam([w], lr=0.25)
    >>> (w * w).backward(); opt.step()
    >>> round(w.item(), 6)
    0.75
    """

    decoupled = False
    """Whether weight decay acts on the parameter itself, not through the gradient."""

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: Betas = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        options = {
            "lr": lr,
            "betas": tuple(betas) if isinstance(betas, list) else betas,
            "eps": eps,
            "weight_decay": weight_decay,
        }
        super().__init__(params, {**options, "amsgrad": amsgrad, "maximize": maximize})

    def check(self, group: Group) -> None:
        check_common(self, group)
        betas, eps = group["betas"], group["eps"]
        expect(
            len(betas) == 2 and all(0.0 <= b < 1.0 for b in betas),
            self,
            f"betas={betas}; expected two numbers from 0 to below 1",
        )
        expect(eps >= 0.0, self, f"eps={eps}; expected 0 or more")

    def buffers(self, group: Group) -> set[str]:
        return {"exp_avg", "exp_avg_sq"} | ({"max_exp_avg_sq"} if group["amsgrad"] else set())

    zeros = buffers

    def counts(self, group: Group) -> bool:
        return True

    def factors(self, step: Any, group: Group) -> tuple[Any, ...]:
        lr, decay, (beta1, beta2) = group["lr"], group["weight_decay"], group["betas"]
        return -lr / (1.0 - beta1**step), (1.0 - beta2**step) ** -0.5, 1.0 - lr * decay

    def update(self, xp: Any, p: Any, g: Any, state: State, factors: Sequence[Any], group: Group) -> Any:
        decay, (beta1, beta2) = group["weight_decay"], group["betas"]
        scale, root, kept = factors
        if group["maximize"]:
            g = -g
        if decay and self.decoupled:
            p = p * kept
        elif decay:
            g = g + decay * p
        m, v = state.get("exp_avg"), state.get("exp_avg_sq")
        if m is None:
            m, v = xp.zeros_like(g), xp.zeros_like(g)
        d = g - m
        d *= 1.0 - beta1
        m += d
        d = g * g
        d *= 1.0 - beta2
        v *= beta2
        v += d
        state["exp_avg"], state["exp_avg_sq"] = m, v
        if group["amsgrad"]:
            largest = state.get("max_exp_avg_sq")
            v = state["max_exp_avg_sq"] = 1.0 * v if largest is None else xp.maximum(largest, v)
        d = xp.sqrt(v)
        d *= root
        d += group["eps"]
        new = m / d
        new *= scale
        new += p
        return new


class AdamW(Adam):
    """:class:`Adam` whose weight decay shrinks the parameter by lr · weight_decay of itself, outside the moments.

    I. Loshchilov, F. Hutter: Decoupled weight decay regularization, ICLR 2019. Means what PyTorch's AdamW means.

    >>> import gpugrad as gg
    >>> w = gg.tensor([1.0, 2.0], requires_grad=True)
    >>> opt = gg.optim.AdamW([{"params": [w], "weight_decay": 0.0}], lr=3e-4)
    >>> opt.param_groups[0]["weight_decay"]
    0.0
    """

    decoupled = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: Betas = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)
