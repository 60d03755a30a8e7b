"""Tensor: a value with the operators, conversions and protocols that a NumPy user expects.

A tensor is a value, not a view: ``x[i] = v`` and ``x += v`` rebind ``x`` to the updated value, differentiably, and no
other tensor changes because of it.
"""

from __future__ import annotations

import functools as ft
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from gpugrad import dtypes, errors, trace
from gpugrad.array_methods import ArrayMethods
from gpugrad.backends import select
from gpugrad.exports import Exports
from gpugrad.operators import Operators
from gpugrad.ops import elementwise as ew
from gpugrad.ops.linear import cast, conj
from gpugrad.ops.promotion import WEAK
from gpugrad.trace import Value, value
from gpugrad.transforms.lift import as_value, raised, raw, stopped
from gpugrad.transforms.modes import enable_grad
from gpugrad.transforms.node import NO_PARAMS, Leaf, Node, extra
from gpugrad.transforms.replay import replayed
from gpugrad.transforms.sweep import sweep
from gpugrad.transforms.tape import EAGER
from gpugrad.writing import Writing


class Tensor(Operators, Writing, Exports, ArrayMethods, Value):
    """An array of numbers whose computations can be differentiated. Made by ``gg.tensor`` and by operations on tensors."""

    __slots__ = ()

    # ---- what it is -----------------------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """The size along each axis."""
        s: tuple[int, ...] = self._data.shape
        return s[1:] if self._trace.batched else s

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy dtype of the elements."""
        d = self._data.dtype
        return d if type(d) is _DTYPE or isinstance(d, np.dtype) else dtypes.dtype(d)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        n = 1
        for k in self.shape:
            n *= k
        return n

    @property
    def nbytes(self) -> int:
        """Bytes of memory for the elements."""
        return self.size * self.dtype.itemsize

    @property
    def device(self) -> str:
        """Where the elements are: ``"cpu"``, ``"cuda:0"`` …"""
        return select.place(self._data)

    def __len__(self) -> int:
        shape = self.shape
        if not shape:
            raise errors.DtypeError("len() of a tensor of shape (): it is one number, without a length")
        return shape[0]

    def __iter__(self) -> Iterator[Any]:
        if not self.shape:
            raise errors.DtypeError("iteration over a tensor of shape (): it is one number")
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        if self._trace is not EAGER or not isinstance(self._data, np.ndarray | np.generic):
            by = "" if self._trace is EAGER else f", traced by {type(self._trace).__name__}"
            return f"tensor(shape={self.shape}, dtype={self.dtype.name}, device={self.device!r}{by})"
        shown = np.asarray(self._data)
        text = np.array2string(
            shown.astype(np.float32) if dtypes.is_half(shown.dtype) else shown, separator=", ", prefix="tensor("
        )
        notes = "" if self.dtype in _UNSAID else f", dtype={self.dtype.name}"
        if isinstance(self._mark, Leaf):
            notes += ", requires_grad=True"
        elif self._mark is not None:
            notes += f", grad_fn=<{self._mark.name}>"
        return f"tensor({text}{notes})"

    def __format__(self, spec: str) -> str:
        return (
            format(self.item(), spec)
            if spec and self.shape == ()
            else repr(self)
            if not spec
            else format(repr(self), spec)
        )

    # ---- derivatives --------------------------------------------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        """Whether a gradient flows through it; assign to make a leaf of it, or to stop."""
        return self._mark is not None and self._trace.records

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        if self._trace is not EAGER:
            raise errors.TraceError(
                "requires_grad of a traced value: inside a transform the arguments are tracked already"
            )
        if self.requires_grad == bool(wanted):
            return
        if not wanted and not isinstance(self._mark, Leaf):
            raise errors.GraphError(
                f"requires_grad=False on the result of {self._mark.name}; expected a leaf. Use t.detach()"
            )
        if wanted and not dtypes.is_inexact(self.dtype):
            raise errors.DtypeError(
                f"requires_grad on a tensor of dtype {self.dtype.name}; only floating-point tensors have gradients. Cast it: t.astype('float64')"
            )
        self._mark = Leaf(self.shape, self.dtype) if wanted else None

    def requires_grad_(self, wanted: bool = True) -> Tensor:
        """Set ``requires_grad`` and return the tensor."""
        self.requires_grad = wanted
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operation made it."""
        return self._mark is None or isinstance(self._mark, Leaf)

    @property
    def grad_fn(self) -> Node | None:
        """The recorded operation that made it; None for a leaf and for what is not tracked."""
        return None if self.is_leaf or not self._trace.records else self._mark

    @property
    def grad(self) -> Any:
        """The gradient that ``backward`` accumulated here, a tensor; None before that, and for what is not a leaf."""
        return self._mark.grad if isinstance(self._mark, Leaf) else None

    @grad.setter
    def grad(self, g: Any) -> None:
        if not isinstance(self._mark, Leaf):
            if g is None:
                return
            raise errors.GraphError("grad can be set on a leaf only: a tensor made with requires_grad=True")
        if g is not None:
            g = as_value(g)
            if g._trace is not EAGER:
                raise errors.TraceError("grad set to a traced value: return it from the transformed function instead")
            if g.device != self.device:
                raise errors.DeviceError(f"grad on {g.device} for a tensor on {self.device}; expected one device")
            if g.shape != self.shape or g.dtype != self.dtype:
                raise errors.ShapeError(
                    f"grad of shape {g.shape} and dtype {g.dtype.name} for a tensor of shape {self.shape} and dtype {self.dtype.name}; expected the same"
                )
        self._mark.grad = g

    def backward(self, gradient: Any = None, *, create_graph: bool = False, retain_graph: bool | None = None) -> None:
        """Add the gradient of this tensor to ``.grad`` of every leaf that it was computed from.

        ``gradient`` is the cotangent to start from, of this tensor's shape; it may be left out for one number. The
        graph is released on the way unless ``retain_graph``; with ``create_graph`` the gradients can themselves be
        differentiated, inside ``gg.no_grad()`` too. Such a gradient leads back to the leaf that holds it: when done,
        set ``x.grad = None``, or the memory waits for the garbage collector. Time and memory are linear in the number of
        recorded operations.

        Raises ShapeError without ``gradient`` for a tensor that is not one number, DtypeError for a complex one,
        GraphError if nothing was recorded or the graph was released, DeviceError for a cotangent on another device.
        After an error no ``.grad`` has changed; what was passed of the graph is released.

        >>> import gpugrad as gg
        >>> x = gg.tensor([1.0, 2.0], requires_grad=True)
        >>> (x * x).sum().backward()
        >>> x.grad
        tensor([2., 4.])
        """
        if self._trace is not EAGER:
            raise errors.TraceError("backward() on a traced value: inside a transform use gg.grad or gg.vjp")
        node = self._mark
        if node is None:
            raise errors.GraphError(
                "backward() on a tensor that was not computed from one with requires_grad=True. Make the inputs with gg.tensor(x, requires_grad=True), outside gg.no_grad()"
                + (f"; the last tracked value that was detached: {EAGER.cuts[-1]}" if EAGER.cuts else "")
            )
        data = self._data
        if gradient is None:
            if data.shape != ():
                raise errors.ShapeError(
                    f"backward() on a tensor of shape {data.shape} needs the cotangent to start from: t.backward(gradient), or reduce it first: t.sum().backward()"
                )
            if data.dtype not in _PLAIN and dtypes.is_complex(data.dtype):
                raise errors.DtypeError(
                    f"backward() on a {data.dtype} number: a gradient is defined for real results. Take gg.real(t) or gg.abs(t), or pass gradient="
                )
            g = select.one(data)
        else:
            seed = gradient if type(gradient) is Tensor else self._beside(gradient)
            if seed.device != self.device:
                raise errors.DeviceError(
                    f"backward(gradient) on {seed.device} of a tensor on {self.device}; expected one device. Move it: gradient.to({self.device!r})"
                )
            if seed.shape != data.shape:
                raise errors.ShapeError(
                    f"backward(gradient) of shape {seed.shape} on a tensor of shape {data.shape}; expected the same"
                )
            if seed.dtype != self.dtype:
                seed = seed.astype(self.dtype)
            g = seed if create_graph else seed._data
            if dtypes.is_complex(data.dtype):
                g = conj(g)
        if create_graph:
            with enable_grad():  # it was asked for
                found = sweep([(node, raised(g))], retain=True if retain_graph is None else retain_graph, tracer=EAGER)
        else:
            summed = replayed(node, g, bool(retain_graph))
            if summed is not None:
                for leaf, total in summed.items():
                    leaf.grad = value(total, EAGER, None)
                return
            found = sweep([(node, g)], retain=bool(retain_graph))
        for leaf, ct in found.items():
            new = ct if type(ct) is Tensor else value(ct, EAGER, None)
            if leaf.dtype not in _PLAIN and dtypes.is_complex(leaf.dtype):
                new = conj(new)
            leaf.grad = new if leaf.grad is None else leaf.grad + new

    def _beside(self, data: Any) -> Tensor:
        """A copy of something array-like; on this tensor's device, if it is on none."""
        here = None if select.is_array(data) or hasattr(data, "__dlpack__") else self.device
        return _made(raw(data, copy=True, device=here), EAGER, None)

    def register_hook(self, hook: Callable[[Any], Any]) -> Hook:
        """Call ``hook(cotangent)`` when a backward pass reaches this tensor; what it returns, if anything, goes on.

        What it returns must have this tensor's shape and dtype. Hooks are called in the order in which they were
        registered. Returns a handle whose ``remove()`` ends it.

        >>> import gpugrad as gg
        >>> x = gg.tensor(3.0, requires_grad=True)
        >>> y = x * x
        >>> handle = y.register_hook(lambda g: 10.0 * g)
        >>> y.backward(); x.grad
        tensor(60.)
        """
        if self._mark is None or not self._trace.records:
            raise errors.GraphError(
                "register_hook on a tensor without a gradient; expected one computed from a tensor with requires_grad=True"
            )

        if not callable(hook):
            raise errors.DtypeError(f"register_hook({hook!r}): expected a function of the cotangent")

        def on_tensors(g: Any) -> Any:
            changed = hook(raised(g).__copy__())  # a copy, since a hook may write into what it gets
            return None if changed is None else _from_hook(changed, g)

        hooks = extra(self._mark).hooks
        hooks[id(on_tensors)] = on_tensors
        return Hook(hooks, on_tensors)

    def detach(self) -> Tensor:
        """The same value, without its history: no derivative flows through it."""
        constant: Tensor = stopped(self)
        return constant

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        """The package, as the namespace of the array API standard."""
        return sys.modules["gpugrad"]

    # ---- NumPy's functions and ufuncs on tensors: gpugrad.numpy.protocol, loaded when first needed ------------------

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return _protocols().array_ufunc(self, ufunc, method, *inputs, **kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return _protocols().array_function(self, function, types, args, kwargs)

    def __cupy_override_elementwise_kernel__(self, kernel: Any, *args: Any, **kwargs: Any) -> Any:
        return _protocols().of_cupy(self, kernel, *args, **kwargs)

    __array_priority__ = 1000.0  # for libraries that look at no more: the tensor's operator has precedence

    # ---- conversions that keep it a tensor --------------------------------------------------------------------------------

    def astype(self, dtype: Any, copy: bool = True) -> Tensor:
        """The same values in another dtype; a cast to integers or booleans ends the derivative."""
        wanted = dtypes.dtype(dtype)
        have = self.dtype
        if wanted == have:
            return self.again()
        if not dtypes.is_inexact(wanted) or not dtypes.is_inexact(have):
            if self._mark is not None:
                self._trace.cut(f"a cast from {have.name} to {wanted.name} at {errors.user_site()}")
            out: Tensor = cast(stopped(self), dtype=wanted, source=have)
            return out
        if dtypes.is_complex(have) and not dtypes.is_complex(wanted):
            raise errors.DtypeError(
                f"astype from {have.name} to {wanted.name} would drop the imaginary part; say so: gg.real(t)"
            )
        other: Tensor = cast(self, dtype=wanted, source=have)
        return other

    def to(self, device: str) -> Tensor:
        """The same tensor on a device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, or ``"auto"`` (a GPU if there is one)."""
        target = select.resolve(device)
        if target == self.device:
            return self.again()
        if self._trace is not EAGER:
            raise errors.TraceError("to() on a traced value: move the arguments before the transform")
        here, there = select.of(self._data), select.on(target)
        moved = there.to_device(self._data if here is there else there.asarray(here.to_numpy(self._data)), target)
        return _made(moved, EAGER, Leaf(self.shape, self.dtype) if isinstance(self._mark, Leaf) else None)

    def to_device(self, device: str, /, *, stream: Any = None) -> Tensor:
        """:meth:`to`, by the name of the array API standard. Work is ordered for you: ``stream`` must be None."""
        if stream is not None:
            raise errors.DeviceError(f"to_device with stream={stream!r}: expected None; gpugrad orders its own work")
        return self.to(device)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if not self.is_leaf or self._trace is not EAGER:
            raise errors.GraphError("deepcopy of a tensor that is part of a graph; expected a leaf. Use t.detach()")
        copy = _made(raw(self._data, copy=True), EAGER, None if self._mark is None else Leaf(self.shape, self.dtype))
        if self.grad is not None:
            copy._mark.grad = self.grad.detach()
        return copy

    def again(self) -> Tensor:
        """The same value as another tensor, so that writing into one leaves the other alone."""
        if isinstance(self._mark, Leaf):
            out: Tensor = self._trace.apply(ew.positive, self, NO_PARAMS)
            return out
        return self.__copy__()

    def __copy__(self) -> Tensor:
        return _made(self._data, self._trace, self._mark)

    def __reduce__(self) -> Any:
        return _rebuilt, (np.array(self.detach().numpy()), isinstance(self._mark, Leaf))


def _protocols() -> Any:
    raise AssertionError("install_protocols was not called")


def install_protocols(load: Callable[[], Any]) -> None:
    """Say how to load what answers NumPy's dispatch protocols. Called once, when the package is assembled."""
    global _protocols
    _protocols = ft.cache(load)


def _from_hook(changed: Any, g: Any) -> Any:
    """What a hook returned in the place of the cotangent ``g``: of its kind, shape and dtype."""
    new = as_value(changed, g.dtype if type(changed) in WEAK else None)
    if new.shape != g.shape or new.dtype != dtypes.of(g):
        raise errors.ShapeError(
            f"a gradient hook returned shape {new.shape} and dtype {new.dtype.name} for a cotangent of shape {g.shape} and dtype {dtypes.of(g).name}; expected the same, or None to leave it"
        )
    if type(g) is Tensor:
        return new
    constant = stopped(new)
    if constant._trace is not EAGER:
        raise errors.TraceError(
            "a gradient hook returned a value under vmap for a cotangent that is not: it stands for many items at once; register the hook inside the mapped function"
        )
    return constant._data


class Hook:
    """A registered gradient hook; ``remove()`` ends it."""

    def __init__(self, hooks: dict[int, Callable[[Any], Any]], hook: Callable[[Any], Any]) -> None:
        self._hooks = hooks
        self._hook = hook

    def remove(self) -> None:
        """Call it no more."""
        self._hooks.pop(id(self._hook), None)


_DTYPE = type(np.dtype(np.float64))
_PLAIN = frozenset(map(np.dtype, ("float64", "int64", "bool")))
_UNSAID = _PLAIN | {np.dtype("complex128")}
"""Dtypes that a tensor is shown without."""


def _made(data: Any, owner: trace.Trace, mark: Any) -> Tensor:
    made: Tensor = value(data, owner, mark)
    return made


def _rebuilt(array: Any, requires_grad: bool) -> Any:
    data = raw(array)
    return value(data, EAGER, Leaf(data.shape, data.dtype) if requires_grad else None)


trace.install(Tensor)
