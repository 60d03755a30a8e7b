"""``scipy.special`` on tensors: the functions of :mod:`gpugrad.special`, which have SciPy's names and parameters.

>>> import gpugrad.scipy.special as special
>>> special.expit([0.0])
tensor([0.5])
"""

from __future__ import annotations

from gpugrad.special import *  # noqa: F403
