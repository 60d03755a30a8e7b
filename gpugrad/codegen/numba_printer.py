"""A loop kernel as Python text for Numba."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpugrad import dtypes
from gpugrad.codegen.loops import DEAR, ELEMENT, ONCE, REDUCTIONS, ROW, Array, LoopKernel, Step
from gpugrad.codegen.numba_scalars import INTEGERS, SCALARS, literal
from gpugrad.dtypes import is_half
from gpugrad.errors import beside
from gpugrad.kernels import scalar_math

BLOCK = 4096
"""Elements that are summed in their own dtype before the sum goes into a wider one."""

NEAR: dict[str, float] = scalar_math.NEAR
"""Circular functions, and the largest absolute value for which there is a quicker one."""

_KEPT = frozenset({"float32", "float64", "complex64", "complex128", "int64", "bool"})
"""Dtypes in which Numba's arithmetic stays; it widens the other integers."""


def printed(kernel: LoopKernel, sites: bool = False) -> str:
    """The function; with ``sites``, the user's line that each step came from is beside it."""
    return _Printer(kernel, sites).text()


class _Printer:
    def __init__(self, kernel: LoopKernel, sites: bool) -> None:
        self.kernel = kernel
        self.kept = kernel.kept
        self.sites = sites
        self.parts: dict[int, str] = {}
        """id of an array -> the name of the part of it that the innermost loop runs over."""
        self.out: list[str] = []
        self.depth = 1
        self.near = False
        """Whether circular functions are those for arguments near 0."""

    def text(self) -> str:
        k = self.kernel
        parameters = [*(a.name for a in k.arrays), *(f"n{axis}" for axis in k.given)]
        parameters += ["start", "stop"] if k.turned else []
        self.out.append(f"def {k.name}({', '.join(parameters)}):")
        for axis in sorted(set(range(k.turned, k.axes)) - set(k.given)):
            array = next(a for a in k.arrays if axis in a.axes)
            self.say(f"n{axis} = {array.name}.shape[{array.axes.index(axis)}]")
        self.steps(ONCE, 0)
        columns = [(s, a) for s, a in k.writes if self.kernel.sums_rows(s, a)]
        for _, a in columns:
            self.say(f"{a.name}[:] = 0")
        for axis in range(k.rows):
            self.say(f"for i{axis} in range({'start, stop' if k.turned and not axis else f'n{axis}'}):")
            self.depth += 1
        for turn in range(k.passes + 1):
            self.steps(ROW, turn)
            if turn < k.passes:
                self.over(turn)
        for s, a in k.writes:
            if s.level == ROW or (s.level == ONCE and not k.rows):
                self.say(f"{self.place(a)} = {self.stored(s, a)}")
        self.depth = 1
        if k.rows:
            for s, a in k.writes:
                if s.level == ONCE:
                    self.say(f"{self.place(a)} = {self.stored(s, a)}")
        return "\n".join(self.out) + "\n"

    # ---- pieces -----------------------------------------------------------------------------------------------------

    def say(self, text: str, site: str = "") -> None:
        line = "    " * self.depth + text
        self.out.append(f"{line:56s}  # {beside(site)}" if site and self.sites else line)

    def steps(self, level: int, turn: int) -> None:
        for s in self.kernel.steps:
            if s.level == level and s.turn == turn and s.op not in REDUCTIONS:
                self.say(f"{s.name} = {self.value(s)}", s.site)

    def over(self, turn: int) -> None:
        """One pass over the elements of a row."""
        k = self.kernel
        inside = range(k.rows, k.axes)
        sums = [s for s in k.steps if s.op in REDUCTIONS and s.turn == turn + 1]
        tops = self.arguments_of_waves(turn) if inside else []
        blocked = bool(inside) and bool(sums or tops)
        kinds = {s.name: REDUCTIONS[s.op] for s in sums}
        for s in sums:
            wide = kinds[s.name] == "sum" and blocked
            self.say(f"{s.name} = {_start(kinds[s.name], _total(s.dtype) if wide else dtypes.name(s.dtype))}")
        before = self.depth
        for axis in inside[:-1]:
            self.say(f"for i{axis} in range(n{axis}):")
            self.depth += 1
        level = self.depth
        if blocked:
            axis = inside[-1]
            self.say(f"for b in range(0, n{axis}, {BLOCK}):")
            self.depth += 1
            for s in sums:
                self.say(f"block_{s.name} = {_start(kinds[s.name], dtypes.name(s.dtype))}")
            for a in self.met(turn, sums):  # a view, since Numba indexes from 0 without asking whether it is below
                if axis in a.axes:
                    self.parts[id(a)] = f"{a.name}_part"
                    outer = "".join(f"i{x}, " for x in a.axes if x != axis)
                    self.say(f"{a.name}_part = {a.name}[{outer}b:b + {BLOCK}]")
            loop = f"for i{axis} in range(min({BLOCK}, n{axis} - b)):"
        elif inside:
            loop = f"for i{inside[-1]} in range(n{inside[-1]}):"
        if tops:
            self.near_or_wide(turn, sums, tops, loop)
        elif inside:
            self.loop(loop, turn, sums, blocked)
        else:
            self.body(turn, sums, blocked)
        self.depth = before
        self.parts.clear()
        if blocked:
            self.depth = level + 1
            for s in sums:
                self.accumulate(s.name, f"block_{s.name}", kinds[s.name])
            self.depth = before
            for s in sums:
                if kinds[s.name] == "sum" and dtypes.name(s.dtype) != _total(s.dtype):
                    self.say(f"{s.name} = np.{s.dtype}({s.name})")

    def loop(self, head: str, turn: int, sums: Sequence[Step], blocked: bool) -> None:
        """The innermost loop."""
        self.say(head)
        self.depth += 1
        self.body(turn, sums, blocked)
        self.depth -= 1

    def body(self, turn: int, sums: Sequence[Step], blocked: bool) -> None:
        """What is done for each element."""
        k = self.kernel
        for s in k.needed_in(turn):
            if id(s) in self.kept and s.turn < turn:
                self.say(f"{s.name} = {self.place(self.kept[id(s)])}")
            else:
                self.say(f"{s.name} = {self.value(s)}", s.site)
            if id(s) in self.kept and s.turn == turn and not any(w is s and a is self.kept[id(s)] for w, a in k.writes):
                self.say(f"{self.place(self.kept[id(s)])} = {s.name}")
            if s.turn == turn:
                for w, a in k.writes:
                    if w is s:
                        sign = "+=" if k.sums_rows(s, a) else "="
                        self.say(f"{self.place(a)} {sign} {self.stored(s, a)}")
        for s in sums:
            into = f"block_{s.name}" if blocked else s.name
            self.accumulate(into, self.text_of(s.operands[0], dtypes.name(s.dtype)), REDUCTIONS[s.op], s.site)

    # ---- sines, cosines and tangents: quick where all arguments of a block are near 0 --------------------------------

    def arguments_of_waves(self, turn: int) -> list[Step]:
        """Arguments of circular functions in a pass, if to look at them first costs little; none if it does not pay."""
        waves = [s for s in self.computed_in(turn) if s.op in NEAR and dtypes.name(s.dtype) in ("float32", "float64")]
        found = list({id(x): x for s in waves for x in s.operands if type(x) is Step and x.level == ELEMENT}.values())
        return found if not any(s.op in DEAR for s in self.leading_to(found, turn)) else []

    def computed_in(self, turn: int) -> list[Step]:
        return [s for s in self.kernel.needed_in(turn) if not (id(s) in self.kept and s.turn < turn)]

    def leading_to(self, wanted: Sequence[Step], turn: int) -> list[Step]:
        """The steps of a pass that these are computed from, and they themselves, in order."""
        ids = set(map(id, wanted))
        out = []
        for s in reversed(self.kernel.needed_in(turn)):
            if id(s) in ids:
                out.append(s)
                if not (id(s) in self.kept and s.turn < turn):
                    ids.update(id(x) for x in s.operands if type(x) is Step)
        return out[::-1]

    def near_or_wide(self, turn: int, sums: Sequence[Step], tops: Sequence[Step], head: str) -> None:
        """A look at a block's arguments, and then the loop with the functions that are right for them."""
        for x in tops:
            self.say(f"top_{x.name} = np.{x.dtype}(0)")
        self.say(head)
        self.depth += 1
        for s in self.leading_to(tops, turn):
            kept = id(s) in self.kept and s.turn < turn
            self.say(f"{s.name} = {self.place(self.kept[id(s)]) if kept else self.value(s)}")
        for x in tops:
            self.say(f"top_{x.name} = maximum(abs({x.name}), top_{x.name})")
        self.depth -= 1
        self.say(f"if {' and '.join(f'top_{x.name} <= {min(NEAR.values())}' for x in tops)}:")
        for self.near in (True, False):
            self.depth += 1
            self.loop(head, turn, sums, True)
            self.depth -= 1
            if self.near:
                self.say("else:")

    def column(self) -> str:
        """The position in the row, whose elements have one axis."""
        axis = self.kernel.axes - 1
        return f"b + i{axis}" if self.parts else f"i{axis}"

    def accumulate(self, into: str, x: str, kind: str, site: str = "") -> None:
        if kind == "sum":
            self.say(f"{into} += {x}", site)
        else:
            self.say(f"{into} = {kind}imum({x}, {into})", site)

    def met(self, turn: int, sums: Sequence[Step]) -> list[Array]:
        """The arrays that a pass reads or writes, in the order of the parameters."""
        needed = self.kernel.needed_in(turn)
        there = {id(a) for s in needed for a in (*s.operands, self.kept.get(id(s))) if isinstance(a, Array)}
        there |= {id(a) for s, a in self.kernel.writes if s in needed and s.turn == turn}
        return [a for a in self.kernel.arrays if id(a) in there]

    def place(self, a: Array) -> str:
        if id(a) in self.parts:
            return f"{self.parts[id(a)]}[i{a.axes[-1]}]"
        return f"{a.name}[{', '.join(f'i{axis}' for axis in a.axes) or '0'}]"

    def stored(self, s: Step, a: Array) -> str:
        """A step as an element of an array: half precision is rounded, to bits in an array of uint16."""
        return f"to_{a.dtype}({s.name})" if is_half(a.dtype) else s.name

    def value(self, s: Step) -> str:
        if s.op == "read":
            a = s.operands[0]
            return f"from_{a.dtype}({self.place(a)})" if is_half(a.dtype) else self.place(a)
        t = dtypes.name(s.dtype)
        if s.op == "position_in_row":
            return f"np.{t}({self.column()})"
        if s.op == "cast":
            source = self.text_of(s.operands[0], t)
            if t == "bool":
                return f"{source} != 0"
            cut = t in INTEGERS and s.operands[0].dtype.kind == "f"
            return f"to_{t}({source})" if cut else f"np.{t}({source})"
        common = t if s.op == "where" else common_dtype(s.operands) or t
        _, text = SCALARS[s.op]
        out = text(*(self.text_of(x, common) for x in s.operands), t=f"np.{common}")
        if self.near and s.op in NEAR:
            out = out.replace(f"{s.op}_f", f"{s.op}_near_f", 1)
        return out if t in _KEPT else f"np.{t}({out})"

    def text_of(self, x: Any, dtype: str) -> str:
        return x.name if type(x) is Step else literal(x, dtype)


def _total(dtype: Any) -> str:
    """The dtype in which the sums of blocks are added up."""
    return {"c": "complex128", "i": "int64", "u": "uint64"}.get(dtype.kind, "float64")


def _start(kind: str, dtype: str) -> str:
    """What a reduction of nothing is."""
    if kind == "sum":
        return f"np.{dtype}(0)"
    if dtype == "bool":
        return str(kind == "min")
    if dtype in INTEGERS:
        limits = np.iinfo(dtype)
        return f"np.{dtype}({limits.min if kind == 'max' else limits.max})"
    return f"np.{dtype}({'-' if kind == 'max' else ''}np.inf)"


def common_dtype(operands: Sequence[Any]) -> str | None:
    """The dtype that the operands share; None if all of them are numbers."""
    found = [dtypes.name(x.dtype) for x in operands if hasattr(x, "dtype")]
    return found[-1] if found else None
