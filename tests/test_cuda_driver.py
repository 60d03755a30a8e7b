"""The real device, with a driver that stands in for CUDA's: see fake_driver.py. No GPU has part in this."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
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

import gpugrad as gg
from gpugrad import cuda as cuda_package
from gpugrad.backends import select
from gpugrad.cuda.cublaslt import CublasLt
from gpugrad.cuda.cudnn import Cudnn
from gpugrad.cuda.driver import CudaDevice
from gpugrad.cuda.host import HostArray
from gpugrad.cuda.plan import WARM
from gpugrad.cuda.products import Products


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch, lt: CublasLt) -> Iterator[CudaDevice]:  # noqa: F811
    """A device of the driver that stands in, which the backend of the host works on."""
    for name, module in fake_driver.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    for name, method in fake_driver.METHODS.items():
        monkeypatch.setattr(HostArray, name, method, raising=False)
    nvrtc = types.SimpleNamespace(compiled=lambda text, architecture: text.encode())
    monkeypatch.setitem(sys.modules, "gpugrad.cuda.nvrtc", nvrtc)
    monkeypatch.setattr(cuda_package, "nvrtc", nvrtc, raising=False)
    made = CudaDevice()
    made._products = Products(made, lt, lambda: driver.current[-1].ptr)
    multiply = Products._call
    monkeypatch.setattr(Products, "_call", lambda self, *xs: _issued(multiply(self, *xs)))
    backend = select.get("cuda_on_host")
    monkeypatch.setattr(backend, "device", made)
    with gg.use_backend("cuda_on_host"):
        yield made


def _issued(run: Any) -> Any:
    return lambda: driver.issued(run)


def test_its_properties(device: CudaDevice) -> None:
    assert device.architecture == "sm_90"
    assert device.limits.processors == 2


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
    with pytest.raises(gg.errors.DeviceError, match=r"CUDA_ERROR_OUT_OF_MEMORY: out of memory"):
        training.steps(1)
    driver.failing = ""
    for a, b in zip(before, training.parameters(), strict=True):
        np.testing.assert_array_equal(a, b)
    training.steps(3)


def test_convolutions_are_captured(device: CudaDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls of cuDNN go to the stream that is captured, with a workspace that belongs to it."""
    monkeypatch.setattr(fake_cudnn.MODULE, "runs", [])
    monkeypatch.setattr(fake_cudnn.MODULE, "current", lambda: driver.current[-1].ptr)
    monkeypatch.setattr(fake_cudnn.MODULE, "issued", driver.issued)
    device.__dict__["cudnn"] = Cudnn(device, lambda: driver.current[-1].ptr, fake_cudnn.MODULE)
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
