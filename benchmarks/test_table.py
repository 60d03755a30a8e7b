"""The table of compiled programs beside the peers: each row of elementwise.py, training.py and costs.py.

    ci/bench -k table          ci/bench -k "table and GPT"          ci/bench -k table --save

A row's libraries are measured in turn, and that several times, so that what disturbs one disturbs all.
"""

from __future__ import annotations

import costs
import elementwise
import pytest
import training
from peers import installed

ROWS = [*elementwise.ROWS, *training.ROWS, *costs.ROWS]


@pytest.mark.parametrize(
    ("row", "library", "turn"),
    [
        pytest.param(row, library, turn, id=f"{row.name} - {library} - {turn + 1}")
        for row in ROWS
        for turn in range(row.turns)
        for library in row.makers
        if installed(library)
    ],
)
def test_table(benchmark, row, library, turn, prepared, figures):
    benchmark.group = row.name
    call = prepared(row, library)
    if row.measured:
        figure = benchmark.pedantic(call)
    else:
        benchmark(call)
        figure = benchmark.stats and benchmark.stats.stats.median
    if figure is not None:  # as it is with --benchmark-disable, which only tries each call
        figures.add(row, library, figure)
