"""Several processes that train or compute together, over MPI (the extra ``distributed``: mpi4py, and an MPI library).

A program is started as many times as there are ranks, and one that is started by itself is the only rank::

    mpiexec -n 4 python -m mpi4py train.py        # mpi4py's runner: a rank that fails ends the others, which would wait

Data-parallel training is three lines in a loop that was written for one process: the parameters begin equal, each rank
gets its share of every batch, and the gradients are averaged, weighted with the items that each rank had.

>>> import gpugrad as gg
>>> model = gg.nn.Linear(3, 1)
>>> opt = gg.optim.SGD(model.parameters(), lr=0.1)
>>> data = gg.data.ArrayDataset(gg.ones((8, 3), dtype="float32"), gg.zeros((8, 1), dtype="float32"))
>>> here = (gg.distributed.rank(), gg.distributed.size())
>>> loader = gg.data.DataLoader(data, 4, shuffle=True, key=gg.random.key(0), shard=here)
>>> gg.distributed.broadcast_parameters(model)
>>> for x, y in loader:
...     model.zero_grad()
...     gg.mse_loss(model(x), y).backward()
...     gg.distributed.average_gradients(model, weight=len(x))
...     opt.step()

The collectives (:func:`all_reduce`, :func:`all_gather` …) are differentiable in every mode; what the derivative of a
program of several ranks is, is said in :mod:`gpugrad.distributed.collectives`. Arrays are those of the CPU: one that is
elsewhere is refused, never copied unasked.
"""

from gpugrad.distributed.agreement import barrier as barrier
from gpugrad.distributed.collectives import all_gather as all_gather
from gpugrad.distributed.collectives import all_reduce as all_reduce
from gpugrad.distributed.collectives import broadcast as broadcast
from gpugrad.distributed.collectives import gather as gather
from gpugrad.distributed.collectives import reduce as reduce
from gpugrad.distributed.collectives import reduce_scatter as reduce_scatter
from gpugrad.distributed.collectives import scatter as scatter
from gpugrad.distributed.group import Group as Group
from gpugrad.distributed.group import rank as rank
from gpugrad.distributed.group import size as size
from gpugrad.distributed.group import world as world
from gpugrad.distributed.parameters import average_gradients as average_gradients
from gpugrad.distributed.parameters import broadcast_parameters as broadcast_parameters

__all__ = [
    "Group", "all_gather", "all_reduce", "average_gradients", "barrier", "broadcast", "broadcast_parameters", "gather",
    "rank", "reduce", "reduce_scatter", "scatter", "size", "world",
]  # fmt: skip
