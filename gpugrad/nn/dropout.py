"""Dropout: in training some elements are set to zero at random, in evaluation nothing happens."""

from __future__ import annotations

from typing import Any

from gpugrad import errors, random
from gpugrad.nn.checks import named
from gpugrad.nn.module import Module
from gpugrad.ops.elementwise import multiply
from gpugrad.ops.linear import constant, reshape, unbatched
from gpugrad.transforms.lift import as_value


class Dropout(Module):
    """In training each element is 0 with probability ``p``, and the others are divided by 1 - p (Srivastava et al., 2014).

    Draws from the default generator, or from ``generator``; under ``vmap`` once for all items, as all random numbers do.

    >>> import gpugrad as gg
    >>> layer = gg.nn.Dropout(0.5, generator=gg.random.Generator(0))
    >>> sorted(set(layer(gg.ones(100)).tolist()))
    [0.0, 2.0]
    >>> layer.eval()(gg.ones(2))
    tensor([1., 1.])
    """

    def __init__(self, p: float = 0.5, generator: random.Generator | None = None) -> None:
        if not 0.0 <= p <= 1.0:
            raise errors.ArgumentError(f"{type(self).__name__}: p={p}; expected a probability, 0 ≤ p ≤ 1")
        self.p, self.generator = p, generator

    def forward(self, x: Any) -> Any:
        x = as_value(x)
        return self._dropped(x) if self.training else x

    def _dropped(self, x: Any) -> Any:
        return random.dropout(x, self.p, key=self.generator)

    def extra_repr(self) -> str:
        return f"{self.p}"


class Dropout2d(Dropout):
    """Dropout of whole channels of images (N, C, H, W): neighbours in an image are too alike for :class:`Dropout`.

    >>> import gpugrad as gg
    >>> y = gg.nn.Dropout2d(0.5)(gg.ones((1, 4, 3, 3)))
    >>> all(channel.min().item() == channel.max().item() for channel in y[0])
    True
    """

    def _dropped(self, x: Any) -> Any:
        if len(x.shape) != 4:
            raise errors.ShapeError(f"{named(self)}: input of shape {x.shape}; expected (N, C, height, width)")
        kept = random.dropout(constant(unbatched(x), to=x.shape[:2], fill=1), self.p, key=self.generator)
        return multiply(x, reshape(kept, to=(*x.shape[:2], 1, 1), rank=2))


__all__ = ["Dropout", "Dropout2d"]
