"""The peers of ``gpugrad bench``: each computes what gpugrad computes, and one that does not, or is missing, is named."""

from __future__ import annotations

import argparse
import functools as ft
import math
import shutil
import sys
from types import SimpleNamespace
from typing import Any

import fake_cupy
import numpy as np
import pytest

from gpugrad import errors
from gpugrad.bench import command, peer_numpy, session
from gpugrad.bench.peers import LIBRARIES, Peer, found
from gpugrad.bench.records import Case, Results
from gpugrad.bench.session import Session, Settings
from gpugrad.bench.workloads import WORKLOADS, way_of

pytestmark = pytest.mark.filterwarnings("default")  # the libraries' own are theirs to mend

TINY = {"MLP step": 16, "CNN step": 2, "transformer step": 32, "matmul": 16, "scalar": 1, "Adam": 100}
CASES = [
    Case(w.name, way, "gpugrad", "cpu", dtype, TINY.get(w.name, 2048))
    for w in WORKLOADS.values()
    for way in w.ways
    for dtype in w.dtypes
]
WRONG = Case("chain", "gradient", "gpugrad", "cpu", "float32", 100)
STEP = Case("MLP step", "step", "gpugrad", "cpu", "float32", 8)


def named(case: Case) -> str:
    return f"{case.workload}-{case.way}-{case.dtype}"


@ft.cache
def peer(library: str, name: str) -> Peer:
    pytest.importorskip(library)
    (only,), _ = found([name])
    return only


@ft.cache
def ours(case: Case) -> Any:
    """Data, and what gpugrad makes of them, not compiled."""
    inputs = [WORKLOADS[case.workload].data(case.size, np.random.default_rng(0))]
    program = way_of(WORKLOADS[case.workload], case.way, case.size, case.dtype, case.device)
    given = [session._array(a, case) for a in inputs[0]]
    return inputs, session._first(case, lambda: program(*given), program)


def agrees(p: Peer, case: Case) -> None:
    inputs, wanted = ours(case)
    calls = p.calls(WORKLOADS[case.workload], case, inputs)
    assert not isinstance(calls, str), calls
    assert wanted, "there is something to compare"
    assert session._apart(session._first(case, calls[0], None), wanted, session.TOLERANCE[case.dtype]) == ""
    p.wait()


# ---- each agrees ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES, ids=named)
def test_torch(case):
    agrees(peer("torch", "torch"), case)


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
@pytest.mark.parametrize("case", [WRONG, pytest.param(STEP, marks=pytest.mark.slow)], ids=named)
def test_torch_compiled(case):
    agrees(peer("torch", "torch.compile"), case)


@pytest.mark.parametrize("case", [c for c in CASES if c.dtype != "float64" or c.workload == "scalar"], ids=named)
def test_jax(case):
    agrees(peer("jax", "jax"), case)


@pytest.mark.parametrize("case", [c for c in CASES if c.way != "step" and c.dtype != "bfloat16"], ids=named)
def test_autograd(case):
    agrees(peer("autograd", "autograd"), case)


@pytest.mark.parametrize("case", [c for c in CASES if c.way == "forward" and c.dtype != "bfloat16"], ids=named)
def test_functions_for_numpy_alone(case):
    """Those that autograd and CuPy run."""
    erf = np.vectorize(math.erf, otypes=[case.dtype])
    f = peer_numpy.functions(np, erf)[case.workload]
    (data,), wanted = ours(case)
    found = f(*(a.astype(case.dtype) if a.dtype.kind == "f" else a for a in data))
    assert found.dtype == case.dtype
    assert session._apart([np.asarray(found, np.float64)], wanted, session.TOLERANCE[case.dtype]) == ""


def test_cupy_is_given_arrays_of_its_own(monkeypatch):
    """With the stand-in for CuPy: forward alone, on a GPU alone."""
    cupy = fake_cupy.MODULE
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setitem(sys.modules, "cupyx", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "cupyx.scipy", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "cupyx.scipy.special", SimpleNamespace(erf=None))
    monkeypatch.setattr(cupy.cuda, "is_available", lambda: True, raising=False)
    (p,), _ = found(["cupy"])
    for case in CASES:
        workload, (inputs, _) = WORKLOADS[case.workload], ours(case)
        on = Case(case.workload, case.way, "gpugrad", "cuda:0", case.dtype, case.size)
        assert p.calls(workload, case, inputs) == "CuPy's arrays are on a GPU"
        calls = p.calls(workload, on, inputs)
        if case.way != "forward" or case.dtype == "bfloat16":
            assert isinstance(calls, str)
        elif case.workload != "chain":  # the stand-in has no erf
            wanted = ours(case)[1]
            assert session._apart([calls[0]().get()], wanted, session.TOLERANCE[case.dtype]) == ""


# ---- what is left out ------------------------------------------------------------------------------------------------------


class Made:
    """A peer whose calls are made up."""

    name = "made up"

    def __init__(self, change: Any) -> None:
        self.change = change

    def wait(self) -> None:
        pass

    def calls(self, workload: Any, case: Case, inputs: Any) -> Any:
        program = way_of(workload, case.way, case.size, case.dtype, case.device)
        given = [session._array(a, case) for a in inputs[0]]
        return self.change(lambda: program(*given))


def measured(case: Case, change: Any) -> Results:
    workload = WORKLOADS[case.workload]
    run = Session(Settings([workload], peers=[Made(change)], eager=False, seconds=0.0, rounds=1), Results({}))
    run.measured(workload, case)
    return run.results


def libraries(results: Results) -> list[str]:
    return [r.case.library for r in results.records]


def failing(call: Any) -> Any:
    raise RuntimeError("no such kernel\nand more of it")


def frozen(call: Any) -> Any:
    """A step that updates nothing: the first loss again and again."""
    return [ft.cache(call)]


@pytest.mark.parametrize("case", [WRONG, STEP], ids=named)
def test_what_agrees_is_measured(case):
    results = measured(case, lambda call: [call])
    assert libraries(results) == ["gpugrad", "made up"]
    assert results.left_out == []


@pytest.mark.parametrize(
    ("case", "change", "told"),
    [
        (WRONG, lambda call: [lambda: (call()[0], call()[1] * 1.01)], "refused, since made up computes something else"),
        (WRONG, lambda call: [lambda: (call()[0] * 1.01, call()[1])], "refused, since made up computes something else"),
        (WRONG, lambda call: [lambda: call()[1]], "shapes [(100,)]; expected [(), (100,)]"),
        (STEP, frozen, "refused, since made up computes something else"),
        (Case("Adam", "step", "gpugrad", "cpu", "float32", 100), lambda call: [call], "shapes []"),
        (WRONG, lambda call: [lambda: failing(call)], "made up fails: RuntimeError: no such kernel"),
        (WRONG, failing, "made up: RuntimeError: no such kernel"),
        (WRONG, lambda call: "has no kernels", "made up: has no kernels"),
    ],
)
def test_what_does_not_is_left_out_by_name(case, change, told):
    results = measured(case, change)
    assert libraries(results) == ["gpugrad"]
    (why,) = results.left_out
    assert told in why and "and more" not in why


def test_a_device_that_a_library_lacks_is_named():
    for library in ("torch", "jax", "autograd"):
        for p in found([library])[0]:
            if library == "torch" and p.torch.cuda.is_available():
                continue
            case = Case("chain", "forward", "gpugrad", "cuda:7", "float32", 10)
            told = p.calls(WORKLOADS["chain"], case, ours(WRONG)[0])
            assert isinstance(told, str) and ("cuda:7" in told or "on the CPU" in told)


def test_a_missing_library_is_named(monkeypatch):
    for library in LIBRARIES:
        monkeypatch.setitem(sys.modules, library.partition(".")[0], None)  # which Python takes for missing
    there, missing = found(LIBRARIES)
    assert there == []
    assert missing == [f"{library}: is not installed; {how}" for library, how in LIBRARIES.items()]


def options(*args: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.arguments(parser)
    return parser.parse_args(args)


def test_the_command_leaves_a_missing_peer_out_by_name(monkeypatch):
    monkeypatch.setitem(sys.modules, "autograd", None)
    results = command.measured(options("scalar", "--quick", "--device", "cpu", "--peers", "autograd"))
    assert results.left_out == ["autograd: is not installed; pip install autograd"]
    assert {"gpugrad"} == set(libraries(results))


def test_an_unknown_peer_is_refused_with_the_nearest():
    with pytest.raises(errors.ArgumentError, match="no peer 'pytorch'; the nearest: torch"):
        command.measured(options("--peers", "jax,pytorch"))
