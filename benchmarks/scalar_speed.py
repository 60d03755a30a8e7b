"""Prints nanoseconds per element of the scalar functions, beside NumPy's, ``math``'s in the same loop, and a copy.

``python benchmarks/scalar_speed.py [name ...]``: loops over a million contiguous elements, the best of many runs.
"""

from __future__ import annotations

import math
import sys
import time
from pathlib import Path

import numba
import numpy as np

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "tests")]

from scalar_math_witness import BINARY, DTYPES, NAMES, NEAR, loops  # noqa: E402 (found by the path above)

_SIZE = 1_000_000
_MATH = {"gammaln": "lgamma"}


def best(call, runs=15):
    """Nanoseconds per element."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return f"{min(times) / _SIZE * 1e9:.2f}"


def library_loop(name):
    """The loop with the function of ``math``, where there is one that Numba knows."""
    f = getattr(math, _MATH.get(name, name), None)
    if f is None:
        return None

    def one(out, x):
        for i in range(out.size):
            out[i] = f(x[i])

    def two(out, x, y):
        for i in range(out.size):
            out[i] = f(x[i], y[i])

    return numba.njit(two if name in BINARY else one, fastmath={"reassoc", "contract", "nsz"}, error_model="numpy")


def arguments_of(name, dtype):
    """Numbers such as programs have: a normal variate, moved into the domain."""
    x = np.random.default_rng(1).standard_normal(_SIZE)
    if (name.startswith("log") and name != "logaddexp") or name in ("pow", "gammaln", "digamma"):
        x = np.abs(x)
    if name in ("asin", "acos", "atanh", "erfinv"):
        x = np.tanh(x)
    if name == "acosh":
        x = 1.0 + np.abs(x)
    x = np.clip(x.astype(dtype), -8.0, 8.0)
    return (x, x[::-1].copy()) if name in BINARY else (x,)


def row(name, dtype):
    """One line of the table."""
    plain = name.removeprefix(NEAR)
    arguments = arguments_of(plain, dtype)
    out = np.empty(_SIZE, dtype)
    cells = [name, np.dtype(dtype).name]
    loop = loops(name, dtype)
    cells.append(best(lambda: loop(out, *arguments)))
    ufunc = getattr(np, plain, None)
    cells.append(best(lambda: ufunc(*arguments, out=out), 5) if isinstance(ufunc, np.ufunc) else "")
    library = library_loop(plain)
    try:
        cells.append(best(lambda: library(out, *arguments), 5) if library else "")
    except numba.TypingError:
        cells.append("")
    cells.append(best(lambda: np.copyto(out, arguments[0])))
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    print("| function | dtype | ours | NumPy | math, Numba | copy |\n|---|---|---|---|---|---|")
    for name in sys.argv[1:] or NAMES:
        for dtype in DTYPES:
            print(row(name, dtype), flush=True)
