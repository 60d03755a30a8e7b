"""The pictures that a run leaves: how loss and accuracy went, and which classes are taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gpugrad import errors
from gpugrad.train.metrics import Epoch


def _figure(width: float, height: float) -> Any:
    """A figure that knows no window: drawn by Agg, whatever backend the user has chosen."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise errors.missing_extra("matplotlib", "train", "drawing curves.png and confusion.png") from None
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def curves(path: Path, history: Sequence[Epoch]) -> None:
    """Loss and error rate by epoch, for training and validation data."""
    figure = _figure(9, 3.6)
    epochs = [e.epoch for e in history]
    loss, error = figure.subplots(1, 2)
    for kind, style, label in (("train", "--", "train, with dropout"), ("validation", "-", "validation")):
        loss.plot(epochs, [getattr(e, f"{kind}_loss") for e in history], style, label=label, marker=".")
        error.plot(
            epochs, [100 * (1 - getattr(e, f"{kind}_accuracy")) for e in history], style, label=label, marker="."
        )
    loss.set(xlabel="epoch", ylabel="cross entropy", yscale="log")
    error.set(
        xlabel="epoch",
        ylabel="errors (%)",
        ylim=(0, None),
    )
    for axes in (loss, error):
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=120)


def confusion(path: Path, truth: np.ndarray[Any, Any], guess: np.ndarray[Any, Any], classes: Sequence[str]) -> None:
    """How often each class (row) was taken for each (column)."""
    n = len(classes)
    counts = np.bincount(truth * n + guess, minlength=n * n).reshape(n, n)
    figure = _figure(5.2, 5)
    axes = figure.subplots()
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.argwhere(counts):
        axes.text(
            column,
            row,
            str(counts[row, column]),
            ha="center",
            va="center",
            color="white" if share[row, column] > 0.5 else "black",
        )
    right = int(np.trace(counts))
    axes.set(
        xlabel="predicted", ylabel="true", title=f"{right} of {counts.sum()} right", xticks=range(n), yticks=range(n)
    )
    axes.set_xticklabels(classes)
    axes.set_yticklabels(classes)
    figure.savefig(path, dpi=120)
