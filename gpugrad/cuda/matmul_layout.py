"""How a product of strided arrays is told to a BLAS library, whose matrices lie column after column: arithmetic only.

Read so, an array in C's order is its own transpose. So ``out = x @ y`` is asked for as ``out.T = y.T @ x.T``, for which
the memory is as it has to be; what is transposed already takes a flag. Nothing is copied.
"""

from __future__ import annotations

import itertools as it
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gpugrad import errors

LARGEST = 2**31 - 1
"""What a size of a matrix may be in cuBLASLt."""


class Operand(NamedTuple):
    """An array without its memory; strides are in bytes, as NumPy and CuPy give them."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: Any

    @classmethod
    def of(cls, array: Any) -> Operand:
        """That of an array of NumPy or CuPy."""
        return cls(tuple(array.shape), tuple(array.strides), np.dtype(array.dtype))

    @classmethod
    def in_rows(cls, shape: Sequence[int], dtype: Any) -> Operand:
        """That of an array in C's order."""
        steps = [np.dtype(dtype).itemsize]
        for n in reversed(shape[1:]):
            steps.append(steps[-1] * n)
        return cls(tuple(shape), tuple(reversed(steps)) if shape else (), np.dtype(dtype))

    @classmethod
    def in_order(cls, shape: Sequence[int], dtype: Any, order: Sequence[int] | None) -> Operand:
        """That of an array whose axes lie in this order, from the outermost to the innermost; None: in C's."""
        if order is None:
            return cls.in_rows(shape, dtype)
        steps = cls.in_rows([shape[axis] for axis in order], dtype).strides
        return cls(tuple(shape), tuple(steps[list(order).index(axis)] for axis in range(len(shape))), np.dtype(dtype))

    def __str__(self) -> str:
        return f"{self.dtype.name}{list(self.shape)} with strides {list(self.strides)}"


class Matrix(NamedTuple):
    """Matrices column after column: element (i, j) of the b-th is at ``i + j * leading + b * batch_stride``."""

    rows: int
    columns: int
    leading: int
    transposed: bool
    """Whether the product takes its transpose."""
    batch_stride: int


class LayoutPlan(NamedTuple):
    """``d = a @ b`` for each matrix of a batch, once for each of the offsets; lengths are in elements."""

    a: Matrix
    b: Matrix
    d: Matrix
    k: int
    """How many products an element of the result is the sum of. With none the result is zeros, and nobody is to be asked."""
    batch: int
    swapped: bool
    """Whether ``a`` is y, and ``d`` the transposed result."""
    offsets: tuple[tuple[int, int, int], ...]
    """Where x, y and out begin in each call, after their addresses; none for a result without elements."""


class Misfit(NamedTuple):
    """The arguments, of "x", "y" and "out", that no flag describes: they are to be copied in C's order, before or after."""

    names: tuple[str, ...]


class _View(NamedTuple):
    """A matrix of an operand, strides in elements."""

    rows: int
    columns: int
    row_stride: int
    column_stride: int

    def by_rows(self) -> int | None:
        """How far apart rows are, if their elements are adjacent; None otherwise."""
        if self.columns > 1 and self.column_stride != 1:
            return None
        return _leading(self.rows, self.row_stride, self.columns)

    def by_columns(self) -> int | None:
        """How far apart columns are, if their elements are adjacent; None otherwise."""
        return _View(self.columns, self.rows, self.column_stride, self.row_stride).by_rows()


class _Axis(NamedTuple):
    """An axis of the batch: its size and how far apart its items are, in elements."""

    size: int
    x: int
    y: int
    out: int


def plan(x: Operand, y: Operand, out: Operand, rows: bool = False) -> LayoutPlan | Misfit:
    """How ``out[...] = x @ y`` is told, with batches in leading axes, where those of x and y may be broadcast.

    With ``rows`` the result has to lie row after row, for what is done to its columns (a bias) on the way.
    Raises ShapeError where shapes do not go together, and for sizes that the library does not count to.

    >>> x, y, out = (Operand.of(np.empty(s, np.float32)) for s in ((2, 3), (3, 4), (2, 4)))
    >>> plan(x, y, out).a
    Matrix(rows=4, columns=3, leading=4, transposed=False, batch_stride=0)
    """
    m, k, n = _sizes(x, y, out)
    batch = out.shape[:-2]
    if 0 in out.shape or k == 0:
        nothing = Matrix(n, m, max(n, 1), False, 0)
        calls = () if 0 in out.shape else ((0, 0, 0),)
        return LayoutPlan(Matrix(n, k, max(n, 1), False, 0), Matrix(k, m, 1, False, 0), nothing, k, 1, True, calls)
    strides = {name: _elements(operand, len(batch)) for name, operand in (("x", x), ("y", y), ("out", out))}
    wrong = tuple(name for name, found in strides.items() if found is None)
    if wrong:
        return Misfit(wrong)
    sx, sy, so = (found for found in strides.values() if found is not None)
    if _overlaps(out.shape, so):
        return Misfit(("out",))
    axes = _merged(map(_Axis, batch, sx, sy, so))
    return _told(*_folded(_View(m, k, *sx[-2:]), _View(k, n, *sy[-2:]), _View(m, n, *so[-2:]), axes), rows)


def _sizes(x: Operand, y: Operand, out: Operand) -> tuple[int, int, int]:
    """The sizes m, k, n of matrices m x k and k x n."""
    try:
        (m, k), (k_too, n) = x.shape[-2:], y.shape[-2:]
        fits = k == k_too and out.shape == (*np.broadcast_shapes(x.shape[:-2], y.shape[:-2]), m, n)
    except ValueError:  # fewer axes, or batches that do not broadcast
        fits = False
    if not fits:
        raise errors.ShapeError(
            f"matmul of {x} and {y} into {out}; expected (..., m, k), (..., k, n) and (..., m, n) with batches that "
            "broadcast to the result's; give vectors an axis of size 1"
        )
    if max(m, k, n) > LARGEST:
        raise errors.ShapeError(
            f"matmul of {x} and {y}: cuBLASLt counts rows and columns up to {LARGEST}; split the product"
        )
    return m, k, n


def _elements(operand: Operand, batch: int) -> tuple[int, ...] | None:
    """Strides in elements, with 0 for axes of a batch that an operand is broadcast over."""
    size = operand.dtype.itemsize
    strides = [0 if n == 1 else s for n, s in zip(operand.shape, operand.strides, strict=True)]
    if any(s % size for s in strides):
        return None
    return (0,) * (batch + 2 - len(strides)) + tuple(s // size for s in strides)


def _overlaps(shape: Sequence[int], strides: Sequence[int]) -> bool:
    """Whether two elements may be in one place."""
    reach = 0
    for stride, n in sorted((abs(s), n) for s, n in zip(strides, shape, strict=True) if n > 1):
        if stride <= reach:
            return True
        reach += stride * (n - 1)
    return False


def _leading(count: int, stride: int, length: int) -> int | None:
    """How far apart ``count`` stretches of some length are; None where they overlap or go backwards."""
    if count == 1:
        return length
    return stride if stride >= length else None


def _merged(axes: Any) -> list[_Axis]:
    """The same batch in as few axes as it can be counted with."""
    merged: list[_Axis] = []
    for axis in sorted((a for a in axes if a.size > 1), key=lambda a: -abs(a.out)):
        last = merged[-1] if merged else None
        if last and all(outer == inner * axis.size for outer, inner in zip(last[1:], axis[1:], strict=True)):
            merged[-1] = axis._replace(size=last.size * axis.size)
        else:
            merged.append(axis)
    return merged


def _folded(x: _View, y: _View, out: _View, axes: list[_Axis]) -> tuple[_View, _View, _View, list[_Axis]]:
    """One product of taller matrices in place of a batch that shares y, where the rows of all items are evenly apart."""
    for axis in reversed(axes):
        if axis.y or x.rows * axis.size > LARGEST:
            continue
        if x.rows == 1:
            taller = [_View(axis.size, v.columns, s, v.column_stride) for v, s in ((x, axis.x), (out, axis.out))]
        elif axis.x == x.rows * x.row_stride and axis.out == out.rows * out.row_stride:
            taller = [v._replace(rows=v.rows * axis.size) for v in (x, out)]
        else:
            continue
        if all(v.by_rows() or v.by_columns() for v in taller):
            return _folded(taller[0], y, taller[1], [a for a in axes if a is not axis])
    return x, y, out, axes


def _told(x: _View, y: _View, out: _View, axes: list[_Axis], rows: bool) -> LayoutPlan | Misfit:
    swapped = out.by_rows() is not None
    wrong = [name for name, v in (("x", x), ("y", y)) if v.by_rows() is None and v.by_columns() is None]
    if not swapped and (rows or out.by_columns() is None):
        wrong.append("out")
    if wrong:
        return Misfit(tuple(wrong))
    forward = [a for a in axes if min(a[1:]) >= 0]
    inner = max(forward, key=lambda a: a.size, default=_Axis(1, 0, 0, 0))
    offsets = [(0, 0, 0)]
    for axis in axes:
        if axis is not inner:
            steps = [(i * axis.x, i * axis.y, i * axis.out) for i in range(axis.size)]
            offsets = [(a + d, b + e, c + f) for (a, b, c), (d, e, f) in it.product(offsets, steps)]
    a, b = _matrix(x, _longer(x), inner.x, swapped), _matrix(y, _longer(y), inner.y, swapped)
    if swapped:
        a, b = b, a
    d = _matrix(out, swapped, inner.out, swapped)
    return LayoutPlan(a, b, d, x.columns, inner.size, swapped, tuple(offsets))


def _longer(view: _View) -> bool:
    """Whether to read it by rows; a vector may be read either way, and is better read in one stretch."""
    return view.by_columns() is None or (view.by_rows() is not None and view.columns >= view.rows)


def _matrix(view: _View, rows: bool, batch_stride: int, swapped: bool) -> Matrix:
    """A view, or with ``swapped`` its transpose, as matrices column after column; its rows are the columns with ``rows``."""
    leading = view.by_rows() if rows else view.by_columns()
    assert leading is not None
    stored = (view.columns, view.rows) if rows else (view.rows, view.columns)
    return Matrix(*stored, leading, rows != swapped, batch_stride)


def alignment(*addresses: int) -> int:
    """The largest power of two, up to 256, that divides all of them; it decides which algorithms may run.

    >>> alignment(0x7F0000000200, 0x7F0000000210)
    16
    """
    return math.gcd(256, *addresses)
