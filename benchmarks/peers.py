"""The peers that are installed, each as the few calls that the workloads need."""

from __future__ import annotations

import importlib
from typing import Any


def optional(name: str) -> Any:
    """A module, or None if it is not installed: the benchmark of that peer is then left out, by name."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


torch = optional("torch")
jax = optional("jax")
autograd = optional("autograd")
if torch is not None:
    torch.set_num_threads(2)
if jax is not None:
    jax.config.update("jax_enable_x64", True)
