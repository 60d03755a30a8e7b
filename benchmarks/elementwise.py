"""Rows of the table: value and gradient of elementwise programs, of functions of rows, and of very small programs.

"copy" is np.copyto of the array, as fast as memory allows.
"""

from __future__ import annotations

import functools as ft
import math
from collections.abc import Callable, Iterator

import numpy as np
import peers
from peers import autograd, jax, torch
from rows import Call, Row, Target

import gpugrad as gg
from gpugrad.transforms import replay

RNG = np.random.default_rng(0)


def same(call: Call, ours: Call) -> None:
    """What the call gives is what ours gives."""
    np.testing.assert_allclose(np.asarray(call()), np.asarray(ours()), rtol=2e-3, atol=2e-5)


# ---- the gradient of one function by each library ----------------------------------------------------------------------


def our_jit(f, data):
    x, g = gg.tensor(data), gg.jit(gg.value_and_grad(f))
    return lambda: g(x)[1]


def our_gradient(f, data):
    """The gradient alone."""
    x, g = gg.tensor(data), gg.jit(gg.grad(f))
    return lambda: g(x)


def our_eager(f, data):
    x = gg.tensor(data, requires_grad=True)

    def call():
        x.grad = None
        f(x).backward()
        return x.grad

    for _ in range(4):  # a backward pass that comes again is compiled meanwhile
        call()
        replay.wait()
    return call


def torch_backward(f, data):
    x = torch.tensor(data, requires_grad=True)

    def call():
        x.grad = None
        f(x).backward()
        return x.grad

    return call


def torch_compiled(f, data):
    return torch_backward(torch.compile(f), data)


def jax_jit(f, data):
    x, g = jax.numpy.asarray(data), jax.jit(jax.value_and_grad(f))
    return lambda: jax.block_until_ready(g(x))[1]


def jax_gradient(f, data):
    """The gradient alone."""
    x, g = jax.numpy.asarray(data), jax.jit(jax.grad(f))
    return lambda: jax.block_until_ready(g(x))


def autograd_gradient(f, data):
    g = autograd.value_and_grad(f)
    return lambda: g(data)[1]


def copy(data):
    out = np.empty_like(data)

    def call():
        np.copyto(out, data)

    return call


LIBRARIES = {
    "gpugrad jit": our_jit,
    "gpugrad eager": our_eager,
    "torch eager": torch_backward,
    "torch.compile": torch_compiled,
    "jax jit": jax_jit,
    "autograd": autograd_gradient,
}


def makers(data: Callable[[], np.ndarray], ours, torchs, jaxs, autograds=None, **libraries):
    """What prepares each library's call: ``data()`` is made once for all, and not before it is needed."""
    functions = {"gpugrad": ours, "torch": torchs, "jax": jaxs, "autograd": autograds}
    out = {}
    for library, prepare in (LIBRARIES | libraries).items():
        f = functions[library.replace(".", " ").split()[0]]
        if f is not None and prepare is not None:
            out[library] = lambda prepare=prepare, f=f: prepare(f, data())
    return out


# ---- large arrays ------------------------------------------------------------------------------------------------------


@ft.cache
def large() -> np.ndarray:
    return RNG.normal(size=10**7).astype(np.float32)


@ft.cache
def matrix() -> np.ndarray:
    return RNG.normal(size=(8192, 1024)).astype(np.float32)


def gelu_written_out(xp):
    """GELU by its formula, for a library without one."""
    root = np.float32(math.sqrt(2 / math.pi))
    return lambda x: xp.sum(np.float32(0.5) * x * (1 + xp.tanh(root * (x + np.float32(0.044715) * x * x * x))))


def sums() -> Iterator[tuple[str, tuple]]:
    """Sums over a large array: the same formula for each library."""
    yield (
        "GELU (tanh form)",
        (
            lambda x: gg.sum(gg.gelu(x, approximate="tanh")),
            lambda x: torch.nn.functional.gelu(x, approximate="tanh").sum(),
            lambda x: jax.nn.gelu(x, approximate=True).sum(),
            gelu_written_out(peers.anp),
        ),
    )
    yield (
        "sin · log",
        (
            lambda x: gg.sum(gg.sin(x) * gg.log(x * x + 1.0)),
            lambda x: (torch.sin(x) * torch.log(x * x + 1.0)).sum(),
            lambda x: (jax.numpy.sin(x) * jax.numpy.log(x * x + 1.0)).sum(),
        ),
    )
    yield (
        "erf · sigmoid",
        (
            lambda x: gg.sum(gg.erf(x) * gg.sigmoid(x)),
            lambda x: (torch.erf(x) * torch.sigmoid(x)).sum(),
            lambda x: (jax.scipy.special.erf(x) * jax.nn.sigmoid(x)).sum(),
        ),
    )
    yield (
        "pow",
        (
            lambda x: gg.sum((x * x + 1.0) ** 1.3),
            lambda x: ((x * x + 1.0) ** 1.3).sum(),
            lambda x: ((x * x + 1.0) ** 1.3).sum(),
        ),
    )
    yield (
        "where",
        (
            lambda x: gg.sum(gg.where(x > 0.0, x * 2.0, gg.exp(x) - 1.0)),
            lambda x: torch.where(x > 0.0, x * 2.0, torch.exp(x) - 1.0).sum(),
            lambda x: jax.numpy.where(x > 0.0, x * 2.0, jax.numpy.exp(x) - 1.0).sum(),
        ),
    )


def large_rows() -> Iterator[Row]:
    for name, functions in sums():
        by = makers(large, *functions) | {"copy": lambda: copy(large())}
        most = 1.5 if name.startswith("GELU") else 2.0
        targets = [Target(most, "copy")]
        if name.startswith("GELU"):
            targets.append(Target(0.4, "torch eager", ours="gpugrad eager"))
        yield Row(f"{name}, summed, value and gradient, 10⁷ float32", by, tuple(targets), same)


def jax_layer_norm(x):
    d = x - x.mean(-1, keepdims=True)
    return d / jax.numpy.sqrt((d * d).mean(-1, keepdims=True) + 1e-5)


def row_rows() -> Iterator[Row]:
    norm = makers(
        matrix,
        lambda x: gg.sum(gg.layer_norm(x) ** 3),
        lambda x: (torch.nn.functional.layer_norm(x, (1024,)) ** 3).sum(),
        lambda x: (jax_layer_norm(x) ** 3).sum(),
    )
    yield Row("layer norm, 8192 × 1024, forward and backward", norm, (Target(0.5),), same)
    y = RNG.integers(0, 1024, 8192)
    ours, torchs, jaxs = gg.tensor(y), torch and torch.tensor(y), jax and jax.numpy.asarray(y)
    loss = makers(
        matrix,
        lambda x: gg.cross_entropy(x, ours),
        lambda x: torch.nn.functional.cross_entropy(x, torchs),
        lambda x: -jax.numpy.take_along_axis(jax.nn.log_softmax(x), jaxs[:, None], 1).mean(),
    )
    yield Row("cross entropy, 8192 × 1024, forward and backward", loss, (Target(0.4),), same)


# ---- small programs ----------------------------------------------------------------------------------------------------


def small_rows() -> Iterator[Row]:
    def chain(x):
        for _ in range(100):
            x = x * x + 0.2
        return x.sum()

    functions = (chain, chain, chain, lambda x: peers.anp.sum(chain(x)))
    by = makers(lambda: np.array([0.3]), *functions, **{"torch.compile": None})
    yield Row("200 operations on one element, value and gradient", by, (Target(1.0, "jax jit"),), same)

    def formula(xp):
        return lambda x: xp.sum(xp.sin(x) * x + xp.exp(-x))

    alone = {"gpugrad jit": our_gradient, "jax jit": jax_gradient, "torch.compile": None}
    by = makers(
        lambda: np.linspace(-1.0, 2.0, 10),
        formula(gg), formula(torch), formula(jax and jax.numpy), formula(peers.anp), **alone,
    )  # fmt: skip
    yield Row("Σ(sin x·x + e⁻ˣ), ten float64, gradient", by, (Target(3e-6, None),), same)


ROWS = [*large_rows(), *small_rows(), *row_rows()]
