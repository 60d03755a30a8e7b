"""Where compiled kernels are kept on the disk, so that a new process need not compile them again.

Numba keeps what it compiled beside a source file, for each CPU and each version of itself, in pickles. So the text of
each kernel becomes a file in a folder of the user's own, named after all that its meaning depends on: the text, the
scalar functions, this package's version. Loading a pickle runs code: a folder that others can write to is refused.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from gpugrad import errors
from gpugrad.kernels import scalar_math
from gpugrad.version import __version__

_DIGEST = hashlib.sha256().digest_size
_told: set[str] = set()


def folder() -> Path | None:
    """The folder of the cache: ``GPUGRAD_CACHE_DIR``, or ``gpugrad`` in the user's cache folder. None, with a warning
    the first time, where there can be none, and silently where ``GPUGRAD_CACHE_DIR`` is empty: no cache is wanted.
    """
    given = os.environ.get("GPUGRAD_CACHE_DIR")
    if given == "":
        return None
    path = Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "gpugrad"
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        why = _unsafe(path)
        if why is None:
            with tempfile.TemporaryFile(dir=path):
                pass
    except OSError as error:
        why = error.strerror or str(error)
    if why is None:
        return path
    if str(path) not in _told:
        _told.add(str(path))
        warnings.warn(
            f"compiled kernels are not kept from one process to the next: {path}: {why}. Set GPUGRAD_CACHE_DIR to a folder of your own, or to nothing to go without",
            errors.CacheWarning,
            stacklevel=2,
        )
    return None


def _unsafe(path: Path) -> str | None:
    """Why others could put code into a folder; None if they cannot."""
    if not hasattr(os, "geteuid"):
        return None
    found = path.stat()
    if found.st_uid != os.geteuid():
        return "it belongs to another user"
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return "others may write to it"
    return None


@cache
def _version() -> str:
    """What the meaning of a text depends on: the scalar functions that it may call, and the package."""
    digest = hashlib.sha256(__version__.encode())
    for path in sorted(Path(next(iter(scalar_math.__path__))).glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def source_file(text: str) -> Path | None:
    """The file of a kernel's text in the cache, written if it is not there; None without a cache."""
    where = folder()
    if where is None:
        return None
    path = where / _version() / f"kernel_{hashlib.sha256(text.encode()).hexdigest()[:32]}.py"
    if path.is_file():
        return path
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            # Numba goes by size and time: of two processes that write the same text at once, one must not outdate
            # what was compiled for the file of the other
            os.utime(temporary, (0, 0))
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        unkept(path, error)
        return None
    return path


def machine_code(about: Sequence[bytes], make: Callable[[], bytes]) -> bytes:
    """The code for a GPU that depends on these bytes and nothing else: what lies in the cache, or what ``make`` gives."""
    where = folder()
    name = hashlib.sha256(b"\0".join(about)).hexdigest()[:32]
    path = None if where is None else where / "cuda" / f"{name}.cubin"
    found = None if path is None else _read(path)
    if found is None:
        found = make()
        if path is not None:
            _write(path, found)
    return found


def _read(path: Path) -> bytes | None:
    """What is in a file; None if there is none, or not all of it."""
    try:
        held = path.read_bytes()
    except OSError:
        return None
    code = held[_DIGEST:]
    return code if held[:_DIGEST] == hashlib.sha256(code).digest() else None


def _write(path: Path, code: bytes) -> None:
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(hashlib.sha256(code).digest() + code)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        unkept(path, error)


def unkept(path: Path, error: OSError) -> None:
    """Warn, once, that a kernel cannot be written: the disk is full, say. It is used all the same."""
    if "write" not in _told:
        _told.add("write")
        warnings.warn(
            f"a compiled kernel is not kept: {path.parent}: {error.strerror or error}",
            errors.CacheWarning,
            stacklevel=3,
        )


def discard(path: Path) -> None:
    """Remove what was compiled for a source file: it cannot be read."""
    for kept in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
        kept.unlink(missing_ok=True)


def contents() -> tuple[Path | None, int, int]:
    """The folder, how many kernels are in it, and how many bytes it takes."""
    where = folder()
    if where is None:
        return None, 0, 0
    files = [p for p in where.rglob("*") if p.is_file()]
    return where, sum(1 for p in files if p.suffix in (".py", ".cubin")), sum(p.stat().st_size for p in files)


def clear() -> int:
    """Remove everything; how many bytes that were."""
    where, _, size = contents()
    if where is not None:
        for path in where.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return size
