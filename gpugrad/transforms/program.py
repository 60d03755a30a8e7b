"""Program: a function on a flat list of arrays, compiled for each kind of list that it is called with.

Like ``bind``, a call goes to the newest trace among its arguments. Plain arrays run the plan. Under a tape the program
runs with what its pullback will read as further results, and the pullback is a plan of its own; under forward mode and
vmap another program runs, of the function so transformed, below that trace. So a compiled function is compiled
wherever it stands.
"""

from __future__ import annotations

import functools as ft
import gc
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpugrad import dtypes, errors, trace
from gpugrad.backends import select
from gpugrad.graph.ir import Graph
from gpugrad.graph.memory import Update
from gpugrad.graph.split import split
from gpugrad.graph.stage import Stage
from gpugrad.trace import Draws, Trace, drawing, raw_of, state, value
from gpugrad.transforms.batch import Batch
from gpugrad.transforms.calls import _newest, _recorded
from gpugrad.transforms.forward import Forward
from gpugrad.transforms.functional import fitting, jvp
from gpugrad.transforms.lift import as_value, lowered, raised
from gpugrad.transforms.node import Leaf, Node
from gpugrad.transforms.planned import planned
from gpugrad.transforms.sweep import sweep
from gpugrad.transforms.tape import EAGER, Tape
from gpugrad.transforms.vectorize import vmap

Values = list[Any]
Call = Callable[[Values], Values]

_staging = threading.RLock()
"""Held while a program is made. One for all, since programs are made within others, and a fork has to wait for it."""
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_staging.acquire, after_in_parent=_staging.release, after_in_child=_staging.release)


class _Made(threading.local):
    """How many programs this thread has made: whoever wonders whether a call made one looks before and after."""

    count = 0


made = _Made()


class _Keys(Draws):
    """Keys of random numbers as further arguments of a program, drawn anew at each call."""

    def __init__(self, outer: Draws | None, stage: Stage) -> None:
        super().__init__(outer)
        self.stage = stage

    def draw(self, fresh: Callable[[], Any]) -> Any:
        """A symbol that stands for a fresh key."""
        make = fresh if self.outer is None else ft.partial(self.outer.draw, fresh)
        return self.stage.host(None, make, (2,), np.uint32, "key")


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the garbage collector, which would look at a large graph again and again while it grows."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


class Compiled:
    """A graph with its plan, and what Python does around it at each call."""

    def __init__(
        self, graph: Graph, stage: Stage, updates: Sequence[Update] = (), cells: Sequence[int] = (), draws: bool = True
    ) -> None:
        made.count += 1
        self.fresh = stage.fresh if draws else []
        self.after = stage.after if draws else []
        self.updates = updates
        self.backend = select.on(stage.device)
        self.plan = planned(stage.device, graph, updates, cells)

    def __call__(self, arrays: Sequence[Any]) -> list[Any]:
        """The results, where no cell is written over."""
        return self.run([self.plan.contiguous(x) for x in arrays])

    def run(self, arrays: Sequence[Any]) -> list[Any]:
        """The same for arrays that are in C's order."""
        out: list[Any]
        if not self.fresh and not self.after:
            out = self.plan.run(*arrays)
            return out
        out = self.plan.run(*arrays, *[fresh() for fresh in self.fresh])
        for function, *arguments in [after() for after in self.after]:
            function(*arguments)
        return out


class _Staging:
    """A program that is being written down: its arguments, then its keys and whatever else it takes."""

    def __init__(self, like: Sequence[Any], names: Sequence[str], what: str, weak: frozenset[int]) -> None:
        self.stage = Stage(what, _device(like, weak, what))
        self.what = what
        self.keys = _Keys(state.draws, self.stage)
        self.current = select.on(self.stage.device).current(self.stage.device)
        """A context in which constants are made where the program is to run."""
        self.arguments = [self.input(x, n, k in weak) for k, (x, n) in enumerate(zip(like, names, strict=True))]

    def input(self, like: Any, name: str, weak: bool = False) -> Any:
        """One more argument."""
        return value(self.stage.input(like.shape, dtypes.of(like), name, weak), EAGER, None)

    def finish(self, outs: Sequence[Any]) -> Graph:
        """The graph that gives ``outs``. TraceError if one belongs to a derivative that was begun outside."""
        ends = []
        for k, o in enumerate(outs):
            if o._trace is not EAGER or o._mark is not None:
                raise errors.TraceError(
                    f"{self.what}: result {k} belongs to a derivative that was begun outside of the compiled function, which closes over a tensor that requires one. Pass that tensor as an argument, or take its value: t.detach()"
                )
            ends.append(o._data)
        return self.stage.finish(ends)


def _kind(x: Any) -> Any:
    return (x.shape, x.dtype, select.planner(x)) if type(x) in select.compiled_types else (x.shape, x.dtype)


def _plain(x: Any) -> bool:
    """Whether it is an array that there are plans for, with all its elements there."""
    return isinstance(x, np.ndarray | np.generic) or type(x) in select.compiled_types


def _is_key(x: Any) -> bool:
    """Whether it may be a key of random numbers: two words that the host makes, wherever they are used."""
    return bool(x.shape == (2,) and x.dtype == np.uint32)


def _device(like: Sequence[Any], weak: frozenset[int], what: str) -> str:
    """Where a program runs: where its arguments are. DeviceError if they are not together; Python numbers are anywhere."""
    arrays = [k for k in range(len(like)) if k not in weak]
    arrays = [k for k in arrays if not _is_key(like[k])] or arrays
    found = {select.place(like[k]): k for k in arrays}
    if len(found) > 1:
        where = " and ".join(f"argument {k} is on {device}" for device, k in found.items())
        raise errors.DeviceError(f"{what}: {where}; expected one device. Move one: t.to({max(found)!r})")
    return next(iter(found), "cpu")


@dataclass(frozen=True)
class Halves:
    """A program for reverse mode: what gives the results and then what the pullback reads, and the pullback."""

    forward: Compiled
    backward: Compiled
    results: int
    reads: list[int]
    """What the pullback reads: positions among what the forward program gives, and then among the arguments."""
    moving: list[int]
    """Which results have a derivative."""


class Program:
    """See the module's description."""

    def __init__(
        self,
        function: Call,
        name: str,
        names: Sequence[str],
        updates: Callable[[], tuple[Any, Any]] = lambda: ((), ()),
        weak: frozenset[int] = frozenset(),
    ) -> None:
        self.function = function
        self.updates = updates
        """After the function has run: which results replace which arguments, and the positions of those that may be."""
        self.name = name
        self.names = names
        """What to call the arguments."""
        self.weak = weak
        """The positions of those that are Python numbers to the function."""
        self.compiled: dict[Any, Compiled] = {}
        self.halves: dict[Any, Halves] = {}
        self.derived: dict[Any, Program] = {}
        self.seconds = 0.0
        """What compiling took."""

    def __call__(self, values: Values) -> Values:
        data = self.plain(values)
        if data is not None:
            return [value(o, EAGER, None) for o in self.at(data)(data)]
        top = _newest(values)
        marks = [top.mark(v) for v in values]
        if isinstance(top, Forward):
            return self._pushed(top, values, marks)
        if isinstance(top, Batch):
            return self._mapped(top, values, marks)
        if isinstance(top, Tape) and top.level > state.floor and any(m is not None for m in marks):
            return self._taped(top, values, marks)
        data = [lowered(v) if type(v) is not trace.Tensor else v._data if v._trace is EAGER else v for v in values]
        return self.function([raised(d) for d in data] if isinstance(top, Tape) else values)

    def plain(self, values: Values) -> list[Any] | None:
        """The arrays of values whose plan can run as it is, none of them traced; None for others."""
        data = []
        for v in values:
            while type(v) is trace.Tensor:
                owner = v._trace
                if owner.batched or (v._mark is not None and owner.level > (state.floor if owner.records else -1)):
                    return None
                v = v._data
            if not _plain(v):
                return None
            data.append(v)
        return data

    def at(self, data: Sequence[Any]) -> Compiled:
        """What runs for arrays like these."""
        key = (state.floor < 0, dtypes.default(), state.autocast, *map(_kind, data))
        found = self.compiled.get(key)
        if found is None:
            with _staging, _uncollected():
                found = self.compiled.get(key)
                if found is None:
                    began = time.perf_counter()
                    staging = _Staging(data, self.names, self.name, self.weak)
                    with staging.current, drawing(staging.keys):
                        outs = self.function(staging.arguments)
                    found = self.compiled[key] = Compiled(staging.finish(outs), staging.stage, *self.updates())
                    self.seconds += time.perf_counter() - began
        return found

    def staged(self, like: Sequence[Any], weak: bool) -> Graph:
        """The graph for arguments like these, not compiled; Python numbers are variables if ``weak``, else constants.

        TraceError if such a variable got out of the function, into an attribute, say.
        """
        with _staging:
            staging = _Staging(like, self.names, self.name, self.weak)
            given = [like[k] if k in self.weak and not weak else a for k, a in enumerate(staging.arguments)]
            with staging.current, drawing(staging.keys):
                outs = self.function(given)
            graph = staging.stage.finish([raw_of(o) for o in outs])
            staging.arguments = given = outs = []
            if any(number() is not None for number in staging.stage.numbers):
                raise errors.TraceError(f"{self.name} keeps a number")
            return graph

    # ---- reverse mode -------------------------------------------------------------------------------------------------

    def _taped(self, tape: Tape, values: Values, marks: Sequence[Node | None]) -> Values:
        lower = [tape.lower(v) if type(v) is trace.Tensor else lowered(v) for v in values]
        lower = [x._data if type(x) is trace.Tensor and x._trace is EAGER and x._mark is None else x for x in lower]
        tracked = [k for k, m in enumerate(marks) if m is not None and dtypes.is_inexact(lower[k].dtype)]
        parents = [marks[k] for k in tracked]
        if not all(map(_plain, lower)):
            outs = [lowered(o) for o in self([raised(x) for x in lower])]
            moving = [k for k, o in enumerate(outs) if dtypes.is_inexact(o.dtype)]
            backward, saved = None, list(lower)
        else:
            halves = self.halves_at(lower, tracked)
            found = halves.forward(lower)
            outs, backward, moving = found[: halves.results], halves.backward, halves.moving
            pool = [*found, *lower]
            saved = [*(pool[k] for k in halves.reads), *lower]
        like = [outs[k] for k in moving]
        n = len(saved) - len(lower)

        def pull(g: Any, saved: Sequence[Any], tracer: Trace | None) -> Iterator[tuple[Node, Any]]:
            cotangents = [select.full(o.shape, 0, o) if c is None else c for c, o in zip(g, like, strict=True)]
            if tracer is None and backward is not None and all(map(_plain, cotangents)):
                cts: Sequence[Any] = backward([*saved[:n], *cotangents])
            else:
                operands = [
                    value(x, tape, m) if tracer is not None and m is not None else raised(x)
                    for x, m in zip(saved[n:], marks, strict=True)
                ]
                cts = self._pulling(tuple(tracked), tuple(moving))([*operands, *map(raised, cotangents)])
            for p, ct, k in zip(parents, cts, tracked, strict=True):
                assert p is not None
                yield p, fitting(ct, saved[n + k], f"{self.name}: cotangent")

        ends = _recorded(tape, self.name, parents, saved, like, pull)
        results = [value(o, tape, None) for o in outs]
        for k, end in zip(moving, ends, strict=True):
            results[k] = end
        return results

    def _linearized(self, values: Values, tracked: Sequence[int]) -> tuple[Values, list[int], Call]:
        """The results, which of them have a derivative, and the map from their cotangents to those of the arguments."""
        whole = list(values)
        with Tape() as tape:
            leaves = []
            for k in tracked:
                leaves.append(Leaf(values[k].shape, values[k].dtype))
                whole[k] = value(lowered(values[k]), tape, leaves[-1])
            outs = [as_value(o) for o in self.function(whole)]
        moving = [k for k, o in enumerate(outs) if dtypes.is_inexact(o.dtype)]

        def pull(cotangents: Values) -> Values:
            given = [(tape.mark(outs[k]), lowered(c)) for k, c in zip(moving, cotangents, strict=True)]
            found = sweep([(m, c) for m, c in given if m is not None], retain=True)
            return [
                raised(found[leaf] if leaf in found else select.full(leaf.shape, 0, lowered(values[k])))
                for leaf, k in zip(leaves, tracked, strict=True)
            ]

        return [raised(tape.lower(o)) for o in outs], moving, pull

    def _pulling(self, tracked: tuple[int, ...], moving: tuple[int, ...]) -> Program:
        """The program from arguments and cotangents to cotangents, for derivatives of derivatives."""
        return self._derived(("pull", tracked, moving), lambda: self._pull_program(tracked, moving))

    def _pull_program(self, tracked: tuple[int, ...], moving: tuple[int, ...]) -> Program:
        n = len(self.names)
        names = [*self.names, *(f"d_{k}" for k in moving)]
        return Program(
            lambda vs: self._linearized(vs[:n], tracked)[2](vs[n:]), f"pullback of {self.name}", names, weak=self.weak
        )

    def _derived(self, key: Any, make: Callable[[], Program]) -> Program:
        if key not in self.derived:
            self.derived[key] = make()
        return self.derived[key]

    def halves_at(self, data: Sequence[Any], tracked: list[int]) -> Halves:
        """The forward program, with what the pullback reads as further results, and the pullback."""
        key = (dtypes.default(), state.autocast, tuple(tracked), *map(_kind, data))
        found = self.halves.get(key)
        if found is None:
            with _staging, _uncollected():
                found = self.halves.get(key)
                if found is None:
                    began = time.perf_counter()
                    found = self.halves[key] = self._split(data, tracked)
                    self.seconds += time.perf_counter() - began
        return found

    def _split(self, data: Sequence[Any], tracked: list[int]) -> Halves:
        staging = _Staging(data, self.names, f"{self.name}, differentiated", self.weak)
        with staging.current, drawing(staging.keys):
            outs, moving, pull = self._linearized(staging.arguments, tracked)
            first = len(staging.stage.graph.inputs)
            cts = pull([staging.input(outs[k], f"d_{k}") for k in moving])
        draws = select.on(staging.stage.device).device_kind == "cuda"
        parts = split(staging.finish([*outs, *cts]), len(outs), len(data), first, draws)
        forward = Compiled(parts.first, staging.stage)
        return Halves(forward, Compiled(parts.second, staging.stage, draws=False), len(outs), parts.reads, moving)

    # ---- forward mode and vmap ------------------------------------------------------------------------------------------

    def _pushed(self, forward: Forward, values: Values, marks: Sequence[Any]) -> Values:
        moving = tuple(k for k, m in enumerate(marks) if m is not None)

        def call(vs: Values) -> Values:
            primals, tangents = vs[: len(self.names)], vs[len(self.names) :]

            def f(*xs: Any) -> Any:
                whole = list(primals)
                for k, x in zip(moving, xs, strict=True):
                    whole[k] = x
                outs = [as_value(o) for o in self.function(whole)]
                return tuple(o for o in outs if dtypes.is_inexact(o.dtype)), tuple(outs)

            _, moved, outs = jvp(f, tuple(primals[k] for k in moving), tuple(tangents), has_aux=True)
            return [*outs, *moved]

        program = self._derived(
            ("push", moving),
            lambda: Program(call, f"{self.name}, forward", [*self.names, *(f"t_{k}" for k in moving)], weak=self.weak),
        )
        found = program([*(raised(forward.lower(v)) for v in values), *(raised(marks[k]) for k in moving)])
        tangents = sum(1 for o in found if dtypes.is_inexact(o.dtype)) // 2  # of each result that has one
        outs, moved = found[: len(found) - tangents], iter(found[len(found) - tangents :])
        return [
            raised(forward.dual(lowered(o), lowered(next(moved)))) if dtypes.is_inexact(o.dtype) else o for o in outs
        ]

    def _mapped(self, batch: Batch, values: Values, marks: Sequence[Any]) -> Values:
        flags = tuple(0 if m is not None else None for m in marks)
        program = self._derived(
            ("map", flags),
            lambda: Program(
                lambda vs: list(vmap(lambda *xs: tuple(self.function(list(xs))), in_axes=flags)(*vs)),
                f"{self.name}, under vmap",
                self.names,
                weak=self.weak,
            ),
        )
        found = program([raised(batch.lower(v)) for v in values])
        return [value(lowered(o), batch, batch.size) for o in found]
