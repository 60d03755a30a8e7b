"""Rows of the matrix product and of what NumPy builds on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from case import Case

from gpugrad.ops import contraction as b
from gpugrad.ops.affine import affine
from gpugrad.ops.bilinear import matmul


def _normal(*shapes: tuple[int, ...]) -> Callable[[np.random.Generator], tuple[Any, ...]]:
    return lambda rng: tuple(rng.normal(size=s) for s in shapes)


def _complex(*shapes: tuple[int, ...]) -> Callable[[np.random.Generator], tuple[Any, ...]]:
    return lambda rng: tuple(rng.normal(size=s) + 1j * rng.normal(size=s) for s in shapes)


def _matmul(name: str, x: tuple[int, ...], y: tuple[int, ...], **more: Any) -> Case:
    return Case(f"matmul {name}", matmul, _normal(x, y), np.matmul, **more)


def _einsum(subscripts: str, *shapes: tuple[int, ...], note: str = "", **more: Any) -> Case:
    return Case(
        f"einsum {subscripts}{note}",
        lambda *xs: b.einsum(subscripts, *xs),
        _normal(*shapes),
        lambda *xs: np.einsum(subscripts, *xs),
        **more,
    )


def _tensordot(name: str, x: tuple[int, ...], y: tuple[int, ...], axes: Any) -> Case:
    return Case(
        f"tensordot {name}",
        lambda x, y: b.tensordot(x, y, axes),
        _normal(x, y),
        lambda x, y: np.tensordot(x, y, axes),
    )


def _affine(name: str, *shapes: tuple[int, ...]) -> Case:
    return Case(f"affine {name}", affine, _normal(*shapes), lambda x, y, b: x @ y + b[..., None, :])


CASES = [
    _matmul("", (2, 3), (3, 4)),
    _matmul("vector vector", (3,), (3,)),
    _matmul("matrix vector", (2, 3), (3,)),
    _matmul("vector matrix", (3,), (3, 2)),
    _matmul("batched", (2, 2, 3), (2, 3, 2)),
    _matmul("batch on the left", (2, 2, 3), (3, 2)),
    _matmul("batch on the right", (2, 3), (2, 3, 2)),
    _matmul("broadcast by ones", (2, 1, 2, 3), (3, 3, 2)),
    _matmul("both broadcast", (2, 1, 1, 2), (1, 3, 2, 1)),
    _matmul("vector batch", (3,), (2, 3, 2)),
    _matmul("batch vector", (2, 2, 3), (3,)),
    _matmul("no rows", (0, 3), (3, 2), order=0),
    _matmul("nothing to sum", (2, 0), (0, 3), order=0),
    Case("matmul complex", matmul, _complex((2, 3), (3, 2)), np.matmul),
    Case(
        "matmul real complex",
        matmul,
        lambda rng: (rng.normal(size=(2, 3)), rng.normal(size=(3, 2)) * (1 + 2j)),
        np.matmul,
        argnums=(1,),
    ),
    Case(
        "matmul integers",
        matmul,
        lambda rng: (rng.integers(-4, 4, (2, 3)), rng.integers(-4, 4, (3, 2))),
        np.matmul,
        argnums=(),
    ),
    _affine("", (2, 3), (3, 4), (4,)),
    _affine("batched", (2, 2, 3), (2, 3, 4), (4,)),
    _affine("bias for each item", (2, 3), (2, 3, 4), (2, 4)),
    _einsum("ij,jk->ik", (2, 3), (3, 4)),
    _einsum("ij,kj->ik", (2, 3), (4, 3)),
    _einsum("ij,jk", (2, 3), (3, 4)),
    _einsum("ij,j", (2, 3), (3,)),
    _einsum("ba,cb", (2, 3), (4, 2)),
    _einsum("i,i->", (3,), (3,)),
    _einsum("i,j->ij", (2,), (3,)),
    _einsum("i,j->ji", (2,), (3,)),
    _einsum("bi,bj->bij", (2, 2), (2, 3)),
    _einsum("bi,b->bi", (2, 3), (2,)),
    _einsum("b,bi->bi", (2,), (2, 3)),
    _einsum("bij,bjk->bik", (2, 2, 3), (2, 3, 2)),
    _einsum("bsm,hdm->bshd", (2, 2, 3), (2, 1, 3)),
    _einsum("bshd,bthd->bhst", (2, 2, 2, 2), (2, 3, 2, 2)),
    _einsum("bhst,bthd->bshd", (2, 1, 2, 3), (2, 3, 1, 2)),
    _einsum("ij->ji", (2, 3)),
    _einsum("ij->", (2, 3)),
    _einsum("ij->j", (2, 3)),
    _einsum("ii->i", (3, 3)),
    _einsum("ii", (3, 3)),
    _einsum("iij->ij", (2, 2, 3)),
    _einsum("iji->j", (2, 3, 2)),
    _einsum("iii->i", (2, 2, 2)),
    _einsum("iijj->ij", (2, 2, 2, 2)),
    _einsum("ba", (2, 3)),
    _einsum("ii,ij->j", (3, 3), (3, 2)),
    _einsum("ij,kl->il", (2, 3), (2, 2)),
    _einsum("ij,ij->ij", (2, 3), (2, 3)),
    _einsum("ij,ji->", (2, 3), (3, 2)),
    _einsum("...i,...i->...", (2, 3), (2, 3)),
    _einsum("...ij,...jk->...ik", (2, 2, 3), (3, 2)),
    _einsum("...ij,...jk->...ik", (2, 1, 1, 3), (2, 3, 2), note=" by ones"),
    _einsum("i...,...", (2, 3), (3,)),
    _einsum("...ij->...ji", (2, 2, 3)),
    _einsum("...->...", (2, 3)),
    _einsum("i...j->...", (2, 3, 2)),
    _einsum("ij,ij->i", (2, 3), (1, 3)),
    _einsum("ij,j->i", (2, 3), (1,)),
    _einsum(",ij->ij", (), (2, 3)),
    _einsum("i,->i", (3,), ()),
    _einsum("i->i", (3,)),
    _einsum("ij,jk,kl->il", (2, 3), (3, 2), (2, 2)),
    _einsum("i,i,i->", (3,), (3,), (3,)),
    _einsum("ij,jk,ki->", (2, 2), (2, 3), (3, 2)),
    _einsum("a,ab,bc,cd->d", (2,), (2, 2), (2, 3), (3, 2)),
    _einsum("...a,ab,...b->...", (2, 2), (2, 3), (2, 3)),
    _einsum("ij,jk->ik", (2, 0), (0, 3), note=" of nothing", order=0),
    _einsum("ij->i", (0, 3), order=0),
    Case("einsum complex", lambda x, y: b.einsum("ij,kj->ik", x, y), _complex((2, 3), (2, 3)), lambda x, y: x @ y.T),
    _tensordot("2", (2, 3, 2), (3, 2, 2), 2),
    _tensordot("0", (2,), (3, 1), 0),
    _tensordot("1", (2, 3), (3,), 1),
    _tensordot("pairs", (2, 3, 2), (2, 3), ([2, 1], [0, 1])),
    _tensordot("pairs, crossed", (2, 3, 2), (3, 2), ((-1, 1), (1, 0))),
    _tensordot("one axis", (2, 3), (2, 3), (0, 0)),
    Case("outer", b.outer, _normal((2,), (3,)), np.outer),
    Case("outer flattens", b.outer, _normal((2, 2), (1, 3)), np.outer),
    Case("vecdot", b.vecdot, _normal((2, 3), (2, 3)), np.vecdot),
    Case("vecdot broadcast", b.vecdot, _normal((2, 1, 3), (2, 3)), np.vecdot),
    Case("vecdot axis", lambda x, y: b.vecdot(x, y, axis=0), _normal((3, 2), (3, 2)), lambda x, y: (x * y).sum(0)),
    Case("vecdot complex", b.vecdot, _complex((3,), (3,)), np.vecdot),
    Case("dot", b.dot, _normal((3,), (3,)), np.dot),
    Case("dot matrices", b.dot, _normal((2, 3), (3, 2)), np.dot),
    Case("dot more axes", b.dot, _normal((2, 2, 3), (2, 3, 2)), np.dot),
    Case("dot vector", b.dot, _normal((2, 2, 3), (3,)), np.dot),
    Case("dot number", b.dot, _normal((), (3,)), np.dot),
    Case("inner", b.inner, _normal((2, 3), (2, 3)), np.inner),
    Case("inner vectors", b.inner, _normal((3,), (3,)), np.inner),
    Case("inner number", b.inner, _normal((2, 3), ()), np.inner),
    Case("kron", b.kron, _normal((2, 2), (1, 3)), np.kron),
    Case("kron vectors", b.kron, _normal((2,), (3,)), np.kron),
    Case("kron of unequal ranks", b.kron, _normal((2,), (2, 2, 1)), np.kron),
    Case("kron number", b.kron, _normal((), (2, 2)), np.kron),
    Case("trace", b.trace, _normal((3, 3)), np.trace),
    Case("trace offset", lambda x: b.trace(x, 1), _normal((2, 3)), lambda x: np.trace(x, 1)),
    Case("trace below", lambda x: b.trace(x, -1), _normal((3, 2)), lambda x: np.trace(x, -1)),
    Case("trace axes", lambda x: b.trace(x, axis1=-1, axis2=0), _normal((3, 2, 3)), lambda x: np.trace(x, axis1=-1, axis2=0)),
]  # fmt: skip
