"""Whole functions as one recorded operation: checkpoint, custom_vjp, custom_jvp.

Like ``bind``, a call goes to the newest trace among its arguments. The tape records one node for it. Other traces are
peeled: the function is wrapped so that it takes and gives what lies below, and called again there, so that a tape
further down still sees one call.
"""

from __future__ import annotations

import functools as ft
import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from gpugrad import errors, pytree, trace
from gpugrad.backends import select
from gpugrad.graph.stage import stage_of
from gpugrad.ops.casting import resumed
from gpugrad.ops.linear import again, reduce_sum
from gpugrad.trace import Draws, Ended, Trace, drawing, state, value
from gpugrad.transforms import borrowed
from gpugrad.transforms.batch import Batch, repeated
from gpugrad.transforms.forward import Forward
from gpugrad.transforms.functional import fitting, function_name, pair
from gpugrad.transforms.lift import as_value, lowered, raised
from gpugrad.transforms.linear_program import transposes
from gpugrad.transforms.node import CALL, Node
from gpugrad.transforms.pull import LinearTape
from gpugrad.transforms.sweep import sweep
from gpugrad.transforms.tape import EAGER, Tape

Values = list[Any]
Call = Callable[[Values], Values]


# ---- traces below a call ------------------------------------------------------------------------------------------------


def _newest(values: Sequence[Any]) -> Trace:
    """The newest trace among the values; the eager tape if there is no other."""
    top: Trace = EAGER
    for v in values:
        if type(v) is trace.Tensor and v._trace.level > top.level:
            top = v._trace
    return top


def _tracked(values: Sequence[Any], tape: Trace) -> bool:
    return any(tape.mark(v) is not None for v in values)


def _peeled(call: Call, top: Trace, values: Values) -> tuple[Call, Values, Callable[[Values], Values]]:
    """``call`` for what lies below ``top``: the wrapped call, its arguments, and how to wrap its results again."""
    mine = [top.mark(v) is not None for v in values]
    below = [top.lower(v) for v in values]
    if isinstance(top, Forward):
        below += [top.mark(v) for v, m in zip(values, mine, strict=True) if m]
    marks: list[bool] = []

    def rewrap(lower: Values) -> Values:
        extra = iter(lower[len(mine) :])
        out = []
        for v, m in zip(lower, mine, strict=False):
            if not m:
                out.append(v)
            elif isinstance(top, Forward):
                out.append(value(v, top, next(extra)))
            else:
                assert isinstance(top, Batch)
                out.append(value(v, top, top.size))
        return out

    def lower_call(lower: Values) -> Values:
        with _Recording(top):
            outs = call(rewrap(lower))
        marks[:] = [top.mark(o) is not None for o in outs]
        result = [top.lower(o) for o in outs]
        if isinstance(top, Forward):
            result += [top.mark(o) for o, m in zip(outs, marks, strict=True) if m]
        return [raised(v) for v in result]

    def lift_results(results: Values) -> Values:
        extra = iter(results[len(marks) :])
        out = []
        for v, m in zip(results, marks, strict=False):
            if not m:
                out.append(v)
            elif isinstance(top, Forward):
                out.append(value(lowered(v), top, lowered(next(extra))))
            else:
                assert isinstance(top, Batch)
                out.append(value(lowered(v), top, top.size))
        return out

    return lower_call, [raised(b) for b in below], lift_results


class _Recording:
    """Let ``top`` compute, and record, though its transform may have ended."""

    def __init__(self, top: Trace) -> None:
        self.top = top
        if isinstance(top, Ended):
            top.__class__ = top.kind
            top.records = isinstance(top, Tape)

    def __enter__(self) -> None:
        self.before = state.floor
        state.floor = min(self.before, self.top.level - 1)

    def __exit__(self, *_: object) -> None:
        state.floor = self.before


def _recorded(
    tape: Tape, name: str, parents: Sequence[Node | None], saved: Any, outs: Values, pull: Callable[..., Any]
) -> Values:
    """The results ``outs`` (data of the tape) as outputs of one node."""
    node = Node(CALL, {"pull": pull, "name": name}, parents, saved, tuple(o.shape for o in outs))
    return list(tape.items(node, outs))


def _flat(f: Callable[..., Any], args: Any) -> tuple[Call, Values, list[pytree.Tree]]:
    """``f`` on the leaves of its arguments; the structure of its result is left in the list."""
    leaves, tree = pytree.flatten(args)
    out_tree: list[pytree.Tree] = []

    def call(values: Values) -> Values:
        outs, shape = pytree.flatten(f(*pytree.unflatten(tree, values)))
        out_tree[:] = [shape]
        return [as_value(o) for o in outs]

    return call, leaves, out_tree


# ---- checkpoint ---------------------------------------------------------------------------------------------------------


def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    """``f`` with its intermediate values forgotten, and computed again when its derivative is taken.

    Saves memory for time: one more run of ``f``. Tensors that ``f`` closes over (the parameters of a module, say) get
    their gradients too. ``f`` must compute the same each time; what it draws from gg.random's generators is drawn
    again as it was. Raises GraphError where the second run returns other shapes, or draws more, than the first.

    >>> import gpugrad as gg
    >>> gg.grad(gg.checkpoint(lambda x: gg.sin(gg.sin(x))))(gg.tensor(0.0))
    tensor(1.)
    """

    @ft.wraps(f)
    def run(*args: Any, **kwargs: Any) -> Any:
        call, leaves, out_tree = _flat(lambda *a: f(*a, **kwargs), args)
        outs = _checkpointed(call, leaves, function_name(f))
        return pytree.unflatten(out_tree[0], outs)

    return run


def _checkpointed(call: Call, values: Values, name: str) -> Values:
    top = _newest(values)
    if isinstance(top, LinearTape):
        return call(values)  # it keeps nothing that could be forgotten
    if not isinstance(top, Tape):
        lower_call, below, lift = _peeled(call, top, values)
        return lift(_checkpointed(lower_call, below, name))
    if top.level <= state.floor:
        return call(values)
    start = Node(CALL, {}, (), (), ())  # numbers nodes: those made before are outside
    with drawing(Draws(state.draws)) as draws:
        outs = call(values)
    if any(type(o) is trace.Tensor and o._trace is not top and o._trace is not EAGER for o in outs):
        return outs  # it closes over a newer trace, which has seen everything already
    given = [top.mark(v) for v in values]
    outside = _outside([top.mark(o) for o in outs], start.index)
    if not outside:
        return outs
    saved = [top.lower(v) for v in values]
    for v in values:
        borrowed.register(v)
    shapes = [o.shape for o in outs]
    mode = state.autocast

    def pull(g: Any, kept: Sequence[Any], tracer: Trace | None) -> Iterator[tuple[Node, Any]]:
        late = next(c for c in g if c is not None)
        keys = [_afresh(key, late) for key in draws.keys]
        with _Recording(top), drawing(Draws(None, keys)), resumed(mode):
            second = call(
                [
                    value(lowered(_afresh(v, late)), top, m) if hasattr(v, "dtype") else v
                    for v, m in zip(kept, given, strict=True)
                ]
            )
        if [o.shape for o in second] != shapes:
            raise errors.GraphError(
                f"checkpoint({name}): its results have shapes {[o.shape for o in second]} when it runs again for the derivative, and had {shapes}; expected a function that computes the same each time"
            )
        seeds = [(top.mark(o), c) for o, c in zip(second, g, strict=True) if c is not None and top.mark(o) is not None]
        yield from sweep(seeds, retain=tracer is not None, tracer=tracer, stops=frozenset(outside)).items()

    return _recorded(top, f"checkpoint({name})", outside, saved, [top.lower(o) for o in outs], pull)


def _afresh(x: Any, late: Any) -> Any:
    """A value from which to compute once more: while a function is compiled, not before ``late`` is there."""
    bottom = x
    while type(bottom) is trace.Tensor:
        bottom = bottom._data
    return x if stage_of(bottom) is None else again(x, late)


def _outside(ends: Sequence[Node | None], start: int) -> list[Node]:
    """The nodes made before ``start`` on which the ends depend directly."""
    found: dict[int, Node] = {}
    seen: set[int] = set()
    stack = [e for e in ends if e is not None]
    while stack:
        node = stack.pop()
        if node.index in seen:
            continue
        seen.add(node.index)
        if node.index < start:
            found[node.index] = node
        else:
            stack += [p for p in node.parents if p is not None]
    return list(found.values())


# ---- rules of the user ----------------------------------------------------------------------------------------------------


class custom_vjp:  # noqa: N801  (used as a decorator)
    """A function with a reverse rule of its own, which also serves forward mode, by transposition.

    ``f.defvjp(fwd, bwd)``: ``fwd(*args) -> (result, residuals)`` and ``bwd(residuals, cotangent) -> cotangents``, a
    tuple with one per argument (None for zero). ``bwd`` must be linear in the cotangent; written in gpugrad's
    operations it can be differentiated again, batched and transposed. Cotangents of complex values are those of the
    transpose, not of the adjoint: for z², 2·z·g. A value that ``f`` closes over is a constant; pass what is to be
    differentiated as an argument.

    >>> import gpugrad as gg
    >>> @gg.custom_vjp
    ... def clipped(x): return x
    >>> clipped.defvjp(lambda x: (x, None), lambda _, g: (gg.clip(g, -1.0, 1.0),))
    >>> gg.grad(lambda x: 5.0 * clipped(x))(gg.tensor(2.0))
    tensor(1.)
    """

    def __init__(self, f: Callable[..., Any]) -> None:
        self.f = f
        self.fwd: Callable[..., Any] | None = None
        self.bwd: Callable[..., Any] | None = None
        ft.update_wrapper(self, f, updated=())  # names and docstring only: f may have attributes like ours

    def defvjp(self, fwd: Callable[..., Any], bwd: Callable[..., Any]) -> None:
        """Set the rule."""
        self.fwd, self.bwd = fwd, bwd

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        name = function_name(self.f)
        args = _by_position(self.f, args, kwargs)
        if self.fwd is None or self.bwd is None:
            raise errors.GraphError(f"custom_vjp {name} has no rule yet: {name}.defvjp(fwd, bwd)")
        fwd, bwd = self.fwd, self.bwd
        leaves, tree = pytree.flatten(args)
        box: dict[str, Any] = {}

        def call(values: Values) -> Values:
            out, residuals = pair(
                fwd(*pytree.unflatten(tree, values)), f"custom_vjp {name}: fwd", "(result, residuals)"
            )
            outs, box["out"] = pytree.flatten(out)
            kept, box["residuals"] = pytree.flatten(residuals)
            box["n"] = len(outs)
            return [as_value(o) for o in outs] + [as_value(k) if hasattr(k, "dtype") else k for k in kept]

        def back(values: Values) -> Values:
            n = box["n"]
            given = bwd(pytree.unflatten(box["residuals"], values[n:]), pytree.unflatten(box["out"], values[:n]))
            if type(given) is not tuple or len(given) != len(args):
                raise errors.ShapeError(
                    f"custom_vjp {name}: bwd must return a tuple of {len(args)} cotangents, one per argument, not {given!r}"
                )
            return [
                leaf
                for k, (ct, a) in enumerate(zip(given, args, strict=True))
                for leaf in _cotangents(ct, a, f"custom_vjp {name}: the cotangent that bwd returned for argument {k}")
            ]

        outs = _with_rule(_Rule(name, call, back, None, lambda: box["n"]), leaves)
        return pytree.unflatten(box["out"], outs[: box["n"]])


def _by_position(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """The arguments of a call of ``f``, those passed by name put in their places."""
    if not kwargs:
        return args
    bound = inspect.signature(f).bind(*args, **kwargs)
    bound.apply_defaults()
    if bound.kwargs:
        raise errors.UnsupportedError(
            f"{function_name(f)} has a derivative rule, which goes by position; expected no argument that has to be passed by name, not {', '.join(bound.kwargs)}"
        )
    return bound.args


def _cotangents(ct: Any, like: Any, what: str) -> Iterator[Any]:
    """A cotangent for each leaf of ``like``; None in ``ct`` stands for zeros, of a leaf or of a whole container."""
    wanted = pytree.children(like)
    if ct is None:
        yield from [None] * len(pytree.leaves(like))
    elif wanted is None:
        yield ct
    else:
        given = pytree.children(ct)
        if given is None or given.keys() != wanted.keys():
            raise errors.ShapeError(
                f"{what} has the structure {pytree.describe(pytree.flatten(ct)[1])}; expected {pytree.describe(pytree.flatten(like)[1])}, or None for zeros"
            )
        for key, x in wanted.items():
            yield from _cotangents(given[key], x, what)


class custom_jvp:  # noqa: N801  (used as a decorator)
    """A function with a forward rule of its own, which also serves reverse mode, by transposition.

    ``f.defjvp(rule)``: ``rule(primals, tangents) -> (result, tangent)``, both tuples with one entry per argument; the
    tangent must be linear in the tangents.

    >>> import gpugrad as gg
    >>> @gg.custom_jvp
    ... def log1pexp(x): return gg.log1p(gg.exp(x))
    >>> log1pexp.defjvp(lambda x, t: (log1pexp(*x), t[0] * gg.sigmoid(x[0])))
    >>> gg.grad(log1pexp)(gg.tensor(0.0))
    tensor(0.5)
    """

    def __init__(self, f: Callable[..., Any]) -> None:
        self.f = f
        self.rule: Callable[..., Any] | None = None
        ft.update_wrapper(self, f, updated=())  # names and docstring only: f may have attributes like ours

    def defjvp(self, rule: Callable[..., Any]) -> None:
        """Set the rule."""
        self.rule = rule

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        name = function_name(self.f)
        args = _by_position(self.f, args, kwargs)
        if self.rule is None:
            raise errors.GraphError(f"custom_jvp {name} has no rule yet: {name}.defjvp(rule)")
        rule = self.rule
        call, leaves, out_tree = _flat(self.f, args)
        _, tree = pytree.flatten(args)

        def push(values: Values) -> Values:
            n = len(values) // 2
            what = f"custom_jvp {name}: the rule"
            primals, tangents = pytree.unflatten(tree, values[:n]), pytree.unflatten(tree, values[n:])
            result, tangent = pair(rule(primals, tangents), what, "(result, tangent)")
            results = pytree.leaves_like(out_tree[0], result, f"{what}'s result")
            moved = [as_value(t) for t in pytree.leaves_like(out_tree[0], tangent, f"{what}'s tangent")]
            for t, r in zip(moved, map(as_value, results), strict=True):
                if t.shape != r.shape:
                    raise errors.ShapeError(f"{what}'s tangent of shape {t.shape} for a result of shape {r.shape}")
            return moved

        outs = _with_rule(_Rule(name, call, None, push, lambda: len(pytree.paths(out_tree[0]))), leaves)
        return pytree.unflatten(out_tree[0], outs)


class _Rule:
    """A function on flat lists of values with one rule: ``back(cotangents + residuals)`` or ``push(primals + tangents)``."""

    def __init__(self, name: str, call: Call, back: Call | None, push: Call | None, results: Callable[[], int]) -> None:
        self.name = name
        self.call = call
        """The results, followed by the residuals."""
        self.back = back
        self.push = push
        self.results = results
        """How many of what ``call`` gave are results."""


def _with_rule(rule: _Rule, values: Values) -> Values:
    """All that ``rule.call`` gives, its results carrying the rule's derivative."""
    top = _newest(values)
    if isinstance(top, Tape):
        return _on_tape(rule, top, values)
    if isinstance(top, Forward):
        return _pushed(rule, top, values)
    assert isinstance(top, Batch)
    return _mapped(rule, top, values)


def _below(rule: _Rule, values: Values) -> Values:
    """The results for the traces further down: by the rule again if it is a forward one alone, else as ``fwd`` computes them,
    since a rule's residuals, too, may depend on what those traces differentiate.
    """
    return (
        _with_rule(rule, values)
        if rule.back is None and any(type(v) is trace.Tensor and v._mark is not None for v in values)
        else rule.call(values)
    )


def _on_tape(rule: _Rule, tape: Tape, values: Values) -> Values:
    parents = [tape.mark(v) for v in values]
    data = [raised(tape.lower(v)) if type(v) is trace.Tensor else v for v in values]
    outs = _below(rule, data)
    n = rule.results()
    if any(tape.mark(o) is not None for o in outs):
        raise errors.GraphError(
            f"{rule.name} has a derivative rule and closes over a value that is being differentiated; pass it as an argument"
        )
    if tape.level <= state.floor or not _tracked(values, tape):
        return outs
    lower = [lowered(o) for o in outs[:n]]
    for v in values:
        borrowed.register(v)
    kept = [*data, *outs[n:]]
    tensors = [type(k) is trace.Tensor for k in kept]

    def pull(g: Any, saved: Sequence[Any], tracer: Trace | None) -> Iterator[tuple[Node, Any]]:
        values = [raised(s) if is_tensor else s for s, is_tensor in zip(saved, tensors, strict=True)]
        operands = [
            value(lowered(v), tape, p) if tracer is not None and p is not None else v
            for v, p in zip(values, parents, strict=False)
        ]
        residuals = values[len(parents) :]
        cotangents = [select.full(o.shape, 0, o) if c is None else c for c, o in zip(g, lower, strict=True)]
        if rule.back is not None:
            again = rule.call(operands)[n:] if tracer is not None else residuals
            cts = rule.back([raised(c) for c in cotangents] + again)
        else:
            assert rule.push is not None
            push = rule.push
            places = [k for k, p in enumerate(parents) if p is not None]
            like = [lowered(operands[k]) for k in places]

            def linear(ts: Values) -> Values:
                tangents = [select.full(v.shape, 0, v) if type(v) is trace.Tensor else v for v in operands]
                for k, t in zip(places, ts, strict=True):
                    tangents[k] = t
                return push(
                    [
                        *operands,
                        *[as_value(t) if type(operands[k]) is trace.Tensor else t for k, t in enumerate(tangents)],
                    ]
                )

            cts = [None] * len(operands)
            for k, ct in zip(places, transposes(linear, like, cotangents), strict=True):
                cts[k] = ct
        for k, (p, ct) in enumerate(zip(parents, cts, strict=True)):
            if p is not None and ct is not None:
                yield p, fitting(ct, lowered(operands[k]), f"{rule.name}: the rule's cotangent of argument {k}")

    outs[:n] = _recorded(
        tape,
        rule.name,
        [p for p in parents if p is not None],
        [lowered(k) if is_tensor else k for k, is_tensor in zip(kept, tensors, strict=True)],
        lower,
        pull,
    )
    return outs


def _pushed(rule: _Rule, forward: Forward, values: Values) -> Values:
    primals = [raised(forward.lower(v)) if type(v) is trace.Tensor else v for v in values]
    outs = _below(rule, primals)
    n = rule.results()
    tangents = [forward.mark(v) for v in values]
    places = [k for k, t in enumerate(tangents) if t is not None]
    if rule.push is not None:
        zeros = [select.full(v.shape, 0, v) if type(v) is trace.Tensor else v for v in primals]
        given = [z if t is None else t for t, z in zip(tangents, zeros, strict=True)]
        moved = rule.push(
            primals + [as_value(t) if type(v) is trace.Tensor else t for t, v in zip(given, primals, strict=True)]
        )
    else:
        assert rule.back is not None
        back = rule.back

        def linear(cts: Values) -> Values:
            found = back(cts + outs[n:])
            return [found[k] for k in places]

        moved = transposes(linear, [lowered(o) for o in outs[:n]], [tangents[k] for k in places])
    dual = [
        forward.dual(lowered(o), fitting(t, o, f"{rule.name}: the rule's tangent"))
        for o, t in zip(outs[:n], moved, strict=True)
    ]
    return [raised(d) for d in dual] + outs[n:]


def _mapped(rule: _Rule, batch: Batch, values: Values) -> Values:
    """The rule below a batch: whatever it computes carries the leading axis, except arguments that came without it."""
    mine = [batch.mark(v) is not None for v in values]

    def under(function: Call, flags: Callable[[Values], list[bool]]) -> Call:
        """``function`` below a batch of its own, opened each time: whatever traces are open then are outside of it."""

        def run(vs: Values) -> Values:
            with Batch(batch.size) as fresh:
                outs = function([_into(fresh, v) if flag else v for v, flag in zip(vs, flags(vs), strict=True)])
            return [_out_of(fresh, o) for o in outs]

        return run

    def back(vs: Values) -> Values:
        assert rule.back is not None
        cts = under(rule.back, lambda given: [True] * len(given))(vs)
        return [c if m or c is None else reduce_sum(c, axis=(-len(c.shape),)) for c, m in zip(cts, mine, strict=True)]

    call = under(rule.call, lambda _: mine)
    push = under(rule.push, lambda _: mine + mine) if rule.push else None
    lower = _Rule(rule.name, call, back if rule.back else None, push, rule.results)
    outs = _with_rule(lower, [raised(batch.lower(v)) if type(v) is trace.Tensor else v for v in values])
    return [_into(batch, o) for o in outs]


def _into(batch: Batch, v: Any) -> Any:
    return value(lowered(v), batch, batch.size) if type(v) is trace.Tensor else v


def _out_of(batch: Batch, v: Any) -> Any:
    """What lies below a batch, with the leading axis; what is no tensor, as it is."""
    if type(v) is not trace.Tensor:
        return v
    return raised(v._data if batch.mark(v) is not None else repeated(lowered(v), batch.size))
