"""Backward passes that are run again and again: recognised by their structure, and then run as a compiled plan.

A pass over large arrays is looked at before it is interpreted: which operations, in which order, on arrays of which
shapes. When the same structure comes again it is compiled, on a thread of its own, while passes go on being
interpreted; once the plan is there it runs in their place, fused, the accumulation into ``.grad`` included.
``gg.config.fused_backward`` turns it off.
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from gpugrad.backends import select
from gpugrad.backends.background import compiler
from gpugrad.config import config
from gpugrad.graph.stage import Stage
from gpugrad.ops import composition
from gpugrad.trace import value
from gpugrad.transforms.node import CALL, ITEM, LEAF, Leaf, Node
from gpugrad.transforms.planned import planned
from gpugrad.transforms.sweep import sweep
from gpugrad.transforms.tape import EAGER

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from gpugrad.graph.ir import Graph
    from gpugrad.graph.plan import Plan

_KNOWN = 256
"""Structures that are remembered."""

_plans: dict[Any, Future[Plan | None] | None] = {}
"""Structure -> its plan, or the promise of one; None after its first pass."""


def composed(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A composition of large arrays, compiled; None if that is not possible, or not yet."""
    if not config.fused_backward:
        return None
    from gpugrad.transforms import composed

    return composed.composed(f, args, kwargs)


composition.attach(composed)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_plans.clear)  # what another process's thread has promised will not come


def replayed(root: Node, seed: Any, retain: bool) -> dict[Any, Any] | None:
    """What a sweep from ``root`` brings to the leaves, with what they hold added, by a plan; None if there is none.

    The graph is released as by a sweep, unless ``retain``.
    """
    if not config.fused_backward or not _is_large(root):
        return None
    structure = _Structure(root)
    key = structure.key(seed)
    if key is None:
        return None
    if key not in _plans:
        if len(_plans) >= _KNOWN:
            _plans.clear()
        _plans[key] = None
        return None
    promise = _plans[key]
    if promise is None:
        _plans[key] = compiler().submit(_compiled, structure.staged(seed), select.place(seed))
        return None
    plan = promise.result() if promise.done() else None
    if plan is None:
        return None
    found = plan.run(*map(plan.contiguous, structure.arrays), seed)
    if not retain:
        structure.release()
    return dict(zip(structure.leaves, found, strict=True))


def wait() -> None:
    """Until every plan that was begun is there: for measurements and tests."""
    for promise in list(_plans.values()):
        if promise is not None:
            promise.result()


def _compiled(graph: Graph, device: str) -> Plan | None:
    try:
        return planned(device, graph)
    except Exception:  # what cannot be compiled stays interpreted
        return None


def _is_large(root: Node) -> bool:
    """Whether one of the last operations on the way to the result, followed by their first operands, had a large one.

    Every backward pass asks, so it is quick.
    """
    for _ in range(6):
        parents = root.parents
        parent = parents and (parents[0] or parents[-1])
        if not parent:
            return False
        root = parent
        shape = root.shape
        if shape and type(shape[0]) is int and math.prod(shape) >= composition.LARGE:
            return True
    return False


class _Structure:
    """The part of a tape that a result was computed on."""

    def __init__(self, root: Node) -> None:
        found = {root}
        stack = [root]
        while stack:
            for p in stack.pop().parents:
                if p is not None and p not in found:
                    found.add(p)
                    stack.append(p)
        self.nodes = sorted(found, key=lambda node: node.index)
        self.leaves = [node for node in self.nodes if isinstance(node, Leaf)]
        self.arrays: list[Any] = []
        """What was saved, then what the leaves hold already."""

    def key(self, seed: Any) -> Any:
        """What two passes have in common that one plan can run; None for a pass that none can."""
        place = {node: k for k, node in enumerate(self.nodes)}
        inputs: dict[int, int] = {}
        entries: list[Any] = []
        for node in self.nodes:
            if node.extra is not None or node.prim is CALL or node.saved is None:
                return None
            saved: list[Any] = []
            for x in node.saved:
                for part in x if type(x) is tuple else (x,):
                    if isinstance(part, np.ndarray | np.generic) or type(part) in select.compiled_types:
                        if id(part) not in inputs:
                            inputs[id(part)] = len(self.arrays)
                            self.arrays.append(part)
                        saved.append((inputs[id(part)], part.shape, part.dtype))
                    elif part is None or type(part) in (bool, int, float):
                        saved.append((type(part), part))
                    else:
                        return None
            grad = None
            if isinstance(node, Leaf) and node.grad is not None:
                if node.grad._trace is not EAGER or node.grad._mark is not None:
                    return None
                grad = node.grad._data
                self.arrays.append(grad)
            parents = tuple([-1 if p is None else place[p] for p in node.parents])
            held = grad is not None
            entries.append((node.prim, tuple(node.params.items()), parents, tuple(saved), node.shape, held))
        places = {select.planner(x) for x in (*self.arrays, seed)}
        if len(places) > 1:
            return None
        key = (tuple(entries), seed.shape, seed.dtype, *places)
        try:
            hash(key)
        except TypeError:
            return None
        return key

    def staged(self, seed: Any) -> Graph:
        """The pass as a graph."""
        stage = Stage("a backward pass", select.place(seed))
        symbols: dict[int, Any] = {}
        for x in self.arrays:
            symbols[id(x)] = stage.input(x.shape, x.dtype, "saved")
        start = stage.input(seed.shape, seed.dtype, "seed")
        copies: dict[Node, Node] = {}
        for node in self.nodes:
            parents = [None if p is None else copies[p] for p in node.parents]
            if isinstance(node, Leaf):
                copies[node] = Leaf(node.shape, node.dtype)
            else:
                assert node.saved is not None
                saved = [
                    tuple(symbols.get(id(part), part) for part in x) if type(x) is tuple else symbols.get(id(x), x)
                    for x in node.saved
                ]
                copies[node] = Node(node.prim, node.params, parents, saved, node.shape)
        found = sweep([(copies[self.nodes[-1]], start)], retain=True)
        outs = []
        for leaf in self.leaves:
            ct = value(found[copies[leaf]], EAGER, None)
            outs.append((ct if leaf.grad is None else value(symbols[id(leaf.grad._data)], EAGER, None) + ct)._data)
        return stage.finish(outs)

    def release(self) -> None:
        """Let go of what was saved, as a sweep does."""
        for node in self.nodes:
            if node.prim is not LEAF:
                if node.prim is not ITEM:
                    node.saved = None
                node.parents = ()
