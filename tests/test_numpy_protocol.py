"""NumPy's own functions on tensors: values, derivatives, and errors in place of anything detached."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.fft
import pytest
from numpy.testing.overrides import get_overridable_numpy_array_functions, get_overridable_numpy_ufuncs
from numpy_calls import CONSTANT, CREATION, FUNCTION_CALLS, STORES, UFUNC_CALLS, WRITERS, Call, samples

import gpugrad as gg
import gpugrad.numpy as gnp
from gpugrad import errors, pytree
from gpugrad.numpy.protocol import covered
from gpugrad.numpy.table import FUNCTIONS, UFUNCS, found

CALLS = UFUNC_CALLS | FUNCTION_CALLS
UNSUPPORTED = Path(__file__).parent / "numpy_unsupported.txt"


PRESENT = [
    pytest.param(name, call, id=f"{name}-{k}")
    for name, calls in CALLS.items() if found(name) is not None
    for k, call in enumerate(calls)
]  # fmt: skip
"""Every call of the table that this NumPy knows."""


def tensors(requires_grad: bool) -> SimpleNamespace:
    """The samples as tensors, leaves where they are floating-point."""
    return SimpleNamespace(
        **{
            name: gg.tensor(x, requires_grad=requires_grad and np.asarray(x).dtype.kind in "fc")
            for name, x in vars(samples()).items()
        }
    )


def flat(out: Any) -> list[Any]:
    """Results in order, whatever they are in."""
    return list(pytree.leaves(list(out) if isinstance(out, tuple) else out))


def host(x: Any) -> Any:
    return x.detach().numpy() if isinstance(x, gg.Tensor) else np.asarray(x)


def same(name: str, ours: Any, theirs: Any) -> None:
    ours, theirs = flat(ours), flat(theirs)
    assert len(ours) == len(theirs)
    for x, y in zip(ours, theirs, strict=True):
        y = np.asarray(y)
        assert host(x).shape == y.shape
        assert host(x).dtype == y.dtype
        if y.dtype.kind in "biufc":
            np.testing.assert_allclose(host(x), y, rtol=1e-10, atol=1e-12)
        else:
            assert host(x) == y


@pytest.mark.parametrize(("name", "call"), PRESENT)
def test_value_is_numpys(name: str, call: Call) -> None:
    same(name, call(np, tensors(False)), call(np, samples()))


@pytest.mark.parametrize(("name", "call"), PRESENT)
def test_result_is_tracked(name: str, call: Call) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = flat(call(np, samples()))
    results = flat(call(np, tensors(True)))
    if name in CONSTANT or name.split(".")[-1] in CONSTANT:
        return
    floating = [x for x, y in zip(results, wanted, strict=True) if np.asarray(y).dtype.kind in "fc" and np.size(y)]
    assert all(isinstance(x, gg.Tensor) for x in floating)
    assert not floating or any(x.requires_grad for x in floating)


def weighed(outs: list[Any]) -> Any:
    """One real number of floating-point results: a sum with weights that tell elements apart."""
    total: Any = 0.0
    for k, out in enumerate(outs):
        if out.dtype.kind in "fc" and out.dtype != np.float32:
            w = np.cos(np.arange(out.size) + k).reshape(out.shape)
            total = total + np.nansum(np.real(out * w) if out.dtype.kind == "c" else out * w)
    return total


@pytest.mark.parametrize(("name", "call"), PRESENT)
def test_derivative_is_that_of_numpys_function(name: str, call: Call) -> None:
    leaves = tensors(True)
    total = weighed([x for x in flat(call(np, leaves)) if isinstance(x, gg.Tensor)])
    if not isinstance(total, gg.Tensor) or not total.requires_grad:
        return
    total.backward()
    rng = np.random.default_rng(0)
    h, slope = 1e-6, 0.0
    up, down = samples(), samples()
    for key, x in vars(samples()).items():
        leaf = getattr(leaves, key)
        if leaf.grad is not None:
            d = rng.normal(size=x.shape) + (1j * rng.normal(size=x.shape) if x.dtype.kind == "c" else 0.0)
            d = (d + d.T) / 2.0 if key == "spd" else d  # it stays symmetric: one triangle of it may be read
            slope += np.nansum(np.real(np.conj(leaf.grad.numpy()) * d) * ~np.isnan(x))
            setattr(up, key, x + h * d)
            setattr(down, key, x - h * d)
    ends = [weighed([np.asarray(x) for x in flat(call(np, s))]) for s in (up, down)]
    np.testing.assert_allclose(slope, (ends[0] - ends[1]) / (2.0 * h), rtol=2e-5, atol=2e-7)


@pytest.mark.parametrize(("name", "call"), PRESENT)
def test_namespace_is_the_same_and_takes_arrays(name: str, call: Call) -> None:
    same(name, call(gnp, samples()), call(np, samples()))


def test_every_function_of_the_table_is_called() -> None:
    there = {name for name in FUNCTIONS | UFUNCS if found(name) is not None}
    assert there - set(CALLS) - set(CREATION) - WRITERS - STORES == set()
    assert set(CALLS) | set(CREATION) | WRITERS | STORES <= set(FUNCTIONS | UFUNCS)


@pytest.mark.parametrize("name", list(CREATION))
def test_creation(name: str) -> None:
    call = CREATION[name]
    wanted = call(np, {})
    same(name, call(gnp, {}), wanted)
    same(name, call(np, {"like": gg.tensor(1.0)}), wanted)


# ---- what is not supported --------------------------------------------------------------------------------------------


def names_of_the_rest() -> dict[str, Any]:
    """The functions of ``np``, ``np.linalg`` and ``np.fft`` that dispatch and have no counterpart, by name."""
    dispatching = get_overridable_numpy_array_functions() | get_overridable_numpy_ufuncs()
    named: dict[str, Any] = {}
    for prefix, module in (("", np), ("linalg.", np.linalg), ("fft.", numpy.fft)):
        for name in dir(module):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # some names are deprecated
                f = getattr(module, name)
            if callable(f) and f in dispatching and f not in covered() and f not in named.values():
                named[prefix + name] = f
    return named


def test_the_list_of_unsupported_functions_only_shrinks() -> None:
    listed = {line for line in UNSUPPORTED.read_text().splitlines() if line and not line.startswith("#")}
    rest = set(names_of_the_rest())
    assert rest - listed == set(), "NumPy functions without a counterpart that the list does not have"
    newest = tuple(map(int, np.__version__.split(".")[:2])) >= (2, 4)
    assert not newest or listed - rest == set(), "now supported, or gone: take them off the list"


def test_what_is_not_supported_says_so() -> None:
    t = gg.tensor([1.0, 2.0], requires_grad=True)
    for function in names_of_the_rest().values():
        with pytest.raises(errors.UnsupportedError) as caught:
            if isinstance(function, np.ufunc):
                t.__array_ufunc__(function, "__call__", t)
            else:
                t.__array_function__(function, (gg.Tensor,), (t,), {})
        assert function.__name__ in str(caught.value)
        assert "detach" in str(caught.value)


@pytest.mark.parametrize(
    "call",
    [
        lambda t: np.sum(t, where=[True, False], initial=np._NoValue, out=np.zeros(())),
        lambda t: np.sort(t, order="x"),
        lambda t: np.less.reduce(t),
        lambda t: np.subtract.reduce(t, where=[True, False]),
        lambda t: np.add(t, 1.0, casting="unsafe"),
        lambda t: np.matmul(t, t, axes=[0, 0, 0]),
        lambda t: np.max(t, where=[True, False]),
        lambda t: np.nan_to_num(t, copy=False),
    ],
)
def test_a_parameter_without_a_counterpart_is_an_error(call: Callable[[Any], Any]) -> None:
    with pytest.raises(errors.GpugradError):
        call(gg.tensor([1.0, 2.0], requires_grad=True))


def test_other_types_have_their_say() -> None:
    class Other:
        __array_ufunc__ = __array_function__ = lambda *args, **kwargs: "mine"

    t = gg.tensor([1.0])
    assert np.add(t, Other()) == "mine"
    assert np.concatenate([t, Other()]) == "mine"


# ---- operators --------------------------------------------------------------------------------------------------------

OPERATORS: list[Callable[[Any, Any], Any]] = [
    lambda x, y: x + y, lambda x, y: x - y, lambda x, y: x * y, lambda x, y: x / y, lambda x, y: x**y, lambda x, y: x @ y, lambda x, y: x // y,
    lambda x, y: x % y, lambda x, y: x < y, lambda x, y: x <= y, lambda x, y: x > y, lambda x, y: x >= y, lambda x, y: x == y, lambda x, y: x != y,
    lambda x, y: divmod(x, y),
]  # fmt: skip


@pytest.mark.parametrize("k", range(len(OPERATORS)))
def test_an_array_on_the_left(k: int) -> None:
    x, y = np.array([1.5, 2.5]), np.array([2.0, 3.0])
    out = OPERATORS[k](x, gg.tensor(y, requires_grad=True))
    same("operator", out, OPERATORS[k](x, y))
    floating = [v for v in flat(out) if v.dtype.kind == "f"]
    assert not floating or k in (6,) or floating[-1].requires_grad


@pytest.mark.parametrize("x", [np.float64(2.0), np.float32(2.0), np.int64(2), np.array(2.0)])
def test_a_numpy_scalar_on_the_left(x: Any) -> None:
    t = gg.tensor([1.0, 2.0], requires_grad=True)
    for op in OPERATORS[:5]:
        out = op(x, t)
        same("operator", out, op(x, np.array([1.0, 2.0])))
        assert out.requires_grad
    assert isinstance(x < t, gg.Tensor)


def test_an_array_takes_no_tracked_tensor_in_place() -> None:
    x = np.ones(2)
    with pytest.raises(errors.GraphError, match="detach"):
        x += gg.tensor([1.0, 2.0], requires_grad=True)
    x += gg.tensor([1.0, 2.0])
    assert x.tolist() == [2.0, 3.0]


# ---- universal functions: keywords and methods --------------------------------------------------------------------------


def test_out_rebinds_a_tensor_differentiably() -> None:
    t = gg.tensor([1.0, 2.0], requires_grad=True)
    buffer = gg.zeros(2)
    assert np.multiply(t, 3.0, out=buffer) is buffer
    assert buffer.requires_grad
    buffer.sum().backward()
    assert t.grad.tolist() == [3.0, 3.0]
    whole, rest = gg.zeros(2), gg.zeros(2)
    np.divmod(t, 2.0, out=(whole, rest))
    assert rest.tolist() == [1.0, 0.0]
    total = gg.zeros(())
    assert np.sum(t, out=total) is total
    assert total.requires_grad


def test_out_of_numpy_takes_what_is_not_tracked() -> None:
    t = gg.tensor([1.0, 2.0])
    out = np.zeros(2)
    assert np.exp(t, out=out) is out
    np.testing.assert_allclose(out, np.exp([1.0, 2.0]))
    np.sum(t, axis=0, out=np.zeros(()))
    with pytest.raises(errors.GraphError, match="detach"):
        np.exp(gg.tensor([1.0, 2.0], requires_grad=True), out=out)
    with pytest.raises(errors.ShapeError):
        np.exp(t, out=np.zeros(3))


def test_where_computes_only_there() -> None:
    x = gg.tensor([-1.0, 0.0, 4.0], requires_grad=True)
    y = np.log(x, out=gg.zeros(3), where=np.array([False, False, True]))
    y.sum().backward()
    assert x.grad.tolist() == [0.0, 0.0, 0.25]
    np.testing.assert_allclose(y.tolist(), [0.0, 0.0, np.log(4.0)])


def test_dtype_casts_first() -> None:
    x = gg.tensor([1.0, 2.0], requires_grad=True)
    y = np.add(x, 1.0, dtype=np.float32)
    assert y.dtype == np.float32
    assert y.requires_grad
    with pytest.raises(errors.DtypeError):
        np.add(x, 1, dtype=int)
    assert np.add(gg.tensor([1, 2]), 1, dtype=float).dtype == np.float64


@pytest.mark.parametrize(
    ("call", "tracked"),
    [
        (lambda x: np.subtract.reduce(x), True),
        (lambda x: np.divide.reduce(x, axis=1, keepdims=True, initial=2.0), True),
        (lambda x: np.hypot.reduce(x, axis=None), True),
        (lambda x: np.hypot.reduce(x, axis=1, where=[True, False, True, True]), True),
        (lambda x: np.logaddexp.reduce(x, axis=1), True),
        (lambda x: np.fmax.reduce(x, axis=(0, 1)), True),
        (lambda x: np.subtract.accumulate(x, axis=1), True),
        (lambda x: np.logaddexp.accumulate(x), True),
        (lambda x: np.add.reduceat(x, [0, 2, 1], axis=1), True),
        (lambda x: np.maximum.reduceat(x, [1, 0]), True),
        (lambda x: np.multiply.reduceat(x, [2], axis=-1), True),
        (lambda x: np.logical_xor.accumulate(x, axis=1), False),
        (lambda x: np.add.reduce(x), True),
        (lambda x: np.add.reduce(x, axis=None, keepdims=True), True),
        (lambda x: np.add.reduce(x, axis=1, initial=2.0, where=[[True], [False], [True]]), True),
        (lambda x: np.multiply.reduce(x, axis=1), True),
        (lambda x: np.maximum.reduce(x, axis=(0, 1)), True),
        (lambda x: np.minimum.reduce(x, axis=0, initial=0.0), True),
        (lambda x: np.logical_and.reduce(x > 0, axis=1), False),
        (lambda x: np.logical_or.reduce(x > 0), False),
        (lambda x: np.add.accumulate(x), True),
        (lambda x: np.multiply.accumulate(x, axis=1), True),
        (lambda x: np.maximum.accumulate(x, axis=1), True),
        (lambda x: np.minimum.accumulate(x), True),
        (lambda x: np.multiply.outer(x, np.arange(3.0)), True),
        (lambda x: np.subtract.outer(np.arange(2.0), x), True),
        (lambda x: np.add.reduce(x > 0), False),
    ],
)
def test_methods(call: Callable[[Any], Any], tracked: bool) -> None:
    x = samples().m
    out = call(gg.tensor(x, requires_grad=True))
    same("method", out, call(x))
    assert out.requires_grad is tracked


def test_at_adds_at_every_occurrence() -> None:
    t = gg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    buffer = gg.zeros(3)
    np.add.at(buffer, [0, 0, 2], t * t)
    assert buffer.tolist() == [5.0, 0.0, 9.0]
    buffer.sum().backward()
    assert t.grad.tolist() == [2.0, 4.0, 6.0]
    with pytest.raises(errors.GraphError):
        np.add.at(np.zeros(3), [0, 0, 2], t)


@pytest.mark.parametrize(
    "name", ["subtract", "multiply", "divide", "maximum", "minimum", "power", "logaddexp", "hypot"]
)
@pytest.mark.parametrize("indices", [[0, 2, 0, 0], ([0, 1, 1], [2, 0, 0]), slice(1, 3), np.arange(3) > 0])
def test_at_of_any_function_of_two_numbers(name: str, indices: Any) -> None:
    f, x = getattr(np, name), np.abs(samples().m) + 0.5

    def written(a: Any) -> Any:
        buffer = a * 1.5
        f.at(buffer, indices, a[2, 0] + 0.3)
        return buffer

    same("at", written(gg.tensor(x)), written(x))
    g = gg.grad(lambda a: np.sum(np.sin(written(a))))(x)
    np.testing.assert_allclose(g.numpy(), differences(lambda a: np.sum(np.sin(written(a))), x), rtol=1e-5, atol=1e-8)


def test_at_of_a_function_of_one_number() -> None:
    x = gg.tensor([0.2, 0.4], requires_grad=True)
    buffer = x * 1.0
    np.sin.at(buffer, [1, 1])
    np.testing.assert_allclose(buffer.tolist(), [0.2, np.sin(np.sin(0.4))])
    buffer.sum().backward()
    np.testing.assert_allclose(x.grad.tolist(), [1.0, np.cos(np.sin(0.4)) * np.cos(0.4)])


def test_histograms_are_differentiable_in_weights_and_edges() -> None:
    x, w = np.array([0.1, 0.2, 0.9, 0.95]), np.array([1.0, 2.0, 3.0, 4.0])
    scale = np.array([1.0, 10.0])
    by_weight = gg.grad(lambda v: np.sum(np.histogram(x, bins=2, weights=v)[0] * scale))(w)
    assert by_weight.tolist() == [1.0, 1.0, 10.0, 10.0]
    by_data = gg.grad(lambda v: np.sum(np.histogram(v, bins=2)[1] * np.array([1.0, 10.0, 100.0])))(x)
    np.testing.assert_allclose(by_data.tolist(), [6.0, 0.0, 0.0, 105.0])
    density = lambda v: np.histogram(x, bins=2, weights=v, density=True)[0] @ scale
    np.testing.assert_allclose(gg.grad(density)(w).numpy(), differences(density, w), rtol=1e-7)
    plane = lambda v: np.sum(np.histogram2d(x, x, 2, weights=v)[0] * np.array([[1.0, 2.0], [3.0, 4.0]]))
    assert gg.grad(plane)(w).tolist() == [1.0, 1.0, 4.0, 4.0]
    rows = gg.vmap(lambda v: np.histogram(v, bins=2, range=(0.0, 1.0))[0])(np.stack([x, x**8]))
    assert rows.tolist() == [[2, 2], [3, 1]]
    with pytest.raises(errors.ShapeError):
        np.histogram(gg.tensor(x), bins=0)
    with pytest.raises(errors.ShapeError):
        np.histogram(gg.tensor(x), weights=np.ones(3))


def test_eigenvalues_are_real_where_numpys_are() -> None:
    rotation, shear = np.array([[0.0, 1.0], [-1.0, 0.0]]), np.array([[2.0, 1.0], [0.0, 3.0]])
    assert np.linalg.eigvals(gg.tensor(rotation)).dtype == np.complex128
    assert np.linalg.eig(gg.tensor(shear)).eigenvectors.dtype == np.float64
    assert np.roots(gg.tensor([1.0, 0.0, 0.0, 0.0])).tolist() == [0.0, 0.0, 0.0]
    assert np.roots(gg.tensor([0.0, 0.0])).shape == (0,)
    slope = gg.grad(lambda a: np.max(np.linalg.eigvals(a)))(shear)
    np.testing.assert_allclose(slope.numpy(), [[0.0, 0.0], [1.0, 1.0]], atol=1e-14)
    with pytest.raises(np.linalg.LinAlgError, match="defective"):
        gg.grad(lambda a: np.sum(np.linalg.eigvals(a)))(np.array([[1.0, 1.0], [0.0, 1.0]]))
    twice = np.diag([2.0, 2.0, 3.0])
    np.testing.assert_allclose(gg.grad(lambda a: np.sum(np.linalg.eigvals(a) ** 3))(twice).numpy(), 3.0 * twice**2)
    with pytest.raises(np.linalg.LinAlgError, match=r"choice of these vectors"):
        gg.grad(lambda a: np.sum(np.linalg.eig(a).eigenvectors[0]))(twice)


def test_piecewise_under_vmap() -> None:
    def f(x: Any) -> Any:
        return np.piecewise(x, [x < 0.5, x > 0.8], [lambda v: v**2, 3.0, lambda v: -v])

    x = np.array([[0.3, 0.6, 0.9], [0.7, 0.1, 0.2]])
    np.testing.assert_allclose(gg.vmap(f)(x).numpy(), np.stack([f(row) for row in x]))
    slope = gg.vmap(gg.grad(lambda row: np.sum(f(row))))(x)
    np.testing.assert_allclose(slope.numpy(), np.where(x < 0.5, 2 * x, np.where(x > 0.8, 0.0, -1.0)))


# ---- buffers ----------------------------------------------------------------------------------------------------------


def test_a_numpy_buffer_takes_no_tracked_value() -> None:
    t = gg.tensor(2.0, requires_grad=True) * 1.0
    v = gg.tensor([2.0, 3.0], requires_grad=True) * 1.0
    stores: list[Callable[[Any], Any]] = [
        lambda b: b.__setitem__(slice(0, 2), v), lambda b: np.copyto(b[:2], v), lambda b: np.put(b, [0], t), lambda b: np.put_along_axis(b, np.array([0]), t, 0),
        lambda b: np.fill_diagonal(b[:, None] * np.ones(3), t), lambda b: np.putmask(b, b == 0, t), lambda b: np.place(b, b == 0, v),
    ]  # fmt: skip
    for store in stores:
        buffer = np.zeros(3)
        with pytest.raises(errors.GraphError):
            store(buffer)
        assert buffer.tolist() == [0.0, 0.0, 0.0]
    for dtype in (float, np.float32, complex, int):
        buffer = np.zeros(3, dtype)
        with pytest.raises((errors.GraphError, ValueError)) as caught:
            buffer[0] = t
        said = caught.value if isinstance(caught.value, errors.GraphError) else caught.value.__cause__
        assert isinstance(said, errors.GraphError)  # NumPy raises its own error, with ours as the cause
        assert "zeros_like" in str(said)
        assert not buffer.any()
    with pytest.raises(errors.GraphError):
        np.array([1.0, t])
    with pytest.raises(errors.GraphError):
        np.asarray(v)


def test_a_number_that_is_meant_may_be_stored() -> None:
    t = gg.tensor(2.0, requires_grad=True) * 1.0
    buffer = np.zeros(2)
    buffer[0] = float(t)
    buffer[1] = gg.tensor(3.0)
    assert buffer.tolist() == [2.0, 3.0]


def test_tensor_buffers_take_tracked_values() -> None:
    def f(x: Any) -> Any:
        out = np.zeros_like(x)
        for k in range(3):
            out[k] = np.sin(x[k]) * k
        np.put(out, [0], x[1])
        np.copyto(out[1:2], x[:1])  # a slice is another tensor
        np.fill_diagonal(grid := np.ones_like(x, shape=(3, 3)), x)
        np.put_along_axis(grid, np.array([[2]]), x[0] ** 2, 1)
        np.putmask(out, np.array([False, False, True]), x * 2.0)
        np.place(grid, np.eye(3, k=-1, dtype=bool), x[:2])
        return np.sum(out) + np.sum(grid * np.arange(9.0).reshape(3, 3))

    x = np.array([0.3, 0.5, 0.7])
    np.testing.assert_allclose(gg.grad(f)(x).numpy(), differences(f, x), rtol=1e-6)


def test_storing_and_printing(tmp_path: Path) -> None:
    t = gg.tensor([1.0, 2.0], requires_grad=True)
    np.save(tmp_path / "t.npy", t)
    np.savez(tmp_path / "t.npz", t, b=t)
    np.savez_compressed(tmp_path / "c.npz", t=t)
    np.savetxt(tmp_path / "t.txt", t)
    assert np.load(tmp_path / "t.npy").tolist() == [1.0, 2.0]
    assert sorted(np.load(tmp_path / "t.npz")) == ["arr_0", "b"]
    assert np.loadtxt(tmp_path / "t.txt").tolist() == [1.0, 2.0]
    assert np.array_repr(t) == repr(t)


# ---- programs written for NumPy, unmodified -----------------------------------------------------------------------------


def differences(f: Callable[[Any], Any], x: Any, h: float = 1e-6) -> Any:
    """The gradient of ``f`` by central differences, on tensors that nothing tracks."""
    out = np.zeros_like(x)
    for k in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[k] += h
        down[k] -= h
        out[k] = (float(f(gg.tensor(up))) - float(f(gg.tensor(down)))) / (2.0 * h)
    return out


def softmax_regression(w: Any) -> Any:
    data = samples()
    logits = data.m @ w.reshape(4, 3)
    logits = logits - np.max(logits, axis=1, keepdims=True)
    logp = logits - np.log(np.sum(np.exp(logits), axis=1, keepdims=True))
    return -np.mean(logp[np.arange(3), data.i[:3]]) + 0.1 * np.linalg.norm(w) ** 2


def rosenbrock(x: Any) -> Any:
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2.0) ** 2.0 + (1 - x[:-1]) ** 2.0)


def gaussian(p: Any) -> Any:
    """The log-likelihood of three points under a Gaussian process whose kernel has parameters."""
    at, y = np.array([0.0, 0.4, 1.1]), np.array([0.2, -0.1, 0.4])
    distance = np.abs(at[:, None] - at[None])
    kernel = np.exp(p[0]) * np.exp(-0.5 * (distance / np.exp(p[1])) ** 2) + np.exp(p[2]) * np.eye(3)
    lower = np.linalg.cholesky(kernel)
    alpha = np.linalg.solve(kernel, y - p[3])
    sign, logdet = np.linalg.slogdet(kernel)
    half = (np.sum(np.log(np.diag(lower))) + 0.5 * sign * logdet) / 2.0  # of log det, once by each way
    return -0.5 * np.dot(y - p[3], alpha) - half - 1.5 * np.log(2.0 * np.pi)


def wave(x: Any) -> Any:
    """A string, plucked, by leap-frog; the energy at the end."""
    u = np.concatenate([np.zeros(1), x, np.zeros(1)])
    before = np.copy(u)
    for _ in range(5):
        laplace = np.roll(u, 1) - 2.0 * u + np.roll(u, -1)
        laplace = np.where(np.arange(len(u)) % (len(u) - 1) == 0, 0.0, laplace)
        u, before = 2.0 * u - before + 0.2 * laplace, u
    return np.trapezoid(0.5 * np.gradient(u) ** 2, dx=0.5) + np.sum(np.square(u - before))


def pendulum(x: Any) -> Any:
    """Runge-Kutta steps of a pendulum, written into a buffer; how far the end is from where it should be."""

    def slope(s: Any) -> Any:
        return np.stack([s[1], -x[2] * np.sin(s[0])])

    path = np.zeros_like(x, shape=(5, 2))
    path[0] = x[:2]
    for k in range(4):
        s = path[k]
        a = slope(s)
        b = slope(s + 0.05 * a)
        c = slope(s + 0.05 * b)
        d = slope(s + 0.1 * c)
        path[k + 1] = s + 0.1 / 6.0 * (a + 2.0 * b + 2.0 * c + d)
    return (
        np.sum((path[-1] - np.array([0.1, 0.2])) ** 2)
        + np.var(path[:, 0])
        + np.interp(0.15, np.linspace(0.0, 0.4, 5), path[:, 0])
    )


def network(w: Any) -> Any:
    x = samples().m
    h = np.maximum(np.einsum("ij,jk->ik", x, np.reshape(w[:8], (4, 2))), 0.01 * x[:, :2])
    h = np.hstack([h, np.ones((3, 1))])
    out = np.tanh(np.tensordot(h, w[8:11], axes=1))
    return np.average(np.logaddexp(0.0, -out), weights=np.array([1.0, 2.0, 3.0])) + np.median(out) + np.sort(out)[0]


PROGRAMS = {
    softmax_regression: np.linspace(-1.0, 1.0, 12),
    rosenbrock: np.array([0.5, -0.3, 1.2, 0.8]),
    gaussian: np.array([0.1, -0.4, -2.0, 0.05]),
    wave: np.array([0.1, 0.5, 0.4, -0.2]),
    pendulum: np.array([0.4, -0.1, 1.3]),
    network: np.cos(np.arange(11.0)),
}


@pytest.mark.parametrize("f", list(PROGRAMS), ids=lambda f: f.__name__)
def test_a_program_for_numpy_is_differentiated_unmodified(f: Callable[[Any], Any]) -> None:
    x = PROGRAMS[f]
    v, g = gg.value_and_grad(f)(x)
    np.testing.assert_allclose(float(v), float(f(gg.tensor(x))), rtol=1e-12)
    np.testing.assert_allclose(g.numpy(), differences(f, x), rtol=1e-5, atol=1e-7)
    direction = np.cos(np.arange(x.size)).reshape(x.shape)
    _, pushed = gg.jvp(f, (x,), (direction,))
    np.testing.assert_allclose(float(pushed), np.sum(g.numpy() * direction), rtol=1e-9)


def test_the_same_program_runs_on_arrays() -> None:
    for f, x in PROGRAMS.items():
        np.testing.assert_allclose(float(f(x)), float(f(gg.tensor(x))), rtol=1e-10)
