"""NumPy's functions that make arrays, with NumPy's signatures, making tensors.

They serve ``gpugrad.numpy`` and, through ``like=``, NumPy itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gpugrad import array_api, creation, dtypes, errors
from gpugrad.ops.elementwise import floor
from gpugrad.ops.rearranging import broadcast_to, moveaxis, reshape
from gpugrad.public import fresh
from gpugrad.tensor import Tensor
from gpugrad.transforms.lift import as_value, holds_tensor

Size = int | Sequence[int]


def array(
    object: Any,
    dtype: Any = None,
    *,
    copy: bool | None = True,
    order: str = "K",
    subok: bool = False,
    ndmin: int = 0,
    ndmax: int = 0,
    like: Any = None,
) -> Any:
    """A tensor of a number, an array, or nested lists of numbers and tensors, with a derivative in the tensors.

    >>> import gpugrad as gg, gpugrad.numpy as gnp
    >>> gg.grad(lambda x: gnp.array([x, 2.0 * x]).sum())(1.0)
    tensor(3.)
    """
    out = as_value(object) if not copy or holds_tensor(object) else creation.tensor(object)
    if dtype is not None:
        out = out.astype(dtype)
    if len(out.shape) < ndmin:
        out = reshape(out, (1,) * (ndmin - len(out.shape)) + out.shape)
    return fresh(out) if copy and out is object else out


def asarray(
    a: Any,
    dtype: Any = None,
    order: str | None = None,
    *,
    device: str | None = None,
    copy: bool | None = None,
    like: Any = None,
) -> Any:
    """A tensor of anything array-like; a tensor as it is.

    >>> import gpugrad.numpy as gnp
    >>> gnp.asarray([1, 2])
    tensor([1, 2])
    """
    out = array(a, dtype, copy=copy)
    return out if device is None else out.to(device)


asanyarray = asarray


def ascontiguousarray(a: Any, dtype: Any = None, *, like: Any = None) -> Any:
    """As :func:`asarray`, with one axis at least; how a tensor lies in memory is its own affair."""
    return array(a, dtype, copy=None, ndmin=1)


def asfortranarray(a: Any, dtype: Any = None, *, like: Any = None) -> Any:
    """As :func:`asarray`; how a tensor lies in memory is its own affair."""
    return array(a, dtype, copy=None)


def require(a: Any, dtype: Any = None, requirements: Any = None, *, like: Any = None) -> Any:
    """As :func:`asarray`; how a tensor lies in memory is its own affair."""
    return array(a, dtype, copy=None)


def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: str | None = None) -> Any:
    """``x`` in another dtype; a cast to integers or booleans ends the derivative."""
    return array_api.astype(x, dtype, copy=copy, device=device)


def copy(a: Any, order: str = "K", subok: bool = False) -> Any:
    """The same values as another tensor: writing into one leaves the other alone.

    >>> import gpugrad.numpy as gnp
    >>> x = gnp.zeros(2)
    >>> y = gnp.copy(x)
    >>> y[0] = 1.0
    >>> x
    tensor([0., 0.])
    """
    return array(a)


# ---- filled with one number -------------------------------------------------------------------------------------------


def zeros(shape: Size, dtype: Any = None, order: str = "C", *, device: str | None = None, like: Any = None) -> Any:
    """Zeros; a buffer to write into, differentiably.

    >>> import gpugrad.numpy as gnp
    >>> gnp.zeros((1, 2), int)
    tensor([[0, 0]])
    """
    return creation.zeros(shape, dtype=dtype, device=_device(device, like))


def ones(shape: Size, dtype: Any = None, order: str = "C", *, device: str | None = None, like: Any = None) -> Any:
    """Ones."""
    return creation.ones(shape, dtype=dtype, device=_device(device, like))


def empty(shape: Size, dtype: Any = None, order: str = "C", *, device: str | None = None, like: Any = None) -> Any:
    """A tensor to be written into; zeros, so that nothing depends on what memory held."""
    return creation.zeros(shape, dtype=dtype, device=_device(device, like))


def full(
    shape: Size, fill_value: Any, dtype: Any = None, order: str = "C", *, device: str | None = None, like: Any = None
) -> Any:
    """A tensor filled with one number, or with values that broadcast to the shape, differentiably."""
    size = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
    if type(fill_value) is not Tensor and np.ndim(fill_value) == 0:
        return creation.full(size, fill_value, dtype=dtype, device=_device(device, like))
    x = asarray(fill_value, dtype)
    return fresh(broadcast_to(x, size))


def _device(device: str | None, like: Any) -> str | None:
    return like.device if device is None and type(like) is Tensor else device


def zeros_like(
    a: Any,
    dtype: Any = None,
    order: str = "K",
    subok: bool = True,
    shape: Size | None = None,
    *,
    device: str | None = None,
) -> Any:
    """Zeros of the shape, dtype and device of ``a`` unless given; a buffer to write into, differentiably."""
    return full_like(a, 0, dtype, shape=shape, device=device)


def ones_like(
    a: Any,
    dtype: Any = None,
    order: str = "K",
    subok: bool = True,
    shape: Size | None = None,
    *,
    device: str | None = None,
) -> Any:
    """Ones of the shape, dtype and device of ``a`` unless given."""
    return full_like(a, 1, dtype, shape=shape, device=device)


def empty_like(
    prototype: Any,
    dtype: Any = None,
    order: str = "K",
    subok: bool = True,
    shape: Size | None = None,
    *,
    device: str | None = None,
) -> Any:
    """A tensor to be written into, of the shape, dtype and device of ``prototype`` unless given; zeros."""
    return full_like(prototype, 0, dtype, shape=shape, device=device)


def full_like(
    a: Any,
    fill_value: Any,
    dtype: Any = None,
    order: str = "K",
    subok: bool = True,
    shape: Size | None = None,
    *,
    device: str | None = None,
) -> Any:
    """A tensor filled with ``fill_value``, of the shape, dtype and device of ``a`` unless given."""
    like = as_value(a)
    return full(
        like.shape if shape is None else shape,
        fill_value,
        like.dtype if dtype is None else dtype,
        device=device or like.device,
    )


# ---- ranges and simple matrices -----------------------------------------------------------------------------------------


def arange(
    start: Any, stop: Any = None, step: Any = 1, dtype: Any = None, *, device: str | None = None, like: Any = None
) -> Any:
    """Numbers from ``start`` (0 if only one is given) up to, not including, ``stop``; their number cannot be differentiated."""
    return creation.arange(start, stop, step, dtype=dtype, device=_device(device, like))


def linspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, retstep: bool = False, dtype: Any = None,
    axis: int = 0, *, device: str | None = None,
) -> Any:  # fmt: skip
    """``num`` evenly spaced numbers from ``start`` to ``stop``, differentiable in both.

    >>> import gpugrad as gg, gpugrad.numpy as gnp
    >>> gg.jacobian(lambda stop: gnp.linspace(0.0, stop, 3))(1.0)
    tensor([0. , 0.5, 1. ])
    """
    n = num.__index__()
    out = creation.linspace(
        as_value(start) if isinstance(start, list | tuple) else start,
        as_value(stop) if isinstance(stop, list | tuple) else stop,
        n,
        endpoint=endpoint,
        device=device,
    )
    if dtype is not None:
        out = (out if dtypes.is_inexact(dtypes.dtype(dtype)) else floor(out)).astype(dtype)
    if axis != 0:
        out = moveaxis(out, 0, axis)
    if not retstep:
        return out
    parts = n - 1 if endpoint else n
    return out, (as_value(stop) - as_value(start)) / parts if parts else creation.full((), np.nan)


def logspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: Any = 10.0, dtype: Any = None, axis: int = 0
) -> Any:
    """``base`` to the powers :func:`linspace`, differentiable in all three."""
    out = base ** linspace(start, stop, num, endpoint, axis=axis)
    return out if dtype is None else out.astype(dtype)


def geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0) -> Any:
    """``num`` numbers in geometric progression from ``start`` to ``stop``, differentiable in both; real, of one sign.

    >>> import gpugrad.numpy as gnp
    >>> gnp.geomspace(1.0, 4.0, 3)
    tensor([1., 2., 4.])
    """
    a, b = as_value(start), as_value(stop)
    if dtypes.is_complex(a.dtype) or dtypes.is_complex(b.dtype):
        raise errors.DtypeError("geomspace: complex ends are not supported; expected real numbers of one sign")
    ratio = b / a
    powers = linspace(0.0, 1.0, num, endpoint)
    out = a * ratio ** reshape(powers, powers.shape + (1,) * len(ratio.shape))
    if axis != 0:
        out = moveaxis(out, 0, axis)
    return out if dtype is None else out.astype(dtype)


def eye(
    N: int,
    M: int | None = None,
    k: int = 0,
    dtype: Any = None,
    order: str = "C",
    *,
    device: str | None = None,
    like: Any = None,
) -> Any:
    """Ones on the ``k``-th diagonal of an N × M matrix of zeros."""
    return creation.eye(N, M, k=k, dtype=dtype, device=_device(device, like))


def identity(n: int, dtype: Any = None, *, like: Any = None) -> Any:
    """The n × n identity matrix."""
    return creation.eye(n, dtype=dtype, device=_device(None, like))


def tri(N: int, M: int | None = None, k: int = 0, dtype: Any = None, *, like: Any = None) -> Any:
    """Ones at and below the ``k``-th diagonal."""
    return creation.tri(N, M, k=k, dtype=dtype, device=_device(None, like))


def fromfunction(
    function: Callable[..., Any], shape: Sequence[int], *, dtype: Any = float, like: Any = None, **kwargs: Any
) -> Any:
    """``function`` of the coordinate arrays of a grid of that shape."""
    return function(*(as_value(i) for i in np.indices(shape, dtype)), **kwargs)


def indices(dimensions: Sequence[int], dtype: Any = int, sparse: bool = False) -> Any:
    """The coordinates of a grid, one array for each axis (stacked, unless ``sparse``)."""
    found: Any = np.indices(tuple(dimensions), dtype, sparse)  # type: ignore[call-overload]
    return tuple(map(as_value, found)) if sparse else as_value(found)


__all__ = [
    "arange", "array", "asanyarray", "asarray", "ascontiguousarray", "asfortranarray", "astype", "copy", "empty", "empty_like",
    "eye", "fromfunction", "full", "full_like", "geomspace", "identity", "indices", "linspace", "logspace", "ones",
    "ones_like", "require", "tri", "zeros", "zeros_like",
]  # fmt: skip
