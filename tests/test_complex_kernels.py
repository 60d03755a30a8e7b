"""Complex numbers in compiled loops: NumPy's values at zeros, infinities and NaN, and programs with derivatives."""

from __future__ import annotations

import re
from typing import Any

import numba
import numpy as np
import pytest
from test_table import agree

import gpugrad as gg
from gpugrad.backends import numba_kernels
from gpugrad.kernels import scalar_math

DTYPES = ("complex128", "complex64")
PARTS = [0.0, -0.0, 1.5, -2.0, np.inf, -np.inf, np.nan, 709.5, 89.0, -745.0, 1e-30, 1e18]
"""What a real or imaginary part may be: exponentials of some overflow, but not with every sine."""
NUMBERS = np.array([complex(a, b) for a in PARTS for b in PARTS])

OPERATIONS = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / y,
    "negative": lambda x, y: -x,
    "square": lambda x, y: gg.square(x),
    "reciprocal": lambda x, y: gg.reciprocal(x),
    "conj": lambda x, y: gg.conj(x),
    "real": lambda x, y: gg.real(x),
    "imag": lambda x, y: gg.imag(x),
    "abs": lambda x, y: gg.abs(x),
    "exp": lambda x, y: gg.exp(x),
    "equal": lambda x, y: gg.equal(x, y),
    "not_equal": lambda x, y: gg.not_equal(x, y),
    "where": lambda x, y: gg.where(gg.real(x) > 0.0, x, y),
    "isnan": lambda x, y: gg.isnan(x),
    "isinf": lambda x, y: gg.isinf(x),
    "isfinite": lambda x, y: gg.isfinite(x),
    "with numbers": lambda x, y: (2.0 * x + (1.0 - 2.0j)) * 3,
    "to bool": lambda x, y: gg.astype(x, gg.bool),
}


def same(got: Any, wanted: Any, what: str) -> None:
    """Equal, but for rounding, which is relative to the larger part: NumPy's products may be fused or not."""
    tolerance = 1e-5 if wanted.dtype in (np.complex64, np.float32) else 1e-13
    size = np.where(np.isfinite(wanted), np.abs(wanted), 0.0)
    for part in (np.real, np.imag):
        a, b = part(got), part(wanted)
        either = (
            np.abs(np.subtract(a, b, dtype=np.float64))
            <= tolerance * np.fmax(size, np.where(np.isfinite(b), np.abs(b), 0.0)) + 1e-44
        )
        np.testing.assert_array_equal(np.where(either, b, a), b, err_msg=what)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_operation_at_special_values(dtype: str) -> None:
    with np.errstate(all="ignore"):
        x, y = (gg.asarray(v.ravel().astype(dtype)) for v in np.meshgrid(NUMBERS, NUMBERS))

        def every(x: Any, y: Any) -> list[Any]:
            return [f(x, y) for f in OPERATIONS.values()]

        compiled = gg.jit(every)
        for name, got, wanted in zip(OPERATIONS, compiled(x, y), every(x, y), strict=True):
            assert got.dtype == wanted.dtype, name
            same(got.numpy(), wanted.numpy(), name)
        assert not re.search(r"= (?!kernel_|empty)\w+\(", compiled.plan(x, y)), compiled.plan(x, y)


def test_the_sign_of_zero() -> None:
    z = gg.asarray(np.array([complex(a, b) for a in (0.0, -0.0, 1.0) for b in (0.0, -0.0)]))
    got, wanted = gg.jit(lambda z: (gg.conj(z), gg.exp(z)))(z), (gg.conj(z), gg.exp(z))
    for g, w in zip(got, wanted, strict=True):
        for part in (np.real, np.imag):
            np.testing.assert_array_equal(np.signbit(part(g.numpy())), np.signbit(part(w.numpy())))


PROGRAMS = {
    "a map": lambda z: gg.exp(1j * z) * gg.conj(z) / (2.0 + z),
    "sums": lambda z: (gg.sum(z * z, axis=-1), gg.sum(gg.exp(z), axis=0), gg.sum(z * 2.0)),
    "real results": lambda z: gg.sum(gg.abs(z) ** 2) + gg.real(gg.sum(z * gg.conj(z[::-1]))),
    "parts": lambda z: gg.real(z) * gg.imag(z) + gg.abs(z),
    "from real": lambda z: gg.astype(gg.real(z) * 2.0, gg.complex64) * z,
    "mean and deviation": lambda z: z - gg.mean(z, axis=-1, keepdims=True),
    "a spectrum": lambda z: gg.abs(gg.fft.fft(z * 2.0)) + 1.0,
}


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_programs(name: str, dtype: str, by_python: None) -> None:
    f = PROGRAMS[name]
    rng = np.random.default_rng(0)
    z = gg.asarray((rng.normal(size=(3, 4)) + 1j * rng.normal(size=(3, 4))).astype(dtype))
    rtol = 1e-12 if dtype == "complex128" and name != "from real" else 1e-5
    agree(gg.pytree.leaves(gg.jit(f)(z)), gg.pytree.leaves(f(z)), rtol, "value")

    def total(z: Any) -> Any:
        return sum(gg.sum(gg.abs(o)) for o in gg.pytree.leaves(f(z)))

    agree([gg.jit(gg.grad(total))(z)], [gg.grad(total)(z)], 10 * rtol, "gradient")


def test_programs_compiled_by_numba() -> None:
    rng = np.random.default_rng(1)
    z = gg.asarray(rng.normal(size=(3, 4)) + 1j * rng.normal(size=(3, 4)))
    names = ("a map", "sums", "from real", "mean and deviation")
    f = lambda z: [o for name in names for o in gg.pytree.leaves(PROGRAMS[name](z))]
    agree(gg.jit(f)(z), f(z), 1e-5, "value")


def test_what_numpy_warns_of_stays_with_numpy(by_python: None) -> None:
    z = gg.asarray(np.array([1.0 + 2.0j]))
    with pytest.warns(np.exceptions.ComplexWarning):
        gg.jit(lambda z: gg.astype(z * 2.0, gg.int64))(z)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_number_times_its_conjugate_is_real(dtype: str) -> None:
    rng = np.random.default_rng(0)
    z = gg.asarray((rng.normal(size=100) + 1j * rng.normal(size=100)).astype(dtype))
    assert not gg.jit(lambda z: gg.imag(z * gg.conj(z)))(z).numpy().any()


def test_products_are_vectorised() -> None:
    text = "def kernel(x, y, out):\n    for i in range(x.shape[0]):\n        out[i] = complex_multiply(x[i], y[i])\n"
    namespace: dict[str, Any] = scalar_math.helpers(["complex_multiply"])
    exec(text, namespace)
    made = numba.njit(fastmath=set(numba_kernels.FLAGS))(namespace["kernel"])
    made.compile((numba.types.Array(numba.complex64, 1, "C"),) * 3)
    assert re.search(r"fmul [a-z ]*<\d+ x float>", made.inspect_llvm(made.signatures[0]))
