"""Convolution: three primitives, closed under differentiation.

A convolution is a trilinear form, the sum over n, o, t, c and k of ``g[n, o, t] w[o, c, k] x[n, c, t * stride + k *
dilation - before]``. Leave one of g, x, w free, and each primitive is what stands in its place: :data:`conv` gives g's,
:data:`conv_input` x's and :data:`conv_weight` w's. The derivative of any of them is one of the other two.

Layouts are PyTorch's: x (N, C, *space), w (O, C / groups, *kernel), g (N, O, *windows).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from gpugrad import errors
from gpugrad.ops.bilinear import shape_of
from gpugrad.ops.casting import lowered
from gpugrad.ops.elementwise import add
from gpugrad.ops.linear import permute, reshape, zeros
from gpugrad.ops.windows import Pairs, Sizes, check_fits, count, extent, inner, padded, padded_size, sizes_of, taps
from gpugrad.primitive import Primitive, Shape, bilinear
from gpugrad.shapes import integer_of
from gpugrad.trace import Array, bind

# ---- the forwards: one matrix product per group, on columns that hold the windows -----------------------------------
# Channels lead and the items of the batch come last, so that rearranging copies nothing but the windows themselves, and
# a window's tap is copied in runs as long as the batch times the last axis. Results are views of arrays laid out so,
# which elementwise operations keep: the next convolution finds its input as it wants it.


def _items_last(xp: Any, x: Any) -> Any:
    """(N, C, *space) as (C, *space, N)."""
    return xp.permute_dims(x, (*range(1, x.ndim), 0))


def _items_first(xp: Any, x: Any) -> Any:
    return xp.permute_dims(x, (x.ndim - 1, *range(x.ndim - 1)))


def _columns(xp: Any, x: Any, kernel: Shape, stride: Shape, padding: Pairs, dilation: Shape, groups: int) -> Any:
    """(groups, C / groups * taps, windows * N), and the number of windows along each axis."""
    c, n = x.shape[1], x.shape[0]
    windows = count(x.shape[2:], kernel, stride, padding, dilation)
    x = padded(xp, _items_last(xp, x), (*padding, (0, 0)))
    cols = xp.stack([x[(*tap, slice(None))] for tap in taps(windows, kernel, stride, dilation)], axis=1)
    return xp.reshape(cols, (groups, c // groups * math.prod(kernel), math.prod(windows) * n)), windows


def _grouped(xp: Any, x: Any, groups: int) -> Any:
    """(A, B, *rest) as (groups, A / groups, B * rest)."""
    return xp.reshape(x, (groups, x.shape[0] // groups, math.prod(x.shape[1:])))


def _conv(xp: Any, x: Any, w: Any, *, stride: Shape, padding: Pairs, dilation: Shape, groups: int) -> Any:
    cols, windows = _columns(xp, x, w.shape[2:], stride, padding, dilation, groups)
    out = xp.matmul(_grouped(xp, w, groups), cols)
    return _items_first(xp, xp.reshape(out, (w.shape[0], *windows, x.shape[0])))


def _conv_input(
    xp: Any, g: Any, w: Any, *, size: Shape, stride: Shape, padding: Pairs, dilation: Shape, groups: int
) -> Any:
    kernel, windows = w.shape[2:], g.shape[2:]
    c, n = w.shape[1] * groups, g.shape[0]
    cols = xp.matmul(xp.matrix_transpose(_grouped(xp, w, groups)), _grouped(xp, _items_last(xp, g), groups))
    cols = xp.reshape(cols, (c, math.prod(kernel), *windows, n))
    out = xp.zeros((c, *padded_size(size, padding), n), dtype=cols.dtype)
    for k, tap in enumerate(taps(windows, kernel, stride, dilation)):
        out[(*tap, slice(None))] += cols[:, k, ...]
    return _items_first(xp, out[(*inner(size, padding), slice(None))])


def _conv_weight(
    xp: Any, x: Any, g: Any, *, kernel: Shape, stride: Shape, padding: Pairs, dilation: Shape, groups: int
) -> Any:
    cols, _ = _columns(xp, x, kernel, stride, padding, dilation, groups)
    out = xp.matmul(_grouped(xp, _items_last(xp, g), groups), xp.matrix_transpose(cols))
    return xp.reshape(out, (g.shape[1], x.shape[1] // groups, *kernel))


# ---- batching: the new axis joins an axis that is there -------------------------------------------------------------

_AXES = {"conv": ("NC", "OC", "NO"), "conv_input": ("NO", "OC", "NC"), "conv_weight": ("NC", "NO", "OC")}
"""The first two axes of the operands and of the output."""


def _outer(axes: str, letter: str, groups: int) -> int:
    """How many groups an axis runs through: C counts within its group in w, and over all of them elsewhere."""
    return 1 if letter == "N" or (letter == "C" and axes == "OC") else groups


def _join(x: Any, place: int, outer: int) -> Any:
    """The leading axis merged into axis ``place`` of the others, inside of ``outer`` groups."""
    b, *rest = x.shape
    split = (b, *rest[:place], outer, rest[place] // outer, *rest[place + 1 :])
    n = len(split)
    x = reshape(x, to=split, rank=len(x.shape))
    x = permute(x, perm=tuple(k - n for k in (*range(1, place + 2), 0, *range(place + 2, n))))
    return reshape(x, to=(*rest[:place], b * rest[place], *rest[place + 1 :]), rank=n)


def _part(x: Any, place: int, outer: int, b: int) -> Any:
    """The opposite of :func:`_join`."""
    s = x.shape
    split = (*s[:place], outer, b, s[place] // (outer * b), *s[place + 1 :])
    n = len(split)
    x = reshape(x, to=split, rank=len(s))
    x = permute(x, perm=tuple(k - n for k in (place + 1, *range(place + 1), *range(place + 2, n))))
    return reshape(x, to=(b, *s[:place], s[place] // b, *s[place + 1 :]), rank=n)


def _batch(prim: Primitive, size: int, data: Sequence[Any], flags: Sequence[bool], params: dict[str, Any]) -> Any:
    """One batched operand: its axis joins the axis that it shares with the output. Two: each item is its own group."""
    *operands, result = _AXES[prim.name]
    groups = params["groups"]
    if size == 0:
        shape = prim.shape(*(x.shape[1:] if f else x.shape for x, f in zip(data, flags, strict=True)), **params)
        return zeros(data[flags.index(True)], (0, *shape))
    if all(flags):
        joined = [
            _join(x, *((axes.index("O"), 1) if "O" in axes else (1, 1))) for x, axes in zip(data, operands, strict=True)
        ]
        out = bind(prim, joined, {**params, "groups": groups * size})
        return _part(out, result.index("O") if "O" in result else 1, 1, size)
    k = flags.index(True)
    (letter,) = set(operands[k]) & set(result)
    given = list(data)
    given[k] = _join(data[k], operands[k].index(letter), _outer(operands[k], letter, groups))
    return _part(bind(prim, given, params), result.index(letter), _outer(result, letter, groups), size)


# ---- the primitives -------------------------------------------------------------------------------------------------

conv: Primitive = bilinear(
    "conv",
    lambda g, y, shape, stride, padding, dilation, groups: conv_input(
        g, y, size=shape[2:], stride=stride, padding=padding, dilation=dilation, groups=groups
    ),
    lambda g, x, shape, stride, padding, dilation, groups: conv_weight(
        x, g, kernel=shape[2:], stride=stride, padding=padding, dilation=dilation, groups=groups
    ),
    forward=_conv,
    shape=lambda x, w, *, stride, padding, dilation, groups: (
        x[0], w[0], *count(x[2:], w[2:], stride, padding, dilation)
    ),
    batch=_batch,
    doc="Cross-correlation of x (N, C, *space) with w (O, C / groups, *kernel).",
)  # fmt: skip
conv_input: Primitive = bilinear(
    "conv_input",
    lambda g, y, stride, padding, dilation, groups: conv(
        g, y, stride=stride, padding=padding, dilation=dilation, groups=groups
    ),
    lambda g, x, shape, stride, padding, dilation, groups: conv_weight(
        g, x, kernel=shape[2:], stride=stride, padding=padding, dilation=dilation, groups=groups
    ),
    forward=_conv_input,
    shape=lambda g, w, *, size, groups, **_: (g[0], w[1] * groups, *size),
    batch=_batch,
    doc="The transposed convolution of g (N, O, *windows) with w (O, C / groups, *kernel): (N, C, *size).",
)
conv_weight: Primitive = bilinear(
    "conv_weight",
    lambda g, y, shape, stride, padding, dilation, groups: conv_input(
        y, g, size=shape[2:], stride=stride, padding=padding, dilation=dilation, groups=groups
    ),
    lambda g, x, stride, padding, dilation, groups: conv(
        x, g, stride=stride, padding=padding, dilation=dilation, groups=groups
    ),
    forward=_conv_weight,
    shape=lambda x, g, *, kernel, groups, **_: (g[1], x[1] // groups, *kernel),
    batch=_batch,
    doc="What multiplies a weight in a convolution of x (N, C, *space) that is paired with g (N, O, *windows).",
)

# ---- what users call ------------------------------------------------------------------------------------------------


def _padding_of(given: Any, n: int, kernel: Shape, stride: Shape, dilation: Shape, name: str) -> Pairs:
    if isinstance(given, Iterable) and not isinstance(given, str) and any(isinstance(p, Iterable) for p in given):
        try:
            pairs = tuple(sizes_of(p, 2, name, "padding", 0) for p in given)
        except errors.ShapeError:
            pairs = ()
        if len(pairs) != n:
            raise errors.ShapeError(
                f"{name}: padding={given!r}; expected {n} ints or pairs (before, after) of at least 0"
            )
        return tuple((lo, hi) for lo, hi in pairs)
    if not isinstance(given, str):
        return tuple((p, p) for p in sizes_of(given, n, name, "padding", 0))
    if given == "valid":
        return ((0, 0),) * n
    if given == "same":
        if any(s != 1 for s in stride):
            raise errors.ShapeError(
                f"{name}: padding='same' with stride {stride}; expected stride 1, for which the output has the input's size. Give numbers instead"
            )
        return tuple(((e - 1) // 2, e - 1 - (e - 1) // 2) for e in extent(kernel, dilation))
    raise errors.ShapeError(
        f"{name}: padding={given!r}; expected 'same', 'valid', an int, or {n} ints or pairs (before, after)"
    )


def _checked(
    name: str, n: int, x: Array, weight: Array, bias: Array | None, groups: int, of_input: int, of_output: int
) -> Array:
    """``x`` with a batch axis, if all shapes fit; ``of_input`` and ``of_output`` are the weight's channels."""
    a, w = shape_of(x), shape_of(weight)
    layout = "(O, C / groups, *kernel)" if "transpose" not in name else "(C, O / groups, *kernel)"
    if len(a) not in (n + 1, n + 2) or len(w) != n + 2:
        raise errors.ShapeError(
            f"{name}: input {a} and weight {w}; expected (N, C, *space) or (C, *space), and {layout}, with {n} spatial axes"
        )
    if 0 in w[2:]:
        raise errors.ShapeError(f"{name}: weight {w}; expected a kernel of at least one element along each axis")
    c = a[-n - 1]
    if groups < 1 or c != of_input or c % groups or of_output % groups:
        raise errors.ShapeError(
            f"{name}: input {a} and weight {w} with groups={groups}; expected weight {layout} for the input's {c} channels, and a number of groups that divides both channels"
        )
    if bias is not None and shape_of(bias) != (of_output,):
        raise errors.ShapeError(
            f"{name}: bias {shape_of(bias)}; expected one number for each of {of_output} output channels, shape ({of_output},)"
        )
    return x if len(a) == n + 2 else reshape(x, to=(1, *a), rank=len(a))


def _finished(y: Array, bias: Array | None, n: int, batched: bool) -> Array:
    if bias is not None:
        y = add(y, reshape(bias, to=(*bias.shape, *(1,) * n), rank=1))
    return y if batched else reshape(y, to=y.shape[1:], rank=len(y.shape))


def _convolve(
    n: int, x: Array, weight: Array, bias: Array | None, stride: Sizes, padding: Any, dilation: Sizes, groups: int
) -> Array:
    name = f"conv{n}d"
    groups = integer_of(groups, name, "groups")
    w = shape_of(weight)
    batched = len(shape_of(x)) == n + 2
    x = _checked(name, n, x, weight, bias, groups, w[1] * groups if len(w) > 1 else 0, w[0] if w else 0)
    kernel = w[2:]
    strides, dilations = sizes_of(stride, n, name, "stride"), sizes_of(dilation, n, name, "dilation")
    pads = _padding_of(padding, n, kernel, strides, dilations, name)
    check_fits(name, x.shape[2:], kernel, strides, pads, dilations)
    x, weight, bias = lowered(x, weight, bias)
    y = conv(x, weight, stride=strides, padding=pads, dilation=dilations, groups=groups)
    return _finished(y, bias, n, batched)


def conv1d(
    x: Array, weight: Array, bias: Array | None = None, stride: Sizes = 1, padding: str | int | Sequence[Any] = 0,
    dilation: Sizes = 1, groups: int = 1,
) -> Array:  # fmt: skip
    """Convolution along one axis; see :func:`conv2d`.

    >>> import gpugrad as gg
    >>> gg.conv1d(gg.tensor([[1.0, 2.0, 4.0]]), gg.tensor([[[-1.0, 1.0]]]))
    tensor([[1., 2.]])
    """
    return _convolve(1, x, weight, bias, stride, padding, dilation, groups)


def conv2d(
    x: Array, weight: Array, bias: Array | None = None, stride: Sizes = 1, padding: str | int | Sequence[Any] = 0,
    dilation: Sizes = 1, groups: int = 1,
) -> Array:  # fmt: skip
    """Convolution of images, in PyTorch's sense (cross-correlation: the kernel is not flipped).

    ``x`` is (N, C, H, W), or (C, H, W) for one image; ``weight`` is (O, C / groups, h, w) and ``bias`` (O,). The result
    is (N, O, H', W') with H' = (H + padding - dilation * (h - 1) - 1) // stride + 1. ``padding`` with zeros is a number
    for all sides, one per axis, a pair (before, after) per axis, ``"valid"`` (none) or ``"same"`` (H' = H, stride 1).
    With ``groups``, each group of output channels sees its own group of input channels.

    Costs N·O·H'·W'·h·w·C / groups multiplications, as one matrix product per group. Raises ShapeError if the shapes do
    not fit.

    >>> import gpugrad as gg
    >>> gg.conv2d(gg.ones((1, 1, 3, 3)), gg.ones((1, 1, 2, 2)), padding="same")[0, 0]
    tensor([[4., 4., 2.],
            [4., 4., 2.],
            [2., 2., 1.]])
    """
    return _convolve(2, x, weight, bias, stride, padding, dilation, groups)


def conv3d(
    x: Array, weight: Array, bias: Array | None = None, stride: Sizes = 1, padding: str | int | Sequence[Any] = 0,
    dilation: Sizes = 1, groups: int = 1,
) -> Array:  # fmt: skip
    """Convolution of volumes; see :func:`conv2d`.

    >>> import gpugrad as gg
    >>> gg.conv3d(gg.ones((1, 2, 4, 4, 4)), gg.ones((5, 2, 3, 3, 3)), stride=2, padding=1).shape
    (1, 5, 2, 2, 2)
    """
    return _convolve(3, x, weight, bias, stride, padding, dilation, groups)


def _convolve_back(
    n: int,
    x: Array,
    weight: Array,
    bias: Array | None,
    stride: Sizes,
    padding: Any,
    output_padding: Sizes,
    groups: int,
    dilation: Sizes,
) -> Array:
    name = f"conv_transpose{n}d"
    groups = integer_of(groups, name, "groups")
    w = shape_of(weight)
    batched = len(shape_of(x)) == n + 2
    x = _checked(name, n, x, weight, bias, groups, w[0] if w else 0, w[1] * groups if len(w) > 1 else 0)
    kernel = w[2:]
    strides, dilations = sizes_of(stride, n, name, "stride"), sizes_of(dilation, n, name, "dilation")
    more = sizes_of(output_padding, n, name, "output_padding", 0)
    pads = _padding_of(padding, n, kernel, strides, dilations, name)
    if any(m >= s for m, s in zip(more, strides, strict=True)):
        raise errors.ShapeError(
            f"{name}: output_padding {more} with stride {strides}; expected less than the stride: it chooses among the sizes that a convolution with this stride maps to one"
        )
    reach = extent(kernel, dilations)
    size = tuple(
        (t - 1) * s - lo - hi + e + m
        for t, s, (lo, hi), e, m in zip(x.shape[2:], strides, pads, reach, more, strict=True)
    )
    if min(size) < 1:
        raise errors.ShapeError(
            f"{name}: input {x.shape} and weight {w} with padding {pads} leave spatial axes {size}; expected at least 1. Pad less"
        )
    x, weight, bias = lowered(x, weight, bias)
    y = conv_input(x, weight, size=size, stride=strides, padding=pads, dilation=dilations, groups=groups)
    return _finished(y, bias, n, batched)


def conv_transpose1d(
    x: Array, weight: Array, bias: Array | None = None, stride: Sizes = 1, padding: str | int | Sequence[Any] = 0,
    output_padding: Sizes = 0, groups: int = 1, dilation: Sizes = 1,
) -> Array:  # fmt: skip
    """Transposed convolution along one axis; see :func:`conv_transpose2d`.

    >>> import gpugrad as gg
    >>> gg.conv_transpose1d(gg.tensor([[1.0, 2.0]]), gg.tensor([[[1.0, 1.0, 1.0]]]), stride=2)
    tensor([[1., 1., 3., 2., 2.]])
    """
    return _convolve_back(1, x, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(
    x: Array, weight: Array, bias: Array | None = None, stride: Sizes = 1, padding: str | int | Sequence[Any] = 0,
    output_padding: Sizes = 0, groups: int = 1, dilation: Sizes = 1,
) -> Array:  # fmt: skip
    """The transpose of :func:`conv2d` in its input: every element of ``x`` adds its multiple of the kernel.

    ``x`` is (N, C, H, W) or (C, H, W); ``weight`` is (C, O / groups, h, w), which is the layout of the convolution that
    maps the other way. The result has H' = (H - 1) * stride - padding + dilation * (h - 1) + 1 + output_padding, where
    ``output_padding``, less than the stride, tells apart the sizes that a strided convolution maps to one. Parameters
    in PyTorch's order. Raises ShapeError if the shapes do not fit.

    >>> import gpugrad as gg
    >>> gg.conv_transpose2d(gg.ones((1, 8, 7, 7)), gg.ones((8, 4, 3, 3)), stride=2, padding=1, output_padding=1).shape
    (1, 4, 14, 14)
    """
    return _convolve_back(2, x, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(
    x: Array, weight: Array, bias: Array | None = None, stride: Sizes = 1, padding: str | int | Sequence[Any] = 0,
    output_padding: Sizes = 0, groups: int = 1, dilation: Sizes = 1,
) -> Array:  # fmt: skip
    """Transposed convolution of volumes; see :func:`conv_transpose2d`.

    >>> import gpugrad as gg
    >>> gg.conv_transpose3d(gg.ones((1, 2, 3, 3, 3)), gg.ones((2, 1, 2, 2, 2)), stride=2).shape
    (1, 1, 6, 6, 6)
    """
    return _convolve_back(3, x, weight, bias, stride, padding, output_padding, groups, dilation)


__all__ = ["conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]
