"""no_grad, enable_grad and keep_values: of the thread, and put back however their blocks end."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest

import gpugrad as gg


def leaf(data):
    return gg.tensor(data, requires_grad=True)


def test_one_decorator_serves_threads_of_different_modes():
    both = threading.Barrier(2)

    @gg.no_grad()
    def wait():
        both.wait()
        return gg.is_grad_enabled()

    found = {}

    def work(quiet):
        if quiet:
            with gg.no_grad():
                inside = wait()
                found[quiet] = inside, gg.is_grad_enabled()
        else:
            inside = wait()
            found[quiet] = inside, gg.is_grad_enabled()

    threads = [threading.Thread(target=work, args=(quiet,)) for quiet in (False, True)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert found == {False: (False, True), True: (False, False)}


def test_decorated_without_parentheses():
    @gg.no_grad
    def square(x):
        return x * x

    assert not square(leaf(2.0)).requires_grad
    assert square.__name__ == "square"


def test_a_generator_runs_its_steps_in_the_mode_and_nothing_else():
    @gg.no_grad()
    def steps(x):
        got = yield gg.is_grad_enabled()
        try:
            yield got
        except KeyError:
            yield x * x
        return "end"

    g = steps(leaf(2.0))
    assert next(g) is False and gg.is_grad_enabled()
    assert g.send(5) == 5 and gg.is_grad_enabled()
    assert not g.throw(KeyError()).requires_grad and gg.is_grad_enabled()
    with pytest.raises(StopIteration, match="end"):
        next(g)
    closed = steps(leaf(2.0))
    next(closed)
    closed.close()
    assert gg.is_grad_enabled()


def test_an_asynchronous_function_is_refused():
    with pytest.raises(TypeError, match="asynchronous"):

        @gg.no_grad()
        async def f():
            pass


def test_blocks_that_end_out_of_order_leave_the_thread_as_it_was():
    async def task(before, inside):
        await asyncio.sleep(before)
        with gg.no_grad():
            await asyncio.sleep(inside)

    async def both():
        await asyncio.gather(task(0.0, 0.02), task(0.01, 0.02))

    asyncio.run(both())
    assert gg.is_grad_enabled()


def test_one_object_for_several_blocks():
    quiet = gg.no_grad()
    with quiet:
        with quiet:
            pass
        assert not gg.is_grad_enabled()
    assert gg.is_grad_enabled()


def test_values_are_kept_until_the_outermost_block_ends():
    x = leaf(3.0)
    with gg.keep_values():
        with gg.keep_values():
            pass
        y = x * x
    z = x * x
    assert float(y.grad_fn.value) == 9.0
    with pytest.raises(RuntimeError, match="keep_values"):
        _ = z.grad_fn.value


def test_no_grad_is_for_reverse_mode():
    def f(x):
        with gg.no_grad():
            y = x * x
        return y * x

    assert gg.grad(f)(3.0).item() == 9.0
    np.testing.assert_allclose(gg.jvp(f, (3.0,), (1.0,))[1].item(), 27.0)


def test_values_of_operations_with_several_outputs_are_kept():
    a = leaf([[2.0, 1.0], [1.0, 3.0]])
    with gg.keep_values():
        w, _v = gg.linalg.eigh(gg.checkpoint(lambda x: x + x)(a))
        y = gg.sum(w * w)
    y.backward()
    assert w.grad_fn.name == "item" and w.grad_fn.inputs[0].name == "eigh"
    np.testing.assert_array_equal(w.grad_fn.value, w.detach().numpy())
    np.testing.assert_allclose(w.grad_fn.adjoint, 2.0 * w.detach().numpy())
    checkpointed = w.grad_fn.inputs[0].inputs[0]
    np.testing.assert_array_equal(checkpointed.value, 2.0 * a.detach().numpy())
    assert checkpointed.inputs[0].inputs[0].name == "leaf"
