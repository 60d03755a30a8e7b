"""Collectives: primitives that are linear in the arrays of all ranks together. Adjoint pairs stand side by side.

**The convention.** The ranks run one program, whose loss is the sum of what each of them computes. A rank that takes
the derivative of its own result gets the derivative of that sum with respect to its own arrays. Seen so, a collective
is one linear map from the arrays of all ranks to the results of all ranks, and its transpose is a collective again:

====================== ============================================== ===========================================
all_reduce             every rank gets the sum                        all_reduce
broadcast              every rank gets the array of the root          reduce: the root gets the sum, others zeros
all_gather             every rank gets all arrays, one after another  reduce_scatter: each gets its part of the sum
scatter                each rank gets its part of the root's array    gather: the root gets all, others zeros
====================== ============================================== ===========================================

So if every rank ends with the same number (a loss that was averaged over ranks, say), the program's loss has it as
many times as there are ranks. Tangents in forward mode belong to ranks in the same way.

**What ranks owe each other.** A derivative runs collectives of its own. All ranks must therefore run the same ones in
the same order, forwards and back: a result that one rank does not need enters its loss times zero.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gpugrad import dtypes, errors
from gpugrad.backends import select
from gpugrad.distributed import wire
from gpugrad.distributed.agreement import Call, agree, difference
from gpugrad.distributed.group import Group, group_of
from gpugrad.ops.linear import resized
from gpugrad.primitive import Linear, Primitive, Shape
from gpugrad.shapes import axis_of
from gpugrad.trace import Value, bind, state
from gpugrad.transforms.lift import as_value

Array = Any


# ---- the primitives -------------------------------------------------------------------------------------------------


def _collective(
    name: str, transpose: Callable[..., Any], run: Callable[..., Array], shape: Callable[..., Shape], doc: str
) -> Primitive:
    """A primitive that runs ``run(group, array, **where)`` on contiguous NumPy arrays, after the ranks have agreed.

    ``note`` says whether the call has a derivative, since one that only some ranks have would leave these waiting.
    """

    def forward(_xp: Any, x: Any, *, group: Group, note: str, **where: Any) -> Any:
        backend = select.of(x)
        array = np.asarray(backend.to_numpy(x), order="C")
        if group.checked:
            more = "".join(f", {k}={v}" for k, v in where.items()) + note
            agree(group, name, Call(name, array.dtype.name, array.shape, more), difference)
        return backend.asarray(run(group, array, **where))

    return Primitive("collective", name, [Linear(transpose)], operands=("x",), forward=forward, shape=shape, doc=doc)


def _same(s: Shape, **_: Any) -> Shape:
    return s


def _longer(s: Shape, *, group: Group, axis: int, **_: Any) -> Shape:
    return resized(s, axis, s[axis] * group.size)


def _shorter(s: Shape, *, group: Group, axis: int, **_: Any) -> Shape:
    return resized(s, axis, s[axis] // group.size)


def _parts(group: Group, x: Array, axis: int) -> Array:
    """The equal parts of an array along an axis, one after another in memory: what the ranks are to get."""
    return np.stack(np.split(x, group.size, axis)).reshape(-1)


def _joined(group: Group, flat: Array, shape: Shape, axis: int) -> Array:
    """The opposite: arrays of one shape that lie one after another, joined along an axis."""
    return np.concatenate(list(flat.reshape(group.size, *shape)), axis)


def _counts(group: Group, x: Array) -> list[int]:
    return [x.size] * group.size


_all_reduce: Primitive = _collective(
    "all_reduce",
    lambda g, group: _all_reduce(g, group=group, note=""),
    lambda group, x: wire.all_reduce(group, x.reshape(-1)).reshape(x.shape),
    _same,
    "Every rank gets the sum over ranks.",
)
_broadcast: Primitive = _collective(
    "broadcast_root",
    lambda g, group, root: _reduce(g, group=group, root=root, note=""),
    lambda group, x, *, root: wire.broadcast(group, x.reshape(-1), root).reshape(x.shape),
    _same,
    "Every rank gets the array of the root.",
)
_reduce: Primitive = _collective(
    "reduce_root",
    lambda g, group, root: _broadcast(g, group=group, root=root, note=""),
    lambda group, x, *, root: wire.reduce(group, x.reshape(-1), root).reshape(x.shape),
    _same,
    "The root gets the sum over ranks, the others zeros.",
)
_all_gather: Primitive = _collective(
    "all_gather",
    lambda g, group, axis: _reduce_scatter(g, group=group, axis=axis, note=""),
    lambda group, x, *, axis: _joined(group, wire.all_gather(group, x.reshape(-1), _counts(group, x)), x.shape, axis),
    _longer,
    "Every rank gets the arrays of all ranks, one after another along an axis.",
)
_reduce_scatter: Primitive = _collective(
    "reduce_scatter",
    lambda g, group, axis: _all_gather(g, group=group, axis=axis, note=""),
    lambda group, x, *, axis: wire.reduce_scatter(group, _parts(group, x, axis)).reshape(
        _shorter(x.shape, group=group, axis=axis)
    ),
    _shorter,
    "Each rank gets its part along an axis of the sum over ranks.",
)
_gather: Primitive = _collective(
    "gather_root",
    lambda g, group, root, axis: _scatter(g, group=group, root=root, axis=axis, note=""),
    lambda group, x, *, root, axis: _joined(
        group, wire.gather(group, x.reshape(-1), _counts(group, x), root), x.shape, axis
    ),
    _longer,
    "The root gets the arrays of all ranks, one after another along an axis; the others zeros.",
)
_scatter: Primitive = _collective(
    "scatter_root",
    lambda g, group, root, axis: _gather(g, group=group, root=root, axis=axis, note=""),
    lambda group, x, *, root, axis: wire.scatter(group, _parts(group, x, axis), root).reshape(
        _shorter(x.shape, group=group, axis=axis)
    ),
    _shorter,
    "Each rank gets its part along an axis of the array of the root.",
)

# ---- for users ------------------------------------------------------------------------------------------------------


def all_reduce(x: Any, op: str = "sum", *, group: Any = None) -> Any:
    """The sum over ranks (``op="sum"``) or the mean (``"mean"``), on every rank; its transpose is itself.

    Shape and dtype are those of ``x``, which are the same on every rank; the mean of integers is floating point. Sums
    run in the order of ranks, float16 and bfloat16 in float32 (for the mean they travel so too). Raises on every rank:
    ShapeError or DtypeError, which name both, if ranks differ; DistributedError if they do different things or one
    cannot take part; DeviceError for an array that is not on the CPU.

    >>> import gpugrad as gg
    >>> gg.distributed.all_reduce([1.0, 2.0])
    tensor([1., 2.])
    """

    def settle(x: Any, group: Group) -> dict[str, Any]:
        if op not in ("sum", "mean"):
            raise errors.ArgumentError(f"all_reduce: op={op!r}; expected 'sum' or 'mean'")
        return _addable("all_reduce", x)

    group = group_of(group)
    if op != "mean":
        return _bound(_all_reduce, x, group, settle)
    half = getattr(x, "dtype", None)
    if half is None or not dtypes.is_half(half):
        return _bound(_all_reduce, x, group, settle) / group.size
    wide = as_value(x).astype("float32")
    return (_bound(_all_reduce, wide, group, settle) / group.size).astype(half)


def broadcast(x: Any, root: int = 0, *, group: Any = None) -> Any:
    """The array of the rank ``root``, on every rank; the transpose of :func:`reduce`.

    On the other ranks ``x`` gives shape and dtype, and its gradient is zeros. Raises as :func:`all_reduce` does.

    >>> import gpugrad as gg
    >>> gg.distributed.broadcast([1.0, 2.0])
    tensor([1., 2.])
    """
    return _bound(_broadcast, x, group_of(group), lambda x, group: _rooted("broadcast", root, group))


def reduce(x: Any, root: int = 0, *, group: Any = None) -> Any:
    """The sum over ranks on the rank ``root``, zeros on the others; the transpose of :func:`broadcast`.

    The order of the sum and the errors are those of :func:`all_reduce`.

    >>> import gpugrad as gg
    >>> gg.distributed.reduce([1.0, 2.0])
    tensor([1., 2.])
    """
    return _bound(_reduce, x, group_of(group), lambda x, group: _addable("reduce", x) | _rooted("reduce", root, group))


def all_gather(x: Any, axis: int = 0, *, group: Any = None) -> Any:
    """The arrays of all ranks, one after another along an axis, on every rank; the transpose of :func:`reduce_scatter`.

    They have one shape; the axis becomes as many times longer as there are ranks. Raises AxisError for an axis out of
    range (a number has none: gather ``x.reshape(1)``), and as :func:`all_reduce` does.

    >>> import gpugrad as gg
    >>> gg.distributed.all_gather([1.0, 2.0])
    tensor([1., 2.])
    """
    return _bound(_all_gather, x, group_of(group), lambda x, group: {"axis": axis_of(axis, x.shape, "all_gather")})


def reduce_scatter(x: Any, axis: int = 0, *, group: Any = None) -> Any:
    """This rank's part of the sum over ranks, of equal parts along an axis; the transpose of :func:`all_gather`.

    Raises ShapeError if the axis cannot be cut into as many equal parts as there are ranks, and as :func:`all_reduce`.

    >>> import gpugrad as gg
    >>> gg.distributed.reduce_scatter([1.0, 2.0])
    tensor([1., 2.])
    """
    return _bound(
        _reduce_scatter,
        x,
        group_of(group),
        lambda x, group: _addable("reduce_scatter", x) | _divided("reduce_scatter", x, axis, group),
    )


def gather(x: Any, root: int = 0, axis: int = 0, *, group: Any = None) -> Any:
    """What :func:`all_gather` gives on the rank ``root``, zeros on the others; the transpose of :func:`scatter`.

    >>> import gpugrad as gg
    >>> gg.distributed.gather([1.0, 2.0])
    tensor([1., 2.])
    """
    return _bound(
        _gather,
        x,
        group_of(group),
        lambda x, group: _rooted("gather", root, group) | {"axis": axis_of(axis, x.shape, "gather")},
    )


def scatter(x: Any, root: int = 0, axis: int = 0, *, group: Any = None) -> Any:
    """This rank's part of the array on the rank ``root``, of equal parts along an axis; the transpose of :func:`gather`.

    On the other ranks ``x`` gives shape and dtype, and its gradient is zeros. Raises as :func:`reduce_scatter` does.

    >>> import gpugrad as gg
    >>> gg.distributed.scatter([1.0, 2.0])
    tensor([1., 2.])
    """
    return _bound(
        _scatter,
        x,
        group_of(group),
        lambda x, group: _rooted("scatter", root, group) | _divided("scatter", x, axis, group),
    )


def _bound(prim: Primitive, x: Any, group: Group, settle: Callable[[Any, Group], dict[str, Any]]) -> Any:
    """Apply ``prim`` with the parameters that ``settle`` finds; what it raises, every rank is told of."""
    try:
        x = as_value(x)
        if x.device != "cpu":
            raise errors.DeviceError(
                f"{prim.name}: an array on {x.device}; collectives take arrays on the CPU. Move it, which copies: t.to('cpu')"
            )
        params = {"group": group, **settle(x, group), "note": ", with a derivative" if _tracked(x) else ""}
    except (errors.GpugradError, ValueError) as problem:
        if group.checked:
            agree(group, prim.name, None, difference, problem)
        raise
    return bind(prim, (x,), params)


def _tracked(x: Any) -> bool:
    """Whether what is done with ``x`` will be differentiated."""
    while isinstance(x, Value):
        owner = x._trace
        if x._mark is not None and not owner.batched and not (owner.records and owner.level <= state.floor):
            return True
        x = x._data
    return False


def _addable(name: str, x: Any) -> dict[str, Any]:
    if x.dtype.kind == "b":
        raise errors.DtypeError(f"{name}: a sum of booleans; expected numbers. Cast them: x.astype('int64')")
    return {}


def _rooted(name: str, root: int, group: Group) -> dict[str, Any]:
    if not isinstance(root, int | np.integer) or not 0 <= root < group.size:
        raise errors.AxisError(f"{name}: root={root!r}; expected a rank, 0 to {group.size - 1}")
    return {"root": int(root)}


def _divided(name: str, x: Any, axis: int, group: Group) -> dict[str, Any]:
    k = axis_of(axis, x.shape, name)
    if x.shape[k] % group.size:
        raise errors.ShapeError(
            f"{name}: axis {axis} of shape {x.shape} for {group.size} ranks; expected a multiple of {group.size}. Pad it: gg.pad"
        )
    return {"axis": k}
