"""gg.distributed: programs of two and three ranks (distributed_programs.py), and what one process can see by itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import gpugrad as gg
from gpugrad import errors

PROGRAMS = Path(__file__).with_name("distributed_programs.py")
BESIDE_PYTHON = Path(sys.prefix, "bin")
"""Where pip puts the mpiexec of its MPI library; one of the system may belong to another library."""

pytest.importorskip("mpi4py", reason="MPI is not installed: nothing of gg.distributed is tested")


def started(program: str, ranks: int) -> subprocess.CompletedProcess[str]:
    """The finished run of one program on some ranks."""
    mpiexec = shutil.which("mpiexec", path=BESIDE_PYTHON) or shutil.which("mpiexec")
    assert mpiexec, f'no mpiexec in {BESIDE_PYTHON} or on the path; install one: pip install "gpugrad[test]"'
    command = [mpiexec, "-n", str(ranks), sys.executable, "-W", "error", "-m", "mpi4py", str(PROGRAMS), program]
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PMI")}
    here = str(PROGRAMS.parent.parent)
    env = clean | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": here}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=env, check=False)


@pytest.mark.parametrize("ranks", [2, 3])
@pytest.mark.parametrize("program", ["values", "derivatives", "differences", "training"])
def test_program(program: str, ranks: int) -> None:
    done = started(program, ranks)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [f"rank {k} of {ranks} is done" in done.stdout for k in range(ranks)] == [True] * ranks


def test_a_rank_that_fails_ends_the_others() -> None:
    done = started("failing", 2)
    assert done.returncode != 0 and "rank 1 is gone" in done.stderr and "is done" not in done.stdout


# ---- one process ------------------------------------------------------------------------------------------------------


@pytest.fixture
def _anew() -> Iterator[None]:
    """MPI looked for again."""
    group = gg.distributed.group
    group.mpi.cache_clear()
    group.world.cache_clear()
    yield
    group.mpi.cache_clear()
    group.world.cache_clear()


@pytest.mark.usefixtures("_anew")
def test_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(errors.MissingExtraError, match=r"needs mpi4py.*gpugrad\[distributed\]"):
        gg.distributed.rank()


class _NoLibrary:
    """Stands for mpi4py where there is no MPI library."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("cannot load MPI library\nlibmpi.so: no such file")


@pytest.mark.usefixtures("_anew")
def test_missing_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mpi4py", _NoLibrary())  # type: ignore[arg-type]
    with pytest.raises(errors.MissingExtraError, match=r"cannot load an MPI library.*pip install mpich"):
        gg.distributed.rank()


@pytest.mark.usefixtures("_anew")
@pytest.mark.parametrize("name", ["PMI_SIZE", "OMPI_COMM_WORLD_SIZE"])
def test_mpiexec_of_another_library(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Each process would think itself alone, and train by itself."""
    monkeypatch.setenv(name, "4")
    with pytest.raises(errors.DistributedError, match="4 processes were started together, and mpi4py sees each"):
        gg.distributed.rank()


def test_arrays_elsewhere_are_refused() -> None:
    x = gg.asarray([1.0], device="strict")
    with pytest.raises(errors.DeviceError, match=r"all_reduce: an array on strict.*on the CPU.*to\('cpu'\)"):
        gg.distributed.all_reduce(x)
    leaf = gg.tensor(x, requires_grad=True)
    leaf.grad = x
    with pytest.raises(errors.DeviceError, match="average_gradients: a tensor on strict"):
        gg.distributed.average_gradients([leaf])


def test_results_do_not_share_memory() -> None:
    x = gg.tensor([1.0, 2.0])
    for f in (gg.distributed.all_reduce, gg.distributed.broadcast, gg.distributed.all_gather, gg.distributed.scatter):
        y = f(x)
        y[0] = 5.0
        assert x.tolist() == [1.0, 2.0]


def test_wrong_arguments() -> None:
    with pytest.raises(TypeError, match="expected an intracommunicator"):
        gg.distributed.rank(group="all")
    with pytest.raises(TypeError, match="parameter 0 is a str"):
        gg.distributed.broadcast_parameters(["weight"])
    with pytest.raises(errors.AxisError, match="for a number"):
        gg.distributed.all_gather(1.0)
