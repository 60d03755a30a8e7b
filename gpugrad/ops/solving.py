"""Primitives that solve systems of equations: by elimination, by substitution, by the inverse, by the pseudo-inverse.

Sources: M. Giles, Collected matrix derivative results for forward and reverse mode (2008); for the pseudo-inverse
G. Golub and V. Pereyra, SIAM J. Numer. Anal. 10 (1973).
"""

from __future__ import annotations

import numbers
from typing import Any

from gpugrad import dtypes, errors
from gpugrad.ops.bilinear import mm, mT
from gpugrad.ops.linear import tril, triu
from gpugrad.ops.matrices import H, attempt, raw_adjoint, same_shape
from gpugrad.primitive import Core, Linear, Primitive, Shape, broadcast_shapes, linearized


def _solve_shape(x: Shape, y: Shape, **_params: Any) -> Shape:
    return (*broadcast_shapes("solve", (x[:-2], y[:-2])), x[-1], y[-1])


REGULAR = "a matrix that has an inverse (gg.linalg.lstsq and gg.linalg.pinv take any)"

solve: Primitive = linearized(
    "solve",
    lambda t, x, out: -solve(x, mm(t, out)),
    Linear(lambda g, x: solve(mT(x), g)),
    forward=lambda xp, x, y: attempt("solve", REGULAR, xp.linalg.solve, x, y),
    shape=_solve_shape,
    batch=Core((2, 2)),
    same=(0, 1),
    doc="The matrix that ``x`` maps to ``y``, in the last two axes.",
)


def _triangular(xp: Any, x: Any, y: Any, *, lower: bool, unit: bool) -> Any:
    x = xp.tril(x, k=-unit) if lower else xp.triu(x, k=int(unit))
    if unit:
        x = x + xp.eye(x.shape[-1], dtype=x.dtype)
    return attempt("solve_triangular", "a triangle without a zero on its diagonal", xp.linalg.solve, x, y)


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
    forward=lambda xp, x: attempt("inv", REGULAR, xp.linalg.inv, x),
    shape=same_shape,
    doc="The inverse.",
)


def _pinv(xp: Any, x: Any, rtol: Any) -> Any:
    if 0 in x.shape[-2:]:
        return xp.zeros((*x.shape[:-2], x.shape[-1], x.shape[-2]), dtype=x.dtype)
    u, s, vh = attempt("pinv", "finite numbers", xp.linalg.svd, x, full_matrices=False)
    there = s > xp.max(s, axis=-1, keepdims=True) * (rtol if isinstance(rtol, float) else rtol[..., None])
    inverse = xp.where(there, 1.0 / xp.where(there, s, xp.ones_like(s)), xp.zeros_like(s))
    return xp.matmul(raw_adjoint(xp, vh), inverse[..., None] * raw_adjoint(xp, u))


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


def tolerance(x: Any, rtol: Any, name: str) -> Any:
    """Below which share of the largest singular value of ``x`` one counts as 0: a number, or one for each matrix."""
    if rtol is None:
        return max(x.shape[-2:]) * float(dtypes.finfo(dtypes.of(x)).eps)
    if isinstance(rtol, numbers.Real):
        return float(rtol)
    if not hasattr(rtol, "shape"):
        raise errors.DtypeError(f"{name}: {rtol!r} as a relative tolerance; expected a number")
    given, batch = rtol.shape, x.shape[:-2]
    if len(given) > len(batch) or any(n not in (1, m) for n, m in zip(given[::-1], batch[::-1], strict=False)):
        raise errors.ShapeError(
            f"{name}: rtol of shape {given} for matrices {x.shape}; expected a number, or shape {batch}"
        )
    return rtol


__all__: list[str] = []
