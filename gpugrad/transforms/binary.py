"""The flat path of an operation of two operands."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpugrad import trace
from gpugrad.backends import select
from gpugrad.ops.promotion import WEAK
from gpugrad.primitive import Primitive
from gpugrad.trace import bind, state
from gpugrad.transforms import borrowed
from gpugrad.transforms.lift import as_value
from gpugrad.transforms.node import NO_PARAMS, Node, next_index
from gpugrad.transforms.tape import dropped_by, watch

_new = object.__new__


def operand(y: Any) -> Any:
    """The other operand of an operator: numbers as they are, arrays shared and watched, the rest converted."""
    if type(y) in WEAK or (state.ruling and select.is_array(y)):
        return y  # in a rule, a raw array is what it computes with
    if type(y) is np.ndarray and y.dtype.kind in "fiubc" and y.dtype.itemsize != 2:
        borrowed.register(y)
        return y
    if isinstance(y, np.generic | complex) and not isinstance(y, np.float16):
        return y
    return as_value(y)


def binary(prim: Primitive, x: Any, y: Any) -> Any:
    """``prim(x, y)`` for a primitive without parameters; at least one operand is a value, the other anything array-like.

    Like :meth:`Tape.apply` for one operand, it is what small programs do most, so without another call.
    """
    tensor = trace.Tensor
    tx = type(x)
    ty = type(y)
    if tx is tensor:
        tape = x._trace
        a = x._data
        p = x._mark
        if ty is tensor:
            b = y._data
            q = y._mark
            if (
                y._trace is not tape
                or not tape.records
                or type(a) is not type(b)
                or type(a) is tensor
                or a.dtype is not b.dtype
            ):
                return bind(prim, (x, y), NO_PARAMS)
        elif ty in WEAK and tape.records and type(a) is not tensor:
            b = y
            q = None
        else:
            return bind(prim, (x, operand(y)), NO_PARAMS)
        try:
            out = prim.impl[type(a)](a, b)
        except Exception as error:
            out = prim.rescue((a, b), NO_PARAMS, error)
    elif tx in WEAK:
        tape = y._trace
        a = x
        p = None
        b = y._data
        q = y._mark
        if not tape.records or type(b) is tensor:
            return bind(prim, (x, y), NO_PARAMS)
        try:
            out = prim.impl[type(b)](a, b)
        except Exception as error:
            out = prim.rescue((a, b), NO_PARAMS, error)
    else:
        return bind(prim, (operand(x), y), NO_PARAMS)
    v = _new(tensor)
    v._data = out
    v._trace = tape
    tracked = (p is not None) + 2 * (q is not None) & prim.mask
    if not tracked or tape.level <= state.floor:
        v._mark = None
        return v
    dropped = prim.drops.get(tracked)
    if dropped is None:
        dropped = dropped_by(prim, tracked, 2)
    v._mark = node = _new(Node)
    node.prim = prim
    node.params = NO_PARAMS
    node.parents = (p, q)
    node.saved = (None if 0 in dropped else a, None if 1 in dropped else b, None if 2 in dropped else out)
    node.shape = out.shape
    node.index = next_index()
    node.extra = None
    if trace.watching:
        watch(node, out)
    return v
