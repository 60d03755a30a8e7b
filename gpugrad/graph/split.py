"""A program in two halves: what is computed at once, and what has to wait for further inputs.

The second half reads what the first has computed, or computes it again: a chain of elementwise operations costs less than
to write its result to memory and read it back, as long as what it starts from is there anyway. So do random words where
kernels draw them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gpugrad.codegen.loops import DEAR
from gpugrad.graph.holds import one_key
from gpugrad.graph.ir import Graph, Line, Variable, live
from gpugrad.graph.memory import nbytes

MOST = 8
"""Dear operations that are computed again for one value, at most."""
_CHEAP = frozenset({"expand", "reshape", "cast", "permute", "slice_", "flip"})


@dataclass
class Split:
    """Two graphs, and where the second finds what it reads."""

    first: Graph
    """Its outputs are the results, and then what only the second half reads."""
    second: Graph
    """Its inputs are what it reads, and then the further ones."""
    reads: list[int]
    """For each of what it reads its position among the first half's outputs and then its inputs."""


def split(graph: Graph, results: int, there: int, early: int, draws: bool = False) -> Split:
    """``graph`` gives ``results`` outputs without its inputs from ``early`` on; the first ``there`` inputs stay there.

    ``draws`` says whether kernels draw random words.
    """
    inputs, given = graph.inputs[:early], graph.inputs[early:]
    late = {id(v) for v in given}
    before: list[Line] = []
    after: list[Line] = []
    for line in graph.lines:
        if any(id(x) in late for x in line.operands):
            late.update(id(v) for v in line.results)
            after.append(line)
        else:
            before.append(line)
    outs, ends = graph.outputs[:results], graph.outputs[results:]
    after = live(after, ends)
    wanted = _read([*(x for line in after for x in line.operands), *ends], late)
    again = _again(before, wanted, {id(v) for v in (*inputs[:there], *outs)}, draws)
    done = late | {id(v) for line in again for v in line.results}
    wanted = _read([*(x for line in (*again, *after) for x in line.operands), *ends], done)
    place = {id(v): k for k, v in enumerate(outs)}
    held = {id(v): k for k, v in enumerate(inputs[:there])}
    kept = [v for v in wanted if id(v) not in place and id(v) not in held]
    place |= {id(v): results + k for k, v in enumerate(kept)}
    reads = [place[id(v)] if id(v) in place else results + len(kept) + held[id(v)] for v in wanted]
    return Split(Graph(inputs, before, [*outs, *kept]), Graph([*wanted, *given], [*again, *after], ends), reads)


def _read(values: Sequence[Any], known: set[int]) -> list[Variable]:
    """The variables among values that are not known, each once."""
    return list({id(x): x for x in values if type(x) is Variable and id(x) not in known}.values())


def _again(before: Sequence[Line], wanted: Sequence[Variable], there: set[int], draws: bool) -> list[Line]:
    """The lines of the first half that the second computes again."""
    makers = {id(v): line for line in before for v in line.results}
    chosen: set[int] = set()
    kept: set[int] = set()
    for v in wanted:
        lines, starts = _chain(v, makers, there, draws)
        dear = sum(line.prim.name in DEAR for line in lines if id(line) not in chosen)
        further = [x for x in starts if id(x) not in kept]
        if lines and dear <= MOST and sum(map(nbytes, further)) <= nbytes(v) and v not in further:
            chosen |= {id(line) for line in lines}
            kept |= {id(x) for x in further}
        elif id(v) not in there:
            kept.add(id(v))
    return [line for line in before if id(line) in chosen]


def _chain(v: Variable, makers: dict[int, Line], there: set[int], draws: bool) -> tuple[list[Line], list[Variable]]:
    """The lines that lead to a value and cost little, and where they start, but for what is there anyway."""
    lines: dict[int, Line] = {}
    starts: dict[int, Variable] = {}
    stack = [v]
    while stack:
        x = stack.pop()
        line = makers.get(id(x))
        if id(x) in there or id(x) in starts:
            continue
        if line is None or not (
            line.prim.kind == "elementwise" or line.prim.name in _CHEAP or (draws and one_key(line))
        ):
            starts[id(x)] = x
        elif id(line) not in lines:
            lines[id(line)] = line
            stack += line.variables
    return list(lines.values()), list(starts.values())
