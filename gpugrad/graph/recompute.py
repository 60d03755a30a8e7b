"""What is cheap is computed again where it is read, instead of lying in memory from one kernel to another.

The derivative of tanh, 1 - y·y, is known as soon as y is; but y has to be kept anyway, and reading it where the derivative
is needed costs no more than reading the derivative would. What several such values are computed from may be less than they
are together: then all are computed again, and what is dear among it is read in their place. Random words that a kernel draws
are read from nowhere: what is kept of them, such as a mask, is computed again, from words that are drawn again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from gpugrad import dtypes
from gpugrad.codegen.loops import DEAR, ELEMENT, REDUCTIONS, Step
from gpugrad.graph.clusters import Axes, Cluster, Read
from gpugrad.graph.memory import nbytes

Key = tuple[int, Axes]

DEPTH = 6
"""Steps, one on another, that are computed again at most."""
SMALL = 8
"""The part of an array's size up to which another is small beside it: what repeats along its axes, and stays in the cache."""
CHEAPER = 2
"""Dear steps that a GPU computes again sooner than it writes and reads one number, if not in double precision."""
_FIXED = REDUCTIONS.keys() | {"position_in_row"}
"""What is not computed again."""


def recompute(
    clusters: Sequence[Cluster], needed: set[int], limit: int, drawn: Collection[int] = (), gpu: bool = False
) -> None:
    """Change the clusters, given in order, where that saves memory; ``needed`` are variables that lie in memory anyway.

    ``drawn`` are those that never do. On a GPU something dear may be computed again, too.
    """
    most = CHEAPER if gpu else 0
    readers = Counter(id(read.base) for cluster in clusters for _, read in cluster.reads.values())
    makers: dict[int, Cluster] = {}
    for cluster in clusters:
        by_maker: dict[int, list[Key]] = {}
        for key, (_, read) in list(cluster.reads.items()):
            maker = makers.get(id(read.base))
            if maker is None or id(read.base) in needed:
                continue
            if maker.space == cluster.space and maker.places.get(id(read.base)) == read.axes:
                by_maker.setdefault(id(maker), []).append(key)
        for keys in by_maker.values():
            maker = makers[keys[0][0]]
            about = maker, cluster
            left = [
                key
                for key in keys
                if not any(
                    _Copy(*about, [key], needed, readers, drawn, most, there).replace(limit) for there in (False, True)
                )
            ]
            trial = _Copy(*about, left, needed, readers, drawn, most)
            left = [key for key in left if trial.computed(maker.steps[key[0]], DEPTH) is not None]
            if len(left) > 1:
                _Copy(*about, left, needed, readers, drawn, most).replace(limit)
        makers.update((k, cluster) for k, s in cluster.steps.items() if s.op not in REDUCTIONS)


class _Copy:
    """Steps of one cluster, copied into another that then has no need to read some of its results."""

    def __init__(
        self,
        maker: Cluster,
        cluster: Cluster,
        keys: Sequence[Key],
        needed: set[int],
        readers: Counter[int],
        drawn: Collection[int],
        dear: int,
        there: bool = False,
    ) -> None:
        self.maker = maker
        self.cluster = cluster
        self.keys = keys
        self.needed = needed
        self.readers = readers
        self.drawn = drawn
        self.dear = dear
        """How many dear steps may be computed again."""
        self.there = there
        """Whether what other kernels read is read here, too, instead of computed again."""
        self.reads = {id(s): read for s, read in maker.reads.values()}
        self.variables = {id(s): maker.variables[k] for k, s in maker.steps.items() if k in maker.variables}
        self.made: list[Step] = []
        self.done: dict[int, Any] = {}
        self.added: dict[Key, tuple[Step, Read]] = {}

    def replace(self, limit: int) -> bool:
        """Compute what the keys stand for in place of reading it, if that moves less; whether it does."""
        cluster = self.cluster
        new = {key: self.computed(self.maker.steps[key[0]], DEPTH) for key in self.keys}
        if None in new.values() or len(cluster.order) + len(self.made) > limit or not self.saves():
            return False
        for key, step in new.items():
            old, read = cluster.reads.pop(key)
            self.readers[key[0]] -= 1
            if dtypes.is_half(read.base.dtype) and step.op != "read":  # what was read had been rounded
                step = Step(step.name, f"round_{read.base.dtype}", (step,), step.dtype, step.level)
                self.made.append(step)
            for other in cluster.order:
                other.operands = tuple(step if x is old else x for x in other.operands)
            cluster.sums = [(v, step if s is old else s) for v, s in cluster.sums]
        cluster.reads.update(self.added)
        self.readers.update(key[0] for key in self.added)
        cluster.order[:0] = self.made
        return True

    def saves(self) -> bool:
        """Whether what is not read, and not written for it, is more than what is; or one read takes the place of another, be
        it beside some that are small."""
        added = [read.base for _, read in self.added.values() if id(read.base) not in self.drawn]
        if len(self.keys) == 1:
            least = nbytes(self.cluster.reads[self.keys[0]][1].base) // SMALL
            if sum(nbytes(base) > least for base in added) <= 1:
                return True
        more = sum(self.moved(base, 0) for base in added)
        return more < sum(self.moved(self.cluster.reads[key][1].base, 1) for key in self.keys)

    def moved(self, base: Any, readers: int) -> int:
        """The bytes of a value that this cluster reads, twice if it is written for it alone, beside so many readers."""
        alone = id(base) in self.maker.steps and id(base) not in self.needed and self.readers[id(base)] <= readers
        return nbytes(base) * (1 + alone)

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
            there = (id(v), axes) in self.cluster.reads or (step.op in DEAR and len(self.keys) > 1)
            there |= step.level != ELEMENT  # a number of a row, which is small beside the row
            there |= self.there and self.readers[id(v)] > 0
            if id(v) in self.needed or (there and (id(v), axes) not in self.keys):
                return self.read(v, axes, step)
        if depth == 0 or step.op in _FIXED or step.level != ELEMENT:
            return None
        if step.op in DEAR:
            self.dear -= 1
            if self.dear < 0 or step.dtype.itemsize > 4:
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
