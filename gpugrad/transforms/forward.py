"""Forward mode: a value carries its tangent along."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gpugrad import trace
from gpugrad.ops.elementwise import where
from gpugrad.ops.linear import broadcast_to, zeros
from gpugrad.ops.promotion import mixed, promote
from gpugrad.primitive import Linear, Primitive, Rule, Scale, Select, Shared, Traced, compiled
from gpugrad.trace import Trace, bind, state, value
from gpugrad.transforms.pull import masked
from gpugrad.transforms.tape import EAGER

Push = Callable[..., Any]
"""``call(t, saved, shape, i, params)``: the output's tangent for an operand's."""


class Forward(Trace):
    """Forward mode at one level. A value's mark is its tangent; a value without one is not of this trace."""

    __slots__ = ("cuts",)

    def __init__(self) -> None:
        super().__init__()
        self.cuts: tuple[str, ...] = ()
        """Where values with tangents were last turned into something without."""

    def cut(self, how: str) -> None:
        self.cuts = (*self.cuts[-3:], how)

    def process(self, prim: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        data = [self.lower(a) for a in args]
        tangents = [self.mark(a) for a in args]
        if prim.same and mixed(prim, data):
            promoted = promote(prim, args)
            if promoted is not None:
                return bind(prim, promoted, params)
        out = bind(prim, data, params)
        state.ruling += 1
        try:
            total = (_joint if prim.joint else _summed)(prim, data, tangents, out, params)
        finally:
            state.ruling -= 1
        if prim.outputs:
            return tuple(self.dual(o, None if total is None else total[k]) for k, o in enumerate(out))
        return self.dual(out, total)

    def dual(self, primal: Any, tangent: Any) -> Any:
        """A value with its tangent, brought to the same shape; the primal where there is none."""
        if tangent is None:
            return primal if type(primal) is trace.Tensor else value(primal, EAGER, None)
        return value(primal, self, broadcast_to(tangent, primal.shape))


def _summed(prim: Primitive, data: Sequence[Any], tangents: Sequence[Any], out: Any, params: dict[str, Any]) -> Any:
    """The output's tangent: what each operand's contributes, added up; None if none does."""
    saved = [*data, out]
    pushes = pushes_of(prim)
    total: Any = None
    for i, t in enumerate(tangents):
        push = pushes[0 if prim.variadic else i]
        if t is not None and push is not None:
            part = push(t, saved, data[i].shape, i, params)
            total = part if total is None else _plus(total, part)
    return total


def _joint(prim: Primitive, data: Sequence[Any], tangents: Sequence[Any], _out: Any, params: dict[str, Any]) -> Any:
    """The operation on the tangents, zeros where there is none: once, however many operands there are."""
    moves = [t is not None and prim.rule(i) is not None for i, t in enumerate(tangents)]
    if not any(moves):
        return None
    args = [
        t if move else x if prim.rule(i) is None else zeros(x, x.shape)
        for i, (t, move, x) in enumerate(zip(tangents, moves, data, strict=True))
    ]
    return bind(prim, args, params)


def _plus(a: Any, b: Any) -> Any:
    return tuple(map(_plus, a, b)) if type(a) is tuple else a + b


def pushes_of(prim: Primitive) -> list[Push | None]:
    """For each rule of ``prim`` its pushforward; made when first used."""
    if prim.pushes is None:
        prim.pushes = [_push(prim, rule) for rule in prim.rules]
    pushes: list[Push | None] = prim.pushes
    return pushes


def _push(prim: Primitive, rule: Rule | None) -> Push | None:
    operands = prim.operands
    match rule:
        case None:
            return None
        case Scale(partial=1):
            return lambda t, s, shape, i, params: t
        case Scale(partial=float() | int() as factor):
            return lambda t, s, shape, i, params: t * factor
        case Scale(partial=formula, masked=False):
            assert not isinstance(formula, float | int)
            return compiled(formula, operands, "g * {}")[0]
        case Scale(partial=formula):
            assert not isinstance(formula, float | int)
            return compiled(formula, operands, "masked(g, lambda: {})", masked=masked)[0]
        case Select(mask=mask):
            return compiled(mask, operands, "where({}, g, 0.0)", where=where)[0]
        case Linear():
            return lambda t, s, shape, i, params: bind(prim, [*s[:i], t, *s[i + 1 : -1]], params)
        case Traced(map=map_) | Shared(map=map_):
            return compiled(map_, operands, "{}", first="g")[0]
    raise AssertionError(rule)
