"""cuDNN's frontend, as far as `gpugrad.cuda` calls it: a graph is written down, and computed by NumPy where it is run.

What the library would refuse, or get wrong, is an error here: arrays that do not lie as it was told, addresses that are
not multiples of 16, a workspace that is missing (it is filled with what nobody expects), a handle on another stream.
"""

from __future__ import annotations

import ctypes
import itertools as it
import math
import types
from collections.abc import Iterator
from typing import Any

import ml_dtypes
import numpy as np

HALF, BFLOAT16, FLOAT = np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16), np.dtype(np.float32)
WORKSPACE = 512


class cudnnGraphNotSupportedError(RuntimeError):  # noqa: N801
    """There is no plan."""


class Tensor:
    """An array of a graph."""

    def __init__(self, dim: Any = None, stride: Any = None, data_type: Any = None) -> None:
        self.dim, self.stride, self.dtype = dim, stride, data_type
        self.uid = 0
        self.output = False

    def set_uid(self, uid: int) -> Tensor:
        self.uid = uid
        return self

    def set_output(self, output: bool) -> Tensor:
        self.output = output
        return self

    def set_data_type(self, dtype: Any) -> Tensor:
        self.dtype = dtype
        return self

    def set_dim(self, dim: list[int]) -> Tensor:
        self.dim = dim
        return self

    def set_stride(self, stride: list[int]) -> Tensor:
        self.stride = stride
        return self

    def at(self, address: int) -> Any:
        """The array that begins at an address."""
        assert address % 16 == 0, "an address that cuDNN does not take"
        reach = sum((n - 1) * s for n, s in zip(self.dim, self.stride, strict=True)) + 1
        memory = (ctypes.c_char * (reach * self.dtype.itemsize)).from_address(address)
        flat = np.frombuffer(memory, self.dtype)
        return np.lib.stride_tricks.as_strided(flat, self.dim, [s * self.dtype.itemsize for s in self.stride])


class pygraph:  # noqa: N801
    """A graph of one operation."""

    refused: str = ""
    """Why no graph is supported."""

    def __init__(
        self, *, io_data_type: Any, intermediate_data_type: Any, compute_data_type: Any, **options: Any
    ) -> None:
        assert intermediate_data_type == compute_data_type == FLOAT
        assert isinstance(options["handle"], Handle)
        self.said: list[str] = []
        self.avoided: set[str] = set()
        MODULE.graphs.append(self)

    def tensor(self, *, dim: list[int], stride: list[int], data_type: Any) -> Tensor:
        assert all(type(n) is int for n in (*dim, *stride))
        return Tensor(dim, stride, data_type)

    def _record(self, name: str, operands: list[Tensor], params: dict[str, Any], results: int) -> list[Tensor]:
        self.name, self.operands, self.params = name, operands, params
        self.results = [Tensor() for _ in range(results)]
        return self.results

    def conv_fprop(self, *, image: Tensor, weight: Tensor, **params: Any) -> Tensor:
        return self._record("conv_fprop", [image, weight], params, 1)[0]

    def conv_dgrad(self, *, loss: Tensor, filter: Tensor, **params: Any) -> Tensor:
        return self._record("conv_dgrad", [loss, filter], params, 1)[0]

    def conv_wgrad(self, *, image: Tensor, loss: Tensor, **params: Any) -> Tensor:
        return self._record("conv_wgrad", [image, loss], params, 1)[0]

    def sdpa(self, *, q: Tensor, k: Tensor, v: Tensor, **params: Any) -> Any:
        assert params.pop("generate_stats")
        return self._record("sdpa", [q, k, v], params, 2)

    def sdpa_backward(
        self, *, q: Tensor, k: Tensor, v: Tensor, o: Tensor, dO: Tensor, stats: Tensor, **params: Any
    ) -> Any:
        return self._record("sdpa_backward", [dO, q, k, v, o, stats], params, 3)

    def validate(self) -> None:
        self.said.append("validate")
        uids = [x.uid for x in (*self.operands, *self.results)]
        assert len(set(uids)) == len(uids) and 0 not in uids and all(x.output for x in self.results)
        for x in (*self.operands, *self.results):
            assert len(x.dim) == len(x.stride) and min(x.dim) > 0
            if self.name.startswith("conv") and x.stride not in (_rows(x.dim), _last(x.dim)):
                raise cudnnGraphNotSupportedError("strides of no order")
            if self.name.startswith("sdpa") and x.dtype != FLOAT and (x.stride[-1] != 1 or x.dim[-1] % 8):
                raise cudnnGraphNotSupportedError("hidden_dim should be multiple of 8")

    def build_operation_graph(self) -> None:
        self.said.append("build_operation_graph")

    def create_execution_plans(self, modes: list[Any]) -> None:
        self.said.append("create_execution_plans")

    def deselect_numeric_notes(self, notes: list[Any]) -> None:
        self.avoided = set(notes)

    def check_support(self) -> None:
        self.said.append("check_support")
        if pygraph.refused:
            raise cudnnGraphNotSupportedError(pygraph.refused)

    def build_plans(self) -> None:
        assert self.said == ["validate", "build_operation_graph", "create_execution_plans", "check_support"]
        self.said.append("build_plans")

    def get_workspace_size(self) -> int:
        return WORKSPACE if self.name != "conv_fprop" else 0

    def execute(self, places: dict[int, int], workspace: int, handle: Any = None) -> None:
        assert self.said[-1] == "build_plans" and isinstance(handle, Handle) and handle.stream == MODULE.current()
        assert set(places) == {x.uid for x in (*self.operands, *self.results)}
        MODULE.runs.append((self, workspace))

        def run() -> None:
            if self.get_workspace_size():
                ctypes.memset(workspace, 0x7F, self.get_workspace_size())
            given = [np.asarray(x.at(places[x.uid]), np.float64) for x in self.operands]
            found = getattr(self, f"_{self.name}")(*given)
            for x, y in zip(self.results, found if isinstance(found, tuple) else (found,), strict=True):
                x.at(places[x.uid])[...] = y.astype(x.dtype)

        MODULE.issued(run)

    # ---- what each computes -----------------------------------------------------------------------------------------

    def _taps(self, x: Any, kernel: Any) -> Iterator[tuple[Any, Any]]:
        """For each place in the kernel, its index, and that of what lies there in the padded image."""
        windows = (self.results[0] if self.name == "conv_fprop" else self.operands[self.name == "conv_wgrad"]).dim[2:]
        for place in it.product(*map(range, kernel)):
            steps = zip(place, self.params["dilation"], self.params["stride"], windows, strict=True)
            yield place, (..., *(slice(p * d, p * d + (n - 1) * s + 1, s) for p, d, s, n in steps))

    def _padded(self, x: Any) -> Any:
        return np.pad(x, [(0, 0), (0, 0), *zip(self.params["pre_padding"], self.params["post_padding"], strict=True)])

    def _conv_fprop(self, x: Any, w: Any) -> Any:
        groups, x = x.shape[1] // w.shape[1], self._padded(x)
        parts = np.split(w, groups)
        out = 0.0
        for place, tap in self._taps(x, w.shape[2:]):
            pieces = zip(np.split(x[tap], groups, 1), parts, strict=True)
            out = out + np.concatenate([np.einsum("nc...,oc->no...", a, b[(..., *place)]) for a, b in pieces], 1)
        return out

    def _conv_dgrad(self, g: Any, w: Any) -> Any:
        n, c, *size = self.results[0].dim
        groups = c // w.shape[1]
        out = self._padded(np.zeros((n, c, *size)))
        for place, tap in self._taps(out, w.shape[2:]):
            pieces = zip(np.split(g, groups, 1), np.split(w, groups), strict=True)
            out[tap] += np.concatenate([np.einsum("no...,oc->nc...", a, b[(..., *place)]) for a, b in pieces], 1)
        pre = self.params["pre_padding"]
        return out[(..., *(slice(p, p + k) for p, k in zip(pre, size, strict=True)))]

    def _conv_wgrad(self, x: Any, g: Any) -> Any:
        o, c, *kernel = self.results[0].dim
        groups, x = x.shape[1] // c, self._padded(x)
        out = np.zeros((o, c, *kernel))
        for place, tap in self._taps(x, kernel):
            pieces = zip(np.split(x[tap], groups, 1), np.split(g, groups, 1), strict=True)
            out[(..., *place)] = np.concatenate([np.einsum("ncs,nos->oc", *map(_flat, pair)) for pair in pieces])
        return out

    def _weights(self, q: Any, k: Any) -> tuple[Any, Any]:
        scores = self.params["attn_scale"] * np.einsum("bhnd,bhmd->bhnm", q, k)
        if self.params["use_causal_mask"]:
            scores = np.where(np.tri(*scores.shape[-2:]) > 0, scores, -np.inf)
        logarithms = np.log(np.sum(np.exp(scores), -1, keepdims=True))
        return np.exp(scores - logarithms), logarithms

    def _sdpa(self, q: Any, k: Any, v: Any) -> Any:
        weights, logarithms = self._weights(q, k)
        return weights @ v, logarithms

    def _sdpa_backward(self, g: Any, q: Any, k: Any, v: Any, o: Any, stats: Any) -> Any:
        weights, logarithms = self._weights(q, k)
        assert np.allclose(stats, logarithms, atol=2e-2)
        moved = g @ v.swapaxes(-1, -2)
        scores = self.params["attn_scale"] * weights * (moved - np.sum(g * o, -1, keepdims=True))
        return scores @ k, scores.swapaxes(-1, -2) @ q, weights.swapaxes(-1, -2) @ g


def _flat(x: Any) -> Any:
    return x.reshape(*x.shape[:2], -1)


class Handle:
    """A handle, on a stream."""

    stream = 0


def _rows(shape: list[int]) -> list[int]:
    return [math.prod(shape[k + 1 :]) for k in range(len(shape))]


def _last(shape: list[int]) -> list[int]:
    first, *rest, last = _rows([shape[0], *shape[2:], shape[1]])
    return [first, last, *rest]


def _set_stream(*, handle: Handle, stream: int) -> None:
    handle.stream = stream


class _Notes:
    def __getattr__(self, name: str) -> str:
        return name


MODULE = types.SimpleNamespace(
    data_type=types.SimpleNamespace(HALF=HALF, BFLOAT16=BFLOAT16, FLOAT=FLOAT),
    heur_mode=types.SimpleNamespace(A=0, FALLBACK=1),
    numerical_note=_Notes(),
    cudnnGraphNotSupportedError=cudnnGraphNotSupportedError,
    pygraph=pygraph,
    create_handle=Handle,
    destroy_handle=lambda handle: None,
    set_stream=_set_stream,
    current=lambda: 77,
    graphs=[],
    runs=[],
    issued=lambda run: run(),
)
"""The module; ``graphs`` were written and ``runs`` begun, each with the address of its workspace;
``current`` gives the stream that calls have to be on, and ``issued`` does something there."""
