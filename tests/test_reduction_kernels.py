"""Reductions in compiled loops: which vectorise, which axes they take, and NaN kept as NumPy keeps it."""

from __future__ import annotations

import re
from typing import Any

import numba
import numpy as np
import pytest

import gpugrad as gg
from gpugrad.backends import numba_kernels

FUNCTIONS = {"max": gg.max, "min": gg.min, "sum": gg.sum}


def compiled(text: str, *kinds: tuple[str, int]) -> Any:
    """The dispatcher of a kernel whose arguments are arrays of such dtypes and ranks."""
    made = numba_kernels._dispatcher(text, "<a kernel>", False)
    made.compile(tuple(numba.types.Array(getattr(numba, dtype), rank, "C") for dtype, rank in kinds))
    return made


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_reductions_of_a_row_are_vectorised(name: str, dtype: str) -> None:
    x = gg.ones((3, 4), dtype=dtype)
    (text,) = gg.jit(lambda x: FUNCTIONS[name](x * 2.0, axis=-1)).sources(x).values()
    made = compiled(text, (dtype, 2), (dtype, 1))
    llvm = made.inspect_llvm(made.signatures[0])
    real = {"float32": "float", "float64": "double"}[dtype]
    wanted = {"max": rf"@llvm.maximum.v\d+f{dtype[-2:]}", "min": rf"@llvm.minimum.v\d+f{dtype[-2:]}"}
    assert re.search(
        rf"call [a-z ]*<\d+ x {real}> " + wanted[name] if name in wanted else rf"fadd [a-z ]*<\d+ x {real}>", llvm
    )
    scalars = re.findall(rf"= (?:tail )?call [a-z ]*{real} @llvm.m(?:ax|in)imum.f\d+", llvm)
    assert len(scalars) <= 3  # what is left over at the end of a row, and one for each block


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nan_anywhere_in_a_row_is_kept(dtype: str) -> None:
    rng = np.random.default_rng(0)
    rows = []
    for n in (1, 2, 7, 8, 33, 100):
        for k in {0, n // 2, n - 1}:
            row = np.full(100, -np.inf)
            row[:n] = rng.normal(size=n)
            row[k] = np.nan
            rows += [row, np.where(np.isnan(row), 0.5, row), np.where(np.isnan(row), np.inf, row), -np.abs(row)]
    x = gg.asarray(np.array([*rows, np.full(100, np.nan), np.full(100, -np.inf), np.full(100, np.inf)]), dtype=dtype)
    f = lambda x: (gg.max(x, axis=-1), gg.min(x, axis=-1), gg.max(x[:, :3], axis=-1))
    for got, wanted in zip(gg.jit(f)(x), f(x), strict=True):
        np.testing.assert_array_equal(got.numpy(), wanted.numpy())
    long = np.zeros((2, 10000))
    long[0, 9999] = long[1, 4096] = np.nan
    assert np.isnan(gg.jit(lambda x: gg.max(x, axis=-1))(gg.asarray(long, dtype=dtype)).numpy()).all()
