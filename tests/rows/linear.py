"""Rows of the linear primitives themselves: batches lead, axes are negative, everything is normalised already."""

from __future__ import annotations

from typing import Any

import numpy as np
from case import Case

from gpugrad.ops import linear as lin
from gpugrad.ops.assembling import assemble
from rows.elementwise import apart, complexes, integers

X = apart((3, 4))
NOTHING = apart((2, 0))
F64, F32, I64, C128 = (np.dtype(d) for d in ("float64", "float32", "int64", "complex128"))


def _updated(x: Any, v: Any, key: Any) -> Any:
    x = x.copy()
    x[key] = v
    return x


def _embedded(x: Any, k: int, shape: tuple[int, ...]) -> Any:
    out = np.zeros((*x.shape[:-1], *shape), x.dtype)
    at = np.arange(x.shape[-1])
    out[..., at + max(-k, 0), at + max(k, 0)] = x
    return out


CASES = [
    Case("cast to float32 and back", lambda x: lin.cast(lin.cast(x, dtype=F32, source=F64), dtype=F64, source=F32), integers((2, 3)), lambda x: x * 1.0, argnums=()),
    Case("cast real to complex", lambda x: lin.cast(x, dtype=C128, source=F64), X, lambda x: x + 0j, without={"float32": "the row is about two dtypes", "float16": "the row is about two dtypes", "bfloat16": "the row is about two dtypes"}),
    Case("cast integers", lambda x: lin.cast(x, dtype=F64, source=I64), integers((4,)), lambda x: x.astype(float)),
    Case("conj", lin.conj, complexes((2, 3)), np.conj),
    Case("real", lin.real, complexes((2, 3)), np.real),
    Case("imag", lin.imag, complexes((2, 3)), np.imag),
    Case("to_complex", lin.to_complex, X, lambda x: x + 0j, without={"float16": "there is no complex dtype of half precision", "bfloat16": "there is no complex dtype of half precision"}),
    Case("reshape rank 1", lambda x: lin.reshape(x, to=(2, 2), rank=1), X, lambda x: x.reshape(3, 2, 2)),
    Case("reshape of a number", lambda x: lin.reshape(x, to=(1, 1), rank=0), apart(()), lambda x: x.reshape(1, 1)),
    Case("again", lin.again, apart((2, 3), (2,)), lambda x, y: np.copy(x), argnums=(0,)),
    Case("permute", lambda x: lin.permute(x, perm=(-1, -3, -2)), apart((2, 3, 2, 2)), lambda x: x.transpose(0, 3, 1, 2)),
    Case("flip axes", lambda x: lin.flip(x, axis=(-1, -2)), X, np.flip),
    Case("expand", lambda x: lin.expand(x, axis=(-3, -1), sizes=(2, 3)), apart((2, 2)), lambda x: np.broadcast_to(x[:, None, :, None], (2, 2, 2, 3))),
    Case("expand to nothing", lambda x: lin.expand(x, axis=(-1,), sizes=(0,)), apart((2,)), lambda x: np.zeros((2, 0)), order=0),
    Case("reduce_sum", lambda x: lin.reduce_sum(x, axis=(-1, -3)), apart((2, 3, 2)), lambda x: x.sum((0, 2))),
    Case("reduce_sum of nothing", lambda x: lin.reduce_sum(x, axis=(-1,)), NOTHING, lambda x: x.sum(-1), order=0),
    Case("slice_", lambda x: lin.slice_(x, spec=((1, 3, 1),)), X, lambda x: x[:, 1:3]),
    Case("slice_ with steps", lambda x: lin.slice_(x, spec=((2, 0, -1), (0, 3, 2))), X, lambda x: x[2:0:-1, :3:2]),
    Case("slice_ down to 0", lambda x: lin.slice_(x, spec=((3, -1, -3),)), X, lambda x: x[:, ::-3]),
    Case("slice_ to nothing", lambda x: lin.slice_(x, spec=((0, 0, 1),)), X, lambda x: x[:, :0], order=0),
    Case("unslice", lambda x: lin.unslice(x, spec=((3, -1, -2), (1, 5, 1)), sizes=(4, 6)), apart((2, 4)), lambda x: _updated(np.zeros((4, 6), x.dtype), x, (slice(None, None, -2), slice(1, 5)))),
    Case("unslice of nothing", lambda x: lin.unslice(x, spec=((0, 0, 1),), sizes=(3,)), NOTHING, lambda x: np.zeros((2, 3)), order=0),
    Case(
        "assemble", lambda *xs: assemble(*xs, specs=(((0, 2, 1), (1, 3, 1)), ((2, -1, -2), (0, 3, 2))), sizes=(3, 4)), apart((2, 2), (2, 2)),
        lambda x, y: _updated(np.zeros((3, 4), x.dtype), x, (slice(0, 2), slice(1, 3))) + _updated(np.zeros((3, 4), x.dtype), y, (slice(None, None, -2), slice(0, 3, 2))),
    ),
    Case("slice_update", lambda x, v: lin.slice_update(x, v, spec=((2, -1, -2), (1, 3, 1))), apart((3, 4), (2, 2)), lambda x, v: _updated(x, v, (slice(None, None, -2), slice(1, 3)))),
    Case("concat primitive", lambda *xs: lin.concat(*xs, axis=-2, bounds=(0, 1, 1, 3)), apart((1, 2), (0, 2), (2, 2)), lambda *xs: np.concatenate(xs)),
    Case("concat of one", lambda x: lin.concat(x, axis=-1, bounds=(0, 4)), X, lambda x: x),
    Case("split primitive", lambda x: lin.split(x, axis=-1, bounds=(0, 1, 1, 4)), X, lambda x: (x[:, :1], x[:, 1:1], x[:, 1:])),
    Case("split, one part used", lambda x: lin.split(x, axis=-2, bounds=(0, 1, 3))[1], X, lambda x: x[1:]),
    Case("cumsum primitive", lambda x: lin.cumsum(x, axis=-2), X, lambda x: np.cumsum(x, 0)),
    Case("cumsum of nothing", lambda x: lin.cumsum(x, axis=-1), NOTHING, lambda x: x, order=0),
    *(Case(f"tril k={k}", lambda x, k=k: lin.tril(x, k=k), apart((2, 3, 4)), lambda x, k=k: np.tril(x, k)) for k in (-1, 0, 2)),  # type: ignore[misc]
    *(Case(f"triu k={k}", lambda x, k=k: lin.triu(x, k=k), apart((2, 3, 4)), lambda x, k=k: np.triu(x, k)) for k in (-1, 0, 2)),  # type: ignore[misc]
    *(Case(f"diagonal offset={k}", lambda x, k=k: lin.diagonal(x, k), apart((2, 3, 4)), lambda x, k=k: np.diagonal(x, k, -2, -1)) for k in (-2, 0, 1)),  # type: ignore[misc]
    Case("diagonal outside", lambda x: lin.diagonal(x, 4), X, lambda x: np.diagonal(x, 4), order=0),
    *(Case(f"diag_embed offset={k}", lambda x, k=k: lin.diag_embed(x, 3, 4, k), apart((2, 2)), lambda x, k=k: _embedded(x, k, (3, 4))) for k in (-1, 2)),  # type: ignore[misc]
    Case("constant", lambda x: x * lin.constant(x, to=(3,), fill=2), apart((2, 3)), lambda x: x * 2),
    Case("iota", lambda x: x * lin.cast(lin.iota(x, size=3), dtype=x.dtype, source=I64), apart((2, 3)), lambda x: x * np.arange(3.0)),
    Case("broadcast_to and sum_to", lambda x: lin.sum_to(lin.broadcast_to(x, (2, 3, 4)), (4,)), apart((3, 1)), lambda x: np.full(4, 2 * x.sum())),
]  # fmt: skip
