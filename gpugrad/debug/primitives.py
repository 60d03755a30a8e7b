"""Every primitive by its name, for generated programs: ``primitives.reduce_sum(x, axis=(-1,))``."""

from __future__ import annotations

from gpugrad.primitive import Primitive, registry


def __getattr__(name: str) -> Primitive:
    try:
        return registry[name]
    except KeyError:
        raise AttributeError(f"no primitive is named {name!r}") from None
