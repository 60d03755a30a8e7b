"""``pad``: an array made larger at its ends, in every mode of NumPy's but that of a callable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpugrad import dtypes, errors
from gpugrad.ops import linear as lin
from gpugrad.ops import reductions
from gpugrad.ops.elementwise import floor, masked_multiply, round
from gpugrad.ops.gathering import gather, placed, written_as
from gpugrad.ops.joining import joined
from gpugrad.ops.ordering import median
from gpugrad.shapes import Shape, axis_of, integer_of
from gpugrad.trace import Array

__all__ = ["pad"]

Widths = int | Sequence[int] | Sequence[Sequence[int]] | dict[int, int | tuple[int, int]]
Pair = tuple[Any, Any]

_OPTIONS = {
    "constant": "constant_values",
    "linear_ramp": "end_values",
    "maximum": "stat_length",
    "mean": "stat_length",
    "median": "stat_length",
    "minimum": "stat_length",
    "reflect": "reflect_type",
    "symmetric": "reflect_type",
    "edge": "",
    "wrap": "",
    "empty": "",
}
"""The modes, and the option that each takes."""


def _several(given: Any) -> bool:
    return isinstance(given, list | tuple) or bool(getattr(given, "shape", ()))


def _pairs(given: Any, rank: int, what: str) -> list[Pair]:
    """(before, after) for each axis from one value, one pair for all axes, or a pair for each."""
    if not _several(given):
        return [(given, given)] * rank
    items = list(given)
    if len(items) == 1 and not _several(items[0]):
        return [(items[0], items[0])] * rank
    if len(items) == 2 and not any(_several(i) for i in items):
        return [(items[0], items[1])] * rank
    rows = [tuple(i) * 2 if _several(i) and len(i) == 1 else i for i in items]
    if len(rows) == 1:
        rows = rows * rank
    if len(rows) != rank or any(not _several(r) or len(r) != 2 for r in rows):
        raise errors.ShapeError(
            f"pad: {what}={given!r} for an array of {rank} axes; expected one value, a pair (before, after), or a pair for each axis"
        )
    return [(r[0], r[1]) for r in rows]


def _widths(given: Any, shape: Shape) -> list[tuple[int, int]]:
    if isinstance(given, dict):
        by_axis: dict[int, Any] = {axis_of(a, shape, "pad"): w for a, w in given.items()}
        given = [_pairs(by_axis.get(k - len(shape), 0), 1, "pad_width")[0] for k in range(len(shape))]
        if not given:
            return []
    pairs = _pairs(given, len(shape), "pad_width")
    widths = [(integer_of(a, "pad", "pad_width"), integer_of(b, "pad", "pad_width")) for a, b in pairs]
    if any(w < 0 for pair in widths for w in pair):
        raise errors.ShapeError(f"pad: pad_width={given!r}; expected integers of at least 0")
    return widths


def pad(x: Array, pad_width: Widths, mode: str = "constant", **options: Any) -> Array:
    """``x`` with so many elements more before and after it along each axis.

    ``pad_width`` is a number, a pair (before, after) for all axes, a pair for each axis, or a dict from axes to these.
    What the new elements are, by ``mode``:

    - ``"constant"``: ``constant_values``, 0 unless given; ``"empty"``: 0
    - ``"edge"``: the nearest element; ``"wrap"``: those from the other end
    - ``"reflect"``, ``"symmetric"``: mirror images, without and with the edge itself; ``reflect_type="odd"`` turns them
      upside down about the edge
    - ``"linear_ramp"``: from the edge in a straight line to ``end_values``
    - ``"maximum"``, ``"minimum"``, ``"mean"``, ``"median"``: of the ``stat_length`` nearest elements, all unless given

    ``constant_values`` and ``end_values`` may be tensors, and are differentiated. An option is one value, a pair, or a
    pair for each axis. Raises ShapeError for widths that do not fit, and for an empty axis that has nothing to extend.

    >>> import gpugrad as gg
    >>> gg.pad(gg.tensor([1.0, 2.0, 3.0]), (2, 1), mode="reflect")
    tensor([3., 2., 1., 2., 3., 2.])
    """
    if mode not in _OPTIONS:
        raise errors.ArgumentError(f"pad: mode={mode!r}; expected one of {', '.join(sorted(_OPTIONS))}")
    unknown = set(options) - {_OPTIONS[mode]}
    if unknown:
        takes = f"takes {_OPTIONS[mode]}" if _OPTIONS[mode] else "takes no option"
        raise errors.ArgumentError(f"pad: mode {mode!r} {takes}, not {', '.join(sorted(unknown))}")
    rank = len(x.shape)
    widths = _widths(pad_width, x.shape)
    option = options.get(_OPTIONS[mode])
    if mode in ("constant", "empty") and (option is None or _is_zero(option)):
        spec = tuple((a, a + n, 1) if n else (0, 0, 1) for (a, _), n in zip(widths, x.shape, strict=True))
        sizes = tuple(a + n + b for (a, b), n in zip(widths, x.shape, strict=True))
        return lin.unslice(x, spec=spec, sizes=sizes) if sizes != x.shape else x
    values = [(option, option)] * rank if mode in ("reflect", "symmetric") else _pairs(option, rank, _OPTIONS[mode])
    for axis, width, value in zip(range(-rank, 0), widths, values, strict=True):
        if width == (0, 0):
            continue
        if not x.shape[axis] and mode != "constant":
            raise errors.ShapeError(
                f"pad: axis {axis + rank} of shape {x.shape} is empty, and mode {mode!r} extends what is there; "
                "expected mode 'constant' or 'empty'"
            )
        before, after = _ends(x, axis, width, mode, value)
        x = joined([part for part in (before, x, after) if part is not None], axis)
    return x


def _is_zero(option: Any) -> bool:
    return type(option) in (int, float) and option == 0


def _ends(x: Any, axis: int, width: tuple[int, int], mode: str, value: Pair) -> Pair:
    """What comes before and after ``x`` along an axis; None for nothing."""
    if mode in ("edge", "wrap", "reflect", "symmetric"):
        ends = [_mirrored(x, axis, width, mode, value[0] or "even", side) for side in (0, 1)]
    elif mode == "constant":
        ends = [_filled(x, axis, w, v) for w, v in zip(width, value, strict=True)]
    elif mode == "linear_ramp":
        ends = [
            _ramp(x, axis, w, 0 if v is None else v, side) for side, (w, v) in enumerate(zip(width, value, strict=True))
        ]
    else:
        ends = [_statistic(x, axis, w, v, mode, side) for side, (w, v) in enumerate(zip(width, value, strict=True))]
    return ends[0], ends[1]


def _repeated(x: Any, axis: int, count: int) -> Any:
    """``x``, of size 1 along an axis, repeated along it."""
    return lin.broadcast_to(x, (*lin.head(x.shape, -axis), count, *lin.tail(x.shape, -axis - 1)))


def _edge(x: Any, axis: int, side: int) -> Any:
    n = x.shape[axis]
    return lin.part(x, axis, n - 1, n) if side else lin.part(x, axis, 0, 1)


def _filled(x: Any, axis: int, width: int, value: Any) -> Any:
    v = written_as(value, x, "pad")
    if v.shape:
        raise errors.ShapeError(f"pad: a constant value of shape {v.shape}; expected one number")
    return lin.broadcast_to(v, (*lin.head(x.shape, -axis), width, *lin.tail(x.shape, -axis - 1)))


def _weights(x: Any, axis: int, values: Any) -> Any:
    """Numbers that vary along an axis of ``x``, in its dtype."""
    w = np.asarray(values, np.float64).reshape((-1,) + (1,) * (-axis - 1))
    return lin.cast(placed(w, x, "pad"), dtype=dtypes.of(x), source=w.dtype)


def _ramp(x: Any, axis: int, width: int, end: Any, side: int) -> Any:
    fractions = np.arange(width) / max(width, 1)
    end = _filled(x, axis, 1, end)
    if dtypes.is_inexact(dtypes.of(x)):
        return end + (_edge(x, axis, side) - end) * _weights(x, axis, fractions[::-1] if side else fractions)
    d, wide = dtypes.of(x), np.dtype(np.float64)
    ends = [lin.cast(v, dtype=wide, source=d) for v in (end, _edge(x, axis, side))]
    line = ends[0] + (ends[1] - ends[0]) * _weights(ends[0], axis, fractions[::-1] if side else fractions)
    return lin.cast(line if d.kind == "b" else floor(line), dtype=d, source=wide)


def _statistic(x: Any, axis: int, width: int, length: Any, mode: str, side: int) -> Any:
    n = x.shape[axis]
    count = n if length is None else min(integer_of(length, "pad", "stat_length"), n)
    if count < 1:
        raise errors.ShapeError(f"pad: stat_length={length!r}; expected at least 1")
    near = lin.part(x, axis, n - count, n) if side else lin.part(x, axis, 0, count)
    call = (
        median if mode == "median" else getattr(reductions, {"maximum": "max", "minimum": "min", "mean": "mean"}[mode])
    )
    out = call(near, axis=axis, keepdims=True)
    if not dtypes.is_inexact(dtypes.of(x)):
        out = lin.cast(
            round(out) if dtypes.is_inexact(dtypes.of(out)) else out, dtype=dtypes.of(x), source=dtypes.of(out)
        )
    return _repeated(out, axis, width)


def _mirrored(x: Any, axis: int, width: tuple[int, int], mode: str, kind: str, side: int) -> Any:
    """The end of an array continued by elements of its own."""
    if kind not in ("even", "odd"):
        raise errors.ArgumentError(f"pad: reflect_type={kind!r}; expected 'even' or 'odd'")
    n, count = x.shape[axis], width[side]
    if not count:
        return None
    if n == 1 or mode == "edge":
        return _repeated(_edge(x, axis, side), axis, count)
    at = np.arange(n, n + count) if side else np.arange(-count, 0)
    if mode == "wrap":
        return gather(x, placed(at % n, x, "pad"), axis=axis)
    # A point t is a mirror image if it is in the second half of its period; odd images also climb, by twice the
    # difference of the ends per period.
    shift = 1 if mode == "symmetric" else 0
    period = 2 * (n - 1 + shift)
    lap, t = np.divmod(at, period)
    image = (t > n - 1) | ((t == n - 1) & (at < 0) & (mode == "reflect"))  # either will do where the two meet
    out = gather(x, placed(np.where(image, period - shift - t, t), x, "pad"), axis=axis)
    if kind == "even":
        return out
    out = out * _weights(x, axis, np.where(image, -1, 1))
    for edge, times in ((_edge(x, axis, 1), 2 * lap + 2 * image), (_edge(x, axis, 0), -2 * lap)):
        if times.any():
            out = out + masked_multiply(_weights(x, axis, times), edge)
    return out
