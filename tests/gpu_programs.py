"""Programs whose kernels have every form, for the tests of the printers for GPUs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import gpugrad as gg
from gpugrad.codegen.gpu_launch import Device


def numbers(*shape: int, dtype: str = "float32", seed: int = 0) -> Any:
    """An array of normally distributed numbers."""
    return gg.asarray(np.random.default_rng(seed).normal(size=shape).astype(dtype))


def classes(n: int, count: int) -> Any:
    """An array of integers below ``count``."""
    return gg.asarray(np.random.default_rng(1).integers(0, count, n))


def layer_norm_loss(x: Any, scale: Any, shift: Any) -> Any:
    return gg.sum(gg.square(gg.layer_norm(x) * scale + shift))


def every_axis(x: Any, y: Any) -> Any:
    return gg.exp(x) * y + gg.sum(y)


PROGRAMS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "map": (lambda x: gg.sin(x) * x + 0.5, (numbers(6, 8),)),
    "map_of_one_number": (lambda x: gg.exp(x) * 2.0, (numbers(),)),
    "map_broadcast": (lambda x, y, z: gg.where(x > y, x * z, y), (numbers(3, 5, 8), numbers(3, 1, 8), numbers(5, 1))),
    "map_odd": (lambda x: gg.tanh(x), (numbers(3, 7),)),
    "map_mixed": (lambda x: gg.astype(gg.astype(x, gg.float64) * 0.1 > 0.0, gg.int64) * 3 - 1, (numbers(4, 6),)),
    "row_sum": (lambda x: gg.sum(x * x, axis=-1), (numbers(9, 12),)),
    "row_extremes": (lambda x: (gg.max(x * 2.0, axis=-1), gg.min(x * 2.0, axis=-1)), (numbers(9, 5, dtype="float64"),)),
    "sum_of_all": (lambda x: gg.sum(x * x), (numbers(10, 12),)),
    "sum_of_one": (lambda x: gg.sum(x * x), (numbers(1, 1),)),
    "rows_of_one": (lambda x: gg.sum(x * x, axis=1), (numbers(5, 1),)),
    "sum_of_broadcast": (lambda x, y: gg.sum(x * y, axis=(1, 2)), (numbers(3, 4, 5), numbers(4, 1))),
    "deviation": (lambda x: gg.std(x) * x, (numbers(4, 25),)),
    "column_sum": (lambda x: (gg.relu(x), gg.sum(gg.relu(x), axis=0)), (numbers(50, 12),)),
    "column_sums": (lambda x, y: (gg.sum(x * y, axis=0), gg.sum(x - y, axis=0)), (numbers(40, 3, 5), numbers(3, 1))),
    "column_sum_of_broadcast": (lambda x, y: gg.sum(x * y, axis=(0, 1)), (numbers(3, 4, 5), numbers(4, 1))),
    "softmax": (lambda x: gg.softmax(2.0 * x, axis=-1), (numbers(7, 64),)),
    "softmax_and_column_sum": (
        lambda x: (gg.softmax(x, axis=-1), gg.sum(gg.softmax(x, axis=-1), axis=0)),
        (numbers(3, 200),),
    ),
    "layer_norm_backward": (
        lambda x, scale, shift: gg.grad(layer_norm_loss, (0, 1, 2))(x, scale, shift),
        (numbers(30, 32), numbers(32, seed=1), numbers(32, seed=2)),
    ),
    "cross_entropy_backward": (
        lambda x, y: gg.value_and_grad(lambda x: gg.cross_entropy(x, y))(x),
        (numbers(20, 10), classes(20, 10)),
    ),
    "long_softmax": (lambda x: gg.softmax(2.0 * x, axis=-1), (numbers(5, 1040),)),
    "long_softmax_of_an_odd_length": (lambda x: gg.softmax(2.0 * x, axis=-1), (numbers(5, 1031),)),
    "long_softmax_backward": (
        lambda x, g: gg.vjp(lambda x: gg.softmax(x, axis=-1), x)[1](g),
        (numbers(5, 515), numbers(5, 515, seed=1)),
    ),
    "long_layer_norm_backward": (
        lambda x, scale, shift: gg.grad(layer_norm_loss, (0, 1, 2))(x, scale, shift),
        (numbers(5, 1028), numbers(1028, seed=1), numbers(1028, seed=2)),
    ),
    "long_cross_entropy": (
        lambda x, y: gg.value_and_grad(lambda x: gg.cross_entropy(x, y))(x),
        (numbers(5, 1033), classes(5, 1033)),
    ),
    "long_rows_of_several_axes": (
        lambda x, y: x * gg.mean(x * y, axis=(1, 2), keepdims=True),
        (numbers(5, 6, 90), numbers(6, 1)),
    ),
    "unicode": (lambda θ: gg.square(θ) - θ, (numbers(5),)),
    "every_axis": (every_axis, (numbers(2, 3, 4), numbers(4))),
}

KEY, OTHER = gg.random.key(5), gg.random.key(6)


def dropped(x: Any, key: Any, of: Callable[..., Any] = lambda x: x, p: float = 0.3) -> Any:
    """Dropout of a function; its words come first, so that the CPU's plans have both in one kernel, too."""
    kept = gg.random.bernoulli(1.0 - p, x.shape, key=key)
    return gg.where(kept, of(x) * (1.0 / (1.0 - p)), 0.0)


def softmax(x: Any) -> Any:
    return gg.softmax(x, axis=-1)


def dropped_before_softmax(x: Any, key: Any) -> Any:
    return gg.softmax(dropped(x, key), axis=-1)


DRAWING: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "dropout": (dropped, (numbers(6, 8), KEY)),
    "dropout_odd": (dropped, (numbers(3, 7), KEY)),
    "dropout_of_pairs": (dropped, (numbers(3, 6), KEY)),
    "dropout_of_float64": (dropped, (numbers(4, 6, dtype="float64"), KEY)),
    "dropout_of_bfloat16": (dropped, (gg.astype(numbers(6, 8), "bfloat16"), KEY)),
    "dropout_of_float16": (dropped, (gg.astype(numbers(3, 5), "float16"), KEY)),
    "dropout_after_softmax": (lambda x, key: dropped(x, key, softmax), (numbers(7, 64), KEY)),
    "dropout_after_softmax_of_bfloat16": (
        lambda x, key: dropped(x, key, softmax),
        (gg.astype(numbers(3, 200), "bfloat16"), KEY),
    ),
    "dropout_in_odd_rows": (lambda x, key: dropped(x, key, softmax), (numbers(3, 201), KEY)),
    "dropout_before_softmax": (dropped_before_softmax, (numbers(5, 64), KEY)),
    "dropout_before_softmax_in_odd_rows": (dropped_before_softmax, (numbers(3, 77, dtype="float64"), KEY)),
    "two_keys": (lambda x, a, b: dropped(x, a) + dropped(x, b, p=0.5), (numbers(6, 8), KEY, OTHER)),
    "sum_of_columns_dropped": (lambda x, key: gg.sum(dropped(x, key), axis=0), (numbers(50, 12), KEY)),
    "words_alone": (lambda key: gg.sum(gg.random.uniform(shape=(9, 12), dtype="float32", key=key), axis=-1), (KEY,)),
    "words_of_64_bits": (lambda key: gg.random.uniform(shape=(5, 3), dtype="float64", key=key) * 2.0, (KEY,)),
    "words_broadcast": (
        lambda y, a, b: (y ^ gg.random.bits(8, key=a), y ^ gg.random.bits((5, 1), key=b)),
        (gg.asarray(np.arange(120, dtype=np.uint32).reshape(3, 5, 8)), KEY, OTHER),
    ),
}
"""Programs whose kernels draw random words on a GPU, and read them on the CPU."""

DEVICES = {
    "usual": Device(),
    "small": Device(processors=2, registers=0, threads=16, long=8),
    "narrow": Device(processors=8, threads=32, long=4),
    "alone": Device(processors=1, threads=64, long=1 << 30),
    "shared": Device(processors=1, registers=0, shared=10_000, threads=64, long=512),
}
"""Devices under which these programs take every form, with more or fewer threads than there is work."""
