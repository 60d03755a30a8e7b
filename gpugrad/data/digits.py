"""The digits data set of scikit-learn: small, real, and there without a download."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpugrad import errors, random
from gpugrad.data.dataset import ArrayDataset
from gpugrad.random.arguments import Key

SPLIT_SEED = 1797
"""The key of the split, unless one is given: every program then has the same test items."""


def _loaded() -> tuple[Any, Any]:
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise errors.missing_extra("scikit-learn", "train", "gg.data.digits") from None
    found = load_digits()
    return found.images, found.target


def digits(test: int = 360, *, key: Key = None) -> tuple[ArrayDataset, ArrayDataset]:
    """Handwritten digits: training and test sets of images (8 × 8, float32 in [0, 1]) and labels (int64, 0 to 9).

    1797 items, of which ``test`` are set apart; which ones is the same in every program, unless ``key`` says otherwise.
    Part of scikit-learn (E. Alpaydin, C. Kaynak: Optical recognition of handwritten digits, UCI, 1998); raises
    MissingExtraError without it.

    >>> import gpugrad as gg
    >>> train, test = gg.data.digits()
    >>> len(train), len(test), train[0][0].shape
    (1437, 360, (8, 8))
    """
    images, labels = _loaded()
    n = len(labels)
    if not 0 <= test <= n:
        raise errors.ArgumentError(f"digits: test={test}; expected 0 to {n} items")
    order = random.permutation(n, key=random.key(SPLIT_SEED) if key is None else key).to("cpu").numpy()
    images, labels = (images / 16.0).astype(np.float32)[order], labels.astype(np.int64)[order]
    return ArrayDataset(images[: n - test], labels[: n - test]), ArrayDataset(images[n - test :], labels[n - test :])
