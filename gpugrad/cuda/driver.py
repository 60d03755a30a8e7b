"""The real device: CuPy's memory, NVRTC's kernels, launched through the driver.

Everything goes to CuPy's current stream. A step is captured on a stream of its own, and replayed on the current one.
"""

from __future__ import annotations

import ctypes
import functools as ft
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from gpugrad.codegen import gpu_launch
from gpugrad.codegen.gpu_launch import Launch
from gpugrad.cuda.device import Library, Parameters, functions
from gpugrad.cuda.failures import exhausted, failed
from gpugrad.cuda.reports import Reports
from gpugrad.cuda.staging import Ring

_NO_OTHER = nullcontext()
_OUT_OF_MEMORY = 2
_PER_THREAD = 2
"""The address by which every thread calls the default stream of its own, ``cudaStreamPerThread``."""


class CudaDevice:
    """A GPU; :class:`gpugrad.cuda.device.Device` says what each method does."""

    dialects: Sequence[str] = ("cuda",)

    def __init__(self, index: int = 0, typed: Callable[[Any], Any] = lambda array: array) -> None:
        """``typed`` gives an array the type that its dtype has in its backend."""
        import cupy
        from cuda.bindings import driver

        self.typed = typed
        self.cupy = cupy
        self.driver = driver
        self.index = index
        self.alone = cupy.cuda.runtime.getDeviceCount() == 1
        with self.current():
            cupy.cuda.runtime.free(0)  # makes the context, in which modules are loaded
            found = cupy.cuda.Device(index)
            attributes = found.attributes
            self.architecture = f"sm_{found.compute_capability}"
        self.limits = gpu_launch.Device(
            processors=attributes["MultiProcessorCount"],
            cache=attributes["L2CacheSize"],
            shared=attributes["MaxSharedMemoryPerBlockOptin"],
        )
        pinned = cupy.cuda.alloc_pinned_memory(16)  # which the device can write to
        self.reports = Reports(np.frombuffer(pinned, np.int64, 2))
        self._products: Any = None
        self._loaded: dict[str, Mapping[str, Any]] = {}
        self._python: dict[Any, Any] = {}

    def current(self) -> AbstractContextManager[Any]:
        return _NO_OTHER if self.alone else self.cupy.cuda.Device(self.index)

    def ordered(self, before: Any) -> Any:
        stream = self.cupy.cuda.get_current_stream()
        mine = stream, threading.get_ident()
        if before is None or (before[0].ptr == stream.ptr and (stream.ptr != _PER_THREAD or before == mine)):
            return mine
        if before[0].ptr == _PER_THREAD and before[1] != mine[1]:
            self.synchronize()  # since no other thread can name that stream
            return mine
        event = self.cupy.cuda.Event(disable_timing=True)
        event.record(before[0])
        stream.wait_event(event)
        return mine

    def staging(self, nbytes: int) -> Ring:
        return Ring(self.cupy, nbytes)

    @ft.cached_property
    def cudnn(self) -> Library | None:
        """Convolution and attention by cuDNN, where it is installed."""
        from gpugrad.cuda import cudnn

        with self.current():
            return None if cudnn.absent() else cudnn.Cudnn(self, self._stream, cudnn.load())

    def _stream(self) -> int:
        return int(self.cupy.cuda.get_current_stream().ptr)

    def memory(self, nbytes: int) -> Any:
        try:
            return self.cupy.empty(nbytes, np.uint8)  # of CuPy's pool, which gives multiples of 512
        except self.cupy.cuda.memory.OutOfMemoryError as error:
            raise exhausted(self.cupy, "memory of a compiled function", str(error)) from None

    def view(self, memory: Any, offset: int, shape: tuple[int, ...], dtype: Any) -> Any:
        return self.typed(self.cupy.ndarray(shape, dtype, memory.data + offset))

    def spoil(self, memory: Any) -> None:
        pass

    def address(self, array: Any) -> int:
        return int(array.data.ptr)

    def load(self, texts: Sequence[str], now: bool = False) -> list[Mapping[str, Any]]:
        for text in texts:
            if text not in self._loaded:
                self._loaded[text] = self._functions(text)
        return [self._loaded[text] for text in texts]

    def _functions(self, text: str) -> Mapping[str, Any]:
        from gpugrad.cuda import nvrtc

        found = self._in_module(nvrtc.compiled(text, self.architecture), {name: name for name in functions(text)})
        if "extern __shared__" in text:
            self._give_shared(found.values())
        return found

    def _give_shared(self, found: Iterable[Any]) -> None:
        """Let launches of functions ask for all of the shared memory that a block can have; else it is 48 KiB."""
        kinds = self.driver.CUfunction_attribute
        own, asked = kinds.CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES, kinds.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
        for function in found:
            taken = self._done(self.driver.cuFuncGetAttribute(own, function))
            self._done(self.driver.cuFuncSetAttribute(function, asked, self.limits.shared - taken))

    def _in_module(self, code: bytes, symbols: Mapping[str, str]) -> dict[str, Any]:
        """The functions of machine code, by name, each of which has a symbol there."""
        module = self._done(self.driver.cuModuleLoadData(code))
        return {
            name: self._done(self.driver.cuModuleGetFunction(module, symbol.encode()))
            for name, symbol in symbols.items()
        }

    def python(self, function: Any, given: Sequence[Any]) -> tuple[Any, Parameters]:
        from gpugrad.cuda import numba_compiler

        kinds = tuple([(x.dtype, x.ndim) if hasattr(x, "shape") else type(x) for x in given])
        key = function, kinds
        if key not in self._python:
            code, symbol = numba_compiler.of_user(function, kinds, self.architecture)
            self._python[key] = self._in_module(code, {symbol: symbol})[symbol]
        return self._python[key], Parameters(numba_compiler.values(given, self.address))

    def launch(self, function: Any, launch: Launch, parameters: Parameters) -> None:
        stream = self._stream()
        pointers = ctypes.addressof(parameters.pointers)
        self._done(self.driver.cuLaunchKernel(function, *launch.shape, launch.shared, stream, pointers, 0))

    def product(self, x: Any, y: Any, out: Any, bias: Any = None) -> Callable[[], None]:
        if self._products is None:
            from gpugrad.cuda.cublaslt import CublasLt
            from gpugrad.cuda.products import Products

            self._products = Products(self, CublasLt(), self._stream)
        run: Callable[[], None] = self._products.product(x, y, out, bias)
        return run

    def fetch(self, target: Any, source: Any) -> None:
        if isinstance(source, np.ndarray | np.generic):
            target.set(np.ascontiguousarray(source).reshape(target.shape))
        elif source.flags.c_contiguous and target.flags.c_contiguous:
            target.data.copy_from_device_async(source.data, target.nbytes)
        else:
            target[...] = source

    def capture(self, calls: Sequence[tuple[Any, ...]]) -> Callable[[], None]:
        stream = self.cupy.cuda.Stream(non_blocking=True)
        # Relaxed, since what runs for the first time on this stream takes memory of its own: workspaces.
        mode = self.driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_RELAXED
        self.synchronize()
        with stream:
            self._done(self.driver.cuStreamBeginCapture(stream.ptr, mode))
            try:
                for function, *arguments in calls:
                    function(*arguments)
            finally:
                ended = self.driver.cuStreamEndCapture(stream.ptr)
        graph = _Graph(self.driver, self._done(ended), stream)
        graph.made = self._done(self.driver.cuGraphInstantiate(graph.written, 0))
        return ft.partial(self._replay, graph)

    def _replay(self, graph: _Graph) -> None:
        self._done(self.driver.cuGraphLaunch(graph.made, self._stream()))

    def synchronize(self) -> None:
        with self.current():
            try:
                self.cupy.cuda.runtime.deviceSynchronize()
            except self.cupy.cuda.runtime.CUDARuntimeError as error:
                raise failed("synchronize", str(error)) from None

    def _done(self, answer: Any) -> Any:
        """What a call of the driver gives; DeviceError, in the driver's words, if it fails."""
        status, *given = answer
        if int(status):
            _, name = self.driver.cuGetErrorName(status)
            _, text = self.driver.cuGetErrorString(status)
            said = ": ".join(part.decode() for part in (name, text) if part)
            if int(status) == _OUT_OF_MEMORY:
                raise exhausted(self.cupy, "the CUDA driver fails", said)
            raise failed("a call of the driver", said)
        return given[0] if given else None


class _Graph:
    """A graph as it was written, and made ready to run; given back when nobody has it any more."""

    made: Any = None

    def __init__(self, driver: Any, written: Any, stream: Any) -> None:
        self.driver, self.written = driver, written
        self.stream = stream  # as long as the graph, so that no other stream has its address, and its workspace

    def __del__(self) -> None:
        if self.made is not None:
            self.driver.cuGraphExecDestroy(self.made)
        self.driver.cuGraphDestroy(self.written)
