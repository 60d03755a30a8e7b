"""Whether a function may take a Python float as an argument that is not known: two graphs of it are compared.

In one the number is a constant, in the other a variable. Where they are the same otherwise, line for line, and what
is computed of numbers alone gives what Python computed of them, the second serves for every number: no ``isinstance``,
no rule of promotion has looked at the difference.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gpugrad.graph.ir import Graph, Line, Variable
from gpugrad.ops.promotion import WEAK

_CLOSE = 1e-9
"""By how much the same formula may differ between Python's math and NumPy's."""


def alike(known: Graph, unknown: Graph, numbers: dict[int, float]) -> bool:
    """Whether the graphs are the same but for the inputs at the positions in ``numbers``, which have those values in the
    first.
    """
    if len(known.inputs) != len(unknown.inputs):
        return False
    comparison = _Comparison()
    for k, (x, y) in enumerate(zip(known.inputs, unknown.inputs, strict=True)):
        if k in numbers:
            comparison.numbers[id(y)] = numbers[k]
        else:
            comparison.twins[id(y)] = x
    lines = [line for line in unknown.lines if not comparison.computed(line)]
    before = [line for line in known.lines if not comparison.passed(line)]
    return (
        len(before) == len(lines)
        and all(map(comparison.same_line, before, lines))
        and len(known.outputs) == len(unknown.outputs)
        and all(map(comparison.same, known.outputs, unknown.outputs))
    )


class _Comparison:
    def __init__(self) -> None:
        self.numbers: dict[int, float] = {}
        """id of a variable that depends on numbers alone -> its value."""
        self.twins: dict[int, Variable] = {}
        """id of a variable of the second graph -> that of the first."""
        self.casts: dict[int, Any] = {}
        """id of a variable -> what it was cast from: a number needs a cast where it is a variable."""

    def passed(self, line: Line) -> bool:
        """Whether it is a cast, which is not compared: the dtypes of what comes of it are."""
        if line.prim.name != "cast":
            return False
        self.casts[id(line.results[0])] = self.source(line.operands[0])
        return True

    def source(self, x: Any) -> Any:
        return self.casts.get(id(x), x) if type(x) is Variable else x

    def computed(self, line: Line) -> bool:
        """Whether it is a cast, or depends on numbers alone, and is computed here."""
        if self.passed(line):
            return True
        operands = [self.source(x) for x in line.operands]
        if not line.variables or any(type(x) is Variable and id(x) not in self.numbers for x in operands):
            return False
        with np.errstate(all="ignore"):
            given = [np.float64(self.numbers[id(x)]) if type(x) is Variable else x for x in operands]
            out = line.prim(*given, **line.params)
        if line.prim.outputs or np.ndim(out):
            return False
        self.numbers[id(line.results[0])] = float(out)
        return True

    def same_line(self, x: Line, y: Line) -> bool:
        if x.prim is not y.prim or len(x.operands) != len(y.operands) or len(x.results) != len(y.results):
            return False
        for a, b in zip(x.results, y.results, strict=True):
            if a.shape != b.shape or a.dtype != b.dtype:
                return False
            self.twins[id(b)] = a
        return all(map(self.same, x.operands, y.operands)) and bool(x.params == y.params)

    def same(self, a: Any, b: Any) -> bool:
        a, b = self.source(a), self.source(b)
        if type(b) is Variable:
            if id(b) not in self.numbers:
                return self.twins.get(id(b)) is a
            if type(a) is Variable or np.ndim(a):
                return False
            return bool(np.isclose(float(a), self.numbers[id(b)], _CLOSE, 0.0, equal_nan=True))
        if type(a) is not type(b):
            return False
        if type(a) in WEAK or type(a) is complex:
            return repr(a) == repr(b)
        x, y = np.asarray(a), np.asarray(b)
        return a is b or (x.dtype == y.dtype and np.array_equal(x, y, equal_nan=x.dtype.kind in "fc"))
