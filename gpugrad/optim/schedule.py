"""Learning rates as functions of the step, and what applies them.

A schedule is any function ``step -> factor`` of the number of steps taken, from 0; the factor multiplies the learning
rate that each group began with. Those here hold no state, so that a factor is the same however often it is asked for.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gpugrad import errors
from gpugrad.optim.optimizer import Optimizer

Factor = Callable[[int], float]


class Schedule:
    """Sets the learning rates of an optimizer to those it began with times ``factor(step)``.

    Call :meth:`step` after each step of the optimizer. The rates of step 0 are set at once.

    >>> import gpugrad as gg
    >>> opt = gg.optim.SGD([gg.tensor(1.0, requires_grad=True)], lr=0.5)
    >>> schedule = gg.optim.Schedule(opt, gg.optim.exponential(0.5))
    >>> schedule.step(); schedule.rates
    [0.25]
    """

    def __init__(self, optimizer: Optimizer, factor: Factor) -> None:
        self.optimizer = optimizer
        self.factor = factor
        self.count = 0
        """Steps taken."""
        self.base: list[float] = []
        """The learning rate that each group began with."""
        self._apply(0)

    @property
    def rates(self) -> list[float]:
        """The learning rates of the groups."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def step(self) -> None:
        """Count a step and set the rates of the next one. ArgumentError, and nothing changed, for a factor below 0 or NaN."""
        self._apply(self.count + 1)

    def _apply(self, count: int) -> None:
        factor = self.factor(count)
        if not factor >= 0.0:
            raise errors.ArgumentError(f"Schedule: the factor of step {count} is {factor}; expected 0 or more")
        self.count = count
        groups = self.optimizer.param_groups
        self.base += [group["lr"] for group in groups[len(self.base) :]]  # a group may join later
        for group, base in zip(groups, self.base, strict=True):
            group["lr"] = base * factor

    def state_dict(self) -> dict[str, Any]:
        """The number of steps taken and the rates begun with. The factor is a function of the step and has no state."""
        return {"count": self.count, "base": list(self.base)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state, setting the rates. FormatError, and nothing changed, if it is not one for this optimizer."""
        groups = len(self.optimizer.param_groups)
        fine = set(state) == {"count", "base"} and type(state["count"]) is int and state["count"] >= 0
        if not fine or len(state["base"]) != groups or not all(isinstance(b, int | float) for b in state["base"]):
            raise errors.FormatError(
                f"Schedule.load_state_dict: {dict(state)!r}; expected 'count', a number of steps, and 'base', {groups} learning rates"
            )
        self.base = list(state["base"])
        self._apply(state["count"])


# ---- the schedules ----------------------------------------------------------------------------------------------------


def _expect(fine: bool, what: str) -> None:
    if not fine:
        raise errors.ArgumentError(what)


def constant(factor: float = 1.0) -> Factor:
    """The same factor at every step.

    >>> import gpugrad as gg
    >>> gg.optim.constant(0.5)(10)
    0.5
    """
    return lambda step: factor


def stepwise(every: int, gamma: float = 0.1) -> Factor:
    """Times ``gamma`` after every ``every`` steps: PyTorch's StepLR.

    >>> import gpugrad as gg
    >>> [gg.optim.stepwise(2, 0.5)(k) for k in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """
    _expect(every >= 1, f"stepwise: every={every}; expected at least 1 step")
    return lambda step: gamma ** (step // every)


def multistep(milestones: Sequence[int], gamma: float = 0.1) -> Factor:
    """Times ``gamma`` at each of the milestones: PyTorch's MultiStepLR.

    >>> import gpugrad as gg
    >>> [gg.optim.multistep([1, 3], 0.5)(k) for k in range(5)]
    [1.0, 0.5, 0.5, 0.25, 0.25]
    """
    at = sorted(milestones)
    return lambda step: gamma ** bisect_right(at, step)


def exponential(gamma: float) -> Factor:
    """Times ``gamma`` at every step: PyTorch's ExponentialLR.

    >>> import gpugrad as gg
    >>> gg.optim.exponential(0.5)(3)
    0.125
    """
    return lambda step: gamma**step


def _between(start: float, end: float, part: float) -> float:
    """Half a cosine wave from ``start`` (part 0) to ``end`` (part 1)."""
    return end + (start - end) * (1.0 + math.cos(math.pi * part)) / 2.0


def cosine(steps: int, floor: float = 0.0, restarts: float | None = None) -> Factor:
    """Half a cosine wave from 1 down to ``floor`` over ``steps`` steps, then ``floor``.

    With ``restarts`` it begins again instead, each wave that many times as long as the one before.
    I. Loshchilov, F. Hutter: SGDR: stochastic gradient descent with warm restarts, ICLR 2017.

    >>> import gpugrad as gg
    >>> [round(gg.optim.cosine(4)(k), 3) for k in range(6)]
    [1.0, 0.854, 0.5, 0.146, 0.0, 0.0]
    """
    _expect(steps >= 1, f"cosine: steps={steps}; expected at least 1")
    _expect(restarts is None or restarts >= 1.0, f"cosine: restarts={restarts}; expected None or at least 1")

    def factor(step: int) -> float:
        if restarts is None:
            return _between(1.0, floor, min(step / steps, 1.0))
        if restarts == 1.0:
            return _between(1.0, floor, step % steps / steps)
        start, length = 0.0, float(steps)
        while step >= start + length:
            start, length = start + length, length * restarts
        return _between(1.0, floor, (step - start) / length)

    return factor


def linear_warmup(steps: int, start: float = 0.0) -> Factor:
    """From ``start`` up to 1 in a straight line over ``steps`` steps, then 1.

    >>> import gpugrad as gg
    >>> [gg.optim.linear_warmup(4)(k) for k in range(6)]
    [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]
    """
    _expect(steps >= 1, f"linear_warmup: steps={steps}; expected at least 1")
    return lambda step: start + (1.0 - start) * min(step / steps, 1.0)


def one_cycle(steps: int, rise: float = 0.3, start: float = 1 / 25, end: float = 1 / 250_000) -> Factor:
    """Half a cosine wave from ``start`` up to 1 over the part ``rise`` of the steps, and another down to ``end``.

    PyTorch's OneCycleLR, for an optimizer whose learning rate is the largest of the cycle.
    L. N. Smith, N. Topin: Super-convergence: very fast training of neural networks using large learning rates, 2018.

    >>> import gpugrad as gg
    >>> f = gg.optim.one_cycle(100)
    >>> [round(f(k), 6) for k in (0, 29, 99)]
    [0.04, 1.0, 4e-06]
    """
    _expect(
        steps >= 2 and 0.0 < rise < 1.0,
        f"one_cycle: steps={steps}, rise={rise}; expected at least 2 steps and a part between 0 and 1",
    )
    top, last = rise * steps - 1.0, steps - 1.0

    def factor(step: int) -> float:
        if step <= top:
            return _between(start, 1.0, step / top if top > 0.0 else 1.0)
        return _between(1.0, end, min((step - top) / (last - top), 1.0))

    return factor


def chained(*schedules: Factor) -> Factor:
    """The product of schedules, all of them at the same step: PyTorch's ChainedScheduler.

    >>> import gpugrad as gg
    >>> gg.optim.chained(gg.optim.linear_warmup(4), gg.optim.constant(0.5))(2)
    0.25
    """
    return lambda step: math.prod(f(step) for f in schedules)


def sequential(*pieces: tuple[int, Factor]) -> Factor:
    """Schedules one after another, each for its number of steps and counting from 0; the last one goes on.

    >>> import gpugrad as gg
    >>> f = gg.optim.sequential((2, gg.optim.linear_warmup(2)), (4, gg.optim.cosine(4)))
    >>> [round(f(k), 3) for k in range(7)]
    [0.0, 0.5, 1.0, 0.854, 0.5, 0.146, 0.0]
    """
    _expect(len(pieces) > 0, "sequential: no schedules; expected at least one pair (steps, schedule)")
    _expect(all(n >= 0 for n, _ in pieces), f"sequential: lengths {[n for n, _ in pieces]}; expected 0 steps or more")

    def factor(step: int) -> float:
        for n, f in pieces[:-1]:
            if step < n:
                return f(step)
            step -= n
        return pieces[-1][1](step)

    return factor
