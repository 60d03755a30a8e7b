"""SciPy's names for what the table has: code for ``jax.scipy`` or ``autograd.scipy`` moves here by its import line.

>>> import gpugrad.scipy as scipy
>>> scipy.special.expit([0.0])
tensor([0.5])
"""

from __future__ import annotations

from gpugrad.scipy import linalg, special

__all__ = ["linalg", "special"]
