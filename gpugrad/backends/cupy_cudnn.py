"""Convolution and attention on CuPy, one operation after another: by cuDNN where it has them, else by products of matrices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gpugrad.cuda.cudnn import Refused, unfit
from gpugrad.cuda.cudnn_graphs import ATTENTION, CONVOLUTIONS
from gpugrad.cuda.matmul_layout import Operand
from gpugrad.primitive import Primitive

TAKEN = ATTENTION | CONVOLUTIONS.keys()
"""Primitives that cuDNN may compute; ``gpugrad.cuda.cudnn.unfit`` is the rule."""


def results(prim: Primitive, args: Sequence[Any], params: dict[str, Any]) -> list[Operand]:
    """What a primitive gives for such operands, in C's order."""
    shapes = prim.shape(*(x.shape for x in args), **params)
    given = args[0].dtype if prim.dtype is None else prim.dtype(*(x.dtype for x in args), **params)
    if not prim.outputs:
        shapes, given = (shapes,), (given,)
    kinds = given if isinstance(given, tuple) else (given,) * len(shapes)
    return [Operand.in_rows(shape, dtype) for shape, dtype in zip(shapes, kinds, strict=True)]


def preferred(library: Any, prim: Primitive, args: Sequence[Any], params: dict[str, Any]) -> bool:
    """Whether attention is better left to the library, if there is one."""
    if library is None or prim.name != "attention" or unfit(prim.name, args, params):
        return False
    return not library.why_not(prim.name, args, results(prim, args, params), params)


def computed(
    prim: Primitive,
    otherwise: Callable[..., Any],
    library_on: Callable[[int], Any],
    new: Callable[[tuple[int, ...], Any], Any],
) -> Callable[..., Any]:
    """What runs a primitive on arrays of CuPy, by the library on a device, if there is one, into new arrays."""

    def run(*args: Any, **params: Any) -> Any:
        library = library_on(int(args[0].device.id))
        if library is None or unfit(prim.name, args, params):
            return otherwise(*args, **params)
        given = results(prim, args, params)
        if any(0 in x.shape for x in given):
            return otherwise(*args, **params)
        outs = [new(x.shape, x.dtype) for x in given]
        try:
            call = library.prepare(prim.name, args, outs, params)
        except Refused:
            return otherwise(*args, **params)
        call()
        return tuple(outs) if prim.outputs else outs[0]

    return run
