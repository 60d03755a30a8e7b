"""Products of plans through cuBLASLt's interface, computed by the library that stands in for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from test_cublaslt import lt, path  # noqa: F401  (fixtures)
from test_cuda_on_host import Training
from test_table import host

import gpugrad as gg
from gpugrad.backends import select
from gpugrad.cuda.cublaslt import CublasLt
from gpugrad.cuda.host import HostDevice, inside, outside
from gpugrad.cuda.products import Products


@pytest.fixture
def products(lt: CublasLt) -> Products:  # noqa: F811
    return Products(HostDevice(), lt, lambda: 77)


def array(*shape: int, dtype: str = "float32") -> Any:
    return outside(np.random.default_rng(len(shape)).normal(size=shape).astype(dtype))


LAYOUTS: dict[str, Callable[[], tuple[Any, Any, tuple[int, ...]]]] = {
    "plain": lambda: (array(5, 7), array(7, 4), (5, 4)),
    "transposed": lambda: (array(7, 5).T, array(4, 7).T, (5, 4)),
    "batches": lambda: (array(3, 5, 7), array(3, 7, 4), (3, 5, 4)),
    "heads": lambda: (array(2, 5, 3, 8).transpose(0, 2, 1, 3), array(2, 6, 3, 8).transpose(0, 2, 3, 1), (2, 3, 5, 6)),
    "one for all": lambda: (array(3, 5, 7), array(7, 4), (3, 5, 4)),
    "every other": lambda: (array(10, 14)[::2, ::2], array(7, 4), (5, 4)),  # no flag says that
    "backwards": lambda: (array(5, 7)[:, ::-1], array(7, 4)[::-1], (5, 4)),
    "float64": lambda: (array(5, 7, dtype="float64"), array(7, 4, dtype="float64"), (5, 4)),
    "nothing to add up": lambda: (array(5, 0), array(0, 4), (5, 4)),
    "nothing": lambda: (array(0, 7), array(7, 4), (0, 4)),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts(name: str, products: Products) -> None:
    x, y, shape = LAYOUTS[name]()
    out = outside(np.full(shape, 9.0, x.dtype))
    run = products.product(x, y, out)
    for _ in range(2):
        inside(x)[...] *= 0.5  # what is there when it is called
        run()
        np.testing.assert_allclose(inside(out), inside(x) @ inside(y), rtol=1e-5, atol=1e-6)


def test_a_result_that_no_flag_describes(products: Products) -> None:
    x, y, whole = array(5, 7), array(7, 4), outside(np.zeros((10, 8), "f"))
    products.product(x, y, whole[::2, ::2])()
    np.testing.assert_allclose(inside(whole)[::2, ::2], inside(x) @ inside(y), rtol=1e-5)
    assert not inside(whole)[1::2].any()


@pytest.fixture
def cuda(products: Products, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A CUDA device whose plans multiply by the library."""
    device = select.get("cuda_on_host").device
    products.device = device
    monkeypatch.setattr(device, "product", products.product)
    with gg.use_backend("cuda_on_host"):
        yield


def test_training(cuda: None, lt: CublasLt) -> None:  # noqa: F811
    """Whole steps, captured where they can be, with every product a call of cuBLASLt."""
    cpu, compiled = Training("cpu", False), Training("cuda", True)
    np.testing.assert_allclose(compiled.steps(6), cpu.steps(6), rtol=1e-5)
    for a, b in zip(cpu.parameters(), compiled.parameters(), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-6)
    assert len(lt.algorithms) >= 4


def test_attention(cuda: None) -> None:
    def f(q: Any, k: Any, v: Any) -> Any:
        heads = [gg.permute_dims(gg.reshape(x, (2, 6, 3, 4)), (0, 2, 1, 3)) for x in (q, k, v)]
        return gg.sum(gg.sin(gg.softmax(heads[0] @ heads[1].mT, axis=-1) @ heads[2]))

    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(2, 6, 12)).astype("f") for _ in range(3)]
    got = gg.jit(gg.grad(f, (0, 1, 2)))(*(gg.tensor(a, device="cuda") for a in arrays))
    for a, b in zip(got, gg.grad(f, (0, 1, 2))(*map(gg.tensor, arrays)), strict=True):
        np.testing.assert_allclose(host(a), host(b), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "complex64"])
def test_dtypes_of_products(dtype: str, cuda: None) -> None:
    """Products of half precision are one call of the library, rounded once; nothing becomes float32 in memory."""
    rng = np.random.default_rng(0)
    x, y = (gg.astype(gg.tensor(rng.normal(size=s)), dtype) for s in ((2, 5, 8), (8, 4)))
    run = gg.jit(lambda x, y: gg.relu(x @ y) if dtype != "complex64" else x @ y)
    there = x.to("cuda"), y.to("cuda")
    got = run(*there)
    assert got.dtype == x.dtype
    wanted = gg.relu(x @ y) if dtype != "complex64" else x @ y
    np.testing.assert_allclose(host(got), host(wanted), rtol=1e-6 if dtype == "complex64" else 1e-2, atol=1e-3)
    assert "cast" not in run.plan(*there)


# ---- with a bias -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("bias", ["vector", "every other", "odd address"])
@pytest.mark.parametrize("name", ["plain", "transposed", "one for all", "every other"])
def test_a_bias_is_added_to_each_row(name: str, bias: str, dtype: str, products: Products) -> None:
    x, y, shape = LAYOUTS[name]()
    kind, n = gg.tensor(0.0, dtype=dtype).dtype, shape[-1]
    x, y = (outside(inside(a).astype(kind, copy=False)) for a in (x, y))
    long = outside(inside(array(2 * n)).astype(kind))
    b = {"vector": long[:n], "every other": long[::2], "odd address": long[1 : n + 1]}[bias]
    out = outside(np.zeros(shape, inside(x).dtype))
    products.product(x, y, out, b)()
    wide = [inside(a).view(np.ndarray).astype("f8") for a in (x, y, b)]
    wanted = wide[0] @ wide[1] + wide[2]
    tolerance = 1e-5 if dtype == "float32" else 2e-2
    found = inside(out).view(np.ndarray).astype("f8")
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance)


def layers(x: Any, w: Any, b: Any, v: Any, c: Any) -> Any:
    """One sum that a product stores, one that is read twice, one that is no bias."""
    h = x @ w + b
    g = c[:4] + h @ v
    return g, gg.sum(g * gg.relu(g)), x @ gg.sin(w) + gg.sum(x)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("rank", [2, 3])
def test_layers_are_products_with_a_bias(rank: int, dtype: str, cuda: None, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    shapes = (5, 7, 6)[-rank:], (6, 8), (8,), (8, 4), (9,)
    given = [gg.astype(gg.tensor(rng.normal(size=s) / 4), dtype) for s in shapes]
    there = [x.to("cuda") for x in given]
    run = gg.jit(layers)
    tolerance = {"float64": 1e-12, "float32": 1e-5}.get(dtype, 3e-2)
    for a, b in zip(run(*there), layers(*given), strict=True):
        np.testing.assert_allclose(host(a).astype("f8"), host(b).astype("f8"), rtol=tolerance, atol=tolerance)
    plan = run.plan(*there)
    assert plan.count("affine") == (0 if dtype == "float64" else 2) and "matmul" in plan
    monkeypatch.setattr(gg.config, "epilogues", False)
    assert "affine" not in gg.jit(layers).plan(*there)


def test_a_bias_is_read_where_it_is_when_the_step_runs(cuda: None) -> None:
    """Steps on parameters that are replaced, in one graph."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(8, 6)).astype("f"), rng.normal(size=(8, 4)).astype("f")
    losses = []
    for device in ("cpu", "cuda"):
        w, b = (gg.tensor(np.ones(s, "f"), device=device, requires_grad=True) for s in ((6, 4), (4,)))
        data, target = gg.tensor(x, device=device), gg.tensor(y, device=device)

        @gg.jit
        def step(w: Any = w, b: Any = b, data: Any = data, target: Any = target) -> Any:
            out = data @ w + b
            loss = gg.mean(gg.softmax(out, axis=-1) * target) + gg.sum(out.detach())
            loss.backward()
            for p in (w, b):
                p.copy_(p.detach() - 0.5 * p.grad)
                p.grad = None
            return loss

        losses.append([step().item() for _ in range(6)])
        if device == "cuda":
            assert "affine" in step.plan() and "# one CUDA graph" in step.plan()
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)
    assert losses[0][0] != losses[0][-1]
