"""How many threads there are, and that several of them, and several processes, may compute at once."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import gpugrad as gg
from gpugrad import errors
from gpugrad.backends import parallel
from gpugrad.config import _cores
from gpugrad.transforms import replay

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
deprecated = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


def of_blas() -> set[int]:
    """The numbers of threads of all BLAS libraries that are loaded."""
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


@pytest.fixture
def threads() -> Iterator[None]:
    """The numbers of threads are put back."""
    before = gg.config.threads
    with threadpool_limits(user_api="blas"):
        yield
        gg.config.threads = before


# ---- one number for all -------------------------------------------------------------------------------------------------


def test_loops_and_blas_have_one_number(threads: None) -> None:
    for n in (2, 1):
        gg.config.threads = n
        assert gg.config.threads == n
        assert of_blas() == {n}


def in_a_process(value: str | None) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k not in ("GPUGRAD_NUM_THREADS", "OMP_NUM_THREADS")}
    if value is not None:
        environment["GPUGRAD_NUM_THREADS"] = value
    code = "import gpugrad as gg, os; from threadpoolctl import threadpool_info as t; print(gg.config.threads, {i['num_threads'] for i in t()})"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)


def test_the_environment_says_it_from_the_start() -> None:
    assert in_a_process("2").stdout.split(maxsplit=1) == ["2", "{2}\n"]
    assert in_a_process(" ").stdout.split()[0] == str(_cores())


@pytest.mark.parametrize("wrong", ["0", "-1", "two", "1.5"])
def test_wrong_numbers(wrong: str, threads: None) -> None:
    done = in_a_process(wrong)
    assert done.returncode
    assert f"ArgumentError: GPUGRAD_NUM_THREADS='{wrong}' in the environment; expected a whole number" in done.stderr
    before = gg.config.threads
    for value, kind in (
        (0, errors.ArgumentError),
        (-1, errors.ArgumentError),
        (2.0, errors.DtypeError),
        (True, errors.DtypeError),
    ):
        with pytest.raises(kind, match=r"config.threads=.*at least 1"):
            gg.config.threads = value  # type: ignore[assignment]
    assert gg.config.threads == before


def test_the_number_of_a_users_parallel_kernel(threads: None) -> None:
    import numba

    @gg.kernel(like="x")
    @numba.njit(parallel=True)
    def who(x: Any, out: Any) -> None:
        for i in numba.prange(x.shape[0]):
            out[i] = numba.get_num_threads()

    for n in range(1, min(2, numba.config.NUMBA_NUM_THREADS) + 1):
        gg.config.threads = n
        assert set(who(np.zeros(8)).tolist()) == {n}


def test_threads_of_the_pool_call_no_blas(monkeypatch: pytest.MonkeyPatch, threads: None) -> None:
    """What is shared out are loops; products of matrices are called by the thread that calls the program."""
    shared: list[str] = []
    split = parallel.split

    def noted(run: Any, kinds: Any, length: int) -> Any:
        return split(lambda *xs: (shared.append(threading.current_thread().name), run(*xs))[1], kinds, length)

    monkeypatch.setattr(parallel, "split", noted)
    monkeypatch.setattr(parallel, "LEAST", 0.0)
    dots: list[str] = []
    dot = np.dot
    monkeypatch.setattr(np, "dot", lambda *xs: (dots.append(threading.current_thread().name), dot(*xs))[1])
    gg.config.threads = 3
    f = gg.jit(lambda x: gg.sum(gg.sin(x @ x) * 2.0))
    x = np.random.default_rng(0).normal(size=(30, 30))
    np.testing.assert_allclose(float(f(x)), np.sum(np.sin(x @ x) * 2.0), rtol=1e-12)
    assert any(name.startswith("gpugrad") for name in shared)
    assert dots and not any(name.startswith("gpugrad") for name in dots)


# ---- at once ------------------------------------------------------------------------------------------------------------


def loss(x: Any) -> Any:
    return gg.sum(gg.sin(x) * x)


def wanted(x: Any) -> Any:
    return np.sin(x) + x * np.cos(x)


LARGE = np.linspace(-3.0, 3.0, 1 << 20)


def test_two_threads_on_large_arrays(threads: None) -> None:
    gg.config.threads = 2
    functions = [gg.jit(gg.grad(loss)), gg.jit(lambda x: gg.cumsum(x * 2.0) * 0.5)]
    truths = [wanted, np.cumsum]
    failed: list[Any] = []

    def work(k: int) -> None:
        try:
            for n in range(20):
                x = LARGE + n
                np.testing.assert_allclose(functions[k % 2](x).numpy(), truths[k % 2](x), rtol=1e-9, atol=1e-9)
        except BaseException as error:
            failed.append(error)

    workers = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    assert not failed


def in_a_fork(work: Callable[[], None]) -> None:
    """``work`` in a forked child; it must end, and well."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    timer = threading.Timer(60.0, os.kill, (pid, 9))
    timer.start()
    _, status = os.waitpid(pid, 0)
    timer.cancel()
    assert status == 0


@forks
@deprecated
def test_a_fork_while_the_pool_and_the_compiler_work(threads: None) -> None:
    gg.config.threads = 2
    f = gg.jit(gg.grad(loss))
    f(LARGE)
    stop = threading.Event()
    failed: list[Any] = []

    def run() -> None:
        try:
            while not stop.is_set():
                f(LARGE)
        except BaseException as error:
            failed.append(error)

    def compile_new() -> None:
        try:
            for n in range(3):
                gg.jit(lambda x, n=n: gg.exp(x * 0.1) + float(n))(LARGE)
        except BaseException as error:
            failed.append(error)

    def child() -> None:
        np.testing.assert_allclose(f(LARGE).numpy(), wanted(LARGE), rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(gg.jit(lambda x: gg.cos(x) - 1.0)(LARGE).numpy(), np.cos(LARGE) - 1.0, atol=1e-12)

    workers = [threading.Thread(target=run), threading.Thread(target=compile_new)]
    for w in workers:
        w.start()
    try:
        for _ in range(2):
            in_a_fork(child)
    finally:
        stop.set()
        for w in workers:
            w.join()
    assert not failed


@forks
@deprecated
def test_a_fork_after_plans_of_backward_passes() -> None:
    def passes(factor: float) -> None:
        for _ in range(3):
            x = gg.tensor(LARGE, requires_grad=True)
            (loss(x) * factor if factor != 1.0 else loss(x)).backward()
            np.testing.assert_allclose(x.grad.numpy(), factor * wanted(LARGE), rtol=1e-9, atol=1e-9)
            replay.wait()

    passes(1.0)
    in_a_fork(lambda: passes(3.0))  # another structure, which is compiled there


def _gradient(x: Any) -> Any:
    return gg.jit(gg.grad(loss))(x).numpy()


@pytest.mark.parametrize("method", [m for m in ("fork", "spawn") if m in multiprocessing.get_all_start_methods()])
@deprecated
def test_processes(method: str, threads: None) -> None:
    gg.config.threads = 2
    _gradient(LARGE)
    with multiprocessing.get_context(method).Pool(2) as pool:
        for got in pool.map(_gradient, [LARGE, LARGE]):
            np.testing.assert_allclose(got, wanted(LARGE), rtol=1e-9, atol=1e-9)
