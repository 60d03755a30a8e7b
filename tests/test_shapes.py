"""Elementwise rows in every shape that Hypothesis can think of: empty, of no axes, broadcast, in any layout of memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from case import Case
from cases import positions, sample
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from rows import elementwise
from test_table import agree, directions, results

import gpugrad as gg
from gpugrad import dtypes

pytestmark = pytest.mark.filterwarnings("ignore::gpugrad.errors.GradientWarning")


def broadcasts(case: Case) -> bool:
    """Whether the row's result has one element for each of the operands', broadcast."""
    args = sample(case)
    out = results(case, args)
    shape = np.broadcast_shapes(*(a.shape for a in args))
    return case.reference is not None and len(out) == 1 and out[0].shape == shape and all(a.size for a in args)


ROWS = [case for case in elementwise.CASES if broadcasts(case)]


def laid_out(a: Any, layout: int) -> Any:
    """The same values, one after another or with gaps, backwards or in Fortran order."""
    if layout == 0:
        return a
    if layout == 1:
        return np.asfortranarray(a)
    buffer = np.empty((*a.shape, 2), a.dtype)
    view = buffer[..., layout - 2][(slice(None, None, -1),) * a.ndim or ...]
    view[...] = a
    return view


@st.composite
def operands(draw: Any, case: Case) -> list[Any]:
    """Operands of shapes that broadcast, whose elements are those of the row's own samples."""
    given = sample(case)
    shapes = draw(npst.mutually_broadcastable_shapes(num_shapes=len(given), min_side=0, max_side=3, max_dims=3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    return [
        laid_out(np.asarray(rng.choice(a.ravel(), s)), draw(st.integers(0, 3)))
        for a, s in zip(given, shapes.input_shapes, strict=True)
    ]


@pytest.mark.parametrize("case", ROWS, ids=lambda case: case.name)
def test_any_shape(case: Case) -> None:
    @settings(max_examples=15, deadline=None, database=None, derandomize=True)
    @given(operands(case))
    def check(args: list[Any]) -> None:
        assert case.reference is not None
        wanted = np.asarray(case.reference(*[a.copy() for a in args]))
        agree(results(case, args), [wanted], 1e-10, "result", least=1e-300)
        places = positions(case)
        if not places or not dtypes.is_inexact(wanted.dtype):
            return

        def f(*xs: Any) -> Any:
            full = list(args)
            for k, x in zip(places, xs, strict=True):
                full[k] = x
            return results(case, full)[0]

        xs = [args[k] for k in places]
        out, pull = gg.vjp(f, *xs)
        (u,), vs = directions([out], 1), directions(xs, 2)
        cotangents = pull(u)
        assert [c.shape for c in cotangents] == [x.shape for x in xs]
        moved = gg.jvp(f, xs, vs)[1]
        assert moved.shape == out.shape
        paired = sum(np.vdot(c.numpy(), v.numpy()).real for c, v in zip(cotangents, vs, strict=True))
        np.testing.assert_allclose(np.vdot(u.numpy(), moved.numpy()).real, paired, rtol=1e-9, atol=1e-9)

    check()
