"""The meaning of every hand-written kernel, in terms of an array namespace ``xp``: slow, complete, obvious."""

from __future__ import annotations

import math
from typing import Any


def cbrt(xp: Any, x: Any) -> Any:
    """The real cube root, by one Newton step from the power, which keeps the sign and the last digits."""
    magnitude = xp.abs(x)
    r = magnitude ** (1.0 / 3.0)
    regular = (r > 0) & xp.isfinite(r)
    safe = xp.where(regular, r, 1.0)
    r = xp.where(regular, safe - (safe - magnitude / (safe * safe)) / 3.0, r)
    return xp.where(x < 0, -r, r)


def erf(xp: Any, x: Any) -> Any:
    """The error function: a series of positive terms below 3, and 1 minus a continued fraction above."""
    a = xp.minimum(xp.abs(x), 6.5)
    square = a * a
    total = 1.0 + 0.0 * a
    for n in range(60, 0, -1):
        total = 1.0 + total * (2.0 * square) / (2.0 * n + 1.0)
    out = (2.0 / math.sqrt(math.pi)) * a * xp.exp(-square) * total
    return xp.where(x < 0, -out, out)
