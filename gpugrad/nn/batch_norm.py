"""Batch normalisation, with running statistics for evaluation."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from gpugrad import creation, errors
from gpugrad.nn.checks import featured, named, taken
from gpugrad.nn.module import Module
from gpugrad.nn.parameter import Parameter
from gpugrad.ops.neural import batch_norm
from gpugrad.transforms.functional import stop_gradient
from gpugrad.transforms.lift import as_value
from gpugrad.transforms.modes import no_grad
from gpugrad.transforms.tape import EAGER


class _BatchNorm(Module):
    """What all have in common; ``ranks`` are the numbers of axes that the input may have, with their layouts."""

    ranks: ClassVar[dict[int, str]]
    running_mean: Any
    running_var: Any
    num_batches_tracked: Any

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
    ) -> None:
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = Parameter(creation.ones(num_features)) if affine else None
        self.bias = Parameter(creation.zeros(num_features)) if affine else None
        self.track_running_stats = track_running_stats
        if track_running_stats:
            self.register_buffer("running_mean", creation.zeros(num_features, dtype="float32"))
            self.register_buffer("running_var", creation.ones(num_features, dtype="float32"))
            self.register_buffer("num_batches_tracked", creation.tensor(0))
        else:
            self.running_mean = self.running_var = self.num_batches_tracked = None

    def forward(self, x: Any) -> Any:
        like = self.weight if self.weight is not None else self.running_mean
        x = as_value(x) if like is None else taken(self, x, like)
        layout = " or ".join(self.ranks.values()).replace("C", str(self.num_features))
        if len(x.shape) not in self.ranks:
            raise errors.ShapeError(f"{named(self)}: input of shape {x.shape}; expected {layout}")
        featured(self, x, 1 - len(x.shape), self.num_features, layout)
        if not self.training and self.track_running_stats:
            return batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        n = math.prod(x.shape) // self.num_features if self.num_features else 0
        if n < 2:
            raise errors.ShapeError(
                f"{named(self)}: input of shape {x.shape} has {n} value{'' if n == 1 else 's'} per channel; expected at least 2 in training, or there is no variance. Use a larger batch, or module.eval()"
            )
        y, mean, var = batch_norm(x, None, None, self.weight, self.bias, training=True, eps=self.eps)
        if self.track_running_stats and self.training:
            self._track(stop_gradient(mean), stop_gradient(var) * (n / (n - 1)))
        return y

    def _track(self, mean: Any, var: Any) -> None:
        if mean._trace is not EAGER:
            raise errors.TraceError(
                f"{named(self)} in training under vmap would keep statistics of many batches at once. Use module.eval(), or track_running_stats=False"
            )
        with no_grad():
            self.num_batches_tracked.copy_(self.num_batches_tracked + 1)
            share = self.momentum if self.momentum is not None else 1.0 / self.num_batches_tracked.item()
            for kept, new in ((self.running_mean, mean), (self.running_var, var)):
                kept.copy_(kept + share * (new.astype(kept.dtype) - kept))

    def extra_repr(self) -> str:
        usual = (("eps", 1e-5), ("momentum", 0.1), ("track_running_stats", True))
        return (
            f"{self.num_features}"
            + "".join(f", {name}={getattr(self, name)}" for name, v in usual if getattr(self, name) != v)
            + ("" if self.weight is not None else ", affine=False")
        )


class BatchNorm1d(_BatchNorm):
    """Each channel (axis 1) with mean 0 and variance 1 over the batch; times ``weight``, plus ``bias``.

    The input is (N, C) or (N, C, L). In training the statistics are those of the batch, and running averages of them
    are kept, with weight ``momentum`` for the newest (None: the plain average of all) and the variance unbiased; in
    evaluation the running ones are used. Without ``track_running_stats`` it is always the batch's (Ioffe and Szegedy,
    2015). Raises ShapeError for an input that does not fit, or of one value per channel in training.

    >>> import gpugrad as gg
    >>> gg.nn.BatchNorm1d(1, eps=0.0)(gg.tensor([[1.0], [3.0]], dtype="float32")).tolist()
    [[-1.0], [1.0]]
    """

    ranks = {2: "(N, C)", 3: "(N, C, length)"}


class BatchNorm2d(_BatchNorm):
    """Batch normalisation of images (N, C, H, W); see :class:`BatchNorm1d`.

    >>> import gpugrad as gg
    >>> gg.nn.BatchNorm2d(3)(gg.ones((5, 3, 8, 8), dtype="float32")).shape
    (5, 3, 8, 8)
    """

    ranks = {4: "(N, C, height, width)"}


class BatchNorm3d(_BatchNorm):
    """Batch normalisation of volumes (N, C, D, H, W); see :class:`BatchNorm1d`."""

    ranks = {5: "(N, C, depth, height, width)"}


__all__ = ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d"]
