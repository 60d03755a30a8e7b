"""Lines for the tests of the kernels that are written by hand: primitive, operands, parameters."""

from __future__ import annotations

import itertools as it
from typing import Any

import numpy as np

from gpugrad import dtypes
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
