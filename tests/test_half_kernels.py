"""float16 and bfloat16 in compiled loops: conversions for every number, and programs computed in float32."""

from __future__ import annotations

import re
from typing import Any

import ml_dtypes
import numba
import numpy as np
import pytest

import gpugrad as gg
from gpugrad import dtypes
from gpugrad.backends import numba_kernels, parallel
from gpugrad.kernels import scalar_math

HALVES = ("float16", "bfloat16")
NAMES = [f"{way}_{name}" for name in HALVES for way in ("from", "to")]
LOOPS = """
def kernel(x, out):
    for i in range(x.shape[0]):
        out[i] = {}(x[i])
"""


def loop(name: str) -> Any:
    read, write = ("uint16", "float32") if name.startswith("from") else ("float32", "uint16")
    return numba_kernels.compiled(LOOPS.format(name), [(read, 1), (write, 1)])


def every_number(name: str) -> Any:
    return np.arange(1 << 16, dtype=np.uint16).view(dtypes.dtype(name))


@pytest.mark.parametrize("name", HALVES)
def test_every_number_is_read_as_what_it_is(name: str) -> None:
    x = every_number(name)
    out = np.empty(x.shape, np.float32)
    loop(f"from_{name}")(x.view(np.uint16), out)
    wanted = x.astype(np.float32)
    np.testing.assert_array_equal(out, wanted)
    np.testing.assert_array_equal(np.signbit(out), np.signbit(wanted))


@pytest.mark.parametrize("name", HALVES)
def test_numbers_are_rounded_to_nearest_even(name: str) -> None:
    x = every_number(name).astype(np.float32)
    with np.errstate(all="ignore"):
        middles = (x.astype(np.float64) + np.roll(x, 1)).astype(np.float32) / 2  # ties, exactly between two neighbours
        near = [np.nextafter(middles, np.float32(to), dtype=np.float32) for to in (-np.inf, np.inf)]
        any_bits = np.random.default_rng(0).integers(0, 1 << 32, 1 << 20, dtype=np.uint32).view(np.float32)
        edges = np.array([65504, 65519.996, 65520, 65536, 3.3895314e38, 3.4e38, 3e-8, 2.9802322e-8, 1e-45], np.float32)
        x = np.concatenate([x, middles, *near, any_bits, edges, -edges])
        wanted = x.astype(dtypes.dtype(name))
    out = np.empty(x.shape, np.uint16)
    loop(f"to_{name}")(x, out)
    nan = np.isnan(x)
    assert nan.any() and np.isnan(out[nan].view(wanted.dtype).astype(np.float32)).all()
    np.testing.assert_array_equal(out[~nan], wanted.view(np.uint16)[~nan])
    np.testing.assert_array_equal(out[nan] >> 15, x[nan].view(np.uint32) >> 31)


@pytest.mark.parametrize("name", NAMES)
def test_conversions_are_vectorised(name: str) -> None:
    made = numba.njit(fastmath=set(numba_kernels.FLAGS))(kernel_of(name))
    read, write = ("uint16", "float32") if name.startswith("from") else ("float32", "uint16")
    made.compile((numba.types.Array(getattr(numba, read), 1, "C"), numba.types.Array(getattr(numba, write), 1, "C")))
    text = made.inspect_llvm(made.signatures[0])
    assert re.search(r"([sz]ext <\d+ x i16>|trunc [a-z ]*<\d+ x i32>)", text)
    assert "call float" not in text


def kernel_of(name: str) -> Any:
    namespace: dict[str, Any] = scalar_math.helpers([name])
    exec(LOOPS.format(name), namespace)
    return namespace["kernel"]


# ---- programs -----------------------------------------------------------------------------------------------------------

PROGRAMS = {
    "a map": lambda x: gg.sin(x) * x + gg.exp(-x) * 0.5,
    "a map of two shapes": lambda x: x * gg.sum(x, axis=0) + x[:, :1],
    "sums": lambda x: (gg.sum(x * x, axis=-1), gg.sum(gg.cos(x), axis=0), gg.sum(x * 2.0)),
    "softmax": lambda x: gg.softmax(x, axis=-1),
    "layer norm": lambda x: gg.layer_norm(x),
    "extrema": lambda x: gg.max(x * 0.3, axis=-1) - gg.min(x, axis=-1) + gg.sum(gg.argmax(x * 0.3, axis=-1)),
    "shares of an extremum": lambda x: x * gg.max(gg.sin(x) * 0.3, axis=-1, keepdims=True) + gg.max(x * 0.7),
    "choices": lambda x: gg.where(x > 0.5, gg.sqrt(gg.abs(x)), gg.clip(x, -0.5, 0.5)) + gg.relu(x),
    "numbers": lambda x: gg.std(x) / gg.mean(x * x),
    "casts": lambda x: gg.astype(gg.astype(x, gg.float32) * 0.1, x.dtype) + gg.astype(x > 0.0, x.dtype),
    "a loss": lambda x: gg.cross_entropy(x, gg.asarray([0, 1, 2, 3, 4])),
}


def near(got: Any, wanted: Any, dtype: str, what: str) -> None:
    """As near as eager execution is, which rounds after each operation, where a kernel rounds what it writes."""
    for g, w in zip(gg.pytree.leaves(got), gg.pytree.leaves(wanted), strict=True):
        assert g.dtype == w.dtype and g.shape == w.shape, what
        a, b = (np.asarray(v.detach().numpy(), np.float32) for v in (g, w))
        step = float(dtypes.finfo(dtype).eps)
        np.testing.assert_allclose(a, b, rtol=4 * step, atol=4 * step * float(np.abs(b).max()), err_msg=what)


def total(f: Any, x: Any) -> Any:
    return sum(gg.sum(o * o) for o in gg.pytree.leaves(f(x)))


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("dtype", HALVES)
def test_programs(name: str, dtype: str, by_python: None) -> None:
    f = PROGRAMS[name]
    x = gg.asarray(np.random.default_rng(0).normal(size=(5, 6)), dtype=dtype)
    near(gg.jit(f)(x), f(x), dtype, "value")
    near(gg.jit(gg.grad(lambda x: total(f, x)))(x), gg.grad(lambda x: total(f, x))(x), dtype, "gradient")
    assert not re.search(r" = (sin|exp|multiply|where|reduce_sum|reduce_max)__", gg.jit(f).plan(x))


def test_compiled_by_numba() -> None:
    def f(x: Any, y: Any) -> Any:
        return [PROGRAMS[name](v) for name in ("softmax", "sums", "choices", "casts") for v in (x, y)]

    x = np.random.default_rng(1).normal(size=(5, 6))
    both = [gg.asarray(x, dtype=dtype) for dtype in HALVES]
    near(gg.jit(f)(*both), f(*both), "bfloat16", "value")


def test_special_values(by_python: None) -> None:
    x = gg.asarray(np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 6e-8, -6e-8, 65504.0]), dtype="float16")
    with np.errstate(all="ignore"):
        for f in (lambda x: x * 1.5, lambda x: -x, lambda x: gg.max(x * 1.0), lambda x: gg.relu(x) + x):
            got, wanted = gg.jit(f)(x).numpy(), f(x).numpy()
            np.testing.assert_array_equal(got, wanted)
            np.testing.assert_array_equal(np.signbit(got), np.signbit(wanted))


def test_a_cast_to_half_rounds_and_other_steps_do_not(by_python: None) -> None:
    x = gg.asarray([1.0], dtype="float16")
    cast = gg.jit(lambda x: gg.astype(gg.astype(gg.astype(x, gg.float32) / 3.0, gg.float16), gg.float32))
    assert cast(x).item() == float(np.float16(1 / 3))
    large = gg.jit(lambda x: x * 60000.0 * 2.0 / 4.0)
    assert large(x).item() == 30000.0  # where float16 overflows on the way


def test_sums_in_half_precision_are_exact_to_its_last_digit(by_python: None) -> None:
    x = gg.ones(5000, dtype="bfloat16")
    assert gg.jit(lambda x: gg.sum(x * 1.0))(x).item() == float(ml_dtypes.bfloat16(5000))


def test_several_threads(by_python: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "LEAST", 0.0)
    monkeypatch.setattr("gpugrad.graph.fuse.ALONE", 8)
    before = gg.config.threads
    gg.config.threads = 3
    try:
        for name in PROGRAMS:
            x = gg.asarray(np.random.default_rng(0).normal(size=(5, 6)), dtype="bfloat16")
            near(gg.jit(PROGRAMS[name])(x), PROGRAMS[name](x), "bfloat16", name)
    finally:
        gg.config.threads = before


@pytest.mark.parametrize("dtype", HALVES)
def test_a_training_step(dtype: str, by_python: None) -> None:
    """Parameters and moments in half precision, written over by the compiled step."""
    rng = np.random.default_rng(0)
    start = [rng.normal(size=(6, 4)) * 0.3, np.zeros(4)]
    batches = [
        (gg.asarray(rng.normal(size=(16, 6)), dtype=dtype), gg.asarray(rng.integers(0, 4, 16))) for _ in range(4)
    ]
    runs = []
    for compiled in (False, True):
        w, b = (gg.tensor(p, dtype=dtype, requires_grad=True) for p in start)
        optimizer = gg.optim.SGD([w, b], lr=0.1, momentum=0.9)

        def step(x: Any, y: Any, w: Any = w, b: Any = b, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            loss = gg.cross_entropy(gg.tanh(x @ w + b), y)
            loss.backward()
            optimizer.step()
            return loss

        losses = [(gg.jit(step) if compiled else step)(*batch) for batch in batches]
        runs.append([*losses, w.detach(), b.detach()])
    near(runs[1], runs[0], dtype, "losses and parameters")


def test_text_of_a_kernel() -> None:
    text = gg.jit(lambda x: gg.sum(x * 2.0, axis=-1)).sources(gg.ones((2, 3), dtype="float16"))["kernel_0"]
    said = [line.split("  #")[0].strip() for line in text.splitlines()]
    assert "x_1 = from_float16(x_at_1_part[i1])" in said
    assert "reduce_sum_1 = np.float64(0)" in said
    assert "reduce_sum_2 = from_float16(to_float16(reduce_sum_1))" in said
    assert "out_reduce_sum_1[i0] = to_float16(reduce_sum_2)" in said
