"""Random words for NumPy: the formula of ``philox`` in place, piece by piece, so that the pieces stay in the cache."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpugrad.kernels import philox

_CHUNK = 1 << 13
"""Blocks at a time: four arrays of 64 KiB."""
_FEW = 1 << 9
"""Blocks per key below which many keys at once beat one key after another."""


def random_bits(key: Any, *, shape: tuple[int, ...], width: int, round: int = 0) -> Any:
    """As :func:`philox.random_bits`, which defines the result."""
    count = math.prod(shape)
    blocks = -(-count * width // 128)
    keys = key.reshape(-1, 2)
    if blocks < _FEW and len(keys) != 1:
        return philox.random_bits(np, key, shape=shape, width=width, round=round)
    words = np.empty((len(keys), blocks, 4), "<u4")  # so that two words, seen as one, have the low half first
    for row, (k0, k1) in zip(words, keys.tolist(), strict=True):
        for start in range(0, blocks, _CHUNK):
            _fill(row[start : start + _CHUNK], start, round, k0, k1)
    flat = words.reshape(len(keys), 4 * blocks).view(f"<u{width // 8}")[:, :count]
    return flat.astype(f"=u{width // 8}", copy=False).reshape(key.shape[:-1] + shape)


def random_below(key: Any, *, shape: tuple[int, ...], span: int) -> Any:
    """As :func:`philox.random_below`."""
    return philox.random_below(
        np, key, shape=shape, span=span, draw=lambda xp, key, **params: random_bits(key, **params)
    )


def _fill(out: Any, start: int, round: int, k0: int, k1: int) -> None:
    """The words of the blocks from ``start`` on."""
    n = len(out)
    index = np.arange(start, start + n, dtype=np.uint64)
    c0, c1, c2, c3 = index & philox.MASK, index >> 32, np.full(n, round, np.uint64), np.zeros(n, np.uint64)
    p0, p1 = np.empty(n, np.uint64), np.empty(n, np.uint64)
    for _ in range(philox.ROUNDS):
        np.multiply(c0, philox.M0, out=p0)
        np.multiply(c2, philox.M1, out=p1)
        np.right_shift(p1, 32, out=c0)
        np.bitwise_xor(c0, c1, out=c0)
        np.bitwise_xor(c0, k0, out=c0)
        np.right_shift(p0, 32, out=c2)
        np.bitwise_xor(c2, c3, out=c2)
        np.bitwise_xor(c2, k1, out=c2)
        np.bitwise_and(p1, philox.MASK, out=c1)
        np.bitwise_and(p0, philox.MASK, out=c3)
        k0 = (k0 + philox.W0) & philox.MASK
        k1 = (k1 + philox.W1) & philox.MASK
    for lane, word in enumerate((c0, c1, c2, c3)):
        out[:, lane] = word
