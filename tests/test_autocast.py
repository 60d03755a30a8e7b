"""gg.autocast: products in half precision, what needs range in float32, under every transform."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import errors
from gpugrad.ops.casting import FLOAT32, HALF, NARROWED

HALVES = ("float16", "bfloat16")
EPS = {"float16": 2.0**-10, "bfloat16": 2.0**-7}


def single(*shape, seed=0):
    return gg.tensor(np.random.default_rng(seed).standard_normal(shape).astype(np.float32), requires_grad=True)


def array(x):
    return x.detach().astype("float64").numpy()


X, W, V = single(4, 6), single(5, 6, seed=1), single(5, seed=2)
IMAGE, KERNEL = single(2, 3, 8, 8, seed=3), single(3, 3, 3, 3, seed=4)
PRODUCTS = {
    "matmul": lambda d: gg.matmul(d(X), d(W).T),
    "linear": lambda d: gg.linear(d(X), d(W), d(V)),
    "einsum": lambda d: gg.einsum("ij,kj->ik", d(X), d(W)),
    "tensordot": lambda d: gg.tensordot(d(X), d(W), axes=([1], [1])),
    "dot": lambda d: gg.numpy.dot(d(X), d(W).T),
    "inner": lambda d: gg.numpy.inner(d(X), d(W)),
    "conv1d": lambda d: gg.conv1d(d(IMAGE)[:, :, 0], d(KERNEL)[:, :, 0], d(V)[:3]),
    "conv2d": lambda d: gg.conv2d(d(IMAGE), d(KERNEL), d(V)[:3]),
    "conv3d": lambda d: gg.conv3d(d(IMAGE)[:, :, None], d(KERNEL)[:, :, None]),
    "conv_transpose1d": lambda d: gg.conv_transpose1d(d(IMAGE)[:, :, 0], d(KERNEL)[:, :, 0]),
    "conv_transpose2d": lambda d: gg.conv_transpose2d(d(IMAGE), d(KERNEL), d(V)[:3]),
    "conv_transpose3d": lambda d: gg.conv_transpose3d(d(IMAGE)[:, :, None], d(KERNEL)[:, :, None]),
}
ARGUMENTS = {
    "cross_entropy": lambda x: (x, gg.tensor(np.array([0, 1, 2, 0]))),
    "nll_loss": lambda x: (x, gg.tensor(np.array([0, 1, 2, 0]))),
    "power": lambda x: (x, 2.0),
    "pow": lambda x: (x, 2.0),
    **{k: (lambda x: (x, 0)) for k in ("cumulative_prod", "cumulative_sum", "cumprod", "cumsum")},
    "layer_norm": lambda x: (x,),
    "cosine_similarity": lambda x: (x, x),
    **{k: (lambda x: (x, x)) for k in FLOAT32 if k.endswith("_loss") and k != "nll_loss"},
    **{k: (lambda x: (x, x)) for k in ("kl_div", "binary_cross_entropy", "binary_cross_entropy_with_logits")},
}


def of_name(name):
    if name.startswith("nan") or name in ("cumprod", "cumsum"):
        return getattr(gg.numpy, name)
    where = {"power": gg.numpy, "average": gg.numpy, "norm": gg.linalg, "vector_norm": gg.linalg}.get(name, gg)
    return getattr(where, name)


@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize("name", sorted(PRODUCTS))
def test_products_are_those_of_explicit_casts(name, half):
    expected = PRODUCTS[name](lambda x: x.astype(half))
    with gg.autocast(half):
        found = PRODUCTS[name](lambda x: x)
    assert found.dtype == expected.dtype and found.dtype.name == half
    assert np.array_equal(array(found), array(expected))


def test_every_product_of_the_table_is_tested():
    assert set(HALF) == {*PRODUCTS, "scaled_dot_product_attention"}


@pytest.mark.parametrize("half", HALVES)
def test_attention_multiplies_in_half_precision_and_weighs_in_float32(half):
    with gg.autocast(half):
        out = gg.scaled_dot_product_attention(X, X, X)
    assert out.dtype.name == half
    assert np.allclose(array(out), array(gg.scaled_dot_product_attention(X, X, X)), rtol=0, atol=16 * EPS[half])


@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize("name", FLOAT32)
def test_what_needs_range_is_float32(name, half):
    x = gg.tensor(np.random.default_rng(5).uniform(0.1, 0.9, (4, 6))).astype(half)
    args = ARGUMENTS.get(name, lambda x: (x,))
    expected = of_name(name)(*args(x.astype("float32")))
    with gg.autocast(half):
        found = of_name(name)(*args(x))
    assert found.dtype.name == "float32"
    assert np.array_equal(array(found), array(expected))


@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_is_rounded_once(half, training):
    """As what lies between convolutions, which would round it; its statistics, parameters and gradients are float32."""
    layer, exact = gg.nn.BatchNorm2d(3), gg.nn.BatchNorm2d(3)
    for x in (layer, exact):
        x.train(training)
        x.weight.copy_(gg.tensor([0.3, 1.0, 7.0], dtype="float32"))
    x = IMAGE.detach().astype(half)
    with gg.autocast(half):
        found = layer(x)
    wanted = exact(x.astype("float32"))
    assert found.dtype.name == half and np.array_equal(array(found), array(wanted.astype(half)))
    assert np.array_equal(array(layer.running_mean), array(exact.running_mean))
    for y, l in ((found, layer), (wanted, exact)):
        gg.sum(y * gg.tensor(np.linspace(-1, 1, y.size, dtype="f").reshape(y.shape))).backward()
        assert l.weight.grad.dtype.name == "float32"
    assert np.allclose(array(layer.weight.grad), array(exact.weight.grad), rtol=0, atol=32 * EPS[half])
    assert gg.nn.BatchNorm2d(3)(x).dtype.name == "float32"  # outside, float32 parameters decide


@pytest.mark.parametrize("half", HALVES)
def test_batch_norm_with_wider_parameters_is_left_alone(half):
    x, wide, same = IMAGE.detach().astype(half), gg.ones(3, dtype="float64"), gg.ones(3, dtype=half)
    for weight, bias, wanted in ((wide, wide, "float64"), (same, same, half), (None, None, half), (same, None, half)):
        found = gg.batch_norm(x, weight=weight, bias=bias, training=True)[0]
        assert found.dtype.name == wanted
        with gg.autocast(half):
            again = gg.batch_norm(x, weight=weight, bias=bias, training=True)[0]
        assert again.dtype.name == wanted and np.array_equal(array(found), array(again))


def test_operators_and_methods_obey_too():
    with gg.autocast("bfloat16"):
        y = X @ W.T
        found = [t.dtype.name for t in (y, y.sum(), y.mean(), abs(y) ** 2.5, y + 1.0, gg.relu(y), y + X[:, :5])]
    assert found == ["bfloat16", "float32", "float32", "float32", "bfloat16", "bfloat16", "float32"]


def test_wider_and_other_dtypes_are_left_alone():
    x = gg.ones((2, 2), dtype="float64")
    with gg.autocast("float16"):
        assert (x @ x).dtype.name == "float64"
        assert (x @ x.astype("float32")).dtype.name == "float64"
        assert (x.astype("complex64") @ x.astype("complex64")).dtype.name == "complex64"
        assert (x.astype("int32") @ x.astype("int32")).dtype.name == "int32"
        assert gg.exp(x).dtype.name == "float64"


def test_nested_switched_off_and_put_back():
    def now():
        return (X @ W.T).dtype.name

    with gg.autocast("float16"):
        with gg.autocast("bfloat16"):
            assert now() == "bfloat16"
            with gg.autocast(None):
                assert now() == "float32"
            with gg.autocast("float16", enabled=False):
                assert now() == "float32"
        assert now() == "float16"
        with pytest.raises(ZeroDivisionError), gg.autocast("bfloat16"):
            raise ZeroDivisionError
        assert now() == "float16"
    assert now() == "float32"
    assert gg.autocast("float16")(now)() == "float16"


def test_of_the_thread():
    found = []
    with gg.autocast("float16"):
        thread = threading.Thread(target=lambda: found.append((X @ W.T).dtype.name))
        thread.start()
        thread.join()
    assert found == ["float32"]


def test_another_dtype_is_refused():
    with pytest.raises(errors.DtypeError, match="float32 is no half precision; expected 'float16' or 'bfloat16'"):
        gg.autocast("float32")


def loss(w):
    return gg.tanh(X.detach() @ w.T).sum()


@pytest.mark.parametrize("half", HALVES)
def test_gradients_are_the_parameters_dtype_and_near_those_of_float32(half):
    exact = array(gg.grad(loss)(W))
    w = gg.tensor(W.detach().numpy(), requires_grad=True)
    with gg.autocast(half):
        out = loss(w)
        inside = gg.grad(loss)(W)
    out.backward()
    assert w.grad.dtype.name == inside.dtype.name == "float32"
    assert np.array_equal(array(w.grad), array(inside))
    assert not np.array_equal(array(w.grad), exact)
    assert np.allclose(array(w.grad), exact, rtol=0, atol=16 * EPS[half])


@pytest.mark.parametrize("half", HALVES)
def test_transforms_compose(half):
    cast = gg.grad(lambda w: gg.tanh(X.detach().astype(half) @ w.astype(half).T).astype("float32").sum())(W)
    with gg.autocast(half):
        assert np.array_equal(array(gg.grad(loss)(W)), array(cast))
        assert np.array_equal(array(gg.grad(gg.checkpoint(loss))(W)), array(cast))
        _, t = gg.jvp(loss, (W,), (gg.ones_like(W),))
        rows = gg.vmap(lambda x: x @ W.T)(X)
    assert t.dtype.name == "float32"
    assert np.allclose(float(t.detach()), array(cast).sum(), rtol=0.05, atol=0.05)
    assert rows.dtype.name == half


def test_a_checkpoint_runs_again_in_the_mode_it_ran_in():
    w = gg.tensor(W.detach().numpy(), requires_grad=True)
    with gg.autocast("bfloat16"):
        expected = gg.grad(loss)(w)
        out = gg.checkpoint(loss)(w)
    out.backward()
    assert np.array_equal(array(w.grad), array(expected))


def test_a_compiled_function_is_one_for_each_mode():
    f = gg.jit(lambda x, w: x @ w.T)
    x, w = X.detach(), W.detach()
    for half in (None, "float16", "bfloat16", None, "float16"):
        with gg.autocast(half):
            found, expected = f(x, w), x @ w.T
        assert found.dtype == expected.dtype
        assert np.array_equal(array(found), array(expected))
    g = gg.jit(gg.grad(loss))
    plain = array(g(w))
    with gg.autocast("bfloat16"):
        assert np.allclose(array(g(w)), array(gg.grad(loss)(w)), rtol=0, atol=4 * EPS["bfloat16"])
    assert np.array_equal(array(g(w)), plain)


def test_the_table_can_be_read():
    assert gg.autocast.half == HALF and gg.autocast.float32 == FLOAT32 and gg.autocast.narrowed == NARROWED
    assert all(name in (gg.autocast.__doc__ or "") for name in (*HALF, *FLOAT32, *NARROWED))


def trained(model, images, labels, half, compiled):
    """The accuracy after some steps: of float32, or in mixed precision with the scaler that float16 needs."""
    opt = gg.optim.Adam(list(model.parameters()), lr=3e-3)
    scaler = gg.optim.LossScaler(enabled=half == "float16")

    def step(x, t):
        opt.zero_grad()
        with gg.autocast(half):
            loss = gg.cross_entropy(model(x), t)
        scaler.scale(loss).backward()
        scaler.step(opt)
        return loss

    run = gg.jit(step) if compiled else step
    order = np.random.default_rng(0)
    for _ in range(8):
        for batch in order.permutation(len(labels)).reshape(-1, 100):
            run(gg.tensor(images[batch]), gg.tensor(labels[batch]))
    assert all(p.dtype.name == p.grad.dtype.name == "float32" for p in model.parameters())
    with gg.no_grad():
        return float(np.mean(model(gg.tensor(images)).numpy().argmax(1) == labels))


def digits():
    datasets = pytest.importorskip("sklearn.datasets")
    found = datasets.load_digits()
    return (found.images[:1500, None] / 16.0).astype(np.float32), found.target[:1500].astype(np.int64)


def mlp():
    nn = gg.nn
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, 32, key=gg.random.key(1)), nn.ReLU(), nn.Linear(32, 10, key=gg.random.key(2))
    )


def cnn():
    nn = gg.nn
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, key=gg.random.key(1)), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10, key=gg.random.key(2))
    )


@pytest.mark.parametrize(("make", "compiled"), [(mlp, False), (mlp, True), (cnn, False)])
def test_networks_train_to_the_accuracy_of_float32(make, compiled):
    images, labels = digits()
    plain = trained(make(), images, labels, None, compiled)
    assert plain > 0.9
    for half in HALVES:
        assert abs(trained(make(), images, labels, half, compiled) - plain) < 0.02
