"""Products told to a BLAS library: what is told, read as the library reads it, is NumPy's product, and copies nothing."""

from __future__ import annotations

import itertools as it
from typing import Any

import blas_meaning
import numpy as np
import pytest

from gpugrad import errors
from gpugrad.cuda.matmul_layout import LayoutPlan, Matrix, Misfit, Operand, alignment, plan

POISON = 1e30
"""What lies between and beyond the elements of an array."""


def flat(array: Any) -> tuple[Any, int]:
    """The whole memory that an array is a view of, flat, and where the array begins in it."""
    base = array
    while base.base is not None:
        base = base.base
    memory = base.ravel(order="K")
    assert np.shares_memory(memory, base)
    return memory, (array.__array_interface__["data"][0] - memory.__array_interface__["data"][0]) // array.itemsize


def laid(shape: tuple[int, ...], kind: str, rng: Any) -> Any:
    """Random numbers of a shape, laid in memory in some way."""
    *batch, rows, columns = shape
    numbers = rng.normal(size=shape)
    match kind:
        case "rows":
            view = np.empty(shape)
        case "columns":
            view = np.empty((*batch, columns, rows)).mT
        case "rows of more":
            view = np.full((*batch, rows + 2, columns + 3), POISON)[..., 1 : rows + 1, 2 : columns + 2]
        case "columns of more":
            view = np.full((*batch, columns + 2, rows + 3), POISON)[..., 1 : columns + 1, 2 : rows + 2].mT
        case "batch last":  # as the heads of attention lie
            view = np.moveaxis(np.empty((rows, *batch, columns)), 0, -2)
        case "batch backwards":
            view = np.empty(shape)[::-1] if batch else np.empty(shape)
    view[...] = numbers
    return view


KINDS = ("rows", "columns", "rows of more", "columns of more", "batch last", "batch backwards")


def check(x: Any, y: Any, out: Any, beta: float = 0.0) -> LayoutPlan:
    told = plan(Operand.of(x), Operand.of(y), Operand.of(out))
    assert isinstance(told, LayoutPlan), told
    assert all(matrix.batch_stride >= 0 for matrix in told[:3])
    expected = x @ y + beta * out
    (mx, at_x), (my, at_y), (mo, at_out) = map(flat, (x, y, out))
    before = mo.copy()
    blas_meaning.run(told, mx, my, mo, (at_x, at_y, at_out), beta)
    np.testing.assert_allclose(out, expected, rtol=1e-12, atol=1e-12)
    places = np.zeros(mo.shape, bool)
    steps = [s // out.itemsize for s in out.strides]
    for index in np.ndindex(out.shape):
        places[at_out + sum(i * s for i, s in zip(index, steps, strict=True))] = True
    np.testing.assert_array_equal(mo[~places], before[~places])  # nothing else was written
    return told


@pytest.mark.parametrize(
    "sizes", [(2, 3, 4), (1, 3, 4), (2, 1, 4), (2, 3, 1), (1, 1, 4), (1, 3, 1), (2, 1, 1), (1, 1, 1)]
)
@pytest.mark.parametrize("batches", [((), ()), ((5,), (5,)), ((2, 3), (2, 3)), ((5,), ()), ((), (5,)), ((2, 1), (3,))])
def test_every_way_to_lie_in_memory(sizes: Any, batches: Any, rng: np.random.Generator) -> None:
    (m, k, n), (bx, by) = sizes, batches
    batch = np.broadcast_shapes(bx, by)
    for kx, ky, ko in it.product(KINDS, repeat=3):
        x, y = laid((*bx, m, k), kx, rng), laid((*by, k, n), ky, rng)
        check(x, y, laid((*batch, m, n), ko, rng), beta=0.0 if ko == "rows" else 0.5)


def anyhow(shape: tuple[int, ...], rng: Any) -> Any:
    """Random numbers of a shape, axes in any order in memory, some with others between, backwards or broadcast in part."""
    order = rng.permutation(len(shape))
    steps = rng.choice([1, 1, 1, 2, -1], len(shape))
    extra = rng.choice([0, 0, 2], len(shape))
    full = [shape[axis] * abs(steps[axis]) + extra[axis] for axis in order]
    view = np.full(full, POISON).transpose(np.argsort(order))
    view = view[tuple(slice(0, n * abs(s), abs(s)) for n, s in zip(shape, steps, strict=True))]
    view = view[tuple(slice(None, None, 1 if s > 0 else -1) for s in steps)]
    view[...] = rng.normal(size=shape)
    return view


@pytest.mark.parametrize("seed", range(8))
def test_any_way_to_lie_in_memory(seed: int) -> None:
    rng = np.random.default_rng(seed)
    fits = 0
    for _ in range(60):
        batch = tuple(rng.choice([1, 2, 3], rng.integers(4)))
        m, k, n = rng.choice([1, 2, 3, 5], 3)
        bx, by = (
            tuple(1 if rng.random() < 0.3 else size for size in batch[rng.integers(len(batch) + 1) :]) for _ in "xy"
        )
        shapes = {"x": (*bx, m, k), "y": (*by, k, n), "out": (*np.broadcast_shapes(bx, by), m, n)}
        arrays = {name: anyhow(tuple(map(int, shape)), rng) for name, shape in shapes.items()}
        told = plan(*map(Operand.of, arrays.values()))
        if isinstance(told, Misfit):
            for name in told.names:
                assert not arrays[name].flags.c_contiguous
                arrays[name] = arrays[name].copy()
        else:
            fits += 1
        check(**arrays)
    assert fits > 5


def test_batches_that_are_broadcast_by_strides(rng: np.random.Generator) -> None:
    x = np.broadcast_to(rng.normal(size=(4, 2, 3)).transpose(0, 1, 2), (4, 2, 3))
    y = np.lib.stride_tricks.as_strided(rng.normal(size=(3, 5)), (4, 3, 5), (0, 40, 8))
    memory = np.array(y[0])
    out = np.zeros((4, 2, 5))
    told = plan(Operand.of(x), Operand.of(y), Operand.of(out))
    assert isinstance(told, LayoutPlan)
    blas_meaning.run(told, np.array(x).ravel(), memory.ravel(), out.reshape(-1), (0, 0, 0))
    np.testing.assert_allclose(out, x @ y)


def test_a_layer_is_one_product_without_a_batch(rng: np.random.Generator) -> None:
    for m in (1, 5):
        told = check(rng.normal(size=(2, 3, m, 4)), laid((4, 6), "columns", rng), np.zeros((2, 3, m, 6)))
        assert (told.batch, len(told.offsets)) == (1, 1)
        assert told.d == Matrix(6, 6 * m, 6, False, 0)
        assert told.a.transposed
        assert not told.b.transposed


def test_heads_of_attention_are_read_where_they_lie(rng: np.random.Generator) -> None:
    q, k = (rng.normal(size=(2, 7, 3, 4)).transpose(0, 2, 1, 3) for _ in range(2))  # batch, heads, tokens, features
    told = check(q, k.mT, np.zeros((2, 3, 7, 7)))
    assert (told.batch, len(told.offsets)) == (3, 2)
    assert (told.a.leading, told.a.batch_stride) == (12, 4)


def test_a_column_is_read_in_one_stretch(rng: np.random.Generator) -> None:
    told = check(rng.normal(size=(3, 64)), rng.normal(size=(64, 1)), np.zeros((3, 1)))
    assert told.a == Matrix(64, 1, 64, True, 0)


def test_a_result_by_columns_is_not_swapped_unless_rows_are_asked_for(rng: np.random.Generator) -> None:
    x, y, out = rng.normal(size=(2, 3)), rng.normal(size=(3, 4)), np.zeros((4, 2)).T
    assert not check(x, y, out).swapped
    assert plan(Operand.of(x), Operand.of(y), Operand.of(out), rows=True) == Misfit(("out",))


def test_what_no_flag_describes_is_named() -> None:
    x, y, out = np.zeros((4, 6)), np.zeros((6, 8)), np.zeros((4, 8))

    def told(x: Any, y: Any, out: Any) -> LayoutPlan | Misfit:
        return plan(Operand.of(x), Operand.of(y), Operand.of(out))

    assert told(x[::2, ::2], y[:3], out[:2]) == Misfit(("x",))
    assert told(x[::-1], y[:, ::-1], out) == Misfit(("x", "y"))
    assert told(np.broadcast_to(x[:1], x.shape), y, out) == Misfit(("x",))
    assert told(x, y, out[:, ::-1]) == Misfit(("out",))
    windows = np.lib.stride_tricks.sliding_window_view(np.zeros(9), 6)  # rows overlap
    assert told(windows, y, out) == Misfit(("x",))
    assert told(x, y, np.broadcast_to(out[:1], out.shape)) == Misfit(("out",))
    assert told(np.zeros((2, 4, 6)), y, np.broadcast_to(out, (2, 4, 8))) == Misfit(("out",))
    packed = np.zeros(4, [("flag", "i2"), ("x", "f4", 6)])["x"]  # rows are 26 bytes apart
    y, out = y.astype("f4"), out.astype("f4")
    assert told(packed, y, out) == Misfit(("x",))


def test_backwards_rows_that_are_one_row_are_none() -> None:
    x = np.ones((1, 3))[::-1]
    assert isinstance(plan(Operand.of(x), Operand.of(np.ones((3, 2))), Operand.of(np.ones((1, 2)))), LayoutPlan)


@pytest.mark.parametrize(
    "shapes", [((2, 0), (0, 3)), ((0, 4), (4, 3)), ((2, 4), (4, 0)), ((0, 2, 4), (4, 3)), ((0, 0), (0, 0))]
)
def test_nothing_to_multiply(shapes: Any) -> None:
    x, y = map(np.zeros, shapes)
    out = np.full((x @ y).shape, 7.0)
    told = plan(Operand.of(x), Operand.of(y), Operand.of(out))
    assert isinstance(told, LayoutPlan)
    assert bool(told.offsets) == bool(out.size)
    assert told.k == x.shape[-1]
    blas_meaning.run(told, x.ravel(), y.ravel(), out.reshape(-1), (0, 0, 0))
    np.testing.assert_array_equal(out, x @ y)


@pytest.mark.parametrize(
    "shapes",
    [((2, 3), (4, 5), (2, 5)), ((2, 3), (3, 5), (2, 4)), ((3,), (3, 5), (5,)), ((2, 2, 3), (3, 3, 5), (2, 2, 5))],
)
def test_shapes_that_do_not_go_together(shapes: Any) -> None:
    with pytest.raises(errors.ShapeError, match=r"matmul of float64\[.*expected \(\.\.\., m, k\)"):
        plan(*(Operand.of(np.zeros(s)) for s in shapes))


def test_sizes_beyond_what_the_library_counts_to() -> None:
    n, f4 = 2**31, np.dtype("f4")
    with pytest.raises(errors.ShapeError, match="split the product"):
        plan(Operand((n, 1), (4, 4), f4), Operand((1, 1), (4, 4), f4), Operand((n, 1), (4, 4), f4))
    told = plan(Operand((n, 1, 8), (32, 32, 4), f4), Operand((8, 1), (4, 4), f4), Operand((n, 1, 1), (4, 4, 4), f4))
    assert isinstance(told, LayoutPlan)
    assert told.batch == n  # not folded into rows, which are counted to less


def test_alignment() -> None:
    assert [alignment(*a) for a in ((0,), (4096,), (4096, 8), (6,), (513, 512))] == [256, 256, 8, 2, 1]
