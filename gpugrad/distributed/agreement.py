"""What ranks tell each other before a collective, so that a difference is an error on all of them and not a hang."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple, NoReturn

import numpy as np

from gpugrad import errors
from gpugrad.distributed.group import Group

_DIGEST = 15
"""Bytes of a fingerprint; one more says whether its rank has failed."""

Explain = Callable[[str, Sequence[Any]], Exception]


class Call(NamedTuple):
    """One rank's part in a collective."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    more: str
    """Root, axis, derivative: what else must be the same."""

    def __str__(self) -> str:
        return f"{self.name}({self.dtype}{list(self.shape)}{self.more})"


class Failed(NamedTuple):
    """What stands in the place of an entry on a rank that cannot take part."""

    message: str


def agree(group: Group, name: str, entry: Any, explain: Explain, problem: Exception | None = None) -> None:
    """Return if every rank of the group gives an equal ``entry`` (by its ``repr``), else raise on each of them.

    ``explain(name, entries)`` makes the error of a difference. A rank with a ``problem`` raises that, and the others a
    DistributedError that tells of it.
    """
    if group.size == 1:
        if problem is not None:
            raise problem
        return
    failed = problem is not None
    mine = bytes([failed]) + blake2b(repr(entry).encode(), digest_size=_DIGEST).digest()
    notes = np.empty((group.size, _DIGEST + 1), np.uint8)
    group.comm.Allgather(np.frombuffer(mine, np.uint8), notes)
    if not notes[:, 0].any() and (notes == notes[0]).all():
        return
    _disagree(group, name, Failed(str(problem)) if failed else entry, explain, problem)


def _disagree(group: Group, name: str, entry: Any, explain: Explain, problem: Exception | None) -> NoReturn:
    entries = group.comm.allgather(entry)
    if problem is not None:
        raise problem
    for k, other in enumerate(entries):
        if isinstance(other, Failed):
            raise errors.DistributedError(f"{name}: rank {k} could not take part: {other.message}")
    raise explain(name, entries)


def by_rank(entries: Sequence[Any]) -> str:
    """Who gave what: ``rank 0 has a, ranks 1 and 2 have b``."""
    who: dict[str, list[int]] = {}
    for k, entry in enumerate(entries):
        who.setdefault(str(entry), []).append(k)
    return ", ".join(
        f"rank {ranks[0]} has {entry}" if len(ranks) == 1 else f"ranks {' and '.join(map(str, ranks))} have {entry}"
        for entry, ranks in who.items()
    )


def difference(name: str, calls: Sequence[Call]) -> Exception:
    """The error of ranks that meet in different calls."""
    fields = [field for field in Call._fields if len({getattr(c, field) for c in calls}) > 1]
    kind: type[errors.GpugradError] = errors.DistributedError
    if fields == ["shape"]:
        kind = errors.ShapeError
    elif "dtype" in fields and not {"name", "more"} & set(fields):
        kind = errors.DtypeError
    what = (
        "the same operations in the same order"
        if kind is errors.DistributedError
        else f"the same {' and '.join(fields)}"
    )
    return kind(f"{name}: {by_rank(calls)}; expected {what} on every rank")
