"""Programs on the host as a CUDA device: eager, and compiled into plans of launches, against the CPU."""

from __future__ import annotations

import functools as ft
import os
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import test_table
from case import Case
from cases import rows, sample
from test_jit import tolerance
from test_table import agree, check, differentiable, differentiated, directions, host, picked, results

import gpugrad as gg
from gpugrad import nn, optim, pytree
from gpugrad.backends import select
from gpugrad.cuda.frame import WARM
from gpugrad.cuda.host import COMPILER, HostDevice
from gpugrad.train import models

pytestmark = [
    pytest.mark.filterwarnings("ignore::gpugrad.errors.GradientWarning"),
    pytest.mark.skipif(COMPILER is None, reason="no C++ compiler, which would run CUDA C++ on the CPU"),
]


@pytest.fixture(autouse=True)
def cuda(request: pytest.FixtureRequest) -> Iterator[str]:
    """A CUDA device, for as long as a test runs: a GPU with ``--backend cupy`` or ``numba_cuda``, else the host."""
    name = next((b for b in request.config.getoption("--backend") if b in ("cupy", "numba_cuda")), "cuda_on_host")
    with gg.use_backend(name):
        yield name


@pytest.fixture
def on_host(cuda: str) -> HostDevice:
    """The host's device; what it does in a certain way cannot be asked of a GPU."""
    if cuda != "cuda_on_host":
        pytest.skip("of the host alone")
    device: HostDevice = select.on("cuda").device
    return device


@check("backend")
def test_rows(case: Case, cuda: str) -> None:
    test_table.test_backend(case, cuda)


PARTS = 8


@pytest.mark.parametrize("part", range(PARTS))
def test_rows_compiled(part: int) -> None:
    """Each row and its pullback as a plan. All are made before the first runs, so that their kernels compile at once."""
    programs: list[tuple[str, Callable[..., Any], list[Any], Callable[..., Any], list[Any]]] = []
    for given in rows("jit")[part::PARTS]:
        case: Any = given.values[0] if hasattr(given, "values") else given
        if "backend" in case.without:
            continue
        here = list(map(gg.asarray, sample(case)))
        there = [gg.asarray(a, device="cuda") for a in here]
        programs.append((case.name, ft.partial(results_of, case), there, ft.partial(results_of, case), here))
        if differentiable(case):
            name, f, g = f"{case.name}, derivative", ft.partial(pulled, case, there), ft.partial(pulled, case, here)
            programs.append((name, f, picked(case, there), g, picked(case, here)))
    compiled = [gg.jit(f) for _, f, *_ in programs]
    for f, (_, _, there, _, _) in zip(compiled, programs, strict=True):
        f.plan(*there)
    for f, (name, _, there, g, here) in zip(compiled, programs, strict=True):
        got, wanted = f(*there), g(*here)
        assert all(x.device == "cuda:0" for x in got), name
        agree(got, wanted, tolerance(wanted), name)


def results_of(case: Any, *xs: Any) -> tuple[Any, ...]:
    return tuple(results(case, list(xs)))


def pulled(case: Any, args: Any, *xs: Any) -> Any:
    out, pull = gg.vjp(differentiated(case, args), *xs)
    return pull(tuple(directions(out, 2)))


def test_a_plan_holds_neither_arguments_nor_results() -> None:
    run = gg.jit(lambda x, i: (gg.sin(x[i]) * 2.0, gg.sum(x)))
    for _ in range(2):
        x, i = gg.ones((5, 4), device="cuda"), gg.zeros(3, dtype="int64", device="cuda")
        held = [weakref.ref(t._data) for t in (x, i, *run(x, i))]
        del x, i
        assert [ref() for ref in held] == [None] * 4


def test_views_that_begin_anywhere() -> None:
    numbers = np.arange(4099, dtype="float32")
    whole, cell = gg.asarray(numbers, device="cuda"), gg.asarray(numbers, device="cuda")[3:]
    assert gg.jit(lambda x: x * 2.0)(whole[3:]).to("cpu").numpy().tolist() == (numbers[3:] * 2.0).tolist()
    rows = gg.softmax(gg.asarray(numbers[1:4097].reshape(4, 1024)), axis=-1)
    agree([gg.jit(lambda x: gg.softmax(x, axis=-1))(whole[1:4097].reshape(4, 1024))], [rows], 1e-6, "softmax")
    add = gg.jit(lambda x: x + cell)  # which is read from where it is in each call
    for _ in range(3):
        assert add(whole[3:]).to("cpu").numpy().tolist() == (numbers[3:] * 2.0).tolist()
        cell.copy_(cell)


# ---- training --------------------------------------------------------------------------------------------------------


class Training:
    """A network that learns, on a device, eager or compiled."""

    dropped = 0.2

    def __init__(self, device: str, compiled: bool, optimizer: Callable[..., Any] = optim.Adam) -> None:
        gg.random.seed(0)
        layers = nn.Linear(6, 16), nn.LayerNorm(16), nn.GELU(), nn.Dropout(self.dropped), nn.Linear(16, 3)
        self.model = nn.Sequential(*layers).to(device)
        self.optimizer = optimizer(self.model.parameters(), lr=1e-2)
        self.device = device
        self.call = gg.jit(self.step) if compiled else self.step

    def step(self, x: Any, y: Any) -> Any:
        loss = gg.cross_entropy(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss

    def steps(self, n: int) -> list[float]:
        gg.random.seed(1)
        rng = np.random.default_rng(0)
        batches = [(rng.normal(size=(12, 6)).astype("f"), rng.integers(0, 3, 12)) for _ in range(n)]
        return [self.call(*(gg.tensor(a, device=self.device) for a in batch)).item() for batch in batches]

    def parameters(self) -> list[Any]:
        return [host(p) for p in self.model.parameters()]


@pytest.mark.parametrize("optimizer", [optim.Adam, ft.partial(optim.SGD, momentum=0.9)], ids=["adam", "sgd"])
def test_training_is_as_on_the_cpu_step_by_step(optimizer: Callable[..., Any]) -> None:
    cpu, eager = Training("cpu", False, optimizer), Training("cuda", False, optimizer)
    losses = cpu.steps(8)
    np.testing.assert_allclose(eager.steps(8), losses, rtol=1e-5)
    compiled = Training("cuda", True, optimizer)
    np.testing.assert_allclose(compiled.steps(8), losses, rtol=1e-5)
    for a, b, c in zip(cpu.parameters(), eager.parameters(), compiled.parameters(), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(c, a, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("make", [models.mlp, models.cnn])
def test_digits_are_learnt_as_on_the_cpu_step_by_step(make: Callable[[], Any]) -> None:
    images, labels = (np.asarray(a) for a in gg.data.digits()[0].batch(range(192)))

    def losses(device: str, compiled: bool) -> list[float]:
        gg.random.seed(0)
        model = make().to(device)
        optimizer = optim.AdamW(model.parameters(), lr=3e-3)

        def step(x: Any, y: Any) -> Any:
            optimizer.zero_grad()
            loss = gg.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        call = gg.jit(step) if compiled else step
        batches = [(images[k : k + 32], labels[k : k + 32]) for k in range(0, 192, 32)] * 2
        out = [call(*(gg.tensor(a, device=device) for a in batch)).item() for batch in batches]
        if compiled:
            assert "# one CUDA graph" in str(call.plan(*(gg.tensor(a, device=device) for a in batches[0])))
        return out

    wanted = losses("cpu", False)
    assert wanted[-1] < 0.8 * wanted[0]
    np.testing.assert_allclose(losses("cuda", True), wanted, rtol=1e-4)


def test_a_step_is_one_graph_that_is_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    replays = []
    device = select.on("cuda").device
    capture = device.capture

    def counted(calls: Any) -> Any:
        replay = capture(calls)
        return lambda: (replays.append(1), replay())[1]

    monkeypatch.setattr(device, "capture", counted)
    cpu, cuda = Training("cpu", False), Training("cuda", True)
    losses = cpu.steps(9)
    got = []
    gg.random.seed(1)
    rng = np.random.default_rng(0)
    batches = [(rng.normal(size=(12, 6)).astype("f"), rng.integers(0, 3, 12)) for _ in range(9)]
    for batch in batches:
        got.append(cuda.call(*(gg.tensor(a, device="cuda") for a in batch)))
        churn = [device.memory(n) for n in (24, 1000, 5000, 24)]  # what a replay must not depend on
        del churn
    np.testing.assert_allclose([x.item() for x in got], losses, rtol=1e-5)  # no later run has written over them
    assert len(replays) == 9 - WARM
    for a, b in zip(cpu.parameters(), cuda.parameters(), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-6)
    x, y = (gg.tensor(a, device="cuda") for a in batches[0])
    assert "# one CUDA graph\n" in cuda.call.plan(x, y)


def test_a_graph_is_made_again_when_cells_have_moved() -> None:
    cpu, cuda = Training("cpu", False), Training("cuda", True)
    for _ in range(2):
        np.testing.assert_allclose(cuda.steps(5), cpu.steps(5), rtol=1e-5)
        for training in (cpu, cuda):
            training.optimizer.load_state_dict(training.optimizer.state_dict())
            p = next(iter(training.model.parameters()))
            p.copy_(p.detach() * 0.5)
            held = p.detach()  # somebody holds what the next step would write over
            before = host(held).copy()
            training.steps(1)
            np.testing.assert_array_equal(host(held), before)


def test_why_a_step_is_no_graph() -> None:
    p = nn.Parameter(gg.ones(5, device="cuda"))
    optimizer = optim.SGD([p], lr=0.1)

    @gg.jit
    def step(x: Any) -> None:
        gg.sum(gg.sort(p * x) * x).backward()
        optimizer.step()

    assert "# not one CUDA graph: argsort at" in step.plan(gg.ones(5, device="cuda"))


def test_threads_run_the_same_plans_at_once() -> None:
    f = gg.jit(lambda x: gg.softmax(gg.exp(x) @ x.T, axis=-1) + gg.sum(x))
    given = [np.random.default_rng(k).normal(size=(6, 6)) for k in range(24)]
    w = gg.zeros(5, device="cuda")

    @gg.jit
    def added(x: Any) -> Any:
        w.copy_(w + x)
        return gg.sum(x)

    def run(x: Any) -> tuple[Any, float]:
        return host(f(gg.tensor(x, device="cuda"))), added(gg.ones(5, device="cuda")).item()

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(run, given))
    for x, (out, total) in zip(given, found, strict=True):
        t = gg.tensor(x)
        wanted = gg.softmax(gg.exp(t) @ t.T, axis=-1) + gg.sum(t)
        np.testing.assert_allclose(out, wanted.numpy(), rtol=1e-10)
        assert total == 5.0
    np.testing.assert_array_equal(host(w), np.full(5, float(len(given))))


def test_results_that_are_computed_with_the_new_cells() -> None:
    """A small step is one kernel, which replaces the parameter and gives the loss."""
    found = []
    for where in ("cpu", "cuda"):
        w = gg.tensor(np.ones(4), requires_grad=True, device=where)
        opt = optim.SGD([w], lr=0.01)

        @gg.jit
        def step(x: Any, w: Any = w, opt: Any = opt) -> Any:
            opt.zero_grad()
            loss = gg.sum(gg.square(w * x))
            loss.backward()
            opt.step()
            return loss

        losses = [step(gg.tensor(np.full(4, k + 1.0), device=where)) for k in range(4)]
        found.append([loss.item() for loss in losses])
    np.testing.assert_allclose(found[1], found[0], rtol=1e-12)


# ---- random programs, orders of threads, sanitizers ------------------------------------------------------------------


def test_random_programs() -> None:
    pytest.importorskip("torch", reason="PyTorch, which random programs are drawn with, is not installed")
    import random_programs

    programs = []
    for seed in range(120):
        drawn = random_programs.draw(seed)
        weights = [gg.asarray(w, device="cuda") for w in drawn.weights]
        on_cuda = random_programs.Program(drawn.inputs, drawn.steps, weights)
        f, g = (gg.value_and_grad(p.ours, tuple(range(len(drawn.inputs)))) for p in (drawn, on_cuda))
        there = [gg.asarray(x, device="cuda") for x in drawn.inputs]
        run = gg.jit(g)
        try:
            run.plan(*there)
        except gg.errors.DeviceError:  # a constant of NumPy's, which eager execution does not take either
            with pytest.raises(gg.errors.DeviceError):
                g(*there)
            continue
        programs.append((seed, f, run, there, list(map(gg.asarray, drawn.inputs))))
    assert len(programs) > 60
    for seed, f, run, there, here in programs:
        first, second, wanted = (pytree.leaves(g(*xs)) for g, xs in ((run, there), (run, there), (f, here)))
        agree(first, wanted, 1e-8, f"seed {seed}")
        for a, b in zip(first, second, strict=True):
            np.testing.assert_array_equal(host(a), host(b), err_msg=f"seed {seed}, from run to run")


def test_whatever_the_order_of_threads_the_bits_are_the_same(on_host: HostDevice) -> None:
    found = []
    for on_host.order in (0, 1, 2):
        training = Training("cuda", True)
        found.append([*training.steps(3), *training.parameters()])
    on_host.order = 0
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


SANITIZED = """
import sys, numpy as np, gpugrad as gg
from gpu_programs import DRAWING, PROGRAMS
from gpugrad.backends import select
gg.use_backend("cuda_on_host")
select.get("cuda_on_host").device.options = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
for name, (f, args) in list((PROGRAMS | DRAWING).items())[int(sys.argv[1])::3]:
    here = f(*args)
    there = gg.jit(f)(*(x.to("cuda") for x in args))
    for a, b in zip(gg.pytree.leaves(there), gg.pytree.leaves(here), strict=True):
        np.testing.assert_allclose(a.to("cpu").numpy(), b.numpy(), rtol=1e-4, atol=1e-5, err_msg=name)
print("clean")
"""


@pytest.mark.parametrize("third", range(3))
def test_sanitizers_find_nothing(on_host: HostDevice, third: int) -> None:
    """Programs of every form, with each access to memory looked at."""
    names = ("libasan.so", "libubsan.so")
    found = [subprocess.run([str(COMPILER), f"-print-file-name={n}"], capture_output=True, text=True) for n in names]
    paths = [Path(p.stdout.strip()) for p in found]
    if not all(p.is_absolute() and p.exists() for p in paths):
        pytest.skip("the C++ compiler has no sanitizers")
    root = Path(gg.__file__).parents[1]
    environment = {
        **os.environ,
        "LD_PRELOAD": ":".join(map(str, paths)),
        "ASAN_OPTIONS": "detect_leaks=0",
        "PYTHONPATH": f"{root}:{Path(__file__).parent}",
    }
    ran = subprocess.run([sys.executable, "-c", SANITIZED, str(third)], env=environment, capture_output=True, text=True)
    assert ran.stdout.strip().endswith("clean"), ran.stdout + ran.stderr[-4000:]


# ---- what cannot be ---------------------------------------------------------------------------------------------------


def test_arrays_of_two_devices() -> None:
    x, y = gg.ones(3), gg.ones(3, device="cuda")
    with pytest.raises(gg.errors.DeviceError, match=r"cpu and cuda:0.*t\.to"):
        x + y
    with pytest.raises(gg.errors.DeviceError, match=r"argument 0 is on cpu and argument 1 is on cuda:0"):
        gg.jit(lambda x, y: gg.sin(x) * y)(x, y)
    with pytest.raises(gg.errors.DeviceError, match="on cuda:0"):
        gg.jit(lambda y: gg.sin(x) * y)(y)  # closes over what is elsewhere
    with pytest.raises(gg.errors.DeviceError, match="without moving it"):
        np.asarray(y)
