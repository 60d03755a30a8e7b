"""Rows of the functions of neural networks and of the losses. Values against PyTorch are in test_neural.py."""

from __future__ import annotations

from typing import Any

import numpy as np
from case import Case
from scipy import special

from gpugrad.ops import attention as att
from gpugrad.ops import losses as l
from gpugrad.ops import neural as n
from rows.elementwise import apart, between, off_integers

X = between(-2, 2, (2, 4))
ROWS = between(-2, 2, (3, 4))
KINKED = off_integers((2, 4))


def _softmax(x: Any, axis: Any = -1) -> Any:
    return special.softmax(x, axis=axis)


def _classes(*shape: int, classes: int = 4) -> Any:
    return lambda rng: (rng.uniform(-2, 2, (*shape, classes)), rng.integers(0, classes, shape))


def _probabilities(rng: np.random.Generator) -> tuple[Any, ...]:
    return rng.uniform(-2, 2, (3, 4)), special.softmax(rng.normal(size=(3, 4)), axis=1)


def _layer_norm(x: Any, w: Any = 1.0, b: Any = 0.0, axis: Any = -1) -> Any:
    return (x - x.mean(axis, keepdims=True)) / np.sqrt(x.var(axis, keepdims=True) + 1e-5) * w + b


def _batch_norm(x: Any, w: Any, b: Any) -> tuple[Any, ...]:
    mean, var = x.mean((0, 2)), x.var((0, 2))
    out = (x - mean[:, None]) / np.sqrt(var[:, None] + 1e-5) * w[:, None] + b[:, None]
    return out, mean, var


def _attention(q: Any, k: Any, v: Any, mask: Any = 0.0) -> Any:
    return _softmax(q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1]) + mask) @ v


def _nll(x: Any, y: Any) -> Any:
    return -np.take_along_axis(special.log_softmax(x, axis=-1), y[..., None], -1)[..., 0]


ACTIVATIONS = [
    Case("relu6", n.relu6, off_integers((2, 4), scale=3.0), lambda x: np.clip(x, 0, 6)),
    Case("leaky_relu", lambda x: n.leaky_relu(x, 0.1), KINKED, lambda x: np.where(x > 0, x, 0.1 * x)),
    Case("elu", lambda x: n.elu(x, 0.7), KINKED, lambda x: np.where(x > 0, x, 0.7 * np.expm1(x))),
    Case("celu", lambda x: n.celu(x, 0.7), KINKED, lambda x: np.where(x > 0, x, 0.7 * np.expm1(x / 0.7))),
    Case("selu", n.selu, KINKED, lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x))),
    Case("silu", n.silu, X, lambda x: x * special.expit(x)),
    Case("mish", n.mish, X, lambda x: x * np.tanh(np.log1p(np.exp(x)))),
    Case("gelu", n.gelu, X, lambda x: x * special.ndtr(x)),
    Case(
        "gelu tanh",
        lambda x: n.gelu(x, "tanh"),
        X,
        lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    ),
    Case("hardtanh", n.hardtanh, off_integers((2, 4), scale=0.9), lambda x: np.clip(x, -1, 1)),
    Case("softsign", n.softsign, KINKED, lambda x: x / (1 + np.abs(x))),
    Case("log_sigmoid", n.log_sigmoid, X, special.log_expit),
    *(
        Case(f"softmax axis={k}", lambda x, k=k: n.softmax(x, k), ROWS, lambda x, k=k: _softmax(x, k))
        for k in (0, -1, None)
    ),  # type: ignore[misc]
    *(
        Case(
            f"log_softmax axis={k}", lambda x, k=k: n.log_softmax(x, k), ROWS, lambda x, k=k: special.log_softmax(x, k)
        )
        for k in (0, -1, None)
    ),  # type: ignore[misc]
]

LAYERS = [
    Case("layer_norm", n.layer_norm, between(-2, 2, (3, 4), (4,), (4,)), _layer_norm),
    Case("layer_norm plain", lambda x: n.layer_norm(x, axis=0), ROWS, lambda x: _layer_norm(x, axis=0)),
    Case(
        "layer_norm two axes",
        lambda x, w, b: n.layer_norm(x, w, b, axis=(-2, -1)),
        between(-2, 2, (2, 3, 2), (3, 2), (3, 2)),
        lambda x, w, b: _layer_norm(x, w, b, (-2, -1)),
    ),
    Case(
        "batch_norm training",
        lambda x, w, b: n.batch_norm(x, weight=w, bias=b, training=True),
        between(-2, 2, (3, 2, 2), (2,), (2,)),
        _batch_norm,
        without={"float16": "its statistics are float32", "bfloat16": "the same"},
    ),
    Case(
        "batch_norm",
        n.batch_norm,
        between(0.5, 2, (3, 2), (2,), (2,), (2,), (2,)),
        lambda x, m, v, w, b: (x - m) / np.sqrt(v + 1e-5) * w + b,
    ),
    Case(
        "batch_norm plain",
        lambda x, m, v: n.batch_norm(x, m, v, axis=0),
        between(0.5, 2, (2, 3), (2,), (2,)),
        lambda x, m, v: (x - m[:, None]) / np.sqrt(v[:, None] + 1e-5),
    ),
    *(
        Case(
            f"normalize p={p}",
            lambda x, p=p: n.normalize(x, p),
            apart((2, 4)),
            lambda x, p=p: x / np.linalg.norm(x, p, -1, keepdims=True),
        )
        for p in (1, 2, 3, np.inf)
    ),  # type: ignore[misc]
    Case(
        "cosine_similarity",
        n.cosine_similarity,
        between(0.5, 2, (2, 3), (2, 3)),
        lambda x, y: (x * y).sum(-1) / np.linalg.norm(x, axis=-1) / np.linalg.norm(y, axis=-1),
    ),
    Case("linear", n.linear, between(-1, 1, (2, 3), (4, 3), (4,)), lambda x, w, b: x @ w.T + b),
    Case("linear without bias", n.linear, between(-1, 1, (3,), (2, 3)), lambda x, w: x @ w.T),
    Case(
        "embedding", n.embedding, lambda rng: (rng.integers(0, 4, (2, 3)), rng.normal(size=(4, 2))), lambda i, w: w[i]
    ),
    Case(
        "embedding padding",
        lambda i, w: n.embedding(i, w, padding_idx=5),
        lambda rng: (rng.integers(0, 5, (4,)), rng.normal(size=(6, 2))),
        lambda i, w: w[i],
    ),
    Case("one_hot", lambda i: n.one_hot(i, 4), lambda rng: (rng.integers(0, 4, (2, 3)),), lambda i: np.eye(4)[i]),
    Case(
        "one_hot axis=1",
        lambda i: n.one_hot(i, 4, axis=1, dtype="float32"),
        lambda rng: (rng.integers(0, 4, (2, 3)),),
        lambda i: np.moveaxis(np.eye(4, dtype=np.float32)[i], -1, 1),
    ),
    Case(
        "attention primitive",
        lambda q, k, v: att.attention(q, k, v, causal=False, scale=2**-0.5)[0],
        between(-1, 1, (2, 3, 2), (2, 4, 2), (2, 4, 3)),
        _attention,
    ),
    Case(
        "attention primitive causal",
        lambda q, k, v: att.attention(q, k, v, causal=True, scale=2**-0.5)[0],
        between(-1, 1, (2, 3, 2), (1, 3, 2), (3, 3)),
        lambda q, k, v: _attention(q, k, v, np.where(np.tri(3) > 0, 0.0, -np.inf)),
    ),
    Case(
        "attention_back",
        lambda g, q, k, v: att.attention_back(
            g, q, k, v, *att.attention(q, k, v, causal=True, scale=0.7), causal=True, scale=0.7
        ),
        between(-1, 1, (2, 3, 2), (2, 3, 2), (2, 3, 2), (2, 3, 2)),
    ),
    Case("attention", n.scaled_dot_product_attention, between(-1, 1, (2, 3, 2), (2, 4, 2), (2, 4, 3)), _attention),
    Case(
        "attention causal",
        lambda q, k, v: n.scaled_dot_product_attention(q, k, v, is_causal=True),
        between(-1, 1, (3, 2), (3, 2), (3, 2)),
        lambda q, k, v: _attention(q, k, v, np.where(np.tri(3) > 0, 0.0, -np.inf)),
    ),
    Case(
        "attention mask",
        lambda q, k, v, m: n.scaled_dot_product_attention(q, k, v, m),
        lambda rng: (
            *between(-1, 1, (2, 2), (3, 2), (3, 2))(rng),
            np.array([[True, False, True], [False, True, True]]),
        ),
        lambda q, k, v, m: _attention(q, k, v, np.where(m, 0.0, -np.inf)),
    ),
    Case("attention bias", n.scaled_dot_product_attention, between(-1, 1, (2, 2), (3, 2), (3, 2), (2, 3)), _attention),
]


def _bce(x: Any, t: Any, w: Any = 1.0) -> Any:
    return -(w * t * special.log_expit(x) + (1 - t) * special.log_expit(-x)).mean()


def _distance(name: str, reference: Any) -> list[Case]:
    f = getattr(l, name)
    return [
        Case(
            f"{name} {r}",
            lambda x, y, r=r: f(x, y, reduction=r),
            off_integers((2, 3), (2, 3), scale=0.7),
            lambda x, y, c=c: c(reference(x - y)),
        )  # type: ignore[misc]
        for r, c in (("mean", np.mean), ("sum", np.sum), ("none", np.copy))
    ]


LOSSES = [
    Case("cross_entropy", l.cross_entropy, _classes(3), lambda x, y: _nll(x, y).mean()),
    Case("cross_entropy one example", l.cross_entropy, _classes(), _nll),
    Case("cross_entropy none", lambda x, y: l.cross_entropy(x, y, reduction="none"), _classes(3), _nll),
    Case(
        "cross_entropy axis=-1",
        lambda x, y: l.cross_entropy(x, y, reduction="sum", axis=-1),
        _classes(2, 3),
        lambda x, y: _nll(x, y).sum(),
    ),
    Case(
        "cross_entropy images",
        l.cross_entropy,
        lambda rng: (rng.normal(size=(2, 3, 2)), rng.integers(0, 3, (2, 2))),
        lambda x, y: _nll(np.moveaxis(x, 1, -1), y).mean(),
    ),
    Case(
        "cross_entropy weight",
        lambda x, y, w: l.cross_entropy(x, y, w),
        lambda rng: (*_classes(3)(rng), rng.uniform(0.5, 1, 4)),
        lambda x, y, w: (_nll(x, y) * w[y]).sum() / w[y].sum(),
    ),
    Case(
        "cross_entropy smoothed",
        lambda x, y: l.cross_entropy(x, y, label_smoothing=0.1),
        _classes(3),
        lambda x, y: (0.9 * _nll(x, y) - 0.1 * special.log_softmax(x, 1).mean(1)).mean(),
    ),
    Case(
        "cross_entropy ignoring",
        lambda x, y: l.cross_entropy(x, y, ignore_index=-1),
        lambda rng: (rng.normal(size=(3, 4)), np.array([2, -1, 0])),
        lambda x, y: _nll(x, y)[[0, 2]].mean(),
    ),
    Case(
        "cross_entropy probabilities",
        l.cross_entropy,
        _probabilities,
        lambda x, p: -(p * special.log_softmax(x, 1)).sum(1).mean(),
    ),
    Case(
        "cross_entropy probabilities weighted",
        lambda x, p, w: l.cross_entropy(x, p, w, label_smoothing=0.2),
        lambda rng: (*_probabilities(rng), rng.uniform(0.5, 1, 4)),
        lambda x, p, w: -((0.8 * p + 0.05) * w * special.log_softmax(x, 1)).sum(1).mean(),
    ),
    Case("nll_loss", l.nll_loss, _classes(3), lambda x, y: -np.take_along_axis(x, y[:, None], 1).mean()),
    *_distance("mse_loss", np.square),
    *_distance("l1_loss", np.abs),
    *_distance("huber_loss", lambda d: np.where(np.abs(d) < 1, d * d / 2, np.abs(d) - 0.5)),
    *_distance("smooth_l1_loss", lambda d: np.where(np.abs(d) < 1, d * d / 2, np.abs(d) - 0.5)),
    Case("mse_loss of a number", lambda x: l.mse_loss(x, 0.5), ROWS, lambda x: np.mean((x - 0.5) ** 2)),
    Case(
        "binary_cross_entropy_with_logits",
        l.binary_cross_entropy_with_logits,
        lambda rng: (rng.normal(size=(2, 3)), rng.uniform(0.1, 0.9, (2, 3))),
        _bce,
    ),
    Case(
        "binary_cross_entropy_with_logits weights",
        lambda x, t, w: l.binary_cross_entropy_with_logits(x, t, weight=2.0, pos_weight=w),
        lambda rng: (rng.normal(size=(2, 3)), rng.uniform(0.1, 0.9, (2, 3)), rng.uniform(1, 2, (3,))),
        lambda x, t, w: 2 * _bce(x, t, w),
    ),
    Case(
        "binary_cross_entropy",
        l.binary_cross_entropy,
        between(0.2, 0.8, (2, 3), (2, 3)),
        lambda p, t: -(t * np.log(p) + (1 - t) * np.log1p(-p)).mean(),
    ),
    Case(
        "kl_div",
        lambda x, t: l.kl_div(x, t, reduction="batchmean"),
        between(0.2, 0.8, (2, 3), (2, 3)),
        lambda x, t: (t * (np.log(t) - x)).sum() / 2,
    ),
    Case(
        "kl_div of logarithms",
        lambda x, t: l.kl_div(x, t, log_target=True),
        between(-2, -0.5, (2, 3), (2, 3)),
        lambda x, t: (np.exp(t) * (t - x)).mean(),
    ),
]

CASES = ACTIVATIONS + LAYERS + LOSSES
