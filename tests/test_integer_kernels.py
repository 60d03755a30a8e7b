"""Integers and booleans of every width in compiled loops: NumPy's values where they wrap around, divide by 0, shift too far."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from test_table import agree

import gpugrad as gg
from gpugrad import dtypes
from gpugrad.backends import numba_kernels, parallel
from gpugrad.ops import elementwise as ew

DTYPES = tuple(f"{sign}int{width}" for sign in ("", "u") for width in (8, 16, 32, 64))

OPERATIONS = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "negative": lambda x, y: -x,
    "square": lambda x, y: gg.square(x),
    "power": lambda x, y: x**5,
    "power of two": lambda x, y: x**2,
    "abs": lambda x, y: gg.abs(x),
    "sign": lambda x, y: gg.sign(x),
    "relu": lambda x, y: gg.relu(x),
    "floor_divide": lambda x, y: x // y,
    "by a number": lambda x, y: (x // 3) * 2 + x % 5,
    "remainder": lambda x, y: x % y,
    "fmod": lambda x, y: ew.fmod(x, y),
    "and": lambda x, y: x & y,
    "or": lambda x, y: x | y,
    "xor": lambda x, y: x ^ y,
    "invert": lambda x, y: ~x,
    "left": lambda x, y: x << y,
    "right": lambda x, y: x >> y,
    "left by a number": lambda x, y: x << 3,
    "maximum": lambda x, y: gg.maximum(x, y),
    "minimum": lambda x, y: gg.minimum(x, y),
    "clip": lambda x, y: gg.clip(x, 2, 100),
    "floor": lambda x, y: gg.floor(x),
    "round": lambda x, y: gg.round(x),
    "equal": lambda x, y: gg.equal(x, y),
    "less": lambda x, y: x < y,
    "less than a number": lambda x, y: x <= 7,
    "where": lambda x, y: gg.where(x > y, x, y * 2),
    "logical_and": lambda x, y: gg.logical_and(x, y),
    "logical_or": lambda x, y: gg.logical_or(x, y),
    "logical_xor": lambda x, y: gg.logical_xor(x, y),
    "logical_not": lambda x, y: gg.logical_not(x),
    "divide": lambda x, y: x / y,
    "sqrt": lambda x, y: gg.sqrt(gg.astype(gg.abs(x), gg.int32)),
    "scaled": lambda x, y: gg.astype(x, gg.float32) * 0.5,
}
ON_BOOL = {
    "and": lambda x, y: x & y,
    "or": lambda x, y: x | y,
    "xor": lambda x, y: x ^ y,
    "invert": lambda x, y: ~x,
    "logical_or": lambda x, y: gg.logical_or(x, y),
    "add": lambda x, y: x + y,
    "multiply": lambda x, y: x * y,
    "maximum": lambda x, y: gg.maximum(x, y),
    "minimum": lambda x, y: gg.minimum(x, y),
    "less": lambda x, y: x < y,
    "where": lambda x, y: gg.where(x, y, ~y),
    "count": lambda x, y: gg.astype(x, gg.int8) + gg.astype(y, gg.int8),
    "divide": lambda x, y: x / gg.logical_or(y, True),
}


def grid(dtype: str) -> tuple[Any, Any]:
    limits = np.iinfo(dtype)
    some = [0, 1, 2, 3, 7, 8, 31, 63, 64, 100, limits.max, limits.max - 1, limits.min, limits.min + 1, limits.max // 2]
    if limits.min < 0:
        some += [-1, -2, -7, -8, -64, -100]
    x, y = np.meshgrid(np.array(some, dtype), np.array(some, dtype))
    return gg.asarray(x.ravel().copy()), gg.asarray(y.ravel().copy())


def every(operations: dict[str, Any], x: Any, y: Any) -> None:
    compiled = gg.jit(lambda x, y: [f(x, y) for f in operations.values()])
    with np.errstate(all="ignore"):
        wanted = {name: f(x, y).numpy() for name, f in operations.items()}
        for (name, w), got in zip(wanted.items(), compiled(x, y), strict=True):
            assert got.dtype == w.dtype, name
            if w.dtype.kind in "iub":
                np.testing.assert_array_equal(got.numpy(), w, err_msg=name)
            else:
                np.testing.assert_allclose(got.numpy(), w, rtol=1e-6, err_msg=name)
    plan = compiled.plan(x, y)
    assert not re.search(r"= (?!kernel_|empty)\w+\(", plan), plan  # kernels, and no calls of the library


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_operation_at_the_ends_of_the_range(dtype: str) -> None:
    every(OPERATIONS, *grid(dtype))


def test_booleans() -> None:
    every(ON_BOOL, gg.asarray(np.array([True, True, False, False])), gg.asarray(np.array([True, False, True, False])))


def test_casts_from_every_dtype_to_every_other() -> None:
    sources = ("bool", *DTYPES, "float32", "float64", "float16")
    inside = np.array([0.0, 1.0, 2.5, 100.0, 127.0, 3.999, 0.5])
    xs = [gg.asarray(inside.astype(d)) for d in sources]
    targets = ("bool", *DTYPES, "float32", "float64", "complex64")
    compiled = gg.jit(lambda *xs: [[gg.astype(x, t) for t in targets if x.dtype != t] for x in xs])
    for source, x, row in zip(sources, xs, compiled(*xs), strict=True):
        for t, got in zip([t for t in targets if x.dtype != t], row, strict=True):
            wanted = gg.astype(x, t)
            assert got.dtype == wanted.dtype
            np.testing.assert_array_equal(got.numpy(), wanted.numpy(), err_msg=f"{source} to {t}")


@pytest.mark.parametrize("source", ["float32", "float64"])
def test_floats_beyond_the_range_of_an_integer(source: str) -> None:
    """Where C leaves the value open, and NumPy's is the processor's: the same, and no crash."""
    edges = [2.0**k + d for k in (7, 8, 15, 16, 31, 32, 62, 63, 64, 70) for d in (-1.0, -0.5, 0.0, 1.0)]
    numbers = np.array([0.0, -0.0, np.nan, np.inf, 1e30, 0.999, *edges]).astype(source)
    x = gg.asarray(np.concatenate([numbers, -numbers]))
    signed = [t for t in DTYPES if t.startswith("int")]
    with np.errstate(all="ignore"):
        got = gg.jit(lambda x: [gg.astype(x, t) for t in DTYPES])(x)
        for t, g in zip(DTYPES, got, strict=True):
            wanted = gg.astype(x, t).numpy()
            limits = np.iinfo(t)
            whole = np.trunc(x.numpy().astype(np.longdouble))
            inside = (whole >= limits.min) & (whole <= limits.max)
            np.testing.assert_array_equal(g.numpy()[inside], wanted[inside], err_msg=t)
            if t in signed[2:]:
                assert (g.numpy()[~inside] == limits.min).all(), t


@pytest.mark.parametrize("dtype", DTYPES)
def test_sums_and_extrema(dtype: str, by_python: None) -> None:
    rng = np.random.default_rng(0)
    limits = np.iinfo(dtype)
    x = gg.asarray(rng.integers(limits.min, limits.max, (4, 5), dtype=dtype, endpoint=True))

    def f(x: Any) -> Any:
        narrow = [ew.bitwise_xor(x, 1)]
        out = [g(v, axis=a) for v in narrow for g in (gg.sum, gg.max, gg.min, gg.any, gg.all) for a in (None, -1)]
        return [*out, gg.sum(x * 2, axis=0), gg.sum(x, dtype=dtype), gg.any(x > 0, axis=-1), gg.all(x != 3)]

    compiled = gg.jit(f)
    agree(compiled(x), f(x), 0.0, "value")
    assert not re.search(r"= reduce_", compiled.plan(x))


def test_reductions_by_numba() -> None:
    rng = np.random.default_rng(0)

    def f(*xs: Any) -> Any:
        out = [g(x, axis=-1) for x in xs for g in (gg.sum, gg.max, gg.min, gg.any, gg.all)]
        return [*out, *(gg.sum(x, axis=0, dtype=x.dtype) for x in xs)]

    xs = [gg.asarray(rng.integers(0, 100, (4, 50)).astype(d)) for d in ("int8", "uint16", "int32", "uint64", "int64")]
    agree(gg.jit(f)(*xs), f(*xs), 0.0, "value")


def test_several_threads(by_python: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "LEAST", 0.0)
    monkeypatch.setattr("gpugrad.graph.fuse.ALONE", 8)
    before = gg.config.threads
    gg.config.threads = 3
    try:
        x = gg.asarray(np.random.default_rng(0).integers(-5, 5, (7, 6)))
        f = lambda x: [gg.sum(x * 3), gg.max(x), gg.any(x > 3), gg.all(x < 5), gg.sum(x, axis=0), gg.min(x, axis=-1)]
        agree(gg.jit(f)(x), f(x), 0.0, "value")
    finally:
        gg.config.threads = before


def test_what_numpy_refuses_is_refused(by_python: None) -> None:
    x = gg.asarray(np.array([1, 2, 3]))
    with pytest.raises(Exception, match="negative"):
        gg.jit(lambda x: x ** (x - 2))(x)


def test_a_number_beyond_the_dtype_is_compared_as_numpy_does(by_python: None) -> None:
    x = gg.asarray(np.array([1, 200], np.uint8))
    np.testing.assert_array_equal(gg.jit(lambda x: (x + 1) > -1)(x).numpy(), [True, True])


def test_half_precision_and_integers(by_python: None) -> None:
    x = gg.asarray(np.array([-3, 0, 5, 100], np.int16))
    f = lambda x: [gg.astype(gg.astype(x, d) * 0.3, gg.int32) for d in ("float16", "bfloat16")]
    agree(gg.jit(f)(x), f(x), 0.0, "value")
    assert dtypes.of(gg.jit(lambda x: gg.astype(x, "bfloat16"))(x)) == dtypes.bfloat16()


def test_narrow_integers_are_computed_many_at_once() -> None:
    import numba

    f = gg.jit(lambda x, y: (x * y + 3) ^ (x >> 2))
    x = gg.asarray(np.ones(8, np.int8))
    (text,) = f.sources(x, x).values()
    made = numba_kernels._dispatcher(text, "<a kernel>", False)
    made.compile((numba.types.Array(numba.int8, 1, "C"),) * 3)
    assert re.search(r"mul [a-z ]*<(16|32|64) x i8>", made.inspect_llvm(made.signatures[0]))
