"""``gpugrad train``: the options, and the loop around the steps."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from gpugrad import errors
from gpugrad.train import device
from gpugrad.train.folder import (
    CHECKPOINT,
    check_packages,
    checkpoint_in,
    load_checkpoint,
    new_folder,
    save_checkpoint,
    save_results,
    save_table,
)
from gpugrad.train.interrupt import Interrupt
from gpugrad.train.models import EPOCHS, MODELS
from gpugrad.train.progress import Display
from gpugrad.train.run import Run, Settings
from gpugrad.train.steps import DTYPES

HELP = """Train a classifier of handwritten digits (scikit-learn's, 8×8, which need no download).

A part of the training data is set apart for validation, after every epoch; the test data are looked at once, in
the end. Leaves in the folder of the run: model.safetensors (for `gpugrad predict`), checkpoint.safetensors (renewed
after every epoch, for --resume), metrics.csv, curves.png and confusion.png. Ctrl-C stops after the present
step and writes a checkpoint; a run that is resumed gives the same numbers, bit for bit, as one that was not
interrupted."""

DEFAULTS: dict[str, Any] = {
    "model": "mlp",
    "lr": 1e-2,
    "batch_size": 64,
    "seed": 0,
    "compiled": True,
    "dtype": "float32",
}


def _number(convert: Callable[[str], Any], least: float, what: str, below: float = math.inf) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            value = convert(text)
        except ValueError:
            value = None
        if value is None or not least <= value < below:
            raise argparse.ArgumentTypeError(f"{text!r}; expected {what}")
        return value

    return read


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    positive = _number(int, 1, "an integer of at least 1")
    parser.add_argument("dataset", choices=["digits"], help="the data to train on")
    parser.add_argument(
        "--model", choices=list(MODELS), help=f"perceptron or convolutional network (default: {DEFAULTS['model']})"
    )
    parser.add_argument(
        "--epochs",
        type=positive,
        help=f"passes over the data (default: {', '.join(f'{n} for {m}' for m, n in EPOCHS.items())})",
    )
    parser.add_argument(
        "--lr",
        type=_number(float, 0.0, "a number of at least 0"),
        help=f"largest learning rate of the one-cycle schedule (default: {DEFAULTS['lr']:g})",
    )
    parser.add_argument(
        "--batch-size",
        type=_number(int, 2, "an integer of at least 2"),
        help=f"examples per step (default: {DEFAULTS['batch_size']})",
    )
    parser.add_argument(
        "--seed",
        type=_number(int, 0, "an integer from 0 to 2**64 - 1", 2**64),
        help=f"of all random numbers (default: {DEFAULTS['seed']})",
    )
    device.argument(parser)
    parser.add_argument(
        "--dtype",
        choices=DTYPES,
        help=f"of matrix products and convolutions; parameters and sums are float32 in any case (default: {DEFAULTS['dtype']})",
    )
    parser.add_argument(
        "--no-compile",
        dest="compiled",
        action="store_false",
        default=None,
        help="run the steps operation by operation, without compiling them first",
    )
    parser.add_argument("--out", metavar="DIR", help="the folder of the run (default: runs/<time>)")
    parser.add_argument("--resume", metavar="PATH", help="go on with the run in this folder, or of this checkpoint")
    parser.add_argument(
        "--stop-after",
        type=positive,
        metavar="EPOCH",
        help="stop after that epoch, as if interrupted there; --resume goes on",
    )


def run(options: argparse.Namespace) -> int:
    """The command: exit status 0, or 128 + the number of the signal that interrupted it."""
    check_packages()
    with device.chosen(options.device) as place:
        if options.resume is None:
            started = Run(settings_of(options), place)
            folder = new_folder(options.out)
        else:
            path = checkpoint_in(options.resume)
            started = load_checkpoint(path, place)
            _check_same(options, started.settings)
            folder = path.parent if options.out is None else new_folder(options.out)
        with one_thread(), np.errstate(all="ignore"):  # what is not finite is found, named and reported by the run
            return train(started, folder, options.stop_after, device.told(options.device, place))


def settings_of(options: argparse.Namespace) -> Settings:
    """The settings that options ask for, with defaults for the rest."""
    given = {name: getattr(options, name) for name in Settings.__dataclass_fields__}
    usual = {**DEFAULTS, "epochs": EPOCHS[given["model"] or DEFAULTS["model"]]}
    return Settings(**{name: usual[name] if value is None else value for name, value in given.items()})


def _check_same(options: argparse.Namespace, settings: Settings) -> None:
    """A run goes on as it was begun: the schedule, for one, depends on the number of epochs."""
    begun = asdict(settings)
    other = [
        f"--{name.replace('_', '-')} {getattr(options, name)} (begun with {value})"
        for name, value in begun.items()
        if getattr(options, name) not in (None, value)
    ]
    if other:
        raise errors.FormatError(
            f"--resume goes on with the settings that the run was begun with, so that the result is the same; not with {', '.join(other)}. Leave them out, or begin a new run"
        )


def one_thread() -> Any:
    """Products of such small matrices are slower on several threads; and with one, results do not depend on how many
    processors there are.
    """
    from threadpoolctl import threadpool_limits  # brings ctypes, which not every command needs

    return threadpool_limits(1, user_api="blas")


def train(run: Run, folder: Path, stop_after: int | None, place: str) -> int:
    """Train to the end, or until interrupted, on a device that ``place`` tells in words; the exit status."""
    settings = run.settings
    with Interrupt() as interrupt, Display(run) as display:
        if run.history or run.midway:
            display.say(f"resumed after epoch {run.epoch} of {settings.epochs}, step {run.schedule.count}, on {place}")
        else:
            display.say(repr(run.model))
            display.say(
                f"digits: {len(run.train_set)} to train, {len(run.validation_set)} to validate, {len(run.test_set)} to test, on {place}, in {settings.dtype}; files go to {folder}"
            )
        told = False
        while not run.finished:
            try:
                for x, y in run.loader:
                    run.step(x, y)
                    display.step()
                    if interrupt.requested and run.midway:
                        return _stopped(run, folder, display, interrupt)
                if run.steps.seconds and not told:
                    display.say(f"compiled the training step in {run.steps.seconds:.1f} s")
                    told = True
                display.epoch(run.end_epoch())
            except errors.TrainingError as problem:
                kept = (
                    f"The checkpoint after epoch {run.epoch} is kept: {folder / CHECKPOINT}"
                    if run.epoch
                    else "There is no checkpoint yet"
                )
                raise errors.TrainingError(f"{problem}. {kept}") from None
            save_checkpoint(folder, run)
            save_table(folder, run)
            if not run.finished and (interrupt.requested or run.epoch == stop_after):
                return _stopped(run, folder, display, interrupt)
        truth, guess = run.test()
        paths = save_results(folder, run, truth, guess)
    display.say(_summary(run, int((guess == truth).sum())))
    for path in paths:
        display.say(f"  {path}")
    return 0


def _stopped(run: Run, folder: Path, display: Display, interrupt: Interrupt) -> int:
    save_checkpoint(folder, run)
    display.say(
        f"stopped after epoch {run.epoch} of {run.settings.epochs}, step {run.schedule.count}. Go on with: gpugrad train digits --resume {folder}"
    )
    return 128 + interrupt.signal if interrupt.signal else 0


def _summary(run: Run, right: int) -> str:
    n, seconds = len(run.test_set), sum(e.seconds for e in run.history)
    return f"test accuracy {100 * right / n:.2f} % ({right} of {n}), {seconds:.1f} s of training"
