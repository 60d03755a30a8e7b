"""A training step that does not come to its end: parameters, gradients and the optimizer are what they were before."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from interpreted import interpreted

import gpugrad as gg
from gpugrad.backends import numba_kernels
from gpugrad.graph.plan import Plan

X = np.arange(6.0).reshape(2, 3) / 6.0


class Failure(Exception):
    """Raised by the tests."""


@pytest.fixture(autouse=True)
def by_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels that Python runs."""
    monkeypatch.setattr(numba_kernels, "compiled", interpreted)


class Training:
    """A model with two parameters and a step that fails where it is told to."""

    def __init__(self, make: Callable[[Any], Any], error: type[BaseException] = Failure) -> None:
        self.w = gg.tensor([[0.5, -0.2], [0.1, 0.3], [0.7, -0.6]], requires_grad=True)
        self.b = gg.tensor([0.1, 0.2], requires_grad=True)
        self.mean = gg.tensor([0.0, 0.0])
        self.optimizer = make([self.w, self.b])
        self.fails = ""
        self.error = error

    def at(self, place: str) -> None:
        if place == self.fails:
            raise self.error(place)

    def hook(self, g: Any) -> Any:
        self.at("hook")
        return g

    def step(self, x: Any, fails: str) -> Any:
        self.fails = fails
        self.optimizer.zero_grad()
        hidden = x @ self.w + self.b
        hidden.register_hook(self.hook)
        self.mean = 0.9 * self.mean + 0.1 * gg.mean(hidden.detach(), axis=0)
        self.at("loss")
        loss = gg.mean(gg.tanh(hidden) ** 2)
        loss.backward()
        self.at("after backward")
        self.optimizer.step()
        self.at("end")
        return loss

    def everything(self) -> list[Any]:
        """Copies of all that a step changes."""
        tensors = [self.w, self.b, self.mean, self.w.grad, self.b.grad]
        state = self.optimizer.state_dict()["state"]
        arrays = [None if t is None else t.detach().numpy().copy() for t in tensors]
        return arrays + [np.array(v) for entry in state for _, v in sorted(entry.items())]


def same(got: list[Any], wanted: list[Any]) -> None:
    assert len(got) == len(wanted)
    for a, b in zip(got, wanted, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_array_equal(a, b)


OPTIMIZERS = {
    "SGD": lambda p: gg.optim.SGD(p, lr=0.1, momentum=0.9),
    "Adam": lambda p: gg.optim.Adam(p, lr=0.01),
}
PLACES = ["loss", "hook", "after backward", "end"]


@pytest.mark.parametrize("error", [Failure, KeyboardInterrupt])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("before", [0, 2])
def test_a_compiled_step_that_fails_while_it_is_staged(
    place: str, optimizer: str, before: int, error: type[BaseException]
) -> None:
    training = Training(OPTIMIZERS[optimizer], error)
    step = gg.jit(training.step)
    for _ in range(before):
        step(X, "")
    was = training.everything()
    with pytest.raises(error, match=place):
        step(X, place)
    same(training.everything(), was)
    twin = Training(OPTIMIZERS[optimizer])
    other = gg.jit(twin.step)
    for _ in range(before):
        other(X, "")
    assert step(X, "").item() == other(X, "").item()  # and it goes on as if nothing had been
    same(training.everything(), twin.everything())


@pytest.mark.parametrize("error", [Failure, KeyboardInterrupt])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_compiled_step_that_is_broken_off_in_each_of_its_calls(
    optimizer: str, error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever kernel is the last to run, as Ctrl-C may have it, nothing has changed. What writes over the cells when
    all is computed is not broken off (test_step.py), so that kernels which the step itself calls are left out. Gradients,
    which the next step begins by forgetting, may be written earlier.
    """
    calls = 0
    fails = 0

    def made(text: str, _kinds: Any) -> Any:
        run = interpreted(text)

        def kernel(*arguments: Any) -> None:
            nonlocal calls
            run(*arguments)
            if not sys._getframe(1).f_code.co_filename.startswith("<plan"):
                return
            calls += 1
            if calls == fails:
                raise error("in a kernel")

        return kernel

    monkeypatch.setattr(numba_kernels, "compiled", made)
    training = Training(OPTIMIZERS[optimizer])
    step = gg.jit(training.step)
    for _ in range(2):
        step(X, "")
    calls = 0
    step(X, "")
    every = calls
    assert every >= 2
    for k in range(1, every + 1):
        was = training.everything()
        calls, fails = 0, k
        with pytest.raises(error, match="in a kernel"):
            step(X, "")
        after = training.everything()
        same([*after[:3], *after[5:]], [*was[:3], *was[5:]])
    fails = 0
    step(X, "")
    twin = Training(OPTIMIZERS[optimizer])
    other = gg.jit(twin.step)
    for _ in range(4):
        other(X, "")
    same(training.everything(), twin.everything())


def test_a_plan_that_was_broken_off_is_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    f = gg.jit(lambda x: gg.sum(gg.sin(x) * x, axis=-1))
    wanted = f(X).numpy()
    run = Plan.run

    def broken(self: Plan, *arrays: Any) -> Any:
        run(self, *arrays)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Plan, "run", broken)
        with pytest.raises(KeyboardInterrupt):
            f(X)
    np.testing.assert_array_equal(f(X).numpy(), wanted)


@pytest.mark.parametrize("place", ["loss", "hook"])
def test_an_eager_step_that_fails_before_the_gradients_are_there(place: str) -> None:
    training = Training(OPTIMIZERS["Adam"])
    training.step(gg.asarray(X), "")
    w, b, state = training.everything()[0], training.everything()[1], training.everything()[5:]
    with pytest.raises(Failure):
        training.step(gg.asarray(X), place)
    after = training.everything()
    same([after[0], after[1], *after[5:]], [w, b, *state])
    assert after[3] is None and after[4] is None  # zero_grad was before


def test_an_eager_step_whose_closure_fails() -> None:
    training = Training(OPTIMIZERS["Adam"])
    training.step(gg.asarray(X), "")
    was = training.everything()
    training.fails = "closure"
    with pytest.raises(Failure):
        training.optimizer.step(lambda: training.at("closure"))
    same(training.everything(), was)
