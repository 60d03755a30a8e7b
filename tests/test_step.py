"""Compiled training steps: cells that are written over in place, whoever else holds what was there, and what memory it takes."""

from __future__ import annotations

import ctypes
import os
import signal
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from interpreted import interpreted

import gpugrad as gg
from gpugrad import nn, optim
from gpugrad.backends import numba_kernels, parallel, recycled
from gpugrad.transforms.step import at_once


@pytest.fixture(autouse=True)
def by_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba_kernels, "compiled", interpreted)


class Training:
    """A small network, an optimizer, and the step as a function of a batch."""

    def __init__(self, make=optim.Adam, compiled: bool = True, **options) -> None:
        gg.random.seed(0)
        self.model = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3))
        self.optimizer = make(self.model.parameters(), lr=0.05, **options)
        rng = np.random.default_rng(0)
        self.x, self.y = gg.tensor(rng.normal(size=(8, 5)), dtype="float32"), gg.tensor(rng.integers(0, 3, 8))
        self.step = gg.jit(self._step) if compiled else self._step

    def _step(self, x, y):
        self.optimizer.zero_grad()
        loss = gg.cross_entropy(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        return loss

    def steps(self, n: int, size: int = 8) -> list[float]:
        return [self.step(self.x[:size], self.y[:size]).item() for _ in range(n)]

    @property
    def arrays(self) -> list[np.ndarray]:
        return [p._data for p in self.model.parameters()]


def same(a: Training, b: Training) -> None:
    for p, q in zip(a.model.parameters(), b.model.parameters(), strict=True):
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-5, atol=1e-6)


def test_parameters_moments_and_gradients_stay_the_same_arrays() -> None:
    t = Training()
    t.steps(3)
    before = [*map(id, t.arrays), *(id(p.grad) for p in t.model.parameters())]
    moments = [id(slot.get()) for slot in t.optimizer.__cells__()]
    first = t.arrays[0].copy()
    t.steps(2)
    assert before == [*map(id, t.arrays), *(id(p.grad) for p in t.model.parameters())]
    assert moments == [id(slot.get()) for slot in t.optimizer.__cells__()]
    assert not np.array_equal(first, t.arrays[0])


def held_by(t: Training):
    """Ways to hold on to a parameter's or a gradient's numbers, each as an array that shows them."""
    p = next(iter(t.model.parameters()))
    return {
        "view": lambda: p._data[1:],
        "detached": lambda: p.detach(),
        "memoryview": lambda: memoryview(p._data),
        "dlpack": lambda: np.from_dlpack(p.detach()),
        "gradient": lambda: p.grad,
        "gradient's array": lambda: p.grad._data,
        "transposed": lambda: p.detach().T,
    }


def test_without_gradients_between_steps_arrays_stay_the_same_too() -> None:
    t = Training()

    def step(x, y):
        loss = gg.cross_entropy(t.model(x), y)
        loss.backward()
        t.optimizer.step()
        t.optimizer.zero_grad()
        return loss

    t.step = gg.jit(step)
    t.steps(3)
    before = list(map(id, t.arrays))
    t.steps(3)
    assert before == list(map(id, t.arrays))
    (run, _) = next(iter(t.step._quick.values()))
    assert run.alone()


WAYS = ["view", "detached", "memoryview", "dlpack", "gradient", "gradient's array", "transposed"]


@pytest.mark.parametrize("way", WAYS)
def test_who_holds_an_array_keeps_its_numbers(way: str) -> None:
    t, eager = Training(), Training(compiled=False)
    t.steps(3)
    eager.steps(3)
    held = held_by(t)[way]()
    before = np.array(held)
    t.steps(2)
    eager.steps(2)
    np.testing.assert_array_equal(np.array(held), before)
    same(t, eager)


def test_a_graph_that_was_recorded_before_a_step_keeps_its_values() -> None:
    t = Training()
    t.steps(3)
    p = next(iter(t.model.parameters()))
    out = (p * p).sum()
    wanted = 2 * p.detach().numpy().copy()
    t.steps(1)
    p.grad = None
    out.backward()
    np.testing.assert_allclose(p.grad.numpy(), wanted)


def test_batches_of_two_sizes_take_turns() -> None:
    t, eager = Training(), Training(compiled=False)
    for size in (8, 8, 5, 8, 5, 5, 8):
        assert t.steps(1, size) == pytest.approx(eager.steps(1, size), rel=1e-5)
    before = list(map(id, t.arrays))
    t.steps(1, 5)
    t.steps(1, 8)
    assert before == list(map(id, t.arrays))  # they pass from step to step without a copy
    eager.steps(1, 5)
    eager.steps(1, 8)
    same(t, eager)


def test_two_functions_that_train_the_same_parameters_take_turns() -> None:
    t, eager = Training(optim.SGD), Training(optim.SGD, compiled=False)

    def shrink(training):
        def f(x):
            for p in training.model.parameters():
                p.copy_(p.detach() * x)

        return f

    other, plain = gg.jit(shrink(t)), shrink(eager)
    factor = gg.tensor(0.9, dtype="float32")
    for _ in range(4):
        t.steps(1)
        other(factor)
        eager.steps(1)
        plain(factor)
    same(t, eager)


def test_values_from_outside_between_steps_are_taken_up() -> None:
    t, eager = Training(), Training(compiled=False)
    for each in (t, eager):
        each.steps(3)
        saved = each.optimizer.state_dict()
        each.steps(2)
        each.optimizer.load_state_dict(saved)
        with gg.no_grad():
            for p in each.model.parameters():
                p.copy_(gg.ones(p.shape, dtype="float32") * 0.1)
        each.steps(2)
        each.optimizer.param_groups[0]["lr"] = 0.5
        each.steps(2)
        for p in each.model.parameters():
            p.grad = gg.ones(p.shape, dtype="float32")
        each.steps(1)
    same(t, eager)


def test_accumulated_gradients() -> None:
    def run(compiled: bool):
        w = gg.tensor([1.0, 2.0], requires_grad=True)
        add = lambda x: (w * w * x).sum().backward()
        add = gg.jit(add) if compiled else add
        for k in range(4):
            add(gg.tensor(float(k)))
        return w.grad.numpy()

    np.testing.assert_array_equal(run(True), run(False))


def test_two_steps_of_an_optimizer_in_one_compiled_step() -> None:
    def run(compiled: bool):
        w = gg.tensor([1.0, 2.0], requires_grad=True)
        adam = optim.Adam([w], lr=0.1)

        def twice(x):
            for _ in range(2):
                adam.zero_grad()
                ((w - x) ** 2).sum().backward()
                adam.step()

        step = gg.jit(twice) if compiled else twice
        for k in range(3):
            step(gg.tensor([0.5, -1.0]) * k)
        return w.detach().numpy(), adam.state_dict()["state"][0]["step"]

    (got, n), (wanted, m) = run(True), run(False)
    np.testing.assert_allclose(got, wanted, rtol=1e-12)
    assert n == m == 6


def test_state_that_is_exchanged_returned_or_given_twice() -> None:
    def run(compiled: bool):
        cells = {"a": gg.tensor([1.0, 2.0]), "b": gg.tensor([3.0, 4.0])}
        a, b = cells["a"], cells["b"]

        def f(x):
            before = a.detach()
            new = b * x
            b.copy_(before)
            a.copy_(new)
            return before, new, new

        step = gg.jit(f) if compiled else f
        out = []
        for k in range(4):
            out += [t.numpy() for t in step(gg.tensor(1.0 + k))]
        return [*out, a.numpy(), b.numpy()]

    for got, wanted in zip(run(True), run(False), strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_a_step_that_fails_leaves_everything() -> None:
    state = gg.tensor([1.0, 2.0])
    w = gg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    sgd = optim.SGD([w], lr=0.1)

    @gg.jit
    def step(k):
        sgd.zero_grad()
        state.copy_(state * 2.0)
        (w[k] * 2.0).sum().backward()  # raises where k is out of range
        sgd.step()

    for _ in range(3):
        step(gg.tensor([0, 1]))
    before = [state.numpy().copy(), w.detach().numpy().copy()]
    with pytest.raises(gg.errors.AxisError):
        step(gg.tensor([0, 7]))
    np.testing.assert_array_equal(state.numpy(), before[0])
    np.testing.assert_array_equal(w.detach().numpy(), before[1])
    step(gg.tensor([0, 1]))
    np.testing.assert_array_equal(state.numpy(), before[0] * 2)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A process that was started in the background ignores interrupts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_waits_until_all_cells_are_written(interruptible: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "LEAST", 1)
    t, eager = Training(), Training(compiled=False)
    now = []

    def interrupting(text, _kinds):
        run = interpreted(text)

        def kernel(*arguments):
            if now and threading.current_thread() is threading.main_thread() and "sqrt" in text:  # Adam
                signal.raise_signal(signal.SIGINT)
            run(*arguments)

        return kernel

    monkeypatch.setattr(numba_kernels, "compiled", interrupting)
    t.steps(2)
    now.append(True)
    with pytest.raises(KeyboardInterrupt):
        t.steps(1)
    now.clear()
    eager.steps(3)
    same(t, eager)


def test_calls_of_c_functions_are_not_interrupted_between(interruptible: None) -> None:
    done = []
    interrupt = ctypes.CDLL(None)["raise"]  # Python's own functions would look for the signal themselves
    with pytest.raises(KeyboardInterrupt):
        at_once([(interrupt, int(signal.SIGINT)), (done.append, 1), (done.append, 2)])
    assert done == [1, 2]


def test_two_threads_may_call_one_step() -> None:
    total = gg.tensor([0.0])

    @gg.jit
    def add(x):
        total.copy_(total + x)

    one = gg.tensor([1.0])
    add(one)
    threads = [threading.Thread(target=lambda: [add(one) for _ in range(50)]) for _ in range(4)]
    for th in threads:
        th.start()
    for th in threads:
        th.join()
    assert total.item() == 201.0


def test_a_shared_array_in_another_order_is_read_as_it_is_now() -> None:
    def run(compiled: bool):
        base = np.arange(6.0).reshape(2, 3)
        table, total = gg.asarray(base.T), gg.tensor(np.zeros((3, 2)))

        def add(x):
            total.copy_(total + table * x)

        step = gg.jit(add) if compiled else add
        for _ in range(4):
            step(gg.tensor(1.0))
            base += 1.0
        return total.numpy()

    np.testing.assert_array_equal(run(True), run(False))


def test_the_garbage_collector_may_free_a_large_result_while_another_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its memory comes back in the thread that holds the lock."""
    held = [recycled.empty((recycled.LEAST,), np.dtype("u1"))]

    class Collecting(dict):
        def get(self, key, default=None):
            held.clear()
            return super().get(key, default)

    monkeypatch.setattr(recycled, "_free", Collecting())
    done = threading.Event()
    other = threading.Thread(
        target=lambda: (recycled.empty((recycled.LEAST,), np.dtype("u1")), done.set()), daemon=True
    )
    other.start()
    assert done.wait(20.0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_fork_while_a_step_runs() -> None:
    total = gg.tensor([0.0])

    @gg.jit
    def add(x):
        total.copy_(total + x)

    one = gg.tensor([1.0])
    add(one)
    add(one)
    ((step, _),) = add._quick.values()
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with step.lock:
            held.set()
            done.wait()

    other = threading.Thread(target=hold)
    other.start()
    held.wait()
    child = os.fork()
    if child == 0:
        add(one)
        os._exit(0 if total.item() == 3.0 else 1)
    deadline = time.monotonic() + 20.0
    status = None
    while status is None and time.monotonic() < deadline:
        ended, code = os.waitpid(child, os.WNOHANG)
        status = code if ended else None
        time.sleep(0.01)
    if status is None:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    done.set()
    other.join()
    assert status == 0


def test_a_reading_function_sees_what_a_step_wrote() -> None:
    t = Training()
    evaluate = gg.jit(lambda x: gg.stop_gradient(t.model(x)))
    for _ in range(4):
        t.steps(1)
        with gg.no_grad():
            np.testing.assert_allclose(evaluate(t.x).numpy(), t.model(t.x).numpy(), rtol=1e-6)


def test_memory_is_used_again() -> None:
    def chain(x):
        for _ in range(6):
            x = gg.tanh(x @ x)
        return x.sum()

    x = gg.zeros((20, 20))
    usage = gg.jit(chain).memory(x)
    assert usage.arguments == 3200
    assert usage.results == 8
    assert usage.arena <= 2 * 3200  # a product beside what it is the product of, however many there are
    assert usage.peak == usage.arguments + usage.constants + usage.arena + usage.library + usage.results
    assert "matmul float64[20, 20]" in str(usage)
    assert "x = gg.tanh(x @ x)" in str(usage)


def test_a_gradient_keeps_what_its_backward_pass_reads() -> None:
    def chain(x):
        for _ in range(6):
            x = gg.tanh(x @ x)
        return x.sum()

    x = gg.zeros((20, 20))
    usage = gg.jit(gg.grad(chain)).memory(x)
    assert 6 * 3200 <= usage.arena <= 10 * 3200


def test_memory_of_large_results_comes_back() -> None:
    recycled.release()
    f = gg.jit(lambda x: x * 2.0 + 1.0)
    x = gg.ones((recycled.LEAST // 8,))
    first = f(x)
    address = first._data.ctypes.data
    second = f(x)
    assert second._data.ctypes.data != address
    part = first._data[5:]
    del first
    third = f(x)
    assert third._data.ctypes.data != address  # a view still holds it
    np.testing.assert_array_equal(part, 3.0)
    del part
    fourth = f(x)
    assert fourth._data.ctypes.data == address
    np.testing.assert_array_equal(fourth.numpy(), 3.0)
    recycled.release()


def test_a_checkpoint_is_computed_again_in_place_of_being_stored() -> None:
    def block(x):
        for _ in range(4):
            x = gg.tanh(x @ x)
        return x

    def loss(x, checkpointed):
        for _ in range(4):
            x = (gg.checkpoint(block) if checkpointed else block)(x)
        return x.sum()

    x = gg.tensor(np.random.default_rng(0).normal(size=(20, 20)) / 3)
    stored, again = (gg.jit(gg.grad(lambda x, c=c: loss(x, c))) for c in (False, True))
    np.testing.assert_allclose(again(x).numpy(), gg.grad(lambda x: loss(x, False))(x).numpy(), rtol=1e-9)
    assert stored.memory(x).arena >= 16 * 3200
    assert again.memory(x).arena <= 9 * 3200
    products = [sum(line.prim.name == "matmul" for line in f.graph(x).lines) for f in (stored, again)]
    assert products == [48, 60]  # all of the first three blocks a second time; the fourth but for its last product


def test_a_checkpoint_draws_again_what_it_drew() -> None:
    def drop(x):
        return gg.where(gg.random.bernoulli(0.5, x.shape), gg.tanh(x) * x, 0.0)

    f = gg.jit(lambda x: gg.value_and_grad(lambda x: gg.checkpoint(drop)(x).sum())(x))
    x = gg.ones((100,))
    value, gradient = f(x)
    t = np.tanh(1.0)
    kept = gradient.numpy() != 0.0
    np.testing.assert_allclose(gradient.numpy()[kept], t + 1 - t * t)
    np.testing.assert_allclose(value.item(), t * kept.sum())
