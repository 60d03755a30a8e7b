"""The libraries beside which gpugrad is measured: what each has to prepare, on the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from gpugrad.bench.records import Case
from gpugrad.bench.workloads import Workload


class Peer(Protocol):
    """A library, or a way to use it."""

    name: str
    wait: Callable[[], Any]
    """What returns when all of its work is done."""

    def calls(self, workload: Workload, case: Case, inputs: Sequence[tuple[Any, ...]]) -> list[Callable[[], Any]] | str:
        """A call for each of the inputs (NumPy arrays, floats in float32), or why there is none."""
