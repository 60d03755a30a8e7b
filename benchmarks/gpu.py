"""Figures of one GPU, beside the libraries that are installed there; written to results/<device>/.

python benchmarks/gpu.py            The table goes to results.json and table.md, and is printed.
"""

from __future__ import annotations

import datetime
import json
import platform
import re
import statistics
import sys
import time
from collections.abc import Callable
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

import gpugrad as gg
from gpugrad.cuda.presence import presence

RESULTS = Path(__file__).with_name("results")
ROWS, COLUMNS, SIZE = 8192, 4096, 4096
Call = Callable[[], Any]


def of_gpugrad(x: Any, m: Any) -> tuple[dict[str, Call], Call]:
    """Our calls, and what waits for them."""
    calls: dict[str, Call] = {}
    for dtype in ("float32", "bfloat16"):
        a, b = gg.tensor(x, dtype=dtype, device="cuda"), gg.tensor(m, dtype=dtype, device="cuda")
        calls[f"GELU, summed, value and gradient, {dtype}"] = lambda a=a: gg.value_and_grad(
            lambda a: gg.sum(gg.gelu(a))
        )(a)
        calls[f"softmax of rows, {dtype}"] = lambda a=a: gg.softmax(a, axis=-1)
        calls[f"matrix product, {dtype}"] = lambda b=b: b @ b
    return calls, gg.synchronize


def of_torch(x: Any, m: Any) -> tuple[dict[str, Call], Call]:
    """PyTorch's."""
    import torch
    from torch.nn import functional

    calls: dict[str, Call] = {}

    def gelu(a: Any) -> Any:
        out = functional.gelu(a).sum()
        return out, torch.autograd.grad(out, a)

    for dtype in ("float32", "bfloat16"):
        a, b = (torch.tensor(v, dtype=getattr(torch, dtype), device="cuda") for v in (x, m))
        leaf = a.clone().requires_grad_()
        calls[f"GELU, summed, value and gradient, {dtype}"] = lambda leaf=leaf: gelu(leaf)
        calls[f"softmax of rows, {dtype}"] = lambda a=a: torch.softmax(a, -1)
        calls[f"matrix product, {dtype}"] = lambda b=b: b @ b
    return calls, torch.cuda.synchronize


def of_cupy(x: Any, m: Any) -> tuple[dict[str, Call], Call]:
    """CuPy by hand, where it has a way; and the copy that bounds what moves data."""
    import cupy

    a, b = cupy.asarray(x), cupy.asarray(m)

    def softmax() -> Any:
        e = cupy.exp(a - a.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)

    calls: dict[str, Call] = {
        f"copy of {ROWS} × {COLUMNS}, float32": a.copy,
        "softmax of rows, float32": softmax,
        "matrix product, float32": lambda: b @ b,
    }
    return calls, cupy.cuda.Device().synchronize


def seconds(call: Call, wait: Call, least: float = 0.15) -> float:
    """The median time of a call, of several runs of as many calls as take a while."""
    for _ in range(3):
        call()
    wait()
    count, runs = 1, []
    while len(runs) < 5:
        started = time.perf_counter()
        for _ in range(count):
            call()
        wait()
        taken = time.perf_counter() - started
        if taken < least / 5 and not runs:
            count *= 2
            continue
        runs.append(taken / count)
    return statistics.median(runs)


def measured(libraries: dict[str, Callable[..., tuple[dict[str, Call], Call]]], x: Any, m: Any) -> tuple[dict[str, dict[str, float]], list[str]]:  # fmt: skip
    """Workload -> library -> seconds; and what failed, in words."""
    figures: dict[str, dict[str, float]] = {}
    failures = []
    for library, make in libraries.items():
        try:
            calls, wait = make(x, m)
        except Exception as error:
            failures.append(f"{library}: {type(error).__name__}: {error}")
            continue
        for workload, call in calls.items():
            try:
                figures.setdefault(workload, {})[library] = seconds(call, wait)
            except Exception as error:
                failures.append(f"{workload}, {library}: {type(error).__name__}: {error}")
    return figures, failures


def table(about: dict[str, Any], figures: dict[str, dict[str, float]], failures: list[str]) -> str:
    """The figures as Markdown."""
    libraries = list(dict.fromkeys(library for by in figures.values() for library in by))
    lines = [
        f"# {about['device']}",
        "",
        f"{about['date']}; {', '.join(f'{k} {v}' for k, v in about['versions'].items())}.",
        "",
    ]
    lines += [f"| workload | {' | '.join(libraries)} |", "| --- |" + " --- |" * len(libraries)]
    for workload, by in figures.items():
        cells = [f"{by[library] * 1e6:.0f} µs" if library in by else "-" for library in libraries]
        lines.append(f"| {workload} | {' | '.join(cells)} |")
    if failures:
        lines += ["", *(f"- failed: {failure}" for failure in failures)]
    return "\n".join(lines) + "\n"


def write(folder: Path, about: dict[str, Any], figures: dict[str, dict[str, float]], failures: list[str]) -> list[Path]:
    """Write the results in both forms; where to."""
    place = folder / re.sub(r"[^a-z0-9]+", "-", about["device"].lower()).strip("-")
    place.mkdir(parents=True, exist_ok=True)
    data, text = place / "results.json", place / "table.md"
    whole = {"machine": about, "seconds": figures, "failures": failures}
    data.write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    text.write_text(table(about, figures, failures), encoding="utf-8")
    return [data, text]


def main() -> int:
    """Measure, print and write; 0 if nothing failed."""
    found = presence()
    if not found.gpus:
        print(f"no GPU, so nothing was measured: {found.trouble}")
        return 1
    versions = {"Python": platform.python_version(), "gpugrad": gg.__version__}
    for name in ("cupy-cuda13x", "cupy-cuda12x", "cupy", "torch", "numpy"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    about = {
        "device": found.gpus[0].name,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="minutes"),
        "driver": list(found.driver or ()),
        "versions": versions,
    }
    rng = np.random.default_rng(0)
    x = rng.standard_normal((ROWS, COLUMNS), np.float32)
    m = rng.standard_normal((SIZE, SIZE), np.float32)
    peers = {"gpugrad eager": of_gpugrad, "CuPy by hand": of_cupy} | (
        {"torch eager": of_torch} if find_spec("torch") else {}
    )
    figures, failures = measured(peers, x, m)
    for path in write(RESULTS, about, figures, failures):
        print(f"wrote {path}")
    print(table(about, figures, failures))
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
