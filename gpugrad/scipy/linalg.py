"""``scipy.linalg`` on tensors: what the table has, with SciPy's names, parameters and defaults."""

from __future__ import annotations

from typing import Any

from gpugrad import creation, errors
from gpugrad.ops import linalg as la
from gpugrad.ops.joining import concat
from gpugrad.ops.linalg import det, inv, norm, pinv, svdvals
from gpugrad.ops.linear import conj
from gpugrad.ops.matrices import LinAlgError
from gpugrad.ops.padding import pad
from gpugrad.ops.rearranging import matrix_transpose
from gpugrad.public import all_public
from gpugrad.trace import Array
from gpugrad.transforms.lift import as_value


def solve(a: Array, b: Array, lower: bool = False, *, assume_a: str = "gen") -> Array:
    """The x with a @ x = b. ``assume_a`` is ``"gen"``, or ``"pos"`` for a positive definite matrix.

    >>> import gpugrad.scipy.linalg as la
    >>> la.solve([[2.0, 0.0], [0.0, 4.0]], [2.0, 4.0])
    tensor([1., 1.])
    """
    if assume_a in ("pos", "positive definite"):
        return cho_solve(cho_factor(a if lower else _adjoint(a), True), b)
    return la.solve(a, b)


def _adjoint(a: Any) -> Any:
    return conj(matrix_transpose(a))


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
    c, lower = as_value(c_and_lower[0]), bool(c_and_lower[1])
    if lower:
        return la.solve_triangular(_adjoint(c), la.solve_triangular(c, b, True))
    return la.solve_triangular(c, la.solve_triangular(_adjoint(c), b, True))


def lstsq(a: Array, b: Array, cond: float | None = None) -> tuple[Array, Array, Array, Array]:
    """The x that minimises the norm of a @ x - b, the residuals, the rank of ``a`` and its singular values."""
    return la.lstsq(a, b, cond)


def svd(a: Array, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """(U, s, Vh) with a = U diag(s) Vh; see ``gg.linalg.svd``."""
    return la.svd(a, full_matrices, compute_uv)


def eigh(a: Array, b: Array | None = None, *, lower: bool = True, eigvals_only: bool = False) -> Any:
    """Eigenvalues, rising, and eigenvectors of a Hermitian matrix; of the pencil a v = w b v with ``b`` positive definite."""
    side = "L" if lower else "U"
    if b is None:
        return la.eigvalsh(a, side) if eigvals_only else tuple(la.eigh(a, side))
    c = la.cholesky(b if lower else _adjoint(b))
    whole = a if lower else _adjoint(a)
    whole = _hermitian(whole)
    middle = la.solve_triangular(c, _adjoint(la.solve_triangular(c, whole, True)), True)
    if eigvals_only:
        return la.eigvalsh(middle)
    w, v = la.eigh(middle)
    return w, la.solve_triangular(_adjoint(c), v)


def _hermitian(a: Any) -> Any:
    """The Hermitian matrix whose lower triangle is that of ``a``."""
    n = a.shape[-1]
    below = creation.tri(n, k=-1, dtype=a.dtype, device=a.device)
    strict = a * below
    return strict + _adjoint(strict) + a * creation.eye(n, dtype=a.dtype, device=a.device)


def qr(a: Array, mode: str = "full") -> Any:
    """(Q, R) with a = Q @ R: Q square, or not with ``mode="economic"``; R alone with ``"r"``. See ``gg.linalg.qr``."""
    q, r = la.qr(a, "reduced" if mode == "economic" else "complete")
    return (r,) if mode == "r" else (q, r)


def block_diag(*arrs: Array) -> Array:
    """The matrices on the diagonal of one large matrix.

    >>> import gpugrad.scipy.linalg as la
    >>> la.block_diag([[1.0]], [[2.0, 3.0]])
    tensor([[1., 0., 0.],
            [0., 2., 3.]])
    """
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
    n, m = c.shape[0], first.shape[0]
    values = concat([c[::-1], first[1:]])
    return values[[[n - 1 - i + j for j in range(m)] for i in range(n)]]


__all__ = [
    "block_diag", "cho_factor", "cho_solve", "cholesky", "det", "eigh", "inv", "lstsq", "norm", "pinv", "qr", "solve",
    "solve_triangular", "svd", "svdvals", "toeplitz",
]  # fmt: skip

globals().update(all_public(__all__, globals(), "gpugrad.scipy.linalg"))
__all__ += ["LinAlgError"]
