"""The tape: reverse mode. Records a node per operation on tracked values, and sweeps the nodes backwards.

A node refers to its parents, never to its output, so a graph has no reference cycle: it is freed the moment the last
tensor that reaches it dies. It keeps only what the rules of its tracked operands read (their parameter names say what
that is), and a sweep lets go of it as it passes. Nodes are numbered as they are made, and a sweep takes them by
falling number from a heap: iterative, in time linear in the number of operations, whatever the depth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from heapq import heappop, heappush
from itertools import count
from typing import Any

import numpy as np

from gpugrad import errors, trace
from gpugrad.backends import select
from gpugrad.ops.elementwise import masked_multiply, where
from gpugrad.ops.linear import sum_to
from gpugrad.ops.promotion import WEAK, mixed, promote
from gpugrad.primitive import Linear, Primitive, Rule, Scale, Select, Shape, Traced, compiled, linear
from gpugrad.trace import Trace, bind, state, value
from gpugrad.transforms import borrowed

_number = count(1).__next__
_new = object.__new__

NO_PARAMS: dict[str, Any] = {}


class Node:
    """One recorded operation: what its output's cotangent needs to become those of its inputs."""

    __slots__ = ("__weakref__", "extra", "index", "params", "parents", "prim", "saved", "shape")

    def __init__(
        self,
        prim: Primitive,
        params: dict[str, Any],
        parents: Sequence[Node | None],
        saved: Sequence[Any] | None,
        shape: Any,
    ) -> None:
        self.prim = prim
        self.params = params
        self.parents = parents
        self.saved = saved
        """Operands, then the output; None where no rule reads it; None as a whole once a sweep has let go of it."""
        self.shape = shape
        self.index = _number()
        self.extra: Extra | None = None

    # ---- what a user may read of it (``t.grad_fn``)
    @property
    def name(self) -> str:
        """The operation's name."""
        named: str = self.params.get("name", self.prim.name) if self.prim is CALL else self.prim.name
        return named

    @property
    def inputs(self) -> tuple[Node | None, ...]:
        """The nodes of the operands; None for an operand that is not tracked."""
        return tuple(self.parents)

    @property
    def value(self) -> Any:
        """The output, if the graph was made under ``gg.keep_values()``."""
        return _kept(self, "value")

    @property
    def adjoint(self) -> Any:
        """The cotangent that the last sweep brought here, if the graph was made under ``gg.keep_values()``."""
        return _kept(self, "adjoint")

    def __repr__(self) -> str:
        names = ", ".join("constant" if p is None else p.name for p in self.parents)
        return f"<{self.name} of ({names}) -> shape {self.shape}>"


class Extra:
    """What few nodes have: hooks, kept values, fingerprints of arrays that are not ours, the place that made them."""

    __slots__ = ("adjoint", "hooks", "keep", "prints", "value")

    def __init__(self) -> None:
        self.hooks: dict[int, Callable[[Any], Any]] = {}
        self.prints: list[tuple[int, borrowed.Print]] = []
        self.keep = False
        self.value: Any = None
        self.adjoint: Any = None


class Leaf(Node):
    """Where a graph begins: an input of a transform, or a tensor with ``requires_grad``, whose gradient lives here."""

    __slots__ = ("dtype", "grad")

    def __init__(self, shape: Shape, dtype: Any) -> None:
        self.prim = LEAF  # as Node does; every gradient begins with some, hence without another call
        self.params = NO_PARAMS
        self.parents = ()
        self.saved = ()
        self.shape = shape
        self.index = _number()
        self.extra = None
        self.dtype = dtype
        self.grad: Any = None


def extra(node: Node) -> Extra:
    """The node's rarely used part, made when first asked for."""
    if node.extra is None:
        node.extra = Extra()
    return node.extra


def _kept(node: Node, field: str) -> Any:
    if node.extra is None or not node.extra.keep:
        raise errors.GraphError(
            f"the {field} of <{node.name}> was not kept: a node keeps only what its rule reads. Run the function under `with gg.keep_values():`"
        )
    return getattr(node.extra, field)


def _not_bound(*_: Any) -> Any:
    raise AssertionError("a marker on the tape is never applied")


LEAF = linear("leaf", _not_bound, forward=_not_bound, shape=_not_bound)
ITEM = linear("item", _not_bound, forward=_not_bound, shape=_not_bound)
"""Marks one output of an operation with several."""
CALL = linear("call", _not_bound, forward=_not_bound, shape=_not_bound)
"""Marks a whole function: ``params["pull"](g, saved, tracer)`` yields its parents with their cotangents."""


# ---- recording ------------------------------------------------------------------------------------------------------


class Tape(Trace):
    """Reverse mode at one level. Level 0 is the eager tape behind ``backward``."""

    __slots__ = ("cuts",)

    def __init__(self) -> None:
        self.level = 0
        self.batched = False
        self.records = True
        self.cuts: tuple[str, ...] = ()
        """Where tracked values were last turned into something without a derivative (cast to an integer, float())."""

    def cut(self, how: str) -> None:
        self.cuts = (*self.cuts[-3:], how)

    def apply(self, prim: Primitive, x: Any, params: dict[str, Any]) -> Any:
        data = x._data
        if type(data) is trace.Tensor or not prim.simple:
            return self.process(prim, (x,), params)
        try:
            out = prim.impl[type(data)](data, **params) if params else prim.impl[type(data)](data)
        except Exception as error:
            out = prim.rescue((data,), params, error)
        v = _new(trace.Tensor)
        v._data = out
        v._trace = self
        parent = x._mark
        if parent is None or not prim.mask or self.level <= state.floor:
            v._mark = None
            return v
        keeps = prim.keeps
        if keeps is None:
            keeps = _keeps(prim)
        v._mark = node = _new(Node)
        node.prim = prim
        node.params = params
        node.parents = (parent,)
        node.saved = (data if keeps & 1 else None, out if keeps & 2 else None)
        node.shape = out.shape
        node.index = _number()
        node.extra = None
        if trace.watching:
            _look(node, out)
        return v

    def process(self, prim: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        tensor = trace.Tensor
        data: list[Any] = []
        parents: list[Node | None] = []
        tracked = 0
        bit = 1
        below = False
        for a in args:
            parent = None
            if type(a) is tensor:
                if a._trace is self:
                    parent = a._mark
                    if parent is not None:
                        tracked |= bit
                    a = a._data
                elif a._mark is None and a._trace is EAGER:
                    a = a._data
                if type(a) is tensor:
                    below = True
            data.append(a)
            parents.append(parent)
            bit <<= 1
        if prim.same and mixed(prim, data):
            promoted = promote(prim, args)
            if promoted is not None:
                return bind(prim, promoted, params)
        if below:
            out = bind(prim, data, params)
        else:
            try:
                out = prim.impl[type(data[prim.leads])](*data, **params)
            except Exception as error:
                out = prim.rescue(data, params, error)
        tracked &= prim.mask
        if not tracked or self.level <= state.floor:
            return value(out, self, None) if not prim.outputs else tuple(value(o, self, None) for o in out)
        saved = [*data, tuple(out) if prim.outputs else out]
        dropped = prim.drops.get(tracked)
        for k in dropped_by(prim, tracked, len(data)) if dropped is None else dropped:
            saved[k] = None
        if prim.outputs:
            node = Node(prim, params, parents, saved, tuple(o.shape for o in out))
            if trace.watching:
                _look(node, out)
            return tuple(value(o, self, Node(ITEM, {"i": i}, (node,), (), o.shape)) for i, o in enumerate(out))
        node = Node(prim, params, parents, saved, out.shape)
        if trace.watching:
            _look(node, out)
        return value(out, self, node)


EAGER = Tape()
"""The bottom tape, level 0: what tensors outside every transform belong to."""


# ---- the flat path of two operands, like Tape.apply for one: most of what small programs do ---------------------------


def binary(prim: Primitive, x: Any, y: Any) -> Any:
    """``prim(x, y)`` for a primitive without parameters; at least one operand is a value."""
    tensor = trace.Tensor
    tx = type(x)
    ty = type(y)
    if tx is tensor:
        tape = x._trace
        a = x._data
        p = x._mark
        if ty is tensor:
            b = y._data
            q = y._mark
            if (
                y._trace is not tape
                or not tape.records
                or type(a) is not type(b)
                or type(a) is tensor
                or a.dtype is not b.dtype
            ):
                return bind(prim, (x, y), NO_PARAMS)
        elif ty in WEAK and tape.records and type(a) is not tensor:
            b = y
            q = None
        else:
            return bind(prim, (x, y), NO_PARAMS)
        try:
            out = prim.impl[type(a)](a, b)
        except Exception as error:
            out = prim.rescue((a, b), NO_PARAMS, error)
    elif tx in WEAK:
        tape = y._trace
        a = x
        p = None
        b = y._data
        q = y._mark
        if not tape.records or type(b) is tensor:
            return bind(prim, (x, y), NO_PARAMS)
        try:
            out = prim.impl[type(b)](a, b)
        except Exception as error:
            out = prim.rescue((a, b), NO_PARAMS, error)
    else:
        return bind(prim, (x, y), NO_PARAMS)
    v = _new(tensor)
    v._data = out
    v._trace = tape
    tracked = (p is not None) + 2 * (q is not None) & prim.mask
    if not tracked or tape.level <= state.floor:
        v._mark = None
        return v
    dropped = prim.drops.get(tracked)
    if dropped is None:
        dropped = dropped_by(prim, tracked, 2)
    v._mark = node = _new(Node)
    node.prim = prim
    node.params = NO_PARAMS
    node.parents = (p, q)
    node.saved = (None if 0 in dropped else a, None if 1 in dropped else b, None if 2 in dropped else out)
    node.shape = out.shape
    node.index = _number()
    node.extra = None
    if trace.watching:
        _look(node, out)
    return v


def dropped_by(prim: Primitive, tracked: int, n: int) -> tuple[int, ...]:
    """Which of ``n`` operands and the output no rule of the tracked operands reads."""
    pulls = pulls_of(prim)
    kept: set[int] = set()
    for k in range(n):
        if tracked >> k & 1:
            pull = pulls[0 if prim.variadic else k]
            kept |= pull.reads if pull is not None else set()
    dropped = tuple(k for k in range(n + 1) if k not in kept)
    if not prim.variadic:
        prim.drops[tracked] = dropped
    return dropped


def _keeps(prim: Primitive) -> int:
    """For a primitive of one operand: 1 if its rule reads the operand, plus 2 if it reads the output."""
    dropped = dropped_by(prim, 1, 1)
    prim.keeps = (0 not in dropped) + 2 * (1 not in dropped)
    return prim.keeps


def _look(node: Node, out: Any) -> None:
    """The rare part of recording: fingerprints of arrays that belong to the user, values kept for the eye."""
    for k, saved in enumerate(node.saved or ()):
        if id(saved) in borrowed.known:
            extra(node).prints.append((k, borrowed.take_print(saved)))
    if state.keep_values:
        e = extra(node)
        e.keep = True
        e.value = out


# ---- from rules to pullbacks ----------------------------------------------------------------------------------------


class Pull:
    """One operand's pullback: ``call(g, saved, shape, i, params)``, what of ``saved`` it reads, and how ``loose`` it is.

    0: the result has the operand's shape; 1: the output's, to which the operand may have been broadcast; 2: any shape
    from which to sum.
    """

    __slots__ = ("call", "loose", "reads")

    def __init__(self, call: Callable[..., Any], reads: Iterable[int], loose: int) -> None:
        self.call = call
        self.reads = frozenset(reads)
        self.loose = loose


def pulls_of(prim: Primitive) -> list[Pull | None]:
    """For each rule of ``prim`` its pullback; made when first used."""
    if prim.pulls is None:
        loose = 0 if len(prim.operands) == 1 or prim.variadic else 1 if prim.kind == "elementwise" else 2
        prim.pulls = [None if rule is None else Pull(*_pull(prim, rule), loose) for rule in prim.rules]
    pulls: list[Pull | None] = prim.pulls
    return pulls


def _pull(prim: Primitive, rule: Rule) -> tuple[Callable[..., Any], Iterable[int]]:
    operands = prim.operands
    match rule:
        case Scale(partial=1):
            return (lambda g, s, shape, i, params: g), ()
        case Scale(partial=-1):
            return (lambda g, s, shape, i, params: -g), ()
        case Scale(partial=float() | int() as factor):
            return (lambda g, s, shape, i, params: g * factor), ()
        case Scale(partial=formula, masked=False):
            assert not isinstance(formula, float | int)
            return compiled(formula, operands, "g * {}")
        case Scale(partial=formula):
            assert not isinstance(formula, float | int)
            return compiled(formula, operands, "masked(g, lambda: {})", masked=masked)
        case Select(mask=mask):
            return compiled(mask, operands, "where({}, g, 0.0)", where=where)
        case Linear(transpose=transpose):
            return compiled(transpose, operands, "{}", first="g")
        case Traced(map=map_):
            return compiled(map_, operands, "transposed(lambda t: {}, shape, g)", first="t", transposed=transposed)
    raise AssertionError(rule)


def masked(g: Any, partial: Callable[[], Any]) -> Any:
    """``g`` times a partial that may be infinite where it does not matter, without a warning about that."""
    with np.errstate(all="ignore"):
        return masked_multiply(g, partial())


# ---- the sweep ------------------------------------------------------------------------------------------------------

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
        there = waiting[node.index] = [node, [None] * len(node.shape)]
        heappush(heap, -node.index)
    there[1][i] = g if there[1][i] is None else there[1][i] + g


def _attend(node: Node, g: Any) -> Any:
    """The rare part of a visit: hooks, kept adjoints, arrays that may have been changed."""
    e = extra(node)
    for k, saved in e.prints:
        if node.saved is not None:
            borrowed.verify(node.saved[k], saved, node.name)
    for hook in list(e.hooks.values()):
        changed = hook(g)
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


# ---- transposition of a linear map, by tracing it on shapes alone -----------------------------------------------------


class Aval:
    """What a linear trace knows of a value: its shape and dtype."""

    __slots__ = ("dtype", "shape")

    def __init__(self, shape: Shape, dtype: Any) -> None:
        self.shape = shape
        self.dtype = dtype


class LinearTape(Trace):
    """Records a linear map without computing it: values are shapes, and only what transposes read is kept."""

    __slots__ = ()

    def process(self, prim: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        data = [self.lower(a) for a in args]
        parents = [self.mark(a) for a in args]
        for i, parent in enumerate(parents):
            if parent is not None and not prim.linear_in(i):
                raise AssertionError(
                    f"{prim.name} is not linear in its operand {i}, so it cannot stand in a derivative's map"
                )
        pulls_of(prim)
        shape = prim.shape(*[getattr(d, "shape", ()) for d in data], **params)
        first = next(d.dtype for d in data if type(d) is Aval)
        dtype = first if prim.dtype is None else prim.dtype(*[getattr(d, "dtype", None) for d in data], **params)
        saved = [None if type(d) is Aval else d for d in data]
        return value(Aval(shape, dtype), self, Node(prim, params, parents, [*saved, None], shape))


def transposed(function: Callable[[Any], Any], shape: Shape, g: Any) -> Any:
    """The cotangent of ``t`` under the linear map ``function``, whose output has cotangent ``g``.

    ``g`` may be a list, for a map with several outputs; None in it stands for zero.
    """
    from_ = g if type(g) is list else [g]
    like = next(c for c in from_ if c is not None)
    with LinearTape() as tape:
        leaf = Leaf(shape, like.dtype)
        out = function(value(Aval(shape, like.dtype), tape, leaf))
    outs = out if type(out) is tuple else (out,)
    seeds = [
        (tape.mark(o), sum_to(c, o.shape))
        for o, c in zip(outs, from_, strict=True)
        if c is not None and tape.mark(o) is not None
    ]
    found = sweep(seeds, retain=False).get(leaf)
    if found is None:
        return select.full(shape, 0, like)
    return found
