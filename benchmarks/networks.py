"""Models and training steps, written for each library as its users write them."""

from __future__ import annotations

import functools as ft
import math

import numpy as np
from peers import jax, torch

import gpugrad as gg


def perceptron(nn, width, layers=2):
    """``layers`` hidden layers as wide as the input, and ten classes."""
    hidden = [layer for _ in range(layers) for layer in (nn.Linear(width, width), nn.ReLU())]
    return nn.Sequential(*hidden, nn.Linear(width, 10))


def convolutional(nn):
    """Images 3 × 32 × 32 to 32 and 64 channels, and ten classes."""
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64 * 8 * 8, 10),
    )  # fmt: skip


VOCABULARY, LENGTH, WIDTH, BLOCKS, HEADS = 65, 64, 128, 4, 4


def our_gpt():
    """A transformer that tells the next of ``VOCABULARY`` tokens, with gg.nn."""
    nn = gg.nn

    class Block(nn.Module):
        def __init__(self):
            self.norm, self.attention = nn.LayerNorm(WIDTH), nn.MultiHeadAttention(WIDTH, HEADS)
            wide = nn.Linear(WIDTH, 4 * WIDTH), nn.GELU("tanh"), nn.Linear(4 * WIDTH, WIDTH)
            self.perceptron = nn.Sequential(nn.LayerNorm(WIDTH), *wide)

        def forward(self, x):
            x = x + self.attention(self.norm(x), is_causal=True)
            return x + self.perceptron(x)

    class GPT(nn.Module):
        def __init__(self):
            self.tokens, self.positions = nn.Embedding(VOCABULARY, WIDTH), nn.Embedding(LENGTH, WIDTH)
            self.blocks = nn.Sequential(*(Block() for _ in range(BLOCKS)))
            self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, VOCABULARY)

        def forward(self, tokens):
            x = self.tokens(tokens) + self.positions(gg.arange(tokens.shape[-1], device=tokens.device))
            return self.head(self.norm(self.blocks(x))).reshape(-1, VOCABULARY)

    return GPT()


def torch_gpt():
    """The same with torch.nn, and PyTorch's fused attention."""
    nn = torch.nn

    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.qkv, self.output = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

        def forward(self, x):
            n, t, _ = x.shape
            q, k, v = (h.view(n, t, HEADS, -1).transpose(1, 2) for h in self.qkv(x).split(WIDTH, -1))
            y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            return self.output(y.transpose(1, 2).reshape(n, t, WIDTH))

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.Sequential(nn.LayerNorm(WIDTH), Attention())
            wide = nn.Linear(WIDTH, 4 * WIDTH), nn.GELU("tanh"), nn.Linear(4 * WIDTH, WIDTH)
            self.perceptron = nn.Sequential(nn.LayerNorm(WIDTH), *wide)

        def forward(self, x):
            x = x + self.attention(x)
            return x + self.perceptron(x)

    class GPT(nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens, self.positions = nn.Embedding(VOCABULARY, WIDTH), nn.Embedding(LENGTH, WIDTH)
            self.blocks = nn.Sequential(*(Block() for _ in range(BLOCKS)))
            self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, VOCABULARY)

        def forward(self, tokens):
            x = self.tokens(tokens) + self.positions(torch.arange(tokens.shape[-1]))
            return self.head(self.norm(self.blocks(x))).reshape(-1, VOCABULARY)

    return GPT()


# ---- with JAX: a model is a tree of arrays and a function of them ---------------------------------------------------------


def _layer(rng, n, m):
    return rng.uniform(-1, 1, (n, m)).astype("f") / math.sqrt(n), np.zeros(m, "f")


def _linear(x, layer):
    return x @ layer[0] + layer[1]


def jax_perceptron(width, layers=2):
    """Parameters, and the function of them and of the input."""
    rng = np.random.default_rng(1)
    p = [_layer(rng, width, width) for _ in range(layers)] + [_layer(rng, width, 10)]

    def forward(p, x):
        for layer in p[:-1]:
            x = jax.nn.relu(_linear(x, layer))
        return _linear(x, p[-1])

    return p, forward


def jax_gpt():
    """The same transformer, with one product for queries, keys and values."""
    rng, jnp = np.random.default_rng(1), jax.numpy
    ones = lambda: (np.ones(WIDTH, "f"), np.zeros(WIDTH, "f"))
    normal = lambda n: rng.normal(size=(n, WIDTH)).astype("f")
    sizes = {"qkv": (WIDTH, 3 * WIDTH), "out": (WIDTH, WIDTH), "up": (WIDTH, 4 * WIDTH), "down": (4 * WIDTH, WIDTH)}
    blocks = [{"n1": ones(), "n2": ones()} | {k: _layer(rng, *nm) for k, nm in sizes.items()} for _ in range(BLOCKS)]
    p = {"t": normal(VOCABULARY), "p": normal(LENGTH), "b": blocks, "n": ones(), "h": _layer(rng, WIDTH, VOCABULARY)}

    def norm(x, w):
        d = x - x.mean(-1, keepdims=True)
        return d * jax.lax.rsqrt((d * d).mean(-1, keepdims=True) + 1e-5) * w[0] + w[1]

    def attention(x, p):
        n, t, _ = x.shape
        q, k, v = (h.reshape(n, t, HEADS, -1) for h in jnp.split(_linear(x, p["qkv"]), 3, -1))
        y = jax.nn.dot_product_attention(q, k, v, is_causal=True)
        return _linear(y.reshape(n, t, WIDTH), p["out"])

    def forward(p, tokens):
        x = p["t"][tokens] + p["p"]
        for b in p["b"]:
            x = x + attention(norm(x, b["n1"]), b)
            x = x + _linear(jax.nn.gelu(_linear(norm(x, b["n2"]), b["up"])), b["down"])
        return _linear(norm(x, p["n"]), p["h"]).reshape(-1, VOCABULARY)

    return p, forward


# ---- training steps: cross entropy, backward, Adam; each call gives the loss as a number ------------------------------------


def our_steps(model, x, y):
    """The plain training step, as a function of x and y, with x and y."""
    optimizer = gg.optim.Adam(model.parameters(), lr=1e-3)

    def step(x, y):
        loss = gg.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()  # last, so that no gradient outlives the step, as none does with JAX
        return loss

    return step, gg.tensor(x), gg.tensor(y)


def our_step(make, data, compiled):
    step, x, y = our_steps(make(), *data())
    run = gg.jit(step) if compiled else step
    return lambda: run(x, y).item()


def torch_step(make, data, compiled=False):
    model = make()
    run = torch.compile(model) if compiled else model
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    x, y = map(torch.tensor, data())

    def step():
        loss = torch.nn.functional.cross_entropy(run(x), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss.item()

    return step


def jax_adam(p, g, m, v, t):
    """What becomes of parameters and moments with gradients ``g``, at step ``t`` from 1."""
    sqrt, each = jax.numpy.sqrt, jax.tree.map
    m = each(lambda m, g: 0.9 * m + 0.1 * g, m, g)
    v = each(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
    p = each(lambda p, m, v: p - 1e-3 * (m / (1 - 0.9**t)) / (sqrt(v / (1 - 0.999**t)) + 1e-8), p, m, v)
    return p, m, v


def jax_steps(make, data):
    """The training step compiled, the state that it begins with, and the data."""
    p, forward = make()
    x, y = map(jax.numpy.asarray, data())

    def loss(p, x, y):
        return -jax.numpy.take_along_axis(jax.nn.log_softmax(forward(p, x)), y[:, None], 1).mean()

    @ft.partial(jax.jit, donate_argnums=(0, 1, 2))
    def step(p, m, v, t, x, y):
        value, g = jax.value_and_grad(loss)(p, x, y)
        return value, *jax_adam(p, g, m, v, t + 1), t + 1

    # Each its own arrays, in JAX's memory: what is donated must not be read by others.
    p = jax.tree.map(jax.numpy.array, p)
    zeros = lambda: jax.tree.map(jax.numpy.zeros_like, p)
    return step, [p, zeros(), zeros(), jax.numpy.float32(0)], (x, y)


def jax_step(make, data):
    compiled, state, xy = jax_steps(make, data)

    def step():
        value, *state[:] = compiled(*state, *xy)
        return float(value)

    return step


def vectors(width, batch):
    """Examples of ten classes."""
    rng = np.random.default_rng(2)
    return rng.normal(size=(batch, width)).astype(np.float32), rng.integers(0, 10, batch)


def images():
    rng = np.random.default_rng(2)
    return rng.normal(size=(128, 3, 32, 32)).astype(np.float32), rng.integers(0, 10, 128)


def tokens():
    """Text, and for each place the token that comes next."""
    text = np.random.default_rng(2).integers(0, VOCABULARY, (12, LENGTH + 1))
    return text[:, :-1].copy(), text[:, 1:].reshape(-1)
