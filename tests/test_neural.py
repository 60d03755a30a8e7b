"""Functions of neural networks and losses against PyTorch: values and gradients, in double and single precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import errors
from gpugrad.ops import losses, neural

torch = pytest.importorskip("torch")
F = torch.nn.functional

INF, NAN = float("inf"), float("nan")
Call = Callable[..., Any]


def draw(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng([seed, *shape]).normal(size=shape)


def unit(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng([seed, *shape]).uniform(0.05, 0.95, shape)


def same(f: Call, theirs: Call, *args: Any) -> None:
    """Values and gradients of both, at ``args``, of which those that are floating are differentiated."""
    for dtype, tol in ((np.float64, 1e-11), (np.float32, 1e-4)):
        given = [np.asarray(a, dtype if np.asarray(a).dtype.kind == "f" else None) for a in args]
        there = [torch.tensor(a, requires_grad=a.dtype.kind == "f") for a in given]
        places = tuple(k for k, a in enumerate(given) if a.dtype.kind == "f")
        wanted = theirs(*there)
        weight = draw(*wanted.shape, seed=1).astype(dtype)
        got = f(*map(gg.tensor, given))
        assert got.dtype == dtype
        np.testing.assert_allclose(got.numpy(), wanted.detach().numpy(), rtol=tol, atol=tol)
        grads = gg.grad(lambda *v, w=weight: gg.sum(f(*v) * w), argnums=places)(*given)
        expected = torch.autograd.grad((wanted * torch.tensor(weight)).sum(), [there[k] for k in places])
        for g, e in zip(grads, expected, strict=True):
            assert g.dtype == dtype
            np.testing.assert_allclose(g.numpy(), e.numpy(), rtol=10 * tol, atol=10 * tol)


# ---- activations ----------------------------------------------------------------------------------------------------

POINTS = np.array([-60.0, -7.0, -3.0, -1.0, -0.5, 0.0, 0.3, 1.0, 2.0, 5.0, 6.0, 8.0, 60.0])


@pytest.mark.parametrize(
    "name",
    [
        "relu",
        "relu6",
        "leaky_relu",
        "elu",
        "celu",
        "selu",
        "silu",
        "mish",
        "gelu",
        "hardtanh",
        "softsign",
        "softplus",
        "logsigmoid",
    ],
)
def test_activation(name: str) -> None:
    same(getattr(neural, name), getattr(F, name), POINTS)


def test_activation_parameters() -> None:
    same(lambda x: neural.gelu(x, approximate="tanh"), lambda x: F.gelu(x, approximate="tanh"), POINTS)
    same(lambda x: neural.elu(x, 2.0), lambda x: F.elu(x, 2.0), POINTS)
    same(lambda x: neural.celu(x, 2.0), lambda x: F.celu(x, 2.0), POINTS)
    same(lambda x: neural.leaky_relu(x, 0.3), lambda x: F.leaky_relu(x, 0.3), POINTS)
    same(lambda x: neural.hardtanh(x, -2.0, 5.0), lambda x: F.hardtanh(x, -2.0, 5.0), POINTS)
    with pytest.raises(errors.ArgumentError, match="approximate='erf'"):
        gg.gelu(POINTS, approximate="erf")
    with pytest.raises(errors.ArgumentError, match=r"alpha=0\.0"):
        gg.celu(POINTS, 0.0)


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_gelu_far_out(dtype: str) -> None:
    """The cube of an argument overflows where GELU and its derivatives are plain: x or 0."""
    far = 3e4 if dtype == "float16" else 1e30
    x = gg.tensor([-far, -300.0, 300.0, far], dtype=dtype)
    f = lambda x: gg.gelu(x, "tanh")
    slope = lambda x: gg.grad(lambda x: gg.sum(f(x)))(x)
    assert f(x).tolist() == [0, 0, *x[2:].tolist()]
    assert slope(x).tolist() == gg.jvp(f, (x,), (gg.ones_like(x),))[1].tolist() == [0, 0, 1, 1]
    assert gg.jvp(slope, (x,), (gg.ones_like(x),))[1].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("name", ["sigmoid", "softplus", "silu", "mish", "log_sigmoid"])
@pytest.mark.parametrize("dtype", ["uint8", "uint64", "int8", "bool"])
def test_activation_of_integers(name: str, dtype: str) -> None:
    x = np.array([0, 1, 3]).astype(dtype)
    got = getattr(gg, name)(x)
    assert got.dtype == np.float64
    np.testing.assert_allclose(got.numpy(), getattr(gg, name)(x.astype(float)).numpy())


@pytest.mark.filterwarnings("ignore::gpugrad.errors.GradientWarning")
def test_second_derivatives_at_kinks_and_far_out() -> None:
    x = np.array([-700.0, -1.0, 0.0, 2.0, 700.0])
    for name in [
        "relu6",
        "leaky_relu",
        "elu",
        "celu",
        "selu",
        "silu",
        "mish",
        "gelu",
        "hardtanh",
        "softsign",
        "softplus",
        "log_sigmoid",
    ]:
        second = gg.grad(lambda x: gg.sum(gg.grad(lambda x: gg.sum(getattr(neural, name)(x)))(x)))  # noqa: B023
        assert np.all(np.isfinite(second(x).numpy())), name


def test_nan_passes() -> None:
    for name in [
        "relu6",
        "leaky_relu",
        "elu",
        "celu",
        "selu",
        "silu",
        "mish",
        "gelu",
        "hardtanh",
        "softsign",
        "softplus",
        "log_sigmoid",
    ]:
        assert np.isnan(getattr(neural, name)(gg.tensor([NAN])).item()), name


# ---- softmax --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_softmax(axis: int) -> None:
    x = 5.0 * draw(3, 4)
    same(lambda x: neural.softmax(x, axis), lambda x: F.softmax(x, axis), x)
    same(lambda x: neural.log_softmax(x, axis), lambda x: F.log_softmax(x, axis), x)


def test_softmax_does_not_overflow() -> None:
    assert gg.softmax(np.array([1e300, 0.0, -INF])).tolist() == [1, 0, 0]
    assert gg.log_softmax(np.array([1e4, 0.0])).tolist() == [0, -1e4]
    x = np.array([1000.0, 1000.25, -INF], dtype=np.float32)
    same(neural.log_softmax, lambda x: F.log_softmax(x, -1), x[:2])
    assert np.all(np.isfinite(gg.grad(lambda x: gg.log_softmax(x)[0])(x).numpy()))
    assert np.all(np.isfinite(gg.hessian(lambda x: gg.softmax(x)[0])(x).numpy()))


def test_softmax_of_many_halves_is_computed_in_single() -> None:
    x = gg.zeros(70_000, dtype="float16")
    np.testing.assert_allclose(gg.softmax(x).astype("float32").sum().item(), 1.0, rtol=1e-2)
    np.testing.assert_allclose(gg.log_softmax(x)[0].item(), -np.log(70_000), rtol=1e-3)
    y, t = gg.zeros((70_000, 2), dtype="float16"), np.zeros(70_000, int)
    loss = gg.cross_entropy(y, t)
    assert loss.dtype == np.float16
    np.testing.assert_allclose(loss.item(), np.log(2.0), rtol=1e-3)
    np.testing.assert_allclose(gg.nll_loss(y - 1.0, t).item(), 1.0)
    np.testing.assert_allclose(gg.cross_entropy(y, t, np.ones(2, np.float16)).item(), np.log(2.0), rtol=1e-3)
    assert gg.cross_entropy(y, t, np.ones(2, np.float32)).dtype == np.float32


def test_softmax_of_nothing() -> None:
    assert gg.softmax(np.zeros((2, 0))).shape == gg.log_softmax(np.zeros((2, 0))).shape == (2, 0)


# ---- layers ---------------------------------------------------------------------------------------------------------


def test_layer_norm() -> None:
    same(neural.layer_norm, lambda x, w, b: F.layer_norm(x, (5,), w, b), draw(4, 5), draw(5), draw(5, seed=1))
    two = lambda x, w, b: neural.layer_norm(x, w, b, axis=(-2, -1), eps=1e-3)
    same(two, lambda x, w, b: F.layer_norm(x, (4, 5), w, b, 1e-3), draw(3, 4, 5), draw(4, 5), draw(4, 5, seed=1))
    with pytest.raises(errors.ShapeError, match=r"layer_norm: weight of shape \(4,\)"):
        gg.layer_norm(draw(4, 5), draw(4))


def test_normalisation_of_complex_numbers_is_refused() -> None:
    with pytest.raises(errors.DtypeError, match="layer_norm: input of dtype complex128"):
        gg.layer_norm(1j * draw(4, 5))
    with pytest.raises(errors.DtypeError, match="batch_norm: input of dtype complex128"):
        gg.batch_norm(1j * draw(4, 5), training=True)


def test_layer_norm_in_half_precision_is_computed_in_single() -> None:
    x = gg.tensor(np.array([[6e4, -6e4, 0.0, 0.0]]), dtype="float16")
    np.testing.assert_allclose(gg.layer_norm(x).numpy().astype(float), [[2**0.5, -(2**0.5), 0, 0]], rtol=1e-3)


@pytest.mark.parametrize("shape", [(6, 3), (4, 3, 5), (2, 3, 4, 5)])
def test_batch_norm(shape: tuple[int, ...]) -> None:
    x, w, b, mean, var = draw(*shape), draw(3), draw(3, seed=1), draw(3, seed=2), unit(3)
    train = lambda x, w, b: neural.batch_norm(x, weight=w, bias=b, training=True)[0]
    same(train, lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True), x, w, b)
    evaluate = lambda x, w, b: neural.batch_norm(x, gg.tensor(mean, dtype=x.dtype), gg.tensor(var, dtype=x.dtype), w, b)
    theirs = lambda x, w, b: F.batch_norm(x, torch.tensor(mean, dtype=x.dtype), torch.tensor(var, dtype=x.dtype), w, b)
    same(evaluate, theirs, x, w, b)
    _, m, v = gg.batch_norm(x, training=True)
    axes = tuple(k for k in range(x.ndim) if k != 1)
    np.testing.assert_allclose(m.numpy(), x.mean(axes))
    np.testing.assert_allclose(v.numpy(), x.var(axes))


def test_batch_norm_errors() -> None:
    with pytest.raises(errors.GpugradError, match="mean and var are needed"):
        gg.batch_norm(draw(2, 3))
    with pytest.raises(errors.ShapeError, match=r"weight of shape \(2,\).*the size of axis 1"):
        gg.batch_norm(draw(2, 3), weight=np.ones(2), training=True)


@pytest.mark.parametrize("p", [1, 2, 3, INF])
def test_normalize(p: float) -> None:
    same(lambda x: neural.normalize(x, p), lambda x: F.normalize(x, p, dim=-1), draw(3, 4))
    zero = np.zeros(3)
    assert np.all(np.isfinite(gg.grad(lambda x: gg.sum(gg.normalize(x, p)))(zero).numpy()))


def test_cosine_similarity() -> None:
    same(neural.cosine_similarity, lambda x, y: F.cosine_similarity(x, y, dim=-1), draw(3, 4), draw(3, 4, seed=1))
    assert gg.cosine_similarity(np.zeros(3), np.ones(3)).item() == 0.0


def test_linear_and_embedding() -> None:
    same(neural.linear, F.linear, draw(2, 3, 4), draw(5, 4), draw(5))
    same(neural.linear, F.linear, draw(4), draw(5, 4))
    index = np.array([[0, 3], [3, 1]])
    same(neural.embedding, F.embedding, index, draw(4, 2))
    padded = lambda i, w: neural.embedding(i, w, padding_idx=-1)
    same(padded, lambda i, w: F.embedding(i, w, padding_idx=-1), index, draw(4, 2))
    with pytest.raises(errors.AxisError, match="embedding: index 4 is out of bounds"):
        gg.embedding([4], draw(4, 2))
    with pytest.raises(errors.AxisError, match="padding_idx=4 for 4 rows; expected -4 to 3"):
        gg.embedding([0], draw(4, 2), padding_idx=4)
    with pytest.raises(errors.ShapeError, match=r"weight of shape \(4,\)"):
        gg.embedding([0], draw(4))
    padded = gg.grad(lambda w: gg.sum(gg.embedding([-1, 3, 0], w, padding_idx=3)))(draw(4, 2))
    np.testing.assert_array_equal(padded.numpy(), [[1, 1], [0, 0], [0, 0], [0, 0]])  # -1 is row 3 as well
    with pytest.raises(errors.ShapeError, match=r"linear: x of shape \(3,\)"):
        gg.linear(draw(3), draw(5, 4))
    with pytest.raises(errors.ShapeError, match=r"linear: x of shape \(\)"):
        gg.linear(1.0, draw(5, 4))


def test_one_hot() -> None:
    index = np.array([[0, 3], [2, 1]])
    for axis in (-1, 0, 1, 2, -3):
        np.testing.assert_array_equal(gg.one_hot(index, 4, axis).numpy(), np.moveaxis(np.eye(4)[index], -1, axis))
    assert gg.one_hot(index, 4, dtype="bool").dtype == bool
    with pytest.raises(errors.DtypeError, match="expected integers"):
        gg.one_hot([0.5], 2)
    with pytest.raises(errors.DtypeError, match=r"num_classes=2\.0; expected an integer"):
        gg.one_hot([0], 2.0)
    with pytest.raises(errors.ShapeError, match="num_classes=-1"):
        gg.one_hot([0], -1)


@pytest.mark.parametrize("wrong", [2, -1])
def test_a_class_that_is_none_is_an_error(wrong: int) -> None:
    """Zeros, or the last class for -1, would go unnoticed."""
    with pytest.raises(IndexError, match=rf"one_hot: class {wrong} of 2 classes; expected 0 to 1.*gg.where"):
        gg.one_hot([0, wrong], 2)
    with pytest.raises(errors.AxisError, match=f"one_hot: class {wrong}"):
        gg.vmap(lambda i: gg.one_hot(i, 2))(np.array([[0, 1], [wrong, 0]]))
    with pytest.raises(errors.AxisError, match=f"cross_entropy: class {wrong} of 2.*ignore_index, here -100"):
        gg.cross_entropy(draw(2, 2), [0, wrong])
    with pytest.raises(errors.AxisError, match=f"nll_loss: class {wrong}"):
        gg.nll_loss(draw(2, 2), [0, wrong])
    assert np.isfinite(gg.cross_entropy(draw(2, 2), [0, wrong], ignore_index=wrong).item())


def test_attention() -> None:
    q, k, v = draw(2, 3, 4), draw(2, 5, 4, seed=1), draw(2, 5, 6, seed=2)
    ours, theirs = neural.scaled_dot_product_attention, F.scaled_dot_product_attention
    same(ours, theirs, q, k, v)
    same(lambda *a: ours(*a, is_causal=True), lambda *a: theirs(*a, is_causal=True), q, k, v)
    same(lambda *a: ours(*a, scale=0.7), lambda *a: theirs(*a, scale=0.7), q, k, v)
    same(ours, theirs, q, k, v, draw(3, 5))
    mask = unit(3, 5) > 0.4
    mask[:, 0] = True
    same(ours, theirs, q, k, v, mask)


def test_a_query_without_a_key_gets_zero() -> None:
    q, k, v = draw(2, 3), draw(4, 3), draw(4, 3, seed=1)
    mask = np.array([[False] * 4, [True] * 4])
    out = gg.scaled_dot_product_attention(q, k, v, mask)
    assert not np.any(out.numpy()[0]) and np.all(out.numpy()[1])
    g = gg.grad(lambda *a: gg.sum(gg.scaled_dot_product_attention(*a, mask)), argnums=(0, 1, 2))(q, k, v)
    assert not np.any(g[0].numpy()[0]) and all(np.all(np.isfinite(a.numpy())) for a in g)


# ---- losses ---------------------------------------------------------------------------------------------------------

reductions = pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
CLASSES = np.array([0, 4, 2, 2])


@reductions
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "target", [CLASSES, np.array([0, -100, 2, 2]), "probabilities"], ids=["classes", "ignored", "probabilities"]
)
def test_cross_entropy(target: Any, weighted: bool, smoothing: float, reduction: str) -> None:
    if isinstance(target, str):
        target = unit(4, 5) / unit(4, 5).sum(1, keepdims=True)
    more = {"reduction": reduction, "label_smoothing": smoothing}
    weight = unit(5) if weighted else None
    ours = lambda x, t: losses.cross_entropy(
        x, t, weight if weight is None else gg.tensor(weight, dtype=x.dtype), **more
    )
    theirs = lambda x, t: F.cross_entropy(
        x, t, weight if weight is None else torch.tensor(weight, dtype=x.dtype), **more
    )
    same(ours, theirs, 3.0 * draw(4, 5), target)


@reductions
def test_cross_entropy_of_images(reduction: str) -> None:
    target = np.random.default_rng(0).integers(0, 3, (2, 4, 5))
    ours = lambda x, t: losses.cross_entropy(x, t, reduction=reduction)
    same(ours, lambda x, t: F.cross_entropy(x, t, reduction=reduction), draw(2, 3, 4, 5), target)
    last = lambda x, t: losses.cross_entropy(x, t, reduction=reduction, axis=-1)
    same(last, lambda x, t: F.cross_entropy(x.movedim(-1, 1), t, reduction=reduction), draw(2, 4, 5, 3), target)
    same(losses.cross_entropy, F.cross_entropy, draw(3), np.array(1))


def test_cross_entropy_with_impossible_classes() -> None:
    x = np.array([[0.0, -INF], [1.0, -INF]])
    assert gg.cross_entropy(x, [0, 0]).item() == 0.0
    np.testing.assert_array_equal(gg.grad(lambda x: gg.cross_entropy(x, [0, 0]))(x).numpy(), 0)
    p = np.array([[1.0, 0.0], [1.0, 0.0]])
    assert gg.cross_entropy(x, p).item() == 0.0
    assert np.all(np.isfinite(gg.grad(lambda x: gg.cross_entropy(x, p))(x).numpy()))


def test_cross_entropy_under_vmap() -> None:
    x = draw(4, 5)
    each = gg.vmap(lambda x, y: gg.cross_entropy(x, y))(x, CLASSES)
    np.testing.assert_allclose(each.numpy(), gg.cross_entropy(x, CLASSES, reduction="none").numpy())


def test_cross_entropy_errors() -> None:
    x = draw(4, 5)
    with pytest.raises(errors.ShapeError, match=r"targets of shape \(3,\) for input of shape \(4, 5\)"):
        gg.cross_entropy(x, [0, 1, 2])
    with pytest.raises(errors.ShapeError, match=r"probabilities of shape \(4,\)"):
        gg.cross_entropy(x, np.ones(4))
    with pytest.raises(errors.ShapeError, match=r"weight of shape \(4,\); expected \(5,\)"):
        gg.cross_entropy(x, CLASSES, np.ones(4))
    with pytest.raises(errors.AxisError, match="class 5 of 5 classes"):
        gg.cross_entropy(x, [0, 5, 0, 0])
    with pytest.raises(errors.ArgumentError, match="reduction='max'"):
        gg.cross_entropy(x, CLASSES, reduction="max")
    for smoothing in (-0.1, 1.5, NAN):
        with pytest.raises(errors.ArgumentError, match="expected a number from 0 to 1"):
            gg.cross_entropy(x, CLASSES, label_smoothing=smoothing)
    with pytest.raises(errors.DtypeError, match="ignore_index=None; expected an integer"):
        gg.cross_entropy(x, CLASSES, ignore_index=None)  # type: ignore[arg-type]
    with pytest.raises(errors.DtypeError, match="complex128; expected real numbers"):
        gg.cross_entropy(1j * x, CLASSES)
    with pytest.raises(errors.ShapeError, match="floating-point probabilities"):
        gg.cross_entropy(x, np.eye(5, dtype=int)[CLASSES])
    with pytest.raises(errors.DtypeError, match="expected integer classes"):
        gg.nll_loss(x, np.ones(4))
    with pytest.raises(errors.ShapeError, match="expected an axis of classes"):
        gg.cross_entropy(1.0, 0)


@reductions
def test_nll_loss(reduction: str) -> None:
    target = np.array([0, -100, 2, 2])
    same(
        lambda x, t: losses.nll_loss(x, t, reduction=reduction),
        lambda x, t: F.nll_loss(x, t, reduction=reduction),
        draw(4, 5),
        target,
    )


@reductions
@pytest.mark.parametrize(
    ("name", "more"),
    [("mse_loss", {}), ("l1_loss", {}), ("huber_loss", {}), ("huber_loss", {"delta": 0.3}), ("smooth_l1_loss", {}),
     ("smooth_l1_loss", {"beta": 0.3}), ("smooth_l1_loss", {"beta": 0.0})],
)  # fmt: skip
def test_distance(name: str, more: dict[str, Any], reduction: str) -> None:
    ours, theirs = getattr(losses, name), getattr(F, name)
    x, y = draw(3, 4), draw(3, 4, seed=1)
    same(
        lambda x, y: ours(x, y, reduction=reduction, **more),
        lambda x, y: theirs(x, y, reduction=reduction, **more),
        x,
        y,
    )
    edge = np.array([-2.0, -1.0, -0.3, 0.0, 0.3, 1.0, 2.0])
    same(
        lambda x: ours(x, gg.zeros_like(x), reduction=reduction, **more),
        lambda x: theirs(x, torch.zeros_like(x), reduction=reduction, **more),
        edge,
    )


def test_distances_do_not_broadcast() -> None:
    for f in (gg.mse_loss, gg.l1_loss, gg.huber_loss, gg.smooth_l1_loss):
        with pytest.raises(errors.ShapeError, match=r"prediction of shape \(4, 1\) and target of shape \(4,\)"):
            f(np.ones((4, 1)), np.ones(4))
        assert f(np.ones((4, 1)), 1.0).item() == 0.0


DISTANCES = ["mse_loss", "l1_loss", "huber_loss", "smooth_l1_loss"]


@pytest.mark.parametrize("dtype", ["uint8", "int8", "bool", "int64"])
@pytest.mark.parametrize("name", [*DISTANCES, "binary_cross_entropy_with_logits"])
def test_distances_of_integers(name: str, dtype: str) -> None:
    """Unsigned ones have no negative difference; labels do not widen a prediction in single precision."""
    f = getattr(gg, name)
    x, y = np.array([0, 1, 1, 0]), np.array([1, 0, 1, 0])
    got = f(x.astype(dtype), y.astype(dtype), reduction="none")
    assert got.dtype == np.float64
    np.testing.assert_allclose(got.numpy(), f(x.astype(float), y.astype(float), reduction="none").numpy())
    for reduction in ("mean", "sum", "none"):
        assert f(x.astype(np.float32), y.astype(dtype), reduction=reduction).dtype == np.float32


def test_labels_and_weights_of_integers_take_the_dtype_of_the_prediction() -> None:
    x, y = draw(4, 5).astype(np.float32), np.eye(5, dtype=bool)[CLASSES]
    assert gg.cross_entropy(x, y).dtype == np.float32
    assert gg.cross_entropy(x, CLASSES, np.ones(5, int)).dtype == np.float32
    assert gg.binary_cross_entropy(unit(3).astype(np.float32), [0, 1, 1]).dtype == np.float32
    w = np.array([1, 2, 3])
    assert gg.binary_cross_entropy_with_logits(x[0, :3], [0, 1, 1], w, w).dtype == np.float32
    np.testing.assert_allclose(gg.cross_entropy(x[0], 1).item(), gg.cross_entropy(x[:1], [1]).item(), rtol=1e-6)


def test_errors_of_distances() -> None:
    x = draw(3)
    for name in [*DISTANCES, "binary_cross_entropy_with_logits", "binary_cross_entropy", "kl_div"]:
        f = getattr(gg, name)
        with pytest.raises(errors.ArgumentError, match=f"{name}: reduction='avg'; expected 'mean', 'sum', 'none'"):
            f(x, x, reduction="avg")
        with pytest.raises(errors.ShapeError, match=r"prediction of shape \(\) and target of shape \(3,\)"):
            f(1.0, x)
        if name != "l1_loss":
            with pytest.raises(errors.DtypeError, match=f"{name}: a complex prediction; expected real"):
                f(1j * x, x)
            with pytest.raises(errors.DtypeError, match=f"{name}: a complex target"):
                f(x, 1j)
    assert gg.l1_loss([3.0 + 4.0j], 0.0).item() == 5.0
    for delta in (0.0, -1.0, NAN):
        with pytest.raises(errors.ArgumentError, match="expected a positive number"):
            gg.huber_loss(x, x, delta=delta)
    with pytest.raises(errors.ArgumentError, match="expected 0 or more"):
        gg.smooth_l1_loss(x, x, beta=-1.0)


def test_mean_of_squares_beyond_half_precision() -> None:
    x = gg.tensor([300.0, 0.0], dtype="float16")
    loss, slope = gg.value_and_grad(lambda x: gg.mse_loss(x, 0.0))(x)
    assert loss.dtype == slope.dtype == np.float16
    assert loss.item() == np.float16(45_000) and slope.tolist() == [300, 0]


def test_huber_is_curved_at_zero() -> None:
    second = gg.hessian(lambda x: gg.huber_loss(x, gg.zeros(2), reduction="sum"))(np.array([0.0, 3.0]))
    np.testing.assert_array_equal(second.numpy(), [[1, 0], [0, 0]])


@reductions
def test_binary_cross_entropy(reduction: str) -> None:
    x, t, w, p = 3.0 * draw(4, 5), unit(4, 5), unit(5), unit(5, seed=1)
    logits, theirs = losses.binary_cross_entropy_with_logits, F.binary_cross_entropy_with_logits
    same(lambda x, t: logits(x, t, reduction=reduction), lambda x, t: theirs(x, t, reduction=reduction), x, t)
    ours = lambda x, t: logits(x, t, gg.tensor(w, dtype=x.dtype), gg.tensor(p, dtype=x.dtype), reduction=reduction)
    torches = lambda x, t: theirs(
        x, t, torch.tensor(w, dtype=x.dtype), pos_weight=torch.tensor(p, dtype=x.dtype), reduction=reduction
    )
    same(ours, torches, x, t)
    target = unit(4, 5, seed=2)
    plain = lambda x: losses.binary_cross_entropy(
        x, gg.tensor(target, dtype=x.dtype), gg.tensor(w, dtype=x.dtype), reduction
    )
    same(
        plain,
        lambda x: F.binary_cross_entropy(
            x, torch.tensor(target, dtype=x.dtype), torch.tensor(w, dtype=x.dtype), reduction=reduction
        ),
        t,
    )


def test_binary_cross_entropy_at_the_ends() -> None:
    x = np.array([INF, -INF, 800.0, -800.0])
    loss = lambda x: gg.binary_cross_entropy_with_logits(x, gg.tensor([1.0, 0.0, 1.0, 0.0]), reduction="none")
    assert not np.any(loss(x).numpy())
    assert not np.any(gg.grad(lambda x: gg.sum(loss(x)))(x).numpy())
    small = gg.binary_cross_entropy_with_logits(np.array([50.0]), np.array([1.0]))
    np.testing.assert_allclose(small.item(), np.exp(-50.0), rtol=1e-12)
    p = np.array([0.0, 1.0, 0.0, 1.0])
    assert gg.binary_cross_entropy(p, p, reduction="none").tolist() == [0, 0, 0, 0]
    assert gg.binary_cross_entropy(p, 1.0 - p, reduction="none").tolist() == [100, 100, 100, 100]
    assert np.all(
        np.isfinite(gg.grad(lambda p: gg.binary_cross_entropy(p, gg.tensor([1.0, 1.0, 0.0, 0.0])))(p).numpy())
    )


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides the total loss")
@pytest.mark.parametrize("reduction", ["mean", "sum", "none", "batchmean"])
def test_kl_div(reduction: str) -> None:
    x, t = draw(4, 5), unit(4, 5)
    same(lambda x, t: losses.kl_div(x, t, reduction), lambda x, t: F.kl_div(x, t, reduction=reduction), x, t)
    logs = lambda x, t: F.kl_div(x, t, reduction=reduction, log_target=True)
    same(lambda x, t: losses.kl_div(x, t, reduction, log_target=True), logs, x, np.log(t))
    assert gg.kl_div(np.array([0.0, -INF]), np.array([1.0, 0.0])).item() == 0.0
