"""Maxima of windows that do not overlap, as loops that Numba compiles: what compiled programs call for max_pool and its
derivative. Everything else goes to NumPy.
"""

from __future__ import annotations

import functools as ft
import itertools as it
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from gpugrad.backends import numba_kernels, parallel
from gpugrad.ops.pooling import max_picked, max_pool, max_spread
from gpugrad.ops.windows import count
from gpugrad.primitive import Primitive, Shape

# ---- text: x is (planes, height, width), the window a, b of plane p begins at stride * (a, b) ----------------------------


def _at(kernel: Shape, stride: Shape) -> list[str]:
    """The index of each tap."""
    return [f"p, {stride[0]} * a + {i}, {stride[1]} * b + {j}" for i, j in it.product(*map(range, kernel))]


def _loops(arguments: str, body: list[str], before: str = "") -> str:
    heads = [f"{'    ' * (k + 1)}for {v} in range(out.shape[{k}]):" for k, v in enumerate("pab")]
    lines = [f"    {before}"] * bool(before) + heads + [f"{' ' * 16}{line}" for line in body]
    return "\n".join([f"def kernel({arguments}):", *lines, ""])


def _pool_text(kernel: Shape, stride: Shape, covered: bool) -> str:
    first, *rest = _at(kernel, stride)
    body = [f"m = x[{first}]"]
    for at in rest:
        body += [f"v = x[{at}]", "m = v if v > m or v != v else m"]  # NaN is the largest, as it is NumPy's
    return _loops("x, out", [*body, "out[p, a, b] = m"])


def _hits(places: list[str]) -> list[str]:
    """Which taps are the maximum, and how many."""
    hits = [f"h{k} = x[{at}] == m" for k, at in enumerate(places)]
    return ["m = out[p, a, b]", *hits, f"n = {' + '.join(f'int(h{k})' for k in range(len(places)))}"]


def _picked_text(kernel: Shape, stride: Shape, covered: bool) -> str:
    places = _at(kernel, stride)
    taps = [f"s += t[{at}] if h{k} else 0" for k, at in enumerate(places)]
    return _loops("t, x, out, to", [*_hits(places), "s = 0.0", *taps, "to[p, a, b] = s / n if n > 1 else s"])


def _spread_text(kernel: Shape, stride: Shape, covered: bool) -> str:
    places = _at(kernel, stride)
    parts = [f"to[{at}] = s if h{k} else 0" for k, at in enumerate(places)]
    body = [*_hits(places), "s = g[p, a, b] / n if n > 1 else g[p, a, b]", *parts]
    return _loops("g, x, out, to", body, "" if covered else "to[:] = 0")


# ---- calls ---------------------------------------------------------------------------------------------------------------

_TEXTS: dict[str, Callable[[Shape, Shape, bool], str]] = {
    "max_pool": _pool_text,
    "max_picked": _picked_text,
    "max_spread": _spread_text,
}


@ft.cache
def _compiled(name: str, dtype: Any, arrays: int, kernel: Shape, stride: Shape, covered: bool) -> Callable[..., Any]:
    return numba_kernels.compiled(_TEXTS[name](kernel, stride, covered), [(dtype, 3)] * arrays)


def _fits(x: Any, *, kernel: Shape, stride: Shape, padding: Any, dilation: Shape) -> bool:
    """Whether these loops are for such windows: along one or two axes, each element in at most one."""
    return (
        len(kernel) <= 2
        and type(x) is np.ndarray
        and x.dtype in (np.float32, np.float64)
        and all(lo == hi == 0 for lo, hi in padding)
        and all(s >= d * (k - 1) + 1 and (d == 1 or k == 1) for k, s, d in zip(kernel, stride, dilation, strict=True))
    )


def _call(prim: Primitive, operands: tuple[Any, ...], window: dict[str, Any]) -> Any:
    """The result of one of the three primitives, whose last operands are x and its maxima, or x alone."""
    x = operands[0] if prim is max_pool else operands[1]
    if not _fits(x, **window) or any(type(a) is not np.ndarray or a.dtype != x.dtype for a in operands):
        return prim.impl[type(x)](*operands, **window)
    n = len(window["kernel"])
    lead, size = x.shape[: x.ndim - n], x.shape[x.ndim - n :]
    windows = count(size, **window)
    out = np.empty(x.shape if prim is max_spread else (*lead, *windows), x.dtype)
    ones = (1,) * (2 - n)
    planes = math.prod(lead)
    flat = [np.ascontiguousarray(a).reshape(planes, *ones, *a.shape[a.ndim - n :]) for a in (*operands, out)]
    kernel, stride = (*ones, *window["kernel"]), (*ones, *window["stride"])
    covered = all(
        m * s == k and s == w for m, s, k, w in zip(windows, window["stride"], size, window["kernel"], strict=True)
    )
    run = _compiled(prim.name, x.dtype, len(flat), kernel, stride, covered)
    if parallel.nanoseconds(sum(a.nbytes for a in flat), x.nbytes / 4) >= parallel.LEAST:
        run = parallel.split(run, ["part"] * len(flat), planes)
    run(*flat)
    return out


CALLS: dict[str, Callable[..., Any]] = {
    prim.name: lambda *operands, prim=prim, **window: _call(prim, operands, window)
    for prim in (max_pool, max_picked, max_spread)
}
"""Primitive -> what a compiled program calls for it."""
