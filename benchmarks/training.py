"""Rows of the table: whole training steps, and an optimizer alone."""

from __future__ import annotations

import functools as ft
from collections.abc import Iterator

import networks
import numpy as np
from peers import jax, torch
from rows import Call, Row, Target

import gpugrad as gg


def learns(call: Call, ours: Call) -> None:
    """The loss falls."""
    losses = [call() for _ in range(12)]
    assert losses[-1] < losses[0]


def steps(ours, torchs, data, jaxs=None):
    """A training step by each library."""
    by = {
        "gpugrad jit": lambda: networks.our_step(ours, data, True),
        "gpugrad eager": lambda: networks.our_step(ours, data, False),
        "torch eager": lambda: networks.torch_step(torchs, data),
        "torch.compile": lambda: networks.torch_step(torchs, data, True),
    }
    return by | ({"jax jit": lambda: networks.jax_step(jaxs, data)} if jaxs else {})


def step_rows() -> Iterator[Row]:
    for width, batch, most in ((128, 64, 0.75), (512, 256, 1.0), (1024, 1024, 1.0)):
        by = steps(
            ft.partial(networks.perceptron, gg.nn, width),
            lambda w=width: networks.perceptron(torch.nn, w),
            ft.partial(networks.vectors, width, batch),
            ft.partial(networks.jax_perceptron, width),
        )
        sizes = "-".join([str(width)] * 3)
        yield Row(f"MLP {sizes}-10, batch {batch}, Adam, step", by, (Target(most),), learns)
    by = steps(ft.partial(networks.convolutional, gg.nn), lambda: networks.convolutional(torch.nn), networks.images)
    yield Row("CNN 3→32→64, 32 × 32, batch 128, Adam, step", by, (Target(1.5, "torch eager"),), learns)
    by = steps(networks.our_gpt, networks.torch_gpt, networks.tokens, networks.jax_gpt)
    yield Row("GPT 4 × 128 wide, 64 tokens, batch 12, Adam, step", by, (Target(0.8),), learns)


# ---- Adam alone ----------------------------------------------------------------------------------------------------------

PARAMETERS = 10**7


def _numbers():
    rng = np.random.default_rng(3)
    return (rng.normal(size=PARAMETERS).astype(np.float32) for _ in range(2))


def our_adam(compiled):
    p, g = map(gg.tensor, _numbers())
    p = gg.nn.Parameter(p)
    optimizer = gg.optim.Adam([p], lr=1e-3)

    def step():
        optimizer.step()

    p.grad = g
    run = gg.jit(step) if compiled else step

    def call():
        run()
        return p.detach()

    return call


def torch_adam():
    p, g = map(torch.tensor, _numbers())
    p.requires_grad_()
    p.grad = g
    optimizer = torch.optim.Adam([p], lr=1e-3, fused=True)

    def call():
        optimizer.step()
        return p.detach()

    return call


def jax_adam():
    p, g = map(jax.numpy.array, _numbers())
    step = jax.jit(networks.jax_adam, donate_argnums=(0, 2, 3))
    state = [p, jax.numpy.zeros_like(p), jax.numpy.zeros_like(p)]
    t = jax.numpy.float32(0)

    def call():
        nonlocal t, state
        p, m, v = state
        t = t + 1
        state = list(jax.block_until_ready(step(p, g, m, v, t)))
        return state[0]

    return call


def moves_alike(call: Call, ours: Call) -> None:
    """A step moves each parameter by 10⁻³, against its gradient."""
    before, after = (np.asarray(call()).copy() for _ in range(2))
    _, g = _numbers()
    np.testing.assert_allclose(after - before, -1e-3 * np.sign(g), atol=1e-4)


def adam_row() -> Row:
    by = {
        "gpugrad jit": lambda: our_adam(True),
        "gpugrad eager": lambda: our_adam(False),
        "torch fused": torch_adam,
        "jax jit": jax_adam,
    }
    return Row("Adam on 10⁷ parameters", by, (Target(1.1, "torch fused"),), moves_alike)


ROWS = [*step_rows(), adam_row()]
