"""Reductions in compiled loops: which vectorise, which axes they take, and NaN kept as NumPy keeps it."""

from __future__ import annotations

import re
from typing import Any

import numba
import numpy as np
import pytest
from test_table import agree

import gpugrad as gg
from gpugrad.backends import numba_kernels, parallel
from gpugrad.graph import fuse

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


# ---- axes -----------------------------------------------------------------------------------------------------------------

SHAPES = [(3, 4, 5), (3, 4, 2, 9), (2, 3, 4, 1, 5), (1, 3, 1, 10), (4, 1, 6), (2, 2, 2, 2, 2)]


def subsets(rank: int) -> list[tuple[int, ...]]:
    return [tuple(a for a in range(rank) if mask >> a & 1) for mask in range(1, 1 << rank)]


def fused(f: Any, x: Any) -> Any:
    """``f`` compiled, with no reduction left to NumPy."""
    compiled = gg.jit(f)
    assert "= reduce_sum" not in compiled.plan(x), compiled.plan(x)
    return compiled


@pytest.mark.parametrize("shape", SHAPES)
def test_sums_over_any_axes(shape: tuple[int, ...], by_python: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuse, "RUN", 1)
    x = gg.asarray(np.random.default_rng(0).normal(size=shape))
    for axes in subsets(len(shape)):
        f = lambda x, axes=axes: gg.sum(x * x, axis=axes)
        agree([fused(f, x)(x)], [f(x)], 1e-13, f"sum over {axes}")
        g = lambda x, axes=axes: less_its_mean(x, axes)
        agree([fused(g, x)(x)], [g(x)], 1e-13, f"less its mean over {axes}")
        h = lambda x, axes=axes: gg.sum(gg.exp(less_its_mean(x, axes)) ** 2)
        agree([gg.jit(gg.grad(h))(x)], [gg.grad(h)(x)], 1e-12, f"a gradient through {axes}")


def less_its_mean(x: Any, axes: tuple[int, ...]) -> Any:
    return x * 2.0 - gg.mean(x * 2.0, axis=axes, keepdims=True)


def normalised(x: Any, w: Any, axes: tuple[int, ...]) -> Any:
    centred = x - gg.mean(x, axis=axes, keepdims=True)
    return centred / gg.sqrt(gg.mean(centred * centred, axis=axes, keepdims=True) + 1e-5) * w


@pytest.mark.parametrize("threads", [1, 2, 3, 50])
def test_on_several_threads(threads: int, by_python: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuse, "RUN", 1)
    monkeypatch.setattr(parallel, "LEAST", 0.0)
    monkeypatch.setattr(fuse, "ALONE", 8)
    monkeypatch.setattr(gg.config, "threads", threads)
    x = gg.asarray(np.random.default_rng(0).normal(size=(4, 3, 2, 5)))
    w = gg.asarray(np.random.default_rng(1).normal(size=(3, 1, 1)))
    for axes in subsets(4):
        f = lambda x, axes=axes: (gg.sum(gg.sin(x), axis=axes), normalised(x, w, axes))
        compiled = gg.jit(f)
        first = compiled(x)
        agree(first, f(x), 1e-12, f"over {axes}")
        for a, b in zip(first, compiled(x), strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_by_numba() -> None:
    x = gg.asarray(np.random.default_rng(0).normal(size=(4, 3, 6, 5)), dtype="float32")
    w = gg.asarray(np.random.default_rng(1).normal(size=(3, 1, 1)), dtype="float32")
    f = lambda x, w: (normalised(x, w, (0, 2, 3)), gg.sum(x * w, axis=(0, 2)), gg.sum(x * x, axis=1))
    agree(gg.jit(f)(x, w), f(x, w), 1e-5, "value")
    loss = lambda x, w: sum(gg.sum(o**3) for o in f(x, w))
    agree(gg.jit(gg.grad(loss, (0, 1)))(x, w), gg.grad(loss, (0, 1))(x, w), 1e-4, "gradient")


def test_batch_normalisation_is_one_kernel() -> None:
    x, w = gg.ones((4, 3, 6, 5)), gg.ones((3, 1, 1))
    (text,) = gg.jit(lambda x, w: normalised(x, w, (0, 2, 3))).sources(x, w).values()
    said = [line.split("  #")[0].rstrip() for line in text.splitlines()]
    assert said == [
        "def kernel(x_at_1, w_at_1, out_multiply_1, start, stop):",
        "    n1 = x_at_1.shape[0]",
        "    n2 = x_at_1.shape[2]",
        "    for i0 in range(start, stop):",
        "        w_1 = w_at_1[i0]",
        "        reduce_sum_1 = np.float64(0)",
        "        for i1 in range(n1):",
        "            for b in range(0, n2, 4096):",
        "                block_reduce_sum_1 = np.float64(0)",
        "                x_at_1_part = x_at_1[i1, i0, b:b + 4096]",
        "                for i2 in range(min(4096, n2 - b)):",
        "                    x_1 = x_at_1_part[i2]",
        "                    block_reduce_sum_1 += x_1",
        "                reduce_sum_1 += block_reduce_sum_1",
        "        divide_1 = reduce_sum_1 / np.float64(120.0)",
        "        reduce_sum_2 = np.float64(0)",
        "        for i1 in range(n1):",
        "            for b in range(0, n2, 4096):",
        "                block_reduce_sum_2 = np.float64(0)",
        "                x_at_1_part = x_at_1[i1, i0, b:b + 4096]",
        "                for i2 in range(min(4096, n2 - b)):",
        "                    x_1 = x_at_1_part[i2]",
        "                    subtract_1 = x_1 - divide_1",
        "                    multiply_1 = subtract_1 * subtract_1",
        "                    block_reduce_sum_2 += multiply_1",
        "                reduce_sum_2 += block_reduce_sum_2",
        "        divide_2 = reduce_sum_2 / np.float64(120.0)",
        "        add_1 = divide_2 + np.float64(1e-05)",
        "        sqrt_1 = math.sqrt(add_1)",
        "        for i1 in range(n1):",
        "            for i2 in range(n2):",
        "                x_1 = x_at_1[i1, i0, i2]",
        "                subtract_1 = x_1 - divide_1",
        "                divide_3 = subtract_1 / sqrt_1",
        "                multiply_2 = divide_3 * w_1",
        "                out_multiply_1[i1, i0, i2] = multiply_2",
    ]


def test_a_sum_over_a_middle_axis_is_a_column_reduction_in_a_loop() -> None:
    (text,) = gg.jit(lambda x: gg.sum(x * x, axis=1)).sources(gg.ones((2, 3, 4))).values()
    assert [line.split("  #")[0].rstrip() for line in text.splitlines()] == [
        "def kernel(x_at_1, out_reduce_sum_1):",
        "    n0 = x_at_1.shape[0]",
        "    n1 = x_at_1.shape[1]",
        "    n2 = x_at_1.shape[2]",
        "    out_reduce_sum_1[:] = 0",
        "    for i0 in range(n0):",
        "        for i1 in range(n1):",
        "            for i2 in range(n2):",
        "                x_1 = x_at_1[i0, i1, i2]",
        "                multiply_1 = x_1 * x_1",
        "                out_reduce_sum_1[i0, i2] += multiply_1",
    ]


def test_rows_that_are_short_in_memory_are_left_to_numpy() -> None:
    f = gg.jit(lambda x: gg.sum(x * x, axis=(0, 2)))
    assert "= reduce_sum" in f.plan(gg.ones((3, 4, fuse.RUN - 1)))
    assert "= reduce_sum" not in f.plan(gg.ones((3, 4, fuse.RUN)))


# ---- where an extremum is ---------------------------------------------------------------------------------------------------

NAN, INF = np.nan, np.inf
ROWS = [
    [1.0, 5.0, 5.0, 2.0],
    [NAN, 1.0, NAN, 7.0],
    [3.0, -1.0, NAN, -1.0],
    [INF, INF, -INF, -INF],
    [-INF, -INF, -INF, -INF],
    [0.0, -0.0, 0.0, -0.0],
    [-2.0, -3.0, -3.0, -2.0],
    [NAN, NAN, NAN, NAN],
]


def places(x: Any) -> list[Any]:
    return [gg.argmax(x, axis=-1), gg.argmin(x, axis=-1), gg.argmax(-x, axis=-1, keepdims=True)]


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16", "int32", "bool"])
def test_where_an_extremum_is(dtype: str, by_python: None) -> None:
    rows = ROWS if "float" in dtype else [row for row in ROWS if np.isfinite(row).all()]
    x = gg.asarray(np.array(rows), dtype=dtype)
    f = places if dtype != "bool" else lambda x: [gg.argmax(x, axis=-1), gg.argmin(x, axis=-1)]
    compiled = gg.jit(f)
    agree(compiled(x), f(x), 0.0, "index")
    assert "= arg" not in compiled.plan(x)
    y = gg.stack([x, x[::-1]])
    agree(gg.jit(f)(y), f(y), 0.0, "index")


def test_where_an_extremum_is_by_numba() -> None:
    rng = np.random.default_rng(0)
    x = gg.asarray(np.concatenate([rng.normal(size=(20, 9000)), np.where(rng.random((5, 9000)) < 1e-3, NAN, 0.0)]))
    agree(gg.jit(places)(x), places(x), 0.0, "index")


def test_one_element_of_a_single_long_row(by_python: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several threads share out its elements, of which none knows its position in the whole."""
    monkeypatch.setattr(parallel, "LEAST", 0.0)
    monkeypatch.setattr(fuse, "ALONE", 8)
    monkeypatch.setattr(gg.config, "threads", 2)
    x, label = gg.asarray(np.arange(20.0)), gg.asarray(np.array(15))
    agree([gg.jit(gg.cross_entropy)(x, label)], [gg.cross_entropy(x, label)], 1e-13, "loss")


@pytest.mark.parametrize("shape", [(1, 64), (1, 1), (8, 1), (1, 5, 1), (1, 1, 5), (2, 1, 3)])
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_batches_of_one_have_a_cross_entropy_whose_cotangent_is_computed_in_a_kernel(
    shape: tuple[int, ...], reduction: str
) -> None:
    rng = np.random.default_rng(0)
    x = gg.tensor(rng.normal(size=shape))
    y = gg.tensor(rng.integers(0, shape[1], (shape[0], *shape[2:])))
    square = gg.grad(lambda x: gg.sum(gg.cross_entropy(x, y, reduction=reduction) ** 2))
    np.testing.assert_allclose(gg.jit(square)(x), square(x), rtol=1e-12)
