"""NumPy's functions that write into an array: a tensor is rebound to the result, differentiably.

An array that is not a tensor cannot take a value that is part of a derivative: that is an error.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gpugrad import errors
from gpugrad.ops.elementwise import where
from gpugrad.ops.gathering import put_along_axis as _put_along_axis
from gpugrad.ops.indexing import setitem
from gpugrad.ops.linear import broadcast_to, reshape
from gpugrad.tensor import Tensor
from gpugrad.transforms.lift import as_value, tracked

__all__ = ["copyto", "fill_diagonal", "place", "put", "put_along_axis", "putmask"]


def _buffer(x: Any, what: str, *values: Any) -> bool:
    """Whether ``x`` is a tensor; False for an array into which these values may go. GraphError for one that may not."""
    if type(x) is Tensor:
        return True
    if any(tracked(v) is not None for v in values):
        raise errors.GraphError(
            f"{what} into a {type(x).__name__} would detach the values that are part of a derivative; make the buffer with gg.zeros(shape) or np.zeros_like(t)"
        )
    return False


def _plain(x: Any) -> Any:
    return x.numpy() if type(x) is Tensor else x


def copyto(dst: Any, src: Any, casting: str = "same_kind", where: Any = True) -> None:
    """Write ``src``, which broadcasts, over ``dst``, where ``where`` holds.

    >>> import gpugrad as gg, numpy as np
    >>> buffer = gg.zeros(2)
    >>> np.copyto(buffer, [1.0, 2.0], where=[True, False])
    >>> buffer
    tensor([1., 0.])
    """
    if not _buffer(dst, "np.copyto", src):
        np.copyto(dst, _plain(src), casting=casting, where=_plain(where))  # type: ignore[arg-type]
        return
    dst._rebind(_where(where, broadcast_to(as_value(src), dst.shape), dst), "np.copyto")


def _where(mask: Any, x: Any, y: Any) -> Any:
    return x if mask is True else where(as_value(mask), x, y)


def putmask(a: Any, mask: Any, values: Any) -> None:
    """Write ``values`` where ``mask`` holds; they repeat if there are fewer than elements."""
    if not _buffer(a, "np.putmask", values):
        np.putmask(a, _plain(mask), _plain(values))
        return
    v = as_value(values)
    n = int(np.prod(a.shape, dtype=int))
    if v.shape != a.shape:
        flat = reshape(v, to=(int(np.prod(v.shape, dtype=int)),), rank=len(v.shape))
        v = reshape(_cycled(flat, n), to=a.shape, rank=1)
    a._rebind(where(as_value(mask), v, a), "np.putmask")


def _cycled(v: Any, n: int) -> Any:
    """The elements of a vector, over again, ``n`` in all."""
    if v.shape[0] == 0 and n:
        raise errors.ShapeError("cannot write from an array without elements")
    return v if v.shape[0] == n else v[np.arange(n) % max(v.shape[0], 1)]


def place(arr: Any, mask: Any, vals: Any) -> None:
    """Write the first elements of ``vals`` where ``mask`` holds, one after another; they repeat if there are too few."""
    if not _buffer(arr, "np.place", vals):
        np.place(arr, _plain(mask), _plain(vals))
        return
    held = np.asarray(_plain(mask.detach() if type(mask) is Tensor else mask), bool)
    v = as_value(vals)
    flat = reshape(v, to=(int(np.prod(v.shape, dtype=int)),), rank=len(v.shape))
    arr._rebind(setitem(arr, held, _cycled(flat, int(held.sum()))), "np.place")


def put(a: Any, ind: Any, v: Any, mode: Any = "raise") -> None:
    """Write ``v`` at the indices ``ind`` of the flattened array; the values repeat if there are too few."""
    if not _buffer(a, "np.put", v):
        np.put(a, _plain(ind), _plain(v), mode)
        return
    index = np.asarray(_plain(ind)).reshape(-1)
    n = int(np.prod(a.shape, dtype=int))
    if mode == "wrap":
        index = index % max(n, 1)
    elif mode == "clip":
        index = np.clip(index, 0, n - 1)
    values = as_value(v)
    values = reshape(values, to=(int(np.prod(values.shape, dtype=int)),), rank=len(values.shape))
    flat = setitem(reshape(a, to=(n,), rank=len(a.shape)), index, _cycled(values, index.size))
    a._rebind(reshape(flat, to=a.shape, rank=1), "np.put")


def put_along_axis(arr: Any, indices: Any, values: Any, axis: int | None) -> None:
    """Write ``values`` at the indices along ``axis``, as ``take_along_axis`` reads them."""
    if not _buffer(arr, "np.put_along_axis", values):
        np.put_along_axis(arr, _plain(indices), _plain(values), axis)
        return
    arr._rebind(_put_along_axis(arr, as_value(indices), as_value(values), axis), "np.put_along_axis")


def fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    """Write ``val`` on the main diagonal.

    >>> import gpugrad as gg, numpy as np
    >>> buffer = gg.zeros((2, 2))
    >>> np.fill_diagonal(buffer, 3.0)
    >>> buffer
    tensor([[3., 0.],
            [0., 3.]])
    """
    if not _buffer(a, "np.fill_diagonal", val):
        np.fill_diagonal(a, _plain(val), wrap)
        return
    s = a.shape
    if len(s) < 2 or (len(s) > 2 and len(set(s)) > 1):
        raise errors.ShapeError(f"np.fill_diagonal: shape {s}; expected two axes or more, of one size if more than two")
    step = s[1] + 1 if len(s) == 2 else 1 + sum(int(np.prod(s[k:])) for k in range(1, len(s)))
    n = int(np.prod(s))
    index = np.arange(0, n if wrap or len(s) > 2 else min(n, s[1] * s[1]), step)
    put(a, index, val)
