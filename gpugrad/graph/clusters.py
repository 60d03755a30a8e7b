"""Clusters: lines of a graph that are to become one kernel, while they are being gathered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gpugrad.codegen.loops import Step
from gpugrad.graph.ir import Variable

Axes = tuple[int, ...]


@dataclass(eq=False)
class Read:
    """A value as a kernel's index space sees it: which of its axes each axis of ``base`` runs along (sizes of 1 left out)."""

    base: Any
    """A variable, or a constant array."""
    axes: Axes


@dataclass(eq=False)
class Cluster:
    """Lines that become one kernel."""

    space: tuple[int, ...]
    loops: Axes | None = None
    """The axes that are not of size 1 in the order of the loops, rows first; None as long as nothing is reduced."""
    rows: int | None = None
    """How many of the loops are those of rows."""
    steps: dict[int, Step] = field(default_factory=dict)
    """id of a variable -> the step that computes it."""
    places: dict[int, Axes] = field(default_factory=dict)
    """id of a variable -> the axes of the index space along which it runs."""
    order: list[Step] = field(default_factory=list)
    reads: dict[tuple[int, Axes], tuple[Step, Read]] = field(default_factory=dict)
    sums: list[tuple[Variable, Step]] = field(default_factory=list)
    """Sums over rows: what they are, and the elements that are added up."""
    variables: dict[int, Variable] = field(default_factory=dict)

    def ordered(self, loops: Axes, rows: int) -> bool:
        """Whether these may be its loops."""
        return self.loops is None or (self.loops, self.rows) == (loops, rows)
