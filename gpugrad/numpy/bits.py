"""NumPy's packing of bits into bytes: integers, so without a derivative."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpugrad import errors
from gpugrad.ops.elementwise import bitwise_and, bitwise_or, bitwise_right_shift, not_equal
from gpugrad.ops.padding import pad
from gpugrad.ops.rearranging import moveaxis, ravel, reshape
from gpugrad.shapes import axis_of
from gpugrad.trace import Array

__all__ = ["packbits", "unpackbits"]


def _lined_up(a: Any, axis: int | None, bitorder: str, what: str) -> tuple[Any, int]:
    """The axis to work along put last, and its place; all elements in one for None."""
    if bitorder not in ("big", "little"):
        raise errors.ShapeError(f"{what}: bitorder={bitorder!r}; expected 'big' or 'little'")
    x = ravel(a) if axis is None else a
    k = axis_of(-1 if axis is None else axis, x.shape, what)
    return moveaxis(x, k, -1), k


def packbits(a: Array, axis: int | None = None, bitorder: str = "big") -> Array:
    """What is not zero as bits, eight to a byte along ``axis``; the last byte is filled up with zeros.

    >>> import gpugrad.numpy as gnp
    >>> gnp.packbits([True, False, True])
    tensor([160], dtype=uint8)
    """
    if a.dtype.kind not in "biu":
        raise errors.DtypeError(f"np.packbits: dtype {a.dtype.name}; expected integers or booleans")
    x, k = _lined_up(a, axis, bitorder, "np.packbits")
    n = -(-x.shape[-1] // 8)
    bits = not_equal(x, 0).astype("uint8")
    bits = reshape(pad(bits, [(0, 0)] * (len(x.shape) - 1) + [(0, 8 * n - x.shape[-1])]), (*x.shape[:-1], n, 8))
    out: Any = None
    for place in range(8):
        shifted = bits[..., place] << np.uint8(7 - place if bitorder == "big" else place)
        out = shifted if out is None else bitwise_or(out, shifted)
    return moveaxis(out, -1, k)


def unpackbits(a: Array, axis: int | None = None, count: int | None = None, bitorder: str = "big") -> Array:
    """The bits of bytes, eight for each along ``axis``: the first ``count`` of them, or all but so many from the end.

    >>> import gpugrad.numpy as gnp
    >>> gnp.unpackbits(gnp.array([5], "uint8"))
    tensor([0, 0, 0, 0, 0, 1, 0, 1], dtype=uint8)
    """
    if a.dtype != np.uint8:
        raise errors.DtypeError(f"np.unpackbits: dtype {a.dtype.name}; expected uint8")
    x, k = _lined_up(a, axis, bitorder, "np.unpackbits")
    places = np.arange(8, dtype=np.uint8)
    bits = bitwise_and(bitwise_right_shift(x[..., None], places[::-1] if bitorder == "big" else places), np.uint8(1))
    bits = reshape(bits, (*x.shape[:-1], 8 * x.shape[-1]))
    if count is not None:
        n = bits.shape[-1]
        more = count - n if count > n else 0
        bits = pad(bits[..., :count], [(0, 0)] * (len(x.shape) - 1) + [(0, more)])
    return moveaxis(bits, -1, k)
