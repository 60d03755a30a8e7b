"""``gpugrad.kernels``: the folder ``kernels/`` beside this package in a checkout, inside it in a wheel.

It is not a top-level module, since that name belongs to others; it must be found in a bare checkout too, which
machines without a network run. So this module becomes a package whose path is whichever folder exists.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

_here = Path(__file__).parent
__path__ = [str(p) for p in (_here / "_kernels", _here.parent / "kernels") if (p / "reference.py").is_file()][:1]

if TYPE_CHECKING:  # the folder's modules, which a type checker does not find through __path__

    def __getattr__(name: str) -> Any: ...
