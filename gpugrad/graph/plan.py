"""The plan: a graph as a straight-line Python function that calls one kernel or library routine after another.

What lies between the calls is memory that the plan owns: a kernel's arguments are views of it that were made once.
Results are new arrays each time.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import numpy as np

from gpugrad.backends import numba_kernels, parallel, select
from gpugrad.codegen.dialects import text_in
from gpugrad.codegen.numba_printer import printed
from gpugrad.graph.fuse import Call, KernelCall, fused
from gpugrad.graph.ir import Graph, Line, Variable
from gpugrad.graph.simplify import simplified
from gpugrad.ops.promotion import WEAK
from gpugrad.primitive import Primitive

_number = count(1).__next__

VIEWS = frozenset({"reshape", "permute", "expand", "slice_", "flip", "real", "imag"})
"""Primitives whose result is a view of the operand, as a rule."""
ALIASES = VIEWS | {"stop", "positive", "beside", "split", "cast", "conj"}
"""Primitives whose result may be the operand itself, or a view of it."""


class Plan:
    """What runs when a compiled function is called: ``plan.run(*arrays)`` gives the list of results."""

    def __init__(self, graph: Graph) -> None:
        self.graph = simplified(graph)
        self.calls = fused(self.graph)
        self.kernels = [c.kernel for c in self.calls if isinstance(c, KernelCall)]
        self._free: list[Callable[..., list[Any]]] = []

    def run(self, *arrays: Any) -> list[Any]:
        """The results; several threads may run a plan at once, each in memory of its own."""
        try:
            frame = self._free.pop()
        except IndexError:
            frame = self._frame()
        out = frame(*arrays)
        self._free.append(frame)
        return out

    def ready(self) -> Plan:
        """The plan itself, with its memory there and its kernels compiled."""
        self._free.append(self._frame())
        return self

    def _frame(self) -> Callable[..., list[Any]]:
        return _Writer(self.graph, self.calls).function()

    def sources(self, dialect: str = "numba") -> dict[str, str]:
        """The text of each kernel, by its name in the plan, with the user's line beside each step."""
        kernels = [c for c in self.calls if isinstance(c, KernelCall)]
        texts = [text_in(dialect, c.kernel, [shape for _, _, shape in c.arguments], c.sizes) for c in kernels]
        return {f"kernel_{k}": text for k, text in enumerate(texts)}

    def __str__(self) -> str:
        return _Writer(self.graph, self.calls).text()


class _Writer:
    """Writes the function; what it calls, its constants and its memory are its globals."""

    def __init__(self, graph: Graph, calls: Sequence[Call]) -> None:
        self.graph = graph
        self.calls = calls
        self.kernels = 0
        self.globals: dict[str, Any] = {"empty": np.empty, "contiguous": np.ascontiguousarray}
        self.names: dict[int, str] = {}
        self.fixed: dict[int, Any] = {}
        """id of a variable -> the array of the plan's own memory that holds it, in every run."""
        self.ends = {id(v) for v in graph.outputs}
        self.rows = {id(v) for v in graph.inputs}
        """ids of variables that are known to lie in C's order."""
        self.fresh: set[int] = set()
        """ids of variables that are new arrays in each run, with nothing else a view of them."""

    def function(self) -> Callable[..., list[Any]]:
        text = self.text()
        file = f"<plan {_number()}>"
        linecache.cache[file] = (len(text), None, text.splitlines(True), file)  # for tracebacks
        exec(compile(text, file, "exec"), self.globals)
        made: Callable[..., list[Any]] = self.globals["plan"]
        return made

    def text(self) -> str:
        head = ", ".join(self.name(v) for v in self.graph.inputs)
        body: list[str] = []
        for call in self.calls:
            if isinstance(call, KernelCall):
                self.kernel(call, body)
            else:
                self.library(call.line, body)
        result = ", ".join(self.result(o) for o in self.graph.outputs)
        return "\n".join([f"def plan({head}):", *(f"    {line}" for line in body), f"    return [{result}]", ""])

    def result(self, o: Any) -> str:
        text = self.operand(o)
        return text if type(o) is Variable and id(o) in self.fresh else f"{text}.copy()"

    def kernel(self, call: KernelCall, body: list[str]) -> None:
        name = f"kernel_{self.kernels}"
        self.kernels += 1
        kinds = [(a.dtype, len(shape)) for a, _, shape in call.arguments]
        run = numba_kernels.compiled(printed(call.kernel), [*kinds, *[None] * len(call.sizes)])
        shares = call.shares if call.elements >= parallel.LEAST else None
        self.globals[name] = run if shares is None else parallel.split(run, shares, call.length)
        arguments = []
        for array, x, shape in call.arguments:
            if array.scratch:
                arguments.append(self.held(np.empty(shape, array.dtype), array.name))
                continue
            if array.written:
                if id(x) in self.ends:
                    self.fresh.add(id(x))
                    self.rows.add(id(x))
                    body.append(f"{self.name(x)} = empty({x.shape}, {self.held(np.dtype(x.dtype), x.dtype.name)})")
                else:
                    self.fixed[id(x)] = np.empty(x.shape, x.dtype)
            arguments.append(self.argument(x, shape))
        body.append(f"{name}({', '.join([*arguments, *map(str, call.sizes)])})")

    def argument(self, x: Any, shape: tuple[int, ...]) -> str:
        if type(x) is not Variable:
            return self.held(np.ascontiguousarray(x).reshape(shape), "c")
        there = self.fixed.get(id(x))
        if there is not None and there.flags.c_contiguous:
            return self.held(there.reshape(shape), x.name)
        text = self.operand(x) if id(x) in self.rows else f"contiguous({self.operand(x)})"
        return text if x.shape == shape else f"{text}.reshape({shape})"

    def library(self, line: Line, body: list[str]) -> None:
        call = _implementation(line.prim, line.operands)
        if line.prim.name in VIEWS and id(line.operands[0]) in self.fixed:
            view = call(self.fixed[id(line.operands[0])], **line.params)
            if np.may_share_memory(view, self.fixed[id(line.operands[0])]):
                self.fixed[id(line.results[0])] = view
                return
        if line.prim.name == "matmul" and self.product(line, body):
            return
        left = ", ".join(self.name(v) for v in line.results) + ("," if line.prim.outputs == 1 else "")
        params = [f"{k}={self.held(v, k)}" for k, v in line.params.items()]
        name = self.held(call, line.prim.name)
        if line.prim.name not in ALIASES:
            self.fresh.update(id(v) for v in line.results)
        body.append(f"{left} = {name}({', '.join([*map(self.operand, line.operands), *params])})")

    def product(self, line: Line, body: list[str]) -> bool:
        """A matrix product into memory that is there already, if BLAS takes it as it is."""
        out = line.results[0]
        if out.dtype.name not in ("float32", "float64") or any(
            getattr(x, "dtype", None) != out.dtype for x in line.operands
        ):
            return False
        if id(out) in self.ends:
            body.append(f"{self.name(out)} = empty({out.shape}, {self.held(out.dtype, out.dtype.name)})")
            self.fresh.add(id(out))
            self.rows.add(id(out))
        else:
            self.fixed[id(out)] = np.empty(out.shape, out.dtype)
        flat = all(len(x.shape) == 2 for x in line.operands)
        call = self.held(np.dot if flat else np.matmul, "dot" if flat else "matmul")
        body.append(f"{call}({', '.join(map(self.operand, (*line.operands, out)))})")
        return True

    def operand(self, x: Any) -> str:
        if type(x) is Variable:
            return self.held(self.fixed[id(x)], x.name) if id(x) in self.fixed else self.name(x)
        return self.held(x, "c")

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


def _implementation(prim: Primitive, operands: Sequence[Any]) -> Callable[..., Any]:
    """What runs a primitive on arrays of these dtypes."""
    lead = operands[prim.leads]
    if type(lead) is not Variable:
        return prim.impl[type(lead)]
    return prim.impl[type(select.on("cpu").full((0,), 0, lead.dtype))]
