"""``while_loop`` in a function that is being compiled: one line of its graph, however often it runs.

Condition and body are run once each, on symbols in the place of what is carried. What they close over is read from the
graph around them. A carried value with a tangent, or one for each item of a batch, is as many arrays as there are in
it; what the body adds to it (the tangent of something that it closes over, say) it has from the beginning.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from gpugrad import dtypes, errors, trace
from gpugrad.backends import select
from gpugrad.graph.loops import Loop, while_line
from gpugrad.graph.stage import Stage, Symbol, stage_of
from gpugrad.ops import reductions
from gpugrad.ops.elementwise import where
from gpugrad.ops.linear import zeros
from gpugrad.trace import Draws, drawing, raw_of, state, value
from gpugrad.transforms.batch import Batch, repeated
from gpugrad.transforms.forward import Forward
from gpugrad.transforms.lift import lowered, raised
from gpugrad.transforms.planned import planned
from gpugrad.transforms.tape import Tape

Values = list[Any]
Kind = tuple[Any, ...]
"""What a value is made of: () for an array, or its newest trace and the kinds of what that wraps."""


class _Open(threading.local):
    """The graph of the innermost loop that this thread writes down."""

    stage: Stage | None = None


_open = _Open()


class _NoKeys(Draws):
    """Refuses to draw: the body is written down once, and its key would be the same at every step."""

    def __init__(self, what: str) -> None:
        super().__init__(None)
        self.what = what

    def draw(self, fresh: Callable[[], Any]) -> Any:
        """Always TraceError."""
        raise errors.TraceError(
            f"a random number is drawn at {errors.user_site()}, inside of {self.what}, whose number of steps is not known while it is being compiled. Draw as many as may be needed before the loop and take one at each step, or leave the loop out of the compiled function"
        )


def traced_while(holds: Callable[[Values], Any], body: Callable[[Values], Values], carry: Values, what: str) -> Values:
    """What is carried when the first condition fails: ``holds(values)`` is a Decision, ``body(values)`` the next values.

    At least one value of the graph that is being written is among ``carry``, or is read by ``holds``.
    """
    kinds = [_kind(v, what) for v in carry]
    while True:
        found = _written(holds, body, carry, kinds, what)
        if isinstance(found, list):
            return found
        kinds = list(found)


def _written(
    holds: Callable[[Values], Any], body: Callable[[Values], Values], carry: Values, kinds: list[Kind], what: str
) -> Values | tuple[Kind, ...]:
    """The results, or what kinds of values have to be carried instead: those that the body makes of them."""
    start = [raw for v, kind in zip(carry, kinds, strict=True) for raw in _taken(v, kind)]
    with _stage(start, holds, carry, what) as asked:
        given = [asked.input(x.shape, dtypes.of(x), "carry") for x in start]
        p = holds(_made(kinds, given))
        parted = bool(p.batches)
        data = raw_of(p.value)
        cond = asked.finish([raw_of(reductions.any(raised(data))) if data.shape else data])  # while some item goes on
    with _stage(start, holds, carry, what) as stepped:
        given = [stepped.input(x.shape, dtypes.of(x), "carry") for x in start]
        values = _made(kinds, given)
        new = body(values)
        if parted:  # an item that is done stays as it is
            chosen = holds(values).value
            new = [where(chosen, a, b) for a, b in zip(new, values, strict=True)]
        joined = tuple(_joined(kind, _kind(v, what)) for kind, v in zip(kinds, new, strict=True))
        if joined != tuple(kinds):
            return joined
        graph = stepped.finish([raw for v, kind in zip(new, kinds, strict=True) for raw in _taken(v, kind)])
    symbols = {id(s.variable): s for s in (*asked.read, *stepped.read)}
    at = {key: len(start) + k for k, key in enumerate(symbols)}
    reads = tuple(tuple(at[id(s.variable)] for s in stage.read) for stage in (asked, stepped))
    operands = [*start, *symbols.values()]
    loop = Loop(cond, graph, (reads[0], reads[1]), len(start), planned)
    some = next(x for x in operands if type(x) is Symbol)
    outs = select.of(some).implementation(while_line, Symbol)(*operands, loop=loop)
    return _made(kinds, outs)


@contextmanager
def _stage(start: Sequence[Any], holds: Any, carry: Values, what: str) -> Iterator[Stage]:
    """A graph within the innermost that is being written; random numbers are refused meanwhile."""
    before = _open.stage
    stages = [s for s in map(stage_of, start) if s is not None]
    if not stages:
        decided = stage_of(raw_of(holds(carry).value))
        assert decided is not None
        stages = [decided]
    outer = max(stages, key=lambda stage: stage.depth)
    if before is not None and before.open and before.within(outer):
        outer = before
    _open.stage = Stage(f"{what} in {outer.name}", outer.device, outer)
    try:
        with drawing(_NoKeys(what)):
            yield _open.stage
    finally:
        _open.stage.open = False
        _open.stage = before


# ---- what values are made of ------------------------------------------------------------------------------------------


def _kind(v: Any, what: str) -> Kind:
    if type(v) is not trace.Tensor:
        return ()
    top = v._trace
    if v._mark is None:
        return _kind(v._data, what)
    if isinstance(top, Batch):
        return (top, _kind(v._data, what))
    if isinstance(top, Forward):
        return (top, _kind(v._data, what), _kind(v._mark, what))
    if isinstance(top, Tape) and (top.level <= state.floor or not dtypes.is_inexact(v.dtype)):
        return _kind(v._data, what)
    raise errors.TraceError(
        f"{what}: a reverse derivative is asked for, of a loop whose number of steps is not known while its function is being compiled, and so not how much to store. Use gg.scan or gg.fori_loop with a number of steps that is known, forward mode (gg.jvp), gg.stop_gradient on what the loop takes, or leave the loop out of the compiled function"
    )


def _joined(a: Kind, b: Kind) -> Kind:
    """The least kind that values of both can be brought to."""
    if not a or not b:
        return a or b
    if a[0] is b[0]:
        return (a[0], *map(_joined, a[1:], b[1:]))
    if a[0].level < b[0].level:
        a, b = b, a
    return (a[0], _joined(a[1], b), *a[2:])


def _taken(v: Any, kind: Kind) -> list[Any]:
    """The arrays that make up a value of that kind."""
    if not kind:
        while type(v) is trace.Tensor:
            v = v._data
        return [v]
    top = kind[0]
    marked = type(v) is trace.Tensor and v._trace is top and v._mark is not None
    if type(v) is trace.Tensor and not marked and v._mark is None:
        return _taken(v._data, kind)
    if type(v) is trace.Tensor and isinstance(v._trace, Tape):
        return _taken(v._data, kind)
    if isinstance(top, Batch):
        return _taken(v._data if marked else lowered(repeated(v, top.size)), kind[1])
    tangent = v._mark if marked else zeros(v, v.shape)
    return [*_taken(v._data if marked else v, kind[1]), *_taken(tangent, kind[2])]


def _made(kinds: Sequence[Kind], arrays: Sequence[Any]) -> Values:
    """Values of these kinds, of such arrays."""
    given = iter(arrays)

    def build(kind: Kind) -> Any:
        if not kind:
            return next(given)
        if isinstance(kind[0], Batch):
            return value(build(kind[1]), kind[0], kind[0].size)
        data = build(kind[1])
        return value(data, kind[0], build(kind[2]))

    return [raised(build(kind)) for kind in kinds]
