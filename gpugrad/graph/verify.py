"""What every graph and every list of calls must be, as code: run after each pass where ``gg.config.verify_graphs`` is set.

GraphError says which line or kernel breaks which rule: a fault of the compiler, not of the program that it compiles.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NoReturn

import numpy as np

from gpugrad import dtypes, errors
from gpugrad.codegen.loops import ELEMENT, ONCE, REDUCTIONS, LoopKernel, Step
from gpugrad.graph.calls import Call, CopyCall, KernelCall, LibraryCall
from gpugrad.graph.fuse import LIMIT
from gpugrad.graph.ir import Graph, Line, Variable, live
from gpugrad.graph.memory import NEW, Memory, nbytes, owned
from gpugrad.graph.stage import result_types
from gpugrad.primitive import Primitive

Known = dict[int, Variable]


def verify_graph(graph: Graph, *, lean: bool = False) -> None:
    """Each value is defined once, before it is used, and is what its primitive says; ``lean``: no line is for nothing."""
    known: Known = {}
    for v in graph.inputs:
        _define(known, v, "an input")
    for line in graph.lines:
        _line(line, known)
        for v in line.results:
            _define(known, v, f"{line.prim.name} at {line.site}")
    _outputs(graph, known)
    if lean and len(live(graph.lines, graph.outputs)) != len(graph.lines):
        kept = {id(line) for line in live(graph.lines, graph.outputs)}
        dead = next(line for line in graph.lines if id(line) not in kept)
        _wrong(f"{dead.prim.name} at {dead.site} is computed, and nothing depends on it")


def verify_calls(graph: Graph, calls: Sequence[Call]) -> None:
    """The calls compute the outputs of a graph, in an order in which each comes after what it reads."""
    known: Known = {}
    for v in graph.inputs:
        _define(known, v, "an input")
    for call in calls:
        what = _called(call)
        for x in call.operands:
            _defined(known, x, what)
        if isinstance(call, KernelCall):
            _kernel_call(call)
        elif isinstance(call, LibraryCall):
            _line(call.line, known)
        for v in call.results:
            _define(known, v, what)
    _outputs(graph, known)


def _called(call: Call) -> str:
    if isinstance(call, KernelCall):
        return f"kernel {call.kernel.name}"
    return "a copy" if isinstance(call, CopyCall) else f"{call.line.prim.name}, a call"


# ---- lines -----------------------------------------------------------------------------------------------------------


def _line(line: Line, known: Known) -> None:
    what = f"{line.prim.name} at {line.site}"
    for x in line.operands:
        _defined(known, x, what)
    for name, value in line.params.items():
        try:
            hash(value)
        except TypeError:
            _wrong(f"{what}: the parameter {name} is a {type(value).__name__}, which has no hash")
    said = tuple((v.shape, dtypes.dtype(v.dtype)) for v in line.results)
    wanted = result_types(line.prim, line.operands, line.params)
    if said != wanted:
        _wrong(f"{what}: the results are {said}; by the primitive's own rule they are {wanted}")


def _define(known: Known, v: Any, what: str) -> None:
    if type(v) is not Variable:
        _wrong(f"{what} defines {v!r}, which is no variable")
    if id(v) in known:
        _wrong(f"{what} defines {v.name} a second time")
    known[id(v)] = v


def _defined(known: Known, x: Any, what: str) -> None:
    if type(x) is Variable and id(x) not in known:
        _wrong(f"{what} reads {x.name}: {x.dtype}{list(x.shape)} before it is computed")


def _outputs(graph: Graph, known: Known) -> None:
    for k, o in enumerate(graph.outputs):
        _defined(known, o, f"output {k}")


def _wrong(text: str) -> NoReturn:
    raise errors.GraphError(f"the compiler is wrong: {text}. Please report the function that was compiled")


# ---- kernels ---------------------------------------------------------------------------------------------------------


def _kernel_call(call: KernelCall) -> None:
    """The arguments are those of the kernel, in shapes that agree on the size of each axis of its index space."""
    k = call.kernel
    _kernel(k)
    if [id(a) for a, _, _ in call.arguments] != [id(a) for a in k.arrays] or (
        len(call.sizes) != len(k.given) + 2 * k.turned  # and from where to where the first axis goes
    ):
        _wrong(f"{k.name} has {len(k.arrays)} arrays and {len(k.given)} sizes; others are passed")
    spans: dict[int, int] = dict(zip(k.given, call.sizes, strict=False))
    for a, x, shape in call.arguments:
        if len(shape) != max(1, len(a.axes)) or (not a.axes and shape != (1,)):
            _wrong(f"{k.name}: {a.name} has the axes {a.axes} and is passed as {shape}")
        for axis, n in zip(a.axes, shape, strict=False):
            if spans.setdefault(axis, n) != n:
                _wrong(f"{k.name}: axis {axis} has {spans[axis]} elements, and {n} in {a.name}")
        if a.scratch:
            continue
        if (prod(x.shape) != 2 if a.drawn else prod(shape) != prod(x.shape)) or dtypes.dtype(x.dtype) != dtypes.dtype(
            a.passed
        ):
            _wrong(f"{k.name}: {a.name} is {a.dtype}{list(shape)}, what is passed {x.dtype}{list(x.shape)}")
        if a.written and (type(x) is not Variable or a.drawn):
            _wrong(f"{k.name} writes into {a.name}, a constant or a key")
    if sorted(spans) != list(range(k.axes)):
        _wrong(f"{k.name} has {k.axes} axes, of which {sorted(spans)} have a size")
    if call.elements != prod(spans.values()) or call.length != spans.get(0, 1):
        _wrong(f"{k.name}: {call.elements} elements and a first axis of {call.length} are not those of {spans}")


def _kernel(k: LoopKernel) -> None:
    """Each step comes after its operands, at their level or within, and each array is written once or only read."""
    if sum(1 for s in k.steps if s.op != "read") > LIMIT:
        _wrong(f"{k.name} has {len(k.steps)} steps; at most {LIMIT} may be in one kernel")
    if not 0 <= k.rows <= k.axes:
        _wrong(f"{k.name} has {k.rows} axes of rows among {k.axes}")
    arrays = {id(a): a for a in k.arrays}
    names = [a.name for a in k.arrays] + [s.name for s in k.steps]
    if len({*names}) != len(names):
        _wrong(f"{k.name}: two of its names are the same")
    for a in k.arrays:
        if len({*a.axes}) != len(a.axes) or not all(0 <= axis < k.axes for axis in a.axes):
            _wrong(f"{k.name}: {a.name} has the axes {a.axes} among {k.axes}")
    there: set[int] = set()
    for s in k.steps:
        _step(k, s, there, arrays)
        there.add(id(s))
    into = [id(a) for _, a in k.writes]
    kept = {id(a) for a in k.kept.values()}
    for a in k.arrays:
        times = into.count(id(a))
        if times != (1 if a.written and not a.scratch else 0) or (a.scratch and id(a) not in kept):
            _wrong(f"{k.name}: {a.name} is written {times} times")
    for s, a in k.writes:
        computed = (
            np.dtype(np.float32) if dtypes.is_half(a.dtype) else dtypes.dtype(a.dtype)
        )  # half is for memory alone
        if id(s) not in there or dtypes.dtype(s.dtype) != computed:
            _wrong(f"{k.name} writes {s.name}: {s.dtype} into {a.name}: {a.dtype}")
        if s.level != ELEMENT and any(axis >= k.rows for axis in a.axes):
            _wrong(f"{k.name} writes {s.name}, one for each row, into {a.name}, which has elements")


def _step(k: LoopKernel, s: Step, there: set[int], arrays: dict[int, Any]) -> None:
    if s.op == "read":
        (a,) = s.operands
        if id(a) not in arrays or a.written:
            _wrong(f"{k.name}: {s.name} reads {a.name}, which is no argument to be read")
        level = ELEMENT if any(x >= k.rows for x in a.axes) else s.level if a.axes else ONCE
        if s.level != level:
            _wrong(f"{k.name}: {s.name}, read along the axes {a.axes}, has the level {s.level}")
        return
    for o in s.operands:
        if type(o) is not Step:
            continue
        if id(o) not in there:
            _wrong(f"{k.name}: {s.name} is computed from {o.name}, which comes later")
        if o.turn + (s.op in REDUCTIONS) > s.turn or (o.level > s.level and s.op not in REDUCTIONS):
            _wrong(
                f"{k.name}: {s.name} (pass {s.turn}) is computed from {o.name} (pass {o.turn}), which is not there yet"
            )


# ---- memory ----------------------------------------------------------------------------------------------------------


def verify_memory(graph: Graph, memory: Memory) -> None:
    """Whatever a call reads, or the program gives, still lies where it was written; and would if the tail were run backwards."""
    there: dict[int, tuple[Variable, Any]] = {id(v): (v, (id(v), 0, nbytes(v))) for v in graph.inputs}
    """id of a variable -> where it is: a piece of memory, the first byte and the one after the last."""
    stands: dict[int, list[Any]] = {}
    """id of what may be a view -> what it may be a view of."""

    def held(x: Any, what: str) -> list[Any]:
        if id(x) in stands:
            return [y for part in stands[id(x)] for y in held(part, what)]
        if type(x) is Variable and id(x) not in there:
            _wrong(f"{what} reads {x.name}: {x.dtype}{list(x.shape)}, over which something else was written")
        return [x]

    late = {id(v) for call in memory.calls[memory.tail :] for v in call.results}
    awaited: list[tuple[Variable, Any]] = []
    """What calls of the tail have read in the arena."""
    for k, call in enumerate([*memory.calls, None]):
        if k == memory.tail:  # what is given is taken now, before inputs are written over
            for o in graph.outputs:
                if id(o) not in late:
                    held(o, "the end")
        if call is None:
            break
        what = f"call {k}, {_called(call)},"
        read = [y for x in call.operands for y in held(x, what)]
        written: list[tuple[Any, Any]] = []
        mine = {id(v) for v in owned(call)}
        for v in call.results:
            if id(v) in memory.homes:
                home = memory.homes[id(v)]
                written.append((v, (id(home), 0, nbytes(home))))
            elif id(v) in memory.offsets:
                written.append((v, ("arena", memory.offsets[id(v)], memory.offsets[id(v)] + nbytes(v))))
            elif id(v) not in mine and isinstance(call, LibraryCall) and call.line.prim.name not in NEW:
                stands[id(v)] = read
            else:
                written.append((v, (id(v), 0, nbytes(v))))
        replaced: set[int] = set()
        if isinstance(call, KernelCall):
            replaced = {id(x) for a, x, _ in call.arguments if id(a) in call.replaced}
            for a, _, shape in call.arguments:
                if a.scratch and id(a) in memory.offsets:
                    start = memory.offsets[id(a)]
                    written.append((a, ("arena", start, start + prod(shape) * a.dtype.itemsize)))
        for n, (v, place) in enumerate(written):
            if place[0] == "arena" and place[2] > memory.size:
                _wrong(f"{what} writes {v.name} beyond the end of the arena")
            for other, (x, at) in list(there.items()):
                if _overlap(place, at):
                    if any(x is y for y in read) and other not in replaced:
                        _wrong(f"{what} writes {v.name} over {x.name}, which it reads")
                    del there[other]
            if any(_overlap(place, at) for _, at in written[:n]):
                _wrong(f"{what} writes {v.name} over another of its results")
            for x, at in awaited:
                if _overlap(place, at) and type(v) is Variable:
                    _wrong(f"{what} writes {v.name} over {x.name}, which another of the last calls may read later")
        if k >= memory.tail:
            awaited += [there[id(x)] for x in read if id(x) in there and there[id(x)][1][0] == "arena"]
        there.update((id(v), (v, place)) for v, place in written if type(v) is Variable)
    for o in graph.outputs:
        if id(o) in late:
            held(o, "the end")


def fresh(prim: Primitive, call: Callable[..., Any]) -> Callable[..., Any]:
    """The call of the library, which checks that its results are arrays of their own."""

    def run(*operands: Any, **params: Any) -> Any:
        out = call(*operands, **params)
        for o in out if type(out) is tuple else (out,):
            if any(isinstance(x, np.ndarray) and np.may_share_memory(o, x) for x in operands):
                _wrong(f"{prim.name} gives back an operand, or a view of it")
        return out

    return run


def _overlap(a: Any, b: Any) -> bool:
    return bool(a[0] == b[0] and a[1] < b[2] and b[1] < a[2])
