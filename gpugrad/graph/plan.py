"""The plan: a graph as a straight-line Python function that calls one kernel or library routine after another.

What lies between the calls is memory that the plan owns: a kernel's arguments are views of it that were made once.
Results are new arrays each time, but for those that take the place of an input.
"""

from __future__ import annotations

import functools as ft
import linecache
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np

from gpugrad import dtypes
from gpugrad.backends import half, numba_assembling, numba_kernels, numba_pooling, parallel, recycled, select
from gpugrad.codegen.dialects import text_in
from gpugrad.codegen.loops import LoopKernel
from gpugrad.codegen.numba_printer import printed
from gpugrad.config import config
from gpugrad.errors import beside
from gpugrad.graph.calls import Call, CopyCall, KernelCall, LibraryCall
from gpugrad.graph.fuse import fused
from gpugrad.graph.ir import Graph, Line, Variable
from gpugrad.graph.layout import ordered
from gpugrad.graph.memory import ALIGNMENT, NEW, VIEWS, Update, planned, takes_out
from gpugrad.graph.pads import DTYPES, joined
from gpugrad.graph.simplify import simplified
from gpugrad.graph.usage import Usage, moved, shown, used
from gpugrad.graph.verify import fresh, verify_calls, verify_graph, verify_memory
from gpugrad.graph.work import Work, nanoseconds, work
from gpugrad.ops.assembling import assemble
from gpugrad.ops.promotion import WEAK
from gpugrad.primitive import Primitive

BLAS = frozenset({"matmul", "conv", "conv_input", "conv_weight"})
"""Primitives that the library computes on several threads."""

_number = count(1).__next__
_NO_OTHER = nullcontext()


class Frame:
    """A plan that is ready to run: its function, with kernels, constants and memory of its own.

    The inputs that others are written over, the cells, are bound to it until others take their place.
    """

    def __init__(self, writer: _Writer) -> None:
        text = writer.text()
        file = f"<plan {_number()}>"
        linecache.cache[file] = (len(text), None, text.splitlines(True), file)  # for tracebacks
        self._globals = writer.globals
        self._bound = writer.bound
        exec(compile(text, file, "exec"), self._globals)
        self.run: Callable[..., Any] = self._globals["plan"]

    def bind(self, cells: Mapping[int, Any]) -> None:
        """Let these arrays, in C's order, be the inputs at these positions."""
        for name, position, view in self._bound:
            self._globals[name] = view(cells[position])

    def unbind(self) -> None:
        """Let go of the arrays."""
        for name, _, _ in self._bound:
            self._globals[name] = None


class Plan:
    """What runs when a compiled function is called: ``plan.run(*arrays)`` gives the list of results.

    With ``updates`` it is a step: the inputs at the positions ``cells`` are bound to a frame, whose ``run`` takes the
    others, and gives the results that replace no cell, and the calls that are then to be made to replace the cells.
    """

    place = "cpu"
    """The device that it runs on."""

    alignment = 1
    """Bytes; where the arrays must begin that kernels take."""

    scratch = True
    """Whether kernels have rows of working memory for what a later pass over a row reads again."""
    adds = DTYPES
    """Of which dtypes sums of what lies among zeros are one call."""
    draws = False
    """Whether kernels draw random words, rather than to read them."""

    def __init__(self, graph: Graph, updates: Sequence[Update] = (), cells: Sequence[int] = ()) -> None:
        self.graph = self.lowered(simplified(graph))
        self.cells = cells
        calls = fused(self.graph, self.into, self.draws)
        if config.verify_graphs:
            verify_graph(graph)
            verify_graph(self.graph, lean=True)
            verify_calls(self.graph, calls)
        self.memory = planned(self.graph, ordered(self.graph, calls, self.alignment), updates, self.scratch)
        if config.verify_graphs:
            verify_memory(self.graph, self.memory)
        self.kept = [k for k in range(len(graph.outputs)) if k not in {u.output for u in updates}]
        """The positions of the results that replace no cell."""
        blas = any(isinstance(c, LibraryCall) and c.line.prim.name in BLAS for c in calls)
        self.least = parallel.LEAST * (parallel.BESIDE_BLAS if blas else 1)
        """Nanoseconds of work from which on a kernel runs on several threads."""
        tail = self.memory.calls[self.memory.tail :]
        self.steady = all(self.shares(c) is None for c in tail)
        """Whether the calls that replace cells are all of C functions."""
        self._free: list[Any] = []

    def current(self) -> AbstractContextManager[Any]:
        """A context in which its device is the one that works; its frames run in one."""
        return _NO_OTHER

    def run(self, *arrays: Any) -> list[Any]:
        """The results; several threads may run a plan at once, each in memory of its own."""
        try:
            frame = self._free.pop()
        except IndexError:
            frame = self.frame()
        out: list[Any] = frame.run(*arrays)
        self._free.append(frame)
        return out

    def lowered(self, graph: Graph) -> Graph:
        """The graph in terms of what the device has."""
        return joined(graph, self.adds)

    def into(self, line: Line) -> bool:
        """Whether results of a line that is no kernel are written into memory that is there."""
        return takes_out(line)

    def takes(self, x: Any) -> bool:
        """Whether kernels take an array as it lies."""
        return bool(x.flags.c_contiguous)

    def contiguous(self, x: Any) -> Any:
        """The array, or a copy of it in C's order, which is what kernels take."""
        return recycled.contiguous(x)

    def ready(self) -> Plan:
        """The plan itself, with its memory there and its kernels compiled."""
        self._free.append(self.frame())
        return self

    def shares(self, call: Call) -> list[str] | None:
        """What each thread gets of the arguments of a call; None for what one thread does alone."""
        return call.shares if isinstance(call, KernelCall) and nanoseconds(call) >= self.least else None

    def frame(self) -> Any:
        """A new frame, or one that is not in use."""
        return self._free.pop() if self._free else self.new_frame()

    def new_frame(self) -> Any:
        """Memory of its own, and what runs there."""
        return Frame(_Writer(self))

    def parts(self) -> dict[str, Plan]:
        """The plans of the loops that it runs, by name: condition and body of each."""
        lines = [c.line for c in self.memory.calls if isinstance(c, LibraryCall) and c.line.graphs]
        where = self.place
        return {
            f"loop_{k}.{part}": x.params["loop"].plan(part, where) for k, x in enumerate(lines) for part in x.graphs
        }

    def usage(self) -> Usage:
        """The memory that it takes; a step of a loop has its own, one loop at a time."""
        usage = used(self.graph, self.memory)
        steps = [part.usage() for part in self.parts().values()]
        within = max((step.peak - step.arguments for step in steps), default=0)
        return replace(usage, library=usage.library + within)

    def work(self) -> Work:
        """What a run moves and computes; what is in loops, whose steps nobody knows before, is left out."""
        return work(self.memory.calls)

    def sources(self, dialect: str = "numba") -> dict[str, str]:
        """The text of each kernel, by its name in the plan, with the user's line beside each step."""
        kernels = [c for c in self.memory.calls if isinstance(c, KernelCall)]
        texts = [text_in(dialect, c.kernel, [shape for _, _, shape in c.arguments], c.sizes) for c in kernels]
        found = {f"kernel_{k}": text for k, text in enumerate(texts)}
        inner = {name: part.sources(dialect) for name, part in self.parts().items()}
        return found | {f"{name}.{k}": text for name, texts in inner.items() for k, text in texts.items()}

    def __str__(self) -> str:
        usage = self.usage()
        parts = [f"\n# {name}\n{part}" for name, part in self.parts().items()]
        memory = f"# memory: {shown(usage.peak)}, of which {shown(usage.arena)} for intermediates"
        return f"{memory}\n{self.text()}{''.join(parts)}"

    def text(self) -> str:
        """What it does, line by line."""
        return _Writer(self, told=True).text()


class _Writer:
    """Writes the function; what it calls, its constants and its memory are its globals."""

    def __init__(self, plan: Plan, told: bool = False) -> None:
        self.told = told
        """Whether the user's line, or what is moved, is to stand beside each call."""
        self.graph = plan.graph
        self.memory = plan.memory
        self.kept = plan.kept
        self.shares = plan.shares
        self.kernels = 0
        self.arena = _aligned_bytes(plan.memory.size)
        self.globals: dict[str, Any] = {
            "empty": recycled.empty,
            "half": half.typed,
            "bits": numba_kernels.bits,
            "contiguous": np.ascontiguousarray,
        }
        self.names: dict[int, str] = {}
        self.fixed: dict[int, Any] = {}
        """id of a variable -> the array of the plan's own memory that holds it, in every run."""
        self.bound: list[tuple[str, int, Callable[[Any], Any]]] = []
        """Globals that are views of cells: name, the cell's position, and how to view it."""
        self.views: dict[int, tuple[int, Callable[[Any], Any]]] = {}
        """id of a variable that is a view of a cell -> the cell's position, and how to view it."""
        self.cells = set(plan.cells)
        for position in plan.cells:
            self.views[id(self.graph.inputs[position])] = position, _same
        self.inputs = [v for k, v in enumerate(self.graph.inputs) if k not in self.cells]
        self.rows = {id(v) for v in self.graph.inputs}
        """ids of variables that are known to lie in C's order."""
        self.fresh: set[int] = set()
        """ids of variables that are new arrays in each run, with nothing else a view of them."""

    def text(self) -> str:
        head = ", ".join(self.name(v) for v in self.inputs)
        body: list[str] = []
        calls, tail = self.memory.calls, self.memory.tail
        for call in calls[:tail]:
            if isinstance(call, KernelCall):
                body.append(self.beside(self.kernel(call, body), moved(call)))
            elif isinstance(call, CopyCall):
                body.append(self.beside(self.copied(call, body), moved(call)))
            else:
                self.library(call.line, body, call.into)
        last = [self.kernel(call, body) for call in calls[tail:] if isinstance(call, KernelCall)]
        result = f"[{', '.join(self.result(self.graph.outputs[k]) for k in self.kept)}]"
        if self.cells:
            sources = [(self.source(v), self.view(self.graph.inputs.index(x), _same)) for v, x in self.memory.back]
            last = [text.replace("(", ", ", 1) for text in last]
            last += [f"copyto, {x}, {v})" for v, x in sources]
            result = f"{result}, [" + "".join(f"\n        ({text}," for text in last) + "]"
        return "\n".join([f"def plan({head}):", *(f"    {line}" for line in body), f"    return {result}", ""])

    def beside(self, text: str, comment: str) -> str:
        return f"{text:72s}  # {comment}" if self.told and comment else text

    def result(self, o: Any) -> str:
        text = self.operand(o)
        return text if type(o) is Variable and id(o) in self.fresh else f"{text}.copy()"

    def source(self, v: Any) -> str:
        """What is to be copied over a cell, when other cells may have changed."""
        self.globals["copyto"] = np.copyto
        own = type(v) is not Variable or id(v) in self.fixed or id(v) in self.fresh
        return self.operand(v) if own else f"{self.operand(v)}.copy()"

    def kernel(self, call: KernelCall, body: list[str]) -> str:
        """The call of a kernel."""
        name = f"kernel_{self.kernels}"
        self.kernels += 1
        kinds = [(a.dtype, len(shape)) for a, _, shape in call.arguments]
        run = numba_kernels.compiled(named_alike(call.kernel, printed), [*kinds, *[None] * len(call.sizes)])
        parts = self.shares(call)
        self.globals[name] = run if parts is None else parallel.split(run, parts, call.length)
        arguments = []
        for array, x, shape in call.arguments:
            if array.scratch:
                arguments.append(self.held(self.slot(id(array), shape, array.dtype), array.name))
                continue
            v = call.replaced.get(id(array), x)
            if array.written:
                self.place(v, body)
            arguments.append(self.argument(v, shape))
        return f"{name}({', '.join([*arguments, *map(str, call.sizes)])})"

    def place(self, v: Variable, body: list[str]) -> None:
        """See that the memory is there that a result is written into."""
        home = self.memory.homes.get(id(v))
        if home is not None:
            self.views[id(v)] = self.views[id(home)]
        elif id(v) in self.memory.offsets:
            self.fixed[id(v)] = self.slot(id(v), v.shape, v.dtype)
        else:
            self.fresh.add(id(v))
            self.rows.add(id(v))
            text = f"empty({v.shape}, {self.held(np.dtype(v.dtype), v.dtype.name)})"
            body.append(f"{self.name(v)} = {f'half({text})' if dtypes.is_half(v.dtype) else text}")

    def slot(self, key: int, shape: tuple[int, ...], dtype: Any) -> Any:
        """A part of the arena."""
        return half.typed(np.ndarray(shape, dtype, self.arena, self.memory.offsets[key]))

    def argument(self, x: Any, shape: tuple[int, ...]) -> str:
        if type(x) is not Variable:
            return self.held(numba_kernels.bits(np.ascontiguousarray(x).reshape(shape)), "c")
        there = self.fixed.get(id(x))
        if there is not None and there.flags.c_contiguous:
            return self.held(numba_kernels.bits(there.reshape(shape)), x.name)
        if id(x) in self.views and self.like(x).flags.c_contiguous:
            position, view = self.views[id(x)]
            same = shape == x.shape and not dtypes.is_half(x.dtype)
            return self.view(position, view if same else lambda cell: numba_kernels.bits(view(cell).reshape(shape)))
        text = self.operand(x) if id(x) in self.rows else f"contiguous({self.operand(x)})"
        text = text if x.shape == shape else f"{text}.reshape({shape})"
        return f"bits({text})" if dtypes.is_half(x.dtype) else text

    def view(self, position: int, view: Callable[[Any], Any]) -> str:
        """The name of a view of a cell."""
        cell = self.name(self.graph.inputs[position])
        name = cell if view is _same else f"{cell}__{len(self.globals)}"
        if name not in self.globals:
            self.globals[name] = None
            self.bound.append((name, position, view))
        return name

    def like(self, x: Variable) -> Any:
        """An array laid out as the view of a cell is."""
        position, view = self.views[id(x)]
        cell = self.graph.inputs[position]
        return view(half.typed(np.empty(cell.shape, cell.dtype)))

    def library(self, line: Line, body: list[str], into: bool) -> None:
        call, params = _implementation(line.prim, line.operands), line.params
        if line.prim is assemble and all(type(x) is Variable for x in line.operands):
            found = numba_assembling.assembler([x.shape for x in line.operands], line.results[0].dtype, **params)
            call, params = (call, params) if found is None else (found, {})
        if line.prim.name in VIEWS and self.viewed(line, call):
            return
        if into:
            self.product(line, body)
            return
        left = ", ".join(self.name(v) for v in line.results) + (
            "," if line.prim.outputs and len(line.results) == 1 else ""
        )
        given = [f"{k}={self.held(v, k)}" for k, v in params.items()]
        checked = config.verify_graphs and line.prim.name in NEW
        name = self.held(fresh(line.prim, call) if checked else call, line.prim.name)
        if line.prim.name in NEW:
            self.fresh.update(id(v) for v in line.results)
        text = f"{left} = {name}({', '.join([*map(self.operand, line.operands), *given])})"
        body.append(self.beside(text, beside(line.site)))

    def viewed(self, line: Line, call: Callable[..., Any]) -> bool:
        """Whether the result is a view of memory that is there already: then it is made once."""
        x, out = line.operands[0], line.results[0]
        if id(x) in self.fixed:
            like = self.fixed[id(x)]
        elif id(x) in self.views:
            like = self.like(x)
        else:
            return False
        make = ft.partial(_view, call, line)
        view = make(like)
        if not np.may_share_memory(view, like):
            return False
        if id(x) in self.fixed:
            self.fixed[id(out)] = view
        else:
            position, before = self.views[id(x)]
            self.views[id(out)] = position, lambda cell: make(before(cell))
        return True

    def copied(self, call: CopyCall, body: list[str]) -> str:
        """A copy into memory that is there already."""
        self.place(call.copy, body)
        return f"{self.held(np.copyto, 'copyto')}({self.operand(call.copy)}, {self.operand(call.source)})"

    def product(self, line: Line, body: list[str]) -> None:
        """A matrix product into memory that is there already."""
        out = line.results[0]
        self.place(out, body)
        flat = all(len(x.shape) == 2 for x in line.operands)
        call = self.held(np.dot if flat else np.matmul, "dot" if flat else "matmul")
        operands = ", ".join(map(self.operand, (*line.operands, out)))
        body.append(self.beside(f"{call}({operands})", beside(line.site)))

    def operand(self, x: Any) -> str:
        if id(x) in self.fixed:
            return self.held(self.fixed[id(x)], x.name)
        if id(x) in self.views:
            return self.view(*self.views[id(x)])
        return self.name(x) if type(x) is Variable else self.held(x, "c")

    def name(self, v: Variable) -> str:
        if id(v) not in self.names:
            self.names[id(v)] = f"{v.name}_{len(self.names)}"
        return self.names[id(v)]

    def held(self, x: Any, wish: str) -> str:
        """The text of a constant, or the name of a global that holds it."""
        if type(x) in WEAK and x == x and abs(x) != float("inf"):
            return repr(x)
        if type(x) is tuple and all(type(n) is int for n in x):
            return repr(x)
        name = f"{wish}__{len(self.globals)}"  # two underscores: no variable is called so
        self.globals[name] = x
        return name


def named_alike(kernel: LoopKernel, printed: Callable[[LoopKernel], str]) -> str:
    """The text with names that say nothing: kernels that are alike are compiled once."""
    named: list[Any] = [*kernel.arrays, *kernel.steps]
    names = [x.name for x in named]
    for k, x in enumerate(named):
        x.name = f"a{k}" if k < len(kernel.arrays) else f"v{k}"
    try:
        return printed(kernel)
    finally:
        for x, name in zip(named, names, strict=True):
            x.name = name


def _implementation(prim: Primitive, operands: Sequence[Any]) -> Callable[..., Any]:
    """What runs a primitive on arrays of these dtypes."""
    if prim.name in numba_pooling.CALLS:
        return numba_pooling.CALLS[prim.name]
    lead = operands[prim.leads]
    if type(lead) is not Variable:
        return prim.impl[type(lead)]
    return prim.impl[type(select.on("cpu").full((0,), 0, lead.dtype))]


def _view(call: Callable[..., Any], line: Line, x: Any) -> Any:
    return call(x, *line.operands[1:], **line.params)  # no view depends on the numbers of another operand


def _same(cell: Any) -> Any:
    return cell


def _aligned_bytes(n: int) -> Any:
    """Memory that begins at a line of the cache."""
    memory = np.empty(n + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + n]
