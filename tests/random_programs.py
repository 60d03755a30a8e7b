"""Random programs over arrays, written twice: in gpugrad and in PyTorch, which is the witness.

A program is a list of steps, each an operation on earlier values. PyTorch runs along while it is drawn, so that shapes
fit, values stay of order 1, and no operation stands at a point where the two could choose different subgradients.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import gpugrad as gg

torch = pytest.importorskip("torch", reason="PyTorch, the witness, is not installed")

Shape = tuple[int, ...]
Params = dict[str, Any]

DTYPE = torch.float64
torch.set_num_threads(1)


@dataclass(frozen=True)
class Op:
    """An operation in both libraries; ``draw`` chooses its parameters, or None if the shapes do not allow it."""

    name: str
    arity: int
    ours: Callable[..., Any]
    theirs: Callable[..., Any]
    draw: Callable[..., Params | None] = lambda rng, *shapes: {}


@dataclass(frozen=True)
class Step:
    """``values.append(op(*[values[k] for k in operands], **params))``."""

    op: Op
    operands: tuple[int, ...]
    params: Params

    def __str__(self) -> str:
        given = [f"v{k}" for k in self.operands] + [f"{k}={v!r}" for k, v in self.params.items()]
        return f"{self.op.name}({', '.join(given)})"


@dataclass(frozen=True)
class Program:
    """Inputs, steps, and the weights with which every value enters the one number that comes out."""

    inputs: list[Any]
    steps: list[Step]
    weights: list[Any]

    def ours(self, *inputs: Any) -> Any:
        """Run by gpugrad."""
        values = list(inputs)
        for step in self.steps:
            values.append(step.op.ours(*[values[k] for k in step.operands], **step.params))
        total = 0.0
        for v, w in zip(values, self.weights, strict=True):
            total = total + gg.sum(v * w)
        return total

    def outputs(self, *inputs: Any) -> tuple[Any, ...]:
        """Run by gpugrad: the one number, and the last values as they are."""
        values = list(inputs)
        for step in self.steps:
            values.append(step.op.ours(*[values[k] for k in step.operands], **step.params))
        return gg.sum(values[-1] * self.weights[-1]), *values[-3:]

    def theirs(self, *inputs: Any) -> Any:
        """Run by PyTorch."""
        values = list(inputs)
        for step in self.steps:
            values.append(step.op.theirs(*[values[k] for k in step.operands], **step.params))
        return sum((v * torch.tensor(w)).sum() for v, w in zip(values, self.weights, strict=True))

    def __str__(self) -> str:
        n = len(self.inputs)
        head = [f"v{k}: shape {a.shape}" for k, a in enumerate(self.inputs)]
        return "\n".join(head + [f"v{n + k} = {step}" for k, step in enumerate(self.steps)])


# ---- drawing parameters -----------------------------------------------------------------------------------------------


def an_axis(rng: Any, shape: Shape) -> Params | None:
    return {"axis": int(rng.integers(-len(shape), len(shape)))} if shape else None


def an_axis_keepdims(rng: Any, shape: Shape) -> Params | None:
    return {**(an_axis(rng, shape) or {}), "keepdims": bool(rng.random() < 0.4)} if shape else None


def axes_keepdims(rng: Any, shape: Shape) -> Params | None:
    if not shape:
        return None
    n = int(rng.integers(1, len(shape) + 1))
    axes = rng.permutation(len(shape))[:n]
    return {
        "axis": tuple(int(a) - len(shape) * int(rng.integers(2)) for a in axes),
        "keepdims": bool(rng.random() < 0.4),
    }


def a_permutation(rng: Any, shape: Shape) -> Params:
    return {"axes": tuple(int(a) for a in rng.permutation(len(shape)))}


def a_reshape(rng: Any, shape: Shape) -> Params:
    sizes: list[int] = []
    rest = int(np.prod(shape))
    for prime in (2, 3):
        while rest % prime == 0 and rest > 1:
            sizes.append(prime)
            rest //= prime
    sizes = [*sizes, rest] if rest > 1 else sizes
    rng.shuffle(sizes)
    while len(sizes) > 3 or (len(sizes) > 1 and rng.random() < 0.4):
        sizes[:2] = [sizes[0] * sizes[1]]
    if rng.random() < 0.3 and len(sizes) < 3:
        sizes.insert(int(rng.integers(len(sizes) + 1)), 1)
    return {"shape": tuple(sizes)}


def a_broadcast(rng: Any, shape: Shape) -> Params | None:
    wide = tuple(int(rng.integers(1, 4)) if n == 1 else n for n in shape)
    if len(wide) < 3 and rng.random() < 0.5:
        wide = (int(rng.integers(1, 4)), *wide)
    return {"shape": wide} if wide != shape else None


def a_key(rng: Any, shape: Shape) -> Params | None:
    """An index that both libraries read the same way (PyTorch has no negative steps)."""
    if not shape:
        return None
    key: list[Any] = []
    for n in shape[: int(rng.integers(1, len(shape) + 1))]:
        match int(rng.integers(4)):
            case 0:
                key.append(int(rng.integers(-n, n)))
            case 1:
                start = int(rng.integers(n))
                key.append(slice(start, int(rng.integers(start + 1, n + 1))))
            case 2:
                key.append(slice(None, None, int(rng.integers(1, 3))))
            case _:
                key.append(slice(None))
    if rng.random() < 0.25:
        key.append(Ellipsis)
    if rng.random() < 0.25 and len(shape) < 3:
        key.insert(int(rng.integers(len(key) + 1)), None)
    return {"key": tuple(key)}


def an_array_key(rng: Any, shape: Shape) -> Params | None:
    """Integer arrays, repeats and negative numbers included."""
    if not shape:
        return None
    places = rng.permutation(len(shape))[: int(rng.integers(1, min(len(shape), 2) + 1))]
    key: list[Any] = [slice(None)] * len(shape)
    for a in places:
        key[int(a)] = rng.integers(-shape[a], shape[a], 3).tolist()
    return {"key": tuple(key)}


def a_mask_key(rng: Any, shape: Shape) -> Params | None:
    mask = rng.random(shape) < 0.6
    return {"mask": mask.tolist()} if shape and mask.any() else None


def a_target(rng: Any, shape: Shape, other: Shape) -> Params | None:
    """A place in the first operand that the second, as it is, fits into."""
    if (
        not shape
        or len(other) > len(shape) - 1
        or any(n not in (1, m) for n, m in zip(other[::-1], shape[::-1], strict=False))
    ):
        return None
    return {"key": int(rng.integers(-shape[0], shape[0]))}


def positions_along(rng: Any, shape: Shape) -> Params | None:
    if not shape:
        return None
    axis = int(rng.integers(len(shape)))
    size = tuple(2 if a == axis else n for a, n in enumerate(shape))
    return {"indices": rng.integers(0, shape[axis], size).tolist(), "axis": axis}


def joinable(rng: Any, x: Shape, y: Shape) -> Params | None:
    if len(x) != len(y) or not x:
        return None
    axes = [a for a in range(len(x)) if x[:a] + x[a + 1 :] == y[:a] + y[a + 1 :]]
    return {"axis": int(rng.choice(axes))} if axes else None


def same_shape(rng: Any, x: Shape, y: Shape) -> Params | None:
    return {"axis": int(rng.integers(-len(x) - 1, len(x) + 1))} if x == y and len(x) < 3 else None


def multipliable(rng: Any, x: Shape, y: Shape) -> Params | None:
    if not x or not y or x[-1] != y[-2 if len(y) > 1 else -1]:
        return None
    return {} if compatible(x[:-2], y[:-2]) else None


def broadcastable(rng: Any, x: Shape, y: Shape) -> Params | None:
    return {} if compatible(x, y) else None


def compatible(x: Shape, y: Shape) -> bool:
    return all(a == b or 1 in (a, b) for a, b in zip(x[::-1], y[::-1], strict=False))


def a_matrix(rng: Any, shape: Shape) -> Params | None:
    return {} if len(shape) >= 2 else None


def square(rng: Any, shape: Shape) -> Params | None:
    return {} if len(shape) >= 2 and shape[-1] == shape[-2] else None


def a_roll(rng: Any, shape: Shape) -> Params | None:
    return {"shift": int(rng.integers(-2, 3)), **(an_axis(rng, shape) or {})} if shape else None


def a_padding(rng: Any, shape: Shape) -> Params | None:
    return {"before": int(rng.integers(3)), "after": int(rng.integers(3))} if shape else None


def a_diagonal(rng: Any, shape: Shape) -> Params | None:
    return {"k": int(rng.integers(-1, 2))} if len(shape) >= 2 else None


# ---- the operations -----------------------------------------------------------------------------------------------------


def t(values: Any) -> Any:
    return torch.tensor(values)


def spd(xp: Any, x: Any, mt: Any, eye: Any) -> Any:
    """A positive definite matrix of a square one."""
    return xp.matmul(x, mt) + eye


def our_eye(x: Any, scale: float) -> Any:
    return scale * gg.eye(x.shape[-1])


def their_eye(x: Any, scale: float) -> Any:
    return scale * torch.eye(x.shape[-1], dtype=DTYPE)


def our_write(x: Any, y: Any, key: int) -> Any:
    out = x * 1.0
    out[key] = y
    return out


def their_write(x: Any, y: Any, key: int) -> Any:
    out = x * 1.0
    out[key] = y
    return out


def their_reduction(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, axis, keepdims: f(x, dim=axis, keepdim=keepdims)


def their_prod(x: Any, axis: Sequence[int], keepdims: bool) -> Any:
    for a in sorted((a % x.ndim for a in axis), reverse=True):
        x = x.prod(dim=a, keepdim=keepdims)
    return x


ELEMENTWISE = [
    Op("sin", 1, gg.sin, torch.sin),
    Op("cos", 1, gg.cos, torch.cos),
    Op("tanh", 1, gg.tanh, torch.tanh),
    Op("sigmoid", 1, gg.sigmoid, torch.sigmoid),
    Op("softplus", 1, gg.softplus, torch.nn.functional.softplus),
    Op("relu", 1, gg.relu, torch.relu),
    Op("abs", 1, abs, abs),
    Op("negative", 1, lambda x: -x, lambda x: -x),
    Op("square", 1, gg.square, torch.square),
    Op("cube", 1, lambda x: x**3, lambda x: x**3),
    Op("exp", 1, lambda x: gg.exp(gg.tanh(x)), lambda x: torch.exp(torch.tanh(x))),
    Op("exp2", 1, lambda x: 2.0 ** gg.tanh(x), lambda x: 2.0 ** torch.tanh(x)),
    Op("expm1", 1, lambda x: gg.expm1(gg.tanh(x)), lambda x: torch.expm1(torch.tanh(x))),
    Op("log", 1, lambda x: gg.log(gg.tanh(x) + 1.5), lambda x: torch.log(torch.tanh(x) + 1.5)),
    Op("log1p", 1, lambda x: gg.log1p(x * x), lambda x: torch.log1p(x * x)),
    Op("sqrt", 1, lambda x: gg.sqrt(x * x + 0.5), lambda x: torch.sqrt(x * x + 0.5)),
    Op("reciprocal", 1, lambda x: 1.0 / (1.5 + gg.sin(x)), lambda x: 1.0 / (1.5 + torch.sin(x))),
    Op("asin", 1, lambda x: gg.asin(0.9 * gg.sin(x)), lambda x: torch.asin(0.9 * torch.sin(x))),
    Op("acosh", 1, lambda x: gg.acosh(2.0 + gg.sin(x)), lambda x: torch.acosh(2.0 + torch.sin(x))),
    Op("asinh", 1, gg.asinh, torch.asinh),
    Op("atanh", 1, lambda x: gg.atanh(0.8 * gg.cos(x)), lambda x: torch.atanh(0.8 * torch.cos(x))),
    Op("atan", 1, gg.atan, torch.atan),
    Op("erf", 1, gg.erf, torch.erf),
    Op("clip", 1, lambda x: gg.clip(x, -0.5, 0.7), lambda x: torch.clip(x, -0.5, 0.7)),
    Op("floor", 1, gg.floor, torch.floor),
    Op("sinc", 1, gg.sinc, torch.sinc),
    Op("add", 2, lambda x, y: x + y, lambda x, y: x + y, broadcastable),
    Op("subtract", 2, lambda x, y: x - y, lambda x, y: x - y, broadcastable),
    Op("multiply", 2, lambda x, y: x * y, lambda x, y: x * y, broadcastable),
    Op("divide", 2, lambda x, y: x / (1.5 + gg.sin(y)), lambda x, y: x / (1.5 + torch.sin(y)), broadcastable),
    Op("pow", 2, lambda x, y: (1.5 + gg.sin(x)) ** gg.tanh(y), lambda x, y: (1.5 + torch.sin(x)) ** torch.tanh(y), broadcastable),
    Op("maximum", 2, gg.maximum, torch.maximum, broadcastable),
    Op("minimum", 2, gg.minimum, torch.minimum, broadcastable),
    Op("where", 2, lambda x, y: gg.where(x > y, x, y * 2.0), lambda x, y: torch.where(x > y, x, y * 2.0), broadcastable),
    Op("atan2", 2, gg.atan2, torch.atan2, broadcastable),
    Op("hypot", 2, gg.hypot, torch.hypot, broadcastable),
    Op("logaddexp", 2, gg.logaddexp, torch.logaddexp, broadcastable),
    Op("remainder", 2, lambda x, y: x % (1.5 + gg.sin(y)), lambda x, y: x % (1.5 + torch.sin(y)), broadcastable),
]  # fmt: skip
REDUCTIONS = [
    Op("sum", 1, gg.sum, their_reduction(torch.sum), axes_keepdims),
    Op("mean", 1, gg.mean, their_reduction(torch.mean), axes_keepdims),
    Op("max", 1, gg.max, their_reduction(torch.amax), axes_keepdims),
    Op("min", 1, gg.min, their_reduction(torch.amin), axes_keepdims),
    Op("prod", 1, gg.prod, their_prod, axes_keepdims),
    Op("var", 1, lambda x, **p: gg.var(x, **p), lambda x, axis, keepdims: torch.var(x, dim=axis, keepdim=keepdims, correction=0), axes_keepdims),
    Op("logsumexp", 1, gg.logsumexp, their_reduction(torch.logsumexp), axes_keepdims),
    Op("norm", 1, lambda x, **p: gg.linalg.vector_norm(x, **p), lambda x, axis, keepdims: torch.linalg.vector_norm(x, dim=axis, keepdim=keepdims), axes_keepdims),
    Op("softmax", 1, gg.softmax, lambda x, axis: torch.softmax(x, axis), an_axis),
    Op("log_softmax", 1, gg.log_softmax, lambda x, axis: torch.log_softmax(x, axis), an_axis),
    Op("cumulative_sum", 1, gg.cumulative_sum, lambda x, axis: torch.cumsum(x, axis), an_axis),
    Op("cumulative_prod", 1, gg.cumulative_prod, lambda x, axis: torch.cumprod(x, axis), an_axis),
    Op("sort", 1, gg.sort, lambda x, axis: torch.sort(x, dim=axis).values, an_axis),
]  # fmt: skip
SHAPES = [
    Op("reshape", 1, lambda x, shape: x.reshape(shape), lambda x, shape: x.reshape(shape), a_reshape),
    Op("permute_dims", 1, gg.permute_dims, lambda x, axes: x.permute(axes), a_permutation),
    Op("broadcast_to", 1, gg.broadcast_to, lambda x, shape: x.expand(shape), a_broadcast),
    Op("flip", 1, gg.flip, lambda x, axis: torch.flip(x, (axis,)), an_axis),
    Op("roll", 1, gg.roll, lambda x, shift, axis: torch.roll(x, shift, axis), a_roll),
    Op("expand_dims", 1, lambda x: gg.expand_dims(x, 0), lambda x: x.unsqueeze(0), lambda rng, s: {} if len(s) < 3 else None),
    Op("squeeze", 1, lambda x: gg.squeeze(x, 0), lambda x: x.squeeze(0), lambda rng, s: {} if s and s[0] == 1 else None),
    Op("concat", 2, lambda x, y, axis: gg.concat([x, y], axis=axis), lambda x, y, axis: torch.cat([x, y], dim=axis), joinable),
    Op("stack", 2, lambda x, y, axis: gg.stack([x, y], axis=axis), lambda x, y, axis: torch.stack([x, y], dim=axis), same_shape),
    Op("pad", 1, lambda x, before, after: gg.pad(x, [(0, 0)] * (x.ndim - 1) + [(before, after)]), lambda x, before, after: torch.nn.functional.pad(x, (before, after)), a_padding),
    Op("tril", 1, lambda x, k: gg.tril(x, k=k), lambda x, k: torch.tril(x, k), a_diagonal),
    Op("triu", 1, lambda x, k: gg.triu(x, k=k), lambda x, k: torch.triu(x, k), a_diagonal),
]  # fmt: skip
INDEXING = [
    Op("basic index", 1, lambda x, key: x[key], lambda x, key: x[key], a_key),
    Op("array index", 1, lambda x, key: x[tuple(np.array(k) if type(k) is list else k for k in key)], lambda x, key: x[tuple(t(k) if type(k) is list else k for k in key)], an_array_key),
    Op("mask index", 1, lambda x, mask: x[np.array(mask)], lambda x, mask: x[t(mask)], a_mask_key),
    Op("take_along_axis", 1, lambda x, indices, axis: gg.take_along_axis(x, np.array(indices), axis=axis), lambda x, indices, axis: torch.take_along_dim(x, t(indices), dim=axis), positions_along),
    Op("write", 2, our_write, their_write, a_target),
]  # fmt: skip
PRODUCTS = [
    Op("matmul", 2, lambda x, y: x @ y, lambda x, y: x @ y, multipliable),
    Op("gram", 1, lambda x: x @ x.mT, lambda x: x @ x.mT, a_matrix),
    Op("outer", 2, lambda x, y: gg.einsum("...i,...j->...ij", x, y), lambda x, y: torch.einsum("...i,...j->...ij", x, y), lambda rng, x, y: {} if x and y and len(x) < 3 and len(y) < 3 and compatible(x[:-1], y[:-1]) else None),
    Op("solve", 1, lambda x: gg.linalg.solve(gg.tanh(x) + our_eye(x, 4.0), x), lambda x: torch.linalg.solve(torch.tanh(x) + their_eye(x, 4.0), x), square),
    Op("inv", 1, lambda x: gg.linalg.inv(gg.tanh(x) + our_eye(x, 4.0)), lambda x: torch.linalg.inv(torch.tanh(x) + their_eye(x, 4.0)), square),
    Op("slogdet", 1, lambda x: gg.linalg.slogdet(gg.tanh(x) + our_eye(x, 4.0))[1], lambda x: torch.linalg.slogdet(torch.tanh(x) + their_eye(x, 4.0))[1], square),
    Op("det", 1, lambda x: gg.linalg.det(gg.tanh(x)), lambda x: torch.linalg.det(torch.tanh(x)), square),
    Op("cholesky", 1, lambda x: gg.linalg.cholesky(gg.tanh(x) @ gg.tanh(x).mT + our_eye(x, 1.0)), lambda x: torch.linalg.cholesky(torch.tanh(x) @ torch.tanh(x).mT + their_eye(x, 1.0)), square),
]  # fmt: skip


def our_fill(x: Any, key: Any, value: float) -> Any:
    out = x * 2.0
    out[key] = value
    out[key] += 0.5
    return out + x


def their_fill(x: Any, key: Any, value: float) -> Any:
    out = x * 2.0
    out[key] = value
    out[key] += 0.5
    return out + x


def their_cond(x: Any, y: Any) -> Any:
    return torch.sin(x) * y if x.sum() > 0 else x - y * 2.0


def a_class(rng: Any, shape: Shape) -> Params | None:
    """One of the last axis for each row."""
    return {"target": rng.integers(0, shape[-1], shape[:-1])} if len(shape) >= 2 and shape[-1] > 1 else None


def a_fill(rng: Any, shape: Shape) -> Params | None:
    found = a_key(rng, shape) if shape and 0 not in shape else None
    return None if found is None else {**found, "value": float(rng.normal())}


def rows(rng: Any, shape: Shape) -> Params | None:
    return {} if shape and shape[-1] > 1 else None


COMPILED = [
    Op("layer_norm", 1, gg.layer_norm, lambda x: torch.nn.functional.layer_norm(x, x.shape[-1:]), rows),
    Op("cross_entropy", 1, lambda x, target: gg.cross_entropy(x, target, reduction="none", axis=-1), lambda x, target: -torch.log_softmax(x, -1).gather(-1, t(target)[..., None])[..., 0], a_class),
    Op("attention", 2, lambda x, y: gg.softmax(x @ y.mT, axis=-1) @ y, lambda x, y: torch.softmax(x @ y.mT, -1) @ y, lambda rng, x, y: {} if len(x) == len(y) == 2 and x[-1] == y[-1] else None),
    Op("dense", 2, lambda x, y: gg.tanh(x @ y + y[0]), lambda x, y: torch.tanh(x @ y + y[0]), lambda rng, x, y: {} if len(x) == len(y) == 2 and x[-1] == y[0] and y[0] > 0 else None),
    Op("shared", 1, lambda x: (lambda e: e / (1.0 + e) + e * x - gg.sin(x) * e)(gg.exp(gg.tanh(x))), lambda x: (lambda e: e / (1.0 + e) + e * x - torch.sin(x) * e)(torch.exp(torch.tanh(x)))),
    Op("centred", 1, lambda x: (x - gg.mean(x, axis=0)) * gg.sum(x, axis=-1, keepdims=True), lambda x: (x - x.mean(0)) * x.sum(-1, keepdim=True), lambda rng, s: {} if len(s) >= 2 and s[0] > 0 else None),
    Op("fill", 1, our_fill, their_fill, a_fill),
    Op("cond", 2, lambda x, y: gg.cond(gg.sum(x) > 0, lambda x, y: gg.sin(x) * y, lambda x, y: x - y * 2.0, x, y), their_cond, broadcastable),
    Op("isfinite", 1, lambda x: gg.where(gg.isfinite(1.0 / gg.relu(x)), x, 0.5 * x), lambda x: torch.where(torch.isfinite(1.0 / torch.relu(x)), x, 0.5 * x)),
    Op("steps", 1, lambda x: gg.astype(x > 0.1, gg.float64) * x + gg.astype(gg.cumsum(gg.astype(x > 0.0, gg.int64), axis=-1) % 3, gg.float64), lambda x: (x > 0.1).to(DTYPE) * x + (torch.cumsum((x > 0.0).to(torch.int64), -1) % 3).to(DTYPE), lambda rng, s: {} if s else None),
    Op("ones", 1, lambda x: x * 1.0 + gg.zeros_like(x) - -(x / 1.0) + 0.0, lambda x: x + x),
]  # fmt: skip
FAMILIES = [ELEMENTWISE, REDUCTIONS, SHAPES, INDEXING, PRODUCTS]
SHARES = [0.4, 0.17, 0.18, 0.12, 0.13]

AT_DISTANCE = 1e-4
"""How far from a kink a value must be for its step to be taken."""


# ---- drawing programs -----------------------------------------------------------------------------------------------------


def draw(seed: int, compiled: bool = False) -> Program:
    """The program of a seed; ``compiled``: with more of what a compiler joins, sizes of 1, and arrays without elements."""
    rng = np.random.default_rng([seed, 1] if compiled else seed)
    families, shares, least = FAMILIES, SHARES, 1
    if compiled:
        families, shares = [*FAMILIES, COMPILED], [*(0.6 * s for s in SHARES), 0.4]
        least = 0 if seed % 10 == 0 else 1
    inputs = [
        rng.normal(size=tuple(rng.integers(least, 4, int(rng.integers(0, 4))))) for _ in range(int(rng.integers(2, 5)))
    ]
    values = [torch.tensor(a) for a in inputs]
    steps: list[Step] = []
    while len(steps) < 4 + seed % 12:
        family = families[int(rng.choice(len(families), p=shares))]
        step = a_step(rng, family[int(rng.integers(len(family)))], [tuple(v.shape) for v in values])
        if step is None:
            continue
        given = [values[k] for k in step.operands]
        out = step.op.theirs(*given, **step.params)
        if not least <= out.numel() <= 64 or out.ndim > 3 or (out.numel() and not float(out.abs().max()) < 50):
            continue
        if smooth(step, given):
            steps.append(step)
            values.append(out)
    weights = [rng.normal(size=tuple(v.shape)) for v in values]
    return Program(inputs, steps, weights)


EMPTY = [*ELEMENTWISE, REDUCTIONS[0], *SHAPES[1:8], PRODUCTS[0]]
"""Operations that are drawn for arrays without elements, too."""


def a_step(rng: Any, op: Op, shapes: list[Shape]) -> Step | None:
    """The operation on values of which the late ones are likelier; None if the shapes do not allow it."""
    likely = np.arange(1.0, len(shapes) + 1)
    operands = tuple(int(k) for k in rng.choice(len(shapes), op.arity, p=likely / likely.sum()))
    if any(0 in shapes[k] for k in operands) and op not in EMPTY:
        return None
    params = op.draw(rng, *[shapes[k] for k in operands])
    return None if params is None else Step(op, operands, params)


def smooth(step: Step, given: Sequence[Any]) -> bool:
    """Whether every place at which the operation has a kink is at a distance."""
    x = given[0]
    match step.op.name:
        case "relu" | "abs" | "sinc":  # at 0 PyTorch's second derivative of sinc is NaN
            gaps = x
        case "isfinite":
            gaps = x
        case "steps":
            gaps = torch.cat([(x - 0.1).reshape(-1), x.reshape(-1)])
        case "cond":
            gaps = x.sum()
        case "clip":
            gaps = torch.cat([(x + 0.5).reshape(-1), (x - 0.7).reshape(-1)])
        case "floor":
            gaps = x - torch.round(x)
        case "maximum" | "minimum" | "where":
            gaps = given[0] - given[1]
        case "remainder":
            ratio = given[0] / (1.5 + torch.sin(given[1]))
            gaps = ratio - torch.round(ratio)
        case "max" | "min" | "sort":
            flat = torch.sort(x.reshape(-1)).values
            gaps = flat[1:] - flat[:-1]
        case "atan2" | "hypot":
            gaps = torch.hypot(*given)
        case "norm" | "var":
            gaps = step.op.theirs(*given, **step.params)
        case _:
            return True
    return bool((gaps.abs() > AT_DISTANCE).all())
