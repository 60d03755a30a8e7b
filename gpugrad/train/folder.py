"""The folder of a run: its checkpoint after every epoch, the table, and in the end the model and the pictures."""

from __future__ import annotations

import datetime
import importlib.util
from pathlib import Path
from typing import Any

from gpugrad import errors, io
from gpugrad.train import metrics, plots
from gpugrad.train.models import CLASSES
from gpugrad.train.run import Labels, Run
from gpugrad.version import __version__

KIND = "gpugrad digits classifier"
"""What the metadata of a model say that it is."""
CHECKPOINT, MODEL, TABLE = "checkpoint.safetensors", "model.safetensors", "metrics.csv"


def new_folder(out: str | None) -> Path:
    """The folder for a new run: ``out``, or one named after the time. FormatError if a run is in it already."""
    if out is None:
        name = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
        path, count = Path("runs") / name, 1
        while path.exists():
            count += 1
            path = Path("runs") / f"{name}-{count}"
    else:
        path = Path(out)
        taken = [name for name in (CHECKPOINT, MODEL) if (path / name).exists()]
        if taken:
            raise errors.FormatError(
                f"{path} holds a run already ({', '.join(taken)}). Go on with it by --resume {path}, or choose another folder"
            )
    path.mkdir(parents=True, exist_ok=True)
    return path


def checkpoint_in(resume: str) -> Path:
    """The checkpoint meant by ``--resume``: a file, or the folder of a run. FormatError if there is none."""
    path = Path(resume)
    if path.is_dir():
        path = path / CHECKPOINT
    if not path.is_file():
        raise errors.FormatError(f"no checkpoint at {path}; expected the folder of a run, or its {CHECKPOINT}")
    return path


def check_packages() -> None:
    """MissingExtraError, before anything is done, if a package is missing that is needed in the end."""
    for module, package in (
        ("rich", "rich"),
        ("safetensors", "safetensors"),
        ("sklearn", "scikit-learn"),
        ("matplotlib", "matplotlib"),
    ):
        if importlib.util.find_spec(module) is None:
            raise errors.missing_extra(package, "train", "gpugrad train")


def save_checkpoint(folder: Path, run: Run) -> None:
    """The state of a run, at once: the checkpoint before it stays whole until the new one is."""
    io.save(
        run.state_dict(), folder / CHECKPOINT, metadata={"kind": "gpugrad training checkpoint", "version": __version__}
    )


def load_checkpoint(path: Path, device: str) -> Run:
    """The run that a checkpoint was taken of. FormatError if the file is something else."""
    state: Any = io.load(path)
    if not isinstance(state, dict) or "settings" not in state:
        raise errors.FormatError(
            f"{path} is not a checkpoint of `gpugrad train`; expected the {CHECKPOINT} that it writes"
        )
    try:
        return Run.from_state(state, device)
    except errors.FormatError as problem:
        raise errors.FormatError(f"{path}: {problem}") from None


def save_table(folder: Path, run: Run) -> None:
    """metrics.csv."""
    metrics.write(folder / TABLE, run.history)


def save_results(folder: Path, run: Run, truth: Labels, guess: Labels) -> list[Path]:
    """What a complete run leaves, with the classes of the test data and those that its items are taken for; the paths."""
    accuracy = f"{float((guess == truth).mean()):.4f}"
    io.save_model(
        run.model,
        folder / MODEL,
        metadata={"kind": KIND, "architecture": run.settings.model, "version": __version__, "test_accuracy": accuracy},
    )
    save_table(folder, run)
    plots.curves(folder / "curves.png", run.history)
    plots.confusion(folder / "confusion.png", truth, guess, CLASSES)
    return [folder / name for name in (MODEL, CHECKPOINT, TABLE, "curves.png", "confusion.png")]
