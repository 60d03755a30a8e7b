"""A training step of an MLP and of a CNN on 8 × 8 digits, eager, beside PyTorch's: forward, backward, Adam.

ci/bench -k training
"""

from __future__ import annotations

import numpy as np
import pytest
from peers import torch

import gpugrad as gg

RNG = np.random.default_rng(0)
IMAGES = RNG.random((64, 1, 8, 8), dtype=np.float32)
LABELS = RNG.integers(0, 10, 64)


def mlp(nn):
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10)
    )


def cnn(nn):
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(512, 10),
    )  # fmt: skip


def ours(build):
    model = build(gg.nn)
    optimizer = gg.optim.Adam(model.parameters(), lr=1e-3)
    x, y = gg.tensor(IMAGES), gg.tensor(LABELS)

    def step():
        optimizer.zero_grad()
        loss = gg.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def theirs(build):
    model = build(torch.nn)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    x, y = torch.tensor(IMAGES), torch.tensor(LABELS)

    def step():
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def steps(build):
    yield pytest.param(ours, build, id="gpugrad")
    if torch is not None:
        yield pytest.param(theirs, build, id="torch")


def measure(benchmark, make, build):
    step = make(build)
    first = step()
    for _ in range(20):
        last = step()
    assert last < first  # it learns
    benchmark(step)


@pytest.mark.benchmark(group="training step, MLP 64-128-128-10, batch 64, Adam")
@pytest.mark.parametrize(("make", "build"), list(steps(mlp)))
def test_training_mlp(benchmark, make, build):
    measure(benchmark, make, build)


@pytest.mark.benchmark(group="training step, CNN 16-32 on 8 × 8, batch 64, Adam")
@pytest.mark.parametrize(("make", "build"), list(steps(cnn)))
def test_training_cnn(benchmark, make, build):
    measure(benchmark, make, build)
