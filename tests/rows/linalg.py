"""Rows of linear algebra."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from case import Case

from gpugrad.ops import linalg as la
from gpugrad.ops.bilinear import matmul
from gpugrad.ops.determinants import cofactor, cofactor_change
from gpugrad.ops.elementwise import exp, multiply
from gpugrad.ops.factorizations import complement, independent
from gpugrad.ops.factorizations import qr as reduced_qr
from gpugrad.ops.gaps import over, over_change
from gpugrad.ops.matrices import H, hermitian

FACTORS = {"float16": "only for factorizations", "bfloat16": "only for factorizations"}

Sample = Callable[[np.random.Generator], tuple[Any, ...]]


def _normal(*shapes: tuple[int, ...]) -> Sample:
    return lambda rng: tuple(rng.normal(size=s) for s in shapes)


def _complex(*shapes: tuple[int, ...]) -> Sample:
    return lambda rng: tuple(rng.normal(size=s) + 1j * rng.normal(size=s) for s in shapes)


def _regular(*shapes: tuple[int, ...], also: tuple[tuple[int, ...], ...] = ()) -> Sample:
    """Square matrices far from singular, then other arrays."""

    def sample(rng: np.random.Generator) -> tuple[Any, ...]:
        squares = [rng.normal(size=s) + 3.0 * np.eye(s[-1]) for s in shapes]
        return (*squares, *(rng.normal(size=s) for s in also))

    return sample


def _apart(*shape: int) -> Sample:
    """Matrices whose singular values, and eigenvalues, lie far apart."""

    def sample(rng: np.random.Generator) -> tuple[Any, ...]:
        rows, columns = shape[-2:]
        scale = np.arange(1.0, 1.0 + columns) ** 1.5
        return (0.2 * rng.normal(size=shape) + np.eye(rows, columns) * scale,)

    return sample


def _away(*shape: int) -> Sample:
    """Numbers away from 0 and from each other in modulus."""

    def sample(rng: np.random.Generator) -> tuple[Any, ...]:
        moduli = 0.5 + rng.permutation(int(np.prod(shape))).reshape(shape) / 5.0
        return (moduli * rng.choice([-1.0, 1.0], shape),)

    return sample


def _with_divisor(others: int) -> Sample:
    """Arrays, then one of numbers away from 0."""

    def sample(rng: np.random.Generator) -> tuple[Any, ...]:
        return (*rng.normal(size=(others, 3, 4)), rng.uniform(0.5, 2.0, (3, 4)))

    return sample


def _uneven(*shape: int) -> Sample:
    """Numbers of which no two sums along an axis come close in modulus."""

    def sample(rng: np.random.Generator) -> tuple[Any, ...]:
        n = int(np.prod(shape))
        moduli = rng.uniform(0.5, 0.6, n) * 1.5 ** np.arange(n)
        return ((moduli * rng.choice([-1.0, 1.0], n)).reshape(shape),)

    return sample


def _symmetric(x: Any) -> Any:
    """A symmetric matrix of any one, so that differences may move any element."""
    return x + la.matrix_transpose(x)


def _sym(x: Any) -> Any:
    return x + np.swapaxes(x, -1, -2)


def _definite(x: Any) -> Any:
    return matmul(x, H(x))


def _norm(name: str, sample: Sample, order: int = 2, **params: Any) -> Case:
    return Case(
        f"norm {name}", lambda x: la.norm(x, **params), sample, lambda x: np.linalg.norm(x, **params), order=order
    )


def _np_solve(x: Any, y: Any) -> Any:
    return np.linalg.solve(x, y[..., None])[..., 0] if y.ndim == 1 else np.linalg.solve(x, y)


RANKED = {"jit": "the shape of the residuals depends on the rank"}


def _lstsq(a: Any, b: Any) -> Any:
    return la.lstsq(a, b)[0]


def _by_svd(x: Any) -> Any:
    """A function of singular values and vectors that does not depend on the choice of the vectors."""
    u, s, vh = la.svd(x, full_matrices=False)
    return matmul(multiply(u, exp(s)), vh)


def _by_eigh(x: Any) -> Any:
    w, v = la.eigh(x)
    return matmul(multiply(v, exp(w)), H(v))


def _np_by_svd(x: Any) -> Any:
    u, s, vh = np.linalg.svd(x, full_matrices=False)
    return (u * np.exp(s)) @ vh


def _projection(q: Any) -> Any:
    """The projection on the space of orthonormal columns: what does not depend on which of them were chosen."""
    return matmul(q, H(q))


def _by_complete_qr(x: Any) -> Any:
    q, r = la.qr(x, mode="complete")
    return matmul(q, r), _projection(q[..., x.shape[-1] :])


def _by_full_svd(x: Any) -> Any:
    u, s, vh = la.svd(x, full_matrices=True)
    k = s.shape[-1]
    return s, _projection(u[..., k:] if u.shape[-1] > k else H(vh)[..., k:])


CASES = [
    Case("solve", la.solve, _regular((3, 3), also=((3, 2),)), np.linalg.solve),
    Case("solve vector", la.solve, _regular((3, 3), also=((3,),)), np.linalg.solve),
    Case("solve batch", la.solve, _regular((2, 2, 2), also=((2, 2, 1),)), np.linalg.solve),
    Case("solve batch vector", la.solve, _regular((2, 2, 2), also=((2,),)), _np_solve),
    Case("solve broadcast", la.solve, _regular((2, 2), also=((3, 2, 1),)), np.linalg.solve),
    Case("solve complex", la.solve, _complex((3, 3), (3, 1)), np.linalg.solve),
    Case(
        "solve integers",
        la.solve,
        lambda rng: (np.array([[2, 1], [1, 3]]), np.array([1, 2])),
        np.linalg.solve,
        argnums=(),
    ),
    Case(
        "solve_triangular upper",
        la.solve_triangular,
        _regular((3, 3), also=((3, 2),)),
        lambda a, b: np.linalg.solve(np.triu(a), b),
    ),
    Case(
        "solve_triangular lower, vector",
        lambda a, b: la.solve_triangular(a, b, lower=True),
        _regular((3, 3), also=((3,),)),
        lambda a, b: np.linalg.solve(np.tril(a), b),
    ),
    Case(
        "solve_triangular unit",
        lambda a, b: la.solve_triangular(a, b, lower=True, unit_diagonal=True),
        _normal((2, 2, 2), (2, 2)),
        lambda a, b: np.linalg.solve(np.tril(a, -1) + np.eye(2), b),
    ),
    Case("inv", la.inv, _regular((3, 3)), np.linalg.inv),
    Case("inv batch", la.inv, _regular((2, 2, 2)), np.linalg.inv),
    Case("inv complex", la.inv, _complex((3, 3)), np.linalg.inv),
    Case("det", la.det, _normal((3, 3)), np.linalg.det),
    Case("det batch", la.det, _normal((2, 4, 4)), np.linalg.det),
    Case("det of one", la.det, _normal((1, 1)), np.linalg.det),
    Case("det of two", la.det, _normal((2, 2)), np.linalg.det),
    Case("det complex", la.det, _complex((3, 3)), np.linalg.det),
    Case("det of nothing", la.det, lambda rng: (np.zeros((0, 0)),), np.linalg.det, order=0),
    Case("cofactor", cofactor, _normal((4, 4)), lambda x: np.linalg.det(x) * np.linalg.inv(x).T),
    Case("cofactor of two", cofactor, _normal((2, 2)), lambda x: np.linalg.det(x) * np.linalg.inv(x).T),
    Case("cofactor_change", cofactor_change, _normal((4, 4), (4, 4))),
    Case("cofactor_change of three", cofactor_change, _normal((2, 3, 3), (2, 3, 3))),
    Case("cofactor_change complex", cofactor_change, _complex((3, 3), (3, 3))),
    Case(
        "over", lambda x, y: over(x, y, y * 0.0, name="over", pulls=False), _with_divisor(1), lambda x, y: x / y,
        without=FACTORS,
    ),
    Case(
        "over_change", lambda x, y, z: over_change(x, y, z, z * 0.0, name="over"), _with_divisor(2), lambda x, y, z: -x * y / z**2,
        without=FACTORS,
    ),
    Case("slogdet", la.slogdet, _normal((3, 3)), lambda x: tuple(np.linalg.slogdet(x))),
    Case("slogdet batch", la.slogdet, _normal((2, 2, 2)), lambda x: tuple(np.linalg.slogdet(x))),
    Case("slogdet complex", la.slogdet, _complex((3, 3)), lambda x: tuple(np.linalg.slogdet(x))),
    Case("cholesky", lambda x: la.cholesky(_definite(x)), _normal((3, 4)), lambda x: np.linalg.cholesky(x @ x.T)),
    Case(
        "cholesky upper",
        lambda x: la.cholesky(_definite(x), upper=True),
        _normal((2, 2, 3)),
        lambda x: np.linalg.cholesky(x @ np.swapaxes(x, -1, -2), upper=True),
    ),
    Case(
        "cholesky complex",
        lambda x: la.cholesky(_definite(x)),
        _complex((2, 3)),
        lambda x: np.linalg.cholesky(x @ x.conj().T),
    ),
    Case("eigh", lambda x: tuple(la.eigh(_symmetric(x))), _apart(3, 3), lambda x: tuple(np.linalg.eigh(_sym(x)))),
    Case(
        "eigh upper",
        lambda x: la.eigh(_symmetric(x), UPLO="U").eigenvalues,
        _normal((2, 2, 2)),
        lambda x: np.linalg.eigvalsh(_sym(x)),
    ),
    Case("eigh complex", lambda x: _by_eigh(hermitian(x, x)), _complex((3, 3))),
    Case("eigvalsh", lambda x: la.eigvalsh(_symmetric(x)), _normal((3, 3)), lambda x: np.linalg.eigvalsh(_sym(x))),
    Case("eigvalsh complex", lambda x: la.eigvalsh(hermitian(x, x)), _complex((3, 3))),
    Case("svd", lambda x: tuple(la.svd(x, full_matrices=False)), _apart(3, 3), lambda x: tuple(np.linalg.svd(x, full_matrices=False))),
    Case(
        "svd tall",
        lambda x: tuple(la.svd(x, full_matrices=False)),
        _apart(4, 2),
        lambda x: tuple(np.linalg.svd(x, full_matrices=False)),
    ),
    Case(
        "svd wide batch",
        lambda x: tuple(la.svd(x, full_matrices=False)),
        _apart(2, 2, 3),
        lambda x: tuple(np.linalg.svd(x, full_matrices=False)),
    ),
    Case("svd complex", _by_svd, _complex((3, 3)), _np_by_svd),
    Case("svd complex tall", _by_svd, _complex((3, 2)), _np_by_svd),
    Case("svd complex wide", _by_svd, _complex((2, 3)), _np_by_svd),
    Case("svd values", lambda x: la.svd(x, compute_uv=False), _normal((2, 3)), lambda x: np.linalg.svd(x)[1]),
    Case("svdvals", la.svdvals, _normal((4, 3)), np.linalg.svdvals),
    Case("svdvals complex", la.svdvals, _complex((2, 3)), np.linalg.svdvals),
    Case("qr", lambda x: tuple(la.qr(x)), _regular((3, 3)), lambda x: tuple(np.linalg.qr(x))),
    Case("qr tall", lambda x: tuple(la.qr(x)), _normal((2, 4, 2)), lambda x: tuple(np.linalg.qr(x))),
    Case("qr wide", lambda x: tuple(la.qr(x)), _normal((2, 4)), lambda x: tuple(np.linalg.qr(x))),
    Case("qr complex", lambda x: tuple(la.qr(x)), _complex((3, 2)), lambda x: tuple(np.linalg.qr(x))),
    Case("qr complete", _by_complete_qr, _normal((4, 2)), without=FACTORS),
    Case("qr complete complex", _by_complete_qr, _complex((3, 1)), without=FACTORS),
    Case("qr complete wide", lambda x: tuple(la.qr(x, mode="complete")), _normal((2, 4)), lambda x: tuple(np.linalg.qr(x, mode="complete"))),
    Case("svd full", _by_full_svd, _apart(4, 2), without=FACTORS),
    Case("svd full wide", lambda x: _by_full_svd(H(x)), _apart(2, 4, 2), without=FACTORS),
    Case("svd full complex", _by_full_svd, _complex((4, 2)), without=FACTORS),
    Case("complement", lambda x: _projection(complement(reduced_qr(x)[0])), _normal((2, 4, 2)), lambda x: np.eye(4) - x @ np.linalg.pinv(x), without=FACTORS),
    Case("independent", independent, lambda rng: (np.triu(rng.normal(size=(2, 3, 3))) + 3.0 * np.eye(3),), lambda x: x),
    Case("qr r", lambda x: la.qr(x, mode="r"), _normal((3, 2)), lambda x: np.linalg.qr(x, mode="r")),
    Case("pinv tall", la.pinv, _apart(4, 3), np.linalg.pinv),
    Case("pinv wide batch", la.pinv, _normal((2, 2, 3)), np.linalg.pinv),
    Case(
        "pinv rtol for each", la.pinv, lambda rng: (rng.normal(size=(2, 3, 2)), np.array([1e-9, 1e-4])),
        lambda x, rtol: np.linalg.pinv(x, rtol=rtol), argnums=(0,), without=FACTORS,
    ),
    Case("matrix_rank for each", la.matrix_rank, lambda rng: (np.eye(3) * np.ones((2, 1, 1)) * [1.0, 0.1, 0.0], np.array([1e-9, 0.5])), lambda x, rtol: np.linalg.matrix_rank(x, rtol=rtol), argnums=()),
    Case("pinv complex", la.pinv, _complex((3, 2)), np.linalg.pinv),
    Case(
        "pinv of rank 2",
        lambda x, y: la.pinv(matmul(x, y), rtol=1e-5),
        _normal((4, 2), (2, 3)),
        lambda x, y: np.linalg.pinv(x @ y, rcond=1e-5),
        without={"float16": "rounding makes the rank 3", "bfloat16": "rounding makes the rank 3"},
    ),
    Case("pinv of nothing", la.pinv, lambda rng: (np.zeros((2, 0)),), np.linalg.pinv, order=0),
    Case("lstsq", _lstsq, _normal((5, 3), (5,)), lambda a, b: np.linalg.lstsq(a, b)[0], without=RANKED),
    Case("lstsq matrices", _lstsq, _normal((4, 2), (4, 2)), lambda a, b: np.linalg.lstsq(a, b)[0], without=RANKED),
    Case("lstsq shortest", _lstsq, _normal((2, 4), (2,)), lambda a, b: np.linalg.lstsq(a, b)[0], without=RANKED),
    Case(
        "lstsq residuals",
        lambda a, b: la.lstsq(a, b)[1],
        _normal((4, 2), (4, 2)),
        lambda a, b: np.linalg.lstsq(a, b)[1],
        without=RANKED,
    ),
    Case("matrix_rank of a vector", la.matrix_rank, _normal((3,)), np.linalg.matrix_rank, argnums=()),
    Case("matrix_rank", la.matrix_rank, _normal((2, 3, 3)), np.linalg.matrix_rank, argnums=()),
    Case("cond", la.cond, _normal((3, 2)), np.linalg.cond),
    Case("cond -2", lambda x: la.cond(x, -2), _normal((3, 3)), lambda x: np.linalg.cond(x, -2)),
    Case("cond fro", lambda x: la.cond(x, "fro"), _regular((3, 3)), lambda x: np.linalg.cond(x, "fro")),
    Case("cond 1 batch", lambda x: la.cond(x, 1), _regular((2, 3, 3)), lambda x: np.linalg.cond(x, 1)),
    Case(
        "cond 1, one singular", lambda x: la.cond(x, 1), lambda rng: (np.stack([np.diag([1.0, 2.0]), np.ones((2, 2))]),),
        lambda x: np.linalg.cond(x, 1), order=0,
    ),
    Case("cond of zeros", la.cond, lambda rng: (np.zeros((2, 2)),), np.linalg.cond, order=0),
    Case("cond -2 of zeros", lambda x: la.cond(x, -2), lambda rng: (np.zeros((2, 2)),), lambda x: np.linalg.cond(x, -2), order=0),
    _norm("", _normal((3,))),
    _norm("of a matrix", _normal((2, 3))),
    _norm("of three axes", _normal((2, 2, 2))),
    _norm("axis", _normal((2, 3)), axis=0),
    _norm("keepdims", _normal((2, 3)), axis=-1, keepdims=True),
    _norm("complex", _complex((3,))),
    _norm("1", _away(4), ord=1),
    _norm("1 complex", _complex((3,)), ord=1),
    _norm("2", _away(4), ord=2),
    _norm("3", _away(4), ord=3),
    _norm("2.5 axis", _away(2, 3), ord=2.5, axis=1),
    _norm("half", _away(4), ord=0.5),
    _norm("-1", _away(4), ord=-1),
    _norm("inf", _away(4), ord=np.inf),
    _norm("-inf", _away(2, 3), ord=-np.inf, axis=0),
    Case("norm 0", lambda x: la.norm(x, 0), _away(4), lambda x: np.linalg.norm(x, 0), argnums=()),
    _norm("matrix fro", _normal((2, 3)), ord="fro"),
    _norm("matrix fro axes", _normal((2, 2, 3)), ord="fro", axis=(0, 2)),
    _norm("matrix nuc", _normal((2, 3)), ord="nuc"),
    _norm("matrix nuc axes", _normal((2, 3, 2)), ord="nuc", axis=(2, 0), keepdims=True),
    _norm("matrix 1", _uneven(2, 3), ord=1),
    _norm("matrix -1", _uneven(2, 3), ord=-1),
    _norm("matrix inf", _uneven(2, 3), ord=np.inf, keepdims=True),
    _norm("matrix -inf axes", _uneven(2, 3, 2), ord=-np.inf, axis=(1, 0)),
    _norm("matrix 2", _normal((3, 2)), ord=2),
    _norm("matrix -2", _normal((3, 2)), ord=-2),
    _norm("3 as NumPy's number", _away(4), ord=np.int64(3)),
    *[
        _norm(f"{shape} of nothing {ord}", lambda rng, shape=shape: (np.zeros(shape),), ord=ord, order=0)
        for shape, ords in (((0,), (None, 1, 2, 3, 0, np.inf)), ((0, 3), ("fro", 1, np.inf, 2, "nuc")), ((3, 0), (1, np.inf, 2)))
        for ord in ords
    ],
    Case("vector_norm", lambda x: la.vector_norm(x, axis=(0, 1)), _normal((2, 2, 2)), lambda x: np.sqrt((x * x).sum((0, 1)))),
    Case("matrix_norm", lambda x: la.matrix_norm(x, ord=2), _normal((2, 2, 2)), lambda x: np.linalg.norm(x, 2, axis=(-2, -1))),
    Case("matrix_power", lambda x: la.matrix_power(x, 5), _normal((3, 3)), lambda x: np.linalg.matrix_power(x, 5)),
    Case("matrix_power -2", lambda x: la.matrix_power(x, -2), _regular((2, 2, 2)), lambda x: np.linalg.matrix_power(x, -2)),
    Case("matrix_power 0", lambda x: la.matrix_power(x, 0), _normal((2, 2)), lambda x: np.linalg.matrix_power(x, 0), argnums=()),
    Case("multi_dot", lambda *xs: la.multi_dot(xs), _normal((2, 3), (3, 1), (1, 4), (4, 2)), lambda *xs: np.linalg.multi_dot(xs)),
    Case("multi_dot vectors", lambda *xs: la.multi_dot(xs), _normal((3,), (3, 2), (2,)), lambda *xs: np.linalg.multi_dot(xs)),
    Case("cross", la.cross, _normal((3,), (3,)), np.cross),
    Case("cross broadcast", la.cross, _normal((2, 1, 3), (2, 3)), np.cross),
    Case("cross axis", lambda x, y: la.cross(x, y, axis=0), _normal((3, 2), (3, 2)), lambda x, y: np.cross(x, y, axis=0)),
    Case("linalg.trace", la.trace, _normal((2, 3, 3)), np.linalg.trace),
    Case("linalg.trace offset", lambda x: la.trace(x, -1), _normal((3, 2)), lambda x: np.linalg.trace(x, offset=-1)),
    Case("linalg.diagonal", lambda x: la.diagonal(x, 1), _normal((2, 3, 3)), lambda x: np.linalg.diagonal(x, offset=1)),
    Case("linalg.outer", la.outer, _normal((2,), (3,)), np.linalg.outer),
]  # fmt: skip
