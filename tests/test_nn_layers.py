"""Layers beside those of torch.nn: the same state gives the same values and gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gpugrad as gg
from gpugrad import nn

torch = pytest.importorskip("torch")
tn = torch.nn

Pair = tuple[Callable[[], nn.Module], Callable[[], Any], tuple[int, ...]]

LAYERS: dict[str, Pair] = {
    "linear": (lambda: nn.Linear(5, 3), lambda: tn.Linear(5, 3), (4, 2, 5)),
    "linear without bias": (lambda: nn.Linear(5, 3, bias=False), lambda: tn.Linear(5, 3, bias=False), (5,)),
    "conv1d": (lambda: nn.Conv1d(4, 6, 3, stride=2, padding=1, groups=2), lambda: tn.Conv1d(4, 6, 3, stride=2, padding=1, groups=2), (2, 4, 9)),
    "conv2d": (lambda: nn.Conv2d(3, 4, (3, 2), padding=1, dilation=2), lambda: tn.Conv2d(3, 4, (3, 2), padding=1, dilation=2), (2, 3, 7, 6)),
    "conv2d same": (lambda: nn.Conv2d(3, 4, 3, padding="same", bias=False), lambda: tn.Conv2d(3, 4, 3, padding="same", bias=False), (2, 3, 5, 5)),
    "conv2d of one image": (lambda: nn.Conv2d(3, 4, 3), lambda: tn.Conv2d(3, 4, 3), (3, 5, 5)),
    "conv3d": (lambda: nn.Conv3d(2, 3, 2), lambda: tn.Conv3d(2, 3, 2), (2, 2, 4, 3, 3)),
    "conv transpose 1d": (lambda: nn.ConvTranspose1d(4, 6, 3, stride=2), lambda: tn.ConvTranspose1d(4, 6, 3, stride=2), (2, 4, 5)),
    "conv transpose 2d": (
        lambda: nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2),
        lambda: tn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2),
        (2, 4, 5, 4),
    ),
    "conv transpose 3d": (lambda: nn.ConvTranspose3d(2, 3, 2), lambda: tn.ConvTranspose3d(2, 3, 2), (2, 2, 3, 3, 2)),
    "batch norm of rows": (lambda: nn.BatchNorm1d(3), lambda: tn.BatchNorm1d(3), (6, 3)),
    "batch norm 1d": (lambda: nn.BatchNorm1d(3, momentum=None), lambda: tn.BatchNorm1d(3, momentum=None), (4, 3, 5)),
    "batch norm 2d": (lambda: nn.BatchNorm2d(3, eps=1e-3, momentum=0.3), lambda: tn.BatchNorm2d(3, eps=1e-3, momentum=0.3), (4, 3, 5, 2)),
    "batch norm 3d": (lambda: nn.BatchNorm3d(3, affine=False), lambda: tn.BatchNorm3d(3, affine=False), (2, 3, 2, 2, 2)),
    "batch norm untracked": (lambda: nn.BatchNorm1d(3, track_running_stats=False), lambda: tn.BatchNorm1d(3, track_running_stats=False), (6, 3)),
    "layer norm": (lambda: nn.LayerNorm((3, 4)), lambda: tn.LayerNorm((3, 4)), (2, 5, 3, 4)),
    "layer norm plain": (lambda: nn.LayerNorm(4, elementwise_affine=False), lambda: tn.LayerNorm(4, elementwise_affine=False), (3, 4)),
    "group norm": (lambda: nn.GroupNorm(2, 6), lambda: tn.GroupNorm(2, 6), (3, 6, 4, 2)),
    "group norm of rows": (lambda: nn.GroupNorm(2, 6), lambda: tn.GroupNorm(2, 6), (3, 6)),
    "prelu": (lambda: nn.PReLU(3), lambda: tn.PReLU(3), (4, 3, 5)),
    "flatten": (lambda: nn.Flatten(), lambda: tn.Flatten(), (2, 3, 4)),
    "flatten some": (lambda: nn.Flatten(0, 1), lambda: tn.Flatten(0, 1), (2, 3, 4)),
    "unflatten": (lambda: nn.Unflatten(1, (2, 3)), lambda: tn.Unflatten(1, (2, 3)), (2, 6)),
    "max pool 1d": (lambda: nn.MaxPool1d(3, stride=2, padding=1), lambda: tn.MaxPool1d(3, stride=2, padding=1), (2, 3, 8)),
    "max pool 2d": (lambda: nn.MaxPool2d(2, dilation=2), lambda: tn.MaxPool2d(2, dilation=2), (2, 3, 6, 7)),
    "max pool 3d": (lambda: nn.MaxPool3d(2), lambda: tn.MaxPool3d(2), (2, 3, 4, 4, 2)),
    "avg pool 1d": (lambda: nn.AvgPool1d(2), lambda: tn.AvgPool1d(2), (2, 3, 7)),
    "avg pool 2d": (lambda: nn.AvgPool2d(3, 2, 1, count_include_pad=False), lambda: tn.AvgPool2d(3, 2, 1, count_include_pad=False), (2, 3, 6, 7)),
    "avg pool 3d": (lambda: nn.AvgPool3d(2), lambda: tn.AvgPool3d(2), (2, 3, 4, 4, 2)),
    "adaptive pool 1d": (lambda: nn.AdaptiveAvgPool1d(2), lambda: tn.AdaptiveAvgPool1d(2), (2, 3, 8)),
    "adaptive pool 2d": (lambda: nn.AdaptiveAvgPool2d((2, 1)), lambda: tn.AdaptiveAvgPool2d((2, 1)), (2, 3, 4, 6)),
    "adaptive pool 3d": (lambda: nn.AdaptiveAvgPool3d(1), lambda: tn.AdaptiveAvgPool3d(1), (2, 3, 4, 2, 2)),
    "sequence": (
        lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.GELU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16, 3)),
        lambda: tn.Sequential(tn.Conv2d(1, 4, 3), tn.BatchNorm2d(4), tn.GELU(), tn.MaxPool2d(2), tn.Flatten(), tn.Linear(16, 3)),
        (5, 1, 6, 6),
    ),
    **{
        name: (getattr(nn, name), getattr(tn, name), (3, 4))
        for name in ("ReLU", "ReLU6", "Sigmoid", "LogSigmoid", "Tanh", "Softplus", "Softsign", "SiLU", "Mish", "SELU", "GELU", "ELU", "CELU", "LeakyReLU", "Hardtanh", "Identity")
    },
    "gelu tanh": (lambda: nn.GELU("tanh"), lambda: tn.GELU("tanh"), (3, 4)),
    "elu alpha": (lambda: nn.ELU(0.5), lambda: tn.ELU(0.5), (3, 4)),
    "celu alpha": (lambda: nn.CELU(0.5), lambda: tn.CELU(0.5), (3, 4)),
    "softmax": (lambda: nn.Softmax(1), lambda: tn.Softmax(1), (3, 4, 2)),
    "log softmax": (lambda: nn.LogSoftmax(-1), lambda: tn.LogSoftmax(-1), (3, 4)),
}  # fmt: skip


def near(ours: Any, theirs: Any) -> None:
    np.testing.assert_allclose(np.asarray(ours.detach()), theirs.detach().numpy(), rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("name", LAYERS)
def test_layer(name: str, rng: Any) -> None:
    make, make_other, shape = LAYERS[name]
    torch.manual_seed(0)
    layer, other = make(), make_other()
    state = {n: rng.normal(size=p.shape).astype(np.float32) for n, p in other.named_parameters()}
    other.load_state_dict({n: torch.tensor(v) for n, v in state.items()}, strict=False)
    layer.load_state_dict({n: v.numpy() for n, v in other.state_dict().items()})
    for mode in (True, False):
        layer.train(mode)
        other.train(mode)
        layer.zero_grad()
        other.zero_grad()
        data = rng.normal(size=shape).astype(np.float32)
        x = gg.tensor(data, requires_grad=True)
        z = torch.tensor(data, requires_grad=True)
        y, w = layer(x), other(z)
        near(y, w)
        assert y.dtype == np.float32
        cotangent = rng.normal(size=y.shape).astype(np.float32)
        y.backward(gg.tensor(cotangent))
        w.backward(torch.tensor(cotangent))
        near(x.grad, z.grad)
        for (n, p), (m, q) in zip(layer.named_parameters(), other.named_parameters(), strict=True):
            assert n == m
            near(p.grad, q.grad)
    theirs = other.state_dict()
    for n, v in layer.state_dict().items():
        near(v, theirs[n])


def test_bilinear(rng: Any) -> None:
    layer, other = nn.Bilinear(3, 4, 2), tn.Bilinear(3, 4, 2)
    layer.load_state_dict({n: v.numpy() for n, v in other.state_dict().items()})
    x, y = rng.normal(size=(5, 3)).astype("f4"), rng.normal(size=(5, 4)).astype("f4")
    out, expected = layer(x, y), other(torch.tensor(x), torch.tensor(y))
    near(out, expected)
    (out * out).sum().backward()
    (expected * expected).sum().backward()
    near(layer.weight.grad, other.weight.grad)
    near(layer.bias.grad, other.bias.grad)


def test_embedding(rng: Any) -> None:
    layer, other = nn.Embedding(6, 3, padding_idx=-2), tn.Embedding(6, 3, padding_idx=-2)
    assert layer.weight[4].tolist() == [0.0, 0.0, 0.0]
    layer.load_state_dict({n: v.numpy() for n, v in other.state_dict().items()})
    index = rng.integers(0, 6, size=(4, 5))
    out, expected = layer(index), other(torch.tensor(index))
    near(out, expected)
    (out * out + out).sum().backward()
    (expected * expected + expected).sum().backward()
    near(layer.weight.grad, other.weight.grad)


@pytest.mark.parametrize("causal", [False, True])
def test_attention(causal: bool, rng: Any) -> None:
    layer, other = nn.MultiHeadAttention(8, 2), tn.MultiheadAttention(8, 2, batch_first=True)
    state = {n: v.numpy() for n, v in other.state_dict().items()}
    parts = {}
    for k, part in enumerate(("query", "key", "value")):
        parts |= {
            f"{part}.weight": state["in_proj_weight"][8 * k : 8 * k + 8],
            f"{part}.bias": state["in_proj_bias"][8 * k : 8 * k + 8],
        }
    layer.load_state_dict(parts | {"output.weight": state["out_proj.weight"], "output.bias": state["out_proj.bias"]})
    q, k, v = (rng.normal(size=(3, 5, 8)).astype("f4") for _ in range(3))
    mask = torch.ones(5, 5, dtype=torch.bool).triu(1) if causal else None
    expected, _ = other(torch.tensor(q), torch.tensor(k), torch.tensor(v), attn_mask=mask)
    out = layer(q, k, v, is_causal=causal)
    near(out, expected)
    (out * out).sum().backward()
    (expected * expected).sum().backward()
    near(layer.key.weight.grad, other.in_proj_weight.grad[8:16])
    near(layer.output.weight.grad, other.out_proj.weight.grad)
    if causal:
        near(layer(q, k, v, mask=np.tril(np.ones((5, 5), bool))), expected)
    near(layer(q), other(torch.tensor(q), torch.tensor(q), torch.tensor(q))[0])


def probabilities(rng: Any) -> Any:
    return rng.uniform(0.1, 0.9, size=(4, 3)).astype("f4")


LOSSES = {
    "CrossEntropyLoss": ({}, "classes"),
    "CrossEntropyLoss smoothed": ({"label_smoothing": 0.2}, "classes"),
    "CrossEntropyLoss weighted": ({"weight": [1.0, 2.0, 0.5]}, "classes"),
    "CrossEntropyLoss sum": ({"reduction": "sum", "ignore_index": 1}, "classes"),
    "NLLLoss": ({}, "classes"),
    "MSELoss": ({}, "values"),
    "L1Loss": ({"reduction": "sum"}, "values"),
    "HuberLoss": ({"delta": 0.3}, "values"),
    "SmoothL1Loss": ({"beta": 0.3}, "values"),
    "BCELoss": ({}, "values"),
    "BCEWithLogitsLoss": ({}, "values"),
    "KLDivLoss": ({"reduction": "batchmean"}, "values"),
}


@pytest.mark.parametrize("name", LOSSES)
def test_loss(name: str, rng: Any) -> None:
    settings, kind = LOSSES[name]
    ours, theirs = dict(settings), dict(settings)
    if "weight" in settings:
        theirs["weight"] = torch.tensor(settings["weight"])
    layer, other = getattr(nn, name.split()[0])(**ours), getattr(tn, name.split()[0])(**theirs)
    data = probabilities(rng)
    target = rng.integers(0, 3, size=4) if kind == "classes" else probabilities(rng)
    x, z = gg.tensor(data, requires_grad=True), torch.tensor(data, requires_grad=True)
    y, w = layer(x, target), other(z, torch.tensor(target))
    near(y, w)
    y.backward()
    w.backward()
    near(x.grad, z.grad)
    assert not list(layer.parameters())
