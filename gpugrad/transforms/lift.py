"""Between the user's world and the traces': array-likes to values and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpugrad import dtypes, errors, trace
from gpugrad.backends import select
from gpugrad.ops.joining import stack
from gpugrad.ops.promotion import WEAK
from gpugrad.trace import value
from gpugrad.transforms import borrowed
from gpugrad.transforms.tape import EAGER

_PLAIN = frozenset(map(np.dtype, ("float64", "float32", "int64", "int32", "bool", "complex128")))
"""Dtypes that need no second look."""


def raw(x: Any, dtype: Any = None, *, copy: bool | None = None, device: str | None = None) -> Any:
    """A raw array from anything array-like: a number, a sequence, an array of any library that shares its memory.

    Python floats take the default dtype. DtypeError if there is no numeric dtype for the data.
    """
    backend = select.known_type(type(x))
    if backend is not None:
        if dtype is None and not copy and device is None and type(x) is np.ndarray and x.dtype in _PLAIN:
            return x
        if device is not None and backend is not select.on(device):
            x, backend = backend.to_numpy(x), select.on(device)  # asked for by name, so not silent
    elif hasattr(x, "__dlpack__") and not isinstance(x, np.ndarray):
        x = _from_dlpack(x)
        if dtype is None and not copy and device is None:
            return x
        return raw(x, dtype, copy=copy, device=device)
    else:
        backend = select.on(device or select.default_device())
    if isinstance(x, np.matrix):
        raise errors.DtypeError(
            "a matrix multiplies as matrices do, a tensor element by element; pass np.asarray(m), and write @ for products"
        )
    if isinstance(x, np.ndarray) and type(x).__module__.startswith("numpy.ma"):
        raise errors.DtypeError(
            "a masked array would lose its mask in a tensor; fill it first: a.filled(value), or keep the mask beside it: gg.where(~mask, a.data, 0.0)"
        )
    try:
        out = backend.asarray(x, dtype=None if dtype is None else dtypes.dtype(dtype), copy=copy)
        if device is not None:
            out = backend.to_device(out, device)
    except ValueError as error:
        if isinstance(error, errors.GpugradError):
            raise
        raise errors.ShapeError(
            f"cannot make a tensor from {type(x).__name__}: {str(error).splitlines()[0]}"
        ) from error
    if dtypes.of(out).kind not in "biufcV" or dtypes.of(out).names is not None:
        what = " (a sequence that holds tensors: gg.stack them)" if isinstance(x, list | tuple) else ""
        if not what and dtypes.of(out).kind == "O":
            what = " (a container of your own: gg.pytree.register it)"
        raise errors.DtypeError(
            f"cannot make a tensor of dtype {out.dtype} from {type(x).__name__}{what}; expected booleans or numbers"
        )
    if dtype is None and dtypes.of(out) == np.float64 and not hasattr(x, "dtype") and dtypes.default() != np.float64:
        out = backend.asarray(out, dtype=dtypes.default())
    return out


def _from_dlpack(x: Any) -> Any:
    why = ""
    for backend in select.in_use().values():
        from_dlpack = getattr(backend.xp, "from_dlpack", None)
        if from_dlpack is not None:
            try:
                return from_dlpack(x)
            except (BufferError, ValueError, RuntimeError, TypeError) as error:
                why = f": {str(error).splitlines()[0]}"
    raise errors.DeviceError(
        f"cannot share the memory of {type(x).__module__}.{type(x).__qualname__} with a backend in use ({', '.join(select.in_use())}){why}. Copy it there first"
    )


def holds_tensor(x: Any) -> bool:
    """Whether ``x`` is a tensor, or nested lists and tuples that hold one."""
    if not isinstance(x, list | tuple):
        return type(x) is trace.Tensor
    kinds = set(map(type, x))  # lists of numbers may be long
    if kinds <= WEAK:
        return False
    return trace.Tensor in kinds or (any(issubclass(k, list | tuple) for k in kinds) and any(map(holds_tensor, x)))


def as_value(x: Any, dtype: Any = None) -> Any:
    """A tensor of anything array-like; a tensor as it is. The memory of an array is shared, and watched.

    Nested lists that hold tensors are stacked, differentiably.
    """
    if type(x) is trace.Tensor:
        return x
    if isinstance(x, list | tuple) and holds_tensor(x):
        out = stack([e if type(e) in WEAK else as_value(e) for e in x])
        return out if dtype is None else out.astype(dtype)
    out = raw(x, dtype)
    if out is x or getattr(out, "base", None) is not None:
        borrowed.register(out)
    return value(out, EAGER, None)


def tracked(x: Any) -> Any:
    """The outermost value within ``x`` that is part of a derivative, or stands for many items; None for a constant."""
    while type(x) is trace.Tensor:
        if x._mark is not None:
            return x
        x = x._data
    return None


def lowered(x: Any) -> Any:
    """What a new trace wraps: the raw array of an untracked tensor, a tracked or traced one as it is."""
    if type(x) is trace.Tensor:
        return x._data if x._mark is None and x._trace is EAGER else x
    return raw(x)


def raised(x: Any) -> Any:
    """The opposite: what came out of a trace, as a tensor."""
    return x if type(x) is trace.Tensor else value(x, EAGER, None)


def stopped(v: Any) -> Any:
    """``v`` cut off every derivative: tapes and tangents are left behind, batches stay."""
    if type(v) is not trace.Tensor:
        return value(v, EAGER, None)
    if v._trace.batched:
        inner = stopped(v._data)
        return value(inner._data if inner._trace is EAGER else inner, v._trace, v._mark)
    return stopped(v._data)
