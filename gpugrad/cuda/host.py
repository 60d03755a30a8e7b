"""The host as a device: the very text of a CUDA kernel, compiled by a C++ compiler and run by the CPU.

It is slow, and strict: memory is filled with what nobody expects before it is used, what lies between two arrays must stay
as it is, and threads run in whatever order is asked for. See ``kernels/cuda/host.h``.
"""

from __future__ import annotations

import atexit
import ctypes
import functools as ft
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np

import gpugrad.kernels
from gpugrad import errors
from gpugrad.backends import half
from gpugrad.codegen import gpu_launch
from gpugrad.codegen.gpu_launch import Launch
from gpugrad.cuda.device import ALIGNMENT, Library, Parameters, functions
from gpugrad.cuda.reports import Reports
from gpugrad.trace import Value

KERNELS = Path(gpugrad.kernels.__path__[0]) / "cuda"
COMPILER = next(filter(None, map(shutil.which, ("g++", "clang++", "c++"))), None)
POISON = 0xA5
"""What each byte is before anything was written to it; as a float it is a number that is no result of anything."""

_INCLUDE = re.compile(r'#include "(\S+)"')
_WAITS = re.compile(r"_sync\(|__sync(threads|warp)\(")
"""How threads wait for one another."""
_SHARED = re.compile(r"extern\s+__shared__\s+(?:(?:__align__|alignas)\s*\(\s*\d+\s*\)\s*)?([\w ]+?)\s+(\w+)\s*\[\s*\]")
_running = threading.Lock()
"""The threads of a block, and where they are, are global to a library."""


class HostArray(np.ndarray):
    """An array of the host as a device has it: it mixes with none of NumPy's, which are elsewhere."""

    def __dlpack_device__(self) -> Any:
        return 2, 0  # CUDA's first, in DLPack's numbers

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if any(isinstance(x, Value) for x in inputs):
            return NotImplemented
        for x in inputs:
            if isinstance(x, np.ndarray) and not isinstance(x, HostArray):
                raise TypeError(
                    f"{ufunc.__name__}: an array of the device and one of NumPy's, {x.dtype}{list(x.shape)}"
                )
        if "out" in kwargs:
            kwargs["out"] = tuple(map(inside, kwargs["out"]))
        return outside(getattr(ufunc, method)(*map(inside, inputs), **kwargs))


def inside(x: Any) -> Any:
    """An operand as NumPy computes with it."""
    return half.typed(x.view(np.ndarray)) if isinstance(x, HostArray) else x


def outside(x: Any) -> Any:
    """A result as an array of the device, also of one number."""
    if type(x) in (tuple, list):
        return tuple(map(outside, x))
    return np.asarray(x).view(HostArray) if isinstance(x, np.ndarray | np.generic) else x


class _Function:
    """A function of a text."""

    run: Any = None
    """What runs it; None as long as it is not compiled."""


class _Staging:
    """A buffer that is spoiled when it has been read."""

    def __init__(self, nbytes: int) -> None:
        self.bytes = np.full(nbytes, POISON, np.uint8)

    def buffer(self) -> Any:
        return self.bytes

    def send(self, target: Any) -> None:
        target.view(np.ndarray)[...] = self.bytes
        self.bytes[...] = POISON


class HostDevice:
    """See the module's description; :class:`gpugrad.cuda.device.Device` says what each method does."""

    limits = gpu_launch.Device(processors=2, threads=64, long=1 << 13)
    dialects: Sequence[str] = ("cuda",)

    def __init__(self, *options: str) -> None:
        self.options = options
        """What the compiler is told beyond what it must know, such as to look for what is wrong."""
        self.order = 0
        """In which threads and blocks run: 0 as they are numbered, 1 backwards, 2 mixed."""
        self.reports = Reports(np.zeros(2, np.int64))
        self.cudnn: Library | None = None
        self._loaded: dict[str, dict[str, _Function]] = {}
        self._waiting: list[str] = []
        """Texts that are compiled together when the first of them is to run: the compiler takes longest to start."""

    def current(self) -> AbstractContextManager[Any]:
        return nullcontext()

    def ordered(self, before: Any) -> Any:
        return None  # what is begun here is done

    def staging(self, nbytes: int) -> _Staging:
        return _Staging(nbytes)

    def memory(self, nbytes: int) -> Any:
        memory = np.full(nbytes + 2 * ALIGNMENT, POISON, np.uint8)
        start = -memory.ctypes.data % ALIGNMENT
        return memory[start : start + nbytes].view(HostArray)

    def view(self, memory: Any, offset: int, shape: tuple[int, ...], dtype: Any) -> Any:
        return np.ndarray.__new__(HostArray, shape, dtype, memory, offset)

    def spoil(self, memory: Any) -> None:
        memory.view(np.ndarray)[...] = POISON

    def address(self, array: Any) -> int:
        return int(array.ctypes.data)

    def load(self, texts: Sequence[str], now: bool = False) -> list[Mapping[str, Any]]:
        for text in texts:
            if text not in self._loaded:
                made = {name: _Function() for name in functions(text)}
                if now:
                    _compile([(text, made)], self.options)
                else:
                    self._waiting.append(text)
                self._loaded[text] = made
        return [self._loaded[text] for text in texts]

    def python(self, function: Any, given: Sequence[Any]) -> tuple[Any, Parameters]:
        raise errors.DeviceError(
            f"{function.__name__} is a function of Numba CUDA, and this device runs CUDA C++ alone. gg.use_backend('numba_cuda_on_host') runs it without a GPU"
        )

    def compile(self, wanted: Any = None) -> None:
        """Compile what was loaded and did not run yet; what is not taken raises where it is ``wanted``, and when it is."""
        waiting, self._waiting = self._waiting, []
        try:
            _compile([(text, self._loaded[text]) for text in waiting], self.options)
        except errors.GraphError as error:
            for text in waiting:
                try:
                    _compile([(text, self._loaded[text])], self.options)
                except errors.GraphError as alone:
                    self._waiting.append(text)
                    error = alone if wanted in self._loaded[text].values() else error
            if wanted is None or wanted.run is None:
                raise error from None

    def launch(self, function: Any, launch: Launch, parameters: Parameters) -> None:
        if 0 in launch.shape:
            raise errors.GraphError(f"{launch.function}: a launch of {launch.shape}, which no device takes")
        shape = (ctypes.c_uint * 7)(*launch.shape, launch.shared)
        with _running:
            if function.run is None:
                self.compile(function)
            function.run(shape, self.order, parameters.pointers)

    def product(self, x: Any, y: Any, out: Any, bias: Any = None) -> Callable[[], None]:
        x, y, out = (a.view(np.ndarray) for a in (x, y, out))
        if bias is not None:
            return ft.partial(_layer, x, y, out, bias.view(np.ndarray))
        if out.dtype.kind in "fc" and out.dtype.itemsize > 2:
            return lambda: np.matmul(x, y, out=out)

        def widened() -> None:
            np.copyto(out, np.matmul(x.astype(np.float32), y.astype(np.float32)), casting="unsafe")

        return widened

    def fetch(self, target: Any, source: Any) -> None:
        np.copyto(target.view(np.ndarray), np.asarray(source).view(np.ndarray))

    def capture(self, calls: Sequence[tuple[Any, ...]]) -> Callable[[], None]:
        held = list(map(self._as_it_is, calls))

        def replay() -> None:
            for function, *arguments in held:
                function(*arguments)

        return replay

    def _as_it_is(self, call: tuple[Any, ...]) -> tuple[Any, ...]:
        """A call that does not see when its parameters change later, as none in a CUDA graph does."""
        if call[0] != self.launch:
            return call
        function, called, launch, parameters = call
        return function, called, launch, Parameters([type(v).from_buffer_copy(v) for v in parameters.values])

    def synchronize(self) -> None:
        pass


def _compile(texts: Sequence[tuple[str, dict[str, _Function]]], options: Sequence[str]) -> None:
    """Let functions of texts be what these say, compiled together."""
    built = library([text for text, _ in texts], *options)
    for k, (_, made) in enumerate(texts):
        for name, function in made.items():
            function.run = getattr(built, f"text_{k}_{name}")


def library(texts: Sequence[str], *options: str) -> ctypes.CDLL:
    """The texts in one shared library: ``text_{k}_{name}(shape, order, arguments)`` runs a kernel of the k-th."""
    if COMPILER is None:
        raise errors.DeviceError("running CUDA's kernels on the host takes a C++ compiler; found none. Install g++")
    source = ['#include "host.h"', _SHARED.sub(r"\1* const \2 = (\1*)host::shared_memory", together(texts))]
    for k, text in enumerate(texts):
        waits = "true" if _waits(text) else "false"
        source += [f"EXPORT(text_{k}_{name}, text_{k}::{name}, {waits})" for name in functions(text)]
    return ctypes.CDLL(str(_built("\n".join(source), options)))


def _waits(text: str) -> bool:
    """Whether threads wait for one another in a text, or in a header that it includes."""
    return bool(_WAITS.search(text)) or any(map(_waits_in, _INCLUDE.findall(text)))


@ft.cache
def _waits_in(name: str) -> bool:
    return _waits((KERNELS / name).read_text())


def together(texts: Sequence[str]) -> str:
    """The texts as one, each in a namespace of its own, since all functions are called alike."""
    included = {line for text in texts for line in text.splitlines() if line.startswith("#include")}
    parts = sorted(line for line in included if not re.search(r"<cuda_(fp16|bf16)\.h>", line))  # host.h has the types
    for k, text in enumerate(texts):
        body = "\n".join("" if line.startswith("#include") else line for line in text.splitlines())
        plain = body.replace('extern "C" __global__', "__global__")
        parts.append(f"namespace text_{k} {{\n{plain}\n}}")
    return "\n".join(parts)


def _built(source: str, options: Sequence[str]) -> Path:
    headers = "".join(file.read_text() for file in sorted(KERNELS.iterdir()))
    name = hashlib.sha256("\0".join([source, headers, *options]).encode()).hexdigest()[:32]
    made = _folder() / f"{name}.so"
    if not made.exists():
        with tempfile.TemporaryDirectory(dir=_folder()) as folder:
            file, out = Path(folder) / "kernels.cc", Path(folder) / "kernels.so"
            file.write_text(source)
            command = [
                str(COMPILER),
                "-std=c++17",
                "-O1",
                "-fPIC",
                "-fvisibility=hidden",
                "-shared",
                "-w",
                *options,
                f"-I{KERNELS}",
            ]
            done = subprocess.run([*command, "-o", str(out), str(file)], capture_output=True, text=True)
            if done.returncode:
                raise errors.GraphError(f"the C++ compiler does not take a kernel:\n{done.stderr[:4000]}")
            out.replace(made)
    return made


def _layer(x: Any, y: Any, out: Any, bias: Any) -> None:
    wide = np.float32 if out.dtype.itemsize == 2 else out.dtype
    np.copyto(out, np.matmul(x.astype(wide), y.astype(wide)) + bias.astype(wide), casting="unsafe")


@ft.cache
def _folder() -> Path:
    """A folder for as long as the process lasts."""
    folder = tempfile.mkdtemp(prefix="gpugrad-host-")
    atexit.register(_removed, folder, os.getpid())
    return Path(folder)


def _removed(folder: str, owner: int) -> None:
    if os.getpid() == owner:  # and not in a child of a fork
        shutil.rmtree(folder, ignore_errors=True)
