"""The graph: a program as a list of primitives in the order in which they were applied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from textwrap import indent
from typing import Any

from gpugrad.primitive import Primitive, Shape


@dataclass(eq=False, slots=True)
class Variable:
    """A value of a program. Its name is a wish until the program is printed."""

    name: str
    shape: Shape
    dtype: Any
    order: tuple[int, ...] | None = None
    """Its axes from the outermost to the innermost as they are to lie in memory of a plan's own; None: in C's order."""


@dataclass(frozen=True, slots=True)
class Line:
    """One primitive as it was applied: a :class:`Variable` or a constant for each operand, and where that was said."""

    prim: Primitive
    operands: tuple[Any, ...]
    params: dict[str, Any]
    results: tuple[Variable, ...]
    site: str

    @property
    def variables(self) -> list[Variable]:
        """The operands that are no constants."""
        return [x for x in self.operands if type(x) is Variable]

    @property
    def graphs(self) -> dict[str, Graph]:
        """The graphs that it runs, by name: the condition and the body of a loop."""
        found: dict[str, Graph] = getattr(self.params.get("loop"), "graphs", {})
        return found


@dataclass(slots=True)
class Graph:
    """A program: what it takes, its lines, and what it gives (a variable, or an array that is always the same)."""

    inputs: list[Variable] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    outputs: list[Any] = field(default_factory=list)

    def __str__(self) -> str:
        names: dict[int, str] = {}
        taken: dict[str, int] = {}

        def name(v: Variable) -> str:
            if id(v) not in names:
                n = taken[v.name] = taken.get(v.name, 0) + 1
                names[id(v)] = v.name if n == 1 else f"{v.name}_{n}"
            return names[id(v)]

        def operand(x: Any) -> str:
            if type(x) is Variable:
                return name(x)
            return f"{x.dtype}{list(x.shape)}" if getattr(x, "shape", ()) else repr(x)

        head = ", ".join(f"{name(v)}: {v.dtype}{list(v.shape)}" for v in self.inputs)
        body = []
        for line in self.lines:
            given = ", ".join([*map(operand, line.operands), *(f"{k}={v!r}" for k, v in line.params.items())])
            left = ", ".join(f"{name(v)}: {v.dtype}{list(v.shape)}" for v in line.results)
            body.append(f"  {f'{left} = {line.prim.name}({given})':72s}  # {line.site}")
            for part, graph in line.graphs.items():
                body.append(indent(f"{part} {graph}", "    "))
        return "\n".join([f"({head}):", *body, f"  return {', '.join(map(operand, self.outputs))}"])


def live(lines: Sequence[Line], needed: Sequence[Any]) -> list[Line]:
    """The lines that the needed variables depend on, in order."""
    wanted = {id(v) for v in needed}
    kept: list[Line] = []
    for line in reversed(lines):
        if any(id(v) in wanted for v in line.results):
            kept.append(line)
            wanted.update(id(x) for x in line.operands if type(x) is Variable)
    return kept[::-1]
