"""Memory of large results, used again once nobody holds it.

Fresh memory comes from the system as pages that fault when they are first touched: for a large array that takes longer
than the loop that writes it.
"""

from __future__ import annotations

import math
import os
import threading
from typing import Any

import numpy as np

LEAST = 1 << 20
"""Bytes from which on memory is kept for another use."""
MOST = 1 << 30
"""Bytes that are kept, unused, at most."""

_free: dict[int, list[Any]] = {}
_kept = 0
_lock = threading.RLock()
"""Taken again by its own thread where the garbage collector, which may come at any allocation, lets go of a block."""


def _unlock() -> None:
    """A child of a fork has none of the threads that may have held the lock."""
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock)


class _Block:
    """What an array has as its base: when the last view of the array is gone, its memory comes back."""

    __slots__ = ("__array_interface__", "memory")

    def __init__(self, memory: Any, shape: tuple[int, ...], dtype: Any) -> None:
        self.memory = memory
        self.__array_interface__ = {
            "data": (memory.ctypes.data, False),
            "shape": shape,
            "typestr": dtype.str,
            "version": 3,
        }

    def __del__(self) -> None:
        global _kept
        n = self.memory.nbytes
        with _lock:
            if _kept + n <= MOST:
                _kept += n
                _free.setdefault(n, []).append(self.memory)


def empty(shape: tuple[int, ...], dtype: Any) -> Any:
    """An array of numbers that mean nothing, like ``np.empty``."""
    global _kept
    n = math.prod(shape) * dtype.itemsize
    if n < LEAST or dtype.kind == "V":
        return np.empty(shape, dtype)
    with _lock:
        found = _free.get(n)
        memory = found.pop() if found else None
        if memory is not None:
            _kept -= n
    return np.asarray(_Block(np.empty(n, np.uint8) if memory is None else memory, shape, dtype))


def contiguous(x: Any) -> Any:
    """The array, or a copy of it in C's order: loops are compiled for that alone."""
    if x.flags.c_contiguous:
        return x
    out = empty(x.shape, x.dtype)
    np.copyto(out, x)
    return out


def release() -> None:
    """Give all memory that is not in use back to the system."""
    global _kept
    with _lock:
        _free.clear()
        _kept = 0
