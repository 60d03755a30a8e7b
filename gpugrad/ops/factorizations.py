"""Primitives that factorize matrices: Cholesky, eigenvalues of Hermitian matrices, singular values, QR.

Their derivatives are linear maps ``t -> tangent``, written out for each. Where a factorization is not unique, at equal
eigenvalues or singular values, they divide by a gap that is closed: see :mod:`gpugrad.ops.gaps`.

Source: M. Giles, Collected matrix derivative results for forward and reverse mode (2008).
"""

from __future__ import annotations

import itertools as it
import math
from typing import Any

from gpugrad import dtypes, errors
from gpugrad.ops.bilinear import mm, mT
from gpugrad.ops.elementwise import multiply
from gpugrad.ops.gaps import divided, pairs, per_column, turning
from gpugrad.ops.linear import concat, conj, constant, diag_embed, diagonal, part, reduce_sum, slice_, tril, triu
from gpugrad.ops.matrices import H, LinAlgError, attempt, conjugate, hermitian, real_dtype, real_part, same_shape
from gpugrad.ops.solving import solve_triangular
from gpugrad.primitive import Primitive, Shape, linearized

# ---- Cholesky -------------------------------------------------------------------------------------------------------


def _cholesky_map(t: Any, out: Any) -> Any:
    """dL = L Φ(L⁻¹ t L⁻ᴴ), where Φ takes the lower triangle and half of the diagonal."""
    half = solve_triangular(out, hermitian(t, out), lower=True, unit=False)
    whole = H(solve_triangular(out, H(half, out), lower=True, unit=False), out)
    return mm(out, (tril(whole, k=0) + tril(whole, k=-1)) * 0.5)


cholesky: Primitive = linearized(
    "cholesky",
    _cholesky_map,
    forward=lambda xp, x: attempt("cholesky", "a positive definite matrix", xp.linalg.cholesky, x),
    shape=same_shape,
    doc="The lower triangular L with L Lᴴ = x, of which the lower triangle is read.",
)

# ---- eigenvalues of Hermitian matrices, singular values -------------------------------------------------------------


def _finite(xp: Any, x: Any, name: str) -> Any:
    """``x``, of which the lower triangle is read; LAPACK gives eigenvalues, and wrong ones, where NaN is in it."""
    if not bool(xp.all(xp.isfinite(xp.tril(x)))):
        raise LinAlgError(f"{name} of {x.dtype}{list(x.shape)}: infinite or NaN elements; expected finite numbers")
    return x


def _eigh_map(t: Any, out: Any) -> Any:
    w, v = out
    r = mm(H(v), mm(hermitian(t, v), v))
    turn = divided(turning(r, v), pairs(w, -1.0, v), "eigh")
    return real_part(diagonal(r), v), mm(v, turning(turn, v))


eigh: Primitive = linearized(
    "eigh",
    _eigh_map,
    forward=lambda xp, x: tuple(attempt("eigh", "finite numbers", xp.linalg.eigh, _finite(xp, x, "eigh"))),
    shape=lambda s: (s[:-1], s),
    dtype=lambda d: (dtypes.real_of(d), d),
    outputs=2,
    doc="The eigenvalues of a Hermitian matrix, of which the lower triangle is read, rising, and its eigenvectors.",
)


def _eigvalsh_map(t: Any, x: Any) -> Any:
    v = eigh(x)[1]
    return real_part(reduce_sum(multiply(mm(hermitian(t, v), v), conjugate(v, v)), axis=(-2,)), v)


eigvalsh: Primitive = linearized(
    "eigvalsh",
    _eigvalsh_map,
    forward=lambda xp, x: attempt("eigvalsh", "finite numbers", xp.linalg.eigvalsh, _finite(xp, x, "eigvalsh")),
    shape=lambda s: s[:-1],
    dtype=real_dtype,
    doc="The eigenvalues of a Hermitian matrix, of which the lower triangle is read, rising.",
)


def _svd_map(t: Any, out: Any) -> Any:
    """With r = Uᴴ t V: dS is its diagonal; its Hermitian part turns U and V together, the rest turns them apart.

    What U and V take from outside the columns that they have comes last. All is divided at once, so that ``over`` sees
    what matters beside what does not.
    """
    u, s, vh = out
    k, rows, cols = s.shape[-1], u.shape[-2], vh.shape[-1]
    tv = mm(t, H(vh))
    r = mm(H(u), tv)
    parts = [(turning(r + H(r, u), u), pairs(s, -1.0, u)), (r - H(r, u), pairs(s, 1.0, u))]
    if rows > k:
        parts.append((tv - mm(u, r), per_column(s, rows)))
    if cols > k:
        parts.append((H(mm(H(u), t) - mm(r, vh), u), per_column(s, cols)))
    bounds = (0, *it.accumulate(x.shape[-2] for x, _ in parts))
    whole = [concat(*column, axis=-2, bounds=bounds) for column in zip(*[(x, *by) for x, by in parts], strict=True)]
    turned = divided(whole[0], (whole[1], whole[2]), "svd")
    together, apart, *outside = [part(turned, -2, i, j) for i, j in it.pairwise(bounds)]
    together, apart = turning(together, u) * 0.5, turning(apart, u) * 0.5
    du, dv = mm(u, together + apart), mm(H(vh), together - apart)
    if rows > k:
        du = du + outside[0]
    if cols > k:
        dv = dv + outside[-1]
    return du, real_part(diagonal(r), u), H(dv, u)


def _svd_shape(s: Shape) -> tuple[Shape, Shape, Shape]:
    k = min(s[-2:])
    return (*s[:-1], k), (*s[:-2], k), (*s[:-2], k, s[-1])


svd: Primitive = linearized(
    "svd",
    _svd_map,
    forward=lambda xp, x: tuple(attempt("svd", "finite numbers", xp.linalg.svd, x, full_matrices=False)),
    shape=_svd_shape,
    dtype=lambda d: (d, dtypes.real_of(d), d),
    outputs=3,
    doc="The reduced singular value decomposition U, S, Vᴴ, singular values falling.",
)


def _svdvals_map(t: Any, x: Any) -> Any:
    u, _, vh = svd(x)
    return real_part(reduce_sum(multiply(mm(t, H(vh)), conjugate(u, u)), axis=(-2,)), u)


svdvals: Primitive = linearized(
    "svdvals",
    _svdvals_map,
    forward=lambda xp, x: attempt("svdvals", "finite numbers", xp.linalg.svdvals, x),
    shape=lambda s: (*s[:-2], min(s[-2:])),
    dtype=real_dtype,
    doc="The singular values, falling.",
)

# ---- QR -------------------------------------------------------------------------------------------------------------


def _columns(x: Any, k: int) -> Any:
    return x if x.shape[-1] == k else slice_(x, spec=((0, k, 1),))


def _independent(xp: Any, r: Any) -> Any:
    k = r.shape[-1]
    size = xp.linalg.vector_norm(r, axis=-2)
    own = xp.abs(xp.sum(r * xp.eye(k, dtype=r.dtype), axis=-2))
    if bool(xp.any(own <= size * (8.0 * k * float(dtypes.finfo(dtypes.of(r)).eps)))):
        raise LinAlgError(
            f"qr: a derivative where R, {r.dtype}{list(r.shape)}, has a diagonal element that is 0 to rounding, at {errors.user_site()}: the first columns of the matrix depend on each other, so that Q and R do not vary smoothly; expected independent ones"
        )
    return r


independent: Primitive = linearized(
    "independent",
    lambda t: t,
    forward=_independent,
    shape=same_shape,
    doc="Triangular matrices as they are. Raises LinAlgError if a column depends on those before it, to rounding.",
)


def _qr_map(t: Any, out: Any) -> Any:
    """From t = dQ R + Q dR: the skew-Hermitian Qᴴ dQ is made of the lower triangle of Qᴴ t R⁻¹, since dR has none."""
    q, r = out
    k = q.shape[-1]
    b = mT(solve_triangular(mT(independent(_columns(r, k))), mT(_columns(t, k)), lower=True, unit=False))  # t R⁻¹
    c = mm(H(q), b)
    below = tril(c, k=-1)
    turn = below - H(below, q)
    if dtypes.is_complex(q.dtype):
        own = diagonal(c)
        turn = turn + diag_embed((own - conj(own)) * 0.5, k, k)
    return b - mm(q, c - turn), triu(mm(H(q), t) - mm(turn, r), k=0)


qr: Primitive = linearized(
    "qr",
    _qr_map,
    forward=lambda xp, x: tuple(xp.linalg.qr(x, mode="reduced")),
    shape=lambda s: ((*s[:-1], min(s[-2:])), (*s[:-2], min(s[-2:]), s[-1])),
    dtype=lambda d: (d, d),
    outputs=2,
    doc="The reduced QR decomposition.",
)

# ---- columns that complete a basis: any will do, so that only what does not depend on their choice has a derivative ------


def _complement(xp: Any, x: Any) -> Any:
    q, _ = xp.linalg.qr(x, mode="complete")
    return q[..., x.shape[-1] :]


def _complement_map(t: Any, x: Any, out: Any) -> Any:
    """They turn to stay orthogonal to x, by -x tᴴ out, and among themselves by nothing: ``over`` sees whether that matters."""
    k, c = x.shape[-1], out.shape[-1]

    def stacked(upper: Any, lower: float, like: Any) -> Any:
        return concat(upper, filled(like, c, lower), axis=-2, bounds=(0, k, k + c))

    def filled(like: Any, rows: int, number: float) -> Any:
        return constant(like, to=(*out.shape[:-2], rows, c), fill=number)

    size = real_part(out, out)
    free = stacked(filled(size, k, 1.0), 0.0, size), stacked(filled(size, k, 0.0), math.inf, size)
    turn = divided(stacked(-mm(H(t, x), out), 0.0, out), free, "a complete basis")
    own = part(turn, -2, k, k + c)
    return mm(x, part(turn, -2, 0, k)) + mm(out, (own - H(own, x)) * 0.5)


complement: Primitive = linearized(
    "complement",
    _complement_map,
    forward=_complement,
    shape=lambda s: (*s[:-1], s[-2] - s[-1]),
    doc="Orthonormal columns that complete those of ``x``, which are orthonormal, to a basis.",
)

__all__: list[str] = []
