"""The functional transforms: each opens a trace, runs the function on traced values, and reads the result off it."""

from __future__ import annotations

import functools as ft
import inspect
import operator
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gpugrad import dtypes, errors, pytree, trace
from gpugrad.backends import select
from gpugrad.ops.linear import cast, conj
from gpugrad.trace import ended, next_level, value
from gpugrad.transforms.forward import Forward
from gpugrad.transforms.lift import as_value, lowered, raised, raw, stopped
from gpugrad.transforms.node import Leaf
from gpugrad.transforms.sweep import sweep
from gpugrad.transforms.tape import Tape

_ENDED = ended(Tape)

Argnums = int | Sequence[int]


# ---- the pieces that all of them share ----------------------------------------------------------------------------------


def function_name(f: Callable[..., Any]) -> str:
    """What to call a function in a message."""
    return getattr(f, "__name__", type(f).__name__)


def argument_names(f: Callable[..., Any], count: int) -> list[str]:
    """The names of the positional arguments as the function has them."""
    try:
        given = [q.name for q in inspect.signature(f).parameters.values() if q.kind <= q.POSITIONAL_OR_KEYWORD]
    except (TypeError, ValueError):
        given = []
    return [given[k] if k < len(given) else f"x{k}" for k in range(count)]


def argument_positions(f: Callable[..., Any], argnums: Argnums, count: int) -> tuple[int, ...]:
    """``argnums`` as positions among ``count`` arguments; AxisError if one is out of range or given twice."""
    if type(argnums) is int and 0 <= argnums < count:
        return (argnums,)
    try:
        given = [operator.index(a) for a in (argnums if isinstance(argnums, tuple | list) else (argnums,))]
    except TypeError:
        raise errors.DtypeError(f"argnums={argnums!r}; expected an integer or a tuple of integers") from None
    for a in given:
        if not -count <= a < count:
            raise errors.AxisError(
                f"argnums={argnums}: {function_name(f)} was called with {count} positional arguments; arguments to differentiate are passed by position"
            )
    positions = tuple(a % count for a in given)
    if len(set(positions)) < len(positions):
        raise errors.AxisError(f"argnums={argnums} of {function_name(f)} names an argument twice; expected each once")
    return positions


_PLAIN = frozenset({np.dtype(np.float64), np.dtype(np.float32)})


def check_differentiable(data: Any, what: str) -> None:
    """DtypeError unless values of this dtype have a derivative."""
    d = dtypes.of(data)
    if not dtypes.is_inexact(d):
        raise errors.DtypeError(
            f"{what} has dtype {d.name}; a derivative needs a floating-point input. Cast it: x.astype('float64')"
        )


def _tracked(
    tape: Tape, args: Sequence[Any], positions: Sequence[int], leaves: list[Leaf], f: Callable[..., Any]
) -> list[Any]:
    """The arguments with everything at ``positions`` on the tape; its leaves are added to the list."""
    out = list(args)
    for p in positions:
        given, tree = pytree.flatten(args[p])
        out[p] = pytree.unflatten(tree, [_leaf(tape, x, leaves, f, p, (tree, k)) for k, x in enumerate(given)])
    return out


def _leaf(
    tape: Tape,
    x: Any,
    leaves: list[Leaf],
    f: Callable[..., Any],
    position: int,
    place: tuple[pytree.Tree, int] = (pytree.LEAF, 0),
) -> Any:
    data = x.copy() if type(x) is np.ndarray and x.dtype in _PLAIN else _data(x, f, position, place)
    if data.dtype not in _PLAIN:
        tree, k = place
        check_differentiable(data, f"{function_name(f)}: argument {position}{pytree.paths(tree)[k]}")
    leaf = Leaf(data.shape, data.dtype)
    leaves.append(leaf)
    return value(data, tape, leaf)


def pair(out: Any, what: str, expected: str) -> tuple[Any, Any]:
    """What a function returned that owes a pair. DtypeError if it is none."""
    if type(out) is not tuple or len(out) != 2:
        got = f"a tuple of {len(out)}" if type(out) is tuple else type(out).__name__
        raise errors.DtypeError(f"{what} returned {got}; expected a pair {expected}")
    return out


def with_aux(out: Any, f: Callable[..., Any]) -> tuple[Any, Any]:
    """What ``f`` returned, as the pair that ``has_aux`` announces."""
    return pair(out, f"{function_name(f)} with has_aux=True", "(result, aux)")


_MENDED = {
    type(None): "Is its return statement missing?",
    tuple: "Pass has_aux=True for a pair (value, aux), or use gg.jacobian or gg.vjp",
    list: "Use gg.jacobian or gg.vjp",
    dict: "Use gg.jacobian or gg.vjp",
}
"""Type that was returned -> what helps."""


def _scalar(out: Any, f: Callable[..., Any], holomorphic: bool) -> Any:
    """A function's result as a tensor; it must be one real number, unless the function is holomorphic."""
    what = function_name(f)
    if type(out) is not trace.Tensor:
        if not isinstance(out, int | float | complex | np.generic | np.ndarray) and not hasattr(out, "__dlpack__"):
            raise errors.DtypeError(
                f"{what} returned {type(out).__name__}; expected one number. {_MENDED.get(type(out), 'Return the result of operations on the arguments')}"
            )
        out = raised(lowered(out))
    if out.shape != ():
        raise errors.ShapeError(
            f"{what} must return one number (shape ()), not shape {out.shape}. Reduce it (gg.sum, gg.mean), or use gg.jacobian or gg.vjp"
        )
    d = out.dtype
    if dtypes.is_complex(d) and not holomorphic:
        raise errors.DtypeError(
            f"{what} returned {d.name}; the gradient of a complex result is defined only for a holomorphic function: pass holomorphic=True, or return a real number such as gg.abs(z) ** 2"
        )
    if not dtypes.is_inexact(d):
        raise errors.DtypeError(f"{what} returned {d.name}, which is constant; expected a floating-point number")
    return out


def _data(x: Any, f: Callable[..., Any], position: int, place: tuple[pytree.Tree, int]) -> Any:
    """A leaf of an argument as data of its own, since users may write into theirs; DtypeError names the leaf."""
    if type(x) is trace.Tensor:
        return lowered(x)
    try:
        return raw(x, copy=True)
    except errors.DtypeError as error:
        tree, k = place
        raise errors.DtypeError(
            f"{function_name(f)}: argument {position}{pytree.paths(tree)[k]}: {error}. What is no data belongs in another argument, or in a field of a dataclass with metadata={{'static': True}}"
        ) from None


def check_holomorphic(values: Sequence[Any], what: str) -> None:
    """DtypeError unless arguments and results are complex, as ``holomorphic=True`` says."""
    for v in values:
        if not dtypes.is_complex(v.dtype):
            raise errors.DtypeError(
                f"{what} with holomorphic=True has an argument or a result of dtype {v.dtype}; expected complex ones. Cast the argument: x.astype('complex128'), or leave holomorphic out"
            )


def check_attached(tape: Tape | Forward, what: str) -> None:
    """Raise if a value was cut off, which is why a whole result has no derivative."""
    if tape.cuts:
        raise errors.GraphError(
            f"{what} has no derivative here: {tape.cuts[0]}. Keep the computation in floating point, or say that it is meant: gg.stop_gradient"
        )


def _collected(
    tape: Tape,
    found: dict[Any, Any],
    leaves: Sequence[Leaf],
    trees: Sequence[pytree.Tree],
    args: Sequence[Any],
    positions: Sequence[int],
    f: Callable[..., Any],
) -> list[Any]:
    """Cotangents in the containers of the arguments; zeros, with a warning, for what nothing depends on."""
    cts = [raised(found[leaf]) if leaf in found else None for leaf in leaves]
    if len(found) != len(cts):
        what = function_name(f)
        if not found:
            check_attached(tape, what)
        names = [f"{p}{name}" for tree, p in zip(trees, positions, strict=True) for name in pytree.paths(tree)]
        given = [x for p in positions for x in pytree.leaves(args[p])]
        for k, (ct, leaf) in enumerate(zip(cts, leaves, strict=True)):
            if ct is None:
                warnings.warn(
                    f"the result of {what} does not depend on argument {names[k]}: its gradient is zeros"
                    + (f". A value was taken out of the derivative: {tape.cuts[0]}" if tape.cuts else ""),
                    errors.GradientWarning,
                    stacklevel=4,
                )
                cts[k] = raised(select.full(leaf.shape, 0, lowered(given[k])))
    if len(trees) == 1 and trees[0] is pytree.LEAF:
        return cts
    items = iter(cts)
    return [
        next(items) if tree is pytree.LEAF else pytree.unflatten(tree, [next(items) for _ in pytree.paths(tree)])
        for tree in trees
    ]


# ---- reverse mode ---------------------------------------------------------------------------------------------------------


def value_and_grad(
    f: Callable[..., Any],
    argnums: Argnums = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    convention: str = "ascent",
) -> Callable[..., Any]:
    """A function that returns ``(f(*args), gradient)``.

    Parameters and errors as :func:`grad`; with ``has_aux`` the first item is the pair ``(value, aux)``.

    >>> import gpugrad as gg
    >>> gg.value_and_grad(lambda x: gg.sum(x * x))(gg.tensor([1.0, 2.0]))
    (tensor(5.), tensor([2., 4.]))
    """
    evaluated = _evaluator(f, argnums, has_aux, holomorphic, convention)

    @ft.wraps(f)
    def run(*args: Any, **kwargs: Any) -> Any:
        data, aux, gradient = evaluated(args, kwargs)
        return (raised(data), aux) if has_aux else raised(data), gradient

    return run


def _evaluator(
    f: Callable[..., Any], argnums: Argnums, has_aux: bool, holomorphic: bool, convention: str
) -> Callable[[tuple[Any, ...], dict[str, Any]], tuple[Any, Any, Any]]:
    """The function of ``(args, kwargs)`` that gives the value (as data), the auxiliary result and the gradient."""
    if convention not in ("ascent", "jax"):
        raise errors.ArgumentError(
            f"convention={convention!r}: expected 'ascent' (PyTorch, TensorFlow) or 'jax' (JAX, autograd)"
        )
    first = type(argnums) is int and argnums == 0
    plain = first and not has_aux

    def evaluated(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any, Any]:
        tape = Tape()
        leaves: list[Leaf] = []
        positions: tuple[int, ...] = ()
        tape.level = next_level()
        try:
            if first and args and (type(args[0]) is np.ndarray or type(args[0]) is trace.Tensor):
                # by far the most frequent call, kept short
                out = f(_leaf(tape, args[0], leaves, f, 0), *args[1:], **kwargs)
            else:
                positions = argument_positions(f, argnums, len(args))
                out = f(*_tracked(tape, args, positions, leaves, f), **kwargs)
        finally:
            tape.records = False
            tape.__class__ = _ENDED
        aux = None
        if has_aux:
            out, aux = with_aux(out, f)
            aux = _off(tape, aux)
        if type(out) is not trace.Tensor or out._data.shape != () or out._data.dtype not in _PLAIN or holomorphic:
            out = _scalar(out, f, holomorphic)
            if holomorphic:
                check_holomorphic([*leaves, out], function_name(f))
        if out._trace is tape and out._mark is not None:
            data = out._data
            seed = select.one(data) if type(data) is not trace.Tensor else raised(select.full((), 1, data))
            found = sweep(((out._mark, seed),), retain=False)
            if plain and not positions and found:
                ct = found[leaves[0]]
                if ct.dtype in _PLAIN:
                    return data, None, raised(ct)
        else:
            data = lowered(out)
            found = {}
        positions = positions or (0,)
        if not holomorphic and convention == "ascent":
            found = {leaf: _conjugated(g) for leaf, g in found.items()}
        trees = [pytree.flatten(args[p])[1] for p in positions]
        grads = _collected(tape, found, leaves, trees, args, positions, f)
        return data, aux, grads[0] if not isinstance(argnums, tuple | list) else tuple(grads)

    return evaluated


def _off(tape: Any, tree: Any) -> Any:
    """A result taken off a trace."""
    return pytree.map(lambda v: raised(v._data) if type(v) is trace.Tensor and v._trace is tape else v, tree)


def grad(
    f: Callable[..., Any],
    argnums: Argnums = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    convention: str = "ascent",
) -> Callable[..., Any]:
    """A function that returns the gradient of ``f``, which must return one real number.

    The gradient has the shapes, dtypes and containers of the arguments that ``argnums`` names (a tuple gives a tuple).
    With ``has_aux``, ``f`` returns ``(value, aux)`` and the result is ``(gradient, aux)``. A complex argument gets the
    direction of steepest ascent; ``convention="jax"`` gives its conjugate, as JAX and autograd do, and
    ``holomorphic=True`` the complex derivative of a holomorphic ``f``.

    Costs a small multiple of ``f`` itself, whatever the number of inputs. An argument that the result does not depend
    on gets zeros and a GradientWarning that names it. Raises ShapeError for a result that is not one number, DtypeError
    for integer arguments, GraphError where a value was detached on the way.

    >>> import gpugrad as gg
    >>> gg.grad(lambda x: gg.sum(gg.sin(x)))(gg.tensor([0.0]))
    tensor([1.])
    """
    evaluated = _evaluator(f, argnums, has_aux, holomorphic, convention)

    @ft.wraps(f)
    def run(*args: Any, **kwargs: Any) -> Any:
        _, aux, gradient = evaluated(args, kwargs)
        return (gradient, aux) if has_aux else gradient

    return run


def vjp(f: Callable[..., Any], *args: Any, has_aux: bool = False) -> Any:
    """``(f(*args), pull)``, where ``pull(cotangent)`` is a tuple of cotangents, one per argument.

    ``pull`` may be called many times. The cotangent has the structure and shapes of the result.

    >>> import gpugrad as gg
    >>> y, pull = gg.vjp(lambda x: x * 2.0 ** gg.arange(3), gg.tensor([1.0, 1.0, 1.0]))
    >>> pull(gg.tensor([0.1, 1.0, 10.0]))
    (tensor([ 0.1,  2. , 40. ]),)
    """
    what = function_name(f)
    positions = tuple(range(len(args)))
    with Tape() as tape:
        args = tuple(pytree.map(as_value, a) for a in args)
        leaves: list[Leaf] = []
        out = f(*_tracked(tape, args, positions, leaves, f))
        out, aux = with_aux(out, f) if has_aux else (out, None)
        outs, out_tree = pytree.flatten(out)
        outs = [o if type(o) is trace.Tensor else raised(lowered(o)) for o in outs]
    marks = [tape.mark(o) for o in outs]
    lower = [tape.lower(o) for o in outs]

    def pull(cotangent: Any) -> tuple[Any, ...]:
        cts = pytree.leaves_like(out_tree, cotangent, f"pull of {what}: the cotangent")
        seeds = [
            (m, _conjugated(fitting(c, o, f"pull of {what}: cotangent")))
            for m, c, o in zip(marks, cts, lower, strict=True)
        ]
        found = {
            leaf: _conjugated(g) for leaf, g in sweep([(m, c) for m, c in seeds if m is not None], retain=True).items()
        }
        return tuple(_collected(tape, found, leaves, [pytree.flatten(a)[1] for a in args], args, positions, f))

    result = pytree.unflatten(out_tree, [raised(v) for v in lower])
    return (result, pull, _off(tape, aux)) if has_aux else (result, pull)


def _conjugated(g: Any) -> Any:
    return g if g.dtype in _PLAIN or not dtypes.is_complex(g.dtype) else conj(g)


def fitting(t: Any, like: Any, what: str) -> Any:
    """A tangent or cotangent as data, in the dtype of what it belongs to; ShapeError if it has another shape."""
    data = lowered(t) if type(t) is trace.Tensor else raw(t, copy=True)  # what comes of it is not the user's memory
    if select.apart(data, like):
        raise errors.DeviceError(
            f"{what} on {select.place(data)} for a value on {select.place(like)}; expected one device. Move it: t.to({select.place(like)!r})"
        )
    if data.shape != like.shape:
        raise errors.ShapeError(f"{what} of shape {data.shape}; expected {like.shape}")
    have, want = dtypes.of(data), dtypes.of(like)
    if have == want:
        return data
    if dtypes.is_complex(have) and not dtypes.is_complex(want):
        raise errors.DtypeError(
            f"{what} of dtype {have.name} for a real value of dtype {want.name}; take its real part: gg.real(t)"
        )
    return cast(data, dtype=want, source=have)


# ---- forward mode ---------------------------------------------------------------------------------------------------------


def check_pairs(primals: Sequence[Any], tangents: Sequence[Any], what: str) -> None:
    """Raise unless both are sequences with one entry per argument."""
    if not isinstance(primals, tuple | list) or not isinstance(tangents, tuple | list):
        raise errors.DtypeError(
            f"{what}: primals and tangents of type {type(primals).__name__} and {type(tangents).__name__}; expected a tuple each, with one entry per argument: (x,), (t,)"
        )
    if len(primals) != len(tangents):
        raise errors.ShapeError(
            f"{what}: {len(primals)} primals and {len(tangents)} tangents; expected one tangent per primal"
        )


def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False) -> Any:
    """``(f(*primals), tangent)``: the derivative of ``f`` along ``tangents``, in one forward pass.

    >>> import gpugrad as gg
    >>> gg.jvp(gg.sin, (gg.tensor(0.0),), (gg.tensor(2.0),))
    (tensor(0.), tensor(2.))
    """
    what = function_name(f)
    check_pairs(primals, tangents, f"jvp of {what}")
    with Forward() as forward:

        def dual(x: Any, t: Any) -> Any:
            data = lowered(x)
            check_differentiable(data, f"jvp of {what}: a primal")
            return value(data, forward, fitting(t, data, f"jvp of {what}: tangent"))

        given, in_tree = pytree.flatten(tuple(primals))
        moves = pytree.leaves_like(in_tree, tuple(tangents), f"jvp of {what}: the tangents")
        inputs = pytree.unflatten(in_tree, [dual(x, t) for x, t in zip(given, moves, strict=True)])
        out = f(*inputs)
        out, aux = with_aux(out, f) if has_aux else (out, None)
        outs, tree = pytree.flatten(out)
        outs = [o if type(o) is trace.Tensor else raised(lowered(o)) for o in outs]
    lower = [forward.lower(o) for o in outs]
    moved = [forward.mark(o) for o in outs]
    if all(m is None for m in moved) and any(dtypes.is_inexact(o.dtype) for o in outs):
        check_attached(forward, what)
    moved = [select.full(v.shape, 0, v) if m is None else m for v, m in zip(lower, moved, strict=True)]
    result = pytree.unflatten(tree, [raised(v) for v in lower]), pytree.unflatten(tree, [raised(m) for m in moved])
    return (*result, _off(forward, aux)) if has_aux else result


def stop_gradient(x: Any) -> Any:
    """``x`` as a constant: no derivative of any kind flows through it.

    >>> import gpugrad as gg
    >>> gg.grad(lambda x: x * gg.stop_gradient(x))(gg.tensor(3.0))
    tensor(3.)
    """
    return pytree.map(lambda v: stopped(as_value(v)), x)
