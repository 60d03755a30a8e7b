"""Sorting and quantiles where order, ties, NaN or infinities decide; and errors."""

from __future__ import annotations

import numpy as np
import pytest
from test_linearized import INF, NAN, assert_jacobian

import gpugrad as gg
from gpugrad import errors


def test_equal_elements_keep_their_order() -> None:
    x = np.array([2, 1, 2, 1])
    assert gg.argsort(x).tolist() == [1, 3, 0, 2]
    assert gg.argsort(x, descending=True).tolist() == [0, 2, 1, 3]
    assert gg.top_k(x, 3)[1].tolist() == [0, 2, 1]
    assert gg.top_k(x, 3, largest=False)[1].tolist() == [1, 3, 0]


def test_nan_is_the_largest() -> None:
    x = np.array([NAN, 1.0, INF])
    np.testing.assert_array_equal(gg.sort(x).numpy(), [1, INF, NAN])
    np.testing.assert_array_equal(gg.sort(x, descending=True).numpy(), [NAN, INF, 1])


def test_gradient_goes_where_the_element_came_from() -> None:
    assert_jacobian(gg.sort, [3.0, 1.0, 2.0], [[0, 1, 0], [0, 0, 1], [1, 0, 0]])
    assert_jacobian(lambda x: gg.top_k(x, 2)[0], [3.0, 1.0, 2.0], [[1, 0, 0], [0, 0, 1]])
    assert_jacobian(gg.median, [3.0, 1.0, 2.0, 7.0], [0.5, 0, 0.5, 0])
    assert_jacobian(gg.median, [1.0, 1.0, 3.0, 3.0], [0, 0.5, 0.5, 0])
    assert_jacobian(lambda x: gg.quantile(x, 0.25), [1.0, 1.0, 1.0], [0.5, 0.5, 0])


def test_gradient_of_the_fraction() -> None:
    x = gg.tensor([1.0, 2.0, 4.0])
    assert gg.grad(lambda q: gg.quantile(x, q))(0.75).item() == 4.0
    assert gg.vmap(lambda q: gg.quantile(x, q))(np.array([0.0, 0.75])).tolist() == [1.0, 3.0]


@pytest.mark.parametrize("method", ["linear", "lower", "higher", "midpoint", "nearest"])
def test_every_fraction(method: str) -> None:
    x = np.random.default_rng(0).permutation(7).astype(float)
    q = np.linspace(0, 1, 25)
    expected = np.quantile(x, q, method=method)
    np.testing.assert_allclose(gg.quantile(x, q, method=method).numpy(), expected, rtol=1e-14)
    np.testing.assert_allclose([gg.quantile(x, float(k), method=method).item() for k in q], expected, rtol=1e-14)
    percent = np.percentile(x, 100 * q, method=method)
    np.testing.assert_allclose(gg.percentile(x, 100 * q, method=method).numpy(), percent, rtol=1e-13)


def test_quantiles_of_infinities() -> None:
    x = gg.tensor([1.0, 2.0, INF, INF])
    assert gg.quantile(x, [0.0, 1 / 3, 0.5, 0.9]).tolist() == [1.0, 2.0, INF, INF]
    assert gg.quantile(x, 0.9).item() == INF and gg.quantile(gg.tensor([-INF, 5.0]), 1.0).item() == 5.0


def test_nan() -> None:
    x = np.array([[1.0, NAN, 5.0, 2.0], [NAN] * 4, [1.0, 2.0, 3.0, 4.0]])
    np.testing.assert_array_equal(gg.median(x, axis=1).numpy(), [NAN, NAN, 2.5])
    np.testing.assert_array_equal(gg.nanmedian(x, axis=1).numpy(), [2.0, NAN, 2.5])
    np.testing.assert_array_equal(gg.nanquantile(x, [0.0, 1.0], axis=1).numpy(), [[1, NAN, 1], [5, NAN, 4]])
    assert_jacobian(gg.nanmedian, x[0], [0, 0, 0, 1])


def test_errors() -> None:
    x = np.arange(6.0).reshape(2, 3)
    with pytest.raises(errors.ArgumentError, match=r"quantile: q=1.5; expected 0 to 1"):
        gg.quantile(x, 1.5)
    with pytest.raises(errors.ArgumentError, match=r"percentile: q=101; expected 0 to 100"):
        gg.percentile(x, 101)
    for q in (-0.1, 1.1):
        with pytest.raises(errors.AxisError, match="q outside 0 to 1"):
            gg.quantile(x, [0.5, q])
    for call in (lambda: gg.quantile(x + 0j, 0.5), lambda: gg.quantile(x, 0.5j), lambda: gg.quantile(x, [0.5j])):
        with pytest.raises(errors.DtypeError, match="quantile: complex numbers have no order"):
            call()
    with pytest.raises(errors.ShapeError, match=r"top_k: k=1.5 .* expected an integer from 0 to 3"):
        gg.top_k(x, 1.5)
    with pytest.raises(errors.ArgumentError, match="method='cubic'"):
        gg.quantile(x, 0.5, method="cubic")
    with pytest.raises(errors.ShapeError, match="top_k: k=4"):
        gg.top_k(x, 4)
    with pytest.raises(errors.AxisError, match="kth=3"):
        gg.partition(x, 3)
    with pytest.raises(errors.ShapeError, match="no elements"):
        gg.median(np.zeros((0, 2)), axis=0)
