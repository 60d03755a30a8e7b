"""NumPy's functions on polynomials, given by their coefficients, the highest power first."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpugrad import creation, errors
from gpugrad.ops.joining import concat, stack
from gpugrad.ops.linalg import lstsq
from gpugrad.ops.padding import pad
from gpugrad.ops.reductions import sum as sum_of
from gpugrad.trace import Array

__all__ = ["poly", "polyadd", "polyder", "polyfit", "polyint", "polymul", "polysub", "polyval", "vander"]


def polyval(p: Array, x: Array) -> Array:
    """The values of the polynomial at ``x``, by Horner's scheme: differentiable in both.

    >>> import gpugrad.numpy as gnp
    >>> gnp.polyval([1.0, 0.0, -1.0], gnp.array([2.0, 3.0]))
    tensor([3., 8.])
    """
    out = 0.0 * x
    for k in range(p.shape[0]):
        out = out * x + p[k]
    return out


def polyadd(a1: Array, a2: Array) -> Array:
    """The sum of two polynomials."""
    n = max(a1.shape[0], a2.shape[0])
    return pad(a1, (n - a1.shape[0], 0)) + pad(a2, (n - a2.shape[0], 0))


def polysub(a1: Array, a2: Array) -> Array:
    """The difference of two polynomials."""
    return polyadd(a1, -a2)


def polymul(a1: Array, a2: Array) -> Array:
    """The product of two polynomials."""
    n, m = a1.shape[0], a2.shape[0]
    return sum_of(stack([pad(a1[k] * a2, (k, n - 1 - k)) for k in range(n)]), 0) if n and m else a1[:0]


def polyder(p: Array, m: int = 1) -> Array:
    """The ``m``-th derivative of a polynomial."""
    for _ in range(m):
        n = p.shape[0]
        p = p[: n - 1] * creation.asarray(np.arange(n - 1, 0, -1), dtype=p.dtype, device=p.device)
    return p


def polyint(p: Array, m: int = 1, k: Any = None) -> Array:
    """The ``m``-th antiderivative, with the constants ``k`` (a number, or one for each integration; 0 for None)."""
    constants = [0.0] * m if k is None else [k] * m if np.ndim(k) == 0 else list(k)
    if len(constants) != m:
        raise errors.ShapeError(f"polyint: {len(constants)} constants for m={m}; expected as many")
    for c in constants:
        n = p.shape[0]
        whole = p / creation.asarray(np.arange(n, 0, -1), dtype=p.dtype, device=p.device)
        p = concat([whole, 0.0 * whole[:1] + c if n else creation.asarray([c])])
    return p


def poly(seq_of_zeros: Array) -> Array:
    """The polynomial with those roots and the leading coefficient 1."""
    if len(seq_of_zeros.shape) != 1:
        raise errors.UnsupportedError(
            "np.poly of a matrix is not supported on tensors; take the roots first: np.linalg.eigvalsh"
        )
    out = creation.ones((1,), dtype=seq_of_zeros.dtype, device=seq_of_zeros.device)
    for k in range(seq_of_zeros.shape[0]):
        out = pad(out, (0, 1)) - pad(out * seq_of_zeros[k], (1, 0))
    return out


def vander(x: Array, N: int | None = None, increasing: bool = False) -> Array:
    """The powers of ``x`` as columns, the highest first unless ``increasing``."""
    n = x.shape[0] if N is None else N
    powers = [x**0]
    for _ in range(n - 1):
        powers.append(powers[-1] * x)
    powers = powers[:n]
    return stack(powers if increasing else powers[::-1], axis=-1) if n else x[:, None][:, :0]


def polyfit(
    x: Array,
    y: Array,
    deg: int,
    rcond: float | None = None,
    full: bool = False,
    w: Array | None = None,
    cov: bool = False,
) -> Array:
    """The polynomial of degree ``deg`` that is nearest to the points in least squares, weighted by ``w``.

    Differentiable in ``x``, ``y`` and ``w``. Raises UnsupportedError for ``full`` and ``cov``.
    """
    if full or cov:
        raise errors.UnsupportedError(
            "np.polyfit: full= and cov= are not supported on tensors; compute them from np.linalg.lstsq and np.vander"
        )
    A = vander(x * 1.0, deg + 1)
    if w is not None:
        A = A * w[:, None]
        y = y * (w if len(y.shape) == 1 else w[:, None])
    scale = sum_of(A * A, 0) ** 0.5
    fitted = lstsq(A / scale, y, rcond=rcond)[0]
    return fitted / (scale if len(y.shape) == 1 else scale[:, None])
