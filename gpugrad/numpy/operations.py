"""All operations of the table as public functions, by name: what the namespaces are made of."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from gpugrad.primitive import Primitive
from gpugrad.public import all_public

_MODULES = ("elementwise", "arithmetic", "reductions", "ordering", "rearranging", "indexing", "gathering", "bilinear", "contraction", "neural", "linalg", "special")
OPERATIONS: dict[str, Callable[..., Any]] = {}
for _name in _MODULES:
    try:
        _m = importlib.import_module("gpugrad.ops." + _name)
    except ImportError:
        continue
    _all = getattr(_m, "__all__", None) or [k for k, v in vars(_m).items() if isinstance(v, Primitive) and k == v.name]
    OPERATIONS |= {(f"linalg.{k}" if _name == "linalg" else k): v for k, v in all_public([k for k in _all if k in vars(_m)], vars(_m)).items()}
