"""What a layer asks of its input before it computes: an array that fits, of a dtype its parameters can take."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gpugrad import dtypes, errors
from gpugrad.transforms.lift import as_value

if TYPE_CHECKING:
    from gpugrad.nn.module import Module


def named(module: Module) -> str:
    """The layer as errors name it: ``Linear(64, 10)``."""
    return f"{type(module).__name__}({module.extra_repr()})"


def taken(module: Module, x: Any, parameter: Any) -> Any:
    """``x`` as a value, unless its dtype would widen what the layer computes beyond its parameters' dtype."""
    x = as_value(x)
    have, own = x.dtype, parameter.dtype
    if have == own:
        return x
    result = dtypes.promote(have, own)
    if result != own and dtypes.real_of(result) != own:
        raise errors.DtypeError(
            f'{named(module)}: input of dtype {have.name} for parameters of dtype {own.name}; expected {own.name}. Cast the input: x.astype("{own.name}"), or the module: module.astype("{result.name}")'
        )
    return x


def sizes(layer: str, name: str, given: int | Sequence[int]) -> tuple[int, ...]:
    """A size, or several, as Python integers. ShapeError unless they are integers that a size can be."""
    try:
        out = tuple(map(operator.index, given if isinstance(given, Sequence) else (given,)))
    except TypeError:
        out = (-1,)
    if any(n < 0 for n in out):
        raise errors.ShapeError(f"{layer}: {name}={given!r}; expected integers of 0 or more")
    return out


def featured(module: Module, x: Any, axis: int, expected: int, layout: str) -> None:
    """ShapeError unless ``x`` has ``expected`` elements along ``axis`` (negative)."""
    shape = x.shape
    if len(shape) < -axis or shape[axis] != expected:
        raise errors.ShapeError(
            f"{named(module)}: input of shape {shape}; expected {layout}"
            + (f", {expected} along axis {axis}, not {shape[axis]}" if len(shape) >= -axis else "")
        )


__all__ = ["featured", "named", "sizes", "taken"]
