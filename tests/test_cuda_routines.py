"""Kernels that are written by hand, on a CUDA device (the host, if no other is asked for), against NumPy's primitives."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from routine_cases import CASES, NAMES, array, line_of
from test_cuda_on_host import cuda, on_host  # noqa: F401

import gpugrad as gg
from gpugrad import dtypes, errors, nn, optim
from gpugrad.backends import half, select
from gpugrad.codegen.gpu_launch import Device
from gpugrad.cuda import nvrtc
from gpugrad.cuda.host import COMPILER, HostDevice, together
from gpugrad.cuda.plan import CudaPlan
from gpugrad.cuda.reports import Reports
from gpugrad.cuda.routines.table import ROUTINES, routine
from gpugrad.graph import plan as plan_module
from gpugrad.graph.calls import LibraryCall
from gpugrad.graph.ir import Graph
from gpugrad.primitive import registry

pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler, which would run CUDA C++ on the CPU")


def plan_of(name: str, operands: list[Any], params: dict[str, Any]) -> CudaPlan:
    line = line_of(name, operands, params)
    plan = CudaPlan(select.on("cuda"), Graph(list(line.operands), [line], list(line.results)))
    assert len(plan.routines) == 1, name
    return plan.ready()  # type: ignore[return-value]


def test_on_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """All compile at once, and run in three orders of threads; each primitive that has a routine is among them."""
    # No line becomes a loop, not even where fusion could make it one.
    monkeypatch.setattr(plan_module, "fused", lambda graph, into, draws: [LibraryCall(x, into(x)) for x in graph.lines])
    backend = select.on("cuda")
    plans = [plan_of(*case) for case in CASES]
    orders = (0, 1, 2) if isinstance(backend.device, HostDevice) else (0,)
    for what, plan, (name, operands, params) in zip(NAMES, plans, CASES, strict=True):
        given = [half.typed(x) for x in operands]
        prim = registry[name]
        with np.errstate(all="ignore"):
            wanted = prim.impl[type(given[prim.leads])](*given, **params)
        for backend.device.order in orders:
            found = plan.run(*(backend.asarray(x) for x in given))
            for got, expected in zip(found, wanted if prim.outputs else [wanted], strict=True):
                close(backend.to_numpy(got), np.asarray(expected), what)
    backend.device.order = 0
    assert {name for name, _, _ in CASES} == ROUTINES.keys() - {"raw_kernel"}  # which is the user's


def close(got: Any, wanted: Any, what: str) -> None:
    assert (got.shape, got.dtype) == (wanted.shape, wanted.dtype), what
    if dtypes.is_half(wanted.dtype) or wanted.dtype.kind in "fc":
        wide = np.complex128 if wanted.dtype.kind == "c" else np.float64
        small = (
            2e-2 if dtypes.is_half(wanted.dtype) else 2e-5 if wanted.dtype.name in ("float32", "complex64") else 1e-12
        )
        got, wanted = got.astype(wide), wanted.astype(wide)
        scale = small * np.max(np.abs(wanted[np.isfinite(wanted)]), initial=1)
        np.testing.assert_allclose(got, wanted, rtol=small, atol=scale, err_msg=what)
    else:
        np.testing.assert_array_equal(got, wanted, err_msg=what)


@pytest.mark.parametrize(
    "architecture", ["sm_90", *(pytest.param(a, marks=pytest.mark.slow) for a in ("sm_80", "sm_100", "sm_120"))]
)
def test_nvrtc_takes_them(architecture: str) -> None:
    try:
        nvrtc._nvrtc()
    except errors.MissingExtraError as missing:
        pytest.skip(str(missing))
    found = [routine(line_of(*case), Device()) for case in CASES]
    texts = list(dict.fromkeys(r.text for r in found if r))
    wide = [t for t in texts if "double" in t]  # many registers are saved around calls of division
    nvrtc.compiled_now(together(wide), architecture)
    _, said = nvrtc.compiled_now(together([t for t in texts if t not in wide]), architecture, "--ptxas-options=-v")
    assert max(int(n) for n in re.findall(r"(\d+) bytes spill", said)) <= 32


# ---- what is no array of the device's kind ------------------------------------------------------------------------------


def test_without_elements() -> None:
    for x, i in ((gg.zeros((0, 3), device="cuda"), []), (gg.zeros((4, 0), device="cuda"), [1, 2])):
        index = gg.tensor(np.asarray(i, "int64"), device="cuda")
        assert gg.jit(lambda x, i: gg.sin(x)[i])(x, index).shape == (len(i), x.shape[1])


def test_arrays_that_begin_anywhere() -> None:
    """Kernels that read 16 bytes at a time are given copies of what does not lie so."""
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=65).astype("f"), rng.normal(size=(8, 8)).astype("f")
    there = gg.tensor(x, device="cuda")
    for n in (1, 2, 3, 4):
        got = gg.jit(lambda v: gg.exp(v) * 2)(there[n : n + 16])
        np.testing.assert_allclose(got.to("cpu").numpy(), np.exp(x[n : n + 16]) * 2, rtol=1e-6)
        got = gg.jit(lambda v: gg.sum(gg.reshape(gg.sin(v)[n : n + 32], (4, 8)) * 2, axis=0))(there)  # noqa: B023
        np.testing.assert_allclose(got.to("cpu").numpy(), (np.sin(x)[n : n + 32].reshape(4, 8) * 2).sum(0), rtol=1e-4)
    model = nn.Linear(8, 8, bias=False).to("cuda")
    model.weight._data = gg.tensor(np.concatenate([x[:1], w.ravel()]), device="cuda")[1:].reshape(8, 8)._data
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    @gg.jit
    def step(x: Any) -> Any:
        loss = gg.sum(gg.square(model(x)))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    batch = gg.tensor(x[:16].reshape(2, 8), device="cuda")
    for _ in range(4):
        y = x[:16].reshape(2, 8) @ w.T
        np.testing.assert_allclose(step(batch).item(), (y**2).sum(), rtol=1e-4)
        w = w - 0.1 * 2 * y.T @ x[:16].reshape(2, 8)


# ---- indices that are out of range ------------------------------------------------------------------------------------


def test_a_wrong_index_is_told_when_numbers_are_asked_for() -> None:
    x = gg.tensor(array(5, 3), device="cuda")
    rows = gg.jit(lambda x, i: x[i] * 2.0)
    good, bad = (gg.tensor(np.array(i), device="cuda") for i in ([0, -5, 4], [0, 7, 1]))
    found = rows(x, bad)
    with pytest.raises(
        IndexError, match=r"index 7 is out of bounds for axis 0 with size 5.*test_cuda_routines\.py:\d+"
    ):
        found.to("cpu")
    np.testing.assert_array_equal(rows(x, good).to("cpu").numpy(), 2.0 * x.to("cpu").numpy()[[0, -5, 4]])
    rows(x, bad)
    with pytest.raises(gg.errors.AxisError, match="check_indices"):
        gg.synchronize()
    rows(x, bad)
    with pytest.raises(gg.errors.AxisError, match="index 7"):
        rows(x, good)
    gg.synchronize()


def test_who_may_tell_is_known_once() -> None:
    """A plan that writes its calls down again, since cells have moved, asks for no more numbers."""
    reports = Reports(np.zeros(2, np.int64))
    found = [reports.who(error, "here.py:1") for error in 3 * [IndexError, ValueError]]
    assert found == 3 * [1, 2]
    reports.memory[:] = 2, 7
    with pytest.raises(ValueError, match=r"7.*here\.py:1"):
        reports.check()


def test_a_wrong_class_is_told_too() -> None:
    loss = gg.jit(gg.cross_entropy)(
        gg.tensor(array(4, 3), device="cuda"), gg.tensor(np.array([0, 1, 3, 2]), device="cuda")
    )
    with pytest.raises(gg.errors.AxisError, match="class 3 of 3 classes; expected 0 to 2"):
        loss.item()


def test_checked_before_anything_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gg.config, "check_indices", True)
    x = gg.tensor(array(5, 3), device="cuda")
    run = gg.jit(lambda x, i: x[i] * 2.0)
    with pytest.raises(gg.errors.AxisError, match="index 9"):
        run(x, gg.tensor(np.array([9]), device="cuda"))


def test_a_view_is_copied_in_each_run() -> None:
    """What a routine reads must lie in C's order; a broadcast does not, and what it shows is another in each run."""
    p = nn.Parameter(gg.tensor([1.0, 2.0, 3.0], device="cuda"))
    optimizer = optim.SGD([p], lr=1.0)

    @gg.jit
    def step(x: Any, i: Any) -> Any:
        spread = gg.broadcast_to(x, (4, 3))
        parts = gg.split(gg.stack([x, x * 2.0], axis=1), 2, axis=1)
        gg.sum(p * gg.concat([spread, spread[i], gg.reshape(parts[1], (1, 3))])).backward()
        optimizer.step()
        optimizer.zero_grad()
        return gg.concat([spread[i], gg.reshape(parts[0], (1, 3))])

    index, wanted = gg.tensor(np.array([2, 0]), device="cuda"), np.array([1.0, 2.0, 3.0])
    for k in range(5):
        x = np.arange(3.0) + k
        np.testing.assert_array_equal(step(gg.tensor(x, device="cuda"), index).to("cpu").numpy(), np.stack([x, x, x]))
        wanted = wanted - 8.0 * x
        np.testing.assert_allclose(p.detach().to("cpu").numpy(), wanted)
    assert "# one CUDA graph" in step.plan(gg.tensor(x, device="cuda"), index)


# ---- steps that are one graph -------------------------------------------------------------------------------------------


class Words(nn.Module):
    """Tokens to tokens, with an embedding, dropout and a choice of rows."""

    def __init__(self) -> None:
        self.tokens, self.head, self.dropout = nn.Embedding(20, 8), nn.Linear(8, 20), nn.Dropout(0.3)

    def forward(self, tokens: Any) -> Any:
        return self.head(self.dropout(gg.tanh(self.tokens(tokens))))


class Images(nn.Module):
    """Convolutions, with a stride and groups, normalisation over the batch, and both ways to pool."""

    def __init__(self) -> None:
        self.first, self.norm = nn.Conv2d(2, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.second, self.head = nn.Conv2d(6, 4, 3, stride=2, groups=2), nn.Linear(4, 3)

    def forward(self, x: Any) -> Any:
        x = gg.max_pool2d(gg.relu(self.norm(self.first(x))), 2)
        return self.head(gg.reshape(gg.adaptive_avg_pool2d(self.second(x), 1), (x.shape[0], 4)))


def a_sentence(rng: Any) -> Any:
    return rng.integers(0, 20, (2, 16))


def an_image(rng: Any) -> Any:
    return rng.normal(size=(5, 2, 10, 10)).astype("f"), rng.integers(0, 3, 5)


@pytest.mark.parametrize(
    ("kind", "batch", "parts"),
    [(Words, a_sentence, ["scatter", "gather"]), (Images, an_image, ["unfold", "fold", "max_spread"])],
)
def test_a_step_of_a_network_is_one_graph(kind: Any, batch: Any, parts: list[str]) -> None:
    losses: dict[str, list[float]] = {}
    for device in ("cpu", "cuda"):
        gg.random.seed(0)
        model = kind().to(device)
        optimizer = optim.Adam(model.parameters(), lr=1e-2)

        @gg.jit
        def step(x: Any, y: Any) -> Any:
            loss = gg.cross_entropy(model(x), y)  # noqa: B023
            loss.backward()
            optimizer.step()  # noqa: B023
            optimizer.zero_grad()  # noqa: B023
            return loss

        gg.random.seed(1)
        rng = np.random.default_rng(0)
        batches = [batch(rng) for _ in range(6)]
        losses[device] = [step(*(gg.tensor(a, device=device) for a in given)).item() for given in batches]
        text = step.plan(*(gg.tensor(a, device=device) for a in batches[0]))
    np.testing.assert_allclose(losses["cuda"], losses["cpu"], rtol=1e-5)
    assert "# one CUDA graph\n" in text
    assert all(f"\n{part}: " in text for part in parts)
