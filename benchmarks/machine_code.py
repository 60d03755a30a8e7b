"""What plans move and what kernels are compiled to, computed without a GPU; written to results/computed-for-an-H200.md.

python benchmarks/machine_code.py
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gpu_networks import HALF, Network, gpt2, perceptron, resnet18, training
from gpu_workloads import Kernel, kernels_of, plan_of, workloads

from gpugrad.codegen.chosen import divided, read_in
from gpugrad.codegen.gpu_launch import TURNS, VECTOR, Device, staged
from gpugrad.codegen.loops import ELEMENT, Array
from gpugrad.cuda.machine_code import Function, functions
from gpugrad.cuda.plan import CudaPlan
from gpugrad.graph.calls import CopyCall, LibraryCall
from gpugrad.graph.memory import VIEWS, nbytes
from gpugrad.graph.usage import shown, traffic

RESULT = Path(__file__).with_name("results") / "computed-for-an-H200.md"
ARCHITECTURE = "sm_90"
BANDWIDTH = 4.3e12
"""Bytes per second that a copy reaches on an H200."""
PROCESSORS, CLOCK = 132, 1.755e9
BEGUN = 128
"""Instructions of a thread that a processor begins in a clock."""
UNITS = {
    "IADD3|VIADD|LOP3|SHF|PRMT|LEA|SEL|FSEL|ISETP|FSETP|FMNMX|VIMNMX|F2FP|F2F|F2I|I2F": 64,
    "IMAD|IDP": 64,
    "SHFL": 32,
    "MUFU": 16,
}
"""What a unit of a processor does -> for how many threads in a clock: NVIDIA, CUDA C++ Programming Guide, Throughput of Native
Arithmetic Instructions, for compute capability 9.0."""
SMALL = 1e-3
"""What moves less than this part of a program's bytes has no line."""

HEADS = [
    "program",
    "dtype",
    "kernel",
    "moved",
    "again, from the cache",
    "least",
    "ratio",
    "instructions of an element",
    "of a byte",
    "of the bandwidth at most",
    "registers",
    "threads of a processor",
    "in flight for a processor",
    "accesses",
    "time of the bytes",
]


def least(plan: CudaPlan) -> int:
    """The bytes that a program has to move: each argument that it needs is read once, and each result written once."""
    read = {id(x) for line in plan.graph.lines for x in line.operands}
    ends = {id(x): x for x in plan.graph.outputs}
    return sum(nbytes(x) for x in plan.graph.inputs if id(x) in read) + sum(map(nbytes, ends.values()))


def moved(kernel: Kernel) -> int:
    """The bytes that a kernel moves, with what one launch leaves for the next."""
    parts = sum(m.elements * np.dtype(m.dtype).itemsize for m in kernel.schedule.memory if not m.instead)
    return sum(traffic(kernel.call)) + 2 * parts


def again(kernel: Kernel) -> int:
    """The bytes of rows that are read again in later passes, in which the cache may still have them."""
    k, form = kernel.call.kernel.without_scratch(), kernel.schedule.form
    if form.held:
        return 0
    once = staged(k) if form.staged else []
    read = [a for turn in range(k.passes) for a in read_in(k, turn) if a not in once]
    whole = {id(a): a for a in read}
    size = {id(a): nbytes(x) for a, x, _ in kernel.call.arguments if not a.scratch}
    return sum(size[id(a)] for a in read) - sum(size[id(a)] for a in whole.values())


def of_element(kernel: Kernel, code: dict[str, Function]) -> dict[str, float] | None:
    """The kinds of instructions that a thread takes for one element, and how many, all passes together.

    Branches not taken are counted, too. None where the compiler made other loops of the passes than they are.
    """
    k, form = kernel.call.kernel, kernel.schedule.form
    if form.held:
        (loop,) = code["kernel"].main_loops or [frozenset(range(len(code["kernel"].instructions)))]
        return counted(code["kernel"], loop, 1 / (form.held * form.width))
    k = k.without_scratch()
    turns = [turn for turn in range(k.passes) if divided(k, turn).steps]
    kinds = ["LDG|STG"] * len(turns)
    arrays = [accessed(kernel, turn) for turn in turns]
    if form.staged:  # an array after another is brought to shared memory, and then each pass reads it there
        there = staged(k)
        kinds = ["LDGSTS"] * len(there) + ["LDS|LDG(?!STS)|STG"] * len(turns)
        arrays = [*([a] for a in there), *arrays]
    total: dict[str, float] = {}
    for n, (kind, of_loop) in enumerate(zip(kinds, arrays, strict=True)):
        split = form.shape == "split"
        function = code[f"kernel_{n}" if split else "kernel"]
        loops = [
            loop
            for loop in function.innermost("|".join(set(kinds)))
            if widest(function, loop, kind) == widest(function, None, kind)
        ]
        expected = 1 if split else kinds.count(kind)
        if len(loops) > expected:  # what turns are left over after several at once may be a loop as well
            loops = [loop for loop in loops if len(function.named(kind, loop)) % TURNS == 0]
        if len(loops) != expected:
            return None
        loop = loops[0 if split else kinds[:n].count(kind)]
        once = sum(max(1, form.width * a.dtype.itemsize // VECTOR) for a in of_loop)
        for what, times in counted(function, loop, once / len(function.named(kind, loop)) / form.width).items():
            total[what] = total.get(what, 0.0) + times
    return total


def counted(function: Function, loop: frozenset[int], times: float) -> dict[str, float]:
    """The instructions of a loop by kinds, each so often."""
    return {kind: n * times for kind, n in Counter(function.instructions[k].kind for k in loop).items()}


def share(kernel: Kernel, found: dict[str, float]) -> float:
    """The part of the bandwidth with which a kernel could move its bytes while a processor computes, with all units busy."""
    clocks = [sum(found.values()) / BEGUN]
    for kinds, threads in UNITS.items():
        clocks.append(sum(n for kind, n in found.items() if re.fullmatch(kinds, kind)) / threads)
    return moved(kernel) / kernel.call.elements / max(clocks) / (BANDWIDTH / PROCESSORS / CLOCK)


def accessed(kernel: Kernel, turn: int) -> list[Array]:
    """The arrays whose elements a pass reads or writes, in global memory or where they are shared."""
    k = kernel.call.kernel.without_scratch()
    needed = divided(k, turn).steps
    found = [s.operands[0] for s in needed if s.op == "read"]
    found += [k.kept[id(s)] for s in needed if id(s) in k.kept and s.turn < turn]
    found += [a for s, a in k.writes if s.level == ELEMENT and s.turn == turn and not k.sums_rows(s, a)]
    return [a for a in found if k.axes - 1 in a.axes and not a.drawn]


def widest(function: Function, loop: frozenset[int] | None = None, kind: str = "LDG|STG") -> int:
    """The bytes of the widest accesses, by default to global memory."""
    return max((i.bytes for i in function.named(kind, loop)), default=0)


def in_flight(kernel: Kernel, function: Function, processors: int) -> int:
    """The bytes that all threads of a processor ask for at once, at most."""
    launch = kernel.schedule.launches[0]
    of_block = launch.block[0] * launch.block[1]
    blocks = -(-launch.grid[0] * launch.grid[1] // processors)
    threads = min(function.threads(of_block, launch.shared), blocks * of_block)
    if launch.shared:  # all of a row is under way at once
        return threads // of_block * launch.shared
    asked = [sum(i.bytes for i in function.named("LDG", loop)) for loop in function.main_loops]
    return threads * max(asked, default=0)


def lines_of(name: str, dtype: str, plan: CudaPlan) -> list[list[str]]:
    """The lines of a program: one for each kernel that moves much, or several that are alike, and one for all together."""
    kernels, ideal = kernels_of(plan), least(plan)
    total = sum(map(moved, kernels))
    alike: dict[tuple[str, ...], list[Kernel]] = {}
    """What is said of kernels -> those of which it is."""
    large = [kernel for kernel in kernels if moved(kernel) >= SMALL * total]
    codes = functions([kernel.text for kernel in large], ARCHITECTURE)
    for kernel, code in zip(large, codes, strict=True):
        first = code.get("kernel") or code["kernel_0"]
        launch = kernel.schedule.launches[0]
        of_block = launch.block[0] * launch.block[1]
        found = of_element(kernel, code)
        accesses = sorted({8 * i.bytes for loop in first.main_loops for i in first.named("LDG|STG", loop)})
        form = kernel.schedule.form
        kind = form.shape + (f", {form.held} × in registers" if form.held else ", ragged" if form.ragged else "")
        kind += ", in shared memory" if form.staged else ""
        said = (
            kind,
            shown(again(kernel)) if again(kernel) else "-",
            "",
            "",
            "-" if found is None else f"{sum(found.values()):.0f}",
            "-" if found is None else f"{sum(found.values()) * kernel.call.elements / moved(kernel):.1f}",
            "-" if found is None else f"{min(1.0, share(kernel, found)):.2f}",
            str(first.registers),
            str(first.threads(of_block, launch.shared)),
            shown(in_flight(kernel, first, Device().processors)),
            ", ".join(f"{n} bit" for n in accesses),
        )
        alike.setdefault(said, []).append(kernel)
    lines = []
    for (kind, *said), members in alike.items():
        much = sum(map(moved, members))
        title = f"{kind}, {len(members)} alike" if len(members) > 1 else kind
        lines.append([name, dtype, title, shown(much), *said, f"{much / BANDWIDTH * 1e6:.0f} µs"])
    blank = [""] * 7
    whole = [shown(total), "", shown(ideal), f"{total / ideal:.3f}", *blank, f"{total / BANDWIDTH * 1e6:.0f} µs"]
    return [*lines, [name, dtype, f"all of {len(kernels)}", *whole]]


STEPS = {
    "MLP 784-256-128-10, batch 128": perceptron,
    "ResNet-18, 32 × 32, batch 128": resnet18,
    "GPT-2 of 124 million, 32 × 1024 tokens": gpt2,
}
"""Training steps with AdamW."""


def line_of_step(name: str, network: Network) -> list[str]:
    """What a training step's kernels move; the library's calls are counted alone."""

    def make(_: str) -> Any:
        _, step, args = training(network)
        return step, args

    with plan_of(make, "float32") as plan:
        moves = sum(map(moved, kernels_of(plan)))
        rest = sum(isinstance(call, LibraryCall) and call.line.prim.name not in VIEWS for call in plan.memory.calls)
        copies = sum(isinstance(call, CopyCall) for call in plan.memory.calls)
        one = "one" if not plan.apart else plan.apart
        numbers = [len(kernels_of(plan)), rest, copies]
        return [
            name,
            HALF if network.mixed else "float32",
            *map(str, numbers),
            shown(moves),
            f"{moves / BANDWIDTH * 1e6:.0f} µs",
            shown(plan.memory.size),
            one,
        ]


def tabled(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Lines as Markdown."""
    return "\n".join("| " + " | ".join(row) + " |" for row in [heads, ["---"] * len(heads), *lines])


def table(lines: Sequence[Sequence[str]], steps: Sequence[Sequence[str]]) -> str:
    """The lines as Markdown."""
    heads = ["step", "dtype", "kernels", "calls of libraries", "copies", "kernels move", "time of the bytes"]
    body = (
        tabled(HEADS, lines)
        + f"""

Whole training steps with AdamW, as cuBLASLt and cuDNN have the products, convolutions and attention; with `autocast` where the
dtype is {HALF}:

{tabled([*heads, "arena", "CUDA graphs"], steps)}"""
    )
    return f"""# Computed, not measured: plans and machine code for an H200

Nothing here ran on a GPU. Bytes are those of the plans, with 132 processors; instructions, registers and accesses are read
from the machine code for {ARCHITECTURE}; the time is that of the bytes at {BANDWIDTH / 1e12:g} TB/s, which is a bound, and no prediction. What
is read again in later passes is in the cache if all goes well, and is not in the ratio of what is moved to the least, which is
every argument read once and every result written once. Instructions are all of the loop's, also those that are seldom or
never come to; what they leave of the bandwidth is by the busiest unit, at {CLOCK / 1e9:g} GHz, if it never waits. Kernels that are
alike have one line. Those that move less than {SMALL:.1%} of a program's bytes have none.

{body}
"""


def main() -> int:
    """Compute, print and write."""
    lines: list[list[str]] = []
    for name, make in workloads().items():
        for dtype in ("float32", "bfloat16"):
            with plan_of(make, dtype) as plan:
                lines += lines_of(name, dtype, plan)
            print(" | ".join(lines[-1]), flush=True)
    steps = []
    for name, network in STEPS.items():
        steps.append(line_of_step(name, network()))
        print(" | ".join(steps[-1]), flush=True)
    RESULT.write_text(table(lines, steps), encoding="utf-8")
    show(lines)
    print(f"wrote {RESULT}")
    return 0


def show(lines: Sequence[Sequence[str]]) -> None:
    """Print the table."""
    from rich.console import Console
    from rich.table import Table

    shape: Any = Table(*HEADS, title="computed, not measured")
    for line in lines:
        shape.add_row(*line)
    console = Console()
    Console(width=max(console.width, 220)).print(shape)


if __name__ == "__main__":
    sys.exit(main())
