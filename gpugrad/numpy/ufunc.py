"""NumPy's universal functions on tensors: the call with ``out=``, ``where=`` and ``dtype=``, and the methods."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gpugrad import dtypes, errors
from gpugrad.numpy.results import delivered, in_dtype
from gpugrad.tensor import Tensor
from gpugrad.transforms.lift import as_value

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
    ) -> None:
        self.__name__ = self.__qualname__ = name
        self.__doc__ = function.__doc__
        self.function = function
        self.nin = nin
        self.nout = nout
        self.methods = methods or {}
        self.select = select

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
            args = tuple(self._kept(where, x, 1) for x in args)  # no NaN, and no warning, from what is left out
        result = self.function(*args)
        results = result if self.nout > 1 else (result,)
        if where is not True:
            results = tuple(self._kept(where, r, 0 if o is None else o) for r, o in zip(results, outs, strict=True))
        results = tuple(delivered(r, o, what) for r, o in zip(results, outs, strict=True))
        return results if self.nout > 1 else results[0]

    def _kept(self, where: Any, x: Any, other: Any) -> Any:
        if self.select is None:
            raise errors.UnsupportedError(
                f"np.{self.__name__}: where= is not supported on tensors; select first: gg.where(mask, x, value)"
            )
        return self.select(where, x, other)

    def _method(self, method: str) -> Function:
        if method not in self.methods:
            has = ", ".join(self.methods) or "no method"
            raise errors.UnsupportedError(
                f"np.{self.__name__}.{method} is not supported on tensors: np.{self.__name__} has {has} there. Compose it of other functions of gg"
            )
        return self.methods[method]

    def reduce(
        self, array: Any, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: bool = False,
        initial: Any = None, where: Any = True,
    ) -> Any:  # fmt: skip
        """The operation between all elements along ``axis``, which goes."""
        call = self._method("reduce")
        what = f"np.{self.__name__}.reduce"
        x = in_dtype(array if type(array) is Tensor else as_value(array), dtype, what)
        given = None if initial is None or isinstance(initial, type(np._NoValue)) else initial
        if where is not True:
            neutral = NEUTRAL.get(self.__name__, given)
            if neutral is None:
                raise errors.ShapeError(
                    f"{what}: where= needs initial=, as there is no number that {self.__name__} leaves alone"
                )
            x = self._kept(where, x, neutral)
        result = call(x, axis=axis, keepdims=keepdims)
        if given is not None:
            result = self.function(result, given)
        return delivered(result, out[0] if isinstance(out, tuple) else out, what)

    def accumulate(self, array: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
        """What ``reduce`` gives of the elements up to each one along ``axis``."""
        call = self._method("accumulate")
        what = f"np.{self.__name__}.accumulate"
        x = in_dtype(array if type(array) is Tensor else as_value(array), dtype, what)
        return delivered(call(x, axis=axis), out[0] if isinstance(out, tuple) else out, what)

    def outer(self, a: Any, b: Any, **kwargs: Any) -> Any:
        """The operation between every element of ``a`` and every one of ``b``; shape ``a.shape + b.shape``."""
        if self.nin != 2 or self.select is None:
            raise errors.UnsupportedError(f"np.{self.__name__}.outer: expected an elementwise operation of two arrays")
        x, y = as_value(a), as_value(b)
        return self(x.reshape(x.shape + (1,) * len(y.shape)), y, **kwargs)

    def at(self, a: Any, indices: Any, b: Any = None) -> None:
        """``a[indices] = op(a[indices], b)``, once for every occurrence of an index; rebinds the tensor ``a``."""
        call = self._method("at")
        if type(a) is not Tensor:
            raise errors.GraphError(
                f"np.{self.__name__}.at on a {type(a).__name__} would detach what is written into it; use a tensor as the buffer: gg.zeros(shape)"
            )
        a._rebind(call(a, indices, b), f"np.{self.__name__}.at")

    def reduceat(self, *args: Any, **kwargs: Any) -> Any:
        """Not supported."""
        return self._method("reduceat")(*args, **kwargs)


NEUTRAL: dict[str, Any] = {"add": 0, "multiply": 1, "logical_and": True, "logical_or": False, "logical_xor": False}
"""What a reduction may be given in place of an element that ``where`` leaves out."""


def is_boolean(x: Any) -> bool:
    """Whether ``x`` holds booleans, for the operations that are logical on those and bitwise on integers."""
    return bool(dtypes.of(x).kind == "b") if hasattr(x, "dtype") else isinstance(x, bool)
