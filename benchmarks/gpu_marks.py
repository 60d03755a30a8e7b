"""What a GPU is to reach, measured on it: each figure as a ratio, beside its mark, and PyTorch beside it where it is installed.

python benchmarks/gpu_marks.py            The table goes to results/<device>/marks.json and marks.md, row by row, and is printed.
"""

from __future__ import annotations

import functools as ft
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gpu
import gpu_networks as networks
import gpu_workloads
from machine_code import least

import gpugrad as gg
from gpugrad.cuda.presence import presence

AGREE = 0.03
"""Of which part of it losses in half precision may differ."""


@dataclass
class Row:
    """A figure, and what it is to be."""

    name: str
    dtype: str
    seconds: float | None = None
    beside: dict[str, float] = field(default_factory=dict)
    """Seconds of others."""
    ratio: float | None = None
    """What the mark is of."""
    mark: str = ""
    reached: bool | None = None
    """None where there is nothing to compare with."""
    trouble: str = ""


@dataclass(frozen=True)
class Sizes:
    """Of everything that is measured."""

    copied: int = 1 << 28
    """Elements of float32."""
    rows: int = 32768
    parameters: Sequence[tuple[int, ...]] = tuple(gpu_workloads.GPT2)
    square: int = 8192
    attention: tuple[int, ...] = (8, 12, 1024, 64)
    networks: tuple[tuple[str, networks.Network], ...] = (
        ("MLP 784-256-128-10, batch 128, AdamW, step", networks.perceptron()),
        ("ResNet-18, 32 × 32, batch 128, AdamW, step", networks.resnet18()),
        ("GPT-2 of 124 million, 32 × 1024 tokens, AdamW, step", networks.gpt2()),
    )


def timed(call: Callable[[], Any]) -> float:
    """Seconds of a call of ours."""
    return gpu.seconds(call, gg.synchronize)


def bandwidth(sizes: Sizes) -> float:
    """Bytes per second that a copy reads and writes."""
    x = gpu_workloads.array((sizes.copied,), "float32")
    copy = gg.jit(lambda x: x + 0.0)
    return 8 * sizes.copied / timed(lambda: copy(x))


# ---- kernels: as much of the copy's bandwidth as they are to reach ----------------------------------------------------------


def of_kernel(name: str, dtype: str, make: Callable[[str], gpu_workloads.Program], copied: float) -> Row:
    """A program: the bytes that it has to move, in its time, as a part of what a copy moves."""
    f, args = make(dtype)
    run = gg.jit(f)
    seconds = timed(lambda: run(*args))
    ratio = least(run._compiled(args, {}).plan) / seconds / copied
    mark = gpu_workloads.MARKS[name]
    return Row(name, dtype, seconds, {}, ratio, f"≥ {mark:g} of the copy", ratio >= mark)


# ---- products and attention: as PyTorch, which has the same libraries ----------------------------------------------------------


def of_products(sizes: Sizes, torch: Any, device: str) -> Row:
    name, dtype = f"product of {sizes.square}²", networks.HALF
    a, b = (gpu_workloads.array((sizes.square, sizes.square), dtype) for _ in range(2))
    run = gg.jit(lambda a, b: a @ b)
    seconds = timed(lambda: run(a, b))
    beside = {}
    if torch is not None:
        x, y = (torch.randn(sizes.square, sizes.square, device=device, dtype=torch.bfloat16) for _ in range(2))
        beside["torch"] = gpu.seconds(lambda: x @ y, waits(torch, device))
    return compared(Row(name, dtype, seconds, beside, mark="≤ 1/0.97 of torch"), "torch", 1 / 0.97)


def of_attention(sizes: Sizes, torch: Any, device: str) -> Row:
    """Forward and backward."""
    name, dtype = f"causal attention {'×'.join(map(str, sizes.attention))}, forward and backward", networks.HALF
    q, k, v, g = (gpu_workloads.array(sizes.attention, dtype) for _ in range(4))
    run = gg.jit(gpu_workloads.value_and_pullback(lambda *x: gg.scaled_dot_product_attention(*x, is_causal=True)))
    seconds = timed(lambda: run(g, q, k, v))
    beside = {}
    if torch is not None:
        kept = [torch.randn(sizes.attention, device=device, dtype=torch.bfloat16) for _ in range(4)]
        x = [t.requires_grad_() for t in kept[1:]]

        def both() -> Any:
            return torch.autograd.grad(torch.nn.functional.scaled_dot_product_attention(*x, is_causal=True), x, kept[0])

        beside["torch"] = gpu.seconds(both, waits(torch, device))
        if device == "cuda":
            with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.CUDNN_ATTENTION):
                beside["torch, cuDNN"] = gpu.seconds(both, waits(torch, device))
    by = "torch, cuDNN" if "torch, cuDNN" in beside else "torch"
    return compared(Row(name, dtype, seconds, beside, mark=f"≤ {by}"), by, 1.05)


def waits(torch: Any, device: str) -> Callable[[], Any]:
    """What waits for PyTorch."""
    return torch.cuda.synchronize if device == "cuda" else lambda: None


def compared(row: Row, by: str, most: float) -> Row:
    """A row with its ratio to what another library takes, which is to be so much at most."""
    if by in row.beside and row.seconds is not None:
        row.ratio = row.seconds / row.beside[by]
        row.reached = row.ratio <= most
    return row


# ---- training steps ------------------------------------------------------------------------------------------------------


def of_torch(network: networks.Network, torch: Any, begun: dict[str, Any], device: str, compiled: bool) -> Any:
    """PyTorch's step from the same parameters, with channels last, the fused optimizer, and in mixed precision as ours."""
    model = network.model(torch)
    model.load_state_dict({name: torch.tensor(a) for name, a in begun.items()}, strict=False)
    model.to(device)
    x, y = (torch.tensor(a, device=device) for a in network.data(networks.generator()))
    if x.ndim == 4:
        model, x = model.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    run = torch.compile(model) if compiled else model

    def step() -> Any:
        with torch.autocast(device, torch.bfloat16, enabled=network.mixed):
            loss = torch.nn.functional.cross_entropy(run(x), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss.detach()

    return step


def of_network(name: str, network: networks.Network, torch: Any, device: str) -> Row:
    """A training step, after the losses of its first steps have been found to be PyTorch's."""
    model, step, args = networks.training(network)
    begun = {key: value.to("cpu").numpy().copy() for key, value in model.state_dict().items() if value.ndim}
    run = gg.jit(step)
    losses = [float(run(*args).item()) for _ in range(3)]
    row = Row(name, networks.HALF if network.mixed else "float32", timed(lambda: run(*args)))
    most = 1.0
    if name.startswith("MLP"):
        row.mark, by, most = "≤ 100 µs, and ≤ 0.5 of torch", "torch", 0.5
    else:
        by = "torch.compile" if name.startswith("GPT") else "torch"
        row.mark = f"≤ {by}"
    for library in ("torch", "torch.compile") if torch is not None else ():
        if library == "torch.compile" and by == "torch":
            continue
        theirs = of_torch(network, torch, begun, device, library == "torch.compile")
        found = [float(theirs()) for _ in range(3)]
        if any(abs(a - b) > AGREE * abs(b) for a, b in zip(losses, found, strict=True)):
            row.trouble = f"{library}: not timed, since its losses are {found}, and ours {losses}"
            return row
        row.beside[library] = gpu.seconds(theirs, waits(torch, device))
    compared(row, by, most)
    if name.startswith("MLP") and row.seconds is not None:
        row.reached = row.seconds <= 100e-6 and row.reached is not False
    return row


# ---- all of it -------------------------------------------------------------------------------------------------------------


def rows(sizes: Sizes, torch: Any, device: str = "cuda") -> Iterator[Row]:
    """Each row when it is measured; what fails is a row, too."""
    copied = bandwidth(sizes)
    yield Row("copy", "float32", 8 * sizes.copied / copied, mark=f"{copied / 1e12:.2f} TB/s")
    made: list[tuple[str, str, Callable[[], Row]]] = [
        (name, dtype, ft.partial(of_kernel, name, dtype, make, copied))
        for name, make in gpu_workloads.workloads(sizes.rows, sizes.parameters).items()
        for dtype in (networks.HALF, "float32")
    ]
    made += [("product", networks.HALF, ft.partial(of_products, sizes, torch, device))]
    made += [("attention", networks.HALF, ft.partial(of_attention, sizes, torch, device))]
    made += [(name, "", ft.partial(of_network, name, network, torch, device)) for name, network in sizes.networks]
    for name, dtype, make in made:
        try:
            yield make()
        except Exception as error:
            yield Row(name, dtype, trouble=f"{type(error).__name__}: {error}")


def table(device: str, found: Sequence[Row]) -> str:
    """The rows as Markdown."""
    lines = [f"# {device}: what is to be reached", "", "| what | dtype | time | beside | ratio | mark | reached |"]
    lines.append("| --- |" + " --- |" * 6)
    for row in found:
        beside = ", ".join(f"{name} {1e6 * seconds:.0f} µs" for name, seconds in row.beside.items()) or "-"
        reached = {True: "yes", False: "**no**", None: "-"}[row.reached]
        told = "-" if row.seconds is None else f"{1e6 * row.seconds:.0f} µs"
        ratio = "-" if row.ratio is None else f"{row.ratio:.2f}"
        lines.append(f"| {row.name} | {row.dtype} | {told} | {beside} | {ratio} | {row.mark or '-'} | {reached} |")
    troubles = [f"- {row.name} {row.dtype}: {row.trouble}" for row in found if row.trouble]
    return "\n".join([*lines, *(["", *troubles] if troubles else []), ""])


def write(folder: Path, device: str, found: Sequence[Row]) -> None:
    """Write what there is, in both forms."""
    place = folder / gpu.folder_of(device)
    place.mkdir(parents=True, exist_ok=True)
    told = json.dumps([asdict(row) for row in found], indent=1, ensure_ascii=False)
    (place / "marks.json").write_text(told + "\n", encoding="utf-8")
    (place / "marks.md").write_text(table(device, found), encoding="utf-8")


def main() -> int:
    """Measure, write and print; 0 if nothing failed. A mark that is missed is no failure."""
    there = presence()
    if not there.gpus:
        print(f"no GPU, so nothing was measured: {there.trouble}")
        return 1
    torch = None
    if find_spec("torch"):
        import torch
    found: list[Row] = []
    for row in rows(Sizes(), torch):
        found.append(row)
        write(gpu.RESULTS, there.gpus[0].name, found)  # so that nothing is lost if time is over
        print(table(there.gpus[0].name, [row]).splitlines()[4], row.trouble, flush=True)
    print(table(there.gpus[0].name, found))
    return int(any(row.trouble for row in found))


if __name__ == "__main__":
    sys.exit(main())
