"""Running sums, products and extrema, and recurrences, along one axis; see ``kernels/cuda/scans.cuh``."""

from __future__ import annotations

import ctypes

from gpugrad.codegen.gpu_launch import Device, Launch
from gpugrad.cuda.routines.routine import Routine, Writer, Written, around, simple, spread, summed
from gpugrad.graph.ir import Line

ROW = 32
"""Elements from which on a block has a row."""


def _scan(operation: str) -> Writer:
    def written(line: Line, device: Device) -> Routine | None:
        (out,) = line.results
        x = line.operands[0]
        if not simple(line) or any(y.dtype != x.dtype for y in (*line.operands, out)):
            return None
        outer, n, inner = around(out.shape, line.params["axis"])
        ordered = operation in ("Largest", "Smallest")
        value, kept = summed(x, wraps=not ordered)
        op = f"{operation}<{value}>"
        if operation == "Recurrence":
            given, element = "const {0}* x, const {0}* y", f"Pairs<{value}, {kept}>{{x, y}}"
        elif line.params.get("exclusive"):
            given, element = "const {0}* x", f"Shifted<{op}, {kept}>{{x, inner}}"
        else:
            given, element = "const {0}* x", f"Elements<{op}, {kept}>{{x}}"
        made = Written("scans.cuh", 1, device, value, kept)
        rows = inner == 1 and n >= ROW
        run = f"scan_rows<{op}, {device.threads}>({element}, out, outer, n)"
        made.function(
            "kernel",
            f"{given.format(kept)}, {kept}* out, long long outer, long long n, long long inner",
            f"{run if rows else f'scan_columns<{op}>({element}, out, outer, n, inner)'};",
        )
        blocks = (min(outer, 16 * device.processors), 1)
        launch = Launch("kernel", blocks, (device.threads, 1)) if rows else spread("kernel", outer * inner, device)
        made.call(launch, *line.operands, out, *map(ctypes.c_longlong, (outer, n, inner)))
        return made.done()

    return written


ROUTINES: dict[str, Writer] = {
    "cummax": _scan("Largest"),
    "cummin": _scan("Smallest"),
    "cumprod": _scan("Products"),
    "cumsum": _scan("Sums"),
    "recurrence": _scan("Recurrence"),
}
