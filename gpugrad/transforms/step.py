"""Compiled functions with cells, called again and again: what is there is compared with what was, and the plan runs.

A step writes what becomes of its cells over what was there. An array is written over only if nobody else holds it: it
is the step's own copy, and how many references there are to it is known. Whoever took hold of it since, by a view, a
tensor or a tape, keeps the numbers that were there, and the cell gets a copy before the step goes on.

A step that fails has changed nothing; nor has one that is interrupted, but for gradients, which may be half of the new
ones then. What is written over at the end is written by all calls or none.
"""

from __future__ import annotations

import os
import signal
import threading
import weakref
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import starmap
from operator import attrgetter, call, is_
from sys import getrefcount
from typing import Any

from gpugrad.trace import value
from gpugrad.transforms.cells import Held, Slot
from gpugrad.transforms.node import Leaf
from gpugrad.transforms.program import Compiled
from gpugrad.transforms.tape import EAGER

_data, _mark, _grad = attrgetter("_data"), attrgetter("_mark"), attrgetter("grad")

_taking = threading.RLock()
"""Held while arrays pass from one step to another; taken before any step's own lock."""
_owners: weakref.WeakValueDictionary[int, Step] = weakref.WeakValueDictionary()
"""id of an array -> the step that writes over it, and holds it."""
_steps: weakref.WeakSet[Step] = weakref.WeakSet()


def _unlock() -> None:
    """A child of a fork has none of the threads that may have held a lock."""
    global _taking
    _taking = threading.RLock()
    for step in list(_steps):
        step.lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock)


class Standing:
    """The cells of a program as they were found: tensors, gradients, an optimizer's arrays."""

    def __init__(self, compiled: Compiled) -> None:
        self.compiled = compiled

    def take(self, held: Held, used: Sequence[int]) -> None:
        """Take what is there for what is to be there at the next call, when entries that were begun with an array are
        without one again, but for those that were ``used``.
        """
        cells = held.cells
        self.cells = cells
        self.tensors = held.tensors
        unused = set(held.begun) - set(used)
        self.entries = [
            Slot([slot.get()], 0) if k in unused else slot for k, slot in enumerate(held.entries) if slot.there
        ]
        self.contents = cells.contents()
        self.stores = [store() for store in cells.stores]
        self.absent = [slot for k, slot in enumerate(held.entries) if k in unused or not slot.there]
        self.settings = cells.told()
        self.marks = list(map(_mark, self.tensors))
        self.leaves = [m for m in self.marks if isinstance(m, Leaf)]
        self.grads = list(map(_grad, self.leaves))

    @property
    def same(self) -> bool:
        """Whether the same tensors and gradients are there, whatever their numbers, and the settings are the same."""
        return (
            all(map(is_, self.cells.contents(), self.contents))
            and all(map(is_, map(_mark, self.tensors), self.marks))
            and all(map(is_, map(_grad, self.leaves), self.grads))
            and all(map(is_, [store() for store in self.cells.stores], self.stores))
            and not any(slot.there for slot in self.absent)
            and self.cells.told() == self.settings
        )

    def arrays(self) -> list[Any]:
        """The arrays of the cells, in the order in which the program takes them."""
        return [
            *map(_data, self.tensors),
            *[g._data for g in map(_grad, self.leaves) if g is not None],
            *[slot.get() for slot in self.entries],
        ]


class Reading(Standing):
    """A program that leaves its cells as they are."""

    def take(self, held: Held, used: Sequence[int] = ()) -> None:
        super().take(held, used)
        self.kinds = [(x.shape, x.dtype) for x in self.arrays()]

    def __call__(self, data: Sequence[Any]) -> list[Any] | None:
        """The results; None if the cells are not as they were."""
        if not self.same:
            return None
        arrays = self.arrays()
        if [(x.shape, x.dtype) for x in arrays] != self.kinds:
            return None
        return self.compiled([*data, *arrays])


class Step(Standing):
    """A program that writes over cells."""

    def __init__(self, compiled: Compiled) -> None:
        super().__init__(compiled)
        plan = compiled.plan
        self.frame = plan.frame()
        self.written = [plan.cells.index(u.input) for u in compiled.updates]
        """The positions of the cells that it writes over."""
        self.bound: list[Any] = []
        """The arrays that the cells held when they were bound."""
        self.mine: list[Any] = []
        """Those of them that are written over."""
        self.present: list[Any] = []
        """The gradients that are there."""
        self.counts: list[int] = []
        """What ``counted`` gives if nobody else holds what is written over."""
        self.ordered = False
        """Whether all arrays are where the plan can work on them, and on no copy that grows old."""
        self.lock = threading.RLock()
        _steps.add(self)

    def __call__(self, data: Sequence[Any]) -> list[Any] | None:
        """The results; None if the cells are not as the last call left them."""
        with self.lock, self.compiled.plan.current():
            if not (self.ordered and self.same and self.alone()):
                return None
            return self.run(data)

    def first(self, data: Sequence[Any], held: Held, used: Sequence[int]) -> list[Any]:
        """The results for cells that others may have changed, or hold."""
        with _taking, self.lock, self.compiled.plan.current():
            mine = self.released()
            self.take(held, used)
            self.own(mine)
            return self.run([self.compiled.plan.contiguous(x) for x in data])

    def run(self, data: Sequence[Any]) -> list[Any]:
        """Compute, and then write over the cells, which nothing interrupts."""
        compiled = self.compiled
        out: list[Any]
        out, last = self.frame.run(*data, *[fresh() for fresh in compiled.fresh])
        last += [after() for after in compiled.after]
        if compiled.plan.steady:
            at_once(last)
        else:
            with _uninterrupted():
                for function, *arguments in last:
                    function(*arguments)
        return out

    # ---- whose an array is -------------------------------------------------------------------------------------------

    def counted(self) -> list[int]:
        """The number of references to each array that is written over, then to each gradient's tensor."""
        return [*map(getrefcount, self.mine), *map(getrefcount, self.present)]

    def alone(self) -> bool:
        """Whether the cells hold the arrays that are bound, and nobody else does."""
        return all(map(is_, self.arrays(), self.bound)) and self.counted() == self.counts

    def own(self, exclusive: set[int]) -> None:
        """Give each cell that is written over an array that nobody else holds, and bind the plan to them all."""
        for owner in {_owners.get(id(x)) for x in self.arrays()}:
            if owner is not None:
                with owner.lock:
                    exclusive |= owner.released()
        for k in self.written:
            if id(x := self.arrays()[k]) not in exclusive or not self.compiled.plan.takes(x):
                self.replace(k)
        self.grads = list(map(_grad, self.leaves))
        self.present = [g for g in self.grads if g is not None]
        self.contents = self.cells.contents()
        plan, bound = self.compiled.plan, self.arrays()
        self.ordered = all(map(plan.takes, bound))
        self.frame.bind(
            dict(zip(plan.cells, map(plan.contiguous, bound), strict=True))
        )  # there may be no memory for it
        self.bound = bound
        self.mine = [bound[k] for k in self.written]
        for x in self.mine:
            _owners[id(x)] = self
        del x
        self.counts = self.counted()

    def replace(self, k: int) -> None:
        """Put a copy of its array into a cell, in C's order, as a plan takes it."""
        copy = self.compiled.backend.copied(self.arrays()[k])
        leaves = [m for m in self.leaves if m.grad is not None]
        if k < len(self.tensors):
            self.tensors[k]._data = copy
        elif k < len(self.tensors) + len(leaves):
            leaves[k - len(self.tensors)].grad = value(copy, EAGER, None)
        else:
            self.entries[k - len(self.tensors) - len(leaves)].set(copy)

    def released(self) -> set[int]:
        """Let go of all arrays; the ids of those that nobody else held, but a cell."""
        if not self.mine:
            return set()
        n = len(self.mine)
        lone = [a == b for a, b in zip(self.counted(), self.counts, strict=True)]
        alone = {id(x) for x, ok in zip(self.mine, lone[:n], strict=True) if ok}
        for g, ok in zip(self.present, lone[n:], strict=True):
            if not ok:
                alone.discard(id(g._data))  # somebody has the gradient's tensor
        self.bound, self.mine, self.present, self.counts = [], [], [], [-1]
        self.frame.unbind()
        return alone


def at_once(calls: Iterable[tuple[Any, ...]]) -> None:
    """Call functions with their arguments; if all are C's, C calls C, and signals wait until it returns."""
    deque(starmap(call, calls), 0)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let Ctrl-C wait for the end of the block. Only the main thread is ever interrupted by it."""
    handler = signal.getsignal(signal.SIGINT)
    if handler is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[Any] = []
    signal.signal(signal.SIGINT, lambda *args: came.append(args))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if came and callable(handler):
            handler(*came[0])
