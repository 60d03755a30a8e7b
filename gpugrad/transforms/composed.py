"""Compositions of large arrays, without jit: each runs as a compiled function once the compiler has made it.

The first call of a kind is only remembered; the second hands it to the compiler, on a thread of its own; until that is
done calls compute one operation after another, as they do for small arrays. ``gg.config.fused_backward`` turns it off.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import numpy as np

from gpugrad import dtypes
from gpugrad.backends.background import compiler
from gpugrad.trace import state
from gpugrad.transforms.cells import Held
from gpugrad.transforms.jit import Jitted
from gpugrad.transforms.tape import EAGER

_KNOWN = 256
"""Kinds of calls that are remembered."""

_functions: dict[Callable[..., Any], Jitted] = {}
_calls: dict[Any, Future[bool] | None] = {}
"""Kind of call -> whether it is compiled, or the promise to say so; None after its first call."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_calls.clear)  # what another process's thread has promised will not come


def composed(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``f(*args, **kwargs)``, compiled; None if that is not possible, or not yet."""
    jitted = _functions.get(f)
    if jitted is None:
        jitted = _functions[f] = Jitted(f, ())
    try:
        call, values = jitted._bound(args, kwargs)
    except TypeError:  # arguments that f itself will say what is wrong with
        return None
    if any(v._trace is not EAGER or type(v._data) is not np.ndarray for v in values):
        return None
    records = EAGER.level > state.floor
    tracked = [k for k, v in enumerate(values) if records and v._mark is not None and dtypes.is_inexact(v.dtype)]
    program = call.variant(Held(call.cells)).program
    kinds = tuple([(v._data.shape, v._data.dtype) for v in values])
    key = program, tuple(tracked), kinds, dtypes.default()
    if key not in _calls:
        if len(_calls) >= _KNOWN:
            _calls.clear()
        _calls[key] = None
        return None
    promise = _calls[key]
    if promise is None:
        like = [np.broadcast_to(np.zeros((), dtype), shape) for shape, dtype in kinds]  # holds no memory meanwhile
        _calls[key] = compiler().submit(_compiled, program, like, tracked, state.floor)
        return None
    return jitted(*args, **kwargs) if promise.done() and promise.result() else None


def wait() -> None:
    """Until everything that was begun is compiled: for measurements and tests."""
    for promise in list(_calls.values()):
        if promise is not None:
            promise.result()


def _compiled(program: Any, like: list[Any], tracked: list[int], floor: int) -> bool:
    before, state.floor = state.floor, floor
    try:
        if tracked:
            program.halves_at(like, tracked)
        else:
            program.at(like)
    except Exception:  # what cannot be compiled stays interpreted, and says what is wrong with its arguments
        return False
    finally:
        state.floor = before
    return True
