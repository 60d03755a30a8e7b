"""The table of NumPy's functions: which of ours each one is.

A function is in one of three groups. Most are rows: one of our operations under NumPy's signature (see
:mod:`gpugrad.numpy.adapt`). Those that we have no operation for are compositions in modules beside this one, written
with NumPy's signatures. Universal functions have a table of their own. What stands in none of them is not supported.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from gpugrad.numpy import (
    bits,
    creating,
    fitting,
    fitting_linalg,
    histograms,
    polynomials,
    questions,
    selecting,
    sets,
    statistics,
    writing,
)
from gpugrad.numpy.adapt import Row, adapted, named
from gpugrad.numpy.operations import OPERATIONS
from gpugrad.numpy.ufuncs import UFUNCS
from gpugrad.public import places_of, public

Function = Callable[..., Any]


def found(path: str) -> Any:
    """NumPy's function of that name, ``"linalg.norm"`` say; None if this NumPy has none."""
    out: Any = np
    for name in path.split("."):
        out = getattr(out, name, None)
    return out


# ---- rows: parameters of the same name or in the same place go together ------------------------------------------------

_SAME = """
    allclose angle append argmax argmin argsort argwhere array_equal array_split atleast_1d atleast_2d atleast_3d
    broadcast_to column_stack convolve correlate count_nonzero cumprod cumsum cumulative_prod
    cumulative_sum delete diag diagonal diff dstack ediff1d expand_dims flip fliplr flipud gradient insert
    i0 imag interp isclose isneginf isposinf kron matrix_transpose median moveaxis nan_to_num nanmean nanmedian
    nanpercentile nanquantile nonzero outer partition percentile ptp quantile real repeat roll rot90 round searchsorted
    sinc sort split squeeze swapaxes take take_along_axis tensordot tile transpose trapezoid tril triu trim_zeros
    unique_all unique_counts unique_inverse unique_values unstack
    linalg.cholesky linalg.cond linalg.det linalg.diagonal linalg.eigh linalg.eigvalsh linalg.inv
    linalg.lstsq linalg.matrix_norm linalg.matrix_power linalg.matrix_transpose linalg.norm linalg.outer linalg.qr
    linalg.slogdet linalg.solve linalg.svdvals linalg.tensordot linalg.trace linalg.vecdot linalg.vector_norm
    fft.fft fft.fft2 fft.fftn fft.fftshift fft.hfft fft.ifft fft.ifft2 fft.ifftn fft.ifftshift fft.ihfft fft.irfft
    fft.irfft2 fft.irfftn fft.rfft fft.rfft2 fft.rfftn
"""
_ROWS = {
    "around": Row("round"),
    "linalg.matmul": Row("matmul"),
    "fix": Row("trunc"),
    "sum": Row("sum", join="add", neutral=0),
    "prod": Row("prod", join="multiply", neutral=1),
    "nansum": Row("nansum", join="add", neutral=0),
    "nanprod": Row("nanprod", join="multiply", neutral=1),
    "any": Row("any", neutral=False),
    "all": Row("all", neutral=True),
    **{name: Row(ours, join="maximum") for name, ours in (("max", "max"), ("amax", "max"), ("nanmax", "nanmax"))},
    **{name: Row(ours, join="minimum") for name, ours in (("min", "min"), ("amin", "min"), ("nanmin", "nanmin"))},
}
_MODULES: tuple[ModuleType, ...] = (
    bits,
    creating,
    fitting,
    histograms,
    polynomials,
    questions,
    selecting,
    sets,
    statistics,
    writing,
)


_WINDOWS = "lib.stride_tricks.sliding_window_view"


def _functions() -> dict[str, Function]:
    joins = {name: OPERATIONS[name] for name in ("add", "multiply", "maximum", "minimum", "where")}
    out: dict[str, Function] = {}
    for path, row in ({n: Row(n) for n in _SAME.split()} | _ROWS).items():
        theirs = found(path)
        if theirs is not None:
            out[path] = adapted(path, theirs, OPERATIONS[row.ours], row, joins)
    for module in _MODULES:
        for name in module.__all__:
            out[name] = _composed(name, getattr(module, name))
    for name in fitting_linalg.__all__:
        out[f"linalg.{name}"] = _composed(f"linalg.{name}", getattr(fitting_linalg, name))
    out[_WINDOWS] = _composed(_WINDOWS, selecting.sliding_window_view)
    return out


def _composed(path: str, function: Function) -> Function:
    places, star = places_of(function)
    return named(public(function) if places or star else function, path, None, function)


FUNCTIONS = _functions()
"""NumPy's name of each function that accepts tensors -> what runs."""

__all__ = ["FUNCTIONS", "UFUNCS", "found"]
