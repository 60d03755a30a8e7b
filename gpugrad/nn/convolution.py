"""Convolutions and transposed convolutions as layers, in PyTorch's layouts: (N, C, *space) or (C, *space)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from gpugrad import errors
from gpugrad.nn import init
from gpugrad.nn.checks import featured, taken
from gpugrad.nn.module import Module
from gpugrad.nn.parameter import Parameter
from gpugrad.ops import convolution
from gpugrad.ops.windows import Sizes, sizes_of


class _Convolution(Module):
    """What both directions share: the sizes, the parameters, and the check of the input."""

    function: ClassVar[Callable[..., Any]]
    axes: ClassVar[int]

    def _build(self, weight: tuple[int, ...], bias: bool, key: Any) -> None:
        """Uniform in ±1/√fan_in, as PyTorch's: the fan is that of one output element."""
        bound = 1 / math.sqrt(max(math.prod(weight[1:]), 1))
        for_weight, for_bias = init.keys(key, 2)
        self.weight = Parameter(init.uniform(weight, -bound, bound, key=for_weight))
        self.bias = Parameter(init.uniform((self.out_channels,), -bound, bound, key=for_bias)) if bias else None

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Sizes, groups: int) -> None:
        name = type(self).__name__
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise errors.ShapeError(
                f"{name}: groups={groups} for {in_channels} input and {out_channels} output channels; expected a number that divides both"
            )
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = sizes_of(kernel_size, self.axes, name, "kernel_size")

    def _input(self, x: Any) -> Any:
        x = taken(self, x, self.weight)
        n = self.axes
        if len(x.shape) not in (n + 1, n + 2) or x.shape[-n - 1] != self.in_channels:
            space = ", ".join(("depth", "height", "width")[3 - n :]) if n > 1 else "length"
            featured(
                self, x, -n - 1, self.in_channels, f"(N, {self.in_channels}, {space}) or ({self.in_channels}, {space})"
            )
            raise errors.ShapeError(
                f"{type(self).__name__}: input of shape {x.shape}; expected {n + 1} or {n + 2} axes"
            )
        return x


class _Conv(_Convolution):
    """A convolution; the classes for one, two and three axes differ in the function alone."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Sizes, stride: Sizes = 1, padding: str | int | Sequence[Any] = 0,
        dilation: Sizes = 1, groups: int = 1, bias: bool = True, *, key: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(in_channels, out_channels, kernel_size, groups)
        self.stride, self.padding, self.dilation = stride, padding, dilation
        self._build((out_channels, in_channels // groups, *self.kernel_size), bias, key)

    def forward(self, x: Any) -> Any:
        return type(self).function(
            self._input(x), self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups
        )

    def extra_repr(self) -> str:
        return _described(self, ("stride", 1), ("padding", 0), ("dilation", 1), ("groups", 1))


class _ConvTranspose(_Convolution):
    """A transposed convolution; the classes for one, two and three axes differ in the function alone."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Sizes, stride: Sizes = 1, padding: str | int | Sequence[Any] = 0,
        output_padding: Sizes = 0, groups: int = 1, bias: bool = True, dilation: Sizes = 1, *, key: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(in_channels, out_channels, kernel_size, groups)
        self.stride, self.padding, self.output_padding, self.dilation = stride, padding, output_padding, dilation
        self._build((in_channels, out_channels // groups, *self.kernel_size), bias, key)

    def forward(self, x: Any) -> Any:
        return type(self).function(
            self._input(x),
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self.output_padding,
            self.groups,
            self.dilation,
        )

    def extra_repr(self) -> str:
        return _described(self, ("stride", 1), ("padding", 0), ("output_padding", 0), ("dilation", 1), ("groups", 1))


def _described(layer: _Convolution, *settings: tuple[str, int]) -> str:
    size = layer.kernel_size
    parts = [str(layer.in_channels), str(layer.out_channels), str(size[0] if len(set(size)) == 1 else size)]
    parts += [f"{name}={getattr(layer, name)!r}" for name, usual in settings if getattr(layer, name) != usual]
    return ", ".join(parts if layer.bias is not None else [*parts, "bias=False"])


class Conv1d(_Conv):
    """Convolution along one axis: (N, in_channels, L) to (N, out_channels, L'); see :class:`Conv2d`."""

    function = staticmethod(convolution.conv1d)
    axes = 1


class Conv2d(_Conv):
    """Convolution of images: (N, in_channels, H, W) to (N, out_channels, H', W'); see :func:`gpugrad.conv2d`.

    ``weight`` is (out_channels, in_channels / groups, h, w); it and ``bias`` start uniform in ±1/√fan_in, drawn with
    ``key``, or from the default generator. Raises ShapeError and DtypeError for an input that does not fit.

    >>> import gpugrad as gg
    >>> gg.nn.Conv2d(3, 16, 3, stride=2, padding=1)(gg.ones((5, 3, 8, 8), dtype="float32")).shape
    (5, 16, 4, 4)
    """

    function = staticmethod(convolution.conv2d)
    axes = 2


class Conv3d(_Conv):
    """Convolution of volumes: (N, in_channels, D, H, W) to (N, out_channels, D', H', W'); see :class:`Conv2d`."""

    function = staticmethod(convolution.conv3d)
    axes = 3


class ConvTranspose1d(_ConvTranspose):
    """Transposed convolution along one axis; see :class:`ConvTranspose2d`."""

    function = staticmethod(convolution.conv_transpose1d)
    axes = 1


class ConvTranspose2d(_ConvTranspose):
    """The transpose of a convolution of images: it enlarges by the stride; see :func:`gpugrad.conv_transpose2d`.

    ``weight`` is (in_channels, out_channels / groups, h, w).

    >>> import gpugrad as gg
    >>> gg.nn.ConvTranspose2d(16, 3, 2, stride=2)(gg.ones((5, 16, 4, 4), dtype="float32")).shape
    (5, 3, 8, 8)
    """

    function = staticmethod(convolution.conv_transpose2d)
    axes = 2


class ConvTranspose3d(_ConvTranspose):
    """Transposed convolution of volumes; see :class:`ConvTranspose2d`."""

    function = staticmethod(convolution.conv_transpose3d)
    axes = 3


__all__ = ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]
