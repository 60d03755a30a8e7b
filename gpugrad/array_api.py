"""What the array API standard asks of a namespace besides operations: constants, dtypes, and questions about them.

The names of operations are the table's own; those of this module complete the namespace that
``t.__array_namespace__()`` returns, which is the package itself. Version of the standard: 2024.12.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from gpugrad import dtypes, errors
from gpugrad.backends import select
from gpugrad.primitive import Shape
from gpugrad.primitive import broadcast_shapes as _broadcast_shapes
from gpugrad.public import fresh
from gpugrad.transforms.lift import as_value

__array_api_version__ = "2024.12"

e = math.e
inf = math.inf
nan = math.nan
pi = math.pi
newaxis = None

_NAMES = [
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64",
    "complex64", "complex128",
]  # fmt: skip
globals().update({name: np.dtype(name) for name in _NAMES if name != "bool"})


def __getattr__(name: str) -> Any:
    if name == "bool":  # not among the globals, where it would take the place of Python's own
        return np.dtype("bool")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


_KINDS = {
    "bool": "b",
    "signed integer": "i",
    "unsigned integer": "u",
    "integral": "iu",
    "real floating": "f",
    "complex floating": "c",
    "numeric": "iufc",
}


def _dtype_of(x: Any) -> Any:
    return x.dtype if hasattr(x, "dtype") and hasattr(x, "shape") else dtypes.dtype(x)


def astype(x: Any, dtype: Any, /, *, copy: Any = True, device: str | None = None) -> Any:
    """``x`` in another dtype; a cast to integers or booleans ends the derivative.

    >>> import gpugrad as gg
    >>> gg.astype(gg.tensor([1.5, 2.5]), "int32")
    tensor([1, 2], dtype=int32)
    """
    x = as_value(x)
    out = x.astype(dtype)
    if device is not None:
        out = out.to(device)
    return fresh(out) if copy and out is x else out


def can_cast(from_: Any, to: Any, /) -> Any:
    """Whether a dtype (or that of an array) can be cast to another by the rules of promotion.

    >>> import gpugrad as gg
    >>> gg.can_cast("float32", "float64"), gg.can_cast("float64", "float32")
    (True, False)
    """
    return np.can_cast(_dtype_of(from_), dtypes.dtype(to))


def result_type(*arrays_and_dtypes: Any) -> Any:
    """The dtype of an operation on those arrays, dtypes and Python numbers; numbers are weak.

    >>> import gpugrad as gg
    >>> gg.result_type(gg.tensor([1.0], dtype="float32"), 2.0)
    dtype('float32')
    """
    weak = [x for x in arrays_and_dtypes if type(x) in (int, float, complex) or x is True or x is False]
    found = [_dtype_of(x) for x in arrays_and_dtypes if not any(x is w for w in weak)]
    if not found:
        return np.result_type(*weak)
    out = found[0]
    for d in found[1:]:
        out = dtypes.promote(out, d)
    return out if dtypes.is_half(out) and not any(type(w) is complex for w in weak) else np.result_type(out, *weak)


def isdtype(dtype: Any, kind: Any) -> Any:
    """Whether ``dtype`` is of a kind: a dtype, the name of a kind, or a tuple of those.

    The names are ``"bool"``, ``"signed integer"``, ``"unsigned integer"``, ``"integral"``, ``"real floating"``,
    ``"complex floating"`` and ``"numeric"``. Raises DtypeError for another name.

    >>> import gpugrad as gg
    >>> gg.isdtype(gg.float32, "real floating")
    True
    """
    d = dtypes.dtype(dtype)
    if isinstance(kind, tuple):
        return any(isdtype(d, k) for k in kind)
    if kind in _KINDS:
        return d.kind in _KINDS[kind] or (dtypes.is_float(d) and "f" in _KINDS[kind])
    if isinstance(kind, str) and " " in kind:
        raise errors.DtypeError(f"isdtype: {kind!r} is not a kind of dtype; expected one of {', '.join(_KINDS)}")
    return d == dtypes.dtype(kind)


class FloatInfo(NamedTuple):
    """The limits of a floating-point dtype (of its parts, if it is complex)."""

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: Any


def finfo(type: Any, /) -> FloatInfo:
    """The limits of a floating-point dtype: ``bits``, ``eps``, ``max``, ``min``, ``smallest_normal``, ``dtype``.

    >>> import gpugrad as gg
    >>> gg.finfo("float32").eps
    1.1920928955078125e-07
    """
    found = dtypes.finfo(_dtype_of(type))
    eps, largest, least = float(found.eps), float(found.max), float(found.min)
    return FloatInfo(found.bits, eps, largest, least, float(found.smallest_normal), np.dtype(found.dtype))


def iinfo(type: Any, /) -> Any:
    """The limits of an integer dtype: ``bits``, ``max``, ``min``, ``dtype``.

    >>> import gpugrad as gg
    >>> gg.iinfo("int8").max
    127
    """
    return np.iinfo(_dtype_of(type))


def broadcast_shapes(*shapes: Any) -> Shape:
    """The shape to which all shapes broadcast; ShapeError if they do not.

    >>> import gpugrad as gg
    >>> gg.broadcast_shapes((3, 1), (2,))
    (3, 2)
    """
    return _broadcast_shapes("broadcast_shapes", [(s,) if isinstance(s, int) else tuple(s) for s in shapes])


class _Info:
    """What the namespace can do, as the standard asks (see ``gg.__array_namespace_info__``)."""

    def capabilities(self) -> dict[str, Any]:
        """What is optional in the standard."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> str:
        """Where tensors are made unless told otherwise."""
        return "cpu"

    def default_dtypes(self, *, device: str | None = None) -> dict[str, Any]:
        """The dtypes that Python numbers make."""
        real = dtypes.default()
        return {
            "real floating": real,
            "complex floating": dtypes.complex_of(real),
            "integral": np.dtype("int64"),
            "indexing": np.dtype("int64"),
        }

    def devices(self) -> list[str]:
        """The devices that are present."""
        return [d for backend in select.in_use().values() for d in backend.devices()]

    def dtypes(self, *, device: str | None = None, kind: Any = None) -> dict[str, Any]:
        """The dtypes of a kind (all of them for None), by name."""
        names = [name for name in _NAMES if name != "float16"]  # which the standard does not know
        return {name: np.dtype(name) for name in names if kind is None or isdtype(np.dtype(name), kind)}


def __array_namespace_info__() -> _Info:  # noqa: N807  (the standard's name)
    """What this namespace can do, as the standard asks.

    >>> import gpugrad as gg
    >>> gg.__array_namespace_info__().default_device()
    'cpu'
    """
    return _Info()


__all__ = [
    "__array_api_version__", "__array_namespace_info__", "astype", "broadcast_shapes", "can_cast", "e", "finfo",
    "iinfo", "inf", "isdtype", "nan", "newaxis", "pi", "result_type", *_NAMES[1:],
]  # fmt: skip
