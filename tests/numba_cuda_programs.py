"""Programs whose kernels are Numba CUDA, run by Numba's simulator: test_numba_cuda.py runs this file where it is chosen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numba import cuda as nb_cuda
from test_cuda_on_host import Training

import gpugrad as gg
from gpugrad.backends import select
from gpugrad.cuda.frame import WARM

pytestmark = pytest.mark.filterwarnings("ignore::gpugrad.errors.GradientWarning")


@pytest.fixture(autouse=True)
def cuda() -> Iterator[None]:
    with gg.use_backend("numba_cuda_on_host"):
        yield


def loss(x: Any, a: Any, b: Any) -> Any:
    return gg.mean(gg.softmax(gg.gelu(x) @ gg.transpose(x) * gg.sum(a * b), axis=-1) ** 2)


def test_value_and_gradient() -> None:
    rng = np.random.default_rng(0)
    args = [rng.normal(size=s).astype("f") for s in ((3, 6), (6,), (6,))]
    f = gg.value_and_grad(loss, (0, 1, 2))
    there = [gg.asarray(x, device="cuda") for x in args]
    compiled = gg.jit(f)
    got, wanted = compiled(*there), f(*map(gg.asarray, args))
    for x, y in zip([got[0], *got[1]], [wanted[0], *wanted[1]], strict=True):
        assert x.device == "cuda:0"
        np.testing.assert_allclose(x.to("cpu").numpy(), y.numpy(), rtol=1e-4, atol=1e-6)
    assert "in Numba CUDA" in compiled.plan(*there) and "in CUDA C++" not in compiled.plan(*there)


def test_integers_booleans_and_infinity() -> None:
    x = gg.asarray(np.array([-1.0, 0.0, 2.0, np.inf]), device="cuda")
    k = gg.asarray(np.array([3, -4, 5, 6]), device="cuda")
    f = gg.jit(lambda x, k: ((x > 0.0) & (k > 0), gg.where(k > 4, k // 0, k * 2), gg.log(x), gg.max(x / 0.0)))
    got = [y.to("cpu").numpy() for y in f(x, k)]
    np.testing.assert_array_equal(got[0], [False, False, True, True])
    np.testing.assert_array_equal(got[1], [6, -8, 0, 0])
    np.testing.assert_array_equal(got[2], [np.nan, -np.inf, np.log(2.0), np.inf])
    assert np.isnan(got[3])


def test_half_precision_is_computed_in_single() -> None:
    x = np.linspace(-2.0, 2.0, 12, dtype=np.float16).reshape(3, 4)
    f = gg.jit(lambda x: (gg.sum(x * x, axis=0), gg.layer_norm(x)))
    there = gg.asarray(x, device="cuda")
    for y, wanted in zip(f(there), f(gg.asarray(x)), strict=True):
        np.testing.assert_allclose(y.to("cpu").numpy(), wanted.numpy(), rtol=2e-3, atol=1e-3)
    assert "in CUDA C++" not in f.plan(there)


class Small(Training):
    """Few elements, since each is a thread of Python for a while."""

    def steps(self, n: int) -> list[float]:
        gg.random.seed(1)
        rng = np.random.default_rng(0)
        batches = [(rng.normal(size=(3, 6)).astype("f"), rng.integers(0, 3, 3)) for _ in range(n)]
        self.last = tuple(gg.tensor(a, device=self.device) for a in batches[0])
        return [self.call(*(gg.tensor(a, device=self.device) for a in batch)).item() for batch in batches]


def test_a_training_step_is_one_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    device = select.on("cuda").device
    capture, captured = device.capture, []
    monkeypatch.setattr(device, "capture", lambda calls: (captured.append(len(calls)), capture(calls))[1])
    cpu, cuda = Small("cpu", False), Small("cuda", True)
    np.testing.assert_allclose(cuda.steps(WARM + 2), cpu.steps(WARM + 2), rtol=1e-5)
    for a, b in zip(cpu.parameters(), cuda.parameters(), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-6)
    assert len(captured) == 1
    text = cuda.call.plan(*cuda.last)
    assert "# one CUDA graph\n" in text
    assert text.count("in CUDA C++") == 2 < text.count("in Numba CUDA")  # the two kernels that draw what is dropped


@pytest.mark.parametrize("dtype", ["bfloat16", "complex64"])
def test_what_numba_has_no_words_for_is_cuda(dtype: str) -> None:
    x = gg.astype(gg.asarray(np.array([0.5, -1.0]), device="cuda"), dtype)
    y = gg.asarray(np.array([[0.5, -1.0]]), device="cuda")
    f = gg.jit(lambda x, y: (gg.exp(x) * 2.0, gg.exp(y) * 2.0))
    got = [z.to("cpu").numpy() for z in f(x, y)]
    np.testing.assert_allclose(got[0].astype("c8"), got[1][0], rtol=1e-2)
    kernels = [line for line in f.plan(x, y).splitlines() if line.startswith("kernel_")]
    assert {line.partition(":")[0].partition(" ")[2] for line in kernels} == {"in CUDA C++", "in Numba CUDA"}


@gg.kernel(
    shape="(m,n),()->(m)",
    vjp=lambda g, x, scale: (scale * g[:, None] + 0.0 * x, None),
    launch=lambda x, *_: (x.shape[0], 1),
)
@nb_cuda.jit
def row_sums(x: Any, scale: Any, y: Any) -> None:
    for j in range(x.shape[1]):
        y[nb_cuda.blockIdx.x] += scale * x[nb_cuda.blockIdx.x, j]


def _doubled(x: Any, y: Any) -> None:
    i = nb_cuda.grid(1)
    if i < x.shape[0]:
        y[i] = 2 * x[i]


@gg.kernel(like="x", cuda=_doubled)
def doubled(x: Any, y: Any) -> None:
    for i in range(x.shape[0]):
        y[i] = 2 * x[i]


def test_kernels_that_are_functions_of_numba_cuda() -> None:
    x = np.random.default_rng(0).normal(size=(3, 4))
    there = gg.asarray(x, device="cuda")
    for f in (row_sums, gg.jit(row_sums)):
        np.testing.assert_allclose(f(there, 2.0).to("cpu").numpy(), 2.0 * x.sum(axis=1))
    gradient = gg.grad(lambda x: gg.sum(row_sums(x, 2.0) ** 2))(there)
    np.testing.assert_allclose(gradient.to("cpu").numpy(), 8.0 * x.sum(axis=1)[:, None].repeat(4, 1))
    np.testing.assert_array_equal(gg.vmap(doubled)(there).to("cpu").numpy(), 2.0 * x)
    assert doubled(gg.asarray([3], device="cuda")).to("cpu").tolist() == [6]
    with pytest.raises(gg.errors.DeviceError, match=r"kernel row_sums on cpu; expected arrays on cuda"):
        row_sums(x, 2.0)
    with (
        gg.use_backend("cuda_on_host"),
        pytest.raises(gg.errors.DeviceError, match=r"_doubled is a function of Numba CUDA.*numba_cuda_on_host"),
    ):
        doubled(there[0])


def test_a_function_compiled_before_is_compiled_for_this_backend() -> None:
    f = gg.jit(lambda x: gg.exp(x) * 3.0)
    x = gg.ones(3, device="cuda")
    with gg.use_backend("cuda_on_host"):
        assert "in Numba CUDA" not in f.plan(x)
        f(x)
    f(x)
    assert "in Numba CUDA" in f.plan(x)


def test_numba_cuda_itself_is_not_to_be_simulated() -> None:
    with pytest.raises(gg.errors.DeviceError, match=r"NUMBA_ENABLE_CUDASIM is set.*numba_cuda_on_host"):
        gg.use_backend("numba_cuda")
