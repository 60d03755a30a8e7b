"""DataLoader: a data set in batches, in an order that is a function of a key and the epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from gpugrad import errors, pytree, random, trace
from gpugrad.backends import select
from gpugrad.data.dataset import Dataset, batch_of
from gpugrad.data.prefetch import Prefetch
from gpugrad.random.arguments import Key
from gpugrad.trace import value
from gpugrad.transforms.lift import as_value
from gpugrad.transforms.tape import EAGER


def collate(items: Sequence[Any]) -> Any:
    """Items of one structure as one batch: arrays and numbers stacked along a new first axis, other leaves in a list.

    >>> import gpugrad as gg
    >>> gg.data.collate([{"x": [1.0], "name": "a"}, {"x": [2.0], "name": "b"}])
    {'x': [tensor([1., 2.])], 'name': ['a', 'b']}
    """
    return pytree.map(lambda *leaves: _stacked(leaves), items[0], *items[1:])


def _stacked(leaves: Sequence[Any]) -> Any:
    first = leaves[0]
    if type(first) is trace.Tensor or select.is_array(first):
        tensors = [as_value(x).detach() for x in leaves]
        shapes = sorted({t.shape for t in tensors})
        if len(shapes) > 1:
            raise errors.ShapeError(
                f"collate: items of shapes {' and '.join(map(str, shapes))} in one batch; expected one shape. Pad them, or pass collate= a function of your own"
            )
        return value(select.of(tensors[0]._data).xp.stack([_as_array(t._data) for t in tensors]), EAGER, None)
    if isinstance(first, bool | int | float | complex):
        return as_value(list(leaves))
    return list(leaves)


def _as_array(raw: Any) -> Any:
    return np.asarray(raw) if isinstance(raw, np.generic) else raw


def _sharded(
    shard: tuple[int, int], dataset: Dataset, batch_size: int, drop_last: bool, keyless: bool
) -> tuple[int, int]:
    """Rank and number of ranks; ArgumentError if they cannot share the items."""
    rank, ranks = shard
    if not 0 <= rank < ranks:
        raise errors.ArgumentError(
            f"DataLoader: shard={shard}; expected a rank and the number of ranks, 0 <= rank < ranks"
        )
    if ranks == 1:
        return rank, ranks
    if keyless:
        raise errors.ArgumentError(
            "DataLoader: shuffle=True with a shard and no key; expected key=, the same on every rank"
        )
    n = len(dataset)
    left = n % (batch_size * ranks)
    if 0 < left < ranks and not drop_last:
        raise errors.ArgumentError(
            f"DataLoader: of {n} items, batches of {batch_size} on {ranks} ranks leave {left} for the last, which is less than one for each; expected another batch_size, or drop_last=True"
        )
    return rank, ranks


class DataLoader:
    """Batches of ``batch_size`` items of a data set, in order or shuffled anew for each epoch.

    The order of epoch ``e`` is the permutation of the key ``fold_in(key, e)``: a function of the key and the epoch
    alone, so that a loader that is told where it was (:meth:`load_state_dict`) goes on with exactly the batches that
    would have come. Each ``for`` over the loader is one epoch; after one that was broken off, the next begins anew.

    ``key`` is a key, a generator, or None for one from the default generator; with ``shuffle=False`` none is used. The
    last batch is smaller if the length is not a multiple, or left out with ``drop_last``. ``prefetch`` batches are made
    ahead in a thread, which ends with the loop, however that ends; an exception there is raised in the loop. A batch is
    what the data set's own ``batch(indices)`` gives, or else ``collate`` of the items.

    ``shard=(rank, ranks)`` is for processes that train together (``gg.distributed``): ``batch_size`` is that of each,
    a batch of ``ranks`` times as many items, as one process would see it, is dealt out in even parts, so that every
    item comes once per epoch on one of them, and all make as many steps. A last batch that is not full is dealt out
    too; ArgumentError if it would leave a rank without items. To shuffle, they need the same ``key``: it must be given.

    >>> import gpugrad as gg
    >>> loader = gg.data.DataLoader(range(5), 2)
    >>> [b.tolist() for b in loader]
    [[0, 1], [2, 3], [4]]
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int = 1,
        *,
        shuffle: bool = False,
        key: Key = None,
        drop_last: bool = False,
        prefetch: int = 0,
        collate: Callable[[Sequence[Any]], Any] = collate,
        shard: tuple[int, int] = (0, 1),
    ) -> None:
        if batch_size < 1:
            raise errors.ArgumentError(f"DataLoader: batch_size={batch_size}; expected at least 1")
        if prefetch < 0:
            raise errors.ArgumentError(f"DataLoader: prefetch={prefetch}; expected 0 or more")
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.prefetch = prefetch
        self.collate = collate
        self._rank, self._ranks = _sharded(shard, dataset, batch_size, drop_last, shuffle and key is None)
        self.key = random.arguments.source("DataLoader", key, "cpu") if shuffle else None
        self._position = (0, 0)
        """The epoch, and the number of its batches that were handed out."""
        self._begin = (0, 0)
        """Where the next loop begins."""

    def __len__(self) -> int:
        """Batches in an epoch."""
        n, whole = len(self.dataset), self.batch_size * self._ranks
        return n // whole if self.drop_last else -(-n // whole)

    @property
    def epoch(self) -> int:
        """The epoch of the present loop, or, between loops, of the next one; assign to choose the next one."""
        return self._position[0]

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        random.keys.number(epoch, "epoch")
        self._position = self._begin = (epoch, 0)

    def order(self, epoch: int) -> Any:
        """The numbers of the items in the order of an epoch, a NumPy array."""
        if self.key is None:
            return np.arange(len(self.dataset))
        return random.permutation(len(self.dataset), key=random.fold_in(self.key, epoch)).numpy()

    def __iter__(self) -> Iterator[Any]:
        epoch, start = self._begin
        self._begin = (epoch + 1, 0)
        self._position = (epoch, start)
        return self._loop(epoch, start)

    def _loop(self, epoch: int, start: int) -> Iterator[Any]:
        batches = self._batches(epoch, start)
        if not self.prefetch:
            yield from self._counted(epoch, start, batches)
        else:
            with Prefetch(batches, self.prefetch) as ahead:
                yield from self._counted(epoch, start, ahead)

    def _counted(self, epoch: int, start: int, batches: Iterator[Any]) -> Iterator[Any]:
        for done, batch in enumerate(batches, start + 1):
            self._position = (epoch, done) if done < len(self) else (epoch + 1, 0)
            yield batch
        self._position = (epoch + 1, 0)

    def _batches(self, epoch: int, start: int) -> Iterator[Any]:
        order, whole = self.order(epoch), self.batch_size * self._ranks
        for k in range(start, len(self)):
            here = np.array_split(order[k * whole : (k + 1) * whole], self._ranks)[self._rank]
            yield batch_of(self.dataset, here, self.collate)

    # ---- state ----------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Where the loader is: the epoch, the batches of it that were handed out, and the key."""
        epoch, batch = self._position
        return {"epoch": epoch, "batch": batch, "key": None if self.key is None else self.key.tolist()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Let the next loop begin where the state says. FormatError, and nothing changed, if it is not one."""
        key = state.get("key")
        fine = set(state) == {"epoch", "batch", "key"} and all(
            type(state[k]) is int and state[k] >= 0 for k in ("epoch", "batch")
        )
        words = isinstance(key, list) and len(key) == 2 and all(type(w) is int and 0 <= w < 2**32 for w in key)
        if not fine or state["batch"] > len(self) or not (words if self.shuffle else key is None):
            raise errors.FormatError(
                f"DataLoader.load_state_dict: {dict(state)!r}; expected an epoch, a batch of at most {len(self)} and {'a key' if self.shuffle else 'no key'}: the state of a loader like this one"
            )
        if key is not None:
            self.key = random.keys.placed(random.keys.words(key[0] | key[1] << 32))
        self._position = self._begin = (state["epoch"], state["batch"])
