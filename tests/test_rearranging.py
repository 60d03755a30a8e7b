"""Moving, joining and padding: against NumPy on arguments that hypothesis finds, points of their own, and errors."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gpugrad as gg
from gpugrad import errors

some = st.data()
quick = settings(max_examples=100, deadline=None)


def numbers(shape: tuple[int, ...]) -> Any:
    return np.arange(1.0, 1.0 + math.prod(shape)).reshape(shape)


def same(got: Any, wanted: Any) -> None:
    np.testing.assert_allclose(got.numpy(), wanted, rtol=1e-13)


def transposed(f: Callable[[Any], Any], x: Any) -> None:
    """A linear ``f``: forward and reverse mode are each other's transposes."""
    y, moved = gg.jvp(f, (x,), (x,))
    same(moved, y.numpy())
    ct = np.cos(np.arange(y.size)).reshape(y.shape)
    _, pull = gg.vjp(f, x)
    (g,) = pull(ct)
    assert math.isclose(np.vdot(g.numpy(), x), np.vdot(ct, y.numpy()), rel_tol=1e-9, abs_tol=1e-9)


shapes = st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple)
MODES = ["constant", "edge", "linear_ramp", "reflect", "symmetric", "wrap", "mean"]


@quick
@given(some)
def test_pad_is_numpys(data: st.DataObject) -> None:
    shape = data.draw(shapes)
    widths = [(data.draw(st.integers(0, 9)), data.draw(st.integers(0, 9))) for _ in shape]
    mode = data.draw(st.sampled_from(MODES))
    options = {"reflect_type": data.draw(st.sampled_from(["even", "odd"]))} if mode in ("reflect", "symmetric") else {}
    x = numbers(shape)
    same(gg.pad(x, widths, mode, **options), np.pad(x, widths, mode, **options))
    transposed(lambda x: gg.pad(x, widths, mode, **options), x)


@quick
@given(some)
def test_rearranging_is_numpys(data: st.DataObject) -> None:
    shape = data.draw(shapes)
    rank = len(shape)
    axis = data.draw(st.integers(-rank, rank - 1))
    n = shape[axis]
    counts = data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n))
    shift = data.draw(st.integers(-9, 9))
    k = data.draw(st.integers(-4, 4))
    reps = tuple(data.draw(st.lists(st.integers(0, 3), max_size=4)))
    at = data.draw(st.lists(st.integers(-n, n - 1), max_size=4))
    cuts = data.draw(st.lists(st.integers(-5, 5), max_size=3))
    order = data.draw(st.permutations(range(rank)))
    x = numbers(shape)
    pairs: list[tuple[Callable[[Any], Any], Callable[[Any], Any]]] = [
        (lambda x: gg.roll(x, shift, axis), lambda x: np.roll(x, shift, axis)),
        (lambda x: gg.roll(x, shift), lambda x: np.roll(x, shift)),
        (lambda x: gg.repeat(x, counts, axis), lambda x: np.repeat(x, counts, axis)),
        (lambda x: gg.tile(x, reps), lambda x: np.tile(x, reps)),
        (lambda x: gg.permute_dims(x, order), lambda x: np.transpose(x, order)),
        (lambda x: gg.moveaxis(x, order, range(rank)), lambda x: np.moveaxis(x, order, range(rank))),
        (lambda x: gg.delete(x, at, axis), lambda x: np.delete(x, at, axis)),
        (lambda x: gg.insert(x, at, 0.0, axis), lambda x: np.insert(x, at, 0.0, axis)),
        (
            lambda x: gg.concat(gg.array_split(x, cuts, axis), axis),
            lambda x: np.concatenate(np.array_split(x, cuts, axis), axis),
        ),
        (lambda x: gg.stack(gg.unstack(x, axis), axis), lambda x: x),
        (lambda x: gg.diff(x, n=abs(k), axis=axis), lambda x: np.diff(x, abs(k), axis)),
    ]
    if rank > 1:
        pairs += [
            (lambda x: gg.tril(x, k), lambda x: np.tril(x, k)),
            (lambda x: gg.triu(x, k), lambda x: np.triu(x, k)),
            (lambda x: gg.diagonal(x, k), lambda x: np.diagonal(x, k)),
            (lambda x: gg.rot90(x, k), lambda x: np.rot90(x, k)),
        ]
    for ours, numpys in pairs:
        same(ours(x), numpys(x))
        transposed(ours, x)


@quick
@given(st.integers(1, 6), st.integers(1, 6), st.sampled_from(["full", "same", "valid"]))
def test_convolution_is_numpys(n: int, m: int, mode: str) -> None:
    x, y = numbers((n,)), np.cos(numbers((m,)))
    same(gg.convolve(x, y, mode), np.convolve(x, y, mode))
    same(gg.correlate(x, y, mode), np.correlate(x, y, mode))


# ---- points of their own --------------------------------------------------------------------------------------------


def test_joining_promotes_as_numpy_does() -> None:
    for a, b in [("float32", "float64"), ("int32", "float32"), ("bool", "int8"), ("float64", "complex64")]:
        x, y = np.ones(2, a), np.ones(2, b)
        assert gg.concat([x, y]).dtype == np.concatenate([x, y]).dtype
        assert gg.stack([x, y]).dtype == np.stack([x, y]).dtype
    g = gg.grad(lambda x: gg.sum(gg.concat([x, np.ones(2)])))(np.ones(2, "float32"))
    assert g.dtype == np.float32


def test_a_constant_that_is_joined_on_has_no_tangent() -> None:
    x, t = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    assert gg.jvp(lambda x: gg.concat([x, np.array([5.0])]), (x,), (t,))[1].numpy().tolist() == [3.0, 4.0, 0.0]
    assert gg.jvp(lambda x: gg.stack([5.0, x[0]]), (x,), (t,))[1].numpy().tolist() == [0.0, 3.0]


def test_a_part_that_is_not_used_costs_nothing() -> None:
    got = gg.grad(lambda x: gg.unstack(x)[1] ** 2.0)(np.array([1.0, 3.0, 5.0]))
    assert got.numpy().tolist() == [0.0, 6.0, 0.0]


def test_pad_mirrors_next_to_infinity() -> None:
    x = np.array([1.0, 2.0, np.inf])
    same(gg.pad(x, (2, 0), "reflect", reflect_type="odd"), [-np.inf, 0.0, 1.0, 2.0, np.inf])
    same(gg.pad(np.array([1.0, 2.0, 4.0, np.inf]), (1, 0), "reflect", reflect_type="odd"), [0.0, 1.0, 2.0, 4.0, np.inf])


def test_interp_at_points_and_outside() -> None:
    xp, fp = np.array([0.0, 1.0, 3.0]), np.array([0.0, 2.0, -2.0])
    slope = gg.vmap(gg.grad(lambda x: gg.interp(x, xp, fp)))
    at = np.array([-1.0, 0.0, 0.5, 1.0, 2.0, 3.0, 4.0])
    assert slope(at).numpy().tolist() == [0.0, 2.0, 2.0, -2.0, -2.0, -2.0, 0.0]
    far = np.array([-np.inf, np.inf, np.nan])
    np.testing.assert_array_equal(gg.interp(far, xp, fp).numpy(), np.interp(far, xp, fp))
    gradients = gg.grad(lambda x, xp, fp: gg.sum(gg.interp(x, xp, fp)), (0, 1, 2))(far[:2], xp, fp)
    assert [g.numpy().tolist() for g in gradients] == [[0.0] * 2, [0.0] * 3, [1.0, 0.0, 1.0]]


def test_interp_where_the_last_points_coincide() -> None:
    x, xp, fp = np.array([0.5, 1.0]), np.array([0.0, 1.0, 1.0]), np.array([0.0, 1.0, 5.0])
    same(gg.interp(x, xp, fp), np.interp(x, xp, fp))
    for g in gg.grad(lambda x, xp, fp: gg.sum(gg.interp(x, xp, fp)), (0, 1, 2))(x, xp, fp):
        assert np.isfinite(g.numpy()).all()


def test_interp_of_ends_that_are_traced() -> None:
    f = lambda a, b: gg.sum(gg.interp(np.array([-1.0, 0.5, 9.0]), [0.0, 1.0], [0.0, 1.0], left=a, right=2.0 * b))
    assert [g.item() for g in gg.grad(f, (0, 1))(np.array(3.0), np.array(4.0))] == [1.0, 2.0]


def test_gradient_of_a_parabola_is_exact_to_second_order() -> None:
    x = np.array([0.0, 1.0, 1.5, 4.0])
    same(gg.gradient(x**2.0, x, edge_order=2), 2.0 * x)
    jacobian = gg.jacobian(lambda f: gg.gradient(f, x))(x).numpy()
    np.testing.assert_allclose(jacobian @ x**2.0, np.gradient(x**2.0, x))


def test_spacing_may_be_traced() -> None:
    f = np.array([0.0, 1.0, 4.0])
    assert gg.grad(lambda h: gg.sum(gg.gradient(f, h)))(np.array(2.0)).item() == -(1.0 + 2.0 + 3.0) / 4.0
    assert gg.grad(lambda h: gg.trapezoid(f, dx=h))(np.array(2.0)).item() == 3.0


def test_raveled_number() -> None:
    assert gg.ravel(3.0).shape == (1,)
    assert gg.concat([1.0, 2.0], axis=None).numpy().tolist() == [1.0, 2.0]
    assert gg.stack([1.0, gg.tensor(2.0)]).numpy().tolist() == [1.0, 2.0]
    assert gg.append([1.0], 2.0).numpy().tolist() == [1.0, 2.0]


# ---- errors ---------------------------------------------------------------------------------------------------------

X = np.zeros((2, 3))


def test_integers_of_numpy_and_tensors_are_integers() -> None:
    x, one, two = numbers((2, 3)), np.int64(1), gg.tensor(2)
    same(gg.reshape(x, np.int64(6)), x.reshape(6))
    same(gg.broadcast_to(x[0, 0], np.int64(2)), np.broadcast_to(x[0, 0], 2))
    same(gg.tensor(1.0).broadcast_to(3), np.ones(3))
    same(gg.tensor(x).reshape(3, 2, copy=True), x.reshape(3, 2))
    same(gg.expand_dims(x, one), x[:, None])
    same(gg.tile(x, np.int64(2)), np.tile(x, 2))
    same(gg.roll(x, two, one), np.roll(x, 2, 1))
    same(gg.split(x, two)[1], x[1:])
    same(gg.split(x, np.array(2))[1], x[1:])
    same(gg.delete(x, gg.tensor([0, 2]), axis=1), x[:, 1:2])
    same(gg.repeat(np.zeros(0), []), np.zeros(0))


def test_shifts_and_axes_of_roll_broadcast() -> None:
    x = numbers((3, 4))
    for shift, axis in ((1, (0, 1)), ((1, 2), 1), ((1, 2), (0, 0)), ((1, 2), None), (1, ()), ((), ())):
        same(gg.roll(x, shift, axis), np.roll(x, shift, axis))


def test_pad_takes_its_numbers_as_arrays_of_any_shape() -> None:
    x = numbers((2,))
    for width in (np.array(2), gg.tensor(2), np.array([2, 2]), gg.tensor([[2, 2]])):
        same(gg.pad(x, width), np.pad(x, 2))
    for ends in (7.0, [7.0, 8.0], [[7.0, 8.0]]):
        for mode, option in (("constant", "constant_values"), ("linear_ramp", "end_values")):
            wanted = np.pad(x, 2, mode, **{option: ends})
            same(gg.pad(x, 2, mode, **{option: np.array(ends)}), wanted)
            same(gg.vmap(lambda e, m=mode, o=option: gg.pad(x, 2, m, **{o: e}))(np.array([ends]))[0], wanted)
            transposed(lambda e, m=mode, o=option: gg.pad(gg.zeros(2), 2, m, **{o: e}), np.array(ends))


def test_pad_of_booleans() -> None:
    x = np.array([True, False])
    for options in ({"mode": "constant", "constant_values": 1}, {"mode": "linear_ramp"}, {"mode": "edge"}):
        assert gg.pad(x, (2, 3), **options).tolist() == np.pad(x, (2, 3), **options).tolist()


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: gg.reshape(X, (4, -1)), errors.ShapeError, r"reshape: 6 elements of shape \(2, 3\).*\(4, -1\)"),
        (lambda: gg.reshape(X, (-1, -1)), errors.ShapeError, "one may be -1"),
        (lambda: gg.reshape(X, (-2, -3)), errors.ShapeError, "same product"),
        (lambda: gg.squeeze(X, 0), errors.ShapeError, "size 2; expected 1"),
        (lambda: gg.broadcast_to(X, (3, 3)), errors.ShapeError, r"shape \(2, 3\).*shape \(3, 3\)"),
        (lambda: gg.expand_dims(X, 3), errors.AxisError, "axis 3"),
        (lambda: gg.permute_dims(X, (0, 0)), errors.AxisError, "exactly once"),
        (lambda: gg.matrix_transpose(np.zeros(2)), errors.ShapeError, "at least two axes"),
        (lambda: gg.moveaxis(X, (0, 1), (0,)), errors.AxisError, "2 axes to move to 1 places"),
        (lambda: gg.rot90(X, axes=(0,)), errors.AxisError, "expected two"),
        (lambda: gg.tile(X, -1), errors.ShapeError, "at least 0"),
        (lambda: gg.repeat(X, [1, 2], axis=1), errors.ShapeError, r"repeats=\[1, 2\] for 3 elements"),
        (lambda: gg.repeat(X, -1), errors.ShapeError, "at least 0"),
        (lambda: gg.meshgrid(X), errors.ShapeError, "one axis each"),
        (lambda: gg.meshgrid([0.0], indexing="yx"), ValueError, "'xy' or 'ij'"),
        (lambda: gg.diagonal(X, axis1=0, axis2=-2), errors.AxisError, "two axes"),
        (lambda: gg.diag(np.zeros((1, 1, 1))), errors.ShapeError, "gg.diagonal"),
        (lambda: gg.tril(1.0), errors.ShapeError, "at least one axis"),
        (lambda: gg.trim_zeros(X), errors.ShapeError, "one axis"),
        (lambda: gg.concat([X, np.zeros((3, 2))]), errors.ShapeError, r"\(2, 3\), \(3, 2\) along axis 0"),
        (lambda: gg.concat([]), errors.ShapeError, "at least one"),
        (lambda: gg.concat([1.0, 2.0]), errors.ShapeError, "gg.stack"),
        (lambda: gg.stack([X, X[0]]), errors.ShapeError, "expected one shape"),
        (lambda: gg.split(X, 2, axis=1), errors.ShapeError, "gg.array_split"),
        (lambda: np.vsplit(gg.zeros(4), 2), errors.ShapeError, "np.vsplit: shape"),
        (lambda: gg.array_split(X, 0), errors.ShapeError, "at least 1"),
        (lambda: gg.delete(X, 2, axis=0), errors.AxisError, "delete"),
        (lambda: gg.insert(X, 4, 0.0, axis=1), errors.AxisError, "insert"),
        (lambda: gg.insert(X, [0, 1], np.zeros((2, 3)), axis=1), errors.ShapeError, "does not broadcast"),
        (lambda: gg.insert(X, 1.5, 0.0), errors.DtypeError, "expected a slice, or integers or booleans"),
        (lambda: gg.insert(X, "a", 0.0), errors.DtypeError, "expected a slice, or integers or booleans"),
        (lambda: gg.insert(np.zeros(3, "uint8"), 0, 300), errors.DtypeError, "a number that fits"),
        (lambda: gg.reshape(X, 6.0), errors.DtypeError, "reshape: shape=6.0; expected an integer, or a sequence"),
        (lambda: gg.reshape(X, (2.0, 3)), errors.DtypeError, "shape=2.0 is not an integer"),
        (lambda: gg.reshape(X, "ab"), errors.DtypeError, "expected an integer, or a sequence"),
        (lambda: gg.broadcast_to(X, (-1, 2, 3)), errors.ShapeError, "at least 0"),
        (lambda: gg.broadcast_to(X, None), errors.DtypeError, "broadcast_to: shape=None"),
        (lambda: gg.expand_dims(X, 1.5), errors.DtypeError, "expand_dims: axis=1.5"),
        (lambda: gg.tile(X, 2.5), errors.DtypeError, "tile: reps=2.5"),
        (lambda: gg.roll(X, 1.5), errors.DtypeError, "roll: shift=1.5"),
        (lambda: gg.roll(X, (1, 2, 3), (0, 1)), errors.ShapeError, "3 shifts for 2 axes"),
        (lambda: gg.vmap(lambda k: gg.roll(X, k))(np.arange(2)), errors.TraceError, "vmap"),
        (lambda: gg.rot90(X, 1.5), errors.DtypeError, "k=1.5 is not an integer"),
        (lambda: gg.rot90(X, axes=0), errors.AxisError, "expected two"),
        (lambda: gg.diagonal(X, 0.5), errors.DtypeError, "offset=0.5 is not an integer"),
        (lambda: gg.diag(X, "a"), errors.DtypeError, "k='a' is not an integer"),
        (lambda: gg.split(X, 2.0), errors.DtypeError, "indices_or_sections=2.0; expected"),
        (lambda: gg.split(X, [0.5]), errors.DtypeError, "indices_or_sections=0.5 is not an integer"),
        (lambda: gg.repeat(X, [1, [2]]), errors.ShapeError, "or one for each"),
        (lambda: gg.insert(np.arange(3), 0, 0.5), errors.DtypeError, "float64 does not fit"),
        (lambda: gg.pad(X, 1, "around"), ValueError, "mode='around'"),
        (lambda: gg.pad(X, 1, "edge", end_values=1), ValueError, "takes no option"),
        (lambda: gg.pad(X, ((1, 1),) * 3), errors.ShapeError, "2 axes"),
        (lambda: gg.pad(X, -1), errors.ShapeError, "at least 0"),
        (lambda: gg.pad(np.zeros((0, 2)), 1, "edge"), errors.ShapeError, "is empty"),
        (lambda: gg.pad(X, (1.5, 1)), errors.DtypeError, "pad_width=1.5 is not an integer"),
        (lambda: gg.pad(X, "a"), errors.DtypeError, "pad_width='a' is not an integer"),
        (lambda: gg.pad(X, 1, "mean", stat_length=1.5), errors.DtypeError, "stat_length=1.5 is not an integer"),
        (lambda: gg.pad(X, 1, "mean", stat_length=0), errors.ShapeError, "at least 1"),
        (lambda: gg.pad(X, 1, "reflect", reflect_type="up"), ValueError, "'even' or 'odd'"),
        (lambda: gg.cumulative_sum(X), errors.ShapeError, "gg.cumsum"),
        (lambda: gg.diff(X, n=-1), ValueError, "at least 0"),
        (lambda: gg.gradient(np.zeros(1)), errors.ShapeError, "at least 2"),
        (lambda: gg.gradient(X, 1.0, 2.0, 3.0), errors.ShapeError, "3 spacings for 2 axes"),
        (lambda: gg.gradient(X, np.zeros(2), axis=1), errors.ShapeError, r"expected \(3,\)"),
        (lambda: gg.interp(0.0, [0.0, 1.0], [0.0]), errors.ShapeError, "same size"),
        (lambda: gg.convolve(X, [1.0]), errors.ShapeError, "gg.vmap"),
        (lambda: gg.convolve([1.0], [1.0], "half"), ValueError, "'full', 'same' or 'valid'"),
    ],
)
def test_errors(call: Callable[[], Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call()
