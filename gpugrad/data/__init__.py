"""Data sets, and loaders that cut them into batches.

>>> import gpugrad as gg
>>> data = gg.data.ArrayDataset([[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1])
>>> loader = gg.data.DataLoader(data, 2, shuffle=True, key=gg.random.key(0))
>>> for x, y in loader:
...     print(x.shape, y.shape)
(2, 1) (2,)
(2, 1) (2,)
"""

from gpugrad.data.dataset import ArrayDataset as ArrayDataset
from gpugrad.data.dataset import Dataset as Dataset
from gpugrad.data.dataset import Subset as Subset
from gpugrad.data.dataset import TensorDataset as TensorDataset
from gpugrad.data.dataset import random_split as random_split
from gpugrad.data.digits import digits as digits
from gpugrad.data.loader import DataLoader as DataLoader
from gpugrad.data.loader import collate as collate
from gpugrad.data.prefetch import Prefetch as Prefetch

__all__ = [
    "ArrayDataset", "DataLoader", "Dataset", "Prefetch", "Subset", "TensorDataset", "collate", "digits", "random_split",
]  # fmt: skip
