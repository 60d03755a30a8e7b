"""From the table to the user: operations on values or raw arrays become functions of array-likes.

Inside, an operation trusts its operands. :func:`public` wraps it once for all callers outside: what a user hands over
(a list, a NumPy array, an array of another library) becomes a tensor on the way in, and results are tensors on the way
out. Which parameters are arrays is read from the annotations ``Array``, ``Sequence[Array]`` and their unions; for a
primitive, from its operands.
"""

from __future__ import annotations

import functools as ft
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from gpugrad import errors
from gpugrad.backends import select
from gpugrad.ops.casting import FLOAT32, widened
from gpugrad.ops.elementwise import positive
from gpugrad.primitive import Primitive
from gpugrad.tensor import Tensor
from gpugrad.trace import bind, state, value
from gpugrad.transforms.binary import binary
from gpugrad.transforms.lift import as_value
from gpugrad.transforms.node import NO_PARAMS, Leaf

SCALARS = frozenset({bool, int, float, complex})
"""Python numbers: beside an array they stay what they are, and take its dtype and device."""

NOWHERE = 1 << 30
"""The position of a parameter that has none."""

_ABSENT = object()
"""Stands for an argument that was not given by position."""

Function = Callable[..., Any]


def public(operation: Function, module: str = "gpugrad") -> Function:
    """A function for users: ``operation`` with array-likes made tensors on the way in, and results on the way out.

    Name, signature and docstring are those of the operation, ``module`` is where users find it (so that it pickles).
    Raises TypeError for a function without an annotated array parameter.

    >>> from gpugrad.ops.elementwise import maximum
    >>> public(maximum)([1.0, 5.0], 2.0)
    tensor([2., 5.])
    """
    call = _of_primitive(operation) if isinstance(operation, Primitive) else _of_function(operation)
    call.__module__ = module
    return call


def all_public(names: Sequence[str], namespace: dict[str, Any], module: str = "gpugrad") -> dict[str, Function]:
    """The public functions of those names in a module's namespace: how a facade takes a whole ``__all__``.

    >>> from gpugrad.ops import elementwise
    >>> all_public(["exp"], vars(elementwise))["exp"]([0.0])
    tensor([1.])
    """
    return {name: public(namespace[name], module) for name in names}


# ---- primitives: the flat path, without looking at signatures --------------------------------------------------------


def _of_primitive(prim: Primitive) -> Function:
    names = parameters_of(prim)
    n = len(prim.operands)
    if prim.variadic:
        call = _variadic(prim)
    elif names or prim.outputs or n > 2:
        call = _general(prim)
    else:
        call = _unary(prim) if n == 1 else _binary(prim)
        if prim.name in FLOAT32:
            call = _ranged(call)
    call.__name__ = call.__qualname__ = prim.name
    positional, keyword = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.KEYWORD_ONLY
    kind = inspect.Parameter.VAR_POSITIONAL if prim.variadic else positional
    operands = [inspect.Parameter(name, kind, annotation="Array") for name in prim.operands]
    metadata = [inspect.Parameter(name, keyword) for name in names]
    call.__signature__ = inspect.Signature([*operands, *metadata], return_annotation="Array")  # type: ignore[attr-defined]
    call.__doc__ = _documented(prim, names)
    return call


def parameters_of(prim: Primitive) -> tuple[str, ...]:
    """The names of a primitive's metadata, which its forward takes as keywords.

    >>> from gpugrad.ops.linear import reduce_sum
    >>> parameters_of(reduce_sum)
    ('axis',)
    """
    code = getattr(prim.forward, "__code__", None)
    if code is None:
        return ()
    start: int = code.co_argcount
    names: tuple[str, ...] = code.co_varnames[start : start + code.co_kwonlyargcount]
    return names


def _unary(prim: Primitive) -> Function:
    def call(x: Any, /) -> Any:
        if type(x) is not Tensor:
            x = as_value(x)
        return x._trace.apply(prim, x, NO_PARAMS)

    return call


def _ranged(call: Function) -> Function:
    def in_float32(*xs: Any) -> Any:
        return call(*xs) if state.autocast is None else call(*map(widened, xs))

    return in_float32


def _binary(prim: Primitive) -> Function:
    def call(x: Any, y: Any, /) -> Any:
        if type(y) is not Tensor and type(y) not in SCALARS:
            y = as_value(y)
        if type(x) is not Tensor and (type(x) not in SCALARS or type(y) is not Tensor):
            x = as_value(x)
        return binary(prim, x, y)

    return call


def _general(prim: Primitive) -> Function:
    n = len(prim.operands)

    def call(*args: Any, **params: Any) -> Any:
        if len(args) != n:
            raise TypeError(f"{prim.name}() takes {n} arrays ({', '.join(prim.operands)}), got {len(args)}")
        return bind(prim, _tensors(args), params)

    return call


def _variadic(prim: Primitive) -> Function:
    def call(*args: Any, **params: Any) -> Any:
        if not args:
            raise TypeError(f"{prim.name}() takes at least one array")
        return bind(prim, _tensors(args), params)

    return call


def _documented(prim: Primitive, names: Sequence[str]) -> str:
    lines = [prim.doc or f"The operation {prim.name}.", ""]
    arrays = ", ".join(f"``{name}``" for name in prim.operands)
    if prim.batch == "elementwise":
        together = f"; {arrays} broadcast against each other" if len(prim.operands) > 1 else ""
        lines.append(
            f"Elementwise on an array of any shape{together}. Takes tensors, arrays and numbers; returns a tensor."
        )
    else:
        lines.append(
            f"Takes {arrays}; leading axes are a batch. Returns {'a tuple of tensors' if prim.outputs else 'a tensor'}."
        )
    if not prim.differentiable:
        lines.append("It is constant almost everywhere: no derivative flows through it.")
    if prim.batch == "elementwise" and not names:
        samples = [_sample(prim, k) for k in range(len(prim.operands))]
        lines += ["", ">>> import gpugrad as gg", f">>> gg.{prim.name}({', '.join(samples)})", "tensor(...)"]
    return "\n".join(lines)


def _sample(prim: Primitive, position: int) -> str:
    """An operand for the example, of the kind of number that the primitive takes and inside its domain."""
    if prim.name.startswith("logical") or (prim.same and position not in prim.same):
        return "gg.tensor(True)"
    return (
        "gg.tensor(1)"
        if prim.name.startswith("bitwise")
        else "gg.tensor(0.5)"
        if prim.name == "atanh"
        else "gg.tensor(1.0)"
    )


# ---- functions: their annotations say which parameters are arrays ----------------------------------------------------


class Place(NamedTuple):
    """An array parameter: where it is, and what else it may be."""

    position: int
    name: str
    sequence: bool
    """Whether it is a sequence of arrays."""
    optional: bool
    """Whether None stands for no array."""
    mixed: bool
    """Whether it may be something that is not array-like, such as a tuple of ints: then only arrays are converted."""


_NUMBERS = frozenset({"Array", "None", "bool", "int", "float", "complex", "Scalar"})
_SEQUENCES = frozenset({"Sequence[Array]", "Iterable[Array]", "list[Array]", "tuple[Array, ...]"})


def places_of(function: Function) -> tuple[list[Place], Place | None]:
    """The array parameters of a function, and its ``*args`` if those are arrays.

    >>> def blend(x: Array, axis: int, y: Array | None = None): ...
    >>> [p.name for p in places_of(blend)[0]]
    ['x', 'y']
    """
    function = inspect.unwrap(function)
    code, defaults = function.__code__, function.__defaults__ or ()  # inspect.signature would double the import time
    n, keyword_only = code.co_argcount, code.co_kwonlyargcount
    optional = {code.co_varnames[n - k - 1] for k, d in enumerate(reversed(defaults)) if d is None}
    optional |= {name for name, d in (function.__kwdefaults__ or {}).items() if d is None}
    found: list[Place] = []
    star: Place | None = None
    for k, name in enumerate(code.co_varnames[: n + keyword_only + bool(code.co_flags & inspect.CO_VARARGS)]):
        annotation = function.__annotations__.get(name)
        if not isinstance(annotation, str):
            continue
        members = {member.strip() for member in annotation.split("|")}
        sequence = bool(members & _SEQUENCES)
        if not sequence and "Array" not in members:
            continue
        mixed = bool(members - _NUMBERS - _SEQUENCES)
        place = Place(k if k < n else NOWHERE, name, sequence, "None" in members or name in optional, mixed)
        if k == n + keyword_only:
            star = place._replace(position=n)
        else:
            found.append(place)
    return found, star


def _of_function(function: Function) -> Function:
    places, star = places_of(function)
    if not places and star is None:
        raise TypeError(f"public({function.__name__}): no parameter is annotated `Array` or `Sequence[Array]`")
    if star is None and len(places) == 1 and places[0].position == 0 and not places[0].sequence:
        return _of_one_array(function, places[0])
    return _of_arrays(function, places, star)


def _of_one_array(function: Function, place: Place) -> Function:
    """The lean wrapper of most compositions: one array, which comes first."""
    name = place.name

    @ft.wraps(function)
    def call(x: Any = _ABSENT, /, *args: Any, **kwargs: Any) -> Any:
        if x is _ABSENT:
            if name not in kwargs:
                return function(**kwargs)  # which says what is missing
            x = kwargs.pop(name)
        if type(x) is not Tensor:
            x = _tensor(x, place)
        out = function(x, *args, **kwargs)
        if type(out) is Tensor:
            return out if out is not x else fresh(out)
        return _result(out, (x,))

    return call


def _of_arrays(function: Function, places: Sequence[Place], star: Place | None) -> Function:
    by_name = {p.name: p for p in places}
    quick = tuple(p.position for p in places)
    by_index = {p.position: p for p in places}
    from_star = star.position if star is not None else NOWHERE

    def converted(args: Sequence[Any], kwargs: dict[str, Any]) -> list[Any]:
        out = list(args)
        at: list[tuple[Any, Any, Place]] = []
        for k in range(len(out)):
            place = by_index.get(k) if k < from_star else star
            if place is not None:
                at.append((out, k, place))
        at += [(kwargs, name, by_name[name]) for name in kwargs if name in by_name]
        first = None
        arrays = False
        for holder, key, place in at:
            x = holder[key]
            if type(x) in SCALARS and not place.sequence:
                first = first or (holder, key, place)
            elif type(x) is not Tensor or place.sequence:
                holder[key] = x = _tensor(x, place)
            arrays = arrays or type(x) is Tensor or (place.sequence and x is not None)
        if first is not None and not arrays:
            holder, key, place = first
            if not place.mixed:
                holder[key] = as_value(holder[key])
        return out

    @ft.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        n = len(args)
        if kwargs or n > from_star:
            args = tuple(converted(args, kwargs))
        else:
            for k in quick:
                if k < n and type(args[k]) is not Tensor:
                    args = tuple(converted(args, kwargs))
                    break
        out = function(*args, **kwargs)
        if type(out) is Tensor:
            return (
                fresh(out) if _handed(out, args) or (kwargs and _handed(out, [kwargs.get(n) for n in by_name])) else out
            )
        return _result(out, args)

    return call


# ---- in and out -------------------------------------------------------------------------------------------------------


def _tensor(x: Any, place: Place) -> Any:
    """One argument as the operation expects it."""
    if type(x) is Tensor and not place.sequence:
        return x
    if x is None and place.optional:
        return x
    if place.sequence:
        if select.is_array(x):
            x = as_value(x)
        if not hasattr(x, "__iter__"):
            raise errors.DtypeError(f"{place.name}={x!r}: expected a sequence of arrays")
        return [e if type(e) is Tensor else as_value(e) for e in x]
    if place.mixed and not select.is_array(x):
        return x
    return as_value(x)


def _tensors(args: Sequence[Any]) -> list[Any]:
    """Operands of a primitive: numbers stay, unless there is nothing else."""
    out = [x if type(x) is Tensor or type(x) in SCALARS else as_value(x) for x in args]
    if not any(type(x) is Tensor for x in out):
        out[0] = as_value(out[0])
    return out


def _handed(out: Any, args: Iterable[Any]) -> bool:
    """Whether an operation returned one of its arguments, or of the arrays in one that is a sequence."""
    return any(out is a or (type(a) is list and any(out is e for e in a)) for a in args)


def _result(out: Any, args: Sequence[Any]) -> Any:
    """What an operation returned, with raw arrays made tensors, in tuples and lists too."""
    if isinstance(out, tuple):
        parts = [_result(x, args) for x in out]
        return type(out)(*parts) if hasattr(out, "_fields") else tuple(parts)
    if type(out) is list:
        return [_result(x, args) for x in out]
    if type(out) is Tensor:
        return fresh(out) if _handed(out, args) else out
    return as_value(out) if select.is_array(out) else out


def fresh(x: Any) -> Any:
    """The same value as another tensor, so that writing into one leaves the other alone.

    >>> import gpugrad as gg
    >>> x = gg.tensor([1.0, 2.0])
    >>> y = fresh(x)
    >>> y[0] = 5.0
    >>> x
    tensor([1., 2.])
    """
    if isinstance(x._mark, Leaf):
        return x._trace.apply(positive, x, NO_PARAMS)
    return value(x._data, x._trace, x._mark)
