"""Steps that a compiled function begins and then leaves out: how many there were, while nobody waits to learn of it.

Which steps are left out is known on the device, after Python has counted them. So the device counts those, and Python
takes them off its counts when somebody asks for these, or when other parameters step together than before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gpugrad.transforms.lift import raised

NAME = "skipped"


class Skips:
    """The steps of one optimizer that were left out. Counts are the ``step`` of the states, by id of the parameter."""

    def __init__(self) -> None:
        self.arrays: dict[str, Any] = {}
        """An integer of shape () under NAME: how many there were. A cell of compiled functions, which alone change it."""
        self.known = 0
        """How many of them the counts are without."""
        self.together: frozenset[int] = frozenset()
        """ids of the parameters that took part in all that came since."""
        self.behind = False
        """Whether any may have come since."""

    def begin(self, together: frozenset[int], states: Mapping[int, dict[str, Any]]) -> None:
        """From now on these parameters step together, in functions that may leave steps out."""
        if together != self.together:
            self.settle(states)
            self.together = together
        self.behind = True

    def settle(self, states: Mapping[int, dict[str, Any]]) -> None:
        """Take what was left out off the counts; it waits for the device if there may be anything."""
        if not self.behind:
            return
        total = int(raised(self.arrays[NAME]).item())
        for key in self.together:
            states[key]["step"] -= total - self.known
        self.known, self.together, self.behind = total, frozenset(), False

    def forget(self) -> None:
        """The counts are others, and nothing is to be taken off them."""
        self.together = frozenset()
