"""Tensor: a value with the operators, conversions and protocols that a NumPy user expects.

A tensor is a value, not a view: ``x[i] = v`` and ``x += v`` rebind ``x`` to the updated value, differentiably, and no
other tensor changes because of it.
"""

from __future__ import annotations

import functools as ft
import math
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from gpugrad import conversions, dtypes, errors, trace
from gpugrad.array_methods import ArrayMethods, another
from gpugrad.backends import select
from gpugrad.ops import elementwise as ew
from gpugrad.ops.arithmetic import power
from gpugrad.ops.bilinear import matmul
from gpugrad.ops.indexing import getitem, setitem
from gpugrad.ops.linear import cast, conj
from gpugrad.ops.promotion import WEAK
from gpugrad.trace import Value, raw_of, state, value
from gpugrad.transforms import borrowed
from gpugrad.transforms.lift import as_value, raised, raw, tracked
from gpugrad.transforms.modes import enable_grad
from gpugrad.transforms.node import NO_PARAMS, Leaf, Node, extra
from gpugrad.transforms.sweep import sweep
from gpugrad.transforms.tape import EAGER, binary


class Tensor(ArrayMethods, Value):
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
        return _stopped(self)

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        """The package, as the namespace of the array API standard."""
        return sys.modules["gpugrad"]

    # ---- NumPy's functions and ufuncs on tensors: gpugrad.numpy.protocol, loaded when first needed ------------------

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return _protocols().array_ufunc(self, ufunc, method, *inputs, **kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return _protocols().array_function(self, function, types, args, kwargs)

    __array_priority__ = 1000.0  # for libraries that look at no more: the tensor's operator has precedence

    # ---- conversions ------------------------------------------------------------------------------------------------

    def numpy(self) -> Any:
        """The elements as a NumPy array that shares memory with this tensor and cannot be written to.

        Raises GraphError if the tensor is part of a derivative (use ``t.detach().numpy()``), DeviceError if it is not
        on the CPU (use ``t.to("cpu")``), TraceError inside vmap.
        """
        return self.__array__()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        marked = tracked(self)
        if marked is not None:
            raise marked._leaving()
        data = raw_of(self)
        backend = select.of(data)
        if backend.device_kind != "cpu":
            raise errors.DeviceError(
                f"cannot make a NumPy array of a tensor on {self.device} without moving it; say so: t.to('cpu')"
            )
        out = np.asarray(backend.to_numpy(data)).view(np.ndarray)
        if (dtype is not None and out.dtype != dtype) or copy:
            return out.astype(dtype or out.dtype)
        out = out.view()
        out.flags.writeable = False
        return out

    @property
    def _mask(self) -> Any:
        """What ``numpy.ma`` asks of an operand, and nothing else does: it would take the raw array and leave the rest."""
        raise errors.DtypeError(
            f"a function of numpy.ma on a tensor of shape {self.shape} would detach it; keep the mask beside it: gg.where(~mask, t, 0.0)"
        )

    def __dlpack__(
        self, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: bool | None = None
    ) -> Any:
        asked = {"stream": stream, "max_version": max_version, "dl_device": dl_device, "copy": copy}
        return self._shared("__dlpack__")(**{name: v for name, v in asked.items() if v is not None})

    def __dlpack_device__(self) -> Any:
        return self._shared("__dlpack_device__")()

    @property
    def __cuda_array_interface__(self) -> Any:
        return self._shared("__cuda_array_interface__")

    def _shared(self, protocol: str) -> Any:
        """A memory-sharing protocol of the raw array; AttributeError if it has none."""
        if self.requires_grad or self._trace is not EAGER:
            raise errors.GraphError(
                f"{protocol} of a tensor that is part of a derivative: what shares its memory would be detached. Say that it is meant: t.detach()"
            )
        shared = getattr(self._data, protocol)
        borrowed.register(self._data)  # who gets it may write to it
        return shared

    def _concrete(self, what: str) -> Any:
        """The raw one-element array, for a conversion to a Python number."""
        v: Any = self
        while type(v) is Tensor:
            if v._trace.batched:
                raise errors.TraceError(
                    f"{what} of a value under vmap: it stands for {v._mark} items at once. Use gg.where instead of `if`, gg.while_loop instead of `while`, or take it out of the mapped function"
                )
            if v._mark is not None and what != "bool()":
                v._trace.cut(f"{what} at {errors.user_site()}")
            v = v._data
        if self.size != 1:
            raise errors.ShapeError(
                f"{what} of a tensor of shape {self.shape}; expected one element"
                + (". Use gg.any(t) or gg.all(t)" if what == "bool()" else "")
            )
        return select.of(v).to_numpy(v)

    def _leaving(self) -> errors.GpugradError:
        """The error for what would detach a derivative unsaid: it names the place, the call, and the way out."""
        kind = errors.GraphError if self._trace.records else errors.TraceError
        what = f"{self._mark} items under vmap" if self._trace.batched else "part of a derivative"
        return kind(conversions.message(errors.user_frame(), self.shape, what))

    def _said(self) -> None:
        """Refuse ``math.sin(t)`` and, for a NumPy buffer, ``buffer[i] = t``: they ask for ``float(t)`` as a user may."""
        if self._mark is not None and conversions.unsaid(sys._getframe(2)):
            raise self._leaving()

    def item(self, *at: Any) -> Any:
        """The one element, or that at an index (into the flattened tensor, or along each axis), as a Python number."""
        if at:
            return (
                self[at if len(at) > 1 else at[0]] if type(at[0]) is tuple or len(at) > 1 else self.flat[at[0]]
            ).item()
        return self._concrete("item()").item()

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers."""
        return self.detach().numpy().tolist()

    def __bool__(self) -> bool:
        return bool(self._concrete("bool()"))

    def __float__(self) -> float:
        self._said()
        return float(self._concrete("float()").item())

    def __int__(self) -> int:
        self._said()
        return int(self._concrete("int()").item())

    def __complex__(self) -> complex:
        self._said()
        return complex(self._concrete("complex()").item())

    def __trunc__(self) -> int:
        whole: int = math.trunc(self.item())
        return whole

    def __floor__(self) -> int:
        whole: int = math.floor(self.item())
        return whole

    def __ceil__(self) -> int:
        whole: int = math.ceil(self.item())
        return whole

    def __round__(self, digits: int | None = None) -> Any:
        return int(self.round().item()) if digits is None else self.round(digits)

    def __index__(self) -> int:
        if self.dtype.kind not in "iu":
            raise errors.DtypeError(f"a tensor of dtype {self.dtype.name} is not an index; expected an integer")
        return int(self._concrete("index").item())

    def astype(self, dtype: Any, copy: bool = True) -> Tensor:
        """The same values in another dtype; a cast to integers or booleans ends the derivative."""
        wanted = dtypes.dtype(dtype)
        have = self.dtype
        if wanted == have:
            return self.again()
        if not dtypes.is_inexact(wanted) or not dtypes.is_inexact(have):
            if self._mark is not None:
                self._trace.cut(f"a cast from {have.name} to {wanted.name} at {errors.user_site()}")
            out: Tensor = cast(_stopped(self), dtype=wanted, source=have)
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
        moved = select.on(target).asarray(select.of(self._data).to_numpy(self._data))
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

    # ---- writing: a tensor is a value, and writing rebinds it -----------------------------------------------------------

    def _rebind(self, new: Any, what: str) -> Tensor:
        """Become ``new``, which has this tensor's shape; the dtype stays, as in NumPy."""
        new = as_value(new)
        if new.shape != self.shape:
            raise errors.ShapeError(
                f"{what}: a tensor of shape {self.shape} cannot hold a result of shape {new.shape}; write it out of place, as in x = x + y"
            )
        if new.dtype != self.dtype:
            if not np.can_cast(new.dtype, self.dtype, "same_kind") and not (
                dtypes.is_float(new.dtype) and dtypes.is_float(self.dtype)
            ):
                raise errors.DtypeError(
                    f"{what}: a tensor of dtype {self.dtype.name} cannot hold a result of dtype {new.dtype.name}; write it out of place, or cast: x.astype({new.dtype.name!r})"
                )
            new = new.astype(self.dtype)
        if isinstance(self._mark, Leaf) and self._trace is EAGER:
            if state.floor < 0:
                raise errors.GraphError(
                    f"{what} on a leaf with requires_grad=True would take its gradient from it; update it inside `with gg.no_grad():`, or write it out of place"
                )
            self._data = _stopped(new)._data
        else:
            self._data, self._trace, self._mark = new._data, new._trace, new._mark
        return self

    def __setitem__(self, key: Any, v: Any) -> None:
        if isinstance(self._mark, Leaf) and self._trace is EAGER and state.floor < 0:
            raise errors.GraphError(
                "x[i] = v on a leaf with requires_grad=True would take its gradient from it; write inside `with gg.no_grad():`, or into a copy: y = x + 0"
            )
        if not self._written_in_place(key, v):
            self._rebind(setitem(self, key, v), "x[i] = v")

    def _written_in_place(self, key: Any, v: Any) -> bool:
        """Write into the buffer itself, if nobody can tell: nothing is recorded, and no one else holds the memory."""
        if self._mark is not None or self._trace is not EAGER or type(self._data) is not np.ndarray:
            return False
        new = _plain(v)
        where = tuple(_plain(k) for k in key) if type(key) is tuple else _plain(key)
        if new is None or where is None or (type(where) is tuple and None in where):
            return False
        if _holders(self) > _ALONE:
            return False
        data = self._data
        fits = (
            new.dtype == data.dtype
            if isinstance(new, np.ndarray | np.generic)
            else type(new) is int or data.dtype.kind in "fc"
        )
        if not fits or not data.flags.owndata or not data.flags.writeable:
            return False
        try:
            data[where] = new
        except (IndexError, ValueError):
            return False  # the general way says what is wrong
        return True

    def __getitem__(self, key: Any) -> Any:
        return another(self, getitem(self, key))

    def copy_(self, new: Any) -> Tensor:
        """Take over the value of ``new`` (same shape and dtype), keeping identity, gradient and ``requires_grad``."""
        source = as_value(new)
        if source.shape != self.shape or source.dtype != self.dtype:
            raise errors.ShapeError(
                f"copy_: value of shape {source.shape} and dtype {source.dtype.name} for a tensor of shape {self.shape} and dtype {self.dtype.name}; expected the same"
            )
        if source.device != self.device:
            raise errors.DeviceError(
                f"copy_: a value on {source.device} for a tensor on {self.device}; expected one device. Move it: t.to({self.device!r})"
            )
        if not self.is_leaf or self._trace is not EAGER:
            raise errors.GraphError("copy_ on a tensor that is part of a graph; expected a leaf")
        stopped = _stopped(source)
        if stopped._trace is not EAGER:
            raise errors.TraceError(
                "copy_ of a value under vmap: it stands for many items at once; return it from the mapped function instead"
            )
        self._data = stopped._data
        return self

    # ---- operators ------------------------------------------------------------------------------------------------------

    def __add__(self, y: Any) -> Any:
        return binary(ew.add, self, y if type(y) is Tensor or type(y) in WEAK else _operand(y))

    def __radd__(self, y: Any) -> Any:
        return binary(ew.add, y if type(y) in WEAK else _operand(y), self)

    def __sub__(self, y: Any) -> Any:
        return binary(ew.subtract, self, y if type(y) is Tensor or type(y) in WEAK else _operand(y))

    def __rsub__(self, y: Any) -> Any:
        return binary(ew.subtract, y if type(y) in WEAK else _operand(y), self)

    def __mul__(self, y: Any) -> Any:
        return binary(ew.multiply, self, y if type(y) is Tensor or type(y) in WEAK else _operand(y))

    def __rmul__(self, y: Any) -> Any:
        return binary(ew.multiply, y if type(y) in WEAK else _operand(y), self)

    def __truediv__(self, y: Any) -> Any:
        return divided(self, y if type(y) is Tensor or type(y) in WEAK else _operand(y))

    def __rtruediv__(self, y: Any) -> Any:
        return divided(y if type(y) in WEAK else _operand(y), self)

    def __neg__(self) -> Any:
        return self._trace.apply(ew.negative, self, NO_PARAMS)

    def __pos__(self) -> Any:
        return self._trace.apply(ew.positive, self, NO_PARAMS)

    def __abs__(self) -> Any:
        return self.abs()

    def __invert__(self) -> Any:
        return (ew.logical_not if self.dtype.kind == "b" else ew.bitwise_invert)(self)

    def __pow__(self, y: Any) -> Any:
        return power(self, y if type(y) is Tensor or type(y) in WEAK else _operand(y))

    def __rpow__(self, y: Any) -> Any:
        return power(y if type(y) in WEAK else _operand(y), self)

    def __divmod__(self, y: Any) -> Any:
        return self // y, self % y

    def __rdivmod__(self, y: Any) -> Any:
        return y // self, y % self

    def __matmul__(self, y: Any) -> Any:
        return matmul(self, y if type(y) is Tensor else _operand(y))

    def __rmatmul__(self, y: Any) -> Any:
        return matmul(_operand(y), self)

    def __hash__(self) -> int:
        return id(self)


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
    stopped = _stopped(new)
    if stopped._trace is not EAGER:
        raise errors.TraceError(
            "a gradient hook returned a value under vmap for a cotangent that is not: it stands for many items at once; register the hook inside the mapped function"
        )
    return stopped._data


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


def divided(x: Any, y: Any) -> Any:
    """``x / y``; integers are divided as floating-point numbers, as NumPy does."""
    return binary(ew.divide, x, y)


def _operand(y: Any) -> Any:
    """The other operand of an operator: numbers as they are, arrays shared and watched, the rest converted."""
    if state.ruling and isinstance(y, np.ndarray):
        return y  # a raw array that a rule computes with
    if type(y) is np.ndarray and y.dtype.kind in "fiubc" and y.dtype.itemsize != 2:
        borrowed.register(y)
        return y
    if isinstance(y, np.generic | complex) and not isinstance(y, np.float16):
        return y
    return as_value(y)


def _plain(x: Any) -> Any:
    """``x`` for NumPy's own indexing, where that means the same: a number, a slice, an untracked array; else None."""
    if type(x) is Tensor:
        x = x._data if x._mark is None and x._trace is EAGER else None
    return x if isinstance(x, int | float | slice | np.ndarray | np.generic) or x is Ellipsis else None


def _made(data: Any, owner: trace.Trace, mark: Any) -> Tensor:
    made: Tensor = value(data, owner, mark)
    return made


def _stopped(v: Any) -> Tensor:
    """``v`` cut off every derivative: tapes and tangents are left behind, batches stay."""
    if type(v) is not Tensor:
        return _made(v, EAGER, None)
    if v._trace.batched:
        inner = _stopped(v._data)
        return _made(inner._data if inner._trace is EAGER else inner, v._trace, v._mark)
    return _stopped(v._data)


def stop_gradient(x: Any) -> Any:
    """``x`` as a constant: no derivative of any kind flows through it.

    >>> import gpugrad as gg
    >>> gg.grad(lambda x: x * gg.stop_gradient(x))(gg.tensor(3.0))
    tensor(3.)
    """
    from gpugrad import pytree

    return pytree.map(lambda v: _stopped(as_value(v)), x)


def _rebuilt(array: Any, requires_grad: bool) -> Any:
    data = raw(array)
    return value(data, EAGER, Leaf(data.shape, data.dtype) if requires_grad else None)


def _holders(t: Tensor) -> int:
    """How many hold the memory of a tensor, with a surplus that depends on the interpreter."""
    data = t._data
    return sys.getrefcount(data)


def _install_operators() -> None:
    """Comparisons, bits and the in-place forms, which differ only in the primitive."""

    def forward(prim: Any) -> Callable[[Any, Any], Any]:
        def operator(self: Any, y: Any) -> Any:
            try:
                other = y if type(y) is Tensor or type(y) in WEAK else _operand(y)
            except (TypeError, ValueError):
                return NotImplemented
            return binary(prim, self, other)

        return operator

    def backward(prim: Any) -> Callable[[Any, Any], Any]:
        return lambda self, y: binary(prim, y if type(y) in WEAK else _operand(y), self)

    def logic(on_bool: Any, on_int: Any, swap: bool = False) -> Callable[[Any, Any], Any]:
        def operator(self: Any, y: Any) -> Any:
            prim = on_bool if self.dtype.kind == "b" else on_int
            other = y if type(y) is Tensor or type(y) in WEAK else _operand(y)
            return binary(prim, other, self) if swap else binary(prim, self, other)

        return operator

    def in_place(name: str) -> Callable[[Any, Any], Any]:
        plain = f"__{name}__"
        return lambda self, y: self._rebind(getattr(self, plain)(y), f"in-place {name}")

    for name, prim in {
        "eq": ew.equal,
        "ne": ew.not_equal,
        "lt": ew.less,
        "le": ew.less_equal,
        "gt": ew.greater,
        "ge": ew.greater_equal,
    }.items():
        setattr(Tensor, f"__{name}__", forward(prim))
    for name, prim in {
        "mod": ew.remainder,
        "floordiv": ew.floor_divide,
        "lshift": ew.bitwise_left_shift,
        "rshift": ew.bitwise_right_shift,
    }.items():
        setattr(Tensor, f"__{name}__", forward(prim))
        setattr(Tensor, f"__r{name}__", backward(prim))
    for name, pair in {
        "and": (ew.logical_and, ew.bitwise_and),
        "or": (ew.logical_or, ew.bitwise_or),
        "xor": (ew.logical_xor, ew.bitwise_xor),
    }.items():
        setattr(Tensor, f"__{name}__", logic(*pair))
        setattr(Tensor, f"__r{name}__", logic(*pair, swap=True))
    for name in (
        "add",
        "sub",
        "mul",
        "truediv",
        "pow",
        "matmul",
        "mod",
        "floordiv",
        "and",
        "or",
        "xor",
        "lshift",
        "rshift",
    ):
        setattr(Tensor, f"__i{name}__", in_place(name))


_install_operators()
trace.install(Tensor)
_ALONE = _holders(_made(np.zeros(1), EAGER, None))
"""What :func:`_holders` says where the tensor is the only one."""
