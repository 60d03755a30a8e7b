"""Attention with several heads."""

from __future__ import annotations

from typing import Any

from gpugrad import errors
from gpugrad.nn import init
from gpugrad.nn.linear import Linear
from gpugrad.nn.module import Module
from gpugrad.ops.linear import permute, reshape
from gpugrad.ops.neural import scaled_dot_product_attention
from gpugrad.transforms.lift import as_value


class MultiHeadAttention(Module):
    """Each position of ``query`` gathers from those of ``key`` and ``value``, in ``num_heads`` parts (Vaswani et al., 2017).

    Arrays are (..., length, embed_dim); ``key`` is ``query`` and ``value`` is ``key`` unless given. ``mask``, boolean
    (True: may be seen) or added to the scores, broadcasts to (..., num_heads, query length, key length); with
    ``is_causal`` a position sees those up to itself. Time and memory grow with the product of the lengths.

    >>> import gpugrad as gg
    >>> attend = gg.nn.MultiHeadAttention(8, num_heads=2)
    >>> attend(gg.ones((5, 7, 8), dtype="float32"), is_causal=True).shape
    (5, 7, 8)
    """

    def __init__(self, embed_dim: int, num_heads: int, bias: bool = True, *, key: Any = None) -> None:
        if num_heads < 1 or embed_dim % num_heads:
            raise errors.ShapeError(
                f"MultiHeadAttention: {num_heads} heads of embed_dim {embed_dim}; expected a number of heads that divides it"
            )
        self.embed_dim, self.num_heads = embed_dim, num_heads
        keys = init.keys(key, 4)
        self.query = Linear(embed_dim, embed_dim, bias, key=keys[0])
        self.key = Linear(embed_dim, embed_dim, bias, key=keys[1])
        self.value = Linear(embed_dim, embed_dim, bias, key=keys[2])
        self.output = Linear(embed_dim, embed_dim, bias, key=keys[3])

    def forward(self, query: Any, key: Any = None, value: Any = None, mask: Any = None, is_causal: bool = False) -> Any:
        key = query if key is None else key
        value = key if value is None else value
        q, k, v = self._split(self.query(query)), self._split(self.key(key)), self._split(self.value(value))
        heads = scaled_dot_product_attention(q, k, v, None if mask is None else as_value(mask), is_causal)
        return self.output(self._joined(heads))

    def _split(self, x: Any) -> Any:
        """(..., length, embed_dim) to (..., heads, length, embed_dim / heads)."""
        x = reshape(x, to=(self.num_heads, self.embed_dim // self.num_heads), rank=1)
        return permute(x, perm=(-2, -3, -1))

    def _joined(self, x: Any) -> Any:
        """The opposite of :meth:`_split`."""
        return reshape(permute(x, perm=(-2, -3, -1)), to=(self.embed_dim,), rank=2)

    def extra_repr(self) -> str:
        return f"{self.embed_dim}, num_heads={self.num_heads}"


__all__ = ["MultiHeadAttention"]
