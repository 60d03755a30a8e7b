"""Is a derivative right? Compared with differences, and the two modes with each other."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from gpugrad import dtypes, errors, pytree
from gpugrad.creation import asarray
from gpugrad.transforms.functional import function_name, jvp, vjp
from gpugrad.transforms.lift import as_value

__all__ = ["check_grads"]

_MODES = {"fwd": "forward mode", "rev": "reverse mode"}
_TOLERANCES = {8: (1e-6, 1e-9), 4: (2e-3, 1e-4), 2: (1e-1, 2e-2)}
"""Bytes of a real number -> tolerance against differences, and between the two modes."""

Function = Callable[..., tuple[Any, ...]]


def check_grads(
    f: Callable[..., Any],
    args: Sequence[Any],
    order: int = 2,
    modes: str | Sequence[str] = ("fwd", "rev"),
    rtol: float | None = None,
    atol: float | None = None,
    eps: float | None = None,
) -> None:
    """Check the derivatives of ``f`` at ``args``, an argument each, up to ``order``, in both modes.

    A derivative along a random direction is compared with a central difference in float64; the derivative, as a
    function of the point and of the direction, is then checked in the same way, down to ``order``. With both modes,
    ⟨u, Jv⟩ and ⟨Jᵀu, v⟩ are compared too, much more tightly. Arguments and results may be nested containers; what is
    in them of integers and booleans is held. The directions are the same in every run.

    ``rtol`` (1e-6 in float64, 2e-3 in float32, 0.1 in half precision) is relative to the size of the derivative,
    ``atol`` (0) is added, ``eps`` (6e-6) is the step. Choose a point that is away from kinks by more than the step.

    Raises AssertionError, which says the mode, the order and the argument, what was expected and what came, and
    DtypeError if there is nothing to differentiate. Costs some ``5 ** order`` runs of ``f``, whatever the number of elements.

    >>> import gpugrad as gg
    >>> gg.testing.check_grads(lambda p: gg.sum(gg.sin(p["x"]) * p["y"]), ({"x": gg.tensor([1.0, 2.0]), "y": 3.0},))
    >>> @gg.custom_vjp
    ... def wrong(x): return x * x
    >>> wrong.defvjp(lambda x: (x * x, x), lambda x, g: (g * x,))
    >>> gg.testing.check_grads(wrong, (gg.tensor(3.0),), order=1, modes=("rev",))
    Traceback (most recent call last):
    ...
    AssertionError: wrong: reverse mode, order 1, argument 0: expected -0.0996..., got -0.0498...
    """
    modes = (modes,) if isinstance(modes, str) else tuple(modes)
    if not isinstance(args, tuple | list):
        raise errors.DtypeError(
            f"check_grads of {function_name(f)}: args of type {type(args).__name__}; expected a tuple, with one entry per argument: (x,)"
        )
    if order < 1 or not modes or any(m not in _MODES for m in modes):
        raise errors.ArgumentError(
            f"check_grads: order={order}, modes={modes!r}; expected an order from 1 and modes of 'fwd' and 'rev'"
        )
    leaves, tree = pytree.flatten(tuple(args))
    paths = [name for k, a in enumerate(args) for name in pytree.paths(pytree.flatten(a)[1], f"argument {k}")]
    values = [as_value(x).detach() for x in leaves]
    moving = [k for k, v in enumerate(values) if dtypes.is_inexact(v.dtype)]

    def flat(*xs: Any) -> tuple[Any, ...]:
        given = list(leaves)
        for k, x in zip(moving, xs, strict=True):
            given[k] = x
        outs = (as_value(o) for o in pytree.leaves(f(*pytree.unflatten(tree, given))))
        return tuple(o for o in outs if dtypes.is_inexact(o.dtype))

    xs = [values[k] for k in moving]
    name = function_name(f)
    if not xs or not flat(*xs):
        raise errors.DtypeError(
            f"check_grads of {name}: nothing to differentiate; expected floating-point arguments and results"
        )
    bytes_of = min(dtypes.real_of(x.dtype).itemsize for x in xs)
    check = _Check(name, modes, bytes_of, rtol, atol, eps)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", errors.GradientWarning)  # a zero derivative is compared like any other
        check.run(flat, xs, [paths[k] for k in moving], order, ())


class _Check:
    """The settings of one call, and the stream of its random directions."""

    def __init__(
        self, name: str, modes: Sequence[str], size: int, rtol: float | None, atol: float | None, eps: float | None
    ) -> None:
        self.name = name
        self.modes = modes
        self.rtol, self.identity = _TOLERANCES[size]
        if rtol is not None:
            self.identity *= max(1.0, rtol / self.rtol)
            self.rtol = rtol
        self.atol = 0.0 if atol is None else atol
        self.eps = 6e-6 if eps is None else eps
        self.rng = np.random.default_rng(0)

    def run(self, f: Function, xs: list[Any], paths: list[str], order: int, above: tuple[str, ...]) -> None:
        """Check the first derivative of ``f``; then those derivatives as functions; ``above`` is how ``f`` came about."""
        vs = [self.direction(x) for x in xs]
        expected, noise = self.difference(f, xs, vs)
        moved: Any = None
        if "fwd" in self.modes:
            out, moved = jvp(f, xs, vs)
            _same_kind(moved, out, f"{self.where('fwd', above)}: the tangent of result")
            for k, (got, want) in enumerate(zip(moved, expected, strict=True)):
                if not self.close(_host(got), want, self.rtol, _size(want), noise):
                    raise AssertionError(self.explain_forward(f, xs, vs, paths, above, k))
        if "rev" in self.modes:
            out, pull = vjp(f, *xs)
            us = [self.direction(y) for y in out]
            cts = pull(tuple(us))
            _same_kind(cts, xs, f"{self.where('rev', above)}: the cotangent of argument")
            got = _pairing(cts, vs)
            rounding = noise * sum(float(np.sum(np.abs(_host(u)))) for u in us)
            if not self.close(got, _pairing(us, expected), self.rtol, _scale(us, expected), rounding):
                raise AssertionError(self.explain_reverse(f, xs, vs, us, cts, paths, above))
            if moved is not None:
                exact = _pairing(us, moved)
                scale = _scale(us, moved) + _scale(cts, vs)
                if not self.close(got, exact, self.identity, scale, 0.0):
                    raise AssertionError(
                        f"{self.name}: order {len(above) + 1}: the modes disagree: ⟨u, Jv⟩ = {exact!r} forward, ⟨Jᵀu, v⟩ = {got!r} in reverse"
                    )
        if order > 1:
            n = len(xs)
            if "fwd" in self.modes:
                tangents = [f"the tangent of {p}" for p in paths]
                self.run(lambda *a: jvp(f, a[:n], a[n:])[1], [*xs, *vs], paths + tangents, order - 1, (*above, "fwd"))
            if "rev" in self.modes:
                cotangents = [f"the cotangent of result {k}" for k in range(len(us))]
                self.run(
                    lambda *a: vjp(f, *a[:n])[1](a[n:]), [*xs, *us], paths + cotangents, order - 1, (*above, "rev")
                )

    def direction(self, like: Any) -> Any:
        """Normal random numbers in the shape, dtype and place of ``like``."""
        v = self.rng.standard_normal(like.shape)
        if dtypes.is_complex(like.dtype):
            v = v + 1j * self.rng.standard_normal(like.shape)
        return asarray(v, dtype=like.dtype, device=like.device)

    def difference(self, f: Function, xs: list[Any], vs: list[Any]) -> tuple[list[Any], float]:
        """The derivative of ``f`` along ``vs`` by a central difference, and what rounding may have left in it."""

        def at(step: float) -> list[Any]:
            points = [_host(x) + step * _host(v) for x, v in zip(xs, vs, strict=True)]
            return [_host(y) for y in f(*[asarray(p, device=x.device) for p, x in zip(points, xs, strict=True)])]

        low, high = at(-self.eps), at(self.eps)
        noise = 8 * np.finfo(np.float64).eps / self.eps * max(map(_size, high))
        return [(b - a) / (2 * self.eps) for a, b in zip(low, high, strict=True)], noise

    def close(self, got: Any, want: Any, rtol: float, scale: float, noise: float) -> bool:
        """Whether two numbers or arrays agree; NaN agrees with nothing."""
        return bool(np.all(np.abs(got - want) <= self.atol + rtol * scale + noise))

    def where(self, mode: str, above: tuple[str, ...]) -> str:
        """The place of a check, in words."""
        outer = f" (of {' of '.join(_MODES[m] for m in reversed(above))})" if above else ""
        return f"{self.name}: {_MODES[mode]}, order {len(above) + 1}{outer}"

    def singly(self, xs: list[Any], vs: list[Any]) -> Iterator[tuple[int, list[Any]]]:
        """For each argument the direction that moves it alone."""
        for k in range(len(xs)):
            yield (
                k,
                [v if i == k else asarray(np.zeros(v.shape), dtype=v.dtype, device=v.device) for i, v in enumerate(vs)],
            )

    def explain_forward(
        self, f: Function, xs: list[Any], vs: list[Any], paths: list[str], above: tuple[str, ...], result: int
    ) -> str:
        """The argument whose tangent does wrong, with the numbers."""
        place, directions = "the arguments together", vs
        for k, alone in self.singly(xs, vs):
            want, noise = self.difference(f, xs, alone)
            if not self.close(_host(jvp(f, xs, alone)[1][result]), want[result], self.rtol, _size(want[result]), noise):
                place, directions = paths[k], alone
                break
        want, _ = self.difference(f, xs, directions)
        got = jvp(f, xs, directions)[1]
        many = f", result {result}" if len(want) > 1 else ""
        return f"{self.where('fwd', above)}, {place}{many}: expected {_shown(want[result])}, got {_shown(_host(got[result]))}"

    def explain_reverse(
        self,
        f: Function,
        xs: list[Any],
        vs: list[Any],
        us: list[Any],
        cts: Any,
        paths: list[str],
        above: tuple[str, ...],
    ) -> str:
        """The argument whose cotangent is wrong, with the numbers."""
        for k, alone in self.singly(xs, vs):
            want, noise = self.difference(f, xs, alone)
            expected, got = _pairing(us, want), _inner(cts[k], vs[k])
            if not self.close(got, expected, self.rtol, _scale(us, want), noise):
                return f"{self.where('rev', above)}, {paths[k]}: expected {expected!r}, got {got!r}"
        want, _ = self.difference(f, xs, vs)
        got = _pairing(cts, vs)
        return f"{self.where('rev', above)}, the arguments together: expected {_pairing(us, want)!r}, got {got!r}"


def _host(x: Any) -> Any:
    """A tensor as a NumPy array of double precision."""
    if isinstance(x, np.ndarray | np.generic):
        return x
    a = x.detach().to("cpu").numpy()
    return a.astype(np.complex128 if dtypes.is_complex(x.dtype) else np.float64)


def _size(a: Any) -> float:
    return float(np.max(np.abs(a), initial=0.0))


def _inner(u: Any, v: Any) -> float:
    """Re ⟨u, v⟩, which is how cotangents pair with tangents."""
    return float(np.sum(np.conj(_host(u)) * _host(v)).real)


def _pairing(us: Sequence[Any], vs: Sequence[Any]) -> float:
    return sum(_inner(u, v) for u, v in zip(us, vs, strict=True))


def _scale(us: Sequence[Any], vs: Sequence[Any]) -> float:
    """What :func:`_pairing` would be without cancellation."""
    return sum(float(np.sum(np.abs(_host(u)) * np.abs(_host(v)))) for u, v in zip(us, vs, strict=True))


def _same_kind(got: Sequence[Any], like: Sequence[Any], what: str) -> None:
    for k, (g, x) in enumerate(zip(got, like, strict=True)):
        if g.shape != x.shape or g.dtype != x.dtype:
            raise AssertionError(
                f"{what} {k} has shape {g.shape} and dtype {g.dtype.name}; expected {x.shape} and {x.dtype.name}"
            )


def _shown(a: Any) -> str:
    return np.array2string(np.asarray(a), threshold=20)
