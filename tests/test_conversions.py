"""Nothing that NumPy or Python does to a tensor detaches its derivative in silence, and what is refused says the way out."""

from __future__ import annotations

import cmath
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import errors

X = np.array([0.3, 0.7, 1.1, 0.45])


def written(x: Any, store: Callable[[Any, Any], Any]) -> Any:
    buffer = np.zeros(4)
    store(buffer, x)
    return buffer.sum() + x.sum()


def matrix(x: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        return np.matrix([[1.0, 2.0], [3.0, 4.0]])


REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "buffer[i] = t": (lambda x: written(x, lambda b, x: b.__setitem__(0, x[0])), r"buffer|setting an array element"),
    "buffer[:] = t": (lambda x: written(x, lambda b, x: b.__setitem__(slice(None), x)), "detach"),
    "buffer += t": (lambda x: written(x, lambda b, x: b.__iadd__(x)), "detach"),
    "fill": (lambda x: written(x, lambda b, x: b.fill(x[0])), r"fill|setting an array element"),
    "put": (lambda x: written(x, lambda b, x: b.put([0], x[:1])), r"b\.put.*np\.put on the tensor"),
    "flat": (lambda x: written(x, lambda b, x: b.flat.__setitem__(0, x[0])), "single item"),
    "np.fromiter": (lambda x: np.fromiter(iter(x), float, count=4).sum() + x.sum(), r"fromiter|setting an array"),
    "np.float64": (lambda x: np.float64(x[0]) * x[1], r"np\.float64\(…\)"),
    "np.float32": (lambda x: np.float32(x[0]) * x[1], r"np\.float32\(…\)"),
    "np.int64": (lambda x: np.int64(x[0]) * x[1], r"np\.int64\(…\)"),
    "np.complex128": (lambda x: np.complex128(x[0]).real * x[1], r"np\.complex128\(…\)"),
    "np.array": (lambda x: np.array([x[0], 1.0]).sum(), r"np\.array\(…\).*np\.stack.*gpugrad\.numpy\.array"),
    "np.array of rows": (lambda x: np.array([x, x]).sum(), r"np\.array\(…\)"),
    "np.array of objects": (lambda x: np.array([x[0], x[1]], dtype=object).sum(), r"np\.array\(…\)"),
    "np.asarray": (lambda x: np.asarray(x).sum(), r"np\.asarray\(…\).*gpugrad\.numpy\.asarray"),
    "np.full": (lambda x: np.full(3, x[0]).sum(), r"np\.full\(…\).*full_like"),
    "np.arange": (lambda x: np.arange(x[0], 5.0).sum(), r"np\.arange\(…\)"),
    "np.vectorize": (lambda x: np.vectorize(lambda v: v * v)(x).sum(), "vectorize.*vmap"),
    "np.r_": (lambda x: np.r_[x, 1.0].sum(), r"np\.r_\[…\].*np\.concatenate"),
    "np.c_": (lambda x: np.c_[x, X].sum(), r"np\.c_\[…\].*np\.column_stack"),
    "np.sum of a list": (lambda x: np.sum([x[0], x[1]]), r"np\.sum\(…\).*np\.stack"),
    "np.exp of a list": (lambda x: np.exp([x[0], x[1]]).sum(), r"np\.exp\(…\)"),
    "a list beside an array": (lambda x: np.add(X, [x[0], x[1], x[2], x[3]]).sum(), r"np\.stack"),
    "array.dot": (lambda x: X.dot(x), r"X\.dot\(…\).*np\.dot on the tensor"),
    "np.ndenumerate": (lambda x: sum(v for _, v in np.ndenumerate(x)), r"ndenumerate.*ndindex"),
    "np.polynomial": (lambda x: np.polynomial.Polynomial(x)(1.3), r"Polynomial\(…\).*np\.polyval"),
    "math.sin": (lambda x: math.sin(x[0]) * x[1], r"math\.sin\(…\).*np\.sin on the tensor"),
    "math.hypot": (lambda x: math.hypot(x[0], x[1]) * x[0], r"math\.hypot\(…\).*np\.hypot"),
    "math.fsum": (lambda x: math.fsum(x) * x[0], r"math\.fsum\(…\).*np\.sum"),
    "math.lgamma": (lambda x: math.lgamma(x[0]) * x[0], r"gg\.special\.gammaln"),
    "cmath.exp": (lambda x: abs(cmath.exp(x[0])) * x[1], r"cmath\.exp\(…\)"),
    "matrix * t": (lambda x: (matrix(x) * x[:2]).sum(), "multiplies as matrices"),
    "t * matrix": (lambda x: (x[:2] * matrix(x)).sum(), "multiplies as matrices"),
    "masked * t": (lambda x: (np.ma.masked_array(X, X > 1) * x).sum(), "numpy.ma"),
    "t * masked": (lambda x: (x * np.ma.masked_array(X, X > 1)).sum(), "mask"),
    "np.ma of t": (lambda x: np.ma.exp(x).sum(), "numpy.ma"),
    "masked of t": (lambda x: np.ma.masked_array(x, X > 1).sum(), r"masked_array\(…\)"),
    "objects * t": (lambda x: (np.array([1.0, 2.0, 3.0, 4.0], object) * x).sum(), "dtype object"),
    "t * objects": (lambda x: (x * np.array([1.0, 2.0, 3.0, 4.0], object)).sum(), "dtype object"),
    "t * strings": (lambda x: x * np.array(["a", "b", "c", "d"]), "dtype <U1"),
    "t * dates": (lambda x: x * np.array(["2001-01-01"] * 4, "datetime64[D]"), "datetime64"),
    "t * durations": (lambda x: x * np.array([1, 2, 3, 4], "timedelta64[D]"), "timedelta64"),
    "t * records": (lambda x: x * np.zeros(4, [("a", float)]), "cannot make a tensor of dtype"),
    "a field of records": (lambda x: np.zeros(4, [("a", float)])["a"].__setitem__(slice(None), x), "detach"),
}  # fmt: skip
"""What cannot be differentiated, and a part of the message."""


def said(error: BaseException) -> str:
    """The message, with that of the cause: NumPy raises an error of its own for a store, with ours as its cause."""
    return f"{error}" + (f" {error.__cause__}" if error.__cause__ is not None else "")


@pytest.mark.parametrize("name", list(REFUSED))
def test_what_would_be_detached_is_refused_in_every_mode(name: str) -> None:
    f, words = REFUSED[name]
    modes: list[Callable[[], Any]] = [
        lambda: gg.grad(f)(X), lambda: gg.jvp(f, (X,), (X,)), lambda: f(gg.tensor(X, requires_grad=True)),
        lambda: gg.vmap(f)(np.stack([X, X])),
    ]  # fmt: skip
    for mode in modes[:3]:
        with pytest.raises((errors.GpugradError, ValueError), match=f"(?s).*{words}") as caught:
            mode()
        ours = caught.value if isinstance(caught.value, errors.GpugradError) else caught.value.__cause__
        assert ours is None or isinstance(ours, errors.GpugradError)
        assert (
            "test_conversions.py:" in said(caught.value)
            or "detach" not in said(caught.value)
            or "np.add" in said(caught.value)
            or "numpy.ma" in said(caught.value)
        )
    with pytest.raises((errors.GpugradError, ValueError)):
        modes[3]()


def test_a_store_names_the_buffer_and_the_place() -> None:
    def f(x: Any) -> Any:
        grid = np.zeros((2, 2))
        grid[0, 1] = x[0]
        return grid.sum()

    with pytest.raises(ValueError) as caught:
        gg.grad(f)(X)
    assert isinstance(caught.value.__cause__, errors.GraphError)
    assert "grid[…] = t at" in str(caught.value.__cause__)
    assert "np.zeros_like(t)" in str(caught.value.__cause__)
    with pytest.raises(ValueError) as caught:
        gg.vmap(f)(np.stack([X, X]))
    assert "grid[…] = t at" in str(caught.value.__cause__)


MEANT: dict[str, Callable[[Any], Any]] = {
    "float": lambda x: float(x[0]) * x,
    "int": lambda x: x * int(x[2]),
    "complex": lambda x: x * complex(x[0]).real,
    "item": lambda x: x * x.item(0),
    "map": lambda x: x * sum(map(float, x)),
    "sorted": lambda x: x * sorted(x, key=float)[0].item(),
    "percent": lambda x: x * float("%.17g" % x[0]),  # noqa: UP031
    "format": lambda x: x * float(f"{x[0]:.17g}"),
    "floor": lambda x: x * (math.floor(x[2]) + math.ceil(x[0]) + math.trunc(x[2]) + round(x[1])),
    "isnan": lambda x: x * (not math.isnan(x[0])) * math.isfinite(x[1]),
    "index": lambda x: x * [1.0, 2.0][int(x[0] > 0)],
}
"""Numbers that a user asks for are constants."""


@pytest.mark.parametrize("name", list(MEANT))
def test_a_number_that_is_asked_for_is_a_constant(name: str) -> None:
    f = MEANT[name]
    factor = np.asarray(f(gg.tensor(X)).numpy()) / X
    np.testing.assert_allclose(gg.grad(lambda x: f(x).sum())(X).numpy(), factor, rtol=1e-14)
    t = gg.tensor(X, requires_grad=True)
    f(t).sum().backward()
    np.testing.assert_allclose(t.grad.numpy(), factor, rtol=1e-14)


def test_lists_of_tensors_beside_a_tensor_are_stacked() -> None:
    def f(x: Any) -> Any:
        joined = np.concatenate([x, [x[1] * 3.0, 2.0]])
        return np.sum(joined * joined) + (x * [x[0], 2.0, x[1], 3.0]).sum() + gg.sum([[x[0], 1.0], [x[1], x[2]]])

    g = gg.grad(f)(X)
    np.testing.assert_allclose(
        g.numpy(), 2 * X + [2 * X[0] + 1.0, 18 * X[1] + 2.0 + X[2] + 1.0, X[1] + 1.0, 3.0], rtol=1e-12
    )
    narrow = gg.tensor([1.0, 2.0], dtype="float32")
    assert gg.sum([narrow[0], 2.0]).dtype == np.float32


# ---- methods of an array ------------------------------------------------------------------------------------------------

M = X.reshape(2, 2)
METHODS: dict[str, Callable[[Any], Any]] = {
    "sum": lambda m: m.sum(0, keepdims=True, initial=2.0),
    "sum where": lambda m: m.sum(where=[[True, False], [True, True]]),
    "sum dtype": lambda m: m.sum(1, np.float32),
    "mean": lambda m: m.mean(0, None, None, True),
    "prod": lambda m: m.prod(axis=1, initial=3.0),
    "max": lambda m: m.max(initial=0.9) + m.min(0, keepdims=True),
    "std": lambda m: m.std(0, None, None, 1) + m.var(axis=0, ddof=1),
    "cumsum": lambda m: m.cumsum(1, float) + m.cumprod(0),
    "dot": lambda m: m.dot(m),
    "trace": lambda m: m.trace(),
    "copy": lambda m: m.copy() * 2.0,
    "nonzero": lambda m: m[(m > 0.4).nonzero()],
    "flatten": lambda m: m.flatten("F"),
    "ravel": lambda m: m.ravel(order="F"),
    "reshape": lambda m: m.reshape(4, 1, order="F"),
    "conjugate": lambda m: m.conjugate(),
    "compress": lambda m: m.compress([False, True], axis=1),
    "take": lambda m: m.take([3, -1], mode="wrap"),
    "diagonal": lambda m: m.diagonal(1),
    "clip": lambda m: m.clip(0.4, 1.0),
    "round": lambda m: m.round(1) + m,
    "searchsorted": lambda m: m[0].searchsorted([0.5]) + m[0],
    "argmax": lambda m: m.argmax(axis=1) + m.argmin(0, keepdims=True) + m,
    "divmod": lambda m: divmod(m, 0.2)[1] + divmod(2.0, m)[1],
    "flat": lambda m: m.flat[1:3] * sum(m.flat),
    "item": lambda m: m * (m.item(0, 1) + m.item((1, 0)) + m.item(3)) / 2.0,
}


@pytest.mark.parametrize("name", list(METHODS))
def test_methods_have_numpys_parameters(name: str) -> None:
    wanted = METHODS[name](M)
    got = METHODS[name](gg.tensor(M, requires_grad=True))
    assert got.dtype == wanted.dtype
    assert got.requires_grad
    np.testing.assert_allclose(got.detach().numpy(), wanted, rtol=1e-6 if wanted.dtype == np.float32 else 1e-13)


def in_place(m: Any) -> Any:
    """Methods that write into their array."""
    a, b, c, d = m * 1.0, m * 2.0, m * 3.0, m * 4.0
    a.sort(axis=0)
    b.fill(m[0, 1])
    c.flat[1:] = m[0, 0] ** 2
    c.put([0], m[1, 1])
    d.partition(0)
    return a * b + c * d


def test_methods_that_write_rebind_the_tensor() -> None:
    np.testing.assert_allclose(in_place(gg.tensor(M)).numpy(), in_place(M), rtol=1e-14)
    g = gg.grad(lambda m: np.sum(in_place(m)))(M)
    for k in np.ndindex(M.shape):
        h = np.zeros_like(M)
        h[k] = 1e-6
        slope = (in_place(M + h).sum() - in_place(M - h).sum()) / 2e-6
        np.testing.assert_allclose(g.numpy()[k], slope, rtol=1e-7)
    leaf = gg.tensor(X, requires_grad=True)
    with pytest.raises(errors.GraphError, match="sort"):
        leaf.sort()


def test_a_constant_of_a_transform_may_leave() -> None:
    """Masks and indices that were computed from a tracked value index arrays, in every mode."""
    points = np.array([0.1, 0.2, 0.9, 1.0])

    def f(x: Any) -> Any:
        near = np.argmin(np.abs(points[:, None] - x[None]), axis=1)
        mask = near == 0
        assert np.asarray(mask).dtype == bool
        return np.sum((points[mask] - x[0]) ** 2) + np.sum((points[np.asarray(near) == 1] - x[1]) ** 2)

    x = np.array([0.2, 0.8])
    np.testing.assert_allclose(gg.grad(f)(x).numpy(), [2 * (0.4 - 0.3), 2 * (1.6 - 1.9)], atol=1e-14)
    np.testing.assert_allclose(float(gg.jvp(f, (x,), (np.ones(2),))[1]), 0.2 - 0.6)
    np.testing.assert_allclose(gg.hessian(f)(x).numpy(), 4.0 * np.eye(2), atol=1e-14)
    with pytest.raises(errors.TraceError, match="under vmap"):
        gg.vmap(f)(np.stack([x, x]))
