"""What a program does: the bytes that its calls move between memory and processor, and the operations on numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gpugrad.backends import parallel
from gpugrad.codegen.loops import DEAR, ELEMENT, REDUCTIONS
from gpugrad.graph.calls import Call, KernelCall, LibraryCall
from gpugrad.graph.memory import VIEWS, nbytes


@dataclass(frozen=True)
class Work:
    """Of one run. An operand that a call reads several times counts once: the others find it in the caches."""

    bytes: int
    products: int
    """Multiplications and additions of matrix products and convolutions, each of them counted."""
    operations: int
    """All others, one for each element and primitive, whether a sum or an exponential."""


def work(calls: Sequence[Call]) -> Work:
    """The work of calls; what the library does beyond products and convolutions counts as one operation per result."""
    moved = products = operations = 0
    for call in calls:
        if isinstance(call, LibraryCall) and call.line.prim.name in VIEWS:
            continue
        moved += sum(map(nbytes, {id(x): x for x in call.operands if hasattr(x, "shape")}.values()))
        moved += sum(map(nbytes, call.results))
        if isinstance(call, KernelCall):
            rows = max(1, call.elements // max(1, _inner(call)))
            for step in call.kernel.steps:
                if step.op != "read":
                    operations += call.elements if step.level == ELEMENT or step.op in REDUCTIONS else rows
            operations += sum(math.prod(shape) for a, _, shape in call.arguments if a.drawn)
        elif isinstance(call, LibraryCall):
            found = _products(call)
            products += found
            operations += 0 if found else sum(math.prod(v.shape) for v in call.results)
    return Work(moved, products, operations)


def nanoseconds(call: KernelCall) -> float:
    """How long one thread takes for a kernel, about."""
    costs = {True: 0.0, False: 0.0}
    for step in call.kernel.steps:
        if step.op != "read" and (step.level == ELEMENT or step.op in REDUCTIONS):
            costs[step.op in DEAR] += call.elements * np.dtype(step.dtype).itemsize / 4
    nbytes = sum(math.prod(shape) * a.dtype.itemsize for a, _, shape in call.arguments if not a.scratch)
    return parallel.nanoseconds(nbytes, costs[True], costs[False])


def _inner(call: KernelCall) -> int:
    """The elements of a row."""
    sizes: dict[int, int] = {}
    for array, _, shape in call.arguments:
        sizes |= dict(zip(array.axes, shape, strict=False))
    return math.prod(n for axis, n in sizes.items() if axis >= call.kernel.rows)


def _products(call: LibraryCall) -> int:
    line = call.line
    if line.prim.name in ("matmul", "affine"):
        return 2 * math.prod(line.results[0].shape) * int(line.operands[0].shape[-1])
    if line.prim.name in ("conv", "conv_input", "conv_weight"):  # one trilinear form, whichever is left free
        g = {"conv": line.results[0], "conv_input": line.operands[0], "conv_weight": line.operands[1]}[line.prim.name]
        w = line.results[0] if line.prim.name == "conv_weight" else line.operands[1]
        return 2 * int(math.prod(g.shape) * math.prod(w.shape[1:]))
    return 0
