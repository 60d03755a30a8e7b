"""What all distributions do with their arguments: shape, dtype, parameters and key, settled together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gpugrad import dtypes, errors, trace
from gpugrad.ops.promotion import WEAK
from gpugrad.primitive import Shape, broadcast_shapes
from gpugrad.random.generator import Generator, default_generator
from gpugrad.random.keys import checked
from gpugrad.transforms.lift import as_value

Size = int | Sequence[int] | None
"""A shape, a length, or None: what the parameters broadcast to."""
Key = Any
"""A key, a generator, or None for the default generator."""


class Draw(NamedTuple):
    """A call's arguments, settled."""

    key: Any
    shape: Shape
    dtype: np.dtype[Any]
    parameters: tuple[Any, ...]
    """Python numbers, or tensors of ``dtype``."""


def settled(name: str, shape: Size, parameters: Sequence[Any], dtype: Any, key: Key, device: str | None) -> Draw:
    """The dtype is that of tensor parameters unless given, and the default one without; so is the device."""
    given = tuple(p if type(p) in WEAK else as_value(p) for p in parameters)
    tensors = [p for p in given if type(p) is trace.Tensor]
    chosen = floating(name, dtype, tensors)
    sizes = sizes_of(name, shape, tensors)
    place = device or next((t.device for t in tensors), None)
    return Draw(
        source(name, key, place),
        sizes,
        chosen,
        tuple(p.astype(chosen) if type(p) is trace.Tensor else p for p in given),
    )


def spread(name: str, scale: Any, zero: bool = True) -> Any:
    """``scale`` as it is; ArgumentError for a number below 0, or for 0 where that has no meaning. Tensors are not looked at."""
    if isinstance(scale, int | float | np.integer | np.floating) and (scale < 0 or (scale == 0 and not zero)):
        raise errors.ArgumentError(f"{name}: scale={scale}; expected a number {'of at least' if zero else 'above'} 0")
    return scale


def floating(name: str, dtype: Any, tensors: Sequence[Any]) -> np.dtype[Any]:
    """The dtype of samples; DtypeError unless it is real and floating."""
    if dtype is not None:
        chosen = dtypes.dtype(dtype)
    else:
        floats = [t.dtype for t in tensors if t.dtype.kind not in "biu"]
        chosen = floats[0] if floats else dtypes.default()
        for d in floats[1:]:
            chosen = dtypes.promote(chosen, d)
    if not dtypes.is_float(chosen) or chosen.itemsize > 8:
        raise errors.DtypeError(
            f"{name}: samples of dtype {chosen.name}; expected float64, float32, float16 or bfloat16"
        )
    return chosen


def lengths(name: str, shape: int | Sequence[int]) -> Shape:
    """A shape from what a user gives for one."""
    try:
        sizes = (shape.__index__(),) if hasattr(shape, "__index__") else tuple(n.__index__() for n in shape)
    except (TypeError, AttributeError):
        raise errors.ShapeError(f"{name}: shape={shape!r}; expected a length or a sequence of lengths") from None
    if any(n < 0 for n in sizes):
        raise errors.ShapeError(f"{name}: shape={shape!r}; expected lengths of 0 or more")
    return sizes


def sizes_of(name: str, shape: Size, tensors: Sequence[Any]) -> Shape:
    """The shape of samples; ShapeError if the parameters do not broadcast to it."""
    if shape is None:
        return broadcast_shapes(name, [t.shape for t in tensors])
    sizes = lengths(name, shape)
    if tensors and broadcast_shapes(name, [sizes, *(t.shape for t in tensors)]) != sizes:
        raise errors.ShapeError(
            f"{name}: parameters of shape {', '.join(str(t.shape) for t in tensors)} do not broadcast to shape={sizes}. Give the whole shape of the samples, or leave it out"
        )
    return sizes


def source(name: str, key: Key, device: str | None) -> Any:
    """The key of one call, on the device that its numbers are wanted on."""
    if key is None:
        return default_generator.next_key(device)
    if isinstance(key, Generator):
        return key.next_key(device)
    k = checked(key, name, ", or a gg.random.Generator")
    return k if device is None or k.device == device else k.to(device)


def scaled(z: Any, loc: Any, scale: Any) -> Any:
    """``loc + scale * z``, without what changes nothing."""
    if not (type(scale) in WEAK and scale == 1):
        z = scale * z
    return z if type(loc) in WEAK and loc == 0 else loc + z
