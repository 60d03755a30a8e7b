"""Data-parallel training: parameters that begin equal, and gradients that are averaged, in one message per dtype."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from gpugrad import errors, trace
from gpugrad.backends import select
from gpugrad.distributed import wire
from gpugrad.distributed.agreement import agree, by_rank
from gpugrad.distributed.group import group_of
from gpugrad.transforms.lift import raised
from gpugrad.transforms.modes import no_grad


class Held(NamedTuple):
    """What one rank has under a name."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    graded: bool = True

    def __str__(self) -> str:
        return f"{self.dtype}{list(self.shape)}" if self.graded else "no gradient"


def average_gradients(parameters: Any, *, weight: float = 1.0, group: Any = None) -> None:
    """Replace the gradient of each parameter by its mean over ranks: call it between ``backward`` and ``step``.

    ``parameters`` is a module, or tensors, or (name, tensor) pairs, in the same order on every rank. ``weight`` is how
    much this rank's gradients count, relative to the others': the number of items in its batch, where these differ and
    the loss is a mean over items. The gradients of one dtype travel together; float16 and bfloat16 are averaged in
    float32. Every rank gets the same bits, so that optimizers in the same state stay in the same state. Parameters
    without a gradient on any rank are left without.

    Raises on every rank, and then has changed nothing: DistributedError for a parameter that has a gradient on some
    ranks only, or that differs in shape or dtype, with its name; DeviceError for a gradient that is not on the CPU;
    ArgumentError for a weight that is not a positive number.

    >>> import gpugrad as gg
    >>> layer = gg.nn.Linear(2, 1)
    >>> layer(gg.ones((4, 2), dtype="float32")).sum().backward()
    >>> gg.distributed.average_gradients(layer, weight=4)
    >>> layer.weight.grad
    tensor([[4., 4.]], dtype=float32)
    """
    group = group_of(group)
    named, grads, held, problem = [], [], [], None
    try:
        named = _named("average_gradients", parameters)
        grads = [(p, p.grad.detach()) for _, p in named if p.grad is not None]
        held = [Held(n, p.dtype.name, p.shape, p.grad is not None) for n, p in named]
        _on_cpu("average_gradients", [g for _, g in grads])
        if not (weight > 0.0 and math.isfinite(weight)):
            raise errors.ArgumentError(f"average_gradients: weight={weight!r}; expected a positive number")
    except (errors.GpugradError, TypeError, ValueError) as found:
        problem = found
    agree(group, "average_gradients", held, _odd_one, problem)
    weights: list[float] = group.comm.allgather(float(weight))
    means = _bucketwise([g for _, g in grads], lambda flat: wire.all_reduce(group, flat, weights))
    for (p, _), mean in zip(grads, means, strict=True):
        p.grad = mean


def broadcast_parameters(module: Any, root: int = 0, *, group: Any = None) -> None:
    """Give every rank the parameters and buffers of the rank ``root``: call it before the first step.

    ``module`` is a module, or tensors, or (name, tensor) pairs, in the same order on every rank. They stay the same
    objects, so that an optimizer that was given them keeps working on them. Raises on every rank, and then has changed
    nothing: DistributedError for one that differs in shape or dtype, with its name; DeviceError for one that is not on
    the CPU; AxisError for a root that is not a rank.

    >>> import gpugrad as gg
    >>> gg.distributed.broadcast_parameters(gg.nn.Linear(2, 1))
    """
    group = group_of(group)
    named, held, problem = [], [], None
    try:
        named = _named("broadcast_parameters", module, buffers=True)
        held = [Held(n, t.dtype.name, t.shape) for n, t in named]
        _on_cpu("broadcast_parameters", [t for _, t in named])
        if root not in range(group.size):
            raise errors.AxisError(f"broadcast_parameters: root={root!r}; expected a rank, 0 to {group.size - 1}")
    except (errors.GpugradError, TypeError) as found:
        problem = found
    agree(group, "broadcast_parameters", (root, held), _other_root, problem)
    new = _bucketwise([t.detach() for _, t in named], lambda flat: wire.broadcast(group, flat, root))
    if group.rank != root:
        with no_grad():
            for (_, t), value in zip(named, new, strict=True):
                t.copy_(value)


def _named(what: str, given: Any, buffers: bool = False) -> list[tuple[str, Any]]:
    """Names and tensors; those without a name are counted."""
    if hasattr(given, "named_parameters"):
        named = list(given.named_parameters())
        return named + list(given.named_buffers()) if buffers else named
    items: Iterable[Any] = [given] if type(given) is trace.Tensor else given
    named = [item if isinstance(item, tuple) else (f"parameter {k}", item) for k, item in enumerate(items)]
    for name, t in named:
        if type(t) is not trace.Tensor:
            raise errors.UnsupportedError(
                f"{what}: {name} is a {type(t).__name__}; expected a module, tensors, or pairs of name and tensor"
            )
    return named


def _on_cpu(what: str, tensors: Iterable[Any]) -> None:
    for t in tensors:
        if t.device != "cpu":
            raise errors.DeviceError(f"{what}: a tensor on {t.device}; expected all of them on the CPU")


def _odd_one(name: str, told: Sequence[list[Held]]) -> Exception:
    """The error that names the first parameter in which ranks differ."""
    lengths = [f"{len(held)} tensors" for held in told]
    for of_ranks in zip(*told, strict=False):
        if len(set(of_ranks)) > 1:
            names = sorted({h.name for h in of_ranks})
            if len(names) > 1:
                return errors.DistributedError(
                    f"{name}: {by_rank([h.name for h in of_ranks])} in one place; expected the same parameters in the same order on every rank"
                )
            way = (
                "a gradient on every rank: let each result depend on it, if only times zero, or leave it out"
                if not all(h.graded for h in of_ranks)
                else "the same on every rank"
            )
            return errors.DistributedError(f"{name}: {names[0]}: {by_rank(of_ranks)}; expected {way}")
    return errors.DistributedError(f"{name}: {by_rank(lengths)}; expected the same parameters on every rank")


def _other_root(name: str, told: Sequence[tuple[int, list[Held]]]) -> Exception:
    if len({root for root, _ in told}) > 1:
        return errors.DistributedError(f"{name}: {by_rank([f'root {root}' for root, _ in told])}; expected one root")
    return _odd_one(name, [held for _, held in told])


def _bucketwise(tensors: Sequence[Any], run: Callable[[Any], Any]) -> list[Any]:
    """What ``run`` makes of the elements of all tensors of a dtype, laid out in one flat array; as tensors again."""
    raws = [np.asarray(select.of(t._data).to_numpy(t._data)) for t in tensors]
    out: list[Any] = [None] * len(raws)
    for dtype in dict.fromkeys(r.dtype for r in raws):
        at = [k for k, r in enumerate(raws) if r.dtype == dtype]
        flat = run(np.concatenate([raws[k].reshape(-1) for k in at]))
        ends = np.cumsum([raws[k].size for k in at])
        for k, end in zip(at, ends, strict=True):
            part = flat[end - raws[k].size : end].reshape(raws[k].shape)
            out[k] = raised(select.of(raws[k]).asarray(part, copy=True))
    return out
