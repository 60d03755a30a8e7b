"""``gg.elementwise``: scalar Python functions as differentiable operations on arrays.

The function's syntax tree is rewritten (:mod:`~gpugrad.scalar_functions.translate`) into one that computes with values
of any trace, on elements that part where it chooses (:mod:`~gpugrad.scalar_functions.lanes`). What results is made of
ordinary primitives: it differentiates, batches, stages and fuses as they do.
"""

from __future__ import annotations

import ast
import functools as ft
import inspect
import threading
import types
from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from gpugrad import dtypes, trace
from gpugrad.ops.elementwise import logical_or
from gpugrad.ops.linear import broadcast_to, cast, zeros
from gpugrad.primitive import broadcast_shapes
from gpugrad.public import SCALARS, fresh
from gpugrad.scalar_functions.lanes import Lanes, weak_dtype
from gpugrad.scalar_functions.source import Place
from gpugrad.scalar_functions.table import unsupported
from gpugrad.scalar_functions.translate import translate
from gpugrad.transforms.lift import as_value

__all__ = ["elementwise"]

_translations: WeakKeyDictionary[Callable[..., Any], Callable[..., Any]] = WeakKeyDictionary()
"""Scalar functions, and those made of them by the decorator -> what they were translated to."""


class _UnderWay(threading.local):
    """Functions that a thread is translating, each called by the one before."""

    def __init__(self) -> None:
        self.functions: list[Callable[..., Any]] = []


_under_way = _UnderWay()


def elementwise(f: Callable[..., Any]) -> Callable[..., Any]:
    """A scalar Python function as an operation on arrays.

    ``f`` takes numbers and returns one. It may assign, choose (``if``, ``elif``, ``else``, ``a if c else b``, ``and``,
    ``or``, ``not``, ``a < b < c``), loop over ``range`` of a constant or over a tuple of numbers, and call functions of
    ``math``, ``abs``, ``min``, ``max``, ``pow``, ``round``, ``float``, ``bool``, elementwise primitives of ``gg``, and
    other scalar functions, in it or beside it, decorated or not. It may close over Python numbers.

    The result takes tensors, arrays and numbers, which broadcast against each other, and returns a tensor, on any
    backend. It is differentiable in both modes to any order, batches under ``vmap`` and fuses under ``jit``. Dtypes are
    those of NumPy, where numbers in ``f`` are weak: float32 stays float32. Where a function of ``math`` raises for a
    number, the element is NaN or infinite.

    Both sides of a choice are computed for all elements, and each element keeps what its own side gave. On the other
    side it is replaced by a harmless number where that matters: nothing warns there, and its derivative is 0, never NaN.

    Raises UnsupportedError, with the line and the way out, for what has no translation: ``while``, ``break``, ``try``,
    texts, recursion, changes of anything outside, unknown functions, a function whose source is not available.

    >>> import math
    >>> import gpugrad as gg
    >>> @gg.elementwise
    ... def root(x, scale=1.0):
    ...     "A square root, 0 for negative numbers."
    ...     if x > 0.0:
    ...         return scale * math.sqrt(x)
    ...     return 0.0
    >>> root(gg.tensor([-1.0, 0.0, 4.0]))
    tensor([0., 0., 2.])
    >>> gg.grad(lambda x: gg.sum(root(x, 2.0)))(gg.tensor([-1.0, 0.0, 4.0]))
    tensor([0. , 0. , 0.5])
    """
    if isinstance(f, types.FunctionType) and f in _translations and hasattr(f, "__wrapped__"):
        return f
    run = _translated(f)
    signature = inspect.signature(f)
    simple = all(p.kind <= p.POSITIONAL_OR_KEYWORD for p in signature.parameters.values())
    count = len(signature.parameters)

    @ft.wraps(f)
    def call(*args: Any, **kwargs: Any) -> Any:
        if kwargs or len(args) != count or not simple:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            args, kwargs = bound.args, bound.kwargs
        values, common = _values([*args, *kwargs.values()])
        keywords = dict(zip(kwargs, values[len(args) :], strict=True))
        out = run(Lanes(None, common, _translated), *values[: len(args)], **keywords)
        return _result(out, values, common)

    _translations[call] = run
    return call


def _translated(f: Any, node: ast.AST | None = None, place: Place | None = None) -> Callable[..., Any]:
    """What a scalar function is translated to, made when first asked for; ``node`` is a call of it."""
    if not isinstance(f, types.FunctionType):
        raise unsupported(
            f"{f!r} is no function written in Python. Decorate a scalar function: def f(x): return math.sin(x) * x"
        )
    found = _translations.get(f)
    if found is not None:
        return found
    if f in _under_way.functions:
        assert node is not None and place is not None
        raise place.error(
            node, f"{f.__name__} calls itself by way of others", "Write a loop over range(n) with a constant n"
        )
    if hasattr(f, "__wrapped__"):
        raise unsupported(
            f"{f.__name__} is what another decorator has made of a function. Put gg.elementwise next to the function"
        )
    if f.__code__.co_flags & (inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR):
        raise unsupported(f"{f.__name__} is a generator or a coroutine. Return one number")
    _under_way.functions.append(f)
    try:
        found = _translations[f] = translate(f, _translated)
    finally:
        _under_way.functions.pop()
    return found


def _values(given: Sequence[Any]) -> tuple[list[Any], Any]:
    """Arguments as values, numbers among arrays as they are; and the dtype of all arrays together."""
    arrays = [x for x in given if type(x) not in SCALARS]
    values = [as_value(x) if not arrays or type(x) not in SCALARS else x for x in given]
    common = None
    for v in values:
        if type(v) is trace.Tensor and dtypes.of(v).kind != "b":
            common = dtypes.of(v) if common is None else dtypes.promote(common, dtypes.of(v))
    return values, common


def _result(out: Any, values: Sequence[Any], common: Any) -> Any:
    """The result in the shape of all arguments together, as another tensor than any of them."""
    arrays = [v for v in values if type(v) is trace.Tensor]
    shape = broadcast_shapes("gg.elementwise", [v.shape for v in arrays])
    if type(out) is not trace.Tensor:
        return _filled(out, arrays[0], shape, common)
    if out.shape != shape:
        return broadcast_to(out, shape)
    return fresh(out) if any(out is v for v in arrays) else out


def _filled(number: Any, like: Any, shape: tuple[int, ...], common: Any) -> Any:
    """A result that is the same Python number for all elements."""
    dtype = dtypes.dtype("bool") if type(number) is bool else weak_dtype(common, number)
    nothing = cast(zeros(like, shape), dtype=dtype, source=dtypes.of(like))
    return logical_or(nothing, number) if type(number) is bool else nothing + number
