"""The host as a CUDA device: every program runs as it would on a GPU, plan, kernels and all, without one.

It is how CUDA's side is tested where there is none, and how a kernel can be looked at with a debugger. Its arrays are the
host's, of a class of their own, so that what mixes devices fails as it does on a GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gpugrad.backends import cupy_cudnn, half
from gpugrad.backends.base import Backend
from gpugrad.backends.numpy import NumpyBackend
from gpugrad.config import config
from gpugrad.cuda.host import COMPILER, HostArray, HostDevice, inside, outside
from gpugrad.primitive import Primitive


class CudaOnHost(Backend):
    """NumPy computes what is no kernel of a plan."""

    name = "cuda_on_host"
    device_kind = "cuda"
    array_types = (HostArray,)
    compiles = True

    def __init__(self) -> None:
        super().__init__()
        self.numpy = NumpyBackend()
        self.xp = _Namespace()
        self.device = HostDevice()

    def plans_on(self, place: str) -> Any:
        """The device, as plans run on it."""
        return self.device

    def why_not(self) -> str | None:
        return None if COMPILER else "it takes a C++ compiler, and none was found. Install g++"

    def prefers(self, prim: Primitive, args: Sequence[Any], params: dict[str, Any]) -> bool:
        return cupy_cudnn.preferred(self.device.cudnn if config.cudnn else None, prim, args, params)

    def implementation(self, prim: Primitive, array_type: type) -> Callable[..., Any]:
        if prim.kind == "kernel":  # a user's, which runs on the device
            return super().implementation(prim, array_type)
        plain = self.numpy.implementation(prim, np.ndarray)
        narrow = self.numpy.implementation(prim, half.HalfArray)

        def computed(*args: Any, **params: Any) -> Any:
            for a in args:
                if isinstance(a, np.ndarray) and not isinstance(a, HostArray) and prim.name != "beside":
                    raise TypeError(f"{prim.name}: an array of the device and one of NumPy's, {a.dtype}{list(a.shape)}")
            args = tuple(map(_plain, args))
            lead = next((a for a in args[prim.leads :] if isinstance(a, np.ndarray)), None)
            out = (narrow if isinstance(lead, half.HalfArray) else plain)(*args, **params)
            return outside(out)

        return computed

    def asarray(self, data: Any, dtype: Any = None, copy: bool | None = None) -> Any:
        if isinstance(data, HostArray) and not copy and dtype in (None, data.dtype):
            return data
        return outside(
            self.numpy.asarray(inside(data), dtype, True if copy or not isinstance(data, HostArray) else None)
        )

    def full(self, shape: tuple[int, ...], fill: Any, dtype: Any) -> Any:
        return outside(np.full(shape, inside(fill), dtype))

    def synchronize(self) -> None:
        self.device.reports.check()

    def to_numpy(self, array: Any) -> Any:
        self.device.reports.check()
        return array.view(np.ndarray).copy()

    def device_of(self, array: Any) -> str:
        return "cuda:0"

    def devices(self) -> list[str]:
        return ["cuda:0"]

    def copied(self, array: Any) -> Any:
        return outside(np.array(array.view(np.ndarray), order="C"))


def _plain(x: Any) -> Any:
    return [_plain(part) for part in x] if type(x) in (list, tuple) else inside(x)


class _Namespace:
    """NumPy's functions on such arrays."""

    def __getattr__(self, name: str) -> Any:
        found = getattr(np, name)
        if not callable(found) or isinstance(found, type):
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            return outside(found(*map(_plain, args), **{k: _plain(v) for k, v in kwargs.items()}))

        return call
