"""The table: every row of every module under ``tests/rows/``."""

from __future__ import annotations

import importlib
import pkgutil
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from case import Case

CHECKS = {
    "value": "the value and its dtype, against NumPy",
    "grads": "both modes against differences, and against each other",
    "eager": "`Tensor.backward` gives what `vjp` gives, for any choice of tracked arguments",
    "vmap": "a batch against a loop, with every choice of batched arguments, twice over too",
    "float32": "single precision in, single precision out, derivatives included",
    "float16": "the same in half precision",
    "bfloat16": "the same in bfloat16",
    "reference": "the backend `reference` gives what `numpy` gives",
    "backend": "every other backend gives what `numpy` gives; a backend's name instead leaves out that one",
    "strict": "the backend of tests/strict_backend.py alone",
    "jit": "compiled, it gives the same: value, derivatives and batches, with jit inside and outside",
    "strides": "arrays with gaps and negative strides, read-only and in Fortran order give the same",
}
"""What may stand in `Case.without`."""


def _collected() -> tuple[dict[str, Case], dict[str, Exception]]:
    table: dict[str, Case] = {}
    broken: dict[str, Exception] = {}
    for module in sorted(pkgutil.iter_modules([str(Path(__file__).parent / "rows")]), key=lambda m: m.name):
        try:
            rows = importlib.import_module(f"rows.{module.name}").CASES
        except Exception as error:
            broken[module.name] = error
            continue
        for case in rows:
            unknown = set(case.without) - set(CHECKS)
            if case.name in table:
                broken[module.name] = ValueError(f"a second row named {case.name!r}")
            elif unknown:
                broken[module.name] = ValueError(f"{case.name!r}: no check is named {', '.join(sorted(unknown))}")
            table[case.name] = case
    return table, broken


TABLE, BROKEN = _collected()


def rows(check: str) -> list[Case]:
    """The rows that a check applies to."""
    return [case for case in TABLE.values() if check not in case.without]


def sample(case: Case, k: int = 0) -> tuple[Any, ...]:
    """The ``k``-th draw of a row's arguments, as arrays; the same in every run."""
    rng = np.random.default_rng([zlib.crc32(case.name.encode()), k])
    return tuple(np.asarray(a) for a in case.args(rng))


def positions(case: Case) -> tuple[int, ...]:
    """The arguments to differentiate."""
    if case.argnums is not None:
        return case.argnums
    return tuple(k for k, a in enumerate(sample(case)) if a.dtype.kind in "fc")
