"""Contractions by name: einsum and NumPy's other products, lowered to the matrix product.

Two operands whose axes have labels become one: labels that both have are paired, and what nothing keeps is summed over.
That takes diagonals, sums, permutations and one matrix product, so nothing here needs a rule of its own.
"""

from __future__ import annotations

import functools as ft
import math
from collections.abc import Container, Hashable, Sequence
from typing import Any

import numpy as np

from gpugrad import dtypes, errors
from gpugrad.ops.bilinear import batches, mm, mT, shape_of
from gpugrad.ops.casting import lowered
from gpugrad.ops.elementwise import multiply
from gpugrad.ops.linear import conj, diagonal, permute, reduce_sum, reshape
from gpugrad.ops.reductions import sum as sum_of
from gpugrad.primitive import Shape
from gpugrad.shapes import axes_of, axis_of, integer_of
from gpugrad.trace import Array

# ---- two operands whose axes have labels ----------------------------------------------------------------------------

Label = Hashable
Labels = tuple[Label, ...]


def _arranged(x: Any, have: Labels, want: Labels) -> Any:
    """The axes of ``x`` in another order."""
    return x if have == want else permute(x, perm=tuple(have.index(k) - len(have) for k in want))


def _matrices(x: Any, have: Labels, batch: Labels, rows: Labels, columns: Labels) -> Any:
    """(batch, rows, columns), each group of axes as one; no axis for an empty batch."""
    if have == batch + columns + rows and rows and columns:
        return mT(_matrices(x, have, batch, columns, rows))  # a transposed view, where a permutation would be copied
    x = _arranged(x, have, batch + rows + columns)
    s, b, r = x.shape, len(batch), len(batch) + len(rows)
    to = (*((math.prod(s[:b]),) if b else ()), math.prod(s[b:r]), math.prod(s[r:]))
    return x if to == s else reshape(x, to=to, rank=len(s))


def _contracted(x: Any, a: Labels, y: Any, b: Labels, keep: Container[Label]) -> tuple[Any, Labels]:
    """Two operands as one: labels that both have pair up, and those of them that nothing keeps are summed over."""
    common = tuple(k for k in a if k in b)
    batch = tuple(k for k in common if k in keep)
    summed = tuple(k for k in common if k not in keep)
    left, right = tuple(k for k in a if k not in common), tuple(k for k in b if k not in common)
    if not summed:
        x, y = _arranged(x, a, batch + left), _arranged(y, b, batch + right)
        if right and a:
            s = x.shape
            x = reshape(x, to=(*s, *(1,) * len(right)), rank=len(s))
        if left and batch:
            t = y.shape
            y = reshape(y, to=(*t[: len(batch)], *(1,) * len(left), *t[len(batch) :]), rank=len(t))
        return multiply(x, y), batch + left + right
    x, y = lowered(x, y)
    sizes = dict(zip(a, x.shape, strict=True)) | dict(zip(b, y.shape, strict=True))
    out = mm(_matrices(x, a, batch, left, summed), _matrices(y, b, batch, summed, right))
    labels = batch + left + right
    to = tuple(sizes[k] for k in labels)
    return out if out.shape == to else reshape(out, to=to, rank=len(out.shape)), labels


def _reduced(x: Any, labels: Labels, keep: Container[Label]) -> tuple[Any, Labels]:
    """One operand with its repeated labels made diagonals, and summed over the labels that nothing keeps."""
    for k in dict.fromkeys(labels):
        while labels.count(k) > 1:
            i = labels.index(k)
            j = labels.index(k, i + 1)
            rest = tuple(p for p in range(len(labels)) if p not in (i, j))
            x = diagonal(permute(x, perm=tuple(p - len(labels) for p in (*rest, i, j))))
            labels = (*(labels[p] for p in rest), k)
    gone = tuple(p - len(labels) for p, k in enumerate(labels) if k not in keep)
    if gone:
        x, labels = reduce_sum(x, axis=gone), tuple(k for k in labels if k in keep)
    return x, labels


# ---- einsum ---------------------------------------------------------------------------------------------------------


def _spelled(term: str, rank: int, subscripts: str) -> Labels:
    """The labels of one operand; axes under the ellipsis are numbered from the last one."""
    if "..." not in term:
        labels: Labels = tuple(term)
    else:
        before, after = term.split("...", 1)
        labels = (*before, *range(rank - len(before) - len(after), 0, -1), *after)
    if len(labels) != rank or any(isinstance(k, str) and not k.isalpha() for k in labels):
        raise errors.ShapeError(
            f"einsum: {term!r} in {subscripts!r} for an operand of {rank} axes; expected one letter per axis, or '...' for the axes that have none"
        )
    return labels


@ft.lru_cache(maxsize=1024)
def _parsed(subscripts: str, shapes: tuple[Shape, ...]) -> tuple[tuple[Labels, ...], Labels, dict[Label, int]]:
    """The labels of the operands and of the result, and the size of each label."""
    text = subscripts.replace(" ", "")
    inputs, arrow, output = text.partition("->")
    terms = inputs.split(",")
    if len(terms) != len(shapes):
        raise errors.ShapeError(f"einsum: {subscripts!r} is for {len(terms)} operands, and there are {len(shapes)}")
    operands = tuple(_spelled(term, len(shape), subscripts) for term, shape in zip(terms, shapes, strict=True))
    sizes: dict[Label, int] = {}
    for labels, shape in zip(operands, shapes, strict=True):
        own = dict(zip(labels, shape, strict=True))
        for k, n in zip(labels, shape, strict=True):
            if own[k] != n or (n != 1 and sizes.get(k, 1) not in (1, n)):
                name = repr(k) if isinstance(k, str) else f"axis -{k} of the ellipsis"
                raise errors.ShapeError(
                    f"einsum: {subscripts!r} with shapes {', '.join(map(str, shapes))}: {name} has sizes {sizes.get(k, own[k])} and {n}; expected one size, or 1 in an operand that broadcasts"
                )
            sizes[k] = n if n != 1 else sizes.get(k, 1)
    ellipsis = tuple(range(max((k for k in sizes if isinstance(k, int)), default=0), 0, -1))
    if arrow:
        before, dots, after = output.partition("...")
        if ellipsis and not dots:
            raise errors.ShapeError(
                f"einsum: the result {output!r} of {subscripts!r} with shapes {', '.join(map(str, shapes))}; expected '...' in it too, for the {len(ellipsis)} axes that have no letter. To sum over them, give them letters"
            )
        result: Labels = (*before, *ellipsis, *after) if dots else tuple(output)
    else:
        letters = inputs.replace(",", "").replace("...", "")
        result = (*ellipsis, *sorted(k for k in set(letters) if letters.count(k) == 1))
    if len(set(result)) != len(result) or any(k not in sizes for k in result):
        raise errors.ShapeError(
            f"einsum: the result {output!r} of {subscripts!r}; expected each label at most once, and only labels of the operands"
        )
    return operands, result, sizes


@ft.lru_cache(maxsize=1024)
def _path(operands: tuple[Labels, ...], result: Labels, shapes: tuple[Shape, ...]) -> list[tuple[int, ...]]:
    """Which operands to contract, step by step; what comes out goes to the end of the list."""
    if len(operands) <= 2:
        return [(0, 1)] if len(operands) == 2 else []
    names: dict[Label, int] = {}
    for labels in operands:
        for k in labels:
            names.setdefault(k, len(names))
    path: list[tuple[int, ...]]
    try:
        import opt_einsum
    except ImportError:
        if len(names) > 52:
            raise errors.missing_extra(
                "opt_einsum", "train", "einsum of three operands or more with over 52 labels"
            ) from None
        given = [
            v for labels, s in zip(operands, shapes, strict=True) for v in (_hollow(s), [names[k] for k in labels])
        ]
        path = np.einsum_path(*given, [names[k] for k in result], optimize="greedy")[0][1:]
        return path
    terms = ["".join(opt_einsum.get_symbol(names[k]) for k in labels) for labels in (*operands, result)]
    path = opt_einsum.contract_path(f"{','.join(terms[:-1])}->{terms[-1]}", *shapes, shapes=True)[0]
    return path


def _hollow(shape: Shape) -> Any:
    """An array of that shape, of one element in memory."""
    return np.broadcast_to(np.zeros(()), shape)


def _squeezed(x: Any, labels: Labels, sizes: dict[Label, int]) -> tuple[Any, Labels]:
    """Without the axes of size 1 that broadcast against another operand."""
    shape = shape_of(x)
    kept = tuple(n == sizes[k] for n, k in zip(shape, labels, strict=True))
    if all(kept):
        return x, labels
    to = tuple(n for n, keep in zip(shape, kept, strict=True) if keep)
    return reshape(x, to=to, rank=len(shape)), tuple(k for k, keep in zip(labels, kept, strict=True) if keep)


def einsum(subscripts: str, *operands: Array) -> Array:
    """Einstein's summation: ``"ij,jk->ik"`` is the matrix product.

    Every axis of every operand has a letter; axes that share a letter run together, and those whose letter is not in
    the result are summed over. ``...`` stands for axes that broadcast. Without ``->`` the result has, after the axes of
    the ellipsis, the letters that occur once, in alphabetical order. A letter that occurs twice in one operand takes
    its diagonal.

    Operands are contracted two at a time, each step a matrix product; for three or more opt_einsum (extra ``train``),
    or NumPy where it is not installed, finds an order that is cheap. Raises ShapeError for subscripts that do not fit.

    >>> import gpugrad as gg
    >>> gg.einsum("ij,j->i", gg.tensor([[1.0, 2.0], [3.0, 4.0]]), gg.tensor([1.0, 1.0]))
    tensor([3., 7.])
    """
    if not isinstance(subscripts, str):
        raise errors.DtypeError(
            f"einsum: subscripts of type {type(subscripts).__name__}; expected a string such as 'ij,jk->ik'. gg.numpy.einsum takes lists of labels too"
        )
    shapes = tuple(map(shape_of, operands))
    labels, result, sizes = _parsed(subscripts, shapes)
    waiting = [_squeezed(x, k, sizes) for x, k in zip(operands, labels, strict=True)]
    path = _path(tuple(k for _, k in waiting), result, tuple(shape_of(x) for x, _ in waiting))
    for step in path:
        taken = [waiting[k] for k in step]
        waiting = [w for k, w in enumerate(waiting) if k not in step]
        x, a = taken[0]
        for position, (y, b) in enumerate(taken[1:], 2):
            later = {k for _, other in (*taken[position:], *waiting) for k in other} | set(result)
            x, a = _reduced(x, a, later | set(b))
            y, b = _reduced(y, b, later | set(a))
            x, a = _contracted(x, a, y, b, later)
        waiting.append((x, a))
    ((x, a),) = waiting
    x, a = _reduced(x, a, result)
    return _arranged(x, a, result)


# ---- NumPy's other products -----------------------------------------------------------------------------------------


def tensordot(x: Array, y: Array, axes: int | Sequence[Any] = 2) -> Array:
    """The sum of products over ``axes``: that many last axes of ``x`` and first axes of ``y``, or a pair of lists of them.

    The result has the other axes of ``x``, then those of ``y``. One matrix product. Raises ShapeError if the sizes
    differ, AxisError for an axis out of range.

    >>> import gpugrad as gg
    >>> gg.tensordot(gg.ones((2, 3, 4)), gg.ones((4, 3, 5)), axes=([1, 2], [1, 0])).shape
    (2, 5)
    """
    if isinstance(axes, Sequence | np.ndarray):
        if len(axes) != 2:
            raise errors.ShapeError(
                f"tensordot: axes={axes!r}; expected an integer, or a pair of axes or of lists of them"
            )
        return _paired(x, y, axes[0], axes[1], "tensordot")
    n, s, t = integer_of(axes, "tensordot", "axes"), shape_of(x), shape_of(y)
    if not 0 <= n <= min(len(s), len(t)):
        raise errors.AxisError(f"tensordot: axes={n} for shapes {s} and {t}; expected at most as many as either has")
    return _paired(x, y, range(-n, 0), range(n), "tensordot")


def _paired(x: Any, y: Any, left: Any, right: Any, name: str) -> Any:
    """The sum of products over some axes of ``x``, each beside one of ``y``."""
    s, t = shape_of(x), shape_of(y)
    i, j = axes_of(left, s, name), axes_of(right, t, name)
    if [s[k] for k in i] != [t[k] for k in j]:
        raise errors.ShapeError(
            f"{name}: shapes {s} and {t} summed over axes {i} and {j}; expected as many axes, in pairs of one size"
        )
    a: list[Label] = list(range(len(s)))
    b: list[Label] = list(range(len(s), len(s) + len(t)))
    for k, m in zip(i, j, strict=True):
        b[m] = a[k]
    return _contracted(x, tuple(a), y, tuple(b), [k for k in (*a, *b) if not (k in a and k in b)])[0]


def outer(x: Array, y: Array) -> Array:
    """The products of every element of ``x`` with every element of ``y``, both flattened: shape (x.size, y.size).

    >>> import gpugrad as gg
    >>> gg.outer(gg.tensor([1.0, 2.0]), gg.tensor([3.0, 4.0]))
    tensor([[3., 4.],
            [6., 8.]])
    """
    s, t = shape_of(x), shape_of(y)
    columns = reshape(x, to=(math.prod(s), 1), rank=len(s))
    return multiply(columns, reshape(y, to=(1, math.prod(t)), rank=len(t)))


def _last(x: Any, axis: int) -> Any:
    """``x`` with one axis moved to the end."""
    return x if axis == -1 else permute(x, perm=(*(k for k in range(-len(x.shape), 0) if k != axis), axis))


def vecdot(x: Array, y: Array, axis: int = -1) -> Array:
    """The sum of conj(x) · y along an axis, with the other axes broadcast.

    Raises ShapeError if the sizes along the axis differ or the others do not broadcast, AxisError for an axis out of
    range.

    >>> import gpugrad as gg
    >>> gg.vecdot(gg.tensor([[1.0, 2.0], [3.0, 4.0]]), gg.tensor([1.0, 1.0]))
    tensor([3., 7.])
    """
    s, t = shape_of(x), shape_of(y)
    i, j = axis_of(axis, s, "vecdot"), axis_of(axis, t, "vecdot")
    if s[i] != t[j]:
        raise errors.ShapeError(
            f"vecdot: shapes {s} and {t} along axis {axis}: {s[i]} and {t[j]} elements; expected as many"
        )
    batches("vecdot", s, t, *(tuple(n for k, n in enumerate(u, -len(u)) if k != p) for u, p in ((s, i), (t, j))))
    x = conj(x) if dtypes.is_complex(x.dtype) else x
    return reduce_sum(multiply(_last(x, i), _last(y, j)), axis=(-1,))


def dot(x: Array, y: Array) -> Array:
    """NumPy's ``dot``: the last axis of ``x`` against the last but one of ``y``, or against its only one.

    A number multiplies. For matrices prefer :func:`matmul`: for more axes this is an outer product over the others.
    Raises ShapeError if the sizes differ.

    >>> import gpugrad as gg
    >>> gg.dot(gg.tensor([1.0, 2.0]), gg.tensor([3.0, 4.0]))
    tensor(11.)
    """
    s, t = shape_of(x), shape_of(y)
    if not s or not t:
        return multiply(x, y)
    return _paired(x, y, -1, -1 if len(t) == 1 else -2, "dot")


def inner(x: Array, y: Array) -> Array:
    """The sum of products over the last axes of both (without conjugation); a number multiplies.

    Raises ShapeError if the sizes differ.

    >>> import gpugrad as gg
    >>> gg.inner(gg.tensor([[1.0, 2.0], [3.0, 4.0]]), gg.tensor([1.0, 1.0]))
    tensor([3., 7.])
    """
    if not shape_of(x) or not shape_of(y):
        return multiply(x, y)
    return _paired(x, y, -1, -1, "inner")


def kron(x: Array, y: Array) -> Array:
    """Kronecker's product: every element of ``x`` replaced by its multiple of ``y``.

    The operand with fewer axes gets axes of size 1 in front; sizes multiply.

    >>> import gpugrad as gg
    >>> gg.kron(gg.tensor([1.0, 10.0]), gg.tensor([1.0, 2.0]))
    tensor([ 1.,  2., 10., 20.])
    """
    s, t = shape_of(x), shape_of(y)
    if not s or not t:
        return multiply(x, y)
    rank = max(len(s), len(t))
    a, b = (1,) * (rank - len(s)) + s, (1,) * (rank - len(t)) + t
    blocks = reshape(x, to=tuple(n for k in a for n in (k, 1)), rank=len(s))
    inside = reshape(y, to=tuple(n for k in b for n in (1, k)), rank=len(t))
    return reshape(multiply(blocks, inside), to=tuple(m * n for m, n in zip(a, b, strict=True)), rank=2 * rank)


def trace(x: Array, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None) -> Array:
    """The sum along the diagonals of the matrices in two axes, the first two unless given; the other axes stay.

    Smaller integers and booleans are summed in 64 bits, as by ``sum``; or in ``dtype``. Raises AxisError if an axis is
    out of range or both are one.

    >>> import gpugrad as gg
    >>> gg.numpy.trace(gg.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor(5.)
    """
    shape = x.shape
    i, j = axes_of((axis1, axis2), shape, "trace")
    rest = tuple(k for k in range(-len(shape), 0) if k not in (i, j))
    offset = integer_of(offset, "trace", "offset")
    return sum_of(diagonal(permute(x, perm=(*rest, i, j)), offset), axis=-1, dtype=dtype)


__all__ = ["dot", "einsum", "inner", "kron", "outer", "tensordot", "trace", "vecdot"]
