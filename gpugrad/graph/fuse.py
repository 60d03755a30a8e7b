"""Fusion: which lines of a graph become one kernel.

Lines are taken in their order, and each joins the latest kernel that it can: one of the same index space that comes
after all that the line reads from elsewhere, so the order of calls stays right without a search. Broadcasts and size-1
axes are no lines of their own but ways to read. What no kernel computes stays a call of the backend.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gpugrad.backends.parallel import LEAST
from gpugrad.codegen.loops import ELEMENT, ONCE, REDUCTIONS, ROW, Array, LoopKernel, Step
from gpugrad.codegen.numba_scalars import SCALARS
from gpugrad.graph.ir import Graph, Line, Variable
from gpugrad.graph.recompute import recompute
from gpugrad.graph.simplify import uniform
from gpugrad.ops.linear import reshape

_DTYPES = frozenset({"float32", "float64", "bool", "int64", "int32"})
_FLOATS = frozenset({"float32", "float64"})
LIMIT = 1200
"""Steps in one kernel: compiling takes more than linear time in them."""

Axes = tuple[int, ...]


@dataclass(eq=False)
class Read:
    """A value as a kernel's index space sees it: which of its axes each axis of ``base`` runs along (sizes of 1 left out)."""

    base: Any
    """A variable, or a constant array."""
    axes: Axes


@dataclass(eq=False)
class Cluster:
    """Lines that become one kernel."""

    space: tuple[int, ...]
    rows: int | None = None
    """How many leading axes are those of rows; None as long as nothing is reduced."""
    steps: dict[int, Step] = field(default_factory=dict)
    """id of a variable -> the step that computes it."""
    places: dict[int, Axes] = field(default_factory=dict)
    """id of a variable -> the axes of the index space along which it runs."""
    order: list[Step] = field(default_factory=list)
    reads: dict[tuple[int, Axes], tuple[Step, Read]] = field(default_factory=dict)
    sums: list[tuple[Variable, Step]] = field(default_factory=list)
    """Sums over rows: what they are, and the elements that are added up."""
    variables: dict[int, Variable] = field(default_factory=dict)


@dataclass(eq=False)
class KernelCall:
    """A kernel, and for each of its arrays the variable or constant, and the shape in which it is passed."""

    kernel: LoopKernel
    arguments: list[tuple[Array, Any, tuple[int, ...]]]
    sizes: list[int]
    """Of the axes that no array has."""
    length: int
    """The size of the first axis."""
    elements: int
    """The size of the index space."""
    replaced: dict[int, Variable] = field(default_factory=dict)
    """id of an array that is read and written -> the variable that is there afterwards."""

    @property
    def shares(self) -> list[str] | None:
        """What each argument is to a thread that runs a part of the first axis; None if that cannot be."""
        kernel = self.kernel
        if not kernel.axes or kernel.given or (not kernel.rows and kernel.passes > 1):
            return None
        reduced = {id(a): REDUCTIONS[s.op] for s, a in kernel.writes if s.op in REDUCTIONS and not kernel.rows}
        out = []
        for a, _, _ in self.arguments:
            if a.axes[:1] == (0,):
                out.append("own" if a.scratch else "part")
            elif not a.written:
                out.append("whole")
            elif a.scratch:
                out.append("own")
            elif id(a) in reduced:
                out.append(reduced[id(a)])
            elif any(w is a and kernel.sums_rows(s, a) for s, w in kernel.writes):
                out.append("sum")
            else:
                return None
        return out

    @property
    def results(self) -> list[Variable]:
        """The variables that it computes."""
        return [self.replaced.get(id(a), x) for a, x, _ in self.arguments if a.written and not a.scratch]

    @property
    def operands(self) -> list[Any]:
        """What it reads."""
        return [x for a, x, _ in self.arguments if not a.written or id(a) in self.replaced]


@dataclass(eq=False)
class LibraryCall:
    """A line that the backend computes."""

    line: Line

    @property
    def results(self) -> list[Variable]:
        """The variables that it computes."""
        return list(self.line.results)

    @property
    def operands(self) -> list[Any]:
        """What it reads."""
        return list(self.line.operands)


Call = KernelCall | LibraryCall


def fused(graph: Graph) -> list[Call]:
    """The calls that compute a graph, in order."""
    return _Fusion(graph).calls()


class _Fusion:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.items: list[Cluster | Line] = []
        self.position: dict[int, int] = {}
        """id of a variable -> the position of the item that computes it; -1 for inputs."""
        self.views: dict[int, Line] = {}
        """id of a variable that is only another way to read one -> its line."""
        self.kept: list[Variable] = []
        """Variables of our own: what goes by ids must outlive them."""
        self.numbers: dict[int, Any] = {}
        """id of a variable that is one number throughout -> the number."""

    # ---- growing -----------------------------------------------------------------------------------------------------

    def calls(self) -> list[Call]:
        for v in self.graph.inputs:
            self.position[id(v)] = -1
        for line in self.graph.lines:
            self.take(line)
        return self.emitted()

    def take(self, line: Line) -> None:
        if line.prim.name == "constant" and isinstance(line.params["fill"], int | float):
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
                self.position[id(line.results[0])] = len(self.items) - 1
                return
        self.items.append(line)
        for v in line.results:
            self.position[id(v)] = len(self.items) - 1

    def way(self, line: Line) -> tuple[Callable[[Cluster, Line], bool] | None, tuple[int, ...]]:
        """How a line may be part of a kernel, and of which index space; None if a kernel cannot have it."""
        x, out = line.operands[0], line.results[0]
        if line.prim.name in REDUCTIONS:
            return (self.reduce if type(x) is Variable else None), x.shape
        if line.prim.name == "pick":
            return (self.pick if type(x) is Variable else None), x.shape
        if line.prim.name == "place":
            return self.place, out.shape
        return (self.map if _is_map(line) else None), out.shape

    def where(self, x: Any) -> int:
        return self.position[id(x)] if type(x) is Variable else -1

    def candidates(self, line: Line, space: tuple[int, ...]) -> list[int]:
        """Kernels that the line may join: the one that computes the latest of its operands, and the last one of all."""
        latest = max((self.where(x) for x in line.operands), default=-1)
        out = [latest] if latest >= 0 and isinstance(self.items[latest], Cluster) else []
        last = len(self.items) - 1
        while last > latest and not (isinstance(item := self.items[last], Cluster) and item.space == space):
            last -= 1
        return [*out, last] if last > latest and last >= 0 else out

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
        if any(v is read.base for v, _ in cluster.sums) or str(read.base.dtype) not in _DTYPES:
            return None
        if type(read.base) is Variable and id(read.base) in self.numbers:
            return self.numbers[id(read.base)]
        key = id(read.base), read.axes
        if key not in cluster.reads:
            name = read.base.name if type(read.base) is Variable else "c"
            step = Step(name, "read", (), np.dtype(read.base.dtype), ELEMENT)
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
        if any(o is None for o in operands) or not _allowed(line, operands):
            cluster.reads = before
            return False
        self.add(
            cluster,
            out,
            Step(out.name, line.prim.name, tuple(operands), np.dtype(out.dtype), level, site=line.site),
            place,
        )
        return True

    def row_map(self, cluster: Cluster, line: Line) -> bool:
        """Add a line on what was reduced: its operands are numbers and rows of this kernel, all of one shape."""
        out = line.results[0]
        if cluster.rows is None or (not cluster.rows and np.prod(cluster.space) >= LEAST):
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
                and np.prod(x.shape) == np.prod(out.shape)
            ):
                operands.append(cluster.steps[id(base)])
                place = cluster.places[id(base)]
            else:
                return False
        if place is None or not _allowed(line, operands):
            return False
        self.add(
            cluster,
            out,
            Step(out.name, line.prim.name, tuple(operands), np.dtype(out.dtype), ROW, site=line.site),
            place,
        )
        return True

    def base(self, x: Any) -> Any:
        """What a reshape that only moves axes of size 1 reads."""
        while type(x) is Variable and id(x) in self.views and self.views[id(x)].prim.name == "reshape":
            x = self.views[id(x)].operands[0]
        return x

    def reduce(self, cluster: Cluster, line: Line) -> bool:
        """Add a reduction to a kernel; whether it can be."""
        x, out = line.operands[0], line.results[0]
        if x.shape != cluster.space or str(out.dtype) not in _FLOATS or len(cluster.order) >= LIMIT or 0 in x.shape:
            return False
        rank = len(x.shape)
        axes = sorted(a % rank for a in line.params["axis"])
        rows = rank - len(axes)
        if all(n == 1 for a, n in enumerate(x.shape) if a not in axes):
            axes, rows = list(range(rank)), 0  # to one number
        by_row = axes == list(range(rows, rank))
        by_column = axes == list(range(len(axes))) and line.prim.name == "reduce_sum" and not by_row
        if by_column:
            rows = len(axes)
        if not (by_row or by_column) or cluster.rows not in (None, rows):
            return False
        operand = self.operand(cluster, x)
        if type(operand) is not Step or operand.level != ELEMENT:
            return False
        cluster.rows = rows
        if by_column:
            cluster.sums.append((out, operand))
            cluster.variables[id(out)] = out
            return True
        place = tuple(i for i in range(rows) if x.shape[i] != 1)
        self.add(
            cluster, out, Step(out.name, line.prim.name, (operand,), np.dtype(out.dtype), ROW, site=line.site), place
        )
        return True

    def pick(self, cluster: Cluster, line: Line) -> bool:
        """Add the choice of one element of each row: the sum over the row of what is nothing but there."""
        (x, index), out = line.operands, line.results[0]
        if not _indexed(x.shape, index, out.shape) or x.shape != cluster.space or str(out.dtype) not in _FLOATS:
            return False
        before = dict(cluster.reads)
        element = self.operand(cluster, x)
        there = self.there(cluster, index) if type(element) is Step and element.level == ELEMENT else None
        if there is None:
            cluster.reads = before
            return False
        dtype = np.dtype(out.dtype)
        chosen = Step("chosen", "where", (there, element, 0.0), dtype, ELEMENT, site=line.site)
        cluster.order.append(chosen)
        step = Step(out.name, "reduce_sum", (chosen,), dtype, ROW, site=line.site)
        self.add(cluster, out, step, tuple(i for i, n in enumerate(out.shape) if n != 1))
        return True

    def place(self, cluster: Cluster, line: Line) -> bool:
        """Add rows of zeros with one element each."""
        (x, index), out = line.operands, line.results[0]
        if not _indexed(out.shape, index, getattr(x, "shape", ())) or str(out.dtype) not in _FLOATS:
            return False
        before = dict(cluster.reads)
        element = self.on_rows(cluster, x)
        there = self.there(cluster, index) if element is not None else None
        if there is None:
            cluster.reads = before
            return False
        step = Step(out.name, "where", (there, element, 0.0), np.dtype(out.dtype), ELEMENT, site=line.site)
        self.add(cluster, out, step, tuple(i for i, n in enumerate(out.shape) if n != 1))
        return True

    def there(self, cluster: Cluster, index: Any) -> Step | None:
        """Whether an element is the one of its row that the index names."""
        rows = len(cluster.space) - 1
        if cluster.rows not in (None, rows) or len(cluster.order) >= LIMIT:
            return None
        wanted = self.on_rows(cluster, index)
        if type(wanted) is not Step:
            return None
        cluster.rows = rows
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
        clusters = [item for item in self.items if isinstance(item, Cluster)]
        recompute(clusters, self.needed, LIMIT)
        for cluster in clusters:
            for _, read in cluster.reads.values():
                self.need(read.base)
        calls: list[Call] = []
        done: set[int] = set()
        for item in self.items:
            if isinstance(item, Line):
                for x in item.operands:
                    self.view(x, calls, done)
                calls.append(LibraryCall(item))
            elif call := self.kernel(item):
                calls.append(call)
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

    def view(self, x: Any, calls: list[Call], done: set[int]) -> None:
        chain = []
        while type(x) is Variable and id(x) in self.views and id(x) not in done:
            done.add(id(x))
            chain.append(self.views[id(x)])
            x = chain[-1].operands[0]
        calls += [LibraryCall(line) for line in reversed(chain)]

    def kernel(self, cluster: Cluster) -> Call | None:
        """The call of a kernel: axes that all arrays have or lack together made one, arrays named."""
        written = [v for k, v in cluster.variables.items() if k in self.needed]
        if not written:
            return None
        rank = len(cluster.space)
        rows = cluster.rows if cluster.rows is not None else 0
        inner = tuple(i for i in range(rows, rank) if cluster.space[i] != 1)
        sums = {id(v): s for v, s in cluster.sums}
        places = [read.axes for _, read in cluster.reads.values()]
        places += [inner if id(v) in sums else cluster.places[id(v)] for v in written]
        groups = _groups(cluster.space, rows, places)
        index = {axis: g for g, group in enumerate(groups) for axis in group}
        outer = sum(1 for g in groups if g[0] < rows)
        names = _Names()
        kernel = LoopKernel("kernel", len(groups), outer)
        arguments: list[tuple[Array, Any, tuple[int, ...]]] = []

        def array(x: Any, axes: Axes, wish: str, written: bool) -> Array:
            mine = tuple(dict.fromkeys(index[a] for a in axes))
            made = Array(names.new(wish), np.dtype(x.dtype), mine, written)
            shape = tuple(int(np.prod([cluster.space[a] for a in groups[g]])) for g in mine) or (1,)
            arguments.append((made, x, shape))
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
            axes = inner if id(v) in sums else cluster.places[id(v)]
            kernel.writes.append((step, array(v, axes, f"out_{v.name}", True)))
        kernel.turns()
        kernel.keep_dear()
        for a in kernel.arrays[len(arguments) :]:
            arguments.append(
                (a, None, tuple(int(np.prod([cluster.space[i] for i in groups[g]])) for g in a.axes) or (1,))
            )
        kernel.given = [g for g in range(len(groups)) if not any(g in a.axes for a in kernel.arrays)]
        sizes = [int(np.prod([cluster.space[i] for i in groups[g]])) for g in kernel.given]
        spans = [int(np.prod([cluster.space[i] for i in g])) for g in groups]
        return KernelCall(kernel, arguments, sizes, spans[0] if spans else 1, int(np.prod(spans)))


class _Names:
    def __init__(self) -> None:
        self.taken: dict[str, int] = {}

    def new(self, wish: str) -> str:
        n = self.taken[wish] = self.taken.get(wish, 0) + 1
        return f"{wish}_{n}"


def _groups(space: Sequence[int], rows: int, places: Sequence[Axes]) -> list[list[int]]:
    """The axes of the index space in runs that all places have or lack together; sizes of 1 left out."""
    groups: list[list[int]] = []
    previous: Any = None
    for axis, n in enumerate(space):
        if n == 1:
            continue
        has = (axis < rows, *(axis in p for p in places))
        if has == previous:
            groups[-1].append(axis)
        else:
            groups.append([axis])
        previous = has
    return groups


def _indexed(rows: tuple[int, ...], index: Any, shape: tuple[int, ...]) -> bool:
    """Whether rows have one index, and one element, each, without broadcasting, and more than one element to choose from."""
    return (
        type(index) is Variable
        and str(index.dtype) in ("int32", "int64")
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


def _is_map(line: Line) -> bool:
    name, out = line.prim.name, line.results[0]
    if str(out.dtype) not in _DTYPES or 0 in out.shape:
        return False
    if name == "cast":
        x = line.operands[0]
        return str(x.dtype) in _DTYPES and (str(x.dtype) not in _FLOATS or str(out.dtype) in _FLOATS | {"bool"})
    return name in SCALARS and line.prim.kind == "elementwise" and not line.params


def _allowed(line: Line, operands: Sequence[Any]) -> bool:
    """Whether an expression has these operands: one dtype that it takes, and numbers that fit it."""
    name = line.prim.name
    if name == "cast":
        return type(operands[0]) is Step
    taken, _ = SCALARS[name]
    given = list(operands)
    dtypes = set()
    if name == "where":
        dtypes.add(str(line.results[0].dtype))
        if type(given.pop(0)) is not Step:
            return False
    dtypes |= {str(o.dtype) for o in given if type(o) is Step}
    if len(dtypes) != 1 or not dtypes <= taken:
        return False
    (dtype,) = dtypes
    numbers = [o for o in given if type(o) is not Step]
    return all(type(o) in (bool, int, float) and (dtype in _FLOATS or type(o) is not float) for o in numbers)
