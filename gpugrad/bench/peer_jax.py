"""JAX, compiled by ``jax.jit``: functions of arrays, models as functions of their parameters, training steps."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Sequence
from typing import Any

from gpugrad.bench.peers import Call, Peer, parameters, told, unwritten
from gpugrad.bench.records import Case
from gpugrad.bench.workloads import VOCABULARY, Workload
from gpugrad.config import config


def peers() -> list[Peer]:
    """The ways to use it."""
    return [Jax()]


class Jax:
    """JAX, with as many threads as gpugrad, float64 where it is asked for, and TF32 where gpugrad has it."""

    name = "jax"

    def __init__(self) -> None:
        # Read when XLA starts on a device: the threads of its pool, and whether it takes most of a GPU's memory at once.
        os.environ.setdefault("NPROC", str(config.threads))
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        self.jax = importlib.import_module("jax")
        self.jax.config.update("jax_enable_x64", True)
        self._programs: dict[Case, Callable[..., Any] | None] = {}
        self._last: Any = None

    def wait(self) -> None:
        self.jax.block_until_ready(self._last)  # a GPU does what it is given in order

    def calls(self, workload: Workload, case: Case, inputs: Sequence[tuple[Any, ...]]) -> list[Call] | str:
        jax = self.jax
        kind, _, index = case.device.partition(":")
        try:
            device = jax.devices(kind)[int(index or 0)]
        except (RuntimeError, IndexError) as error:
            return f"JAX {jax.__version__} has no {case.device} ({told(error)})"
        if case not in self._programs:
            made = self._step(workload, case, device) if case.way == "step" else self._way(workload, case.way)
            self._programs[case] = made
        program = self._programs[case]
        if program is None:
            return unwritten(workload, "JAX")
        arrays = [[self._array(a, case, device) for a in each] for each in inputs]

        def call(each: Sequence[Any]) -> Any:
            self._last = program(*each)
            return self._last

        if kind == "cpu":  # which may do several at once, if nobody waits
            return [lambda each=each: jax.block_until_ready(program(*each)) for each in arrays]  # type: ignore[misc]
        return [lambda each=each: call(each) for each in arrays]  # type: ignore[misc]

    def _compiled(self, f: Callable[..., Any], donated: Sequence[int] = ()) -> Callable[..., Any]:
        jax = self.jax

        def exact(*args: Any) -> Any:
            with jax.default_matmul_precision("default" if config.tf32 else "float32"):
                return f(*args)

        compiled: Callable[..., Any] = jax.jit(exact, donate_argnums=donated)
        return compiled

    def _array(self, a: Any, case: Case, device: Any) -> Any:
        return self.jax.device_put(a.astype(self.jax.numpy.dtype(case.dtype)) if a.dtype.kind == "f" else a, device)

    def _way(self, workload: Workload, way: str) -> Callable[..., Any] | None:
        jax = self.jax
        f = functions(jax).get(workload.name)
        if f is None:
            return None
        total, squares = lambda *args: f(*args).sum(), lambda *args: jax.numpy.square(f(*args)).sum()
        ways = {
            "forward": f,
            "gradient": jax.value_and_grad(squares),
            "product": lambda x, v: jax.jvp(jax.grad(total), (x,), (v,))[1],
        }
        return self._compiled(ways[way])

    def _step(self, workload: Workload, case: Case, device: Any) -> Callable[..., Any] | None:
        jax = self.jax
        model = models(jax).get(workload.name)
        if model is None and workload.name != "Adam":
            return None
        # Each its own arrays, in JAX's memory: what is donated must not be read by others.
        p = {name: jax.device_put(jax.numpy.array(a), device) for name, a in parameters(workload, case).items()}
        state = [p, *(jax.tree.map(jax.numpy.zeros_like, p) for _ in range(2)), jax.device_put(0, device)]
        if model is None:
            update = self._compiled(lambda s, g: adam(jax, s, g), (0,))

            names = list(p)

            def updated(*gradients: Any) -> Any:
                state[:] = update(state, dict(zip(names, gradients, strict=True)))
                return [state[0][name] for name in names]

            return updated
        value = jax.value_and_grad(lambda p, x, y: cross_entropy(jax, model(p, x, case.size), y))

        def trained(s: Any, x: Any, y: Any) -> Any:
            loss, gradients = value(s[0], x, y)
            return loss, adam(jax, s, gradients)

        compiled = self._compiled(trained, (0,))

        def step(x: Any, y: Any) -> Any:
            loss, state[:] = compiled(state, x, y)
            return loss

        return step


def functions(jax: Any) -> dict[str, Callable[..., Any]]:
    """Those of the workloads, by name."""
    xp = jax.numpy

    def scalar(x: Any) -> Any:
        for _ in range(5):
            x = xp.sin(x) * 0.9
        return x

    return {
        "chain": lambda x: jax.nn.gelu(x * 1.1 + 0.2, approximate=False) * 0.5,
        "reduction": lambda x: xp.mean(xp.square(x), -1),
        "softmax": lambda x: jax.nn.softmax(wide(xp, x), -1).astype(x.dtype),
        "layer norm": lambda x, scale, shift: layer_norm(jax, x, scale, shift),
        "cross entropy": lambda x, y: cross_entropy(jax, x, y),
        "matmul": lambda x, y: x @ y,
        "scalar": scalar,
        "Hessian product": lambda x: 100.0 * xp.square(x[1:] - xp.square(x[:-1])) + xp.square(1.0 - x[:-1]),
    }


def wide(xp: Any, x: Any) -> Any:
    """What rows are computed in: float32 for half precision, as gpugrad and PyTorch do."""
    return x.astype(xp.promote_types(x.dtype, "float32"))


def layer_norm(jax: Any, x: Any, scale: Any, shift: Any) -> Any:
    y = wide(jax.numpy, x)
    d = y - y.mean(-1, keepdims=True)
    return (d * jax.lax.rsqrt((d * d).mean(-1, keepdims=True) + 1e-5) * scale + shift).astype(x.dtype)


def cross_entropy(jax: Any, x: Any, y: Any) -> Any:
    log = jax.nn.log_softmax(wide(jax.numpy, x))
    return -jax.numpy.take_along_axis(log, y[:, None], 1).mean().astype(x.dtype)


def adam(jax: Any, state: Sequence[Any], g: Any) -> list[Any]:
    """What becomes of parameters, moments and the number of steps with the gradients ``g``."""
    p, m, v, t = state
    each, sqrt, t = jax.tree.map, jax.numpy.sqrt, t + 1
    m = each(lambda m, g: 0.9 * m + 0.1 * g, m, g)
    v = each(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
    first, second = (1.0 - jax.numpy.float32(beta) ** t for beta in (0.9, 0.999))
    p = each(lambda p, m, v: p - 1e-3 * (m / first) / (sqrt(v / second) + 1e-8), p, m, v)
    return [p, m, v, t]


def models(jax: Any) -> dict[str, Callable[..., Any]]:
    """Those of the training steps, by name: functions of the parameters by name, the input and the size."""
    nn, lax, xp = jax.nn, jax.lax, jax.numpy

    def linear(p: Any, name: str, x: Any) -> Any:
        return x @ p[f"{name}.weight"].T + p[f"{name}.bias"]

    def norm(p: Any, name: str, x: Any) -> Any:
        return layer_norm(jax, x, p[f"{name}.weight"], p[f"{name}.bias"])

    def perceptron(p: Any, x: Any, width: int) -> Any:
        return linear(p, "4", nn.relu(linear(p, "2", nn.relu(linear(p, "0", x)))))

    def convolution(p: Any, name: str, x: Any) -> Any:
        y = lax.conv_general_dilated(x, p[f"{name}.weight"], (1, 1), "SAME", dimension_numbers=("NCHW", "OIHW", "NCHW"))
        y = nn.relu(y + p[f"{name}.bias"][:, None, None])
        return lax.reduce_window(y, -xp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")

    def convolutional(p: Any, x: Any, channels: int) -> Any:
        x = convolution(p, "3", convolution(p, "0", x))
        return linear(p, "7", x.reshape(len(x), -1))

    def attention(p: Any, name: str, x: Any) -> Any:
        n, length, width = x.shape
        heads = n, length, max(1, width // 32), -1
        q, k, v = (linear(p, f"{name}.{part}", x).reshape(heads) for part in ("query", "key", "value"))
        return linear(p, f"{name}.output", nn.dot_product_attention(q, k, v, is_causal=True).reshape(x.shape))

    def transformer(p: Any, tokens: Any, width: int) -> Any:
        x = p["tokens.weight"][tokens] + p["positions.weight"]
        for name in ("blocks.0", "blocks.1"):
            x = x + attention(p, f"{name}.attention", norm(p, f"{name}.before", x))
            hidden = linear(p, f"{name}.perceptron.1", norm(p, f"{name}.perceptron.0", x))
            x = x + linear(p, f"{name}.perceptron.3", nn.gelu(hidden))
        return linear(p, "head", norm(p, "norm", x)).reshape(-1, VOCABULARY)

    return {"MLP step": perceptron, "CNN step": convolutional, "transformer step": transformer}
