"""Backward passes that come again run as plans, with the same results and the same errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from interpreted import interpreted

import gpugrad as gg
from gpugrad.backends import numba_kernels
from gpugrad.ops import composition
from gpugrad.transforms import replay


@pytest.fixture(autouse=True)
def _small_is_large(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(composition, "LARGE", 1)
    monkeypatch.setattr(composition, "_compiled", None)
    monkeypatch.setattr(replay, "_plans", {})
    monkeypatch.setattr(numba_kernels, "compiled", interpreted)
    yield
    replay.wait()


def passes(f: Any, *xs: Any, n: int = 5) -> list[list[Any]]:
    """The gradients of ``n`` passes, the last of which run as plans."""
    out = []
    for _ in range(n):
        for x in xs:
            x.grad = None
        f(*xs).backward()
        out.append([x.grad.numpy().copy() for x in xs])
        replay.wait()
    return out


def plans() -> list[Any]:
    return [p.result() for p in replay._plans.values() if p is not None]


def test_the_same_gradients() -> None:
    rng = np.random.default_rng(0)
    x, w = (gg.tensor(rng.normal(size=s), requires_grad=True) for s in ((4, 3), (3, 5)))
    found = passes(lambda x, w: gg.sum(gg.softmax(gg.tanh(x) @ w, axis=-1)[:, 0] * gg.max(x, axis=1)), x, w)
    assert len(plans()) == 1 and plans()[0] is not None
    for later in found[1:]:
        for a, b in zip(later, found[0], strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12)


def test_gradients_accumulate() -> None:
    x = gg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    for k in range(1, 9):
        gg.sum(gg.exp(x * 0.5) * x).backward()
        replay.wait()
        wanted = k * (np.exp(x.detach().numpy() * 0.5) * (1.0 + 0.5 * x.detach().numpy()))
        np.testing.assert_allclose(x.grad.numpy(), wanted, rtol=1e-12)
    assert len(plans()) == 1  # for a gradient that is there already; without one it came but once


def test_numbers_and_shapes_are_part_of_the_structure() -> None:
    for scale in (1.0, 2.0, 3.0):
        for n in (3, 4):
            x = gg.tensor(np.ones(n), requires_grad=True)
            for grads in passes(lambda x, s=scale: gg.sum(x * s * x), x):
                np.testing.assert_allclose(grads[0], np.full(n, 2.0 * scale))
    assert len(plans()) == 6


def test_the_graph_is_released_unless_it_is_retained() -> None:
    x = gg.tensor([1.0, 2.0], requires_grad=True)
    for _ in range(4):
        y = gg.sum(gg.exp(x) * x)
        y.backward()
        replay.wait()
        with pytest.raises(gg.errors.GraphError, match="released by an earlier backward pass"):
            y.backward()
    x.grad = None
    y = gg.sum(gg.exp(x) * x)
    y.backward(retain_graph=True)
    replay.wait()
    y.backward()
    np.testing.assert_allclose(x.grad.numpy(), 2.0 * np.exp([1.0, 2.0]) * np.array([2.0, 3.0]))


def test_hooks_custom_rules_and_derivatives_of_derivatives_are_interpreted() -> None:
    x = gg.tensor([1.0, 2.0], requires_grad=True)
    seen: list[Any] = []
    for _ in range(4):
        y = x * x
        y.register_hook(seen.append)
        gg.sum(y).backward()
    assert len(seen) == 4
    clipped = gg.custom_vjp(lambda x: x)
    clipped.defvjp(lambda x: (x, None), lambda _, g: (gg.clip(g, -1.0, 1.0),))
    passes(lambda x: gg.sum(5.0 * clipped(x)), x)
    for _ in range(4):
        gg.sum(x * x * x).backward(create_graph=True)
        replay.wait()
    assert not plans()
    x.grad = None


def test_it_can_be_turned_off() -> None:
    gg.config.fused_backward = False
    try:
        passes(lambda x: gg.sum(x * x), gg.tensor([1.0], requires_grad=True))
        assert not replay._plans
    finally:
        gg.config.fused_backward = True


def test_small_programs_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(composition, "LARGE", 1 << 18)
    passes(lambda x: gg.sum(x * x), gg.tensor(np.ones(1000), requires_grad=True))
    assert not replay._plans
