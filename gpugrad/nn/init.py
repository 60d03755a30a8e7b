"""Initial values of parameters: functions from a shape to a float32 tensor.

Random ones take ``key``: a key or generator of :mod:`gpugrad.random`, or None for the default generator. To start a
parameter again: ``p.copy_(gg.nn.init.kaiming_normal(p.shape, key=key))``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from gpugrad import creation, errors, random
from gpugrad.ops import linalg
from gpugrad.ops.bilinear import mT
from gpugrad.ops.linear import reshape

__all__ = [
    "constant", "eye", "fans", "gain", "kaiming_normal", "kaiming_uniform", "keys", "normal", "ones", "orthogonal",
    "truncated_normal", "uniform", "xavier_normal", "xavier_uniform", "zeros",
]  # fmt: skip

Shape = int | Sequence[int]


def keys(key: Any, count: int) -> list[Any]:
    """One key for each of ``count`` parameters; a generator (or None) stands for itself, as it never repeats.

    >>> import gpugrad as gg
    >>> gg.nn.init.keys(None, 2)
    [None, None]
    """
    if key is None or isinstance(key, random.Generator):
        return [key] * count
    return list(random.split(key, count))


def zeros(shape: Shape, *, dtype: Any = "float32", device: str | None = None) -> Any:
    """Zeros.

    >>> import gpugrad as gg
    >>> gg.nn.init.zeros(2)
    tensor([0., 0.], dtype=float32)
    """
    return creation.zeros(shape, dtype=dtype, device=device)


def ones(shape: Shape, *, dtype: Any = "float32", device: str | None = None) -> Any:
    """Ones.

    >>> import gpugrad as gg
    >>> gg.nn.init.ones(2)
    tensor([1., 1.], dtype=float32)
    """
    return creation.ones(shape, dtype=dtype, device=device)


def constant(shape: Shape, value: float, *, dtype: Any = "float32", device: str | None = None) -> Any:
    """One number throughout.

    >>> import gpugrad as gg
    >>> gg.nn.init.constant(2, 0.5)
    tensor([0.5, 0.5], dtype=float32)
    """
    return creation.full(shape, value, dtype=dtype, device=device)


def eye(rows: int, columns: int | None = None, *, dtype: Any = "float32", device: str | None = None) -> Any:
    """Ones on the diagonal.

    >>> import gpugrad as gg
    >>> gg.nn.init.eye(2).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    return creation.eye(rows, columns, dtype=dtype, device=device)


def uniform(
    shape: Shape,
    low: float = 0.0,
    high: float = 1.0,
    *,
    key: Any = None,
    dtype: Any = "float32",
    device: str | None = None,
) -> Any:
    """Uniform in [low, high).

    >>> import gpugrad as gg
    >>> gg.nn.init.uniform((2, 3), -1.0, 1.0, key=gg.random.key(0)).shape
    (2, 3)
    """
    return random.uniform(shape, low, high, dtype=dtype, key=key, device=device)


def normal(
    shape: Shape,
    mean: float = 0.0,
    std: float = 1.0,
    *,
    key: Any = None,
    dtype: Any = "float32",
    device: str | None = None,
) -> Any:
    """Normal.

    >>> import gpugrad as gg
    >>> gg.nn.init.normal(3, std=0.02).shape
    (3,)
    """
    return random.normal(shape, mean, std, dtype=dtype, key=key, device=device)


def truncated_normal(
    shape: Shape, mean: float = 0.0, std: float = 1.0, low: float = -2.0, high: float = 2.0, *, key: Any = None, dtype: Any = "float32",
    device: str | None = None,
) -> Any:  # fmt: skip
    """Normal, limited to [low, high].

    >>> import gpugrad as gg
    >>> bool((gg.abs(gg.nn.init.truncated_normal(100)) <= 2.0).all())
    True
    """
    return random.truncated_normal(shape, low, high, mean, std, dtype=dtype, key=key, device=device)


def fans(shape: Sequence[int]) -> tuple[int, int]:
    """(inputs, outputs) of one element, for a weight (out, in, *kernel). ShapeError for less than two axes.

    >>> import gpugrad as gg
    >>> gg.nn.init.fans((16, 3, 5, 5))
    (75, 400)
    """
    if isinstance(shape, int) or len(shape) < 2:
        raise errors.ShapeError(
            f"nn.init: shape {shape} has no fan-in and fan-out; expected (out, in, *kernel). Use nn.init.uniform or nn.init.normal"
        )
    kernel = math.prod(shape[2:])
    return shape[1] * kernel, shape[0] * kernel


_GAINS = {"linear": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2.0), "selu": 0.75}


def gain(nonlinearity: str, slope: float = 0.01) -> float:
    """The factor that keeps the variance through an activation; ``slope`` is that of leaky ReLU.

    >>> import gpugrad as gg
    >>> gg.nn.init.gain("relu") ** 2
    2.0000000000000004
    """
    if nonlinearity == "leaky_relu":
        return math.sqrt(2.0 / (1.0 + slope * slope))
    if nonlinearity not in _GAINS:
        raise errors.ArgumentError(f"nn.init.gain({nonlinearity!r}); expected leaky_relu, {', '.join(_GAINS)}")
    return _GAINS[nonlinearity]


def xavier_uniform(
    shape: Sequence[int], gain: float = 1.0, *, key: Any = None, dtype: Any = "float32", device: str | None = None
) -> Any:
    """Uniform with variance gain² · 2 / (fan_in + fan_out) (Glorot and Bengio, 2010).

    >>> import gpugrad as gg
    >>> gg.nn.init.xavier_uniform((2, 3)).shape
    (2, 3)
    """
    bound = gain * math.sqrt(6.0 / max(sum(fans(shape)), 1))
    return uniform(shape, -bound, bound, key=key, dtype=dtype, device=device)


def xavier_normal(
    shape: Sequence[int], gain: float = 1.0, *, key: Any = None, dtype: Any = "float32", device: str | None = None
) -> Any:
    """Normal with variance gain² · 2 / (fan_in + fan_out) (Glorot and Bengio, 2010).

    >>> import gpugrad as gg
    >>> gg.nn.init.xavier_normal((2, 3)).shape
    (2, 3)
    """
    return normal(shape, 0.0, gain * math.sqrt(2.0 / max(sum(fans(shape)), 1)), key=key, dtype=dtype, device=device)


def _fan(shape: Sequence[int], mode: str) -> int:
    if mode not in ("fan_in", "fan_out"):
        raise errors.ArgumentError(
            f"nn.init: mode={mode!r}; expected 'fan_in' (keeps the variance forward) or 'fan_out' (backward)"
        )
    return max(fans(shape)[mode == "fan_out"], 1)


def kaiming_uniform(
    shape: Sequence[int], mode: str = "fan_in", nonlinearity: str = "relu", slope: float = 0.01, *, key: Any = None, dtype: Any = "float32",
    device: str | None = None,
) -> Any:  # fmt: skip
    """Uniform with variance gain² / fan (He et al., 2015).

    >>> import gpugrad as gg
    >>> gg.nn.init.kaiming_uniform((2, 3)).shape
    (2, 3)
    """
    bound = gain(nonlinearity, slope) * math.sqrt(3.0 / _fan(shape, mode))
    return uniform(shape, -bound, bound, key=key, dtype=dtype, device=device)


def kaiming_normal(
    shape: Sequence[int], mode: str = "fan_in", nonlinearity: str = "relu", slope: float = 0.01, *, key: Any = None, dtype: Any = "float32",
    device: str | None = None,
) -> Any:  # fmt: skip
    """Normal with variance gain² / fan (He et al., 2015).

    >>> import gpugrad as gg
    >>> gg.nn.init.kaiming_normal((2, 3)).shape
    (2, 3)
    """
    return normal(
        shape, 0.0, gain(nonlinearity, slope) / math.sqrt(_fan(shape, mode)), key=key, dtype=dtype, device=device
    )


def orthogonal(
    shape: Sequence[int], gain: float = 1.0, *, key: Any = None, dtype: Any = "float32", device: str | None = None
) -> Any:
    """Rows (or, if there are more of them than columns, columns) that are orthonormal, times ``gain`` (Saxe et al., 2014).

    Axes from the second on count as columns.

    >>> import gpugrad as gg
    >>> q = gg.nn.init.orthogonal((2, 3))
    >>> bool(gg.allclose(q @ q.mT, gg.eye(2), atol=1e-6))
    True
    """
    fans(shape)
    rows, columns = shape[0], math.prod(shape[1:])
    z = normal((max(rows, columns), min(rows, columns)), key=key, dtype=dtype, device=device)
    q, r = linalg.qr(z)
    q = q * (
        gain * (1.0 - 2.0 * (linalg.diagonal(r) < 0.0).astype(q.dtype))
    )  # uniform if the diagonal of r is positive
    return reshape(q if rows >= columns else mT(q), to=tuple(shape), rank=2)
