"""Sums of arrays that lie among zeros, as a loop that Numba compiles: each element is written while it is in the cache."""

from __future__ import annotations

import functools as ft
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gpugrad import dtypes
from gpugrad.backends import numba_kernels, parallel, recycled
from gpugrad.ops.assembling import RANK, merged
from gpugrad.ops.linear import Spec
from gpugrad.primitive import Shape

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


def assembler(
    shapes: Sequence[Shape], dtype: Any, *, specs: tuple[Spec, ...], sizes: Shape
) -> Callable[..., Any] | None:
    """What a compiled program calls for ``assemble`` on NumPy's arrays of such shapes, and of that dtype; None for others."""
    ranks = {len(x) for x in (*shapes, *specs, sizes)}
    steps = {step for spec in specs for _, _, step in spec}
    if len(ranks) > 1 or steps != {1} or dtypes.is_half(dtype):
        return None
    parts, axes = merged(specs, sizes)
    if len(axes) > RANK:
        return None
    at = {1: (2,), 2: (0, 2), 3: (0, 1, 2)}[len(axes)]  # the first axis is what threads share out
    begins = np.zeros((len(parts), RANK), np.int64)
    for k, part in enumerate(parts):
        begins[k, at] = [start for start, _, _ in part]
    lengths = [tuple(stop - start for start, stop, _ in part) for part in parts]
    *spread, whole = (tuple(s[at.index(k)] if k in at else 1 for k in range(RANK)) for s in (*lengths, axes))
    elements = math.prod(sizes)
    nbytes = dtype.itemsize * (elements + sum(map(math.prod, shapes)))
    alone = _compiled(dtype, len(specs))
    shared = parallel.split(alone, [*["whole"] * (len(specs) + 2), "start", "stop"], whole[0])
    run = shared if parallel.nanoseconds(nbytes, 0.0, elements) >= parallel.LEAST else alone
    rows, contiguous, empty = whole[0], np.ascontiguousarray, recycled.empty

    def assembled(*xs: Any) -> Any:
        out = empty(sizes, dtype)
        arrays = [contiguous(x).reshape(shape) for x, shape in zip(xs, spread, strict=True)]
        run(*arrays, begins, out.reshape(whole), 0, rows)
        return out

    return assembled
