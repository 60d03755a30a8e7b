"""Printed Numba CUDA run by Numba's simulator: ``python cuda_simulator.py jobs results``, with NUMBA_ENABLE_CUDASIM=1.

A job is a text, its launches, and what each parameter is. The simulator has a thread of Python for each thread of the
GPU, so arrays are small.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gpugrad.cuda import numba_simulator


def run(job: dict[str, Any]) -> list[Any]:
    """The arrays after the launches of a job."""
    functions = numba_simulator.executed(job["text"])
    arrays = job["arrays"]
    for launch in job["launches"]:
        functions[launch.function][launch.grid, launch.block](*[arrays[k] for k in job["order"]], *job["sizes"])
    return arrays


def results(jobs: Sequence[dict[str, Any]], folder: Path) -> list[list[Any]]:
    """What jobs make of their arrays, in a process with the simulator."""
    given, made = folder / "jobs.pickle", folder / "results.pickle"
    given.write_bytes(pickle.dumps(list(jobs)))
    done = subprocess.run(
        [sys.executable, __file__, str(given), str(made)],
        capture_output=True,
        text=True,
        env={**os.environ, "NUMBA_ENABLE_CUDASIM": "1", "PYTHONPATH": str(Path(__file__).parent.parent)},
    )
    assert done.returncode == 0, done.stderr[-4000:]
    out: list[list[Any]] = pickle.loads(made.read_bytes())
    return out


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    todo = pickle.loads(Path(sys.argv[1]).read_bytes())
    Path(sys.argv[2]).write_bytes(pickle.dumps([run(job) for job in todo]))
