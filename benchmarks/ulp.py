"""Writes the table of errors of the scalar functions: ``python benchmarks/ulp.py [samples [every]]``.

Float64 by mpmath on so many samples of each region; float32 by the float64 functions, those of one argument on every
number (on every k-th with ``every``), those of two on samples.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "tests")]

from scalar_math_witness import BINARY, GAMMAS, NAMES, NEAR, arguments_of, errors_in_double, errors_in_single, inside  # noqa: E402 (found by the path above)

from gpugrad.kernels.scalar_math import table  # noqa: E402 (found by the path above)

_BLOCK = 1 << 20


def worst_in_double(name, samples):
    """The largest error of each region."""
    arguments = arguments_of(name, np.float64, samples)
    return {region: float(errors_in_double(name, xs).max()) for region, xs in arguments.items()}


def worst_in_single(name, every):
    """The largest error over all numbers, or over many pairs."""
    if name in BINARY:
        return max(float(errors_in_single(name, xs).max()) for xs in arguments_of(name, np.float32, 1 << 19).values())
    worst = 0.0
    for start in range(0, 1 << 32, _BLOCK * every):
        x = np.arange(start, start + _BLOCK * every, every, dtype=np.uint32).view(np.float32)
        x = inside(name.removeprefix(NEAR), x[np.isfinite(x)])
        if name.startswith(NEAR):
            x = x[np.abs(x) <= table.NEAR[name.removeprefix(NEAR)]]
        if name in GAMMAS:
            x = x[(x > 0.0) | (x != np.floor(x))]
        if x.size:
            worst = max(worst, float(errors_in_single(name, (x,)).max()))
    return worst


def main(samples=2000, every=1):
    single = "all numbers" if every == 1 else f"every {every}th number"
    columns = list(arguments_of("exp", np.float64, 1))
    lines = [
        "# Largest errors of the scalar functions, in ULP",
        "",
        f"By `python benchmarks/ulp.py {samples} {every}`. Float64: {samples} samples of each region, against mpmath in 120",
        f"bits. Float32: {single}, and {7 << 20:,} pairs for functions of two arguments, against the float64 function.",
        "`near` is the quicker function for |x| ≤ 2²⁰. `logaddexp` is measured by the larger of its result and max(x, y),",
        "`gammaln` and `digamma` at negative x by the largest of its terms and 1.",
        "",
        "| function | float32 | float64: " + " | ".join(columns) + " |",
        "|---" * (len(columns) + 2) + "|",
    ]
    for name in NAMES:
        double = worst_in_double(name, samples)
        cells = [f"{double[region]:.2f}" if region in double else "" for region in columns]
        lines.append(f"| {name} | {worst_in_single(name, every):.2f} | " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)
    target = Path(__file__).parents[1] / "kernels" / "scalar_math" / "ERRORS.md"
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
