"""NumPy's own random numbers, for code that moves by its import line: they are constants, so arrays will do.

For numbers that are the same on every device, under ``vmap`` and ``jit``, use ``gg.random``.
"""

from __future__ import annotations

from numpy.random import *
