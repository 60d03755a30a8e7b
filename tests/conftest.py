"""What every test stands on: named backends or an error, seeds, and the marker `gpu`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from cupy_stand_in import StandInBackend
from interpreted import interpreted
from strict_backend import StrictBackend

import gpugrad as gg
from gpugrad import errors
from gpugrad.backends import numba_kernels, select

os.environ["GPUGRAD_CACHE_DIR"] = ""  # what tests compile is not kept; test_kernel_cache.py has a folder of its own

BACKENDS = ("numpy", "reference", "strict", "stand_in")
"""What an ordinary run covers; `--backend` adds others."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--backend", action="append", default=[], help="also test this backend; an error if it is missing")


def pytest_configure(config: pytest.Config) -> None:
    select.register("strict", StrictBackend)
    select.register("stand_in", StandInBackend)
    for name in ("strict", "stand_in"):
        select.activate(select.get(name))
    gg.config.verify_graphs = True
    for name in config.getoption("--backend"):
        try:
            select.activate(select.get(name))
        except errors.DeviceError as missing:
            raise pytest.UsageError(f"--backend {name}: {missing}") from None


def backends(config: pytest.Config) -> list[str]:
    """The backends of this run."""
    return list(dict.fromkeys([*BACKENDS, *config.getoption("--backend")]))


def pytest_report_header(config: pytest.Config) -> str:
    """Which backends this run is about, and what it leaves out."""
    chosen = backends(config)
    absent = [name for name in select.known() if name not in chosen]
    mpi = "" if find_spec("mpi4py") else "; gg.distributed is not tested: mpi4py is missing"
    return f"gpugrad backends: {', '.join(chosen)}" + (f" (not run: {', '.join(absent)})" if absent else "") + mpi


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """The same at the end of a quiet run, which has no header."""
    if config.get_verbosity() < 0:
        terminalreporter.write_line(pytest_report_header(config))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests marked `gpu` run only where a CUDA backend was named, those marked `slow` only where a marker was (`-m slow`),
    examples of gg.distributed only where MPI is; the header says which is missing.
    """
    cuda = any(select.get(name).device_kind == "cuda" for name in config.getoption("--backend"))
    left_out = [
        item
        for item in items
        if (not cuda and item.get_closest_marker("gpu"))
        or (not config.getoption("markexpr") and item.get_closest_marker("slow"))
        or (not find_spec("mpi4py") and item.nodeid.startswith("gpugrad/distributed/"))
    ]
    if left_out:
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test with a parameter `other_backend` runs for every backend but those of NumPy arrays, one with `device_backend`
    for those that have more than the array API standard promises.
    """
    if "device_backend" in metafunc.fixturenames:
        given = [n for n in backends(metafunc.config) if n not in ("numpy", "reference", "strict")]
        metafunc.parametrize("device_backend", given)
    if "other_backend" in metafunc.fixturenames:
        metafunc.parametrize("other_backend", [n for n in backends(metafunc.config) if n not in ("numpy", "reference")])


@pytest.fixture(autouse=True)
def _same_start() -> Iterator[None]:
    """Each test starts from the same seed, records, and leaves the defaults as they were."""
    np.random.seed(0)
    yield
    assert gg.is_grad_enabled(), "a test left gradients switched off"
    assert gg.tensor(0.5).dtype == np.float64, "a test left another default dtype"


@pytest.fixture
def rng() -> Any:
    """Random numbers that are the same in every run."""
    return np.random.default_rng(0)


@pytest.fixture
def by_python(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Kernels that Python runs, since compiling each of thousands would take hours."""
    monkeypatch.setattr(numba_kernels, "compiled", interpreted)
    yield
