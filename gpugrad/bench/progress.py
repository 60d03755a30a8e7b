"""The bar that moves while gpugrad bench measures, in a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gpugrad.bench.table import console


@contextmanager
def bar() -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar inside; gives what is told what comes next, and how many groups are done of how many."""
    out = console()
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(bar_width=None), TimeRemainingColumn()
    with Progress(*columns, console=out, disable=not out.is_terminal, transient=True) as progress:
        task = progress.add_task("", total=None)
        yield lambda what, done, total: progress.update(task, description=what, completed=done, total=total)
