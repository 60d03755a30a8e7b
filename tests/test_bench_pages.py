"""The pictures and the page of gpugrad bench, from made-up runs whose figures are known."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.lines import Line2D
from matplotlib.text import Text

from gpugrad import cli, errors
from gpugrad.bench import command, drawing, page, pictures, report, statistics, summary
from gpugrad.bench.limits import Limits
from gpugrad.bench.records import Case, Record, Results

ODD = '<b>&"$x_1$</b>'
"""A function of a user's, who wants to break the page."""
SIZES = (1000, 10_000, 100_000, 1_000_000)
LIMITS = {
    "cpu": Limits([[1e6, 1e11], [1e8, 4e10]], {"float32": 3e11}, 1e-6),
    "cuda:0": Limits([[1e6, 5e12], [1e9, 4e12]], {"float32": 5e13}, 1e-5),
}
CROSSED = 20_000.0


def seconds(device: str, size: int) -> float:
    """Straight lines between logarithms, which cross at ``CROSSED``."""
    return 1e-9 * size if device == "cpu" else 1e-9 * CROSSED * (size / CROSSED) ** 0.25


def run(
    workloads: tuple[str, ...] = ("chain", ODD),
    sizes: tuple[int, ...] = SIZES,
    peers: tuple[str, ...] = ("NumPy", "a<b>c"),
    devices: tuple[str, ...] = ("cpu", "cuda:0"),
    dtypes: tuple[str, ...] = ("float32",),
) -> Results:
    """Forward passes and gradients, which take twice as long; eager three times, the peers half as long and four times."""
    factors = {"gpugrad": 1.0, "gpugrad eager": 3.0, **dict(zip(peers, (0.5, 4.0), strict=False))}
    versions = {"python": "3.13", "gpugrad": "0.1.0", "numpy": '<2 & "3"'}
    out = Results({"date": "2026-01-01T00:00:00+00:00", "processor": "A & B <fast>", "cores": 2, "versions": versions})
    out.limits = {device: LIMITS[device] for device in devices}
    for device in devices:
        for workload in workloads:
            for dtype in dtypes:
                for way, times in (("forward", 1.0), ("gradient", 2.0)):
                    for size in sizes:
                        for library, factor in factors.items():
                            taken = seconds(device, size) * times * factor
                            case = Case(workload, way, library, device, dtype, size)
                            products = 2 * size if workload == "matmul" else 0
                            out.records.append(
                                Record(case, [[taken] * 3] * 2, 8 * size, products, 10 * size, 8 * size, 8 * size)
                            )
    out.left_out = ["a<b>c: computes <nothing> & more"]
    return out


class Tags(HTMLParser):
    """What a page is made of; fails for what is not closed in turn."""

    EMPTY = frozenset(("meta", "br", "hr", "img", "link"))

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def interrupted(results: Results) -> Results:
    results.interrupted = True
    return results


RUNS = {
    "all": run(dtypes=("float32", "float64")),
    "one size": run(("chain",), sizes=(1000,)),
    "no peers": run(("chain",), peers=()),
    "cpu alone": run((ODD,), devices=("cpu",)),
    "long names": run((f"{'package.' * 40}function",), peers=("library " * 9, "other " * 12), devices=("cuda:0",)),
    "interrupted": interrupted(run(("matmul",), sizes=(1000, 10_000), devices=("cpu",))),
    "nothing": interrupted(Results({"versions": {}})),
}


@pytest.fixture(scope="module")
def drawn() -> list[drawing.Picture]:
    return pictures.pictures(RUNS["all"], summary.beside(RUNS["all"]))


def shown(figure: Any) -> Iterator[Text]:
    """All that can be read in a figure: an axis has labels beyond its ends, too, which are not drawn."""
    yield from figure.texts
    for axes in figure.axes:
        yield from (*axes.texts, axes._left_title, axes.xaxis.label)
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in axis.get_major_ticks():
                if low <= tick.get_loc() <= high:
                    yield from (label for label in (tick.label1, tick.label2) if label.get_visible())


@pytest.mark.parametrize("name", RUNS)
def test_a_folder_has_all_of_it(name: str, tmp_path: Path) -> None:
    results = RUNS[name]
    folder = tmp_path / "new" / "folder"
    report.prepare(folder)
    assert report.write(results, folder) == folder / "index.html"
    assert sorted(p.name for p in folder.iterdir()) == ["index.html", "pictures", "results.json"]
    files = sorted((folder / "pictures").iterdir())
    kinds = Counter(path.name.partition("-")[0] for path in files)
    devices = len(results.limits)
    assert kinds["roofline"] == 2 * devices
    assert kinds["throughput"] == 2 * len({(r.case.workload, r.case.dtype) for r in results.records})
    assert kinds["peers"] == (4 * devices if len({r.case.library for r in results.records}) > 2 else 0)
    for path in files:
        if path.suffix == ".png":
            assert path.read_bytes().startswith(b"\x89PNG")
            assert path.with_suffix(".svg") in files
        else:
            assert ElementTree.parse(path).getroot().tag.endswith("svg")

    text = (folder / "index.html").read_text(encoding="utf-8")
    tags = Tags(text)
    assert tags.seen["svg"] == len(files) / 2
    assert not {"script", "link", "img", "iframe", "b"} & set(tags.seen)
    refers = [
        value for _, key, value in tags.attributes if key in ("src", "href", "xlink:href", "srcset", "data", "action")
    ]
    assert not [value for value in refers if not value.startswith("#")]
    assert not re.search(r"@import|url\((?!#|&quot;#)", text)
    ids = [value for _, key, value in tags.attributes if key == "id"]
    assert {value[1:] for value in refers} | set(re.findall(r"url\(#([^)]*)\)", text)) <= set(ids)
    words = "".join(tags.words)
    assert ("interrupted" in words) == results.interrupted
    assert len(results.records) == text.count('<th scope="row">')
    if name in ("all", "cpu alone"):
        assert ODD in words and "A & B <fast>" in words and "computes <nothing> & more" in words and "a<b>c" in words


@pytest.mark.parametrize("name", ["all", "long names", "one size"])
def test_text_stays_inside_and_keeps_clear_of_other_text(name: str, drawn: list[drawing.Picture]) -> None:
    results = RUNS[name]
    for picture in drawn if name == "all" else pictures.pictures(results, summary.beside(results)):
        picture.figure.canvas.draw()
        renderer = picture.figure.canvas.get_renderer()
        whole = picture.figure.bbox
        texts = [t for t in shown(picture.figure) if t.get_text()]
        for text in texts:
            box = text.get_window_extent(renderer)
            assert whole.x0 <= box.x0 and box.x1 <= whole.x1, (picture.name, text.get_text())
            assert whole.y0 <= box.y0 and box.y1 <= whole.y1, (picture.name, text.get_text())
        for k, text in enumerate(texts):
            box = text.get_window_extent(renderer)
            hidden = [t.get_text() for t in texts[:k] if box.overlaps(t.get_window_extent(renderer))]
            assert not hidden, (picture.name, text.get_text(), hidden)


def test_many_labels_at_one_point_are_told_apart() -> None:
    with drawing.style():
        figure = drawing.sheet(4, 4)
        axes = drawing.panel(figure, 0.5, 0.5, 0.5, 0.5)
        axes.set(xlim=(0, 1), ylim=(0, 1))
        line = drawing.dense(axes, [0.0, 1.0], [0.5, 0.5])
        labels = drawing.label(axes, [(0.5, 0.5, f"workload {k}", drawing.INK) for k in range(12)], [line])
        boxes = [t.get_window_extent(figure.canvas.get_renderer()) for t in labels]
    assert not [(a, b) for k, a in enumerate(boxes) for b in boxes[:k] if a.overlaps(b)]
    assert not [box for box in boxes if ((line > (box.x0, box.y0)) & (line < (box.x1, box.y1))).all(1).any()]


def test_the_ring_is_where_cpu_and_gpu_take_the_same_time(drawn: list[drawing.Picture]) -> None:
    chain = next(p for p in drawn if p.name == "throughput-chain-float32")
    rings = [line for line in chain.figure.findobj(Line2D) if line.get_markerfacecolor() == drawing.PAPER]
    assert [float(ring.get_xdata()[0]) for ring in rings] == pytest.approx([CROSSED] * 2)
    # 8 bytes an element at 1 ns each; a gradient takes twice the time
    assert [float(ring.get_ydata()[0]) for ring in rings] == pytest.approx([8.0, 4.0])
    assert chain.svg.count(">20 k<") == 2


def test_crossings() -> None:
    found = summary.lines(RUNS["all"])
    cpu, gpu, eager = (found["chain", "forward", *rest, "float32"] for rest in (
        ("gpugrad", "cpu"), ("gpugrad", "cuda:0"), ("gpugrad eager", "cpu")))  # fmt: skip
    (crossing,) = summary.crossings(cpu, gpu)
    assert crossing == pytest.approx((CROSSED, 1e-9 * CROSSED))
    assert summary.crossings(gpu, cpu) == [pytest.approx(crossing)]
    assert summary.crossings(cpu, eager) == [] == summary.crossings(cpu, []) == summary.crossings(cpu[:1], gpu[:1])


def test_a_line_reaches_its_limit_where_the_time_is_the_least() -> None:
    case = Case("matmul", "forward", "gpugrad", "cpu", "float32", 512)
    record = Record(case, [[2.0]], bytes=8, products=3 * 10**11, operations=10**11, peak=0, touched=0)
    assert summary.throughput(record, record.time.median) == 200
    assert summary.limit(record, LIMITS["cpu"]) == 400  # the products alone need a second
    assert record.fraction(LIMITS["cpu"]) == 0.5


def test_the_sentence_and_its_figures() -> None:
    results = RUNS["all"]
    sentence, figures = summary.headline(results, summary.beside(results))
    ratio = SIZES[-1] / CROSSED / (SIZES[-1] / CROSSED) ** 0.25
    assert [f.number for f in figures[1:]] == ["2.00 ×", "0.50 ×", f"{ratio:.0f} ×"]
    assert figures[0].says.startswith("of what cuda:0 can do at most")
    assert sentence.endswith("take 2.00 × as long as the function itself.")
    _, alone = summary.headline(RUNS["no peers"], [])
    assert alone[2].number == "3.00 ×" and "gg.jit" in alone[2].says
    assert summary.headline(RUNS["nothing"], []) == ("Nothing was measured.", [])


def test_peers_are_compared_at_the_largest_size_that_both_have() -> None:
    results = run(("chain",), devices=("cpu",))
    results.records = [r for r in results.records if not (r.case.library == "NumPy" and r.case.size == SIZES[-1])]
    found = {
        (p.ours.case.way, p.library): (p.ours.case.size, p.change.ratio, p.change.verdict)
        for p in summary.beside(results)
    }
    assert found["forward", "NumPy"] == (SIZES[-2], 0.5, "faster")
    assert found["gradient", "a<b>c"] == (SIZES[-1], 4.0, "slower")
    assert len(found) == 4


def test_pictures_are_the_same_each_time_and_take_the_colours_of_the_page(drawn: list[drawing.Picture]) -> None:
    assert sum(p.first for p in drawn if p.kind == "throughput") == 2  # float32; float64 comes second
    assert pictures.pictures(RUNS["all"], [])[0].svg == drawn[0].svg
    css = Path(page.__file__).with_name("page.css").read_text(encoding="utf-8")
    for picture in drawn:
        inside = drawing.inline(picture.svg, page.NAMES)
        assert not [colour for colour in page.NAMES if colour in inside]
        used = set(re.findall(r"var\(--([a-z]+)\)", inside))
        assert {"ink", "soft", "paper"} <= used
        assert all(len(re.findall(rf"--{name}: #", css)) >= 2 for name in used), "light and dark"


def test_what_cannot_be_written_is_told_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(command, "measured", lambda options: pytest.fail("it measured"))
    (tmp_path / "file").write_text("")
    assert cli.main(["bench", "--out", str(tmp_path / "file")]) == 2
    assert "File exists" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert cli.main(["bench", "--out", str(tmp_path / "folder")]) == 2
    assert "gpugrad[train]" in capsys.readouterr().err
    with pytest.raises(errors.MissingExtraError, match="matplotlib"):
        report.prepare(tmp_path)


def test_the_command_says_where_the_page_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(command, "measured", lambda options: RUNS["interrupted"])
    assert cli.main(["bench", "--out", str(tmp_path / "a")]) == 130
    assert f"wrote {tmp_path / 'a' / 'index.html'}" in capsys.readouterr().out


def test_resamples_are_those_of_rounds_and_of_samples_in_them() -> None:
    rng = np.random.default_rng(0)
    rounds = [list(rng.random(n) + k / 5) for k, n in enumerate((3, 20, 7, 12))]

    def one() -> Any:
        drawn = (rounds[k] for k in rng.integers(0, len(rounds), len(rounds)))
        return np.median(np.concatenate([np.asarray(s)[rng.integers(0, len(s), len(s))] for s in drawn]))

    at = [0.025, 0.25, 0.5, 0.75, 0.975]
    expected = np.quantile([one() for _ in range(statistics.RESAMPLES)], at)
    np.testing.assert_allclose(np.quantile(statistics.resampled(rounds, rng), at), expected, atol=0.04)
