"""Kernels run by Python itself: the text that Numba would compile, executed as it stands, which takes no time to start."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from gpugrad.primitive import registry


def interpreted(text: str) -> Callable[..., Any]:
    """The function ``kernel`` of a printed text, not compiled."""
    namespace: dict[str, Any] = {"np": np, "math": math, "select": lambda condition, x, y: x if condition else y}
    namespace |= {"maximum": np.maximum, "minimum": np.minimum}
    for name, width in set(re.findall(r"\b(\w+)_f(32|64)\(", text)):
        prim, to = registry[name], np.dtype(f"float{width}").type
        namespace[f"{name}_f{width}"] = lambda *xs, prim=prim, to=to: prim.impl[to](*map(to, xs))
    exec(text, namespace)
    kernel = namespace["kernel"]

    def run(*arguments: Any) -> None:
        with np.errstate(all="ignore"):
            kernel(*arguments)

    return run
