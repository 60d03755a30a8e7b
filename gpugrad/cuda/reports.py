"""What kernels say of the numbers that they were given. The host hears of it later, since nobody waits for the device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Reports:
    """Memory that kernels write to and the host reads: who found something wrong, and the index that was."""

    def __init__(self, memory: Any) -> None:
        """``memory`` is two int64 of the host, which the device can write to."""
        self.memory = memory
        self.memory[:] = 0
        self.address = int(memory.ctypes.data)
        self._errors: list[tuple[Callable[[int], Exception], str]] = []
        self._numbers: dict[Any, int] = {}

    def who(self, error: Callable[[int], Exception], site: str) -> int:
        """The number of somebody at a line of the user's, who may find an index wrong; ``error`` makes the error of it."""
        if error not in self._numbers:  # a plan asks again when its cells have moved
            self._errors.append((error, site))
            self._numbers[error] = len(self._errors)
        return self._numbers[error]

    def check(self) -> None:
        """Raise what was said since the last time, the latest of it."""
        who, index = map(int, self.memory)
        if not who:
            return
        self.memory[:] = 0
        error, site = self._errors[who - 1]
        found = error(index)
        raise type(found)(
            f"{found}. Found on the device, by a compiled function, at {site}; it has gone on with another index, and "
            "what it computed and changed is worth nothing. With gg.config.check_indices = True when it is compiled, "
            "it waits for the device and raises before"
        )
