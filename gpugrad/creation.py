"""Making tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from gpugrad import dtypes, errors, trace
from gpugrad.backends import select
from gpugrad.trace import value
from gpugrad.transforms.lift import as_value, raw
from gpugrad.transforms.node import Leaf
from gpugrad.transforms.tape import EAGER

__all__ = [
    "arange", "asarray", "empty", "empty_like", "eye", "from_dlpack", "full", "full_like", "geomspace", "identity",
    "linspace", "logspace", "ones", "ones_like", "tensor", "tri", "zeros", "zeros_like",
]  # fmt: skip

_PLAIN = frozenset(map(np.dtype, (np.float64, np.float32)))

Size = int | Sequence[int]


def tensor(data: Any, *, dtype: Any = None, device: str | None = None, requires_grad: bool = False) -> Any:
    """A new tensor with a copy of ``data``: a number, a nested sequence, an array of any library.

    The dtype is that of the data, with Python floats taking the default dtype; ``device`` is ``"cpu"``, ``"cuda"``,
    ``"cuda:1"`` or ``"auto"``. With ``requires_grad`` it is a leaf whose ``.grad`` ``backward`` fills. Raises DtypeError
    for data that are not numbers and for ``requires_grad`` on integers, DeviceError for a device that is not there.

    >>> import gpugrad as gg
    >>> gg.tensor([1.0, 2.0], dtype="float32")
    tensor([1., 2.], dtype=float32)
    """
    if type(data) is np.ndarray and dtype is None and device is None and data.dtype in _PLAIN and not select.redirected:
        out = data.copy()
        return value(out, EAGER, Leaf(out.shape, out.dtype) if requires_grad else None)
    if type(data) is trace.Tensor:
        if data._trace is not EAGER:
            raise errors.TraceError(
                "gg.tensor of a traced value would detach it; use the value itself, or gg.stop_gradient"
            )
        if not data.is_leaf:
            EAGER.cut(f"gg.tensor() at {errors.user_site()}")
        data = data._data
        device = device or select.of(data).device_of(data)
    if device is None and select.redirected:
        device = select.default_device()
    out = raw(data, dtype, copy=True, device=None if device is None else select.resolve(device))
    if not requires_grad:
        return value(out, EAGER, None)
    if not dtypes.is_inexact(out.dtype):
        raise errors.DtypeError(
            f"requires_grad=True on data of dtype {out.dtype}; only floating-point tensors have gradients. Pass dtype='float64'"
        )
    return value(out, EAGER, Leaf(out.shape, out.dtype))


def asarray(data: Any, *, dtype: Any = None, device: str | None = None, copy: bool | None = None) -> Any:
    """A tensor of ``data`` that shares its memory where it can (``copy=None``); a tensor as it is, with its history.

    An array that is shared and changed after an operation saved it is detected when its derivative is taken.
    ``copy=True`` never shares; ``copy=False`` raises CopyError for a list, a number, another dtype or another device.

    >>> import gpugrad as gg
    >>> gg.asarray([1, 2])
    tensor([1, 2])
    """
    if copy and type(data) is not trace.Tensor:
        return tensor(data, dtype=dtype, device=device)
    if copy is False:
        _check_shared(data, dtype, device)
    given = None if type(data) is trace.Tensor or select.is_array(data) else dtype  # of lists, which have none yet
    out = (
        as_value(data, given)
        if device is None or type(data) is trace.Tensor
        else value(raw(data, given, device=select.resolve(device)), EAGER, None)
    )
    if device is not None:
        out = out.to(device)
    if dtype is not None and out.dtype != dtypes.dtype(dtype):
        out = out.astype(dtype)
    return out.again() if copy and out is data else out


def _check_shared(data: Any, dtype: Any, device: str | None) -> None:
    """CopyError unless a tensor of ``data`` can have its memory."""
    if not (select.is_array(data) or hasattr(data, "__dlpack__")):
        raise errors.CopyError(
            f"asarray: copy=False for data of type {type(data).__name__}, which has no memory to share; leave copy out"
        )
    have = as_value(data)
    for what, is_, wanted in (
        ("dtype", have.dtype, None if dtype is None else dtypes.dtype(dtype)),
        ("device", have.device, None if device is None else select.resolve(device)),
    ):
        if wanted is not None and wanted != is_:
            raise errors.CopyError(f"asarray: copy=False for data of {what} {is_} as {what} {wanted}; leave copy out")


def from_dlpack(x: Any, /, *, device: str | None = None, copy: bool | None = None) -> Any:
    """A tensor that shares the memory of an array of another library, through DLPack.

    ``device`` and ``copy`` as for :func:`asarray`. Raises DtypeError for what does not speak DLPack.

    >>> import gpugrad as gg, numpy as np
    >>> gg.from_dlpack(np.arange(3.0))
    tensor([0., 1., 2.])
    """
    if not hasattr(x, "__dlpack__"):
        raise errors.DtypeError(
            f"from_dlpack: {type(x).__name__} has no __dlpack__; expected an array of some library. Use gg.asarray"
        )
    return asarray(x, device=device, copy=copy)


def _shape(shape: Size) -> tuple[int, ...]:
    sizes = tuple(shape) if isinstance(shape, Iterable) else (shape,)
    if any(not isinstance(n, int | np.integer) or n < 0 for n in sizes):
        raise errors.ShapeError(f"shape {shape!r}; expected non-negative integers")
    return tuple(int(n) for n in sizes)


def full(shape: Size, fill_value: Any, *, dtype: Any = None, device: str | None = None) -> Any:
    """A tensor filled with one number, or with a tensor that broadcasts to the shape.

    >>> import gpugrad as gg
    >>> gg.full(2, 7.0)
    tensor([7., 7.])
    """
    if type(fill_value) is trace.Tensor:
        return fill_value.astype(dtype or fill_value.dtype).broadcast_to(_shape(shape))
    chosen = dtypes.dtype(dtype) if dtype is not None else dtypes.of(raw(fill_value))
    place = select.resolve(device or select.default_device())
    backend = select.on(place)
    return value(backend.to_device(backend.full(_shape(shape), fill_value, chosen), place), EAGER, None)


def zeros(shape: Size, *, dtype: Any = None, device: str | None = None) -> Any:
    """A tensor of zeros; a buffer to write into, differentiably.

    >>> import gpugrad as gg
    >>> buffer = gg.zeros(2)
    >>> buffer[0] = 3.0
    >>> buffer
    tensor([3., 0.])
    """
    return full(shape, 0, dtype=dtypes.default() if dtype is None else dtype, device=device)


def ones(shape: Size, *, dtype: Any = None, device: str | None = None) -> Any:
    """A tensor of ones.

    >>> import gpugrad as gg
    >>> gg.ones(2)
    tensor([1., 1.])
    """
    return full(shape, 1, dtype=dtypes.default() if dtype is None else dtype, device=device)


def empty(shape: Size, *, dtype: Any = None, device: str | None = None) -> Any:
    """A tensor to be written into; its elements are zeros, so that nothing depends on what memory held.

    >>> import gpugrad as gg
    >>> gg.empty((2, 0)).shape
    (2, 0)
    """
    return zeros(shape, dtype=dtype, device=device)


def full_like(x: Any, fill_value: Any, *, dtype: Any = None, device: str | None = None) -> Any:
    """A tensor filled with one number, of the shape, dtype and device of ``x`` unless given.

    >>> import gpugrad as gg
    >>> gg.full_like(gg.tensor([1.0, 2.0]), 5)
    tensor([5., 5.])
    """
    like = as_value(x)
    return full(like.shape, fill_value, dtype=like.dtype if dtype is None else dtype, device=device or like.device)


def zeros_like(x: Any, *, dtype: Any = None, device: str | None = None) -> Any:
    """Zeros of the shape, dtype and device of ``x`` unless given.

    >>> import gpugrad as gg
    >>> gg.zeros_like(gg.tensor([1, 2]))
    tensor([0, 0])
    """
    return full_like(x, 0, dtype=dtype, device=device)


def ones_like(x: Any, *, dtype: Any = None, device: str | None = None) -> Any:
    """Ones of the shape, dtype and device of ``x`` unless given.

    >>> import gpugrad as gg
    >>> gg.ones_like(gg.tensor([3.0]))
    tensor([1.])
    """
    return full_like(x, 1, dtype=dtype, device=device)


def empty_like(x: Any, *, dtype: Any = None, device: str | None = None) -> Any:
    """A tensor to be written into, of the shape, dtype and device of ``x`` unless given; zeros, as :func:`empty`.

    >>> import gpugrad as gg
    >>> gg.empty_like(gg.tensor([3.0])).shape
    (1,)
    """
    return zeros_like(x, dtype=dtype, device=device)


def _called(make: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What NumPy makes, its complaints in the words of this package."""
    try:
        return make(*args, **kwargs)
    except (ValueError, ZeroDivisionError) as error:
        given = ", ".join([*map(repr, args), *(f"{k}={v!r}" for k, v in kwargs.items())])
        raise errors.ShapeError(f"{make.__name__}({given}): {error}") from None


def _made(array: Any, dtype: Any, device: str | None) -> Any:
    """A tensor of an array that NumPy has just made, which nobody else can write to."""
    if dtype is None and array.dtype == np.float64:
        dtype = dtypes.default()
    made = raw(array if dtype is None else array.astype(dtypes.dtype(dtype), copy=False))
    return value(made, EAGER, None).to(device or select.default_device())


def arange(
    start: float, stop: float | None = None, step: float = 1, *, dtype: Any = None, device: str | None = None
) -> Any:
    """Numbers from ``start`` up to, not including, ``stop``; from 0 to ``start`` if that is the only one given.

    >>> import gpugrad as gg
    >>> gg.arange(3)
    tensor([0, 1, 2])
    """
    return _made(_called(np.arange, *((0, start) if stop is None else (start, stop)), step), dtype, device)


def linspace(
    start: Any, stop: Any, num: int = 50, *, endpoint: bool = True, dtype: Any = None, device: str | None = None
) -> Any:
    """``num`` evenly spaced numbers, the last being ``stop`` if ``endpoint``; differentiable in tensor ends.

    >>> import gpugrad as gg
    >>> gg.linspace(0.0, 1.0, 3)
    tensor([0. , 0.5, 1. ])
    """
    if type(start) is not trace.Tensor and type(stop) is not trace.Tensor:
        return _made(_called(np.linspace, start, stop, num, endpoint=endpoint), dtype, device)
    like = start if type(start) is trace.Tensor else stop
    rank = max(len(getattr(start, "shape", ())), len(getattr(stop, "shape", ())))
    steps = _made(np.linspace(0.0, 1.0, num, endpoint=endpoint), dtype or like.dtype, device or like.device).reshape(
        (num,) + (1,) * rank
    )
    return start + (stop - start) * steps


def logspace(
    start: Any,
    stop: Any,
    num: int = 50,
    *,
    endpoint: bool = True,
    base: float = 10.0,
    dtype: Any = None,
    device: str | None = None,
) -> Any:
    """``base`` to the powers ``linspace(start, stop, num)``.

    >>> import gpugrad as gg
    >>> gg.logspace(0.0, 2.0, 3)
    tensor([  1.,  10., 100.])
    """
    return base ** linspace(start, stop, num, endpoint=endpoint, dtype=dtype, device=device)


def geomspace(
    start: float, stop: float, num: int = 50, *, endpoint: bool = True, dtype: Any = None, device: str | None = None
) -> Any:
    """``num`` numbers in geometric progression.

    >>> import gpugrad as gg
    >>> gg.geomspace(1.0, 4.0, 3)
    tensor([1., 2., 4.])
    """
    return _made(_called(np.geomspace, start, stop, num, endpoint=endpoint), dtype, device)


def eye(n: int, m: int | None = None, *, k: int = 0, dtype: Any = None, device: str | None = None) -> Any:
    """Ones on the ``k``-th diagonal of an ``n`` × ``m`` matrix of zeros.

    >>> import gpugrad as gg
    >>> gg.eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    return _made(_called(np.eye, n, m, k), dtype, device)


def identity(n: int, *, dtype: Any = None, device: str | None = None) -> Any:
    """The ``n`` × ``n`` identity matrix.

    >>> import gpugrad as gg
    >>> gg.identity(1)
    tensor([[1.]])
    """
    return eye(n, dtype=dtype, device=device)


def tri(n: int, m: int | None = None, *, k: int = 0, dtype: Any = None, device: str | None = None) -> Any:
    """Ones at and below the ``k``-th diagonal.

    >>> import gpugrad as gg
    >>> gg.tri(2)
    tensor([[1., 0.],
            [1., 1.]])
    """
    return _made(_called(np.tri, n, m, k), dtype, device)
