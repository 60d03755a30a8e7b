"""CuPy by hand: the functions as its users write them, forward, since it has no derivatives."""

from __future__ import annotations

import functools as ft
import importlib
from collections.abc import Sequence
from typing import Any

from gpugrad.bench import peer_numpy
from gpugrad.bench.peers import Call, Peer, unwritten
from gpugrad.bench.records import Case
from gpugrad.bench.workloads import Workload


def peers() -> list[Peer]:
    """The ways to use it."""
    return [Cupy()]


class Cupy:
    """CuPy, with one kernel for each operation."""

    name = "cupy"

    def __init__(self) -> None:
        self.cupy = importlib.import_module("cupy")

    def wait(self) -> None:
        if self.cupy.cuda.is_available():
            self.cupy.cuda.get_current_stream().synchronize()

    def calls(self, workload: Workload, case: Case, inputs: Sequence[tuple[Any, ...]]) -> list[Call] | str:
        if not case.device.startswith("cuda"):
            return "CuPy's arrays are on a GPU"
        if not self.cupy.cuda.is_available():
            return f"CuPy {self.cupy.__version__} finds no GPU"
        if case.dtype == "bfloat16":
            return "bfloat16 is none of NumPy's dtypes"
        if case.way != "forward":
            return "CuPy has no derivatives: forward is what is measured"
        f = peer_numpy.functions(self.cupy, importlib.import_module("cupyx.scipy.special").erf).get(workload.name)
        if f is None:
            return unwritten(workload, "CuPy")
        return [ft.partial(f, *(self._array(a, case) for a in each)) for each in inputs]

    def _array(self, a: Any, case: Case) -> Any:
        return self.cupy.asarray(a.astype(case.dtype) if a.dtype.kind == "f" else a)
