"""Random programs, compiled: against eager execution and PyTorch, with other transforms inside and outside."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="PyTorch, the witness, is not installed")

import random_programs
import torch
from evaluated import evaluated, evaluated_calls
from interpreted import interpreted
from test_random_programs import close

import gpugrad as gg
from gpugrad.backends import numba_kernels, parallel
from gpugrad.graph.fuse import fused
from gpugrad.graph.simplify import simplified
from gpugrad.graph.stage import Stage
from gpugrad.trace import value
from gpugrad.transforms.tape import EAGER

pytestmark = [
    pytest.mark.filterwarnings("ignore::gpugrad.errors.GradientWarning"),
    pytest.mark.filterwarnings(
        "ignore::RuntimeWarning"
    ),  # NumPy tells of 1 / 0 in eager execution, and the witness too
]
EACH = 25
"""Seeds of one test: a test for each would take longer to report than to run."""
GROUPS = range(0, 1000, EACH)


@pytest.fixture
def by_python(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Kernels that Python runs."""
    monkeypatch.setattr(numba_kernels, "compiled", interpreted)
    yield


def alike(got: Any, wanted: Any, what: str, program: Any, rtol: float = 1e-9) -> None:
    got, wanted = gg.pytree.leaves(got), gg.pytree.leaves(wanted)
    assert len(got) == len(wanted)
    for a, b in zip(got, wanted, strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype, (
            f"{what}: {a.dtype}{a.shape} for {b.dtype}{b.shape} of\n{program}"
        )
        close(a, b, what, program, rtol)


def against(seed: int) -> None:
    """The value and gradient of a program: compiled as a whole, and through a compiled function, as PyTorch has them."""
    program = random_programs.draw(seed, compiled=True)
    every = tuple(range(len(program.inputs)))
    theirs = [torch.tensor(a, requires_grad=True) for a in program.inputs]
    total = program.theirs(*theirs)
    gradient = torch.autograd.grad(total, theirs)
    eager = gg.value_and_grad(program.ours, every)(*program.inputs)
    whole = gg.jit(gg.value_and_grad(program.ours, every))
    got = whole(*program.inputs)
    alike(got, eager, f"seed {seed}, jit of value_and_grad,", program)
    close(got[0], total, f"seed {seed}, value", program)
    for k in every:
        close(got[1][k], gradient[k], f"seed {seed}, gradient of v{k}", program)
    for a, b in zip(gg.pytree.leaves(got), gg.pytree.leaves(whole(*program.inputs)), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=f"seed {seed}, two runs")
    if seed % 3 == 0:
        through = gg.value_and_grad(gg.jit(program.ours), every)
        alike(through(*program.inputs), eager, f"seed {seed}, value_and_grad of jit,", program)


@pytest.mark.parametrize("first", GROUPS)
def test_against_eager_execution_and_pytorch(first: int, by_python: None) -> None:
    for seed in range(first, first + EACH):
        against(seed)


@pytest.mark.parametrize("seed", [12, 133])
def test_by_numba(seed: int) -> None:
    against(seed)


@pytest.mark.slow
@pytest.mark.parametrize("first", GROUPS)
def test_all_by_numba(first: int) -> None:
    for seed in range(first, first + EACH):
        against(seed)


@pytest.mark.parametrize("first", range(0, 1000, 100))
def test_transforms_inside_and_outside(first: int, by_python: None) -> None:
    """Every tenth program: several results, forward mode, batches, the Hessian, with jit on either side."""
    for seed in range(first + 1, first + 100, 10):
        program = random_programs.draw(seed, compiled=True)
        rng = np.random.default_rng(seed)
        xs = tuple(map(gg.asarray, program.inputs))
        along = tuple(gg.asarray(rng.standard_normal(x.shape)) for x in xs)
        every = tuple(range(len(xs)))
        f, outs = program.ours, program.outputs
        alike(gg.jit(outs)(*xs), outs(*xs), f"seed {seed}, several results,", program)
        moved = gg.jvp(outs, xs, along)
        alike(gg.jvp(gg.jit(outs), xs, along), moved, f"seed {seed}, jvp of jit,", program, 1e-8)
        alike(
            gg.jit(lambda *a, o=outs: gg.jvp(o, a[: len(a) // 2], a[len(a) // 2 :]))(*xs, *along),
            moved,
            f"seed {seed}, jit of jvp,",
            program,
            1e-8,
        )
        if not any(step.op.name == "cond" for step in program.steps):
            stacks = [gg.stack([x, x + 1e-6]) for x in xs]
            gradient = gg.grad(f, every)
            mapped = gg.vmap(gradient)(*stacks)
            alike(gg.vmap(gg.jit(gradient))(*stacks), mapped, f"seed {seed}, vmap of jit,", program)
            alike(gg.jit(gg.vmap(gradient))(*stacks), mapped, f"seed {seed}, jit of vmap,", program)
        if seed % 20 == 1:
            second = gg.hvp(f, xs, along)
            alike(gg.hvp(gg.jit(f), xs, along), second, f"seed {seed}, hvp of jit,", program, 1e-7)
            if xs[0].size < 7:
                hessian = gg.hessian(f)(*xs)
                alike(gg.jit(gg.hessian(f))(*xs), hessian, f"seed {seed}, jit of the Hessian,", program, 1e-7)


@pytest.mark.parametrize("first", range(0, 1000, 100))
def test_each_pass_keeps_the_meaning(first: int) -> None:
    """Every fifth program, before and after each pass, by NumPy; with inputs among which are 0, -0, infinity and NaN too."""
    for seed in range(first, first + 100, 5):
        program = random_programs.draw(seed, compiled=True)
        rng = np.random.default_rng(seed)
        stage = Stage()
        xs = [value(stage.input(a.shape, a.dtype, f"v{k}"), EAGER, None) for k, a in enumerate(program.inputs)]
        total, gradient = gg.value_and_grad(program.ours, tuple(range(len(xs))))(*xs)
        graph = stage.finish([o._data for o in (total, *gradient)])
        after = simplified(graph)
        calls = fused(after)
        special = [
            np.where(rng.random(a.shape) < 0.4, rng.choice([0.0, -0.0, np.inf, -np.inf, np.nan], a.shape), a)
            for a in program.inputs
        ]
        solves = any(step.op in random_programs.PRODUCTS for step in program.steps)  # LAPACK refuses NaN, BLAS reorders
        for given in [program.inputs] if solves else [program.inputs, special]:
            wanted = evaluated(graph, given)
            for what, got in ("simplified", evaluated(after, given)), ("fused", evaluated_calls(after, calls, given)):
                for a, b in zip(got, wanted, strict=True):
                    close(a, b, f"seed {seed}, {what}:", program)


def test_one_thread_and_two_have_the_same_bits(monkeypatch: pytest.MonkeyPatch, by_python: None) -> None:
    """What is not reduced over all of the first axis is computed in the same order whoever computes it."""
    monkeypatch.setattr(parallel, "LEAST", 0.0)
    monkeypatch.setattr("gpugrad.graph.fuse.ALONE", 8)
    before = gg.config.threads
    x = gg.asarray(np.random.default_rng(0).normal(size=(16, 5)))
    f = gg.jit(lambda x: (gg.softmax(gg.sin(x), axis=-1), gg.layer_norm(x) * gg.exp(x), gg.sum(x * x, axis=-1)))
    try:
        runs = []
        for n in (1, 2, 1, 2):
            gg.config.threads = n
            runs.append([o.numpy() for o in f(x)])
    finally:
        gg.config.threads = before
    for run in runs[1:]:
        for a, b in zip(run, runs[0], strict=True):
            np.testing.assert_array_equal(a, b)
