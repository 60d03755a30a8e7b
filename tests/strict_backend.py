"""array-api-strict as a backend: it refuses whatever the array API standard does not promise.

Its device kind is its own, so that it displaces nobody: operations reach it through the type of their arrays, which
``gg.asarray(x, device="strict")`` makes.
"""

from __future__ import annotations

from typing import Any

import array_api_strict
import numpy as np

from gpugrad import dtypes
from gpugrad.backends.base import Backend
from gpugrad.tensor import Tensor

StrictArray = type(array_api_strict.asarray(0.0))


def _defers(name: str) -> Any:
    """An operator that leaves tensors to the tensor, as NumPy's and CuPy's do when they see ``__array_ufunc__``."""
    own = getattr(StrictArray, name)

    def operator(self: Any, other: Any) -> Any:
        return NotImplemented if isinstance(other, Tensor) else own(self, other)

    return operator


for _name in ("add", "sub", "mul", "truediv", "pow", "mod", "floordiv", "lt", "le", "gt", "ge", "eq", "ne"):
    setattr(StrictArray, f"__{_name}__", _defers(f"__{_name}__"))


class StrictBackend(Backend):
    """The general forwards, on arrays that know the standard and nothing else."""

    name = "strict"
    device_kind = "strict"
    array_types = (StrictArray,)
    xp = array_api_strict

    def asarray(self, data: Any, dtype: Any = None, copy: bool | None = None) -> Any:
        if type(data) is StrictArray:
            data = np.asarray(data)
        return array_api_strict.asarray(np.array(data, dtype=None if dtype is None else dtypes.dtype(dtype)))

    def full(self, shape: tuple[int, ...], fill: Any, dtype: Any) -> Any:
        return array_api_strict.asarray(np.full(shape, fill, dtypes.dtype(dtype)))

    def to_numpy(self, array: Any) -> Any:
        return np.asarray(array)

    def device_of(self, array: Any) -> str:
        return "strict"

    def devices(self) -> list[str]:
        return ["strict"]
