"""Rows of reading and writing at positions: keys as in NumPy, and positions along one axis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from case import Case

from gpugrad.ops import gathering as g
from gpugrad.ops import indexing as ix
from rows.elementwise import apart, integers

X = apart((3, 4))
I = np.array([2, 0, 2])
MASK = np.array([True, False, True])
UNKNOWN = {"vmap": "the number of results depends on the data", "backend": "its batch likewise", "jit": "the same"}
HALF = {"float16": "sums of several terms are rounded", "bfloat16": "sums of several terms are rounded"}
S = slice(None)

KEYS: dict[str, tuple[tuple[int, ...], Any]] = {
    "an int": ((3, 4), -1),
    "two ints": ((3, 4), (0, 2)),
    "slices": ((3, 4), (slice(1, None), slice(None, None, -2))),
    "an ellipsis and a new axis": ((2, 3, 2), (None, ..., 1)),
    "everything": ((3, 4), ...),
    "a slice of nothing": ((3, 4), slice(2, 2)),
    "an array": ((3, 4), I),
    "an array of two axes": ((3, 4), np.array([[0, -1], [2, 2]])),
    "an array on the last axis": ((3, 4), (S, I)),
    "two arrays": ((3, 4), (I, np.array([1, 1, 3]))),
    "arrays that broadcast": ((3, 4), (I[:, None], np.array([1, 3]))),
    "arrays apart": ((3, 2, 4), (I, S, np.array([1, 1, 3]))),
    "arrays together in the middle": ((2, 3, 4, 2), (S, I, np.array([1, 1, 3]))),
    "an int apart from an array": ((2, 3, 4), (0, S, I)),
    "an array and a new axis": ((3, 4), (S, None, I)),
    "an array and a slice": ((3, 4), (slice(0, 2), I)),
    "a list": ((3, 4), [1, 0]),
    "an empty list": ((3, 4), []),
    "a mask": ((3, 4), MASK),
    "a mask of two axes": ((3, 2, 2), np.array([[True, False], [False, True], [True, True]])),
    "a mask and an array": ((3, 4), (MASK, np.array([1, 3]))),
    "a mask and a slice": ((2, 3, 4), (S, MASK, slice(1, 3))),
    "True": ((3,), True),
}


def _set(x: Any, key: Any, v: Any) -> Any:
    x = x.copy()
    x[key] = v
    return x


def _added(x: Any, key: Any, v: Any) -> Any:
    x = x.copy()
    np.add.at(x, key, v)
    return x


def _by_key(name: str, f: Callable[..., Any], reference: Callable[..., Any], written: bool) -> list[Case]:
    rows = []
    for what, (shape, key) in KEYS.items():
        size = np.zeros(shape)[key].shape
        draw = apart(shape, size) if written else apart(shape)
        order = 2 if np.prod(size) else 0
        rows.append(
            Case(
                f"{name} {what}",
                lambda *xs, k=key: f(xs[0], k, *xs[1:]),
                draw,
                lambda *xs, k=key: reference(xs[0], k, *xs[1:]),
                order=order,
            )
        )
    return rows


def _put_along(x: Any, i: Any, v: Any, axis: int | None) -> Any:
    x = x.copy()
    np.put_along_axis(x, i, v, axis)
    return x


def _with_indices(*shapes: tuple[int, ...], size: int, index: tuple[int, ...]) -> Callable[..., Any]:
    """Numbers in each of the shapes, then indices of that shape into an axis of that size."""
    return lambda rng: (*apart(*shapes)(rng), rng.integers(-size, size, index))


CASES = [
    *_by_key("getitem", ix.getitem, lambda x, k: x[k], written=False),
    *_by_key("setitem", ix.setitem, _set, written=True),
    *_by_key("scatter_add", ix.scatter_add, _added, written=True),
    Case("getitem traced index", lambda x, i: ix.getitem(x, i), _with_indices((3, 4), size=3, index=(5,)), lambda x, i: x[i]),
    Case("getitem traced number", lambda x, i: ix.getitem(x, (slice(None), i)), _with_indices((3, 4), size=4, index=()), lambda x, i: x[:, i]),
    Case("getitem two traced indices apart", lambda x, i: ix.getitem(x, (i, slice(None), i)), _with_indices((3, 2, 3), size=3, index=(2,)), lambda x, i: x[i, :, i]),
    Case("getitem traced and known", lambda x, i: ix.getitem(x, (i, [[0], [1]])), _with_indices((3, 2), size=3, index=(3,)), lambda x, i: x[i, [[0], [1]]]),
    Case("setitem traced index", lambda x, v, i: ix.setitem(x, (slice(None), i), v), _with_indices((3, 4), (3, 5), size=4, index=(5,)), lambda x, v, i: _set(x, (slice(None), i), v)),
    Case("setitem traced number", lambda x, v, i: ix.setitem(x, i, v), _with_indices((3, 4), (4,), size=3, index=()), lambda x, v, i: _set(x, i, v)),
    Case("scatter_add traced index", lambda x, v, i: ix.scatter_add(x, (slice(None), i), v), _with_indices((3, 4), (3, 5), size=4, index=(5,)), lambda x, v, i: _added(x, (slice(None), i), v), without=HALF),
    Case("setitem broadcasts", lambda x, v: ix.setitem(x, (slice(None), I), v), apart((2, 3), (2, 1)), lambda x, v: _set(x, (slice(None), I), v)),
    Case("setitem broadcasts into a slice", lambda x, v: ix.setitem(x, slice(1, None), v), apart((3, 4), (1, 1, 4)), lambda x, v: _set(x, slice(1, None), v)),
    Case("setitem of a number", lambda x: ix.setitem(x, (0, slice(1, 3)), 9.0), X, lambda x: _set(x, (0, slice(1, 3)), 9.0)),
    Case("setitem casts", lambda x, v: ix.setitem(x, 1, v), lambda rng: (*X(rng), rng.integers(0, 9, 4)), lambda x, v: _set(x, 1, v)),
    Case("setitem where a traced mask holds", lambda x, v, m: ix.setitem(x, m, v), lambda rng: (*apart((3, 4), (4,))(rng), rng.integers(0, 2, 3) > 0), lambda x, v, m: _set(x, m, v)),
    Case("take", lambda x, i: g.take(x, i, axis=1), _with_indices((3, 4), size=4, index=(2, 2)), lambda x, i: np.take(x, i, axis=1)),
    Case("take flattened", lambda x, i: g.take(x, i), _with_indices((3, 4), size=12, index=(5,)), lambda x, i: np.take(x, i)),
    Case("take wrap", lambda x: g.take(x, np.array([5, -9, 2]), axis=0, mode="wrap"), X, lambda x: np.take(x, [5, -9, 2], axis=0, mode="wrap")),
    Case("take clip", lambda x: g.take(x, np.array([5, -9, 2]), axis=0, mode="clip"), X, lambda x: np.take(x, [5, -9, 2], axis=0, mode="clip")),
    Case("take nothing", lambda x: g.take(x, np.zeros(0, int), axis=-1), X, lambda x: x[:, :0], order=0),
    Case("take_along_axis", lambda x, i: g.take_along_axis(x, i, axis=0), _with_indices((3, 4), size=3, index=(2, 4)), lambda x, i: np.take_along_axis(x, i, 0)),
    Case("take_along_axis last", g.take_along_axis, _with_indices((2, 3, 4), size=4, index=(2, 3, 2)), lambda x, i: np.take_along_axis(x, i, -1)),
    Case("take_along_axis broadcast", lambda x, i: g.take_along_axis(x, i, axis=1), _with_indices((3, 4), size=4, index=(1, 2)), lambda x, i: np.take_along_axis(x, i, 1)),
    Case("take_along_axis flattened", lambda x, i: g.take_along_axis(x, i, axis=None), _with_indices((3, 4), size=12, index=(5,)), lambda x, i: np.take_along_axis(x, i, None)),
    Case("put_along_axis", lambda x, v, i: g.put_along_axis(x, i, v, axis=0), _with_indices((3, 4), (2, 4), size=3, index=(2, 4)), lambda x, v, i: _put_along(x, i, v, 0)),
    Case("put_along_axis broadcast", lambda x, v, i: g.put_along_axis(x, i, v), _with_indices((3, 4), (1,), size=4, index=(1, 2)), lambda x, v, i: _put_along(x, i, v, -1)),
    Case("put_along_axis flattened", lambda x, v, i: g.put_along_axis(x, i, v, axis=None), _with_indices((3, 4), (5,), size=12, index=(5,)), lambda x, v, i: _put_along(x, i, v, None)),
    Case("lasting", lambda i: g.lasting(i, size=3), integers((2, 4), low=1, high=3), lambda i: np.array([k not in i.ravel()[j + 1 :] for j, k in enumerate(i.ravel())]).reshape(2, 4)),
    Case("pick", g.pick, lambda rng: (apart((2, 3, 4))(rng)[0], rng.integers(0, 4, (2, 3))), lambda x, i: np.take_along_axis(x, i[..., None], -1)[..., 0]),
    Case("pick broadcast", g.pick, lambda rng: (apart((2, 1, 4))(rng)[0], rng.integers(0, 4, (3,))), lambda x, i: np.take_along_axis(np.broadcast_to(x, (2, 3, 4)), np.broadcast_to(i, (2, 3))[..., None], -1)[..., 0]),
    Case("place", lambda x, i: g.place(x, i, size=3), lambda rng: (apart((2, 3))(rng)[0], rng.integers(0, 3, (2, 3))), lambda x, i: x[..., None] * (np.arange(3) == i[..., None])),
    Case("beside", lambda x: g.beside(x, np.arange(3)), apart((2,)), lambda x: np.arange(3)),
    Case("nonzero", lambda x: g.nonzero(x > 0.0), X, lambda x: np.nonzero(x > 0), without=UNKNOWN),
    Case("argwhere", lambda x: g.argwhere(x > 0.0), X, lambda x: np.argwhere(x > 0), without=UNKNOWN),
    Case("count_nonzero", g.count_nonzero, integers((3, 4)), np.count_nonzero),
    Case("count_nonzero axis", lambda x: g.count_nonzero(x > 0.0, axis=1, keepdims=True), X, lambda x: np.count_nonzero(x > 0, 1, keepdims=True)),
    *(
        Case(
            f"searchsorted {side}",
            lambda x, v, side=side: g.searchsorted(x, v, side=side),  # type: ignore[misc]
            lambda rng: (np.sort(rng.integers(0, 6, 5)) * 1.0, rng.integers(-1, 7, (2, 3)) * 1.0),
            lambda x, v, side=side: np.searchsorted(x, v, side=side),  # type: ignore[misc]
            argnums=(),
        )
        for side in ("left", "right")
    ),
    Case("searchsorted with a sorter", lambda x, v, i: g.searchsorted(x, v, sorter=i), lambda rng: (np.arange(5.0)[::-1].copy(), rng.integers(0, 9, 3) / 2, np.arange(5)[::-1].copy()), lambda x, v, i: np.searchsorted(x, v, sorter=i), argnums=()),
]  # fmt: skip
