"""What a routine is: one text of CUDA C++, and launches of its functions that compute a primitive, one after another."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gpugrad import dtypes
from gpugrad.codegen.cuda_scalars import STORED, TYPES
from gpugrad.codegen.gpu_launch import NARROW, VECTOR, Device, Launch
from gpugrad.graph.ir import Line


@dataclass(frozen=True, eq=False)
class Scratch:
    """Working memory of so many bytes; nothing in it is read before it is written."""

    nbytes: int


@dataclass(frozen=True, eq=False)
class Told:
    """A number by which a kernel says that something is wrong here; ``error`` makes the error of the index it found."""

    error: Callable[[int], Exception]


REPORT = object()
"""Where a kernel says it."""


@dataclass(frozen=True)
class Call:
    """One launch. Its arguments are variables and constants, scratch memory, :data:`REPORT`, or ctypes values."""

    launch: Launch
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Routine:
    """The launches that compute a line, of functions of one text. Arrays are in C's order, and begin at multiples of 16."""

    text: str
    calls: tuple[Call, ...]
    explained: Callable[[Exception], Exception] | None = None
    """For a text of the user's, which may not compile, what a compiler's error is in the user's words."""


Writer = Callable[[Line, Device], Routine | None]
"""Writes the routine of a line for a device; None if there is none for such operands."""


class Written:
    """A routine as it is written: functions, and calls of them."""

    def __init__(self, header: str, elements: int, device: Device, *types: str) -> None:
        """``elements`` is the largest number that positions go up to; ``types`` are those that the functions are of."""
        self.device = device
        self.index: Any = ctypes.c_longlong if elements >= NARROW else ctypes.c_int
        needs = {"half.cuh"} if any("__" in t for t in types) else set()
        needs |= {"complex.cuh"} if any("Complex" in t for t in types) else set()
        needs |= {"packs.cuh"} if any("Pack" in t for t in types) else set()
        includes = "".join(f'#include "{name}"\n' for name in sorted({header, *needs}))
        self.parts = [f"{includes}\nusing Index = {'long long' if elements >= NARROW else 'int'};\n"]
        self.calls: list[Call] = []

    def function(self, name: str, parameters: str, body: str, threads: int = 0) -> str:
        """Add a function; ``parameters`` and ``body`` are its text."""
        bound = threads or self.device.threads
        head = f'extern "C" __global__ void __launch_bounds__({bound}) {name}({parameters})'
        self.parts.append(f"{head}\n{{\n    {body}\n}}\n")
        return name

    def call(self, launch: Launch, *arguments: Any) -> None:
        """Add a launch; Python's integers become indices."""
        given = (self.index(a) if type(a) is int else a for a in arguments)
        self.calls.append(Call(launch, tuple(given)))

    def over(self, n: int, function: str, *arguments: Any) -> None:
        """Add a launch whose threads share out ``n`` elements."""
        self.call(spread(function, n, self.device), *arguments)

    def done(self) -> Routine:
        """The routine."""
        return Routine("\n".join(self.parts), tuple(self.calls))


def spread(function: str, n: int, device: Device) -> Launch:
    """A launch whose threads go over ``n`` elements in strides of the grid."""
    most = 2048 // device.threads * device.processors
    return Launch(function, (max(1, min(-(-n // device.threads), most)), 1), (device.threads, 1))


def simple(line: Line) -> bool:
    """Whether all operands are arrays, none of which is empty, and nor is a result."""
    return all(0 not in getattr(x, "shape", (0,)) for x in (*line.operands, *line.results))


def stored(x: Any) -> str:
    """The type of an element in memory."""
    return STORED[dtypes.name(x.dtype)]


def summed(x: Any, wraps: bool = True) -> tuple[str, str]:
    """The types in which elements are added up, and lie in memory: signed integers, if it ``wraps``, as unsigned ones."""
    name = dtypes.name(x.dtype)
    name = f"u{name}" if wraps and name.startswith("int") else name
    return TYPES[name], STORED[name]


_BITS = {1: "unsigned char", 2: "unsigned short", 4: "unsigned", 8: "unsigned long long", VECTOR: "Pack<unsigned, 4>"}


def chunk(*nbytes: int) -> int:
    """Bytes that one instruction can move at once where runs of these lengths lie one after another."""
    return math.gcd(VECTOR, *nbytes)


def bits(nbytes: int) -> str:
    """A type of so many bytes, for what is moved as it is."""
    return _BITS[nbytes]


def around(shape: Sequence[int], axis: int) -> tuple[int, int, int]:
    """Elements before, along and after an axis that is counted from the end."""
    at = len(shape) + axis
    return math.prod(shape[:at]), shape[at], math.prod(shape[at + 1 :])
