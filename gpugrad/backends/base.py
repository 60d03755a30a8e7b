"""What a backend is.

To add one: subclass :class:`Backend`, fill in the attributes, and name the class under the entry-point group
``gpugrad.backends`` in your package's metadata. Every primitive's general forward then runs on your array namespace;
``overrides`` replaces those that a library call of yours does better.
"""

from __future__ import annotations

import functools as ft
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

from gpugrad import errors
from gpugrad.primitive import Primitive


class Backend:
    """An array library on one kind of device."""

    name: str = ""
    device_kind: str = ""
    """"cpu" or "cuda"."""
    array_types: tuple[type, ...] = ()
    """The types of its arrays; they choose the backend of an operation."""
    xp: Any = None
    """Its array namespace, by the array API standard."""
    compiles = False
    """Whether ``gg.jit`` has plans for it."""
    absorbs = False
    """Whether an operation that has one of its arrays among arrays of others is its own."""
    overrides: dict[str, Callable[..., Any]]
    """Primitive name -> ``call(*arrays, **params)``."""

    def __init__(self) -> None:
        self.overrides = {}

    def why_not(self) -> str | None:
        """Why it cannot be used here, and the command that mends it; None if it can."""
        return None

    def implementation(self, prim: Primitive, array_type: type) -> Callable[..., Any]:
        """The callable that runs ``prim`` on arrays of ``array_type``."""
        override = self.overrides.get(prim.name)
        if override is not None:
            return override
        if prim.forward is not None:
            return ft.partial(prim.forward, self.xp)
        found: Callable[..., Any] = getattr(self.xp, prim.name)
        return found

    def prefers(self, prim: Primitive, args: Sequence[Any], params: dict[str, Any]) -> bool:
        """Whether it has ``prim`` for such operands (their shapes and dtypes) better than what it could be composed of."""
        return False

    def asarray(self, data: Any, dtype: Any = None, copy: bool | None = None) -> Any:
        """An array of this backend from anything array-like; ``copy`` as in NumPy."""
        raise NotImplementedError

    def current(self, device: str) -> Any:
        """A context in which a device of this backend is the one that the library works on."""
        return nullcontext()

    def to_device(self, array: Any, device: str) -> Any:
        """The array on a device of this backend, given by its full name; as it is if it is there."""
        return array

    def copied(self, array: Any) -> Any:
        """A copy in C's order, on the same device."""
        return self.asarray(array, copy=True)

    def full(self, shape: tuple[int, ...], fill: Any, dtype: Any) -> Any:
        """An array filled with one number."""
        return self.xp.full(shape, fill, dtype=dtype)

    def full_beside(self, like: Any, shape: tuple[int, ...], fill: Any, dtype: Any) -> Any:
        """The same on the device of an array of its own."""
        return self.full(shape, fill, dtype)

    def to_numpy(self, array: Any) -> Any:
        """The same values as a NumPy array, which may share memory."""
        raise NotImplementedError

    def device_of(self, array: Any) -> str:
        """Where an array is: "cpu", "cuda:0" …"""
        raise NotImplementedError

    def devices(self) -> list[str]:
        """The devices of this backend that are present."""
        return []

    def plans_on(self, place: str) -> Any:
        """The device of that name as plans run on it; DeviceError where plans need none."""
        raise errors.DeviceError(f"backend {self.name!r} has no device that plans are made for, {place!r} or another")

    def synchronize(self) -> None:
        """Wait until all work is done; nothing to do where calls return finished."""
