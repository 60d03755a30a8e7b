"""Random training steps: compiled for the CPU and for CUDA they leave what the same steps leave that run one after another."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gpu_programs import DEVICES
from interpreted import interpreted
from random_steps import Steps
from test_table import host

import gpugrad as gg
from gpugrad.backends import numba_kernels, select
from gpugrad.cuda.host import COMPILER

SEEDS = (*range(16), 156)


def same(seed: int, device: str, dtype: str | None = None) -> None:
    """Steps of a seed on a device agree with those of the CPU, step by step."""
    wanted, got = Steps(seed, "cpu", False, dtype), Steps(seed, device, True, dtype)
    for k, (a, b) in enumerate(zip(got.run(), wanted.run(), strict=True)):
        for x, y in zip(a, b, strict=True):
            agree(x, y, f"seed {seed}, step {k}")
    one, two = got.state(), wanted.state()
    assert one.keys() == two.keys()
    for name in one:
        agree(one[name], two[name], f"seed {seed}, {name} at the end")


def agree(x: Any, y: Any, what: str) -> None:
    a, b = host(x), host(y)
    assert a.shape == b.shape and a.dtype == b.dtype, what
    np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5, err_msg=what)


@pytest.mark.parametrize("seed", SEEDS)
def test_on_the_cpu(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba_kernels, "compiled", interpreted)
    same(seed, "cpu")


@pytest.mark.skipif(COMPILER is None, reason="no C++ compiler, which would run CUDA C++ on the CPU")
@pytest.mark.parametrize("seed", SEEDS)
def test_on_cuda(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    device = select.get("cuda_on_host").device
    monkeypatch.setattr(device, "limits", list(DEVICES.values())[seed % len(DEVICES)])
    monkeypatch.setattr(device, "order", seed % 3)
    with gg.use_backend("cuda_on_host"):
        same(seed, "cuda")
