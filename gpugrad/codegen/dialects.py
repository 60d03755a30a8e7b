"""The languages that a loop kernel can be printed in."""

from __future__ import annotations

from collections.abc import Sequence

from gpugrad.codegen import cuda_printer, numba_cuda_printer, numba_printer
from gpugrad.codegen.gpu_launch import schedule, spans
from gpugrad.codegen.loops import LoopKernel
from gpugrad.errors import ArgumentError

DIALECTS = ("numba", "cuda", "numba_cuda")


def check(dialect: str) -> None:
    """ArgumentError for what is no dialect."""
    if dialect not in DIALECTS:
        known = ", ".join(map(repr, DIALECTS))
        raise ArgumentError(f"sources: dialect={dialect!r}; expected one of {known}")


def text_in(dialect: str, kernel: LoopKernel, shapes: Sequence[tuple[int, ...]], given: Sequence[int]) -> str:
    """A kernel's text with the user's lines beside it, for arrays of such shapes and axes of given sizes."""
    check(dialect)
    if dialect == "numba":
        return numba_printer.printed(kernel, sites=True)
    plain = dialect == "numba_cuda"
    form = schedule(kernel, spans(kernel, shapes, given), plain=plain).form
    print_in = numba_cuda_printer.printed if plain else cuda_printer.printed
    return print_in(kernel, form, sites=True)
