"""Which functions there are, by the name of their primitive."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import Any

FAMILIES = {
    "exponentials": ("exp", "exp2", "expm1", "sigmoid", "tanh", "sinh", "cosh"),
    "logarithms": ("log", "log2", "log10", "log1p", "softplus", "logaddexp"),
    "error_functions": ("erf", "erfc"),
    "trigonometric": ("sin", "cos", "tan", "sinc"),
    "powers": ("pow", "cbrt", "hypot"),
    "inverses": ("atan", "atan2", "asin", "acos", "asinh", "acosh", "atanh"),
    "inverse_error_function": ("erfinv",),
    "gamma_functions": ("gammaln", "digamma"),
}
"""The modules, and what each defines as ``name_f32`` and ``name_f64``."""

_MODULES = {name: module for module, names in FAMILIES.items() for name in names}

NAMES = frozenset(_MODULES)
"""The primitives that have a scalar function."""

NEAR = {"sin": 2.0**20, "cos": 2.0**20, "tan": 2.0**20}
"""The primitives that have a quicker function too, and the largest absolute value of its argument."""


def functions(name: str) -> tuple[Any, Any]:
    """The float32 and the float64 function of a primitive; Numba is imported with the first one asked for."""
    module = importlib.import_module(f"gpugrad.kernels.scalar_math.{_MODULES[name]}")
    return getattr(module, f"{name}_f32"), getattr(module, f"{name}_f64")


def near_functions(name: str) -> tuple[Any, Any]:
    """The quicker float32 and float64 function of a primitive, for arguments up to ``NEAR[name]`` in absolute value."""
    module = importlib.import_module(f"gpugrad.kernels.scalar_math.{_MODULES[name]}")
    return getattr(module, f"{name}_near_f32"), getattr(module, f"{name}_near_f64")


HELPERS = {
    "base": ("select", "maximum", "minimum", "floor", "ceil", "trunc", "rint"),
    "half": ("from_float16", "to_float16", "from_bfloat16", "to_bfloat16"),
    "integers": (
        "integer_floor_divide",
        "integer_remainder",
        "integer_fmod",
        "integer_power",
        "left_shift",
        "right_shift",
        *(f"to_{sign}int{width}" for sign in ("", "u") for width in (8, 16, 32, 64)),
    ),
    "complex_numbers": ("complex_multiply", "complex_divide", "exp_c64", "exp_c128"),
}
"""The modules of what expressions are made of beside functions of real numbers, for whatever dtype they are given."""

_HELPERS = {name: module for module, names in HELPERS.items() for name in names}


def helpers(names: Iterable[str]) -> dict[str, Any]:
    """Those of ``names`` that are in :data:`HELPERS`, by their names: ``select(condition, x, y)``, ``maximum(x, y)`` …"""
    found = [name for name in names if name in _HELPERS]
    modules = {name: importlib.import_module(f"gpugrad.kernels.scalar_math.{_HELPERS[name]}") for name in found}
    return {name: getattr(module, name) for name, module in modules.items()}
