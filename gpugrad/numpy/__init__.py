"""NumPy's names on tensors: code for ``autograd.numpy`` or ``jax.numpy`` moves here by its import line.

>>> import gpugrad as gg
>>> import gpugrad.numpy as np
>>> gg.grad(lambda x: np.sum(np.tanh(x) ** 2))(np.zeros(2))
tensor([0., 0.])

The functions are those that NumPy itself runs when it meets a tensor (see :mod:`gpugrad.numpy.table`); here they take
lists, numbers and arrays too, and always return tensors. Constants and dtypes are NumPy's own.
"""

from __future__ import annotations

from typing import Any

import numpy as _np

from gpugrad.numpy import fft, linalg, protocol, random
from gpugrad.numpy.table import FUNCTIONS, UFUNCS
from gpugrad.tensor import Tensor

ndarray = Tensor

_OWN = """
    bool bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 intp int_ uint float16 float32 float64 complex64
    complex128 single double csingle cdouble longlong number integer signedinteger unsignedinteger inexact floating
    complexfloating generic dtype finfo iinfo issubdtype promote_types isscalar iterable pi e inf nan newaxis
    euler_gamma s_ index_exp errstate seterr geterr set_printoptions get_printoptions printoptions broadcast_shapes
    diag_indices tril_indices triu_indices ndindex ndenumerate load
"""
"""What is taken from NumPy as it is: constants, dtypes, and what does not compute on arrays."""

_ALIASES = {
    "abs": "absolute", "acos": "arccos", "acosh": "arccosh", "asin": "arcsin", "asinh": "arcsinh", "atan": "arctan",
    "atan2": "arctan2", "atanh": "arctanh", "bitwise_invert": "invert", "bitwise_left_shift": "left_shift",
    "bitwise_not": "invert", "bitwise_right_shift": "right_shift", "concat": "concatenate", "conj": "conjugate",
    "mod": "remainder", "permute_dims": "transpose", "pow": "power", "product": "prod", "row_stack": "vstack",
    "trapz": "trapezoid", "true_divide": "divide",
}  # fmt: skip

_names: dict[str, Any] = {name: getattr(_np, name) for name in _OWN.split()}
_names |= {name: f for name, f in (FUNCTIONS | UFUNCS).items() if "." not in name}
_names |= {alias: _names[name] for alias, name in _ALIASES.items() if name in _names}
globals().update(_names)


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    if hasattr(_np, name):
        raise AttributeError(
            f"gpugrad.numpy does not cover numpy.{name}. Compose it of other functions of gpugrad.numpy; or, where no "
            f"derivative is needed, call numpy.{name} on arrays: t.detach().numpy()"
        )
    raise AttributeError(f"module 'gpugrad.numpy' has no attribute {name!r}, and neither has numpy")


__all__ = [
    "fft",
    "linalg",
    "ndarray",
    "random",
    *(name for name in _names if name not in ("abs", "all", "any", "bool", "max", "min", "pow", "round", "sum")),
]
