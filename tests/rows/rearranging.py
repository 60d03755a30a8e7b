"""Rows of shapes and orders of axes, of joining and splitting, and of padding."""

from __future__ import annotations

from typing import Any

import numpy as np
from case import Case

from gpugrad.ops import joining as j
from gpugrad.ops import padding as p
from gpugrad.ops import rearranging as r
from rows.elementwise import apart, integers

X = apart((3, 4))
CUBE = apart((2, 3, 4))
NOTHING = apart((2, 0))
UNKNOWN = {"vmap": "the number of results depends on the data", "backend": "its batch likewise", "jit": "the same"}

SHAPES = [
    Case("reshape", lambda x: r.reshape(x, (2, -1)), X, lambda x: x.reshape(2, -1)),
    Case("reshape to an int", lambda x: r.reshape(x, 12), X, lambda x: x.reshape(12)),
    Case("reshape of nothing", lambda x: r.reshape(x, (0, 3)), NOTHING, lambda x: x.reshape(0, 3), order=0),
    Case("ravel", r.ravel, X, np.ravel),
    Case("ravel of a number", r.ravel, apart(()), np.ravel),
    Case("flatten", r.flatten, X, np.ravel),
    Case("expand_dims", lambda x: r.expand_dims(x, -2), X, lambda x: np.expand_dims(x, -2)),
    Case("expand_dims twice", lambda x: r.expand_dims(x, (0, 2)), X, lambda x: np.expand_dims(x, (0, 2))),
    Case("squeeze", r.squeeze, apart((1, 3, 1)), np.squeeze),
    Case("squeeze axis", lambda x: r.squeeze(x, -1), apart((1, 3, 1)), lambda x: np.squeeze(x, -1)),
    Case("broadcast_to", lambda x: r.broadcast_to(x, (2, 3, 4)), apart((3, 1)), lambda x: np.broadcast_to(x, (2, 3, 4))),
    Case("broadcast_arrays", r.broadcast_arrays, apart((3, 1), (4,)), lambda *xs: tuple(map(np.copy, np.broadcast_arrays(*xs)))),
    *(
        Case(f"{f.__name__} {len(s)}-d", f, apart(s), getattr(np, f.__name__))
        for f in (r.atleast_1d, r.atleast_2d, r.atleast_3d)
        for s in ((), (2,), (2, 3), (1, 2, 3))
    ),
    Case("atleast_2d of two", r.atleast_2d, apart((), (2, 1)), np.atleast_2d),
    Case("permute_dims", lambda x: r.permute_dims(x, (2, 0, -2)), CUBE, lambda x: np.transpose(x, (2, 0, 1))),
    Case("transpose", r.transpose, CUBE, np.transpose),
    Case("matrix_transpose", r.matrix_transpose, CUBE, np.matrix_transpose),
    Case("swapaxes", lambda x: r.swapaxes(x, 0, -1), CUBE, lambda x: np.swapaxes(x, 0, -1)),
    Case("moveaxis", lambda x: r.moveaxis(x, 0, -1), CUBE, lambda x: np.moveaxis(x, 0, -1)),
    Case("moveaxis several", lambda x: r.moveaxis(x, (0, 1), (-1, 0)), CUBE, lambda x: np.moveaxis(x, (0, 1), (-1, 0))),
    Case("flip", r.flip, X, np.flip),
    Case("flip axis", lambda x: r.flip(x, axis=(0,)), X, lambda x: np.flip(x, 0)),
    Case("flipud", r.flipud, X, np.flipud),
    Case("fliplr", r.fliplr, X, np.fliplr),
    *(Case(f"rot90 k={k}", lambda x, k=k: r.rot90(x, k, (1, 2)), CUBE, lambda x, k=k: np.rot90(x, k, (1, 2))) for k in range(-1, 4)),  # type: ignore[misc]
    Case("roll", lambda x: r.roll(x, 5), X, lambda x: np.roll(x, 5)),
    Case("roll axis", lambda x: r.roll(x, -1, axis=1), X, lambda x: np.roll(x, -1, 1)),
    Case("roll axes", lambda x: r.roll(x, (1, 2), axis=(0, 1)), X, lambda x: np.roll(x, (1, 2), (0, 1))),
    Case("roll one shift", lambda x: r.roll(x, 1, axis=(0, 1)), X, lambda x: np.roll(x, 1, (0, 1))),
    Case("roll nothing", lambda x: r.roll(x, 1), NOTHING, lambda x: x, order=0),
]  # fmt: skip

REPETITION = [
    Case("tile", lambda x: r.tile(x, 2), apart((2, 3)), lambda x: np.tile(x, 2)),
    Case("tile more axes", lambda x: r.tile(x, (2, 1, 3)), apart((1, 3)), lambda x: np.tile(x, (2, 1, 3))),
    Case("tile no times", lambda x: r.tile(x, (0, 2)), apart((2, 3)), lambda x: np.tile(x, (0, 2)), order=0),
    Case("repeat", lambda x: r.repeat(x, 2), apart((2, 3)), lambda x: np.repeat(x, 2)),
    Case("repeat axis", lambda x: r.repeat(x, 2, axis=0), apart((2, 3)), lambda x: np.repeat(x, 2, 0)),
    Case("repeat last axis", lambda x: r.repeat(x, [3], axis=-1), apart((2, 3)), lambda x: np.repeat(x, 3, -1)),
    Case("repeat counts", lambda x: r.repeat(x, [2, 0, 3], axis=1), apart((2, 3)), lambda x: np.repeat(x, [2, 0, 3], 1)),
    *(
        Case(f"meshgrid {i} sparse={s}", lambda *xs, i=i, s=s: r.meshgrid(*xs, indexing=i, sparse=s), apart((2,), (3,), (1,)), lambda *xs, i=i, s=s: tuple(np.meshgrid(*xs, indexing=i, sparse=s)))  # type: ignore[misc]
        for i in ("xy", "ij")
        for s in (False, True)
    ),
    Case("meshgrid of a number", r.meshgrid, apart((), (3,)), lambda *xs: tuple(np.meshgrid(*xs))),
]  # fmt: skip

DIAGONALS = [
    Case("diagonal", r.diagonal, X, np.diagonal),
    Case("diagonal axes", lambda x: r.diagonal(x, -1, 2, 0), CUBE, lambda x: np.diagonal(x, -1, 2, 0)),
    *(Case(f"diag {k}", lambda x, k=k: r.diag(x, k), X, lambda x, k=k: np.diag(x, k)) for k in (-1, 0, 2)),  # type: ignore[misc]
    *(Case(f"diag of a vector {k}", lambda x, k=k: r.diag(x, k), apart((3,)), lambda x, k=k: np.diag(x, k)) for k in (-1, 0, 2)),  # type: ignore[misc]
    Case("tril", lambda x: r.tril(x, 1), CUBE, lambda x: np.tril(x, 1)),
    Case("tril of a vector", r.tril, apart((3,)), np.tril),
    Case("triu", lambda x: r.triu(x, -1), CUBE, lambda x: np.triu(x, -1)),
    Case("trim_zeros", r.trim_zeros, lambda rng: (np.array([0.0, 0.0, 1.5, 0.0, 2.5, 0.0]),), np.trim_zeros, order=1, without={**UNKNOWN, "grads": "the shape of the result jumps"}),
    Case("trim_zeros in front", lambda x: r.trim_zeros(x, "f"), lambda rng: (np.array([0, 1, 0, 2, 0]),), lambda x: np.trim_zeros(x, "f"), without=UNKNOWN),
    Case("trim_zeros of zeros", r.trim_zeros, lambda rng: (np.zeros(3),), np.trim_zeros, order=0, without=UNKNOWN),
]  # fmt: skip

JOINING = [
    Case("concat", lambda *xs: j.concat(xs), apart((1, 3), (2, 3)), lambda *xs: np.concatenate(xs)),
    Case("concat axis", lambda *xs: j.concat(xs, axis=-1), apart((2, 1), (2, 0), (2, 3)), lambda *xs: np.concatenate(xs, -1)),
    Case("concat flattened", lambda *xs: j.concat(xs, axis=None), apart((2, 1), ()), lambda *xs: np.concatenate(xs, None)),
    Case("concat promotes", lambda *xs: j.concat(xs), lambda rng: (*apart((2,))(rng), rng.integers(0, 9, 2)), lambda *xs: np.concatenate(xs), without={"float32": "float32 and int64 make float64"}),
    Case("stack", lambda *xs: j.stack(xs), apart((2, 3), (2, 3)), lambda *xs: np.stack(xs)),
    Case("stack last", lambda *xs: j.stack(xs, axis=-1), apart((2, 3), (2, 3)), lambda *xs: np.stack(xs, -1)),
    Case("stack of numbers", lambda *xs: j.stack(xs), apart((), (), ()), lambda *xs: np.stack(xs)),
    Case("hstack", lambda *xs: j.hstack(xs), apart((2, 1), (2, 3)), lambda *xs: np.hstack(xs)),
    Case("hstack of vectors", lambda *xs: j.hstack(xs), apart((), (2,)), lambda *xs: np.hstack(xs)),
    Case("vstack", lambda *xs: j.vstack(xs), apart((3,), (2, 3)), lambda *xs: np.vstack(xs)),
    Case("dstack", lambda *xs: j.dstack(xs), apart((3,), (1, 3)), lambda *xs: np.dstack(xs)),
    Case("column_stack", lambda *xs: j.column_stack(xs), apart((3,), (3, 2)), lambda *xs: np.column_stack(xs)),
    Case("append", j.append, apart((2, 2), (3,)), np.append),
    Case("append axis", lambda x, y: j.append(x, y, axis=1), apart((2, 2), (2, 1)), lambda x, y: np.append(x, y, 1)),
    Case("array_split", lambda x: j.array_split(x, 3, axis=1), X, lambda x: tuple(np.array_split(x, 3, 1))),
    Case("array_split more than there is", lambda x: j.array_split(x, 5), X, lambda x: tuple(np.array_split(x, 5))),
    Case("array_split overlapping", lambda x: j.array_split(x, [2, 1, 7], axis=1), X, lambda x: tuple(np.array_split(x, [2, 1, 7], 1))),
    Case("split", lambda x: j.split(x, 2, axis=-1), X, lambda x: tuple(np.split(x, 2, -1))),
    Case("split at", lambda x: j.split(x, [1, -1]), X, lambda x: tuple(np.split(x, [1, -1]))),
    Case("unstack", lambda x: j.unstack(x, axis=1), X, lambda x: tuple(np.moveaxis(x, 1, 0))),
    Case("delete", lambda x: j.delete(x, 1), X, lambda x: np.delete(x, 1)),
    Case("delete axis", lambda x: j.delete(x, [0, -1], axis=1), X, lambda x: np.delete(x, [0, -1], 1)),
    Case("delete a slice", lambda x: j.delete(x, slice(None, None, 2), axis=1), X, lambda x: np.delete(x, slice(None, None, 2), 1)),
    Case("delete a mask", lambda x: j.delete(x, [True, False, True], axis=0), X, lambda x: np.delete(x, [True, False, True], 0)),
    Case("insert", lambda x, v: j.insert(x, 1, v), apart((2, 2), ()), lambda x, v: np.insert(x, 1, v)),
    Case("insert a row", lambda x, v: j.insert(x, 1, v, axis=0), apart((2, 3), (3,)), lambda x, v: np.insert(x, 1, v, 0)),
    Case("insert columns", lambda x, v: j.insert(x, 1, v, axis=1), apart((2, 3), (2, 2)), lambda x, v: np.insert(x, 1, v, 1)),
    Case("insert at one of a list", lambda x, v: j.insert(x, [1], v, axis=1), apart((2, 3), (2, 2)), lambda x, v: np.insert(x, [1], v, 1)),
    Case("insert at several", lambda x, v: j.insert(x, [2, -3, 2], v, axis=1), apart((2, 3), (3,)), lambda x, v: np.insert(x, [2, -3, 2], v, 1)),
    Case("insert at a slice", lambda x, v: j.insert(x, slice(None, None, 2), v, axis=1), apart((2, 3), (2,)), lambda x, v: np.insert(x, slice(None, None, 2), v, 1)),
]  # fmt: skip


def _pad(what: str, widths: Any, mode: str, draw: Any = X, **options: Any) -> Case:
    return Case(
        f"pad {what}", lambda x: p.pad(x, widths, mode, **options), draw, lambda x: np.pad(x, widths, mode, **options)
    )


W = ((2, 1), (1, 3))
LONG = ((7, 9), (0, 8))

PADDING = [
    _pad("constant", 2, "constant"),
    _pad("a pair", (1, 2), "constant"),
    _pad("nothing", 0, "constant"),
    _pad("constant values", W, "constant", constant_values=((1, 2), (3, 4))),
    Case("pad a traced constant", lambda x, c: p.pad(x, W, constant_values=c), apart((3, 2), ()), lambda x, c: np.pad(x, W, constant_values=c)),
    Case("pad by dict", lambda x: p.pad(x, {-1: (1, 2)}), X, lambda x: np.pad(x, ((0, 0), (1, 2)))),
    Case("pad empty", lambda x: p.pad(x, W, "empty"), X, lambda x: np.pad(x, W)),
    Case("pad what is empty", lambda x: p.pad(x, W), NOTHING, lambda x: np.pad(x, W), order=0),
    Case("pad what is empty with ones", lambda x: p.pad(x, W, constant_values=1), NOTHING, lambda x: np.pad(x, W, constant_values=1), order=0),
    _pad("edge", W, "edge"),
    _pad("linear_ramp", W, "linear_ramp", end_values=((1, 2), (3, 4))),
    Case("pad a ramp to a traced end", lambda x, c: p.pad(x, W, "linear_ramp", end_values=c), apart((3, 2), ()), lambda x, c: np.pad(x, W, "linear_ramp", end_values=c)),
    _pad("linear_ramp integers", W, "linear_ramp", integers((3, 4)), end_values=9),
    *(_pad(f"{m} {w}", w, m) for m in ("reflect", "symmetric", "wrap") for w in (W, LONG)),
    *(_pad(f"odd {m} {w}", w, m, reflect_type="odd") for m in ("reflect", "symmetric") for w in (W, LONG)),
    _pad("reflect one element", 2, "reflect", apart((1, 3))),
    *(_pad(m, W, m) for m in ("maximum", "minimum", "mean", "median")),
    *(_pad(f"{m} of few", W, m, stat_length=((1, 2), (3, 2))) for m in ("maximum", "minimum", "mean", "median")),
    *(_pad(f"{m} of integers", W, m, integers((3, 4)), stat_length=2) for m in ("maximum", "mean", "median")),
]  # fmt: skip

CASES = [*SHAPES, *REPETITION, *DIAGONALS, *JOINING, *PADDING]
