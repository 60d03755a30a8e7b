"""The functional transforms from outside: arguments, containers, values that outlive them, rules of the user."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict, defaultdict, namedtuple
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import errors

X = gg.tensor(np.arange(6.0).reshape(3, 2))
V = gg.tensor([1.0, 2.0])


# ---- values that outlive their transform --------------------------------------------------------------------------------


def keeping(transform):
    """A value from inside of a transform, kept outside of it."""
    kept = []
    transform(lambda x: (kept.append(x), x * x)[1])
    return kept[0]


LEAKS = {
    "grad": lambda f: gg.grad(f)(3.0),
    "vjp": lambda f: gg.vjp(f, 3.0),
    "jvp": lambda f: gg.jvp(f, (3.0,), (1.0,)),
    "linearize": lambda f: gg.linearize(f, 3.0),
    "vmap": lambda f: gg.vmap(f)(V),
    "hessian": lambda f: gg.hessian(f)(3.0),
}


@pytest.mark.parametrize("name", LEAKS)
def test_a_value_that_was_kept_raises_where_it_is_used(name):
    kept = keeping(LEAKS[name])
    for use in (lambda: kept * 2.0, lambda: gg.sin(kept), lambda: gg.grad(lambda z: kept * z)(2.0)):
        with pytest.raises(errors.TraceError, match=r"test_transforms\.py:\d+: .*has_aux=True"):
            use()


def test_the_number_in_a_value_that_was_kept_can_be_read():
    kept = keeping(LEAKS["grad"])
    assert kept.item() == 3.0
    assert (kept.detach() * 2.0).item() == 6.0


def test_a_buffer_outside_that_was_written_to_says_so():
    buffer = gg.zeros(3)

    def f(x):
        buffer[0] = x
        return gg.sum(buffer * buffer)

    assert gg.grad(f)(3.0).item() == 6.0
    with pytest.raises(errors.TraceError, match="has ended"):
        buffer + 1.0


@pytest.mark.parametrize("inner", [lambda x, z: z * z * x, lambda x, z: x * z * z])
def test_a_transform_in_another_thread_may_use_a_value_of_this_one(inner):
    def outer(x):
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(lambda: gg.grad(lambda z: inner(x, z))(3.0)).result()

    assert gg.grad(outer)(2.0).item() == 6.0


def test_no_grad_in_another_thread_reaches_a_value_of_this_one():
    def f(x):
        def quiet():
            with gg.no_grad():
                return x * x

        with ThreadPoolExecutor(1) as pool:
            return pool.submit(quiet).result() * x

    assert gg.grad(f)(3.0).item() == 9.0


# ---- arguments and results ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("argnums", [(0, 0), (0, -2), 1.5, "a", None, 2, -3, (0, 2)])
def test_wrong_argnums(argnums):
    with pytest.raises(errors.GpugradError, match="argnums="):
        gg.grad(lambda a, b: gg.sum(a * b), argnums=argnums)(V, V)


def test_argnums():
    f = lambda a, b: gg.sum(a * b * b)
    assert gg.grad(f, argnums=np.int64(1))(V, V).tolist() == gg.grad(f, argnums=-1)(V, V).tolist() == [2.0, 8.0]
    assert [g.tolist() for g in gg.grad(f, argnums=[1, 0])(V, V)] == [[2.0, 8.0], [1.0, 4.0]]


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (None, ["NoneType", "return statement"]),
        ((V, V), ["tuple", "has_aux"]),
        ({"a": V}, ["dict", "gg.jacobian"]),
        ("a", ["str"]),
        ((k for k in "ab"), ["generator"]),
        (3, ["int64", "constant"]),
    ],
)
def test_a_result_that_is_no_number(result, words):
    with pytest.raises(errors.DtypeError) as info:
        gg.grad(lambda x: result)(1.0)
    for word in words:
        assert word in str(info.value)


@pytest.mark.parametrize(
    "transform",
    [
        lambda f: gg.grad(f, has_aux=True)(V),
        lambda f: gg.vjp(f, V, has_aux=True),
        lambda f: gg.jvp(f, (V,), (V,), has_aux=True),
        lambda f: gg.jacfwd(f, has_aux=True)(V),
        lambda f: gg.jacrev(f, has_aux=True)(V),
    ],
)
def test_has_aux(transform):
    with pytest.raises(errors.DtypeError, match="pair"):
        transform(lambda x: gg.sum(x))
    aux = transform(lambda x: (gg.sum(x * x), {"y": x * 3.0, "n": 3, "s": "s", "none": None}))[-1]
    assert (aux["y"] + 1.0).tolist() == [4.0, 7.0]
    assert (aux["n"], aux["s"], aux["none"]) == (3, "s", None)


@pytest.mark.parametrize("call", [gg.jvp, gg.hvp])
def test_primals_and_tangents_come_in_tuples(call):
    with pytest.raises(errors.DtypeError, match=r"expected a tuple each.*\(x,\), \(t,\)"):
        call(lambda x: gg.sum(x), V, V)
    with pytest.raises(errors.ShapeError, match="1 primals and 2 tangents"):
        call(lambda x: gg.sum(x), (V,), (V, V))


def test_a_copy_of_a_traced_value_would_be_detached():
    assert gg.grad(lambda x: x.item() * x)(2.0).item() == 2.0
    for transform in (gg.grad, gg.vmap):
        with pytest.raises(errors.TraceError, match="would detach"):
            transform(lambda x: gg.tensor(x) * x)(V if transform is gg.vmap else 2.0)


def test_forward_mode_raises_too_where_the_whole_result_was_cut_off():
    f = lambda x: x.astype("int64").astype("float64")
    for call in (lambda: gg.jvp(f, (V,), (V,)), lambda: gg.linearize(f, V)):
        with pytest.raises(errors.GraphError, match=r"cast from float64 to int64 at .*test_transforms"):
            call()
    assert gg.jvp(lambda x: x.astype("int64"), (V,), (V,))[1].tolist() == [0, 0]


def test_an_argument_that_only_counts_gets_zeros_and_a_warning_that_says_where():
    f = lambda p: p["a"] * int(p["n"])
    with pytest.warns(errors.GradientWarning, match=r"argument 0\['n'\].*int\(\) at .*test_transforms"):
        g = gg.grad(f)({"n": 2.0, "a": 3.0})
    assert (g["n"].item(), g["a"].item()) == (0.0, 2.0)


# ---- complex numbers ------------------------------------------------------------------------------------------------------


def test_jacobians_of_a_holomorphic_function_agree():
    z = gg.tensor([1.0 + 2.0j, 3.0 - 1.0j])
    wanted = np.diag(3.0 * z.numpy() ** 2)
    for jacobian in (gg.jacfwd, gg.jacrev, gg.jacobian):
        np.testing.assert_allclose(jacobian(lambda z: z**3, holomorphic=True)(z).numpy(), wanted)
    got = gg.hessian(lambda z: gg.sum(z**3), holomorphic=True)(z)
    np.testing.assert_allclose(got.numpy(), np.diag(6.0 * z.numpy()))


@pytest.mark.parametrize(
    "call",
    [
        lambda z: gg.jacfwd(lambda z: z * z)(z),
        lambda z: gg.jacrev(lambda z: z * z)(z),
        lambda z: gg.jacrev(lambda x: x * 1j)(V),
        lambda z: gg.grad(lambda x: gg.sum(x * 1j), holomorphic=True)(V),
        lambda z: gg.grad(lambda z: gg.sum(gg.abs(z)), holomorphic=True)(z),
        lambda z: gg.jacrev(lambda z: gg.abs(z), holomorphic=True)(z),
    ],
)
def test_half_of_a_complex_derivative_is_no_answer(call):
    with pytest.raises(errors.DtypeError, match="holomorphic"):
        call(gg.tensor([1.0 + 2.0j, 3.0 - 1.0j]))


def test_complex_results_of_real_arguments():
    wanted = np.full(2, 1.0 + 2.0j)
    np.testing.assert_allclose(gg.jacobian(lambda x: gg.sum(x) * (1.0 + 2.0j))(V).numpy(), wanted)


# ---- containers ---------------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Layer:
    w: Any
    b: Any
    name: str = dataclasses.field(default="layer", metadata={"static": True})


Pair = namedtuple("Pair", "a b")


def test_a_static_field_belongs_to_the_structure():
    g = gg.grad(lambda p: gg.sum(p.w * p.b) if p.name == "x" else 0.0)(Layer(V, 2.0, "x"))
    assert (g.w.tolist(), g.b.item(), g.name) == ([2.0, 2.0], 3.0, "x")
    with pytest.raises(errors.ShapeError, match="structure"):
        gg.pytree.map(lambda a, b: a, Layer(1, 2, "x"), Layer(1, 2, "y"))


@pytest.mark.parametrize("make", [OrderedDict, lambda d: defaultdict(float, d), dict])
def test_kinds_of_dict(make):
    g = gg.grad(lambda p: p["b"] * p["a"])(make({"b": 2.0, "a": 3.0}))
    assert type(g) is type(make({})) and list(g) == ["b", "a"]
    assert (g["a"].item(), g["b"].item()) == (2.0, 3.0)


def test_keys_may_come_in_any_order():
    p, t = {"a": 1.0, "b": [2.0]}, {"b": [1.0], "a": 0.0}
    f = lambda p: {"x": p["a"] * p["b"][0], "y": 2.0 * p["a"]}
    assert gg.jvp(f, (p,), (t,))[1]["x"].item() == 1.0
    assert gg.linearize(f, p)[1](t)["x"].item() == 1.0
    assert gg.vjp(f, p)[1]({"y": 1.0, "x": 0.0})[0]["a"].item() == 2.0
    with pytest.raises(errors.ShapeError, match="the same types, keys and lengths"):
        gg.jvp(f, (p,), ({"a": 1.0, "c": [1.0]},))


def test_the_leaf_that_cannot_be_differentiated_is_named():
    with pytest.raises(errors.DtypeError, match=r"argument 0\['k'\]\[1\] has dtype int64"):
        gg.grad(lambda p: p["a"])({"a": 1.0, "k": [2.0, 3]})
    with pytest.raises(errors.DtypeError, match=r"argument 0\['s'\]: .*static"):
        gg.grad(lambda p: p["a"])({"a": 1.0, "s": "x"})


# ---- vmap -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argument", "axes"),
    [
        ({"a": X, "b": V}, {"b": None, "a": 0}),
        (Pair(X, V), Pair(0, None)),
        (Layer(X, V), Layer(0, None)),
        ([X, V], (0, None)),
        ([X, [V]], [0, None]),
        (Pair(X.T, V), Pair(np.int64(-1), None)),
    ],
)
def test_axes_in_containers(argument, axes):
    def f(p):
        x, v = gg.pytree.leaves(p)
        return x * v

    np.testing.assert_array_equal(gg.vmap(f, in_axes=(axes,))(argument).numpy(), (X * V).numpy())


def test_out_axes_none_is_for_what_all_items_share():
    out, shared = gg.vmap(lambda x: (x, V * 2.0), out_axes=(1, None))(X)
    assert out.shape == (2, 3) and shared.tolist() == [2.0, 4.0]
    with pytest.raises(errors.AxisError, match="differs from item to item"):
        gg.vmap(lambda x: x, out_axes=None)(X)


@pytest.mark.parametrize("chunk_size", [1, 2, 3, 7, np.int64(2)])
def test_chunks(chunk_size):
    f = lambda x, v: {"p": x * v, "s": gg.sum(x), "v": v}
    whole = gg.vmap(f, in_axes=(0, None), out_axes={"p": 1, "s": 0, "v": None})(X, V)
    parts = gg.vmap(f, in_axes=(0, None), out_axes={"p": 1, "s": 0, "v": None}, chunk_size=chunk_size)(X, V)
    for k in whole:
        np.testing.assert_array_equal(parts[k].numpy(), whole[k].numpy())
    assert gg.vmap(gg.sum, chunk_size=chunk_size)(gg.zeros((0, 2))).shape == (0,)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: gg.vmap(lambda x: x, in_axes="a")(X), "in_axes='a'"),
        (lambda: gg.vmap(lambda x: x, in_axes=None)(X), "nothing is mapped"),
        (lambda: gg.vmap(lambda x: x, out_axes=3)(X), "out_axes=3"),
        (lambda: gg.vmap(lambda x: x, out_axes=(0, 1))(X), r"out_axes=\(0, 1\)"),
        (lambda: gg.vmap(lambda x: x, chunk_size=0)(X), "chunk_size=0"),
        (lambda: gg.vmap(lambda x: x, chunk_size=1.5)(X), "chunk_size=1.5"),
        (lambda: gg.vmap(lambda x, y: x, in_axes=(0,))(X, X), "in_axes"),
    ],
)
def test_wrong_axes(call, words):
    with pytest.raises(errors.ShapeError, match=words):
        call()


# ---- checkpoint and rules of the user -------------------------------------------------------------------------------------


def dropped(x):
    return gg.random.bernoulli(0.5, (8,)).astype("float64") * x * x


@pytest.mark.parametrize(
    "f",
    [
        gg.checkpoint(lambda x: gg.sum(dropped(x))),
        gg.checkpoint(lambda x: gg.sum(dropped(gg.checkpoint(dropped)(x)))),
        lambda x: gg.sum(gg.checkpoint(dropped)(dropped(x))),
    ],
)
def test_a_checkpointed_function_draws_the_same_numbers_again(f):
    x = gg.arange(8.0)
    plain = {0: lambda x: gg.sum(dropped(x)), 1: lambda x: gg.sum(dropped(dropped(x)))}
    gg.random.seed(3)
    got = gg.grad(f)(x)
    drawn = gg.random.default_generator.state_dict()["count"]
    gg.random.seed(3)
    np.testing.assert_array_equal(got.numpy(), gg.grad(plain[drawn - 1])(x).numpy())
    assert gg.random.default_generator.state_dict()["count"] == drawn


def test_a_checkpointed_function_that_differs_the_second_time():
    runs = []

    def f(x):
        runs.append(1)
        return x * x if len(runs) == 1 else gg.sum(x)

    with pytest.raises(errors.GraphError, match="the same each time"):
        gg.grad(lambda x: gg.sum(gg.checkpoint(f)(x)))(V)

    def more(x):
        runs.append(1)
        return x if len(runs) < 5 else x * gg.random.uniform(())

    runs[:] = [1] * 3
    with pytest.raises(errors.GraphError, match=r"draws a random number at .*test_transforms"):
        gg.grad(gg.checkpoint(more))(1.0)


def with_vjp(fwd, bwd):
    f = gg.custom_vjp(lambda *args: fwd(*args)[0])
    f.defvjp(fwd, bwd)
    return f


def with_jvp(rule):
    f = gg.custom_jvp(lambda x: x * x)
    f.defjvp(rule)
    return f


@pytest.mark.parametrize(
    ("f", "words"),
    [
        (with_vjp(lambda x: x * x, lambda r, g: (g,)), r"fwd returned Tensor; expected a pair \(result, residuals\)"),
        (with_vjp(lambda x: (x, x), lambda r, g: g), "bwd must return a tuple of 1 cotangents"),
        (with_vjp(lambda x: (x, x), lambda r, g: (gg.ones(3),)), r"argument 0 of shape \(3,\); expected \(2,\)"),
        (with_jvp(lambda x, t: t[0]), r"the rule returned Tensor; expected a pair \(result, tangent\)"),
        (with_jvp(lambda x, t: (x[0], (t[0], t[0]))), "the rule's tangent of structure"),
        (with_jvp(lambda x, t: (x[0], gg.sum(t[0]))), r"tangent of shape \(\) for a result of shape \(2,\)"),
        (with_jvp(lambda x, t: (x[0], t[0] * t[0])), r"multiply at .*test_transforms.* is not linear"),
    ],
)
def test_a_rule_that_returns_what_does_not_fit(f, words):
    with pytest.raises(errors.GpugradError, match=words):
        gg.grad(lambda x: gg.sum(f(x)))(V)


def test_forward_mode_of_a_reverse_rule_that_is_not_linear():
    f = with_vjp(lambda x: (x, None), lambda _, g: (gg.clip(g, -1.0, 1.0),))
    with pytest.raises(errors.GraphError, match=r"clip at .*test_transforms.* is not linear"):
        gg.jvp(f, (V,), (V,))


def test_cotangents_of_containers_go_by_key_and_none_is_zero():
    f = with_vjp(lambda p: (p["a"] * p["b"], p), lambda p, g: ({"b": g * p["a"], "a": None},))
    g = gg.grad(lambda p: gg.sum(f(p) + p["a"]))({"a": V, "b": 3.0 * V})
    assert (g["a"].tolist(), g["b"].tolist()) == ([1.0, 1.0], [1.0, 2.0])
    short = with_vjp(lambda p: (p["a"] * p["b"], p), lambda p, g: ({"a": g},))
    with pytest.raises(errors.ShapeError, match="bwd returned for argument 0"):
        gg.grad(lambda p: gg.sum(short(p)))({"a": V, "b": V})


def test_arguments_by_name_go_to_their_places():
    @gg.custom_vjp
    def power(x, n=2):
        return x**n

    power.defvjp(lambda x, n: (x**n, (x, n)), lambda r, g: (g * r[1] * r[0] ** (r[1] - 1), None))
    assert gg.grad(lambda x: power(n=3, x=x))(2.0).item() == 12.0
    assert gg.grad(lambda x: power(x=x))(3.0).item() == 6.0
