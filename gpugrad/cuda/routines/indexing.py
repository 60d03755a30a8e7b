"""Positions, and reading and writing at them; see ``kernels/cuda/indexing.cuh``."""

from __future__ import annotations

import ctypes
import math
from typing import Any

from gpugrad.codegen.gpu_launch import NARROW, WARP, Device, Launch, power_of_two
from gpugrad.config import config
from gpugrad.cuda.routines.routine import (
    REPORT,
    Routine,
    Told,
    Writer,
    Written,
    around,
    bits,
    chunk,
    simple,
    stored,
    summed,
)
from gpugrad.cuda.routines.sorting import sorted_positions
from gpugrad.graph.ir import Line
from gpugrad.ops.gathering import out_of_bounds
from gpugrad.ops.neural import not_a_class


def _position(line: Line, device: Device) -> Routine | None:
    size, axis, name = (line.params[k] for k in ("size", "axis", "name"))
    return _checked(line, device, "positions", size, lambda i: out_of_bounds(i, i, size, axis, name))


def _class_index(line: Line, device: Device) -> Routine | None:
    size, name, way_out = (line.params[k] for k in ("size", "name", "way_out"))
    return _checked(line, device, "classes", size, lambda i: not_a_class(i, i, size, name, way_out))


def _checked(line: Line, device: Device, function: str, size: int, error: Any) -> Routine | None:
    if config.check_indices or not size or not simple(line):
        return None  # the library looks at them, and waits for the device
    (index,), (out,) = line.operands, line.results
    n = math.prod(out.shape)
    written = Written("indexing.cuh", n, device)
    written.function(
        "kernel",
        f"const {stored(index)}* index, long long* out, Index n, long long size, long long who, Report* report",
        f"{function}(index, out, n, size, who, report);",
    )
    written.over(n, "kernel", index, out, n, ctypes.c_longlong(size), Told(error), REPORT)
    return written.done()


def _gather(line: Line, device: Device) -> Routine | None:
    x, index = line.operands
    (out,) = line.results
    if not simple(line) or index.dtype.name != "int64":
        return None
    lead, size, rest = around(x.shape, line.params["axis"])
    count, wide = math.prod(index.shape), chunk(rest * x.dtype.itemsize)
    rest = rest * x.dtype.itemsize // wide
    t, n = bits(wide), lead * count * rest
    written = Written("indexing.cuh", max(n, lead * size * rest), device, t)
    written.function(
        "kernel",
        f"const {t}* x, const long long* index, {t}* out, Index lead, Index size, Index count, Index rest",
        "gather(x, index, out, lead, size, count, rest);",
    )
    written.over(n, "kernel", x, index, out, lead, size, count, rest)
    return written.done()


def _scatter(line: Line, device: Device) -> Routine | None:
    u, index = line.operands
    (out,) = line.results
    if not simple(line) or u.dtype.kind == "b" or not _sortable(index, line.params["size"]):
        return None
    lead, size, rest = around(out.shape, line.params["axis"])
    count = math.prod(index.shape)
    value, kept = summed(u)
    written = Written("indexing.cuh", max(lead * count, lead * size) * rest, device, value, kept)
    keys, order = sorted_positions(written, index, count, size)
    written.function(
        "kernel",
        f"const {kept}* u, const int* keys, const int* order, {kept}* out, Index lead, Index size, Index count, Index rest",
        f"scatter<{value}>(u, keys, order, out, lead, size, count, rest);",
    )
    # A block has as many parts of the sum as there are elements at a position, on average.
    lanes = min(power_of_two(rest), device.threads)
    parts = min(power_of_two(-(-count // size)), device.threads // min(lanes, WARP))
    lanes = min(lanes, device.threads // parts)
    grid = (-(-rest // lanes), min(lead * size, 65535))
    written.call(Launch("kernel", grid, (lanes, parts)), u, keys, order, out, lead, size, count, rest)
    return written.done()


def _put(line: Line, device: Device) -> Routine | None:
    x, v, index = line.operands
    (out,) = line.results
    if not simple(line) or x.dtype != v.dtype:
        return None
    lead, size, rest = around(x.shape, line.params["axis"])
    count = math.prod(index.shape)
    if not _sortable(index, size) or math.prod(v.shape) != lead * count * rest:
        return None
    wide = chunk(rest * x.dtype.itemsize)
    rest = rest * x.dtype.itemsize // wide
    t = bits(wide)
    written = Written("indexing.cuh", max(lead * count, lead * size) * rest, device, t)
    keys, order = sorted_positions(written, index, count, size)
    written.function(
        "kernel",
        f"const {t}* x, const {t}* v, const int* keys, const int* order, {t}* out, Index lead, Index size, Index count, Index rest",
        "put(x, v, keys, order, out, lead, size, count, rest);",
    )
    written.over(lead * size * rest, "kernel", x, v, keys, order, out, lead, size, count, rest)
    return written.done()


def _lasting(line: Line, device: Device) -> Routine | None:
    (index,), (out,) = line.operands, line.results
    if not simple(line) or not _sortable(index, line.params["size"]):
        return None
    count = math.prod(index.shape)
    written = Written("indexing.cuh", count, device)
    keys, order = sorted_positions(written, index, count, line.params["size"])
    written.function(
        "kernel", "const int* keys, const int* order, bool* out, int count", "lasting(keys, order, out, count);"
    )
    written.over(count, "kernel", keys, order, out, ctypes.c_int(count))
    return written.done()


def _sortable(index: Any, size: int) -> bool:
    return bool(index.dtype.name == "int64" and size < NARROW and math.prod(index.shape) < NARROW)


ROUTINES: dict[str, Writer] = {
    "class_index": _class_index,
    "gather": _gather,
    "lasting": _lasting,
    "position": _position,
    "put": _put,
    "scatter": _scatter,
}
