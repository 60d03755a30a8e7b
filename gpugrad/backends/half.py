"""float16 and bfloat16 on NumPy: computed in float32, rounded once when stored, Python scalars weak.

NumPy alone widens bfloat16 by accident (times 2.0 it is float32, under ``where`` float64) and sums it in bfloat16. Half
arrays therefore have a type of their own, so that dispatch by array type finds them at no cost to the others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gpugrad import dtypes
from gpugrad.trace import Value


class HalfArray(np.ndarray):
    """A NumPy array of float16 or bfloat16. Invariant: arrays of these dtypes inside tensors have this type."""

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if any(isinstance(x, Value) for x in inputs):
            return NotImplemented
        return in_float32(getattr(ufunc, method))(*inputs, **kwargs)


def in_float32(call: Callable[..., Any]) -> Callable[..., Any]:
    """``call`` with half operands widened to float32 and float32 results rounded back to the half dtype."""

    def computed(*args: Any, **kwargs: Any) -> Any:
        wide = [widened(a) for a in args]
        half = next(a.dtype for a in args if is_half_array(a))
        others = [
            a for a in args if isinstance(a, np.ndarray | np.generic) and not is_half_array(a) and a.dtype.kind in "fc"
        ]
        out = call(*wide, **kwargs)
        if others:
            return out  # a wider operand sets the dtype
        return tuple(narrowed(o, half) for o in out) if isinstance(out, tuple) else narrowed(out, half)

    return computed


def is_half_array(a: Any) -> bool:
    """Whether ``a`` is a NumPy array or scalar of float16 or bfloat16."""
    return isinstance(a, np.ndarray | np.generic) and dtypes.is_half(a.dtype)


def typed(a: Any) -> Any:
    """The same array, of the type that its dtype has."""
    return a.view(HalfArray) if dtypes.is_half(a.dtype) else a


def widened(a: Any) -> Any:
    """Half values as float32; anything else as it is."""
    return np.asarray(a).astype(np.float32) if is_half_array(a) else a


def narrowed(a: Any, half: Any) -> Any:
    """float32 values rounded to ``half``; anything else (masks, indices) as it is."""
    if not isinstance(a, np.ndarray | np.generic) or a.dtype != np.float32:
        return a
    return np.asarray(a).astype(half).view(HalfArray)
