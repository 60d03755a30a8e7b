"""Graphs, and the calls that they are cut into, computed by NumPy alone: what the compiler's passes must not change.

No text is printed and nothing is compiled: a kernel is evaluated step by step on whole arrays over its index space.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpugrad.backends import select
from gpugrad.codegen.loops import ELEMENT, LoopKernel, Step
from gpugrad.graph.calls import Call, KernelCall
from gpugrad.graph.ir import Graph, Line, Variable
from gpugrad.ops.linear import cast
from gpugrad.primitive import registry

_SUMS = {"reduce_sum": np.add, "reduce_max": np.maximum, "reduce_min": np.minimum}


def evaluated(graph: Graph, arrays: Sequence[Any]) -> list[Any]:
    """The outputs of a graph, line by line."""
    known = dict(zip(map(id, graph.inputs), arrays, strict=True))
    with np.errstate(all="ignore"):
        for line in graph.lines:
            _line(line, known)
    return [np.asarray(_operand(o, known)) for o in graph.outputs]


def evaluated_calls(graph: Graph, calls: Sequence[Call], arrays: Sequence[Any]) -> list[Any]:
    """The outputs of a graph, by the calls that compute it."""
    known = dict(zip(map(id, graph.inputs), arrays, strict=True))
    with np.errstate(all="ignore"):
        for call in calls:
            if isinstance(call, KernelCall):
                _kernel(call, known)
            else:
                _line(call.line, known)
    return [np.asarray(_operand(o, known)) for o in graph.outputs]


def _operand(x: Any, known: dict[int, Any]) -> Any:
    return known[id(x)] if type(x) is Variable else x


def _line(line: Line, known: dict[int, Any]) -> None:
    outs = line.prim(*(_operand(x, known) for x in line.operands), **line.params)
    for v, out in zip(line.results, outs if line.prim.outputs else (outs,), strict=True):
        out = np.asarray(out)
        assert (out.shape, out.dtype) == (v.shape, v.dtype), f"{line.prim.name}: {out.dtype}{out.shape} for {v}"
        known[id(v)] = out


def _kernel(call: KernelCall, known: dict[int, Any]) -> None:
    k = call.kernel
    spans = dict(zip(k.given, call.sizes, strict=True))
    given: dict[int, Any] = {}
    for a, x, shape in call.arguments:
        spans.update(zip(a.axes, shape, strict=False))
        if not a.written:
            whole = np.asarray(_operand(x, known)).reshape(shape)
            given[id(a)] = whole.reshape([n for axis, n in zip(range(k.axes), _ones(k, a.axes, shape), strict=True)])
    space = [spans[axis] for axis in range(k.axes)]
    found: dict[int, Any] = {}
    for s in k.steps:
        found[id(s)] = _step(s, k, space, found, given)
    written = {id(a): s for s, a in k.writes}
    for a, x, _ in call.arguments:
        if a.written and not a.scratch:
            s = written[id(a)]
            out = np.broadcast_to(
                found[id(s)], [1 if s.level != ELEMENT and i >= k.rows else n for i, n in enumerate(space)]
            )
            gone = tuple(i for i in range(k.axes) if i not in a.axes)
            out = (
                np.add.reduce(out, gone)
                if k.sums_rows(s, a)
                else out[tuple(0 if i in gone else slice(None) for i in range(k.axes))]
            )
            known[id(x)] = np.asarray(out, s.dtype).reshape(x.shape)


def _ones(k: LoopKernel, axes: Sequence[int], shape: Sequence[int]) -> list[int]:
    sizes = dict(zip(axes, shape, strict=False))
    return [sizes.get(axis, 1) for axis in range(k.axes)]


def _step(s: Step, k: LoopKernel, space: Sequence[int], found: dict[int, Any], given: dict[int, Any]) -> Any:
    if s.op == "read":
        return given[id(s.operands[0])]
    if s.op == "position_in_row":
        return np.arange(space[-1], dtype=s.dtype)
    operands = [found[id(o)] if type(o) is Step else o for o in s.operands]
    if s.op in _SUMS:
        inner = tuple(range(k.rows, k.axes))
        whole = np.broadcast_to(
            operands[0], np.broadcast_shapes(operands[0].shape, [1] * k.rows + list(space[k.rows :]))
        )
        return _SUMS[s.op].reduce(whole, inner, keepdims=True)
    if s.op == "cast":
        return cast(operands[0], dtype=s.dtype, source=operands[0].dtype)
    out = registry[s.op].impl[type(select.on("cpu").full((), 0, s.dtype))](*operands)
    return np.asarray(out, s.dtype)
