"""Layers that only pass on or rearrange."""

from __future__ import annotations

import math
from typing import Any

from gpugrad import errors
from gpugrad.nn.checks import named
from gpugrad.nn.module import Module
from gpugrad.ops.linear import reshape
from gpugrad.shapes import axis_of
from gpugrad.transforms.lift import as_value


class Identity(Module):
    """The input, as it is.

    >>> import gpugrad as gg
    >>> gg.nn.Identity()(gg.tensor(1.0))
    tensor(1.)
    """

    def forward(self, x: Any) -> Any:
        return x


class Flatten(Module):
    """The axes from ``start_axis`` to ``end_axis`` as one: (N, C, H, W) to (N, C·H·W).

    >>> import gpugrad as gg
    >>> gg.nn.Flatten()(gg.ones((5, 3, 8, 8))).shape
    (5, 192)
    """

    def __init__(self, start_axis: int = 1, end_axis: int = -1) -> None:
        self.start_axis, self.end_axis = start_axis, end_axis

    def forward(self, x: Any) -> Any:
        x = as_value(x)
        shape, n = x.shape, len(x.shape)
        first, last = axis_of(self.start_axis, shape, "Flatten") + n, axis_of(self.end_axis, shape, "Flatten") + n
        if first > last:
            raise errors.AxisError(
                f"{named(self)}: axis {first} to axis {last} of shape {shape}; expected them in order"
            )
        to = (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :])
        return reshape(x, to=to, rank=n)

    def extra_repr(self) -> str:
        return "" if (self.start_axis, self.end_axis) == (1, -1) else f"{self.start_axis}, {self.end_axis}"


class Unflatten(Module):
    """One axis as several of the sizes ``sizes``: the opposite of :class:`Flatten`.

    >>> import gpugrad as gg
    >>> gg.nn.Unflatten(1, (1, 8, 8))(gg.ones((5, 64))).shape
    (5, 1, 8, 8)
    """

    def __init__(self, axis: int, sizes: tuple[int, ...]) -> None:
        self.axis, self.sizes = axis, tuple(sizes)

    def forward(self, x: Any) -> Any:
        x = as_value(x)
        shape, n = x.shape, len(x.shape)
        at = axis_of(self.axis, shape, "Unflatten") + n
        if math.prod(self.sizes) != shape[at]:
            raise errors.ShapeError(
                f"{named(self)}: axis {self.axis} of shape {shape} has {shape[at]} elements; expected {math.prod(self.sizes)}"
            )
        return reshape(x, to=(*shape[:at], *self.sizes, *shape[at + 1 :]), rank=n)

    def extra_repr(self) -> str:
        return f"{self.axis}, {self.sizes}"


__all__ = ["Flatten", "Identity", "Unflatten"]
