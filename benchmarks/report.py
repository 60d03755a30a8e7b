"""The figures of a run as a table: a line for each target, printed, and written as JSON and Markdown."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
import re
import statistics
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import peers
from rich.console import Console
from rich.table import Table
from rows import Row, Target

import gpugrad as gg

RESULTS = Path(__file__).with_name("results")


@dataclass(frozen=True)
class Line:
    """A target with what was measured, in the row's unit; None for what was not."""

    workload: str
    ours: str
    figure: float | None
    others: dict[str, float]
    than: str
    """What it is compared with: a library, or an amount."""
    ratio: float | None
    most: float
    """What the ratio is to be at most."""
    unit: str

    @property
    def verdict(self) -> str:
        return "not measured" if self.ratio is None else "met" if self.ratio <= self.most else "missed"


class Figures:
    """What was measured, by row and library; several times each."""

    def __init__(self) -> None:
        self.by_row: dict[str, tuple[Row, dict[str, list[float]]]] = {}

    def add(self, row: Row, library: str, figure: float) -> None:
        _, by = self.by_row.setdefault(row.name, (row, defaultdict(list)))
        by[library].append(figure)

    def lines(self) -> list[Line]:
        """A line for each target of each row that was measured."""
        out = []
        for row, by in self.by_row.values():
            medians = {library: statistics.median(found) for library, found in by.items()}
            out += [_line(row, target, medians) for target in row.targets]
        return out


def _line(row: Row, target: Target, medians: dict[str, float]) -> Line:
    ours = medians.get(target.ours)
    others = {library: m for library, m in medians.items() if library != target.ours}
    if target.than is None:
        ratio = None if ours is None else ours / target.most
        return Line(row.name, target.ours, ours, others, shown(target.most, row.unit), ratio, 1.0, row.unit)
    than = target.than
    if than == "best peer":
        rivals = {
            library: m for library, m in others.items() if library != "copy" and not library.startswith("gpugrad")
        }
        than = min(rivals, key=rivals.__getitem__, default=than)
    ratio = ours / others[than] if ours is not None and than in others else None
    return Line(row.name, target.ours, ours, others, than, ratio, target.most, row.unit)


def shown(x: float | None, unit: str) -> str:
    """A figure as people read it."""
    if x is None:
        return "-"
    for factor, prefix in ((1e6, "M"), (1e3, "k"), (1, ""), (1e-3, "m"), (1e-6, "µ")):
        if x >= factor:
            return f"{x / factor:.3g} {prefix}{unit}"
    return f"{x * 1e9:.3g} n{unit}"


def cells(line: Line) -> list[str]:
    """A line's cells, as text."""
    others = ", ".join(f"{k} {shown(v, line.unit)}" for k, v in sorted(line.others.items(), key=lambda kv: kv[1]))
    ratio = "-" if line.ratio is None else f"{line.ratio:.2f} × {line.than}"
    ours = f"{shown(line.figure, line.unit)} {line.ours.removeprefix('gpugrad ')}"
    return [line.workload, ours, others, ratio, f"≤ {line.most:g}", line.verdict]


HEADS = ["workload", "gpugrad", "beside", "ratio", "to reach", ""]


def machine() -> dict[str, Any]:
    """What the figures hold for."""
    versions = {}
    for name in ("numpy", "numba", "torch", "jax", "autograd"):
        if name not in peers.LEFT_OUT:
            versions[name] = importlib.metadata.version(name)
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="minutes"),
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": {
            "gpugrad": gg.config.threads,
            **{k: os.environ[k] for k in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS") if k in os.environ},
        },
        "python": platform.python_version(),
        "versions": {"gpugrad": gg.__version__, **versions},
        "left out": peers.LEFT_OUT,
    }


def _cpu() -> str:
    try:
        found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()


def heading(about: dict[str, Any]) -> str:
    """The machine in a sentence."""
    threads = ", ".join(f"{k} {v}" for k, v in about["threads"].items())
    versions = ", ".join(f"{k} {v}" for k, v in about["versions"].items())
    text = f"{about['cpu']}, {about['cores']} cores; threads: {threads}; Python {about['python']}, {versions}."
    missing = ", ".join(about["left out"])
    return text + (f" Not installed, and left out: {missing}." if missing else "")


def show(figures: Figures) -> None:
    """Print the table."""
    table = Table(*HEADS, caption=heading(machine()), caption_justify="left")
    colours = {"met": "green", "missed": "red", "not measured": "yellow"}
    for line in figures.lines():
        *rest, verdict = cells(line)
        table.add_row(*rest, f"[{colours[verdict]}]{verdict}[/]")
    console = Console()
    Console(width=max(console.width, 160)).print("\n", table)


def save(figures: Figures) -> list[Path]:
    """Write the table as JSON and as Markdown; where to."""
    about, lines = machine(), figures.lines()
    RESULTS.mkdir(exist_ok=True)
    stem = f"{about['date'][:10]}-{re.sub(r'[^a-z0-9]+', '-', about['cpu'].lower()).strip('-')}"
    data, text = RESULTS / f"{stem}.json", RESULTS / f"{stem}.md"
    written = [asdict(line) | {"verdict": line.verdict} for line in lines]
    runs = {name: by for name, (_, by) in figures.by_row.items()}
    whole = {"machine": about, "lines": written, "medians of each turn": runs}
    data.write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n")
    rows = [HEADS, ["---"] * len(HEADS), *map(cells, lines)]
    body = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    text.write_text(f"# Benchmarks of {about['date'][:10]}\n\n{heading(about)}\n\n{body}\n")
    return [path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path for path in (data, text)]
