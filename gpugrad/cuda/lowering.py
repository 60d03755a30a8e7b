"""Lines that a CUDA device has no kernel for, as lines that it has one for: convolutions as matrix products of windows.

The windows are laid out where they are needed, for each product anew: they take as many times the memory of an array as a
window has elements.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from gpugrad import dtypes
from gpugrad.graph.ir import Graph, Line, Variable
from gpugrad.ops.bilinear import mm
from gpugrad.ops.linear import permute, reduce_sum, reshape
from gpugrad.ops.windows import fold, unfold
from gpugrad.primitive import Primitive


def lowered(graph: Graph, kept: Callable[[Line], bool] = lambda line: False) -> Graph:
    """The same program without convolutions, but those that are ``kept``."""
    lines: list[Line] = []
    for line in graph.lines:
        way = _WAYS.get(line.prim.name)
        arrays = (*line.operands, *line.results)
        if (
            way is None
            or any(0 in x.shape for x in arrays)
            or len({dtypes.name(x.dtype) for x in arrays}) > 1
            or kept(line)
        ):
            lines.append(line)
        else:
            lines += _Lines(line).written(way)
    return Graph(graph.inputs, lines, graph.outputs)


class _Lines:
    """Lines in place of one."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.lines: list[Line] = []

    def written(self, way: Callable[..., Any]) -> list[Line]:
        """All of them; the last one has the result of that which it replaces."""
        way(self, *self.line.operands, **self.line.params)
        last = self.lines[-1]
        self.lines[-1] = Line(last.prim, last.operands, last.params, self.line.results, last.site)
        return self.lines

    def apply(self, prim: Primitive, *operands: Any, **params: Any) -> Variable:
        """A primitive applied to operands of one dtype."""
        shape = prim.shape(*(x.shape for x in operands), **params)
        out = Variable(prim.name, tuple(shape), operands[0].dtype)
        self.lines.append(Line(prim, operands, params, (out,), self.line.site))
        return out

    def shaped(self, x: Any, *shape: int) -> Variable:
        return self.apply(reshape, x, to=shape, rank=len(x.shape))

    def turned(self, x: Any) -> Variable:
        """Matrices transposed."""
        rank = len(x.shape)
        return self.apply(permute, x, perm=(*range(-rank, -2), -1, -2))

    def columns(self, x: Any, groups: int, **window: Any) -> Variable:
        """(N, C, *space) as (N, groups, C / groups * taps, windows)."""
        n, c = x.shape[:2]
        cols = self.apply(unfold, x, **window)
        return self.shaped(cols, n, groups, c // groups * cols.shape[2], math.prod(cols.shape[3:]))

    def grouped(self, w: Any, groups: int) -> Variable:
        """(O, C / groups, *kernel) as (groups, O / groups, C / groups * taps)."""
        return self.shaped(w, groups, w.shape[0] // groups, math.prod(w.shape[1:]))

    def parted(self, g: Any, groups: int) -> Variable:
        """(N, O, *windows) as (N, groups, O / groups, windows)."""
        return self.shaped(g, g.shape[0], groups, g.shape[1] // groups, math.prod(g.shape[2:]))


def _conv(to: _Lines, x: Any, w: Any, *, groups: int, **window: Any) -> None:
    cols = to.columns(x, groups, kernel=w.shape[2:], **window)
    to.shaped(to.apply(mm, to.grouped(w, groups), cols), *to.line.results[0].shape)


def _conv_input(to: _Lines, g: Any, w: Any, *, groups: int, size: tuple[int, ...], **window: Any) -> None:
    kernel = w.shape[2:]
    cols = to.apply(mm, to.turned(to.grouped(w, groups)), to.parted(g, groups))
    taps = to.shaped(cols, *to.line.results[0].shape[:2], math.prod(kernel), *g.shape[2:])
    to.apply(fold, taps, size=size, kernel=kernel, **window)


def _conv_weight(to: _Lines, x: Any, g: Any, *, groups: int, **window: Any) -> None:
    each = to.apply(mm, to.parted(g, groups), to.turned(to.columns(x, groups, **window)))
    to.shaped(to.apply(reduce_sum, each, axis=(-4,)), *to.line.results[0].shape)


_WAYS: dict[str, Callable[..., None]] = {"conv": _conv, "conv_input": _conv_input, "conv_weight": _conv_weight}
