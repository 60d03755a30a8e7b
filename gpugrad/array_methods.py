"""The methods of a tensor that are operations of the table under NumPy's method names."""

from __future__ import annotations

from typing import Any

from gpugrad.ops import linear as lin
from gpugrad.shapes import axes_of


class ArrayMethods:
    """Mixed into Tensor: each method is the operation of the same name."""

    __slots__ = ()

    def sum(self: Any) -> Any:
        return self._trace.apply(lin.reduce_sum, self, {"axis": axes_of(None, self.shape, "sum")})
