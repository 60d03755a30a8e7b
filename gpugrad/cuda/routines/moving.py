"""Arrays put together and parts replaced; see ``kernels/cuda/moving.cuh``."""

from __future__ import annotations

import ctypes
import itertools as it
import math
from collections.abc import Sequence
from typing import Any

from gpugrad.codegen.gpu_launch import NARROW, Device
from gpugrad.cuda.routines.routine import Routine, Writer, Written, around, bits, chunk, simple, summed
from gpugrad.graph.ir import Line
from gpugrad.ops.assembling import RANK, merged
from gpugrad.ops.linear import Spec

AXES = 8
"""Most axes of an array of which a part is replaced."""


class _Part(ctypes.Structure):
    _fields_ = (("axes", ctypes.c_int), *((name, ctypes.c_int * AXES) for name in ("size", "start", "step", "count")))


def _concat(line: Line, device: Device) -> Routine | None:
    (out,) = line.results
    if 0 in out.shape or not all(hasattr(x, "shape") for x in line.operands):
        return None
    axis, size = line.params["axis"], out.dtype.itemsize
    lead, total, rest = around(out.shape, axis)
    given = [(x, around(x.shape, axis)[1] * rest * size, at * rest * size) for x, at in zip(line.operands, line.params["bounds"], strict=False)]  # fmt: skip
    wide = chunk(total * rest * size, *(n for _, length, at in given for n in (length, at)))
    t = bits(wide)
    written = Written("moving.cuh", math.prod(out.shape) * size // wide, device, t)
    written.function(
        "kernel",
        f"const {t}* x, {t}* out, Index at, Index rows, Index length, Index width",
        "copy_rows(x, out + at, rows, length, width);",
    )
    for x, length, at in given:
        if length:
            elements = lead * length // wide
            written.over(elements, "kernel", x, out, at // wide, lead, length // wide, total * rest * size // wide)
    return written.done()


def _unslice(line: Line, device: Device) -> Routine | None:
    (v,) = line.operands
    return _replaced(line, device, ctypes.c_void_p(0), v, line.params["spec"])


def _slice_update(line: Line, device: Device) -> Routine | None:
    x, v = line.operands
    return _replaced(line, device, x, v, line.params["spec"])


def _replaced(line: Line, device: Device, x: Any, v: Any, spec: Spec) -> Routine | None:
    (out,) = line.results
    axes = _axes(out.shape, spec)
    if not simple(line) or v.dtype != out.dtype or math.prod(v.shape) != math.prod(a[3] for a in axes):
        return None
    size, start, step, count = axes[-1]
    item = wide = out.dtype.itemsize
    if step == 1:  # runs that lie one after another
        wide = chunk(size * item, start * item, count * item)
        axes[-1] = (size * item // wide, start * item // wide, 1, count * item // wide)
    n = math.prod(a[0] for a in axes)
    if len(axes) > AXES or n >= NARROW:
        return None
    columns = zip(*axes, *[(1, 0, 1, 1)] * (AXES - len(axes)), strict=True)
    part = _Part(len(axes), *((ctypes.c_int * AXES)(*column) for column in columns))
    t = bits(wide)
    written = Written("moving.cuh", n, device, t)
    written.function("kernel", f"const {t}* x, const {t}* v, {t}* out, Index n, Part part", "replace_part(x, v, out, n, part);")  # fmt: skip
    written.over(n, "kernel", x, v, out, n, part)
    return written.done()


class _Box(ctypes.Structure):
    _fields_ = (("begin", ctypes.c_int * RANK), ("size", ctypes.c_int * RANK))


def _assemble(line: Line, device: Device) -> Routine | None:
    (out,) = line.results
    arrays = [*line.operands, out]
    if not simple(line) or any(x.dtype != out.dtype for x in arrays):
        return None
    if {len(x) for x in (*(a.shape for a in arrays), *line.params["specs"])} != {len(out.shape)}:
        return None
    if any(step != 1 for spec in line.params["specs"] for _, _, step in spec):
        return None
    parts, sizes = merged(line.params["specs"], out.shape)
    boxes = [([a for a, _, _ in part], [b - a for a, b, _ in part]) for part in parts]
    boxes.append(([0] * len(sizes), list(sizes)))
    value, kept = summed(out)
    apart = not any(_overlap(p, q) for p, q in it.combinations(parts, 2))
    if apart:  # then nothing is added up, and runs are moved as they are
        item = out.dtype.itemsize
        wide = chunk(*(numbers[-1] * item for numbers in it.chain(*boxes)))
        kept = bits(wide)
        for numbers in it.chain(*boxes):
            numbers[-1] = numbers[-1] * item // wide
    n = math.prod(boxes[-1][1])
    before = RANK - len(sizes)
    if before < 0 or n >= NARROW:
        return None
    terms = range(len(parts))
    given = "".join(f"const {kept}* x{k}, Box b{k}, " for k in terms)
    if apart:
        chosen = [f"in_box(b{k}, i, j, k) ? x{k}[place_in(b{k}, i, j, k)] : " for k in terms]
        total = "".join(chosen) + "Kept{}"
    else:
        added = [f"(in_box(b{k}, i, j, k) ? ({value})x{k}[place_in(b{k}, i, j, k)] : ({value})0)" for k in terms]
        total = " + ".join(added)
    written = Written("moving.cuh", n, device, value, kept)
    written.function(
        "kernel",
        f"{given}{kept}* out, Index n, Box whole",
        f"""using Kept = {kept};
    for (Index e = first_of_thread<Index>(); e < n; e += stride_of_grid<Index>()) {{
        const Index row = e / whole.size[2];
        const int k = int(e - row * whole.size[2]), j = int(row % whole.size[1]), i = int(row / whole.size[1]);
        out[e] = {total};
    }}""",
    )
    *structures, whole = [
        _Box((ctypes.c_int * RANK)(*[0] * before, *begin), (ctypes.c_int * RANK)(*[1] * before, *size))
        for begin, size in boxes
    ]
    pairs = [a for pair in zip(line.operands, structures, strict=True) for a in pair]
    written.over(n, "kernel", *pairs, out, n, whole)
    return written.done()


def _overlap(one: Spec, other: Spec) -> bool:
    """Whether parts have an element in common."""
    return all(a < d and c < b for (a, b, _), (c, d, _) in zip(one, other, strict=True))


def _axes(shape: Sequence[int], spec: Spec) -> list[Any]:
    """Size, start, step and count along each axis; those that are taken whole, and follow one another, as one."""
    lead = len(shape) - len(spec)
    given = [(n, 0, 1, n) for n in shape[:lead]]
    given += [(n, a, c, len(range(a, b, c))) for n, (a, b, c) in zip(shape[lead:], spec, strict=True)]
    out: list[Any] = []
    for n, start, step, count in given:
        whole = (start, step, count) == (0, 1, n)
        if whole and out and out[-1][2] == 1:  # what comes before goes on in longer steps
            out[-1] = (out[-1][0] * n, out[-1][1] * n, 1, out[-1][3] * n)
        else:
            out.append((n, start, step, count))
    return out or [(1, 0, 1, 1)]


def _tril(line: Line, device: Device) -> Routine | None:
    return _band(line, device, -(2**62), line.params["k"])


def _triu(line: Line, device: Device) -> Routine | None:
    return _band(line, device, line.params["k"], 2**62)


def _band(line: Line, device: Device, least: int, most: int) -> Routine | None:
    (x,), (out,) = line.operands, line.results
    if not simple(line):
        return None
    t, n = bits(x.dtype.itemsize), math.prod(x.shape)
    written = Written("moving.cuh", n, device, t)
    written.function(
        "kernel",
        f"const {t}* x, {t}* out, Index n, Index rows, Index columns, long long least, long long most",
        "keep_band(x, out, n, rows, columns, least, most);",
    )
    bounds = ctypes.c_longlong(least), ctypes.c_longlong(most)
    written.over(n, "kernel", x, out, n, x.shape[-2], x.shape[-1], *bounds)
    return written.done()


ROUTINES: dict[str, Writer] = {
    "assemble": _assemble,
    "concat": _concat,
    "slice_update": _slice_update,
    "tril": _tril,
    "triu": _triu,
    "unslice": _unslice,
}
