"""Randomness: known answers, the layout of streams, distributions against their own formulas, keys and generators."""

from __future__ import annotations

import copy
import itertools as it
import math
import multiprocessing
import os
import pickle
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import errors
from gpugrad.kernels import normal_quantile, philox, philox_numpy
from gpugrad.ops import random as ops
from gpugrad.testing import check_grads

KEY = gg.random.key(1234)
FLOATS = ("float64", "float32", "float16", "bfloat16")
N = 200_000


def numbers(x: Any) -> Any:
    """A tensor as a NumPy array in float64, or in its integers."""
    x = x.numpy()
    return x if x.dtype.kind in "biu" else x.astype(np.float64)


# ---- words ------------------------------------------------------------------------------------------------------------

KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]
"""Counter, key and words, from kat_vectors of the authors' Random123 library."""


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN)
def test_known_answers(counter: Any, key: Any, words: Any) -> None:
    assert philox.block(*counter, *key) == words
    arrays = [np.array([w], np.uint64) for w in (*counter, *key)]
    assert [int(w[0]) for w in philox.block(*arrays)] == list(words)


def test_key_zero_gives_the_first_known_answer() -> None:
    assert tuple(gg.random.bits(4, key=gg.random.key(0)).tolist()) == KNOWN[0][2]


@pytest.mark.parametrize("width", [32, 64])
def test_fewer_words_are_the_first_of_more(width: int) -> None:
    many = gg.random.bits(1001, width=width, key=KEY).tolist()
    for n in (0, 1, 2, 3, 5, 999):
        assert gg.random.bits(n, width=width, key=KEY).tolist() == many[:n]


def test_a_wide_word_is_two_narrow_ones_the_low_one_first() -> None:
    low, high = np.reshape(gg.random.bits(20, key=KEY).numpy(), (10, 2)).T.astype(np.uint64)
    assert np.array_equal(gg.random.bits(10, width=64, key=KEY).numpy(), low | high << np.uint64(32))


@pytest.mark.parametrize("batch", [(), (1,), (3,), (2, 2), (0,)])
@pytest.mark.parametrize("shape", [(), (0,), (7,), (3, 2000), (40_003,)])
@pytest.mark.parametrize("width", [32, 64])
def test_numpy_gives_the_general_words(batch: Any, shape: Any, width: int, rng: Any) -> None:
    key = rng.integers(0, 2**32, size=(*batch, 2), dtype=np.uint32)
    for round in (0, 3):
        wanted = philox.random_bits(np, key, shape=shape, width=width, round=round)
        got = philox_numpy.random_bits(key, shape=shape, width=width, round=round)
        assert got.dtype == wanted.dtype and np.array_equal(got, wanted)
    span = 2**63 + 2**62
    wanted = philox.random_below(np, key, shape=shape, span=span)
    assert np.array_equal(philox_numpy.random_below(key, shape=shape, span=span), wanted)


def test_blocks_beyond_32_bits_have_counters_of_their_own() -> None:
    assert philox.block(0, 1, 0, 0, 5, 6) != philox.block(0, 0, 0, 0, 5, 6)


@pytest.mark.parametrize("bit", [0, 7, 31])
def test_words_are_balanced_in_every_bit(bit: int) -> None:
    ones = int(np.sum(gg.random.bits(N, key=KEY).numpy() >> np.uint32(bit) & np.uint32(1)))
    assert abs(ones - N / 2) < 5 * math.sqrt(N) / 2


def test_bits_refuses_other_widths() -> None:
    with pytest.raises(ValueError, match="width=16; expected 32 or 64"):
        gg.random.bits(1, width=16)


# ---- keys -------------------------------------------------------------------------------------------------------------


def test_a_key_is_the_seed_low_word_first() -> None:
    assert gg.random.key(2**40 + 3).tolist() == [3, 256]
    assert gg.random.key(np.int64(5)).tolist() == [5, 0]


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_seeds_out_of_range(seed: int) -> None:
    with pytest.raises(ValueError, match="expected an integer from 0 to"):
        gg.random.key(seed)
    with pytest.raises(ValueError, match="expected an integer from 0 to"):
        gg.random.seed(seed)


def test_seeds_of_another_kind() -> None:
    with pytest.raises(errors.DtypeError, match=r"seed=1\.5 of type float; expected an integer"):
        gg.random.key(1.5)  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [7, None, "k", [1, 2], np.zeros(2), np.zeros(3, np.uint32)])
def test_what_is_not_a_key(bad: Any) -> None:
    with pytest.raises(errors.DtypeError, match="expected a key"):
        gg.random.split(bad)


def test_an_integer_as_key_names_the_way_out() -> None:
    with pytest.raises(errors.DtypeError, match=r"gg\.random\.key\(7\)"):
        gg.random.normal((2,), key=7)


def test_split_is_one_stream_of_keys() -> None:
    assert gg.random.split(KEY, 2).tolist() == gg.random.split(KEY, 5).tolist()[:2]
    assert gg.random.split(KEY, 0).shape == (0, 2)
    many = {tuple(k) for k in gg.random.split(KEY, 10_000).tolist()}
    assert len(many) == 10_000


def test_fold_in_takes_numbers_arrays_and_negatives() -> None:
    folded = gg.random.fold_in(KEY, [0, 5, -1]).tolist()
    assert folded == [gg.random.fold_in(KEY, n).tolist() for n in (0, 5, 2**64 - 1)]
    k = 0x1234_5678_9ABC_DEF0
    wanted = philox.derived(k, 77, philox.FOLD)
    assert gg.random.fold_in(gg.random.key(k), 77).tolist() == gg.random.key(wanted).tolist()


def test_fold_in_refuses_what_is_not_an_integer() -> None:
    with pytest.raises(errors.DtypeError, match="expected integers"):
        gg.random.fold_in(KEY, [0.5])
    with pytest.raises(ValueError, match="expected an integer from 0"):
        gg.random.fold_in(KEY, -1)


def test_derived_keys_and_words_never_meet() -> None:
    words = {tuple(w) for w in np.reshape(gg.random.bits(4000, key=KEY).numpy(), (-1, 2)).tolist()}
    split = {tuple(k) for k in gg.random.split(KEY, 1000).tolist()}
    folded = {tuple(k) for k in gg.random.fold_in(KEY, gg.arange(1000)).tolist()}
    assert len(words | split | folded) == len(words) + len(split) + len(folded)


SAMPLERS: dict[str, Callable[[Any], Any]] = {
    "bits": lambda k: gg.random.bits((2, 3), key=k),
    "uniform": lambda k: gg.random.uniform((5,), -1.0, 2.0, key=k),
    "normal": lambda k: gg.random.normal((3, 3), dtype="float32", key=k),
    "truncated_normal": lambda k: gg.random.truncated_normal((4,), key=k),
    "randint": lambda k: gg.random.randint(100, shape=(6,), key=k),
    "bernoulli": lambda k: gg.random.bernoulli(0.3, (6,), key=k),
    "categorical": lambda k: gg.random.categorical(np.zeros((2, 3)), (2,), key=k),
    "permutation": lambda k: gg.random.permutation(6, key=k),
    "shuffle": lambda k: gg.random.shuffle(np.arange(6.0), key=k),
    "choice": lambda k: gg.random.choice(6, 3, p=[1, 2, 3, 0, 1, 1], key=k),
    "choice without replacement": lambda k: gg.random.choice(6, 3, replace=False, p=[1, 2, 3, 0, 1, 1], key=k),
    "dropout": lambda k: gg.random.dropout(np.ones(8), 0.5, key=k),
    "split": gg.random.split,
    "fold_in": lambda k: gg.random.fold_in(k, 3),
}


@pytest.mark.parametrize("name", SAMPLERS)
def test_vmap_over_keys_equals_a_loop(name: str) -> None:
    draw = SAMPLERS[name]
    keys = gg.random.split(KEY, 4)
    got = gg.vmap(draw)(keys)
    assert np.array_equal(got.numpy(), np.stack([draw(k).numpy() for k in keys]))
    grid = keys.reshape(2, 2, 2)
    twice = gg.vmap(gg.vmap(draw))(grid)
    assert np.array_equal(twice.numpy().reshape(got.shape), got.numpy())


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_reference_backend_gives_the_same(name: str) -> None:
    here = SAMPLERS[name](KEY).numpy()
    with gg.use_backend("reference"):
        there = SAMPLERS[name](KEY).numpy()
    if here.dtype.kind == "f":
        np.testing.assert_allclose(here, there, rtol=4 * np.finfo(here.dtype).eps)
    else:
        assert np.array_equal(here, there)


def test_a_key_that_is_not_mapped_over_is_shared() -> None:
    x = gg.vmap(lambda m: gg.random.normal((3,), m, key=KEY))(gg.tensor([0.0, 10.0])).numpy()
    np.testing.assert_allclose(x[1] - x[0], 10.0)


# ---- from words to numbers, at the ends -------------------------------------------------------------------------------


@pytest.fixture(params=["zeros", "ones", "one", "all but one"])
def extreme(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Words that are hardly ever seen."""

    def words(key: Any, *, shape: Any, width: int) -> Any:
        top = 2**width - 1
        fill = {"zeros": 0, "ones": top, "one": 1, "all but one": top - 1}[request.param]
        return gg.asarray(np.full(shape, fill, f"uint{width}"))

    monkeypatch.setattr(ops, "random_bits", words)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.usefixtures("extreme")
def test_extreme_words(dtype: str) -> None:
    u = numbers(ops.unit(KEY, (1,), dtype))
    assert 0.0 <= u < 1.0
    assert 0.0 < numbers(ops.open_unit(KEY, (1,), dtype)) < 1.0
    wide = dtype if dtype in ("float64", "float32") else "float32"
    assert 0.0 < numbers(ops.positive(KEY, (1,), wide)) <= 1.0
    assert 0.0 < numbers(ops.two_sided(KEY, (1,), wide)[1]) <= 0.5
    for name in ("normal", "exponential", "gumbel", "laplace", "logistic"):
        z = numbers(getattr(ops, f"standard_{name}")(KEY, (1,), dtype))
        assert np.all(np.isfinite(z)), name
    z = gg.random.truncated_normal((1,), -np.inf, np.inf, dtype=dtype, key=KEY)
    assert np.all(np.isfinite(numbers(z)))


@pytest.mark.parametrize(("dtype", "bits"), [("float64", 53), ("float32", 24), ("float16", 11), ("bfloat16", 8)])
def test_uniform_is_exact(dtype: str, bits: int) -> None:
    u = gg.random.uniform((1000,), dtype=dtype, key=KEY)
    assert u.dtype.name == dtype
    whole = numbers(u) * 2.0**bits
    assert np.array_equal(whole, np.round(whole))
    width = 64 if dtype == "float64" else 32
    words = gg.random.bits(1000, width=width, key=KEY).numpy()
    assert np.array_equal(whole.astype(words.dtype), words >> words.dtype.type(width - bits))


def test_precisions_agree_where_they_share_words() -> None:
    x = [numbers(gg.random.normal((1000,), dtype=d, key=KEY)) for d in ("float32", "float16", "bfloat16")]
    np.testing.assert_allclose(x[1], x[0], rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(x[2], x[0], rtol=1e-2)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 4e-15), ("float32", 1e-6)])
def test_normal_quantile(dtype: str, tolerance: float) -> None:
    tails = 10.0 ** -np.arange(1.0, 300.0 if dtype == "float64" else 37.0)
    p = np.concatenate([np.linspace(0.001, 0.999, 999), tails]).astype(dtype)
    x = numbers(ops.normal_quantile(gg.asarray(p)))
    back = np.array([math.erfc(-v / math.sqrt(2.0)) / 2.0 for v in x])
    slope = np.array([max(math.exp(-v * v / 2.0) / math.sqrt(2.0 * math.pi), 1e-320) for v in x])
    off = (back - p) / slope  # one step of Newton, from where the answer should be
    assert np.max(np.abs(off) / np.maximum(np.abs(x), 0.5)) < tolerance
    assert np.array_equal(x, numbers(gg.asarray(normal_quantile.normal_quantile(np, p))))


def test_normal_quantile_at_the_ends_and_outside() -> None:
    x = ops.normal_quantile(gg.tensor([0.0, 1.0, 0.5, -0.1, 1.1, np.nan]))
    assert np.array_equal(x.numpy(), [-np.inf, np.inf, 0.0, np.nan, np.nan, np.nan], equal_nan=True)
    assert ops.normal_quantile(gg.tensor(np.zeros((0, 2)))).shape == (0, 2)


# ---- distributions ----------------------------------------------------------------------------------------------------


def phi(x: Any) -> Any:
    return np.vectorize(lambda v: math.erfc(-v / math.sqrt(2.0)) / 2.0)(x)


CONTINUOUS: dict[str, tuple[Callable[..., Any], Callable[[Any], Any]]] = {
    "uniform": (lambda **k: gg.random.uniform(20_000, -1.0, 3.0, **k), lambda x: (x + 1.0) / 4.0),
    "normal": (lambda **k: gg.random.normal(20_000, 2.0, 0.5, **k), lambda x: phi((x - 2.0) / 0.5)),
    "truncated_normal": (
        lambda **k: gg.random.truncated_normal(20_000, -1.0, 3.0, 0.5, 2.0, **k),
        lambda x: (phi((x - 0.5) / 2.0) - phi(-0.75)) / (phi(1.25) - phi(-0.75)),
    ),
    "exponential": (lambda **k: gg.random.exponential(20_000, 3.0, **k), lambda x: -np.expm1(-x / 3.0)),
    "laplace": (
        lambda **k: gg.random.laplace(20_000, 1.0, 2.0, **k),
        lambda x: 0.5 + np.sign(x - 1.0) * -np.expm1(-np.abs(x - 1.0) / 2.0) / 2.0,
    ),
    "logistic": (
        lambda **k: gg.random.logistic(20_000, 1.0, 2.0, **k),
        lambda x: 1.0 / (1.0 + np.exp((1.0 - x) / 2.0)),
    ),
    "gumbel": (lambda **k: gg.random.gumbel(20_000, 1.0, 2.0, **k), lambda x: np.exp(-np.exp((1.0 - x) / 2.0))),
    "cauchy": (lambda **k: gg.random.cauchy(20_000, 1.0, 2.0, **k), lambda x: 0.5 + np.arctan((x - 1.0) / 2.0) / np.pi),
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", CONTINUOUS)
def test_distribution_function(name: str, dtype: str) -> None:
    """The largest distance between the empirical distribution function and the formula (Kolmogorov and Smirnov)."""
    draw, cdf = CONTINUOUS[name]
    x = np.sort(numbers(draw(key=KEY, dtype=dtype)))
    n = len(x)
    p = cdf(x)
    distance = max(np.max(np.arange(1, n + 1) / n - p), np.max(p - np.arange(n) / n))
    assert math.sqrt(n) * distance < 1.95  # exceeded with probability 0.001


@pytest.mark.parametrize("dtype", FLOATS)
def test_moments_of_the_normal(dtype: str) -> None:
    z = numbers(gg.random.normal((N,), dtype=dtype, key=KEY))
    for power, moment in ((1, 0.0), (2, 1.0), (3, 0.0), (4, 3.0), (6, 15.0)):
        spread = math.sqrt(math.prod(range(1, 2 * power, 2)) - moment**2)
        assert abs(np.mean(z**power) - moment) < 5.0 * spread / math.sqrt(N), power


def test_neighbours_are_independent() -> None:
    z = numbers(gg.random.normal((N,), key=KEY))
    for lag in (1, 2, 3, 4, 8):
        assert abs(np.mean(z[:-lag] * z[lag:])) < 5.0 / math.sqrt(N)
    a, b = (numbers(gg.random.normal((N,), key=k)) for k in gg.random.split(KEY))
    assert abs(np.mean(a * b)) < 5.0 / math.sqrt(N)


def chi_square(counts: Any, expected: Any) -> float:
    """By how many standard deviations χ² exceeds its mean."""
    statistic = float(np.sum((counts - expected) ** 2 / expected))
    freedom = len(counts) - 1
    return (statistic - freedom) / math.sqrt(2.0 * freedom)


@pytest.mark.parametrize("span", [2, 6, 100, 255])
def test_randint_is_even(span: int) -> None:
    x = gg.random.randint(-3, span - 3, (N,), key=KEY).numpy()
    assert x.dtype == np.int64 and x.min() == -3 and x.max() == span - 4
    counts = np.bincount(x + 3, minlength=span)
    assert abs(chi_square(counts, np.full(span, N / span))) < 4.5


def test_randint_of_a_span_that_rejects_often() -> None:
    span = 2**63 + 2**62  # a quarter of the words is drawn again
    x = gg.random.randint(span, shape=(N,), dtype="uint64", key=KEY).numpy()
    counts = np.bincount((x >> np.uint64(60)).astype(int), minlength=12)
    assert len(counts) == 12 and abs(chi_square(counts, np.full(12, N / 12))) < 4.5


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "uint32", "int64", "uint64"])
def test_randint_reaches_both_ends(dtype: str) -> None:
    limits = np.iinfo(dtype)
    low, high = int(limits.min), int(limits.max)
    x = gg.random.randint(low, high + 1, (1000,), dtype=dtype, key=KEY).numpy()
    assert x.dtype == dtype and x.min() < low + (high - low) // 100 and x.max() > high - (high - low) // 100
    assert set(gg.random.randint(high - 1, high + 1, (50,), dtype=dtype, key=KEY).tolist()) == {high - 1, high}
    assert set(gg.random.randint(low, low + 2, (50,), dtype=dtype, key=KEY).tolist()) == {low, low + 1}


def test_randint_refuses() -> None:
    for low, high, dtype in (
        (3, 3, "int64"),
        (4, 3, "int64"),
        (0, 257, "uint8"),
        (-1, 3, "uint32"),
        (0, 2**64, "int64"),
    ):
        with pytest.raises(ValueError, match="≤ low < high ≤"):
            gg.random.randint(low, high, dtype=dtype)
    with pytest.raises(errors.DtypeError, match="expected a Python integer"):
        gg.random.randint(1.5)  # type: ignore[arg-type]
    with pytest.raises(errors.DtypeError, match="expected a Python integer"):
        gg.random.randint(np.array([1, 2]))  # type: ignore[arg-type]
    with pytest.raises(errors.DtypeError, match="expected an integer dtype"):
        gg.random.randint(3, dtype="float32")


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.999, 1.0])
def test_bernoulli(p: float) -> None:
    for given in (p, gg.full((N,), p), gg.tensor(p, dtype="float32")):
        x = gg.random.bernoulli(given, (N,), key=KEY)
        assert x.dtype == bool and x.shape == (N,)
        assert abs(np.mean(x.numpy()) - p) <= 5.0 * math.sqrt(p * (1 - p) / N)


def test_bernoulli_refuses() -> None:
    for p in (1.5, np.float64(1.5), np.int64(2)):
        with pytest.raises(ValueError, match="0 ≤ p ≤ 1"):
            gg.random.bernoulli(p)
    assert gg.random.bernoulli(np.float64(0.3), 50, key=KEY).tolist() == gg.random.bernoulli(0.3, 50, key=KEY).tolist()


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_categorical(dtype: str) -> None:
    p = np.array([0.1, 0.0, 0.4, 0.25, 0.25])
    with np.errstate(divide="ignore"):
        logits = gg.asarray((np.log(p) + 3.0).astype(dtype))
    x = gg.random.categorical(logits, (N,), key=KEY)
    assert x.dtype == np.int64 and x.shape == (N,)
    counts = np.bincount(x.numpy(), minlength=5)
    assert counts[1] == 0
    assert abs(chi_square(counts[p > 0], N * p[p > 0])) < 4.5


def test_categorical_axes_and_errors() -> None:
    logits = np.zeros((2, 3, 4))
    assert gg.random.categorical(logits).shape == (2, 3)
    assert gg.random.categorical(logits, axis=0).shape == (3, 4)
    assert gg.random.categorical(logits, (5,), axis=1).shape == (5, 2, 4)
    assert gg.random.categorical(logits, axis=0).numpy().max() < 2
    with pytest.raises(errors.AxisError):
        gg.random.categorical(logits, axis=3)
    with pytest.raises(errors.DtypeError, match="expected floating-point"):
        gg.random.categorical([1, 2])
    with pytest.raises(errors.ShapeError, match="at least one"):
        gg.random.categorical(np.zeros((2, 0)))


def test_permutations_are_equally_likely() -> None:
    rows = gg.vmap(lambda k: gg.random.permutation(4, key=k))(gg.random.split(KEY, 24_000)).numpy()
    orders = {order: k for k, order in enumerate(it.permutations(range(4)))}
    counts = np.bincount([orders[tuple(row)] for row in rows.tolist()], minlength=24)
    assert abs(chi_square(counts, np.full(24, 1000.0))) < 4.5


def test_permutation_and_shuffle() -> None:
    order = gg.random.permutation(50, key=KEY)
    assert sorted(order.tolist()) == list(range(50)) and order.dtype == np.int64
    x = np.arange(150.0).reshape(50, 3)
    assert np.array_equal(gg.random.permutation(x, key=KEY).numpy(), x[order.numpy()])
    assert np.array_equal(gg.random.shuffle(x.T, 1, key=KEY).numpy(), x.T[:, order.numpy()])
    assert gg.random.permutation(0).shape == (0,)
    with pytest.raises(errors.AxisError):
        gg.random.shuffle(x, 2)
    with pytest.raises(ValueError, match="n=-1"):
        gg.random.permutation(-1)


def test_shuffle_is_differentiable() -> None:
    w = np.arange(5.0)
    order = gg.random.permutation(5, key=KEY).numpy()
    g = gg.grad(lambda x: (gg.random.shuffle(x, key=KEY) * w).sum())(np.zeros(5)).numpy()
    assert np.array_equal(g[order], w)


def test_choice_with_weights() -> None:
    p = np.array([0.5, 0.0, 0.2, 0.3])
    counts = np.bincount(gg.random.choice(4, (N,), p=p, key=KEY).numpy(), minlength=4)
    assert counts[1] == 0 and abs(chi_square(counts[p > 0], N * p[p > 0])) < 4.5
    heavy = gg.random.choice(4, (N,), p=1000 * p, key=KEY)
    assert np.array_equal(np.bincount(heavy.numpy(), minlength=4), counts)


def test_choice_without_replacement_with_weights() -> None:
    p = np.array([0.5, 0.0, 0.2, 0.3])
    pairs = gg.vmap(lambda k: gg.random.choice(4, 2, replace=False, p=p, key=k))(gg.random.split(KEY, 20_000)).numpy()
    assert np.all(pairs[:, 0] != pairs[:, 1]) and not np.any(pairs == 1)
    wanted = {(a, b): p[a] * p[b] / (1.0 - p[a]) for a in (0, 2, 3) for b in (0, 2, 3) if a != b}
    counts = np.array([np.sum((pairs[:, 0] == a) & (pairs[:, 1] == b)) for a, b in wanted])
    assert abs(chi_square(counts, 20_000 * np.array(list(wanted.values())))) < 4.5


def test_choice_of_slices() -> None:
    x = np.arange(12.0).reshape(3, 4)
    assert gg.random.choice(x, (2, 2)).shape == (2, 2, 4)
    assert gg.random.choice(x, (5,), axis=1).shape == (3, 5)
    assert sorted(gg.random.choice(x, 3, replace=False).numpy()[:, 0].tolist()) == [0.0, 4.0, 8.0]
    assert gg.random.choice(0, (0,)).shape == (0,)


def test_choice_refuses() -> None:
    with pytest.raises(errors.ShapeError, match="4 draws from 3"):
        gg.random.choice(3, 4, replace=False)
    with pytest.raises(errors.ShapeError, match="2 draws from 1"):
        gg.random.choice(3, 2, replace=False, p=[0, 1, 0])
    with pytest.raises(errors.ShapeError, match="from nothing"):
        gg.random.choice(0)
    with pytest.raises(errors.ShapeError, match=r"p of shape \(2,\)"):
        gg.random.choice(3, p=[1, 2])
    with pytest.raises(errors.DtypeError, match="expected a weight for each"):
        gg.random.choice(3, p="abc")
    for p in ([-1, 1, 1], [0, 0, 0], [np.nan, 1, 1], [np.inf, 1, 1]):
        with pytest.raises(ValueError, match="expected probabilities"):
            gg.random.choice(3, p=p)


# ---- parameters -------------------------------------------------------------------------------------------------------


def test_shapes_from_parameters_and_their_errors() -> None:
    assert gg.random.normal().shape == ()
    assert gg.random.normal(3).shape == (3,)
    assert gg.random.normal(loc=np.zeros((2, 1)), scale=np.ones(3)).shape == (2, 3)
    assert gg.random.uniform((2, 3), np.zeros(3)).shape == (2, 3)
    with pytest.raises(errors.ShapeError, match="do not broadcast to shape"):
        gg.random.normal((3,), np.zeros((2, 3)))
    with pytest.raises(errors.ShapeError, match="do not broadcast"):
        gg.random.normal(loc=np.zeros(2), scale=np.zeros(3))
    for bad in (-1, (2, -1), "ab", 1.5, (1.5,)):
        with pytest.raises(errors.ShapeError, match="expected"):
            gg.random.normal(bad)


def test_dtypes() -> None:
    assert gg.random.normal().dtype == np.float64
    assert gg.random.normal(loc=gg.zeros(2, dtype="float32")).dtype == np.float32
    assert gg.random.normal(loc=gg.zeros(2, dtype="float16"), scale=gg.ones(2, dtype="float32")).dtype == np.float32
    assert gg.random.normal(loc=[1, 2]).dtype == np.float64
    assert gg.random.normal(loc=gg.zeros(2), dtype="float32").dtype == np.float32
    for bad in ("int64", "complex64", "longdouble"):
        with pytest.raises(errors.DtypeError, match="samples of dtype"):
            gg.random.normal(dtype=bad)
    gg.set_default_dtype("float32")
    try:
        assert gg.random.normal().dtype == np.float32
    finally:
        gg.set_default_dtype("float64")


def test_samples_follow_their_parameters() -> None:
    z = gg.random.normal((4,), key=KEY).numpy()

    def f(loc: Any, scale: Any) -> Any:
        return (gg.random.normal((4,), loc, scale, key=KEY) ** 2).sum()

    loc, scale = np.array([0.5, 1.0, -1.0, 0.0]), np.array(2.0)
    x = loc + scale * z
    by_loc, by_scale = gg.grad(f, (0, 1))(loc, scale)
    np.testing.assert_allclose(by_loc.numpy(), 2.0 * x)
    np.testing.assert_allclose(by_scale.numpy(), np.sum(2.0 * x * z))


def test_truncated_normal_stays_between_its_bounds() -> None:
    for lower, upper in ((-2.0, 2.0), (0.0, np.inf), (-np.inf, -1.0), (5.0, 5.5), (-30.0, -29.0), (20.0, np.inf)):
        for dtype in ("float64", "float32") if abs(lower) < 10 or np.isinf(lower) else ("float64",):
            x = numbers(gg.random.truncated_normal((1000,), lower, upper, dtype=dtype, key=KEY))
            assert np.all((x >= lower) & (x <= upper)) and len(np.unique(x)) > 900
    far = numbers(gg.random.truncated_normal((10_000,), 20.0, key=KEY, upper=np.inf))
    assert abs(np.mean(far) - 20.0497) < 0.003  # the mean beyond 20 is φ(20) / Φ(-20)


def test_truncated_normal_gradient_is_implicit() -> None:
    """Φ(z) = Φ(a) + u (Φ(b) - Φ(a)) determines dz/da = (1 - u) φ(a) / φ(z)."""
    a, b = -0.5, 1.0
    z = gg.random.truncated_normal((), a, b, key=KEY).item()
    u = (phi(z) - phi(a)) / (phi(b) - phi(a))
    g = gg.grad(lambda a: gg.random.truncated_normal((), a, b, key=KEY))(a)
    np.testing.assert_allclose(g.item(), (1.0 - u) * math.exp((z * z - a * a) / 2.0), rtol=1e-10)


@pytest.mark.parametrize(("lower", "upper"), [(15.0, np.inf), (20.0, 20.02)])
def test_truncated_normal_in_the_far_tail(lower: float, upper: float) -> None:
    """Its distribution function, in float64, makes uniform numbers of the samples; and so on the other side."""
    tail = lambda x: math.erfc(x / math.sqrt(2.0))
    n = 20_000
    for x in (
        numbers(gg.random.truncated_normal((n,), lower, upper, dtype="float32", key=KEY)),
        -numbers(gg.random.truncated_normal((n,), -upper, -lower, dtype="float32", key=KEY)),
    ):
        u = np.sort([(tail(lower) - tail(v)) / (tail(lower) - tail(upper)) for v in x.tolist()])
        assert np.max(np.abs(u - (np.arange(n) + 0.5) / n)) < 2.0 / math.sqrt(n)
    x = numbers(gg.random.truncated_normal((n,), 45.0, np.inf, key=KEY))
    assert abs(np.mean(x) - (45.0 + 1.0 / 45.0 - 2.0 / 45.0**3)) < 5.0 / 45.0 / math.sqrt(n)


@pytest.mark.parametrize(("lower", "upper"), [(-np.inf, 1.0), (0.0, np.inf), (-np.inf, np.inf), (45.0, np.inf)])
def test_truncated_normal_differentiates_twice_at_any_bounds(lower: float, upper: float) -> None:
    f = lambda loc, scale: gg.random.truncated_normal((4,), lower, upper, loc, scale, key=KEY)
    check_grads(f, (0.1, 1.2), order=2)
    by_bounds = gg.hessian(lambda b: gg.random.truncated_normal((4,), b[0], b[1], 0.1, 1.2, key=KEY).sum())
    found = by_bounds(np.array([lower, upper])).numpy()
    assert np.all(np.isfinite(found)) and not np.any(found[np.isinf([lower, upper])])


def test_truncated_normal_refuses() -> None:
    for one in (1.0, np.float64(1.0), np.int64(1)):
        with pytest.raises(ValueError, match="expected lower < upper"):
            gg.random.truncated_normal((), one, one)
    with pytest.raises(ValueError, match="scale=0; expected a number above 0"):
        gg.random.truncated_normal((), scale=0)


@pytest.mark.parametrize("name", ["normal", "exponential", "laplace", "logistic", "gumbel", "cauchy"])
def test_numbers_that_are_no_scale(name: str) -> None:
    draw = getattr(gg.random, name)
    for scale in (-1, -0.5, np.float32(-0.5)):
        with pytest.raises(ValueError, match=f"{name}: scale=-.*; expected a number of at least 0"):
            draw((2,), scale=scale)
    assert draw((2,), scale=0, key=KEY).tolist() == [0.0, 0.0]
    wanted = draw((2,), key=KEY).numpy()
    np.testing.assert_array_equal(draw((2,), scale=gg.tensor(-1.0), key=KEY).numpy(), -wanted)


# ---- dropout ----------------------------------------------------------------------------------------------------------


def test_dropout_keeps_the_mean_and_the_rate() -> None:
    y = gg.random.dropout(np.ones(N), 0.3, key=KEY).numpy()
    assert set(np.unique(y)) == {0.0, 1.0 / 0.7}
    assert abs(np.mean(y) - 1.0) < 5.0 * math.sqrt(0.3 / 0.7 / N)


def test_dropout_is_the_same_in_every_dtype() -> None:
    masks = [gg.random.dropout(gg.ones(100, dtype=d), 0.4, key=KEY).numpy() == 0 for d in FLOATS]
    assert all(np.array_equal(m, masks[0]) for m in masks)
    assert all(gg.random.dropout(gg.ones(3, dtype=d), 0.4).dtype.name == d for d in (*FLOATS, "complex64"))


def test_dropout_silences_what_it_drops() -> None:
    x = np.full(50, np.inf)
    y, pull = gg.vjp(lambda x: gg.random.dropout(x, 0.5, key=KEY), x)
    kept = y.numpy() != 0
    assert 10 < np.sum(kept) < 40 and np.all(np.isinf(y.numpy()[kept]))
    (g,) = pull(np.where(kept, 1.0, np.nan))
    assert np.array_equal(g.numpy(), np.where(kept, 2.0, 0.0))


def test_dropout_ends_and_errors() -> None:
    x = gg.tensor([1.0, np.nan])
    assert gg.random.dropout(x, 0.0) is x
    assert gg.random.dropout(x, 1.0).tolist() == [0.0, 0.0]
    for p in (-0.1, 1.1, np.nan):
        with pytest.raises(ValueError, match="0 ≤ p ≤ 1"):
            gg.random.dropout(x, p)
    for p in ("a", None, 1j):
        with pytest.raises(errors.DtypeError, match="expected a probability"):
            gg.random.dropout(x, p)  # type: ignore[arg-type]
    with pytest.raises(errors.DtypeError, match="expected a floating-point"):
        gg.random.dropout([1, 2])


# ---- generators -------------------------------------------------------------------------------------------------------


def test_a_generator_gives_the_keys_it_says() -> None:
    g = gg.random.Generator(99)
    keys = [g.next_key().tolist() for _ in range(3)]
    assert keys == [gg.random.fold_in(gg.random.key(99), n).tolist() for n in range(3)]
    assert g.state_dict() == {"key": 99, "count": 3}


def test_every_draw_advances_by_one() -> None:
    g = gg.random.Generator(0)
    draws = [
        lambda: gg.random.bits(key=g), lambda: gg.random.normal(key=g), lambda: gg.random.randint(3, key=g),
        lambda: gg.random.bernoulli(key=g), lambda: gg.random.categorical([0.0], key=g), lambda: gg.random.permutation(3, key=g),
        lambda: gg.random.shuffle([1.0], key=g), lambda: gg.random.choice(3, key=g), lambda: gg.random.dropout([1.0], 0.0, key=g),
        lambda: gg.random.truncated_normal(key=g), lambda: gg.random.uniform(key=g), lambda: gg.random.gumbel(key=g),
    ]  # fmt: skip
    for n, draw in enumerate(draws, 1):
        draw()
        assert g.state_dict()["count"] == n


def test_the_default_generator_is_seeded_saved_and_restored() -> None:
    gg.random.seed(5)
    first = gg.random.normal((4,)).tolist()
    state = gg.random.default_generator.state_dict()
    second = gg.random.normal((4,)).tolist()
    assert first != second
    gg.random.default_generator.load_state_dict(state)
    assert gg.random.normal((4,)).tolist() == second
    gg.random.seed(5)
    assert gg.random.normal((4,)).tolist() == first


def test_without_a_seed_runs_differ() -> None:
    assert gg.random.Generator().state_dict() != gg.random.Generator().state_dict()
    gg.random.seed()
    a = gg.random.default_generator.state_dict()
    gg.random.seed()
    assert a != gg.random.default_generator.state_dict()


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"key": 1},
        {"key": 1, "count": -1},
        {"key": 2**64, "count": 0},
        {"key": 1.0, "count": 0},
        {"key": 1, "count": 0, "x": 0},
    ],
)
def test_states_that_are_not_ones(state: Any) -> None:
    g = gg.random.Generator(3)
    with pytest.raises(errors.FormatError, match="expected integers 'key' and 'count'"):
        g.load_state_dict(state)
    assert g.state_dict() == {"key": 3, "count": 0}


def test_generators_are_copied_and_pickled_with_their_state() -> None:
    g = gg.random.Generator(3)
    g.next_key()
    for h in (copy.deepcopy(g), pickle.loads(pickle.dumps(g))):
        assert (
            h.state_dict() == g.state_dict()
            and h.next_key().tolist() == gg.random.fold_in(gg.random.key(3), 1).tolist()
        )
    assert repr(g) == "Generator(key=0x0000000000000003, count=1)"


def test_threads_share_a_generator() -> None:
    g = gg.random.Generator(1)
    found: list[tuple[int, ...]] = []

    def draw() -> None:
        for _ in range(200):
            found.append(tuple(g.next_key().tolist()))

    threads = [threading.Thread(target=draw) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(set(found)) == 800 and g.state_dict()["count"] == 800


def _report(pipe: Any) -> None:
    pipe.send(gg.random.uniform((2,)).tolist())
    pipe.close()


def drawn_in_a_child() -> Any:
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    child = context.Process(target=_report, args=(there,))
    child.start()
    try:
        assert here.poll(30.0), "the child does not answer"
        return here.recv()
    finally:
        child.kill()
        child.join()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_numbers_of_its_own_unless_seeded() -> None:
    gg.random.seed()
    assert drawn_in_a_child() != drawn_in_a_child()
    gg.random.seed(4)
    wanted = gg.random.uniform((2,)).tolist()
    gg.random.seed(4)
    assert drawn_in_a_child() == wanted


def test_a_generator_where_a_key_is_wanted_is_told_the_way() -> None:
    for f in (gg.random.split, lambda k: gg.random.fold_in(k, 1)):
        with pytest.raises(errors.DtypeError, match=r"expected a key: g\.next_key\(\)$"):
            f(gg.random.Generator(0))
    with pytest.raises(errors.DtypeError, match=r"expected a key: gg\.random\.key\(3\), or a gg\.random\.Generator$"):
        gg.random.normal(key=3)
