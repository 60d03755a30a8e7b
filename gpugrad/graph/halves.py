"""Reductions of half precision, as reductions of float32 that are rounded once: what a kernel adds up, it adds up there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gpugrad import dtypes
from gpugrad.codegen.loops import REDUCTIONS
from gpugrad.graph.ir import Graph, Line, Variable
from gpugrad.ops.linear import cast

_WIDE = np.dtype(np.float32)


def widened(graph: Graph) -> Graph:
    """The same program with no reduction in float16 or bfloat16."""
    lines: list[Line] = []
    for line in graph.lines:
        lines += _wide(line) if line.prim.name in REDUCTIONS and dtypes.is_half(line.results[0].dtype) else [line]
    return Graph(graph.inputs, lines, graph.outputs)


def _wide(line: Line) -> list[Line]:
    (x,), (out,) = line.operands, line.results
    given, reduced = Variable("wide", x.shape, _WIDE), Variable(out.name, out.shape, _WIDE)
    return [
        Line(cast, (x,), {"dtype": _WIDE, "source": x.dtype}, (given,), line.site),
        replace(line, operands=(given,), results=(reduced,)),
        Line(cast, (reduced,), {"dtype": out.dtype, "source": _WIDE}, (out,), line.site),
    ]
