"""What a plan needs of a CUDA device. There are two: the real one, and the host, which runs the same kernels without it.

Nothing here waits for the device but ``synchronize``.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from gpugrad.codegen import gpu_launch
from gpugrad.codegen.gpu_launch import Launch
from gpugrad.cuda.reports import Reports

ALIGNMENT = 256
"""Bytes; where memory begins."""


class Parameters:
    """The arguments of a launch: ctypes values, which may be changed from launch to launch, and the pointers to them."""

    def __init__(self, values: Sequence[Any]) -> None:
        self.values = values
        self.pointers = (ctypes.c_void_p * len(values))(*map(ctypes.addressof, values))


class Library(Protocol):
    """What computes primitives on a device; :class:`gpugrad.cuda.cudnn.Cudnn` says what each method does."""

    def why_not(
        self,
        name: str,
        operands: Sequence[Any],
        outs: Sequence[Any],
        params: dict[str, Any],
        order: Sequence[int] | None = None,
    ) -> str: ...

    def prepare(
        self, name: str, operands: Sequence[Any], outs: Sequence[Any], params: dict[str, Any]
    ) -> Callable[[], None]: ...


class Staging(Protocol):
    """Memory of the host, from which numbers are copied to the device, again and again."""

    def buffer(self) -> Any:
        """An array of bytes to be filled, which nothing that was begun reads any more."""

    def send(self, target: Any) -> None:
        """Begin to copy it over memory of the device."""


class Device(Protocol):
    """A device. Arrays are those of its backend; memory is a flat array of bytes on it."""

    limits: gpu_launch.Device
    """What decides how kernels are launched on it."""
    dialects: Sequence[str]
    """The languages that it runs kernels in, the first that has words for a kernel first."""

    reports: Reports
    """What its kernels say of the numbers that they were given."""

    def current(self) -> AbstractContextManager[Any]:
        """A context in which it is the device that works: all else here, but for ``synchronize``, is called in one."""

    def ordered(self, before: Any) -> Any:
        """The stream that is current, to be given the next time, with all that follows on it after all that was begun on
        the stream that was given before; None for none.
        """

    def staging(self, nbytes: int) -> Staging:
        """Memory of the host to be copied from."""

    @property
    def cudnn(self) -> Library | None:
        """What computes convolution and attention on it, if something does."""

    def memory(self, nbytes: int) -> Any:
        """Memory that begins at a multiple of ``ALIGNMENT``, for as long as it is held."""

    def view(self, memory: Any, offset: int, shape: tuple[int, ...], dtype: Any) -> Any:
        """A part of memory as an array in C's order."""

    def spoil(self, memory: Any) -> None:
        """What is in memory means nothing any more, and nothing may read it."""

    def address(self, array: Any) -> int:
        """Where an array's first element is."""

    def load(self, texts: Sequence[str], now: bool = False) -> list[Mapping[str, Any]]:
        """Compile texts in its dialects, unless that was done before: of each, its functions by name.

        ``now`` is for a text that may not compile: it is not put off, nor has what others load to do with it.
        """

    def python(self, function: Any, given: Sequence[Any]) -> tuple[Any, Parameters]:
        """A user's function of Numba CUDA compiled for arrays in C's order and numbers, and the parameters that are these."""

    def launch(self, function: Any, launch: Launch, parameters: Parameters) -> None:
        """Begin to run a function."""

    def product(self, x: Any, y: Any, out: Any, bias: Any = None) -> Callable[[], None]:
        """What computes ``out[...] = x @ y`` each time it is called, on the memory where these arrays are now.

        A ``bias``, if there is one, is added to each row.
        """

    def fetch(self, target: Any, source: Any) -> None:
        """Copy the numbers of an array of the host, or of the device, over an array of the device in C's order."""

    def capture(self, calls: Sequence[tuple[Any, ...]]) -> Callable[[], None]:
        """What begins to run all calls at once: launches, products and copies, each a function and its arguments.

        Where arrays are now is where they must be whenever it is called.
        """

    def synchronize(self) -> None:
        """Wait until all that was begun is done."""


_KERNEL = re.compile(
    r"__global__\s+(?:__launch_bounds__\s*\([^)]*\)\s*)?void\s+(?:__launch_bounds__\s*\([^)]*\)\s*)?(\w+)\s*\(([^)]*)\)"
)


def declared(text: str) -> dict[str, str]:
    """The names of the kernels in a text of CUDA C++, each with its parameters as they stand there."""
    plain = re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.DOTALL)
    return dict(_KERNEL.findall(plain))


def functions(text: str) -> list[str]:
    """The names of the kernels in a text of CUDA C++."""
    return list(declared(text))
