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

LARGEST = 1 << 27
"""Bytes that the largest copy touches, which measures the bandwidth of memory, unless the caches are larger."""
SMALLEST = 1 << 19
"""Bytes that the smallest copy touches."""
PRODUCT = {"cpu": 1024, "cuda": 8192}
"""Rows of the matrices whose product measures arithmetic."""


@dataclass(frozen=True)
class Limits:
    """Of a device: bytes that a copy reads and writes in a second, operations of a product, seconds of a call."""

    copies: list[list[float]]
    """Bytes that a copy touches, and bytes that it moves in a second: from what lies in the caches to what does not."""
    products: dict[str, float]
    """dtype -> operations in a second."""
    call: float

    @property
    def bandwidth(self) -> float:
        """Of memory."""
        return self.copies[-1][1]

    def copied(self, touched: float) -> float:
        """Bytes in a second where so many are touched again and again: the speed of caches, as far as they reach.

        >>> Limits([[1e6, 2e11], [1e8, 5e10]], {}, 1e-6).copied(1e7)
        125000000000.0
        """
        sizes, rates = zip(*self.copies)
        return float(np.interp(np.log(max(touched, 1.0)), np.log(sizes), rates))

    def seconds(self, nbytes: float, operations: float, dtype: str, touched: float = math.inf) -> float:
        """The least time for work that moves so many bytes and does so many operations of matrix products."""
        rate = self.products.get(dtype, max(self.products.values(), default=math.inf))
        return max(nbytes / self.copied(touched), operations / rate, self.call)


def measured(device: str, dtypes: list[str], seconds: float) -> Limits:
    """The limits of a device, for as many seconds each."""
    largest = max(LARGEST, 8 * cache(device))
    sizes = [largest >> k for k in range((largest // SMALLEST).bit_length() - 1, -1, -1)]
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
    return Limits([[n, _copies(device, n, seconds / 5)] for n in sizes], products, median(call.rounds))


def _copies(device: str, touched: int, seconds: float) -> float:
    """Bytes that the quickest copy moves in a second from one half of so many to the other: NumPy's, or a loop of ours."""
    x = gg.tensor(np.random.default_rng(0).standard_normal(touched // 8, np.float32), device=device)
    loop = gg.jit(lambda x: -x)  # which moves what a copy does, on several threads where NumPy has one
    times = []
    for call in (_copy(select.on(device), x._data), lambda: loop(x)):
        copy = Timed([call], synchronize)
        copy.round(seconds)
        times.append(median(copy.rounds))
    return touched / min(times)


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
