"""Kernels that replace cells and differ in their arrays alone are one launch: the update of a model's parameters."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
from test_cuda_on_host import cuda, on_host  # noqa: F401

import gpugrad as gg
from gpugrad import errors, nn, optim
from gpugrad.backends import select
from gpugrad.cuda import nvrtc
from gpugrad.cuda.host import COMPILER

pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler, which would run CUDA C++ on the CPU")

SHAPES = [(16, 4), (4,), (3, 8), (20,), (300, 20), (7,), (2, 2, 2), (5,)]
SEEN = [(2, 4), (4, 2), (2, 4)]
OPTIMIZERS = {
    "SGD": lambda p: optim.SGD(p, lr=0.1),
    "AdamW": lambda p: optim.AdamW(p, lr=0.01, weight_decay=0.1),
    "RMSprop": lambda p: optim.RMSprop(p, lr=0.01, momentum=0.9),
}


def trained(device: str, name: str, dtype: str) -> tuple[list[Any], str]:
    rng = np.random.default_rng(0)
    parameters = [gg.tensor(rng.normal(size=s), dtype=dtype, device=device, requires_grad=True) for s in SHAPES]
    sizes = [math.prod(s) for s in SHAPES]
    given = [gg.tensor(rng.normal(size=(3, n)) / math.sqrt(n), dtype=dtype, device=device) for n in sizes]
    optimizer = OPTIMIZERS[name](parameters)

    @gg.jit
    def step(x: Any) -> Any:
        loss = sum(gg.sum(gg.square(a @ gg.reshape(p, -1) - x)) for p, a in zip(parameters, given, strict=True))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    for k in range(5):
        step(gg.tensor(1.0 + 0.1 * k, dtype=dtype, device=device))
    return [p.detach().to("cpu").numpy() for p in parameters], step.plan(gg.tensor(1.0, dtype=dtype, device=device))


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_updates_are_launched_at_once(name: str, dtype: str) -> None:
    there, plan = trained("cuda", name, dtype)
    here, _ = trained("cpu", name, dtype)
    tolerance = 2e-2 if dtype == "bfloat16" else 1e-5
    for a, b in zip(there, here, strict=True):
        np.testing.assert_allclose(a.astype("f8"), b.astype("f8"), rtol=tolerance, atol=tolerance)
    assert "# one CUDA graph\n" in plan
    tail = plan.partition("# what takes the place of cells:\n")[2].splitlines()
    launches = {re.sub(r"kernel_\d+: ", "", line).split("  ")[0] for line in tail if "kernel_" in line}
    assert len(tail) >= len(SHAPES) and sum("part of launch" in x for x in launches) >= 1
    assert len(launches) <= 4, launches  # whatever there is of it, by how many elements an instruction takes


def test_what_reads_another_is_launched_by_itself(on_host: Any) -> None:  # noqa: F811
    """Kernels that are alike, of which one reads what the other replaces, by another shape; in both orders of blocks."""
    for on_host.order in (0, 1):
        a, b, c = (nn.Parameter(gg.tensor(np.arange(8.0).reshape(s) + k, device="cuda")) for k, s in enumerate(SEEN))

        @gg.jit
        def step() -> None:
            with gg.no_grad():
                first, second = (x + 0.5 * gg.reshape(y, x.shape) for x, y in ((a, b), (b, c)))  # noqa: B023
                a.copy_(first)  # noqa: B023
                b.copy_(second)  # noqa: B023

        x, y, z = (p.detach().to("cpu").numpy() for p in (a, b, c))
        for _ in range(4):
            step()
            x, y = x + 0.5 * y.reshape(x.shape), y + 0.5 * z.reshape(y.shape)
        np.testing.assert_array_equal(a.detach().to("cpu").numpy(), x)
        np.testing.assert_array_equal(b.detach().to("cpu").numpy(), y)
    on_host.order = 0


def test_nvrtc_takes_them() -> None:
    texts: list[str] = []
    device = select.on("cuda").device
    load = device.load
    device.load = lambda given: (texts.extend(given), load(given))[1]
    try:
        trained("cuda", "AdamW", "bfloat16")
    finally:
        del device.load
    several = [text for text in texts if "struct Row" in text]
    assert several
    try:
        for text in several:
            _, said = nvrtc.compiled_now(text, "sm_90", "--ptxas-options=-v")
            assert re.search(r"\b0 bytes spill stores", said)
    except errors.MissingExtraError as missing:
        pytest.skip(str(missing))
