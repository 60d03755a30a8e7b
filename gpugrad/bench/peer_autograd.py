"""HIPS autograd: derivatives of functions of NumPy's arrays."""

from __future__ import annotations

import functools as ft
import importlib
from collections.abc import Callable, Sequence
from typing import Any

from gpugrad.bench import peer_numpy
from gpugrad.bench.peers import Call, Peer, told, unwritten
from gpugrad.bench.records import Case
from gpugrad.bench.workloads import Workload


def peers() -> list[Peer]:
    """The ways to use it."""
    return [Autograd()]


class Autograd:
    """autograd over NumPy, whose BLAS has as many threads as gpugrad gives it."""

    name = "autograd"

    def __init__(self) -> None:
        self.autograd = importlib.import_module("autograd")

    def wait(self) -> None:
        """NumPy is done when it returns."""

    def calls(self, workload: Workload, case: Case, inputs: Sequence[tuple[Any, ...]]) -> list[Call] | str:
        if case.device != "cpu":
            return "NumPy's arrays are on the CPU"
        if case.dtype == "bfloat16":
            return "bfloat16 is none of NumPy's dtypes"
        if case.way == "step":
            return "training steps: it has functions of arrays, no models and no optimizers in place"
        f = peer_numpy.functions(importlib.import_module("autograd.numpy"), self._erf).get(workload.name)
        if f is None:
            return unwritten(workload, "autograd")
        if workload.name == "chain":
            try:
                importlib.import_module("autograd.scipy.special")
            except ImportError as error:
                return f"chain: its erf needs SciPy ({told(error)}); pip install scipy"
        xp = importlib.import_module("autograd.numpy")
        total, squares = lambda *args: xp.sum(f(*args)), lambda *args: xp.sum(f(*args) ** 2)
        ways: dict[str, Callable[[], Any]] = {
            "forward": lambda: f,
            "gradient": lambda: self.autograd.value_and_grad(squares),
            "product": lambda: self.autograd.hessian_vector_product(total),
        }
        program = ways[case.way]()
        return [ft.partial(program, *(self._array(a, case) for a in each)) for each in inputs]

    def _erf(self, x: Any) -> Any:
        return importlib.import_module("autograd.scipy.special").erf(x)

    def _array(self, a: Any, case: Case) -> Any:
        return a.astype(case.dtype) if a.dtype.kind == "f" else a
