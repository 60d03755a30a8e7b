"""Ranks: the processes that run one program together, and the communicator through which they speak."""

from __future__ import annotations

import functools as ft
import os
from typing import Any, Self

from gpugrad import errors

_LAUNCHED = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE")
"""Where MPICH and its relatives, and Open MPI, tell a process how many were started with it."""


@ft.cache
def mpi() -> Any:
    """The module ``mpi4py.MPI``, which starts MPI when it is imported; an error if that would go unnoticed wrong."""
    try:
        from mpi4py import MPI
    except ModuleNotFoundError:
        raise errors.missing_extra("mpi4py", "distributed", "gg.distributed") from None
    except (ImportError, RuntimeError) as error:
        cause = str(error).split("\n", 1)[0]
        raise errors.MissingExtraError(
            f"gg.distributed: mpi4py is installed and cannot load an MPI library ({cause}). Install one, that of the system or: pip install mpich"
        ) from error
    started = max(int(os.environ.get(name, "1")) for name in _LAUNCHED)
    if started > 1 and MPI.COMM_WORLD.size == 1:
        raise errors.DistributedError(
            f"gg.distributed: {started} processes were started together, and mpi4py sees each of them alone: it uses {MPI.Get_library_version().split(chr(10))[0].strip()}, and mpiexec is of another library. Start them with the mpiexec of that one"
        )
    return MPI


class Group:
    """Some ranks that compute together: all of them, or those of an mpi4py communicator.

    Before each collective the ranks compare what they are about to do (operation, dtype, shape, root, whether there is
    a derivative), so that a difference is an error on every rank instead of a hang or a wrong number. That is one
    message of 16 bytes from each rank to each. ``checked=False``, the same on every rank, leaves it out, for speed:
    ranks that differ then hang, or compute nonsense. (Parameters are compared always, all of them at once.)

    >>> import gpugrad as gg
    >>> gg.distributed.Group()
    Group(rank 0 of 1)
    """

    def __init__(self, communicator: Any = None, *, checked: bool = True) -> None:
        MPI = mpi()
        self.comm = MPI.COMM_WORLD if communicator is None else communicator
        if not isinstance(self.comm, MPI.Intracomm) or self.comm == MPI.COMM_NULL:
            raise errors.UnsupportedError(
                f"Group: {communicator!r}; expected an intracommunicator of mpi4py that this rank is in"
            )
        self.checked = checked
        self.rank: int = self.comm.rank
        self.size: int = self.comm.size

    def split(self, color: int, key: int = 0) -> Self:
        """The ranks that give the same ``color`` as a group of their own, in the order of ``key``, then of rank.

        Every rank of this group must call it.
        """
        return type(self)(self.comm.Split(color, key), checked=self.checked)

    def __repr__(self) -> str:
        return f"Group(rank {self.rank} of {self.size})"


@ft.cache
def world() -> Group:
    """All ranks: the group of every call that is not given one.

    >>> import gpugrad as gg
    >>> gg.distributed.world()
    Group(rank 0 of 1)
    """
    return Group()


def group_of(group: Any) -> Group:
    """A group, a communicator of mpi4py, or None for all ranks, as a group."""
    return world() if group is None else group if isinstance(group, Group) else Group(group)


def rank(group: Any = None) -> int:
    """The number of this process in the group, from 0.

    >>> import gpugrad as gg
    >>> gg.distributed.rank()
    0
    """
    return group_of(group).rank


def size(group: Any = None) -> int:
    """How many processes the group has; 1 for a program that was started by itself.

    >>> import gpugrad as gg
    >>> gg.distributed.size()
    1
    """
    return group_of(group).size
