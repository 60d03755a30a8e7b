"""The workloads' functions, written out for namespaces that have NumPy's functions and no more."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any


def functions(xp: Any, erf: Callable[[Any], Any]) -> dict[str, Callable[..., Any]]:
    """Those of the workloads, by name."""

    def gelu(x: Any) -> Any:
        return 0.5 * x * (1.0 + erf(x * math.sqrt(0.5)))

    def softmax(x: Any) -> Any:
        e = xp.exp(x - xp.max(x, axis=-1, keepdims=True))
        return e / xp.sum(e, axis=-1, keepdims=True)

    def layer_norm(x: Any, scale: Any, shift: Any) -> Any:
        d = x - xp.mean(x, axis=-1, keepdims=True)
        return d / xp.sqrt(xp.mean(d * d, axis=-1, keepdims=True) + 1e-5) * scale + shift

    def cross_entropy(x: Any, y: Any) -> Any:
        x = x - xp.max(x, axis=-1, keepdims=True)
        return xp.mean(xp.log(xp.sum(xp.exp(x), axis=-1)) - x[xp.arange(len(y)), y])

    def scalar(x: Any) -> Any:
        for _ in range(5):
            x = xp.sin(x) * 0.9
        return x

    return {
        "chain": lambda x: gelu(x * 1.1 + 0.2) * 0.5,
        "reduction": lambda x: xp.mean(xp.square(x), axis=-1),
        "softmax": softmax,
        "layer norm": layer_norm,
        "cross entropy": cross_entropy,
        "matmul": lambda x, y: xp.matmul(x, y),
        "scalar": scalar,
        "Hessian product": lambda x: 100.0 * xp.square(x[1:] - xp.square(x[:-1])) + xp.square(1.0 - x[:-1]),
    }
