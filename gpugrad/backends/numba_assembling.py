"""Sums of arrays that lie among zeros, as a loop that Numba compiles: each element is written while it is in the cache."""

from __future__ import annotations

import functools as ft
import math
from typing import Any

import numpy as np

from gpugrad.backends import numba_kernels, parallel, recycled
from gpugrad.ops.assembling import assemble
from gpugrad.ops.linear import Spec
from gpugrad.primitive import Shape

RANK = 3
RUN = 4096
"""Elements of a row that are finished before the next."""


def _text(count: int) -> str:
    """Arrays of three axes; ``begins[k]`` is where the k-th begins along each."""
    names = [f"x{k}" for k in range(count)]
    lines = [
        f"def kernel({', '.join(names)}, begins, out, start, stop):",
        "    for i in range(start, stop):",
        "        for j in range(out.shape[1]):",
        f"            for first in range(0, out.shape[2], {RUN}):",
        f"                last = min(first + {RUN}, out.shape[2])",
        "                row = out[i, j, first:last]",
        "                for n in range(last - first):",
        "                    row[n] = 0",
    ]
    for k, x in enumerate(names):
        lines += [
            f"                p, q, r = i - begins[{k}, 0], j - begins[{k}, 1], begins[{k}, 2]",
            f"                low, high = max(first, r), min(last, r + {x}.shape[2])",
            f"                if 0 <= p < {x}.shape[0] and 0 <= q < {x}.shape[1] and low < high:",
            "                    part = out[i, j, low:high]",
            f"                    term = {x}[p, q, low - r : high - r]",
            "                    for n in range(high - low):",
            "                        part[n] += term[n]",
        ]
    return "\n".join([*lines, ""])


@ft.cache
def _compiled(dtype: Any, count: int) -> Any:
    arrays = [(dtype, RANK)] * count
    return numba_kernels.compiled(_text(count), [*arrays, (np.dtype(np.int64), 2), (dtype, RANK), None, None])


def call(*xs: Any, specs: tuple[Spec, ...], sizes: Shape) -> Any:
    """What a compiled program calls for ``assemble``."""
    if len(sizes) > RANK or any(
        type(x) is not np.ndarray or x.dtype != xs[0].dtype or x.ndim != len(sizes) for x in xs
    ):
        return assemble.impl[type(xs[0])](*xs, specs=specs, sizes=sizes)
    dtype = xs[0].dtype
    out = recycled.empty(sizes, dtype)
    begins = np.zeros((len(xs), RANK), np.int64)
    at = (
        (2,) if len(sizes) == 1 else (0, 2) if len(sizes) == 2 else (0, 1, 2)
    )  # the first axis is what threads share out
    for k, spec in enumerate(specs):
        begins[k, at] = [start for start, _, _ in spec]
    arrays = [np.ascontiguousarray(x).reshape(_spread(x.shape, at)) for x in xs]
    target = out.reshape(_spread(sizes, at))
    run = _compiled(dtype, len(xs))
    if parallel.nanoseconds(out.nbytes + sum(x.nbytes for x in xs), 0.0, math.prod(sizes)) >= parallel.LEAST:
        run = parallel.split(run, [*["whole"] * (len(xs) + 2), "start", "stop"], target.shape[0])
    run(*arrays, begins, target, 0, target.shape[0])
    return out


def _spread(shape: Shape, at: tuple[int, ...]) -> Shape:
    return tuple(shape[at.index(k)] if k in at else 1 for k in range(RANK))
