"""One row of the table of cases: a function, sample inputs, and what NumPy says the value is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Case:
    """``f`` at ``args``. Checked: value, both modes, second order, transposes, vmap, dtypes, every backend."""

    name: str
    """The operation, then what is special: ``"softmax axis=0"``."""
    f: Callable[..., Any]
    """From values (positional) to a value or a tuple of values; every parameter is bound already."""
    args: Callable[[np.random.Generator], tuple[Any, ...]]
    """Sample inputs in float64 (or integer, or boolean, where the operation wants them)."""
    reference: Callable[..., Any] | None = None
    """The same in plain NumPy, on NumPy arrays; None where the value is checked by an identity test elsewhere."""
    argnums: tuple[int, ...] | None = None
    """Arguments to differentiate; None: every floating-point one; (): the function has no derivative."""
    order: int = 2
    """The order of derivatives that are checked by differences."""
    tol: float = 1e-6
    """Relative tolerance against differences."""
    without: dict[str, str] = field(default_factory=dict)
    """Checks that do not apply, each with its reason: ``{"vmap": "the number of results depends on the data"}``."""
