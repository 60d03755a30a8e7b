"""Kernels for the CPU: the text that the Numba printer gives, compiled."""

from __future__ import annotations

import linecache
import math
import os
import re
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gpugrad import dtypes
from gpugrad.backends import kernel_cache
from gpugrad.kernels import scalar_math

FLAGS = frozenset({"reassoc", "contract", "nsz"})
"""What the compiler may do to floating-point arithmetic: NaN and infinity keep their meaning."""

Kinds = Sequence[tuple[Any, int] | None]
"""Of each argument the dtype and the number of axes; None for an integer."""

_made: dict[str, _Kernel] = {}
_lock = threading.RLock()
if hasattr(os, "register_at_fork"):  # a fork waits for the compiler: a child has no thread that would release its locks
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)


def compiled(text: str, kinds: Kinds) -> Callable[..., Any]:
    """The function ``kernel`` of a text, compiled for such arguments; texts that are alike share one.

    It takes arrays of these dtypes and numbers of axes, in C's order, and looks at none of that: what Numba's dispatcher
    finds out at each call about its arguments takes longer than a small kernel runs.
    """
    with _lock:
        if text not in _made:
            _made[text] = _Kernel(text)
        return _made[text].compiled(_signature(kinds))


def _signature(kinds: Kinds) -> tuple[Any, ...]:
    from numba import types
    from numba.np.numpy_support import from_dtype

    return tuple(types.intp if k is None else types.Array(from_dtype(_held(k[0])), k[1], "C") for k in kinds)


def _held(dtype: Any) -> Any:
    """The dtype of the array that a kernel gets: the bits, for half precision."""
    return np.dtype(np.uint16) if dtypes.is_half(dtype) else np.dtype(dtype)


def bits(x: Any) -> Any:
    """An array as a kernel gets it: float16 and bfloat16 as uint16, of which Numba has no other."""
    return x.view(np.uint16, np.ndarray) if dtypes.is_half(x.dtype) else x


class _Kernel:
    """A kernel, from the cache if it can be; where what lies there cannot be read, or nothing written, without."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.file = kernel_cache.source_file(text)
        self.dispatcher = self.uncached() if self.file is None else _dispatcher(text, str(self.file), True)

    def compiled(self, signature: Any) -> Callable[..., Any]:
        """What is loaded or compiled for a signature."""
        try:
            self.dispatcher.compile(signature)
        except Exception as error:  # whatever a pickle that is truncated or another's, or a full disk, may raise
            if self.file is None:
                raise
            kernel_cache.discard(self.file)
            if isinstance(error, OSError):
                kernel_cache.unkept(self.file, error)
            self.file = None
            self.dispatcher = self.uncached()
            self.dispatcher.compile(signature)
        run: Callable[..., Any] = self.dispatcher.get_overload(signature)
        return run

    def uncached(self) -> Any:
        """A dispatcher whose text is in no file; a traceback finds it all the same."""
        file = f"<kernel {len(_made)}>"
        linecache.cache[file] = (len(self.text), None, self.text.splitlines(True), file)
        return _dispatcher(self.text, file, False)


def _dispatcher(text: str, file: str, cache: bool) -> Any:
    import numba

    namespace: dict[str, Any] = {"__name__": __name__, "np": np, "math": math}
    namespace |= scalar_math.helpers(set(re.findall(r"\b(\w+)\(", text)))
    for name, width in set(re.findall(r"\b(\w+)_f(32|64)\(", text)):
        near = name.endswith("_near")
        pair = scalar_math.near_functions(name.removesuffix("_near")) if near else scalar_math.functions(name)
        namespace[f"{name}_f{width}"] = pair[width == "64"]
    exec(compile(text, file, "exec"), namespace)
    return numba.njit(fastmath=set(FLAGS), nogil=True, error_model="numpy", cache=cache)(namespace["kernel"])
