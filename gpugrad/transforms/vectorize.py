"""vmap: a function over a batch, every operation once for all items."""

from __future__ import annotations

import functools as ft
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

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
        step = max(size, 1) if chunk_size is None else _at_least_one(chunk_size, name)
        parts = []
        for start in range(0, max(size, 1), step):
            stop = min(start + step, size)
            whole = stop - start == size
            chunk = [x if ax is None or whole else x[start:stop] for x, ax in zip(fronted, axes, strict=True)]
            parts.append(_batched(f, chunk, axes, tree, stop - start, kwargs))
        return _placed(parts, out_axes, name)

    return run


def _at_least_one(chunk_size: Any, name: str) -> int:
    if not isinstance(chunk_size, int | np.integer) or chunk_size < 1:
        raise errors.ShapeError(
            f"vmap of {name}: chunk_size={chunk_size!r}; expected an integer of at least 1, or None"
        )
    return int(chunk_size)


def _spread(axes: Any, args: Any, what: str) -> list[int | None]:
    """One axis for each leaf of ``args``, from a prefix of its structure."""
    if axes is None or isinstance(axes, int | np.integer):
        return [axes if axes is None else int(axes)] * len(pytree.leaves(args))
    given, wanted = pytree.children(axes), pytree.children(args)
    if given is None or wanted is None or given.keys() != wanted.keys():
        raise errors.ShapeError(
            f"{what}={axes!r} does not fit what it is for, {pytree.describe(pytree.flatten(args)[1])}; expected an int, None, or a container with the same keys or length"
        )
    return [ax for key, x in wanted.items() for ax in _spread(given[key], x, what)]


def _size(leaves: list[Any], axes: list[int | None], name: str) -> int:
    sizes = {}
    for x, ax in zip(leaves, axes, strict=True):
        if ax is not None:
            shape = lowered(x).shape
            if not -len(shape) <= ax < len(shape):
                raise errors.AxisError(f"vmap of {name}: axis {ax} is out of range for an argument of shape {shape}")
            sizes[shape[ax]] = shape
    if not sizes:
        raise errors.ShapeError(
            f"vmap of {name}: nothing is mapped, with in_axes {axes}; expected an axis for one argument at least"
        )
    if len(sizes) > 1:
        told = ", ".join(map(str, sizes.values()))
        raise errors.ShapeError(
            f"vmap of {name}: the mapped axes must have one size; the mapped arguments have shapes {told} with in_axes {axes}. Use None for what all items share"
        )
    return int(next(iter(sizes)))


def _batched(
    f: Callable[..., Any], leaves: list[Any], axes: list[int | None], tree: Any, size: int, kwargs: dict[str, Any]
) -> tuple[Any, Batch]:
    """The result for one chunk, with values of the trace in it, and the trace."""
    with Batch(size) as batch:
        values = [x if ax is None else value(lowered(x), batch, size) for x, ax in zip(leaves, axes, strict=True)]
        return f(*pytree.unflatten(tree, values), **kwargs), batch


def _placed(parts: list[tuple[Any, Batch]], out_axes: Any, name: str) -> Any:
    """The results of all chunks together, each along its axis."""
    first = parts[0][0]
    tree = pytree.flatten(first)[1]
    axes = _spread(out_axes, first, f"vmap of {name}: out_axes")
    columns = zip(
        *(pytree.leaves_like(tree, out, f"vmap of {name}: a chunk's result") for out, _ in parts), strict=True
    )
    batches = [batch for _, batch in parts]
    return pytree.unflatten(
        tree, [_together(column, batches, ax, name) for column, ax in zip(columns, axes, strict=True)]
    )


def _together(column: Sequence[Any], batches: Sequence[Batch], axis: int | None, name: str) -> Any:
    """One leaf of the result, from its chunks."""
    if axis is None:
        if any(batch.mark(v) is not None for v, batch in zip(column, batches, strict=True)):
            raise errors.AxisError(
                f"vmap of {name}: out_axes=None for a result that differs from item to item; expected an axis, None only for what all items share"
            )
        for v, batch in zip(column, batches, strict=True):
            if type(v) is trace.Tensor:
                batch.check_result(v, name)
        return raised(lowered(column[0]))
    fronts = [_front(v, batch, name) for v, batch in zip(column, batches, strict=True)]
    whole = fronts[0] if len(fronts) == 1 else concat(fronts, axis=0)
    if not -len(whole.shape) <= axis < len(whole.shape):
        raise errors.AxisError(
            f"vmap of {name}: out_axes={axis} is out of range for a result of shape {whole.shape[1:]} per item"
        )
    return whole if axis == 0 else moveaxis(whole, 0, axis)


def _front(v: Any, batch: Batch, name: str) -> Any:
    """A value of the trace, or one that all items share, with the items along the leading axis."""
    if batch.mark(v) is not None:
        return raised(v._data)
    if type(v) is trace.Tensor:
        batch.check_result(v, name)
    return raised(repeated(lowered(v), batch.size))
