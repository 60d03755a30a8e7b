"""The methods of a tensor that are operations of the table, under NumPy's method names."""

from __future__ import annotations

import functools as ft
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from gpugrad import errors
from gpugrad.ops import arithmetic, gathering, linear, ordering, rearranging, reductions, sequences
from gpugrad.shapes import axes_of


def another(x: Any, result: Any) -> Any:
    """``result``, but never ``x`` itself: assignment rebinds an object, and must not reach the one it came from."""
    return x.again() if result is x else result


_SUMMED = frozenset(map(np.dtype, ("float64", "float32")))

Axis = int | Sequence[int] | None


def _of_numpy(function: Any) -> Callable[..., Any]:
    """A method that is NumPy's function of that name: they have the same parameters, after the array."""

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return self.__array_function__(function, (), (self, *args), kwargs)

    method.__name__ = method.__qualname__ = function.__name__
    method.__doc__ = f"NumPy's ``{function.__name__}`` of the tensor."
    return method


def _beside_numpy(function: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A method for the parameters that it names: a call with others (``out=``, ``where=``, ``initial=`` …) is one of
    NumPy's ``function`` of that name, which takes the same ones in the same places.
    """

    def declared(method: Callable[..., Any]) -> Callable[..., Any]:
        code = method.__code__
        places = code.co_argcount - 1
        names = frozenset(code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount])

        @ft.wraps(method)
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            if len(args) <= places and kwargs.keys() <= names:
                return method(self, *args, **kwargs)
            return self.__array_function__(function, (), (self, *args), kwargs)

        return call

    return declared


class ArrayMethods:
    """Mixed into Tensor: each method is the operation of the same name, where its parameters are described.

    They have the parameters of NumPy's methods, in NumPy's order; what few calls need (``out=``, ``where=``,
    ``initial=``) is served by NumPy's function of the name.
    """

    __slots__ = ()

    # ---- reductions -----------------------------------------------------------------------------------------------

    def sum(
        self: Any, axis: Axis = None, dtype: Any = None, out: Any = None, keepdims: bool = False, **more: Any
    ) -> Any:
        """The sum over axes."""
        if out is not None or more:  # not by _beside_numpy: half a microsecond, where every loss ends
            return self.__array_function__(np.sum, (), (self, axis, dtype, out, keepdims), more)
        if axis is None and dtype is None and not keepdims and self.dtype in _SUMMED:
            return self._trace.apply(linear.reduce_sum, self, {"axis": axes_of(None, self.shape, "sum")})
        return reductions.sum(self, axis, dtype, keepdims)

    @_beside_numpy(np.prod)
    def prod(self: Any, axis: Axis = None, dtype: Any = None, *, keepdims: bool = False) -> Any:
        """The product over axes."""
        return reductions.prod(self, axis, dtype, keepdims)

    @_beside_numpy(np.mean)
    def mean(self: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
        """The mean over axes."""
        return reductions.mean(self, axis, keepdims=keepdims)

    @_beside_numpy(np.max)
    def max(self: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
        """The maximum over axes; ties share the gradient."""
        return reductions.max(self, axis, keepdims)

    @_beside_numpy(np.min)
    def min(self: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
        """The minimum over axes; ties share the gradient."""
        return reductions.min(self, axis, keepdims)

    @_beside_numpy(np.all)
    def all(self: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
        """Whether all elements are true."""
        return reductions.all(self, axis, keepdims)

    @_beside_numpy(np.any)
    def any(self: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
        """Whether any element is true."""
        return reductions.any(self, axis, keepdims)

    @_beside_numpy(np.var)
    def var(self: Any, axis: Axis = None, *, ddof: float = 0, keepdims: bool = False) -> Any:
        """The variance over axes."""
        return reductions.var(self, axis, correction=ddof, keepdims=keepdims)

    @_beside_numpy(np.std)
    def std(self: Any, axis: Axis = None, *, ddof: float = 0, keepdims: bool = False) -> Any:
        """The standard deviation over axes."""
        return reductions.std(self, axis, correction=ddof, keepdims=keepdims)

    @_beside_numpy(np.argmax)
    def argmax(self: Any, axis: int | None = None, *, keepdims: bool = False) -> Any:
        """The index of the first maximum."""
        return reductions.argmax(self, axis, keepdims)

    @_beside_numpy(np.argmin)
    def argmin(self: Any, axis: int | None = None, *, keepdims: bool = False) -> Any:
        """The index of the first minimum."""
        return reductions.argmin(self, axis, keepdims)

    @_beside_numpy(np.cumsum)
    def cumsum(self: Any, axis: int | None = None, dtype: Any = None) -> Any:
        """The running sum along an axis."""
        return sequences.cumsum(self, axis, dtype)

    @_beside_numpy(np.cumprod)
    def cumprod(self: Any, axis: int | None = None, dtype: Any = None) -> Any:
        """The running product along an axis."""
        return reductions.cumprod(self, axis, dtype)

    # ---- order --------------------------------------------------------------------------------------------------------

    def sort(self: Any, axis: int = -1, kind: Any = None, order: Any = None, *, descending: bool = False) -> None:
        """Put the elements in order along an axis; rebinds the tensor, as NumPy sorts in place. ``gg.sort`` returns another."""
        if order is not None:
            raise errors.UnsupportedError(f"sort: order={order!r}; a tensor has no fields")
        self._rebind(ordering.sort(self, axis=axis, descending=descending), "t.sort()")

    def partition(self: Any, kth: Any, axis: int = -1) -> None:
        """Put the elements that belong at the places ``kth`` there, smaller ones before; rebinds the tensor."""
        self._rebind(self.__array_function__(np.partition, (), (self, kth, axis), {}), "t.partition()")

    def argsort(self: Any, axis: int = -1, kind: Any = None, order: Any = None, *, descending: bool = False) -> Any:
        """The indices that sort along an axis."""
        if order is not None:
            raise errors.UnsupportedError(f"argsort: order={order!r}; a tensor has no fields")
        return ordering.argsort(self, axis=axis, descending=descending)

    # ---- shape ----------------------------------------------------------------------------------------------------------

    def reshape(self: Any, *shape: Any, order: str = "C", copy: bool | None = None) -> Any:
        """The same elements in another shape; one size may be -1; ``order="F"`` runs through the first axis fastest.

        ``copy`` is NumPy's; a tensor is a value, so it makes no difference.
        """
        to = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
        if order != "C":
            return self.__array_function__(np.reshape, (), (self, to, order), {})
        return another(self, rearranging.reshape(self, to))

    def ravel(self: Any, order: str = "C") -> Any:
        """All elements along one axis; column by column with ``order="F"``."""
        return self.reshape(-1, order="F" if order == "F" else "C")

    def flatten(self: Any, order: str = "C") -> Any:
        """All elements along one axis; column by column with ``order="F"``."""
        return self.ravel(order)

    @property
    def flat(self: Any) -> Flat:
        """The elements one after another, to be read, written and iterated over."""
        return Flat(self)

    @flat.setter
    def flat(self: Any, v: Any) -> None:
        Flat(self)[:] = v

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

    def broadcast_to(self: Any, shape: int | Sequence[int]) -> Any:
        """Repeated along new axes and axes of size 1, to ``shape``."""
        return another(self, rearranging.broadcast_to(self, shape))

    def repeat(self: Any, repeats: Any, axis: int | None = None) -> Any:
        """Each element repeated."""
        return another(self, rearranging.repeat(self, repeats, axis))

    diagonal = _of_numpy(np.diagonal)
    trace = _of_numpy(np.trace)
    dot = _of_numpy(np.dot)
    nonzero = _of_numpy(np.nonzero)
    searchsorted = _of_numpy(np.searchsorted)
    choose = _of_numpy(np.choose)
    argpartition = _of_numpy(np.argpartition)
    put = _of_numpy(np.put)

    @_beside_numpy(np.take)
    def take(self: Any, indices: Any, axis: int | None = None) -> Any:
        """Elements at indices along an axis."""
        return gathering.take(self, indices, axis)

    def compress(self: Any, condition: Any, axis: int | None = None, out: Any = None) -> Any:
        """The slices along ``axis`` for which the condition holds."""
        return self.__array_function__(np.compress, (), (condition, self, axis, out), {})

    def fill(self: Any, v: Any) -> None:
        """Become an array of one number, differentiably."""
        self[...] = v

    def copy(self: Any, order: str = "C") -> Any:
        """The same values as another tensor: writing into one leaves the other alone."""
        return self.again()

    # ---- elementwise ----------------------------------------------------------------------------------------------------

    def abs(self: Any) -> Any:
        """The magnitude of each element."""
        return arithmetic.abs(self)

    @_beside_numpy(np.clip)
    def clip(self: Any, min: Any = None, max: Any = None) -> Any:
        """Each element limited to [min, max]."""
        return another(self, arithmetic.clip(self, min, max))

    @_beside_numpy(np.round)
    def round(self: Any, decimals: int = 0) -> Any:
        """Each element rounded."""
        return another(self, arithmetic.round(self, decimals))

    def conjugate(self: Any) -> Any:
        """The complex conjugate."""
        return self.conj()

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


class Flat:
    """The elements of a tensor, one after another: what ``t.flat`` is. Writing rebinds the tensor."""

    __slots__ = ("_of",)

    def __init__(self, of: Any) -> None:
        self._of = of

    def __len__(self) -> int:
        size: int = self._of.size
        return size

    def __iter__(self) -> Iterator[Any]:
        return iter(self._of.ravel())

    def __getitem__(self, key: Any) -> Any:
        return self._of.ravel()[key]

    def __setitem__(self, key: Any, v: Any) -> None:
        t = self._of
        elements = t.ravel()
        elements[key] = v
        t._rebind(elements.reshape(t.shape), "t.flat[i] = v")
