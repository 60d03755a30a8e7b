"""Fourier transforms: identities, PyTorch as a witness of the gradients, failures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.fft

import gpugrad as gg
from gpugrad import errors


@pytest.mark.parametrize("n", [1, 2, 5, 8])
@pytest.mark.parametrize("norm", ["backward", "ortho", "forward"])
def test_inverses(n: int, norm: str, rng: Any) -> None:
    x = rng.normal(size=n)
    z = x + 1j * rng.normal(size=n)
    np.testing.assert_allclose(gg.fft.ifft(gg.fft.fft(z, norm=norm), norm=norm).numpy(), z)
    np.testing.assert_allclose(gg.fft.irfft(gg.fft.rfft(x, norm=norm), n, norm=norm).numpy(), x)
    np.testing.assert_allclose(gg.fft.hfft(gg.fft.ihfft(x, norm=norm), n, norm=norm).numpy(), x)
    np.testing.assert_allclose(gg.fft.ifftshift(gg.fft.fftshift(x)).numpy(), x)


def test_gradients_are_pytorchs(rng: Any) -> None:
    torch = pytest.importorskip("torch")
    x, z = rng.normal(size=(3, 6)), rng.normal(size=(3, 4)) + 1j * rng.normal(size=(3, 4))
    for ours, theirs, given in (
        (lambda v: gg.fft.rfft(v, 5), lambda v: torch.fft.rfft(v, 5), x),
        (lambda v: gg.fft.irfft(v, 7), lambda v: torch.fft.irfft(v, 7), z),
        (lambda v: gg.fft.irfftn(v), lambda v: torch.fft.irfftn(v), z),
        (lambda v: gg.fft.hfft(v, norm="ortho"), lambda v: torch.fft.hfft(v, norm="ortho"), z),
        (lambda v: gg.fft.fft2(v), lambda v: torch.fft.fft2(v), z),
    ):
        got = gg.grad(lambda v, ours=ours: gg.sum(gg.abs(ours(v)) ** 3))(given)
        leaf = torch.tensor(given, requires_grad=True)
        (theirs(leaf).abs() ** 3).sum().backward()
        np.testing.assert_allclose(got.numpy(), leaf.grad.resolve_conj().numpy(), rtol=1e-10)


def test_solving_a_periodic_equation_is_differentiated() -> None:
    """u with u - u'' = f on a circle; the derivative of the energy Σ u f / 2 in f is u."""
    n = 32
    k = np.fft.rfftfreq(n, 1.0 / n)

    def solved(f: Any) -> Any:
        return np.fft.irfft(np.fft.rfft(f) / (1.0 + k**2), n)

    f = np.exp(np.sin(2 * np.pi * np.arange(n) / n))
    g = gg.grad(lambda f: np.sum(solved(f) * f) / 2.0)(f)
    np.testing.assert_allclose(g.numpy(), scipy.fft.irfft(scipy.fft.rfft(f) / (1.0 + k**2), n))


def test_dtypes() -> None:
    single = gg.tensor([1.0, 2.0], dtype="float32")
    assert gg.fft.fft(single).dtype == np.complex64
    assert gg.fft.irfft(gg.fft.rfft(single)).dtype == np.float32
    assert gg.fft.fft([1, 2]).dtype == np.complex128
    assert gg.fft.fftfreq(4, dtype="float32").dtype == np.float32
    np.testing.assert_array_equal(gg.fft.rfftfreq(5, 0.1).numpy(), np.fft.rfftfreq(5, 0.1))


@pytest.mark.parametrize(
    ("call", "kind", "says"),
    [
        pytest.param(
            lambda: gg.fft.fft(np.ones(3), norm="unit"), errors.ShapeError, ["fft", "'unit'", "'ortho'"], id="norm"
        ),
        pytest.param(lambda: gg.fft.fft(np.ones(3), 0), errors.ShapeError, ["fft", "0 points", "(3,)"], id="no points"),
        pytest.param(lambda: gg.fft.fft(np.ones(3), axis=1), errors.AxisError, ["axis 1", "(3,)"], id="axis"),
        pytest.param(
            lambda: gg.fft.rfft(np.ones(3) * 1j), errors.DtypeError, ["rfft of", "complex128", "gg.fft.fft"], id="complex"
        ),
        pytest.param(lambda: gg.fft.fftn(np.ones((2, 2)), s=(2,), axes=(0, 1)), errors.ShapeError, ["s=(2,)"], id="s"),
        pytest.param(
            lambda: gg.fft.fft(gg.ones(2, dtype="float16")), errors.DtypeError, ["float16", "astype"], id="half"
        ),
    ],
)
def test_failures(call: Callable[[], Any], kind: type[Exception], says: list[str]) -> None:
    with pytest.raises(kind) as caught:
        call()
    for part in says:
        assert part in str(caught.value)
