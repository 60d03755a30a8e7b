"""CuPy as the general forwards need it: the names that it lacks, and those whose meaning is not NumPy's."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any


class Namespace:
    """CuPy's functions, with ours before them."""

    def __init__(self, cupy: Any, cupyx: Any) -> None:
        self._cupy = cupy
        self.linalg = _linalg(cupy, cupyx)
        self.argsort = _argsort(cupy)
        self.arange = _arange(cupy)
        self.remainder = _remainder(cupy)
        self.floor_divide = _floor_divide(cupy)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._cupy, name)
        setattr(self, name, found)
        return found


def _argsort(cupy: Any) -> Callable[..., Any]:
    def argsort(x: Any, *, axis: int = -1, stable: bool = True) -> Any:
        return cupy.argsort(x, axis=axis)  # which is always stable

    return argsort


def _arange(cupy: Any) -> Callable[..., Any]:
    def arange(*args: Any, dtype: Any = None, device: Any = None) -> Any:
        return cupy.arange(*args, dtype=dtype)  # on the device that is current, which is that of the operands

    return arange


def _remainder(cupy: Any) -> Callable[..., Any]:
    def remainder(x: Any, y: Any) -> Any:
        """As NumPy's: exact, and finite by an infinite divisor, where CuPy subtracts a rounded multiple."""
        if _kind(x, y) != "f":
            return cupy.remainder(x, y)
        rest = cupy.fmod(x, y)
        wrong = (rest != 0) & ((rest < 0) != cupy.less(y, 0))
        return cupy.where(wrong, rest + y, cupy.copysign(rest, cupy.where(rest == 0, y, rest)))

    return remainder


def _floor_divide(cupy: Any) -> Callable[..., Any]:
    def floor_divide(x: Any, y: Any) -> Any:
        """As NumPy's: the exact remainder taken away, a whole number remains."""
        if _kind(x, y) != "f":
            return cupy.floor_divide(x, y)
        rest = cupy.fmod(x, y)
        wrong = (rest != 0) & ((rest < 0) != cupy.less(y, 0))
        whole = (x - rest) / y
        return cupy.where(cupy.equal(y, 0), x / y, cupy.rint(cupy.where(wrong, whole - 1, whole)))

    return floor_divide


def _kind(*xs: Any) -> str:
    return "f" if any(isinstance(x, float) or getattr(getattr(x, "dtype", None), "kind", "") == "f" for x in xs) else ""


def _linalg(cupy: Any, cupyx: Any) -> Any:
    """CuPy's functions of matrices: they fail where NumPy's fail, which waits for the device, and broadcast batches."""
    theirs = cupy.linalg

    def checked(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            with cupyx.errstate(linalg="raise"):
                return function(*args, **kwargs)

        return call

    def solve(a: Any, b: Any) -> Any:
        if b.ndim > 1 and a.ndim + b.ndim > 4:
            lead = cupy.broadcast_shapes(a.shape[:-2], b.shape[:-2])
            a = cupy.ascontiguousarray(cupy.broadcast_to(a, (*lead, *a.shape[-2:])))
            b = cupy.ascontiguousarray(cupy.broadcast_to(b, (*lead, *b.shape[-2:])))
        return theirs.solve(a, b)

    def svdvals(x: Any) -> Any:
        return theirs.svd(x, compute_uv=False)

    def vector_norm(x: Any, *, axis: int) -> Any:
        size = cupy.abs(x)
        top = cupy.max(size, axis=axis, keepdims=True) if x.shape[axis] else cupy.zeros((), size.dtype)
        safe = cupy.where((top > 0) & cupy.isfinite(top), top, cupy.ones_like(top))
        total = cupy.sum((size / safe) ** 2, axis=axis, keepdims=True)
        return cupy.squeeze(cupy.sqrt(total) * safe, axis=axis)

    names = {name: getattr(theirs, name) for name in ("det", "slogdet", "eig")}
    failing = {name: checked(getattr(theirs, name)) for name in ("cholesky", "inv", "svd", "qr", "eigh", "eigvalsh")}
    return SimpleNamespace(**names, **failing, solve=checked(solve), svdvals=checked(svdvals), vector_norm=vector_norm)
