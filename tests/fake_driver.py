"""CuPy and the CUDA driver, as far as `gpugrad.cuda.driver` calls them: memory is the host's, and kernels run there.

What would go unseen on a GPU until it fails is an error here: a launch during a capture on another stream than the one
that is captured, a capture that is not ended, memory or a stream that nobody made.
"""

from __future__ import annotations

import ctypes
import re
import types
import weakref
from typing import Any

import numpy as np

from gpugrad.codegen.gpu_launch import Launch
from gpugrad.cuda.device import Parameters
from gpugrad.cuda.host import HostArray, HostDevice, inside

TAKEN = 256
"""Bytes of shared memory that a function's own variables take."""


class Memory:
    """A place in memory, as CuPy's MemoryPointer."""

    def __init__(self, owner: Any, ptr: int) -> None:
        self.owner, self.ptr = owner, ptr

    def __add__(self, offset: int) -> Memory:
        return Memory(self.owner, self.ptr + offset)

    def copy_from_device_async(self, source: Memory, nbytes: int) -> None:
        driver.issued(lambda: ctypes.memmove(self.ptr, source.ptr, nbytes))


def data(array: HostArray) -> Memory:
    """`array.data` of CuPy."""
    return Memory(array, array.ctypes.data)


def set_(array: HostArray, x: Any) -> None:
    """`array.set(x)` of CuPy."""
    assert driver.capturing is None, "a copy from the host while a graph is captured"
    assert x.flags.c_contiguous and x.dtype == array.dtype and x.shape == array.shape
    driver.catch_up(driver.stream())
    array.view(np.ndarray)[...] = x


def assign(array: HostArray, key: Any, x: Any) -> None:
    """`array[key] = x`."""
    driver.issued(lambda: array.view(np.ndarray).__setitem__(key, inside(x)))


METHODS = {"data": property(data), "set": set_, "__setitem__": assign}
"""What CuPy's arrays have beyond NumPy's."""


def copy_from_host_async(target: Memory, source: int, nbytes: int, stream: Stream) -> None:
    """A copy from pinned memory: it is read when the stream gets there."""
    assert driver.capturing is None, "a graph that reads memory of the host"
    assert any(start <= source and source + nbytes <= start + size for start, size in driver.pinned.items()), "pageable"
    driver.put_off(stream, lambda: ctypes.memmove(target.ptr, source, nbytes))


Memory.copy_from_host_async = copy_from_host_async  # type: ignore[attr-defined]


class OutOfMemoryError(MemoryError):
    """CuPy's."""


class CUDARuntimeError(RuntimeError):
    """CuPy's."""


def synchronize() -> None:
    """Wait for all, and hear what went wrong with it."""
    if driver.broken:
        raise CUDARuntimeError("cudaErrorIllegalAddress: an illegal memory access was encountered")


class Event:
    """What comes to pass when a stream gets there."""

    def __init__(self, disable_timing: bool = False) -> None:
        assert disable_timing, "timing makes events slow"
        self.recorded: tuple[Stream, int] | None = None

    def record(self, stream: Stream) -> None:
        driver.log.append(("record", stream.ptr))
        self.recorded = stream, len(driver.waiting.get(stream.ptr, []))

    def synchronize(self) -> None:
        if self.recorded is not None:
            driver.catch_up(self.recorded[0])


class Stream:
    """A stream; used as a context it is the current one of its device."""

    def __init__(self, ptr: int = 0, non_blocking: bool = False) -> None:
        self.ptr = ptr or 100 + len(driver.streams)
        self.device = driver.working[-1]
        driver.streams[self.ptr] = self

    def wait_event(self, event: Event) -> None:
        assert event.recorded is not None
        driver.log.append(("wait", self.ptr, event.recorded[0].ptr))

    def __enter__(self) -> Stream:
        driver.current.append(self)
        return self

    def __exit__(self, *_: Any) -> None:
        driver.current.pop()


class Driver:
    """The functions of `cuda.bindings.driver`, each of which gives a status and what was asked for."""

    CUfunction_attribute = types.SimpleNamespace(
        CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES=1, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES=8
    )
    CUstreamCaptureMode = types.SimpleNamespace(CU_STREAM_CAPTURE_MODE_THREAD_LOCAL=1, CU_STREAM_CAPTURE_MODE_RELAXED=2)

    def __init__(self) -> None:
        self.host = HostDevice()
        self.devices = 1
        self.working = [0]
        """The devices that are current, the innermost last."""
        self.streams: dict[int, Stream] = {}
        self.current: list[Stream] = []
        self.pinned: dict[int, int] = {}
        """Where pinned memory is -> its bytes."""
        self.waiting: dict[int, list[Any]] = {}
        """Copies from pinned memory that a stream has not got to, since nothing has asked it to."""
        self.log: list[tuple[Any, ...]] = []
        """What was recorded on a stream, and which waits for which."""
        self.homes: dict[int, tuple[int, int]] = {}
        """Where memory of the pool begins -> where it ends, and on which device."""
        self.capturing: tuple[int, list[Any]] | None = None
        self.graphs: dict[int, list[Any]] = {}
        self.mode = 0
        """Of the capture."""
        self.replays = 0
        self.launches = 0
        self.breaking = 0
        """The launch whose kernel does what is not allowed; 0 for none."""
        self.broken = False
        """Whether one has: nothing works then any more."""
        self.allocations = 0
        """How often memory of the pool was taken."""
        self.last_allocation = 0
        """The one that fails; 0 for none."""
        self.failing = ""
        """The name of a function that fails."""
        self.shared: dict[int, int] = {}
        """id of a function -> the bytes of shared memory that a launch may ask for, if it was said."""

    def stream(self) -> Stream:
        """The current stream of the device that works."""
        return next(s for s in reversed(self.current) if s.device == self.working[-1])

    def issued(self, call: Any) -> None:
        """Do something now, or write it down for the graph that is captured."""
        if self.capturing is None:
            self.catch_up(self.stream())
            call()
        else:
            assert self.stream().ptr == self.capturing[0], "work on another stream than the one that is captured"
            self.capturing[1].append(call)

    def put_off(self, stream: Stream, call: Any) -> None:
        """Something that a stream does when it gets there."""
        self.waiting.setdefault(stream.ptr, []).append(call)

    def catch_up(self, stream: Stream) -> None:
        """Let a stream do what it has put off."""
        for call in self.waiting.pop(stream.ptr, []):
            call()

    def device_of(self, address: int) -> int | None:
        """The device that memory of the pool is on."""
        return next((d for start, (end, d) in self.homes.items() if start <= address < end), None)

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("cu") and object.__getattribute__(self, "failing") == name:
            return lambda *_: (2,)
        return object.__getattribute__(self, name)

    def cuModuleLoadData(self, cubin: bytes) -> Any:
        text = cubin.decode()
        (found,) = self.host.load([text])
        return 0, (text, found, self.working[-1])

    def cuModuleGetFunction(self, module: Any, name: bytes) -> Any:
        text, found, device = module
        (given,) = re.findall(rf"\b{name.decode()}\(\s*([^)]*)\)\s*{{", text)
        index = 8 if "using Index = long long" in text else 4
        sizes = [8 if "*" in parameter else index for parameter in given.split(",")]
        return 0, (found[name.decode()], sizes, device)

    def cuFuncGetAttribute(self, attribute: int, function: Any) -> Any:
        assert attribute == 1
        return 0, TAKEN

    def cuFuncSetAttribute(self, function: Any, attribute: int, value: int) -> Any:
        if attribute != 8 or value + TAKEN > _Device.attributes["MaxSharedMemoryPerBlockOptin"]:
            return (1,)
        self.shared[id(function[0])] = value
        return (0,)

    def cuLaunchKernel(self, function: Any, *rest: Any) -> Any:
        if self.broken:
            return (700,)
        self.launches += 1
        self.broken = self.launches == self.breaking
        *shape, shared, stream, pointers, extra = rest
        assert len(shape) == 6 and extra == 0
        assert stream in self.streams and stream == self.stream().ptr
        launch = Launch("", tuple(shape[:3]), tuple(shape[3:]), shared)
        run, sizes, device = function
        if shared > self.shared.get(id(run), 48 * 1024):
            return (1,)
        assert device == self.working[-1], "a function of another device's module"
        places = (ctypes.c_void_p * len(sizes)).from_address(pointers)
        values = [
            (ctypes.c_char * n).from_buffer_copy(ctypes.string_at(at, n)) for at, n in zip(places, sizes, strict=True)
        ]
        if self.devices > 1:
            for v, n in zip(values, sizes, strict=True):
                there = int.from_bytes(v.raw, "little") if n == 8 else 0
                assert self.device_of(there) in (None, device), "memory of another device"
        held = Parameters(values)  # the driver copies the arguments when it is called
        self.issued(lambda: self.host.launch(run, launch, held))
        return (0,)

    def cuStreamBeginCapture(self, stream: int, mode: int) -> Any:
        assert self.capturing is None and stream in self.streams
        self.mode = mode
        self.capturing = stream, []
        return (0,)

    def cuStreamEndCapture(self, stream: int) -> Any:
        assert self.capturing is not None and self.capturing[0] == stream
        calls, self.capturing = self.capturing[1], None
        self.graphs[id(calls)] = calls
        return 0, calls

    def cuGraphInstantiate(self, graph: Any, flags: int) -> Any:
        assert flags == 0
        return 0, graph

    def cuGraphLaunch(self, graph: Any, stream: int) -> Any:
        assert stream == self.stream().ptr and id(graph) in self.graphs
        self.replays += 1
        self.catch_up(self.stream())
        for call in graph:
            call()
        return (0,)

    def cuGraphExecDestroy(self, graph: Any) -> Any:
        return (0,)

    def cuGraphDestroy(self, graph: Any) -> Any:
        self.graphs.pop(id(graph), None)  # of a test before, perhaps
        return (0,)

    def cuGetErrorName(self, status: int) -> Any:
        return 0, b"CUDA_ERROR_OUT_OF_MEMORY" if status == 2 else b"CUDA_ERROR_ILLEGAL_ADDRESS"

    def cuGetErrorString(self, status: int) -> Any:
        return 0, b"out of memory" if status == 2 else b"an illegal memory access was encountered"


driver = Driver()


class _Device:
    attributes = {  # noqa: RUF012
        "MultiProcessorCount": 2,
        "L2CacheSize": 50 << 20,
        "MaxSharedMemoryPerBlockOptin": 227 << 10,
    }
    compute_capability = "90"

    def __init__(self, index: int) -> None:
        assert index < driver.devices
        self.id = index

    def __enter__(self) -> None:
        driver.working.append(self.id)

    def __exit__(self, *_: Any) -> None:
        driver.working.pop()


def empty(n: int, dtype: Any) -> Any:
    """Memory as of CuPy's pool, which has none for a stream that is new, and asks the driver for it."""
    assert driver.capturing is None or driver.mode == 2, "memory is taken in a capture that forbids it"
    driver.allocations += 1
    if driver.allocations == driver.last_allocation:
        raise OutOfMemoryError(f"Out of memory allocating {n:,} bytes (allocated so far: 0 bytes).")
    memory = driver.host.memory(n).view(dtype)
    start, homes = memory.ctypes.data, driver.homes
    homes[start] = start + n, driver.working[-1]
    weakref.finalize(memory.base, homes.pop, start, None)
    return memory


def pinned(nbytes: int) -> Any:
    """Pinned memory."""
    memory = bytearray(nbytes)
    start = ctypes.addressof((ctypes.c_char * nbytes).from_buffer(memory)) if nbytes else 0
    driver.pinned[start] = nbytes
    return memory


def ndarray(shape: tuple[int, ...], dtype: Any, memory: Memory) -> Any:
    """An array on memory that is there."""
    owner = memory.owner
    return np.ndarray.__new__(HostArray, shape, dtype, owner.view(np.ndarray), memory.ptr - owner.ctypes.data)


def modules(devices: int = 1) -> dict[str, Any]:
    """What stands in for the modules `cupy` and `cuda.bindings`."""
    driver.__init__()  # type: ignore[misc]
    for driver.working[-1] in range(devices):
        driver.current.append(Stream(driver.working[-1] + 1))
    driver.working, driver.devices = [0], devices
    runtime = types.SimpleNamespace(
        free=lambda _: None,
        deviceSynchronize=synchronize,
        CUDARuntimeError=CUDARuntimeError,
        getDeviceCount=lambda: driver.devices,
        memGetInfo=lambda: (1 << 30, 80 << 30),
    )
    cuda = types.SimpleNamespace(
        Device=_Device,
        Stream=Stream,
        Event=Event,
        memory=types.SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
        alloc_pinned_memory=pinned,
        runtime=runtime,
        get_current_stream=driver.stream,
    )
    pool = types.SimpleNamespace(total_bytes=lambda: 3 << 20, free_bytes=lambda: 1 << 20)
    cupy = types.SimpleNamespace(cuda=cuda, empty=empty, ndarray=ndarray, get_default_memory_pool=lambda: pool)
    bindings = types.SimpleNamespace(driver=driver)
    return {"cupy": cupy, "cuda": types.SimpleNamespace(bindings=bindings), "cuda.bindings": bindings}
