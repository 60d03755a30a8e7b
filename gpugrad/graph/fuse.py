"""Fusion: which lines of a graph become one kernel.

Lines are taken in their order, and each joins the latest kernel that it can: one of the same index space that comes
after all that the line reads from elsewhere, so the order of calls stays right without a search. Broadcasts and size-1
axes are no lines of their own but ways to read. What no kernel computes stays a call of the backend.

On a GPU random words of one key are no line of their own either: any kernel draws those of its elements, which takes less time
than to write and to read them. They, and what is computed of them alone, wait for the first line that needs more than them,
so that they come into its kernel, or a kernel beside it, and not into one that has long been done.

Half precision is how float16 and bfloat16 lie in memory: a kernel computes in float32, and rounds what it writes, what
is reduced, what is cast to half, and what is compared or becomes an integer, so that an element that is the largest is
equal to the maximum whatever of the two was in memory; but not what passes from step to step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gpugrad import dtypes
from gpugrad.codegen.loops import ELEMENT, ONCE, ROW, Array, LoopKernel, Step
from gpugrad.codegen.numba_scalars import SCALARS
from gpugrad.graph.calls import Call, KernelCall, LibraryCall
from gpugrad.graph.clusters import Axes, Cluster, Read
from gpugrad.graph.halves import widened
from gpugrad.graph.holds import (
    DTYPES,
    FLOATS,
    HALVES,
    OF_TRUTHS,
    REDUCED,
    WIDE,
    computed_in,
    in_floats,
    is_map,
    one_key,
    takes,
)
from gpugrad.graph.ir import Graph, Line, Variable
from gpugrad.graph.memory import nbytes, takes_out
from gpugrad.graph.parts import parted
from gpugrad.graph.recompute import recompute
from gpugrad.graph.simplify import uniform
from gpugrad.ops.linear import reshape

ALONE = 1 << 17
"""Elements from which on what is computed of a number that they reduce to is no longer in the kernel that reduces them, which
several threads may share; below, a second one is seldom worth its start.
"""

LIMIT = 1200
"""Steps in one kernel: compiling takes more than linear time in them."""

RUN = 8
"""Elements that must follow each other in memory where the loops have another order than the axes."""


def fused(graph: Graph, into: Callable[[Line], bool] = takes_out, draws: bool = False) -> list[Call]:
    """The calls that compute a graph, in order; ``into`` says of which lines results are written into memory that is there.

    With ``draws`` kernels draw random words themselves, from the key, unless something else has to have them in memory.
    """
    return _Fusion(widened(graph), into, draws).calls()


class _Fusion:
    def __init__(self, graph: Graph, into: Callable[[Line], bool], draws: bool) -> None:
        self.graph = graph
        self.into = into
        self.draws = draws
        self.items: list[Cluster | Line] = []
        self.position: dict[int, int] = {}
        """id of a variable -> the position of the item that computes it; -1 for inputs."""
        self.last: dict[tuple[int, ...], int] = {}
        """Index space -> the position of the last kernel over it."""
        self.views: dict[int, Line] = {}
        """id of a variable that is only another way to read one -> its line."""
        self.kept: list[Variable] = []
        """Variables of our own: what goes by ids must outlive them."""
        self.numbers: dict[int, Any] = {}
        """id of a variable that is one number throughout -> the number."""
        self.words: dict[int, Line] = {}
        """id of a variable that kernels may draw -> its line."""
        self.waiting: dict[int, Line] = {}
        """id of a variable that is computed of nothing but what is drawn -> its line, until something is computed with it."""

    # ---- growing -----------------------------------------------------------------------------------------------------

    def calls(self) -> list[Call]:
        for v in self.graph.inputs:
            self.position[id(v)] = -1
        for line in _indices_first(self.graph.lines):
            if self.floats(line):
                self.waiting[id(line.results[0])] = line
                continue
            if self.waiting:
                latest = max((self.where(x) for x in line.operands if id(x) not in self.waiting), default=-1)
                self.settle(line.operands, latest)
            self.take(line)
        self.settle(self.graph.outputs, -1)
        return self.emitted()

    def floats(self, line: Line) -> bool:
        """Whether a line can be in any kernel: random words of one key, and what is computed of them alone."""
        if self.draws and one_key(line):
            return True
        given = line.variables if self.waiting else []
        return bool(given) and all(id(x) in self.waiting for x in given) and (_is_view(line) or is_map(line))

    def settle(self, values: Sequence[Any], latest: int) -> None:
        """Take the lines of values that wait, to be in the kernel that they are computed with, or in one that comes later."""
        wanted: set[int] = set()
        stack = list(values)
        while stack:
            x = stack.pop()
            if id(x) in self.waiting and id(x) not in wanted:
                wanted.add(id(x))
                stack += self.waiting[id(x)].operands
        for line in [self.waiting.pop(key) for key in list(self.waiting) if key in wanted]:
            if line.prim.name == "random_bits":
                self.draw(line, latest)
            else:
                self.take(line)

    def draw(self, line: Line, latest: int) -> None:
        """Let kernels draw random words, in what comes after ``latest``."""
        out, at = line.results[0], self.where(line.operands[0])
        if at >= 0 and isinstance(self.items[at], Cluster):  # which cannot draw from a key that it computes
            self.items.append(line)
            at = len(self.items) - 1
        self.words[id(out)] = line
        self.position[id(out)] = max(at, latest)

    def take(self, line: Line) -> None:
        if line.prim.name == "constant" and isinstance(line.params["fill"], int | float | complex):
            self.numbers[id(line.results[0])] = line.params["fill"]
        if _is_view(line):
            self.views[id(line.results[0])] = line
            self.position[id(line.results[0])] = self.where(line.operands[0])
            return
        join, space = self.way(line)
        if join is not None:
            for k in self.candidates(line, space):
                cluster = self.items[k]
                assert isinstance(cluster, Cluster)
                if join(cluster, line):
                    self.position[id(line.results[0])] = k
                    return
            cluster = Cluster(space)
            if join(cluster, line):
                self.items.append(cluster)
                self.last[space] = len(self.items) - 1
                self.position[id(line.results[0])] = len(self.items) - 1
                return
        self.items.append(line)
        for v in line.results:
            self.position[id(v)] = len(self.items) - 1

    def way(self, line: Line) -> tuple[Callable[[Cluster, Line], bool] | None, tuple[int, ...]]:
        """How a line may be part of a kernel, and of which index space; None if a kernel cannot have it."""
        x, out = line.operands[0], line.results[0]
        if line.prim.name in REDUCED:
            return (self.reduce if type(x) is Variable else None), x.shape
        if line.prim.name == "pick":
            return (self.pick if type(x) is Variable else None), x.shape
        if line.prim.name == "place":
            return self.place, out.shape
        if line.prim.name in ("argmax", "argmin"):
            return (self.first if type(x) is Variable else None), x.shape
        return (self.map if is_map(line) else None), out.shape

    def where(self, x: Any) -> int:
        return self.position[id(x)] if type(x) is Variable else -1

    def candidates(self, line: Line, space: tuple[int, ...]) -> list[int]:
        """Kernels that the line may join: the one that computes the latest of its operands, and the last one of all."""
        latest = max((self.where(x) for x in line.operands), default=-1)
        out = [latest] if latest >= 0 and isinstance(self.items[latest], Cluster) else []
        last = self.last.get(space, -1)
        return [*out, last] if last > latest else out

    def read(self, x: Any, rank: int) -> Read | None:
        """How an operand is read in an index space of ``rank`` axes to which it broadcasts from the right."""
        shape = x.shape
        at = {i: i + rank - len(shape) for i, n in enumerate(shape) if n != 1}
        while type(x) is Variable and id(x) in self.views:
            line = self.views[id(x)]
            source = line.operands[0]
            if line.prim.name == "expand":
                gone = {a % len(x.shape) for a in line.params["axis"]}
                kept = [i for i in range(len(x.shape)) if i not in gone]
                at = {k: at[i] for k, i in enumerate(kept) if i in at}
            elif line.prim.name == "reshape":
                ours = [i for i, n in enumerate(x.shape) if n != 1]
                theirs = [i for i, n in enumerate(source.shape) if n != 1]
                at = {k: at[i] for i, k in zip(ours, theirs, strict=True) if i in at}
            x = source
        axes = tuple(at[i] for i in sorted(at))
        return Read(x, axes) if list(axes) == sorted(axes) and (not axes or axes[0] >= 0) else None

    def operand(self, cluster: Cluster, x: Any) -> Any:
        """A step, or a Python number, for an operand; None if this kernel cannot have it."""
        if type(x) is Variable and id(x) in self.numbers:
            return self.numbers[id(x)]
        if not hasattr(x, "shape"):
            return x
        number = uniform(x)
        if number is not None:
            return number
        read = self.read(x, len(cluster.space))
        if read is None:
            return None
        known = cluster.steps.get(id(read.base))
        if known is not None:
            return known if cluster.places[id(read.base)] == read.axes else None
        if any(v is read.base for v, _ in cluster.sums) or dtypes.name(read.base.dtype) not in DTYPES:
            return None
        if type(read.base) is Variable and id(read.base) in self.numbers:
            return self.numbers[id(read.base)]
        key = id(read.base), read.axes
        if key not in cluster.reads:
            name = read.base.name if type(read.base) is Variable else "c"
            step = Step(name, "read", (), computed_in(read.base.dtype), ELEMENT)
            cluster.reads[key] = step, read
        return cluster.reads[key][0]

    def map(self, cluster: Cluster, line: Line) -> bool:
        """Add an elementwise line to a kernel; whether it can be."""
        out = line.results[0]
        if len(cluster.order) >= LIMIT:
            return False
        if out.shape == cluster.space:
            level, place = ELEMENT, tuple(i for i, n in enumerate(out.shape) if n != 1)
        else:
            return self.row_map(cluster, line)
        before = dict(cluster.reads)
        operands = [self.operand(cluster, x) for x in line.operands]
        if any(o is None for o in operands) or not takes(line, operands):
            cluster.reads = before
            return False
        self.compute(cluster, line, operands, level, place)
        return True

    def row_map(self, cluster: Cluster, line: Line) -> bool:
        """Add a line on what was reduced: its operands are numbers and rows of this kernel, all of one shape."""
        out = line.results[0]
        if cluster.rows is None or (not cluster.rows and math.prod(cluster.space) >= ALONE):
            return False  # on one number, of what several threads reduce
        place: Axes | None = None
        operands: list[Any] = []
        for x in line.operands:
            base = self.base(x)
            if type(base) is Variable and id(base) in self.numbers:
                operands.append(self.numbers[id(base)])
            elif not hasattr(base, "shape"):
                operands.append(base)
            elif uniform(base) is not None:
                operands.append(uniform(base))
            elif (
                id(base) in cluster.steps
                and cluster.steps[id(base)].level == ROW
                and math.prod(x.shape) == math.prod(out.shape)
            ):
                operands.append(cluster.steps[id(base)])
                place = cluster.places[id(base)]
            else:
                return False
        if place is None or not takes(line, operands):
            return False
        self.compute(cluster, line, operands, ROW, place)
        return True

    def compute(self, cluster: Cluster, line: Line, operands: Sequence[Any], level: int, place: Axes) -> None:
        """Add the step of an elementwise line; a cast to half rounds, in float32, what is computed there."""
        out, op, operands = line.results[0], line.prim.name, tuple(operands)
        dtype = computed_in(out.dtype)
        if dtype.kind in "iub":
            operands = tuple(
                self.rounded(cluster, o, x.dtype) if type(o) is Step and hasattr(x, "dtype") else o
                for o, x in zip(operands, line.operands, strict=True)
            )
        if op in SCALARS and in_floats(line, operands):
            operands = tuple(self.cast(cluster, o, dtype, level) if type(o) is Step else o for o in operands)
        if op == "cast" and dtypes.name(out.dtype) in HALVES:
            op = f"round_{out.dtype}"
            if operands[0].dtype != WIDE:
                operands = (self.cast(cluster, operands[0], WIDE, level),)
        elif op in ("cast", "to_complex"):
            op = "positive" if operands[0].dtype == dtype else "cast"
        self.add(cluster, out, Step(out.name, op, operands, dtype, level, site=line.site), place)

    def cast(self, cluster: Cluster, x: Step, dtype: Any, level: int) -> Step:
        """A step in another dtype."""
        made = Step(x.name, "cast", (x,), dtype, level)
        cluster.order.append(made)
        return made

    def rounded(self, cluster: Cluster, x: Step, dtype: Any) -> Step:
        """A step with the number that memory of a dtype would have."""
        if not dtypes.is_half(dtype) or x.op == "read" or x.op.startswith("round_"):
            return x
        made = Step(x.name, f"round_{dtype}", (x,), WIDE, x.level)
        cluster.order.append(made)
        return made

    def base(self, x: Any) -> Any:
        """What a reshape that only moves axes of size 1 reads."""
        while type(x) is Variable and id(x) in self.views and self.views[id(x)].prim.name == "reshape":
            x = self.views[id(x)].operands[0]
        return x

    def reduce(self, cluster: Cluster, line: Line) -> bool:
        """Add a reduction to a kernel; whether it can be."""
        x, out = line.operands[0], line.results[0]
        taken = REDUCED[line.prim.name]
        if x.shape != cluster.space or dtypes.name(x.dtype) not in taken or len(cluster.order) >= LIMIT or 0 in x.shape:
            return False
        rank = len(x.shape)
        axes = {a % rank for a in line.params["axis"]}
        loops = _loops(x.shape)
        gone, kept = (tuple(i for i in loops if (i in axes) is there) for there in (True, False))
        by_column = bool(gone and kept) and kept[-1] > gone[-1]
        if by_column:
            order, rows = loops, loops.index(gone[-1]) + 1
        else:
            order, rows = kept + gone, len(kept)  # the last axis, along which memory runs, stays the innermost loop
            run = math.prod([x.shape[i] for i in gone if not kept or i > kept[-1]])
            if order != loops and run < RUN:
                return False
        if by_column and cluster.rows is not None and rows < cluster.rows < len(loops):
            rows = cluster.rows  # of which the sum goes over some
        if (by_column and line.prim.name != "reduce_sum") or not cluster.ordered(order, rows):
            return False
        operand = self.operand(cluster, x)
        if type(operand) is not Step or operand.level != ELEMENT:
            return False
        cluster.loops, cluster.rows = order, rows
        if by_column:
            cluster.sums.append((out, operand))
            cluster.variables[id(out)] = out
            cluster.places[id(out)] = kept
            return True
        op = OF_TRUTHS.get(line.prim.name, line.prim.name)
        if op != line.prim.name and operand.dtype != bool:
            operand = self.rounded(cluster, operand, x.dtype)
            operand = Step("true", "not_equal", (operand, 0), np.dtype(bool), ELEMENT, site=line.site)
            cluster.order.append(operand)
        step = Step(out.name, op, (operand,), computed_in(out.dtype), ROW, site=line.site)
        self.add(cluster, out, step, kept)
        return True

    def pick(self, cluster: Cluster, line: Line) -> bool:
        """Add the choice of one element of each row: the sum over the row of what is nothing but there."""
        (x, index), out = line.operands, line.results[0]
        if not _indexed(x.shape, index, out.shape) or x.shape != cluster.space or dtypes.name(out.dtype) not in FLOATS:
            return False
        before = dict(cluster.reads)
        element = self.operand(cluster, x)
        there = self.there(cluster, index) if type(element) is Step and element.level == ELEMENT else None
        if there is None:
            cluster.reads = before
            return False
        dtype = computed_in(out.dtype)
        chosen = Step("chosen", "where", (there, element, 0.0), dtype, ELEMENT, site=line.site)
        cluster.order.append(chosen)
        step = Step(out.name, "reduce_sum", (chosen,), dtype, ROW, site=line.site)
        self.add(cluster, out, step, tuple(i for i, n in enumerate(out.shape) if n != 1))
        return True

    def place(self, cluster: Cluster, line: Line) -> bool:
        """Add rows of zeros with one element each."""
        (x, index), out = line.operands, line.results[0]
        if out.shape != cluster.space or dtypes.name(out.dtype) not in FLOATS:
            return False
        if not _indexed(out.shape, index, getattr(x, "shape", ())):
            return False
        before = dict(cluster.reads)
        element = self.on_rows(cluster, x)
        there = self.there(cluster, index) if element is not None else None
        if there is None:
            cluster.reads = before
            return False
        step = Step(out.name, "where", (there, element, 0.0), computed_in(out.dtype), ELEMENT, site=line.site)
        self.add(cluster, out, step, tuple(i for i, n in enumerate(out.shape) if n != 1))
        return True

    def first(self, cluster: Cluster, line: Line) -> bool:
        """Add where in a row its extremum is, at first: the least of the positions at which an element is that, or NaN."""
        x, out = line.operands[0], line.results[0]
        loops = _loops(x.shape)
        along_rows = len(loops) > 1 and line.params["axis"] == -1 and loops[-1] == len(x.shape) - 1 and 0 not in x.shape
        if not along_rows or x.shape != cluster.space or dtypes.name(x.dtype) not in REDUCED["reduce_max"]:
            return False
        if not cluster.ordered(loops, len(loops) - 1) or len(cluster.order) >= LIMIT:
            return False
        element = self.operand(cluster, x)
        if type(element) is not Step or element.level != ELEMENT:
            return False
        cluster.loops, cluster.rows = loops, len(loops) - 1
        element = self.rounded(cluster, element, x.dtype)
        truth, number, site = np.dtype(bool), np.dtype(out.dtype), line.site
        top = Step("top", line.prim.name.replace("arg", "reduce_"), (element,), element.dtype, ROW, site=site)
        hit = Step("hit", "equal", (element, top), truth, ELEMENT, site=site)
        steps = [top, hit]
        if element.dtype.kind == "f":
            lost = Step("lost", "isnan", (element,), truth, ELEMENT, site=site)
            hit = Step("hit", "logical_or", (hit, lost), truth, ELEMENT, site=site)
            steps += [lost, hit]
        position = Step("position", "position_in_row", (), number, ELEMENT)
        chosen = Step("chosen", "where", (hit, position, np.iinfo(number).max), number, ELEMENT, site=site)
        cluster.order += [*steps, position, chosen]
        self.add(cluster, out, Step(out.name, "reduce_min", (chosen,), number, ROW, site=site), loops[:-1])
        return True

    def there(self, cluster: Cluster, index: Any) -> Step | None:
        """Whether an element is the one of its row that the index names."""
        loops = _loops(cluster.space)
        if (
            not cluster.ordered(loops, len(loops) - 1) or len(cluster.order) + 4 > LIMIT
        ):  # two steps here, two of who asks
            return None
        wanted = self.on_rows(cluster, index)
        if type(wanted) is not Step:
            return None
        cluster.loops, cluster.rows = loops, len(loops) - 1
        dtype = np.dtype(index.dtype)
        position = Step("position", "position_in_row", (), dtype, ELEMENT)
        cluster.order.append(position)
        found = Step("there", "equal", (position, wanted), np.dtype(bool), ELEMENT)
        cluster.order.append(found)
        return found

    def on_rows(self, cluster: Cluster, x: Any) -> Any:
        """An operand that has one element for each row, as the elements of the row see it."""
        space = (*x.shape, 1)
        view = Variable("row", space, x.dtype)
        self.views[id(view)] = Line(reshape, (x,), {"to": space, "rank": len(x.shape)}, (view,), "")
        self.kept.append(view)
        return self.operand(cluster, view)

    def add(self, cluster: Cluster, out: Variable, step: Step, place: Axes) -> None:
        cluster.steps[id(out)] = step
        cluster.places[id(out)] = place
        cluster.variables[id(out)] = out
        cluster.order.append(step)

    # ---- the calls ----------------------------------------------------------------------------------------------------

    def emitted(self) -> list[Call]:
        self.needed: set[int] = set()
        for v in self.graph.outputs:
            self.need(v)
        for item in self.items:
            if isinstance(item, Line):
                for x in item.operands:
                    self.need(x)
        for line in self.words.values():
            self.need(line.operands[0])
        clusters = [item for item in self.items if isinstance(item, Cluster)]
        self.drawn = {k: line.operands[0] for k, line in self.words.items() if k not in self.needed}
        recompute(clusters, self.needed, LIMIT, self.drawn.keys(), self.draws)
        for cluster in clusters:
            for _, read in cluster.reads.values():
                self.need(self.drawn.get(id(read.base), read.base))
        calls: list[Call] = []
        done: set[int] = set()
        for item in self.items:
            if isinstance(item, Line):
                if id(item.results[0]) not in self.words:
                    self.library(item, calls, done)
            else:
                for _, read in item.reads.values():
                    self.view(self.drawn.get(id(read.base), read.base), calls, done)
                calls += filter(None, map(self.kernel, parted(item, self.needed)))
        for v in self.graph.outputs:
            self.view(v, calls, done)
        return calls

    def need(self, x: Any) -> None:
        """Somebody reads ``x`` from memory."""
        while type(x) is Variable and id(x) not in self.needed:
            self.needed.add(id(x))
            if id(x) not in self.views:
                return
            x = self.views[id(x)].operands[0]

    def library(self, line: Line, calls: list[Call], done: set[int]) -> None:
        for x in line.operands:
            self.view(x, calls, done)
        calls.append(LibraryCall(line, self.into(line)))

    def view(self, x: Any, calls: list[Call], done: set[int]) -> None:
        """Add what is no kernel, nor in an order of its own, before the first that reads ``x``: views, and words in memory."""
        chain = []
        while type(x) is Variable and id(x) in self.views and id(x) not in done:
            done.add(id(x))
            chain.append(self.views[id(x)])
            x = chain[-1].operands[0]
        if id(x) in self.words and id(x) not in done:
            done.add(id(x))
            self.library(self.words[id(x)], calls, done)
        calls += [LibraryCall(line) for line in reversed(chain)]

    def kernel(self, cluster: Cluster) -> Call | None:
        """The call of a kernel: axes that all arrays have or lack together made one, arrays named."""
        written = [v for k, v in cluster.variables.items() if k in self.needed]
        if not written:
            return None
        loops = cluster.loops if cluster.loops is not None else _loops(cluster.space)
        rows = cluster.rows or 0
        sums = {id(v): s for v, s in cluster.sums}
        places = [read.axes for _, read in cluster.reads.values()] + [cluster.places[id(v)] for v in written]
        groups = _groups(cluster.space, loops, rows, places)
        index = {axis: g for g, group in enumerate(groups) for axis in group}
        outer = sum(1 for g in groups if g[0] in loops[:rows])
        names = _Names()
        kernel = LoopKernel("kernel", len(groups), outer)
        arguments: list[tuple[Array, Any, tuple[int, ...]]] = []

        def array(x: Any, axes: Axes, wish: str, written: bool) -> Array:
            mine = tuple(dict.fromkeys(index[a] for a in axes))
            made = Array(names.new(wish), np.dtype(x.dtype), mine, written, drawn=id(x) in self.drawn)
            shape = tuple((math.prod([cluster.space[a] for a in groups[g]])) for g in mine) or (1,)
            arguments.append((made, self.drawn.get(id(x), x), shape))
            kernel.arrays.append(made)
            return made

        for step, read in cluster.reads.values():
            a = array(read.base, read.axes, f"{step.name}_at", False)
            step.operands = (a,)
            step.level = ELEMENT if any(x >= outer for x in a.axes) else ROW if a.axes else ONCE
            step.name = names.new(step.name)
            kernel.steps.append(step)
        for step in sums.values():
            step.level = ELEMENT  # a sum over rows has the inner axes, even where what it adds up lacks them
        for step in cluster.order:
            step.name = names.new(step.name)
            kernel.steps.append(step)
        for v in written:
            step = sums.get(id(v)) or cluster.steps[id(v)]
            if step.level == ELEMENT and id(v) not in sums and step.op == f"round_{v.dtype}":  # which storing does, too
                (step,) = step.operands
            kernel.writes.append((step, array(v, cluster.places[id(v)], f"out_{v.name}", True)))
        kernel.turns()
        kernel.keep_dear()
        for a in kernel.arrays[len(arguments) :]:
            arguments.append(
                (a, None, tuple((math.prod([cluster.space[i] for i in groups[g]])) for g in a.axes) or (1,))
            )
        kernel.given = [g for g in range(len(groups)) if not any(g in a.axes for a in kernel.arrays)]
        sizes = [(math.prod([cluster.space[i] for i in groups[g]])) for g in kernel.given]
        spans = [math.prod([cluster.space[i] for i in g]) for g in groups]
        if kernel.turned:
            sizes += [0, spans[0]]
        return KernelCall(kernel, arguments, sizes, spans[0] if spans else 1, (math.prod(spans)))


def _indices_first(lines: Sequence[Line]) -> list[Line]:
    """The lines with those first that tell which elements of rows are picked and placed, if they need no such row.

    Their check is a call of its own, after which alone a kernel could pick: it is not to come between what a row is of.
    """
    made = {id(v): line for line in lines for v in line.results}
    first: set[int] = set()
    for line in lines:
        if line.prim.name in ("pick", "place") and type(line.operands[1]) is Variable:
            most, found, stack = nbytes(line.operands[1]), set(), [line.operands[1]]
            while stack:
                x = stack.pop()
                if id(x) in made and id(made[id(x)]) not in found:
                    found.add(id(made[id(x)]))
                    stack += made[id(x)].variables
                    if max(map(nbytes, made[id(x)].results)) > most:
                        break
            else:
                first |= found
    return sorted(lines, key=lambda line: id(line) not in first)


class _Names:
    def __init__(self) -> None:
        self.taken: dict[str, int] = {}

    def new(self, wish: str) -> str:
        n = self.taken[wish] = self.taken.get(wish, 0) + 1
        return f"{wish}_{n}"


def _loops(space: Sequence[int]) -> Axes:
    """The axes that are not of size 1."""
    return tuple(i for i, n in enumerate(space) if n != 1)


def _groups(space: Sequence[int], loops: Axes, rows: int, places: Sequence[Axes]) -> list[list[int]]:
    """The loops in runs of axes that follow each other in memory, and that all places have or lack together."""
    groups: list[list[int]] = []
    previous: Any = None
    for k, axis in enumerate(loops):
        has = (k < rows, *(axis in p for p in places))
        last = groups[-1][-1] if groups else axis
        if has == previous and last < axis and all(n == 1 for n in space[last + 1 : axis]):
            groups[-1].append(axis)
        else:
            groups.append([axis])
        previous = has
    return groups


def _indexed(rows: tuple[int, ...], index: Any, shape: tuple[int, ...]) -> bool:
    """Whether rows have one index, and one element, each, without broadcasting, and more than one element to choose from."""
    return (
        type(index) is Variable
        and dtypes.name(index.dtype) in ("int32", "int64")
        and index.shape == shape == rows[:-1]
        and rows[-1] > 1
        and 0 not in rows
    )


def _is_view(line: Line) -> bool:
    """Whether a line is but another way to read its operand, as a kernel can."""
    name = line.prim.name
    if name == "expand":
        return type(line.operands[0]) is Variable
    if name == "reshape" and type(line.operands[0]) is Variable:
        return [n for n in line.operands[0].shape if n != 1] == [n for n in line.results[0].shape if n != 1]
    return False
