"""Windows that slide over the last axes, for convolution and pooling: their sizes, their taps, and unfold with fold.

A *tap* is one place in the window. Seen from a tap, the input is a strided slice, so a loop over the few taps in place
of one over the many windows is fast in any array library.
"""

from __future__ import annotations

import itertools as it
import math
import operator
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from gpugrad import errors
from gpugrad.primitive import Primitive, Shape, linear

Pairs = tuple[tuple[int, int], ...]
Sizes = int | Sequence[int]


def sizes_of(given: Sizes, n: int, name: str, what: str, least: int = 1) -> Shape:
    """One integer for each of ``n`` axes; ShapeError if that is not what is given, or one is too small."""
    try:
        out = tuple(map(operator.index, given if isinstance(given, Iterable) else (given,) * n))
    except errors.TraceError:
        raise
    except TypeError:
        out = ()
    if len(out) != n or any(k < least for k in out):
        raise errors.ShapeError(
            f"{name}: {what}={given!r}; expected an int of at least {least}, or {n} of them, one per spatial axis"
        )
    return out


def extent(kernel: Shape, dilation: Shape) -> Shape:
    """How far a window reaches along each axis."""
    return tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))


def count(size: Shape, kernel: Shape, stride: Shape, padding: Pairs, dilation: Shape) -> Shape:
    """How many windows fit along each axis (0 or less: none)."""
    reach = extent(kernel, dilation)
    return tuple((n + lo + hi - e) // s + 1 for n, (lo, hi), e, s in zip(size, padding, reach, stride, strict=True))


def check_fits(name: str, size: Shape, kernel: Shape, stride: Shape, padding: Pairs, dilation: Shape) -> None:
    """ShapeError unless at least one window fits."""
    if min(count(size, kernel, stride, padding, dilation), default=1) < 1:
        raise errors.ShapeError(
            f"{name}: a window of {extent(kernel, dilation)} (kernel {kernel}, dilation {dilation}) does not fit the spatial axes {size} with padding {padding}. Use a smaller kernel, or pad more"
        )


def padded(xp: Any, x: Any, padding: Pairs, fill: Any = 0) -> Any:
    """``x`` with so many elements more before and after its last axes."""
    if not any(lo or hi for lo, hi in padding):
        return x
    lead = x.ndim - len(padding)
    out = xp.full(x.shape[:lead] + padded_size(x.shape[lead:], padding), fill, dtype=x.dtype)
    out[inner(x.shape[lead:], padding)] = x
    return out


def inner(size: Shape, padding: Pairs) -> tuple[Any, ...]:
    """The index of what is not padding."""
    return (..., *(slice(lo, lo + n) for n, (lo, _) in zip(size, padding, strict=True)))


def taps(windows: Shape, kernel: Shape, stride: Shape, dilation: Shape) -> Iterator[tuple[Any, ...]]:
    """For each place in the window, the index into the padded array of what lies there, in all windows."""
    for place in it.product(*map(range, kernel)):
        yield (
            ...,
            *(
                slice(p * d, p * d + (n - 1) * s + 1, s)
                for p, d, s, n in zip(place, dilation, stride, windows, strict=True)
            ),
        )


def stacked(xp: Any, parts: Sequence[Any], n: int) -> Any:
    """Arrays of one shape along a new axis before their last ``n``.

    As blocks of the axis before that, which keeps their order in memory, where a new axis would become the innermost.
    """
    shape = parts[0].shape
    if len(shape) == n:
        return xp.stack(parts, axis=0)
    lead, at = shape[: -n - 1], len(shape) - n - 1
    blocks = xp.reshape(xp.concat(parts, axis=at), (*lead, len(parts), *shape[at:]))
    return xp.permute_dims(blocks, (*range(at), at + 1, at, *range(at + 2, len(shape) + 1)))


def _unfold(xp: Any, x: Any, *, kernel: Shape, stride: Shape, padding: Pairs, dilation: Shape) -> Any:
    n = len(kernel)
    windows = count(x.shape[-n:], kernel, stride, padding, dilation)
    x = padded(xp, x, padding)
    return stacked(xp, [x[tap] for tap in taps(windows, kernel, stride, dilation)], n)


def padded_size(size: Shape, padding: Pairs) -> Shape:
    """The lengths of axes with their padding."""
    return tuple(k + lo + hi for k, (lo, hi) in zip(size, padding, strict=True))


def folded(out: Any, x: Any, *, size: Shape, kernel: Shape, stride: Shape, padding: Pairs, dilation: Shape) -> Any:
    """The windows in ``x`` added to ``out``, which is padded, where they came from; without the padding."""
    n = len(kernel)
    behind = (slice(None),) * n
    for k, tap in enumerate(taps(x.shape[x.ndim - n :], kernel, stride, dilation)):
        out[tap] += x[(..., k, *behind)]
    return out[inner(size, padding)]


def _fold(xp: Any, x: Any, *, size: Shape, padding: Pairs, **params: Any) -> Any:
    out = xp.zeros(x.shape[: x.ndim - len(size) - 1] + padded_size(size, padding), dtype=x.dtype)
    return folded(out, x, size=size, padding=padding, **params)


def _unfold_shape(s: Shape, *, kernel: Shape, stride: Shape, padding: Pairs, dilation: Shape) -> Shape:
    n = len(kernel)
    return (*s[:-n], math.prod(kernel), *count(s[-n:], kernel, stride, padding, dilation))


unfold: Primitive = linear(
    "unfold",
    lambda g, shape, kernel, stride, padding, dilation: fold(
        g, size=shape[-len(kernel) :], kernel=kernel, stride=stride, padding=padding, dilation=dilation
    ),
    forward=_unfold,
    shape=_unfold_shape,
    doc="The windows over the last axes: their taps on a new axis, before the axes that count the windows.",
)
fold: Primitive = linear(
    "fold",
    lambda g, kernel, stride, padding, dilation: unfold(
        g, kernel=kernel, stride=stride, padding=padding, dilation=dilation
    ),
    forward=_fold,
    shape=lambda s, *, size, **_: (*s[: -len(size) - 1], *size),
    doc="Windows added up where they came from, in an array whose last axes are ``size``.",
)

__all__: list[str] = []
