"""A step of an optimizer as one compiled program, which is how it runs on a GPU: one launch, not ten for each parameter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gpugrad.backends import select
from gpugrad.transforms.jit import jit
from gpugrad.transforms.modes import no_grad

if TYPE_CHECKING:
    from gpugrad.optim.optimizer import Group, Optimizer

_ITS_OWN = frozenset({"_whole", "_slots"})


def at_once(graded: Sequence[tuple[Any, Group]]) -> bool:
    """Whether one program can move these: arrays of one GPU, none of them traced."""
    found = [x._data for p, _ in graded for x in (p, p.grad)]
    return (
        bool(found)
        and all(type(x) in select.compiled_types for x in found)
        and select.of(found[0]).device_kind == "cuda"
        and len({select.of(x).device_of(x) for x in found}) == 1
    )


class Whole:
    """The program of an optimizer, which holds this, and which it does not hold: memory is free when the optimizer is."""

    def __init__(self, optimizer: Optimizer) -> None:
        self.known = _known(optimizer)
        self.twin = object.__new__(type(optimizer))
        self.twin._slots = None
        self.program = jit(self.twin._move)

    def fits(self, optimizer: Optimizer) -> bool:
        """Whether the optimizer has the parameters and the state that the program has found."""
        return bool(self.known == _known(optimizer))

    def step(self, optimizer: Optimizer) -> None:
        """Take a step of the optimizer, with the options that it has now."""
        vars(self.twin).update((k, v) for k, v in vars(optimizer).items() if k not in _ITS_OWN)
        with no_grad():
            self.program()


def _known(optimizer: Optimizer) -> Any:
    groups = optimizer.param_groups
    return id(optimizer._state), id(groups), [(id(g), id(g["params"]), len(g["params"])) for g in groups]
