"""Promotion: operands that must agree are cast to one dtype before an operation runs, and the cast is differentiated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpugrad import dtypes
from gpugrad.ops.linear import cast
from gpugrad.primitive import Primitive, Resolver
from gpugrad.trace import raw_of

WEAK = frozenset({bool, int, float})
"""Python scalars: they take the dtype of what they meet."""


def weak(a: Any) -> bool:
    """Whether an array stands for a Python number that is not known yet, and is as weak as that."""
    return getattr(raw_of(a), "weak", False)


def mixed(prim: Primitive, data: Sequence[Any]) -> bool:
    """Whether :func:`promote` must look at the operands (quick, on the hot path)."""
    same = prim.same
    x = data[same[0]]
    y = data[same[1]]
    if type(x) is type(y):
        if type(x) not in WEAK and x.dtype is not y.dtype:
            return True
    elif type(x) not in WEAK and type(y) not in WEAK:
        return True
    if len(same) == 2:
        return False
    z = data[same[2]]
    if type(x) in WEAK:
        x = y
    return type(z) not in WEAK and type(x) not in WEAK and (type(z) is not type(x) or z.dtype is not x.dtype)


def promote(prim: Primitive, args: Sequence[Any]) -> list[Any] | None:
    """The operands with those in ``prim.same`` cast to one dtype; None if they agree already. DeviceError if they are
    on two devices: a library may take arrays of another without a word, and copy them.
    """
    Resolver.together(prim, args)
    common: Any = None
    scalar_complex = number = False
    for k in prim.same:
        a = args[k]
        if type(a) is complex:
            scalar_complex = True
        elif type(a) not in WEAK:
            if weak(a):
                number = True
                continue
            d = dtypes.of(a)
            common = d if common is None else dtypes.promote(common, d)
    if common is None:
        return None
    if number and not dtypes.is_inexact(common):
        common = np.dtype(np.float64)
    if scalar_complex:
        common = dtypes.complex_of(common)
    out = None
    for k in prim.same:
        a = args[k]
        if type(a) is not complex and type(a) not in WEAK and dtypes.of(a) != common:
            out = list(args) if out is None else out
            out[k] = cast(a, dtype=common, source=dtypes.of(a))
    return out
