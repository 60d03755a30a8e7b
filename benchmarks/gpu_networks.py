"""Networks that are to train fast on a GPU, each written once for gpugrad and for PyTorch, whose modules have the same names."""

from __future__ import annotations

import itertools as it
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import gpugrad as gg

HALF = "bfloat16"


@dataclass(frozen=True)
class Network:
    """A model, and what it learns from."""

    model: Callable[[Any], Any]
    """Of a library, ``gpugrad`` or ``torch``."""
    data: Callable[[Any], tuple[Any, Any]]
    """Examples and classes, from a generator of random numbers."""
    mixed: bool
    """Whether products are computed in bfloat16, from parameters in float32."""


def perceptron(sizes: Sequence[int] = (784, 256, 128, 10), batch: int = 128) -> Network:
    """Digits, with two hidden layers."""

    def model(of: Any) -> Any:
        layers = [of.nn.Linear(n, m) for n, m in it.pairwise(sizes)]
        return of.nn.Sequential(*(x for layer in layers[:-1] for x in (layer, of.nn.ReLU())), layers[-1])

    def data(rng: Any) -> tuple[Any, Any]:
        return rng.standard_normal((batch, sizes[0]), np.float32), rng.integers(0, sizes[-1], batch)

    return Network(model, data, mixed=False)


def gpt2(
    blocks: int = 12, width: int = 768, heads: int = 12, vocabulary: int = 50304, length: int = 1024, batch: int = 32
) -> Network:
    """GPT-2 of 124 million parameters; the 50257 tokens are filled up to a multiple of 64, as is usual."""

    def model(of: Any) -> Any:
        nn = of.nn
        attend = gg.scaled_dot_product_attention if of is gg else nn.functional.scaled_dot_product_attention

        class Attention(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.qkv, self.output = nn.Linear(width, 3 * width), nn.Linear(width, width)

            def forward(self, x: Any) -> Any:
                n, t, _ = x.shape
                each = self.qkv(x).reshape(n, t, 3, heads, width // heads)
                y = attend(*(each[:, :, k].swapaxes(1, 2) for k in range(3)), is_causal=True)
                return self.output(y.swapaxes(1, 2).reshape(n, t, width))

        class Block(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.attention = nn.Sequential(nn.LayerNorm(width), Attention())
                wide = nn.Linear(width, 4 * width), nn.GELU("tanh"), nn.Linear(4 * width, width)
                self.perceptron = nn.Sequential(nn.LayerNorm(width), *wide)

            def forward(self, x: Any) -> Any:
                x = x + self.attention(x)
                return x + self.perceptron(x)

        class GPT(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.tokens, self.positions = nn.Embedding(vocabulary, width), nn.Embedding(length, width)
                self.blocks = nn.Sequential(*(Block() for _ in range(blocks)))
                self.norm = nn.LayerNorm(width)

            def forward(self, tokens: Any) -> Any:
                x = self.tokens(tokens) + self.positions(of.arange(length, device=tokens.device))
                return (self.norm(self.blocks(x)) @ self.tokens.weight.T).reshape(-1, vocabulary)

        return GPT()

    def data(rng: Any) -> tuple[Any, Any]:
        text = rng.integers(0, vocabulary, (batch, length + 1))
        return text[:, :-1].copy(), text[:, 1:].reshape(-1)

    return Network(model, data, mixed=True)


def resnet18(widths: Sequence[int] = (64, 128, 256, 512), size: int = 32, batch: int = 128) -> Network:
    """ResNet-18 as it is for images of 32 × 32: the first convolution is of 3 × 3, and nothing is pooled after it."""

    def model(of: Any) -> Any:
        nn = of.nn
        relu = gg.relu if of is gg else nn.functional.relu

        class Block(nn.Module):
            def __init__(self, before: int, after: int, stride: int) -> None:
                super().__init__()
                self.first = nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)
                self.second = nn.Conv2d(after, after, 3, padding=1, bias=False)
                self.norms = nn.Sequential(nn.BatchNorm2d(after), nn.BatchNorm2d(after))
                beside = nn.Conv2d(before, after, 1, stride=stride, bias=False), nn.BatchNorm2d(after)
                self.beside = nn.Sequential(*beside) if before != after or stride > 1 else nn.Identity()

            def forward(self, x: Any) -> Any:
                y = relu(self.norms[0](self.first(x)))
                return relu(self.norms[1](self.second(y)) + self.beside(x))

        layers = [nn.Conv2d(3, widths[0], 3, padding=1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU()]
        before = widths[0]
        for k, after in enumerate(widths):
            layers += [Block(before, after, 2 if k else 1), Block(after, after, 1)]
            before = after
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, 10))

    def data(rng: Any) -> tuple[Any, Any]:
        return rng.standard_normal((batch, 3, size, size), np.float32), rng.integers(0, 10, batch)

    return Network(model, data, mixed=True)


def generator() -> Any:
    """The random numbers that data are made of."""
    return np.random.default_rng(0)


def training(network: Network, device: str = "cuda") -> tuple[Any, Callable[..., Any], tuple[Any, ...]]:
    """With gpugrad: the model, a step that gives the loss, to be compiled, and its arguments."""
    model = network.model(gg).to(device)
    optimizer = gg.optim.AdamW(model.parameters(), lr=1e-3)

    def step(x: Any, y: Any) -> Any:
        with gg.autocast(HALF, enabled=network.mixed):
            loss = gg.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    return model, step, tuple(gg.tensor(a, device=device) for a in network.data(generator()))
