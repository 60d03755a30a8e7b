"""What is known of a run after each epoch, and the table of it."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from gpugrad.io.atomic import written


@dataclass(frozen=True)
class Epoch:
    """One row of metrics.csv. Training figures are means over the epoch's batches, as they were trained on."""

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    learning_rate: float
    seconds: float
    samples_per_second: float


def write(path: Path, history: Sequence[Epoch]) -> None:
    """The whole table, anew and at once: a reader never sees half of it."""

    def fill(temporary: str) -> None:
        with open(temporary, "w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, [f.name for f in fields(Epoch)])
            table.writeheader()
            table.writerows(asdict(e) for e in history)

    written(str(path), fill)
