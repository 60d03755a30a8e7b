"""The peers that are installed, with as many threads as gpugrad has."""

from __future__ import annotations

import importlib
from typing import Any

import gpugrad as gg

LEFT_OUT: list[str] = []
"""Peers that are not installed: what is compared with them is left out, by name."""


def optional(name: str) -> Any:
    """A module, or None if it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        LEFT_OUT.append(name)
        return None


torch = optional("torch")
jax = optional("jax")
autograd = optional("autograd")
anp = autograd and importlib.import_module("autograd.numpy")
if torch is not None:
    torch.set_num_threads(gg.config.threads)
if jax is not None:
    jax.config.update("jax_enable_x64", True)


def installed(library: str) -> bool:
    """Whether what ``library`` ("torch eager", "jax jit", "gpugrad", "copy" …) names is there."""
    return library.replace(".", " ").split()[0] not in LEFT_OUT
