"""The workloads, each declared once: what is computed, on which sizes, in which ways, and what bounds it.

A workload has *ways*: "forward", "gradient" (of the sum of squares, with its value), "step" (a whole training step) or "product"
(a Hessian-vector product). What it computes is a function of arrays in terms of gpugrad; ``peers`` has the same for others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import gpugrad as gg
from gpugrad import nn, optim
from gpugrad.transforms.derived import hvp
from gpugrad.transforms.functional import value_and_grad

Arrays = tuple[Any, ...]


@dataclass(frozen=True)
class Workload:
    """A function, the arrays that it takes, and sizes to try it on."""

    name: str
    about: str
    size: str
    """What a size is."""
    sizes: Sequence[int]
    quick: Sequence[int]
    """The sizes of a quick run, two of them."""
    dtypes: Sequence[str]
    bound: str
    """What bounds it when it is large: "bandwidth", "products" or "calls"."""
    data: Callable[[int, Any], Arrays]
    """NumPy arrays for a size, from a generator of random numbers: floats in float32, which take the dtype asked for."""
    function: Callable[..., Any]
    """Of the arrays, giving an array; of a step, what makes its model for a size."""
    ways: Sequence[str] = ("forward", "gradient")


def normal(*shape: int) -> Callable[[Any], Any]:
    """What draws an array of normally distributed numbers."""
    return lambda rng: rng.standard_normal(shape, np.float32)


# ---- functions of arrays -----------------------------------------------------------------------------------------------


def _rows(n: int) -> tuple[int, int]:
    """A matrix of about ``n`` elements, with rows of 1024 where there are as many."""
    columns = min(1024, n)
    return max(1, n // columns), columns


def chain(x: Any) -> Any:
    """GELU of a scaled and shifted array: a chain of elementwise operations."""
    return gg.gelu(x * 1.1 + 0.2) * 0.5


def reduction(x: Any) -> Any:
    """The mean square of each row."""
    return gg.mean(gg.square(x), axis=-1)


def softmax(x: Any) -> Any:
    return gg.softmax(x, axis=-1)


def layer_norm(x: Any, scale: Any, shift: Any) -> Any:
    return gg.layer_norm(x, scale, shift)


def cross_entropy(x: Any, y: Any) -> Any:
    return gg.cross_entropy(x, y)


def product(x: Any, y: Any) -> Any:
    return x @ y


def scalar(x: Any) -> Any:
    """Ten operations on one number: what is left is the cost of calls."""
    for _ in range(5):
        x = gg.sin(x) * 0.9
    return x


def quartic(x: Any) -> Any:
    """Rosenbrock's function of many variables."""
    return 100.0 * gg.square(x[1:] - gg.square(x[:-1])) + gg.square(1.0 - x[:-1])


# ---- training steps ------------------------------------------------------------------------------------------------------


def perceptron(width: int) -> Any:
    """Two hidden layers, ten classes."""
    return nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10))


def convolutional(channels: int) -> Any:
    """Images of 3 × 32 × 32 to ten classes."""
    return nn.Sequential(
        nn.Conv2d(3, channels, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(channels, 2 * channels, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(2 * channels * 8 * 8, 10),
    )  # fmt: skip


VOCABULARY, LENGTH = 256, 64


class Block(nn.Module):
    """Attention and a perceptron, each after a normalisation and beside what goes on."""

    def __init__(self, width: int) -> None:
        self.before, self.attention = nn.LayerNorm(width), nn.MultiHeadAttention(width, max(1, width // 32))
        wide = nn.Linear(width, 4 * width), nn.GELU("tanh"), nn.Linear(4 * width, width)
        self.perceptron = nn.Sequential(nn.LayerNorm(width), *wide)

    def forward(self, x: Any) -> Any:
        x = x + self.attention(self.before(x), is_causal=True)
        return x + self.perceptron(x)


class Transformer(nn.Module):
    """What tells the next of ``VOCABULARY`` tokens, with two blocks."""

    def __init__(self, width: int) -> None:
        self.tokens, self.positions = nn.Embedding(VOCABULARY, width), nn.Embedding(LENGTH, width)
        self.blocks = nn.Sequential(Block(width), Block(width))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, VOCABULARY)

    def forward(self, tokens: Any) -> Any:
        x = self.tokens(tokens) + self.positions(gg.arange(tokens.shape[-1], device=tokens.device))
        return gg.reshape(self.head(self.norm(self.blocks(x))), (-1, VOCABULARY))


class Parameters(nn.Module):
    """Parameters alone, in arrays of a million elements at most: their gradients are the input."""

    def __init__(self, n: int) -> None:
        for k, each in enumerate(_lengths(n)):
            setattr(self, f"array_{k}", nn.Parameter(gg.zeros(each)))


def _lengths(n: int) -> list[int]:
    each = min(n, 1 << 20)
    return [each] * (n // each)


WORKLOADS = {
    w.name: w
    for w in (
        Workload("chain", "GELU(1.1 x + 0.2) / 2", "elements", [10**k for k in range(3, 8)], [10**4, 10**6],
                 ["float32", "float64", "bfloat16"], "bandwidth", lambda n, rng: (normal(n)(rng),), chain),
        Workload("reduction", "mean squares of rows", "elements", [1 << k for k in range(12, 25, 3)], [1 << 14, 1 << 20],
                 ["float32", "float64"], "bandwidth", lambda n, rng: (normal(*_rows(n))(rng),), reduction),
        Workload("softmax", "softmax of rows of 1024", "elements", [1 << k for k in range(12, 25, 3)], [1 << 14, 1 << 20],
                 ["float32", "bfloat16"], "bandwidth", lambda n, rng: (normal(*_rows(n))(rng),), softmax),
        Workload("layer norm", "of rows of 1024, with scale and shift", "elements", [1 << k for k in range(12, 25, 3)],
                 [1 << 14, 1 << 20], ["float32", "bfloat16"], "bandwidth",
                 lambda n, rng: (normal(*_rows(n))(rng), normal(_rows(n)[1])(rng), normal(_rows(n)[1])(rng)), layer_norm),
        Workload("cross entropy", "of rows of 1024 classes", "elements", [1 << k for k in range(12, 25, 3)],
                 [1 << 14, 1 << 20], ["float32", "bfloat16"], "bandwidth",
                 lambda n, rng: (normal(*_rows(n))(rng), rng.integers(0, _rows(n)[1], _rows(n)[0])), cross_entropy),
        Workload("matmul", "product of square matrices", "rows", [64, 128, 256, 512, 1024, 2048], [128, 512],
                 ["float32", "float64", "bfloat16"], "products", lambda n, rng: (normal(n, n)(rng), normal(n, n)(rng)), product),
        Workload("MLP step", "two hidden layers, batch 256, Adam", "width", [64, 128, 256, 512, 1024], [64, 256],
                 ["float32"], "products", lambda n, rng: (normal(256, n)(rng), rng.integers(0, 10, 256)), perceptron, ["step"]),
        Workload("CNN step", "two convolutions of 3 × 32 × 32, batch 32, Adam", "channels", [8, 16, 32], [8, 16],
                 ["float32"], "products", lambda n, rng: (normal(32, 3, 32, 32)(rng), rng.integers(0, 10, 32)), convolutional, ["step"]),
        Workload("transformer step", "two blocks, 8 × 64 tokens, Adam", "width", [32, 64, 128, 256], [32, 64],
                 ["float32"], "products",
                 lambda n, rng: (rng.integers(0, VOCABULARY, (8, LENGTH)), rng.integers(0, VOCABULARY, 8 * LENGTH)),
                 Transformer, ["step"]),
        Workload("Adam", "an optimizer's step, gradients given", "parameters", [10**k for k in range(4, 8)], [10**4, 10**6],
                 ["float32"], "bandwidth", lambda n, rng: tuple(normal(each)(rng) for each in _lengths(n)), Parameters, ["step"]),
        Workload("scalar", "ten operations on one number", "elements", [1], [1], ["float64"], "calls",
                 lambda n, rng: (normal()(rng),), scalar),
        Workload("Hessian product", "of Rosenbrock's function", "variables", [10**k for k in range(2, 7)], [10**3, 10**5],
                 ["float64", "float32"], "bandwidth", lambda n, rng: (normal(n)(rng), normal(n)(rng)), quartic, ["product"]),
    )
}  # fmt: skip
"""By name."""


# ---- ways ------------------------------------------------------------------------------------------------------------------


def total(f: Callable[..., Any]) -> Callable[..., Any]:
    """The sum of all that a function gives."""
    return lambda *args: gg.sum(f(*args))


def squares(f: Callable[..., Any]) -> Callable[..., Any]:
    """The sum of the squares: that of a softmax is 1 whatever it is of, and its gradient would say nothing."""
    return lambda *args: gg.sum(gg.square(f(*args)))


def way_of(workload: Workload, way: str, size: int, dtype: str, device: str) -> Callable[..., Any]:
    """The function that is measured, of the arrays; ``gg.jit`` compiles it."""
    f = workload.function
    if way == "forward":
        return f
    if way == "gradient":
        return value_and_grad(squares(f))
    if way == "product":
        return lambda x, v: hvp(total(f), (x,), (v,))
    return _step(workload, size, dtype, device)


def _step(workload: Workload, size: int, dtype: str, device: str) -> Callable[..., Any]:
    gg.random.seed(0)
    model = workload.function(size).to(device)
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    if isinstance(model, Parameters):
        parameters = list(model.parameters())

        def update(*gradients: Any) -> None:
            for p, g in zip(parameters, gradients, strict=True):
                p.grad = g
            optimizer.step()
            optimizer.zero_grad()

        return update

    def step(x: Any, y: Any) -> Any:
        loss = gg.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()  # last, so that no gradient outlives the step
        return loss

    return step
