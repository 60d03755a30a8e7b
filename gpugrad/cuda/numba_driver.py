"""The real device with kernels in Numba CUDA, and in CUDA C++ where Numba has no words for one.

Numba compiles; memory, launches, capture and products are as they are with CUDA C++.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gpugrad.cuda import numba_compiler
from gpugrad.cuda.driver import CudaDevice


class NumbaCudaDevice(CudaDevice):
    """A GPU; :class:`gpugrad.cuda.device.Device` says what each method does."""

    dialects: Sequence[str] = ("numba_cuda", "cuda")

    def _functions(self, text: str) -> Mapping[str, Any]:
        if numba_compiler.MARK not in text:
            return super()._functions(text)
        found: dict[str, Any] = {}
        for name, (code, symbol) in numba_compiler.compiled(text, self.architecture).items():
            found |= self._in_module(code, {name: symbol})
        return found
