"""Reading and writing at positions that arrays of integers give: primitives, and NumPy's functions along one axis.

``gather`` and ``scatter`` are adjoint. They, and ``put``, know one axis and positions that are checked already, in any
arrangement; every other way to index comes down to these by merging axes (:mod:`gpugrad.ops.indexing`). Positions that
differ from item to item under vmap do so too: the batch axis is merged into the axis that is indexed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from gpugrad import dtypes, errors, trace
from gpugrad.ops import linear as lin
from gpugrad.ops.elementwise import (
    add,
    clip,
    floor_divide,
    greater,
    greater_equal,
    logical_not,
    multiply,
    not_equal,
    remainder,
    where,
)
from gpugrad.ops.linear import broadcast_to, cast, expand, head, permute, reduce_sum, reshape, tail, zeros
from gpugrad.primitive import Linear, Primitive, Shape, broadcast_shapes, elementwise, linear, linearized
from gpugrad.shapes import axes_of, axis_of
from gpugrad.trace import Array

__all__ = ["argwhere", "count_nonzero", "nonzero", "put_along_axis", "searchsorted", "take", "take_along_axis"]


def _int64(*_dtypes: Any, **_params: Any) -> str:
    return "int64"


# ---- positions ------------------------------------------------------------------------------------------------------


def _position(xp: Any, index: Any, *, size: int, axis: int, name: str) -> Any:
    if math.prod(index.shape):
        low, high = int(xp.min(index)), int(xp.max(index))
        if low < -size or high >= size:
            bad = high if high >= size else low
            expected = f"{-size} to {size - 1}" if size else "no index, since nothing is there"
            raise errors.AxisError(f"{name}: index {bad} is out of bounds for axis {axis} with size {size}; expected {expected}")
    out = xp.astype(index, xp.int64)
    return xp.where(out < 0, out + size, out)


position: Primitive = elementwise(
    "position",
    None,
    forward=_position,
    operands="index",
    dtype=_int64,
    doc="Indices into an axis of ``size``, checked, with negative ones counted from the end. AxisError if out of bounds.",
)
beside: Primitive = linearized(
    "beside",
    None,
    None,
    operands="x y",
    forward=lambda xp, x, y: xp.asarray(y),
    shape=lambda s, t: t,
    dtype=lambda d, e: e,
    doc="The NumPy array ``y`` as an array of the kind and on the device of ``x``.",
)


def index_array(index: Any, x: Any, name: str) -> Any:
    """An array of indices into ``x`` from anything that may be one; DtypeError unless it is of integers."""
    if not hasattr(index, "dtype"):
        index = beside_of(x, index, name)
    kind = dtypes.of(index).kind
    if kind not in "iu":
        more = "To select by a condition, index with it: x[mask]" if kind == "b" else "Cast them: indices.astype('int64')"
        raise errors.DtypeError(f"{name}: indices of dtype {dtypes.of(index).name}; expected integers. {more}")
    return index


def beside_of(x: Any, data: Any, name: str) -> Any:
    """A list or number that a user wrote, as a raw array where ``x`` is."""
    import numpy as np  # what a user wrote out lives on the host, whatever the backend

    out = np.asarray(data)
    if out.dtype.kind not in "biufc":
        raise errors.DtypeError(f"{name}: cannot make an array of {data!r}; expected numbers (a sequence that holds tensors: gg.stack them)")
    like = lin.unbatched(x)
    while type(like) is trace.Tensor:
        like = like._data
    return out if isinstance(like, np.ndarray | np.generic) or not hasattr(like, "__dlpack__") else beside(like, out)
