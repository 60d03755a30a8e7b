"""Operations made of primitives: plain functions, made fast by fusion, not by rules of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gpugrad.ops.linear import permute
from gpugrad.shapes import axes_of, axis_of

Axes = int | Sequence[int] | None


def permute_dims(x: Any, axes: Sequence[int]) -> Any:
    """The axes of ``x`` in the order ``axes``."""
    n = len(x.shape)
    return permute(x, perm=axes_of(axes, x.shape, "permute_dims", permutation=True)) if n else x


def moveaxis(x: Any, source: int, destination: int) -> Any:
    """``x`` with one axis moved to another place."""
    n = len(x.shape)
    s = axis_of(source, x.shape, "moveaxis") + n
    d = axis_of(destination, x.shape, "moveaxis") + n
    if s == d:
        return x
    order = [k for k in range(n) if k != s]
    order.insert(d, s)
    return permute(x, perm=tuple(k - n for k in order))


def concat(xs: Sequence[Any], axis: int = 0) -> Any:
    """Arrays one after another along an axis."""
    raise NotImplementedError
