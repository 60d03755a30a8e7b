"""The backends that come with the package; NumPy runs the CPU, and CuPy CUDA devices, unless others are chosen."""

from __future__ import annotations

from gpugrad.backends import select
from gpugrad.backends.base import Backend
from gpugrad.backends.numpy import NumpyBackend
from gpugrad.backends.reference import ReferenceBackend


def _cuda_on_host() -> Backend:
    from gpugrad.backends.cuda_on_host import CudaOnHost  # when asked for, with what it imports

    return CudaOnHost()


def _cupy() -> Backend:
    from gpugrad.backends.cupy import CupyBackend  # when a device is asked for; CuPy itself if there is one

    return CupyBackend()


def _numba_cuda() -> Backend:
    from gpugrad.backends.numba_cuda import NumbaCudaBackend

    return NumbaCudaBackend()


def _numba_cuda_on_host() -> Backend:
    from gpugrad.backends.numba_cuda import NumbaCudaOnHost

    return NumbaCudaOnHost()


select.register("cupy", _cupy)
select.stand_by("cuda", "cupy")
select.register("cuda_on_host", _cuda_on_host)
select.register("numba_cuda", _numba_cuda)
select.register("numba_cuda_on_host", _numba_cuda_on_host)
select.register("reference", ReferenceBackend)
select.register("numpy", NumpyBackend)
select.activate(select.get("numpy"))
