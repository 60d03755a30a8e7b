"""What a row of the table is: a workload, written for each library, and what is to be reached.

A library's name begins with that of its module: "gpugrad jit", "torch eager", "torch.compile", "jax jit", "autograd".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Call = Callable[[], Any]


@dataclass(frozen=True)
class Target:
    """``ours`` takes at most ``most`` times what ``than`` takes; at most that much itself if ``than`` is None."""

    most: float
    than: str | None = "best peer"
    """A library, "best peer", or another of our own."""
    ours: str = "gpugrad jit"


@dataclass(frozen=True)
class Row:
    """A workload.

    ``makers`` gives for each library what prepares its call. The call is timed, or, if ``measured``, gives the figure
    itself, in ``unit``. ``check`` is told the libraries' calls before they are timed, one by one, with ours.
    """

    name: str
    makers: Mapping[str, Callable[[], Call]]
    targets: tuple[Target, ...]
    check: Callable[[Call, Call], None] | None = None
    measured: bool = False
    unit: str = "s"
    turns: int = 3
    """How often each library is measured."""
