"""What is to be fast on a GPU, as programs; and their plans, as a GPU would have them, made without one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import Any

import numpy as np

import gpugrad as gg
from gpugrad import dtypes
from gpugrad.backends import select
from gpugrad.backends.cuda_on_host import CudaOnHost
from gpugrad.codegen import cuda_printer, gpu_launch
from gpugrad.codegen.gpu_launch import Schedule
from gpugrad.cuda import cudnn
from gpugrad.cuda.device import ALIGNMENT
from gpugrad.cuda.host import HostArray, HostDevice
from gpugrad.cuda.plan import CudaPlan
from gpugrad.graph.calls import KernelCall
from gpugrad.optim.precision import MASTER


class _Cudnn:
    """cuDNN, if it takes whatever is for it."""

    def why_not(
        self, name: str, operands: Sequence[Any], outs: Sequence[Any], params: dict[str, Any], order: Any = None
    ) -> str:
        return cudnn.unfit(name, operands, params)

    def prepare(
        self, name: str, operands: Sequence[Any], outs: Sequence[Any], params: dict[str, Any]
    ) -> Callable[[], None]:
        return lambda: None


class _Device(HostDevice):
    limits = gpu_launch.Device()

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.cudnn = _Cudnn()

    def memory(self, nbytes: int) -> Any:
        with TemporaryFile() as file:  # nobody writes there, so that it takes nothing
            memory = np.memmap(file, np.uint8, "w+", shape=(nbytes + ALIGNMENT,))
        start = -memory.ctypes.data % ALIGNMENT
        return memory[start : start + nbytes].view(HostArray)


class OnPaper(CudaOnHost):
    """The host as an H100 or an H200 plans, with arrays of any size that hold one number; nothing is to run on it."""

    name = "on_paper"

    def __init__(self) -> None:
        super().__init__()
        self.device = _Device()

    def full(self, shape: tuple[int, ...], fill: Any, dtype: Any) -> Any:
        return np.broadcast_to(np.full((), fill, dtype), shape).view(HostArray)


select.register("on_paper", OnPaper)

Program = tuple[Callable[..., Any], tuple[Any, ...]]
"""A function and its arguments."""


def array(shape: tuple[int, ...], dtype: str) -> Any:
    """Random numbers on the GPU; on paper a tensor that takes no memory."""
    if isinstance(select.on("cuda"), OnPaper):
        return gg.asarray(select.on("cuda").full(shape, 0, dtypes.dtype(dtype)))
    return gg.astype(gg.random.normal(shape, dtype="float32", key=gg.random.key(0), device="cuda"), dtype)


def indices(n: int, below: int) -> Any:
    """Random integers there."""
    if isinstance(select.on("cuda"), OnPaper):
        return array((n,), "int64")
    return gg.random.randint(below, shape=(n,), key=gg.random.key(1), device="cuda")


def value_and_pullback(f: Callable[..., Any]) -> Callable[..., Any]:
    """The value of ``f``, and the gradients for a cotangent, which comes first."""

    def both(g: Any, *xs: Any) -> Any:
        out, pull = gg.vjp(f, *xs)
        return out, pull(g)

    return both


def pullback(f: Callable[..., Any]) -> Callable[..., Any]:
    """The gradients alone."""
    return lambda g, *xs: value_and_pullback(f)(g, *xs)[1]


def softmax(x: Any) -> Any:
    return gg.softmax(x, axis=-1)


def layer_norm(x: Any, scale: Any, shift: Any) -> Any:
    return gg.layer_norm(x) * scale + shift


def cross_entropy(x: Any, classes: Any) -> Any:
    return gg.value_and_grad(lambda x: gg.cross_entropy(x, classes))(x)


def column_sum(x: Any) -> Any:
    """The gradient of a bias."""
    return gg.sum(x, axis=0)


GPT2 = [(50257, 768), (1024, 768), (768,), (768,)] + 12 * [
    *[(768,), (768,), (768, 2304), (2304,), (768, 768), (768,)],
    *[(768,), (768,), (768, 3072), (3072,), (3072, 768), (768,)],
]
"""The shapes of the parameters of GPT-2 of 124 million."""


def adamw(shapes: Sequence[tuple[int, ...]], dtype: str) -> Program:
    """A step, not the first, on parameters of such shapes."""
    parameters = [array(shape, dtype).detach().requires_grad_() for shape in shapes]
    optimizer = gg.optim.AdamW(parameters, lr=1e-3)
    optimizer.__cells__()  # makes the states
    for p in parameters:
        p.grad = array(p.shape, dtype)
        if dtypes.is_half(p.dtype):
            optimizer._state[id(p)][MASTER] = array(p.shape, "float32")._data
    return optimizer.step, ()


def cotangent_first(f: Callable[..., Any], *shapes: tuple[int, ...]) -> Callable[[str], Program]:
    """A program of arrays, the first of which is as the function's result is."""
    return lambda d: (f, tuple(array(shape, d) for shape in (shapes[0], *shapes)))


def workloads(rows: int = 32768, parameters: Sequence[tuple[int, ...]] = GPT2) -> dict[str, Callable[[str], Program]]:
    """Name -> what makes the program for a dtype. Its kernels are the same for any number of rows that is not small."""
    wide, row = (rows, 4096), (rows, 1024)
    return {
        "GELU": lambda d: (gg.gelu, (array(wide, d),)),
        "GELU, forward and backward": cotangent_first(value_and_pullback(gg.gelu), wide),
        "softmax": lambda d: (softmax, (array(row, d),)),
        "softmax, backward": cotangent_first(pullback(softmax), row),
        "layer norm": lambda d: (layer_norm, (array(row, d), array(row[1:], d), array(row[1:], d))),
        "layer norm, backward": cotangent_first(pullback(layer_norm), row, row[1:], row[1:]),
        "cross entropy of 50257, forward and backward": lambda d: logits(rows, 50257, d),
        "cross entropy of 50304, forward and backward": lambda d: logits(rows, 50304, d),
        "sum of columns": lambda d: (column_sum, (array(wide, d),)),
        "AdamW": lambda d: adamw(parameters, d),
    }


MARKS = {
    "GELU": 0.9,
    "GELU, forward and backward": 0.9,
    "softmax": 0.85,
    "softmax, backward": 0.75,
    "layer norm": 0.85,
    "layer norm, backward": 0.75,
    "cross entropy of 50257, forward and backward": 0.85,
    "cross entropy of 50304, forward and backward": 0.85,
    "sum of columns": 0.9,
    "AdamW": 0.88,
}
"""The part of a copy's bandwidth that each is to reach."""


def logits(rows: int, classes: int, dtype: str) -> Program:
    """The loss of scores, and its gradient."""
    return cross_entropy, (array((rows, classes), dtype), indices(rows, classes))


@contextmanager
def plan_of(make: Callable[[str], Program], dtype: str) -> Iterator[CudaPlan]:
    """The plan of a program, as a GPU would have it."""
    with gg.use_backend("on_paper"):
        f, args = make(dtype)
        plan = gg.jit(f)._compiled(args, {}).plan
        assert isinstance(plan, CudaPlan)
        yield plan


@dataclass(frozen=True)
class Kernel:
    """A kernel of a plan: what it is, how it is launched, and its text."""

    call: KernelCall
    schedule: Schedule
    text: str


def kernels_of(plan: CudaPlan) -> list[Kernel]:
    """The kernels, in the order in which they run."""
    found = []
    for call in plan.memory.calls:
        if isinstance(call, KernelCall):
            schedule = plan.schedules[id(call)]
            found.append(Kernel(call, schedule, cuda_printer.printed(call.kernel, schedule.form)))
    return found
