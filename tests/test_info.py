"""`gpugrad info` about GPUs, with each thing there or missing."""

from __future__ import annotations

import ctypes
from importlib import metadata
from types import SimpleNamespace
from typing import Any

import pytest

from gpugrad import info
from gpugrad.cuda import libraries, presence
from gpugrad.cuda.presence import Gpu, Presence

H200 = Gpu("NVIDIA H200", 141 << 30, (9, 0))


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A machine with a driver, devices, libraries and packages as told."""

    def make(
        found: Presence, versions: dict[str, str] | None = None, packages: dict[str, str] | None = None
    ) -> dict[str, str]:
        def version(name: str) -> str:
            if name not in (packages or {}):
                raise metadata.PackageNotFoundError(name)
            return packages[name]

        monkeypatch.setattr(presence, "presence", lambda: found)
        monkeypatch.setattr(libraries, "version_of", lambda library: (versions or {}).get(library.title))
        monkeypatch.setattr(metadata, "version", version)
        return dict(info.gpu())

    return make


def test_with_nothing_installed(machine):
    told = machine(Presence(None, (), "no NVIDIA driver (libcuda.so.1 was not found)"))
    assert told["driver"].startswith("no NVIDIA driver") and "nvidia.com/drivers" in told["driver"]
    assert told["CuPy"] == 'not installed: pip install "gpugrad[cuda13]"'
    assert told["cuDNN frontend"].endswith('pip install "gpugrad[cudnn]"')
    assert told["NVRTC"] == "not found, for compiling kernels: pip install nvidia-cuda-nvrtc"
    assert not [name for name in told if name.startswith("cuda:")]


def test_with_everything(machine):
    told = machine(
        Presence((13, 1), (H200, H200)),
        {"CUDA runtime": "13.2", "NVRTC": "13.4", "cuBLASLt": "13.3", "cuDNN": "9.28"},
        {"cupy-cuda13x": "14.2.0", "cuda-bindings": "13.5", "numba-cuda": "0.30.4", "nvidia-cudnn-frontend": "1.28.0"},
    )
    assert told["driver"] == "for CUDA up to 13.1"
    assert told["cuda:1"] == "NVIDIA H200, 141 GiB, compute capability 9.0"
    assert (told["CuPy"], told["cuDNN"]) == ("cupy-cuda13x 14.2.0", "9.28")
    assert not [text for text in told.values() if "pip install" in text]


def test_what_to_install_follows_the_driver(machine):
    told = machine(Presence((12, 4), (H200,)), {"NVRTC": "12.4"})
    assert told["CuPy"] == 'not installed: pip install "gpugrad[cuda12]"'
    assert told["cuBLASLt"].endswith("pip install nvidia-cublas-cu12")
    assert told["cuDNN frontend"].endswith('pip install "nvidia-cudnn-frontend>=1.24,<1.29" nvidia-cudnn-cu12')
    assert told["NVRTC"] == "12.4"


def test_a_driver_without_devices_and_two_packages_of_one_kind(machine):
    told = machine(
        Presence((13, 0), (), "the driver finds no device; CUDA_VISIBLE_DEVICES may hide them"),
        packages={"cupy-cuda13x": "14.2.0", "cupy-cuda12x": "14.2.0"},
    )
    assert "CUDA_VISIBLE_DEVICES" in told["devices"]
    assert "uninstall all but one" in told["CuPy"]


def test_versions_are_asked_of_the_libraries(tmp_path):
    def writes(*numbers: int) -> Any:
        def call(*outs: Any) -> int:
            for out, n in zip(outs, numbers, strict=True):
                out._obj.value = n
            return 0

        return call

    class Returns:
        restype = ctypes.c_int

        def __init__(self, n: int) -> None:
            self.n = n

        def __call__(self) -> int:
            return self.n

    library = SimpleNamespace(
        cudaRuntimeGetVersion=writes(13020),
        nvrtcVersion=writes(13, 4),
        cublasLtGetVersion=Returns(130_300),
        cudnnGetVersion=Returns(92_800),
    )
    told = [libraries.version_of(one, lambda path: library) for one in libraries.LIBRARIES]
    assert told == ["13.2", "13.4", "13.3", "9.28"]
    library.cudnnGetVersion = Returns(8902)
    assert libraries.version_of(libraries.LIBRARIES[3], lambda path: library) == "8.9"

    def nothing(path: str) -> Any:
        raise OSError(path)

    assert [libraries.version_of(one, nothing) for one in libraries.LIBRARIES] == [None] * 4
    file = tmp_path / "nvidia" / "cu13" / "lib" / "libnvrtc.so.13"
    file.parent.mkdir(parents=True)
    file.touch()
    assert libraries.in_wheels("libnvrtc.so.13", [str(tmp_path)]) == [file]


def test_the_report_has_a_section_for_it():
    lines = list(info.report())
    start = lines.index("GPU")
    assert [line for line in lines[start:] if line.startswith("  driver")] and lines.index("extras") > start
