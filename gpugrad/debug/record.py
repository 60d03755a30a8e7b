"""A trace that computes as usual and writes down each primitive that it computed, in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gpugrad import errors
from gpugrad.graph.ir import Line, Variable
from gpugrad.primitive import Primitive
from gpugrad.trace import Trace, bind, value


class Recorder(Trace):
    """A value's mark is its variable. ``site`` is asked for the place to note beside each line."""

    __slots__ = ("lines", "site")

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[Line] = []
        self.site: Callable[[], str] = errors.user_site

    def process(self, prim: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        out = bind(prim, [self.lower(a) for a in args], params)
        outs = out if prim.outputs else (out,)
        made = tuple(Variable(prim.name, tuple(o.shape), o.dtype) for o in outs)
        operands = tuple(a if self.mark(a) is None else self.mark(a) for a in args)
        self.lines.append(Line(prim, operands, params, made, self.site()))
        values = tuple(value(o, self, m) for o, m in zip(outs, made, strict=True))
        return values if prim.outputs else values[0]

    def input(self, data: Any, name: str) -> Any:
        """A value for an argument of the program."""
        return value(data, self, Variable(name, tuple(data.shape), data.dtype))
