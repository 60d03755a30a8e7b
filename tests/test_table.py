"""Every row of the table through every check. What a row is, and how to leave a check out, is in case.py and cases.py."""

from __future__ import annotations

import functools as ft
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from case import Case
from cases import BROKEN, TABLE, positions, rows, sample

import gpugrad as gg
from gpugrad import dtypes, pytree
from gpugrad.backends import select
from gpugrad.primitive import Implementations, Primitive, registry
from gpugrad.testing import check_grads

# A row may be constant in an argument.
pytestmark = pytest.mark.filterwarnings("ignore::gpugrad.errors.GradientWarning")

PRIMITIVES = tuple(registry.values())
"""Those that gpugrad declares; tests declare more while they run."""

MARKERS = frozenset({"leaf", "item", "call", "enter", "leave", "raw_kernel", "while_loop"})
"""Of the tape: never applied; of vmap, which applies them itself, and of compiled programs (test_control_flow.py); a user's
(test_kernel.py)."""

REFUSED = frozenset({("gammainc", 0), ("gammaincc", 0), ("zeta", 0)})
"""Rules that say that there is no derivative (test_special.py)."""

Arrays = Sequence[Any]


def check(name: str) -> Callable[..., Any]:
    """Run a test for every row that the check ``name`` applies to."""
    return pytest.mark.parametrize("case", rows(name), ids=lambda case: case.name)


# ---- pieces ---------------------------------------------------------------------------------------------------------


def host(x: Any) -> Any:
    """A tensor as a NumPy array; half precision as single, so that NumPy can compute with it."""
    x = gg.asarray(x).detach().to("cpu").numpy()
    return x.astype(np.float32) if dtypes.is_half(x.dtype) else x


def results(case: Case, args: Arrays) -> list[Any]:
    """The results of a row in order."""
    return [gg.asarray(out) for out in pytree.leaves(case.f(*map(gg.asarray, args)))]


def differentiated(case: Case, args: Arrays, which: Sequence[int] | None = None) -> Callable[..., tuple[Any, ...]]:
    """A row as a function of the arguments to differentiate, with the results that have a derivative."""
    places = positions(case) if which is None else which

    def f(*xs: Any) -> tuple[Any, ...]:
        given = list(args)
        for k, x in zip(places, xs, strict=True):
            given[k] = x
        return tuple(out for out in results(case, given) if dtypes.is_inexact(out.dtype))

    return f


def picked(case: Case, args: Arrays) -> list[Any]:
    """The arguments to differentiate."""
    return [args[k] for k in positions(case)]


def directions(like: Arrays, seed: int) -> list[Any]:
    """Random tangents or cotangents in the shapes, dtypes and places of tensors."""
    rng = np.random.default_rng(seed)
    out = []
    for x in like:
        v = rng.standard_normal(x.shape)
        if dtypes.is_complex(x.dtype):
            v = v + 1j * rng.standard_normal(x.shape)
        out.append(gg.asarray(v, dtype=x.dtype, device=x.device))
    return out


def derivatives(case: Case, args: Arrays) -> tuple[list[Any], list[Any], list[Any]]:
    """Results, cotangents of the arguments and tangents of the results, for directions that are always the same."""
    f, xs = differentiated(case, args), picked(case, args)
    out, pull = gg.vjp(f, *xs)
    _, moved = gg.jvp(f, xs, directions(xs, 1))
    return list(out), list(pull(tuple(directions(out, 2)))), list(moved)


def agree(got: Arrays, wanted: Arrays, rtol: float, what: str, dtype: bool = True, least: float = 0.0) -> None:
    """Equal shapes and (unless told) dtypes; values within ``rtol`` of the largest, or of ``least`` if that is more."""
    assert len(got) == len(wanted), f"{what}: {len(got)} results; expected {len(wanted)}"
    for k, (a, b) in enumerate(zip(map(host, got), map(host, wanted), strict=True)):
        assert a.shape == b.shape, f"{what} {k}: shape {a.shape}; expected {b.shape}"
        assert not dtype or a.dtype == b.dtype, f"{what} {k}: dtype {a.dtype}; expected {b.dtype}"
        exact = a.dtype.kind in "biu" and b.dtype.kind in "biu"
        finite = b[np.isfinite(b)] if b.dtype.kind in "fc" else b
        scale = 0.0 if exact else rtol * float(np.max(np.abs(finite), initial=least))
        np.testing.assert_allclose(a, b, rtol=0.0 if exact else rtol, atol=scale, err_msg=f"{what} {k}")


def differentiable(case: Case) -> bool:
    """Whether derivatives of the row are checked: it has some, and says so."""
    args = sample(case)
    return case.order > 0 and bool(positions(case)) and bool(differentiated(case, args)(*picked(case, args)))


# ---- the checks -----------------------------------------------------------------------------------------------------


def test_rows_import() -> None:
    assert not BROKEN


@check("value")
def test_value(case: Case) -> None:
    args = sample(case)
    got = results(case, args)
    if case.reference is not None:
        wanted = [np.asarray(w) for w in pytree.leaves(case.reference(*args))]
        agree(got, wanted, 1e-10, "result")


@check("grads")
def test_grads(case: Case) -> None:
    if differentiable(case):
        check_grads(differentiated(case, sample(case)), picked(case, sample(case)), order=case.order, rtol=case.tol)


@check("eager")
def test_eager(case: Case) -> None:
    if not differentiable(case):
        return
    args = sample(case)
    f, xs = differentiated(case, args), picked(case, args)
    out, pull = gg.vjp(f, *xs)
    seeds = directions(out, 2)
    wanted = pull(tuple(seeds))
    subsets = [tuple(range(len(xs)))] + [(k,) for k in range(len(xs)) if len(xs) > 1]
    for subset in subsets:
        for create_graph in (False, True):
            leaves = [gg.tensor(x, requires_grad=k in subset) for k, x in enumerate(xs)]
            backward(f(*leaves), seeds, create_graph)
            for k in subset:
                got = leaves[k].grad
                if got is None:
                    assert not np.any(host(wanted[k])), f"argument {k} of {subset}: no gradient; expected {wanted[k]}"
                else:
                    agree(
                        [got],
                        [wanted[k]],
                        1e-13,
                        f"gradient of argument {k}, tracked {subset}, create_graph={create_graph}",
                    )

    if case.order > 1:
        second_order_of_backward(case)


def second_order_of_backward(case: Case) -> None:
    """A backward pass over the graph of a backward pass against a gradient of a gradient."""
    args = sample(case)
    f, xs = differentiated(case, args), picked(case, args)
    seeds, along = directions(f(*xs), 2), directions(xs, 1)

    def slope(*xs: Any) -> Any:
        return sum(gg.sum(gg.real(ct * v)) for ct, v in zip(gg.vjp(f, *xs)[1](tuple(seeds)), along, strict=True))

    wanted = gg.grad(slope, tuple(range(len(xs))))(*xs)
    leaves = [gg.tensor(x, requires_grad=True) for x in xs]
    backward(f(*leaves), seeds, create_graph=True)
    first = [leaf.grad for leaf in leaves]
    for leaf in leaves:
        leaf.grad = None
    total = sum(gg.sum(gg.real(g * v)) for g, v in zip(first, along, strict=True) if g is not None)
    if getattr(total, "requires_grad", False):
        total.backward()
    for k, leaf in enumerate(leaves):
        got = np.zeros(leaf.shape, leaf.dtype) if leaf.grad is None else leaf.grad
        agree([got], [wanted[k]], 1e-11, f"second order, argument {k}")


def backward(outs: Arrays, seeds: Arrays, create_graph: bool) -> None:
    """From each result in turn."""
    tracked = [(out, seed) for out, seed in zip(outs, seeds, strict=True) if out.requires_grad]
    for k, (out, seed) in enumerate(tracked):
        out.backward(seed, create_graph=create_graph, retain_graph=True if k + 1 < len(tracked) else None)


@check("vmap")
def test_vmap(case: Case) -> None:
    draws = [sample(case, k) for k in range(3)]
    n = len(draws[0])
    if n == 0:
        return
    mixes: list[tuple[int | None, ...]] = [(0,) * n]
    if n > 1:
        mixes += [tuple(0 if k == j else None for k in range(n)) for j in range(n)]
    for axes in mixes:
        compare_with_loop(case, draws, axes)
    nested(case, draws)


def compare_with_loop(case: Case, draws: Sequence[Arrays], axes: Sequence[int | None]) -> None:
    """Results and, where there are any, derivatives of a batch against those of one item after another."""
    items = [[d[j] if ax is not None else draws[0][j] for j, ax in enumerate(axes)] for d in draws]
    given = [np.stack([d[j] for d in draws]) if ax is not None else draws[0][j] for j, ax in enumerate(axes)]

    def every(*args: Any) -> tuple[Any, ...]:
        out = results(case, args)
        if not differentiable(case):
            return tuple(out)
        _, cotangents, moved = derivatives(case, args)
        return (*out, *cotangents, *moved)

    wanted = [every(*item) for item in items]
    got = gg.vmap(every, in_axes=tuple(axes))(*given)
    for k, g in enumerate(got):
        w = np.stack([host(item[k]) for item in wanted])
        agree([g], [w], 1e-10, f"in_axes={tuple(axes)}: result (then cotangent, then tangent) {k}")


def nested(case: Case, draws: Sequence[Arrays]) -> None:
    """A batch of batches, of which the outer one carries the first argument only."""
    n = len(draws[0])
    inner = [np.stack([d[j] for d in draws[:2]]) for j in range(n)]
    outer = (0,) + (None,) * (n - 1)
    given = [np.stack([inner[0], np.stack([d[0] for d in draws[1:]])]), *inner[1:]]
    got = gg.vmap(gg.vmap(lambda *a: tuple(results(case, a))), in_axes=outer)(*given)
    wanted = [
        [results(case, [a[i, j] if k == 0 else a[j] for k, a in enumerate(given)]) for j in range(2)] for i in range(2)
    ]
    for k, g in enumerate(got):
        agree([g], [np.array([[host(w[k]) for w in row] for row in wanted])], 1e-10, f"vmap of vmap: result {k}")


PRECISIONS = {"float32": 2e-4, "float16": 2e-2, "bfloat16": 1e-1}
"""How close each comes to float64."""


@check("float32")
def test_float32(case: Case) -> None:
    in_precision(case, "float32")


@check("float16")
def test_float16(case: Case) -> None:
    in_precision(case, "float16")


@check("bfloat16")
def test_bfloat16(case: Case) -> None:
    in_precision(case, "bfloat16")


def in_precision(case: Case, name: str) -> None:
    """In ``name`` as in float64 at the same (rounded) arguments, the dtype kept wherever it was floating."""
    args = sample(case)
    if name != "float32" and any(a.dtype.kind == "c" for a in args):
        return  # there is no complex dtype of half precision
    narrow = [cast(a, name) for a in args]
    if all(a is b for a, b in zip(args, narrow, strict=True)):
        return  # nothing is floating
    wide = [np.asarray(a).astype(b.dtype) if a is not b else b for a, b in zip(narrow, args, strict=True)]
    compare_precision(results(case, narrow), results(case, wide), name, "result")
    if differentiable(case):
        kinds = ("result", "cotangent", "tangent")
        for what, got, wanted in zip(kinds, derivatives(case, narrow), derivatives(case, wide), strict=True):
            compare_precision(got, wanted, name, what)


def cast(a: Any, name: str) -> Any:
    """A floating array in another precision; others as they are."""
    if a.dtype == np.float64:
        return a.astype(dtypes.dtype(name))
    return a.astype(np.complex64) if a.dtype == np.complex128 else a


def compare_precision(got: Arrays, wanted: Arrays, name: str, what: str) -> None:
    for k, (g, w) in enumerate(zip(got, wanted, strict=True)):
        expected = {"float64": name, "complex128": "complex64"}.get(w.dtype.name, w.dtype.name)
        assert g.dtype.name == expected, f"{what} {k}: dtype {g.dtype.name}; expected {expected}"
    least = 0.0 if name == "float32" else 1.0  # numbers of order 1 may cancel
    agree(got, wanted, PRECISIONS[name], f"{name}: {what}", dtype=False, least=least)


def everything(case: Case, args: Arrays) -> list[Any]:
    """Results and, where there are any, derivatives."""
    out = results(case, args)
    return out + ft.reduce(lambda a, b: a + b, map(list, derivatives(case, args)), []) if differentiable(case) else out


@check("reference")
def test_reference(case: Case) -> None:
    wanted = everything(case, sample(case))
    with gg.use_backend("reference"):
        agree(everything(case, sample(case)), wanted, 1e-12, "reference: result")


@pytest.mark.filterwarnings("ignore:You are comparing a array_api_strict dtype")  # as looking one up in a set does
@check("backend")
def test_backend(case: Case, other_backend: str) -> None:
    """Everything, a batch included, with another backend as with `numpy`."""
    if other_backend in case.without:
        return
    args = sample(case)
    device = select.get(other_backend).devices()[0]
    there = [gg.asarray(a, device=device) for a in args]
    got = everything(case, there)
    assert all(g.device == device for g in got), [g.device for g in got]
    agree(got, everything(case, args), 1e-11, f"{device}: result")
    if "vmap" not in case.without and args:
        batch = [gg.asarray(np.stack([a, a]), device=device) for a in args]
        got = gg.vmap(lambda *a: tuple(everything(case, a)))(*batch)
        assert all(g.device == device for g in got), [g.device for g in got]
        for k, (g, w) in enumerate(zip(got, everything(case, args), strict=True)):
            agree([g], [np.stack([host(w)] * 2)], 1e-11, f"{device}: vmap: result {k}")


@check("strides")
def test_strides(case: Case) -> None:
    wanted = everything(case, sample(case))
    for layout in (with_gaps, in_fortran_order, read_only):
        args = [layout(a) for a in sample(case)]
        agree(everything(case, args), wanted, 1e-12, f"{layout.__name__}: result")


def with_gaps(a: Any) -> Any:
    """The same values, in every second place of an array that is read backwards."""
    buffer = np.zeros(tuple(2 * n for n in a.shape), a.dtype)
    view = buffer[(slice(None, None, -2),) * a.ndim] if a.ndim else buffer
    view[...] = a
    return view


def in_fortran_order(a: Any) -> Any:
    return a.copy(order="F")


def read_only(a: Any) -> Any:
    a = a.copy()
    a.flags.writeable = False
    return a


# ---- nothing without a row ------------------------------------------------------------------------------------------


class Recorder(Implementations):
    """Notes that a primitive ran."""

    __slots__ = ("reached",)

    def __init__(self, prim: Primitive, reached: set[str]) -> None:
        super().__init__(prim)
        self.reached = reached

    def __getitem__(self, array_type: type) -> Any:
        self.reached.add(self.prim.name)
        return super().__getitem__(array_type)


def test_every_primitive_has_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    reached = set(MARKERS)
    for prim in PRIMITIVES:
        monkeypatch.setattr(prim, "impl", Recorder(prim, reached))
    for case in TABLE.values():
        results(case, sample(case))
    missing = [prim.name for prim in PRIMITIVES if prim.name not in reached]
    assert not missing, f"no row reaches {', '.join(missing)}; add one to tests/rows/"


def test_every_rule_has_a_row() -> None:
    reached: set[tuple[str, int]] = set()
    for case in TABLE.values():
        if differentiable(case) and "grads" not in case.without:
            leaves = [gg.tensor(x, requires_grad=True) for x in picked(case, sample(case))]
            stack = [out._mark for out in differentiated(case, sample(case))(*leaves)]
            seen = set()
            while stack:
                node = stack.pop()
                if node is not None and node.index not in seen:
                    seen.add(node.index)
                    reached |= {(node.prim.name, k) for k, parent in enumerate(node.parents) if parent is not None}
                    stack += node.parents
    missing = [
        f"{prim.name} in {name}"
        for prim in PRIMITIVES
        for k, name in enumerate(prim.operands[:1] if prim.variadic else prim.operands)
        if prim.name not in MARKERS and prim.rule(k) is not None and (prim.name, k) not in reached | REFUSED
    ]
    assert not missing, f"no row differentiates {', '.join(missing)}; add one to tests/rows/"
