"""Small programs, where the cost is the library's own: gradients, chains, Hessians, beside the peers in one run.

    ci/bench --benchmark-group-by=group

Each benchmark checks the gradient first; within a group the medians are to be read as ratios.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import numpy as np
import pytest
from peers import autograd, torch

import gpugrad as gg

X = np.linspace(-1.0, 2.0, 10)
EXPECTED = np.cos(X) * X + np.sin(X) - np.exp(-X)
HESSIAN = np.diag(2 * np.cos(X) - np.sin(X) * X + np.exp(-X))


def formula(xp):
    return lambda x: xp.sum(xp.sin(x) * x + xp.exp(-x))


def small_gradients():
    f = formula(gg)
    gradient = gg.grad(f)
    yield "gpugrad grad", lambda: gradient(X)

    def backward():
        x = gg.tensor(X, requires_grad=True)
        f(x).backward()
        return x.grad

    yield "gpugrad backward", backward
    if torch is not None:
        g = formula(torch)

        def eager():
            x = torch.tensor(X, requires_grad=True)
            g(x).backward()
            return x.grad

        yield "torch backward", eager
        functional, given = torch.func.grad(g), torch.tensor(X)
        yield "torch func.grad", lambda: functional(given)
    if autograd is not None:
        import autograd.numpy as anp

        of = autograd.grad(formula(anp))
        yield "autograd", lambda: of(X)


def chains():
    def chain(x):
        for _ in range(100):
            x = x * 1.01 + 0.1
        return x

    def backward():
        x = gg.tensor([1.5], requires_grad=True)
        chain(x).sum().backward()
        return x.grad

    yield "gpugrad backward", backward
    gradient, start = gg.grad(lambda x: gg.sum(chain(x))), np.array([1.5])
    yield "gpugrad grad", lambda: gradient(start)
    if torch is not None:

        def eager():
            x = torch.tensor([1.5], dtype=torch.float64, requires_grad=True)
            chain(x).sum().backward()
            return x.grad

        yield "torch backward", eager
    if autograd is not None:
        import autograd.numpy as anp

        of = autograd.grad(lambda x: anp.sum(chain(x)))
        yield "autograd", lambda: of(start)


def hessians():
    f = gg.hessian(formula(gg))
    yield "gpugrad", lambda: f(X)
    if torch is not None:
        g, given = torch.func.hessian(formula(torch)), torch.tensor(X)
        yield "torch func.hessian", lambda: g(given)
    if autograd is not None:
        import autograd.numpy as anp

        h = autograd.hessian(formula(anp))
        yield "autograd", lambda: h(X)


def parametrized(workload):
    return pytest.mark.parametrize("call", [pytest.param(c, id=name) for name, c in workload()])


@pytest.mark.benchmark(group="gradient of Σ(sin x · x + e⁻ˣ), ten float64")
@parametrized(small_gradients)
def test_small_gradient(benchmark, call):
    np.testing.assert_allclose(np.asarray(call()), EXPECTED)
    benchmark(call)


@pytest.mark.benchmark(group="100 multiply-adds on one element, forward and backward")
@parametrized(chains)
def test_chain(benchmark, call):
    np.testing.assert_allclose(np.asarray(call()), [1.01**100])
    benchmark(call)


@pytest.mark.benchmark(group="Hessian of the same, 10 × 10")
@parametrized(hessians)
def test_hessian(benchmark, call):
    np.testing.assert_allclose(np.asarray(call()), HESSIAN, atol=1e-12)
    benchmark(call)


@pytest.mark.benchmark(group="import beside NumPy's")
@pytest.mark.parametrize("module", list(filter(importlib.util.find_spec, ["gpugrad", "autograd", "torch", "numpy"])))
def test_import(benchmark, module):
    run = [sys.executable, "-c", f"import numpy, {module}"]
    benchmark.pedantic(subprocess.run, (run,), {"check": True}, rounds=7, warmup_rounds=2)
