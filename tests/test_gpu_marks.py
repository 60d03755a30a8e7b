"""What measures the marks on a GPU, here on the host: each row comes, and trains as PyTorch does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from gpu_plans import marks, networks, workloads

import gpugrad as gg
from gpugrad.cuda.host import COMPILER
from gpugrad.cuda.presence import Presence

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler, which would run CUDA C++ on the CPU")

SMALL = {
    "MLP": networks.perceptron((12, 8, 4), batch=6),
    "ResNet": networks.resnet18((4, 8), size=8, batch=4),
    "GPT": networks.gpt2(blocks=2, width=16, heads=2, vocabulary=24, length=8, batch=2),
}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call is timed once, and one workload stands for all."""
    monkeypatch.setattr(marks.gpu, "seconds", lambda call, wait: (call(), wait(), 1e-3)[2])
    everything = workloads.workloads
    few = ("softmax", "AdamW")
    monkeypatch.setattr(
        marks.gpu_workloads, "workloads", lambda *args: {k: f for k, f in everything(*args).items() if k in few}
    )


def test_all_rows(quick: None, tmp_path: Path) -> None:
    sizes = marks.Sizes(64, 8, ((5, 4), (4,)), 8, (1, 2, 8, 8), (("MLP small", SMALL["MLP"]),))
    with gg.use_backend("cuda_on_host"):
        found = list(marks.rows(sizes, torch, "cpu"))
    assert not any(row.trouble for row in found), [row.trouble for row in found]
    assert [row.name for row in found][:2] == ["copy", "softmax"] and len(found) == 8
    assert all(row.ratio is not None for row in found[1:])
    marks.write(tmp_path, "A GPU", found)
    table = (tmp_path / "a-gpu" / "marks.md").read_text()
    assert (
        "| MLP small | float32 | 1000 µs | torch 1000 µs, torch.compile" not in table
    )  # whose mark is eager PyTorch's
    assert "| ≤ 100 µs, and ≤ 0.5 of torch | **no** |" in table and "| ≥ 0.85 of the copy | " in table
    assert len(json.loads((tmp_path / "a-gpu" / "marks.json").read_text())) == 8


@pytest.mark.parametrize(("name", "mixed"), [("MLP", False), ("ResNet", True), ("ResNet", False), ("GPT", True)])
def test_networks_train_as_with_torch(name: str, mixed: bool) -> None:
    """Steps of each library, from the same parameters, eager there and compiled here."""
    network = networks.Network(SMALL[name].model, SMALL[name].data, mixed)
    with gg.use_backend("cuda_on_host"):
        model, step, args = networks.training(network)
        begun = {key: value.to("cpu").numpy().copy() for key, value in model.state_dict().items() if value.ndim}
        run = gg.jit(step)
        ours = [float(run(*args).item()) for _ in range(4)]
        assert run._compiled(args, {}).plan.apart == ""
    their = marks.of_torch(network, torch, begun, "cpu", compiled=False)
    assert ours == pytest.approx([float(their()) for _ in range(4)], rel=0.03 if mixed else 1e-4)
    assert ours[-1] < ours[0]


def test_what_fails_or_differs_is_a_row(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = marks.Sizes(64, 8, ((5, 4),), 8, (1, 2, 8, 8), (("MLP small", SMALL["MLP"]),))
    of_torch = marks.of_torch
    monkeypatch.setattr(marks, "of_torch", lambda *args: lambda: of_torch(*args)() * 2.0)
    monkeypatch.setattr(marks, "of_products", lambda *args: 1 / 0)
    with gg.use_backend("cuda_on_host"):
        found: dict[str, Any] = {row.name: row for row in marks.rows(sizes, torch, "cpu")}
    assert found["product"].trouble == "ZeroDivisionError: division by zero"
    assert "torch: not timed, since its losses are" in found["MLP small"].trouble and not found["MLP small"].beside


def test_without_a_gpu(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(marks, "presence", lambda: Presence(None, (), "no NVIDIA driver"))
    assert marks.main() == 1 and "no NVIDIA driver" in capsys.readouterr().out
