"""For which kinds of arguments a function was compiled, and a word when they are too many."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from gpugrad import errors
from gpugrad.config import config

_SHOWN = 4
"""Values of an argument that a message shows."""


class Retraces:
    """The kinds of arguments of one function: for each argument by its name what it was."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.kinds: dict[tuple[tuple[str, str], ...], None] = {}
        """In the order in which they came."""
        self.told = False

    def note(self, names: Sequence[str], arguments: Sequence[Any]) -> None:
        """The function was compiled for these arguments. CompileWarning, once, when there have been too many kinds."""
        if self.told or config.retrace_limit is None:
            return
        self.kinds[tuple((n, _kind(x)) for n, x in zip(names, arguments, strict=True))] = None
        if len(self.kinds) >= config.retrace_limit:
            self.told = True
            warnings.warn(self.message(), errors.CompileWarning, stacklevel=4)

    def message(self) -> str:
        """What changed most, and the way out."""
        seen: dict[str, dict[str, None]] = {}
        for kind in self.kinds:
            for name, said in kind:
                seen.setdefault(name, {})[said] = None
        name, values = max(seen.items(), key=lambda item: len(item[1]), default=("", {}))
        count, first = len(self.kinds), f"jit of {self.name} has been compiled for {len(self.kinds)} kinds of arguments"
        if len(values) < 2:
            return f"{first}: its arguments come in another structure, or what it closes over is another each time. {_SILENCE}"
        shown = ", ".join(list(values)[:_SHOWN]) + (" …" if len(values) > _SHOWN else "")
        shapes = any(said.endswith("]") for said in values)
        way = (
            "Each shape and dtype makes another program: pad to a few sizes, or call it without jit where shapes differ each time"
            if shapes
            else f"What is no array is static, and another value makes another program, unless it is a float that the function only computes with: pass a number that changes as an array, gg.asarray({name})"
        )
        return f"{first}: {name} was {shown} ({len(values)} of {count}). {way}. {_SILENCE}"


_SILENCE = "gg.config.retrace_limit sets when this is said, None never"


def _kind(x: Any) -> str:
    if hasattr(x, "shape") and hasattr(x, "dtype"):
        return f"{x.dtype}{list(x.shape)}"
    said = repr(x)
    return said if len(said) <= 40 else f"{said[:40]}…"
