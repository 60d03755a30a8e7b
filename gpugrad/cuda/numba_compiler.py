"""Printed Numba CUDA compiled for a GPU, which takes none: Numba gives PTX, and NVIDIA's linker machine code of it.

An array is no more than a pointer there, so that a kernel has the same parameters as one in CUDA C++, and is launched in
the same way: Numba has part in the compiling alone. What was compiled is kept on the disk.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gpugrad.kernels
from gpugrad import errors
from gpugrad.backends import kernel_cache

KERNELS = Path(gpugrad.kernels.__path__[0]) / "numba_cuda"
MARK = "\n@cuda.jit\ndef "
"""What a text in this language has, and no other."""


def missing() -> str:
    """What of Numba CUDA is not installed; "" if nothing is known to be."""
    return "" if find_spec("numba_cuda") else "numba-cuda is not installed"


def compiled(text: str, architecture: str) -> dict[str, tuple[bytes, str]]:
    """The functions of a text by name, each as machine code for an architecture, "sm_90", say, and its symbol there.

    Raises MissingExtraError where something is not installed, UnsupportedError for a text that is not taken.
    """
    if missing():
        raise errors.MissingExtraError(f"{missing()}: {_install()}")
    made: dict[str, Any] = {}

    def function(name: str) -> bytes:
        if not made:
            made.update(executed(text))
        symbol, code = _linked(made[name], architecture)
        return symbol.encode() + b"\0" + code

    out = {}
    for name in functions(text):
        about = text.encode(), name.encode(), repr((architecture, _versions())).encode(), _imported()
        symbol, _, code = kernel_cache.machine_code(about, lambda name=name: function(name)).partition(b"\0")  # type: ignore[misc]
        out[name] = code, symbol.decode()
    return out


def functions(text: str) -> list[str]:
    """The names of the kernels in a text."""
    return re.findall(rf"{MARK}(\w+)\(", text)


def executed(text: str) -> dict[str, Any]:
    """The functions of a text as Numba has them, by name."""
    namespace: dict[str, Any] = {"__name__": "gpugrad.kernels.numba_cuda.printed"}
    exec(compile(text, "<Numba CUDA>", "exec", dont_inherit=True), namespace)
    return {name: namespace[name] for name in functions(text)}


def parameters(function: Any) -> Iterator[tuple[str, bool]]:
    """Of each parameter of a printed function its dtype, and whether it is an array."""
    for said in function.__annotations__.values():
        yield said.removesuffix("[::1]"), said.endswith("[::1]")


def _linked(function: Any, architecture: str) -> tuple[str, bytes]:
    """A function's symbol, and the machine code."""
    from numba import types

    pointer: Any = types.CPointer
    kinds = []
    for dtype, array in parameters(function.py_func):
        kind = types.uint8 if dtype == "bool" else getattr(types, dtype)  # a pointer to booleans is to their bytes
        kinds.append(pointer(kind) if array else kind)
    return _machine_code(function.py_func, kinds, architecture)


def of_user(function: Any, kinds: Sequence[Any], architecture: str) -> tuple[bytes, str]:
    """A user's function for arrays, each of a dtype and so many axes, and Python numbers: machine code, and its symbol.

    UnsupportedError, from what Numba raised, for a function that is not taken.
    """
    from numba import types
    from numba.np.numpy_support import from_dtype

    if missing():
        raise errors.MissingExtraError(f"{missing()}: {_install()}")
    numbers = {bool: types.boolean, int: types.int64, float: types.float64, complex: types.complex128}
    given = [types.Array(from_dtype(k[0]), k[1], "C") if isinstance(k, tuple) else numbers[k] for k in kinds]
    symbol, code = _machine_code(function, given, architecture)
    return code, symbol


def values(given: Sequence[Any], address: Callable[[Any], int]) -> list[Any]:
    """Arrays in C's order and Python numbers as the parameters of such a function, which has several for an array.

    Those are two owners, of whom a GPU knows nothing, how many elements and the bytes of one, the address, shape, strides.
    """
    numbers: dict[type, Any] = {bool: ctypes.c_int8, int: ctypes.c_int64, float: ctypes.c_double}
    out: list[Any] = []
    for x in given:
        if hasattr(x, "shape"):
            counts = [x.size, x.dtype.itemsize, address(x), *x.shape, *x.strides]
            out += [ctypes.c_int64(n) for n in (0, 0, *counts)]
        elif isinstance(x, complex):
            out.append((ctypes.c_double * 2)(x.real, x.imag))
        else:
            out.append(numbers[type(x)](x))
    return out


def _machine_code(function: Any, kinds: Sequence[Any], architecture: str) -> tuple[str, bytes]:
    from numba import cuda, types

    compile: Any = vars(cuda)["compile"]
    capability = divmod(int(architecture.removeprefix("sm_")), 10)
    try:
        ptx, _ = compile(function, types.void(*kinds), cc=capability, device=False, abi="numba")
    except Exception as error:  # of Numba's many kinds, which have no base in common
        if not found("nvvm"):
            raise errors.MissingExtraError(
                f"NVVM, which Numba CUDA compiles with, is not installed: {_install()}"
            ) from error
        raise errors.UnsupportedError(
            f"Numba CUDA does not take a kernel for {architecture}:\n{error}\nUse gg.use_backend('cupy'), whose kernels are CUDA C++"
        ) from error
    (symbol,) = re.findall(r"\.entry (\w+)\(", ptx)
    return symbol, linked(ptx, architecture)


def linked(ptx: str, architecture: str) -> bytes:
    """The machine code of PTX, which may be newer than a driver takes."""
    from cuda.bindings import nvjitlink

    try:
        handle = nvjitlink.create(1, [f"-arch={architecture}"])
    except RuntimeError as error:  # of no library
        raise errors.MissingExtraError(f"nvJitLink is not installed: {_install()}") from error
    try:
        nvjitlink.add_data(handle, nvjitlink.InputType.PTX, ptx.encode(), len(ptx.encode()), "kernel")
        nvjitlink.complete(handle)
        code = bytearray(nvjitlink.get_linked_cubin_size(handle))
        nvjitlink.get_linked_cubin(handle, code)
    except nvjitlink.nvJitLinkError as error:
        said = bytearray(nvjitlink.get_error_log_size(handle))
        nvjitlink.get_error_log(handle, said)
        raise errors.UnsupportedError(
            f"nvJitLink does not take a kernel for {architecture}: {error}\n{said.decode(errors='replace')}"
        ) from error
    finally:
        nvjitlink.destroy(handle)
    return bytes(code)


def _install() -> str:
    from gpugrad.cuda import presence

    return f'pip install "gpugrad[{presence.extra()}]"'


def found(library: str) -> bool:
    """Whether one of CUDA's libraries is here."""
    from cuda import pathfinder

    try:
        pathfinder.load_nvidia_dynamic_lib(library)
    except RuntimeError:
        return False
    return True


@cache
def _versions() -> Mapping[str, str]:
    return {name: metadata.version(name) for name in ("numba-cuda", "numba", "cuda-bindings")}


@cache
def _imported() -> bytes:
    """The sources that texts import."""
    return b"".join(file.read_bytes() for file in sorted(KERNELS.glob("*.py")))
