"""``gpugrad.numpy`` and ``gpugrad.scipy``: code for other differentiable NumPys moves by its import line."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Callable
from typing import Any

import numpy
import pytest
import scipy.linalg
import scipy.special

import gpugrad as gg
import gpugrad.numpy as np
import gpugrad.numpy.linalg as la
import gpugrad.numpy.random as npr
import gpugrad.scipy as gsp
from gpugrad import errors


def test_a_program_for_autograd() -> None:
    """The example that every such library begins with, and a small network."""

    def tanh(x: Any) -> Any:
        y = np.exp(-2.0 * x)
        return (1.0 - y) / (1.0 + y)

    gradient = gg.grad(tanh)
    assert abs(float(gradient(1.0)) - 0.419974341614026) < 1e-14

    rng = npr.RandomState(0)
    weights = [rng.randn(2, 3), rng.randn(3)]

    def loss(params: Any) -> Any:
        hidden = np.maximum(np.dot(np.array([[0.1, 0.2], [0.3, -0.4]]), params[0]), 0.0)
        return np.mean((np.dot(hidden, params[1]) - np.ones(2)) ** 2) + 0.1 * la.norm(params[1])

    found = gg.grad(loss)(weights)
    assert found[0].shape == (2, 3)
    h = 1e-6
    moved = [weights[0], weights[1] + h * numpy.array([0.0, 1.0, 0.0])]
    numpy.testing.assert_allclose((float(loss(moved)) - float(loss(weights))) / h, float(found[1][1]), rtol=1e-4)


def test_everything_is_a_tensor() -> None:
    assert np.ndarray is gg.Tensor
    for x in (
        np.sin(1.0),
        np.sum([1.0, 2.0]),
        np.zeros(2),
        np.add(1, 2),
        np.arange(3),
        np.linspace(0.0, 1.0, 3),
        np.eye(2),
    ):
        assert isinstance(x, np.ndarray)
    assert [x.shape for x in np.meshgrid([1.0, 2.0], [3.0])] == [(1, 2), (1, 2)]


def test_dtypes_and_constants_are_numpys() -> None:
    assert np.zeros(2, np.float32).dtype == numpy.float32
    assert np.ones((1, 2), int).dtype == numpy.int64
    assert np.array([1, 2], float).dtype == numpy.float64
    assert np.array([1, 2], "complex64").dtype == numpy.complex64
    assert (np.pi, np.e, np.inf, np.newaxis) == (numpy.pi, numpy.e, numpy.inf, None)
    assert np.finfo(np.float64).eps == numpy.finfo(float).eps
    assert np.asarray([1.0], dtype=bool).dtype == numpy.bool_


def test_array_stacks_tensors_in_lists() -> None:
    def f(x: Any) -> Any:
        m = np.array([[x[0], 2.0 * x[1]], [1.0, x[0] * x[1]]])
        return la.det(m)

    x = numpy.array([2.0, 3.0])
    numpy.testing.assert_allclose(gg.grad(f)(x).numpy(), [2.0 * 2.0 * 3.0, 4.0 - 2.0])
    assert np.array([gg.tensor(1.0), 2], ndmin=2).shape == (1, 2)
    rows = np.array([gg.tensor([1.0, 2.0]), [3.0, 4.0]])
    assert rows.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    with pytest.raises(errors.ShapeError):
        np.array([gg.tensor([1.0, 2.0]), 3.0])


def test_array_and_copy_make_another_tensor() -> None:
    x = gg.tensor([1.0, 2.0], requires_grad=True)
    for y in (
        np.array(x),
        np.copy(x),
        np.reshape(x, (2,)),
        np.ravel(x),
        np.squeeze(x),
        np.atleast_1d(x),
        np.broadcast_to(x, (2,)),
    ):
        assert y is not x
        y[0] = 5.0
        assert x.tolist() == [1.0, 2.0]
    y.sum().backward()
    assert x.grad.tolist() == [0.0, 1.0]
    assert np.asarray(x) is x


def test_ufuncs_have_their_methods() -> None:
    assert np.add.reduce([[1.0, 2.0], [3.0, 4.0]]).tolist() == [4.0, 6.0]
    assert np.multiply.accumulate([1.0, 2.0, 3.0]).tolist() == [1.0, 2.0, 6.0]
    assert np.maximum.outer([1.0, 5.0], [2.0, 3.0]).tolist() == [[2.0, 3.0], [5.0, 5.0]]
    out = np.zeros(2)
    np.add([1.0, 2.0], 1.0, out=out)
    assert out.tolist() == [2.0, 3.0]
    assert repr(np.sin) == "<ufunc 'sin' on tensors>"


@pytest.mark.parametrize(
    "alias", ["abs", "acos", "asin", "atan", "atan2", "concat", "conj", "mod", "permute_dims", "pow", "true_divide"]
)
def test_aliases(alias: str) -> None:
    assert getattr(np, alias) is getattr(np, getattr(numpy, alias).__name__)


def test_what_is_not_covered_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numpy.linalg, "newest", len, raising=False)
    with pytest.raises(AttributeError, match=r"does not cover numpy\.loadtxt\b"):
        np.loadtxt  # noqa: B018
    with pytest.raises(AttributeError, match=r"linalg does not cover numpy\.linalg\.newest\b"):
        la.newest  # noqa: B018
    with pytest.raises(AttributeError, match="neither has numpy"):
        np.no_such_thing  # noqa: B018


def test_functions_are_documented_and_pickle() -> None:
    for f in (np.sum, np.linalg.norm, np.cov, np.zeros, gg.sin, gg.sum):
        assert f.__doc__
        assert pickle.loads(pickle.dumps(f)) is f
    assert "axis" in inspect.signature(np.sum).parameters


def test_numpys_own_vmap_and_second_derivatives() -> None:
    f = lambda x: np.sum(np.outer(x, np.sin(x)) * np.tri(3))
    x = numpy.array([0.1, 0.2, 0.3])
    h = gg.hessian(f)(x).numpy()
    numpy.testing.assert_allclose(h, h.T, atol=1e-12)
    xs = numpy.stack([x, 2 * x])
    numpy.testing.assert_allclose(
        gg.vmap(gg.grad(f))(xs).numpy(), numpy.stack([gg.grad(f)(r).numpy() for r in xs]), rtol=1e-12
    )


# ---- SciPy's names --------------------------------------------------------------------------------------------------------

P, Q = numpy.array([0.2, 0.5, 0.9]), numpy.array([0.3, 0.4, 0.7])
SPECIAL: dict[str, tuple[Any, ...]] = {
    "cbrt": (P,), "entr": (numpy.array([0.0, 0.4, 2.0]),), "erf": (P,), "erfc": (P,), "exp2": (P,), "expit": (P,), "expm1": (P,),
    "huber": (0.4, Q), "kl_div": (P, Q), "log1p": (P,), "log_expit": (P,), "log_softmax": (numpy.stack([P, Q]),), "logit": (P,),
    "logsumexp": (numpy.stack([P, Q]),), "pseudo_huber": (0.4, Q), "rel_entr": (P, Q), "sinc": None, "softmax": (numpy.stack([P, Q]),),
    "xlog1py": (numpy.array([0.0, 1.0, 2.0]), numpy.array([-1.0, 0.5, 1.0])), "xlogy": (numpy.array([0.0, 1.0, 2.0]), numpy.array([0.0, 0.5, 1.0])),
}  # fmt: skip


@pytest.mark.parametrize("name", list(SPECIAL))
def test_special(name: str) -> None:
    args = SPECIAL[name]
    if args is None:
        return  # sinc is NumPy's
    numpy.testing.assert_allclose(
        getattr(gsp.special, name)(*args).numpy(), getattr(scipy.special, name)(*args), rtol=1e-12
    )


def test_logsumexp_with_weights() -> None:
    a, b = numpy.array([[1.0, 2.0, 900.0], [0.1, 0.2, 0.3]]), numpy.array([[1.0, -2.0, 0.0], [0.5, 0.0, -3.0]])
    for axis in (None, 0, 1):
        ours = gsp.special.logsumexp(a, axis=axis, b=b, return_sign=True)
        theirs = scipy.special.logsumexp(a, axis=axis, b=b, return_sign=True)
        for x, y in zip(ours, theirs, strict=True):
            numpy.testing.assert_allclose(x.numpy(), y, rtol=1e-12)
    weights = gg.grad(lambda w: gsp.special.logsumexp(numpy.array([0.0, 0.0]), b=w))(numpy.array([1.0, 3.0]))
    numpy.testing.assert_allclose(weights.numpy(), [0.25, 0.25])


def test_derivatives_at_zero_weights() -> None:
    x, y = gg.grad(lambda v: gsp.special.xlogy(v[0], v[1]))(numpy.array([0.0, 2.0])).numpy()
    assert (x, y) == (numpy.log(2.0), 0.0)
    assert gg.grad(lambda v: gsp.special.xlogy(v[0], v[1]))(numpy.array([0.0, 0.0])).tolist() == [0.0, 0.0]


A = numpy.array([[4.0, 1.0, 0.5], [1.0, 3.0, 0.2], [0.5, 0.2, 2.0]])
B = numpy.array([[1.0, 2.0], [0.0, 1.0], [3.0, -1.0]])
LINALG: dict[str, Callable[[Any], Any]] = {
    "block_diag": lambda m: m.block_diag(A, B, [1.0, 2.0]),
    "cho_factor": lambda m: numpy.triu(numpy.asarray(m.cho_factor(A)[0])),
    "cho_solve": lambda m: m.cho_solve(m.cho_factor(A, lower=True), B),
    "cholesky": lambda m: [m.cholesky(A), m.cholesky(A, lower=True)],
    "det": lambda m: m.det(A),
    "eigh": lambda m: [
        m.eigh(A)[0],
        m.eigh(A, eigvals_only=True),
        m.eigh(A, A @ A, eigvals_only=True),
        m.eigh(A, A + numpy.eye(3))[0],
    ],
    "inv": lambda m: m.inv(A),
    "lstsq": lambda m: m.lstsq(B, A[0])[0],
    "norm": lambda m: m.norm(A),
    "pinv": lambda m: m.pinv(B),
    "qr": lambda m: numpy.abs(numpy.asarray(m.qr(B, mode="economic")[1])),
    "solve": lambda m: [m.solve(A, B), m.solve(A, B, assume_a="pos")],
    "solve_triangular": lambda m: [
        m.solve_triangular(A, B, trans=t, lower=low, unit_diagonal=u)
        for t in (0, "T", 2)
        for low in (True, False)
        for u in (True, False)
    ],
    "svd": lambda m: m.svd(B, full_matrices=False)[1],
    "svdvals": lambda m: m.svdvals(B),
    "toeplitz": lambda m: [m.toeplitz([1.0, 2.0, 3.0]), m.toeplitz([1.0, 2.0], [1.0, 5.0, 6.0])],
}


@pytest.mark.parametrize("name", [n for n in gsp.linalg.__all__ if n != "LinAlgError"])
def test_scipy_linalg(name: str) -> None:
    ours, theirs = LINALG[name](gsp.linalg), LINALG[name](scipy.linalg)
    pairs = zip(ours, theirs, strict=True) if isinstance(theirs, list) else [(ours, theirs)]
    for x, y in pairs:
        numpy.testing.assert_allclose(numpy.asarray(x), y, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize(
    "assume_a", ["sym", "her", "pos", "upper triangular", "lower triangular", "diagonal", "tridiagonal", "gen", None]
)
def test_solve_reads_what_scipy_reads(assume_a: Any, lower: bool) -> None:
    skew = A + numpy.array([[0.0, 0.1, 0.0], [0.0, 0.0, 0.1], [0.0, 0.0, 0.0]])
    if assume_a in ("diagonal", "tridiagonal"):
        skew = numpy.tril(numpy.triu(skew, -(assume_a == "tridiagonal")), assume_a == "tridiagonal")
    for transposed in (False, True):
        ours, theirs = (
            m.solve(skew, B, lower=lower, assume_a=assume_a or "gen", transposed=transposed)
            for m in (gsp.linalg, scipy.linalg)
        )
        numpy.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-10)


def test_scipys_parameters_and_shapes() -> None:
    m = gsp.linalg
    numpy.testing.assert_allclose(m.inv(a=A, overwrite_a=True, check_finite=False).numpy(), scipy.linalg.inv(A))
    assert m.lstsq(B, A[0])[1].shape == () and m.lstsq(B, A)[1].shape == (3,)
    small = numpy.diag([1.0, 0.05, 0.0])
    for params in ({"atol": 0.1}, {"atol": 0.01, "rtol": 0.045}, {"rtol": 0.01}):
        (ours, rank), (theirs, wanted) = (k.pinv(small, return_rank=True, **params) for k in (m, scipy.linalg))
        numpy.testing.assert_allclose(ours.numpy(), theirs)
        assert int(rank) == wanted
    assert not numpy.any(m.pinv(numpy.zeros((2, 2)), atol=0.1).numpy())
    assert m.toeplitz(numpy.ones(0)).shape == (0, 0)
    tilted = A + 1j * numpy.eye(3)
    for lower in (False, True):
        ours, theirs = (k.eigh(tilted, A, lower=lower, eigvals_only=True) for k in (m, scipy.linalg))
        numpy.testing.assert_allclose(ours.numpy(), theirs)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        pytest.param(lambda m: m.solve(A, B, assume_a="x"), ["solve", "'x'", "'pos'"], id="solve"),
        pytest.param(lambda m: m.qr(A, mode="raw"), ["qr", "'raw'", "'economic'"], id="qr"),
        pytest.param(lambda m: m.toeplitz(A), ["toeplitz", "(3, 3)", "vectors"], id="toeplitz"),
        pytest.param(lambda m: m.block_diag(A, [A]), ["block_diag", "(1, 3, 3)"], id="block_diag"),
        pytest.param(lambda m: m.cho_solve(A, B), ["cho_solve", "cho_factor"], id="cho_solve"),
    ],
)
def test_what_scipy_linalg_cannot_take(call: Callable[[Any], Any], words: list[str]) -> None:
    with pytest.raises(errors.GpugradError) as caught:
        call(gsp.linalg)
    for word in words:
        assert word in str(caught.value)


def test_the_pencil_is_differentiable() -> None:
    f = lambda a: np.sum(gsp.linalg.eigh(a, numpy.diag([1.0, 2.0, 3.0]))[0] * numpy.arange(3.0))
    d = numpy.array([[0.3, 0.1, 0.0], [0.1, -0.2, 0.4], [0.0, 0.4, 0.5]])
    h = 1e-6
    slope = numpy.sum(gg.grad(f)(A).numpy() * d)
    numpy.testing.assert_allclose(slope, (float(f(A + h * d)) - float(f(A - h * d))) / (2.0 * h), rtol=1e-6)
