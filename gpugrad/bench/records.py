"""What a run leaves: for each case its samples, with what it moves and computes, and what the machine can do at most."""

from __future__ import annotations

import datetime
import json
import os
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

from gpugrad import errors
from gpugrad.bench.limits import Limits
from gpugrad.bench.statistics import Spread, spread
from gpugrad.version import __version__

FORMAT = 1
"""Of the file."""


@dataclass(frozen=True)
class Case:
    """What is measured."""

    workload: str
    way: str
    library: str
    """"gpugrad", which is compiled, "gpugrad eager", or a peer."""
    device: str
    dtype: str
    size: int

    @property
    def series(self) -> tuple[str, ...]:
        """All but the size: what is one line of a picture."""
        return self.workload, self.way, self.library, self.device, self.dtype


@dataclass(frozen=True)
class Record:
    """A case with its samples: seconds of a call, by rounds."""

    case: Case
    rounds: list[list[float]]
    bytes: int
    """Moved by the compiled program, for all libraries alike."""
    products: int
    operations: int
    peak: int
    """Bytes of memory, all of it, that the compiled program takes."""
    touched: int
    """Bytes of memory that calls go through, one after another, until they come back to the first of their inputs."""

    @cached_property
    def time(self) -> Spread:
        return spread(self.rounds)

    def fraction(self, limits: Limits) -> float:
        """Of the device's limit: the least time that the work takes there, to the time that it took."""
        return limits.seconds(self.bytes, self.products, self.case.dtype, self.touched) / self.time.median


@dataclass
class Results:
    """A whole run."""

    machine: dict[str, Any]
    limits: dict[str, Limits] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    """What was not measured, and why."""
    interrupted: bool = False

    def write(self, path: Path) -> None:
        """As JSON."""
        whole = {
            "format": FORMAT,
            "machine": self.machine,
            "interrupted": self.interrupted,
            "left_out": self.left_out,
            "limits": {device: asdict(limits) for device, limits in self.limits.items()},
            "records": [
                {**asdict(r.case), **{k: v for k, v in asdict(r).items() if k != "case"}} for r in self.records
            ],
        }
        path.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")


def read(path: Path) -> Results:
    """What was written; FormatError for anything else."""
    try:
        whole = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise errors.FormatError(
            f"{path}: {error}; expected the results.json that gpugrad bench --out writes"
        ) from None
    if not isinstance(whole, dict) or whole.get("format") != FORMAT:
        raise errors.FormatError(
            f"{path}: no results of gpugrad bench in format {FORMAT}; run gpugrad bench --out again"
        )
    names = Case.__dataclass_fields__
    records = [
        Record(Case(**{k: r[k] for k in names}), **{k: v for k, v in r.items() if k not in names})
        for r in whole["records"]
    ]
    limits = {device: Limits(**found) for device, found in whole["limits"].items()}
    return Results(whole["machine"], limits, records, whole["left_out"], whole["interrupted"])


def machine(packages: Iterable[str] = ()) -> dict[str, Any]:
    """What the figures hold for."""
    versions = {"python": platform.python_version(), "gpugrad": __version__}
    for name in ("numpy", "numba", *packages):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "versions": versions,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
