"""What a device can do at most, measured by what does nothing else: copies, matrix products, and calls of nothing."""

from __future__ import annotations

import functools as ft
import math
import operator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import gpugrad as gg
from gpugrad.backends import select
from gpugrad.backends.select import synchronize
from gpugrad.bench.measure import Timed
from gpugrad.bench.statistics import median

COPIED = 1 << 26
"""Bytes of the array whose copy measures bandwidth, unless the caches are larger."""
PRODUCT = {"cpu": 1024, "cuda": 8192}
"""Rows of the matrices whose product measures arithmetic."""


@dataclass(frozen=True)
class Limits:
    """Of a device: bytes that a copy reads and writes in a second, operations of a product, seconds of a call."""

    bandwidth: float
    products: dict[str, float]
    """dtype -> operations in a second."""
    call: float

    def seconds(self, nbytes: float, operations: float, dtype: str) -> float:
        """The least time for work that moves so many bytes and does so many operations of matrix products."""
        rate = self.products.get(dtype, max(self.products.values(), default=math.inf))
        return max(nbytes / self.bandwidth, operations / rate, self.call)


def measured(device: str, dtypes: list[str], seconds: float) -> Limits:
    """The limits of a device, for as many seconds each."""
    size = max(COPIED, 4 * cache(device))
    x = gg.tensor(np.random.default_rng(0).integers(0, 255, size, dtype=np.uint8), device=device)
    backend = select.on(device)
    copy = Timed([_copy(backend, x._data)], synchronize)
    copy.round(seconds)
    products = {}
    n = PRODUCT[device.partition(":")[0]]
    rng = np.random.default_rng(1)
    for dtype in dtypes:
        a, b = (gg.tensor(rng.normal(size=(n, n)), dtype=dtype, device=device) for _ in range(2))
        product = Timed([ft.partial(operator.matmul, a, b)], synchronize)
        product.round(seconds)
        products[dtype] = 2.0 * n**3 / median(product.rounds)
    nothing = gg.jit(lambda x: x + 1.0)
    one = gg.tensor(1.0, device=device)
    call = Timed([lambda: nothing(one)], synchronize)
    call.round(seconds)
    return Limits(2.0 * size / median(copy.rounds), products, median(call.rounds))


def _copy(backend: Any, x: Any) -> Any:
    """A call that copies an array over another one."""
    other = backend.copied(x)
    if isinstance(x, np.ndarray) and type(x) is np.ndarray:
        return lambda: np.copyto(other, x)

    def call() -> None:
        other[...] = x

    return call


def cache(device: str) -> int:
    """Bytes of a device's last cache; 0 if that is not known."""
    if device.startswith("cuda"):
        return int(select.on(device).plans_on(device).limits.cache)
    sizes = [_bytes(path) for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size")]
    return max(sizes, default=0)


def _bytes(path: Path) -> int:
    """Of "512K", say."""
    try:
        text = path.read_text().strip()
        return int(text[:-1]) * {"K": 1 << 10, "M": 1 << 20}[text[-1]]
    except (OSError, ValueError, KeyError, IndexError):
        return 0
