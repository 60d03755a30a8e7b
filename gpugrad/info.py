"""``gpugrad info``: versions, backends, devices and extras, and for what is missing the command that brings it."""

from __future__ import annotations

import argparse
import os
import platform
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import numpy as np

from gpugrad.backends import select
from gpugrad.errors import GpugradError
from gpugrad.version import __version__

HELP = "Say what is installed, which backends and devices can be used, and how to install what is missing."


def arguments(parser: argparse.ArgumentParser) -> None:
    """No options."""


def run(options: argparse.Namespace) -> int:
    """Print the report."""
    for line in report():
        print(line)
    return 0


def report() -> Iterator[str]:
    """The lines of the report."""
    yield f"gpugrad {__version__}"
    yield f"Python  {platform.python_version()}  {sys.executable}"
    yield f"NumPy   {np.__version__}"
    yield f"system  {platform.system()} {platform.machine()}, {os.cpu_count()} processors"
    yield ""
    yield "backends"
    yield from _table(backends())
    yield ""
    yield "devices"
    yield from _table((device, f"{b.name} backend") for b in select.in_use().values() for device in b.devices())
    yield ""
    yield "extras"
    yield from _table(extras())


def _table(rows: Iterator[tuple[str, str]]) -> Iterator[str]:
    listed = list(rows)
    width = max((len(name) for name, _ in listed), default=0)
    return (f"  {name:{width}}  {text}" for name, text in listed)


def backends() -> Iterator[tuple[str, str]]:
    """Each known backend, and whether it is in use, could be, or why it cannot."""
    for name in select.known():
        try:
            backend = select.get(name)
        except GpugradError as error:
            yield name, f"not here: {str(error).split(': ', 1)[-1]}"
            continue
        active = select.in_use().get(backend.device_kind) is backend
        devices = ", ".join(backend.devices()) or "no device"
        yield name, f"in use on {devices}" if active else f"ready for {devices}: gg.use_backend({name!r})"


def extras() -> Iterator[tuple[str, str]]:
    """Each extra, and what of it is missing with the command that installs it."""
    needed = _requirements()
    for extra in needed:
        missing = [package for package in _expanded(extra, needed) if not _installed(package)]
        yield extra, f'without {", ".join(missing)}: pip install "gpugrad[{extra}]"' if missing else "installed"


def _requirements() -> dict[str, list[str]]:
    """Extra -> requirements, from the installed metadata; in a bare checkout, from its pyproject.toml."""
    try:
        about = metadata.metadata("gpugrad")
    except metadata.PackageNotFoundError:
        path = Path(__file__).parent.parent / "pyproject.toml"
        if not path.is_file():
            return {}
        listed: dict[str, list[str]] = tomllib.loads(path.read_text(encoding="utf-8"))["project"][
            "optional-dependencies"
        ]
        return listed
    found: dict[str, list[str]] = {extra: [] for extra in about.get_all("Provides-Extra") or []}
    for line in about.get_all("Requires-Dist") or []:
        marked = re.search(r"""extra == ["']([^"']+)["']""", line)
        if marked and marked[1] in found:
            found[marked[1]].append(line.split(";")[0].strip())
    return found


def _expanded(extra: str, needed: dict[str, list[str]]) -> Iterator[str]:
    """The packages of an extra, those of the extras it includes (``gpugrad[train]``) among them."""
    for requirement in needed.get(extra, []):
        name, included = re.match(r"([\w.-]+)(?:\[([\w,.-]+)\])?", requirement).groups()  # type: ignore[union-attr]
        if name == "gpugrad":
            for other in included.split(","):
                yield from _expanded(other, needed)
        else:
            yield name


def _installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True
