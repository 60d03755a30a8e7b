"""Transforms in any order: every pair and most triples, against the truth.

Every transform here, with its directions fixed, is linear in the function and commutes with shifts. So what a chain of
them makes of f is a sum of terms c · f⁽ⁿ⁾(x + a), which a few lines of Python work out; and f is chosen so that
all of its derivatives are known: f(x) = Σ W exp(b x), in which a batched or differentiated number x is broadcast.
"""

from __future__ import annotations

import itertools as it
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import gpugrad as gg

F = Callable[[Any], Any]
Terms = list[tuple[float, int, float]]
"""(c, n, a) for each term c · f⁽ⁿ⁾(x + a)."""

W = np.array([[0.5, -1.0, 0.25], [1.0, 0.75, -0.5]])
B = np.array([0.9, -0.7, 1.3])
K = np.array([2.0, -0.5])
SHIFTS = np.array([-0.2, 0.0, 0.4])
WEIGHTS = np.array([0.5, 2.0, -1.5])
X = 0.3


def f(x: Any) -> Any:
    return gg.sum(gg.matmul(W, gg.exp(x * B)))


def truth(terms: Terms, x: float) -> float:
    return float(sum(c * np.sum(W @ (B**n * np.exp(B * (x + a)))) for c, n, a in terms))


@dataclass(frozen=True)
class Transform:
    """What it makes of a function of one number, and what that means."""

    name: str
    apply: Callable[[F], F]
    factor: float = 1.0
    order: int = 0
    shifted: bool = False

    def meaning(self, terms: Terms) -> Terms:
        """The terms after it."""
        if self.shifted:
            terms = [(c * w, n, a + s) for c, n, a in terms for s, w in zip(SHIFTS, WEIGHTS, strict=True)]
        return [(c * self.factor, n + self.order, a) for c, n, a in terms]


def with_vjp_rule(f: F) -> F:
    g = gg.custom_vjp(f)
    g.defvjp(lambda x: (f(x), x), lambda x, ct: (ct * gg.grad(f)(x),))
    return g


def with_jvp_rule(f: F) -> F:
    g = gg.custom_jvp(f)
    g.defjvp(lambda primals, tangents: gg.jvp(f, primals, tangents))
    return g


TRANSFORMS = [
    Transform("grad", gg.grad, 1, 1),
    Transform("grad of a closure", lambda f: lambda x: gg.grad(lambda d: f(x + d))(0.0), 1, 1),
    Transform("vjp", lambda f: lambda x: gg.vjp(f, x)[1](3.0)[0], 3, 1),
    Transform("jvp", lambda f: lambda x: gg.jvp(f, (x,), (2.0,))[1], 2, 1),
    Transform("jvp of a closure", lambda f: lambda x: gg.jvp(lambda d: f(x + d), (0.0,), (2.0,))[1], 2, 1),
    Transform("vmap", lambda f: lambda x: gg.sum(gg.vmap(f)(x + SHIFTS) * WEIGHTS), shifted=True),
    Transform("vmap of a closure", lambda f: lambda x: gg.sum(gg.vmap(lambda a: f(a + x))(SHIFTS) * WEIGHTS), shifted=True),
    Transform("jacfwd", lambda f: lambda x: gg.sum(gg.jacfwd(lambda v: f(x + gg.sum(v * K)) * K)(np.zeros(2))), K.sum() ** 2, 1),
    Transform("jacrev", lambda f: lambda x: gg.sum(gg.jacrev(lambda v: f(x + gg.sum(v * K)) * K)(np.zeros(2))), K.sum() ** 2, 1),
    Transform("hessian", lambda f: lambda x: gg.sum(gg.hessian(lambda v: f(x + gg.sum(v * K)))(np.zeros(2))), K.sum() ** 2, 2),
    Transform("hvp", lambda f: lambda x: gg.hvp(f, (x,), (-1.5,)), -1.5, 2),
    Transform("linearize", lambda f: lambda x: gg.linearize(f, x)[1](2.5), 2.5, 1),
    Transform("checkpoint", gg.checkpoint),
    Transform("checkpoint of a closure", lambda f: lambda x: gg.checkpoint(lambda d: f(x + d))(0.0)),
    Transform("custom_vjp", with_vjp_rule),
    Transform("custom_jvp", with_jvp_rule),
    Transform("cond", lambda f: lambda x: gg.cond(x > X, f, lambda x: f(x), x)),
    Transform("while_loop", lambda f: lambda x: f(gg.while_loop(lambda c: c[0] < 2.0 * c[1] + 1.0, lambda c: (c[0] + 1.0, c[1]), (0.0 * x, x))[1])),
    Transform("scan", lambda f: lambda x: gg.scan(lambda c, sw: (c + sw[1] * f(x + sw[0]), None), 0.0 * x, (SHIFTS, WEIGHTS))[0], shifted=True),
]  # fmt: skip
PAIRS = list(it.product(TRANSFORMS, repeat=2))
FLOW = {"cond", "while_loop", "scan"}
TRIPLES = [
    t for t in it.product(TRANSFORMS, repeat=3) if sum(s.order for s in t) <= 4 and sum(s.name in FLOW for s in t) <= 1
]

chains = lambda which: pytest.mark.parametrize("chain", which, ids=lambda chain: " of ".join(s.name for s in chain))


def composed(chain: tuple[Transform, ...]) -> tuple[F, Terms]:
    """The chain applied to ``f``, the last one first; and what it means."""
    g: F = f
    terms: Terms = [(1.0, 0, 0.0)]
    for transform in reversed(chain):
        g = transform.apply(g)
        terms = transform.meaning(terms)
    return g, terms


@chains([(t,) for t in TRANSFORMS])
def test_single(chain: tuple[Transform, ...]) -> None:
    g, terms = composed(chain)
    np.testing.assert_allclose(float(g(X)), truth(terms, X), rtol=1e-12)


@chains(PAIRS)
def test_pairs(chain: tuple[Transform, ...]) -> None:
    g, terms = composed(chain)
    np.testing.assert_allclose(float(g(X)), truth(terms, X), rtol=1e-11)


@chains([*PAIRS, *TRIPLES])
def test_on_the_eager_tape(chain: tuple[Transform, ...]) -> None:
    """A chain applied to a tensor with requires_grad, then ``backward``."""
    g, terms = composed(chain)
    x = gg.tensor(X, requires_grad=True)
    g(x).backward()
    np.testing.assert_allclose(float(x.grad), truth([(c, n + 1, a) for c, n, a in terms], X), rtol=1e-10)


@chains(TRIPLES)
def test_triples(chain: tuple[Transform, ...]) -> None:
    g, terms = composed(chain)
    np.testing.assert_allclose(float(g(X)), truth(terms, X), rtol=1e-10)


# ---- which derivative is which ----------------------------------------------------------------------------------------


def derivatives_of_one_number() -> list[Any]:
    return [
        pytest.param(gg.grad, id="grad"),
        pytest.param(lambda f: lambda x: gg.jvp(f, (x,), (1.0,))[1], id="jvp"),
        pytest.param(lambda f: lambda x: gg.linearize(f, x)[1](1.0), id="linearize"),
        pytest.param(gg.jacfwd, id="jacfwd"),
        pytest.param(gg.jacrev, id="jacrev"),
    ]


@pytest.mark.parametrize("outer", derivatives_of_one_number())
@pytest.mark.parametrize("inner", derivatives_of_one_number())
class TestPerturbations:
    """Examples on which an implementation that confuses the perturbations of two derivatives is wrong."""

    def test_siskind_pearlmutter(self, outer: Any, inner: Any) -> None:
        """d/dx x · d/dy (x + y): 1, not 2."""
        assert float(outer(lambda x: x * inner(lambda y: x + y)(2.0))(1.0)) == 1.0

    def test_product(self, outer: Any, inner: Any) -> None:
        """d/dx x · d/dy (x y): 2 x."""
        assert float(outer(lambda x: x * inner(lambda y: x * y)(2.0))(3.0)) == 6.0

    def test_outer_value_at_the_same_point(self, outer: Any, inner: Any) -> None:
        """d/dx of d/dy x y² at y = x: d/dx 2 x² = 4 x."""
        assert float(outer(lambda x: inner(lambda y: x * y * y)(x))(3.0)) == 12.0

    def test_constant_in_the_inner_variable(self, outer: Any, inner: Any) -> None:
        """d/dx of d/dy x² is 0."""
        with pytest.warns(gg.errors.GradientWarning) if inner in (gg.grad, gg.jacrev) else nullcontext():
            assert float(outer(lambda x: inner(lambda y: x * x)(1.0) + 0.0 * x)(3.0)) == 0.0

    def test_three_deep(self, outer: Any, inner: Any) -> None:
        """d/dx d/dy d/dz of x y² z³ at x = y = z = 2, one inside another."""
        got = outer(lambda x: inner(lambda y: outer(lambda z: x * y**2 * z**3)(2.0))(2.0))(2.0)
        assert float(got) == 2 * 2 * 3 * 2**2


# ---- the batched operand is itself broadcast --------------------------------------------------------------------------

TWO = {
    "add": gg.add,
    "subtract": gg.subtract,
    "multiply": gg.multiply,
    "divide": gg.divide,
    "pow": gg.pow,
    "maximum": gg.maximum,
    "atan2": gg.atan2,
    "logaddexp": gg.logaddexp,
    "where": lambda x, y: gg.where(x > y, x, y * y),
    "matmul": lambda x, y: gg.matmul(gg.expand_dims(x, -1), gg.expand_dims(y, -2)) if x.ndim and y.ndim else x * y,
}
SHAPES = [((), (2, 3)), ((3,), (2, 3)), ((2, 1), (2, 3)), ((1,), (2, 3)), ((2, 3), (3,)), ((2, 3), ()), ((4, 1, 3), (2, 1))]  # fmt: skip


@pytest.mark.parametrize("name", TWO)
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@pytest.mark.parametrize("axes", [(0, None), (None, 0), (0, 0)], ids=str)
def test_batched_operand_is_broadcast(name: str, shapes: Any, axes: Any, rng: Any) -> None:
    """vmap of grad, of jvp and of hvp against a loop, where the batch and the broadcast axes could be mistaken for each other."""
    x, y = (rng.uniform(0.5, 1.5, s if ax is None else (2, *s)) for s, ax in zip(shapes, axes, strict=True))

    def every(x: Any, y: Any) -> Any:
        total = lambda x, y: gg.sum(gg.sin(TWO[name](x, y)))
        ones = (x * 0 + 1.0, y * 0 + 2.0)
        return (*gg.grad(total, (0, 1))(x, y), gg.jvp(TWO[name], (x, y), ones)[1], *gg.hvp(total, (x, y), ones))

    got = gg.vmap(every, in_axes=axes)(x, y)
    loop = [every(x if axes[0] is None else x[k], y if axes[1] is None else y[k]) for k in range(2)]
    for g, *items in zip(got, *loop, strict=True):
        np.testing.assert_allclose(g.numpy(), np.stack([i.numpy() for i in items]), rtol=1e-12, atol=1e-13)


# ---- arrays and containers ----------------------------------------------------------------------------------------------


def coupled(x: Any) -> Any:
    return gg.sum(gg.sin(x) * gg.cumulative_sum(x * x))


@pytest.fixture
def x3() -> Any:
    return np.array([0.4, -0.3, 0.8])


def by_differences(f: F, x: Any, h: float = 1e-5) -> Any:
    """The Jacobian, an argument axis last."""
    columns = [(f(x + h * e).numpy() - f(x - h * e).numpy()) / (2 * h) for e in np.eye(x.size)]
    return np.stack(columns, axis=-1)


def test_hessians_agree(x3: Any) -> None:
    wanted = by_differences(gg.grad(coupled), x3)
    for second in (
        gg.hessian(coupled),
        gg.jacrev(gg.grad(coupled)),
        gg.jacfwd(gg.jacfwd(coupled)),
        gg.jacrev(gg.jacfwd(coupled)),
        gg.jacobian(gg.jacobian(coupled)),
    ):
        np.testing.assert_allclose(second(x3).numpy(), wanted, rtol=1e-7, atol=1e-8)
    v = np.array([1.0, -2.0, 0.5])
    np.testing.assert_allclose(gg.hvp(coupled, (x3,), (v,)).numpy(), wanted @ v, rtol=1e-7)
    np.testing.assert_allclose(gg.grad(lambda x: gg.sum(gg.grad(coupled)(x) * v))(x3).numpy(), wanted @ v, rtol=1e-7)


def oblong(x: Any) -> Any:
    """Two rows of four numbers from a matrix of two rows of three."""
    return gg.matmul(gg.sin(x), C) * gg.sum(x, axis=0)[:1]


C = np.arange(12.0).reshape(3, 4) / 10 - 0.5
JACOBIANS = [gg.jacfwd, gg.jacrev, gg.jacobian]


@pytest.mark.parametrize("jacobian", JACOBIANS)
@pytest.mark.parametrize("chunk_size", [None, 1, 4])
def test_jacobian_of_a_matrix(jacobian: Any, chunk_size: Any, rng: Any) -> None:
    x = rng.normal(size=(2, 3))
    got = jacobian(oblong, chunk_size=chunk_size)(x)
    wanted = by_differences(lambda v: oblong(v.reshape(2, 3)), x.reshape(-1)).reshape(2, 4, 2, 3)
    np.testing.assert_allclose(got.numpy(), wanted, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("jacobian", JACOBIANS)
def test_jacobian_of_containers(jacobian: Any, rng: Any) -> None:
    """The container of the results, with that of the arguments inside; one per argument if several are named."""
    p, s = {"w": rng.normal(size=(2, 3)), "b": rng.normal(size=2)}, rng.normal()
    f = lambda p, s: {"y": gg.matmul(p["w"], gg.arange(3.0)) * s + p["b"], "n": gg.sum(p["b"]) * s}
    by_p, by_s = (jacobian(f, argnums=0)(p, s), jacobian(f, argnums=1)(p, s))
    np.testing.assert_allclose(by_p["y"]["w"].numpy(), np.einsum("ij,k->ijk", np.eye(2), np.arange(3.0)) * s)
    np.testing.assert_allclose(by_p["y"]["b"].numpy(), np.eye(2))
    np.testing.assert_allclose(by_p["n"]["b"].numpy(), [s, s])
    np.testing.assert_allclose(by_p["n"]["w"].numpy(), np.zeros((2, 3)))
    np.testing.assert_allclose(by_s["y"].numpy(), p["w"] @ np.arange(3.0))
    both = jacobian(f, argnums=(0, 1))(p, s)
    np.testing.assert_allclose(both["y"][0]["w"].numpy(), by_p["y"]["w"].numpy())
    np.testing.assert_allclose(both["n"][1].numpy(), p["b"].sum())


def test_jacobians_of_a_jacobian_under_vmap(x3: Any) -> None:
    batch = np.stack([x3, x3 * 2, x3 - 1])
    for second in (gg.hessian(coupled), gg.jacrev(gg.grad(coupled))):
        got = gg.vmap(second)(batch).numpy()
        np.testing.assert_allclose(got, np.stack([second(x).numpy() for x in batch]), rtol=1e-12, atol=1e-13)


def test_per_example_gradients(rng: Any) -> None:
    """vmap(grad) over examples, parameters shared, in containers, against a loop."""
    parameters = {"w": rng.normal(size=(3, 2)), "b": rng.normal(size=2)}
    xs, ys = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))

    def loss(p: Any, x: Any, y: Any) -> Any:
        return gg.sum((gg.tanh(gg.matmul(x, p["w"]) + p["b"]) - y) ** 2)

    got = gg.vmap(gg.grad(loss), in_axes=(None, 0, 0))(parameters, xs, ys)
    for k in range(5):
        alone = gg.grad(loss)(parameters, xs[k], ys[k])
        for name in parameters:
            np.testing.assert_allclose(got[name][k].numpy(), alone[name].numpy(), rtol=1e-12)


def test_axes_of_vmap(rng: Any) -> None:
    x, y = rng.normal(size=(3, 4, 2)), rng.normal(size=(4, 5))
    got = gg.vmap(lambda x, y: (gg.matmul(x, y), gg.sum(x)), in_axes=(2, None), out_axes=(1, 0))(x, y)
    np.testing.assert_allclose(got[0].numpy(), np.stack([x[..., k] @ y for k in range(2)], axis=1))
    np.testing.assert_allclose(got[1].numpy(), x.sum((0, 1)))
    chunked = gg.vmap(lambda x: gg.sum(x * x), in_axes=-1, chunk_size=1)(x)
    np.testing.assert_allclose(chunked.numpy(), (x * x).sum((0, 1)))


def test_vmap_of_vmap_over_different_axes(rng: Any) -> None:
    a, b = rng.normal(size=(3, 2)), rng.normal(size=(4, 2))
    table = gg.vmap(gg.vmap(lambda u, v: gg.sum(u * v), in_axes=(None, 0)), in_axes=(0, None))(a, b)
    np.testing.assert_allclose(table.numpy(), a @ b.T)
    rows = gg.vmap(gg.vmap(gg.grad(lambda u, v: gg.sum(gg.sin(u) * v)), in_axes=(None, 0)), in_axes=(0, None))(a, b)
    np.testing.assert_allclose(rows.numpy(), np.cos(a)[:, None] * b[None])


def two_arguments(x: Any, w: Any) -> Any:
    return gg.sum(gg.sin(x * w) * w)


def rules_of_two_arguments() -> list[Any]:
    """The function above as each kind of call."""
    reverse, forward = gg.custom_vjp(two_arguments), gg.custom_jvp(two_arguments)
    reverse.defvjp(
        lambda x, w: (two_arguments(x, w), (x, w)),
        lambda xw, g: tuple(g * d for d in gg.grad(two_arguments, (0, 1))(*xw)),
    )
    forward.defjvp(lambda primals, tangents: gg.jvp(two_arguments, primals, tangents))
    return [
        pytest.param(gg.checkpoint(two_arguments), id="checkpoint"),
        pytest.param(reverse, id="custom_vjp"),
        pytest.param(forward, id="custom_jvp"),
    ]


@pytest.mark.parametrize("call", rules_of_two_arguments())
@pytest.mark.parametrize("axes", [(0, None), (None, 0), (0, 0)], ids=str)
def test_calls_with_a_shared_argument(call: Any, axes: Any, rng: Any) -> None:
    """A batch of which one argument is shared: derivatives taken outside and inside of vmap."""
    x, w = (rng.normal(size=(2, 3) if ax is None else (4, 2, 3)) for ax in axes)
    tangents = (rng.normal(size=x.shape), rng.normal(size=w.shape))

    def every(f: Any) -> list[Any]:
        mapped = gg.vmap(f, in_axes=axes)
        total = lambda x, w: gg.sum(mapped(x, w) ** 2)
        results = [*gg.grad(total, (0, 1))(x, w), gg.jvp(total, (x, w), tangents)[1], *gg.hvp(total, (x, w), tangents)]
        results += gg.vmap(gg.grad(f, (0, 1)), in_axes=axes)(x, w)
        leaves = [gg.tensor(a, requires_grad=True) for a in (x, w)]
        total(*leaves).backward()
        return results + [leaf.grad for leaf in leaves]

    for got, wanted in zip(every(call), every(two_arguments), strict=True):
        np.testing.assert_allclose(got.numpy(), wanted.numpy(), rtol=1e-12, atol=1e-13)


def test_checkpoint_reaches_what_it_closes_over() -> None:
    w, x = np.array([1.0, 2.0]), np.array([0.5, -0.5])
    tw, tx = gg.tensor(w, requires_grad=True), gg.tensor(x, requires_grad=True)
    gg.sum(gg.checkpoint(lambda x: gg.sin(x * tw) * tw)(tx)).backward()
    np.testing.assert_allclose(tw.grad.numpy(), x * np.cos(x * w) * w + np.sin(x * w))
    np.testing.assert_allclose(tx.grad.numpy(), w**2 * np.cos(x * w))


def test_what_has_no_derivative_is_still_a_tensor() -> None:
    """A value that no derivative flows through has a tensor's methods, whichever transform runs."""

    def f(x: Any) -> Any:
        steps = gg.floor(x)
        steps[0] = x[1]
        return gg.sum(steps.astype("float64").reshape(3) * x) + (x > 0).sum() * 0

    x, v = np.array([0.5, 1.5, -2.5]), np.array([1.0, -2.0, 3.0])
    wanted = np.array([x[1], x[0] + 1.0, -3.0])
    np.testing.assert_allclose(gg.grad(f)(x).numpy(), wanted)
    np.testing.assert_allclose(gg.vmap(gg.grad(f))(x[None]).numpy(), wanted[None])
    np.testing.assert_allclose(float(gg.jvp(f, (x,), (v,))[1]), wanted @ v)
    np.testing.assert_allclose(float(gg.linearize(f, x)[1](v)), wanted @ v)
    np.testing.assert_allclose(gg.hvp(f, (x,), (v,)).numpy(), [v[1], v[0], 0.0])


def test_gradient_of_a_training_step() -> None:
    """The derivative of the loss after a step of gradient descent, with respect to the step's length."""
    start, target = np.array([1.0, -2.0]), np.array([0.3, 0.7])
    loss = lambda w: gg.sum((w - target) ** 2)
    after = lambda rate: loss(start - rate * gg.grad(loss)(start))
    rate = 0.1
    wanted = -8 * (1 - 2 * rate) / 2 * np.sum((start - target) ** 2)  # of (1 - 2 r)² Σ (w - t)²
    for derivative in (gg.grad(after), lambda r: gg.jvp(after, (r,), (1.0,))[1]):
        np.testing.assert_allclose(float(derivative(rate)), wanted, rtol=1e-12)
