"""NumPy's statistics and small formulas that are compositions of operations."""

from __future__ import annotations

import math
from typing import Any

from gpugrad import dtypes, errors
from gpugrad.numpy.results import averaged_in, delivered
from gpugrad.ops.elementwise import abs as abs_of
from gpugrad.ops.elementwise import floor, isnan, less, where
from gpugrad.ops.joining import concat
from gpugrad.ops.linear import conj, imag, real
from gpugrad.ops.rearranging import moveaxis, transpose
from gpugrad.ops.reductions import all as all_of
from gpugrad.ops.reductions import average, cumprod, floating
from gpugrad.ops.reductions import sum as sum_of
from gpugrad.ops.sequences import cumsum, diff
from gpugrad.trace import Array

__all__ = ["corrcoef", "cov", "nancumprod", "nancumsum", "real_if_close", "unwrap"]


def cov(
    m: Array, y: Array | None = None, rowvar: bool = True, bias: bool = False, ddof: int | None = None,
    fweights: Array | None = None, aweights: Array | None = None, *, dtype: Any = None,
) -> Array:  # fmt: skip
    """The covariance matrix of variables in rows (in columns unless ``rowvar``), each with observations along the row.

    ``fweights`` count repeated observations, ``aweights`` weigh them. The sum is divided by n - ``ddof``, where ddof is
    1, or 0 with ``bias``.

    >>> import gpugrad.numpy as gnp
    >>> gnp.cov([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    x = _rows(m, rowvar)
    if y is not None:
        x = concat([x, _rows(y, rowvar)])
    dtype = averaged_in(dtype, x, "np.cov")
    x = floating(x if dtype is None else x.astype(dtype))
    ddof = (0 if bias else 1) if ddof is None else ddof
    w: Any = None
    if fweights is not None:
        w = floating(fweights)
    if aweights is not None:
        w = aweights if w is None else w * aweights
    if w is None:
        n = float(x.shape[1])
        x = x - average(x, 1, None, True)
        return _squeezed(x @ conj(transpose(x)) / (n - ddof))
    total = sum_of(w)
    x = x - average(x, 1, w, True)
    taken = ddof * sum_of(w * aweights) / total if aweights is not None else float(ddof)
    return _squeezed((x * w) @ conj(transpose(x)) / (total - taken))


def _rows(x: Any, rowvar: bool) -> Any:
    if len(x.shape) > 2:
        raise errors.ShapeError(f"np.cov: shape {x.shape}; expected a vector or a matrix")
    if len(x.shape) < 2:
        return x[None] if x.shape else x[None, None]
    return x if rowvar or x.shape[0] == 1 else transpose(x)


def _squeezed(c: Any) -> Any:
    return c[0, 0] if c.shape == (1, 1) else c


def corrcoef(x: Array, y: Array | None = None, rowvar: bool = True, *, dtype: Any = None) -> Array:
    """The matrix of correlation coefficients: the covariance divided by both standard deviations."""
    c = cov(x, y, rowvar, dtype=dtype)
    if not c.shape:
        return c / c
    d = real(c) if dtypes.is_complex(c.dtype) else c
    sigma = d[range(c.shape[0]), range(c.shape[0])] ** 0.5
    return c / sigma[:, None] / sigma[None]


def nancumsum(a: Array, axis: int | None = None, dtype: Any = None, out: Any = None) -> Array:
    """The running sum with NaN counted as 0."""
    return delivered(
        cumsum(where(isnan(a), 0.0, a) if dtypes.is_inexact(a.dtype) else a, axis, dtype), out, "np.nancumsum"
    )


def nancumprod(a: Array, axis: int | None = None, dtype: Any = None, out: Any = None) -> Array:
    """The running product with NaN counted as 1."""
    return delivered(
        cumprod(where(isnan(a), 1.0, a) if dtypes.is_inexact(a.dtype) else a, axis, dtype), out, "np.nancumprod"
    )


def unwrap(p: Array, discont: float | None = None, axis: int = -1, *, period: float = 2.0 * math.pi) -> Array:
    """Angles with jumps of more than half a ``period`` (or of ``discont``) made up for by whole periods.

    >>> import gpugrad.numpy as gnp
    >>> gnp.unwrap([0.0, 3.0, 6.0, 9.0], period=4.0)
    tensor([ 0., -1., -2., -3.])
    """
    x = moveaxis(floating(p), axis, -1)
    step = diff(x)
    half = period / 2.0
    inside = step - period * floor((step + half) / period)  # in [-half, half)
    inside = where((inside == -half) & (step > 0.0), half, inside)
    correction = where(less(abs_of(step), half if discont is None else discont), 0.0, inside - step)
    out = concat([x[..., :1], x[..., 1:] + cumsum(correction, -1)], axis=-1)
    return moveaxis(out, -1, axis)


def real_if_close(a: Array, tol: float = 100.0) -> Array:
    """The real part, if all imaginary parts are within ``tol`` times the precision of 0; else ``a``."""
    if not dtypes.is_complex(a.dtype):
        return a
    limit = tol * float(dtypes.finfo(dtypes.real_of(a.dtype)).eps) if tol > 1 else tol
    return real(a) if bool(all_of(less(abs_of(imag(a)), limit))) else a
