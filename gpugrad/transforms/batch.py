"""vmap's trace: a value hides one leading axis.

Primitives act on trailing axes, so most take the extra axis as it is; what is left to do is to line up operands of
which some carry it and some do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gpugrad import errors, trace
from gpugrad.ops.linear import expand, reshape
from gpugrad.ops.promotion import WEAK, mixed, promote
from gpugrad.primitive import Core, Crossing, Primitive
from gpugrad.trace import Trace, bind, value


class Batch(Trace):
    """One vmap. ``size`` is the length of the hidden axis, which always leads; ``others`` it is a part of."""

    __slots__ = ("others", "size")

    def __init__(self, size: int) -> None:
        super().__init__(batched=True)
        self.size = size
        self.others: frozenset[Batch] = frozenset()

    def process(self, prim: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        if isinstance(prim.batch, Crossing):
            return prim.batch.process(self, prim, args, params)
        for a in args:
            if type(a) is trace.Tensor and a._trace is not self:
                self.check_meets(prim, a)
        data = [self.lower(a) for a in args]
        flags = [self.mark(a) is not None for a in args]
        if prim.same and mixed(prim, args):
            promoted = promote(prim, args)
            if promoted is not None:
                return bind(prim, promoted, params)
        if prim.batch == "elementwise":
            out = bind(prim, aligned(data, flags, (0,) * len(data)), params)
        elif isinstance(prim.batch, Core):
            out = bind(prim, aligned(data, flags, prim.batch.ranks), params)
        elif prim.batch == "leading":
            out = bind(prim, [d if f else repeated(d, self.size) for d, f in zip(data, flags, strict=True)], params)
        else:
            out = prim.batch(prim, self.size, data, flags, params)
        if prim.outputs:
            return tuple(value(o, self, self.size) for o in out)
        return value(out, self, self.size)

    def check_meets(self, prim: Primitive, stranger: Any) -> None:
        """TraceError if ``stranger``, which is not of this vmap, is of one that it is a part of, or that is a part of it."""
        for b in batches_of(stranger):
            if self in b.others or b in self.others:
                raise errors.TraceError(
                    f"{prim.name} at {errors.user_site()}: a branch or a loop that computes some items of a vmap closes over a value that differs between items; pass it as an operand of gg.cond, or in what the loop carries"
                )

    def check_result(self, v: Any, name: str) -> None:
        """TraceError if what a mapped function returns has items of a part of this vmap."""
        if any(self in b.others for b in batches_of(v)):
            raise errors.TraceError(
                f"vmap of {name}: a branch or a loop that computes some items of it closes over a value that is differentiated inside; pass that value as an operand of gg.cond, or in what the loop carries"
            )


class Part(Batch):
    """A vmap over some of the items of others, whose values it cannot meet: those have other items."""

    __slots__ = ()

    def __init__(self, size: int, wholes: Sequence[Batch]) -> None:
        super().__init__(size)
        self.level = max(b.level for b in wholes)
        self.others = frozenset(b for whole in wholes for b in (whole, *whole.others))


def batches_of(x: Any) -> list[Batch]:
    """The vmaps whose items differ in ``x``, newest first."""
    found = []
    while isinstance(x, trace.Value):
        if isinstance(x._trace, Batch):
            found.append(x._trace)
        x = x._data
    return found


def repeated(x: Any, size: int) -> Any:
    """``x`` with a new leading axis along which it repeats."""
    return expand(x, axis=(-len(x.shape) - 1,), sizes=(size,))


def aligned(data: Sequence[Any], flags: Sequence[bool], cores: Sequence[int]) -> list[Any]:
    """Operands whose leading axes broadcast: ones go between the batch axis and what an operand has too few of."""
    loose = [
        0 if type(d) in WEAK or type(d) is complex else len(d.shape) - f - c
        for d, f, c in zip(data, flags, cores, strict=True)
    ]
    rank = max(loose)
    out = []
    for d, f, c, r in zip(data, flags, cores, loose, strict=True):
        if f and r < rank:
            own = d.shape[1:]
            d = reshape(d, to=(1,) * (rank - r) + own, rank=r + c)
        out.append(d)
    return out
