"""Reductions over axes that no loop of a kernel takes; see ``kernels/cuda/folds.cuh``."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence

from gpugrad.codegen.gpu_launch import WARP, Device, Launch, power_of_two
from gpugrad.cuda.routines.routine import Routine, Writer, Written, simple, stored, summed
from gpugrad.graph.ir import Line

AXES = 8


class _Folded(ctypes.Structure):
    _fields_ = (
        ("stays", ctypes.c_int),
        ("goes", ctypes.c_int),
        ("size", ctypes.c_int * AXES),
        ("stride", ctypes.c_longlong * AXES),
    )


def _fold(operation: str) -> Writer:
    def written(line: Line, device: Device) -> Routine | None:
        (x,), (out,) = line.operands, line.results
        wanted = "bool" if operation in ("Any", "All") else x.dtype.name
        if not simple(line) or len(x.shape) > AXES or out.dtype.name != wanted:
            return None
        value, kept = summed(x, wraps=operation in ("Sums", "Products"))
        made = Written("folds.cuh", 1, device, value, kept)
        call = f"fold_axes<{operation}<{value}>>" if operation else f"fold_logsumexp<{value}>"
        result = stored(out) if wanted == "bool" else kept
        made.function(
            "kernel",
            f"const {kept}* x, {result}* out, long long n, long long count, Folded f",
            f"{call}(x, out, n, count, f);",
        )
        n = math.prod(out.shape)
        count = math.prod(x.shape) // n
        lanes = min(WARP, device.threads, power_of_two(count))
        blocks = min(-(-n * lanes // device.threads), 16 * device.processors)
        launch = Launch("kernel", (blocks, 1), (lanes, device.threads // lanes))
        given = map(ctypes.c_longlong, (n, count))
        made.call(launch, x, out, *given, _folded(x.shape, line.params["axis"]))
        return made.done()

    return written


def _folded(shape: Sequence[int], axis: Sequence[int]) -> _Folded:
    strides = [math.prod(shape[k + 1 :]) for k in range(len(shape))]
    goes = [a % len(shape) for a in axis]
    order = [k for k in range(len(shape)) if k not in goes] + sorted(goes)
    size, stride = ([values[k] for k in order] for values in (shape, strides))
    return _Folded(len(order) - len(goes), len(goes), (ctypes.c_int * AXES)(*size), (ctypes.c_longlong * AXES)(*stride))


ROUTINES: dict[str, Writer] = {
    "reduce_all": _fold("All"),
    "reduce_any": _fold("Any"),
    "reduce_logsumexp": _fold(""),
    "reduce_max": _fold("Largest"),
    "reduce_min": _fold("Smallest"),
    "reduce_prod": _fold("Products"),
    "reduce_sum": _fold("Sums"),
}
