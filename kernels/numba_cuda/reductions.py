"""Reductions over the threads that share a row, or a column, always in the same order.

Each function makes the device function of a dtype, since shared memory has one. A row has a block of threads in one
line, a power of two of them; for columns a block is a rectangle, whose height is one.
"""

from __future__ import annotations

import functools as ft
from typing import Any

import numpy as np
from numba import cuda, from_dtype

from gpugrad.kernels.numba_cuda import scalars

THREADS = 1024
"""The most that a block can have."""


@cuda.jit(device=True)
def _add(x: Any, y: Any) -> Any:
    return x + y


_OF = {"sum": _add, "max": scalars.maximum, "min": scalars.minimum}


def _start(kind: str, dtype: Any) -> Any:
    """What changes nothing when it is combined with a number."""
    if kind == "sum":
        return dtype(0)
    if dtype is np.bool:
        return dtype(kind == "min")
    if np.issubdtype(dtype, np.floating):
        return dtype(-np.inf if kind == "max" else np.inf)
    return dtype(getattr(np.iinfo(dtype), "min" if kind == "max" else "max"))


@ft.cache
def _over_team(kind: str, dtype: Any) -> Any:
    """Over a block of one row; each thread gets the result."""
    of, element = _OF[kind], from_dtype(np.dtype(dtype))

    @cuda.jit(device=True)
    def over_team(x: Any) -> Any:
        at = cuda.shared.array(THREADS, element)
        lane = cuda.threadIdx.x
        at[lane] = x
        half = cuda.blockDim.x // 2
        while half > 0:
            cuda.syncthreads()
            if lane < half:
                at[lane] = of(at[lane], at[lane + half])
            half //= 2
        cuda.syncthreads()
        x = at[0]
        cuda.syncthreads()  # before the next reduction writes there
        return x

    return over_team


@ft.cache
def _over_parts(kind: str, dtype: Any) -> Any:
    """Over what the blocks of a row have left, by one block; each thread gets its share of them, for the team to reduce.

    The function of the team is not called here, but in the kernel, which calls it elsewhere, too: NVVM refuses a kernel
    that has a function with shared memory from two places.
    """
    of, start = _OF[kind], _start(kind, dtype)

    @cuda.jit(device=True)
    def over_parts(parts: Any, first: Any, n: Any) -> Any:
        x = start
        for k in range(cuda.threadIdx.x, n, cuda.blockDim.x):
            x = of(x, parts[first + k])
        return x

    return over_parts


team_sum, team_max, team_min = (ft.partial(_over_team, kind) for kind in ("sum", "max", "min"))
parts_sum, parts_max, parts_min = (ft.partial(_over_parts, kind) for kind in ("sum", "max", "min"))


@ft.cache
def column_sum(dtype: Any) -> Any:
    """The sum over the threads of a block above one another; those with threadIdx.y = 0 get it."""
    element = from_dtype(np.dtype(dtype))

    @cuda.jit(device=True)
    def of_column(x: Any) -> Any:
        tile = cuda.shared.array(THREADS, element)
        place = cuda.threadIdx.y * cuda.blockDim.x + cuda.threadIdx.x
        tile[place] = x
        half = cuda.blockDim.y // 2
        while half > 0:
            cuda.syncthreads()
            if cuda.threadIdx.y < half:
                tile[place] += tile[place + half * cuda.blockDim.x]
            half //= 2
        x = tile[place]
        cuda.syncthreads()  # before the next sum writes there
        return x

    return of_column


@ft.cache
def sum_parts(dtype: Any) -> Any:
    """out[c] = the sum over k of parts[k, c]: blockDim.x columns for each block."""
    of_column, zero = column_sum(dtype), dtype(0)

    @cuda.jit(device=True)
    def of_parts(parts: Any, n: Any, columns: Any, out: Any) -> None:
        c = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
        total = zero
        if c < columns:
            for k in range(cuda.threadIdx.y, n, cuda.blockDim.y):
                total += parts[k * columns + c]
        total = of_column(total)
        if cuda.threadIdx.y == 0 and c < columns:
            out[c] = total

    return of_parts
