"""Which plan runs a program: one for each kind of device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gpugrad import errors
from gpugrad.backends import select

if TYPE_CHECKING:
    from gpugrad.graph.ir import Graph
    from gpugrad.graph.memory import Update
    from gpugrad.graph.plan import Plan


def planned(device: str, graph: Graph, updates: Sequence[Update] = (), cells: Sequence[int] = ()) -> Plan:
    """The plan that runs a graph on a device, with its kernels compiled."""
    backend = select.on(device)
    if backend.device_kind not in ("cpu", "cuda"):
        raise errors.UnsupportedError(
            f"gg.jit runs on the CPU and on CUDA devices, not on {device}; move there: t.to('cpu')"
        )
    if backend.device_kind == "cuda":
        from gpugrad.cuda.plan import CudaPlan  # each when first used, with the compiler that it takes

        return CudaPlan(backend, graph, updates, cells, device).ready()
    from gpugrad.graph.plan import Plan

    return Plan(graph, updates, cells).ready()
