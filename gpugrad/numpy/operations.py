"""All operations of the table as public functions, by name: what the namespaces are made of."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from gpugrad.numpy import ufunc_formulas
from gpugrad.ops import (
    arithmetic,
    bilinear,
    contraction,
    elementwise,
    fft,
    gathering,
    indexing,
    integers,
    joining,
    linalg,
    linear,
    ordering,
    padding,
    rearranging,
    reductions,
    sequences,
    sets,
    special,
)
from gpugrad.public import all_public

_MODULES: tuple[ModuleType, ...] = (
    arithmetic, bilinear, contraction, gathering, indexing, integers, joining, ordering, padding, rearranging, reductions,
    sequences, sets, ufunc_formulas,
)  # fmt: skip

OPERATIONS: dict[str, Callable[..., Any]] = all_public(elementwise.__all__, vars(elementwise))
"""Name -> function; those of linear algebra and Fourier transforms are ``"linalg.solve"``, ``"fft.rfft"`` and so on."""

OPERATIONS |= all_public(["conj", "imag", "real"], vars(linear))
OPERATIONS |= all_public(["i0"], vars(special), "gpugrad.special")
for _module in _MODULES:
    OPERATIONS |= all_public(_module.__all__, vars(_module))
OPERATIONS |= {f"linalg.{name}": f for name, f in all_public(linalg.__all__, vars(linalg), "gpugrad.linalg").items()}
OPERATIONS |= {f"fft.{name}": f for name, f in all_public(fft.__all__, vars(fft), "gpugrad.fft").items()}
