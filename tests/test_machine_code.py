"""What the kernels that are to be fast are compiled to: pip install "gpugrad[nvrtc]", which needs no GPU."""

from __future__ import annotations

import functools as ft
from pathlib import Path
from typing import Any

import pytest
from gpu_plans import table, workloads

import gpugrad as gg
from gpugrad import errors
from gpugrad.codegen.gpu_launch import VECTOR, WARP, Device
from gpugrad.cuda import machine_code, nvrtc
from gpugrad.cuda.host import COMPILER
from gpugrad.cuda.machine_code import Function, functions

try:
    nvrtc._nvrtc()
    machine_code.disassembler()
except errors.MissingExtraError as missing:
    pytest.skip(str(missing), allow_module_level=True)
pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler, without which the host makes no plans")

IN_CI = ["sm_90", *(pytest.param(a, marks=pytest.mark.slow) for a in ("sm_80", "sm_100", "sm_120"))]
DTYPES = ("float32", "bfloat16")
ROWS = 4096
PARAMETERS = [*12 * [(768, 768), (768,)], (50257, 64)]
"""Several of one shape, which one kernel has together."""
WORKLOADS = list(workloads.workloads(ROWS, PARAMETERS))
DIVISION = r"I2F.*RP|F2I.*U32.*TRUNC"
"""The instructions that a division of integers begins with."""
IN_FLIGHT = 24_000
"""Bytes that the threads of a processor ask for at once, at least: with fewer they mostly wait for memory."""


@ft.cache
def kernels(name: str, dtype: str) -> list[Any]:
    """The kernels of a workload that go over its large arrays."""
    with workloads.plan_of(workloads.workloads(ROWS, PARAMETERS)[name], dtype) as plan:
        found = workloads.kernels_of(plan)
    return [k for k in found if k.call.elements >= 100_000]


@ft.cache
def compiled(architecture: str) -> dict[str, dict[str, Function]]:
    """The text of each kernel -> its functions."""
    texts = [k.text for name in WORKLOADS for dtype in DTYPES for k in kernels(name, dtype)]
    texts = list(dict.fromkeys(texts))
    return dict(zip(texts, functions(texts, architecture), strict=True))


@pytest.mark.parametrize("architecture", IN_CI)
def test_kernels_that_are_to_be_fast(architecture: str) -> None:
    for name in WORKLOADS:
        for dtype in DTYPES:
            assert kernels(name, dtype)
            for kernel in kernels(name, dtype):
                code, what = compiled(architecture)[kernel.text], f"{name}, {dtype}:\n{kernel.text}"
                for function in code.values():
                    plain(function, what)
                wide(kernel, code, what)
                occupied(kernel, code, what)


def plain(function: Function, what: str) -> None:
    """It keeps to its registers, computes in single precision, and knows where elements are without dividing."""
    assert not function.spilled and not function.named("LDL|STL"), what
    assert function.shared < 48 * 1024, what
    assert not function.named(r"D(ADD|MUL|FMA|SETP|MNMX)|\w+\.F64"), what
    for loop in function.main_loops:
        assert not function.named(DIVISION, loop), what


def wide(kernel: Any, code: dict[str, Function], what: str) -> None:
    """Accesses to rows are of 16 bytes, but for both ends of rows that begin anywhere."""
    function, form = code["kernel"], kernel.schedule.form
    loops = [{i.bytes for i in function.named("LDG|STG", loop)} for loop in function.main_loops]
    assert any(VECTOR in loop for loop in loops), what
    assert sum(VECTOR not in loop for loop in loops) <= (kernel.call.kernel.passes if form.ragged else 0), what
    of_rows = [i for loop in function.main_loops for i in function.named("LDG|STG", loop)]
    narrow = sum(1 for i in of_rows if i.bytes != VECTOR)
    assert narrow <= (2 * kernel.call.kernel.passes if form.ragged else 0), what


@pytest.mark.parametrize("dtype", DTYPES)
def test_positions_of_64_bits_are_no_reason_to_store_one_by_one(dtype: str) -> None:
    """As are those of 32768 rows of logits, in which the compiler does not find neighbours by itself."""
    for name in ("cross entropy of 50257, forward and backward", "cross entropy of 50304, forward and backward"):
        with workloads.plan_of(workloads.workloads(1 << 15)[name], dtype) as plan:
            (kernel,) = (k for k in workloads.kernels_of(plan) if k.call.elements >= 1 << 30)
        assert kernel.schedule.form.wide
        (code,) = functions([kernel.text], "sm_90")
        plain(code["kernel"], kernel.text)
        wide(kernel, code, kernel.text)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_processor_computes_as_fast_as_it_is_to_move(dtype: str) -> None:
    """No unit has more to do than it does in the time that the bytes may take."""
    assert workloads.MARKS.keys() == set(WORKLOADS)
    for name, mark in workloads.MARKS.items():
        for kernel in kernels(name, dtype):
            found = table.of_element(kernel, compiled("sm_90")[kernel.text])
            assert found is not None and table.share(kernel, found) > mark, (name, found)


def occupied(kernel: Any, code: dict[str, Function], what: str) -> None:
    """A processor has registers for enough threads, which ask for enough at once."""
    launch = kernel.schedule.launches[0]
    columns, rows = launch.block
    assert code["kernel"].threads(columns * rows, launch.shared) >= 512, what
    assert table.in_flight(kernel, code["kernel"], 1) >= IN_FLIGHT, what


@pytest.mark.parametrize("name", WORKLOADS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_plans_move_what_they_must(name: str, dtype: str) -> None:
    with workloads.plan_of(workloads.workloads(parameters=PARAMETERS)[name], dtype) as plan:
        moved = sum(map(table.moved, workloads.kernels_of(plan)))
        assert 1.0 <= moved / table.least(plan) < 1.1


def test_a_row_is_read_once_and_kept() -> None:
    (kernel,) = kernels("softmax", "float32")
    function = compiled("sm_90")[kernel.text]["kernel"]
    (loop,) = function.main_loops
    assert kernel.schedule.form.held == len(function.named("LDG", loop)) == len(function.named("STG", loop)) == 4


@pytest.mark.parametrize("architecture", IN_CI)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("classes", [50257, 50304])
def test_a_row_that_is_too_long_for_registers_is_read_once(classes: int, dtype: str, architecture: str) -> None:
    """Into shared memory, where each pass finds it; there a processor has as many rows as it has room for."""
    (kernel,) = kernels(f"cross entropy of {classes}, forward and backward", dtype)
    function = compiled(architecture)[kernel.text]["kernel"]
    form, launch, passes = kernel.schedule.form, kernel.schedule.launches[0], kernel.call.kernel.passes
    assert passes == 3 and form.staged == (2 if dtype == "bfloat16" else 1)
    assert function.threads(launch.block[0], launch.shared) == form.staged * launch.block[0] == 1024
    read = [[i.name for i in function.named("LDG", loop)] for loop in function.innermost("LDG")]
    whole = [names for names in read if all(name.startswith("LDGSTS") and name.endswith("128") for name in names)]
    assert len(whole) == 1 and len(read) == 1 + form.ragged
    there = [{i.bytes for i in function.named("LDS", loop)} for loop in function.innermost("LDS")]
    assert sum(VECTOR in loop for loop in there) >= passes


def test_loops_of_all_rows_are_begun_before_they_are_needed() -> None:
    (kernel,) = kernels("sum of columns", "bfloat16")
    function = compiled("sm_90")[kernel.text]["kernel"]
    (loop,) = function.main_loops
    assert [i.bytes for i in function.named("LDG", loop)] == [VECTOR] * 4


def key() -> Any:
    return gg.random.key(0).to("cuda")


DROPPING: dict[str, Any] = {
    "dropout": lambda x, key: gg.random.dropout(x, 0.1, key=key),
    "dropout of a softmax": lambda x, key: gg.random.dropout(gg.softmax(x, axis=-1), 0.1, key=key),
}
WITHOUT: dict[str, Any] = {
    "dropout": lambda x, key: gg.where(x > 0.1, x * 2.0, 0.0),
    "dropout of a softmax": lambda x, key: gg.softmax(x, axis=-1),
}
BLOCK = 64
"""Instructions that a block of Philox takes: ten rounds of two products, two three-way operations and two additions."""
COMPARED = 3
"""Those that an element takes of a word beyond it."""


@pytest.mark.parametrize("architecture", IN_CI)
@pytest.mark.parametrize("dtype", DTYPES)
def test_words_are_drawn_by_blocks(dtype: str, architecture: str) -> None:
    """Of four for as many elements, in registers, beside accesses of 16 bytes to what is in memory."""
    for name, f in DROPPING.items():
        found = []
        for program in (f, WITHOUT[name]):
            make = ft.partial(lambda program, d: (program, (workloads.array((ROWS, 1024), d), key())), program)
            with workloads.plan_of(make, dtype) as plan:
                (kernel,) = workloads.kernels_of(plan)
                moved = table.moved(kernel)
            (code,) = functions([kernel.text], architecture)
            plain(code["kernel"], kernel.text)
            wide(kernel, code, kernel.text)
            occupied(kernel, code, kernel.text)
            assert moved <= 2 * ROWS * 1024 * gg.dtypes.dtype(dtype).itemsize + 8, kernel.text
            found.append(sum(table.of_element(kernel, code).values()))
        assert found[0] - found[1] <= BLOCK / 4 + COMPARED, (name, found)


# ---- the reader itself -----------------------------------------------------------------------------------------------

LOOPS = """
extern "C" __global__ void __launch_bounds__(512) kernel(const float* x, double* y, int n, int m)
{
    __shared__ float tile[64];
    for (int i = threadIdx.x; i < n; i += blockDim.x) {
        float sum = 0.0f;
        #pragma unroll 1
        for (int k = 0; k < m; ++k) sum += x[i * m + k];
        tile[threadIdx.x] = sum;
        __syncthreads();
        y[i] = double(sum) * tile[0] + i % m;
    }
}
extern "C" __global__ void __launch_bounds__(512) spills(float* x, int n)
{
    float held[32];
    #pragma unroll 1
    for (int k = 0; k < 32; ++k) held[k] = x[k * n];
    for (int k = 0; k < n; ++k) x[k] = held[(k * 7) & 31];
}
"""


@pytest.mark.parametrize("architecture", IN_CI)
def test_reading(architecture: str) -> None:
    (code,) = functions([LOOPS], architecture)
    kernel, spills = code["kernel"], code["spills"]
    outer, inner = sorted((loop for loop in kernel.loops if kernel.named("LDG", loop)), key=len, reverse=True)
    assert inner < outer and not kernel.named("STG", inner)
    assert [i.bytes for i in kernel.named("STG", outer)] == [8] and {i.bytes for i in kernel.named("LDG", inner)} == {4}
    assert kernel.main_loops == [inner]
    assert kernel.named(r"D(ADD|MUL|FMA)") and kernel.named(r"\w+\.F64")
    assert kernel.named(DIVISION, outer), "a division of integers is not seen"
    assert kernel.shared >= 256 and not kernel.spilled and 8 <= kernel.registers <= 64
    assert spills.named("STL") and spills.named("LDL")
    assert kernel.threads(64) <= 2048 and kernel.threads(64) % WARP == 0


def test_a_disassembler_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_code.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(errors.MissingExtraError, match=r'nvdisasm, is not installed: pip install "gpugrad\[nvrtc\]"'):
        functions([LOOPS], "sm_90")


def test_nothing_runs_on_paper() -> None:
    with gg.use_backend("on_paper"):
        x = workloads.array((1 << 20, 1 << 20), "float32")
        assert x.device == "cuda:0" and x._data.strides == (0, 0)
    assert Device().processors == 132


def test_the_table(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "RESULT", tmp_path / "computed.md")
    chosen = {name: workloads.workloads(ROWS, PARAMETERS)[name] for name in ("softmax", "sum of columns")}
    monkeypatch.setattr(table, "workloads", lambda: chosen)
    assert table.main() == 0
    written = (tmp_path / "computed.md").read_text()
    assert "computed, not measured" in capsys.readouterr().out and "Nothing here ran on a GPU" in written
    rows = [line for line in written.splitlines() if line.startswith("| softmax | float32 | rows")]
    assert len(rows) == 1 and "128 bit" in rows[0] and "33.6 MB" in rows[0]
