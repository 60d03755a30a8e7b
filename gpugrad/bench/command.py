"""``gpugrad bench``: measure forward and gradient throughput on every device, against its limits and other libraries."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path

from gpugrad import errors
from gpugrad.backends import select
from gpugrad.bench import compare, progress, report, table, user
from gpugrad.bench.peers import LIBRARIES, found
from gpugrad.bench.records import Results, machine
from gpugrad.bench.session import Session, Settings
from gpugrad.bench.workloads import WORKLOADS, Workload

HELP = """Measure how fast gradients are: forward and gradient throughput of workloads over sizes and dtypes, on each device,
as a fraction of what the device can do at most, which is measured in the same run.

gpugrad bench                                      all workloads
gpugrad bench chain "MLP step" --device cpu        two of them, on one device
gpugrad bench my_module:f --args 1000x10 10        a function of yours, on arrays of such shapes
gpugrad bench compare before.json after.json       what became faster or slower; status 1 if anything is slower"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument(
        "workloads", nargs="*", metavar="WORKLOAD", help="those to measure; all of them if none is named"
    )
    parser.add_argument(
        "--args", nargs="+", default=[], metavar="SHAPE", help="arguments of a function of yours: 1000x10:float64"
    )
    parser.add_argument("--list", action="store_true", help="say which workloads there are, and measure nothing")
    parser.add_argument("--quick", action="store_true", help="two sizes and one dtype of each, within a minute")
    parser.add_argument("--device", action="append", help="measure this device only; may be given several times")
    parser.add_argument("--dtype", action="append", help="measure this dtype only; may be given several times")
    parser.add_argument(
        "--peers", default="", metavar="NAMES", help=f"measure these libraries beside it: {','.join(LIBRARIES)}"
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="write results.json, pictures and a page, index.html, there"
    )


def run(options: argparse.Namespace) -> int:
    """Run the command; returns its exit status."""
    if options.list:
        for w in WORKLOADS.values():
            print(f"{w.name:18} {w.about}; {', '.join(w.ways)}; {w.size} {', '.join(f'{n:,}' for n in w.sizes)}")
        print(f"peers: {', '.join(LIBRARIES)}")
        return 0
    if options.workloads[:1] == ["compare"]:
        return compare.run(options.workloads[1:])
    if options.out is not None:
        report.prepare(options.out)  # an hour of measuring is not to end in an error
    results = measured(options)
    table.show(results)
    if options.out is not None:
        print(f"wrote {report.write(results, options.out)}")
    return 130 if results.interrupted else 0


def measured(options: argparse.Namespace) -> Results:
    """Measure what the options ask for."""
    workloads = [chosen(name, options.args) for name in options.workloads] or [*WORKLOADS.values()]
    there = devices()
    dtypes = sorted({d for w in workloads for d in w.dtypes})
    names = dict.fromkeys(known(name.strip(), LIBRARIES, "peer") for name in options.peers.split(",") if name.strip())
    peers, missing = found(names)
    settings = Settings(
        workloads,
        [select.resolve(d) for d in options.device or there],  # which says what is missing
        [known(d, dtypes, "dtype") for d in options.dtype or ()],
        peers,
        quick=options.quick,
        eager=not options.quick,
        seconds=0.05 if options.quick else 0.25,
    )
    with progress.bar() as told:
        session = Session(settings, Results(machine(names), left_out=missing), told)
        session.run()
    return session.results


def chosen(name: str, given: Sequence[str]) -> Workload:
    """A workload by its name, or that of a function of the user's."""
    return user.workload(name, given) if ":" in name else WORKLOADS[known(name, WORKLOADS, "workload")]


def devices() -> list[str]:
    """The first device of each kind that can be used."""
    return [b.devices()[0] for b in select.in_use().values() if b.compiles and b.device_kind in ("cpu", "cuda")]


def known(name: str, names: Iterable[str], kind: str) -> str:
    """A name that is there; ArgumentError, with the nearest ones, for another."""
    listed: Sequence[str] = list(names)
    if name in listed:
        return name
    near = difflib.get_close_matches(name, listed, 3, 0.4) or listed
    raise errors.ArgumentError(
        f"bench: no {kind} {name!r}; the nearest: {', '.join(near)}. gpugrad bench --list tells all"
    )
