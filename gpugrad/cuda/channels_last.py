"""Convolutions that cuDNN computes with the channels last, and all between them in that order: (N, *space, C) in memory.

Where tensor cores compute, the library asks for memory to turn images that lie in C's order, before each convolution and after
it (``ci/cudnn`` prints how much), and for hardly any if they lie so. So what is computed of its results element by element, sums, maxima and pools are taken over the turned axes, and an array is turned
only where it comes to the first convolution, or leaves the last one for something else.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from gpugrad.cuda.cudnn_graphs import CONVOLUTIONS
from gpugrad.graph.holds import REDUCED, is_map
from gpugrad.graph.ir import Graph, Line, Variable, live
from gpugrad.ops.linear import expand, permute, reshape
from gpugrad.primitive import Primitive, Shape

POOLS = frozenset({"avg_pool", "avg_unpool", "max_picked", "max_pool", "max_spread"})
"""Primitives over windows of the last axes, of which the channels are then one more, each a window of its own."""
_ALONG = {"kernel": 1, "stride": 1, "dilation": 1, "padding": (0, 0)}
"""Parameter of a pool -> what it is along the channels."""
WINDOWED = 3
"""Axes that windows may go along, the channels included."""


def order_of(rank: int) -> Shape:
    """The axes of (N, C, *space) in the order (N, *space, C).

    >>> order_of(4)
    (0, 2, 3, 1)
    """
    return (0, *range(2, rank), 1)


def kept(graph: Graph, wanted: Callable[[Line], bool]) -> Graph:
    """The same program, whose convolutions that are ``wanted`` so have channels last, and what lies between them."""
    if not any(line.prim.name in CONVOLUTIONS and wanted(line) for line in graph.lines):
        return graph
    return _Keeping(graph, wanted).graph()


class _Keeping:
    def __init__(self, graph: Graph, wanted: Callable[[Line], bool]) -> None:
        self.given = graph
        self.wanted = wanted
        self.lines: list[Line] = []
        self.made = {id(v): line for line in graph.lines for v in line.results}
        self.turned: dict[int, Variable] = {}
        """id of a variable -> the same with channels last, in C's order; everything that is computed so, once it is read."""
        self.convolved: dict[int, Variable] = {}
        """id of a convolution's result -> the variable in its place, of the same shape, which has an order in memory."""
        self.images: set[int] = set()
        """Those of them that are images, and not the cotangent of a weight: what is done with that is not turned."""
        self.copies: dict[tuple[int, int], Any] = {}
        """id of another operand, and a number of axes -> the same with channels last, as it broadcasts to so many."""
        self.wide: dict[int, Variable] = {}
        """id of an image that repeats along axes -> a view of it with channels last, as a convolution reads it."""
        self.there = {id(v) for v in graph.inputs}
        """ids of variables that the new program has as they were."""
        self.site = ""

    def graph(self) -> Graph:
        for line in self.given.lines:
            self.take(line)
        outputs = [self.first(o) for o in self.given.outputs]
        return Graph(self.given.inputs, live(self.lines, outputs), outputs)

    def take(self, line: Line) -> None:
        self.site = line.site
        name, x, out = line.prim.name, line.operands[0] if line.operands else None, line.results[0]
        if name in CONVOLUTIONS and self.wanted(line):
            self.convolution(line)
        elif is_map(line) and any(self.has(o, out.shape) for o in line.operands):
            operands = tuple(self.last(o, len(out.shape)) for o in line.operands)
            self.turned[id(out)] = self.add(line, operands, line.params)
        elif name in REDUCED and self.has(x):
            self.reduction(line)
        elif name in POOLS and len(line.params["kernel"]) < WINDOWED and any(map(self.has, line.operands)):
            self.pool(line)
        else:
            self.lines.append(replace(line, operands=tuple(map(self.first, line.operands))))
            self.there.update(map(id, line.results))

    def add(self, line: Line, operands: tuple[Any, ...], params: dict[str, Any]) -> Variable:
        """A line like another, of such operands; its result."""
        shape = line.prim.shape(*(getattr(x, "shape", ()) for x in operands), **params)
        out = Variable(line.results[0].name, tuple(shape), line.results[0].dtype)
        self.lines.append(replace(line, operands=operands, params=params, results=(out,)))
        return out

    # ---- operands ------------------------------------------------------------------------------------------------------

    def has(self, x: Any, shape: Shape | None = None) -> bool:
        """Whether an operand, of this shape if one is given, is there with channels last."""
        known = type(x) is Variable and (id(x) in self.turned or id(x) in self.images)
        return known and shape in (None, x.shape)

    def first(self, x: Any) -> Any:
        """An operand in its own order of axes, wherever they lie."""
        if id(x) in self.convolved:
            return self.convolved[id(x)]
        if id(x) in self.turned and id(x) not in self.there:
            self.there.add(id(x))
            self.lines.append(Line(permute, (self.turned[id(x)],), _back(len(x.shape)), (x,), self.site))
        return x

    def last(self, x: Any, rank: int) -> Any:
        """An operand of something that has so many axes, as it broadcasts to that with channels last."""
        if not hasattr(x, "shape") or math.prod(x.shape) == 1:
            return self.first(x)
        if id(x) in self.turned and len(x.shape) == rank:
            return self.turned[id(x)]
        if id(x) in self.images and len(x.shape) == rank:
            self.turned[id(x)] = self.moved(self.convolved[id(x)])
            return self.turned[id(x)]
        key = id(x), rank
        if key not in self.copies:
            self.copies[key] = self.copy(x, rank)
        return self.copies[key]

    def copy(self, x: Any, rank: int) -> Any:
        """The same for an operand that is not there with channels last: moved only if it cannot be read otherwise."""
        line = self.made.get(id(x))
        if line is not None and len(x.shape) == rank:
            if line.prim.name == "expand":
                sizes = (1,) * len(line.params["axis"])
                base = line.operands[0]
                narrow = line.prim.shape(base.shape, axis=line.params["axis"], sizes=sizes)
                return self.moved(self.shaped(self.first(base), narrow))
            if is_map(line) and all(map(self.repeats, line.operands)):
                return self.add(line, tuple(self.last(o, rank) for o in line.operands), line.params)
        return self.moved(self.shaped(self.first(x), (*(1,) * (rank - len(x.shape)), *x.shape)))

    def repeats(self, x: Any, depth: int = 4) -> bool:
        """Whether an operand is a number, repeats along axes, or was turned before, or is computed of nothing else."""
        if not hasattr(x, "shape") or (id(x), len(x.shape)) in self.copies:
            return True
        line = self.made.get(id(x))
        if line is None or depth == 0:
            return False
        return line.prim.name == "expand" or (is_map(line) and all(self.repeats(o, depth - 1) for o in line.operands))

    def image(self, x: Any) -> Any:
        """An operand of a convolution. What repeats is not written in its own order first."""
        rank = len(x.shape)
        if not self.has(x) and id(x) in self.made and self.repeats(x):
            narrow = self.last(x, rank)
            wide = tuple(x.shape[k] for k in order_of(rank))
            along = [k for k in range(rank) if narrow.shape[k] != wide[k]]
            left = self.shaped(narrow, tuple(n for k, n in enumerate(narrow.shape) if k not in along))
            axes, sizes = tuple(k - rank for k in along), tuple(wide[k] for k in along)
            self.turned[id(x)] = self.other(expand, left, axis=axes, sizes=sizes) if along else narrow
            self.wide[id(x)] = self.other(permute, self.turned[id(x)], **_back(rank))
        return self.wide.get(id(x)) or self.first(x)

    def moved(self, x: Any) -> Any:
        """Its axes in the order with channels last, by a reshape if the others have one element."""
        order = order_of(len(x.shape))
        longer = [k for k in order if x.shape[k] != 1]
        if longer == sorted(longer):
            return self.shaped(x, tuple(x.shape[k] for k in order))
        return self.other(permute, x, **_perm(order))

    def shaped(self, x: Any, shape: Shape) -> Any:
        return x if x.shape == shape else self.other(reshape, x, to=shape, rank=len(x.shape))

    def other(self, prim: Primitive, x: Any, **params: Any) -> Variable:
        return self.add(Line(prim, (), {}, (Variable(prim.name, (), x.dtype),), self.site), (x,), params)

    # ---- lines ---------------------------------------------------------------------------------------------------------

    def convolution(self, line: Line) -> None:
        """Written with its channels last, if what it reads is put in that order, too: see ``graph.layout``."""
        (out,) = line.results
        there = Variable(out.name, out.shape, out.dtype, order_of(len(out.shape)))
        self.lines.append(replace(line, operands=tuple(map(self.image, line.operands)), results=(there,)))
        self.convolved[id(out)] = there
        if line.prim.name != "conv_weight":
            self.images.add(id(out))

    def reduction(self, line: Line) -> None:
        x, out = line.operands[0], line.results[0]
        rank = len(x.shape)
        order = order_of(rank)
        gone = {a % rank for a in line.params["axis"]}
        left = [axis for axis in order if axis not in gone]
        params = line.params | {"axis": tuple(k - rank for k, axis in enumerate(order) if axis in gone)}
        self.there.add(id(out))
        if left == sorted(left):
            self.lines.append(replace(line, operands=(self.last(x, rank),), params=params))
            return
        found = self.add(line, (self.last(x, rank),), params)
        back = _perm(tuple(left.index(axis) for axis in sorted(left)))
        self.lines.append(Line(permute, (found,), back, (out,), line.site))

    def pool(self, line: Line) -> None:
        out = line.results[0]
        params = {k: (*v, _ALONG[k]) if k in _ALONG else v for k, v in line.params.items()}
        if "size" in params:
            params["size"] = (*params["size"], out.shape[1])
        rank = len(out.shape)
        operands = tuple(self.last(o, rank) if self.has(o) else self.moved(self.first(o)) for o in line.operands)
        self.turned[id(out)] = self.add(line, operands, params)


def _back(rank: int) -> dict[str, Any]:
    return _perm((0, rank - 1, *range(1, rank - 1)))


def _perm(order: Shape) -> dict[str, Any]:
    return {"perm": tuple(k - len(order) for k in order)}
