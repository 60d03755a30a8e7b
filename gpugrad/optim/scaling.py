"""Dynamic loss scaling: gradients of float16 kept within its range."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gpugrad import dtypes, errors
from gpugrad.backends import select
from gpugrad.optim.optimizer import Optimizer
from gpugrad.transforms.cells import Slot
from gpugrad.transforms.lift import raised

_SMALLEST = 2.0**-100
"""The scale stays above it, so that its reciprocal is finite."""
_LARGEST = 2.0**100


class LossScaler:
    """Scales the loss so that small gradients do not vanish in float16; what PyTorch calls GradScaler.

    ``scale(loss).backward()``, then ``step(optimizer)``, which divides the gradients by the scale and lets the optimizer
    step. If any gradient is not finite, the step is skipped, parameters and moments stay bit for bit as they are, and
    the scale is multiplied by ``backoff_factor``; after ``growth_interval`` good steps in a row it is multiplied by
    ``growth_factor``. ``enabled=False`` makes both methods plain. bfloat16 has float32's range and needs none of this.

    It works in a plain step, where the test reads one number back, and in a step compiled whole by ``gg.jit``, where the
    skip is a choice between old and new arrays and nothing is read back. ``device`` is where parameters are.

    ArgumentError for factors, a scale or an interval out of range.

    >>> import gpugrad as gg
    >>> w = gg.tensor([1.0], dtype="float32", requires_grad=True)
    >>> opt, scaler = gg.optim.SGD([w], lr=0.25), gg.optim.LossScaler(init_scale=1024.0)
    >>> scaler.scale((w * w).sum()).backward()
    >>> scaler.step(opt)
    >>> w, scaler.get_scale()
    (tensor([0.5], dtype=float32, requires_grad=True), 1024.0)
    """

    def __init__(
        self,
        init_scale: float = 65536.0,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
        *,
        device: str = "cpu",
    ) -> None:
        fine = _SMALLEST <= init_scale <= _LARGEST and growth_factor > 1.0 and 0.0 < backoff_factor < 1.0
        if not fine or growth_interval < 1:
            raise errors.ArgumentError(
                f"LossScaler: init_scale={init_scale}, growth_factor={growth_factor}, backoff_factor={backoff_factor}, growth_interval={growth_interval}; expected a positive scale, a growth above 1, a backoff between 0 and 1, and an interval of 1 or more"
            )
        self.growth_factor, self.backoff_factor = float(growth_factor), float(backoff_factor)
        self.growth_interval, self.enabled, self.device = int(growth_interval), enabled, device
        self._state: dict[str, Any] = {}
        self._put(float(init_scale), 0)
        self._slots = [Slot(self._state, name) for name in ("scale", "good")]

    def _put(self, scale: float, good: int) -> None:
        on = select.on(self.device)
        with on.current(self.device):
            self._state.update(scale=on.full((), scale, "float32"), good=on.full((), good, "int32"))

    def get_scale(self) -> float:
        """The scale, a Python number."""
        return float(raised(self._state["scale"]).item()) if self.enabled else 1.0

    def scale(self, loss: Any) -> Any:
        """The loss times the scale: float32, or the loss's own dtype if that is wider."""
        return loss * raised(self._state["scale"]) if self.enabled else loss

    def step(self, optimizer: Optimizer) -> None:
        """Unscale the gradients, in place of which they stand, and step unless one is not finite; then adapt the scale.

        Raises DtypeError for a parameter in half precision, whose unscaled gradients would vanish.
        """
        if not self.enabled:
            optimizer.step()
            return
        params = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        for p in params:
            if dtypes.is_half(p.dtype):
                raise errors.DtypeError(
                    f"LossScaler.step: a parameter of shape {p.shape} and dtype {p.dtype.name}; expected float32, since unscaled gradients vanish in half precision. Keep parameters in float32, under gg.autocast"
                )
        if not params:
            return
        scale, good = self._state["scale"], self._state["good"]
        xp = select.of(params[0]._data).xp
        finite: Any = None
        for p in params:
            g = p.grad.detach()._data
            fine = xp.all(xp.isfinite(g))
            finite = fine if finite is None else xp.logical_and(finite, fine)
            p.grad = raised(g * xp.astype(xp.asarray(1.0 / scale), dtypes.real_of(p.dtype)))
        optimizer.step_where(finite)
        grown = good + 1 >= self.growth_interval
        more = xp.where(grown, xp.minimum(scale * self.growth_factor, xp.full_like(scale, _LARGEST)), scale)
        less = xp.maximum(scale * self.backoff_factor, xp.full_like(scale, _SMALLEST))
        self._state["scale"] = xp.where(finite, more, less)
        again = xp.where(grown, xp.zeros_like(good), good + 1)
        self._state["good"] = xp.astype(xp.where(finite, again, xp.zeros_like(good)), np.dtype(np.int32))

    def __cells__(self) -> list[Slot]:
        """The places of the scale and of the count of good steps."""
        return self._slots

    def __settings__(self) -> Any:
        """The options, which a compiled function has as constants."""
        return self.growth_factor, self.backoff_factor, self.growth_interval, self.enabled

    def state_dict(self) -> dict[str, Any]:
        """``{"scale": float, "good": int}``: the scale, and how many good steps there were in a row."""
        return {name: raised(x).item() for name, x in self._state.items()}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Go on from a state. FormatError, and nothing changed, if it is not one of a LossScaler."""
        fine = isinstance(saved, Mapping) and set(saved) == {"scale", "good"} and type(saved["good"]) is int
        if not fine or not isinstance(saved["scale"], int | float) or not _SMALLEST <= saved["scale"] <= _LARGEST:
            raise errors.FormatError(
                f"LossScaler.load_state_dict: {saved!r}; expected 'scale', a positive number, and 'good', an integer"
            )
        self._put(float(saved["scale"]), saved["good"])
