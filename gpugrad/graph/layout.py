"""What lies in another order than is needed, C's as a rule, is put in order once, into memory that is the plan's own.

A kernel runs along its arrays as if they were one line of memory, and a reshape that crosses transposed axes has no view
to give. Left to the library each would make an array for it, new in every call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gpugrad.graph.calls import Call, CopyCall, KernelCall, LibraryCall
from gpugrad.graph.ir import Graph, Line, Variable
from gpugrad.graph.memory import ALIGNMENT, owned

_STRIDED = frozenset({"affine", "attention", "attention_back", "conv", "conv_input", "conv_weight", "matmul"})
"""What libraries compute that are told where each axis lies."""
_MOVES = frozenset({"reshape", "permute", "expand", "slice_", "flip", "split"})
"""Views whose strides follow from those of the operand."""


def ordered(graph: Graph, calls: Sequence[Call], alignment: int = 1) -> list[Call]:
    """The calls, with copies where it is known that what is to be in C's order, and to begin at such a multiple, does not."""
    return _Ordering(graph, alignment).calls(calls)


class _Ordering:
    def __init__(self, graph: Graph, alignment: int) -> None:
        self.alignment = alignment
        self.layouts = {id(v): _laid_out(v) for v in graph.inputs}
        """id of a variable, if it is known how it lies -> an array that lies so, without its memory."""
        self.copies: dict[tuple[int, Any], Variable] = {}
        """id of a variable, and an order of its axes -> the same numbers, in that order."""
        self.out: list[Call] = []

    def calls(self, calls: Sequence[Call]) -> list[Call]:
        for call in calls:
            if isinstance(call, KernelCall):
                call.arguments = [(a, self.straight(x), shape) for a, x, shape in call.arguments]
            elif isinstance(call, LibraryCall) and call.line.prim.name in _MOVES:
                call = LibraryCall(self.move(call.line), call.into)
            elif isinstance(call, LibraryCall) and call.into:
                line, order = call.line, call.line.results[0].order
                if order is not None or line.prim.name not in _STRIDED:
                    operands = tuple(self.straight(x, line.site, order) for x in line.operands)
                    call = LibraryCall(replace(line, operands=operands), True)
            self.out.append(call)
            self.layouts.update((id(v), _laid_out(v)) for v in owned(call))
        return self.out

    def straight(self, x: Any, site: str = "", order: tuple[int, ...] | None = None) -> Any:
        """``x``, or a copy of it if it is known to lie in another order than this one of its axes, None for C's."""
        layout = self.layouts.get(id(x))
        if layout is None:
            return x
        there = layout if order is None else layout.transpose(order)
        if there.flags.c_contiguous and not (layout.ctypes.data % self.alignment and layout.size):
            return x
        key = id(x), order
        if key not in self.copies:
            self.copies[key] = copy = Variable(x.name, x.shape, x.dtype, order)
            self.layouts[id(copy)] = _laid_out(copy)
            self.out.append(CopyCall(x, copy, site))
        return self.copies[key]

    def move(self, line: Line) -> Line:
        """The line, from a copy of what it reads if it would make one."""
        x, out = line.operands[0], line.results[0]
        layout = self.layouts.get(id(x))
        if layout is None:
            return line
        if line.prim.name == "reshape":
            try:
                self.layouts[id(out)] = np.reshape(layout, out.shape, copy=False)
            except ValueError:
                line = Line(line.prim, (self.straight(x, line.site),), line.params, line.results, line.site)
                self.layouts[id(out)] = _laid_out(out)
        else:
            found = line.prim.impl[np.ndarray](layout, *line.operands[1:], **line.params)
            for v, part in zip(line.results, found if line.prim.outputs else (found,), strict=True):
                self.layouts[id(v)] = part
        return line


def _laid_out(v: Variable) -> Any:
    """An array in a variable's order that has one element of memory, and is only looked at."""
    strides, step = [0] * len(v.shape), v.dtype.itemsize
    for axis in reversed(range(len(v.shape)) if v.order is None else v.order):
        strides[axis] = step
        step *= max(v.shape[axis], 1)
    memory = np.empty(v.dtype.itemsize + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    one = memory[start : start + v.dtype.itemsize].view(np.dtype((np.void, v.dtype.itemsize)))
    return np.lib.stride_tricks.as_strided(one, v.shape, strides)
