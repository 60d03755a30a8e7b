"""Time: how long a call takes, with the device's work done, warmed up, on inputs that are not in the caches."""

from __future__ import annotations

import itertools as it
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

Call = Callable[[], Any]
clock = time.perf_counter

LEAST = 2e-3
"""Seconds that a sample takes at least, of as many calls as that needs: the clock is to be nothing beside it."""
WARM = 3
"""Calls before the first that counts."""


@dataclass
class Timed:
    """A call that is measured: it may be one of several, each on other inputs, that take turns."""

    calls: Sequence[Call]
    wait: Call
    """What returns when all work is done."""
    rounds: list[list[float]] = field(default_factory=list)
    """Seconds that one call takes, by rounds."""
    count: int = 0
    """Calls in a sample."""

    def warm(self) -> None:
        """Call it until it is compiled and captured, and find how many calls a sample takes."""
        turns = it.cycle(self.calls)
        for _ in range(max(WARM, len(self.calls))):
            next(turns)()
        self.wait()
        self.count = 1
        while (taken := self._sample(turns)) * self.count < LEAST:
            self.count = max(2 * self.count, min(int(LEAST / max(taken, 1e-9)), 1 << 20))

    def round(self, seconds: float, least: int = 3) -> None:
        """A further round of samples, for so long and at least so many."""
        if not self.count:
            self.warm()
        turns = it.cycle(self.calls)
        samples: list[float] = []
        end = clock() + seconds
        while len(samples) < least or clock() < end:
            samples.append(self._sample(turns))
        self.rounds.append(samples)

    def _sample(self, turns: Any) -> float:
        self.wait()
        began = clock()
        for _ in range(self.count):
            next(turns)()
        self.wait()
        return (clock() - began) / self.count
