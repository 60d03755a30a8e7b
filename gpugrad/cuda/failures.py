"""The errors of a GPU: memory that it does not have, and work that fails, which is told when somebody next waits for it."""

from __future__ import annotations

from typing import Any

from gpugrad import errors
from gpugrad.config import config


def exhausted(cupy: Any, what: str, told: str) -> errors.DeviceMemoryError:
    """What is known of memory on the current device, and what to do; ``told`` says how much ``what`` asked for."""
    pool = cupy.get_default_memory_pool()
    held, unused = pool.total_bytes(), pool.free_bytes()
    free, total = cupy.cuda.runtime.memGetInfo()
    told = (told.splitlines() or ["out of memory"])[0].rstrip(".")
    return errors.DeviceMemoryError(
        f"{what}: {told}. CuPy's pool holds {held / 2**20:.0f} MiB, of which {unused / 2**20:.0f} MiB are unused; the "
        f"device has {free / 2**20:.0f} MiB free of {total / 2**20:.0f}. Use smaller batches, gg.checkpoint or "
        "half precision, or let go of tensors that are not needed"
    )


def failed(what: str, told: str) -> errors.DeviceError:
    """What CUDA tells, which may be of anything that was begun before, and how to find out."""
    told = (told.splitlines() or ["an unknown error"])[0].rstrip(".")
    elsewhere = (
        "That may come from anything begun before, since nobody waits for the device. With gg.config.blocking_launches = "
        "True each call of a compiled function is waited for, and the one that fails is named with its line, and with "
        "CUDA_LAUNCH_BLOCKING=1 in the environment each eager operation is. "
    )
    return errors.DeviceError(
        f"{what}: CUDA fails with {told}. {'' if config.blocking_launches else elsewhere}A process cannot go on with a "
        "device whose kernel failed: start another"
    )
