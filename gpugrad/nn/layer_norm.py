"""Layer normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gpugrad import creation, errors
from gpugrad.nn.checks import named, sizes, taken
from gpugrad.nn.module import Module
from gpugrad.nn.parameter import Parameter
from gpugrad.ops.neural import layer_norm
from gpugrad.transforms.lift import as_value


class LayerNorm(Module):
    """Mean 0 and variance 1 over the last axes, of shape ``normalized_shape``; times ``weight``, plus ``bias``.

    Each example is normalised by itself, in training and evaluation alike (Ba et al., 2016).

    >>> import gpugrad as gg
    >>> gg.nn.LayerNorm(2)(gg.tensor([[1.0, 3.0]], dtype="float32")).tolist()
    [[-0.9999949932098389, 0.9999949932098389]]
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
    ) -> None:
        self.normalized_shape = sizes("LayerNorm", "normalized_shape", normalized_shape)
        self.eps = eps
        self.weight = Parameter(creation.ones(self.normalized_shape)) if elementwise_affine else None
        self.bias = Parameter(creation.zeros(self.normalized_shape)) if elementwise_affine and bias else None

    def forward(self, x: Any) -> Any:
        x = as_value(x) if self.weight is None else taken(self, x, self.weight)
        n = len(self.normalized_shape)
        if len(x.shape) < n or x.shape[len(x.shape) - n :] != self.normalized_shape:
            raise errors.ShapeError(
                f"{named(self)}: input of shape {x.shape}; expected (..., {', '.join(map(str, self.normalized_shape))})"
            )
        return layer_norm(x, self.weight, self.bias, axis=tuple(range(-n, 0)), eps=self.eps)

    def extra_repr(self) -> str:
        shape = self.normalized_shape
        return f"{shape[0] if len(shape) == 1 else shape}" + ("" if self.eps == 1e-5 else f", eps={self.eps}")


__all__ = ["LayerNorm"]
