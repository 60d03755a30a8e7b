"""Keys: what random numbers are a function of."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from gpugrad import dtypes, errors, trace
from gpugrad.backends import select
from gpugrad.ops.random import fold_key, split_key
from gpugrad.trace import value
from gpugrad.transforms.lift import as_value
from gpugrad.transforms.tape import EAGER

LIMIT = 2**64


def number(x: Any, what: str) -> int:
    """An integer from 0 to 2⁶⁴ - 1; ArgumentError or DtypeError otherwise."""
    try:
        n = operator.index(x)
    except TypeError:
        raise errors.DtypeError(f"{what}={x!r} of type {type(x).__name__}; expected an integer") from None
    if not 0 <= n < LIMIT:
        raise errors.ArgumentError(f"{what}={n}; expected an integer from 0 to 2**64 - 1")
    return n


def words(n: int) -> Any:
    """A 64-bit number as an array of its two words, the low one first."""
    return np.array([n & 0xFFFFFFFF, n >> 32], np.uint32)


def placed(key: Any, device: str | None = None) -> Any:
    """The words of a key as a tensor."""
    target = select.resolve(device or select.default_device())
    if target == "cpu" or select.place(key) == target:  # as in a program, of which it is an input
        return value(key, EAGER, None)
    backend = select.on(target)
    return value(backend.to_device(backend.asarray(key), target), EAGER, None)


def key(seed: int, *, device: str | None = None) -> Any:
    """The key of a seed: a uint32 tensor of shape (2,). Raises ArgumentError unless 0 ≤ seed < 2⁶⁴.

    >>> import gpugrad as gg
    >>> gg.random.key(7)
    tensor([7, 0], dtype=uint32)
    """
    return placed(words(number(seed, "key: seed")), device)


def is_key(x: Any) -> bool:
    """Whether a tensor has the shape and dtype of keys."""
    return bool(x.shape[-1:] == (2,) and dtypes.of(x) == np.uint32)


def checked(key: Any, what: str, instead: str = "") -> Any:
    """``key`` as a tensor; DtypeError, which says what it may be ``instead``, unless it is a key, or a batch of keys."""
    if type(key) is not trace.Tensor and not select.is_array(key):
        way = (
            f": gg.random.key({key})" if isinstance(key, int) else ": g.next_key()" if hasattr(key, "next_key") else ""
        )
        raise errors.DtypeError(f"{what}: key={key!r}; expected a key{way}{instead}")
    out = as_value(key)
    if not is_key(out):
        raise errors.DtypeError(
            f"{what}: key of shape {out.shape} and dtype {out.dtype.name}; expected a key, of shape (2,) and dtype uint32. Make one: gg.random.key(seed)"
        )
    return out


def split(key: Any, count: int = 2) -> Any:
    """``count`` keys from one, of shape (count, 2): unpack them, or map over them. Use ``key`` itself no more.

    The first keys are the same for any ``count``. A batch of keys gives a batch of such results.

    >>> import gpugrad as gg
    >>> for_weights, for_noise = gg.random.split(gg.random.key(0))
    >>> gg.vmap(lambda k: gg.random.normal((3,), key=k))(gg.random.split(for_noise, 5)).shape
    (5, 3)
    """
    k = checked(key, "split")
    return split_key(k, count=number(count, "split: count"))


def fold_in(key: Any, data: Any) -> Any:
    """The key that an integer leads to from ``key``: one for each step, layer or worker, in any order.

    ``data`` is a Python integer, 0 ≤ data < 2⁶⁴, or an integer array, which gives a key for each of its elements (a
    negative one stands for itself plus 2⁶⁴).

    >>> import gpugrad as gg
    >>> gg.random.fold_in(gg.random.key(0), 3).shape
    (2,)
    """
    k = checked(key, "fold_in")
    if isinstance(data, int):
        return fold_key(k, select.full((), number(data, "fold_in: data"), k, np.dtype(np.uint64)))
    numbers = as_value(data)
    if numbers.dtype.kind not in "iu":
        raise errors.DtypeError(f"fold_in: data of dtype {numbers.dtype.name}; expected integers")
    return fold_key(k, numbers)
