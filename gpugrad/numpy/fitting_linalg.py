"""Functions of ``numpy.linalg`` whose signature is not that of our operation, and those composed of others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpugrad import dtypes, errors
from gpugrad.numpy import fitting
from gpugrad.numpy.results import delivered, real_if_real
from gpugrad.ops import eigen, linalg
from gpugrad.ops.eigen import EigResult
from gpugrad.ops.elementwise import greater
from gpugrad.ops.gathering import count_nonzero
from gpugrad.ops.norms import matrix_rank as rank_of
from gpugrad.ops.rearranging import moveaxis, reshape
from gpugrad.ops.reductions import floating
from gpugrad.trace import Array

__all__ = ["cross", "eig", "eigvals", "matrix_rank", "multi_dot", "pinv", "svd", "tensorinv", "tensorsolve"]

ABSENT: Any = getattr(np, "_NoValue", None)


def svd(a: Array, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    """(U, S, Vh) with a = U diag(S) Vh; see ``gg.linalg.svd``."""
    return linalg.svd(a, full_matrices, compute_uv)


def pinv(a: Array, rcond: float | None = None, hermitian: bool = False, *, rtol: float | None = ABSENT) -> Array:
    """The pseudo-inverse, without the singular values below ``rcond`` (or ``rtol``) times the largest."""
    return linalg.pinv(a, rcond if rtol is ABSENT else rtol)


def matrix_rank(A: Array, tol: float | None = None, hermitian: bool = False, *, rtol: float | None = None) -> Array:
    """The number of singular values above ``tol``, or above ``rtol`` times the largest."""
    if tol is None:
        return rank_of(A, rtol)
    return count_nonzero(greater(linalg.svdvals(A), tol), -1)


def cross(x1: Array, x2: Array, /, *, axis: int = -1) -> Array:
    """The vector product in three dimensions, of vectors along ``axis`` of each."""
    return fitting.cross(x1, x2, axis=axis)


def eig(a: Array) -> EigResult:
    """(eigenvalues, eigenvectors) of square matrices: real if the eigenvalues of ``a`` are, see ``gg.linalg.eig``."""
    w, v = eigen.eig(a)
    return EigResult(w, v) if dtypes.is_complex(floating(a).dtype) else EigResult(*real_if_real(w, v))


def eigvals(a: Array) -> Array:
    """The eigenvalues of square matrices: real if those of ``a`` are, see ``gg.linalg.eigvals``."""
    w = eigen.eigvals(a)
    return w if dtypes.is_complex(floating(a).dtype) else real_if_real(w)


def multi_dot(arrays: Sequence[Array], *, out: Any = None) -> Array:
    """The product of two or more matrices, in the order that costs least."""
    return delivered(linalg.multi_dot(arrays), out, "np.linalg.multi_dot")


def tensorsolve(a: Array, b: Array, axes: Sequence[int] | None = None) -> Array:
    """The x with tensordot(a, x, x.ndim) = b; ``axes`` of ``a`` are moved to the end first."""
    if axes is not None:
        a = moveaxis(a, tuple(axes), tuple(range(-len(axes), 0)))
    inner = a.shape[len(b.shape) :]
    n = math.prod(inner)
    if math.prod(b.shape) != n:
        raise errors.ShapeError(
            f"np.linalg.tensorsolve: shapes {a.shape} and {b.shape}; expected a.shape to begin with b.shape and to go on with as many elements"
        )
    return reshape(linalg.solve(reshape(a, (n, n)), reshape(b, (n,))), inner)


def tensorinv(a: Array, ind: int = 2) -> Array:
    """The inverse under tensordot over the first ``ind`` axes."""
    front, back = a.shape[:ind], a.shape[ind:]
    n = math.prod(back)
    if ind <= 0 or math.prod(front) != n:
        raise errors.ShapeError(
            f"np.linalg.tensorinv: shape {a.shape} with ind={ind}; expected as many elements in the first {ind} axes as in the others"
        )
    return reshape(linalg.inv(reshape(a, (n, n))), (*back, *front))
