"""Convolution and attention by NVIDIA's cuDNN, through its frontend.

What to run is asked of the library once for each kind of call. After that a call allocates nothing that is not there from
the call before, and waits for nothing, so that it can be captured in a CUDA graph.
"""

from __future__ import annotations

import importlib
import threading
import weakref
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from gpugrad import dtypes, errors
from gpugrad.config import config
from gpugrad.cuda import cudnn_graphs as graphs
from gpugrad.cuda import presence
from gpugrad.cuda.cudnn_graphs import Numbers, Planned
from gpugrad.cuda.cudnn_layout import laid
from gpugrad.cuda.device import Device
from gpugrad.cuda.matmul_layout import Operand

ALIGNMENT = 16
"""Bytes; at what multiples cuDNN takes arrays to begin."""


def absent() -> str:
    """Why cuDNN cannot be called here, and the command that mends it; "" if it can."""
    if not find_spec("cudnn"):
        return f"cuDNN's frontend is not installed: {command()}"
    try:
        importlib.import_module("cudnn").backend_version()
    except Exception as error:  # whatever an installation raises that is damaged, or without the library
        told = (str(error).strip().splitlines() or [""])[0]
        return f"cuDNN's frontend does not find cuDNN ({type(error).__name__}: {told}): {command()}"
    return ""


def command() -> str:
    """What installs cuDNN and its frontend, for the driver that is here."""
    if presence.extra() == "cuda13":
        return 'pip install "gpugrad[cudnn]"'
    return 'pip install "nvidia-cudnn-frontend>=1.24,<1.29" nvidia-cudnn-cu12'


def load() -> Any:
    """cuDNN's frontend; DeviceError says what is missing."""
    why = absent()
    if why:
        raise errors.DeviceError(why)
    return importlib.import_module("cudnn")


def unfit(name: str, operands: Sequence[Any], params: dict[str, Any]) -> str:
    """Why a primitive on such arrays is not for cuDNN, whatever the library says; "" if it is. The rule:

    - no array is empty;
    - a convolution goes along one to three axes, in float16, bfloat16 or float32;
    - attention is in float16 or bfloat16, with rows of queries, keys and values of a multiple of 8 elements, up to 256, in
      batches that do not broadcast.
    """
    if name not in graphs.CONVOLUTIONS and name not in graphs.ATTENTION:
        return f"{name} is not cuDNN's"
    if any(0 in x.shape for x in operands):
        return f"{name} of an empty array"
    if name in graphs.CONVOLUTIONS:
        return _kind(name, operands, ("float16", "bfloat16", "float32")) or (
            ""
            if 3 <= len(operands[0].shape) <= 5
            else f"{name} along {len(operands[0].shape) - 2} axes; cuDNN has up to 3"
        )
    rows = operands[: 3 if name == "attention" else 5]
    if len({x.shape[:-2] for x in rows}) > 1:
        return f"{name} with batches that broadcast"
    if name == "attention_back" and operands[5].dtype != np.float32:
        return f"{name} of what cuDNN has not computed"
    wrong = [x.shape[-1] for x in rows if x.shape[-1] % 8 or x.shape[-1] > 256]
    return _kind(name, rows, ("float16", "bfloat16")) or (
        f"{name} of rows of {wrong[0]} elements; cuDNN takes multiples of 8 up to 256" if wrong else ""
    )


def _kind(name: str, operands: Sequence[Any], takes: Sequence[str]) -> str:
    names = sorted({dtypes.name(x.dtype) for x in operands})
    return (
        ""
        if len(names) == 1 and names[0] in takes
        else f"{name} of {' and '.join(names)}; cuDNN takes {', '.join(takes)}"
    )


class Refused(errors.DeviceError):
    """The library has nothing that computes it."""


class Cudnn:
    """cuDNN on a device."""

    def __init__(
        self, device: Device, stream: Callable[[], int], frontend: Any, options: dict[str, Any] | None = None
    ) -> None:
        self.device = device
        self.stream = stream
        """The current stream's address."""
        self.frontend = frontend
        self.options = options
        """What each graph is told of the device; None: a handle, by which it asks the device itself."""
        self.planned: dict[Any, Planned | str] = {}
        """Kind of call -> what runs it, or why the library has nothing that does."""
        self._lock = threading.Lock()
        self._of_thread = threading.local()
        self._workspaces: weakref.WeakValueDictionary[int, _Workspace] = weakref.WeakValueDictionary()
        """Stream -> memory that calls on it share, since they run one after another."""
        self._calls: weakref.WeakSet[_Call] = weakref.WeakSet()

    def why_not(
        self,
        name: str,
        operands: Sequence[Any],
        outs: Sequence[Any],
        params: dict[str, Any],
        order: Sequence[int] | None = None,
    ) -> str:
        """Why a primitive on such arrays (their shapes and dtypes) is not computed by cuDNN; "" if it is.

        Their axes lie in ``order``, from the outermost to the innermost; None: in C's.
        """
        why = unfit(name, operands, params)
        if why or any(0 in out.shape for out in outs):
            return why or f"{name} with an empty result"
        arrays = [Operand.in_order(x.shape, x.dtype, order) for x in (*operands, *outs)]
        found = self._plan(name, arrays, params)
        return found if isinstance(found, str) else ""

    def prepare(
        self, name: str, operands: Sequence[Any], outs: Sequence[Any], params: dict[str, Any]
    ) -> Callable[[], None]:
        """What computes a primitive into ``outs`` on the current stream, on the memory where these arrays are now.

        Images may lie in C's order or with their channels last, and rows of attention wherever they are; what lies
        otherwise is copied. Raises Refused where ``why_not`` says why.
        """
        arrays = [*operands, *outs]
        given = [Operand.of(x) for x in arrays]
        straight = [
            x if told is not None and self.device.address(x) % ALIGNMENT == 0 else self._memory(x)
            for x, told in zip(arrays, laid(name, given), strict=True)
        ]
        found = unfit(name, operands, params) or self._plan(name, [Operand.of(x) for x in straight], params)
        if isinstance(found, str):
            raise Refused(f"{name} of {', '.join(map(str, given))}: {found}")
        pairs = list(zip(straight, arrays, strict=True))
        before = [(there, x) for there, x in pairs[: len(operands)] if there is not x]
        after = [(x, there) for there, x in pairs[len(operands) :] if there is not x]
        return _Call(self, f"{name} of {', '.join(map(str, given))}", found, straight, before, after)

    def _plan(self, name: str, operands: Sequence[Operand], params: dict[str, Any]) -> Planned | str:
        told = laid(name, operands)
        numbers = Numbers(config.tf32, config.deterministic)
        dtype = dtypes.name(operands[0].dtype)
        key = name, dtype, tuple(told), numbers, tuple(sorted(params.items()))
        with self._lock:
            if key not in self.planned:
                assert None not in told
                arrays = [x for x in told if x is not None]
                options = {"handle": self.handle()} if self.options is None else self.options
                try:
                    self.planned[key] = graphs.planned(self.frontend, options, name, dtype, arrays, numbers, params)
                except self.frontend.cudnnGraphNotSupportedError as error:
                    said = (str(error).strip().splitlines() or [""])[0]
                    self.planned[key] = f"cuDNN has nothing for it ({said})"
            return self.planned[key]

    def handle(self) -> Any:
        """This thread's handle, on the current stream."""
        if not hasattr(self._of_thread, "handle"):
            self._of_thread.handle = _Handle(self.frontend)
        handle = self._of_thread.handle.made
        self.frontend.set_stream(handle=handle, stream=self.stream())
        return handle

    def workspace(self, call: _Call) -> _Workspace:
        """Memory on the current stream for a call, as large as the largest that is prepared needs."""
        stream = self.stream()
        found = self._workspaces.get(stream)
        if found is None or found.nbytes < call.planned.workspace:
            with self._lock:
                found = _Workspace(self.device, max(other.planned.workspace for other in self._calls))
                self._workspaces[stream] = found
        call.held[stream] = found
        return found

    def remember(self, call: _Call) -> None:
        """Let a call have a share in workspaces, as long as somebody has it."""
        with self._lock:
            self._calls.add(call)

    def _memory(self, like: Any) -> Any:
        return self.device.view(self.device.memory(like.size * like.dtype.itemsize), 0, like.shape, like.dtype)


class _Call:
    """A call that is prepared."""

    def __init__(
        self,
        cudnn: Cudnn,
        said: str,
        planned: Planned,
        arrays: Sequence[Any],
        before: Sequence[Any],
        after: Sequence[Any],
    ) -> None:
        self.cudnn = cudnn
        self.said = said
        """How errors call it."""
        self.planned = planned
        self.arrays = arrays  # their memory is there as long as this is
        self.places = {k: cudnn.device.address(x) for k, x in enumerate(arrays, 1)}
        self.before, self.after = before, after
        """What is copied, each a target and a source."""
        self.held: dict[int, _Workspace] = {}
        """Stream -> the workspace that was used on it, which a graph that was captured there uses again."""
        cudnn.remember(self)

    def __call__(self) -> None:
        fetch = self.cudnn.device.fetch
        for target, source in self.before:
            fetch(target, source)
        workspace = self.cudnn.workspace(self).address if self.planned.workspace else 0
        try:
            self.planned.graph.execute(self.places, workspace, handle=self.cudnn.handle())
        except RuntimeError as error:
            raise errors.DeviceError(f"{self.said}: cuDNN fails ({error})") from error
        for target, source in self.after:
            fetch(target, source)


class _Workspace:
    """Memory for what a call keeps while it runs."""

    def __init__(self, device: Device, nbytes: int) -> None:
        self.memory = device.memory(nbytes)
        self.nbytes = nbytes
        self.address = device.address(self.memory)


class _Handle:
    """A handle of the library's, given back with the thread whose it is."""

    def __init__(self, frontend: Any) -> None:
        self.made = frontend.create_handle()
        # not at exit, when the driver may be gone already
        weakref.finalize(self, frontend.destroy_handle, self.made).atexit = False
