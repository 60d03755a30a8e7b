"""The host as a device whose kernels are Numba CUDA: Numba's simulator runs them, a thread of Python for each of a GPU's.

It is slow, a thousand elements a second where threads wait for each other, and a debugger steps through it line by line.
The simulator is chosen before Numba is imported: NUMBA_ENABLE_CUDASIM=1.
"""

from __future__ import annotations

import ctypes
import math
import warnings
from collections.abc import Mapping, Sequence
from importlib import import_module
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from gpugrad.codegen import gpu_launch
from gpugrad.codegen.gpu_launch import Launch
from gpugrad.cuda import numba_compiler
from gpugrad.cuda.device import Parameters
from gpugrad.cuda.host import HostDevice, _running

_EVERYTHING = 1 << 46
"""Bytes that an address may be followed by, as a kernel knows no more of its arrays."""


def simulated() -> bool:
    """Whether Numba's simulator stands for CUDA in this process."""
    import numba

    return bool(vars(numba.config)["ENABLE_CUDASIM"])


class SimulatedDevice(HostDevice):
    """See the module's description; :class:`gpugrad.cuda.device.Device` says what each method does."""

    limits = gpu_launch.Device(processors=2, threads=4, long=64)
    dialects: Sequence[str] = ("numba_cuda", "cuda")

    def __init__(self, *options: str) -> None:
        super().__init__(*options)
        self._executed: dict[str, Mapping[str, Any]] = {}

    def load(self, texts: Sequence[str], now: bool = False) -> list[Mapping[str, Any]]:
        load = super().load
        return [self._simulated(t) if numba_compiler.MARK in t else load([t], now)[0] for t in texts]

    def python(self, function: Any, given: Sequence[Any]) -> tuple[Any, Parameters]:
        from numba import cuda

        made: Any = cuda.jit
        return _Bound(
            made(function), [_simulated(x.view(np.ndarray)) if hasattr(x, "shape") else x for x in given]
        ), Parameters([])

    def _simulated(self, text: str) -> Mapping[str, Any]:
        if text not in self._executed:
            self._executed[text] = executed(text)
        return self._executed[text]

    def launch(self, function: Any, launch: Launch, parameters: Parameters) -> None:
        if isinstance(function, _Bound):
            function, given = function.function, function.given
        elif hasattr(function, "fn"):
            kinds = numba_compiler.parameters(function.fn)
            given = [
                _array(value.value, dtype) if array else np.dtype(dtype).type(value.value)
                for value, (dtype, array) in zip(parameters.values, kinds, strict=True)
            ]
        else:
            super().launch(function, launch, parameters)
            return
        with _running, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a GPU says nothing of NaN and infinity
            function[launch.grid, launch.block](*given)


class _Bound(NamedTuple):
    """A user's function and what it is called with."""

    function: Any
    given: Sequence[Any]


def _array(address: int, dtype: str) -> Any:
    """What lies at an address."""
    memory: Any = (ctypes.c_ubyte * _EVERYTHING).from_address(address)
    return _simulated(np.frombuffer(memory, dtype))


def _simulated(array: Any) -> Any:
    """An array as the simulator hands it to a kernel without a copy."""
    from numba.cuda.simulator.cudadrv import devicearray

    made: Any = devicearray.FakeCUDAArray
    return made(array)


def executed(text: str) -> dict[str, Any]:
    """The functions of a text as the simulator has them, by name."""
    reductions, scalars = (
        vars(import_module(f"gpugrad.kernels.numba_cuda.{name}")) for name in ("reductions", "scalars")
    )
    scalars["math"] = mathematics()
    reductions["cuda"] = _Cuda()
    functions = numba_compiler.executed(text)
    for function in functions.values():
        function.fn.__globals__["math"] = mathematics()
    return functions


# ---- what the simulator lacks: numbers that are none, and a module for each thread -------------------------------------

_RENAMED = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "atan2": "arctan2"}
_RENAMED |= {"asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh", "fabs": "abs"}
_NUMPY = [
    "sqrt",
    "floor",
    "ceil",
    "trunc",
    "exp",
    "expm1",
    "log",
    "log2",
    "log10",
    "log1p",
    "sin",
    "cos",
    "tan",
    "asin",
    "acos",
    "atan",
    "atan2",
    "sinh",
    "cosh",
    "tanh",
    "asinh",
    "acosh",
    "atanh",
    "hypot",
    "fmod",
    "copysign",
    "fabs",
]


def _log_gamma(x: Any) -> Any:
    if not abs(x) < math.inf or (x <= 0 and x == math.floor(x)):
        return x if x != x else math.inf
    return math.lgamma(x)


def _power(x: Any, y: Any) -> Any:
    return np.power(np.array([x]), np.array([y]))[0]  # of scalars, NumPy makes (-inf) ** 0.5 NaN


def mathematics() -> SimpleNamespace:
    """What kernels ask ``math`` for, with infinity and NaN, where Python's raises."""
    functions = {name: getattr(np, _RENAMED.get(name, name)) for name in _NUMPY}
    return SimpleNamespace(
        **functions, pow=_power, erf=math.erf, erfc=math.erfc, lgamma=_log_gamma, inf=math.inf, nan=math.nan, pi=math.pi
    )


class _Cuda:
    """The module ``cuda`` as the kernel that runs has it, for device functions of other modules.

    The simulator puts it into their globals while they run, and takes it away while another thread still needs it.
    """

    def __getattr__(self, name: str) -> Any:
        from numba import cuda
        from numba.cuda.simulator import kernel

        return getattr(kernel._kernel_context or cuda, name)
