"""The two halves of a differentiated program: what the pullback is given, and what it computes again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gpugrad as gg
from gpugrad.transforms.program import Halves


def halves(f: Callable[..., Any], *xs: Any) -> Halves:
    """Those of a compiled function, checked against the function itself."""
    compiled = gg.jit(f)
    leaves = [gg.tensor(x, requires_grad=True) for x in xs]
    gg.sum(compiled(*leaves) ** 2).backward()
    wanted = gg.grad(lambda *xs: gg.sum(f(*xs) ** 2), tuple(range(len(xs))))(*map(gg.tensor, xs))
    for leaf, g in zip(leaves, wanted, strict=True):
        np.testing.assert_allclose(leaf.grad.numpy(), g.numpy(), rtol=1e-10, atol=1e-12)
    (call,) = compiled._programs.values()
    (variant,) = call.variants.values()
    (found,) = variant.program.halves.values()
    return found


X = np.random.default_rng(0).normal(size=(6, 5))
W = np.random.default_rng(1).normal(size=(5, 5))


def given(h: Halves) -> int:
    """How many arrays the first half makes beside its results."""
    return len(h.forward.plan.graph.outputs) - h.results


def test_a_chain_of_maps_is_computed_again(by_python: None) -> None:
    h = halves(lambda x: gg.gelu(x, approximate="tanh"), X)
    assert given(h) == 0
    assert len(h.reads) == 1


def test_a_result_is_read_as_it_is(by_python: None) -> None:
    h = halves(lambda x, w: gg.tanh(x @ w), X, W)
    assert given(h) == 0
    assert sorted(h.reads) == [0, 1, 2]  # the result, and both arguments


def test_what_is_reduced_is_kept_and_rows_are_computed_from_it(by_python: None) -> None:
    h = halves(gg.layer_norm, X)
    kept = h.forward.plan.graph.outputs[h.results :]
    assert kept
    assert all(v.shape in ((6,), (6, 1)) for v in kept)


def test_products_are_kept(by_python: None) -> None:
    h = halves(lambda x, w: gg.sigmoid(gg.sin(x @ w) @ w), X, W)
    assert given(h) == 1
    assert h.forward.plan.graph.outputs[-1].shape == (6, 5)


def test_a_long_dear_chain_is_kept(by_python: None) -> None:
    def f(x):
        for _ in range(20):
            x = gg.sin(gg.exp(x) * 0.1)
        return x

    assert given(halves(f, X)) > 1


def test_random_bits_are_not_drawn_twice(by_python: None) -> None:
    f = gg.jit(lambda x: gg.where(gg.random.bernoulli(0.5, x.shape), x * x, 0.0))
    x = gg.tensor(np.ones(200), requires_grad=True)
    y = f(x)
    gg.sum(y).backward()
    np.testing.assert_array_equal(x.grad.numpy(), 2.0 * y.detach().numpy())


@pytest.mark.parametrize("strides", [(1, -1), (0, 1)])
def test_arguments_and_cotangents_in_any_order_in_memory(strides: tuple[int, int], by_python: None) -> None:
    x = np.broadcast_to(np.arange(5.0), (6, 5)) if strides[0] == 0 else X.T[::-1]
    f = gg.jit(lambda x: gg.gelu(x) * x)
    leaf = gg.asarray(x).detach().requires_grad_()
    y = f(leaf)
    y.backward(gg.asarray(np.broadcast_to(np.float64(2.0), x.shape)))
    wanted = gg.grad(lambda x: 2.0 * gg.sum(gg.gelu(x) * x))(gg.tensor(x))
    np.testing.assert_allclose(leaf.grad.numpy(), wanted.numpy(), rtol=1e-12)
