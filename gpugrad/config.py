"""Settings of the process: ``gg.config.threads``, ``gg.config.fused_backward``."""

from __future__ import annotations

import os

from gpugrad import errors


def _from_environment() -> int:
    given = os.environ.get("GPUGRAD_NUM_THREADS", "").strip()
    if not given:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not given.isdigit() or int(given) < 1:
        raise errors.DtypeError(f"GPUGRAD_NUM_THREADS={given!r}; expected a number of threads, 1 or more")
    return int(given)


class Config:
    """What can be set. An attribute is read whenever it matters, so it may be changed at any time.

    >>> import gpugrad as gg
    >>> gg.config.threads >= 1
    True
    """

    def __init__(self) -> None:
        self._threads = 0
        self.fused_backward = True
        """Whether ``backward`` over large arrays, and operations on them that are formulas of others (gg.gelu, gg.softmax
        …), run compiled when they come again. That rounds otherwise in the last place, and when it begins depends on
        the compiler: turn it off where every bit counts.
        """

    @property
    def threads(self) -> int:
        """How many threads a compiled loop over a large array may use; ``GPUGRAD_NUM_THREADS``, or the number of cores."""
        if not self._threads:
            self._threads = _from_environment()
        return self._threads

    @threads.setter
    def threads(self, n: int) -> None:
        if type(n) is not int or n < 1:
            raise errors.DtypeError(f"config.threads={n!r}; expected an integer of at least 1")
        self._threads = n


config = Config()
