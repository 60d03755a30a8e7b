"""Cells: the tensors that a function reads and changes without taking them as arguments.

Parameters, buffers, an optimizer's state, a tensor kept in an attribute, a list or a closure: whatever can be reached
from the function is found when it is first compiled. A compiled function takes their arrays as further arguments and
gives what became of them as further results, so that what is compiled has no state of its own.
"""

from __future__ import annotations

import functools as ft
from collections.abc import Callable, Iterator, Mapping, MutableMapping, MutableSequence, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from gpugrad import trace
from gpugrad.trace import value
from gpugrad.transforms.lift import stopped
from gpugrad.transforms.node import Leaf
from gpugrad.transforms.tape import EAGER

_PLAIN = (str, bytes, int, float, complex, np.ndarray, np.generic, np.dtype, type, ModuleType, CodeType, type(None))
_COMPILERS = frozenset({"numba", "llvmlite"})
"""Packages whose objects lead everywhere, and to no tensor."""
ABSENT = object()
"""What a slot holds that holds nothing."""


class Slot:
    """A place that holds a tensor or a raw array, and may come to hold another: an entry, an attribute, a closure's cell.

    An object whose raw arrays are cells lists their slots with ``__cells__()``; one whose attributes Python reads while
    a function is compiled tells them, hashable, with ``__settings__()``, so that another value makes another program.
    One that has more than what leads to cells says with ``__reaches__()`` what does.
    """

    def __init__(self, holder: Any, key: Any, start: Callable[[], Any] | None = None) -> None:
        self.holder = holder
        self.key = key
        self.start = start
        """Makes an array with which everything is as it is with none, where there is such an array."""

    def get(self) -> Any:
        """What is there; a mark of its own if nothing is."""
        if type(self.holder) is CellType:
            return self.holder.cell_contents
        try:
            return self.holder[self.key]
        except (KeyError, IndexError):
            return ABSENT

    @property
    def there(self) -> bool:
        """Whether anything is there."""
        return self.get() is not ABSENT

    def set(self, new: Any) -> None:
        """Put something there, or nothing."""
        if type(self.holder) is CellType:
            self.holder.cell_contents = new
        elif new is ABSENT:
            self.holder.pop(self.key, None)
        else:
            self.holder[self.key] = new


class Cells:
    """All that can be reached from a function."""

    def __init__(self, f: Callable[..., Any]) -> None:
        self.loose: list[Any] = []
        """Tensors that stand where nothing can take their place, as in a tuple."""
        self.slots: list[Slot] = []
        """Where tensors stand that may be replaced by others, or may come to stand."""
        self.stores: list[Callable[[], list[Slot]]] = []
        """What lists the raw arrays of an optimizer."""
        self.settings: list[Callable[[], Any]] = []
        """What tells the settings of objects that Python reads while a function is compiled."""
        self._seen: dict[int, Any] = {}
        self._places: tuple[list[Any], list[Any]] | None = None
        self._others: list[Slot] = []
        self._known = 0
        self._walk(f)

    @property
    def none(self) -> bool:
        """Whether there are none."""
        return not self.loose and not self.slots and not self.stores and not self.settings

    def contents(self) -> list[Any]:
        """What is in the slots, in some order that stays the same; every call asks, so it is quick."""
        if self._places is None or len(self.slots) != self._known:
            dicts = [s for s in self.slots if isinstance(s.holder, dict)]
            self._others = [s for s in self.slots if not isinstance(s.holder, dict)]
            self._places = [s.holder for s in dicts], [s.key for s in dicts]
            self._known = len(self.slots)
        return [*map(dict.get, *self._places), *[s.get() for s in self._others]]

    def told(self) -> tuple[Any, ...]:
        """The settings, as they are."""
        return tuple([told() for told in self.settings])

    # ---- finding ------------------------------------------------------------------------------------------------------

    def _walk(self, start: Any) -> None:
        stack = [start]
        while stack:
            x = stack.pop()
            if isinstance(x, _PLAIN) or id(x) in self._seen:
                continue
            self._seen[id(x)] = x  # held, so that its id stays its own
            if type(x) is trace.Tensor:
                if x._trace is EAGER:
                    self.loose.append(x)
                continue
            stack += [held for _, held in reversed(list(self._inside(x)))]

    def _inside(self, x: Any) -> Iterator[tuple[Any, Any]]:
        """What an object holds, with the key of each; places of tensors are noted on the way."""
        if hasattr(type(x), "__cells__"):
            self.stores.append(x.__cells__)
        if hasattr(type(x), "__settings__"):
            self.settings.append(x.__settings__)
        if hasattr(type(x), "__reaches__"):
            yield from ((None, y) for y in x.__reaches__())
        elif isinstance(x, FunctionType):
            if x.__closure__ is None and (x.__module__ or "").split(".")[0] in ("gpugrad", "numpy", "builtins"):
                return  # a library's own function, with no state of the user's
            yield from self._noted(x.__closure__ or (), ((None, c) for c in x.__closure__ or ()))
            yield from enumerate(x.__defaults__ or ())
            names = _names(x.__code__)
            yield from self._noted(x.__globals__, ((n, x.__globals__[n]) for n in names if n in x.__globals__))
        elif isinstance(x, CellType):
            try:
                yield from self._noted(x, [(None, x.cell_contents)])
            except ValueError:
                return  # a variable that is not set yet
        elif isinstance(x, MethodType):
            yield from ((None, x.__self__), (None, x.__func__))
        elif isinstance(x, ft.partial):
            yield from ((None, x.func), (None, x.args), (None, x.keywords))
        elif isinstance(x, MutableMapping | dict):
            yield from self._noted(x, list(x.items()))
        elif isinstance(x, MutableSequence | list):
            yield from self._noted(x, list(enumerate(x)))
        elif isinstance(x, tuple | set | frozenset):
            yield from ((None, held) for held in x)
        elif hasattr(x, "__dict__") and type(x).__module__.split(".")[0] not in _COMPILERS:
            yield from self._noted(x.__dict__, list(x.__dict__.items()))

    def _noted(self, holder: Any, items: Any) -> Iterator[tuple[Any, Any]]:
        for key, held in items:
            if held is None or (type(held) is trace.Tensor and held._trace is EAGER):
                self.slots.append(Slot(holder, key))
            else:
                yield key, held


@dataclass
class Effects:
    """What a function did to its cells: the places that hold something new, and as values what it is."""

    data: list[int] = field(default_factory=list)
    """Tensors with other numbers."""
    grads: list[int] = field(default_factory=list)
    """Tensors with another gradient."""
    freed: list[int] = field(default_factory=list)
    """Tensors that have no gradient any more."""
    slots: list[int] = field(default_factory=list)
    """Slots with another tensor in them."""
    entries: list[int] = field(default_factory=list)
    """An optimizer's arrays that are new."""
    leaves: bool = False
    """Whether tensors with other numbers are among those that have gradients."""
    values: list[Any] = field(default_factory=list)
    """The new values, in the order of the lists."""

    @property
    def trains(self) -> bool:
        """Whether leaves or gradients changed, so that what was recorded for the results has been used."""
        return bool(self.leaves or self.grads or self.freed or self.entries)


class Held:
    """Which cells of a function hold something at one call; what they hold is not kept, so that it can be written over."""

    def __init__(self, cells: Cells) -> None:
        self.cells = cells
        contents = [slot.get() for slot in cells.slots]
        places: dict[int, int] = {id(t): k for k, t in enumerate(cells.loose)}
        self.tensors = list(cells.loose)
        """Each tensor once."""
        for x in contents:
            if type(x) is trace.Tensor and x._trace is EAGER and id(x) not in places:
                places[id(x)] = len(self.tensors)
                self.tensors.append(x)
        self.pattern = tuple([places.get(id(x), -1) for x in contents])
        """Which tensor is in which slot."""
        self.graded = [t.grad is not None for t in self.tensors]
        self.entries = [slot for store in cells.stores for slot in store()]
        self.begun = [k for k, slot in enumerate(self.entries) if slot.start is not None and not slot.there]
        """Entries with an array to start from, so that the first step's program is that of all others."""
        for k in self.begun:
            start = self.entries[k].start
            assert start is not None
            self.entries[k].set(start())
        self.filled = [slot.there for slot in self.entries]

    def end(self, used: Sequence[int] = ()) -> None:
        """Take away what entries were begun with, but for those that were ``used``."""
        for k in self.begun:
            if k not in used:
                self.entries[k].set(ABSENT)

    @property
    def kind(self) -> Any:
        """What distinguishes a program: which tensors, gradients and arrays are there, and the settings."""
        return self.pattern, tuple(self.graded), tuple(self.filled), self.cells.told()

    @property
    def values(self) -> list[Any]:
        """The further arguments of the program: tensors, gradients, an optimizer's arrays."""
        grads = [t.grad for t, there in zip(self.tensors, self.graded, strict=True) if there]
        arrays = [slot.get() for slot, there in zip(self.entries, self.filled, strict=True) if there]
        return [*self.tensors, *grads, *(value(a, EAGER, None) for a in arrays)]

    @contextmanager
    def standing(self, values: Sequence[Any]) -> Iterator[Effects]:
        """Let ``values`` stand in the cells while a function runs; what it did to them is in the effects afterwards."""
        tensors, slots, entries = self.tensors, self.cells.slots, self.entries
        before = [(t, t._data, t._trace, t._mark) for t in tensors]
        leaves = [(t._mark, t._mark.grad) for t in tensors if isinstance(t._mark, Leaf)]
        contents = [slot.get() for slot in slots]
        stored = [slot.get() for slot in entries]
        given = iter(values)
        stands: list[Any] = []
        for t in tensors:
            v = next(given)
            if v._trace is EAGER and v._mark is None:
                t._data = v._data
            else:
                t._data, t._trace, t._mark = v._data, v._trace, v._mark
            stands.append(t._data)
        grads = [value(next(given)._data, EAGER, None) if there else None for there in self.graded]
        for t, g in zip(tensors, grads, strict=True):
            if isinstance(t._mark, Leaf):
                t._mark.grad = g
        arrays = [next(given)._data if there else ABSENT for there in self.filled]
        for slot, a in zip(entries, arrays, strict=True):
            slot.set(a)
        effects = Effects()
        try:
            yield effects
            self._noted(effects, stands, grads, contents, arrays)
        finally:
            for t, data, owner, mark in before:
                t._data, t._trace, t._mark = data, owner, mark
            for leaf, g in leaves:
                leaf.grad = g
            for slot, x in zip(slots, contents, strict=True):
                slot.set(x)
            for slot, a in zip(entries, stored, strict=True):
                slot.set(a)

    def _noted(
        self,
        effects: Effects,
        stands: Sequence[Any],
        grads: Sequence[Any],
        contents: Sequence[Any],
        arrays: Sequence[Any],
    ) -> None:
        new: list[list[Any]] = [[], [], [], []]
        for k, (t, data) in enumerate(zip(self.tensors, stands, strict=True)):
            if t._data is not data:
                effects.data.append(k)
                effects.leaves |= isinstance(t._mark, Leaf)
                new[0].append(stopped(t))
        for k, (t, g) in enumerate(zip(self.tensors, grads, strict=True)):
            now = t.grad
            if now is None and g is not None:
                effects.freed.append(k)
            elif now is not None and (now is not g):
                effects.grads.append(k)
                new[1].append(stopped(now))
        for k, (slot, x) in enumerate(zip(self.cells.slots, contents, strict=True)):
            now = slot.get()
            if now is not x and type(now) is trace.Tensor:
                effects.slots.append(k)
                new[2].append(stopped(now))
        for k, (slot, a) in enumerate(zip(self.entries, arrays, strict=True)):
            now = slot.get()
            if now is not a:
                effects.entries.append(k)
                new[3].append(value(now, EAGER, None))
        effects.values = [v for part in new for v in part]

    def put(self, effects: Effects, values: Mapping[int, Any]) -> None:
        """Let the cells become what a program gave for them, by position among the effects; others are there already."""
        for k in effects.freed:
            self.tensors[k].grad = None
        kinds = [(effects.data, self._put_data), (effects.grads, self._put_grad)]
        kinds += [(effects.slots, self._put_slot), (effects.entries, self._put_entry)]
        position = 0
        for places, put in kinds:
            for k in places:
                if position in values:
                    put(k, values[position])
                position += 1

    def _put_data(self, k: int, new: Any) -> None:
        self.tensors[k]._data = new._data

    def _put_grad(self, k: int, new: Any) -> None:
        self.tensors[k]._mark.grad = new

    def _put_slot(self, k: int, new: Any) -> None:
        self.cells.slots[k].set(new)

    def _put_entry(self, k: int, new: Any) -> None:
        self.entries[k].set(new._data)


def _names(code: CodeType) -> list[str]:
    """The global names that a function's code, and the functions within, use."""
    found = list(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found += _names(constant)
    return found
