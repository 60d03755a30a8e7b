"""What linear algebra shares: the check that an operand holds matrices, their adjoint, and the error of an algorithm.

Matrices lie in the last two axes. Rules see traced values; what a forward needs on raw arrays takes their namespace.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gpugrad import dtypes, errors
from gpugrad.ops.bilinear import mT, shape_of
from gpugrad.ops.linear import conj, constant, diag_embed, expand, real
from gpugrad.ops.reductions import floating
from gpugrad.primitive import Shape


class LinAlgError(errors.GpugradError, np.linalg.LinAlgError):
    """A matrix that an algorithm cannot take: singular, not positive definite, or such that it does not converge."""


def attempt(name: str, expected: str, call: Callable[..., Any], *args: Any, **params: Any) -> Any:
    """The result of a library call; its failure says which operation, on what, and what was expected."""
    try:
        return call(*args, **params)
    except np.linalg.LinAlgError as error:
        what = " and ".join(f"{a.dtype}{list(a.shape)}" for a in args)
        raise LinAlgError(f"{name} of {what}: {str(error).rstrip('.').lower()}; expected {expected}") from error


# Whether to conjugate is asked of a value, ``like``: a map under transposition knows the dtype of its cotangent alone.


def H(x: Any, like: Any = None) -> Any:
    """The conjugate transpose."""
    return mT(conjugate(x, x if like is None else like))


def conjugate(x: Any, like: Any) -> Any:
    """The complex conjugate, if ``like`` is complex."""
    return conj(x) if dtypes.is_complex(like.dtype) else x


def hermitian(x: Any, like: Any) -> Any:
    """The Hermitian part: what a function of Hermitian matrices sees of a tangent."""
    return (x + H(x, like)) * 0.5


def real_part(x: Any, like: Any) -> Any:
    """The real part, if ``like`` is complex."""
    return real(x) if dtypes.is_complex(like.dtype) else x


def scaled_identity(c: Any, n: int) -> Any:
    """Numbers as multiples of the identity matrix."""
    return diag_embed(expand(c, axis=(-1,), sizes=(n,)), n, n)


def identity(x: Any) -> Any:
    """The identity, in the shape of the square matrices ``x``."""
    return scaled_identity(constant(x, to=x.shape[:-2], fill=1), x.shape[-1])


def same_shape(s: Shape, *_shapes: Shape, **_params: Any) -> Shape:
    """The shape rule of a primitive whose result has the shape of its first operand."""
    return s


def real_dtype(d: Any, *_dtypes: Any, **_params: Any) -> Any:
    """The dtype rule of a primitive whose result is real."""
    return dtypes.real_of(d)


def raw_conj(xp: Any, x: Any) -> Any:
    """The complex conjugate of a raw array."""
    return xp.conj(x) if dtypes.is_complex(x.dtype) else x


def raw_adjoint(xp: Any, x: Any) -> Any:
    """The conjugate transpose of a raw array."""
    return xp.matrix_transpose(raw_conj(xp, x))


def matrix_of(x: Any, name: str) -> Any:
    """``x`` in floating point, if it is a matrix or a batch of them."""
    if len(shape_of(x)) < 2:
        raise errors.ShapeError(
            f"{name}: shape {shape_of(x)}; expected matrices in the last two axes. Reshape it: gg.reshape"
        )
    return floating(x)


def square_of(x: Any, name: str) -> Any:
    """The same for square matrices."""
    x = matrix_of(x, name)
    if x.shape[-1] != x.shape[-2]:
        raise errors.ShapeError(f"{name}: shape {x.shape}; expected square matrices in the last two axes")
    return x


__all__: list[str] = []
