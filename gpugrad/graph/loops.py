"""A loop as one line of a graph: two graphs over what is carried, and what runs them until the first says no."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gpugrad.backends import select
from gpugrad.graph.ir import Graph
from gpugrad.primitive import Primitive, Shape

if TYPE_CHECKING:
    from gpugrad.graph.plan import Plan


class Loop:
    """Condition and body of a loop. Each takes what is carried and then, of the line's further operands, those it reads.

    Two loops are the same only if they are one object: a graph is not compared.
    """

    def __init__(
        self,
        cond: Graph,
        body: Graph,
        reads: tuple[tuple[int, ...], tuple[int, ...]],
        carried: int,
        planned: Callable[[str, Graph], Plan],
    ) -> None:
        self.graphs = {"cond": cond, "body": body}
        self.reads = dict(zip(self.graphs, reads, strict=True))
        """The positions, among the line's operands, of what each reads besides what is carried."""
        self.carried = carried
        """How many of the operands are carried."""
        self._planned = planned
        self._plans: dict[tuple[str, str], Plan] = {}

    def plan(self, part: str, device: str) -> Plan:
        """The plan of one of the two graphs on a device, compiled when first asked for."""
        found = self._plans.get((part, device))
        if found is None:
            found = self._plans[part, device] = self._planned(device, self.graphs[part])
        return found

    def __repr__(self) -> str:
        return f"loop({self.carried} carried)"


def _run(_xp: Any, *arrays: Any, loop: Loop) -> tuple[Any, ...]:
    backend = select.of(arrays[0])
    device = select.place(arrays[0])
    cond, body = loop.plan("cond", device), loop.plan("body", device)
    given = [body.contiguous(x) for x in arrays]
    carry = given[: loop.carried]
    asked, more = ([given[k] for k in loop.reads[part]] for part in ("cond", "body"))
    while True:
        (p,) = cond.run(*carry, *asked)
        if not backend.to_numpy(p):
            break
        carry = body.run(*carry, *more)
    return tuple(backend.asarray(x, copy=True) if any(x is g for g in given) else x for x in carry)


def _shapes(*shapes: Shape, loop: Loop) -> tuple[Shape, ...]:
    return shapes[: loop.carried]


while_line = Primitive(
    "loop",
    "while_loop",
    [None],
    operands=("x",),
    forward=_run,
    shape=_shapes,
    dtype=lambda *_, loop: tuple(v.dtype for v in loop.graphs["body"].inputs[: loop.carried]),
    variadic=True,
    outputs=-1,  # as many as are carried
    doc="As long as a condition on what is carried holds, a body that gives it anew.",
)
