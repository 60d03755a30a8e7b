"""Sums of Chebyshev polynomials, in which the kernels beside this one write smooth functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def chebyshev(coefficients: Sequence[float], t: Any) -> Any:
    """Σ cₖ Tₖ(t) for -1 ≤ t ≤ 1, by Clenshaw's recurrence."""
    above: Any = 0.0 * t
    at = above + coefficients[-1]
    for c in reversed(coefficients[1:-1]):
        above, at = at, 2.0 * t * at - above + c
    return t * at - above + coefficients[0]
