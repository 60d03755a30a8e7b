"""Nested containers in every transform."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import errors, pytree

Point = namedtuple("Point", "x y")


@dataclass
class Layer:
    w: object
    b: object


class Registered:
    def __init__(self, a, tag):
        self.a, self.tag = a, tag


pytree.register(Registered, lambda r: ((r.a,), r.tag), lambda tag, xs: Registered(xs[0], tag))


def example(k=1.0):
    return {
        "p": Point(gg.tensor(k), gg.tensor(2 * k)),
        "l": [Layer(gg.tensor([k, k]), gg.tensor(3 * k))],
        "r": Registered(gg.tensor(k), "t"),
        "n": None,
    }


def total(t):
    return gg.sum(t["p"].x * t["p"].y * t["l"][0].w * t["l"][0].b) * t["r"].a


def test_flatten_and_unflatten_are_inverse():
    leaves, tree = pytree.flatten(example())
    assert len(leaves) == 5
    again = pytree.unflatten(tree, leaves)
    assert type(again["p"]) is Point and type(again["l"][0]) is Layer and again["r"].tag == "t" and again["n"] is None
    assert pytree.paths(tree) == ["['p'].x", "['p'].y", "['l'][0].w", "['l'][0].b", "['r']<0>"]


def test_grad_has_the_container_of_the_argument():
    g = gg.grad(total)(example())
    assert type(g["p"]) is Point and type(g["l"][0]) is Layer and type(g["r"]) is Registered
    np.testing.assert_allclose(g["p"].x.numpy(), 2 * 2 * 3)
    np.testing.assert_allclose(g["l"][0].w.numpy(), [6.0, 6.0])


def test_jvp_vjp_and_vmap_take_containers():
    primal, tangent = gg.jvp(total, (example(),), (example(),))
    np.testing.assert_allclose(tangent.numpy(), 5 * primal.numpy())
    _out, pull = gg.vjp(lambda t: {"y": total(t)}, example())
    (ct,) = pull({"y": gg.tensor(2.0)})
    np.testing.assert_allclose(ct["p"].x.numpy(), 24.0)
    batched = pytree.map(lambda *xs: gg.stack(xs), example(1.0), example(2.0))
    got = gg.vmap(total)(batched)
    np.testing.assert_allclose(got.numpy(), [total(example(1.0)).item(), total(example(2.0)).item()])


def test_structures_must_agree():
    with pytest.raises(errors.ShapeError, match="structure"):
        pytree.map(lambda a, b: a, {"a": 1}, {"b": 1})
    _, pull = gg.vjp(lambda x: (x, x), gg.tensor(1.0))
    with pytest.raises(errors.ShapeError, match="structure"):
        pull(gg.tensor(1.0))


def test_hessian_over_a_container():
    h = gg.hessian(lambda p: gg.sum(p["a"] * p["a"]) * p["b"])({"a": gg.tensor([1.0, 2.0]), "b": gg.tensor(3.0)})
    np.testing.assert_allclose(h["a"]["a"].numpy(), 6 * np.eye(2))
    np.testing.assert_allclose(h["b"]["a"].numpy(), [2.0, 4.0])
    np.testing.assert_allclose(h["a"]["b"].numpy(), [2.0, 4.0])
