"""Rows of convolution, pooling and sliding windows."""

from __future__ import annotations

import itertools as it
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from case import Case

from gpugrad.ops import convolution as c
from gpugrad.ops import pooling as p
from gpugrad.ops.windows import fold, unfold


def _normal(*shapes: tuple[int, ...]) -> Callable[[np.random.Generator], tuple[Any, ...]]:
    return lambda rng: tuple(rng.normal(size=s) for s in shapes)


def _distinct(*shape: int) -> Callable[[np.random.Generator], tuple[Any, ...]]:
    """Numbers far enough apart that no maximum changes under a difference."""
    return lambda rng: (rng.permutation(int(np.prod(shape))).reshape(shape) / 7.0 - 1.0,)


def _each(v: int | Sequence[int], n: int) -> tuple[int, ...]:
    return (v,) * n if isinstance(v, int) else tuple(v)


def _correlated(x: Any, w: Any, stride: Any, pads: Any, dilation: Any, groups: int) -> Any:
    """The definition, one output element at a time."""
    n = x.ndim - 2
    s, d = _each(stride, n), _each(dilation, n)
    x = np.pad(x, [(0, 0), (0, 0), *pads])
    kernel = w.shape[2:]
    windows = tuple((x.shape[2 + a] - d[a] * (kernel[a] - 1) - 1) // s[a] + 1 for a in range(n))
    out = np.zeros((x.shape[0], w.shape[0], *windows))
    cin, cout = x.shape[1] // groups, w.shape[0] // groups
    for o in range(w.shape[0]):
        channels = slice(o // cout * cin, (o // cout + 1) * cin)
        for t in it.product(*map(range, windows)):
            reach = tuple(slice(t[a] * s[a], t[a] * s[a] + d[a] * (kernel[a] - 1) + 1, d[a]) for a in range(n))
            out[(slice(None), o, *t)] = (x[(slice(None), channels, *reach)] * w[o]).reshape(len(x), -1).sum(1)
    return out


def _conv(
    n: int, name: str, x: tuple[int, ...], w: tuple[int, ...], bias: bool = False, pads: Any = None, **params: Any
) -> Case:
    f = (c.conv1d, c.conv2d, c.conv3d)[n - 1]
    padding = params.get("padding", 0)
    pads = pads if pads is not None else [(q, q) for q in _each(padding, n)]

    def reference(x: Any, w: Any, *b: Any) -> Any:
        whole = x if x.ndim == n + 2 else x[None]
        out = _correlated(whole, w, params.get("stride", 1), pads, params.get("dilation", 1), params.get("groups", 1))
        out = out + b[0].reshape(-1, *(1,) * n) if b else out
        return out if x.ndim == n + 2 else out[0]

    shapes = [x, w, (w[0],)] if bias else [x, w]
    return Case(f"conv{n}d {name}", lambda *a: f(*a, **params), _normal(*shapes), reference)


def _back(n: int, name: str, x: tuple[int, ...], w: tuple[int, ...], bias: bool = False, **params: Any) -> Case:
    f = (c.conv_transpose1d, c.conv_transpose2d, c.conv_transpose3d)[n - 1]
    stride, padding, dilation, more = (
        _each(params.get(k, v), n) for k, v in (("stride", 1), ("padding", 0), ("dilation", 1), ("output_padding", 0))
    )
    groups = params.get("groups", 1)

    def reference(x: Any, w: Any, *b: Any) -> Any:
        """The transpose as a matrix, which a convolution of unit vectors gives column by column."""
        size = tuple(
            (x.shape[2 + a] - 1) * stride[a] - 2 * padding[a] + dilation[a] * (w.shape[2 + a] - 1) + 1 + more[a]
            for a in range(n)
        )
        shape = (1, w.shape[1] * groups, *size)
        units = np.eye(int(np.prod(shape))).reshape(-1, *shape[1:])
        matrix = _correlated(units, w, stride, [(q, q) for q in padding], dilation, groups).reshape(len(units), -1)
        out = (x.reshape(len(x), -1) @ matrix.T).reshape(len(x), *shape[1:])
        return out + b[0].reshape(-1, *(1,) * n) if b else out

    shapes = [x, w, (w[1] * groups,)] if bias else [x, w]
    return Case(f"conv_transpose{n}d {name}", lambda *a: f(*a, **params), _normal(*shapes), reference)


def _windows(x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, fill: float) -> Any:
    """The windows over the last axes, as rows."""
    n = len(kernel)
    x = np.pad(x, [(0, 0)] * (x.ndim - n) + [(q, q) for q in padding], constant_values=fill)
    reach = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
    view = np.lib.stride_tricks.sliding_window_view(x, reach, axis=tuple(range(-n, 0)))
    view = view[(..., *(slice(None, None, s) for s in stride), *(slice(None, None, d) for d in dilation))]
    return view.reshape(*view.shape[: view.ndim - n], -1)


def _pool(kind: str, n: int, name: str, shape: tuple[int, ...], kernel: Any, **params: Any) -> Case:
    f = getattr(p, f"{kind}_pool{n}d")
    k = _each(kernel, n)
    stride = _each(params.get("stride", k), n)
    padding, dilation = _each(params.get("padding", 0), n), _each(params.get("dilation", 1), n)

    def reference(x: Any) -> Any:
        if kind == "max":
            return _windows(x, k, stride, padding, dilation, -np.inf).max(-1)
        rows = _windows(x, k, stride, padding, dilation, 0.0)
        if params.get("count_include_pad", True):
            return rows.mean(-1)
        return rows.sum(-1) / _windows(np.ones_like(x), k, stride, padding, dilation, 0.0).sum(-1)

    sample = _distinct(*shape) if kind == "max" else _normal(shape)
    return Case(f"{kind}_pool{n}d {name}", lambda x: f(x, kernel, **params), sample, reference)


_SLIDING: dict[str, Any] = {"kernel": (2,), "stride": (1,), "padding": ((0, 0),), "dilation": (1,)}
_WINDOW: dict[str, Any] = {"kernel": (2, 2), "stride": (2, 1), "padding": ((1, 0), (0, 1)), "dilation": (1, 2)}


def _unfolded(x: Any) -> Any:
    x = np.pad(x, [(0, 0)] * (x.ndim - 2) + list(_WINDOW["padding"]))
    t, u = (x.shape[-2] - 2) // 2 + 1, x.shape[-1] - 2
    return np.stack([x[..., i : i + 2 * t - 1 : 2, 2 * j : 2 * j + u] for i in (0, 1) for j in (0, 1)], axis=-3)


def _folded(y: Any) -> Any:
    """The transpose of unfolding, as a matrix."""
    units = np.eye(12).reshape(12, 3, 4)
    matrix = _unfolded(units).reshape(12, -1)
    return (y.reshape(-1) @ matrix.T).reshape(3, 4)


CASES = [
    _conv(1, "", (2, 2, 5), (3, 2, 3)),
    _conv(1, "unbatched", (2, 5), (3, 2, 2), bias=True),
    _conv(1, "stride padding dilation", (1, 2, 7), (2, 2, 2), stride=2, padding=1, dilation=3),
    _conv(1, "same, even kernel", (1, 1, 5), (2, 1, 4), pads=[(1, 2)], padding="same"),
    _conv(1, "same, dilated", (1, 1, 6), (2, 1, 3), pads=[(2, 2)], padding="same", dilation=2),
    _conv(1, "valid", (1, 1, 5), (2, 1, 4), padding="valid", pads=[(0, 0)]),
    _conv(1, "pairs", (1, 1, 4), (2, 1, 3), padding=[(2, 0)], pads=[(2, 0)]),
    _conv(1, "groups", (2, 4, 4), (6, 2, 2), groups=2),
    _conv(1, "depthwise", (2, 3, 4), (3, 1, 2), groups=3, bias=True),
    _conv(1, "stride leaves a rest", (1, 1, 6), (1, 1, 3), stride=2),
    _conv(1, "stride beyond the kernel", (1, 1, 7), (1, 1, 1), stride=3),
    _conv(2, "", (2, 1, 3, 4), (2, 1, 2, 2), bias=True),
    _conv(2, "stride padding dilation", (1, 2, 4, 4), (2, 2, 2, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2)),
    _conv(2, "groups", (1, 4, 3, 2), (2, 2, 2, 2), groups=2, padding=[(1, 0), 0], pads=[(1, 0), (0, 0)]),
    _conv(2, "1x1", (2, 3, 2, 2), (2, 3, 1, 1)),
    _conv(2, "unbatched", (1, 3, 4), (2, 1, 2, 2), bias=True),
    _conv(3, "", (1, 2, 3, 2, 2), (2, 2, 2, 2, 1), bias=True),
    _conv(3, "stride padding groups", (1, 2, 3, 2, 2), (2, 1, 2, 1, 2), stride=2, padding=1, groups=2),
    Case(
        "conv2d of no images",
        lambda x, w: c.conv2d(x, w),
        lambda rng: (np.zeros((0, 1, 3, 3)), rng.normal(size=(2, 1, 2, 2))),
        lambda x, w: np.zeros((0, 2, 2, 2)),
        order=0,
    ),
    Case(
        "conv1d complex",
        lambda x, w: c.conv1d(x, w, stride=2, padding=1),
        lambda rng: (rng.normal(size=(1, 2, 5)) * (1 + 2j), rng.normal(size=(2, 2, 2)) * (2 - 1j)),
        lambda x, w: _correlated(x.real, w.real, 2, [(1, 1)], 1, 1) - _correlated(x.imag, w.imag, 2, [(1, 1)], 1, 1)
        + 1j * (_correlated(x.real, w.imag, 2, [(1, 1)], 1, 1) + _correlated(x.imag, w.real, 2, [(1, 1)], 1, 1)),
    ),
    Case(
        "conv1d of integers",
        lambda x, w: c.conv1d(x, w),
        lambda rng: (rng.integers(-3, 3, (1, 2, 4)), rng.integers(-3, 3, (2, 2, 2))),
        lambda x, w: _correlated(x, w, 1, [(0, 0)], 1, 1).astype(np.int64),
        argnums=(),
    ),
    _back(1, "", (2, 2, 3), (2, 3, 2)),
    _back(1, "stride padding output_padding", (1, 2, 3), (2, 2, 3), stride=2, padding=1, output_padding=1, bias=True),
    _back(1, "dilation groups", (2, 4, 2), (4, 1, 2), dilation=2, groups=2),
    _back(1, "stride beyond the kernel", (1, 1, 3), (1, 2, 2), stride=3, output_padding=2),
    _back(2, "", (1, 2, 2, 2), (2, 1, 2, 3), stride=(2, 1), padding=(0, 1), bias=True),
    _back(2, "groups", (1, 2, 2, 2), (2, 2, 2, 2), groups=2, stride=2, output_padding=(1, 0)),
    _back(3, "", (1, 1, 2, 2, 1), (1, 2, 2, 1, 2), stride=2, bias=True),
    Case(
        "conv_weight",
        lambda x, g: c.conv_weight(x, g, kernel=(2,), stride=(2,), padding=((1, 0),), dilation=(1,), groups=2),
        _normal((2, 4, 5), (2, 2, 3)),
        lambda x, g: np.stack(
            [
                [[(g[:, o] * np.pad(x, [(0, 0), (0, 0), (1, 0)])[:, 2 * o + ch, k : k + 5 : 2]).sum() for k in (0, 1)] for ch in (0, 1)]
                for o in (0, 1)
            ]
        ),
    ),
    _pool("max", 1, "", (2, 6), 2),
    _pool("max", 1, "overlapping, padded", (1, 7), 3, stride=2, padding=1),
    _pool("max", 2, "", (1, 2, 4, 4), 2),
    _pool("max", 2, "leaves a rest", (5, 4), (2, 3), stride=(1, 2)),
    _pool("max", 2, "padded, dilated", (4, 5), 2, stride=1, padding=1, dilation=2),
    _pool("max", 3, "", (2, 3, 4), (2, 1, 2), stride=1),
    _pool("avg", 1, "", (2, 6), 2),
    _pool("avg", 1, "overlapping, padded", (1, 7), 3, stride=2, padding=1),
    _pool("avg", 2, "", (1, 2, 4, 4), 2),
    _pool("avg", 2, "padding not counted", (1, 4, 5), (3, 2), stride=(2, 1), padding=1, count_include_pad=False),
    _pool("avg", 2, "leaves a rest", (5, 4), (2, 3), stride=(2, 1)),
    _pool("avg", 3, "", (2, 3, 4), (2, 1, 2), stride=1, padding=(1, 0, 1)),
    Case(
        "max_pool1d of integers",
        lambda x: p.max_pool1d(x, 2, 1, 1),
        lambda rng: (rng.integers(-9, -3, (5,)),),
        lambda x: np.maximum(np.append(x, -99), np.append(-99, x)),
        argnums=(),
    ),
    Case(
        "max_pool1d of booleans",
        lambda x: p.max_pool1d(x, 2, 1, 1),
        lambda rng: (np.array([False, False, True, False]),),
        lambda x: np.array([False, False, True, True, False]),
        argnums=(),
    ),
    Case("max_pool2d of nothing", lambda x: p.max_pool2d(x, 2), lambda rng: (np.zeros((0, 4, 4)),), lambda x: np.zeros((0, 2, 2)), order=0),
    Case("adaptive_avg_pool1d", lambda x: p.adaptive_avg_pool1d(x, 2), _normal((2, 6)), lambda x: x.reshape(2, 2, 3).mean(2)),
    Case("adaptive_avg_pool2d to one", lambda x: p.adaptive_avg_pool2d(x, 1), _normal((2, 3, 4)), lambda x: x.mean((1, 2), keepdims=True)),
    Case(
        "adaptive_avg_pool3d",
        lambda x: p.adaptive_avg_pool3d(x, (1, 2, 1)),
        _normal((2, 4, 2)),
        lambda x: x.reshape(2, 2, 2, 2).mean((0, 2, 3)).reshape(1, 2, 1),
    ),
    Case(
        "avg_unpool",
        lambda x: p.avg_unpool(x, size=(5,), kernel=(2,), stride=(2,), padding=((1, 0),), whole=False),
        _normal((2, 3)),
        lambda x: np.stack([x[:, 0], x[:, 1] / 2, x[:, 1] / 2, x[:, 2] / 2, x[:, 2] / 2], axis=-1),
    ),
    Case(
        "max_picked",
        lambda t, x: p.max_picked(t, x, p.max_pool(x, **_SLIDING), **_SLIDING),
        lambda rng: (rng.normal(size=4), np.array([1.0, 3.0, 3.0, 2.0])),
        lambda t, x: np.array([t[1], (t[1] + t[2]) / 2, t[2]]),
        argnums=(0,),
    ),
    Case(
        "max_spread",
        lambda g, x: p.max_spread(g, x, p.max_pool(x, **_SLIDING), **_SLIDING),
        lambda rng: (rng.normal(size=3), np.array([1.0, 3.0, 3.0, 2.0])),
        lambda g, x: np.array([0.0, g[0] + g[1] / 2, g[1] / 2 + g[2], 0.0]),
        argnums=(0,),
    ),
    Case("unfold", lambda x: unfold(x, **_WINDOW), _normal((2, 3, 4)), _unfolded),
    Case("fold", lambda x: fold(x, size=(3, 4), **_WINDOW), _normal((4, 2, 3)), _folded),
]  # fmt: skip
