"""Primitives that are linear in their operand: forward and transpose. Adjoint pairs stand side by side.

Axes are counted from the end (-1 is the last) and leading axes are a batch, so ``axis`` is a tuple of negative
numbers throughout; the composed operations that users call normalise what they were given.
"""

from __future__ import annotations

import functools as ft
import itertools as it
from collections.abc import Sequence
from typing import Any

from gpugrad import dtypes, trace
from gpugrad.primitive import Linear, Primitive, Shape, linear, linearized


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


cast: Primitive = linear(
    "cast",
    _cast_transpose,
    forward=lambda xp, x, *, dtype, source: xp.astype(x, dtypes.native(xp, dtype)),
    shape=lambda s, **_: s,
    dtype=lambda d, *, dtype, source: dtype,
    doc="The same values in another dtype; ``source`` is the dtype they come from.",
)

# ---- real and imaginary parts. Rules pair without conjugation: dL = Re(ct · dz) ---------------------------------------

conj: Primitive = linear(
    "conj", lambda g: conj(g), forward=lambda xp, x: xp.conj(x), shape=lambda s: s, doc="Complex conjugate."
)
real: Primitive = linear(
    "real",
    lambda g: to_complex(g),
    forward=lambda xp, x: xp.real(x),
    shape=lambda s: s,
    dtype=lambda d: dtypes.real_of(d),
    doc="The real part.",
)
imag: Primitive = linear(
    "imag",
    lambda g: to_complex(g) * -1j,
    forward=lambda xp, x: xp.imag(x),
    shape=lambda s: s,
    dtype=lambda d: dtypes.real_of(d),
    doc="The imaginary part.",
)
to_complex: Primitive = linear(
    "to_complex",
    lambda g: real(g),
    forward=lambda xp, x: xp.astype(x, dtypes.native(xp, dtypes.complex_of(dtypes.of(x)))),
    shape=lambda s: s,
    dtype=lambda d: dtypes.complex_of(d),
    doc="A real array as a complex one.",
)

# ---- again: for what is to be computed a second time -----------------------------------------------------------------


def _again_batch(prim: Primitive, b: int, data: Sequence[Any], flags: Sequence[bool], params: dict[str, Any]) -> Any:
    out = prim(*data)
    return out if flags[0] else expand(out, axis=(-len(out.shape) - 1,), sizes=(b,))


again: Primitive = linear(
    "again",
    lambda g, y: g,
    operands="x y",
    forward=lambda xp, x, y: x,
    shape=lambda s, t: s,
    batch=_again_batch,
    doc="``x``, from when ``y`` is there. Compiled, what is computed from it is computed then, and not taken for the same as before.",
)

# ---- reshape, permute, flip: rearrangements -------------------------------------------------------------------------

reshape: Primitive = linear(
    "reshape",
    lambda g, shape, to, rank: reshape(g, to=tail(shape, rank), rank=len(to)),
    forward=lambda xp, x, *, to, rank: xp.reshape(x, head(x.shape, rank) + to),
    shape=lambda s, *, to, rank: head(s, rank) + to,
    doc="The last ``rank`` axes in the shape ``to``.",
)


def inverse(perm: tuple[int, ...]) -> tuple[int, ...]:
    """The order of axes that undoes ``perm``."""
    n = len(perm)
    out = [0] * n
    for i, p in enumerate(perm):
        out[p + n] = i - n
    return tuple(out)


def _permute(xp: Any, x: Any, *, perm: tuple[int, ...]) -> Any:
    batch = x.ndim - len(perm)
    return xp.permute_dims(x, (*range(batch), *(p + x.ndim for p in perm)))


permute: Primitive = linear(
    "permute",
    lambda g, perm: permute(g, perm=inverse(perm)),
    forward=_permute,
    shape=lambda s, *, perm: head(s, len(perm)) + tuple(s[p] for p in perm),
    doc="The last ``len(perm)`` axes in another order; ``perm`` counts from the end.",
)


def moved(x: Any, source: int, to: int) -> Any:
    """``x`` with one axis moved to another place, both counted from the end."""
    if source == to:
        return x
    rank = len(x.shape)
    order = [a for a in range(-rank, 0) if a != source]
    order.insert(rank + to, source)
    return permute(x, perm=tuple(order))


flip: Primitive = linear(
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


expand: Primitive = linear(
    "expand",
    lambda g, axis: reduce_sum(g, axis=axis),
    forward=_expand,
    shape=_expand_shape,
    doc="New axes at ``axis`` (as counted in the output) with the given sizes, along which the values repeat.",
)
reduce_sum: Primitive = linear(
    "reduce_sum",
    lambda g, shape, axis: expand(g, axis=axis, sizes=tuple([shape[a] for a in axis])),
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
    axis = tuple(i - rank for i, n in enumerate(shape) if i < rank - len(have) or (have[i - rank] == 1 and n != 1))
    kept = tuple(n for i, n in enumerate(shape) if i - rank not in axis)
    return expand(reshape(x, to=kept, rank=len(have)), axis=axis, sizes=tuple(shape[a] for a in axis))


def sum_to(g: Any, shape: Shape) -> Any:
    """The transpose of :func:`broadcast_to`: ``g`` summed over whatever broadcasting from ``shape`` had repeated."""
    have = g.shape
    if have == shape:
        return g
    rank = len(have)
    axis = tuple(i - rank for i, n in enumerate(have) if i < rank - len(shape) or (shape[i - rank] == 1 and n != 1))
    out = reduce_sum(g, axis=axis)
    return out if out.shape == shape else reshape(out, to=shape, rank=len(out.shape))


# ---- constants: arrays that take no value from their operand, only its kind and device ------------------------------


def _unbatched(prim: Primitive, size: int, data: Sequence[Any], _flags: Sequence[bool], params: dict[str, Any]) -> Any:
    out = prim(*data, **params)
    return expand(out, axis=(-len(out.shape) - 1,), sizes=(size,))


constant: Primitive = linearized(
    "constant",
    None,
    forward=lambda xp, x, *, to, fill: xp.full(to, fill, dtype=x.dtype),
    shape=lambda s, *, to, fill: to,
    batch=_unbatched,
    doc="An array of shape ``to`` that is ``fill`` throughout, of the dtype and kind and on the device of ``x``.",
)
iota: Primitive = linearized(
    "iota",
    None,
    forward=lambda xp, x, *, size: xp.arange(size, dtype=xp.int64),
    shape=lambda s, *, size: (size,),
    dtype=lambda d, *, size: dtypes.dtype("int64"),
    batch=_unbatched,
    doc="The integers 0 to ``size`` - 1, of the kind and on the device of ``x``.",
)


def unbatched(x: Any) -> Any:
    """One item of ``x`` under vmap, to stand for its kind and device: a constant made from it is shared by all items."""
    while type(x) is trace.Tensor and x._trace.batched:
        x = x._data
    return x


def zeros(x: Any, shape: Shape) -> Any:
    """Zeros of the dtype, kind and device of ``x``, in any shape."""
    return constant(unbatched(x), to=shape, fill=0)


# ---- slice_ reads a regular part of the trailing axes; unslice puts it back among zeros -------------------------------

Spec = tuple[tuple[int, int, int], ...]
"""(start, stop, step) for each of the trailing axes, as in ``range``: all of them within the axis, no wrapping."""


@ft.lru_cache(maxsize=4096)
def key_of(spec: Spec) -> tuple[Any, ...]:
    """The same as a NumPy index. A range that runs down to 0 has the stop -1, which an index writes None."""
    return (..., *(slice(a, None if b < 0 else b, c) for a, b, c in spec))


@ft.lru_cache(maxsize=4096)
def sizes_of(spec: Spec) -> Shape:
    """The sizes that remain."""
    return tuple(len(range(*s)) for s in spec)


slice_: Primitive = linear(
    "slice_",
    lambda g, shape, spec: unslice(g, spec=spec, sizes=tail(shape, len(spec))),
    forward=lambda xp, x, *, spec: x[key_of(spec)],
    shape=lambda s, *, spec: head(s, len(spec)) + sizes_of(spec),
    doc="A regular part of the trailing axes: ``spec`` has (start, stop, step) for each, as in ``range``.",
)


def _unslice(xp: Any, x: Any, *, spec: Spec, sizes: Shape) -> Any:
    out = xp.zeros(head(x.shape, len(spec)) + sizes, dtype=x.dtype)
    out[key_of(spec)] = x
    return out


unslice: Primitive = linear(
    "unslice",
    lambda g, spec: slice_(g, spec=spec),
    forward=_unslice,
    shape=lambda s, *, spec, sizes: head(s, len(spec)) + sizes,
    doc="Zeros of the given ``sizes`` along the trailing axes, with ``x`` in the part that ``spec`` names.",
)

# ---- linear in several operands together ------------------------------------------------------------------------------


def along(axis: int, start: int, stop: int, shape: Shape) -> Spec:
    """The spec of the part of an array of this shape from ``start`` to ``stop`` along one axis."""
    return ((start, stop, 1) if stop > start else (0, 0, 1), *((0, n, 1) for n in tail(shape, -axis - 1)))


concat: Primitive = Primitive(
    "linear",
    "concat",
    [Linear(lambda g, shape, i, axis, bounds: slice_(g, spec=along(axis, bounds[i], bounds[i + 1], shape)))],
    operands=("x",),
    forward=lambda xp, *xs, axis, bounds: xp.concat(xs, axis=axis),
    shape=lambda *shapes, axis, bounds: resized(shapes[0], axis, bounds[-1]),
    variadic=True,
    doc="Arrays of one dtype, one after another along an axis; operand i lies between bounds[i] and bounds[i + 1].",
    joint=True,
)


def resized(shape: Shape, axis: int, size: int) -> Shape:
    """A shape with another size of its axis ``axis`` < 0."""
    return (*head(shape, -axis), size, *tail(shape, -axis - 1))


def _cuts(bounds: tuple[int, ...]) -> list[tuple[int, int]]:
    return list(it.pairwise(bounds))


def _split_transpose(g: Any, shape: Shape, axis: int, bounds: tuple[int, ...]) -> Any:
    like = next(c for c in g if c is not None)  # None: nothing depends on that part
    parts = [
        zeros(like, resized(shape, axis, b - a)) if c is None else c for c, (a, b) in zip(g, _cuts(bounds), strict=True)
    ]
    return concat(*parts, axis=axis, bounds=bounds)


split: Primitive = linear(
    "split",
    _split_transpose,
    forward=lambda xp, x, *, axis, bounds: tuple(x[key_of(along(axis, a, b, x.shape))] for a, b in _cuts(bounds)),
    shape=lambda s, *, axis, bounds: tuple(resized(s, axis, b - a) for a, b in _cuts(bounds)),
    outputs=-1,  # as many as there are cuts
    doc="The parts of an array along an axis, the inverse of concat: part i lies between bounds[i] and bounds[i + 1].",
)


def part(x: Any, axis: int, start: int, stop: int) -> Any:
    """``x`` from ``start`` to ``stop`` (both within it) along one axis."""
    return slice_(x, spec=along(axis, start, stop, x.shape))


def _slice_update(xp: Any, x: Any, v: Any, *, spec: Spec) -> Any:
    out = xp.asarray(x, copy=True)
    out[key_of(spec)] = v
    return out


slice_update: Primitive = Primitive(
    "linear",
    "slice_update",
    [
        Linear(lambda g, spec: slice_update(g, zeros(g, head(g.shape, len(spec)) + sizes_of(spec)), spec=spec)),
        Linear(lambda g, spec: slice_(g, spec=spec)),
    ],
    operands=("x", "v"),
    forward=_slice_update,
    shape=lambda s, _, *, spec: s,
    doc="``x`` with the part that ``spec`` names replaced by ``v``, which has the shape of that part.",
    joint=True,
)

# ---- sums along an axis, triangles, diagonals -------------------------------------------------------------------------

cumsum: Primitive = linear(
    "cumsum",
    lambda g, axis: flip(cumsum(flip(g, axis=(axis,)), axis=axis), axis=(axis,)),
    forward=lambda xp, x, *, axis: xp.cumulative_sum(x, axis=axis, dtype=x.dtype),
    shape=lambda s, *, axis: s,
    doc="The running sum along an axis.",
)
tril: Primitive = linear(
    "tril",
    lambda g, k: tril(g, k=k),
    forward=lambda xp, x, *, k: xp.tril(x, k=k),
    shape=lambda s, *, k: s,
    doc="Matrices with zeros above the diagonal ``k``.",
)
triu: Primitive = linear(
    "triu",
    lambda g, k: triu(g, k=k),
    forward=lambda xp, x, *, k: xp.triu(x, k=k),
    shape=lambda s, *, k: s,
    doc="Matrices with zeros below the diagonal ``k``.",
)


def _diagonal(rows: int, cols: int, offset: int) -> Spec:
    """Where a diagonal lies in a matrix that is laid out as one row."""
    size = max(0, min(rows + min(offset, 0), cols - max(offset, 0)))
    start = max(offset, 0) + max(-offset, 0) * cols
    return ((start, start + (size - 1) * (cols + 1) + 1, cols + 1),) if size else ((0, 0, 1),)


def diagonal(x: Any, offset: int = 0) -> Any:
    """The diagonals of the matrices in the last two axes, as the last axis."""
    rows, cols = tail(x.shape, 2)
    return slice_(reshape(x, to=(rows * cols,), rank=2), spec=_diagonal(rows, cols, offset))


def diag_embed(x: Any, rows: int, cols: int, offset: int = 0) -> Any:
    """The adjoint of :func:`diagonal`: ``rows`` by ``cols`` matrices, zero but for a diagonal, which is the last axis of ``x``."""
    flat = unslice(x, spec=_diagonal(rows, cols, offset), sizes=(rows * cols,))
    return reshape(flat, to=(rows, cols), rank=1)
