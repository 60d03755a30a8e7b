"""The array API standard, 2024.12: that the package has its names and parameters, and that code for it runs.

What the names do is the business of the standard's own suite: ci/array-api.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import array_api_strict as standard
import numpy as np
import pytest

import gpugrad as gg
from gpugrad import errors

_OF_STRICT = ("Device", "ArrayAPIStrictFlags", "__version__", "fft", "linalg")


def names() -> Iterator[tuple[str, Any]]:
    """Every name of the standard, with its extensions, and what array-api-strict has under it."""
    for name in standard.__all__:
        if name not in _OF_STRICT and "array_api_strict" not in name:
            yield name, getattr(standard, name)
    for extension in ("linalg", "fft"):
        for name in getattr(standard, extension).__all__:
            yield f"{extension}.{name}", getattr(getattr(standard, extension), name)


def ours(path: str) -> Any:
    out: Any = gg
    for name in path.split("."):
        out = getattr(out, name)
    return out


def lacking() -> Iterator[str]:
    """Names that are not there, and parameters of functions that are not."""
    for name, theirs in names():
        try:
            found = ours(name)
        except AttributeError:
            yield name
            continue
        if not callable(theirs) or isinstance(theirs, type):
            continue
        own = inspect.signature(found).parameters
        for parameter in inspect.signature(theirs).parameters.values():
            positional = parameter.kind in (parameter.POSITIONAL_ONLY, parameter.VAR_POSITIONAL)
            if not positional and parameter.name not in own:
                yield f"{name} {parameter.name}="


def test_nothing_is_missing() -> None:
    assert list(lacking()) == []


def test_a_tensor_names_its_namespace() -> None:
    xp = gg.tensor([1.0]).__array_namespace__()
    assert xp is gg
    assert gg.tensor([1.0]).__array_namespace__(api_version="2024.12") is gg
    assert xp.__array_api_version__ == "2024.12"


def standardized(x: Any) -> Any:
    """A function written for any namespace: the columns of ``x`` made to have mean 0 and variance 1, then a norm."""
    xp = x.__array_namespace__()
    x = xp.astype(x, xp.float64)
    centred = x - xp.mean(x, axis=0, keepdims=True)
    scaled = centred / xp.sqrt(xp.var(x, axis=0, correction=1, keepdims=True))
    kept = xp.where(scaled > 0, scaled, xp.zeros_like(scaled))
    total = xp.linalg.vector_norm(xp.concat([kept, xp.flip(kept, axis=0)], axis=1))
    return total + xp.sum(xp.matmul(xp.matrix_transpose(kept), kept) * xp.eye(x.shape[1])) / xp.asarray(
        x.shape[0], dtype=xp.float64
    )


def test_code_for_any_namespace_is_differentiated() -> None:
    x = np.random.default_rng(3).normal(size=(5, 3))
    wanted = float(standardized(standard.asarray(x)))
    assert abs(float(standardized(gg.tensor(x))) - wanted) < 1e-12
    g = gg.grad(standardized)(x).numpy()
    d = np.cos(np.arange(15.0)).reshape(5, 3)
    h = 1e-6
    slope = (float(standardized(gg.tensor(x + h * d))) - float(standardized(gg.tensor(x - h * d)))) / (2.0 * h)
    np.testing.assert_allclose(np.sum(g * d), slope, rtol=1e-6)


# ---- questions about dtypes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "kind", "held"),
    [
        ("float32", "real floating", True),
        ("bool", "bool", True),
        ("bool", "numeric", False),
        ("uint8", ("signed integer", "unsigned integer"), True),
        ("int16", "integral", True),
        ("complex64", "real floating", False),
        ("complex64", gg.complex64, True),
        ("float64", (gg.float32, "integral"), False),
    ],
)
def test_isdtype(dtype: str, kind: Any, held: bool) -> None:
    assert gg.isdtype(getattr(gg, dtype), kind) is held


def test_isdtype_knows_its_kinds() -> None:
    with pytest.raises(errors.DtypeError, match="signed integer"):
        gg.isdtype(gg.float32, "floating point")


def test_result_type_has_weak_numbers() -> None:
    x = gg.tensor([1.0], dtype="float32")
    assert gg.result_type(x, 1.0) == np.float32
    assert gg.result_type(x, 1j) == np.complex64
    assert gg.result_type(x, gg.float64) == np.float64
    assert gg.result_type(gg.int32, 1.5) == np.float64
    assert gg.result_type(gg.float16, gg.int64) == np.float16
    assert gg.result_type(1, 2.0) == np.float64
    assert gg.can_cast(gg.float32, gg.float64)
    assert not gg.can_cast(x, gg.int32)


def test_limits_shapes_and_info() -> None:
    assert gg.finfo(gg.tensor([1.0])).bits == 64
    assert gg.iinfo(gg.uint8).max == 255
    assert gg.broadcast_shapes((2, 1), (3,), 1) == (2, 3)
    with pytest.raises(errors.ShapeError):
        gg.broadcast_shapes((2,), (3,))
    info = gg.__array_namespace_info__()
    assert info.capabilities()["boolean indexing"] is True
    assert info.default_dtypes()["real floating"] == np.float64
    assert "cpu" in info.devices()
    assert set(info.dtypes(kind="real floating")) == {"float32", "float64"}


def test_astype_copies() -> None:
    x = gg.tensor([1.5, 2.5], requires_grad=True)
    y = gg.astype(x, gg.float64)
    y[0] = 7.0
    assert x.tolist() == [1.5, 2.5]
    assert gg.astype(x, gg.float64, copy=False) is not y
    assert gg.astype(x, gg.int32).tolist() == [1, 2]


# ---- forms of arguments that the standard has ---------------------------------------------------------------------------


def test_limits_are_python_numbers() -> None:
    for dtype in ("float16", "float32", "float64", "complex64", "bfloat16"):
        limits = gg.finfo(dtype)
        assert all(type(getattr(limits, n)) is float for n in ("eps", "max", "min", "smallest_normal"))
        assert type(limits.bits) is int
    assert gg.finfo(gg.complex64).dtype == np.float32


def test_a_range_with_a_stop_alone_has_a_step() -> None:
    assert gg.arange(7, step=3).tolist() == [0, 3, 6]
    assert gg.arange(0, step=1.0).dtype == np.float64
    assert gg.arange(3.0).dtype == np.float64


def test_integers_of_64_bits_keep_them() -> None:
    """A list of these is no list of floats, as which NumPy reads it unless told."""
    large = 2**63 + 1
    assert gg.asarray([1, large], dtype=gg.uint64).tolist() == [1, large]


def test_asarray_copies_what_a_derivative_flows_through() -> None:
    x = gg.tensor([1.0, 2.0], requires_grad=True)
    y = gg.asarray(x, copy=True)
    y[0] = 5.0
    assert x.tolist() == [1.0, 2.0]
    gg.sum(gg.asarray(x, copy=True, dtype="float64") ** 2).backward()
    assert x.grad.tolist() == [2.0, 4.0]
    assert gg.grad(lambda x: gg.sum(gg.asarray(x, copy=True) ** 2))(np.ones(2)).tolist() == [2.0, 2.0]


def test_asarray_without_a_copy_or_not_at_all() -> None:
    a = np.ones(2)
    assert np.shares_memory(gg.asarray(a, copy=False).numpy(), a)
    assert np.shares_memory(gg.asarray(a, copy=False, dtype="float64", device="cpu").numpy(), a)
    for data, options in (([1.0], {}), (1.0, {}), (a, {"dtype": "float32"}), (a, {"device": "strict"})):
        with pytest.raises(errors.CopyError, match="copy=False"):
            gg.asarray(data, copy=False, **options)


def test_from_dlpack_and_to_device() -> None:
    a = np.arange(3.0)
    assert np.shares_memory(gg.from_dlpack(a).numpy(), a)
    assert not np.shares_memory(gg.from_dlpack(a, copy=True).numpy(), a)
    assert gg.from_dlpack(a, device="strict").device == "strict"
    x = gg.tensor(a)
    assert np.from_dlpack(x).tolist() == [0.0, 1.0, 2.0]
    assert gg.from_dlpack(x, copy=False, device="cpu").tolist() == [0.0, 1.0, 2.0]
    assert x.__dlpack_device__() == (1, 0)
    with pytest.raises(errors.DtypeError, match="list has no __dlpack__"):
        gg.from_dlpack([1.0])
    assert x.to_device("strict").device == "strict"
    with pytest.raises(errors.DeviceError, match="stream"):
        x.to_device("cpu", stream=1)


def test_a_mask_of_size_0_selects_nothing() -> None:
    """NumPy and the standard take one where an axis has another size."""
    x = gg.tensor(np.arange(6.0).reshape(2, 3))
    assert x[np.zeros(0, bool)].shape == (0, 3)
    assert x[np.zeros((2, 0), bool)].shape == (0,)
    x[np.zeros((0, 3), bool)] = 7.0
    assert x.tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    with pytest.raises(IndexError):
        x[np.zeros((1, 3), bool)]
    with pytest.raises(IndexError):
        x[np.zeros((2, 3, 0), bool)]
