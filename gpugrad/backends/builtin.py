"""The backends that come with the package; NumPy runs the CPU unless another is chosen."""

from __future__ import annotations

from gpugrad.backends import select
from gpugrad.backends.numpy import NumpyBackend
from gpugrad.backends.reference import ReferenceBackend

select.register("reference", ReferenceBackend)
select.register("numpy", NumpyBackend)
select.activate(select.get("numpy"))
