"""Which of CUDA's libraries are here, and in which version, asked of the libraries themselves."""

from __future__ import annotations

import ctypes
import site
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


def _by_pointer(function: str, split: tuple[int, int]) -> Callable[[Any], str]:
    """The version of a library that writes one number."""

    def version(library: Any) -> str:
        out = ctypes.c_int(0)
        getattr(library, function)(ctypes.byref(out))
        return _written(out.value, split)

    return version


def _by_result(function: str, split: tuple[int, int]) -> Callable[[Any], str]:
    """The version of a library that returns one number."""

    def version(library: Any) -> str:
        call = getattr(library, function)
        call.restype = ctypes.c_size_t
        number = int(call())
        if function == "cudnnGetVersion" and number >= 90_000:  # from version 9 on two digits more for the minor one
            return _written(number, (10_000, 100))
        return _written(number, split)

    return version


def _by_two(function: str) -> Callable[[Any], str]:
    """The version of a library that writes two numbers."""

    def version(library: Any) -> str:
        major, minor = ctypes.c_int(0), ctypes.c_int(0)
        getattr(library, function)(ctypes.byref(major), ctypes.byref(minor))
        return f"{major.value}.{minor.value}"

    return version


def _written(number: int, split: tuple[int, int]) -> str:
    return f"{number // split[0]}.{number % split[0] // split[1]}"


@dataclass(frozen=True)
class Library:
    """A library of CUDA's."""

    title: str
    files: tuple[str, ...]
    """The names of its file, the newest first."""
    version: Callable[[Any], str]
    purpose: str


LIBRARIES = (
    Library("CUDA runtime", ("libcudart.so.13", "libcudart.so.12"), _by_pointer("cudaRuntimeGetVersion", (1000, 10)), "CuPy"),
    Library("NVRTC", ("libnvrtc.so.13", "libnvrtc.so.12"), _by_two("nvrtcVersion"), "compiling kernels"),
    Library("cuBLASLt", ("libcublasLt.so.13", "libcublasLt.so.12"), _by_result("cublasLtGetVersion", (10_000, 100)), "products of matrices"),
    Library("cuDNN", ("libcudnn.so.9", "libcudnn.so.8"), _by_result("cudnnGetVersion", (1000, 100)), "convolution and attention"),
)  # fmt: skip


def version_of(library: Library, load: Callable[[str], Any] = ctypes.CDLL) -> str | None:
    """The version of a library; None if it is not found, neither by the system nor in NVIDIA's wheels."""
    for file in library.files:
        for place in (file, *map(str, in_wheels(file))):
            try:
                return library.version(load(place))
            except (OSError, AttributeError):
                continue
    return None


def in_wheels(file: str, roots: Iterable[str] | None = None) -> list[Path]:
    """Where NVIDIA's wheels have a file: ``site-packages/nvidia/*/lib``."""
    places = list(roots) if roots is not None else [*site.getsitepackages(), site.getusersitepackages(), *sys.path]
    found = [path for place in dict.fromkeys(places) if place for path in Path(place, "nvidia").glob(f"*/lib/{file}")]
    return list(dict.fromkeys(found))
