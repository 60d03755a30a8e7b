"""Where did the first NaN or infinity come from? A step is computed again, looking at each value on the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gpugrad import nn
from gpugrad.ops.elementwise import isfinite, isnan
from gpugrad.transforms.modes import no_grad


def finite(t: Any) -> bool:
    """Whether every element is neither NaN nor infinite."""
    return bool(isfinite(t.detach()).all())


def _kind(t: Any) -> str:
    return "NaN" if bool(isnan(t.detach()).any()) else "infinity"


def origin(model: nn.Module, loss_of: Callable[[Any, Any], Any], x: Any, y: Any) -> str:
    """The first value of a step, in the order in which they arise, that is not finite; in words.

    Looked at: the parameters and buffers, the input, the output of each module in the order in which they run, the
    loss, and the gradients, from those of the last parameters, which are computed first, to the first's.
    """
    for name, t in (*model.named_parameters(), *model.named_buffers()):
        if not finite(t):
            return f"{_kind(t)} in {name} of shape {t.shape}, before the step"
    if not finite(x):
        return f"{_kind(x)} in the input of shape {x.shape}"
    found: list[str] = []
    named = {id(module): name for name, module in model.named_modules()}

    def look(module: nn.Module, args: tuple[Any, ...], out: Any) -> None:
        if not found and hasattr(out, "shape") and not finite(out):
            place = f"{named[id(module)]} ({type(module).__name__})" if named[id(module)] else type(module).__name__
            found.append(f"{_kind(out)} in the output of {place}, of shape {out.shape}")

    buffers = {name: b.detach() for name, b in model.named_buffers()}
    handles = [module.register_forward_hook(look) for module in model.modules()]
    try:
        loss = loss_of(model(x), y)
    finally:
        for handle in handles:
            handle.remove()
        with no_grad():
            for name, b in model.named_buffers():  # running statistics, which a forward in training updates
                b.copy_(buffers[name])
    if found:
        return found[0]
    if not finite(loss):
        return f"{_kind(loss)} in the loss itself, of finite outputs"
    model.zero_grad()
    loss.backward()
    for name, p in reversed(list(model.named_parameters())):
        if p.grad is not None and not finite(p.grad):
            return f"{_kind(p.grad)} in the gradient of {name}, of shape {p.shape}"
    return "nothing that is not finite when the step is computed again"
