"""Products that add a bias as they store their result: where a kernel did nothing else, there is none.

cuBLASLt calls that the epilogue of a product. It has a ReLU and a GELU, too; they stay kernels, since nothing says that the
library's keep a NaN, and the GELU is not the same function.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from gpugrad import dtypes
from gpugrad.graph.ir import Graph, Line, Variable
from gpugrad.ops.affine import affine

_DTYPES = frozenset({"float16", "bfloat16", "float32"})


def joined(graph: Graph) -> Graph:
    """The same program with such products in place of product and sum."""
    makers = {id(v): line for line in graph.lines for v in line.results}
    uses = Counter(id(x) for line in graph.lines for x in line.operands)
    uses.update(id(v) for v in graph.outputs)

    def alone(x: Any) -> Line | None:
        """The line that makes a value, if that is read once."""
        return makers.get(id(x)) if type(x) is Variable and uses[id(x)] == 1 else None

    gone: set[int] = set()
    lines: list[Line] = []
    for line in graph.lines:
        found = [(x, b, alone(x)) for x, b in (line.operands, line.operands[::-1])] if line.prim.name == "add" else []
        for x, b, seen in found:
            whole = alone(seen.operands[0]) if seen and seen.prim.name == "reshape" else seen
            if seen is None or whole is None or whole.prim.name != "matmul" or not _biased(whole, x, b, line):
                continue
            gone |= {id(seen), id(whole)}
            (out,) = line.results
            flat = out if seen is whole else Variable(out.name, whole.results[0].shape, out.dtype)
            lines.append(Line(affine, (*whole.operands, b), {}, (flat,), line.site))
            if flat is not out:
                lines.append(replace(seen, operands=(flat,), results=(out,)))
            break
        else:
            lines.append(line)
    return Graph(graph.inputs, [line for line in lines if id(line) not in gone], graph.outputs)


def takes(given: Sequence[Any], out: Any) -> bool:
    """Whether the library can add the last of them, one vector for all rows, to the product of the others."""
    some = not any(0 in a.shape for a in given)
    return some and len(given[-1].shape) == 1 and dtypes.name(out.dtype) in _DTYPES


def _biased(product: Line, x: Any, b: Any, line: Line) -> bool:
    """Whether a sum adds a vector to each row of a product, all in a dtype for which the library can."""
    given, out = (*product.operands, b), line.results[0]
    return (
        all(type(a) is Variable and a.dtype == out.dtype for a in given)
        and takes(given, out)
        and b.shape == out.shape[-1:] == product.results[0].shape[-1:]
        and x.shape == out.shape
    )
