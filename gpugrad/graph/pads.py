"""Sums of arrays that lie among zeros, as one call: nothing is written down but the sum."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from typing import Any

from gpugrad.graph.ir import Graph, Line, Variable
from gpugrad.ops.assembling import RANK, assemble, merged
from gpugrad.ops.linear import Spec

TERMS = 32
"""Of a sum, at most."""
DTYPES = frozenset({"float32", "float64", "complex64", "complex128", "int32", "int64"})
"""In which such sums are one call on every device."""


def joined(graph: Graph, names: Collection[str] = DTYPES) -> Graph:
    """The same program with such calls, in dtypes of these names. Terms are added in the order in which they were."""
    makers = {id(v): line for line in graph.lines for v in line.results}
    uses = Counter(id(x) for line in graph.lines for x in line.operands)
    uses.update(id(v) for v in graph.outputs)
    gone: set[int] = set()
    lines: list[Line] = []

    def terms(x: Any, out: Variable) -> list[tuple[Any, Spec]] | None:
        """What is added up to ``x``, each with its part, if nobody else reads that."""
        line = makers.get(id(x)) if type(x) is Variable and uses[id(x)] == 1 else None
        if line is None or x.shape != out.shape or x.dtype != out.dtype:
            return None
        if line.prim is assemble:
            return list(zip(line.operands, line.params["specs"], strict=True))
        if line.prim.name != "unslice" or any(step != 1 for _, _, step in line.params["spec"]):
            return None
        before = x.shape[: len(x.shape) - len(line.params["spec"])]
        return [(line.operands[0], (*((0, n, 1) for n in before), *line.params["spec"]))]

    for line in graph.lines:
        out = line.results[0]
        if line.prim.name == "add" and out.dtype.name in names and 0 not in out.shape:
            found = [terms(x, out) for x in line.operands]
            if None not in found and min(counts := [len(t) for t in found if t]) == 1 and sum(counts) <= TERMS:
                # The longer one comes first, since its terms are added first; of two of one length the order stays.
                long, short = sorted(filter(None, found), key=len, reverse=True)
                operands, specs = zip(*long, *short, strict=True)
                if len(merged(specs, out.shape)[1]) <= RANK:
                    gone |= {id(makers[id(x)]) for x in line.operands}
                    line = replace(line, prim=assemble, operands=operands, params={"specs": specs, "sizes": out.shape})
                    makers[id(out)] = line
        lines.append(line)
    return Graph(graph.inputs, [line for line in lines if id(line) not in gone], graph.outputs)
