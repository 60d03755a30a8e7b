"""Writing into a tensor: it is a value, so it is rebound to the updated value, differentiably, and no other changes."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from gpugrad import dtypes, errors, trace
from gpugrad.array_methods import another
from gpugrad.ops.indexing import getitem, setitem
from gpugrad.trace import state, value
from gpugrad.transforms.lift import as_value, holds_tensor, stopped
from gpugrad.transforms.node import Leaf
from gpugrad.transforms.tape import EAGER


class Writing:
    """Mixed into Tensor."""

    __slots__ = ()

    def _rebind(self: Any, new: Any, what: str) -> Any:
        """Become ``new``, which has this tensor's shape; the dtype stays, as in NumPy."""
        new = as_value(new)
        if new.shape != self.shape:
            raise errors.ShapeError(
                f"{what}: a tensor of shape {self.shape} cannot hold a result of shape {new.shape}; write it out of place, as in x = x + y"
            )
        if new.dtype != self.dtype:
            if not np.can_cast(new.dtype, self.dtype, "same_kind") and not (
                dtypes.is_float(new.dtype) and dtypes.is_float(self.dtype)
            ):
                raise errors.DtypeError(
                    f"{what}: a tensor of dtype {self.dtype.name} cannot hold a result of dtype {new.dtype.name}; write it out of place, or cast: x.astype({new.dtype.name!r})"
                )
            new = new.astype(self.dtype)
        if isinstance(self._mark, Leaf) and self._trace is EAGER:
            if state.floor < 0:
                raise errors.GraphError(
                    f"{what} on a leaf with requires_grad=True would take its gradient from it; update it inside `with gg.no_grad():`, or write it out of place"
                )
            self._data = stopped(new)._data
        else:
            self._data, self._trace, self._mark = new._data, new._trace, new._mark
        return self

    def __setitem__(self: Any, key: Any, v: Any) -> None:
        if holds_tensor(v):
            v = as_value(v)
        if isinstance(self._mark, Leaf) and self._trace is EAGER and state.floor < 0:
            raise errors.GraphError(
                "x[i] = v on a leaf with requires_grad=True would take its gradient from it; write inside `with gg.no_grad():`, or into a copy: y = x + 0"
            )
        if not self._written_in_place(key, v):
            self._rebind(setitem(self, key, v), "x[i] = v")

    def _written_in_place(self: Any, key: Any, v: Any) -> bool:
        """Write into the buffer itself, if nobody can tell: nothing is recorded, and no one else holds the memory."""
        if self._mark is not None or self._trace is not EAGER or type(self._data) is not np.ndarray:
            return False
        new = _plain(v)
        where = tuple(_plain(k) for k in key) if type(key) is tuple else _plain(key)
        if new is None or where is None or (type(where) is tuple and any(k is None for k in where)):
            return False
        if _holders(self) > _ALONE:
            return False
        data = self._data
        fits = (
            new.dtype == data.dtype
            if isinstance(new, np.ndarray | np.generic)
            else data.dtype.kind in "fc" or (type(new) is int and data.dtype.kind != "b")
        )
        if not fits or not data.flags.owndata or not data.flags.writeable:
            return False
        try:
            data[where] = new
        except (IndexError, ValueError, TypeError, OverflowError):
            return False  # the general way says what is wrong
        return True

    def __getitem__(self: Any, key: Any) -> Any:
        return another(self, getitem(self, key))

    def copy_(self: Any, new: Any) -> Any:
        """Take over the value of ``new`` (same shape and dtype), keeping identity, gradient and ``requires_grad``."""
        source = as_value(new)
        if source.shape != self.shape or source.dtype != self.dtype:
            raise errors.ShapeError(
                f"copy_: value of shape {source.shape} and dtype {source.dtype.name} for a tensor of shape {self.shape} and dtype {self.dtype.name}; expected the same"
            )
        if source.device != self.device:
            raise errors.DeviceError(
                f"copy_: a value on {source.device} for a tensor on {self.device}; expected one device. Move it: t.to({self.device!r})"
            )
        if not self.is_leaf or self._trace is not EAGER:
            raise errors.GraphError("copy_ on a tensor that is part of a graph; expected a leaf")
        constant = stopped(source)
        if constant._trace is not EAGER:
            raise errors.TraceError(
                "copy_ of a value under vmap: it stands for many items at once; return it from the mapped function instead"
            )
        self._data = constant._data
        return self


def _plain(x: Any) -> Any:
    """``x`` for NumPy's own indexing, where that means the same: a number, a slice, an untracked array; else None."""
    if type(x) is trace.Tensor:
        x = x._data if x._mark is None and x._trace is EAGER else None
    return x if isinstance(x, int | float | slice | np.ndarray | np.generic) or x is Ellipsis else None


def _holders(t: Any) -> int:
    """How many hold the memory of a tensor, with a surplus that depends on the interpreter."""
    data = t._data
    return sys.getrefcount(data)


_ALONE = _holders(value(np.zeros(1), EAGER, None))
"""What :func:`_holders` says where the tensor is the only one."""
