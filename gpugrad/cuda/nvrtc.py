"""CUDA C++ compiled for a GPU by NVRTC, which needs none; what was compiled is kept on the disk."""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path
from typing import Any

import gpugrad.kernels
from gpugrad import errors
from gpugrad.backends import kernel_cache

KERNELS = Path(gpugrad.kernels.__path__[0]) / "cuda"
OPTIONS = ("--std=c++17", "-default-device")
"""Not ``--use_fast_math``: NaN and infinity keep their meaning."""


def compiled(text: str, architecture: str) -> bytes:
    """The machine code of a text for an architecture, "sm_90", say.

    Raises MissingExtraError where NVRTC is not installed, UnsupportedError for a text that it does not take.
    """
    nvrtc = _nvrtc()
    version = _ask(nvrtc, nvrtc.nvrtcVersion())
    about = text.encode(), _included(), repr((architecture, version, OPTIONS)).encode()
    return kernel_cache.machine_code(about, lambda: compiled_now(text, architecture)[0])


def compiled_now(text: str, architecture: str, *options: str) -> tuple[bytes, str]:
    """The same without the cache, and what the compiler says: registers, spills."""
    nvrtc = _nvrtc()
    if '#include "half.cuh"' in text and not _headers():
        raise _missing("CUDA's headers of half precision are")
    program = _ask(nvrtc, nvrtc.nvrtcCreateProgram(text.encode(), b"kernel.cu", 0, [], []))
    given = [f"-arch={architecture}", *OPTIONS, *options, f"-I{KERNELS}", *(f"-I{folder}" for folder in _headers())]
    (status, *_) = nvrtc.nvrtcCompileProgram(program, len(given), [option.encode() for option in given])
    try:
        # Not bytes, which may be shared: b" " * 1 is the only one of its kind, and an empty log would become its content.
        log = bytearray(_ask(nvrtc, nvrtc.nvrtcGetProgramLogSize(program)))
        _ask(nvrtc, nvrtc.nvrtcGetProgramLog(program, log))
        said = log.decode(errors="replace").strip("\0 \n")
        if int(status):
            raise errors.UnsupportedError(_refused(text, said, architecture))
        code = bytearray(_ask(nvrtc, nvrtc.nvrtcGetCUBINSize(program)))
        _ask(nvrtc, nvrtc.nvrtcGetCUBIN(program, code))
    finally:
        nvrtc.nvrtcDestroyProgram(program)
    return bytes(code), said


def _refused(text: str, said: str, architecture: str) -> str:
    lines = text.splitlines()
    at = re.search(r"kernel\.cu\((\d+)\)", said)
    shown = f"\n    {lines[int(at[1]) - 1].strip()}" if at and int(at[1]) <= len(lines) else ""
    return f"NVRTC does not take a kernel for {architecture}:{shown}\n{said}"


def _nvrtc() -> Any:
    try:
        from cuda.bindings import nvrtc

        nvrtc.nvrtcVersion()  # finds the library
    except (ImportError, RuntimeError) as error:
        raise _missing("CUDA's compiler, NVRTC, is") from error
    return nvrtc


def _missing(what: str) -> errors.MissingExtraError:
    return errors.MissingExtraError(
        f'{what} not installed: pip install "gpugrad[cuda13]", or gpugrad[cuda12] for an older driver'
    )


def _ask(nvrtc: Any, answer: Any) -> Any:
    """What a call gives; DeviceError, in NVRTC's words, if it fails."""
    status, *given = answer
    if int(status):
        _, name = nvrtc.nvrtcGetErrorString(status)
        raise errors.DeviceError(f"NVRTC fails with {name.decode()}")
    return given[0] if len(given) == 1 else tuple(given)


@cache
def _headers() -> tuple[Path, ...]:
    """Where CUDA's own headers are, of half precision: in NVIDIA's packages or in a toolkit; empty if nowhere."""
    import importlib.util

    found = importlib.util.find_spec("nvidia")
    folders = [Path(p) for p in (found.submodule_search_locations or ())] if found else []
    places = [
        path for folder in folders for path in (*folder.glob("cu*/include"), *folder.glob("cuda_runtime/include"))
    ]
    places += [Path(os.environ[name]) / "include" for name in ("CUDA_PATH", "CUDA_HOME") if os.environ.get(name)]
    places.append(Path("/usr/local/cuda/include"))
    return tuple(path for path in places if (path / "cuda_fp16.h").is_file())[:1]


@cache
def _included() -> bytes:
    return b"".join(file.read_bytes() for file in sorted(KERNELS.glob("*.cuh")))
