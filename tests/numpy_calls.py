"""One call or more for every function of NumPy that accepts tensors, written once for NumPy and for ``gpugrad.numpy``.

``np`` is either namespace and ``a`` holds the samples, as arrays or as tensors.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy

Call = Callable[[Any, Any], Any]


def samples() -> SimpleNamespace:
    """Arrays of each kind, without ties, zeros or kinks."""
    rng = numpy.random.default_rng(7)
    m = rng.normal(size=(3, 4))
    square = rng.normal(size=(3, 3))
    holes = m.copy()
    holes[0, 1] = holes[2, 2] = numpy.nan
    return SimpleNamespace(
        v=rng.normal(size=4),  # a vector
        w=rng.normal(size=4),
        u=rng.normal(size=3),
        p=rng.uniform(0.1, 0.9, size=4),  # in (0, 1)
        rising=numpy.cumsum(rng.uniform(0.5, 1.0, size=4)),
        m=m,  # a matrix
        n=rng.normal(size=(4, 2)),
        k=rng.normal(size=(3, 4)),
        square=square,
        spd=square @ square.T + 3.0 * numpy.eye(3),  # positive definite
        t=rng.normal(size=(2, 3, 4)),  # three axes
        one=rng.normal(size=(1, 3, 1)),
        s=numpy.float64(0.7),
        c=rng.normal(size=3) + 1j * rng.normal(size=3),  # complex
        holes=holes,  # with NaN
        i=numpy.array([2, 0, 1, 2]),  # integers
        j=numpy.array([5, 3, 9, 4]),
        b=numpy.array([True, False, True, True]),
        mask=m > 0,
    )


def _each(calls: str, call: Callable[[str], Call]) -> dict[str, list[Call]]:
    return {name: [call(name)] for name in calls.split()}


UFUNC_CALLS: dict[str, list[Call]] = {
    **_each(
        """arcsinh arctan cbrt ceil cos cosh deg2rad degrees exp exp2 expm1 fabs floor negative positive rad2deg radians
        reciprocal rint sign sin sinh square tan tanh trunc absolute isfinite isinf isnan signbit spacing""",
        lambda name: lambda np, a: getattr(np, name)(a.m),
    ),
    **_each("arccos arcsin arctanh log log10 log1p log2 sqrt", lambda name: lambda np, a: getattr(np, name)(a.p)),
    **_each(
        """add subtract multiply divide maximum minimum fmax fmin logaddexp logaddexp2 hypot arctan2 equal not_equal less
        less_equal greater greater_equal floor_divide remainder fmod copysign nextafter heaviside""",
        lambda name: lambda np, a: getattr(np, name)(a.m, a.v),
    ),
    **_each("logical_and logical_or logical_xor", lambda name: lambda np, a: getattr(np, name)(a.mask, a.b)),
    **_each(
        "bitwise_and bitwise_or bitwise_xor left_shift right_shift",
        lambda name: lambda np, a: getattr(np, name)(a.j, a.i),
    ),
    "arccosh": [lambda np, a: np.arccosh(1.0 + a.p)],
    "_core.umath.clip": [
        lambda np, a: numpy.asarray(a.i).clip(a.i, 1),
        lambda np, a: numpy.zeros((3, 4)).clip(a.m, 1.0),
    ],
    "conjugate": [lambda np, a: np.conjugate(a.c), lambda np, a: np.conj(a.m)],
    "divmod": [lambda np, a: np.divmod(a.m, 0.3)],
    "float_power": [lambda np, a: np.float_power(a.p, a.w)],
    "bitwise_count": [lambda np, a: np.bitwise_count(a.j), lambda np, a: np.bitwise_count(-a.i)],
    "frexp": [lambda np, a: np.frexp(a.m), lambda np, a: np.frexp(a.m * 1e-3)],
    "gcd": [lambda np, a: np.gcd(a.j * 6, a.i * 4), lambda np, a: np.gcd(a.j, 0)],
    "lcm": [lambda np, a: np.lcm(a.j, a.i), lambda np, a: np.lcm(-a.j, 6)],
    "invert": [lambda np, a: np.invert(a.b), lambda np, a: ~a.i],
    "ldexp": [lambda np, a: np.ldexp(a.v, a.i)],
    "logical_not": [lambda np, a: np.logical_not(a.b)],
    "matmul": [lambda np, a: np.matmul(a.m, a.n), lambda np, a: np.matmul(a.t, a.v)],
    "matvec": [lambda np, a: np.matvec(a.t, a.v)],
    "modf": [lambda np, a: np.modf(a.m)],
    "power": [lambda np, a: np.power(a.p, a.w), lambda np, a: np.power(a.m, 2), lambda np, a: np.power(2.0, a.m)],
    "vecdot": [lambda np, a: np.vecdot(a.m, a.v)],
    "vecmat": [lambda np, a: np.vecmat(a.v, a.n)],
}
"""Universal functions."""

FUNCTION_CALLS: dict[str, list[Call]] = {
    # ---- reductions
    "sum": [
        lambda np, a: np.sum(a.m), lambda np, a: np.sum(a.m, axis=0, keepdims=True), lambda np, a: np.sum(a.t, (0, -1)),
        lambda np, a: np.sum(a.m, where=a.mask), lambda np, a: np.sum(a.m, 1, initial=2.0), lambda np, a: np.sum(a.i),
        lambda np, a: np.sum(a.m, dtype=np.float32),
    ],
    "prod": [lambda np, a: np.prod(a.m, axis=1), lambda np, a: np.prod(a.m, 0, None, None, True), lambda np, a: np.prod(a.m, initial=3.0, where=a.mask)],
    "max": [lambda np, a: np.max(a.m), lambda np, a: np.max(a.m, axis=0, initial=0.5), lambda np, a: np.max(a.m, where=a.mask, initial=-9.0)],
    "amax": [lambda np, a: np.amax(a.m, 1)],
    "min": [lambda np, a: np.min(a.m, axis=(0, 1)), lambda np, a: np.min(a.m, keepdims=True)],
    "amin": [lambda np, a: np.amin(a.m, -1)],
    "mean": [lambda np, a: np.mean(a.m), lambda np, a: np.mean(a.m, axis=-1, keepdims=True), lambda np, a: np.mean(a.m, 0, where=a.mask)],
    "var": [lambda np, a: np.var(a.m, ddof=1), lambda np, a: np.var(a.m, 0), lambda np, a: np.var(a.c), lambda np, a: np.var(a.m, axis=1, correction=1)],
    "std": [lambda np, a: np.std(a.m, axis=0, ddof=1), lambda np, a: np.std(a.m, keepdims=True)],
    "average": [
        lambda np, a: np.average(a.m), lambda np, a: np.average(a.m, axis=1, weights=a.p),
        lambda np, a: np.average(a.m, weights=abs(a.k), returned=True), lambda np, a: np.average(a.m, axis=0, keepdims=True),
    ],
    "median": [lambda np, a: np.median(a.m), lambda np, a: np.median(a.m, axis=1, keepdims=True)],
    "quantile": [lambda np, a: np.quantile(a.m, 0.3), lambda np, a: np.quantile(a.m, [0.2, 0.7], axis=1)],
    "percentile": [lambda np, a: np.percentile(a.m, 30, axis=0), lambda np, a: np.percentile(a.m, 50, method="nearest")],
    "ptp": [lambda np, a: np.ptp(a.m), lambda np, a: np.ptp(a.m, axis=0)],
    "all": [lambda np, a: np.all(a.mask), lambda np, a: np.all(a.mask, axis=0), lambda np, a: np.all(a.mask, where=a.b)],
    "any": [lambda np, a: np.any(a.mask, axis=1, keepdims=True)],
    "argmax": [lambda np, a: np.argmax(a.m), lambda np, a: np.argmax(a.m, axis=1)],
    "argmin": [lambda np, a: np.argmin(a.m, 0), lambda np, a: np.argmin(a.m, axis=0, keepdims=True)],
    "count_nonzero": [lambda np, a: np.count_nonzero(a.mask), lambda np, a: np.count_nonzero(a.i, axis=0)],
    "cumsum": [lambda np, a: np.cumsum(a.m), lambda np, a: np.cumsum(a.m, axis=1)],
    "cumprod": [lambda np, a: np.cumprod(a.v), lambda np, a: np.cumprod(a.m, axis=0)],
    "cumulative_sum": [lambda np, a: np.cumulative_sum(a.m, axis=1, include_initial=True), lambda np, a: np.cumulative_sum(a.v)],
    "cumulative_prod": [lambda np, a: np.cumulative_prod(a.m, axis=0, include_initial=True)],
    "nansum": [lambda np, a: np.nansum(a.holes), lambda np, a: np.nansum(a.holes, axis=0)],
    "nanprod": [lambda np, a: np.nanprod(a.holes, axis=1)],
    "nanmax": [lambda np, a: np.nanmax(a.holes, axis=1)],
    "nanmin": [lambda np, a: np.nanmin(a.holes)],
    "nanmean": [lambda np, a: np.nanmean(a.holes, axis=0)],
    "nanvar": [lambda np, a: np.nanvar(a.holes, axis=1, ddof=1)],
    "nanstd": [lambda np, a: np.nanstd(a.holes)],
    "nanmedian": [lambda np, a: np.nanmedian(a.holes, axis=1)],
    "nanquantile": [lambda np, a: np.nanquantile(a.holes, 0.4, axis=1)],
    "nanpercentile": [lambda np, a: np.nanpercentile(a.holes, 40.0)],
    "nanargmax": [lambda np, a: np.nanargmax(a.holes, axis=1)],
    "nanargmin": [lambda np, a: np.nanargmin(a.holes)],
    "nancumsum": [lambda np, a: np.nancumsum(a.holes, axis=1), lambda np, a: np.nancumsum(a.holes)],
    "nancumprod": [lambda np, a: np.nancumprod(a.holes, axis=0)],
    "cov": [lambda np, a: np.cov(a.m), lambda np, a: np.cov(a.v, a.w, bias=True), lambda np, a: np.cov(a.m, rowvar=False, ddof=0), lambda np, a: np.cov(a.m, fweights=a.j, aweights=a.p)],
    "corrcoef": [lambda np, a: np.corrcoef(a.m), lambda np, a: np.corrcoef(a.v, a.w)],
    "bincount": [lambda np, a: np.bincount(a.i, weights=a.v, minlength=5), lambda np, a: np.bincount(a.i)],
    # ---- products
    "dot": [lambda np, a: np.dot(a.m, a.n), lambda np, a: np.dot(a.v, a.w), lambda np, a: np.dot(a.s, a.m), lambda np, a: np.dot(a.t, a.n)],
    "vdot": [lambda np, a: np.vdot(a.v, a.w), lambda np, a: np.vdot(a.c, a.c), lambda np, a: np.vdot(a.m, a.k)],
    "inner": [lambda np, a: np.inner(a.m, a.v), lambda np, a: np.inner(a.m, a.k)],
    "outer": [lambda np, a: np.outer(a.v, a.u)],
    "kron": [lambda np, a: np.kron(a.v, a.u), lambda np, a: np.kron(a.square, a.spd)],
    "cross": [lambda np, a: np.cross(a.u, a.square), lambda np, a: np.cross(a.square, a.spd, axis=0), lambda np, a: np.cross(a.square, a.spd, axisa=0, axisc=0)],
    "tensordot": [lambda np, a: np.tensordot(a.m, a.n, 1), lambda np, a: np.tensordot(a.t, a.k, axes=([1, 2], [0, 1]))],
    "einsum": [
        lambda np, a: np.einsum("ij,jk->ik", a.m, a.n), lambda np, a: np.einsum("ii", a.square), lambda np, a: np.einsum("...j,j", a.t, a.v),
        lambda np, a: np.einsum(a.m, [0, 1], a.v, [1], [0]), lambda np, a: np.einsum("ij,j", a.m, a.v, optimize=True),
    ],
    "einsum_path": [lambda np, a: np.einsum_path("ij,jk", a.m, a.n)[0]],
    "trace": [lambda np, a: np.trace(a.square), lambda np, a: np.trace(a.t, 1, 1, 2)],
    "convolve": [lambda np, a: np.convolve(a.v, a.u), lambda np, a: np.convolve(a.v, a.u, "same"), lambda np, a: np.convolve(a.u, a.v, mode="valid")],
    "correlate": [lambda np, a: np.correlate(a.v, a.u), lambda np, a: np.correlate(a.v, a.u, mode="full"), lambda np, a: np.correlate(a.u, a.v, "same")],
    # ---- shapes
    "reshape": [lambda np, a: np.reshape(a.m, (2, -1)), lambda np, a: np.reshape(a.m, -1), lambda np, a: np.reshape(a.m, (4, 3), order="F")],
    "ravel": [lambda np, a: np.ravel(a.m), lambda np, a: np.ravel(a.m, order="F")],
    "transpose": [lambda np, a: np.transpose(a.m), lambda np, a: np.transpose(a.t, (1, 2, 0)), lambda np, a: np.transpose(a.v)],
    "matrix_transpose": [lambda np, a: np.matrix_transpose(a.t)],
    "moveaxis": [lambda np, a: np.moveaxis(a.t, 0, -1), lambda np, a: np.moveaxis(a.t, [0, 1], [-1, 0])],
    "rollaxis": [lambda np, a: np.rollaxis(a.t, 2), lambda np, a: np.rollaxis(a.t, 0, 2)],
    "swapaxes": [lambda np, a: np.swapaxes(a.t, 0, 2)],
    "expand_dims": [lambda np, a: np.expand_dims(a.m, 1), lambda np, a: np.expand_dims(a.m, (0, -1))],
    "squeeze": [lambda np, a: np.squeeze(a.one), lambda np, a: np.squeeze(a.one, axis=0)],
    "broadcast_to": [lambda np, a: np.broadcast_to(a.v, (3, 4))],
    "broadcast_arrays": [lambda np, a: np.broadcast_arrays(a.m, a.v)],
    "atleast_1d": [lambda np, a: np.atleast_1d(a.s), lambda np, a: np.atleast_1d(a.s, a.m)],
    "atleast_2d": [lambda np, a: np.atleast_2d(a.v)],
    "atleast_3d": [lambda np, a: np.atleast_3d(a.v), lambda np, a: np.atleast_3d(a.m)],
    "concatenate": [
        lambda np, a: np.concatenate([a.m, a.k]), lambda np, a: np.concatenate((a.m, a.k), axis=1), lambda np, a: np.concatenate([a.m, a.v], axis=None),
        lambda np, a: np.concatenate([a.v, [1.0, 2.0]]), lambda np, a: np.concatenate([a.v, a.w], dtype=np.float32),
    ],
    "stack": [lambda np, a: np.stack([a.v, a.w]), lambda np, a: np.stack([a.m, a.k], axis=-1)],
    "vstack": [lambda np, a: np.vstack([a.v, a.m])],
    "hstack": [lambda np, a: np.hstack([a.v, a.u]), lambda np, a: np.hstack([a.m, a.k])],
    "dstack": [lambda np, a: np.dstack([a.m, a.k])],
    "column_stack": [lambda np, a: np.column_stack([a.v, a.w, a.n])],
    "block": [lambda np, a: np.block([[a.square, a.m], [a.k, a.spd]]), lambda np, a: np.block([a.v, 1.0])],
    "append": [lambda np, a: np.append(a.m, a.v), lambda np, a: np.append(a.m, a.k, axis=0)],
    "split": [lambda np, a: np.split(a.v, 2), lambda np, a: np.split(a.m, [1, 3], axis=1)],
    "array_split": [lambda np, a: np.array_split(a.v, 3)],
    "hsplit": [lambda np, a: np.hsplit(a.m, 2)],
    "vsplit": [lambda np, a: np.vsplit(a.n, 2)],
    "dsplit": [lambda np, a: np.dsplit(a.t, [1])],
    "unstack": [lambda np, a: np.unstack(a.m), lambda np, a: np.unstack(a.m, axis=1)],
    "tile": [lambda np, a: np.tile(a.v, 2), lambda np, a: np.tile(a.m, (2, 1, 2))],
    "repeat": [lambda np, a: np.repeat(a.m, 2), lambda np, a: np.repeat(a.m, 2, axis=1), lambda np, a: np.repeat(a.v, [1, 0, 2, 1])],
    "resize": [lambda np, a: np.resize(a.v, (2, 3))],
    "pad": [
        lambda np, a: np.pad(a.v, 1), lambda np, a: np.pad(a.m, ((1, 0), (0, 2)), constant_values=3.0), lambda np, a: np.pad(a.v, (2, 1), mode="reflect"),
        lambda np, a: np.pad(a.v, 1, "edge"), lambda np, a: np.pad(a.v, 2, "wrap"), lambda np, a: np.pad(a.v, 2, "symmetric"),
    ],
    "roll": [lambda np, a: np.roll(a.m, 1), lambda np, a: np.roll(a.m, 1, axis=1), lambda np, a: np.roll(a.m, (1, -1), axis=(0, 1))],
    "rot90": [lambda np, a: np.rot90(a.m), lambda np, a: np.rot90(a.t, 3, (1, 2))],
    "flip": [lambda np, a: np.flip(a.m), lambda np, a: np.flip(a.m, axis=1)],
    "fliplr": [lambda np, a: np.fliplr(a.m)],
    "flipud": [lambda np, a: np.flipud(a.m)],
    "diag": [lambda np, a: np.diag(a.v), lambda np, a: np.diag(a.m), lambda np, a: np.diag(a.m, k=1), lambda np, a: np.diag(a.v, -1)],
    "diagflat": [lambda np, a: np.diagflat(a.v), lambda np, a: np.diagflat(a.square, 1)],
    "diagonal": [lambda np, a: np.diagonal(a.m), lambda np, a: np.diagonal(a.t, 1, 1, 2)],
    "tril": [lambda np, a: np.tril(a.m), lambda np, a: np.tril(a.m, k=-1)],
    "triu": [lambda np, a: np.triu(a.m), lambda np, a: np.triu(a.t, 1)],
    "meshgrid": [lambda np, a: np.meshgrid(a.v, a.u), lambda np, a: np.meshgrid(a.v, a.u, indexing="ij"), lambda np, a: np.meshgrid(a.v, a.u, sparse=True)],
    "vander": [lambda np, a: np.vander(a.v), lambda np, a: np.vander(a.v, 3, increasing=True)],
    "insert": [
        lambda np, a: np.insert(a.v, 1, 5.0), lambda np, a: np.insert(a.m, 1, a.v, axis=0), lambda np, a: np.insert(a.v, [0, 2, 2], [7.0, 8.0, 9.0]),
        lambda np, a: np.insert(a.m, [1, -1], 6.0, axis=1), lambda np, a: np.insert(a.v, slice(0, 2), a.u[:2]),
        lambda np, a: np.insert(a.m, 2, a.u, axis=1),
    ],
    "delete": [lambda np, a: np.delete(a.v, 1), lambda np, a: np.delete(a.m, [0, 2], axis=1), lambda np, a: np.delete(a.v, slice(1, 3))],
    # ---- selection
    "where": [lambda np, a: np.where(a.mask, a.m, 0.0), lambda np, a: np.where(a.mask, a.v, a.k), lambda np, a: np.where(a.mask)],
    "take": [lambda np, a: np.take(a.m, a.i[1:3], axis=1), lambda np, a: np.take(a.v, [0, -1]), lambda np, a: np.take(a.v, [9], mode="clip")],
    "take_along_axis": [lambda np, a: np.take_along_axis(a.m, np.argsort(a.m, axis=1), axis=1)],
    "choose": [lambda np, a: np.choose(a.i, [a.v, a.w, 2.0 * a.v]), lambda np, a: np.choose(a.j, [a.v, a.w], mode="wrap")],
    "select": [lambda np, a: np.select([a.v > 0.5, a.v < -0.5], [a.v, a.w**2], 1.0)],
    "piecewise": [lambda np, a: np.piecewise(a.v, [a.v < 0, a.v >= 0], [lambda x: -x, lambda x: x**2])],
    "extract": [lambda np, a: np.extract(a.mask, a.m)],
    "compress": [lambda np, a: np.compress(a.b, a.m, axis=1), lambda np, a: np.compress([True, False, True], a.v)],
    "nonzero": [lambda np, a: np.nonzero(a.mask)],
    "flatnonzero": [lambda np, a: np.flatnonzero(a.b)],
    "argwhere": [lambda np, a: np.argwhere(a.mask)],
    "sort": [lambda np, a: np.sort(a.m), lambda np, a: np.sort(a.m, axis=0), lambda np, a: np.sort(a.m, axis=None), lambda np, a: np.sort(a.v, kind="stable")],
    "argsort": [lambda np, a: np.argsort(a.m), lambda np, a: np.argsort(a.m, axis=None), lambda np, a: np.argsort(a.v, kind="stable")],
    "partition": [lambda np, a: np.partition(a.v, 1)[1]],
    "argpartition": [lambda np, a: np.argpartition(a.v, 1)[1]],
    "lexsort": [lambda np, a: np.lexsort((a.v, a.i))],
    "searchsorted": [lambda np, a: np.searchsorted(a.rising, a.v), lambda np, a: np.searchsorted(a.rising, [1.0, 2.0], side="right")],
    "digitize": [lambda np, a: np.digitize(a.v, a.rising), lambda np, a: np.digitize(a.j, a.i[:2], right=True)],
    "isin": [lambda np, a: np.isin(a.i, [0, 2]), lambda np, a: np.isin(a.i, [1], invert=True)],
    "unique": [lambda np, a: np.unique(a.i), lambda np, a: np.unique(a.i, return_inverse=True, return_counts=True)],
    "unique_all": [lambda np, a: tuple(np.unique_all(a.i))],
    "unique_counts": [lambda np, a: tuple(np.unique_counts(a.i))],
    "unique_inverse": [lambda np, a: tuple(np.unique_inverse(a.i))],
    "unique_values": [lambda np, a: np.sort(np.unique_values(a.i))],
    "union1d": [lambda np, a: np.union1d(a.v, a.u)],
    "intersect1d": [lambda np, a: np.intersect1d(a.i, a.j), lambda np, a: np.intersect1d(a.v, a.v[::-1], return_indices=True)],
    "setdiff1d": [lambda np, a: np.setdiff1d(a.v, a.v[1:3])],
    "setxor1d": [lambda np, a: np.setxor1d(a.i, a.j)],
    "trim_zeros": [lambda np, a: np.trim_zeros(a.v)],
    "ix_": [lambda np, a: np.ix_(a.i, a.j)],
    "apply_along_axis": [lambda np, a: np.apply_along_axis(lambda x: x[0] * x, 1, a.m), lambda np, a: np.apply_along_axis(lambda x: x.sum(), 0, a.t)],
    "apply_over_axes": [lambda np, a: np.apply_over_axes(np.sum, a.t, [0, 2])],
    "diag_indices_from": [lambda np, a: np.diag_indices_from(a.square)],
    "tril_indices_from": [lambda np, a: np.tril_indices_from(a.m, 1)],
    "triu_indices_from": [lambda np, a: np.triu_indices_from(a.square)],
    "unravel_index": [lambda np, a: np.unravel_index(a.j, (4, 3)), lambda np, a: np.unravel_index(a.i, (2, 2), order="F")],
    "ravel_multi_index": [lambda np, a: np.ravel_multi_index((a.i, a.j), (3, 10))],
    "lib.stride_tricks.sliding_window_view": [
        lambda np, a: numpy.lib.stride_tricks.sliding_window_view(a.v, 2), lambda np, a: numpy.lib.stride_tricks.sliding_window_view(a.m, (2, 3)),
        lambda np, a: numpy.lib.stride_tricks.sliding_window_view(a.t, 2, axis=1),
    ],
    # ---- calculus, arithmetic
    "diff": [lambda np, a: np.diff(a.m), lambda np, a: np.diff(a.m, n=2, axis=0), lambda np, a: np.diff(a.v, prepend=0.0, append=[1.0])],
    "ediff1d": [lambda np, a: np.ediff1d(a.m), lambda np, a: np.ediff1d(a.v, to_end=[9.0], to_begin=0.0)],
    "gradient": [lambda np, a: np.gradient(a.v), lambda np, a: np.gradient(a.m, 0.5), lambda np, a: np.gradient(a.v, a.rising, edge_order=2), lambda np, a: np.gradient(a.m, 2.0, axis=1)],
    "trapezoid": [lambda np, a: np.trapezoid(a.v), lambda np, a: np.trapezoid(a.m, a.rising), lambda np, a: np.trapezoid(a.m, dx=0.5, axis=0)],
    "interp": [lambda np, a: np.interp(a.p * 3.0, a.rising, a.v), lambda np, a: np.interp([0.0, 9.0], a.rising, a.v, left=-1.0, right=1.0)],
    "unwrap": [lambda np, a: np.unwrap(4.0 * a.rising), lambda np, a: np.unwrap(5.0 * a.m, axis=0), lambda np, a: np.unwrap(a.rising, period=1.5)],
    "clip": [lambda np, a: np.clip(a.m, -0.5, 0.5), lambda np, a: np.clip(a.m, None, a.v), lambda np, a: np.clip(a.m, a_min=0.1, a_max=None), lambda np, a: np.clip(a.m, min=0.0)],
    "round": [lambda np, a: np.round(a.m), lambda np, a: np.round(a.m, 2)],
    "around": [lambda np, a: np.around(a.m, decimals=1)],
    "fix": [lambda np, a: np.fix(2.0 * a.m)],
    "nan_to_num": [lambda np, a: np.nan_to_num(a.holes, nan=2.0), lambda np, a: np.nan_to_num(a.holes)],
    "sinc": [lambda np, a: np.sinc(a.m)],
    "angle": [lambda np, a: np.angle(a.c), lambda np, a: np.angle(a.c, deg=True)],
    "real": [lambda np, a: np.real(a.c), lambda np, a: np.real(a.m)],
    "imag": [lambda np, a: np.imag(a.c)],
    "real_if_close": [lambda np, a: np.real_if_close(a.c), lambda np, a: np.real_if_close(a.v)],
    "polyval": [lambda np, a: np.polyval(a.u, a.m), lambda np, a: np.polyval([1.0, 2.0], a.v)],
    "polyadd": [lambda np, a: np.polyadd(a.v, a.u)],
    "polysub": [lambda np, a: np.polysub(a.u, a.v)],
    "polymul": [lambda np, a: np.polymul(a.u, a.v)],
    "polyder": [lambda np, a: np.polyder(a.v), lambda np, a: np.polyder(a.v, 2)],
    "polyint": [lambda np, a: np.polyint(a.v), lambda np, a: np.polyint(a.u, 2, k=[1.0, 2.0])],
    "polyfit": [lambda np, a: np.polyfit(a.rising, a.v, 2), lambda np, a: np.polyfit(a.rising, a.v, 1, w=a.p)],
    "poly": [lambda np, a: np.poly(a.v)],
    # ---- comparison and questions
    "allclose": [lambda np, a: np.allclose(a.m, a.m), lambda np, a: np.allclose(a.m, a.k, atol=0.1)],
    "isclose": [lambda np, a: np.isclose(a.m, a.k, rtol=0.9)],
    "array_equal": [lambda np, a: np.array_equal(a.m, a.m), lambda np, a: np.array_equal(a.m, a.v)],
    "array_equiv": [lambda np, a: np.array_equiv(a.m, a.v), lambda np, a: np.array_equiv(a.v, a.v[None])],
    "isneginf": [lambda np, a: np.isneginf(a.m)],
    "isposinf": [lambda np, a: np.isposinf(a.m)],
    "iscomplex": [lambda np, a: np.iscomplex(a.c), lambda np, a: np.iscomplex(a.m)],
    "isreal": [lambda np, a: np.isreal(a.c)],
    "iscomplexobj": [lambda np, a: np.iscomplexobj(a.c)],
    "isrealobj": [lambda np, a: np.isrealobj(a.c)],
    "shape": [lambda np, a: np.shape(a.m)],
    "ndim": [lambda np, a: np.ndim(a.m)],
    "size": [lambda np, a: np.size(a.m), lambda np, a: np.size(a.m, 1)],
    "result_type": [lambda np, a: np.result_type(a.m, a.i) == numpy.float64],
    "can_cast": [lambda np, a: np.can_cast(a.i.dtype, "float64")],
    "min_scalar_type": [lambda np, a: np.min_scalar_type(a.m) == numpy.float64],
    "common_type": [lambda np, a: np.common_type(a.m, a.c) is numpy.complex128],
    "may_share_memory": [lambda np, a: np.may_share_memory(a.m, a.k)],
    "shares_memory": [lambda np, a: np.shares_memory(a.m, a.k)],
    "array_str": [lambda np, a: np.array_str(a.v)],
    "array2string": [lambda np, a: np.array2string(a.v, precision=2)],
    # ---- creation
    "zeros_like": [lambda np, a: np.zeros_like(a.m), lambda np, a: np.zeros_like(a.m, dtype=int), lambda np, a: np.zeros_like(a.m, shape=(2,))],
    "ones_like": [lambda np, a: np.ones_like(a.m)],
    "full_like": [lambda np, a: np.full_like(a.m, 7.0), lambda np, a: np.full_like(a.m, a.v)],
    "empty_like": [lambda np, a: np.shape(np.empty_like(a.m))],
    "astype": [lambda np, a: np.astype(a.m, numpy.float32)],
    "copy": [lambda np, a: np.copy(a.m)],
    "linspace": [lambda np, a: np.linspace(0.0, a.s, 5), lambda np, a: np.linspace(a.v, a.w, 3, endpoint=False), lambda np, a: np.linspace(a.s, 2.0, 3, retstep=True), lambda np, a: np.linspace(a.v, a.w, 3, axis=1)],
    "logspace": [lambda np, a: np.logspace(a.s, 2.0, 3), lambda np, a: np.logspace(0.0, 1.0, 3, base=a.s)],
    "geomspace": [lambda np, a: np.geomspace(a.s, 8.0, 4)],
    # ---- histograms, bits
    "histogram": [
        lambda np, a: np.histogram(a.m, bins=4), lambda np, a: np.histogram(a.v, weights=a.w), lambda np, a: np.histogram(a.m, [-2.0, -0.5, 0.1, 2.0]),
        lambda np, a: np.histogram(a.m, 3, (-1.0, 1.0), density=True), lambda np, a: np.histogram(a.m, "fd"), lambda np, a: np.histogram(a.m, weights=abs(a.k), bins=3, density=True),
        lambda np, a: np.histogram(a.i, bins=2), lambda np, a: np.histogram([0.0, 0.5, 1.0], bins=2, weights=a.u),
    ],
    "histogram_bin_edges": [lambda np, a: np.histogram_bin_edges(a.m, 5), lambda np, a: np.histogram_bin_edges(a.m, "sturges"), lambda np, a: np.histogram_bin_edges(a.m, 2, (0, 3))],
    "histogram2d": [
        lambda np, a: np.histogram2d(a.v, a.w, 3), lambda np, a: np.histogram2d(a.v, a.w, [2, 3], weights=a.p), lambda np, a: np.histogram2d(a.v, a.w, [-2.0, 0.0, 0.5, 2.0], density=True),
        lambda np, a: np.histogram2d(a.v, a.w, bins=2, range=[[-1.0, 1.0], [-2.0, 2.0]]),
    ],
    "histogramdd": [lambda np, a: np.histogramdd(a.n, 3), lambda np, a: np.histogramdd([a.v, a.w, a.p], (2, 3, 2), weights=a.rising), lambda np, a: np.histogramdd(a.n, [2, [-3.0, 0.0, 3.0]], density=True)],
    "packbits": [lambda np, a: np.packbits(a.mask), lambda np, a: np.packbits(a.mask, axis=0), lambda np, a: np.packbits(a.i, bitorder="little")],
    "unpackbits": [lambda np, a: np.unpackbits(a.j.astype(numpy.uint8)), lambda np, a: np.unpackbits(a.j.astype(numpy.uint8)[:, None], axis=1, count=5, bitorder="little"), lambda np, a: np.unpackbits(a.j.astype(numpy.uint8), count=40), lambda np, a: np.unpackbits(a.j.astype(numpy.uint8), count=-2)],
    "sort_complex": [lambda np, a: np.sort_complex(a.c), lambda np, a: np.sort_complex(a.v)],
    "i0": [lambda np, a: np.i0(a.m)],
    "polydiv": [lambda np, a: np.polydiv(a.v, a.u), lambda np, a: np.polydiv(a.u, a.v), lambda np, a: np.polydiv(a.v, a.u[:1])],
    "roots": [lambda np, a: np.roots(a.v), lambda np, a: np.roots([1.0, -3.0, 2.0, 0.0] * abs(a.v))],
    # ---- linear algebra
    "linalg.eig": [lambda np, a: np.linalg.eig(a.square)[0], lambda np, a: np.abs(np.linalg.eig(a.square).eigenvectors), lambda np, a: np.abs(np.linalg.eig(a.spd)[1])],
    "linalg.eigvals": [lambda np, a: np.linalg.eigvals(a.square), lambda np, a: np.linalg.eigvals(a.square + a.spd)],
    "linalg.norm": [
        lambda np, a: np.linalg.norm(a.v), lambda np, a: np.linalg.norm(a.m), lambda np, a: np.linalg.norm(a.m, axis=1), lambda np, a: np.linalg.norm(a.m, "fro"),
        lambda np, a: np.linalg.norm(a.m, 2), lambda np, a: np.linalg.norm(a.m, "nuc"), lambda np, a: np.linalg.norm(a.v, 1), lambda np, a: np.linalg.norm(a.v, numpy.inf),
        lambda np, a: np.linalg.norm(a.m, 1, keepdims=True), lambda np, a: np.linalg.norm(a.t, axis=(0, 2)), lambda np, a: np.linalg.norm(a.v, 3),
    ],
    "linalg.vector_norm": [lambda np, a: np.linalg.vector_norm(a.m), lambda np, a: np.linalg.vector_norm(a.m, axis=0, ord=1)],
    "linalg.matrix_norm": [lambda np, a: np.linalg.matrix_norm(a.m), lambda np, a: np.linalg.matrix_norm(a.t, ord=2, keepdims=True)],
    "linalg.solve": [lambda np, a: np.linalg.solve(a.spd, a.u), lambda np, a: np.linalg.solve(a.spd, a.m)],
    "linalg.inv": [lambda np, a: np.linalg.inv(a.spd)],
    "linalg.pinv": [lambda np, a: np.linalg.pinv(a.m), lambda np, a: np.linalg.pinv(a.spd, hermitian=True)],
    "linalg.det": [lambda np, a: np.linalg.det(a.square)],
    "linalg.slogdet": [lambda np, a: tuple(np.linalg.slogdet(a.square))],
    "linalg.cholesky": [lambda np, a: np.linalg.cholesky(a.spd), lambda np, a: np.linalg.cholesky(a.spd, upper=True)],
    "linalg.qr": [lambda np, a: np.abs(np.linalg.qr(a.n)[1]), lambda np, a: np.abs(np.linalg.qr(a.n, mode="r"))],
    "linalg.svd": [lambda np, a: np.linalg.svd(a.m, full_matrices=False)[1], lambda np, a: np.linalg.svd(a.m, compute_uv=False)],
    "linalg.svdvals": [lambda np, a: np.linalg.svdvals(a.m)],
    "linalg.eigh": [lambda np, a: np.linalg.eigh(a.spd)[0], lambda np, a: np.linalg.eigh(a.spd, UPLO="U").eigenvalues],
    "linalg.eigvalsh": [lambda np, a: np.linalg.eigvalsh(a.spd)],
    "linalg.lstsq": [lambda np, a: np.linalg.lstsq(a.n, a.v, rcond=None)[0], lambda np, a: np.linalg.lstsq(a.n, a.v)[1]],
    "linalg.matrix_power": [lambda np, a: np.linalg.matrix_power(a.square, 3), lambda np, a: np.linalg.matrix_power(a.spd, -2), lambda np, a: np.linalg.matrix_power(a.spd, 0) + 0.0 * a.spd],
    "linalg.matrix_rank": [lambda np, a: np.linalg.matrix_rank(a.m)],
    "linalg.multi_dot": [lambda np, a: np.linalg.multi_dot([a.u, a.m, a.n]), lambda np, a: np.linalg.multi_dot([a.square, a.m, a.n, a.n.T])],
    "linalg.cond": [lambda np, a: np.linalg.cond(a.spd), lambda np, a: np.linalg.cond(a.spd, 1)],
    "linalg.tensorsolve": [lambda np, a: np.linalg.tensorsolve(a.spd.reshape(3, 3), a.u)],
    "linalg.tensorinv": [lambda np, a: np.linalg.tensorinv(a.spd, ind=1)],
    "linalg.cross": [lambda np, a: np.linalg.cross(a.u, a.square)],
    "linalg.diagonal": [lambda np, a: np.linalg.diagonal(a.t, offset=1)],
    "linalg.matrix_transpose": [lambda np, a: np.linalg.matrix_transpose(a.t)],
    "linalg.matmul": [lambda np, a: np.linalg.matmul(a.m, a.n)],
    "linalg.outer": [lambda np, a: np.linalg.outer(a.v, a.u)],
    "linalg.tensordot": [lambda np, a: np.linalg.tensordot(a.m, a.n, axes=1)],
    "linalg.trace": [lambda np, a: np.linalg.trace(a.t, offset=1)],
    "linalg.vecdot": [lambda np, a: np.linalg.vecdot(a.m, a.v), lambda np, a: np.linalg.vecdot(a.m, a.k, axis=0)],
    "fft.fft": [lambda np, a: np.fft.fft(a.m), lambda np, a: np.fft.fft(a.m, 5, axis=0, norm="ortho")],
    "fft.ifft": [lambda np, a: np.fft.ifft(a.m), lambda np, a: np.fft.ifft(a.m, n=2, norm="forward")],
    "fft.rfft": [lambda np, a: np.fft.rfft(a.m), lambda np, a: np.fft.rfft(a.m, 7, 0)],
    "fft.irfft": [lambda np, a: np.fft.irfft(a.m), lambda np, a: np.fft.irfft(a.m, n=3, norm="ortho")],
    "fft.hfft": [lambda np, a: np.fft.hfft(a.m), lambda np, a: np.fft.hfft(a.m, n=5, norm="forward")],
    "fft.ihfft": [lambda np, a: np.fft.ihfft(a.m), lambda np, a: np.fft.ihfft(a.m, n=5, norm="ortho")],
    "fft.fft2": [lambda np, a: np.fft.fft2(a.t)],
    "fft.ifft2": [lambda np, a: np.fft.ifft2(a.t, s=(2, 5), axes=(0, -1))],
    "fft.rfft2": [lambda np, a: np.fft.rfft2(a.t)],
    "fft.irfft2": [lambda np, a: np.fft.irfft2(a.t, norm="ortho")],
    "fft.fftn": [lambda np, a: np.fft.fftn(a.t), lambda np, a: np.fft.fftn(a.t, axes=(0, 2), norm="forward")],
    "fft.ifftn": [lambda np, a: np.fft.ifftn(a.t, axes=(1,))],
    "fft.rfftn": [lambda np, a: np.fft.rfftn(a.t), lambda np, a: np.fft.rfftn(a.t, s=(3, 2), axes=(2, 0))],
    "fft.irfftn": [lambda np, a: np.fft.irfftn(a.t), lambda np, a: np.fft.irfftn(a.t, s=(3, 5), axes=(2, 0))],
    "fft.fftshift": [lambda np, a: np.fft.fftshift(a.m), lambda np, a: np.fft.fftshift(a.m, axes=1)],
    "fft.ifftshift": [lambda np, a: np.fft.ifftshift(a.m), lambda np, a: np.fft.ifftshift(a.m, axes=(0,))],
}  # fmt: skip
"""Functions that dispatch by `__array_function__`."""

CREATION = {
    "arange": lambda np, like: np.arange(3.0, **like),
    "array": lambda np, like: np.array([1.0, 2.0], **like),
    "asanyarray": lambda np, like: np.asanyarray([1.0], **like),
    "asarray": lambda np, like: np.asarray([1, 2], **like),
    "ascontiguousarray": lambda np, like: np.ascontiguousarray(2.0, **like),
    "asfortranarray": lambda np, like: np.asfortranarray([2.0], **like),
    "empty": lambda np, like: np.shape(np.empty((2, 1), **like)),
    "eye": lambda np, like: np.eye(2, 3, 1, **like),
    "fromfunction": lambda np, like: np.fromfunction(lambda i, j: i + j, (2, 2), **like),
    "full": lambda np, like: np.full(2, 3.0, **like),
    "identity": lambda np, like: np.identity(2, **like),
    "ones": lambda np, like: np.ones((1, 2), **like),
    "require": lambda np, like: np.require([1.0], **like),
    "tri": lambda np, like: np.tri(3, **like),
    "zeros": lambda np, like: np.zeros(2, dtype=int, **like),
}
"""Functions that make arrays; with ``like=`` they dispatch too."""

WRITERS = frozenset({"copyto", "fill_diagonal", "place", "put", "put_along_axis", "putmask"})
"""Functions that write into their first argument: tested one by one."""

STORES = frozenset({"save", "savetxt", "savez", "savez_compressed", "array_repr", "indices"})
"""Functions whose result is a file or a text of our own, and one that does not dispatch: tested one by one."""

CONSTANT = frozenset({
    "around", "ceil", "fix", "floor", "floor_divide", "full_like", "heaviside", "histogram", "histogram2d", "histogram_bin_edges", "linalg.matrix_rank", "ones_like", "rint", "round",
    "sign", "spacing", "trunc", "zeros_like",
})  # fmt: skip
"""Functions with a floating-point result that is constant almost everywhere: no derivative is wanted."""
