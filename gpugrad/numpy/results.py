"""What NumPy's functions do with a result besides returning it: ``out=``, ``dtype=``, and what cannot be detached."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpugrad import dtypes, errors
from gpugrad.ops.elementwise import stop
from gpugrad.ops.linear import real
from gpugrad.tensor import Tensor
from gpugrad.transforms.lift import as_value, tracked


def delivered(result: Any, out: Any, what: str) -> Any:
    """``result``, put into ``out`` if that is given: a tensor takes it over, differentiably; a NumPy array cannot.

    Raises GraphError for a NumPy array when the result is tracked, ShapeError and DtypeError if it does not fit.
    """
    if out is None:
        return result
    if type(out) is Tensor:
        return out._rebind(result, f"{what}(out=)")
    if not isinstance(out, np.ndarray):
        raise errors.DtypeError(f"{what}: out={type(out).__name__}; expected a tensor, or None")
    if tracked(result) is not None:
        raise errors.GraphError(
            f"{what}: out= is a NumPy array, which would detach a result that is part of a derivative. Leave it out, or hand over a tensor: gg.zeros(shape), np.zeros_like(t)"
        )
    new = as_value(result).numpy()
    if new.shape != out.shape:
        raise errors.ShapeError(
            f"{what}: out= of shape {out.shape} for a result of shape {new.shape}; expected the same"
        )
    np.copyto(out, new, casting="same_kind")
    return out


def in_dtype(x: Any, dtype: Any, what: str) -> Any:
    """``x`` in the dtype that was asked for; DtypeError where NumPy would refuse the cast too."""
    if dtype is None:
        return x
    wanted = dtypes.dtype(dtype)
    have = x.dtype if type(x) is Tensor else None
    if have is None or have == wanted:
        return x
    if not np.can_cast(have, wanted, "same_kind") and not (dtypes.is_float(have) and dtypes.is_float(wanted)):
        raise errors.DtypeError(
            f"{what}: dtype={wanted.name} for an operand of dtype {have.name}; expected a dtype that holds it. Cast it yourself: t.astype({wanted.name!r})"
        )
    return x.astype(wanted)


def averaged_in(dtype: Any, x: Any, what: str) -> Any:
    """The dtype in which to average ``x``, None for its own. DtypeError for one that would cut off what a mean has."""
    if dtype is None:
        return None
    wanted = dtypes.dtype(dtype)
    have = as_value(x).dtype
    if not dtypes.is_inexact(wanted) or (dtypes.is_complex(have) and not dtypes.is_complex(wanted)):
        raise errors.DtypeError(
            f"{what}: dtype={wanted.name} for an array of dtype {have.name}; expected a floating-point dtype that holds it. Cast the result: t.astype({wanted.name!r})"
        )
    return wanted


def cast_as(x: Any, dtype: Any, casting: str, what: str) -> Any:
    """``x`` in the dtype that was asked for, if ``casting`` allows it; DtypeError if not."""
    if dtype is None:
        return x
    wanted = dtypes.dtype(dtype)
    if casting != "unsafe" and not np.can_cast(x.dtype, wanted, casting):  # type: ignore[arg-type]
        raise errors.DtypeError(
            f"{what}: dtype={wanted.name} for a result of dtype {x.dtype.name} with casting={casting!r}; expected a dtype that holds it. Cast it yourself: t.astype({wanted.name!r})"
        )
    return x.astype(wanted)


def real_if_real(*xs: Any) -> Any:
    """Complex results as real ones if all of the first has no imaginary part, as NumPy gives them."""
    first = stop(xs[0])
    plain = tracked(first) is None and not np.any(np.imag(np.asarray(first.detach().to("cpu").numpy())))
    out = tuple(real(x) for x in xs) if plain else xs
    return out if len(out) > 1 else out[0]
