"""The sum of arrays, each in its part of zeros: what the derivatives of several slices of one array are together.

Programs are not written in it: one is compiled to it where it adds what it has put among zeros.
"""

from __future__ import annotations

import functools as ft
from collections.abc import Sequence
from typing import Any

from gpugrad.ops.linear import Spec, head, slice_, unslice
from gpugrad.primitive import Linear, Primitive, Shape, broadcast_shapes

RANK = 3
"""Axes that sums have at most which programs are compiled to, but for such as :func:`merged` makes one of."""


def merged(specs: Sequence[Spec], sizes: Shape) -> tuple[list[Spec], Shape]:
    """The same parts of as few axes as can be: one that all parts have whole is one with the axis before it."""
    kept: list[int] = []
    parts: list[list[tuple[int, int, int]]] = [[] for _ in specs]
    for axis, n in enumerate(sizes):
        if kept and all(spec[axis] == (0, n, 1) for spec in specs):
            kept[-1] *= n
            for part in parts:
                start, stop, _ = part[-1]
                part[-1] = start * n, stop * n, 1
        else:
            kept.append(n)
            for part, spec in zip(parts, specs, strict=True):
                part.append(spec[axis])
    return [tuple(part) for part in parts], tuple(kept)


def _assemble(xp: Any, *xs: Any, specs: tuple[Spec, ...], sizes: Shape) -> Any:
    assert unslice.forward is not None
    parts = [unslice.forward(xp, x, spec=spec, sizes=sizes) for x, spec in zip(xs, specs, strict=True)]
    return ft.reduce(lambda a, b: a + b, parts)


assemble: Primitive = Primitive(
    "linear",
    "assemble",
    [Linear(lambda g, i, specs: slice_(g, spec=specs[i]))],
    operands=("x",),
    forward=_assemble,
    shape=lambda *shapes, specs, sizes: (
        *broadcast_shapes("assemble", [head(s, len(sizes)) for s in shapes]),
        *sizes,
    ),
    variadic=True,
    joint=True,
    doc="Arrays of one dtype added up, each in the part of zeros of the given ``sizes`` that its spec names.",
)

__all__ = ["RANK", "assemble", "merged"]
