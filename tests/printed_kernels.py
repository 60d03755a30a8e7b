"""The kernels of compiled functions, each with what it read and wrote when Python ran the text for the CPU."""

from __future__ import annotations

import functools as ft
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from interpreted import interpreted

import gpugrad as gg
from gpugrad.backends import numba_kernels
from gpugrad.codegen.gpu_launch import spans
from gpugrad.codegen.loops import ELEMENT, Array, LoopKernel
from gpugrad.codegen.numba_printer import printed
from gpugrad.cuda.numba_simulator import mathematics
from gpugrad.dtypes import is_half
from gpugrad.graph.calls import KernelCall
from gpugrad.graph.plan import named_alike
from gpugrad.kernels import philox_numpy
from gpugrad.transforms.program import Compiled


@dataclass(eq=False)
class Ran:
    """One call of a kernel."""

    kernel: LoopKernel
    sizes: tuple[int, ...]
    """Of its axes."""
    before: list[Any]
    """Its arrays as they were."""
    after: list[Any]

    def agrees(self, got: Sequence[Any], what: str, strict: bool = False) -> None:
        """Compare arrays (without those of scratch) with what the text for the CPU has made of them.

        Within what rounding makes of the largest number that is there or, if ``strict``, of each number.
        """
        k = self.kernel
        wanted = [(a, x) for a, x in zip(k.arrays, self.after, strict=True) if not a.scratch]
        single = any(str(s.dtype) in ("float32", "complex64") for s in k.steps)
        read = {id(s.operands[0]) for s in k.steps if s.op == "read"}
        given = [x for a, x in zip(k.arrays, self.before, strict=True) if id(a) in read]  # elsewhere is anything
        there = [x for a, x in zip(k.arrays, self.after, strict=True) if not a.scratch]
        numbers = [x[np.isfinite(x)] for x in (*given, *there) if x.dtype.kind in "fc"]
        scale = max((float(np.max(np.abs(x), initial=0.0)) for x in numbers), default=0.0)
        for (a, want), have in zip(wanted, got, strict=True):
            if not a.written:  # another of the kernel's arrays may lie where it lay
                continue
            if is_half(want.dtype):
                np.testing.assert_allclose(
                    have.astype(np.float32), want.astype(np.float32), rtol=0.01, atol=1e-6, err_msg=f"{what}: {a.name}"
                )
                continue
            exact = want.dtype.kind not in "fc"
            rtol = 0.0 if exact else (3e-6 if strict else 3e-5) if single else (3e-14 if strict else 1e-11)
            atol = (1e-44 if single else 0.0) if strict else rtol * scale
            np.testing.assert_allclose(have, want, rtol=rtol, atol=atol, err_msg=f"{what}: {a.name} of\n{printed(k)}")


@contextmanager
def watched() -> Iterator[list[Ran]]:
    """Kernels that run, in order, as Python runs them."""
    seen: list[Ran] = []
    known: dict[str, list[LoopKernel]] = {}
    patch = pytest.MonkeyPatch()
    original = Compiled.__init__

    def compiled(text: str, kinds: Any) -> Callable[..., None]:
        run = interpreted(text)

        def call(*arguments: Any) -> None:
            alike = [k for k in known.get(text, ()) if _takes(k, arguments)]
            if not alike:  # a loop that is written by hand
                run(*arguments)
                return
            kernel = alike[0]
            n = len(kernel.arrays)
            before = [x.copy() for x in arguments[:n]]
            run(*arguments)
            sizes = spans(kernel, [x.shape for x in before], arguments[n:])
            arrays = [[_seen(a, x) for a, x in zip(kernel.arrays, xs, strict=True)] for xs in (before, arguments[:n])]
            seen.append(Ran(kernel, sizes, *arrays))

        return call

    def init(self: Any, *args: Any) -> None:
        original(self, *args)
        for c in self.plan.memory.calls:
            if isinstance(c, KernelCall):
                known.setdefault(named_alike(c.kernel, printed), []).append(c.kernel)

    patch.setattr(numba_kernels, "compiled", compiled)
    patch.setattr(Compiled, "__init__", init)
    patch.setattr("interpreted.math", mathematics())
    try:
        yield seen
    finally:
        patch.undo()


def _takes(kernel: LoopKernel, arguments: Sequence[Any]) -> bool:
    """Whether a kernel is for arrays of these dtypes, which its text alone does not say."""
    return all(a.dtype == x.dtype or is_half(a.dtype) for a, x in zip(kernel.arrays, arguments, strict=False))


def _seen(a: Array, x: Any) -> Any:
    """A copy of an array in its own dtype, which half precision has not for the CPU's kernels."""
    return x.copy() if x.dtype == a.dtype else x.copy().view(a.dtype)


def drawn(f: Callable[..., Any], *args: Any) -> list[Ran]:
    """The kernels of a function as they are for a GPU: what are random words of a key among the arguments, they draw."""
    keys = [x.numpy() for x in args if x.dtype == np.uint32 and x.shape == (2,)]
    found = ran(f, *args)
    for r in found:
        for k, a in enumerate(r.kernel.arrays):
            x = r.before[k]
            if not a.written and x.dtype in (np.uint32, np.uint64):
                draw = ft.partial(philox_numpy.random_bits, shape=x.shape, width=8 * x.itemsize)
                made_by = [key for key in keys if np.array_equal(draw(key), x)]
                if made_by:
                    a.drawn, r.before[k] = True, made_by[0]
        known = len(r.kernel.arrays)
        r.kernel.keep_dear()
        for arrays in (r.before, r.after):
            arrays += [np.zeros(0, a.dtype) for a in r.kernel.arrays[known:]]
    return [r for r in found if any(a.drawn for a in r.kernel.arrays)]


def ran(f: Callable[..., Any], *args: Any) -> list[Ran]:
    """The kernels of a function that is compiled and called once."""
    with watched() as seen:
        gg.jit(f)(*args)
    return [r for r in seen if not _of_the_cpu(r.kernel)]


def _of_the_cpu(kernel: LoopKernel) -> bool:
    """Whether it writes over what it reads again where no row of working memory keeps what that leads to, as on a GPU."""
    bare = kernel.without_scratch()
    later = [
        (s.operands[0], a)
        for w, a in bare.writes
        if w.level == ELEMENT
        for turn in range(w.turn + 1, bare.passes)
        for s in bare.needed_in(turn)
        if s.op == "read"
    ]
    return any(read is a for read, a in later)
