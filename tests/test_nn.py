"""Modules: what assigning an attribute registers, state, modes, text, and what an input that does not fit is told."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import errors, nn
from gpugrad.nn import init


def small(seed: int = 0) -> nn.Sequential:
    keys = gg.random.split(gg.random.key(seed), 2)
    return nn.Sequential(
        nn.Linear(3, 4, key=keys[0]), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 2, bias=False, key=keys[1])
    )


def sample(*shape: int) -> Any:
    return gg.tensor(np.random.default_rng(1).normal(size=shape), dtype="float32")


# ---- registration -------------------------------------------------------------------------------------------------------


def test_assignment_registers() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            self.scale = nn.Parameter(2.0)
            self.inner = nn.Linear(2, 2)
            self.register_buffer("count", gg.tensor(0))
            self.register_buffer("scratch", gg.tensor(1.0), persistent=False)
            self.plain = gg.tensor(3.0)
            self.empty = None

    net = Net()
    assert [n for n, _ in net.named_parameters()] == ["scale", "inner.weight", "inner.bias"]
    assert [n for n, _ in net.named_buffers()] == ["count", "scratch"]
    assert [n for n, _ in net.named_modules()] == ["", "inner"]
    assert list(net.state_dict()) == ["scale", "inner.weight", "inner.bias", "count"]
    net.count = gg.tensor(5)
    assert net.state_dict()["count"].item() == 5
    del net.inner
    assert [n for n, _ in net.named_parameters()] == ["scale"]
    net.scale = None
    assert not list(net.parameters())
    net.scale = nn.Parameter(1.0)
    assert len(list(net.parameters())) == 1


def test_what_cannot_be_assigned() -> None:
    layer = nn.Linear(2, 2)
    with pytest.raises(errors.GraphError, match="weight is a parameter and cannot be set to a computed tensor"):
        layer.weight = layer.weight * 2.0
    with pytest.raises(errors.DtypeError, match="running_mean is a buffer"):
        nn.BatchNorm1d(2).running_mean = 1.0
    for new in (3.0, np.ones((2, 2))):
        with pytest.raises(errors.GraphError, match=f"weight is a parameter and cannot be set to {type(new).__name__}"):
            layer.weight = new
    net = nn.Sequential(layer)
    for new in (gg.ones(2), gg.relu):
        with pytest.raises(errors.UnsupportedError, match=r"Sequential\.0 is a submodule and cannot be set to"):
            setattr(net, "0", new)
    assert len(list(net.parameters())) == 2
    for name, value, kind, message in (
        ("forward", gg.ones(2), errors.UnsupportedError, "has something else of that name"),
        ("weight", gg.ones(2), errors.UnsupportedError, "has something else of that name"),
        ("a.b", gg.ones(2), errors.UnsupportedError, "a name that can be an attribute"),
        ("count", 3.0, errors.DtypeError, r"expected a tensor or None.*gg\.tensor"),
    ):
        with pytest.raises(kind, match=message):
            layer.register_buffer(name, value)
        assert not list(layer.buffers()) and list(layer.state_dict()) == ["weight", "bias"]
    with pytest.warns(errors.GradientWarning, match=r"use nn\.ModuleList"):
        layer.layers = [nn.Linear(2, 2)]
    with pytest.raises(errors.UnsupportedError, match=r"write nn.ReLU\(\)"):
        nn.Sequential(nn.ReLU)  # type: ignore[arg-type]
    with pytest.raises(errors.UnsupportedError, match="has no forward"):
        nn.Module()(1.0)


def test_shared_parameters_count_once() -> None:
    net = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    net[1].weight = net[0].weight
    assert [n for n, _ in net.named_parameters()] == ["0.weight"]
    assert list(net.state_dict()) == ["0.weight", "1.weight"]
    assert "4 parameters" in repr(net)
    again = copy.deepcopy(net)
    assert again[0].weight is again[1].weight


def test_frozen_parameters_stay_parameters() -> None:
    net = small().requires_grad_(False)
    assert len(list(net.parameters())) == 5
    assert not any(p.requires_grad for p in net.parameters())
    assert "32 parameters, 32 frozen" in repr(net)
    assert all(p.requires_grad for p in net.requires_grad_().parameters())


# ---- modes, moving, copying -----------------------------------------------------------------------------------------------


def test_modes_and_apply() -> None:
    net = small()
    assert all(m.training for m in net.train().modules())
    assert not any(m.training for m in net.eval().modules())
    seen: list[str] = []
    assert net.apply(lambda m: seen.append(type(m).__name__)) is net
    assert seen == ["Linear", "BatchNorm1d", "Tanh", "Linear", "Sequential"]


def test_zero_grad() -> None:
    net = small()
    net(sample(5, 3)).sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())


def test_astype_keeps_the_tensors() -> None:
    net = small()
    before = list(net.parameters())
    net(sample(5, 3)).sum().backward()
    net.astype("float64")
    assert all(p is q for p, q in zip(before, net.parameters(), strict=True))
    assert all(p.dtype == np.float64 and p.grad.dtype == np.float64 and p.requires_grad for p in before)
    assert net[1].num_batches_tracked.dtype == np.int64
    assert net(gg.ones((5, 3))).dtype == np.float64
    with pytest.raises(errors.DtypeError, match="parameters are floating-point"):
        net.astype("int32")


def test_deepcopy_and_pickle() -> None:
    net = small().eval()
    x = sample(5, 3)
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert np.array_equal(other(x).detach(), net(x).detach())
        other[0].weight.copy_(other[0].weight * 0.0)
        assert bool((net[0].weight != 0.0).any())


def test_hooks() -> None:
    layer = nn.Identity()
    first = layer.register_forward_hook(lambda module, args, out: out + 1.0)
    second = layer.register_forward_hook(lambda module, args, out: None)
    assert layer(gg.tensor(1.0)).item() == 2.0
    first.remove()
    second.remove()
    first.remove()
    assert layer(gg.tensor(1.0)).item() == 1.0


# ---- state ------------------------------------------------------------------------------------------------------------------


def test_state_goes_round() -> None:
    net, other = small(0), small(1)
    net(sample(5, 3))
    kept = list(other.parameters())
    other.load_state_dict(net.state_dict())
    x = sample(7, 3)
    assert np.array_equal(net.eval()(x).detach(), other.eval()(x).detach())
    assert all(p is q for p, q in zip(kept, other.parameters(), strict=True))


def test_state_is_a_copy() -> None:
    net = small()
    state = net.state_dict()
    before = state["0.weight"].tolist()
    net[0].weight.copy_(net[0].weight + 1.0)
    assert state["0.weight"].tolist() == before
    assert not state["0.weight"].requires_grad


def test_state_that_does_not_fit_changes_nothing() -> None:
    net = small()
    before = {name: v.tolist() for name, v in net.state_dict().items()}
    state = {name: v * 0 for name, v in net.state_dict().items()}
    del state["0.bias"]
    state["1.weight"] = gg.ones(5)
    state["1.num_batches_tracked"] = gg.tensor(1.5)
    state["new"] = state["newer"] = gg.ones(1)
    with pytest.raises(errors.FormatError) as raised:
        net.load_state_dict(state)
    for part in (
        "missing: 0.bias",
        "unexpected: new, newer",
        "1.weight of shape (5,), expected (4,)",
        "1.num_batches_tracked of dtype float64, expected int64",
    ):
        assert part in str(raised.value)
    assert {name: v.tolist() for name, v in net.state_dict().items()} == before
    with pytest.raises(errors.FormatError, match="not fitting"):
        net.load_state_dict(state, strict=False)
    assert {name: v.tolist() for name, v in net.state_dict().items()} == before
    del state["1.weight"], state["1.num_batches_tracked"]
    net.load_state_dict(state, strict=False)
    with pytest.raises(errors.UnsupportedError, match="load_state_dict: list; expected a dictionary"):
        net.load_state_dict([1.0])  # type: ignore[arg-type]
    assert net[0].weight.tolist() == [[0.0] * 3] * 4
    assert net[0].bias.tolist() == before["0.bias"]


def test_state_of_another_dtype_is_cast() -> None:
    net = small()
    net.load_state_dict(
        {name: v.numpy().astype("float64") if v.dtype == np.float32 else v for name, v in net.state_dict().items()}
    )
    assert net[0].weight.dtype == np.float32


# ---- text -------------------------------------------------------------------------------------------------------------------


def test_repr_is_a_tree() -> None:
    inner = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
    assert repr(nn.Sequential(inner, nn.Flatten(), nn.Linear(128, 10))) == "\n".join(
        [
            "Sequential                           1,370 parameters",
            "├─ 0: Sequential                        80",
            "│  ├─ 0: Conv2d(1, 8, 3, padding=1)     80",
            "│  ├─ 1: ReLU()",
            "│  └─ 2: MaxPool2d(2)",
            "├─ 1: Flatten()",
            "└─ 2: Linear(128, 10)                1,290",
        ]
    )
    assert repr(nn.Linear(2, 3, bias=False)) == "Linear(2, 3, bias=False)  6 parameters"
    assert repr(nn.GELU("tanh")) == "GELU(approximate='tanh')"


# ---- containers ---------------------------------------------------------------------------------------------------------------


def test_containers() -> None:
    layers = nn.ModuleList([nn.Linear(2, 2), nn.ReLU()])
    layers.append(nn.Tanh()).extend([nn.Identity()])
    layers.insert(0, nn.Flatten())
    del layers[1]
    layers[-1] = nn.GELU()
    assert [type(m).__name__ for m in layers] == ["Flatten", "ReLU", "Tanh", "GELU"]
    assert [name for name, _ in layers.named_children()] == ["0", "1", "2", "3"]
    assert [type(m).__name__ for m in layers[1:3]] == ["ReLU", "Tanh"]
    assert len(layers) == 4
    with pytest.raises(errors.AxisError, match="has no item 4; expected -4 to 3"):
        layers[4]
    named = nn.ModuleDict({"a": nn.Linear(2, 2)})
    named["b"] = nn.ReLU()
    assert list(named) == list(named.keys()) == ["a", "b"]
    assert "a" in named and "forward" not in named and len(named) == 2
    del named["a"]
    assert not list(named.parameters())
    for wrong in (0.5, "0"):
        with pytest.raises(errors.DtypeError, match="expected an integer or a slice"):
            layers[wrong]  # type: ignore[call-overload]
    for name in ("x.y", "forward", 1):
        with pytest.raises(errors.UnsupportedError, match="a name without a dot"):
            named[name] = nn.ReLU()


# ---- functional ---------------------------------------------------------------------------------------------------------------


def test_functional_call_is_what_backward_gives() -> None:
    net = small()
    x = sample(5, 3)
    net(x).sum().backward()
    params = {name: p.detach() for name, p in net.named_parameters()}
    gradient = gg.grad(lambda p: nn.functional_call(net, p, x).sum())(params)
    for name, p in net.named_parameters():
        assert np.array_equal(gradient[name], p.grad)
        assert p.requires_grad


def test_functional_call_per_example() -> None:
    net = small().eval()
    params = {name: p.detach() for name, p in net.named_parameters()}
    x = sample(5, 3)
    each = gg.vmap(gg.grad(lambda p, row: (nn.functional_call(net, p, row[None]) ** 2).sum()), in_axes=(None, 0))(
        params, x
    )
    whole = gg.grad(lambda p: (nn.functional_call(net, p, x) ** 2).sum())(params)
    for name in params:
        assert each[name].shape == (5, *params[name].shape)
        np.testing.assert_allclose(each[name].sum(axis=0), whole[name], rtol=1e-4, atol=1e-5)


def test_functional_call_replaces_shared_parameters_everywhere() -> None:
    net = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    net[1].weight = net[0].weight
    out = nn.functional_call(net, {"0.weight": 2.0 * gg.eye(2, dtype="float32")}, gg.ones((1, 2), dtype="float32"))
    assert out.tolist() == [[4.0, 4.0]]


def test_functional_call_restores_and_checks() -> None:
    net = small()
    weight = net[0].weight
    with pytest.raises(errors.ShapeError):
        nn.functional_call(net, {"0.weight": gg.zeros((4, 3), dtype="float32")}, sample(5, 4))
    assert net[0].weight is weight
    with pytest.raises(errors.FormatError, match=r"no parameter or buffer wait; it has 0\.weight"):
        nn.functional_call(net, {"wait": 0.0}, sample(5, 3))
    with pytest.raises(errors.ShapeError, match=r"0\.weight of shape \(4,\); expected \(4, 3\)"):
        nn.functional_call(net, {"0.weight": gg.zeros(4)}, sample(5, 3))


# ---- inputs that do not fit ---------------------------------------------------------------------------------------------------

LAYERS: list[tuple[nn.Module, tuple[int, ...], str]] = [
    (nn.Linear(3, 2), (5, 4), r"Linear\(3, 2\): input of shape \(5, 4\); expected \(\.\.\., 3\), 3 along axis -1, not 4"),
    (nn.Linear(3, 2), (), r"Linear\(3, 2\): input of shape \(\)"),
    (nn.Bilinear(3, 4, 2), (5, 4), r"Bilinear\(3, 4, 2\)"),
    (nn.Conv1d(3, 4, 2), (5, 4, 8), r"Conv1d\(3, 4, 2\): input of shape \(5, 4, 8\); expected \(N, 3, length\) or \(3, length\), 3 along axis -2"),
    (nn.Conv2d(3, 4, 2), (5, 4, 8, 8), r"Conv2d\(3, 4, 2\): .* expected \(N, 3, height, width\)"),
    (nn.Conv2d(3, 4, 2), (5, 5, 3, 8, 8), "expected 3 or 4 axes"),
    (nn.ConvTranspose2d(3, 4, 2), (5, 4, 8, 8), r"ConvTranspose2d\(3, 4, 2\): .* expected \(N, 3, height, width\)"),
    (nn.BatchNorm1d(3), (5, 4), r"BatchNorm1d\(3\): .* expected \(N, 3\) or \(N, 3, length\), 3 along axis -1, not 4"),
    (nn.BatchNorm2d(3), (5, 3), r"BatchNorm2d\(3\): .* expected \(N, 3, height, width\)"),
    (nn.BatchNorm1d(3), (1, 3), "has 1 value per channel; expected at least 2 in training"),
    (nn.LayerNorm(3), (5, 4), r"LayerNorm\(3\): input of shape \(5, 4\); expected \(\.\.\., 3\)"),
    (nn.GroupNorm(1, 3), (5, 4), r"GroupNorm\(1, 3\): "),
    (nn.PReLU(3), (5, 4), r"PReLU\(3\): "),
    (nn.Unflatten(1, (2, 3)), (5, 4), r"axis 1 of shape \(5, 4\) has 4 elements; expected 6"),
    (nn.Dropout2d(), (5, 4), "expected \\(N, C, height, width\\)"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("layer", "shape", "message"), LAYERS, ids=lambda v: type(v).__name__ if isinstance(v, nn.Module) else ""
)
def test_shape_that_does_not_fit(layer: nn.Module, shape: tuple[int, ...], message: str) -> None:
    x = gg.ones(shape, dtype="float32")
    with pytest.raises(errors.ShapeError, match=message):
        layer(x, x) if isinstance(layer, nn.Bilinear) else layer(x)


@pytest.mark.parametrize(
    "layer",
    [nn.Linear(3, 2), nn.Conv1d(3, 2, 1), nn.BatchNorm1d(3), nn.LayerNorm(3), nn.GroupNorm(1, 3), nn.PReLU()],
    ids=lambda m: type(m).__name__,
)
def test_wider_input_says_how_to_cast(layer: nn.Module) -> None:
    shape = (4, 3, 3)
    for x in (np.ones(shape), gg.ones(shape), gg.ones(shape, dtype="int64")):
        with pytest.raises(errors.DtypeError) as raised:
            layer(x)
        assert 'Cast the input: x.astype("float32"), or the module: module.astype("float64")' in str(raised.value)
    assert layer(gg.ones(shape, dtype="float32")).dtype == np.float32
    assert layer(gg.ones(shape, dtype="float16")).dtype == np.float32
    assert layer(np.ones(shape, np.float32)).dtype == np.float32
    assert layer.astype("float64")(gg.ones(shape)).dtype == np.float64


def test_other_inputs_that_do_not_fit() -> None:
    with pytest.raises(
        errors.DtypeError, match=r'expected integers, rows of the table. Cast it: index.astype\("int64"\)'
    ):
        nn.Embedding(3, 2)(gg.tensor([1.0]))
    with pytest.raises(errors.AxisError):
        nn.Embedding(3, 2)(gg.tensor([3]))
    with pytest.raises(errors.ShapeError, match="groups=2 for 3 input"):
        nn.Conv2d(3, 4, 1, groups=2)
    with pytest.raises(errors.ShapeError, match="3 groups of 4 channels"):
        nn.GroupNorm(3, 4)
    with pytest.raises(errors.ShapeError, match="3 heads of embed_dim 4"):
        nn.MultiHeadAttention(4, 3)
    with pytest.raises(errors.ArgumentError, match=r"0 ≤ p ≤ 1"):
        nn.Dropout(1.5)
    for size in (-1, 2.5, "a"):
        with pytest.raises(errors.ShapeError, match=f"LayerNorm: normalized_shape={size!r}; expected integers"):
            nn.LayerNorm(size)
        with pytest.raises(errors.ShapeError, match=f"Linear: in_features={size!r}; expected integers"):
            nn.Linear(size, 2)
    assert nn.LayerNorm(np.int64(3)).normalized_shape == (3,)  # type: ignore[arg-type]
    with pytest.raises(errors.TraceError, match="in training under vmap"):
        gg.vmap(nn.BatchNorm1d(2))(gg.ones((3, 4, 2), dtype="float32"))


# ---- randomness -----------------------------------------------------------------------------------------------------------------


def test_dropout() -> None:
    layer = nn.Dropout(0.25, generator=gg.random.Generator(0))
    x = gg.tensor(np.ones(4000), requires_grad=True)
    y = layer(x)
    assert set(y.tolist()) == {0.0, 1 / 0.75}
    assert abs(float(y.mean()) - 1.0) < 0.05
    y.sum().backward()
    assert np.array_equal(x.grad, y.detach())
    assert layer.eval()(x) is x
    gg.random.seed(3)
    first = nn.Dropout()(gg.ones(50)).tolist()
    gg.random.seed(3)
    assert nn.Dropout()(gg.ones(50)).tolist() == first


def test_layers_start_as_their_key_says() -> None:
    key = gg.random.key(5)
    for make in (
        lambda k: nn.Linear(3, 4, key=k),
        lambda k: nn.Conv2d(2, 4, 3, key=k),
        lambda k: nn.MultiHeadAttention(4, 2, key=k),
        lambda k: nn.Embedding(5, 2, key=k),
    ):
        one, two = make(key).state_dict(), make(key).state_dict()
        assert all(np.array_equal(one[n], two[n]) for n in one)
        values = [tuple(v.reshape(-1).tolist()[:4]) for v in one.values()]
        assert len(set(values)) == len(values)
    gg.random.seed(1)
    first = nn.Linear(3, 4).weight.tolist()
    gg.random.seed(1)
    assert nn.Linear(3, 4).weight.tolist() == first


SHAPE = (64, 32, 3)
VARIANCES = {
    init.xavier_uniform: 2 / (96 + 192),
    init.xavier_normal: 2 / (96 + 192),
    init.kaiming_uniform: 2 / 96,
    init.kaiming_normal: 2 / 96,
    init.uniform: 1 / 12,
    init.normal: 1.0,
}


@pytest.mark.parametrize("make", VARIANCES, ids=lambda f: f.__name__)
def test_initialisers(make: Any) -> None:
    v = make(SHAPE, key=gg.random.key(0))
    assert v.dtype == np.float32 and v.shape == SHAPE and not v.requires_grad
    assert abs(float(v.var()) / VARIANCES[make] - 1) < 0.05
    assert np.array_equal(v, make(SHAPE, key=gg.random.key(0)))


def test_other_initialisers() -> None:
    assert (
        init.zeros(2).tolist() == [0, 0]
        and init.ones(2).tolist() == [1, 1]
        and init.constant(2, 3.0).tolist() == [3, 3]
    )
    narrow = init.truncated_normal((1000,), 1.0, 0.5, 0.0, 2.0, key=gg.random.key(0))
    assert narrow.min().item() >= 0.0 and narrow.max().item() <= 2.0 and abs(float(narrow.mean()) - 1.0) < 0.05
    for shape in ((3, 5), (5, 3), (3, 2, 2)):
        q = init.orthogonal(shape, gain=2.0, key=gg.random.key(0)).reshape((shape[0], -1)).numpy()
        gram = q @ q.T if q.shape[0] <= q.shape[1] else q.T @ q
        np.testing.assert_allclose(gram, 4.0 * np.eye(len(gram)), atol=1e-5)
    assert init.kaiming_normal((4, 400), mode="fan_out", key=gg.random.key(0)).std().item() > 0.5
    assert init.gain("leaky_relu", 1.0) == 1.0
    for shape in ((3,), 3):
        with pytest.raises(errors.ShapeError, match="no fan-in"):
            init.xavier_normal(shape)
    for make in (init.xavier_normal, init.xavier_uniform, init.kaiming_normal, init.kaiming_uniform):
        assert make((0, 0)).shape == (0, 0)
    with pytest.raises(errors.ArgumentError, match=r"gain\('gelu'\); expected leaky_relu"):
        init.gain("gelu")
    with pytest.raises(errors.ArgumentError, match="fan_in"):
        init.kaiming_normal((3, 3), mode="fan")
