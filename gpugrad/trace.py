"""Values, traces and the one point of dispatch. No numerics and no calculus here.

A *trace* is one way to interpret primitives: record them (reverse mode), carry a tangent (forward mode), carry a
batch axis (vmap). Traces are numbered by *level*; the bottom level, 0, is the eager tape, and each transform that is
entered, in whatever thread, takes the next number. A *value* belongs to a trace; what it wraps (``_data``) belongs to lower levels only: a
raw array at the bottom, or a value of an enclosing transform. ``bind`` hands an operation to the newest trace among
its arguments; that trace peels its own level and binds again below, so transforms compose in any order.

Every value is of one class, so that a buffer can be rebound in place (``buf[i] = traced``): :class:`Value` has three
slots and ``gpugrad.tensor`` gives it its operators. Rebinding copies the three slots.
"""

from __future__ import annotations

import functools as ft
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from gpugrad import errors

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


def raw_of(x: Any) -> Any:
    """The raw array below any number of traces; anything that is no value as it is."""
    while isinstance(x, Value):
        x = x._data
    return x


class _State(threading.local):
    """What each thread has for itself."""

    def __init__(self) -> None:
        self.floors: list[int] = []
        """What ``floor`` was outside each ``no_grad`` and ``enable_grad`` that is open."""
        self.autocasts: list[Any] = []
        """What ``autocast`` was outside each ``gg.autocast`` that is open."""

    floor = -1
    """Tapes of this level and below do not record: -1 records everywhere, ``no_grad`` raises it."""
    keep_values = 0
    """Positive: nodes also keep their outputs and adjoints, to be looked at."""
    draws: Draws | None = None
    """Keys of random numbers that are being remembered, or given out again."""
    autocast: Any = None
    """The half dtype that products take their operands in; None: as they are."""
    ruling = 0
    """Positive while rules run: what they compute with is not a user's."""


class Draws:
    """The keys that a function drew from generators of random numbers; with ``keys`` of an earlier run, those again."""

    def __init__(self, outer: Draws | None, keys: Sequence[Any] | None = None) -> None:
        self.outer = outer
        self.again = None if keys is None else iter(keys)
        self.keys: list[Any] = []

    def draw(self, fresh: Callable[[], Any]) -> Any:
        """The next key: of the earlier run, if there was one; GraphError if it did not draw as many."""
        if self.again is None:
            key = fresh() if self.outer is None else self.outer.draw(fresh)
        else:
            key = next(self.again, None)
            if key is None:
                raise errors.GraphError(
                    f"a checkpointed function draws a random number at {errors.user_site()}, when it runs again for the derivative, that it did not draw at first; expected a function that computes the same each time"
                )
        self.keys.append(key)
        return key


@contextmanager
def drawing(draws: Draws) -> Iterator[Draws]:
    """Let generators of random numbers, in this thread, take their keys by way of ``draws``."""
    before, state.draws = state.draws, draws
    try:
        yield draws
    finally:
        state.draws = before


state = _State()

next_level = count(1).__next__
"""A level above those of all traces that there are."""

watching = 0
"""Positive while recording has more to do than usual: values are kept, or arrays of the user are about."""


class Trace:
    """One way to interpret primitives; as a context manager, a level of its own that ends with the block."""

    __slots__ = ("batched", "level", "records")  # read on the hot path, where slots are quickest

    def __init__(self, *, batched: bool = False, records: bool = False) -> None:
        self.level = 0
        self.batched = batched
        """Whether values of this trace hide a leading batch axis."""
        self.records = records
        """Whether it is a tape."""

    def __enter__(self) -> Self:
        self.level = next_level()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.records = False
        mine: Any = type(self)
        self.__class__ = ended(mine)

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


class Ended:
    """Comes before the class of a trace whose transform has returned: its values may be looked at, not computed with."""

    __slots__ = ()
    kind: Any

    def apply(self, prim: Primitive, x: Any, params: dict[str, Any]) -> Any:
        raise _outlived(prim)

    def process(self, prim: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        raise _outlived(prim)


def _outlived(prim: Primitive) -> errors.TraceError:
    return errors.TraceError(
        f"{prim.name} at {errors.user_site()}: an operand was made inside a transform (grad, vjp, jvp, vmap …) that has ended, and kept by something outside of it. Return it from the function (with has_aux=True beside the result), or keep t.detach()"
    )


@ft.cache
def ended(kind: Any) -> Any:
    """The class of a trace of that kind once its transform has returned."""
    return kind if issubclass(kind, Ended) else type(kind.__name__, (Ended, kind), {"__slots__": (), "kind": kind})


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
