"""The CuPy backend over a stand-in for CuPy, and what it says where it cannot run. Its rows are in test_table.py."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import fake_cupy
import numpy as np
import pytest
from case import Case
from cases import TABLE, rows, sample
from test_table import cast, everything, host

import gpugrad as gg
from gpugrad import errors
from gpugrad.backends import select
from gpugrad.backends.cupy import CupyBackend
from gpugrad.cuda import presence
from gpugrad.cuda.presence import Gpu, Presence

PLACE = "stand_in:0"
GPU = Gpu("a GPU", 80 << 30, (9, 0))
pytestmark = pytest.mark.filterwarnings("ignore::gpugrad.errors.GradientWarning")


def there(data: Any, **options: Any) -> Any:
    return gg.tensor(data, device=PLACE, **options)


# ---- whether it can be used -------------------------------------------------------------------------------------------


def cupy_with(runtime: int = 13020, devices: int = 1) -> SimpleNamespace:
    """What the backend asks of the module."""
    counted = SimpleNamespace(runtimeGetVersion=lambda: runtime, getDeviceCount=lambda: devices)
    memory = SimpleNamespace(OutOfMemoryError=MemoryError)
    return SimpleNamespace(cuda=SimpleNamespace(runtime=counted, memory=memory))


@pytest.mark.parametrize(
    ("found", "cupy", "words"),
    [
        (Presence(None, (), "no NVIDIA driver (x)"), None, "no NVIDIA driver"),
        (Presence((13, 0), (), "the driver finds no device"), None, "finds no device"),
        (Presence((13, 0), (GPU,)), None, r"CuPy is not installed: pip install \"gpugrad\[cuda13\]\""),
        (Presence((12, 4), (GPU,)), None, r"not installed: pip install \"gpugrad\[cuda12\]\""),
        (Presence((12, 4), (GPU,)), cupy_with(), r"built for CUDA 13.2.*supports CUDA 12.4 at most.*gpugrad\[cuda12\]"),
        (Presence((13, 0), (GPU,)), cupy_with(devices=0), "CUDA_VISIBLE_DEVICES"),
        (Presence((13, 0), (GPU,)), ImportError("libnvrtc\nmore"), r"cannot be imported \(ImportError: libnvrtc\)"),
    ],
)
def test_it_says_why_not(monkeypatch, found, cupy, words):
    def imported(self):
        if isinstance(cupy, Exception):
            raise cupy
        return cupy

    monkeypatch.setattr(presence, "presence", lambda: found)
    monkeypatch.setattr(CupyBackend, "_found", lambda self: cupy is not None)
    monkeypatch.setattr(CupyBackend, "_imported", imported)
    monkeypatch.setitem(select._classes, "cupy", CupyBackend)
    monkeypatch.setattr(select, "_made", {k: v for k, v in select._made.items() if k != "cupy"})
    monkeypatch.setattr(select, "_in_use", {k: v for k, v in select._in_use.items() if k != "cuda"})
    with pytest.raises(errors.DeviceError, match=words):
        gg.use_backend("cupy")
    with pytest.raises(errors.DeviceError, match=f"no device 'cuda:1'.*{words}.*gpugrad info"):
        gg.tensor(1.0, device="cuda:1")
    assert select.resolve("auto") == "cpu"


def test_it_wakes_when_a_device_is_asked_for(monkeypatch):
    class Array:
        pass

    Array.__module__ = "cupy"

    class Fake(type(select.get("reference"))):
        name, device_kind, array_types = "cupy", "cuda", (Array,)

        def devices(self):
            return ["cuda:0", "cuda:1"]

    monkeypatch.setitem(select._classes, "cupy", Fake)
    monkeypatch.setattr(select, "_made", {k: v for k, v in select._made.items() if k != "cupy"})
    for ask in (
        lambda: select.resolve("auto"),
        lambda: select.resolve("cuda"),
        lambda: select.on("cuda:1"),
        lambda: select.devices(),
        lambda: select.known_type(Array),
        lambda: select.of(Array()),
    ):
        monkeypatch.setattr(select, "_in_use", {k: v for k, v in select._in_use.items() if k != "cuda"})
        monkeypatch.setattr(select, "_by_type", {k: v for k, v in select._by_type.items() if k is not Array})
        gg.tensor(1.0)
        assert "cuda" not in select._in_use
        assert ask() is not None
        assert select._in_use["cuda"].name == "cupy"
    assert select.resolve("auto") == "cuda:0"


def test_neither_importing_nor_computing_looks_for_cupy():
    code = "import sys, gpugrad as gg; gg.sum(gg.tensor([1.0])); print('gpugrad.backends.cupy' in sys.modules, 'cupy' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["False", "False"]


class Driver:
    """The driver's library, in so far as it is asked."""

    def __init__(self, status: int = 0, count: int = 1) -> None:
        self.status, self.count = status, count

    def __getattr__(self, name: str) -> Any:
        return {
            "cuDriverGetVersion": lambda out: self._set(out, 12040),
            "cuInit": lambda flags: self.status,
            "cuDeviceGetCount": lambda out: self._set(out, self.count),
            "cuDeviceGet": lambda out, k: self._set(out, k),
            "cuDeviceGetName": lambda out, n, k: self._name(out),
            "cuDeviceTotalMem_v2": lambda out, k: self._set(out, 80 << 30),
            "cuDeviceGetAttribute": lambda out, what, k: self._set(out, {75: 9, 76: 0}[what]),
        }[name]

    def _set(self, out: Any, x: int) -> int:
        out._obj.value = x
        return 0

    def _name(self, out: Any) -> int:
        out.value = b"a GPU"
        return 0


def test_what_the_driver_tells():
    assert presence.asked(Driver) == Presence((12, 4), (GPU,))
    assert "CUDA_VISIBLE_DEVICES" in presence.asked(lambda: Driver(count=0)).trouble
    assert "CUDA_VISIBLE_DEVICES" in presence.asked(lambda: Driver(status=100)).trouble
    assert "error 999" in presence.asked(lambda: Driver(status=999)).trouble

    def none() -> Any:
        raise OSError

    assert presence.asked(none).driver is None and "no NVIDIA driver" in presence.asked(none).trouble


# ---- arrays in and out ------------------------------------------------------------------------------------------------


def test_its_arrays_go_in_and_out_without_a_copy():
    array = fake_cupy.MODULE.arange(3.0)
    x = gg.asarray(array)
    assert x.device == PLACE and x._data is array

    class Other:  # of a library that shares memory
        __cuda_array_interface__ = array.__cuda_array_interface__

    assert select.get("stand_in").asarray(Other()) is array
    assert gg.tensor(array)._data is not array
    assert x.__cuda_array_interface__["owner"] is array and x.__dlpack_device__() == (2, 0)


def test_nothing_moves_silently():
    x = there([1.0, 2.0])
    for call in (lambda: x + np.ones(2), lambda: np.ones(2) + x, lambda: x + gg.ones(2), lambda: np.asarray(x)):
        with pytest.raises(errors.DeviceError, match="cpu"):
            call()
    assert (x + 1.0).to("cpu").tolist() == [2.0, 3.0] and x.to("cpu").to(PLACE).device == PLACE


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_goes_to_the_host_and_back(dtype):
    x = there([0.1, 2.0], dtype=dtype)
    assert x.dtype.name == dtype and gg.asarray(x.to("cpu")).to(PLACE).dtype.name == dtype
    assert (x.to("cpu") * 2).dtype.name == dtype
    for out in (x * 2.0, gg.where(x > 1, x, 0.0), x @ x, gg.sum(x), gg.exp(x), gg.sqrt(x), x[0], gg.cumsum(x)):
        assert out.dtype.name == dtype and out.device == PLACE
    for product in (there(np.ones((2, 3, 4)), dtype=dtype) @ there(np.ones((4, 5)), dtype=dtype), x[None] @ x[:, None]):
        assert product.dtype.name == dtype


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("case", [c for c in rows("float16") if "backend" not in c.without], ids=lambda c: c.name)
def test_half_rows_are_as_on_numpy(case: Case, dtype: str):
    args = sample(case)
    if dtype in case.without or "stand_in" in case.without or any(a.dtype.kind == "c" for a in args):
        return
    narrow = [gg.asarray(cast(a, dtype)) for a in args]
    got, wanted = everything(case, [x.to(PLACE) for x in narrow]), everything(case, narrow)
    for g, w in zip(got, wanted, strict=True):
        assert g.dtype == w.dtype and g.shape == w.shape and g.device == PLACE
        scale = float(np.max(np.abs(host(w)[np.isfinite(host(w))]), initial=1.0)) if w.dtype.kind != "b" else 0.0
        np.testing.assert_allclose(host(g), host(w), rtol=0.04, atol=0.04 * scale)


def test_work_is_done_on_the_device_of_the_operands():
    x = gg.tensor([3.0, 1.0], device="stand_in:1", requires_grad=True)
    y = gg.sum(x * x + gg.sort(x))  # operations go where their operands are
    with gg.device("stand_in:1"):
        y.backward()
    assert y.device == x.grad.device == "stand_in:1"
    assert {gg.zeros(2, device="stand_in:1").device, gg.random.key(0, device="stand_in:1").device} == {"stand_in:1"}
    assert x.detach().to(PLACE).device == PLACE and gg.asarray(x.detach(), device=PLACE).device == PLACE
    with pytest.raises(errors.DeviceError, match=r"stand_in:0 and stand_in:1"):
        x + there([1.0, 2.0])
    with pytest.raises(errors.DeviceError, match="no device 'stand_in:7'"):
        gg.zeros(2, device="stand_in:7")


# ---- where CuPy differs -----------------------------------------------------------------------------------------------


def test_positions_are_checked_when_asked_for(monkeypatch):
    x, k = there([1.0, 2.0, 3.0]), gg.tensor([1, 5], device=PLACE)
    assert x[k].to("cpu").tolist() == [2.0, 3.0]  # 5 modulo 3
    assert x[gg.tensor([-1], device=PLACE)].to("cpu").tolist() == [3.0]
    assert gg.one_hot(k, 3).to("cpu").tolist() == [[0, 1, 0], [0, 0, 0]]
    monkeypatch.setattr(gg.config, "check_indices", True)
    with pytest.raises(errors.AxisError, match="index 5 is out of bounds for axis 0 with size 3"):
        x[k]
    with pytest.raises(errors.AxisError, match="5"):
        gg.one_hot(k, 3)


@pytest.mark.parametrize("dtype", ["float32", "int64", "bfloat16"])
def test_sums_at_positions(rng, dtype):
    """Every length up to some rounds of the tree, ties of every length."""
    for n in (0, 1, 2, 3, 5, 8, 33):
        for size in (1, 4, 50):
            k, v = rng.integers(0, size, n), rng.integers(-9, 9, (n, 3))
            got = gg.index_add(there(np.zeros((size, 3)), dtype=dtype), gg.tensor(k, device=PLACE), there(v, dtype=dtype)) if hasattr(gg, "index_add") else None  # fmt: skip
            x = there(np.zeros((size, 3)), dtype="float64", requires_grad=True)
            x[gg.tensor(k, device=PLACE)].backward(there(v, dtype="float64"))
            wanted = np.zeros((size, 3))
            np.add.at(wanted, k, v)
            np.testing.assert_array_equal(x.grad.to("cpu").numpy(), wanted)
            assert got is None or np.array_equal(host(got), wanted)


def test_the_last_of_several_writes_stays(rng):
    for n in (1, 2, 9, 30):
        k, v = rng.integers(0, 6, n), rng.standard_normal((2, n))
        x, y = there(np.zeros((2, 6))), np.zeros((2, 6))
        x[:, gg.tensor(k, device=PLACE)] = there(v)
        for j, place in enumerate(k):
            y[:, place] = v[:, j]
        np.testing.assert_array_equal(x.to("cpu").numpy(), y)


def test_remainders_are_exact():
    x, y = np.array([5.5, -5.5, 1.0, -1.0, 1e20, -0.0, 3.0]), np.array([3.0, 3.0, np.inf, np.inf, 3.0, 2.0, -2.0])
    np.testing.assert_array_equal(host(gg.remainder(there(x), there(y))), np.remainder(x, y))
    np.testing.assert_array_equal(host(there(x) // there(y)), x // y)
    assert not np.array_equal(fake_cupy.MODULE.remainder(there(x)._data, there(y)._data).get(), np.remainder(x, y))


def test_a_matrix_that_has_no_factors_is_an_error():
    with pytest.raises(np.linalg.LinAlgError, match="positive definite"):
        gg.linalg.cholesky(there([[-1.0]]))
    with pytest.raises(np.linalg.LinAlgError, match="inverse"):
        gg.linalg.solve(there([[0.0]]), there([[1.0]]))


def test_out_of_memory_says_what_is_held(monkeypatch):
    x = there(np.ones(1000), requires_grad=True)
    monkeypatch.setattr(fake_cupy.memory, "limit", 10_000)
    for call in (lambda: gg.concat([x, x]), lambda: gg.zeros(2000, device=PLACE), lambda: there(np.ones(2000))):
        with pytest.raises(
            errors.DeviceMemoryError, match=r"16,000 bytes.*pool holds 3 MiB, of which 1 MiB.*1024 MiB free"
        ):
            call()
    with pytest.raises(MemoryError):
        gg.zeros(2000, device=PLACE)
    gg.sum(x * 2.0).backward()  # goes on
    assert x.grad.to("cpu").tolist() == [2.0] * 1000


def test_a_kernel_that_failed_is_heard_of_later(monkeypatch):
    x = there(np.ones(3))
    monkeypatch.setattr(fake_cupy.memory, "broken", True)
    for call in (lambda: x.to("cpu"), gg.synchronize):
        with pytest.raises(
            errors.DeviceError, match=r"cudaErrorIllegalAddress.*anything begun before.*CUDA_LAUNCH_BLOCKING"
        ):
            call()


# ---- CuPy's functions -------------------------------------------------------------------------------------------------


def test_universal_functions_of_cupy_accept_tensors():
    cupy = fake_cupy.MODULE
    x = there([0.5, 1.0], requires_grad=True)
    gg.sum(cupy.sin(x)).backward()
    np.testing.assert_allclose(host(x.grad), np.cos([0.5, 1.0]))
    a = cupy.arange(2.0)
    for out in (cupy.add(a, x), a + x, x + a, a * x, np.sin(x), np.add(a, x), np.sum(x), a < x):
        assert isinstance(out, gg.Tensor) and out.device == PLACE
    with pytest.raises(errors.UnsupportedError, match=r"cupy\.nothing"):
        x.__cupy_override_elementwise_kernel__(SimpleNamespace(name="cupy_nothing"), x)


def test_cupy_has_what_is_asked_of_it():
    """What the backend and the forwards of all rows ask of the stand-in, looked up in CuPy itself."""
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed: its names are not compared")
    for case in TABLE.values():
        if "backend" not in case.without and "stand_in" not in case.without:
            everything(case, [gg.asarray(a, device=PLACE) for a in sample(case)])
    missing = []
    for name in sorted(fake_cupy.USED):
        module, _, last = name.rpartition(".")
        if not hasattr(getattr(cupy, module) if module else cupy, last):
            missing.append(name)
    assert not missing and len(fake_cupy.USED) > 80
    ours = [name for name in vars(fake_cupy.ndarray) if name not in vars(object) and not name.startswith("__r")]
    plain = {"__module__", "__dict__", "__weakref__", "__annotations__", "__static_attributes__", "__firstlineno__"}
    assert not [name for name in ours if name not in plain and not hasattr(cupy.ndarray, name)]
    for name in (
        "memory.OutOfMemoryError",
        "runtime.runtimeGetVersion",
        "runtime.getDeviceCount",
        "runtime.memGetInfo",
    ):
        module, last = name.split(".")
        assert hasattr(getattr(cupy.cuda, module), last)
    import cupyx

    assert cupyx.errstate(linalg="raise") is not None and hasattr(cupy.cuda.Device, "synchronize")
    pool = cupy.get_default_memory_pool()
    assert callable(pool.total_bytes) and callable(pool.free_bytes)
    assert cupy.sin.name == "cupy_sin" and cupy.true_divide.name == "cupy_true_divide"


# ---- on a GPU ---------------------------------------------------------------------------------------------------------


@pytest.mark.gpu
def test_tensors_share_memory_with_cupy_on_a_gpu():
    cupy = pytest.importorskip("cupy")
    a = cupy.arange(3.0)
    x = gg.asarray(a)
    assert (
        x._data is a and cupy.from_dlpack(x).data.ptr == a.data.ptr and gg.from_dlpack(a)._data.data.ptr == a.data.ptr
    )
    t = gg.tensor(a, requires_grad=True)
    gg.sum(cupy.sin(t) * a).backward()
    np.testing.assert_allclose(t.grad.to("cpu").numpy(), np.cos([0.0, 1.0, 2.0]) * [0.0, 1.0, 2.0])


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_products_of_half_precision_on_a_gpu(rng, dtype):
    a, b = rng.standard_normal((2, 5, 7)), rng.standard_normal((2, 7, 3))
    for x, y in ((a, b), (a[0], b[0])):
        got = gg.tensor(x, dtype=dtype, device="cuda") @ gg.tensor(y, dtype=dtype, device="cuda")
        assert got.dtype.name == dtype
        np.testing.assert_allclose(host(got), x @ y, rtol=0.05, atol=0.1)


@pytest.mark.gpu
def test_sums_at_positions_are_the_same_bits_on_a_gpu(rng):
    k = gg.tensor(rng.integers(0, 5, 10_000), device="cuda")
    v = gg.tensor(rng.standard_normal(10_000), dtype="float32", device="cuda")
    runs = []
    for _ in range(3):
        x = gg.zeros(5, dtype="float32", device="cuda").requires_grad_()
        x[k].backward(v)
        runs.append(x.grad.to("cpu").numpy().tobytes())
    assert len(set(runs)) == 1
