"""Convolution and attention through cuDNN's interface, computed by the module that stands in for it."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import fake_cudnn
import numpy as np
import pytest
from test_table import host

import gpugrad as gg
from gpugrad import dtypes, errors
from gpugrad.backends import select
from gpugrad.cuda import cudnn as module
from gpugrad.cuda.cudnn import Cudnn, Refused, unfit
from gpugrad.cuda.cudnn_layout import heads
from gpugrad.cuda.host import HostDevice, inside, outside
from gpugrad.cuda.matmul_layout import Operand
from gpugrad.ops import attention, convolution
from gpugrad.primitive import registry

TOLERANCE = {"float32": 2e-5, "float16": 4e-3, "bfloat16": 3e-2}


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cudnn]:
    monkeypatch.setattr(fake_cudnn.MODULE, "graphs", [])
    monkeypatch.setattr(fake_cudnn.MODULE, "runs", [])
    yield Cudnn(HostDevice(), lambda: 77, fake_cudnn.MODULE)


def numbers(*shape: int, dtype: str = "float32", seed: int = 0) -> Any:
    """An array of the device."""
    data = np.random.default_rng((*shape, seed)).normal(size=shape)
    return outside(np.ascontiguousarray(data.astype(dtypes.dtype(dtype))))


def run(library: Cudnn, name: str, *operands: Any, **params: Any) -> list[Any]:
    """What the library computes of a primitive."""
    prim = registry[name]
    shapes = prim.shape(*(x.shape for x in operands), **params)
    given = operands[0].dtype if prim.dtype is None else prim.dtype(*(x.dtype for x in operands), **params)
    shapes, kinds = (shapes, given) if prim.outputs else ((shapes,), (given,))
    kinds = kinds if isinstance(kinds, tuple) else (kinds,) * len(shapes)
    outs = [outside(np.full(s, 9.0, d)) for s, d in zip(shapes, kinds, strict=True)]
    library.prepare(name, operands, outs, params)()
    return outs


def agree(got: Any, wanted: Any, dtype: str) -> None:
    a, b = (np.asarray(inside(x)).astype(np.float64) for x in (got, wanted))
    np.testing.assert_allclose(a, b, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype] * max(1.0, np.abs(b).max()))


# ---- convolution ------------------------------------------------------------------------------------------------------

CONVOLUTIONS: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "plain": ((2, 3, 6, 7), (4, 3, 3, 2), {}),
    "padded": ((2, 3, 6, 7), (4, 3, 3, 2), {"padding": ((1, 2), (0, 1))}),
    "strided": ((2, 3, 8, 7), (4, 3, 3, 2), {"stride": (2, 3), "padding": ((1, 1), (1, 1))}),
    "a rest that no window reaches": ((1, 2, 10, 10), (3, 2, 3, 3), {"stride": (4, 4)}),
    "dilated": ((2, 3, 9, 8), (4, 3, 3, 2), {"dilation": (2, 3)}),
    "groups": ((2, 6, 5, 5), (4, 3, 3, 3), {"groups": 2}),
    "depthwise": ((2, 4, 5, 5), (8, 1, 3, 3), {"groups": 4, "padding": ((1, 1), (1, 1))}),
    "one by one": ((2, 5, 4, 4), (3, 5, 1, 1), {}),
    "one item, one channel": ((1, 1, 4, 5), (1, 1, 2, 2), {}),
    "one axis": ((2, 3, 9), (4, 3, 3), {"stride": (2,), "padding": ((1, 2),), "dilation": (2,)}),
    "one axis, groups": ((2, 4, 7), (2, 2, 3), {"groups": 2}),
    "three axes": ((2, 2, 4, 5, 4), (3, 2, 2, 3, 2), {"padding": ((1, 0), (0, 1), (0, 0)), "stride": (1, 2, 1)}),
}


def convolutions(case: str, dtype: str) -> dict[str, tuple[tuple[Any, Any], dict[str, Any], Any]]:
    """For each of the three primitives its operands, parameters and, in float64, what NumPy has."""
    x, w, given = CONVOLUTIONS[case]
    n = len(x) - 2
    params = {"stride": (1,) * n, "padding": ((0, 0),) * n, "dilation": (1,) * n, "groups": 1} | given
    image, weight = numbers(*x, dtype=dtype), numbers(*w, dtype=dtype, seed=1)
    plain = [np.asarray(inside(a)).astype(np.float64) for a in (image, weight)]
    y = convolution.conv(*plain, **params)
    loss = numbers(*y.shape, dtype=dtype, seed=2)
    g = np.asarray(inside(loss)).astype(np.float64)
    of_input, of_weight = {"size": x[2:], **params}, {"kernel": w[2:], **params}
    return {
        "conv": ((image, weight), params, y),
        "conv_input": ((loss, weight), of_input, convolution.conv_input(g, plain[1], **of_input)),
        "conv_weight": ((image, loss), of_weight, convolution.conv_weight(plain[0], g, **of_weight)),
    }


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_convolutions(case: str, dtype: str, library: Cudnn) -> None:
    for name, (operands, params, wanted) in convolutions(case, dtype).items():
        assert (
            library.why_not(name, operands, [SimpleNamespace(shape=wanted.shape, dtype=operands[0].dtype)], params)
            == ""
        )
        (got,) = run(library, name, *operands, **params)
        agree(got, wanted, dtype)


def channels_last(x: Any) -> Any:
    n = x.ndim
    back = outside(np.ascontiguousarray(np.moveaxis(inside(x), 1, -1)))
    return back.transpose(0, n - 1, *range(1, n - 1))


def misaligned(x: Any) -> Any:
    there = outside(np.zeros(x.size + 8, x.dtype))
    at = next(k for k in range(1, 8) if there[k:].ctypes.data % 16)
    part = there[at : at + x.size].reshape(x.shape)
    inside(part)[...] = inside(x)
    return part


LAYOUTS = {
    "channels last": (channels_last, 0),
    "transposed": (lambda x: outside(np.ascontiguousarray(inside(x).T)).T, 2),
    "backwards": (lambda x: outside(np.ascontiguousarray(inside(x)[::-1]))[::-1], 2),
    "every other": (lambda x: outside(np.repeat(inside(x), 2, -1))[..., ::2], 2),
    "not aligned": (misaligned, 2),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("case", ["padded", "groups", "one axis"])
def test_where_operands_lie(case: str, layout: str, library: Cudnn, monkeypatch: Any) -> None:
    """What has its channels last is read there; what lies otherwise is copied each time, and results, too."""
    change, copies = LAYOUTS[layout]
    copied: list[Any] = []
    fetch = HostDevice.fetch
    monkeypatch.setattr(HostDevice, "fetch", lambda self, *xs: (copied.append(xs), fetch(self, *xs)))
    for name, (operands, params, wanted) in convolutions(case, "float32").items():
        moved = [change(x) for x in operands]
        out = change(outside(np.zeros(wanted.shape, np.float32)))
        call = library.prepare(name, moved, [out], params)
        copied.clear()
        for _ in range(2):
            inside(moved[0])[...] *= 2.0
            call()
        agree(out, 4.0 * wanted, "float32")
        assert len(copied) == (2 * (copies + 1) if copies else 0)


def test_a_graph_is_written_once(library: Cudnn, monkeypatch: Any) -> None:
    operands, params, wanted = convolutions("plain", "float32")["conv"]
    for _ in range(3):
        agree(run(library, "conv", *operands, **params)[0], wanted, "float32")
    assert len(fake_cudnn.MODULE.graphs) == 1
    strict = fake_cudnn.MODULE.graphs[0].avoided
    assert strict >= {"TENSOR_CORE", "NONDETERMINISTIC", "WINOGRAD", "DOWN_CONVERT_INPUTS"}
    monkeypatch.setattr(gg.config, "tf32", True)
    monkeypatch.setattr(gg.config, "deterministic", False)
    run(library, "conv", *operands, **params)
    assert len(fake_cudnn.MODULE.graphs) == 2
    assert fake_cudnn.MODULE.graphs[1].avoided == {"DOWN_CONVERT_INPUTS", "REDUCED_PRECISION_REDUCTION"}
    monkeypatch.setattr(gg.config, "tf32", False)
    operands, params, _ = convolutions("plain", "bfloat16")["conv"]
    run(library, "conv", *operands, **params)
    assert "TENSOR_CORE" not in fake_cudnn.MODULE.graphs[2].avoided


def test_calls_on_one_stream_share_a_workspace(library: Cudnn, monkeypatch: Any) -> None:
    sizes = {"conv_input": 4096, "conv_weight": 1024}
    names = dict(zip(sizes, ("conv_dgrad", "conv_wgrad"), strict=True))
    by_name = {names[k]: v for k, v in sizes.items()}
    monkeypatch.setattr(fake_cudnn.pygraph, "get_workspace_size", lambda graph: by_name[graph.name])
    calls = []
    for name in ("conv_weight", "conv_input"):
        operands, params, wanted = convolutions("plain", "float32")[name]
        calls.append(library.prepare(name, operands, [outside(np.zeros(wanted.shape, np.float32))], params))
    for call in calls:
        call()
    (_, first), (_, second) = fake_cudnn.MODULE.runs
    assert first == second  # large enough for both from the start
    monkeypatch.setattr(fake_cudnn.MODULE, "current", lambda: 78)
    library.stream = lambda: 78
    calls[0]()
    assert fake_cudnn.MODULE.runs[-1][1] != first
    assert len(library._workspaces) == 2
    del calls, call
    gc.collect()
    assert not library._workspaces


def test_what_the_library_has_nothing_for(library: Cudnn, monkeypatch: Any) -> None:
    operands, params, wanted = convolutions("plain", "float32")["conv"]
    out = outside(np.zeros(wanted.shape, np.float32))
    monkeypatch.setattr(fake_cudnn.pygraph, "refused", "No engine\nmore")
    for _ in range(2):
        assert library.why_not("conv", operands, [out], params) == "cuDNN has nothing for it (No engine)"
        with pytest.raises(Refused, match=r"conv of float32\[2, 3, 6, 7\].*No engine"):
            library.prepare("conv", operands, [out], params)
    assert len(fake_cudnn.MODULE.graphs) == 1


def test_what_fails_while_it_runs(library: Cudnn, monkeypatch: Any) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("CUDNN_STATUS_EXECUTION_FAILED")

    operands, params, _ = convolutions("plain", "float32")["conv"]
    monkeypatch.setattr(fake_cudnn.pygraph, "execute", fail)
    with pytest.raises(errors.DeviceError, match=r"conv of float32\[2, 3, 6, 7\].*cuDNN fails.*EXECUTION_FAILED"):
        run(library, "conv", *operands, **params)


def test_the_rule() -> None:
    def why(name: str, *shapes: tuple[int, ...], dtype: str = "float32") -> str:
        return unfit(name, [SimpleNamespace(shape=s, dtype=dtypes.dtype(dtype)) for s in shapes], {})

    assert why("conv", (2, 3, 4), (2, 3, 1)) == ""
    assert (
        why("conv", (2, 3, 4), (2, 3, 1), dtype="float64") == "conv of float64; cuDNN takes float16, bfloat16, float32"
    )
    assert "empty" in why("conv", (0, 3, 4), (2, 3, 1))
    assert "4 axes" in why("conv", (1,) * 6, (1,) * 6)
    assert why("attention", (2, 5, 64), (2, 7, 64), (2, 7, 32), dtype="bfloat16") == ""
    assert "rows of 20 elements" in why("attention", (2, 5, 20), (2, 7, 20), (2, 7, 32), dtype="float16")
    assert "float32" in why("attention", (2, 5, 64), (2, 7, 64), (2, 7, 32))
    assert why("matmul", (2, 2), (2, 2)) == "matmul is not cuDNN's"


# ---- whether it is there -----------------------------------------------------------------------------------------------


def test_what_is_missing(monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    assert module.absent().startswith("cuDNN's frontend is not installed: pip install")
    with pytest.raises(errors.DeviceError, match="cudnn"):
        module.load()
    monkeypatch.setattr(module, "find_spec", lambda name: object())

    def missing() -> int:
        raise RuntimeError("libcudnn.so.9: cannot open\nmore")

    monkeypatch.setitem(sys.modules, "cudnn", SimpleNamespace(backend_version=missing))
    assert "RuntimeError: libcudnn.so.9: cannot open" in module.absent()
    monkeypatch.setitem(sys.modules, "cudnn", SimpleNamespace(backend_version=lambda: 92800))
    assert module.absent() == "" and module.load() is sys.modules["cudnn"]


# ---- steps --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def cuda(library: Cudnn, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cudnn]:
    """A CUDA device whose plans convolve by the library."""
    device = select.get("cuda_on_host").device
    library.device = device
    monkeypatch.setattr(device, "cudnn", library)
    with gg.use_backend("cuda_on_host"):
        yield library


class Images:
    """A classifier of images, trained."""

    def __init__(self, device: str, compiled: bool, dtype: str | None = None) -> None:
        key = gg.random.key(3)
        keys = gg.random.split(key, 3)
        self.model = gg.nn.Sequential(
            gg.nn.Conv2d(2, 4, 3, padding=1, key=keys[0]), gg.nn.ReLU(),
            gg.nn.Conv2d(4, 6, 3, stride=2, key=keys[1]), gg.nn.ReLU(),
            gg.nn.Flatten(), gg.nn.Linear(54, 3, key=keys[2]),
        ).to(device)  # fmt: skip
        self.opt = gg.optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9)
        rng = np.random.default_rng(0)
        self.x = gg.tensor(rng.normal(size=(5, 2, 8, 8)).astype("f"), device=device)
        self.y = gg.tensor(rng.integers(0, 3, 5), device=device)
        self.dtype = dtype
        self.call = gg.jit(self.step) if compiled else self.step

    def step(self, x: Any, y: Any) -> Any:
        self.opt.zero_grad()
        with gg.autocast(self.dtype):
            loss = gg.cross_entropy(self.model(x), y)
        loss.backward()
        self.opt.step()
        return loss

    def steps(self, n: int) -> list[float]:
        return [float(self.call(self.x, self.y)) for _ in range(n)]


@pytest.mark.parametrize("dtype", [None, "bfloat16"])
def test_training_with_convolutions_is_one_graph(dtype: str | None, cuda: Cudnn) -> None:
    cpu, compiled = Images("cpu", False, dtype), Images("cuda", True, dtype)
    tol = 1e-4 if dtype is None else 3e-2
    np.testing.assert_allclose(compiled.steps(5), cpu.steps(5), rtol=tol, atol=tol)
    told = str(compiled.call.plan(compiled.x, compiled.y))
    assert "# one CUDA graph" in told
    assert [told.count(f"{name}: cuDNN") for name in ("conv", "conv_input", "conv_weight")] == [2, 1, 2]
    names = [graph.name for graph, _ in fake_cudnn.MODULE.runs]
    assert names.count("conv_fprop") == 2 * 5 and names.count("conv_wgrad") == 2 * 5


def test_without_it_steps_multiply_matrices(cuda: Cudnn, monkeypatch: Any) -> None:
    monkeypatch.setattr(gg.config, "cudnn", False)
    cpu, compiled = Images("cpu", False), Images("cuda", True)
    np.testing.assert_allclose(compiled.steps(3), cpu.steps(3), rtol=1e-4)
    assert not fake_cudnn.MODULE.runs
    assert "cuDNN" not in str(compiled.call.plan(compiled.x, compiled.y))


# ---- one operation after another -----------------------------------------------------------------------------------------


class OfFakeCupy(HostDevice):
    """The memory of the arrays that stand in for CuPy's."""

    def address(self, array: Any) -> int:
        return int((array if isinstance(array, np.ndarray) else array._a).ctypes.data)

    def fetch(self, target: Any, source: Any) -> None:
        a, b = (np.asarray(x if isinstance(x, np.ndarray) else x._a) for x in (target, source))
        np.copyto(a, b)


@pytest.fixture
def eager(library: Cudnn, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cudnn]:
    """The CuPy backend, over the stand-in for CuPy, with the library."""
    library.device = OfFakeCupy()
    backend = select.get("stand_in")
    monkeypatch.setattr(backend, "_cudnn", lambda ordinal: library if gg.config.cudnn else None)
    _forget()
    yield library
    _forget()


def _forget() -> None:
    """Let primitives ask the backend again what runs them."""
    for prim in registry.values():
        prim.impl.clear()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float64"])
def test_convolution_on_cupy(dtype: str, eager: Cudnn, monkeypatch: Any) -> None:
    rng = np.random.default_rng(0)
    x, w = (rng.normal(size=s) for s in ((2, 4, 6, 5), (6, 2, 3, 3)))

    def f(x: Any, w: Any) -> Any:
        return gg.sum(gg.sin(gg.conv2d(x, w, padding=1, stride=2, groups=2).astype("float32")))

    def gradients(device: str) -> Any:
        return gg.grad(f, (0, 1))(*(gg.tensor(a, dtype=dtype).to(device) for a in (x, w)))

    wanted, got = gradients("cpu"), gradients("stand_in:0")
    names = [graph.name for graph, _ in fake_cudnn.MODULE.runs]
    assert sorted(names) == ([] if dtype == "float64" else ["conv_dgrad", "conv_fprop", "conv_wgrad"])
    for a, b in zip(got, wanted, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(
            host(a), host(b), rtol=TOLERANCE.get(dtype, 1e-6), atol=0.05 if dtype == "bfloat16" else 1e-5
        )
    before = len(names)
    monkeypatch.setattr(gg.config, "cudnn", False)
    for a, b in zip(gradients("stand_in:0"), wanted, strict=True):
        np.testing.assert_allclose(host(a), host(b), rtol=1e-4, atol=0.05 if dtype == "bfloat16" else 1e-5)
    assert len(fake_cudnn.MODULE.runs) == before


def test_cupy_goes_on_where_the_library_has_nothing(eager: Cudnn, monkeypatch: Any) -> None:
    monkeypatch.setattr(fake_cudnn.pygraph, "refused", "no")
    x, w = gg.ones((1, 2, 4, 4), dtype="float32"), gg.ones((3, 2, 2, 2), dtype="float32")
    got = gg.conv2d(x.to("stand_in:0"), w.to("stand_in:0"))
    np.testing.assert_array_equal(host(got), host(gg.conv2d(x, w)))
    assert not fake_cudnn.MODULE.runs


# ---- attention ----------------------------------------------------------------------------------------------------------

ATTENTION: dict[str, tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], bool]] = {
    "plain": ((2, 3, 5, 8), (2, 3, 7, 8), (2, 3, 7, 16), False),
    "causal": ((2, 3, 6, 8), (2, 3, 6, 8), (2, 3, 6, 8), True),
    "more keys": ((2, 4, 8), (2, 7, 8), (2, 7, 8), True),
    "more queries": ((2, 7, 8), (2, 4, 8), (2, 4, 8), True),
    "one row": ((1, 16), (5, 16), (5, 8), False),
    "many batches": ((2, 3, 2, 4, 8), (2, 3, 2, 4, 8), (2, 3, 2, 4, 8), True),
}


def heads_last(x: Any) -> Any:
    """(..., heads, n, d) as layers lay it out: (..., n, heads, d)."""
    return outside(np.ascontiguousarray(inside(x).swapaxes(-2, -3))).swapaxes(-2, -3) if x.ndim > 2 else x


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("layout", [lambda x: x, heads_last, LAYOUTS["backwards"][0], misaligned])
@pytest.mark.parametrize("case", ATTENTION)
def test_attention(case: str, layout: Any, dtype: str, library: Cudnn) -> None:
    *shapes, causal = ATTENTION[case]
    operands = [layout(numbers(*shape, dtype=dtype, seed=k)) for k, shape in enumerate(shapes)]
    params = {"causal": causal, "scale": 0.3}
    plain = [np.asarray(inside(x)).astype(np.float64) for x in operands]
    wanted, _ = attention.attention(*plain, **params)
    out, stats = run(library, "attention", *operands, **params)
    agree(out, wanted, dtype)
    g = layout(numbers(*wanted.shape, dtype=dtype, seed=3))
    found = run(library, "attention_back", g, *operands, out, stats, **params)
    for a, b in zip(
        found, attention.attention_back(np.asarray(inside(g)).astype(float), *plain, None, None, **params), strict=True
    ):
        agree(a, b, dtype)


def test_the_gradient_of_attention_has_the_same_bits_unless_told(library: Cudnn, monkeypatch: Any) -> None:
    q, k, v = (numbers(2, 4, 8, dtype="float16", seed=k) for k in range(3))
    params = {"causal": False, "scale": 1.0}
    for same in (True, False):
        monkeypatch.setattr(gg.config, "deterministic", same)
        out, stats = run(library, "attention", q, k, v, **params)
        run(library, "attention_back", q, q, k, v, out, stats, **params)
        assert fake_cudnn.MODULE.graphs[-1].params["use_deterministic_algorithm"] is same


def attend(q: Any, k: Any, v: Any) -> Any:
    return gg.scaled_dot_product_attention(q, k, v, is_causal=True)


def weighed(q: Any, k: Any, v: Any) -> Any:
    return gg.sum(gg.sin(attend(q, k, v).astype("float32")))


def triples(*shape: int, device: str = "cpu") -> list[Any]:
    rng = np.random.default_rng(1)
    return [gg.tensor(rng.normal(size=shape), dtype="float16").to(device) for _ in range(3)]


def near(got: Any, wanted: Any) -> None:
    for a, b in zip(got, wanted, strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        np.testing.assert_allclose(host(a), host(b), rtol=2e-2, atol=2e-2)


MODES = {
    "value": lambda *x: (attend(*x),),
    "reverse": gg.grad(weighed, (0, 1, 2)),
    "forward": lambda *x: (gg.jvp(attend, x, x[::-1])[1],),
    "batched": lambda *x: gg.vmap(gg.grad(weighed, (0, 1, 2)), (0, 0, 0))(*x),
    "one of them batched": lambda *x: (gg.vmap(attend, (0, None, None))(x[0], x[1][0], x[2][0]),),
    "second order": lambda *x: gg.jvp(gg.grad(weighed, (0, 1, 2)), x, x[::-1])[1],
    "twice in reverse": lambda *x: gg.grad(
        lambda *y: sum(gg.sum(g * g) for g in gg.grad(weighed, (0, 1, 2))(*y)), (0, 2)
    )(*x),
}


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_of_attention(mode: str, eager: Cudnn) -> None:
    wanted = MODES[mode](*triples(2, 5, 8))
    assert not fake_cudnn.MODULE.runs
    near(MODES[mode](*triples(2, 5, 8, device="stand_in:0")), wanted)
    names = [graph.name for graph, _ in fake_cudnn.MODULE.runs]
    if mode == "reverse":
        assert names == ["sdpa", "sdpa_backward"]  # one for all operands
    assert ("sdpa" in names) == (mode != "one of them batched")  # whose batches broadcast
    assert ("sdpa_backward" in names) == (mode in ("reverse", "batched", "second order", "twice in reverse"))


def test_what_attention_leaves_to_products(eager: Cudnn, monkeypatch: Any) -> None:
    q, k, v = triples(2, 5, 8, device="stand_in:0")
    gg.scaled_dot_product_attention(q, k, v, gg.ones((5, 5), dtype="bool", device="stand_in:0"))
    gg.scaled_dot_product_attention(q, k[:1], v)
    gg.scaled_dot_product_attention(*(x.astype("float32") for x in (q, k, v)))
    gg.scaled_dot_product_attention(*(x[..., :7] for x in (q, k, v)))
    monkeypatch.setattr(gg.config, "cudnn", False)
    gg.scaled_dot_product_attention(q, k, v)
    assert not fake_cudnn.MODULE.runs


class Sequences(Images):
    """A layer of attention, trained."""

    def __init__(self, device: str, compiled: bool) -> None:
        self.model = gg.nn.MultiHeadAttention(16, 2, key=gg.random.key(5)).to(device)
        self.opt = gg.optim.SGD(self.model.parameters(), lr=0.1)
        rng = np.random.default_rng(0)
        self.x, self.y = (gg.tensor(rng.normal(size=(3, 6, 16)).astype("f"), device=device) for _ in range(2))
        self.call = gg.jit(self.step) if compiled else self.step

    def step(self, x: Any, y: Any) -> Any:
        self.opt.zero_grad()
        with gg.autocast("bfloat16"):
            loss = gg.mse_loss(self.model(x, is_causal=True), y)
        loss.backward()
        self.opt.step()
        return loss


def test_training_with_attention_is_one_graph(cuda: Cudnn) -> None:
    cpu, compiled = Sequences("cpu", False), Sequences("cuda", True)
    np.testing.assert_allclose(compiled.steps(5), cpu.steps(5), rtol=2e-2)
    told = str(compiled.call.plan(compiled.x, compiled.y))
    assert "# one CUDA graph" in told and told.count("attention: cuDNN") == told.count("attention_back: cuDNN") == 1
    assert [graph.name for graph, _ in fake_cudnn.MODULE.runs] == ["sdpa", "sdpa_backward"] * 5


def test_where_heads_lie() -> None:
    whole = np.zeros((2, 5, 3, 8), np.float16)
    at = heads(Operand.of(whole.transpose(0, 2, 1, 3)))
    assert at is not None and at.shape == (2, 3, 5, 8) and at.strides == (120, 8, 24, 1)
    five = heads(Operand.of(np.zeros((2, 3, 4, 5, 8), np.float16)))
    assert five is not None and five.shape == (6, 4, 5, 8)
    assert heads(Operand.of(np.broadcast_to(np.zeros((1, 5, 8), np.float16), (3, 5, 8)))) is None
    assert heads(Operand.of(np.zeros((5, 8), np.float16).T)) is None
