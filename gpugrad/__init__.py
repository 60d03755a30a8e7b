from gpugrad.backends import select as _s
from gpugrad.backends.numpy import NumpyBackend
from gpugrad.backends.reference import ReferenceBackend
_s.register("reference", ReferenceBackend); _s.register("numpy", NumpyBackend); _s.use_backend("numpy")
use_backend = _s.use_backend
from gpugrad import pytree
from gpugrad.tensor import Tensor, stop_gradient
from gpugrad.creation import *
from gpugrad.dtypes import set_default_dtype
from gpugrad.transforms.modes import no_grad, enable_grad, keep_values, is_grad_enabled
from gpugrad.transforms.functional import grad, vjp, jvp, value_and_grad
from gpugrad.transforms.vectorize import vmap
from gpugrad.transforms.linear_program import linearize
from gpugrad.transforms.derived import jacfwd, jacrev, jacobian, hessian, hvp
from gpugrad.transforms.calls import checkpoint, custom_vjp, custom_jvp
