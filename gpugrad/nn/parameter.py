"""Parameter: the leaf tensor that a module trains, and how one takes over a new value without losing its identity."""

from __future__ import annotations

from typing import Any

from gpugrad import creation, dtypes
from gpugrad.transforms.modes import no_grad
from gpugrad.transforms.node import Leaf


def Parameter(data: Any, *, dtype: Any = None, device: str | None = None, requires_grad: bool = True) -> Any:
    """A leaf tensor to be trained: a copy of ``data`` as float32 (complex64 if it is complex) unless ``dtype`` is given.

    As an attribute of a :class:`Module` it is one of the module's parameters.

    >>> import gpugrad as gg
    >>> gg.nn.Parameter([1.0, 2.0])
    tensor([1., 2.], dtype=float32, requires_grad=True)
    """
    with no_grad():
        source = creation.asarray(data, device=device)
        if dtype is None:
            dtype = "complex64" if dtypes.is_complex(source.dtype) else "float32"
        return creation.tensor(source.detach().astype(dtype), requires_grad=requires_grad)


def become(tensor: Any, new: Any) -> None:
    """Give a leaf another value, of any dtype and on any device: references to it, in optimizers say, stay right."""
    tracked, grad = isinstance(tensor._mark, Leaf), tensor.grad
    tensor._data = new.detach()._data
    tensor._mark = Leaf(tensor.shape, tensor.dtype) if tracked and dtypes.is_inexact(tensor.dtype) else None
    if grad is not None and tensor._mark is not None:
        tensor._mark.grad = grad.detach().to(tensor.device).astype(tensor.dtype)


__all__ = ["Parameter"]
