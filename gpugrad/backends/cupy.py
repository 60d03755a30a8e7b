"""CuPy arrays on CUDA devices: each primitive's general forward, overridden where CuPy's meaning is not NumPy's.

float16 and bfloat16 are computed in float32 and rounded once when stored, as on NumPy; only products of two matrices are
left to the library, which adds up in float32 by itself. Nothing waits for the device but conversions to NumPy and Python
numbers, factorizations of matrices, which may fail, and checks of positions (``gg.config.check_indices``).
"""

from __future__ import annotations

import functools as ft
import importlib
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from importlib.util import find_spec
from typing import Any

import numpy as np

from gpugrad import dtypes, errors
from gpugrad.backends import cupy_cudnn, cupy_moves
from gpugrad.backends.base import Backend
from gpugrad.backends.cupy_namespace import Namespace
from gpugrad.config import config
from gpugrad.cuda import presence
from gpugrad.cuda.failures import exhausted, failed
from gpugrad.primitive import Primitive
from gpugrad.trace import Value, raw_of


class CupyBackend(Backend):
    """CuPy is imported when it is first asked whether the backend can be used."""

    name = "cupy"
    device_kind = "cuda"
    compiles = True

    def __init__(self) -> None:
        super().__init__()
        self._cupy: Any = None
        self._count = 0
        self._devices: dict[int, Any] = {}

    def why_not(self) -> str | None:
        if self._cupy is not None:
            return None
        found = presence.presence()
        if not found.gpus:
            return f"{found.trouble}. A CUDA device needs NVIDIA's driver: https://www.nvidia.com/drivers"
        install = f'pip install "gpugrad[{presence.extra()}]"'
        if not self._found():
            return f"CuPy is not installed: {install}"
        try:
            cupy = self._imported()
        except Exception as error:  # whatever a damaged installation raises
            told = (str(error).strip().splitlines() or [""])[0]
            return f"CuPy cannot be imported ({type(error).__name__}: {told}). Install it again: {install}"
        built = _version(cupy.cuda.runtime.runtimeGetVersion())
        if found.driver is not None and built[0] > found.driver[0]:
            return (
                f"CuPy was built for CUDA {built[0]}.{built[1]}, and the driver supports CUDA {found.driver[0]}.{found.driver[1]} "
                f"at most. Update the driver, or install CuPy for it: {install}"
            )
        try:
            self._count = int(cupy.cuda.runtime.getDeviceCount())
        except RuntimeError as error:
            return f"CuPy finds no device ({error}), though the driver does. Install CuPy for this driver: {install}"
        if not self._count:
            return "CuPy finds no device; CUDA_VISIBLE_DEVICES may hide them"
        self._use(cupy)
        return None

    @property
    def device(self) -> Any:
        """The first device, as plans run on it."""
        return self._device(0)

    def plans_on(self, place: str) -> Any:
        """A device, as plans run on it."""
        return self._device(_index(place))

    def _device(self, ordinal: int) -> Any:
        if ordinal not in self._devices:
            self._devices[ordinal] = self._new_device(ordinal)
        return self._devices[ordinal]

    def _new_device(self, ordinal: int) -> Any:
        from gpugrad.cuda.driver import CudaDevice  # when first used, with what it imports

        return CudaDevice(ordinal, self._made)

    def _cudnn(self, ordinal: int) -> Any:
        """cuDNN on a device, where it is installed and ``gg.config.cudnn`` has it used; else None."""
        there = config.cudnn and find_spec("cudnn") and find_spec("cuda")
        return self._device(ordinal).cudnn if there else None

    def _found(self) -> bool:
        return find_spec("cupy") is not None

    def _imported(self) -> Any:
        return importlib.import_module("cupy")

    def _use(self, cupy: Any) -> None:
        self._cupy = cupy
        self._out_of_memory = cupy.cuda.memory.OutOfMemoryError
        self._failure = cupy.cuda.runtime.CUDARuntimeError
        self._half_type = _half_type(cupy)
        self.array_types = (cupy.ndarray, self._half_type)
        self.xp = Namespace(cupy, self._extension())
        self.overrides = {**cupy_moves.overrides(cupy, self.xp), "cast": self._cast, "matmul": self._matmul}

    def _extension(self) -> Any:
        return importlib.import_module("cupyx")

    def prefers(self, prim: Primitive, args: Sequence[Any], params: dict[str, Any]) -> bool:
        return cupy_cudnn.preferred(self._cudnn(_ordinal(args[prim.leads])), prim, args, params)

    def implementation(self, prim: Primitive, array_type: type) -> Callable[..., Any]:
        call = super().implementation(prim, array_type)
        by_itself = prim.name in cupy_moves.MOVES | {"cast", "matmul"} or prim.kind in ("collective", "kernel")
        computed = call if by_itself else self._in_float32(call)
        if prim.name in cupy_cudnn.TAKEN:
            computed = cupy_cudnn.computed(prim, computed, self._cudnn, self._new)
        array: Any = self._cupy.ndarray
        half = self._half_type

        def run(*args: Any, **params: Any) -> Any:
            try:
                if self._count == 1:
                    return _typed(computed(*args, **params), array, half)
                arrays = [a for a in args if isinstance(a, array)]
                if len({int(a.device.id) for a in arrays}) > 1:
                    raise TypeError("arrays of two devices")  # which the caller says in the user's words
                with arrays[0].device if arrays else nullcontext():
                    return _typed(computed(*args, **params), array, half)
            except self._out_of_memory as error:
                raise exhausted(self._cupy, prim.name, str(error)) from None
            except self._failure as error:
                raise failed(prim.name, str(error)) from None

        return run

    def _in_float32(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """``call`` with half operands widened to float32, and float32 results rounded back."""
        cupy: Any = self._cupy
        halves: Any = self._half_type

        def computed(*args: Any, **params: Any) -> Any:
            half = next((a.dtype for a in args if isinstance(a, halves)), None)
            if half is None:
                return call(*args, **params)
            out = call(*(_widened(a, cupy) for a in args), **params)
            if any(isinstance(a, cupy.ndarray) and a.dtype.kind in "fc" and not _half(a) for a in args):
                return out  # a wider operand sets the dtype
            if isinstance(out, tuple | list):
                return tuple(_narrowed(o, half) for o in out)
            return _narrowed(out, half)

        return computed

    def _matmul(self, x: Any, y: Any) -> Any:
        plain = self._cupy.ndarray
        if not (_half(x) and x.dtype == y.dtype):
            return self._cupy.matmul(x, y)
        if x.ndim == y.ndim == 2 and x.size and y.size:
            return self._cupy.matmul(x.view(type=plain), y.view(type=plain))  # adds up in float32, and rounds once
        # In a batch CuPy has no product of bfloat16, and widens float16 itself.
        return self._cupy.matmul(_widened(x, self._cupy), _widened(y, self._cupy)).astype(x.dtype)

    def _cast(self, x: Any, *, dtype: Any, source: Any) -> Any:
        wanted = dtypes.dtype(dtype)
        return _widened(x, self._cupy).astype(wanted)  # not every pair of dtypes has a conversion of its own

    def _made(self, array: Any) -> Any:
        return _typed(array, self._cupy.ndarray, self._half_type)

    def asarray(self, data: Any, dtype: Any = None, copy: bool | None = None) -> Any:
        try:
            if isinstance(data, self._cupy.ndarray):
                if dtype is not None and data.dtype != dtype:
                    with data.device:
                        return self._made(data.astype(dtype))
                if not copy:
                    return self._made(data)
                with data.device:
                    return self._made(data.copy())
            if hasattr(data, "__cuda_array_interface__"):
                shared = self._cupy.asarray(data)
                return self.asarray(shared, dtype, copy)
            host = np.ascontiguousarray(np.asarray(data, dtype=dtype)).reshape(np.shape(data))
            if host.dtype.kind not in "biufcV" or host.dtype.names is not None:
                raise errors.DtypeError(
                    f"cannot make an array of dtype {host.dtype} on a device; expected booleans or numbers"
                )
            return self._made(self._cupy.asarray(host.view(np.ndarray)))
        except self._out_of_memory as error:
            raise exhausted(self._cupy, "asarray", str(error)) from None

    def _new(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """An array in C's order, on the current device, to be written to."""
        return self._made(self._cupy.empty(shape, dtype))

    def full(self, shape: tuple[int, ...], fill: Any, dtype: Any) -> Any:
        try:
            return self._made(self._cupy.full(shape, fill, dtype=dtype))
        except self._out_of_memory as error:
            raise exhausted(self._cupy, "full", str(error)) from None

    def full_beside(self, like: Any, shape: tuple[int, ...], fill: Any, dtype: Any) -> Any:
        if self._count == 1:
            return self.full(shape, fill, dtype)
        with like.device:
            return self.full(shape, fill, dtype)

    def current(self, device: str) -> Any:
        return nullcontext() if self._count == 1 else self._cupy.cuda.Device(_index(device))

    def to_device(self, array: Any, device: str) -> Any:
        ordinal = _index(device)
        if int(array.device.id) == ordinal:
            return array
        try:
            with self._cupy.cuda.Device(ordinal):
                return self._made(array.copy())  # to the device that is current
        except self._out_of_memory as error:
            raise exhausted(self._cupy, "to", str(error)) from None

    def to_numpy(self, array: Any) -> Any:
        from gpugrad.backends import half

        try:
            found = half.typed(array.get())
        except self._failure as error:
            raise failed(f"copying a {array.dtype}{list(array.shape)} to the host", str(error)) from None
        self._check()
        return found

    def device_of(self, array: Any) -> str:
        return f"{self.device_kind}:{array.device.id}"

    def devices(self) -> list[str]:
        return [f"{self.device_kind}:{k}" for k in range(self._count)]

    def synchronize(self) -> None:
        for k in range(self._count):
            try:
                self._cupy.cuda.Device(k).synchronize()
            except self._failure as error:
                raise failed(f"synchronize on {self.device_kind}:{k}", str(error)) from None
        self._check()

    def _check(self) -> None:
        """Raise what kernels have found wrong."""
        for device in self._devices.values():
            device.reports.check()


def _index(device: str) -> int:
    """The number of a device, by its name."""
    return int(device.partition(":")[2] or 0)


def _ordinal(x: Any) -> int:
    """The number of the device of a value, or of the program that a symbol belongs to."""
    raw = raw_of(x)
    stage = getattr(raw, "stage", None)
    return int(getattr(getattr(raw, "device", None), "id", 0)) if stage is None else _index(stage.device)


def _half(x: Any) -> bool:
    return bool(x.dtype.itemsize == 2 and dtypes.is_half(x.dtype))


def _narrowed(x: Any, half: Any) -> Any:
    return x.astype(half) if getattr(x, "dtype", None) == np.float32 else x


def _version(number: int) -> tuple[int, int]:
    return number // 1000, number % 1000 // 10


@ft.cache
def _half_type(cupy: Any) -> type:
    """The type of float16 and bfloat16 arrays, so that operators on raw arrays, too, keep to the rule: float32, rounded once."""

    def operator(name: str) -> Callable[..., Any]:
        own = getattr(cupy.ndarray, name)

        def computed(self: Any, *others: Any) -> Any:
            if any(isinstance(x, Value) for x in others):
                return NotImplemented
            out = own(_widened(self, cupy), *(_widened(x, cupy) for x in others))
            wider = any(
                isinstance(x, cupy.ndarray | np.generic) and x.dtype.kind in "fc" and not _half(x) for x in others
            )
            return out if wider or out is NotImplemented else _typed(_narrowed(out, self.dtype), cupy.ndarray, made)

        return computed

    both = ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow"]
    names = [*both, *("r" + name for name in both), "lt", "le", "gt", "ge", "eq", "ne", "neg", "abs"]
    made: type = type(
        "HalfArray", (cupy.ndarray,), {f"__{n}__": operator(f"__{n}__") for n in names} | {"__hash__": None}
    )
    return made


def _widened(x: Any, cupy: Any) -> Any:
    return x.astype(np.float32).view(type=cupy.ndarray) if isinstance(x, cupy.ndarray) and _half(x) else x


def _typed(x: Any, plain: Any, half: type) -> Any:
    """An array of the type that its dtype has."""
    if isinstance(x, tuple | list):
        return tuple(_typed(part, plain, half) for part in x)
    if not isinstance(x, plain):
        return x
    wanted = half if _half(x) else plain
    return x if type(x) is wanted else x.view(type=wanted)
