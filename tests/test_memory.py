"""The memory plan: the check of it fails where it should, and the arena packs what it is given."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import gpugrad as gg
from gpugrad.codegen.loops import Array
from gpugrad.graph.calls import KernelCall
from gpugrad.graph.fuse import fused
from gpugrad.graph.ir import Graph
from gpugrad.graph.memory import Memory, Update, planned
from gpugrad.graph.packing import Span, packed
from gpugrad.graph.simplify import simplified
from gpugrad.graph.verify import verify_memory


def chain() -> tuple[Graph, Memory]:
    def f(x):
        for _ in range(3):
            x = gg.tanh(x @ x)
        return gg.sum(gg.softmax(x) ** 2)

    graph = simplified(gg.jit(gg.grad(f)).graph(gg.zeros((6, 6))))
    return graph, planned(graph, fused(graph))


def all_in_one_place(graph: Graph, memory: Memory) -> None:
    memory.offsets.update(dict.fromkeys(memory.offsets, 0))


def too_small(graph: Graph, memory: Memory) -> None:
    memory.size //= 2


def over_an_input(graph: Graph, memory: Memory) -> None:
    first = memory.calls[0].results[0]
    memory.homes[id(first)] = graph.inputs[0]  # which is read again at the end


def one_over_another(graph: Graph, memory: Memory) -> None:
    places = sorted(set(memory.offsets.values()))
    for key, place in memory.offsets.items():
        if place == places[1]:
            memory.offsets[key] = places[0] + 8


@pytest.mark.parametrize("fault", [all_in_one_place, too_small, over_an_input, one_over_another])
def test_a_wrong_plan_is_found(fault: Callable[[Graph, Memory], None]) -> None:
    graph, memory = chain()
    verify_memory(graph, memory)
    fault(graph, memory)
    with pytest.raises(gg.errors.GraphError, match=r"writes|over which|beyond"):
        verify_memory(graph, memory)


def test_what_replaces_an_input_comes_last_and_in_its_place() -> None:
    def f(p, m, x):
        g = x @ p
        m = 0.9 * m + g
        return p - 0.1 * m, m, gg.sum(g)

    like = [gg.zeros((4, 4)) for _ in range(3)]
    graph = gg.jit(f).graph(*like)
    memory = planned(graph, fused(graph), [Update(0, 0), Update(1, 1)])
    verify_memory(graph, memory)
    assert memory.tail == len(memory.calls) - 1
    last = memory.calls[-1]
    assert isinstance(last, KernelCall)
    assert {memory.homes[id(v)].name for v in last.results if id(v) in memory.homes} == {"p", "m"}
    assert not memory.back
    assert len(last.kernel.arrays) == 4  # g, the sum, and the two that are read and written in place


def test_the_last_calls_may_be_run_in_any_order() -> None:
    def f(p, q, x):
        g = x @ x
        return p - g, q * 0.5, gg.sum(g * g)  # a kernel of one number writes none over what it reads

    graph = simplified(gg.jit(f).graph(gg.zeros((4, 4)), gg.zeros(1), gg.zeros((4, 4))))
    memory = planned(graph, fused(graph), [Update(0, 0), Update(1, 1)])
    verify_memory(graph, memory)
    last = memory.calls[memory.tail :]
    assert len(last) > 1, "two kernels wait for the end"
    (read,) = {id(x) for x in last[0].operands} & memory.offsets.keys()
    (written,) = {id(v) for v in last[1].results} & memory.offsets.keys()
    memory.offsets[written] = memory.offsets[read]
    with pytest.raises(gg.errors.GraphError, match="may read later"):
        verify_memory(graph, memory)


def test_an_input_that_is_read_later_is_copied_over_at_the_end() -> None:
    graph = gg.jit(lambda p, x: (p * x, gg.sum(p, axis=0) @ x)).graph(gg.zeros((4, 4)), gg.zeros((4, 4)))
    memory = planned(graph, fused(graph), [Update(0, 0)])
    verify_memory(graph, memory)
    out = graph.outputs[0]
    assert id(out) in memory.homes or [v for v, _ in memory.back] == [out]


def test_arena_is_no_larger_than_what_is_alive() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        sizes = [int(n) for n in rng.integers(1, 30, 12)]

        def f(x, sizes=sizes):
            total = gg.zeros(())
            for n in sizes:
                a = gg.zeros((n, 3)) + x[0]
                total = total + gg.sum(gg.tanh(a @ x) @ gg.ones((3,)))
            return total

        x = gg.tensor(rng.normal(size=(3, 3)))
        usage = gg.jit(f).memory(x)
        assert usage.arena <= sum(-(-n * 24 // 64) * 64 * 4 for n in sizes)


def test_packing_keeps_apart_what_is_needed_at_one_time() -> None:
    rng = np.random.default_rng(0)
    for n in (1, 2, 30, 700):
        starts = np.sort(rng.integers(0, n, n))
        spans = [
            Span(int(a), int(a + rng.integers(0, 20)), int(64 * rng.integers(0, 9)), [k]) for k, a in enumerate(starts)
        ]
        size = packed(spans)
        for k, a in enumerate(spans):
            assert 0 <= a.offset <= a.offset + a.size <= size
            for b in spans[:k]:
                together = a.start <= b.until and b.start <= a.until
                apart = a.offset + a.size <= b.offset or b.offset + b.size <= a.offset
                assert apart or not together or not a.size or not b.size
        most = max(sum(s.size for s in spans if s.start <= k <= s.until) for k in range(n))
        assert most <= size <= 1.5 * most


def test_what_several_values_are_computed_from_is_kept_in_their_place() -> None:
    """The derivative of GELU takes five values of the forward pass; all follow from its input and the tanh in it."""
    x, w = gg.ones((64, 32)), gg.ones((32, 32))
    f = gg.jit(gg.grad(lambda w: gg.sum(gg.gelu(x @ w, "tanh") @ w)))
    first = f.sources(w)["kernel_0"]
    assert first.count("out_") - first.splitlines()[0].count("out_") == 2, first
    np.testing.assert_allclose(
        f(w).numpy(), gg.grad(lambda w: gg.sum(gg.gelu(x @ w, "tanh") @ w))(w).numpy(), rtol=1e-6
    )


def test_what_lies_in_another_order_is_copied_once_into_the_arena() -> None:
    def f(x):
        y = gg.permute_dims(x * 2.0, (1, 0, 2))
        return y.reshape(6, 4) @ gg.ones((4, 4)), y.reshape(3, 8) @ gg.ones((8, 8)), gg.sum(y, axis=-1)

    x = gg.tensor(np.random.default_rng(0).normal(size=(2, 3, 4)))
    run = gg.jit(f)
    for got, want in zip(run(x), f(x), strict=True):
        np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-14)
    assert run.plan(x).count("copyto") == 1
    assert run.memory(x).library == 0


def test_each_way_to_move_axes_is_known_to_lie_in_order_or_not() -> None:
    def f(x):
        a = gg.flip(x + 1.0, axis=0).reshape(-1)
        b = gg.permute_dims(x * 3.0, (2, 0, 1))[:, ::-1, 1:].reshape(4, -1)
        c = (x * 2.0)[:, 1:2].reshape(-1)
        return gg.sum(gg.sin(a)), gg.cos(b), c * 2.0, gg.permute_dims(x, (2, 1, 0)).reshape(-1)

    x = gg.tensor(np.random.default_rng(1).normal(size=(3, 5, 4)))
    for got, want in zip(gg.jit(f)(x), f(x), strict=True):
        np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-14)


def test_nothing_is_written_over_what_a_kernel_without_scratch_reads_again() -> None:
    """Where rows of working memory keep the exponentials, a softmax may write over its operand in the last pass but one."""

    def f(p, x):
        e = gg.exp(gg.softmax(p * x))
        h = gg.tanh(e)
        return h, gg.softmax(h) * e

    graph = simplified(gg.jit(f).graph(gg.zeros((4, 6)), gg.zeros((4, 6))))
    found = []
    for scratch in (True, False):
        memory = planned(graph, fused(graph), [Update(0, 0)], scratch)
        verify_memory(graph, memory)
        (call,) = memory.calls
        assert isinstance(call, KernelCall)
        kernel = call.kernel if scratch else call.kernel.without_scratch()
        (out,) = (a for a, x, _ in call.arguments if call.replaced.get(id(a), x) is graph.outputs[0])
        (turn,) = (s.turn for s, a in kernel.writes if a is out)
        later = [s for t in range(turn + 1, kernel.passes) for s in kernel.needed_in(t)]
        assert not any(s.op == "read" and s.operands[0] is out for s in later)
        found.append(bool(call.replaced))
        assert any(a.scratch for a in call.kernel.arrays)
        assert scratch == any(isinstance(x, Array) and x.scratch for _, x, _ in memory.alive)
    assert found == [True, False]
