"""gpugrad: derivatives of array programs on the CPU and the GPU, with one set of rules.

>>> import gpugrad as gg
>>> x = gg.tensor([1.0, 2.0, 3.0], requires_grad=True)
>>> (gg.sin(x) * x).sum().backward()
>>> bool(gg.allclose(x.grad, gg.cos(x) * x + gg.sin(x)))
True
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from gpugrad import errors, pytree
from gpugrad.backends import builtin
from gpugrad.tensor import Tensor, stop_gradient
from gpugrad.backends.select import device, devices, synchronize, use_backend
from gpugrad.creation import *
from gpugrad.dtypes import set_default_dtype
from gpugrad.primitive import Primitive
from gpugrad.public import all_public
from gpugrad.transforms.calls import checkpoint, custom_jvp, custom_vjp
from gpugrad.transforms.derived import hessian, hvp, jacfwd, jacobian, jacrev
from gpugrad.transforms.functional import grad, jvp, value_and_grad, vjp
from gpugrad.transforms.linear_program import linearize
from gpugrad.transforms.modes import enable_grad, is_grad_enabled, keep_values, no_grad
from gpugrad.transforms.vectorize import vmap
from gpugrad.version import __version__

# TEMP: modules that exist
for _m in ("elementwise","arithmetic","reductions","ordering","rearranging","indexing","gathering","joining","padding","sequences","differences","bilinear","contraction","convolution","pooling","neural","losses","random"):
    try:
        _mod = importlib.import_module("gpugrad.ops."+_m)
    except ImportError:
        continue
    _names = getattr(_mod,"__all__",None) if _m != "elementwise" else [k for k,v in vars(_mod).items() if isinstance(v, Primitive) and k!="masked_multiply"]
    for _n in (_names or []):
        try: globals().update(all_public([_n], vars(_mod)))
        except (TypeError, KeyError): pass
