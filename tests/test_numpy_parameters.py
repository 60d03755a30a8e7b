"""Every parameter of every NumPy function that accepts tensors: honoured as NumPy does, or refused by its name."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy_calls import FUNCTION_CALLS, UFUNC_CALLS, samples

import gpugrad as gg
from gpugrad import errors, pytree
from gpugrad.numpy.table import found

VALUES: dict[str, list[Any]] = {
    "a_max": [0.5], "a_min": [0.1], "append": [2.0], "assume_unique": [], "axis": [0, -1, 1, None, (0, 1), (0,), ()],
    "axis1": [1], "axis2": [0], "base": [2.0], "bias": [True], "casting": ["no", "equiv", "safe", "same_kind", "unsafe"],
    "compute_uv": [False], "copy": [True, False], "correction": [1.0], "cov": [True], "ddof": [1], "decimals": [1],
    "deg": [True, 2], "degrees": [True], "discont": [1.0], "dtype": [np.float32, float, complex, int], "dx": [0.5],
    "edge_order": [2], "endpoint": [False], "equal_nan": [True, False], "full": [True], "full_matrices": [False],
    "hermitian": [True], "include_initial": [True], "increasing": [True], "indexing": ["ij"], "initial": [2.0],
    "invert": [True], "k": [1, -1], "keepdims": [True], "kind": ["stable", "quicksort"], "left": [-1.0], "m": [2],
    "max": [0.5], "max_rank": [0], "mean": ["its own"], "method": ["nearest", "lower", "higher", "midpoint", "hazen"],
    "min": [0.1], "minlength": [7], "mode": ["wrap", "clip", "raise", "same", "full", "valid", "constant", "edge"],
    "n": [2], "N": [3], "nan": [1.0], "ndmin": [3], "neginf": [1.0], "num": [4], "offset": [1], "optimize": [True, "greedy"],
    "ord": [1], "order": ["C", "F", "A", "K"], "out": ["a buffer"], "overwrite_input": [True], "period": [3.0],
    "posinf": [1.0], "prepend": [1.0, 0], "range": [(-1.0, 1.0)], "density": [True], "bins": [4], "rcond": [1e-3],
    "retstep": [True], "return_counts": [True], "return_index": [True], "return_indices": [True], "return_inverse": [True],
    "returned": [True], "right": [9.0, True], "rowvar": [False], "rtol": [1e-3], "atol": [1e-3], "side": ["right"],
    "sorter": ["its own"], "sparse": [True], "stable": [True], "subok": [False, True], "tol": [1e-3], "trim": ["f", "b"],
    "UPLO": ["U"], "upper": [True], "w": ["its own"], "weights": ["its own"], "where": ["half"], "wrap": [True],
    "bitorder": ["little"], "count": [9],
}  # fmt: skip
"""Values to try for a parameter of that name; text in place of an array stands for one that fits the call."""

FREE = {"empty_like": "what memory held", "linalg.lstsq": "the rank is an int64", "spacing": "of zeros"}


def recorded(
    name: str, call: Callable[[Any, Any], Any], a: SimpleNamespace
) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    """The arguments with which ``call`` calls the function of that name; None if it is a method or an operator."""
    seen: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
    theirs = found(name)

    class Namespace:
        def __init__(self, path: str) -> None:
            self.path = path

        def __getattr__(self, key: str) -> Any:
            path = f"{self.path}{key}"
            f = found(path)
            if f is theirs:
                return lambda *args, **kwargs: (seen.append((args, kwargs)), f(*args, **kwargs))[1]
            return Namespace(f"{path}.") if inspect.ismodule(f) else f

    call(Namespace(""), a)
    return seen[0] if seen else None


def fitting(parameter: str, value: Any, args: tuple[Any, ...], kwargs: dict[str, Any], plain: Any) -> Any:
    """The array that a text among the values stands for; the value itself otherwise; None where there is none."""
    first = np.asarray(args[0]) if args and not isinstance(args[0], str | list | tuple) else np.zeros(())
    if parameter == "out":
        if isinstance(plain, tuple | list) or not isinstance(plain, np.ndarray | np.generic):
            return None
        return np.full(np.shape(plain), 7, np.asarray(plain).dtype)
    if parameter == "where" and value == "half":
        shape = np.shape(plain) if isinstance(plain, np.ndarray) and np.shape(plain) == first.shape else first.shape
        return np.arange(int(np.prod(shape))).reshape(shape) % 2 == 0
    if value != "its own":
        return value
    if parameter == "mean":
        return np.mean(first, axis=kwargs.get("axis", args[1] if len(args) > 1 else None), keepdims=True) + 0.1
    return np.argsort(first) if parameter == "sorter" else np.arange(1.0, first.size + 1).reshape(first.shape)


def outcome(f: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Exception | None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        args = tuple(x.copy() if isinstance(x, np.ndarray) else x for x in args)  # NumPy may write into them
        try:
            return f(*args, **kwargs), None
        except Exception as error:
            return None, error


CALLS = [
    pytest.param(name, call, id=f"{name}-{k}")
    for name, calls in (FUNCTION_CALLS | UFUNC_CALLS).items() if found(name) is not None and name not in FREE
    for k, call in enumerate(calls)
]  # fmt: skip


@pytest.mark.parametrize(("name", "call"), CALLS)
def test_every_parameter_is_honoured_or_refused(name: str, call: Callable[[Any, Any], Any]) -> None:
    tensors = SimpleNamespace(**{key: gg.tensor(x) for key, x in vars(samples()).items()})
    theirs, plain, ours = found(name), recorded(name, call, samples()), recorded(name, call, tensors)
    if plain is None or ours is None:
        return
    (args, kwargs), (targs, tkwargs) = plain, ours
    parameters = list(inspect.signature(theirs).parameters.values())
    given = {p.name for p in parameters[: len(args)]} - set(kwargs)
    for parameter in [p.name for p in parameters if p.name in VALUES and p.name not in given]:
        for value in VALUES[parameter]:
            base, _ = outcome(theirs, args, kwargs)
            fit = fitting(parameter, value, args, kwargs, base)
            if fit is None and value is not None:
                continue
            wanted, refused = outcome(theirs, args, kwargs | {parameter: fit})
            if refused is not None:
                continue  # NumPy's own users cannot write it
            mine = gg.tensor(fit) if isinstance(fit, np.ndarray) else fit
            got, error = outcome(theirs, targs, tkwargs | {parameter: mine})
            said = f"{name}({parameter}={value!r})"
            if error is not None:
                assert isinstance(error, errors.GpugradError | ValueError), f"{said}: {error!r}"
                assert parameter.strip("_") in str(error), f"{said}: {error}"
                continue
            rtol = 1e-5 if fit is np.float32 else 1e-9
            compare(said, got, wanted, rtol, fit if parameter == "where" else None)
            assert parameter != "out" or got is mine, said


def compare(said: str, got: Any, wanted: Any, rtol: float, where: Any) -> None:
    mine, theirs = (list(pytree.leaves(list(x) if isinstance(x, tuple) else x)) for x in (got, wanted))
    assert len(mine) == len(theirs), said
    for x, y in zip(mine, theirs, strict=True):
        x, y = np.asarray(x.numpy() if isinstance(x, gg.Tensor) else x), np.asarray(y)
        assert (x.shape, x.dtype) == (y.shape, y.dtype), said
        if where is not None and y.shape == where.shape:
            x, y = x[where], y[where]  # NumPy leaves out what it does not compute
        if y.dtype.kind in "biufc":
            np.testing.assert_allclose(x, y, rtol=rtol, atol=rtol * 0.01, err_msg=said)
