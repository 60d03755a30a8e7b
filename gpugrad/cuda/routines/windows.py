"""Windows over the last axes: pooling, and convolution's unfold and fold; see ``kernels/cuda/windows.cuh``."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from typing import Any

from gpugrad.codegen.gpu_launch import NARROW, Device
from gpugrad.cuda.routines.routine import Routine, Writer, Written, bits, simple, summed
from gpugrad.graph.ir import Line
from gpugrad.ops.windows import count

AXES = 3
_NAMES = ("size", "windows", "kernel", "stride", "low", "dilation")


class _Window(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_int * AXES) for name in _NAMES)


def _windows(function: str, whole: int) -> Writer:
    """``whole`` is the position among operands, then results, of an array that is no window."""

    def written(line: Line, device: Device) -> Routine | None:
        if not simple(line) or len(line.params["kernel"]) > AXES:
            return None
        arrays = [*line.operands, *line.results]
        out = arrays[-1]
        if any(x.dtype != out.dtype for x in arrays):
            return None
        window, lead = _window(arrays[whole].shape, **line.params)
        n = math.prod(out.shape)
        if max(math.prod(x.shape) for x in arrays) >= NARROW:
            return None
        if function == "unfold":
            kept, called = bits(out.dtype.itemsize), function
        else:
            value, kept = summed(out, wraps=function != "max_pool")
            called = f"{function}<{value}>"
        average = [ctypes.c_bool(line.params[k]) for k in ("whole",) if k in line.params]
        written = Written("windows.cuh", n, device, kept, *([] if function == "unfold" else [value]))
        names = [f"a{k}" for k in range(len(arrays))]
        given = [f"const {kept}* {name}" for name in names[:-1]] + [f"{kept}* {names[-1]}", "Index lead", "Window w"]
        given += ["bool whole"] * len(average)
        arguments = [*names, "lead", "w", *["whole"] * len(average)]
        written.function("kernel", ", ".join(given), f"{called}({', '.join(arguments)});")
        written.over(n, "kernel", *arrays, lead, window, *average)
        return written.done()

    return written


def _window(shape: Sequence[int], **params: Any) -> tuple[_Window, int]:
    """The windows over an array of a shape, with axes of one place before those that there are; and what comes before."""
    n = len(params["kernel"])
    size = params.get("size", shape[len(shape) - n :])
    dilation = params.get("dilation", (1,) * n)
    windows = count(size, params["kernel"], params["stride"], params["padding"], dilation)
    low = tuple(a for a, _ in params["padding"])
    axes = zip((1, 1, 1, 1, 0, 1), (size, windows, params["kernel"], params["stride"], low, dilation), strict=True)
    window = _Window(*((ctypes.c_int * AXES)(*[one] * (AXES - n), *values) for one, values in axes))
    return window, math.prod(shape[: len(shape) - n])


ROUTINES: dict[str, Writer] = {
    "avg_pool": _windows("avg_pool", 0),
    "avg_unpool": _windows("avg_unpool", 1),
    "fold": _windows("fold", 1),
    "max_picked": _windows("max_picked", 0),
    "max_pool": _windows("max_pool", 0),
    "max_spread": _windows("max_spread", 1),
    "unfold": _windows("unfold", 0),
}
