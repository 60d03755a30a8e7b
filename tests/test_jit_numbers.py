"""Python floats as arguments of compiled functions: another number makes no other program, where that can be."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from interpreted import interpreted

import gpugrad as gg
from gpugrad.backends import numba_kernels
from gpugrad.transforms import program
from gpugrad.transforms.cells import Cells


@pytest.fixture(autouse=True)
def by_python(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Kernels that Python runs."""
    monkeypatch.setattr(numba_kernels, "compiled", interpreted)
    yield


NUMBERS = (0.5, 0.25, -1.5, 3.0, 0.0, 1e-3)

FORMULAS: dict[str, Callable[..., Any]] = {
    "times": lambda x, n: x * n,
    "on the left": lambda x, n: n - x / (n + 4.0),
    "of numbers": lambda x, n: (1.0 - n) * 0.5 * x,
    "twice": lambda x, n: n * n * x + x,
    "chosen": lambda x, n: gg.where(x > n, x, n),
    "larger": lambda x, n: gg.maximum(x, n) + gg.minimum(n, x),
    "compared": lambda x, n: x < n,
    "of functions": lambda x, n: (
        gg.sin(gg.asarray(x) * gg.exp(-n)) if not isinstance(n, float) else gg.sin(x * math.exp(-n))
    ),
    "a sum": lambda x, n: gg.sum(x * n, axis=0) + n,
    "derivative": lambda x, n: gg.grad(lambda x: gg.sum(gg.tanh(n * x) ** 2))(x),
    "mapped": lambda x, n: gg.vmap(lambda r: gg.sum(r * n))(x),
}


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "bool", "complex64"])
@pytest.mark.parametrize("name", FORMULAS)
def test_two_programs_for_all_numbers(name: str, dtype: str) -> None:
    f = FORMULAS[name]
    x = gg.asarray(np.linspace(-2.0, 2.0, 12).reshape(3, 4)).astype("float64")
    x = gg.asarray(np.asarray(x.numpy()).astype(dtype))
    if (dtype == "complex64" and name in ("chosen", "larger", "compared", "derivative")) or (
        name == "derivative" and dtype in ("int32", "bool")
    ):
        return  # there is no such formula
    compiled = gg.jit(f)
    for k, n in enumerate(NUMBERS):
        before = program.made.count
        got, wanted = compiled(x, n), f(x, n)
        assert got.dtype == wanted.dtype
        np.testing.assert_allclose(
            got.numpy(), wanted.numpy(), rtol=1e-5 if x.dtype.itemsize < 8 or dtype == "complex64" else 1e-12
        )
        assert program.made.count - before == (1 if k < 2 else 0)  # the first as a constant, in case it never changes


def test_dtypes_are_those_of_a_number() -> None:
    f = gg.jit(lambda x, n: x * n)
    for n in NUMBERS:
        assert f(gg.ones(2, dtype="float32"), n).dtype == np.float32
        assert f(gg.ones(2), n).dtype == np.float64


@pytest.mark.parametrize(
    "f",
    [
        lambda x, n: x if n > 0.3 else -x,
        lambda x, n: x * math.exp(n),
        lambda x, n: gg.full(3, n) * x,
        lambda x, n: x * (3.0 if isinstance(n, float) else 2.0) * n,
        lambda x, n: x * (3.0 * n if isinstance(n, float) else 2.0 * n),
        lambda x, n: gg.sin(x) * n if isinstance(n, float) else gg.cos(x) * n,
        lambda x, n: (x * n, n),
        lambda x, n: x * isinstance(n, float) * n,
        lambda x, n: gg.tensor([n, 1.0, 2.0]) * x,
        lambda x, n: gg.clip(x, -n, n),
        lambda x, n: x**n,
        lambda x, n: gg.leaky_relu(x, n),
        lambda x, n: gg.sum(gg.elementwise(lambda a, b: a * b if a > b else b)(x, n)),
    ],
)
def test_where_a_number_has_to_be_known_it_is(f: Callable[..., Any]) -> None:
    x = gg.asarray(np.float32([0.5, 1.0, 2.0]))
    compiled = gg.jit(f)
    for n in (0.5, 0.25, 1.5, 0.5):
        got, wanted = gg.pytree.leaves(compiled(x, n)), gg.pytree.leaves(f(x, n))
        for a, b in zip(got, wanted, strict=True):
            assert type(a) is type(b)
            if isinstance(a, gg.Tensor):
                assert a.dtype == b.dtype
                np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-6)
            else:
                assert a == b


def test_derivatives_and_batches_of_compiled_functions() -> None:
    f = lambda x, n: gg.sum(gg.sin(n * x) * x)
    compiled = gg.jit(f)
    x = gg.asarray(np.linspace(0.1, 1.0, 5))
    rows = gg.stack([x, 2.0 * x])
    for n in NUMBERS:
        for transform in (
            lambda g: gg.grad(lambda x: g(x, n))(x),  # noqa: B023
            lambda g: gg.hessian(lambda x: g(x, n))(x),  # noqa: B023
            lambda g: gg.jvp(lambda x: g(x, n), (x,), (x,))[1],  # noqa: B023
            lambda g: gg.vmap(lambda x: g(x, n))(rows),  # noqa: B023
            lambda g: gg.vmap(gg.grad(lambda x: g(x, n)))(rows),  # noqa: B023
            lambda g: gg.jit(lambda x, m: g(x, m) * m)(x, n),  # noqa: B023
        ):
            np.testing.assert_allclose(transform(compiled).numpy(), transform(f).numpy(), rtol=1e-10, atol=1e-12)
    outer = gg.jit(lambda x, n: compiled(x, n) * n)
    for n in NUMBERS:
        np.testing.assert_allclose(float(outer(x, n)), float(f(x, n)) * n, rtol=1e-12)


def test_a_training_step_with_a_rate_that_changes() -> None:
    w = {"w": gg.tensor(np.float32([1.0, 2.0]), requires_grad=True)}
    eager = gg.tensor(np.float32([1.0, 2.0]), requires_grad=True)

    @gg.jit
    def step(x: Any, rate: float) -> Any:
        w["w"].grad = None
        loss = gg.sum((w["w"] * x) ** 2)
        loss.backward()
        with gg.no_grad():
            w["w"][...] = w["w"] - rate * w["w"].grad
        return loss

    x = gg.asarray(np.float32([0.5, 0.25]))
    made = []
    for k in range(6):
        before, rate = program.made.count, 0.1 / (k + 1)
        step(x, rate)
        made.append(program.made.count - before)
        eager.grad = None
        gg.sum((eager * x) ** 2).backward()
        with gg.no_grad():
            eager[...] = eager - rate * eager.grad
        assert w["w"].dtype == np.float32
        np.testing.assert_allclose(w["w"].detach().numpy(), eager.detach().numpy(), rtol=1e-6)
    assert made[-3:] == [0, 0, 0]


def test_one_loop_though_numbers_are_computed_between() -> None:
    f = gg.jit(lambda x, n: gg.exp(x) * (1.0 - n) + gg.sin(x) * n)
    x = gg.ones(5)
    for n in NUMBERS[:3]:
        f(x, n)
    assert sum("exp_f64(" in t and "sin_f64(" in t for t in f.sources(x, 0.7).values()) == 1
    assert sum("exp_f64(" in t or "sin_f64(" in t for t in f.sources(x, 0.7).values()) == 1


def test_a_float_that_is_declared_static_stays_so() -> None:
    f = gg.jit(lambda x, n, m: x * n if m > 1.0 else x - n, static_argnums=2)
    x = gg.ones(3)
    for n in NUMBERS:
        for m in (0.5, 2.0, 0.5):
            assert f(x, n, m).tolist() == ([n] * 3 if m > 1.0 else [1.0 - n] * 3)
    before = program.made.count
    f(x, 12.0, 2.0)
    f(x, 13.0, 0.5)
    assert program.made.count == before


class Settings:
    rate: Any = 0.0


def test_a_number_that_is_kept_is_a_constant() -> None:
    settings, kept = Settings(), []

    @gg.jit
    def f(x: Any, n: float) -> Any:
        settings.rate = n
        return x * settings.rate

    @gg.jit
    def g(x: Any, n: float) -> Any:
        kept.append(n * 2.0)
        return x * n

    for n in NUMBERS:
        assert f(gg.ones(2), n).tolist() == [n, n]
        assert settings.rate == n
        assert g(gg.ones(2), n).tolist() == [n, n]
        assert kept[-1] == 2.0 * n


def test_a_rate_that_a_step_gives_to_its_optimizer() -> None:
    def trained(compile: Callable[..., Any]) -> list[Any]:
        w = gg.nn.Parameter(gg.tensor(np.float32([1.0, 2.0])))
        opt = gg.optim.SGD([w], lr=1.0)

        def step(x: Any, rate: float) -> Any:
            opt.param_groups[0]["lr"] = rate
            opt.zero_grad()
            loss = gg.sum((w * x) ** 2)
            loss.backward()
            opt.step()
            return loss

        run = compile(step)
        for k in range(5):
            run(gg.asarray(np.float32([0.5, 0.25])), 0.1 / (k + 1))
            assert opt.param_groups[0]["lr"] == 0.1 / (k + 1)
        return w.tolist()

    np.testing.assert_allclose(trained(gg.jit), trained(lambda f: f), rtol=1e-6)


def test_a_function_that_is_found_among_what_it_uses() -> None:
    class Machine:
        def step(self, x: Any) -> Any:
            return x * 2.0

    machine = Machine()
    namespace: dict[str, Any] = {"machine": machine}
    exec("def f(x, n):\n    return machine.step(x) + n", namespace)
    step = namespace["step"] = gg.jit(namespace["f"])  # named as a method that it calls
    for n in (1, 2, 3):
        assert step(gg.ones(2), n).tolist() == [2.0 + n] * 2
    found = Cells(step)._seen
    assert id(machine) in found
    assert id(step._programs) not in found  # what has been compiled leads to the compiler's own objects, and on
