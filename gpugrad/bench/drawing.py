"""How the pictures of gpugrad bench look: colours, sizes, labels that keep clear of each other, and files."""

from __future__ import annotations

import io
import itertools as it
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from gpugrad import errors

INK, SOFT, LINE, PAPER = "#1b1f24", "#5c6570", "#d9dee4", "#fffffe"
BLUE, ORANGE, GREEN, PINK = "#0072b2", "#d55e00", "#009e73", "#cc79a7"
"""Of M. Okabe and K. Ito's palette, which the colour-blind tell apart."""
RC = {
    "font.family": "DejaVu Sans", "font.size": 8.5, "text.color": INK, "text.parse_math": False, "axes.edgecolor": SOFT,
    "axes.linewidth": 0.6, "axes.spines.top": False, "axes.spines.right": False, "axes.labelcolor": SOFT,
    "axes.axisbelow": True, "axes.grid": True, "axes.facecolor": PAPER, "figure.facecolor": PAPER, "grid.color": LINE, "grid.linewidth": 0.6,
    "xtick.color": SOFT, "ytick.color": SOFT, "xtick.labelsize": 8, "ytick.labelsize": 8, "xtick.major.size": 2.5,
    "ytick.major.size": 0, "xtick.minor.size": 0, "ytick.minor.size": 0, "xtick.major.width": 0.6, "svg.fonttype": "none",
    "svg.hashsalt": "gpugrad",
}  # fmt: skip
PER_INCH = 192
"""Pixels of a PNG: two for each of a screen's."""
TIED = 12
"""Points from its mark, beyond which a label is tied to it by a line."""


@dataclass(frozen=True)
class Picture:
    """A figure with the name of its files, what it shows in words, and whether it is one of the first to look at."""

    name: str
    kind: str
    """"throughput", "roofline" or "peers"."""
    about: str
    figure: Any
    first: bool = True

    @cached_property
    def svg(self) -> str:
        """The same bytes each time."""
        file = io.StringIO()
        with style():
            self.figure.savefig(file, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
        return file.getvalue()

    def write(self, folder: Path) -> list[Path]:
        """As PNG and SVG; the paths."""
        png, svg = folder / f"{self.name}.png", folder / f"{self.name}.svg"
        with style():
            self.figure.savefig(png, dpi=PER_INCH)
        svg.write_text(self.svg, encoding="utf-8")
        return [png, svg]


def matplotlib() -> Any:
    """The package; MissingExtraError if it is not installed."""
    try:
        import matplotlib
    except ImportError:
        raise errors.missing_extra("matplotlib", "train", "drawing the pictures of gpugrad bench --out") from None
    return matplotlib


def style() -> Any:
    """What holds while a figure is made or written."""
    return matplotlib().rc_context(RC)


def sheet(width: float, height: float) -> Any:
    """A figure, in inches, that knows no window."""
    matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def panel(figure: Any, left: float, top: float, right: float, bottom: float) -> Any:
    """Axes, in inches from the edges of the figure."""
    width, height = figure.get_size_inches()
    return figure.add_axes(
        (left / width, bottom / height, (width - left - right) / width, (height - top - bottom) / height)
    )


def write(figure: Any, x: float, y: float, text: str, room: float = math.inf, **how: Any) -> Any:
    """Text in a figure, in inches from its top left corner; what has no room, in inches, ends in an ellipsis."""
    width, height = figure.get_size_inches()
    out = figure.text(x / width, 1 - y / height, text, va="top", **how)
    room = min(room, (x if how.get("ha") == "right" else width - x) - 0.05) * figure.dpi
    _fit(out, room, figure.canvas.get_renderer())
    return out


def _fit(written: Any, room: float, renderer: Any) -> None:
    """Shorten a text to so many pixels."""
    text = written.get_text()
    while (width := written.get_window_extent(renderer).width) > room and len(text) > 1:
        text = text[: max(1, min(len(text) - 1, int(len(text) * room / width)))]
        written.set_text(text.rstrip() + "…")


def legend(figure: Any, y: float, entries: Iterable[tuple[str, dict[str, Any]]]) -> None:
    """A row of marks, each with its name, in inches from the top of the figure."""
    from matplotlib.lines import Line2D

    width, height = figure.get_size_inches()
    x = 0.12
    for name, how in entries:
        sample = Line2D(
            [x / width, (x + 0.22) / width], [1 - (y + 0.06) / height] * 2, transform=figure.transFigure, **how
        )
        if how.get("ls") == "":
            sample.set_data([(x + 0.12) / width], [1 - (y + 0.06) / height])
        figure.add_artist(sample)
        text = write(figure, x + 0.28, y, name, room=1.2, color=SOFT, size=8)
        x += 0.28 + text.get_window_extent(figure.canvas.get_renderer()).width / figure.dpi + 0.17


def rounded(n: float) -> str:
    """A number as short as an axis wants it.

    >>> [rounded(n) for n in (0.5, 64, 4096, 262144, 1e7)]
    ['0.5', '64', '4,096', '262 k', '10 M']
    """
    for least, factor, unit in ((1e12, 1e12, "T"), (1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if n >= least:
            return f"{n / factor:.3g} {unit}"
    return f"{round(n):,}" if n >= 100 else f"{n:.2g}"


def ticks(low: float, high: float) -> list[float]:
    """For a logarithmic axis: powers of ten, and steps between them where there are fewer than three.

    >>> [f"{t:g}" for t in ticks(0.5, 2e4)], [f"{t:g}" for t in ticks(0.9, 12)]
    (['1', '10', '100', '1000', '10000'], ['1', '2', '5', '10'])
    """
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found: list[float] = []
    for steps in ((1.0,), (1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)):
        found = [step * 10.0**k for k in powers for step in steps if low <= step * 10.0**k <= high]
        if len(found) > 2:
            break
    return found[:: -(-len(found) // 6)]


def logarithmic(axis: Any, low: float, high: float) -> None:
    """An axis from low to high."""
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    at = ticks(low, high)
    axis.set_major_locator(FixedLocator(at))
    axis.set_major_formatter(FixedFormatter([rounded(t) for t in at]))
    axis.set_minor_locator(NullLocator())


def dense(axes: Any, x: Sequence[float], y: Sequence[float]) -> Any:
    """Points, in pixels, along a line through data: what labels keep clear of."""
    points = axes.transData.transform(np.column_stack([x, y]))
    if len(points) < 2:
        return points
    parts = [np.linspace(a, b, max(2, int(np.hypot(*(b - a)) / 3))) for a, b in it.pairwise(points)]
    return np.concatenate(parts)


def covered(text: Any) -> Any:
    """Points, in pixels, all over a text."""
    box = text.get_window_extent(text.figure.canvas.get_renderer())
    return np.stack(np.meshgrid(np.arange(box.x0, box.x1, 4), np.arange(box.y0, box.y1, 4)), -1).reshape(-1, 2)


def label(axes: Any, texts: Sequence[tuple[float, float, str, str]], clear: Sequence[Any]) -> list[Any]:
    """Write texts (x, y, text, colour) near their points, inside the axes, clear of points in pixels and of each other.

    What has to go far from its point is tied to it by a thin line.
    """
    if not texts:
        return []
    pixels = axes.figure.dpi / 72
    renderer = axes.figure.canvas.get_renderer()
    frame = axes.get_window_extent(renderer)
    points = np.concatenate([axes.transData.transform([(x, y) for x, y, *_ in texts]), *clear])
    out, boxes = [], list[Any]()
    for x, y, text, colour in texts:
        at = {"textcoords": "offset points", "ha": "center", "va": "center", "size": 8, "color": colour}
        written = axes.annotate(text, (x, y), (0, 0), **at)
        _fit(written, 0.45 * frame.width, renderer)
        box = written.get_window_extent(renderer)
        best, place, moved, tied = math.inf, (0.0, 0.0), box, points[:0]
        for radius, k in it.product((3, 7, 12, 20, 30, 42, 58, 78, 100), range(16)):
            angle = math.pi / 8 * k
            dx = math.cos(angle) * (radius * pixels + box.width / 2)
            dy = math.sin(angle) * (radius * pixels + box.height / 2)
            there = box.translated(dx, dy)
            wide = there.padded(1.5 * pixels)
            if not (frame.x0 <= wide.x0 and wide.x1 <= frame.x1 and frame.y0 <= wide.y0 and wide.y1 <= frame.y1):
                continue
            tie = _tie(axes.transData.transform((x, y)), there) if radius > TIED else points[:0]
            cost = _within(points, wide) + sum(1000 * wide.overlaps(b) + _within(tie, b) for b in boxes)
            if cost < best:
                best, place, moved, tied = cost, (dx / pixels, dy / pixels), there, tie
            if not cost:
                break
        boxes.append(moved)
        written.set_position(place)
        out.append(written)
        if len(tied):
            points = np.concatenate([points, tied])
            ends = axes.transData.inverted().transform(tied[[0, -1]])
            axes.plot(*ends.T, color=SOFT, lw=0.5, zorder=1)
    return out


def _within(points: Any, box: Any) -> int:
    return int(((points > (box.x0, box.y0)) & (points < (box.x1, box.y1))).all(1).sum())


def _tie(point: Any, box: Any) -> Any:
    """Points, in pixels, on the way from a point to the nearest of a box."""
    nearest = np.clip(point, (box.x0, box.y0), (box.x1, box.y1))
    return np.linspace(point, nearest, max(2, int(np.hypot(*(nearest - point)) / 3)))


def inline(svg: str, names: dict[str, str]) -> str:
    """An SVG as part of a page: no prologue, no names that others of the page have, colours by variables of the page."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r'<g id="[^"]*"', "<g", body)
    body = re.sub(
        r'(<svg[^>]*?) width="[^"]*"', r"\1", re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", body, count=1), count=1
    )
    return re.sub("|".join(names), lambda m: f"var(--{names[m[0]]})", body)
