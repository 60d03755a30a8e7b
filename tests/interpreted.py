"""Kernels run by Python itself: the text that Numba would compile, executed as it stands, which takes no time to start."""

from __future__ import annotations

import functools as ft
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from gpugrad import dtypes
from gpugrad.primitive import registry


def _read(name: str) -> Callable[..., Any]:
    return lambda bits: np.uint16(bits).reshape(1).view(dtypes.dtype(name)).astype(np.float32)[0]


def _written(name: str) -> Callable[..., Any]:
    return lambda x: np.float32(x).reshape(1).astype(dtypes.dtype(name)).view(np.uint16)[0]


HELPERS = {f"from_{name}": _read(name) for name in ("float16", "bfloat16")}
HELPERS |= {f"to_{name}": _written(name) for name in ("float16", "bfloat16")}
HELPERS |= {name: getattr(np, name) for name in ("maximum", "minimum", "floor", "ceil", "trunc", "rint")}
HELPERS |= {f"integer_{name}": getattr(np, name) for name in ("floor_divide", "remainder", "fmod", "power")}
HELPERS |= {name: getattr(np, name) for name in ("left_shift", "right_shift")}
HELPERS |= {
    f"to_{name}": lambda x, name=name: np.asarray(x).astype(name)[()]
    for name in (f"{sign}int{width}" for sign in ("", "u") for width in (8, 16, 32, 64))
}
HELPERS |= {"complex_multiply": np.multiply, "complex_divide": np.divide}
"""What expressions are made of, in NumPy's words."""


def interpreted(text: str, _kinds: Any = None) -> Callable[..., Any]:
    """The function ``kernel`` of a printed text, in place of the compiled one that ``numba_kernels.compiled`` gives."""
    return _interpreted(text)


@ft.cache
def _interpreted(text: str) -> Callable[..., Any]:
    namespace: dict[str, Any] = {"np": np, "math": math, "select": lambda condition, x, y: x if condition else y}
    namespace |= HELPERS
    for name, width in set(re.findall(r"\b(\w+)_f(32|64)\(", text)):
        prim, to = registry[name.removesuffix("_near")], np.dtype(f"float{width}").type
        namespace[f"{name}_f{width}"] = lambda *xs, prim=prim, to=to: prim.impl[to](*map(to, xs))
    for name, width in set(re.findall(r"\b(\w+)_c(64|128)\(", text)):
        prim, to = registry[name.removesuffix("_near")], np.dtype(f"complex{width}").type
        namespace[f"{name}_c{width}"] = lambda *xs, prim=prim, to=to: prim.impl[to](*map(to, xs))
    exec(text, namespace)
    kernel = namespace["kernel"]

    def run(*arguments: Any) -> None:
        with np.errstate(all="ignore"):
            kernel(*arguments)

    return run
