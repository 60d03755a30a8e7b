"""``gpugrad bench module:function``: a function of the user's own through the same measurements."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gpugrad import dtypes, errors
from gpugrad.bench.workloads import Workload

_ARRAY = re.compile(r"^(?:(?P<shape>\d+(?:x\d+)*|scalar))(?::(?P<dtype>\w+))?$")


def workload(name: str, given: Sequence[str]) -> Workload:
    """The workload of a function, ``package.module:function``, on arrays that are described as "1000x10:float32".

    Raises ArgumentError for what is no function, and for what describes no array. The dtype is float32 unless it is
    said; integers are drawn from 0 to 9. "scalar" is an array of no axes.
    """
    arrays = [_described(text) for text in given]
    floats = {dtype for _, dtype in arrays if dtypes.dtype(dtype).kind not in "iub"}
    if not arrays:
        raise errors.ArgumentError(f"bench {name}: no arguments; say their shapes: --args 1000x1000 1000:float64")
    if len(floats) != 1:
        told = " and ".join(sorted(floats)) or "none"
        raise errors.ArgumentError(f"bench {name}: floating-point arguments in {told}; expected one dtype of them")
    size = max(int(np.prod(shape, dtype=np.int64)) for shape, _ in arrays)
    return Workload(
        name, "a function of the user's", "elements", [size], [size], sorted(floats), "bandwidth",
        lambda _, rng: tuple(_drawn(shape, dtype, rng) for shape, dtype in arrays), _found(name),
    )  # fmt: skip


def _described(text: str) -> tuple[tuple[int, ...], str]:
    found = _ARRAY.match(text)
    if not found:
        raise errors.ArgumentError(
            f"bench: --args {text!r}; expected a shape, and a dtype if it is not float32: 1000x10:float64"
        )
    shape = () if found["shape"] == "scalar" else tuple(map(int, found["shape"].split("x")))
    return shape, dtypes.name(dtypes.dtype(found["dtype"] or "float32"))


def _drawn(shape: tuple[int, ...], dtype: str, rng: Any) -> Any:
    kind = dtypes.dtype(dtype).kind
    if kind in "iu":
        return rng.integers(0, 10, shape).astype(dtype)
    return rng.random(shape) < 0.5 if kind == "b" else rng.standard_normal(shape, np.float32)


def _found(name: str) -> Callable[..., Any]:
    module, _, attribute = name.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)  # as python -m has it, so that a file in this folder is found
    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise errors.ArgumentError(
            f"bench {name}: {error}; expected package.module:function, to be imported from {here}"
        ) from None
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise errors.ArgumentError(f"bench {name}: {module} has no {attribute!r}")
        found = getattr(found, part)
    if not callable(found):
        raise errors.ArgumentError(
            f"bench {name}: {attribute} is a {type(found).__name__}; expected a function of arrays"
        )
    return found  # type: ignore[no-any-return]
