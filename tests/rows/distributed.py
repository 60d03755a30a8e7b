"""Rows of the collectives in a group of one rank; what they do among several is in test_distributed.py."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
from case import Case

import gpugrad as gg
from rows.elementwise import apart, complexes, integers

ALONE = {"backend": "collectives take arrays on the CPU; test_distributed.py has the error"}
X = apart((3, 4))


def _rows() -> list[Case]:
    dist = gg.distributed
    return [
        Case("all_reduce", dist.all_reduce, X, lambda x: x, without=ALONE),
        Case("all_reduce of a number", dist.all_reduce, apart(()), lambda x: x, without=ALONE),
        Case("all_reduce of nothing", dist.all_reduce, apart((0, 2)), lambda x: x, order=0, without=ALONE),
        Case("all_reduce, the mean", lambda x: dist.all_reduce(x, "mean"), X, lambda x: x, without=ALONE),
        Case("all_reduce of complex numbers", dist.all_reduce, complexes((3,)), lambda x: x, without=ALONE),
        Case("all_reduce of integers", dist.all_reduce, integers((3,)), lambda x: x, without=ALONE),
        *(Case(f"{f.__name__} of a rank", f, X, lambda x: x, without=ALONE) for f in (dist.broadcast, dist.reduce, dist.gather, dist.scatter)),
        *(Case(f"{f.__name__} axis=-1", lambda x, f=f: f(x, axis=-1), X, lambda x: x, without=ALONE) for f in (dist.all_gather, dist.reduce_scatter)),
        Case("all_reduce of a function of it", lambda x: dist.all_reduce(gg.sin(x)) * x, X, _sin_times, without=ALONE),
    ]  # fmt: skip


def _sin_times(x: Any) -> Any:
    return np.sin(x) * x


CASES = _rows() if find_spec("mpi4py") else []  # the header says when MPI is missing (conftest.py)
