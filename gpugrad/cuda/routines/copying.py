"""Copies in C's order of what lies otherwise; see ``kernels/cuda/moving.cuh``."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from typing import Any

from gpugrad.codegen.gpu_launch import VECTOR, Device, Launch
from gpugrad.cuda.routines.routine import Routine, Written, bits, chunk

AXES = 8
TILE = 32
"""Elements along each side of a tile, which lies in shared memory."""


class _Layout(ctypes.Structure):
    _fields_ = (("size", ctypes.c_int * AXES), ("stride", ctypes.c_longlong * AXES))


def copied(
    source: int, target: int, shape: Sequence[int], strides: Sequence[int], itemsize: int, device: Device
) -> Routine | None:
    """A copy from one address to another, where ``strides`` (bytes) are the source's; None if it has too many axes, or nothing."""
    axes = _merged(shape, strides)
    if not axes or 0 in shape:
        return None
    step = min((abs(s) for _, s in axes if s), default=0)
    last, along = axes[-1]
    wide = itemsize
    if along == itemsize:  # runs that lie one after another, of as many bytes as an instruction takes
        wide = chunk(last * itemsize, *(s for _, s in axes[:-1]), source % VECTOR, target % VECTOR)
        axes[-1] = (last * itemsize // wide, wide)
    if len(axes) > AXES or any(s % wide for _, s in axes):
        return None
    t, n = bits(wide), math.prod(n for n, _ in axes)
    places = ctypes.c_void_p(source), ctypes.c_void_p(target)
    written = Written("moving.cuh", n, device, t)
    closest = next((k for k, (n, s) in enumerate(axes) if s == step == itemsize and n > 1), None)
    if closest is None or closest == len(axes) - 1:
        written.function(
            "kernel", f"const {t}* x, {t}* out, Index n, Layout layout", "copy_in_order(x, out, n, layout);"
        )
        written.over(n, "kernel", *places, n, _layout(axes, wide))
        return written.done()
    rows, columns, stride = axes[closest][0], axes[-1][0], axes[-1][1] // wide
    between = axes[closest + 1 : -1]
    others = [*axes[:closest], *between]
    written.function(
        "kernel",
        f"const {t}* x, {t}* out, int rows, int middle, int columns, long long stride, long long others, Layout layout",
        "copy_tiles(x, out, rows, middle, columns, stride, others, layout);",
    )
    count = math.prod(n for n, _ in others)
    grid = (-(-rows // TILE) * -(-columns // TILE), min(count, 65535))
    numbers: list[Any] = [ctypes.c_int(n) for n in (rows, math.prod(n for n, _ in between), columns)]
    numbers += [ctypes.c_longlong(n) for n in (stride, count)]
    written.call(
        Launch("kernel", grid, (TILE, max(1, min(8, device.threads // TILE)))), *places, *numbers, _layout(others, wide)
    )
    return written.done()


def _merged(shape: Sequence[int], strides: Sequence[int]) -> list[tuple[int, int]]:
    """Size and stride of each axis, without those of one element; those that follow one another in memory as one."""
    out: list[tuple[int, int]] = []
    for n, s in zip(shape, strides, strict=True):
        if n == 1:
            continue
        if out and out[-1][1] == n * s:
            out[-1] = (out[-1][0] * n, s)
        else:
            out.append((n, s))
    return out


def _layout(axes: Sequence[tuple[int, int]], wide: int) -> _Layout:
    given = [(1, 0)] * (AXES - len(axes)) + [(n, s // wide) for n, s in axes]
    size, stride = zip(*given, strict=True)
    return _Layout((ctypes.c_int * AXES)(*size), (ctypes.c_longlong * AXES)(*stride))
