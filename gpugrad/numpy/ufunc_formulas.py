"""Universal functions of NumPy that are formulas of others."""

from __future__ import annotations

import math
from typing import Any

from gpugrad import dtypes, errors
from gpugrad.ops.bilinear import matmul
from gpugrad.ops.elementwise import abs as abs_of
from gpugrad.ops.elementwise import logaddexp, nextafter, stop, trunc
from gpugrad.ops.linear import conj
from gpugrad.ops.rearranging import expand_dims, squeeze
from gpugrad.trace import Array

__all__ = ["ldexp", "logaddexp2", "matvec", "modf", "spacing", "vecmat"]


def logaddexp2(x: Array, y: Array) -> Array:
    """log2(2ˣ + 2ʸ) without overflow.

    >>> import gpugrad.numpy as gnp
    >>> gnp.logaddexp2(3.0, 3.0)
    tensor(4.)
    """
    ln2 = math.log(2.0)
    return logaddexp(x * ln2, y * ln2) / ln2


def ldexp(x: Array, n: Array) -> Array:
    """x · 2ⁿ.

    >>> import gpugrad.numpy as gnp
    >>> gnp.ldexp(3.0, 2)
    tensor(12.)
    """
    power = n.astype(x.dtype) if hasattr(n, "astype") and hasattr(x, "dtype") else n
    return x * 2.0**power


def modf(x: Array) -> tuple[Array, Array]:
    """The fractional part, with the sign of x, and the integer part.

    >>> import gpugrad.numpy as gnp
    >>> gnp.modf(-1.5)
    (tensor(-0.5), tensor(-1.))
    """
    whole = trunc(x)
    return x - whole, whole


def spacing(x: Array) -> Array:
    """The distance to the next floating-point number away from 0, with the sign of x. No derivative.

    >>> import gpugrad.numpy as gnp
    >>> float(gnp.spacing(1.0)) == 2.0**-52
    True
    """
    x = stop(x)
    size = abs_of(x)
    return (nextafter(size, math.inf) - size) * (1.0 - 2.0 * (x < 0.0).astype(x.dtype))


def matvec(x: Array, y: Array) -> Array:
    """Matrices times vectors in the last axis; leading axes broadcast.

    >>> import gpugrad.numpy as gnp
    >>> gnp.matvec([[1.0, 2.0], [3.0, 4.0]], [1.0, 1.0])
    tensor([3., 7.])
    """
    _is_matrix("matvec", x)
    return squeeze(matmul(x, expand_dims(y, -1)), -1)


def vecmat(x: Array, y: Array) -> Array:
    """Vectors in the last axis, conjugated, times matrices; leading axes broadcast.

    >>> import gpugrad.numpy as gnp
    >>> gnp.vecmat([1.0, 1.0], [[1.0, 2.0], [3.0, 4.0]])
    tensor([4., 6.])
    """
    _is_matrix("vecmat", y)
    x = conj(x) if dtypes.is_complex(x.dtype) else x
    return squeeze(matmul(expand_dims(x, -2), y), -2)


def _is_matrix(name: str, x: Any) -> None:
    if len(x.shape) < 2:
        raise errors.ShapeError(f"np.{name}: a matrix of shape {x.shape}; expected at least two axes. Use np.vecdot")
