"""Attention as one primitive, and its gradient as another, for devices whose library never writes the matrix of weights.

Elsewhere attention is composed of products and a softmax (:mod:`gpugrad.ops.neural`), which compile to one loop between two
products. What follows from the primitives by differentiation beyond their gradient is composed so, too.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpugrad import dtypes, errors
from gpugrad.ops.bilinear import mm, mT
from gpugrad.ops.elementwise import exp, less_equal, stop, where
from gpugrad.ops.linear import cast, expand, iota, reduce_sum, reshape, unbatched, zeros
from gpugrad.ops.linearized import reduce_max
from gpugrad.primitive import Core, Primitive, Shape, Shared, broadcast_shapes, linearized


def causal_mask(scores: Any) -> Any:
    """Where the column is at most the row."""
    n, m = scores.shape[-2:]
    like = unbatched(scores)
    return less_equal(iota(like, size=m), reshape(iota(like, size=n), to=(n, 1), rank=1))


# ---- the forwards, where no library has them --------------------------------------------------------------------------


def _weights_of(xp: Any, q: Any, k: Any, causal: bool, scale: float) -> tuple[Any, Any]:
    scores = xp.matmul(q * scale, xp.matrix_transpose(k))
    if causal:
        n, m = scores.shape[-2:]
        scores = xp.where(xp.reshape(xp.arange(n), (n, 1)) >= xp.arange(m), scores, -math.inf)
    top = xp.max(scores, axis=-1, keepdims=True)
    e = xp.exp(scores - top)
    total = xp.sum(e, axis=-1, keepdims=True)
    return e / total, (top + xp.log(total))[..., 0]


def _attention(xp: Any, q: Any, k: Any, v: Any, *, causal: bool, scale: float) -> tuple[Any, Any]:
    weights, stats = _weights_of(xp, q, k, causal, scale)
    out = xp.matmul(weights, v)
    return out, xp.broadcast_to(stats, out.shape[:-1])


def _attention_back(
    xp: Any, g: Any, q: Any, k: Any, v: Any, out: Any, stats: Any, *, causal: bool, scale: float
) -> tuple[Any, Any, Any]:
    weights, _ = _weights_of(xp, q, k, causal, scale)
    moved = xp.matmul(g, xp.matrix_transpose(v))
    scores = weights * (moved - xp.sum(weights * moved, axis=-1, keepdims=True)) * scale
    transposed = xp.matrix_transpose
    found = xp.matmul(scores, k), xp.matmul(transposed(scores), q), xp.matmul(transposed(weights), g)
    lead = scores.shape[:-2]
    of_q, of_k, of_v = (xp.broadcast_to(x, (*lead, *x.shape[-2:])) for x in found)
    return of_q, of_k, of_v


# ---- derivatives --------------------------------------------------------------------------------------------------------


def _wide(*xs: Any) -> list[Any]:
    """Half precision as float32."""
    return [cast(x, dtype=np.dtype(np.float32), source=dtypes.of(x)) if dtypes.is_half(x.dtype) else x for x in xs]


def _as(x: Any, like: Any) -> Any:
    to = dtypes.of(like)
    return x if dtypes.of(x) == to else cast(x, dtype=to, source=dtypes.of(x))


def _row_sums(x: Any) -> Any:
    """The sum of each row in each of its places."""
    return expand(reduce_sum(x, axis=(-1,)), axis=(-1,), sizes=x.shape[-1:])


def _weights(q: Any, k: Any, causal: bool, scale: float) -> Any:
    scores = mm(q * scale, mT(k))
    if causal:
        scores = where(causal_mask(scores), scores, -math.inf)
    top = expand(stop(reduce_max(scores, axis=(-1,))), axis=(-1,), sizes=scores.shape[-1:])
    e = exp(scores - top)
    return e / _row_sums(e)


def _moved(name: str, t: Any, q: Any, k: Any, v: Any, causal: bool, scale: float) -> tuple[Any, Any]:
    """How results move with one operand."""
    like = q
    t, q, k, v = _wide(t, q, k, v)
    p = _weights(q, k, causal, scale)
    if name == "v":
        return _as(mm(p, t), like), zeros(q, p.shape[:-1])
    scores = p * (mm(t, mT(k)) if name == "q" else mm(q, mT(t))) * scale
    return _as(mm(scores - p * _row_sums(scores), v), like), reduce_sum(scores, axis=(-1,))


def _back_moved(name: str, t: Any, g: Any, q: Any, k: Any, v: Any, causal: bool, scale: float) -> tuple[Any, Any, Any]:
    """How the gradient moves with one operand."""
    like = q
    t, g, q, k, v = _wide(t, g, q, k, v)
    p = _weights(q, k, causal, scale)
    if name in ("g", "v"):
        moved = p * (mm(t, mT(v)) if name == "g" else mm(g, mT(t)))
        of_scores = (moved - p * _row_sums(moved)) * scale
        of_v = mm(mT(p), t) if name == "g" else zeros(v, (*p.shape[:-2], *v.shape[-2:]))
        found = mm(of_scores, k), mm(mT(of_scores), q), of_v
    else:
        moved = mm(g, mT(v))
        apart = moved - _row_sums(p * moved)
        scores = p * (mm(t, mT(k)) if name == "q" else mm(q, mT(t))) * scale
        of_weights = scores - p * _row_sums(scores)
        of_scores = (of_weights * apart - p * _row_sums(of_weights * moved)) * scale
        first, second = mm(of_scores, k), mm(mT(of_scores), q)
        still = p * apart * scale
        if name == "q":
            second = second + mm(mT(still), t)
        else:
            first = first + mm(still, t)
        found = first, second, mm(mT(of_weights), g)
    of_q, of_k, of_v = found
    return _as(of_q, like), _as(of_k, like), _as(of_v, like)


def _adjoint(g: Any, q: Any, k: Any, v: Any, out: Any, causal: bool, scale: float) -> Any:
    """The cotangents of q, k and v."""
    if g[0] is None or g[1] is not None:
        raise errors.GraphError("attention: what it keeps for its gradient has no gradient of its own")
    return attention_back(_as(g[0], q), q, k, v, *out, causal=causal, scale=scale)


def _shape(q: Shape, k: Shape, v: Shape, **_: Any) -> tuple[Shape, Shape]:
    if q[-1] != k[-1] or k[-2] != v[-2]:
        raise errors.ShapeError(
            f"attention: shapes {q}, {k} and {v}; expected (..., n, d), (..., m, d) and (..., m, e)"
        )
    lead = broadcast_shapes("attention", (q[:-2], k[:-2], v[:-2]))
    return (*lead, q[-2], v[-1]), (*lead, q[-2])


def _back_shape(g: Shape, q: Shape, k: Shape, v: Shape, out: Shape, stats: Shape, **_: Any) -> tuple[Shape, ...]:
    lead = broadcast_shapes("attention", (g[:-2], q[:-2], k[:-2], v[:-2]))
    return (*lead, *q[-2:]), (*lead, *k[-2:]), (*lead, *v[-2:])


attention: Primitive = linearized(
    "attention",
    Shared(lambda t, q, k, v, causal, scale: _moved("q", t, q, k, v, causal, scale), _adjoint),
    Shared(lambda t, q, k, v, causal, scale: _moved("k", t, q, k, v, causal, scale), _adjoint),
    Shared(lambda t, q, k, v, causal, scale: _moved("v", t, q, k, v, causal, scale), _adjoint),
    operands="q k v",
    forward=_attention,
    shape=_shape,
    dtype=lambda q, k, v, **_: (q, np.dtype(np.float32) if dtypes.is_half(q) else q),
    batch=Core((2, 2, 2)),
    same=(0, 1, 2),
    outputs=2,
    doc="softmax(scale q kᵀ) v, where with ``causal`` a row sees no later column; and each row's logarithm of its sum.",
)
attention_back: Primitive = linearized(
    "attention_back",
    lambda t, g, q, k, v, causal, scale: _back_moved("g", t, g, q, k, v, causal, scale),
    lambda t, g, q, k, v, causal, scale: _back_moved("q", t, g, q, k, v, causal, scale),
    lambda t, g, q, k, v, causal, scale: _back_moved("k", t, g, q, k, v, causal, scale),
    lambda t, g, q, k, v, causal, scale: _back_moved("v", t, g, q, k, v, causal, scale),
    None,
    None,
    operands="g q k v result stats",
    forward=_attention_back,
    shape=_back_shape,
    batch=Core((2, 2, 2, 2, 2, 1)),
    same=(0, 1, 2, 3),
    outputs=3,
    doc="The cotangents of q, k and v, from that of attention's result, and what attention gave for them.",
)
