"""A stand-in for CuPy, over NumPy: its arrays are of a class of their own and behave as CuPy's where that differs.

No result is a scalar; nothing of NumPy's but scalars is taken, and nothing is given to NumPy; what CuPy lacks is missing,
and what crashes there fails here; a result is in C's order; positions out of range wrap round. ``USED`` is what was asked of
the module, so that a test can look each name up in the real one.
"""

from __future__ import annotations

from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

USED: set[str] = set()
MISSING = frozenset(
    [
        "vecdot",
        "matvec",
        "vecmat",
        "block",
        "insert",
        "nanquantile",
        "nanpercentile",
        "geomspace",
        "spacing",
        "ndenumerate",
        "nditer",
        "einsum_path",
        "unstack",
        "errstate",
        "histogram_bin_edges",
        "frompyfunc",
        "longdouble",
    ]
)
LINALG = frozenset(
    [
        "cholesky",
        "cond",
        "cross",
        "det",
        "eig",
        "eigh",
        "eigvals",
        "eigvalsh",
        "inv",
        "matrix_rank",
        "norm",
        "pinv",
        "qr",
        "slogdet",
        "solve",
        "svd",
    ]
)
DEVICES = 2
_raising = [False]
_current = [0]
memory = SimpleNamespace(limit=1 << 40, broken=False)
"""How many bytes an array may have, and whether a kernel has failed."""


class OutOfMemoryError(MemoryError):
    """As CuPy's."""


class CUDARuntimeError(RuntimeError):
    """As CuPy's."""


def hear() -> None:
    """Whoever waits for the device hears of what failed before."""
    if memory.broken:
        raise CUDARuntimeError("cudaErrorIllegalAddress: an illegal memory access was encountered")


class Device:
    """A device, and as a context the current one."""

    def __init__(self, id: int | None = None) -> None:
        self.id = _current[-1] if id is None else id

    def __enter__(self) -> Device:
        _current.append(self.id)
        return self

    def __exit__(self, *_: Any) -> None:
        _current.pop()

    def synchronize(self) -> None:
        """Everything is done."""
        hear()


class ndarray:  # noqa: N801 - CuPy's name
    """An array of the device."""

    __array_priority__ = 100

    def __init__(self, data: Any, device: int | None = None) -> None:
        if data.nbytes > memory.limit:
            raise OutOfMemoryError(f"Out of memory allocating {data.nbytes:,} bytes (allocated so far: 0 bytes).")
        self._a = data
        self.device = Device(_current[-1] if device is None else device)

    shape = property(lambda self: self._a.shape)
    dtype = property(lambda self: self._a.dtype)
    ndim = property(lambda self: self._a.ndim)
    size = property(lambda self: self._a.size)
    nbytes = property(lambda self: self._a.nbytes)
    strides = property(lambda self: self._a.strides)
    flags = property(lambda self: self._a.flags)
    T = property(lambda self: _view(self, self._a.T))
    real = property(lambda self: _view(self, self._a.real))
    imag = property(lambda self: _view(self, self._a.imag))

    def view(self, dtype: Any = None, type: Any = None) -> Any:
        assert dtype is None
        out = ndarray.__new__(type)
        out._a, out.device = self._a, self.device
        return out

    def get(self) -> Any:
        hear()
        return self._a.copy()

    def item(self) -> Any:
        return self._a.item()

    def astype(self, dtype: Any, copy: bool = True) -> ndarray:
        with np.errstate(all="ignore"):
            return _like(self, self._a.astype(dtype, order="C", copy=True))

    def copy(self) -> ndarray:
        return _like(self, self._a.copy(order="C"))

    def reshape(self, *shape: Any) -> ndarray:
        return _view(self, self._a.reshape(*shape))

    def transpose(self, *axes: Any) -> ndarray:
        return _view(self, self._a.transpose(*axes))

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`")

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {**self._a.__array_interface__, "version": 3, "owner": self}

    def __dlpack__(self, **_: Any) -> Any:
        return SimpleNamespace(owner=self)

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, self.device.id

    def __len__(self) -> int:
        return len(self._a)

    def __iter__(self) -> Any:
        return (self[k] for k in range(len(self)))

    def __bool__(self) -> bool:
        return bool(self._a)

    def __int__(self) -> int:
        return int(self._a)

    def __float__(self) -> float:
        return float(self._a)

    def __complex__(self) -> complex:
        return complex(self._a)

    def __getitem__(self, key: Any) -> ndarray:
        return _view(self, np.asarray(self._a[_key(self._a, key)]))

    def __setitem__(self, key: Any, v: Any) -> None:
        _refuse([v])
        self._a[_key(self._a, key)] = _in(v)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if any(not isinstance(x, ndarray | int | float | complex | np.generic) for x in inputs):
            return NotImplemented
        return getattr(getattr(MODULE, ufunc.__name__), method)(*inputs, **kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if any(not issubclass(t, ndarray) for t in types):
            return NotImplemented
        return getattr(MODULE, function.__name__)(*args, **kwargs)


def _like(of: ndarray, data: Any) -> ndarray:
    """New memory, on the current device, of the same class."""
    return ndarray(data).view(type=type(of))


def _view(of: ndarray, data: Any) -> ndarray:
    out = ndarray.__new__(type(of))
    out._a, out.device = data, of.device
    return out


def _key(a: Any, key: Any) -> Any:
    """A key in which arrays of positions wrap round."""
    items = key if isinstance(key, tuple) else (key,)
    _refuse(items)
    out: list[Any] = []
    axis = 0
    for item in items:
        if isinstance(item, ndarray):
            data = item._a
            if data.dtype.kind in "iu":
                data = data % a.shape[axis] if a.shape[axis] else data
            out.append(data)
            axis += data.ndim if data.dtype.kind == "b" else 1
        elif item is Ellipsis:
            out.append(item)
            axis = a.ndim - sum(k is not None for k in items[items.index(Ellipsis) + 1 :])
        else:
            out.append(item)
            axis += item is not None
    return tuple(out)


def _in(x: Any) -> Any:
    if type(x) in (list, tuple):
        return type(x)(map(_in, x))
    return x._a if isinstance(x, ndarray) else x


def _out(x: Any) -> Any:
    if isinstance(x, tuple):
        return tuple(map(_out, x)) if type(x) is tuple else type(x)(*map(_out, x))
    if isinstance(x, list):
        return [*map(_out, x)]
    if isinstance(x, np.ndarray | np.generic):
        data = np.asarray(x)
        return ndarray(data if data.base is not None else np.array(data, order="C"))
    return x


def _refuse(xs: Any) -> None:
    for x in xs:
        if isinstance(x, np.ndarray | list) or not isinstance(
            x, ndarray | int | float | complex | bool | np.generic | slice | type(None) | type(Ellipsis) | tuple
        ):
            raise TypeError(f"Unsupported type {type(x)}")
        if isinstance(x, ndarray) and x.device.id != _current[-1] and DEVICES == 1:
            raise ValueError(f"Array device must be same as the current device: {x.device.id} and {_current[-1]}")


def _called(name: str, function: Any) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        for arg in args:
            override = getattr(arg, "__cupy_override_elementwise_kernel__", None)
            if override is not None and isinstance(function, np.ufunc):
                return override(SimpleNamespace(name=f"cupy_{function.__name__}", nin=function.nin), *args, **kwargs)
        _refuse(
            args[: function.nin] if isinstance(function, np.ufunc) else [a for a in args if isinstance(a, np.ndarray)]
        )
        halves = [a for a in args if isinstance(a, ndarray) and a.dtype.name == "bfloat16"]
        if name == "matmul" and halves and any(a.ndim != 2 for a in halves):
            raise RuntimeError("no product of bfloat16 in a batch")
        here = next((a.device.id for a in args if isinstance(a, ndarray)), _current[-1])
        if here != _current[-1]:
            raise ValueError(f"{name}: arrays of device {here} while {_current[-1]} is current")
        with np.errstate(all="ignore"):
            if name == "matmul" and halves:
                return _out(function(*(a._a.astype(np.float32) for a in args)).astype(halves[0].dtype))
            out = _out(function(*map(_in, args), **{k: _in(v) for k, v in kwargs.items()}))
            kind = next((type(a) for a in args if isinstance(a, ndarray) and type(a) is not ndarray), None)
            return (
                out.view(type=kind) if isinstance(out, ndarray) and kind is not None else out
            )  # as CuPy keeps subclasses

    call.__name__ = name
    return call


class _Module(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in MISSING:
            raise AttributeError(f"module 'cupy' has no attribute {name!r}")
        USED.add(name)
        found = getattr(np, name)
        if isinstance(found, type) or not callable(found) or name in ("finfo", "iinfo", "dtype", "broadcast_shapes"):
            return found
        return _called(name, found)


MODULE = _Module("cupy")
MODULE.ndarray = ndarray


def _asarray(a: Any, dtype: Any = None, order: Any = None, *, copy: bool | None = None, blocking: bool = False) -> Any:
    USED.add("asarray")
    if isinstance(a, ndarray):
        return (
            a.view(type=ndarray)
            if type(a) is not ndarray
            else a
            if dtype in (None, a.dtype) and not copy
            else ndarray(a._a.astype(dtype or a.dtype))
        )
    shared = getattr(a, "__cuda_array_interface__", None)
    if shared is not None:
        return shared["owner"]
    if isinstance(a, list | tuple):
        a = [_in(x) for x in a]
    return ndarray(np.array(a, dtype=dtype, order="C"))


def _astype(x: Any, dtype: Any, /, *, copy: bool = True) -> Any:
    return x.astype(dtype)


def _argsort(a: Any, axis: int = -1, kind: Any = None) -> Any:
    return ndarray(np.argsort(a._a, axis=axis, kind="stable"))


def _take(a: Any, indices: Any, axis: int | None = None, out: Any = None) -> Any:
    _refuse([a, indices])
    return _out(np.take(_in(a), _in(indices), axis=axis, mode="wrap"))


def _arange(*args: Any, dtype: Any = None) -> Any:
    return ndarray(np.arange(*args, dtype=dtype))


def _full(shape: Any, fill_value: Any, dtype: Any = None) -> Any:
    return ndarray(np.full(shape, _in(fill_value), dtype))


def _remainder(x: Any, y: Any) -> Any:
    """Of floats as CuPy has it, so that it is seen to be mended."""
    x, y = _in(x), _in(y)
    with np.errstate(all="ignore"):
        return _out(x - np.floor(x / y) * y if np.result_type(x, y).kind == "f" else np.remainder(x, y))


def _from_dlpack(array: Any, *, device: Any = None, copy: bool | None = None) -> Any:
    if array.__dlpack_device__()[0] != 2:
        raise RuntimeError("CPU tensor is not supported")
    return array.__dlpack__().owner


class _Linalg:
    def __getattr__(self, name: str) -> Any:
        if name not in LINALG:
            raise AttributeError(f"module 'cupy.linalg' has no attribute {name!r}")
        USED.add(f"linalg.{name}")

        def call(*args: Any, **kwargs: Any) -> Any:
            if name == "solve" and args[1].ndim > 1 and args[0].shape[:-2] != args[1].shape[:-2]:
                raise ValueError("a and b must have the same shape but their last axes")
            try:
                out = _called(name, getattr(np.linalg, name))(*args, **kwargs)
            except np.linalg.LinAlgError:
                if _raising[-1]:
                    raise
                return ndarray(np.full(args[-1].shape, np.nan, args[-1].dtype))
            return tuple(out) if isinstance(out, tuple) else out

        return call


class _Fft:
    def __getattr__(self, name: str) -> Any:
        USED.add(f"fft.{name}")
        return _called(name, getattr(np.fft, name))


class errstate:  # noqa: N801
    """As cupyx.errstate."""

    def __init__(self, *, linalg: str) -> None:
        self.linalg = linalg

    def __enter__(self) -> None:
        _raising.append(self.linalg == "raise")

    def __exit__(self, *_: Any) -> None:
        _raising.pop()


for _name, _function in [
    ("asarray", _asarray), ("astype", _astype), ("argsort", _argsort), ("take", _take), ("arange", _arange),
    ("full", _full), ("remainder", _remainder), ("from_dlpack", _from_dlpack), ("linalg", _Linalg()), ("fft", _Fft()),
]:  # fmt: skip
    setattr(MODULE, _name, _function)

RUNTIME = SimpleNamespace(
    CUDARuntimeError=CUDARuntimeError,
    runtimeGetVersion=lambda: 13020,
    getDeviceCount=lambda: DEVICES,
    memGetInfo=lambda: (1 << 30, 1 << 33),
)
MODULE.cuda = SimpleNamespace(runtime=RUNTIME, Device=Device, memory=SimpleNamespace(OutOfMemoryError=OutOfMemoryError))
MODULE.get_default_memory_pool = lambda: SimpleNamespace(total_bytes=lambda: 3 << 20, free_bytes=lambda: 1 << 20)
EXTENSION = ModuleType("cupyx")
EXTENSION.errstate = errstate


def _operator(name: str, numpy_name: str) -> None:
    def forwards(self: Any, other: Any) -> Any:
        if getattr(other, "__array_priority__", 0) > self.__array_priority__:
            return NotImplemented
        return getattr(MODULE, numpy_name)(self, other)

    def backwards(self: Any, other: Any) -> Any:
        return getattr(MODULE, numpy_name)(other, self)

    setattr(ndarray, f"__{name}__", forwards)
    if name not in ("lt", "le", "gt", "ge", "eq", "ne"):
        setattr(ndarray, f"__r{name}__", backwards)


for _name, _numpy in [
    ("add", "add"), ("sub", "subtract"), ("mul", "multiply"), ("truediv", "true_divide"), ("pow", "power"),
    ("floordiv", "floor_divide"), ("mod", "remainder"), ("and", "bitwise_and"), ("or", "bitwise_or"), ("xor", "bitwise_xor"),
    ("lshift", "left_shift"), ("rshift", "right_shift"), ("lt", "less"), ("le", "less_equal"), ("gt", "greater"),
    ("ge", "greater_equal"), ("eq", "equal"), ("ne", "not_equal"), ("matmul", "matmul"),
]:  # fmt: skip
    _operator(_name, _numpy)
ndarray.__neg__ = lambda self: MODULE.negative(self)
ndarray.__pos__ = lambda self: self
ndarray.__invert__ = lambda self: MODULE.invert(self)
ndarray.__abs__ = lambda self: MODULE.absolute(self)
ndarray.__hash__ = None
