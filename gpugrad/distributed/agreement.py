"""What ranks tell each other before a collective, so that a difference is an error on all of them and not a hang."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple, NoReturn

import numpy as np

from gpugrad import errors
from gpugrad.distributed.group import Group, group_of

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
    """Return if every rank of the group gives an equal ``entry`` (by its ``repr``) under one name, else raise on each.

    ``explain(name, entries)`` makes the error of a difference. A rank with a ``problem`` raises that, and the others a
    DistributedError that tells of it.
    """
    if group.size == 1:
        if problem is not None:
            raise problem
        return
    failed = problem is not None
    mine = bytes([failed]) + blake2b(repr((name, entry)).encode(), digest_size=_DIGEST).digest()
    notes = np.empty((group.size, _DIGEST + 1), np.uint8)
    group.comm.Allgather(np.frombuffer(mine, np.uint8), notes)
    if notes[:, 0].any() or (notes != notes[0]).any():
        _disagree(group, name, Failed(str(problem)) if failed else entry, explain, problem)


def _disagree(group: Group, name: str, entry: Any, explain: Explain, problem: Exception | None) -> NoReturn:
    told = group.comm.allgather((name, entry))
    if problem is not None:
        raise problem
    for k, (_, other) in enumerate(told):
        if isinstance(other, Failed):
            raise errors.DistributedError(f"{name}: rank {k} could not take part: {other.message}")
    if len({n for n, _ in told}) > 1:
        calls = [str(e) if isinstance(e, Call) else n for n, e in told]
        raise errors.DistributedError(
            f"{name}: {by_rank(calls)}; expected the same operations in the same order on every rank"
        )
    raise explain(name, [e for _, e in told])


def barrier(group: Any = None) -> None:
    """Wait until every rank of the group is here; DistributedError, on every rank, if some are elsewhere.

    >>> import gpugrad as gg
    >>> gg.distributed.barrier()
    """
    group = group_of(group)
    if group.checked:
        agree(group, "barrier", None, difference)
    group.comm.Barrier()


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
    """The error of ranks whose calls of one operation differ."""
    fields = [field for field in Call._fields if len({getattr(c, field) for c in calls}) > 1]
    kind: type[errors.GpugradError] = errors.ShapeError if fields == ["shape"] else errors.DtypeError
    if "more" in fields:
        kind, fields = errors.DistributedError, ["call"]
    return kind(f"{name}: {by_rank(calls)}; expected the same {' and '.join(fields)} on every rank")
