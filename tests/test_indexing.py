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
from gpugrad.ops import indexing as ix
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
many = settings(max_examples=200, deadline=None)


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


# ---- points of their own --------------------------------------------------------------------------------------------


def test_of_several_values_for_one_place_the_last_stays_and_gets_the_gradient() -> None:
    x, v = np.array([1.0, 2.0]), np.array([10.0, 20.0, 30.0])
    f = lambda a, b: gg.sum(ix.setitem(a, [0, 1, 0], b) * gg.tensor([3.0, 5.0]))
    of_x, of_v = gg.grad(f, (0, 1))(x, v)
    assert of_x.numpy().tolist() == [0.0, 0.0]
    assert of_v.numpy().tolist() == [0.0, 5.0, 3.0]
    assert gg.jvp(f, (x, v), (x, v))[1].item() == 3.0 * 30.0 + 5.0 * 20.0


def test_a_gather_that_repeats_adds_up_and_infinity_stays_where_it_is() -> None:
    _, pull = gg.vjp(lambda x: x[[2, 0, 2]], np.zeros(4))
    assert pull(np.array([1.0, np.inf, 2.0]))[0].numpy().tolist() == [np.inf, 0.0, 3.0, 0.0]
    x = gg.setitem(np.array([np.inf, np.nan, 1.0]), slice(0, 2), 0.0)
    assert x.numpy().tolist() == [0.0, 0.0, 1.0]
    with np.errstate(divide="ignore"):
        got = gg.grad(lambda x: gg.sum(gg.setitem(1.0 / x, [0], 0.0)))(np.array([0.0, 2.0]))
    assert got.numpy().tolist() == [0.0, -0.25]


def test_writing_leaves_the_operand_alone() -> None:
    x = gg.tensor([1.0, 2.0, 3.0])
    for key in (0, slice(0, 2), [0, 1], np.array([True, False, True]), ...):
        gg.setitem(x, key, 9.0)
        gg.scatter_add(x, key, 9.0)
    assert x.numpy().tolist() == [1.0, 2.0, 3.0]


def test_index_arrays_that_change_later_do_not_change_the_gradient() -> None:
    for index in (np.array([0, 0]), np.array([-1, 1]), np.array([True, False])):
        x = gg.tensor([1.0, 2.0], requires_grad=True)
        y = ix.setitem(x * 2.0, index, 5.0) + ix.getitem(x * 3.0, index).sum()
        before = index.copy()
        wanted = gg.grad(lambda x, i=before: gg.sum(ix.setitem(x * 2.0, i, 5.0) + ix.getitem(x * 3.0, i).sum()))(x)
        index[...] = index[::-1].copy()
        y.sum().backward()
        assert x.grad.numpy().tolist() == wanted.numpy().tolist()


def test_indices_differ_from_item_to_item_under_vmap() -> None:
    x, i = np.arange(24.0).reshape(2, 3, 4), np.array([[0, 2], [-1, 1]])
    got = gg.vmap(lambda x, i: x[:, i])(x, i)
    np.testing.assert_array_equal(got.numpy(), np.stack([x[0][:, i[0]], x[1][:, i[1]]]))
    got = gg.vmap(gg.vmap(lambda x, i: x[i], in_axes=(0, None)), in_axes=(None, 0))(x[0], i)
    np.testing.assert_array_equal(got.numpy(), x[0][:, i].transpose(1, 0, 2))
    got = gg.vmap(gg.grad(lambda x, i: (x[i] ** 2.0).sum()))(x[:, 0], i)
    np.testing.assert_array_equal(got.numpy(), [[0, 0, 4, 0], [0, 26, 0, 30]])


def test_a_traced_mask_selects_nothing_but_may_be_written_through() -> None:
    x = np.array([[1.0, -1.0], [-2.0, 2.0]])
    for f in (lambda x: x[x > 0.0], lambda x: ix.setitem(x, x > 0.0, [1.0, 2.0]), gg.nonzero, gg.argwhere):
        with pytest.raises(errors.TraceError, match=r"gg\.where"):
            gg.vmap(f)(x)
    assert gg.vmap(lambda x: ix.setitem(x, x < 0.0, 0.0))(x).numpy().tolist() == [[1.0, 0.0], [0.0, 2.0]]


def test_a_mask_of_tracked_values_is_known() -> None:
    assert gg.grad(lambda x: gg.sum(x[x > 1.5] ** 2.0))(np.array([1.0, 2.0, 3.0])).numpy().tolist() == [0.0, 4.0, 6.0]
    assert gg.hessian(lambda x: gg.sum(x[x > 1.5] ** 2.0))(np.array([1.0, 2.0])).numpy().tolist() == [
        [0.0, 0.0],
        [0.0, 2.0],
    ]


X = np.zeros((2, 3))


@pytest.mark.parametrize(
    ("key", "error", "words"),
    [
        (2, errors.AxisError, "index 2 is out of bounds for axis 0 with size 2; expected -2 to 1"),
        ((0, -4), errors.AxisError, "index -4 is out of bounds for axis 1 with size 3"),
        ((slice(None), [0, 3]), errors.AxisError, "index 3 is out of bounds for axis 1 with size 3"),
        ((0, 0, 0), errors.AxisError, r"3 indices for shape \(2, 3\); expected at most 2"),
        ((..., ...), errors.AxisError, "single ellipsis"),
        ([True, False, True], errors.AxisError, r"boolean index of shape \(3,\).*have sizes \(2,\)"),
        (([0, 1], [0, 1, 2]), errors.AxisError, r"shapes \(2,\), \(3,\) do not broadcast"),
        (1.0, errors.DtypeError, "dtype float64; expected integers or booleans"),
        ([0.5], errors.DtypeError, "dtype float64"),
        ("a", errors.DtypeError, "not an index"),
        (slice(0.5), errors.DtypeError, "must be integers or None"),
        (slice(None, None, 0), errors.ShapeError, "step 0"),
        ([[0], [0, 1]], errors.DtypeError, "cannot make an array"),
    ],
)
def test_keys_that_are_none(key: Any, error: type[Exception], words: str) -> None:
    for f in (ix.getitem, lambda x, k: ix.setitem(x, k, 0.0), lambda x, k: ix.scatter_add(x, k, 0.0)):
        with pytest.raises(error, match=words):
            f(X, key)


def test_values_that_do_not_fit() -> None:
    with pytest.raises(
        errors.DtypeError, match=r"float64 does not fit in an array of dtype int64.*x\.astype\('float64'\)"
    ):
        gg.setitem(np.arange(3), 0, 1.5)
    with pytest.raises(errors.DtypeError, match="complex128 does not fit"):
        gg.setitem(np.zeros(3), 0, 1j)
    with pytest.raises(errors.ShapeError, match=r"shape \(2,\) does not broadcast to shape \(3,\)"):
        gg.setitem(X, 0, np.zeros(2))
    with pytest.raises(errors.ShapeError):
        gg.setitem(X, [0, 1], np.zeros((3, 2, 3)))
    with pytest.raises(errors.DtypeError, match=r"gg\.stack"):
        gg.setitem(X, 0, [gg.tensor(1.0), object(), 2.0])
    assert gg.setitem(np.zeros(2, "float32"), 0, np.float64(0.1)).dtype == np.float32
    assert gg.setitem(np.zeros(2), 0, True).numpy().tolist() == [1.0, 0.0]


def test_numbers_that_an_integer_dtype_cannot_hold() -> None:
    x = gg.zeros(3, dtype="uint8")
    for v in (300, -1, 2**70, [1, 300]):
        with pytest.raises(errors.DtypeError, match="expected a number that fits"):
            ix.setitem(x, slice(0, 2), v)
        with pytest.raises(errors.DtypeError, match="expected a number that fits"):
            x[0:2] = v  # nobody else holds the memory, so NumPy itself would write
    assert x.tolist() == [0, 0, 0]
    assert ix.setitem(x, [], []).tolist() == [0, 0, 0]
    held = gg.zeros(3, dtype="bool")
    held[0] = 1
    held[[1]] = [0]
    assert held.tolist() == [True, False, False]
    for v in (2, [3], 0.5):
        with pytest.raises(errors.DtypeError, match="does not fit in an array of dtype bool"):
            held[[0]] = v
        with pytest.raises(errors.DtypeError, match="does not fit in an array of dtype bool"):
            held[0:1] = v


def test_keys_of_several_arrays_write_in_place() -> None:
    i = np.array([0, 1])
    x = gg.zeros((3, 3))
    memory = x._data.ctypes.data
    x[i, i] = 5.0
    x[i[:, None], gg.tensor([1, 2])] = 7.0
    x[np.array([], int), 0] = 9.0
    assert x._data.ctypes.data == memory
    assert x.tolist() == [[5.0, 7.0, 7.0], [0.0, 7.0, 7.0], [0.0, 0.0, 0.0]]
    mask = np.array([True, False, False])
    with pytest.raises(errors.ShapeError, match="does not broadcast"):
        x[mask] = np.zeros((2, 1, 3))


def test_a_list_of_tensors_is_written_differentiably() -> None:
    a = gg.tensor(2.0, requires_grad=True)
    x = gg.zeros(3)
    x[0:2] = [a, a * a]
    x.sum().backward()
    assert x.tolist() == [2.0, 4.0, 0.0] and a.grad.item() == 5.0


def test_take_of_positions_whose_dtype_cannot_hold_the_size() -> None:
    x = gg.arange(300)
    assert gg.take(x, np.array([-3, 127], "int8"), mode="wrap").tolist() == [297, 127]
    assert gg.take(x, gg.tensor([0, 255], dtype="uint8"), mode="wrap").tolist() == [0, 255]
    assert np.take(x, 301, mode="wrap").item() == 1 and np.take(x, 301, mode="clip").item() == 299
    assert gg.take(x, []).shape == np.take(x, [], mode="wrap").shape == (0,)


def test_indices_along_an_axis_are_checked() -> None:
    with pytest.raises(errors.AxisError, match="take: index 3 is out of bounds for axis 1 with size 3"):
        gg.take(X, [0, 3], axis=1)
    with pytest.raises(errors.AxisError, match="none, since the axis is empty"):
        gg.take(np.zeros(0), [0])
    with pytest.raises(errors.DtypeError, match=r"x\[mask\]"):
        gg.take(X, [True, False])
    with pytest.raises(errors.AxisError, match="take_along_axis: index -4"):
        gg.take_along_axis(X, np.array([[-4]]), 1)
    with pytest.raises(errors.ShapeError, match="expected as many axes"):
        gg.take_along_axis(X, [0], 1)
    with pytest.raises(errors.ShapeError, match="expected the same sizes, or 1"):
        gg.put_along_axis(np.zeros((2, 1)), np.zeros((2, 3), int), 0.0, axis=0)
    with pytest.raises(ValueError, match="mode='around'"):
        gg.take(X, [0], mode="around")
    with pytest.raises(errors.ShapeError, match=r"gg\.vmap"):
        gg.searchsorted(X, 0.0)
    with pytest.raises(ValueError, match="side='middle'"):
        gg.searchsorted(np.zeros(2), 0.0, side="middle")


def test_unsigned_and_narrow_indices() -> None:
    x = gg.tensor([1.0, 2.0, 3.0])
    for d in ("int8", "uint8", "int32", "uint64"):
        assert gg.take(x, np.array([2, 0], d)).numpy().tolist() == [3.0, 1.0]
        with pytest.raises(errors.AxisError, match="index 3"):
            gg.take(x, np.array([0, 3], d))
    with pytest.raises(errors.AxisError):
        gg.take(x, np.array([2**64 - 1], "uint64"))


def test_a_slice_with_a_traced_end_says_that_it_is_traced() -> None:
    for key in (slice(None), slice(1, None)):
        assert gg.vmap(lambda i, k=key: gg.arange(4)[k][i])(np.array([0, 1])).tolist() == np.arange(4)[key][:2].tolist()
    with pytest.raises(errors.TraceError, match="vmap"):
        gg.vmap(lambda i: gg.arange(4)[i:])(np.array([0, 1]))
    with pytest.raises(errors.TraceError, match="vmap"):
        gg.vmap(lambda i: ix.setitem(gg.arange(4), slice(0, i), 0))(np.array([0, 1]))
