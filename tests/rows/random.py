"""Random numbers: words against Philox in Python's integers, and how samples follow their parameters."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import numpy as np
from case import Case

import gpugrad as gg
from gpugrad.kernels import philox
from gpugrad.ops import random as ops

KEY = gg.random.key(2011)
"""A key that rows share: what a row draws is then a function of its arguments."""

Rng = np.random.Generator


def some_key(rng: Rng) -> Any:
    return rng.integers(0, 2**32, size=2, dtype=np.uint32)


def keys(*batch: int) -> Callable[[Rng], tuple[Any]]:
    return lambda rng: (rng.integers(0, 2**32, size=(*batch, 2), dtype=np.uint32),)


def each_key(key: Any, f: Callable[[int, int], list[Any]], shape: tuple[int, ...], dtype: str) -> Any:
    """``f(k0, k1)``, as an array of ``shape``, for every key of a batch."""
    rows = [np.array(f(int(k0), int(k1)), dtype).reshape(shape) for k0, k1 in key.reshape(-1, 2)]
    return np.array(rows, dtype).reshape(key.shape[:-1] + shape)


def words(k0: int, k1: int, count: int, round: int = 0) -> list[int]:
    """The first words of a key, by the layout that ``kernels/philox.py`` states."""
    return [philox.block(w // 4 & philox.MASK, w // 4 >> 32, round, 0, k0, k1)[w % 4] for w in range(count)]


def wide_words(k0: int, k1: int, count: int, round: int = 0) -> list[int]:
    narrow = words(k0, k1, 2 * count, round)
    return [low | high << 32 for low, high in zip(narrow[::2], narrow[1::2], strict=True)]


def bits(shape: tuple[int, ...], width: int) -> Callable[[Any], Any]:
    words_of = words if width == 32 else wide_words
    return lambda key: each_key(key, lambda k0, k1: words_of(k0, k1, math.prod(shape)), shape, f"uint{width}")


def below(count: int, span: int) -> Callable[[Any], Any]:
    """Each from the first of its words that is not rejected."""
    limit = 2**64 // span * span

    def draw(k0: int, k1: int) -> list[int]:
        rounds = [wide_words(k0, k1, count, r) for r in range(20)]
        return [next(r[e] for r in rounds if r[e] < limit) % span for e in range(count)]

    return lambda key: each_key(key, draw, (count,), "uint64")


def split(count: int) -> Callable[[Any], Any]:
    return lambda key: each_key(
        key, lambda k0, k1: [philox.block(i, 0, 0, 1, k0, k1)[:2] for i in range(count)], (count, 2), "uint32"
    )


def fold(key: Any, number: Any) -> Any:
    n = int(number) % 2**64
    return each_key(key, lambda k0, k1: list(philox.block(n & philox.MASK, n >> 32, 0, 2, k0, k1)[:2]), (2,), "uint32")


def quantile(p: Any) -> Any:
    return np.vectorize(NormalDist().inv_cdf, otypes=[float])(p)


OTHER_WORDS = dict.fromkeys(("float32", "float16", "bfloat16"), "samples of another dtype are made of other words")


def follows(name: str, *parameters: tuple[float, float], shape: tuple[int, ...] = (3,), draw: Any = None) -> Case:
    """A distribution of the given number of parameters, each drawn from an interval, as a function of them."""
    sampler = draw or (lambda *p: getattr(gg.random, name)(shape, *p, key=KEY))
    return Case(
        f"random.{name}",
        sampler,
        lambda rng: tuple(rng.uniform(a, b, size=shape) for a, b in parameters),
        without=OTHER_WORDS,
    )


PLACE_AND_SCALE = ((-1.0, 1.0), (0.5, 2.0))

CASES = [
    *(
        Case(f"random_bits shape={shape} width={width}", lambda k, s=shape, w=width: ops.random_bits(k, shape=s, width=w), keys(), bits(shape, width), ())
        for shape in ((), (5,), (2, 3), (0, 2))
        for width in (32, 64)
    ),
    Case("random_bits of keys", lambda k: ops.random_bits(k, shape=(3,), width=32), keys(2, 2), bits((3,), 32), ()),
    Case("random_bits in many blocks", lambda k: ops.random_bits(k, shape=(3001,), width=32), keys(), bits((3001,), 32), ()),
    *(
        Case(f"random_below span={span}", lambda k, s=span: ops.random_below(k, shape=(7,), span=s), keys(), below(7, span), ())
        for span in (1, 6, 2**32, 2**63 + 1, 2**64 - 1, 2**64)
    ),
    Case("split_key", lambda k: ops.split_key(k, count=3), keys(), split(3), ()),
    Case("split_key of keys", lambda k: ops.split_key(k, count=2), keys(3), split(2), ()),
    Case("fold_key", lambda k, n: ops.fold_key(k, n), lambda rng: (some_key(rng), rng.integers(-(2**63), 2**63)), fold, ()),
    Case("normal_quantile", lambda p: ops.normal_quantile(p), lambda rng: (rng.uniform(0.1, 0.9, (2, 3)),), quantile),
    Case("normal_quantile in the tails", lambda p: ops.normal_quantile(p), lambda rng: (np.array([0.02, 0.06, 0.93, 0.97]),), quantile, tol=1e-5),
    Case("normal_quantile far out", lambda p: ops.normal_quantile(p), lambda rng: (np.array([1e-300, 1e-12, 0.5, 1 - 1e-12]),), quantile, (), without=dict.fromkeys(("float32", "float16", "bfloat16"), "it has no such small numbers")),
    follows("uniform", (-2.0, -1.0), (1.0, 2.0)),
    *(follows(name, *PLACE_AND_SCALE) for name in ("normal", "laplace", "logistic", "gumbel")),
    follows("cauchy", *PLACE_AND_SCALE, shape=(2,)),
    follows("exponential", (0.5, 2.0), shape=(2, 2)),
    follows("truncated_normal", (-1.5, -1.0), (1.0, 1.5), (-0.5, 0.5), (0.5, 2.0)),
    Case("random.truncated_normal in a tail", lambda a: gg.random.truncated_normal(lower=a, upper=12.0, key=KEY), lambda rng: (rng.uniform(8.0, 9.0, 3),), without=OTHER_WORDS),
    Case("random.normal loc broadcast", lambda m: gg.random.normal((2, 3), m, key=KEY), lambda rng: (rng.normal(size=(3,)),), without=OTHER_WORDS),
    Case("random.dropout", lambda x: gg.random.dropout(x, 0.4, key=KEY), lambda rng: (rng.normal(size=(3, 4)),)),
    Case("random.dropout p=1", lambda x: gg.random.dropout(x, 1.0, key=KEY), lambda rng: (rng.normal(size=(3,)),), np.zeros_like),
    Case("random.dropout p=0", lambda x: gg.random.dropout(x, 0.0, key=KEY), lambda rng: (rng.normal(size=(3,)),), np.positive),
    Case("random.shuffle axis=1", lambda x: gg.random.shuffle(x, 1, key=KEY), lambda rng: (rng.normal(size=(2, 4)),)),
    Case("random.choice replace=False", lambda x: gg.random.choice(x, (2,), replace=False, key=KEY), lambda rng: (rng.normal(size=(4, 2)),)),
    Case("random.choice of keys", lambda k: gg.random.choice(5, (2, 2), key=k), keys(), argnums=()),
    Case("random.permutation of keys", lambda k: gg.random.permutation(6, key=k), keys(), argnums=()),
    Case("random.normal of keys", lambda k: gg.random.normal((2,), key=k), keys(), argnums=()),
    Case("random.randint of keys", lambda k: gg.random.randint(-5, 6, (4,), key=k), keys(), argnums=()),
    Case("random.bernoulli of keys", lambda k: gg.random.bernoulli(0.5, (4,), key=k), keys(), argnums=()),
    Case("random.categorical", lambda k, x: gg.random.categorical(x, axis=0, key=k), lambda rng: (some_key(rng), rng.normal(size=(3, 2))), argnums=(), without=OTHER_WORDS),
]  # fmt: skip
