"""Sums of arrays among zeros, which compiled programs for the CPU compute in one pass."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest

import gpugrad as gg
from gpugrad.backends import numba_assembling, parallel
from gpugrad.cuda.host import COMPILER
from gpugrad.ops.assembling import assemble, merged
from gpugrad.ops.linear import unslice
from gpugrad.transforms.jit import Jitted

needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler, which would run CUDA C++ on the CPU")


def laplacian(u: Any) -> Any:
    return u[1:-1, 2:] + u[1:-1, :-2] + u[2:, 1:-1] + u[:-2, 1:-1] - 4.0 * u[1:-1, 1:-1]


def rosenbrock(x: Any) -> Any:
    return gg.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def in_three(u: Any) -> Any:
    return gg.sum(gg.sin(u[1:, 1:, 2:] * u[:-1, 1:, :-2]) + u[1:, :-1, 1:-1] ** 2)


PROGRAMS: dict[str, tuple[Callable[..., Any], tuple[int, ...]]] = {
    "one axis": (gg.grad(rosenbrock), (9,)),
    "one axis, several runs": (gg.grad(rosenbrock), (10_000,)),
    "a product with the Hessian": (lambda x: gg.jvp(gg.grad(rosenbrock), (x,), (x * 0.5,))[1], (33,)),
    "two axes": (gg.grad(lambda u: gg.sum(gg.square(laplacian(u)))), (7, 9)),
    "three axes": (gg.grad(in_three), (4, 5, 6)),
    "rows of a batch": (gg.vmap(gg.grad(rosenbrock)), (3, 8)),
}


def calls(f: Jitted, *args: Any) -> int:
    """How often the program assembles."""
    return str(f.graph(*args)).count(" = assemble(")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_derivatives_of_slices(name: str, dtype: str) -> None:
    f, shape = PROGRAMS[name]
    x = gg.tensor(np.random.default_rng(0).normal(size=shape), dtype=dtype)
    compiled = gg.jit(f)
    assert calls(compiled, x) == 1 and " = unslice(" not in str(compiled.graph(x))
    tol = {"float32": 2e-5, "float64": 1e-12}[dtype]
    wanted = f(x).numpy()
    for _ in range(2):
        np.testing.assert_allclose(compiled(x).numpy(), wanted, rtol=tol, atol=tol * np.abs(wanted).max())


@needs_compiler
@pytest.mark.parametrize("name", PROGRAMS)
def test_on_cuda(name: str) -> None:
    f, shape = PROGRAMS[name]
    x = gg.tensor(np.random.default_rng(0).normal(size=shape), dtype="float64")
    wanted = f(x).numpy()
    with gg.use_backend("cuda_on_host"):
        there, compiled = x.to("cuda"), gg.jit(f)
        assert calls(compiled, there) == 1 and " = unslice(" not in str(compiled.graph(there))
        assert "assemble: 1 launch " in str(compiled.plan(there))
        found = compiled(there).to("cpu").numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12 * np.abs(wanted).max())


def of_three(x: Any) -> Any:
    """As queries, keys and values: parts of an array of many axes, that do not overlap and leave nothing out."""
    return gg.sum(gg.sin(x[:, :, 0]) * x[:, :, 1] * gg.cos(x[:, :, 2]))


@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=needs_compiler)])
def test_parts_of_many_axes(device: str, dtype: str) -> None:
    data = np.random.default_rng(0).normal(size=(3, 4, 3, 2, 8))
    with gg.use_backend("cuda_on_host") if device == "cuda" else nullcontext():
        x, compiled = gg.tensor(data, dtype=dtype, device=device), gg.jit(gg.grad(of_three))
        wanted = gg.grad(of_three)(gg.tensor(data, dtype=dtype)).numpy()
        assert calls(compiled, x) == (0 if device == "cpu" and gg.dtypes.is_half(x.dtype) else 1)
        found = compiled(x).to("cpu").numpy()
    assert found.dtype == wanted.dtype
    tol = {"float64": 1e-14, "bfloat16": 0.02}[dtype]
    np.testing.assert_allclose(found.astype("d"), wanted.astype("d"), rtol=tol, atol=tol)


@needs_compiler
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_parts_that_overlap_in_half_precision(dtype: str) -> None:
    """They are added up in float32, and rounded once."""
    data = np.random.default_rng(0).normal(size=(7, 9))
    f = gg.grad(lambda u: gg.sum(gg.square(laplacian(u))))
    with gg.use_backend("cuda_on_host"):
        x, compiled = gg.tensor(data, dtype=dtype, device="cuda"), gg.jit(f)
        assert calls(compiled, x) == 1
        found = compiled(x).to("cpu").numpy().astype("d")
    wanted = f(gg.tensor(data)).numpy()
    np.testing.assert_allclose(found, wanted, rtol=0, atol=0.03 * np.abs(wanted).max())


def test_axes_that_all_parts_have_whole_are_one_with_those_before() -> None:
    specs = ((0, 3, 1), (0, 4, 1), (0, 1, 1), (0, 5, 1)), ((0, 3, 1), (0, 4, 1), (1, 2, 1), (0, 5, 1))
    assert merged(specs, (3, 4, 2, 5)) == ([((0, 12, 1), (0, 5, 1)), ((0, 12, 1), (5, 10, 1))], (12, 10))
    assert merged([((1, 2, 1), (2, 3, 1))], (2, 3)) == ([((1, 2, 1), (2, 3, 1))], (2, 3))


def drawn(seed: int) -> tuple[Callable[..., Any], Any]:
    """A sum of products of parts of one array, and the array."""
    rng = np.random.default_rng(seed)
    rank = int(rng.integers(1, 4))
    shape = tuple(int(n) for n in rng.integers(2, 8, rank))
    size = tuple(int(rng.integers(1, n + 1)) for n in shape)
    begins = [tuple(int(rng.integers(n - m + 1)) for n, m in zip(shape, size, strict=True)) for _ in range(6)]
    parts = [tuple(slice(a, a + m) for a, m in zip(begin, size, strict=True)) for begin in begins]

    def f(x: Any) -> Any:
        values = [x[part] for part in parts]
        total = sum(a * gg.sin(b) for a, b in zip(values[::2], values[1::2], strict=True))
        return gg.sum(total * values[0])

    return gg.grad(f), rng.normal(size=shape)


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=needs_compiler)])
def test_random_parts(device: str) -> None:
    assembled = 0
    with gg.use_backend("cuda_on_host") if device == "cuda" else nullcontext():
        for seed in range(10):
            f, data = drawn(seed)
            x, compiled = gg.tensor(data, device=device), gg.jit(f)
            assembled += calls(compiled, x)
            wanted = f(gg.tensor(data)).numpy()
            np.testing.assert_allclose(
                compiled(x).to("cpu").numpy(), wanted, rtol=1e-10, atol=1e-10, err_msg=f"seed {seed}"
            )
    assert assembled >= 5


def test_threads_share_the_first_axis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "LEAST", 0.0)
    monkeypatch.setattr(gg.config, "threads", 3)
    rng = np.random.default_rng(0)
    xs = [rng.normal(size=s) for s in ((4, 5), (7, 3), (1, 8))]
    specs = ((2, 6, 1), (1, 6, 1)), ((0, 7, 1), (5, 8, 1)), ((6, 7, 1), (0, 8, 1))
    wanted = sum(unslice(x, spec=spec, sizes=(7, 8)) for x, spec in zip(xs, specs, strict=True))
    run = numba_assembling.assembler([x.shape for x in xs], xs[0].dtype, specs=specs, sizes=(7, 8))
    np.testing.assert_array_equal(run(*xs), wanted)


@pytest.mark.parametrize("dtype", ["complex64", "complex128", "int32", "int64"])
def test_other_numbers(dtype: str) -> None:
    xs = [np.arange(6).reshape(2, 3).astype(dtype), np.arange(8).reshape(4, 2).astype(dtype)]
    specs = ((1, 3, 1), (0, 3, 1)), ((0, 4, 1), (2, 4, 1))
    wanted = assemble(*xs, specs=specs, sizes=(4, 4))
    found = numba_assembling.assembler([x.shape for x in xs], xs[0].dtype, specs=specs, sizes=(4, 4))(*xs)
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)


def padded(x: Any, before: int, after: int) -> Any:
    return gg.pad(x, ((before, after),))


LEFT: dict[str, Callable[..., Any]] = {
    "read twice": lambda x: ((y := padded(x, 0, 1)), y + padded(x, 1, 0)),
    "with something else": lambda x: padded(x, 1, 1) + gg.ones(7),
    "in steps": lambda x: gg.grad(lambda x: gg.sum(x[::2] ** 2) + gg.sum(x[:3] ** 3))(x),
    "in half precision": lambda x: padded(x.astype("bfloat16"), 0, 1) + padded(x.astype("bfloat16"), 1, 0),
    "of nothing": lambda x: padded(x[:0], 0, 0) + padded(x[:0], 0, 0),
}


@pytest.mark.parametrize("case", LEFT)
def test_what_stays_as_it_is(case: str) -> None:
    f = LEFT[case]
    x = gg.tensor([1.0, -2.0, 3.0, 0.5, 4.0])
    compiled = gg.jit(f)
    assert calls(compiled, x) == 0
    for a, b in zip(
        gg.jit(f)(x) if case == "read twice" else [compiled(x)], f(x) if case == "read twice" else [f(x)], strict=True
    ):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_terms_are_added_in_their_order() -> None:
    """Rounding tells: 1e16 + 1 - 1e16 is 0, and two sums of two terms each are not one of four."""

    def f(a: Any, b: Any, c: Any, d: Any) -> Any:
        return (padded(a, 0, 1) + padded(b, 0, 1)) + padded(c, 0, 1), (padded(a, 1, 0) + padded(b, 1, 0)) + (
            padded(c, 1, 0) + padded(d, 1, 0)
        )

    given = [gg.tensor([v, 0.0]) for v in (1e16, 1.0, -1e16, 1.0)]
    compiled = gg.jit(f)
    assert calls(compiled, *given) == 3
    for a, b in zip(compiled(*given), f(*given), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
