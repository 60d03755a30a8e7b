"""Every kernel is taken by NVIDIA's own compiler, which needs no GPU: pip install "gpugrad[nvrtc]"."""

from __future__ import annotations

import functools as ft
import re
from pathlib import Path
from typing import Any

import pytest
from cases import rows, sample
from gpu_programs import DEVICES, PROGRAMS
from printed_kernels import Ran, ran
from test_gpu_printers import jobs_of, pulled, results_of
from test_table import differentiable, differentiated, picked

import gpugrad as gg
from gpugrad import errors
from gpugrad.cuda import nvrtc
from gpugrad.cuda.host import together

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
        assert all(int(n) <= 64 for n in re.findall(r"Used (\d+) registers", said)), said


@ft.cache
def texts_of_programs() -> list[str]:
    found: list[Ran] = []
    for f, args in PROGRAMS.values():
        found += ran(f, *args)
    return list(dict.fromkeys(text for _, _, text in jobs_of(found, list(DEVICES.values()))))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_programs_of_every_form(architecture: str) -> None:
    nvrtc.compiled_now(together(texts_of_programs()), architecture)


PARTS = 8


@pytest.mark.parametrize("part", range(PARTS))
def test_rows_of_the_table(part: int) -> None:
    """Each row's kernels and those of its derivative, in two precisions, for one architecture after another."""
    found: list[Ran] = []
    for given in rows("jit")[part::PARTS]:
        case: Any = given.values[0] if hasattr(given, "values") else given
        args = sample(case)
        for precision in ("float64", "bfloat16"):
            if precision in case.without:
                continue
            xs = [gg.asarray(a) if a.dtype.kind != "f" else gg.astype(gg.asarray(a), precision) for a in args]
            found += ran(ft.partial(results_of, case), *xs)
            if precision == "float64" and differentiable(case):
                found += ran(ft.partial(pulled, differentiated(case, args)), *picked(case, args))
    devices = list(DEVICES.values())
    jobs = {text: None for k, r in enumerate(found) for _, _, text in jobs_of([r], [devices[k % len(devices)]])}
    assert len(jobs) > 50
    nvrtc.compiled_now(together(list(jobs)), ARCHITECTURES[part % len(ARCHITECTURES)])


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
