"""Norms of vectors and matrices, and what is made of singular values: the condition number and the rank."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any

from gpugrad import dtypes, errors
from gpugrad.ops import determinants, factorizations, solving
from gpugrad.ops.arithmetic import abs as absolute
from gpugrad.ops.bilinear import shape_of
from gpugrad.ops.casting import ranged
from gpugrad.ops.elementwise import greater, multiply, not_equal, pow, where
from gpugrad.ops.linear import cast, expand, permute, reduce_sum, reshape, slice_
from gpugrad.ops.matrices import identity, matrix_of, square_of
from gpugrad.ops.reductions import floating, restored, root
from gpugrad.ops.reductions import max as max_of
from gpugrad.ops.reductions import min as min_of
from gpugrad.ops.reductions import sum as sum_of
from gpugrad.ops.solving import tolerance
from gpugrad.shapes import axes_of
from gpugrad.trace import Array

Axis = int | Sequence[int] | None


def _power_norm(x: Any, p: float, axes: tuple[int, ...]) -> Any:
    """(Σ |x|ᵖ)^(1/p), with derivative 0 at 0 and in elements that are 0."""
    size = absolute(x)
    if p > 0.0:
        there = not_equal(size, 0.0)
        total = reduce_sum(where(there, pow(where(there, size, 1.0), p), 0.0), axis=axes)
        moved = not_equal(total, 0.0)
        return where(moved, pow(where(moved, total, 1.0), 1.0 / p), 0.0)
    return pow(reduce_sum(pow(size, p), axis=axes), 1.0 / p)


def _extreme(x: Any, axes: tuple[int, ...], keepdims: bool, ord: float) -> Any:
    """The largest of numbers that are not negative, so 0 of none, or the smallest for an ``ord`` below 0."""
    if ord > 0 and any(x.shape[k] == 0 for k in axes):
        return sum_of(x, axis=axes, keepdims=keepdims)
    return (max_of if ord > 0 else min_of)(x, axis=axes, keepdims=keepdims)


@ranged
def vector_norm(x: Array, axis: Axis = None, keepdims: bool = False, ord: float | str | None = 2) -> Array:
    """The ``ord``-norm of vectors along ``axis``, of all elements for None: (Σ |x|ᵖ)^(1/p), and the limits of that.

    inf is the largest modulus, -inf the smallest, 0 counts what is not 0. At 0 the gradient is 0, and moduli that tie
    share it. Raises AxisError for an axis out of range.

    >>> import gpugrad as gg
    >>> gg.linalg.vector_norm(gg.tensor([3.0, 4.0]))
    tensor(5.)
    """
    x = floating(x)
    shape = x.shape
    axes = axes_of(axis, shape, "norm")
    if not (ord is None or isinstance(ord, numbers.Real)):
        raise errors.ShapeError(f"norm: ord={ord!r} for vectors; expected a number, math.inf, or None")
    if ord is None or ord == 2:
        size = absolute(x) if dtypes.is_complex(x.dtype) else x
        out = root(reduce_sum(multiply(size, size), axis=axes))
    elif ord == 1:
        out = reduce_sum(absolute(x), axis=axes)
    elif ord in (math.inf, -math.inf):
        out = _extreme(absolute(x), axes, False, ord)
    elif ord == 0:
        size = absolute(x)
        out = reduce_sum(cast(not_equal(size, 0.0), dtype=dtypes.of(size), source=dtypes.dtype("bool")), axis=axes)
    else:
        out = _power_norm(x, float(ord), axes)
    return restored(out, shape, axes, keepdims)


def _singular_norm(x: Any, ord: Any) -> Any:
    """Norms made of singular values; the modulus, of what is not negative anyway, makes the derivative at 0 be 0."""
    s = absolute(factorizations.svdvals(x))
    if ord == "nuc":
        return reduce_sum(s, axis=(-1,))
    return _extreme(s, (-1,), False, ord)


def _matrix_norm(x: Any, axes: tuple[int, int], keepdims: bool, ord: Any) -> Any:
    rows, columns = axes
    if ord is None or ord == "fro":
        return vector_norm(x, axes, keepdims)
    shape = x.shape
    if ord in (1, -1, math.inf, -math.inf):
        sums = sum_of(absolute(x), axis=rows if ord in (1, -1) else columns, keepdims=True)
        return _extreme(sums, axes, keepdims, ord)
    if ord in (2, -2, "nuc"):
        rest = tuple(k for k in range(-len(shape), 0) if k not in axes)
        moved = x if (*rest, *axes) == tuple(range(-len(shape), 0)) else permute(x, perm=(*rest, *axes))
        return restored(_singular_norm(moved, ord), shape, axes, keepdims)
    raise errors.ShapeError(
        f"norm: ord={ord!r} for matrices; expected None, 'fro', 'nuc', 1, -1, 2, -2, math.inf or -math.inf. For a vector norm of all elements use gg.linalg.vector_norm"
    )


def matrix_norm(x: Array, keepdims: bool = False, ord: float | str | None = "fro") -> Array:
    """The norm of matrices in the last two axes; ``ord`` as for :func:`norm`.

    >>> import gpugrad as gg
    >>> gg.linalg.matrix_norm(gg.tensor([[3.0, 0.0], [0.0, 4.0]]), ord="nuc")
    tensor(7.)
    """
    return _matrix_norm(matrix_of(x, "matrix_norm"), (-2, -1), keepdims, ord)


@ranged
def norm(x: Array, ord: float | str | None = None, axis: Axis = None, keepdims: bool = False) -> Array:
    """The norm of vectors (one axis) or matrices (two axes), as ``numpy.linalg.norm``.

    ========  ===========================  ============================
    ord       vectors                      matrices
    ========  ===========================  ============================
    None      √Σ|x|²                       √Σ|x|², "fro" too
    1, -1     Σ|x|, (Σ|x|⁻¹)⁻¹             largest, smallest column sum
    2, -2     √Σ|x|², (Σ|x|⁻²)^(-1/2)      largest, smallest singular value
    inf, -inf largest, smallest modulus    largest, smallest row sum
    "nuc"                                  sum of singular values
    0, p      how many are not 0, p-norm
    ========  ===========================  ============================

    Without ``axis`` the whole of ``x``, which may have any number of axes if ``ord`` is None too. The largest of
    nothing is 0. The gradient at 0 is 0, never NaN. Raises ShapeError for an ``ord`` that there is not, AxisError for an axis out of range.

    >>> import gpugrad as gg
    >>> gg.grad(gg.linalg.norm)(gg.tensor([3.0, 4.0])), gg.grad(gg.linalg.norm)(gg.tensor([0.0, 0.0]))
    (tensor([0.6, 0.8]), tensor([0., 0.]))
    """
    x = floating(x)
    shape = x.shape
    if axis is None and ord is None:
        return vector_norm(x, None, keepdims)
    axes = axes_of(axis, shape, "norm")
    if len(axes) == 1:
        return vector_norm(x, axes, keepdims, ord)
    if len(axes) == 2:
        return _matrix_norm(x, (axes[0], axes[1]), keepdims, ord)
    raise errors.ShapeError(
        f"norm: ord={ord!r} over {len(axes)} axes of shape {shape}; expected one axis for vectors or two for matrices. Pass axis="
    )


def cond(x: Array, p: float | str | None = None) -> Array:
    """The condition number: the norm of ``x`` times that of its inverse, by singular values for None, 2 and -2.

    It is infinite for a singular matrix. Raises ShapeError for matrices without elements, and unless they are square
    for another ``p`` (see :func:`matrix_norm`).

    >>> import gpugrad as gg
    >>> gg.linalg.cond(gg.tensor([[4.0, 0.0], [0.0, 2.0]]))
    tensor(2.)
    """
    x = matrix_of(x, "cond") if p in (None, 2, -2) else square_of(x, "cond")
    if 0 in x.shape[-2:]:
        raise errors.ShapeError(f"cond: shape {x.shape}; expected matrices with at least one row and one column")
    if p in (None, 2, -2):
        s = factorizations.svdvals(x)
        n = s.shape[-1]
        large, small = (reshape(slice_(s, spec=((k, k + 1, 1),)), to=(), rank=1) for k in (0, n - 1))
        above, below = (small, large) if p == -2 else (large, small)
        there = not_equal(below, 0.0)
        return where(there, above / where(there, below, 1.0), math.inf)
    regular = not_equal(absolute(determinants.slogdet(x)[0]), 0.0)
    whole = expand(regular, axis=(-2, -1), sizes=x.shape[-2:])
    inverse = solving.inv(where(whole, x, identity(x)))
    return where(regular, matrix_norm(x, ord=p) * matrix_norm(inverse, ord=p), math.inf)


def count_above(s: Any, rtol: Any) -> Any:
    """How many singular values are above ``rtol`` (a number, or one for each matrix) times the largest."""
    if s.shape[-1]:
        least = max_of(s, axis=-1) * rtol
        there = greater(s, reshape(least, to=(*least.shape, 1), rank=len(least.shape)))
    else:
        there = greater(s, 0.0)
    return reduce_sum(cast(there, dtype=dtypes.dtype("int64"), source=dtypes.dtype("bool")), axis=(-1,))


def matrix_rank(x: Array, rtol: float | Array | None = None) -> Array:
    """The number of singular values above ``rtol`` times the largest (max(rows, columns) · eps unless given).

    ``rtol`` is a number, or one for each matrix; a vector counts as a matrix of one row. An integer, so without a
    derivative.

    >>> import gpugrad as gg
    >>> gg.linalg.matrix_rank(gg.tensor([[1.0, 2.0], [2.0, 4.0]]))
    tensor(1)
    """
    shape = shape_of(x)
    if len(shape) < 2:
        x = reshape(floating(x), to=(1, math.prod(shape)), rank=len(shape))
    x = matrix_of(x, "matrix_rank")
    return count_above(factorizations.svdvals(x), tolerance(x, rtol, "matrix_rank"))


__all__ = ["cond", "matrix_norm", "matrix_rank", "norm", "vector_norm"]
