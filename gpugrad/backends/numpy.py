"""The default backend on the CPU: NumPy, with the calls that NumPy does best."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from gpugrad.backends.half import HalfArray
from gpugrad.backends.numpy_convolution import conv, conv_input, conv_weight
from gpugrad.backends.numpy_moves import MOVES, OVERRIDES
from gpugrad.backends.numpy_selection import where
from gpugrad.backends.reference import ReferenceBackend
from gpugrad.config import config
from gpugrad.kernels import normal_quantile, philox_numpy
from gpugrad.primitive import Primitive


def _expand_number(x: Any, *, axis: tuple[int, ...], sizes: tuple[int, ...]) -> Any:
    """A read-only view of one number with stride 0 along every axis: where the gradient of every sum begins."""
    shape = sizes if len(axis) == 1 else tuple(n for _, n in sorted(zip(axis, sizes, strict=True)))
    if 0 in shape:
        return np.broadcast_to(x, shape)
    return np.ndarray(shape, x.dtype, x, 0, (0,) * len(shape))


_ON_NUMBERS: dict[str, Callable[..., Any]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "negative": operator.neg,
    "expand": _expand_number,
}
"""On NumPy's scalars Python's operators are ten times as fast as the ufuncs, and give the same."""


_MOVES = MOVES | {"expand", "reshape", "permute"}
"""Calls that compute nothing, for which half precision needs no widening."""


class NumpyBackend(ReferenceBackend):
    """NumPy arrays; the general forwards, overridden where NumPy has a faster way."""

    name = "numpy"

    def __init__(self) -> None:
        super().__init__()
        self.overrides = {
            **OVERRIDES,
            "conv": conv,
            "conv_input": conv_input,
            "conv_weight": conv_weight,
            "reduce_sum": _reduce_sum,
            "expand": _expand,
            "reshape": _reshape,
            "permute": _permute,
            "masked_multiply": _masked_multiply,
            "where": where,
            "reduce_max": lambda x, *, axis: np.maximum.reduce(x, axis),
            "reduce_min": lambda x, *, axis: np.minimum.reduce(x, axis),
            "cummax": lambda x, *, axis: np.maximum.accumulate(x, axis),
            "cummin": lambda x, *, axis: np.minimum.accumulate(x, axis),
            "fmod": np.fmod,
            "exp2": np.exp2,
            "cbrt": np.cbrt,
            "square": np.square,
            "random_below": philox_numpy.random_below,
            "random_bits": philox_numpy.random_bits,
            "normal_quantile": normal_quantile.normal_quantile_numpy,
        }

    def implementation(self, prim: Primitive, array_type: type) -> Callable[..., Any]:
        if array_type in (np.float64, np.float32) and prim.name in _ON_NUMBERS:
            return _ON_NUMBERS[prim.name]
        if issubclass(array_type, HalfArray) and prim.name in _MOVES:
            return self.overrides[prim.name]  # moves data, computes nothing
        found = super().implementation(prim, array_type)
        return _by_loop(prim.name, found) if prim.name in LOOPED and array_type is np.ndarray else found


LOOPED = frozenset(["asinh", "atan", "cbrt", "erf", "erfc", "erfinv", "gammaln", "sigmoid", "sinc", "softplus", "tanh"])
"""Functions that NumPy computes in many passes, or slowly, and never warns of."""
LARGE = 1 << 15
"""Elements from which on a compiled loop is worth its call."""


def _by_loop(name: str, base: Callable[..., Any]) -> Callable[..., Any]:
    """``base``, NumPy's way, but a compiled loop of the scalar function for large arrays, where there is one by now."""

    def run(x: Any) -> Any:
        if x.size >= LARGE and config.fused_backward and x.flags.c_contiguous:
            from gpugrad.backends import numba_functions  # when first used, with what it imports

            out = numba_functions.computed(name, x)
            if out is not None:
                return out
        return base(x)

    return run


def _reduce_sum(x: Any, *, axis: tuple[int, ...]) -> Any:
    return np.add.reduce(x, axis, x.dtype)


def _expand(x: Any, *, axis: tuple[int, ...], sizes: tuple[int, ...]) -> Any:
    """A view with stride 0 along the new axes; ``np.broadcast_to`` gives the same at several times the cost."""
    if type(x) is not np.ndarray:
        x = np.asanyarray(x)
    shape, strides = list(x.shape), list(x.strides)
    rank = len(shape) + len(axis)
    for a, n in sorted((a + rank, n) for a, n in zip(axis, sizes, strict=True)):
        shape.insert(a, n)
        strides.insert(a, 0)
    if x.flags.c_contiguous and 0 not in shape:  # what a buffer must be to be looked at with other strides
        return np.ndarray.__new__(type(x), shape, x.dtype, x, 0, strides)
    ones = [1 if i - rank in axis else n for i, n in enumerate(shape)]
    return np.broadcast_to(x.reshape(ones), shape, subok=True)


def _reshape(x: Any, *, to: tuple[int, ...], rank: int) -> Any:
    return x.reshape(to) if x.ndim == rank else x.reshape(x.shape[: x.ndim - rank] + to)


def _permute(x: Any, *, perm: tuple[int, ...]) -> Any:
    batch = x.ndim - len(perm)
    return x.transpose(perm) if not batch else x.transpose((*range(batch), *(p + x.ndim for p in perm)))


def _laid_out_as(y: Any, x: Any) -> Any:
    """Where ``x * y`` goes if it has more than two axes: ``y`` is the partial derivative, in the forward's order in
    memory, for which NumPy would choose C's where ``x`` has another.
    """
    same = type(x) is type(y) is np.ndarray and x.ndim > 2 and x.shape == y.shape and x.dtype == y.dtype
    return np.empty_like(y) if same else None


def _masked_multiply(x: Any, y: Any) -> Any:
    """The product, mended only where it is not a number: one reduction tells whether any element needs it."""
    with np.errstate(all="ignore"):
        out = np.multiply(x, y, out=_laid_out_as(y, x))
        total = np.add.reduce(out, axis=None)
        if total == total:
            return out
        return np.where((x == 0) | (y == 0), np.zeros((), out.dtype), out)
