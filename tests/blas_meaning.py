"""What cuBLASLt means by its descriptions, in NumPy: flat memory, matrices column after column, flags and epilogues."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpugrad.cuda.matmul_layout import LayoutPlan, Matrix


def placed(memory: Any, matrix: Matrix, start: int, item: int) -> Any:
    """The ``item``-th matrix of a batch in flat memory, as it is stored; reading outside of the memory raises."""
    places = (
        start
        + item * matrix.batch_stride
        + np.arange(matrix.rows)[:, None]
        + np.arange(matrix.columns)[None, :] * matrix.leading
    )
    assert matrix.leading >= matrix.rows
    assert places.min() >= 0
    assert places.max() < memory.size
    return places


def taken(memory: Any, matrix: Matrix, start: int, item: int) -> Any:
    """That matrix as the product takes it, in double precision."""
    found = memory[placed(memory, matrix, start, item)].astype(np.result_type(memory.dtype, np.float64))
    return found.T if matrix.transposed else found


def run(plan: LayoutPlan, x: Any, y: Any, out: Any, starts: tuple[int, int, int], beta: float = 0.0) -> None:
    """``out = x @ y + beta * out`` on flat memories, in which the arrays begin at ``starts``."""
    for offsets in plan.offsets:
        at_x, at_y, at_out = (start + offset for start, offset in zip(starts, offsets, strict=True))
        first, second = ((y, at_y), (x, at_x)) if plan.swapped else ((x, at_x), (y, at_y))
        for item in range(plan.batch):
            there = placed(out, plan.d, at_out, item)
            if plan.k:
                d = taken(*_at(first, plan.a, item)) @ taken(*_at(second, plan.b, item))
                assert d.shape == (plan.d.rows, plan.d.columns)
            else:
                d = 0.0
            out[there] = d + beta * out[there] if beta else d


def _at(memory: tuple[Any, int], matrix: Matrix, item: int) -> tuple[Any, Matrix, int, int]:
    return memory[0], matrix, memory[1], item
