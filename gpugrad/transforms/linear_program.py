"""Linear maps recorded on shapes alone, then run forwards (linearize) or backwards (transposition)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gpugrad import dtypes, pytree, trace
from gpugrad.backends import select
from gpugrad.ops.linear import sum_to
from gpugrad.trace import bind, value
from gpugrad.transforms.forward import Forward
from gpugrad.transforms.functional import check_attached, check_differentiable, fitting, function_name
from gpugrad.transforms.lift import lowered, raised
from gpugrad.transforms.node import CALL, ITEM, LEAF, Leaf, Node
from gpugrad.transforms.pull import Aval, LinearTape
from gpugrad.transforms.sweep import sweep


def linearize(f: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """``(f(*primals), push)``: the derivative at a point as a function of tangents, one per primal.

    ``f`` runs once; each call of ``push`` runs only the linear part.

    >>> import gpugrad as gg
    >>> y, push = gg.linearize(gg.exp, gg.tensor(0.0))
    >>> push(gg.tensor(3.0))
    tensor(3.)
    """
    what = f"linearize of {function_name(f)}"
    leaves, in_tree = pytree.flatten(primals)
    data = [lowered(x) for x in leaves]
    for d in data:
        check_differentiable(d, f"{what}: a primal")
    with Forward() as forward, LinearTape() as linear:
        starts = [Leaf(d.shape, d.dtype) for d in data]
        duals = [
            value(d, forward, value(Aval(d.shape, d.dtype), linear, leaf)) for d, leaf in zip(data, starts, strict=True)
        ]
        out = f(*pytree.unflatten(in_tree, duals))
        outs, out_tree = pytree.flatten(out)
        outs = [o if type(o) is trace.Tensor else raised(lowered(o)) for o in outs]
    lower = [forward.lower(o) for o in outs]
    ends = [linear.mark(forward.mark(o)) for o in outs]
    if all(e is None for e in ends) and any(dtypes.is_inexact(o.dtype) for o in outs):
        check_attached(forward, what)
    order = _in_order(ends)

    def push(*tangents: Any) -> Any:
        given = pytree.leaves_like(in_tree, tangents, f"{what}: the tangents")
        found: dict[int, Any] = {
            leaf.index: fitting(t, d, f"{what}: tangent") for leaf, t, d in zip(starts, given, data, strict=True)
        }
        for node in order:
            found[node.index] = _run(node, found)
        moved = [select.full(v.shape, 0, v) if e is None else found[e.index] for e, v in zip(ends, lower, strict=True)]
        return pytree.unflatten(out_tree, [raised(m) for m in moved])

    return pytree.unflatten(out_tree, [raised(v) for v in lower]), push


def _in_order(ends: Sequence[Node | None]) -> list[Node]:
    """Every operation that the ends depend on, in order of creation."""
    seen: dict[int, Node] = {}
    stack = [e for e in ends if e is not None]
    while stack:
        node = stack.pop()
        if node.index not in seen and node.prim is not LEAF:
            seen[node.index] = node
            stack += [p for p in node.parents if p is not None]
    return [seen[k] for k in sorted(seen)]


def _run(node: Node, found: dict[int, Any]) -> Any:
    if node.prim is ITEM:
        parent = node.parents[0]
        assert parent is not None
        return found[parent.index][node.params["i"]]
    if node.prim is CALL:
        return node.params["call"]([found[p.index] for p in node.parents if p is not None])
    assert node.saved is not None
    args = [s if p is None else found[p.index] for s, p in zip(node.saved, node.parents, strict=False)]
    return bind(node.prim, args, node.params)


def transposes(function: Callable[..., Any], like: Sequence[Any], cotangents: Sequence[Any]) -> list[Any]:
    """Cotangents of the arguments of a linear function, from those of its results (None for zero).

    ``like`` gives the shapes and dtypes of the arguments; the function takes and returns lists of values.
    """
    with LinearTape() as linear:
        starts = [Leaf(x.shape, x.dtype) for x in like]
        outs = function([value(Aval(x.shape, x.dtype), linear, leaf) for x, leaf in zip(like, starts, strict=True)])
    seeds = [
        (linear.mark(o), sum_to(c, o.shape))
        for o, c in zip(outs, cotangents, strict=True)
        if c is not None and linear.mark(o) is not None
    ]
    found = sweep(seeds, retain=False)
    return [found[s] if s in found else select.full(s.shape, 0, x) for s, x in zip(starts, like, strict=True)]
