"""What the printers for GPUs share: a loop kernel in one of its forms, as statements of a dialect.

``gpu_launch`` says what the forms are, and how they are launched. The functions of one text have the same parameters,
and each works for any sizes of its form and any number of blocks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np

from gpugrad.codegen.chosen import Chosen, divided
from gpugrad.codegen.gpu_launch import Form, column_sums, staged, stages, takes_parts, working
from gpugrad.codegen.loops import ELEMENT, ONCE, REDUCTIONS, ROW, Array, LoopKernel, Step


class Dialect(Protocol):
    """The statements and expressions of a language. Positions in expressions are products and sums, alike in all."""

    @property
    def scope(self) -> str | None:
        """What opens a block for names of its own, where a language needs that."""
        ...

    @property
    def between(self) -> list[str]:
        """Further empty lines before a function."""
        ...

    lane: str
    """A thread's number in its team."""
    lanes: str
    """How many threads a team has."""
    team: str
    """The number of the first row that a thread's team has."""
    teams: str
    """How many teams there are in all."""
    above: str
    """A thread's number in its column of the block."""
    part: str
    """The number of the block in its row, or of the part of the rows."""
    parts: str
    """How many blocks have a row, or a part of the rows."""
    row: str
    """The number of the row that a block has with others."""
    width: int

    def head(self, kernel: LoopKernel, form: Form) -> list[str]:
        """What comes before the functions."""
        ...

    def function(self, name: str, arrays: Sequence[tuple[str, Any, bool]], sizes: Sequence[str]) -> list[str]:
        """The first lines of a function of arrays (name, dtype, whether it writes there) and integers."""
        ...

    def end(self) -> str | None:
        """What closes a block of statements."""
        ...

    def spelled(self, text: str) -> str:
        """A statement with its names as the language can have them."""
        ...

    def comment(self, text: str) -> str: ...
    def loop(self, name: str, start: str, end: str, step: str) -> str: ...
    def condition(self, text: str) -> str: ...
    def integer(self, name: str, text: str) -> str: ...
    def read(self, dtype: Any, place: str) -> str: ...
    def constant(self, dtype: Any, name: str, text: str) -> str: ...
    def variable(self, dtype: Any, name: str, text: str) -> str: ...
    def assigned(self, place: str, text: str) -> str: ...
    def added(self, place: str, text: str) -> str: ...
    def quotient(self, x: str, y: str) -> str: ...
    def global_thread(self, axis: str) -> str: ...
    def all_threads(self, axis: str) -> str: ...
    def value(self, s: Step, position: str) -> str: ...
    def number(self, x: Any, dtype: Any) -> str: ...
    def start(self, kind: str, dtype: Any) -> str: ...
    def extreme(self, kind: str, x: str, y: str) -> str: ...
    def over_team(self, values: Sequence[tuple[str, Any, str]], turn: int | None) -> list[str]: ...
    def over_parts(self, kind: str, dtype: Any, array: str, first: str, size: str) -> str: ...
    def column_sum(self, dtype: Any, x: str) -> str: ...
    def sum_parts(self, dtype: Any, parts: str, size: str, columns: str, out: str) -> str: ...
    def neighbours(self, array: str, position: str) -> str: ...
    def key(self, name: str, array: str) -> str: ...
    def word(self, dtype: Any, key: str, position: str) -> str: ...
    def words(self, dtype: Any, key: str, position: str) -> str: ...
    def pack(self, dtype: Any, name: str, value: str = "", times: int = 0) -> str: ...
    def element(self, name: str) -> str: ...
    def stored(self, array: str, position: str, name: str) -> str: ...
    def shared(self, arrays: Sequence[tuple[str, Any]], size: str) -> list[str]: ...
    def brings(self, row: str, array: str, size: str, first: str) -> str: ...
    def brought(self) -> str: ...
    def unrolled(self, name: str, times: int) -> list[str]: ...
    def ahead(self) -> list[str]: ...
    def clear_row(self, array: str, first: str, size: str) -> list[str]: ...


def printed(kernel: LoopKernel, form: Form, dialect: Dialect, said: Any = None) -> str:
    """The text of a kernel in a form; ``said(step)`` is what is written beside a step."""
    return _Printer(kernel, form, dialect, said).text()


class _Printer:
    def __init__(self, kernel: LoopKernel, form: Form, dialect: Dialect, said: Any) -> None:
        self.kernel = kernel if form.held else kernel.without_scratch()
        self.form = form
        self.d = dialect
        self.said = said
        self.out: list[str] = []
        self.depth = 0
        axes = range(kernel.axes)
        rows = 0 if form.shape == "map" else kernel.rows
        self.outer, self.inner = tuple(axes[:rows]), tuple(axes[rows:])
        self.row, self.rows = _flat(self.outer, "row", "rows")
        whole = form.shape == "map"
        self.column, self.columns = _flat(self.inner, "i" if whole else "column", "elements" if whole else "columns")
        self.sums = column_sums(kernel)
        self.body = 0
        """Where the lines of the function begin."""
        self.packed = form.width > 1 or form.held > 0
        """Whether a thread has neighbouring elements together, though it be one."""
        self.staged = staged(kernel) if form.staged else []
        """The arrays whose rows go to shared memory."""
        self.slot = self.column
        """Where an element is in shared memory: a thread comes to those alone that it has brought there."""
        self.passes = [divided(self.kernel, turn) for turn in range(max(1, self.kernel.passes))]
        """One, which is empty, where there is nothing but a number."""
        indices = {id(c.index): c.index for p in self.passes for c in p.chosen}
        self.numbers = {key: n + 1 for n, key in enumerate(indices)}
        """id of an index that names an element of its row -> its number."""
        self.elsewhere: frozenset[int] = frozenset()
        """id of each test that is false in the loop which is printed."""

    def text(self) -> str:
        self.out += self.d.head(self.kernel, self.form)
        {"map": self.map, "rows": self.by_row, "columns": self.by_column, "split": self.by_parts}[self.form.shape]()
        if self.sums:
            self.adding()
        return "\n".join(self.out) + "\n"

    # ---- the forms --------------------------------------------------------------------------------------------------

    def map(self) -> None:
        d = self.d
        each = f"{d.width} neighbouring elements" if d.width > 1 else "an element"
        self.open(self.kernel.name, f"A thread takes {each} at a time, in strides of the grid.")
        if self.inner:
            start = d.global_thread("x") if d.width == 1 else f"({d.global_thread('x')}) * {d.width}"
            step = d.all_threads("x") if d.width == 1 else f"{d.all_threads('x')} * {d.width}"
            self.begin(d.loop(self.column, start, self.columns, step))
        self.element(0, self.before(lambda s: True))
        if self.inner:
            self.close()
        self.end()

    def by_row(self) -> None:
        """A team for each row; it comes to each of its elements with the same thread in every pass."""
        d, k = self.d, self.kernel
        where = "registers" if self.form.held else "shared memory" if self.staged else ""
        stays = f", which stays in {where}" if where else ""
        self.open(k.name, f"A team of threads has a row{stays}, and goes over it pass by pass.")
        if self.staged:
            whole = f"({d.quotient(self.columns, str(d.width))} + 2) * {d.width}" if self.form.ragged else self.columns
            self.lines(d.shared([(f"{a.name}_row", a.dtype) for a in self.staged], whole))
        if self.form.held:
            for a in self.sums:
                self.say(d.pack(a.dtype, f"sum_{a.name}", times=self.form.held))
            self.clear_sums()
        elif self.sums:
            self.say(d.integer("mine", f"{_factor(d.team)} * {self.columns}"))
            for a in self.sums:
                self.lines(d.clear_row(f"parts_{a.name}", "mine", self.columns))
        self.steps(self.before(lambda s: s.level == ONCE))
        if self.outer:
            self.begin(d.loop(self.row, d.team, self.rows, d.teams))
            self.coordinates(self.outer, self.row, self.arrays_of_rows(k.steps))
        self.ends()
        if self.form.held:
            self.fetch()
        if self.staged:
            self.bring()
        for turn in range(k.passes + 1):
            self.steps([s for s in k.steps if s.level == ROW and s.turn == turn and s.op not in REDUCTIONS])
            found = [c for p in self.passes for c in p.chosen]
            self.name_chosen([c for c in found if c.index.turn == turn], d.lane, d.lanes)
            if turn < k.passes:
                self.over(turn, d.lane, d.lanes)
                self.joined(turn, sum(1 for t in range(k.passes) if self.ending(t)) > 1 or not self.outer)
        writes = [(s, a) for s, a in k.writes if s.level != ELEMENT]
        if writes:
            self.begin(d.condition(f"{d.lane} == 0"))
            for s, a in writes:
                self.say(d.assigned(self.place(a), s.name))
            self.close()
        if self.outer:
            self.close()
        if self.form.held and self.sums:
            self.begin_turns()
            self.leave_sums(self.d.row)
            self.close()
        self.end()

    def fetch(self) -> None:
        """Begin to read all of a row at once."""
        d = self.d
        read = [s.operands[0] for s in self.kernel.steps if s.op == "read" and s.level == ELEMENT]
        for a in self.kernel.arrays:
            if self.keeps(a):
                self.say(d.pack(a.dtype, f"{a.name}_pack", times=self.form.held))
        read = [a for a in self.kernel.arrays if self.keeps(a) and any(a is b for b in read)]
        if read:
            self.begin_turns()
            self.begin(d.condition(f"{self.column} < {self.columns}"))
            self.coordinates(self.inner, self.column, read)
            for a in read:
                self.say(d.assigned(f"{a.name}_pack[turn]", d.neighbours(*self.at(a))))
            self.close()
            self.close()

    def bring(self) -> None:
        """Read a row into shared memory."""
        for a in self.staged:
            before = _factor(self.index(a.axes[: -len(self.inner)]))
            begin = a.name if before == "0" else f"{a.name} + {before} * {self.columns}"
            self.say(self.d.brings(f"{a.name}_row", begin, self.columns, "first" if self.form.ragged else ""))
        self.say(self.d.brought())

    def begin_turns(self) -> None:
        """Begin to come to each of a row's elements that a thread has in registers."""
        self.lines_of_block(self.d.unrolled("turn", self.form.held))
        at = f"turn * {self.d.lanes} + {self.d.lane}"
        self.say(self.d.integer(self.column, at if self.d.width == 1 else f"({at}) * {self.d.width}"))

    def clear_sums(self) -> None:
        """Begin to add up over rows, in registers."""
        d, at = self.d, "[turn][k]" if self.form.held else "[k]"
        if not self.sums:
            return
        if self.form.held:
            self.lines_of_block(d.unrolled("turn", self.form.held))
        self.lines_of_block(d.unrolled("k", d.width))
        for a in self.sums:
            self.say(d.assigned(f"sum_{a.name}{at}", d.start("sum", a.dtype)))
        self.close()
        if self.form.held:
            self.close()

    def leave_sums(self, part: str) -> None:
        """Leave for the next launch what a block has added up over rows, in registers."""
        d = self.d
        packs = [(a, f"sum_{a.name}{'[turn]' if self.form.held else ''}") for a in self.sums]
        for a, pack in packs:
            self.lines_of_block(d.unrolled("k", d.width))
            self.say(d.assigned(f"{pack}[k]", d.column_sum(a.dtype, f"{pack}[k]")))
            self.close()
        self.begin(d.condition(f"{d.above} == 0 and {self.column} < {self.columns}"))
        for a, pack in packs:
            self.say(d.stored(f"parts_{a.name}", f"{part} * {self.columns} + {self.column}", pack))
        self.close()

    def by_column(self) -> None:
        """A block has neighbouring columns and a part of the rows; threads above one another take turns with the rows."""
        d, k = self.d, self.kernel
        self.open(k.name, "A block has a tile of columns, and takes turns with the others of its column at the rows.")
        start = d.global_thread("x") if d.width == 1 else f"({d.global_thread('x')}) * {d.width}"
        self.say(d.integer(self.column, start))
        self.steps(self.before(lambda s: s.level == ONCE))
        for a in self.sums:
            if d.width == 1:
                self.say(d.variable(a.dtype, f"sum_{a.name}", d.start("sum", a.dtype)))
            else:
                self.say(d.pack(a.dtype, f"sum_{a.name}"))
        if d.width > 1:
            self.clear_sums()
        self.begin(d.condition(f"{self.column} < {self.columns}"))
        self.lines(d.ahead())
        self.begin(d.loop(self.row, d.global_thread("y"), self.rows, d.all_threads("y")))
        self.coordinates(self.outer, self.row, self.arrays_of_rows(k.steps))
        self.element(0, self.before(lambda s: s.level == ROW))
        self.close()
        self.close()
        if d.width > 1:
            self.leave_sums(d.part)
            self.end()
            return
        for a in self.sums:
            self.say(d.assigned(f"sum_{a.name}", d.column_sum(a.dtype, f"sum_{a.name}")))
        self.begin(d.condition(f"{d.above} == 0 and {self.column} < {self.columns}"))
        for a in self.sums:
            self.say(d.assigned(f"parts_{a.name}[{d.part} * {self.columns} + {self.column}]", f"sum_{a.name}"))
        self.close()
        self.end()

    def by_parts(self) -> None:
        """Several blocks for each row: a function for each pass, which begins with what all blocks found before."""
        d, k = self.d, self.kernel
        last = stages(k) - 1
        for stage in range(last + 1):
            self.open(f"{k.name}_{stage}", f"Pass {stage + 1} of {last + 1}: several blocks have a row.")
            wanted = self.wanted_in(stage, stage == last)
            if self.outer:
                self.say(d.integer(self.row, d.row))
                self.coordinates(self.outer, self.row, self.arrays_of_rows(wanted))
            for s in wanted:
                if s.op in REDUCTIONS:
                    first = f"{self.row} * parts" if self.outer else ""
                    text = d.over_parts(REDUCTIONS[s.op], s.dtype, f"parts_{s.name}", first, "parts")
                    self.say(d.constant(s.dtype, s.name, text))
                else:
                    self.steps([s])
            if stage < k.passes:
                self.ends()
                thread, threads = f"{d.part} * {d.lanes} + {d.lane}", f"{d.parts} * {d.lanes}"
                self.name_chosen(self.passes[stage].chosen, thread, threads)
                self.over(stage, thread, threads)
                self.joined(stage, True)
                if ends := self.ending(stage):
                    self.begin(d.condition(f"{d.lane} == 0"))
                    for s in ends:
                        at = f"{self.row} * parts + {d.part}" if self.outer else d.part
                        self.say(d.assigned(f"parts_{s.name}[{at}]", s.name))
                    self.close()
            writes = [(s, a) for s, a in k.writes if s.level != ELEMENT] if stage == last else []
            if writes:
                self.begin(d.condition(f"{d.part} == 0 and {d.lane} == 0"))
                for s, a in writes:
                    self.say(d.assigned(self.place(a), s.name))
                self.close()
            self.end()

    def adding(self) -> None:
        """The function that adds up parts of sums over rows."""
        self.open(f"{self.kernel.name}_sums", "Adds up the parts of sums over rows.")
        for a in self.sums:
            count, columns = (
                (_product(self.gone(a)), _product(a.axes)) if self.form.shape == "split" else ("parts", self.columns)
            )
            self.say(self.d.sum_parts(a.dtype, f"parts_{a.name}", count, columns, a.name))
        self.end()

    # ---- pieces -----------------------------------------------------------------------------------------------------

    def open(self, name: str, comment: str) -> None:
        k = self.kernel
        arrays = [(a.name, a.passed, a.written) for a in k.arrays if not a.scratch]
        arrays += [(name, dtype, True) for name, dtype, _ in working(k, self.form)]
        self.out += ["", *self.d.between, self.d.comment(comment)]
        sizes = [*(f"n{axis}" for axis in range(k.axes)), *(["parts"] if takes_parts(k, self.form) else [])]
        self.lines(self.d.function(name, arrays, sizes))
        self.depth = 1
        self.body = len(self.out)

    def end(self) -> None:
        """The end of a function; the keys, and the sizes of several axes together, that it asks for are put at its beginning."""
        said = set(re.findall(r"\w+", "\n".join(self.out[self.body :])))
        for a in self.kernel.arrays:
            if a.drawn and self.d.spelled(f"{a.name}_key") in said:
                self.out.insert(self.body, "    " + self.d.spelled(self.d.key(f"{a.name}_key", a.name)))
        for size, axes in ((self.columns, self.inner), (self.rows, self.outer)):
            if size in said and len(axes) > 1:
                self.out.insert(self.body, "    " + self.d.integer(size, _product(axes)))
        self.close()

    def over(self, turn: int, start: str, step: str) -> None:
        """One pass over the elements of a row, by the threads that have it."""
        d, chosen, ends = self.d, self.passes[turn].chosen, self.ending(turn)
        for s in ends:
            self.say(d.variable(s.dtype, s.name, d.start(REDUCTIONS[s.op], s.dtype)))
        for c in chosen:
            self.at_chosen(turn, c)
        self.elsewhere = self.passes[turn].elsewhere
        if self.passes[turn].steps or sum(len(c.sums) for c in chosen) < len(ends):
            self.loops(turn, start, step)
        self.elsewhere = frozenset()
        for c in chosen:
            if c.writes:
                self.begin(d.condition(f"mine{self.numbers[id(c.index)]}"))
                with self.at_index(c.index):
                    for s, a in c.writes:
                        self.say(d.assigned(self.place(a), self.there(s, c.index)))
                self.close()

    def joined(self, turn: int, once: bool) -> None:
        """Join what the threads of a team have found in a pass; ``once`` if another such comes before this one comes again."""
        values = [(REDUCTIONS[s.op], s.dtype, s.name) for s in self.ending(turn)]
        if values:
            self.lines(self.d.over_team(values, turn if once else None))

    def loops(self, turn: int, start: str, step: str) -> None:
        """What a pass does with each element."""
        d = self.d
        if self.form.held:
            self.begin_turns()
            self.begin(d.condition(f"{self.column} < {self.columns}"))
            self.element(turn, [])
            self.close()
            self.close()
        elif self.form.ragged:
            self.ragged(turn, start, step)
        elif self.inner:
            if d.width > 1:
                start, step = (f"{_factor(x)} * {d.width}" for x in (start, step))
            self.lines(d.ahead())
            self.begin(d.loop(self.column, start, self.columns, step))
            self.element(turn, [])
            self.close()
        else:
            if d.scope is not None:
                self.begin(d.scope)
            self.element(turn, [])
            if d.scope is not None:
                self.close()

    def ends(self) -> None:
        """Where what one instruction reads begins and ends in a row that begins and ends anywhere; both ends are apart."""
        width = self.d.width
        if self.form.ragged:
            first = f"({width} - {self.row} * {self.columns} % {width}) % {width}" if self.outer else "0"
            self.say(self.d.integer("first", first))
            self.say(self.d.integer("last", f"first + ({self.columns} - first) / {width} * {width}"))

    def ragged(self, turn: int, start: str, step: str) -> None:
        """One pass over a row that begins and ends anywhere: what one instruction reads, and then both ends."""
        d, width = self.d, self.d.width
        self.lines(d.ahead())
        self.begin(d.loop(self.column, f"first + {_factor(start)} * {width}", "last", f"{_factor(step)} * {width}"))
        self.slot = f"{2 * width} + {self.column} - first"
        self.element(turn, [])
        self.close()
        self.begin(d.loop("end", start, f"{self.columns} - last + first", step))
        begin = len(self.out)
        self.say(d.integer(self.column, "end < first ? end : last - first + end"))
        d.width, self.packed, self.slot = 1, False, "end"
        self.element(turn, [])
        if not re.search(rf"\b{self.column}\b", "\n".join(self.out[begin + 1 :])):  # all is where ``end`` says
            del self.out[begin]
        d.width, self.packed, self.slot = width, True, self.column
        self.close()

    # ---- elements that an index names -------------------------------------------------------------------------------

    def name_chosen(self, chosen: Sequence[Chosen], thread: str, threads: str) -> None:
        """Say which thread comes to the elements that indices name, and let it begin to read them."""
        d = self.d
        for key, index in {id(c.index): c.index for c in chosen}.items():
            n = self.numbers[key]
            self.say(d.integer(f"there{n}", index.name))
            unit = f"there{n}" if d.width == 1 else d.quotient(f"there{n}", str(d.width))
            if self.form.ragged:
                whole = d.quotient(f"(there{n} - first)", str(d.width))
                unit = f"(there{n} < first ? there{n} : there{n} < last ? {whole} : there{n} - last + first)"
            mine = f"({index.name} >= 0) & ({index.name} < {self.columns}) & ({unit} % {_factor(threads)} == {thread})"
            self.say(d.constant(np.dtype(bool), f"mine{n}", mine))
            steps = {id(s): s for c in chosen if c.index is index for s in c.steps if s.op == "read"}.values()
            for s in steps:
                self.say(d.variable(s.dtype, self.there(s, index), d.number(0, s.dtype)))
            if steps:
                self.begin(d.condition(f"mine{n}"))
                with self.at_index(index):
                    for s in steps:
                        self.say(d.assigned(self.there(s, index), self.one(s.operands[0])))
                self.close()

    def at_chosen(self, turn: int, c: Chosen) -> None:
        """What is done at an element that an index names, before any of its row is written."""
        d, index = self.d, c.index
        for s in {id(s): s for s, _ in c.writes}.values():
            self.say(d.variable(s.dtype, self.there(s, index), d.number(0, s.dtype)))
        self.begin(d.condition(f"mine{self.numbers[id(index)]}"))
        with self.at_index(index):
            for s in c.steps:
                kept = self.kernel.kept.get(id(s))
                if s.op == "read":
                    self.say(d.constant(s.dtype, s.name, self.there(s, index)))
                elif kept is not None and not kept.scratch and s.turn < turn:
                    self.say(d.constant(s.dtype, s.name, self.one(kept)))
                else:
                    self.say(d.constant(s.dtype, s.name, d.value(s, self.column)), s)
        for s in c.sums:
            self.say(d.added(s.name, self.operand(s.operands[0], s.dtype)), s)
        for s in {id(s): s for s, _ in c.writes}.values():
            self.say(d.assigned(self.there(s, index), s.name))
        self.close()

    def there(self, s: Step, index: Step) -> str:
        """The name of what a step is where an index says."""
        return f"{s.name}_there{self.numbers[id(index)]}"

    @contextmanager
    def at_index(self, index: Step) -> Iterator[None]:
        """What is printed meanwhile is of the element that an index names, in memory that all threads have."""
        before = self.column, self.staged
        self.column, self.staged = f"there{self.numbers[id(index)]}", []
        yield
        self.column, self.staged = before

    # ---- elements ---------------------------------------------------------------------------------------------------

    def element(self, turn: int, first: Sequence[Step]) -> None:
        """What is done with an element, or with ``width`` neighbouring ones, in a pass; steps of rows before, if any."""
        needed = self.passes[turn].steps
        arrays = [self.source(s, turn) for s in needed]
        found = [a for a in arrays if a is not None and a not in self.staged] + [
            a for s in needed for a in self.targets(s, turn)
        ]
        found += [s.operands[0] for s in first if s.op == "read"]
        self.coordinates(self.inner, self.column, found, any(s.op == "position_in_row" for s in needed))
        self.steps(first)
        for part in self.apart(needed) if self.form.shape == "map" else [needed]:
            self.together(turn, part)

    def apart(self, steps: Sequence[Step]) -> list[list[Step]]:
        """Steps in groups, none of which reads what is in another, nor an array that another writes."""
        group_of: dict[int, list[Step]] = {}
        """id of a step or of an array -> the steps that belong together with it."""
        for s in steps:
            reach = [*s.operands, *self.targets(s, 0)]
            known = {id(group_of[id(x)]): group_of[id(x)] for x in reach if id(x) in group_of}
            group = [x for other in known.values() for x in other] + [s]
            for x in group:
                group_of.update(dict.fromkeys(map(id, [x, *self.targets(x, 0)]), group))
                if x.op == "read":
                    group_of[id(x.operands[0])] = group
        place = {id(s): n for n, s in enumerate(steps)}
        groups = {id(group): group for group in (group_of[id(s)] for s in steps)}
        return [sorted(group, key=lambda s: place[id(s)]) for group in groups.values()]

    def together(self, turn: int, needed: Sequence[Step]) -> None:
        """What is done with steps that lead to one another: others come later, for which registers are free again."""
        d, packed = self.d, self.packed
        arrays = [self.source(s, turn) for s in needed]
        late: list[tuple[Array, str]] = []
        if packed:
            for s, a in zip(needed, arrays, strict=True):
                if a is not None and self.along(a) and not self.keeps(a):
                    array, position = self.origin(a)
                    there = d.words(a.dtype, f"{array}_key", position) if a.drawn else d.neighbours(array, position)
                    text = d.pack(a.dtype, f"{a.name}_pack", there)
                    changed = any(a is b for w in needed for b in self.targets(w, turn))
                    self.say(text if changed else f"const {text}")
                elif a is not None and not self.along(a):
                    self.say(d.constant(s.dtype, s.name, self.one(a)))
            for s in needed:
                for a in self.targets(s, turn):
                    if self.sums_into_register(s, a) or a.scratch:
                        continue
                    array, position = self.at_sum(a) if self.is_sum(s, a) else self.at(a)
                    name = f"{a.name}_pack"
                    if self.is_sum(s, a) and self.form.shape == "rows":
                        self.say(d.pack(a.dtype, name, d.neighbours(array, position)))
                    elif not self.keeps(a) and not any(
                        a is b for b in arrays
                    ):  # of what is updated, there is the old value
                        self.say(d.pack(a.dtype, name))
                    late.append((a, d.stored(array, position, self.pack_of(a))))
            self.lines_of_block(d.unrolled("k", d.width))
        for s, a in zip(needed, arrays, strict=True):
            if a is None:
                self.steps([s])
            elif not packed:
                self.say(d.constant(s.dtype, s.name, self.one(a)))
            elif self.along(a):
                self.say(d.constant(s.dtype, s.name, d.element(self.pack_of(a))))
            for target in self.targets(s, turn):
                self.write(s, target)
        apart = [s for c in self.passes[turn].chosen for s in c.sums]
        for s in self.ending(turn):
            if s in apart:
                continue
            x = self.operand(s.operands[0], s.dtype)
            kind = REDUCTIONS[s.op]
            self.say(d.added(s.name, x) if kind == "sum" else d.assigned(s.name, d.extreme(kind, x, s.name)), s)
        if packed:
            self.close()
            for _, text in late:
                self.say(text)

    def write(self, s: Step, a: Array) -> None:
        d, packed = self.d, self.packed
        if not self.is_sum(s, a):
            self.say(d.assigned(f"{self.pack_of(a)}[k]" if packed else self.place(a), s.name))
        elif self.form.held:
            self.say(d.added(f"sum_{a.name}[turn][k]", s.name))
        elif self.form.shape == "columns":
            self.say(d.added(f"sum_{a.name}[k]" if packed else f"sum_{a.name}", s.name))
        elif packed:
            add = d.added if self.form.shape == "rows" else d.assigned
            self.say(add(f"{a.name}_pack[k]", s.name))
        else:
            array, position = self.at_sum(a)
            add = d.added if self.form.shape == "rows" else d.assigned
            self.say(add(f"{array}[{position}]", s.name))

    def is_sum(self, s: Step, a: Array) -> bool:
        """Whether an element is added up over the rows in an array, which is not its row of scratch."""
        return not a.scratch and self.kernel.sums_rows(s, a)

    def sums_into_register(self, s: Step, a: Array) -> bool:
        return (self.form.shape == "columns" or self.form.held > 0) and self.is_sum(s, a)

    def pack_of(self, a: Array) -> str:
        """The neighbouring elements of an array that a thread has."""
        return f"{a.name}_pack[turn]" if self.keeps(a) else f"{a.name}_pack"

    def keeps(self, a: Array) -> bool:
        """Whether a thread has its elements of a row's array in registers; words are drawn where they are asked for."""
        return self.form.held > 0 and self.along(a) and not self.kernel.common(a) and not a.drawn

    def origin(self, a: Array) -> tuple[str, str]:
        """Where an element of an array is read."""
        return (f"{a.name}_row", self.slot) if a in self.staged else self.at(a)

    def source(self, s: Step, turn: int) -> Array | None:
        """The array that an element is read from in a pass."""
        if id(s) in self.kernel.kept and s.turn < turn:
            return self.kernel.kept[id(s)]
        return s.operands[0] if s.op == "read" else None

    def targets(self, s: Step, turn: int) -> list[Array]:
        """The arrays that an element goes to in a pass."""
        if s.turn != turn:
            return []
        k = self.kernel
        out = [a for w, a in k.writes if w is s]
        kept = k.kept.get(id(s))
        return out if kept is None or any(a is kept for a in out) else [kept, *out]

    def ending(self, turn: int) -> list[Step]:
        """The reductions that a pass computes."""
        return [s for s in self.kernel.steps if s.op in REDUCTIONS and s.turn == turn + 1]

    def before(self, chosen: Any) -> list[Step]:
        """Steps that are no elements, in order."""
        return [s for s in self.kernel.steps if s.level != ELEMENT and s.op not in REDUCTIONS and chosen(s)]

    def wanted_in(self, stage: int, last: bool) -> list[Step]:
        """The steps of rows that a function of its own must know, in order."""
        k = self.kernel
        wanted: set[int] = set()
        if last:
            wanted |= {id(s) for s, _ in k.writes if s.level != ELEMENT}
        if stage < k.passes:
            for s in k.needed_in(stage):
                if self.source(s, stage) is None:
                    wanted |= {id(o) for o in s.operands if type(o) is Step}
        for s in reversed(k.steps):
            if id(s) in wanted and s.level != ELEMENT and s.op not in REDUCTIONS:
                wanted |= {id(o) for o in s.operands if type(o) is Step}
        return [s for s in k.steps if id(s) in wanted and s.level != ELEMENT]

    def arrays_of_rows(self, steps: Sequence[Step]) -> list[Array]:
        """All arrays whose place depends on the row alone by some of its axes, or on elements."""
        return [a for a in self.kernel.arrays if any(axis in self.outer for axis in a.axes)]

    def coordinates(self, axes: tuple[int, ...], flat: str, arrays: Sequence[Array], position: bool = False) -> None:
        """The place along each of several axes that some array is read by."""
        if len(axes) < 2:
            return
        needed = {x for a in arrays for x, _, _ in self.chunks(a.axes) if x is not None}
        for a in arrays:
            if any(a is b for b in self.sums):
                needed |= {x for x, _, _ in self.chunks(self.gone(a)) if x is not None}
        if position:
            needed.add(axes[-1])
        for x in axes:
            if x in needed:
                rest = axes[axes.index(x) + 1 :]
                text = self.d.quotient(flat, _product(rest)) if rest else flat
                self.say(self.d.integer(f"i{x}", text if x == axes[0] else f"{text} % n{x}"))

    def chunks(self, axes: tuple[int, ...]) -> list[tuple[int | None, str, str]]:
        """Axes in runs that have one position: a single axis, if it is one of several, the position and the size."""
        out: list[tuple[int | None, str, str]] = []
        k = 0
        while k < len(axes):
            for whole, flat, size in ((self.outer, self.row, self.rows), (self.inner, self.column, self.columns)):
                if whole and axes[k : k + len(whole)] == whole:
                    out.append((None, flat, size))
                    k += len(whole)
                    break
            else:
                out.append((axes[k], f"i{axes[k]}", f"n{axes[k]}"))
                k += 1
        return out

    def index(self, axes: tuple[int, ...]) -> str:
        """The position of an element in an array that has these axes."""
        text = ""
        for _, at, size in self.chunks(axes):
            text = at if not text else f"{_factor(text)} * {size} + {at}"
        return text or "0"

    def gone(self, a: Array) -> tuple[int, ...]:
        """The axes that a sum over rows goes over."""
        return tuple(axis for axis in self.outer if axis not in a.axes)

    def at(self, a: Array) -> tuple[str, str]:
        """The name and the position of where an array has the element that is worked on."""
        return a.name, self.index(a.axes)

    def place(self, a: Array) -> str:
        array, position = self.at(a)
        return f"{array}[{position}]"

    def one(self, a: Array) -> str:
        """The element of an array that is worked on, as it is computed with."""
        if a.drawn:
            return self.d.word(a.dtype, f"{a.name}_key", self.index(a.axes))
        return self.d.read(a.dtype, "{}[{}]".format(*self.origin(a)))

    def at_sum(self, a: Array) -> tuple[str, str]:
        """Where a sum over rows has the column that is worked on."""
        if self.form.shape == "split":
            return f"parts_{a.name}", self.index((*self.gone(a), *a.axes))
        return f"parts_{a.name}", f"mine + {self.column}"

    def along(self, a: Array) -> bool:
        """Whether neighbouring elements are neighbours in an array."""
        return self.kernel.axes - 1 in a.axes

    def steps(self, steps: Sequence[Step]) -> None:
        for s in steps:
            if s.op == "read":
                self.say(self.d.constant(s.dtype, s.name, self.one(s.operands[0])))
            else:
                position = f"i{self.inner[-1]}" if self.inner and len(self.inner) > 1 else self.column
                if self.packed:
                    position = f"{position} + k"
                if id(s) in self.elsewhere:
                    text = self.d.number(False, s.dtype)
                elif s.op == "where" and id(s.operands[0]) in self.elsewhere:
                    text = self.operand(s.operands[2], s.dtype)
                else:
                    text = self.d.value(s, position)
                self.say(self.d.constant(s.dtype, s.name, text), s)

    def operand(self, x: Any, dtype: Any) -> str:
        return x.name if type(x) is Step else self.d.number(x, dtype)

    def say(self, text: str, step: Step | None = None) -> None:
        line = "    " * self.depth + self.d.spelled(text)
        beside = self.said(step) if step is not None and self.said is not None else ""
        self.out.append(f"{line:64s}  {self.d.comment(beside)}" if beside else line)

    def lines(self, texts: Sequence[str]) -> None:
        for text in texts:
            self.say(text) if text else self.out.append("")

    def begin(self, text: str) -> None:
        self.say(text)
        self.depth += 1

    def lines_of_block(self, texts: Sequence[str]) -> None:
        self.lines(texts[:-1])
        self.begin(texts[-1])

    def close(self) -> None:
        self.depth -= 1
        end = self.d.end()
        if end is not None:
            self.say(end)


def _flat(axes: tuple[int, ...], name: str, size: str) -> tuple[str, str]:
    """The names of a position along several axes at once, and of their product."""
    return (f"i{axes[0]}", f"n{axes[0]}") if len(axes) == 1 else (name, size) if axes else ("0", "1")


def _factor(text: str) -> str:
    """An expression as it stands in a product."""
    return f"({text})" if " + " in text else text


def _product(axes: tuple[int, ...]) -> str:
    return " * ".join(f"n{axis}" for axis in axes)
