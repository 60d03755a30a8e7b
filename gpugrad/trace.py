"""Values, traces and the one point of dispatch. No numerics and no calculus here.

A *trace* is one way to interpret primitives: record them (reverse mode), carry a tangent (forward mode), carry a
batch axis (vmap). Traces are numbered by *level*; the bottom level, 0, is the eager tape, and each transform that is
entered opens the next one. A *value* belongs to a trace; what it wraps (``_data``) belongs to lower levels only: a
raw array at the bottom, or a value of an enclosing transform. ``bind`` hands an operation to the newest trace among
its arguments; that trace peels its own level and binds again below, so transforms compose in any order.

Every value is of one class, so that a buffer can be rebound in place (``buf[i] = traced``): :class:`Value` has three
slots and ``gpugrad.tensor`` gives it its operators. Rebinding copies the three slots.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from gpugrad.primitive import Primitive

Array = Any
"""A raw array of some backend, or a :class:`Value` of a lower level: whatever a rule may compute with."""


class Value:
    """What a primitive takes and gives: data of a lower level, the trace that owns it, and that trace's mark.

    The mark is what the trace knows of the value: its node (tape), tangent (forward) or batch size (vmap).
    """

    __slots__ = ("__weakref__", "_data", "_mark", "_trace")
    _data: Any
    _trace: Trace
    _mark: Any


Tensor: Any = Value
"""The class of all values; ``gpugrad.tensor`` puts its own here (see :func:`install`)."""

_new = object.__new__


def install(cls: type[Value]) -> None:
    """Make ``cls`` the class of every value. Called once, by ``gpugrad.tensor``."""
    global Tensor
    Tensor = cls


def value(data: Any, trace: Trace, mark: Any) -> Any:
    """A new value. Creation is on the hot path, hence no ``__init__``."""
    v = _new(Tensor)
    v._data = data
    v._trace = trace
    v._mark = mark
    return v


class _State(threading.local):
    """What each thread has for itself."""

    level = 0
    """Number of transforms that are open."""
    floor = -1
    """Tapes of this level and below do not record: -1 records everywhere, ``no_grad`` raises it."""
    keep_values = False
    """Nodes also keep their outputs and adjoints, to be looked at."""
    ruling = 0
    """Positive while rules run: what they compute with is not a user's."""


state = _State()

watching = 0
"""Positive while recording has more to do than usual: values are kept, or arrays of the user are about."""


class Trace:
    """One way to interpret primitives; a context manager that opens a level of its own for the thread."""

    __slots__ = ("batched", "level", "records")  # read on the hot path, where slots are quickest

    def __init__(self, *, batched: bool = False, records: bool = False) -> None:
        self.level = 0
        self.batched = batched
        """Whether values of this trace hide a leading batch axis."""
        self.records = records
        """Whether it is a tape."""

    def __enter__(self) -> Self:
        state.level += 1
        self.level = state.level
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        state.level -= 1

    def apply(self, prim: Primitive, x: Any, params: dict[str, Any]) -> Any:
        """Interpret a primitive of one operand, which belongs to this trace."""
        return self.process(prim, (x,), params)

    def process(self, prim: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        """Interpret one primitive whose newest argument belongs to this trace."""
        raise NotImplementedError

    def cut(self, how: str) -> None:
        """Be told that a value of this trace was turned into something without a derivative, and where."""

    def lower(self, v: Any) -> Any:
        """What ``v`` wraps, if it is of this trace; ``v`` itself if it comes from below."""
        return v._data if type(v) is Tensor and v._trace is self else v

    def mark(self, v: Any) -> Any:
        """This trace's mark on ``v``; None if it comes from below."""
        return v._mark if type(v) is Tensor and v._trace is self else None


def bind(prim: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
    """Apply ``prim``: by the newest trace among ``args``, or at once if all of them are raw arrays."""
    if len(args) == 1:
        x = args[0]
        if type(x) is Tensor:
            return x._trace.apply(prim, x, params)
    top: Trace | None = None
    for a in args:
        if type(a) is Tensor:
            t = a._trace
            if top is None or t.level > top.level:
                top = t
    if top is not None:
        return top.process(prim, args, params)
    try:
        return prim.impl[type(args[prim.leads])](*args, **params)
    except Exception as error:
        return prim.rescue(args, params, error)
