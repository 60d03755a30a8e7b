"""gg.autocast: products in half precision, what needs range in float32."""

from __future__ import annotations

from typing import Any

from gpugrad import dtypes, errors
from gpugrad.ops.casting import FLOAT32, HALF, NARROWED
from gpugrad.trace import state
from gpugrad.transforms.modes import _Mode


class autocast(_Mode):  # noqa: N801  (a switch that reads like a word, as users of PyTorch know it)
    """Mixed precision, in this thread: products in ``dtype`` ("float16" or "bfloat16"), what needs range in float32.

    Parameters stay float32: each product casts its operands, and gradients come back in the parameter's dtype. An
    operation with a float64, complex or integer operand is left alone, so float64 is never lowered; what is in no
    list follows its operands. ``None``, or ``enabled=False``, switches it off inside. A context and a decorator, which
    may be nested, under every transform; functions of ``gg.jit`` are compiled for each state they are called in. Put the
    forward pass and the loss inside and ``backward`` outside; derivatives compute in the dtypes of the forward pass
    either way. float16 needs a scaled loss, since small gradients vanish in it; bfloat16 does not.

    Raises DtypeError for another dtype.

    >>> import gpugrad as gg
    >>> x = gg.tensor([[1.0, 2.0]], dtype="float32", requires_grad=True)
    >>> with gg.autocast("float16"):
    ...     y = x @ x.T
    ...     loss = y.sum()
    >>> loss.backward()
    >>> y.dtype.name, loss.dtype.name, x.grad.dtype.name
    ('float16', 'float32', 'float32')
    >>> "matmul" in gg.autocast.half, "softmax" in gg.autocast.float32
    (True, True)
    """

    half = HALF
    """The operations that compute in the half dtype."""
    float32 = FLOAT32
    """The operations that compute in float32."""
    narrowed = NARROWED
    """The operations that compute in float32, with results in the half dtype of their operand."""

    def __new__(cls, dtype: Any, enabled: bool = True) -> Any:
        return object.__new__(cls)

    def __init__(self, dtype: Any, enabled: bool = True) -> None:
        self.dtype = None if dtype is None else dtypes.dtype(dtype)
        if self.dtype is not None and not dtypes.is_half(self.dtype):
            raise errors.DtypeError(
                f"autocast: {self.dtype.name} is no half precision; expected 'float16' or 'bfloat16', or None to switch it off"
            )
        if not enabled:
            self.dtype = None

    def _set(self) -> None:
        state.autocasts.append(state.autocast)
        state.autocast = self.dtype

    def _reset(self) -> None:
        state.autocast = state.autocasts.pop()


if autocast.__doc__:  # none under python -OO
    autocast.__doc__ += f"\n\n    In half precision: {', '.join(HALF)}.\n\n    In float32: {', '.join(FLOAT32)}.\n\n    In float32, with results in the operand's half precision: {', '.join(NARROWED)}.\n    "

__all__ = ["autocast"]
