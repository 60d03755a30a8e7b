"""How much memory a plan takes, as a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from gpugrad.errors import beside
from gpugrad.graph.calls import Call, CopyCall, KernelCall, LibraryCall
from gpugrad.graph.ir import Graph, Variable
from gpugrad.graph.memory import NEW, Memory, last_uses, nbytes, owned


@dataclass
class Usage:
    """Memory in bytes. ``print`` it: what it is for, and what was there when there was most."""

    arguments: int
    """What the function is given, its cells included."""
    constants: int
    """Arrays that are the same in every call."""
    arena: int
    """One piece of memory in which intermediates lie, one after another."""
    library: int
    """Intermediates that the library makes memory for: those that are there at one time, at most."""
    results: int
    """New arrays that the caller gets; what takes the place of a cell is none."""
    alive: list[tuple[str, int, str]] = field(default_factory=list)
    """When there are most intermediates: each one's name, size and the user's line, the largest first."""
    call: str = ""
    """The call during which that is."""

    @property
    def peak(self) -> int:
        """All of it together."""
        return self.arguments + self.constants + self.arena + self.library + self.results

    def __str__(self) -> str:
        parts = ["arguments", "constants", "arena", "library", "results"]
        lines = [f"{'peak':10s} {shown(self.peak):>8s}"]
        lines += [f"  {part:10s} {shown(getattr(self, part)):>8s}" for part in parts]
        if self.alive:
            lines.append(f"intermediates during {self.call}:")
            lines += [f"  {name:32s} {shown(n):>8s}  {site}".rstrip() for name, n, site in self.alive[:20]]
            if len(self.alive) > 20:
                lines.append(f"  and {len(self.alive) - 20} more")
        return "\n".join(lines)


def used(graph: Graph, memory: Memory) -> Usage:
    """The memory that the calls take."""
    calls = memory.calls
    last = last_uses(calls, graph.outputs)
    sites = {id(v): line.site for line in graph.lines for v in line.results}
    constants = {id(x): x for call in calls for x in call.operands if type(x) is not Variable and hasattr(x, "nbytes")}
    spans = [(start, x, end) for start, x, end in memory.alive if type(x) is Variable]
    library: list[tuple[int, Variable, int]] = []
    ends = {id(v) for v in graph.outputs}
    results = 0
    for k, call in enumerate(calls):
        for v in call.results:
            if id(v) in memory.offsets or id(v) in memory.homes or _is_view(call):
                continue
            if id(v) in ends:
                results += nbytes(v)
            elif v not in owned(call):
                library.append((k, v, last.get(id(v), k)))
    sizes = _sizes([*spans, *library], len(calls))
    most = max(range(len(calls)), key=sizes.__getitem__, default=0)
    alive = [
        (f"{x.name} {x.dtype}{list(x.shape)}", nbytes(x), beside(sites.get(id(x), "")))
        for start, x, end in [*spans, *library]
        if start <= most <= end
    ]
    return Usage(
        sum(map(nbytes, graph.inputs)),
        sum(x.nbytes for x in constants.values()),
        memory.size,
        max(_sizes(library, len(calls)), default=0),
        results,
        sorted(alive, key=lambda entry: -entry[1]),
        _name(calls, most),
    )


def _sizes(spans: Sequence[tuple[int, Variable, int]], calls: int) -> list[int]:
    """The size of what is there during each call."""
    change = [0] * (calls + 1)
    for start, x, end in spans:
        change[start] += nbytes(x)
        change[min(end + 1, calls)] -= nbytes(x)
    return list(accumulate(change))[:calls]


def _is_view(call: Call) -> bool:
    return isinstance(call, LibraryCall) and call.line.prim.name not in NEW


def _name(calls: list[Call], k: int) -> str:
    """What a call is called in the text of the plan."""
    if not calls:
        return ""
    call = calls[k]
    if isinstance(call, KernelCall):
        return f"kernel_{sum(isinstance(c, KernelCall) for c in calls[:k])}"
    return "copyto" if isinstance(call, CopyCall) else call.line.prim.name


def traffic(call: Call) -> tuple[int, int]:
    """The bytes that a kernel or a copy reads, and those that it writes."""
    return sum(map(nbytes, call.operands)), sum(map(nbytes, call.results))


def moved(call: Call) -> str:
    """What a kernel or a copy moves between memory and processor."""
    read, written = traffic(call)
    return f"reads {shown(read)}, writes {shown(written)}"


def shown(n: int) -> str:
    """Bytes as people read them."""
    size, unit = float(n), "B"
    for larger in ("kB", "MB", "GB"):
        if size >= 1000:
            size, unit = size / 1000, larger
    return f"{size:.3g} {unit}"
