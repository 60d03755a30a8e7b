"""The methods of a tensor that are operations of the table, under NumPy's method names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpugrad.ops import arithmetic, gathering, linear, ordering, rearranging, reductions, sequences
from gpugrad.shapes import axes_of


def another(x: Any, result: Any) -> Any:
    """``result``, but never ``x`` itself: assignment rebinds an object, and must not reach the one it came from."""
    return x.again() if result is x else result


_SUMMED = frozenset(map(np.dtype, ("float64", "float32")))

Axis = int | Sequence[int] | None


class ArrayMethods:
    """Mixed into Tensor: each method is the operation of the same name, where its parameters are described."""

    __slots__ = ()

    # ---- reductions -----------------------------------------------------------------------------------------------

    def sum(self: Any, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Any:
        """The sum over axes."""
        if axis is None and dtype is None and not keepdims and self.dtype in _SUMMED:
            return self._trace.apply(linear.reduce_sum, self, {"axis": axes_of(None, self.shape, "sum")})
        return reductions.sum(self, axis=axis, dtype=dtype, keepdims=keepdims)

    def mean(self: Any, axis: Axis = None, keepdims: bool = False) -> Any:
        """The mean over axes."""
        return reductions.mean(self, axis=axis, keepdims=keepdims)

    def prod(self: Any, axis: Axis = None, keepdims: bool = False) -> Any:
        """The product over axes."""
        return reductions.prod(self, axis=axis, keepdims=keepdims)

    def max(self: Any, axis: Axis = None, keepdims: bool = False) -> Any:
        """The maximum over axes; ties share the gradient."""
        return reductions.max(self, axis=axis, keepdims=keepdims)

    def min(self: Any, axis: Axis = None, keepdims: bool = False) -> Any:
        """The minimum over axes; ties share the gradient."""
        return reductions.min(self, axis=axis, keepdims=keepdims)

    def var(self: Any, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Any:
        """The variance over axes."""
        return reductions.var(self, axis=axis, correction=ddof, keepdims=keepdims)

    def std(self: Any, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Any:
        """The standard deviation over axes."""
        return reductions.std(self, axis=axis, correction=ddof, keepdims=keepdims)

    def all(self: Any, axis: Axis = None, keepdims: bool = False) -> Any:
        """Whether all elements are true."""
        return reductions.all(self, axis=axis, keepdims=keepdims)

    def any(self: Any, axis: Axis = None, keepdims: bool = False) -> Any:
        """Whether any element is true."""
        return reductions.any(self, axis=axis, keepdims=keepdims)

    def argmax(self: Any, axis: int | None = None, keepdims: bool = False) -> Any:
        """The index of the first maximum."""
        return reductions.argmax(self, axis=axis, keepdims=keepdims)

    def argmin(self: Any, axis: int | None = None, keepdims: bool = False) -> Any:
        """The index of the first minimum."""
        return reductions.argmin(self, axis=axis, keepdims=keepdims)

    def cumsum(self: Any, axis: int | None = None) -> Any:
        """The running sum along an axis."""
        return sequences.cumsum(self, axis=axis)

    def cumprod(self: Any, axis: int | None = None) -> Any:
        """The running product along an axis."""
        return reductions.cumprod(self, axis=axis)

    # ---- order --------------------------------------------------------------------------------------------------------

    def sort(self: Any, axis: int = -1, descending: bool = False) -> Any:
        """The elements in order along an axis, as a new tensor."""
        return ordering.sort(self, axis=axis, descending=descending)

    def argsort(self: Any, axis: int = -1, descending: bool = False) -> Any:
        """The indices that sort along an axis."""
        return ordering.argsort(self, axis=axis, descending=descending)

    # ---- shape ----------------------------------------------------------------------------------------------------------

    def reshape(self: Any, *shape: Any) -> Any:
        """The same elements in another shape; one size may be -1."""
        return another(
            self, rearranging.reshape(self, shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape)
        )

    def ravel(self: Any) -> Any:
        """All elements along one axis."""
        return another(self, rearranging.reshape(self, (-1,)))

    def flatten(self: Any) -> Any:
        """All elements along one axis."""
        return another(self, rearranging.reshape(self, (-1,)))

    def transpose(self: Any, *axes: Any) -> Any:
        """The axes in another order; reversed if none is given."""
        given = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes
        return another(
            self, rearranging.permute_dims(self, tuple(given) if given else tuple(range(len(self.shape)))[::-1])
        )

    def permute(self: Any, *axes: Any) -> Any:
        """The axes in another order."""
        return self.transpose(*axes)

    @property
    def T(self: Any) -> Any:
        """The axes reversed."""
        return self.transpose()

    @property
    def mT(self: Any) -> Any:
        """The last two axes exchanged."""
        return another(self, rearranging.matrix_transpose(self))

    def swapaxes(self: Any, axis1: int, axis2: int) -> Any:
        """Two axes exchanged."""
        return another(self, rearranging.swapaxes(self, axis1, axis2))

    def squeeze(self: Any, axis: Axis = None) -> Any:
        """Without axes of size 1."""
        return another(self, rearranging.squeeze(self, axis))

    def expand_dims(self: Any, axis: int) -> Any:
        """With a new axis of size 1."""
        return rearranging.expand_dims(self, axis)

    def broadcast_to(self: Any, shape: Sequence[int]) -> Any:
        """Repeated along new axes and axes of size 1, to ``shape``."""
        return another(self, rearranging.broadcast_to(self, tuple(shape)))

    def repeat(self: Any, repeats: Any, axis: int | None = None) -> Any:
        """Each element repeated."""
        return another(self, rearranging.repeat(self, repeats, axis))

    def diagonal(self: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
        """The diagonal of two axes."""
        return rearranging.diagonal(self, offset, axis1, axis2)

    def take(self: Any, indices: Any, axis: int | None = None) -> Any:
        """Elements at indices along an axis."""
        return gathering.take(self, indices, axis=axis)

    # ---- elementwise ----------------------------------------------------------------------------------------------------

    def abs(self: Any) -> Any:
        """The magnitude of each element."""
        return arithmetic.abs(self)

    def clip(self: Any, min: Any = None, max: Any = None) -> Any:
        """Each element limited to [min, max]."""
        return another(self, arithmetic.clip(self, min, max))

    def round(self: Any, decimals: int = 0) -> Any:
        """Each element rounded."""
        return another(self, arithmetic.round(self, decimals))

    def conj(self: Any) -> Any:
        """The complex conjugate."""
        return another(self, linear.conj(self) if self.dtype.kind == "c" else self)

    @property
    def real(self: Any) -> Any:
        """The real part."""
        return another(self, linear.real(self) if self.dtype.kind == "c" else self)

    @property
    def imag(self: Any) -> Any:
        """The imaginary part."""
        return linear.imag(self) if self.dtype.kind == "c" else self * 0
