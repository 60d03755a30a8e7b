"""A module as a function of its parameters, for the functional transforms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from gpugrad import errors
from gpugrad.nn.module import Module
from gpugrad.transforms.lift import as_value


def functional_call(module: Module, params: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
    """``module(*args, **kwargs)`` computed with ``params`` (dotted name -> value) in place of its own tensors.

    Names are those of ``named_parameters`` and ``named_buffers``; those not given keep the module's values. The module
    is as before when the call returns, except for buffers that the call itself updates and that were not given. While
    it runs the module must not be used from another thread. Raises FormatError for a name that the module does not
    have, ShapeError for a value of another shape.

    >>> import gpugrad as gg
    >>> layer = gg.nn.Linear(2, 1)
    >>> params = {name: p.detach() for name, p in layer.named_parameters()}
    >>> x = gg.ones((5, 2), dtype="float32")
    >>> gradient = gg.grad(lambda p: gg.nn.functional_call(layer, p, x).sum())(params)
    >>> gradient["weight"]
    tensor([[5., 5.]], dtype=float32)
    """
    with _replaced(module, params):
        return module(*args, **kwargs)


@contextmanager
def _replaced(module: Module, params: Mapping[str, Any]) -> Iterator[None]:
    places: dict[str, tuple[Module, str]] = {}
    shared: dict[int, list[str]] = {}
    for at, part in module.named_modules():
        for name, kind in part._kinds.items():
            v = part.__dict__[name]
            if kind != "module" and v is not None:
                full = f"{at}.{name}" if at else name
                places[full] = (part, name)
                shared.setdefault(id(v), []).append(full)
    unknown = [name for name in params if name not in places]
    if unknown:
        raise errors.FormatError(
            f"functional_call: {type(module).__name__} has no parameter or buffer {', '.join(unknown)}; it has {', '.join(places) or 'none'}"
        )
    new: dict[str, Any] = {}
    for name, v in params.items():
        part, attribute = places[name]
        old, v = part.__dict__[attribute], as_value(v)
        if v.shape != old.shape:
            raise errors.ShapeError(f"functional_call: {name} of shape {v.shape}; expected {old.shape}")
        for alias in shared[id(old)]:  # a tensor that stands in several places is replaced in all of them
            if alias == name or alias not in params:
                new[alias] = v
    before = {name: places[name][0].__dict__[places[name][1]] for name in new}
    try:
        for name, v in new.items():
            places[name][0].__dict__[places[name][1]] = v
        yield
    finally:
        for name, v in before.items():
            places[name][0].__dict__[places[name][1]] = v


__all__ = ["functional_call"]
