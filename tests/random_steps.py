"""Random training steps: parameters of many shapes, a loss, an optimizer, and what is kept from step to step.

A step changes what it holds in an order of its own: running values of what the loss is made of, copies of parameters that
follow them, values that change places. It is run on any device, compiled or not; one seed is one step everywhere.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import gpugrad as gg
from gpugrad import nn, optim

SHAPES = [(), (1,), (4,), (3, 1), (1, 4), (3, 4), (5, 1, 4), (5, 3, 4), (4, 4), (1, 1)]
BATCH = (5, 3, 4)


class Held(nn.Module):
    """Parameters p0, p1, …, and buffers that start as other numbers of the shapes that they follow."""

    def __init__(self, rng: Any) -> None:
        self.count = int(rng.integers(2, 6))
        shapes = [SHAPES[k] for k in rng.integers(len(SHAPES), size=self.count)]
        for k, shape in enumerate(shapes):
            setattr(self, f"p{k}", nn.Parameter(gg.tensor(rng.normal(size=shape).astype("f"))))
        for k, shape in enumerate([*shapes, (), (3, 4), (3, 4), BATCH]):
            self.register_buffer(f"b{k}", gg.tensor(rng.normal(size=shape).astype("f")))
        self.register_buffer("n", gg.tensor(0))

    @property
    def ps(self) -> list[Any]:
        return [getattr(self, f"p{k}") for k in range(self.count)]


def loss_of(rng: Any, held: Held, x: Any, generator: Any) -> tuple[Any, list[Any]]:
    """A number that every parameter enters, and values on the way."""
    h, values = x, []
    classes = gg.tensor(rng.integers(0, 4, BATCH[:2]), device=x.device)
    for p in held.ps:
        match int(rng.choice([10, 11])) if p.shape == (4, 4) else int(rng.integers(10)):
            case 0:
                h = gg.tanh(h + p)
            case 1:
                h = gg.sin(h * p) + 0.1 * h
            case 2:
                h = gg.softmax(h, axis=-1) * p + h
            case 3:
                h = h - gg.mean(h, axis=int(rng.integers(3)), keepdims=True) + 0.5 * p
            case 4:
                h = h * gg.sigmoid(gg.sum(p) * 0.1) + p * 0.2
            case 5:
                h = gg.tanh(h) * gg.exp(-p * p)
            case 6:
                h = gg.layer_norm(h) + p * h
            case 7:
                h = gg.random.dropout(h * gg.cos(p), 0.3, key=generator)
            case 8:
                h = gg.cumsum(gg.tanh(h + p), axis=int(rng.integers(3))) * 0.3
            case 9:
                top = gg.max(h + p, axis=-1, keepdims=True)
                h = gg.concat([h[..., 1:] - top * 0.1, (p * h)[..., :1]], axis=-1)
            case 10:
                h = h + p[classes]
            case _:
                h = gg.tanh(h @ p)
        values.append(h)
    loss = gg.cross_entropy(h.reshape(-1, 4), classes.reshape(-1)) if rng.random() < 0.3 else gg.mean(h * h)
    loss = loss + sum(float(rng.random()) * 0.1 * gg.mean(gg.square(p)) for p in held.ps)
    return loss, values


class Steps:
    """Steps of one seed on a device."""

    def __init__(self, seed: int, device: str, compiled: bool, dtype: str | None = None) -> None:
        rng = np.random.default_rng(seed)
        self.held = Held(rng)
        self.held.to(device)
        makes = (
            lambda ps: optim.SGD(ps, lr=0.1),
            lambda ps: optim.SGD(ps, lr=0.1, momentum=0.9, nesterov=True),
            lambda ps: optim.SGD(ps, lr=0.05, momentum=0.8, dampening=0.3, weight_decay=0.1),
            lambda ps: optim.Adam(ps, lr=0.05),
            lambda ps: optim.AdamW(ps, lr=0.05, weight_decay=0.2),
            lambda ps: optim.RMSprop(ps, lr=0.02, momentum=0.5),
        )
        self.optimizer = makes[int(rng.integers(len(makes)))](self.held.parameters())
        self.batches = [gg.tensor(rng.normal(size=BATCH).astype("f"), device=device) for _ in range(6)]
        self.plan = [int(k) for k in rng.integers(10, size=int(rng.integers(1, 6)))]
        self.given = [int(k) for k in rng.integers(4, size=2)]
        self.zeroed = bool(rng.random() < 0.7)
        self.seed = int(rng.integers(1 << 30))
        self.generator = gg.random.Generator(seed)
        self.dtype = dtype
        """Of products, in mixed precision; None for float32."""
        self.call = gg.jit(self.step) if compiled else self.step

    def step(self, x: Any) -> Any:
        rng, held = np.random.default_rng(self.seed), self.held
        if self.zeroed:
            self.optimizer.zero_grad()
        with gg.autocast(self.dtype):
            loss, values = loss_of(rng, held, x, self.generator)
        loss.backward()
        before = held.ps[0].detach() * 1.0
        self.optimizer.step()
        if not self.zeroed:
            self.optimizer.zero_grad()
        self.keep(values)
        results = [loss, before, held.ps[-1].detach() + 0.0, values[0].detach()]
        return [results[k] for k in self.given]

    def keep(self, values: list[Any]) -> None:
        """Change what is held, in the order of the plan."""
        held, value = self.held, values[-1].detach()
        last = held.count
        for k in self.plan:
            match k:
                case 0:
                    held.b0 = 0.9 * held.b0 + 0.1 * held.p0.detach()
                case 1:
                    setattr(held, f"b{last}", getattr(held, f"b{last}") * 0.5 + gg.mean(value))
                case 2:
                    one, two = f"b{last + 1}", f"b{last + 2}"
                    a, b = getattr(held, one), getattr(held, two)
                    setattr(held, one, b)
                    setattr(held, two, a)
                case 3:
                    setattr(held, f"b{last + 1}", getattr(held, f"b{last + 1}") + gg.sum(value, axis=0) * 0.1)
                case 4:
                    setattr(held, f"b{last + 2}", getattr(held, f"b{last + 1}") * 0.5)
                case 5:
                    setattr(held, f"b{last + 3}", gg.tanh(value + getattr(held, f"b{last + 3}")))
                case 6:
                    held.n = held.n + 1
                case 7:
                    held.b0 = held.b0 * gg.cos(getattr(held, f"b{last}"))
                case 8:
                    setattr(held, f"b{last + 3}", gg.flip(getattr(held, f"b{last + 3}"), axis=1) * 0.9)
                case _:
                    with gg.no_grad():
                        held.p0[...] = held.p0 * 0.99 + 0.001 * gg.sum(getattr(held, f"b{last}"))

    def run(self) -> list[Any]:
        """What each step gives."""
        return [self.call(x) for x in self.batches]

    def state(self) -> dict[str, Any]:
        return {
            **self.held.state_dict(),
            **{f"grad {k}": p.grad for k, p in enumerate(self.held.ps) if p.grad is not None},
        }
