"""Modules made of modules: in sequence, in a list, by name."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, overload

from gpugrad import errors
from gpugrad.nn.module import Module


class _Numbered(Module):
    """Submodules under the names "0", "1" …"""

    def _fill(self, modules: Iterable[Module]) -> None:
        for name, _ in list(self.named_children()):
            delattr(self, name)
        for k, module in enumerate(modules):
            if not isinstance(module, Module):
                raise errors.UnsupportedError(
                    f"{type(self).__name__}: item {k} is {module!r}; expected a module"
                    + (" (an instance: write nn.ReLU(), not nn.ReLU)" if isinstance(module, type) else "")
                )
            setattr(self, str(k), module)

    def __len__(self) -> int:
        return sum(1 for _ in self.children())

    def __iter__(self) -> Iterator[Module]:
        return self.children()

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> _Numbered: ...
    def __getitem__(self, index: int | slice) -> Module:
        modules = list(self)
        if not isinstance(index, slice):
            return modules[self._position(index)]
        part = type(self)()
        part._fill(modules[index])
        return part

    def __setitem__(self, index: int, module: Module) -> None:
        modules = list(self)
        modules[self._position(index)] = module
        self._fill(modules)

    def __delitem__(self, index: int) -> None:
        modules = list(self)
        del modules[self._position(index)]
        self._fill(modules)

    def _position(self, index: int) -> int:
        n = len(self)
        try:
            index = operator.index(index)
        except TypeError:
            raise errors.DtypeError(
                f"{type(self).__name__}[{index!r}]: expected an integer or a slice. By name: getattr(module, name)"
            ) from None
        if not -n <= index < n:
            raise errors.AxisError(
                f"{type(self).__name__} of {n} modules has no item {index}; expected {-n} to {n - 1}"
                if n
                else f"{type(self).__name__} is empty: it has no item {index}"
            )
        return index % n

    def append(self, module: Module) -> _Numbered:
        """Add a module at the end; returns the container."""
        self._fill([*self, module])
        return self

    def extend(self, modules: Iterable[Module]) -> _Numbered:
        """Add modules at the end; returns the container."""
        self._fill([*self, *modules])
        return self

    def insert(self, index: int, module: Module) -> None:
        """Add a module before the one at ``index``."""
        modules = list(self)
        modules.insert(index, module)
        self._fill(modules)


class Sequential(_Numbered):
    """Modules applied one after another, each to the result of the one before.

    >>> import gpugrad as gg
    >>> gg.nn.Sequential(gg.nn.Linear(4, 8), gg.nn.ReLU(), gg.nn.Linear(8, 2))
    Sequential           58 parameters
    ├─ 0: Linear(4, 8)   40
    ├─ 1: ReLU()
    └─ 2: Linear(8, 2)   18
    """

    def __init__(self, *modules: Module) -> None:
        self._fill(modules)

    def forward(self, x: Any) -> Any:
        for module in self:
            x = module(x)
        return x


class ModuleList(_Numbered):
    """A list of modules that registers them; the module that holds it says how they are applied.

    >>> import gpugrad as gg
    >>> len(gg.nn.ModuleList(gg.nn.Linear(2, 2) for _ in range(3)))
    3
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        self._fill(modules)


class ModuleDict(Module):
    """A dictionary of modules that registers them; the module that holds it says how they are applied.

    Names must not contain a dot, which separates names in ``state_dict``.

    >>> import gpugrad as gg
    >>> heads = gg.nn.ModuleDict({"digit": gg.nn.Linear(8, 10), "parity": gg.nn.Linear(8, 2)})
    >>> heads["parity"]
    Linear(8, 2)  18 parameters
    """

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] = ()) -> None:
        self.update(modules)

    def __setitem__(self, name: str, module: Module) -> None:
        if (
            not isinstance(name, str)
            or "." in name
            or not isinstance(module, Module)
            or (hasattr(self, name) and name not in self)
        ):
            raise errors.UnsupportedError(
                f"ModuleDict[{name!r}] = {type(module).__name__}; expected a module under a name without a dot that is not an attribute of modules"
            )
        setattr(self, name, module)

    def __getitem__(self, name: str) -> Module:
        return dict(self.named_children())[name]

    def __delitem__(self, name: str) -> None:
        self[name]
        delattr(self, name)

    def __contains__(self, name: object) -> bool:
        return name in dict(self.named_children())

    def __len__(self) -> int:
        return sum(1 for _ in self.children())

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self.named_children())

    def keys(self) -> Iterator[str]:
        """The names."""
        return iter(self)

    def values(self) -> Iterator[Module]:
        """The modules."""
        return self.children()

    def items(self) -> Iterator[tuple[str, Module]]:
        """Pairs of name and module."""
        return self.named_children()

    def update(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]]) -> None:
        """Add modules by name."""
        for name, module in modules.items() if isinstance(modules, Mapping) else modules:
            self[name] = module


__all__ = ["ModuleDict", "ModuleList", "Sequential"]
