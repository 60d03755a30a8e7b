"""A layer as one primitive, for devices whose library adds a bias to a product as it stores it.

Elsewhere, and in programs as they are written, it is a product and a sum.
"""

from __future__ import annotations

from typing import Any

from gpugrad.ops.bilinear import mm
from gpugrad.ops.elementwise import multiply
from gpugrad.ops.linear import constant, reshape, unbatched
from gpugrad.primitive import Core, Primitive, Shape, broadcast_shapes, linearized


def _affine(xp: Any, x: Any, y: Any, b: Any) -> Any:
    return xp.matmul(x, y) + b[..., None, :]


def _shape(x: Shape, y: Shape, b: Shape) -> Shape:
    return (*broadcast_shapes("affine", (x[:-2], y[:-2], b[:-1])), x[-2], y[-1])


def _of_bias(t: Any, out: Any) -> Any:
    row = reshape(t, to=(*t.shape[:-1], 1, t.shape[-1]), rank=len(t.shape))
    return multiply(row, constant(unbatched(out), to=out.shape, fill=1))  # which repeats it


affine: Primitive = linearized(
    "affine",
    lambda t, y: mm(t, y),
    lambda t, x: mm(x, t),
    _of_bias,
    operands="x y b",
    forward=_affine,
    shape=_shape,
    batch=Core((2, 2, 1)),
    same=(0, 1, 2),
    doc="x @ y + b, a vector for each row.",
)

__all__ = ["affine"]
