"""Special functions, with SciPy's names and parameters, differentiable: no SciPy is needed.

>>> import gpugrad as gg
>>> gg.grad(gg.special.gammaln)(3.0)
tensor(0.92278434)

They are kernels of our own, precise to a few units in the last place (the Bessel functions J and Y absolutely). SciPy's
own functions accept tensors too, where they are universal functions: ``scipy.special.gammaln(t)``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gpugrad.ops import arithmetic, elementwise, neural, special, special_forms
from gpugrad.public import all_public

if TYPE_CHECKING:
    from gpugrad.ops.special import *  # noqa: F403  (the names that the next lines make)
    from gpugrad.ops.special_forms import *  # noqa: F403

_OTHERS: dict[str, Any] = {
    "cbrt": elementwise.cbrt, "erf": elementwise.erf, "erfc": elementwise.erfc, "exp2": elementwise.exp2,
    "expit": elementwise.sigmoid, "expm1": elementwise.expm1, "log1p": elementwise.log1p,
    "log_expit": neural.log_sigmoid, "logit": arithmetic.logit, "psi": special.digamma, "sinc": elementwise.sinc,
}  # fmt: skip
"""What has its place elsewhere in the table, or another name there."""

_names: dict[str, Any] = all_public(list(_OTHERS), _OTHERS, "gpugrad.special")
_names |= all_public(special.__all__, vars(special), "gpugrad.special")
_names |= all_public(special_forms.__all__, vars(special_forms), "gpugrad.special")
globals().update(_names)

__all__ = sorted(_names)
