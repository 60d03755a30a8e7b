"""Branches and loops as functions: on values as Python's own, under vmap item by item, in every mode of derivative."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import errors
from gpugrad.cuda.host import COMPILER
from gpugrad.testing import check_grads
from gpugrad.transforms.node import Node

XS = np.array([4.0, -1.0, 0.0, 9.0])


def root(x: Any) -> Any:
    return gg.cond(x > 0.0, gg.sqrt, lambda x: 0.0 * x, x)


# ---- cond ---------------------------------------------------------------------------------------------------------------


def test_a_plain_choice_runs_one_side() -> None:
    def never(x: Any) -> Any:
        raise AssertionError("not taken")

    assert float(gg.cond(True, gg.sin, never, gg.tensor(0.0))) == 0.0
    assert float(gg.grad(lambda x: gg.cond(x > 1.0, never, gg.exp, x))(gg.tensor(0.0))) == 1.0
    assert gg.cond(gg.tensor(2), lambda: {"a": 1}, never) == {"a": 1}


def test_items_go_their_own_way() -> None:
    """No square root of a negative number is taken, in value or in any derivative."""
    with np.errstate(all="raise"):
        np.testing.assert_allclose(gg.vmap(root)(XS).numpy(), [2.0, 0.0, 0.0, 3.0])
        slopes = np.array([0.25, 0.0, 0.0, 1 / 6])
        np.testing.assert_allclose(gg.vmap(gg.grad(root))(XS).numpy(), slopes)
        np.testing.assert_allclose(gg.grad(lambda x: gg.sum(gg.vmap(root)(x)))(XS).numpy(), slopes)
        np.testing.assert_allclose(gg.vmap(lambda x: gg.jvp(root, (x,), (2.0,))[1])(XS).numpy(), 2 * slopes)
        np.testing.assert_allclose(gg.vmap(lambda x: gg.linearize(root, x)[1](2.0))(XS).numpy(), 2 * slopes)
        np.testing.assert_allclose(gg.vmap(gg.hessian(root))(XS).numpy(), [-1 / 32, 0, 0, -1 / 108])
        x = gg.tensor(XS, requires_grad=True)
        gg.vmap(root)(x).sum().backward()
        np.testing.assert_allclose(x.grad.numpy(), slopes)


def test_each_side_is_called_once_with_its_items_alone() -> None:
    sizes: list[Any] = []

    def side(name: str) -> Callable[[Any], Any]:
        def branch(x: Any) -> Any:
            sizes.append((name, x._trace.size))
            return x * 2.0

        return branch

    gg.vmap(lambda x: gg.cond(x > 0.0, side("yes"), side("no"), x))(XS)
    assert sizes == [("yes", 2), ("no", 2)]
    sizes.clear()
    gg.vmap(lambda x: gg.cond(x > -5.0, side("yes"), side("no"), x))(XS)
    assert sizes == [("yes", 4)]


def two(x: Any, y: Any) -> Any:
    return gg.cond(x > y, lambda x, y: x * y * y, lambda x, y: gg.sin(x) + y, x, y)


NESTED = {
    "both inside": lambda f, x, y: gg.vmap(gg.vmap(f, in_axes=(None, 0)), in_axes=(0, None))(x, y),
    "the other order": lambda f, x, y: gg.vmap(gg.vmap(f, in_axes=(0, None)), in_axes=(None, 0), out_axes=1)(x, y),
}


@pytest.mark.parametrize("nest", NESTED.values(), ids=NESTED)
def test_nested_batches(nest: Any) -> None:
    x, y = np.array([0.1, 1.5, 3.0]), np.array([1.0, 0.5, 2.0, -1.0])
    table = [[two(a, b).item() for b in y] for a in x]
    np.testing.assert_allclose(nest(two, x, y).numpy(), table)
    for k in (0, 1):
        slopes = [[gg.grad(two, k)(gg.tensor(a), gg.tensor(b)).item() for b in y] for a in x]
        np.testing.assert_allclose(nest(gg.grad(two, k), x, y).numpy(), slopes)
    of_sum = gg.grad(lambda x, y: gg.sum(nest(two, x, y) ** 2), (0, 1))(x, y)
    full = np.array(table)
    for k, g in enumerate(of_sum):
        slopes = np.array([[gg.grad(two, k)(gg.tensor(a), gg.tensor(b)).item() for b in y] for a in x])
        np.testing.assert_allclose(g.numpy(), (2 * full * slopes).sum(1 - k))


def test_a_condition_of_one_batch_and_operands_of_another() -> None:
    x, y = np.array([1.0, -1.0]), np.array([2.0, 3.0, 4.0])
    f = lambda x, y: gg.cond(x > 0.0, lambda y: y**2, lambda y: -y, y)
    got = gg.vmap(gg.vmap(gg.grad(f, 1), in_axes=(None, 0)), in_axes=(0, None))(x, y)
    np.testing.assert_allclose(got.numpy(), [[4.0, 6.0, 8.0], [-1.0, -1.0, -1.0]])


def test_an_operand_that_all_share_gets_a_gradient_for_each_item() -> None:
    f = lambda y: gg.grad(lambda c: gg.cond(y > 0.0, lambda c, y: c * y, lambda c, y: c**2, c, y))(gg.tensor(3.0))
    np.testing.assert_allclose(gg.vmap(f)(np.array([2.0, -1.0])).numpy(), [2.0, 6.0])


def test_containers_booleans_and_integers() -> None:
    f = lambda x: gg.cond(
        x > 0.0, lambda x: {"b": x > 1.0, "i": gg.astype(x, "int32")}, lambda x: {"b": x < 1.0, "i": gg.zeros_like(x, dtype="int32")}, x
    )  # fmt: skip
    got = gg.vmap(f)(np.array([0.5, 2.0, -3.0]))
    assert got["b"].tolist() == [False, True, True]
    assert got["i"].tolist() == [0, 2, 0] and got["i"].dtype == np.int32


def test_what_a_branch_closes_over() -> None:
    """All items share it, or none of the operands meets it: it works. Otherwise it says what to do."""
    c = gg.tensor(3.0, requires_grad=True)
    gg.vmap(lambda x: gg.cond(x > 0.0, lambda x: c * x, lambda x: x, x))(XS).sum().backward()
    assert float(c.grad) == 13.0
    np.testing.assert_allclose(
        gg.vmap(lambda x: gg.cond(x > 0.0, lambda: 2.0 * x, lambda: -x))(XS).numpy(), [8, 1, 0, 18]
    )
    for f in (
        lambda x: gg.cond(x > 0.0, lambda y: x * y, lambda y: y, 2.0 * x),
        lambda x: gg.grad(lambda c: gg.cond(x > 0.0, lambda x: c * x, lambda x: x, x))(gg.tensor(1.0)),
    ):
        with pytest.raises(errors.TraceError, match=r"closes over .* as an operand of gg\.cond"):
            gg.vmap(f)(XS)


# ---- while ----------------------------------------------------------------------------------------------------------------


def newton(x: Any) -> Any:
    """√x, in as many steps as it takes."""
    done = lambda c: gg.abs(c[0] * c[0] - c[1]) > 1e-12 * c[1]
    return gg.while_loop(done, lambda c: (0.5 * (c[0] + c[1] / c[0]), c[1]), (0.5 * (x + 1.0), x))[0]


def test_newtons_iteration_is_differentiated() -> None:
    x = np.array([1.0, 2.0, 1e4, 0.09])
    np.testing.assert_allclose(gg.vmap(newton)(x).numpy(), np.sqrt(x))
    np.testing.assert_allclose(gg.vmap(gg.grad(newton))(x).numpy(), 0.5 / np.sqrt(x))
    np.testing.assert_allclose(gg.vmap(lambda x: gg.jvp(newton, (x,), (1.0,))[1])(x).numpy(), 0.5 / np.sqrt(x))
    check_grads(newton, (gg.tensor(2.0),))


def test_items_that_are_done_are_not_computed() -> None:
    sizes: list[int] = []

    def body(c: Any) -> Any:
        sizes.append(c[1]._trace.size)
        return c[0] + 1, c[1] * 2.0, c[2]

    n = np.array([0, 3, 1, 2])
    got = gg.vmap(lambda n: gg.while_loop(lambda c: c[0] < c[2], body, (0 * n, 1.0 + 0.0 * n, n))[1])(n)
    assert got.tolist() == [1.0, 8.0, 2.0, 4.0]
    assert sizes == [3, 2, 1]


def test_until_the_norm_passes_1000() -> None:
    x, v = np.array([[0.7, -1.2, 3.0], [100.0, 5.0, 7.0]]), np.array([0.1, 1.0, 1e-4])
    f = lambda x: gg.while_loop(lambda y: gg.linalg.vector_norm(y) < 1000.0, lambda y: y * 2.0, x * 2.0)
    powers = 2.0 ** np.ceil(np.log2(1000.0 / np.linalg.norm(x, axis=1)))
    np.testing.assert_array_equal(gg.vmap(lambda x: gg.vjp(f, x)[1](v)[0])(x).numpy(), v * powers[:, None])


def test_a_carry_that_all_share_until_items_part() -> None:
    """A counter that is the same for all items stops with each of them."""
    f = lambda x: gg.while_loop(lambda c: c[1] < 10.0, lambda c: (c[0] + 1, c[1] * c[2], c[2]), (0, x, x))[0]
    assert gg.vmap(f)(np.array([2.0, 11.0, 3.0])).tolist() == [3, 0, 2]


def test_long_loops_have_no_depth() -> None:
    n = 100_000
    f = lambda x: gg.while_loop(lambda c: c[0] < n, lambda c: (c[0] + 1, c[1] + x), (0, x))[1]
    assert float(gg.grad(f)(gg.tensor(1.0))) == n + 1


# ---- fori, scan -------------------------------------------------------------------------------------------------------------


def test_fori() -> None:
    power = lambda x, n: gg.fori_loop(0, n, lambda i, y: y * x + 0.0 * i, 1.0)
    assert float(gg.grad(lambda x: power(x, 4))(gg.tensor(2.0))) == 32.0
    assert float(power(2.0, 0)) == 1.0 and float(gg.fori_loop(5, 2, lambda i, y: y + 1.0, 1.0)) == 1.0
    assert gg.vmap(power, in_axes=(None, 0))(2.0, np.array([0, 3, 5])).tolist() == [1.0, 8.0, 32.0]
    slopes = gg.vmap(gg.grad(lambda x, n: gg.fori_loop(0, n, lambda i, c: (c[0] * c[1], c[1]), (1.0 + 0.0 * x, x))[0]))
    assert slopes(np.array([2.0, 3.0, 2.0]), np.array([0, 3, 5])).tolist() == [0.0, 27.0, 80.0]


def cell(c: Any, x: Any) -> Any:
    h = gg.tanh(c["h"] * 0.5 + x["u"])
    return {"h": h, "n": c["n"] + 1}, (h, h * x["v"])


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("checkpoint", [False, True, 2])
def test_scan_is_a_loop(reverse: bool, checkpoint: Any, rng: Any) -> None:
    xs = {"u": rng.normal(size=(7, 3)), "v": rng.normal(size=(7, 1))}

    def looped(h: Any, u: Any) -> Any:
        c, ys = {"h": h, "n": gg.tensor(0)}, []
        for k in range(7)[:: -1 if reverse else 1]:
            c, y = cell(c, {"u": u[k], "v": xs["v"][k]})
            ys.append(y)
        ys = ys[:: -1 if reverse else 1]
        return c["h"], c["n"], *(gg.stack(column) for column in zip(*ys, strict=True))

    def scanned(h: Any, u: Any) -> Any:
        c, ys = gg.scan(cell, {"h": h, "n": 0}, {"u": u, "v": xs["v"]}, reverse=reverse, checkpoint=checkpoint)
        return c["h"], c["n"], *ys

    h = rng.normal(size=3)
    total = lambda f: lambda h, u: sum(gg.sum(gg.sin(y)) for y in f(h, u))
    for got, wanted in zip(scanned(h, xs["u"]), looped(h, gg.tensor(xs["u"])), strict=True):
        np.testing.assert_allclose(got.numpy(), wanted.numpy())
    for got, wanted in zip(
        gg.grad(total(scanned), (0, 1))(h, xs["u"]), gg.grad(total(looped), (0, 1))(h, xs["u"]), strict=True
    ):
        np.testing.assert_allclose(got.numpy(), wanted.numpy())
    check_grads(lambda h, u: scanned(h, u)[0], (h, xs["u"]))
    batch = rng.normal(size=(2, 3))
    got = gg.vmap(gg.grad(total(scanned)), in_axes=(0, None))(batch, xs["u"])
    np.testing.assert_allclose(got.numpy(), [gg.grad(total(looped))(b, xs["u"]).numpy() for b in batch])


def test_scan_without_xs_and_of_nothing() -> None:
    c, ys = gg.scan(lambda c, x: (c * 2.0, c), 1.0, length=4)
    assert float(c) == 16.0 and ys.tolist() == [1.0, 2.0, 4.0, 8.0]
    c, ys = gg.scan(lambda c, x: (c + x, {"y": x[:2]}), np.zeros(3), np.zeros((0, 3)))
    assert c.shape == (3,) and ys["y"].shape == (0, 2)
    c, none = gg.scan(lambda c, x: (c + x, None), 0.0, np.arange(3.0))
    assert float(c) == 3.0 and none is None


def alive() -> int:
    gc.collect()
    return sum(issubclass(type(o), Node) for o in gc.get_objects())


@pytest.mark.parametrize(
    "loop",
    [
        lambda x, c: gg.scan(lambda y, _: (gg.sin(y) + x, None), x, length=400, checkpoint=c)[0],
        lambda x, c: gg.fori_loop(0, 400, lambda i, y: gg.sin(y) + x, x, checkpoint=c),
        lambda x, c: gg.while_loop(lambda y: y[0] < 400, lambda y: (y[0] + 1, gg.sin(y[1]) + x), (0, x), checkpoint=20 if c else None)[1],
    ],
    ids=["scan", "fori_loop", "while_loop"],
)  # fmt: skip
def test_checkpoint_keeps_a_root_of_the_steps(loop: Any) -> None:
    x = gg.tensor(0.3, requires_grad=True)
    counts, slopes = [], []
    for checkpoint in (False, True):
        before = alive()
        y = loop(x, checkpoint)
        counts.append(alive() - before)
        x.grad = None
        y.backward()
        slopes.append(float(x.grad))
        del y
    assert counts[0] >= 800 and counts[1] <= 100
    np.testing.assert_allclose(*slopes)


# ---- what is refused --------------------------------------------------------------------------------------------------------

ONES = np.ones(3)


@pytest.mark.parametrize(
    ("call", "kind", "says"),
    [
        pytest.param(lambda: gg.cond(ONES > 0, gg.sin, gg.cos, 1.0), errors.ShapeError, ["cond(sin, cos): pred", "(3,)", "gg.any"], id="pred"),
        pytest.param(lambda: gg.cond(1j, gg.sin, gg.cos, 1.0), errors.DtypeError, ["pred", "complex128"], id="complex"),
        pytest.param(lambda: gg.vmap(lambda x: gg.cond(x > 0, lambda x: (x, x), lambda x: x, x))(XS), errors.ShapeError, ["cond", "same structure"], id="structure"),
        pytest.param(lambda: gg.vmap(lambda x: gg.cond(x > 0, lambda x: x, lambda x: gg.stack([x, x]), x))(XS), errors.ShapeError, ["float64[]", "float64[2]"], id="shape"),
        pytest.param(lambda: gg.vmap(lambda x: gg.cond(x > 0, lambda x: x, lambda x: x > 1, x))(XS), errors.ShapeError, ["float64[]", "bool[]"], id="dtype"),
        pytest.param(lambda: gg.while_loop(lambda c: True, lambda c: gg.stack([c, c]), 1.0), errors.ShapeError, ["while_loop", "at carry was float64[]", "float64[2]"], id="carry"),
        pytest.param(lambda: gg.while_loop(lambda c: True, lambda c: {"a": c["a"], "b": c["b"].astype("float32")}, {"a": 1.0, "b": 2.0}), errors.ShapeError, ["carry['b']", "float32", "x.astype('float64')"], id="dtype of the carry"),
        pytest.param(lambda: gg.while_loop(lambda c: True, lambda c: (c,), 1.0), errors.ShapeError, ["carried", "same structure"], id="structure of the carry"),
        pytest.param(lambda: gg.fori_loop(0, 2.5, lambda i, c: c, 1.0), errors.DtypeError, ["fori_loop", "2.5", "integer"], id="bound"),
        pytest.param(lambda: gg.scan(lambda c, x: (c, x), 0.0), errors.ShapeError, ["neither xs nor length"], id="no xs"),
        pytest.param(lambda: gg.scan(lambda c, x: (c, x), 0.0, ONES, length=2), errors.ShapeError, ["2 of length", "3 of xs"], id="length"),
        pytest.param(lambda: gg.scan(lambda c, x: (c, x), 0.0, {"a": ONES, "b": np.ones(2)}), errors.ShapeError, ["3 of xs['a']", "2 of xs['b']"], id="xs"),
        pytest.param(lambda: gg.scan(lambda c, x: (c, x), 0.0, {"a": ONES, "b": 1.0}), errors.ShapeError, ["xs['b'] has no axis"], id="no axis"),
        pytest.param(lambda: gg.scan(lambda c, x: c, 0.0, ONES), errors.ShapeError, ["pair (carry, y)"], id="no pair"),
    ],
)  # fmt: skip
def test_failures(call: Callable[[], Any], kind: type[Exception], says: list[str]) -> None:
    with pytest.raises(kind) as caught:
        call()
    for part in says:
        assert part in str(caught.value)


# ---- while, compiled --------------------------------------------------------------------------------------------------------


def grown(x: Any, a: Any) -> Any:
    return gg.while_loop(lambda c: c["y"] < 100.0, lambda c: {"n": c["n"] + 1, "y": a * c["y"]}, {"n": 0 * x, "y": x})[
        "y"
    ]


def carried(x: Any, a: Any) -> Any:
    """The same with all that differs between items in what is carried, as eager execution wants it."""
    return gg.while_loop(lambda c: c[0] < 100.0, lambda c: (c[1] * c[0], c[1]), (x, a))[0]


@pytest.fixture
def verified(monkeypatch: Any) -> None:
    monkeypatch.setattr(gg.config, "verify_graphs", True)


STARTS, FACTORS = np.array([1.0, 60.0, 200.0]), np.array([2.0, 3.0, 4.0])

COMPILED = {
    "plain": lambda f: f(STARTS[0], FACTORS[0]),
    "no step": lambda f: f(STARTS[2], FACTORS[0]),
    "jvp": lambda f: gg.jvp(f, (STARTS[0], FACTORS[1]), (1.0, 0.5)),
    "jvp of what it closes over": lambda f: gg.jvp(lambda a: f(STARTS[0], a), (FACTORS[1],), (0.5,)),
    "second jvp": lambda f: gg.jvp(lambda a: gg.jvp(lambda b: f(1.0, b), (a,), (1.0,))[1], (FACTORS[1],), (1.0,)),
    "vmap": lambda f: gg.vmap(f)(STARTS, FACTORS),
    "vmap of what it closes over": lambda f: gg.vmap(f, in_axes=(None, 0))(STARTS[0], FACTORS),
    "vmap twice": lambda f: gg.vmap(gg.vmap(f, in_axes=(None, 0)), in_axes=(0, None))(STARTS, FACTORS),
    "vmap of jvp": lambda f: gg.vmap(lambda x, a: gg.jvp(f, (x, a), (1.0, 2.0)))(STARTS, FACTORS),
    "jvp of vmap": lambda f: gg.jvp(gg.vmap(f), (STARTS, FACTORS), (FACTORS, STARTS)),
}


@pytest.mark.parametrize("transform", COMPILED.values(), ids=COMPILED)
@pytest.mark.usefixtures("verified")
def test_a_compiled_loop_is_the_loop(transform: Any) -> None:
    """Inside of the compiled function and outside of it, in each transform of values and tangents."""
    given = [gg.tensor(x) for x in (STARTS, FACTORS)]
    wanted = gg.pytree.leaves(transform(carried))
    outside = gg.pytree.leaves(transform(lambda x, a: gg.jit(grown)(0.0 * x + x, 0.0 * a + a)))
    rest = lambda x, a: transform(lambda y, b: grown(y + 0.0 * gg.sum(x), b + 0.0 * gg.sum(a)))
    inside = gg.pytree.leaves(gg.jit(rest)(*given))
    for got in (outside, inside):
        for a, b in zip(got, wanted, strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_a_compiled_loop_is_compiled_once() -> None:
    calls: list[int] = []

    def body(c: Any) -> Any:
        calls.append(1)
        return c * 1.01

    f = gg.jit(lambda x: gg.while_loop(lambda c: c < 1e3, body, x))
    for x in (1.0, 2.0, 5000.0):
        y = gg.tensor(x)
        assert float(f(y)) == float(gg.while_loop(lambda c: c < 1e3, lambda c: c * 1.01, y))
    assert len(calls) == 1
    assert len(f.sources(gg.tensor(1.0))) == 2


@pytest.mark.usefixtures("verified")
def test_compiled_loops_within_loops() -> None:
    def inner(d: Any, c: Any, a: Any) -> Any:
        return gg.while_loop(lambda d: d[0] < 3.0 * c[0], lambda d: (d[0] + a, d[1] + c[1]), d)

    f = lambda x, a: gg.while_loop(lambda c: c[0] < 50.0, lambda c: inner(c, c, a), (x, x))
    x, a = gg.tensor(1.0), gg.tensor(0.5)
    assert [float(y) for y in gg.jit(f)(x, a)] == [float(y) for y in f(x, a)]
    got, wanted = (gg.jvp(g, (x, a), (x, a)) for g in (gg.jit(f), f))
    for p, q in zip(gg.pytree.leaves(got), gg.pytree.leaves(wanted), strict=True):
        np.testing.assert_allclose(p.numpy(), q.numpy())


def test_compiled_bounds_and_arrays() -> None:
    f = gg.jit(lambda n, m: gg.fori_loop(0, n, lambda i, c: gg.tanh(m @ c) + i, gg.ones(3)))
    m = gg.tensor(np.arange(9.0).reshape(3, 3) / 9)
    for n in (0, 1, 4):
        wanted = gg.fori_loop(0, n, lambda i, c: gg.tanh(m @ c) + i, gg.ones(3))
        np.testing.assert_allclose(f(gg.tensor(n), m).numpy(), wanted.numpy())
    x = gg.ones(3)
    f = gg.jit(lambda x: gg.while_loop(lambda c: gg.sum(c) < 0.0, lambda c: c + 1.0, x))
    y = f(x)
    y += 1.0
    assert x.tolist() == [1.0, 1.0, 1.0]  # of no steps comes a copy


def test_a_compiled_training_step_with_a_loop() -> None:
    """The loop reads a parameter as it is in each step; its gradient comes by another way."""

    def trained(compiled: bool) -> tuple[list[float], list[float]]:
        model = gg.nn.Linear(2, 1)
        model.weight, model.bias = gg.nn.Parameter([[0.3, -0.4]]), gg.nn.Parameter([0.1])
        model = model.astype("float64")
        optimizer = gg.optim.SGD(model.parameters(), lr=0.1)

        def step(x: Any) -> Any:
            loss = gg.sum(model(x) ** 2)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            w = gg.stop_gradient(gg.sum(model.weight**2)) + 1.0
            return gg.while_loop(lambda c: c < 10.0, lambda c: c * w, gg.stop_gradient(w))

        run = gg.jit(step) if compiled else step
        return [float(run(gg.tensor([[1.0, 2.0]]))) for _ in range(4)], model.weight.detach().numpy().ravel().tolist()

    for got, wanted in zip(trained(True), trained(False), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-12)


@pytest.mark.skipif(COMPILER is None, reason="no C++ compiler, which would run CUDA C++ on the CPU")
@pytest.mark.usefixtures("verified")
def test_compiled_loops_on_the_host_as_a_cuda_device() -> None:
    f = lambda x, a: gg.while_loop(lambda c: gg.sum(c) < 100.0, lambda c: gg.exp(a) * c, x)
    with gg.use_backend("cuda_on_host"):
        for start in (0.5, 200.0):
            x, a = gg.full(5, start), gg.tensor(1.0)
            primal, tangent = gg.jvp(gg.jit(f), (x.to("cuda"), a.to("cuda")), (x.to("cuda"), a.to("cuda")))
            assert primal.device.startswith("cuda")
            for got, wanted in zip((primal, tangent), gg.jvp(f, (x, a), (x, a)), strict=True):
                np.testing.assert_allclose(got.to("cpu").numpy(), wanted.numpy())


def test_how_a_compiled_loop_reads() -> None:
    f = gg.jit(lambda x, a: gg.while_loop(lambda c: gg.sum(c) < 100.0, lambda c: gg.exp(a) * c, x))
    x, a = gg.ones(5), gg.tensor(1.0)
    text = str(f.graph(x, a))
    assert "while_loop(x, exp, loop=loop(1 carried))" in text  # what is the same at every step is computed before
    assert "    cond (carry: float64[5]):" in text and "    body (carry: float64[5], exp: float64[]):" in text
    assert "reduce_sum(carry" in text and "multiply(exp, carry)" in text
    assert {name.rsplit(".", 1)[0] for name in f.sources(x, a)} == {"kernel_0", "loop_0.cond", "loop_0.body"}
    plan = f.plan(x, a)
    assert "while_loop__" in plan and "# loop_0.cond" in plan and "# loop_0.body" in plan
    assert f.memory(x, a).library >= 40


def drawn(x: Any) -> Any:
    return gg.while_loop(lambda c: c < 3.0, lambda c: c + gg.random.uniform(()), x)


def kept(x: Any) -> Any:
    out: list[Any] = []
    gg.while_loop(lambda c: c < 3.0, lambda c: out.append(c * 2.0) or c + 1.0, x)  # type: ignore[func-returns-value]
    return out[-1]


@pytest.mark.parametrize(
    ("f", "kind", "says"),
    [
        pytest.param(lambda x: gg.while_loop(lambda c: c["a"] < 3.0, lambda c: {"a": c["a"].astype("float32")}, {"a": x}), errors.ShapeError, ["while_loop", "test_control_flow.py", "carry['a'] was float64[] and became float32[]"], id="dtype"),
        pytest.param(lambda x: gg.while_loop(lambda c: gg.sum(c) < 3.0, lambda c: gg.stack([c, c]), x), errors.ShapeError, ["became float64[2]"], id="shape"),
        pytest.param(lambda x: gg.while_loop(lambda c: gg.stack([c, c]) < 3.0, lambda c: c, x), errors.ShapeError, ["the condition of shape (2,)", "gg.any"], id="condition"),
        pytest.param(gg.grad(lambda x: gg.while_loop(lambda c: c < 3.0, lambda c: c * 2.0, x)), errors.TraceError, ["reverse derivative", "gg.scan", "gg.fori_loop"], id="reverse"),
        pytest.param(lambda x: gg.grad(lambda a: gg.while_loop(lambda c: c < 3.0, lambda c: c * a, x))(2.0), errors.TraceError, ["reverse derivative"], id="reverse in what it closes over"),
        pytest.param(drawn, errors.TraceError, ["random number", "before the loop"], id="random"),
        pytest.param(kept, errors.TraceError, ["kept by something outside"], id="kept"),
    ],
)  # fmt: skip
def test_what_a_compiled_loop_refuses(f: Any, kind: type[Exception], says: list[str]) -> None:
    with pytest.raises(kind) as caught:
        gg.jit(f)(gg.tensor(1.0))
    for part in says:
        assert part in str(caught.value)
    assert float(gg.jit(lambda x: grown(x, 2.0))(gg.tensor(1.0))) == 128.0  # and goes on as if nothing had been
