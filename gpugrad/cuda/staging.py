"""Memory of the host that a GPU copies from when it gets there, while the host goes on and writes the next numbers.

A copy from pageable memory may wait for the stream (CUDA Runtime API, "API synchronization behavior": "the driver may
synchronize with the stream and stage the copy into pinned memory"), and so each step would wait for the one before. One
from pinned memory does not, and reads it at any time until it is done. So there is a ring of pinned buffers, each with an
event that is recorded behind its copy: a buffer is written again when its event has come to pass, which the host waits
for only if it is that many runs ahead.
"""

from __future__ import annotations

import weakref
from contextlib import suppress
from typing import Any

import numpy as np

BUFFERS = 4


class Ring:
    """Buffers of so many bytes, in turn."""

    def __init__(self, cupy: Any, nbytes: int) -> None:
        self.cupy = cupy
        self.nbytes = nbytes
        self.buffers = [np.frombuffer(cupy.cuda.alloc_pinned_memory(nbytes), np.uint8, nbytes) for _ in range(BUFFERS)]
        self.copied = [cupy.cuda.Event(disable_timing=True) for _ in range(BUFFERS)]
        self.turn = 0
        weakref.finalize(self, _wait, self.copied).atexit = False  # when CUDA may be gone already

    def buffer(self) -> Any:
        """The next buffer, an array of bytes that nobody reads any more, to be filled."""
        self.turn = (self.turn + 1) % BUFFERS
        self.copied[self.turn].synchronize()
        return self.buffers[self.turn]

    def send(self, target: Any) -> None:
        """Begin to copy it over memory of the device, on the current stream."""
        stream = self.cupy.cuda.get_current_stream()
        target.data.copy_from_host_async(self.buffers[self.turn].ctypes.data, self.nbytes, stream)
        self.copied[self.turn].record(stream)


def _wait(copied: list[Any]) -> None:
    """Let nothing read the buffers any more, before their memory is anybody else's."""
    with suppress(RuntimeError):  # of a device that has failed, which reads nothing, and has been told of
        for event in copied:
            event.synchronize()
