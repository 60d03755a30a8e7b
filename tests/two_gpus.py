"""Two GPUs of the driver that stands in (fake_driver.py), as a backend: each array is in memory of one of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import fake_driver
import numpy as np
from fake_driver import driver

from gpugrad.backends.cuda_on_host import CudaOnHost
from gpugrad.cuda.host import HostArray
from gpugrad.primitive import Primitive


def placed(x: Any, operands: Sequence[Any] = ()) -> Any:
    """A copy in memory of the device that works, but of what is a view of operands."""
    if isinstance(x, tuple | list):
        return type(x)(placed(part, operands) for part in x)
    if not isinstance(x, HostArray) or any(isinstance(a, HostArray) and np.may_share_memory(a, x) for a in operands):
        return x
    memory = fake_driver.empty(x.nbytes, np.uint8)
    out = np.ndarray.__new__(HostArray, x.shape, x.dtype, memory)
    out.view(np.ndarray)[...] = x.view(np.ndarray)
    return out


class TwoGpus(CudaOnHost):
    """NumPy computes what is no kernel of a plan, on the device that its operands are on."""

    name = "two_gpus"

    def __init__(self, make: Callable[[int], Any]) -> None:
        super().__init__()
        self.gpus = [make(0), make(1)]

    def plans_on(self, place: str) -> Any:
        return self.gpus[int(place[-1])]

    def current(self, device: str) -> Any:
        return fake_driver._Device(int(device.partition(":")[2] or 0))

    def device_of(self, array: Any) -> str:
        return f"cuda:{driver.device_of(array.ctypes.data) or 0}"

    def devices(self) -> list[str]:
        return ["cuda:0", "cuda:1"]

    def implementation(self, prim: Primitive, array_type: type) -> Callable[..., Any]:
        call = super().implementation(prim, array_type)

        def run(*args: Any, **params: Any) -> Any:
            where = {self.device_of(a) for a in args if isinstance(a, HostArray) and a.size}
            if len(where) > 1:
                raise TypeError("arrays of two devices")
            with self.current(next(iter(where), f"cuda:{driver.working[-1]}")):
                return placed(call(*args, **params), args)

        return run

    def asarray(self, data: Any, dtype: Any = None, copy: bool | None = None) -> Any:
        out = super().asarray(data, dtype, copy)
        return out if out is data else placed(out)

    def full(self, shape: tuple[int, ...], fill: Any, dtype: Any) -> Any:
        return placed(super().full(shape, fill, dtype))

    def full_beside(self, like: Any, shape: tuple[int, ...], fill: Any, dtype: Any) -> Any:
        with self.current(self.device_of(like)):
            return self.full(shape, fill, dtype)

    def to_device(self, array: Any, device: str) -> Any:
        with self.current(device):
            return placed(array)

    def copied(self, array: Any) -> Any:
        return self.to_device(array, self.device_of(array))
