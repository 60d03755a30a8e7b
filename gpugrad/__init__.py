"""gpugrad: derivatives of array programs on the CPU and the GPU, with one set of rules.

>>> import gpugrad as gg
>>> x = gg.tensor([1.0, 2.0, 3.0], requires_grad=True)
>>> (gg.sin(x) * x).sum().backward()
>>> bool(gg.allclose(x.grad, gg.cos(x) * x + gg.sin(x)))
True

The table of operations (``gpugrad.ops``) becomes functions of array-likes here, under the array API standard's names;
NumPy's names are in ``gpugrad.numpy``.
"""

from __future__ import annotations

import importlib
from typing import Any

from gpugrad import array_api, errors, pytree
from gpugrad.array_api import *
from gpugrad.array_api import __all__ as _standard
from gpugrad.autocast import autocast
from gpugrad.backends import builtin
from gpugrad.backends.select import device, devices, synchronize, use_backend
from gpugrad.config import config
from gpugrad.creation import *  # after the module gpugrad.tensor, whose name on the package its function takes over
from gpugrad.creation import __all__ as _creation
from gpugrad.dtypes import set_default_dtype
from gpugrad.ops import (
    arithmetic,
    bilinear,
    contraction,
    convolution,
    gathering,
    indexing,
    joining,
    losses,
    neural,
    ordering,
    padding,
    pooling,
    rearranging,
    reductions,
    sequences,
    sets,
)
from gpugrad.ops import elementwise as _elementwise  # gg.elementwise is the decorator
from gpugrad.public import all_public
from gpugrad.tensor import Tensor, install_protocols
from gpugrad.transforms.calls import checkpoint, custom_jvp, custom_vjp
from gpugrad.transforms.control_flow import cond, fori_loop, scan, while_loop
from gpugrad.transforms.derived import hessian, hvp, jacfwd, jacobian, jacrev
from gpugrad.transforms.functional import grad, jvp, stop_gradient, value_and_grad, vjp
from gpugrad.transforms.linear_program import linearize
from gpugrad.transforms.modes import enable_grad, is_grad_enabled, keep_values, no_grad
from gpugrad.transforms.vectorize import vmap
from gpugrad.version import __version__

_operations: dict[str, Any] = all_public(_elementwise.__all__, vars(_elementwise))
for _module in (
    arithmetic, bilinear, contraction, convolution, gathering, indexing, joining, losses, neural, ordering, padding,
    pooling, rearranging, reductions, sequences, sets,
):  # fmt: skip
    _operations |= all_public(_module.__all__, vars(_module))
_operations.pop("trace", None)  # gg.linalg.trace: here the name is that of a module
globals().update(_operations)

_when_used = {
    "elementwise": "gpugrad.scalar_functions",
    "jit": "gpugrad.transforms.jit",
    "kernel": "gpugrad.transforms.kernel",
}
"""Names whose modules take long to import, and where they are."""
_namespaces = (
    "data", "debug", "distributed", "fft", "io", "linalg", "nn", "numpy", "optim", "random", "scipy", "special", "testing",
)  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "bool":  # not a global: it would hide Python's own in this module
        return array_api.bool
    if name in _when_used:
        return getattr(importlib.import_module(_when_used[name]), name)
    if name in _namespaces:  # imported when first used, so that `import gpugrad` is quick
        try:
            return importlib.import_module(f"gpugrad.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"gpugrad.{name}":
                raise
    raise AttributeError(f"module 'gpugrad' has no attribute {name!r}")


install_protocols(lambda: importlib.import_module("gpugrad.numpy.protocol"))

__all__ = sorted({
    *_creation, *_operations, *_standard,
    "Tensor", "__version__", "autocast", "checkpoint", "cond", "config", "custom_jvp", "custom_vjp", "device", "devices", "elementwise", "enable_grad", "errors", "fori_loop", "grad",
    "hessian", "hvp", "is_grad_enabled", "jacfwd", "jacobian", "jacrev", "jit", "jvp", "keep_values", "kernel", "linearize", "no_grad",
    "pytree", "scan", "set_default_dtype", "stop_gradient", "synchronize", "use_backend", "value_and_grad", "vjp", "vmap", "while_loop",
})  # fmt: skip
