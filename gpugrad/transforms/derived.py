"""Jacobians, Hessians and products with them: the transforms combined."""

from __future__ import annotations

import functools as ft
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gpugrad import dtypes, errors, pytree
from gpugrad.backends import select
from gpugrad.ops.linear import conj, reshape
from gpugrad.trace import raw_of, value
from gpugrad.transforms.functional import (
    Argnums,
    argument_positions,
    check_holomorphic,
    check_pairs,
    function_name,
    grad,
    jvp,
    vjp,
)
from gpugrad.transforms.lift import lowered, raised
from gpugrad.transforms.tape import EAGER
from gpugrad.transforms.vectorize import vmap


def _basis(like: Any) -> Any:
    """One unit vector per element of ``like``, along a new leading axis."""
    shape = like.shape
    data = raw_of(like)
    n = math.prod(shape)
    return value(select.of(data).asarray(np.eye(n).reshape(n, *shape), dtype=data.dtype), EAGER, None)


def _partial(
    f: Callable[..., Any], args: Sequence[Any], positions: Sequence[int], kwargs: dict[str, Any]
) -> Callable[..., Any]:
    def of_some(*some: Any) -> Any:
        full = list(args)
        for p, x in zip(positions, some, strict=True):
            full[p] = x
        return f(*full, **kwargs)

    of_some.__name__ = function_name(f)
    return of_some


def jacfwd(
    f: Callable[..., Any],
    argnums: Argnums = 0,
    has_aux: bool = False,
    chunk_size: int | None = None,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """A function that returns the Jacobian of ``f``, by forward mode: one tangent per input element, all at once.

    For each result the container of the arguments, holding arrays of shape ``result.shape + argument.shape``. Costs
    as many forward passes as there are input elements; ``chunk_size`` bounds how many run at a time. Cheaper than
    :func:`jacrev` if there are more outputs than inputs. Complex arguments have a Jacobian if ``f`` is holomorphic;
    DtypeError unless ``holomorphic`` says so.

    >>> import gpugrad as gg
    >>> gg.jacfwd(lambda x: x * x)(gg.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """

    @ft.wraps(f)
    def run(*args: Any, **kwargs: Any) -> Any:
        positions = argument_positions(f, argnums, len(args))
        inputs = tuple(pytree.map(lambda x: raised(lowered(x)), args[p]) for p in positions)
        aux: list[Any] = []
        function = _partial(f, args, positions, kwargs)
        leaves, tree = pytree.flatten(inputs)
        if holomorphic or any(dtypes.is_complex(x.dtype) for x in leaves):
            _check_complex(leaves, holomorphic, f"jacfwd of {function_name(f)}")
        columns = []
        out: Any = None
        for k, x in enumerate(leaves):

            def along(t: Any, k: int = k) -> Any:
                nonlocal out, aux
                tangents = [value(select.full(v.shape, 0, lowered(v)), EAGER, None) for v in leaves]
                tangents[k] = t
                out, moved, *aux = jvp(function, inputs, pytree.unflatten(tree, tangents), has_aux=has_aux)
                return moved

            moved = vmap(along, out_axes=-1, chunk_size=chunk_size)(_basis(lowered(x)))
            columns.append([reshape(m, to=x.shape, rank=1) for m in pytree.leaves(moved)])
        out_leaves, out_tree = pytree.flatten(out)
        blocks = [pytree.unflatten(tree, [column[i] for column in columns]) for i in range(len(out_leaves))]
        result = pytree.unflatten(out_tree, [b[0] if not isinstance(argnums, tuple | list) else b for b in blocks])
        return (result, aux[0]) if has_aux else result

    return run


def _check_complex(values: Sequence[Any], holomorphic: bool, what: str) -> None:
    """DtypeError unless the function was said to be holomorphic, and is complex."""
    if not holomorphic:
        raise errors.DtypeError(
            f"{what}: complex values have a Jacobian only if the function is holomorphic: pass holomorphic=True; real arguments take jacfwd; else differentiate by the real and the imaginary part"
        )
    check_holomorphic(values, what)


def jacrev(
    f: Callable[..., Any],
    argnums: Argnums = 0,
    has_aux: bool = False,
    chunk_size: int | None = None,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """A function that returns the Jacobian of ``f``, by reverse mode: one cotangent per output element, all at once.

    Laid out as :func:`jacfwd`; cheaper than it if there are fewer outputs than inputs. Complex results have a Jacobian
    if ``f`` is holomorphic; DtypeError unless ``holomorphic`` says so. For real results of complex arguments, the rows
    are gradients, as of :func:`grad`.

    >>> import gpugrad as gg
    >>> gg.jacrev(lambda x: gg.sum(x * x))(gg.tensor([1.0, 2.0]))
    tensor([2., 4.])
    """

    @ft.wraps(f)
    def run(*args: Any, **kwargs: Any) -> Any:
        positions = argument_positions(f, argnums, len(args))
        inputs = tuple(args[p] for p in positions)
        out, pull, *aux = vjp(_partial(f, args, positions, kwargs), *inputs, has_aux=has_aux)
        leaves, out_tree = pytree.flatten(out)
        if holomorphic or any(dtypes.is_complex(y.dtype) for y in leaves):
            given = [raised(lowered(x)) for x in pytree.leaves(inputs)]
            _check_complex([*given, *leaves], holomorphic, f"jacrev of {function_name(f)}")
        blocks = []
        for i, y in enumerate(leaves):

            def from_(ct: Any, i: int = i) -> Any:
                cotangents = [value(select.full(v.shape, 0, lowered(v)), EAGER, None) for v in leaves]
                cotangents[i] = ct
                return pull(pytree.unflatten(out_tree, cotangents))

            moved = vmap(from_, chunk_size=chunk_size)(_basis(lowered(y)))
            block = pytree.map(lambda m, y=y: reshape(m, to=y.shape + m.shape[1:], rank=len(m.shape)), moved)
            if holomorphic:
                block = pytree.map(conj, block)  # a pullback is the adjoint
            blocks.append(block[0] if not isinstance(argnums, tuple | list) else block)
        result = pytree.unflatten(out_tree, blocks)
        return (result, aux[0]) if has_aux else result

    return run


def jacobian(
    f: Callable[..., Any],
    argnums: Argnums = 0,
    mode: str = "auto",
    chunk_size: int | None = None,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """The Jacobian of ``f`` in the cheaper mode: forward if there are no more inputs than outputs.

    ``mode`` is ``"auto"``, ``"fwd"`` or ``"rev"``. ``"auto"`` runs ``f`` once more, to count its outputs.

    >>> import gpugrad as gg
    >>> gg.jacobian(lambda x: x * x)(gg.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    modes = {"fwd": jacfwd, "rev": jacrev}
    if mode != "auto" and mode not in modes:
        raise errors.ArgumentError(f"jacobian: mode={mode!r}; expected 'auto', 'fwd' or 'rev'")

    @ft.wraps(f)
    def run(*args: Any, **kwargs: Any) -> Any:
        chosen = mode
        if chosen == "auto":
            positions = argument_positions(f, argnums, len(args))
            inputs = sum(math.prod(lowered(x).shape) for p in positions for x in pytree.leaves(args[p]))
            results = [lowered(y) for y in pytree.leaves(f(*args, **kwargs))]
            outputs = sum(math.prod(y.shape) for y in results)
            whole = not holomorphic and any(
                dtypes.is_complex(y.dtype) for y in results
            )  # the pullback sees a part of it
            chosen = "fwd" if inputs <= outputs or whole else "rev"
        return modes[chosen](f, argnums, chunk_size=chunk_size, holomorphic=holomorphic)(*args, **kwargs)

    return run


def hessian(
    f: Callable[..., Any], argnums: Argnums = 0, chunk_size: int | None = None, holomorphic: bool = False
) -> Callable[..., Any]:
    """A function that returns the second derivatives of ``f``, which must return one number: forward over reverse.

    >>> import gpugrad as gg
    >>> gg.hessian(lambda x: gg.sum(x * x * x))(gg.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    gradient = grad(f, argnums, holomorphic=holomorphic)
    return jacfwd(gradient, argnums, chunk_size=chunk_size, holomorphic=holomorphic)


def hvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    """The Hessian of ``f`` at ``primals`` times ``tangents``, without the Hessian: a small multiple of the cost of ``f``.

    ``primals`` and ``tangents`` are tuples with one entry per argument; so is the result, or one array for one.

    >>> import gpugrad as gg
    >>> gg.hvp(lambda x: gg.sum(x * x * x), (gg.tensor([1.0, 2.0]),), (gg.tensor([1.0, 1.0]),))
    tensor([ 6., 12.])
    """
    check_pairs(primals, tangents, f"hvp of {function_name(f)}")
    out = jvp(grad(f, tuple(range(len(primals)))), primals, tangents)[1]
    return out[0] if len(primals) == 1 else out
