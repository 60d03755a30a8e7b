"""Promotion: NumPy's, with a table of our own for half precision; nothing widens by accident."""

from __future__ import annotations

import itertools as it

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import dtypes, errors

NAMES = ["bool", "int8", "uint8", "int32", "int64", "float32", "float64", "complex64", "complex128"]


@pytest.mark.parametrize(("a", "b"), list(it.product(NAMES, NAMES)))
def test_arrays_promote_as_in_numpy(a, b):
    x, y = gg.ones(2, dtype=a), gg.ones(2, dtype=b)
    expected = np.ones(2, a) * np.ones(2, b)
    assert (x * y).dtype == expected.dtype


@pytest.mark.parametrize(
    ("name", "scalar"), list(it.product(["float32", "float64", "int32", "complex64"], [True, 2, 2.0, 2j]))
)
def test_python_scalars_are_weak(name, scalar):
    x = gg.ones(2, dtype=name)
    assert (x * scalar).dtype == (np.ones(2, name) * scalar).dtype
    assert (scalar + x).dtype == (scalar + np.ones(2, name)).dtype


@pytest.mark.parametrize("half", ["float16", "bfloat16"])
@pytest.mark.parametrize(
    ("f", "expected"),
    [
        (lambda x: x * 2.0, "half"),
        (lambda x: 1 - x * x, "half"),
        (lambda x: x * gg.ones(2, dtype="int32"), "half"),
        (lambda x: x * gg.ones(2, dtype="bool"), "half"),
        (lambda x: x * gg.ones(2, dtype="float32"), "float32"),
        (lambda x: x * gg.ones(2, dtype="float64"), "float64"),
        (lambda x: gg.where(x > 0, x, 0.0), "half"),
        (lambda x: gg.sum(x), "half"),
        (lambda x: gg.mean(x), "half"),
        (lambda x: gg.exp(x), "half"),
        (lambda x: gg.softmax(x), "half"),
        (lambda x: x @ x, "half"),
        (lambda x: gg.max(x), "half"),
        (lambda x: x[0], "half"),
        (lambda x: x / 3, "half"),
        (lambda x: x**2, "half"),
        (lambda x: gg.var(x), "half"),
        (lambda x: x.reshape(1, 2), "half"),
        (lambda x: gg.concat([x, x]), "half"),
    ],
)
def test_half_precision_keeps_its_dtype(half, f, expected):
    x = gg.tensor([1.0, 2.0], dtype=half)
    wanted = dtypes.dtype(half if expected == "half" else expected)
    assert f(x).dtype == wanted
    t = gg.tensor([1.0, 2.0], dtype=half, requires_grad=True)
    y = f(t)
    y.backward(gg.ones(y.shape, dtype=y.dtype))
    assert t.grad.dtype == dtypes.dtype(half)


def test_half_precision_is_computed_in_float32_and_rounded_once():
    x = gg.ones(4096, dtype="bfloat16") * 0.01
    assert abs(gg.sum(x).item() - 4096 * 0.01) < 0.5  # in bfloat16 the sum would stop at 4


def test_the_two_halves_do_not_mix():
    with pytest.raises(errors.DtypeError, match="astype"):
        gg.ones(2, dtype="float16") + gg.ones(2, dtype="bfloat16")


def test_mixed_operands_get_gradients_of_their_own_dtype():
    x = gg.tensor([1.0, 2.0], dtype="float32", requires_grad=True)
    y = gg.tensor([3.0, 4.0], dtype="float64", requires_grad=True)
    (x * y).sum().backward()
    assert (x.grad.dtype, y.grad.dtype) == (np.float32, np.float64)


def test_a_real_factor_of_a_complex_product_has_a_real_gradient():
    x = gg.tensor([1.0, 2.0], requires_grad=True)
    (gg.abs(x * (1 + 2j)) ** 2).sum().backward()
    assert x.grad.dtype == np.float64
    np.testing.assert_allclose(x.grad.numpy(), [10.0, 20.0])


def test_complex_gradients_are_the_direction_of_ascent():
    z = gg.tensor(1.0 + 2.0j, requires_grad=True)
    (gg.abs(z) ** 2).backward()
    np.testing.assert_allclose(z.grad.numpy(), 2 + 4j)
    f = lambda z: gg.real(z * gg.conj(z))
    np.testing.assert_allclose(gg.grad(f)(gg.tensor(1 + 2j)).numpy(), 2 + 4j)
    np.testing.assert_allclose(gg.grad(f, convention="jax")(gg.tensor(1 + 2j)).numpy(), 2 - 4j)
    np.testing.assert_allclose(gg.grad(lambda z: z**3, holomorphic=True)(gg.tensor(1 + 2j)).numpy(), 3 * (1 + 2j) ** 2)


def test_default_dtype():
    assert gg.tensor([1.0]).dtype == np.float64
    gg.set_default_dtype("float32")
    try:
        assert gg.tensor([1.0]).dtype == gg.zeros(2).dtype == gg.linspace(0.0, 1.0, 2).dtype == np.float32
        assert gg.tensor(np.ones(2)).dtype == np.float64
    finally:
        gg.set_default_dtype("float64")
