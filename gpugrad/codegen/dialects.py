"""The languages that a loop kernel can be printed in."""

from __future__ import annotations

from collections.abc import Sequence

from gpugrad.codegen import cuda_printer, numba_cuda_printer, numba_printer
from gpugrad.codegen.gpu_launch import H100, Device, Schedule, schedule, spans
from gpugrad.codegen.loops import LoopKernel
from gpugrad.errors import ArgumentError

TITLES = {"numba": "Numba", "cuda": "CUDA C++", "numba_cuda": "Numba CUDA"}
"""Dialect -> what people call it."""


def check(dialect: str) -> None:
    """ArgumentError for what is no dialect."""
    if dialect not in TITLES:
        known = ", ".join(map(repr, TITLES))
        raise ArgumentError(f"sources: dialect={dialect!r}; expected one of {known}")


def scheduled(
    dialect: str, kernel: LoopKernel, shapes: Sequence[tuple[int, ...]], given: Sequence[int], device: Device = H100
) -> Schedule:
    """How a kernel runs on a GPU in a dialect, for arrays of such shapes and axes of given sizes."""
    return schedule(kernel, spans(kernel, shapes, given), device, plain=dialect == "numba_cuda")


def printed(dialect: str, kernel: LoopKernel, plan: Schedule, sites: bool = False) -> str:
    """A kernel's text in a dialect for GPUs; UnsupportedError if that has no word for something in it."""
    print_in = numba_cuda_printer.printed if dialect == "numba_cuda" else cuda_printer.printed
    return print_in(kernel, plan.form, sites)


def text_in(dialect: str, kernel: LoopKernel, shapes: Sequence[tuple[int, ...]], given: Sequence[int]) -> str:
    """A kernel's text with the user's lines beside it, for arrays of such shapes and axes of given sizes."""
    check(dialect)
    if dialect == "numba":
        return numba_printer.printed(kernel, sites=True)
    return printed(dialect, kernel, scheduled(dialect, kernel, shapes, given), sites=True)
