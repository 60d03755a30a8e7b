"""Module: a function with parameters. Assigning an attribute is what registers it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

from gpugrad import dtypes, errors, trace
from gpugrad.backends import select
from gpugrad.nn import state, tree
from gpugrad.nn.parameter import become
from gpugrad.transforms.modes import no_grad
from gpugrad.transforms.node import Leaf

_PARAMETER, _BUFFER, _MODULE = "parameter", "buffer", "module"


class Handle:
    """A registered hook; ``remove()`` ends it."""

    def __init__(self, hooks: dict[int, Any], hook: Any) -> None:
        self._hooks = hooks
        self._key = id(self)
        hooks[self._key] = hook

    def remove(self) -> None:
        """Call it no more."""
        self._hooks.pop(self._key, None)


class Module:
    """A function with parameters, made of smaller ones. Subclass it, set attributes in ``__init__``, write ``forward``.

    An attribute that is a leaf tensor with ``requires_grad`` (:func:`Parameter`) is a parameter; one that is a module
    is a submodule; :meth:`register_buffer` makes one that is saved with the module and not trained. Calling
    ``super().__init__()`` is not needed.

    >>> import gpugrad as gg
    >>> class Scale(gg.nn.Module):
    ...     def __init__(self, factor):
    ...         self.factor = gg.nn.Parameter(factor)
    ...     def forward(self, x):
    ...         return self.factor * x
    >>> scale = Scale(2.0)
    >>> scale(gg.tensor(3.0, dtype="float32")).item()
    6.0
    >>> dict(scale.named_parameters())
    {'factor': tensor(2., dtype=float32, requires_grad=True)}
    """

    training: bool
    _kinds: dict[str, str]
    """Name of each registered attribute -> what it is, in the order of assignment. The values are ordinary attributes."""
    _transient: set[str]
    """Buffers that are not saved."""
    _hooks: dict[int, Callable[[Module, tuple[Any, ...], Any], Any]]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        self = super().__new__(cls)
        self.__dict__.update(training=True, _kinds={}, _transient=set(), _hooks={})
        return self

    def __settings__(self) -> Any:
        """What a compiled function that calls the module is compiled for."""
        return self.training

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; called by ``module(...)``."""
        raise errors.UnsupportedError(
            f"{type(self).__name__} has no forward; expected a method forward(self, x), which says what it computes"
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        out = self.forward(*args, **kwargs)
        if self._hooks:
            for hook in list(self._hooks.values()):
                changed = hook(self, args, out)
                if changed is not None:
                    out = changed
        return out

    def register_forward_hook(self, hook: Callable[[Module, tuple[Any, ...], Any], Any]) -> Handle:
        """Call ``hook(module, args, output)`` after each forward; what it returns, if anything, is the output.

        Returns a handle whose ``remove()`` ends it.

        >>> import gpugrad as gg
        >>> layer = gg.nn.ReLU()
        >>> handle = layer.register_forward_hook(lambda module, args, out: print("shape", out.shape))
        >>> y = layer(gg.tensor([1.0, -1.0])); handle.remove()
        shape (2,)
        """
        return Handle(self._hooks, hook)

    # ---- registration ---------------------------------------------------------------------------------------------

    def __setattr__(self, name: str, new: Any) -> None:
        kind = self._kinds.get(name)
        if isinstance(new, Module):
            self._kinds[name] = _MODULE
        elif type(new) is trace.Tensor and isinstance(new._mark, Leaf) and kind != _BUFFER:
            self._kinds[name] = _PARAMETER
        elif kind == _PARAMETER and new is not None:
            what = "a computed tensor" if type(new) is trace.Tensor else type(new).__name__
            raise errors.GraphError(
                f"{type(self).__name__}.{name} is a parameter and cannot be set to {what}, which would take it out of training. Set nn.Parameter(value), copy into it (module.{name}.copy_(value)), or use nn.functional_call"
            )
        elif kind == _MODULE and new is not None:
            raise errors.UnsupportedError(
                f"{type(self).__name__}.{name} is a submodule and cannot be set to {type(new).__name__}, which would take its parameters out of training; expected a module or None. To have something else there: del module.{name}"
            )
        elif kind == _BUFFER and not (new is None or type(new) is trace.Tensor):
            raise _no_buffer(self, name, new)
        elif kind == _BUFFER or (new is None and kind is not None):
            pass  # a buffer's new value, or an empty place, which keeps its kind
        else:
            self._kinds.pop(name, None)
            _warn_of_hidden(self, name, new)
        self.__dict__[name] = new

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        self._kinds.pop(name, None)
        self._transient.discard(name)

    def register_buffer(self, name: str, value: Any, persistent: bool = True) -> None:
        """Make an attribute of a tensor that is part of the module's state and is not trained.

        With ``persistent=False`` it moves with the module and is not in ``state_dict``. Raises UnsupportedError for a
        name that a buffer cannot have, DtypeError for a value that is neither a tensor nor None.
        """
        if not name.isidentifier():
            raise errors.UnsupportedError(f"register_buffer({name!r}): expected a name that can be an attribute")
        if getattr(type(self), name, None) is not None or self._kinds.get(name, _BUFFER) != _BUFFER:
            raise errors.UnsupportedError(
                f"register_buffer({name!r}): {type(self).__name__} has something else of that name; expected another name"
            )
        if not (value is None or type(value) is trace.Tensor):
            raise _no_buffer(self, name, value)
        self._kinds[name] = _BUFFER
        self._transient.discard(name)
        if not persistent:
            self._transient.add(name)
        setattr(self, name, value)

    # ---- what is in it --------------------------------------------------------------------------------------------

    def _own(self, kind: str) -> Iterator[tuple[str, Any]]:
        attributes = self.__dict__
        return (
            (name, attributes[name]) for name, k in self._kinds.items() if k == kind and attributes[name] is not None
        )

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """This module (under the name ``prefix``) and all below it, each once, with dotted names."""
        return _walk(self, prefix, set())

    def modules(self) -> Iterator[Module]:
        """This module and all below it, each once."""
        return (m for _, m in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The direct submodules with their names."""
        return self._own(_MODULE)

    def children(self) -> Iterator[Module]:
        """The direct submodules."""
        return (m for _, m in self._own(_MODULE))

    def _named(self, kind: str, prefix: str) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        for at, module in self.named_modules(prefix):
            for name, tensor in module._own(kind):
                if id(tensor) not in seen:
                    seen.add(id(tensor))
                    yield f"{at}.{name}" if at else name, tensor

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Any]]:
        """Every parameter once, with its dotted name: ``layers.0.weight``."""
        return self._named(_PARAMETER, prefix)

    def parameters(self) -> Iterator[Any]:
        """Every parameter once: what an optimizer is given."""
        return (p for _, p in self.named_parameters())

    def named_buffers(self, prefix: str = "") -> Iterator[tuple[str, Any]]:
        """Every buffer once, with its dotted name."""
        return self._named(_BUFFER, prefix)

    def buffers(self) -> Iterator[Any]:
        """Every buffer once."""
        return (b for _, b in self.named_buffers())

    def apply(self, function: Callable[[Module], Any]) -> Self:
        """Call ``function`` on this module and all below it, the deepest first; returns the module."""
        for child in self.children():
            child.apply(function)
        function(self)
        return self

    # ---- modes ----------------------------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Self:
        """Set training mode (dropout drops, batch norm uses the batch) throughout; returns the module."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Set evaluation mode throughout; returns the module."""
        return self.train(False)

    def requires_grad_(self, wanted: bool = True) -> Self:
        """Train all parameters, or (``False``) freeze them; returns the module."""
        for p in self.parameters():
            p.requires_grad = wanted
        return self

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters: ``.grad`` is None again."""
        for p in self.parameters():
            p.grad = None

    def to(self, device: str) -> Self:
        """Move parameters, gradients and buffers to a device, in place; returns the module.

        The tensors stay the same objects, so that an optimizer that was given them keeps working on them.
        """
        target = select.resolve(device)
        for t in (*self.parameters(), *self.buffers()):
            if t.device != target:
                become(t, t.detach().to(target))
        return self

    def astype(self, dtype: Any) -> Self:
        """Cast floating-point parameters, gradients and buffers, in place; returns the module.

        Make the optimizer afterwards: its moments keep the dtype that they were made in.
        """
        wanted = dtypes.dtype(dtype)
        if not dtypes.is_inexact(wanted):
            raise errors.DtypeError(
                f"{type(self).__name__}.astype({wanted.name!r}): parameters are floating-point; expected float16, bfloat16, float32, float64 or a complex dtype"
            )
        with no_grad():
            for t in (*self.parameters(), *self.buffers()):
                if dtypes.is_inexact(t.dtype) and t.dtype != wanted:
                    become(t, t.detach().astype(wanted))
        return self

    # ---- state ----------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Copies of all parameters and persistent buffers, by dotted name: what a file holds.

        >>> import gpugrad as gg
        >>> list(gg.nn.Linear(2, 1).state_dict())
        ['weight', 'bias']
        """
        return {name: state.copied(t) for name, t in self._state()}

    def load_state_dict(self, values: Mapping[str, Any], strict: bool = True) -> None:
        """Copy values into the parameters and buffers of the same names, cast to their dtypes and devices.

        Raises FormatError that lists every missing, unexpected and mis-shaped name, and then has changed nothing; with
        ``strict=False`` missing and unexpected names are passed over.
        """
        state.load(type(self).__name__, dict(self._state()), values, strict)

    def _state(self) -> Iterator[tuple[str, Any]]:
        """Everything that is saved, under every name it has (shared tensors have several)."""
        return _walk_state(self, "")

    # ---- as text ---------------------------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """What stands in the parentheses after the class name."""
        return ""

    def __repr__(self) -> str:
        return tree.drawn(self)


def _walk(module: Module, at: str, seen: set[int]) -> Iterator[tuple[str, Module]]:
    if id(module) in seen:
        return
    seen.add(id(module))
    yield at, module
    for name, child in module.named_children():
        yield from _walk(child, f"{at}.{name}" if at else name, seen)


def _walk_state(module: Module, at: str) -> Iterator[tuple[str, Any]]:
    attributes = module.__dict__
    for name, kind in module._kinds.items():
        v = attributes[name]
        if v is None or name in module._transient:
            continue
        if kind == _MODULE:
            yield from _walk_state(v, f"{at}{name}.")
        else:
            yield at + name, v


def _no_buffer(module: Module, name: str, new: Any) -> errors.DtypeError:
    return errors.DtypeError(
        f"{type(module).__name__}.{name} is a buffer and cannot be set to {type(new).__name__}; expected a tensor or None. Make it one: gg.tensor(value)"
    )


def _warn_of_hidden(module: Module, name: str, new: Any) -> None:
    """A plain list of layers looks registered and is not: its parameters would silently stay as they are."""
    if type(new) not in (list, tuple, dict):
        return
    items = new.values() if type(new) is dict else new
    if any(isinstance(v, Module) or (type(v) is trace.Tensor and isinstance(v._mark, Leaf)) for v in items):
        warnings.warn(
            f"{type(module).__name__}.{name} is a {type(new).__name__} with modules or parameters, which are not registered in it and would not be trained, moved or saved; use nn.ModuleList, nn.ModuleDict, or one attribute for each",
            errors.GradientWarning,
            stacklevel=3,
        )


__all__ = ["Handle", "Module"]
