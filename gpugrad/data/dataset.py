"""What a data set is, and those that are made of arrays and of other data sets."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from gpugrad import errors, random
from gpugrad.backends import select
from gpugrad.random.arguments import Key
from gpugrad.trace import value
from gpugrad.transforms.lift import as_value
from gpugrad.transforms.tape import EAGER


class Dataset(Protocol):
    """Anything with a length and items by number, such as a list.

    A data set that can give many items at once in a better way has a method ``batch(indices)`` too, which takes an
    array of integers and gives what the loader is to hand out.
    """

    def __len__(self) -> int:
        """The number of items."""
        ...

    def __getitem__(self, index: int) -> Any:
        """One item: an array, or numbers and arrays in tuples and dictionaries."""
        ...


@runtime_checkable
class Batched(Protocol):
    """A data set that gives many items at once."""

    def batch(self, indices: Any) -> Any:
        """The items at an array of integers, as one batch."""
        ...


class ArrayDataset:
    """Arrays of one length: item ``i`` is a tuple of what each of them has at ``i``.

    Arrays are kept as they are, without a copy, on the device where they are. Raises ShapeError unless all have the
    same length.

    >>> import gpugrad as gg
    >>> data = gg.data.ArrayDataset([[1.0, 2.0], [3.0, 4.0]], [0, 1])
    >>> data[1]
    (tensor([3., 4.]), tensor(1))
    """

    def __init__(self, *arrays: Any) -> None:
        self.tensors = tuple(as_value(a).detach() for a in arrays)
        lengths = [t.shape[0] if t.shape else None for t in self.tensors]
        if not lengths or None in lengths or len(set(lengths)) > 1:
            shapes = ", ".join(str(t.shape) for t in self.tensors) or "no arrays"
            raise errors.ShapeError(f"ArrayDataset: {shapes}; expected arrays whose first axes have one length")

    def __len__(self) -> int:
        length: int = self.tensors[0].shape[0]
        return length

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        n = len(self)
        if not -n <= index < n:
            raise errors.AxisError(f"item {index} of a data set of {n}")
        return tuple(t[int(index)] for t in self.tensors)

    def batch(self, indices: Any) -> tuple[Any, ...]:
        """The items at an array of integers: a tuple of tensors."""
        return tuple(_rows(t, indices) for t in self.tensors)


TensorDataset = ArrayDataset
"""PyTorch's name for it."""


def _rows(tensor: Any, indices: Any) -> Any:
    """Rows of a tensor by the namespace's own function: plain data needs no derivative."""
    raw = tensor._data
    backend = select.of(raw)
    rows = backend.xp.take(raw, backend.asarray(np.asarray(indices, np.int64)), axis=0)
    return value(rows, EAGER, None)


class Subset:
    """Some items of another data set, by their numbers.

    >>> import gpugrad as gg
    >>> gg.data.Subset("abcd", [3, 0])[0]
    'd'
    """

    def __init__(self, dataset: Dataset, indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = np.asarray(indices, np.int64).reshape(-1)
        n = len(dataset)
        if self.indices.size and not (self.indices.min() >= 0 and self.indices.max() < n):
            raise errors.AxisError(
                f"Subset: indices from {self.indices.min()} to {self.indices.max()} for a data set of {n} items; expected 0 to {n - 1}"
            )

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Any:
        n = len(self)
        if not -n <= index < n:
            raise errors.AxisError(f"item {index} of a data set of {n}")
        return self.dataset[int(self.indices[index])]


def batch_of(dataset: Dataset, indices: Any, collate: Callable[[Sequence[Any]], Any]) -> Any:
    """The items at an array of integers, as a batch: the data set's own if it makes them, else ``collate`` of a list."""
    if isinstance(dataset, Subset):
        return batch_of(dataset.dataset, dataset.indices[indices], collate)
    return dataset.batch(indices) if isinstance(dataset, Batched) else collate([dataset[int(i)] for i in indices])


def random_split(dataset: Dataset, lengths: Sequence[float], *, key: Key = None) -> list[Subset]:
    """Disjoint random parts of a data set: of the given lengths, or of the given fractions of it, which sum to 1.

    Of fractions, what rounding down leaves over goes to the first parts, one item each. Raises ShapeError for lengths
    that do not sum to that of the data set.

    >>> import gpugrad as gg
    >>> train, test = gg.data.random_split(range(10), [0.8, 0.2], key=gg.random.key(0))
    >>> len(train), len(test)
    (8, 2)
    """
    n = len(dataset)
    counts = [int(x) for x in lengths]
    if not all(isinstance(x, int | np.integer) for x in lengths):
        if not math.isclose(math.fsum(lengths), 1.0) or min(lengths) < 0.0:
            raise errors.ShapeError(
                f"random_split: fractions {list(lengths)}; expected numbers that sum to 1, or integers that sum to {n}"
            )
        counts = [math.floor(n * x + 1e-9) for x in lengths]
        for k in range(n - sum(counts)):
            counts[k % len(counts)] += 1
    if sum(counts) != n or any(c < 0 for c in counts):
        raise errors.ShapeError(
            f"random_split: lengths {counts} for a data set of {n} items; expected lengths that sum to {n}"
        )
    order = random.permutation(n, key=key).to("cpu").numpy()
    ends = np.cumsum(counts)
    return [Subset(dataset, order[end - count : end]) for count, end in zip(counts, ends, strict=True)]
