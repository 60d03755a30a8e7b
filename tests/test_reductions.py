"""Reductions where the derivative needs care, dtypes, and errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from test_linearized import INF, NAN, assert_jacobian

import gpugrad as gg
from gpugrad import errors
from gpugrad.ops.reductions import sum as sum_of
from gpugrad.primitive import registry


def test_deviation_of_equal_numbers() -> None:
    assert_jacobian(gg.std, np.full(3, 2.0), np.zeros(3))
    assert_jacobian(lambda x: gg.std(x, axis=0, correction=1), np.ones((3, 2)), np.zeros((2, 3, 2)))
    assert_jacobian(gg.nanstd, np.full(3, 2.0), np.zeros(3))
    assert not np.any(gg.hessian(gg.std)(np.ones(3)).numpy())


def test_variance_of_too_few_is_nan() -> None:
    assert np.isnan(gg.var(np.array([1.0]), correction=1).item())
    assert np.isnan(gg.var(np.array([1.0, 3.0]), ddof=3).item())
    assert np.isnan(gg.nanvar(np.array([1.0, NAN]), ddof=1).item())


def test_mean_of_nothing_is_nan() -> None:
    assert np.isnan(gg.mean(np.zeros((0,))).item())
    assert gg.mean(np.zeros((0, 2)), axis=1).shape == (0,)


def test_mean_is_exact_where_numpy_is() -> None:
    assert gg.mean(np.ones(49)).item() == 1.0


def test_half_precision_is_summed_in_single() -> None:
    x = gg.tensor(np.full(4096, 60.0), dtype="float16")
    assert gg.mean(x).item() == 60.0
    assert gg.var(x * gg.tensor(np.tile([1.0, 9.0], 2048), dtype="float16")).item() == 57600.0
    assert gg.grad(gg.mean)(x).dtype == np.float16


@pytest.mark.parametrize("name", ["int8", "int32", "uint8", "bool", "int64", "uint64", "float32"])
def test_sums_promote_as_numpy(name: str) -> None:
    x = np.array([1, 0, 1]).astype(name)
    for f, g in ((gg.sum, np.sum), (gg.prod, np.prod), (gg.cumprod, np.cumprod)):
        assert f(x).dtype == g(x).dtype and np.array_equal(f(x).numpy(), g(x))
    assert gg.mean(x).dtype == np.mean(x).dtype
    assert gg.max(x).dtype == x.dtype


def test_sum_is_one_operation() -> None:
    x = gg.tensor([1.0, 2.0], requires_grad=True)
    out = sum_of(x)
    assert out.grad_fn.prim is registry["reduce_sum"] and out.grad_fn.inputs[0] is x._mark


def test_nan_is_left_out() -> None:
    x = np.array([[1.0, NAN, 3.0], [NAN, NAN, NAN]])
    for f, row in (
        (gg.nansum, [1, 0, 1]),
        (gg.nanmean, [0.5, 0, 0.5]),
        (gg.nanmax, [0, 0, 1]),
        (gg.nanmin, [1, 0, 0]),
        (gg.nanprod, [3, 0, 1]),
        (gg.nanvar, [-1, 0, 1]),
        (gg.nanstd, [-0.5, 0, 0.5]),
    ):
        assert_jacobian(f, x[0], row)
    for f in (gg.nanmean, gg.nanmax, gg.nanmin, gg.nanvar):
        got = f(x, axis=1)
        assert np.isnan(got.numpy()[1]) and not np.isnan(got.numpy()[0])
    assert_jacobian(lambda x: gg.nanmean(x, axis=1)[0], x, [[0.5, 0, 0.5], [0, 0, 0]])


def test_names_and_errors() -> None:
    x = np.ones((2, 3))
    with pytest.raises(errors.AxisError, match=r"sum: axis 2 is out of range for shape \(2, 3\)"):
        gg.sum(x, axis=2)
    for f in (gg.std, gg.nanstd, gg.nansum, gg.nanprod):
        with pytest.raises(errors.AxisError, match=rf"^{f.__name__}: axis 2"):
            f(x, axis=2)
    for f in (gg.argmax, gg.argmin):
        with pytest.raises(errors.DtypeError, match=r"axis=\(0, 1\) is not an integer"):
            f(x, axis=(0, 1))
    for f in (gg.sum, gg.prod, gg.mean, gg.var, gg.cumsum, gg.cumprod, gg.nansum):
        with pytest.raises(errors.DtypeError, match="dtype=float32 for an array of dtype complex128"):
            f(x * 1j, dtype="float32")
    for f in (gg.mean, gg.var, gg.std):
        with pytest.raises(errors.DtypeError, match="dtype=int64; expected a floating-point one"):
            f(x, dtype="int64")
    with pytest.raises(errors.AxisError, match="each axis at most once"):
        gg.mean(x, axis=(0, -2))
    with pytest.raises(errors.ShapeError, match=r"average: weights of shape \(2,\)"):
        gg.average(x, axis=1, weights=np.ones(2))
    with pytest.raises(errors.ShapeError, match="cumulative_prod"):
        gg.cumulative_prod(x)


def test_numbers_are_arrays() -> None:
    for f in (gg.sum, gg.mean, gg.prod, gg.max, gg.logsumexp, gg.nansum):
        assert f(3.0).item() == 3.0 and f(3.0, axis=()).shape == ()
    assert gg.any(True).item() and not gg.all(False).item()


def test_infinities() -> None:
    x: Any = np.array([1.0, INF])
    assert gg.sum(x).item() == INF and gg.mean(x).item() == INF and gg.max(x).item() == INF
    assert_jacobian(gg.max, x, [0, 1])
