"""More of the training data than there is: each image, every time it is seen, moved by up to one pixel each way."""

from __future__ import annotations

from typing import Any

from gpugrad import creation, random
from gpugrad.ops.indexing import getitem
from gpugrad.ops.padding import pad


def shifted(x: Any) -> Any:
    """Images (N, H, W), each moved by -1, 0 or 1 pixels along each axis; zeros move in."""
    n, height, width = x.shape
    by = random.randint(3, shape=(2, n, 1), device=x.device)
    rows = by[0] + creation.arange(height, device=x.device)
    columns = by[1] + creation.arange(width, device=x.device)
    items = creation.arange(n, device=x.device).reshape((n, 1, 1))
    return getitem(pad(x, ((0, 0), (1, 1), (1, 1))), (items, rows.reshape((n, height, 1)), columns.reshape((n, 1, width))))
