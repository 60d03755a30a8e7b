"""ci/gpu without a GPU: its arguments, its lines, a group that hangs, and the table of figures."""

from __future__ import annotations

import functools as ft
import importlib.util
import json
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import gpugrad as gg
from gpugrad.cuda.presence import Gpu, Presence

ROOT = Path(__file__).parent.parent


def loaded(path: str) -> ModuleType:
    """A script as a module."""
    spec = importlib.util.spec_from_file_location(f"script_{Path(path).stem}", ROOT / path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look their annotations up
    spec.loader.exec_module(module)
    return module


groups = loaded("ci/gpu_groups.py")
figures = loaded("benchmarks/gpu.py")


def python(code: str, limit: float = 60.0, **options: Any) -> Any:
    return groups.Group("a group", (sys.executable, "-c", code), limit, **options)


def test_without_a_gpu_nothing_runs(monkeypatch, capsys):
    monkeypatch.setattr(groups, "presence", lambda: Presence(None, (), "no NVIDIA driver"))
    monkeypatch.setattr(groups, "run", None)
    assert groups.main([]) == 1
    assert capsys.readouterr().out == "ci/gpu: no GPU, so nothing was run: no NVIDIA driver\n"
    monkeypatch.setattr(figures, "presence", lambda: Presence(None, (), "no NVIDIA driver"))
    assert figures.main() == 1


def test_the_script_finds_a_python_and_lists_the_groups():
    told = subprocess.run(
        ["bash", str(ROOT / "ci/gpu"), "--list", "--only", "table"], capture_output=True, text=True, check=True
    ).stdout
    assert told.startswith("table") and "--backend cupy" in told and len(told.splitlines()) == 1
    refused = subprocess.run(["bash", str(ROOT / "ci/gpu"), "--only", "x"], capture_output=True, text=True)
    assert refused.returncode == 2 and "invalid choice" in refused.stderr


def test_the_groups_fit_into_ten_minutes():
    assert groups.ENOUGH < 600 and sum(group.limit for group in groups.groups()) <= groups.ENOUGH


def test_a_group_that_hangs_is_ended_with_what_it_started(monkeypatch):
    child = "import time; time.sleep(600)"
    code = f"import subprocess, sys, time; p = subprocess.Popen([sys.executable, '-c', {child!r}]); print('child', p.pid, flush=True); time.sleep(600)"
    outcome = groups.run(python(code), 3.0)
    assert not outcome.passed and outcome.told.startswith("ended after 3 s; its last line: child ")
    pid = int(outcome.told.split()[-1])
    status = Path(f"/proc/{pid}/stat")
    for _ in range(100):
        if not status.exists() or status.read_text().split()[2] == "Z":
            return
        time.sleep(0.05)
    raise AssertionError(f"process {pid} goes on")


def test_a_line_for_each_group(capsys):
    chosen = [
        python("print('3 passed in 0.1s')"),
        python("print('FAILED tests/a.py::b - why'); print('1 failed, 2 passed in 0.1s'); raise SystemExit(1)"),
        python("raise SystemExit('it broke')"),
        python("", needs=("no_such_package",)),
    ]
    assert groups.report(chosen, time.monotonic() + 60) == 1
    lines = capsys.readouterr().out.split("==== result\n")[1].splitlines()
    assert [line.split()[0] for line in lines] == ["passed", "FAILED", "FAILED", "FAILED"]
    assert lines[0].endswith("3 passed in 0.1s") and lines[1].endswith("1 failed, 2 passed in 0.1s: tests/a.py::b")
    assert "status 1: it broke" in lines[2] and "no_such_package is missing" in lines[3]
    assert groups.report(chosen[:1], time.monotonic() + 60) == 0
    assert groups.report(chosen[:1], time.monotonic()) == 1  # no time is left


def test_the_table_of_recorded_figures(tmp_path):
    about = {"device": "NVIDIA H200", "date": "2026-11-26", "driver": [13, 0], "versions": {"gpugrad": "0.1.0"}}
    recorded = {"a copy": {"CuPy": 31e-6}, "GELU": {"gpugrad": 1e-3, "torch": 2e-3}}
    data, text = figures.write(tmp_path, about, recorded, ["GELU, jax: MemoryError: x"])
    assert data == tmp_path / "nvidia-h200" / "results.json" and text.name == "table.md"
    assert json.loads(data.read_text()) == {
        "machine": about,
        "seconds": recorded,
        "failures": ["GELU, jax: MemoryError: x"],
    }
    lines = text.read_text().splitlines()
    assert "| GELU | - | 1000 µs | 2000 µs |" in lines and "| a copy | 31 µs | - | - |" in lines
    assert lines[-1] == "- failed: GELU, jax: MemoryError: x"


def test_figures_are_taken_of_what_runs_and_agrees(monkeypatch, tmp_path, capsys):
    def broken(x: Any, m: Any) -> Any:
        raise RuntimeError("no")

    def of(result: Any) -> Any:
        calls = {"fine, float32": lambda: (time.sleep(0.05), np.ones(2) * result)[1], "fails, float32": lambda: 1 / 0}
        return lambda x, m: figures.Library(calls, lambda: None, lambda a: a)

    libraries = {"a": broken, "b": of(1.0), "c": of(1.0001), "d": of(1.1), "e": of(np.nan)}
    found, failures = figures.measured(libraries, None, None)
    assert found["fine, float32"]["b"] == pytest.approx(0.05, abs=0.05)
    assert list(found["fine, float32"]) == ["b", "c"]
    assert failures[:2] == ["a: RuntimeError: no", "fails, float32, b: ZeroDivisionError: division by zero"]
    assert "fine, float32, d: not timed, since it computes something else: apart by 0.1 where" in failures[3]
    assert "fine, float32, e: not timed" in failures[5]


def test_the_table_names_what_is_missing(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(figures, "presence", lambda: Presence((13, 0), (Gpu("A GPU", 1, (9, 0)),)))
    monkeypatch.setattr(figures, "measured", lambda peers, x, m: ({"w": dict.fromkeys(peers, 1.0)}, []))
    monkeypatch.setattr(figures, "find_spec", lambda package: package == "gpugrad" or None)
    monkeypatch.setattr(figures, "RESULTS", tmp_path)
    monkeypatch.setattr(figures, "ROWS", 2)
    monkeypatch.setattr(figures, "SIZE", 2)
    assert figures.main() == 0
    text = (tmp_path / "a-gpu" / "table.md").read_text()
    assert text in capsys.readouterr().out and "| workload | gpugrad eager | gpugrad compiled |" in text
    assert "Not installed, and so left out: CuPy by hand, torch eager, torch compiled, JAX." in text


def test_the_calls_run_and_agree(monkeypatch):
    """On small arrays and the devices that are here: what each library computes is the same."""
    monkeypatch.setattr(gg, "tensor", lambda x, dtype, device, made=gg.tensor: made(x, dtype=dtype))
    monkeypatch.setattr(figures, "seconds", lambda call, wait: (call(), wait(), 1.0)[-1])
    libraries = {name: make for name, (_, make) in figures.PEERS.items() if name.startswith("gpugrad")}
    torch, jax = (importlib.util.find_spec(name) for name in ("torch", "jax"))
    if torch:
        monkeypatch.setattr("torch.compile", lambda f: f)
        libraries["torch eager"] = ft.partial(figures.of_torch, device="cpu")
        libraries["torch compiled"] = ft.partial(figures.of_torch, compiled=True, device="cpu")
    if jax:
        libraries["JAX"] = ft.partial(figures.of_jax, device="cpu")
    rng = np.random.default_rng(0)
    found, failures = figures.measured(libraries, *(rng.standard_normal(s).astype("f") for s in ((4, 6), (5, 5))))
    assert not failures and len(found) == 6
    assert all(list(by) == list(libraries) for by in found.values())
