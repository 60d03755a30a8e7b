"""NumPy's own functions on tensors: what ``np.sin(t)``, ``np.sum(t)`` and ``array * t`` come to.

A function without a counterpart is an error that names it. Nothing falls back to object arrays, and nothing turns a
tracked tensor into an array behind the user's back: not even ``buffer[0] = t``.
"""

from __future__ import annotations

import dis
import sys
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from gpugrad import errors
from gpugrad.backends import select
from gpugrad.numpy.results import tracked
from gpugrad.numpy.table import FUNCTIONS, UFUNCS, found
from gpugrad.tensor import Tensor

Function = Callable[..., Any]

_calls: dict[Any, Function] = {}
"""NumPy's ufunc -> our function, where a call has no keywords: the short way."""
_ufuncs: dict[Any, Any] = {}
_functions: dict[Any, Function] = {}


def array_ufunc(self: Any, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
    """``Tensor.__array_ufunc__``: a universal function of NumPy that met a tensor."""
    if method == "__call__" and not kwargs:
        call = _calls.get(ufunc)
        if call is not None:
            for x in inputs:
                if type(x) is not Tensor and _foreign(type(x), "__array_ufunc__"):
                    return NotImplemented
            return call(*inputs)
    if any(_foreign(type(x), "__array_ufunc__") for x in inputs):
        return NotImplemented
    ours = _ufuncs.get(ufunc)
    if ours is None:
        raise _unsupported(f"np.{ufunc.__name__}")
    if method == "__call__":
        return ours(*inputs, **kwargs)
    return getattr(ours, method)(*inputs, **kwargs)


def array_function(self: Any, function: Any, types: Iterable[type], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``Tensor.__array_function__``: any other function of NumPy that met a tensor."""
    call = _functions.get(function)
    if call is not None:
        for t in types:
            if t is not Tensor and _foreign(t, "__array_function__"):
                return NotImplemented
        return call(*args, **kwargs)
    if any(_foreign(t, "__array_function__") for t in types):
        return NotImplemented
    raise _unsupported(f"{function.__module__}.{function.__name__}".replace("numpy", "np", 1))


def _foreign(kind: type, protocol: str) -> bool:
    """Whether a type has its own say in NumPy's functions: then it may know what to do with a tensor."""
    return kind is not Tensor and hasattr(kind, protocol) and select.known_type(kind) is None


def _unsupported(name: str) -> errors.UnsupportedError:
    return errors.UnsupportedError(
        f"{name} has no counterpart for tensors. Compose it of other functions of gg; or, where no derivative is needed, "
        f"convert first and say so: {name}(t.detach().numpy())"
    )


# ---- conversions that NumPy asks for on its own ------------------------------------------------------------------------

_STORES = dis.opmap["STORE_SUBSCR"]


def _not_when_stored(convert: Function) -> Function:
    """A conversion to a Python number that refuses to be the value of ``buffer[i] = t`` for a tracked ``t``.

    NumPy asks for ``float(t)`` there, as a user may; the caller's instruction tells the two apart.
    """

    def method(self: Any) -> Any:
        if tracked(self):
            caller = sys._getframe(1)
            if caller.f_code.co_code[caller.f_lasti] == _STORES:
                raise errors.GraphError(
                    f"buffer[i] = t at {errors.user_site()}: the buffer is not a tensor, so the value would be detached from its derivative. "
                    "Make the buffer with gg.zeros(shape) or np.zeros_like(t); or say that it is meant: buffer[i] = float(t)"
                )
        return convert(self)

    method.__name__, method.__doc__ = convert.__name__, convert.__doc__
    return method


def install(cls: Any) -> None:
    """Give tensors NumPy's dispatch protocols. Called once, when the package is assembled."""
    for path, ufunc in UFUNCS.items():
        theirs = found(path)
        if theirs is not None:
            _ufuncs[theirs] = ufunc
            _calls[theirs] = ufunc.function
    for path, function in FUNCTIONS.items():
        theirs = found(path)
        if theirs is not None:
            _functions[theirs] = function
    cls.__array_ufunc__ = array_ufunc
    cls.__array_function__ = array_function
    cls.__array_priority__ = 1000.0  # for libraries that look at no more: the tensor's operator has precedence
    for name in ("__float__", "__int__", "__complex__"):
        setattr(cls, name, _not_when_stored(getattr(cls, name)))


def covered() -> frozenset[Any]:
    """NumPy's functions and ufuncs that accept tensors."""
    return frozenset(_functions) | frozenset(_ufuncs)


__all__ = ["array_function", "array_ufunc", "covered", "install"]
