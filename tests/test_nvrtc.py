"""The golden CUDA C++ is taken by NVIDIA's own compiler, which needs no GPU: pip install "gpugrad[nvrtc]"."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

nvrtc: Any = pytest.importorskip("cuda.bindings.nvrtc", reason='NVRTC is not installed: pip install "gpugrad[nvrtc]"')

HERE = Path(__file__).parent
KERNELS = HERE.parent / "kernels" / "cuda"
GOLDEN = sorted((HERE / "golden").glob("*.cu"))


def compiled(text: str, architecture: str) -> str:
    """What the compiler says about a text that it takes."""
    _, program = nvrtc.nvrtcCreateProgram(text.encode(), b"kernel.cu", 0, [], [])
    options = [f"-arch={architecture}", "--std=c++17", "-default-device", f"-I{KERNELS}", "--ptxas-options=-v"]
    (done,) = nvrtc.nvrtcCompileProgram(program, len(options), [o.encode() for o in options])
    log = b" " * nvrtc.nvrtcGetProgramLogSize(program)[1]
    nvrtc.nvrtcGetProgramLog(program, log)
    assert int(done) == 0, log.decode(errors="replace")
    return log.decode(errors="replace")


@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.stem)
def test_golden_texts_compile(file: Path, architecture: str) -> None:
    said = compiled(file.read_text(), architecture)
    assert "warning" not in said, said
    assert not re.search(r"[1-9]\d* bytes spill", said), said
    assert all(int(n) <= 64 for n in re.findall(r"Used (\d+) registers", said)), said
