"""What ``gpugrad bench --out`` leaves in a folder: the samples, the pictures, and the page."""

from __future__ import annotations

import tempfile
from pathlib import Path

from gpugrad.bench import drawing, page, pictures, summary
from gpugrad.bench.records import Results


def prepare(folder: Path) -> None:
    """Make the folder. OSError if nothing can be written there, MissingExtraError if pictures cannot be drawn."""
    drawing.matplotlib()
    for place in (folder, folder / "pictures"):
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=place):
            pass


def write(results: Results, folder: Path) -> Path:
    """Write all of it, the samples first; the path of the page."""
    results.write(folder / "results.json")
    peers = summary.beside(results)
    drawn = pictures.pictures(results, peers)
    for picture in drawn:
        picture.write(folder / "pictures")
    out = folder / "index.html"
    out.write_text(page.page(results, drawn, peers), encoding="utf-8")
    return out
