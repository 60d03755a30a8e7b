"""Mixed precision: which operations compute in half precision under ``gg.autocast``, and which in float32.

The table is the whole policy. A product asks :func:`lowered` for its operands where it is called, not where a rule calls
it: what a derivative multiplies has the dtypes that the operation had. What needs range is marked :func:`ranged`.
"""

from __future__ import annotations

import functools as ft
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import numpy as np

from gpugrad import dtypes
from gpugrad.ops.linear import cast
from gpugrad.trace import state

HALF: Final = (
    "matmul", "linear", "einsum", "tensordot", "dot", "inner", "conv1d", "conv2d", "conv3d", "conv_transpose1d",
    "conv_transpose2d", "conv_transpose3d", "scaled_dot_product_attention",
)  # fmt: skip
"""Products: their float32 operands are rounded to the half dtype, and so are their results."""

FLOAT32: Final = (
    "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "reciprocal", "pow", "power",
    "tan", "asin", "acos", "sinh", "cosh",
    "sum", "prod", "cumprod", "nansum", "nanprod", "nanmean", "nanvar", "nanstd", "cumsum",
    "cumulative_sum", "cumulative_prod", "mean", "average", "var", "std", "logsumexp",
    "softmax", "log_softmax", "layer_norm", "normalize", "cosine_similarity", "vector_norm", "norm",
    "cross_entropy", "nll_loss", "mse_loss", "l1_loss", "huber_loss", "smooth_l1_loss", "binary_cross_entropy",
    "binary_cross_entropy_with_logits", "kl_div",
)  # fmt: skip
"""What needs range or adds up: half operands are widened to float32, and results are float32."""

NARROWED: Final = ("batch_norm",)
"""Computed in float32, with results in the half dtype of the operand: they lie between convolutions, which would round them."""

_SINGLE = np.dtype(np.float32)

F = TypeVar("F", bound=Callable[..., Any])


def _takes_part(x: Any) -> bool:
    d = getattr(x, "dtype", None)
    return d is None or dtypes.is_half(d) or dtypes.dtype(d) == _SINGLE


def lowered(*operands: Any) -> tuple[Any, ...]:
    """The operands of a product, in autocast's dtype; as they are outside of it, or if any is not float32 or half."""
    to = state.autocast
    if to is None or state.ruling or not all(map(_takes_part, operands)):
        return operands
    return tuple(x if not hasattr(x, "dtype") or dtypes.of(x) == to else _cast(x, to) for x in operands)


def widened(x: Any) -> Any:
    """An operand of what needs range: under autocast in float32, if it is in half precision."""
    if state.autocast is None or state.ruling or not hasattr(x, "dtype") or not dtypes.is_half(x.dtype):
        return x
    return _cast(x, _SINGLE)


def narrows() -> bool:
    """Whether an operation of the table :data:`NARROWED` rounds its result to half precision."""
    return state.autocast is not None and not state.ruling


def _cast(x: Any, to: Any) -> Any:
    return cast(x, dtype=to, source=dtypes.of(x))


def ranged(f: F) -> F:
    """Mark an operation of the table :data:`FLOAT32`: under autocast its half operands are widened to float32."""
    assert f.__name__ in FLOAT32, f.__name__

    @ft.wraps(f)
    def call(*args: Any, **kwargs: Any) -> Any:
        if state.autocast is None:
            return f(*args, **kwargs)
        return f(*map(widened, args), **{name: widened(x) for name, x in kwargs.items()})

    return call  # type: ignore[return-value]


@contextmanager
def resumed(mode: Any) -> Iterator[None]:
    """Compute as a user does whose autocast is ``mode``, though rules are running: a checkpointed function again."""
    before = state.autocast, state.ruling
    state.autocast, state.ruling = mode, 0
    try:
        yield
    finally:
        state.autocast, state.ruling = before
