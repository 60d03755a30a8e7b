"""The real device, with a driver that stands in for CUDA's: see fake_driver.py. No GPU has part in this."""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import fake_cudnn
import fake_driver
import numpy as np
import pytest
from fake_driver import driver
from test_cublaslt import lt, path  # noqa: F401  (fixtures)
from test_cuda_kernel import host, put, tripled
from test_cuda_on_host import Training
from test_cudnn import Images
from two_gpus import TwoGpus

import gpugrad as gg
from gpugrad import cuda as cuda_package
from gpugrad import pytree
from gpugrad.backends import select
from gpugrad.cuda.cublaslt import CublasLt
from gpugrad.cuda.cudnn import Cudnn
from gpugrad.cuda.driver import CudaDevice
from gpugrad.cuda.frame import WARM
from gpugrad.cuda.host import HostArray
from gpugrad.cuda.products import Products
from gpugrad.cuda.staging import BUFFERS, Ring


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch, lt: CublasLt) -> Callable[[int], Callable[[int], CudaDevice]]:  # noqa: F811
    """Lets a driver stand in that has so many devices; gives what makes each."""

    def made(devices: int) -> Callable[[int], CudaDevice]:
        for name, module in fake_driver.modules(devices).items():
            monkeypatch.setitem(sys.modules, name, module)
        for name, method in fake_driver.METHODS.items():
            monkeypatch.setattr(HostArray, name, method, raising=False)
        nvrtc = types.SimpleNamespace(compiled=lambda text, architecture: text.encode())
        monkeypatch.setitem(sys.modules, "gpugrad.cuda.nvrtc", nvrtc)
        monkeypatch.setattr(cuda_package, "nvrtc", nvrtc, raising=False)
        multiply = Products._call
        monkeypatch.setattr(Products, "_call", lambda self, *xs: _issued(multiply(self, *xs)))
        return device_of_driver

    def device_of_driver(index: int) -> CudaDevice:
        found = CudaDevice(index)
        found._products = Products(found, lt, lambda: driver.stream().ptr)
        return found

    return made


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch, stand_in: Any) -> Iterator[CudaDevice]:
    """A device of the driver that stands in, which the backend of the host works on."""
    made: CudaDevice = stand_in(1)(0)
    backend = select.get("cuda_on_host")
    monkeypatch.setattr(backend, "device", made)
    with gg.use_backend("cuda_on_host"):
        yield made


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch, stand_in: Any) -> Iterator[TwoGpus]:
    """Two of them."""
    backend = TwoGpus(stand_in(2))
    monkeypatch.setitem(select._made, "two_gpus", backend)
    with gg.use_backend("two_gpus"):
        yield backend


def _issued(run: Any) -> Any:
    return lambda: driver.issued(run)


def test_its_properties(device: CudaDevice) -> None:
    assert device.architecture == "sm_90"
    assert device.limits.processors == 2 and device.limits.shared == 227 << 10


def test_more_shared_memory_than_a_launch_has_unasked(device: CudaDevice) -> None:
    x = np.random.default_rng(0).normal(size=(3, 13_001)).astype("f")
    f = gg.jit(lambda x: gg.softmax(2.0 * x, axis=-1))
    there, wanted = put(x, "float32"), gg.softmax(2.0 * gg.asarray(x), axis=-1).numpy()
    np.testing.assert_allclose(host(f(there)), wanted, rtol=1e-5)
    assert list(driver.shared.values()) == [(227 << 10) - fake_driver.TAKEN]
    driver.shared.clear()
    with pytest.raises(gg.errors.DeviceError, match="a call of the driver"):
        f(there)


def test_training(device: CudaDevice) -> None:
    cpu, compiled = Training("cpu", False), Training("cuda", True)
    np.testing.assert_allclose(compiled.steps(7), cpu.steps(7), rtol=1e-5)
    for a, b in zip(cpu.parameters(), compiled.parameters(), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-6)
    assert driver.replays == 7 - WARM


def test_a_kernel_of_the_users(device: CudaDevice) -> None:
    x = np.arange(300.0, dtype="f")
    np.testing.assert_array_equal(host(gg.grad(lambda x: gg.sum(tripled(x) * x))(put(x, "float32"))), 6.0 * x)


def test_graphs_are_given_back(device: CudaDevice) -> None:
    training = Training("cuda", True)
    training.steps(4)
    assert len(driver.graphs) == 1
    del training.call
    gg.jit(lambda x: x + 1.0)(gg.ones(3, device="cuda"))
    import gc

    gc.collect()
    assert len(driver.graphs) == 0


@pytest.mark.parametrize("function", ["cuLaunchKernel", "cuModuleLoadData", "cuGraphInstantiate"])
def test_what_the_driver_says(function: str, device: CudaDevice) -> None:
    training = Training("cuda", True)
    if function == "cuGraphInstantiate":
        training.steps(WARM)
    before = training.parameters()
    driver.failing = function
    with pytest.raises(gg.errors.DeviceMemoryError, match=r"CUDA_ERROR_OUT_OF_MEMORY: out of memory.*1024 MiB free"):
        training.steps(1)
    driver.failing = ""
    for a, b in zip(before, training.parameters(), strict=True):
        np.testing.assert_array_equal(a, b)
    training.steps(3)


def test_convolutions_are_captured(device: CudaDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls of cuDNN go to the stream that is captured, with a workspace that belongs to it."""
    monkeypatch.setattr(fake_cudnn.MODULE, "runs", [])
    monkeypatch.setattr(fake_cudnn.MODULE, "current", lambda: driver.stream().ptr)
    monkeypatch.setattr(fake_cudnn.MODULE, "issued", driver.issued)
    device.__dict__["cudnn"] = Cudnn(device, lambda: driver.stream().ptr, fake_cudnn.MODULE)
    cpu, compiled = Images("cpu", False), Images("cuda", True)
    np.testing.assert_allclose(compiled.steps(6), cpu.steps(6), rtol=1e-4)
    assert driver.replays == 6 - 1 - WARM  # the first step, which has no momentum yet, is another program
    workspaces = [at for graph, at in fake_cudnn.MODULE.runs if graph.name == "conv_wgrad"]
    assert len(workspaces) == 2 * (1 + WARM + 1)
    assert workspaces[-2] == workspaces[-1] not in workspaces[2:-2]


def test_copies_into_what_is_not_in_order(device: CudaDevice) -> None:
    source = device.view(device.memory(24), 0, (2, 3), "float32")
    source.view(np.ndarray)[...] = np.arange(6).reshape(2, 3)
    target = device.view(device.memory(24), 0, (3, 2), "float32").T
    device.fetch(target, source)
    np.testing.assert_array_equal(target.view(np.ndarray), source.view(np.ndarray))


# ---- several devices -------------------------------------------------------------------------------------------------


def test_a_step_on_the_second_device(two: TwoGpus) -> None:
    """The stand-in refuses memory, functions and streams of the other device."""
    cpu = Training("cpu", False)
    losses = cpu.steps(5)
    for where in ("cuda:1", "cuda:0"):
        compiled = Training(where, True)
        replays = driver.replays
        np.testing.assert_allclose(compiled.steps(5), losses, rtol=1e-5)
        assert driver.replays - replays == 5 - WARM
        assert {p.device for p in compiled.model.parameters()} == {where}
        assert {two.device_of(x) for s in compiled.optimizer._state.values() for x in s.values() if hasattr(x, "shape")} == {where}  # fmt: skip
        for a, b in zip(cpu.parameters(), compiled.parameters(), strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-6)
    assert driver.working == [0]


def test_one_function_on_each_device(two: TwoGpus) -> None:
    table = np.arange(3.0)
    f = gg.jit(lambda x: (gg.where(x > 1.0, gg.exp(x), gg.full_like(x, 3.0)), gg.sum(x)))
    for _ in range(2):
        for where in ("cuda:0", "cuda:1"):
            x = gg.tensor(table, device=where)
            out, total = f(x)
            assert out.device == total.device == where
            np.testing.assert_allclose(out.to("cpu").numpy(), np.where(table > 1.0, np.exp(table), 3.0), rtol=1e-12)
    x, y = gg.tensor(table, device="cuda:0"), gg.tensor(table, device="cuda:1")
    both = gg.jit(lambda x, y: gg.sin(x) * y)
    with pytest.raises(gg.errors.DeviceError, match=r"argument 0 is on cuda:0 and argument 1 is on cuda:1.*t\.to"):
        both(x, y)
    with pytest.raises(gg.errors.DeviceError, match="on cuda:1 and argument 1 is on cuda:0"):
        gg.jit(lambda y: gg.sin(x) * y)(y)  # closes over what is on the other
    with pytest.raises(gg.errors.DeviceError, match="cuda:0 and cuda:1"):
        x + y


# ---- streams ---------------------------------------------------------------------------------------------------------


def test_runs_on_two_streams_are_in_order(device: CudaDevice) -> None:
    cpu, compiled = Training("cpu", False), Training("cuda", True)
    f = gg.jit(lambda x: gg.sum(gg.exp(x)) + x)
    x = gg.ones(5, device="cuda")
    np.testing.assert_allclose(compiled.steps(4), cpu.steps(4), rtol=1e-5)
    first = f(x)
    one, other = driver.stream(), fake_driver.Stream()
    driver.log.clear()
    with other:
        np.testing.assert_allclose(compiled.steps(2), cpu.steps(2), rtol=1e-5)
        assert ("wait", other.ptr, one.ptr) in driver.log
        waits = [entry for entry in driver.log if entry[0] == "wait"]
        assert len(waits) == 1  # the second step is behind the first by itself
        np.testing.assert_array_equal(f(x).to("cpu").numpy(), first.to("cpu").numpy())
        assert len([entry for entry in driver.log if entry[0] == "wait"]) == 2
    compiled.steps(1)
    assert driver.log[-2:] != [] and ("wait", one.ptr, other.ptr) in driver.log


def test_the_default_stream_of_another_thread_is_waited_for(
    device: CudaDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[int] = []
    monkeypatch.setattr(device, "synchronize", lambda: waited.append(1))
    with fake_driver.Stream(2):  # which names another stream in each thread
        mine = device.ordered(None)
        assert device.ordered(mine) == mine and not waited
        with ThreadPoolExecutor(1) as pool:
            other = pool.submit(device.ordered, mine).result()
        assert waited and other != mine


# ---- what the host gives ---------------------------------------------------------------------------------------------


def test_numbers_of_the_host_go_to_the_device_together(device: CudaDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the host writes next, a step has the numbers that it was given; copies are read as late as can be."""
    sent: list[int] = []
    send = Ring.send

    def counted(self: Ring, target: Any) -> None:
        sent.append(self.nbytes)
        send(self, target)

    monkeypatch.setattr(Ring, "send", counted)
    results = []
    for where in ("cpu", "cuda"):
        gg.random.seed(3)
        w = gg.tensor(np.ones(4, np.float32), requires_grad=True, device=where)
        opt = gg.optim.Adam([w], lr=0.1)
        drop = gg.nn.Dropout(0.5)
        schedule = gg.optim.Schedule(opt, gg.optim.one_cycle(20))

        @gg.jit
        def step(x: Any, factor: Any, w: Any = w, opt: Any = opt, drop: Any = drop) -> Any:
            opt.zero_grad()
            loss = gg.sum(drop(w * x) ** 2) * factor
            loss.backward()
            opt.step()
            return loss

        losses = []
        for k in range(9):
            x = gg.tensor(np.full(4, k + 1.0, np.float32), device=where)
            losses.append(step(x, 0.5 + k))
            schedule.step()
        results.append([*(loss.item() for loss in losses), *w.detach().to("cpu").numpy()])
    np.testing.assert_allclose(results[1], results[0], rtol=1e-5)
    assert len(sent) == 9  # once for each step: rate, bias corrections, key, factor


def test_a_buffer_is_written_again_when_its_copy_is_done(device: CudaDevice) -> None:
    ring, target = device.staging(16), device.memory(16)
    stream = driver.stream()
    for k in range(BUFFERS + 1):
        ring.buffer()[...] = k
        ring.send(target)
        assert len(driver.waiting[stream.ptr]) == (k + 1 if k < BUFFERS else 1)  # the first copy was waited for
    driver.catch_up(stream)
    assert (target.view(np.ndarray) == BUFFERS).all()
    ring.buffer()[...] = 77
    ring.send(target)
    del ring  # waits for its last copy, before the memory is anybody else's
    assert stream.ptr not in driver.waiting and (target.view(np.ndarray) == 77).all()


# ---- memory ----------------------------------------------------------------------------------------------------------


def state_of(training: Training) -> list[Any]:
    """All that a step changes, as numbers of the host."""
    leaves = pytree.leaves(training.optimizer.state_dict()["state"])
    return [*training.parameters(), *(np.asarray(gg.tensor(x).to("cpu")) for x in leaves)]


@pytest.mark.parametrize("warm", [0, 1, WARM, WARM + 1])
def test_a_step_without_memory_changes_nothing(warm: int, device: CudaDevice) -> None:
    """Whichever allocation it is that fails: of the arena, of the optimizer's state, of a result."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(12, 6)).astype("f"), rng.integers(0, 3, 12)
    whole, small = ([gg.tensor(a[:n], device="cuda") for a in (x, y)] for n in (12, 5))
    gg.random.seed(7)
    cpu, cuda = Training("cpu", False), Training("cuda", True)
    cpu.model.eval()
    cuda.model.eval()  # no random numbers, so that a failed step takes none
    for _ in range(warm):
        cpu.step(gg.tensor(x), gg.tensor(y))
        cuda.call(*whole)
    before, failed = state_of(cuda), 0
    while True:
        failed += 1
        driver.last_allocation = driver.allocations + failed
        try:
            cuda.call(*whole)
        except gg.errors.DeviceMemoryError as error:
            assert re.search(r"allocating [\d,]+ bytes.*pool holds 3 MiB.*1024 MiB free of 81920", str(error))
        else:
            break
        driver.last_allocation = 0
        for a, b in zip(before, state_of(cuda), strict=True):
            np.testing.assert_array_equal(a, b)
    driver.last_allocation = 0
    assert failed > 1
    cpu.step(gg.tensor(x), gg.tensor(y))
    cuda.call(*small)
    cpu.step(gg.tensor(x[:5]), gg.tensor(y[:5]))
    for a, b in zip(cpu.parameters(), cuda.parameters(), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-6)
    assert cuda.optimizer.state_dict()["state"][0]["step"] == warm + 2


@pytest.mark.parametrize("warm", [0, 1, WARM + 1])
def test_an_eager_optimizer_without_memory_moves_nothing(warm: int, device: CudaDevice) -> None:
    """Not some of the parameters, nor their moments alone."""
    training = Training("cuda", False)
    x, y = gg.ones((12, 6), dtype="float32", device="cuda"), gg.zeros(12, dtype="int64", device="cuda")
    for _ in range(warm):
        training.call(x, y)
    gg.cross_entropy(training.model(x), y).backward()
    before, failed = state_of(training), 0
    while True:
        failed += 1
        driver.last_allocation = driver.allocations + failed
        try:
            training.optimizer.step()
        except gg.errors.DeviceMemoryError:
            driver.last_allocation = 0
            for a, b in zip(before, state_of(training), strict=True):
                np.testing.assert_array_equal(a, b)
        else:
            break
    driver.last_allocation = 0
    assert failed > 1 or warm
    assert training.optimizer.state_dict()["state"][0]["step"] == warm + 1


def test_a_call_without_memory(device: CudaDevice) -> None:
    f = gg.jit(lambda x: gg.sum(gg.exp(x) @ x.T, axis=0))
    x = gg.ones((4, 4), device="cuda")
    for failed in range(1, 50):
        driver.last_allocation = driver.allocations + failed
        try:
            out = f(x)
        except gg.errors.DeviceMemoryError:
            continue
        break
    driver.last_allocation = 0
    assert failed > 1
    np.testing.assert_allclose(out.to("cpu").numpy(), f(x).to("cpu").numpy())
    np.testing.assert_allclose(f(x[:2]).to("cpu").numpy(), np.full(2, np.e * 8.0))


# ---- kernels that fail -----------------------------------------------------------------------------------------------


def test_a_kernel_that_fails_is_told_later_or_where_it_is(device: CudaDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    w = gg.tensor(np.ones((4, 4)), requires_grad=True, device="cuda")
    x = gg.ones((4, 4), device="cuda")

    @gg.jit
    def call(x: Any) -> Any:
        y = gg.softmax(x, axis=-1)  # the first kernel
        return gg.sum(gg.exp(y @ x))  # the last

    @gg.jit
    def step(x: Any) -> Any:
        w.grad = None
        loss = gg.sum(gg.sin(w @ x))
        loss.backward()
        w.copy_(w.detach() - 0.1 * w.grad)  # last of all
        return loss

    wanted = [[call(x).item() for _ in range(2)], [step(x).item() for _ in range(WARM + 2)]]
    monkeypatch.setattr(gg.config, "blocking_launches", True)
    started = driver.launches
    assert [call(x).item() for _ in range(2)] == wanted[0]
    each = (driver.launches - started) // 2
    w.copy_(gg.ones((4, 4), device="cuda"))
    replays, started = driver.replays, driver.launches
    np.testing.assert_allclose([step(x).item() for _ in range(WARM + 2)], wanted[1], rtol=1e-12)
    assert driver.replays == replays  # no graph, in which nothing could be waited for
    in_step = (driver.launches - started) // (WARM + 2)
    lines = {
        (call, 1): r"reduce_max .* at test_cuda_driver\.py:\d+: y = gg\.softmax\(x, axis=-1\)",
        (call, each): r"test_cuda_driver\.py:\d+: return gg\.sum\(gg\.exp\(y @ x\)\)",
        (step, in_step): r"test_cuda_driver\.py:\d+: w\.copy_\(w\.detach\(\) - 0\.1 \* w\.grad\)",
    }
    for (function, number), line in lines.items():
        driver.breaking = driver.launches + number
        with pytest.raises(
            gg.errors.DeviceError,
            match=f"the kernel of .*{line}.*cudaErrorIllegalAddress: an illegal memory access was encountered. A",
        ):
            function(x)
        driver.broken = False
    monkeypatch.setattr(gg.config, "blocking_launches", False)
    driver.breaking = driver.launches + each
    call(x)  # nobody has waited
    with pytest.raises(
        gg.errors.DeviceError, match=r"ILLEGAL_ADDRESS.*anything begun before.*blocking_launches = True"
    ):
        call(x)
    with pytest.raises(gg.errors.DeviceError, match=r"IllegalAddress.*anything begun before.*blocking_launches = True"):
        device.synchronize()
    driver.broken, driver.breaking = False, 0
