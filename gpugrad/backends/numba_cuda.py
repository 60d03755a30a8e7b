"""CUDA devices whose kernels are Numba's: all else is the CuPy backend's."""

from __future__ import annotations

from typing import Any

from gpugrad.backends.cuda_on_host import CudaOnHost
from gpugrad.backends.cupy import CupyBackend
from gpugrad.cuda import numba_compiler, numba_simulator, presence


class NumbaCudaBackend(CupyBackend):
    """Numba CUDA on a GPU. A kernel that it has no words for (bfloat16, complex numbers) is CUDA C++, as a plan says."""

    name = "numba_cuda"

    def why_not(self) -> str | None:
        if numba_simulator.simulated():
            return "NUMBA_ENABLE_CUDASIM is set, so that Numba's simulator stands for CUDA. Unset it, or use numba_cuda_on_host"
        missing = numba_compiler.missing()
        return super().why_not() or (f'{missing}: pip install "gpugrad[{presence.extra()}]"' if missing else None)

    def _new_device(self, ordinal: int) -> Any:
        from gpugrad.cuda.numba_driver import NumbaCudaDevice  # when first used, with what it imports

        return NumbaCudaDevice(ordinal, self._made)


class NumbaCudaOnHost(CudaOnHost):
    """The same on the host, by Numba's simulator, for arrays of a few elements."""

    name = "numba_cuda_on_host"

    def __init__(self) -> None:
        super().__init__()
        self.device = numba_simulator.SimulatedDevice()

    def why_not(self) -> str | None:
        if not numba_simulator.simulated():
            return "it takes Numba's simulator, which is chosen before Numba is imported. Set NUMBA_ENABLE_CUDASIM=1 in the environment"
        return None
