"""LoopKernel: one loop nest as data, between the graph that it was cut from and the text of some language.

The index space is a product of *axes*: runs of the program's axes that all arrays of the kernel either have or lack
together, so that most kernels have one. The first ``rows`` of them are the outer loops. A value is computed once for
each element, once for each row, or once at all (its ``level``); a reduction leads from elements to rows. Elements that
depend on a row's reduction are computed in a later *pass* over that row, and what an earlier pass computed is computed
again there if it is cheap, and kept in a scratch row if it is dear.

A step has the dtype in which it is computed, an array that of its memory. They differ for arrays of float16 and
bfloat16, whose steps are float32: there a read widens, and a write rounds.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

ONCE, ROW, ELEMENT = range(3)
"""How often a value is computed."""

REDUCTIONS = {"reduce_sum": "sum", "reduce_max": "max", "reduce_min": "min"}
"""Primitives that a kernel reduces with, and the name of the accumulation. Of booleans the largest says whether any is true."""

DEAR = frozenset(
    [
        "exp",
        "exp2",
        "expm1",
        "log",
        "log2",
        "log10",
        "log1p",
        "logaddexp",
        "sin",
        "cos",
        "tan",
        "asin",
        "acos",
        "atan",
        "atan2",
        "sinh",
        "cosh",
        "tanh",
        "asinh",
        "acosh",
        "atanh",
        "sigmoid",
        "softplus",
        "erf",
        "erfc",
        "sinc",
        "pow",
        "cbrt",
        "hypot",
        "divide",
        "reciprocal",
        "sqrt",
        "remainder",
        "fmod",
    ]
)
"""Primitives that cost more than reading an element."""


@dataclass(eq=False, slots=True)
class Array:
    """A parameter of a kernel: an array with some of the kernel's axes, as they follow each other in its memory."""

    name: str
    dtype: Any
    axes: tuple[int, ...]
    written: bool = False
    scratch: bool = False
    """Whether it is one row of working memory."""
    drawn: bool = False
    """Whether its elements are random words, none of which is in memory: what is passed is their key, from which a kernel
    for a GPU draws them. The text for the CPU, where no plan has such a kernel, reads them.
    """

    @property
    def passed(self) -> Any:
        """The dtype of what is passed."""
        return np.dtype(np.uint32) if self.drawn else self.dtype


@dataclass(eq=False, slots=True)
class Step:
    """One value: read from an array, computed from other values, or reduced."""

    name: str
    op: str
    """``"read"``, the name of an elementwise primitive, ``"cast"``, ``"position_in_row"``, ``"round_float16"`` or
    ``"round_bfloat16"`` (to that precision, in float32), or one of :data:`REDUCTIONS`."""
    operands: tuple[Any, ...]
    """Steps and Python numbers; an :class:`Array` for a read."""
    dtype: Any
    level: int
    turn: int = 0
    """The pass over the row in which it is there: computed, for an element; known before, for a row."""
    site: str = ""


@dataclass(eq=False, slots=True)
class LoopKernel:
    """Steps in an order in which each comes after its operands, and which of them go to arrays."""

    name: str
    axes: int
    rows: int
    """How many of the axes, the first ones, are those of rows."""
    arrays: list[Array] = field(default_factory=list)
    given: list[int] = field(default_factory=list)
    """Axes that no array has, as under a sum of what is broadcast: their sizes are parameters."""
    steps: list[Step] = field(default_factory=list)
    kept: dict[int, Array] = field(default_factory=dict)
    """id of a step that a later pass reads again -> where it is kept."""
    writes: list[tuple[Step, Array]] = field(default_factory=list)
    """An element or row to be written. A step of elements is summed over the outer axes that its array lacks."""

    def turns(self) -> None:
        """Find for each step the pass in which it is computed."""
        for s in self.steps:
            before = [o.turn for o in s.operands if type(o) is Step]
            s.turn = max(before, default=0) + (s.op in REDUCTIONS)

    def sums_rows(self, s: Step, a: Array) -> bool:
        """Whether elements are added up over rows on their way to an array: over the outer axes that it lacks."""
        inner = range(self.rows, self.axes)
        return s.level == ELEMENT and len(a.axes) < self.axes and set(inner) <= set(a.axes)

    def common(self, a: Array) -> bool:
        """Whether all rows have the same of an array."""
        return self.rows > 0 and not a.scratch and not any(axis < self.rows for axis in a.axes)

    @property
    def turned(self) -> bool:
        """Whether the outermost loop runs along an axis that is not the first of some array: its range is given then."""
        return any(0 in a.axes[1:] for a in self.arrays)

    @property
    def passes(self) -> int:
        """How many times a row is gone over."""
        ends = [s.turn for s, _ in self.writes if s.level == ELEMENT]
        ends += [s.turn - 1 for s in self.steps if s.op in REDUCTIONS]
        return max(ends, default=-1) + 1

    def needed_in(self, turn: int) -> list[Step]:
        """The steps of elements that pass ``turn`` computes, in order; those kept by an earlier pass are read."""
        wanted = {id(s) for s, _ in self.writes if s.level == ELEMENT and s.turn == turn}
        for s in self.steps:
            if s.op in REDUCTIONS and s.turn == turn + 1:
                wanted |= {id(o) for o in s.operands if type(o) is Step}
            if s.turn == turn and id(s) in self.kept:
                wanted.add(id(s))
        out: list[Step] = []
        for s in reversed(self.steps):
            if id(s) in wanted and s.level == ELEMENT:
                out.append(s)
                if not (id(s) in self.kept and s.turn < turn):
                    wanted.update(id(o) for o in s.operands if type(o) is Step)
        return out[::-1]

    def without_scratch(self) -> LoopKernel:
        """The same kernel, which computes again what this one keeps in rows of working memory."""
        kept = {key: a for key, a in self.kept.items() if not a.scratch}
        return replace(self, arrays=[a for a in self.arrays if not a.scratch], kept=kept)

    def keep_dear(self) -> None:
        """Choose which steps are kept from one pass for a later one: in the array that they go to, or in a scratch row.

        Random words that several passes need are dear, too, where they are drawn.
        """
        into = {id(s): a for s, a in self.writes if s.level == ELEMENT and len(a.axes) == self.axes}
        drawn: set[int] = set()
        for turn in range(self.passes):
            for s in self.needed_in(turn):
                again = id(s) in drawn
                if s.op == "read" and s.operands[0].drawn:
                    drawn.add(id(s))
                if s.turn < turn and (s.op in DEAR or again) and id(s) not in self.kept:
                    array = into.get(id(s))
                    if array is None or array.dtype != s.dtype:
                        array = Array(f"row_{s.name}", s.dtype, tuple(range(self.rows, self.axes)), True, True)
                        self.arrays.append(array)
                    self.kept[id(s)] = array
