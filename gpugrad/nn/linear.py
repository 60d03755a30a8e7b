"""Linear and bilinear maps of the last axis."""

from __future__ import annotations

import math
from typing import Any

from gpugrad.nn import init
from gpugrad.nn.checks import featured, sizes, taken
from gpugrad.nn.module import Module
from gpugrad.nn.parameter import Parameter
from gpugrad.ops.bilinear import matmul, mT
from gpugrad.ops.casting import lowered


class Linear(Module):
    """``x @ weight.T + bias`` over the last axis: (..., in_features) to (..., out_features).

    ``weight`` is (out_features, in_features), as in PyTorch; both start uniform in ±1/√in_features, drawn with ``key``,
    or from the default generator. Raises ShapeError and DtypeError for an input that does not fit.

    >>> import gpugrad as gg
    >>> gg.nn.Linear(3, 2)(gg.ones((5, 3), dtype="float32")).shape
    (5, 2)
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True, *, key: Any = None) -> None:
        (self.in_features,) = sizes("Linear", "in_features", in_features)
        (self.out_features,) = sizes("Linear", "out_features", out_features)
        bound = 1 / math.sqrt(max(in_features, 1))
        for_weight, for_bias = init.keys(key, 2)
        self.weight = Parameter(init.uniform((out_features, in_features), -bound, bound, key=for_weight))
        self.bias = Parameter(init.uniform((out_features,), -bound, bound, key=for_bias)) if bias else None

    def forward(self, x: Any) -> Any:
        weight, bias = self.weight, self.bias
        x = taken(self, x, weight)
        if not x.shape or x.shape[-1] != self.in_features:
            featured(self, x, -1, self.in_features, f"(..., {self.in_features})")
        x, weight, bias = lowered(x, weight, bias)
        y = matmul(x, mT(weight))
        return y if bias is None else y + bias

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.out_features}{'' if self.bias is not None else ', bias=False'}"


class Bilinear(Module):
    """``xᵀ weight[k] y + bias[k]`` for each output k: (..., in1_features) and (..., in2_features) to (..., out_features).

    >>> import gpugrad as gg
    >>> gg.nn.Bilinear(3, 4, 2)(gg.ones((5, 3), dtype="float32"), gg.ones((5, 4), dtype="float32")).shape
    (5, 2)
    """

    def __init__(
        self, in1_features: int, in2_features: int, out_features: int, bias: bool = True, *, key: Any = None
    ) -> None:
        self.in1_features, self.in2_features, self.out_features = in1_features, in2_features, out_features
        bound = 1 / math.sqrt(max(in1_features, 1))
        for_weight, for_bias = init.keys(key, 2)
        self.weight = Parameter(init.uniform((out_features, in1_features, in2_features), -bound, bound, key=for_weight))
        self.bias = Parameter(init.uniform((out_features,), -bound, bound, key=for_bias)) if bias else None

    def forward(self, x: Any, y: Any) -> Any:
        x, y = taken(self, x, self.weight), taken(self, y, self.weight)
        featured(self, x, -1, self.in1_features, f"first (..., {self.in1_features})")
        featured(self, y, -1, self.in2_features, f"second (..., {self.in2_features})")
        rows = matmul(x.reshape((*x.shape[:-1], 1, 1, self.in1_features)), self.weight)  # (..., out, 1, in2)
        out = matmul(rows, y.reshape((*y.shape[:-1], 1, self.in2_features, 1)))  # (..., out, 1, 1)
        out = out.reshape(out.shape[:-2])
        return out if self.bias is None else out + self.bias

    def extra_repr(self) -> str:
        return f"{self.in1_features}, {self.in2_features}, {self.out_features}{'' if self.bias is not None else ', bias=False'}"


__all__ = ["Bilinear", "Linear"]
