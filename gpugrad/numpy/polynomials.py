"""NumPy's functions on polynomials, given by their coefficients, the highest power first."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpugrad import creation, errors
from gpugrad.numpy.results import real_if_real
from gpugrad.ops.eigen import eigvals
from gpugrad.ops.elementwise import abs as abs_of
from gpugrad.ops.elementwise import stop
from gpugrad.ops.joining import concat, stack
from gpugrad.ops.linalg import lstsq
from gpugrad.ops.padding import pad
from gpugrad.ops.rearranging import atleast_1d
from gpugrad.ops.reductions import floating
from gpugrad.ops.reductions import sum as sum_of
from gpugrad.trace import Array

__all__ = [
    "poly",
    "polyadd",
    "polyder",
    "polydiv",
    "polyfit",
    "polyint",
    "polymul",
    "polysub",
    "polyval",
    "roots",
    "vander",
]


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


def polydiv(u: Array, v: Array) -> tuple[Array, Array]:
    """(quotient, remainder) of two polynomials; zeros at the front of the remainder go, as many as the values have.

    >>> import gpugrad.numpy as gnp
    >>> gnp.polydiv([3.0, 5.0, 2.0], [2.0, 1.0])
    (tensor([1.5 , 1.75]), tensor([0.25]))
    """
    u, v = floating(atleast_1d(u)), floating(atleast_1d(v))
    n, m = u.shape[0], v.shape[0]
    if n < m:
        return 0.0 * u[:1], u
    quotient, rest = [], u + 0.0 * v[0]
    for k in range(n - m + 1):
        factor = rest[0] / v[0]
        quotient.append(factor)
        rest = rest[1:] - pad(factor * v[1:], (0, n - m - k)) if n - k > 1 else rest[:0]
    if m == 1:
        rest = 0.0 * u[:1]
    while rest.shape[0] > 1 and bool(abs_of(rest[0]) <= 1e-8):
        rest = rest[1:]
    return stack(quotient), rest


def roots(p: Array) -> Array:
    """The zeros of a polynomial, the eigenvalues of its companion matrix; differentiable where they are distinct.

    Zeros at both ends of ``p`` are left out by their values. Complex, unless all of them are real.

    >>> import gpugrad.numpy as gnp
    >>> gnp.roots([1.0, -3.0, 2.0])
    tensor([2., 1.])
    """
    p = floating(p)
    there = np.flatnonzero(stop(p).detach().numpy())
    if not there.size:
        return p[:0]
    trailing = p.shape[0] - int(there[-1]) - 1
    p = p[int(there[0]) : int(there[-1]) + 1]
    n = p.shape[0] - 1
    if not n:
        return creation.zeros((trailing,), dtype=p.dtype, device=p.device)
    below = creation.eye(n, k=-1, dtype=p.dtype, device=p.device)
    companion = concat([(-p[1:] / p[0])[None], below[1:]])
    found = real_if_real(eigvals(companion))
    return concat([found, creation.zeros((trailing,), dtype=found.dtype, device=p.device)]) if trailing else found


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
