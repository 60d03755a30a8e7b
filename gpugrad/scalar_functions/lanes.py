"""What a translated scalar function runs on: elements that part where the function makes a choice.

Both sides of a choice are computed for all elements, and each element keeps what its own side gave. A :class:`Path` is
the elements that take one side. Beyond them an operation would compute with numbers that the function, as written, never
shows to it: √x beside ``x > 0`` sees negative ones. So operands are replaced there by a harmless number, where that may
matter (:attr:`~gpugrad.scalar_functions.table.Operation.care`): nothing warns, and ``where`` cuts the derivative off.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from gpugrad import dtypes, trace
from gpugrad.ops import elementwise as ew
from gpugrad.ops.linear import cast
from gpugrad.scalar_functions.table import (
    BOOL,
    HARMLESS,
    MODEST,
    OPERATORS,
    Operation,
    operation_of,
    truth,
    unsupported,
)
from gpugrad.trace import bind

UNSET: Any = object()
"""The value of a variable that is not assigned yet."""

_PLAIN = frozenset({"Add", "Sub", "Mult"})

MOST_STEPS = 10_000
"""The largest number of steps of a loop, each of which is computed as written."""


def _is_value(x: Any) -> bool:
    return type(x) is trace.Tensor


def weak_dtype(common: Any, *numbers: Any) -> Any:
    """The dtype of an array of numbers of a scalar function, whose arguments have the dtype ``common``."""
    whole = all(isinstance(n, int) for n in numbers)
    if common is not None and (whole or dtypes.is_inexact(common)):
        return common
    return dtypes.dtype("int64") if whole else dtypes.default()


class Path:
    """The elements for which a condition holds, or does not, among those of the path before it."""

    def __init__(self, before: Path | None, condition: Any, holds: bool) -> None:
        self.before = before
        self.condition = condition
        self.holds = holds
        self._mask: Any = None
        self._stand_ins: dict[tuple[int, float], tuple[Any, Any]] = {}
        """Value, by its id (for which it is held), and number -> the value with that number beyond the path; such a
        value, and its number -> itself.
        """
        self._sizes: dict[int, tuple[weakref.ref[Any], float]] = {}
        """Value, by its id, as long as it lives -> a bound on it beyond the path."""

    @property
    def mask(self) -> Any:
        """The elements, as booleans."""
        if self._mask is None:
            own = self.condition if self.holds else ew.logical_not(self.condition)
            self._mask = own if self.before is None else ew.logical_and(self.before.mask, own)
        return self._mask

    def size(self, x: Any) -> float:
        """A bound on ``x`` beyond the path; infinite if none is known."""
        if not _is_value(x):
            return math.inf if x is UNSET or x != x else abs(x)
        if dtypes.of(x).kind == "b":
            return 1.0
        found = self._sizes.get(id(x))
        return found[1] if found is not None and found[0]() is x else math.inf

    def note(self, x: Any, size: float) -> Any:
        """Remember a bound on ``x``."""
        if _is_value(x):
            self._sizes[id(x)] = weakref.ref(x), size if size == size else math.inf
        return x

    def forget(self) -> None:
        """Let go of what was computed: nothing more is, on this path."""
        self._stand_ins.clear()
        self._sizes.clear()

    def stand_in(self, x: Any, number: float) -> Any:
        """``x``, with a harmless number beyond the path; no derivative flows there."""
        kind = dtypes.of(x).kind
        if kind == "b":
            return x
        number = 1 if kind in "iu" else number
        key = id(x), number
        if key not in self._stand_ins:
            stand_in = self.note(ew.where(self.mask, x, number), abs(number))
            self._stand_ins[key] = x, stand_in
            self._stand_ins[id(stand_in), number] = stand_in, stand_in
        return self._stand_ins[key][1]

    def apply(self, op: Operation, operands: Sequence[Any]) -> Any:
        """An operation on operands that are harmless beyond the path; its result is bounded there, if they are."""
        given = [self._safe(op, operands, k) if _is_value(x) else x for k, x in enumerate(operands)]
        return self.note(op(*given), op.size(*map(self.size, given)))

    def _safe(self, op: Operation, operands: Sequence[Any], k: int) -> Any:
        x = operands[k]
        if op.care == "any":
            return x
        others = [y for j, y in enumerate(operands) if j != k]
        if op.care == "finite" and all(self.size(y) <= MODEST for y in others if not _is_value(y)):
            if self.size(x) <= MODEST:
                return x
            if op.name in _PLAIN and not any(_is_value(y) or (y == 0 and op.name == "Mult") for y in others):
                return x  # its derivative is a number, and no infinity warns
        return self.stand_in(x, op.inside)


class Lanes:
    """One run of a translated function."""

    unset = UNSET

    def __init__(self, path: Path | None, common: Any, translated: Callable[[Any], Callable[..., Any]]) -> None:
        self.path = path
        """The elements that are here; None for all of them."""
        self.alive = True
        """Whether there is any element that has not returned."""
        self.common = common
        """The dtype of the arguments, which numbers take; None if they are booleans."""
        self.translated = translated
        self._returned: list[tuple[Path | None, Any]] = []
        self._open: list[_Choice] = []

    # ---- operations -----------------------------------------------------------------------------------------------------

    def op(self, name: str, *operands: Any) -> Any:
        """An operator of Python's, by the name of its node."""
        return self._apply(OPERATORS[name], operands)

    def call(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """A function of the table, or a scalar function."""
        if function is float:
            return self._float(*args)
        op = operation_of(function)
        if op is not None:
            return self._apply(op, args)
        return self.translated(function)(self.inner(), *args, **kwargs)

    def inner(self) -> Lanes:
        """For a function that is called: the elements that are here."""
        return Lanes(self.path, self.common, self.translated)

    def _apply(self, op: Operation, operands: Sequence[Any]) -> Any:
        operands = self._counted(op, operands)
        if self.path is None or not any(map(_is_value, operands)):
            return op(*operands)
        return self.path.apply(op, operands)

    def _counted(self, op: Operation, operands: Sequence[Any]) -> Sequence[Any]:
        """Truth values as numbers, in the dtype of the arguments, unless an array of numbers is beside them."""
        kinds = [dtypes.of(x).kind if _is_value(x) else "b" if type(x) is bool else "" for x in operands]
        if "b" not in kinds or any(k not in ("", "b") for k in kinds) or not op.counts_truth("" not in kinds):
            return operands
        dtype = self.common
        if dtype is None or (op.integers and dtypes.is_inexact(dtype)):
            dtype = dtypes.dtype("int64")
        return [
            x if k != "b" else cast(x, dtype=dtype, source=BOOL) if _is_value(x) else int(x)
            for x, k in zip(operands, kinds, strict=True)
        ]

    def _float(self, x: Any) -> Any:
        """``float(x)``: as Python's, it takes the dtype of the arguments."""
        if not _is_value(x):
            return float(x)
        if dtypes.is_inexact(x.dtype):
            return x
        common = self.common if self.common is not None and dtypes.is_inexact(self.common) else dtypes.default()
        return cast(x, dtype=common, source=dtypes.of(x))

    def steps(self, *bounds: Any) -> range:
        """The steps of a loop."""
        if any(type(b) is not int for b in bounds):
            raise unsupported(f"range{bounds} of numbers that are no Python integers. Give constants")
        return range(*bounds)

    # ---- conditions -----------------------------------------------------------------------------------------------------

    def negated(self, x: Any) -> Any:
        """``not x``."""
        return ew.logical_not(truth(x)) if _is_value(x) else not x

    def compared(self, x: Any, *rest: Any) -> Any:
        """``x < y < z``: names of operators and operands in turn."""
        out: Any = True
        for name, y in zip(rest[::2], rest[1::2], strict=True):
            one = self.op(name, x, y)
            out = one if out is True else self._logical(ew.logical_and, out, one)
            x = y
        return out

    def both(self, x: Any, *others: Callable[[], Any]) -> Any:
        """``x and y``: a logical operation on conditions, and as in Python one of the operands otherwise."""
        for other in others:
            x = self._either(x, other, on=True)
        return x

    def either(self, x: Any, *others: Callable[[], Any]) -> Any:
        """``x or y``."""
        for other in others:
            x = self._either(x, other, on=False)
        return x

    def _either(self, x: Any, other: Callable[[], Any], on: bool) -> Any:
        """``other()`` where the truth of ``x`` is ``on``, ``x`` elsewhere."""
        if not _is_value(x):
            return other() if bool(x) is on else x
        condition = truth(x)
        before, self.path = self.path, Path(self.path, condition, on)
        y = other()
        self.path = before
        if dtypes.of(x).kind == "b" and (type(y) is bool or (_is_value(y) and dtypes.of(y).kind == "b")):
            return self._logical(ew.logical_and if on else ew.logical_or, x, y)
        return self._picked(condition, y, x) if on else self._picked(condition, x, y)

    def _logical(self, prim: Any, x: Any, y: Any) -> Any:
        if not _is_value(x) and not _is_value(y):
            return (x and y) if prim is ew.logical_and else (x or y)
        return bind(prim, (x, y), {})

    # ---- choices --------------------------------------------------------------------------------------------------------

    def choice(self, condition: Any, yes: Callable[[], Any], no: Callable[[], Any]) -> Any:
        """``yes() if condition else no()``."""
        if not _is_value(condition):
            return yes() if condition else no()
        before, condition = self.path, truth(condition)
        self.path = there = Path(before, condition, True)
        x = yes()
        self.path = elsewhere = Path(before, condition, False)
        y = no()
        self.path = before
        return self._merged(condition, [x], [y], there, elsewhere)[0]

    def begin(self, condition: Any) -> bool:
        """Enter the first side of ``if``; whether any element does."""
        chosen = _Choice(self.path, condition)
        self._open.append(chosen)
        if chosen.known:
            return bool(condition)
        self.path = Path(self.path, chosen.condition, True)
        return True

    def turn(self) -> bool:
        """From the first side to the other; whether any element is there."""
        chosen = self._open[-1]
        chosen.then = self.path, self.alive
        if chosen.known:
            if chosen.condition:
                return False
            self.path, self.alive = chosen.before, True
            return True
        self.path, self.alive = Path(chosen.before, chosen.condition, False), True
        return True

    def end(self, yes: Sequence[Any], no: Sequence[Any]) -> list[Any]:
        """Leave ``if``: each variable as the side that an element was on left it."""
        chosen = self._open.pop()
        if chosen.known:
            return list(yes if chosen.condition else no)
        there, alive = chosen.then
        elsewhere, other_alive = self.path, self.alive
        self.alive = alive or other_alive
        assert there is not None and elsewhere is not None
        if not (alive and other_alive):
            self.path, dead = (there, elsewhere) if alive else (elsewhere, there)
            dead.forget()
            return list(yes if alive else no)
        whole = all(p.before is chosen.before and p.condition is chosen.condition for p in (there, elsewhere))
        self.path = chosen.before if whole else Path(None, ew.logical_or(there.mask, elsewhere.mask), True)
        return self._merged(chosen.condition, yes, no, there, elsewhere)

    def _merged(self, condition: Any, yes: Sequence[Any], no: Sequence[Any], there: Path, elsewhere: Path) -> list[Any]:
        """Each variable as the one side or the other left it; memory of the sides is free again before."""
        pairs = list(zip(yes, no, strict=True))
        sizes = [max(there.size(x), elsewhere.size(y)) for x, y in pairs]
        there.forget()
        elsewhere.forget()
        out = [self._picked(condition, x, y) for x, y in pairs]
        if self.path is not None:
            for x, size in zip(out, sizes, strict=True):
                self.path.note(x, size)
        return out

    def _picked(self, condition: Any, x: Any, y: Any) -> Any:
        if x is y or y is UNSET:
            return x
        if x is UNSET:
            return y
        if _is_value(x) or _is_value(y):
            return ew.where(condition, self._beside(x, y), self._beside(y, x))
        return self._of_numbers(condition, x, y)

    def _beside(self, x: Any, other: Any) -> Any:
        """``x``, where it is chosen beside another number: a truth value counts, if the other is none."""
        if type(x) is bool:
            return x if dtypes.of(other).kind == "b" else int(x)
        if _is_value(x) and dtypes.of(x).kind == "b" and not _is_value(other) and type(other) is not bool:
            return cast(x, dtype=weak_dtype(self.common, other), source=BOOL)
        return x

    def _of_numbers(self, condition: Any, x: Any, y: Any) -> Any:
        """One of two Python numbers, in the dtype of the arguments: a number of the function is weak, chosen or not."""
        if type(x) is type(y) and x == y and not (x == 0 and math.copysign(1, x) != math.copysign(1, y)):
            return x
        if type(x) is type(y) is bool:
            return truth(condition) if x else ew.logical_not(condition)
        dtype = weak_dtype(self.common, x, y)
        one = cast(condition, dtype=dtype, source=BOOL)
        return ew.where(condition, x, ew.where(condition, one, y))

    # ---- results --------------------------------------------------------------------------------------------------------

    def give(self, x: Any) -> None:
        """``return x``, for the elements that are here."""
        self._returned.append((self.path, x))
        self.alive = False

    def result(self) -> Any:
        """What the elements have returned."""
        if self.alive:  # what was certain when it was decorated: the number of steps of a loop, say
            raise unsupported("a function ends without a return, since a number that it closes over has changed")
        out = self._returned[-1][1]
        for path, x in reversed(self._returned[:-1]):
            assert path is not None
            out = self._picked(path.mask, x, out)
        return out


class _Choice:
    """An ``if`` that is being run."""

    def __init__(self, before: Path | None, condition: Any) -> None:
        self.known = not _is_value(condition)
        """Whether the condition is a Python number, so that one side is run, as in Python."""
        self.before = before
        self.condition = condition if self.known else truth(condition)
        self.then: tuple[Path | None, bool] = before, True


__all__ = ["HARMLESS", "MOST_STEPS", "UNSET", "Lanes", "Path"]
