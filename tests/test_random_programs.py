"""Random programs: gpugrad against PyTorch, and its own modes against each other."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch, the witness, is not installed")

import random_programs
import torch

import gpugrad as gg

SEEDS = range(600)
seeds = pytest.mark.parametrize("seed", SEEDS)


def close(got: Any, wanted: Any, what: str, program: Any, rtol: float = 1e-9) -> None:
    got, wanted = np.asarray(got), wanted.numpy(force=True) if isinstance(wanted, torch.Tensor) else np.asarray(wanted)
    scale = max(1.0, float(np.max(np.abs(wanted), initial=0.0)))
    np.testing.assert_allclose(got, wanted, rtol=rtol, atol=rtol * scale, err_msg=f"{what} of\n{program}")


@seeds
def test_against_pytorch(seed: int) -> None:
    """Value, gradient, derivative along a direction and, of every third, the Hessian times a direction."""
    program = random_programs.draw(seed)
    rng = np.random.default_rng(seed)
    along = [rng.standard_normal(a.shape) for a in program.inputs]
    every = tuple(range(len(along)))
    theirs = [torch.tensor(a, requires_grad=True) for a in program.inputs]
    value = program.theirs(*theirs)
    gradient = torch.autograd.grad(value, theirs, create_graph=True)
    directional = sum((g * torch.tensor(v)).sum() for g, v in zip(gradient, along, strict=True))
    got, gradients = gg.value_and_grad(program.ours, every)(*program.inputs)
    close(got, value, "value", program)
    for k in every:
        close(gradients[k], gradient[k], f"gradient of v{k}", program)
    got, moved = gg.jvp(program.ours, program.inputs, along)
    close(got, value, "value in forward mode", program)
    close(moved, directional, "derivative in forward mode", program, 1e-8)
    if seed % 3 == 0 and directional.requires_grad:
        second = torch.autograd.grad(directional, theirs, materialize_grads=True)
        for k, h in enumerate(gg.hvp(program.ours, program.inputs, along)):
            close(h, second[k], f"Hessian times a direction, v{k}", program, 1e-7)


@seeds
def test_batches_and_backward(seed: int) -> None:
    """vmap of the gradient, with some inputs shared, against a loop; ``backward`` against ``grad``."""
    program = random_programs.draw(seed)
    rng = np.random.default_rng(seed)
    every = tuple(range(len(program.inputs)))
    gradient = gg.grad(program.ours, every)
    leaves = [gg.tensor(a, requires_grad=True) for a in program.inputs]
    program.ours(*leaves).backward()
    for leaf, g in zip(leaves, gradient(*program.inputs), strict=True):
        close(leaf.grad, g, "backward", program, 1e-12)
    axes = tuple(0 if k == seed % len(every) or rng.random() < 0.5 else None for k in every)
    given = [np.stack([a, a + 1e-6]) if ax == 0 else a for a, ax in zip(program.inputs, axes, strict=True)]
    got = gg.vmap(gradient, in_axes=axes)(*given)
    loop = [gradient(*[a if ax is None else a[i] for a, ax in zip(given, axes, strict=True)]) for i in range(2)]
    for k in every:
        close(
            got[k],
            np.stack([np.asarray(item[k]) for item in loop]),
            f"vmap over {axes}: gradient of v{k}",
            program,
            1e-10,
        )


@pytest.mark.parametrize("seed", SEEDS[::6])
def test_on_another_backend(seed: int, device_backend: str) -> None:
    """Value and gradient, with the inputs on another device."""
    program = random_programs.draw(seed)
    every = tuple(range(len(program.inputs)))
    device = gg.backends.select.get(device_backend).devices()[0]
    moved = dataclasses.replace(program, weights=[gg.asarray(w, device=device) for w in program.weights])
    with gg.device(device):
        got, gradients = gg.value_and_grad(moved.ours, every)(*map(gg.tensor, program.inputs))
    value, wanted = gg.value_and_grad(program.ours, every)(*program.inputs)
    assert got.device == device
    close(got.to("cpu"), value, "value", program)
    for k in every:
        close(gradients[k].to("cpu"), wanted[k], f"gradient of v{k}", program)
