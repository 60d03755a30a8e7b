"""What a run says, in numbers: its lines over the sizes, where two devices cross, how far away the peers are."""

from __future__ import annotations

import itertools as it
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median

from gpugrad.bench import table
from gpugrad.bench.limits import Limits
from gpugrad.bench.records import Case, Record, Results
from gpugrad.bench.statistics import Change, change
from gpugrad.bench.workloads import WORKLOADS

OURS, EAGER = "gpugrad", "gpugrad eager"
UNITS = {"bandwidth": ("GB/s", 1e9), "products": ("GFLOP/s", 1e9), "calls": ("calls/s", 1.0)}
"""What throughput is measured in, by what bounds a workload."""


def bound(record: Record) -> str:
    """What bounds the record's workload; of a user's, which is declared nowhere, its work tells."""
    known = WORKLOADS.get(record.case.workload)
    return known.bound if known else "products" if record.products else "bandwidth"


def throughput(record: Record, seconds: float) -> float:
    """In the unit of the record's bound, if a call took so long."""
    kind = bound(record)
    amount = {"bandwidth": record.bytes, "products": record.products + record.operations, "calls": 1}[kind]
    return amount / UNITS[kind][1] / seconds


def limit(record: Record, limits: Limits) -> float:
    """The throughput if the call took the least time that its work takes on the device."""
    return throughput(record, limits.seconds(record.bytes, record.products, record.case.dtype, record.touched))


def lines(results: Results) -> dict[tuple[str, ...], list[Record]]:
    """The records of each series by size; the series in the order in which they were measured."""
    out: dict[tuple[str, ...], list[Record]] = {}
    for record in results.records:
        out.setdefault(record.case.series, []).append(record)
    return {series: sorted(line, key=lambda r: r.case.size) for series, line in out.items()}


def largest(results: Results, library: str = OURS) -> list[Record]:
    """Of each line of a library its last record."""
    return [line[-1] for line in lines(results).values() if line[0].case.library == library]


def first_dtypes(results: Results) -> dict[str, str]:
    """workload -> the dtype that stands for it: the first that was measured."""
    out: dict[str, str] = {}
    for record in results.records:
        out.setdefault(record.case.workload, record.case.dtype)
    return out


def crossings(a: Sequence[Record], b: Sequence[Record]) -> list[tuple[float, float]]:
    """Where two lines take the same time: sizes and times, on straight lines between logarithms of what was measured."""
    times = {r.case.size: r.time.median for r in b}
    both = [
        (math.log(r.case.size), math.log(r.time.median), math.log(times[r.case.size]))
        for r in a
        if r.case.size in times
    ]
    out = []
    for (x, ya, yb), (x2, ya2, yb2) in it.pairwise(both):
        before, after = yb - ya, yb2 - ya2
        if before * after < 0 or (after == 0 and before != 0):
            part = before / (before - after)
            out.append((math.exp(x + part * (x2 - x)), math.exp(ya + part * (ya2 - ya))))
    return out


@dataclass(frozen=True)
class Beside:
    """A peer beside gpugrad: how many times as long it takes."""

    ours: Record
    library: str
    change: Change


def beside(results: Results) -> list[Beside]:
    """Each peer at the largest size that it has in common with gpugrad, in the dtypes that stand for the workloads."""
    dtypes = first_dtypes(results)
    ours = {r.case: r for r in results.records if r.case.library == OURS}
    common: dict[tuple[str, ...], tuple[Record, Record]] = {}
    for series, line in lines(results).items():
        for record in line:
            own = ours.get(replace(record.case, library=OURS))
            if own and record.case.library not in (OURS, EAGER) and record.case.dtype == dtypes[record.case.workload]:
                common[series] = own, record
    return [Beside(own, peer.case.library, change(own.rounds, peer.rounds)) for own, peer in common.values()]


def times(ratio: float) -> str:
    """
    >>> times(0.884), times(12.3)
    ('0.88 ×', '12 ×')
    """
    return f"{ratio:.2f} ×" if ratio < 10 else f"{ratio:,.0f} ×"


@dataclass(frozen=True)
class Figure:
    """A number, and what it says."""

    number: str
    says: str


def headline(results: Results, peers: Sequence[Beside]) -> tuple[str, list[Figure]]:
    """One sentence and up to four figures: medians over the largest sizes, on the GPU if there is one."""
    ends = {r.case: r for r in largest(results)}
    devices = list(dict.fromkeys(case.device for case in ends))
    if not devices:
        return "Nothing was measured.", []
    device = next((d for d in devices if d != "cpu"), devices[0])
    here = [r for r in ends.values() if r.case.device == device]
    limits = results.limits.get(device)
    said, figures = [], []
    if limits and (fractions := [r.fraction(limits) for r in here if r.case.way != "forward"]):
        share = f"{100 * median(fractions):.0f} %"
        figures.append(Figure(share, f"of what {device} can do at most, by gradients and steps{_over(fractions)}"))
        said.append(f"reach {share} of what {device} can do at most")
    gradients = [(ends.get(replace(r.case, way="forward")), r) for r in here if r.case.way == "gradient"]
    if costs := _ratios(gradients):
        cost = times(median(costs))
        figures.append(Figure(cost, f"as long for value and gradient as for the value alone{_over(costs)}"))
        said.append(f"take {cost} as long as the function itself")
    quickest: dict[Case, float] = {}
    for peer in peers:
        if peer.ours.case.device == device:
            quickest[peer.ours.case] = min(peer.change.ratio, quickest.get(peer.ours.case, math.inf))
    eager = {r.case: r for r in largest(results, EAGER)}
    if quickest:
        near = [*quickest.values()]
        figures.append(Figure(times(median(near)), f"as long by the quickest of the other libraries{_over(near)}"))
    elif slower := _ratios((r, eager.get(replace(r.case, library=EAGER))) for r in here):
        figures.append(Figure(times(median(slower)), f"as long without gg.jit{_over(slower)}"))
    if "cpu" in devices and device != "cpu":
        if slower := _ratios((r, ends.get(replace(r.case, device="cpu"))) for r in here):
            figures.append(Figure(times(median(slower)), f"as long on the CPU as on {device}{_over(slower)}"))
    elif limits:
        figures.append(Figure(table.seconds(limits.call), "for a call at least, whatever it computes"))
    if not said:
        return f"Here are {len(results.records)} cases, measured on {device}.", figures
    return f"Gradients {' and '.join(said)}.", figures


def _ratios(pairs: Iterable[tuple[Record | None, Record | None]]) -> list[float]:
    """How many times as long the second takes as the first, where there are both."""
    return [b.time.median / a.time.median for a, b in pairs if a and b]


def _over(values: Sequence[float]) -> str:
    return f"; median of {len(values)} cases" if len(values) > 1 else ""
