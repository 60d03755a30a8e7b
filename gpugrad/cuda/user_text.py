"""What a text of CUDA C++ says of a function in it: its name and its parameters; and how a compiler's words about it are told."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpugrad import dtypes, errors
from gpugrad.cuda.device import declared

_TYPES = {
    "bool": "bool",
    "char": "int8",
    "signed char": "int8",
    "unsigned char": "uint8",
    "short": "int16",
    "unsigned short": "uint16",
    "int": "int32",
    "unsigned": "uint32",
    "long": np.dtype("l").name,
    "unsigned long": np.dtype("L").name,
    "long long": "int64",
    "unsigned long long": "uint64",
    "size_t": "uint64",
    "half": "float16",
    "__half": "float16",
    "nv_bfloat16": "bfloat16",
    "__nv_bfloat16": "bfloat16",
    "float": "float32",
    "double": "float64",
    "float2": "complex64",
    "double2": "complex128",
    **{f"{sign}int{bits}_t": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}
"""Type in C++ -> the dtype that it is."""
_SILENT = {"const", "volatile", "std", "cuda", "__restrict__", "__restrict", "restrict"}
"""Words of a declaration that say nothing of the dtype."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of a function in C++."""

    said: str
    """As it is declared."""
    name: str
    dtype: Any
    array: bool
    """Whether it is a pointer."""

    def refuses(self, x: Any) -> bool:
        """Whether it cannot be a Python number: by its type, or as that is too large."""
        kinds = {bool: "biuf", int: "iuf", float: "f"}
        if self.array or dtypes.is_half(self.dtype) or self.dtype.kind not in kinds.get(type(x), ""):
            return True
        return self.dtype.kind in "iu" and not np.iinfo(self.dtype).min <= x <= np.iinfo(self.dtype).max

    def value(self, x: Any) -> Any:
        """A Python number as ctypes has it."""
        return np.ctypeslib.as_ctypes_type(self.dtype)(x)


def function_of(text: str, name: str | None, preferred: str) -> tuple[str, list[Parameter]]:
    """The function of a text that is meant, and its parameters; ArgumentError if that is not said.

    That is the one called ``name``, else the only one, else the one called ``preferred``.
    """
    what = f"kernel {preferred}" if preferred else "gg.kernel"
    found = declared(text)
    chosen = name or (next(iter(found)) if len(found) == 1 else preferred)
    if chosen not in found:
        raise errors.ArgumentError(
            f"{what}: expected __global__ void {chosen or 'f'}(...) in its CUDA text; there is {', '.join(found) or 'none'}. Say which is meant: name="
        )
    return chosen, [_parameter(said.strip(), what) for said in found[chosen].split(",")]


def _parameter(said: str, what: str) -> Parameter:
    words = [w for w in re.findall(r"\w+", said) if w not in _SILENT]
    kind = " ".join(words[:-1]).removesuffix(" int")
    if kind not in _TYPES:
        raise errors.ArgumentError(
            f"{what}: parameter {said!r} of its CUDA function; expected one of, or a pointer to, {', '.join(_TYPES)}"
        )
    return Parameter(said, words[-1], dtypes.dtype(_TYPES[kind]), "*" in said or "[" in said)


def callable_by_name(text: str, file: str, line: int) -> str:
    """A text whose functions keep their names when they are compiled, and whose lines are told as those of a file."""
    linked = re.sub(r'(?:extern\s+"C"\s+)?__global__', 'extern "C" __global__', text)
    return f'#line {line} "{file}"\n{linked}'


def told(said: str) -> tuple[str, str]:
    """Of what a compiler said, where it is, as ``file:line``, and the first thing that is wrong."""
    for pattern in (
        r"^(.+?)\((\d+)\): (?:catastrophic )?error:? (.*)$",
        r"^(.+?):(\d+):(?:\d+:)? (?:fatal )?error: (.*)$",
    ):
        found = re.search(pattern, said, re.MULTILINE)
        if found:
            return f"{found[1]}:{found[2]}", found[3]
    return "", said


class Sizes:
    """The integers that a CUDA function takes after its arrays, known by their names.

    ``n`` is a size that the signature names; ``x_size`` how many elements x has, and ``x_shape_0`` its size along axis 0.
    """

    def __init__(
        self, wanted: Sequence[Parameter], names: Sequence[str], named: dict[str, tuple[int, int]], what: str
    ) -> None:
        self.what = what
        self._found: list[tuple[Parameter, int, int | None]] = []
        for p in wanted:
            array, size, axis = re.fullmatch(r"(.*?)(_size)?(?:_shape_(\d+))?", p.name).groups()  # type: ignore[union-attr]
            if p.name in named:
                self._found.append((p, *named[p.name]))
            elif array in names and (size is None) != (axis is None):
                self._found.append((p, names.index(array), None if axis is None else int(axis)))
            else:
                have = ", ".join(named) or "those of a signature shape="
                raise errors.ArgumentError(
                    f"{what}: parameter {p.said!r} of its CUDA function comes after the arrays, where sizes are; expected one of {have}, or {names[0]}_size, {names[0]}_shape_0 … of {', '.join(names)}"
                )
            if p.array or p.dtype.kind not in "iu":
                raise errors.ArgumentError(
                    f"{what}: parameter {p.said!r} of its CUDA function is a size; expected an integer"
                )

    def of(self, given: Sequence[Any]) -> list[Any]:
        """Their values for such arrays, what has a shape, and numbers; ShapeError for one that is too large."""
        out = []
        for p, k, axis in self._found:
            shape = getattr(given[k], "shape", ())
            if axis is not None and axis >= len(shape):
                raise errors.ShapeError(f"{self.what}: {p.said} is a size of what has the shape {shape}")
            n = math.prod(shape) if axis is None else shape[axis]
            if p.refuses(n):
                raise errors.ShapeError(
                    f"{self.what}: a size of {n} does not fit into {p.said}; declare it as long long"
                )
            out.append(p.value(n))
        return out
