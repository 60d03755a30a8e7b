"""Functions of one number over large arrays on NumPy: loops of the scalar functions, once Numba has compiled them.

Until then, and for small arrays, NumPy computes them: for what it has no loop of its own (erf, sigmoid …) in many passes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import numpy as np

from gpugrad.backends import numba_kernels, parallel, recycled
from gpugrad.backends.background import compiler

_loops: dict[tuple[str, str], Future[Callable[..., Any]]] = {}

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_loops.clear)  # what another process's thread has promised will not come


def text(name: str, width: int) -> str:
    """The loop."""
    return f"def kernel(x, out):\n    for i in range(x.shape[0]):\n        out[i] = {name}_f{width}(x[i])\n"


def computed(name: str, x: Any) -> Any:
    """The function of an array in C's order; None if there is no loop, or not yet."""
    loop = _loop(name, x.dtype)
    if loop is None:
        return None
    out = recycled.empty(x.shape, x.dtype)
    flat, into = x.reshape(-1), out.reshape(-1)
    if parallel.nanoseconds(2 * x.nbytes, x.nbytes / 4) >= parallel.LEAST:
        parallel.split(loop, ("part", "part"), x.size)(flat, into)
    else:
        loop(flat, into)
    return out


def _loop(name: str, dtype: Any) -> Callable[..., Any] | None:
    if dtype not in (np.float32, np.float64):
        return None
    key = name, dtype.char
    if key not in _loops:
        _loops[key] = compiler().submit(_compiled, name, dtype)
    return _loops[key].result() if _loops[key].done() else None


def _compiled(name: str, dtype: Any) -> Callable[..., Any]:
    return numba_kernels.compiled(text(name, 8 * dtype.itemsize), [(dtype, 1), (dtype, 1)])


def wait() -> None:
    """Until every loop that was begun is there: for measurements and tests."""
    for promise in list(_loops.values()):
        promise.result()
