"""Printed Numba CUDA run by Numba's simulator: ``python cuda_simulator.py jobs results``, with NUMBA_ENABLE_CUDASIM=1.

A job is a text, its launches, and what each parameter is. The simulator has a thread of Python for each thread of the
GPU, so arrays are small. Python's ``math`` raises where a GPU gives infinity or NaN; NumPy's functions stand for it.
"""

from __future__ import annotations

import math
import os
import pickle
import subprocess
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

_RENAMED = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "atan2": "arctan2"}
_RENAMED |= {"asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh", "fabs": "abs"}
_NUMPY = [
    "sqrt",
    "floor",
    "ceil",
    "trunc",
    "exp",
    "expm1",
    "log",
    "log2",
    "log10",
    "log1p",
    "sin",
    "cos",
    "tan",
    "asin",
    "acos",
    "atan",
    "atan2",
    "sinh",
    "cosh",
    "tanh",
    "asinh",
    "acosh",
    "atanh",
    "hypot",
    "fmod",
    "copysign",
    "fabs",
]


def _log_gamma(x: Any) -> Any:
    if not abs(x) < math.inf or (x <= 0 and x == math.floor(x)):
        return x if x != x else math.inf
    return math.lgamma(x)


def _power(x: Any, y: Any) -> Any:
    return np.power(np.array([x]), np.array([y]))[0]  # of scalars, NumPy makes (-inf) ** 0.5 NaN


def mathematics() -> SimpleNamespace:
    """What kernels ask ``math`` for, with infinity and NaN."""
    functions = {name: getattr(np, _RENAMED.get(name, name)) for name in _NUMPY}
    return SimpleNamespace(
        **functions, pow=_power, erf=math.erf, erfc=math.erfc, lgamma=_log_gamma, inf=math.inf, nan=math.nan, pi=math.pi
    )


class _Cuda:
    """The module ``cuda`` as the kernel that runs has it, for device functions of other modules.

    The simulator puts it into their globals while they run, and takes it away while another thread still needs it.
    """

    def __getattr__(self, name: str) -> Any:
        from numba import cuda
        from numba.cuda.simulator import kernel

        return getattr(kernel._kernel_context or cuda, name)


def run(job: dict[str, Any]) -> list[Any]:
    """The arrays after the launches of a job."""
    namespace: dict[str, Any] = {"__name__": "printed"}
    exec(compile(job["text"], "<printed>", "exec"), namespace)
    namespace["math"] = mathematics()
    arrays = job["arrays"]
    for launch in job["launches"]:
        kernel = namespace[launch.function]
        kernel[launch.grid, launch.block](*[arrays[k] for k in job["order"]], *job["sizes"])
    return arrays


def results(jobs: Sequence[dict[str, Any]], folder: Path) -> list[list[Any]]:
    """What jobs make of their arrays, in a process with the simulator."""
    given, made = folder / "jobs.pickle", folder / "results.pickle"
    given.write_bytes(pickle.dumps(list(jobs)))
    done = subprocess.run(
        [sys.executable, __file__, str(given), str(made)],
        capture_output=True,
        text=True,
        env={**os.environ, "NUMBA_ENABLE_CUDASIM": "1"},
    )
    assert done.returncode == 0, done.stderr[-4000:]
    out: list[list[Any]] = pickle.loads(made.read_bytes())
    return out


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    from gpugrad.kernels.numba_cuda import reductions, scalars

    scalars.math = mathematics()
    reductions.cuda = _Cuda()
    todo = pickle.loads(Path(sys.argv[1]).read_bytes())
    Path(sys.argv[2]).write_bytes(pickle.dumps([run(job) for job in todo]))
