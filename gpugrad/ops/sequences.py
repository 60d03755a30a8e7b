"""Along an axis that is a sequence: running sums, differences, slopes, integrals, interpolation, convolution."""

from __future__ import annotations

from typing import Any

from gpugrad import dtypes, errors
from gpugrad.ops import linear as lin
from gpugrad.ops.casting import ranged
from gpugrad.ops.elementwise import clip, equal, greater, less, logical_or, not_equal, remainder, where
from gpugrad.ops.gathering import gather, search, written_as
from gpugrad.ops.joining import alike, concat, joined
from gpugrad.ops.linearized import argsort
from gpugrad.ops.rearranging import arrays, ravel, reshaped
from gpugrad.ops.reductions import accumulated, floating
from gpugrad.primitive import Core, Primitive, Shape, bilinear, broadcast_shapes
from gpugrad.shapes import axes_of, axis_of
from gpugrad.trace import Array

__all__ = [
    "convolve", "correlate", "cumsum", "cumulative_sum", "diff", "ediff1d", "gradient", "interp", "trapezoid",
]  # fmt: skip

Axes = int | tuple[int, ...] | None


# ---- running sums ---------------------------------------------------------------------------------------------------


@ranged
def cumsum(x: Array, axis: int | None = None, dtype: Any = None) -> Array:
    """The sum of all elements up to each one along ``axis``; of the flattened array for None.

    >>> import gpugrad as gg
    >>> gg.cumsum(gg.tensor([1.0, 2.0, 3.0]))
    tensor([1., 3., 6.])
    """
    x = accumulated(x, dtype, "cumsum")
    if axis is None:
        x, axis = ravel(x), 0
    return lin.cumsum(x, axis=axis_of(axis, x.shape, "cumsum"))


@ranged
def cumulative_sum(x: Array, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Array:
    """The array API's :func:`cumsum`: ``axis`` may be left out for one axis only; ``include_initial`` puts a 0 first.

    >>> import gpugrad as gg
    >>> gg.cumulative_sum(gg.tensor([1.0, 2.0]), include_initial=True)
    tensor([0., 1., 3.])
    """
    if axis is None and len(x.shape) != 1:
        raise errors.ShapeError(
            f"cumulative_sum: shape {x.shape} and no axis; expected one axis, or axis=. Or use gg.cumsum"
        )
    a = axis_of(-1 if axis is None else axis, x.shape, "cumulative_sum")
    out = lin.cumsum(accumulated(x, dtype, "cumulative_sum"), axis=a)
    if not include_initial:
        return out
    n = x.shape[a]
    rest = lin.tail(x.shape, -a - 1)
    spec = ((1, n + 1, 1) if n else (0, 0, 1), *((0, k, 1) for k in rest))
    return lin.unslice(out, spec=spec, sizes=(n + 1, *rest))


# ---- differences and integrals --------------------------------------------------------------------------------------


def _steps(x: Any, axis: int) -> Any:
    n = x.shape[axis]
    late, early = lin.part(x, axis, min(1, n), n), lin.part(x, axis, 0, max(n - 1, 0))
    return not_equal(late, early) if dtypes.of(x).kind == "b" else late - early


def diff(x: Array, n: int = 1, axis: int = -1, prepend: Array | None = None, append: Array | None = None) -> Array:
    """The difference of each element and the one before it along ``axis``, taken ``n`` times.

    ``prepend`` and ``append`` are joined on first; one number stands for a slice of it.

    >>> import gpugrad as gg
    >>> gg.diff(gg.tensor([1.0, 2.0, 4.0]))
    tensor([1., 2.])
    """
    if n < 0:
        raise errors.ArgumentError(f"diff: n={n}; expected at least 0")
    a = axis_of(axis, x.shape, "diff")
    if prepend is not None or append is not None:
        x = concat([_slab(e, x, a) for e in (prepend, x, append) if e is not None], axis=a)
    for _ in range(n):
        x = _steps(x, a)
    return x


def _slab(e: Any, x: Any, axis: int) -> Any:
    e = arrays((x, e))[1]
    return e if e.shape else lin.broadcast_to(e, (*lin.head(x.shape, -axis), 1, *lin.tail(x.shape, -axis - 1)))


def ediff1d(x: Array, to_end: Array | None = None, to_begin: Array | None = None) -> Array:
    """The differences of consecutive elements of the flattened array, between ``to_begin`` and ``to_end``.

    >>> import gpugrad as gg
    >>> gg.ediff1d(gg.tensor([1.0, 2.0, 4.0]), to_end=9.0)
    tensor([1., 2., 9.])
    """
    steps = _steps(ravel(x), -1)
    ends = [None if e is None else ravel(written_as(e, x, "ediff1d")) for e in (to_begin, to_end)]
    return joined([e for e in (ends[0], steps, ends[1]) if e is not None], -1)


def trapezoid(y: Array, x: Array | None = None, dx: Any = 1.0, axis: int = -1) -> Array:
    """The integral of ``y`` along ``axis`` by the trapezoidal rule, at the points ``x`` or at steps of ``dx``.

    ``x`` has one axis, or the shape of ``y``.

    >>> import gpugrad as gg
    >>> gg.trapezoid(gg.tensor([0.0, 1.0, 4.0]), x=gg.tensor([0.0, 1.0, 2.0]))
    tensor(3.)
    """
    y = floating(y)
    a = axis_of(axis, y.shape, "trapezoid")
    if x is not None:
        x = floating(x)
        dx = _steps(reshaped(x, (*x.shape, *(1,) * (-a - 1))) if len(x.shape) == 1 else x, a)
    n = y.shape[a]
    pairs = lin.part(y, a, min(1, n), n) + lin.part(y, a, 0, max(n - 1, 0))
    return lin.reduce_sum(dx * pairs * 0.5, axis=(a,))


def gradient(f: Array, *spacing: Array, axis: Axes = None, edge_order: int = 1) -> Array | tuple[Array, ...]:
    """The slope of ``f`` along ``axis`` by finite differences: central inside, one-sided at the ends.

    ``spacing`` is nothing (steps of 1), one number for all axes, or for each axis a number or the coordinates of its
    points, evenly spaced or not. Several axes (all, for None) give a tuple. ``edge_order`` 1 or 2 is the accuracy at
    the ends. Not to be confused with ``gg.grad``, the derivative of a function. Raises ShapeError for an axis of fewer
    than ``edge_order`` + 1 points.

    >>> import gpugrad as gg
    >>> gg.gradient(gg.tensor([0.0, 1.0, 4.0, 9.0]))
    tensor([1., 2., 4., 5.])
    """
    f = floating(f)
    axes = axes_of(axis, f.shape, "gradient")
    if edge_order not in (1, 2):
        raise errors.ArgumentError(f"gradient: edge_order={edge_order}; expected 1 or 2")
    steps: list[Any] = [1.0] * len(axes) if not spacing else list(spacing)
    if len(steps) == 1 and len(axes) != 1 and not getattr(steps[0], "shape", ()):
        steps = steps * len(axes)
    if len(steps) != len(axes):
        raise errors.ShapeError(
            f"gradient: {len(steps)} spacings for {len(axes)} axes; expected none, one number, or one for each axis"
        )
    out = tuple(_slope(f, a, h, edge_order) for a, h in zip(axes, steps, strict=True))
    return out[0] if len(out) == 1 else out


def _slope(f: Any, axis: int, spacing: Any, edge_order: int) -> Any:
    n = f.shape[axis]
    if n < edge_order + 1:
        raise errors.ShapeError(
            f"gradient: {n} points along axis {axis} of shape {f.shape}; expected at least {edge_order + 1}"
        )
    at = [lin.part(f, axis, k, n - 2 + k) for k in range(3)]  # the neighbour before, the point, the neighbour after
    first, last = (
        [lin.part(f, axis, k, k + 1) for k in range(edge_order + 1)],
        [lin.part(f, axis, n - 1 - k, n - k) for k in range(edge_order + 1)],
    )
    if not getattr(spacing, "shape", ()):
        inside = (at[2] - at[0]) / (2.0 * spacing)
        h = [spacing] * 4
    else:
        if spacing.shape != (n,):
            raise errors.ShapeError(f"gradient: coordinates of shape {spacing.shape} for {n} points; expected ({n},)")
        d = _steps(floating(spacing), -1)
        d = reshaped(d, (n - 1, *(1,) * (-axis - 1)))
        before, after = lin.part(d, axis, 0, n - 2), lin.part(d, axis, 1, n - 1)
        inside = (before / after * (at[2] - at[1]) + after / before * (at[1] - at[0])) / (before + after)
        h = [lin.part(d, axis, k, k + 1) for k in (0, min(1, n - 2), max(n - 3, 0), n - 2)]
    ends = [_end_slope(first, h[0], h[1]), _end_slope(last, -h[3], -h[2])]
    return joined([ends[0], inside, ends[1]], axis)


def _end_slope(f: list[Any], h: Any, k: Any) -> Any:
    """The slope at the first of two or three points, which are ``h`` and then ``k`` apart."""
    near = (f[1] - f[0]) / h
    if len(f) == 2:
        return near
    far = (f[2] - f[1]) / k
    return near + (near - far) * (h / (h + k))


# ---- interpolation --------------------------------------------------------------------------------------------------


def interp(
    x: Array, xp: Array, fp: Array, left: Array | None = None, right: Array | None = None, period: float | None = None
) -> Array:
    """The piecewise linear function through the points (``xp``, ``fp``), at ``x``; differentiable in ``x``, ``xp``, ``fp``.

    ``xp`` increases and has one axis. Outside it the value is ``left`` or ``right``, by default that of the nearest
    end; with ``period``, the function repeats, and ``xp`` may be in any order. At a point of ``xp`` the slope is that
    to its right. O(log n) per element of ``x``. Raises ShapeError unless ``xp`` and ``fp`` have one axis of the same,
    positive size.

    >>> import gpugrad as gg
    >>> gg.interp(1.5, gg.tensor([1.0, 2.0, 3.0]), gg.tensor([3.0, 2.0, 0.0]))
    tensor(2.5)
    """
    if len(xp.shape) != 1 or xp.shape != fp.shape or not xp.shape[0]:
        raise errors.ShapeError(
            f"interp: xp of shape {xp.shape} and fp of shape {fp.shape}; expected one axis of the same size, at least 1"
        )
    x, xp, fp = floating(arrays((x, xp))[0]), floating(xp), floating(fp)
    if period is not None:
        if not period:
            raise errors.ArgumentError("interp: period=0; expected another number")
        x, xp, fp = _periodic(x, xp, fp, abs(period))
        left = right = None
    n = xp.shape[0]
    ends = [_at(a, k) for a in (xp, fp) for k in (0, n - 1)]
    below, above = less(x, ends[0]), greater(x, ends[1])
    left = ends[2] if left is None else left
    right = ends[3] if right is None else right
    if n == 1:
        inside = lin.broadcast_to(ends[2], x.shape)
    else:
        x = where(logical_or(below, above), ends[0], x)  # so that no infinity comes near the derivative
        k = clip(search(xp, x, side="right") - 1, 0, n - 2)
        x0, x1 = gather(xp, k, axis=-1), gather(xp, k + 1, axis=-1)
        f0, f1 = gather(fp, k, axis=-1), gather(fp, k + 1, axis=-1)
        jump = equal(x0, x1)  # only where the last points coincide
        part = where(jump, 1.0, (x - x0) / where(jump, 1.0, x1 - x0))
        inside = f0 + part * (f1 - f0)
    return where(below, left, where(above, right, inside))


def _at(x: Any, k: int) -> Any:
    return lin.reshape(lin.part(x, -1, k, k + 1), to=(), rank=1)


def _periodic(x: Any, xp: Any, fp: Any, period: float) -> tuple[Any, Any, Any]:
    """``x`` in one period, and the points of that period in order, with one more on each side."""
    x, xp = remainder(x, period), remainder(xp, period)
    order = argsort(xp, axis=-1, descending=False)
    xp, fp = gather(xp, order, axis=-1), gather(fp, order, axis=-1)
    n = xp.shape[0]
    last, first = [lin.part(a, -1, n - 1, n) for a in (xp, fp)], [lin.part(a, -1, 0, 1) for a in (xp, fp)]
    return x, joined([last[0] - period, xp, first[0] + period], -1), joined([last[1], fp, first[1]], -1)


# ---- convolution ----------------------------------------------------------------------------------------------------


def convolved(xp: Any, x: Any, y: Any) -> Any:
    """One shifted copy of the longer sequence for each element of the shorter one."""
    if x.shape[-1] < y.shape[-1]:
        x, y = y, x
    n, m = x.shape[-1], y.shape[-1]
    out = xp.zeros((*broadcast_shapes("convolve", (x.shape[:-1], y.shape[:-1])), n + m - 1), dtype=x.dtype)
    for k in range(m):
        out[..., k : k + n] += x * y[..., k : k + 1]
    return out


def _convolved_shape(s: Shape, t: Shape) -> Shape:
    return (*broadcast_shapes("convolve", (s[:-1], t[:-1])), s[-1] + t[-1] - 1)


def _correlated(g: Any, y: Any, size: int) -> Any:
    """The transpose of the convolution with ``y`` of an operand of that size."""
    whole = convolution(g, lin.flip(y, axis=(-1,)))
    return lin.part(whole, -1, y.shape[-1] - 1, y.shape[-1] - 1 + size)


convolution: Primitive = bilinear(
    "convolve",
    lambda g, y, shape: _correlated(g, y, shape[-1]),
    lambda g, x, shape: _correlated(g, x, shape[-1]),
    forward=convolved,
    shape=_convolved_shape,
    batch=Core((1, 1)),
    doc="All sums of products x[i] y[k - i] along the last axis.",
)


def convolve(x: Array, y: Array, mode: str = "full") -> Array:
    """The discrete convolution of two sequences: element k is the sum of ``x[i] * y[k - i]`` over i.

    ``mode="full"`` is all of it, n + m - 1 elements; ``"same"`` the middle, as long as the longer; ``"valid"`` where
    the shorter lies within the longer. O(n m). Raises ShapeError unless both have one axis that is not empty.

    >>> import gpugrad as gg
    >>> gg.convolve(gg.tensor([1.0, 2.0, 3.0]), gg.tensor([0.0, 1.0, 0.5]))
    tensor([0. , 1. , 2.5, 4. , 1.5])
    """
    return _moded(x, y, mode, "convolve", flipped=False)


def correlate(x: Array, y: Array, mode: str = "valid") -> Array:
    """The cross-correlation of two sequences: element k is the sum of ``x[i + k] * conj(y[i])`` over i.

    ``mode`` as in :func:`convolve`. Raises ShapeError unless both have one axis that is not empty.

    >>> import gpugrad as gg
    >>> gg.correlate(gg.tensor([1.0, 2.0, 3.0]), gg.tensor([0.0, 1.0, 0.5]))
    tensor([3.5])
    """
    if dtypes.is_complex(dtypes.of(y)):
        y = lin.conj(y)
    return _moded(x, lin.flip(y, axis=(-1,)) if y.shape else y, mode, "correlate", flipped=True)


def _moded(x: Any, y: Any, mode: str, name: str, flipped: bool) -> Any:
    x, y = alike((x, y), name)
    if len(x.shape) != 1 or len(y.shape) != 1 or not x.shape[0] or not y.shape[0]:
        raise errors.ShapeError(
            f"{name}: shapes {x.shape} and {y.shape}; expected one axis each, not empty. Use gg.vmap for rows"
        )
    out = convolution(x, y)
    short, long = sorted((x.shape[0], y.shape[0]))
    match mode:
        case "full":
            return out
        case "same":
            # The middle of an even number is one off to one side; NumPy correlates with the longer one turned around.
            start = short // 2 if flipped and x.shape[0] < y.shape[0] else (short - 1) // 2
            return lin.part(out, -1, start, start + long)
        case "valid":
            return lin.part(out, -1, short - 1, long)
    raise errors.ArgumentError(f"{name}: mode={mode!r}; expected 'full', 'same' or 'valid'")
