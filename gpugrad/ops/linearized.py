"""Primitives that are neither elementwise nor linear: the derivative is a linear map written in other primitives.

Products and running extrema are differentiated through one of them, ``recurrence`` (h_k = x_k h_{k-1} + y_k): it is
closed under differentiation and divides by nothing, so zeros are no special case, to any order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpugrad import dtypes
from gpugrad.ops.elementwise import clip, equal, exp, isnan, logical_and, logical_or, where
from gpugrad.ops.linear import Spec, cast, expand, flip, permute, reduce_sum, reshape, slice_, tail, unslice
from gpugrad.primitive import Linear, Primitive, Shape, linearized

Axes = tuple[int, ...]


def _removed(s: Shape, *, axis: Axes) -> Shape:
    return tuple(n for i, n in enumerate(s) if i - len(s) not in axis)


def _one_removed(s: Shape, *, axis: int) -> Shape:
    return _removed(s, axis=(axis,))


def _same(s: Shape, *_shapes: Shape, **_params: Any) -> Shape:
    return s


def _bool(*_dtypes: Any, **_params: Any) -> str:
    return "bool"


def _index(*_dtypes: Any, **_params: Any) -> str:
    return "int64"


def indicator(mask: Any, like: Any) -> Any:
    """A mask as numbers 0 and 1 of the dtype of ``like`` (``where(mask, 1.0, 0.0)`` would be float64)."""
    return cast(mask, dtype=dtypes.of(like), source=dtypes.dtype("bool"))


def _spread(out: Any, shape: Shape, axis: Axes) -> Any:
    """A reduced array repeated along the axes that the reduction removed."""
    return expand(out, axis=axis, sizes=tuple(shape[a] for a in axis))


# ---- reductions without a derivative --------------------------------------------------------------------------------

reduce_any = linearized(
    "reduce_any", None, forward=lambda xp, x, *, axis: xp.any(x, axis=axis), shape=_removed, dtype=_bool,
    doc="Whether any element along the axes is true.",
)  # fmt: skip
reduce_all = linearized(
    "reduce_all", None, forward=lambda xp, x, *, axis: xp.all(x, axis=axis), shape=_removed, dtype=_bool,
    doc="Whether all elements along the axes are true.",
)  # fmt: skip
argmax = linearized(
    "argmax", None, forward=lambda xp, x, *, axis: xp.argmax(x, axis=axis), shape=_one_removed, dtype=_index,
    doc="The index of the first largest element along one axis; of the first NaN if there is one.",
)  # fmt: skip
argmin = linearized(
    "argmin", None, forward=lambda xp, x, *, axis: xp.argmin(x, axis=axis), shape=_one_removed, dtype=_index,
    doc="The index of the first smallest element along one axis; of the first NaN if there is one.",
)  # fmt: skip


def _argsort(xp: Any, x: Any, *, axis: int, descending: bool) -> Any:
    if not descending:
        return xp.argsort(x, axis=axis, stable=True)
    # Not every namespace sorts downwards: sort the reversed array upwards and read the result backwards.
    return x.shape[axis] - 1 - xp.flip(xp.argsort(xp.flip(x, axis=axis), axis=axis, stable=True), axis=axis)


argsort = linearized(
    "argsort", None, forward=_argsort, shape=_same, dtype=_index,
    doc="The indices that sort along one axis; equal elements keep their order. NaN counts as the largest.",
)  # fmt: skip

# ---- extrema --------------------------------------------------------------------------------------------------------


def _attained(x: Any, top: Any) -> Any:
    """Where ``x`` is the extremum ``top``; among NaNs, the NaNs are it."""
    return logical_or(equal(x, top), isnan(x))


def _extremum(t: Any, x: Any, out: Any, axis: Axes) -> Any:
    mask = _attained(x, _spread(out, x.shape, axis))
    share = 1.0 / reduce_sum(indicator(mask, x), axis=axis)
    return reduce_sum(where(mask, t, 0.0), axis=axis) * share


reduce_max = linearized(
    "reduce_max", _extremum, forward=lambda xp, x, *, axis: xp.max(x, axis=axis), shape=_removed,
    doc="The largest element along the axes; elements that tie share the gradient equally.",
)  # fmt: skip
reduce_min = linearized(
    "reduce_min", _extremum, forward=lambda xp, x, *, axis: xp.min(x, axis=axis), shape=_removed,
    doc="The smallest element along the axes; elements that tie share the gradient equally.",
)  # fmt: skip

# ---- along one axis: shifts and recurrences -------------------------------------------------------------------------


def _cut(axis: int, start: int | None, stop: int | None) -> tuple[Any, ...]:
    """The index that takes a range of one axis."""
    return (..., slice(start, stop), *(slice(None),) * (-axis - 1))


def range_of(shape: Shape, axis: int, start: int, stop: int) -> Spec:
    """The part of an array that is a range of one axis."""
    return ((start, stop, 1), *((0, n, 1) for n in shape[len(shape) + axis + 1 :]))


def shift(x: Any, axis: int, by: int) -> Any:
    """Elements moved up by ``by`` places along one axis (down if negative); zeros move in, the rest falls off."""
    shape = x.shape
    n = shape[axis]
    k = min(abs(by), n)
    first, last = range_of(shape, axis, 0, n - k), range_of(shape, axis, k, n)
    rest = tail(shape, -axis)
    if by > 0:
        return unslice(slice_(x, spec=first), spec=last, sizes=rest)
    return unslice(slice_(x, spec=last), spec=first, sizes=rest)


def lengthened(x: Any, axis: int) -> Any:
    """One zero more at the end of an axis."""
    sizes = list(tail(x.shape, -axis))
    sizes[0] += 1
    return unslice(x, spec=range_of(x.shape, axis, 0, x.shape[axis]), sizes=tuple(sizes))


def _doubling(xp: Any, x: Any, axis: int, join: Callable[[Any, Any], Any]) -> Any:
    """``join`` over everything up to each element, in log2(n) steps over the whole array (Hillis and Steele, 1986)."""
    n = x.shape[axis]
    d = 1
    while d < n:
        joined = join(x[_cut(axis, d, n)], x[_cut(axis, 0, n - d)])
        x = xp.concat([x[_cut(axis, 0, d)], joined], axis=axis)
        d *= 2
    return x


def _recurrence(xp: Any, x: Any, y: Any, *, axis: int) -> Any:
    n = y.shape[axis]
    d = 1
    while d < n:  # as _doubling, of pairs: (x', y') after (x, y) is (x' x, x' y + y')
        late, early, first = _cut(axis, d, n), _cut(axis, 0, n - d), _cut(axis, 0, d)
        before = y[early]
        carried = xp.where(before == 0, before, x[late] * before)  # 0 stays 0 under an overflowed product
        y = xp.concat([y[first], y[late] + carried], axis=axis)
        x = xp.concat([x[first], x[late] * x[early]], axis=axis)
        d *= 2
    return y


recurrence: Primitive = linearized(
    "recurrence",
    lambda t, x, out, axis: recurrence(x, t * shift(out, axis=axis, by=1), axis=axis),
    Linear(
        lambda g, x, axis: flip(
            recurrence(flip(shift(x, axis=axis, by=-1), axis=(axis,)), flip(g, axis=(axis,)), axis=axis), axis=(axis,)
        )
    ),
    forward=_recurrence,
    shape=_same,
    same=(0, 1),
    doc="h_k = x_k h_{k-1} + y_k along one axis, from h_{-1} = 0; both of one shape. O(n log n), depth log n.",
)

# ---- products -------------------------------------------------------------------------------------------------------


def _cumprod(xp: Any, x: Any, *, axis: int, exclusive: bool) -> Any:
    if exclusive and x.shape[axis]:
        x = xp.concat([xp.ones_like(x[_cut(axis, 0, 1)]), x[_cut(axis, 0, x.shape[axis] - 1)]], axis=axis)
    return xp.cumulative_prod(x, axis=axis, dtype=x.dtype)


def _cumprod_map(t: Any, x: Any, axis: int, exclusive: bool) -> Any:
    """p_k = x_k p_{k-1}, so its tangent is x_k p'_{k-1} + t_k p_{k-1}: no division, so zeros are nothing special."""
    moved = recurrence(x, t * cumprod(x, axis=axis, exclusive=True), axis=axis)
    return shift(moved, axis=axis, by=1) if exclusive else moved


cumprod: Primitive = linearized(
    "cumprod", _cumprod_map, forward=_cumprod, shape=_same,
    doc="The product up to each element along one axis; with ``exclusive`` up to and without it.",
)  # fmt: skip


def joined(x: Any, axis: Axes) -> Any:
    """The axes moved to the end and made one."""
    shape = x.shape
    rank = len(shape)
    rest = tuple(a for a in range(-rank, 0) if a not in axis)
    size = 1
    for a in axis:
        size *= shape[a]
    return reshape(permute(x, perm=rest + axis), to=(size,), rank=len(axis))


def _prod_map(t: Any, x: Any, axis: Axes) -> Any:
    """The sum of each tangent times the product of all the others, which is what lies before times what lies after."""
    x = joined(x, axis)
    before = cumprod(x, axis=-1, exclusive=True)
    after = flip(cumprod(flip(x, axis=(-1,)), axis=-1, exclusive=True), axis=(-1,))
    return reduce_sum(joined(t, axis) * (before * after), axis=(-1,))


reduce_prod = linearized(
    "reduce_prod", _prod_map, forward=lambda xp, x, *, axis: xp.prod(x, axis=axis, dtype=x.dtype), shape=_removed,
    doc="The product over the axes, which go; the gradient is right with any number of zeros.",
)  # fmt: skip

# ---- running extrema ------------------------------------------------------------------------------------------------


def _running(t: Any, x: Any, out: Any, axis: int) -> Any:
    """While the extremum stays what it was, the elements that attain it add up; where it changes, begin again."""
    before = shift(out, axis=axis, by=1)
    stays = indicator(logical_or(equal(out, before), logical_and(isnan(out), isnan(before))), x)
    mask = _attained(x, out)
    share = 1.0 / recurrence(stays, indicator(mask, x), axis=axis)
    return recurrence(stays, where(mask, t, 0.0), axis=axis) * share


cummax = linearized(
    "cummax", _running, forward=lambda xp, x, *, axis: _doubling(xp, x, axis, xp.maximum), shape=_same,
    doc="The largest element so far along one axis; elements that tie share the gradient equally.",
)  # fmt: skip
cummin = linearized(
    "cummin", _running, forward=lambda xp, x, *, axis: _doubling(xp, x, axis, xp.minimum), shape=_same,
    doc="The smallest element so far along one axis; elements that tie share the gradient equally.",
)  # fmt: skip

# ---- log of a sum of exponentials -----------------------------------------------------------------------------------


def _logsumexp(xp: Any, x: Any, *, axis: Axes) -> Any:
    top = xp.max(x, axis=axis, keepdims=True)
    top = xp.where(xp.isfinite(top), top, xp.zeros_like(top))
    total = xp.sum(xp.exp(x - top), axis=axis, keepdims=True, dtype=x.dtype)
    empty = total == 0  # every term is e^-inf
    out = xp.where(empty, -xp.inf, xp.log(xp.where(empty, xp.ones_like(total), total)) + top)
    return xp.reshape(out, _removed(x.shape, axis=axis))


def _logsumexp_map(t: Any, x: Any, out: Any, axis: Axes) -> Any:
    """The average of the tangents under softmax(x) = exp(x - out); infinite terms of one sign share it equally."""
    limit = float(dtypes.finfo(x.dtype).max)
    top = _spread(out, x.shape, axis)
    finite = _spread(clip(out, -limit, limit), x.shape, axis)  # so that nothing is inf - inf
    weight = exp(where(equal(x, top), finite, x) - finite)
    return reduce_sum(t * weight, axis=axis) * (1.0 / reduce_sum(weight, axis=axis))


reduce_logsumexp = linearized(
    "reduce_logsumexp", _logsumexp_map, forward=_logsumexp, shape=_removed,
    doc="log Σ eˣ over the axes, which go, without overflow; exact where elements are infinite.",
)  # fmt: skip
