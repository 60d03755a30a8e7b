"""Special functions: accuracy over their whole range, limits, the errors of what has no derivative, SciPy's own names."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.special
import scipy.stats

import gpugrad as gg
from gpugrad import errors

sp = gg.special
NAMES = sp.__all__
RNG = np.random.default_rng(5)
MANY = np.concatenate([RNG.uniform(0.0, 10.0, 40), 10.0 ** RNG.uniform(-6.0, 2.2, 40)])
BELOW = -RNG.uniform(0.05, 12.0, 30)
WIDE = np.concatenate([RNG.uniform(-30.0, 30.0, 60), RNG.uniform(-300.0, 300.0, 20)])

EXACT: dict[str, tuple[Any, Callable[[Any], Any]]] = {
    "gammaln": (np.concatenate([MANY, BELOW]), lambda x: mpmath.log(abs(mpmath.gamma(x)))),
    "gamma": (np.concatenate([MANY, BELOW]), mpmath.gamma),
    "digamma": (np.concatenate([MANY, BELOW]), mpmath.digamma),
    "erfcx": (np.concatenate([WIDE[:60] / 2.0, MANY, [1e3, 1e20]]), lambda x: mpmath.exp(mpmath.mpf(x) ** 2) * mpmath.erfc(x)),
    "erfinv": (np.concatenate([RNG.uniform(-1, 1, 40), [1e-200, -1e-9, 1 - 1e-13]]), mpmath.erfinv),
    "erfcinv": (np.concatenate([RNG.uniform(0, 2, 40), [1e-300, 1e-20, 2 - 1e-13]]), lambda x: mpmath.erfinv(1 - mpmath.mpf(x))),
    "log_ndtr": (np.concatenate([WIDE, [-1e4]]), lambda x: mpmath.log(mpmath.erfc(-mpmath.mpf(x) / mpmath.sqrt(2)) / 2)),
    "i0": (WIDE, lambda x: mpmath.besseli(0, x)),
    "i1": (WIDE, lambda x: mpmath.besseli(1, x)),
    "i0e": (WIDE, lambda x: mpmath.exp(-abs(x)) * mpmath.besseli(0, x)),
    "i1e": (WIDE, lambda x: mpmath.exp(-abs(x)) * mpmath.besseli(1, x)),
    "j0": (WIDE, lambda x: mpmath.besselj(0, x)),
    "j1": (WIDE, lambda x: mpmath.besselj(1, x)),
    "y0": (np.abs(WIDE), lambda x: mpmath.bessely(0, x)),
    "y1": (np.abs(WIDE), lambda x: mpmath.bessely(1, x)),
}  # fmt: skip


@pytest.mark.parametrize("name", list(EXACT))
def test_value_to_the_last_digits(name: str) -> None:
    x, f = EXACT[name]
    with mpmath.workdps(400 if name in ("erfcinv", "erfinv") else 60):
        wanted = np.array([float(f(mpmath.mpf(v))) for v in x.tolist()])
    size = 1.0 if name in ("j0", "j1", "y0", "y1") else np.abs(wanted)
    moved = np.abs(x) * 3e-16  # what a rounding of the argument changes
    slope = np.abs(gg.vmap(gg.grad(getattr(sp, name)))(x).numpy())
    error = np.abs(getattr(sp, name)(x).numpy() - wanted)
    assert np.all(error <= 4e-14 * size + slope * moved + 2e-15), (x, error / size)


def test_incomplete_gamma_and_zeta_to_the_last_digits() -> None:
    a = 10.0 ** RNG.uniform(-1.0, 3.0, 40)
    x = a * RNG.uniform(0.3, 2.0, 40)
    with mpmath.workdps(40):
        lower = np.array([float(mpmath.gammainc(p, 0, v, regularized=True)) for p, v in zip(a, x, strict=True)])
        upper = np.array(
            [float(mpmath.gammainc(p, v, mpmath.inf, regularized=True)) for p, v in zip(a, x, strict=True)]
        )
        s, q = RNG.uniform(1.05, 20.0, 30), 10.0 ** RNG.uniform(-1.0, 2.0, 30)
        sums = np.array([float(mpmath.zeta(p, v)) for p, v in zip(s, q, strict=True)])
    np.testing.assert_allclose(sp.gammainc(a, x).numpy(), lower, rtol=1e-12)
    np.testing.assert_allclose(sp.gammaincc(a, x).numpy(), upper, rtol=1e-11)
    np.testing.assert_allclose(sp.zeta(s, q).numpy(), sums, rtol=1e-14)


def test_incomplete_gamma_of_large_and_of_small_numbers() -> None:
    """Against 40 digits; where ``a`` is too large for mpmath's own function, against the integral of the density."""
    rng = np.random.default_rng(3)
    large, small = 10.0 ** rng.uniform(2.3, 4.0, 25), 10.0 ** rng.uniform(-8.0, 0.0, 25)
    a = np.concatenate([large, rng.uniform(200.0, 900.0, 25), small])
    x = np.concatenate([large + rng.normal(0.0, 4.0, 25) * np.sqrt(large), a[25:50] * rng.uniform(0.5, 1.5, 25), 10.0 ** rng.uniform(-8.0, 0.3, 25)])  # fmt: skip
    with mpmath.workdps(40):
        lower = [float(mpmath.gammainc(p, 0, v, regularized=True)) for p, v in zip(a, x, strict=True)]
        upper = [float(mpmath.gammainc(p, v, mpmath.inf, regularized=True)) for p, v in zip(a, x, strict=True)]
    np.testing.assert_allclose(sp.gammainc(a, x).numpy(), lower, rtol=1e-13)
    np.testing.assert_allclose(sp.gammaincc(a, x).numpy(), upper, rtol=1e-13)
    for p, v in ((1e6, 0.997e6), (31622776.5, 31591153.75), (1e9, 1e9 + 1e5), (1e12, 1e12 - 3e6), (1e15, 1e15 + 1e8)):
        root, out = mpmath.sqrt(p), sp.gammainc if v < p else sp.gammaincc
        with mpmath.workdps(50):
            norm, way = mpmath.loggamma(p), mpmath.mpf(v - p) / abs(v - p)
            tail = mpmath.quad(lambda u: mpmath.exp((mpmath.mpf(p) - 1) * mpmath.log(u) - u - norm), [v + way * k * root / 4 for k in range(60)])  # fmt: skip  # noqa: B023
        np.testing.assert_allclose(out(p, v).item(), abs(float(tail)), rtol=1e-13)


def test_incomplete_gamma_is_a_number_everywhere() -> None:
    a, r = 10.0 ** np.linspace(-300.0, 300.0, 301)[:, None], 10.0 ** np.linspace(-3.0, 3.0, 61)
    for dtype in (np.float64, np.float32):
        with np.errstate(all="ignore"):
            x = (a * r).astype(dtype)
            p, q = (f(a.astype(dtype), x).numpy() for f in (sp.gammainc, sp.gammaincc))
            known = (a.astype(dtype) > 0) & (a.astype(dtype) < np.inf) & (x > 0) & (x < np.inf)
        assert np.all(np.isfinite(p[known]) & (p[known] >= 0) & (p[known] <= 1))
        np.testing.assert_allclose((p + q)[known], 1.0, rtol=4 * np.finfo(dtype).eps)
        assert np.all(np.diff(p.astype(float), axis=1)[np.all(known, axis=1)] >= -16 * np.finfo(dtype).eps)


def test_the_slope_of_the_incomplete_gamma_function_does_not_cancel() -> None:
    a = np.array([1e4, 1e8, 1e12])
    slope = gg.vmap(gg.grad(sp.gammainc, argnums=1))(a, a).numpy()
    np.testing.assert_allclose(slope, np.exp(-1.0 / (12.0 * a)) / np.sqrt(2.0 * np.pi * a), rtol=1e-12)
    second = gg.vmap(gg.grad(gg.grad(sp.gammainc, argnums=1), argnums=1))
    np.testing.assert_allclose(second(np.array([1.0, 2.0, 2.0, 0.5]), np.array([0.0, 0.0, 3.0, 2.0])).numpy(), [-1.0, 1.0, -2.0 * np.exp(-3.0), -1.25 * np.exp(-2.0) / np.sqrt(2.0 * np.pi)], rtol=1e-12)  # fmt: skip
    mixed = gg.grad(lambda a: gg.grad(sp.gammainc, argnums=1)(gg.stop_gradient(a), 2.0) * a)(3.0)
    np.testing.assert_allclose(mixed.item(), 2.0 * np.exp(-2.0), rtol=1e-12)


def test_special_functions_refuse_complex_numbers() -> None:
    z = np.array([1j])
    for name in ("gamma", "erfinv", "j0", "ndtr", "entr"):
        with pytest.raises(errors.DtypeError, match=rf"^{name}: an array of dtype complex128; expected real numbers"):
            getattr(sp, name)(z)
    for call in (lambda: sp.gammainc(z, 1.0), lambda: sp.zeta(2.0, z), lambda: sp.polygamma(1, z)):
        with pytest.raises(errors.DtypeError, match="expected real numbers"):
            call()


def test_limits() -> None:
    inf, nan = np.inf, np.nan
    for name, x, wanted in [
        ("gammaln", [0.0, -1.0, -inf, inf, 1.0, 2.0], [inf, inf, inf, inf, 0.0, 0.0]),
        ("gamma", [0.0, -1.0, inf, -inf, nan], [inf, nan, inf, nan, nan]),
        ("digamma", [0.0, -2.0, inf, -inf], [-inf, nan, inf, nan]),
        ("erfcx", [inf, -inf, nan], [0.0, inf, nan]),
        ("erfinv", [-1.0, 0.0, 1.0, 1.5], [-inf, 0.0, inf, nan]),
        ("erfcinv", [0.0, 1.0, 2.0, -0.5], [inf, 0.0, -inf, nan]),
        ("ndtri", [0.0, 1.0, -0.5], [-inf, inf, nan]),
        ("log_ndtr", [inf, -inf, nan], [0.0, -inf, nan]),
        ("i0", [inf, -inf, nan], [inf, inf, nan]),
        ("i1", [inf, -inf, nan], [inf, -inf, nan]),
        ("i0e", [inf, nan], [0.0, nan]),
        ("j0", [inf, -inf, 0.0, nan], [0.0, 0.0, 1.0, nan]),
        ("j1", [inf, 0.0, nan], [0.0, 0.0, nan]),
        ("y0", [0.0, -1.0, inf, nan], [-inf, nan, 0.0, nan]),
        ("y1", [0.0, -1.0, inf, nan], [-inf, nan, 0.0, nan]),
        ("gammasgn", [2.5, -0.5, -1.5, -1.0, 0.0], [1.0, -1.0, 1.0, 0.0, 0.0]),
        ("entr", [0.0, -1.0], [0.0, -inf]),
    ]:
        np.testing.assert_allclose(getattr(sp, name)(np.array(x)).numpy(), wanted, rtol=1e-15, err_msg=name)
    a, x = np.array([1.0, 1.0, 0.0, -1.0, 1.0, inf, 0.0]), np.array([0.0, inf, 1.0, 1.0, -1.0, 1.0, 0.0])
    np.testing.assert_array_equal(sp.gammainc(a, x).numpy(), [0.0, 1.0, 1.0, nan, nan, 0.0, nan])
    np.testing.assert_array_equal(sp.gammaincc(a, x).numpy(), [1.0, 0.0, 0.0, nan, nan, 1.0, nan])
    np.testing.assert_array_equal(sp.zeta([1.0, 0.5, 2.0, 2.0], [1.0, 1.0, 0.0, -1.5]).numpy(), [inf, nan, inf, nan])
    np.testing.assert_array_equal(
        sp.rel_entr([0.0, 0.0, 1.0, -1.0], [0.0, 1.0, 0.0, 1.0]).numpy(), [0.0, 0.0, inf, inf]
    )
    np.testing.assert_array_equal(sp.kl_div([0.0, 1.0], [2.0, 0.0]).numpy(), [2.0, inf])


def test_derivatives_at_the_edges() -> None:
    """To second order: no NaN, and the limit where there is one."""
    for name, x, first, second in [
        ("i1", 0.0, 0.5, 0.0), ("j1", 0.0, 0.5, 0.0), ("i0", 0.0, 0.0, 0.5), ("j0", 0.0, 0.0, -0.5), ("i0e", 0.0, 0.0, 0.5),
        ("erfinv", 0.0, np.sqrt(np.pi) / 2.0, 0.0), ("entr", 0.0, 0.0, 0.0), ("gammaln", 1.0, -np.euler_gamma, np.pi**2 / 6.0),
        ("log_ndtr", 40.0, 0.0, 0.0), ("log_ndtr", -40.0, 40.02496883, -0.99937733),
    ]:  # fmt: skip
        f = getattr(sp, name)
        np.testing.assert_allclose(float(gg.grad(f)(x)), first, rtol=1e-9, atol=1e-14, err_msg=name)
        np.testing.assert_allclose(float(gg.grad(gg.grad(f))(x)), second, rtol=1e-5, atol=1e-14, err_msg=name)
        np.testing.assert_allclose(float(gg.jvp(f, (x,), (1.0,))[1]), first, rtol=1e-9, atol=1e-14, err_msg=name)
    for a, slope in ((1.0, 1.0), (2.0, 0.0), (3.5, 0.0)):
        assert float(gg.grad(lambda x, a=a: sp.gammainc(a, x))(0.0)) == slope
        assert float(gg.grad(lambda x, a=a: sp.gammaincc(a, x))(0.0)) == -slope
    for f in (sp.xlogy, sp.xlog1py, sp.rel_entr, sp.kl_div):
        g = gg.grad(lambda v, f=f: f(v[0], v[1] - (f is sp.xlog1py)))(np.zeros(2)).numpy()
        assert np.all(np.isfinite(g)), f.__name__


@pytest.mark.parametrize(
    ("f", "parameter"),
    [
        (lambda a: sp.gammainc(a, 2.0), "a"), (lambda a: sp.gammaincc(a, 2.0), "a"), (lambda x: sp.zeta(x, 2.0), "x"),
    ],
)  # fmt: skip
def test_a_derivative_that_is_not_there_is_an_error(f: Callable[[Any], Any], parameter: str) -> None:
    for mode in (lambda: gg.grad(f)(2.5), lambda: gg.jvp(f, (2.5,), (1.0,))):
        with pytest.raises(errors.UnsupportedError, match=rf"derivative in {parameter} is not implemented"):
            mode()
    assert np.isfinite(float(f(gg.stop_gradient(gg.tensor(2.5)))))
    with pytest.raises(errors.ArgumentError, match="polygamma: n=-1"):
        sp.polygamma(-1, 2.0)


def test_every_dtype_stays() -> None:
    for name in NAMES:
        f = getattr(sp, name)
        for dtype in ("float32", "float16"):
            x = gg.tensor([0.25, 0.5], dtype=dtype)
            two = name in (
                "beta",
                "betaln",
                "binom",
                "gammainc",
                "gammaincc",
                "huber",
                "kl_div",
                "pseudo_huber",
                "rel_entr",
                "xlog1py",
                "xlogy",
            )
            out = f(x, x) if two else f(x + 1.5, 0.5) if name == "zeta" else f(1, x) if name == "polygamma" else f(x)
            assert out.dtype == dtype, name


# ---- SciPy's own functions ----------------------------------------------------------------------------------------------

UFUNCS = [n for n in NAMES if isinstance(getattr(scipy.special, n, None), np.ufunc)]


@pytest.mark.parametrize("name", UFUNCS)
def test_universal_functions_of_scipy_take_tensors(name: str) -> None:
    theirs = getattr(scipy.special, name)
    x = np.array([0.3, 0.6])
    args = [x + 1.5 * (name == "zeta"), x][: theirs.nin]
    got = (
        theirs(*[gg.tensor(a, requires_grad=True) for a in args])
        if theirs.nin < 2
        else theirs(args[0], gg.tensor(args[1], requires_grad=True))
    )
    np.testing.assert_allclose(got.detach().numpy(), theirs(*args), rtol=1e-12)
    assert got.requires_grad or name == "gammasgn"
    buffer = gg.zeros(2)
    theirs(*args[:-1], gg.tensor(args[-1]), out=buffer)
    np.testing.assert_allclose(buffer.numpy(), theirs(*args), rtol=1e-12)


def test_what_is_not_ours_of_scipy_is_named() -> None:
    t = gg.tensor([0.3, 0.4], requires_grad=True)
    with pytest.raises(errors.UnsupportedError, match=r"scipy\.special\.hyp2f1 has no counterpart"):
        scipy.special.hyp2f1(t, 1.0, 2.0, 0.5)
    with pytest.raises(errors.UnsupportedError, match=r"scipy\.special\.jv"):
        scipy.special.jv(1, t)
    with pytest.raises(errors.GraphError, match=r"scipy\.special\.logsumexp\(…\).*gg\.special\.logsumexp"):
        scipy.special.logsumexp(t)


def test_scipy_is_not_needed() -> None:
    code = "import gpugrad as gg, sys; gg.special.gammaln(gg.tensor(2.5)); assert not any(m.split('.')[0] == 'scipy' for m in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
