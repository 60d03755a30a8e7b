"""Linear algebra, differentiable: the names of ``numpy.linalg`` and of the array API's extension, and some more.

>>> import gpugrad as gg
>>> gg.linalg.solve([[2.0, 0.0], [0.0, 4.0]], [1.0, 1.0])
tensor([0.5 , 0.25])
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpugrad.ops import eigen as _eigen
from gpugrad.ops import linalg as _operations
from gpugrad.ops.eigen import EigResult
from gpugrad.ops.linalg import EighResult, QRResult, SlogdetResult, SVDResult
from gpugrad.ops.matrices import LinAlgError
from gpugrad.public import all_public

if TYPE_CHECKING:
    from gpugrad.ops.eigen import *  # noqa: F403
    from gpugrad.ops.linalg import *  # noqa: F403  (the names that the next line makes)

globals().update(all_public(_operations.__all__, vars(_operations), "gpugrad.linalg"))
globals().update(all_public(_eigen.__all__, vars(_eigen), "gpugrad.linalg"))

__all__ = [
    "EigResult", "EighResult", "LinAlgError", "QRResult", "SVDResult", "SlogdetResult", *_eigen.__all__, *_operations.__all__,
]  # fmt: skip
