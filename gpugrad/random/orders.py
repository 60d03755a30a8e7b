"""Random orders, and choices from a population."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpugrad import errors, trace
from gpugrad.ops.gathering import gather, searchsorted
from gpugrad.ops.linear import reshape, slice_
from gpugrad.ops.linearized import argsort
from gpugrad.ops.random import order, random_below, standard_gumbel, unit
from gpugrad.random.arguments import Key, Size, lengths, source
from gpugrad.random.keys import number
from gpugrad.shapes import axis_of
from gpugrad.trace import value
from gpugrad.transforms.lift import as_value
from gpugrad.transforms.tape import EAGER


def permutation(x: Any, axis: int = 0, *, key: Key = None, device: str | None = None) -> Any:
    """The numbers 0 … x - 1 in random order, int64; or, for an array, its slices along ``axis`` (see :func:`shuffle`).

    O(n log n), by sorting random words of 64 bits.

    >>> import gpugrad as gg
    >>> sorted(gg.random.permutation(5).tolist())
    [0, 1, 2, 3, 4]
    """
    if hasattr(x, "__index__") and not getattr(x, "shape", ()):
        return order(source("permutation", key, device), number(x, "permutation: n"))
    return shuffle(x, axis, key=key)


def shuffle(x: Any, axis: int = 0, *, key: Key = None) -> Any:
    """``x`` with its slices along ``axis`` in random order, which stay whole; differentiable in ``x``.

    NumPy's ``shuffle`` writes into ``x``; this one returns the result.

    >>> import gpugrad as gg
    >>> sorted(gg.random.shuffle([3.0, 1.0, 2.0]).tolist())
    [1.0, 2.0, 3.0]
    """
    x = as_value(x)
    a = axis_of(axis, x.shape, "shuffle")
    return gather(x, order(source("shuffle", key, x.device), x.shape[a]), axis=a)


def choice(
    a: Any,
    shape: Size = (),
    *,
    replace: bool = True,
    p: Any = None,
    axis: int = 0,
    key: Key = None,
    device: str | None = None,
) -> Any:
    """Random elements of ``a`` along ``axis``, or of the numbers 0 … a - 1 for an integer.

    All are equally likely, unless ``p`` gives their probabilities (weights, which need not sum to 1). Without
    ``replace`` no element is drawn twice. Differentiable in ``a``. Raises ArgumentError for weights that are negative, not
    finite or all zero, ShapeError for weights that do not fit and for more draws without replacement than there are
    elements (of positive weight).

    >>> import gpugrad as gg
    >>> sorted(gg.random.choice(4, 4, replace=False).tolist())
    [0, 1, 2, 3]
    >>> gg.random.choice(["red", "blue"], 2)
    Traceback (most recent call last):
        ...
    gpugrad.errors.DtypeError: ...
    """
    sizes = lengths("choice", () if shape is None else shape)
    many = math.prod(sizes)
    population = None if hasattr(a, "__index__") and not getattr(a, "shape", ()) else as_value(a)
    where_ = axis_of(axis, population.shape, "choice") if population is not None else 0
    n = number(a, "choice: a") if population is None else population.shape[where_]
    if n == 0 and many:
        raise errors.ShapeError(f"choice: {many} draws from nothing; expected a population")
    weights = None if p is None else _weights(p, n)
    if not replace:
        available = n if weights is None else int(np.count_nonzero(weights))
        if many > available:
            raise errors.ShapeError(
                f"choice: {many} draws from {available} elements; expected at most as many without replacement. Pass replace=True"
            )
    k = source("choice", key, device or (population.device if population is not None else None))
    index = reshape(_drawn(k, n, many, replace, weights), to=sizes, rank=1)
    return index if population is None else gather(population, index, axis=where_)


def _weights(p: Any, n: int) -> Any:
    if type(p) is trace.Tensor:
        p = p.detach().to("cpu").numpy()
    try:
        weights = np.asarray(p, np.float64)
    except (TypeError, ValueError):
        raise errors.DtypeError(f"choice: p={p!r}; expected a weight for each element") from None
    if weights.shape != (n,):
        raise errors.ShapeError(f"choice: p of shape {weights.shape}; expected ({n},), a weight for each element")
    if not (np.all(weights >= 0.0) and 0.0 < np.sum(weights) < np.inf):
        raise errors.ArgumentError(
            "choice: p has weights that are negative, not finite, or all zero; expected probabilities"
        )
    return weights


def _drawn(key: Any, n: int, many: int, replace: bool, weights: Any) -> Any:
    """Positions, in one row. Weights without replacement: the largest of log p plus Gumbel numbers, which is drawing one
    after another (J. Yellott, 1977); with it: the inverse of the running sums.
    """
    if weights is None:
        if replace:
            return random_below(key, shape=(many,), span=max(n, 1)).astype(np.int64)
        return slice_(order(key, n), spec=((0, many, 1),))
    if replace:
        running = np.cumsum(weights / np.sum(weights))
        return searchsorted(_beside(key, running), unit(key, (many,), np.float64) * float(running[-1]), side="right")
    with np.errstate(divide="ignore"):
        logits = _beside(key, np.log(weights))
    first = argsort(logits + standard_gumbel(key, (n,), np.float64), axis=-1, descending=True)
    return slice_(first, spec=((0, many, 1),))


def _beside(key: Any, array: Any) -> Any:
    """An array of ours on the device of ``key``."""
    return value(array, EAGER, None).to(key.device)
