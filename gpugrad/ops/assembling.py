"""The sum of arrays, each in its part of zeros: what the derivatives of several slices of one array are together.

Programs are not written in it: one is compiled to it where it adds what it has put among zeros.
"""

from __future__ import annotations

import functools as ft
from typing import Any

from gpugrad.ops.linear import Spec, head, slice_, unslice
from gpugrad.primitive import Linear, Primitive, Shape, broadcast_shapes

RANK = 3
"""Axes that sums have at most which programs are compiled to."""


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

__all__ = ["RANK", "assemble"]
