"""Primitives of determinants, whose first two derivatives are right at every rank, without a division.

They come from a singular value decomposition: in the bases of the singular vectors the matrix is diagonal, and cofactors
are products of singular values. Those of U D V are det(U) conj(U) cof(D) conj(V) det(V), for unitary U and V.
"""

from __future__ import annotations

from typing import Any

from gpugrad import dtypes
from gpugrad.ops.bilinear import mm, mT
from gpugrad.ops.elementwise import multiply
from gpugrad.ops.linear import diagonal, imag, real, reduce_sum, to_complex, zeros
from gpugrad.ops.matrices import raw_adjoint, raw_conj, same_shape, scaled_identity
from gpugrad.ops.solving import inv
from gpugrad.primitive import Linear, Primitive, linearized


def _without_each(xp: Any, s: Any) -> Any:
    """The products of all but one of the numbers along the last axis, for each one left out."""
    rows = xp.broadcast_to(xp.expand_dims(s, axis=-2), (*s.shape, s.shape[-1]))
    return xp.prod(xp.where(xp.eye(s.shape[-1]) > 0, xp.ones_like(rows), rows), axis=-1)


def _cofactor(xp: Any, x: Any) -> Any:
    u, s, vh = xp.linalg.svd(x, full_matrices=False)
    rest = xp.expand_dims(_without_each(xp, s), axis=-2)
    sign = xp.linalg.det(u) * xp.linalg.det(vh)
    return sign[..., None, None] * xp.matmul(raw_conj(xp, u) * rest, raw_conj(xp, vh))


def _cofactor_change(xp: Any, x: Any, y: Any) -> Any:
    n = x.shape[-1]
    u, s, vh = xp.linalg.svd(x, full_matrices=False)
    t = xp.matmul(raw_adjoint(xp, u), xp.matmul(y, raw_adjoint(xp, vh)))
    places = xp.arange(n)
    rest = xp.stack(  # the products of all but two singular values
        [xp.where(places == i, 0, _without_each(xp, xp.where(places == i, 1, s))) for i in range(n)], axis=-2
    ) if n else t  # fmt: skip
    rest = xp.astype(rest, t.dtype)
    own = xp.sum(t * xp.eye(n, dtype=t.dtype), axis=-1)
    on_diagonal = xp.matmul(rest, own[..., None]) * xp.eye(n, dtype=t.dtype)
    sign = xp.linalg.det(u) * xp.linalg.det(vh)
    change = on_diagonal - rest * xp.matrix_transpose(t)
    return sign[..., None, None] * xp.matmul(xp.matmul(raw_conj(xp, u), change), raw_conj(xp, vh))


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
    shape=same_shape,
    doc="The matrix of cofactors, the transposed adjugate: det(x) times the transposed inverse, if there is one.",
)
cofactor_change: Primitive = linearized(
    "cofactor_change",
    _third,
    Linear(lambda g, x: cofactor_change(x, g)),
    forward=_cofactor_change,
    shape=same_shape,
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


__all__: list[str] = []
