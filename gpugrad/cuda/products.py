"""Products of a plan through cuBLASLt: what no flag of the library describes is copied in C's order, before or after."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gpugrad.config import config
from gpugrad.cuda.cublaslt import CublasLt, Matmul, Workspace
from gpugrad.cuda.device import ALIGNMENT, Device
from gpugrad.cuda.matmul_layout import Misfit, Operand, alignment, plan

WORKSPACE = 32 << 20
"""Bytes that a product may take beside its operands, as NVIDIA recommends for Hopper."""


class Products:
    """The products of a device."""

    def __init__(self, device: Device, lt: CublasLt, stream: Callable[[], int]) -> None:
        self.device = device
        self.lt = lt
        self.stream = stream
        """The current stream's address."""
        self._workspaces: dict[int, Any] = {}
        self._ready: dict[Any, Matmul] = {}

    def product(self, x: Any, y: Any, out: Any, bias: Any = None) -> Callable[[], None]:
        """What computes ``out[...] = x @ y`` on the current stream, on the memory where these arrays are now.

        A ``bias``, if there is one, is added to each row.
        """
        if not out.size:
            return _nothing
        if bias is not None and not bias.flags.c_contiguous:
            return self._with_a_copy(x, y, out, bias)
        if not x.shape[-1]:
            zeros = self._memory(out)
            self.device.fetch(zeros, np.zeros(out.shape, out.dtype))
            return lambda: self.device.fetch(out, zeros)
        found = plan(Operand.of(x), Operand.of(y), Operand.of(out), rows=bias is not None)
        if not isinstance(found, Misfit):
            return self._call(x, y, out, bias)
        given = {"x": x, "y": y, "out": out}
        straight = {name: self._memory(a) if name in found.names else a for name, a in given.items()}
        run = self._call(**straight, bias=bias)

        def copied() -> None:
            for name in found.names:
                if name != "out":
                    self.device.fetch(straight[name], given[name])
            run()
            if "out" in found.names:
                self.device.fetch(out, straight["out"])

        return copied

    def _with_a_copy(self, x: Any, y: Any, out: Any, bias: Any) -> Callable[[], None]:
        vector = self._memory(bias)
        run = self.product(x, y, out, vector)

        def copied() -> None:
            self.device.fetch(vector, bias)
            run()

        return copied

    def _memory(self, like: Any) -> Any:
        return self.device.view(self.device.memory(like.size * like.dtype.itemsize), 0, like.shape, like.dtype)

    def _call(self, x: Any, y: Any, out: Any, bias: Any = None) -> Callable[[], None]:
        x_at, y_at, out_at = (self.device.address(a) for a in (x, y, out))
        bias_at = 0 if bias is None else self.device.address(bias)
        epilogue = "default" if bias is None else "bias"
        operands = Operand.of(x), Operand.of(y), Operand.of(out)
        aligned = alignment(x_at, y_at, out_at, bias_at)

        def run(_held: Any = (x, y, out, bias)) -> None:  # the memory is there as long as this is
            stream = self.stream()
            key = operands, epilogue, aligned, stream, config.tf32
            if key not in self._ready:
                workspace = self._workspace(stream)
                self._ready[key] = self.lt.matmul(*operands, epilogue=epilogue, workspace=workspace, aligned=aligned)
            self._ready[key].run(x_at, y_at, out_at, stream, bias_at)

        return run

    def _workspace(self, stream: int) -> Workspace:
        """Memory that products on one stream share, since they run one after another."""
        if stream not in self._workspaces:
            self._workspaces[stream] = self.device.memory(WORKSPACE)
        address = self.device.address(self._workspaces[stream])
        assert address % ALIGNMENT == 0
        return Workspace(address, WORKSPACE)


def _nothing() -> None:
    pass
