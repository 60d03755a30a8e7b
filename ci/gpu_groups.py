"""What ci/gpu runs: groups of checks, each a process with a time limit of its own, and a line on each at the end."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from gpugrad.cuda.presence import presence

ROOT = Path(__file__).parent.parent
ENOUGH = 570.0
"""Seconds for everything."""


@dataclass(frozen=True)
class Group:
    """One process."""

    name: str
    command: tuple[str, ...]
    limit: float
    """Seconds."""
    needs: tuple[str, ...] = ()
    """Packages without which it cannot run."""


@dataclass(frozen=True)
class Outcome:
    """How a group went."""

    name: str
    passed: bool
    told: str
    seconds: float


def groups() -> list[Group]:
    """All of them, in the order in which they run: what says most comes first."""
    python = sys.executable
    pytest = (python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--backend", "cupy")
    several = ("-n", "4") if find_spec("xdist") else ()
    needs = ("cupy", "pytest", "ml_dtypes", "array_api_strict")
    found = [
        Group("environment", (python, "-m", "gpugrad", "info"), 20),
        Group("gpu tests", (*pytest, "-m", "gpu and not slow", "tests"), 60, needs),
        Group("table", (*pytest, *several, "-m", "not slow", "tests/test_table.py", "-k", "test_backend and cupy"), 110, needs),
        Group("programs", (*pytest, *several, "-m", "not slow", "tests", "-k", "cupy and not test_backend"), 70, needs),
        Group("plans", (*pytest, "tests/test_cuda_on_host.py"), 70, needs),
        Group("numba_cuda", (*pytest[:-1], "numba_cuda", "tests/test_cuda_on_host.py", "-k", "training or graph"), 30, (*needs, "numba_cuda")),
        Group("benchmarks", (python, "benchmarks/gpu.py"), 60, ("cupy",)),
        Group("marks", (python, "benchmarks/gpu_marks.py"), 110, ("cupy",)),
    ]  # fmt: skip
    checked = (
        "compute-sanitizer",
        "--error-exitcode",
        "1",
        *pytest,
        "tests/test_cuda_on_host.py",
        "-k",
        "training or graph",
    )
    found.append(Group("compute-sanitizer", checked, 40, needs))
    return found


def run(group: Group, limit: float) -> Outcome:
    """Run a group, with all that it starts ended when its time is over."""
    missing = [package for package in group.needs if not find_spec(package)]
    if missing:
        return Outcome(group.name, False, f"not run: {', '.join(missing)} is missing from {sys.executable}", 0.0)
    if not shutil.which(group.command[0]):  # NVIDIA's tool, which not every machine has
        return Outcome(group.name, True, f"not run: {group.command[0]} is not here", 0.0)
    if limit <= 1.0:
        return Outcome(group.name, False, "not run: the groups before it took the time", 0.0)
    started = time.monotonic()
    process = subprocess.Popen(
        group.command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True
    )  # fmt: skip
    try:
        output, _ = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        print(output, flush=True)
        return Outcome(group.name, False, f"ended after {limit:.0f} s; its last line: {last(output)}", limit)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)  # Ctrl-C: nothing goes on behind it
        process.wait()
        raise
    print(output, flush=True)
    return Outcome(group.name, process.returncode == 0, verdict(output, process.returncode), time.monotonic() - started)


def verdict(output: str, status: int) -> str:
    """What a group's output comes to: which tests failed, or its last line."""
    failed = re.findall(r"^(?:FAILED|ERROR) (\S+)", output, re.MULTILINE)
    counted = re.findall(r"^.*\b(?:passed|failed|error)\b.* in [\d.]+s.*$", output, re.MULTILINE)
    summary = counted[-1].strip("= ") if counted else last(output)
    if failed:
        more = f" and {len(failed) - 5} more" if len(failed) > 5 else ""
        return f"{summary}: {', '.join(failed[:5])}{more}"
    return summary if not status else f"status {status}: {summary}"


def last(output: str) -> str:
    """The last line with something in it."""
    return next((line.strip() for line in reversed(output.splitlines()) if line.strip()), "it printed nothing")


def main(arguments: list[str] | None = None) -> int:
    """Run the groups; 0 if all of them passed."""
    parser = argparse.ArgumentParser(prog="ci/gpu", description="Test and measure on a machine with a GPU.")
    names = [group.name for group in groups()]
    parser.add_argument(
        "--only", action="append", choices=names, help="run this group only; may be given several times"
    )
    parser.add_argument("--list", action="store_true", help="print the groups with their time limits, and run nothing")
    options = parser.parse_args(arguments)
    chosen = [group for group in groups() if not options.only or group.name in options.only]
    if options.list:
        for group in chosen:
            print(f"{group.name:18} {group.limit:4.0f} s  {' '.join(group.command)}")
        return 0
    found = presence()
    if not found.gpus:
        print(f"ci/gpu: no GPU, so nothing was run: {found.trouble}")
        return 1
    return report(chosen, time.monotonic() + ENOUGH)


def report(chosen: list[Group], deadline: float) -> int:
    """Run groups until a moment, then print a line on each; 0 if all of them passed."""
    outcomes = []
    for group in chosen:
        print(f"==== {group.name}", flush=True)
        outcomes.append(run(group, min(group.limit, deadline - time.monotonic())))
    print("==== result")
    for outcome in outcomes:
        print(f"{'passed' if outcome.passed else 'FAILED'}  {outcome.name} ({outcome.seconds:.0f} s): {outcome.told}")
    return int(not all(outcome.passed for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
