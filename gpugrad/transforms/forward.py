"""Forward mode: a value carries its tangent along."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gpugrad.ops.elementwise import masked_multiply, where
from gpugrad.ops.linear import broadcast_to
from gpugrad.ops.promotion import mixed, promote
from gpugrad.primitive import Linear, Primitive, Scale, Select, Traced, injected
from gpugrad.trace import Trace, bind, state, value

Push = Callable[..., Any]
"""``call(t, saved, shape, i, params)``: the output's tangent for an operand's."""


class Forward(Trace):
    """Forward mode at one level. A value's mark is its tangent; a value without one is not of this trace."""

    def process(self, prim: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        data = [self.lower(a) for a in args]
        tangents = [self.mark(a) for a in args]
        if prim.same and mixed(prim, data):
            promoted = promote(prim, args)
            if promoted is not None:
                return bind(prim, promoted, params)
        out = bind(prim, data, params)
        saved = [*data, out]
        pushes = pushes_of(prim)
        total: Any = None
        state.ruling += 1
        try:
            for i, t in enumerate(tangents):
                push = pushes[0 if prim.variadic else i]
                if t is not None and push is not None:
                    part = push(t, saved, data[i].shape, i, params)
                    total = part if total is None else _plus(total, part)
        finally:
            state.ruling -= 1
        if prim.outputs:
            return tuple(self.dual(o, None if total is None else total[k]) for k, o in enumerate(out))
        return self.dual(out, total)

    def dual(self, primal: Any, tangent: Any) -> Any:
        """A value with its tangent, brought to the same shape; the bare primal where there is none."""
        if tangent is None:
            return primal
        return value(primal, self, broadcast_to(tangent, primal.shape))


def _masked(t: Any, call: Callable[..., Any], *given: Any) -> Any:
    with np.errstate(all="ignore"):  # the partial may be infinite where it does not matter
        return masked_multiply(t, call(*given))


def _plus(a: Any, b: Any) -> Any:
    return tuple(map(_plus, a, b)) if type(a) is tuple else a + b


def pushes_of(prim: Primitive) -> list[Push | None]:
    """For each rule of ``prim`` its pushforward; made when first used."""
    if prim.pushes is None:
        prim.pushes = [_push(prim, rule) for rule in prim.rules]
    pushes: list[Push | None] = prim.pushes
    return pushes


def _push(prim: Primitive, rule: Any) -> Push | None:
    match rule:
        case None:
            return None
        case Scale(partial=float() | int() as factor):
            return lambda t, s, shape, i, params: t * factor if factor != 1 else t
        case Scale(partial=str() as name, masked=False):
            place = (*prim.operands, "out").index(name)
            return lambda t, s, shape, i, params: t * s[place]
        case Scale(partial=formula, masked=masked):
            call, _ = injected(formula, prim.operands, 0)
            if masked:
                return lambda t, s, shape, i, params: _masked(t, call, s, shape, i, params)
            return lambda t, s, shape, i, params: t * call(s, shape, i, params)
        case Select(mask=mask):
            call, _ = injected(mask, prim.operands, 0)
            return lambda t, s, shape, i, params: where(call(s, shape, i, params), t, 0.0)
        case Linear():
            return lambda t, s, shape, i, params: bind(prim, [*s[:i], t, *s[i + 1 : -1]], params)
        case Traced(map=map_):
            return injected(map_, prim.operands, 1)[0]
    raise AssertionError(rule)
