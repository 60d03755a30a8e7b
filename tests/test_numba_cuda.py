"""Kernels in Numba CUDA: run by Numba's simulator, and compiled for a GPU, which takes none. Nothing here ran on one."""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_driver import driver
from gpu_programs import DEVICES, PROGRAMS
from printed_kernels import Ran, ran
from test_cublaslt import lt, path  # noqa: F401  (fixtures)
from test_cuda_driver import device, stand_in  # noqa: F401  (fixtures)

import gpugrad as gg
from gpugrad import errors
from gpugrad.backends import select
from gpugrad.backends.numba_cuda import NumbaCudaBackend
from gpugrad.codegen import numba_cuda_printer
from gpugrad.codegen.gpu_launch import schedule
from gpugrad.cuda import numba_compiler, presence
from gpugrad.cuda.host import COMPILER, HostDevice
from gpugrad.cuda.numba_driver import NumbaCudaDevice
from gpugrad.cuda.user_kernel import CudaFunction

pytestmark = pytest.mark.filterwarnings("ignore::gpugrad.errors.GradientWarning")

FILE = Path(__file__).parent / "numba_cuda_programs.py"


@pytest.mark.skipif(COMPILER is None, reason="no C++ compiler, for the kernels that Numba has no words for")
def test_programs_in_the_simulator() -> None:
    """In a process of its own, since the simulator is chosen before Numba is imported."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(FILE)],
        capture_output=True,
        text=True,
        env={**os.environ, "NUMBA_ENABLE_CUDASIM": "1"},
        cwd=FILE.parent.parent,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


# ---- what is not here --------------------------------------------------------------------------------------------------


def test_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "presence", lambda: presence.Presence(None, (), "no driver"))
    with pytest.raises(errors.DeviceError, match=r"'numba_cuda' cannot be used here: no driver\. A CUDA device"):
        gg.use_backend("numba_cuda")
    with pytest.raises(errors.DeviceError, match=r"'numba_cuda_on_host' .*Set NUMBA_ENABLE_CUDASIM=1"):
        gg.use_backend("numba_cuda_on_host")
    gpu = presence.Gpu("H100", 1 << 36, (9, 0))
    monkeypatch.setattr(presence, "presence", lambda: presence.Presence((13, 0), (gpu,)))
    backend = NumbaCudaBackend()
    monkeypatch.setattr(backend, "_found", lambda: False)
    assert backend.why_not() == 'CuPy is not installed: pip install "gpugrad[cuda13]"'
    backend._cupy = object()  # as after CuPy was found
    monkeypatch.setattr(numba_compiler, "find_spec", lambda name: None)
    assert backend.why_not() == 'numba-cuda is not installed: pip install "gpugrad[cuda13]"'
    with pytest.raises(errors.MissingExtraError, match=r'numba-cuda is not installed: pip install "gpugrad\[cuda13\]"'):
        numba_compiler.compiled("", "sm_90")


# ---- through the driver, with one that stands in ------------------------------------------------------------------------


def test_functions_are_launched_by_the_driver(device: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    """What Numba compiled is loaded, launched and captured as CUDA C++ is; here the same kernel's C++ stands for it."""
    texts: list[str] = []
    load = HostDevice.load
    monkeypatch.setattr(HostDevice, "load", lambda self, given: (texts.extend(given), load(self, given))[1])
    f = gg.jit(lambda x, y: gg.exp(x) * y + 1.0)
    x, y = (
        gg.asarray(np.arange(5.0) * k, device="cuda") for k in (0.1, 1.0)
    )  # 5 elements, one by one in both languages
    wanted = f(x, y)
    (text,) = texts
    seen = []

    def compiled(printed: str, architecture: str) -> dict[str, tuple[bytes, str]]:
        seen.append(architecture)
        return {name: (text.encode(), name) for name in numba_compiler.functions(printed)}

    monkeypatch.setattr(numba_compiler, "compiled", compiled)
    backend = select.on("cuda")
    made = NumbaCudaDevice()
    monkeypatch.setattr(backend, "device", made)
    g = gg.jit(lambda x, y: gg.exp(x) * y + 1.0)
    np.testing.assert_array_equal(g(x, y).to("cpu").numpy(), wanted.to("cpu").numpy())
    assert seen == ["sm_90"] and "kernel_0 in Numba CUDA: " in g.plan(x, y)
    assert driver.capturing is None


# ---- compiled for a GPU ------------------------------------------------------------------------------------------------


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The PTX of what is compiled, as long as a test runs."""
    if numba_compiler.missing() or not all(map(numba_compiler.found, ("nvvm", "nvJitLink", "nvrtc"))):
        pytest.skip('Numba CUDA, NVVM or nvJitLink is not installed: pip install "gpugrad[numba-cuda]"')
    from numba.cuda import dispatcher

    # for functions that a kernel calls, Numba asks the current device, of which there is none
    current = types.SimpleNamespace(compute_capability=(9, 0))
    monkeypatch.setattr(dispatcher, "get_current_device", lambda: current)
    seen: list[str] = []
    linked = numba_compiler.linked
    monkeypatch.setattr(
        numba_compiler, "linked", lambda ptx, architecture: (seen.append(ptx), linked(ptx, architecture))[1]
    )
    return seen


def programs() -> list[Ran]:
    """Every form, and what takes functions of other names or dtypes than the rest."""
    found: list[Ran] = []
    for f, args in PROGRAMS.values():
        found += ran(f, *args)
    x, k = gg.asarray(np.ones((9, 16), np.float16)), gg.asarray(np.ones((3, 4), np.int32))
    found += ran(lambda x: (gg.sum(x * x, axis=0), gg.layer_norm(x)), x)
    found += ran(lambda k: (k**3 + gg.where(k > 2, k % 3, k << 2), gg.max(k, axis=0) > 1), k)
    return found


def test_every_form_is_machine_code_that_takes_what_a_launch_gives(compiler: list[str]) -> None:
    plans = [(r.kernel, schedule(r.kernel, r.sizes, d, plain=True)) for r in programs() for d in DEVICES.values()]
    texts = list(dict.fromkeys(numba_cuda_printer.printed(kernel, plan.form) for kernel, plan in plans))
    assert len(texts) > 30
    for text in texts:
        compiler.clear()
        made = numba_compiler.compiled(text, "sm_90")
        for ptx, (name, (code, symbol)) in zip(compiler, made.items(), strict=True):
            assert code[1:4] == b"ELF" and symbol.encode() in code and name in symbol
            (head,) = re.findall(rf"\.entry {symbol}\((.*?)\)", ptx, re.DOTALL)
            said = list(numba_compiler.parameters(numba_compiler.executed(text)[name].py_func))
            wanted = ["u64" if array else {"int32": "u32", "int64": "u64"}[dtype] for dtype, array in said]
            assert re.findall(r"\.param \.(\w+)", head) == wanted


def test_a_users_function_takes_what_a_launch_gives(compiler: list[str]) -> None:
    def scaled(x: Any, k: Any, scale: Any, also: Any, y: Any, z: Any) -> None:
        y[0] += x[1, k] * scale
        z[()] = also

    arrays = [np.ones((2, 3), "f"), np.ones(4), np.ones((), bool)]
    given = [arrays[0], 2, 0.5, True, *arrays[1:]]
    kinds = [(x.dtype, x.ndim) if isinstance(x, np.ndarray) else type(x) for x in given]
    code, symbol = numba_compiler.of_user(scaled, kinds, "sm_90")
    assert code[1:4] == b"ELF" and symbol.encode() in code
    (head,) = re.findall(rf"\.entry {symbol}\((.*?)\)", compiler[0], re.DOTALL)
    values = numba_compiler.values(given, lambda x: int(x.ctypes.data))
    bits = [int(n) for n in re.findall(r"\.param \.\w(\d+)", head)]
    assert bits == [8 * ctypes.sizeof(v) for v in values] and len(bits) == 9 + 3 + 7 + 5
    assert [v.value for v in values[2:9]] == [6, 4, arrays[0].ctypes.data, 2, 3, 12, 4]

    def wrong(x: Any, y: Any) -> None:
        y[0] = x.missing  # here

    with pytest.raises(errors.UnsupportedError) as caught:
        CudaFunction(wrong, None)._ready(Compiling(), arrays[:2])
    said = str(caught.value)
    assert said.startswith("kernel wrong cannot be compiled for (float32, 2-D, float64, 1-D), test_numba_cuda.py:")
    assert "y[0] = x.missing  # here: " in said and "missing" in said.rpartition("here: ")[2]


class Compiling:
    """A device that compiles a user's function, and no more."""

    def python(self, function: Any, given: Any) -> Any:
        return numba_compiler.of_user(function, [(x.dtype, x.ndim) for x in given], "sm_90")


def test_what_was_compiled_is_kept(compiler: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPUGRAD_CACHE_DIR", str(tmp_path))
    (r,) = ran(lambda x: gg.exp(x) * 2.0, gg.ones(4))
    text = numba_cuda_printer.printed(r.kernel, schedule(r.kernel, r.sizes, plain=True).form)
    made = numba_compiler.compiled(text, "sm_90")
    monkeypatch.setattr(numba_compiler, "executed", lambda text: pytest.fail("compiled again"))
    assert numba_compiler.compiled(text, "sm_90") == made and len(compiler) == 1


def test_a_text_that_is_not_taken(compiler: list[str]) -> None:
    text = 'from numba import cuda\n\n\n@cuda.jit\ndef kernel(x: "float32[::1]"):\n    x[0] = x.missing\n'
    with pytest.raises(errors.UnsupportedError, match=r"(?s)does not take a kernel for sm_90:.*missing.*use_backend"):
        numba_compiler.compiled(text, "sm_90")
