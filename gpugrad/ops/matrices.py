"""Primitives of linear algebra: solving, inverses, determinants and factorizations, on the last two axes.

Their derivatives are linear maps ``t -> tangent``, written out for each below. Where a factorization is not unique, at
equal eigenvalues or singular values, the part of the map that divides by their difference is left out, with a warning,
or refused where the function is seen to depend on it: see ``over``.

Sources: M. Giles, Collected matrix derivative results for forward and reverse mode (2008); for the pseudo-inverse
G. Golub and V. Pereyra, SIAM J. Numer. Anal. 10 (1973).
"""

from __future__ import annotations

import itertools as it
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from gpugrad import dtypes, errors
from gpugrad.ops.bilinear import mm, mT, shape_of
from gpugrad.ops.elementwise import abs, multiply
from gpugrad.ops.linear import (
    concat,
    conj,
    constant,
    diag_embed,
    diagonal,
    expand,
    imag,
    part,
    real,
    reduce_sum,
    slice_,
    to_complex,
    tril,
    triu,
    zeros,
)  # fmt: skip
from gpugrad.ops.linearized import reduce_max
from gpugrad.ops.reductions import floating
from gpugrad.primitive import Core, Linear, Primitive, Shape, broadcast_shapes, linearized


class LinAlgError(errors.GpugradError, np.linalg.LinAlgError):
    """A matrix that an algorithm cannot take: singular, not positive definite, or such that it does not converge."""


def _attempt(name: str, expected: str, call: Callable[..., Any], *args: Any, **params: Any) -> Any:
    """The result of a library call; its failure says which operation, on what, and what was expected."""
    try:
        return call(*args, **params)
    except np.linalg.LinAlgError as error:
        what = " and ".join(f"{a.dtype}{list(a.shape)}" for a in args)
        raise LinAlgError(f"{name} of {what}: {str(error).rstrip('.').lower()}; expected {expected}") from error


# Whether to conjugate is asked of a value, ``like``: a map under transposition knows the dtype of its cotangent alone.


def H(x: Any, like: Any = None) -> Any:
    """The conjugate transpose."""
    return mT(conjugate(x, x if like is None else like))


def conjugate(x: Any, like: Any) -> Any:
    """The complex conjugate, if ``like`` is complex."""
    return conj(x) if dtypes.is_complex(like.dtype) else x


def hermitian(x: Any, like: Any) -> Any:
    """The Hermitian part: what a function of Hermitian matrices sees of a tangent."""
    return (x + H(x, like)) * 0.5


def real_part(x: Any, like: Any) -> Any:
    """The real part, if ``like`` is complex."""
    return real(x) if dtypes.is_complex(like.dtype) else x


def scaled_identity(c: Any, n: int) -> Any:
    """Numbers as multiples of the identity matrix."""
    return diag_embed(expand(c, axis=(-1,), sizes=(n,)), n, n)


def _same(s: Shape, *_shapes: Shape, **_params: Any) -> Shape:
    return s


def _real_dtype(d: Any, *_dtypes: Any, **_params: Any) -> Any:
    return dtypes.real_of(d)


# ---- solve, inv -----------------------------------------------------------------------------------------------------


def _solve_shape(x: Shape, y: Shape, **_params: Any) -> Shape:
    return (*broadcast_shapes("solve", (x[:-2], y[:-2])), x[-1], y[-1])


REGULAR = "a matrix that has an inverse (gg.linalg.lstsq and gg.linalg.pinv take any)"

solve: Primitive = linearized(
    "solve",
    lambda t, x, out: -solve(x, mm(t, out)),
    Linear(lambda g, x: solve(mT(x), g)),
    forward=lambda xp, x, y: _attempt("solve", REGULAR, xp.linalg.solve, x, y),
    shape=_solve_shape,
    batch=Core((2, 2)),
    same=(0, 1),
    doc="The matrix that ``x`` maps to ``y``, in the last two axes.",
)


def _triangular(xp: Any, x: Any, y: Any, *, lower: bool, unit: bool) -> Any:
    x = xp.tril(x, k=-unit) if lower else xp.triu(x, k=int(unit))
    if unit:
        x = x + xp.eye(x.shape[-1], dtype=x.dtype)
    return _attempt("solve_triangular", "a triangle without a zero on its diagonal", xp.linalg.solve, x, y)


solve_triangular: Primitive = linearized(
    "solve_triangular",
    lambda t, x, out, lower, unit: (
        -solve_triangular(x, mm(tril(t, k=-unit) if lower else triu(t, k=int(unit)), out), lower=lower, unit=unit)
    ),
    Linear(lambda g, x, lower, unit: solve_triangular(mT(x), g, lower=not lower, unit=unit)),
    forward=_triangular,
    shape=_solve_shape,
    batch=Core((2, 2)),
    same=(0, 1),
    doc="As ``solve``, with the lower or upper triangle of ``x``; its diagonal counts as ones with ``unit``.",
)
inv: Primitive = linearized(
    "inv",
    lambda t, out: -mm(out, mm(t, out)),
    forward=lambda xp, x: _attempt("inv", REGULAR, xp.linalg.inv, x),
    shape=_same,
    doc="The inverse.",
)

# ---- det: two derivatives from a singular value decomposition, right at every rank, without a division --------------
# In the bases of the singular vectors the matrix is diagonal, and cofactors are products of singular values: those of
# U D V are det(U) conj(U) cof(D) conj(V) det(V), for unitary U and V.


def _conj(xp: Any, x: Any) -> Any:
    return xp.conj(x) if dtypes.is_complex(x.dtype) else x


def _adjoint(xp: Any, x: Any) -> Any:
    return xp.matrix_transpose(_conj(xp, x))


def _without_each(xp: Any, s: Any) -> Any:
    """The products of all but one of the numbers along the last axis, for each one left out."""
    rows = xp.broadcast_to(xp.expand_dims(s, axis=-2), (*s.shape, s.shape[-1]))
    return xp.prod(xp.where(xp.eye(s.shape[-1]) > 0, xp.ones_like(rows), rows), axis=-1)


def _cofactor(xp: Any, x: Any) -> Any:
    u, s, vh = xp.linalg.svd(x, full_matrices=False)
    rest = xp.expand_dims(_without_each(xp, s), axis=-2)
    sign = xp.linalg.det(u) * xp.linalg.det(vh)
    return sign[..., None, None] * xp.matmul(_conj(xp, u) * rest, _conj(xp, vh))


def _cofactor_change(xp: Any, x: Any, y: Any) -> Any:
    n = x.shape[-1]
    u, s, vh = xp.linalg.svd(x, full_matrices=False)
    t = xp.matmul(_adjoint(xp, u), xp.matmul(y, _adjoint(xp, vh)))
    places = xp.arange(n)
    rest = xp.stack(  # the products of all but two singular values
        [xp.where(places == i, 0, _without_each(xp, xp.where(places == i, 1, s))) for i in range(n)], axis=-2
    ) if n else t  # fmt: skip
    rest = xp.astype(rest, t.dtype)
    own = xp.sum(t * xp.eye(n, dtype=t.dtype), axis=-1)
    on_diagonal = xp.matmul(rest, own[..., None]) * xp.eye(n, dtype=t.dtype)
    sign = xp.linalg.det(u) * xp.linalg.det(vh)
    change = on_diagonal - rest * xp.matrix_transpose(t)
    return sign[..., None, None] * xp.matmul(xp.matmul(_conj(xp, u), change), _conj(xp, vh))


def _third(t: Any, x: Any, y: Any) -> Any:
    """The derivative along t of the change of x's cofactors along y.

    Faddeev and LeVerrier's recursion: M ← P - tr(P)/k, P ← x M for k = 1 … n - 1, from P = x, leaves ±adj(x) in M.
    Beside M and P run their changes along y, along t, and along both.
    """
    n = x.shape[-1]
    if n < 3:
        return t * 0.0

    def less_trace(p: Any, k: int) -> Any:
        return p - scaled_identity(reduce_sum(diagonal(p), axis=(-1,)) / k, n)

    p, py, pt, pyt = x, y, t, None
    for k in range(1, n):
        m, my, mt = less_trace(p, k), less_trace(py, k), less_trace(pt, k)
        myt = None if pyt is None else less_trace(pyt, k)
        crossed = mm(y, mt) + mm(t, my)
        p, py, pt = mm(x, m), mm(y, m) + mm(x, my), mm(t, m) + mm(x, mt)
        pyt = crossed if myt is None else crossed + mm(x, myt)
    return mT(myt) * (-1.0) ** (n - 1)


det: Primitive = linearized(
    "det",
    lambda t, x: reduce_sum(multiply(t, cofactor(x)), axis=(-2, -1)),
    forward=lambda xp, x: xp.linalg.det(x),
    shape=lambda s: s[:-2],
    doc="The determinant. Its gradient is the matrix of cofactors, at every rank.",
)
cofactor: Primitive = linearized(
    "cofactor",
    lambda t, x: cofactor_change(x, t),
    forward=_cofactor,
    shape=_same,
    doc="The matrix of cofactors, the transposed adjugate: det(x) times the transposed inverse, if there is one.",
)
cofactor_change: Primitive = linearized(
    "cofactor_change",
    _third,
    Linear(lambda g, x: cofactor_change(x, g)),
    forward=_cofactor_change,
    shape=_same,
    same=(0, 1),
    doc="How the cofactors of ``x`` change along ``y``: linear in ``y`` and its own transpose.",
)


def _slogdet_map(t: Any, x: Any, out: Any) -> Any:
    """d log det = tr(x⁻¹ t): its real part goes to the logarithm of the modulus, its imaginary part turns the sign."""
    change = reduce_sum(multiply(t, mT(inv(x))), axis=(-2, -1))
    sign = out[0]
    if not dtypes.is_complex(sign.dtype):
        return zeros(sign, sign.shape), change
    return multiply(to_complex(imag(change)) * 1j, sign), real(change)


slogdet: Primitive = linearized(
    "slogdet",
    _slogdet_map,
    forward=lambda xp, x: tuple(xp.linalg.slogdet(x)),
    shape=lambda s: (s[:-2], s[:-2]),
    dtype=lambda d: (d, dtypes.real_of(d)),
    outputs=2,
    doc="The sign (the phase, if complex) of the determinant and the logarithm of its modulus.",
)

# ---- Cholesky -------------------------------------------------------------------------------------------------------


def _cholesky_map(t: Any, out: Any) -> Any:
    """dL = L Φ(L⁻¹ t L⁻ᴴ), where Φ takes the lower triangle and half of the diagonal."""
    half = solve_triangular(out, hermitian(t, out), lower=True, unit=False)
    whole = H(solve_triangular(out, H(half, out), lower=True, unit=False), out)
    return mm(out, (tril(whole, k=0) + tril(whole, k=-1)) * 0.5)


cholesky: Primitive = linearized(
    "cholesky",
    _cholesky_map,
    forward=lambda xp, x: _attempt("cholesky", "a positive definite matrix", xp.linalg.cholesky, x),
    shape=_same,
    doc="The lower triangular L with L Lᴴ = x, of which the lower triangle is read.",
)

# ---- eigenvalues of Hermitian matrices, singular values -------------------------------------------------------------


def _over(xp: Any, x: Any, y: Any, z: Any, *, name: str, pulls: bool) -> Any:
    near = xp.abs(y) <= z
    if not bool(xp.any(near)):
        return x / y
    size = xp.abs(x)
    lost = float(xp.max(xp.where(near, size, xp.zeros_like(size))))
    matters = lost > 1e3 * x.shape[-1] * float(dtypes.finfo(dtypes.of(x)).eps) * float(xp.max(size))
    if matters and pulls:
        raise LinAlgError(f"{_TOLD.format(name=name, site=errors.user_site())}: {_UNDEFINED}")
    if (matters or pulls) and bool(xp.any(near & xp.isfinite(z))):
        warnings.warn(
            f"{_TOLD.format(name=name, site=errors.user_site())}: {_TRUSTED}", errors.GradientWarning, stacklevel=2
        )
    return xp.where(near, xp.zeros_like(x), x / xp.where(near, xp.ones_like(y), y))


def _over_change(xp: Any, x: Any, y: Any, z: Any, w: Any, *, name: str) -> Any:
    near = xp.abs(z) <= w
    if bool(xp.any(near & xp.isfinite(w) & (x != 0))):
        raise LinAlgError(f"{_TOLD.format(name=name, site=errors.user_site())}: {_TWICE}")
    z = xp.where(near, xp.ones_like(z), z)
    return xp.where(near, xp.zeros_like(x), -(x / z) * (y / z))


_TOLD = "{name}: a derivative of its vectors, at values that are equal to rounding (or zero), at {site}"
_TRUSTED = (
    "it is right for a function in which the choice of these vectors and how their values part do not matter, such as "
    "a sum of squares of the product of the factors, and cannot be told from others. For functions of a matrix use "
    "products, solve, inv, det or cholesky"
)
_UNDEFINED = (
    "the function depends on the choice of these vectors, or on how their values part, so the factors alone do not "
    "give it. Use eigvalsh or svdvals for values, products, solve, inv, det or cholesky for functions of a matrix, or "
    "add to the matrix what sets the values apart"
)
_TWICE = "second derivatives are not known there. Add to the matrix what sets the values apart"

over: Primitive = linearized(
    "over",
    Linear(lambda g, y, z, name, pulls: over(g, y, z, name=name, pulls=not pulls)),
    lambda t, x, y, z, name: over_change(t, x, y, z, name=name),
    None,
    forward=_over,
    shape=lambda *shapes, **_: broadcast_shapes("over", shapes),
    batch="elementwise",
    doc="""x / y, and 0 where \\|y\\| is at most z, for the derivatives of factorizations: says when that is not right.

    What is divided by 0 there is, in forward mode, a turn of vectors that are not determined, and in reverse mode
    (``pulls``) how the function changes with it: a function to which the turn matters is refused. An infinite z marks
    the phases of complex vectors, which are never determined.""",
)
over_change: Primitive = linearized(
    "over_change",
    Linear(lambda g, y, z, w, name: over_change(g, y, z, w, name=name)),
    Linear(lambda g, x, z, w, name: over_change(x, g, z, w, name=name)),
    lambda t, x, y, z, w, name: over_change(x, y, z, w, name=name) * (-2.0 * over(t, z, w, name=name, pulls=False)),
    None,
    forward=_over_change,
    shape=lambda *shapes, **_: broadcast_shapes("over_change", shapes),
    batch="elementwise",
    operands="x y z w",
    doc="How ``over(y, z, w)`` changes with its divisor, along ``x``.",
)


Divisor = tuple[Any, Any]
"""The second and the third operand of ``over``: what to divide by, and up to where that counts as 0; both real."""


def _divided(x: Any, by: Divisor, name: str) -> Any:
    """``over`` of what moves and real numbers, which are made complex where it is: a cotangent for them is then real."""
    values, noise = by
    return over(x, to_complex(values) if dtypes.is_complex(x.dtype) else values, noise, name=name, pulls=False)


def _noise(values: Any, to: Shape) -> Any:
    """What cannot be told from 0 among ``values`` (the last axis), in a shape that has the axes ``to`` in its place."""
    noise = _largest(values) * (8.0 * values.shape[-1] * float(dtypes.finfo(dtypes.of(values)).eps))
    return expand(noise, axis=tuple(range(-len(to), 0)), sizes=to)


def _pairs(values: Any, sign: float, like: Any) -> Divisor:
    """v_j + sign * v_i for all pairs. On the diagonal are the phases of complex vectors, and for real ones infinity."""
    n = values.shape[-1]
    across = expand(values, axis=(-2,), sizes=(n,))
    apart = across + sign * mT(across)
    noise = _noise(values, (n, n))
    infinite = diag_embed(constant(values, to=values.shape, fill=math.inf), n, n)
    if not dtypes.is_complex(like.dtype):
        return apart + infinite, noise
    return (apart, noise + infinite) if sign < 0 else (apart, noise)


def _per_column(values: Any, rows: int) -> Divisor:
    """Values for each column of a matrix of so many rows."""
    return expand(values, axis=(-2,), sizes=(rows,)), _noise(values, (rows, values.shape[-1]))


def _turning(x: Any, like: Any) -> Any:
    """``x`` without the real part of its diagonal, which turns no vector, if ``like`` is complex."""
    if not dtypes.is_complex(like.dtype):
        return x
    n = x.shape[-1]
    return x - diag_embed(to_complex(real(diagonal(x))), n, n)


def _largest(values: Any) -> Any:
    return reduce_max(abs(values), axis=(-1,)) if values.shape[-1] else reduce_sum(values, axis=(-1,))


def _eigh_map(t: Any, out: Any) -> Any:
    w, v = out
    r = mm(H(v), mm(hermitian(t, v), v))
    turn = _divided(_turning(r, v), _pairs(w, -1.0, v), "eigh")
    return real_part(diagonal(r), v), mm(v, _turning(turn, v))


eigh: Primitive = linearized(
    "eigh",
    _eigh_map,
    forward=lambda xp, x: tuple(_attempt("eigh", "finite numbers", xp.linalg.eigh, x)),
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
    forward=lambda xp, x: _attempt("eigvalsh", "finite numbers", xp.linalg.eigvalsh, x),
    shape=lambda s: s[:-1],
    dtype=_real_dtype,
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
    parts = [(_turning(r + H(r, u), u), _pairs(s, -1.0, u)), (r - H(r, u), _pairs(s, 1.0, u))]
    if rows > k:
        parts.append((tv - mm(u, r), _per_column(s, rows)))
    if cols > k:
        parts.append((H(mm(H(u), t) - mm(r, vh), u), _per_column(s, cols)))
    bounds = (0, *it.accumulate(x.shape[-2] for x, _ in parts))
    whole = [concat(*column, axis=-2, bounds=bounds) for column in zip(*[(x, *by) for x, by in parts], strict=True)]
    turned = _divided(whole[0], (whole[1], whole[2]), "svd")
    together, apart, *outside = [part(turned, -2, i, j) for i, j in it.pairwise(bounds)]
    together, apart = _turning(together, u) * 0.5, _turning(apart, u) * 0.5
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
    forward=lambda xp, x: tuple(_attempt("svd", "finite numbers", xp.linalg.svd, x, full_matrices=False)),
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
    forward=lambda xp, x: _attempt("svdvals", "finite numbers", xp.linalg.svdvals, x),
    shape=lambda s: (*s[:-2], min(s[-2:])),
    dtype=_real_dtype,
    doc="The singular values, falling.",
)

# ---- QR -------------------------------------------------------------------------------------------------------------


def _columns(x: Any, k: int) -> Any:
    return x if x.shape[-1] == k else slice_(x, spec=((0, k, 1),))


def _qr_map(t: Any, out: Any) -> Any:
    """From t = dQ R + Q dR: the skew-Hermitian Qᴴ dQ is made of the lower triangle of Qᴴ t R⁻¹, since dR has none."""
    q, r = out
    k = q.shape[-1]
    b = mT(solve_triangular(mT(_columns(r, k)), mT(_columns(t, k)), lower=True, unit=False))  # t R⁻¹
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
    turn = _divided(stacked(-mm(H(t, x), out), 0.0, out), free, "a complete basis")
    own = part(turn, -2, k, k + c)
    return mm(x, part(turn, -2, 0, k)) + mm(out, (own - H(own, x)) * 0.5)


complement: Primitive = linearized(
    "complement",
    _complement_map,
    forward=_complement,
    shape=lambda s: (*s[:-1], s[-2] - s[-1]),
    doc="Orthonormal columns that complete those of ``x``, which are orthonormal, to a basis.",
)

# ---- pseudo-inverse -------------------------------------------------------------------------------------------------


def _pinv(xp: Any, x: Any, rtol: Any) -> Any:
    if 0 in x.shape[-2:]:
        return xp.zeros((*x.shape[:-2], x.shape[-1], x.shape[-2]), dtype=x.dtype)
    u, s, vh = _attempt("pinv", "finite numbers", xp.linalg.svd, x, full_matrices=False)
    there = s > xp.max(s, axis=-1, keepdims=True) * (rtol if isinstance(rtol, float) else rtol[..., None])
    inverse = xp.where(there, 1.0 / xp.where(there, s, xp.ones_like(s)), xp.zeros_like(s))
    return xp.matmul(_adjoint(xp, vh), inverse[..., None] * _adjoint(xp, u))


def _pinv_map(t: Any, x: Any, out: Any) -> Any:
    p, ph, th = out, H(out), H(t, out)
    left = mm(mm(p, ph), th)
    right = mm(th, mm(ph, p))
    return left - mm(mm(left, x), p) + right - mm(p, mm(x, right)) - mm(p, mm(t, p))


pinv: Primitive = linearized(
    "pinv",
    _pinv_map,
    None,
    forward=_pinv,
    shape=lambda s, _: (*s[:-2], s[-1], s[-2]),
    operands="x rtol",
    batch=Core((2, 0)),
    doc="The pseudo-inverse, with singular values of at most ``rtol`` times the largest taken as 0.",
)

# ---- what the operations that are made of these expect --------------------------------------------------------------


def matrix_of(x: Any, name: str) -> Any:
    """``x`` in floating point, if it is a matrix or a batch of them."""
    if len(shape_of(x)) < 2:
        raise errors.ShapeError(
            f"{name}: shape {shape_of(x)}; expected matrices in the last two axes. Reshape it: gg.reshape"
        )
    return floating(x)


def square_of(x: Any, name: str) -> Any:
    """The same for square matrices."""
    x = matrix_of(x, name)
    if x.shape[-1] != x.shape[-2]:
        raise errors.ShapeError(f"{name}: shape {x.shape}; expected square matrices in the last two axes")
    return x


def tolerance(x: Any, rtol: Any) -> Any:
    """Below which share of the largest singular value of ``x`` one counts as 0: a number, or one for each matrix."""
    if rtol is None:
        return max(x.shape[-2:]) * float(dtypes.finfo(dtypes.of(x)).eps)
    return float(rtol) if isinstance(rtol, int | float) else rtol


__all__: list[str] = []
