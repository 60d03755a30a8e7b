"""jit: a function is run once on symbols, and its graph, compiled, is what later calls with such arguments run."""

from __future__ import annotations

import functools as ft
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gpugrad import dtypes, errors, pytree, trace
from gpugrad.backends import select
from gpugrad.codegen.dialects import check
from gpugrad.graph.ir import Graph
from gpugrad.graph.memory import Update
from gpugrad.graph.stage import stage_of
from gpugrad.graph.usage import Usage
from gpugrad.graph.work import Work
from gpugrad.trace import raw_of, state, value
from gpugrad.transforms.cells import Cells, Effects, Held
from gpugrad.transforms.functional import argument_names, argument_positions, function_name
from gpugrad.transforms.lift import as_value, stopped
from gpugrad.transforms.numbers import alike
from gpugrad.transforms.program import Compiled, Program, Values, made
from gpugrad.transforms.retraces import Retraces
from gpugrad.transforms.step import Reading, Step
from gpugrad.transforms.tape import EAGER


class Jitted:
    """A compiled function: call it as the function itself. See :func:`jit`."""

    def __init__(self, f: Callable[..., Any], static_argnums: int | Sequence[int]) -> None:
        self.f = f
        self.static = static_argnums
        self._programs: dict[Any, _Call] = {}
        self._quick: dict[Any, tuple[Callable[[list[Any]], list[Any] | None], _Variant]] = {}
        """Shapes and dtypes of plain arguments -> what runs on them, or gives None if cells have changed."""
        self._numbers: dict[Any, _Call | None] = {}
        """Structure of arguments -> its program for any floats among them; None after the first of them."""
        self._retraces = Retraces(function_name(f))
        ft.update_wrapper(self, f, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        data: list[Any] = []
        key: list[Any] = [state.floor < 0, dtypes.default(), state.autocast]
        floats = 0
        if not kwargs:
            for x in args:  # the quick way, of plain tensors, arrays and floats alone
                if type(x) is float:
                    data.append(np.asarray(x))
                    key.append(float)
                    floats += 1
                    continue
                d = x._data if type(x) is trace.Tensor and x._mark is None and x._trace is EAGER else x
                if type(d) is not np.ndarray:
                    if type(d) not in select.compiled_types:
                        break
                    key.append(select.planner(d))
                if not d.flags.c_contiguous:
                    break
                data.append(d)
                key.append(d.shape)
                key.append(d.dtype)
            else:
                found = self._quick.get(tuple(key))
                if found is not None:
                    run, variant = found
                    outs = run(data)
                    if outs is not None:
                        return variant.result([value(o, EAGER, None) for o in outs])
        before = made.count
        call, values, held, variant = self._prepared(args, kwargs)
        try:
            out = variant(values, held)
        except BaseException:
            held.end()
            raise
        held.end(used=variant.effects.entries)
        if made.count != before:
            self._note(call, args, kwargs)
        if len(data) == len(args) and not kwargs and floats == len(call.weak):
            quick = variant.quick(held)
            if quick is not None:
                self._quick[tuple(key)] = quick, variant
        return out

    def __reaches__(self) -> tuple[Any, ...]:
        return (self.f,)  # and not its own programs, which another compiled function has nothing to do with

    def __del__(self) -> None:
        """Break the circle in which a program knows the function that it is of: arrays are free without the collector."""
        for call in self._calls():
            for variant in call.variants.values():
                del variant.program
            call.variants.clear()

    def _calls(self) -> list[_Call]:
        return [*self._programs.values(), *(call for call in self._numbers.values() if call is not None)]

    def _bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[_Call, Values]:
        """The program for these arguments, and those of them that it takes."""
        static = argument_positions(self.f, self.static, len(args)) if self.static != () else ()
        fixed = tuple(args[k] for k in static)
        leaves, tree = pytree.flatten(([None if k in static else a for k, a in enumerate(args)], kwargs))
        dynamic = [type(x) is trace.Tensor or select.is_array(x) for x in leaves]
        values = [as_value(x) for x, d in zip(leaves, dynamic, strict=True) if d]
        kept = tuple((type(x), x) for x, d in zip(leaves, dynamic, strict=True) if not d)
        key = tree, tuple(dynamic), kept, static, fixed
        try:
            found = self._programs.get(key)
        except TypeError:
            odd = next(x for x in (*fixed, *(x for _, x in kept)) if not _hashable(x))
            raise errors.DtypeError(
                f"jit of {function_name(self.f)}: an argument of type {type(odd).__name__} is no array, and not hashable; expected arrays, tensors and containers of them, and for what is static something hashable"
            ) from None
        if found is None:
            found, values = self._for_any_numbers(leaves, key, values)
        if found is None:
            found = self._programs[key] = _Call(self.f, tree, dynamic, [x for _, x in kept], static, fixed)
        return found, values

    def _for_any_numbers(self, leaves: Sequence[Any], key: Any, values: Values) -> tuple[_Call | None, Values]:
        """The program that takes floats as arguments, and its arguments; None where floats are constants."""
        tree, dynamic, kept, static, fixed = key
        floats = [not d and type(x) is float for x, d in zip(leaves, dynamic, strict=True)]
        if not any(floats) or dtypes.default() != np.float64:
            return None, values
        rest = tuple(k for k in kept if k[0] is not float)
        family = tree, dynamic, tuple(floats), rest, static, fixed
        if family not in self._numbers:
            self._numbers[family] = None  # a first number: it may be the only one
            return None, values
        found = self._numbers[family]
        if found is None:
            either = [d or f for d, f in zip(dynamic, floats, strict=True)]
            found = _Call(self.f, tree, either, [x for _, x in rest], static, fixed, floats)
            self._numbers[family] = found
        if found.refused:
            return None, values
        given = iter(values)
        return found, [
            value(np.asarray(x), EAGER, None) if f else next(given)
            for x, d, f in zip(leaves, dynamic, floats, strict=True)
            if d or f
        ]

    def _prepared(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[_Call, Values, Held, _Variant]:
        """What runs for these arguments, with the cells as they are."""
        while True:
            call, values = self._bound(args, kwargs)
            held = Held(call.cells)
            try:
                variant = call.variant(held)
                if not call.weak or variant.takes_numbers(values, held):
                    return call, values, held, variant
            except BaseException:
                held.end()
                raise
            held.end()
            call.refused = True

    def _note(self, call: _Call, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        fixed = call.static.items()
        leaves = pytree.leaves(([None if k in call.static else a for k, a in enumerate(args)], kwargs))
        names = argument_names(self.f, len(args))
        self._retraces.note([*call.paths, *(names[k] for k, _ in fixed)], [*leaves, *(x for _, x in fixed)])

    @property
    def seconds(self) -> float:
        """How long compiling took so far, for all kinds of arguments together."""
        return sum(v.program.seconds for call in self._calls() for v in call.variants.values())

    def graph(self, *args: Any, **kwargs: Any) -> Graph:
        """The program for such arguments, simplified: ``print`` it, each operation beside the line it came from."""
        return self._compiled(args, kwargs).plan.graph

    def sources(self, *args: Any, dialect: str = "numba", **kwargs: Any) -> dict[str, str]:
        """The text of each kernel that runs for such arguments, by its name in the plan, as a dialect has it.

        ``"numba"`` is what runs on the CPU; ``"cuda"`` is CUDA C++ and ``"numba_cuda"`` Numba for CUDA, which can be
        printed without a GPU. An argument of the function's own that is called ``dialect`` is given by its position.
        ArgumentError for any other dialect; UnsupportedError for a kernel that a dialect has no words for.

        >>> import gpugrad as gg
        >>> f = gg.jit(lambda x: gg.exp(x) + 1.0)
        >>> print(f.sources(gg.zeros((4, 1025)), dialect="cuda")["kernel_0"])
        #include "packs.cuh"
        #include "scalars.cuh"
        ...
        """
        check(dialect)
        return self._compiled(args, kwargs).plan.sources(dialect)

    def memory(self, *args: Any, **kwargs: Any) -> Usage:
        """The memory that a call with such arguments takes, in bytes: ``.peak``, and what it is made of; ``print`` it.

        >>> import gpugrad as gg
        >>> f = gg.jit(lambda x: gg.sum(gg.sin(x) @ gg.cos(x)))
        >>> f.memory(gg.zeros((100, 100))).arguments
        80000
        """
        return self._compiled(args, kwargs).plan.usage()

    def work(self, *args: Any, **kwargs: Any) -> Work:
        """What a call with such arguments does: ``.bytes`` moved, ``.products`` of matrices, other ``.operations``.

        >>> import gpugrad as gg
        >>> f = gg.jit(lambda x: gg.sin(x) @ x)
        >>> f.work(gg.zeros((100, 100)))
        Work(bytes=400000, products=2000000, operations=10000)
        """
        return self._compiled(args, kwargs).plan.work()

    def plan(self, *args: Any, **kwargs: Any) -> str:
        """What is called for such arguments, one kernel or library routine after another, as Python.

        Beside a kernel stands what it reads and writes, beside a call of the library the user's line.
        """
        return str(self._compiled(args, kwargs).plan)

    def _compiled(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Compiled:
        _, values, held, variant = self._prepared(args, kwargs)
        try:
            return variant.compiled(values, held)
        finally:
            held.end()


def _hashable(x: Any) -> bool:
    try:
        hash(x)
    except TypeError:
        return False
    return True


class _Call:
    """A function for one structure of arguments."""

    def __init__(
        self,
        f: Callable[..., Any],
        tree: pytree.Tree,
        dynamic: Sequence[bool],
        kept: Sequence[Any],
        static: Sequence[int],
        fixed: Sequence[Any],
        floats: Sequence[bool] = (),
    ) -> None:
        self.f = f
        self.tree = tree
        self.dynamic = dynamic
        self.kept = kept
        self.static = dict(zip(static, fixed, strict=True))
        self.weak = frozenset(k for k, f in enumerate(f for f, d in zip(floats, dynamic, strict=False) if d) if f)
        """The positions, among the arrays, of those that are Python floats to the function."""
        self.refused = False
        """Whether the function turned out to need them as constants."""
        self.cells = Cells(f)
        self.variants: dict[Any, _Variant] = {}
        arguments, keywords = tree.children
        roots = argument_names(f, len(arguments.children))
        paths = [p for name, t in zip(roots, arguments.children, strict=True) for p in pytree.paths(t, name)]
        paths += [re.sub(r"^\['(\w+)'\]", r"\1", p) for p in pytree.paths(keywords)]
        self.paths = paths
        """The names of all leaves, as a user would write them."""
        self.names = [re.sub(r"\W+", "_", p).strip("_") for p, d in zip(paths, dynamic, strict=True) if d]

    def variant(self, held: Held) -> _Variant:
        """The program for cells as they are."""
        key = state.floor < 0, state.autocast, held.kind
        found = self.variants.get(key)
        if found is None:
            found = self.variants[key] = _Variant(self, held)
        return found

    def arguments(self, values: Values) -> tuple[list[Any], dict[str, Any]]:
        """A flat list of arrays in the structure of the call."""
        given, kept = iter(values), iter(self.kept)
        args, kwargs = pytree.unflatten(self.tree, [next(given) if d else next(kept) for d in self.dynamic])
        for k, x in self.static.items():
            args[k] = x
        return args, kwargs


class _Variant:
    """The program for a function whose cells hold what they do: from a flat list of values to one."""

    def __init__(self, call: _Call, held: Held) -> None:
        self.call = call
        self.held = held
        self.ran: Compiled | None = None
        """What the last call ran, if that was all it ran."""
        self.effects = Effects()
        self.differentiable = False
        """Whether the results can be differentiated in tensors that the function closes over."""
        self.out_tree: pytree.Tree = pytree.LEAF
        self.constants: dict[int, Any] = {}
        """Results that are no arrays, by their position."""
        names = [*call.names, *(f"cell_{k}" for k in range(len(held.values)))]
        self.program = Program(self.flat, function_name(call.f), names, self.updates, call.weak)
        self.results = 0
        """How many arrays the function gives."""
        self.steps: dict[Compiled, Step] = {}
        self._taken: dict[Any, bool] = {}
        """Kinds of arguments -> whether floats among them may be arguments."""

    def __call__(self, values: Values, held: Held) -> Any:
        self.ran = None if self.differentiable else self.plain(values, held)
        if self.ran is not None and self.ran.updates:
            return self.stepped(self.ran, values, held)
        if not self.differentiable:
            try:
                outs = self.program([*values, *map(stopped, held.values)])
            except _Differentiable:
                self.differentiable = True
        if self.differentiable:
            outs = self.program([*values, *held.values])
        n = self.results
        if self.effects.values or self.effects.freed:
            held.put(self.effects, dict(enumerate(outs[n:])))
        return self.result(outs[:n])

    def plain(self, values: Values, held: Held) -> Compiled | None:
        """What runs if no value is traced; None if there is more to do than to run it."""
        data = self.program.plain([*values, *map(stopped, held.values)])
        try:
            return None if data is None else self.program.at(data)
        except _Differentiable:
            self.differentiable = True
            return None

    def stepped(self, compiled: Compiled, values: Values, held: Held) -> Any:
        """Run as a step: most effects are where they belong when it returns, the others are put there."""
        data = self.program.plain(values)
        assert data is not None
        step = self.steps.get(compiled)
        if step is None:
            step = self.steps[compiled] = Step(compiled)
        outs = [value(o, EAGER, None) for o in step.first(data, held, self.effects.entries)]
        n = self.results
        places = [k - n for k in compiled.plan.kept[n:]]
        held.put(self.effects, dict(zip(places, outs[n:], strict=True)))
        return self.result(outs[:n])

    def quick(self, held: Held) -> Callable[[list[Any]], list[Any] | None] | None:
        """What runs for such arguments at once, as long as the cells stay as they are; None if nothing can."""
        compiled, effects = self.ran, self.effects
        if compiled is None or self.differentiable:
            return None
        if held.cells.none:
            return compiled.run
        if not effects.values and not effects.freed:
            reading = Reading(compiled)
            reading.take(held)
            return reading
        if len(compiled.updates) == len(effects.values) and not effects.freed:
            return self.steps[compiled]
        return None

    def updates(self) -> tuple[list[Update], range]:
        """Which results replace which arguments of the program, and which of them are cells that may be replaced."""
        first, effects, held = len(self.call.names), self.effects, self.held
        cells = held.values
        grads = len(held.tensors)
        entries = grads + sum(held.graded)
        places: list[int | None] = list(effects.data)
        places += [_rank(held.graded, k, grads) for k in effects.grads]
        places += [None] * len(effects.slots)
        places += [_rank(held.filled, k, entries) for k in effects.entries]
        found = []
        for k, (at, new) in enumerate(zip(places, effects.values, strict=True)):
            if at is not None and (new.shape, new.dtype) == (cells[at].shape, cells[at].dtype):
                found.append(Update(self.results + k, first + at, grads <= at < entries))
        return found, range(first, first + len(cells)) if found else range(0)

    def compiled(self, values: Values, held: Held) -> Compiled:
        """What runs on arrays like these: if the results have derivatives in cells, what computes them and is to be read then."""
        whole = [*values, *held.values]
        data = [v._data for v in whole]
        if not self.differentiable:
            try:
                return self.program.at(data)
            except _Differentiable:
                self.differentiable = True
        tracked = [k for k, v in enumerate(whole) if v._mark is not None and dtypes.is_inexact(v.dtype)]
        return self.program.halves_at(data, tracked).forward

    def takes_numbers(self, values: Values, held: Held) -> bool:
        """Whether the function computes the same where floats among its arguments are not known as where they are."""
        like = [*values, *held.values]
        key = tuple([(v.shape, v.dtype) for v in like])
        if key not in self._taken:
            numbers = {k: float(raw_of(values[k])) for k in self.call.weak}
            try:
                unknown = self._staged(like, weak=True)
                # afterwards, so that what the function leaves in attributes and lists are numbers
                known = self._staged(like, weak=False)
            except _Differentiable:
                self.differentiable = True
                return self.takes_numbers(values, held)
            self._taken[key] = (
                known is not None
                and unknown is not None
                and (bool(known[1:] == unknown[1:]) and alike(known[0], unknown[0], numbers))
            )
        return self._taken[key]

    def _staged(self, like: Values, weak: bool) -> tuple[Graph, pytree.Tree, dict[int, Any]] | None:
        """What the function is for such arguments; None if it fails, since it asks for a number or keeps it."""
        try:
            return self.program.staged(like, weak), self.out_tree, self.constants
        except _Differentiable:
            raise
        except Exception:  # where it fails with the number, too, it will say so when it runs
            return None

    def flat(self, values: Values) -> Values:
        """The function on a flat list: its arguments and cells, its results and what became of the cells."""
        n = len(self.call.names)
        if self.call.weak:
            values = [
                float(v) if k in self.call.weak and stage_of(raw_of(v)) is None else v for k, v in enumerate(values)
            ]
        args, kwargs = self.call.arguments(values[:n])
        with self.held.standing(values[n:]) as effects:
            outs, self.out_tree = pytree.flatten(self.call.f(*args, **kwargs))
            self.constants = {
                k: o for k, o in enumerate(outs) if type(o) is not trace.Tensor and not select.is_array(o)
            }
            results = [as_value(o) for k, o in enumerate(outs) if k not in self.constants]
        self.effects = effects
        self.results = len(results)
        if effects.trains:
            results = [stopped(o) for o in results]
        elif not self.differentiable and any(o._trace is EAGER and o._mark is not None for o in results):
            raise _Differentiable
        return [*results, *effects.values]

    def result(self, outs: Values) -> Any:
        """The results in their containers."""
        if self.out_tree is pytree.LEAF and not self.constants:
            return outs[0]
        arrays = iter(outs)
        n = len(outs) + len(self.constants)
        return pytree.unflatten(
            self.out_tree, [self.constants[k] if k in self.constants else next(arrays) for k in range(n)]
        )


def _rank(there: Sequence[bool], k: int, first: int) -> int | None:
    """The position of what is at place ``k`` among what is there at all, counted from ``first``; None if it is not."""
    return first + sum(there[:k]) if there[k] else None


class _Differentiable(Exception):
    """A result has a derivative in tensors that the function closes over."""


def jit(f: Callable[..., Any] | None = None, *, static_argnums: int | Sequence[int] = ()) -> Any:
    """``f`` compiled: for each kind of arguments it runs once on symbols, and from then on what it computed then.

    What is elementwise is fused with its reductions into loops that are compiled by Numba; the rest are calls of the
    library, in memory that is there already. Arrays and tensors, in any containers, are the arguments; everything else
    (numbers, strings, None, and whatever ``static_argnums`` names) is static: it must be hashable, and another value
    makes another program, as another shape or dtype does. A float that changes (a learning rate) becomes an argument
    when a second value comes, if the function only computes with it; it remains as weak as a number is. Inside, any
    transform may be used; outside, the compiled function may be differentiated and mapped as ``f`` may, and is compiled
    then, too. Keys of random numbers are drawn anew at each call. CompileWarning, once, for a function that is compiled
    for ever more kinds of arguments (``gg.config.retrace_limit``).

    Python runs when a program is made, and no more: it sees symbols, whose shapes and dtypes are known and whose numbers are
    not. TraceError where those are asked for, by ``if`` say: gg.where is for that, or a static argument.

    >>> import gpugrad as gg
    >>> f = gg.jit(gg.grad(lambda x: gg.sum(gg.sin(x) * x)))
    >>> f(gg.tensor([0.0, 1.0]))
    tensor([0.        , 1.38177329])
    >>> list(f.sources(gg.tensor([0.0, 1.0])))
    ['kernel_0']
    """
    if f is None:
        return ft.partial(jit, static_argnums=static_argnums)
    return Jitted(f, static_argnums)
