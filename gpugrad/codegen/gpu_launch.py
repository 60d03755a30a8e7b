"""How a loop kernel runs on a GPU: its form, which depends on the sizes, and the launches and working memory that it takes.

A kernel has one of four forms:

- ``map``: threads share out the elements, in strides of the grid;
- ``rows``: a team of threads has a row (part of a warp, a warp or a block, as rows are long), and goes over it pass by
  pass, in registers if it fits, else in shared memory; what it adds up over rows it keeps for itself, and a second launch
  adds up the parts;
- ``columns``: a block has a tile of columns and a part of the rows; a second launch adds up the parts;
- ``split``: several blocks have a row, and each pass is a launch, since it needs what all blocks found before. This is
  for few rows that are long, such as the whole of an array that becomes one number; and for sums over some of the
  outer axes only, whose elements are all kept until the last launch.

What the CPU's loops keep in a row of working memory for a later pass, a GPU keeps in registers, or computes again: that
takes less time than to write it and to read it.

Everything is added up in an order that sizes and device fix, so that results are the same from run to run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gpugrad.codegen.chosen import read_in
from gpugrad.codegen.loops import ELEMENT, REDUCTIONS, Array, LoopKernel

WARP = 32
VECTOR = 16
"""Bytes that one instruction can read."""
NARROW = 1 << 30
"""Elements up to which positions, with the stride of a grid added, are 32-bit integers."""
LARGEST = 512
"""Threads of a block at most."""
RESIDENT = 1024
"""Threads that a processor has at once, with as many registers for each as a row takes."""
TAKEN = 1024
"""Bytes of a processor's shared memory that the device has for itself for each block."""
TURNS = 4
"""How often a thread comes to a row, rather than that there are more threads; up to twice that where there cannot be."""


@dataclass(frozen=True)
class Device:
    """What of a GPU decides how kernels are launched; by default as an H100 is."""

    processors: int = 132
    registers: int = 192
    """Bytes of a row that a thread may have in registers."""
    cache: int = 50 << 20
    """Bytes of the cache that all processors share."""
    shared: int = 227 << 10
    """Bytes of shared memory that a block can have, if it is the only one of its processor, which has ``TAKEN`` more."""
    threads: int = 256
    """Of a block, as a rule; a power of two."""
    long: int = 1 << 15
    """Elements of a row from which on several blocks share it, if there are too few rows to occupy the device."""


H100 = Device()


@dataclass(frozen=True)
class Form:
    """What of the sizes is in the text of a kernel."""

    shape: str
    """"map", "rows", "columns" or "split"."""
    width: int = 1
    """Neighbouring elements that a thread takes at once. Addresses are multiples, and the last axis unless ``ragged``."""
    wide: bool = False
    """Whether positions are 64-bit integers."""
    held: int = 0
    """How often a thread comes to a row at most, all of which it then has in registers; 0 if rows are too long for that."""
    ragged: bool = False
    """Whether rows begin and end anywhere, so that elements at both ends are taken one by one."""
    lanes: int = 0
    """Threads of a team that has a row, or of a block that has a part of one; 0 where that is not in the text."""
    staged: int = 0
    """How many blocks of a processor have a row each in shared memory, read once for all passes; 0 if none has."""


@dataclass(frozen=True)
class Memory:
    """Working memory that is a parameter of the kernel; nothing in it is read before it is written."""

    name: str
    dtype: Any
    elements: int
    instead: str = ""
    """The array that is passed in its place, as there is nothing left to be added up; "" for memory of its own."""


@dataclass(frozen=True)
class Launch:
    """One launch of a function of the kernel's text. All functions have the same parameters."""

    function: str
    grid: tuple[int, ...]
    """Blocks along up to three axes, as threads of a block are."""
    block: tuple[int, ...]
    shared: int = 0
    """Bytes of dynamic shared memory."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Blocks, then threads of a block, along all three axes."""
        return *(*self.grid, 1, 1)[:3], *(*self.block, 1, 1)[:3]


@dataclass(frozen=True)
class Schedule:
    """The launches of a kernel for given sizes, one after another.

    Parameters are the kernel's arrays but those of scratch, then ``memory``, then ``sizes``: those of the axes, and how
    many parts there are where there are any; 32-bit integers, or 64-bit ones where the form is wide.
    """

    form: Form
    memory: tuple[Memory, ...]
    launches: tuple[Launch, ...]
    sizes: tuple[int, ...]


def spans(kernel: LoopKernel, shapes: Sequence[tuple[int, ...]], given: Sequence[int]) -> tuple[int, ...]:
    """The sizes of the axes: ``shapes`` are those of the arrays, ``given`` the sizes of axes that none has."""
    sizes = dict(zip(kernel.given, given, strict=False))  # what comes after is of the CPU's threads
    for a, shape in zip(kernel.arrays, shapes, strict=True):
        sizes |= dict(zip(a.axes, shape, strict=False))  # an array without axes has the shape (1,)
    return tuple(sizes[axis] for axis in range(kernel.axes))


def column_sums(kernel: LoopKernel) -> list[Array]:
    """The arrays that elements are added up into, over the rows."""
    return [a for s, a in kernel.writes if kernel.sums_rows(s, a)]


def staged(kernel: LoopKernel) -> list[Array]:
    """The arrays of whose rows more than one pass reads the same, those of the largest elements first.

    What a pass keeps for a later one is not among them, nor what is drawn, nor what all rows have in common, which the cache
    has, nor what has a row's elements in several places.
    """
    k = kernel.without_scratch()
    read = [a for turn in range(k.passes) for a in read_in(k, turn)]
    inner = tuple(range(k.rows, k.axes))
    found = [a for a in k.arrays if read.count(a) > 1 and a not in k.kept.values() and not a.drawn]
    found = [a for a in found if inner and a.axes[-len(inner) :] == inner and not k.common(a)]
    return sorted(found, key=lambda a: -_itemsize(a.dtype))


def slots(form: Form, columns: int) -> int:
    """For how many elements of each array there is room in shared memory: both ends are apart where rows begin anywhere."""
    return (columns // form.width + 2) * form.width if form.ragged else columns


def shape_of(kernel: LoopKernel, sizes: Sequence[int], device: Device = H100) -> str:
    """The form's shape for such sizes."""
    if any(a.axes != tuple(range(kernel.rows, kernel.axes)) for a in column_sums(kernel)):
        return "split"
    reduces = any(s.op in REDUCTIONS for s in kernel.steps)
    if not reduces:
        return "columns" if column_sums(kernel) else "map"
    rows, inner = _product(sizes[: kernel.rows]), _product(sizes[kernel.rows :])
    return "split" if inner >= device.long and 2 * rows <= device.processors else "rows"


def stages(kernel: LoopKernel) -> int:
    """The number of launches in which several blocks go over a row: its passes, and one for what comes after the last."""
    after = any(s.level != ELEMENT and s.turn == kernel.passes for s in kernel.steps)
    read = {id(s.operands[0]) for s in kernel.steps if s.op == "read"}
    after |= any(
        s.level != ELEMENT and id(a) in read for s, a in kernel.writes
    )  # which blocks of the pass may read yet
    return kernel.passes + after


def working(kernel: LoopKernel, form: Form) -> list[tuple[str, Any, str]]:
    """The parameters of working memory: name, dtype, and what it has one element for.

    That is a column of each "part" of the sums over rows, or each "block" of a row that is shared.
    """
    out = []
    if form.shape == "split":
        out += [(f"parts_{s.name}", s.dtype, "block") for s in kernel.steps if s.op in REDUCTIONS]
    return out + [(f"parts_{a.name}", a.dtype, "part") for a in column_sums(kernel)]


def takes_parts(kernel: LoopKernel, form: Form) -> bool:
    """Whether the last parameter is the number of parts that something is in."""
    return form.shape == "split" or bool(column_sums(kernel))


def schedule(kernel: LoopKernel, sizes: Sequence[int], device: Device = H100, plain: bool = False) -> Schedule:
    """How a kernel runs for axes of such sizes.

    With ``plain`` a thread takes one element at a time and a block one row, none of which is in registers: that is for
    languages without the means.
    """
    shape = shape_of(kernel, sizes, device)
    form = Form(shape, 1 if plain else _width(kernel, sizes), _product(sizes) >= NARROW)
    if not plain and form.width == 1 and shape in ("rows", "split") and _ragged(kernel, sizes, device):
        form = replace(form, width=_widest(kernel), ragged=True)
    if shape == "map":
        blocks = min(_up(_product(sizes) // form.width, device.threads), 2048 // device.threads * device.processors)
        launch = Launch(kernel.name, (blocks, 1), (device.threads if sizes else 1, 1))
        return Schedule(form, (), (launch,), tuple(sizes))
    rows, inner = _product(sizes[: kernel.rows]), _product(sizes[kernel.rows :])
    plan = {"rows": _rows, "columns": _columns, "split": _split}[shape]
    form, launches, parts, blocks = plan(kernel, rows, inner, device, form, plain)
    elements = {"part": parts * inner, "block": rows * blocks}
    alone = parts == 1 and column_sums(kernel)
    memory = tuple(
        Memory(name, dtype, elements[kind], name.removeprefix("parts_") if alone and kind == "part" else "")
        for name, dtype, kind in working(kernel, form)
    )
    if column_sums(kernel) and parts > 1:
        columns = max(_product([sizes[axis] for axis in a.axes]) for a in column_sums(kernel))
        lanes = power_of_two(min(columns, WARP, device.threads))
        launches.append(Launch(f"{kernel.name}_sums", (_up(columns, lanes), 1), (lanes, device.threads // lanes)))
    numbers = (*sizes, blocks if shape == "split" else parts) if takes_parts(kernel, form) else tuple(sizes)
    return Schedule(form, memory, tuple(launches), numbers)


_Plan = tuple[Form, list[Launch], int, int]
"""The form, the launches, how many parts of the sums over rows there are, and how many blocks have a row."""


def _rows(kernel: LoopKernel, rows: int, inner: int, device: Device, form: Form, plain: bool) -> _Plan:
    work = _up(inner, form.width)
    most = 0 if plain or form.ragged else _held_at_most(kernel, form, device)
    lanes = min(LARGEST, max(power_of_two(_up(work, min(most, TURNS) or TURNS)), power_of_two(min(work, WARP))))
    held = power_of_two(_up(work, lanes))
    form = replace(form, held=held if held <= most else 0)
    teams = max(1, min(device.threads // lanes, power_of_two(rows))) if lanes <= WARP else 1
    if plain:
        lanes, teams = min(power_of_two(work), device.threads), 1
    shared = 0
    if not plain and not form.held and lanes > WARP:
        shared = slots(form, inner) * sum(_itemsize(a.dtype) for a in staged(kernel))
        most = 1 if column_sums(kernel) else min(RESIDENT // min(lanes, device.threads), _up(rows, device.processors))
        form = replace(form, staged=min(power_of_two(most + 1) // 2, _at_once(kernel, shared, device)))
    threads = RESIDENT // 2 if column_sums(kernel) else RESIDENT  # each block leaves a part, which is to be read again
    resident = max(1, threads // (lanes * teams))
    if form.staged:  # the fewer rows there is room for, the more threads has each, so that there are as many in all
        lanes, resident = min(RESIDENT // form.staged, power_of_two(_up(work, TURNS))), form.staged
    elif not form.held and kernel.passes > 1:  # rows that are worked on are to stay in the cache, for the next pass
        bytes_of_row = inner * sum(map(_itemsize, _read(kernel)))
        resident = max(1, min(resident, device.cache * 2 // 3 // (device.processors * teams * bytes_of_row or 1)))
    form = form if plain else replace(form, lanes=lanes)
    blocks = min(_up(rows, teams), resident * device.processors)
    parts = blocks if form.held else blocks * teams
    return form, [Launch(kernel.name, (blocks, 1), (lanes, teams), shared if form.staged else 0)], parts, 1


def _at_once(kernel: LoopKernel, shared: int, device: Device) -> int:
    """How many blocks of a processor have a row each in so many bytes of shared memory: a power of two, or 0."""
    exchanged = WARP * sum(_itemsize(s.dtype) for s in kernel.steps if s.op in REDUCTIONS)
    fit = (device.shared + TAKEN) // (shared + exchanged + TAKEN) if shared else 0
    return power_of_two(fit + 1) // 2


def _held_at_most(kernel: LoopKernel, form: Form, device: Device) -> int:
    """How often a thread may come to a row and still have all of it in registers."""
    added = [a.dtype for a in column_sums(kernel)]
    kept = [a.dtype for a in kernel.kept.values()]
    bytes_at_once = form.width * sum(map(_itemsize, [*_read(kernel), *added, *kept]))
    if not bytes_at_once or kernel.rows == kernel.axes:
        return 0
    return min(2 * TURNS, power_of_two(device.registers // bytes_at_once + 1) // 2)


def _columns(kernel: LoopKernel, rows: int, inner: int, device: Device, form: Form, plain: bool) -> _Plan:
    lanes = power_of_two(min(inner // form.width, WARP, device.threads))
    teams = min(device.threads // lanes, power_of_two(rows))
    tiles = _up(inner, lanes * form.width)
    parts = max(1, min(_up(4 * device.processors, tiles), rows // (4 * teams), 1024))
    return form, [Launch(kernel.name, (tiles, parts), (lanes, teams))], parts, 1


def _split(kernel: LoopKernel, rows: int, inner: int, device: Device, form: Form, plain: bool) -> _Plan:
    blocks = max(1, min(_up(inner // form.width, 4 * device.threads), 4 * device.processors // rows, 1024))
    launches = [
        Launch(f"{kernel.name}_{t}", (rows, blocks if t < kernel.passes else 1), (device.threads, 1))
        for t in range(stages(kernel))
    ]
    form = form if plain else replace(form, lanes=device.threads)
    return form, launches, rows, blocks


def _read(kernel: LoopKernel) -> list[Any]:
    """The dtypes of the arrays in memory that each row has elements of, which are read."""
    arrays = {id(s.operands[0]): s.operands[0] for s in kernel.steps if s.op == "read" and not s.operands[0].drawn}
    return [a.dtype for a in arrays.values() if kernel.axes - 1 in a.axes and not kernel.common(a)]


def _width(kernel: LoopKernel, sizes: Sequence[int]) -> int:
    """How many neighbouring elements a thread takes at once, which divide the last axis."""
    width = _widest(kernel)
    while width > 1 and sizes[-1] % width:
        width //= 2
    return width


def _widest(kernel: LoopKernel) -> int:
    """As many neighbouring elements as one instruction reads of the smallest, but no more than two of the largest.

    Of words that are drawn, which are in no memory, it is at least a block of Philox, which has 16 bytes as well.
    """
    last = kernel.axes - 1
    along = [a for a in kernel.arrays if last in a.axes]
    if not along or last < kernel.rows or any(last in a.axes[:-1] for a in kernel.arrays):
        return 1
    drawn, stored = ([_itemsize(a.dtype) for a in along if a.drawn is there] for there in (True, False))
    least = max((VECTOR // n for n in drawn), default=1)
    return max(1, min(max(VECTOR // min(stored or drawn), least), 2 * VECTOR // max(stored or drawn)))


def _ragged(kernel: LoopKernel, sizes: Sequence[int], device: Device) -> bool:
    """Whether long rows of any length begin at the same multiple in all arrays, plus the same rest."""
    along = [a for a in kernel.arrays if kernel.axes - 1 in a.axes and not a.scratch]
    whole = tuple(range(kernel.axes))
    return (
        _product(sizes[kernel.rows :]) >= device.long
        and kernel.axes - kernel.rows == 1
        and all(a.axes == whole for a in along)
    )


def _itemsize(dtype: Any) -> int:
    return int(np.dtype(dtype).itemsize)


def _product(sizes: Sequence[int]) -> int:
    out = 1
    for n in sizes:
        out *= n
    return out


def _up(n: int, by: int) -> int:
    return -(-n // by)


def power_of_two(n: int) -> int:
    """The least power of two that is not below n."""
    return 1 << max(0, n - 1).bit_length()
