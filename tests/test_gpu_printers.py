"""Kernels in CUDA C++ and Numba CUDA: what is printed, and what it computes when the CPU runs it."""

from __future__ import annotations

import functools as ft
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cuda_simulator
import numpy as np
import pytest
from cases import rows, sample
from cuda_on_host import Library
from gpu_programs import DEVICES, DRAWING, PROGRAMS, classes, numbers
from printed_kernels import Ran, drawn, ran
from test_table import differentiable, differentiated, directions, picked, results

import gpugrad as gg
import gpugrad.special
from gpugrad.codegen import cuda_printer, gpu_launch, numba_cuda_printer
from gpugrad.codegen.cuda_scalars import SCALARS as CUDA
from gpugrad.codegen.dialects import TITLES
from gpugrad.codegen.gpu_launch import (
    LARGEST,
    NARROW,
    RESIDENT,
    TAKEN,
    TURNS,
    WARP,
    Device,
    Schedule,
    schedule,
    shape_of,
    working,
)
from gpugrad.codegen.numba_cuda_scalars import SCALARS as NUMBA_CUDA
from gpugrad.codegen.numba_scalars import SCALARS as NUMBA
from gpugrad.cuda.host import COMPILER
from gpugrad.ops.elementwise import sin
from gpugrad.primitive import registry

GOLDEN = Path(__file__).parent / "golden"
REWRITE = bool(os.environ.get("GPUGRAD_REWRITE_GOLDEN"))
"""Set it to write what is printed to the files that it is compared with."""

pytestmark = pytest.mark.filterwarnings("ignore::gpugrad.errors.GradientWarning")
on_host = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler, which would run CUDA C++ on the CPU")


@ft.cache
def kernels(name: str) -> list[Ran]:
    """The kernels of a program."""
    f, args = PROGRAMS.get(name) or DRAWING[name]
    return ran(f, *args) if name in PROGRAMS else drawn(f, *args)


# ---- what is printed ------------------------------------------------------------------------------------------------


def compared(file: str, text: str) -> None:
    """A text is what a file holds."""
    path = GOLDEN / file
    if REWRITE:
        GOLDEN.mkdir(exist_ok=True)
        path.write_text(text)
    assert path.is_file(), f"{path} is missing; GPUGRAD_REWRITE_GOLDEN=1 writes it"
    assert text == path.read_text(), f"{path} is not what is printed; GPUGRAD_REWRITE_GOLDEN=1 writes it anew"


GOLDENS = {
    "map": "usual",
    "map_broadcast": "usual",
    "map_of_one_number": "usual",
    "row_sum": "usual",
    "column_sum": "usual",
    "softmax": "usual",
    "layer_norm_backward": "usual",
    "cross_entropy_backward": "usual",
    "softmax_and_column_sum": "small",
    "long_softmax_of_an_odd_length": "shared",
    "sum_of_all": "small",
    "dropout_of_bfloat16": "usual",
    "dropout_after_softmax": "usual",
}


@pytest.mark.parametrize("name", GOLDENS)
def test_golden(name: str) -> None:
    device = DEVICES[GOLDENS[name]]
    for k, r in enumerate(kernels(name)):
        form = schedule(r.kernel, r.sizes, device).form
        compared(f"{name}_{k}.cu", cuda_printer.printed(r.kernel, form))
        if name in PROGRAMS:
            form = schedule(r.kernel, r.sizes, device, plain=True).form
            compared(f"{name}_{k}.py", numba_cuda_printer.printed(r.kernel, form))


def test_no_golden_text_is_left_over() -> None:
    known = {f"{name}_{k}.{ending}" for name in GOLDENS for k in range(len(kernels(name))) for ending in ("cu", "py")}
    known -= {f"{name}_{k}.py" for name in DRAWING for k in range(len(kernels(name)))}
    assert {path.name for path in GOLDEN.iterdir() if path.is_file()} == known


def test_programs_have_every_form() -> None:
    found = {shape_of(r.kernel, r.sizes, d) for name in PROGRAMS for r in kernels(name) for d in DEVICES.values()}
    assert found == {"map", "rows", "columns", "split"}


def test_sources_in_every_dialect() -> None:
    f = gg.jit(lambda θ: gg.softmax(2.0 * θ, axis=-1))  # the user's line
    x = numbers(4, 8)
    texts = {dialect: f.sources(x, dialect=dialect)["kernel_0"] for dialect in TITLES}
    assert f.sources(x)["kernel_0"] == texts["numba"]
    assert 'extern "C" __global__' in texts["cuda"] and "@cuda.jit" in texts["numba_cuda"]
    for text in texts.values():
        assert "test_gpu_printers.py" in text and "# the user's line" in text
    code = [line.split("//")[0] for line in texts["cuda"].splitlines()]
    assert "".join(code).isascii()
    compile(texts["numba_cuda"], "printed", "exec")


def test_a_dialect_that_is_none() -> None:
    f = gg.jit(gg.sin)
    with pytest.raises(gg.errors.ArgumentError, match=r"dialect='ptx'; expected one of 'numba', 'cuda', 'numba_cuda'"):
        f.sources(1.0, dialect="ptx")


def test_a_primitive_without_words() -> None:
    (r,) = ran(lambda x: gg.sin(x), numbers(3))
    step = next(s for s in r.kernel.steps if s.op == "sin")
    step.op = "a_new_primitive"
    form = schedule(r.kernel, r.sizes).form
    for printer in (cuda_printer, numba_cuda_printer):
        with pytest.raises(gg.errors.UnsupportedError, match=r"a_new_primitive has no expression in .*CUDA"):
            printer.printed(r.kernel, form)


def test_words_are_drawn_in_cuda_alone() -> None:
    (r,) = kernels("dropout")
    with pytest.raises(gg.errors.UnsupportedError, match=r'draws random words.*dialect="cuda" prints it'):
        numba_cuda_printer.printed(r.kernel, schedule(r.kernel, r.sizes, plain=True).form)


def test_a_line_that_ends_in_a_backslash_is_no_comment_of_two_lines() -> None:
    printer = cuda_printer.Cuda(gpu_launch.Form("map"))
    assert printer.comment("x = y + \\") == "// x = y +"


def test_every_scalar_of_the_cpu_is_one_of_the_gpu() -> None:
    assert set(NUMBA) <= set(CUDA)
    assert set(NUMBA) - {"round_bfloat16"} <= set(NUMBA_CUDA)


def test_the_text_depends_on_sizes_by_the_form_alone() -> None:
    f = gg.jit(lambda x: gg.softmax(x, axis=-1))
    one, other = (f.sources(numbers(*shape), dialect="cuda") for shape in ((4, 40), (100, 64)))
    assert one == other
    assert f.sources(numbers(4, 9), dialect="cuda") != one


# ---- launches -------------------------------------------------------------------------------------------------------

SIZES = (1, 2, 3, 10, 31, 32, 33, 128, 1000, 4096, 50257, 1 << 20, (1 << 24) + 4)


@pytest.mark.parametrize("name", [*PROGRAMS, *DRAWING])
def test_launches_are_legal_for_all_sizes(name: str) -> None:
    for r in kernels(name):
        for device in DEVICES.values():
            for first in SIZES:
                for last in SIZES:
                    if first * last < 1 << 36:
                        sizes = (
                            (first, *r.sizes[1:-1], last)[: len(r.sizes)] if len(r.sizes) > 1 else r.sizes and (last,)
                        )
                        for plain in (False, True):
                            legal(r, sizes, device, schedule(r.kernel, sizes, device, plain))


def legal(r: Ran, sizes: Sequence[int], device: Device, plan: Schedule) -> None:
    form = plan.form
    assert form.wide == (np.prod(sizes, dtype=np.int64) >= NARROW)
    assert form.width == 1 or form.ragged or sizes[-1] % form.width == 0
    assert not (form.held and form.ragged) and form.held <= 2 * TURNS
    assert [m.name for m in plan.memory] == [name for name, _, _ in working(r.kernel, form)]
    for launch in plan.launches:
        (gx, gy), (bx, by) = launch.grid, launch.block
        assert 1 <= gx < 2**31 and 1 <= gy <= 65535
        assert bx * by <= (RESIDENT // form.staged if form.staged else LARGEST)
        assert bx & (bx - 1) == 0 and by & (by - 1) == 0
        assert form.staged * (launch.shared + TAKEN) <= device.shared + TAKEN
        assert by == 1 or bx <= WARP, "a team of several warps is not alone in its block"
        assert form.wide or gx * bx * gy * by * form.width < 2**30, "positions may overflow"


# ---- what CUDA C++ computes -----------------------------------------------------------------------------------------

Job = tuple[Ran, Schedule, str]


def jobs_of(found: Sequence[Ran], devices: Sequence[Device]) -> list[Job]:
    """Kernels with their schedules and texts."""
    plans = [(r, schedule(r.kernel, r.sizes, device)) for r in found for device in devices]
    return [(r, plan, cuda_printer.printed(r.kernel, plan.form)) for r, plan in plans]


def compiled_and_compared(jobs: Sequence[Job], orders: Sequence[int] = (0, 1, 2), strict: bool = False) -> None:
    """Compile the texts, run each with threads in several orders, and compare with the text for the CPU."""
    texts = list(dict.fromkeys(text for _, _, text in jobs))
    library = Library(texts)
    for k, (r, plan, text) in enumerate(jobs):
        for order in orders if len(orders) > 1 else (k % 3,):
            r.agrees(library.run(texts.index(text), r.kernel, plan, r.before, order), f"{plan}\n{text}", strict)


@on_host
def test_programs_on_the_host() -> None:
    assert all(kernels(name) for name in DRAWING)
    found = [r for name in [*PROGRAMS, *DRAWING] for r in kernels(name)]
    compiled_and_compared(jobs_of(found, list(DEVICES.values())))


@on_host
def test_wide_positions_on_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_launch, "NARROW", 1)
    found = [
        r
        for name in (
            "map_broadcast",
            "softmax_and_column_sum",
            "column_sums",
            "long_softmax_backward",
            "layer_norm_backward",
            *DRAWING,
        )
        for r in kernels(name)
    ]
    jobs = jobs_of(found, list(DEVICES.values()))
    assert all("using Index = long long;" in text for _, _, text in jobs)
    compiled_and_compared(jobs)


PARTS = 4


@on_host
@pytest.mark.parametrize("part", range(PARTS))
def test_rows_of_the_table_on_the_host(part: int) -> None:
    """Each row's kernels, and those of its derivative, in the form of one device after another."""
    found: list[Ran] = []
    for given in rows("jit")[part::PARTS]:
        case: Any = given.values[0] if hasattr(given, "values") else given
        args = sample(case)
        found += ran(ft.partial(results_of, case), *map(gg.asarray, args))
        if differentiable(case):
            found += ran(ft.partial(pulled, differentiated(case, args)), *picked(case, args))
    devices = list(DEVICES.values())
    jobs: dict[str, Job] = {}
    for k, r in enumerate(found):
        for job in jobs_of([r], [devices[k % len(devices)]]):
            jobs.setdefault(f"{job[1]}{job[2]}", job)
    assert len(jobs) > 50
    compiled_and_compared(list(jobs.values()), (0,))


def results_of(case: Any, *xs: Any) -> Any:
    return results(case, xs)


def pulled(f: Any, *xs: Any) -> Any:
    out, pull = gg.vjp(f, *xs)
    return pull(tuple(directions(out, 2)))


@on_host
def test_random_programs_on_the_host() -> None:
    pytest.importorskip("torch", reason="PyTorch, which random programs are drawn with, is not installed")
    import random_programs

    found: list[Ran] = []
    for seed in range(40):
        program = random_programs.draw(seed)
        found += ran(
            gg.value_and_grad(program.ours, tuple(range(len(program.inputs)))), *map(gg.asarray, program.inputs)
        )
    devices = list(DEVICES.values())
    jobs = [job for k, r in enumerate(found) for job in jobs_of([r], [devices[k % len(devices)]])]
    compiled_and_compared(jobs, (0,))


SPECIAL = np.array(
    [
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        -0.5,
        0.3,
        -2.5,
        3.0,
        7.75,
        -9.0,
        30.0,
        1e-9,
        -1e-9,
        np.inf,
        -np.inf,
        np.nan,
        1e10,
        88.0,
        -104.0,
    ]
)


def scalars() -> list[Ran]:
    """A kernel for each elementwise primitive on floating-point numbers, at numbers that are special, in both dtypes."""
    found: list[Ran] = []
    for name in sorted(NUMBA):
        prim = registry.get(name, sin)
        for dtype in ("float32", "float64"):
            if (
                dtype not in NUMBA[name][0] or name in ("where", "stop") or name.startswith("round_")
            ):  # to half precision
                continue
            grids = np.meshgrid(*[SPECIAL.astype(dtype)] * len(prim.operands), indexing="ij")
            xs = [np.ascontiguousarray(g.reshape(-1)[:: max(1, g.size // 400)]) for g in grids]
            for r in ran(lambda *xs, prim=prim: prim(*xs), *map(gg.asarray, xs)):  # none where nothing is to be done
                with np.errstate(all="ignore"):
                    if name not in registry:  # no primitive as yet, but a word of the language
                        next(s for s in r.kernel.steps if s.op == "sin").op = name
                        wide = getattr(gg.special, name)(*(x.astype(np.float64) for x in xs))
                        r.after[-1] = wide.numpy().astype(dtype)
                    else:
                        r.after[-1] = prim(*map(gg.asarray, xs)).numpy().copy()
                if name == "sinc":  # NumPy's is not quite 0 at integers
                    r.after[-1][(xs[0] == np.round(xs[0])) & (xs[0] != 0.0) & np.isfinite(xs[0])] = 0.0
                found.append(r)
    return found


@on_host
def test_scalars_on_the_host() -> None:
    found = list(scalars())
    assert len(found) > 100
    compiled_and_compared(jobs_of(found, [DEVICES["usual"]]), (0,), strict=True)


INTEGERS = [f"{sign}int{width}" for sign in ("", "u") for width in (8, 16, 32, 64)]
BINARY = (
    "add subtract multiply floor_divide remainder fmod bitwise_and bitwise_or bitwise_xor bitwise_left_shift "
    "bitwise_right_shift maximum minimum less equal logical_and logical_xor"
)
UNARY = "negative square abs sign bitwise_invert logical_not floor"


def kernels_of_integers(dtype: str) -> list[Ran]:
    """Those of an integer dtype, at the ends of its range, that loops have; the others stay with NumPy."""
    limits = np.iinfo(dtype)
    ends = np.array([0, 1, 2, 3, 5, 7, limits.max, limits.min, limits.max // 2, 100], dtype)
    x, y = (gg.asarray(g.reshape(-1)) for g in np.meshgrid(ends, ends))
    found: list[Ran] = []
    with np.errstate(all="ignore"):
        for name in BINARY.split():
            found += ran(lambda a, b, prim=registry[name]: prim(a, b), x, y)
        for name in UNARY.split():
            found += ran(lambda a, prim=registry[name]: prim(a), x)
        found += ran(lambda a: a**3, x)
        table = gg.reshape(x, (10, 10))
        found += ran(lambda a: (gg.sum(a * a, axis=-1), gg.sum(a * a, axis=0), gg.max(a * a, axis=1)), table)
        for other in (*INTEGERS, "float32", "float64", "bool"):
            found += ran(lambda a, other=other: gg.astype(a * a, other), x)
        for source in ("float32", "float64"):
            numbers = [0.0, 0.5, -0.5, 1.7, -1.7, 100.0, -200.0, 1e5, -3e9, 3e9, 1.5e19, -1e19, np.nan, np.inf]
            found += ran(lambda a: gg.astype(a * 1.0, dtype), gg.asarray(np.array(numbers, source)))
    return found


@on_host
@pytest.mark.parametrize("dtype", ["int8", "uint16", "int32", "int64", "uint64"])
def test_integers_on_the_host(dtype: str) -> None:
    found = kernels_of_integers(dtype)
    assert found or dtype not in ("int32", "int64")
    if found:
        compiled_and_compared(jobs_of(found, [DEVICES["usual"], DEVICES["small"]]), (0,))


@on_host
def test_complex_numbers_and_half_precision_on_the_host() -> None:
    """And a cast, without which there may be no kernel at all: loops may leave these dtypes to NumPy."""
    rng = np.random.default_rng(0)
    found = ran(lambda x: gg.astype(x, gg.float64) * 2.0, numbers(4, 4))
    for dtype in ("complex64", "complex128"):
        z = gg.asarray((rng.normal(size=(9, 16)) + 1j * rng.normal(size=(9, 16))).astype(dtype))
        found += ran(lambda z: (gg.exp(z) * z / (z - 2.0), gg.abs(z), gg.conj(z) + 1.0, gg.real(z) * gg.imag(z)), z)
        found += ran(lambda z: (gg.sum(z * z, axis=-1), gg.sum(z * z, axis=0), gg.sum(z * z)), z)
    for dtype in ("float16", "bfloat16"):
        x = gg.astype(gg.asarray(rng.normal(size=(9, 16))), dtype)
        found += ran(lambda x: gg.softmax(gg.gelu(x), axis=-1), x)
        found += ran(lambda x: (gg.sum(x * x, axis=0), gg.layer_norm(x)), x)
    compiled_and_compared(jobs_of(found, list(DEVICES.values())), (0,))


@on_host
def test_sums_over_any_axes_on_the_host() -> None:
    found: list[Ran] = []
    for shape, axis in (((3, 4, 5), 1), ((3, 4, 5), (0, 2)), ((2, 3, 4, 8), (0, 2, 3)), ((2, 3, 4, 8), (1, 3))):
        x = numbers(*shape)
        found += ran(lambda x, axis=axis: (gg.sum(gg.exp(x), axis=axis), gg.exp(x)), x)
        found += ran(lambda x, axis=axis: x * gg.mean(x * x, axis=axis, keepdims=True), x)
    compiled_and_compared(jobs_of(found, list(DEVICES.values())))


@on_host
def test_rows_in_shared_memory_on_the_host() -> None:
    """Of lengths around a multiple of what is read at once, several for each block, and with sums over columns."""
    found: list[Ran] = []
    for columns in range(1020, 1030):
        found += ran(lambda x: gg.softmax(2.0 * x, axis=-1), numbers(5, columns))
        found += ran(
            lambda x, y: gg.grad(lambda x: gg.cross_entropy(x, y))(x), numbers(3, columns), classes(3, columns)
        )
    for dtype in ("float64", "float16", "bfloat16"):
        for columns in (1030, 1031, 1032):
            x = gg.astype(numbers(5, columns), dtype)
            found += ran(lambda x: gg.softmax(2.0 * x, axis=-1), x)
            found += ran(lambda x: (gg.softmax(x, axis=-1), gg.sum(gg.softmax(x, axis=-1), axis=0)), x)
    x, y = gg.astype(numbers(3, 1037), "bfloat16"), numbers(3, 1037, seed=1)  # two arrays, of different dtypes
    found += ran(lambda x, y: (x - gg.mean(x * y, axis=-1, keepdims=True)) * y, x, y)
    found += ran(lambda x: gg.std(x) * x, numbers(1031))  # which is one row, without an axis of rows
    found = [r for r in found if r.sizes[-1] >= 1000 and r.kernel.passes > 1]
    device = replace(DEVICES["shared"], long=1 << 10)
    jobs = jobs_of(found, [device, replace(device, shared=6_000), replace(device, long=1 << 20)])
    for r, plan, _ in jobs[::3]:
        assert plan.form.staged, (r.sizes, r.kernel)
    assert {plan.form.ragged for _, plan, _ in jobs} == {False, True}
    assert {plan.form.width for _, plan, _ in jobs} == {1, 2, 4, 8}
    assert {plan.form.staged for _, plan, _ in jobs} >= {0, 1, 2}
    compiled_and_compared(jobs)


def test_rows_that_shared_memory_has_no_room_for_are_read_again() -> None:
    (r,) = ran(lambda x: gg.softmax(x, axis=-1), numbers(3, 16))
    device = Device()
    for columns, blocks, lanes in ((1 << 14, 2, 512), (50256, 1, 1024), (58_048, 1, 1024), (58_052, 0, LARGEST)):
        plan = schedule(r.kernel, (4096, columns), device)
        (launch,) = plan.launches
        assert (plan.form.staged, launch.block) == (blocks, (lanes, 1))
        assert launch.shared == (4 * columns if blocks else 0)
        assert ("extern __shared__" in cuda_printer.printed(r.kernel, plan.form)) == bool(blocks)
    assert schedule(r.kernel, (4096, 1 << 14), device, plain=True).form.staged == 0
    assert schedule(r.kernel, (4096, 4096), device).form.held


TOO_LITTLE = """
from dataclasses import replace
from test_gpu_printers import DEVICES, Library, cuda_printer, kernels, schedule
(r,) = kernels("long_softmax")
plan = schedule(r.kernel, r.sizes, DEVICES["shared"])
(launch,) = plan.launches
library = Library([cuda_printer.printed(r.kernel, plan.form)])
library.run(0, r.kernel, plan, r.before)
print("enough", flush=True)
library.run(0, r.kernel, replace(plan, launches=(replace(launch, shared=launch.shared - 16),)), r.before)
"""


@on_host
def test_the_host_tells_of_too_little_shared_memory() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", TOO_LITTLE], capture_output=True, text=True, env=environment)
    assert done.returncode and done.stdout == "enough\n"
    assert "a write beyond the shared memory of its launch" in done.stderr


@on_host
def test_special_numbers_in_reductions_on_the_host() -> None:
    x = np.random.default_rng(0).normal(size=(6, 40)).astype(np.float32)
    x[0, 3], x[1, 5], x[2, 7], x[3] = np.nan, np.inf, -np.inf, -np.inf
    x[4, 1], x[4, 2] = np.inf, np.nan
    found: list[Ran] = []
    for f in (gg.max, gg.min, gg.sum):
        for axis in (-1, 0, None):
            found += ran(lambda x, f=f, axis=axis: f(x * 1.0, axis=axis), gg.asarray(x))
    found += ran(lambda x: gg.softmax(x, axis=-1), gg.asarray(x))
    compiled_and_compared(jobs_of(found, list(DEVICES.values())))


@on_host
def test_the_host_tells_what_is_wrong() -> None:
    """A write beyond the end, a barrier that is missing, and one that some threads never come to."""
    (r,) = ran(lambda x: gg.sum(x * x), numbers(40, 3))
    plan = schedule(r.kernel, r.sizes, Device(threads=64))
    text = cuda_printer.printed(r.kernel, plan.form)
    beyond = text.replace("out_reduce_sum_1[0] =", "out_reduce_sum_1[1] =")
    joined = re.search(r"over_team<\d+, 0>\(sum_of\(reduce_sum_1\)\)", text)
    assert joined is not None
    no_barrier = text.replace(joined[0], "reduce_sum_1 = without_barrier(reduce_sum_1)").replace(
        "// A team",
        "template <class T> T without_barrier(T x) { __shared__ T at[512]; at[threadIdx.x] = x; T s = 0;"
        " for (unsigned k = 0; k < blockDim.x; ++k) s += at[k]; return s; }\n// A team",
    )
    assert text not in (beyond, no_barrier)
    library = Library([text, beyond, no_barrier])
    library.run(0, r.kernel, plan, r.before)
    with pytest.raises(AssertionError, match="out_reduce_sum_1: something outside"):
        library.run(1, r.kernel, plan, r.before)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        r.agrees(library.run(2, r.kernel, plan, r.before), "without a barrier")


@on_host
def test_the_host_tells_that_a_barrier_between_rows_is_missing() -> None:
    """What one row leaves is overwritten by the next, unless all threads wait, or come to another turn in between."""
    (r,) = ran(lambda x: gg.sum(x * x, axis=-1), numbers(40, 1000))
    plan = schedule(r.kernel, r.sizes, Device(processors=1))
    assert plan.form.lanes > 32 and plan.launches[0].grid[0] < 40
    text = cuda_printer.printed(r.kernel, plan.form)
    waiting = f"over_team<{plan.form.lanes}>("
    assert waiting in text
    library = Library([text, text.replace(waiting, waiting.replace(">", ", 0>"))])
    for order in range(3):
        r.agrees(library.run(0, r.kernel, plan, r.before, order), "with both barriers")
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        r.agrees(library.run(1, r.kernel, plan, r.before, order=1), "with one")  # the thread that writes comes last


# ---- what Numba CUDA computes ---------------------------------------------------------------------------------------


def simulated(found: Sequence[tuple[Ran, Device]], folder: Path, strict: bool = False) -> None:
    """Run kernels in the simulator, and compare with the text for the CPU."""
    jobs = []
    for r, device in found:
        plan = schedule(r.kernel, r.sizes, device, plain=True)
        given = [(a.name, x.reshape(-1)) for a, x in zip(r.kernel.arrays, r.before, strict=True) if not a.scratch]
        arrays = [x.copy() for _, x in given]
        order = list(range(len(arrays)))
        for m in plan.memory:
            if m.instead:
                order.append([name for name, _ in given].index(m.instead))
            else:
                order.append(len(arrays))
                arrays.append(np.full(m.elements, 77, m.dtype))
        text = numba_cuda_printer.printed(r.kernel, plan.form)
        jobs.append({"text": text, "launches": plan.launches, "arrays": arrays, "order": order, "sizes": plan.sizes})
    for (r, _), job, got in zip(found, jobs, cuda_simulator.results(jobs, folder), strict=True):
        shapes = [x.shape for a, x in zip(r.kernel.arrays, r.before, strict=True) if not a.scratch]
        r.agrees([x.reshape(s) for x, s in zip(got, shapes, strict=False)], str(job["text"]), strict)


def test_programs_in_the_simulator(tmp_path: Path) -> None:
    wide, long = Device(processors=1, threads=8), Device(processors=16, threads=4, long=8)
    programs = [
        ran(lambda x, y: gg.where(x > y, x * y, y), numbers(2, 3, 4), numbers(2, 1, 4)),
        ran(lambda x: gg.sum(x * x, axis=-1), numbers(3, 5)),
        ran(lambda x: gg.max(x * 2.0), numbers(4, 5)),
        ran(lambda x: (gg.relu(x), gg.sum(gg.relu(x), axis=0)), numbers(9, 5)),
        ran(lambda x: (gg.softmax(x, axis=-1), gg.sum(gg.softmax(x, axis=-1), axis=0)), numbers(3, 12)),
        ran(lambda x, a, b: gg.grad(layer_norm_of, (0, 1))(x, a, b), numbers(3, 12), numbers(12), numbers(12)),
        ran(lambda x, y: gg.grad(lambda x: gg.cross_entropy(x, y))(x), numbers(4, 5), gg.asarray([0, 4, 2, 1])),
        ran(lambda x: gg.astype(gg.astype(x, gg.float64) * 0.1 > 0.0, gg.int64) * 3 - 1, numbers(2, 3)),
        ran(lambda x: gg.exp(x) * 2.0, numbers()),
    ]
    found = [(r, device) for program in programs for r in program for device in (wide, long)]
    assert {shape_of(r.kernel, r.sizes, d) for r, d in found} == {"map", "rows", "columns", "split"}
    simulated(found, tmp_path)


def layer_norm_of(x: Any, scale: Any, shift: Any) -> Any:
    return gg.sum(gg.square(gg.layer_norm(x) * scale + shift))


def test_scalars_in_the_simulator(tmp_path: Path) -> None:
    simulated([(r, Device(processors=1, threads=1)) for r in scalars()], tmp_path, strict=True)


def test_integers_in_the_simulator(tmp_path: Path) -> None:
    simulated([(r, Device(processors=1, threads=1)) for r in kernels_of_integers("int32")], tmp_path)
