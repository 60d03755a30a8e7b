"""Convolution on NumPy: matrix products of columns that hold the windows, a few items of the batch at a time.

The columns of a few items stay in the cache between being written and being read. With stride 1 the windows of a tap
are one run of the padded items, seen as rows without their axes: the run also has windows that reach over an edge, which
are computed along and left out, for that is quicker than to copy row by row. Results lie in C's order.
"""

from __future__ import annotations

import itertools as it
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from gpugrad.backends import recycled
from gpugrad.ops import convolution
from gpugrad.ops.windows import Pairs, count, inner, padded_size, taps
from gpugrad.primitive import Shape

CHUNK = 1 << 19
"""Elements of columns at a time: 2 MB of float32."""


class _Windows:
    """The windows of items (N, C, *space), laid out as columns."""

    def __init__(self, x: Any, kernel: Shape, stride: Shape, padding: Pairs, dilation: Shape) -> None:
        self.x = x
        self.kernel, self.stride, self.padding, self.dilation = kernel, stride, padding, dilation
        self.size = padded_size(x.shape[2:], padding)
        self.windows = count(x.shape[2:], kernel, stride, padding, dilation)
        self.runs = all(s == 1 for s in stride)
        self.across = (self.windows[0], *self.size[1:]) if self.runs else self.windows
        """The axes along which the columns of an item run: those of windows, with what reaches over an edge."""
        self.taps = math.prod(kernel)
        self.height = x.shape[1] * self.taps
        each = self.height * math.prod(self.across)
        self.step = max(1, min(len(x), CHUNK // max(each, 1)))

    def chunks(self) -> Iterator[tuple[slice, Any]]:
        """Which items, and their columns: (C, taps, items, *across), to be read before the next are asked for."""
        n, c = self.x.shape[:2]
        steps = [math.prod(self.size[k + 1 :]) for k in range(len(self.size))]
        behind = sum((k - 1) * d * s for k, d, s in list(zip(self.kernel, self.dilation, steps, strict=True))[1:])
        whole = math.prod(self.size)
        held = np.zeros((self.step, c, whole + behind), self.x.dtype)
        items = held[..., :whole].reshape(self.step, c, *self.size, copy=False)
        cols = recycled.empty((c, self.taps, self.step, *self.across), self.x.dtype)
        length = math.prod(self.across)
        for start in range(0, n, self.step):
            part = slice(start, min(start + self.step, n))
            b = part.stop - start
            items[:b][inner(self.x.shape[2:], self.padding)] = self.x[part]
            out = cols if b == self.step else np.empty((c, self.taps, b, *self.across), self.x.dtype)
            if self.runs:
                flat = out.reshape(c, self.taps, b, length)
                for k, place in enumerate(it.product(*map(range, self.kernel))):
                    at = sum(p * d * s for p, d, s in zip(place, self.dilation, steps, strict=True))
                    flat[:, k] = held[:b, :, at : at + length].swapaxes(0, 1)
            else:
                for k, tap in enumerate(taps(self.windows, self.kernel, self.stride, self.dilation)):
                    out[:, k] = items[:b][tap].swapaxes(0, 1)
            yield part, out

    @property
    def inside(self) -> tuple[Any, ...]:
        """The index of the windows that reach over no edge."""
        return (..., *(slice(0, n) for n in self.windows))


def conv(x: Any, w: Any, *, stride: Shape, padding: Pairs, dilation: Shape, groups: int) -> Any:
    """The primitive conv."""
    windows = _Windows(x, w.shape[2:], stride, padding, dilation)
    o = w.shape[0]
    out = recycled.empty((len(x), o, *windows.windows), np.result_type(x, w))
    rows = np.ascontiguousarray(w).reshape(groups, o // groups, -1)
    for part, cols in windows.chunks():
        y = np.matmul(rows, cols.reshape(groups, windows.height // groups, -1))
        y = y.reshape(o, part.stop - part.start, *windows.across)
        out[part] = y[windows.inside].swapaxes(0, 1)
    return out


def conv_input(g: Any, w: Any, *, size: Shape, stride: Shape, padding: Pairs, dilation: Shape, groups: int) -> Any:
    """The primitive conv_input: with stride 1 a convolution by the kernel turned round."""
    reach = [d * (k - 1) for k, d in zip(w.shape[2:], dilation, strict=True)]
    before = [r - lo for r, (lo, _) in zip(reach, padding, strict=True)]
    after = [n + r - m - lo for n, r, m, lo in zip(size, reach, g.shape[2:], before, strict=True)]
    if any(s != 1 for s in stride) or min(*before, *after) < 0:
        return convolution._conv_input(
            np, g, w, size=size, stride=stride, padding=padding, dilation=dilation, groups=groups
        )
    o, c = w.shape[0] // groups, w.shape[1]
    turned = w.reshape(groups, o, c, *w.shape[2:]).swapaxes(1, 2).reshape(groups * c, o, *w.shape[2:])
    turned = np.flip(turned, tuple(range(2, w.ndim)))
    pads = tuple(zip(before, after, strict=True))
    return conv(g, turned, stride=stride, padding=pads, dilation=dilation, groups=groups)


def conv_weight(x: Any, g: Any, *, kernel: Shape, stride: Shape, padding: Pairs, dilation: Shape, groups: int) -> Any:
    """The primitive conv_weight."""
    windows = _Windows(x, kernel, stride, padding, dilation)
    o = g.shape[1]
    out = np.zeros((groups, o // groups, windows.height // groups), np.result_type(x, g))
    held = np.zeros((o, windows.step, *windows.across), g.dtype)  # 0 for windows that reach over an edge
    for part, cols in windows.chunks():
        b = part.stop - part.start
        rows = held if b == windows.step else held[:, :b].copy()
        rows[windows.inside] = g[part].swapaxes(0, 1)
        columns = cols.reshape(groups, windows.height // groups, -1)
        out += np.matmul(rows.reshape(groups, o // groups, -1), columns.swapaxes(1, 2))
    if windows.across != windows.windows and not np.isfinite(np.add.reduce(out, axis=None)):
        # What reaches over an edge was multiplied by 0, which leaves no trace of a number, but does of infinity and NaN.
        return convolution._conv_weight(
            np, x, g, kernel=kernel, stride=stride, padding=padding, dilation=dilation, groups=groups
        )
    return out.reshape(o, x.shape[1] // groups, *kernel)
