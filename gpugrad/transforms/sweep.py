"""The sweep: cotangents carried backwards over recorded nodes, which it lets go of as it passes.

Nodes are taken by falling number from a heap: iterative, in time linear in the number of operations, whatever the depth.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush
from typing import Any

from gpugrad import errors
from gpugrad.ops.linear import sum_to
from gpugrad.trace import Trace, state, value
from gpugrad.transforms import borrowed
from gpugrad.transforms.node import ITEM, LEAF, Node, extra

_RELEASED = (
    "{name}: this part of the graph was released by an earlier backward pass, which frees as it goes. "
    "Pass retain_graph=True to the first one, or compute the function again"
)


def sweep(
    seeds: Sequence[tuple[Node, Any]],
    *,
    retain: bool,
    tracer: Trace | None = None,
    stops: frozenset[Node] = frozenset(),
) -> dict[Any, Any]:
    """Carry cotangents from ``seeds`` back to the leaves (and no further than ``stops``); what reached each.

    With ``tracer`` (the tape itself) the rules compute on tracked values, so that the result can be differentiated
    again; without, on what lies below. Linear in the number of operations, iterative, deterministic.
    """
    heap: list[int] = []
    waiting: dict[int, list[Any]] = {}
    leaves: dict[Node, Any] = {}
    if len(seeds) == 1:
        node, g = seeds[0]
    elif seeds:
        for node, g in seeds:
            _arrive(node, g, heap, waiting)
        node, g = waiting.pop(-heappop(heap))
    else:
        return leaves
    ruling = state.ruling
    state.ruling = ruling + 1
    try:
        while True:
            prim = node.prim
            pulls = prim.pulls
            if node.extra is not None and node not in stops:
                g = _attend(node, g)
            following = None
            if pulls is None or (stops and node in stops):
                if prim is LEAF or node in stops:
                    leaves[node] = g
                else:
                    _at_marker(node, g, heap, waiting, tracer, retain)
            else:
                parents: Sequence[Any] = node.parents
                saved = node.saved
                if saved is None:
                    raise errors.GraphError(_RELEASED.format(name=prim.name))
                if tracer is not None:
                    saved = _rewrapped(node, saved, tracer)
                params = node.params
                if not retain:
                    node.saved = None
                    if node.extra is None or not node.extra.keep:
                        node.parents = ()
                if len(parents) == 1:  # one operand: most nodes, so without the general loop
                    following = parents[0]
                    coming = pulls[0].call(g, saved, following.shape, 0, params)
                    k = following.index
                    if heap and k <= -heap[0]:
                        if k in waiting:
                            there = waiting[k]
                            there[1] = there[1] + coming
                        else:
                            waiting[k] = [following, coming]
                            heappush(heap, -k)
                        following = None
                else:
                    whole = node.shape
                    i = 0
                    for parent in parents:
                        if parent is not None:
                            pull = pulls[i] if not prim.variadic else pulls[0]
                            if pull is not None:
                                shape = parent.shape
                                ct = pull.call(g, saved, shape, i, params)
                                if pull.loose and shape != (whole if pull.loose == 1 else ct.shape):
                                    ct = sum_to(ct, shape)
                                k = parent.index
                                if k in waiting:
                                    there = waiting[k]
                                    there[1] = there[1] + ct
                                elif following is parent:
                                    coming = coming + ct
                                elif following is not None and k > following.index:
                                    waiting[following.index] = [following, coming]
                                    heappush(heap, -following.index)
                                    following, coming = parent, ct
                                elif following is None and (not heap or k > -heap[0]):
                                    following, coming = parent, ct  # it comes next: no need to queue
                                else:
                                    waiting[k] = [parent, ct]
                                    heappush(heap, -k)
                        i += 1
            if following is not None:
                node, g = following, coming
            elif heap:
                node, g = waiting.pop(-heappop(heap))
            else:
                return leaves
    finally:
        state.ruling = ruling


def _at_marker(
    node: Node,
    g: Any,
    heap: list[int],
    waiting: dict[int, list[Any]],
    tracer: Trace | None,
    retain: bool,
) -> None:
    """Arrive at what is no operation and no end: one output of several, a whole function."""
    if node.saved is None:
        raise errors.GraphError(_RELEASED.format(name=node.name))
    if node.prim is ITEM:
        _arrive_part(node.parents[0], node.params["i"], g, heap, waiting)
        return
    for parent, ct in node.params["pull"](g, node.saved, tracer):
        _arrive(parent, ct, heap, waiting)
    if not retain:
        node.saved = None
        if node.extra is None or not node.extra.keep:
            node.parents = ()


def _arrive(node: Node, g: Any, heap: list[int], waiting: dict[int, list[Any]]) -> None:
    there = waiting.get(node.index)
    if there is None:
        waiting[node.index] = [node, g]
        heappush(heap, -node.index)
    else:
        there[1] = there[1] + g


def _arrive_part(node: Node | None, i: int, g: Any, heap: list[int], waiting: dict[int, list[Any]]) -> None:
    """A cotangent for one of several outputs: they wait in a list, None where nothing came."""
    assert node is not None
    there = waiting.get(node.index)
    if there is None:
        there = waiting[node.index] = [node, Parts([None] * len(node.shape))]
        heappush(heap, -node.index)
    there[1][i] = g if there[1][i] is None else there[1][i] + g


class Parts(list[Any]):
    """The cotangents of an operation's outputs, and what a rule computed from them for all operands."""

    __slots__ = ("shared",)

    def __init__(self, cotangents: Sequence[Any]) -> None:
        super().__init__(cotangents)
        self.shared: Any = None


def _attend(node: Node, g: Any) -> Any:
    """The rare part of a visit: hooks, kept adjoints, arrays that may have been changed."""
    e = extra(node)
    for k, saved in e.prints:
        if node.saved is not None:
            borrowed.verify(node.saved[k], saved, node.name)
    for key, hook in list(e.hooks.items()):
        changed = hook(g) if key in e.hooks else None  # one hook may remove another
        if changed is not None:
            g = changed
    if e.keep:
        e.adjoint = g
    return g


def _rewrapped(node: Node, saved: Sequence[Any], tracer: Trace) -> list[Any]:
    """What was saved, as values of the tape again: operands hang on their parents, the output on the node itself."""
    out = [v if v is None or p is None else value(v, tracer, p) for v, p in zip(saved, node.parents, strict=False)]
    last = saved[-1]
    if type(last) is tuple:
        last = tuple(value(o, tracer, Node(ITEM, {"i": i}, (node,), (), o.shape)) for i, o in enumerate(last))
    elif last is not None:
        last = value(last, tracer, node)
    return [*out, last]
