"""NumPy's universal functions on tensors: the call with ``out=``, ``where=`` and ``dtype=``, and the methods."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gpugrad import dtypes, errors
from gpugrad.creation import zeros_like
from gpugrad.numpy import ufunc_methods as folds
from gpugrad.numpy.results import delivered, in_dtype
from gpugrad.ops.elementwise import not_equal
from gpugrad.tensor import Tensor
from gpugrad.transforms.lift import as_value, tracked

Function = Callable[..., Any]


class Ufunc:
    """What NumPy's ufunc of that name is for tensors: callable, with ``reduce``, ``accumulate``, ``outer`` and ``at``.

    >>> import gpugrad.numpy as gnp
    >>> gnp.add.reduce(gnp.array([[1.0, 2.0], [3.0, 4.0]]), axis=1)
    tensor([3., 7.])
    """

    def __init__(
        self,
        name: str,
        function: Function,
        *,
        nin: int,
        nout: int = 1,
        methods: Mapping[str, Function] | None = None,
        select: Function | None = None,
        identity: Any = None,
    ) -> None:
        self.__name__ = self.__qualname__ = name
        self.__doc__ = function.__doc__
        self.function = function
        self.nin = nin
        self.nout = nout
        self.methods = methods or {}
        self.select = select
        self.identity = identity
        """What a reduction may be given in place of an element that ``where`` leaves out."""

    def __repr__(self) -> str:
        return f"<ufunc {self.__name__!r} on tensors>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not kwargs and len(args) == self.nin:
            return self.function(*args)
        return self._called(args, **kwargs)

    def _called(
        self, args: tuple[Any, ...], out: Any = None, where: Any = True, dtype: Any = None,
        casting: str = "same_kind", order: str = "K", subok: bool = True, **rest: Any,
    ) -> Any:  # fmt: skip
        what = f"np.{self.__name__}"
        for name in rest:
            if rest[name] is not None:
                raise errors.UnsupportedError(
                    f"{what}: {name}= is not supported on tensors; move axes first: gg.moveaxis"
                )
        if casting not in ("same_kind", "safe", "equiv"):
            raise errors.UnsupportedError(
                f"{what}: casting={casting!r} is not supported on tensors; cast first: t.astype(dtype)"
            )
        if len(args) > self.nin:
            out, args = args[self.nin :], args[: self.nin]
        if len(args) != self.nin:
            raise TypeError(f"{what}() takes {self.nin} arrays, got {len(args)}")
        outs = out if isinstance(out, tuple) else (out,) * self.nout if out is None else (out,)
        if dtype is not None:
            args = tuple(in_dtype(x, dtype, what) for x in args)
        if where is not True:
            ones = (True if is_boolean(x) else 1 for x in args)  # no NaN, and no warning, from what is left out
            args = tuple(self._kept(where, x, one) for x, one in zip(args, ones, strict=True))
        result = self.function(*args)
        results = result if self.nout > 1 else (result,)
        if where is not True:
            results = tuple(
                self._kept(where, r, zeros_like(r) if o is None else o) for r, o in zip(results, outs, strict=True)
            )
        results = tuple(delivered(r, o, what) for r, o in zip(results, outs, strict=True))
        return results if self.nout > 1 else results[0]

    def _kept(self, where: Any, x: Any, other: Any) -> Any:
        if self.select is None:
            raise errors.UnsupportedError(
                f"np.{self.__name__}: where= is not supported on tensors; select first: gg.where(mask, x, value)"
            )
        return self.select(where, x, other)

    def _operand(self, array: Any, dtype: Any, what: str) -> Any:
        x = in_dtype(array if type(array) is Tensor else as_value(array), dtype, what)
        return not_equal(x, 0) if self.__name__.startswith("logical") and dtypes.of(x).kind != "b" else x

    def _folds(self, method: str) -> None:
        """UnsupportedError for a function that is not elementwise, of two numbers, and of their kind."""
        if self.nin != 2 or self.nout != 1 or self.select is None or self.__name__ in _COMPARISONS:
            raise errors.UnsupportedError(
                f"np.{self.__name__}.{method} is not supported on tensors; expected an elementwise operation of two numbers that gives one of their kind"
            )

    def reduce(
        self, array: Any, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: bool = False,
        initial: Any = None, where: Any = True,
    ) -> Any:  # fmt: skip
        """The operation between all elements along ``axis``, which goes."""
        what = f"np.{self.__name__}.reduce"
        call = self.methods.get("reduce")
        if call is None:
            self._folds("reduce")
        x = self._operand(array, dtype, what)
        given = None if initial is None or isinstance(initial, type(np._NoValue)) else initial
        if where is not True:
            neutral = given if given is not None and self.__name__ in _EXTREMA else self.identity
            if neutral is None:
                raise errors.ShapeError(
                    f"{what}: where= is not supported on tensors where no number leaves the result alone"
                    + (" without initial=" if self.__name__ in _EXTREMA else "; select the elements first: t[mask]")
                )
            x = self._kept(where, x, neutral)
        if call is None:
            reorderable = self.identity is not None or self.__name__ in _EXTREMA
            result = folds.reduced(self.function, x, axis, keepdims, given, what, reorderable)
        else:
            result = call(x, axis=axis, keepdims=keepdims)
            result = result if given is None else self.function(result, given)
        return delivered(result, _only(out), what)

    def accumulate(self, array: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
        """What ``reduce`` gives of the elements up to each one along ``axis``."""
        what = f"np.{self.__name__}.accumulate"
        x = self._operand(array, dtype, what)
        call = self.methods.get("accumulate")
        if call is None:
            self._folds("accumulate")
            return delivered(folds.accumulated(self.function, x, axis, what), _only(out), what)
        return delivered(call(x, axis=axis), _only(out), what)

    def outer(self, a: Any, b: Any, **kwargs: Any) -> Any:
        """The operation between every element of ``a`` and every one of ``b``; shape ``a.shape + b.shape``."""
        if self.nin != 2 or self.select is None:
            raise errors.UnsupportedError(f"np.{self.__name__}.outer: expected an elementwise operation of two arrays")
        x, y = as_value(a), as_value(b)
        return self(x.reshape(x.shape + (1,) * len(y.shape)), y, **kwargs)

    def at(self, a: Any, indices: Any, b: Any = None) -> None:
        """``a[indices] = op(a[indices], b)``, once for every occurrence of an index; rebinds the tensor ``a``."""
        what = f"np.{self.__name__}.at"
        if self.nout != 1 or self.select is None or self.nin > 2 or (b is None) != (self.nin == 1):
            raise errors.UnsupportedError(
                f"{what} is not supported on tensors with {1 if b is None else 2} operands; expected an elementwise operation of one or two numbers, and an operand b for two"
            )
        if type(a) is not Tensor:
            self._at_numpy(a, indices, b, what)
            return
        call = self.methods.get("at")
        if call is not None:
            a._rebind(call(a, indices, b), what)
        else:
            values = [] if b is None else [b if type(b) is Tensor else np.asarray(b)]
            a._rebind(folds.written_at(self.function, a, indices, values), what)

    def _at_numpy(self, a: Any, indices: Any, b: Any, what: str) -> None:
        if tracked(b) is not None:
            raise errors.GraphError(
                f"{what} on a {type(a).__name__} would detach what is written into it; use a tensor as the buffer: gg.zeros(shape), np.zeros_like(t)"
            )
        plain = [] if b is None else [b.numpy() if type(b) is Tensor else b]
        getattr(np, self.__name__).at(a, indices.numpy() if type(indices) is Tensor else indices, *plain)

    def reduceat(self, array: Any, indices: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
        """The reductions of the segments that begin at ``indices``; of one element where the next index is not larger."""
        what = f"np.{self.__name__}.reduceat"
        x = in_dtype(array if type(array) is Tensor else as_value(array), dtype, what)
        return delivered(folds.by_segments(self.reduce, x, indices, axis, what), _only(out), what)


_COMPARISONS = frozenset({"equal", "greater", "greater_equal", "less", "less_equal", "not_equal"})
_EXTREMA = frozenset({"fmax", "fmin", "maximum", "minimum"})
"""What may be repeated with one number without a change, but has no number that always leaves it alone."""


def _only(out: Any) -> Any:
    return out[0] if isinstance(out, tuple) else out


def is_boolean(x: Any) -> bool:
    """Whether ``x`` holds booleans, for the operations that are logical on those and bitwise on integers."""
    return bool(dtypes.of(x).kind == "b") if hasattr(x, "dtype") else isinstance(x, bool)
