"""A table of vectors, looked up by integers."""

from __future__ import annotations

from typing import Any

from gpugrad import dtypes, errors
from gpugrad.nn import init
from gpugrad.nn.checks import named
from gpugrad.nn.module import Module
from gpugrad.nn.parameter import Parameter
from gpugrad.ops.neural import embedding
from gpugrad.shapes import axis_of
from gpugrad.transforms.lift import as_value


class Embedding(Module):
    """Row ``i`` of ``weight`` for each integer ``i``: any shape (...) to (..., embedding_dim).

    ``weight`` is (num_embeddings, embedding_dim), standard normal at first. The row ``padding_idx`` starts as zeros and
    is not trained. Raises DtypeError for indices that are not integers, AxisError for one out of range.

    >>> import gpugrad as gg
    >>> gg.nn.Embedding(10, 3)(gg.tensor([[1, 2, 1]])).shape
    (1, 3, 3)
    """

    def __init__(
        self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None, *, key: Any = None
    ) -> None:
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.padding_idx = (
            None
            if padding_idx is None
            else axis_of(padding_idx, (0,) * num_embeddings, "Embedding(padding_idx)") + num_embeddings
        )
        rows = init.normal((num_embeddings, embedding_dim), key=key)
        if padding_idx is not None:
            rows[self.padding_idx] = 0.0
        self.weight = Parameter(rows)

    def forward(self, index: Any) -> Any:
        index = as_value(index)
        if index.dtype.kind not in "iu":
            raise errors.DtypeError(
                f'{named(self)}: input of dtype {dtypes.of(index).name}; expected integers, rows of the table. Cast it: index.astype("int64")'
            )
        return embedding(index, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        return f"{self.num_embeddings}, {self.embedding_dim}" + (
            "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        )


__all__ = ["Embedding"]
