"""Division by the gaps between eigenvalues, or singular values, where some of them may be closed.

Where values are equal, their vectors are not unique: the part of a factorization's derivative that divides by their
difference is left out, with a warning, or refused where the function is seen to depend on it. See ``over``.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

from gpugrad import dtypes, errors
from gpugrad.ops.bilinear import mT
from gpugrad.ops.elementwise import abs
from gpugrad.ops.linear import constant, diag_embed, diagonal, expand, real, reduce_sum, to_complex
from gpugrad.ops.linearized import reduce_max
from gpugrad.ops.matrices import LinAlgError
from gpugrad.primitive import Linear, Primitive, Shape, broadcast_shapes, linearized


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


def divided(x: Any, by: Divisor, name: str) -> Any:
    """``over`` of what moves and real numbers, which are made complex where it is: a cotangent for them is then real."""
    values, noise = by
    return over(x, to_complex(values) if dtypes.is_complex(x.dtype) else values, noise, name=name, pulls=False)


def _noise(values: Any, to: Shape) -> Any:
    """What cannot be told from 0 among ``values`` (the last axis), in a shape that has the axes ``to`` in its place."""
    noise = _largest(values) * (8.0 * values.shape[-1] * float(dtypes.finfo(dtypes.of(values)).eps))
    return expand(noise, axis=tuple(range(-len(to), 0)), sizes=to)


def pairs(values: Any, sign: float, like: Any) -> Divisor:
    """v_j + sign * v_i for all pairs. On the diagonal are the phases of complex vectors, and for real ones infinity."""
    n = values.shape[-1]
    across = expand(values, axis=(-2,), sizes=(n,))
    apart = across + sign * mT(across)
    noise = _noise(values, (n, n))
    infinite = diag_embed(constant(values, to=values.shape, fill=math.inf), n, n)
    if not dtypes.is_complex(like.dtype):
        return apart + infinite, noise
    return (apart, noise + infinite) if sign < 0 else (apart, noise)


def per_column(values: Any, rows: int) -> Divisor:
    """Values for each column of a matrix of so many rows."""
    return expand(values, axis=(-2,), sizes=(rows,)), _noise(values, (rows, values.shape[-1]))


def turning(x: Any, like: Any) -> Any:
    """``x`` without the real part of its diagonal, which turns no vector, if ``like`` is complex."""
    if not dtypes.is_complex(like.dtype):
        return x
    n = x.shape[-1]
    return x - diag_embed(to_complex(real(diagonal(x))), n, n)


def _largest(values: Any) -> Any:
    return reduce_max(abs(values), axis=(-1,)) if values.shape[-1] else reduce_sum(values, axis=(-1,))


__all__: list[str] = []
