"""NumPy's own functions on tensors: what ``np.sin(t)``, ``np.sum(t)`` and ``array * t`` come to.

A function without a counterpart is an error that names it. Nothing falls back to object arrays, and nothing turns a
tracked tensor into an array behind the user's back: not even ``buffer[0] = t``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

from gpugrad import errors, special
from gpugrad.backends import select
from gpugrad.numpy.operations import OPERATIONS
from gpugrad.numpy.table import FUNCTIONS, UFUNCS, found
from gpugrad.numpy.ufunc import Ufunc
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
    ours = _ufuncs.get(ufunc) or _of_scipy(ufunc)
    if ours is None:
        raise _unsupported(_name_of(ufunc))
    if method == "__call__":
        return ours(*inputs, **kwargs)
    return getattr(ours, method)(*inputs, **kwargs)


def _name_of(ufunc: Any) -> str:
    """Where users find a universal function."""
    for module, name in (("numpy", "np"), ("scipy.special", "scipy.special")):
        there = getattr(sys.modules.get(module), ufunc.__name__, None)
        if there is not None and there is ufunc:
            return f"{name}.{ufunc.__name__}"
    return str(ufunc.__name__)


def _of_scipy(ufunc: Any) -> Any:
    """Our counterpart of a universal function of SciPy's, which is found by its name and remembered."""
    name = ufunc.__name__
    function = getattr(special, name, None) if _name_of(ufunc) == f"scipy.special.{name}" else None
    if function is None:
        return None
    ours = Ufunc(name, function, nin=ufunc.nin, select=OPERATIONS["where"])
    _ufuncs[ufunc], _calls[ufunc] = ours, function
    return ours


def array_function(
    self: Any, function: Any, types: Iterable[type], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
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


def of_cupy(self: Any, kernel: Any, *args: Any, **kwargs: Any) -> Any:
    """``Tensor.__cupy_override_elementwise_kernel__``: a universal function of CuPy that met a tensor, ``cupy.sin(t)``.

    CuPy names them as NumPy does, after ``cupy_``. Its other functions have no protocol: NumPy's do the same on tensors.
    """
    name = getattr(kernel, "name", "").removeprefix("cupy_")
    ufunc = found(name) if name else None
    if ufunc not in _ufuncs:
        raise _unsupported(f"cupy.{name or kernel}")
    return array_ufunc(self, ufunc, "__call__", *args, **kwargs)


def _foreign(kind: type, protocol: str) -> bool:
    """Whether a type has its own say in NumPy's functions: then it may know what to do with a tensor."""
    return kind is not Tensor and hasattr(kind, protocol) and select.known_type(kind) is None


def _unsupported(name: str) -> errors.UnsupportedError:
    return errors.UnsupportedError(
        f"{name} has no counterpart for tensors. Compose it of other functions of gg; or, where no derivative is needed, "
        f"convert first and say so: {name}(t.detach().numpy())"
    )


for _path, _ufunc in UFUNCS.items():
    _theirs = found(_path)
    if _theirs is not None:
        _ufuncs[_theirs] = _ufunc
        _calls[_theirs] = _ufunc.function
for _path, _function in FUNCTIONS.items():
    _theirs = found(_path)
    if _theirs is not None:
        _functions[_theirs] = _function


def covered() -> frozenset[Any]:
    """NumPy's functions and ufuncs that accept tensors."""
    return frozenset(_functions) | frozenset(_ufuncs)


__all__ = ["array_function", "array_ufunc", "covered", "of_cupy"]
