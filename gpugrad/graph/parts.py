"""A cluster that computes things of which none needs another, as several: a loop that goes through many arrays is slow.

The updates of a model's parameters are such things: all that have one shape would be one loop over dozens of arrays, for
which a processor has too few registers and lines of its nearest cache, and LLVM no vectors, since any of so many arrays
might overlap. One by one they are alike besides, and compiled once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

from gpugrad.codegen.loops import ELEMENT, Step
from gpugrad.graph.clusters import Axes, Cluster

MOST = 12
"""Arrays that a loop goes through, where what it computes can be done one by one."""
LEAST = 16
"""Elements of an index space below which a call costs more than what it does."""


def parted(cluster: Cluster, needed: set[int]) -> list[Cluster]:
    """The cluster itself, or several in its place; ``needed`` are the variables that are written to memory."""
    if prod(cluster.space) < LEAST or len(cluster.reads) + len(cluster.variables) <= MOST:
        return [cluster]
    parts: list[Cluster] = []
    through: set[Any] = set()
    """What the last of them goes through; single numbers are nothing."""
    for one in _divided(cluster, _connected(cluster)):
        mine = {key for key in one.reads if key[1]} | {k for k in one.variables if k in needed and one.places[k]}
        if parts and len(through | mine) <= MOST:
            _join(parts[-1], one)
            through |= mine
        else:
            parts.append(one)
            through = mine
    for part in parts:
        _finish(part, cluster.loops, cluster.rows)
    return parts


def _connected(cluster: Cluster) -> list[list[Step]]:
    """Steps in groups, none of which needs what is computed in another; a read is in one where nothing else is."""
    group_of: dict[int, list[Step]] = {}
    summed = [s for _, s in cluster.sums if s.op == "read"]
    steps = [*cluster.order, *{id(s): s for s in summed}.values()]
    for step in steps:
        known = {id(g): g for x in step.operands if (g := group_of.get(id(x))) is not None}
        largest = max(known.values(), key=len, default=[])
        for other in known.values():
            if other is not largest:
                largest += other
                group_of.update((id(s), largest) for s in other)
        largest.append(step)
        group_of[id(step)] = largest
    place = {id(step): k for k, step in enumerate(steps)}
    groups = {id(g): g for g in (group_of[id(step)] for step in steps)}
    return [sorted(g, key=lambda s: place[id(s)]) for g in groups.values()]


def _divided(cluster: Cluster, groups: Sequence[Sequence[Step]]) -> list[Cluster]:
    """A cluster for each group of steps, with steps of its own for what it reads, which others may read, too."""
    parts = [Cluster(cluster.space) for _ in groups]
    part_of = {id(s): part for part, group in zip(parts, groups, strict=True) for s in group}
    reads = {id(step): (key, step, read) for key, (step, read) in cluster.reads.items()}

    def own(x: Any, part: Cluster) -> Any:
        if id(x) not in reads:
            return x
        key, step, read = reads[id(x)]
        if key not in part.reads:
            part.reads[key] = replace(step), read
        return part.reads[key][0]

    for part, group in zip(parts, groups, strict=True):
        for step in group:
            if step.op != "read":
                step.operands = tuple(own(x, part) for x in step.operands)
                part.order.append(step)
    for k, step in cluster.steps.items():
        part_of[id(step)].steps[k] = step
    for v, step in cluster.sums:
        part = part_of[id(step)]
        part.sums.append((v, own(step, part)))
    owner = {k: part for part in parts for k in (*part.steps, *(id(v) for v, _ in part.sums))}
    for k, v in cluster.variables.items():
        owner[k].variables[k] = v
        owner[k].places[k] = cluster.places[k]
    return parts


def _join(a: Cluster, b: Cluster) -> None:
    """Add all that another has."""
    for key, (step, read) in b.reads.items():
        mine, _ = a.reads.setdefault(key, (step, read))
        if mine is not step:
            for other in b.order:
                other.operands = tuple(mine if x is step else x for x in other.operands)
            b.sums = [(v, mine if s is step else s) for v, s in b.sums]
    a.steps |= b.steps
    a.places |= b.places
    a.order += b.order
    a.sums += b.sums
    a.variables |= b.variables


def _finish(part: Cluster, loops: Axes | None, rows: int | None) -> None:
    """The loops of the whole, where rows are something to it."""
    if part.sums or any(s.level != ELEMENT or s.op == "position_in_row" for s in part.order):
        part.loops, part.rows = loops, rows
