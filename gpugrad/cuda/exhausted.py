"""The error of a GPU that has not as much memory as was asked for."""

from __future__ import annotations

from typing import Any

from gpugrad import errors


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
