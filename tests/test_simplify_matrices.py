"""Simplification of what stands around products of matrices: rows of many matrices, transposed operands, counting."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gpugrad as gg

RNG = np.random.default_rng(0)
X, W = gg.tensor(RNG.normal(size=(3, 4, 5))), gg.tensor(RNG.normal(size=(5, 6)))


def names(f: Any, *args: Any) -> list[str]:
    """The primitives of the simplified graph."""
    return [line.prim.name for line in gg.jit(f).graph(*args).lines]


def agrees(f: Any, *args: Any) -> None:
    np.testing.assert_allclose(np.asarray(gg.jit(f)(*args)), np.asarray(f(*args)), rtol=1e-12, atol=1e-14)


def test_one_product_of_all_rows():
    f = lambda x, w: x @ w
    assert names(f, X, W) == ["reshape", "matmul", "reshape"]
    (product,) = (line for line in gg.jit(f).graph(X, W).lines if line.prim.name == "matmul")
    assert [x.shape for x in product.operands] == [(12, 5), (5, 6)]
    agrees(f, X, W)


@pytest.mark.parametrize(
    "f",
    [
        lambda x, w: x.transpose(1, 0, 2) @ w,  # rows that do not lie one after another
        lambda x, w: x[::-1] @ w,
        lambda x, w: gg.broadcast_to(x[:1], (3, 4, 5)) @ w,
        lambda x, w: x[:, :2] @ w,
    ],
)
def test_rows_that_lie_apart_are_left(f):
    assert not any(n == "reshape" for n in names(f, X, W)[-1:])
    agrees(f, X, W)


def test_product_of_no_rows():
    agrees(lambda x, w: x @ w, X[:0], W)
    agrees(lambda x, w: x @ w, X[..., :0], W[:0])


def test_gradients_of_a_product_of_rows():
    f = gg.grad(lambda x, w: gg.sum(gg.tanh(x @ w)), argnums=(0, 1))
    for got, wanted in zip(gg.jit(f)(X, W), f(X, W), strict=True):
        np.testing.assert_allclose(np.asarray(got), np.asarray(wanted), rtol=1e-12)


def test_a_map_moves_before_a_transposition():
    """So that it is one kernel with what computes the array that is transposed."""
    f = lambda x: gg.permute_dims(gg.exp(x), (0, 2, 1)) * 0.5 + 1.0
    assert names(f, X) == ["exp", "multiply", "add", "permute"]
    assert len(gg.jit(f).sources(X)) == 1
    agrees(f, X)


def test_a_map_of_two_arrays_stays():
    f = lambda x, y: gg.permute_dims(x, (0, 2, 1)) * y
    y = gg.tensor(RNG.normal(size=(3, 5, 4)))
    assert names(f, X, y) == ["permute", "multiply"]
    agrees(f, X, y)


def test_a_map_that_broadcasts_stays():
    f = lambda x: gg.permute_dims(x, (1, 0)) * gg.tensor(np.ones((2, 1, 1)))
    agrees(f, W)


def test_counting_is_done_once():
    """The masks of two attentions are constants, which nothing computes in a run."""
    f = lambda x: gg.scaled_dot_product_attention(
        gg.scaled_dot_product_attention(x, x, x, is_causal=True), x, x, is_causal=True
    )
    found = names(f, X)
    assert not {"iota", "less_equal"} & {*found}
    agrees(f, X)


def test_a_finite_number_needs_no_mask():
    """What masks zero times infinity is a plain product where one factor is a number like 1/5."""
    f = lambda x, g: gg.vjp(lambda x: gg.mean(x, axis=-1), x)[1](g)[0]
    g = gg.tensor(RNG.normal(size=(3, 4)))
    assert "masked_multiply" not in names(f, X, g)
    special = gg.tensor(np.array([[0.0, -0.0, np.inf, np.nan]] * 3))
    np.testing.assert_array_equal(np.asarray(gg.jit(f)(X, special)), np.asarray(f(X, special)))
