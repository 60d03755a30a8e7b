"""Functions of large arrays on NumPy run as compiled loops once those are there, with the same numbers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import gpugrad as gg
import gpugrad.special
from gpugrad.backends import numba_functions
from gpugrad.backends import numpy as backend
from gpugrad.kernels import scalar_math
from gpugrad.primitive import registry

SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-300, 1e300, -1e300, 0.5, -0.5]


@pytest.fixture(autouse=True)
def _small_is_large(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(backend, "LARGE", 1)
    yield
    numba_functions.wait()


def test_every_one_has_a_scalar_function() -> None:
    assert backend.LOOPED <= scalar_math.NAMES
    assert all(len(registry[name].operands) == 1 for name in backend.LOOPED)


@pytest.mark.parametrize("name", ["erf", "sigmoid", "gammaln"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_same_numbers(name: str, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    prim = registry[name]
    with np.errstate(all="ignore"):
        x = np.concatenate([SPECIAL, np.random.default_rng(0).normal(size=300) * 3]).astype(dtype).reshape(31, 10)
        first = prim(gg.asarray(x)).numpy()  # by NumPy, while the loop is compiled
        numba_functions.wait()
        seen = []
        monkeypatch.setattr(numba_functions.recycled, "empty", lambda *a: seen.append(a) or np.empty(*a))
        then = prim(gg.asarray(x)).numpy()
    assert seen == [((31, 10), np.dtype(dtype))]
    assert then.dtype == first.dtype
    np.testing.assert_allclose(then, first, rtol=20 * np.finfo(dtype).eps, atol=20 * np.finfo(dtype).eps)
    np.testing.assert_array_equal(np.signbit(then[~np.isnan(then)]), np.signbit(first[~np.isnan(then)]))


def test_what_stays_with_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba_functions, "computed", lambda *_: pytest.fail("a loop was asked for"))
    gg.erf(gg.ones((3, 4)).T)  # not in C's order
    gg.log(gg.ones((3,)))  # NumPy warns of what is wrong there
    gg.config.fused_backward = False
    try:
        gg.erf(gg.ones((3, 4)))
    finally:
        gg.config.fused_backward = True


def test_derivatives_and_integers() -> None:
    x = gg.tensor(np.linspace(-2, 2, 12), requires_grad=True)
    for _ in range(2):
        x.grad = None
        gg.sum(gg.erf(x)).backward()
        np.testing.assert_allclose(x.grad.numpy(), 2 / np.sqrt(np.pi) * np.exp(-(x.detach().numpy() ** 2)), rtol=1e-12)
        np.testing.assert_allclose(gg.sigmoid(gg.tensor([0, 1])).numpy(), [0.5, 1 / (1 + np.exp(-1))])
        numba_functions.wait()
