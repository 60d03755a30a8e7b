"""What is shown while training: a line per epoch, and in a terminal a bar below that moves with every step."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Self

from gpugrad import errors
from gpugrad.train.metrics import Epoch
from gpugrad.train.run import Run


class Display:
    """A context manager: the bar is there inside."""

    def __init__(self, run: Run) -> None:
        try:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
        except ImportError:
            raise errors.missing_extra("rich", "train", "showing the progress of training") from None
        self._run = run
        self._console = Console(highlight=False, soft_wrap=True)
        columns = [
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[numbers]}"),
            TimeRemainingColumn(),
        ]
        self._progress: Any = Progress(
            *columns, console=self._console, disable=not self._console.is_terminal, transient=True
        )
        total = run.settings.epochs * len(run.loader)
        self._task = self._progress.add_task("training", total=total, completed=run.schedule.count, numbers="")
        self._shown = 0.0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._progress.stop()

    def say(self, text: str) -> None:
        """A line of text above the bar."""
        self._console.print(text, markup=False)

    def step(self) -> None:
        """Move the bar; the numbers beside it are renewed ten times a second."""
        if self._progress.disable:
            return
        now = time.monotonic()
        if now - self._shown < 0.1:
            return
        self._shown = now
        run, sums = self._run, self._run.sums
        numbers = f"loss {sums.loss / sums.seen:.4f}  train {100 * sums.right / sums.seen:5.2f} %"
        if run.history:
            numbers += f"  validation {100 * run.history[-1].validation_accuracy:5.2f} %"
        numbers += f"  {sums.seen / max(sums.seconds, 1e-9):,.0f} samples/s"
        self._progress.update(
            self._task,
            completed=run.schedule.count,
            description=f"epoch {run.epoch + 1}/{run.settings.epochs}",
            numbers=numbers,
        )

    def epoch(self, row: Epoch) -> None:
        """A line for an epoch that is complete."""
        width = len(str(self._run.settings.epochs))
        self.say(
            f"epoch {row.epoch:{width}}/{self._run.settings.epochs}  loss {row.train_loss:.4f}  train {100 * row.train_accuracy:6.2f} %  "
            f"validation {100 * row.validation_accuracy:6.2f} %  {row.samples_per_second:,.0f} samples/s"
        )
