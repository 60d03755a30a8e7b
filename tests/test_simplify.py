"""Simplification: each rule where it applies, and where it must not because NaN, infinity or -0 would lose its meaning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from evaluated import evaluated, evaluated_calls

import gpugrad as gg
from gpugrad.graph.fuse import fused
from gpugrad.graph.ir import Graph
from gpugrad.graph.simplify import FOLDED, RULES, simplified
from gpugrad.graph.stage import Stage
from gpugrad.graph.verify import verify_calls, verify_graph
from gpugrad.ops import elementwise as ew
from gpugrad.ops import linear as li
from gpugrad.ops.bilinear import matmul

SPECIAL = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -2.5, 5e-324])
GRID = np.stack([SPECIAL[:4], SPECIAL[4:]])
COMPLEX = np.array([1 + 2j, complex(np.inf, 0.0), complex(0.0, -0.0)])
SQUARE = np.arange(9.0).reshape(3, 3)


def staged(f: Callable[..., Any], *like: Any) -> Graph:
    """What primitives do to symbols, with nothing left out."""
    stage = Stage()
    out = f(*(stage.input(np.shape(a), np.asarray(a).dtype, "x") for a in like))
    return stage.finish(out if isinstance(out, tuple) else (out,))


def same_bits(got: Sequence[Any], wanted: Sequence[Any]) -> None:
    for a, b in zip(got, wanted, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_array_equal(a, b)
        if a.dtype.kind == "f":
            np.testing.assert_array_equal(np.signbit(a) & ~np.isnan(a), np.signbit(b) & ~np.isnan(b))


def names(f: Callable[..., Any], *given: Any) -> list[str]:
    """The lines that are left; what they compute has every bit of what was there before."""
    before = staged(f, *given)
    after = simplified(before)
    verify_graph(before)
    verify_graph(after, lean=True)
    verify_calls(after, fused(after))
    wanted = evaluated(before, given)
    same_bits(evaluated(after, given), wanted)
    same_bits(evaluated_calls(after, fused(after), given), wanted)
    return [line.prim.name for line in after.lines]


ones = np.broadcast_to(np.float64(1.0), SPECIAL.shape)
neg = ew.negative
FIRES: dict[str, tuple[Callable[..., Any], Sequence[Any], list[str]]] = {
    "multiply: 1 x": (lambda x: ew.multiply(1.0, x), [SPECIAL], []),
    "multiply: x 1": (lambda x: ew.multiply(x, ones), [SPECIAL], []),
    "masked_multiply: x 1": (lambda x: ew.masked_multiply(x, 1.0), [SPECIAL[2:]], []),
    "divide: x / 1": (lambda x: ew.divide(x, 1), [SPECIAL], []),
    "add: x + -0": (lambda x: ew.add(x, -0.0), [SPECIAL], []),
    "add: -0 + x": (lambda x: ew.add(-0.0, x), [SPECIAL], []),
    "add: integers": (lambda x: ew.add(x, 0), [np.arange(3)], []),
    "subtract: x - 0": (lambda x: ew.subtract(x, 0.0), [SPECIAL], []),
    "subtract: x - 0, an integer": (lambda x: ew.subtract(x, 0), [SPECIAL], []),
    "negative: twice": (lambda x: neg(neg(x)), [SPECIAL], []),
    "logical_not: twice": (lambda x: ew.logical_not(ew.logical_not(x)), [SPECIAL > 0], []),
    "flip: twice": (lambda x: li.flip(li.flip(x, axis=(-1,)), axis=(-1,)), [SPECIAL], []),
    "conj: twice": (lambda x: li.conj(li.conj(x)), [COMPLEX], []),
    "maximum: of itself": (lambda x: ew.maximum(x, x), [SPECIAL], []),
    "minimum: of itself": (lambda x: ew.minimum(x, x), [SPECIAL], []),
    "logical_and: of itself": (lambda x: ew.logical_and(x, x), [SPECIAL > 0], []),
    "logical_or: of itself": (lambda x: ew.logical_or(x, x), [SPECIAL > 0], []),
    "where: known": (lambda x, y: ew.where(np.broadcast_to(np.True_, x.shape), x, y), [SPECIAL, ones], []),
    "where: no choice": (lambda c, x: ew.where(c, x, x), [SPECIAL > 0, SPECIAL], []),
    "positive": (lambda x: ew.positive(x), [SPECIAL], []),
    "stop": (lambda x: ew.stop(x), [SPECIAL], []),
    "cast: to what it is": (lambda x: li.cast(x, dtype=np.dtype("f8"), source=np.dtype("f8")), [SPECIAL], []),
    "reshape: to what it is": (lambda x: li.reshape(x, to=(8,), rank=1), [SPECIAL], []),
    "reshape: twice": (
        lambda x: li.reshape(li.reshape(x, to=(2, 4), rank=1), to=(4, 2), rank=2),
        [SPECIAL],
        ["reshape"],
    ),
    "reshape: there and back": (lambda x: li.reshape(li.reshape(x, to=(2, 4), rank=1), to=(8,), rank=2), [SPECIAL], []),
    "matmul: rows of many matrices": (
        matmul,
        [np.arange(12.0).reshape(2, 2, 3), SQUARE],
        ["reshape", "matmul", "reshape"],
    ),
    "iota": (lambda x: ew.add(li.iota(x, size=8), x), [np.arange(8)], ["add"]),
    "permute: not at all": (lambda x: li.permute(x, perm=(-2, -1)), [GRID], []),
    "permute: there and back": (lambda x: li.permute(li.permute(x, perm=(-1, -2)), perm=(-1, -2)), [GRID], []),
    "permute: of a product": (
        lambda x: li.permute(matmul(x, x), perm=(-1, -2)),
        [SQUARE],
        ["permute", "matmul"],
    ),
    "constant": (lambda x: ew.multiply(x, li.constant(x, to=x.shape, fill=1.0)), [SPECIAL], []),
    "folded": (lambda x: ew.add(x, ew.subtract(li.constant(x, to=x.shape, fill=1.0), 1.0)), [SPECIAL], ["add"]),
    "folded, then a rule": (lambda x: ew.subtract(x, ew.log(li.constant(x, to=x.shape, fill=1.0))), [SPECIAL], []),
    "the same twice": (lambda x: ew.multiply(ew.exp(x), ew.exp(x)), [SPECIAL], ["exp", "multiply"]),
    "for nothing": (lambda x: (ew.exp(x), ew.sin(ew.cos(x)))[:1], [SPECIAL], ["exp"]),
}  # fmt: skip


@pytest.mark.parametrize("name", FIRES)
def test_a_rule_applies(name: str) -> None:
    f, given, left = FIRES[name]
    assert names(f, *given) == left


def test_every_rule_is_seen_to_apply() -> None:
    assert {name.split(":")[0] for name in FIRES} >= RULES.keys()


two = lambda x: li.reshape(x, to=(2, 4), rank=1)
STAYS: dict[str, tuple[Callable[..., Any], Sequence[Any], list[str]]] = {
    "x 0: NaN for NaN and infinity": (lambda x: ew.multiply(x, 0.0), [SPECIAL], ["multiply"]),
    "0 x": (lambda x: ew.multiply(0.0, x), [SPECIAL], ["multiply"]),
    "x - x": (lambda x: ew.subtract(x, x), [SPECIAL], ["subtract"]),
    "x / x": (lambda x: ew.divide(x, x), [SPECIAL], ["divide"]),
    "0 / x": (lambda x: ew.divide(0.0, x), [SPECIAL], ["divide"]),
    "x + 0: 0 for -0": (lambda x: ew.add(x, 0.0), [SPECIAL], ["add"]),
    "x + 0, an integer": (lambda x: ew.add(x, 0), [SPECIAL], ["add"]),
    "0 + x": (lambda x: ew.add(0.0, x), [SPECIAL], ["add"]),
    "x - -0: 0 for -0": (lambda x: ew.subtract(x, -0.0), [SPECIAL], ["subtract"]),
    "0 - x: 0 for 0": (lambda x: ew.subtract(0.0, x), [SPECIAL], ["subtract"]),
    "-x + x": (lambda x: ew.add(neg(x), x), [SPECIAL], ["negative", "add"]),
    "x == x": (lambda x: ew.equal(x, x), [SPECIAL], ["equal"]),
    "x != x": (lambda x: ew.not_equal(x, x), [SPECIAL], ["not_equal"]),
    "x <= x": (lambda x: ew.less_equal(x, x), [SPECIAL], ["less_equal"]),
    "(x y) / y": (lambda x, y: ew.divide(ew.multiply(x, y), y), [SPECIAL, SPECIAL[::-1].copy()], ["multiply", "divide"]),
    "1 / x": (lambda x: ew.divide(1.0, x), [SPECIAL], ["divide"]),
    "1 x, where 1 has more axes": (lambda x: ew.multiply(np.ones((2, 1)), x), [SPECIAL], ["multiply"]),
    "1 x, of another dtype": (lambda x: ew.multiply(1.0, x), [np.arange(3)], ["multiply"]),
    "1 x, complex": (lambda x: ew.multiply(1.0, x), [COMPLEX], ["multiply"]),
    "1 and 1 and 2 are not 1": (lambda x: ew.multiply(np.array([1.0, 1.0, 2.0]), x), [SPECIAL[:3]], ["multiply"]),
    "where, of a mask": (lambda x: ew.where(np.arange(8) < 3, x, 0.0), [SPECIAL], ["where"]),
    "where, no choice but another shape": (lambda c, x: ew.where(c, x, x), [GRID > 0, SPECIAL[:4]], ["where"]),
    "flips of two axes": (lambda x: li.flip(li.flip(x, axis=(-1,)), axis=(-2,)), [GRID], ["flip", "flip"]),
    "casts that lose": (
        lambda x: li.cast(li.cast(x, dtype=np.dtype("f4"), source=np.dtype("f8")), dtype=np.dtype("f8"), source=np.dtype("f4")),
        [SPECIAL / 3],
        ["cast", "cast"],
    ),
    "a product that is read elsewhere too": (
        lambda x: (lambda y: (li.permute(y, perm=(-1, -2)), ew.exp(y)))(matmul(x, x)),
        [SQUARE / 9],
        ["matmul", "permute", "exp"],
    ),
    "0 and -0 are two constants": (
        lambda x: (ew.divide(x, li.constant(x, to=x.shape, fill=0.0)), ew.divide(x, li.constant(x, to=x.shape, fill=-0.0))),
        [SPECIAL],
        ["divide", "divide"],
    ),
    "0 and -0 are two numbers": (lambda x: (ew.divide(x, 0.0), ew.divide(x, -0.0)), [SPECIAL], ["divide", "divide"]),
    "exp of two": (lambda x, y: ew.multiply(ew.exp(x), ew.exp(y)), [SPECIAL, SPECIAL], ["exp", "exp", "multiply"]),
    "the same of two parameters": (lambda x: (li.flip(x, axis=(-1,)), li.flip(x, axis=(-2,))), [GRID], ["flip", "flip"]),
}  # fmt: skip


@pytest.mark.parametrize("name", STAYS)
def test_a_rule_does_not_apply(name: str) -> None:
    f, given, left = STAYS[name]
    assert names(f, *given) == left


def test_large_constants_are_not_made_while_compiling() -> None:
    n = FOLDED + 1
    assert names(lambda x: ew.add(x, li.flip(li.constant(x, to=(n,), fill=1.0), axis=(-1,))), np.zeros(n)) == [
        "flip",
        "add",
    ]


# ---- the verifier itself -----------------------------------------------------------------------------------------------


def broken(change: Callable[[Graph], Any]) -> Graph:
    graph = staged(lambda x: ew.exp(ew.sin(x)), SPECIAL)
    change(graph)
    return graph


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda g: g.lines.reverse(), "before it is computed"),
        (lambda g: g.lines.append(g.lines[0]), "a second time"),
        (lambda g: g.lines.pop(), "output 0 reads exp"),
        (lambda g: setattr(g.lines[0].results[0], "shape", (3,)), "by the primitive's own rule"),
        (lambda g: setattr(g.lines[1].results[0], "dtype", np.dtype("f4")), "by the primitive's own rule"),
        (lambda g: g.lines[0].params.update(out=[]), "has no hash"),
        (lambda g: g.outputs.__setitem__(0, g.inputs[0]), "nothing depends on it"),
    ],
)
def test_a_graph_that_is_wrong_is_found(change: Callable[[Graph], Any], said: str) -> None:
    verify_graph(broken(lambda g: None), lean=True)
    with pytest.raises(gg.errors.GraphError, match=said):
        verify_graph(broken(change), lean=True)


def _swap(calls: list[Any]) -> None:
    calls.reverse()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_swap, "before it is computed"),
        (lambda c: c.append(c[0]), "a second time"),
        (lambda c: c[0].kernel.steps.reverse(), "comes later"),
        (lambda c: c[0].kernel.writes.clear(), "written 0 times"),
        (lambda c: c[0].kernel.writes.append(c[0].kernel.writes[0]), "written 2 times"),
        (lambda c: setattr(c[0], "arguments", c[0].arguments[1:]), "others are passed"),
        (lambda c: setattr(c[0], "length", 3), "are not those of"),
        (lambda c: setattr(c[0].arguments[0][0], "dtype", np.dtype("f4")), "what is passed"),
        (lambda c: setattr(c[0].kernel.arrays[0], "axes", (1,)), "has the axes"),
        (lambda c: setattr(c[0].kernel.steps[-1], "turn", -1), "not there yet"),
        (lambda c: setattr(c[0].kernel.steps[0], "level", 0), "has the level"),
        (lambda c: setattr(c[0].kernel.steps[1], "name", c[0].kernel.steps[0].name), "the same"),
        (lambda c: c[0].kernel.steps.extend(c[0].kernel.steps[-1:] * 2000), "steps; at most"),
    ],
)
def test_calls_that_are_wrong_are_found(change: Callable[[Any], Any], said: str) -> None:
    graph = simplified(staged(lambda x: ew.exp(matmul(ew.sin(x), x)), SQUARE))
    verify_calls(graph, fused(graph))
    calls = fused(graph)
    change(calls)
    with pytest.raises(gg.errors.GraphError, match=said):
        verify_calls(graph, calls)
