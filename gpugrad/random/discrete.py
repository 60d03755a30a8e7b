"""Events, integers and categories; and dropout, which is made of events."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpugrad import dtypes, errors, trace
from gpugrad.ops.elementwise import less, where
from gpugrad.ops.linear import cast, moved
from gpugrad.ops.linearized import argmax
from gpugrad.ops.promotion import WEAK
from gpugrad.ops.random import happens, random_below, standard_gumbel, unit
from gpugrad.random.arguments import Key, Size, lengths, sizes_of, source
from gpugrad.shapes import axis_of
from gpugrad.transforms.lift import as_value


def _probability(p: Any, name: str) -> float:
    try:
        chance = float(p)
    except errors.GpugradError:
        raise
    except (TypeError, ValueError):
        raise errors.DtypeError(
            f"{name}: p={p!r} of type {type(p).__name__}; expected a probability, 0 ≤ p ≤ 1"
        ) from None
    if not 0.0 <= chance <= 1.0:
        raise errors.ArgumentError(f"{name}: p={p}; expected a probability, 0 ≤ p ≤ 1")
    return chance


def bernoulli(p: Any = 0.5, shape: Size = None, *, key: Key = None, device: str | None = None) -> Any:
    """True with probability ``p``, a number or a tensor; booleans, without a derivative.

    Raises ArgumentError for a number outside [0, 1]; a tensor counts as if it were clipped to that.

    >>> import gpugrad as gg
    >>> gg.random.bernoulli(1.0, (3,))
    tensor([ True,  True,  True])
    """
    if type(p) in WEAK or isinstance(p, np.integer | np.floating):
        return happens(source("bernoulli", key, device), sizes_of("bernoulli", shape, ()), _probability(p, "bernoulli"))
    p = as_value(p)
    sizes = sizes_of("bernoulli", shape, (p,))
    wide = np.dtype(np.float32) if p.dtype.itemsize < 8 else np.dtype(np.float64)
    return less(unit(source("bernoulli", key, device or p.device), sizes, wide), p.astype(wide))


def dropout(x: Any, p: float = 0.5, *, key: Key = None) -> Any:
    """``x`` with each element set to 0 with probability ``p``, and the others divided by 1 - p, so that the mean stays.

    The same key drops the same elements, whatever the dtype. Raises ArgumentError unless 0 ≤ p ≤ 1, DtypeError for ``x``
    that is not floating.

    >>> import gpugrad as gg
    >>> gg.random.dropout(gg.tensor([1.0, 2.0, 3.0]), 0.0)
    tensor([1., 2., 3.])
    """
    x = as_value(x)
    if not dtypes.is_inexact(x.dtype):
        raise errors.DtypeError(
            f"dropout of a tensor of dtype {x.dtype.name}; expected a floating-point one. Cast it: x.astype('float32')"
        )
    kept = 1.0 - _probability(p, "dropout")
    k = source("dropout", key, x.device)
    if kept == 1.0:
        return x
    mask = happens(k, x.shape, kept)
    return where(mask, x * (1.0 / kept) if kept else x, 0.0)


def randint(
    low: int,
    high: int | None = None,
    shape: Size = (),
    *,
    dtype: Any = "int64",
    key: Key = None,
    device: str | None = None,
) -> Any:
    """Integers from low to high - 1 (from 0 to low - 1 if only one is given), all exactly equally likely.

    Words of 64 bits, of which those that would favour some numbers are drawn again. Raises ArgumentError for an empty
    range or one that ``dtype`` cannot hold, DtypeError for bounds that are not Python integers.

    >>> import gpugrad as gg
    >>> sorted(set(gg.random.randint(6, shape=1000, key=gg.random.key(0)).tolist()))
    [0, 1, 2, 3, 4, 5]
    """
    low, high = (0, low) if high is None else (low, high)
    for n in (low, high):
        if not hasattr(n, "__index__") or isinstance(n, trace.Tensor) or getattr(n, "shape", None):
            raise errors.DtypeError(f"randint: bound {n!r} of type {type(n).__name__}; expected a Python integer")
    low, high = low.__index__(), high.__index__()
    kind = dtypes.dtype(dtype)
    if kind.kind not in "iu":
        raise errors.DtypeError(f"randint: dtype {kind.name}; expected an integer dtype")
    limits = np.iinfo(kind)
    if not limits.min <= low < high <= int(limits.max) + 1:
        raise errors.ArgumentError(
            f"randint: low={low}, high={high} for dtype {kind.name}; expected {limits.min} ≤ low < high ≤ {int(limits.max) + 1}"
        )
    words = random_below(
        source("randint", key, device), shape=lengths("randint", () if shape is None else shape), span=high - low
    )
    numbers = cast(words, dtype=kind, source=np.dtype(np.uint64))  # the low bits, so that adding wraps to what is meant
    return numbers + low if low else numbers


def categorical(logits: Any, shape: Size = None, *, axis: int = -1, key: Key = None) -> Any:
    """Indices along ``axis``, drawn with probabilities ``softmax(logits, axis)``; int64, without a derivative.

    The result has the shape of ``logits`` without ``axis``; ``shape`` are axes of further draws in front. By the
    largest of the logits plus Gumbel numbers, so that a logit of -∞ is never drawn.

    >>> import gpugrad as gg
    >>> gg.random.categorical([-1e9, 0.0, -1e9], 4)
    tensor([1, 1, 1, 1])
    """
    x = as_value(logits)
    if not dtypes.is_float(x.dtype):
        raise errors.DtypeError(f"categorical: logits of dtype {x.dtype.name}; expected floating-point ones")
    front = () if shape is None else lengths("categorical", shape)
    a = axis_of(axis, x.shape, "categorical")
    if not x.shape[a]:
        raise errors.ShapeError(
            f"categorical: logits of shape {x.shape} have no categories along axis {axis}; expected at least one"
        )
    x = moved(x, a, -1)
    wide = np.dtype(np.float32) if dtypes.is_half(x.dtype) else x.dtype
    noise = standard_gumbel(source("categorical", key, x.device), (*front, *x.shape), wide)
    return argmax(x.detach().astype(wide) + noise, axis=-1)
