"""Activations as layers; what they compute is said by the function of the same name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from gpugrad.nn.checks import featured, taken
from gpugrad.nn.module import Module
from gpugrad.nn.parameter import Parameter
from gpugrad.ops import elementwise, neural
from gpugrad.ops.linear import reshape
from gpugrad.transforms.lift import as_value


class Activation(Module):
    """A function of one array as a layer. ``settings`` are its keyword arguments.

    >>> import gpugrad as gg
    >>> gg.nn.Activation(gg.abs)(gg.tensor([-1.0, 2.0]))
    tensor([1., 2.])
    """

    function: Callable[..., Any]

    def __init__(self, function: Callable[..., Any], **settings: Any) -> None:
        self.function = function
        self.settings = settings

    def forward(self, x: Any) -> Any:
        return self.function(as_value(x), **self.settings)

    def extra_repr(self) -> str:
        return ", ".join(
            [
                getattr(self.function, "__name__", getattr(self.function, "name", "?")),
                *(f"{k}={v!r}" for k, v in self.settings.items()),
            ]
        )


class _Fixed(Module):
    """An activation without settings."""

    function: ClassVar[Callable[..., Any]]

    def forward(self, x: Any) -> Any:
        return type(self).function(as_value(x))


class _Set(Module):
    """An activation with settings, which are keyword arguments of its function."""

    function: ClassVar[Callable[..., Any]]
    settings: dict[str, Any]

    def forward(self, x: Any) -> Any:
        return type(self).function(as_value(x), **self.settings)

    def extra_repr(self) -> str:
        return ", ".join(f"{k}={v!r}" for k, v in self.settings.items())


class ReLU(_Fixed):
    """max(x, 0).

    >>> import gpugrad as gg
    >>> gg.nn.ReLU()(gg.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """

    function = staticmethod(elementwise.relu)


class ReLU6(_Fixed):
    """min(max(x, 0), 6)."""

    function = staticmethod(neural.relu6)


class Sigmoid(_Fixed):
    """1 / (1 + e⁻ˣ)."""

    function = staticmethod(elementwise.sigmoid)


class LogSigmoid(_Fixed):
    """log(1 / (1 + e⁻ˣ))."""

    function = staticmethod(neural.log_sigmoid)


class Tanh(_Fixed):
    """The hyperbolic tangent."""

    function = staticmethod(elementwise.tanh)


class Softplus(_Fixed):
    """log(1 + eˣ)."""

    function = staticmethod(elementwise.softplus)


class Softsign(_Fixed):
    """x / (1 + |x|)."""

    function = staticmethod(neural.softsign)


class SiLU(_Fixed):
    """x · sigmoid(x), also called swish."""

    function = staticmethod(neural.silu)


class Mish(_Fixed):
    """x · tanh(softplus(x))."""

    function = staticmethod(neural.mish)


class SELU(_Fixed):
    """1.0507 · elu(x, 1.6733)."""

    function = staticmethod(neural.selu)


class GELU(_Set):
    """x · Φ(x), Φ the normal distribution function; with ``approximate="tanh"`` its approximation."""

    function = staticmethod(neural.gelu)

    def __init__(self, approximate: str = "none") -> None:
        self.settings = {"approximate": approximate}


class ELU(_Set):
    """x where it is positive, ``alpha`` (eˣ - 1) elsewhere."""

    function = staticmethod(neural.elu)

    def __init__(self, alpha: float = 1.0) -> None:
        self.settings = {"alpha": alpha}


class CELU(_Set):
    """max(x, 0) + min(0, ``alpha`` (e^(x / alpha) - 1))."""

    function = staticmethod(neural.celu)

    def __init__(self, alpha: float = 1.0) -> None:
        self.settings = {"alpha": alpha}


class LeakyReLU(_Set):
    """x where it is positive, ``negative_slope`` · x elsewhere."""

    function = staticmethod(neural.leaky_relu)

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.settings = {"negative_slope": negative_slope}


class Hardtanh(_Set):
    """x limited to [``min_val``, ``max_val``]."""

    function = staticmethod(neural.hardtanh)

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0) -> None:
        self.settings = {"min_val": min_val, "max_val": max_val}


class Softmax(_Set):
    """eˣ / Σ eˣ over ``axis``.

    >>> import gpugrad as gg
    >>> gg.nn.Softmax()(gg.tensor([0.0, 0.0]))
    tensor([0.5, 0.5])
    """

    function = staticmethod(neural.softmax)

    def __init__(self, axis: int = -1) -> None:
        self.settings = {"axis": axis}


class LogSoftmax(_Set):
    """log softmax(x) over ``axis``."""

    function = staticmethod(neural.log_softmax)

    def __init__(self, axis: int = -1) -> None:
        self.settings = {"axis": axis}


class PReLU(Module):
    """x where it is positive, a learned multiple of x elsewhere: one number, or one per channel (axis 1 of the input).

    >>> import gpugrad as gg
    >>> gg.nn.PReLU()(gg.tensor([-1.0, 2.0], dtype="float32")).tolist()
    [-0.25, 2.0]
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25) -> None:
        self.weight = Parameter([init] * num_parameters)

    def forward(self, x: Any) -> Any:
        x = taken(self, x, self.weight)
        weight = self.weight
        n = weight.shape[0]
        if n > 1:
            featured(self, x, 1 - len(x.shape) if len(x.shape) > 1 else -1, n, "(N, channels, ...)")
            weight = reshape(weight, to=(n, *(1,) * (len(x.shape) - 2)), rank=1)
        return elementwise.where(elementwise.greater(x, 0.0), x, weight * x)

    def extra_repr(self) -> str:
        return str(self.weight.shape[0])


__all__ = [
    "CELU", "ELU", "GELU", "SELU", "Activation", "Hardtanh", "LeakyReLU", "LogSigmoid", "LogSoftmax", "Mish", "PReLU",
    "ReLU", "ReLU6", "SiLU", "Sigmoid", "Softmax", "Softplus", "Softsign", "Tanh",
]  # fmt: skip
