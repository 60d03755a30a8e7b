"""Elementwise operations at special points, in both precisions, and the accuracy of the error function."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from test_linearized import INF, NAN

import gpugrad as gg
from gpugrad import errors
from gpugrad.kernels import reference


def slopes(f: Any, *args: Any) -> list[Any]:
    """The partial derivatives of an elementwise ``f`` in each argument, equal in both modes."""
    given = [np.atleast_1d(np.asarray(a, float)) for a in args]
    places = tuple(range(len(given)))
    with np.errstate(all="ignore"):
        backward = gg.grad(lambda *v: gg.sum(f(*v)), argnums=places)(*given)
        for k, g in enumerate(backward):
            tangents = [np.ones_like(a) if j == k else np.zeros_like(a) for j, a in enumerate(given)]
            np.testing.assert_array_equal(gg.jvp(f, given, tangents)[1].numpy(), g.numpy())
    return [g.tolist() for g in backward]


def curvature(f: Any, x: Any) -> Any:
    x = np.asarray(x, float)
    with np.errstate(all="ignore"):
        return gg.grad(lambda x: gg.sum(gg.grad(lambda x: gg.sum(f(x)))(x)))(x).tolist()


# ---- points without a derivative --------------------------------------------------------------------------------------


def test_zero_at_extrema_and_ties_shared() -> None:
    assert slopes(gg.abs, [0.0, -2.0, 3.0]) == [[0, -1, 1]]
    assert slopes(gg.relu, [0.0, -1.0, 1.0]) == [[0, 0, 1]]
    assert slopes(gg.hypot, [0.0], [0.0]) == [[0], [0]]
    assert slopes(gg.atan2, [0.0], [0.0]) == [[0], [0]]
    assert slopes(gg.maximum, [1.0, 2.0, 3.0], [1.0, 1.0, 4.0]) == [[0.5, 1, 0], [0.5, 0, 1]]
    assert slopes(gg.minimum, [1.0, 2.0, 3.0], [1.0, 1.0, 4.0]) == [[0.5, 0, 1], [0.5, 1, 0]]
    assert slopes(gg.fmax, [1.0, NAN, 3.0], [1.0, 1.0, NAN]) == [[0.5, 0, 1], [0.5, 1, 0]]


def test_clip_passes_on_its_bounds() -> None:
    x = [0.0, 1.0, 2.0, 3.0, 4.0]
    assert slopes(lambda x: gg.clip(x, 1.0, 3.0), x) == [[0, 1, 1, 1, 0]]
    assert slopes(lambda x: gg.clip(x, min=1.0), x) == [[0, 1, 1, 1, 1]]
    assert slopes(lambda x: gg.clip(x, max=3.0), x) == [[1, 1, 1, 1, 0]]
    assert slopes(gg.clip, [0.0, 2.0, 4.0], [1.0] * 3, [3.0] * 3) == [[0, 1, 0], [1, 0, 0], [0, 0, 1]]
    assert slopes(gg.clip, [0.0, 2.0, 4.0], [3.0] * 3, [1.0] * 3) == [[0, 0, 0], [0, 0, 0], [1, 1, 1]]


def test_the_branch_not_taken_is_silent() -> None:
    f = lambda x: gg.where(gg.greater(x, 0.0), gg.sqrt(x), 0.0)
    assert slopes(f, [0.0, 4.0]) == [[0, 0.25]]
    g = lambda x: gg.where(gg.greater(x, 0.0), gg.log(x) / x, x)
    assert slopes(g, [0.0, 1.0]) == [[1, 1]]


def test_powers_at_zero() -> None:
    zero = [0.0]
    assert slopes(lambda x: x**2, zero) == slopes(lambda x: x**3, zero) == slopes(lambda x: x**0, zero) == [[0]]
    assert slopes(lambda x: x**1, zero) == slopes(lambda x: x**1.0, zero) == [[1]]
    assert slopes(lambda x: x**0.5, zero) == [[INF]]
    assert curvature(lambda x: x**2, zero) == [2]
    assert curvature(lambda x: gg.pow(x, gg.tensor(2.0)), zero) == [2]
    assert curvature(lambda x: gg.pow(x, gg.tensor(1.0)), zero) == [0]
    assert slopes(gg.pow, [0.0, 0.0], [2.0, 1.0]) == [[0, 1], [0, 0]]
    assert slopes(lambda y: 0.0**y, [2.0]) == [[0]]


def test_powers_of_negative_numbers() -> None:
    y = gg.tensor([2, 3, -1])
    assert gg.pow(gg.tensor([-2.0, -2.0, -2.0]), y).tolist() == [4, -8, -0.5]
    assert slopes(lambda x: gg.pow(x, y), [-2.0, -2.0, -2.0]) == [[-4, 12, -0.25]]


def test_powers_keep_the_dtype() -> None:
    x = np.array([1.5, 2.0], np.float32)
    for y in (2, 3, 1, 0.5, -1, 0, 1.7, -2):
        assert gg.power(x, y).dtype == gg.grad(lambda x, y=y: gg.sum(x**y))(x).dtype == np.float32
    assert gg.grad(lambda y: gg.sum(2.0**y))(x).dtype == np.float32
    assert gg.power([2, 3], 2).dtype == np.int64 and gg.power([2, 3], 0.5).dtype == np.float64
    with pytest.raises(errors.DtypeError, match="to the power -1"):
        gg.power([2, 3], -1)


def test_logaddexp() -> None:
    x, y = [0.0, -INF, INF, -INF, 1000.0], [0.0, -INF, INF, 0.0, 0.0]
    assert slopes(gg.logaddexp, x, y) == [[0.5, 0.5, 0.5, 0, 1], [0.5, 0.5, 0.5, 1, 0]]
    assert gg.logaddexp(-INF, -INF).item() == -INF
    np.testing.assert_allclose(
        gg.hessian(lambda v: gg.logaddexp(v[0], v[1]))(np.zeros(2)).numpy(), [[0.25, -0.25], [-0.25, 0.25]]
    )


def test_far_out() -> None:
    x = np.array([-800.0, 800.0, -INF, INF])
    assert gg.sigmoid(x).tolist() == [0, 1, 0, 1] and slopes(gg.sigmoid, x) == [[0, 0, 0, 0]]
    assert gg.softplus(x).tolist() == [0, 800, 0, INF] and slopes(gg.softplus, x) == [[0, 1, 0, 1]]
    assert slopes(gg.tanh, x) == slopes(gg.erf, x) == slopes(gg.erfc, x) == [[0, 0, 0, 0]]
    assert slopes(gg.asinh, [1e200, -1e200]) == [[1e-200, 1e-200]]
    assert slopes(gg.atan, [INF]) == [[0]]


def test_sinc_near_zero() -> None:
    x = np.array([0.0, 1e-9, -1e-5, 0.31, 0.32])
    u = np.pi * x
    with np.errstate(all="ignore"):
        closed = np.pi * (np.cos(u) - np.sinc(x)) / u
    slope = slopes(gg.sinc, x)[0]
    assert slope[0] == 0.0
    np.testing.assert_allclose(slope[1:3], -(np.pi**2) / 3 * x[1:3], rtol=1e-9)
    np.testing.assert_allclose(slope[3:], closed[3:], rtol=1e-12)
    np.testing.assert_allclose(curvature(gg.sinc, x[:2]), -(np.pi**2) / 3, rtol=1e-9)


def test_sinc_far_out() -> None:
    x = np.array([1e160, -1e300])
    assert np.all(np.abs(slopes(gg.sinc, x)[0]) < 1e-159) and np.all(np.abs(curvature(gg.sinc, x)) < 1e-158)


def test_at_the_end_of_the_domain() -> None:
    assert slopes(gg.asin, [1.0, -1.0]) == slopes(gg.atanh, [1.0, -1.0]) == [[INF, INF]]
    assert curvature(gg.asin, [1.0, -1.0]) == curvature(gg.atanh, [1.0, -1.0]) == [INF, -INF]
    assert curvature(gg.acos, [1.0, -1.0]) == [-INF, INF] and curvature(gg.acosh, [1.0]) == [-INF]
    assert slopes(gg.cbrt, [0.0, -8.0, INF]) == [[INF, 1 / 12, 0]] and curvature(gg.cbrt, [0.0]) == [-INF]
    f = lambda x: gg.where(gg.greater(x, 0.0), gg.cbrt(x), 0.0)
    assert slopes(f, [0.0, 8.0]) == [[0, 1 / 12]]


def test_remainders() -> None:
    rng = np.random.default_rng(0)
    x, y = 5 * rng.normal(size=50), rng.normal(size=50)
    for f, g, quotient in ((gg.remainder, np.remainder, np.floor), (gg.fmod, np.fmod, np.trunc)):
        np.testing.assert_array_equal(f(x, y).numpy(), g(x, y))
        dx, dy = slopes(f, x, y)
        assert dx == [1.0] * 50
        np.testing.assert_allclose(dy, -quotient(x / y), rtol=1e-12)


# ---- complex, integers, NaN -------------------------------------------------------------------------------------------


def test_complex_size_sign_and_angle_at_zero() -> None:
    z = np.array([0j, 3 + 4j])
    assert gg.abs(z).tolist() == [0, 5] and abs(gg.sign(z)[1].item() - (0.6 + 0.8j)) < 1e-15
    for f in (gg.abs, gg.angle, lambda z: gg.real(gg.sign(z))):
        assert gg.grad(lambda z: gg.sum(f(z)))(z).numpy()[0] == 0  # noqa: B023
    np.testing.assert_allclose(gg.grad(lambda z: gg.sum(gg.abs(z)))(z).numpy()[1], 0.6 + 0.8j)


@pytest.mark.parametrize("name", ["sigmoid", "softplus", "erf", "erfc", "logit"])
def test_integers_and_booleans_are_taken_as_float64(name: str) -> None:
    f = getattr(gg, name)
    for x in (np.array([0, 1, 3], np.uint8), np.array([-3, 0, 1], np.int8), np.array([5, -5]), np.array([True, False])):
        with np.errstate(all="ignore"):
            got, wanted = f(x).numpy(), f(x.astype(float)).numpy()
        assert got.dtype == np.float64
        np.testing.assert_array_equal(got, wanted)


def test_what_is_for_real_numbers_refuses_complex_ones() -> None:
    z = np.array([1j, 2.0])
    for f in (gg.softplus, gg.erf, gg.erfc, gg.relu, gg.isposinf, gg.isneginf, lambda z: gg.heaviside(z, 0.5)):
        with pytest.raises(errors.DtypeError, match=r"expected real numbers. Take gg.real\(x\)"):
            f(z)
    assert gg.relu([-1, 2]).dtype == np.int64 and gg.relu([-1, 2]).tolist() == [0, 2]


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int64"])
def test_integers_are_rounded_exactly(dtype: str) -> None:
    x = np.array([0, 4, 5, 15, 25, 49, 50, 51, 99, 124]).astype(dtype)
    x = x if dtype == "uint8" else np.concatenate([x, -x])
    for places in (1, -1, -2, -3, -30):
        got = gg.round(x, places)
        assert got.dtype == dtype and got.tolist() == [round(n, places) for n in x.tolist()]
    assert gg.round(2**60 + 1, -1).item() == round(2**60 + 1, -1)
    assert gg.round([True], -1).tolist() == [False]


def test_rounding_of_what_has_no_such_places() -> None:
    x = np.array([1.5, 1e300, -INF, NAN])
    for places in (10, 308, 400):
        np.testing.assert_array_equal(gg.round(x, places).numpy(), x)
    np.testing.assert_array_equal(gg.round(x, -400).numpy(), [0, 0, -INF, NAN])
    single = np.array([1.5, 1e30, 1e-37], np.float32)
    for places in (30, 38, 40):
        np.testing.assert_array_equal(gg.round(single, places).numpy()[:2], single[:2])
    half = gg.tensor([100.0, 0.001234], dtype="float16")
    assert gg.round(half, 5).tolist() == gg.tensor([100.0, 0.00123], dtype="float16").tolist()
    with pytest.raises(errors.DtypeError, match=r"round: decimals=1.5; expected an integer"):
        gg.round(x, 1.5)


def test_division_of_integers() -> None:
    assert gg.divide([1, 2], 2).tolist() == [0.5, 1.0]
    assert gg.divide(np.array([1], np.int32), np.array([2], np.int32)).dtype == np.float64


def test_nan_to_num() -> None:
    x = np.array([NAN, INF, -INF, 1.0])
    np.testing.assert_array_equal(gg.nan_to_num(x).numpy(), np.nan_to_num(x))
    assert gg.nan_to_num(x, 1.0, 2.0, 3.0).tolist() == [1, 2, 3, 1]
    assert slopes(gg.nan_to_num, x) == [[0, 0, 0, 1]]
    single = x.astype(np.float32)
    np.testing.assert_array_equal(gg.nan_to_num(single).numpy(), np.nan_to_num(single))


def test_closeness() -> None:
    x = np.array([NAN, INF, -INF, 1.0, 1.0])
    y = np.array([NAN, INF, INF, 1.0 + 1e-9, 1.1])
    for equal_nan in (False, True):
        np.testing.assert_array_equal(
            gg.isclose(x, y, equal_nan=equal_nan).numpy(), np.isclose(x, y, equal_nan=equal_nan)
        )
    assert gg.array_equal(x, x, equal_nan=True) and not gg.array_equal(x, x) and not gg.array_equal(x, x[:2])


@pytest.mark.filterwarnings("ignore::gpugrad.errors.GradientWarning")
def test_heaviside() -> None:
    np.testing.assert_array_equal(gg.heaviside([-1.0, 0.0, 2.0, NAN], 0.3).numpy(), [0, 0.3, 1, NAN])
    assert slopes(gg.heaviside, [-1.0, 0.0, 2.0], [0.5] * 3) == [[0, 0, 0], [0, 1, 0]]


def test_lerp_is_exact_at_its_ends() -> None:
    x, y = np.array([0.1, 1e-20]), np.array([0.7, 1.0])
    assert gg.lerp(x, y, 0.0).tolist() == x.tolist() and gg.lerp(x, y, 1.0).tolist() == y.tolist()
    assert gg.lerp(x, y, np.array([0.0, 1.0])).tolist() == [0.1, 1.0]


# ---- the error function -------------------------------------------------------------------------------------------------


def ulps(got: Any, exact: Any, dtype: Any) -> float:
    return float(np.max(np.abs(np.asarray(got, float) - exact) / np.spacing(np.abs(exact).astype(dtype)).astype(float)))


@pytest.mark.parametrize(("dtype", "most"), [(np.float64, 2.0), (np.float32, 1.5)])
def test_accuracy_of_erf(dtype: Any, most: float) -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate(
        [rng.uniform(-7, 7, 4000), rng.uniform(-1.1, 1.1, 2000), 10.0 ** rng.uniform(-30, 1, 500), [1.0, -1.0, 6.5]]
    ).astype(dtype)
    got = reference.erf(np, x)
    assert got.dtype == dtype
    assert ulps(got, np.array([math.erf(v) for v in x]), dtype) <= most


@pytest.mark.parametrize(("dtype", "low", "high"), [(np.float64, -6, 26), (np.float32, -6, 9)])
def test_accuracy_of_erfc(dtype: Any, low: float, high: float) -> None:
    x = np.random.default_rng(0).uniform(low, high, 5000).astype(dtype)
    got = reference.erfc(np, x)
    assert got.dtype == dtype
    assert ulps(got, np.array([math.erfc(v) for v in x]), dtype) <= 6.0


def test_erf_at_special_points() -> None:
    x = np.array([0.0, -0.0, INF, -INF, NAN, 5e-324])
    np.testing.assert_array_equal(reference.erf(np, x), [0, -0.0, 1, -1, NAN, 5e-324])
    assert np.signbit(reference.erf(np, x)[1])
    np.testing.assert_array_equal(reference.erfc(np, x), [1, 1, 0, 2, NAN, 1])
