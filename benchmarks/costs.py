"""Rows of the table: what compiling costs, and memory. Each call gives its figure itself."""

from __future__ import annotations

import atexit
import functools as ft
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import networks
import numpy as np
from peers import jax
from rows import Row, Target

import gpugrad as gg

# ---- the first call in a new process -------------------------------------------------------------------------------------


def first_call(library: str, folder: str) -> float:
    """Seconds that the first step takes in a new process, whose caches on disk lie in ``folder``."""
    caches = {
        "GPUGRAD_CACHE_DIR": f"{folder}/gpugrad",
        "TORCHINDUCTOR_CACHE_DIR": f"{folder}/torch",
        "JAX_COMPILATION_CACHE_DIR": f"{folder}/jax",
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    program = [sys.executable, "-W", "ignore", str(Path(__file__).with_name("first_call.py")), library]
    done = subprocess.run(program, env=os.environ | caches, check=True, capture_output=True, text=True)
    return float(done.stdout)


def cold(library):
    def call():
        with tempfile.TemporaryDirectory() as folder:
            return first_call(library, folder)

    return call


def from_disk(library):
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)

    def call():
        return first_call(library, folder)

    call()
    return call


def first_call_rows() -> Iterator[Row]:
    for name, prepare, most in (("cold", cold, 3.0), ("from the disk cache, in a new process", from_disk, 0.4)):
        by = {library: ft.partial(prepare, library) for library in ("gpugrad jit", "torch.compile", "jax jit")}
        yield Row(f"first call of the MLP step, {name}", by, (Target(most, None),), measured=True, turns=1)


# ---- graphs of many operations -------------------------------------------------------------------------------------------


def operations(n, tanh):
    """A function of ``n`` operations, with a product of matrices among every five."""

    def f(x):
        for _ in range(n // 5):
            x = tanh(x @ x) * 0.5 + x * 0.25
        return x

    return f


def compiling(n):
    """Seconds from a function of ``n`` operations to its first result, all its kernels in the cache."""
    x = gg.tensor(np.eye(4))

    def call():
        f = gg.jit(operations(n, gg.tanh))
        began = time.perf_counter()
        f(x)
        return time.perf_counter() - began

    call()  # which imports Numba, and compiles the kernels or finds them
    return call


def jax_compiling(n):
    x = jax.numpy.eye(4)

    def call():
        f = jax.jit(operations(n, jax.numpy.tanh))
        began = time.perf_counter()
        jax.block_until_ready(f(x))
        return time.perf_counter() - began

    return call


def compiling_row() -> Row:
    by = {
        "gpugrad jit": ft.partial(compiling, 10**4),
        "gpugrad jit, 10³": ft.partial(compiling, 10**3),
        "jax jit": ft.partial(jax_compiling, 10**4),
        "jax jit, 10³": ft.partial(jax_compiling, 10**3),
    }
    return Row("tracing and compiling 10⁴ operations", by, (Target(11.0, "gpugrad jit, 10³"),), measured=True, turns=1)


# ---- the plan's own cost ---------------------------------------------------------------------------------------------------


def step_cost(n=400):
    """Seconds that a plan of ``n`` small products takes for each beyond the products themselves, called with all at hand."""

    def products(x):
        for _ in range(n):
            x = x @ x
        return x

    x = np.eye(2)
    plan = gg.jit(products)
    plan(x)
    ways = ["x, x, a", *(f"{'ab'[k % 2]}, {'ab'[k % 2]}, {'ba'[k % 2]}" for k in range(n - 1))]
    names = {}
    exec("def direct(dot, x, a, b):\n" + "".join(f"    dot({way})\n" for way in ways), names)
    a, b = np.empty((2, 2)), np.empty((2, 2))

    def seconds(call):
        began = time.perf_counter()
        call()
        return time.perf_counter() - began

    def call():
        each = [(seconds(lambda: plan(x)), seconds(lambda: names["direct"](np.dot, x, a, b))) for _ in range(300)]
        whole, calls = (float(np.median(column)) for column in zip(*each, strict=True))
        return max(whole - calls, 0.0) / n

    return call


def step_cost_row() -> Row:
    return Row("a plan's own cost for each call", {"gpugrad jit": step_cost}, (Target(3e-7, None),), measured=True)


# ---- memory --------------------------------------------------------------------------------------------------------------

DEEP = 512, 12, 256
"""Width, hidden layers, batch."""


def our_memory():
    width, layers, batch = DEEP
    step, x, y = networks.our_steps(networks.perceptron(gg.nn, width, layers), *networks.vectors(width, batch))
    step(x, y)  # the optimizer's moments are there
    return lambda: gg.jit(step).memory(x, y).peak


def jax_memory():
    """What the step takes, gives and needs besides; what it gives in place of what it takes counts once."""
    width, layers, batch = DEEP
    step, state, xy = networks.jax_steps(
        ft.partial(networks.jax_perceptron, width, layers), ft.partial(networks.vectors, width, batch)
    )

    def call():
        m = step.lower(*state, *xy).compile().memory_analysis()
        sizes = m.argument_size_in_bytes, m.output_size_in_bytes, -m.alias_size_in_bytes, m.temp_size_in_bytes
        return sum(sizes)

    return call


def memory_row() -> Row:
    by = {"gpugrad jit": our_memory, "jax jit": jax_memory}
    name = "MLP of 12 layers, 512 wide, batch 256, Adam, step: peak memory"
    return Row(name, by, (Target(1.0, "jax jit"),), measured=True, unit="B", turns=1)


ROWS = [*first_call_rows(), compiling_row(), step_cost_row(), memory_row()]
