"""Rows of the arithmetic of integers, and of general eigenvalues."""

from __future__ import annotations

from typing import Any

import numpy as np
from case import Case

from gpugrad.ops import eigen
from gpugrad.ops import integers as i
from gpugrad.ops.elementwise import multiply
from gpugrad.ops.linear import conj
from rows.elementwise import between, complexes, integers

V = (2, 3)


def _with_zeros(rng: np.random.Generator) -> tuple[Any, ...]:
    return rng.integers(-40, 40, V) * rng.integers(0, 2, V), rng.integers(-40, 40, (3,))


INTEGERS = [
    Case("bitwise_count", i.bitwise_count, lambda rng: (rng.integers(-(2**40), 2**40, V),), np.bitwise_count),
    Case("bitwise_count small", i.bitwise_count, lambda rng: (rng.integers(-100, 100, V).astype(np.int8),), np.bitwise_count),
    Case("gcd", i.gcd, _with_zeros, np.gcd),
    Case("lcm", i.lcm, _with_zeros, np.lcm),
    Case("gcd with a number", lambda x: i.gcd(x, 6), lambda rng: (rng.integers(1, 90, V).astype(np.int8),), lambda x: np.gcd(x, np.int8(6))),
    Case("lcm with a number", lambda x: i.lcm(4, x), lambda rng: (rng.integers(1, 9, V).astype(np.int8),), lambda x: np.lcm(np.int8(4), x)),
    Case("gcd small", i.gcd, integers(V, (3,)), np.gcd),
    Case("frexp", i.frexp, between(0.6, 0.9, V), np.frexp, order=1),
    Case(
        "frexp of all sizes",
        i.frexp,
        lambda rng: (np.array([0.0, -8.0, 1.0, 0.5, np.nextafter(1.0, 0.0), 3e-310, -1e300, 2.0**-1022]),),
        np.frexp,
        argnums=(),
        without={"float32": "the numbers are beyond it", "float16": "the same", "bfloat16": "the same"},
    ),
]  # fmt: skip


def _in_any_phase(x: Any) -> Any:
    """What the phase of an eigenvector does not change."""
    w, v = eigen.eig(x)
    return w, multiply(v, conj(v[..., :1, :]))


def _numpys(x: Any) -> Any:
    w, v = np.linalg.eig(x)
    return w.astype(complex), (v * v[..., :1, :].conj()).astype(complex)


def _spread(*shape: int) -> Any:
    """Matrices whose eigenvalues are apart, some of them complex."""
    turn = np.array([[0.0, 2.0, 0.0], [-2.0, 0.0, 0.0], [0.0, 0.0, 5.0]])
    return lambda rng: (turn + rng.normal(size=(*shape, 3, 3)) * 0.3,)


HALF = {"float16": "LAPACK has no half precision", "bfloat16": "the same"}

EIGEN = [
    Case("eig", _in_any_phase, _spread(), _numpys, without=HALF),
    Case("eig of a batch", _in_any_phase, _spread(2), _numpys, without=HALF),
    Case("eig complex", _in_any_phase, complexes((3, 3)), _numpys),
    Case("eigenbasis_inverse", eigen.eigenbasis_inverse, _spread(2), np.linalg.inv, without=HALF),
    Case("eigvals", eigen.eigvals, _spread(2), lambda x: np.linalg.eigvals(x).astype(complex), without=HALF),
]

CASES = INTEGERS + EIGEN
