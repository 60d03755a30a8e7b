"""Pullbacks: what a rule says, as a function from the output's cotangent to an operand's.

Three of the four kinds of rule say it outright. The fourth, a linear map written in the other kinds, is transposed by
tracing: the map is recorded on shapes alone, without computing it, and the record is swept.
"""

from __future__ import annotations

import functools as ft
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from gpugrad import errors
from gpugrad.backends import select
from gpugrad.ops.elementwise import masked_multiply, where
from gpugrad.ops.linear import sum_to
from gpugrad.primitive import Linear, Primitive, Rule, Scale, Select, Shape, Shared, Traced, compiled
from gpugrad.trace import Trace, value
from gpugrad.transforms.node import ITEM, Leaf, Node
from gpugrad.transforms.sweep import sweep


class Pull:
    """One operand's pullback: ``call(g, saved, shape, i, params)``, what of ``saved`` it reads, and how ``loose`` it is.

    0: the result has the operand's shape; 1: the output's, to which the operand may have been broadcast; 2: any shape
    from which to sum.
    """

    __slots__ = ("call", "loose", "reads")

    def __init__(self, call: Callable[..., Any], reads: Iterable[int], loose: int) -> None:
        self.call = call
        self.reads = frozenset(reads)
        self.loose = loose


def pulls_of(prim: Primitive) -> list[Pull | None]:
    """For each rule of ``prim`` its pullback; made when first used."""
    if prim.pulls is None:
        loose = 0 if len(prim.operands) == 1 or prim.variadic else 1 if prim.kind == "elementwise" else 2
        prim.pulls = [None if rule is None else Pull(*_pull(prim, rule), loose) for rule in prim.rules]
    pulls: list[Pull | None] = prim.pulls
    return pulls


def _pull(prim: Primitive, rule: Rule) -> tuple[Callable[..., Any], Iterable[int]]:
    operands = prim.operands
    match rule:
        case Scale(partial=1):
            return (lambda g, s, shape, i, params: g), ()
        case Scale(partial=-1):
            return (lambda g, s, shape, i, params: -g), ()
        case Scale(partial=float() | int() as factor):
            return (lambda g, s, shape, i, params: g * factor), ()
        case Scale(partial=formula, masked=False):
            assert not isinstance(formula, float | int)
            return compiled(formula, operands, "g * {}")
        case Scale(partial=formula):
            assert not isinstance(formula, float | int)
            return compiled(formula, operands, "masked(g, lambda: {})", masked=masked)
        case Select(mask=mask):
            return compiled(mask, operands, "where({}, g, 0.0)", where=where)
        case Linear(transpose=transpose):
            return compiled(transpose, operands, "{}", first="g")
        case Traced(map=map_):
            return compiled(map_, operands, "transposed(lambda t: {}, shape, g)", first="t", transposed=transposed)
        case Shared(adjoint=adjoint):
            call, reads = compiled(adjoint, operands, "{}", first="g")
            return ft.partial(_its_own, call), reads
    raise AssertionError(rule)


def _its_own(adjoint: Callable[..., Any], g: Any, s: Any, shape: Shape, i: int, params: dict[str, Any]) -> Any:
    """What an operand has of what is computed for all of them, when the first of them is asked about."""
    if g.shared is None:
        g.shared = adjoint(g, s, shape, i, params)
    return g.shared[i]


def masked(g: Any, partial: Callable[[], Any]) -> Any:
    """``g`` times a partial that may be infinite where it does not matter, without a warning about that."""
    with np.errstate(all="ignore"):
        return masked_multiply(g, partial())


# ---- transposition of a linear map, by tracing it on shapes alone -----------------------------------------------------


class Aval:
    """What a linear trace knows of a value: its shape and dtype."""

    __slots__ = ("dtype", "shape")

    def __init__(self, shape: Shape, dtype: Any) -> None:
        self.shape = shape
        self.dtype = dtype


class LinearTape(Trace):
    """Records a linear map without computing it: values are shapes, and only what transposes read is kept."""

    __slots__ = ()

    def process(self, prim: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        data = [self.lower(a) for a in args]
        parents = [self.mark(a) for a in args]
        pulls = pulls_of(prim)
        for i, parent in enumerate(parents):
            if parent is not None and not (
                prim.linear_in(i) and _reads_constants(pulls[0 if prim.variadic else i], parents)
            ):
                raise errors.GraphError(
                    f"{prim.name} at {errors.user_site()} is not linear in what a derivative's map is linear in: the tangents of a custom_jvp or, in forward mode, the cotangent of a custom_vjp. Write the rule with operations that are (products with primals, sums, gg.where)"
                )
        shape = prim.shape(*[getattr(d, "shape", ()) for d in data], **params)
        first = next(d.dtype for d in data if type(d) is Aval)
        dtype = first if prim.dtype is None else prim.dtype(*[getattr(d, "dtype", None) for d in data], **params)
        saved = [None if type(d) is Aval else d for d in data]
        node = Node(prim, params, parents, [*saved, None], shape)
        if prim.outputs:
            return tuple(value(Aval(s, dtype), self, Node(ITEM, {"i": i}, (node,), (), s)) for i, s in enumerate(shape))
        return value(Aval(shape, dtype), self, node)


def _reads_constants(pull: Pull | None, parents: Sequence[Node | None]) -> bool:
    """Whether a transpose reads none of the operands that move."""
    return pull is not None and not any(k < len(parents) and parents[k] is not None for k in pull.reads)


def transposed(function: Callable[[Any], Any], shape: Shape, g: Any) -> Any:
    """The cotangent of ``t`` under the linear map ``function``, whose output has cotangent ``g``.

    ``g`` may be a list, for a map with several outputs; None in it stands for zero.
    """
    from_ = g if isinstance(g, list) else [g]
    like = next(c for c in from_ if c is not None)
    with LinearTape() as tape:
        leaf = Leaf(shape, like.dtype)
        out = function(value(Aval(shape, like.dtype), tape, leaf))
    outs = out if type(out) is tuple else (out,)
    seeds = [
        (tape.mark(o), sum_to(c, o.shape))
        for o, c in zip(outs, from_, strict=True)
        if c is not None and tape.mark(o) is not None
    ]
    found = sweep(seeds, retain=False).get(leaf)
    if found is None:
        return select.full(shape, 0, like)
    return found
