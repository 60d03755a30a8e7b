"""The matrix product: the one primitive under all contractions (see :mod:`gpugrad.ops.contraction`)."""

from __future__ import annotations

import math
from typing import Any

from gpugrad import errors
from gpugrad.ops.casting import lowered
from gpugrad.ops.linear import permute, reshape
from gpugrad.primitive import Core, Primitive, Shape, bilinear, broadcast_shapes
from gpugrad.trace import Array


def mT(x: Any) -> Any:
    """The last two axes swapped. Rules take this plain transpose, never the adjoint: they pair without conjugation."""
    return permute(x, perm=(-1, -2))


def shape_of(x: Any) -> Shape:
    """The shape of an operand; a Python number has none."""
    shape: Shape = getattr(x, "shape", ())
    return shape


def _mismatch(x: Shape, y: Shape) -> errors.ShapeError:
    return errors.ShapeError(
        f"matmul: shapes {x} and {y} do not contract: {x[-1]} columns against {y[-2 if len(y) > 1 else -1]} rows; expected (..., n, k) and (..., k, m). Transpose or reshape an operand"
    )


def batches(name: str, x: Shape, y: Shape, a: Shape, b: Shape) -> None:
    """ShapeError, with the whole shapes ``x`` and ``y``, unless their batch axes ``a`` and ``b`` broadcast."""
    try:
        broadcast_shapes(name, (a, b))
    except errors.ShapeError:
        raise errors.ShapeError(
            f"{name}: shapes {x} and {y}, of which the axes {a} and {b} are a batch and do not broadcast; expected equal sizes, or 1. Reshape or slice an operand"
        ) from None


def _matmul_shape(x: Shape, y: Shape) -> Shape:
    if x[-1] != y[-2]:
        raise _mismatch(x, y)
    return (*broadcast_shapes("matmul", (x[:-2], y[:-2])), x[-2], y[-1])


def _rows(x: Any) -> Any:
    """All axes but the last as one."""
    s = x.shape
    return reshape(x, to=(math.prod(s[:-1]), s[-1]), rank=len(s))


def _columns(x: Any) -> Any:
    """All axes but the last but one as one, which comes last."""
    n = len(x.shape)
    return mT(_rows(permute(x, perm=(*range(-n, -2), -1, -2))))


def _left(g: Any, y: Any, shape: Shape) -> Any:
    if len(shape) == 2 and len(y.shape) > 2 and y.shape[:-2] == g.shape[:-2]:
        return mm(_columns(g), mT(_columns(y)))  # one product, which sums over the batch, instead of many
    return mm(g, mT(y))


def _right(g: Any, x: Any, shape: Shape) -> Any:
    if len(shape) == 2 and len(x.shape) > 2 and x.shape[:-2] == g.shape[:-2]:
        return mm(mT(_rows(x)), _rows(g))
    return mm(mT(x), g)


def _matmul(xp: Any, x: Any, y: Any) -> Any:
    """One product where a batch shares the matrix on the right, as in a layer: libraries would make one per item."""
    if x.ndim > 2 and y.ndim == 2:
        rows = xp.reshape(x, (math.prod(x.shape[:-1]), x.shape[-1]))
        return xp.reshape(xp.matmul(rows, y), (*x.shape[:-1], y.shape[-1]))
    return xp.matmul(x, y)


mm: Primitive = bilinear(
    "matmul",
    _left,
    _right,
    forward=_matmul,
    shape=_matmul_shape,
    batch=Core((2, 2)),
    doc="The product of matrices in the last two axes; leading axes broadcast.",
)


def matmul(x: Array, y: Array) -> Array:
    """The matrix product, by NumPy's rules: ``x @ y``.

    Matrices lie in the last two axes and leading axes broadcast; a vector on the left is a row, on the right a column,
    and its axis goes. ``(..., n, k) @ (..., k, m)`` costs n·k·m multiplications per matrix. Raises ShapeError if the
    shapes do not contract, or for a number.

    >>> import gpugrad as gg
    >>> gg.matmul(gg.tensor([[1.0, 2.0], [3.0, 4.0]]), gg.tensor([1.0, 1.0]))
    tensor([3., 7.])
    """
    x, y = lowered(x, y)
    a, b = shape_of(x), shape_of(y)
    n, m = len(a), len(b)
    if n > 1 and m > 1 and a[-1] == b[-2]:
        if a[:-2] != b[:-2]:
            batches("matmul", a, b, a[:-2], b[:-2])
        return mm(x, y)
    if n == 0 or m == 0:
        raise errors.ShapeError(f"matmul: shapes {a} and {b}; expected at least one axis in each. To scale, use x * y")
    if a[-1] != b[-2 if m > 1 else -1]:
        raise _mismatch(a, b)
    if n == 1:
        x = reshape(x, to=(1, *a), rank=1)
    if m == 1:
        y = reshape(y, to=(*b, 1), rank=1)
    out = mm(x, y)
    s = out.shape
    return reshape(out, to=s[: len(s) - (n == 1) - (m == 1)] if m == 1 else (*s[:-2], s[-1]), rank=len(s))


__all__ = ["matmul"]
