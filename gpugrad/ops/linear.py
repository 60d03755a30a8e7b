"""Primitives that are linear in their operand: forward and transpose. Adjoint pairs stand side by side.

Axes are counted from the end (-1 is the last) and leading axes are a batch, so ``axis`` is a tuple of negative
numbers throughout; the composed operations that users call normalise what they were given.
"""

from __future__ import annotations

from typing import Any

from gpugrad import dtypes
from gpugrad.primitive import Shape, linear


def tail(shape: Shape, rank: int) -> Shape:
    """The last ``rank`` sizes of a shape (``shape[-rank:]`` is wrong for rank 0)."""
    return shape[len(shape) - rank :]


def head(shape: Shape, rank: int) -> Shape:
    """All but the last ``rank`` sizes of a shape: the batch."""
    return shape[: len(shape) - rank]


# ---- cast: its own transpose, between two dtypes --------------------------------------------------------------------


def _cast_transpose(g: Any, dtype: Any, source: Any) -> Any:
    if dtypes.is_complex(dtype) and not dtypes.is_complex(source):
        return cast(real(g), dtype=source, source=dtypes.real_of(dtype))
    return cast(g, dtype=source, source=dtype)


cast = linear(
    "cast",
    _cast_transpose,
    forward=lambda xp, x, *, dtype, source: xp.astype(x, dtypes.native(xp, dtype)),
    shape=lambda s, **_: s,
    dtype=lambda d, *, dtype, source: dtype,
    doc="The same values in another dtype; ``source`` is the dtype they come from.",
)

# ---- real and imaginary parts. Rules pair without conjugation: dL = Re(ct · dz) ---------------------------------------

conj = linear("conj", lambda g: conj(g), forward=lambda xp, x: xp.conj(x), shape=lambda s: s, doc="Complex conjugate.")
real = linear(
    "real",
    lambda g: to_complex(g),
    forward=lambda xp, x: xp.real(x),
    shape=lambda s: s,
    dtype=lambda d: dtypes.real_of(d),
    doc="The real part.",
)
imag = linear(
    "imag",
    lambda g: to_complex(g) * -1j,
    forward=lambda xp, x: xp.imag(x),
    shape=lambda s: s,
    dtype=lambda d: dtypes.real_of(d),
    doc="The imaginary part.",
)
to_complex = linear(
    "to_complex",
    lambda g: real(g),
    forward=lambda xp, x: xp.astype(x, dtypes.native(xp, dtypes.complex_of(dtypes.of(x)))),
    shape=lambda s: s,
    dtype=lambda d: dtypes.complex_of(d),
    doc="A real array as a complex one.",
)

# ---- reshape, permute, flip: rearrangements -------------------------------------------------------------------------

reshape = linear(
    "reshape",
    lambda g, shape, to, rank: reshape(g, to=tail(shape, rank), rank=len(to)),
    forward=lambda xp, x, *, to, rank: xp.reshape(x, head(x.shape, rank) + to),
    shape=lambda s, *, to, rank: head(s, rank) + to,
    doc="The last ``rank`` axes in the shape ``to``.",
)


def _inverse(perm: tuple[int, ...]) -> tuple[int, ...]:
    n = len(perm)
    out = [0] * n
    for i, p in enumerate(perm):
        out[p + n] = i - n
    return tuple(out)


def _permute(xp: Any, x: Any, *, perm: tuple[int, ...]) -> Any:
    batch = x.ndim - len(perm)
    return xp.permute_dims(x, (*range(batch), *(p + x.ndim for p in perm)))


permute = linear(
    "permute",
    lambda g, perm: permute(g, perm=_inverse(perm)),
    forward=_permute,
    shape=lambda s, *, perm: head(s, len(perm)) + tuple(s[p] for p in perm),
    doc="The last ``len(perm)`` axes in another order; ``perm`` counts from the end.",
)
flip = linear(
    "flip",
    lambda g, axis: flip(g, axis=axis),
    forward=lambda xp, x, *, axis: xp.flip(x, axis=axis),
    shape=lambda s, *, axis: s,
    doc="The order along each axis reversed.",
)

# ---- expand inserts axes and repeats along them; reduce_sum adds up along axes and removes them ---------------------


def _expand_shape(s: Shape, *, axis: tuple[int, ...], sizes: Shape) -> Shape:
    rank = len(s) + len(axis)
    inserted = {a + rank: n for a, n in zip(axis, sizes, strict=True)}
    rest = iter(s)
    return tuple(inserted[i] if i in inserted else next(rest) for i in range(rank))


def _expand(xp: Any, x: Any, *, axis: tuple[int, ...], sizes: Shape) -> Any:
    ones = _expand_shape(x.shape, axis=axis, sizes=(1,) * len(axis))
    return xp.broadcast_to(xp.reshape(x, ones), _expand_shape(x.shape, axis=axis, sizes=sizes))


expand = linear(
    "expand",
    lambda g, axis: reduce_sum(g, axis=axis),
    forward=_expand,
    shape=_expand_shape,
    doc="New axes at ``axis`` (as counted in the output) with the given sizes, along which the values repeat.",
)
reduce_sum = linear(
    "reduce_sum",
    lambda g, shape, axis: expand(g, axis=axis, sizes=tuple(shape[a] for a in axis)),
    forward=lambda xp, x, *, axis: xp.sum(x, axis=axis, dtype=x.dtype),
    shape=lambda s, *, axis: tuple(n for i, n in enumerate(s) if i - len(s) not in axis),
    doc="The sum over the axes, which go.",
)


def broadcast_to(x: Any, shape: Shape) -> Any:
    """``x`` repeated along new leading axes and along axes of size 1, to ``shape``: squeeze, then expand."""
    have = x.shape
    if have == shape:
        return x
    rank = len(shape)
    axis = tuple(
        i - rank for i, n in enumerate(shape) if i < rank - len(have) or (have[i - rank] == 1 and n != 1)
    )
    kept = tuple(n for i, n in enumerate(shape) if i - rank not in axis)
    return expand(reshape(x, to=kept, rank=len(have)), axis=axis, sizes=tuple(shape[a] for a in axis))


def sum_to(g: Any, shape: Shape) -> Any:
    """The transpose of :func:`broadcast_to`: ``g`` summed over whatever broadcasting from ``shape`` had repeated."""
    have = g.shape
    if have == shape:
        return g
    rank = len(have)
    axis = tuple(
        i - rank for i, n in enumerate(have) if i < rank - len(shape) or (shape[i - rank] == 1 and n != 1)
    )
    out = reduce_sum(g, axis=axis)
    return out if out.shape == shape else reshape(out, to=shape, rank=len(out.shape))
