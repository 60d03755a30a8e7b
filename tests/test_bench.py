"""gpugrad bench: what measures is measured, what is wrong is refused, and what changed is told from noise."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import cli, errors
from gpugrad.bench import compare, limits, session, user
from gpugrad.bench.limits import Limits
from gpugrad.bench.measure import Timed
from gpugrad.bench.records import Case, Record, Results, machine, read
from gpugrad.bench.session import Session, Settings
from gpugrad.bench.statistics import change, spread
from gpugrad.bench.workloads import WORKLOADS, Workload, way_of

# ---- time -----------------------------------------------------------------------------------------------------------------


class Clock:
    """A clock that goes on only when something is done."""

    now = 0.0

    def __call__(self) -> float:
        return self.now

    def taking(self, seconds: float) -> Callable[[], None]:
        def call() -> None:
            self.now += seconds

        return call


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("gpugrad.bench.measure.clock", made)
    return made


def test_what_a_call_of_known_cost_takes(clock: Clock) -> None:
    waited = []
    timed = Timed([clock.taking(1e-6), clock.taking(3e-6)], lambda: waited.append(clock.now))
    timed.round(0.02)
    timed.round(0.02)
    assert len(timed.rounds) == 2 and len(timed.rounds[0]) >= 3
    np.testing.assert_allclose([x for r in timed.rounds for x in r], 2e-6, rtol=1e-2)
    assert timed.count * 2e-6 >= 2e-3  # the clock is nothing beside a sample
    assert len(waited) >= 2 * len(timed.rounds[0])  # before and after each sample


def test_the_device_is_waited_for(clock: Clock) -> None:
    """Work that is only begun by a call is done when the clock is read."""
    begun = []

    def wait() -> None:
        clock.now += 0.5 * len(begun)
        begun.clear()

    timed = Timed([lambda: begun.append(1)], wait)
    timed.round(3.0)
    np.testing.assert_allclose(timed.rounds[0], 0.5)


def test_a_real_clock() -> None:
    timed = Timed([lambda: time.sleep(0.005)], lambda: None)
    timed.round(0.05)
    assert 0.005 <= min(timed.rounds[0]) < 0.05


# ---- statistics -----------------------------------------------------------------------------------------------------------


def noisy(rng: Any, median: float, rounds: int = 5, each: int = 12) -> list[list[float]]:
    """Samples whose rounds are 5 % apart, and which are 3 % apart within them."""
    return [list(median * np.exp(0.05 * rng.normal() + 0.03 * rng.normal(size=each))) for _ in range(rounds)]


def test_what_is_noise_is_seldom_told() -> None:
    rng = np.random.default_rng(0)
    told = sum(bool(change(noisy(rng, 1.0), noisy(rng, 1.0), 0.01, seed=k).verdict) for k in range(100))
    assert told <= 12  # few rounds say little of how far rounds are apart
    assert all(change(noisy(rng, 1.0), noisy(rng, 1.5), 0.01, seed=k).verdict == "slower" for k in range(20))
    assert all(change(noisy(rng, 1.0), noisy(rng, 0.6), 0.01, seed=k).verdict == "faster" for k in range(20))


def test_the_interval_has_the_median() -> None:
    rng = np.random.default_rng(1)
    found = [spread(noisy(rng, 2.0), seed=k) for k in range(40)]
    assert all(s.low <= s.median <= s.high for s in found)
    assert sum(s.low <= 2.0 <= s.high for s in found) >= 30


def test_rounds_of_different_lengths() -> None:
    found = spread([[1.0], [2.0, 2.0, 2.0, 2.0, 2.0], [2.0, 3.0]])
    assert found.median == 2.0 and found.low == 1.0 and 2.0 <= found.high <= 3.0


# ---- work, by hand ----------------------------------------------------------------------------------------------------------


def test_bytes_and_operations_by_hand() -> None:
    x, v = gg.zeros((100, 50), dtype="float32"), gg.zeros((50, 20), dtype="float32")
    product = gg.jit(lambda x, v: x @ v).work(x, v)
    assert (product.bytes, product.products) == (4 * (5000 + 1000 + 2000), 2 * 100 * 50 * 20)
    scaled = gg.jit(lambda x: gg.exp(x) * 2.0).work(x)
    assert (scaled.bytes, scaled.products, scaled.operations) == (2 * 4 * 5000, 0, 2 * 5000)
    rows = gg.jit(lambda x: gg.sum(gg.square(x), axis=-1)).work(x)
    assert (rows.bytes, rows.operations) == (4 * (5000 + 100), 2 * 5000)
    images, w = gg.zeros((2, 3, 8, 8)), gg.zeros((4, 3, 3, 3))
    assert gg.jit(gg.conv2d).work(images, w).products == 2 * (2 * 4 * 6 * 6) * (3 * 3 * 3)


def test_limits_bound_what_is_possible() -> None:
    found = Limits([[1e6, 5e10], [1e8, 1e10]], {"float32": 1e11}, 1e-6)
    assert found.seconds(1e7, 0, "float32") == 1e-3
    assert found.seconds(1e7, 0, "float32", 1e5) == found.seconds(1e7, 0, "float32", 1e6) == 2e-4
    assert 2e-4 < found.seconds(1e7, 0, "float32", 1e7) < found.seconds(1e7, 0, "float32", 1e9) == 1e-3
    assert found.seconds(0, 1e9, "float32") == 1e-2
    assert found.seconds(8, 8, "float32") == 1e-6


def test_limits_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LARGEST", 1 << 21)
    monkeypatch.setitem(limits.PRODUCT, "cpu", 64)
    monkeypatch.setattr(limits, "cache", lambda device: 0)
    found = limits.measured("cpu", ["float32"], 0.01)
    assert 1e7 < found.bandwidth < 1e13 and 1e6 < found.products["float32"] < 1e15 and 1e-8 < found.call < 1e-2


# ---- sessions --------------------------------------------------------------------------------------------------------------

QUICK = Limits([[1e6, 5e10], [1e8, 1e10]], {"float32": 1e11}, 1e-6)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits are known, and caches small."""
    monkeypatch.setattr(session.limits, "measured", lambda *args: QUICK)
    monkeypatch.setattr(session.limits, "cache", lambda device: 0)


def run(workloads: list[Workload], **more: Any) -> Results:
    settings = Settings(workloads, quick=True, seconds=0.003, rounds=3, **more)
    found = Session(settings, Results(machine()))
    found.run()
    return found.results


TINY = {"Adam": (20, 30), "CNN step": (2,), "transformer step": (32,), "MLP step": (4, 6)}


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_workload_is_measured(name: str, measured: None) -> None:
    w = WORKLOADS[name]
    tiny = replace(w, quick=TINY.get(name, tuple(min(n, 64) for n in w.quick[:1])))
    found = run([tiny])
    assert not found.left_out and not found.interrupted
    sizes = tiny.quick
    assert {(r.case.way, r.case.size, r.case.library) for r in found.records} == {
        (way, n, library) for way in w.ways for n in sizes for library in ("gpugrad", "gpugrad eager")
    }
    assert all(len(r.rounds) == 3 and min(map(min, r.rounds)) > 0 and r.bytes > 0 and r.peak > 0 for r in found.records)


def test_each_round_is_prepared_anew(measured: None) -> None:
    """So that one unlucky place in memory, or some slow seconds, are not the whole of a case."""
    drawn: list[int] = []
    chain = WORKLOADS["chain"]
    small = replace(
        chain, quick=[10, 20], ways=["forward"], data=lambda n, rng: (drawn.append(n), chain.data(n, rng))[1]
    )
    found = run([small])
    assert drawn == [10, 20] * 3
    assert [len(r.rounds) for r in found.records] == [3] * 4


def test_a_wrong_value_is_refused(measured: None, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = iter(range(100))
    broken = replace(
        WORKLOADS["chain"], function=lambda x: gg.sin(x) * float(next(calls)), quick=[10], ways=["forward"]
    )
    with pytest.raises(errors.ArgumentError, match=r"compiled and eager results differ: .* apart"):
        run([broken])

    class Wrong:
        name = "wrong"
        wait = staticmethod(lambda: None)

        def calls(self, workload: Workload, case: Case, inputs: Any) -> Any:
            return [lambda: inputs[0][0] * 7.0]

    class Missing(Wrong):
        name = "missing"

        def calls(self, workload: Workload, case: Case, inputs: Any) -> Any:
            return "has no such thing"

    found = run([replace(WORKLOADS["chain"], quick=[10], ways=["forward"])], peers=[Wrong(), Missing()])
    assert {r.case.library for r in found.records} == {"gpugrad", "gpugrad eager"}
    assert any("refused, since wrong computes something else" in w for w in found.left_out)
    assert "missing: has no such thing" in found.left_out


def test_a_size_without_memory_is_left_out(measured: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def data(n: int, rng: Any) -> Any:
        if n > 100:
            raise MemoryError
        return (rng.standard_normal(n, np.float32),)

    found = run([replace(WORKLOADS["chain"], data=data, quick=[10, 1000], ways=["forward"])])
    assert {r.case.size for r in found.records} == {10}
    assert found.left_out == ["chain, forward, float32, cpu, 1,000: not enough memory"]


def test_an_interrupt_keeps_what_there_is(measured: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def data(n: int, rng: Any) -> Any:
        if n > 100:
            raise KeyboardInterrupt
        return (rng.standard_normal(n, np.float32),)

    slow = replace(WORKLOADS["scalar"], name="slow", data=data, quick=[10, 1000], ways=["forward"])
    monkeypatch.setitem(WORKLOADS, "slow", slow)
    assert cli.main(["bench", "slow", "--quick", "--out", str(tmp_path)]) == 130
    found = read(tmp_path / "results.json")
    assert found.interrupted and [r.case.size for r in found.records] == [10]


def test_ways_compute_what_they_say() -> None:
    x = gg.tensor([0.5, -1.0, 2.0])
    w = replace(WORKLOADS["Hessian product"], function=lambda x: x * x * x)
    np.testing.assert_allclose(way_of(w, "product", 3, "float64", "cpu")(x, gg.ones(3)).numpy(), 6.0 * x.numpy())
    value, gradient = way_of(w, "gradient", 3, "float64", "cpu")(x)
    assert value.item() == pytest.approx(float(np.sum(x.numpy() ** 6)))
    np.testing.assert_allclose(gradient.numpy(), 6.0 * x.numpy() ** 5)


def test_the_gradient_of_a_softmax_is_not_zero() -> None:
    """What is checked to agree before it is timed says something."""
    _, gradient = way_of(WORKLOADS["softmax"], "gradient", 64, "float64", "cpu")(gg.tensor(np.linspace(-1.0, 1.0, 64)))
    assert np.abs(gradient.numpy()).max() > 1e-5


def test_what_is_told_while_it_measures(measured: None) -> None:
    told: list[Any] = []
    small = replace(WORKLOADS["chain"], quick=[10])
    Session(Settings([small], quick=True, seconds=0.003, rounds=1), Results(machine()), lambda *a: told.append(a)).run()
    assert told[0] == ("limits of cpu", 0, 2) and told[-1] == ("", 2, 2)
    assert [what.rpartition(", ")[2] for what, _, _ in told[1:-1]] == ["round 1"] * 2
    assert [done for _, done, _ in told[1:-1]] == [0, 1]


# ---- files, and comparing them -------------------------------------------------------------------------------------------------


def results(*medians: float, seed: int = 0) -> Results:
    rng = np.random.default_rng(seed)
    cases = [Case("chain", "forward", "gpugrad", "cpu", "float32", 10**k) for k in range(len(medians))]
    records = [Record(c, noisy(rng, m), 8, 0, 4, 100, 100) for c, m in zip(cases, medians, strict=True)]
    return Results(machine(), {"cpu": QUICK}, records, ["torch: not installed"])


def test_what_is_written_is_read(tmp_path: Path) -> None:
    found = results(1.0, 2.0)
    found.write(tmp_path / "a.json")
    assert read(tmp_path / "a.json") == found
    json.loads((tmp_path / "a.json").read_text())


def test_compare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results(1e-3, 1e-3, 1e-3).write(tmp_path / "a.json")
    results(1e-3, 3e-3, 2e-4, seed=1).write(tmp_path / "b.json")
    assert cli.main(["bench", "compare", *(str(tmp_path / n) for n in ("a.json", "b.json"))]) == 1
    told = capsys.readouterr().out
    assert "3 cases in both runs: 1 slower, 1 faster, 1 not apart beyond noise" in told
    assert "cpu itself, time now to time before: copies 1.00, a call 1.00, float32 products 1.00" in told
    assert cli.main(["bench", "compare", *(str(tmp_path / n) for n in ("a.json", "a.json"))]) == 0
    assert len(compare.compared(results(1.0), results(1.0, 2.0))) == 1


def test_what_cannot_be_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.json").write_text("{")
    (tmp_path / "b.json").write_text("[1]")
    results(1.0).write(tmp_path / "c.json")
    other = results(1.0)
    other.records = [replace(r, case=replace(r.case, workload="other")) for r in other.records]
    other.write(tmp_path / "d.json")
    for names, said in (
        (["a.json", "c.json"], "expected the results.json that gpugrad bench --out writes"),
        (["b.json", "c.json"], "no results of gpugrad bench in format 1"),
        (["c.json"], "1 files; expected two"),
        (["c.json", "d.json"], "no case in common"),
        (["c.json", "none.json"], "No such file"),
    ):
        assert cli.main(["bench", "compare", *(str(tmp_path / n) for n in names)]) == 2
        assert said in capsys.readouterr().err


# ---- what the user asks for --------------------------------------------------------------------------------------------------


def test_a_function_of_the_users(tmp_path: Path, measured: None, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine_to_bench.py").write_text("import gpugrad as gg\ndef f(x, i): return gg.tanh(x)[i]\nnumber = 3\n")
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "out"
    given = ["--args", "40x3:float64", "7:int64", "--out", str(out), "--quick"]
    assert cli.main(["bench", "mine_to_bench:f", *given]) == 0
    found = read(out / "results.json")
    assert [(r.case.way, r.case.dtype, r.case.size) for r in found.records] == [
        (way, "float64", 120) for way in ("forward", "gradient")
    ]
    for name, args, said in (
        ("mine_to_bench:number", ["3"], "number is a int; expected a function"),
        ("mine_to_bench:g", ["3"], "mine_to_bench has no 'g'"),
        ("no_such_module:f", ["3"], "No module named 'no_such_module'"),
        ("mine_to_bench:f", ["3by4"], "expected a shape"),
        ("mine_to_bench:f", [], "no arguments"),
        ("mine_to_bench:f", ["3:float32", "3:float64"], "float32 and float64; expected one dtype"),
    ):
        with pytest.raises(errors.ArgumentError, match=said):
            user.workload(name, args)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["sofmax"], "no workload 'sofmax'; the nearest: softmax"),
        (["chain", "--dtype", "float23"], "no dtype 'float23'; the nearest: float32"),
        (["chain", "--device", "cuda"], "no device 'cuda': .*driver"),
    ],
)
def test_what_is_not_there(given: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", *given]) == 2
    assert re.search(said, capsys.readouterr().err)


def test_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", "--list"]) == 0
    told = capsys.readouterr().out
    assert all(name in told for name in WORKLOADS)
