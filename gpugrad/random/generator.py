"""Generator: a cell that gives a fresh key to each call."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Mapping
from typing import Any

from gpugrad import errors
from gpugrad.kernels import philox
from gpugrad.random.keys import LIMIT, number, placed, words
from gpugrad.trace import state


class Generator:
    """A stream of keys: its state is a key and the number of keys given out, which each draw raises by one.

    Pass it as ``key=`` to any function of ``gg.random``. The n-th draw uses ``fold_in(key, n)``. Without ``seed`` it
    starts from the entropy of the operating system. Threads may share one; each draw then gets a key of its own, in
    the order in which they ask.

    >>> import gpugrad as gg
    >>> g = gg.random.Generator(0)
    >>> x = gg.random.uniform((2,), key=g)
    >>> state = g.state_dict()
    >>> y = gg.random.uniform((2,), key=g)
    >>> g.load_state_dict(state)
    >>> bool((gg.random.uniform((2,), key=g) == y).all())
    True
    """

    def __init__(self, seed: int | None = None) -> None:
        self._lock = threading.Lock()
        self._key = 0
        self._count = 0
        self.seed(seed)

    def seed(self, seed: int | None = None) -> None:
        """Start again, from a seed 0 ≤ seed < 2⁶⁴ or (None) from fresh entropy."""
        key = secrets.randbits(64) if seed is None else number(seed, "seed")
        self._set(key, 0)

    def next_key(self, device: str | None = None) -> Any:
        """A key that was not given out before, as a tensor."""
        return placed(self._draw() if state.draws is None else state.draws.draw(self._draw), device)

    def _draw(self) -> Any:
        """The words of the next key."""
        with self._lock:
            n = self._count
            self._count = n + 1
            key = self._key
        return words(philox.derived(key, n, philox.FOLD))

    def state_dict(self) -> dict[str, int]:
        """The state, two integers: enough to go on exactly where it stands."""
        with self._lock:
            return {"key": self._key, "count": self._count}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go on from a state. FormatError, and nothing changed, unless it is one of :meth:`state_dict`."""
        if set(state) != {"key", "count"} or not all(type(n) is int and 0 <= n < LIMIT for n in state.values()):
            raise errors.FormatError(
                f"Generator.load_state_dict: {dict(state)!r}; expected integers 'key' and 'count' from 0 to 2**64 - 1"
            )
        self._set(state["key"], state["count"])

    def _set(self, key: int, count: int) -> None:
        with self._lock:
            self._key, self._count = key, count

    def __repr__(self) -> str:
        return f"Generator(key={self._key:#018x}, count={self._count})"

    def __getstate__(self) -> dict[str, int]:
        return self.state_dict()

    def __setstate__(self, state: dict[str, int]) -> None:
        self._lock = threading.Lock()
        self._set(state["key"], state["count"])


default_generator = Generator()
"""What draws without ``key=`` come from, one for the process."""

_from_entropy = True


def seed(seed: int | None = None) -> None:
    """Start the default generator again, from a seed 0 ≤ seed < 2⁶⁴ or (None) from fresh entropy.

    >>> import gpugrad as gg
    >>> gg.random.seed(0)
    >>> gg.random.default_generator.state_dict()
    {'key': 0, 'count': 0}
    """
    global _from_entropy
    default_generator.seed(seed)
    _from_entropy = seed is None


def _after_fork() -> None:
    """A child has its own lock, and, unless a seed was asked for, numbers of its own."""
    state = default_generator.__dict__
    state["_lock"] = threading.Lock()
    if _from_entropy:
        default_generator.seed()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
