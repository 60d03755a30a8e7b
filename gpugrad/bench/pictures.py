"""The pictures of a run: throughput against size, a roofline for each device, and bars for the other libraries."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from gpugrad.bench import drawing
from gpugrad.bench.drawing import BLUE, GREEN, INK, ORANGE, PINK, SOFT, Picture, rounded
from gpugrad.bench.limits import Limits
from gpugrad.bench.records import Record, Results
from gpugrad.bench.summary import (
    EAGER,
    OURS,
    UNITS,
    Beside,
    bound,
    crossings,
    first_dtypes,
    largest,
    limit,
    lines,
    throughput,
    times,
)
from gpugrad.bench.workloads import WORKLOADS

GPUS = ((ORANGE, "s"), (GREEN, "^"), (PINK, "D"))
WAYS = {"forward": ("forward", "o", False), "gradient": ("gradient", "o", True)}
OTHER = ("step or product", "s", True)
"""How a way is marked in a roofline: its name, the mark, and whether it is filled."""


def pictures(results: Results, peers: Sequence[Beside]) -> list[Picture]:
    """All of a run's; MissingExtraError without matplotlib."""
    first = first_dtypes(results)
    names: set[str] = set()
    with drawing.style():
        out = [
            _throughput(
                results, workload, dtype, _free(f"throughput {workload} {dtype}", names), dtype == first[workload]
            )
            for workload, dtype in dict.fromkeys((r.case.workload, r.case.dtype) for r in largest(results))
        ]
        for device, limits in results.limits.items():
            ends = [r for r in largest(results) if r.case.device == device and r.operations + r.products and r.bytes]
            shown = [r for r in ends if r.case.dtype == first[r.case.workload]]
            if shown:
                out.append(_roofline(device, limits, shown, _free(f"roofline {device}", names)))
        for (device, title), group in _groups(peers).items():
            out.append(_bars(device, title, group, _free(f"peers {device} {title}", names)))
    return out


def _free(words: str, taken: set[str]) -> str:
    """A name for files that no other picture has."""
    name = base = re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")[:100]
    k = 1
    while name in taken:
        name = f"{base}-{(k := k + 1)}"
    taken.add(name)
    return name


# ---- throughput --------------------------------------------------------------------------------------------------------


def _throughput(results: Results, workload: str, dtype: str, name: str, first: bool) -> Picture:
    """Of a workload in a dtype: a panel for each way, with a line for each device."""
    found = {
        s: line for s, line in lines(results).items() if s[0] == workload and s[4] == dtype and s[2] in (OURS, EAGER)
    }
    ways = list(dict.fromkeys(s[1] for s in found))
    devices = list(dict.fromkeys(s[3] for s in found))
    known = WORKLOADS.get(workload)
    height = 0.78 + len(ways) * 1.58 + 0.36
    figure = drawing.sheet(3.9, height)
    drawing.write(figure, 0.12, 0.1, f"{workload}, {dtype}", weight="bold", size=10)
    drawing.write(figure, 0.12, 0.31, known.about if known else "a function of the user's", color=SOFT, size=8)
    looks = _looks(devices)
    entries = [(d, {"color": c, "marker": m, "ms": 3.5, "lw": 1.6}) for d, (c, m) in looks.items()]
    if any(s[2] == EAGER for s in found):
        entries.append(("eager", {"color": SOFT, "lw": 0.8}))
    if any(d in results.limits for d in devices):
        entries.append(("limit", {"color": SOFT, "lw": 0.9, "ls": (0, (3, 2))}))
    drawing.legend(figure, 0.54, entries)
    sizes = sorted({r.case.size for line in found.values() for r in line})
    for k, way in enumerate(ways):
        top = 0.78 + k * 1.58 + 0.24
        axes = drawing.panel(figure, 0.52, top, 0.16, height - top - 1.28)
        unit = UNITS[bound(next(line[0] for s, line in found.items() if s[1] == way))][0]
        axes.set_title(f"{way}, {unit}", loc="left", size=8.5, color=INK, pad=6, x=-0.4 / 3.22)
        here = {s[2:4]: line for s, line in found.items() if s[1] == way}
        _sizes(axes, sizes, last=k == len(ways) - 1, what=known.size if known else "size")
        _lines(axes, here, looks, results.limits)
    crossed = "; where CPU and GPU cross is marked" if len(devices) > 1 else ""
    about = f"Throughput of {workload} in {dtype} against size, on {' and '.join(devices)}{crossed}"
    return Picture(name, "throughput", about, figure, first)


def _looks(devices: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Colour and mark of each device."""
    gpus = [d for d in devices if d != "cpu"]
    return {d: (BLUE, "o") if d == "cpu" else GPUS[gpus.index(d) % len(GPUS)] for d in devices}


def _sizes(axes: Any, sizes: Sequence[int], last: bool, what: str) -> None:
    """The axis of sizes: what was measured, or every other of it where there is no room."""
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    axes.set_xscale("log")
    spread = (sizes[-1] / sizes[0]) ** 0.06 if len(sizes) > 1 else 3.0
    axes.set_xlim(sizes[0] / spread, sizes[-1] * spread)
    shown = sizes[:: -(-len(sizes) // 7)]
    axes.xaxis.set_major_locator(FixedLocator(shown))
    axes.xaxis.set_major_formatter(FixedFormatter([rounded(n) for n in shown]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.tick_params(labelbottom=last)
    if last:
        axes.set_xlabel(what, loc="right", labelpad=1, size=8)


def _lines(
    axes: Any, here: dict[tuple[str, ...], list[Record]], looks: dict[str, Any], limits: dict[str, Limits]
) -> None:
    """What one panel has: lines with their intervals, limits, and where devices cross."""
    drawn: list[tuple[Any, list[float]]] = []
    values: list[float] = []
    axes.set_yscale("log")
    for (library, device), line in here.items():
        colour, mark = looks[device]
        x = [r.case.size for r in line]
        y, low, high = ([throughput(r, getattr(r.time, t)) for r in line] for t in ("median", "high", "low"))
        drawn.append((x, y))
        values += [*low, *high]
        if library == EAGER:
            axes.plot(x, y, color=colour, lw=0.8, marker="." if len(x) == 1 else "", ms=3)
            continue
        axes.plot(x, y, color=colour, lw=1.6, marker=mark, ms=3.5, zorder=3)
        if len(x) == 1:
            axes.vlines(x, low, high, color=colour, lw=1)
        axes.fill_between(x, low, high, color=colour, alpha=0.2, lw=0)
        if device in limits:
            most = [limit(r, limits[device]) for r in line]
            ends = (x, most) if len(x) > 1 else ([x[0] / 2, x[0] * 2], most * 2)
            axes.plot(*ends, color=colour, lw=0.9, ls=(0, (3, 2)))
            drawn.append(ends)
            values += most
    room = max((max(values) / min(values)) ** 0.12, 1.3)
    bottom, top = min(values) / room, max(values) * room
    axes.set_ylim(bottom, top)
    drawing.logarithmic(axes.yaxis, bottom, top)
    cpu = here.get((OURS, "cpu"), [])
    marks = []
    for (library, device), line in here.items():
        if library == OURS and device != "cpu":
            for size, _ in crossings(cpu, line):
                heights = [np.log(throughput(r, r.time.median)) for r in cpu]
                height = float(np.exp(np.interp(np.log(size), np.log([r.case.size for r in cpu]), heights)))
                axes.plot(size, height, "o", ms=6, mfc=drawing.PAPER, mec=INK, mew=1.2, zorder=4)
                marks.append((size, height, rounded(float(f"{size:.2g}")), INK))
    drawing.label(axes, marks, [drawing.dense(axes, x, y) for x, y in drawn])


# ---- roofline ----------------------------------------------------------------------------------------------------------


def _roofline(device: str, limits: Limits, records: Sequence[Record], name: str) -> Picture:
    """What a device does at most for so many operations per byte, and what each workload does at its largest size."""
    figure = drawing.sheet(4.1, 4.5)
    drawing.write(figure, 0.12, 0.1, f"Roofline of {device}", weight="bold", size=10)
    drawing.write(figure, 0.12, 0.31, "GFLOP/s, each workload at its largest size", color=SOFT, size=8)
    called = [r for r in records if bound(r) == "calls"]
    records = [r for r in records if r not in called] or called
    used = dict.fromkeys(WAYS.get(r.case.way, OTHER) for r in records)
    drawing.legend(figure, 0.54, [(title, {**_mark(mark, filled), "ls": ""}) for title, mark, filled in used])
    axes = drawing.panel(figure, 0.6, 0.84, 0.14, 0.46)
    at = {r.case: ((r.products + r.operations) / r.bytes, _rate(r)) for r in records}
    copied = limits.bandwidth / 1e9
    roofs = {d: rate / 1e9 for d, rate in limits.products.items() if d in {r.case.dtype for r in records}}
    xs, ys = zip(*at.values())
    left, right = min(xs) / 4, max(*xs, *(4 * rate / copied for rate in roofs.values()), 0.0) * 4
    low, high = min(*ys, min(xs) * copied) / 4, max(*ys, *roofs.values(), left * copied) * 4
    axes.set(xscale="log", yscale="log", xlim=(left, right), ylim=(low, high))
    drawing.logarithmic(axes.xaxis, left, right)
    drawing.logarithmic(axes.yaxis, low, high)
    axes.set_xlabel("operations per byte", loc="right", labelpad=2, size=8)
    top = max(roofs.values(), default=right * copied)
    slopes = {"memory": copied, "caches": max(rate for _, rate in limits.copies) / 1e9}
    shapes = [([left, top / rate], [left * rate, top]) for rate in slopes.values()]
    shapes += [([rate / slopes["caches"], right], [rate] * 2) for rate in roofs.values()]
    for x, y in shapes:
        axes.plot(x, y, color=SOFT, lw=1, ls=(0, (3, 2)), zorder=1)
    texts = [(right / 3, rate, f"{d} products", SOFT) for d, rate in roofs.items()]
    for k, (what, rate) in enumerate(slopes.items()):
        foot = max(left * 2, low / rate * 2) * 2**k
        texts.append((foot, foot * rate, what, SOFT))
    named: dict[str, Record] = {}
    for r in records:
        _, mark, filled = WAYS.get(r.case.way, OTHER)
        axes.plot(*at[r.case], **_mark(mark, filled), zorder=3)
        named[r.case.workload] = r  # the gradient comes after the forward pass
    for r in records:
        if named[r.case.workload] is not r:
            pair = np.array([at[r.case], at[named[r.case.workload].case]])
            axes.plot(*pair.T, color=BLUE, lw=0.6, zorder=2)
            shapes.append((list(pair[:, 0]), list(pair[:, 1])))
    texts += [(*at[r.case], workload, INK) for workload, r in named.items()]
    shapes += [([x], [y]) for x, y in at.values()]
    clear = [_around(drawing.dense(axes, x, y)) for x, y in shapes]
    if called and called != records:  # far below all others, whom they would press together
        low_down = ", ".join(f"{r.case.workload} {r.case.way} {1e3 * _rate(r):.2g}" for r in called)
        note = drawing.write(figure, 3.9, 3.84, f"MFLOP/s: {low_down}", color=SOFT, size=7.5, ha="right")
        clear.append(drawing.covered(note))
    drawing.label(axes, texts, clear)
    about = f"Roofline of {device}: operations per second against operations per byte, for each workload at its largest size"
    return Picture(name, "roofline", about, figure)


def _rate(record: Record) -> float:
    """GFLOP/s."""
    return (record.products + record.operations) / record.time.median / 1e9


def _mark(mark: str, filled: bool) -> dict[str, Any]:
    return {"marker": mark, "ms": 5, "mfc": BLUE if filled else drawing.PAPER, "mec": BLUE, "mew": 1.1}


def _around(points: Any) -> Any:
    """Of a single point, which has a mark, some that surround it."""
    if len(points) > 1:
        return points
    return points + np.array([(0, 0), (3, 0), (-3, 0), (0, 3), (0, -3)])


# ---- the others --------------------------------------------------------------------------------------------------------


def _groups(peers: Iterable[Beside]) -> dict[tuple[str, str], list[Beside]]:
    """By what is drawn together: device, and title."""
    out: dict[tuple[str, str], list[Beside]] = {}
    for peer in peers:
        case = peer.ours.case
        title = {"forward": "forward", "gradient": "gradient"}.get(case.way, "steps and products")
        out.setdefault((case.device, title), []).append(peer)
    return out


def _bars(device: str, title: str, peers: Sequence[Beside], name: str) -> Picture:
    """Times as multiples of gpugrad's, for each workload and library, with intervals."""
    cases = list(dict.fromkeys(peer.ours.case for peer in peers))
    rows = list(_rows(peers))
    height = 0.82 + 0.19 * (rows[-1][0] + 0.9) + 0.08
    figure = drawing.sheet(4.2, height)
    drawing.write(figure, 0.12, 0.1, f"Beside gpugrad: {title}, {device}", weight="bold", size=10)
    drawing.write(
        figure, 0.12, 0.31, "time as a multiple of gpugrad's, at the largest size of both", color=SOFT, size=8
    )
    tints = {
        "slower": (BLUE, "gpugrad is quicker"),
        "faster": (ORANGE, "the other is"),
        "": (SOFT, "no clear difference"),
    }
    used = [tints[verdict] for verdict in tints if any(p.change.verdict == verdict for p in peers)]
    drawing.legend(figure, 0.54, [(says, {"color": c, "lw": 6, "solid_capstyle": "butt"}) for c, says in used])
    axes = drawing.panel(figure, 1.3, 0.96, 0.62, 0.08)
    axes.set_xscale("log")
    low, high = min(0.8, *(p.change.low for p in peers)) / 1.1, max(1.25, *(p.change.high for p in peers)) * 1.1
    axes.set_xlim(low, high)
    axes.set_ylim(rows[-1][0] + 0.7, -0.7)
    drawing.logarithmic(axes.xaxis, low, high)
    axes.tick_params(labeltop=True, labelbottom=False, bottom=False, labelleft=False, pad=1)
    axes.grid(False, axis="y")
    for side in ("bottom", "left"):
        axes.spines[side].set_visible(False)
    y0, unit = 0.96 + 0.7 * _step(axes, height), _step(axes, height)
    for y, what in rows:
        if isinstance(what, Beside):
            found = what.change
            colour = tints[found.verdict][0]
            axes.barh(y, found.ratio - 1, left=1, height=0.7, color=colour, lw=0)
            axes.vlines(1, y - 0.55, y + 0.55, color=INK, lw=0.8, zorder=3)
            axes.hlines(y, found.low, found.high, color=INK, lw=0.7, zorder=3)
            drawing.write(figure, 0.24, y0 + y * unit - 0.06, what.library, room=1.0, size=8)
            drawing.write(figure, 4.08, y0 + y * unit - 0.06, times(found.ratio), size=8, ha="right")
        else:
            drawing.write(figure, 0.12, y0 + y * unit - 0.06, what, room=3.9, weight="bold", size=8,
                          bbox={"facecolor": drawing.PAPER, "lw": 0, "pad": 0.5})  # fmt: skip
    about = f"Time of other libraries as a multiple of gpugrad's, {title}, on {device}, for {len(cases)} workloads"
    return Picture(name, "peers", about, figure)


def _step(axes: Any, height: float) -> float:
    """Inches of one unit downwards."""
    bottom, top = axes.get_ylim()
    return float(axes.get_position().height * height / (bottom - top))


def _rows(peers: Sequence[Beside]) -> Iterator[tuple[float, Beside | str]]:
    """What is written where, from the top: the name of a workload, then its libraries, by time."""
    y = 0.0
    cases = dict.fromkeys(peer.ours.case for peer in peers)
    for case in cases:
        yield y, f"{case.workload}, {case.dtype}, {rounded(case.size)}"
        for peer in sorted((p for p in peers if p.ours.case == case), key=lambda p: p.change.ratio):
            y += 1
            yield y, peer
        y += 1.4
