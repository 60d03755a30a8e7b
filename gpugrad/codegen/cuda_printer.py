"""A loop kernel as CUDA C++.

The text includes what it needs from ``kernels/cuda``. NaN and infinity keep their meaning, so it is not to be compiled
with ``--use_fast_math``; contraction is welcome. Half precision is computed with as float.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gpugrad import dtypes
from gpugrad.codegen import gpu_printer
from gpugrad.codegen.cuda_scalars import INTEGERS, SCALARS, STORED, STORED_APART, TYPES, literal
from gpugrad.codegen.gpu_launch import LARGEST, RESIDENT, TURNS, Form, column_sums
from gpugrad.codegen.loops import REDUCTIONS, LoopKernel, Step
from gpugrad.codegen.numba_printer import common_dtype
from gpugrad.errors import UnsupportedError, beside

MANY = 16
"""Arrays that a thread can read from and write to in few registers."""


def printed(kernel: LoopKernel, form: Form, sites: bool = False, several: bool = False) -> str:
    """The text; with ``sites``, the user's line that each step came from is beside it.

    With ``several`` it runs kernels that are alike at once (form "map"), each a row of a table. UnsupportedError for a
    dtype or a primitive that it has no word for.
    """
    return gpu_printer.printed(kernel, form, _Several(form) if several else Cuda(form), _said if sites else None)


def _said(step: Step) -> str:
    return beside(step.site) if step.site else ""


def type_of(dtype: Any) -> str:
    """The type in which a dtype is computed with."""
    return _word(TYPES, dtype)


def _word(table: dict[str, str], dtype: Any) -> str:
    if dtypes.name(dtype) not in table:
        raise UnsupportedError(
            f'a kernel of {dtype} cannot be printed as CUDA C++; expected one of {", ".join(table)}. dialect="numba" prints it'
        )
    return table[dtypes.name(dtype)]


class Cuda:
    """The statements and expressions of CUDA C++: see :class:`gpugrad.codegen.gpu_printer.Dialect`."""

    lane = "threadIdx.x"
    team = "Index(blockIdx.x) * blockDim.y + threadIdx.y"
    teams = "gridDim.x * blockDim.y"
    above = "threadIdx.y"
    part = "blockIdx.y"
    parts = "gridDim.y"
    row = "blockIdx.x"

    def __init__(self, form: Form) -> None:
        self.width = form.width
        self.held = form.held
        self.staged = form.staged
        self.lanes = str(form.lanes or "blockDim.x")

    def head(self, kernel: LoopKernel, form: Form) -> list[str]:
        """What comes before the functions."""
        files = ["scalars.cuh"]
        there = {dtypes.name(a.dtype) for a in kernel.arrays} | {dtypes.name(s.dtype) for s in kernel.steps}
        if there & STORED_APART or any(s.op.startswith("round_") for s in kernel.steps):
            files.append("half.cuh")
        if any(s.op in _OF_INTEGERS and TYPES.get(dtypes.name(s.dtype)) in INTEGERS for s in kernel.steps):
            files.append("integers.cuh")
        if there & {"complex64", "complex128"}:
            files.append("complex.cuh")
        if form.width > 1 or form.held:
            files.append("packs.cuh")
        if any(a.drawn for a in kernel.arrays):
            files.append("philox.cuh")
        if form.shape != "map":
            files.append("reductions.cuh")
        if form.staged:
            files.append("staging.cuh")
        if form.shape == "rows" and not form.held and column_sums(kernel):
            files.append("team_rows.cuh")
        includes = [f'#include "{file}"' for file in sorted(files)]
        return [*includes, "", f"using Index = {'long long' if form.wide else 'int'};"]

    def function(self, name: str, arrays: Sequence[tuple[str, Any, bool]], sizes: Sequence[str]) -> list[str]:
        """The first lines of a function."""
        given = [
            f"{'' if written else 'const '}{_word(STORED, dtype)}* __restrict__ {array}"
            for array, dtype, written in arrays
        ]
        given += [f"Index {size}" for size in sizes]
        # That one block is enough keeps the compiler from spilling for the sake of more, where there is much to hold.
        bounds = f"{LARGEST}, 1" if self.held or len(arrays) > MANY else f"{LARGEST}"
        if self.staged:  # registers, too, are to be enough for as many blocks as there is shared memory for
            bounds = f"{RESIDENT // self.staged}, {self.staged}"
        return [
            f'extern "C" __global__ void __launch_bounds__({bounds}) {name}(',
            *(f"    {text}{',' if k < len(given) - 1 else ')'}" for k, text in enumerate(given)),
            "{",
        ]

    @property
    def scope(self) -> str | None:
        """What opens a block for names of its own."""
        return "{"

    @property
    def between(self) -> list[str]:
        """Further empty lines before a function."""
        return []

    def end(self) -> str | None:
        """What closes a block of statements."""
        return "}"

    def spelled(self, text: str) -> str:
        """A statement with its names in ASCII, which is all that NVRTC takes: θ as u3b8."""
        return text if text.isascii() else "".join(c if c.isascii() else f"u{ord(c):x}" for c in text)

    def comment(self, text: str) -> str:
        """A backslash at the end would make the next line part of the comment."""
        return "// " + text.rstrip("\\ ")

    def loop(self, name: str, start: str, end: str, step: str) -> str:
        return f"for (Index {name} = {start}; {name} < {end}; {name} += {step}) {{"

    def condition(self, text: str) -> str:
        return f"if ({text.replace(' and ', ' && ')}) {{"

    def integer(self, name: str, text: str) -> str:
        return f"const Index {name} = {text};"

    def read(self, dtype: Any, place: str) -> str:
        return place

    def constant(self, dtype: Any, name: str, text: str) -> str:
        return f"const {type_of(dtype)} {name} = {text};"

    def variable(self, dtype: Any, name: str, text: str) -> str:
        return f"{type_of(dtype)} {name} = {text};"

    def assigned(self, place: str, text: str) -> str:
        return f"{place} = {text};"

    def added(self, place: str, text: str) -> str:
        return f"{place} += {text};"

    def quotient(self, x: str, y: str) -> str:
        return f"{x} / ({y})" if " " in y else f"{x} / {y}"

    def global_thread(self, axis: str) -> str:
        return f"Index(blockIdx.{axis}) * blockDim.{axis} + threadIdx.{axis}"

    def all_threads(self, axis: str) -> str:
        return f"gridDim.{axis} * blockDim.{axis}"

    def value(self, s: Step, position: str) -> str:
        """The expression of a step."""
        t = dtypes.name(s.dtype)
        if s.op == "position_in_row":
            return position
        if s.op == "cast":
            return self.cast(s.operands[0], t)
        if s.op not in SCALARS:
            raise UnsupportedError(
                f'{s.op} has no expression in CUDA C++, so its kernel cannot be printed. dialect="numba" prints it'
            )
        common = t if s.op == "where" else common_dtype(s.operands) or t
        return SCALARS[s.op](*(self.operand(x, common) for x in s.operands), t=_word(TYPES, common))

    def cast(self, x: Any, t: str) -> str:
        """A value in another dtype."""
        text, given = self.operand(x, t), TYPES[dtypes.name(x.dtype)]
        if t == "bool":
            return f"{text} != {literal(0, dtypes.name(x.dtype))}"
        if TYPES[t] in INTEGERS and given in ("float", "double"):
            return f"to_integer<{TYPES[t]}>({text})"
        if TYPES[t].startswith("Complex") and not given.startswith("Complex"):
            return f"{TYPES[t]}({TYPES['float32' if t == 'complex64' else 'float64']}({text}))"
        return f"({TYPES[t]}){text}"

    def operand(self, x: Any, dtype: str) -> str:
        return x.name if type(x) is Step else literal(x, dtype)

    def number(self, x: Any, dtype: Any) -> str:
        return literal(x, dtypes.name(dtype))

    def start(self, kind: str, dtype: Any) -> str:
        return literal(0, dtypes.name(dtype)) if kind == "sum" else f"{_EMPTY[kind]}<{type_of(dtype)}>()"

    def extreme(self, kind: str, x: str, y: str) -> str:
        return f"{kind}imum({x}, {y})"

    def over_team(self, values: Sequence[tuple[str, Any, str]], turn: int | None) -> list[str]:
        """Joins values of a team: the kind of reduction, the dtype and the name of each; see ``reductions.cuh`` for turns."""
        parts = ", ".join(f"{kind}_of({name})" for kind, _, name in values)
        return [f"over_team<{self.lanes}{'' if turn is None else f', {turn}'}>({parts});"]

    def over_parts(self, kind: str, dtype: Any, array: str, first: str, size: str) -> str:
        return f"parts_{kind}<{self.lanes}>({array}{f' + {first}' if first else ''}, {size})"

    def column_sum(self, dtype: Any, x: str) -> str:
        return f"column_sum({x})"

    def sum_parts(self, dtype: Any, parts: str, size: str, columns: str, out: str) -> str:
        return f"sum_parts({parts}, {size}, {columns}, {out});"

    def neighbours(self, array: str, position: str) -> str:
        return f"load<{self.width}>({array} + {position})"

    def key(self, name: str, array: str) -> str:
        return f"const Key {name} = key_at({array});"

    def word(self, dtype: Any, key: str, position: str) -> str:
        return f"word_at<{_word(STORED, dtype)}>({key}, {position})"

    def words(self, dtype: Any, key: str, position: str) -> str:
        return f"words_at<{_word(STORED, dtype)}, {self.width}>({key}, {position})"

    def pack(self, dtype: Any, name: str, value: str = "", times: int = 0) -> str:
        """A variable of neighbouring elements, or as many of them as there are ``times``."""
        many, begin = f"[{times}]" if times else "", f" = {value}" if value else ""
        return f"Pack<{_word(STORED, dtype)}, {self.width}> {name}{many}{begin};"

    def element(self, name: str) -> str:
        """Element ``k`` of a variable of neighbouring ones."""
        return f"element({name}, k)"

    def stored(self, array: str, position: str, name: str) -> str:
        return f"store({array} + {position}, {name});"

    def shared(self, arrays: Sequence[tuple[str, Any]], size: str) -> list[str]:
        """Arrays of one size in the block's shared memory, one behind the other."""
        out, place = ["extern __shared__ __align__(16) unsigned char of_block[];"], "of_block"
        for name, dtype in arrays:
            kind = _word(STORED, dtype)
            out.append(f"{kind}* const {name} = ({kind}*){place};")
            place = f"({name} + {size})"
        return out

    def brings(self, row: str, array: str, size: str, first: str) -> str:
        """Begins to copy a row to shared memory; ``first`` elements come before a multiple, if rows begin anywhere."""
        return f"bring_row<{self.width}>({row}, {array}, {size}{f', {first}' if first else ''});"

    def brought(self) -> str:
        """Waits for what this thread has begun to copy."""
        return "brought();"

    def unrolled(self, name: str, times: int) -> list[str]:
        return ["#pragma unroll", f"for (int {name} = 0; {name} < {times}; ++{name}) {{"]

    def ahead(self) -> list[str]:
        """What lets several turns of a loop begin to read before the first computes."""
        return [f"#pragma unroll {TURNS}"]

    def clear_row(self, array: str, first: str, size: str) -> list[str]:
        return [f"clear_row<{self.width}>({array}{f' + {first}' if first else ''}, {size});"]


class _Several(Cuda):
    """A function whose arrays and sizes are in a row of a table; each row has blocks of its own."""

    def head(self, kernel: LoopKernel, form: Form) -> list[str]:
        fields = [f"    {_word(STORED, a.passed)}* {a.name};" for a in kernel.arrays]
        fields += [f"    Index n{axis};" for axis in range(kernel.axes)]
        return [*super().head(kernel, form), "", "struct Row {", *fields, "    int first, parts;", "};"]

    def function(self, name: str, arrays: Sequence[tuple[str, Any, bool]], sizes: Sequence[str]) -> list[str]:
        pointers = [
            f"    {'' if written else 'const '}{_word(STORED, dtype)}* __restrict__ const {array} = row.{array};"
            for array, dtype, written in arrays
        ]
        return [
            f'extern "C" __global__ void __launch_bounds__({LARGEST}) {name}(',
            "    const Row* __restrict__ rows,",
            "    const int* __restrict__ row_of_block)",
            "{",
            "    const Row row = rows[row_of_block[blockIdx.x]];",
            "    const Index part = Index(blockIdx.x) - row.first, parts = row.parts;",
            *pointers,
            *(f"    const Index {size} = row.{size};" for size in sizes),
        ]

    def global_thread(self, axis: str) -> str:
        return "part * blockDim.x + threadIdx.x"

    def all_threads(self, axis: str) -> str:
        return "parts * blockDim.x"


_OF_INTEGERS = frozenset(
    ["cast", "pow", "fmod", "floor_divide", "remainder", "bitwise_left_shift", "bitwise_right_shift"]
)
"""Primitives that need a function of ours for integers."""

_EMPTY = {"max": "lowest", "min": "highest"}

assert set(REDUCTIONS.values()) == {"sum", *_EMPTY}
