"""Where the values of a program lie.

Intermediates lie in one arena, each as long as it is read: what dies makes room for what comes. A kernel that reads an
element for the last time where it writes one of the same kind writes it in its place. What replaces an input (the new
value of a parameter, of an optimizer's moments) is written over the old one, last of all: until then nothing has been
changed that somebody else can see.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gpugrad.codegen.loops import ELEMENT, Array, LoopKernel, Step
from gpugrad.graph.calls import Call, KernelCall, LibraryCall
from gpugrad.graph.ir import Graph, Line, Variable
from gpugrad.graph.packing import Span, packed

ALIGNMENT = 64
"""Bytes; a cache line."""

VIEWS = frozenset({"reshape", "permute", "expand", "slice_", "flip", "real", "imag", "again"})
"""Primitives whose result is a view of the operand, as a rule."""
NEW = frozenset({
    "affine", "argmax", "argmin", "argsort", "assemble", "attention", "attention_back", "avg_pool", "avg_unpool", "cholesky",
    "class_index", "concat", "conv", "conv_input", "conv_weight", "cumprod", "cumsum", "dft", "eigh", "gather",
    "inv", "irdft", "matmul", "max_picked", "max_pool", "max_spread", "pick", "place", "position", "put", "qr",
    "random_below", "random_bits", "rdft", "reduce_logsumexp", "reduce_max", "reduce_min", "reduce_sum", "scatter",
    "searchsorted", "slice_update", "solve", "svd", "unslice", "while_loop",
})  # fmt: skip
"""Primitives whose results in the library are arrays of their own. Any other may give back an operand, or a view of it."""

_LOUD = frozenset({"cholesky", "class_index", "eigh", "inv", "position", "qr", "solve", "svd", "while_loop"})
QUIET = (NEW | VIEWS | {"cast", "conj", "split", "stop", "positive"}) - _LOUD
"""Primitives that do not fail, whatever numbers they are given."""


@dataclass(frozen=True)
class Update:
    """An output that takes the place of an input, both by position."""

    output: int
    input: int
    early: bool = False
    """Whether it may be written as soon as nothing can fail any more: what an interrupt finds half-way is worth nothing."""


@dataclass(eq=False)
class Memory:
    """The calls of a program in the order in which they run, and where their results lie."""

    calls: list[Call]
    tail: int
    """From this call on inputs are written over, and nothing can fail."""
    offsets: dict[int, int] = field(default_factory=dict)
    """id of a variable, or of a scratch array of a kernel -> where it begins in the arena, in bytes."""
    homes: dict[int, Variable] = field(default_factory=dict)
    """id of an output -> the input that it is written over."""
    back: list[tuple[Any, Variable]] = field(default_factory=list)
    """Outputs that are copied over inputs when all is done."""
    size: int = 0
    """Of the arena, in bytes."""
    alive: list[tuple[int, Variable | Array, int]] = field(default_factory=list)
    """What is in the arena, by the calls at which it comes and goes."""


def nbytes(x: Any) -> int:
    """The size of a value in memory."""
    return int(math.prod(x.shape) * x.dtype.itemsize)


def takes_out(line: Line) -> bool:
    """Whether the library can write its result into memory that is there: a matrix product that BLAS takes as it is."""
    out = line.results[0]
    return (
        line.prim.name == "matmul"
        and out.dtype.name in ("float32", "float64")
        and all(getattr(x, "dtype", None) == out.dtype for x in line.operands)
    )


def planned(graph: Graph, calls: Sequence[Call], updates: Sequence[Update] = (), scratch: bool = True) -> Memory:
    """Find a place for everything. Kernels that now write over what they read are changed.

    Without ``scratch`` kernels have no rows of working memory: they may compute again what would be in one.
    """
    return _Planner(graph, calls, updates, scratch).planned()


class _Planner:
    def __init__(self, graph: Graph, calls: Sequence[Call], updates: Sequence[Update], scratch: bool) -> None:
        self.graph = graph
        self.scratch = scratch
        given = {id(v) for v in graph.inputs}
        count: dict[int, int] = {}
        for v in graph.outputs:
            count[id(v)] = count.get(id(v), 0) + 1
        self.wanted: dict[int, tuple[Variable, bool]] = {}
        """id of an output -> the input that it may be written over, and whether early."""
        back = []
        for u in updates:
            v, x = graph.outputs[u.output], graph.inputs[u.input]
            if type(v) is Variable and id(v) not in given and count[id(v)] == 1:
                self.wanted[id(v)] = x, u.early
            else:
                back.append((v, x))
        self.ends = {id(v) for k, v in enumerate(graph.outputs) if k not in {u.output for u in updates}}
        """Outputs that become new arrays."""
        read = {id(x) for call in calls for x in call.operands}
        last = [c for c in calls if isinstance(c, KernelCall) and self.may_wait(c, read)]
        moved = {id(c) for c in last}
        first = [c for c in calls if id(c) not in moved]
        self.memory = Memory([*first, *last], len(first), back=back)
        self.last = last_uses(self.memory.calls, graph.outputs)
        loud = [
            k
            for k, c in enumerate(first)
            if isinstance(c, LibraryCall) and not c.into and c.line.prim.name not in QUIET
        ]
        self.safe = max(loud, default=-1) + 1
        """The call from which on none fails."""

    def may_wait(self, call: KernelCall, read: set[int]) -> bool:
        """Whether a kernel replaces inputs, and nothing that it gives is read by another."""
        results = {id(v) for v in call.results}
        return not results & read and bool(results & self.wanted.keys()) and results <= self.wanted.keys() | self.ends

    def planned(self) -> Memory:
        memory = self.memory
        for k, call in enumerate(memory.calls):
            for v in owned(call):
                if id(v) in self.wanted:
                    self.settle(k, call, v)
        there = {id(v) for call in memory.calls for v in call.results}
        memory.back += [
            (v, self.wanted[id(v)][0])
            for v in self.graph.outputs
            if id(v) in self.wanted and id(v) in there and id(v) not in memory.homes
        ]
        self.fill()
        return memory

    def settle(self, k: int, call: Call, v: Variable) -> None:
        """Write ``v`` over its input if that is not read any more, or for the last time, element by element, here."""
        x, early = self.wanted[id(v)]
        until = self.last.get(id(x), -1)
        if (x.shape, x.dtype) != (v.shape, v.dtype) or until > k or k < (self.safe if early else self.memory.tail):
            return
        if until < k or (isinstance(call, KernelCall) and _merged(call, x, v, self.scratch)):
            self.memory.homes[id(v)] = x

    def fill(self) -> None:
        """Find places in the arena. What the tail reads is there to the end: a device may run those calls in another order."""
        memory = self.memory
        spans: list[Span] = []
        of: dict[int, Span] = {}
        places: dict[int, Variable] = {}

        def enter(key: int, x: Variable | Array, n: int, k: int, until: int) -> None:
            memory.alive.append((k, x, until))
            of[key] = Span(k, until, _aligned(n), [key])
            spans.append(of[key])

        for k, call in enumerate(memory.calls):
            for v in owned(call):
                if id(v) in self.ends or id(v) in memory.homes:
                    continue
                until = self.last.get(id(v), k)
                if until >= memory.tail:
                    until = len(memory.calls)
                old = next((x for x in call.operands if self.replaceable(call, k, x, v, places)), None)
                if old is None:
                    enter(id(v), v, nbytes(v), k, until)
                else:
                    of[id(v)] = span = of[id(old)]
                    span.until = until
                    span.keys.append(id(v))
                    memory.alive.append((k, v, until))
                places[id(v)] = v
            if isinstance(call, KernelCall) and self.scratch:
                for a, _, shape in call.arguments:
                    if a.scratch:
                        enter(id(a), a, math.prod(shape) * a.dtype.itemsize, k, k)
        memory.size = packed(spans)
        memory.offsets = {key: span.offset for span in spans for key in span.keys}

    def replaceable(self, call: Call, k: int, x: Any, v: Variable, places: dict[int, Variable]) -> bool:
        """Whether ``v`` is written where the intermediate ``x`` lies, which dies here."""
        return (
            isinstance(call, KernelCall)
            and k < self.memory.tail
            and id(x) in places
            and self.last.get(id(x)) == k
            and (x.shape, x.dtype) == (v.shape, v.dtype)
            and _merged(call, x, v, self.scratch)
        )


def owned(call: Call) -> list[Variable]:
    """The results that are written into memory that is there."""
    if isinstance(call, LibraryCall) and not call.into:
        return []
    return call.results


def last_uses(calls: Sequence[Call], outputs: Sequence[Any]) -> dict[int, int]:
    """id of a variable -> the last call that reads it, or a view of it; their number for what is given at the end."""
    last = {id(v): len(calls) for v in outputs}
    for k in reversed(range(len(calls))):
        call, until = calls[k], k
        if isinstance(call, LibraryCall) and not call.into and call.line.prim.name not in NEW:
            until = max(k, *(last.get(id(v), k) for v in call.results))
        for x in call.operands:
            last[id(x)] = max(last.get(id(x), -1), until)
    return last


def _merged(call: KernelCall, x: Variable, v: Variable, scratch: bool) -> bool:
    """Let a kernel write ``v`` over ``x``, if each element is read before it is written; whether that could be."""
    kernel = call.kernel
    sources = [a for a, y, _ in call.arguments if y is x and not a.scratch]
    target = next(a for a, y, _ in call.arguments if y is v)
    if len(sources) != 1 or sources[0].written or sources[0].drawn or sources[0].axes != target.axes or not target.axes:
        return False
    source = sources[0]
    step = next(s for s, a in kernel.writes if a is target)
    read = next(s for s in kernel.steps if s.op == "read" and s.operands[0] is source)
    if kernel.sums_rows(step, target) or not _read_first(kernel if scratch else kernel.without_scratch(), read, step):
        return False
    source.name = target.name.replace("out_", "inout_", 1)
    source.written = True
    kernel.writes = [(s, source if a is target else a) for s, a in kernel.writes]
    kernel.kept = {key: source if a is target else a for key, a in kernel.kept.items()}
    kernel.arrays.remove(target)
    call.arguments = [entry for entry in call.arguments if entry[0] is not target]
    call.replaced[id(source)] = v
    return True


def _read_first(kernel: LoopKernel, read: Step, step: Step) -> bool:
    if step.level != read.level:
        return False
    if step.level != ELEMENT:
        return True  # a row's numbers are read when the row begins, and written when it ends
    before = kernel.steps.index(read) < kernel.steps.index(step)  # what is read and written as it is may come sooner
    return before and all(read not in kernel.needed_in(turn) for turn in range(step.turn + 1, kernel.passes))


def _aligned(n: int) -> int:
    return -(-n // ALIGNMENT) * ALIGNMENT
