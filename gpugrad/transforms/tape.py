"""The tape: reverse mode's record, a node per operation on tracked values.

What a node keeps is what the rules of its tracked operands read: their parameter names say what that is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gpugrad import trace
from gpugrad.ops.promotion import mixed, promote
from gpugrad.primitive import Primitive
from gpugrad.trace import Trace, bind, state, value
from gpugrad.transforms import borrowed
from gpugrad.transforms.node import ITEM, Node, extra, next_index
from gpugrad.transforms.pull import pulls_of

_new = object.__new__


class Tape(Trace):
    """Reverse mode at one level. Level 0 is the eager tape behind ``backward``."""

    __slots__ = ("cuts",)

    def __init__(self) -> None:
        self.level = 0
        self.batched = False
        self.records = True
        self.cuts: tuple[str, ...] = ()
        """Where tracked values were last turned into something without a derivative (cast to an integer, float())."""

    def cut(self, how: str) -> None:
        self.cuts = (*self.cuts[-3:], how)

    def apply(self, prim: Primitive, x: Any, params: dict[str, Any]) -> Any:
        data = x._data
        if type(data) is trace.Tensor or not prim.simple:
            return self.process(prim, (x,), params)
        try:
            out = prim.impl[type(data)](data, **params) if params else prim.impl[type(data)](data)
        except Exception as error:
            out = prim.rescue((data,), params, error)
        v = _new(trace.Tensor)
        v._data = out
        v._trace = self
        parent = x._mark
        if parent is None or not prim.mask or self.level <= state.floor:
            v._mark = None
            return v
        keeps = prim.keeps
        if keeps is None:
            keeps = _keeps(prim)
        v._mark = node = _new(Node)
        node.prim = prim
        node.params = params
        node.parents = (parent,)
        node.saved = (data if keeps & 1 else None, out if keeps & 2 else None)
        node.shape = out.shape
        node.index = next_index()
        node.extra = None
        if trace.watching:
            watch(node, out)
        return v

    def process(self, prim: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        tensor = trace.Tensor
        data: list[Any] = []
        parents: list[Node | None] = []
        tracked = 0
        bit = 1
        below = False
        for a in args:
            parent = None
            if type(a) is tensor:
                if a._trace is self:
                    parent = a._mark
                    if parent is not None:
                        tracked |= bit
                    a = a._data
                elif a._mark is None and a._trace is EAGER:
                    a = a._data
                if type(a) is tensor:
                    below = True
            data.append(a)
            parents.append(parent)
            bit <<= 1
        if prim.same and mixed(prim, data):
            promoted = promote(prim, args)
            if promoted is not None:
                return bind(prim, promoted, params)
        if below:
            out = bind(prim, data, params)
        else:
            try:
                out = prim.impl[type(data[prim.leads])](*data, **params)
            except Exception as error:
                out = prim.rescue(data, params, error)
        tracked &= prim.mask
        if not tracked or self.level <= state.floor:
            return value(out, self, None) if not prim.outputs else tuple(value(o, self, None) for o in out)
        saved = [*data, tuple(out) if prim.outputs else out]
        dropped = prim.drops.get(tracked)
        for k in dropped_by(prim, tracked, len(data)) if dropped is None else dropped:
            saved[k] = None
        if prim.outputs:
            return self.items(Node(prim, params, parents, saved, tuple(o.shape for o in out)), out)
        node = Node(prim, params, parents, saved, out.shape)
        if trace.watching:
            watch(node, out)
        return value(out, self, node)

    def items(self, node: Node, outs: Sequence[Any]) -> tuple[Any, ...]:
        """The outputs of an operation with several, each a value with a node that marks it."""
        nodes = [Node(ITEM, {"i": i}, (node,), (), o.shape) for i, o in enumerate(outs)]
        if trace.watching:
            for made, out in zip((node, *nodes), (outs, *outs), strict=True):
                watch(made, out)
        return tuple(value(o, self, made) for o, made in zip(outs, nodes, strict=True))


EAGER = Tape()
"""The bottom tape, level 0: what tensors outside every transform belong to."""


def dropped_by(prim: Primitive, tracked: int, n: int) -> tuple[int, ...]:
    """Which of ``n`` operands and the output no rule of the tracked operands reads."""
    pulls = pulls_of(prim)
    kept: set[int] = set()
    for k in range(n):
        if tracked >> k & 1:
            pull = pulls[0 if prim.variadic else k]
            kept |= pull.reads if pull is not None else set()
    dropped = tuple(k for k in range(n + 1) if k not in kept)
    if not prim.variadic:
        prim.drops[tracked] = dropped
    return dropped


def _keeps(prim: Primitive) -> int:
    """For a primitive of one operand: 1 if its rule reads the operand, plus 2 if it reads the output."""
    dropped = dropped_by(prim, 1, 1)
    prim.keeps = (0 not in dropped) + 2 * (1 not in dropped)
    return prim.keeps


def watch(node: Node, out: Any) -> None:
    """The rare part of recording: fingerprints of arrays that belong to the user, values kept for the eye."""
    for k, saved in enumerate(node.saved or ()):
        if borrowed.is_known(saved):
            extra(node).prints.append((k, borrowed.take_print(saved)))
    if state.keep_values:
        e = extra(node)
        e.keep = True
        e.value = out
