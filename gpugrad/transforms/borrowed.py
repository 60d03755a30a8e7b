"""Arrays that a user handed over without a copy: were they changed between being saved and being read?

Such arrays are registered when they come in. When the tape saves one it takes a fingerprint, and compares it when a
rule is about to read the array; a difference is an error that names both places. The cost, one pass over the array
at memory speed, is paid for borrowed arrays alone: ``gg.tensor`` copies, so that its tensors are never borrowed.
"""

from __future__ import annotations

import weakref
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpugrad import errors, trace

known: dict[int, Any] = {}
"""id of each array that holds memory that is not ours alone, while it lives."""


def _holder(array: Any) -> Any:
    """The array of whose memory ``array`` is a view; itself if it is none."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def register(array: Any) -> None:
    """Remember that others than tensors can write to the memory of ``array``."""
    if not isinstance(array, np.ndarray):
        return
    holder = _holder(array)
    key = id(holder)
    if key not in known and (holder.flags.writeable or holder.base is not None):
        known[key] = weakref.ref(holder, lambda _: _forget(key))
        trace.watching += 1


def is_known(array: Any) -> bool:
    """Whether the memory of ``array`` was registered."""
    return isinstance(array, np.ndarray) and (id(array) in known or id(_holder(array)) in known)


def _forget(key: int) -> None:
    if known.pop(key, None) is not None:
        trace.watching -= 1


@dataclass(frozen=True)
class Print:
    """The fingerprint of an array, and where it was saved."""

    checksum: int
    site: str


def fingerprint(array: Any) -> int:
    """A checksum of the bytes, sensitive to their order."""
    return zlib.adler32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)


def take_print(array: Any) -> Print:
    """The fingerprint of ``array`` as it is saved now."""
    return Print(fingerprint(array), errors.user_site())


def verify(array: Any, saved: Print, name: str) -> None:
    """Raise GraphError if ``array`` is not what it was when it was saved."""
    if fingerprint(array) != saved.checksum:
        raise errors.GraphError(
            f"an array of shape {array.shape} and dtype {array.dtype} that {name} saved for its derivative at {saved.site} "
            f"was changed before the derivative was taken at {errors.user_site()}. "
            "Change it after backward, or hand over a copy: gg.tensor(array) copies, gg.asarray does not"
        )
