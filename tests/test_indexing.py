"""Indexing against NumPy, with keys of every kind that hypothesis can think of; gradients against scatter and gather."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gpugrad as gg
from gpugrad import errors
from gpugrad.ops import elementwise as ew
from gpugrad.ops import gathering as gt
from gpugrad.ops import indexing as ix
from gpugrad.ops.linear import reduce_sum
from gpugrad.transforms.lift import as_value

# ---- keys -----------------------------------------------------------------------------------------------------------

shapes = st.lists(st.integers(0, 4), max_size=4).map(tuple)


@st.composite
def keys(draw: st.DrawFn, shape: tuple[int, ...]) -> Any:
    """A key for an array of this shape: basic, integer arrays, masks of any rank, new axes, an ellipsis, mixed."""
    bound = draw(st.sampled_from([(), (1,), (2,), (3,), (2, 3)]))  # what the index arrays broadcast to
    items: list[Any] = []
    axis = 0
    dots = False
    while axis < len(shape):
        n = shape[axis]
        kinds = ["slice", "slice", "none", "stop", "mask", "bool"]
        if not dots:
            kinds.append("dots")
        if n:
            kinds += ["int", "array", "array", "list"]
        match draw(st.sampled_from(kinds)):
            case "slice":
                ends = st.none() | st.integers(-n - 2, n + 2)
                items.append(slice(draw(ends), draw(ends), draw(st.none() | st.sampled_from([1, 2, -1, -2, 3]))))
                axis += 1
            case "none":
                items.append(None)
            case "stop":
                break
            case "dots":
                items.append(...)
                dots = True
                axis += draw(st.integers(0, len(shape) - axis))
            case "int":
                items.append(draw(st.sampled_from([int, np.int64, np.asarray]))(draw(st.integers(-n, n - 1))))
                axis += 1
            case "array" | "list" as kind:
                size = tuple(draw(st.sampled_from([m, 1])) for m in bound)
                rank = draw(st.integers(0, len(size)))
                size = size[len(size) - rank :]
                flat = draw(st.lists(st.integers(-n, n - 1), min_size=math.prod(size), max_size=math.prod(size)))
                array = np.array(flat, draw(st.sampled_from(["int64", "int8"]))).reshape(size)
                items.append(array.tolist() if kind == "list" and rank else array)
                axis += 1
            case "mask":
                rank = draw(st.integers(1, len(shape) - axis))
                size = shape[axis : axis + rank]
                flat = draw(st.lists(st.booleans(), min_size=math.prod(size), max_size=math.prod(size)))
                mask = np.array(flat, bool).reshape(size)
                items.append(mask)
                axis += rank
            case "bool":
                items.append(draw(st.sampled_from([True, False, np.True_])))
    if draw(st.booleans()):
        items.append(None)
    return items[0] if len(items) == 1 and draw(st.booleans()) else tuple(items)


def as_tensors(key: Any) -> Any:
    """The key with its index arrays as tensors."""
    if isinstance(key, tuple):
        return tuple(map(as_tensors, key))
    return gg.tensor(key) if isinstance(key, np.ndarray) else key


def read_by_numpy(x: Any, key: Any) -> Any:
    """``x[key]``, or the error that NumPy raises.

    Where nothing is selected NumPy does not look at every index, and takes some that are out of bounds, and masks of a
    wrong length; here they are errors.
    """
    try:
        out = x[key]
    except (IndexError, ValueError) as error:
        return error
    if np.size(out) == 0:
        try:
            ix.getitem(x, key)
        except errors.AxisError as error:
            return error
    return out


def scrambled(shape: tuple[int, ...], start: float = 1.0) -> Any:
    return np.arange(start, start + math.prod(shape)).reshape(shape)


some = st.data()
many = settings(max_examples=400, deadline=None)


@many
@given(some)
def test_reading_is_numpys_and_its_gradient_scatters(data: st.DataObject) -> None:
    shape = data.draw(shapes)
    key = data.draw(keys(shape))
    x = scrambled(shape)
    expected = read_by_numpy(x, key)
    for k in (key, as_tensors(key)):
        if isinstance(expected, Exception):
            with pytest.raises((errors.AxisError, errors.ShapeError)):
                ix.getitem(x, k)
            continue
        got = ix.getitem(as_value(x), k)
        assert got.shape == np.shape(expected)
        np.testing.assert_array_equal(got.numpy(), expected)
        ct = scrambled(got.shape, 10.0)
        _, pull = gg.vjp(lambda v, k=k: ix.getitem(v, k), x)
        scattered = np.zeros(shape)
        np.add.at(scattered, key, ct)
        np.testing.assert_array_equal(pull(ct)[0].numpy(), scattered)
        _, moved = gg.jvp(lambda v, k=k: ix.getitem(v, k), (x,), (x * 2,))
        np.testing.assert_array_equal(moved.numpy(), 2 * x[key])


@many
@given(some)
def test_writing_is_numpys_and_its_gradient_gathers(data: st.DataObject) -> None:
    shape = data.draw(shapes)
    key = data.draw(keys(shape))
    x = scrambled(shape)
    read = read_by_numpy(x, key)
    if isinstance(read, Exception):
        with pytest.raises((errors.AxisError, errors.ShapeError)):
            ix.setitem(x, key, 0.0)
        return
    size = np.shape(read)
    keep = data.draw(st.integers(0, len(size)))
    size = tuple(data.draw(st.sampled_from([n, 1])) for n in size[keep:])
    v = scrambled(size, 100.0)
    expected = x.copy()
    expected[key] = v
    k = as_tensors(key) if data.draw(st.booleans()) else key
    got = ix.setitem(x, k, v)
    np.testing.assert_array_equal(as_value(got).numpy(), expected)

    # Every element of the result came from one element of x or of v: say from which, by writing numbers of elements.
    origin = np.asarray(-np.arange(1, x.size + 1).reshape(shape))
    origin[key] = np.arange(v.size).reshape(size)
    ct = scrambled(shape, 7.0)
    of_x = np.where(origin < 0, ct, 0.0)
    of_v = np.zeros(v.size)
    np.add.at(of_v, origin[origin >= 0], ct[origin >= 0])
    _, pull = gg.vjp(lambda a, b: ix.setitem(a, k, b), x, v)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", errors.GradientWarning)
        got_x, got_v = pull(ct)
    np.testing.assert_array_equal(got_x.numpy(), of_x)
    np.testing.assert_array_equal(got_v.numpy(), of_v.reshape(size))
    _, moved = gg.jvp(lambda a, b: ix.setitem(a, k, b), (x, v), (2 * x, 3 * v))
    tangent = np.asarray(2 * x)
    tangent[key] = 3 * v
    np.testing.assert_array_equal(moved.numpy(), tangent)


@many
@given(some)
def test_adding_is_numpys_add_at_and_its_gradient_reads(data: st.DataObject) -> None:
    shape = data.draw(shapes)
    key = data.draw(keys(shape))
    x = scrambled(shape)
    read = read_by_numpy(x, key)
    if isinstance(read, Exception):
        return
    v = scrambled(np.shape(read), 100.0)
    expected = x.copy()
    np.add.at(expected, key, v)
    np.testing.assert_array_equal(as_value(ix.scatter_add(x, key, v)).numpy(), expected)
    ct = scrambled(shape, 7.0)
    _, pull = gg.vjp(lambda a, b: ix.scatter_add(a, key, b), x, v)
    of_x, of_v = pull(ct)
    np.testing.assert_array_equal(of_x.numpy(), ct)
    np.testing.assert_array_equal(of_v.numpy(), ct[key])
