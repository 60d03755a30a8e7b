"""What samples of time come to: medians, and how sure they are.

Samples lie in rounds. Those of one round share what the machine was doing then, so a resample draws rounds first and then
samples within them (the bootstrap of clustered data: A. C. Davison, D. V. Hinkley, Bootstrap Methods, 1997, section 3.8).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

RESAMPLES = 2000

Rounds = Sequence[Sequence[float]]
"""Samples in seconds, by the round in which they were taken."""


@dataclass(frozen=True)
class Spread:
    """A median, and the interval in which it lies with a probability of 95 %."""

    median: float
    low: float
    high: float


def median(rounds: Rounds) -> float:
    """The median of all samples.

    >>> median([[1.0, 2.0], [4.0]])
    2.0
    """
    return float(np.median([x for samples in rounds for x in samples]))


def resampled(rounds: Rounds, rng: Any) -> Any:
    """Medians of resamples."""
    given = [np.asarray(samples) for samples in rounds if len(samples)]
    lengths = np.array([len(samples) for samples in given])
    padded = np.full((len(given), lengths.max()), np.inf)
    for k, samples in enumerate(given):
        padded[k, : len(samples)] = samples
    drawn = rng.integers(0, len(given), (RESAMPLES, len(given)))
    places = (rng.random((*drawn.shape, padded.shape[1])) * lengths[drawn][..., None]).astype(np.intp)
    taken = padded[drawn[..., None], places]
    taken[np.arange(padded.shape[1]) >= lengths[drawn][..., None]] = np.inf  # a round gives as many as it has
    taken = np.sort(taken.reshape(RESAMPLES, -1), axis=1)
    count = lengths[drawn].sum(axis=1)
    each = np.arange(RESAMPLES)
    return (taken[each, (count - 1) // 2] + taken[each, count // 2]) / 2


def spread(rounds: Rounds, seed: int = 0) -> Spread:
    """The median of all samples and its interval.

    >>> spread([[1.0, 1.0, 1.0]])
    Spread(median=1.0, low=1.0, high=1.0)
    """
    low, high = np.quantile(resampled(rounds, np.random.default_rng(seed)), [0.025, 0.975])
    return Spread(median(rounds), float(low), float(high))


@dataclass(frozen=True)
class Change:
    """How many times as long it takes now, and the interval of that."""

    ratio: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """ "slower" or "faster" if the interval leaves no doubt, "" otherwise."""
        return "slower" if self.low > 1.0 else "faster" if self.high < 1.0 else ""


def change(before: Rounds, now: Rounds, doubt: float = 0.05, seed: int = 0) -> Change:
    """From one run to another; the interval holds with a probability of 1 - ``doubt``.

    >>> change([[1.0, 1.1, 1.0]] * 3, [[2.0, 2.1, 2.2]] * 3).verdict
    'slower'
    """
    rng = np.random.default_rng(seed)
    ratios = resampled(now, rng) / resampled(before, rng)
    low, high = np.quantile(ratios, [doubt / 2, 1 - doubt / 2])
    return Change(median(now) / median(before), float(low), float(high))
