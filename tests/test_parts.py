"""What one loop need not do together is several loops: updates of parameters alike, and what else goes through many arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from test_table import agree

import gpugrad as gg
from gpugrad import nn, optim
from gpugrad.graph import parts


def arrays(f: Any, *args: Any) -> list[int]:
    """How many each kernel goes through."""
    calls = [c for c in f._compiled(args, {}).plan.memory.calls if hasattr(c, "kernel")]
    return [sum(1 for a in c.kernel.arrays if a.axes and not a.scratch) for c in calls]


def drawn(n: int, *shape: int) -> list[Any]:
    rng = np.random.default_rng(0)
    return [gg.tensor(rng.normal(size=shape)) for _ in range(n)]


def test_parameters_alike_are_updated_one_by_one(by_python: None) -> None:
    def trained(compiled: bool) -> Any:
        ps = [nn.Parameter(gg.full((5, 7), float(k))) for k in range(20)]
        optimizer = optim.Adam(ps, lr=0.1)

        def step(*gs: Any) -> None:
            for p, g in zip(ps, gs, strict=True):
                p.grad = gg.astype(g, gg.float32)
            optimizer.step()
            optimizer.zero_grad()

        run = gg.jit(step) if compiled else step
        for _ in range(3):
            run(*gradients)
        return run, ps

    gradients = drawn(20, 5, 7)
    run, found = trained(True)
    agree(found, trained(False)[1], 1e-6, "parameters")
    many = [n for n in arrays(run, *gradients) if n]
    assert len(many) == 20 and max(many) <= parts.MOST
    assert len({text for text in run.sources(*gradients).values() if "35" not in text}) <= 3  # compiled once


def test_what_shares_an_array_stays_together_up_to_a_number_of_arrays(by_python: None) -> None:
    x, *ys = drawn(41, 6, 8)
    f = gg.jit(lambda x, *ys: [gg.sin(x) * y for y in ys])  # needs the sine
    g = gg.jit(lambda x, *ys: [x * y for y in ys])  # reads x
    few = gg.jit(lambda x, *ys: [gg.exp(x) + 1.0, *(-y for y in ys[:3])])
    for h in (f, g, few):
        agree(h(x, *ys), h.__wrapped__(x, *ys), 1e-14, "value")
    assert arrays(f, x, *ys) == [81]
    assert max(arrays(g, x, *ys)) <= parts.MOST and len(arrays(g, x, *ys)) == 8
    assert arrays(few, x, *ys) == [8]


@pytest.mark.parametrize("axis", [0, 1, (0, 1)])
def test_sums_of_many_arrays(axis: Any, by_python: None) -> None:
    """Of elements that are read, and of those that are computed; some are read by both."""
    xs = drawn(20, 6, 8)
    f = gg.jit(lambda *xs: [(gg.sum(x, axis=axis), gg.sum(x * x, axis=axis), gg.exp(x)) for x in xs])
    agree(gg.pytree.leaves(f(*xs)), gg.pytree.leaves(f.__wrapped__(*xs)), 1e-13, "value")
    assert max(arrays(f, *xs)) <= parts.MOST


def test_rows_and_maps_of_one_space(by_python: None) -> None:
    xs = drawn(12, 6, 8)
    f = gg.jit(lambda *xs: [(gg.softmax(x, axis=-1), x + 1.0) for x in xs])
    agree(gg.pytree.leaves(f(*xs)), gg.pytree.leaves(f.__wrapped__(*xs)), 1e-13, "value")
    assert max(arrays(f, *xs)) <= parts.MOST


def test_numbers_stay_together(by_python: None) -> None:
    xs = drawn(40)
    f = gg.jit(lambda *xs: [gg.sin(x) for x in xs])
    agree(f(*xs), f.__wrapped__(*xs), 1e-14, "value")
    assert len(f.sources(*xs)) == 1
