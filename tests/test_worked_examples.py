"""Examples that textbooks work by hand, and programs whose derivative no formula has."""

from __future__ import annotations

import itertools as it
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import gpugrad as gg

# ---- f(x₁, x₂) = ln x₁ + x₁ x₂ - sin x₂ at (2, 5), of Griewank's and Baydin's tables --------------------------------------


def griewank(x1: Any, x2: Any) -> Any:
    return gg.log(x1) + x1 * x2 - gg.sin(x2)


def test_griewank_forward() -> None:
    y, tangent = gg.jvp(griewank, (2.0, 5.0), (1.0, 0.0))
    assert float(y) == pytest.approx(11.652, abs=5e-4)
    assert float(tangent) == pytest.approx(5.5, rel=1e-15)


def test_griewank_reverse_with_every_intermediate() -> None:
    x1, x2 = gg.tensor(2.0, requires_grad=True), gg.tensor(5.0, requires_grad=True)
    with gg.keep_values():
        y = griewank(x1, x2)
    y.backward(retain_graph=True)
    assert float(y) == pytest.approx(11.652, abs=5e-4)
    assert float(x1.grad) == pytest.approx(5.5, rel=1e-15)
    assert float(x2.grad) == pytest.approx(1.716, abs=5e-4)
    v5 = y.grad_fn
    v4, v3 = v5.inputs
    v1, v2 = v4.inputs
    assert [v.name for v in (v1, v2, v3, v4, v5)] == ["log", "multiply", "sin", "add", "subtract"]
    assert [float(v.value) for v in (v1, v2, v3, v4, v5)] == pytest.approx(
        [0.693, 10, -0.959, 10.693, 11.652], abs=5e-4
    )
    assert [float(v.adjoint) for v in (v1, v2, v3, v4, v5)] == [1, 1, -1, 1, 1]


def test_values_are_not_kept_unless_asked_for() -> None:
    y = gg.sin(gg.tensor(2.0, requires_grad=True))
    with pytest.raises(gg.errors.GraphError, match="keep_values"):
        _ = y.grad_fn.value


# ---- vectors and matrices -------------------------------------------------------------------------------------------------


def test_vjp_of_powers_of_two() -> None:
    """The Jacobian of x 2ᵏ is diagonal, and vᵀJ is v 2ᵏ."""
    x, v = np.array([0.7, -1.2, 3.0]), np.array([0.1, 1.0, 1e-4])
    for k in (1, 9):
        y, pull = gg.vjp(lambda x, k=k: x * 2.0**k, x)
        np.testing.assert_array_equal(y.numpy(), x * 2.0**k)
        np.testing.assert_array_equal(pull(v)[0].numpy(), v * 2.0**k)


def test_through_a_loop_that_looks_at_the_data() -> None:
    """Doubled until the norm passes 1000, as in PyTorch's tutorial: the derivative is the power of two that came out."""
    start, v = np.array([0.7, -1.2, 3.0]), np.array([0.1, 1.0, 1e-4])
    x = gg.tensor(start, requires_grad=True)
    y = x * 2
    doublings = 1
    while gg.linalg.vector_norm(y) < 1000:
        y = y * 2
        doublings += 1
    assert doublings == math.ceil(math.log2(1000 / np.linalg.norm(start)))
    y.backward(v)
    np.testing.assert_array_equal(x.grad.numpy(), v * 2.0**doublings)


@pytest.fixture
def matrices(rng: Any) -> Any:
    return rng.normal(size=(4, 4)), rng.normal(size=(4, 4)), rng.normal(size=4)


def test_gradient_of_log_det_is_the_inverse_transpose(matrices: Any) -> None:
    a, _, _ = matrices
    log_det = lambda a: gg.log(gg.abs(gg.linalg.det(a)))
    np.testing.assert_allclose(gg.grad(log_det)(a).numpy(), np.linalg.inv(a).T, rtol=1e-11)
    slog_det = lambda a: gg.linalg.slogdet(a)[1]
    np.testing.assert_allclose(gg.grad(slog_det)(a).numpy(), np.linalg.inv(a).T, rtol=1e-11)


def test_gradient_of_the_trace_of_a_product(matrices: Any) -> None:
    a, b, _ = matrices
    np.testing.assert_allclose(gg.grad(lambda a: gg.linalg.trace(gg.matmul(a, b)))(a).numpy(), b.T, rtol=1e-15)


def test_gradient_of_a_quadratic_form(matrices: Any) -> None:
    a, _, x = matrices
    form = lambda x: gg.matmul(x, gg.matmul(a, x))
    np.testing.assert_allclose(gg.grad(form)(x).numpy(), (a + a.T) @ x, rtol=1e-13)
    np.testing.assert_allclose(gg.hessian(form)(x).numpy(), a + a.T, rtol=1e-13, atol=1e-14)


# ---- the logistic map: automatic against symbolic -------------------------------------------------------------------------


def logistic(x: Any, n: int) -> Any:
    """l₁ = x, lₙ₊₁ = 4 lₙ (1 - lₙ)."""
    for _ in range(n - 1):
        x = 4.0 * x * (1.0 - x)
    return x


def fourth(x: Any) -> Any:
    """l₄ in closed form."""
    return 64.0 * x * (1.0 - x) * (1.0 - 2.0 * x) ** 2 * (1.0 - 8.0 * x + 8.0 * x**2) ** 2


def operations(y: Any) -> int:
    """How many are on the tape."""
    seen, stack = set(), [y.grad_fn]
    while stack:
        node = stack.pop()
        if node is not None and node.name != "leaf" and node.index not in seen:
            seen.add(node.index)
            stack += node.inputs
    return len(seen)


def test_logistic_map() -> None:
    sympy = pytest.importorskip("sympy")
    x = sympy.Symbol("x")
    symbolic = sympy.diff(logistic(x, 4).subs({4.0: 4}), x)
    for at in (0.1, 0.3, 0.62):
        wanted = float(symbolic.subs(x, sympy.Rational(str(at))))
        for f in (lambda t: logistic(t, 4), fourth):
            assert float(gg.grad(f)(at)) == pytest.approx(wanted, rel=1e-12)
            assert float(gg.jvp(f, (at,), (1.0,))[1]) == pytest.approx(wanted, rel=1e-12)


def test_the_tape_grows_linearly_where_the_symbolic_derivative_explodes() -> None:
    sympy = pytest.importorskip("sympy")
    x = sympy.Symbol("x")
    depths = range(2, 7)
    on_tape = [operations(logistic(gg.tensor(0.3, requires_grad=True), n)) for n in depths]
    expanded = [sympy.count_ops(sympy.expand(sympy.diff(logistic(x, n).subs({4.0: 4, 1.0: 1}), x))) for n in depths]
    assert on_tape == [3 * (n - 1) for n in depths]
    assert all(later > 1.8 * earlier for earlier, later in it.pairwise(expanded))
    assert expanded[-1] > 5 * on_tape[-1]


# ---- automatic against numerical ------------------------------------------------------------------------------------------


def cubic(x: Any) -> Any:
    return 3.0 * x**3 - 5.0 * x**2


@pytest.mark.parametrize("x", [2.0, 0.3, -1.7])
def test_automatic_is_exact_and_differences_are_not(x: float) -> None:
    """For 3 x³ - 5 x² the error of a central difference is 3 h², that of a forward one (9 x - 5) h + 3 h², exactly."""
    exact = Fraction(x) ** 2 * 9 - Fraction(x) * 10
    for derivative in (float(gg.grad(cubic)(x)), float(gg.jvp(cubic, (x,), (1.0,))[1])):
        assert derivative == pytest.approx(float(exact), rel=1e-14)
    for h in (1e-1, 1e-2, 1e-3):
        forward = (cubic(x + h) - cubic(x)) / h - float(exact)
        central = (cubic(x + h) - cubic(x - h)) / (2 * h) - float(exact)
        rounding = 1e-15 / h * max(1.0, abs(cubic(x)))
        assert forward == pytest.approx((9 * x - 5) * h + 3 * h**2, abs=4 * rounding)
        assert central == pytest.approx(3 * h**2, abs=4 * rounding)


# ---- programs -------------------------------------------------------------------------------------------------------------


def branching(x: Any, seed: int, sin: Any, cos: Any) -> Any:
    """Recursion whose branches are drawn at random, and one that looks at the value."""
    rng = np.random.default_rng(seed)

    def step(x: Any, depth: int) -> Any:
        if depth == 0:
            return x
        if rng.random() < 0.3:
            return step(sin(x), depth - 1) * step(x, depth // 2)
        if x > 0.2:
            return step(x * x - 0.5, depth - 1)
        return cos(step(x + 0.3, depth - 1))

    return step(x, 6)


class Dual:
    """The chain rule in a dozen lines: an independent witness."""

    def __init__(self, x: float, t: float = 0.0) -> None:
        self.x, self.t = x, t

    def __add__(self, o: float) -> Dual:
        return Dual(self.x + o, self.t)

    def __sub__(self, o: float) -> Dual:
        return Dual(self.x - o, self.t)

    def __mul__(self, o: Dual) -> Dual:
        return Dual(self.x * o.x, self.t * o.x + self.x * o.t)

    def __gt__(self, o: float) -> bool:
        return self.x > o


def test_recursion_with_random_branches() -> None:
    dual_sin = lambda d: Dual(math.sin(d.x), d.t * math.cos(d.x))
    dual_cos = lambda d: Dual(math.cos(d.x), -d.t * math.sin(d.x))
    for seed in range(40):
        wanted = branching(Dual(0.7, 1.0), seed, dual_sin, dual_cos)
        f = lambda x, seed=seed: branching(x, seed, gg.sin, gg.cos)
        y, g = gg.value_and_grad(f)(0.7)
        assert (float(y), float(g)) == pytest.approx((wanted.x, wanted.t), rel=1e-13)
        assert float(gg.jvp(f, (0.7,), (1.0,))[1]) == pytest.approx(wanted.t, rel=1e-13)


def test_lagrange_multipliers_by_newton() -> None:
    """The largest x y on the ellipse x²/8 + y²/2 = 1 is at (2, 1), with multiplier 2."""

    def lagrangian(z: Any) -> Any:
        x, y, multiplier = z[0], z[1], z[2]
        return x * y - multiplier * (x * x / 8.0 + y * y / 2.0 - 1.0)

    slope = gg.grad(lagrangian)
    for curvature in (gg.hessian(lagrangian), gg.jacobian(slope)):
        z = gg.tensor([1.5, 1.5, 1.0])
        errors = []
        for _ in range(8):
            z = z - gg.linalg.solve(curvature(z), slope(z))
            errors.append(float(np.max(np.abs(z.numpy() - [2.0, 1.0, 2.0]))))
        assert errors[-1] < 1e-14
        small = [k for k, e in enumerate(errors[:-1]) if 1e-7 < e < 1e-1]
        assert small and all(errors[k + 1] < 2.0 * errors[k] ** 2 for k in small)
