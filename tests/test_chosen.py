"""Elements of a row that an index names: computed once, by the thread that comes to them, in every form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from gpu_programs import DEVICES, classes, numbers
from interpreted import interpreted
from printed_kernels import Ran, ran
from test_gpu_printers import compiled_and_compared, jobs_of, on_host

import gpugrad as gg
from gpugrad.codegen import cuda_printer
from gpugrad.codegen.chosen import divided
from gpugrad.codegen.gpu_launch import schedule
from gpugrad.codegen.numba_printer import printed
from gpugrad.ops.gathering import pick, place


def loss(x: Any, y: Any) -> Any:
    return gg.value_and_grad(lambda x: gg.cross_entropy(x, y))(x)


def two_classes(x: Any, y: Any, z: Any) -> Any:
    """Both are picked, and both are placed, in one kernel."""
    picked = pick(gg.sin(x), y) - pick(gg.exp(x), z)
    return picked, gg.softmax(x, axis=-1) + place(picked, y, size=x.shape[-1]) * place(picked, z, size=x.shape[-1])


def of_all(x: Any, y: Any) -> Any:
    """What is placed is compared over the row, and written."""
    placed = place(gg.sum(x, axis=-1), y, size=x.shape[-1]) + x
    return placed, gg.max(placed, axis=-1)


def of_rows(x: Any, y: Any) -> Any:
    """What is added up over the row, and not picked, is a number of the row."""
    rows = gg.sum(x, axis=-1, keepdims=True)
    return gg.sum(gg.broadcast_to(rows * 0.5, x.shape), axis=-1), pick(gg.exp(x - rows), y)


def of_columns(x: Any, y: Any) -> Any:
    """What is placed is added up over the rows, and the rest of the row is not."""
    return gg.sum(place(gg.sum(x, axis=-1), y, size=x.shape[-1]) * x, axis=0), pick(x, y)


def of_the_largest(x: Any) -> Any:
    """The index is found in the row itself."""
    return gg.value_and_grad(lambda x: gg.cross_entropy(x * 2.0, gg.argmax(x, axis=-1)))(x)


def forward(x: Any, y: Any) -> Any:
    return gg.cross_entropy(x, y, reduction="none")


def ignored(x: Any, y: Any) -> Any:
    return gg.value_and_grad(lambda x: gg.cross_entropy(x, y, ignore_index=3, label_smoothing=0.1))(x)


PROGRAMS: dict[str, Callable[..., Any]] = {
    "loss": loss,
    "forward": forward,
    "ignored": ignored,
    "of_all": of_all,
    "of_columns": of_columns,
    "of_rows": of_rows,
}
SHAPES = [(20, 10), (5, 1033), (9, 64)]
DTYPES = ["float32", "float64", "bfloat16", "float16"]


def kernels() -> list[Ran]:
    found: list[Ran] = []
    for n, (rows, columns) in enumerate(SHAPES):
        for f in PROGRAMS.values():
            for dtype in DTYPES if n < 1 else DTYPES[n % 2 :: 2]:
                found += ran(f, gg.astype(numbers(rows, columns), dtype), classes(rows, columns))
        x, y, z = numbers(rows, columns), classes(rows, columns), gg.astype(classes(rows, columns), "int32")
        found += ran(two_classes, x, y, z[::-1])
        found += ran(of_the_largest, x)
    return found


@on_host
def test_every_form_computes_what_the_cpu_does() -> None:
    devices = [*DEVICES.values(), replace(DEVICES["shared"], shared=60_000)]
    compiled_and_compared(jobs_of(kernels(), devices))


def chosen(r: Ran) -> list[Any]:
    return [c for turn in range(r.kernel.passes) for c in divided(r.kernel, turn).chosen]


def asked(r: Ran) -> int:
    """How many steps of all elements ask where they are."""
    passes = [divided(r.kernel, turn) for turn in range(r.kernel.passes)]
    return sum(s.op == "position_in_row" for p in passes for s in p.steps)


@pytest.mark.parametrize("dtype", DTYPES)
def test_no_element_is_asked_for_its_class(dtype: str) -> None:
    (r,) = (r for r in ran(loss, gg.astype(numbers(5, 1033), dtype), classes(5, 1033)) if chosen(r))
    assert not asked(r)
    assert [len(c.sums) for c in chosen(r)] == [1, 1] and sum(len(c.writes) for c in chosen(r)) == 1
    for device in DEVICES.values():
        form = schedule(r.kernel, r.sizes, device).form
        text = cuda_printer.printed(r.kernel, form)
        assert text.count(" == class_index_1") == (2 + 1), "one test for each thing that is chosen, and none in a loop"


def test_a_pass_for_a_class_alone_has_no_loop() -> None:
    (r,) = (r for r in ran(forward, numbers(5, 1033), classes(5, 1033)) if chosen(r))
    assert [bool(divided(r.kernel, turn).steps) for turn in range(r.kernel.passes)] == [True, True, False]


def test_two_classes_are_chosen_one_by_one() -> None:
    y = classes(5, 64)
    found = [r for r in ran(two_classes, numbers(5, 64), y, y[::-1]) if chosen(r)]
    assert max(len({id(c.index) for c in chosen(r)}) for r in found) == 2
    assert not any(map(asked, found))


@pytest.mark.parametrize("f", [of_all, of_columns])
def test_what_is_added_up_or_compared_is_asked_of_each_element(f: Callable[..., Any]) -> None:
    found = ran(f, numbers(9, 64), classes(9, 64))
    assert sum(map(asked, found)) == 1 and not any(c.writes for r in found for c in chosen(r))


def test_a_class_beyond_the_row_is_at_no_element() -> None:
    """As no check of the backend stands before a kernel on a GPU, nothing is to be written elsewhere."""
    found = [r for r in ran(loss, numbers(6, 40), classes(6, 40)) if chosen(r)]
    for r in found:
        (index,) = {c.index.operands[0].name for c in chosen(r)}
        place = [a.name for a in r.kernel.arrays].index(index)
        r.before[place] = np.array([-1, 40, 1 << 40, -(1 << 62), 39, 0])
        rerun(r)
    compiled_and_compared(jobs_of(found, list(DEVICES.values())))


def rerun(r: Ran) -> None:
    """What the text for the CPU makes of the arrays as they are now."""
    r.after = [x.copy() for x in r.before]
    interpreted(printed(r.kernel))(*r.after, *(r.sizes[axis] for axis in r.kernel.given))
