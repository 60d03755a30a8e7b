"""Eigenvalues and eigenvectors of general square matrices: complex, in no particular order.

Source of the derivative: M. Giles, Collected matrix derivative results for forward and reverse mode (2008), with the
scale of each eigenvector held to the convention of the forward: norm 1, and its largest component real.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from gpugrad import dtypes
from gpugrad.ops.bilinear import mm
from gpugrad.ops.elementwise import equal, hypot, multiply, reciprocal, where
from gpugrad.ops.gaps import over
from gpugrad.ops.linear import conj, constant, diag_embed, diagonal, expand, imag, real, reduce_sum, to_complex, tril
from gpugrad.ops.linearized import reduce_max
from gpugrad.ops.matrices import LinAlgError, attempt, square_of
from gpugrad.primitive import Primitive, linearized
from gpugrad.trace import Array

__all__ = ["eig", "eigvals"]


class EigResult(NamedTuple):
    """Eigenvalues and eigenvectors, as columns; both complex."""

    eigenvalues: Array
    eigenvectors: Array


def _rows(v: Any, n: int) -> Any:
    """A number for each column, for every row of the column."""
    return expand(v, axis=(-2,), sizes=(n,))


def _size(z: Any) -> Any:
    return hypot(real(z), imag(z))


def _by_gaps(r: Any, w: Any) -> Any:
    """What is off the diagonal over w_j - w_i; ``over`` says when that is not to be had, where two of them are equal."""
    n = w.shape[-1]
    own = diag_embed(w * 0.0 + 1.0, n, n)
    gaps = _rows(w, n) - expand(w, axis=(-1,), sizes=(n,)) + own
    noise = reduce_max(_size(w), axis=(-1,)) * (8.0 * n * float(dtypes.finfo(dtypes.of(w)).eps))
    return over(multiply(r, 1.0 - own), gaps, expand(noise, axis=(-2, -1), sizes=(n, n)), name="eig", pulls=False)


def _largest(v: Any) -> Any:
    """Which component of each column is the largest, as numbers 0 and 1: the first, if several are."""
    n = v.shape[-1]
    size = _size(v)
    top = where(equal(size, _rows(reduce_max(size, axis=(-2,)), n)), 1.0, 0.0 * size)
    so_far = mm(tril(constant(size, to=size.shape, fill=1), k=0), top)
    return where(equal(so_far, 1.0), top, 0.0)


def _in_basis(t: Any, x: Any, v: Any) -> Any:
    """V⁻¹ t V."""
    return mm(eigenbasis_inverse(v), mm(t if dtypes.is_complex(x.dtype) else to_complex(t), v))


def _eig_map(t: Any, x: Any, out: Any) -> Any:
    """With r = V⁻¹ t V: dw is its diagonal; dV = V (r / gaps), less what would change the norm and phase of a column."""
    w, v = out
    n = w.shape[-1]
    r = _in_basis(t, x, v)
    if not n:
        return diagonal(r), r
    turned = mm(v, _by_gaps(r, w))
    length = real(reduce_sum(multiply(turned, conj(v)), axis=(-2,)))
    top = _largest(v)
    pivot = reduce_sum(multiply(to_complex(top), v), axis=(-2,))
    moved = reduce_sum(multiply(to_complex(top), turned), axis=(-2,))
    phase = imag(multiply(moved, reciprocal(pivot)))
    scale = to_complex(length) + 1j * to_complex(phase)
    return diagonal(r), turned - multiply(v, _rows(scale, n))


def _eig(xp: Any, x: Any) -> tuple[Any, Any]:
    w, v = attempt("eig", "finite numbers", xp.linalg.eig, x)
    to = dtypes.native(xp, dtypes.complex_of(dtypes.of(x)))
    return xp.astype(w, to), xp.astype(v, to)


eig_general: Primitive = linearized(
    "eig",
    _eig_map,
    forward=_eig,
    shape=lambda s: (s[:-1], s),
    dtype=lambda d: (dtypes.complex_of(d), dtypes.complex_of(d)),
    outputs=2,
    doc="The eigenvalues of a square matrix and its eigenvectors, both complex.",
)


eigvals_general: Primitive = linearized(
    "eigvals",
    lambda t, x: diagonal(_in_basis(t, x, eig_general(x)[1])),
    forward=lambda xp, x: _eig(xp, x)[0],
    shape=lambda s: s[:-1],
    dtype=lambda d: dtypes.complex_of(d),
    doc="The eigenvalues of a square matrix, complex, in the order of ``eig``.",
)


def _basis_inverse(xp: Any, v: Any) -> Any:
    least = xp.min(xp.linalg.svdvals(v), axis=-1) if 0 not in v.shape else xp.asarray(1.0)
    if xp.any(least <= math.sqrt(float(dtypes.finfo(dtypes.of(v)).eps)) * 1e-3):
        raise LinAlgError(
            f"eig of matrices of shape {tuple(v.shape)}: a matrix is defective (its eigenvectors are linearly dependent), so that its eigenvalues have no derivative there; expected distinct eigenvalues"
        )
    return xp.linalg.inv(v)


eigenbasis_inverse: Primitive = linearized(
    "eigenbasis_inverse",
    lambda t, out: -mm(out, mm(t, out)),
    forward=_basis_inverse,
    shape=lambda s: s,
    doc="The inverse of a matrix of eigenvectors. Raises LinAlgError if they are linearly dependent.",
)


def eig(x: Array) -> EigResult:
    """(eigenvalues, eigenvectors) of square matrices, x V = V diag(w): complex, in no particular order.

    Eigenvectors have norm 1, and their largest component is real. The derivative is meant for distinct eigenvalues.
    Where some are equal to rounding, a function to which the choice of their eigenvectors matters has none, and
    LinAlgError says so; so does it when a defective matrix is differentiated, whose eigenvalues have none either.

    >>> import gpugrad as gg
    >>> gg.linalg.eig(gg.tensor([[0.0, 1.0], [-1.0, 0.0]])).eigenvalues
    tensor([0.+1.j, 0.-1.j])
    """
    return EigResult(*eig_general(square_of(x, "eig")))


def eigvals(x: Array) -> Array:
    """The eigenvalues of square matrices, complex, in no particular order.

    Symmetric functions of eigenvalues that are equal, such as sums, have a derivative; that of a single one of them is
    not defined. Raises LinAlgError when a defective matrix is differentiated.

    >>> import gpugrad as gg
    >>> gg.linalg.eigvals(gg.tensor([[2.0, 1.0], [0.0, 3.0]]))
    tensor([2.+0.j, 3.+0.j])
    """
    return eigvals_general(square_of(x, "eigvals"))
