"""A loop kernel as Python text for Numba's compiler for CUDA.

The text imports what it needs from ``kernels/numba_cuda``; executed, it is functions to be launched. A thread takes one
element at a time, and a row has a block of its own: schedules are those of ``gpu_launch.schedule(..., plain=True)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpugrad import dtypes
from gpugrad.codegen import gpu_printer
from gpugrad.codegen.gpu_launch import Form, column_sums
from gpugrad.codegen.loops import REDUCTIONS, LoopKernel, Step
from gpugrad.codegen.numba_cuda_scalars import OURS, SCALARS, literal, widens
from gpugrad.codegen.numba_printer import common_dtype
from gpugrad.errors import UnsupportedError, beside


def printed(kernel: LoopKernel, form: Form, sites: bool = False) -> str:
    """The text; with ``sites``, the user's line that each step came from is beside it.

    UnsupportedError for a primitive that it has no word for.
    """
    text = gpu_printer.printed(kernel, form, NumbaCuda(form), _said if sites else None)
    for name, line in (("math", "import math\n\n"), ("np", "import numpy as np\n")):
        if f"{name}." not in text:
            text = text.replace(line, "")
    return text


def _said(step: Step) -> str:
    return beside(step.site) if step.site else ""


_FOREIGN = frozenset({"bfloat16", "complex64", "complex128"})
"""dtypes that it has no arithmetic for, or not NumPy's."""


class NumbaCuda:
    """The statements and expressions of Numba's Python: see :class:`gpugrad.codegen.gpu_printer.Dialect`."""

    lane = "cuda.threadIdx.x"
    lanes = "cuda.blockDim.x"
    team = "cuda.blockIdx.x"
    teams = "cuda.gridDim.x"
    above = "cuda.threadIdx.y"
    part = "cuda.blockIdx.y"
    parts = "cuda.gridDim.y"
    row = "cuda.blockIdx.x"
    width = 1

    def __init__(self, form: Form) -> None:
        self.integers = "int64" if form.wide else "int32"

    def head(self, kernel: LoopKernel, form: Form) -> list[str]:
        """What comes before the functions."""
        out = ["import math", "", "import numpy as np", "from numba import cuda"]
        dtypes = {str(x) for x in (*(a.dtype for a in kernel.arrays), *(s.dtype for s in kernel.steps))}
        if dtypes & _FOREIGN:
            raise UnsupportedError(
                f"a kernel of {', '.join(sorted(dtypes & _FOREIGN))} cannot be printed as Numba CUDA. "
                'dialect="cuda" and dialect="numba" print it'
            )
        if any(a.drawn for a in kernel.arrays):
            raise UnsupportedError(
                'a kernel that draws random words cannot be printed as Numba CUDA. dialect="cuda" prints it'
            )
        used = sorted({name for s in kernel.steps for name in self.called(s)} | self.orders(kernel))
        reduced = self.reduced(kernel, form)
        if reduced or used:
            out.append("")
        if reduced:
            out.append("from gpugrad.kernels.numba_cuda import reductions")
        if used:
            out.append(f"from gpugrad.kernels.numba_cuda.scalars import {', '.join(used)}")
        if reduced:
            out.append("")
        out += [f"{made}_{dtype} = reductions.{made}(np.{dtype})" for made, dtype in reduced]
        return out

    def called(self, s: Step) -> tuple[str, ...]:
        """The functions of scalars that a step's text calls."""
        if s.op in ("pow", "fmod"):
            return ("integer_power" if s.op == "pow" else "integer_fmod",) if s.dtype.kind in "iu" else ()
        if s.op in ("sign", "round") and s.dtype.kind in "iu":
            return ()
        return OURS.get(s.op, ())

    def orders(self, kernel: LoopKernel) -> set[str]:
        """What is reduced with, of the functions of scalars."""
        return {f"{REDUCTIONS[s.op]}imum" for s in kernel.steps if s.op in REDUCTIONS and REDUCTIONS[s.op] != "sum"}

    def reduced(self, kernel: LoopKernel, form: Form) -> list[tuple[str, str]]:
        """Which reductions there are, over which threads and of what dtype."""
        found = {
            (f"{over}_{REDUCTIONS[s.op]}", dtypes.name(s.dtype))
            for s in kernel.steps
            if s.op in REDUCTIONS
            for over in ("team", *(["parts"] if form.shape == "split" else []))
        }
        for a in column_sums(kernel):
            found |= {("sum_parts", dtypes.name(a.dtype))}
            if form.shape == "columns":
                found |= {("column_sum", dtypes.name(a.dtype))}
        return sorted(found)

    def function(self, name: str, arrays: Sequence[tuple[str, Any, bool]], sizes: Sequence[str]) -> list[str]:
        """The first lines of a function; what its parameters are is said in Numba's notation."""
        given = [f'{array}: "{dtypes.name(dtype)}[::1]"' for array, dtype, _ in arrays]
        given += [f'{size}: "{self.integers}"' for size in sizes]
        head = f"def {name}({', '.join(given)}):"
        return ["@cuda.jit", *([head] if len(head) <= 120 else [f"def {name}(", *(f"    {x}," for x in given), "):"])]

    @property
    def scope(self) -> str | None:
        """What opens a block for names of its own."""
        return None

    @property
    def between(self) -> list[str]:
        """Further empty lines before a function."""
        return [""]

    def end(self) -> str | None:
        """What closes a block of statements."""
        return None

    def spelled(self, text: str) -> str:
        return text

    def comment(self, text: str) -> str:
        return f"# {text}"

    def loop(self, name: str, start: str, end: str, step: str) -> str:
        return f"for {name} in range({start}, {end}, {step}):"

    def condition(self, text: str) -> str:
        return f"if {text}:"

    def integer(self, name: str, text: str) -> str:
        return f"{name} = {text}"

    def read(self, dtype: Any, place: str) -> str:
        """An element of an array as it is computed with: half precision as float32."""
        return f"np.float32({place})" if dtypes.name(dtype) == "float16" else place

    def constant(self, dtype: Any, name: str, text: str) -> str:
        return f"{name} = {text}"

    def variable(self, dtype: Any, name: str, text: str) -> str:
        return f"{name} = {text}"

    def assigned(self, place: str, text: str) -> str:
        return f"{place} = {text}"

    def added(self, place: str, text: str) -> str:
        return f"{place} += {text}"

    def quotient(self, x: str, y: str) -> str:
        return f"{x} // ({y})" if " " in y else f"{x} // {y}"

    def global_thread(self, axis: str) -> str:
        return f"cuda.blockIdx.{axis} * cuda.blockDim.{axis} + cuda.threadIdx.{axis}"

    def all_threads(self, axis: str) -> str:
        return f"cuda.gridDim.{axis} * cuda.blockDim.{axis}"

    def value(self, s: Step, position: str) -> str:
        """The expression of a step."""
        t = dtypes.name(s.dtype)
        if s.op == "position_in_row":
            return f"np.{t}({position})"
        if s.op == "cast":
            x = self.operand(s.operands[0], t)
            return f"{x} != 0" if t == "bool" else f"np.{t}({x})"
        if s.op not in SCALARS:
            raise UnsupportedError(
                f'{s.op} has no expression in Numba CUDA, so its kernel cannot be printed. dialect="numba" prints it'
            )
        common = t if s.op == "where" else common_dtype(s.operands) or t
        out = SCALARS[s.op](*(self.operand(x, common) for x in s.operands), t=f"np.{common}")
        return f"np.{t}({out})" if t not in ("float32", "float64", "int64", "bool") or widens(s.op, t) else out

    def operand(self, x: Any, dtype: str) -> str:
        return x.name if type(x) is Step else literal(x, dtype)

    def number(self, x: Any, dtype: Any) -> str:
        return literal(x, dtypes.name(dtype))

    def start(self, kind: str, dtype: Any) -> str:
        if kind == "sum":
            return literal(0, dtypes.name(dtype))
        if dtypes.name(dtype) == "bool":
            return literal(kind == "min", "bool")
        if dtype.kind in "iu":
            limits = np.iinfo(dtype)
            return literal(limits.min if kind == "max" else limits.max, dtypes.name(dtype))
        return literal(float("-inf" if kind == "max" else "inf"), dtypes.name(dtype))

    def extreme(self, kind: str, x: str, y: str) -> str:
        return f"{kind}imum({x}, {y})"

    def over_team(self, values: Sequence[tuple[str, Any, str]], turn: int | None) -> list[str]:
        return [f"{name} = team_{kind}_{dtype}({name})" for kind, dtype, name in values]

    def over_parts(self, kind: str, dtype: Any, array: str, first: str, size: str) -> str:
        return f"team_{kind}_{dtype}(parts_{kind}_{dtype}({array}, {first or 0}, {size}))"

    def column_sum(self, dtype: Any, x: str) -> str:
        return f"column_sum_{dtype}({x})"

    def sum_parts(self, dtype: Any, parts: str, size: str, columns: str, out: str) -> str:
        return f"sum_parts_{dtype}({parts}, {size}, {columns}, {out})"

    def clear_row(self, array: str, first: str, size: str) -> list[str]:
        return [f"for i in range({self.lane}, {size}, {self.lanes}):", f"    {array}[{first} + i] = 0"]

    def ahead(self) -> list[str]:
        return []

    def neighbours(self, array: str, position: str) -> str:
        """Of forms that plain schedules never have, or of kernels that are refused; so are the next ten."""
        raise UnsupportedError("Numba CUDA reads one element at a time; make the schedule with plain=True")

    def key(self, name: str, array: str) -> str:
        return self.neighbours(array, "")

    def word(self, dtype: Any, key: str, position: str) -> str:
        return self.neighbours(key, position)

    def words(self, dtype: Any, key: str, position: str) -> str:
        return self.neighbours(key, position)

    def pack(self, dtype: Any, name: str, value: str = "", times: int = 0) -> str:
        return self.neighbours(name, "")

    def element(self, name: str) -> str:
        return self.neighbours(name, "")

    def stored(self, array: str, position: str, name: str) -> str:
        return self.neighbours(array, position)

    def unrolled(self, name: str, times: int) -> list[str]:
        return [self.neighbours(name, "")]

    def shared(self, arrays: Sequence[tuple[str, Any]], size: str) -> list[str]:
        return [self.neighbours(arrays[0][0], "")]

    def brings(self, row: str, array: str, size: str, first: str) -> str:
        return self.neighbours(array, size)

    def brought(self) -> str:
        return self.neighbours("", "")
