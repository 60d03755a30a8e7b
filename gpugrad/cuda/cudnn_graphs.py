"""What is asked of cuDNN, written as graphs of its frontend: convolution and attention, with their derivatives.

Arrays are as cuDNN is told of them, operands before results; in a graph they are numbered so, from 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from gpugrad.cuda.cudnn_layout import Laid, in_two_axes

CONVOLUTIONS = {
    "conv": ("conv_fprop", "image", "weight"),
    "conv_input": ("conv_dgrad", "loss", "filter"),
    "conv_weight": ("conv_wgrad", "image", "loss"),
}
"""Primitive -> what it is called, and its operands, in cuDNN."""

ATTENTION = frozenset({"attention", "attention_back"})
"""Primitives."""


class Numbers(NamedTuple):
    """How precisely is computed."""

    tf32: bool
    """Whether factors in float32 may be rounded to 10 bits."""
    deterministic: bool
    """Whether each run gives the same bits."""


class Planned(NamedTuple):
    """A graph that can be run."""

    graph: Any
    workspace: int
    """Bytes that it needs beside its arrays."""


def planned(
    frontend: Any, options: dict[str, Any], name: str, dtype: str, arrays: Sequence[Laid], numbers: Numbers, params: Any
) -> Planned:
    """One of ``CONVOLUTIONS`` or ``ATTENTION``, by the plan that the library thinks is the quickest of those that may be used.

    Raises the frontend's ``cudnnGraphNotSupportedError`` where there is none.
    """
    writing = _Writing(frontend, options, dtype, arrays, numbers, params)
    avoided = ["DOWN_CONVERT_INPUTS", "REDUCED_PRECISION_REDUCTION"]
    if name == "attention":
        writing.attention()
    elif name == "attention_back":
        writing.attention_back()
    else:
        writing.convolution(*CONVOLUTIONS[name])
        if numbers.deterministic:
            avoided.append("NONDETERMINISTIC")
        if dtype == "float32" and not numbers.tf32:
            avoided += ["TENSOR_CORE", "WINOGRAD", "FFT"]  # which round factors, or add up in another way
    graph = writing.graph
    graph.validate()
    graph.build_operation_graph()
    graph.create_execution_plans([frontend.heur_mode.A, frontend.heur_mode.FALLBACK])
    graph.deselect_numeric_notes([getattr(frontend.numerical_note, note) for note in avoided])
    graph.check_support()
    graph.build_plans()
    return Planned(graph, int(graph.get_workspace_size()))


class _Writing:
    """A graph that is being written."""

    def __init__(
        self, frontend: Any, options: dict[str, Any], dtype: str, arrays: Sequence[Laid], numbers: Numbers, params: Any
    ) -> None:
        types = frontend.data_type
        self.dtype = {"float16": types.HALF, "bfloat16": types.BFLOAT16, "float32": types.FLOAT}[dtype]
        self.single = types.FLOAT
        self.graph = frontend.pygraph(
            io_data_type=self.dtype, intermediate_data_type=types.FLOAT, compute_data_type=types.FLOAT, **options
        )
        self.numbers = numbers
        self.params = params
        self.rest: Iterator[tuple[int, Laid]] = enumerate(arrays, 1)
        """The arrays that the graph has not got yet, with their numbers."""

    def operand(self, dtype: Any = None) -> Any:
        """The next array, of the graph's dtype unless given."""
        uid, (shape, strides) = next(self.rest)
        tensor = self.graph.tensor(dim=list(shape), stride=list(strides), data_type=dtype or self.dtype)
        return tensor.set_uid(uid)

    def result(self, tensor: Any, dtype: Any = None) -> None:
        """Let the next array be a result."""
        uid, (shape, strides) = next(self.rest)
        tensor.set_output(True).set_data_type(dtype or self.dtype)
        tensor.set_dim(list(shape)).set_stride(list(strides)).set_uid(uid)

    def convolution(self, call: str, first: str, second: str) -> None:
        """Groups follow from the shapes."""
        stride, padding, dilation = in_two_axes(self.params["stride"], self.params["padding"], self.params["dilation"])
        operands = {first: self.operand(), second: self.operand()}
        pads = {"pre_padding": [lo for lo, _ in padding], "post_padding": [hi for _, hi in padding]}
        self.result(getattr(self.graph, call)(**operands, **pads, stride=list(stride), dilation=list(dilation)))

    def attention(self) -> None:
        """Of q, k and v; beside the result, for the derivative, the logarithm of each row's sum."""
        operands = {name: self.operand() for name in ("q", "k", "v")}
        out, logarithms = self.graph.sdpa(**operands, **self.scores(), generate_stats=True)
        self.result(out)
        self.result(logarithms, self.single)

    def attention_back(self) -> None:
        """The cotangents of q, k and v."""
        operands = {name: self.operand() for name in ("dO", "q", "k", "v", "o")}
        stats = self.operand(self.single)
        same = self.numbers.deterministic
        made = self.graph.sdpa_backward(**operands, stats=stats, **self.scores(), use_deterministic_algorithm=same)
        for tensor in made:
            self.result(tensor)

    def scores(self) -> dict[str, Any]:
        """How products of queries and keys become weights."""
        return {"attn_scale": self.params["scale"], "use_causal_mask": self.params["causal"]}
