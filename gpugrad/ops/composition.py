"""Operations that are formulas of others, and run as one compiled loop where arrays are large."""

from __future__ import annotations

import functools as ft
import math
from collections.abc import Callable
from typing import Any, TypeVar

from gpugrad import trace

LARGE = 1 << 18
"""Elements from which on a compiled loop is worth looking for."""

F = TypeVar("F", bound=Callable[..., Any])

_compiled: Callable[..., Any] | None = None


def attach(compiled: Callable[..., Any]) -> None:
    """Let ``compiled(f, args, kwargs)`` compute compositions of large arrays; it gives None where it cannot, or not yet."""
    global _compiled
    _compiled = compiled


def composition(f: F) -> F:
    """Mark an operation that is a formula of others. Its first argument is an array, and it draws no random numbers."""

    @ft.wraps(f)
    def call(*args: Any, **kwargs: Any) -> Any:
        if args:
            x = args[0]
            if type(x) is trace.Tensor and x._trace.level == 0 and _compiled is not None:
                shape = x._data.shape
                if shape and math.prod(shape) >= LARGE:
                    out = _compiled(f, args, kwargs)
                    if out is not None:
                        return out
        return f(*args, **kwargs)

    return call  # type: ignore[return-value]
