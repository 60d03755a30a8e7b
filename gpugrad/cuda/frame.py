"""Memory in which a plan for a CUDA device runs, and what it does there: the calls of a run, made once and issued again."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gpugrad.config import config
from gpugrad.cuda.device import Parameters
from gpugrad.cuda.routines.copying import copied
from gpugrad.cuda.routines.routine import REPORT, Scratch, Told
from gpugrad.cuda.several import Several
from gpugrad.errors import DeviceError, beside
from gpugrad.graph.calls import CopyCall, KernelCall, LibraryCall
from gpugrad.graph.ir import Variable
from gpugrad.graph.memory import NEW, VIEWS, nbytes

if TYPE_CHECKING:
    from gpugrad.cuda.plan import CudaPlan

PARTS = VIEWS | {"split"}
"""Primitives that compute nothing: what they give are views of the operand."""

SMALL = 1 << 10
"""Bytes of an input that a step takes together with others, in one copy; ALIGNED is where each begins."""
ALIGNED = 16
WARM = 2
"""Runs before a step becomes a CUDA graph: the first load and choose what they need."""


def _run(calls: Sequence[tuple[Any, ...]]) -> None:
    for function, *arguments in calls:
        function(*arguments)


class Frame:
    """Memory in which a plan runs, and what it does there, ready to be done again."""

    def __init__(self, plan: CudaPlan) -> None:
        self.plan = plan
        self.device = plan.device
        self.memory = plan.memory
        self.arena = self.device.memory(self.memory.size)
        self.inputs = [v for k, v in enumerate(plan.graph.inputs) if k not in set(plan.cells)]
        self.stream: Any = None
        """The stream of what was begun last in this memory."""
        self.order()
        self.own = {id(v): self.new(v) for v in self.inputs if not self.packed(v)} if plan.cells else {}
        """The inputs' memory, in a step."""
        self.pack()
        self.constants: dict[int, Any] = {}
        self.unbind()
        if not plan.cells:
            self.prepare({})

    def packed(self, v: Variable) -> bool:
        """Whether it is a small input of a step, such as a learning rate or a key: those go to the device together."""
        return bool(self.plan.cells) and nbytes(v) <= SMALL

    def pack(self) -> None:
        """Lay out the small inputs one after another."""
        self.small: dict[int, tuple[int, Any]] = {}
        """id of a small input -> where it begins, and its dtype."""
        size = 0
        for v in filter(self.packed, self.inputs):
            self.small[id(v)] = size, v.dtype
            size += -(-nbytes(v) // ALIGNED) * ALIGNED
        self.block = self.device.memory(size)
        """Where they are on the device."""
        self.staging = self.device.staging(size) if size else None
        for v in filter(self.packed, self.inputs):
            self.own[id(v)] = self.device.view(self.block, self.small[id(v)][0], v.shape, v.dtype)

    def order(self) -> None:
        """Let what follows come after what was begun in this memory before, be it on another stream."""
        self.stream = self.device.ordered(self.stream)

    def give(self, data: Sequence[Any]) -> None:
        """Copy what a step is given into its inputs' memory."""
        pairs = list(zip(self.inputs, data, strict=True))
        there = self.plan.backend.array_types
        numbers = [(v, x) for v, x in pairs if id(v) in self.small and not isinstance(x, there)]
        if numbers and self.staging is not None:
            buffer = self.staging.buffer()
            for v, x in numbers:
                start, dtype = self.small[id(v)]
                buffer[start : start + nbytes(v)].view(dtype)[...] = np.reshape(x, -1)
            self.staging.send(self.block)
        done = {id(v) for v, _ in numbers}
        for v, x in pairs:
            if id(v) not in done:
                self.device.fetch(self.own[id(v)], x)

    def bind(self, cells: Mapping[int, Any]) -> None:
        """Let these arrays, in C's order, be the inputs at these positions."""
        self.order()
        self.unbind()
        self.prepare({id(self.plan.graph.inputs[k]): x for k, x in cells.items()})

    def unbind(self) -> None:
        """Let go of the arrays."""
        self.there: dict[int, Any] = {}
        """id of a variable -> its array, while there is one."""
        self.places: dict[int, ctypes.c_void_p] = {}
        """id of a variable that a kernel takes -> where its array is, which the kernel's parameters point to."""
        self.fixed: set[int] = set()
        """ids of the variables that are where they are in every run."""
        self.apart: set[int] = set()
        """ids of variables with memory of their own, outside of the arena."""
        self.fresh: set[int] = set()
        """ids of variables that are new arrays in each run, with nothing else a view of them."""
        self.held: list[Any] = []
        """What parameters of kernels point to."""
        self.steps: list[tuple[Any, ...]] = []
        """What runs, each a function and its arguments."""
        self.last: list[tuple[Any, ...]] = []
        """The same for what takes the place of cells."""
        self.names: tuple[list[str], list[str]] = [], []
        """What each of both is, with the user's line."""
        self.given: dict[int, Any] = {}
        """id of an output of a step -> its array, which the next run writes over."""
        self.runs = 0
        self.replay: Callable[[], None] | None = None

    def run(self, *data: Any) -> Any:
        """The results; in a step, those that replace no cell, and the calls that are then to be made to replace them."""
        self.device.reports.check()
        self.order()
        self.device.spoil(self.arena)
        if self.plan.cells:
            self.give(data)
        else:
            for v, x in zip(self.inputs, data, strict=True):
                self.put(v, self.plan.backend.asarray(x))
        try:
            return self.ran()
        finally:
            for key in self.there.keys() - self.fixed:  # what the caller, or nobody, has from now on
                del self.there[key]

    def ran(self) -> Any:
        """What ``run`` gives, when its arguments are there."""
        outputs = [self.plan.graph.outputs[k] for k in self.plan.kept]
        if not self.plan.cells:
            _run(self.checked(self.steps, self.names[0]) if config.blocking_launches else self.steps)
            return list(map(self.result, outputs))
        if config.blocking_launches:
            return self.waiting(outputs)
        if self.replay is None and self.runs >= WARM and not self.plan.apart:
            self.replay = self.device.capture([*self.steps, *self.last])
        self.runs += 1
        if self.replay is not None:
            later: list[tuple[Any, ...]] = []
            out = [
                self.result(o, later) for o in outputs
            ]  # memory first, so that nothing fails when cells have changed
            self.replay()
            _run(later)
            return out, []
        _run(self.steps)
        last = list(self.last)  # which may compute results, too: they are copied when it has run
        return [self.result(o, last) for o in outputs], last

    def waiting(self, outputs: Sequence[Any]) -> Any:
        """The same for a step, each call of which is waited for."""
        _run(self.checked(self.steps, self.names[0]))
        last = self.checked(self.last, self.names[1])
        return [self.result(o, last) for o in outputs], last

    def checked(self, calls: Sequence[tuple[Any, ...]], names: Sequence[str]) -> list[tuple[Any, ...]]:
        """The calls, each of which is done when it returns, and whose errors say what it is."""
        return [(self.check, name, *call) for name, call in zip(names, calls, strict=True)]

    def check(self, name: str, function: Callable[..., Any], *arguments: Any) -> None:
        try:
            function(*arguments)
            self.device.synchronize()
        except DeviceError as error:
            raise type(error)(f"{name}: {error}") from None

    # ---- preparing -----------------------------------------------------------------------------------------------------

    def prepare(self, cells: Mapping[int, Any]) -> None:
        """Write down what a run does."""
        for key, x in {**cells, **self.own}.items():
            self.there[key] = x
            self.fixed.add(key)
        together: dict[int, list[ctypes.c_void_p]] = {id(c): [] for _, s in self.plan.several for c in s.calls}
        for k, call in enumerate(self.memory.calls):
            if isinstance(call, KernelCall):
                pointers = self.pointers(call)
                if id(call) in together:
                    together[id(call)] = list(pointers.values())
                elif k < self.memory.tail:
                    self.steps += self.launches(call, pointers)
                else:
                    self.last += self.launches(call, pointers)
            elif isinstance(call, CopyCall):
                self.copy(call)
            elif call.into:
                for v in call.results:
                    self.place(v)
                if id(call) in self.plan.routines:
                    self.steps += self.routine(call)
                else:
                    self.product(call)
            elif not self.viewed(call):
                if call.line.prim.name in NEW:
                    self.fresh.update(map(id, call.results))
                self.steps.append((self.library, call))
            self.name(told(call))
        for functions, several in self.plan.several:
            self.last.append(self.at_once(functions, several, [together[id(c)] for c in several.calls]))
            self.name(" and ".join(dict.fromkeys(map(told, several.calls))))
        if self.plan.cells:
            for k in self.plan.kept:
                o = self.plan.graph.outputs[k]
                self.given[id(o)] = self.saved(o)
        for v, x in self.memory.back:
            self.last.append((self.device.fetch, self.there[id(x)], self.saved(v)))
        self.name("a copy of a result")

    def name(self, what: str) -> None:
        """Say what was added to both lists."""
        for names, calls in zip(self.names, (self.steps, self.last), strict=True):
            names += [what] * (len(calls) - len(names))

    def saved(self, v: Any) -> Any:
        """What is to be copied over a cell at the end, when other cells may have changed."""
        if type(v) is not Variable or id(v) in self.memory.offsets or id(v) in self.apart:
            return self.array(v)
        kept = self.new(v)
        self.steps.append((self.device.fetch, kept, self.array(v)) if id(v) in self.fixed else (self.keep, kept, v))
        return kept

    def keep(self, kept: Any, v: Variable) -> None:
        self.device.fetch(kept, self.array(v))

    def pointers(self, call: KernelCall) -> dict[str, ctypes.c_void_p]:
        """Where the arrays of a kernel are, by their names."""
        pointers: dict[str, ctypes.c_void_p] = {}
        for array, x, _ in call.arguments:
            if not array.scratch:
                v = call.replaced.get(id(array), x)
                if array.written:
                    self.place(v)
                pointers[array.name] = self.pointer(v)
        return pointers

    def launches(self, call: KernelCall, pointers: dict[str, ctypes.c_void_p]) -> list[tuple[Any, ...]]:
        functions, plan = self.plan.kernels[id(call)], self.plan.schedules[id(call)]
        integer = ctypes.c_longlong if plan.form.wide else ctypes.c_int
        held: list[Any] = []
        for m in plan.memory:
            if m.instead:
                pointers[m.name] = pointers[m.instead]
            else:
                held.append(self.device.memory(m.elements * np.dtype(m.dtype).itemsize))
                pointers[m.name] = ctypes.c_void_p(self.device.address(held[-1]))
        values = [*pointers.values(), *(integer(n) for n in plan.sizes)]
        parameters = Parameters(values)
        self.held.append(held)
        return [(self.device.launch, functions[launch.function], launch, parameters) for launch in plan.launches]

    def at_once(self, functions: Mapping[str, Any], several: Several, pointers: list[Any]) -> tuple[Any, ...]:
        """The launch of several kernels, for which the table of their arrays is on the device."""
        tables = []
        for x in several.table([[p.value for p in row] for row in pointers]):
            there = self.device.view(self.device.memory(x.nbytes), 0, (x.nbytes,), np.dtype(np.uint8))
            self.device.fetch(there, np.frombuffer(x.tobytes(), np.uint8))
            tables.append(there)
        self.held += tables
        parameters = Parameters([ctypes.c_void_p(self.device.address(t)) for t in tables])
        return self.device.launch, functions[several.launch.function], several.launch, parameters

    def routine(self, call: LibraryCall) -> list[tuple[Any, ...]]:
        functions, routine = self.plan.routines[id(call)]
        scratch: dict[int, ctypes.c_void_p] = {}

        def value(x: Any) -> Any:
            if isinstance(x, Scratch):
                if id(x) not in scratch:
                    self.held.append(self.device.memory(x.nbytes))
                    scratch[id(x)] = ctypes.c_void_p(self.device.address(self.held[-1]))
                return scratch[id(x)]
            if isinstance(x, Told):
                return ctypes.c_longlong(self.device.reports.who(x.error, call.line.site))
            if x is REPORT:
                return ctypes.c_void_p(self.device.reports.address)
            return x if isinstance(x, ctypes._SimpleCData | ctypes.Structure) else self.pointer(x)

        steps = []
        for launched in routine.calls:
            parameters = Parameters([value(x) for x in launched.arguments])
            steps.append((self.device.launch, functions[launched.launch.function], launched.launch, parameters))
        return steps

    def place(self, v: Variable) -> None:
        """See that the memory is there that a result is written into."""
        home = self.memory.homes.get(id(v))
        if home is not None:
            self.put(v, self.there[id(home)])
        elif id(v) in self.memory.offsets:
            self.put(v, self.within(self.arena, self.memory.offsets[id(v)], v))
        elif self.plan.cells:
            self.put(v, self.new(v))
            self.apart.add(id(v))
        else:
            self.fresh.add(id(v))
            self.steps.append((self.renew, v))
            return
        self.fixed.add(id(v))

    def product(self, call: LibraryCall) -> None:
        if all(type(v) is not Variable or id(v) in self.fixed for v in (*call.operands, *call.results)):
            self.steps.append((self.prepared(call),))
        else:
            self.steps.append((self.multiply, call))

    def prepared(self, call: LibraryCall) -> Callable[[], None]:
        """What a library computes where the arrays are now."""
        operands, outs = (list(map(self.array, given)) for given in (call.operands, call.results))
        if call.line.prim.name == "matmul":
            return self.device.product(*operands, *outs)
        if call.line.prim.name == "affine":
            (x, y, bias), (out,) = operands, outs
            return self.device.product(x, y, out, bias)
        assert self.device.cudnn is not None
        return self.device.cudnn.prepare(call.line.prim.name, operands, outs, call.line.params)

    def copy(self, call: CopyCall) -> None:
        self.place(call.copy)
        if id(call.source) in self.fixed and id(call.copy) in self.fixed:
            pair = self.array(call.copy), self.array(call.source)
            order = call.copy.order
            self.steps += self.in_order(*(pair if order is None else (x.transpose(order) for x in pair)))
        else:
            self.steps.append((self.move, call.copy, call.source))

    def in_order(self, target: Any, source: Any) -> list[tuple[Any, ...]]:
        """The calls that copy an array over one in C's order, of both of which the places stay."""
        places = self.device.address(source), self.device.address(target)
        found = copied(*places, source.shape, source.strides, source.dtype.itemsize, self.device.limits)
        if found is None:
            return [(self.device.fetch, target, source)]
        (functions,) = self.device.load([found.text])
        return [
            (self.device.launch, functions[c.launch.function], c.launch, Parameters(c.arguments)) for c in found.calls
        ]

    def move(self, copy: Variable, source: Variable) -> None:
        self.device.fetch(self.array(copy), self.array(source))

    def viewed(self, call: LibraryCall) -> bool:
        """Whether the result is a view of what is where it is in every run: then it is made once."""
        x = call.operands[0] if call.operands else None
        if call.line.prim.name not in PARTS or id(x) not in self.fixed:
            return False
        self.library(call)
        self.fixed.update(id(v) for v in call.results)
        return True

    # ---- running -------------------------------------------------------------------------------------------------------

    def library(self, call: LibraryCall) -> None:
        line = call.line
        operands = [x if type(x) is not Variable and not hasattr(x, "shape") else self.array(x) for x in line.operands]
        lead = operands[line.prim.leads] if operands else None
        kind = type(lead) if isinstance(lead, self.plan.backend.array_types) else self.plan.backend.array_types[0]
        found = line.prim.impl[kind](*operands, **line.params)
        for v, x in zip(line.results, found if line.prim.outputs else (found,), strict=True):
            self.put(v, x)

    def multiply(self, call: LibraryCall) -> None:
        self.prepared(call)()

    def renew(self, v: Variable) -> None:
        self.put(v, self.new(v))

    def result(self, o: Any, later: list[tuple[Any, ...]] | None = None) -> Any:
        """The array of a result that is the caller's; what copies it there is added to ``later``, if that is given."""
        x = self.given[id(o)] if self.plan.cells else self.array(o)
        if id(o) in self.fresh and x.flags.c_contiguous:
            return x
        out = self.device.view(self.device.memory(x.nbytes), 0, x.shape, x.dtype)
        if later is None:
            self.device.fetch(out, x)
        else:
            later.append((self.device.fetch, out, x))
        return out

    def new(self, v: Variable) -> Any:
        """Memory for a variable."""
        return self.within(self.device.memory(nbytes(v)), 0, v)

    def within(self, memory: Any, offset: int, v: Variable) -> Any:
        """A part of memory as a variable lies in it."""
        if v.order is None:
            return self.device.view(memory, offset, v.shape, v.dtype)
        lain = self.device.view(memory, offset, tuple(v.shape[k] for k in v.order), v.dtype)
        return lain.transpose(sorted(range(len(v.order)), key=v.order.__getitem__))

    def array(self, x: Any) -> Any:
        """The array of a variable or a constant."""
        if type(x) is Variable:
            return self.there[id(x)]
        if id(x) not in self.constants:
            self.constants[id(x)] = x, self.plan.contiguous(self.plan.backend.asarray(x))
        return self.constants[id(x)][1]

    def put(self, v: Variable, x: Any) -> None:
        """Let a variable have this array."""
        if id(v) in self.places:
            x = self.plan.contiguous(x)
            self.places[id(v)].value = self.device.address(x)
        self.there[id(v)] = x

    def pointer(self, x: Any) -> ctypes.c_void_p:
        """Where the array of a variable or a constant is."""
        if type(x) is not Variable:
            return ctypes.c_void_p(self.device.address(self.array(x)))
        if id(x) not in self.places:
            self.places[id(x)] = ctypes.c_void_p()
            if id(x) in self.fixed and not self.plan.takes(self.there[id(x)]):
                kept = self.new(x)  # what lies there differs from run to run, so it is copied in each
                self.held.append(kept)
                self.steps += self.in_order(kept, self.there[id(x)])
                self.places[id(x)].value = self.device.address(kept)
            elif id(x) in self.there:
                self.put(x, self.there[id(x)])
        return self.places[id(x)]


def told(call: KernelCall | LibraryCall | CopyCall) -> str:
    """What a call computes, with the user's line of each part."""
    if isinstance(call, CopyCall):
        return f"a copy of {call.source.dtype}{list(call.source.shape)} at {beside(call.site)}"
    if isinstance(call, LibraryCall):
        return f"{call.line.prim.name} at {beside(call.line.site)}"
    parts = dict.fromkeys((s.op, s.site) for s in call.kernel.steps if s.site)
    sites: dict[str, list[str]] = {}
    for op, site in parts:
        sites.setdefault(site, []).append(op)
    return "the kernel of " + ", ".join(f"{' '.join(ops)} at {beside(site)}" for site, ops in sites.items())
