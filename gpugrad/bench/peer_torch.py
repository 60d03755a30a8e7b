"""PyTorch, eager and compiled: functions, models and training steps as its users write them."""

from __future__ import annotations

import importlib
import itertools as it
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any

from gpugrad.bench.peers import Call, Peer, parameters, unwritten
from gpugrad.bench.records import Case
from gpugrad.bench.workloads import LENGTH, VOCABULARY, Workload
from gpugrad.config import config


def peers() -> list[Peer]:
    """The ways to use it."""
    return [Torch(), Torch(compiled=True)]


class Torch:
    """PyTorch, with as many threads as gpugrad, and TF32 where gpugrad has it."""

    def __init__(self, compiled: bool = False) -> None:
        self.name = "torch.compile" if compiled else "torch"
        self.compiles = compiled
        self._programs: dict[Case, Callable[..., Any] | None] = {}
        self._numbers = it.count()
        self.torch = torch = importlib.import_module("torch")
        torch.set_num_threads(config.threads)
        for products in (torch.backends.cuda.matmul, torch.backends.cudnn):
            products.allow_tf32 = config.tf32

    def wait(self) -> None:
        if self.torch.cuda.is_initialized():
            self.torch.cuda.synchronize()

    def calls(self, workload: Workload, case: Case, inputs: Sequence[tuple[Any, ...]]) -> list[Call] | str:
        if case.device != "cpu" and not self.torch.cuda.is_available():
            return f"PyTorch {self.torch.__version__} has no {case.device}"
        if case.way == "step" and self.compiles and workload.name == "Adam":
            return "its fused Adam is one kernel already: what torch measures"
        if case not in self._programs:
            made = self._step(workload, case) if case.way == "step" else self._way(workload, case.way)
            self._programs[case] = made
        program = self._programs[case]
        if program is None:
            return unwritten(workload, "PyTorch")
        arrays = [[self._array(a, case) for a in each] for each in inputs]
        if case.way == "gradient" or (case.way == "product" and not self.compiles):
            for each in arrays:
                each[0].requires_grad_()
        return [lambda each=each: program(*each) for each in arrays]  # type: ignore[misc]

    def _array(self, a: Any, case: Case) -> Any:
        dtype = getattr(self.torch, case.dtype) if a.dtype.kind == "f" else None
        return self.torch.as_tensor(a).to(case.device, dtype)

    def _compiled(self, f: Any) -> Callable[..., Any]:
        """The function itself, or compiled whole for the shapes that it is first called with."""
        if not self.compiles:
            return f  # type: ignore[no-any-return]
        # What is compiled is kept with the code, and looked through at each call: each size has code of its own.
        code = f.__code__.replace(co_name=f"{f.__code__.co_name}_{next(self._numbers)}")
        own = FunctionType(code, f.__globals__, code.co_name, f.__defaults__, f.__closure__)
        compiled: Callable[..., Any] = self.torch.compile(own, fullgraph=True, dynamic=False)
        return compiled

    def _way(self, workload: Workload, way: str) -> Callable[..., Any] | None:
        torch = self.torch
        f = functions(torch).get(workload.name)
        if f is None or way == "forward":
            return f and self._compiled(f)
        total: Callable[..., Any] = lambda *args: f(*args).sum()
        if way == "product" and self.compiles:  # which takes no backward pass of a backward pass
            return self._compiled(lambda x, v: torch.func.jvp(torch.func.grad(total), (x,), (v,))[1])
        if way == "product":  # eager, a backward pass of a backward pass is the quicker one

            def product(x: Any, v: Any) -> Any:
                (g,) = torch.autograd.grad(total(x), x, create_graph=True)
                return torch.autograd.grad(g, x, v)[0]

            return product
        value = self._compiled(lambda *args: torch.square(f(*args)).sum())

        def gradient(x: Any, *others: Any) -> tuple[Any, Any]:
            out = value(x, *others)
            return out.detach(), torch.autograd.grad(out, x)[0]

        return gradient

    def _step(self, workload: Workload, case: Case) -> Callable[..., Any] | None:
        torch = self.torch
        begun = {name: torch.tensor(a) for name, a in parameters(workload, case).items()}
        if workload.name == "Adam":
            arrays = [torch.nn.Parameter(a.to(case.device)) for a in begun.values()]
            adam = torch.optim.Adam(arrays, lr=1e-3, fused=True)

            def update(*gradients: Any) -> Any:
                for p, g in zip(arrays, gradients, strict=True):
                    p.grad = g
                adam.step()
                adam.zero_grad()
                return arrays

            return update
        made = models(torch).get(workload.name)
        if made is None:
            return None
        model = made(case.size)
        model.load_state_dict(begun)
        model.to(case.device)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
        value = self._compiled(lambda x, y: torch.nn.functional.cross_entropy(model(x), y))

        def step(x: Any, y: Any) -> Any:
            loss = value(x, y)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            return loss.detach()

        return step


def functions(torch: Any) -> dict[str, Callable[..., Any]]:
    """Those of the workloads, by name."""
    of = torch.nn.functional

    def scalar(x: Any) -> Any:
        for _ in range(5):
            x = torch.sin(x) * 0.9
        return x

    return {
        "chain": lambda x: of.gelu(x * 1.1 + 0.2) * 0.5,
        "reduction": lambda x: x.square().mean(-1),
        "softmax": lambda x: torch.softmax(x, -1),
        "layer norm": lambda x, scale, shift: of.layer_norm(x, x.shape[-1:], scale, shift),
        "cross entropy": lambda x, y: of.cross_entropy(x, y),
        "matmul": lambda x, y: x @ y,
        "scalar": scalar,
        "Hessian product": lambda x: 100.0 * (x[1:] - x[:-1].square()).square() + (1.0 - x[:-1]).square(),
    }


def models(torch: Any) -> dict[str, Callable[[int], Any]]:
    """Those of the training steps, by name, for a size; their parameters have the names that gpugrad's have."""
    nn = torch.nn

    def perceptron(width: int) -> Any:
        return nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10)
        )

    def convolutional(channels: int) -> Any:
        return nn.Sequential(
            nn.Conv2d(3, channels, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(channels, 2 * channels, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(2 * channels * 8 * 8, 10),
        )  # fmt: skip

    class Attention(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self, width: int) -> None:
            super().__init__()
            self.heads = max(1, width // 32)
            self.query, self.key, self.value, self.output = (nn.Linear(width, width) for _ in range(4))

        def forward(self, x: Any) -> Any:
            n, length, width = x.shape
            q, k, v = (
                part(x).view(n, length, self.heads, -1).transpose(1, 2) for part in (self.query, self.key, self.value)
            )
            y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            return self.output(y.transpose(1, 2).reshape(n, length, width))

    class Block(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self, width: int) -> None:
            super().__init__()
            self.before, self.attention = nn.LayerNorm(width), Attention(width)
            wide = nn.Linear(width, 4 * width), nn.GELU("tanh"), nn.Linear(4 * width, width)
            self.perceptron = nn.Sequential(nn.LayerNorm(width), *wide)

        def forward(self, x: Any) -> Any:
            x = x + self.attention(self.before(x))
            return x + self.perceptron(x)

    class Transformer(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self, width: int) -> None:
            super().__init__()
            self.tokens, self.positions = nn.Embedding(VOCABULARY, width), nn.Embedding(LENGTH, width)
            self.blocks = nn.Sequential(Block(width), Block(width))
            self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, VOCABULARY)

        def forward(self, tokens: Any) -> Any:
            x = self.tokens(tokens) + self.positions(torch.arange(tokens.shape[-1], device=tokens.device))
            return self.head(self.norm(self.blocks(x))).reshape(-1, VOCABULARY)

    return {"MLP step": perceptron, "CNN step": convolutional, "transformer step": Transformer}
