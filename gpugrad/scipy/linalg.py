"""``scipy.linalg`` on tensors: what the table has, with SciPy's names, parameters and defaults.

What changes no result (``overwrite_a``, ``overwrite_b``, ``check_finite``, ``lapack_driver``) is taken by keyword, and
has no effect: nothing is overwritten, and NaN goes where the algorithm lets it.
"""

from __future__ import annotations

import functools as ft
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gpugrad import errors
from gpugrad.ops import linalg as la
from gpugrad.ops.elementwise import where
from gpugrad.ops.joining import concat
from gpugrad.ops.linear import conj
from gpugrad.ops.matrices import LinAlgError
from gpugrad.ops.padding import pad
from gpugrad.ops.rearranging import matrix_transpose, tril, triu
from gpugrad.public import all_public
from gpugrad.trace import Array
from gpugrad.transforms.lift import as_value


def solve(a: Array, b: Array, lower: bool = False, *, assume_a: str | None = None, transposed: bool = False) -> Array:
    """The x with a @ x = b, or with ``transposed`` that with a.T @ x = b.

    ``assume_a`` names what is known of the matrix, and so what of it is read: ``"diagonal"``, ``"tridiagonal"``,
    ``"upper triangular"``, ``"lower triangular"``; for ``"symmetric"`` (``"sym"``), ``"hermitian"`` (``"her"``) and
    ``"positive definite"`` (``"pos"``) the upper triangle, or the lower one with ``lower``; all of it for None,
    ``"general"`` (``"gen"``) and ``"banded"``. Raises ShapeError for another name or if the shapes do not fit,
    LinAlgError for a matrix that is singular, or not positive definite as promised.

    >>> import gpugrad.scipy.linalg as la
    >>> la.solve([[2.0, 0.0], [0.0, 4.0]], [2.0, 4.0])
    tensor([1., 1.])
    """
    if assume_a not in _STRUCTURES:
        raise errors.ShapeError(
            f"solve: assume_a={assume_a!r}; expected one of {', '.join(repr(k) for k in _STRUCTURES)}"
        )
    whole = _STRUCTURES[assume_a](a, lower)
    if transposed:
        whole = matrix_transpose(whole)
    return cho_solve(cho_factor(whole, True), b) if assume_a in ("pos", "positive definite") else la.solve(whole, b)


def _adjoint(a: Any) -> Any:
    return conj(matrix_transpose(a))


def _mirrored(a: Any, lower: bool) -> Any:
    """The symmetric matrix of which one triangle is that of ``a``."""
    half = tril(a, -1) if lower else triu(a, 1)
    return half + matrix_transpose(half) + _diagonal(a)


def _hermitian(a: Any, lower: bool) -> Any:
    """The Hermitian matrix of which one triangle is that of ``a``, and the real part of its diagonal."""
    half, own = tril(a, -1) if lower else triu(a, 1), _diagonal(a)
    return half + _adjoint(half) + (own + _adjoint(own)) * 0.5


def _diagonal(a: Any) -> Any:
    return tril(triu(a))


_STRUCTURES: dict[str | None, Callable[[Any, bool], Any]] = {
    None: lambda a, lower: a,
    "general": lambda a, lower: a,
    "gen": lambda a, lower: a,
    "banded": lambda a, lower: a,
    "diagonal": lambda a, lower: _diagonal(a),
    "tridiagonal": lambda a, lower: tril(triu(a, -1), 1),
    "upper triangular": lambda a, lower: triu(a),
    "lower triangular": lambda a, lower: tril(a),
    "symmetric": _mirrored,
    "sym": _mirrored,
    "hermitian": _hermitian,
    "her": _hermitian,
    "positive definite": _hermitian,
    "pos": _hermitian,
}
"""The matrix that a solver takes ``a`` to be, and whether its lower triangle is read."""


def inv(a: Array) -> Array:
    """The inverse of square matrices; see ``gg.linalg.inv``."""
    return la.inv(a)


def pinv(a: Array, *, atol: float | None = None, rtol: float | None = None, return_rank: bool = False) -> Any:
    """The pseudo-inverse, and with ``return_rank`` how many singular values count.

    Those of at most ``atol`` + ``rtol`` times the largest count as 0. ``rtol`` is max(rows, columns) · eps unless
    ``atol`` or itself is given.
    """
    if atol and 0 not in a.shape[-2:]:
        largest = la.svdvals(a)[..., 0]
        share = where(largest > 0.0, atol / where(largest > 0.0, largest, 1.0), 0.0)
        rtol = share if rtol is None else share + rtol
    return (la.pinv(a, rtol), la.matrix_rank(a, rtol)) if return_rank else la.pinv(a, rtol)


def det(a: Array) -> Array:
    """The determinant; see ``gg.linalg.det``."""
    return la.det(a)


def norm(
    a: Array, ord: float | str | None = None, axis: int | Sequence[int] | None = None, keepdims: bool = False
) -> Array:
    """The norm of vectors or matrices; see ``gg.linalg.norm``."""
    return la.norm(a, ord, axis, keepdims)


def svdvals(a: Array) -> Array:
    """The singular values, falling."""
    return la.svdvals(a)


def solve_triangular(
    a: Array, b: Array, trans: int | str = 0, lower: bool = False, unit_diagonal: bool = False
) -> Array:
    """The x with a @ x = b for a triangular matrix; with ``trans`` 1 or "T" for its transpose, 2 or "C" its adjoint.

    >>> import gpugrad.scipy.linalg as la
    >>> la.solve_triangular([[2.0, 0.0], [1.0, 1.0]], [2.0, 3.0], lower=True)
    tensor([1., 2.])
    """
    if trans in (0, "N"):
        return la.solve_triangular(a, b, lower, unit_diagonal)
    if trans not in (1, 2, "T", "C"):
        raise errors.ShapeError(f"solve_triangular: trans={trans!r}; expected 0, 1 or 2, or 'N', 'T' or 'C'")
    return la.solve_triangular(matrix_transpose(a) if trans in (1, "T") else _adjoint(a), b, not lower, unit_diagonal)


def cholesky(a: Array, lower: bool = False) -> Array:
    """The upper triangular U with Uᴴ @ U = a, or the lower one. Raises LinAlgError unless it is positive definite.

    As in SciPy the triangle of ``a`` that is read is the one that is returned.
    """
    return la.cholesky(a) if lower else la.cholesky(_adjoint(a), upper=True)


def cho_factor(a: Array, lower: bool = False) -> tuple[Array, bool]:
    """What :func:`cho_solve` needs to solve for a positive definite matrix."""
    return cholesky(a, lower), lower


def cho_solve(c_and_lower: Any, b: Array) -> Array:
    """The x with a @ x = b, from ``cho_factor(a)``.

    >>> import gpugrad.scipy.linalg as la
    >>> la.cho_solve(la.cho_factor([[4.0, 0.0], [0.0, 1.0]]), [4.0, 1.0])
    tensor([1., 1.])
    """
    if not isinstance(c_and_lower, tuple | list) or len(c_and_lower) != 2:
        raise errors.DtypeError(
            f"cho_solve: {type(c_and_lower).__name__} for the factor; expected (matrix, lower), as cho_factor returns it"
        )
    c, lower = as_value(c_and_lower[0]), bool(c_and_lower[1])
    if lower:
        return la.solve_triangular(_adjoint(c), la.solve_triangular(c, b, True))
    return la.solve_triangular(c, la.solve_triangular(_adjoint(c), b, True))


def lstsq(a: Array, b: Array, cond: float | None = None) -> tuple[Array, Array, Array, Array]:
    """The x that minimises the norm of a @ x - b, the residuals, the rank of ``a`` and its singular values.

    Singular values of at most ``cond`` times the largest count as 0, eps unless given. The residual of a vector ``b`` is
    a number.
    """
    x, residuals, rank, s = la.lstsq(a, b, -1.0 if cond is None else cond)
    return x, residuals[0] if len(b.shape) == 1 and residuals.shape == (1,) else residuals, rank, s


def svd(a: Array, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """(U, s, Vh) with a = U diag(s) Vh; see ``gg.linalg.svd``."""
    return la.svd(a, full_matrices, compute_uv)


def eigh(a: Array, b: Array | None = None, *, lower: bool = True, eigvals_only: bool = False) -> Any:
    """Eigenvalues, rising, and eigenvectors of a Hermitian matrix; of the pencil a v = w b v with ``b`` positive definite."""
    side = "L" if lower else "U"
    if b is None:
        return la.eigvalsh(a, side) if eigvals_only else tuple(la.eigh(a, side))
    c = la.cholesky(b if lower else _adjoint(b))
    middle = la.solve_triangular(c, _adjoint(la.solve_triangular(c, _hermitian(a, lower), True)), True)
    if eigvals_only:
        return la.eigvalsh(middle)
    w, v = la.eigh(middle)
    return w, la.solve_triangular(_adjoint(c), v)


def qr(a: Array, *, mode: str = "full") -> Any:
    """(Q, R) with a = Q @ R: Q square, or not with ``mode="economic"``; R alone with ``"r"``. See ``gg.linalg.qr``."""
    if mode not in ("full", "economic", "r"):
        raise errors.ShapeError(f"qr: mode={mode!r}; expected 'full', 'economic' or 'r'")
    q, r = la.qr(a, "reduced" if mode == "economic" else "complete")
    return (r,) if mode == "r" else (q, r)


def block_diag(*arrs: Array) -> Array:
    """The matrices on the diagonal of one large matrix.

    >>> import gpugrad.scipy.linalg as la
    >>> la.block_diag([[1.0]], [[2.0, 3.0]])
    tensor([[1., 0., 0.],
            [0., 2., 3.]])
    """
    if any(len(x.shape) > 2 for x in arrs):
        shapes = ", ".join(str(x.shape) for x in arrs)
        raise errors.ShapeError(f"block_diag: shapes {shapes}; expected numbers, vectors (rows) and matrices")
    parts = [x if len(x.shape) == 2 else x[None] if len(x.shape) == 1 else x[None, None] for x in arrs]
    columns = sum(x.shape[1] for x in parts)
    at, rows = 0, []
    for x in parts:
        rows.append(pad(x, ((0, 0), (at, columns - at - x.shape[1]))))
        at += x.shape[1]
    return concat(rows)


def toeplitz(c: Array, r: Array | None = None) -> Array:
    """The matrix with constant diagonals whose first column is ``c`` and whose first row is ``r`` (conj(c) unless given)."""
    first = conj(c) if r is None and c.dtype.kind == "c" else c if r is None else r
    if len(c.shape) != 1 or len(first.shape) != 1:
        raise errors.ShapeError(f"toeplitz: shapes {c.shape} and {first.shape}; expected two vectors")
    n, m = c.shape[0], first.shape[0]
    values = concat([c[::-1], first[1:]])
    return values[np.arange(n)[::-1, None] + np.arange(m)]


__all__ = [
    "block_diag", "cho_factor", "cho_solve", "cholesky", "det", "eigh", "inv", "lstsq", "norm", "pinv", "qr", "solve",
    "solve_triangular", "svd", "svdvals", "toeplitz",
]  # fmt: skip


def _with_hints(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that also takes what changes no result."""

    @ft.wraps(function)
    def call(
        *args: Any, overwrite_a: bool = False, overwrite_b: bool = False, check_finite: bool = True,
        lapack_driver: str | None = None, **params: Any,
    ) -> Any:  # fmt: skip
        return function(*args, **params)

    return call


globals().update(all_public(__all__, globals(), "gpugrad.scipy.linalg"))
globals().update({k: _with_hints(globals()[k]) for k in __all__ if k not in ("block_diag", "toeplitz")})
__all__ += ["LinAlgError"]
