"""What is known of a run after each epoch, and the table of it."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path


@dataclass(frozen=True)
class Epoch:
    """One row of metrics.csv. Training figures are means over the epoch's batches, as they were trained on."""

    epoch: int
    train_loss: float
    train_accuracy: float
    test_loss: float
    test_accuracy: float
    learning_rate: float
    seconds: float
    samples_per_second: float


def write(path: Path, history: Sequence[Epoch]) -> None:
    """The whole table, anew and at once: a reader never sees half of it."""
    scratch = path.with_name(path.name + ".part")
    with scratch.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, [f.name for f in fields(Epoch)])
        table.writeheader()
        table.writerows(asdict(e) for e in history)
    os.replace(scratch, path)
