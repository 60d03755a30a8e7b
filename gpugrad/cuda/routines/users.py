"""A user's own kernel in CUDA C++: see :func:`gpugrad.kernel`."""

from __future__ import annotations

import ctypes
import math
from typing import Any

from gpugrad.codegen.gpu_launch import Device
from gpugrad.cuda.routines.routine import Call, Routine, Writer, spread
from gpugrad.cuda.user_kernel import CudaText
from gpugrad.graph.ir import Line

_ZEROS = """extern "C" __global__ void zeros_before(unsigned char* out, long long n)
{
    for (long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x; i < n; i += gridDim.x * (long long)blockDim.x) out[i] = 0;
}
"""


def _kernel(line: Line, device: Device) -> Routine | None:
    """None for a batch, item by item, for what is no text, and for what the call itself is to complain about."""
    kernel = line.params["kernel"]
    run = kernel.on.get("cuda")
    if line.params["leading"] or not isinstance(run, CudaText):
        return None
    numbers, arrays = dict(line.params["numbers"]), iter((*line.operands, *line.results))
    given = [numbers[k] if k in numbers else next(arrays) for k in range(len(kernel.parameters))]
    inputs = len(kernel.inputs)
    if any(run.refuses(k, x.dtype) for k, x in enumerate(given) if k not in numbers) or any(
        run.parameters[k].refuses(x) for k, x in numbers.items()
    ):
        return None
    launch = run.launch(given, inputs)
    if not all(launch.grid):
        return None
    calls = []
    for out in given[inputs:]:
        nbytes = math.prod(out.shape) * out.dtype.itemsize
        calls.append(Call(spread("zeros_before", nbytes, device), (out, ctypes.c_longlong(nbytes))))
    values: list[Any] = [run.parameters[k].value(x) if k in numbers else x for k, x in enumerate(given)]
    calls.append(Call(launch, (*values, *run.sizes.of(given))))
    return Routine(_ZEROS + run.text, tuple(calls), run.explained)


ROUTINES: dict[str, Writer] = {"raw_kernel": _kernel}
