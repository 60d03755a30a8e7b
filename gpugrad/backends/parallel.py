"""Kernels on several threads: each runs the same kernel on a part of the arrays, without Python's lock.

The parts depend on the number of threads alone, and what they reduce is combined in their order, so that a result is
the same from run to run. A part is one loop that calls no library, so that no thread of the pool starts threads of
BLAS; several threads of Python share the one pool.
"""

from __future__ import annotations

import itertools as it
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from gpugrad.config import config

LEAST = 130_000.0
"""Nanoseconds of work from which on a second thread is worth its start, some 20 µs, or 70 on a virtual machine."""
BESIDE_BLAS = 4
"""How many times as many there must be beside matrix products: BLAS's threads hold the cores for a while after each, and
what they wrote lies in the caches of other cores than the one that reads it.
"""
DEAR, CHEAP, BYTE = 0.15, 0.005, 0.011
"""Nanoseconds, about, of one thread: for an exponential and for a sum of float32, and for each byte that is read or written.

They are constants, and nothing is measured, so that it is the same from run to run into which parts a sum is cut.
"""

_COMBINED: dict[str, Callable[..., Any]] = {"sum": np.add, "max": np.maximum, "min": np.minimum}

_pool: ThreadPoolExecutor | None = None
_size = 0


def _workers(n: int) -> ThreadPoolExecutor:
    """A pool of at least ``n`` threads."""
    global _pool, _size
    if _pool is None or _size < n:
        _pool, _size = ThreadPoolExecutor(n, thread_name_prefix="gpugrad"), n
    return _pool


def _forget() -> None:
    """A child of a fork has no threads but its own."""
    global _pool, _size
    _pool, _size = None, 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def nanoseconds(nbytes: float, dear: float, cheap: float = 0.0) -> float:
    """How long one thread takes, about: to move so many bytes, and for so many operations of four bytes each.

    >>> nanoseconds(8e6, 1e6) > LEAST > nanoseconds(8e6, 0.0)
    True
    """
    return nbytes * BYTE + dear * DEAR + cheap * CHEAP


def split(kernel: Callable[..., Any], kinds: Sequence[str], length: int) -> Callable[..., Any]:
    """``kernel`` for calls in which the first axis, of ``length``, is shared out among threads.

    ``kinds`` says of each argument what a part gets: "part" of it, the "whole", memory of its "own", an array to be
    combined by "sum", "max" or "min", or where its share of the axis has its "start" and "stop".
    """

    def run(*arguments: Any) -> None:
        n = min(config.threads, length)
        if n < 2:
            kernel(*arguments)
            return
        ends = [length * k // n for k in range(n + 1)]
        calls = [
            [_share(x, kind, a, b, k) for x, kind in zip(arguments, kinds, strict=True)]
            for k, (a, b) in enumerate(it.pairwise(ends))
        ]
        waiting = [_workers(n - 1).submit(kernel, *call) for call in calls[1:]]
        try:
            kernel(*calls[0])
        finally:
            for w in waiting:
                w.result()
        for k, kind in enumerate(kinds):
            if kind in _COMBINED:
                for call in calls[1:]:
                    _COMBINED[kind](arguments[k], call[k], out=arguments[k])

    return run


def _share(x: Any, kind: str, start: int, stop: int, k: int) -> Any:
    if kind in ("start", "stop"):
        return start if kind == "start" else stop
    if kind == "part":
        return x[start:stop]
    return x if kind == "whole" or k == 0 else np.empty_like(x)
