"""``gpugrad bench compare``: what became faster or slower from one run to another, beyond noise."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpugrad import errors
from gpugrad.bench.limits import Limits
from gpugrad.bench.records import Case, Results, read
from gpugrad.bench.statistics import Change, change
from gpugrad.bench.table import console, seconds

DOUBT = 0.05
"""The probability that anything at all is told though nothing has changed; it is shared out among the cases."""


@dataclass(frozen=True)
class Compared:
    """A case that is in both runs."""

    case: Case
    before: float
    now: float
    change: Change


def compared(before: Results, now: Results) -> list[Compared]:
    """The cases that both runs have, what changed most first."""
    known = {r.case: r for r in before.records}
    both = [(known[r.case], r) for r in now.records if r.case in known]
    out = [
        Compared(a.case, a.time.median, b.time.median, change(a.rounds, b.rounds, DOUBT / len(both), seed=k))
        for k, (a, b) in enumerate(both)
    ]
    return sorted(out, key=lambda c: -c.change.ratio)


def run(paths: list[str]) -> int:
    """Tell what differs between two files; 1 if anything is slower."""
    if len(paths) != 2:
        raise errors.ArgumentError(
            f"bench compare: {len(paths)} files; expected two, the results.json of the run before and of that after"
        )
    before, now = (read(Path(path)) for path in paths)
    found = compared(before, now)
    if not found:
        raise errors.ArgumentError(
            f"bench compare: {paths[0]} and {paths[1]} have no case in common; nothing was compared"
        )
    show(found, before, now)
    return int(any(c.change.verdict == "slower" for c in found))


def _itself(before: Limits, now: Limits) -> str:
    """How much slower or faster the machine was, by what does nothing of ours."""
    ratios = {"copies": before.bandwidth / now.bandwidth, "a call": now.call / before.call}
    ratios |= {
        f"{d} products": before.products[d] / now.products[d] for d in before.products.keys() & now.products.keys()
    }
    return ", ".join(f"{what} {ratio:.2f}" for what, ratio in ratios.items())


def show(found: list[Compared], before: Results, now: Results) -> None:
    """Print what changed, and how many did not."""
    from rich.table import Table

    out: Any = console()
    if before.machine["processor"] != now.machine["processor"]:
        out.print(
            f"note: not the same processor: {before.machine['processor']}, then {now.machine['processor']}",
            markup=False,
        )
    for device in before.limits.keys() & now.limits.keys():
        out.print(f"{device} itself, time now to time before: {_itself(before.limits[device], now.limits[device])}")
    told = [c for c in found if c.change.verdict]
    if told:
        table = Table(
            "workload", "size", "dtype", "device", "library", "before", "now", "ratio", "interval", "", box=None
        )
        for c in told:
            case = c.case
            table.add_row(
                f"{case.workload} {case.way}", f"{case.size:,}", case.dtype, case.device, case.library, seconds(c.before),
                seconds(c.now), f"{c.change.ratio:.2f}", f"{c.change.low:.2f} – {c.change.high:.2f}", c.change.verdict,
            )  # fmt: skip
        out.print(table)
    slower = sum(c.change.verdict == "slower" for c in told)
    only = len(before.records) + len(now.records) - 2 * len(found)
    out.print(
        f"{len(found)} cases in both runs: {slower} slower, {len(told) - slower} faster, {len(found) - len(told)} not apart "
        f"beyond noise; {only} in one of them alone"
    )
