"""Dtypes: which are differentiable, and how two are promoted to one.

Promotion is NumPy's, which is the array API standard's where that says something, with Python scalars weak. For
float16 and bfloat16 the table is our own, since NumPy's widens them by accident: with an integer or a boolean they
keep their dtype, with a wider float they take it, with each other they do not mix.
"""

from __future__ import annotations

import functools as ft
from typing import Any

import numpy as np

from gpugrad import errors

Dtype = np.dtype[Any]

_BFLOAT16 = "bfloat16"


def dtype(spec: Any) -> Dtype:
    """A NumPy dtype from anything that names one: a dtype of any backend, a type, a string, "bfloat16" included."""
    if isinstance(spec, np.dtype):
        return spec
    try:
        made: Dtype = np.dtype(spec)
        return made
    except TypeError:
        name = str(spec).rsplit(".", 1)[-1]
    try:
        return bfloat16() if name == _BFLOAT16 else np.dtype(name)
    except TypeError:
        raise errors.DtypeError(f"{spec!r} is not a dtype; expected a NumPy dtype, its name, or 'bfloat16'") from None


@ft.cache
def bfloat16() -> Dtype:
    """The bfloat16 dtype, which ml_dtypes defines."""
    try:
        import ml_dtypes
    except ImportError:
        raise errors.missing_extra("ml_dtypes", "train", "bfloat16") from None
    out: Dtype = np.dtype(ml_dtypes.bfloat16)
    return out


@ft.cache
def name(d: Any) -> str:
    """What a dtype is called, ``"float32"`` say; NumPy puts the name together anew each time."""
    return str(d)


def of(x: Any) -> Dtype:
    """The dtype of an array of any backend."""
    return dtype(x.dtype)


def native(xp: Any, spec: Any) -> Any:
    """The same dtype as the array namespace ``xp`` has it."""
    wanted = dtype(spec)
    return wanted if xp is np else getattr(xp, wanted.name, wanted)


def is_half(d: Any) -> bool:
    """Whether it is float16 or bfloat16."""
    d = dtype(d)
    return bool(d.itemsize == 2 and (d.kind == "f" or d.type.__name__ == _BFLOAT16))


def is_float(d: Any) -> bool:
    """Whether it is a real floating-point dtype, bfloat16 included."""
    d = dtype(d)
    return bool(d.kind == "f" or d.type.__name__ == _BFLOAT16)


def is_complex(d: Any) -> bool:
    """Whether it is complex."""
    return bool(dtype(d).kind == "c")


def is_inexact(d: Any) -> bool:
    """Whether a derivative with respect to such a value exists: real or complex floating point."""
    d = dtype(d)
    return bool(d.kind in "fc" or d.type.__name__ == _BFLOAT16)


def real_of(d: Any) -> Dtype:
    """The dtype of the real part."""
    d = dtype(d)
    return np.dtype(f"f{d.itemsize // 2}") if d.kind == "c" else d


def complex_of(d: Any) -> Dtype:
    """The complex dtype whose parts are ``d``; integers, as in NumPy, become parts of float64."""
    d = dtype(d)
    return d if d.kind == "c" else np.dtype(np.complex64 if is_float(d) and d.itemsize < 8 else np.complex128)


def finfo(d: Any) -> Any:
    """Limits of a floating-point dtype, bfloat16 included."""
    d = dtype(d)
    if d.name == _BFLOAT16:
        import ml_dtypes

        return ml_dtypes.finfo(d)  # type: ignore[no-untyped-call, unused-ignore]
    return np.finfo(d)


@ft.cache
def promote(a: Dtype, b: Dtype) -> Dtype:
    """The dtype of an operation on arrays of two dtypes.

    >>> promote(np.dtype("float16"), np.dtype("int32")), promote(np.dtype("float32"), np.dtype("int32"))
    (dtype('float16'), dtype('float64'))
    """
    if a == b:
        return a
    if is_half(a) or is_half(b):
        half, other = (a, b) if is_half(a) else (b, a)
        if is_half(other):
            raise errors.DtypeError(
                f"{a.name} and {b.name} do not mix: neither holds the other. Cast one: x.astype({other.name!r})"
            )
        return half if other.kind in "iub" else complex_of(other) if other.kind == "c" else other
    return np.promote_types(a, b)


_default: Dtype = np.dtype(np.float64)


def default() -> Dtype:
    """The dtype that Python floats make."""
    return _default


def set_default_dtype(spec: Any) -> None:
    """Choose the dtype that Python floats make when an array is created from them: float64 unless changed.

    >>> import gpugrad as gg
    >>> gg.set_default_dtype("float32")
    >>> gg.tensor([1.0]).dtype
    dtype('float32')
    >>> gg.set_default_dtype("float64")
    """
    global _default
    chosen = dtype(spec)
    if not is_float(chosen):
        raise errors.DtypeError(
            f"set_default_dtype: {chosen.name} is not a real floating-point dtype; expected float16, bfloat16, float32 or float64"
        )
    _default = chosen
