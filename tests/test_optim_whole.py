"""An optimizer's step on a device that compiles: one program for all parameters, and what the CPU does one by one."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from typing import Any

import numpy as np
import pytest
from test_cuda_on_host import cuda, on_host  # noqa: F401
from test_cuda_several import OPTIMIZERS, SHAPES

import gpugrad as gg
from gpugrad import optim
from gpugrad.backends import numba_kernels
from gpugrad.cuda.frame import Frame
from gpugrad.cuda.host import COMPILER

on_a_gpu = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler, which would run CUDA C++ on the CPU")


class Moved:
    """Parameters and gradients, on a device."""

    def __init__(self, device: str, name: str = "AdamW", dtype: str = "float32", shapes: Any = SHAPES) -> None:
        rng = np.random.default_rng(0)
        self.device, self.dtype, self.shapes = device, dtype, shapes
        self.parameters = [
            gg.tensor(rng.normal(size=s), dtype=dtype, device=device, requires_grad=True) for s in shapes
        ]
        self.optimizer = OPTIMIZERS[name](self.parameters)

    def step(self, k: int, without: tuple[int, ...] = ()) -> None:
        rng = np.random.default_rng(k)
        for n, p in enumerate(self.parameters):
            g = gg.tensor(rng.normal(size=p.shape), dtype=self.dtype, device=self.device)
            p.grad = None if n in without else g
        self.optimizer.step()

    def numbers(self) -> list[Any]:
        return [p.detach().to("cpu").numpy().astype("f8") for p in self.parameters]


def alike(a: Moved, b: Moved, tolerance: float = 1e-6) -> None:
    for x, y in zip(a.numbers(), b.numbers(), strict=True):
        np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance)


@on_a_gpu
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_as_on_the_cpu(name: str, dtype: str) -> None:
    here, there = Moved("cpu", name, dtype), Moved("cuda", name, dtype)
    for k in range(5):
        for moved in (here, there):
            moved.optimizer.param_groups[0]["lr"] = 0.1 / (1 + k)
            moved.step(k, without=(1, 3) if k == 2 else ())
    alike(here, there, 2e-2 if dtype == "bfloat16" else 1e-5)
    assert here.optimizer._whole is None and there.optimizer._whole is not None
    steps = [[entry.get("step") for entry in moved.optimizer.state_dict()["state"]] for moved in (here, there)]
    assert steps[0] == steps[1]


@on_a_gpu
def test_it_is_one_graph(on_host: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    moved = Moved("cuda")
    for k in range(6):
        moved.step(k)
    plan = moved.optimizer._whole.program.plan()
    assert "# one CUDA graph" in plan and "part of launch" in plan
    ran: list[Frame] = []
    run = Frame.run
    monkeypatch.setattr(Frame, "run", lambda self, *xs: (ran.append(self), run(self, *xs))[1])
    moved.step(7)
    assert len(ran) <= 1  # of all parameters together


@on_a_gpu
def test_what_changes_between_steps() -> None:
    """Groups that are added, a state that is loaded, copies, and parameters that are replaced."""
    here, there = Moved("cpu"), Moved("cuda")
    for k in range(3):
        here.step(k)
        there.step(k)
    for moved in (here, there):
        moved.shapes = [*moved.shapes, (3,)]
        moved.parameters.append(gg.tensor(np.ones(3, np.float32), device=moved.device, requires_grad=True))
        moved.optimizer.add_param_group({"params": moved.parameters[-1:], "lr": 0.5})
        moved.step(4)
    alike(here, there)
    saved = there.optimizer.state_dict()
    there.step(5)
    there.optimizer.load_state_dict(saved)
    for p, q in zip(there.parameters, here.parameters, strict=True):
        p.copy_(q.detach().to("cuda"))
    here.step(6)
    there.step(6)
    alike(here, there)
    for again in (copy.deepcopy(there), pickle.loads(pickle.dumps(copy.deepcopy(here)))):
        again.step(7)
    here.step(7)
    there.step(7)
    alike(here, there)


@on_a_gpu
def test_memory_is_free_with_the_optimizer() -> None:
    moved = Moved("cuda")
    for k in range(3):
        moved.step(k)
    held = [weakref.ref(p) for p in moved.parameters]
    gc.collect()
    gc.disable()
    try:
        del moved
        assert [ref() for ref in held] == [None] * len(held)
    finally:
        gc.enable()


def test_what_a_compiled_step_holds_is_free_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the garbage collector, which does not know how little memory a device has."""
    from interpreted import interpreted

    monkeypatch.setattr(numba_kernels, "compiled", interpreted)

    def trained() -> list[Any]:
        w = gg.tensor(np.ones((3, 2)), requires_grad=True)
        optimizer = optim.Adam([w], lr=0.1)

        @gg.jit
        def step(x: Any) -> Any:
            loss = gg.sum((x @ w) ** 2)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            return loss

        for _ in range(3):
            step(gg.ones((2, 3)))
        return [weakref.ref(w), weakref.ref(optimizer), weakref.ref(step)]

    gc.collect()
    gc.disable()
    try:
        assert [ref() for ref in trained()] == [None] * 3
    finally:
        gc.enable()


def test_a_result_can_be_differentiated_when_its_function_is_gone() -> None:
    w = gg.tensor([1.0, 2.0], requires_grad=True)
    loss = gg.sum(gg.jit(lambda x: gg.sin(x * w))(gg.ones(2)))
    gc.collect()
    loss.backward()
    np.testing.assert_allclose(w.grad.numpy(), np.cos([1.0, 2.0]))
