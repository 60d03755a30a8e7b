"""gg.kernel on a GPU: CUDA C++ run by the host, and compiled for a GPU. Nothing here ran on one."""

from __future__ import annotations

import functools as ft
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import errors
from gpugrad.cuda import nvrtc
from gpugrad.cuda.host import COMPILER
from gpugrad.testing import check_grads

pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler, which would run CUDA C++ on the CPU")

DECAY = """
// x, as what is left of it decays: y[i] = rate y[i - 1] + x[i]; __global__ void of_a_comment(int x)
__global__ void decayed(const double* __restrict__ x, double rate, double* y, int n)
{
    double total = 0.0;
    for (int i = 0; i < n; ++i) y[i] = total = rate * total + x[i];
}

extern "C" __global__ void __launch_bounds__(32) decayed_back(const double* g, const double rate, double* dx, const long long n)
{
    double total = 0.0;
    for (int i = n - 1; i >= 0; --i) dx[i] = total = rate * total + g[i];
}
"""
TRIPLE = """
#include <cuda_fp16.h>
__device__ float three(float x) { return 3.0f * x; }
__global__ void tripled(const float *x, float *y, int y_size)
{
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < y_size) y[i] = three(x[i]);
}
"""
ROWS = """
__global__ void square_sums(const float x[], float *s, double *counted, unsigned int x_shape_1)
{
    extern __shared__ float part[];
    float total = 0.0f;
    for (unsigned i = threadIdx.x; i < x_shape_1; i += blockDim.x) total += x[blockIdx.z * x_shape_1 + i] * x[blockIdx.z * x_shape_1 + i];
    part[threadIdx.x] = total;
    __syncthreads();
    if (threadIdx.x == 0) {
        for (unsigned t = 1; t < blockDim.x; ++t) total += part[t];
        s[blockIdx.z] = total;
    }
    atomicAdd(counted, 1.0);
}
"""
one = lambda *_: (1, 1)
decayed = gg.kernel(DECAY, name="decayed", shape="(n),()->(n)", launch=one, vjp=lambda g, rate: (back(g, rate), None))
back = gg.kernel(
    DECAY, name="decayed_back", shape="(n),()->(n)", launch=one, vjp=lambda c, rate: (decayed(c, rate), None)
)
X = np.random.default_rng(0).normal(size=6)


@gg.kernel(like="x", cuda=TRIPLE, vjp=lambda g: (tripled(g),))
def tripled(x: Any, y: Any) -> None:
    """Three times x."""
    for i in range(x.size):
        y.flat[i] = 3.0 * x.flat[i]


@pytest.fixture(autouse=True)
def cuda() -> Iterator[None]:
    with gg.use_backend("cuda_on_host"):
        yield


def put(x: Any, dtype: str = "float64") -> Any:
    return gg.asarray(np.asarray(x, dtype), device="cuda")


def host(x: Any) -> Any:
    return x.to("cpu").numpy()


def reference(x: Any, rate: float) -> Any:
    k = np.arange(x.shape[-1])
    return x @ np.where(k >= k[:, None], rate ** (k - k[:, None] + 0.0), 0.0)


def weighed(x: Any) -> Any:
    return gg.sum(decayed(x, 0.5) ** 3)


GRADIENT = 3.0 * reference(reference(X, 0.5)[::-1] ** 2, 0.5)[::-1]


def test_values_and_derivatives() -> None:
    y = decayed(put(X), 0.5)
    assert y.device == "cuda:0" and decayed.__name__ == "decayed"
    np.testing.assert_allclose(host(y), reference(X, 0.5))
    np.testing.assert_allclose(host(decayed(put(X)[::-1], rate=0.5)), reference(X[::-1], 0.5))
    np.testing.assert_allclose(host(gg.grad(weighed)(put(X))), GRADIENT)
    np.testing.assert_allclose(host(gg.jvp(weighed, (put(X),), (put(X),))[1]), GRADIENT @ X)  # by transposition
    second = host(gg.hessian(weighed)(put(X)))
    np.testing.assert_allclose(second, second.T, atol=1e-12)
    assert np.abs(second).max() > 1.0


def test_the_same_rule_on_both_devices() -> None:
    x = np.arange(700.0, dtype="f")  # several blocks, the last not full
    for device in ("cpu", "cuda"):
        t = gg.asarray(x, device=device)
        assert tripled(t).device.startswith(device)
        np.testing.assert_array_equal(host(tripled(t)), 3.0 * x)
        np.testing.assert_array_equal(host(gg.grad(lambda t: gg.sum(tripled(t) * t))(t)), 6.0 * x)
    assert tripled(put(np.zeros((0, 3)), "float32")).shape == (0, 3)
    assert tripled(put(np.zeros(()), "float32")).shape == ()
    check_grads(lambda x: tripled(x), (np.ones(3),))  # on the CPU, in float64


def test_batches() -> None:
    rows = np.random.default_rng(2).normal(size=(2, 4, 6))
    f = lambda x: decayed(x, 0.5)
    np.testing.assert_allclose(host(gg.vmap(gg.vmap(f))(put(rows))), reference(rows, 0.5))
    each = [host(gg.grad(weighed)(put(r))) for r in rows[0]]
    np.testing.assert_allclose(host(gg.vmap(gg.grad(weighed))(put(rows[0]))), each)
    np.testing.assert_allclose(host(gg.jit(gg.vmap(gg.grad(weighed)))(put(rows[0]))), each)


def test_compiled() -> None:
    step = gg.jit(lambda x: gg.grad(weighed)(gg.sin(x) * 2.0) * 3.0)
    np.testing.assert_allclose(host(step(put(X))), host(gg.grad(weighed)(gg.sin(put(X)) * 2.0) * 3.0))
    assert step.plan(put(X)).count("raw_kernel") == 2
    scaled = gg.jit(lambda x, rate: decayed(x, rate) * 2.0)
    for rate in (0.5, 0.25, 0.125):
        np.testing.assert_allclose(host(scaled(put(X), rate)), 2.0 * reference(X, rate))
    empty = gg.jit(lambda x: tripled(x) + 1.0)
    assert empty(put(np.zeros((0, 2)), "float32")).shape == (0, 2)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_in_a_training_step(device: str) -> None:
    def trained(compiled: bool) -> Any:
        w = gg.nn.Parameter(gg.asarray(np.linspace(0.1, 0.6, 6, dtype="f"), device=device))
        opt = gg.optim.SGD([w], lr=1e-2, momentum=0.9)

        def step(x: Any) -> Any:
            loss = gg.sum((tripled(w * x) - 1.0) ** 2)
            loss.backward()
            opt.step()
            opt.zero_grad()
            return loss

        run = gg.jit(step) if compiled else step
        x = gg.ones(6, dtype="float32", device=device)
        losses = [run(x).item() for _ in range(5)]
        if compiled and device == "cuda":
            assert "# one CUDA graph\n" in run.plan(x)
        return [*losses, *host(w.detach())]

    got = trained(True)
    np.testing.assert_allclose(got, trained(False), rtol=1e-5)
    assert got[4] < got[0] / 2


def test_a_launch_rule_shared_memory_and_several_outputs() -> None:
    seen = []

    def launch(x: Any, s: Any, counted: Any) -> Any:
        seen.append((x.shape, s.shape, counted.dtype))
        return (1, 1, x.shape[0]), 32, 32 * 4

    sums = gg.kernel(
        ROWS,
        shape="(m,n)->(m),()",
        dtype=["float32", "float64"],
        launch=launch,
        vjp=lambda gs, x: (2.0 * x * gs[0][:, None],),
    )
    x = np.random.default_rng(0).normal(size=(3, 70)).astype("f")
    s, counted = sums(put(x, "float32"))
    np.testing.assert_allclose(host(s), np.sum(x * x, axis=1), rtol=1e-5)
    assert host(counted) == 96 and seen == [((3, 70), (3,), np.float64)]
    compiled = gg.jit(lambda x: sums(x * 1.0))
    for _ in range(2):  # the second time into memory that is used
        for got, wanted in zip(compiled(put(x, "float32")), (s, counted), strict=True):
            np.testing.assert_array_equal(host(got), host(wanted))
    np.testing.assert_allclose(host(gg.grad(lambda x: gg.sum(sums(x)[0]))(put(x, "float32"))), 2.0 * x)


def test_half_precision_and_whole_numbers() -> None:
    text = """
    __global__ void counted(const __nv_bfloat16* x, const bool* chosen, int step, bool also, long long* n, unsigned long x_size)
    {
        for (unsigned long i = 0; i < x_size; ++i) *n += (chosen[i] || also) && float(x[i]) > 0.5f ? step : 0;
    }"""
    f = gg.kernel(text, shape=lambda x, chosen, step, also: (), dtype="int64", launch=one)
    x, chosen = gg.astype(put([0.25, 0.75, 2.0]), "bfloat16"), put([True, True, False], "bool")
    assert [int(host(f(x, chosen, 3, also))) for also in (False, True)] == [3, 6]


# ---- what does not fit -------------------------------------------------------------------------------------------------


def test_arrays_where_nothing_runs_it() -> None:
    with pytest.raises(errors.DeviceError, match=r"kernel decayed on cpu; expected arrays on cuda, .*x\.to\('cuda'\)"):
        decayed(X, 0.5)
    only = gg.kernel(lambda x, y: None, like="x")
    with pytest.raises(
        errors.DeviceError, match=r"on cuda:0; expected arrays on cpu.* x\.to\('cpu'\), or .*gg\.kernel\(cuda=\)"
    ):
        only(put(X))


def test_dtypes_and_numbers() -> None:
    with pytest.raises(
        errors.DtypeError,
        match=r"decayed: x is of dtype float32, and its parameter in CUDA is const double\* __restrict__ x\. Cast it: x\.astype\('float64'\)",
    ):
        decayed(put(X, "float32"), 0.5)
    with pytest.raises(
        errors.DtypeError, match=r"rate is of dtype float64, and .* is double rate, a number\. Pass a Python number"
    ):
        gg.kernel(DECAY, name="decayed", shape="(n),()->(n)", launch=one)(put(X), put(0.5))
    with pytest.raises(errors.DtypeError, match=r"tripled: x is of dtype float64, .*const float \*x\. Cast it"):
        tripled(put(X))  # the CPU would take it
    for given, declared in ((0.5, "int"), (1j, "double"), (1 << 40, "int"), (-1, "unsigned"), (2.0, "bool")):
        text = f"__global__ void f(const double* x, {declared} k, double* y) {{}}"
        with pytest.raises(errors.DtypeError, match=rf"kernel f: the number .* for {declared} k"):
            gg.kernel(text, like="x")(put(X), given)
    with pytest.raises(errors.DtypeError, match=r"the number 0\.5 for const double\* rate"):
        gg.kernel("__global__ void f(const double* x, const double* rate, double* y) {}", like="x")(put(X), 0.5)
    with pytest.raises(errors.ShapeError, match=r"kernel f: a size of 300 does not fit into signed char n"):
        gg.kernel("__global__ void f(double* x, double* y, signed char n) {}", shape="(n)->(n)")(put(np.ones(300)))


def test_a_launch_that_is_none() -> None:
    for said in (None, (1,), (1, 2000), (1, 0), ((1, 1, 1, 1), 1), (1.5, 1), (-1, 1), (1, 1, "16")):
        f = gg.kernel(DECAY, name="decayed", shape="(n),()->(n)", launch=lambda *_, said=said: said)
        with pytest.raises(
            errors.ArgumentError, match=r"kernel decayed: launch= returned .*expected the number of blocks"
        ):
            f(put(X), 0.5)


def test_declarations_that_are_wrong() -> None:
    cpu = lambda x, y: None
    two = "__global__ void f(const float* x, float* y) {} __global__ void g(const float* x, float* y) {}"
    for declare, said in (
        (lambda: gg.kernel(two, like="x"), r"there is f, g\. Say which is meant: name="),
        (lambda: gg.kernel(two, like="x", name="h"), r"expected __global__ void h\(...\) in its CUDA text; there is f, g"),
        (lambda: gg.kernel("int x;", like="x"), "there is none"),
        (lambda: gg.kernel("__global__ void f(Foo* x, float* y) {}", like="x"), r"parameter 'Foo\* x' .* expected one of, or a pointer to, bool"),
        (lambda: gg.kernel(TRIPLE, shape="(n),()->(n)"), r"expected a part for each of x, y"),
        (lambda: gg.kernel("__global__ void f(float* x, float* y, int m) {}", shape="(n)->(n)"), r"'int m' .* expected one of n, or x_size, x_shape_0 .* of x, y"),
        (lambda: gg.kernel("__global__ void f(float* x, float* y, float x_size) {}", like="x"), "is a size; expected an integer"),
        (lambda: gg.kernel(lambda x, k, y: None, like="x", cuda=TRIPLE), r"2 parameters up to its last array \(const float \*x, float \*y\); expected one for each of x, k, y"),
        (lambda: gg.kernel(cpu, like="x", cuda=lambda x: None), r"has the parameters x; expected one for each of x, y"),
        (lambda: gg.kernel(cpu, like="x", cuda=3), r"cuda=3; expected CUDA C\+\+"),
        (lambda: gg.kernel(cpu, like="x", launch=one), r"launch= and name= .* expected cuda="),
        (lambda: gg.kernel(TRIPLE, like="x", cuda=TRIPLE), r"a function for the CPU beside cuda="),
    ):  # fmt: skip
        with pytest.raises(errors.GpugradError, match=said):
            declare()


def test_a_text_that_does_not_compile_names_the_line(tmp_path: Path) -> None:
    wrong = gg.kernel(
        """
__global__ void wrong(const double* x, double* y)
{
    y[0] = not_there(x[0]);  // here
}""",
        like="x",
    )
    with pytest.raises(
        errors.UnsupportedError, match=r"kernel wrong: its CUDA text cannot be compiled, test_cuda_kernel"
    ):
        gg.jit(lambda x: wrong(x) + 1.0)(put(X))
    fine = gg.jit(lambda x: gg.exp(x) * 2.0)
    fine.plan(put(X))  # waits to be compiled, and has nothing to do with it
    with pytest.raises(errors.UnsupportedError) as caught:
        wrong(put(X))
    said = str(caught.value)
    assert said.startswith("kernel wrong: its CUDA text cannot be compiled, test_cuda_kernel.py:")
    assert ": y[0] = not_there(x[0]);  // here: " in said and "not_there" in said.rpartition("here: ")[2]
    np.testing.assert_allclose(host(fine(put(X))), np.exp(X) * 2.0)
    file = tmp_path / "user.cu"
    file.write_text(DECAY.replace("total + g[i]", "total + h[i]"))
    with pytest.raises(errors.UnsupportedError, match=r"user.cu:\d+: for .*h\[i\];: .*h"):
        gg.kernel(file, name="decayed_back", shape="(n),()->(n)", launch=one)(put(X), 0.5)


# ---- compiled for a GPU ------------------------------------------------------------------------------------------------


@pytest.fixture
def compiler() -> None:
    try:
        nvrtc._nvrtc()
    except errors.MissingExtraError:
        pytest.skip('NVRTC is not installed: pip install "gpugrad[nvrtc]"')


def texts() -> list[Any]:
    from gpugrad.cuda.user_kernel import CudaText

    made = ft.partial(CudaText, preferred="", launch=None, site=(__file__, 1))
    return [made(DECAY, "decayed"), made(TRIPLE, None), made(ROWS, None)]


@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
def test_texts_are_taken_by_nvrtc(compiler: None, architecture: str) -> None:
    for kernel in texts():
        code = nvrtc.compiled(kernel.text, architecture)
        assert code[1:4] == b"ELF" and b"\0" + kernel.function.encode() + b"\0" in code  # by its own name


def test_what_nvrtc_says_names_the_line(compiler: None) -> None:
    kernel = texts()[1]
    kernel.text = kernel.text.replace("three(x[i])", "four(x[i])")
    with pytest.raises(errors.UnsupportedError) as caught:
        nvrtc.compiled(kernel.text, "sm_90")
    said = str(kernel.explained(caught.value))
    assert "kernel tripled: its CUDA text cannot be compiled, test_cuda_kernel.py:" in said
    assert said.endswith('if (i < y_size) y[i] = three(x[i]);: identifier "four" is undefined')
