"""Where pieces of memory, each needed for a time, lie in one arena."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass

MANY = 600
"""Pieces up to which all are looked at for each: what is packed better takes the square of their number."""


@dataclass(eq=False)
class Span:
    """A piece of memory that is needed from one call to another, both included."""

    start: int
    until: int
    size: int
    keys: list[int]
    """What lies in it, one after another."""
    offset: int = 0


def packed(spans: Sequence[Span]) -> int:
    """Give each span its offset; the size of the arena."""
    size, offsets = _as_they_come(spans)
    if len(spans) <= MANY:
        other, better = _largest_first(spans)
        if other < size:
            size, offsets = other, better
    for span, offset in zip(spans, offsets, strict=True):
        span.offset = offset
    return size


def _largest_first(spans: Sequence[Span]) -> tuple[int, list[int]]:
    """Each at the lowest place that those that were placed before it, and are needed at the same time, leave."""
    offsets = [0] * len(spans)
    placed: list[int] = []
    total = 0
    for k in sorted(range(len(spans)), key=lambda k: (-spans[k].size, spans[k].start)):
        mine = spans[k]
        beside = [j for j in placed if spans[j].start <= mine.until and mine.start <= spans[j].until]
        at = 0
        for j in sorted(beside, key=offsets.__getitem__):
            if offsets[j] >= at + mine.size:
                break
            at = max(at, offsets[j] + spans[j].size)
        offsets[k] = at
        placed.append(k)
        total = max(total, at + mine.size)
    return total, offsets


def _as_they_come(spans: Sequence[Span]) -> tuple[int, list[int]]:
    """Each when it is needed, in the smallest piece that is free then; given in the order of their starts."""
    arena = _Arena()
    offsets = []
    leaving: dict[int, list[tuple[int, int]]] = {}
    now = 0
    for span in spans:
        while now < span.start:
            for offset, n in leaving.pop(now, ()):
                arena.give(offset, n)
            now += 1
        offsets.append(arena.take(span.size))
        leaving.setdefault(span.until, []).append((offsets[-1], span.size))
    return arena.size, offsets


class _Arena:
    """Spans of memory that are free, below a size that grows when none is large enough."""

    def __init__(self) -> None:
        self.size = 0
        self.starts: list[int] = []
        self.lengths: dict[int, int] = {}

    def take(self, n: int) -> int:
        """The beginning of ``n`` bytes: of the smallest span that has them."""
        fitting = [s for s in self.starts if self.lengths[s] >= n]
        if fitting:
            start = min(fitting, key=self.lengths.__getitem__)
        elif self.starts and self.starts[-1] + self.lengths[self.starts[-1]] == self.size:
            start = self.starts[-1]  # the end grows
            self.size = start + n
            self.lengths[start] = n
        else:
            start = self.size
            self.size += n
            return start
        rest = self.lengths.pop(start) - n
        self.starts.remove(start)
        if rest:
            self.put(start + n, rest)
        return start

    def give(self, start: int, n: int) -> None:
        """Let a span be taken again, as one with its neighbours."""
        if not n:
            return
        at = bisect.bisect(self.starts, start)
        if at < len(self.starts) and self.starts[at] == start + n:
            n += self.lengths.pop(self.starts.pop(at))
        if at and self.starts[at - 1] + self.lengths[self.starts[at - 1]] == start:
            self.lengths[self.starts[at - 1]] += n
            return
        self.put(start, n)

    def put(self, start: int, n: int) -> None:
        bisect.insort(self.starts, start)
        self.lengths[start] = n
