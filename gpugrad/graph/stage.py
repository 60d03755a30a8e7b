"""Staging: a function runs once on symbols, which compute nothing, and what it would have computed is written down.

A symbol stands where a raw array would, below every trace: to tapes, tangents and batches it is an array of one more
backend, so whatever transforms a function contains, down here they are primitives. What depends on no symbol is
computed at once, and is a constant of the graph.
"""

from __future__ import annotations

import functools as ft
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any, NoReturn
from weakref import ref

import numpy as np

from gpugrad import dtypes, errors, trace
from gpugrad.backends import select
from gpugrad.backends.base import Backend
from gpugrad.graph.ir import Graph, Line, Variable
from gpugrad.ops import elementwise as ew
from gpugrad.ops.bilinear import matmul
from gpugrad.ops.linear import cast, constant
from gpugrad.ops.promotion import WEAK, promote
from gpugrad.primitive import Primitive, Shape


class Symbol:
    """An array that is not there yet: its shape, its dtype, and the graph that it is a variable of."""

    __slots__ = ("__weakref__", "stage", "variable", "weak")
    __array_ufunc__ = None  # NumPy's operators leave a symbol to its own

    def __init__(self, variable: Variable, stage: Stage, weak: bool = False) -> None:
        self.variable = variable
        self.stage = stage
        self.weak = weak
        """Whether it stands for a Python number, which takes the dtype of what it meets."""
        if weak:
            stage.numbers.append(ref(self))

    @property
    def shape(self) -> tuple[int, ...]:
        """The size along each axis."""
        return self.variable.shape

    @property
    def dtype(self) -> Any:
        """The dtype of the elements."""
        return self.variable.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.variable.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(np.prod(self.variable.shape, dtype=np.int64))

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        self.check("a number is asked for")
        raise errors.TraceError(
            f"the numbers of a {self.dtype}{list(self.shape)} were asked for at {errors.user_site()} (by if, while, float(), int(), NumPy …), while {self.stage.name} is being compiled and they are not known. Use gg.where or gg.cond on it, make the argument static (static_argnums), or take it out of the compiled function"
        )

    def check(self, what: str) -> None:
        """TraceError if it may not be computed with: its program is finished, or another thread's."""
        stage = self.stage
        if not stage.open:
            raise errors.TraceError(
                f"{what} at {errors.user_site()}: an operand was made while {stage.name} was being compiled, {stage.origin(self.variable)}, and kept by something outside of it. Return it from the function instead"
            )
        if threading.get_ident() != stage.thread:
            raise errors.TraceError(
                f"{what} at {errors.user_site()}: an operand stands for a value of {stage.name}, which another thread is compiling at this moment. While a function is compiled, what it reads and changes (parameters, optimizer state) is its own: call it once before threads share that, or hold a lock"
            )

    __array__ = __bool__ = __float__ = __int__ = __complex__ = __index__ = __iter__ = __len__ = _refuse

    __add__ = __iadd__ = lambda x, y: ew.add(x, y)
    __radd__ = lambda y, x: ew.add(x, y)
    __sub__ = __isub__ = lambda x, y: ew.subtract(x, y)
    __rsub__ = lambda y, x: ew.subtract(x, y)
    __mul__ = __imul__ = lambda x, y: ew.multiply(x, y)
    __rmul__ = lambda y, x: ew.multiply(x, y)
    __truediv__ = __itruediv__ = lambda x, y: ew.divide(x, y)
    __rtruediv__ = lambda y, x: ew.divide(x, y)
    __floordiv__ = lambda x, y: ew.floor_divide(x, y)
    __mod__ = lambda x, y: ew.remainder(x, y)
    __pow__ = lambda x, y: ew.pow(x, y)
    __rpow__ = lambda y, x: ew.pow(x, y)
    __neg__ = lambda x: ew.negative(x)
    __matmul__ = lambda x, y: matmul(x, y)
    __eq__ = lambda x, y: ew.equal(x, y)
    __ne__ = lambda x, y: ew.not_equal(x, y)
    __lt__ = lambda x, y: ew.less(x, y)
    __le__ = lambda x, y: ew.less_equal(x, y)
    __gt__ = lambda x, y: ew.greater(x, y)
    __ge__ = lambda x, y: ew.greater_equal(x, y)
    __and__ = lambda x, y: _logic(ew.logical_and, ew.bitwise_and, x, y)
    __or__ = lambda x, y: _logic(ew.logical_or, ew.bitwise_or, x, y)
    __xor__ = lambda x, y: _logic(ew.logical_xor, ew.bitwise_xor, x, y)
    __lshift__ = lambda x, y: ew.bitwise_left_shift(x, y)
    __rshift__ = lambda x, y: ew.bitwise_right_shift(x, y)
    __invert__ = lambda x: _logic(ew.logical_not, ew.bitwise_invert, x)
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"Symbol({self.variable.name}: {self.dtype}{list(self.shape)})"


def _logic(on_bool: Primitive, on_int: Primitive, x: Any, *more: Any) -> Any:
    return (on_bool if dtypes.of(x).kind == "b" else on_int)(x, *more)


class Stage:
    """A graph that is being written."""

    def __init__(self, name: str = "a function", device: str = "cpu", outer: Stage | None = None) -> None:
        self.name = name
        """What is being compiled, to be named in messages."""
        self.outer = outer
        """The graph of which this one is to be a part: it is the condition or the body of a loop there."""
        self.depth: int = 0 if outer is None else outer.depth + 1
        self.read: list[Symbol] = []
        """What it reads of the graphs around it: each is a further input, in this order."""
        self._inner: dict[int, Symbol] = {}
        self.device = device
        """Where it is to run."""
        self.graph = Graph()
        self.open = True
        self.thread = threading.get_ident()
        """The thread in which the function runs."""
        self.fresh: list[Callable[[], Any]] = []
        """What makes the further inputs, anew for each run, in the order in which they were asked for."""
        self.after: list[Callable[[], tuple[Any, ...]]] = []
        """What each run is to be followed by: asked for beforehand, a function of C's and its arguments."""
        self.numbers: list[ref[Symbol]] = []
        """Symbols that stand for Python numbers."""
        self._hosted: dict[Any, Symbol] = {}
        self._of_numbers: list[Line] = []
        """What is computed from Python numbers alone: it comes first, so as not to stand between lines that fuse."""
        self._times: dict[Any, int] = {}

    def input(self, shape: tuple[int, ...], dtype: Any, name: str, weak: bool = False) -> Symbol:
        """A symbol for an argument; a ``weak`` one for a Python number."""
        variable = Variable(name, tuple(shape), np.dtype(dtype))
        self.graph.inputs.append(variable)
        return Symbol(variable, self, weak)

    def host(self, key: Any, fresh: Callable[[], Any], shape: tuple[int, ...], dtype: Any, name: str) -> Symbol:
        """A symbol for an array that Python makes before each run: a key, the learning rate. One for each ``key``."""
        self._check_once(f"{name} that Python makes anew for each run is asked for")
        found = self._hosted.get(key) if key is not None else None
        if found is None:
            found = self.input(shape, dtype, name)
            self.fresh.append(fresh)
            if key is not None:
                self._hosted[key] = found
        return found

    def _check_once(self, what: str) -> None:
        """TraceError in a loop, whose body is written down once, and runs nobody knows how often."""
        if self.outer is not None:
            raise errors.TraceError(
                f"{what} at {errors.user_site()}, inside of {self.name}, whose number of steps is not known while it is being compiled. Do so before or after the loop, or leave the loop out of the compiled function"
            )

    def within(self, other: Stage) -> bool:
        """Whether it is a part of another graph, or that graph itself."""
        stage: Stage | None = self
        while stage is not None and stage is not other:
            stage = stage.outer
        return stage is not None

    def own(self, x: Any, what: str) -> Any:
        """An operand as one of this graph's. TraceError for one of a graph that this is no part of."""
        if type(x) is not Symbol or x.stage is self:
            return x
        x.check(what)
        if not self.within(x.stage):
            raise errors.TraceError(
                f"{what} at {errors.user_site()}: its operands belong to {self.name} and to {x.stage.name}, which is being compiled, too. Pass what the inner one needs as an argument"
            )
        found = self._inner.get(id(x.variable))
        if found is None:
            self.read.append(x)
            found = self._inner[id(x.variable)] = self.input(x.shape, x.dtype, x.variable.name, x.weak)
        return found

    def origin(self, variable: Variable) -> str:
        """Where a variable was made: the user's line."""
        for line in (*self.graph.lines, *self._of_numbers):
            if any(v is variable for v in line.results):
                return f"by {line.prim.name} at {errors.beside(line.site)}"
        return f"as its argument {variable.name}"

    def times(self, key: Any) -> int:
        """How many times this was asked for ``key``, this time included."""
        self._check_once("an update that is counted is made")
        self._times[key] = self._times.get(key, 0) + 1
        return self._times[key]

    def finish(self, outputs: Sequence[Any]) -> Graph:
        """The graph that gives ``outputs``: symbols, or arrays that are constant."""
        owned = [self.own(o, "a result") for o in outputs]
        self.graph.outputs = [o.variable if type(o) is Symbol else o for o in owned]
        self.graph.lines[:0] = self._of_numbers
        self.open = False
        self._hosted.clear()  # a program keeps this, and symbols know it: nobody is to wait for the garbage collector
        self._inner.clear()
        return self.graph

    def record(self, prim: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
        """Write down one primitive; the symbols of its results."""
        results = tuple(Variable(prim.name, shape, dtype) for shape, dtype in result_types(prim, args, params))
        operands = tuple(a.variable if type(a) is Symbol else a for a in args)
        lines = self._of_numbers if all(a.weak for a in args if type(a) is Symbol) else self.graph.lines
        lines.append(Line(prim, operands, params, results, errors.user_site()))
        weak = prim.kind == "elementwise" and all(_is_number(a) or (type(a) is Symbol and a.weak) for a in args)
        symbols = tuple(Symbol(v, self, weak and v.dtype.kind == "f") for v in results)
        return symbols if prim.outputs else symbols[0]


def result_types(prim: Primitive, args: Sequence[Any], params: dict[str, Any]) -> tuple[tuple[Shape, Any], ...]:
    """The shape and dtype of each result of a primitive on symbols, variables, arrays or numbers."""
    shapes = prim.shape(*(getattr(a, "shape", ()) for a in args), **params)
    given = _dtypes(prim, args, params)
    if not prim.outputs:
        return ((tuple(shapes), dtypes.dtype(given)),)
    each = given if type(given) is tuple else (given,) * len(shapes)
    return tuple((tuple(s), dtypes.dtype(d)) for s, d in zip(shapes, each, strict=True))


def _dtypes(prim: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
    if prim.kind == "elementwise" and not params:
        return _tried(prim, *((type(a), a) if _is_number(a) else dtypes.of(a) for a in args))
    have = [None if _is_number(a) else dtypes.of(a) for a in args]
    return next(d for d in have[prim.leads :] if d is not None) if prim.dtype is None else prim.dtype(*have, **params)


def _elsewhere(a: Any, stage: Stage) -> bool:
    """Whether it is an array on another device than a program; a key of random numbers may be anywhere."""
    if type(a) is Symbol or not hasattr(a, "shape") or isinstance(a, np.generic):
        return False
    key = a.shape == (2,) and a.dtype == np.uint32
    return not key and select.is_array(a) and select.place(a) != stage.device


def _is_number(a: Any) -> bool:
    return type(a) in WEAK or type(a) is complex


@ft.lru_cache(maxsize=4096)
def _tried(prim: Primitive, *kinds: Any) -> Any:
    """The dtype of an elementwise result: that of the operation on ones, so that all of NumPy's rules are kept."""
    backend = select.on("cpu")
    ones = [k[1] if type(k) is tuple else backend.full((), 1, k) for k in kinds]
    with np.errstate(all="ignore"):
        return dtypes.of(prim(*ones))


class _Namespace:
    """The functions of the array API standard on symbols and arrays, for code that computes with raw arrays."""

    def zeros_like(self, x: Any) -> Any:
        """Zeros that are written down, so that ``+=`` may change them."""
        return constant(x, to=x.shape, fill=0)

    def __getattr__(self, name: str) -> Any:
        function = getattr(sys.modules["gpugrad"], name)

        def on_raw(*args: Any, **kwargs: Any) -> Any:
            out = function(*args, **kwargs)
            return out._data if type(out) is trace.Tensor else out

        return on_raw if callable(function) and name != "finfo" else function


class StagingBackend(Backend):
    """Symbols, to whatever asks which library an array belongs to."""

    name = "staging"
    device_kind = "cpu"
    array_types = (Symbol,)
    absorbs = True
    xp = _Namespace()

    def implementation(self, prim: Primitive, array_type: type) -> Callable[..., Any]:
        if prim.name == "beside":  # a constant of the program
            return lambda like, data: select.on(like.stage.device).asarray(data)

        def staged(*args: Any, **params: Any) -> Any:
            promoted = promote(prim, args) if prim.same else None
            if promoted is not None:
                return prim(*promoted, **params)
            symbols = [a for a in args if type(a) is Symbol]
            for a in symbols:
                a.check(prim.name)
            stage = max((a.stage for a in symbols), key=lambda stage: stage.depth)
            args = tuple([stage.own(a, prim.name) for a in args])
            if stage.device != "cpu" and any(_elsewhere(a, stage) for a in args):
                raise select.explained(prim, args, {}, TypeError())
            return stage.record(prim, args, params)

        return staged

    def asarray(self, data: Any, dtype: Any = None, copy: bool | None = None) -> Any:
        if type(data) is Symbol:
            return (
                data
                if dtype is None or data.dtype == dtype
                else cast(data, dtype=dtypes.dtype(dtype), source=data.dtype)
            )
        return select.on("cpu").asarray(data, dtype, copy)

    def full(self, shape: tuple[int, ...], fill: Any, dtype: Any) -> Any:
        return np.broadcast_to(select.on("cpu").full((), fill, dtype), shape)  # seen to be one number throughout

    def full_beside(self, like: Any, shape: tuple[int, ...], fill: Any, dtype: Any) -> Any:
        backend = select.on(like.stage.device)
        return backend.xp.broadcast_to(backend.full((), fill, dtype), shape)

    def to_numpy(self, array: Any) -> Any:
        return array._refuse()

    def device_of(self, array: Any) -> str:
        return str(array.stage.device)


def stage_of(array: Any) -> Stage | None:
    """The graph that an array is a symbol of; None for one that is there."""
    return array.stage if type(array) is Symbol else None


select.attach(StagingBackend())
