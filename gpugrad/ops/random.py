"""Random numbers as functions of a key: primitives for words, keys and bounded integers, and the standard variates.

A key is an array of two uint32 words, low word first; leading axes are a batch of keys, so that vmap over keys works.
The words come from Philox (the layout of counters is in ``kernels/philox.py``); everything after them is elementwise,
so that a variate is a function of the words of its own element, on every backend and in any order of computing:

=============== ===================================================================================================
variate         of a word w of n bits (32, or 64 for float64)
=============== ===================================================================================================
``unit``        (w >> (n - d)) · 2⁻ᵈ in [0, 1), exactly; d is the dtype's precision: 53, 24, 11 or 8 bits
``open_unit``   ((w >> (n - d + 1)) + ½) · 2¹⁻ᵈ in (0, 1), exactly
``positive``    (w + ½) · 2⁻ⁿ in (0, 1], rounded once: small values keep their precision
``two_sided``   the lowest bit of w as a sign, and a probability (w >> 1) + ½) · 2⁻ⁿ in (0, ½] of a tail
=============== ===================================================================================================

Variates of half precision, but for ``unit``, are computed in float32 and rounded at the end.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpugrad import dtypes
from gpugrad.kernels import normal_quantile as quantile
from gpugrad.kernels import philox
from gpugrad.ops.elementwise import (
    bitwise_and,
    bitwise_right_shift,
    equal,
    exp,
    less,
    less_equal,
    log,
    log1p,
    minimum,
    tan,
    where,
)
from gpugrad.ops.linear import cast
from gpugrad.ops.linearized import argsort
from gpugrad.primitive import Core, Shape, broadcast_shapes, elementwise, linearized, singular
from gpugrad.trace import Array

__all__: list[str] = []
"""Users find all of this, in their terms, in ``gg.random``."""

# ---- words and keys ---------------------------------------------------------------------------------------------------


def _words_shape(key: Shape, *, shape: Shape, **_: Any) -> Shape:
    return (*key[:-1], *shape)


random_bits = linearized(
    "random_bits",
    None,
    forward=lambda xp, key, *, shape, width: philox.random_bits(xp, key, shape=shape, width=width),
    shape=_words_shape,
    dtype=lambda key, *, shape, width: f"uint{width}",
    operands="key",
    doc="Random words of ``width`` bits (32 or 64) in the given shape.",
)
random_below = linearized(
    "random_below",
    None,
    forward=lambda xp, key, *, shape, span: philox.random_below(xp, key, shape=shape, span=span),
    shape=_words_shape,
    dtype=lambda key, *, shape, span: "uint64",
    operands="key",
    doc="Random integers 0 … span - 1, all equally likely.",
)
split_key = linearized(
    "split_key",
    None,
    forward=lambda xp, key, *, count: philox.split_key(xp, key, count=count),
    shape=lambda s, *, count: (*s[:-1], count, 2),
    operands="key",
    doc="``count`` keys from one, along a new axis before the last.",
)
fold_key = linearized(
    "fold_key",
    None,
    None,
    forward=lambda xp, key, number: philox.fold_key(xp, key, number),
    shape=lambda key, number: (*broadcast_shapes("fold_in", (key[:-1], number)), 2),
    operands="key number",
    batch=Core((1, 0)),
    doc="The key that an integer leads to from a key.",
)
normal_quantile = elementwise(
    "normal_quantile",
    singular(lambda out: math.sqrt(2.0 * math.pi) * exp(0.5 * out * out)),
    forward=quantile.normal_quantile,
    doc="The number that a standard normal variate stays below with probability x.",
)

# ---- uniform variates -------------------------------------------------------------------------------------------------


def width_of(dtype: Any) -> int:
    """Bits of the words that variates of a dtype are made of."""
    return 64 if dtypes.dtype(dtype).itemsize == 8 else 32


def _precision(dtype: Any) -> int:
    return int(dtypes.finfo(dtype).nmant) + 1


def _number(words: Array, dtype: Any, width: int) -> Array:
    return cast(words, dtype=dtypes.dtype(dtype), source=np.dtype(f"uint{width}"))


def _computed_in(dtype: Any) -> Any:
    return np.dtype(np.float32) if dtypes.is_half(dtype) else dtypes.dtype(dtype)


def _rounded(x: Array, dtype: Any) -> Array:
    return cast(x, dtype=dtypes.dtype(dtype), source=np.dtype(np.float32)) if dtypes.is_half(dtype) else x


def unit(key: Array, shape: Shape, dtype: Any) -> Array:
    """Uniform in [0, 1): every multiple of 2⁻ᵈ is equally likely."""
    n, d = width_of(dtype), _precision(dtype)
    return _number(bitwise_right_shift(random_bits(key, shape=shape, width=n), n - d), dtype, n) * 2.0**-d


def open_unit(key: Array, shape: Shape, dtype: Any) -> Array:
    """Uniform in (0, 1), symmetric about ½."""
    n, d = width_of(dtype), _precision(dtype) - 1
    return (_number(bitwise_right_shift(random_bits(key, shape=shape, width=n), n - d), dtype, n) + 0.5) * 2.0**-d


def positive(key: Array, shape: Shape, dtype: Any) -> Array:
    """Uniform in (0, 1], precise where it is small."""
    n = width_of(dtype)
    return (_number(random_bits(key, shape=shape, width=n), dtype, n) + 0.5) * 2.0**-n


def two_sided(key: Array, shape: Shape, dtype: Any) -> tuple[Array, Array]:
    """Whether a variate is on the negative side, and the probability of the tail beyond it, in (0, ½]."""
    n = width_of(dtype)
    words = random_bits(key, shape=shape, width=n)
    tail = (_number(bitwise_right_shift(words, 1), dtype, n) + 0.5) * 2.0**-n
    return equal(bitwise_and(words, 1), 1), tail


def _mirrored(negative: Array, x: Array) -> Array:
    return where(negative, -x, x)


# ---- standard variates: location 0, scale 1 ---------------------------------------------------------------------------


def standard_normal(key: Array, shape: Shape, dtype: Any) -> Array:
    """The quantile function (Wichura, 1988) of a two-sided uniform variate, so that both tails are precise."""
    negative, tail = two_sided(key, shape, _computed_in(dtype))
    return _rounded(_mirrored(negative, -normal_quantile(tail)), dtype)


def standard_exponential(key: Array, shape: Shape, dtype: Any) -> Array:
    """Density e⁻ˣ for x ≥ 0."""
    return _rounded(-log(positive(key, shape, _computed_in(dtype))), dtype)


def standard_gumbel(key: Array, shape: Shape, dtype: Any) -> Array:
    """Distribution function exp(-e⁻ˣ): minus the logarithm of an exponential variate that is precise near 0."""
    wide = _computed_in(dtype)
    u = minimum(positive(key, shape, wide), 1.0 - 0.5 * float(dtypes.finfo(wide).eps))
    return _rounded(-log(-log1p(-u)), dtype)


def standard_laplace(key: Array, shape: Shape, dtype: Any) -> Array:
    """Density e^(-|x|) / 2."""
    negative, tail = two_sided(key, shape, _computed_in(dtype))
    return _rounded(_mirrored(negative, -log(2.0 * tail)), dtype)


def standard_logistic(key: Array, shape: Shape, dtype: Any) -> Array:
    """Distribution function 1 / (1 + e⁻ˣ)."""
    negative, tail = two_sided(key, shape, _computed_in(dtype))
    return _rounded(_mirrored(negative, log1p(-tail) - log(tail)), dtype)


def standard_cauchy(key: Array, shape: Shape, dtype: Any) -> Array:
    """Density 1 / (π (1 + x²))."""
    negative, tail = two_sided(key, shape, _computed_in(dtype))
    return _rounded(_mirrored(negative, 1.0 / tan(math.pi * tail)), dtype)


# ---- events and orders ------------------------------------------------------------------------------------------------


def happens(key: Array, shape: Shape, probability: float) -> Array:
    """True with a probability that is rounded to a multiple of 2⁻³²: a comparison of integers, the same everywhere."""
    words = random_bits(key, shape=shape, width=32)
    threshold = round(probability * 2.0**32)
    return less_equal(words, threshold - 1) if threshold else less(words, 0)


def order(key: Array, count: int) -> Array:
    """The numbers 0 … count - 1 in random order: that which sorts random words of 64 bits.

    Two equal words would favour one order; that happens with a probability of about count² / 2⁶⁵.
    """
    return argsort(random_bits(key, shape=(count,), width=64), axis=-1, descending=False)
