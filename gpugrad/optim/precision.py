"""What an optimizer computes in: half precision in float32, complex numbers as pairs of real ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gpugrad import dtypes
from gpugrad.graph.stage import stage_of
from gpugrad.ops.linear import cast

_SINGLE = np.dtype(np.float32)

MASTER = "master"
"""The name, in the state of a parameter in half precision, of its value in float32."""


def state_dtype(p: Any) -> np.dtype[Any]:
    """The dtype of the state of a parameter."""
    return _SINGLE if dtypes.is_half(p.dtype) else dtypes.real_of(p.dtype)


def state_shape(p: Any) -> tuple[int, ...]:
    """The shape of the state of a parameter."""
    shape: tuple[int, ...] = p.shape
    return (*shape, 2) if dtypes.is_complex(p.dtype) else shape


def opened(xp: Any, tensor: Any) -> Any:
    """The raw array of a tensor, as an optimizer computes with it."""
    array, dtype = tensor.detach()._data, tensor.dtype
    if dtypes.is_half(dtype):
        return cast(array, dtype=_SINGLE, source=dtype)
    if dtypes.is_complex(dtype):
        return xp.stack((xp.real(array), xp.imag(array)), axis=-1)
    return array


def master(xp: Any, p: Any, state: Mapping[str, Any]) -> Any:
    """The value of a parameter, as an optimizer computes with it: in full, if ``state`` has what it was rounded from."""
    kept = state.get(MASTER)
    if kept is not None and stage_of(kept) is not None:
        return kept  # while a function is compiled nobody can tell whether the parameter was changed from outside
    if kept is None or not bool(xp.all(closed(xp, kept, p.dtype) == p.detach()._data)):
        return opened(xp, p)
    return kept


def closed(xp: Any, array: Any, dtype: np.dtype[Any]) -> Any:
    """The result, as a parameter of ``dtype`` holds it."""
    if dtypes.is_half(dtype):
        return cast(array, dtype=dtype, source=_SINGLE)
    if dtypes.is_complex(dtype):
        return array[..., 0] + 1j * array[..., 1]
    return array
