"""Simplification: what a graph computes twice, or for nothing, goes. NaN and infinity keep their meaning.

A rule takes a line whose operands are simplified already and gives an operand that stands for its result, or lines of
which the last computes it, or None where it does not apply. Only identities of floating-point arithmetic are rules:
x · 1 is x for every x, where x + 0 is not (for -0) and x · 0 is not (for NaN and infinity). A line on constants alone
is computed while compiling.
"""

from __future__ import annotations

import functools as ft
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gpugrad import dtypes
from gpugrad.backends import select
from gpugrad.graph.ir import Graph, Line, Variable, live
from gpugrad.ops.elementwise import multiply
from gpugrad.ops.linear import permute, reshape
from gpugrad.ops.promotion import WEAK


class Made(dict[int, Line]):
    """id of a variable -> the line that computes it; and how often each is read in the graph that was given."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.reads = Counter(id(x) for line in graph.lines for x in line.operands)
        self.reads.update(map(id, graph.outputs))


Rule = Callable[[Line, Made], Any]


def uniform(x: Any) -> Any:
    """The number that a constant is throughout, as far as that is quickly seen; None otherwise."""
    if type(x) in WEAK:
        return x
    if type(x) is Variable or not (isinstance(x, np.ndarray | np.generic) or type(x) in select.compiled_types):
        return None
    if x.dtype.kind not in "biuf" and not dtypes.is_half(x.dtype):
        return None
    if x.size == 1 or (x.size > 0 and not any(x.strides)):
        return x[(0,) * x.ndim].item()
    return None


def _unmasked(line: Line, made: Made) -> Any:
    """Nothing times a number other than zero is not a number, so there is nothing to mask."""
    c = next((n for n in map(uniform, line.operands) if n is not None and n != 0 and math.isfinite(n)), None)
    return None if c is None else [replace(line, prim=multiply)]


def _like(x: Any, line: Line) -> Any:
    """``x`` if it has the shape and dtype of the result."""
    out = line.results[0]
    return x if type(x) is Variable and x.shape == out.shape and x.dtype == out.dtype else None


def _real(x: Any, line: Line) -> Any:
    """The same, unless it is complex: (inf + 0j) · 1 is not itself, by NumPy's rule for products."""
    return _like(x, line) if line.results[0].dtype.kind != "c" else None


def _one_left(line: Line, made: Made) -> Any:
    return _real(line.operands[1], line) if uniform(line.operands[0]) == 1 else None


def _one_right(line: Line, made: Made) -> Any:
    return _real(line.operands[0], line) if uniform(line.operands[1]) == 1 else None


def _itself(line: Line, made: Made) -> Any:
    return _like(line.operands[0], line)


def _by(name: str, x: Any, made: Made) -> Line | None:
    found = made.get(id(x)) if type(x) is Variable else None
    return found if found is not None and found.prim.name == name else None


def _twice(line: Line, made: Made) -> Any:
    """The operand's operand, of an operation that undoes itself."""
    inner = _by(line.prim.name, line.operands[0], made)
    return None if inner is None or inner.params != line.params else _like(inner.operands[0], line)


def _zero(x: Any, line: Line, sign: float) -> bool:
    """Whether a constant is a zero of that sign, or any zero where the result has no signs of zero."""
    number = uniform(x)
    return number == 0 and (line.results[0].dtype.kind in "iu" or math.copysign(1.0, number) == sign)


def _nothing_added(line: Line, made: Made) -> Any:
    """x + -0 is x for every x, where x + 0 is 0 for -0."""
    x, y = line.operands
    return _real(x, line) if _zero(y, line, -1.0) else _real(y, line) if _zero(x, line, -1.0) else None


def _nothing_subtracted(line: Line, made: Made) -> Any:
    """x - 0 is x for every x, where x - -0 is 0 for -0."""
    return _real(line.operands[0], line) if _zero(line.operands[1], line, 1.0) else None


def _of_itself(line: Line, made: Made) -> Any:
    x, y = line.operands
    return _like(x, line) if x is y else None


def _choice_made(line: Line, made: Made) -> Any:
    condition, x, y = line.operands
    known = uniform(condition)
    if x is y:
        return _like(x, line)
    return None if known is None else _like(x if known else y, line)


def _constant(line: Line, made: Made) -> Any:
    """One number throughout takes no memory, and depends on nothing."""
    out = line.results[0]
    fill = select.on("cpu").full((), line.params["fill"], out.dtype)
    return np.broadcast_to(fill, out.shape, subok=True)


def _reshaped_twice(line: Line, made: Made) -> Any:
    inner = _by("reshape", line.operands[0], made)
    if inner is None:
        return None
    x, out = inner.operands[0], line.results[0]
    if not hasattr(x, "shape"):
        return None
    return [replace(line, prim=reshape, operands=(x,), params={"to": out.shape, "rank": len(x.shape)})]


def _unmoved(line: Line, made: Made) -> Any:
    perm = line.params["perm"]
    return _like(line.operands[0], line) if perm == tuple(range(-len(perm), 0)) else None


def _moved_twice(line: Line, made: Made) -> Any:
    inner = _by("permute", line.operands[0], made)
    if inner is None:
        return None
    rank = len(line.results[0].shape)
    first, second = (tuple(range(-rank, -len(p))) + tuple(p) for p in (inner.params["perm"], line.params["perm"]))
    return [replace(line, prim=permute, operands=inner.operands, params={"perm": tuple(first[p] for p in second)})]


def _product_turned(line: Line, made: Made) -> Any:
    """(A B)ᵀ is Bᵀ Aᵀ: BLAS reads a transposed matrix as it is, where a result would have to be moved."""
    inner = _by("matmul", line.operands[0], made)
    rank = len(line.results[0].shape)
    if inner is None or made.reads[id(line.operands[0])] > 1:
        return None  # who else reads it would have it computed twice
    if line.params["perm"] != (*range(-rank, -2), -1, -2)[-len(line.params["perm"]) :]:
        return None
    if any(type(x) is not Variable or len(x.shape) != rank for x in inner.operands):
        return None
    x, y = inner.operands
    perm = {"perm": (-1, -2)}
    turned = [Variable(permute.name, (*v.shape[:-2], v.shape[-1], v.shape[-2]), v.dtype) for v in (y, x)]
    lines = [Line(permute, (v,), perm, (t,), line.site) for v, t in zip((y, x), turned, strict=True)]
    return [*lines, replace(inner, operands=tuple(turned), results=line.results)]


def _product_of_rows(line: Line, made: Made) -> Any:
    """Many matrices times one matrix are one product of all their rows, if those lie one after another."""
    x, y = line.operands
    if type(x) is not Variable or len(x.shape) < 3 or len(y.shape) != 2:
        return None
    if any(_by(name, x, made) is not None for name in ("permute", "expand", "slice_", "flip")):
        return None
    n = math.prod(x.shape[:-1])
    out = line.results[0]
    flat, rows = (
        Variable(reshape.name, (n, x.shape[-1]), x.dtype),
        Variable(line.prim.name, (n, out.shape[-1]), out.dtype),
    )
    return [
        Line(reshape, (x,), {"to": flat.shape, "rank": len(x.shape)}, (flat,), line.site),
        replace(line, operands=(flat, y), results=(rows,)),
        Line(reshape, (rows,), {"to": out.shape, "rank": 2}, (out,), line.site),
    ]


def _moved_after(line: Line, made: Made) -> Any:
    """What a map with numbers does to a transposed array it does to the array: there it joins what computed that."""
    moved = [x for x in line.operands if type(x) is Variable]
    inner = _by("permute", moved[0], made) if len(moved) == 1 else None
    if inner is None or type(inner.operands[0]) is not Variable or line.prim.outputs:
        return None
    if any(type(x) is not Variable and (uniform(x) is None or np.ndim(x)) for x in line.operands):
        return None
    x, out = inner.operands[0], line.results[0]
    if out.shape != moved[0].shape:
        return None
    there = Variable(out.name, x.shape, out.dtype)
    operands = tuple(x if o is moved[0] else o for o in line.operands)
    return [replace(line, operands=operands, results=(there,)), replace(inner, operands=(there,), results=(out,))]


@ft.cache
def _counted(n: int, dtype: Any) -> Any:
    return np.arange(n, dtype=dtype)


def _count(line: Line, made: Made) -> Any:
    """Counting needs no run: all who count so far share one constant."""
    return _counted(line.params["size"], line.results[0].dtype)


RULES: dict[str, tuple[Rule, ...]] = {
    "constant": (_constant,),
    "add": (_nothing_added,),
    "subtract": (_nothing_subtracted,),
    "multiply": (_one_left, _one_right),
    "masked_multiply": (_one_left, _one_right, _unmasked),
    "divide": (_one_right,),
    "negative": (_twice,),
    "logical_not": (_twice,),
    "flip": (_twice,),
    "conj": (_twice,),
    "maximum": (_of_itself,),
    "minimum": (_of_itself,),
    "logical_and": (_of_itself,),
    "logical_or": (_of_itself,),
    "where": (_choice_made,),
    "positive": (_itself,),
    "stop": (_itself,),
    "cast": (_itself,),
    "reshape": (_itself, _reshaped_twice),
    "permute": (_unmoved, _moved_twice, _product_turned),
    "matmul": (_product_of_rows,),
    "iota": (_count,),
}
"""Primitive -> what is tried on its lines, in order."""
MAPS: tuple[Rule, ...] = (_moved_after,)
"""What is tried on the lines of every elementwise primitive, after that."""


FOLDED = 4096
"""Elements that a result may have which is computed while compiling, since all its operands are constants."""


def simplified(graph: Graph) -> Graph:
    """The same program with fewer lines."""
    return _Simplifier().graph(graph)


class _Simplifier:
    def __init__(self) -> None:
        self.stands: dict[int, Any] = {}
        """id of a variable -> what stands for it."""
        self.known: dict[Any, tuple[Variable, ...]] = {}
        self.lines: list[Line] = []
        self.taken: list[Line] = []
        """All lines there were: what goes by ids must outlive them."""

    def graph(self, graph: Graph) -> Graph:
        self.made = Made(graph)
        for line in live(graph.lines, graph.outputs):
            self.take(line)
        outputs = [self.current(o) for o in graph.outputs]
        return Graph(graph.inputs, live(self.lines, outputs), outputs)

    def current(self, x: Any) -> Any:
        return self.stands.get(id(x), x) if type(x) is Variable else x

    def take(self, given: Line) -> None:
        self.taken.append(given)
        line = replace(given, operands=tuple(map(self.current, given.operands)))
        rules = RULES.get(line.prim.name, ())
        for rule in (*rules, *MAPS) if line.prim.kind == "elementwise" else rules:
            found = rule(line, self.made)
            if type(found) is list:
                for part in found:
                    self.take(part)
                return
            if found is not None:
                self.stands[id(given.results[0])] = found
                return
        if self.folded(line):
            return
        key = _key(line)
        same = self.known.get(key) if key is not None else None
        if same is not None:
            self.stands.update((id(v), s) for v, s in zip(given.results, same, strict=True))
            return
        if key is not None:
            self.known[key] = line.results
        self.made.update((id(v), line) for v in line.results)
        self.lines.append(line)

    def folded(self, line: Line) -> bool:
        """Compute a line whose operands are all constants; whether it was one."""
        if any(type(x) is Variable for x in line.operands):
            return False
        operands, shape = line.operands, line.results[0].shape
        alike = line.prim.kind == "elementwise" and all(uniform(x) is not None for x in operands)
        if alike:  # one number throughout: one is computed
            operands = tuple(x.dtype.type(uniform(x)) if hasattr(x, "dtype") else x for x in operands)
        elif sum(math.prod(v.shape) for v in line.results) > FOLDED:
            return False
        else:
            operands = _together(operands)
        with np.errstate(all="ignore"):
            found = line.prim(*operands, **line.params)
        outs = found if line.prim.outputs else (np.broadcast_to(found, shape, subok=True) if alike else found,)
        self.stands.update((id(v), x) for v, x in zip(line.results, outs, strict=True))
        return True


def _together(operands: Sequence[Any]) -> tuple[Any, ...]:
    """Constants on the device that one of them is on: what the compiler made of numbers is the host's."""
    backend = next((select.of(x) for x in operands if type(x) in select.compiled_types), None)
    if backend is None:
        return tuple(operands)
    return tuple(backend.asarray(x) if isinstance(x, np.ndarray) else x for x in operands)


def _key(line: Line) -> Any:
    """What two lines that compute the same have in common; None for a line that is not compared."""
    key = (
        line.prim.name,
        tuple((type(x), repr(x)) if type(x) in WEAK else id(x) for x in line.operands),
        tuple((k, type(x), repr(x) if type(x) is float else x) for k, x in line.params.items()),  # 0.0 == -0.0
    )
    try:
        hash(key)
    except TypeError:
        return None
    return key
