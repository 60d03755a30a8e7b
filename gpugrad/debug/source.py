"""Recorded lines as Python text."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from gpugrad import errors
from gpugrad.graph.ir import Line, Variable
from gpugrad.trace import raw_of

_SYMBOLS = {
    "add": "{} + {}", "subtract": "{} - {}", "multiply": "{} * {}", "divide": "{} / {}", "matmul": "{} @ {}",
    "negative": "-{}", "less": "{} < {}", "less_equal": "{} <= {}", "greater": "{} > {}", "greater_equal": "{} >= {}",
    "equal": "{} == {}", "not_equal": "{} != {}",
}  # fmt: skip
"""Primitives that are written as operators."""

_INLINE = 16
"""Constant arrays of at most so many elements stand in the text."""


class Names:
    """Names for variables: what each wishes to be called, with a number where that is taken."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = set(taken)
        self._of: dict[int, str] = {}

    def of(self, variable: Variable) -> str:
        """The name of a variable, the same each time."""
        if id(variable) not in self._of:
            self._of[id(variable)] = self.new(variable.name)
        return self._of[id(variable)]

    def give(self, variable: Variable, name: str) -> None:
        """Say what a variable is called."""
        self._of[id(variable)] = name

    def new(self, wish: str) -> str:
        """A name that nothing else has."""
        stem = re.sub(r"\W+", "_", wish).strip("_") or "v"
        stem = f"v_{stem}" if stem[0].isdigit() or keyword.iskeyword(stem) else stem
        name, k = stem, 1
        while name in self._taken:
            k += 1
            name = f"{stem}_{k}"
        self._taken.add(name)
        return name


class Printer:
    """Prints lines, and collects the constants that are too large to stand in the text."""

    def __init__(self, names: Names, public: frozenset[str]) -> None:
        self.names = names
        self.public = public
        """Primitives that ``gg`` offers under their own name, without parameters."""
        self.constants: dict[str, Any] = {}
        self._known: dict[int, tuple[str, Any]] = {}

    def line(self, line: Line, width: int = 56) -> str:
        """``name = expression  # where: what the user wrote``."""
        left = ", ".join(self.names.of(v) for v in line.results)
        text = f"    {left}{',' if line.prim.outputs and len(line.results) == 1 else ''} = {self._call(line)}"
        return f"{text:{width}s}  # {errors.beside(line.site)}"

    def _call(self, line: Line) -> str:
        operands = [self.operand(x) for x in line.operands]
        params = [f"{name}={self.literal(v)}" for name, v in line.params.items()]
        symbol = _SYMBOLS.get(line.prim.name)
        if symbol is not None and not params:
            return symbol.format(*operands)
        module = "gg" if line.prim.name in self.public and not params else "p"
        return f"{module}.{line.prim.name}({', '.join(operands + params)})"

    def operand(self, x: Any) -> str:
        """A variable's name, or a constant."""
        if isinstance(x, Variable):
            return self.names.of(x)
        text = self.literal(raw_of(x))
        return f"({text})" if text[0] == "-" else text

    def literal(self, x: Any) -> str:
        """A constant as Python text; what has none becomes an argument of the program."""
        if isinstance(x, float) and not isinstance(x, np.generic):
            return repr(x) if np.isfinite(x) else f"float({str(x)!r})"
        if x is None or x is Ellipsis or type(x) in (bool, int, str, complex):
            return "..." if x is Ellipsis else repr(x)
        if isinstance(x, np.integer):
            return f"np.{x.dtype.name}({int(x)})"
        if type(x) in (tuple, list):
            inner = ", ".join(map(self.literal, x))
            return f"[{inner}]" if type(x) is list else f"({inner}{',' if len(x) == 1 else ''})"
        if isinstance(x, slice):
            return f"slice({self.literal(x.start)}, {self.literal(x.stop)}, {self.literal(x.step)})"
        if isinstance(x, np.dtype) and x.kind in "biufc":
            return f"np.dtype({x.name!r})"
        if isinstance(x, np.ndarray | np.generic) and x.dtype.kind in "biufc" and x.size <= _INLINE and _exact(x):
            return f"np.array({np.asarray(x).tolist()!r}, dtype={x.dtype.name!r})"
        if id(x) not in self._known:
            self._known[id(x)] = self.names.new("c"), x  # held, so that its id stays its own
        name = self._known[id(x)][0]
        self.constants[name] = x
        return name


def _exact(x: Any) -> bool:
    """Whether the decimal text of an array is the array: everything but empty ones, NaN and infinities."""
    return x.size > 0 and bool(np.all(np.isfinite(x)))


def described(variables: Sequence[Variable]) -> str:
    """``x float64[3, 4], y int64[]``."""
    return ", ".join(f"{v.name} {v.dtype}{list(v.shape)}" for v in variables)
