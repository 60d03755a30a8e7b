"""Ten points that are singular and meaningful: the derivative is right there, in every mode, precision and backend.

The right answer is the derivative itself where it exists (det, prod, the squared entries of U Σ Vᵀ), and elsewhere the
policy of `gpugrad.ops.elementwise`: 0 at extrema, ties shared, silence from the branch that was not taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import gpugrad as gg


@dataclass(frozen=True)
class Point:
    """A function of one array to one number, the point, and the gradient there."""

    name: str
    f: Callable[[Any], Any]
    x: Any
    gradient: Any


def of_svd(a: Any) -> Any:
    u, s, vh = gg.linalg.svd(a, full_matrices=False)
    return gg.sum(gg.matmul(u * s, vh) ** 2)


def of_eigh(a: Any) -> Any:
    w, v = gg.linalg.eigh(a)
    return gg.sum(gg.matmul(v * w, gg.matrix_transpose(v)) ** 2)


QUARTER_TURN = [[0.0, -1.0], [1.0, 0.0]]
POINTS = [
    Point("sqrt behind where", lambda x: gg.where(x > 0, gg.sqrt(x), 0.0), 0.0, 0.0),
    Point("norm at 0", lambda x: gg.linalg.vector_norm(x), [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]),
    Point("std of constants", lambda x: gg.std(x), [2.0, 2.0, 2.0], [0.0, 0.0, 0.0]),
    Point("prod with a zero", lambda x: gg.prod(x), [0.0, 1.0, 2.0], [2.0, 0.0, 0.0]),
    Point("prod with two zeros", lambda x: gg.prod(x), [0.0, 0.0, 2.0], [0.0, 0.0, 0.0]),
    Point("cumprod with a zero", lambda x: gg.cumulative_prod(x)[-1], [0.0, 1.0, 2.0], [2.0, 0.0, 0.0]),
    Point("max of a tie", lambda x: gg.max(x), [1.0, 1.0], [0.5, 0.5]),
    Point("det of a singular matrix", lambda a: gg.linalg.det(a), [[1.0, 2.0], [3.0, 6.0]], [[6.0, -3.0], [-2.0, 1.0]]),
    Point("det of a singular product", lambda a: gg.linalg.det(a), [[0.0, 0.0], [0.0, 5.0]], [[5.0, 0.0], [0.0, 0.0]]),
    Point("det of rank 1", lambda a: gg.linalg.det(a), np.ones((3, 3)), np.zeros((3, 3))),
    Point("svd, repeated singular values", of_svd, [[2.0, 0.0], [0.0, 2.0]], [[4.0, 0.0], [0.0, 4.0]]),
    Point("svd of a turn", of_svd, QUARTER_TURN, np.multiply(2.0, QUARTER_TURN)),
    Point("eigh, repeated eigenvalues", of_eigh, [[2.0, 0.0], [0.0, 2.0]], [[4.0, 0.0], [0.0, 4.0]]),
    Point("eigh, a pair and another", of_eigh, np.diag([2.0, 2.0, 5.0]), np.diag([4.0, 4.0, 10.0])),
    Point("atan2(0, 0)", lambda x: gg.atan2(x[0], x[1]), [0.0, 0.0], [0.0, 0.0]),
]

points = pytest.mark.parametrize("point", POINTS, ids=lambda p: p.name)
precisions = pytest.mark.parametrize("dtype", ["float64", "float32"])


@pytest.fixture(params=["numpy", "reference", "strict"])
def device(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where the arrays are, with the backend of that name running what is on the CPU."""
    if request.param == "strict":
        yield "strict"
    else:
        with gg.use_backend(request.param):
            yield "cpu"


pytestmark = [
    pytest.mark.filterwarnings("ignore:You are comparing a array_api_strict dtype"),
    pytest.mark.filterwarnings("ignore:(eigh|svd). a derivative of its vectors"),  # see test_linalg.py
]


def host(t: Any) -> Any:
    return t.detach().to("cpu").numpy()


def assert_right(got: Any, wanted: Any, dtype: str) -> None:
    assert got.dtype == dtype
    np.testing.assert_allclose(
        host(got), wanted, rtol=1e-5 if dtype == "float32" else 1e-13, atol=1e-5 if dtype == "float32" else 1e-13
    )


@points
@precisions
def test_grad(point: Point, dtype: str, device: str) -> None:
    x = gg.asarray(np.asarray(point.x, dtype), device=device)
    assert_right(gg.grad(point.f)(x), point.gradient, dtype)


@points
@precisions
def test_backward(point: Point, dtype: str, device: str) -> None:
    x = gg.tensor(np.asarray(point.x, dtype), device=device, requires_grad=True)
    point.f(x).backward()
    assert_right(x.grad, point.gradient, dtype)


@points
@precisions
def test_jvp(point: Point, dtype: str, device: str, rng: Any) -> None:
    x = np.asarray(point.x, dtype)
    for t in (rng.standard_normal(x.shape).astype(dtype), np.zeros(x.shape, dtype)):
        _, moved = gg.jvp(point.f, (gg.asarray(x, device=device),), (gg.asarray(t, device=device),))
        assert_right(moved, np.sum(point.gradient * t), dtype)


@points
@precisions
def test_vmap(point: Point, dtype: str, device: str, rng: Any) -> None:
    """The point twice, beside an ordinary one: neither disturbs the other."""
    x = np.asarray(point.x, dtype)
    other = rng.uniform(0.5, 1.5, x.shape).astype(dtype)
    if point.f is of_eigh:
        other = other + other.T
    batch = gg.asarray(np.stack([x, other, x]), device=device)
    got = gg.vmap(gg.grad(point.f))(batch)
    alone = host(gg.grad(point.f)(gg.asarray(other, device=device)))
    assert_right(got, np.stack([point.gradient, alone, point.gradient]), dtype)
    t = gg.asarray(rng.standard_normal(batch.shape).astype(dtype), device=device)
    moved = gg.vmap(lambda x, t: gg.jvp(point.f, (x,), (t,))[1])(batch, t)
    assert_right(moved, np.sum((host(got) * host(t)).reshape(3, -1), axis=1), dtype)


@points
def test_compositions_stay_finite(point: Point) -> None:
    """Second derivatives need not exist there, but the first ones do not turn into NaN on the way to them."""
    x = np.asarray(point.x, "float64")
    g, _ = gg.jvp(gg.grad(point.f), (x,), (np.zeros(x.shape),))
    assert_right(g, point.gradient, "float64")
