"""What is cheap is computed again where it is read, instead of lying in memory from one kernel to another.

The derivative of tanh, 1 - y·y, is known as soon as y is; but y has to be kept anyway, and reading it where the derivative
is needed costs no more than reading the derivative would.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from gpugrad import dtypes
from gpugrad.codegen.loops import DEAR, ELEMENT, REDUCTIONS, Step
from gpugrad.graph.clusters import Axes, Cluster, Read

DEPTH = 4
"""Steps, one on another, that are computed again at most."""
_FIXED = DEAR | REDUCTIONS.keys() | {"position_in_row"}
"""What is not computed again."""


def recompute(clusters: Sequence[Cluster], needed: set[int], limit: int) -> None:
    """Change the clusters, given in order, where that saves memory; ``needed`` are variables that lie in memory anyway."""
    makers: dict[int, Cluster] = {}
    for cluster in clusters:
        for key, (step, read) in list(cluster.reads.items()):
            maker = makers.get(id(read.base))
            if maker is None or id(read.base) in needed:
                continue
            if maker.space == cluster.space and maker.places.get(id(read.base)) == read.axes:
                _Copy(maker, cluster, key, needed).replace(maker.steps[id(read.base)], step, limit)
        makers.update((k, cluster) for k, s in cluster.steps.items() if s.op not in REDUCTIONS)


class _Copy:
    """Steps of one cluster, copied into another that then has no need to read their result."""

    def __init__(self, maker: Cluster, cluster: Cluster, key: tuple[int, Axes], needed: set[int]) -> None:
        self.maker = maker
        self.cluster = cluster
        self.key = key
        self.needed = needed
        self.reads = {id(s): read for s, read in maker.reads.values()}
        self.variables = {id(s): maker.variables[k] for k, s in maker.steps.items() if k in maker.variables}
        self.made: list[Step] = []
        self.done: dict[int, Any] = {}
        self.added: dict[tuple[int, Axes], tuple[Step, Read]] = {}

    def replace(self, wanted: Step, old: Step, limit: int) -> None:
        """Compute ``wanted`` in place of reading it, if that takes no more reads than it saves."""
        new = self.computed(wanted, DEPTH)
        cluster = self.cluster
        if new is None or len(self.added) > 1 or len(cluster.order) + len(self.made) > limit:
            return
        dtype = cluster.reads[self.key][1].base.dtype
        if dtypes.is_half(dtype) and new.op != "read":  # what was read had been rounded
            new = Step(new.name, f"round_{dtype}", (new,), new.dtype, new.level)
            self.made.append(new)
        del cluster.reads[self.key]
        cluster.reads.update(self.added)
        for step in cluster.order:
            step.operands = tuple(new if x is old else x for x in step.operands)
        cluster.sums = [(v, new if s is old else s) for v, s in cluster.sums]
        cluster.order[:0] = self.made

    def computed(self, step: Any, depth: int) -> Any:
        """A step of ours for a step of the maker: what it reads is read, the rest is computed."""
        if type(step) is not Step:
            return step
        if id(step) not in self.done:
            self.done[id(step)] = self.copy(step, depth)
        return self.done[id(step)]

    def copy(self, step: Step, depth: int) -> Step | None:
        if step.op == "read":
            read = self.reads[id(step)]
            return self.read(read.base, read.axes, step)
        v = self.variables.get(id(step))
        if v is not None:
            axes = self.maker.places[id(v)]
            if id(v) in self.needed or ((id(v), axes) in self.cluster.reads and (id(v), axes) != self.key):
                return self.read(v, axes, step)
        if depth == 0 or step.op in _FIXED or step.level != ELEMENT:
            return None
        operands = [self.computed(x, depth - 1) for x in step.operands]
        if any(x is None for x in operands):
            return None
        made = replace(step, operands=tuple(operands))
        self.made.append(made)
        return made

    def read(self, base: Any, axes: Axes, step: Step) -> Step:
        key = id(base), axes
        for there in (self.cluster.reads, self.added):
            if key in there:
                return there[key][0]
        made = Step(step.name, "read", (), step.dtype, ELEMENT)
        self.added[key] = made, Read(base, axes)
        return made
