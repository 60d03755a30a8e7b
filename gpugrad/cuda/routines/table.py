"""The routine of each primitive that has one."""

from __future__ import annotations

from gpugrad.codegen.gpu_launch import Device
from gpugrad.cuda.routines import folding, indexing, moving, random, scanning, users, windows
from gpugrad.cuda.routines.routine import Routine, Writer
from gpugrad.graph.ir import Line

ROUTINES: dict[str, Writer] = {
    **folding.ROUTINES,
    **indexing.ROUTINES,
    **moving.ROUTINES,
    **random.ROUTINES,
    **scanning.ROUTINES,
    **users.ROUTINES,
    **windows.ROUTINES,
}


def routine(line: Line, device: Device) -> Routine | None:
    """The routine that computes a line on a device; None if there is none, and the library does."""
    writer = ROUTINES.get(line.prim.name)
    return writer(line, device) if writer else None
