"""Ties, zeros, NaN and infinities in reductions, products and running operations: the derivative is exact, in both modes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import errors

NAN, INF = float("nan"), float("inf")


def rows_of(f: Callable[..., Any], x: Any) -> list[Any]:
    """The Jacobian of ``f`` at ``x`` by each mode, and by reverse mode under ``vmap``."""
    x = np.array(x)
    batched = gg.vmap(gg.jacrev(f))(np.stack([x, x]))
    return [gg.jacfwd(f)(x).numpy(), gg.jacrev(f)(x).numpy(), batched.numpy()[0], batched.numpy()[1]]


def assert_jacobian(f: Callable[..., Any], x: Any, expected: Any) -> None:
    for got in rows_of(f, x):
        np.testing.assert_allclose(got, expected, rtol=1e-13, atol=0)


@pytest.mark.parametrize("f", [gg.max, gg.min])
def test_ties_share_equally(f: Callable[..., Any]) -> None:
    assert_jacobian(f, [1.0, 1.0], [0.5, 0.5])
    assert_jacobian(f, [[2.0, 2.0], [2.0, 2.0]], np.full((2, 2), 0.25))
    assert_jacobian(lambda x: f(x, axis=0), [[1.0, 3.0], [1.0, 3.0]], [[[0.5, 0], [0.5, 0]], [[0, 0.5], [0, 0.5]]])
    assert not np.any(gg.hessian(f)(np.ones(3)).numpy())


@pytest.mark.parametrize("f", [gg.max, gg.min, gg.ptp, gg.argmax, gg.cummax])
def test_nothing_to_choose_from(f: Callable[..., Any]) -> None:
    if f is gg.cummax:
        assert f(np.zeros((0,))).shape == (0,)
        return
    with pytest.raises(errors.ShapeError, match=r"shape \(0, 2\) has no elements along axis"):
        f(np.zeros((0, 2)), axis=0)
    assert f(np.zeros((0, 2)), axis=1).shape == (0,)


def test_a_nan_is_the_extremum() -> None:
    x = np.array([1.0, NAN, 3.0])
    assert np.isnan(gg.max(x).item()) and np.isnan(gg.min(x).item())
    assert_jacobian(gg.max, x, [0, 1, 0])
    assert_jacobian(gg.max, [NAN, NAN], [0.5, 0.5])
    assert gg.argmax(x).item() == gg.argmin(x).item() == 1
    np.testing.assert_array_equal(gg.cummax(x).numpy(), [1, NAN, NAN])
    assert_jacobian(gg.cummax, x, [[1, 0, 0], [0, 1, 0], [0, 1, 0]])


def test_complex_numbers_have_no_order() -> None:
    with pytest.raises(errors.DtypeError, match="no order"):
        gg.max(np.array([1j]))


def test_product_with_zeros() -> None:
    assert_jacobian(gg.prod, [0.0, 1.0, 2.0], [2, 0, 0])
    assert_jacobian(gg.prod, [0.0, 0.0, 2.0], [0, 0, 0])
    assert_jacobian(gg.prod, [3.0], [1])
    assert_jacobian(lambda x: gg.prod(x, axis=(0, -1)), [[[0.0, 2.0]], [[3.0, 4.0]]], [[[[24, 0]], [[0, 0]]]])
    np.testing.assert_array_equal(
        gg.hessian(gg.prod)(np.array([0.0, 1.0, 2.0])).numpy(), [[0, 2, 1], [2, 0, 0], [1, 0, 0]]
    )
    np.testing.assert_array_equal(
        gg.hessian(gg.prod)(np.array([0.0, 0.0, 2.0])).numpy(), [[0, 2, 0], [2, 0, 0], [0, 0, 0]]
    )
    third = gg.jacfwd(gg.hessian(gg.prod))(np.zeros(3)).numpy()
    assert third[0, 1, 2] == third[2, 0, 1] == 1 and third[0, 0, 1] == 0


def test_cumulative_product_with_zeros() -> None:
    x = [0.0, 1.0, 2.0]
    expected = [[1, 0, 0], [1, 0, 0], [2, 0, 0]]
    assert_jacobian(gg.cumprod, x, expected)
    assert_jacobian(lambda x: gg.cumprod(x)[-1], [2.0, 0.0, 3.0, 5.0], [0, 30, 0, 0])
    assert_jacobian(gg.cumprod, [0.0, 0.0], [[1, 0], [0, 0]])
    last = gg.hessian(lambda x: gg.cumprod(x)[-1])(np.array(x)).numpy()
    np.testing.assert_array_equal(last, [[0, 2, 1], [2, 0, 0], [1, 0, 0]])


def test_running_extremum_with_ties() -> None:
    third = 1 / 3
    expected = [[1, 0, 0, 0, 0], [0.5, 0.5, 0, 0, 0], [0.5, 0.5, 0, 0, 0], [third, third, 0, third, 0], [0, 0, 0, 0, 1]]
    assert_jacobian(gg.cummax, [1.0, 1.0, 0.0, 1.0, 2.0], expected)
    assert_jacobian(gg.cummin, [-1.0, -1.0, 0.0, -1.0, -2.0], expected)


def test_long_running_product() -> None:
    x = np.random.default_rng(0).uniform(0.9, 1.1, 1000)
    x[500] = 0.0
    g = gg.grad(lambda x: gg.cumprod(x)[-1])(x).numpy()
    np.testing.assert_allclose(g[500], np.prod(np.delete(x, 500)))
    assert not np.any(np.delete(g, 500))


def test_logsumexp_at_infinity() -> None:
    for x, value, gradient in [
        ([-INF, -INF], -INF, [0.5, 0.5]),
        ([-INF, 0.0], 0.0, [0, 1]),
        ([INF, 1.0], INF, [1, 0]),
        ([INF, INF, -INF], INF, [0.5, 0.5, 0]),
        ([1000.0, 1000.0], 1000 + np.log(2), [0.5, 0.5]),
        ([-1000.0, -1000.0], -1000 + np.log(2), [0.5, 0.5]),
    ]:
        assert gg.logsumexp(np.array(x)).item() == value
        assert_jacobian(gg.logsumexp, x, gradient)
    assert np.isnan(gg.logsumexp(np.array([NAN, 1.0])).item())
    assert gg.logsumexp(np.zeros(0)).item() == -INF
    assert gg.logsumexp(np.zeros((2, 0)), axis=1).numpy().tolist() == [-INF, -INF]
    np.testing.assert_allclose(
        gg.hessian(gg.logsumexp)(np.array([-INF, 1.0, 1.0])).numpy(), [[0, 0, 0], [0, 0.25, -0.25], [0, -0.25, 0.25]]
    )


def test_derivatives_of_a_recurrence_do_not_divide() -> None:
    with np.errstate(all="raise"):
        gg.grad(lambda x: gg.cumprod(x).sum() + gg.prod(x))(np.zeros(5))


def test_linearize_through_several_outputs() -> None:
    """A split is linear, with several outputs; ``linearize`` records those of a tangent."""
    f = lambda x: [gg.sin(part) * k for k, part in enumerate(gg.split(x * x, 2), 1)]
    x, t = np.array([0.3, -0.7]), np.array([1.0, 2.0])
    _, push = gg.linearize(f, x)
    for got, wanted in zip(push(t), gg.jvp(f, (x,), (t,))[1], strict=True):
        np.testing.assert_allclose(got.numpy(), wanted.numpy())
