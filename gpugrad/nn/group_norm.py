"""Group normalisation."""

from __future__ import annotations

import math
from typing import Any

from gpugrad import creation, errors
from gpugrad.nn.checks import featured, taken
from gpugrad.nn.module import Module
from gpugrad.nn.parameter import Parameter
from gpugrad.ops.linear import reshape
from gpugrad.ops.neural import layer_norm
from gpugrad.transforms.lift import as_value


class GroupNorm(Module):
    """Mean 0 and variance 1 over each of ``num_groups`` groups of channels (axis 1) of each example; then ``weight``, ``bias``.

    It does not depend on the batch (Wu and He, 2018); one group per channel is instance normalisation.

    >>> import gpugrad as gg
    >>> gg.nn.GroupNorm(2, 6)(gg.ones((5, 6, 8, 8), dtype="float32")).shape
    (5, 6, 8, 8)
    """

    def __init__(self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True) -> None:
        if num_groups < 1 or num_channels % num_groups:
            raise errors.ShapeError(
                f"GroupNorm: {num_groups} groups of {num_channels} channels; expected a number of groups that divides the channels"
            )
        self.num_groups, self.num_channels, self.eps = num_groups, num_channels, eps
        self.weight = Parameter(creation.ones(num_channels)) if affine else None
        self.bias = Parameter(creation.zeros(num_channels)) if affine else None

    def forward(self, x: Any) -> Any:
        x = as_value(x) if self.weight is None else taken(self, x, self.weight)
        shape, n = x.shape, len(x.shape)
        featured(self, x, min(1 - n, -1), self.num_channels, f"(N, {self.num_channels}, ...)")
        grouped = (shape[0], self.num_groups, math.prod(shape[1:]) // self.num_groups)
        y = layer_norm(reshape(x, to=grouped, rank=n), None, None, axis=-1, eps=self.eps)
        y = reshape(y, to=shape, rank=3)
        if self.weight is not None:
            along = (self.num_channels, *(1,) * (n - 2))
            y = y * reshape(self.weight, to=along, rank=1) + reshape(self.bias, to=along, rank=1)
        return y

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}"
            + ("" if self.eps == 1e-5 else f", eps={self.eps}")
            + ("" if self.weight is not None else ", affine=False")
        )


__all__ = ["GroupNorm"]
