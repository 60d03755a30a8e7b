"""The reference backend: every primitive's general forward on NumPy. Slow, complete, obvious: the oracle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gpugrad import dtypes
from gpugrad.backends.base import Backend
from gpugrad.backends.half import HalfArray, in_float32
from gpugrad.primitive import Primitive


class ReferenceBackend(Backend):
    """NumPy arrays; no fusion, no Numba."""

    name = "reference"
    device_kind = "cpu"
    array_types = (np.ndarray, np.generic)
    xp = np
    compiles = True

    def implementation(self, prim: Primitive, array_type: type) -> Callable[..., Any]:
        call = super().implementation(prim, array_type)
        if prim.kind == "bilinear" or prim.name in _BY_PRODUCTS:
            call = _without_flags(call)
        if prim.kind == "collective":
            return call  # sends every dtype as it is
        if prim.name == "cast":
            return _cast
        if issubclass(array_type, HalfArray | np.float16) or array_type.__name__ == "bfloat16":
            return in_float32(call)
        return call

    def asarray(self, data: Any, dtype: Any = None, copy: bool | None = None) -> Any:
        if type(data) is np.ndarray and dtype is None and not copy and not dtypes.is_half(data.dtype):
            return data
        if type(data) is HalfArray:
            data = data.view(np.ndarray)
        out = np.array(data, dtype=dtype, copy=copy)
        return out.view(HalfArray) if dtypes.is_half(out.dtype) else out

    def full(self, shape: tuple[int, ...], fill: Any, dtype: Any) -> Any:
        out = np.full(shape, fill, dtype)
        return out.view(HalfArray) if dtypes.is_half(dtype) else out

    def to_numpy(self, array: Any) -> Any:
        return np.asarray(array)

    def device_of(self, array: Any) -> str:
        return "cpu"

    def copied(self, array: Any) -> Any:
        return np.array(array, order="C")

    def devices(self) -> list[str]:
        return ["cpu"]


_BY_PRODUCTS = frozenset({"cofactor", "cofactor_change", "pinv"})
"""Primitives, beside the bilinear ones, whose forward takes matrix products."""


def _without_flags(call: Callable[..., Any]) -> Callable[..., Any]:
    """``call`` without floating-point warnings: BLAS kernels raise the flag for "invalid" now and then on finite
    matrices with a finite product, from lanes of a vector register that hold nothing.
    """

    def computed(*args: Any, **kwargs: Any) -> Any:
        with np.errstate(all="ignore"):
            return call(*args, **kwargs)

    return computed


def _cast(x: Any, *, dtype: Any, source: Any) -> Any:
    out = np.asarray(x).astype(dtype)
    return out.view(HalfArray) if dtypes.is_half(dtype) else out
