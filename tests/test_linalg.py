"""Linear algebra: worked identities, singular matrices, equal eigenvalues, failures, and PyTorch's gradients."""

from __future__ import annotations

import itertools as it
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import errors
from gpugrad.ops.contraction import trace
from gpugrad.testing import check_grads

la = gg.linalg


def host(t: Any) -> Any:
    return np.asarray(t)


def close(got: Any, wanted: Any, tol: float = 1e-10) -> None:
    np.testing.assert_allclose(host(got), wanted, rtol=tol, atol=tol)


def quarter_turn(v: Any) -> Any:
    """Some orthogonal matrix that is not the identity, to turn a diagonal matrix by."""
    return np.linalg.qr(np.arange(1.0, 1.0 + v * v).reshape(v, v) ** 1.3 % 2.7)[0]


# ---- worked identities ----------------------------------------------------------------------------------------------


def test_gradient_of_log_det_is_the_transposed_inverse(rng: Any) -> None:
    a = rng.normal(size=(4, 4))
    close(gg.grad(lambda a: la.slogdet(a).logabsdet)(a), np.linalg.inv(a).T)


def test_gradient_of_log_det_by_det(rng: Any) -> None:
    a = rng.normal(size=(4, 4))
    close(gg.grad(lambda a: gg.log(gg.abs(la.det(a))))(a), np.linalg.inv(a).T)


def test_gradient_of_trace_of_product_is_the_transpose(rng: Any) -> None:
    a, b = rng.normal(size=(3, 4)), rng.normal(size=(4, 3))
    close(gg.grad(lambda a: la.trace(a @ b))(a), b.T)


def test_gradient_of_quadratic_form(rng: Any) -> None:
    a, x = rng.normal(size=(4, 4)), rng.normal(size=4)
    close(gg.grad(lambda x: x @ a @ x)(x), (a + a.T) @ x)
    close(gg.hessian(lambda x: x @ a @ x)(x), a + a.T)
    close(gg.grad(lambda a: x @ a @ x)(a), np.outer(x, x))


def test_gradient_of_trace_of_inverse(rng: Any) -> None:
    a = rng.normal(size=(4, 4))
    close(gg.grad(lambda a: la.trace(la.inv(a)))(a), -np.linalg.matrix_power(np.linalg.inv(a), 2).T)


def test_gradient_of_det_is_det_times_transposed_inverse(rng: Any) -> None:
    a = rng.normal(size=(2, 5, 5))
    wanted = np.linalg.det(a)[:, None, None] * np.swapaxes(np.linalg.inv(a), -1, -2)
    close(gg.grad(lambda a: gg.sum(la.det(a)))(a), wanted)


def test_solving_is_multiplying_by_the_inverse(rng: Any) -> None:
    a, b = rng.normal(size=(4, 4)), rng.normal(size=4)
    first = gg.grad(lambda a, b: gg.sum(la.solve(a, b) ** 3), argnums=(0, 1))(a, b)
    second = gg.grad(lambda a, b: gg.sum((la.inv(a) @ b) ** 3), argnums=(0, 1))(a, b)
    for u, v in zip(first, second, strict=True):
        close(u, host(v), 1e-9)


def test_least_squares_solve_the_normal_equations(rng: Any) -> None:
    a, b = rng.normal(size=(6, 3)), rng.normal(size=6)
    first = gg.grad(lambda a, b: gg.sum(la.lstsq(a, b)[0] ** 3), argnums=(0, 1))(a, b)
    second = gg.grad(lambda a, b: gg.sum(la.solve(a.T @ a, a.T @ b) ** 3), argnums=(0, 1))(gg.tensor(a), b)
    for u, v in zip(first, second, strict=True):
        close(u, host(v), 1e-9)


def test_log_det_through_cholesky(rng: Any) -> None:
    a = rng.normal(size=(4, 6))
    a = a @ a.T
    close(gg.grad(lambda a: 2.0 * gg.sum(gg.log(la.diagonal(la.cholesky(a)))))(a), np.linalg.inv(a))


# ---- determinants of singular matrices, to third order --------------------------------------------------------------


def leibniz(a: Any) -> Any:
    """The determinant as the sum over permutations: a polynomial, so every derivative of it is right everywhere."""
    n = a.shape[0]
    total = 0.0
    for p in it.permutations(range(n)):
        sign = math.prod(-1.0 if p[i] > p[j] else 1.0 for i in range(n) for j in range(i + 1, n))
        term: Any = sign
        for i in range(n):
            term = term * a[i, p[i]]
        total = total + term
    return total


def of_rank(n: int, rank: int) -> Any:
    rng = np.random.default_rng(rank)
    return rng.normal(size=(n, rank)) @ rng.normal(size=(rank, n))


SINGULAR = [
    *[pytest.param(of_rank(4, r), id=f"4 by 4 of rank {r}") for r in range(5)],
    pytest.param(of_rank(3, 2), id="3 by 3 of rank 2"),
    pytest.param(np.diag([0.0, 0.0, 3.0]), id="diagonal"),
    pytest.param(np.diag([2.0, 2.0, 2.0]), id="equal singular values"),
    pytest.param(np.ones((2, 2)), id="2 by 2"),
    pytest.param(np.array([[0.0]]), id="1 by 1"),
]
singular = pytest.mark.parametrize("a", SINGULAR)


@singular
def test_det_gradient_is_the_adjugate(a: Any) -> None:
    wanted = gg.grad(leibniz)(a)
    close(gg.grad(la.det)(a), host(wanted))
    close(gg.jacfwd(la.det)(a), host(wanted))
    close(gg.vmap(gg.grad(la.det))(np.stack([a, a]))[1], host(wanted))


@singular
def test_det_hessian(a: Any) -> None:
    wanted = host(gg.hessian(leibniz)(a))
    for outer in (gg.jacfwd, gg.jacrev):
        for inner in (gg.jacfwd, gg.jacrev):
            close(outer(inner(la.det))(a), wanted)


@singular
def test_det_third_derivative(a: Any) -> None:
    wanted = host(gg.jacfwd(gg.jacfwd(gg.jacrev(leibniz)))(a))
    close(gg.jacfwd(gg.jacfwd(gg.jacrev(la.det)))(a), wanted)
    close(gg.jacrev(gg.jacrev(gg.jacrev(la.det)))(a), wanted)


def test_det_in_single_precision() -> None:
    a = of_rank(4, 2).astype(np.float32)
    out = gg.hessian(la.det)(a)
    assert out.dtype == np.float32
    np.testing.assert_allclose(host(out), host(gg.hessian(leibniz)(a.astype(np.float64))), rtol=1e-4, atol=1e-4)


# ---- norms at zero --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ord", [None, 1, 2, 3, 1.5, 0.5, math.inf, -math.inf])
def test_vector_norm_at_zero(ord: Any) -> None:
    x = np.zeros(3)
    close(gg.grad(lambda x: la.norm(x, ord))(x), x)
    close(gg.jvp(lambda x: la.norm(x, ord), (x,), (np.ones(3),))[1], 0.0)
    assert np.isfinite(host(gg.hessian(lambda x: la.norm(x, ord))(x))).all()


@pytest.mark.parametrize("ord", [None, "fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf])
def test_matrix_norm_at_zero(ord: Any) -> None:
    x = np.zeros((3, 2))
    close(gg.grad(lambda x: la.norm(x, ord))(x), x)
    close(gg.jvp(lambda x: la.norm(x, ord), (x,), (np.ones((3, 2)),))[1], 0.0)


@pytest.mark.parametrize("ord", [0.5, 1, 1.5, 3])
def test_norm_where_one_element_is_zero(ord: float) -> None:
    x = np.array([0.0, 2.0])
    for power in (1, 2):  # the norm, and a function of it
        slope = power * 2.0 ** (power - 1)
        close(gg.grad(lambda x, power=power: la.norm(x, ord) ** power)(x), [0.0, slope])


def test_norms_share_ties() -> None:
    close(gg.grad(lambda x: la.norm(x, math.inf))(np.array([2.0, -2.0, 1.0])), [0.5, -0.5, 0.0])
    close(gg.grad(lambda x: la.norm(x, -math.inf))(np.array([2.0, -2.0, 3.0])), [0.5, -0.5, 0.0])
    close(gg.grad(lambda x: la.norm(x, 2))(np.eye(2)), np.eye(2) / 2)


def test_complex_norm_at_zero() -> None:
    close(gg.grad(lambda z: la.norm(z))(np.zeros(2, complex)), np.zeros(2))
    close(gg.grad(lambda z: la.norm(z))(np.array([3j, 4.0])), [0.6j, 0.8])


# ---- equal eigenvalues and singular values --------------------------------------------------------------------------


def by_svd(a: Any) -> Any:
    u, s, vh = la.svd(a, full_matrices=False)
    return gg.sum((gg.matmul(u * s, vh)) ** 2)


def by_eigh(a: Any) -> Any:
    w, v = la.eigh(a)
    return gg.sum(gg.matmul(v * w, la.matrix_transpose(v)) ** 2)


vectors_at_equal_values = pytest.mark.filterwarnings("ignore:(eigh|svd). a derivative of its vectors")

Q = quarter_turn(3)
EQUAL = [
    pytest.param(np.eye(3), id="identity"),
    pytest.param(np.diag([2.0, 2.0, 5.0]), id="a pair and another"),
    pytest.param(np.diag([2.0, 2.0 * (1 + 1e-15), 5.0]), id="equal to rounding"),
    pytest.param(Q @ np.diag([2.0, 2.0, 5.0]) @ Q.T, id="turned"),
    pytest.param(np.diag([0.0, 0.0, 1.0]), id="two zeros"),
    pytest.param(np.zeros((3, 3)), id="zero"),
]


@vectors_at_equal_values
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("a", EQUAL)
@pytest.mark.parametrize("f", [by_svd, by_eigh])
def test_gradient_at_equal_values_is_twice_the_matrix(f: Callable[[Any], Any], a: Any, dtype: Any) -> None:
    a = ((a + a.T) / 2).astype(dtype)
    tol = 1e-12 if dtype == np.float64 else 1e-5
    close(gg.grad(f)(a), 2 * a, tol)
    t = np.arange(9.0).reshape(3, 3).astype(dtype)
    t = t + t.T
    close(gg.jvp(f, (a,), (t,))[1], (2 * a * t).sum(), 1e-10 if dtype == np.float64 else 1e-4)


@vectors_at_equal_values
def test_rectangles_with_equal_singular_values() -> None:
    for a in (np.eye(3, 2), np.eye(2, 4) * 3.0, np.ones((3, 2))):
        close(gg.grad(by_svd)(a), 2 * a, 1e-12)


def exp_by_eigh(a: Any) -> Any:
    w, v = la.eigh(a)
    return gg.matmul(v * gg.exp(w), la.matrix_transpose(v))


@pytest.mark.parametrize(
    ("f", "a"),
    [
        pytest.param(lambda a: exp_by_eigh(a)[0, 1], np.eye(3), id="how the values part"),
        pytest.param(lambda a: la.eigh(a).eigenvectors[0, 1], np.diag([1.0, 1.0, 3.0]), id="the choice of a vector"),
        pytest.param(lambda a: la.svd(a).U[0, 1], np.eye(3), id="singular vectors"),
        pytest.param(
            lambda a: gg.sum(la.svd(a, full_matrices=False).U[:, 1] ** 3),
            np.ones((3, 2)),
            id="a vector of the singular value 0",
        ),
        pytest.param(
            lambda a: gg.imag(la.eigh(a + 0j).eigenvectors[0, 0]), np.array([[1.0, 1j], [-1j, 3.0]]), id="a phase"
        ),
    ],
)
def test_functions_that_the_factors_do_not_determine_are_refused(f: Callable[[Any], Any], a: Any) -> None:
    with pytest.raises(la.LinAlgError, match=r"(eigh|svd|basis): a derivative of its vectors.*test_linalg.*the choice"):
        gg.grad(f)(a)


def test_what_cannot_be_told_is_warned_of() -> None:
    a, t = np.eye(3), np.ones((3, 3))
    for f in (by_eigh, by_svd):
        with pytest.warns(errors.GradientWarning, match=r"equal to rounding.*test_linalg.*cannot be told from others"):
            gg.grad(f)(a)
        with pytest.warns(errors.GradientWarning, match=r"equal to rounding"):
            gg.jvp(f, (a,), (t,))
    gg.grad(by_eigh)(np.diag([1.0, 2.0, 3.0]))  # without a warning, as all that values alone determine:
    gg.jvp(la.eigh, (a,), (np.diag([1.0, 2.0, 3.0]),))
    gg.grad(lambda a: gg.sum(la.eigh(a).eigenvalues))(a)


@vectors_at_equal_values
@pytest.mark.parametrize("f", [by_eigh, lambda a: gg.sum(la.eigvalsh(a) ** 2), by_svd])
def test_second_derivatives_at_equal_values_are_refused(f: Callable[[Any], Any]) -> None:
    if f in (by_eigh, by_svd):
        with pytest.raises(la.LinAlgError, match=r"(eigh|svd): a derivative of its vectors"):
            gg.hessian(f)(np.eye(2))
    with pytest.raises(la.LinAlgError, match=r"(eigh|svd): a derivative of its vectors"):
        gg.grad(lambda a: gg.sum(gg.grad(f)(a) * np.array([[1.0, 2.0], [2.0, 3.0]])))(np.eye(2))


def test_sum_of_eigenvalues_is_the_trace() -> None:
    for a in (np.eye(3), np.zeros((3, 3)), np.diag([1.0, 1.0, 2.0])):
        close(gg.grad(lambda a: gg.sum(la.eigvalsh(a)))(a), np.eye(3))
        close(gg.grad(lambda a: gg.sum(la.eigvalsh(a) ** 2))(a), 2 * a)


def test_complex_functions_that_do_not_see_the_phases(rng: Any) -> None:
    a = rng.normal(size=(3, 3)) + 1j * rng.normal(size=(3, 3))
    h = a + a.conj().T
    b = gg.tensor(a)

    def eigh_back(h: Any) -> Any:
        w, v = la.eigh(h)
        return gg.sum(gg.real((v * w) @ gg.conj(la.matrix_transpose(v)) * b))

    def svd_back(x: Any) -> Any:
        u, s, vh = la.svd(x, full_matrices=False)
        return gg.sum(gg.real((u * s) @ vh * b))

    wanted = gg.grad(lambda h: gg.sum(gg.real((h + gg.conj(la.matrix_transpose(h))) / 2.0 * b)))(h)
    close(gg.grad(eigh_back)(h), host(wanted))
    close(gg.grad(svd_back)(a), host(gg.grad(lambda x: gg.sum(gg.real(x * b)))(a)))


def test_gradients_of_hermitian_functions_are_hermitian(rng: Any) -> None:
    a = rng.normal(size=(3, 3))
    a = a @ a.T + np.eye(3)
    c = gg.tensor(rng.normal(size=(3, 3)))
    for f in (la.cholesky, lambda a: la.eigh(a).eigenvectors, lambda a: la.eigvalsh(a) * c[0]):
        g = host(gg.grad(lambda a, f=f: gg.sum(f(a) * (c if f(a).ndim == 2 else 1.0)))(a))
        np.testing.assert_allclose(g, g.T, atol=1e-12)


def test_triangle_that_is_read(rng: Any) -> None:
    a = rng.normal(size=(3, 3))
    for uplo in ("L", "U"):
        close(la.eigvalsh(a, UPLO=uplo), np.linalg.eigvalsh(a, UPLO=uplo))
        close(la.eigh(a, UPLO=uplo).eigenvalues, np.linalg.eigh(a, UPLO=uplo).eigenvalues)
    u, s, vh = la.svd(a, full_matrices=True)
    close((u * s) @ vh, a)


def test_factors_beyond_the_reduced_form(rng: Any) -> None:
    """They are orthonormal, give the matrix back, and have a derivative where their choice does not matter."""
    a = rng.normal(size=(2, 4, 3))
    u, s, vh = la.svd(a)
    close(u.mT @ u, np.broadcast_to(np.eye(4), (2, 4, 4)))
    close((u[..., :3] * s[:, None]) @ vh, a)
    q, r = la.qr(a, mode="complete")
    close(q.mT @ q, np.broadcast_to(np.eye(4), (2, 4, 4)))
    close(q @ r, a)
    assert r.shape == (2, 4, 3)

    a = rng.normal(size=(4, 2))
    for columns in (lambda x: la.svd(x).U[:, 2:], lambda x: la.qr(x, mode="complete").Q[:, 2:]):
        gg.grad(lambda x, columns=columns: gg.sum((columns(x) @ columns(x).mT) ** 3))(a)
        with pytest.raises(la.LinAlgError, match="a complete basis"):
            gg.grad(lambda x, columns=columns: columns(x)[0, 0])(a)
    # the sign alone is open where there is one such column
    gg.grad(lambda x: la.svd(x).U[0, 3] ** 2)(rng.normal(size=(4, 3)))


def test_tolerances_of_each_matrix(rng: Any) -> None:
    a = np.stack([np.diag([1.0, 0.1, 0.01])] * 2)
    assert la.matrix_rank(a, rtol=[0.5, 0.05]).tolist() == [1, 2]
    close(la.pinv(a, rtol=np.array([0.5, 0.05])), np.linalg.pinv(a, rtol=np.array([0.5, 0.05])))
    close(gg.vmap(la.pinv)(a, np.array([0.5, 0.05])), np.linalg.pinv(a, rtol=np.array([0.5, 0.05])))


# ---- large, badly scaled --------------------------------------------------------------------------------------------


def test_slogdet_beyond_the_range_of_floats(rng: Any) -> None:
    a = rng.normal(size=(200, 200)) * 1e3
    close(gg.grad(lambda a: la.slogdet(a).logabsdet)(a), np.linalg.inv(a).T)


def test_det_gradient_of_larger_matrices(rng: Any) -> None:
    a = rng.normal(size=(40, 40)) / 6
    close(gg.grad(la.det)(a) / float(np.linalg.det(a)), np.linalg.inv(a).T, 1e-8)
    t = rng.normal(size=(40, 40))
    inverse, det = np.linalg.inv(a), np.linalg.det(a)
    wanted = det * (np.trace(inverse @ t) * inverse.T - (inverse @ t @ inverse).T)
    np.testing.assert_allclose(host(gg.jvp(gg.grad(la.det), (a,), (t,))[1]) / det, wanted / det, rtol=1e-7, atol=1e-7)


def test_least_squares_does_not_square_the_condition() -> None:
    scale = np.diag([1.0, 1e-7])
    a = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 7.0]]) @ scale
    b = np.array([1.0, 0.0, 2.0])
    x = la.lstsq(a, b)[0]
    exact = np.linalg.lstsq(a, b)[0]
    np.testing.assert_allclose(host(x), exact, rtol=1e-7)
    g = host(gg.grad(lambda b: gg.sum(la.lstsq(a, b)[0] @ np.array([1.0, 1e-7])))(b))
    np.testing.assert_allclose(g, np.linalg.pinv(a).T @ np.array([1.0, 1e-7]), rtol=1e-7)


def test_least_squares_as_numpy(rng: Any) -> None:
    for shape, rank in (((5, 3), 3), ((5, 3), 2), ((3, 5), 3)):
        a = rng.normal(size=(shape[0], rank)) @ rng.normal(size=(rank, shape[1]))
        for b in (rng.normal(size=shape[0]), rng.normal(size=(shape[0], 2))):
            got, wanted = la.lstsq(a, b), np.linalg.lstsq(a, b)
            assert int(got[2]) == wanted[2]
            for u, v in zip((got[0], got[1], got[3]), (wanted[0], wanted[1], wanted[3]), strict=True):
                close(u, v)


# ---- batches --------------------------------------------------------------------------------------------------------


def test_vmap_of_solve_with_vectors(rng: Any) -> None:
    a, b = rng.normal(size=(3, 3)), rng.normal(size=(5, 3))
    close(gg.vmap(la.solve, in_axes=(None, 0))(a, b), np.linalg.solve(a, b.T).T)
    a = rng.normal(size=(5, 3, 3))
    close(
        gg.vmap(la.solve, in_axes=(0, None))(a, b[0]),
        np.linalg.solve(a, np.broadcast_to(b[0, :, None], (5, 3, 1)))[..., 0],
    )


def test_per_example_gradients_of_several_results(rng: Any) -> None:
    a = rng.normal(size=(4, 3, 3))
    f = lambda a: gg.sum(la.eigh(a @ a.mT)[0] ** 2 * la.eigh(a @ a.mT)[1][0] ** 2)
    wanted = [host(gg.grad(f)(x)) for x in a]
    close(gg.vmap(gg.grad(f))(a), np.stack(wanted))


# ---- what fails says so ---------------------------------------------------------------------------------------------

SINGLE = np.array([[1.0, 2.0], [2.0, 4.0]])
ZERO = np.zeros((2, 2))
NAN = np.array([[math.nan, 0.0], [0.0, 1.0]])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        pytest.param(lambda: la.solve(ZERO, np.ones(2)), ["solve", "[2, 2]", "singular"], id="solve"),
        pytest.param(lambda: la.inv(ZERO), ["inv", "[2, 2]", "singular", "pinv"], id="inv"),
        pytest.param(lambda: la.matrix_power(ZERO, -1), ["inv", "singular"], id="matrix_power"),
        pytest.param(lambda: la.cholesky(-np.eye(2)), ["cholesky", "[2, 2]", "positive definite"], id="cholesky"),
        pytest.param(lambda: la.solve_triangular(ZERO, np.ones(2)), ["solve_triangular", "diagonal"], id="triangle"),
        pytest.param(lambda: la.svdvals(np.full((2, 2), np.nan)), ["svdvals", "finite"], id="svdvals of NaN"),
        pytest.param(lambda: gg.grad(lambda a: la.slogdet(a)[1])(ZERO), ["inv", "singular"], id="slogdet"),
        pytest.param(lambda: la.eigh(NAN), ["eigh", "finite"], id="eigh of NaN"),
        pytest.param(lambda: la.eigvalsh(NAN), ["eigvalsh", "finite"], id="eigvalsh of NaN"),
        pytest.param(lambda: la.eig(NAN), ["eig", "finite"], id="eig of NaN"),
        pytest.param(
            lambda: gg.grad(lambda a: gg.sum(la.qr(a).R))(np.ones((2, 2))), ["qr", "independent"], id="qr of rank 1"
        ),
        pytest.param(
            lambda: gg.jvp(lambda a: la.qr(a).Q, (SINGLE,), (np.eye(2),)), ["qr", "independent"], id="qr, forward"
        ),
    ],
)
def test_failure_of_the_algorithm(call: Callable[[], Any], words: list[str]) -> None:
    with pytest.raises(la.LinAlgError) as caught:
        call()
    assert isinstance(caught.value, np.linalg.LinAlgError)
    assert isinstance(caught.value, errors.GpugradError)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        pytest.param(lambda: la.inv(np.ones((2, 3))), ["inv", "(2, 3)", "square"], id="not square"),
        pytest.param(lambda: la.det(np.ones(3)), ["det", "(3,)", "matrices"], id="a vector"),
        pytest.param(lambda: la.det(2.0), ["det", "()", "matrices"], id="a number"),
        pytest.param(lambda: la.solve(np.eye(2), np.ones(3)), ["solve", "(2, 2)", "(3,)"], id="solve"),
        pytest.param(
            lambda: la.solve(np.ones((3, 2, 2)), np.ones((2, 2, 1))),
            ["solve: ", "(3, 2, 2)", "(2, 2, 1)", "broadcast"],
            id="batches",
        ),
        pytest.param(lambda: la.cross(np.ones((2, 3)), np.ones((4, 3))), ["cross", "(4, 3)"], id="cross of batches"),
        pytest.param(
            lambda: la.pinv(np.ones((2, 3, 3)), np.ones(5)), ["pinv", "(5,)", "(2, 3, 3)"], id="tolerances for others"
        ),
        pytest.param(lambda: la.cond(np.ones((0, 0)), 1), ["cond", "(0, 0)"], id="cond of nothing"),
        pytest.param(lambda: la.norm(np.ones((3, 0)), -1), ["no elements"], id="smallest of nothing"),
        pytest.param(lambda: la.qr(np.eye(2), mode="full"), ["qr", "full", "reduced", "complete"], id="mode of qr"),
        pytest.param(lambda: la.eigh(np.eye(2), UPLO="x"), ["eigh", "UPLO"], id="UPLO"),
        pytest.param(lambda: la.norm(np.ones((2, 2, 2)), 2), ["norm", "(2, 2, 2)", "axis"], id="norm of three axes"),
        pytest.param(lambda: la.norm(np.ones((2, 2)), 3), ["norm", "ord=3"], id="matrix norm 3"),
        pytest.param(lambda: la.norm(np.ones(2), "fro"), ["norm", "fro"], id="vector norm fro"),
        pytest.param(lambda: la.lstsq(np.ones((2, 3)), np.ones(3)), ["lstsq", "(2, 3)", "(3,)"], id="lstsq"),
        pytest.param(lambda: la.multi_dot([np.ones((2, 2))]), ["multi_dot", "two"], id="multi_dot of one"),
        pytest.param(lambda: la.multi_dot([np.ones((2, 3)), np.ones((2, 2))]), ["multi_dot", "(2, 3)"], id="multi_dot"),
        pytest.param(lambda: la.cross(np.ones(2), np.ones(3)), ["cross", "three"], id="cross"),
        pytest.param(lambda: la.outer(np.ones((2, 2)), np.ones(3)), ["outer", "vectors"], id="outer"),
        pytest.param(lambda: la.matrix_power(np.ones((2, 3)), 2), ["matrix_power", "square"], id="matrix_power"),
    ],
)
def test_shapes_that_do_not_fit(call: Callable[[], Any], words: list[str]) -> None:
    with pytest.raises(errors.ShapeError) as caught:
        call()
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        pytest.param(lambda: la.matrix_power(np.eye(2), 1.5), ["matrix_power", "n=1.5"], id="matrix_power"),
        pytest.param(lambda: la.diagonal(np.eye(2), "1"), ["diagonal", "offset='1'"], id="diagonal"),
        pytest.param(lambda: la.lstsq(np.eye(2), np.ones(2), "x"), ["lstsq", "'x'"], id="lstsq"),
    ],
)
def test_what_is_not_a_number(call: Callable[[], Any], words: list[str]) -> None:
    with pytest.raises(errors.DtypeError) as caught:
        call()
    for word in words:
        assert word in str(caught.value)


def test_nan_where_it_is_not_read() -> None:
    assert la.eigvalsh(np.array([[1.0, math.nan], [0.0, 2.0]])).tolist() == [1.0, 2.0]
    assert la.eigvalsh(np.array([[1.0, 0.0], [math.nan, 2.0]]), "u").tolist() == [1.0, 2.0]


def test_qr_of_columns_of_any_scale() -> None:
    a = np.diag([1.0, 1e-20])
    assert gg.grad(lambda a: gg.sum(la.qr(a).R))(a).shape == (2, 2)
    assert gg.hessian(lambda a: gg.sum(la.qr(a).R))(np.eye(2)).shape == (2, 2, 2, 2)


def test_a_negative_rcond_is_the_rounding_of_the_dtype() -> None:
    a, b = np.diag([1.0, 1e-17, 2.0]), np.arange(3.0)
    x, _, rank, _ = la.lstsq(a, b, -1)
    wanted = np.linalg.lstsq(a, b, -1)
    close(x, wanted[0])
    assert int(rank) == wanted[2] == 2


def test_eigenvectors_whose_largest_components_tie(rng: Any) -> None:
    trace = lambda a: gg.real(gg.sum(la.eigvals(a)))
    close(gg.hessian(trace)(np.ones((2, 2))), np.zeros((2, 2, 2, 2)))
    a, t = np.array([[2.0, 1.0], [1.0, 2.0]]), rng.normal(size=(2, 2))
    v, moved = gg.jvp(lambda a: la.eig(a)[1], (a,), (t,))
    w, dw = gg.jvp(lambda a: la.eig(a)[0], (a,), (t,))
    left = t @ host(v) + a @ host(moved)
    close(left, host(v) * host(dw) + host(moved) * host(w))


def test_eigenvalues_of_nothing_have_a_derivative() -> None:
    out, pull = gg.vjp(la.eig, np.zeros((2, 0, 0)))
    assert pull(out)[0].shape == (2, 0, 0)


def test_results_have_names(rng: Any) -> None:
    a = rng.normal(size=(3, 3))
    assert la.eigh(a)._fields == ("eigenvalues", "eigenvectors")
    assert la.svd(a)._fields == ("U", "S", "Vh")
    assert la.qr(a)._fields == ("Q", "R")
    assert la.slogdet(a)._fields == ("sign", "logabsdet")
    _, tangent = gg.jvp(la.svd, (a,), (a,))
    assert tangent._fields == ("U", "S", "Vh")
    close(tangent.S, np.linalg.svdvals(a))


def test_multi_dot_takes_the_cheapest_order() -> None:
    from gpugrad.ops.linalg import _splits

    split = _splits([2, 90, 1, 3])
    assert split[0, 2] == 1  # (2 by 90 times 90 by 1) times 1 by 3
    split = _splits([10, 100, 5, 50])
    assert split[0, 2] == 1


def test_check_grads_of_a_gaussian_density(rng: Any) -> None:
    """What the operations are for: the log density of a normal distribution, by Cholesky."""

    def density(x: Any, root: Any) -> Any:
        cov = root @ root.T + gg.eye(3)
        low = la.cholesky(cov)
        z = la.solve_triangular(low, x, lower=True)
        return -0.5 * gg.sum(z * z) - gg.sum(gg.log(la.diagonal(low)))

    check_grads(density, (rng.normal(size=3), rng.normal(size=(3, 3))), order=2)


def test_trace_of_the_table_has_numpys_axes(rng: Any) -> None:
    x = rng.normal(size=(2, 3, 4))
    close(trace(gg.tensor(x)), np.trace(x))
    close(trace(gg.tensor(x), 1, axis1=2, axis2=0), np.trace(x, 1, 2, 0))


# ---- PyTorch --------------------------------------------------------------------------------------------------------

TORCH: dict[str, tuple[Callable[[Any], Any], Callable[[Any, Any], Any], tuple[int, ...]]] = {
    "solve": (lambda x: la.solve(x[0], x[1]), lambda t, x: t.linalg.solve(x[0], x[1]), (2, 3, 3)),
    "inv": (la.inv, lambda t, x: t.linalg.inv(x), (2, 3, 3)),
    "det": (la.det, lambda t, x: t.linalg.det(x), (2, 4, 4)),
    "slogdet": (lambda x: la.slogdet(x)[1], lambda t, x: t.linalg.slogdet(x)[1], (2, 4, 4)),
    "cholesky": (
        lambda x: la.cholesky(x @ x.mT + gg.eye(3)),
        lambda t, x: t.linalg.cholesky(x @ x.mT + t.eye(3, dtype=x.dtype)),
        (2, 3, 3),
    ),
    "eigvalsh": (lambda x: la.eigvalsh(x + x.mT), lambda t, x: t.linalg.eigvalsh(x + x.mT), (2, 3, 3)),
    "eigh": (
        lambda x: la.eigh(x + x.mT)[1] ** 2,
        lambda t, x: t.linalg.eigh(x + x.mT)[1] ** 2,
        (2, 3, 3),
    ),
    "svd": (
        lambda x: la.svd(x, full_matrices=False)[0] ** 2,
        lambda t, x: t.linalg.svd(x, full_matrices=False)[0] ** 2,
        (4, 3),
    ),
    "svd, rows": (
        lambda x: la.svd(x, full_matrices=False)[2] ** 2,
        lambda t, x: t.linalg.svd(x, full_matrices=False)[2] ** 2,
        (3, 5),
    ),
    "svdvals": (la.svdvals, lambda t, x: t.linalg.svdvals(x), (2, 4, 3)),
    "qr": (lambda x: la.qr(x)[0] + la.qr(x)[1], lambda t, x: sum(t.linalg.qr(x)), (2, 3, 3)),
    "qr, wide": (lambda x: la.qr(x)[1], lambda t, x: t.linalg.qr(x)[1], (3, 5)),
    "pinv": (la.pinv, lambda t, x: t.linalg.pinv(x), (4, 3)),
    "lstsq": (
        lambda x: la.lstsq(x[:, :2], x[:, 2])[0],
        lambda t, x: t.linalg.lstsq(x[:, :2], x[:, 2:])[0][:, 0],
        (5, 3),
    ),
    "norm nuc": (lambda x: la.norm(x, "nuc"), lambda t, x: t.linalg.norm(x, "nuc"), (4, 3)),
    "norm 2": (lambda x: la.norm(x, 2), lambda t, x: t.linalg.norm(x, 2), (4, 3)),
    "norm 3": (lambda x: la.norm(x, 3, axis=0), lambda t, x: t.linalg.norm(x, 3, dim=0), (4, 3)),
    "matrix_power": (lambda x: la.matrix_power(x, 3), lambda t, x: t.linalg.matrix_power(x, 3), (3, 3)),
    "multi_dot": (lambda x: la.multi_dot([x, x.T, x]), lambda t, x: t.linalg.multi_dot([x, x.T, x]), (4, 3)),
    "cross": (lambda x: la.cross(x[0], x[1]), lambda t, x: t.linalg.cross(x[0], x[1]), (2, 4, 3)),
}


@pytest.mark.parametrize("name", list(TORCH))
def test_gradient_is_pytorchs(name: str, rng: Any) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    ours, theirs, shape = TORCH[name]
    x = rng.normal(size=shape)
    given = torch.tensor(x, requires_grad=True)
    out = theirs(torch, given)
    weights = rng.normal(size=tuple(out.shape))
    (out * torch.tensor(weights)).sum().backward()
    value, grad = gg.value_and_grad(lambda x: gg.sum(ours(x) * weights))(gg.tensor(x))
    close(value, float((out * torch.tensor(weights)).sum().detach()), 1e-9)
    close(grad, given.grad.numpy(), 1e-8)
