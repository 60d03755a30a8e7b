"""How arrays are told to cuDNN, which takes them where they lie if their strides are of a kind it has: arithmetic only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from gpugrad.cuda.matmul_layout import Operand

Shape = tuple[int, ...]


class Laid(NamedTuple):
    """An array as cuDNN is told of it; strides are in elements."""

    shape: Shape
    strides: Shape


def in_rows(shape: Sequence[int]) -> Shape:
    """Strides of C's order.

    >>> in_rows((2, 3, 4))
    (12, 4, 1)
    """
    strides: list[int] = []
    step = 1
    for n in reversed(shape):
        strides.append(step)
        step *= n
    return tuple(reversed(strides))


def channels_last(shape: Sequence[int]) -> Shape:
    """Strides of (N, C, *space) that lies as (N, *space, C).

    >>> channels_last((2, 3, 4, 5))
    (60, 1, 15, 3)
    """
    n, c, *space = shape
    first, *rest, last = in_rows((n, *space, c))
    return first, last, *rest


def images(operands: Sequence[Operand]) -> list[Laid | None]:
    """Arrays (N, C, *space), weights among them; one axis of space becomes two. None for what is to be copied.

    Each may lie in C's order or with the channels last; what is both is taken to be as the others are.
    """
    shapes = [_in_two_axes(x.shape) for x in operands]
    given = [_in_elements(x) for x in operands]
    spread = [s if s is None else _in_two_axes(s, 0) for s in given]
    orders = [
        [order for order in (in_rows, channels_last) if s is not None and _same(shape, s, order(shape))]
        for shape, s in zip(shapes, spread, strict=True)
    ]
    wanted = channels_last if [channels_last] in orders else in_rows
    chosen = [wanted if wanted in found else found[0] if found else None for found in orders]
    return [None if order is None else Laid(s, order(s)) for s, order in zip(shapes, chosen, strict=True)]


def in_two_axes(stride: Shape, padding: Any, dilation: Shape) -> tuple[Shape, Any, Shape]:
    """Parameters of a convolution along one axis as those along two; more axes as they are."""
    if len(stride) != 1:
        return stride, padding, dilation
    return (1, *stride), ((0, 0), *padding), (1, *dilation)


def heads(operand: Operand) -> Laid | None:
    """An array (..., n, d) as (batch, heads, n, d), each axis wherever it lies but the last; None for what is to be copied."""
    strides = _in_elements(operand)
    if strides is None:
        return None
    *lead, n, d = operand.shape
    *apart, row, column = strides
    if (d > 1 and column != 1) or (n > 1 and row < d):
        return None
    axes = [(size, step) for size, step in zip(lead, apart, strict=True) if size > 1]
    while len(axes) > 2:
        (outer, far), (inner, near), *rest = axes
        if far != near * inner:
            return None
        axes = [(outer * inner, near), *rest]
    if any(step < d for _, step in axes):
        return None
    shape = (*(1,) * (2 - len(axes)), *(size for size, _ in axes), n, d)
    steps = {2 - len(axes) + k: step for k, (_, step) in enumerate(axes)} | ({2: row} if n > 1 else {})
    return Laid(shape, tuple(steps.get(k, step) for k, step in enumerate(in_rows(shape))))


def _in_two_axes(values: Shape, between: int = 1) -> Shape:
    return values if len(values) != 3 else (*values[:2], between, values[2])


def _in_elements(operand: Operand) -> Shape | None:
    size = operand.dtype.itemsize
    return None if any(s % size for s in operand.strides) else tuple(s // size for s in operand.strides)


def _same(shape: Shape, strides: Shape, wanted: Shape) -> bool:
    """Whether strides lead to the same places; that of an axis of one element does not matter."""
    return all(n == 1 or a == b for n, a, b in zip(shape, strides, wanted, strict=True))


def laid(name: str, operands: Sequence[Operand]) -> list[Laid | None]:
    """The operands and results of a primitive as cuDNN is told of them; None for what is to be copied in C's order."""
    if not name.startswith("attention"):
        return images(operands)
    rank = max(len(x.shape) for x in operands)
    return [heads(x if len(x.shape) == rank else _as_column(x)) for x in operands]


def _as_column(operand: Operand) -> Operand:
    """(..., n) as (..., n, 1): a number for each row."""
    return operand._replace(shape=(*operand.shape, 1), strides=(*operand.strides, operand.dtype.itemsize))
