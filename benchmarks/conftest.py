"""The calls that are prepared, the figures that were measured, and the table at the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import report
from rows import Call, Row

_FIGURES = report.Figures()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--save", action="store_true", help="write the table to benchmarks/results/, as JSON and Markdown")


@pytest.fixture(scope="session")
def figures() -> report.Figures:
    return _FIGURES


class Prepared:
    """Each library's call of one row: those of the row before are let go, with their memory."""

    def __init__(self) -> None:
        self.row: Row | None = None
        self.calls: dict[str, Call] = {}

    def __call__(self, row: Row, library: str) -> Call:
        if row is not self.row:
            self.row, self.calls = row, {}
        if library not in self.calls:
            call = self.calls[library] = row.makers[library]()
            if row.check is not None and library != "copy":
                row.check(call, self.calls.get("gpugrad jit", call))
        return self.calls[library]


@pytest.fixture(scope="session")
def prepared() -> Callable[[Row, str], Call]:
    return Prepared()


def pytest_benchmark_group_stats(benchmarks: list[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """The groups that pytest-benchmark shows: what is in our table is left out."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for b in benchmarks:
        if "turn" not in (b["params"] or {}):
            groups.setdefault(b["group"], []).append(b)
    return list(groups.items())


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if _FIGURES.by_row:
        report.show(_FIGURES)
        if config.getoption("--save"):
            for path in report.save(_FIGURES):
                terminalreporter.write_line(f"wrote {path}")
