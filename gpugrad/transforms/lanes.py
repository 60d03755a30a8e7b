"""Some of the items of a batch, as a batch of their own: what control flow does where items part under vmap.

``leave`` makes the hidden axis of a vmap an axis like others, in front, and ``enter`` hides it again; each is the
other's transpose. Between the two, items are picked and put back by ordinary primitives, so all of it is
differentiated, batched and recorded by whatever traces there are, above and below.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpugrad import dtypes
from gpugrad.backends import select
from gpugrad.ops.elementwise import logical_or, where
from gpugrad.ops.gathering import gather, scatter
from gpugrad.ops.linear import cast, permute, reshape
from gpugrad.primitive import Crossing, Primitive, linear
from gpugrad.trace import bind, raw_of, value
from gpugrad.transforms.batch import Batch, Part, batches_of, repeated
from gpugrad.transforms.lift import raised

# ---- across the border of a vmap ------------------------------------------------------------------------------------------


def _crossing(batch: Batch, prim: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
    """What a vmap makes of ``enter`` and ``leave``: they are about its own axis, or about one further down."""
    x, anchor = args
    mine = batch.mark(x) is not None
    batch.check_meets(prim, anchor)
    if params["source"] is not batch:
        if not mine:
            return bind(prim, (x, anchor), params)
        below = batch.lower(x)
        if prim is enter:  # the axis to hide lies behind the one of this vmap, and the axis that left before it
            return value(bind(prim, (_exchanged(below), anchor), params), batch, batch.size)
        return value(_exchanged(bind(prim, (below, anchor), params)), batch, batch.size)
    if prim is enter:
        return value(x, batch, batch.size)
    return batch.lower(x) if mine else repeated(x, batch.size)


def _exchanged(x: Any) -> Any:
    """The first two axes in the other order."""
    n = len(x.shape)
    return permute(x, perm=(1 - n, -n, *range(2 - n, 0)))


def _unanchored(*_: Any, **_params: Any) -> Any:
    raise AssertionError("the anchor is of the vmap, which applies this itself")


leave: Primitive = linear(
    "leave",
    lambda g, source: entered(g, source),
    operands="x anchor",
    forward=_unanchored,
    shape=lambda s, _, *, source: (source.size, *s),
    batch=Crossing(_crossing),
    doc="The items of the vmap ``source`` along a new first axis; ``anchor`` is a value of it.",
)
enter: Primitive = linear(
    "enter",
    lambda g, source: left(g, source),
    operands="x anchor",
    forward=_unanchored,
    shape=lambda s, _, *, source: s[1:],
    batch=Crossing(_crossing),
    doc="What lies along the first axis, as the items of the vmap ``source``; ``anchor`` is a value of it.",
)


def _anchor(source: Batch) -> Any:
    return value(np.zeros(source.size, bool), source, source.size)


def left(x: Any, source: Batch) -> Any:
    """The items of a vmap along a first axis."""
    return leave(x, _anchor(source), source=source)


def entered(x: Any, source: Batch) -> Any:
    """What lies along the first axis as items of a vmap."""
    return enter(x, _anchor(source), source=source)


# ---- some of the items ----------------------------------------------------------------------------------------------------


class Lanes:
    """The chosen items of a vmap, or pairs (and so on) of items of several nested ones, as a vmap of their own.

    ``chosen`` has a boolean for each, an axis for each of ``batches`` (newest first), the oldest one's first; ``like``
    is a truth value that differs in all of them.
    """

    def __init__(self, batches: Sequence[Batch], chosen: Any, like: Any) -> None:
        self.batches = tuple(batches)
        self.like = like
        self.places = tuple(np.nonzero(chosen))[::-1]
        self.part = Part(len(self.places[0]), batches)

    def taken(self, x: Any) -> Any:
        """The chosen items of a value; the value itself if it is the same for all."""
        own = batches_of(x)
        if any(b not in own and b.level < x._trace.level for b in self.batches):
            # A trace above the vmap may ask for a cotangent, which differs between items though the value does not.
            x = where(logical_or(self.like, True), x, x)
            own = batches_of(x)
        mine = [k for k, b in enumerate(self.batches) if b in own]
        if not mine:
            return x
        for k in mine:
            x = left(x, self.batches[k])  # in front of those that left before it
        sizes, at = self._flat(mine)
        x = reshape(x, to=(math.prod(sizes), *x.shape[len(sizes) :]), rank=len(x.shape))
        return entered(gather(x, _index(at, x), axis=-len(x.shape)), self.part)

    def put(self, x: Any) -> Any:
        """Results for the chosen items among all; what the others have is nobody's."""
        own = batches_of(x)
        if self.part not in own and any(b in own for b in self.batches):
            x = self.taken(x)  # made only of what the branch closes over
        x = left(x, self.part)
        sizes, at = self._flat(range(len(self.batches)))
        dtype = dtypes.of(x)
        if dtype.kind == "b":
            x = cast(x, dtype=_INT, source=dtype)
        x = scatter(x, _index(at, x), axis=-len(x.shape), size=math.prod(sizes))
        if dtype.kind == "b":
            x = cast(x, dtype=dtype, source=_INT)
        x = reshape(x, to=(*sizes, *x.shape[1:]), rank=len(x.shape))
        for b in reversed(self.batches):
            x = entered(x, b)
        return x

    def _flat(self, which: Sequence[int]) -> tuple[list[int], Any]:
        """The sizes of some of the batches, the oldest first, and the places of the chosen items as one index."""
        order = list(which)[::-1]
        sizes = [self.batches[k].size for k in order]
        return sizes, np.ravel_multi_index([self.places[k] for k in order], sizes)


_INT = np.dtype(np.int64)


def _index(at: Any, like: Any) -> Any:
    """Positions, where the array ``like`` is."""
    return raised(select.of(raw_of(like)).asarray(at))
