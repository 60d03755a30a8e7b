"""A plan that runs on a CUDA device: launches of kernels, products and calls of the library, one after another.

Its intermediates lie in one arena on the device. A step, whose cells are bound to it, has inputs of its own, too, into
which what it is given is copied: so nothing in it moves from one run to the next.
"""

from __future__ import annotations

import functools as ft
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from gpugrad import dtypes
from gpugrad.codegen import dialects
from gpugrad.codegen.gpu_launch import VECTOR, Launch, Schedule
from gpugrad.config import config
from gpugrad.cuda import channels_last, epilogues
from gpugrad.cuda.cudnn_graphs import ATTENTION, CONVOLUTIONS
from gpugrad.cuda.device import Device
from gpugrad.cuda.frame import PARTS, Frame
from gpugrad.cuda.lowering import lowered
from gpugrad.cuda.routines.routine import Routine
from gpugrad.cuda.routines.table import routine
from gpugrad.cuda.several import Several, together
from gpugrad.errors import GraphError, UnsupportedError, beside
from gpugrad.graph.calls import CopyCall, KernelCall, LibraryCall
from gpugrad.graph.ir import Graph, Line, Variable
from gpugrad.graph.memory import Update
from gpugrad.graph.pads import DTYPES
from gpugrad.graph.plan import Plan, named_alike
from gpugrad.graph.usage import moved

PRODUCTS = frozenset({"float16", "bfloat16", "float32", "float64", "complex64", "complex128"})
"""Dtypes of the products that the device has."""


class CudaPlan(Plan):
    """A plan for a device of a backend."""

    alignment = VECTOR
    scratch = False
    adds = DTYPES | {"float16", "bfloat16"}
    draws = True

    def __init__(
        self,
        backend: Any,
        graph: Graph,
        updates: Sequence[Update] = (),
        cells: Sequence[int] = (),
        place: str = "cuda:0",
    ) -> None:
        self.backend = backend
        self.place = place
        self.device: Device = backend.plans_on(place)
        super().__init__(graph, updates, cells)
        self.steady = False
        self.schedules: dict[int, Schedule]
        """id of a call -> how its kernel is launched."""
        self.languages: dict[int, str]
        """id of a call -> the language of its kernel."""
        self.kernels: dict[int, Mapping[str, Any]]
        """id of a call -> the functions of its kernel, if it is launched by itself."""
        self.routines: dict[int, tuple[Mapping[str, Any], Routine]]
        """id of a call -> the functions of its routine, and how they are launched."""
        self.several: list[tuple[Mapping[str, Any], Several]]
        """Kernels that are launched at once when cells are replaced."""
        with self.current():
            self.load()

    def current(self) -> AbstractContextManager[Any]:
        return self.device.current()

    def run(self, *arrays: Any) -> list[Any]:
        with self.current():
            return super().run(*arrays)

    @property
    def apart(self) -> str:
        """Why it is not one CUDA graph; "" if it is."""
        if not self.cells:
            return "it changes no cells, so that each call has other arrays"
        for call in self.memory.calls:
            if isinstance(call, LibraryCall) and not call.into and call.line.prim.name not in PARTS:
                return f"{call.line.prim.name} at {call.line.site} is a call of the library"
        return ""

    def lowered(self, graph: Graph) -> Graph:
        graph = lowered(super().lowered(graph), self.by_cudnn)
        if self.device.cudnn is not None:
            graph = channels_last.kept(graph, self.turned)
        return epilogues.joined(graph) if config.epilogues else graph

    def into(self, line: Line) -> bool:
        out = line.results[0]
        if line.prim.name == "affine" and not epilogues.takes(line.operands, out):
            return False
        if line.prim.name in ("matmul", "affine"):
            alike = all(getattr(x, "dtype", None) == out.dtype for x in line.operands)
            return alike and dtypes.name(out.dtype) in PRODUCTS
        return routine(line, self.device.limits) is not None or self.by_cudnn(line)

    def by_cudnn(self, line: Line) -> bool:
        """Whether cuDNN computes a line; if not, products of matrices do."""
        return self.turned(line) or self.asked(line)

    def turned(self, line: Line) -> bool:
        """Whether cuDNN computes a convolution with the channels last, which it is to do where it has no quick way else."""
        if line.prim.name not in CONVOLUTIONS:
            return False
        dtype = dtypes.name(line.results[0].dtype)
        quick = dtype in ("float16", "bfloat16") or (dtype == "float32" and config.tf32)
        return quick and self.asked(line, channels_last.order_of(len(line.results[0].shape)))

    def asked(self, line: Line, order: Sequence[int] | None = None) -> bool:
        """Whether cuDNN computes a line on arrays whose axes lie in such an order, in C's if none is given."""
        library = self.device.cudnn
        if library is None or not config.cudnn or not all(type(x) is Variable for x in line.operands):
            return False
        return not library.why_not(line.prim.name, line.operands, line.results, line.params, order)

    def load(self) -> None:
        """Compile the kernels, all of them at once."""
        calls = [call for call in self.memory.calls if isinstance(call, KernelCall)]
        printed = {id(call): _printed(call, self.device) for call in calls}
        self.languages = {key: dialect for key, (dialect, _, _) in printed.items()}
        self.schedules = {key: plan for key, (_, plan, _) in printed.items()}
        one = all(dialect == "cuda" for dialect in self.languages.values())  # the language of launches of several
        several = together(self.memory, self.schedules, self.device.limits) if one else []
        joined = {id(call) for s in several for call in s.calls}
        alone = [call for call in calls if id(call) not in joined]
        texts = [printed[id(call)][2] for call in alone]
        given = [c for c in self.memory.calls if isinstance(c, LibraryCall) and c.into]
        found = [(id(c), r) for c in given if (r := routine(c.line, self.device.limits))]
        for _, r in found:
            if r.explained is not None:
                try:
                    self.device.load([r.text], now=True)
                except (UnsupportedError, GraphError) as error:
                    raise r.explained(error) from error
        loaded = iter(self.device.load([*texts, *(r.text for _, r in found), *(s.text for s in several)]))
        self.kernels = {id(call): next(loaded) for call in alone}
        self.routines = {key: (next(loaded), r) for key, r in found}
        self.several = [(next(loaded), s) for s in several]

    def takes(self, x: Any) -> bool:
        return bool(x.flags.c_contiguous) and (self.device.address(x) % self.alignment == 0 or not x.size)

    def contiguous(self, x: Any) -> Any:
        """The array in C's order and aligned; one of NumPy's is a number that Python made, and is copied to the device later."""
        if self.takes(x):
            return x
        with self.current():
            out = self.device.view(self.device.memory(x.nbytes), 0, x.shape, x.dtype)
            self.device.fetch(out, x)
        return out

    def new_frame(self) -> Frame:
        with self.current():
            return Frame(self)

    def text(self) -> str:
        lines = [f"# not one CUDA graph: {self.apart}" if self.apart else "# one CUDA graph"]
        kernels = 0
        for k, call in enumerate(self.memory.calls):
            if k == self.memory.tail:
                lines.append("# what takes the place of cells:")
            if isinstance(call, KernelCall):
                language = f" in {dialects.TITLES[self.languages[id(call)]]}" if len(self.device.dialects) > 1 else ""
                text = f"kernel_{kernels}{language}: " + ", ".join(map(_shown, self.schedules[id(call)].launches))
                if id(call) not in self.kernels:
                    (n,) = (n for n, (_, s) in enumerate(self.several) if call in s.calls)
                    text = f"kernel_{kernels}: part of launch {n}, {_shown(self.several[n][1].launch)}"
                kernels += 1
                lines.append(f"{text:72s}  # {moved(call)}")
            elif isinstance(call, CopyCall):
                lines.append(f"{'copy':72s}  # {moved(call)}")
            elif call.line.prim.name not in PARTS:
                found = self.routines.get(id(call))
                n = len(found[1].calls) if found else 0
                launches = f": {n} launch{'es' if n > 1 else ''}" if n else ""
                if call.into and not n and call.line.prim.name in ATTENTION | CONVOLUTIONS.keys():
                    launches = ": cuDNN"
                lines.append(f"{call.line.prim.name + launches:72s}  # {beside(call.line.site)}")
        return "\n".join([*lines, ""])


def _shown(launch: Launch) -> str:
    return f"{launch.grid[0]} x {launch.grid[1]} blocks of {launch.block[0]} x {launch.block[1]}"


def _printed(call: KernelCall, device: Device) -> tuple[str, Schedule, str]:
    """A kernel in the first of a device's languages that has words for it: the language, the launches, and the text."""
    shapes = [shape for _, _, shape in call.arguments]
    for dialect in device.dialects:
        plan = dialects.scheduled(dialect, call.kernel, shapes, call.sizes, device.limits)
        try:
            return dialect, plan, named_alike(call.kernel, ft.partial(dialects.printed, dialect, plan=plan))
        except UnsupportedError:
            if dialect is device.dialects[-1]:
                raise
    raise AssertionError("a device without a language")
