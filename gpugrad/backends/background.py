"""The thread that compiles while others compute."""

from __future__ import annotations

import functools as ft
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor


@ft.cache
def compiler() -> ThreadPoolExecutor:
    """It is begun, like the compiler's modules, when there is something to compile."""
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(1, thread_name_prefix="gpugrad-compile")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=compiler.cache_clear)  # a child of a fork has no thread but its own
