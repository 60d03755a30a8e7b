"""NumPy's ``numpy.linalg`` on tensors.

>>> import gpugrad.numpy as np
>>> np.linalg.norm(np.array([3.0, 4.0]))
tensor(5.)
"""

from __future__ import annotations

from typing import Any

import numpy as _np

from gpugrad.numpy.table import FUNCTIONS

LinAlgError = _np.linalg.LinAlgError
_names: dict[str, Any] = {
    path.removeprefix("linalg."): f for path, f in FUNCTIONS.items() if path.startswith("linalg.")
}
globals().update(_names)


def __getattr__(name: str) -> Any:
    if hasattr(_np.linalg, name) and not name.startswith("__"):
        raise AttributeError(
            f"gpugrad.numpy.linalg does not cover numpy.linalg.{name}. Where no derivative is needed, call it on arrays: t.detach().numpy()"
        )
    raise AttributeError(f"module 'gpugrad.numpy.linalg' has no attribute {name!r}")


__all__ = ["LinAlgError", *_names]
