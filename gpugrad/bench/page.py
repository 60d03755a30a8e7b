"""The page of a run: all that was measured in one HTML file, which needs neither a network nor a script."""

from __future__ import annotations

import itertools as it
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from gpugrad.bench import drawing, limits, measure, statistics, summary, table
from gpugrad.bench.drawing import Picture
from gpugrad.bench.records import Record, Results
from gpugrad.bench.summary import Beside

NAMES = {
    drawing.PAPER: "paper", drawing.INK: "ink", drawing.SOFT: "soft", drawing.LINE: "line", drawing.BLUE: "blue",
    drawing.ORANGE: "orange", drawing.GREEN: "green", drawing.PINK: "pink",
}  # fmt: skip
"""Of the colours of pictures in page.css, which has others for a dark page."""
KINDS = {
    "throughput": (
        "Throughput against size",
        "Thick lines are compiled programs, thin ones the same operations one by one; bands are 95 % intervals. Dashed is the"
        " most that the device can do with the work of that size. A ring marks where CPU and GPU take the same time.",
    ),
    "roofline": (
        "Rooflines",
        "How near each workload comes to its roof: the speed of copies in memory or in the caches on the slopes, that of matrix"
        " products on the level.",
    ),
    "peers": (
        "Beside other libraries",
        "The same numbers in, the same numbers out, in turns. Bars to the right of 1: gpugrad is quicker. Thin lines are 95 %"
        " intervals.",
    ),
}
"""kind of picture -> heading, and how to read it."""


def page(results: Results, pictures: Sequence[Picture], peers: Sequence[Beside]) -> str:
    """The file's text."""
    sentence, figures = summary.headline(results, peers)
    machine = results.machine
    version = machine.get("versions", {}).get("gpugrad", "")
    where = " · ".join(part for part in (machine.get("processor", ""), machine.get("date", "")[:10]) if part)
    parts = [
        f'<header>\n<p class="above">gpugrad {escape(version)} bench · {escape(where)}</p>\n<h1>{_text(sentence)}</h1>',
        '<p class="warning">The run was interrupted: this is what had been measured until then.</p>'
        if results.interrupted
        else "",
        _figures(figures),
        "</header>",
        _machine(machine),
        *(_pictures(kind, [p for p in pictures if p.kind == kind]) for kind in KINDS),
        _table(results),
        _limits(results),
        _left_out(results),
        _method(results),
        "<footer>The samples themselves are in results.json, beside this page; the pictures, as PNG and SVG, in pictures.</footer>",
    ]
    style = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>gpugrad bench, {escape(where)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in parts if part)
        + "\n</body>\n</html>\n"
    )


def _text(words: str) -> str:
    """Escaped, with numbers that keep their units."""
    return escape(words).replace(" %", "&nbsp;%").replace(" ×", "&nbsp;×")


def _number(x: float) -> str:
    return f"{x:,.0f}" if x >= 1000 else f"{x:.3g}"


def _figures(figures: Sequence[summary.Figure]) -> str:
    cells = (f"<div><dt>{_text(f.says)}</dt><dd>{_text(f.number)}</dd></div>" for f in figures)
    return f'<dl class="figures">{"".join(cells)}</dl>' if figures else ""


def _section(heading: str, *parts: str) -> str:
    return "\n".join((f"<section>\n<h2>{heading}</h2>", *parts, "</section>"))


def _pictures(kind: str, pictures: Sequence[Picture]) -> str:
    """Those to look at first, and the others behind a line to open."""
    if not pictures:
        return ""
    heading, about = KINDS[kind]
    others = [p for p in pictures if not p.first]
    more = f"<details>\n<summary>The same in other dtypes ({len(others)})</summary>\n{_grid(kind, others)}\n</details>"
    first = _grid(kind, [p for p in pictures if p.first])
    return _section(heading, f"<p>{_text(about)}</p>", first, *([more] if others else []))


def _grid(kind: str, pictures: Iterable[Picture]) -> str:
    shown = (
        f'<figure role="img" aria-label="{escape(p.about)}">\n{drawing.inline(p.svg, NAMES)}</figure>' for p in pictures
    )
    return f'<div class="pictures {kind}">\n{"".join(shown)}\n</div>'


def _table(results: Results) -> str:
    if not results.records:
        return ""

    def group(record: Record) -> Any:
        case = record.case
        return case.workload, case.way, case.dtype, case.device

    heads = "".join(f'<th scope="col"{_align(k)}>{escape(head)}</th>' for k, head in enumerate(table.HEADS))
    bodies = (
        "<tbody>\n"
        + "\n".join(_row(table.row(r, results), r.case.library == summary.OURS) for r in records)
        + "\n</tbody>"
        for _, records in it.groupby(results.records, group)
    )
    inside = f"<table>\n<thead><tr>{heads}</tr></thead>\n" + "\n".join(bodies) + "\n</table>"
    return _section(
        "All figures",
        "<p>Medians. “Of the limit” is the time of a copy or product of such a size, to the time that was taken; what writes"
        " over what it has read can go beyond it.</p>",
        f'<div class="scroll" tabindex="0" role="region" aria-label="All figures">\n{inside}\n</div>',
    )


def _row(cells: Sequence[str], ours: bool) -> str:
    first, *others = (escape(cell) for cell in cells)
    shown = (f"<td{_align(k)}>{cell}</td>" for k, cell in enumerate(others, 1))
    kind = "" if ours else ' class="other"'
    return f'<tr{kind}><th scope="row">{first}</th>{"".join(shown)}</tr>'


def _align(column: int) -> str:
    return ' class="number"' if column == 1 or column >= 5 else ""


def _facts(facts: Iterable[tuple[str, str]]) -> str:
    return '<dl class="facts">\n' + "\n".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in facts) + "\n</dl>"


def _limits(results: Results) -> str:
    if not results.limits:
        return ""
    facts = []
    for device, found in results.limits.items():
        products = "; ".join(f"{dtype} {_number(rate / 1e9)} GFLOP/s" for dtype, rate in found.products.items())
        call = f"a call {table.seconds(found.call)}"
        facts.append(
            (
                device,
                "; ".join((f"copy {table.copied(found)}", *([products] if products else []), call)),
            )
        )
    return _section("What the devices can do at most", "<p>Measured in the same run.</p>", _facts(facts))


def _left_out(results: Results) -> str:
    if not results.left_out:
        return ""
    return _section(
        "Left out", "<ul>\n" + "\n".join(f"<li>{escape(what)}</li>" for what in results.left_out) + "\n</ul>"
    )


def _machine(machine: dict[str, Any]) -> str:
    facts = [(name, str(value)) for name, value in machine.items() if name != "versions"]
    facts += [(name, str(version)) for name, version in machine.get("versions", {}).items()]
    pairs = "\n".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in facts)
    return _section("Machine and versions", f'<dl class="machine">\n{pairs}\n</dl>')


def _method(results: Results) -> str:
    """In a few sentences, with the numbers that the code goes by."""
    rounds = max((len(r.rounds) for r in results.records), default=0)
    said = [
        f"Each case is called {measure.WARM} times at least before it counts, so that it is compiled and captured. A sample is as"
        f" many calls as take {table.seconds(measure.LEAST)}, until the device has done all of its work, over their number.",
        "Libraries take turns, in rounds, so that what else the machine does falls on all of them alike"
        + (f"; here there were {rounds} rounds." if rounds else "."),
        "Where memory is the question, several inputs take turns, so that large ones are not found in the caches; the limit is"
        " the speed of copies that touch as much memory as the case does, in the caches or beyond.",
        f"Times are medians of all samples; intervals hold with a probability of 95 %, from {statistics.RESAMPLES:,} resamples of"
        " rounds and of samples within them.",
        "Bytes and operations are those of the compiled program, counted by it, for all libraries alike.",
        f"Limits: copies that touch from {limits.SMALLEST >> 10} KiB to {limits.LARGEST >> 20} MiB or eight times the last cache,"
        " whichever is more, by the library or a compiled loop, whichever is quicker; a product of square"
        f" matrices, {' or '.join(f'{n:,} rows on {device}' for device, n in limits.PRODUCT.items())}; and the call of a"
        " compiled function that adds two numbers.",
        "The first result of each library is compared with gpugrad's; what computes something else is left out.",
    ]
    return _section("How it was measured", "<ul>\n" + "\n".join(f"<li>{_text(s)}</li>" for s in said) + "\n</ul>")
