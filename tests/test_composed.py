"""Compositions of large arrays run as compiled functions when they come again: the same results, errors and derivatives."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from interpreted import interpreted

import gpugrad as gg
from gpugrad.backends import numba_kernels
from gpugrad.ops import composition
from gpugrad.transforms import composed

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 5))
CLASSES = RNG.integers(0, 5, 6)
FUNCTIONS = {
    "gelu": gg.gelu,
    "gelu, tanh": lambda x: gg.gelu(x, approximate="tanh"),
    "silu": gg.silu,
    "mish": gg.mish,
    "elu": lambda x: gg.elu(x, 0.5),
    "softmax": lambda x: gg.softmax(x, axis=0),
    "log_softmax": gg.log_softmax,
    "layer_norm": lambda x: gg.layer_norm(x, weight=gg.arange(5.0), bias=gg.ones(5)),
    "cross_entropy": lambda x: gg.cross_entropy(x, gg.tensor(CLASSES)),
    "mse_loss": lambda x: gg.mse_loss(x, gg.zeros((6, 5))),
    "binary_cross_entropy_with_logits": lambda x: gg.binary_cross_entropy_with_logits(x, gg.ones((6, 5))),
}


@pytest.fixture(autouse=True)
def _small_is_large(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(composition, "LARGE", 1)
    monkeypatch.setattr(composed, "_calls", {})
    monkeypatch.setattr(composed, "_functions", {})
    monkeypatch.setattr(numba_kernels, "compiled", interpreted)
    yield
    composed.wait()


def compiled() -> int:
    """How many kinds of calls there are plans for."""
    composed.wait()
    return sum(p is not None and p.result() for p in composed._calls.values())


@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_the_same_values_and_gradients(name: str) -> None:
    f = FUNCTIONS[name]
    x = gg.tensor(X, requires_grad=True)
    found = []
    for _ in range(4):
        x.grad = None
        y = f(x)
        gg.sum(y * y).backward()
        found.append((y.detach().numpy(), x.grad.numpy()))
        composed.wait()
    assert compiled() >= 1
    for value, gradient in found[1:]:
        np.testing.assert_allclose(value, found[0][0], rtol=1e-12)
        np.testing.assert_allclose(gradient, found[0][1], rtol=1e-10, atol=1e-12)


def test_without_gradients_and_with_them_are_two_kinds() -> None:
    x = gg.tensor(X, requires_grad=True)
    for _ in range(3):
        gg.gelu(x)
        with gg.no_grad():
            y = gg.gelu(x)
        composed.wait()
        assert not y.requires_grad
    assert compiled() == 2


def test_derivatives_of_derivatives_and_transforms() -> None:
    x = gg.tensor(X, requires_grad=True)
    for _ in range(3):
        y = gg.gelu(x, approximate="tanh")
        composed.wait()
    assert compiled() == 1
    (first,) = [gg.grad(lambda x: gg.sum(gg.gelu(x, approximate="tanh")))(gg.tensor(X))]
    gg.sum(y).backward(create_graph=True)
    np.testing.assert_allclose(x.grad.detach().numpy(), first.numpy(), rtol=1e-12)
    second = gg.grad(lambda x: gg.sum(gg.grad(lambda x: gg.sum(gg.gelu(x, approximate="tanh")))(x)))(gg.tensor(X))
    g, x.grad = x.grad, None
    gg.sum(g).backward()
    np.testing.assert_allclose(x.grad.detach().numpy(), second.numpy(), rtol=1e-9)
    mapped = gg.vmap(lambda r: gg.gelu(r, approximate="tanh"))(gg.tensor(X))
    np.testing.assert_allclose(mapped.numpy(), y.detach().numpy(), rtol=1e-12)


def test_turned_off_it_is_not_looked_at() -> None:
    gg.config.fused_backward = False
    try:
        for _ in range(3):
            gg.gelu(gg.tensor(X))
    finally:
        gg.config.fused_backward = True
    assert not composed._calls


def test_errors_stay_what_they_are() -> None:
    for _ in range(3):
        with pytest.raises(gg.errors.AxisError):
            gg.cross_entropy(gg.tensor(X), gg.tensor(CLASSES + 3))
        with pytest.raises(gg.errors.AxisError):
            gg.softmax(gg.tensor(X), axis=7)
        with pytest.raises(gg.errors.ArgumentError):
            gg.gelu(gg.tensor(X), approximate="no")
        composed.wait()


def test_other_shapes_dtypes_and_options_are_other_kinds() -> None:
    for _ in range(3):
        for dtype in ("float64", "float32"):
            for size in (5, 4):
                y = gg.softmax(gg.tensor(X[:, :size], dtype=dtype), axis=1)
                assert y.dtype == np.dtype(dtype)
                np.testing.assert_allclose(gg.sum(y, axis=1).numpy(), 1.0, rtol=1e-6)
        gg.softmax(gg.tensor(X), axis=0)
        composed.wait()
    assert compiled() == 5
