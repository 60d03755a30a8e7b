"""``gpugrad info``: versions, backends, devices, GPUs with their libraries, and extras, and for what is missing the command that brings it."""

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
from gpugrad.cuda import cudnn, libraries, presence
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
    yield "GPU"
    yield from _table(gpu())
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


def gpu() -> Iterator[tuple[str, str]]:
    """The driver, each device, CUDA's libraries and the packages that use them; for what is missing, how to get it."""
    found = presence.presence()
    if found.driver is None:
        yield "driver", f"{found.trouble}. Install NVIDIA's: https://www.nvidia.com/drivers"
    else:
        yield "driver", f"for CUDA up to {found.driver[0]}.{found.driver[1]}"
    for k, device in enumerate(found.gpus):
        major, minor = device.capability
        yield f"cuda:{k}", f"{device.name}, {device.memory / 2**30:.0f} GiB, compute capability {major}.{minor}"
    if found.driver is not None and not found.gpus:
        yield "devices", f"none: {found.trouble}"
    install = f'pip install "gpugrad[{presence.extra()}]"'
    for library in libraries.LIBRARIES:
        version = libraries.version_of(library)
        yield library.title, version or f"not found, for {library.purpose}: {_wheel(library.title)}"
    for title, names in _GPU_PACKAGES.items():
        versions = [f"{name} {metadata.version(name)}" for name in names if _installed(name)]
        if len(versions) > 1:
            yield title, f"{' and '.join(versions)}, which hinder each other: uninstall all but one"
        else:
            yield title, versions[0] if versions else f"not installed: {install}"
    frontend = "nvidia-cudnn-frontend"
    there = f"{frontend} {metadata.version(frontend)}" if _installed(frontend) else ""
    yield "cuDNN frontend", there or f"not installed, for convolution and attention by cuDNN: {cudnn.command()}"


_GPU_PACKAGES = {
    "CuPy": ("cupy-cuda13x", "cupy-cuda12x", "cupy"),
    "cuda-bindings": ("cuda-bindings",),
    "numba-cuda": ("numba-cuda",),
}


def _wheel(title: str) -> str:
    """The command that installs one of CUDA's libraries, for the driver that is here."""
    new = presence.extra() == "cuda13"
    suffix = "" if new else "-cu12"
    names = {
        "CUDA runtime": f"nvidia-cuda-runtime{suffix}",
        "NVRTC": f"nvidia-cuda-nvrtc{suffix}",
        "cuBLASLt": f"nvidia-cublas{suffix}",
        "cuDNN": "nvidia-cudnn-cu13" if new else "nvidia-cudnn-cu12",
    }
    return f"pip install {names[title]}"


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
