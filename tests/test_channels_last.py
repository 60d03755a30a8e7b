"""Convolutions with channels last in plans for CUDA: what lies between them stays in that order, and all numbers are the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import fake_cudnn
import numpy as np
import pytest
from test_cudnn import Images
from test_table import host

import gpugrad as gg
from gpugrad import nn, pytree
from gpugrad.backends import select
from gpugrad.cuda import channels_last
from gpugrad.cuda.cudnn import Cudnn
from gpugrad.cuda.host import COMPILER

pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler, which would run CUDA C++ on the CPU")


@pytest.fixture(autouse=True)
def library(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cudnn]:
    """Plans run on the host with the module that stands in for cuDNN."""
    monkeypatch.setattr(fake_cudnn.MODULE, "graphs", [])
    monkeypatch.setattr(fake_cudnn.MODULE, "runs", [])
    device = select.get("cuda_on_host").device
    monkeypatch.setattr(device, "cudnn", Cudnn(device, lambda: 77, fake_cudnn.MODULE))
    with gg.use_backend("cuda_on_host"):
        yield device.cudnn


def keys() -> Iterator[Any]:
    return iter(gg.random.split(gg.random.key(0), 8))


class Residual(nn.Module):
    """Two convolutions with batch normalisation, beside which the input goes by."""

    def __init__(self, channels: int, key: Any) -> None:
        first, second = gg.random.split(key, 2)
        self.one = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False, key=first), nn.BatchNorm2d(channels)
        )
        self.two = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False, key=second), nn.BatchNorm2d(channels)
        )

    def forward(self, x: Any) -> Any:
        return gg.relu(x + self.two(gg.relu(self.one(x))))


class Joined(nn.Module):
    """Two branches side by side along the channels, which is nothing that is computed with channels last."""

    def __init__(self, key: Any) -> None:
        first, second = gg.random.split(key, 2)
        self.one, self.two = nn.Conv2d(3, 4, 1, key=first), nn.Conv2d(3, 2, 3, padding=1, key=second)

    def forward(self, x: Any) -> Any:
        return gg.concat([self.one(x), gg.tanh(self.two(x))], axis=1)


class Mean(nn.Module):
    """The mean over all axes of space."""

    def forward(self, x: Any) -> Any:
        return gg.mean(x, axis=tuple(range(2, x.ndim)))


class Scaled(nn.Module):
    """What is broadcast in every way: numbers for channels, for places, for items, and one."""

    def __init__(self) -> None:
        rng = np.random.default_rng(3)
        shapes = (4, 1, 1), (8, 8), (5, 1, 1, 1), (1, 4, 1, 8), (1,), (5, 4, 8, 8)
        for k, shape in enumerate(shapes):
            setattr(self, f"factor_{k}", nn.Parameter(gg.tensor(rng.normal(size=shape).astype("f"))))

    def forward(self, x: Any) -> Any:
        for factor in self.parameters():
            x = x * factor + 0.5
        return x


IMAGE = 5, 3, 8, 8
NETWORKS: dict[str, Callable[[Iterator[Any], nn.Module], tuple[list[nn.Module], tuple[int, ...], int | None]]] = {
    "residual": lambda k, conv: ([conv, Residual(4, next(k)), Mean(), nn.Linear(4, 3, key=next(k))], IMAGE, 7),
    "flattened": lambda k, conv: ([conv, nn.ReLU(), nn.Flatten(), nn.Linear(256, 3, key=next(k))], IMAGE, 5),
    "max pool": lambda k, conv: (
        [conv, nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 6, 3, key=next(k)), nn.MaxPool2d(2), nn.Flatten(),
         nn.Linear(6, 3, key=next(k))], IMAGE, 5,
    ),
    "average pool": lambda k, conv: (
        [conv, nn.AvgPool2d(3, stride=2, padding=1), nn.Tanh(), nn.Conv2d(4, 6, 1, key=next(k)), Mean(),
         nn.Linear(6, 3, key=next(k))], IMAGE, 4,
    ),
    "groups, strides": lambda k, conv: (
        [conv, nn.Conv2d(4, 8, 3, stride=2, padding=1, groups=4, key=next(k)), nn.GELU(), Mean(),
         nn.Linear(8, 3, key=next(k))], IMAGE, 3,
    ),
    "one axis": lambda k, conv: (
        [nn.Conv1d(3, 4, 3, key=next(k)), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(4, 4, 2, key=next(k)), Mean(),
         nn.Linear(4, 3, key=next(k))], (5, 3, 12), 6,
    ),
    "three axes": lambda k, conv: (
        [nn.Conv3d(3, 4, 2, key=next(k)), nn.BatchNorm3d(4), nn.ReLU(), nn.Conv3d(4, 4, 2, key=next(k)), Mean(),
         nn.Linear(4, 3, key=next(k))], (5, 3, 4, 5, 4), 6,
    ),
    "pool of three axes": lambda k, conv: (
        [nn.Conv3d(3, 4, 2, key=next(k)), nn.MaxPool3d(2), Mean(), nn.Linear(4, 3, key=next(k))], (5, 3, 5, 5, 5), 5,
    ),
    "transposed": lambda k, conv: (
        [conv, nn.ReLU(), nn.ConvTranspose2d(4, 3, 2, stride=2, key=next(k)), Mean(), nn.Linear(3, 3, key=next(k))],
        IMAGE, 6,
    ),
    "dropout": lambda k, conv: ([conv, nn.Dropout(0.5, gg.random.Generator(1)), Mean(), nn.Linear(4, 3, key=next(k))], IMAGE, 4),
    "broadcast": lambda k, conv: ([conv, Scaled(), Mean(), nn.Linear(4, 3, key=next(k))], IMAGE, None),
    "joined": lambda k, conv: ([Joined(next(k)), nn.Tanh(), Mean(), nn.Linear(6, 3, key=next(k))], IMAGE, None),
}  # fmt: skip
"""Made of keys and a first convolution: layers, the shape of the input, and how many copies a step takes, where that is known:
of what comes to the first convolution one, of what leaves the last one for another order one for each direction, of weights
with several taps and channels one, and one of their cotangents; a cotangent that repeats along axes is written by one.
"""


def network(name: str) -> tuple[nn.Module, tuple[int, ...], int | None]:
    k = keys()
    layers, shape, copies = NETWORKS[name](k, nn.Conv2d(3, 4, 3, padding=1, key=next(k)))
    return nn.Sequential(*layers), shape, copies


class Training(Images):
    """Steps of a network that learns to tell random images apart."""

    def __init__(self, name: str, device: str, dtype: str | None, compiled: bool) -> None:
        model, shape, self.copies = network(name)
        self.model = model.to(device)
        self.opt = gg.optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9)
        self.dtype = dtype
        rng = np.random.default_rng(0)
        self.x = gg.tensor(rng.normal(size=shape).astype("f"), device=device)
        self.y = gg.tensor(rng.integers(0, 3, shape[0]), device=device)
        self.call = gg.jit(self.step) if compiled else self.step

    def state(self) -> list[Any]:
        return [host(p) for p in self.model.state_dict().values()]

    @property
    def plan(self) -> str:
        return str(self.call.plan(self.x, self.y))


@pytest.mark.parametrize("name", NETWORKS)
def test_steps_are_the_same(name: str, monkeypatch: Any) -> None:
    compiled = Training(name, "cuda", "bfloat16", True)
    losses = compiled.steps(4)
    lain = [fake_cudnn._last(x.dim) == x.stride for g, _ in fake_cudnn.MODULE.runs for x in (*g.operands, *g.results)]
    assert lain and all(lain)
    eager = Training(name, "cpu", "bfloat16", False)
    np.testing.assert_allclose(losses, eager.steps(4), rtol=3e-2, atol=3e-2)
    told = compiled.plan
    assert "# one CUDA graph" in told
    if compiled.copies is not None:
        assert told.count("\ncopy") == compiled.copies, told
    monkeypatch.setattr(channels_last, "kept", lambda graph, wanted: graph)
    apart = Training(name, "cuda", "bfloat16", True)
    np.testing.assert_allclose(losses, apart.steps(4), rtol=5e-3)
    for a, b in zip(compiled.state(), apart.state(), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-2, atol=2e-2)
    assert not all(
        fake_cudnn._last(x.dim) == x.stride for g, _ in fake_cudnn.MODULE.runs for x in (*g.operands, *g.results)
    )


@pytest.mark.parametrize("tf32", [False, True])
def test_float32_is_turned_where_tensor_cores_may_compute_it(tf32: bool, monkeypatch: Any) -> None:
    monkeypatch.setattr(gg.config, "tf32", tf32)
    compiled, eager = Training("residual", "cuda", None, True), Training("residual", "cpu", None, False)
    np.testing.assert_allclose(compiled.steps(4), eager.steps(4), rtol=1e-4)
    assert compiled.plan.count("\ncopy") == (7 if tf32 else 0)
    for a, b in zip(compiled.state(), eager.state(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


def test_what_the_library_has_in_one_order_only(monkeypatch: Any) -> None:
    def refusing(graph: Any) -> None:
        if any(
            x.stride == fake_cudnn._last(x.dim) != fake_cudnn._rows(x.dim) for x in (*graph.operands, *graph.results)
        ):
            raise fake_cudnn.cudnnGraphNotSupportedError("no")
        supported(graph)

    supported = fake_cudnn.pygraph.check_support
    monkeypatch.setattr(fake_cudnn.pygraph, "check_support", refusing)
    compiled, eager = Training("residual", "cuda", "bfloat16", True), Training("residual", "cpu", "bfloat16", False)
    np.testing.assert_allclose(compiled.steps(3), eager.steps(3), rtol=3e-2, atol=3e-2)
    assert compiled.plan.count(": cuDNN") == 8 and "\ncopy" not in compiled.plan


def pictures(*shape: int) -> Any:
    return gg.tensor(np.random.default_rng(1).normal(size=shape).astype("f")).astype("bfloat16")


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "the result itself": lambda x, w: gg.conv2d(x, w),
    "the result and what follows": lambda x, w: ((y := gg.conv2d(x, w)), gg.relu(y), gg.sum(y, axis=0)),
    "sums over some axes": lambda x, w: [gg.sum(gg.conv2d(x, w), axis=a) for a in ((1,), (0, 2), (3,), (0, 1, 2, 3), (2, 3))],
    "extrema": lambda x, w: ((y := gg.conv2d(x, w)), gg.max(y, axis=1), gg.min(y, axis=(0, 3)), gg.argmax(y, axis=1)),
    "a softmax over the channels": lambda x, w: gg.softmax(gg.conv2d(x, w), axis=1),
    "an image that is computed": lambda x, w: gg.conv2d(gg.tanh(x) * 2.0, w) + gg.conv2d(gg.tanh(x) * 2.0, w[::-1]),
    "turned by hand": lambda x, w: gg.permute_dims(gg.relu(gg.conv2d(x, w)), (0, 2, 3, 1)),
    "cut and flipped": lambda x, w: gg.flip(gg.relu(gg.conv2d(x, w))[:, 1:, ::2], axis=3),
    "with arrays of another rank": lambda x, w: gg.conv2d(x, w) * gg.ones((2, 1, 1, 1, 1), dtype="bfloat16", device=x.device),
    "what is along the channels of one and the depth of another": lambda x, w: (
        (f := w[:, :1, :1, 0]), gg.relu(gg.conv2d(x, w)) * f, gg.relu(gg.conv3d(gg.stack([x, x], 2), w[:, :, None])) * f,
    ),
    "of one channel": lambda x, w: gg.relu(gg.conv2d(x, w[:1])) * gg.conv2d(x[:, :1], w[:, :1]),
    "of one place": lambda x, w: gg.relu(gg.conv2d(x[..., :3, :3], w)),
    "second derivatives": lambda x, w: gg.grad(lambda w: gg.sum(gg.grad(lambda x: gg.sum(gg.sin(gg.conv2d(x, w))))(x) ** 2))(w),
    "for each of several weights": lambda x, w: gg.vmap(lambda w: gg.relu(gg.conv2d(x, w)))(gg.stack([w, w * 2.0])),
}  # fmt: skip


@pytest.mark.parametrize("case", FUNCTIONS)
def test_functions(case: str) -> None:
    f = FUNCTIONS[case]
    x, w = pictures(3, 4, 6, 5), pictures(2, 4, 3, 3)
    wanted = pytree.leaves(f(x, w))
    call = gg.jit(f)
    there = x.to("cuda"), w.to("cuda")
    for _ in range(2):
        got = pytree.leaves(call(*there))
        for a, b in zip(got, wanted, strict=True):
            assert a.shape == b.shape and a.dtype == b.dtype
            scale = max(1.0, float(np.abs(host(b).astype(float)).max()))
            np.testing.assert_allclose(host(a).astype(float), host(b).astype(float), rtol=4e-2, atol=4e-2 * scale)
    assert fake_cudnn.MODULE.runs
