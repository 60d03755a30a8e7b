"""What the kernels of whole training steps read and write, from plans that an H100 would have; nothing runs."""

from __future__ import annotations

import math
from typing import Any

import pytest
from gpu_plans import networks, workloads

import gpugrad as gg
from gpugrad.codegen.loops import ELEMENT
from gpugrad.cuda.host import COMPILER
from gpugrad.graph.calls import KernelCall

pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler, without which the host makes no plans")

BLOCKS, WIDTH, TOKENS, VOCABULARY = 3, 64, 4 * 128, 1000


def plan_of(network: Any) -> Any:
    """The plan of a training step."""

    def make(_: str) -> Any:
        _, step, args = networks.training(network)
        return step, args

    with workloads.plan_of(make, "") as plan:
        return plan


def of_size(plan: Any, elements: int) -> list[list[tuple[str, str, bool, bool]]]:
    """For each kernel that has arrays of so many elements: name, dtype, whether it reads, and writes there."""
    found = []
    for call in plan.memory.calls:
        if isinstance(call, KernelCall):
            k = call.kernel
            read = {id(s.operands[0]) for s in k.steps if s.op == "read" and s.level == ELEMENT}
            there = [a for a, _, shape in call.arguments if math.prod(shape) == elements and not a.scratch]
            if there:
                found.append([(a.name, str(a.dtype), id(a) in read, a.written) for a in there])
    return found


@pytest.fixture(scope="module")
def gpt() -> Any:
    return plan_of(networks.gpt2(BLOCKS, WIDTH, 4, VOCABULARY, 128, 4))


def test_the_logits_of_a_step_are_read_and_replaced_by_one_kernel(gpt: Any) -> None:
    """Which reads them in half precision and leaves their gradient in their place."""
    assert of_size(gpt, TOKENS * VOCABULARY) == [[("inout_cast_1", "bfloat16", True, True)]]


def test_a_gelu_keeps_nothing_but_its_operand(gpt: Any) -> None:
    """tanh is computed again: forward one array is read and one written, backward two and one."""
    touched = of_size(gpt, TOKENS * 4 * WIDTH)
    assert len(touched) == 2 * BLOCKS
    assert {dtype for arrays in touched for _, dtype, _, _ in arrays} == {"bfloat16"}
    times = [(sum(r for _, _, r, _ in arrays), sum(w for _, _, _, w in arrays)) for arrays in touched]
    assert sorted(times) == [(1, 1)] * BLOCKS + [(2, 1)] * BLOCKS


def test_gradients_of_queries_keys_and_values_are_put_together_once(gpt: Any) -> None:
    text = str(gpt.graph)
    assert text.count(" = assemble(") == BLOCKS and " = unslice(" not in text


def test_no_float32_lies_between_convolutions() -> None:
    """But what a batch normalisation's gradient reads twice, and the gradient of the mean over each image."""
    size, batch, widths = 16, 8, (32, 64)
    plan = plan_of(networks.resnet18(widths, size, batch))
    written = dict.fromkeys(widths, 0)
    for k, width in enumerate(widths):
        for arrays in of_size(plan, batch * width * (size >> k) ** 2):
            written[width] += sum(dtype == "float32" for _, dtype, _, w in arrays if w)
    norms = {32: 5, 64: 5}
    assert all(written[w] <= norms[w] for w in widths), written


def test_a_batch_normalisation_forward_writes_its_result_alone() -> None:
    """And reads what it is of: the statistics are small."""
    layer = gg.nn.Sequential(gg.nn.BatchNorm2d(8), gg.nn.ReLU())
    shape = 16, 8, 32, 32

    def make(_: str) -> Any:
        model = layer.to("cuda")
        x = workloads.array(shape, "bfloat16")

        def loss(x: Any) -> Any:
            with gg.autocast("bfloat16"):
                return model(x)

        return workloads.value_and_pullback(loss), (workloads.array(shape, "bfloat16"), x)

    with workloads.plan_of(make, "") as plan:
        touched = of_size(plan, math.prod(shape))
    assert {dtype for arrays in touched for _, dtype, _, _ in arrays} == {"bfloat16"}
    assert sum(w for arrays in touched for _, _, _, w in arrays) == 2  # the result, and the gradient
