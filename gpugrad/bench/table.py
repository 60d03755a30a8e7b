"""The results as a table in a terminal."""

from __future__ import annotations

from typing import Any

from gpugrad import errors
from gpugrad.bench.limits import Limits
from gpugrad.bench.records import Record, Results
from gpugrad.graph.usage import shown

WIDE = 150
"""Columns of what is no terminal."""
HEADS = (
    "workload",
    "size",
    "dtype",
    "device",
    "library",
    "time",
    "95 % interval",
    "GB/s",
    "GFLOP/s",
    "of the limit",
    "memory",
)


def console() -> Any:
    """Where tables are printed; MissingExtraError without rich."""
    try:
        from rich.console import Console
    except ImportError:
        raise errors.missing_extra("rich", "train", "the tables of gpugrad bench") from None
    found = Console(highlight=False, soft_wrap=True)
    return found if found.is_terminal else Console(highlight=False, width=WIDE)


def show(results: Results) -> None:
    """Print the limits, then a line for each case, and what was left out."""
    out = console()
    from rich.table import Table

    for device, limits in results.limits.items():
        products = ", ".join(f"{dtype} {rate / 1e9:.4g} GFLOP/s" for dtype, rate in limits.products.items())
        out.print(f"{device}: copy {copied(limits)}; products: {products}; a call {seconds(limits.call)}")
    table = Table(*HEADS, box=None, pad_edge=False)
    for column in table.columns[5:]:
        column.justify = "right"
    before: tuple[str, ...] = ()
    for record in results.records:
        cells = row(record, results)
        group = record.case.workload, record.case.way, record.case.dtype, record.case.device
        if before and group != before:
            table.add_row()
        before = group
        table.add_row(*cells)
    out.print(table)
    for what in results.left_out:
        out.print(f"left out: {what}", markup=False)


def row(record: Record, results: Results) -> list[str]:
    """The cells of a case, as text."""
    case, time = record.case, record.time
    fraction = record.fraction(results.limits[case.device]) if case.device in results.limits else None
    rate = (record.products + record.operations) / time.median / 1e9
    return [
        f"{case.workload} {case.way}" if not case.workload.endswith("step") else case.workload,
        f"{case.size:,}",
        case.dtype,
        case.device,
        case.library,
        seconds(time.median),
        f"{seconds(time.low)} – {seconds(time.high)}",
        f"{record.bytes / time.median / 1e9:.3g}",
        f"{rate:.3g}",
        "" if fraction is None else f"{100 * fraction:.0f} %",
        shown(record.peak) if case.library == "gpugrad" else "",
    ]


def copied(limits: Limits) -> str:
    """How fast copies are, in the caches and beyond.

    >>> copied(Limits([[1e6, 1.23e11], [1e8, 4.5e10]], {}, 1e-6))
    '45 GB/s, in the caches 123 GB/s'
    """
    most = max(rate for _, rate in limits.copies)
    return f"{limits.bandwidth / 1e9:.3g} GB/s, in the caches {most / 1e9:.3g} GB/s"


def seconds(t: float) -> str:
    """A time as people read it.

    >>> seconds(0.00012)
    '120 µs'
    """
    for factor, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if t >= factor:
            return f"{t / factor:.3g} {unit}"
    return f"{t * 1e9:.3g} ns"
