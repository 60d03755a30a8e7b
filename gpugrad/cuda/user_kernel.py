"""A user's own kernel for a GPU: CUDA C++, or a function of Numba CUDA, on arrays that are on the device already."""

from __future__ import annotations

import ctypes
import inspect
import linecache
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gpugrad import dtypes, errors
from gpugrad.backends.numba_user import explained
from gpugrad.codegen.gpu_launch import Launch
from gpugrad.cuda.device import Device, Parameters
from gpugrad.cuda.user_text import Parameter, Sizes, callable_by_name, function_of, told

THREADS = 256
"""Of a block, where the user does not say how many."""


class CudaKernel:
    """What a kernel in any language for GPUs has: a name and a launch rule."""

    def __init__(self, name: str, launch: Callable[..., Any] | None) -> None:
        self.name = name
        self.function = name
        """What it is called in its own language."""
        self.what = f"kernel {name}"
        self._rule = launch

    @property
    def names(self) -> tuple[str, ...]:
        """Of the parameters that are the kernel's."""
        raise NotImplementedError

    def named(self, names: Sequence[str], sizes: dict[str, tuple[int, int]]) -> None:
        """Let these be the names of the parameters, and of sizes: the parameter and the axis of each."""
        raise NotImplementedError

    def refuses(self, k: int, dtype: Any) -> str:
        """Why the array that is parameter ``k`` cannot be of a dtype; "" if it can."""
        return ""

    def __call__(self, backend: Any, given: Sequence[Any], inputs: int) -> None:
        """Run it on arrays of the device in C's order and Python numbers: so many arguments, then the outputs."""
        device: Device = backend.plans_on(next(backend.device_of(x) for x in given if hasattr(x, "shape")))
        launch = self.launch(given, inputs)
        if all(launch.grid):
            with device.current():
                function, parameters = self._ready(device, given)
                device.launch(function, launch, parameters)

    def _ready(self, device: Device, given: Sequence[Any]) -> tuple[Any, Parameters]:
        """The function as the device has it, and its parameters."""
        raise NotImplementedError

    def launch(self, given: Sequence[Any], inputs: int) -> Launch:
        """The launch that the user's rule gives, or else a thread for each element of the first output."""
        if self._rule is None:
            return Launch(self.function, (-(-math.prod(given[inputs].shape) // THREADS), 1), (THREADS, 1))
        said = self._rule(*given)
        parts = said if type(said) is tuple and len(said) in (2, 3) else ((), ())
        grid, block = (tuple(p) if isinstance(p, tuple | list) else (p,) for p in parts[:2])
        shared = parts[2] if len(parts) == 3 else 0
        if not all(1 <= len(p) <= 3 and all(isinstance(n, int) and n >= 0 for n in p) for p in (grid, block)) or not (
            isinstance(shared, int) and 0 < math.prod(block) <= 1024
        ):
            raise errors.ArgumentError(
                f"{self.what}: launch= returned {said!r}; expected the number of blocks and of threads in each, integers or tuples of up to three, 1024 threads at most, and where it takes any the bytes of shared memory: (grid, block) or (grid, block, bytes)"
            )
        return Launch(self.function, (*grid, 1)[: max(2, len(grid))], (*block, 1)[: max(2, len(block))], shared)


class CudaText(CudaKernel):
    """A function in CUDA C++. Its parameters are those of the kernel, then the sizes that it asks for by name."""

    def __init__(self, given: Any, name: str | None, preferred: str, launch: Any, site: tuple[str, int]) -> None:
        """``preferred`` is the function of a text with several that is meant unless one is named."""
        text, file, line = _read(given, site)
        function, declared = function_of(text, name, preferred)
        super().__init__(preferred or function, launch)
        self.function = function
        last = max((k for k, p in enumerate(declared) if p.array), default=-1)
        self.parameters: list[Parameter] = declared[: last + 1]
        self._sizes = declared[last + 1 :]
        self.text = callable_by_name(text, file, line)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(p.name for p in self.parameters)

    def named(self, names: Sequence[str], sizes: dict[str, tuple[int, int]]) -> None:
        if len(names) != len(self.parameters):
            raise errors.ArgumentError(
                f"{self.what}: its CUDA function has {len(self.parameters)} parameters up to its last array ({', '.join(p.said for p in self.parameters)}); expected one for each of {', '.join(names)}, then sizes"
            )
        self.sizes = Sizes(self._sizes, names, sizes, self.what)

    def refuses(self, k: int, dtype: Any) -> str:
        p = self.parameters[k]
        if p.array and dtype == p.dtype:
            return ""
        if not p.array:
            return f"and its parameter in CUDA is {p.said}, a number. Pass a Python number"
        return f"and its parameter in CUDA is {p.said}. Cast it: .astype('{dtypes.name(p.dtype)}')"

    def _ready(self, device: Device, given: Sequence[Any]) -> tuple[Any, Parameters]:
        values = [self._value(device, p, x) for p, x in zip(self.parameters, given, strict=True)]
        try:
            (functions,) = device.load([self.text], now=True)
        except (errors.UnsupportedError, errors.GraphError) as error:
            raise self.explained(error) from error
        return functions[self.function], Parameters([*values, *self.sizes.of(given)])

    def _value(self, device: Device, p: Parameter, x: Any) -> Any:
        if hasattr(x, "shape"):
            return ctypes.c_void_p(device.address(x))
        if p.refuses(x):
            raise errors.DtypeError(f"{self.what}: the number {x!r} for {p.said}; expected what its type can hold")
        return p.value(x)

    def explained(self, error: Exception) -> errors.UnsupportedError:
        """What a compiler said of the text, beside the user's line."""
        site, wrong = told(str(error))
        where = f", {errors.beside(site)}" if site else ""
        return errors.UnsupportedError(f"{self.what}: its CUDA text cannot be compiled{where}: {wrong}")


class CudaFunction(CudaKernel):
    """A function of Numba CUDA, on arrays."""

    def __init__(self, f: Any, launch: Any) -> None:
        self._function = getattr(f, "py_func", f)
        super().__init__(self._function.__name__, launch)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(inspect.signature(self._function).parameters)

    def named(self, names: Sequence[str], sizes: dict[str, tuple[int, int]]) -> None:
        if len(names) != len(self.names):
            raise errors.ArgumentError(
                f"{self.what}: its CUDA function has the parameters {', '.join(self.names)}; expected one for each of {', '.join(names)}"
            )

    def refuses(self, k: int, dtype: Any) -> str:
        return "" if dtype.kind in "biufc" else "with which Numba CUDA does not compute. Cast it: .astype('float32')"

    def _ready(self, device: Device, given: Sequence[Any]) -> tuple[Any, Parameters]:
        try:
            return device.python(self._function, given)
        except errors.UnsupportedError as error:
            raise explained(self.what, self._function, error.__cause__ or error, given) from error


def _read(given: Any, site: tuple[str, int]) -> tuple[str, str, int]:
    """A text, and the file and the line in which it begins: its own, or that of the Python where it stands."""
    if not isinstance(given, str):
        path = Path(given)
        return path.read_text(), str(path), 1
    file, line = site
    whole = "".join(linecache.getlines(file))
    at = whole.find(given)
    return given, file, whole.count("\n", 0, at) + 1 if at >= 0 else line
