"""Discrete Fourier transforms, differentiable: the names of ``numpy.fft`` and of the array API's extension.

>>> import gpugrad as gg
>>> gg.grad(lambda x: gg.sum(gg.abs(gg.fft.fft(x)) ** 2))(gg.tensor([1.0, 2.0]))
tensor([4., 8.])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gpugrad.creation import asarray
from gpugrad.ops import fft as _operations
from gpugrad.public import all_public

if TYPE_CHECKING:
    from gpugrad.ops.fft import *  # noqa: F403  (the names that the next line makes)

globals().update(all_public(_operations.__all__, vars(_operations), "gpugrad.fft"))


def fftfreq(n: int, d: float = 1.0, dtype: Any = None, device: str | None = None) -> Any:
    """The frequency of each element of :func:`fft` of ``n`` samples ``d`` apart, in cycles per unit of ``d``.

    >>> import gpugrad as gg
    >>> gg.fft.fftfreq(4)
    tensor([ 0.  ,  0.25, -0.5 , -0.25])
    """
    return asarray(np.fft.fftfreq(n, d), dtype=dtype, device=device)


def rfftfreq(n: int, d: float = 1.0, dtype: Any = None, device: str | None = None) -> Any:
    """The same for :func:`rfft`: n // 2 + 1 frequencies, none negative.

    >>> import gpugrad as gg
    >>> gg.fft.rfftfreq(4)
    tensor([0.  , 0.25, 0.5 ])
    """
    return asarray(np.fft.rfftfreq(n, d), dtype=dtype, device=device)


__all__ = ["fftfreq", "rfftfreq", *_operations.__all__]
