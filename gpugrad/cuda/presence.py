"""Whether a CUDA driver and devices are here, asked of the driver itself: no package is imported, no memory taken."""

from __future__ import annotations

import ctypes
import functools as ft
import sys
from dataclasses import dataclass
from typing import Any

LIBRARY = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
_MAJOR, _MINOR = 75, 76
"""The driver's numbers of the attributes that together are the compute capability."""


@dataclass(frozen=True)
class Gpu:
    """A device as the driver describes it."""

    name: str
    memory: int
    """Bytes."""
    capability: tuple[int, int]


@dataclass(frozen=True)
class Presence:
    """What the driver told."""

    driver: tuple[int, int] | None
    """The newest version of CUDA that the driver supports; None if there is no driver."""
    gpus: tuple[Gpu, ...]
    trouble: str = ""
    """Why there are no devices, if there are none."""


def driver_library() -> Any:
    """The driver's library; OSError if there is none."""
    return ctypes.CDLL(LIBRARY)


@ft.cache
def presence() -> Presence:
    """What is here, found out once in a process."""
    return asked(driver_library)


def asked(load: Any) -> Presence:
    """What the driver that ``load`` gives tells about itself and its devices."""
    try:
        cuda = load()
    except OSError:
        return Presence(None, (), f"no NVIDIA driver ({LIBRARY} was not found)")
    version = ctypes.c_int(0)
    cuda.cuDriverGetVersion(ctypes.byref(version))
    driver = version.value // 1000, version.value % 1000 // 10
    status = cuda.cuInit(0)
    if status:
        return Presence(driver, (), _told(status))
    count = ctypes.c_int(0)
    status = cuda.cuDeviceGetCount(ctypes.byref(count))
    if status or not count.value:
        return Presence(driver, (), _told(status or 100))
    return Presence(driver, tuple(_gpu(cuda, k) for k in range(count.value)))


def _told(status: int) -> str:
    if status == 100:
        return "the driver finds no device; CUDA_VISIBLE_DEVICES may hide them"
    return f"the driver fails to start (error {status}); nvidia-smi may say why"


def _gpu(cuda: Any, ordinal: int) -> Gpu:
    device, memory, major, minor = ctypes.c_int(0), ctypes.c_size_t(0), ctypes.c_int(0), ctypes.c_int(0)
    name = ctypes.create_string_buffer(256)
    cuda.cuDeviceGet(ctypes.byref(device), ordinal)
    cuda.cuDeviceGetName(name, len(name), device)
    cuda.cuDeviceTotalMem_v2(ctypes.byref(memory), device)
    cuda.cuDeviceGetAttribute(ctypes.byref(major), _MAJOR, device)
    cuda.cuDeviceGetAttribute(ctypes.byref(minor), _MINOR, device)
    return Gpu(name.value.decode(errors="replace"), int(memory.value), (major.value, minor.value))


def extra() -> str:
    """The extra whose packages fit the driver."""
    driver = presence().driver
    return "cuda12" if driver is not None and driver < (13, 0) else "cuda13"
