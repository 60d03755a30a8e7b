"""Compiled kernels on the disk: kept, shared by processes, safe against others, mended where they are broken."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import gpugrad as gg
from gpugrad import cli, errors
from gpugrad.backends import kernel_cache, numba_kernels

PROGRAM = """
import gpugrad as gg
print(float(gg.jit(lambda x: gg.sum(x * 2.0 + 1.0))(gg.ones(3))))
"""


def started(folder: Path) -> subprocess.Popen[str]:
    root = Path(__file__).parent.parent
    environment = {**os.environ, "GPUGRAD_CACHE_DIR": str(folder), "NUMBA_DEBUG_CACHE": "1", "PYTHONPATH": str(root)}
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PROGRAM], env=environment, stdout=subprocess.PIPE, text=True
    )


def output(process: subprocess.Popen[str]) -> str:
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert "9.0" in out
    return out


def test_a_second_process_loads_what_the_first_compiled(tmp_path: Path) -> None:
    folder = tmp_path / "kernels"
    assert "data saved" in output(started(folder))
    again = output(started(folder))
    assert "data loaded" in again and "saved" not in again
    assert folder.stat().st_mode & 0o077 == 0
    for kept in folder.rglob("*.nbc"):
        kept.write_bytes(kept.read_bytes()[:20])
    output(started(folder))
    for kept in folder.rglob("*.nbi"):
        kept.write_bytes(b"no pickle")
    output(started(folder))


def test_two_processes_at_once(tmp_path: Path) -> None:
    for process in [started(tmp_path / "kernels") for _ in range(2)]:
        output(process)
    assert "data loaded" in output(started(tmp_path / "kernels"))


def test_a_folder_that_others_may_write_to_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_cache, "_told", set())
    monkeypatch.setenv("GPUGRAD_CACHE_DIR", str(tmp_path))
    tmp_path.chmod(0o777)
    with pytest.warns(errors.CacheWarning, match="others may write to it. Set GPUGRAD_CACHE_DIR"):
        assert kernel_cache.source_file("text") is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it is said once
        assert kernel_cache.source_file("text") is None
    tmp_path.chmod(0o700)
    assert kernel_cache.source_file("text") is not None


def test_no_folder_can_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_cache, "_told", set())
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GPUGRAD_CACHE_DIR", str(tmp_path / "file" / "kernels"))
    with pytest.warns(errors.CacheWarning, match="compiled kernels are not kept"):
        assert kernel_cache.folder() is None


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The text of a kernel cannot be written, then what was compiled of it: each is said once, and the kernel runs."""
    from numba.core import caching

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setenv("GPUGRAD_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(numba_kernels, "_made", {})
    x = gg.ones(3)
    for part, factor in (("the text", 3.0), ("what was compiled", 5.0)):
        monkeypatch.setattr(kernel_cache, "_told", set())
        with monkeypatch.context() as patch:
            if part == "the text":
                patch.setattr(kernel_cache.os, "replace", full)
            else:
                patch.setattr(caching.IndexDataCacheFile, "save", full)
            with pytest.warns(errors.CacheWarning, match="is not kept: .*No space left") as said:
                got = gg.jit(lambda x, f=factor: gg.sum(x * f + 0.25 * f * f))(x).item()
        assert len([w for w in said if issubclass(w.category, errors.CacheWarning)]) == 1
        assert got == 3 * (factor + 0.25 * factor * factor)


def test_none_is_wanted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("GPUGRAD_CACHE_DIR", "")
    assert kernel_cache.folder() is None
    assert cli.main(["cache"]) == 0
    assert "no cache" in capsys.readouterr().out


def test_the_folder_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GPUGRAD_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert kernel_cache.folder() == tmp_path / "gpugrad"


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("GPUGRAD_CACHE_DIR", str(tmp_path))
    kernel_cache.source_file("one")
    kernel_cache.source_file("two")
    assert cli.main(["cache", "info"]) == 0
    assert capsys.readouterr().out.startswith("2 kernels, 0.0 MB, in ")
    assert cli.main(["cache", "clear"]) == 0
    assert "removed 2 kernels" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())
