"""Keeping some numbers and making the others zero, on NumPy, by the bits of a mask: no branch for each element.

``np.where`` branches, and where the mask has no pattern (a gradient through ``relu``, say) the processor guesses every
other branch wrong, which costs up to twenty times the arithmetic.
"""

from __future__ import annotations

from typing import Any

import numpy as np

_WORDS: dict[Any, Any] = {np.dtype(np.float32): np.dtype(np.int32), np.dtype(np.float64): np.dtype(np.int64)}
_FEW = 4096
"""Elements below which the one call that branches is quicker than two that do not."""


def where(c: Any, x: Any, y: Any) -> Any:
    """As ``np.where``."""
    if type(y) in (float, int) and str(y) in ("0.0", "0") and _is_long(c, x):
        keep = np.negative(c.view(np.int8), dtype=_WORDS[x.dtype])  # all bits where it holds, none where it does not
        return np.bitwise_and(keep, x.view(keep.dtype)).view(x.dtype)
    return np.where(c, x, y)


def _is_long(c: Any, x: Any) -> bool:
    """Whether these are a mask and many numbers whose bits are those of integers of a dtype of their own."""
    arrays = type(x) is np.ndarray and type(c) is np.ndarray
    return arrays and x.size >= _FEW and x.dtype in _WORDS and c.dtype == np.bool_
