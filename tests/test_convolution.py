"""Convolution and pooling: against PyTorch over random parameters, examples one can follow, ties, failures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import errors
from gpugrad.backends import numpy_convolution
from gpugrad.ops import convolution
from gpugrad.ops.windows import count, fold, unfold


def host(t: Any) -> Any:
    return np.asarray(t)


def close(got: Any, wanted: Any, tol: float = 1e-10) -> None:
    np.testing.assert_allclose(host(got), wanted, rtol=tol, atol=tol)


# ---- PyTorch --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def torch() -> Any:
    return pytest.importorskip("torch", reason="compares with PyTorch")


def draws(n: int, count: int, transposed: bool) -> Iterator[tuple[Any, Any, Any, dict[str, Any]]]:
    """Random inputs, weights, biases and parameters of an n-dimensional convolution."""
    rng = np.random.default_rng(n)
    for _ in range(count):
        groups = int(rng.integers(1, 3))
        batch, inside, outside = (
            int(rng.integers(1, 3)),
            groups * int(rng.integers(1, 3)),
            groups * int(rng.integers(1, 3)),
        )
        pick = lambda low, high: tuple(int(k) for k in rng.integers(low, high, n))
        params: dict[str, Any] = {"stride": pick(1, 4), "padding": pick(0, 3), "dilation": pick(1, 3), "groups": groups}
        space, kernel = pick(5, 8), pick(1, 4)
        channels = (inside, outside // groups) if transposed else (outside, inside // groups)
        if transposed:
            params["output_padding"] = tuple(int(rng.integers(0, s)) for s in params["stride"])
            size = [
                (t - 1) * s - 2 * p + d * (k - 1) + 1 + m
                for t, s, p, d, k, m in zip(
                    space,
                    params["stride"],
                    params["padding"],
                    params["dilation"],
                    kernel,
                    params["output_padding"],
                    strict=True,
                )
            ]
        else:
            size = [
                t + 2 * p - d * (k - 1)
                for t, p, d, k in zip(space, params["padding"], params["dilation"], kernel, strict=True)
            ]
        if min(size) > 0:
            yield (
                rng.normal(size=(batch, inside, *space)),
                rng.normal(size=channels + kernel),
                rng.normal(size=outside),
                params,
            )


def compare(torch: Any, ours: Callable[..., Any], theirs: Callable[..., Any], args: tuple[Any, ...], rng: Any) -> None:
    """Value and gradients of all arguments."""
    given = [torch.tensor(a, requires_grad=True) for a in args]
    out = theirs(*given)
    weights = rng.normal(size=tuple(out.shape))
    out.backward(torch.tensor(weights))
    value, pull = gg.vjp(ours, *args)
    close(value, out.detach().numpy())
    for got, wanted in zip(pull(gg.tensor(weights)), given, strict=True):
        close(got, wanted.grad.numpy())


@pytest.mark.parametrize("transposed", [False, True], ids=["conv", "conv_transpose"])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_convolution_is_pytorchs(n: int, transposed: bool, torch: Any, rng: Any) -> None:
    name = f"conv_transpose{n}d" if transposed else f"conv{n}d"
    ours, theirs = getattr(gg, name), getattr(torch.nn.functional, name)
    for *args, params in draws(n, 25, transposed):
        compare(torch, lambda *a, p=params: ours(*a, **p), lambda *a, p=params: theirs(*a, **p), tuple(args), rng)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")  # PyTorch's own
def test_same_padding_is_pytorchs(torch: Any, rng: Any) -> None:
    for kernel in (1, 2, 3, 4):
        for dilation in (1, 2):
            x, w = rng.normal(size=(1, 2, 9)), rng.normal(size=(3, 2, kernel))
            compare(
                torch,
                lambda x, w, d=dilation: gg.conv1d(x, w, padding="same", dilation=d),
                lambda x, w, d=dilation: torch.nn.functional.conv1d(x, w, padding="same", dilation=d),
                (x, w),
                rng,
            )


@pytest.mark.parametrize("kind", ["max", "avg"])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_pooling_is_pytorchs(n: int, kind: str, torch: Any, rng: Any) -> None:
    ours, theirs = getattr(gg, f"{kind}_pool{n}d"), getattr(torch.nn.functional, f"{kind}_pool{n}d")
    for trial in range(20):
        pick = lambda low, high: tuple(int(k) for k in rng.integers(low, high, n))
        kernel = pick(1, 4)
        params: dict[str, Any] = {
            "stride": pick(1, 4),
            "padding": tuple(int(rng.integers(0, k // 2 + 1)) for k in kernel),
        }
        params |= {"dilation": pick(1, 3)} if kind == "max" else {"count_include_pad": trial % 2 == 0}
        x = rng.normal(size=(2, 2, *pick(5, 8)))
        compare(
            torch,
            lambda x, k=kernel, p=params: ours(x, k, **p),
            lambda x, k=kernel, p=params: theirs(x, k, **p),
            (x,),
            rng,
        )


def test_second_derivatives_are_pytorchs(torch: Any, rng: Any) -> None:
    """The gradient of a function of a gradient, through a convolution and its transposes."""
    x, w, v = rng.normal(size=(2, 2, 5, 5)), rng.normal(size=(4, 1, 3, 3)), rng.normal(size=(2, 2, 5, 5))
    params: dict[str, Any] = {"stride": 2, "padding": 1, "groups": 2}

    def penalty(w: Any) -> Any:
        g = gg.grad(lambda x: gg.sum(gg.conv2d(x, w, **params) ** 3))(gg.tensor(x))
        return gg.sum(g * v)

    a, b = torch.tensor(x, requires_grad=True), torch.tensor(w, requires_grad=True)
    (g,) = torch.autograd.grad((torch.nn.functional.conv2d(a, b, **params) ** 3).sum(), a, create_graph=True)
    (g * torch.tensor(v)).sum().backward()
    close(gg.grad(penalty)(w), b.grad.numpy(), 1e-9)


# ---- examples one can follow ----------------------------------------------------------------------------------------


def test_kernel_is_not_flipped() -> None:
    close(gg.conv1d(np.array([[0.0, 1.0, 0.0]]), np.array([[[1.0, 2.0, 3.0]]]), padding=1), [[3.0, 2.0, 1.0]])
    close(gg.conv_transpose1d(np.array([[0.0, 1.0, 0.0]]), np.array([[[1.0, 2.0, 3.0]]]), padding=1), [[1.0, 2.0, 3.0]])


def test_one_by_one_convolution_is_a_matrix_product(rng: Any) -> None:
    x, w = rng.normal(size=(2, 3, 4, 4)), rng.normal(size=(5, 3, 1, 1))
    close(gg.conv2d(x, w), np.einsum("nchw,oc->nohw", x, w[:, :, 0, 0]))


def test_convolution_over_everything_is_a_linear_layer(rng: Any) -> None:
    x, w, b = rng.normal(size=(2, 3, 4, 4)), rng.normal(size=(5, 3, 4, 4)), rng.normal(size=5)
    close(gg.conv2d(x, w, b)[:, :, 0, 0], x.reshape(2, -1) @ w.reshape(5, -1).T + b)


@pytest.mark.parametrize("params", [{}, {"stride": 2, "padding": 1}, {"groups": 2, "dilation": 2}])
def test_transposed_convolution_is_the_transpose(params: dict[str, Any], rng: Any) -> None:
    x, w = rng.normal(size=(1, 2, 7, 7)), rng.normal(size=(4, 2 // params.get("groups", 1), 3, 3))
    y = host(gg.conv2d(x, w, **params))
    g = rng.normal(size=y.shape)
    back = host(gg.conv_transpose2d(g, w, **params))
    np.testing.assert_allclose((y * g).sum(), (x * back).sum(), rtol=1e-10)


def test_fold_and_unfold_are_transposes(rng: Any) -> None:
    params: dict[str, Any] = {"kernel": (3, 2), "stride": (2, 3), "padding": ((1, 0), (0, 2)), "dilation": (1, 2)}
    x = rng.normal(size=(2, 6, 7))
    y = unfold(gg.tensor(x), **params)
    g = rng.normal(size=y.shape)
    close(gg.sum(y * g), (x * host(fold(gg.tensor(g), size=(6, 7), **params))).sum())


def test_half_precision_is_accumulated_in_single(rng: Any) -> None:
    x, w = np.ones((1, 64, 8, 8), np.float16), np.full((1, 64, 3, 3), 0.1, np.float16)
    out = gg.conv2d(x, w)
    assert out.dtype == np.float16
    np.testing.assert_allclose(host(out).astype(float), 576 * float(np.float16(0.1)), rtol=1e-3)


def test_single_precision_stays(rng: Any) -> None:
    x, w, b = (rng.normal(size=s).astype(np.float32) for s in ((2, 2, 6, 6), (4, 2, 3, 3), (4,)))
    loss = lambda x, w, b: gg.mean(gg.max_pool2d(gg.avg_pool2d(gg.conv2d(x, w, b, padding=1), 2), 3) ** 2)
    for g in gg.grad(loss, argnums=(0, 1, 2))(x, w, b):
        assert g.dtype == np.float32


# ---- batches --------------------------------------------------------------------------------------------------------


def test_per_example_gradients(rng: Any) -> None:
    """Batched images against one weight, whose gradient is per example: every item becomes a group."""
    x, w = rng.normal(size=(4, 2, 6, 6)), rng.normal(size=(4, 1, 3, 3))
    loss = lambda w, x: gg.sum(gg.tanh(gg.conv2d(x, w, groups=2, stride=2)))
    wanted = np.stack([host(gg.grad(loss)(w, one)) for one in x])
    close(gg.vmap(gg.grad(loss), in_axes=(None, 0))(w, x), wanted)


@pytest.mark.parametrize("axes", [(0, 0), (0, None), (None, 0)])
@pytest.mark.parametrize("name", ["conv2d", "conv_transpose2d"])
def test_ensembles(name: str, axes: Any, rng: Any) -> None:
    """Batched weights, twice over."""
    f = getattr(gg, name)
    x, w = rng.normal(size=(3, 2, 1, 4, 5, 5)), rng.normal(size=(3, 2, 4, 2, 2, 2))
    x, w = (a if k == 0 else a[0, 0] for a, k in zip((x, w), axes, strict=True))
    call = lambda x, w: f(x, w, groups=2, stride=2, padding=1)
    got = gg.vmap(gg.vmap(call, in_axes=axes), in_axes=axes)(x, w)
    for i in range(3):
        for j in range(2):
            close(got[i, j], host(call(x[i, j] if axes[0] == 0 else x, w[i, j] if axes[1] == 0 else w)))


def test_batch_of_nothing() -> None:
    x, w = np.ones((0, 2, 2, 5, 5)), np.ones((4, 2, 3, 3))
    assert gg.vmap(gg.conv2d, in_axes=(0, None))(x, w).shape == (0, 2, 4, 3, 3)


# ---- ties and edges -------------------------------------------------------------------------------------------------


def test_maxima_that_tie_share_the_gradient() -> None:
    x = np.array([[1.0, 1.0, 0.0, 2.0]])
    close(gg.grad(lambda x: gg.sum(gg.max_pool1d(x, 2)))(x), [[0.5, 0.5, 0.0, 1.0]])
    close(gg.jvp(lambda x: gg.max_pool1d(x, 2), (x,), (np.array([[1.0, 3.0, 5.0, 7.0]]),))[1], [[2.0, 7.0]])
    close(gg.grad(lambda x: gg.sum(gg.max_pool2d(x, 2)))(np.zeros((4, 4))), np.full((4, 4), 0.25))


def test_padding_is_never_the_maximum() -> None:
    x = np.array([[-3.0, -2.0, -5.0]])
    close(gg.max_pool1d(x, 3, stride=1, padding=1), [[-2.0, -2.0, -2.0]])
    zeros = np.zeros((1, 3))
    close(gg.grad(lambda x: gg.sum(gg.max_pool1d(x, 3, stride=2, padding=1)))(zeros), [[0.5, 1.0, 0.5]])
    assert host(gg.max_pool1d(np.array([[-4, -9]]), 2, 1, 1)).tolist() == [[-4, -4, -9]]


def test_nothing_flows_from_what_was_not_chosen() -> None:
    """An infinite or undefined derivative of an element that is not the maximum stays out."""
    f = lambda x: gg.max_pool1d(gg.sqrt(x), 2)
    close(gg.grad(lambda x: gg.sum(f(x)))(np.array([[0.0, 4.0]])), [[0.0, 0.25]])
    close(gg.jvp(f, (np.array([[0.0, 4.0]]),), (np.ones((1, 2)),))[1], [[0.25]])


def test_nan_is_the_maximum_and_gets_no_gradient() -> None:
    x = np.array([[np.nan, 1.0, 2.0, 3.0]])
    assert np.isnan(host(gg.max_pool1d(x, 2))[0, 0])
    close(gg.grad(lambda x: gg.sum(gg.max_pool1d(x, 2)[:, 1:]))(x), [[0.0, 0.0, 0.0, 1.0]])


def test_average_of_the_whole_image(rng: Any) -> None:
    x = rng.normal(size=(2, 3, 5, 7))
    close(gg.adaptive_avg_pool2d(x, 1), x.mean((2, 3), keepdims=True))
    close(gg.adaptive_avg_pool2d(x, (5, 1)), x.mean(3, keepdims=True))


def test_training_a_small_network() -> None:
    """Left or right: a convolution, a pool and a linear layer learn on which side a bar stands."""
    rng = np.random.default_rng(0)
    x = 0.1 * rng.normal(size=(32, 1, 8, 8))
    side = rng.integers(0, 2, 32)
    for image, s in zip(x, side, strict=True):
        column = int(rng.integers(0, 4)) + 4 * int(s)
        image[0, :, column] += 1.0
    params = {"w": 0.5 * rng.normal(size=(4, 1, 3, 3)), "b": np.zeros(4), "v": 0.1 * rng.normal(size=(4 * 2 * 2, 1))}
    params = {k: gg.tensor(p) for k, p in params.items()}

    def loss(p: Any) -> Any:
        h = gg.max_pool2d(gg.relu(gg.conv2d(x, p["w"], p["b"], padding=1)), 4)
        score = gg.reshape(gg.reshape(h, (32, -1)) @ p["v"], (32,))
        return gg.mean(gg.softplus(-score * (2.0 * side - 1.0)))

    for _ in range(60):
        g = gg.grad(loss)(params)
        params = {k: params[k] - 1.0 * g[k] for k in params}
    assert float(loss(params)) < 0.05


# ---- what does not fit says so --------------------------------------------------------------------------------------

X, W = np.ones((1, 4, 5, 5)), np.ones((2, 4, 3, 3))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        pytest.param(lambda: gg.conv2d(X[0, 0], W), ["conv2d", "(5, 5)", "(N, C, *space)"], id="rank of the input"),
        pytest.param(lambda: gg.conv2d(X, W[0]), ["conv2d", "(4, 3, 3)"], id="rank of the weight"),
        pytest.param(lambda: gg.conv2d(X[:, :3], W), ["conv2d", "3 channels"], id="channels"),
        pytest.param(lambda: gg.conv2d(X, W, groups=3), ["groups=3"], id="groups"),
        pytest.param(lambda: gg.conv2d(X, W, groups=0), ["groups=0"], id="no groups"),
        pytest.param(lambda: gg.conv2d(X, W, np.ones(3)), ["bias (3,)", "(2,)"], id="bias"),
        pytest.param(
            lambda: gg.conv2d(X, np.ones((2, 4, 6, 6))), ["conv2d", "(6, 6)", "does not fit", "(5, 5)"], id="large"
        ),
        pytest.param(lambda: gg.conv2d(X, W, stride=0), ["stride=0"], id="stride"),
        pytest.param(lambda: gg.conv2d(X, W, stride=(1, 1, 1)), ["stride=(1, 1, 1)", "2 of them"], id="three strides"),
        pytest.param(lambda: gg.conv2d(X, W, padding=-1), ["padding=-1"], id="padding"),
        pytest.param(lambda: gg.conv2d(X, W, padding=[(1, 0), (1, -1)]), ["padding"], id="padding of a pair"),
        pytest.param(lambda: gg.conv2d(X, W, padding=[(1, 0.5), (1, 1)]), ["padding", "pairs"], id="half of a pad"),
        pytest.param(lambda: gg.conv2d(X, W, padding=None), ["padding=None"], id="no padding"),
        pytest.param(lambda: gg.conv2d(X, W, stride=1.5), ["conv2d", "stride=1.5"], id="stride of a half"),
        pytest.param(lambda: gg.conv2d(X, W, dilation=(1, 2.0)), ["conv2d", "dilation=(1, 2.0)"], id="dilation"),
        pytest.param(lambda: gg.conv2d(X, W, stride="2"), ["conv2d", "stride='2'"], id="stride as a string"),
        pytest.param(lambda: gg.conv2d(X, np.ones((2, 4, 0, 3))), ["conv2d", "(2, 4, 0, 3)"], id="kernel of nothing"),
        pytest.param(lambda: gg.max_pool2d(X, 2.0), ["max_pool2d", "kernel=2.0"], id="kernel of a pool"),
        pytest.param(lambda: gg.avg_pool2d(X, "22"), ["avg_pool2d", "kernel='22'"], id="kernel as a string"),
        pytest.param(lambda: gg.conv2d(X, W, padding="full"), ["'full'", "'same'"], id="padding by name"),
        pytest.param(lambda: gg.conv2d(X, W, padding="same", stride=2), ["'same'", "stride"], id="same with stride"),
        pytest.param(lambda: gg.conv_transpose2d(X, W), ["conv_transpose2d", "4 channels"], id="transposed channels"),
        pytest.param(
            lambda: gg.conv_transpose2d(X, np.ones((4, 2, 3, 3)), output_padding=1),
            ["output_padding"],
            id="output_padding",
        ),
        pytest.param(
            lambda: gg.conv_transpose2d(X, np.ones((4, 2, 1, 1)), padding=3),
            ["conv_transpose2d", "(-1, -1)"],
            id="cut away",
        ),
        pytest.param(lambda: gg.max_pool2d(X, 6), ["max_pool2d", "does not fit"], id="large pool"),
        pytest.param(lambda: gg.max_pool2d(X, 2, padding=2), ["max_pool2d", "half"], id="pool padding"),
        pytest.param(lambda: gg.max_pool2d(np.ones(3), 2), ["max_pool2d", "(3,)"], id="pool of a vector"),
        pytest.param(lambda: gg.adaptive_avg_pool2d(X, 2), ["adaptive_avg_pool2d", "(2, 2)"], id="adaptive"),
    ],
)
def test_shapes_that_do_not_fit(call: Callable[[], Any], words: list[str]) -> None:
    with pytest.raises(errors.ShapeError) as caught:
        call()
    for word in words:
        assert word in str(caught.value)


def test_average_of_integers_is_an_error() -> None:
    with pytest.raises(errors.DtypeError, match=r"avg_pool1d.*int64"):
        gg.avg_pool1d(np.arange(4), 2)


def test_groups_are_an_integer() -> None:
    for call in (gg.conv2d, gg.conv_transpose2d):
        with pytest.raises(errors.DtypeError, match=rf"^{call.__name__}: groups=1\.0"):
            call(X, np.ones((4, 4, 1, 1)), groups=1.0)


def test_maximum_of_complex_numbers_is_an_error() -> None:
    with pytest.raises(errors.DtypeError, match=r"max_pool1d.*order"):
        gg.max_pool1d(np.ones(4, complex), 2)


def test_sizes_may_be_numpys(rng: Any) -> None:
    x, w = rng.normal(size=(1, 4, 5, 5)), rng.normal(size=(2, 2, 3, 3))
    two = np.int64(2)
    close = np.testing.assert_array_equal
    got = gg.conv2d(x, w, stride=two, padding=np.array([1, 0]), groups=two)
    close(got.numpy(), gg.conv2d(x, w, stride=2, padding=(1, 0), groups=2).numpy())
    close(gg.max_pool2d(x, two).numpy(), gg.max_pool2d(x, 2).numpy())
    pads = np.array([[1, 0], [0, 1]])
    close(gg.conv2d(x, w, padding=pads, groups=2).numpy(), gg.conv2d(x, w, padding=pads.tolist(), groups=2).numpy())


# ---- NumPy's way: a few items at a time, in runs that reach over edges ---------------------------------------------------


@pytest.mark.parametrize("seed", range(60))
def test_numpy_chunks(seed, monkeypatch):
    """The quick forwards give what the general ones do, with several chunks and a last one that is smaller."""
    rng = np.random.default_rng(seed)
    monkeypatch.setattr(numpy_convolution, "CHUNK", 400)
    n = int(rng.integers(1, 4))
    pick = lambda low, high: tuple(map(int, rng.integers(low, high, n)))
    kernel, dilation, size = pick(1, 4), pick(1, 3), pick(5, 9)
    stride = pick(1, 3) if seed % 3 == 0 else (1,) * n
    padding = tuple(zip(pick(0, 3), pick(0, 3), strict=True))
    groups, items = int(rng.integers(1, 3)), int(rng.integers(0, 8))
    c, o = groups * int(rng.integers(1, 3)), groups * int(rng.integers(1, 4))
    windows = count(size, kernel, stride, padding, dilation)
    x, w = rng.normal(size=(items, c, *size)), rng.normal(size=(o, c // groups, *kernel))
    g = rng.normal(size=(items, o, *windows))
    if items and seed % 4 == 0:
        x.flat[rng.integers(x.size)] = np.inf  # which windows beyond an edge must not spread
    how = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    with np.errstate(invalid="ignore"):
        for name, operands, more in (
            ("conv", (x, w), {}),
            ("conv_input", (g, w), {"size": size}),
            ("conv_weight", (x, g), {"kernel": kernel}),
        ):
            quick = getattr(numpy_convolution, name)(*operands, **more, **how)
            general = getattr(convolution, f"_{name}")(np, *operands, **more, **how)
            assert quick.shape == general.shape
            assert quick.dtype == general.dtype
            np.testing.assert_allclose(quick, general, rtol=1e-9, atol=1e-11, err_msg=name)


# ---- maxima of windows in compiled programs ------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("shape", "kernel", "stride"),
    [
        ((2, 3, 6, 8), (2, 2), (2, 2)), ((7, 9), (2, 3), (2, 4)), ((1, 5, 5), (3, 1), (3, 1)), ((0, 4, 4), (2, 2), (2, 2)),
        ((4, 7), (2,), (3,)), ((128, 2048), (2,), (2,)), ((2, 5, 5), (2, 2), (1, 1)),
    ],
)  # fmt: skip
def test_compiled_pool(dtype, shape, kernel, stride):
    """Loops of a compiled program give what NumPy gives: with ties, NaN, a rest that no window has, several threads."""
    rng = np.random.default_rng(0)
    numbers = rng.integers(0, 3, shape).astype(dtype)
    if numbers.size:
        numbers.flat[rng.integers(numbers.size)] = np.nan
    x, t = gg.tensor(numbers), gg.tensor(rng.normal(size=shape).astype(dtype))
    pool = (gg.max_pool1d, gg.max_pool2d)[len(kernel) - 1]
    f = lambda x: pool(x, kernel, stride)
    weight = gg.tensor(rng.normal(size=f(x).shape).astype(dtype))
    gradient = gg.grad(lambda x: gg.sum(f(x) * weight))
    pushed = lambda x, t: gg.jvp(f, (x,), (t,))[1]
    np.testing.assert_array_equal(host(gg.jit(f)(x)), host(f(x)))
    np.testing.assert_allclose(host(gg.jit(gradient)(x)), host(gradient(x)), rtol=1e-6)
    np.testing.assert_allclose(host(gg.jit(pushed)(x, t)), host(pushed(x, t)), rtol=1e-6, atol=1e-6)
