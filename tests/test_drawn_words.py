"""Random words that kernels of CUDA plans draw themselves: bit for bit those of the CPU, and none of them in memory."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cuda_on_host import Library
from test_cuda_on_host import Training, cuda, on_host  # noqa: F401  # fixtures, which pytest finds by name
from test_table import host

import gpugrad as gg
from gpugrad import nn, optim
from gpugrad.backends import select
from gpugrad.codegen.gpu_launch import Form, Launch, Schedule
from gpugrad.codegen.loops import Array, LoopKernel
from gpugrad.cuda.host import COMPILER
from gpugrad.graph.calls import KernelCall
from gpugrad.graph.verify import verify_calls
from gpugrad.kernels import philox

pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler, which would run CUDA C++ on the CPU")

KEY, OTHER = gg.random.key(3), gg.random.key(4)
DTYPES = ("float32", "bfloat16", "float16", "float64")


def there(x: Any) -> Any:
    return x.to("cuda")


def array(*shape: int, dtype: str = "float32") -> Any:
    return gg.astype(gg.asarray(np.random.default_rng(0).normal(size=shape) + 4.0), dtype)


def compared(f: Callable[..., Any], *args: Any, drawn: bool = True) -> str:
    """The plan of a function, of whose results zeros, truths and integers are those of the CPU, and the rest is close."""
    run, given = gg.jit(f), list(map(there, args))
    device = select.on("cuda").device
    wanted = gg.pytree.leaves(f(*args))
    for order in (0, 1, 2) if hasattr(device, "order") else (0,):
        device.order = order
        for got, want in zip(gg.pytree.leaves(run(*given)), wanted, strict=True):
            x, y = host(got), host(want)
            assert (x.dtype, x.shape) == (y.dtype, y.shape)
            if y.dtype.kind in "biu":
                np.testing.assert_array_equal(x, y)
                continue
            small = 2e-2 if gg.dtypes.is_half(want.dtype) else 1e-5
            x, y = (z.astype(np.float64) for z in (x, y))
            np.testing.assert_array_equal(x == 0.0, y == 0.0)
            np.testing.assert_allclose(x, y, rtol=small, atol=small)
    device.order = 0
    text: str = run.plan(*given)
    assert ("random_bits" not in text) == drawn, text
    return text


def dropped(x: Any, key: Any) -> Any:
    return gg.random.dropout(x, 0.3, key=key)


@pytest.mark.parametrize("dtype", DTYPES)
def test_dropout(dtype: str) -> None:
    for shape in ((6, 8), (3, 7), (5, 6), (1,), ()):
        text = compared(dropped, array(*shape, dtype=dtype), KEY)
        assert text.count("kernel_") == 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_backward_kernel_draws_again(dtype: str) -> None:
    """Between the two lies no mask, though it would be one byte for each element where a word is four."""

    def f(x: Any, w: Any, key: Any) -> Any:
        y, pull = gg.vjp(lambda x, w: dropped(gg.exp(x - 4.0), key) @ w, x, w)
        return y, pull(gg.ones_like(y))

    x, w = array(6, 8, dtype=dtype), array(8, 4, dtype=dtype)
    compared(f, x, w, KEY)
    plan = gg.jit(f)._compiled(tuple(map(there, (x, w, KEY))), {}).plan
    results = [v for call in plan.memory.calls for v in call.results]
    assert not [v for v in results if v.dtype == bool or v.dtype.kind == "u"]
    assert sum(a.drawn for c in plan.memory.calls if isinstance(c, KernelCall) for a in c.kernel.arrays) == 2


def test_a_gradient_of_a_compiled_function_keeps_no_mask() -> None:
    found = []
    for place in ("cpu", "cuda"):
        f = gg.jit(lambda x, key: dropped(gg.sin(x), key))
        x = gg.tensor(np.linspace(0.0, 1.0, 200), requires_grad=True, device=place)
        y = f(x, KEY.to(place))
        gg.sum(y).backward()
        found.append((host(y.detach()), host(x.grad)))
        (halves,) = (h for c in f._programs.values() for v in c.variants.values() for h in v.program.halves.values())
        kept = [v.dtype.kind for v in halves.forward.plan.graph.outputs[halves.results :]]
        assert ("b" in kept) == (place == "cpu")
        assert "random_bits" not in str(halves.backward.plan)
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_what_is_moved() -> None:
    x = array(64, 64, dtype="bfloat16")
    work = gg.jit(dropped).work(there(x), there(KEY))
    assert work.bytes == 2 * x.nbytes + KEY.nbytes
    assert work.operations >= 3 * x.size  # a word, a comparison, a choice


def test_dropout_of_attention_weights_is_in_the_kernel_of_softmax() -> None:
    for shape in ((2, 5, 64), (3, 33)):
        text = compared(lambda x, key: dropped(gg.softmax(x, axis=-1), key), array(*shape), KEY)
        assert text.count("kernel_") == 1
    compared(
        lambda x, key: gg.value_and_grad(lambda x: gg.sum(dropped(gg.softmax(x * x, axis=-1), key) ** 2))(x),
        array(4, 24),
        KEY,
    )


def test_rows_that_come_to_their_words_again_keep_them() -> None:
    """In registers, where they have the rows; drawing takes longer than what layer normalization does with them."""

    def f(x: Any, key: Any) -> Any:
        y = x + dropped(x, key)
        return y, gg.layer_norm(y)

    for shape in ((6, 64), (5, 33), (3, 9001)):
        x = array(*shape)
        compared(f, x, KEY)
        compared(lambda x, key: gg.grad(lambda x: gg.sum(f(x, key)[1] ** 3))(x), x, KEY)
        text = gg.jit(f).sources(there(x), there(KEY), dialect="cuda")["kernel_0"]
        kept = "row_random_bits_1_pack[turn][k] = random_bits_1" in text
        assert kept == (shape[1] < 9000) and (len(re.findall("words?_at<", text)) == 1) == kept, text


def test_dropout_is_in_the_kernel_of_what_it_drops() -> None:
    """Though words come between: kernels that need nothing but the key need not wait for them."""
    text = compared(lambda x, w, key: dropped(gg.gelu(x @ w), key) * 2.0, array(6, 8), array(8, 4), KEY)
    assert text.count("kernel_") == 1


def test_what_is_computed_of_words_alone_is_in_the_kernel_that_reads_it() -> None:
    def f(x: Any, key: Any) -> Any:
        noise = gg.random.gumbel(x.shape, dtype=x.dtype, key=key)
        return gg.tanh(x) @ x + noise

    text = compared(f, array(8, 8), KEY)
    assert text.count("kernel_") == 2


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_variates(dtype: str) -> None:
    for draw in (gg.random.uniform, gg.random.exponential, gg.random.logistic, gg.random.normal):
        for shape in ((7,), (4, 8)):
            compared(lambda x, key, d=draw: x + d(x.shape, dtype=x.dtype, key=key), array(*shape, dtype=dtype), KEY)


def test_words_that_are_also_given() -> None:
    """Written once, by the routine, for the caller, a sort and a kernel; others are drawn."""

    def f(x: Any, a: Any, b: Any) -> Any:
        words = gg.random.bits(x.shape, key=a)
        kept = gg.random.bits(x.shape, key=b) > 1 << 31
        return words, gg.sort(words), gg.where((words > 1 << 31) & kept, x, 0.0), gg.where(kept, x, 1.0)

    text = compared(f, array(40), KEY, OTHER, drawn=False)
    assert text.count("random_bits") == 1


def test_two_keys_in_one_kernel() -> None:
    text = compared(lambda x, a, b: dropped(x, a) + dropped(x * 2.0, b), array(5, 8), KEY, OTHER)
    assert text.count("kernel_") == 1


def test_keys_that_are_computed() -> None:
    def f(x: Any, key: Any) -> Any:
        first, second = gg.random.split(key)
        return dropped(x, first) + dropped(x, gg.random.fold_in(second, 7))

    compared(f, array(5, 8), KEY)
    compared(lambda x, key: dropped(x, key ^ 1), array(5, 8), KEY)  # which a kernel computes
    compared(lambda x, key: gg.random.bits(2, key=key ^ 1) ^ key ^ 1, array(2), KEY)
    compared(lambda x, key: dropped(x, gg.random.bits(2, key=key)), array(5, 8), KEY, drawn=False)


def test_a_key_that_is_always_the_same() -> None:
    key = there(KEY)
    f = gg.jit(lambda x: dropped(x, key))
    x = array(5, 8)
    np.testing.assert_allclose(host(f(there(x))), host(dropped(x, KEY)), rtol=1e-6)
    assert "random_bits" not in f.plan(there(x))


def test_keys_in_a_batch_stay_with_the_routine() -> None:
    keys = gg.random.split(KEY, 3)
    compared(lambda x, keys: gg.vmap(dropped)(x, keys), array(3, 8), keys, drawn=False)
    compared(lambda x, key: gg.vmap(lambda x: dropped(x, key))(x), array(3, 8), KEY)


def test_empty_arrays() -> None:
    compared(dropped, array(0, 4), KEY, drawn=False)


def test_words_that_rows_and_columns_share() -> None:
    def f(x: Any, a: Any, b: Any) -> Any:
        kept = gg.random.bernoulli(0.5, (6, 1), key=a), gg.random.bernoulli(0.5, (8,), key=b)
        return gg.where(kept[0] & kept[1], x, 0.0)

    compared(f, array(6, 8), KEY, OTHER)
    x = array(3, 4, 5, 5)
    layer = nn.Dropout2d(0.5, generator=gg.random.Generator(0))
    run = gg.jit(layer)
    got = host(run(there(x)))
    layer.generator = gg.random.Generator(0)
    np.testing.assert_allclose(got, host(layer(x)), rtol=1e-6)


def test_a_training_step_draws_in_its_kernels() -> None:
    training = Training("cuda", True)
    training.steps(3)
    x, y = gg.zeros((12, 6), dtype="float32", device="cuda"), gg.zeros(12, dtype="int64", device="cuda")
    assert "random_bits" not in training.call.plan(x, y) and "# one CUDA graph\n" in training.call.plan(x, y)


def test_noise_for_many_parameters_is_one_launch(on_host: Any) -> None:  # noqa: F811
    """Steps with noise: each row of the table has a key of its own."""
    shapes, found = [(16, 4), (3, 8), (20,)], []
    for place in ("cpu", "cuda"):
        gg.random.seed(0)
        cells = [nn.Parameter(gg.ones(s, device=place)) for s in shapes]

        @gg.jit
        def step(rate: Any) -> None:
            with gg.no_grad():
                for p in cells:  # noqa: B023
                    p.copy_(p - rate * gg.random.uniform(p.shape, dtype=p.dtype, device=p.device))

        for k in range(4):
            step(gg.tensor(0.1 * k, dtype="float32", device=place))
        found.append([host(p.detach()) for p in cells])
    text = step.plan(gg.tensor(0.1, dtype="float32", device="cuda"))
    assert text.count("part of launch 0") == 3 and "random_bits" not in text
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_an_optimizer_with_dropout_in_its_model_in_every_order(on_host: Any) -> None:  # noqa: F811
    found = []
    for on_host.order in (0, 1, 2):
        training = Training("cuda", True, lambda p, lr: optim.SGD(p, lr=lr))
        found.append([*training.steps(2), *training.parameters()])
    on_host.order = 0
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


PLACES = """#include "philox.cuh"
extern "C" __global__ void kernel(const unsigned* words, unsigned* out, unsigned long long* wide, long long first)
{
    const Key key = key_at(words);
    for (int k = 0; k < 8; ++k) {
        out[k] = word_at<unsigned>(key, first + k);
        wide[k] = word_at<unsigned long long>(key, first + k);
    }
    store(out + 8, words_at<unsigned, 2>(key, first + 2));
    store(out + 10, words_at<unsigned, 2>(key, first + 4));
    store(out + 12, words_at<unsigned, 4>(key, first + 4));
    store(out + 16, words_at<unsigned, 8>(key, first + 4));
    store(wide + 8, words_at<unsigned long long, 2>(key, first + 2));
    store(wide + 10, words_at<unsigned long long, 4>(key, first + 2));
}
"""


def test_words_of_any_place() -> None:
    """Far beyond what 32 bits count, one by one and as parts of blocks, blocks, and several of them."""
    kernel = LoopKernel("kernel", 1, 0)
    kernel.arrays = [
        Array(n, np.dtype(d), (0,), w) for n, d, w in (("key", "u4", False), ("a", "u4", True), ("b", "u8", True))
    ]
    library, key = Library([PLACES]), KEY.numpy()
    for first in (0, 1 << 33, (1 << 36) + 8):
        plan = Schedule(Form("map", wide=True), (), (Launch("kernel", (1, 1), (1, 1)),), (first,))
        _, narrow, wide = library.run(0, kernel, plan, [key, np.zeros(24, "u4"), np.zeros(14, "u8")])
        numbers = [[int(w) for b in range(first // n, first // n + 8) for w in block(key, b)] for n in (4, 2)]
        words = np.array(numbers[0], "u4")
        doubles = np.array(
            [low | high << 32 for low, high in zip(numbers[1][::2], numbers[1][1::2], strict=True)], "u8"
        )
        np.testing.assert_array_equal(
            narrow, np.concatenate([words[:8], words[2:4], words[4:6], words[4:8], words[4:12]])
        )
        np.testing.assert_array_equal(wide, np.concatenate([doubles[:8], doubles[2:4], doubles[2:6]]))


def block(key: Any, number: int) -> Any:
    return philox.block(number & philox.MASK, number >> 32, 0, philox.WORDS, int(key[0]), int(key[1]))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda call, k: setattr(call.arguments[k][0], "drawn", False), "what is passed"),
        (lambda call, k: setattr(call.arguments[1 - k][0], "drawn", True), "what is passed"),
    ],
)
def test_a_key_that_is_none_is_found(change: Any, said: str) -> None:
    plan = gg.jit(dropped)._compiled((there(array(5, 8)), there(KEY)), {}).plan
    (call,) = plan.memory.calls
    verify_calls(plan.graph, plan.memory.calls)
    (k,) = (k for k, (a, _, _) in enumerate(call.arguments) if a.drawn)
    change(call, k)
    with pytest.raises(gg.errors.GraphError, match=said):
        verify_calls(plan.graph, plan.memory.calls)


def test_sources() -> None:
    """In Numba's loops, which draw nothing, the words are read."""
    f = gg.jit(dropped)
    x, key = there(array(5, 8)), there(KEY)
    assert "words_at<unsigned, 4>(random_bits_at_1_key, i0)" in f.sources(x, key, dialect="cuda")["kernel_0"]
    assert "random_bits_1 = random_bits_at_1[i0]" in f.sources(x, key)["kernel_0"]
    with pytest.raises(gg.errors.UnsupportedError, match="draws random words"):
        f.sources(x, key, dialect="numba_cuda")
