"""NumPy's functions that ask something of an array, or print or store it: the answer is no tensor."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpugrad import array_api, dtypes
from gpugrad.ops.arithmetic import array_equal
from gpugrad.ops.elementwise import equal, not_equal
from gpugrad.ops.linear import broadcast_to, imag
from gpugrad.primitive import broadcast_shapes
from gpugrad.tensor import Tensor
from gpugrad.trace import Array
from gpugrad.transforms.lift import as_value

__all__ = [
    "array2string", "array_equiv", "array_repr", "array_str", "can_cast", "common_type", "einsum_path", "iscomplex",
    "iscomplexobj", "isreal", "isrealobj", "may_share_memory",
    "min_scalar_type", "ndim", "result_type", "save", "savetxt", "savez",
    "savez_compressed", "shape", "shares_memory", "size",
]  # fmt: skip


def shape(a: Any) -> tuple[int, ...]:
    """The size along each axis."""
    s: tuple[int, ...] = a.shape if hasattr(a, "shape") else as_value(a).shape
    return s


def ndim(a: Any) -> int:
    """The number of axes."""
    return len(shape(a))


def size(a: Any, axis: int | tuple[int, ...] | None = None) -> int:
    """The number of elements, along ``axis`` if that is given."""
    s = shape(a)
    n = 1
    for k in range(len(s)) if axis is None else (axis,) if isinstance(axis, int) else axis:
        n *= s[k]
    return n


# ---- kinds of numbers ---------------------------------------------------------------------------------------------------


def iscomplexobj(x: Any) -> bool:
    """Whether the dtype is complex."""
    return dtypes.is_complex(as_value(x).dtype)


def isrealobj(x: Any) -> bool:
    """Whether the dtype is not complex."""
    return not iscomplexobj(x)


def iscomplex(x: Array) -> Array:
    """Whether each element has an imaginary part that is not zero."""
    return not_equal(imag(x), 0.0) if dtypes.is_complex(x.dtype) else not_equal(x, x)


def isreal(x: Array) -> Array:
    """Whether each element has no imaginary part."""
    return equal(imag(x), 0.0) if dtypes.is_complex(x.dtype) else equal(x, x)


def result_type(*arrays_and_dtypes: Any) -> Any:
    """The dtype of an operation on those arrays, dtypes and numbers."""
    return array_api.result_type(*arrays_and_dtypes)


def can_cast(from_: Any, to: Any, casting: str = "safe") -> bool:
    """Whether a dtype, or that of an array, can be cast to another."""
    return np.can_cast(from_.dtype if type(from_) is Tensor else from_, dtypes.dtype(to), casting)  # type: ignore[arg-type]


def min_scalar_type(a: Any) -> Any:
    """The smallest dtype that holds a number; that of an array otherwise."""
    return np.min_scalar_type(_plain(a))


def common_type(*arrays: Any) -> Any:
    """The floating-point type that holds all of them."""
    return np.common_type(*(np.empty(0, as_value(a).dtype) for a in arrays))


# ---- two arrays ---------------------------------------------------------------------------------------------------------


def array_equiv(a1: Array, a2: Array) -> Array:
    """Whether two arrays are equal after broadcasting: one boolean; False if they do not broadcast."""
    try:
        to = broadcast_shapes("array_equiv", (a1.shape, a2.shape))
    except ValueError:
        return False
    return array_equal(broadcast_to(a1, to), broadcast_to(a2, to))


def may_share_memory(a: Any, b: Any, max_work: Any = 0) -> bool:
    """Whether two tensors on the CPU might share memory. Writing into one never changes another."""
    return bool(np.may_share_memory(_plain(a), _plain(b), max_work))


def shares_memory(a: Any, b: Any, max_work: Any = -1) -> bool:
    """Whether two tensors on the CPU share memory. Writing into one never changes another."""
    return bool(np.shares_memory(_plain(a), _plain(b), max_work))


def einsum_path(*operands: Any, optimize: Any = "greedy", einsum_call: bool = False) -> Any:
    """An order of contraction, found from the shapes alone."""
    return np.einsum_path(
        *(np.broadcast_to(0.0, x.shape) if type(x) is Tensor else x for x in operands), optimize=optimize
    )


# ---- to be read, or kept ------------------------------------------------------------------------------------------------


def _plain(x: Any) -> Any:
    return x.detach().numpy() if type(x) is Tensor else x


def array_repr(
    arr: Any, max_line_width: int | None = None, precision: int | None = None, suppress_small: bool | None = None
) -> str:
    """How the tensor prints."""
    return repr(arr)


def array_str(
    a: Any, max_line_width: int | None = None, precision: int | None = None, suppress_small: bool | None = None
) -> str:
    """The elements as text."""
    return np.array_str(_plain(a), max_line_width, precision, suppress_small)


def array2string(a: Any, *args: Any, **kwargs: Any) -> str:
    """The elements as text."""
    return np.array2string(_plain(a), *args, **kwargs)


def save(file: Any, arr: Any, allow_pickle: bool = True) -> None:
    """The elements in a ``.npy`` file."""
    np.save(file, _plain(arr), allow_pickle)


def savez(file: Any, *args: Any, allow_pickle: bool = True, **kwds: Any) -> None:
    """The elements of several arrays in an ``.npz`` file."""
    np.savez(file, *map(_plain, args), allow_pickle=allow_pickle, **{k: _plain(v) for k, v in kwds.items()})


def savez_compressed(file: Any, *args: Any, allow_pickle: bool = True, **kwds: Any) -> None:
    """The elements of several arrays in a compressed ``.npz`` file."""
    np.savez_compressed(file, *map(_plain, args), allow_pickle=allow_pickle, **{k: _plain(v) for k, v in kwds.items()})


def savetxt(fname: Any, X: Any, *args: Any, **kwargs: Any) -> None:
    """The elements in a text file."""
    np.savetxt(fname, _plain(X), *args, **kwargs)
