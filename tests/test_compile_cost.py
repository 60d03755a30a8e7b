"""What compiling costs, counted: lines of Python that run while a graph is written, simplified, verified and fused."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gpugrad as gg
from gpugrad.graph.fuse import fused
from gpugrad.graph.simplify import simplified
from gpugrad.graph.stage import Stage
from gpugrad.graph.verify import verify_calls, verify_graph
from gpugrad.trace import value
from gpugrad.transforms.tape import EAGER


def chain(x: Any, w: Any, n: int) -> Any:
    for _ in range(n // 2):
        x = x * 1.5 + x
    return x


def layers(x: Any, w: Any, n: int) -> Any:
    total = 0.0
    for _ in range(n // 4):
        x = gg.tanh(x @ w + 0.1)
        total = total + gg.sum(x)
    return total


def many_spaces(x: Any, w: Any, n: int) -> Any:
    """Kernels of as many index spaces as operations: who looks for one to join must not search them all."""
    first = gg.cumsum(w, axis=-1)[0, 0]
    return tuple(gg.exp(gg.broadcast_to(first, (k + 2,))) for k in range(n // 2))


def gradient_of_layers(x: Any, w: Any, n: int) -> Any:
    return gg.grad(lambda x: layers(x, w, n // 3))(x)


def results(x: Any, w: Any, n: int) -> Any:
    """As many results as operations, each read from memory again."""
    return tuple(gg.cumsum(x * float(k), axis=-1) for k in range(n // 2))


def counted(f: Callable[..., Any], n: int) -> int:
    """How many lines of gpugrad run to stage, simplify, verify and fuse ``f`` of about ``n`` operations."""
    lines = 0

    def local(frame: Any, event: str, arg: Any) -> Any:
        nonlocal lines
        lines += event == "line"
        return local

    stage = Stage()
    x, w = (value(stage.input(shape, np.dtype("f8"), "x"), EAGER, None) for shape in ((4, 8), (8, 8)))
    before = sys.gettrace()
    sys.settrace(lambda frame, event, arg: local if "gpugrad" in frame.f_code.co_filename else None)
    try:
        outs = gg.pytree.leaves(f(x, w, n))
        graph = stage.finish([o._data for o in outs])
        after = simplified(graph)
        verify_graph(after, lean=True)
        calls = fused(after)
        verify_calls(after, calls)
    finally:
        sys.settrace(before)
    assert n / 2 <= len(graph.lines) <= 2 * n
    return lines


@pytest.mark.parametrize("f", [chain, layers, many_spaces, gradient_of_layers, results], ids=lambda f: f.__name__)
def test_compiling_is_linear_in_the_size_of_the_graph(f: Callable[..., Any]) -> None:
    counted(f, 100)  # what is found once and kept
    small, large = counted(f, 100), counted(f, 1000)
    assert large < 12 * small


def test_ten_thousand_operations() -> None:
    counted(layers, 100)
    assert counted(layers, 10_000) < 120 * counted(layers, 100)
