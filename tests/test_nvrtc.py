"""Every kernel is taken by NVIDIA's own compiler, which needs no GPU: pip install "gpugrad[nvrtc]"."""

from __future__ import annotations

import functools as ft
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cases import rows, sample
from gpu_plans import workloads  # noqa: F401 - for its backend, on which plans are made and nothing runs
from gpu_programs import DEVICES, DRAWING, PROGRAMS
from printed_kernels import Ran, drawn, ran
from test_gpu_printers import INTEGERS, jobs_of, kernels_of_integers, pulled, results_of
from test_table import differentiable, differentiated, picked

import gpugrad as gg
from gpugrad import errors
from gpugrad.codegen import cuda_printer
from gpugrad.codegen.gpu_launch import Form, schedule, spans
from gpugrad.codegen.loops import LoopKernel
from gpugrad.codegen.numba_scalars import SCALARS as NUMBA
from gpugrad.cuda import nvrtc
from gpugrad.cuda.host import together
from gpugrad.graph.calls import KernelCall
from gpugrad.graph.plan import named_alike
from gpugrad.primitive import registry

try:
    nvrtc._nvrtc()
except errors.MissingExtraError:
    pytest.skip('NVRTC is not installed: pip install "gpugrad[nvrtc]"', allow_module_level=True)
pytestmark = pytest.mark.filterwarnings("ignore::gpugrad.errors.GradientWarning")

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.cu"))
ARCHITECTURES = ("sm_80", "sm_90", "sm_100", "sm_120")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_golden_texts(architecture: str) -> None:
    """They spill nothing and leave registers for as many threads as they are launched with."""
    for file in GOLDEN:
        _, said = nvrtc.compiled_now(file.read_text(), architecture, "--ptxas-options=-v")
        assert "warning" not in said, said
        assert not re.search(r"[1-9]\d* bytes spill", said), said
        assert all(int(n) <= 128 for n in re.findall(r"Used (\d+) registers", said)), said


@ft.cache
def texts_of_programs() -> list[str]:
    found: list[Ran] = []
    for f, args in PROGRAMS.values():
        found += ran(f, *args)
    for f, args in DRAWING.values():
        found += drawn(f, *args)
    return list(dict.fromkeys(text for _, _, text in jobs_of(found, list(DEVICES.values()))))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_programs_of_every_form(architecture: str) -> None:
    nvrtc.compiled_now(together(texts_of_programs()), architecture)


@dataclass(frozen=True)
class Printable:
    """A kernel, and how it is launched."""

    kernel: LoopKernel
    form: Form

    @property
    def text(self) -> str:
        return named_alike(self.kernel, ft.partial(cuda_printer.printed, form=self.form))

    @property
    def parts(self) -> set[Any]:
        """What it is made of: each primitive with its dtypes, each form with the dtypes of its arrays."""
        form = self.form.shape, self.form.held > 0, self.form.ragged, self.form.width
        steps = {
            (s.op, str(s.dtype), *(str(getattr(x, "dtype", type(x))) for x in s.operands)) for s in self.kernel.steps
        }
        return steps | {(form, str(a.dtype), a.written) for a in self.kernel.arrays}


@ft.cache
def kernels_of_the_table() -> list[Printable]:
    """Those of each row, and of its derivative, in each dtype, in the form of one device after another."""
    found: list[tuple[LoopKernel, tuple[int, ...]]] = []
    for given in rows("jit"):
        case: Any = given.values[0] if hasattr(given, "values") else given
        if "backend" in case.without:
            continue
        for precision in ("float32", "float64", "float16", "bfloat16"):
            if precision not in case.without:
                found += planned(case, precision)
    found += [(r.kernel, r.sizes) for dtype in INTEGERS for r in kernels_of_integers(dtype)]
    devices = list(DEVICES.values())
    return [Printable(k, schedule(k, sizes, devices[n % len(devices)]).form) for n, (k, sizes) in enumerate(found)]


def planned(case: Any, precision: str) -> list[tuple[LoopKernel, tuple[int, ...]]]:
    """The kernels of a row's plans, which are made for a device that runs nothing."""
    with gg.use_backend("on_paper"):
        xs = [gg.asarray(a) if a.dtype.kind != "f" else gg.astype(gg.asarray(a), precision) for a in sample(case)]
        xs = [x.to("cuda") for x in xs]
        programs = [(ft.partial(results_of, case), xs)]
        if differentiable(case):
            programs.append((ft.partial(pulled, differentiated(case, xs)), picked(case, xs)))
        plans = [gg.jit(f)._compiled(tuple(args), {}).plan for f, args in programs]
    calls = [call for plan in plans for call in plan.memory.calls if isinstance(call, KernelCall)]
    return [(c.kernel, spans(c.kernel, [shape for _, _, shape in c.arguments], c.sizes)) for c in calls]


@ft.cache
def covering() -> list[str]:
    """Texts in which everything is that any of the kernels is made of."""
    candidates = [(k, k.parts) for k in kernels_of_the_table()]
    missing = set().union(*(parts for _, parts in candidates))
    chosen = []
    for k, parts in sorted(candidates, key=lambda c: -len(c[1])):
        if parts & missing:
            missing -= parts
            chosen.append(k.text)
    return list(dict.fromkeys(chosen))


PARTS = 16
UNFINISHED = "-dlto"
"""Lets the compiler stop when it has understood a text, before it looks for quick code."""


def test_every_kernel_of_the_table() -> None:
    """All are understood, for an architecture, on which they do not depend; and of those in which is whatever any is made of, a
    quarter is compiled to machine code for each. ``pytest -m slow tests/test_nvrtc.py`` does that with all for all.
    """
    headers = "".join(file.read_text() for file in nvrtc.KERNELS.glob("*.cuh")).replace("defined(__CUDA_ARCH__)", "")
    assert set(re.findall(r"__CUDA_ARCH__(.*?\d+)\b", headers)) == {" >= 800"}
    # One test, since finding all kernels takes about as long as compiling those that cover them.
    texts = list(dict.fromkeys(k.text for k in kernels_of_the_table()))
    for part in range(PARTS):
        nvrtc.compiled_now(together(texts[part::PARTS]), ARCHITECTURES[part % 4], UNFINISHED)
    with pytest.raises(errors.UnsupportedError, match="is undefined"):
        nvrtc.compiled_now("__device__ int f() { return not_there; }", "sm_90", UNFINISHED)
    chosen = covering()
    assert len(chosen) > 80
    for k, architecture in enumerate(ARCHITECTURES):
        nvrtc.compiled_now(together(chosen[k :: len(ARCHITECTURES)]), architecture)
    found = set().union(*(k.parts for k in kernels_of_the_table()))
    printable = {name for name in NUMBA if name in registry and name not in ("stop", "positive")}
    assert printable <= {part[0] for part in found}
    for name in ("exp", "add", "where", "reduce_sum"):
        assert {"float32", "float64"} <= {part[1] for part in found if part[0] == name}
    stored = {(part[0][0], part[1]) for part in found if type(part[0]) is tuple}
    floats = ("float16", "bfloat16", "float32", "float64")
    assert {(shape, dtype) for shape in ("map", "rows", "columns", "split") for dtype in floats} <= stored
    assert {("map", dtype) for dtype in INTEGERS} <= stored


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_kernel_of_the_table_for_each_architecture(architecture: str, part: int) -> None:
    texts = list(dict.fromkeys(k.text for k in kernels_of_the_table()))
    nvrtc.compiled_now(together(texts[part::PARTS]), architecture)


def test_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPUGRAD_CACHE_DIR", str(tmp_path))
    text = GOLDEN[0].read_text()
    code = nvrtc.compiled(text, "sm_90")
    assert code[1:4] == b"ELF"
    (file,) = tmp_path.rglob("*.cubin")
    calls = []
    now = nvrtc.compiled_now
    monkeypatch.setattr(nvrtc, "compiled_now", lambda *a: (calls.append(a), now(*a))[1])
    assert nvrtc.compiled(text, "sm_90") == code and not calls
    assert nvrtc.compiled(text, "sm_80") != code and len(calls) == 1
    file.write_bytes(file.read_bytes()[:-7])  # as of a process that was stopped
    assert nvrtc.compiled(text, "sm_90")[1:4] == b"ELF" and len(calls) == 2
    assert nvrtc.compiled(text, "sm_90") and len(calls) == 2


def test_an_empty_log_is_written_to_memory_of_its_own() -> None:
    _, said = nvrtc.compiled_now(GOLDEN[0].read_text(), "sm_90")
    assert not said
    assert bytes([32])[0] == 32  # there is one such object in the process


def test_a_text_that_is_not_taken() -> None:
    text = GOLDEN[0].read_text().replace("+=", "+= not_there +", 1) if "+=" in GOLDEN[0].read_text() else "int x = y;"
    with pytest.raises(errors.UnsupportedError, match=r"does not take a kernel for sm_90:\n +\S.*(\n.*)*is undefined"):
        nvrtc.compiled_now(text, "sm_90")
