"""Rows of the special functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from case import Case
from scipy import special as theirs

from gpugrad.ops import special as s
from gpugrad.ops import special_forms as f
from rows.elementwise import between, complexes, off_integers

V = (2, 3)


def drawn(*ranges: tuple[float, float]) -> Callable[[np.random.Generator], tuple[Any, ...]]:
    """An operand in each of the ranges; the second and third broadcast."""
    shapes = ((2, 3), (3,), (2, 1))
    return lambda rng: tuple(rng.uniform(low, high, shape) for (low, high), shape in zip(ranges, shapes, strict=False))


HALF = {"float16": "too coarse for where it is drawn", "bfloat16": "the same"}

ONE = [
    *(Case(name, getattr(s, name), between(-2.5, 2.5, V), getattr(theirs, name)) for name in ("i0", "i0e", "i1", "i1e", "j0", "j1")),
    *(Case(f"{name} far", getattr(s, name), between(9.0, 20.0, V), getattr(theirs, name), without={"float32": "cancels"} | HALF) for name in ("j0", "j1", "y0", "y1")),
    *(Case(f"{name} far", getattr(s, name), between(9.0, 12.0, V), getattr(theirs, name)) for name in ("i0e", "i1e")),
    *(Case(name, getattr(s, name), between(0.5, 4.0, V), getattr(theirs, name)) for name in ("y0", "y1", "gammaln", "gamma")),
    Case("digamma", s.digamma, between(0.5, 4.0, V), theirs.psi),
    Case("gammaln far", s.gammaln, between(9.0, 30.0, V), theirs.gammaln),
    Case("gammaln below 0", s.gammaln, off_integers(V), theirs.gammaln, without=HALF),
    Case("gamma below 0", s.gamma, between(-1.8, -1.2, V), theirs.gamma, without=HALF),
    Case("digamma below 0", s.digamma, between(-1.8, -1.2, V), theirs.psi, without=HALF),
    *(Case(f"polygamma {n}", lambda x, n=n: s.polygamma(n, x), between(0.7, 4.0, V), lambda x, n=n: theirs.polygamma(n, x)) for n in (1, 2, 5)),
    Case("polygamma below 0", lambda x: s.polygamma(2, x), between(-0.7, -0.3, V), lambda x: -2.0 * sum(1.0 / (x + k) ** 3 for k in range(4)) + theirs.polygamma(2, x + 4.0), without=HALF),
    Case("erfcx", s.erfcx, between(-2.0, 3.0, V), theirs.erfcx),
    Case("erfcx far", s.erfcx, between(27.0, 40.0, V), theirs.erfcx, without={"float32": "its derivative cancels"} | HALF),
    Case("erfinv", s.erfinv, between(-0.9, 0.9, V), theirs.erfinv),
    Case("erfcinv", s.erfcinv, between(0.1, 1.9, V), theirs.erfcinv),
    Case("ndtri", s.ndtri, between(0.05, 0.95, V), theirs.ndtri),
    Case("ndtr", f.ndtr, between(-2.0, 2.0, V), theirs.ndtr),
    Case("log_ndtr", s.log_ndtr, between(-3.0, 2.0, V), theirs.log_ndtr),
    Case("log_ndtr far below", s.log_ndtr, between(-40.0, -20.0, V), theirs.log_ndtr, without=HALF),
    Case("gammasgn", f.gammasgn, off_integers(V), theirs.gammasgn),
    Case("entr", f.entr, between(0.2, 2.0, V), theirs.entr),
    Case("gammaln integers", s.gammaln, lambda rng: (np.array([[1, 2], [5, 9]]),), theirs.gammaln),
]  # fmt: skip

SEVERAL = [
    Case("zeta", s.zeta, drawn((1.5, 4.0), (0.5, 3.0)), theirs.zeta, argnums=(1,)),
    Case("gammainc", s.gammainc, drawn((0.5, 4.0), (0.5, 3.0)), theirs.gammainc, argnums=(1,)),
    Case("gammaincc", s.gammaincc, drawn((0.5, 4.0), (0.5, 8.0)), theirs.gammaincc, argnums=(1,)),
    Case("gammainc of large a", s.gammainc, drawn((90.0, 110.0), (90.0, 110.0)), theirs.gammainc, argnums=(1,), without=HALF),
    Case("gammainc of large a, far", s.gammainc, drawn((300.0, 900.0), (100.0, 200.0)), theirs.gammainc, argnums=(1,), without={"float32": "0 there"} | HALF),
    Case("gammaincc of small a and x", s.gammaincc, drawn((1e-6, 0.5), (0.01, 0.9)), theirs.gammaincc, argnums=(1,), without=HALF),
    Case("gamma_density", s.gamma_density, drawn((0.5, 4.0), (0.5, 3.0)), lambda a, x: x ** (a - 1.0) * np.exp(-x) / theirs.gamma(a)),
    Case("xlogy complex", f.xlogy, complexes((3,), (2, 1)), theirs.xlogy, order=1),
    Case("beta", f.beta, drawn((0.5, 3.0), (0.5, 3.0)), theirs.beta),
    Case("beta below 0", f.beta, drawn((-0.8, -0.3), (0.5, 3.0)), theirs.beta, without=HALF),
    Case("betaln", f.betaln, drawn((0.5, 3.0), (0.5, 3.0)), theirs.betaln),
    Case("binom", f.binom, drawn((3.0, 6.0), (0.5, 2.5)), theirs.binom),
    Case("xlogy", f.xlogy, drawn((0.2, 2.0), (0.2, 2.0)), theirs.xlogy),
    Case("xlog1py", f.xlog1py, drawn((0.2, 2.0), (0.2, 2.0)), theirs.xlog1py),
    Case("rel_entr", f.rel_entr, drawn((0.2, 2.0), (0.2, 2.0)), theirs.rel_entr),
    Case("special kl_div", f.kl_div, drawn((0.2, 2.0), (0.2, 2.0)), theirs.kl_div),
    Case("huber", f.huber, drawn((0.4, 0.5), (0.6, 2.0)), theirs.huber),
    Case("pseudo_huber", f.pseudo_huber, drawn((0.4, 2.0), (0.3, 2.0)), theirs.pseudo_huber),
]  # fmt: skip

CASES = ONE + SEVERAL
