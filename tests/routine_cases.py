"""Lines for the tests of the kernels that are written by hand: primitive, operands, parameters."""

from __future__ import annotations

import itertools as it
from typing import Any

import numpy as np

import gpugrad.ops.random  # noqa: F401  (whose primitives are not there before)
from gpugrad import dtypes
from gpugrad.backends import half
from gpugrad.graph.ir import Line, Variable
from gpugrad.primitive import registry

rng = np.random.default_rng(0)


def array(*shape: int, dtype: Any = "float32") -> Any:
    """Random numbers of any dtype."""
    d = dtypes.dtype(dtype)
    if d.kind in "iu":
        return rng.integers(-(2**31) if d.kind == "i" else 0, 2**32, shape).astype(d)
    if d.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    out = rng.normal(size=shape)
    return (out + 1j * rng.normal(size=shape)).astype(d) if d.kind == "c" else out.astype(d)


def positions(size: int, *shape: int) -> Any:
    """Positions below ``size``, some of them several times."""
    return rng.integers(0, size, shape)


KEY, KEYS = array(2, dtype="uint32"), array(3, 2, dtype="uint32")
MOVED = ("bool", "int8", "float16", "bfloat16", "float32", "float64", "complex64", "complex128")
ADDED = ("int8", "uint16", "int64", "float16", "bfloat16", "float32", "float64", "complex64")
SHAPES = [((5,), (7,), -1), ((5, 3), (4,), -2), ((2, 5, 4), (3, 2), -2), ((2, 300, 8), (9,), -2), ((3, 6), (50,), -1)]
"""Of the array, of the index, and the axis."""
INDEXED = [(a, b, axis, dtype) for (a, b, axis), dtype in it.product(SHAPES, MOVED)]


def spanned(shape: tuple[int, ...], index: tuple[int, ...], axis: int) -> tuple[int, ...]:
    """The shape with the axis given way to those of an index."""
    at = len(shape) + axis
    return (*shape[:at], *index, *shape[at + 1 :])


JOINED = [
    ([(3,), (5,)], -1, (0, 3, 8)),
    ([(2, 4, 4), (2, 8, 4), (2, 1, 4)], -2, (0, 4, 12, 13)),
    ([(4,), (4,)], -1, (0, 4, 8)),
]
PARTS = [  # the part's shape, leading axes, where it is, and in what
    ((3,), (), ((0, 9, 4),), (9,)),
    ((3,), (), ((8, -1, -4),), (9,)),
    ((2, 4, 8), (2,), ((3, 7, 1), (0, 8, 1)), (9, 8)),
    ((2, 3, 2), (), ((1, 3, 1), (4, 1, -1), (0, 4, 3)), (3, 5, 4)),
    ((), (), (), ()),
]
FLOATS = ("float16", "bfloat16", "float32", "float64", "complex64")
SCANS = [
    ("cumsum", {}),
    ("cumprod", {"exclusive": False}),
    ("cumprod", {"exclusive": True}),
    ("cummax", {}),
    ("cummin", {}),
]
SCANNED = [((7,), -1), ((2, 600), -1), ((2, 5, 3), -2), ((1, 1), -2)]
FOLDED = [
    ((3, 4), (-2,)),
    ((2, 3, 5), (-3, -1)),
    ((2, 100, 3), (-2,)),
    ((2, 3, 4, 5), (-4, -2)),
    ((3, 2), (-2, -1)),
    ((4,), ()),
]
NAN = np.where(rng.random((3, 90)) < 0.02, np.nan, array(3, 90))
WINDOWS = [
    ((2, 7), {"kernel": (2,), "stride": (2,), "padding": ((0, 0),), "dilation": (1,)}),
    ((2, 3, 6, 7), {"kernel": (3, 2), "stride": (2, 1), "padding": ((1, 0), (1, 1)), "dilation": (1, 2)}),
    (
        (1, 4, 5, 4),
        {"kernel": (2, 3, 2), "stride": (1, 2, 1), "padding": ((0, 1), (1, 1), (0, 0)), "dilation": (2, 1, 1)},
    ),
]


def small(*shape: int, dtype: str) -> Any:
    """Numbers whose products stay in range."""
    d = dtypes.dtype(dtype)
    return array(*shape, dtype=d) if d.kind in "iu" else np.exp(array(*shape, dtype="float64") * 0.1).astype(d)


def average(window: dict[str, Any], whole: bool) -> dict[str, Any]:
    """The parameters of an average, which has no dilation."""
    return {**{k: v for k, v in window.items() if k != "dilation"}, "whole": whole}


def pooled(shape: tuple[int, ...], window: dict[str, Any]) -> tuple[int, ...]:
    """The shape of what is pooled."""
    return tuple(registry["avg_pool"].shape(shape, **window))


def picking(x: Any, window: dict[str, Any]) -> list[tuple[str, list[Any]]]:
    """The operands of the derivative of a maximum, of numbers of which many tie."""
    x = half.typed(np.round(x.astype("float64")).astype(x.dtype))
    top = registry["max_pool"].impl[type(x)](x, **window)
    t, g = array(*x.shape, dtype=x.dtype), array(*top.shape, dtype=x.dtype)
    return [("max_picked", [t, x, top]), ("max_spread", [g, x, top])]


CASES: list[tuple[str, list[Any], dict[str, Any]]] = [
    *(
        ("position", [rng.integers(-5 if np.dtype(d).kind == "i" else 0, 5, 40).astype(d)], {"size": 5, "axis": 0, "name": "x"})
        for d in ("int64", "int32", "int8", "uint8", "uint64")
    ),
    ("class_index", [positions(9, 3, 4).astype("int32")], {"size": 9, "name": "f", "way_out": ""}),
    *(("gather", [array(*s, dtype=d), positions(s[axis], *i)], {"axis": axis}) for s, i, axis, d in INDEXED),
    *(
        ("scatter", [array(*spanned(s, i, axis), dtype=d), positions(s[axis], *i)], {"axis": axis, "size": s[axis]})
        for (s, i, axis), d in it.product(SHAPES, ADDED)
    ),
    *(
        ("put", [array(*s, dtype=d), array(*spanned(s, i, axis), dtype=d), positions(s[axis], *i)], {"axis": axis})
        for s, i, axis, d in INDEXED
    ),
    # Several tiles, digits of several rounds, and runs that go from tile to tile.
    ("scatter", [array(5000, 3), positions(70000, 5000)], {"axis": -2, "size": 70000}),
    ("scatter", [array(3000, dtype="float64"), positions(2, 3000)], {"axis": -1, "size": 2}),
    ("put", [array(300, 2), array(2100, 2), positions(300, 2100)], {"axis": -2}),
    ("lasting", [positions(6, 4, 5)], {"size": 6}),
    ("lasting", [positions(500, 2500)], {"size": 500}),
    ("lasting", [positions(1, 3)], {"size": 1}),
    *(("random_bits", [k], {"shape": s, "width": w}) for k in (KEY, KEYS) for s in ((), (7,), (3, 8)) for w in (32, 64)),
    *(("random_below", [k], {"shape": (9,), "span": s}) for k in (KEY, KEYS) for s in (1, 6, 2**63 + 1, 2**64)),
    *(("split_key", [k], {"count": 5}) for k in (KEY, KEYS)),
    *(("fold_key", [KEY, positions(9, *s)], {}) for s in ((), (4,))),
    *(("concat", [array(*h, dtype=d) for h in hs], {"axis": axis, "bounds": b}) for d in MOVED for hs, axis, b in JOINED),
    *(("assemble", [array(2, 3, dtype=d), array(4, 2, dtype=d), array(1, 5, dtype=d)], {"specs": (((1, 3, 1), (0, 3, 1)), ((0, 4, 1), (3, 5, 1)), ((3, 4, 1), (0, 5, 1))), "sizes": (4, 5)}) for d in ("float32", "float64", "complex64", "int32", "int64")),
    ("assemble", [array(7), array(8)], {"specs": (((0, 7, 1),), ((1, 9, 1),)), "sizes": (9,)}),
    ("assemble", [array(2, 3, 4), array(3, 3, 2)], {"specs": (((1, 3, 1), (0, 3, 1), (1, 5, 1)), ((0, 3, 1), (1, 4, 1), (0, 2, 1))), "sizes": (3, 4, 5)}),
    *(("unslice", [array(*s, dtype=d)], {"spec": spec, "sizes": sizes}) for d in MOVED for s, _, spec, sizes in PARTS),
    *(
        ("slice_update", [array(*(*lead, *sizes), dtype=d), array(*s, dtype=d)], {"spec": spec})
        for d in MOVED for s, lead, spec, sizes in PARTS
    ),
    *(
        (f"reduce_{name}", [small(*s, dtype=d)], {"axis": axis})
        for name in ("sum", "prod", "max", "min") for d in ADDED for s, axis in FOLDED
        if not (name.startswith("m") and d.startswith("complex"))
    ),
    *((f"reduce_{name}", [array(*s, dtype=d) > 0.5], {"axis": axis}) for name in ("any", "all") for d in ("float32",) for s, axis in FOLDED),
    *(("reduce_logsumexp", [x], {"axis": axis}) for s, axis in FOLDED for x in (array(*s), array(*s, dtype="float64"))),
    ("reduce_logsumexp", [np.array([[-np.inf, 1e30, np.inf, np.nan, 0.0], [-np.inf, 1e30, 0.0, 0.0, -0.0]])], {"axis": (-2,)}),
    *((name, [array(2, 3, 4, dtype=d)], {"k": k}) for name in ("tril", "triu") for d in MOVED for k in (-1, 0, 2)),
    *(
        (name, [small(*s, dtype=d)], {"axis": axis, **more})
        for (name, more), d, (s, axis) in it.product(SCANS, ADDED, SCANNED)
        if not (name.startswith("cumm") and d.startswith("complex"))
    ),
    *(("cummax", [given], {"axis": -1}) for given in (array(4, 70, dtype="bool"), NAN)),
    *(("recurrence", [small(*s, dtype=d), small(*s, dtype=d)], {"axis": axis}) for d in FLOATS for s, axis in SCANNED),
    *(("max_pool", [array(*s, dtype=d)], w) for d in (*FLOATS, "int8", "bool") for s, w in WINDOWS if "complex" not in d),
    *((name, args, w) for d in FLOATS if "complex" not in d for s, w in WINDOWS for name, args in picking(array(*s, dtype=d), w)),
    *(("avg_pool", [array(*s, dtype=d)], average(w, whole)) for d in FLOATS for s, w in WINDOWS for whole in (False, True)),
    *(
        ("avg_unpool", [array(*pooled(s, average(w, whole)), dtype=d)], {"size": s[-len(w["kernel"]) :], **average(w, whole)})
        for d in FLOATS for s, w in WINDOWS for whole in (False, True)
    ),
    *(("unfold", [array(*s, dtype=d)], w) for d in MOVED for s, w in WINDOWS),
    *(("fold", [array(*registry["unfold"].shape(s, **w), dtype=d)], {"size": s[-len(w["kernel"]) :], **w}) for d in FLOATS for s, w in WINDOWS),
    *(("fold_key", [KEYS, np.asarray(n)], {}) for n in (-3, [5, 2**40, -1])),
]  # fmt: skip
NAMES = [f"{k}_{name}_{'_'.join(str(x.dtype) for x in xs)}" for k, (name, xs, _) in enumerate(CASES)]


def line_of(name: str, operands: list[Any], params: dict[str, Any]) -> Line:
    """The line that applies a primitive to variables like these arrays."""
    prim = registry[name]
    given = tuple(Variable(f"x{k}", x.shape, x.dtype) for k, x in enumerate(operands))
    shape = prim.shape(*(x.shape for x in operands), **params)
    dtype = prim.dtype(*(x.dtype for x in operands), **params) if prim.dtype else operands[prim.leads].dtype
    several = prim.outputs != 0
    results = (
        zip(shape, dtype if type(dtype) is tuple else [dtype] * len(shape), strict=True)
        if several
        else [(shape, dtype)]
    )
    return Line(prim, given, params, tuple(Variable("out", s, dtypes.dtype(d)) for s, d in results), "here.py:1")  # fmt: skip
