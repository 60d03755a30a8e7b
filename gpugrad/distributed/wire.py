"""Contiguous NumPy arrays between ranks, as bytes, so that MPI needs to know no dtype.

MPI moves and NumPy adds: sums run in the order of ranks, float16 and bfloat16 in float32, rounded once. They are
therefore the same bits on every rank and in every run with as many ranks, whatever the MPI library and the network.
A rank sends and receives each number about twice in a sum, as in a ring.
"""

from __future__ import annotations

import itertools as it
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpugrad import dtypes
from gpugrad.distributed.group import Group, mpi

Array = Any


def _message(flat: Array, counts: Sequence[int] | None = None) -> list[Any]:
    """A flat array for MPI, cut into ``counts`` elements for (or from) each rank."""
    raw = flat.view(np.uint8)
    if counts is None:
        return [raw, mpi().BYTE]
    sizes = [n * flat.itemsize for n in counts]
    return [raw, (sizes, list(it.accumulate(sizes, initial=0))[:-1]), mpi().BYTE]


def cuts(n: int, size: int) -> list[int]:
    """``n`` elements in as many parts as there are ranks, as even as can be."""
    ends = [n * k // size for k in range(size + 1)]
    return [b - a for a, b in it.pairwise(ends)]


def reduce_scatter(group: Group, flat: Array, weights: Sequence[float] | None = None) -> Array:
    """This rank's part (by :func:`cuts`) of the sum over ranks, or of the mean with a weight for each rank."""
    counts = cuts(flat.size, group.size)
    own = counts[group.rank]
    parts = np.empty((group.size, own), flat.dtype)
    group.comm.Alltoallv(_message(flat, counts), _message(parts.reshape(-1), [own] * group.size))
    with np.errstate(
        all="ignore"
    ):  # a warning on the rank that adds, made an error there, would leave the others waiting
        return _total(parts, weights)


def _total(parts: Array, weights: Sequence[float] | None) -> Array:
    """The sum of the rows, one after another; with weights, their mean."""
    dtype = parts.dtype
    wide = np.dtype(np.float32) if dtypes.is_half(dtype) else dtype
    total: Array = None
    for part, weight in zip(parts, weights or [1.0] * len(parts), strict=True):
        term = part.astype(wide, copy=total is None)
        if weight != 1.0:
            term = term * weight
        if total is None:
            total = term
        else:
            total += term
    if weights is not None:
        total /= sum(weights)
    return total.astype(dtype, copy=False)


def all_gather(group: Group, flat: Array, counts: Sequence[int]) -> Array:
    """The flat arrays of all ranks, which have ``counts`` elements, one after another."""
    out = np.empty(sum(counts), flat.dtype)
    group.comm.Allgatherv(_message(flat), _message(out, counts))
    return out


def gather(group: Group, flat: Array, counts: Sequence[int], root: int) -> Array:
    """The same on the rank ``root``; zeros on the others."""
    out = np.zeros(sum(counts), flat.dtype)
    group.comm.Gatherv(_message(flat), _message(out, counts) if group.rank == root else None, root)
    return out


def scatter(group: Group, flat: Array, root: int) -> Array:
    """This rank's part (by :func:`cuts`) of the flat array on the rank ``root``."""
    counts = cuts(flat.size, group.size)
    out = np.empty(counts[group.rank], flat.dtype)
    group.comm.Scatterv(_message(flat, counts) if group.rank == root else None, _message(out), root)
    return out


def broadcast(group: Group, flat: Array, root: int) -> Array:
    """The flat array on the rank ``root``."""
    out = flat.copy()
    group.comm.Bcast(_message(out), root)
    return out


def all_reduce(group: Group, flat: Array, weights: Sequence[float] | None = None) -> Array:
    """The sum over ranks, or the weighted mean: each rank adds up its part, and all of them get all parts."""
    return all_gather(group, reduce_scatter(group, flat, weights), cuts(flat.size, group.size))


def reduce(group: Group, flat: Array, root: int) -> Array:
    """The sum over ranks on the rank ``root``; zeros on the others."""
    return gather(group, reduce_scatter(group, flat), cuts(flat.size, group.size), root)
