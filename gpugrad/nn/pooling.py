"""Pooling layers: the largest or the average element of windows over the last axes of (N, C, *space)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from gpugrad.nn.module import Module
from gpugrad.ops import pooling
from gpugrad.ops.windows import Sizes
from gpugrad.transforms.lift import as_value


class _MaxPool(Module):
    pool: ClassVar[Callable[..., Any]]

    def __init__(
        self, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0, dilation: Sizes = 1
    ) -> None:
        self.kernel_size, self.stride, self.padding, self.dilation = kernel_size, stride, padding, dilation

    def forward(self, x: Any) -> Any:
        return type(self).pool(as_value(x), self.kernel_size, self.stride, self.padding, self.dilation)

    def extra_repr(self) -> str:
        return f"{self.kernel_size}" + "".join(
            f", {name}={v}"
            for name, v, usual in (
                ("stride", self.stride, None),
                ("padding", self.padding, 0),
                ("dilation", self.dilation, 1),
            )
            if v != usual
        )


class MaxPool1d(_MaxPool):
    """The largest element of windows along the last axis; parameters as :func:`gpugrad.max_pool1d`."""

    pool = staticmethod(pooling.max_pool1d)


class MaxPool2d(_MaxPool):
    """The largest element of windows over the last two axes; parameters as :func:`gpugrad.max_pool2d`.

    >>> import gpugrad as gg
    >>> gg.nn.MaxPool2d(2)(gg.tensor([[[1.0, 2.0], [3.0, 4.0]]]))
    tensor([[[4.]]])
    """

    pool = staticmethod(pooling.max_pool2d)


class MaxPool3d(_MaxPool):
    """The largest element of windows over the last three axes; parameters as :func:`gpugrad.max_pool3d`."""

    pool = staticmethod(pooling.max_pool3d)


class _AvgPool(Module):
    pool: ClassVar[Callable[..., Any]]

    def __init__(
        self, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0, count_include_pad: bool = True
    ) -> None:
        self.kernel_size, self.stride, self.padding, self.count_include_pad = (
            kernel_size,
            stride,
            padding,
            count_include_pad,
        )

    def forward(self, x: Any) -> Any:
        return type(self).pool(as_value(x), self.kernel_size, self.stride, self.padding, self.count_include_pad)

    def extra_repr(self) -> str:
        return f"{self.kernel_size}" + "".join(
            f", {name}={v}"
            for name, v, usual in (
                ("stride", self.stride, None),
                ("padding", self.padding, 0),
                ("count_include_pad", self.count_include_pad, True),
            )
            if v != usual
        )


class AvgPool1d(_AvgPool):
    """The average of windows along the last axis; parameters as :func:`gpugrad.avg_pool1d`."""

    pool = staticmethod(pooling.avg_pool1d)


class AvgPool2d(_AvgPool):
    """The average of windows over the last two axes; parameters as :func:`gpugrad.avg_pool2d`.

    >>> import gpugrad as gg
    >>> gg.nn.AvgPool2d(2)(gg.tensor([[[1.0, 2.0], [3.0, 4.0]]]))
    tensor([[[2.5]]])
    """

    pool = staticmethod(pooling.avg_pool2d)


class AvgPool3d(_AvgPool):
    """The average of windows over the last three axes; parameters as :func:`gpugrad.avg_pool3d`."""

    pool = staticmethod(pooling.avg_pool3d)


class _AdaptiveAvgPool(Module):
    pool: ClassVar[Callable[..., Any]]

    def __init__(self, output_size: Sizes) -> None:
        self.output_size = output_size

    def forward(self, x: Any) -> Any:
        return type(self).pool(as_value(x), self.output_size)

    def extra_repr(self) -> str:
        return f"{self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """Averages over ``output_size`` equal parts of the last axis."""

    pool = staticmethod(pooling.adaptive_avg_pool1d)


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """Averages over ``output_size`` equal parts of the last two axes; 1 is the global average.

    >>> import gpugrad as gg
    >>> gg.nn.AdaptiveAvgPool2d(1)(gg.ones((5, 3, 8, 8))).shape
    (5, 3, 1, 1)
    """

    pool = staticmethod(pooling.adaptive_avg_pool2d)


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """Averages over ``output_size`` equal parts of the last three axes."""

    pool = staticmethod(pooling.adaptive_avg_pool3d)


__all__ = [
    "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", "AvgPool1d", "AvgPool2d", "AvgPool3d", "MaxPool1d",
    "MaxPool2d", "MaxPool3d",
]  # fmt: skip
