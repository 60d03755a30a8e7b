"""Figures of one GPU, beside the libraries that are installed there; written to results/<device>/.

python benchmarks/gpu.py            The table goes to results.json and table.md, and is printed.
"""

from __future__ import annotations

import datetime
import functools as ft
import json
import os
import platform
import re
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import gpugrad as gg
from gpugrad.cuda.presence import presence

RESULTS = Path(__file__).with_name("results")
ROWS, COLUMNS, SIZE = 8192, 4096, 4096
TOLERANCE = {"float32": 1e-3, "bfloat16": 3e-2}
"""Of what two libraries may differ by, as a part of the largest number."""
Call = Callable[[], Any]


class Library(NamedTuple):
    """The calls of a library by the workload, what waits for them, and what makes a NumPy array of each result."""

    calls: dict[str, Call]
    wait: Call
    host: Callable[[Any], Any]


def gelu_of(dtype: str) -> str:
    """The name of a workload."""
    return f"GELU, summed, value and gradient, {dtype}"


def of_gpugrad(x: Any, m: Any, compiled: bool = False) -> Library:
    """Our calls."""
    made: Callable[[Any], Any] = gg.jit if compiled else lambda f: f
    gelu = made(gg.value_and_grad(lambda a: gg.sum(gg.gelu(a))))
    softmax, product = made(lambda a: gg.softmax(a, axis=-1)), made(lambda b: b @ b)
    calls: dict[str, Call] = {}
    for dtype in TOLERANCE:
        a, b = gg.tensor(x, dtype=dtype, device="cuda"), gg.tensor(m, dtype=dtype, device="cuda")
        calls[gelu_of(dtype)] = ft.partial(gelu, a)
        calls[f"softmax of rows, {dtype}"] = ft.partial(softmax, a)
        calls[f"matrix product, {dtype}"] = ft.partial(product, b)
    return Library(calls, gg.synchronize, lambda t: t.detach().to("cpu").astype("float64").numpy())


def of_torch(x: Any, m: Any, compiled: bool = False, device: str = "cuda") -> Library:
    """PyTorch's."""
    import torch
    from torch.nn import functional

    made: Callable[[Any], Any] = torch.compile if compiled else lambda f: f
    summed = made(lambda a: functional.gelu(a).sum())
    softmax, product = made(lambda a: torch.softmax(a, -1)), made(lambda b: b @ b)

    def gelu(a: Any) -> Any:
        out = summed(a)
        return out, *torch.autograd.grad(out, a)

    calls: dict[str, Call] = {}
    for dtype in TOLERANCE:
        a, b = (torch.tensor(v, dtype=getattr(torch, dtype), device=device) for v in (x, m))
        calls[gelu_of(dtype)] = ft.partial(gelu, a.clone().requires_grad_())
        calls[f"softmax of rows, {dtype}"] = ft.partial(softmax, a)
        calls[f"matrix product, {dtype}"] = ft.partial(product, b)
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    return Library(calls, wait, lambda t: t.detach().cpu().double().numpy())


def of_jax(x: Any, m: Any, device: str = "gpu") -> Library:
    """JAX's, compiled, as it is used. Its products are in float32 where the others' are, not in TF32."""
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # or it takes most of the memory for itself
    import jax

    gelu = jax.jit(jax.value_and_grad(lambda a: jax.nn.gelu(a, approximate=False).sum()))
    softmax = jax.jit(lambda a: jax.nn.softmax(a, -1))
    product = jax.jit(lambda b: jax.numpy.matmul(b, b, precision="highest"))
    last: list[Any] = [None]

    def kept(f: Callable[[Any], Any], a: Any) -> Any:
        last[0] = f(a)
        return last[0]

    calls: dict[str, Call] = {}
    (there, *_) = jax.devices(device)
    for dtype in TOLERANCE:
        a, b = (jax.device_put(jax.numpy.asarray(v, dtype), there) for v in (x, m))
        calls[gelu_of(dtype)] = ft.partial(kept, gelu, a)
        calls[f"softmax of rows, {dtype}"] = ft.partial(kept, softmax, a)
        calls[f"matrix product, {dtype}"] = ft.partial(kept, product, b)
    return Library(calls, lambda: jax.block_until_ready(last[0]), lambda t: np.asarray(t).astype(np.float64))


def of_cupy(x: Any, m: Any) -> Library:
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
    return Library(calls, cupy.cuda.Device().synchronize, lambda t: t.get().astype(np.float64))


PEERS: dict[str, tuple[str, Callable[[Any, Any], Library]]] = {
    "gpugrad eager": ("gpugrad", of_gpugrad),
    "gpugrad compiled": ("gpugrad", ft.partial(of_gpugrad, compiled=True)),
    "CuPy by hand": ("cupy", of_cupy),
    "torch eager": ("torch", of_torch),
    "torch compiled": ("torch", ft.partial(of_torch, compiled=True)),
    "JAX": ("jax", of_jax),
}
"""Name in the table -> the package, and what makes its calls."""


def apart(found: Sequence[Any], wanted: Sequence[Any], dtype: str) -> str:
    """How results differ from what another library gives, in words; "" if they agree."""
    if [f.shape for f in found] != [w.shape for w in wanted]:
        return f"shapes {[f.shape for f in found]} for {[w.shape for w in wanted]}"
    for f, w in zip(found, wanted, strict=True):
        most, scale = float(np.max(np.abs(f - w), initial=0.0)), float(np.max(np.abs(w), initial=0.0))
        if not most <= TOLERANCE[dtype] * scale:
            return f"apart by {most:.3g} where numbers are up to {scale:.3g}"
    return ""


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


def measured(
    libraries: dict[str, Callable[[Any, Any], Library]], x: Any, m: Any
) -> tuple[dict[str, dict[str, float]], list[str]]:
    """Workload -> library -> seconds, of those that agree with the first that has it; and what failed, in words."""
    figures: dict[str, dict[str, float]] = {}
    wanted: dict[str, list[Any]] = {}
    failures = []
    for name, make in libraries.items():
        try:
            library = make(x, m)
        except Exception as error:
            failures.append(f"{name}: {type(error).__name__}: {error}")
            continue
        for workload, call in library.calls.items():
            try:
                out = call()
                found = list(map(library.host, out if isinstance(out, tuple | list) else [out]))
                differs = apart(found, wanted.setdefault(workload, found), workload.rpartition(" ")[2])
                if differs:
                    failures.append(f"{workload}, {name}: not timed, since it computes something else: {differs}")
                    continue
                figures.setdefault(workload, {})[name] = seconds(call, library.wait)
            except Exception as error:
                failures.append(f"{workload}, {name}: {type(error).__name__}: {error}")
    return figures, failures


def table(about: dict[str, Any], figures: dict[str, dict[str, float]], failures: list[str]) -> str:
    """The figures as Markdown."""
    libraries = list(dict.fromkeys(library for by in figures.values() for library in by))
    lines = [
        f"# {about['device']}",
        "",
        f"{about['date']}; {', '.join(f'{k} {v}' for k, v in about['versions'].items())}.",
        *(["", f"Not installed, and so left out: {', '.join(about['missing'])}."] if about.get("missing") else []),
        "",
    ]
    lines += [f"| workload | {' | '.join(libraries)} |", "| --- |" + " --- |" * len(libraries)]
    for workload, by in figures.items():
        cells = [f"{by[library] * 1e6:.0f} µs" if library in by else "-" for library in libraries]
        lines.append(f"| {workload} | {' | '.join(cells)} |")
    if failures:
        lines += ["", *(f"- failed: {failure}" for failure in failures)]
    return "\n".join(lines) + "\n"


def folder_of(device: str) -> str:
    """The folder of a device's results."""
    return re.sub(r"[^a-z0-9]+", "-", device.lower()).strip("-")


def write(folder: Path, about: dict[str, Any], figures: dict[str, dict[str, float]], failures: list[str]) -> list[Path]:
    """Write the results in both forms; where to."""
    place = folder / folder_of(about["device"])
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
    for name in ("cupy-cuda13x", "cupy-cuda12x", "cupy", "torch", "jax", "numpy"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    about = {
        "device": found.gpus[0].name,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="minutes"),
        "driver": list(found.driver or ()),
        "versions": versions,
        "missing": [name for name, (package, _) in PEERS.items() if not find_spec(package)],
    }
    rng = np.random.default_rng(0)
    x = rng.standard_normal((ROWS, COLUMNS), np.float32)
    m = rng.standard_normal((SIZE, SIZE), np.float32)
    peers = {name: make for name, (_, make) in PEERS.items() if name not in about["missing"]}
    figures, failures = measured(peers, x, m)
    for path in write(RESULTS, about, figures, failures):
        print(f"wrote {path}")
    print(table(about, figures, failures))
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
