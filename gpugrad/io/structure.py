"""Nested containers as a flat dictionary of arrays and a description in JSON, and back.

A description is an object of one entry that says what it is: ``{"tensor": name}``, with ``"complex": true`` for numbers
that are stored as pairs along a last axis; ``{"dict": [[key, description], …]}``; ``{"list": […]}``; ``{"tuple": […]}``;
``{"value": v}`` for None, a truth value, a number or a string.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gpugrad import dtypes, errors, trace
from gpugrad.backends import select
from gpugrad.transforms.lift import as_value

Description = dict[str, Any]


class Damaged(Exception):
    """The description is not one."""


def taken_apart(tree: Any) -> tuple[dict[str, Any], Description]:
    """NumPy arrays by name, and the description. Raises UnsupportedError or DtypeError, with the place, for what cannot be saved."""
    arrays: dict[str, Any] = {}
    return arrays, _described(tree, "", arrays)


def _described(x: Any, at: str, arrays: dict[str, Any]) -> Description:
    if x is None or isinstance(x, bool | int | float | str):
        return {"value": x}
    if isinstance(x, np.generic) and x.dtype.kind in "biuf":
        return {"value": x.item()}
    if isinstance(x, Mapping):
        for key in x:
            if not isinstance(key, str | int) or isinstance(key, bool):
                raise errors.UnsupportedError(
                    f"save: the key {key!r} at {at or 'the top'}; expected strings or integers"
                )
        return {"dict": [[key, _described(v, _joined(at, key), arrays)] for key, v in x.items()]}
    if isinstance(x, list | tuple):
        kind = "list" if isinstance(x, list) else "tuple"
        return {kind: [_described(v, _joined(at, k), arrays) for k, v in enumerate(x)]}
    if type(x) is trace.Tensor or select.is_array(x):
        return _of_array(as_value(x), at, arrays)
    raise errors.UnsupportedError(
        f"save: {type(x).__module__}.{type(x).__qualname__} at {at or 'the top'}; expected tensors, arrays, numbers, strings, None, and dictionaries, lists and tuples of them"
    )


def _joined(at: str, key: Any) -> str:
    return f"{at}.{key}" if at else str(key)


def _of_array(tensor: Any, at: str, arrays: dict[str, Any]) -> Description:
    array = np.asarray(tensor.detach().to("cpu").numpy())
    is_complex = array.dtype.kind == "c"
    if is_complex:
        array = np.stack((array.real, array.imag), axis=-1)
    if (array.dtype.kind not in "biuf" and not dtypes.is_half(array.dtype)) or array.dtype.itemsize > 8:
        raise errors.DtypeError(
            f"save: the tensor at {at or 'the top'} has dtype {tensor.dtype.name}, which the format does not have. Cast it: x.astype('float64')"
        )
    name = unique = at or "tensor"
    count = 1
    while unique in arrays or unique == "__metadata__":
        count += 1
        unique = f"{name}#{count}"
    arrays[unique] = np.asarray(array, order="C")
    return {"tensor": unique, "complex": True} if is_complex else {"tensor": unique}


def put_together(description: Any, arrays: Mapping[str, Any], make: Callable[[Any], Any]) -> Any:
    """The opposite, with ``make`` of each NumPy array; Damaged unless the description uses each exactly once."""
    left = dict(arrays)
    tree = _built(description, left, make)
    if left:
        raise Damaged(f"its description leaves out {', '.join(sorted(left))}")
    return tree


def _built(d: Any, left: dict[str, Any], make: Callable[[Any], Any]) -> Any:
    match d:
        case {"value": None | bool() | int() | float() | str() as x, **rest} if not rest:
            return x
        case {"dict": list() as pairs, **rest} if not rest:
            return _built_dict(pairs, left, make)
        case {"list": list() as items, **rest} if not rest:
            return [_built(item, left, make) for item in items]
        case {"tuple": list() as items, **rest} if not rest:
            return tuple(_built(item, left, make) for item in items)
        case {"tensor": str() as name, **rest} if name in left and rest in ({}, {"complex": True}):
            array = left.pop(name)
            return make(_paired(array, name) if rest else array)
        case {"tensor": name}:
            raise Damaged(f"its description names a tensor {name!r} that is not there, or names it twice")
    raise Damaged("its description is damaged")


def _built_dict(pairs: list[Any], left: dict[str, Any], make: Callable[[Any], Any]) -> dict[Any, Any]:
    out: dict[Any, Any] = {}
    for pair in pairs:
        match pair:
            case [str() | int() as key, item] if not isinstance(key, bool) and key not in out:
                out[key] = _built(item, left, make)
            case _:
                raise Damaged("its description of a dictionary is damaged")
    return out


def _paired(array: Any, name: str) -> Any:
    if array.shape[-1:] != (2,) or array.dtype not in (np.float32, np.float64):
        raise Damaged(
            f"its tensor {name!r} of shape {array.shape} and dtype {array.dtype.name} does not hold complex numbers"
        )
    return array.view(dtypes.complex_of(array.dtype))[..., 0]
