"""Control flow as functions: branches and loops that depend on values, under every transform.

On plain values each does what Python's own statement would. Under vmap, where items may part, each item goes its own
way: a branch is computed for the items that take it and for no others, and an item that leaves a loop is done with.
"""

from __future__ import annotations

import functools as ft
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gpugrad import dtypes, errors, pytree
from gpugrad.backends import select
from gpugrad.graph.stage import stage_of
from gpugrad.ops.elementwise import where
from gpugrad.ops.joining import stack, unstack
from gpugrad.ops.linear import flip
from gpugrad.trace import raw_of
from gpugrad.transforms.batch import Batch, batches_of
from gpugrad.transforms.calls import checkpoint as checkpointed
from gpugrad.transforms.functional import function_name
from gpugrad.transforms.lanes import Lanes
from gpugrad.transforms.lift import as_value, lowered, raised
from gpugrad.transforms.modes import no_grad
from gpugrad.transforms.traced_loop import traced_while

Function = Callable[..., Any]

# ---- decisions ------------------------------------------------------------------------------------------------------------


class Decision:
    """A truth value: one ``bool``, or one for each item of the vmaps in which it differs (``batches``, newest first)."""

    def __init__(self, p: Any, what: str) -> None:
        p = as_value(p)
        if p.shape != ():
            raise errors.ShapeError(
                f"{what} of shape {p.shape}; expected one truth value (shape ()). Use gg.any or gg.all"
            )
        if dtypes.is_complex(p.dtype):
            raise errors.DtypeError(f"{what} of dtype {p.dtype.name}; expected a boolean or a real number")
        self.batches: list[Batch] = batches_of(p)
        self.value = p if p.dtype.kind == "b" else p != 0
        data = raw_of(p)
        self.known = stage_of(data) is None
        """Whether it is there, and not to be found out when a compiled function runs."""
        self.each = np.asarray(select.of(data).to_numpy(data)) != 0 if self.known else np.zeros(0, bool)
        """An axis for each of the vmaps, the oldest one's first."""


def _merged(p: Decision, yes: Any, no: Any, what: str) -> Any:
    """For each item the result of its side. ShapeError if the two are not alike."""
    left, tree = pytree.flatten(yes)
    right, other = pytree.flatten(no)
    if tree != other:
        raise errors.ShapeError(
            f"{what}: one side returns {pytree.describe(tree)}, the other {pytree.describe(other)}; expected the same structure"
        )
    out = []
    for path, a, b in zip(pytree.paths(tree), left, right, strict=True):
        _check_alike(a, b, f"{what}: result{path}")
        out.append(where(p.value, a, b))
    return pytree.unflatten(tree, out)


def _check_alike(a: Any, b: Any, what: str) -> None:
    if a.shape != b.shape or a.dtype != b.dtype:
        raise errors.ShapeError(
            f"{what} is {a.dtype.name}{list(a.shape)} on one side and {b.dtype.name}{list(b.shape)} on the other; expected one shape and dtype"
        )


def cond(pred: Any, true_fn: Function, false_fn: Function, *operands: Any) -> Any:
    """``true_fn(*operands)`` if ``pred`` holds, otherwise ``false_fn(*operands)``.

    Under vmap with a ``pred`` that differs between items, each function is called once at the most, on the items that
    go its way (their results must agree in structure, shapes and dtypes); what is wrong on the way not taken, a NaN or
    an error, does not happen. A value that differs between items must then be an operand: TraceError if a function
    closes over it. In a compiled function, where ``pred`` is found out only when it runs, both are computed and one is
    taken, for values as for derivatives. Raises ShapeError for a ``pred`` that is not one truth value.

    >>> import gpugrad as gg
    >>> f = lambda x: gg.cond(x > 0.0, gg.sqrt, gg.zeros_like, x)
    >>> gg.vmap(gg.grad(f))(gg.tensor([4.0, -1.0, 1.0]))
    tensor([0.25, 0.  , 0.5 ])
    """
    what = f"cond({function_name(true_fn)}, {function_name(false_fn)})"
    p = Decision(pred, f"{what}: pred")
    if not p.known:
        return _merged(p, _values(true_fn(*operands)), _values(false_fn(*operands)), what)
    if not p.batches or p.each.all() or not p.each.any():
        return (true_fn if p.each.all() else false_fn)(*operands)
    sides = []
    for chosen, function in ((p.each, true_fn), (~p.each, false_fn)):
        lanes = Lanes(p.batches, chosen, p.value)
        out = function(*pytree.map(lambda x, lanes=lanes: lanes.taken(as_value(x)), operands))
        sides.append(pytree.map(lambda x, lanes=lanes: lanes.put(as_value(x)), out))
    return _merged(p, sides[0], sides[1], what)


# ---- loops ----------------------------------------------------------------------------------------------------------------


def _values(tree: Any) -> Any:
    return pytree.map(as_value, tree)


def _step(body: Function, carry: Any, what: str) -> Any:
    """``body(carry)``, checked to be like ``carry``."""
    return _checked(_values(body(carry)), carry, what)


def _checked(new: Any, carry: Any, what: str) -> Any:
    before, tree = pytree.flatten(carry)
    after, other = pytree.flatten(new)
    if tree != other:
        raise errors.ShapeError(
            f"{what}: what is carried was {pytree.describe(tree)} and became {pytree.describe(other)}; expected the same structure at every step"
        )
    for path, a, b in zip(pytree.paths(tree), before, after, strict=True):
        if a.shape != b.shape or a.dtype != b.dtype:
            raise errors.ShapeError(
                f"{what}: what is carried at carry{path} was {a.dtype.name}{list(a.shape)} and became {b.dtype.name}{list(b.shape)}; expected one shape and dtype at every step. Start from that shape, or cast: x.astype({a.dtype.name!r})"
            )
    return new


def while_loop(cond_fn: Function, body_fn: Function, init: Any, *, checkpoint: int | None = None) -> Any:
    """``carry = init; while cond_fn(carry): carry = body_fn(carry)``, and then ``carry``, any container of arrays.

    Differentiable in both modes through as many steps as were taken; reverse mode stores them all, or with
    ``checkpoint=k`` each k-th carry, to compute the steps between again. Under vmap an item is computed as long as its
    own condition holds, and no longer. The carry keeps its structure, shapes and dtypes: ShapeError otherwise.

    In a compiled function, where the condition is found out only when it runs, both functions are compiled once, and
    run as often as it takes; items of a vmap that are done are computed on, and stay as they were. TraceError then for
    reverse mode, which cannot store so many steps, and for random numbers drawn inside.

    >>> import gpugrad as gg
    >>> double = lambda x: gg.while_loop(lambda x: x < 100.0, lambda x: 2.0 * x, x)
    >>> gg.vmap(gg.value_and_grad(double))(gg.tensor([1.0, 60.0, 200.0]))
    (tensor([128., 120., 200.]), tensor([128.,   2.,   1.]))
    """
    what = f"while_loop({function_name(body_fn)})"
    carry = _values(init)
    parted: list[tuple[Decision, Lanes, Any]] = []

    def holds(carry: Any) -> Decision:
        return Decision(cond_fn(carry), f"{what}: the condition")

    def segment(carry: Any) -> Any:
        for _ in range(checkpoint or 1):
            carry = _step(body_fn, carry, what)
            p = holds(carry)
            if not p.known or p.batches or not p.each.all():
                break
        return carry

    p = holds(carry)
    while p.known and p.each.any():
        if not p.each.all():  # some items are done: go on with the others
            lanes = Lanes(p.batches, p.each, p.value)
            parted.append((p, lanes, carry))
            carry = pytree.map(lanes.taken, carry)
        carry = checkpointed(segment)(carry) if checkpoint else _step(body_fn, carry, what)
        p = holds(carry)
    if not p.known:
        carry = _written(holds, body_fn, carry, f"{what} at {errors.user_site()}")
    for p, lanes, before in reversed(parted):
        carry = _merged(p, pytree.map(lanes.put, carry), before, what)
    return carry


def _written(holds: Function, body: Function, carry: Any, what: str) -> Any:
    """The loop as one line of the graph that is being written."""
    leaves, tree = pytree.flatten(carry)

    def step(values: list[Any]) -> list[Any]:
        return pytree.leaves(_step(body, pytree.unflatten(tree, values), what))

    outs = traced_while(lambda values: holds(pytree.unflatten(tree, values)), step, leaves, what)
    return pytree.unflatten(tree, outs)


def fori_loop(lower: Any, upper: Any, body_fn: Function, init: Any, *, checkpoint: bool | int = False) -> Any:
    """``carry = init; for i in range(lower, upper): carry = body_fn(i, carry)``, and then ``carry``.

    As :func:`while_loop`, which it is where the bounds differ between the items of a vmap, or are found out when a
    compiled function runs; as :func:`scan` in what
    ``checkpoint`` means.

    >>> import gpugrad as gg
    >>> gg.grad(lambda x: gg.fori_loop(0, 3, lambda i, y: y * x, 1.0))(gg.tensor(2.0))
    tensor(12.)
    """
    if any(batches_of(b) or stage_of(raw_of(b)) is not None for b in (lower, upper)):
        start = as_value(lower)
        stop = as_value(upper) + start * 0
        found = while_loop(
            lambda c: c[0] < c[1],
            lambda c: (c[0] + 1, c[1], body_fn(c[0], c[2])),
            (start, stop, init),
            checkpoint=None if checkpoint is False else _segment(checkpoint, 1 << 10),
        )
        return found[2]
    what = f"fori_loop({function_name(body_fn)})"
    first, last = (b.__index__() if hasattr(b, "__index__") else _not_an_index(b, what) for b in (lower, upper))

    def run(carry: Any, start: int, stop: int) -> Any:
        for i in range(start, stop):
            carry = _step(lambda c, i=i: body_fn(i, c), carry, what)
        return carry

    carry = _values(init)
    for start, stop in _segments(max(last - first, 0), checkpoint):
        whole = ft.partial(run, start=first + start, stop=first + stop)
        carry = checkpointed(whole)(carry) if checkpoint else whole(carry)
    return carry


def _not_an_index(bound: Any, what: str) -> int:
    raise errors.DtypeError(f"{what}: bound {bound!r} of type {type(bound).__name__}; expected an integer")


def _segment(checkpoint: bool | int, n: int) -> int:
    """The number of steps between two carries that are kept: √n, unless given."""
    return max(math.isqrt(n), 1) if checkpoint is True else max(int(checkpoint), 1)


def _segments(n: int, checkpoint: bool | int) -> list[tuple[int, int]]:
    size = _segment(checkpoint, n) if checkpoint else max(n, 1)
    return [(a, min(a + size, n)) for a in range(0, n, size)]


def scan(
    f: Function,
    init: Any,
    xs: Any = None,
    length: int | None = None,
    *,
    reverse: bool = False,
    checkpoint: bool | int = False,
) -> tuple[Any, Any]:
    """``(carry, ys)``: ``f(carry, x) -> (carry, y)`` for each x along the first axis of ``xs``, the ys stacked.

    ``xs``, carry and y are any containers of arrays; without ``xs``, ``length`` says how often, and x is None.
    ``reverse`` begins at the end (the ys keep the order of the xs). Reverse mode stores every step; with ``checkpoint``
    (True for √n steps, or their number) only the carry after so many, and computes them again. Over no items, ``f`` is
    called once on zeros, to see the shape of y. Raises ShapeError if the first axes differ, or the carry changes its
    structure, a shape or a dtype.

    >>> import gpugrad as gg
    >>> carry, ys = gg.scan(lambda c, x: (c + x, c * x), 0.0, gg.tensor([1.0, 2.0, 3.0]))
    >>> carry, ys
    (tensor(6.), tensor([0., 2., 9.]))
    """
    what = f"scan({function_name(f)})"
    leaves, tree = pytree.flatten(xs)
    leaves = [as_value(x) for x in leaves]
    n = _length(leaves, pytree.paths(tree), length, what)
    carry = _values(init)
    if n == 0:
        return carry, _nothing(f, carry, tree, leaves)
    columns = [unstack(flip(x, axis=(-len(x.shape),)) if reverse else x) for x in leaves]
    shape: list[pytree.Tree] = []

    def run(carry: Any, columns: Sequence[Sequence[Any]], count: int) -> tuple[Any, list[list[Any]]]:
        ys: list[list[Any]] = []
        for k in range(count):
            out = f(carry, pytree.unflatten(tree, [column[k] for column in columns]))
            if type(out) is not tuple or len(out) != 2:
                raise errors.ShapeError(f"{what}: f returned {type(out).__name__}; expected a pair (carry, y)")
            carry = _checked(_values(out[0]), carry, what)
            y, y_tree = pytree.flatten(out[1])
            shape[:] = shape or [y_tree]
            if y_tree != shape[0]:
                raise errors.ShapeError(
                    f"{what}: y was {pytree.describe(shape[0])} and became {pytree.describe(y_tree)}; expected the same structure at every step"
                )
            ys.append([as_value(v) for v in y])
        return carry, ys

    rows: list[list[Any]] = []
    for start, stop in _segments(n, checkpoint):
        part = [column[start:stop] for column in columns]
        whole = ft.partial(run, count=stop - start)
        carry, ys = checkpointed(whole)(carry, part) if checkpoint else whole(carry, part)
        rows += ys
    stacked = [stack([row[k] for row in rows]) for k in range(len(rows[0]))]
    if reverse:
        stacked = [flip(y, axis=(-len(y.shape),)) for y in stacked]
    return carry, pytree.unflatten(shape[0], stacked)


def _length(leaves: Sequence[Any], paths: Sequence[str], length: int | None, what: str) -> int:
    """How many items there are along the first axis."""
    sizes: dict[int, str] = {} if length is None else {int(length): "length"}
    for x, path in zip(leaves, paths, strict=True):
        if not x.shape:
            raise errors.ShapeError(
                f"{what}: xs{path} has no axis (shape ()); expected one to go along. Close over what is the same at every step"
            )
        sizes.setdefault(x.shape[0], f"xs{path}")
    if len(sizes) != 1:
        told = ", ".join(f"{n} of {name}" for n, name in sizes.items())
        raise errors.ShapeError(
            f"{what}: {'different numbers of items, ' + told if sizes else 'neither xs nor length'}; expected one number, of the first axis of all xs or as length="
        )
    return next(iter(sizes))


def _nothing(f: Function, carry: Any, tree: pytree.Tree, leaves: Sequence[Any]) -> Any:
    """The ys of no steps: empty, in the shapes that ``f`` gives for zeros."""
    zeros = [raised(select.full(x.shape[1:], 0, lowered(x))) for x in leaves]
    start = pytree.map(lambda c: raised(select.full(c.shape, 0, lowered(c))), carry)
    with no_grad(), np.errstate(all="ignore"):
        _, y = f(start, pytree.unflatten(tree, zeros))
    return pytree.map(lambda v: raised(select.full((0, *as_value(v).shape), 0, lowered(as_value(v)))), y)
