"""The backends that come with the package; NumPy runs the CPU unless another is chosen."""

from __future__ import annotations

from gpugrad.backends import select
from gpugrad.backends.base import Backend
from gpugrad.backends.numpy import NumpyBackend
from gpugrad.backends.reference import ReferenceBackend


def _cuda_on_host() -> Backend:
    from gpugrad.backends.cuda_on_host import CudaOnHost  # when asked for, with what it imports

    return CudaOnHost()


select.register("cuda_on_host", _cuda_on_host)
select.register("reference", ReferenceBackend)
select.register("numpy", NumpyBackend)
select.activate(select.get("numpy"))
