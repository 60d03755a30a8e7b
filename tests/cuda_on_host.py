"""Printed CUDA C++ compiled by a C++ compiler and run by the CPU: see kernels/cuda/host.h."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpugrad.codegen.gpu_launch import Schedule
from gpugrad.codegen.loops import LoopKernel
from gpugrad.cuda.host import library

GUARD = 64
"""Elements before and after each array that nothing may write to."""


class Library:
    """Texts in one shared library; each is known by its number in the list."""

    def __init__(self, texts: Sequence[str], *options: str) -> None:
        self.library = library(texts, *options)

    def run(self, k: int, kernel: LoopKernel, plan: Schedule, given: Sequence[Any], order: int = 0) -> list[Any]:
        """What the arrays of a kernel hold after its launches; scratch is left out."""
        arrays = [(a, x) for a, x in zip(kernel.arrays, given, strict=True) if not a.scratch]
        read = {id(s.operands[0]) for s in kernel.steps if s.op == "read"}
        places = {a.name: Guarded(x, fill=a.written and id(a) not in read) for a, x in arrays}
        for m in plan.memory:
            places[m.name] = places[m.instead] if m.instead else Guarded(np.empty(m.elements, m.dtype), fill=True)
        integer = ctypes.c_longlong if plan.form.wide else ctypes.c_int
        held: list[Any] = [ctypes.c_void_p(places[name].address) for name in places]
        held += [integer(n) for n in plan.sizes]
        pointers = (ctypes.c_void_p * len(held))(*[ctypes.addressof(x) for x in held])
        for launch in plan.launches:
            shape = (ctypes.c_uint * 7)(*launch.shape, launch.shared)
            getattr(self.library, f"text_{k}_{launch.function}")(shape, order, pointers)
        for name, place in places.items():
            assert place.whole(), f"{name}: something outside of the array was written to"
        return [places[a.name].array.reshape(np.shape(x)) for a, x in arrays]


class Guarded:
    """A copy of an array with memory around it; what is written first is filled with what nobody expects."""

    def __init__(self, x: Any, fill: bool) -> None:
        x = np.asarray(x)
        self.bytes = np.full(x.nbytes + 2 * GUARD * x.itemsize + 16, 0xA5, np.uint8)
        first = GUARD * x.itemsize + -(self.bytes.ctypes.data + GUARD * x.itemsize) % 16
        self.inside = slice(first, first + x.nbytes)
        self.array = self.bytes[self.inside].view(x.dtype)
        if not fill:
            self.array[:] = x.reshape(-1)
        self.address = self.array.ctypes.data

    def whole(self) -> bool:
        """Whether what lies around the array is as it was."""
        around = np.ones(self.bytes.size, bool)
        around[self.inside] = False
        return bool(np.all(self.bytes[around] == 0xA5))
