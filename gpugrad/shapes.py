"""Arithmetic on shapes and axes. Inside gpugrad axes count from the end (-1 is the last)."""

from __future__ import annotations

import functools as ft
import operator
from collections.abc import Sequence

import numpy as np

from gpugrad import errors

Shape = tuple[int, ...]


@ft.lru_cache(maxsize=4096)
def _every(rank: int) -> tuple[int, ...]:
    return tuple(range(-rank, 0))


def integer_of(n: int, name: str, what: str) -> int:
    """A Python integer; DtypeError for what is none."""
    try:
        return operator.index(n)
    except errors.TraceError:
        raise
    except TypeError:
        raise errors.DtypeError(f"{name}: {what}={n!r} is not an integer") from None


def integers_of(given: int | Sequence[int], name: str, what: str) -> tuple[int, ...]:
    """One integer, or several, as a tuple; DtypeError for what is neither."""
    if isinstance(given, int) or (hasattr(given, "__index__") and not getattr(given, "shape", ())):
        return (integer_of(given, name, what),)  # type: ignore[arg-type]
    if isinstance(given, str) or not hasattr(given, "__iter__"):
        raise errors.DtypeError(f"{name}: {what}={given!r}; expected an integer, or a sequence of integers")
    return tuple([n if type(n) is int else integer_of(n, name, what) for n in given])


def axis_of(axis: int, shape: Shape, name: str) -> int:
    """One axis, counted from the end; AxisError if it is out of range."""
    n = len(shape)
    k = axis if type(axis) is int else integer_of(axis, name, "axis")
    if not -n <= k < n:
        raise errors.AxisError(
            f"{name}: axis {k} is out of range for shape {shape}; expected {-n} to {n - 1}"
            if n
            else f"{name}: axis {k} is out of range for a number (shape ())"
        )
    return k if k < 0 else k - n


def axes_of(axis: int | Sequence[int] | None, shape: Shape, name: str, permutation: bool = False) -> tuple[int, ...]:
    """Axes, counted from the end, in the order given; all of them for None.

    AxisError if one is out of range or named twice.
    """
    if axis is None:
        return _every(len(shape))
    if isinstance(axis, int):
        return (axis_of(axis, shape, name),)
    given: Sequence[int] = axis if isinstance(axis, Sequence) else list(np.atleast_1d(axis))
    out = tuple(axis_of(a, shape, name) for a in given)
    if len(set(out)) != len(out) or (permutation and len(out) != len(shape)):
        expected = "each axis exactly once" if permutation else "each axis at most once"
        raise errors.AxisError(f"{name}: axes {tuple(given)} for shape {shape}; expected {expected}")
    return out
