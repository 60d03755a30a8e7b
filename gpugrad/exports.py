"""What leaves a tensor: Python's numbers, NumPy's arrays, memory that other libraries share.

None of it carries a derivative, so a tensor that is part of one refuses, unless it was asked in so many words.
"""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np

from gpugrad import conversions, errors, trace
from gpugrad.backends import select
from gpugrad.trace import raw_of
from gpugrad.transforms import borrowed
from gpugrad.transforms.lift import tracked
from gpugrad.transforms.tape import EAGER


class Exports:
    """Mixed into Tensor."""

    __slots__ = ()

    def numpy(self: Any) -> Any:
        """The elements as a NumPy array that shares memory with this tensor and cannot be written to.

        Raises GraphError if the tensor is part of a derivative (use ``t.detach().numpy()``), DeviceError if it is not
        on the CPU (use ``t.to("cpu")``), TraceError inside vmap.
        """
        return self.__array__()

    def __array__(self: Any, dtype: Any = None, copy: bool | None = None) -> Any:
        marked = tracked(self)
        if marked is not None:
            raise marked._leaving()
        data = raw_of(self)
        backend = select.of(data)
        if backend.device_kind != "cpu":
            raise errors.DeviceError(
                f"cannot make a NumPy array of a tensor on {self.device} without moving it; say so: t.to('cpu')"
            )
        out = np.asarray(backend.to_numpy(data)).view(np.ndarray)
        if (dtype is not None and out.dtype != dtype) or copy:
            return out.astype(dtype or out.dtype)
        out = out.view()
        out.flags.writeable = False
        return out

    @property
    def _mask(self: Any) -> Any:
        """What ``numpy.ma`` asks of an operand, and nothing else does: it would take the raw array and leave the rest."""
        raise errors.DtypeError(
            f"a function of numpy.ma on a tensor of shape {self.shape} would detach it; keep the mask beside it: gg.where(~mask, t, 0.0)"
        )

    def __dlpack__(
        self, *, stream: Any = None, max_version: Any = None, dl_device: Any = None, copy: bool | None = None
    ) -> Any:
        asked = {"stream": stream, "max_version": max_version, "dl_device": dl_device, "copy": copy}
        return self._shared("__dlpack__")(**{name: v for name, v in asked.items() if v is not None})

    def __dlpack_device__(self: Any) -> Any:
        return self._shared("__dlpack_device__")()

    @property
    def __cuda_array_interface__(self: Any) -> Any:
        return self._shared("__cuda_array_interface__")

    def _shared(self: Any, protocol: str) -> Any:
        """A memory-sharing protocol of the raw array; AttributeError if it has none."""
        if self.requires_grad or self._trace is not EAGER:
            raise errors.GraphError(
                f"{protocol} of a tensor that is part of a derivative: what shares its memory would be detached. Say that it is meant: t.detach()"
            )
        shared = getattr(self._data, protocol)
        borrowed.register(self._data)  # who gets it may write to it
        return shared

    def _concrete(self: Any, what: str) -> Any:
        """The raw one-element array, for a conversion to a Python number."""
        v: Any = self
        while type(v) is trace.Tensor:
            if v._trace.batched:
                raise errors.TraceError(
                    f"{what} of a value under vmap: it stands for {v._mark} items at once. Use gg.where instead of `if`, gg.while_loop instead of `while`, or take it out of the mapped function"
                )
            if v._mark is not None and what != "bool()":
                v._trace.cut(f"{what} at {errors.user_site()}")
            v = v._data
        if self.size != 1:
            raise errors.ShapeError(
                f"{what} of a tensor of shape {self.shape}; expected one element"
                + (". Use gg.any(t) or gg.all(t)" if what == "bool()" else "")
            )
        return select.of(v).to_numpy(v)

    def _leaving(self: Any) -> errors.GpugradError:
        """The error for what would detach a derivative unsaid: it names the place, the call, and the way out."""
        kind = errors.GraphError if self._trace.records else errors.TraceError
        what = f"{self._mark} items under vmap" if self._trace.batched else "part of a derivative"
        return kind(conversions.message(errors.user_frame(), self.shape, what))

    def _said(self: Any) -> None:
        """Refuse ``math.sin(t)`` and, for a NumPy buffer, ``buffer[i] = t``: they ask for ``float(t)`` as a user may."""
        if self._mark is not None and conversions.unsaid(sys._getframe(2)):
            raise self._leaving()

    def item(self: Any, *at: Any) -> Any:
        """The one element, or that at an index (into the flattened tensor, or along each axis), as a Python number."""
        if at:
            return (
                self[at if len(at) > 1 else at[0]] if type(at[0]) is tuple or len(at) > 1 else self.flat[at[0]]
            ).item()
        return self._concrete("item()").item()

    def tolist(self: Any) -> Any:
        """The elements as nested lists of Python numbers."""
        return self.detach().numpy().tolist()

    def __bool__(self: Any) -> bool:
        return bool(self._concrete("bool()"))

    def __float__(self: Any) -> float:
        self._said()
        return float(self._concrete("float()").item())

    def __int__(self: Any) -> int:
        self._said()
        return int(self._concrete("int()").item())

    def __complex__(self: Any) -> complex:
        self._said()
        return complex(self._concrete("complex()").item())

    def __trunc__(self: Any) -> int:
        whole: int = math.trunc(self.item())
        return whole

    def __floor__(self: Any) -> int:
        whole: int = math.floor(self.item())
        return whole

    def __ceil__(self: Any) -> int:
        whole: int = math.ceil(self.item())
        return whole

    def __round__(self: Any, digits: int | None = None) -> Any:
        return int(self.round().item()) if digits is None else self.round(digits)

    def __index__(self: Any) -> int:
        if self.dtype.kind not in "iu":
            raise errors.DtypeError(f"a tensor of dtype {self.dtype.name} is not an index; expected an integer")
        return int(self._concrete("index").item())
