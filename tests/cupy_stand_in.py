"""The CuPy backend over the stand-in for CuPy, on a kind of device of its own, so that it displaces nobody."""

from __future__ import annotations

from typing import Any

import fake_cupy

from gpugrad.backends.cupy import CupyBackend


class StandInBackend(CupyBackend):
    """As it is, but for where its array library comes from."""

    name = "stand_in"
    device_kind = "stand_in"

    def why_not(self) -> str | None:
        if self._cupy is None:
            self._count = fake_cupy.DEVICES
            self._use(fake_cupy.MODULE)
        return None

    def _extension(self) -> Any:
        return fake_cupy.EXTENSION
