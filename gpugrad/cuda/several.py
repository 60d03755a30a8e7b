"""Kernels that differ in nothing but their arrays, in one launch: the update of all parameters of a model.

Each is a row of a table on the device: where its arrays are, its sizes, and which blocks it has. Only kernels that replace
cells are taken together, since they come last of all and read nothing of one another.
"""

from __future__ import annotations

import functools as ft
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpugrad.codegen import cuda_printer
from gpugrad.codegen.gpu_launch import Device, Launch, Schedule
from gpugrad.graph.calls import KernelCall, LibraryCall
from gpugrad.graph.memory import NEW, Memory
from gpugrad.graph.plan import named_alike

VECTORS = 4
"""How many times a thread takes neighbouring elements, where there are enough."""


@dataclass(frozen=True, eq=False)
class Several:
    """Kernels of one text, and the launch of them all."""

    calls: tuple[KernelCall, ...]
    plans: tuple[Schedule, ...]
    text: str
    blocks: tuple[int, ...]
    """How many each kernel has."""
    launch: Launch

    def table(self, pointers: Sequence[Sequence[int]]) -> tuple[Any, Any]:
        """The rows of the table, for the addresses of each kernel's arrays; and the row that each block works on."""
        arrays, sizes = len(pointers[0]), len(self.plans[0].sizes)
        index = np.int64 if self.plans[0].form.wide else np.int32
        fields = [
            ("arrays", np.uint64, (arrays,)),
            ("sizes", index, (sizes,)),
            ("first", np.int32),
            ("parts", np.int32),
        ]
        rows = np.zeros(len(self.calls), np.dtype(fields, align=True))
        rows["arrays"], rows["sizes"] = pointers, [plan.sizes for plan in self.plans]
        rows["first"], rows["parts"] = np.cumsum([0, *self.blocks[:-1]]), self.blocks
        return rows, np.repeat(np.arange(len(self.blocks), dtype=np.int32), self.blocks)


def together(memory: Memory, schedules: Mapping[int, Schedule], device: Device) -> list[Several]:
    """Those of the kernels that replace cells which can be launched at once, in groups of two or more.

    ``schedules`` says of each, by its id, how it would be launched by itself.
    """
    calls = [call for call in memory.calls[memory.tail :] if isinstance(call, KernelCall)]
    touched = _touched(memory)
    groups: dict[tuple[str, Any], list[tuple[KernelCall, Schedule]]] = {}
    for call in calls:
        plan = schedules[id(call)]
        if plan.form.shape == "map" and not plan.memory and plan.sizes and _apart(call, calls, touched):
            text = named_alike(call.kernel, ft.partial(cuda_printer.printed, form=plan.form, several=True))
            groups.setdefault((text, len(plan.sizes)), []).append((call, plan))
    out = []
    for (text, _), members in groups.items():
        if len(members) > 1:
            given, plans = zip(*members, strict=True)
            blocks = tuple(_blocks(plan, device) for plan in plans)
            launch = Launch(given[0].kernel.name, (sum(blocks), 1), (device.threads, 1))
            out.append(Several(given, plans, text, blocks, launch))
    return out


def _touched(memory: Memory) -> dict[int, set[int]]:
    """id of a variable -> the ids of those that it may be a view of, or is written over."""
    shown = {key: {id(home)} for key, home in memory.homes.items()}
    for call in memory.calls:
        if isinstance(call, LibraryCall) and not call.into and call.line.prim.name not in NEW:
            behind = set().union(*({id(x), *shown.get(id(x), ())} for x in call.operands))
            shown.update((id(v), behind) for v in call.results)
    return shown


def _apart(call: KernelCall, calls: Sequence[KernelCall], touched: Mapping[int, set[int]]) -> bool:
    """Whether no other kernel reads or writes where this one writes."""

    def places(c: KernelCall, *variables: Any) -> set[int]:
        over = (x for a, x, _ in c.arguments if id(a) in c.replaced)  # read and written in one place
        return {k for v in (*variables, *over) for k in (id(v), *touched.get(id(v), ()))}

    mine = places(call, *call.results)
    return not any(mine & places(c, *c.operands, *c.results) for c in calls if c is not call)


def _blocks(plan: Schedule, device: Device) -> int:
    elements = int(np.prod(plan.sizes, dtype=np.int64)) // plan.form.width
    most = 2048 // device.threads * device.processors
    return max(1, min(-(-elements // (device.threads * VECTORS)), most))
