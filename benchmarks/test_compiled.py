"""Compiled programs beside the peers' compilers, in one run: large elementwise programs, rows, small calls, whole steps.

    ci/bench -k compiled

Within a group the medians are to be read as ratios; "copy" is np.copyto of the array, as fast as memory allows.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from peers import jax, torch

import gpugrad as gg
from gpugrad.transforms import replay

RNG = np.random.default_rng(0)
LARGE = RNG.normal(size=10**7).astype(np.float32)
ROWS = RNG.normal(size=(8192, 1024)).astype(np.float32)
CLASSES = RNG.integers(0, 1024, 8192)


def sums():
    """Sums over a large array: the same formula for each library."""
    yield (
        "gelu",
        (
            lambda x: gg.sum(gg.gelu(x, approximate="tanh")),
            lambda x: torch.nn.functional.gelu(x, approximate="tanh").sum(),
            lambda x: jax.nn.gelu(x).sum(),
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
        "erf, sigmoid",
        (
            lambda x: gg.sum(gg.erf(x) * gg.sigmoid(x)),
            lambda x: (torch.erf(x) * torch.sigmoid(x)).sum(),
            lambda x: (jax.scipy.special.erf(x) * jax.nn.sigmoid(x)).sum(),
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


def rows():
    """Functions of the rows of a matrix, 8192 × 1024."""
    yield (
        "layer norm",
        (
            lambda x: gg.sum(gg.layer_norm(x) ** 3),
            lambda x: (torch.nn.functional.layer_norm(x, (1024,)) ** 3).sum(),
            lambda x: (_jax_layer_norm(x) ** 3).sum(),
        ),
    )
    y, yt, yj = gg.tensor(CLASSES), torch and torch.tensor(CLASSES), jax and jax.numpy.asarray(CLASSES)
    yield (
        "cross entropy",
        (
            lambda x: gg.cross_entropy(x, y),
            lambda x: torch.nn.functional.cross_entropy(x, yt),
            lambda x: -jax.numpy.take_along_axis(jax.nn.log_softmax(x), yj[:, None], 1).mean(),
        ),
    )


def _jax_layer_norm(x):
    d = x - x.mean(-1, keepdims=True)
    return d / jax.numpy.sqrt((d * d).mean(-1, keepdims=True) + 1e-5)


def gradients(functions, data, eager=True):
    """Calls that give value and gradient, by library."""
    ours, theirs, jaxs = functions
    x = gg.tensor(data)
    compiled = gg.jit(gg.value_and_grad(ours))
    yield "gpugrad jit", lambda: compiled(x)[1]
    if eager:
        leaf = gg.tensor(data, requires_grad=True)

        def backward():
            leaf.grad = None
            ours(leaf).backward()
            return leaf.grad

        yield "gpugrad eager", backward
    if torch is not None:
        xt = torch.tensor(data, requires_grad=True)

        def of(f):
            def call():
                xt.grad = None
                f(xt).backward()
                return xt.grad

            return call

        yield "torch eager", of(theirs)
        yield "torch.compile", of(torch.compile(theirs))
    if jax is not None:
        xj = jax.numpy.asarray(data)
        g = jax.jit(jax.value_and_grad(jaxs))
        yield "jax jit", lambda: jax.block_until_ready(g(xj))[1]


def params(workloads, data):
    for name, functions in workloads():
        first = None
        for library, call in gradients(functions, data):
            first = first or call
            yield pytest.param(call, first, id=f"{name}-{library}")


def measured(benchmark, call, ours):
    for _ in range(4):  # an eager pass that comes again is compiled meanwhile
        call()
        replay.wait()
    np.testing.assert_allclose(np.asarray(call()), np.asarray(ours()), rtol=2e-3, atol=2e-5)
    benchmark(call)


def grouped(workloads, data):
    return pytest.mark.parametrize(("call", "ours"), list(params(workloads, data)))


@pytest.mark.benchmark(group="compiled: value and gradient of sums over 10⁷ float32")
@grouped(sums, LARGE)
def test_compiled_sums(benchmark, call, ours):
    measured(benchmark, call, ours)


@pytest.mark.benchmark(group="compiled: value and gradient of sums over 10⁷ float32")
def test_compiled_sums_copy(benchmark):
    out = np.empty_like(LARGE)
    benchmark(np.copyto, out, LARGE)


@pytest.mark.benchmark(group="compiled: rows of 8192 × 1024 float32, forward and backward")
@grouped(rows, ROWS)
def test_compiled_rows(benchmark, call, ours):
    measured(benchmark, call, ours)


# ---- small calls ------------------------------------------------------------------------------------------------------------


def small():
    yield (
        "Σ(sin x · x + e⁻ˣ), ten float64",
        np.linspace(-1.0, 2.0, 10),
        (
            lambda x: gg.sum(gg.sin(x) * x + gg.exp(-x)),
            lambda x: (torch.sin(x) * x + torch.exp(-x)).sum(),
            lambda x: (jax.numpy.sin(x) * x + jax.numpy.exp(-x)).sum(),
        ),
    )

    def chain(x):
        for _ in range(100):
            x = x * x * 0.9 + 0.1
        return x.sum()

    yield "300 operations on one element", np.array([0.5]), (chain, chain, chain)


def small_params():
    for name, data, functions in small():
        first = None
        for library, call in gradients(functions, data, eager=False):
            if library != "torch.compile":
                first = first or call
                yield pytest.param(call, first, id=f"{name}-{library}")


@pytest.mark.benchmark(group="compiled: small calls, value and gradient")
@pytest.mark.parametrize(("call", "ours"), list(small_params()))
def test_compiled_small(benchmark, call, ours):
    measured(benchmark, call, ours)


# ---- whole training steps ------------------------------------------------------------------------------------------------------


def perceptron(nn, width):
    return nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10))


def our_step(width, batch, compiled):
    model = perceptron(gg.nn, width)
    optimizer = gg.optim.Adam(model.parameters(), lr=1e-3)
    x, y = _batch(width, batch)
    x, y = gg.tensor(x), gg.tensor(y)

    def step(x, y):
        optimizer.zero_grad()
        loss = gg.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    run = gg.jit(step) if compiled else step
    return lambda: run(x, y).item()


def torch_step(width, batch):
    model = perceptron(torch.nn, width)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    x, y = map(torch.tensor, _batch(width, batch))

    def step():
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def jax_step(width, batch):
    jnp, key = jax.numpy, np.random.default_rng(1)
    sizes = [(width, width), (width, width), (10, width)]
    p = [(jnp.asarray(key.uniform(-1, 1, s).astype("f") / math.sqrt(s[1])), jnp.zeros(s[0], "float32")) for s in sizes]
    x, y = map(jnp.asarray, _batch(width, batch))

    def loss(p):
        h = x
        for k, (w, b) in enumerate(p):
            h = h @ w.T + b
            h = jax.nn.relu(h) if k < 2 else h
        return -jnp.take_along_axis(jax.nn.log_softmax(h), y[:, None], 1).mean()

    def adam(p, m, v, t):
        value, g = jax.value_and_grad(loss)(p)
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
        t = t + 1
        p = jax.tree.map(lambda p, m, v: p - 1e-3 * (m / (1 - 0.9**t)) / (jnp.sqrt(v / (1 - 0.999**t)) + 1e-8), p, m, v)
        return value, p, m, v, t

    compiled = jax.jit(adam, donate_argnums=(0, 1, 2))
    zeros = lambda: jax.tree.map(jnp.zeros_like, p)
    state = [p, zeros(), zeros(), jnp.float32(0)]

    def step():
        value, *state[:] = compiled(*state)
        return float(value)

    return step


def _batch(width, batch):
    rng = np.random.default_rng(2)
    return rng.normal(size=(batch, width)).astype(np.float32), rng.integers(0, 10, batch)


def step_params():
    for width, batch in ((128, 64), (512, 256), (1024, 1024)):
        size = f"width {width}, batch {batch}"
        yield pytest.param(lambda w=width, b=batch: our_step(w, b, True), id=f"{size}-gpugrad jit")
        yield pytest.param(lambda w=width, b=batch: our_step(w, b, False), id=f"{size}-gpugrad eager")
        if torch is not None:
            yield pytest.param(lambda w=width, b=batch: torch_step(w, b), id=f"{size}-torch eager")
        if jax is not None:
            yield pytest.param(lambda w=width, b=batch: jax_step(w, b), id=f"{size}-jax jit")


@pytest.mark.benchmark(group="compiled: MLP step, cross entropy, Adam")
@pytest.mark.parametrize("make", list(step_params()))
def test_compiled_step(benchmark, make):
    step = make()
    first = step()
    for _ in range(10):
        last = step()
    assert last < first  # it learns
    benchmark(step)
