"""NVIDIA's cuBLASLt as ctypes sees it: its numbers, its structures, and where the library is."""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from gpugrad import errors

DATA_TYPES = {
    "float16": 2,  # CUDA_R_16F
    "bfloat16": 14,  # CUDA_R_16BF
    "float32": 0,  # CUDA_R_32F
    "float64": 1,  # CUDA_R_64F
    "complex64": 4,  # CUDA_C_32F
    "complex128": 5,  # CUDA_C_64F
}
NOT_SUPPORTED = 15  # CUBLAS_STATUS_…
COMPUTE_32F, COMPUTE_32F_FAST_TF32, COMPUTE_64F = 68, 77, 70  # CUBLAS_COMPUTE_…
OP_N, OP_T = 0, 1  # CUBLAS_OP_…

_POINTER = ctypes.c_void_p
DESCRIPTION = {  # CUBLASLT_MATMUL_DESC_…
    "TRANSA": (3, ctypes.c_int32),
    "TRANSB": (4, ctypes.c_int32),
    "EPILOGUE": (7, ctypes.c_uint32),
    "BIAS_POINTER": (8, _POINTER),
    "EPILOGUE_AUX_POINTER": (11, _POINTER),
    "EPILOGUE_AUX_LD": (12, ctypes.c_int64),
}
LAYOUT = {  # CUBLASLT_MATRIX_LAYOUT_…
    "BATCH_COUNT": (5, ctypes.c_int32),
    "STRIDED_BATCH_OFFSET": (6, ctypes.c_int64),
}
PREFERENCE = {  # CUBLASLT_MATMUL_PREF_…
    "MAX_WORKSPACE_BYTES": (1, ctypes.c_uint64),
    "MIN_ALIGNMENT_A_BYTES": (5, ctypes.c_uint32),
    "MIN_ALIGNMENT_B_BYTES": (6, ctypes.c_uint32),
    "MIN_ALIGNMENT_C_BYTES": (7, ctypes.c_uint32),
    "MIN_ALIGNMENT_D_BYTES": (8, ctypes.c_uint32),
}


class Epilogue(NamedTuple):
    """What is done to the result before it is written."""

    number: int
    """CUBLASLT_EPILOGUE_…, where y is the library's first matrix."""
    vector: bool = False
    """Whether it takes or makes a vector: a bias or the gradient of one."""
    aux: int = 0
    """What rows of the auxiliary matrix are rounded up to, if it takes or makes one: 128 bits for ReLU, else 8 elements."""
    gradient: bool = False
    """Whether the vector is a result."""


_BITS, _NUMBERS = 128, 8
EPILOGUES = {
    "default": Epilogue(1),
    "relu": Epilogue(2),
    "relu_aux": Epilogue(2 | 128, aux=_BITS),
    "bias": Epilogue(4, vector=True),
    "relu_bias": Epilogue(2 | 4, vector=True),
    "relu_aux_bias": Epilogue(2 | 128 | 4, vector=True, aux=_BITS),
    "drelu": Epilogue(8 | 128, aux=_BITS),
    "drelu_bgrad": Epilogue(8 | 128 | 16, vector=True, aux=_BITS, gradient=True),
    "gelu": Epilogue(32),
    "gelu_aux": Epilogue(32 | 128, aux=_NUMBERS),
    "gelu_bias": Epilogue(32 | 4, vector=True),
    "gelu_aux_bias": Epilogue(32 | 128 | 4, vector=True, aux=_NUMBERS),
    "dgelu": Epilogue(64 | 128, aux=_NUMBERS),
    "dgelu_bgrad": Epilogue(64 | 128 | 16, vector=True, aux=_NUMBERS, gradient=True),
    "bgrad_y": Epilogue(256, vector=True, gradient=True),  # …BGRADA
    "bgrad_x": Epilogue(512, vector=True, gradient=True),  # …BGRADB
}


class Algorithm(ctypes.Structure):
    """``cublasLtMatmulAlgo_t``."""

    _fields_ = [("data", ctypes.c_uint64 * 8)]


class Heuristic(ctypes.Structure):
    """``cublasLtMatmulHeuristicResult_t``."""

    _fields_ = [
        ("algorithm", Algorithm),
        ("workspace", ctypes.c_size_t),
        ("state", ctypes.c_int),
        ("waves", ctypes.c_float),
        ("reserved", ctypes.c_int * 4),
    ]


_CREATED = ctypes.POINTER(_POINTER)
_SET = [_POINTER, ctypes.c_int, _POINTER, ctypes.c_size_t]
FUNCTIONS: dict[str, list[Any]] = {
    "cublasLtCreate": [_CREATED],
    "cublasLtDestroy": [_POINTER],
    "cublasLtMatmulDescCreate": [_CREATED, ctypes.c_int, ctypes.c_int],
    "cublasLtMatmulDescSetAttribute": _SET,
    "cublasLtMatmulDescDestroy": [_POINTER],
    "cublasLtMatrixLayoutCreate": [_CREATED, ctypes.c_int, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_int64],
    "cublasLtMatrixLayoutSetAttribute": _SET,
    "cublasLtMatrixLayoutDestroy": [_POINTER],
    "cublasLtMatmulPreferenceCreate": [_CREATED],
    "cublasLtMatmulPreferenceSetAttribute": _SET,
    "cublasLtMatmulPreferenceDestroy": [_POINTER],
    "cublasLtMatmulAlgoGetHeuristic": [
        *[_POINTER] * 7,
        ctypes.c_int,
        ctypes.POINTER(Heuristic),
        ctypes.POINTER(ctypes.c_int),
    ],
    "cublasLtMatmul": [*[_POINTER] * 14, ctypes.c_size_t, _POINTER],
}
"""What is called, and what it takes; each returns a status, which is 0 if it went well."""


def find() -> str:
    """The path or the name of the library. Raises DeviceError if there is none.

    It is looked for where ``cuda.pathfinder`` finds it, in the folders of NVIDIA's wheels, and where the system's loader
    looks.
    """
    for place in _places():
        try:
            ctypes.CDLL(place)
        except OSError:
            continue
        return place
    raise errors.DeviceError(
        "matmul on a GPU needs NVIDIA's cuBLASLt (libcublasLt), which was not found. It comes with CUDA's toolkit, or "
        'with: pip install "gpugrad[cuda13]" nvidia-cublas (CUDA 12: "gpugrad[cuda12]" nvidia-cublas-cu12)'
    )


def _places() -> Iterator[str]:
    if importlib.util.find_spec("cuda") and importlib.util.find_spec("cuda.pathfinder"):
        from cuda import pathfinder

        with contextlib.suppress(RuntimeError):  # it is not there
            yield pathfinder.load_nvidia_dynamic_lib("cublasLt").abs_path
    pattern = "cublasLt64_*.dll" if sys.platform == "win32" else "libcublasLt.so*"
    for entry in sys.path:
        for folder in ("cu13/lib", "cu13/bin/x86_64", "cublas/lib", "cublas/bin"):
            yield from map(str, sorted(Path(entry or os.curdir, "nvidia", folder).glob(pattern), reverse=True))
    name = "cublasLt64_{}.dll" if sys.platform == "win32" else "libcublasLt.so.{}"
    yield from map(name.format, (13, 12))
    yield "libcublasLt.so"


def load(path: str | None = None) -> ctypes.CDLL:
    """The library, found or at a path, with the types of what its functions take. Raises DeviceError."""
    place = path or find()
    try:
        library = ctypes.CDLL(place)
        for name, takes in FUNCTIONS.items():
            function = getattr(library, name)
            function.argtypes, function.restype = takes, ctypes.c_int
        library.cublasLtGetStatusString.restype = ctypes.c_char_p
        library.cublasLtGetVersion.restype = ctypes.c_size_t
    except (OSError, AttributeError) as wrong:
        raise errors.DeviceError(
            f"{place} is not a library of cuBLASLt that can be used ({wrong}); expected that of CUDA 12 or 13"
        ) from None
    return library
