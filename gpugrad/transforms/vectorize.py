"""vmap: a function over a batch, every operation once for all items."""

from __future__ import annotations

import functools as ft
from collections.abc import Callable
from typing import Any

from gpugrad import errors, pytree, trace
from gpugrad.ops.joining import concat
from gpugrad.ops.rearranging import moveaxis
from gpugrad.trace import value
from gpugrad.transforms.batch import Batch, repeated
from gpugrad.transforms.lift import lowered, raised


def vmap(
    f: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0, chunk_size: int | None = None
) -> Callable[..., Any]:
    """``f`` over a batch: every operation runs once, on all items.

    ``in_axes`` says for each argument along which axis its items lie, None for one that all share (an int stands for
    all arguments; a container of axes for the leaves of a container); ``out_axes`` where the items of each result go.
    ``chunk_size`` bounds the memory: that many items at a time. Raises ShapeError if the sizes differ, AxisError for an
    axis out of range.

    >>> import gpugrad as gg
    >>> gg.vmap(gg.vecdot, in_axes=(0, None))(gg.tensor([[1.0, 2.0], [3.0, 4.0]]), gg.tensor([1.0, 1.0]))
    tensor([3., 7.])
    """
    name = getattr(f, "__name__", type(f).__name__)

    @ft.wraps(f)
    def run(*args: Any, **kwargs: Any) -> Any:
        leaves, tree = pytree.flatten(args)
        axes = _spread(in_axes, args, f"vmap of {name}: in_axes")
        size = _size(leaves, axes, name)
        fronted = [x if ax is None else moveaxis(raised(lowered(x)), ax, 0) for x, ax in zip(leaves, axes, strict=True)]
        if chunk_size is None or chunk_size >= size:
            return _batched(f, fronted, axes, tree, size, out_axes, name, kwargs)
        if chunk_size < 1:
            raise ValueError(f"vmap of {name}: chunk_size={chunk_size}; expected at least 1")
        parts = []
        for start in range(0, size, chunk_size):
            stop = min(start + chunk_size, size)
            chunk = [x if ax is None else x[start:stop] for x, ax in zip(fronted, axes, strict=True)]
            parts.append(_batched(f, chunk, axes, tree, stop - start, 0, name, kwargs))
        whole = pytree.map(lambda *xs: concat(xs, axis=0), *parts)
        return _placed(whole, out_axes, name)

    return run


def _spread(axes: Any, args: Any, what: str) -> list[int | None]:
    """One axis for each leaf of ``args``, from a prefix of its structure."""
    if axes is None or isinstance(axes, int):
        return [axes] * len(pytree.leaves(args))
    if (
        type(axes) is not type(args) and not (isinstance(axes, list | tuple) and isinstance(args, list | tuple))
    ) or len(axes) != len(args):
        raise errors.ShapeError(
            f"{what}={axes!r} does not fit {len(args) if hasattr(args, '__len__') else 1} arguments of type {type(args).__name__}; expected an int, None, or the same structure"
        )
    pairs = [(axes[k], args[k]) for k in args] if isinstance(args, dict) else list(zip(axes, args, strict=True))
    return [ax for a, x in pairs for ax in _spread(a, x, what)]


def _size(leaves: list[Any], axes: list[int | None], name: str) -> int:
    sizes = {}
    for x, ax in zip(leaves, axes, strict=True):
        if ax is not None:
            shape = lowered(x).shape
            if not -len(shape) <= ax < len(shape):
                raise errors.AxisError(f"vmap of {name}: axis {ax} is out of range for an argument of shape {shape}")
            sizes[shape[ax]] = shape
    if len(sizes) != 1:
        told = ", ".join(map(str, sizes.values())) or "none"
        raise errors.ShapeError(
            f"vmap of {name}: the mapped axes must exist and have one size; the mapped arguments have shapes {told} with in_axes {axes}. Use None for what all items share"
        )
    return int(next(iter(sizes)))


def _batched(
    f: Callable[..., Any],
    leaves: list[Any],
    axes: list[int | None],
    tree: Any,
    size: int,
    out_axes: Any,
    name: str,
    kwargs: dict[str, Any],
) -> Any:
    with Batch(size) as batch:
        values = [x if ax is None else value(lowered(x), batch, size) for x, ax in zip(leaves, axes, strict=True)]
        out = f(*pytree.unflatten(tree, values), **kwargs)

    def front(v: Any) -> Any:
        if type(v) is trace.Tensor:
            if v._trace is batch:
                return raised(v._data)
            batch.check_result(v, name)
        return raised(repeated(lowered(v), size))

    return _placed(pytree.map(front, out), out_axes, name)


def _placed(out: Any, out_axes: Any, name: str) -> Any:
    if out_axes == 0:
        return out
    leaves, tree = pytree.flatten(out)
    axes = _spread(out_axes, out, f"vmap of {name}: out_axes")
    placed = [v[0] if ax is None else moveaxis(v, 0, ax) for v, ax in zip(leaves, axes, strict=True)]
    return pytree.unflatten(tree, placed)
