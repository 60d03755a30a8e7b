"""NumPy's ``numpy.fft`` on tensors.

>>> import gpugrad.numpy as np
>>> np.fft.rfft(np.array([1.0, 0.0]))
tensor([1.+0.j, 1.+0.j])
"""

from __future__ import annotations

from typing import Any

from gpugrad.fft import fftfreq, rfftfreq
from gpugrad.numpy.table import FUNCTIONS

_names: dict[str, Any] = {path.removeprefix("fft."): f for path, f in FUNCTIONS.items() if path.startswith("fft.")}
globals().update(_names)

__all__ = ["fftfreq", "rfftfreq", *_names]
