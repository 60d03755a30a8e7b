"""The workloads of ``gpugrad bench`` at its quick sizes, with the peers that are installed, checked to agree first.

ci/bench -k workload
"""

from __future__ import annotations

import functools as ft
import itertools as it

import pytest

from gpugrad.bench.peers import LIBRARIES, found
from gpugrad.bench.records import Case, Results
from gpugrad.bench.session import Session, Settings
from gpugrad.bench.workloads import WORKLOADS

PEERS, MISSING = found(LIBRARIES)
SESSION = Session(Settings([*WORKLOADS.values()], peers=PEERS), Results({}, left_out=MISSING))
CASES = [
    Case(w.name, way, "gpugrad", "cpu", w.dtypes[0], size)
    for w in WORKLOADS.values()
    for way in w.ways
    for size in dict.fromkeys(w.quick)
]


@ft.lru_cache(maxsize=1)
def prepared(case):
    """The calls of one case: those of the case before are let go, with their memory."""
    return SESSION.prepared(WORKLOADS[case.workload], case).calls


def named(case):
    return f"{case.workload}, {case.way}, {case.dtype}, {case.size:,}"


@pytest.mark.parametrize("library", ["gpugrad", "gpugrad eager", *(peer.name for peer in PEERS)])
@pytest.mark.parametrize("case", CASES, ids=named)
def test_workload(benchmark, case, library):
    benchmark.group = named(case)
    calls = prepared(case)
    if library not in calls:
        pytest.skip("; ".join(told for told in SESSION.results.left_out if library in told))
    turns, wait = calls[library]
    turn = it.cycle(turns)

    def call():
        next(turn)()
        wait()

    benchmark(call)
