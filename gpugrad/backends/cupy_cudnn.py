"""Convolution and attention on CuPy, one operation after another: by cuDNN where it has them, else by products of matrices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpugrad.cuda.cudnn import Refused, unfit
from gpugrad.cuda.cudnn_graphs import ATTENTION, CONVOLUTIONS
from gpugrad.primitive import Primitive

TAKEN = ATTENTION | CONVOLUTIONS.keys()
"""Primitives that cuDNN may compute; ``gpugrad.cuda.cudnn.unfit`` is the rule."""


def computed(backend: Any, prim: Primitive, otherwise: Callable[..., Any]) -> Callable[..., Any]:
    """What runs a primitive on arrays of CuPy."""

    def run(*args: Any, **params: Any) -> Any:
        library = backend.cudnn(int(args[0].device.id))
        shapes = prim.shape(*(x.shape for x in args), **params)
        shapes = shapes if prim.outputs else (shapes,)
        if library is None or unfit(prim.name, args, params) or any(0 in shape for shape in shapes):
            return otherwise(*args, **params)
        given = args[0].dtype if prim.dtype is None else prim.dtype(*(x.dtype for x in args), **params)
        dtypes = given if isinstance(given, tuple) else (given,) * len(shapes)
        outs = [backend.new(shape, dtype) for shape, dtype in zip(shapes, dtypes, strict=True)]
        try:
            call = library.prepare(prim.name, args, outs, params)
        except Refused:
            return otherwise(*args, **params)
        call()
        return tuple(outs) if prim.outputs else outs[0]

    return run
