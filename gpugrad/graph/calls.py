"""Calls: what a program is made of when its lines are fused, kernels, calls of the library, and copies."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gpugrad import dtypes
from gpugrad.codegen.loops import REDUCTIONS, Array, LoopKernel
from gpugrad.graph.ir import Line, Variable


@dataclass(eq=False)
class KernelCall:
    """A kernel, and for each of its arrays the variable or constant, and the shape in which it is passed."""

    kernel: LoopKernel
    arguments: list[tuple[Array, Any, tuple[int, ...]]]
    sizes: list[int]
    """Of the axes that no array has; then, if the kernel is turned, 0 and the size of the first axis."""
    length: int
    """The size of the first axis."""
    elements: int
    """The size of the index space."""
    replaced: dict[int, Variable] = field(default_factory=dict)
    """id of an array that is read and written -> the variable that is there afterwards."""

    @property
    def shares(self) -> list[str] | None:
        """What each argument is to a thread that runs a part of the first axis; None if that cannot be."""
        kernel = self.kernel
        if not kernel.axes or kernel.given or (not kernel.rows and kernel.passes > 1):
            return None
        if not kernel.rows and any(s.op == "position_in_row" for s in kernel.steps):
            return None  # a part of a row does not know where it begins
        if kernel.turned:
            return [*("own" if a.scratch else "whole" for a, _, _ in self.arguments), "start", "stop"]
        reduced = {id(a): REDUCTIONS[s.op] for s, a in kernel.writes if s.op in REDUCTIONS and not kernel.rows}
        out = []
        for a, _, _ in self.arguments:
            if a.axes[:1] == (0,):
                out.append("own" if a.scratch else "part")
            elif not a.written:
                out.append("whole")
            elif a.scratch:
                out.append("own")
            elif id(a) in reduced and not dtypes.is_half(a.dtype):
                out.append(reduced[id(a)])
            elif any(w is a and kernel.sums_rows(s, a) for s, w in kernel.writes):
                out.append("sum")
            else:
                return None
        return out

    @property
    def results(self) -> list[Variable]:
        """The variables that it computes."""
        return [self.replaced.get(id(a), x) for a, x, _ in self.arguments if a.written and not a.scratch]

    @property
    def operands(self) -> list[Any]:
        """What it reads."""
        return [x for a, x, _ in self.arguments if not a.written or id(a) in self.replaced]


@dataclass(eq=False)
class LibraryCall:
    """A line that the backend computes."""

    line: Line
    into: bool = False
    """Whether it writes its results into memory that is there, instead of giving new arrays."""

    @property
    def results(self) -> list[Variable]:
        """The variables that it computes."""
        return list(self.line.results)

    @property
    def operands(self) -> list[Any]:
        """What it reads."""
        return list(self.line.operands)


@dataclass(eq=False)
class CopyCall:
    """A copy, in the order of the copy's own, of what lies in another."""

    source: Variable
    copy: Variable
    site: str

    @property
    def results(self) -> list[Variable]:
        """The copy."""
        return [self.copy]

    @property
    def operands(self) -> list[Any]:
        """What is copied."""
        return [self.source]


Call = KernelCall | LibraryCall | CopyCall
