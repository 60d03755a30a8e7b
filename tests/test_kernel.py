"""gg.kernel: a user's loop is an operation like any other, and what does not fit is told before it runs."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
import pytest

import gpugrad as gg
from gpugrad import errors
from gpugrad.testing import check_grads


def _decayed(x: Any, rate: Any, y: Any) -> None:
    total = 0.0
    for i in range(x.shape[0]):
        total = rate * total + x[i]
        y[i] = total


def _decayed_back(g: Any, rate: Any, dx: Any) -> None:
    total = 0.0
    for i in range(g.shape[0] - 1, -1, -1):
        total = rate * total + g[i]
        dx[i] = total


# each is the transpose of the other, in its first argument
decayed = gg.kernel(_decayed, like="x", vjp=lambda g, rate: (decayed_back(g, rate), None))
decayed_back = gg.kernel(_decayed_back, like="g", vjp=lambda g, rate: (decayed(g, rate), None))


@gg.kernel(
    shape="(m,n),(n)->(m),()",
    vjp=lambda gs, a, x: (gs[0][:, None] * x + 2.0 * gs[1] * a, a.T @ gs[0]),
    jvp=lambda ts, a, x: (ts[0] @ x + a @ ts[1], 2.0 * gg.sum(a * ts[0])),
)
def product_and_square(a: Any, x: Any, y: Any, total: Any) -> None:
    """a @ x, and the sum of the squares of a."""
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            y[i] += a[i, j] * x[j]
            total[()] += a[i, j] * a[i, j]


@gg.kernel(like="x", vjp=lambda g, y: (g * y,))
def exponential(x: Any, y: Any) -> None:
    for i in range(x.size):
        y.flat[i] = math.exp(x.flat[i])


@gg.kernel(like="x")
def ruleless(x: Any, y: Any) -> None:
    for i in range(x.shape[0]):
        y[i] = x[i] * x[i]


def reference(x: Any, rate: float) -> Any:
    n = x.shape[-1]
    k = np.arange(n)
    return x @ np.where(k >= k[:, None], rate ** (k - k[:, None] + 0.0), 0.0)


X = np.random.default_rng(0).normal(size=6)
A = np.random.default_rng(1).normal(size=(3, 6))


def weighed(x: Any) -> Any:
    """A number that depends on every element, and not linearly."""
    return gg.sum(decayed(x, 0.5) ** 3)


def near(got: Any, wanted: Any, rtol: float = 1e-12) -> None:
    np.testing.assert_allclose(np.asarray(gg.asarray(got).numpy()), np.asarray(gg.asarray(wanted).numpy()), rtol=rtol)


# ---- as an operation --------------------------------------------------------------------------------------------------------


def test_values() -> None:
    near(decayed(X, 0.5), reference(X, 0.5))
    near(decayed(gg.tensor(X), rate=0.5), reference(X, 0.5))
    near(decayed(X[::-1], 0.5), reference(X[::-1], 0.5))  # not in C's order
    y, total = product_and_square(A, X)
    near(y, A @ X)
    near(total, np.sum(A * A))
    assert exponential(gg.tensor(1.0)).shape == ()
    assert exponential(np.zeros((0, 3))).shape == (0, 3)
    assert decayed(X.astype(np.float32), 0.5).dtype == np.float32
    assert decayed.__name__ == "_decayed"
    assert product_and_square.__doc__ == "a @ x, and the sum of the squares of a."


@pytest.mark.parametrize("backend", ["reference", "strict"])
def test_other_backends_of_the_cpu(backend: str) -> None:
    with gg.use_backend(backend):
        x = gg.asarray(X.tolist())
        near(decayed(x, 0.5), reference(X, 0.5))
        near(gg.grad(weighed)(x), 3.0 * reference(reference(X, 0.5)[::-1] ** 2, 0.5)[::-1])


def test_derivatives_of_every_order_and_mode() -> None:
    check_grads(lambda a, x: product_and_square(a, x), (A, X))
    check_grads(lambda x: exponential(x), (A,))  # forward mode by transposition of its vjp
    check_grads(weighed, (X,))  # the rule calls a kernel whose rule calls the first, which is its transpose
    near(gg.linearize(weighed, X)[1](X), gg.jvp(weighed, (X,), (X,))[1])
    near(gg.jacobian(lambda x: decayed(x, 0.5))(X), reference(np.eye(6), 0.5).T)
    near(gg.hessian(lambda x: gg.sum(exponential(x)))(X), np.diag(np.exp(X)))


def test_backward_as_in_eager_programs() -> None:
    x = gg.tensor(X, requires_grad=True)
    y = decayed(x, 0.5)
    assert y.grad_fn.inputs[0].name == "kernel _decayed"
    (y * y).sum().backward()
    near(x.grad, 2.0 * reference(reference(X, 0.5)[::-1], 0.5)[::-1])
    with gg.no_grad():
        assert not decayed(x, 0.5).requires_grad


def test_a_batch_runs_item_after_item() -> None:
    rows = np.random.default_rng(2).normal(size=(2, 4, 6))
    f = lambda x: decayed(x, 0.5)
    near(gg.vmap(gg.vmap(f))(rows), reference(rows, 0.5))
    near(gg.vmap(gg.grad(weighed))(rows[0]), np.stack([gg.grad(weighed)(r).numpy() for r in rows[0]]))
    near(gg.grad(lambda x: gg.sum(gg.vmap(weighed)(x)))(rows[0]), gg.vmap(gg.grad(weighed))(rows[0]))
    a = np.random.default_rng(3).normal(size=(5, 3, 6))
    one = lambda a, x: product_and_square(a, x)
    for axes in ((0, None), (None, 0), (0, 0)):
        given = (a if axes[0] == 0 else A), (rows[0][:1].repeat(5, 0) + np.arange(5)[:, None] if axes[1] == 0 else X)
        got = gg.vmap(one, in_axes=axes)(*given)
        for k in range(5):
            wanted = one(*(x[k] if ax == 0 else x for x, ax in zip(given, axes, strict=True)))
            near(got[0][k], wanted[0])
            near(got[1][k], wanted[1])
        mapped = gg.vmap(one, in_axes=axes)
        check_grads(mapped, given, order=1)
        twice = gg.vmap(mapped, in_axes=(None, 0))(given[0], np.stack([given[1], 2.0 * given[1]]))
        near(twice[0][1], mapped(given[0], 2.0 * given[1])[0])


def test_a_rule_for_batches() -> None:
    seen: list[Any] = []

    def all_rows(x: Any, rate: float) -> Any:
        seen.append(x.shape)
        return gg.stack([decayed(x[k], rate) for k in range(x.shape[0])])

    f = gg.kernel(_decayed, like="x", vjp=lambda g, rate: (decayed_back(g, rate), None), vmap=all_rows)
    rows = np.random.default_rng(2).normal(size=(2, 4, 6))
    near(gg.vmap(gg.vmap(lambda x: f(x, 0.5)))(rows), reference(rows, 0.5))
    assert seen == [(8, 6)]
    with pytest.raises(errors.ShapeError, match=r"vmap returned shape \(6,\); expected \(4, 6\)"):
        gg.vmap(gg.kernel(lambda x, y: None, like="x", vmap=lambda x: x[0]))(rows[0])


def test_compiled() -> None:
    x = gg.tensor(X)
    step = gg.jit(lambda x: gg.grad(weighed)(gg.sin(x) * 2.0))
    near(step(x), gg.grad(weighed)(gg.sin(x) * 2.0))
    assert step.plan(x).count("raw_kernel__") == 2  # the loop and its transpose, beside what is fused
    near(gg.grad(gg.jit(weighed))(x), gg.grad(weighed)(x))
    near(gg.vmap(gg.jit(weighed))(gg.tensor(A)), gg.vmap(weighed)(A))
    near(gg.jit(gg.vmap(gg.grad(weighed)))(gg.tensor(A)), gg.vmap(gg.grad(weighed))(A))
    near(gg.jit(product_and_square)(A, X)[0], A @ X)


def test_whole_numbers_and_what_numba_has_compiled() -> None:
    @gg.kernel(shape="(n)->(n)", dtype="int64")
    @numba.njit(fastmath=True)
    def rank(x: Any, out: Any) -> None:
        for i in range(x.size):
            for j in range(x.size):
                out[i] += x[j] < x[i]

    out = rank(gg.tensor(X, requires_grad=True))
    assert out.tolist() == np.argsort(np.argsort(X)).tolist()
    assert not out.requires_grad

    @gg.kernel(like="x", vjp=lambda g: (2.0 * g,))
    @numba.njit("void(f8[:], f8[:])")
    def doubled(x: Any, out: Any) -> None:
        out[:] = 2.0 * x

    check_grads(doubled, (X,))


def test_a_shape_that_is_computed() -> None:
    @gg.kernel(shape=lambda x, n: (n, *x.shape), dtype=np.float64, vjp=lambda g: (gg.sum(g, axis=0), None))
    def copies(x: Any, n: Any, out: Any) -> None:
        for k in range(n):
            out[k] = x

    assert copies(X, 3).shape == (3, 6)
    check_grads(lambda x: copies(x, 3), (X,))


def test_a_value_is_not_shared_with_its_argument() -> None:
    x = np.zeros(3)
    y = exponential(gg.asarray(x))
    x[:] = 1.0
    assert y.tolist() == [1.0, 1.0, 1.0]


# ---- what does not fit -------------------------------------------------------------------------------------------------------


def test_arguments_that_do_not_fit() -> None:
    with pytest.raises(
        errors.ShapeError, match=r"x has shape \(5,\); expected \(n\) of \(m,n\),\(n\)->\(m\),\(\) with m=3, n=6"
    ):
        product_and_square(A, X[:5])
    with pytest.raises(errors.ShapeError, match=r"a has shape \(6,\); expected \(m, n\)"):
        product_and_square(X, X)
    with pytest.raises(errors.DtypeError, match=r"x is of dtype float16.*x.astype\('float32'\)"):
        decayed(X.astype(np.float16), 0.5)
    with pytest.raises(errors.DtypeError, match="not numbers alone"):
        decayed(1.0, 0.5)
    with pytest.raises(errors.ShapeError, match=r"output y is said to be like the number 1\.0"):
        decayed(1.0, X)
    with pytest.raises(TypeError, match="kernel _decayed takes x, rate; it got 1 arguments"):
        decayed(X)
    with pytest.raises(errors.ShapeError, match=r"shape= returned 3; expected a shape"):
        gg.kernel(lambda x, y: None, shape=lambda x: 3)(X)


def test_what_numba_cannot_compile_names_the_line() -> None:
    @gg.kernel(like="x")
    def wrong(x: Any, y: Any) -> None:
        for i in range(x.shape[0]):
            y[i] = x[i].missing()  # here

    with pytest.raises(errors.UnsupportedError) as caught:
        wrong(X)
    assert str(caught.value).endswith("y[i] = x[i].missing()  # here: Unknown attribute 'missing' of type float64")
    assert "kernel wrong cannot be compiled for (float64, 1-D, float64, 1-D), test_kernel.py:" in str(caught.value)
    with pytest.raises(errors.UnsupportedError, match=r"y\[i, 0\] = x\[i\]"):
        gg.kernel(_two_axes, like="x")(X)

    @gg.kernel(like="x")
    def unknown(x: Any, y: Any) -> None:
        y[0] = not_there(x[0])  # noqa: F821

    with pytest.raises(errors.UnsupportedError, match="not_there"):
        unknown(X)

    @gg.kernel(like="x")
    def opens(x: Any, y: Any) -> None:
        with open("file") as f:
            y[0] = f.read()

    with pytest.raises(errors.UnsupportedError, match=r"test_kernel.py:\d+: .*'with"):
        opens(X)


def _two_axes(x: Any, y: Any) -> None:
    for i in range(x.shape[0]):
        y[i, 0] = x[i]


def test_writing_into_an_argument_and_returning() -> None:
    @gg.kernel(like="x")
    def overwrites(x: Any, y: Any) -> None:
        x[0] = 1.0

    with pytest.raises(errors.UnsupportedError, match=r"x\[0\] = 1.0: it writes into one of its arguments"):
        overwrites(X)
    with pytest.raises(errors.UnsupportedError, match="returns something"):
        gg.kernel(lambda x, y: x.sum(), like="x")(X)


@pytest.mark.parametrize("compile", [lambda f: f, gg.jit])
def test_what_a_kernel_raises(compile: Any) -> None:
    @gg.kernel(like="x")
    def positive(x: Any, y: Any) -> None:
        if x[0] < 0.0:
            raise ValueError("too small")

    positive(np.ones(2))
    with pytest.raises(errors.GpugradError, match=r"kernel positive raised ValueError: too small") as caught:
        compile(lambda x: positive(x) + 1.0)(-np.ones(2))
    assert isinstance(caught.value.__cause__, ValueError)


def test_declarations_that_are_wrong() -> None:
    def f(x: Any, y: Any) -> None: ...

    for declare in (
        lambda: gg.kernel(f),
        lambda: gg.kernel(f, like="x", shape="(n)->(n)"),
        lambda: gg.kernel(f, like="y"),
        lambda: gg.kernel(f, like=["x", "x"]),
        lambda: gg.kernel(f, shape="(n),(n)->(n)"),
        lambda: gg.kernel(f, shape="(n)->(m)"),
        lambda: gg.kernel(f, shape=lambda x, y: x.shape),
        lambda: gg.kernel(f, like="x", dtype=["int64", "int64"]),
        lambda: gg.kernel(f, like="x", vjp=lambda g, z: (g,)),
        lambda: gg.kernel(f, like="x", jvp=lambda ts, z: ts[0]),
        lambda: gg.kernel(lambda x, y=1: None, like="x"),
        lambda: gg.kernel(np.exp, like="x"),
    ):
        with pytest.raises(errors.GpugradError, match="kernel"):
            declare()


def test_rules_that_do_not_fit() -> None:
    total = lambda f: gg.grad(lambda x: gg.sum(f(x)))
    for vjp, said in (
        (lambda g: (g, g), "a tuple of 2; expected a tuple of 1 cotangents, one for each of x"),
        (lambda g: g, "returned Tensor; expected a tuple of 1"),
        (lambda g: (g[1:],), r"cotangent of argument 0 of shape \(5,\); expected \(6,\)"),
    ):
        with pytest.raises(errors.ShapeError, match=said):
            total(gg.kernel(_squared, like="x", vjp=vjp))(X)
    with pytest.raises(errors.ShapeError, match=r"jvp returned shape \(5,\); expected \(6,\)"):
        gg.jvp(gg.kernel(_squared, like="x", jvp=lambda ts: ts[0][1:]), (X,), (X,))


def _squared(x: Any, y: Any) -> None:
    for i in range(x.shape[0]):
        y[i] = x[i] * x[i]


def test_derivatives_without_a_rule() -> None:
    assert ruleless(X).tolist() == (X * X).tolist()
    for f in (gg.grad(lambda x: gg.sum(ruleless(x))), lambda x: gg.jvp(ruleless, (x,), (x,))):
        with pytest.raises(errors.GraphError, match=r"kernel ruleless: .* vjp=lambda g"):
            f(X)
    for inner, said in (
        (ruleless, "has no vjp="),
        (gg.kernel(_squared, like="x", vjp=lambda g, x: (2.0 * x * g,)), "is not linear in x: its vjp reads them"),
    ):
        outer = gg.kernel(_squared, like="x", vjp=_calling(inner))
        with pytest.raises(errors.GraphError, match=f"{said}.*forward mode of a kernel without jvp="):
            gg.jvp(outer, (X,), (X,))
    with pytest.raises(errors.GraphError, match="kernel ruleless"):  # the second order
        gg.grad(
            lambda x: gg.sum(
                gg.grad(lambda x: gg.sum(gg.kernel(_squared, like="x", vjp=lambda g, x: (ruleless(x),))(x)))(x)
            )
        )(X)
    served = gg.kernel(_squared, like="x", jvp=lambda ts, x: 2.0 * x * ts[0])
    check_grads(served, (X,))  # reverse mode by transposition


def _calling(inner: Any) -> Any:
    return lambda g: (inner(g),)
